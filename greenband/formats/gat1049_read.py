"""From GA/T 1049.2 messages back to plans, day plans and schedule.

Read are the messages that ``greenband.formats.gat1049`` writes, and others of the standard that hold the same objects,
such as a signal system's answers. Every plan needs the stages and signal groups that it refers to. A stage's green
flash is the GreenFlashLen of its vehicles; a stage without vehicles reads with none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from xml.etree import ElementTree as ET

from pydantic import BaseModel, ValidationError

from greenband.errors import BadInput
from greenband.formats.bounded import bounded_bytes
from greenband.formats.gat1049_index import INDEX, Index, read_index
from greenband.formats.gat1049_junction import reference
from greenband.formats.gat1049_message import MAX_CHARACTERS, parsed
from greenband.plan.calendar import WEEK, DayPlan, ScheduleRow
from greenband.plan.model import PlanSet, StageTiming, TimingPlan

__all__ = ["plans_of", "read"]

FIXED_MODES = ("21", "31")
PEDESTRIAN = ("40", "41", "42")
NUMBER = {
    "LampGroupParam": "LampGroupNo",
    "SignalGroupParam": "SignalGroupNo",
    "StageParam": "StageNo",
    "PlanParam": "PlanNo",
    "DayPlanParam": "DayPlanNo",
    "ScheduleParam": "ScheduleNo",
}
Model = TypeVar("Model", bound=BaseModel)
_Calendar = tuple[dict[str, DayPlan], tuple[ScheduleRow, ...]]


@dataclass(frozen=True)
class _Object:
    """An object of a message with its place, so that every complaint can name it."""

    path: Path
    element: ET.Element

    def fail(self, reason: str) -> NoReturn:
        """Raise BadInput for this object."""
        tag = self.element.tag
        raise BadInput(f"{self.path}: {tag} {self.text(NUMBER[tag])} of {self.text('CrossID')}: {reason}")

    def text(self, tag: str, default: str = "") -> str:
        """A field as text."""
        return self.element.findtext(tag, default)

    def whole(self, tag: str, default: int = 0) -> int:
        """A field as a number."""
        return int(self.element.findtext(tag, str(default)))

    def made(self, model: type[Model], **values: Any) -> Model:
        """A record of these values."""
        try:
            return model(**values)
        except ValidationError as error:
            self.fail(error.errors()[0]["msg"].removeprefix("Value error, "))


@dataclass
class _Cross:
    """All objects of one junction, by kind and number."""

    objects: dict[str, dict[int, _Object]] = field(default_factory=lambda: {tag: {} for tag in NUMBER})

    def add(self, found: _Object) -> None:
        """File an object."""
        tag = found.element.tag
        number = found.whole(NUMBER[tag])
        if number == 0:
            found.fail("it has no number yet")
        if number in self.objects[tag]:
            found.fail("it stands in the messages twice")
        self.objects[tag][number] = found

    def get(self, tag: str, number: int, asking: _Object) -> _Object:
        """The object with a number."""
        if number not in self.objects[tag]:
            asking.fail(f"it refers to {tag} {number}, which is not there")
        return self.objects[tag][number]


def read(folder: Path) -> PlanSet:
    """Read the messages in a folder: those of its index, or, where it has none, all ``.xml`` files.

    Without an index junctions are called by their CrossID and periods by their PlanNo. The plan set has no junctions
    and its stages no movements; names of stages are those of the junction. Rows of the schedule that follow one
    another and differ only in weekday are one.

    Raises:
        BadInput: naming the file, the object or element, and what is wrong; among that stages that do not sum to the
            cycle, a number that is not there, and what a plan set cannot hold, such as actuated control.
    """
    index = read_index(folder / INDEX)
    plans: dict[str, dict[str, TimingPlan]] = {}
    calendar: _Calendar | None = None
    for cross_id, cross in _crosses(folder, index):
        signal = index.junctions.get(cross_id, cross_id)
        for number, plan in cross.objects["PlanParam"].items():
            plans.setdefault(index.period(number), {})[signal] = _plan(cross, plan, signal)
        own = _calendar(cross, index)
        if calendar is not None and own != calendar:
            raise BadInput(f"{folder}: day plans or schedule of {cross_id} are not those of the junctions before it")
        calendar = own
    days, schedule = calendar or ({}, ())
    try:
        return PlanSet(provenance=index.provenance, plans=plans, day_plans=days, schedule=schedule)
    except ValidationError as error:
        raise BadInput(f"{folder}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def plans_of(params: Iterable[ET.Element], signal: str, cross_id: str, like: PlanSet) -> PlanSet:
    """The plans, day plans and schedule of one junction that a signal system holds.

    Args:
        params: its PlanParam, DayPlanParam and ScheduleParam.
        signal: the junction.
        cross_id: its CrossID.
        like: plans for the junction as described there; plans get the names that their numbers have in it.

    Raises:
        BadInput: naming the object and what is wrong, as ``read``.
    """
    known = [of[signal] for of in like.plans.values() if signal in of]
    if signal not in like.junctions or not known:
        raise BadInput(f"junction {signal}: the plan at hand does not describe it")
    junction, place, cross = like.junctions[signal], Path(f"junction {signal}"), _Cross()
    described = reference(junction, known, range(1, len(known) + 1), len(like.day_plans), len(like.schedule), cross_id)
    for element in (*described, *params):
        if element.tag in NUMBER:
            cross.add(_Object(place, element))
    index = Index(provenance=like.provenance, periods=tuple(like.plans), junctions={cross_id: signal})
    releases = {stage.stage: stage.movements for plan in known for stage in plan.stages}
    plans = {
        index.period(number): {signal: _releasing(_plan(cross, found, signal), releases)}
        for number, found in cross.objects["PlanParam"].items()
    }
    days, schedule = _calendar(cross, index)
    origin = like.provenance.model_copy(update={"subject": "controller", "seeds": (), "note": ""})
    try:
        return PlanSet(provenance=origin, plans=plans, junctions={signal: junction}, day_plans=days, schedule=schedule)
    except ValidationError as error:
        raise BadInput(f"{place}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def _releasing(plan: TimingPlan, movements: Mapping[int, tuple[str, ...]]) -> TimingPlan:
    """The plan with the movements of its stages, for which GA/T 1049.2 has no field."""
    stages = (stage.model_copy(update={"movements": movements.get(stage.stage, ())}) for stage in plan.stages)
    return plan.model_copy(update={"stages": tuple(stages)})


def _crosses(folder: Path, index: Index) -> Iterator[tuple[str, _Cross]]:
    """Junctions one after another where the index lists their files; else all files are read first."""
    for cross_id in index.junctions:
        cross = _Cross()
        for path in (folder / f"{cross_id}.get.xml", folder / f"{cross_id}.set.xml"):
            for found in _objects(path):
                if found.text("CrossID") != cross_id:
                    found.fail("the file is named after another CrossID")
                cross.add(found)
        yield cross_id, cross
    if not index.junctions:
        crosses: dict[str, _Cross] = {}
        for path in sorted(folder.glob("*.xml")):
            for found in _objects(path):
                crosses.setdefault(found.text("CrossID"), _Cross()).add(found)
        if not crosses:
            raise BadInput(f"{folder}: holds no GA/T 1049.2 objects in .xml files")
        yield from crosses.items()


def _objects(path: Path) -> Iterator[_Object]:
    """The objects of a message, taken out of their commands."""
    root = parsed(bounded_bytes(path, 4 * MAX_CHARACTERS), str(path))
    for found in root.iterfind("Body/Operation/*"):
        if found.tag == "CenterPlan":
            raise BadInput(f"{path}: CenterPlan: a trial is no part of a plan set")
        for param in found.iter():
            if param.tag in NUMBER:
                if found.findtext("Oper") == "3":
                    _Object(path, param).fail("it is to be deleted")
                yield _Object(path, param)


def _plan(cross: _Cross, found: _Object, signal: str) -> TimingPlan:
    timings = found.element.findall("StageTimingList/StageTiming")
    stages = [_stage(cross, found, timing) for timing in timings]
    cycle, offset = found.whole("CycleLen"), found.whole("Offset")
    if offset >= cycle:
        found.fail(f"Offset {offset} must be below CycleLen {cycle}")
    before = 0
    if coordinated := found.whole("CoordStageNo"):
        numbers = [stage.stage + 1 for stage in stages]
        if coordinated not in numbers:
            found.fail(f"CoordStageNo {coordinated} is not among its stages")
        before = sum(stage.duration_s for stage in stages[: numbers.index(coordinated)])
    return found.made(
        TimingPlan,
        signal=signal,
        name=found.text("PlanName"),
        cycle_s=cycle,
        offset_s=(offset - before) % cycle,
        stages=tuple(stages),
    )


def _stage(cross: _Cross, plan: _Object, timing: ET.Element) -> StageTiming:
    number, green, yellow, all_red = (
        int(timing.findtext(tag, "0")) for tag in ("StageNo", "Green", "Yellow", "AllRed")
    )
    known = cross.get("StageParam", number, plan)
    for adjust in timing.iterfind("AdjustList/Adjust"):
        group = int(adjust.attrib["SignalGroupNo"])
        if int(adjust.attrib["Len"]) and not _on_foot(cross, group, plan):
            plan.fail(f"stage {number}: signal group {group} starts late or is cut early, which a plan cannot hold")
    flash = _flash(cross, known, green)
    return StageTiming(
        stage=number - 1,
        name=known.text("StageName", f"stage {number}"),
        green_s=green - flash,
        green_flash_s=flash,
        yellow_s=yellow,
        all_red_s=all_red,
    )


def _on_foot(cross: _Cross, group: int, asking: _Object) -> bool:
    found = cross.get("SignalGroupParam", group, asking)
    numbers = [int(lamp.text or 0) for lamp in found.element.iterfind("LampGroupNoList/LampGroupNo")]
    return all(cross.get("LampGroupParam", number, found).text("Type") in PEDESTRIAN for number in numbers)


def _flash(cross: _Cross, stage: _Object, green_s: int) -> int:
    """Green flash of the vehicles that a stage releases, in seconds, within its green."""
    lengths = set()
    for status in stage.element.iterfind("SignalGroupStatusList/SignalGroupStatus"):
        group = int(status.findtext("SignalGroupNo", "0"))
        if status.findtext("LampStatus", "")[2:] in ("2", "3") and not _on_foot(cross, group, stage):
            lengths.add(min(green_s, cross.get("SignalGroupParam", group, stage).whole("GreenFlashLen")))
    if len(lengths) > 1:
        stage.fail(f"its signal groups flash for {sorted(lengths)} s; a stage of a plan has one green flash")
    return max(lengths, default=0)


def _calendar(cross: _Cross, index: Index) -> _Calendar:
    """Day plans by name, and the schedule."""
    days: dict[str, DayPlan] = {}
    names: dict[int, str] = {}
    for number, day in cross.objects["DayPlanParam"].items():
        names[number] = day.text("DayPlanName", f"day plan {number}")
        if names[number] in days:
            day.fail(f"another day plan is called {names[number]!r} too")
        days[names[number]] = _day_plan(cross, day, index)
    return days, tuple(_schedule(cross, names))


def _day_plan(cross: _Cross, day: _Object, index: Index) -> DayPlan:
    switches = []
    for period in day.element.iterfind("PeriodList/Period"):
        start, mode = period.findtext("StartTime", ""), period.findtext("CtrlMode", "")
        number = int(period.findtext("PlanNo", "0"))
        if mode not in FIXED_MODES or not number:
            day.fail(f"{start}: PlanNo {number} in CtrlMode {mode}: a plan set holds fixed plans, modes 21 and 31")
        cross.get("PlanParam", number, day)
        hours, minutes = start.split(":")
        switches.append({"at_min": 60 * int(hours) + int(minutes), "plan": index.period(number)})
    return day.made(DayPlan, switches=switches)


def _schedule(cross: _Cross, days: Mapping[int, str]) -> Iterator[ScheduleRow]:
    """Rows of the schedule; those that differ only in weekday, and follow one another, as one."""
    rows = [cross.objects["ScheduleParam"][number] for number in sorted(cross.objects["ScheduleParam"])]
    together: list[list[_Object]] = []
    for row in rows:
        cross.get("DayPlanParam", row.whole("DayPlanNo"), row)
        if row.text("Type") != "1" and row.text("WeekDay") not in [str(day) for day in WEEK]:
            row.fail("it has no WeekDay")
        if together and _continues(together[-1], row):
            together[-1].append(row)
        else:
            together.append([row])
    for same in together:
        yield _row(same, days)


def _continues(rows: Sequence[_Object], row: _Object) -> bool:
    last = rows[-1]
    if row.text("Type") == "1" or (row.text("Type") == "2" and len(rows) == len(WEEK) - 1):
        return False  # seven weekdays within dates would be special days, which go before
    alike = all(last.text(tag) == row.text(tag) for tag in ("ScheduleName", "Type", "StartDay", "EndDay", "DayPlanNo"))
    return alike and last.whole("WeekDay") < row.whole("WeekDay")


def _row(rows: Sequence[_Object], days: Mapping[int, str]) -> ScheduleRow:
    first = rows[0]
    dates = {} if first.text("Type") == "3" else {"first": first.text("StartDay"), "last": first.text("EndDay")}
    weekdays = WEEK if first.text("Type") == "1" else tuple(row.whole("WeekDay") for row in rows)
    return first.made(
        ScheduleRow,
        day_plan=days[first.whole("DayPlanNo")],
        weekdays=weekdays,
        name=first.text("ScheduleName"),
        **dates,
    )
