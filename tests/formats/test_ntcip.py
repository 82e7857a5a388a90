from __future__ import annotations

import csv
import datetime
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband import registry
from greenband.errors import BadInput
from greenband.formats import ntcip
from greenband.formats.ntcip_checks import complaints
from greenband.formats.ntcip_objects import ScheduleRow as Row
from greenband.formats.ntcip_plans import plans_of
from greenband.formats.ntcip_schedule import schedule_rows
from greenband.formats.ntcip_tables import NtcipTables, object_of, place_of
from greenband.plan.blocks import greens_of_stages
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch, day_plan_on
from greenband.plan.describe import junctions
from greenband.plan.junction import Junction, SignalGroup, StageDefinition, Walk
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.scenario import Scenario

ASC, GLOBAL = "1.3.6.1.4.1.1206.4.2.1", "1.3.6.1.4.1.1206.4.2.6"
EVERY_DAY = (ScheduleRow(day_plan="every day"),)


def group(number: int, come: str, bearing: int, turn: str) -> SignalGroup:
    return SignalGroup.model_validate(
        {
            "number": number,
            "movement": f"{come}>{turn}",
            "bearing": bearing,
            "turn": turn,
            "speed_ms": 14,
            "crossing_m": 20,
        }
    )


GROUPS = [
    group(number, come, bearing, turn)
    for number, (come, bearing, turn) in enumerate(
        [(c, b, t) for c, b in (("s", 0), ("n", 180), ("w", 90), ("e", 270)) for t in ("through", "far")], 1
    )
]
ON_FOOT = SignalGroup(
    number=9, kind="pedestrian", movement="c", bearing=90, turn="crossing", speed_ms=1.2, crossing_m=12
)


def stage(*green: int, least: int = 5, walks: Sequence[Walk] = ()) -> StageDefinition:
    return StageDefinition(name=str(green), green=green, min_green_s=least, max_green_s=60, walks=tuple(walks))


def junction(walk: bool = False, yellow_s: int = 3) -> Junction:
    first = stage(1, 3, 9, least=15, walks=[Walk(group=9, walk_s=7, flash_s=10)]) if walk else stage(1, 3, least=15)
    return Junction(
        signal="X",
        number=1,
        yellow_s=yellow_s,
        all_red_s=2,
        max_red_s=180,
        groups=tuple([*GROUPS, ON_FOOT] if walk else GROUPS),
        stages=(first, stage(2, 4), stage(5, 7), stage(6, 8), stage(1, 2)),
    )


def plan(greens: Sequence[tuple[int, int]], offset_s: int = 0, yellow_s: int = 3) -> TimingPlan:
    stages = tuple(
        StageTiming(stage=number, name=str(number), green_s=green - 3, green_flash_s=3, yellow_s=yellow_s, all_red_s=2)
        for number, green in greens
    )
    cycle = sum(timing.duration_s for timing in stages)
    return TimingPlan(signal="X", name="t", cycle_s=cycle, offset_s=offset_s, stages=stages)


LAG = plan([(0, 30), (1, 10), (2, 20), (3, 8)], offset_s=17)  # cycle 88
LEAD = plan([(1, 12), (0, 40), (3, 9), (2, 21)], offset_s=90)  # cycle 102
SHORT = plan([(0, 45), (2, 20), (3, 10)])  # cycle 90


def plan_set(
    there: Junction | None = None, schedule: tuple[ScheduleRow, ...] = EVERY_DAY, **plans: TimingPlan
) -> PlanSet:
    chosen = plans or {"AM": LAG, "PM": LEAD, "night": SHORT}
    switches = [Switch(at_min=0, plan=list(chosen)[-1]), Switch(at_min=7 * 60 + 15, plan=next(iter(chosen)))]
    rest = DayPlan(switches=(Switch(at_min=0, plan=next(iter(chosen))),))
    return PlanSet(
        provenance=Provenance(subject="hand", scenario="none"),
        plans={name: {"X": made} for name, made in chosen.items()},
        junctions={"X": there or junction()},
        day_plans={"every day": DayPlan(switches=tuple(switches)), "rest": rest},
        schedule=schedule,
    )


def values(plans: PlanSet) -> dict[str, Any]:
    return {item.oid: item.value for item in ntcip.objects(plans, "X")}


