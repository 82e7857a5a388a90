"""Signals that SUMO runs itself: their programs, the log read back from them, and the change from the interlock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from greenband.agents.fixed import Existing
from greenband.control import ControlLoop
from greenband.errors import UnknownName
from greenband.plan.display import phases
from greenband.plan.model import TimingPlan
from greenband.programs import Program, Readback, write
from greenband.scenario import Scenario
from greenband.simulation import Records

ROUND = ("1 green", "1 yellow", "1 all-red", "2 green", "2 yellow", "2 all-red")


def two_stages(bounded: bool = False) -> Program:
    rows = ({"duration": "15", "minDur": "15", "maxDur": "20", "state": "Gr", "name": ROUND[0]}, *({"name": "?"},) * 5)
    return Program("J11", "delay_based", 0, rows, {"range": "60"}, {ROUND[0]: 0, ROUND[3]: 1}, bounded)


def test_the_file_that_sumo_reads(tmp_path: Path) -> None:
    write(tmp_path / "programs.xml", [two_stages()])
    (logic,) = ET.parse(tmp_path / "programs.xml").getroot()
    assert logic.attrib == {"id": "J11", "type": "delay_based", "programID": "greenband", "offset": "0"}
    assert logic.find("param[@key='range'][@value='60']") is not None
    assert [phase.attrib["name"] for phase in logic.iter("phase")] == ["1 green", *("?",) * 5]


class Lights:
    """A traffic light of SUMO's that shows phases as told, a second each, and notes where it is asked to go."""

    def __init__(self, shown: Sequence[int]) -> None:
        self.shown, self.now = shown, -1
        self.asked: list[tuple[int, int]] = []

    def getPhase(self, name: str) -> int:  # noqa: N802  (SUMO's name)
        return self.shown[self.now]

    def getPhaseName(self, name: str) -> str:  # noqa: N802
        return ROUND[self.shown[self.now]]

    def setPhase(self, name: str, phase: int) -> None:  # noqa: N802
        self.asked.append((self.now, phase))


def read_back(shown: Sequence[int], jincheng: Scenario, bounded: bool = False) -> tuple[list[tuple[int, int]], Lights]:
    signal, lights = jincheng.network.signals["J11"], Lights(shown)
    api: Any = SimpleNamespace(trafficlight=lights)
    readback = Readback(two_stages(bounded), signal, signal.limits(jincheng.timing), 0)
    for lights.now in range(len(shown)):
        readback.follow(api, lights.now + 1)
    return readback.executed, lights


def test_a_stage_is_called_in_when_the_one_before_turns_yellow(jincheng: Scenario) -> None:
    one_round = [0] * 15 + [1] * 3 + [2] * 2 + [3] * 8 + [4] * 3 + [5] * 2
    log, lights = read_back(one_round * 2, jincheng)
    assert log == [(0, 0), (15, 1), (28, 0), (48, 1)]
    assert lights.asked == []


def test_a_green_ends_at_its_maximum_where_sumo_lets_it_go_on(jincheng: Scenario) -> None:
    _, lights = read_back([5] * 2 + [0] * 22, jincheng, bounded=True)
    assert lights.asked[0] == (21, 1)  # seconds 2 to 21 are 20 s of green


def static(scenario: Scenario, plan: TimingPlan, since_s: int) -> Program:
    signal = scenario.network.signals[plan.signal]
    rows = phases(signal, plan, signal.limits(scenario.timing))
    return Program(
        signal=plan.signal,
        kind="static",
        offset_s=plan.offset_s,
        phases=tuple({"duration": str(s), "state": lamps, "name": name} for s, lamps, name in rows),
        settings={},
        stages={f"{stage.stage + 1} green": stage.stage for stage in plan.stages},
        since_s=since_s,
    )


@pytest.mark.parametrize("since_s", [0, 27040])
def test_signals_that_sumo_runs_beside_others(
    since_s: int, shixin_short: Scenario, shorten: Callable[..., Scenario], tmp_path: Path
) -> None:
    """The same plan, by the interlock at three junctions and by SUMO at one, at once or after a while."""
    short, records, existing = shorten(shixin_short, duration_s=400), Records(tmp_path), Existing()
    begin_with = existing.reset(short, "AM")
    plan = existing.active["J09"]
    loop = ControlLoop(short, "AM")
    try:
        loop.reset(10_000, begin_with=begin_with, programs=[static(short, plan, since_s)], records=records)
        while not loop.done:
            wanted = existing.decide(loop.perceive(existing))
            loop.step({name: stage for name, stage in wanted.items() if name in loop.interlocks}, 1)
        executed = loop.executed
        assert set(loop.measure().signals) == set(short.network.signals) - {"J09"}
        with pytest.raises(UnknownName, match="unknown signal 'J09'"):
            loop.step({"J09": 0}, 1)
    finally:
        loop.close()
    assert list(executed) == list(short.network.signals)
    assert executed["J09"][0][0] == 26900
    assert len(executed["J09"]) >= 12
    called = [t for t, stage in executed["J09"] if stage == plan.stages[1].stage and t > 27100]
    assert {(t - plan.offset_s) % plan.cycle_s for t in called} == {plan.stages[0].go_s}
    shown = {int(float(row.attrib["time"])): row.attrib["state"] for row in ET.parse(records.lamps("J09")).getroot()}
    assert all("y" in shown[t] and "y" not in shown[t - 1] for t in called)
