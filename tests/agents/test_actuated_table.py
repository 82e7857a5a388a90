"""Actuated tables in SUMO: the programs of a table, runs within its limits, and tables that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from greenband import registry
from greenband.agents.actuated_table import ActuatedTable
from greenband.control import run
from greenband.errors import BadInput
from greenband.evaluation import resolve
from greenband.evaluation.runner import Task, run_one
from greenband.formats import json as table_json
from greenband.plan.actuated import ActuatedPlan, ActuatedSet, ActuatedStage
from greenband.plan.describe import calendar, junctions
from greenband.plan.model import Provenance
from greenband.scenario import Scenario

Shorten = Callable[..., Scenario]
STAGES = ((0, 15, 50, 30), (2, 15, 40, 30), (1, 8, 20, 20), (3, 8, 25, 20))  # stage, minimum, maximum, passage


def tables(scenario: Scenario, stages: tuple[tuple[int, int, int, int], ...] = STAGES) -> ActuatedSet:
    """The same table at every signal for the AM peak."""
    timings = tuple(
        ActuatedStage(stage=k, name=f"S{k}", min_green_s=low, max_green_s=high, passage_ds=passage)
        for k, low, high, passage in stages
    )
    plans = {name: ActuatedPlan(signal=name, stages=timings) for name in scenario.network.signals}
    day_plans, schedule = calendar(scenario, ["AM"])
    return ActuatedSet(
        provenance=Provenance(subject="hand", scenario=scenario.name),
        plans={"AM": plans},
        junctions=junctions(scenario),
        day_plans=day_plans,
        schedule=schedule,
    )


def test_the_program_of_a_table(jincheng: Scenario) -> None:
    controller = ActuatedTable(tables(jincheng))
    controller.reset(jincheng, "AM")
    (program,) = controller.programs
    greens = [phase for phase in program.phases if phase["name"].endswith("green")]
    assert [(phase["name"], phase["minDur"], phase["maxDur"]) for phase in greens] == [
        ("1 green", "15", "50"),
        ("3 green", "15", "40"),
        ("2 green", "8", "20"),
        ("4 green", "8", "25"),
    ]
    assert program.phases[1]["state"] == "yyyyrrrrrryyyyrrrrrr"  # stage 2 would let turns go on red
    assert program.kind == "actuated"
    assert program.offset_s == jincheng.period("AM").start_s % (15 + 15 + 8 + 8 + 20)
    signal = jincheng.network.signals["J11"]
    through, left = (signal.movements[signal.stages[k].movements[-1]].from_lanes[0] for k in (0, 1))
    gaps = {key.partition(":")[2]: value for key, value in program.settings.items() if key.startswith("max-gap:")}
    assert gaps[through] != gaps[left] or through == left
    assert set(gaps.values()) == {"2", "3"}


def test_runs_are_safe_and_keep_the_table(jincheng: Scenario, shorten: Shorten, tmp_path: Path) -> None:
    short, path = shorten(jincheng, duration_s=900), tmp_path / "hand.json"
    table_json.write(tables(jincheng), path)
    subject = resolve(str(path))
    assert (subject.name, type(subject.make())) == ("hand", ActuatedTable)
    done = run_one(Task(subject, short, "AM", 10_000))
    assert done.violations == ()
    log = done.executed["J11"]
    assert [stage for _, stage in log] == [STAGES[k % 4][0] for k in range(len(log))]
    bounds = {stage: (low, high) for stage, low, high, _ in STAGES}
    greens = [(stage, after - before - 5) for (before, stage), (after, _) in pairwise(log)][1:]
    assert len(set(greens)) > 4
    assert all(bounds[stage][0] <= green <= bounds[stage][1] for stage, green in greens)


def test_a_longer_passage_time_makes_longer_greens(jincheng: Scenario, shorten: Shorten) -> None:
    services = []
    for passage in (10, 60):
        table = tables(jincheng, tuple((stage, low, high, passage) for stage, low, high, _ in STAGES))
        services.append(len(run(ActuatedTable(table), shorten(jincheng, duration_s=600), "AM", 10_000)["J11"]))
    assert services[0] > services[1]


def test_runs_with_people_are_safe(shorten: Shorten) -> None:
    people = registry.scenario("jincheng+people")
    limits = people.network.signals["J11"].limits(people.timing)
    table = tables(people, tuple((k, low, low + 20, 30) for k, low in enumerate(limits.min_green_s)))
    controller = ActuatedTable(table)
    short = shorten(people, duration_s=300)
    controller.reset(short, "AM")
    assert any("minDur" not in phase for phase in controller.programs[0].phases if phase["name"] == "1 green")
    assert run(controller, short, "AM", 10_000)["J11"][0][1] == 0


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (((0, 14, 50, 30), *STAGES[1:]), r"stage 'S0': green of 14 to 50 s must be within 15 to 90 s"),
        (((0, 15, 91, 30), *STAGES[1:]), r"green of 15 to 91 s must be within 15 to 90 s"),
        (STAGES[:3], r"it has stages \[0, 1, 2\], but the junction has 4"),
        (
            tuple((stage, low, 60, passage) for stage, low, _, passage in STAGES),
            "red of up to 200 s is above the maximum of 180 s",
        ),
    ],
)
def test_a_table_that_breaks_limits_is_refused(
    stages: tuple[tuple[int, int, int, int], ...], message: str, jincheng: Scenario
) -> None:
    with pytest.raises(BadInput, match=f"period AM, junction J11: .*{message}"):
        ActuatedTable(tables(jincheng, stages)).reset(jincheng, "AM")


def test_periods_and_junctions_that_it_has_not_are_refused(jincheng: Scenario, shixin_short: Scenario) -> None:
    controller = ActuatedTable(tables(jincheng))
    with pytest.raises(BadInput, match="has no period PM: it has AM"):
        controller.reset(jincheng, "PM")
    with pytest.raises(BadInput, match="run one period; day of jincheng has several"):
        controller.reset(jincheng, "day")
    with pytest.raises(BadInput, match=r"has no junction J\d+ of scenario shixin_short, AM"):
        controller.reset(shixin_short, "AM")
