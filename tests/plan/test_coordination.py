"""Force-offs: what a table may hold, how they follow from a fixed plan, and the rules on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from greenband import formats
from greenband.errors import BadInput
from greenband.formats import json as table_json
from greenband.plan.actuated import ActuatedPlan, ActuatedSet, ActuatedStage, Coordination
from greenband.plan.calendar import DayPlan, ScheduleRow, Switch
from greenband.plan.coordination import bounds_s, coordinated, main_stage
from greenband.plan.distil import distil
from greenband.plan.distil_actuated import distil_actuated
from greenband.plan.junction import Junction, SignalGroup, StageDefinition
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan
from greenband.plan.rules import PROFILES, broken_form, check_table
from greenband.plan.rules.corridor import unequal_cycles
from greenband.scenario import Scenario
from greenband.signals import Limits

CN = PROFILES["cn"]
SPLITS = {2: 32, 3: 26, 0: 39, 1: 13}  # green in s by stage; with four intergreens of 5 s a cycle of 130 s
Plant = Callable[[dict[str, Any]], object]
# Written before there were force-offs, with the hash of that time.
OLD = """{"content_hash": "00f55d02a726ef6f0169ea47c43ba170660f1329696d1553db95d5b58d869950", "kind": "actuated",
"provenance": {"subject": "hand", "scenario": "road", "seeds": [], "greenband": "", "sumo": "", "note": "",
"approved_by": ""}, "plans": {"AM": {"J1": {"signal": "J1", "name": "AM", "stages": [{"stage": 0, "name": "A",
"min_green_s": 10, "max_green_s": 60, "passage_ds": 30}, {"stage": 1, "name": "B", "min_green_s": 8, "max_green_s": 30,
"passage_ds": 30}]}}}, "junctions": {"J1": {"signal": "J1", "number": 1, "name_en": "", "name_zh": "", "x_m": 0.0,
"y_m": 0.0, "left_hand": false, "coordination": "road", "yellow_s": 3, "all_red_s": 2, "green_flash_s": 0,
"max_red_s": 180, "groups": [{"number": 1, "kind": "vehicle", "movement": "a>b", "bearing": 0, "turn": "through",
"lanes": 1, "links": [0], "speed_ms": 10.0, "crossing_m": 20.0, "on_red": false}, {"number": 2, "kind": "vehicle",
"movement": "c>d", "bearing": 0, "turn": "through", "lanes": 1, "links": [1], "speed_ms": 10.0, "crossing_m": 20.0,
"on_red": false}], "stages": [{"name": "A", "lamps": "Gr", "green": [1], "permitted": [], "min_green_s": 10,
"max_green_s": 90, "walks": []}, {"name": "B", "lamps": "rG", "green": [2], "permitted": [], "min_green_s": 8,
"max_green_s": 90, "walks": []}], "conflicts": [[1, 2]], "yields": []}}, "day_plans": {"d": {"switches": [{"at_min": 0,
"plan": "AM"}]}}, "schedule": [{"day_plan": "d", "weekdays": [1, 2, 3, 4, 5, 6, 7], "first": null, "last": null,
"name": ""}]}"""


def table(minima: Sequence[int] = (15, 8, 15, 8)) -> ActuatedPlan:
    """A table that runs free, its stages in the signal's order."""
    stages = tuple(
        ActuatedStage(stage=k, name=f"S{k}", min_green_s=low, max_green_s=90, passage_ds=25)
        for k, low in enumerate(minima)
    )
    return ActuatedPlan(signal="J1", name="AM", stages=stages)


def fixed(greens: dict[int, int], offset_s: int = 0) -> TimingPlan:
    """A plan of stages in order, each with 3 s of yellow and 2 s of all-red."""
    stages = tuple(
        StageTiming(stage=stage, name=f"S{stage}", green_s=green, yellow_s=3, all_red_s=2)
        for stage, green in greens.items()
    )
    cycle = sum(stage.duration_s for stage in stages)
    return TimingPlan(signal="J1", name=f"AM {cycle} s", cycle_s=cycle, offset_s=offset_s, stages=stages)


