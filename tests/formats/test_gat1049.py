from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.errors import BadInput
from greenband.formats import gat1049
from greenband.formats.gat1049_message import parsed
from greenband.formats.gat1049_read import plans_of
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.describe import described
from greenband.plan.junction import Junction, SignalGroup, StageDefinition, Walk
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.plan.splits import build_plan
from greenband.scenario import Scenario

ID = "00000080000007"
WORK = ScheduleRow(day_plan="work", weekdays=(1, 2, 3, 4, 5), name="weekdays")
REST = ScheduleRow(day_plan="rest", weekdays=(6, 7), name="weekend")
HOLIDAY = ScheduleRow(day_plan="rest", first="10-01", last="10-07", name="国庆")


def junction(signal: str = "J7", number: int = 7, **more: Any) -> Junction:
    """From the north a through and a left turn, from the west a through and a right turn; people over the west leg."""

    def group(number: int, bearing: int, turn: str, **more: Any) -> SignalGroup:
        values = {"movement": f"m{number}", "speed_ms": 13.9, "crossing_m": 20.0, **more}
        return SignalGroup.model_validate({"number": number, "bearing": bearing, "turn": turn, **values})

    groups = (
        group(1, 180, "through"),
        group(2, 180, "far"),
        group(3, 90, "through"),
        group(4, 90, "near", on_red=True),
        group(5, 90, "crossing", kind="pedestrian", speed_ms=1.0, lanes=0),
    )
    stages = (
        StageDefinition(
            name="南北",
            green=(1, 5),
            permitted=(2,),
            min_green_s=15,
            max_green_s=60,
            walks=(Walk(group=5, walk_s=7, flash_s=12),),
        ),
        StageDefinition(name="east", green=(3, 4), min_green_s=10, max_green_s=50),
    )
    values = {
        "name_zh": "人民路",
        "coordination": "road",
        "yellow_s": 3,
        "all_red_s": 2,
        "green_flash_s": 3,
        "max_red_s": 120,
        "groups": groups,
        "stages": stages,
        "conflicts": ((1, 3), (2, 3), (2, 5), (3, 5), (4, 5)),
    }
    return Junction.model_validate({"signal": signal, "number": number, **values, **more})


def plan(
    signal: str = "J7",
    offset_s: int = 11,
    first_s: int = 27,
    name: str = "早高峰",
    flash_s: int = 3,
    second_s: int = 20,
) -> TimingPlan:
    """Two stages: green of ``first_s`` and 3 s flash, and green of ``second_s`` with ``flash_s`` of it flashing."""
    steady = second_s - flash_s
    stages = (
        StageTiming(stage=0, name="南北", green_s=first_s, green_flash_s=3, yellow_s=3, all_red_s=2),
        StageTiming(stage=1, name="east", green_s=steady, green_flash_s=flash_s, yellow_s=3, all_red_s=1),
    )
    cycle = sum(stage.duration_s for stage in stages)
    return TimingPlan(signal=signal, name=name, cycle_s=cycle, offset_s=offset_s, stages=stages)


def plans(
    signals: tuple[str, ...] = ("J7", "J8"), schedule: tuple[ScheduleRow, ...] = (WORK, REST, HOLIDAY)
) -> PlanSet:
    def day(*switches: tuple[int, str]) -> DayPlan:
        return DayPlan(switches=tuple(Switch(at_min=minute, plan=name) for minute, name in switches))

    return PlanSet(
        provenance=Provenance(subject="hand", scenario="none", seeds=(1,), note="trial"),
        plans={
            "AM": {signal: plan(signal, offset_s=11 + at) for at, signal in enumerate(signals)},
            "OFF": {signal: plan(signal, offset_s=0, first_s=17, name="平峰") for signal in signals},
        },
        junctions={signal: junction(signal, number) for number, signal in enumerate(signals, 7)},
        day_plans={"work": day((0, "OFF"), (420, "AM"), (545, "OFF")), "rest": day((0, "OFF"))},
        schedule=schedule,
    )


def replaced(whole: PlanSet, **more: Any) -> PlanSet:
    return PlanSet.model_validate(whole.model_dump() | more)


def no_movements(given: PlanSet) -> dict[str, dict[str, TimingPlan]]:
    def bare(one: TimingPlan) -> TimingPlan:
        stages = tuple(stage.model_copy(update={"movements": ()}) for stage in one.stages)
        return one.model_copy(update={"stages": stages})

    return {period: {signal: bare(one) for signal, one in of.items()} for period, of in given.plans.items()}


