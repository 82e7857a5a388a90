"""What is added to SUMO's mesoscopic model: late queues, closed yellows, long bays."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from greenband.errors import BadInput
from greenband.meso import QueueLamps, lengthened
from greenband.monitor import read_lamps
from greenband.scenario import Scenario
from greenband.scenarios import load
from greenband.simulation import Records, Simulation


def test_queues_start_late_and_stop_at_yellow(tmp_path: Path) -> None:
    lamps = QueueLamps()
    assert lamps.ask("A", "Grs", 100) == "Grs"  # what is green from the start moves already
    assert lamps.ask("B", "gr", 100) == "gr"
    assert lamps.next_start(100) == math.inf
    assert lamps.ask("A", "yrs", 110) == "rrs"
    assert lamps.ask("A", "rrs", 113) == "rrs"
    assert lamps.ask("A", "rGs", 115) == "rrs"
    assert lamps.next_start(115) == 117
    assert list(lamps.starting(116)) == []
    assert list(lamps.starting(117)) == [("A", "rGs")]
    assert lamps.ask("A", "ggs", 118) == "rgs"  # the second goes on, in another green
    assert lamps.ask("A", "rgs", 119) == "rgs"
    assert lamps.next_start(120) == math.inf

    lamps.write("A", tmp_path / "lamps.xml", 121)
    signal, spans = read_lamps(tmp_path / "lamps.xml")
    assert signal == "A"
    assert [(span.begin, span.lamps) for span in spans] == [
        (100, "Grs"),
        (110, "yrs"),
        (113, "rrs"),
        (115, "rGs"),
        (118, "ggs"),
        (119, "rgs"),
    ]
    assert spans[-1].end == 121


def test_sumo_is_shown_what_queues_obey_and_the_record_what_was_asked(
    jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    short, records = shorten(jincheng, duration_s=20, warmup_s=10).at("meso"), Records(tmp_path)
    (name,) = short.network.signals
    first, second = (stage.state for stage in short.network.signals[name].stages[:2])
    held = second.replace("G", "r")
    with Simulation(short, "AM", 0, records=records) as simulation:
        begin = simulation.now
        shown = []
        simulation.show(name, first)
        for until in range(begin + 1, begin + 7):
            simulation.advance(until)
            shown.append(simulation.api.trafficlight.getRedYellowGreenState(name))
            if until == begin + 2:
                simulation.show(name, second)
        assert shown == [first, first, held, held, second, second]
        simulation.show(name, first)
        simulation.advance(begin + 20)  # over the start in one go
        assert simulation.api.trafficlight.getRedYellowGreenState(name) == first
        assert simulation.now == begin + 20
    assert [(span.begin - begin, span.lamps) for span in read_lamps(records.lamps(name))[1]] == [
        (0, first),
        (2, second),
        (6, first),
    ]


def test_a_bay_gains_what_the_road_behind_it_loses(shixin_short: Scenario) -> None:
    micro, meso = shixin_short.network, shixin_short.at("meso").network
    assert micro.edge_length_m("W08_J08.bay") == pytest.approx(66)
    assert meso.edge_length_m("W08_J08") == pytest.approx(50)
    stops = ET.parse(shixin_short.folder / "vehicles.add.xml").iter("busStop")
    last = {stop.get("lane", "").rpartition("_")[0]: float(stop.get("endPos", 0)) for stop in stops}
    assert last
    bays = [edge for edge in micro.drives if edge.endswith(".bay")]
    for bay in bays:
        before = bay.removesuffix(".bay")
        both = [network.edge_length_m(bay) + network.edge_length_m(before) for network in (micro, meso)]
        assert both[0] == pytest.approx(both[1])
        assert micro.edge_length_m(bay) < meso.edge_length_m(bay) <= 400
        assert meso.edge_length_m(before) >= max(50, last.get(before, 0) + 10) - 0.01
    unchanged = set(micro.drives) - {*bays, *(bay.removesuffix(".bay") for bay in bays)}
    assert all(micro.edge_length_m(edge) == meso.edge_length_m(edge) for edge in unchanged)


NET = """<net>
 <edge id="far"><lane id="far_0" length="{far}" speed="{speed}"/></edge>
 <edge id="near"><lane id="near_0" length="60" speed="14"/><lane id="near_1" length="61" speed="14"/></edge>
 <edge id="other"><lane id="other_0" length="300"/></edge>
 <edge id=":in" function="internal"><lane id=":in_0" length="5"/></edge>
 <connection from="far" to="near" dir="{way}"/>
 <connection from="far" to=":walk"/>
 <connection from=":in" to="near"/>
 <connection from="near" to="out" tl="J"/>
 {more}