def at_a_junction(plan: ActuatedPlan) -> ActuatedSet:
    """A set of one table; its junction has a group for each stage."""
    n = len(plan.stages)
    groups = [SignalGroup(number=k + 1, movement=f"a{k}>b", links=(k,), speed_ms=10, crossing_m=20) for k in range(n)]
    stages = [
        StageDefinition(
            name=f"S{k}",
            lamps="".join("G" if i == k else "r" for i in range(n)),
            green=(k + 1,),
            min_green_s=1,
            max_green_s=999,
        )
        for k in range(n)
    ]
    junction = Junction(
        signal="J1",
        number=1,
        coordination="road",
        yellow_s=3,
        all_red_s=2,
        max_red_s=3600,
        groups=tuple(groups),
        stages=tuple(stages),
    )
    return ActuatedSet(
        provenance=Provenance(subject="hand", scenario="road"),
        plans={"AM": {"J1": plan}},
        junctions={"J1": junction},
        day_plans={"day": DayPlan(switches=(Switch(at_min=0, plan="AM"),))},
        schedule=(ScheduleRow(day_plan="day"),),
    )


def test_a_table_by_hand() -> None:
    """The plan turns stage 2 green at 80 s; stage 0 follows after 37 and 31 s, so 18 s into the next cycle."""
    limits = Limits(3, 2, (15, 8, 15, 8), max_green_s=90, max_red_s=300)
    made = coordinated(table(), fixed(SPLITS, offset_s=80), limits, main=0)
    assert made.order == (0, 1, 2, 3)
    assert made.coordination == Coordination(cycle_s=130, offset_s=18, stage=0, force_off_s=(39, 57, 94, 125))
    assert made.splits_s == {0: 44, 1: 18, 2: 37, 3: 31}
    assert made.name == "AM 130 s"
    assert {stage.passage_ds for stage in made.stages} == {25}
    # stages 1, 2 and 3 leave over 5, 17 and 18 s at most; stage 2 may begin 5 s early, 3 another 17 s, 0 another 18 s,
    # and in its first cycle an intergreen
    assert [(stage.min_green_s, stage.max_green_s) for stage in made.stages] == [(15, 84), (8, 13), (15, 37), (8, 48)]
    assert made.longest_rest_s(5) == 79
    assert at_a_junction(made).plans["AM"]["J1"] is made


@pytest.mark.parametrize(
    ("most", "red", "minima", "maxima"),
    [
        # given d: 39 + d + d + 5 + 5, then 32, 26 + d, 13 + 2 d; 120 + 5 d less 32, and 20, is at most 180 for 14
        (90, 180, [15, 18, 12, 8], [77, 32, 40, 41]),
        (60, 180, [15, 24, 18, 8], [60, 32, 34, 29]),  # 39 + 2 d + 5 is at most 60 for 8
        (39, 180, [15, 32, 26, 13], [39, 32, 26, 13]),
    ],
)
def test_no_stage_leaves_over_more_than_the_limits_allow(
    most: int, red: int, minima: list[int], maxima: list[int]
) -> None:
    limits = Limits(3, 2, (15, 8, 15, 8), max_green_s=most, max_red_s=red)
    assert bounds_s(limits, [(0, 39), (2, 32), (3, 26), (1, 13)]) == (minima, maxima)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_force_offs_end_greens_where_the_plan_does(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 5))
    greens = {k: data.draw(st.integers(5, 60)) for k in data.draw(st.permutations(range(n)))}
    minima = tuple(data.draw(st.integers(1, greens[k])) for k in range(n))
    cycle = sum(greens.values()) + 5 * n
    limits = Limits(
        3,
        2,
        minima,
        max_green_s=data.draw(st.integers(max(greens.values()), 120)),
        max_red_s=data.draw(st.integers(cycle - min(greens.values()), 2 * cycle)),
    )
    plan = fixed(greens, offset_s=data.draw(st.integers(0, cycle - 1)))
    main = data.draw(st.sampled_from(range(n)))
    made = at_a_junction(coordinated(table(minima), plan, limits, main)).plans["AM"]["J1"]
    assert made.coordination is not None
    assert made.splits_s == {timing.stage: timing.duration_s for timing in plan.stages}
    assert plan.stage_at(made.coordination.offset_s) == main
    for stage, force_off in made.force_offs_s.items():
        end = made.coordination.offset_s + force_off
        assert plan.stage_at(end - 1) == stage != plan.stage_at(end)
    stages = {stage.stage: stage for stage in made.stages}
    assert made.longest_rest_s(5) <= stages[main].max_green_s <= limits.max_green_s
    for k, bounds in stages.items():
        assert minima[k] <= bounds.min_green_s <= greens[k] <= bounds.max_green_s <= limits.max_green_s
        assert made.longest_red_s(bounds, 5) <= limits.max_red_s