def shown(path: Path, tag: str) -> list[ET.Element]:
    return list(ET.parse(path).iter(tag))


def fields(element: ET.Element) -> dict[str, str]:
    return {child.tag: child.text or "" for child in element if not len(child)}


def numbers(element: ET.Element, tag: str) -> list[int]:
    return [int(found.text or "") for found in element.iter(tag)]


def test_round_trip_and_same_bytes(tmp_path: Path) -> None:
    one, two = (gat1049.export(plans(), tmp_path / name) for name in ("one", "two"))
    ids = (ID, "00000080000008")
    names = [f"{cross_id}.{kind}.xml" for cross_id in ids for kind in ("get", "set")]
    assert [file.name for file in one] == ["index.json", *names]
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]
    found = gat1049.read(tmp_path / "one")
    assert found.plans == plans().plans
    assert found.day_plans == plans().day_plans
    assert found.schedule == plans().schedule
    assert found.provenance == plans().provenance
    assert not found.whole


def test_plans_of_a_scenario_survive(tmp_path: Path, jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    made = build_plan(signal, signal.limits(jincheng.timing), 100, [3, 1, 2, 1], offset_s=7, name="trial")
    origin = Provenance(subject="hand", scenario=jincheng.name)
    whole = described(PlanSet(provenance=origin, plans={"AM": {signal.id: made}}), jincheng)
    gat1049.export(whole, tmp_path)
    found = gat1049.read(tmp_path)
    assert found.plans == no_movements(whole)
    assert (found.day_plans, found.schedule) == (whole.day_plans, whole.schedule)
    assert {mode.text for mode in shown(tmp_path / f"{whole_id(whole)}.set.xml", "CtrlMode")} == {"21"}


def whole_id(whole: PlanSet) -> str:
    (only,) = whole.junctions.values()
    return f"00000080{only.number:06d}"


def test_the_envelope_is_that_of_the_standard(tmp_path: Path) -> None:
    gat1049.export(plans(), tmp_path)
    text = (tmp_path / f"{ID}.set.xml").read_text(encoding="utf-8")
    flat = "".join(line.strip() for line in text.splitlines())
    assert flat.startswith(
        '<?xml version="1.0" encoding="UTF-8"?><Message><Version>2.0</Version><Token />'
        "<From><Address><Sys>TICP</Sys><SubSys /><Instance /></Address></From>"
        "<To><Address><Sys>UTCS</Sys><SubSys /><Instance /></Address></To>"
        '<Type>REQUEST</Type><Seq>00000000000000000001</Seq><Body><Operation order="1" name="Set">'
        f"<SetPlanParam><Oper>2</Oper><PlanParam><CrossID>{ID}</CrossID><PlanNo>1</PlanNo>"
    )


def test_a_request_sets_plans_then_day_plans_then_the_schedule(tmp_path: Path) -> None:
    gat1049.export(plans(), tmp_path)
    operations = shown(tmp_path / f"{ID}.set.xml", "Operation")
    assert [operation.get("order") for operation in operations] == [str(order) for order in range(1, 13)]
    kinds = [operation[0].tag for operation in operations]
    assert kinds == ["SetPlanParam"] * 2 + ["SetDayPlanParam"] * 2 + ["SetScheduleParam"] * 8
    first, other = shown(tmp_path / f"{ID}.set.xml", "PlanParam")
    assert fields(first) == {
        "CrossID": ID,
        "PlanNo": "1",
        "PlanName": "早高峰",
        "CycleLen": "59",
        "CoordStageNo": "1",
        "Offset": "11",
    }
    assert fields(other)["PlanNo"] == "2"
    assert [fields(stage) for stage in first.iter("StageTiming")] == [
        {"StageNo": "1", "Green": "30", "Yellow": "3", "AllRed": "2", "MaxGreen": "60", "MinGreen": "15"},
        {"StageNo": "2", "Green": "20", "Yellow": "3", "AllRed": "1", "MaxGreen": "50", "MinGreen": "10"}
        | {"AdjustList": ""},
    ]
    # 7 s of walk and 8 s of flash, which fit into the shortest green of 15 s; here the green has 30 s and 20 s
    cuts = [[adjust.attrib for adjust in one.iter("Adjust")] for one in (first, other)]
    assert cuts == [[{"Oper": "2", "SignalGroupNo": "5", "Len": length}] for length in ("15", "5")]
    work, rest = shown(tmp_path / f"{ID}.set.xml", "DayPlanParam")
    assert fields(work) == {"CrossID": ID, "DayPlanNo": "1", "DayPlanName": "work"}
    assert [fields(period) for period in work.iter("Period")] == [
        {"StartTime": start, "PlanNo": number, "CtrlMode": "31"}
        for start, number in (("00:00", "2"), ("07:00", "1"), ("09:05", "2"))
    ]
    assert len(list(rest.iter("Period"))) == 1


def test_the_schedule_has_a_row_for_every_weekday(tmp_path: Path) -> None:
    gat1049.export(plans(), tmp_path)
    rows = [fields(row) for row in shown(tmp_path / f"{ID}.set.xml", "ScheduleParam")]
    assert [row["ScheduleNo"] for row in rows] == [str(number) for number in range(1, 9)]
    days = [(row["Type"], row.get("WeekDay"), row["DayPlanNo"]) for row in rows]
    assert days == [("3", str(day), "1" if day < 6 else "2") for day in range(1, 8)] + [("1", None, "2")]
    assert (rows[7]["StartDay"], rows[7]["EndDay"], rows[7]["ScheduleName"]) == ("10-01", "10-07", "国庆")
    assert {(row["StartDay"], row["EndDay"]) for row in rows[:7]} == {("01-01", "12-31")}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (
            (ScheduleRow(day_plan="rest", first="12-31", last="01-02"),),
            (
                ScheduleRow(day_plan="rest", first="12-31", last="12-31"),
                ScheduleRow(day_plan="rest", first="01-01", last="01-02"),
            ),
        ),
        (
            (
                ScheduleRow(day_plan="rest", weekdays=(1, 2, 3, 4, 5, 6), first="07-01", last="08-31"),
                ScheduleRow(day_plan="rest", weekdays=(7,), first="07-01", last="08-31"),
            ),
            None,
        ),
        (
            (ScheduleRow(day_plan="work"), ScheduleRow(day_plan="rest", weekdays=(7,), first="02-29", last="02-29")),
            None,
        ),
    ],
)
def test_dates_and_weekdays_read_back(
    tmp_path: Path, schedule: tuple[ScheduleRow, ...], expected: tuple[ScheduleRow, ...] | None
) -> None:
    gat1049.export(plans(schedule=schedule), tmp_path)
    assert gat1049.read(tmp_path).schedule == (expected or schedule)


