from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband import registry
from greenband.agents.planned import GreenWave
from greenband.errors import BadInput, UnknownName
from greenband.formats import json as plan_json
from greenband.plan.describe import described
from greenband.plan.distil import distil
from greenband.plan.model import PlanSet
from greenband.plan.rules import PROFILES, RULES, Waiver, against, broken_form, check, load_profile, load_waivers
from greenband.scenario import Scenario

CN = PROFILES["cn"]
Plant = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def good() -> PlanSet:
    scenario = registry.scenario("shixin_short+people")
    return described(GreenWave().plan_set(scenario, ["AM", "OFF", "PM"]), scenario)


def errors(plans: PlanSet, profile: str = "cn") -> set[str]:
    return {finding.rule for finding in check(plans, load_profile(profile)) if finding.severity == "error"}


def test_a_good_plan_breaks_nothing_and_lacks_only_an_approval(good: PlanSet) -> None:
    (finding,) = check(good, CN)
    assert (finding.rule, finding.severity, finding.place) == ("release", "warning", "provenance.approved_by")


def first(data: dict[str, Any], period: str = "AM") -> dict[str, Any]:
    plan: dict[str, Any] = next(iter(data["plans"][period].values()))
    return plan


def junction(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(data["junctions"].values()))
    return found


def shift(field: str, by: int, stage: int = 0) -> Plant:
    """Move seconds between a field of a stage and the green of the next one, so that the sum stays."""

    def plant(data: dict[str, Any]) -> None:
        stages = first(data)["stages"]
        stages[stage][field] += by
        stages[(stage + 1) % len(stages)]["green_s"] -= by

    return plant


def longer_everywhere(by: int) -> Plant:
    def plant(data: dict[str, Any]) -> None:
        for plan in data["plans"]["AM"].values():
            plan["cycle_s"] += by
            plan["stages"][0]["green_s"] += by

    return plant


def set_in(path: str, value: object) -> Plant:
    """Set a value by its place in the first junction, or in the set itself where the path begins with a slash."""

    def plant(data: dict[str, Any]) -> None:
        here: Any = data if path.startswith("/") else junction(data)
        *way, last = [int(part) if part.isdigit() else part for part in path.strip("/").split("/")]
        for part in way:
            here = here[part]
        here[last] = value

    return plant


def without_stage(data: dict[str, Any]) -> None:
    plan = first(data)
    gone = plan["stages"].pop(1)
    seconds = sum(gone[field] for field in ("green_s", "green_flash_s", "yellow_s", "all_red_s"))
    plan["stages"][0]["green_s"] += seconds


def everything_green(data: dict[str, Any]) -> None:
    stage = junction(data)["stages"][0]
    stage["green"] = sorted({*stage["green"], *junction(data)["stages"][2]["green"]})
    stage["permitted"] = []


def lamps_that_lie(data: dict[str, Any]) -> None:
    stage = junction(data)["stages"][0]
    stage["lamps"] = "G" * len(stage["lamps"])


def many_switches(data: dict[str, Any]) -> None:
    names = ["AM", "OFF"] * 30
    data["day_plans"]["every day"]["switches"] = [{"at_min": 20 * k, "plan": plan} for k, plan in enumerate(names)]


def weekend_forgotten(data: dict[str, Any]) -> None:
    data["schedule"] = [{"day_plan": "every day", "weekdays": [1, 2, 3, 4, 5]}]


def february_forgotten(data: dict[str, Any]) -> None:
    dates = (("01-01", "02-28"), ("03-01", "12-31"))
    data["schedule"] = [{"day_plan": "every day", "first": a, "last": b} for a, b in dates]


def junction_left_out(data: dict[str, Any]) -> None:
    data["plans"]["AM"].pop(next(iter(data["plans"]["AM"])))


def out_of_step(data: dict[str, Any]) -> None:
    first(data)["stages"][0]["green_s"] += 7
    first(data)["cycle_s"] += 7


def without_walks(data: dict[str, Any]) -> None:
    for stage in junction(data)["stages"]:
        stage["walks"] = []


def swapped_lamps(data: dict[str, Any]) -> None:
    stages = junction(data)["stages"]
    stages[0]["lamps"], stages[1]["lamps"] = stages[1]["lamps"], stages[0]["lamps"]


def never_green(data: dict[str, Any]) -> None:
    """A far-side turn that no stage releases any more."""
    number = next(g["number"] for g in junction(data)["groups"] if g["turn"] == "far")
    for stage in junction(data)["stages"]:
        stage["green"] = [group for group in stage["green"] if group != number]


