"""What is read from a network: movements, conflicts, right of way, stages; and networks that cannot be read."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from greenband import sumo
from greenband.errors import BadInput
from greenband.monitor import conflicts_of
from greenband.network import Network, Signal, derive_stages
from greenband.scenario import Scenario
from greenband.signals import Stage


def program(name: str, *arguments: str) -> None:
    subprocess.run([sumo.binary(name), *arguments], check=True, capture_output=True, env=sumo.environment())


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Two by two junctions with arms, two lanes, turns share lanes."""
    path = tmp_path_factory.mktemp("grid") / "grid.net.xml"
    shape = ["--grid.number", "2", "--grid.length", "200", "--grid.attach-length", "100", "--default.lanenumber", "2"]
    program("netgenerate", "--grid", *shape, "--default-junction-type", "traffic_light", "-o", str(path))
    return Network(path)


@pytest.fixture(scope="module")
def tee(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """A main road from west to east with a side road from the south; two lanes each."""
    folder = tmp_path_factory.mktemp("tee")
    ends = {"W": (-200, 0), "E": (200, 0), "S": (0, -200)}
    nodes = [f'<node id="{n}" x="{x}" y="{y}"/>' for n, (x, y) in ends.items()]
    nodes.append('<node id="C" x="0" y="0" type="traffic_light"/>')
    pairs = [(a, b) for n in ends for a, b in ((n, "C"), ("C", n))]
    edges = [f'<edge id="{a}{b}" from="{a}" to="{b}" numLanes="2"/>' for a, b in pairs]
    (folder / "n.xml").write_text(f"<nodes>{''.join(nodes)}</nodes>", encoding="utf-8")
    (folder / "e.xml").write_text(f"<edges>{''.join(edges)}</edges>", encoding="utf-8")
    files = ["-n", str(folder / "n.xml"), "-e", str(folder / "e.xml"), "-o", str(folder / "t.net.xml")]
    program("netconvert", *files, "--no-turnarounds", "true")
    return Network(folder / "t.net.xml")


def links_of(signal: Signal, heading: str, directions: str) -> set[int]:
    """Links of the movements that come from one side of J11."""
    chosen = [m for m in signal.movements if m.from_edge.startswith(heading) and m.direction in directions]
    return {index for movement in chosen for index in movement.links}


def test_movements_of_jincheng(jincheng: Scenario) -> None:
    signal = jincheng.network.signals["J11"]
    assert signal.lamps == 20
    assert len(signal.movements) == 12
    counted = {(m.from_edge[0], m.direction): len(m.links) for m in signal.movements}
    main, cross = {"r": 1, "s": 3, "l": 2}, {"r": 1, "s": 2, "l": 1}
    assert counted == {(a, d): n for a in "NSEW" for d, n in (main if a in "NS" else cross).items()}
    assert sorted(index for m in signal.movements for index in m.links) == list(range(20))
    bearings = {m.from_edge[0]: round(m.bearing) for m in signal.movements}
    assert bearings == {"N": 180, "S": 0, "E": 270, "W": 90}
    assert {m.id for m in signal.movements if m.from_edge[0] == "S"} == {
        "S_J11.bay>J11_E11",
        "S_J11.bay>J11_N",
        "S_J11.bay>J11_W11",
    }


def test_stages_of_jincheng(jincheng: Scenario) -> None:
    signal = jincheng.network.signals["J11"]
    names = ["road 1 through", "road 1 left", "road 2 through", "road 2 left"]
    assert [stage.name for stage in signal.stages] == names
    for stage, (sides, turns) in zip(
        signal.stages, [("NS", "sr"), ("NS", "l"), ("EW", "sr"), ("EW", "l")], strict=True
    ):
        expected = set().union(*(links_of(signal, side, turns) for side in sides))
        assert stage.greens == expected
    rights = set().union(*(links_of(signal, side, "r") for side in "NSEW"))
    assert all(stage.state[i] in "Gs" for stage in signal.stages for i in rights)
    assert [signal.serves_through(stage) for stage in signal.stages] == [True, False, True, False]
    assert signal.limits(jincheng.timing).min_green_s == (15, 8, 15, 8)
    assert signal.always_green() == frozenset()


def test_conflicts_of_jincheng(jincheng: Scenario) -> None:
    signal = jincheng.network.signals["J11"]
    north, south = links_of(signal, "N", "s"), links_of(signal, "S", "s")
    south_left, east = links_of(signal, "S", "l"), links_of(signal, "E", "s")
    assert not pairs(north, south) & signal.conflicts
    assert pairs(north, south_left) <= signal.conflicts
    assert pairs(north, east) <= signal.conflicts
    assert {(a, b) for a in south_left for b in north} <= signal.yields
    assert not {(b, a) for a in south_left for b in north} & signal.yields


def pairs(some: Iterable[int], others: Iterable[int]) -> set[tuple[int, int]]:
    return {(min(a, b), max(a, b)) for a in some for b in others}


def test_each_signal_holds_its_own_approaches_only(shixin: Scenario) -> None:
    signals = shixin.network.signals
    assert len(signals) == 11
    for signal in signals.values():
        own = {link.from_edge for link in signal.links}
        assert own <= set(signal.approaches)
        assert len(signal.approaches) == len(set(signal.approaches)) == 8
        others = {e for s in signals.values() if s is not signal for e in s.approaches}
        assert not others & set(signal.approaches)


def clash(signal: Signal, stage: Stage) -> list[tuple[int, int]]:
    """Conflicting pairs that are both protected green."""
    return [(a, b) for a, b in signal.conflicts if stage.state[a] == stage.state[b] == "G"]


def test_no_stage_gives_two_conflicting_links_protected_green(shixin: Scenario, grid: Network, tee: Network) -> None:
    for network in (shixin.network, grid, tee):
        for signal in network.signals.values():
            derived = derive_stages(signal.movements, signal.conflicts, signal.yields, signal.crossings, signal.lamps)
            assert [clash(signal, stage) for stage in (*signal.stages, *derived) if clash(signal, stage)] == []
            assert {i for stage in derived for i in stage.greens} == set(range(signal.lamps))


def test_derived_stages_where_turns_share_lanes(grid: Network) -> None:
    signal = grid.signals["A0"]
    derived = derive_stages(signal.movements, signal.conflicts, signal.yields, signal.crossings, signal.lamps)
    assert [stage.name for stage in derived] == ["road 1 all", "road 2 all"]
    lefts = {i for m in signal.movements if m.direction == "l" for i in m.links}
    assert all(stage.state[i] == "g" for stage in derived for i in lefts & stage.greens)


def test_derived_stages_of_a_t_junction(tee: Network) -> None:
    signal = tee.signals["C"]
    side, main = derive_stages(signal.movements, signal.conflicts, signal.yields, signal.crossings, signal.lamps)
    from_side = {i for m in signal.movements if m.from_edge == "SC" for i in m.links}
    assert side.greens == from_side
    assert main.greens == set(range(signal.lamps)) - from_side
    (left,) = [m for m in signal.movements if m.from_edge == "EC" and m.direction == "l"]
    assert all(main.state[i] == "g" for i in left.links)


def test_the_monitor_reads_the_same_conflicts_in_foreign_networks(tmp_path: Path, grid: Network, tee: Network) -> None:
    """With sidewalks too, whose crossings have lamps and ways onto pavement corners that take no request index."""
    nodes = tee.path.parent / "n.xml"
    edges = (tee.path.parent / "e.xml").read_text(encoding="utf-8").replace("numLanes", 'sidewalkWidth="2" numLanes')
    (tmp_path / "e.xml").write_text(edges, encoding="utf-8")
    walk = tmp_path / "walk.net.xml"
    program("netconvert", "-n", str(nodes), "-e", str(tmp_path / "e.xml"), "--crossings.guess", "true", "-o", str(walk))
    walking = Network(walk)
    assert {crossing.id for crossing in walking.signals["C"].crossings} == {":C_c0", ":C_c1", ":C_c2"}
    for network in (grid, tee, walking):
        for name, signal in network.signals.items():
            assert conflicts_of(network.path, name) == signal.conflicts
            assert signal.conflicts or len(signal.movements) == 1


def test_chosen_signals_only(grid: Network) -> None:
    assert list(Network(grid.path, ["B1", "A0"]).signals) == ["B1", "A0"]
    with pytest.raises(BadInput, match="no traffic light 'Z9'; it has A0, A1, B0, B1"):
        Network(grid.path, ["Z9"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such network file"),
        ("", "not a SUMO network"),
        ("<net><edge id=", "not a SUMO network"),
        ("<routes></routes>", "not a SUMO network"),
        ("\x89PNG", "not a SUMO network"),
    ],
)
def test_what_is_no_network_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "some.net.xml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=rf"some\.net\.xml: {message}"):
        Network(path)


def test_a_network_without_lights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.net.xml"
    program("netgenerate", "--grid", "--grid.number", "2", "--default-junction-type", "priority", "-o", str(path))
    with pytest.raises(BadInput, match="no traffic light"):
        Network(path)