def test_the_reference_shows_what_the_plans_rely_on(tmp_path: Path) -> None:
    path = tmp_path / f"{ID}.get.xml"
    gat1049.export(plans(), tmp_path)
    (cross,) = shown(path, "CrossParam")
    assert (cross.findtext("CrossName"), cross.findtext("Feature")) == ("人民路", "90")
    # group 2, permitted beside the crossing 5, gives way to it; all other pairs are never green together
    assert cross.findtext("GreenConflictMatrix") == "00100" + "00100" + "11001" + "00001" + "00110"
    assert [numbers(cross, tag) for tag in ("StageNo", "PlanNo", "DayPlanNo")] == [[1, 2], [1, 2], [1, 2]]
    assert (numbers(cross, "ScheduleNo"), numbers(cross, "SignalGroupNo")) == (list(range(1, 9)), [1, 2, 3, 4, 5])
    lamps = [fields(lamp) for lamp in shown(path, "LampGroupParam")]
    # from the north is 1, from the west 7; through arrow, round left (it gives way), arrow, round (right on red), foot
    assert [(lamp["Direction"], lamp["Type"]) for lamp in lamps] == [
        ("1", "21"),
        ("1", "10"),
        ("7", "21"),
        ("7", "10"),
        ("7", "40"),
    ]
    groups = [fields(group) for group in shown(path, "SignalGroupParam")]
    assert [group["Name"] for group in groups[:2]] == ["北进口直行", "北进口左转"]
    assert [group["GreenFlashLen"] for group in groups] == ["3", "3", "3", "3", "8"]
    assert [(group["MinGreen"], group.get("MaxGreen")) for group in groups] == [
        ("15", "60"),
        ("15", "60"),
        ("10", "50"),
        ("10", "50"),
        ("15", None),
    ]
    stages = shown(path, "StageParam")
    assert [fields(stage)["StageName"] for stage in stages] == ["南北", "east"]
    lit = [[status.text for status in stage.iter("LampStatus")] for stage in stages]
    assert lit == [["112", "112", "211", "211", "102"], ["211", "211", "112", "112", "201"]]