PLANTED: dict[str, list[Plant]] = {
    "yellow": [shift("yellow_s", -1), shift("yellow_s", 3)],
    "all-red": [shift("all_red_s", -2), shift("all_red_s", 5)],
    "pedestrians": [without_walks, set_in("stages/0/walks/0/walk_s", 5), set_in("groups/12/crossing_m", 90.0)],
    "min-green": [shift("green_s", -20, 2), set_in("stages/1/max_green_s", 8), set_in("stages/1/min_green_s", 4)],
    "green-flash": [shift("green_flash_s", -3)],
    "minimum-service": [shift("green_s", -20, 2), set_in("stages/0/walks/0/flash_s", 200)],
    "max-red": [set_in("max_red_s", 40)],
    "cycle": [longer_everywhere(300)],
    "coordination": [out_of_step],
    "conflicts": [everything_green, lamps_that_lie, set_in("conflicts", [])],
    "service": [without_stage, never_green],
    "lamps": [swapped_lamps, set_in("groups/0/links", [])],
    "flows": [lambda data: first(data)["stages"][0].update(movements=["x>y"])],
    "schedule": [many_switches, weekend_forgotten, february_forgotten, junction_left_out],
    "release": [set_in("/provenance/scenario", "")],
}


def sums(data: dict[str, Any]) -> int:
    fields = ("green_s", "green_flash_s", "yellow_s", "all_red_s")
    return sum(stage[field] for stage in first(data)["stages"] for field in fields)


@pytest.mark.parametrize(("rule", "plant"), [(rule, plant) for rule, plants in PLANTED.items() for plant in plants])
def test_a_planted_fault_is_caught(good: PlanSet, rule: str, plant: Plant) -> None:
    data = good.model_dump(mode="json")
    plant(data)
    assert rule in errors(PlanSet.model_validate(data))


BROKEN_FORMS: dict[str, list[Plant]] = {
    "sums": [lambda data: first(data).update(cycle_s=first(data)["cycle_s"] + 1)],
    "offset": [lambda data: first(data).update(offset_s=first(data)["cycle_s"])],
    "reference": [lambda data: first(data).update(reference="end of yellow")],
    "resolution": [lambda data: first(data)["stages"][0].update(green_s=20.5)],
    "stages": [lambda data: first(data)["stages"][0].update(stage=1)],
    "min-green": [set_in("stages/0/max_green_s", 3)],
    "schedule": [
        set_in("/day_plans/every day/switches/0/at_min", 5),
        set_in("/day_plans/every day/switches/1/at_min", 0),
        set_in("/day_plans/every day/switches/0/plan", "none"),
        set_in("/schedule/0/day_plan", "none"),
    ],
    "lamps": [
        set_in("stages/0/lamps", "G"),
        set_in("stages/0/lamps", ""),
        set_in("groups/0/links", [999]),
        set_in("groups/0/links", [1]),
    ],
    "pedestrians": [
        set_in("groups/12/crossing_m", 0.0),
        set_in("stages/1/walks", [{"group": 13, "walk_s": 7, "flash_s": 9}]),
    ],
    "form": [
        set_in("stages/0/lamps", "X" * 20),
        set_in("stages/0/walks/0/group", 2),
        set_in("/junctions", []),
        lambda data: first(data).pop("cycle_s"),
        set_in("/plans", {}),
        set_in("/schedule/0/weekdays", [9]),
    ],
}


@pytest.mark.parametrize(
    ("rule", "plant"), [(rule, plant) for rule, plants in BROKEN_FORMS.items() for plant in plants]
)
def test_a_fault_of_form_is_reported_as_its_rule(good: PlanSet, tmp_path: Path, rule: str, plant: Plant) -> None:
    data = good.model_dump(mode="json")
    plant(data)
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(data))
    findings = broken_form(file)
    assert rule in {finding.rule for finding in findings}
    assert all(finding.measured and finding.required and finding.place is not None for finding in findings)
    with pytest.raises(BadInput, match=r"plan\.json"):
        plan_json.read(file)


def test_every_rule_has_a_planted_fault() -> None:
    """Changes of plan and what a scenario says are tested below, force-offs in ``test_coordination``."""
    assert {*PLANTED, *BROKEN_FORMS, "transitions", "network", "force-offs"} == set(RULES)


@pytest.mark.parametrize(
    "plant",
    [set_in("conflicts", [[1, 5]]), never_green, swapped_lamps, set_in("groups/0/links", [])],
    ids=["conflicts", "greens", "lamps", "groups"],
)
def test_a_file_is_held_against_the_network(good: PlanSet, plant: Plant) -> None:
    scenario = registry.scenario("shixin_short+people")
    assert against(good, scenario) == []
    data = good.model_dump(mode="json")
    plant(data)
    assert {finding.rule for finding in against(PlanSet.model_validate(data), scenario)} == {"network"}
    accepted = Waiver(rule="network", reason="rebuilt since", by="the office")
    assert all(finding.waived for finding in against(PlanSet.model_validate(data), scenario, [accepted]))


def test_plans_that_no_day_plan_uses_are_coordinated_too(good: PlanSet) -> None:
    data = good.model_dump(mode="json")
    data["day_plans"]["every day"]["switches"] = [{"at_min": 0, "plan": "OFF"}]
    out_of_step(data)
    found = check(PlanSet.model_validate(data), CN)
    assert {f.plan for f in found if f.rule == "coordination"} == {"AM"}