def test_objects_hold_what_an_engineer_expects() -> None:
    found = values(plan_set())
    expected = {
        f"{ASC}.5.1.0": 0,
        f"{ASC}.4.1.0": 0,
        f"{ASC}.4.4.0": 3,
        # phase 2: 15 s of minimum green, 3.0 s of yellow, 2.0 s of red clearance
        f"{ASC}.1.2.1.22.2": 1,
        f"{ASC}.1.2.1.22.6": 2,
        f"{ASC}.1.2.1.4.2": 15,
        f"{ASC}.1.2.1.4.1": 5,
        f"{ASC}.1.2.1.6.2": 60,
        f"{ASC}.1.2.1.8.2": 30,
        f"{ASC}.1.2.1.9.2": 20,
        f"{ASC}.1.2.1.21.2": 0b1000_0001,
        f"{ASC}.1.2.1.20.2": 4,
        f"{ASC}.1.2.1.20.4": 2,
        f"{ASC}.1.2.1.23.2": bytes([5, 6]),
        f"{ASC}.1.2.1.23.7": bytes([3, 4]),
        # turns lag in the first plan and lead in the second
        f"{ASC}.7.3.1.3.1.1": bytes([2, 1, 4, 3]),
        f"{ASC}.7.3.1.3.1.2": bytes([6, 5, 8, 7]),
        f"{ASC}.7.3.1.3.2.1": bytes([1, 2, 3, 4]),
        f"{ASC}.7.3.1.3.3.2": bytes([6, 8, 7]),
        # splits: 30 + 3 + 2 s, and so on
        f"{ASC}.4.9.1.3.1.2": 35,
        f"{ASC}.4.9.1.3.1.1": 15,
        f"{ASC}.4.9.1.3.1.8": 25,
        f"{ASC}.4.9.1.3.1.3": 13,
        f"{ASC}.4.9.1.4.1.2": 4,
        f"{ASC}.4.9.1.5.1.2": 1,
        f"{ASC}.4.9.1.5.1.6": 1,
        f"{ASC}.4.9.1.5.1.4": 0,
        # the third plan leaves the turns of the main road out
        f"{ASC}.4.9.1.3.3.1": 0,
        f"{ASC}.4.9.1.4.3.1": 7,
        # cycles; offsets are those of the through phases, in the second plan 17 s after the plan's own: 107 - 102 s
        f"{ASC}.4.7.1.2.1": 88,
        f"{ASC}.4.7.1.3.1": 17,
        f"{ASC}.4.7.1.2.2": 102,
        f"{ASC}.4.7.1.3.2": 5,
        f"{ASC}.4.7.1.4.2": 2,
        f"{ASC}.4.7.1.5.2": 2,
        f"{ASC}.4.7.1.5.3": 3,
        f"{ASC}.5.3.1.2.3": 3,
        # day plan 1: the night's plan from midnight, the first plan from 7:15
        f"{GLOBAL}.3.3.5.1.3.1.2": 7,
        f"{GLOBAL}.3.3.5.1.4.1.2": 15,
        f"{GLOBAL}.3.3.5.1.5.1.1": f"{ASC}.5.3.1.1.3",
        f"{GLOBAL}.3.3.5.1.5.1.2": f"{ASC}.5.3.1.1.1",
        f"{GLOBAL}.3.3.2.1.2.1": 0b1_1111_1111_1110,
        f"{GLOBAL}.3.3.2.1.3.1": 0b1111_1110,
        f"{GLOBAL}.3.3.2.1.4.1": 0xFFFF_FFFE,
        f"{GLOBAL}.3.3.2.1.5.1": 1,
    }
    assert {oid: found.get(oid) for oid in expected} == expected


def test_objects_are_set_before_what_refers_to_them() -> None:
    names = [item.column.name for item in ntcip.objects(plan_set(), "X")]
    order = ["phaseRing", "sequenceData", "splitTime", "patternCycleTime", "timebaseAscPattern", "dayPlanHour"]
    assert [names.index(name) for name in order] == sorted(names.index(name) for name in order)
    assert names[0] == "timebaseAscPatternSync"
    assert names[-1] == "timeBaseScheduleDayPlan"
    assert len(names) == 5 + 8 * 11 + 3 * 2 + 3 * 8 * 3 + 3 * 4 + 3 * 3 + 3 * 3 + 4


