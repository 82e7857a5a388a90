from __future__ import annotations

import datetime
import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.agents.planned import GreenWave
from greenband.errors import BadInput
from greenband.formats import gb20999
from greenband.formats.gb20999_convert import controller_rows, controller_tables
from greenband.formats.gb20999_frames import Frame, Value, decode, encode, frames
from greenband.formats.gb20999_tables import (
    ControllerDay,
    ControllerPeriod,
    ControllerPlan,
    ControllerRow,
    ControllerStage,
    ControllerTables,
    Profile,
)
from greenband.formats.gb20999_values import row_values
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.describe import described
from greenband.plan.junction import Junction, SignalGroup, StageDefinition
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.scenario import Scenario

ALL_YEAR = tuple(range(1, 13))

# A controller's answers about plan 1, day plan 1 and schedule row 1, captured by UDP.
ANSWERS = f"""
7e 00 17 01 00 05 00 00 00 00 00 02 20 01 01 08 09 02 03 01 00 00 00 78 9c 03 7d
7e 00 14 01 00 05 00 00 00 00 00 02 20 01 01 05 09 02 04 01 01 fb 9c 7d
7e 00 15 01 00 05 00 00 00 00 00 02 20 01 01 06 09 02 05 01 00 00 c0 5f 7d
7e 00 23 01 00 05 00 00 00 00 00 02 20 01 01 14 09 02 06 01 {"00 " * 12} 04 03 02 01 44 ad 7d
7e 00 33 01 00 05 00 00 00 00 00 02 20 01 01 24 09 02 07 01 {"00 " * 24} 00 1f 00 1d 00 1f 00 1d c1 a2 7d
7e 00 23 01 00 05 00 00 00 00 00 02 20 01 01 14 09 02 08 01 {"00 " * 12} 10 10 10 10 30 5b 7d
7e 00 73 01 00 05 00 00 00 00 00 02 20 01 01 64 0b 02 03 01 {"00 " * 96} a3 27 7d
7e 00 43 01 00 05 00 00 00 00 00 02 20 01 01 34 0b 02 04 01 {"00 " * 47} 01 9e 68 7d
7e 00 43 01 00 05 00 00 00 00 00 02 20 01 01 34 0b 02 05 01 {"00 " * 32} {"21 " * 15} 23 81 b9 7d
7e 00 14 01 00 05 00 00 00 00 00 02 20 01 01 05 0c 02 02 01 01 90 40 7d
7e 00 14 01 00 05 00 00 00 00 00 02 20 01 01 05 0c 02 03 01 01 85 04 7d
7e 00 14 01 00 05 00 00 00 00 00 02 20 01 01 05 0c 02 04 01 3e 2f 14 7d
7e 00 15 01 00 05 00 00 00 00 00 02 20 01 01 06 0c 02 05 01 1f fe 42 7d 7d
7e 00 17 01 00 05 00 00 00 00 00 02 20 01 01 08 0c 02 06 01 7f ff ff ff c6 97 7d
7e 00 14 01 00 05 00 00 00 00 00 02 20 01 01 05 0c 02 07 01 01 d0 14 7d
"""


def timing(*durations: int, signal: str = "J1", offset: int = 0, first: int = 0) -> TimingPlan:
    """A plan of stages of these lengths with their intergreen of 5 s."""
    stages = tuple(
        StageTiming(stage=first + k, name=f"stage {k}", green_s=d - 8, green_flash_s=3, yellow_s=3, all_red_s=2)
        for k, d in enumerate(durations)
    )
    return TimingPlan(signal=signal, cycle_s=sum(durations), offset_s=offset, stages=stages)


def junction(signal: str = "J1", number: int = 1, stages: int = 4, coordination: str = "") -> Junction:
    group = SignalGroup(number=1, movement="a>b", speed_ms=14, crossing_m=30)
    stage = StageDefinition(name="", green=(1,), min_green_s=7, max_green_s=60)
    return Junction(
        signal=signal,
        number=number,
        name_zh="人民路",
        coordination=coordination,
        yellow_s=3,
        all_red_s=2,
        max_red_s=200,
        groups=(group,),
        stages=(stage,) * stages,
    )


