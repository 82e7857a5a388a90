"""Traffic-responsive selection: when plans change, on which counts, and safe runs that do change them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from greenband import formats
from greenband.agents.responsive import Responsive
from greenband.control import run
from greenband.errors import BadInput
from greenband.evaluation import resolve
from greenband.evaluation.runner import Task, evaluate, run_one
from greenband.formats import json as table_json
from greenband.plan.library import library_of
from greenband.plan.model import Provenance
from greenband.plan.responsive import ResponsiveLibrary
from greenband.scenario import Scenario
from greenband.sensing import Measurement, SensingConfig, SignalView

Shorten = Callable[..., Scenario]


def library(scenario: Scenario, **settings: int) -> ResponsiveLibrary:
    """The existing plans of AM and OFF, for which 1000 and 200 veh/h at every stop line call."""
    plans = {(p, 1.0): formats.read_plan(scenario.existing_plan_file(p)).plans[p] for p in ("AM", "OFF")}
    made = library_of(scenario, plans, Provenance(subject="existing", scenario=scenario.name))
    entries = {
        name: entry.model_copy(
            update={
                "signature_veh_h": {
                    detector: flow * len(made.detectors[detector].movements["J11"]) for detector in made.detectors
                }
            }
        )
        for (name, entry), flow in zip(made.library.items(), (1000, 200), strict=True)
    }
    return made.model_copy(update={"library": entries, **settings})


@pytest.fixture(scope="module")
def made(jincheng: Scenario) -> ResponsiveLibrary:
    return library(jincheng)


def view(scenario: Scenario, passed: float | None, blind_s: float = 0.0) -> SignalView:
    signal = scenario.network.signals["J11"]
    n, k = len(signal.movements), len(signal.stages)
    return SignalView(
        approaching=np.zeros(n),
        standing=np.zeros(n),
        leaving=np.zeros(n),
        stage=0,
        in_transition=False,
        green_s=0,
        red_s=np.zeros(k, dtype=np.int64),
        allowed=np.ones(k, dtype=np.bool_),
        passed=None if passed is None else np.full(n, passed),
        blind_s=blind_s,
    )


def driven(scenario: Scenario, controller: Responsive, counts: Mapping[int, SignalView], until_s: int) -> list[int]:
    """Ask for every second as the control loop does, with counts where they are due; times at which they were."""
    start_s, asked = scenario.period("AM").start_s, []
    controller.reset(scenario, "AM")
    for now in range(until_s + 1):
        if controller.blind:
            controller.decide(Measurement(start_s + now, {}))
        else:
            asked.append(now)
            controller.decide(Measurement(start_s + now, {"J11": counts.get(now, view(scenario, 0.0))}))
    return asked


def changes(scenario: Scenario, controller: Responsive) -> list[tuple[int, str]]:
    return [(time_s - scenario.period("AM").start_s, name) for time_s, name in controller.chosen]


def test_counts_are_asked_for_every_five_minutes(jincheng: Scenario, made: ResponsiveLibrary) -> None:
    controller = Responsive(made)
    assert controller.blind
    assert driven(jincheng, controller, {}, 1000) == [300, 600, 900]


def test_a_plan_stays_and_then_gives_way(jincheng: Scenario, made: ResponsiveLibrary) -> None:
    busy, quiet = view(jincheng, 1000 / 12), view(jincheng, 200 / 12)  # in five minutes
    counts = {300: quiet, 600: quiet, 900: quiet, 1200: busy, 1500: busy, 1800: busy, 2100: busy}
    controller = Responsive(made)
    driven(jincheng, controller, counts, 2200)
    assert changes(jincheng, controller) == [(0, "AM"), (900, "OFF"), (1800, "AM")]


def test_signals_without_detectors_do_not_count(jincheng: Scenario, made: ResponsiveLibrary) -> None:
    for unseen in (view(jincheng, 0.0, blind_s=1.0), view(jincheng, 0.0, blind_s=math.inf), view(jincheng, None)):
        controller = Responsive(made)
        driven(jincheng, controller, {900: unseen}, 1000)
        assert changes(jincheng, controller) == [(0, "AM")]


def test_it_shows_what_the_plan_in_force_says(jincheng: Scenario, made: ResponsiveLibrary) -> None:
    controller = Responsive(made)
    driven(jincheng, controller, {900: view(jincheng, 200 / 12)}, 1000)
    assert changes(jincheng, controller)[-1] == (900, "OFF")
    plan = made.library["OFF"].plans["J11"]
    start_s = jincheng.period("AM").start_s
    for now in range(start_s + 1001, start_s + 1150):
        assert controller.decide(Measurement(now, {}))["J11"] == plan.stage_at(now)


@pytest.mark.parametrize(("period", "first"), [("AM", "AM"), ("OFF", "OFF"), ("PM", "AM"), ("day", "AM")])
def test_the_plan_to_begin_with(period: str, first: str, jincheng: Scenario, made: ResponsiveLibrary) -> None:
    controller = Responsive(made)
    controller.reset(jincheng, period)
    assert controller.chosen == [(jincheng.period(period).start_s, first)]


def test_runs_change_plans_and_are_safe(jincheng: Scenario, shorten: Shorten, tmp_path: Path) -> None:
    short, path = shorten(jincheng, duration_s=600), tmp_path / "lib.json"
    table_json.write(library(jincheng, interval_s=60, stay_s=60, margin_percent=0), path)
    subject = resolve(str(path))
    controller = subject.make()
    assert isinstance(controller, Responsive)
    executed = run(controller, short, "AM", 10_000, demand=0.5)
    assert [name for _, name in controller.chosen][:2] == ["AM", "OFF"]
    assert (controller.chosen[1][0] - short.period("AM").start_s) % 60 == 0
    done = run_one(Task(subject, short, "AM", 10_000, demand=0.5))
    assert done.violations == ()
    assert done.executed == executed
    fixed = run(resolve("existing").make(), short, "AM", 10_000, demand=0.5)
    assert executed != fixed


def test_counts_are_those_of_the_simulation(
    jincheng: Scenario, shorten: Shorten, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the demand that the signatures are of, and once traffic has come, counts are near the signature."""
    seen: list[dict[str, float | None]] = []
    made = library(jincheng, interval_s=600, stay_s=0)

    def noted(self: ResponsiveLibrary, flows: Mapping[str, Mapping[str, float]], present: str) -> str:
        seen.append({name: detector.flow_veh_h(flows) for name, detector in self.detectors.items()})
        return present

    monkeypatch.setattr(ResponsiveLibrary, "chosen", noted)
    short = shorten(jincheng, "OFF", duration_s=900, warmup_s=300)
    run(Responsive(made), short, "OFF", 10_000)
    plans = {(p, 1.0): entry.plans for p, entry in made.library.items()}
    expected = library_of(jincheng, plans, made.provenance).library["OFF"].signature_veh_h
    (flows,) = seen
    for name, flow in flows.items():
        assert flow == pytest.approx(expected[name], rel=0.25)


