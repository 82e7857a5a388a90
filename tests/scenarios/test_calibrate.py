"""Calibration recovers a known truth: the turning counts of a simulated hour, and the routes behind them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from greenband import counts, registry
from greenband.counts import Count, geh, share_good
from greenband.demand import Profile
from greenband.errors import BadInput
from greenband.passages import drive
from greenband.plan.splits import movement_flows
from greenband.scenario import Scenario
from greenband.scenarios import calibrate as calibration
from greenband.scenarios.entropy import most_likely_flows
from greenband.scenarios.routes import Route, passes, read_routes, rim_to_rim

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "counts.csv"
CROSS = [("a", "j", "c"), ("a", "j", "d"), ("b", "j", "c"), ("b", "j", "d")]


def network_of(scenario: Scenario) -> Path:
    return scenario.folder / scenario.network_file


@pytest.fixture(scope="module")
def calibrated(shixin_short: Scenario, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, Any]:
    folder = tmp_path_factory.mktemp("calibrated") / "made"
    scenario, fitted = calibration.calibrate(network_of(shixin_short), EXAMPLE, "made", folder)
    return scenario, fitted


def test_the_demand_meets_every_count_of_the_example(calibrated: tuple[Scenario, Any]) -> None:
    _, fitted = calibrated
    assert len(fitted) == 48
    assert max(geh(veh_h, count.veh_h) for count, veh_h in fitted) < 1


def test_its_simulation_meets_the_counts(calibrated: tuple[Scenario, Any]) -> None:
    """Another seed, another plan and other vehicles than the truth's, so that only the flows can make it agree."""
    scenario = registry.scenario(str(calibrated[0].folder))
    passed = drive(scenario, "AM", 10_000, registry.controller("existing"))
    table = [count for count, _ in calibrated[1]]
    values = [geh(passed.veh(c.location, c.begin_s, c.end_s) / c.hours, c.veh_h) for c in table]
    assert share_good(values) >= 0.95


def test_the_routes_are_those_of_the_truth(calibrated: tuple[Scenario, Any], shixin_short: Scenario) -> None:
    """Truth: the flow table that was simulated, and its buses. One hour's random counts leave 5 % of difference."""
    truth, found = Counter[Route](), Counter[Route]()
    table: Any = shixin_short.demand("AM")
    for flow in table.flows:
        truth[flow.edges] += flow.veh_h
    for line in table.lines:
        truth[line.edges] += 3600 / line.headway_s
    for flow in calibrated[0].demand("AM").motor_flows:
        found[flow.edges] += flow.veh_h  # type: ignore[assignment]
    error = sum(abs(truth[route] - found[route]) for route in {*truth, *found}) / sum(truth.values())
    assert error < 0.10


def test_the_folder_is_a_whole_scenario(calibrated: tuple[Scenario, Any]) -> None:
    scenario = Scenario.load(calibrated[0].folder)
    assert scenario == calibrated[0]
    assert list(scenario.periods) == ["AM"]
    span = scenario.period("AM")
    assert (span.begin_s, span.end_s, span.warmup_s) == (27000, 30600, 600)
    assert {row.grade for row in scenario.assumptions} <= {"A", "B", "C", "assumed"}
    registry.controller("existing").reset(scenario, "AM")  # its plan keeps the limits


def test_counts_that_agree_leave_the_flows_of_independent_turns() -> None:
    """Of a crossing counted on all four arms, the most likely turns are the product of the arms' shares."""
    flows = most_likely_flows(CROSS, ["a", "b", "c", "d"], [300.0, 100.0, 100.0, 300.0])
    assert flows == pytest.approx([75, 225, 25, 75], rel=0.01)


def test_counts_that_contradict_each_other_share_the_gap() -> None:
    """100 in, 144 out: x minimises (x - 100)^2 / 100 + (x - 144)^2 / 144, each weighted by its variance."""
    flows = most_likely_flows([("a", "b")], ["a", "b"], [100.0, 144.0])
    assert flows == pytest.approx([2 / (1 / 100 + 1 / 144)], rel=0.001)


def test_no_flows_come_nearer_to_counts_with_errors(shixin_short: Scenario) -> None:
    """Turning counts with errors of 30 %, the sum of squared GEH against the optimum of another solver."""
    from scipy.optimize import nnls

    network, flows = shixin_short.network, movement_flows(shixin_short.demand("AM"))
    places = [movement.id for signal in network.signals.values() for movement in signal.movements]
    counted = np.array([flows[place] for place in places]) * np.random.default_rng(1).lognormal(0, 0.3, len(places))
    routes = rim_to_rim(network, places)
    a = np.array([[float(place in passes(route)) for route in routes] for place in places])
    weight = 1 / np.sqrt(counted)
    optimum = nnls(a * weight[:, None], counted * weight)[1] ** 2
    missed = float(np.sum(((a @ most_likely_flows(routes, places, counted.tolist()) - counted) * weight) ** 2))
    assert optimum > 10
    assert missed == pytest.approx(optimum, rel=0.01)


