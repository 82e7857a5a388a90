"""Arrivals are random, repeatable, Poisson-like, and as many as the flows say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from greenband.demand import FlowTable, Profile, RouteFile, RouteFlow, Slice, load, profile, vehicle_classes
from greenband.errors import BadInput

TABLE = FlowTable((RouteFlow("a-b", ("a", "b"), 300.0), RouteFlow("a-c", ("a", "c"), 100.5)), "car")
ONE = FlowTable((RouteFlow("a-b", ("a", "b"), 720.0),), "car")


def test_a_seed_always_gives_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "again", "other")]
    for path, seed in zip(files, (7, 7, 8), strict=True):
        TABLE.write(path, 0, 3600, seed)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes() != files[2].read_bytes()


def test_headways_are_exponential() -> None:
    times = np.array([time for time, _, _ in ONE.draw(0, 50 * 3600, 1)])
    headways = np.diff(times)
    assert headways.std() / headways.mean() == pytest.approx(1.0, abs=0.03)
    assert headways.mean() == pytest.approx(5.0, rel=0.001)
    assert np.mean(headways > 10.0) == pytest.approx(np.exp(-2), abs=0.01)


def test_counts_within_the_hour_disperse_like_poisson() -> None:
    """Variance over mean of the counts in slots of 60 s is near 1: 1 - 60/3600, as the hour's total is fixed."""
    counts = [
        np.histogram([t for t, _, _ in ONE.draw(0, 3600, seed)], bins=60, range=(0, 3600))[0] for seed in range(100)
    ]
    assert np.var(counts) / np.mean(counts) == pytest.approx(1 - 1 / 60, abs=0.06)


def test_every_seed_has_the_flow_and_shares_it_among_routes() -> None:
    drawn = [TABLE.draw(1000, 4600, seed) for seed in range(200)]
    assert {len(arrivals) for arrivals in drawn} == {400, 401}
    assert np.mean([len(arrivals) for arrivals in drawn]) == pytest.approx(400.5, abs=0.15)
    second = [sum(index == 1 for _, index, _ in arrivals) for arrivals in drawn]
    assert np.mean(second) == pytest.approx(100.5, abs=2.5)  # 4 standard errors: sqrt(75 / 200) each
    assert all(1000 <= time <= 4600 for arrivals in drawn for time, _, _ in arrivals)


def test_arrivals_are_sorted_and_numbered_per_route() -> None:
    drawn = TABLE.draw(0, 3600, 0)
    assert [t for t, _, _ in drawn] == sorted(t for t, _, _ in drawn)
    for route in (0, 1):
        numbers = [n for _, index, n in drawn if index == route]
        assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 0), (0.5, 360), (2.0, 1440)])
def test_scale_multiplies_the_flow(scale: float, expected: int) -> None:
    assert len(ONE.draw(0, 3600, 3, scale)) == expected


def test_a_table_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    TABLE.save(tmp_path / "flows.json")
    assert FlowTable.load(tmp_path / "flows.json") == TABLE


def test_flows_of_a_route_file_count_vehicles_and_flows_alike(tmp_path: Path) -> None:
    """In 100 s: a vehicle, 10 by a period, 20 by a rate an hour, 5 by number, 50 by probability, 25 by exp()."""
    ways = ['period="10"', 'vehsPerHour="720"', 'number="5"', 'probability="0.5"', 'period="exp(0.25)"']
    flows = "".join(f'<flow id="{k}" begin="0" end="100" route="r" {way}/>' for k, way in enumerate(ways))
    vehicle = '<vehicle id="v" depart="3"><route edges="a b"/></vehicle>'
    text = f'<routes><route id="r" edges="a b"/>{flows}{vehicle}<vehicle id="w" depart="triggered" route="r"/></routes>'
    (tmp_path / "some.rou.xml").write_text(text, encoding="utf-8")
    (flow,) = load(tmp_path / "some.rou.xml").motor_flows
    assert flow.edges == ("a", "b")
    assert flow.veh_h == pytest.approx((1 + 10 + 20 + 5 + 50 + 25) * 36)


def test_classes_of_vehicle_types_are_those_defined_and_sumos_own(tmp_path: Path) -> None:
    """Types may stand within a distribution, in a route file as in an additional one."""
    mixed = '<vTypeDistribution id="m"><vType id="city" vClass="bus"/><vType id="car"/></vTypeDistribution>'
    (tmp_path / "a.rou.xml").write_text(f"<routes>{mixed}</routes>", encoding="utf-8")
    (tmp_path / "b.add.xml").write_text(
        '<additional><vType id="bike_DE" vClass="bicycle"/></additional>', encoding="utf-8"
    )
    found = vehicle_classes([tmp_path / "a.rou.xml", tmp_path / "b.add.xml"])
    assert {name: kind for name, kind in found.items() if not name.startswith("DEFAULT_")} == {
        "city": "bus",
        "car": "passenger",
        "bike_DE": "bicycle",
    }
    assert found["DEFAULT_BIKETYPE"] == "bicycle"


@pytest.mark.parametrize("text", [None, "", "[]", '{"flows": []}', '{"flows": [{"id": 1}], "vehicle_type": "car"}'])
def test_what_is_no_table_is_refused(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "flows.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"flows\.json: not a flow table"):
        FlowTable.load(path)


def test_a_profile_is_cut_to_the_hours_asked_for() -> None:
    table = FlowTable((RouteFlow("a", ("x", "y"), 100.0),), "car")
    whole = Profile((Slice(0, 3600, table), Slice(3600, 7200, table, 3.0)))
    inside = whole.within(1800, 4500)
    assert [(part.begin_s, part.end_s, part.factor) for part in inside.slices] == [(1800, 3600, 1.0), (3600, 4500, 3.0)]
    assert inside.motor_flows[0].veh_h == pytest.approx((1800 * 100 + 900 * 300) / 2700)
    assert whole.within(7200, 9000).motor_flows == ()
    assert profile(whole, 1800, 4500) == inside
    assert profile(table, 10, 20) == Profile((Slice(10, 20, table),))


def test_a_route_file_is_told_hour_by_hour(tmp_path: Path) -> None:
    (tmp_path / "r.rou.xml").write_text(
        '<routes><route id="r" edges="x y"/>'
        '<vehicle id="1" route="r" depart="10"/><vehicle id="2" route="r" depart="3600"/>'
        '<flow id="f" route="r" begin="1800" end="9000" number="40"/></routes>',
        encoding="utf-8",
    )
    hours = profile(RouteFile(tmp_path / "r.rou.xml"), 0, 5400)
    assert [(part.begin_s, part.end_s) for part in hours.slices] == [(0, 3600), (3600, 5400)]
    flows = [sum(flow.veh_h for flow in part.table.motor_flows) for part in hours.slices]
    assert flows == pytest.approx([11.0, 22.0])  # 1 + 10 vehicles in an hour, 1 + 10 in half an hour