def test_people_are_recalled_with_their_walk() -> None:
    found = values(plan_set(junction(walk=True)))
    # the crossing lies over the approach that travels east, at the right of the traffic that goes south: phase 6
    assert [found[f"{ASC}.1.2.1.{column}.6"] for column in (2, 3, 20, 21)] == [7, 8, 3, 0b1_1000_0001]
    assert (found[f"{ASC}.4.9.1.4.1.6"], found[f"{ASC}.4.9.1.4.1.2"]) == (6, 4)


def test_phases_without_use_are_disabled() -> None:
    found = values(plan_set(AM=SHORT))
    assert [found[f"{ASC}.1.2.1.{column}.5"] for column in (20, 21, 22, 23)] == [1, 0, 0, b""]
    assert (found[f"{ASC}.4.9.1.3.1.5"], found[f"{ASC}.4.9.1.4.1.5"]) == (0, 7)


def test_round_trip_and_same_bytes(tmp_path: Path) -> None:
    plans = plan_set(junction(walk=True))
    one, two = (ntcip.export(plans, tmp_path / name) for name in ("one", "two"))
    assert [file.name for file in one] == ["001_X.csv"]
    assert one[0].read_bytes() == two[0].read_bytes()
    assert ntcip.read(one[0]) == ntcip.tables(plans, "X")
    listed = ntcip.objects(plans, "X")
    shuffled = random.Random(1).sample(listed, len(listed))
    assert list(NtcipTables.of(shuffled).objects()) == listed


def test_corridors_are_written(tmp_path: Path, shixin_short: Scenario) -> None:
    for scenario in (shixin_short, registry.scenario("shixin_short+people")):
        there = junctions(scenario)
        plans = {name: least(junction) for name, junction in there.items()}
        every_day = {"every day": DayPlan(switches=(Switch(at_min=0, plan="AM"),))}
        origin = Provenance(subject="hand", scenario=scenario.name)
        made = PlanSet(provenance=origin, plans={"AM": plans}, junctions=there, day_plans=every_day, schedule=EVERY_DAY)
        files = ntcip.export(made, tmp_path / scenario.name)
        assert [file.name for file in files] == [f"{n:03d}_{name}.csv" for n, name in enumerate(there, 1)]
        for file, plan in zip(files, plans.values(), strict=True):
            assert {n: (p.cycle_s, p.offset_s) for n, p in ntcip.read(file).patterns.items()} == {1: (plan.cycle_s, 0)}


def least(junction: Junction) -> TimingPlan:
    """Every stage for its minimum green."""
    stages = tuple(
        StageTiming(
            stage=number,
            name=stage.name,
            green_s=stage.min_green_s,
            yellow_s=junction.yellow_s,
            all_red_s=junction.all_red_s,
        )
        for number, stage in enumerate(junction.stages)
    )
    cycle = sum(timing.duration_s for timing in stages)
    return TimingPlan(signal=junction.signal, cycle_s=cycle, offset_s=0, stages=stages)


PHASE_OF = {1: 2, 3: 6, 2: 5, 4: 1, 5: 4, 7: 8, 6: 7, 8: 3}  # of signal groups


@settings(deadline=None, max_examples=30)
@given(
    order=st.permutations(range(4)),
    greens=st.lists(st.integers(15, 40), min_size=4, max_size=4),
    offset=st.integers(0, 59),
)
def test_a_controller_with_these_tables_shows_the_plan(order: list[int], greens: list[int], offset: int) -> None:
    made = plan(list(zip(order, greens, strict=True)), offset_s=offset)
    shown = greens_of(ntcip.tables(plan_set(AM=made), "X"))
    assert {number: shown[phase] for number, phase in PHASE_OF.items()} == {
        number: seconds for number, seconds in greens_of_stages(junction(), made).items() if seconds
    }


