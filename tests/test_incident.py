"""A closed lane: where it is put, that it lasts ten minutes, and that it holds traffic up without harm."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from greenband.errors import BadInput, UnknownName
from greenband.evaluation import resolve
from greenband.evaluation.runner import Task, run_one
from greenband.incident import BREAKDOWN, Incident, find_incident
from greenband.metrics import read_travel
from greenband.scenario import Scenario
from greenband.simulation import Records, Simulation


def test_it_is_in_the_middle_of_the_road(shixin_short: Scenario) -> None:
    """Northbound at the third of four signals, in the lane next to the turning lane, a quarter into the hour."""
    found = find_incident(shixin_short, "AM", "middle")
    assert (found.lane, found.begin_s, found.duration_s) == ("J09_J10.bay_3", 27000 + 900, 600)
    assert found.at_m == pytest.approx(shixin_short.network.lane_length_m(found.lane) / 2, abs=0.1)
    assert str(found) == "lane J09_J10.bay_3 closed 07:45 to 07:55"


def test_it_can_be_at_a_signal(shixin_short: Scenario) -> None:
    through = {m.from_lanes[-1] for m in shixin_short.network.signals["J08"].movements if m.turn == "through"}
    assert find_incident(shixin_short, "AM", "J08").lane in through
    with pytest.raises(UnknownName, match=r"signal for --incident 'J8'.*did you mean 'J08'"):
        find_incident(shixin_short, "AM", "J8")


def test_one_lane_cannot_be_closed(shixin_short: Scenario) -> None:
    narrow = shixin_short.model_copy(deep=False)
    signal = shixin_short.network.signals["J08"]
    quiet = signal.__class__(**{**signal.__dict__, "movements": ()})
    narrow.__dict__["network"] = type("N", (), {"signals": {"J08": quiet}})()
    with pytest.raises(BadInput, match="no traffic goes straight on there on two lanes"):
        find_incident(narrow, "AM", "J08")


def test_the_lane_is_closed_for_its_time(
    shixin_short: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    """Nothing passes the place on that lane meanwhile, and the vehicle goes when the time is over."""
    short = shorten(shixin_short, duration_s=400, warmup_s=60)
    begin = short.period("AM").start_s + 100
    there = Incident("J09_J10.bay_3", 30.0, begin, 200)
    records = Records(tmp_path)
    with Simulation(short, "AM", 0, records=records, incident=there) as session:
        lane, ahead = session.api.lane, set[str]()
        stood = []
        while session.now < short.period("AM").end_s:
            session.advance(session.now + 1)
            here = {name: session.api.vehicle.getLanePosition(name) for name in lane.getLastStepVehicleIDs(there.lane)}
            if here.get(BREAKDOWN, 0) > 0 and session.api.vehicle.isStopped(BREAKDOWN):
                stood.append(session.now)
                ahead |= {name for name, place in here.items() if place < here[BREAKDOWN] and name != BREAKDOWN}
                overtook = {name for name, place in here.items() if place > here[BREAKDOWN]} & ahead
                assert not overtook
    assert len(stood) == pytest.approx(200, abs=2)
    assert begin <= stood[0] <= begin + 120
    trips = ET.parse(records.trips).getroot().findall("tripinfo")
    (row,) = [trip.attrib for trip in trips if trip.attrib["id"] == BREAKDOWN]
    assert float(row["arrival"]) == pytest.approx(stood[-1], abs=5)
    assert read_travel(records, short.period("AM").end_s).incident_late_s == pytest.approx(stood[0] - begin, abs=5)


def test_a_queue_may_leave_no_room_for_it(jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path) -> None:
    """All lamps are red; with no vehicle there it is on time, before the end of a queue it never comes."""
    short, lates = shorten(jincheng, duration_s=200, warmup_s=100), list[float | None]()
    span, lane = short.period("AM"), find_incident(short, "AM", "middle").lane
    for begin in (span.start_s + 2, span.end_s - 60):
        there, records = Incident(lane, 30.0, begin, 600), Records(tmp_path / str(begin))
        with Simulation(short, "AM", 0, demand=2.0, records=records, incident=there) as session:
            session.show("J11", "r" * short.network.signals["J11"].lamps)
            session.advance(span.end_s)
        lates.append(read_travel(records, span.end_s).incident_late_s)
    assert lates == [pytest.approx(0, abs=1), pytest.approx(math.nan, nan_ok=True)]


def test_traffic_suffers_and_no_controller_is_told(shixin_short: Scenario, shorten: Callable[..., Scenario]) -> None:
    """The same plan, as it cannot know, with more delay at that signal; no collision, no teleport."""
    short = shorten(shixin_short, duration_s=800, warmup_s=200)
    there = find_incident(short, "AM", "middle")
    clear, closed = (run_one(Task(resolve("existing"), short, "AM", 1, incident=i)) for i in (None, there))
    assert clear.executed == closed.executed
    delay = {
        name: next(p.values["control_delay_s"] for p in run.places if p.id == "J09_J10.bay>J10_J11")
        for name, run in (("clear", clear), ("closed", closed))
    }
    assert delay["closed"] > delay["clear"] + 2
    assert (closed.collisions, closed.teleports, closed.violations) == (0, 0, ())
    assert 0 <= closed.metrics["incident_late_s"] < 300
    assert "incident_late_s" not in clear.metrics
