"""A junction behind a signal platform of GA/T 1049.2: its plans, day plans and schedule are read, set and tried out.

A holding has the objects ``PlanParam.3``, ``DayPlanParam.1`` and ``ScheduleParam.7``, numbers being those of the
standard, with their XML in canonical form (``greenband.field.gat1049.objects``); an empty text means that there is no
such object. All objects of a kind are asked for at once, so that what is missing is told from what is refused.

The protocol has no transactions. A write is a row of single commands, each answered before the next: plans, day plans,
rows of the schedule, and then what is to be deleted, in reverse. Where an answer is lost, the platform is read before
anything is sent again. At the end all is read and compared; where anything went wrong, what was written is taken back
and read again. For the time of the write the junction may follow a mixture of old and new rows.

UNOFFICIAL: that a junction runs well is concluded from ControlMode (00 released, 11 off, 12 all red, 13 flashing) and
CrossState; that a trial ends by CrossCtrlInfo with mode 00. See also ``greenband.field.gat1049.session``.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn, Self
from xml.etree import ElementTree as ET

from greenband.errors import BadInput, GreenbandError, UnknownName
from greenband.field.driver import FieldError, Refused, TakenBack, Unclear, Unreachable
from greenband.field.gat1049.objects import NUMBERS, kind_of, named, object_in, renumbered, same_but_number, steps
from greenband.field.gat1049.session import Gat1049Session
from greenband.field.gat1049.wire import Garbled
from greenband.field.holding import Holding
from greenband.formats import gat1049
from greenband.formats.gat1049_message import check_object, node, parsed
from greenband.formats.gat1049_plan import Oper
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, TimingPlan

__all__ = ["Gat1049Driver", "Running", "wanted"]

SCHEDULE = "ScheduleParam"
REFERS = {"DayPlanParam": ("PeriodList/Period/PlanNo", "PlanParam"), SCHEDULE: ("DayPlanNo", "DayPlanParam")}
RELEASED = "00"
NOT_RUNNING = {RELEASED: "is released from control", "11": "is off", "12": "shows all red", "13": "flashes"}
STATES = {"Offline": "is offline", "Error": "has a fault"}
LIMITS = {"PlanParam": "patterns", "DayPlanParam": "day_plans", SCHEDULE: "schedule_rows"}
EVENTS = "events"
BACK_OFF_S = (0.1, 0.2, 0.4, 0.8, 1.6)  # a connection that others break costs several
UNDO_BACK_OFF_S = (0.2, 1.0)
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """How a junction runs: its control mode, two digits, and the number of its plan, 0 where it follows none."""

    mode: str
    plan: int


def wanted(plans: PlanSet, signal: str, cross_id: str) -> Holding:
    """What a junction is to hold of a plan set.

    Args:
        plans: the plan set.
        signal: the junction.
        cross_id: its CrossID at the platform, 14 digits or capital letters.

    Raises:
        BadInput: there is no such junction, or GA/T 1049.2 cannot express its plans or the schedule.
    """
    if not re.fullmatch("[0-9A-Z]{14}", cross_id):
        raise BadInput(f"junction {signal}: CrossID {cross_id!r} must be 14 digits or capital letters")
    return Holding(dict(named(param, cross_id, signal) for param in gat1049.params(plans, signal, cross_id)))


class Gat1049Driver:
    """A ``greenband.field.driver.Driver`` for one junction; its session may serve others too.

    ``limits`` say how much the platform holds for the junction: ``patterns`` plans, ``day_plans`` with ``events``
    switches each, and ``schedule_rows``. What is not there is not limited.

    Raises:
        BadInput: a limit has an unknown name.
    """

    def __init__(self, session: Gat1049Session, cross_id: str, limits: Mapping[str, int] | None = None) -> None:
        self._session, self._cross_id, self._limits = session, cross_id, dict(limits or {})
        for name in self._limits:
            if name not in (known := (*LIMITS.values(), EVENTS)):
                raise UnknownName("limit", name, known)
        self._unfinished: tuple[dict[str, str], dict[str, str]] | None = None  # held before, and wanted
        self._taken_back = False  # whether anything had to be written for that

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.__aexit__(*error)

    async def prepared(self, wanted: Holding) -> tuple[Holding, Holding]:
        """As ``Driver``: rows of the schedule that are not wanted are to be deleted, where any is wanted."""
        target = self._checked(wanted)
        held = await self._held(NUMBERS)
        if any(kind_of(name) == SCHEDULE for name in target):
            target |= {name: "" for name in held if kind_of(name) == SCHEDULE and name not in target}
        self._check_references(held | target, target)
        self._check_limits(held, target)
        return Holding({name: held.get(name, "") for name in target}), Holding(target)

    async def everything(self) -> Holding:
        """As ``Driver``."""
        return Holding(await self._held(NUMBERS))

    async def read(self, names: Holding) -> Holding:
        """As ``Driver``."""
        held = await self._held(self._kinds(names.objects))
        return Holding({name: held.get(name, "") for name in names.objects})

    async def write(self, objects: Holding) -> None:
        """As ``Driver``; see the module."""
        target = self._checked(objects)
        kinds = self._kinds(target)
        before = await self._held(kinds)
        self._unfinished = before, target
        try:
            await self._bring(before, target)
            await self._compare(before, target)
        except Exception as error:  # noqa: BLE001 - a fault of the program leaves a mixture too
            await self._take_back(error)
        self._unfinished = None

    async def release(self) -> None:
        """As ``Driver``: takes back a write that was broken off."""
        if self._unfinished is not None and (failure := await self._undone()) is not None:
            raise failure

    async def troubles(self) -> list[str]:
        """As ``Driver``: its control mode and state, as far as they show that it does not follow its plans."""
        running = await self.running()
        state = (await self._told("CrossState", "CrossState")).findtext("Value", "")
        found = (NOT_RUNNING.get(running.mode), STATES.get(state))
        return [f"junction {self._cross_id} {trouble}" for trouble in found if trouble]

    async def running(self) -> Running:
        """How the junction runs now.

        Raises:
            Unreachable: no answer.
            Refused: the platform does not tell.
        """
        told = await self._told(self._session.platform.mode_object, "CrossModePlan", "CrossCtrlInfo")
        return Running(told.findtext("ControlMode", ""), int(told.findtext("PlanNo", "0")))

    async def trial(
        self, junction: Junction, plan: TimingPlan, minutes: int, *, coordinated: bool = False
    ) -> Running | None:
        """Run a plan at once, for some minutes (1 to 1440); the platform then drops it by itself.

        Returns:
            How the junction runs just after, which may be before its plan changes; None where the platform does not
            tell.

        Raises:
            BadInput: GA/T 1049.2 cannot express the plan or the time.
            Unreachable: no answer before anything was sent.
            Refused: the platform refuses.
            Unclear: no answer; the trial may run.
        """
        message = gat1049.center_plan_message(junction, plan, minutes, coordinated=coordinated, cross_id=self._cross_id)
        content = parsed(message, "trial").find("Body/Operation/CenterPlan")
        assert content is not None, "it was just written"
        return await self._commanded(content, "trial")

    async def end_trial(self) -> Running | None:
        """Give the junction back to its own plans before a trial is over.

        Returns and raises:
            As ``trial``.
        """
        content = node(
            "CrossCtrlInfo",
            node("CrossID", self._cross_id),
            node("ControlMode", RELEASED),
            node("PlanNo", 0),
            node("Time"),
        )
        return await self._commanded(content, "end of trial")

    async def _commanded(self, content: ET.Element, what: str) -> Running | None:
        about = f"{what} at {self._cross_id}"
        try:
            await self._session.set(content, about)
        except (Unreachable, Garbled) as error:
            raise Unclear(f"{error}; it may have begun") from error
        try:
            return await self.running()
        except FieldError as error:
            LOG.warning("%s: the platform does not tell how the junction runs: %s", about, error)
            return None

    def _checked(self, objects: Holding) -> dict[str, str]:
        """The objects, where a platform could hold them."""
        try:
            for name, text in objects.objects.items():
                kind_of(name)
                if text:
                    object_in(name, text, self._cross_id)
        except BadInput as error:
            raise Refused(f"junction {self._cross_id}: {error}") from error
        return dict(objects.objects)

    def _kinds(self, names: Iterable[str]) -> list[str]:
        try:
            kinds = {kind_of(name) for name in names}
        except BadInput as error:
            raise Refused(f"junction {self._cross_id}: {error}") from error
        return [kind for kind in NUMBERS if kind in kinds]

    def _check_references(self, there: Mapping[str, str], names: Iterable[str]) -> None:
        """That all plans and day plans which these objects call for are there."""
        for name in names:
            path, kind = REFERS.get(kind_of(name), ("", ""))
            for found in ET.fromstring(there[name]).iterfind(path) if path and there[name] else ():
                if found.text != "0" and not there.get(f"{kind}.{found.text}"):
                    raise Refused(
                        f"junction {self._cross_id}: {name} calls for {kind}.{found.text}, which is not there"
                    )

    def _check_limits(self, held: Iterable[str], target: Mapping[str, str]) -> None:
        """That there is room for it, also while it is written: rows that go are deleted last."""
        there = {*held, *(name for name, text in target.items() if text)}
        for kind, limit in LIMITS.items():
            self._check_limit(limit, sum(kind_of(name) == kind for name in there), f"{kind} there with this plan")
        for name, text in target.items():
            if text and kind_of(name) == "DayPlanParam":
                self._check_limit(EVENTS, len(ET.fromstring(text).findall("PeriodList/Period")), f"switches of {name}")

    def _check_limit(self, limit: str, count: int, what: str) -> None:
        if count > (most := self._limits.get(limit, count)):
            raise Refused(f"junction {self._cross_id}: {what}: {count}, and the inventory's limit of {limit} is {most}")

    async def _held(self, kinds: Iterable[str]) -> dict[str, str]:
        """Everything of these kinds that the platform holds for the junction."""
        held: dict[str, str] = {}
        for kind in kinds:
            for found in await self._session.get(kind, self._cross_id):
                name, text = self._named(found)
                if kind_of(name) != kind:
                    raise Refused(f"{kind} of {self._cross_id}: the platform answers {name}, which was not asked for")
                if name in held:
                    raise Refused(f"{kind} of {self._cross_id}: the platform answers {name} more than once")
                held[name] = text
        return held

    def _named(self, found: ET.Element) -> tuple[str, str]:
        try:
            return named(found, self._cross_id, "the platform's answer")
        except BadInput as error:
            raise Refused(self._session.said(f"junction {self._cross_id}: {error}")) from None

    async def _told(self, asked: str, *tags: str) -> ET.Element:
        """The one object that the platform answers."""
        found = await self._session.get(asked, self._cross_id)
        about = f"{asked} of {self._cross_id}"
        if len(found) != 1 or found[0].tag not in tags:
            raise Refused(f"{about}: the platform does not tell, or answers something else")
        try:
            check_object(found[0], "the platform's answer")
        except BadInput as error:
            raise Refused(self._session.said(f"{about}: {error}")) from None
        if found[0].findtext("CrossID") != self._cross_id:
            raise Refused(f"{about}: the platform answers for another junction")
        return found[0]

    async def _bring(self, held: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Step by step from what is held to what is wanted. Where an answer is lost, read, and go on from there."""
        for pause_s in BACK_OFF_S:
            try:
                return await self._walk(held, target)
            except (Unreachable, Garbled) as error:
                LOG.info("reading before going on: %s", error)
            await asyncio.sleep(pause_s)  # what was sent may still be carried out
            held = await self._held(self._kinds(target))
        return await self._walk(held, target)

    async def _walk(self, held: Mapping[str, str], target: Mapping[str, str]) -> None:
        for name, oper, command in list(steps(held, target, self._cross_id)):
            await self._step(name, oper, command)

    async def _step(self, name: str, oper: Oper, command: ET.Element) -> None:
        if oper is Oper.ADD and self._session.platform.add_number == "0":
            command[-1] = renumbered(command[-1], 0)
        for found in await self._session.set(command, f"{name} of {self._cross_id}"):
            if found.tag == kind_of(name) and oper is not Oper.DELETE and (got := self._named(found)[0]) != name:
                raise Refused(f"{name} of {self._cross_id}: the platform made {got} of it")

    async def _compare(self, before: Mapping[str, str], target: Mapping[str, str]) -> None:
        now = await self._held(self._kinds(target))
        wrong = [name for name, text in target.items() if now.get(name, "") != text]
        wrong += self._strays(now, before, target)
        if wrong:
            raise Refused(f"junction {self._cross_id}: {', '.join(wrong[:5])} did not become what was sent")

    @staticmethod
    def _strays(now: Mapping[str, str], before: Mapping[str, str], target: Mapping[str, str]) -> list[str]:
        """Objects of ours that the platform put under another number."""
        added = [text for name, text in target.items() if text and not before.get(name)]
        return [
            name
            for name, text in now.items()
            if name not in before
            and name not in target
            and any(kind_of(name) == ET.fromstring(own).tag and same_but_number(text, own) for own in added)
        ]

    async def _take_back(self, error: Exception) -> NoReturn:
        why = self._told_of(error)
        LOG.info("taking back what was written: %s", why)
        if (failure := await self._undone()) is not None:
            raise Unclear(f"{why}; it is not known what of it is held now: {failure}") from error
        kind = TakenBack if self._taken_back else Refused
        raise kind(f"{why}; all is as it was before") from error

    def _told_of(self, error: Exception) -> str:
        """What went wrong; of a fault of the program, its kind too."""
        if isinstance(error, GreenbandError):
            return str(error)
        return self._session.said(f"junction {self._cross_id}: {type(error).__name__}: {error}")

    async def _undone(self) -> FieldError | None:
        """Bring back what was held before the write, and read it; what stood in the way, if it could not be."""
        assert self._unfinished is not None
        before, target = self._unfinished
        failure: FieldError | None = None
        self._taken_back = False
        for pause_s in (*UNDO_BACK_OFF_S, None):
            try:
                now = await self._held(self._kinds(target))
                back = {name: before.get(name, "") for name in (*target, *self._strays(now, before, target))}
                if all(now.get(name, "") == text for name, text in back.items()):
                    self._unfinished = None
                    return None
                failure = failure or Refused(f"junction {self._cross_id}: it keeps what was written")
                if pause_s is not None:
                    self._taken_back = True
                    await self._walk(now, back)
                    continue
            except FieldError as error:
                failure = error
            except Exception as error:  # noqa: BLE001 - what brought the write down may do so here
                failure = Unclear(self._told_of(error))
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        return failure
