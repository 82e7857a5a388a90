"""Stages as NEMA rings, the plan they keep to, and what SUMO's controller makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from greenband import registry
from greenband.agents.coordinated import Coordinated, in_order, shortest_greens
from greenband.agents.fixed import Existing
from greenband.agents.rings import RingPhase, Rings, rings_of
from greenband.control import run
from greenband.errors import BadInput, UnknownName
from greenband.evaluation import resolve
from greenband.evaluation.runner import Task, run_one
from greenband.network import Signal
from greenband.plan.model import StageTiming, TimingPlan
from greenband.scenario import Scenario
from greenband.signals import Limits, Stage
from greenband.simulation import Records


@pytest.fixture
def j11(jincheng: Scenario) -> Signal:
    """Stages: main through and right, main left, cross through and right, cross left."""
    return jincheng.network.signals["J11"]


def stages(signal: Signal, *states: str) -> Signal:
    """The signal with other stages."""
    return replace(signal, stages=tuple(Stage(f"stage {k}", state, ()) for k, state in enumerate(states, 1)))


# Links of J11, right, through and left: north 0, 1-3, 4-5; east 6, 7-8, 9; south 10, 11-13, 14-15; west 16, 17-18, 19.


def test_four_stages_of_two_roads_are_eight_phases(j11: Signal) -> None:
    """In each ring left turns come with the straight traffic that they would meet, as NEMA has it."""
    rings = rings_of(j11, [0, 1, 2, 3], coordinated=0)
    assert rings.slots == ((1, 2, 3, 4), (5, 6, 7, 8))
    assert (rings.coordinated, rings.crossing) == ((2, 6), (4, 8))
    assert rings.phases == {
        1: RingPhase(1, frozenset({4, 5})),  # left from the north
        2: RingPhase(0, frozenset({10, 11, 12, 13})),  # through and right from the south
        3: RingPhase(2, frozenset({6, 7, 8})),
        4: RingPhase(3, frozenset({19})),
        5: RingPhase(1, frozenset({14, 15})),
        6: RingPhase(0, frozenset({0, 1, 2, 3})),
        7: RingPhase(2, frozenset({16, 17, 18})),
        8: RingPhase(3, frozenset({9})),
    }
    for ring in rings.slots:  # what may be green together never meets
        assert {rings.phases[phase].stage for phase in ring} == {0, 1, 2, 3}
    for one in (1, 2):
        for two in (5, 6):
            together = rings.phases[one].links | rings.phases[two].links
            assert not [pair for pair in j11.conflicts if set(pair) <= together]


def test_the_coordinated_stage_may_be_any(j11: Signal) -> None:
    rings = rings_of(j11, [2, 3, 0, 1], coordinated=3)
    assert [rings.phases[phase].stage for phase in rings.slots[0]] == [2, 3, 0, 1]


def test_three_stages_share_the_last_phase(j11: Signal) -> None:
    cross = "srrrrrGGGGsrrrrrGGGG"
    three = stages(j11, j11.stages[0].state, j11.stages[1].state, cross)
    rings = rings_of(three, [0, 1, 2], coordinated=0)
    assert rings.slots == ((1, 2, 0, 4), (5, 6, 0, 4))
    assert rings.phases[4] == RingPhase(2, three.stages[2].greens)


def test_stages_that_cannot_be_parted_are_phases_of_both_rings(j11: Signal) -> None:
    """Permissive left turns wait for straight traffic of the same stage."""
    main, cross = "GGGGggsrrrGGGGggsrrr", "srrrrrGGGgsrrrrrGGGg"
    two = rings_of(stages(j11, main, cross), [0, 1], coordinated=1)
    assert two.slots == ((0, 2, 0, 4), (0, 2, 0, 4))
    assert (two.phases[2].stage, two.phases[4].stage) == (1, 0)
    north, south = "GGGGGGsrrrsrrrrrsrrr", "srrrrrsrrrGGGGGGsrrr"
    four = rings_of(stages(j11, north, south, j11.stages[2].state, j11.stages[3].state), [0, 1, 2, 3], coordinated=0)
    assert four.slots == ((1, 2, 3, 4), (1, 2, 3, 4))
    assert [four.phases[k].stage for k in (1, 2, 3, 4)] == [3, 0, 1, 2]


def test_what_does_not_fit_is_refused(j11: Signal) -> None:
    five = stages(j11, *(stage.state for stage in j11.stages), "G" + "r" * 19)
    with pytest.raises(BadInput, match="junction J11: 5 stages do not fit into two rings: 2 to 4 do"):
        rings_of(five, [0, 1, 2, 3, 4], coordinated=0)
    people = registry.scenario("jincheng+people").network.signals["J11"]
    with pytest.raises(BadInput, match="junction J11: NEMA phases cannot show walk and clearance"):
        rings_of(people, [0, 1, 2, 3], coordinated=0)


SPLITS = {0: 39, 1: 13, 2: 32, 3: 26}  # s; with four intergreens of 5 s a cycle of 130 s
WHOLE = Rings({k + 1: RingPhase(stage, frozenset()) for k, stage in enumerate((1, 0, 2, 3))}, ((1, 2, 3, 4),) * 2)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        # the coordinated green may get 17 + 18 + 5 = 40 s more; the longest red is 130 + 35 - 8 = 157 s
        (Limits(3, 2, (15, 8, 15, 8), max_green_s=90, max_red_s=180), {0: 15, 1: 8, 2: 15, 3: 8}),
        (Limits(3, 2, (15, 8, 15, 8), max_green_s=70, max_red_s=180), {0: 15, 1: 8, 2: 19, 3: 13}),  # 13 + 13 + 5 = 31
        # stage 1 comes last and late: 130 + 2 k - 8 is at most 150 with k of 14
        (Limits(3, 2, (15, 8, 15, 8), max_green_s=90, max_red_s=150), {0: 15, 1: 8, 2: 18, 3: 12}),
        (Limits(3, 2, (15, 8, 15, 8), max_green_s=39, max_red_s=180), {0: 15, 1: 13, 2: 32, 3: 26}),
    ],
)
def test_no_phase_gives_away_more_than_the_limits_allow(limits: Limits, expected: dict[int, int]) -> None:
    assert shortest_greens(WHOLE, SPLITS, limits) == expected


def test_a_plan_in_the_rings_order_keeps_its_main_green() -> None:
    """So no stage is later, when SUMO takes over, than the rings have it in any other cycle."""
    stages = tuple(
        StageTiming(stage=stage, name=f"stage {stage + 1}", green_s=SPLITS[stage], yellow_s=3, all_red_s=2)
        for stage in (2, 3, 0, 1)
    )
    plan = TimingPlan(signal="J11", cycle_s=130, offset_s=80, stages=stages)
    led = in_order(plan, WHOLE)
    assert [timing.stage for timing in led.stages] == [0, 2, 3, 1]
    assert led.offset_s == 80 + 32 + 5 + 26 + 5 - 130
    assert {timing.stage: timing.go_s for timing in led.stages} == SPLITS


def test_stages_follow_each_other_in_one_order_also_where_sumo_takes_over(
    jincheng: Scenario, shorten: Callable[..., Scenario]
) -> None:
    """The plan has the main road's left turns after its green, the rings before it: else they would wait twice."""
    short = shorten(jincheng, duration_s=500)
    log = run(Coordinated(plan="existing"), short, "AM", 10_000)["J11"]
    stages = "".join(str(stage) for _, stage in log)
    assert len(stages) > 8
    assert stages in "0231" * len(stages)


