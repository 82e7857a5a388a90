"""GA/T 1049.2-2024: messages between the traffic police's integrated platform and a signal control system, as XML.

Two files a junction, each one message. ``<CrossID>.set.xml`` is a request to send: SetPlanParam for each plan, then
SetDayPlanParam, then SetScheduleParam, as operations in that order, so that each finds what it refers to.
``<CrossID>.get.xml`` is not sent: it shows the objects that the plans rely on (CrossParam, LampGroupParam,
SignalGroupParam, StageParam) as the signal system would answer, to be compared with what it does answer.
``index.json`` holds what GA/T 1049.2 has no field for: junction by CrossID, period by PlanNo, and the provenance.

How fields are used; times are whole seconds:

- CrossID is the agency's. Without a mapping it is a placeholder, not to be sent: 000000, which is no agency's code, 80
  for a junction, and the junction's number in six digits.
- Oper is 2, modify, with numbers by the order in the plan set: a download can be repeated and day plans know their
  plans. A plan that is to be added gets its number from the signal system, so day plans can only follow once it has
  answered; for that there are the functions that build single messages.
- Version is 2.0, Seq and Token are filled in by ``stamped`` when a message is sent.
- Green includes the green flash, as GreenFlashLen belongs to the signal group. Every plan must flash alike.
- CoordStageNo is the plan's first stage, so that Offset, its start of green from midnight modulo the cycle, is the
  plan's own.
- A crossing walks from the stage's start, then flashes for its GreenFlashLen and is cut early by Adjust. Its flash is
  what fits behind the walk at the shortest green; what clearance is left runs under red in yellow and all-red.
- CtrlMode is 31, line-coordinated, where the junction's coordination group has others in it, else 21, fixed.
- A schedule row stands once for every weekday. Dates over New Year become two rows.

Not expressed: lanes, detectors, coordinates, the class of a junction (Grade 99), ids of movements. As it holds
no SUMO lamps, junctions are not read back. Source: public field tables of the standard (B.6 and following);
its text and schema are not public, and ``gat1049.xsd`` beside this module is unofficial.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from greenband.errors import BadInput, UnknownName
from greenband.files import write_bytes, write_text
from greenband.formats.gat1049_index import INDEX, Index
from greenband.formats.gat1049_junction import checked_id, reference
from greenband.formats.gat1049_message import answer, message, node, stamped
from greenband.formats.gat1049_plan import (
    Oper,
    Row,
    command,
    ctrl_mode,
    day_plan_param,
    expanded,
    plan_param,
    schedule_param,
)
from greenband.formats.gat1049_read import read
from greenband.plan.calendar import DayPlan, ScheduleRow
from greenband.plan.junction import Junction
from greenband.plan.model import PlanSet, TimingPlan

__all__ = [
    "Oper",
    "center_plan_message",
    "coordinated_signals",
    "export",
    "params",
    "plan_numbers",
    "read",
    "set_day_plan_message",
    "set_plan_message",
    "set_schedule_messages",
    "stamped",
]

MAX_RUN_MIN = 1440


def export(plans: PlanSet, folder: Path, cross_ids: Mapping[str, str] | None = None) -> list[Path]:
    """Write two messages per junction, and the index last.

    Args:
        plans: the plan set.
        folder: where to.
        cross_ids: the agency's CrossID, 14 digits or capital letters, by junction; for others a placeholder is made.

    Raises:
        BadInput: GA/T 1049.2 cannot express a plan, a name or the schedule; nothing was written.
    """
    if unknown := [name for name in cross_ids or {} if name not in plans.junctions]:
        raise BadInput(f"there is a CrossID for junction {unknown[0]!r}, which is not in the plan set")
    signals = [name for name in plans.junctions if any(name in of for of in plans.plans.values())]
    named = {name: checked_id((cross_ids or {}).get(name, ""), plans.junctions[name]) for name in signals}
    if again := [cross_id for cross_id, count in Counter(named.values()).items() if count > 1]:
        both = ", ".join(name for name, cross_id in named.items() if cross_id == again[0])
        raise BadInput(f"junctions {both}: all have CrossID {again[0]}; a mapping must tell them apart")
    rows, along = expanded(plans.schedule), coordinated_signals(plans)
    data: dict[Path, bytes] = {}
    for name, cross_id in named.items():
        files = _messages(plans, plans.junctions[name], cross_id, rows, ctrl_mode(name in along))
        data |= {folder / f"{cross_id}.{kind}.xml": text for kind, text in files.items()}
    index = Index(
        provenance=plans.provenance,
        periods=tuple(plans.plans),
        junctions={cross_id: name for name, cross_id in named.items()},
    )
    for path, text in data.items():
        write_bytes(path, text, durable=False)
    write_text(folder / INDEX, index.model_dump_json(indent=1) + "\n", durable=False)
    return [folder / INDEX, *data]


def _messages(plans: PlanSet, junction: Junction, cross_id: str, rows: Sequence[Row], mode: str) -> dict[str, bytes]:
    own, about = _own(plans, junction), f"junction {junction.signal}"
    known = [plan_numbers(plans)[period] for period in own]
    held = reference(junction, list(own.values()), known, len(plans.day_plans), len(rows), cross_id)
    params = _params(plans, junction, cross_id, rows, mode)
    return {"get": answer(held, about), "set": message([command(param, Oper.MODIFY) for param in params], about)}


def _own(plans: PlanSet, junction: Junction) -> dict[str, TimingPlan]:
    return {period: of[junction.signal] for period, of in plans.plans.items() if junction.signal in of}


def params(plans: PlanSet, signal: str, cross_id: str) -> list[ET.Element]:
    """What a junction is to hold: PlanParam of each plan, then DayPlanParam, then ScheduleParam.

    Raises:
        BadInput: there is no such junction, or GA/T 1049.2 cannot express its plans or the schedule.
    """
    if signal not in plans.junctions or not _own(plans, plans.junctions[signal]):
        raise UnknownName("junction", signal, [name for name in plans.junctions if _own(plans, plans.junctions[name])])
    junction, mode = plans.junctions[signal], ctrl_mode(signal in coordinated_signals(plans))
    return _params(plans, junction, checked_id(cross_id, junction), expanded(plans.schedule), mode)


def _params(plans: PlanSet, junction: Junction, cross_id: str, rows: Sequence[Row], mode: str) -> list[ET.Element]:
    own, numbers = _own(plans, junction), plan_numbers(plans)
    known = {period: numbers[period] for period in own}
    days = {name: number for number, name in enumerate(plans.day_plans, 1)}
    return [
        *(plan_param(junction, plan, known[period], cross_id) for period, plan in own.items()),
        *(
            day_plan_param(junction, name, day, days[name], known, mode, cross_id)
            for name, day in plans.day_plans.items()
        ),
        *(schedule_param(row, number, days[row.day_plan], cross_id) for number, row in enumerate(rows, 1)),
    ]


def plan_numbers(plans: PlanSet) -> dict[str, int]:
    """PlanNo of each period, the same at all junctions: from 1 in the order of the set."""
    return {period: number for number, period in enumerate(plans.plans, 1)}


def coordinated_signals(plans: PlanSet) -> set[str]:
    """Junctions whose coordination group has others in it."""
    sizes = Counter(junction.coordination for junction in plans.junctions.values() if junction.coordination)
    return {name for name, junction in plans.junctions.items() if sizes[junction.coordination] > 1}


def set_plan_message(
    junction: Junction, plan: TimingPlan, number: int, cross_id: str = "", oper: Oper = Oper.MODIFY
) -> bytes:
    """One plan. To add one is to send number 0; the answer says which it got.

    Raises:
        BadInput: GA/T 1049.2 cannot express the plan.
    """
    found = checked_id(cross_id, junction)
    param = plan_param(junction, plan, _number(number, oper), found)
    return message([command(param, oper)], f"junction {junction.signal}")


def set_day_plan_message(
    junction: Junction,
    name: str,
    day: DayPlan,
    number: int,
    numbers: Mapping[str, int],
    *,
    coordinated: bool,
    cross_id: str = "",
    oper: Oper = Oper.MODIFY,
) -> bytes:
    """One day plan; ``numbers`` are the PlanNo of the junction's plans by period.

    Raises:
        BadInput: GA/T 1049.2 cannot express it, or it calls for a plan that has no number.
    """
    found, mode = checked_id(cross_id, junction), ctrl_mode(coordinated)
    param = day_plan_param(junction, name, day, _number(number, oper), numbers, mode, found)
    return message([command(param, oper)], f"junction {junction.signal}")


def set_schedule_messages(
    junction: Junction,
    schedule: Sequence[ScheduleRow],
    numbers: Mapping[str, int],
    cross_id: str = "",
    oper: Oper = Oper.MODIFY,
) -> list[bytes]:
    """A message for each row and weekday; ``numbers`` are the DayPlanNo of the day plans.

    Raises:
        BadInput: GA/T 1049.2 cannot express the schedule, or it names a day plan that has no number.
    """
    found, about = checked_id(cross_id, junction), f"junction {junction.signal}"
    rows = expanded(schedule)
    if unknown := [row.day_plan for row in rows if row.day_plan not in numbers]:
        raise BadInput(f"{about}: the schedule names day plan {unknown[0]!r}, which has no number")
    return [
        message([command(schedule_param(row, _number(at, oper), numbers[row.day_plan], found), oper)], about)
        for at, row in enumerate(rows, 1)
    ]


def _number(number: int, oper: Oper) -> int:
    if oper is Oper.ADD:
        return 0
    if number < 1:
        raise BadInput(f"number {number}: only what is added has none; what is there counts from 1")
    return number


def center_plan_message(
    junction: Junction, plan: TimingPlan, minutes: int, *, coordinated: bool = False, cross_id: str = ""
) -> bytes:
    """A plan on trial: the signal system runs it at once and drops it after ``minutes`` (1 to 1440).

    Its PlanNo is 0, as it takes no stored plan's place.

    Raises:
        BadInput: GA/T 1049.2 cannot express the plan or the time.
    """
    if not 1 <= minutes <= MAX_RUN_MIN:
        raise BadInput(f"junction {junction.signal}: a trial of {minutes} min: allowed are 1 to {MAX_RUN_MIN}")
    trial = node(
        "CenterPlan",
        node("ControlMode", ctrl_mode(coordinated)),
        node("MaxRunTime", minutes),
        plan_param(junction, plan, 0, checked_id(cross_id, junction)),
    )
    return message([trial], f"junction {junction.signal}")