def plan_set(**change: Any) -> PlanSet:
    """One junction whose morning plan is the one that was captured, but for its offset of 37 s."""
    parts: dict[str, Any] = {
        "provenance": Provenance(subject="hand", scenario="none"),
        "plans": {"AM": {"J1": timing(29, 31, 29, 31, offset=37)}, "OFF": {"J1": timing(20, 25, 20, 25)}},
        "junctions": {"J1": junction()},
        "day_plans": {"work": day((0, "OFF"), (7 * 60 + 30, "AM"), (9 * 60, "OFF")), "rest": day((0, "OFF"))},
        "schedule": (
            ScheduleRow(day_plan="work", weekdays=(1, 2, 3, 4, 5)),
            ScheduleRow(day_plan="rest", weekdays=(6, 7)),
        ),
    }
    return PlanSet(**parts | change)


def day(*switches: tuple[int, str]) -> DayPlan:
    return DayPlan(switches=tuple(Switch(at_min=minute, plan=plan) for minute, plan in switches))


def sent(path: Path) -> list[Frame]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [decode(bytes.fromhex(line)) for line in lines if line and not line.startswith("#")]


def data(frame: Frame) -> dict[str, str]:
    return {value.address: value.data.hex() for value in frame.values}


def test_a_controllers_answers_are_read(tmp_path: Path) -> None:
    (tmp_path / "answers.hex").write_text(ANSWERS)
    stages = tuple(ControllerStage(stage, time, 0x10) for stage, time in ((1, 29), (2, 31), (3, 29), (4, 31)))
    assert gb20999.read(tmp_path / "answers.hex") == ControllerTables(
        host=5,
        controller=0,
        crossing=0,
        plans=(ControllerPlan(1, cycle_s=120, offset_s=0, reference_stage=1, stages=stages),),
        day_plans=(ControllerDay(1, (ControllerPeriod(0, plan=1, mode=0x23),)),),
        schedule=(ControllerRow(1, 1, (1, 2, 3, 4, 5), ALL_YEAR, tuple(range(1, 32)), day_plan=1, belongs_to=1),),
    )


def test_frames_are_what_an_engineer_expects(tmp_path: Path) -> None:
    (path,) = gb20999.export(plan_set(), tmp_path / "gb20999")
    assert path == tmp_path / "gb20999" / "controller_1_J1.hex"
    am, off, work, rest, weekdays, weekend = sent(path)
    assert [frame.sequence for frame in sent(path)] == [0, 1, 2, 3, 4, 5]
    assert {(frame.type, frame.host, frame.controller, frame.crossing) for frame in sent(path)} == {(0x30, 5, 1, 0)}
    assert data(am) == {
        "9.2.2.1": "01",
        "9.2.3.1": "00000078",
        "9.2.4.1": "01",
        "9.2.5.1": "0025",
        "9.2.6.1": "00" * 12 + "04030201",
        "9.2.7.1": "00" * 24 + "001f001d001f001d",
        "9.2.8.1": "00" * 12 + "10101010",
    }
    assert data(off)["9.2.7.2"] == "00" * 24 + "0019001400190014"
    assert data(work) == {
        "11.2.2.1": "01",
        "11.2.3.1": "00" * 90 + "0900071e0000",
        "11.2.4.1": "00" * 45 + "020102",
        "11.2.5.1": "00" * 45 + "212121",
    }
    assert data(rest)["11.2.4.2"] == "00" * 47 + "02"
    assert data(weekdays) == {
        "12.2.2.1": "01",
        "12.2.3.1": "01",
        "12.2.4.1": "3e",
        "12.2.5.1": "1ffe",
        "12.2.6.1": "7fffffff",
        "12.2.7.1": "01",
    }
    assert [data(weekend)[f"12.2.{k}.2"] for k in (3, 4, 7)] == ["02", "41", "02"]


