"""Programs for SUMO's actuated types: what they say, that maxima keep the maximum red, and what SUMO makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from greenband import registry
from greenband.agents.actuated import Actuated, DelayBased, stage_phases
from greenband.agents.fixed import FixedPlan
from greenband.cli.plan import make_plans
from greenband.control import run
from greenband.errors import BadInput
from greenband.evaluation import resolve
from greenband.evaluation.runner import Task, run_one
from greenband.plan.splits import longest_greens
from greenband.scenario import Scenario
from greenband.signals import Limits
from greenband.simulation import Records

LIMITS = Limits(3, 2, (15, 8, 15, 8), max_green_s=90, max_red_s=180)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        # 180 s of red less four intergreens of 5 s leave 160 s of green for any three stages
        ((1, 1, 1, 1), [54, 53, 53, 53]),
        ((3, 1, 3, 1), [69, 23, 68, 23]),  # 183 s, of which all but the shortest are 160 s
        ((100, 1, 1, 1), [90, 35, 35, 35]),  # 195 s, the first at its maximum
        ((0, 0, 1, 0), [35, 35, 90, 35]),  # nobody is known to come in three of them, and somebody may
    ],
)
def test_a_round_of_maxima_keeps_the_maximum_red(weights: Sequence[float], expected: list[int]) -> None:
    greens = longest_greens(LIMITS, weights)
    assert sum(greens) - min(greens) <= 160
    assert greens == expected


def test_maxima_are_minima_where_there_is_no_room() -> None:
    assert longest_greens(replace(LIMITS, max_red_s=66 - 8), (1, 1, 1, 1)) == [15, 8, 15, 8]
    assert longest_greens(Limits(3, 2, (10,)), (1,)) == [90]


def test_the_phases_of_one_round(jincheng: Scenario) -> None:
    signal = jincheng.network.signals["J11"]
    phases = list(stage_phases(signal, signal.limits(jincheng.timing), [60, 20, 50, 30]))
    assert phases[:3] == [
        {"duration": "15", "minDur": "15", "maxDur": "60", "state": "GGGGrrsrrrGGGGrrsrrr", "name": "1 green"},
        {"duration": "3", "state": "yyyyrrsrrryyyyrrsrrr", "name": "1 yellow"},
        {"duration": "2", "state": "rrrrrrsrrrrrrrrrsrrr", "name": "1 all-red"},
    ]
    assert phases[3] == {
        "duration": "8",
        "minDur": "8",
        "maxDur": "20",
        "state": "srrrGGsrrrsrrrGGsrrr",
        "name": "2 green",
    }
    assert len(phases) == 12


def test_a_green_is_flexible_once_the_walk_is_over(people: Scenario) -> None:
    signal = people.network.signals["J11"]
    limits = signal.limits(people.timing)
    first, *later = list(stage_phases(signal, limits, [60] * 4))
    assert "minDur" not in first
    assert int(first["duration"]) == min(walk for _, walk in limits.walks[0])
    flexible = next(phase for phase in later if "minDur" in phase)
    assert flexible["name"] == first["name"] == "1 green"
    walked = max(walk for _, walk in limits.walks[0])
    assert (int(flexible["minDur"]), int(flexible["maxDur"])) == (limits.min_green_s[0] - walked, 60 - walked)
    crossings = {crossing.index for crossing in signal.crossings}
    assert all(flexible["state"][i] == "r" for i in crossings)
    assert any(first["state"][i] == "G" for i in crossings)


@pytest.fixture(scope="module")
def people() -> Scenario:
    return registry.scenario("jincheng+people")


def test_the_program_that_sumo_gets(jincheng: Scenario) -> None:
    controller = Actuated(max_gap_s=2.5)
    controller.reset(jincheng, "AM")
    (program,) = controller.programs
    element = program.element()
    assert (element.attrib["id"], element.attrib["type"]) == ("J11", "actuated")
    params = {param.attrib["key"]: param.attrib["value"] for param in element.iter("param")}
    assert params["max-gap"] == "2.5"
    rights = {f"{arm}_J11.bay_0" for arm in ("N", "E11", "S", "W11")}  # free on red, so they call for nothing
    assert {key for key, value in params.items() if value == "NO_DETECTOR"} == rights
    longest = [int(phase.attrib["maxDur"]) for phase in element.iter("phase") if "maxDur" in phase.attrib]
    assert sum(longest) - min(longest) <= 160
    assert longest[0] > longest[1]  # the main road's through traffic against its left turns


def test_delay_based_programs_are_ended_from_outside(jincheng: Scenario) -> None:
    controller = DelayBased(detector_range_m=60.0)
    controller.reset(jincheng, "AM")
    (program,) = controller.programs
    assert (program.kind, program.bounded, program.settings["detectorRange"]) == ("delay_based", True, "60.0")


@pytest.mark.parametrize("settings", [{"max_gap_s": 0}, {"detector_gap_s": -1.0}, {"passing_time_s": "x"}])
def test_settings_must_be_positive(settings: dict[str, float]) -> None:
    (name,) = settings
    with pytest.raises(BadInput, match=f"{name}=.*: must be a number above 0"):
        Actuated(**settings)


@pytest.mark.parametrize("name", ["actuated", "delaybased"])
@pytest.mark.parametrize("period", ["AM", "NIGHT"])
def test_runs_are_safe_and_stages_are_read_back(
    name: str, period: str, jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    """At night SUMO would leave a delay-based green on for minutes while nobody else comes."""
    short = shorten(jincheng, period, duration_s=900)
    done = run_one(Task(resolve(name), short, period, 10_000))
    assert done.violations == ()
    log = done.executed["J11"]
    assert log[0] == (short.period(period).start_s, 0)
    assert [stage for _, stage in log] == [k % 4 for k in range(len(log))]
    greens = [after - before - 5 for (before, _), (after, _) in pairwise(log)]
    assert len(set(greens)) > 3
    records = Records(tmp_path)
    assert run(registry.controller(name), short, period, 10_000, records=records) == done.executed
    shown = {int(float(row.attrib["time"])): row.attrib["state"] for row in ET.parse(records.lamps("J11")).getroot()}
    stages = short.network.signals["J11"].stages
    for called, stage in log[1:-1]:
        assert "y" not in shown[called - 1]
        assert "y" in shown[called]
        assert shown[called + 5] == stages[stage].state


@pytest.mark.parametrize("name", ["actuated", "delaybased"])
def test_runs_with_people_are_safe(name: str, people: Scenario, shorten: Callable[..., Scenario]) -> None:
    done = run_one(Task(resolve(name), shorten(people, duration_s=400), "AM", 10_000))
    assert done.violations == ()
    assert done.collisions == 0


def test_a_plan_can_be_made_of_what_sumo_did(jincheng: Scenario, shorten: Callable[..., Scenario]) -> None:
    short = shorten(jincheng, duration_s=900)
    plans = make_plans(resolve("actuated"), short, ["AM"], [10_000], jobs=1)
    FixedPlan(plans).reset(short, "AM")
    greens = {timing.stage: timing.go_s for timing in plans.plans["AM"]["J11"].stages}
    assert greens[0] > greens[1]
