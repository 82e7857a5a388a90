"""Actuated tables in SUMO: the programs of a table, runs within its limits, and tables that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from pathlib import Path

import pytest

from greenband import registry
from greenband.agents.actuated_table import ActuatedTable
from greenband.control import ControlLoop, run
from greenband.errors import BadInput
from greenband.evaluation import resolve
from greenband.evaluation.runner import Task, run_one
from greenband.formats import json as table_json
from greenband.plan.actuated import ActuatedPlan, ActuatedSet, ActuatedStage, Coordination
from greenband.plan.describe import calendar, junctions
from greenband.plan.distil import distil
from greenband.plan.distil_actuated import distil_actuated
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


# In a cycle of 120 s stage 0 yields after 40 s; 2, 1 and 3 then have 30, 15 and 15 s of green, with 5 s between.
FORCE_OFFS_S = (40, 75, 95, 115)
WIDE = ((0, 15, 75, 30), (2, 15, 40, 30), (1, 8, 20, 20), (3, 8, 25, 20))
OFFSET_S = 17


def in_step(scenario: Scenario, offset_s: int = OFFSET_S) -> ActuatedSet:
    """The table of ``WIDE``, coordinated."""
    coordination = Coordination(cycle_s=120, offset_s=offset_s, stage=0, force_off_s=FORCE_OFFS_S)
    made = tables(scenario, WIDE)
    plans = {name: plan.model_copy(update={"coordination": coordination}) for name, plan in made.plans["AM"].items()}
    return ActuatedSet.model_validate(made.model_copy(update={"plans": {"AM": plans}}).model_dump())


def greens_of(log: list[tuple[int, int]], offset_s: int = OFFSET_S) -> list[tuple[int, int, int]]:
    """Stage, begin and end of every green in s of the local cycle; a green that began in the one before is below 0."""
    greens = []
    for (called_s, stage), (left_s, _) in list(pairwise(log))[1:]:
        end = (left_s - offset_s) % 120
        greens.append((stage, end - (left_s - called_s - 5), end))
    return greens


def test_the_program_of_force_offs(jincheng: Scenario) -> None:
    """SUMO's cycle begins at the yield point, its first stage with the simulation."""
    controller = ActuatedTable(in_step(jincheng))
    controller.reset(jincheng, "AM")
    (program,), start_s = controller.programs, jincheng.period("AM").start_s
    held = {phase["name"]: (phase.get("earliestEnd"), phase["latestEnd"]) for phase in program.phases[::3]}
    assert held == {
        "1 green": ("120", "120"),
        "3 green": (None, "35"),
        "2 green": (None, "55"),
        "4 green": (None, "75"),
    }
    assert (program.settings["coordinated"], program.settings["cycleTime"]) == ("true", "120")
    assert (program.offset_s - OFFSET_S - 40) % 120 == 0
    assert (start_s - program.offset_s) % sum(int(phase["duration"]) for phase in program.phases) == 0


def test_little_traffic_returns_early_and_rests_until_the_yield_point(jincheng: Scenario, shorten: Shorten) -> None:
    """All others leave after minimum greens of 15, 8 and 8 s: 40 + 5 + 15 + 5 + 8 + 5 + 8 + 5 = 91, 29 s early."""
    log = run(ActuatedTable(in_step(jincheng)), shorten(jincheng, duration_s=900), "AM", 10_000, demand=0.05)["J11"]
    greens = greens_of(log)
    rests = [(begin, end) for stage, begin, end in greens if stage == 0]
    assert {end for _, end in rests} == {40}
    assert min(begin for begin, _ in rests) == 91 - 120
    assert [green for green in greens if green[0] != 0][:3] == [(2, 45, 60), (1, 65, 73), (3, 78, 86)]


def test_heavy_traffic_is_forced_off(jincheng: Scenario, shorten: Shorten) -> None:
    """Each stage has its split then, and no green ever goes on past its force-off."""
    log = run(ActuatedTable(in_step(jincheng)), shorten(jincheng, duration_s=900), "AM", 10_000, demand=1.6)["J11"]
    greens = greens_of(log)
    latest = dict(zip((0, 2, 1, 3), FORCE_OFFS_S, strict=True))
    assert all(end <= latest[stage] for stage, _, end in greens)
    assert {(0, 0, 40), (2, 45, 75), (1, 80, 95), (3, 100, 115)} <= set(greens)


def test_time_left_over_may_go_to_a_later_stage(jincheng: Scenario, shorten: Shorten) -> None:
    """Force-offs are fixed: where stages 2 and 1 end early, 3 has more than its 15 s."""
    log = run(ActuatedTable(in_step(jincheng)), shorten(jincheng, duration_s=900), "AM", 10_000)["J11"]
    assert any(stage == 3 and end == 115 and end - begin > 15 for stage, begin, end in greens_of(log))