def test_the_main_road_is_coordinated(jincheng: Scenario) -> None:
    (signal,), demand = jincheng.network.signals.values(), jincheng.demand("AM")
    assert main_stage(signal, jincheng, demand) == 0
    nowhere = jincheng.model_copy(update={"mainline": {}})
    assert main_stage(signal, nowhere, demand) == 0  # the fullest
    across = jincheng.model_copy(update={"mainline": {"east": ("W11-E11",)}})
    assert main_stage(signal, across, demand) == 2


def logs_of(scenario: Scenario) -> list[dict[str, list[tuple[int, int]]]]:
    """Every signal's stages in order, 30 s each, over and over."""
    span, log = scenario.period("AM"), {}
    for name, signal in scenario.network.signals.items():
        log[name] = [(t, k % len(signal.stages)) for k, t in enumerate(range(span.start_s, span.end_s, 30))]
    return [log]


@pytest.fixture(scope="module")
def plans(shixin_short: Scenario) -> PlanSet:
    return distil(shixin_short, {"AM": logs_of(shixin_short)}, "steady")


@pytest.fixture(scope="module")
def made(shixin_short: Scenario, plans: PlanSet) -> ActuatedSet:
    return distil_actuated(shixin_short, {"AM": logs_of(shixin_short)}, "steady", in_step_with=plans)


def test_signals_of_a_group_keep_the_fixed_plan(made: ActuatedSet, plans: PlanSet, shixin_short: Scenario) -> None:
    demand = shixin_short.demand("AM")
    for name, signal in shixin_short.network.signals.items():
        found, plan = made.plans["AM"][name], plans.plans["AM"][name]
        assert found.coordination is not None
        assert (found.coordination.cycle_s, found.coordination.stage) == (
            plan.cycle_s,
            main_stage(signal, shixin_short, demand),
        )
        assert found.splits_s == {timing.stage: timing.duration_s for timing in plan.stages}
    assert made.provenance.note.startswith("force-offs at 4 signals, of the fixed plan: distilled")
    assert {finding.rule for finding in check_table(made, CN)} == {"release"}


def test_a_lone_signal_runs_free(jincheng: Scenario) -> None:
    logs = {"AM": logs_of(jincheng)}
    free = distil_actuated(jincheng, logs, "steady")
    assert distil_actuated(jincheng, logs, "steady", in_step_with=distil(jincheng, logs, "steady")).plans == free.plans
    assert [plan.coordination for _, plan in free] == [None]


def test_an_old_file_runs_free_and_is_written_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(OLD, encoding="utf-8")
    old = formats.read_table(path)
    assert isinstance(old, ActuatedSet)
    assert old.plans["AM"]["J1"].coordination is None
    assert old.plans["AM"]["J1"].force_offs_s == old.plans["AM"]["J1"].splits_s == {}
    table_json.write(old, path)
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(OLD)