def test_every_frame_says_what_it_sets(tmp_path: Path) -> None:
    names = {"A\nM\x07": {"J1": timing(29, 31, 29, 31, offset=37)}}
    wanted = plan_set(plans=names, day_plans={"d": day((0, "A\nM\x07"))}, schedule=(ScheduleRow(day_plan="d"),))
    (path,) = gb20999.export(wanted, tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith("of junction J1 人民路")
    frames_after = [before for before, line in pairwise(lines) if line.startswith("7e")]
    assert frames_after == [
        "# plan 1 A M: cycle 120 s, offset 37 s to stage 1; stage 1 29 s, stage 2 31 s, stage 3 29 s, stage 4 31 s",
        "# day plan 1 d: 00:00 plan 1 A M in mode 21",
        "# schedule row 1: priority 1, weekdays 1 2 3 4 5 6 7, months 1 2 3 4 5 6 7 8 9 10 11 12, dates all:"
        " day plan 1 d",
    ]


def test_round_trip_and_same_bytes(shixin_short: Scenario, tmp_path: Path) -> None:
    wanted = described(GreenWave().plan_set(shixin_short, ["AM", "OFF", "PM"]), shixin_short)
    one, two = (gb20999.export(wanted, tmp_path / name) for name in ("one", "two"))
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]
    for file, signal in zip(one, wanted.junctions, strict=True):
        found = gb20999.read(file)
        assert found == controller_tables(wanted, signal)
        assert found.controller == wanted.junctions[signal].number
        assert {period.mode for period in found.day_plans[0].periods} == {0x23}
        for number, plans in enumerate(wanted.plans.values()):
            plan = plans[signal]
            assert (found.plans[number].cycle_s, found.plans[number].offset_s) == (plan.cycle_s, plan.offset_s)
            told = [(stage.stage - 1, stage.duration_s) for stage in found.plans[number].stages]
            assert told == [(stage.stage, stage.duration_s) for stage in plan.stages]


@pytest.mark.parametrize(
    ("chain", "stages", "times"),
    [
        ("slot 1 last", "00" * 13 + "040302", "00" * 26 + "000d000c000b"),
        ("slot 1 first, at the end", "00" * 13 + "020304", "00" * 26 + "000b000c000d"),
        ("slot 1 first", "020304" + "00" * 13, "000b000c000d" + "00" * 26),
    ],
)
def test_the_order_of_chains_is_the_devices(tmp_path: Path, chain: Any, stages: str, times: str) -> None:
    plans = plan_set(plans={"AM": {"J1": timing(11, 12, 13, first=1)}, "OFF": {"J1": timing(20, 25)}})
    profile = Profile(chain=chain, belongs_to=None)
    (path,) = gb20999.export(plans, tmp_path, profile)
    shown = data(sent(path)[0])
    assert (shown["9.2.4.1"], shown["9.2.6.1"], shown["9.2.7.1"]) == ("02", stages, times)
    assert "9.2.2.1" not in shown
    assert gb20999.read(path, profile) == controller_tables(plans, "J1", profile)


def test_full_chains_survive_in_every_order(tmp_path: Path) -> None:
    plans = {"AM": {"J1": timing(*range(8, 24))}, "OFF": {"J1": timing(20, 25)}}
    full = day(*((30 * k, "AM" if k % 2 else "OFF") for k in range(48)))
    wanted = plan_set(plans=plans, junctions={"J1": junction(stages=16)}, day_plans={"work": full, "rest": full})
    for number, chain in enumerate(("slot 1 last", "slot 1 first, at the end", "slot 1 first")):
        profile = Profile(chain=chain)  # type: ignore[arg-type]
        (path,) = gb20999.export(wanted, tmp_path / str(number), profile)
        assert gb20999.read(path, profile) == controller_tables(wanted, "J1", profile)
        assert "000000" not in data(sent(path)[0])["9.2.6.1"]