@pytest.mark.parametrize("offset_s", range(0, 120, 15))
def test_it_is_in_step_whenever_it_begins(offset_s: int, jincheng: Scenario, shorten: Shorten) -> None:
    """A green that begins too late for its minimum, 5 s before the yield point, is in step the next time."""
    short = shorten(jincheng, duration_s=400)
    log = run(ActuatedTable(in_step(jincheng, offset_s)), short, "AM", 10_000)["J11"]
    first, *ends = [(left - offset_s) % 120 for (_, stage), (left, _) in pairwise(log) if stage == 0]
    assert first == (50 if offset_s == 105 else 40)
    assert set(ends) == {40}
    greens = greens_of(log, offset_s)
    bounds = {stage: (low, high) for stage, low, high, _ in WIDE}
    assert all(bounds[stage][0] <= end - begin <= bounds[stage][1] for stage, begin, end in greens)


@pytest.mark.parametrize(
    ("yielded_s", "first"),
    [(0, 2), (5, 2), (24, 2), (25, 1), (37, 1), (38, 3), (50, 3), (51, 0), (119, 0)],  # 5 + 15 + 5, + 8 + 5, + 8 + 5
)
def test_the_stage_to_begin_with(yielded_s: int, first: int, jincheng: Scenario) -> None:
    start_s = jincheng.period("AM").start_s
    controller = ActuatedTable(in_step(jincheng, (start_s - yielded_s - 40) % 120))
    controller.reset(jincheng, "AM")
    assert controller.programs[0].phases[0]["name"] == f"{first + 1} green"


def test_a_constant_call_lasts_until_the_force_off(jincheng: Scenario, shorten: Shorten) -> None:
    short = shorten(jincheng, duration_s=500)
    controller = ActuatedTable(in_step(jincheng))
    controller.reset(short, "AM")
    (program,) = controller.programs
    loop = ControlLoop(short, "AM", by_the_clock=short.network.signals)
    try:
        loop.reset(10_000, programs=[program.called({1})], demand=0.05)
        loop.step({}, 600)
        greens = greens_of(loop.executed["J11"])
    finally:
        loop.close()
    assert {end for stage, _, end in greens if stage == 1} == {80 + 5}  # its maximum, 20 s after 65
    assert {end for stage, _, end in greens if stage == 0} == {40}


def test_coordinated_signals_are_safe(shixin_short: Scenario, shorten: Shorten, tmp_path: Path) -> None:
    short, path = shorten(shixin_short, duration_s=400), tmp_path / "coordinated.json"
    span, log = short.period("AM"), {}
    for name, signal in short.network.signals.items():
        log[name] = [(t, k % len(signal.stages)) for k, t in enumerate(range(span.start_s, span.end_s, 30))]
    made = distil_actuated(short, {"AM": [log]}, "x", in_step_with=distil(short, {"AM": [log]}, "x"))
    table_json.write(made, path)
    done = run_one(Task(resolve(str(path)), short, "AM", 10_000))
    assert done.violations == ()
    for name, plan in made.plans["AM"].items():
        coordination = plan.coordination
        assert coordination is not None
        ends = [left for (_, stage), (left, _) in pairwise(done.executed[name]) if stage == coordination.stage]
        yields = coordination.offset_s + plan.yield_s
        assert len(ends) > 1
        assert {(end - yields) % coordination.cycle_s for end in ends} == {0}


def test_coordinated_walks_are_safe(shorten: Shorten, tmp_path: Path) -> None:
    """A walk is over before the green may rest or be forced off."""
    people = registry.scenario("jincheng+people")
    limits = people.network.signals["J11"].limits(people.timing)
    made = tables(people, tuple((k, low, low + 10, 30) for k, low in enumerate(limits.min_green_s)))
    (table,) = made.plans["AM"].values()
    ends = tuple(accumulate(low + 8 + limits.intergreen_s for low in limits.min_green_s))
    coordination = Coordination(
        cycle_s=ends[-1], offset_s=7, stage=0, force_off_s=tuple(end - limits.intergreen_s for end in ends)
    )
    stages = (table.stages[0].model_copy(update={"max_green_s": 60}), *table.stages[1:])
    table = table.model_copy(update={"stages": stages, "coordination": coordination})
    path = tmp_path / "people.json"
    table_json.write(made.model_copy(update={"plans": {"AM": {"J11": table}}}), path)
    done = run_one(Task(resolve(str(path)), shorten(people, duration_s=500), "AM", 10_000))
    assert done.violations == ()
    yields = [left for (_, stage), (left, _) in pairwise(done.executed["J11"]) if stage == 0]
    assert len(yields) > 2
    assert {(left - 7 - table.yield_s) % ends[-1] for left in yields[1:]} == {0}