def test_the_program_that_sumo_gets(jincheng: Scenario) -> None:
    controller = Coordinated(plan="existing")
    controller.reset(jincheng, "AM")
    (program,) = controller.programs
    existing = Existing()
    existing.reset(jincheng, "AM")
    plan = existing.active["J11"]
    assert (program.kind, program.offset_s) == ("NEMA", plan.offset_s)  # counted from the main road's green, the first
    assert program.settings["total-cycle-length"] == str(plan.cycle_s)
    phases = {phase["name"]: phase for phase in program.phases}
    assert len(phases) == 8
    assert phases["6"]["state"] == "GGGGrrsrrrsrrrrrsrrr"
    for stage, names in ((0, "26"), (1, "15"), (2, "37"), (3, "48")):
        split = next(timing.go_s for timing in plan.stages if timing.stage == stage)
        assert {phases[name]["maxDur"] for name in names} == {str(split)}
        assert {(phases[name]["yellow"], phases[name]["red"]) for name in names} == {("3", "2")}


def test_the_coordinated_green_ends_as_planned(
    jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    """It begins early by what others leave over, never late; and each road's two approaches move on by themselves."""
    short, records = shorten(jincheng, duration_s=900), Records(tmp_path)
    log = run(Coordinated(plan="existing"), short, "AM", 10_000, records=records)["J11"]
    rows = [(int(float(row.attrib["time"])), row.attrib["state"]) for row in ET.parse(records.lamps("J11")).getroot()]
    greens = [[t for t, _ in group] for on, group in groupby(rows, key=lambda row: row[1][1] == "G") if on]
    assert {(green[-1] + 1) % 130 for green in greens[:-1]} == {39}  # the offset is 0 s, the split 39 s of 130 s
    assert all(39 <= len(green) <= 90 for green in greens[1:-1])
    assert any(state[4] != state[14] for _, state in rows)
    assert {stage for _, stage in log} == {0, 1, 2, 3}


@pytest.mark.parametrize("period", ["AM", "OFF"])
def test_runs_are_safe(period: str, shixin_short: Scenario, shorten: Callable[..., Scenario]) -> None:
    done = run_one(Task(resolve("coordinated"), shorten(shixin_short, period, duration_s=500), period, 10_000))
    assert done.violations == ()
    assert set(done.executed) == set(shixin_short.network.signals)


def test_no_all_red_is_refused(jincheng: Scenario) -> None:
    hasty = jincheng.model_copy(update={"timing": replace(jincheng.timing, all_red_s=0)})
    with pytest.raises(BadInput, match="junction J11: NEMA phases need an all-red of 1 s or more"):
        Coordinated().reset(hasty, "AM")


def test_what_holds_no_plan_is_refused(jincheng: Scenario) -> None:
    with pytest.raises(BadInput, match="plan='maxpressure': coordinated control needs a fixed plan, and that is none"):
        Coordinated(plan="maxpressure").reset(jincheng, "AM")
    with pytest.raises(UnknownName, match=r"unknown controller 'exsting'.*did you mean 'existing'"):
        Coordinated(plan="exsting").reset(jincheng, "AM")
    with pytest.raises(BadInput, match="period day of jincheng has several"):
        Coordinated().reset(jincheng, "day")
    with pytest.raises(BadInput, match="detector_m=0: must be a number above 0"):
        Coordinated(detector_m=0)