def greens_of(found: NtcipTables) -> dict[int, frozenset[int]]:
    """Seconds of the cycle from midnight on in which a phase of pattern 1 is green; no ring rests."""
    row, starts = found.patterns[1], {}
    for ring in (1, 2):
        at = 0
        for phase in found.sequences[row.sequence, ring].data:
            starts[phase] = at
            at += found.splits[row.split, phase].time_s
    zero = min(starts[phase] for phase in starts if found.splits[row.split, phase].coordinated)
    return {
        phase: frozenset(
            (row.offset_s + start - zero + second) % row.cycle_s
            for second in range(found.splits[row.split, phase].time_s - 5)
        )
        for phase, start in starts.items()
    }


def rows_that_fit(rows: Sequence[Row], date: datetime.date) -> list[int]:
    """Day plans of all rows that fit a date, as NTCIP 1201 reads their bits."""
    sunday_first = date.isoweekday() % 7 + 1
    return [
        row.day_plan
        for row in rows
        if row.months >> date.month & 1 and row.days >> sunday_first & 1 and row.dates >> date.day & 1
    ]


def test_a_holiday_goes_before_the_week() -> None:
    schedule = (
        ScheduleRow(day_plan="every day", weekdays=(1, 2, 3, 4, 5)),
        ScheduleRow(day_plan="rest", weekdays=(6, 7)),
        ScheduleRow(day_plan="rest", first="10-01", last="10-07"),
    )
    found = sorted((r.months, r.days, r.dates, r.day_plan) for r in schedule_rows(plan_set(schedule=schedule)).values())
    october, others = 1 << 10, 0b1_1111_1111_1110 - (1 << 10)
    monday_to_friday, weekend, first_week = 0b0111_1100, 0b1000_0010, 0b1111_1110
    after = 0xFFFF_FFFE - first_week
    assert found == sorted(
        [
            (october, 0b1111_1110, first_week, 2),
            (october, monday_to_friday, after, 1),
            (october, weekend, after, 2),
            (others, monday_to_friday, 0xFFFF_FFFE, 1),
            (others, weekend, 0xFFFF_FFFE, 2),
        ]
    )


