"""What a signal system should already hold of a junction, as objects of GA/T 1049.2-2024.

CrossParam, LampGroupParam, SignalGroupParam and StageParam; see ``greenband.formats.gat1049`` for what the fields mean
here. A function raises BadInput, naming the junction, where a value does not fit its field.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from xml.etree import ElementTree as ET

from greenband.errors import BadInput
from greenband.formats.gat1049_message import name_node, node, number_node, numbers_node
from greenband.formats.wording import flow_in_words
from greenband.plan.junction import Junction, SignalGroup
from greenband.plan.model import TimingPlan

__all__ = ["checked_id", "reference", "walk_flash_s"]

RED_ON, GREEN_ON = "211", "112"  # LampStatus: red, yellow, green; 0 no such lamp, 1 off, 2 on
DONT_WALK, WALK = "201", "102"
SHAPES = {3: "23", 4: "24", 5: "35", 6: "36"}  # Feature by the number of approaches
OTHER_SHAPE, OTHER_GRADE = "90", "99"


def checked_id(cross_id: str, junction: Junction) -> str:
    """The CrossID, or a placeholder from the junction's number where it is empty: 000000, 80, six digits."""
    found = cross_id or f"00000080{junction.number:06d}"
    if not re.fullmatch(r"[0-9A-Z]{14}", found):
        raise BadInput(f"junction {junction.signal}: CrossID {found!r} must be 14 digits or capital letters")
    return found


def walk_flash_s(junction: Junction, group: int) -> int:
    """A crossing's flash, in seconds, that fits behind the walk in every stage at its minimum green."""
    rooms = [
        min(walk.flash_s, stage.min_green_s - walk.walk_s)
        for stage in junction.stages
        for walk in stage.walks
        if walk.group == group
    ]
    if min(rooms, default=0) < 0:
        raise BadInput(f"junction {junction.signal}: the walk of signal group {group} exceeds a minimum green")
    return min(rooms, default=junction.green_flash_s)


def reference(
    junction: Junction, plans: Sequence[TimingPlan], plan_numbers: Sequence[int], days: int, rows: int, cross_id: str
) -> list[ET.Element]:
    """What the signal system should already hold: junction, lamp groups, signal groups and stages."""
    flashes = _flashes(junction, plans)
    return [
        _cross_param(junction, plan_numbers, days, rows, cross_id),
        *(_lamp_group_param(junction, group, cross_id) for group in junction.groups),
        *(_signal_group_param(junction, group, flashes[group.number], cross_id) for group in junction.groups),
        *(_stage_param(junction, stage, cross_id) for stage in range(len(junction.stages))),
    ]


def _cross_param(junction: Junction, plan_numbers: Sequence[int], days: int, rows: int, cross_id: str) -> ET.Element:
    approaches = {group.travels for group in junction.vehicle_groups()}
    groups = [group.number for group in junction.groups]
    return node(
        "CrossParam",
        node("CrossID", cross_id),
        name_node("CrossName", junction.name_zh or junction.name_en or junction.signal, f"junction {junction.signal}"),
        node("Feature", SHAPES.get(len(approaches), OTHER_SHAPE)),
        node("Grade", OTHER_GRADE),
        numbers_node("LampGroupNo", groups),
        numbers_node("SignalGroupNo", groups),
        node("GreenConflictMatrix", _conflict_matrix(junction)),
        numbers_node("StageNo", range(1, len(junction.stages) + 1)),
        numbers_node("PlanNo", plan_numbers),
        numbers_node("DayPlanNo", range(1, days + 1)),
        numbers_node("ScheduleNo", range(1, rows + 1)),
    )


def _conflict_matrix(junction: Junction) -> str:
    """Conflicts, but for those that a stage releases while one gives way to the other."""
    apart = {pair for one, other in junction.conflicts for pair in ((one, other), (other, one))}
    for stage in junction.stages:
        for group in stage.permitted:
            apart -= {pair for other in stage.going for pair in ((group, other), (other, group))}
    numbers = [group.number for group in junction.groups]
    return "".join("1" if pair in apart else "0" for pair in product(numbers, numbers))