@pytest.mark.parametrize(
    ("bearing", "direction"),
    [(180, "1"), (225, "2"), (270, "3"), (315, "4"), (0, "5"), (45, "6"), (90, "7"), (135, "8")],
)
def test_directions_go_clockwise_from_the_north(tmp_path: Path, bearing: int, direction: str) -> None:
    only = junction()
    groups = (only.groups[0].model_copy(update={"bearing": bearing}), *only.groups[1:])
    whole = plans(("J7",)).model_copy(update={"junctions": {"J7": only.model_copy(update={"groups": groups})}})
    gat1049.export(whole, tmp_path)
    assert shown(tmp_path / f"{ID}.get.xml", "Direction")[0].text == direction


def test_the_agency_may_name_the_junctions(tmp_path: Path) -> None:
    files = gat1049.export(plans(), tmp_path, {"J8": "33010980001234"})
    assert [file.name for file in files[-2:]] == ["33010980001234.get.xml", "33010980001234.set.xml"]
    assert gat1049.read(tmp_path).plans == plans().plans
    for mapping, reason in (
        ({"J8": "3301098000123"}, "junction J8: CrossID '3301098000123' must be 14 digits"),
        ({"J8": "../../../etc/x"}, "must be 14 digits or capital letters"),
        ({"J9": "33010980001234"}, "CrossID for junction 'J9', which is not in the plan set"),
        ({"J8": ID}, f"junctions J7, J8: all have CrossID {ID}"),
    ):
        with pytest.raises(BadInput, match=reason):
            gat1049.export(plans(), tmp_path, mapping)


def test_messages_of_others_read_too(tmp_path: Path) -> None:
    gat1049.export(plans(("J7",)), tmp_path)
    (tmp_path / "index.json").unlink()
    path = tmp_path / f"{ID}.set.xml"
    text = path.read_text(encoding="utf-8")
    for tag in ("<Oper>2</Oper>", "<DayPlanName>work</DayPlanName>"):
        text = text.replace(tag, "")
    for tag in ("SetPlanParam", "SetDayPlanParam", "SetScheduleParam"):  # as in an answer
        text = text.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    path.write_text(text.replace('name="Set"', 'name="Get"'), encoding="utf-8")
    found = gat1049.read(tmp_path)
    assert sorted(found.plans) == ["plan 1", "plan 2"]
    assert list(found.plans["plan 1"]) == [ID]
    assert found.plans["plan 1"][ID].stages == plan().stages
    assert sorted(found.day_plans) == ["day plan 1", "rest"]


def test_an_offset_of_another_stage_is_converted(tmp_path: Path) -> None:
    gat1049.export(plans(), tmp_path)
    edit(tmp_path, "<CoordStageNo>1<", "<CoordStageNo>2<")
    # stage 2 begins 30 + 3 + 2 s after stage 1; its green starts at 11 of 59 s, so that of stage 1 at 11 - 35 + 59
    assert gat1049.read(tmp_path).plans["AM"]["J7"].offset_s == 35


Change = Callable[[PlanSet], PlanSet]


def with_junction(**more: Any) -> Change:
    return lambda whole: replaced(whole, junctions={"J7": junction(**more).model_dump()})


def with_plan(**more: Any) -> Change:
    def change(whole: PlanSet) -> PlanSet:
        return replaced(whole, plans={**whole.model_dump()["plans"], "AM": {"J7": plan(**more).model_dump()}})

    return change