def test_escaped_files_are_a_stream_for_tcp(tmp_path: Path) -> None:
    profile = Profile(escaped=True, controllers={"J1": 0x7E7D5C00}, host=0x7D, crossing=0x5C)
    (path,) = gb20999.export(plan_set(), tmp_path, profile)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("7e")]
    found, rest = frames(bytes.fromhex("".join(lines)))
    assert (len(found), rest) == (6, b"")
    assert lines[0].startswith("7e 00 7f 01 00 5c 7d 5c 7e 5c 7d 5c 5c 00 5c 5c 00 30 07")
    assert gb20999.read(path, profile).controller == 0x7E7D5C00
    with pytest.raises(BadInput, match="line 6: the length is stated as 127"):
        gb20999.read(path)


def test_only_junctions_with_company_are_coordinated(tmp_path: Path) -> None:
    names = {"J1": "road", "J2": "road", "J3": "", "J4": "", "J5": "alone"}
    junctions = {name: junction(name, k, coordination=group) for k, (name, group) in enumerate(names.items(), 1)}
    plans = {"AM": {name: timing(20, 25, signal=name) for name in names}, "OFF": {"J1": timing(20, 25)}}
    wanted = plan_set(plans=plans, junctions=junctions, day_plans={"work": day((0, "AM")), "rest": day((0, "AM"))})
    modes = {name: controller_tables(wanted, name).day_plans[0].periods[0].mode for name in names}
    assert modes == {"J1": 0x23, "J2": 0x23, "J3": 0x21, "J4": 0x21, "J5": 0x21}
    assert [file.name for file in gb20999.export(wanted, tmp_path)] == [f"controller_{k}_J{k}.hex" for k in range(1, 6)]
    assert [plan.number for plan in controller_tables(wanted, "J2").plans] == [1]


def test_a_full_controller_takes_more_frames_than_sequence_numbers(tmp_path: Path) -> None:
    plans = {"OFF": {"J1": timing(20, 20)}} | {f"P{k}": {"J1": timing(20, 20)} for k in range(127)}
    days = {"work": day((0, "OFF")), "rest": day((0, "OFF"))} | {f"D{k}": day((0, f"P{k}")) for k in range(126)}
    wanted = plan_set(plans=plans, day_plans=days)
    (path,) = gb20999.export(wanted, tmp_path)
    assert [frame.sequence for frame in sent(path)] == [*range(256), 0, 1]
    assert gb20999.read(path) == controller_tables(wanted, "J1")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: ControllerPlan(1, 20, 0, 0, (ControllerStage(0, 20),)), "stage 0: stages count from 1"),
        (lambda: ControllerPlan(1, 0, 0, 1, ()), "0 stages"),
        (lambda: ControllerDay(1, ()), "0 periods"),
        (lambda: ControllerDay(1, (ControllerPeriod(0, 0),)), "plan 0: plans count from 1"),
        (lambda: ControllerDay(1, (ControllerPeriod(0, 1), ControllerPeriod(1440, 1))), "24:00 is no time of day"),
        (lambda: ControllerRow(1, 1, (0,), (1,), (1,), 1), r"weekdays \[0\]: they are from 1 to 7"),
        (lambda: ControllerRow(1, 1, (1,), (1,), (32,), 1), r"dates \[32\]: they are from 1 to 31"),
    ],
)
def test_tables_that_no_controller_holds_cannot_be_made(make: Callable[[], object], reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        make()


def rows_of(*rows: ScheduleRow, **profile: Any) -> list[ControllerRow]:
    return controller_rows(plan_set(schedule=rows), Profile(**profile))


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("07-01", "08-31", [((7, 8), range(1, 32))]),
        ("02-01", "02-29", [((2,), range(1, 32))]),
        ("10-01", "10-07", [((10,), range(1, 8))]),
        ("09-28", "12-05", [((9,), range(28, 31)), ((10, 11), range(1, 32)), ((12,), range(1, 6))]),
        ("12-31", "01-02", [((1,), range(1, 3)), ((12,), range(31, 32))]),
        ("05-01", "04-30", [(ALL_YEAR, range(1, 32))]),
        ("02-28", "02-29", [((2,), range(28, 30))]),
    ],
)
def test_dates_become_months_and_days(first: str, last: str, expected: list[tuple[tuple[int, ...], range]]) -> None:
    found = rows_of(ScheduleRow(day_plan="rest", first=first, last=last))
    assert [(row.months, row.dates) for row in found] == [(months, tuple(dates)) for months, dates in expected]
    assert [row.number for row in found] == list(range(1, len(expected) + 1))