def _lamp_group_param(junction: Junction, group: SignalGroup, cross_id: str) -> ET.Element:
    return node(
        "LampGroupParam",
        node("CrossID", cross_id),
        number_node("LampGroupNo", group.number, 1, 99, f"junction {junction.signal}"),
        node("Direction", round((group.bearing + 180) % 360 / 45) % 8 + 1),
        node("Type", _lamp_type(junction, group)),
    )


def _lamp_type(junction: Junction, group: SignalGroup) -> str:
    """An arrow only where nothing that conflicts is ever released beside it (GB 14886), else a round lamp."""
    if group.kind != "vehicle":
        return "40" if group.kind == "pedestrian" else "30"
    foes = {number for pair in junction.conflicts if group.number in pair for number in pair} - {group.number}
    beside = [stage.going for stage in junction.stages if group.number in stage.going]
    if group.on_red or any(foes & going for going in beside):
        return "10"
    near, far = ("22", "23") if junction.left_hand else ("23", "22")
    return {"through": "21", "near": near, "far": far, "back": "80"}.get(group.turn, "10")


def _signal_group_param(junction: Junction, group: SignalGroup, flash_s: int, cross_id: str) -> ET.Element:
    """Limits of pedestrians are those of walk and flash together; a group that is never green has none."""
    stages = [stage for stage in junction.stages if group.number in stage.going]
    walks = [walk.walk_s + flash_s for stage in stages for walk in stage.walks if walk.group == group.number]
    limits = []
    if stages and not walks:
        limits.append(node("MaxGreen", max(stage.max_green_s for stage in stages)))
    if stages:
        limits.append(node("MinGreen", min(walks or [stage.min_green_s for stage in stages])))
    return node(
        "SignalGroupParam",
        node("CrossID", cross_id),
        node("SignalGroupNo", group.number),
        node("Name", flow_in_words(group, junction.left_hand)),
        node("GreenFlashLen", flash_s),
        *limits,
        numbers_node("LampGroupNo", [group.number]),
    )


def _flashes(junction: Junction, plans: Sequence[TimingPlan]) -> dict[int, int]:
    """GreenFlashLen of every group: of vehicles as all plans have it, of pedestrians as the junction has it."""
    found = {group.number: walk_flash_s(junction, group.number) for group in junction.groups}
    for group in junction.vehicle_groups():
        timings = [
            (plan, stage)
            for plan in plans
            for stage in plan.stages
            if group.number in junction.stages[stage.stage].going
        ]
        length = max((stage.green_flash_s for _, stage in timings), default=junction.green_flash_s)
        for plan, stage in timings:
            if stage.green_flash_s != min(length, stage.go_s):
                raise BadInput(
                    f"junction {junction.signal}, plan {plan.name!r}, stage {stage.stage + 1}: green flash"
                    f" {stage.green_flash_s} s, elsewhere {length} s: signal group {group.number} can have only one"
                )
        found[group.number] = length
    return found


def _stage_param(junction: Junction, index: int, cross_id: str) -> ET.Element:
    stage = junction.stages[index]
    shown = [
        node(
            "SignalGroupStatus",
            node("SignalGroupNo", group.number),
            node("LampStatus", _lamps(group, group.number in stage.going)),
        )
        for group in junction.groups
    ]
    return node(
        "StageParam",
        node("CrossID", cross_id),
        node("StageNo", index + 1),
        name_node("StageName", stage.name, f"junction {junction.signal}, stage {index + 1}"),
        node("Attribute", 0),
        node("SignalGroupStatusList", *shown),
    )


def _lamps(group: SignalGroup, goes: bool) -> str:
    if group.kind == "pedestrian":
        return WALK if goes else DONT_WALK
    return GREEN_ON if goes else RED_ON
