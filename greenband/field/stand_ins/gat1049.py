"""A signal platform of GA/T 1049.2 made of software, on the loopback address, with many junctions behind it.

It holds the plans, day plans and schedule rows that it is given, by CrossID, held against the unofficial schema and
for what they refer to. It runs a trial (CenterPlan) until its time is over by a clock that tests may move. It fails
as ``Faults`` tell it to. As the real protocol is public in part only, what it proves is that both ends here agree.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import json
import logging
import math
import secrets
import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from xml.etree import ElementTree as ET

from greenband.errors import BadInput, UnknownName
from greenband.field.gat1049.objects import NUMBERS, named, renumbered
from greenband.field.gat1049.wire import MAX_BYTES, Framing, Garbled, Lost, Message, Operation, framed, read_frame
from greenband.field.stand_ins.faults import parsed
from greenband.files import write_text
from greenband.formats.gat1049_message import check_object, node

__all__ = ["Faults", "PlatformStandIn"]

OWN_MODE = "21"
RELEASED = "00"
OTHER_NUMBERS = 500
MAX_CONNECTIONS = 200
MAX_AT_ONCE = 64
ANSWERS = ("", "bytes", "truncated", "doctype", "other", "stranger", "twice", "huge")
SETS = ("drop_at_message", "drop_at_set", "drop_after_set", "lose_set", "silent_from_set", "corrupt_set")
REMEMBERED = 10_000  # Seqs of a connection
LOG = logging.getLogger(__name__)


@dataclass
class Faults:
    """What goes wrong, at one junction, or at all of them under the name ``""``; nothing by default.

    The n-th Set counts from 1 and by junction; 0 never comes. ``drop_at_set`` breaks the connection before it is
    carried out, ``drop_after_set`` after that, ``lose_set`` carries it out without an answer; from ``silent_from_set``
    on nothing is carried out or answered; ``corrupt_set`` is stored with another name.

    Raises:
        BadInput: a value that is not possible.
    """

    latency_s: float = 0.0
    silent: bool = False
    drop_at_message: int = 0
    drop_at_set: int = 0
    drop_after_set: int = 0
    lose_set: int = 0
    silent_from_set: int = 0
    corrupt_set: int = 0
    refuse: frozenset[str] = frozenset()
    renumber: bool = False
    untidy: bool = False
    replay: bool = False
    answer: Literal["", "bytes", "truncated", "doctype", "other", "stranger", "twice", "huge"] = ""

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise UnknownName("kind of fault answer", self.answer, ANSWERS[1:])
        for name in ("latency_s", *SETS):
            if not 0 <= getattr(self, name) < math.inf:
                raise BadInput(f"fault {name}: {getattr(self, name)}, but it must be 0 or more, and end")

    @classmethod
    def of(cls, text: str) -> Faults:
        """Read such as ``latency_s=0.05,lose_set=2,refuse=PlanParam.1+DayPlanParam.1,untidy``; empty for none.

        Raises:
            BadInput: naming the fault, its value and what is allowed.
        """
        return cls(**parsed(text, {field.name: type(field.default) for field in dataclasses.fields(cls)}))


class _No(Exception):
    def __init__(self, obj: str, kind: str, why: str) -> None:
        super().__init__(why)
        self.obj, self.kind, self.why = obj, kind, why


@dataclass
class _Junction:
    """Objects as they came, by name, and how it runs."""

    objects: dict[str, ET.Element] = field(default_factory=dict)
    mode: str = OWN_MODE
    plan: int = 1
    state: str = "Online"
    trial: tuple[str, float] | None = None  # control mode, and when it ends
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class _Peer:
    """A connection."""

    writer: asyncio.StreamWriter
    token: str = ""
    seen: OrderedDict[str, None] = field(default_factory=OrderedDict)
    last: bytes = b""


class PlatformStandIn:
    """The platform; ``async with`` starts and stops it. ``port`` is where it listens.

    Args:
        cross_ids: junctions behind it.
        user: who may log in.
        password: their password.
        framing: as for ``greenband.field.gat1049.session.Platform``.
        faults: by CrossID; ``""`` for all.
        state: a file that keeps what is held, replaced in one step after each change.
        idle_s: a connection that is silent for so long is closed.
        clock: seconds; only differences count.
        port: where to listen; 0 for any free port.
    """

    def __init__(
        self,
        cross_ids: Iterable[str],
        user: str,
        password: str,
        *,
        framing: Framing = "length",
        faults: Mapping[str, Faults] | None = None,
        state: Path | None = None,
        idle_s: float = 90,
        clock: Callable[[], float] = time.monotonic,
        port: int = 0,
    ) -> None:
        self.port, self.faults = port, defaultdict(Faults, faults or {})
        self.heartbeats = 0
        self.sets: Counter[str] = Counter()
        self.refusals: deque[str] = deque(maxlen=1000)
        self._user, self._password, self._framing = user, password, framing
        self._state, self._idle_s, self._clock = state, idle_s, clock
        self._junctions = {cross_id: _Junction() for cross_id in cross_ids}
        self._messages = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        if state is not None and state.exists():
            for cross_id, objects in json.loads(state.read_text(encoding="utf-8")).items():
                self.hold(cross_id, objects)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=MAX_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None, "entered before"
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def held(self, cross_id: str) -> dict[str, str]:
        """What a junction holds: canonical texts by name."""
        return dict(named(found, cross_id, "held") for found in self._junctions[cross_id].objects.values())

    def hold(self, cross_id: str, objects: Mapping[str, str]) -> None:
        """Let a junction hold these, without a question."""
        held = {name: ET.fromstring(text) for name, text in objects.items() if text}
        self._junctions.setdefault(cross_id, _Junction()).objects.update(held)

    def run_as(self, cross_id: str, mode: str, plan: int = 0, state: str = "Online") -> None:
        """Let a junction run in some control mode and state."""
        junction = self._junctions[cross_id]
        junction.mode, junction.plan, junction.state = mode, plan, state

    def running(self, cross_id: str) -> tuple[str, int]:
        """Control mode and plan of a junction; a trial has plan 0."""
        junction = self._junctions[cross_id]
        if junction.trial is not None and self._clock() >= junction.trial[1]:
            junction.trial = None
        return (junction.trial[0], 0) if junction.trial else (junction.mode, junction.plan)

    # Connections

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= MAX_CONNECTIONS * MAX_AT_ONCE:
            writer.transport.abort()
            return
        self._begin(self._serve(reader, _Peer(writer)))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, peer: _Peer) -> None:
        room = asyncio.Semaphore(MAX_AT_ONCE)
        try:
            while True:
                async with asyncio.timeout(self._idle_s):
                    data = await self._received(reader)
                await room.acquire()
                self._begin(self._handle(peer, data, room))
        except (OSError, EOFError, TimeoutError) as error:
            LOG.debug("connection over: %s", type(error).__name__)
        except Lost as error:
            self._refused(str(error))
        finally:
            peer.writer.transport.abort()

    async def _received(self, reader: asyncio.StreamReader) -> bytes:
        while True:
            try:
                return await read_frame(reader, self._framing)
            except Lost:
                raise
            except Garbled as error:
                self._refused(str(error))

    async def _handle(self, peer: _Peer, data: bytes, room: asyncio.Semaphore) -> None:
        try:
            await self._answer(peer, data)
        except OSError:
            LOG.debug("an answer found no one")
        finally:
            room.release()

    async def _answer(self, peer: _Peer, data: bytes) -> None:
        try:
            request = Message.unpacked(data)
        except Garbled as error:
            self._refused(str(error))
            unnamed = Message("ERROR", error.seq or "0" * 20, (_error("", "SDE_MsgType", str(error)),))
            await self._send(peer, unnamed)
            return
        if request.kind != "REQUEST":
            self.heartbeats += any(thing.tag == "SDO_HeartBeat" for thing in _things(request))
            return
        self._messages += 1
        if self._messages == self.faults[""].drop_at_message:
            peer.writer.transport.abort()
            return
        cross_id = _cross_id(request)
        try:
            self._admit(peer, request)
            if cross_id in self._junctions:
                await self._answer_for(cross_id, peer, request)
            else:
                await self._send(peer, self._carried_out(peer, request, Faults()))
        except _No as no:
            await self._send(peer, self._declined(request, no))

    async def _answer_for(self, cross_id: str, peer: _Peer, request: Message) -> None:
        """One request after another for one junction, with its faults."""
        faults = self.faults[cross_id] if cross_id in self.faults else self.faults[""]
        sets = any(operation.name == "Set" for operation in request.operations)
        async with self._junctions[cross_id].turn:
            await asyncio.sleep(faults.latency_s)
            self.sets[cross_id] += sets
            number = self.sets[cross_id] if sets else -1
            if faults.silent or 0 < faults.silent_from_set <= self.sets[cross_id]:
                return
            if number == faults.drop_at_set:
                peer.writer.transport.abort()
                return
            try:
                answer = self._carried_out(peer, request, faults)
            except _No as no:
                answer = self._declined(request, no)
            if number == faults.drop_after_set:
                peer.writer.transport.abort()
            elif number != faults.lose_set:
                await self._send(peer, answer, faults)

    async def _send(self, peer: _Peer, answer: Message, faults: Faults | None = None) -> None:
        data = answer.packed("UTCS", "TICP")
        if faults is not None:
            if faults.replay and peer.last:
                peer.writer.write(framed(peer.last, self._framing))
            peer.last = data
            data = _spoiled(data, answer, faults)
        peer.writer.write(framed(data, self._framing))
        await peer.writer.drain()

    # Requests

    def _admit(self, peer: _Peer, request: Message) -> None:
        """Whether a request may be carried out at all: it is new, and its token is this connection's own."""
        if request.seq in peer.seen:
            raise _No("Seq", "SDE_Failure", "this Seq was used before")
        peer.seen[request.seq] = None
        if len(peer.seen) > REMEMBERED:
            peer.seen.popitem(last=False)
        login = [operation.name for operation in request.operations] == ["Login"]
        if not login and not (peer.token and hmac.compare_digest(request.token.encode(), peer.token.encode())):
            raise _No("Token", "SDE_Token", "log in first")

    def _carried_out(self, peer: _Peer, request: Message, faults: Faults) -> Message:
        for thing in _things(request):
            try:
                check_object(thing, "request")
            except BadInput as error:
                raise _No(thing.tag[:50], "SDE_Failure", str(error)[:500]) from error
        done = []
        for operation in request.operations:
            if len(operation.objects) != 1:
                raise _No("", "SDE_OperName", "an operation needs one object")
            done.append(
                Operation(operation.name, tuple(self._done(peer, operation.name, operation.objects[0], faults)))
            )
        if not done:
            raise _No("", "SDE_OperName", "a request needs an operation")
        return Message("RESPONSE", request.seq, tuple(done), peer.token)

    def _done(self, peer: _Peer, name: str, thing: ET.Element, faults: Faults) -> list[ET.Element]:
        match name, thing.tag:
            case "Login", "SDO_User":
                return self._login(peer, thing)
            case "Logout", "SDO_User":
                peer.token = ""
                return [node("SDO_User", node("UserName", thing.findtext("UserName", "")))]
            case "Get", "TSCCmd":
                return self._get(thing, faults)
            case "Set", "CenterPlan":
                return self._try_out(thing)
            case "Set", "CrossCtrlInfo":
                return self._control(thing)
            case "Set", "SetPlanParam" | "SetDayPlanParam" | "SetScheduleParam":
                return self._set(thing, faults)
        raise _No(thing.tag, "SDE_OperName", f"{name} of {thing.tag} is unknown here")

    def _login(self, peer: _Peer, user: ET.Element) -> list[ET.Element]:
        name, password = user.findtext("UserName", ""), user.findtext("Pwd", "")
        if not hmac.compare_digest(name.encode(), self._user.encode()):
            raise _No("SDO_User", "SDE_UserName", "unknown user")
        if not hmac.compare_digest(password.encode(), self._password.encode()):
            raise _No("SDO_User", "SDE_Pwd", "wrong password")
        peer.token = secrets.token_hex(16)
        return [node("SDO_User", node("UserName", name), node("Pwd"))]

    def _get(self, wanted: ET.Element, faults: Faults) -> list[ET.Element]:
        kind, cross_id, number = (wanted.findtext(tag, "") for tag in ("ObjName", "ID", "No"))
        junction = self._of(cross_id)
        mode, plan = self.running(cross_id)
        if kind in ("CrossModePlan", "CrossCtrlInfo"):
            return [node(kind, node("CrossID", cross_id), node("ControlMode", mode), node("PlanNo", plan))]
        if kind == "CrossState":
            return [node(kind, node("CrossID", cross_id), node("Value", junction.state))]
        if kind not in NUMBERS:
            raise _No(kind, "SDE_Failure", "no such object")
        names = [name for name in junction.objects if name.startswith(f"{kind}.")]
        if int(number or 0):
            names = [name for name in names if name == f"{kind}.{int(number)}"]
            if not names:
                raise _No(kind, "1002", "there is no such object")
        found = [junction.objects[name] for name in names]
        return [_untidy(thing) for thing in found] if faults.untidy else found

    def _set(self, command: ET.Element, faults: Faults) -> list[ET.Element]:
        kind = command.tag.removeprefix("Set")
        param, oper = command.find(kind), command.findtext("Oper")
        assert param is not None, "the schema wants it"
        cross_id, number = param.findtext("CrossID", ""), int(param.findtext(NUMBERS[kind], "0"))
        objects = self._of(cross_id).objects
        if oper == "1":
            number = self._new_number(kind, number, objects, faults)
            param = renumbered(param, number)
        name = f"{kind}.{number}"
        if faults.refuse & {name, kind}:
            raise _No(name, "SDE_NotAllow", "this one is not to be changed")
        if (name in objects) != (oper != "1"):
            raise _No(name, "1002" if oper != "1" else "SDE_Failure", "there is no such object, or it is there already")
        after = {**objects, name: param}
        if oper == "3":
            del after[name]
        _check(after, param if oper != "3" else None)
        if self.sets[cross_id] == faults.corrupt_set and oper != "3":
            after[name] = _corrupted(param)
        self._of(cross_id).objects = after
        self._keep()
        return [param] if oper != "3" else []

    @staticmethod
    def _new_number(kind: str, asked: int, objects: Mapping[str, ET.Element], faults: Faults) -> int:
        number = OTHER_NUMBERS if faults.renumber else asked or 1
        while f"{kind}.{number}" in objects and not (asked and not faults.renumber):
            number += 1
        return number

    def _try_out(self, trial: ET.Element) -> list[ET.Element]:
        param = trial.find("PlanParam")
        assert param is not None, "the schema wants it"
        junction = self._of(param.findtext("CrossID", ""))
        _check({}, param)
        minutes = int(trial.findtext("MaxRunTime", "0"))
        junction.trial = trial.findtext("ControlMode", ""), self._clock() + 60 * minutes
        return []

    def _control(self, info: ET.Element) -> list[ET.Element]:
        junction = self._of(info.findtext("CrossID", ""))
        mode = info.findtext("ControlMode", "")
        junction.trial = None
        if mode != RELEASED:
            junction.mode, junction.plan = mode, int(info.findtext("PlanNo", "0"))
        return [info]

    def _of(self, cross_id: str) -> _Junction:
        if cross_id not in self._junctions:
            raise _No("CrossID", "SDE_Failure", "there is no such junction here")
        return self._junctions[cross_id]

    def _keep(self) -> None:
        if self._state is None:
            return
        texts = {
            cross_id: {name: ET.tostring(found, encoding="unicode") for name, found in junction.objects.items()}
            for cross_id, junction in self._junctions.items()
        }
        write_text(self._state, json.dumps(texts, indent=1, ensure_ascii=False), durable=False)

    def _declined(self, request: Message, no: _No) -> Message:
        self._refused(f"{no.obj} {no.kind}: {no.why}")
        name = request.operations[0].name if request.operations else "Error"
        return Message("ERROR", request.seq, (dataclasses.replace(_error(no.obj, no.kind, no.why), name=name),))

    def _refused(self, why: str) -> None:
        LOG.info("refused: %s", why)
        self.refusals.append(why)


