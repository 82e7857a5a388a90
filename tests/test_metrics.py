"""Metrics against hand-made trip records and hand-computed results, and against what SUMO really writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from greenband.control import ControlLoop
from greenband.errors import SimulationError
from greenband.metrics import METRICS, Travel, read_travel, safety_counts, travel_metrics
from greenband.scenario import Scenario
from greenband.simulation import Records

ROW = (
    '<tripinfo id="{id}" depart="{depart}" departDelay="{delay}" arrival="{arrival}" duration="{duration}"'
    ' routeLength="{length}" waitingTime="{waiting}" waitingCount="{stops}" timeLoss="{loss}" vType="{kind}">{inside}'
    "</tripinfo>\n"
)
WALK = (
    '<personinfo id="{id}" depart="{depart}" type="pedestrian"><walk depart="{depart}" duration="{duration}"'
    ' routeLength="{length}" maxSpeed="1.25" waitingTime="{waiting}" timeLoss="{loss}"/></personinfo>'
)


def row(name: str, depart: float, delay: float, arrival: float, duration: float, length: float, **more: Any) -> str:
    values = {"depart": depart, "delay": delay, "arrival": arrival, "duration": duration, "length": length}
    rest = {"loss": 0.0, "waiting": 0.0, "stops": 0, "kind": "car", "inside": "", **more}
    return ROW.format(id=name, **values, **rest)


def walk(name: str, depart: float, loss: float, duration: float = 100, length: float = 50, waiting: float = 0) -> str:
    return WALK.format(id=name, depart=depart, loss=loss, duration=duration, length=length, waiting=waiting)


def records(folder: Path, *rows: str, end: str = "</tripinfos>") -> Records:
    made = Records(folder)
    made.trips.write_text(f"<tripinfos>\n{''.join(rows)}{end}", encoding="utf-8")
    return made


def measured(folder: Path, *rows: str) -> Travel:
    classes = {"ebike": "bicycle", "ebike_fast": "bicycle", "metro": "subway", "city_bus": "bus"}
    return read_travel(records(folder, *rows), 2000, classes).within(1000, 2000)


# Measured from 1000 s to 2000 s, when the simulation ends.
SAMPLE = (
    row("warm.0", 1001, 2, 1100, 99, 500, loss=50),  # scheduled at 999: warm-up, left out
    row("S-N.0", 1010, 10, 1110, 100, 1000, loss=20, waiting=5, stops=1),  # scheduled at 1000: measured
    row("N-S.0", 1500, 0, 1750, 250, 1000, loss=90, waiting=60, stops=3),
    row("a-b.0", 1900, 40, -1, 100, 300, loss=70, waiting=290, stops=2),  # still under way at 2000 s
    row("a-b.1", -1, 100, -1, 0, 5, loss=7, waiting=9, stops=4),  # never departed: scheduled at 1900
    row("a-b.2", -1, 1001, -1, 0, 0),  # never departed, scheduled at 999: left out
)


def test_hand_computed_metrics(jincheng: Scenario, tmp_path: Path) -> None:
    travel = measured(tmp_path, *SAMPLE)
    assert [trip.depart_s for trip in travel.trips] == [1000, 1500, 1860, 1900]
    assert [trip.delay_s for trip in travel.trips] == [30, 90, 110, 100]
    values = travel_metrics(travel, jincheng)
    time = 110 + 250 + 140 + 100
    expected = {
        "delay_s": 330 / 4,
        "delay_median_s": 95,  # between 90 and 100
        "delay_p95_s": 108.5,  # between 100 and 110: position 0.95 * 3 = 2.85
        "travel_time_s": time / 4,
        "speed_kmh": 3.6 * 2300 / time,
        "stops": 6 / 4,
        "throughput_veh": 2,
        "undeparted_veh": 1,
        "gridlock_share": 1 / 4,  # 290 s standing and 40 s before the entry
        "mainline_speed_kmh": 3.6 * 2000 / 360,
        "northbound_speed_kmh": 3.6 * 1000 / 110,
        "southbound_speed_kmh": 3.6 * 1000 / 250,
    }
    assert values == pytest.approx(expected)
    assert set(values) < set(METRICS)


def test_ebikes_and_people_have_figures_of_their_own(jincheng: Scenario, tmp_path: Path) -> None:
    """They leave those of motor vehicles as they are."""
    alone = travel_metrics(measured(tmp_path, *SAMPLE), jincheng)
    others = (
        row("a-b.7", 1100, 4, 1300, 200, 800, loss=16, kind="ebike"),
        row("a-b.8", 1200, 0, 1300, 100, 800, loss=40, kind="ebike_fast"),
        walk("w.0", 1000, loss=30),
        walk("w.1", 1999, loss=45),
        walk("w.2", 900, loss=500),  # warm-up
        row("breakdown", 1100, 0, 1700, 600, 1, loss=600, kind="breakdown"),  # an incident is no trip
    )
    values = travel_metrics(measured(tmp_path, *SAMPLE, *others), jincheng)
    assert values == {**alone, "ebike_delay_s": 30, "pedestrian_delay_s": 37.5, "incident_late_s": 0}


def test_the_class_of_a_vehicle_says_if_it_has_a_motor_not_what_its_type_is_called(
    jincheng: Scenario, tmp_path: Path
) -> None:
    """A tram's trip is nobody's figure, a bus called ebike-something is a bus."""
    alone = travel_metrics(measured(tmp_path, *SAMPLE), jincheng)
    tram = row("t.0", 1100, 0, 1900, 800, 1, kind="metro")
    assert travel_metrics(measured(tmp_path, *SAMPLE, tram), jincheng) == alone
    one = measured(tmp_path, row("b.0", 1100, 0, 1200, 100, 500, loss=20, kind="city_bus"))
    assert travel_metrics(one, jincheng)["delay_s"] == 20
    with_unknown = measured(tmp_path, row("b.0", 1100, 0, 1200, 100, 500, loss=20, kind="ebike_but_undefined"))
    assert travel_metrics(with_unknown, jincheng)["delay_s"] == 20


def test_who_is_still_walking_counts_to_the_end(tmp_path: Path) -> None:
    """Of a way of 100 m at 1.25 m/s, as the others of the flow tell; SUMO says that they lost nothing."""
    rows = (
        walk("w.0", 1000, loss=20, duration=100, length=100, waiting=18),
        walk("w.1", 1800, loss=0, duration=200, length=-1, waiting=50),  # 80 s would do
        walk("w.2", 1950, loss=0, duration=50, length=-1, waiting=30),  # stands at red
        walk("w.3", 1990, loss=0, duration=10, length=-1),
        walk("other.3", 1800, loss=0, duration=200, length=-1, waiting=7),  # nobody says how far it has to go
        walk("alone", 1800, loss=0, duration=200, length=-1, waiting=8),
        walk("single", 1800, loss=5, duration=50, length=50),  # of no flow
    )
    assert [w.time_loss_s for w in measured(tmp_path, *rows).walks] == [20, 120, 30, 0, 7, 8, 5]


def test_an_incident_is_late_by_its_wait_for_room(jincheng: Scenario, tmp_path: Path) -> None:
    came = row("breakdown", 1140, 40, 1700, 600, 1, kind="breakdown")
    assert travel_metrics(measured(tmp_path, *SAMPLE, came), jincheng)["incident_late_s"] == 40
    never = row("breakdown", -1, 900, -1, 0, 0, kind="breakdown")
    assert math.isnan(travel_metrics(measured(tmp_path, *SAMPLE, never), jincheng)["incident_late_s"])
    assert "incident_late_s" not in travel_metrics(measured(tmp_path, *SAMPLE), jincheng)


def test_co2_is_all_that_was_emitted_over_all_that_was_driven(jincheng: Scenario, tmp_path: Path) -> None:
    first = row("S-N.0", 1010, 10, 1110, 100, 1500, inside='<emissions CO2_abs="300000"/>')  # mg
    second = row("S-N.1", 1010, 10, 1110, 100, 500, inside='<emissions CO2_abs="160000"/>')
    assert travel_metrics(measured(tmp_path, first, second), jincheng)["co2_g_km"] == pytest.approx(230)


def test_no_trips_no_metrics(jincheng: Scenario, tmp_path: Path) -> None:
    assert travel_metrics(measured(tmp_path), jincheng) == {}


def test_a_record_cut_short_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"trips\.xml"):
        read_travel(Records(tmp_path), 10)
    with pytest.raises(SimulationError, match=r"trips\.xml"):
        read_travel(records(tmp_path, *SAMPLE, end=""), 10)
    with pytest.raises(SimulationError, match=r"statistics\.xml"):
        safety_counts(Records(tmp_path).statistics)
    Records(tmp_path).statistics.write_text("<statistics/>", encoding="utf-8")
    with pytest.raises(SimulationError, match=r"statistics\.xml"):
        safety_counts(Records(tmp_path).statistics)


def test_what_sumo_writes_is_understood(jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path) -> None:
    """With far too much traffic: each scheduled vehicle is read back once, with the time it was scheduled for, those
    that never found room included, and they waited to the end of the run.
    """
    short, made = shorten(jincheng, duration_s=150, warmup_s=50), Records(tmp_path)
    span = short.period("AM")
    loop = ControlLoop(short, "AM")
    try:
        loop.reset(3, demand=4.0, records=made)
        while not loop.done:
            loop.step({}, 50)
        pending = loop.simulation.pending()
    finally:
        loop.close()
    jincheng.demand("AM").write(tmp_path / "routes.xml", span.start_s, span.end_s, 3, 4.0)
    drawn = [float(v.attrib["depart"]) for v in ET.parse(tmp_path / "routes.xml").getroot().iter("vehicle")]
    trips = read_travel(made, span.end_s).trips
    assert sorted(t.depart_s for t in trips) == pytest.approx(drawn, abs=0.011)
    never = [t for t in trips if not t.entered]
    known = [t for t in never if t.depart_s <= span.end_s - 1]  # SUMO takes up departures a second at a time
    assert len(known) == pending > 10
    assert all(t.depart_delay_s == pytest.approx(span.end_s - t.depart_s) for t in never)
    assert {(t.duration_s, t.distance_m, t.time_loss_s, t.arrived) for t in never} == {(0.0, 0.0, 0.0, False)}
    under_way = [t for t in trips if t.entered and not t.arrived]
    assert under_way
    for trip in under_way:
        assert trip.depart_s + trip.depart_delay_s + trip.duration_s == pytest.approx(span.end_s)
    assert safety_counts(made.statistics) == {"teleports": 0, "collisions": 0}
