"""Plans, day plans and schedules as objects of GA/T 1049.2-2024 (PlanParam, DayPlanParam, ScheduleParam).

See ``greenband.formats.gat1049`` for what the fields mean here. A function raises BadInput, naming the junction, where
a value does not fit its field.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import product
from xml.etree import ElementTree as ET

from greenband.errors import BadInput
from greenband.formats.gat1049_junction import walk_flash_s
from greenband.formats.gat1049_message import name_node, node, number_node
from greenband.plan.calendar import DayPlan, ScheduleRow
from greenband.plan.junction import Junction
from greenband.plan.model import StageTiming, TimingPlan

__all__ = ["Oper", "Row", "command", "ctrl_mode", "day_plan_param", "expanded", "plan_param", "schedule_param"]

MAX_NUMBER = 999
CYCLE_S = (30, 300)
FIXED, LINE = "21", "31"  # CtrlMode: fixed time alone, fixed time coordinated along a road
EARLY_CUT = "2"
YEAR = [f"{datetime.date(2000, 1, 1) + datetime.timedelta(days=day):%m-%d}" for day in range(366)]
FIRST_DAY, LAST_DAY = YEAR[0], YEAR[-1]


class Oper(IntEnum):
    """What a Set command does. What is added has number 0: the signal system chooses one and says so in its answer."""

    ADD = 1
    MODIFY = 2
    DELETE = 3


@dataclass(frozen=True)
class Row:
    """A row of the schedule as GA/T 1049.2 has it: one weekday; none for special days."""

    name: str
    kind: int
    first: str
    last: str
    weekday: int | None
    day_plan: str


def command(param: ET.Element, oper: Oper) -> ET.Element:
    """The command that sets an object, such as SetPlanParam."""
    return node(f"Set{param.tag}", node("Oper", oper.value), param)


def ctrl_mode(coordinated: bool) -> str:
    """CtrlMode of a fixed plan."""
    return LINE if coordinated else FIXED


def plan_param(junction: Junction, plan: TimingPlan, number: int, cross_id: str) -> ET.Element:
    """A plan; its coordinated stage is its first, so that Offset is the plan's own."""
    about = f"junction {junction.signal}, plan {plan.name!r}"
    return node(
        "PlanParam",
        node("CrossID", cross_id),
        number_node("PlanNo", number, 0, MAX_NUMBER, about),
        name_node("PlanName", plan.name, about),
        number_node("CycleLen", plan.cycle_s, *CYCLE_S, about),
        node("CoordStageNo", plan.stages[0].stage + 1),
        node("Offset", plan.offset_s),
        node("StageTimingList", *(_stage_timing(junction, stage, about) for stage in plan.stages)),
    )


def _stage_timing(junction: Junction, stage: StageTiming, about: str) -> ET.Element:
    if stage.stage >= len(junction.stages):
        raise BadInput(f"{about}: the junction has no stage {stage.stage + 1}")
    known = junction.stages[stage.stage]
    return node(
        "StageTiming",
        node("StageNo", stage.stage + 1),
        node("Green", stage.go_s),
        node("Yellow", stage.yellow_s),
        node("AllRed", stage.all_red_s),
        node("MaxGreen", known.max_green_s),
        node("MinGreen", known.min_green_s),
        node("AdjustList", *_early_cuts(junction, stage, about)),
    )


def _early_cuts(junction: Junction, stage: StageTiming, about: str) -> Iterator[ET.Element]:
    """Crossings whose walk and flash end before the stage's green."""
    for walk in junction.stages[stage.stage].walks:
        green = walk.walk_s + walk_flash_s(junction, walk.group)
        if green > stage.go_s:
            shown = f"walk and flash of signal group {walk.group} take {green} s"
            raise BadInput(f"{about}, stage {stage.stage + 1}: {shown}, but its green is {stage.go_s} s")
        if green < stage.go_s:
            yield node("Adjust", Oper=EARLY_CUT, SignalGroupNo=str(walk.group), Len=str(stage.go_s - green))


def day_plan_param(
    junction: Junction, name: str, day: DayPlan, number: int, plan_numbers: Mapping[str, int], mode: str, cross_id: str
) -> ET.Element:
    """A day plan; ``plan_numbers`` are those of the junction's own plans."""
    about = f"junction {junction.signal}, day plan {name!r}"
    periods = []
    for switch in day.switches:
        if switch.plan not in plan_numbers:
            raise BadInput(f"{about}: at {switch.at} it calls for plan {switch.plan!r}, which the junction lacks")
        start, plan = node("StartTime", switch.at), node("PlanNo", plan_numbers[switch.plan])
        periods.append(node("Period", start, plan, node("CtrlMode", mode)))
    return node(
        "DayPlanParam",
        node("CrossID", cross_id),
        number_node("DayPlanNo", number, 0, MAX_NUMBER, about),
        name_node("DayPlanName", name, about),
        node("PeriodList", *periods),
    )


def schedule_param(row: Row, number: int, day_plan: int, cross_id: str) -> ET.Element:
    """A row of the schedule."""
    about = f"schedule row {row.name!r}"
    weekday = [] if row.weekday is None else [node("WeekDay", row.weekday)]
    return node(
        "ScheduleParam",
        node("CrossID", cross_id),
        number_node("ScheduleNo", number, 0, MAX_NUMBER, about),
        name_node("ScheduleName", row.name, about),
        node("Type", row.kind),
        node("StartDay", row.first),
        node("EndDay", row.last),
        *weekday,
        node("DayPlanNo", day_plan),
    )


def expanded(schedule: Sequence[ScheduleRow]) -> list[Row]:
    """The schedule with a row for each weekday; dates over New Year become two.

    Raises:
        BadInput: two rows of the same type fit a day, and GA/T 1049.2 does not say which of them counts.
    """
    rows, taken = [], dict[tuple[int, str, int | None], str]()
    for row in schedule:
        dates = (row.first or FIRST_DAY, row.last or LAST_DAY)
        spans = [dates] if dates[0] <= dates[1] else [(dates[0], LAST_DAY), (FIRST_DAY, dates[1])]
        weekdays = [None] if row.kind == 1 else list(row.weekdays)
        for (first, last), weekday in product(spans, weekdays):
            rows.append(Row(row.name, row.kind, first, last, weekday, row.day_plan))
        for day, weekday in product(_dates(spans), weekdays):
            if (row.kind, day, weekday) in taken:
                other = taken[row.kind, day, weekday]
                when = day if weekday is None else f"{day}, weekday {weekday}"
                raise BadInput(
                    f"schedule rows {other!r} and {row.name!r} both fit {when}: GA/T 1049.2 cannot rank them"
                )
            taken[row.kind, day, weekday] = row.name
    return rows


def _dates(spans: Sequence[tuple[str, str]]) -> list[str]:
    return [day for day in YEAR for first, last in spans if first <= day <= last]
