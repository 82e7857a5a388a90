"""A signal controller made of software, spoken to as NTCIP 1202 and 1201 say over SNMP, on one UDP port of 127.0.0.1.

SNMPv3 with authentication and privacy; SNMPv2c only where a community is set. What is malformed, replayed, of unknown
users or wrongly signed is refused, counted and logged, and changes nothing. What is stored survives a power loss, and,
where there is a state file, the end of the process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from greenband.errors import BadInput
from greenband.field.stand_ins.ber import OCTETS, SEQUENCE, Malformed, Pdu, Reader, integer, wrap
from greenband.field.stand_ins.catalog import Maxima, catalog
from greenband.field.stand_ins.faults import Faults, Mishaps, PowerLoss
from greenband.field.stand_ins.memory import Memory, texts, values_of
from greenband.field.stand_ins.ntcip_agent import Agent
from greenband.field.stand_ins.running import Clock, Running
from greenband.field.stand_ins.transaction import Transaction
from greenband.field.stand_ins.usm import Engine, Refusal, User
from greenband.files import write_text
from greenband.formats.bounded import bounded_bytes
from greenband.formats.ntcip_objects import NtcipObject

__all__ = ["Faults", "Maxima", "Settings", "StandIn", "User", "held_in", "serve_many"]

LOG = logging.getLogger(__name__)

HOST = "127.0.0.1"
LARGEST = 65_507  # octets of a datagram
LEAST_ROOM = 484  # octets of an answer that everybody must take
V2C = 1
ENTERPRISE = bytes.fromhex("800004b604")  # engine ids: NEMA's number, and a text follows
MAX_STATE_OCTETS = 20_000_000


@dataclass(frozen=True)
class Settings:
    """What one controller is.

    Attributes:
        users: who may speak to it by SNMPv3.
        name: by which engine ids differ.
        engine_id: 5 to 32 octets; by default made of the name.
        community: for SNMPv2c; by default there is none, and it is refused.
        port: UDP port; 0 for any that is free.
        maxima: its size.
        verify_s: seconds that a consistency check takes.
        settle_s: seconds that it runs free after its tables have changed, on its way to the pattern (transitionFree).
        direct: store SETs outside a transaction at once; by default they are refused.
        split_is_fixed: patternSplitNumber cannot be set, as in the MIB of 2004.
        signed_words: dates of the schedule, which have 32 bits, are sent as INTEGER with a sign, not as Unsigned32.
        largest: octets of an answer, at most.
        zone_s: seconds by which local standard time is ahead of UTC.
        faults: what goes wrong with it.
        state: file in which it keeps what it has stored.

    Raises:
        BadInput: no user, an engine id that is none, or a size of answers that nobody can have.
    """

    users: tuple[User, ...]
    name: str = "stand-in"
    engine_id: bytes = b""
    community: str = field(default="", repr=False)
    port: int = 0
    maxima: Maxima = field(default_factory=Maxima)
    verify_s: float = 0.0
    settle_s: float = 0.0
    direct: bool = False
    split_is_fixed: bool = False
    signed_words: bool = False
    largest: int = LARGEST
    zone_s: int = 0
    faults: Faults = field(default_factory=Faults)
    state: Path | None = None

    def __post_init__(self) -> None:
        if not self.users and not self.community:
            raise BadInput(f"stand-in {self.name}: it has neither a user nor a community")
        if self.engine_id and not 5 <= len(self.engine_id) <= 32:
            raise BadInput(f"stand-in {self.name}: an engine id of {len(self.engine_id)} octets; 5 to 32 are possible")
        if not LEAST_ROOM <= self.largest <= LARGEST:
            raise BadInput(
                f"stand-in {self.name}: answers of {self.largest} octets; {LEAST_ROOM} to {LARGEST} are possible"
            )

    @property
    def engine(self) -> bytes:
        """The engine id."""
        return self.engine_id or ENTERPRISE + hashlib.sha256(self.name.encode()).hexdigest()[:16].encode()


class StandIn:
    """One controller; it answers from ``start`` to ``stop``.

    Args:
        settings: what it is.
        objects: what it has stored at first, as of ``greenband.formats.ntcip.objects``; the state file comes before it.
        utc: the calendar, seconds since 1970.
        now: seconds of a clock that never goes back, for all that takes time.

    Raises:
        BadInput: the objects do not fit into it, or the state file is not one of it.
    """

    def __init__(
        self,
        settings: Settings,
        objects: Iterable[NtcipObject] = (),
        utc: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self._now = settings, now
        self.counts: Counter[str] = Counter()  # of what came and became of it
        self.port = settings.port
        self._mishaps = Mishaps(settings.faults)
        made = catalog(settings.maxima, settings.split_is_fixed, settings.signed_words)
        self._memory = Memory(made, objects)
        self._engine = Engine(settings.engine, settings.users, boots=0, now=now)
        self._transaction = Transaction(self._memory, self._mishaps, settings.verify_s, now)
        self._running = Running(self._memory, Clock(utc, settings.zone_s), self._mishaps, settings.settle_s, now)
        self._agent = Agent(self._memory, self._transaction, self._running, self._mishaps, direct=settings.direct)
        self._restore()
        self._saved = self._memory.version
        self._back_at: float | None = None  # when power returns
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def engine_id(self) -> bytes:
        """By which managers know it."""
        return self._engine.engine_id

    @property
    def boots(self) -> int:
        """How often it has started."""
        return self._engine.boots

    @property
    def stores(self) -> int:
        """How often it has stored something since it was made."""
        return self._memory.version

    @property
    def in_transaction(self) -> bool:
        """Whether somebody has a transaction open."""
        return self._transaction.open

    def held(self) -> dict[str, str]:
        """All that is stored: texts by the names of objects."""
        return texts(self._memory.values)

    async def start(self) -> None:
        """Begin to answer.

        Raises:
            BadInput: the port is taken.
        """
        self._engine.restart()
        self._save()
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(partial(_Endpoint, self), (HOST, self.port))
        except OSError as error:
            raise BadInput(f"stand-in {self.settings.name}: UDP port {self.port}: {error.strerror}") from error
        self.port = self._transport.get_extra_info("sockname")[1]

    async def stop(self) -> None:
        """Answer no more; what is stored stays."""
        if self._transport:
            self._transport.close()
            self._transport = None
            await asyncio.sleep(0)  # so that the socket is closed

    def received(self, data: bytes, sender: Any) -> None:
        """Take a datagram, and send the answer if there is one."""
        if self.settings.faults.silent or not self._has_power() or self._mishaps.lost():
            self.counts["lost"] += 1
            return
        try:
            answer = self._answer(data)
        except Malformed as error:
            self._refused("malformed", sender, str(error))
        except Refusal as refusal:
            self._refused(
                refusal.reason, sender, level=logging.DEBUG if refusal.reason == "discovery" else logging.INFO
            )
            if refusal.report:
                self._send(refusal.report, sender)
        except PowerLoss:
            self._lose_power()
        else:
            self.counts["answered"] += 1
            self._keep()
            self._send(answer, sender)

    def _answer(self, data: bytes) -> bytes:
        version = Reader(data).inside(SEQUENCE).integer()
        if version == V2C:
            return self._answer_v2c(data)
        opened = self._engine.opened(data)
        room = min(opened.max_octets, self.settings.largest) - self._engine.overhead(opened)
        answer = self._agent.answered(opened.pdu, f"user {opened.user}", room)
        return self._mishaps.garbled(answer, lambda pdu: self._engine.sealed(opened, pdu.octets()))

    def _answer_v2c(self, data: bytes) -> bytes:
        outside = Reader(data)
        message = outside.inside(SEQUENCE)
        outside.finished()
        message.integer()
        community = message.content(OCTETS)
        if not self.settings.community:
            raise Refusal("version 2c, which is off")
        if not hmac.compare_digest(community, self.settings.community.encode()):
            raise Refusal("wrong community")
        request = Pdu.of(message)
        message.finished()
        room = self.settings.largest - len(community) - 20
        answer = self._agent.answered(request, "community", room)
        head = integer(V2C) + wrap(OCTETS, community)
        return self._mishaps.garbled(answer, lambda pdu: wrap(SEQUENCE, head, pdu.octets()))

    def _refused(self, reason: str, sender: Any, detail: str = "", level: int = logging.INFO) -> None:
        """Nothing of the message itself is logged: it may hold what nobody should read."""
        self.counts[reason] += 1
        where = f"{sender[0]}:{sender[1]}"
        LOG.log(level, "stand-in %s: from %s: %s%s", self.settings.name, where, reason, detail and f", {detail}")

    def _send(self, data: bytes, receiver: Any) -> None:
        if self._mishaps.lost():
            self.counts["lost"] += 1
        elif delay_s := self._mishaps.delay_s():
            asyncio.get_running_loop().call_later(delay_s, self._send_now, data, receiver)
        else:
            self._send_now(data, receiver)

    def _send_now(self, data: bytes, receiver: Any) -> None:
        if self._transport and not self._transport.is_closing() and len(data) <= LARGEST:
            self._transport.sendto(data, receiver)

    def _lose_power(self) -> None:
        self.counts["power lost"] += 1
        restart_s = self.settings.faults.restart
        self._back_at = math.inf if math.isinf(restart_s) else self._now() + restart_s
        self._transaction.lose()
        self._keep()
        LOG.info("stand-in %s: power lost, for %g s", self.settings.name, restart_s)

    def _has_power(self) -> bool:
        """Power comes back when it is time and somebody asks."""
        if self._back_at is None:
            return True
        if self._now() < self._back_at:
            return False
        self._back_at = None
        self._engine.restart()
        self._running.restart()
        self._save()
        return True

    def _keep(self) -> None:
        """Write the state file if something was stored, before anybody is told of it."""
        if self._memory.version != self._saved:
            self._saved = self._memory.version
            self._save()

    def _save(self) -> None:
        if self.settings.state:
            kept = {
                "boots": self._engine.boots,
                "counts": self._mishaps.counts,
                "good": self._mishaps.good,
                "objects": self.held(),
            }
            write_text(self.settings.state, json.dumps(kept), durable=False)

    def _restore(self) -> None:
        path = self.settings.state
        if path is None or not path.exists():
            return
        kept = _kept(path)
        try:
            values = values_of(self._memory.catalog, kept["objects"])
        except (TypeError, ValueError, AttributeError) as error:
            raise BadInput(f"{path}: objects: {error}") from error
        self._memory.store(values)
        self._engine.boots = int(kept["boots"])
        self._mishaps.counts.update(kept["counts"])
        self._mishaps.good = str(kept["good"])


def held_in(path: Path) -> dict[str, str]:
    """What the controller of a state file has stored, as ``StandIn.held``.

    Raises:
        BadInput: it is no state file.
    """
    return {str(name): str(text) for name, text in _kept(path)["objects"].items()}


def _kept(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(bounded_bytes(path, MAX_STATE_OCTETS))
    except ValueError as error:
        raise BadInput(f"{path}: not the state of a stand-in: {error}") from error
    if not isinstance(kept, dict) or {"boots", "counts", "good", "objects"} - set(kept):
        raise BadInput(f"{path}: not the state of a stand-in")
    return kept


@asynccontextmanager
async def serve_many(stand_ins: Iterable[StandIn]) -> AsyncIterator[list[StandIn]]:
    """Start controllers, each on a port of its own, and stop them in the end.

    Raises:
        BadInput: a port is taken, or two have the same engine id.
    """
    made = list(stand_ins)
    if len({one.engine_id for one in made}) < len(made):
        raise BadInput("stand-ins: two have the same engine id: give them different names")
    async with AsyncExitStack() as stack:
        for one in made:
            await one.start()
            stack.push_async_callback(one.stop)
        yield made


class _Endpoint(asyncio.DatagramProtocol):
    """Hands datagrams on. That a manager's port is gone is no concern of a controller."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._stand_in.received(data, addr)