</net>"""


@pytest.mark.parametrize(
    ("far", "more", "additional", "near"),
    [
        (1000, "", "", 400),
        (200, "", "", 210),  # 50 m are left
        (200, "", '<busStop lane="far_0" startPos="100" endPos="130"/>', 120),  # and 10 m behind a stop
        (200, "", '<busStop lane="far_0" startPos="-50" endPos="-10"/>', 60),
        (200, "", '<busStop lane="far_0" startPos="100"/>', 60),  # to the end
        (200, "", '<laneAreaDetector lanes="far_0 near_0" pos="10" endPos="20"/>', 60),
        (200, "", '<calibrator edge="far" pos="10"/>', 60),
        (200, "", '<vehicle><stop lane="far_0" endPos="130"/></vehicle>', 120),
        (200, "", '<busStop lane="other_0" startPos="100" endPos="190"/>', 210),
        (40, "", "", 60),
        (1000, '<connection from="other" to="near"/>', "", 60),  # two ways in
        (1000, '<connection from="far" to="other"/>', "", 60),  # another way on
        (1000, '<connection from="far" to="near" tl="K"/>', "", 60),  # a signal between
    ],
)
def test_what_counts_as_a_bay(tmp_path: Path, far: int, more: str, additional: str, near: float) -> None:
    net, stops = tmp_path / "net.xml", tmp_path / "stops.xml"
    net.write_text(NET.format(far=far, more=more, way="s", speed=14))
    stops.write_text(f"<additional>{additional}</additional>")
    made = {lane.get("id", ""): float(lane.get("length", 0)) for lane in _lanes(lengthened(net, [stops]))}
    assert made["near_0"] == pytest.approx(near)
    assert made["near_1"] == pytest.approx(near + 1)
    assert made["far_0"] == pytest.approx(far + 60 - near)
    assert made["other_0"] == 300
    assert made[":in_0"] == 5


@pytest.mark.parametrize(("way", "speed", "near"), [("s", 14, 400), ("t", 14, 60), ("s", 20, 60)])
def test_turning_round_leads_into_no_bay_and_limits_are_the_same(
    tmp_path: Path, way: str, speed: int, near: float
) -> None:
    net = tmp_path / "net.xml"
    net.write_text(NET.format(far=1000, more="", way=way, speed=speed))
    made = {lane.get("id"): float(lane.get("length", 0)) for lane in _lanes(lengthened(net))}
    assert made["near_0"] == near


def test_bays_are_long_where_people_walk_too() -> None:
    road = load("jincheng", people=True)
    bays = [edge for edge in road.network.drives if edge.endswith(".bay")]
    assert len(bays) == 4
    assert all(road.at("meso").network.edge_length_m(bay) > road.network.edge_length_m(bay) for bay in bays)


def test_stops_of_route_files_keep_their_places(jincheng: Scenario, tmp_path: Path) -> None:
    """SUMO refuses a stop beyond the end of its lane."""
    bay = next(edge for edge in jincheng.network.drives if edge.endswith(".bay"))
    before, onto = bay.removesuffix(".bay"), jincheng.network.drives[bay][0]
    place = jincheng.network.edge_length_m(before) - 20
    routes = f"""<routes><vehicle id="one" depart="{jincheng.period("AM").start_s}">
     <route edges="{before} {bay} {onto}"/><stop lane="{before}_0" endPos="{place}" duration="1"/></vehicle></routes>"""
    for name in (jincheng.network_file, *jincheng.additional_files):
        (tmp_path / name).write_bytes((jincheng.folder / name).read_bytes())
    (tmp_path / "one.rou.xml").write_text(routes)
    period = jincheng.period("AM").model_copy(update={"demand": "one.rou.xml", "existing_plan": None})
    road = jincheng.model_copy(update={"folder": tmp_path, "periods": {"AM": period}, "fidelity": "meso"})
    road.__dict__.pop("network", None)
    assert road.network.edge_length_m(before) == pytest.approx(place + 10)
    with Simulation(road, "AM", 0) as simulation:
        simulation.advance(simulation.now + 200)
        assert simulation.api.vehicle.getIDCount() == 0


def test_a_record_that_cannot_be_written_leaves_no_session_open(jincheng: Scenario, tmp_path: Path) -> None:
    import shutil

    records = Records(tmp_path / "records")
    simulation = Simulation(jincheng.at("meso"), "AM", 0, records=records)
    (name,) = jincheng.network.signals
    simulation.show(name, "r" * jincheng.network.signals[name].lamps)
    simulation.advance(simulation.now + 5)
    shutil.rmtree(records.folder)
    with pytest.raises(FileNotFoundError):
        simulation.close()
    with Simulation(jincheng.at("meso"), "AM", 0, records=records, backend="libsumo"):
        pass  # closed before any lamp was asked for


def _lanes(text: bytes) -> Any:
    return ET.fromstring(text).iter("lane")


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    import os

    net = tmp_path / "net.xml"
    for k, (far, near) in enumerate([(1000, 400), (200, 210)]):
        net.write_text(NET.format(far=far, more="", way="s", speed=14))
        os.utime(net, (k, k))
        assert float(next(lane for lane in _lanes(lengthened(net)) if lane.get("id") == "near_0").get("length")) == near


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    net = tmp_path / "net.xml"
    with pytest.raises(BadInput, match=r"net\.xml: cannot be made ready for fidelity meso"):
        lengthened(net)
    net.write_text("<net>")
    with pytest.raises(BadInput, match=r"net\.xml: cannot be made ready for fidelity meso"):
        lengthened(net)