def test_a_count_of_nothing_closes_a_way() -> None:
    flows = most_likely_flows(CROSS, ["a>j", "b>j", "j>c", "j>d"], [50.0, 0.0, 20.0, 30.0])
    assert flows == pytest.approx([20, 30, 0, 0], abs=0.1)
    assert np.all(flows >= 0)


def test_routes_run_from_rim_to_rim_over_every_movement(shixin_short: Scenario) -> None:
    network = shixin_short.network
    movements = {m.id for signal in network.signals.values() for m in signal.movements}
    routes = rim_to_rim(network, [])
    assert movements <= {place for route in routes for place in passes(route)}
    assert len(routes) == len(set(routes)) == 10 * 9  # to every other end
    entries, exits = network.rim()
    assert {route[0] for route in routes} == set(entries)
    assert {route[-1] for route in routes} == set(exits)


def test_intervals_become_a_profile_and_gaps_make_periods(jincheng: Scenario, tmp_path: Path) -> None:
    def count(begin_s: int, end_s: int, veh: float) -> Count:
        return Count("S_J11.bay", "J11_N", begin_s, end_s, veh)

    table = [count(25200, 26100, 100), count(26100, 27000, 200), count(61200, 64800, 50)]
    counts.write(tmp_path / "counts.csv", table)
    scenario, fitted = calibration.calibrate(network_of(jincheng), tmp_path / "counts.csv", "two", tmp_path / "two")
    assert [(name, p.begin_s, p.duration_s) for name, p in scenario.periods.items()] == [
        ("AM", 25200, 1800),
        ("PM", 61200, 3600),
    ]
    assert [veh_h for _, veh_h in fitted] == pytest.approx([400, 800, 50], rel=0.01)
    morning = scenario.demand("AM")
    assert isinstance(morning, Profile)
    assert [(part.begin_s, part.end_s) for part in morning.slices] == [(24600, 26100), (26100, 27000)]
    morning.write(tmp_path / "routes.xml", 24600, 27000, seed=1)
    assert (tmp_path / "routes.xml").read_text(encoding="utf-8").count("<vehicle") == pytest.approx(367, abs=3)


def test_two_mornings_are_named_by_the_clock() -> None:
    names = calibration._names([[(0, 900)], [(1800, 2700), (2700, 3600)], [(61200, 64800)]])
    assert names == ["0000-0015", "0030-0100", "PM"]


def routes_file(path: Path, *routes: str) -> Path:
    text = "".join(f'<route id="{k}" edges="{edges}"/>' for k, edges in enumerate(routes))
    path.write_text(f"<routes>{text}</routes>", encoding="utf-8")
    return path


def test_given_routes_are_the_only_ones(jincheng: Scenario, tmp_path: Path) -> None:
    counts.write(tmp_path / "counts.csv", [Count("S_J11.bay", "", 0, 3600, 90)])
    way = "S_J11 S_J11.bay J11_W11"
    file = routes_file(tmp_path / "r.xml", way, way)
    scenario, _ = calibration.calibrate(network_of(jincheng), tmp_path / "counts.csv", "x", tmp_path / "x", file)
    (flow,) = scenario.demand("AM").motor_flows
    assert (flow.edges, round(flow.veh_h)) == (tuple(way.split()), 90)


def test_what_cannot_be_used_is_named(jincheng: Scenario, tmp_path: Path) -> None:
    network, table = network_of(jincheng), tmp_path / "counts.csv"
    counts.write(table, [Count("S_J11.bay", "J11_N", 0, 3600, 90)])
    other = routes_file(tmp_path / "r.xml", "S_J11 S_J11.bay J11_W11")
    with pytest.raises(BadInput, match=r"r\.xml: no route passes S_J11\.bay>J11_N, which .*counts\.csv counts"):
        calibration.calibrate(network, table, "x", tmp_path / "x", other)
    with pytest.raises(BadInput, match="drives from 'S_J11' onto 'J11_N'"):
        read_routes(routes_file(tmp_path / "r.xml", "S_J11 J11_N"), jincheng.network)
    with pytest.raises(BadInput, match="it has no <route"):
        read_routes(routes_file(tmp_path / "r.xml"), jincheng.network)
    with pytest.raises(BadInput, match="is not empty"):
        calibration.calibrate(network, table, "x", tmp_path)
    assert not (tmp_path / "x").exists()


def test_a_failure_leaves_nothing(jincheng: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Scenario) -> None:
        raise BadInput("half-way")

    counts.write(tmp_path / "counts.csv", [Count("S_J11.bay", "J11_N", 0, 3600, 90)])
    monkeypatch.setattr(calibration, "_existing", fail)
    with pytest.raises(BadInput, match="half-way"):
        calibration.calibrate(network_of(jincheng), tmp_path / "counts.csv", "x", tmp_path / "x")
    assert not (tmp_path / "x").exists()