SHORT = (
    StageDefinition(name="a", green=(1, 5), min_green_s=6, max_green_s=9, walks=(Walk(group=5, walk_s=7, flash_s=4),)),
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_plan(first_s=269), r"junction J7, plan '早高峰': CycleLen 301: GA/T 1049\.2 allows 30 to 300"),
        (with_plan(first_s=0, second_s=17), r"junction J7, plan '早高峰': CycleLen 29: GA/T 1049\.2 allows 30 to 300"),
        (with_plan(first_s=10), "stage 1: walk and flash of signal group 5 take 15 s, but its green is 13 s"),
        (with_plan(name="x" * 51), "PlanName 'x+': GA/T 1049.2 takes up to 50 characters"),
        (with_plan(name="a\x00b"), "no control characters"),
        (with_plan(name="a\rb"), "no control characters"),
        (with_plan(flash_s=2), "stage 2: green flash 2 s, elsewhere 3 s: signal group 3 can have only one"),
        (with_junction(name_zh="路" * 51), "junction J7: CrossName"),
        (with_junction(number=1_000_000), "CrossID '000000801000000' must be 14"),
        (with_junction(stages=(*SHORT, junction().stages[1])), "the walk of signal group 5 exceeds a minimum green"),
        (
            with_junction(groups=(*junction().groups, junction().groups[0].model_copy(update={"number": 100}))),
            "junction J7: LampGroupNo 100: GA/T 1049.2 allows 1 to 99",
        ),
        (
            lambda whole: replaced(whole, schedule=[WORK, ScheduleRow(day_plan="rest", weekdays=(5,), name="Fri")]),
            "schedule rows 'weekdays' and 'Fri' both fit 01-01, weekday 5",
        ),
        (
            lambda whole: replaced(
                whole, schedule=[HOLIDAY, ScheduleRow(day_plan="rest", first="10-07", last="10-08")]
            ),
            "schedule rows '国庆' and '' both fit 10-07: GA/T 1049.2 cannot rank them",
        ),
        (
            lambda whole: replaced(
                whole,
                junctions={**whole.junctions, "J8": junction("J8", 8)},
                plans={**whole.plans, "OFF": {**whole.plans["OFF"], "J8": plan("J8")}},
            ),
            "junction J8, day plan 'work': at 07:00 it calls for plan 'AM', which the junction lacks",
        ),
        (
            lambda whole: replaced(whole, plans={**whole.plans, **{f"p{k}": {"J7": plan()} for k in range(998)}}),
            "junction J7, plan '早高峰': PlanNo 1000: GA/T 1049.2 allows 0 to 999",
        ),
        (
            lambda whole: replaced(whole, plans={**whole.plans, **{f"p{k}": {"J7": plan()} for k in range(90)}}),
            "junction J7: a message of [0-9]{6} characters; GA/T 1049 takes 100000",
        ),
        (
            lambda whole: replaced(
                whole,
                schedule=[
                    ScheduleRow(
                        day_plan="rest", weekdays=(day % 6 + 1,), first=f"{m:02d}-{d:02d}", last=f"{m:02d}-{d:02d}"
                    )
                    for m in range(1, 13)
                    for d in range(1, 29)
                    for day in range(3)
                ],
            ),
            "schedule row '': ScheduleNo 1000: GA/T 1049.2 allows 0 to 999",
        ),
    ],
)
def test_what_cannot_be_expressed_is_refused_before_anything_is_written(
    tmp_path: Path, change: Change, reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        gat1049.export(change(plans(("J7",))), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def edit(folder: Path, old: str, new: str, kind: str = "set", count: int = 1) -> Path:
    path = folder / f"{ID}.{kind}.xml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("kind", "old", "new", "reason"),
    [
        (
            "set",
            "<CycleLen>59<",
            "<CycleLen>60<",
            "PlanParam 1 of .*: signal J7: stages sum to 59 s, but cycle_s is 60",
        ),
        (
            "set",
            "<CycleLen>59<",
            "<CycleLen>20<",
            "/Message/Body/Operation.*/SetPlanParam/PlanParam/CycleLen: value has",
        ),
        (
            "set",
            "<Green>30<",
            "<Green>30.5<",
            r"PlanParam/StageTimingList/StageTiming\[1\]/Green: invalid literal for int\(\) with base 10: '30.5'",
        ),
        ("set", "<Offset>11<", "<Offset>59<", "PlanParam 1 of .*: Offset 59 must be below CycleLen 59"),
        ("set", "<CoordStageNo>1<", "<CoordStageNo>4<", "CoordStageNo 4 is not among its stages"),
        ("set", "<StageNo>2<", "<StageNo>9<", "PlanParam 1 of .*: it refers to StageParam 9, which is not there"),
        ("set", "<StageNo>2<", "<StageNo>1<", r"a stage appears twice in \[0, 0\]"),
        ("set", "<PlanNo>2<", "<PlanNo>1<", "PlanParam 1 of .*: it stands in the messages twice"),
        ("set", "<PlanNo>2<", "<PlanNo>0<", "PlanParam 0 of .*: it has no number yet"),
        ("set", "<Oper>2<", "<Oper>3<", "PlanParam 1 of .*: it is to be deleted"),
        ("set", '"5" Len', '"3" Len', "stage 1: signal group 3 starts late or is cut early"),
        ("set", "<StartTime>07:00<", "<StartTime>10:00<", "DayPlanParam 1 of .*: 09:05 does not come after 10:00"),
        ("set", "<StartTime>00:00<", "<StartTime>00:30<", "the first plan begins at 00:30: it must be 00:00"),
        ("set", "<StartTime>07:00<", "<StartTime>7:00<", "StartTime: value doesn't match"),
        ("set", "<CtrlMode>21<", "<CtrlMode>22<", "00:00: PlanNo 2 in CtrlMode 22: a plan set holds fixed plans"),
        ("set", "<Type>1<", "<Type>2<", "ScheduleParam 8 of .*: it has no WeekDay"),
        ("set", "<EndDay>10-07<", "<EndDay>02-30<", "'02-30' is no date"),
        (
            "set",
            "<DayPlanNo>2</DayPlanNo>\n          <DayPlanName>",
            "<DayPlanNo>3</DayPlanNo>\n<DayPlanName>",
            "DayPlanParam 2",
        ),
        ("set", "<DayPlanName>rest<", "<DayPlanName>work<", "DayPlanParam 2 of .*: another day plan is called 'work'"),
        ("set", f"<CrossID>{ID}<", "<CrossID>00000080000009<", "PlanParam 1 of 0+80000009: the file is named after"),
        ("set", "<Type>REQUEST<", "<Type>WISH<", "/Message/Type: value must be one of"),
        ("set", "<Version>2.0</Version>", "", "/Message: The content of element 'Message' is not complete"),
        (
            "get",
            "<LampGroupNo>3</LampGroupNo>\n        <Direction>",
            "<LampGroupNo>9</LampGroupNo><Direction>",
            "LampGroupParam 3",
        ),
        (
            "get",
            "<GreenFlashLen>3<",
            "<GreenFlashLen>2<",
            r"StageParam 1 of .*: its signal groups flash for \[2, 3\] s",
        ),
        ("get", "<LampStatus>112<", "<LampStatus>1122<", "LampStatus: value doesn't match"),
    ],
)
def test_what_is_wrong_in_a_message_is_named(tmp_path: Path, kind: str, old: str, new: str, reason: str) -> None:
    gat1049.export(plans(("J7",)), tmp_path)
    path = edit(tmp_path, old, new, kind)
    with pytest.raises(BadInput, match=reason) as caught:
        gat1049.read(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plan_without_its_number_in_the_index_or_its_plan_is_told(tmp_path: Path) -> None:
    gat1049.export(plans(("J7",)), tmp_path)
    edit(tmp_path, "<PlanNo>1</PlanNo>\n          <PlanName>", "<PlanNo>77</PlanNo>\n          <PlanName>")
    with pytest.raises(BadInput, match=r"DayPlanParam 1 of .*: it refers to PlanParam 1, which is not there"):
        gat1049.read(tmp_path)


def test_junctions_must_share_their_calendar(tmp_path: Path) -> None:
    gat1049.export(plans(), tmp_path)
    edit(tmp_path, "<StartTime>07:00<", "<StartTime>06:00<")
    with pytest.raises(BadInput, match="day plans or schedule of 00000080000008 are not those of the junctions before"):
        gat1049.read(tmp_path)


LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><Message>&b;</Message>'
FILE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><Message>&a;</Message>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a GA/T 1049 message: .*no element found"),
        (b"\xff\xfe<", "not UTF-8 text"),
        (LAUGHS.encode(), "a document type declaration has no place"),
        (FILE.encode(), "a document type declaration has no place"),
        (b"/etc/passwd", "not a GA/T 1049 message"),
        (b"http://localhost:1/x.xml", "not a GA/T 1049 message"),
        (b"<a>" * 9000 + b"</a>" * 9000, "not a GA/T 1049 message: maximum XML depth reached"),
        (b"<Message>" * 900 + b"</Message>" * 900, "/Message: Unexpected child"),
        (b"<Message/>" + b" " * 100_000, "100010 characters; a GA/T 1049 message has at most 100000"),
        (b" " * 400_001, "larger than 400000 bytes"),
        (b"<additional/>", "'additional' is not an element of the schema"),
        (None, "cannot be read"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes | None, reason: str) -> None:
    gat1049.export(plans(("J7",)), tmp_path)
    path = tmp_path / f"{ID}.set.xml"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadInput, match=reason):
        gat1049.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "index.json: Invalid JSON"),
        ("[" * 100_000, "index.json: Invalid JSON"),
        ("{}", "index.json: provenance: Field required"),
        ('{"provenance": {"subject": "", "scenario": ""}, "periods": [], "junctions": {}}', "index.json: junctions"),
        (
            '{"provenance": {"subject": "", "scenario": ""}, "periods": [], "junctions": {"../../../etc/x": "J7"}}',
            "is no CrossID",
        ),
        (
            '{"provenance": {"subject": "", "scenario": ""}, "periods": ["", ""], "junctions": {"0000008000000A": ""}}',
            "a period is named twice",
        ),
        (" " * 10_000_001, "index.json: larger than 10000000 bytes"),
    ],
)
def test_another_index_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    gat1049.export(plans(("J7",)), tmp_path)
    (tmp_path / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=reason):
        gat1049.read(tmp_path)