days = st.sampled_from(["01-01", "02-28", "02-29", "03-01", "05-31", "06-01", "10-01", "10-07", "12-31"])
some_rows = st.lists(
    st.builds(
        lambda name, week, dates: ScheduleRow(
            day_plan=name, weekdays=tuple(sorted(week)), first=dates and dates[0], last=dates and dates[1]
        ),
        st.sampled_from(["every day", "rest"]),
        st.sets(st.integers(1, 7), min_size=1),
        st.none() | st.tuples(days, days),
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=15)
@given(schedule=some_rows)
def test_one_row_fits_every_day_and_is_the_right_one(schedule: list[ScheduleRow]) -> None:
    plans = plan_set(schedule=tuple(schedule))
    rows, names = list(schedule_rows(plans).values()), list(plans.day_plans)
    for number in range(0, 4 * 366, 3):
        date = datetime.date(2026, 1, 1) + datetime.timedelta(days=number)
        wanted = day_plan_on(date, schedule)
        assert [names[found - 1] for found in rows_that_fit(rows, date)] == ([wanted] if wanted else [])


refused = {
    "cycle 256": (plan_set(AM=plan([(0, 178), (1, 20), (2, 20), (3, 18)])), "plan 'AM': a cycle of 256 s, and NTCIP"),
    "cycle 28": (plan_set(AM=plan([(0, 6), (2, 12)])), "plan 'AM': a cycle of 28 s, and NTCIP allows 30 to 255 s"),
    "yellow": (plan_set(junction(yellow_s=2), AM=plan([(0, 20), (2, 20)], yellow_s=2)), "2 s of yellow, and NTCIP"),
    "yellows": (
        plan_set(AM=LAG, PM=plan([(0, 30), (2, 20)], yellow_s=4)),
        "plan 'PM': not possible in NTCIP, where plans share their phases: yellow of phase 2: 4, and in plan 'AM': 3",
    ),
    "barriers": (
        plan_set(AM=LAG, PM=plan([(0, 30), (2, 10), (1, 10), (3, 10)])),
        "plan 'PM': not possible in NTCIP, where plans share their barriers: phases 1 and 6 have one between them",
    ),
    "short": (
        plan_set(AM=plan([(0, 14), (2, 20)])),
        "plan 'AM': not possible in NTCIP: pattern 1, ring 1, phase 2: a split of 19 s is below the 20 s of minimum",
    ),
    "no rings": (plan_set(AM=plan([(0, 20), (2, 20), (4, 20), (3, 20)])), "not possible with rings and barriers"),
}


@pytest.mark.parametrize("case", refused)
def test_what_ntcip_cannot_hold_is_refused_before_anything_is_written(case: str, tmp_path: Path) -> None:
    plans, reason = refused[case]
    with pytest.raises(BadInput) as caught:
        ntcip.export(plans, tmp_path)
    assert str(caught.value).startswith("junction X")
    assert reason in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_day_plan_needs_its_plans_here() -> None:
    plans = plan_set(AM=LAG, PM=LEAD)
    other = LEAD.model_copy(update={"signal": "Y"})
    there = junction().model_copy(update={"signal": "Y"})
    plans = plans.model_copy(
        update={"plans": {"AM": {"X": LAG}, "PM": {"Y": other}}, "junctions": {**plans.junctions, "Y": there}}
    )
    with pytest.raises(BadInput, match="junction X, plan 'PM': there is none, but day plan 'every day' needs it"):
        ntcip.tables(plans, "X")
    with pytest.raises(BadInput, match="junction Z: it has no plans"):
        ntcip.tables(plans, "Z")


FINE = ntcip.tables(plan_set(), "X")


def phase(number: int, **changes: Any) -> NtcipTables:
    return replace(FINE, phases={**FINE.phases, number: replace(FINE.phases[number], **changes)})


def splits(changes: dict[int, dict[str, int]]) -> NtcipTables:
    rows = {(1, number): replace(FINE.splits[1, number], **change) for number, change in changes.items()}
    return replace(FINE, splits={**FINE.splits, **rows})


def pattern(**changes: Any) -> NtcipTables:
    return replace(FINE, patterns={**FINE.patterns, 1: replace(FINE.patterns[1], **changes)})


def sequence(ring: int, *phases: int) -> NtcipTables:
    row = replace(FINE.sequences[1, ring], data=bytes(phases))
    return replace(FINE, sequences={**FINE.sequences, (1, ring): row})


wrong = {
    "ring sum": (
        splits({2: {"time_s": 30}}),
        ["pattern 1, ring 1: splits and rests sum to 83 s, but the cycle is 88 s"],
    ),
    "rings end": (
        splits({2: {"time_s": 36}, 4: {"time_s": 24}}),
        [
            "pattern 1: phases 1, 2, 5, 6 do not end together: ring 1 takes 51 s, ring 2 50 s",
            "pattern 1: phases 3, 4, 7, 8 do not end together: ring 1 takes 37 s, ring 2 38 s",
        ],
    ),
    "minimum": (
        phase(8, min_green_s=21),
        [
            "pattern 1, ring 2, phase 8: a split of 25 s is below the 26 s of minimum green or walk, yellow and red",
            "pattern 3, ring 2, phase 8: a split of 25 s is below the 26 s of minimum green or walk, yellow and red",
        ],
    ),
    "walk": (
        phase(6, walk_s=10, clearance_s=21),
        ["pattern 1, ring 2, phase 6: a split of 35 s is below the 36 s of minimum green or walk, yellow and red"],
    ),
    "tenths": (
        phase(6, yellow_ds=31, min_green_s=30),
        ["pattern 1, ring 2, phase 6: a split of 35 s is below the 35.1 s of minimum green or walk, yellow and red"],
    ),
    "offset": (pattern(offset_s=88), ["pattern 1: the offset of 88 s is not below the cycle of 88 s"]),
    "no split": (
        pattern(split=9),
        [f"pattern 1, ring {(n > 4) + 1}, phase {n}: split 9 has none for it" for n in range(1, 9)],
    ),
    "no sequence": (pattern(sequence=9), [f"pattern 1, ring {n}: there is no sequence 9" for n in (1, 2)]),
    "no place": (sequence(1, 2, 4, 3), ["pattern 1, ring 1, phase 1: it is not omitted, and not in sequence 1"]),
    "twice": (sequence(1, 2, 1, 4, 3, 2), ["pattern 1, ring 1, phase 2: it is in sequence 1 more than once"]),
    "wrong ring": (
        sequence(1, 2, 1, 4, 3, 5),
        ["pattern 1, ring 1, phase 5: it is in sequence 1, but is no phase of the ring"],
    ),
    "mixed": (
        sequence(1, 2, 4, 1, 3),
        [
            "pattern 1, ring 1: others stand between phases 1, 2, 5, 6, which belong before the same barrier",
            "pattern 1, ring 1: others stand between phases 3, 4, 7, 8, which belong before the same barrier",
        ],
    ),
    "not coordinated": (
        splits({2: {"coordinated": 0}, 6: {"coordinated": 0}}),
        ["pattern 1: no phase is coordinated"],
    ),
    "two coordinated": (
        splits({1: {"coordinated": 1}}),
        ["pattern 1, ring 1: more than one phase is coordinated: 1, 2"],
    ),
    "apart": (
        splits({2: {"coordinated": 0}, 4: {"coordinated": 1}}),
        ["pattern 1: coordinated phases 4 and 6 may not be on together"],
    ),
    "one way": (
        phase(2, concurrency=bytes([5])),
        [
            "phase 6: may be on with phase 2, but not the other way round",
            "pattern 1: coordinated phases 2 and 6",
        ],
    ),
    "same ring": (phase(2, concurrency=bytes([1, 5, 6])), ["ring 1, phase 2: phase 1 is not of the other ring"]),
    "third ring": (phase(2, ring=3), ["phase 2: ring 3: there are 2 rings"]),
    "action": (
        replace(FINE, actions={**FINE.actions, 1: replace(FINE.actions[1], pattern=77)}),
        ["action 1: there is no pattern 77"],
    ),
    "event": (
        replace(FINE, actions={n: row for n, row in FINE.actions.items() if n != 3}),
        [f"day plan 1, event 1: there is no action {ASC}.5.3.1.1.3"],
    ),
    "day plan": (
        replace(FINE, schedule={1: replace(FINE.schedule[1], day_plan=5)}),
        ["schedule row 1: there is no day plan 5"],
    ),
}


@pytest.mark.parametrize("case", wrong)
def test_what_a_controller_would_refuse_is_named(case: str) -> None:
    assert not list(complaints(FINE))
    changed, expected = wrong[case]
    found = [str(complaint) for complaint in complaints(changed)]
    assert [text for text, part in zip(found, expected, strict=False) if part in text] == found[: len(expected)]
    assert len(found) >= len(expected)


def test_nothing_says_which_lone_phase_comes_first() -> None:
    """Phases 4 and 8, not to be on together, each with the other ring at rest."""
    fine = ntcip.tables(plan_set(AM=SHORT), "X")
    apart = {
        4: replace(fine.phases[4], concurrency=b""),
        8: replace(fine.phases[8], concurrency=b""),
        3: replace(fine.phases[3], ring=0),
        7: replace(fine.phases[7], ring=0),
    }
    rows = {ring: replace(fine.sequences[1, ring], data=bytes(p)) for ring, p in ((1, [2, 4]), (2, [6, 8]))}
    changed = replace(
        fine,
        phases={**fine.phases, **apart},
        sequences={(1, ring): row for ring, row in rows.items()},
        patterns={1: replace(fine.patterns[1], cycle_s=100)},
    )
    (complaint,) = complaints(changed)
    assert str(complaint) == "pattern 1: nothing says which comes first: phase 4 of ring 1 or 8 of ring 2"


def test_rings_come_to_barriers_in_the_same_order() -> None:
    fine = ntcip.tables(plan_set(AM=SHORT), "X")
    pairs = {n: replace(fine.phases[n], concurrency=bytes([other])) for n, other in ((4, 8), (8, 4), (3, 7), (7, 3))}
    rows = {ring: replace(fine.sequences[1, ring], data=bytes(p)) for ring, p in ((1, [2, 4, 3]), (2, [6, 7, 8]))}
    changed = replace(fine, phases={**fine.phases, **pairs}, sequences={(1, ring): row for ring, row in rows.items()})
    (complaint,) = complaints(changed)
    assert str(complaint) == "pattern 1: the rings do not come to their barriers in the same order"


def test_one_ring_may_rest() -> None:
    fine = ntcip.tables(plan_set(AM=SHORT), "X")  # 2 and 6 for 50 s, 4 and 8 for 25 s, 3 and 7 for 15 s
    alone = {
        4: replace(fine.phases[4], concurrency=b""),
        3: replace(fine.phases[3], concurrency=b""),
        7: replace(fine.phases[7], ring=0),
        8: replace(fine.phases[8], ring=0),
    }
    rests = replace(fine, phases={**fine.phases, **alone}, sequences={**fine.sequences})
    rests = replace(rests, sequences={**rests.sequences, (1, 2): replace(fine.sequences[1, 2], data=bytes([6]))})
    assert not list(complaints(rests))


def cells(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def edit(path: Path, change: Callable[[list[list[str]]], object]) -> None:
    rows = cells(path)
    change(rows)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8-sig", newline="")


def setter(name: str, column: int, value: str) -> Callable[[list[list[str]]], None]:
    def change(rows: list[list[str]]) -> None:
        next(row for row in rows if row[1] == name)[column] = value

    return change


unreadable = {
    "above": (setter("phaseWalk.1", 3, "256"), "row 10: phaseWalk.1: 256 is not from 0 to 255"),
    "no number": (setter("phaseWalk.1", 3, "7.5"), "row 10: phaseWalk.1: '7.5' is no whole number"),
    "octets": (setter("sequenceData.1.1", 3, "2 1"), "sequenceData.1.1: '2 1' is not pairs of hexadecimal digits"),
    "oid value": (setter("dayPlanActionNumberOID.1.1", 3, "1..2"), "dayPlanActionNumberOID.1.1: '1..2' is no OID"),
    "name": (setter("phaseWalk.1", 1, "phaseWalk.2"), "row 10: 'phaseWalk.2' is not the name of"),
    "syntax": (setter("phaseWalk.1", 2, "octets"), "phaseWalk.1: 'octets' is not its syntax: it is integer"),
    "oid": (setter("phaseWalk.1", 0, "1.2.3"), "row 10: '1.2.3' is no object of a timing plan"),
    "index": (setter("phaseWalk.1", 0, f"{ASC}.1.2.1.2.01"), "is no object of a timing plan"),
    "no row 0": (setter("phaseWalk.1", 0, f"{ASC}.1.2.1.2.0"), "is no object of a timing plan"),
    "missing": (lambda rows: rows.pop(9), f"phaseWalk.1 ({ASC}.1.2.1.2.1) is missing"),
    "missing unit": (lambda rows: rows.__delitem__(slice(1, 6)), "timebaseAscPatternSync.0 is missing"),
    "twice": (lambda rows: rows.append(rows[9]), f"phaseWalk.1 ({ASC}.1.2.1.2.1) comes twice"),
    "cells": (lambda rows: rows[9].pop(), "row 10: 5 cells, but 6 columns"),
    "head": (lambda rows: rows.pop(0), "row 1: the columns must be oid, name, syntax, value, unit, note"),
    "rule": (
        setter("splitTime.1.2", 3, "30"),
        "pattern 1, ring 1: splits and rests sum to 83 s, but the cycle is 88 s",
    ),
}


@pytest.mark.parametrize("case", unreadable)
def test_a_wrong_file_is_refused_with_the_place(case: str, tmp_path: Path) -> None:
    (path,) = ntcip.export(plan_set(), tmp_path)
    change, reason = unreadable[case]
    edit(path, change)
    with pytest.raises(BadInput) as caught:
        ntcip.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for data, reason in (
        (b"", "the columns"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'"a', "not a CSV"),
        (b"x" * 5_000_001, "larger"),
    ):
        path.write_bytes(data)
        with pytest.raises(BadInput, match=reason):
            ntcip.read(path)
    with pytest.raises(BadInput, match="cannot be read"):
        ntcip.read(tmp_path)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = ntcip.export(plan_set(junction(walk=True)), tmp_path_factory.mktemp("ntcip"))
    return path


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_any_change_of_a_file_is_read_or_refused(written: Path, data: st.DataObject) -> None:
    content = written.read_bytes()
    path = written.with_name("fuzz.csv")
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 40))
        path.write_bytes(content[:at] + data.draw(st.binary(max_size=20)) + content[at + cut :])
    else:
        path.write_bytes(content)
        row, column = data.draw(st.integers(0, 200)), data.draw(st.integers(0, 5))
        value = data.draw(st.integers(-1, 300).map(str) | st.text(max_size=8) | st.sampled_from(["", "05 06", ASC]))
        edit(path, lambda rows: rows[row].__setitem__(column, value))
    try:
        found = ntcip.read(path)
    except BadInput:
        return
    assert not list(complaints(found))