def test_broken_detectors_do_not_stop_it(jincheng: Scenario, shorten: Shorten) -> None:
    short, made = shorten(jincheng, duration_s=300), library(jincheng, interval_s=60, stay_s=60)
    outage = SensingConfig(dropout_per_h=1e4, dropout_s=1e6)
    controller = Responsive(made)
    executed = run(controller, short, "AM", 10_000, sensing=outage)
    assert len(controller.chosen) == 1
    assert executed == run(resolve("existing").make(), short, "AM", 10_000)


def test_it_has_no_one_plan_to_report(jincheng: Scenario, shorten: Shorten, tmp_path: Path) -> None:
    table_json.write(library(jincheng), tmp_path / "lib.json")
    result = evaluate([resolve(str(tmp_path / "lib.json"))], shorten(jincheng, duration_s=60, warmup_s=60), "AM", [5])
    assert result.subjects[0].plans == {}


def test_a_library_that_does_not_fit_is_refused(
    jincheng: Scenario, shixin_short: Scenario, made: ResponsiveLibrary
) -> None:
    with pytest.raises(BadInput, match=r"the plan has no junction J\d+ of scenario shixin_short"):
        Responsive(made).reset(shixin_short, "AM")
    slow = jincheng.model_copy(update={"timing": replace(jincheng.timing, max_green_s=20)})
    with pytest.raises(BadInput, match=r"period AM, junction J11: stage .*: green \d+ s must be 15 to 20 s"):
        Responsive(made).reset(slow, "AM")