def test_an_empty_folder_or_a_trial_is_no_plan_set(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no GA/T 1049\.2 objects"):
        gat1049.read(tmp_path)
    (tmp_path / "trial.xml").write_bytes(gat1049.center_plan_message(junction(), plan(), 30))
    with pytest.raises(BadInput, match="CenterPlan: a trial is no part of a plan set"):
        gat1049.read(tmp_path)


def test_single_messages_for_a_client() -> None:
    changed, added = (
        parsed(gat1049.set_plan_message(junction(), plan(), 12, "33010980001234", oper), "message")
        for oper in (gat1049.Oper.MODIFY, gat1049.Oper.ADD)
    )
    assert [changed.findtext(f".//{tag}") for tag in ("Oper", "PlanNo", "CrossID")] == ["2", "12", "33010980001234"]
    assert [added.findtext(f".//{tag}") for tag in ("Oper", "PlanNo")] == ["1", "0"]
    day = plans().day_plans["work"]
    message = gat1049.set_day_plan_message(junction(), "work", day, 3, {"AM": 41, "OFF": 42}, coordinated=False)
    root = parsed(message, "message")
    assert [number.text for number in root.iter("PlanNo")] == ["42", "41", "42"]
    assert {found.text for found in root.iter("CtrlMode")} == {"21"}
    rows = gat1049.set_schedule_messages(junction(), (WORK, HOLIDAY), {"work": 3, "rest": 4})
    assert [parsed(row, "message").findtext(".//DayPlanNo") for row in rows] == ["3"] * 5 + ["4"]
    with pytest.raises(BadInput, match="the schedule names day plan 'rest', which has no number"):
        gat1049.set_schedule_messages(junction(), (REST,), {"work": 3})
    with pytest.raises(BadInput, match="number 0: only what is added has none"):
        gat1049.set_plan_message(junction(), plan(), 0)


def test_a_trial_ends_by_itself() -> None:
    root = parsed(gat1049.center_plan_message(junction(), plan(), 45, coordinated=True), "message")
    (trial,) = root.iterfind("Body/Operation/CenterPlan")
    assert fields(trial) == {"ControlMode": "31", "MaxRunTime": "45"}
    assert [trial.findtext(f"PlanParam/{tag}") for tag in ("CrossID", "PlanNo", "CycleLen", "Offset")] == [
        ID,
        "0",
        "59",
        "11",
    ]
    for minutes in (0, 1441):
        with pytest.raises(BadInput, match=f"a trial of {minutes} min: allowed are 1 to 1440"):
            gat1049.center_plan_message(junction(), plan(), minutes)
    other = plan().model_copy(update={"stages": (plan().stages[0].model_copy(update={"stage": 5}),)})
    with pytest.raises(BadInput, match="the junction has no stage 6"):
        gat1049.center_plan_message(junction(), other, 30)


def test_a_message_is_stamped_when_it_is_sent() -> None:
    sent = datetime.datetime(2026, 11, 29, 7, 5, 9)
    data = gat1049.set_plan_message(junction(), plan(), 1)
    stamped = gat1049.stamped(data, sent, 42, token="a<b")
    root = parsed(stamped, "message")
    assert (root.findtext("Seq"), root.findtext("Token")) == ("20261129070509000042", "a<b")
    assert (
        stamped.replace(b"20261129070509000042", b"0" * 19 + b"1").replace(b"<Token>a&lt;b</Token>", b"<Token />")
        == data
    )
    with pytest.raises(BadInput, match="running number 1000000"):
        gat1049.stamped(data, sent, 1_000_000)
    with pytest.raises(BadInput, match="token"):
        gat1049.stamped(data, sent, 1, token="\0")
    with pytest.raises(BadInput, match="message to send"):
        gat1049.stamped(b"<Message/>", sent, 1)


words = st.text(st.characters(codec="utf-8"), max_size=52)


@settings(deadline=None, max_examples=25)
@given(name=words, period=words.filter(lambda word: word != "OFF"), row=words, number=st.integers(1, 999_999))
def test_any_name_survives_or_is_refused(name: str, period: str, row: str, number: int) -> None:
    whole = plans(("J7",), (WORK.model_copy(update={"name": row}),)).model_dump()
    whole["junctions"]["J7"]["number"] = number
    whole["plans"] = {period: {"J7": {**whole["plans"]["AM"]["J7"], "name": name}}, "OFF": whole["plans"]["OFF"]}
    whole["day_plans"]["work"]["switches"][1]["plan"] = period
    wanted = PlanSet.model_validate(whole)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        try:
            gat1049.export(wanted, folder)
        except BadInput:
            assert any(len(word) > 50 or not word.isprintable() for word in (name, row))
            return
        found = gat1049.read(folder)
    assert (found.plans, found.day_plans, found.schedule) == (wanted.plans, wanted.day_plans, wanted.schedule)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    files = gat1049.export(plans(("J7",)), tmp_path_factory.mktemp("written"))
    return {file.name: file.read_bytes() for file in files}


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_whatever_happens_to_a_file_it_reads_or_is_refused(written: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(written)))
    whole = written[name]
    at = data.draw(st.integers(0, len(whole)))
    kind = data.draw(st.sampled_from(("cut", "bytes", "value", "twice")))
    if kind == "cut":
        changed = whole[:at]
    elif kind == "bytes":
        changed = whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + data.draw(st.integers(0, 8)) :]
    elif kind == "twice":
        changed = whole[:at] + whole[data.draw(st.integers(0, at)) :]
    else:
        start = whole.find(b">", at) + 1
        value = data.draw(
            st.sampled_from((b"", b"0", b"-1", b"1", b"3", b"99999999999999999999", b"1e3", b" 7 ", b"x", b"<b/>"))
        )
        changed = whole[:start] + value + whole[max(start, whole.find(b"<", start)) :]
    with tempfile.TemporaryDirectory() as folder:
        for file, content in {**written, name: changed}.items():
            (Path(folder) / file).write_bytes(content)
        try:
            found = gat1049.read(Path(folder))
        except BadInput:
            return
    assert found.plans