WEEK = (ScheduleRow(day_plan="every day", weekdays=(1, 2, 3, 4, 5)), ScheduleRow(day_plan="rest", weekdays=(6, 7)))


@pytest.mark.parametrize("walk", [False, True])
def test_plans_of_a_controller_are_those_that_its_tables_were_made_of(walk: bool) -> None:
    plans = plan_set(junction(walk), schedule=WEEK)
    found = plans_of(ntcip.tables(plans, "X"), "X", plans)
    assert found.plans == plans.plans
    assert (found.day_plans, found.schedule) == (plans.day_plans, plans.schedule)
    assert found.provenance.subject == "controller"


@settings(max_examples=60, deadline=None)
@given(
    st.permutations([0, 1, 2, 3]),
    st.lists(st.integers(15, 60), min_size=4, max_size=4),
    st.integers(0, 500),
)
def test_plans_come_back_whatever_their_splits_order_and_offset(
    order: list[int], greens: list[int], offset_s: int
) -> None:
    made = plan(list(zip(order, greens, strict=True)))
    made = made.model_copy(update={"offset_s": offset_s % made.cycle_s})
    try:
        tables = ntcip.tables(plan_set(schedule=WEEK, AM=made), "X")
    except BadInput:
        return
    like = plan_set(schedule=WEEK, AM=LAG)
    found = plans_of(tables, "X", like).plans["AM"]["X"]
    assert greens_of_stages(junction(), found) == greens_of_stages(junction(), made)
    assert [stage.go_s for stage in found.stages] == [made.stages[(k + order.index(0)) % 4].go_s for k in range(4)], (
        "the first stage of the known plan comes first"
    )