dates = st.dates(datetime.date(2024, 1, 1), datetime.date(2024, 12, 31)).map(lambda date: f"{date:%m-%d}")


@settings(deadline=None, max_examples=30)
@given(first=dates, last=dates, weekdays=st.sets(st.integers(1, 7), min_size=1))
def test_a_split_row_is_for_the_same_days(first: str, last: str, weekdays: set[int]) -> None:
    row = ScheduleRow(day_plan="rest", first=first, last=last, weekdays=tuple(sorted(weekdays)))
    found = rows_of(row)
    assert len(found) <= 3
    for ordinal in range(366):
        date = datetime.date(2024, 1, 1) + datetime.timedelta(ordinal)
        fits = [r for r in found if date.isoweekday() in r.weekdays and date.month in r.months and date.day in r.dates]
        assert len(fits) == row.fits(date)


def test_bits_of_a_row() -> None:
    row = ControllerRow(3, 2, weekdays=(1, 6, 7), months=(1, 12), dates=(1, 2, 31), day_plan=9)
    values = [(value.address, value.data.hex()) for value in row_values(row)]
    expected = [("3", "02"), ("4", "43"), ("5", "1002"), ("6", "40000003"), ("7", "09")]
    assert values == [(f"12.2.{attribute}.3", content) for attribute, content in expected]


def test_dates_go_before_weeks() -> None:
    rows = (
        ScheduleRow(day_plan="work", weekdays=(1, 2, 3, 4, 5)),
        ScheduleRow(day_plan="work", weekdays=(6,), first="07-01", last="07-31"),
        ScheduleRow(day_plan="rest", first="10-01", last="10-07"),
    )
    assert [(row.priority, row.months[0], row.day_plan) for row in rows_of(*rows)] == [(1, 10, 2), (2, 7, 1), (3, 1, 1)]
    assert [row.priority for row in rows_of(*rows, priority_1_first=False)] == [3, 2, 1]


@pytest.mark.parametrize(
    ("change", "profile", "reason"),
    [
        (
            {"junctions": {"J1": junction(stages=17)}, "plans": {"OFF": {"J1": timing(*[10] * 17)}}},
            {},
            "junction J1, plan 1 OFF: 17 stages: a plan has from 1 to 16",
        ),
        ({"plans": {"OFF": {"J1": timing(70000, 20)}}}, {}, "junction J1, plan 1 OFF: stage time 70000 must be from 0"),
        (
            {"plans": {"OFF": {"J1": timing(65000, 20000, offset=65536)}}},
            {},
            "junction J1, plan 1 OFF: offset 65536 must be from 0 to 65535",
        ),
        ({}, {"max_stages": 3}, "junction J1, plan 1 OFF: stage 4: the controller has room for 3 stages"),
        (
            {"plans": {f"P{k}": {"J1": timing(20, 20)} for k in range(128)} | {"OFF": {"J1": timing(20, 20)}}},
            {},
            "junction J1, plan 129 OFF: the controller has room for 128 plans",
        ),
        (
            {"plans": {f"P{k}": {"J1": timing(20, 20)} for k in range(255)} | {"OFF": {"J1": timing(20, 20)}}},
            {"max_plans": 999},
            "junction J1, plan 256 OFF: number 256 must be from 0 to 255",
        ),
        ({}, {"max_day_plans": 1}, "junction J1, day plan 2 rest: the controller has room for 1 day plans"),
        ({}, {"max_rows": 1}, "the schedule takes 2 rows, but the controller has room for 1"),
        (
            {"day_plans": {"work": day(*((k, "OFF") for k in range(49))), "rest": day((0, "OFF"))}},
            {},
            "junction J1, day plan 1 work: 49 periods: a day has from 1 to 48",
        ),
        (
            {
                "plans": {"OFF": {"J1": timing(20, 20)}, "AM": {"J2": timing(20, 20, signal="J2")}},
                "junctions": {"J1": junction(), "J2": junction("J2", 2)},
                "day_plans": {"work": day((0, "OFF"), (420, "AM")), "rest": day((0, "OFF"))},
            },
            {},
            "junction J1, day plan 1 work: 07:00: the junction has no plan AM",
        ),
        (
            {
                "plans": {"OFF": {name: timing(20, 20, signal=name) for name in ("J1", "J2")}},
                "junctions": {"J1": junction(), "J2": junction("J2")},
            },
            {},
            "junction J2: controller 1 is junction J1's already",
        ),
        ({}, {"host": 256}, "junction J1: host 256 must be from 0 to 255"),
        ({}, {"crossing": 256}, "junction J1: crossing 256 must be from 0 to 255"),
        ({}, {"belongs_to": 256}, "junction J1, plan 1 OFF: crossing 256 must be from 0 to 255"),
        ({}, {"controllers": {"J1": 2**32}}, "junction J1: controller 4294967296 must be from 0 to 4294967295"),
        ({}, {"controllers": {"J9": 9}}, "controller number of J9: there is no such junction"),
    ],
)
def test_what_cannot_be_expressed_is_refused(
    tmp_path: Path, change: dict[str, Any], profile: dict[str, Any], reason: str
) -> None:
    rest = {
        "plans": {"OFF": {"J1": timing(20, 20, 20, 20)}},
        "day_plans": {n: day((0, "OFF")) for n in ("work", "rest")},
    }
    with pytest.raises(BadInput) as caught:
        gb20999.export(plan_set(**rest | change), tmp_path / "out", Profile(**profile))
    assert reason in str(caught.value)
    assert not (tmp_path / "out").exists()