def test_plans_that_a_signal_system_holds_are_those_that_were_sent() -> None:
    whole = plans()
    found = plans_of(gat1049.params(whole, "J8", ID), "J8", ID, whole)
    assert found.plans == {period: {"J8": of["J8"]} for period, of in whole.plans.items()}
    assert (found.day_plans, found.schedule, [*found.junctions]) == (whole.day_plans, whole.schedule, ["J8"])


def test_held_plans_have_the_movements_of_their_stages(jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    made = build_plan(signal, signal.limits(jincheng.timing), 100, [3, 1, 2, 1], offset_s=7, name="trial")
    origin = Provenance(subject="hand", scenario=jincheng.name)
    whole = described(PlanSet(provenance=origin, plans={"AM": {signal.id: made}}), jincheng)
    assert plans_of(gat1049.params(whole, signal.id, ID), signal.id, ID, whole).plans == whole.plans


def test_held_plans_that_cannot_be_read_are_told_with_the_reason() -> None:
    whole = plans()
    without = [param for param in gat1049.params(whole, "J8", ID) if param.tag != "PlanParam"]
    with pytest.raises(BadInput, match=r"junction J8: DayPlanParam 1 .*PlanParam 2, which is not there"):
        plans_of(without, "J8", ID, whole)
    with pytest.raises(BadInput, match="junction J9: the plan at hand does not describe it"):
        plans_of([], "J9", ID, whole)