def _error(obj: str, kind: str, why: str) -> Operation:
    error = node("SDO_Error", node("ErrObj", obj), node("ErrType", kind), node("ErrDesc", why))
    return Operation("Error", (error,))


def _things(message: Message) -> list[ET.Element]:
    return [thing for operation in message.operations for thing in operation.objects]


def _cross_id(request: Message) -> str:
    """The junction that a request is about; empty where it is about none."""
    found = (part.text for thing in _things(request) for part in thing.iter() if part.tag in ("ID", "CrossID"))
    return next(found, None) or ""


def _check(objects: Mapping[str, ET.Element], changed: ET.Element | None) -> None:
    """What the schema cannot say: sums, and that everything which is called for is there."""
    if changed is not None and changed.tag == "PlanParam":
        parts = [int(changed.findtext("CycleLen", "0"))]
        for timing in changed.iter("StageTiming"):
            parts.append(-sum(int(timing.findtext(tag, "0")) for tag in ("Green", "Yellow", "AllRed")))
        if sum(parts):
            raise _No("PlanParam", "SDE_Failure", "stages do not sum to the cycle")
    for name, found in objects.items():
        for period in found.iterfind("PeriodList/Period/PlanNo"):
            if int(period.text or 0) and f"PlanParam.{int(period.text or 0)}" not in objects:
                raise _No(name, "SDE_Failure", f"it calls for plan {period.text}, which is not there")
        if found.tag == "ScheduleParam" and f"DayPlanParam.{int(found.findtext('DayPlanNo', '0'))}" not in objects:
            raise _No(name, "SDE_Failure", "it calls for a day plan which is not there")