def test_a_round_trip_keeps_force_offs(made: ActuatedSet, tmp_path: Path) -> None:
    table_json.write(made, tmp_path / "table.json")
    assert formats.read_table(tmp_path / "table.json") == made
    data = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    first = next(iter(data["plans"]["AM"].values()))
    first["coordination"]["offset_s"] = (first["coordination"]["offset_s"] + 1) % first["coordination"]["cycle_s"]
    (tmp_path / "table.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BadInput, match="content_hash does not match"):
        formats.read_table(tmp_path / "table.json")


def change(**fields: object) -> Plant:
    """Set fields of the first table's coordination."""
    return lambda first: first["coordination"].update(fields)


def force_off(k: int, by: float) -> Plant:
    """Move one force-off of the first table."""

    def plant(first: dict[str, Any]) -> None:
        first["coordination"]["force_off_s"][k] += by

    return plant


@pytest.mark.parametrize(
    ("rule", "plant", "message"),
    [
        ("offset", change(offset_s=900), "offset_s 900 must be below cycle_s"),
        ("stages", change(stage=7), r"coordinated stage 7 is not in \["),
        ("force-offs", lambda first: first["coordination"]["force_off_s"].pop(), "3 force-offs for 4 stages"),
        ("force-offs", lambda first: first["coordination"]["force_off_s"].reverse(), "are not in order"),
        ("force-offs", force_off(3, 99), "are not in order"),  # beyond the cycle
        ("sums", force_off(3, -1), "the last force-off .* and 5 s of intergreen are not"),
        ("minimum-service", lambda first: first["stages"][1].update(min_green_s=70, max_green_s=90), "a split of"),
        ("resolution", force_off(1, 0.5), "integer"),
    ],
)
def test_a_broken_form_is_refused_and_named(
    rule: str, plant: Plant, message: str, made: ActuatedSet, tmp_path: Path
) -> None:
    path = tmp_path / "table.json"
    table_json.write(made, path)
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["content_hash"]
    plant(next(iter(data["plans"]["AM"].values())))
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        formats.read_table(path)
    assert [finding.rule for finding in broken_form(path)] == [rule]


def errors(tables: ActuatedSet) -> list[tuple[str, str, str, str]]:
    found = check_table(tables, CN)
    return [(f.rule, f.junction, f.measured, f.required) for f in found if f.severity == "error"]


def planted(made: ActuatedSet, plant: Plant) -> tuple[str, ActuatedSet]:
    """The first junction's name, and the tables with its own changed."""
    data = made.model_dump(mode="json")
    name, first = next(iter(data["plans"]["AM"].items()))
    plant(first)
    return name, ActuatedSet.model_validate(data)


def test_another_cycle_in_the_group_is_found(made: ActuatedSet) -> None:
    def longer(first: dict[str, Any]) -> None:
        first["coordination"]["cycle_s"] += 2
        first["coordination"]["force_off_s"][-1] += 2

    name, wrong = planted(made, longer)
    cycles = {plan.signal: plan.coordination.cycle_s for _, plan in wrong if plan.coordination}
    others = {signal: cycle for signal, cycle in cycles.items() if signal != name}
    required = f"{cycles[name]} s or half of it"
    assert errors(wrong) == [("coordination", signal, f"{cycle} s", required) for signal, cycle in others.items()]


def test_half_the_cycle_is_allowed_and_free_signals_do_not_count(made: ActuatedSet) -> None:
    one, two, three, _ = made.junctions
    cycles_s = {"AM": {one: 120, two: 60, three: 61}}
    (found,) = unequal_cycles(cycles_s, made.junctions, made.day_plans)
    assert (found.rule, found.junction, found.measured) == ("coordination", three, "61 s")
    assert found.place == "every day from 00:00, group shixin_short"
    name, free = planted(made, lambda first: first.pop("coordination"))
    assert free.plans["AM"][name].coordination is None
    assert errors(free) == []


def test_a_cycle_beyond_the_profile_is_found(made: ActuatedSet) -> None:
    cycle = {plan.coordination.cycle_s for _, plan in made if plan.coordination}.pop()
    found = check_table(made, CN.model_copy(update={"cycle_s": (30, cycle - 1)}))
    assert {(f.junction, f.measured) for f in found if f.rule == "cycle"} == {
        (name, f"{cycle} s") for name in made.plans["AM"]
    }


def test_a_split_below_minimum_service_is_found(made: ActuatedSet) -> None:
    """The file may say less than its junction asks for."""
    name, first = next(iter(made.plans["AM"].items()))
    short, data = first.splits_s[first.order[1]], made.model_dump(mode="json")
    data["junctions"][name]["stages"][first.order[1]].update(min_green_s=short - 4, max_green_s=90)
    found = errors(ActuatedSet.model_validate(data))
    required = f"{short + 1} s: minimum green or walk and flash, yellow and all-red"
    assert ("minimum-service", name, f"{short} s", required) in found


def test_a_coordinated_stage_that_cannot_rest_is_found(made: ActuatedSet) -> None:
    rest = next(iter(made.plans["AM"].values())).longest_rest_s(5)
    name, wrong = planted(made, lambda first: first["stages"][0].update(max_green_s=rest - 1))
    required = f"{rest} s or more: from an early return to the yield point"
    assert errors(wrong) == [("force-offs", name, f"a maximum green of {rest - 1} s", required)]


def test_what_coordination_may_hold() -> None:
    good = {"cycle_s": 60, "offset_s": 0, "stage": 0, "force_off_s": [25, 55]}
    assert Coordination.model_validate(good).force_off_s == (25, 55)
    for wrong in ({"cycle_s": 0}, {"offset_s": -1}, {"force_off_s": [0, 55]}, {"mode": "floating"}):
        with pytest.raises(ValidationError):
            Coordination.model_validate(good | wrong)
