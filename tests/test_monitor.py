"""The monitor finds nothing where the interlock stood between, whoever asked, and finds every planted fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from greenband.control import run
from greenband.errors import BadInput, SimulationError
from greenband.monitor import MonitorLimits, conflicts_of, read_lamps, switched_links, watch
from greenband.scenario import Scenario
from greenband.sensing import Measurement
from greenband.simulation import Records

LIMITS = MonitorLimits(yellow_s=3, all_red_s=2, min_green_s=10, max_green_s=30, max_red_s=60)
FOES = frozenset({(0, 1)})
CYCLE = [("Gr", 20), ("yr", 3), ("rr", 2), ("rG", 20), ("ry", 3), ("rr", 2)]


class Hostile:
    """Asks every second for another stage, among them stages that are not there."""

    interval_s = 1

    def reset(self, scenario: Scenario, period: str) -> None:
        self.asked = 0

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        self.asked += 1
        return {name: [0, 1, 99, 0, -1, 3, 2][self.asked % 7] for name in measurement.signals}


class Stubborn(Hostile):
    """Never asks for anything but the first stage."""

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        return dict.fromkeys(measurement.signals, 0)


class Random(Hostile):
    """Asks for any stage that the interlock allows, at every third second."""

    interval_s = 3

    def reset(self, scenario: Scenario, period: str) -> None:
        self.rng = np.random.default_rng(5)

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        return {name: int(self.rng.choice(np.flatnonzero(v.allowed))) for name, v in measurement.signals.items()}


@pytest.mark.parametrize("controller", [Hostile(), Stubborn(), Random()], ids=lambda c: type(c).__name__)
def test_no_violation_behind_the_interlock(
    controller: Hostile, jincheng: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    short, records = shorten(jincheng, duration_s=500), Records(tmp_path)
    executed = run(controller, short, "AM", 0, records=records)
    net, signal = jincheng.folder / jincheng.network_file, jincheng.network.signals["J11"]
    limits = signal.limits(jincheng.timing)
    minima = tuple(
        min(g for g, stage in zip(limits.min_green_s, signal.stages, strict=True) if i in stage.greens)
        for i in range(signal.lamps)
    )
    held = MonitorLimits(limits.yellow_s, limits.all_red_s, minima, limits.max_green_s, limits.max_red_s)
    foes = conflicts_of(net, "J11")
    assert watch(records.lamps("J11"), foes, held, switched_links(net, "J11")) == []
    assert len(executed["J11"]) > 5
    stricter = MonitorLimits(limits.yellow_s, limits.all_red_s + 1, minima, limits.max_green_s, limits.max_red_s)
    assert {v.rule for v in watch(records.lamps("J11"), foes, stricter)} == {"all-red"}


def test_conflicts_and_switched_links_agree_with_the_network(shixin_short: Scenario) -> None:
    net = shixin_short.folder / shixin_short.network_file
    for name, signal in shixin_short.network.signals.items():
        assert conflicts_of(net, name) == signal.conflicts
        assert switched_links(net, name) == frozenset(range(signal.lamps))


def lamps(path: Path, shown: list[tuple[str, int]], begin: int = 0) -> Path:
    """A lamp record of states with their durations in seconds."""
    states = [state for state, seconds in shown for _ in range(seconds)]
    rows = [f'<tlsState time="{t}.00" id="J" state="{s}"/>' for t, s in enumerate(states, begin)]
    file = path / "lamps.xml"
    file.write_text("<tlsStates>\n" + "\n".join(rows) + "\n</tlsStates>\n", encoding="utf-8")
    return file


def changed(index: int, *instead: tuple[str, int]) -> list[tuple[str, int]]:
    """Three cycles, of which the second has one entry replaced."""
    return [*CYCLE, *CYCLE[:index], *instead, *CYCLE[index + 1 :], *CYCLE]


def found(path: Path, shown: list[tuple[str, int]]) -> list[tuple[str, int, int]]:
    return [(v.rule, v.link, v.time_s) for v in watch(lamps(path, shown, 1000), FOES, LIMITS)]


FAULTS = {
    "no yellow": (changed(1, ("rr", 3)), [("no-yellow", 0, 1070)]),
    "short yellow": (changed(1, ("yr", 2)), [("yellow-time", 0, 1070)]),
    "long yellow": (changed(1, ("yr", 4)), [("yellow-time", 0, 1070)]),
    "yellow back to green": (changed(2, ("Gr", 10), ("yr", 3), ("rr", 2)), [("yellow-end", 0, 1073)]),
    "short all-red": (changed(2, ("rr", 1)), [("all-red", 1, 1074)]),
    "no all-red": ([*CYCLE, *CYCLE[:2], *CYCLE[3:], *CYCLE], [("all-red", 1, 1073)]),
    "green against green": (
        changed(3, ("GG", 2), ("yG", 3), ("rG", 16)),
        [("conflict", 0, 1075), ("min-green", 0, 1075)],
    ),
    "short green": (changed(0, ("Gr", 9)), [("min-green", 0, 1050)]),
    "long green": (changed(0, ("Gr", 31)), [("max-green", 0, 1080)]),
    "starving": (changed(3, ("rG", 30), ("rr", 30)), [("no-yellow", 1, 1105), ("max-red", 0, 1130)]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault: str, tmp_path: Path) -> None:
    shown, expected = FAULTS[fault]
    assert sorted(found(tmp_path, shown)) == sorted(expected)


def test_right_cycles_are_clean_and_limits_are_met_exactly(tmp_path: Path) -> None:
    assert found(tmp_path, [*CYCLE, *CYCLE]) == []
    edge = [("Gr", 10), ("yr", 3), ("rr", 2), ("rG", 30), ("ry", 3), ("rr", 22), ("Gr", 10), ("yr", 3)]
    assert found(tmp_path, edge) == []  # 10 s of green; 30 s of green; 3 + 2 + 30 + 3 + 22 = 60 s without green


def test_yellow_against_green(tmp_path: Path) -> None:
    clash = [("Gr", 20), ("yr", 1), ("yG", 2), ("rG", 20)]
    assert ("conflict", 0, 1021) in found(tmp_path, clash)


def test_permissive_green_and_its_yellow_may_face_a_foe(tmp_path: Path) -> None:
    assert found(tmp_path, [("Gg", 20), ("Gy", 3), ("Gr", 2)]) == []
    assert found(tmp_path, [("Gg", 20), ("yg", 3), ("rg", 2), ("rG", 20)]) == []
    early = found(tmp_path, [("Gg", 20), ("yg", 3), ("rg", 1), ("rG", 20)])
    assert early == [("all-red", 1, 1024)]


def test_runs_cut_by_the_record_are_judged_for_what_is_certain(tmp_path: Path) -> None:
    assert found(tmp_path, [("Gr", 9), ("yr", 3), ("rr", 2)]) == [("min-green", 0, 1000)]
    assert found(tmp_path, [("yr", 1), ("rr", 2), ("rG", 5)]) == []
    assert found(tmp_path, [("Gr", 20), ("yr", 2)]) == []
    assert found(tmp_path, [("Gr", 20), ("yr", 4)]) == [("yellow-time", 0, 1020)]
    assert found(tmp_path, [("Gr", 31)]) == [("max-green", 0, 1030)]


def test_a_change_that_looks_like_the_stage_is_no_longer_green(tmp_path: Path) -> None:
    """Link 2 stays green when link 0 stops: the 2 s of all-red look like the stage of link 2, which may last 30 s."""
    before = [("GrG", 20), ("yrG", 3)]
    assert found(tmp_path, [*before, ("rrG", 2 + 30)]) == []
    assert found(tmp_path, [*before, ("rrG", 2 + 31)]) == [("max-green", 2, 1055)]
    assert found(tmp_path, [("rGr", 5), ("rrG", 2 + 30)])[-1:] == [("max-green", 2, 1035)]


def test_minimum_green_per_link_and_links_that_are_exempt(tmp_path: Path) -> None:
    limits = MonitorLimits(3, 2, (20, 25), 30, 60)
    file = lamps(tmp_path, [*CYCLE, *CYCLE])
    assert {(v.link, v.rule) for v in watch(file, FOES, limits)} == {(1, "min-green")}
    still = lamps(tmp_path, [("Gs", 100)])
    assert {v.rule for v in watch(still, FOES, LIMITS)} == {"max-green", "max-red"}
    assert watch(still, FOES, LIMITS, switched=()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<tlsStates>",
        "<tlsStates></tlsStates>",
        '<tlsStates><tlsState time="0" id="J" state="Gr"/>',
        '<tlsStates><tlsState time="0" id="J"/></tlsStates>',
        '<tlsStates><tlsState time="0" id="J" state="Gr"/><tlsState time="2" id="J" state="Gr"/></tlsStates>',
        '<tlsStates><tlsState time="0" id="J" state="Gr"/><tlsState time="1" id="K" state="Gr"/></tlsStates>',
    ],
)
def test_incomplete_records_are_errors(text: str, tmp_path: Path) -> None:
    file = tmp_path / "lamps.xml"
    with pytest.raises(SimulationError, match=r"lamps\.xml"):
        watch(file, FOES, LIMITS)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SimulationError, match=r"lamps\.xml"):
        watch(file, FOES, LIMITS)


def test_input_that_does_not_fit_is_refused(jincheng: Scenario, tmp_path: Path) -> None:
    file = lamps(tmp_path, CYCLE)
    with pytest.raises(BadInput, match="2 links"):
        watch(file, {(0, 2)}, LIMITS)
    with pytest.raises(BadInput, match="3 minimum greens"):
        watch(file, FOES, MonitorLimits(3, 2, (1, 2, 3), 30, 60))
    net = jincheng.folder / jincheng.network_file
    for read in (conflicts_of, switched_links):
        with pytest.raises(BadInput, match="J99"):
            read(net, "J99")
        with pytest.raises(BadInput, match="not a SUMO network"):
            read(file, "J11")
        with pytest.raises(BadInput, match="not a SUMO network"):
            read(tmp_path / "none.net.xml", "J11")


def test_a_long_record_is_read_quickly(tmp_path: Path) -> None:
    """Against parsing the same file, the best of five each: a slow machine slows both, and a busy one not all five."""
    wide = [(state * 8, seconds) for state, seconds in CYCLE] * 84
    file = lamps(tmp_path, wide)
    foes = {(i, j) for i in range(16) for j in range(i + 1, 16) if (j - i) % 2}
    assert processor_s(lambda: watch(file, foes, LIMITS)) < 8 * processor_s(lambda: read_lamps(file))


def processor_s(work: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of processor time of this thread, the least of ``repeats``."""
    spent = []
    for _ in range(repeats):
        began = time.thread_time()
        work()
        spent.append(time.thread_time() - began)
    return min(spent)
