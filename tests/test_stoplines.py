"""Arrivals and departures at stop lines, worked by hand and as SUMO writes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from greenband import registry
from greenband.control import run
from greenband.metrics import Trip, read_travel
from greenband.passages import Passages, journeys, stop_lines
from greenband.scenario import Scenario
from greenband.simulation import Records, Simulation
from greenband.stoplines import StopLine, read_stop_lines

NORTH = ("S_J08", "S_J08.bay", "J08_J09", "J08_J09.bay", "J09_J10")


def trip(name: str, depart_s: float, delay_s: float = 0.0, **more: float) -> Trip:
    """A car, 0.9 times as fast as allowed."""
    entered = not math.isinf(delay_s)
    values = {"speed_factor": 0.9, **more}
    return Trip(name, "car", depart_s, delay_s, 0, 0, 0, 0, 0, entered, False, **values)


def write(folder: Path, scenario: Scenario, journeys: list[tuple[str, tuple[str, ...], list[float]]]) -> Records:
    """Records with some journeys, and every lamp green in seconds 0 to 29 and red in 30 to 59."""
    rows = (
        f'<vehicle id="{name}" type="car"><route edges="{" ".join(edges)}"'
        f' exitTimes="{" ".join(f"{t:.2f}" for t in times)}"/></vehicle>'
        for name, edges, times in journeys
    )
    made = Records(folder, passages=True)
    made.routes.write_text(f"<routes>{''.join(rows)}</routes>", encoding="utf-8")
    for name, signal in scenario.network.signals.items():
        shown = "".join(
            f'<tlsState time="{t:.2f}" id="{name}" state="{("G" if t < 30 else "r") * signal.lamps}"/>'
            for t in range(60)
        )
        made.lamps(name).write_text(f"<tlsStates>{shown}</tlsStates>", encoding="utf-8")
    return made


def at(lines: list[StopLine], movement: str) -> StopLine:
    return next(line for line in lines if line.movement.id == movement)


def test_arrivals_follow_from_edges_and_limits(shixin_short: Scenario, tmp_path: Path) -> None:
    """The first approach is driven from the scheduled departure, the next from the stop line before."""
    network = shixin_short.network
    times = [30.0, 50, 100, 120, -1]
    made = write(tmp_path, shixin_short, [("S-N.0", NORTH, times)])
    lines = read_stop_lines(made, shixin_short, "AM", [trip("S-N.0", 2.0, 8.0, depart_m=20.0)])
    first, second = at(lines, "S_J08.bay>J08_J09"), at(lines, "J08_J09.bay>J09_J10")
    speed = network.edge_speed_ms("S_J08")
    widening = network.crossing_time_s("S_J08", "S_J08.bay")
    assert widening == pytest.approx(9.06 / speed, rel=0.05)
    free = network.edge_time_s("S_J08") + widening + network.edge_time_s("S_J08.bay") - 20 / speed
    assert first.arrived_s.tolist() == [pytest.approx(2 + free / 0.9)]
    assert first.left_s.tolist() == [50]
    free = sum(network.edge_time_s(edge) for edge in NORTH[2:4])
    free += network.crossing_time_s("S_J08.bay", "J08_J09") + network.crossing_time_s("J08_J09", "J08_J09.bay")
    assert second.arrived_s.tolist() == [pytest.approx(50 + free / 0.9)]
    assert second.left_s.tolist() == [120]
    assert sum(len(line.arrived_s) for line in lines) == 2
    assert first.greens.tolist() == [[0, 30]]


def test_who_is_faster_than_allowed_arrives_when_it_leaves(shixin_short: Scenario, tmp_path: Path) -> None:
    made = write(tmp_path, shixin_short, [("S-N.0", NORTH, [5, 8, -1, -1, -1])])
    lines = read_stop_lines(made, shixin_short, "AM", [trip("S-N.0", 2.0)])
    line = at(lines, "S_J08.bay>J08_J09")
    assert (line.arrived_s.tolist(), line.left_s.tolist()) == ([8], [8])
    under_way = at(lines, "J08_J09.bay>J09_J10")
    assert under_way.arrived_s[0] > 8
    assert under_way.left_s.tolist() == [math.inf]


def test_who_never_entered_stands_before_the_first_signal(shixin_short: Scenario, tmp_path: Path) -> None:
    made = write(tmp_path, shixin_short, [])
    never = trip("S-N.4", 10.0, math.inf)
    unknown = trip("elsewhere.4", 10.0, math.inf)
    lines = read_stop_lines(made, shixin_short, "AM", [never, unknown])
    line = at(lines, "S_J08.bay>J08_J09")
    assert len(line.arrived_s) == sum(len(line.arrived_s) for line in lines) == 1
    assert line.left_s.tolist() == [math.inf]


def test_who_never_entered_by_a_route_file_of_others(shixin_short: Scenario, tmp_path: Path) -> None:
    """Its vehicles have their own ids; those of a flow are numbered, doubles have a plus; trips tell no way."""
    route = f'<route edges="{" ".join(NORTH)}"/>'
    (tmp_path / "foreign.rou.xml").write_text(
        f'<routes><vehicle id="left.turner" depart="1">{route}</vehicle><vehicle id="x" depart="2">{route}</vehicle>'
        f'<flow id="f" begin="0" end="9" number="3">{route}</flow>'
        f'<trip id="nowhere" depart="3" from="{NORTH[0]}" to="{NORTH[-1]}"/></routes>',
        encoding="utf-8",
    )
    period = shixin_short.period("AM").model_copy(update={"demand": "foreign.rou.xml"})
    foreign = shixin_short.model_copy(update={"periods": {"AM": period}, "folder": tmp_path})
    foreign.__dict__["network"] = shixin_short.network
    made = write(tmp_path, foreign, [])
    names = ("left.turner", "x", "x+1", "f.2", "nowhere", "x.3", "f")
    lines = read_stop_lines(made, foreign, "AM", [trip(name, 10.0, math.inf) for name in names])
    assert len(at(lines, "S_J08.bay>J08_J09").arrived_s) == sum(len(line.arrived_s) for line in lines) == 4


def test_buses_that_halt_and_ebikes_are_left_out(shixin_short: Scenario, tmp_path: Path) -> None:
    times = [30.0, 50, 100, 120, -1]
    made = write(tmp_path, shixin_short, [("bus.0", NORTH, times), ("e.0", NORTH, times), ("lost.0", NORTH, times)])
    ebike = Trip("e.0", "bicycle", 2, 0, 0, 0, 0, 0, 0, True, False)
    lines = read_stop_lines(made, shixin_short, "AM", [trip("bus.0", 2.0, stop_s=20.0), ebike])
    assert not any(len(line.arrived_s) for line in lines)


def test_next_green() -> None:
    arrived = np.array([0.0, 10, 19.9, 20, 30, 45, 60])
    line = StopLine("J", None, arrived, arrived, np.array([[10.0, 20], [40, 50]]))  # type: ignore[arg-type]
    assert line.next_green_s().tolist() == [10, 10, 19.9, 40, 40, 45, math.inf]


def test_what_sumo_writes_adds_up(shixin_short: Scenario, shorten: Callable[..., Scenario], tmp_path: Path) -> None:
    """Departures are those counted at the stop lines; on whole trips, delays at signals explain SUMO's time loss."""
    short = shorten(shixin_short, duration_s=600, warmup_s=200)
    span, made = short.period("AM"), Records(tmp_path, passages=True)
    run(registry.controller("existing"), short, "AM", 1, records=made)
    travel = read_travel(made, span.end_s)
    lines = read_stop_lines(made, short, "AM", travel.trips)
    counted = {
        f"{count.from_edge}>{count.to_edge}": count.veh
        for count in stop_lines(short, Passages.load(made), span.start_s, span.end_s + 1)
    }
    buses = sum(1 for t in travel.trips if t.stop_s)
    crossed = {line.movement.id: int(np.isfinite(line.left_s).sum()) for line in lines}
    assert set(crossed) == set(counted)
    assert all(0 <= counted[name] - crossed[name] <= 4 * buses for name in counted)
    assert sum(crossed.values()) > 500
    done = [t for t in travel.trips if t.arrived and not t.stop_s]
    delay = sum(np.minimum(line.left_s, span.end_s).sum() - line.arrived_s.sum() for line in lines)
    assert all((line.arrived_s <= line.left_s).all() for line in lines)
    loss = sum(t.delay_s for t in travel.trips if not t.stop_s)
    assert len(done) > 100
    assert delay == pytest.approx(loss, rel=0.15)  # the rest is lost beyond the last stop line


def test_a_vehicle_that_changed_its_way_counts_where_it_went(shixin_short: Scenario, tmp_path: Path) -> None:
    """SUMO then writes several routes for it, unless told not to."""
    made = Records(tmp_path, passages=True)
    with Simulation(shixin_short, "AM", 0, records=made) as session:
        vehicle = session.api.vehicle
        while "S-N.0" not in vehicle.getIDList():
            session.advance(session.now + 1)
        vehicle.changeTarget("S-N.0", "J08_W08")
        session.advance(session.now + 2)
    (journey,) = [j for j in journeys(made) if j.id == "S-N.0"]
    assert journey.edges == ("S_J08", "S_J08.bay", "J08_W08")
    assert journey.left_s == (-1, -1, -1)
