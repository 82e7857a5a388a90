"""The control loop asks, interlocks and shows, second by second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from greenband.control import Controller, ControlLoop, run
from greenband.errors import BadInput, UnknownName
from greenband.evaluation import resolve
from greenband.evaluation.runner import Task, run_one
from greenband.fallback import FixedPatterns
from greenband.faults import Dropouts
from greenband.scenario import Scenario
from greenband.sensing import Kind, Measurement, SensingConfig
from greenband.simulation import Records


class Scripted:
    """Asks for the stages in turn and keeps what it saw."""

    interval_s = 7

    def __init__(self) -> None:
        self.seen: list[Measurement] = []

    def reset(self, scenario: Scenario, period: str) -> None:
        self.seen = []

    def decide(self, measurement: Measurement) -> Mapping[str, int]:
        self.seen.append(measurement)
        return {name: (view.stage + 1) % 4 for name, view in measurement.signals.items()}


@pytest.fixture
def short(jincheng: Scenario, shorten: Callable[..., Scenario]) -> Scenario:
    return shorten(jincheng, duration_s=200)


def test_the_controller_is_asked_at_its_interval(short: Scenario) -> None:
    controller = Scripted()
    assert isinstance(controller, Controller)
    run(controller, short, "AM", 0)
    assert [m.time_s for m in controller.seen] == list(range(26900, 27200, 7))


def test_what_is_executed_is_what_sumo_shows(short: Scenario, tmp_path: Path) -> None:
    records = Records(tmp_path)
    executed = run(Scripted(), short, "AM", 0, records=records)["J11"]
    rows = ET.parse(records.lamps("J11")).getroot()
    shown = {int(float(row.attrib["time"])): row.attrib["state"] for row in rows}
    stages = short.network.signals["J11"].stages
    assert executed[0] == (26900, 0)
    assert len(executed) >= 8
    for (left, _), (_, before), (_, after) in zip(executed[1:-1], executed, executed[1:], strict=False):
        assert shown[left - 1] == stages[before].state
        assert all("y" in shown[left + k] for k in range(3))
        assert not set("yGg") & set(shown[left + 3] + shown[left + 4])
        assert shown[left + 5] == stages[after].state


def test_lamps_do_not_depend_on_how_often_the_loop_is_stopped(short: Scenario) -> None:
    executed = []
    for seconds in (1, 50):
        loop = ControlLoop(short, "AM")
        try:
            loop.reset(0)
            while not loop.done:
                loop.step({}, seconds)
            executed.append(loop.interlocks["J11"].executed)
        finally:
            loop.close()
    assert executed[0] == executed[1]
    assert len(executed[0]) > 2


def test_a_run_ends_at_the_periods_end(short: Scenario) -> None:
    loop = ControlLoop(short, "AM")
    try:
        loop.reset(0)
        loop.step({}, 10_000)
        assert loop.done
        assert loop.now == loop.simulation.now == 27200
    finally:
        loop.close()


def test_the_loop_must_be_reset_first(short: Scenario) -> None:
    loop = ControlLoop(short, "AM")
    with pytest.raises(BadInput, match="call reset first"):
        _ = loop.simulation
    loop.close()


def test_an_error_in_the_controller_ends_the_session(short: Scenario) -> None:
    class Failing(Scripted):
        def decide(self, measurement: Measurement) -> Mapping[str, int]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(Failing(), short, "AM", 0)
    assert run(Scripted(), short, "AM", 0, backend="libsumo")


def test_an_unknown_period_is_refused(short: Scenario) -> None:
    with pytest.raises(UnknownName, match="did you mean 'AM'"):
        ControlLoop(short, "AMM")


DEAD = SensingConfig(junction_dropout_per_h=1e9, junction_dropout_s=1e9)  # from before the start and for good


@pytest.mark.parametrize("kind", ["camera", "loops"])
def test_max_pressure_keeps_running_on_dead_detectors(kind: Kind, short: Scenario) -> None:
    """It is given its stages by the existing plan: after a round to fall in, exactly those of the plan itself."""
    subject = replace(resolve("maxpressure"), sensing=replace(DEAD, kind=kind, count_passed=True))
    blind = run_one(Task(subject, short, "AM", 0))
    plan = run_one(Task(resolve("existing"), short, "AM", 0))
    assert blind.violations == ()
    late = [[row for row in log["J11"] if row[0] > 27000] for log in (blind.executed, plan.executed)]
    assert late[0] == late[1]
    assert {stage for _, stage in late[0]} == {0, 1, 2, 3}
    assert run_one(Task(resolve("maxpressure"), short, "AM", 0)).executed != blind.executed


def test_a_blind_signal_without_a_plan_shows_every_stage_in_turn(short: Scenario) -> None:
    bare = short.period("AM").model_copy(update={"existing_plan": None, "duration_s": 600})
    executed = run(Scripted(), short.model_copy(update={"periods": {"AM": bare}}), "AM", 0, sensing=DEAD)["J11"]
    stages = [stage for _, stage in executed][1:]
    assert len(stages) > 12
    assert all(after == (before + 1) % 4 for before, after in pairwise(stages))


def test_a_controller_by_the_clock_does_not_need_detectors(short: Scenario) -> None:
    for sensing in (None, DEAD):
        found = run(resolve("existing").make(), short, "AM", 0, sensing=sensing)
        assert found == run(resolve("existing").make(), short, "AM", 0)


def test_the_controller_is_back_with_its_data(short: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blind for hold_s and a bit, then the plan; its first good measurement gives the signal back to the controller."""
    outage = range(26950, 27150)
    monkeypatch.setattr(Dropouts, "working", lambda self, time_s: np.full(len(self._single), time_s not in outage))
    loop = ControlLoop(short, "AM", SensingConfig(dropout_per_h=1, dropout_s=1, hold_s=20))
    plan, blind = FixedPatterns(short, "AM", loop.limits), {}
    try:
        loop.reset(0)
        while not loop.done:
            loop.step({"J11": loop.now // 40 % 4}, 5)
            blind[loop.now] = loop.measure().signals["J11"].blind_s
        executed = loop.interlocks["J11"].executed
    finally:
        loop.close()
    assert blind[26945] == 0
    assert [blind[t] for t in (26950, 26975, 27145)] == [5, 30, 200]
    assert all(blind[t] == 0 for t in range(27150, 27200, 5))
    followed = [(t, stage) for t, stage in executed if 27030 < t < 27150]  # it may take a round to fall in
    assert len(followed) >= 3
    assert all(stage == plan.stage_at("J11", t) for t, stage in followed)
    assert all(stage == t // 40 % 4 for t, stage in executed if t < 26970 or t >= 27150)
    assert executed[-1][0] >= 27150


def test_asked_again_within_a_second_detectors_say_the_same(short: Scenario) -> None:
    loop = ControlLoop(short, "AM", SensingConfig(noise=0.3, miss_rate=0.2, count_passed=True))
    try:
        loop.reset(0)
        loop.step({}, 80)
        first, second = (loop.measure().signals["J11"] for _ in range(2))
        loop.step({}, 1)
        third = loop.measure().signals["J11"]
    finally:
        loop.close()
    for name in ("approaching", "standing", "leaving", "passed"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
        assert getattr(first, name).sum() > 0
    assert not np.array_equal(first.present, third.present)


def test_faults_are_the_seeds(short: Scenario) -> None:
    def seen(seed: int) -> list[list[float]]:
        controller = Scripted()
        config = SensingConfig(noise=0.3, miss_rate=0.2, dropout_per_h=20, dropout_s=60)
        run(controller, short, "AM", seed, sensing=config)
        return [m.signals["J11"].present.tolist() for m in controller.seen]

    assert seen(1) == seen(1)
    assert seen(1) != seen(2)