def _corrupted(param: ET.Element) -> ET.Element:
    """With another name."""
    made = ET.fromstring(ET.tostring(param))
    name = next(found for found in made if found.tag.endswith("Name"))
    name.text = f"{name.text or ''}?"
    return made


def _untidy(found: ET.Element) -> ET.Element:
    """The same, with its fields in another order, white space, and leading zeros."""
    made = ET.Element(found.tag, dict(reversed(list(found.attrib.items()))))
    made.text = f" 0{int(found.text)} " if found.tag.endswith(("No", "Green", "Len")) and found.text else found.text
    children = [_untidy(child) for child in found]
    made.extend(children if found.tag.endswith("List") else reversed(children))
    if len(made):
        ET.indent(made)
    return made


def _spoiled(data: bytes, answer: Message, faults: Faults) -> bytes:
    """An answer as its fault has it."""
    match faults.answer:
        case "bytes":
            return secrets.token_bytes(300) + answer.seq.encode() + b"</Message>"
        case "truncated":
            return data[: len(data) // 2]
        case "doctype":
            return data.replace(b"?><", b'?><!DOCTYPE m [<!ENTITY a "b">]><', 1)
        case "other":
            return dataclasses.replace(answer, operations=(Operation("Notify"),)).packed("UTCS", "TICP")
        case "stranger":
            thing = node("PlanParam", node("CrossID", "X" * 14), node("PlanNo", "many"))
            strange = tuple(Operation(operation.name, (thing,)) for operation in answer.operations)
            return dataclasses.replace(answer, operations=strange).packed("UTCS", "TICP")
        case "twice":
            double = tuple(Operation(operation.name, operation.objects * 2) for operation in answer.operations)
            return dataclasses.replace(answer, operations=double).packed("UTCS", "TICP")
        case "huge":
            return data.replace(b"<Version>", b"<Version>" + b"9" * (MAX_BYTES - 1000), 1)
    return data