def test_warnings_are_no_errors(good: PlanSet) -> None:
    data = good.model_dump(mode="json")
    data["day_plans"]["every day"]["switches"] = [
        {"at_min": minute, "plan": plan}
        for minute, plan in ((0, "OFF"), (420, "AM"), (435, "OFF"), (1020, "PM"), (1140, "OFF"))
    ]
    findings = check(PlanSet.model_validate(data), CN)
    assert [(f.rule, f.plan, f.measured, f.severity) for f in findings if f.rule == "transitions"] == [
        ("transitions", "AM", "15 min", "warning")
    ]
    assert not [f for f in findings if f.severity == "error"]


def test_a_stage_of_another_name_is_told(good: PlanSet) -> None:
    data = good.model_dump(mode="json")
    first(data)["stages"][0]["name"] = "foo"
    (found,) = [f for f in check(PlanSet.model_validate(data), CN) if f.rule == "flows"]
    assert (found.measured, found.severity) == ("called 'foo'", "warning")


def test_half_the_cycle_is_in_step(jincheng: Scenario, shixin_short: Scenario) -> None:
    whole = described(GreenWave().plan_set(shixin_short, ["AM"]), shixin_short).model_dump(mode="json")
    plan = first(whole)
    for stage in plan["stages"]:
        stage["green_s"] = 12 if stage["stage"] % 2 == 0 else 5
    plan["cycle_s"] = sums(whole)
    plan["offset_s"] = 0
    for other in list(whole["plans"]["AM"].values())[1:]:
        missing = 2 * plan["cycle_s"] - other["cycle_s"]
        other["stages"][0]["green_s"] += missing
        other["cycle_s"] += missing
    assert "coordination" not in errors(PlanSet.model_validate(whole))


def test_american_practice_asks_for_more_all_red(good: PlanSet) -> None:
    """NCHRP 731: (25.6 + 6.1) m at 13.89 m/s less 1 s is 1.3 s, so 2 s; a through way of 40.1 m needs 2.3 s, so 3 s."""
    found = [f for f in check(good, PROFILES["us"]) if f.rule == "all-red"]
    assert found
    assert all(f.measured == "2 s" and f.required in ("3 to 6 s", "4 to 6 s") for f in found)


def test_a_waiver_is_shown_and_not_counted(good: PlanSet) -> None:
    data = good.model_dump(mode="json")
    shift("yellow_s", 3)(data)
    signal = first(data)["signal"]
    accepted = Waiver(rule="yellow", junction=signal, plan="AM", reason="steep grade", by="the traffic office")
    (finding,) = [f for f in check(PlanSet.model_validate(data), CN, [accepted]) if f.rule == "yellow"]
    assert finding.waived == "the traffic office: steep grade"
    elsewhere = accepted.model_copy(update={"plan": "PM"})
    (finding,) = [f for f in check(PlanSet.model_validate(data), CN, [elsewhere]) if f.rule == "yellow"]
    assert not finding.waived


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "not a list"),
        ("- {rule: yellow}", "waiver 1: reason"),
        ("- {rule: yelow, reason: x, by: y}", "did you mean 'yellow'"),
        ("- {rule: [", "not YAML"),
        ("- {rule: yellow, reason: x, by: y, until: z}", "waiver 1: until"),
    ],
)
def test_wrong_waivers_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "waivers.yaml").write_text(text)
    with pytest.raises(BadInput, match=reason):
        load_waivers(tmp_path / "waivers.yaml")


def test_an_agency_changes_a_profile(tmp_path: Path) -> None:
    (tmp_path / "city.yaml").write_text("base: us\nwalk_s: 9\n")
    own = load_profile(str(tmp_path / "city.yaml"))
    assert (own.name, own.walk_s, own.kinematic) == ("city", 9, True)
    (tmp_path / "city.yaml").write_text("walk: 9\n")
    with pytest.raises(BadInput, match=r"city\.yaml: walk: "):
        load_profile(str(tmp_path / "city.yaml"))
    with pytest.raises(UnknownName, match="did you mean 'us'"):
        load_profile("uss")
    with pytest.raises(BadInput, match="cannot be read"):
        load_profile(str(tmp_path / "none.yaml"))


def test_plans_alone_cannot_be_judged(jincheng: Scenario) -> None:
    with pytest.raises(BadInput, match="no junctions"):
        check(GreenWave().plan_set(jincheng, ["AM"]), CN)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), shortest=st.integers(1, 20), longest=st.integers(21, 200))
def test_plans_of_random_policies_pass_or_are_refused(seed: int, shortest: int, longest: int) -> None:
    scenario = registry.scenario("shixin_short+people")
    logs = {"AM": [random_log(scenario, random.Random(seed), shortest, longest)]}
    try:
        plans = distil(scenario, logs, "random")
    except BadInput:
        return  # with a reason, as every BadInput
    assert errors(described(plans, scenario)) == set()


def random_log(scenario: Scenario, rng: random.Random, shortest: int, longest: int) -> Mapping[str, Any]:
    period, log = scenario.period("AM"), {}
    for name, signal in scenario.network.signals.items():
        time_s, rows = period.start_s, []
        while time_s < period.end_s:
            rows.append((time_s, rng.randrange(len(signal.stages))))
            time_s += rng.randint(shortest, longest)
        log[name] = rows
    return log