def test_rows_that_nothing_calls_for_are_not_looked_at() -> None:
    plans = plan_set(schedule=WEEK)
    tables = ntcip.tables(plans, "X")
    more = replace(
        tables,
        schedule={**tables.schedule, 9: Row(0, 0, 0, 0)},
        events={**tables.events, (1, 9): replace(tables.events[1, 1], action="0.0")},
        patterns={**tables.patterns, 9: replace(tables.patterns[1], cycle_s=0)},
    )
    assert plans_of(more, "X", plans) == plans_of(tables, "X", plans)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: replace(t, schedule={1: Row(1 << 10, 254, 2, 1)}), "dates"),
        (lambda t: replace(t, events={(1, 1): replace(t.events[1, 1], action="0.0")}), "no day plan 1"),
        (lambda t: replace(t, patterns={1: replace(t.patterns[1], cycle_s=t.patterns[1].cycle_s + 1)}), "sum"),
    ],
)
def test_tables_that_are_no_plans_are_refused_with_the_reason(
    change: Callable[[NtcipTables], NtcipTables], reason: str
) -> None:
    plans = plan_set(schedule=WEEK)
    with pytest.raises(BadInput, match=f"junction X: .*{reason}"):
        plans_of(change(ntcip.tables(plans, "X")), "X", plans)


def test_objects_are_found_again_by_name_and_text() -> None:
    for item in ntcip.objects(plan_set(junction(walk=True)), "X"):
        assert object_of(item.name, item.text) == item
        assert place_of(item.name) == (item.column, item.index)
    assert object_of("patternSplitNumber.9", "0").value == 0  # held by controllers, out of range


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("sysDescr.0", "1", "no object"),
        ("splitTime", "1", "no object"),
        ("splitTime.1", "1", "no object"),
        ("splitTime.1.0", "1", "no object"),
        ("splitTime.01.1", "1", "no object"),
        ("splitTime.1.1.1", "1", "no object"),
        ("splitTime.1.x", "1", "no object"),
        ("splitTime.1.1", "-1", "no whole number"),
        ("sequenceData.1.1", "1 2", "hexadecimal"),
        ("dayPlanActionNumberOID.1.1", "1", "no OID"),
    ],
)
def test_names_and_texts_that_are_none(name: str, text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        object_of(name, text)