def edit(number: int, change: Callable[[Frame], Frame]) -> Callable[[list[str]], list[str]]:
    """Change a frame, counted from 1, and make its CRC right again."""

    def changed(lines: list[str]) -> list[str]:
        places = [place for place, line in enumerate(lines) if line.startswith("7e")]
        frame = change(decode(bytes.fromhex(lines[places[number - 1]])))
        lines[places[number - 1]] = encode(frame).hex(" ")
        return lines

    return changed


def put(attribute: int, content: str) -> Callable[[Frame], Frame]:
    def change(frame: Frame) -> Frame:
        values = [replace(v, data=bytes.fromhex(content)) if v.attribute == attribute else v for v in frame.values]
        return replace(frame, values=tuple(values))

    return change


def drop(attribute: int) -> Callable[[Frame], Frame]:
    return lambda frame: replace(frame, values=tuple(v for v in frame.values if v.attribute != attribute))


def add(*values: Value) -> Callable[[Frame], Frame]:
    return lambda frame: replace(frame, values=frame.values + values)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: [], ": no frames"),
        (lambda lines: ["7e 00 1"], "line 1: neither a comment nor bytes in hex"),
        (lambda lines: ["7e 00 13 人"], "line 1: neither a comment nor bytes in hex"),
        (lambda lines: ["", "7e 00 7d"], "line 2: a frame of 3 bytes is too short"),
        (lambda lines: [line.replace("00 00 00 78", "00 00 00 79") for line in lines], "line 6: the CRC is stated as"),
        (lambda lines: [line[:-9] for line in lines], "line 6: a frame must begin with 7e and end with 7d"),
        (lambda lines: [*lines, lines[5]], "line 22: 9.2.2.1 stands twice"),
        (edit(1, lambda frame: replace(frame, type=0x10)), "line 6: frame type 10 neither sets nor answers"),
        (edit(2, lambda frame: replace(frame, controller=9)), "line 9: another host, controller or crossing"),
        (edit(1, add(Value(9, 1, 0, 0))), "line 6: 9.1.0.0 is the address of no plan"),
        (edit(1, add(Value(9, 2, 9, 1))), "line 6, number 1: attribute 9 is not one that is read"),
        (edit(1, add(Value(9, 2, 3, 0))), "line 6: 9.2.3.0 is the address of no plan"),
        (edit(1, drop(5)), "line 6, number 1: attribute 5 is missing"),
        (edit(1, put(5, "25")), "line 6, number 1: attribute 5 has 1 bytes instead of 2"),
        (edit(1, put(2, "")), "line 6, number 1: attribute 2 has 0 bytes instead of 1"),
        (edit(1, put(3, "00000079")), "line 6, number 1: stage times sum to 120 s, but the cycle is 121 s"),
        (edit(1, put(5, "0078")), "line 6, number 1: offset 120 s must be below the cycle, 120 s"),
        (edit(1, put(4, "05")), "line 6, number 1: coordinated stage 5 is none of [1, 2, 3, 4]"),
        (edit(1, put(6, "00" * 16)), "line 6, number 1: the stage chain is empty"),
        (edit(1, put(6, "00" * 12 + "04000201")), "line 6, number 1: the stage chain has a gap"),
        (edit(3, put(4, "00" * 45 + "020002")), "line 12, number 1: the chain of plans has a gap"),
        (edit(3, put(3, "00" * 90 + "0900071e0001")), "line 12, number 1: the first period begins at 00:01, not at"),
        (edit(3, put(3, "00" * 90 + "0700071e0000")), "line 12, number 1: 07:00 does not come after 07:30"),
        (edit(3, put(3, "00" * 90 + "1800071e0000")), "line 12, number 1: 24:00 is no time of day"),
        (edit(3, put(3, "00" * 90 + "0900073c0000")), "line 12, number 1: 07:60 is no time of day"),
        (edit(3, put(4, "00" * 45 + "020302")), ": day plan 1: there is no plan 3"),
        (edit(5, put(4, "bf")), "line 18, number 1: weekdays bf: bit 7 has no meaning"),
        (edit(5, put(4, "00")), "line 18, number 1: the row is for no weekday"),
        (edit(5, put(5, "1fff")), "line 18, number 1: months 1fff: bits 0 and 13 to 15 have no meaning"),
        (edit(5, put(5, "0000")), "line 18, number 1: the row is for no month"),
        (edit(5, put(6, "ffffffff")), "line 18, number 1: dates ffffffff: bit 31 has no meaning"),
        (edit(5, put(7, "03")), ": schedule row 1: there is no day plan 3"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, change: Callable[[list[str]], list[str]], reason: str) -> None:
    (path,) = gb20999.export(plan_set(), tmp_path)
    path.write_text("\n".join(change(path.read_text(encoding="utf-8").splitlines())), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        gb20999.read(path)
    assert str(caught.value).startswith(str(path))
    assert reason in str(caught.value)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        gb20999.read(tmp_path)
    (tmp_path / "long.hex").write_bytes(b"#" * 4_000_001)
    with pytest.raises(BadInput, match="larger than 4000000 bytes"):
        gb20999.read(tmp_path / "long.hex")


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32), with_crc=st.booleans())
def test_noise_is_refused_or_read(seed: int, with_crc: bool) -> None:
    noise = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        (path,) = gb20999.export(plan_set(), Path(folder))
        if with_crc:
            content = "\n".join(noisy_frame(noise, frame) for frame in sent(path)).encode()
        else:
            content = noisy(noise, path.read_bytes())
        path.write_bytes(content)
        with suppress(BadInput):
            gb20999.read(path)


def noisy(noise: random.Random, content: bytes) -> bytes:
    changed = bytearray(content[: noise.choice([len(content), noise.randrange(len(content))])])
    for _ in range(noise.randrange(4)):
        if changed:
            place = noise.randrange(len(changed))
            changed[place : place + noise.randrange(3)] = noise.choice([b"", b"7e", b"\n", noise.randbytes(2)])
    return bytes(changed)


def noisy_frame(noise: random.Random, frame: Frame) -> str:
    """A frame of valid form whose values have bytes changed, added or lost."""
    values = list(frame.values)
    if noise.random() < 0.5:
        place = noise.randrange(len(values))
        values[place] = replace(values[place], data=noisy(noise, values[place].data))
    return encode(replace(frame, values=tuple(values))).hex(" ")
