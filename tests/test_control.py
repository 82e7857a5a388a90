"""The control loop asks, interlocks and shows, second by second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from greenband.control import Controller, ControlLoop, run
from greenband.errors import BadInput, UnknownName
from greenband.scenario import Scenario
from greenband.sensing import Measurement
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
