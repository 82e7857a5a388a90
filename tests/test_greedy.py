"""Greedy rules to the letter, worked by hand on two signals: one exit of the first is the second's approach."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from greenband.network import Link, Signal
from greenband.signals import Stage

THROUGH, SIDE = range(2)  # stages of both signals
Vehicle = tuple[str, str, int, float, float]  # lane, next signal, link index there, distance to it in m, speed in m/s


@pytest.fixture
def greedy(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    return importlib.import_module("greedy")


def signal(name: str, ways: list[tuple[str, str]]) -> Signal:
    """Links in the order of ``ways``; the last is green in the stage of the side street, the others in the first."""
    links = tuple(Link(k, a, b, "s", 20.0, 14.0) for k, (a, b) in enumerate(ways))
    last = len(ways) - 1
    stages = (Stage("through", "G" + "g" * (last - 1) + "r", ()), Stage("side", "r" * last + "G", ()))
    return Signal(name, len(ways), links, (), frozenset(), frozenset(), stages, (), (0, 0))


SIGNALS = {
    "a": signal("a", [("west_0", "mid_0"), ("west_0", "north_0"), ("south_0", "out_0")]),
    "b": signal("b", [("mid_0", "east_0"), ("side_0", "east_0")]),
}


def sumo(vehicles: Mapping[str, Vehicle]) -> Any:
    def on(lane: str) -> list[str]:
        return [name for name, vehicle in vehicles.items() if vehicle[0] == lane]

    def ahead(name: str) -> list[tuple[str, int, float, str]]:
        return [(*vehicles[name][1:4], "r")]

    return SimpleNamespace(
        lane=SimpleNamespace(getLastStepVehicleIDs=on),
        vehicle=SimpleNamespace(getNextTLS=ahead, getSpeed=lambda name: vehicles[name][4]),
    )


def test_max_wave_counts_who_is_near_for_the_link_taken_next(greedy: Any) -> None:
    rule = greedy.MaxWave(SIGNALS)
    assert rule.decide(sumo({})) == {"a": THROUGH, "b": THROUGH}  # ties go to the first stage
    seen = {
        "left": ("west_0", "a", 1, 10.0, 9.0),  # on permissive green, counts in full
        "far": ("west_0", "a", 0, 51.0, 9.0),
        "south": ("south_0", "a", 2, 50.0, 9.0),
        "side": ("side_0", "b", 1, 5.0, 0.0),
    }
    assert rule.decide(sumo(seen)) == {"a": THROUGH, "b": SIDE}
    seen["other"] = ("south_0", "a", 2, 20.0, 9.0)
    assert rule.decide(sumo(seen)) == {"a": SIDE, "b": SIDE}


def test_max_pressure_counts_queues_less_those_on_exits_that_lead_to_a_signal(greedy: Any) -> None:
    seen = {
        "west1": ("west_0", "a", 0, 150.0, 0.0),
        "west2": ("west_0", "a", 0, 160.0, 0.09),
        "moving": ("west_0", "a", 0, 10.0, 0.1),
        "south": ("south_0", "a", 2, 5.0, 0.0),
    }
    assert greedy.MaxPressure(SIGNALS).decide(sumo(seen))["a"] == THROUGH  # 4 of two links against 1
    full = {f"mid{k}": ("mid_0", "b", 0, 10.0 * k, 0.0) for k in range(4)}
    assert greedy.MaxPressure(SIGNALS).decide(sumo({**seen, **full})) == {"a": SIDE, "b": THROUGH}  # 0 against 1


def test_whoever_stood_stays_in_the_queue_until_past_the_signal(greedy: Any) -> None:
    rule = greedy.MaxPressure(SIGNALS)
    stood = {f"s{k}": ("south_0", "a", 2, 5.0 + 7 * k, 0.0) for k in range(3)}
    waiting = {"west": ("west_0", "a", 0, 5.0, 0.0)}
    assert rule.decide(sumo(stood))["a"] == SIDE
    moving = {name: (*vehicle[:4], 8.0) for name, vehicle in stood.items()}
    assert rule.decide(sumo({**waiting, **moving}))["a"] == SIDE
    assert rule.decide(sumo(waiting))["a"] == THROUGH
    assert rule.decide(sumo({**waiting, **moving}))["a"] == THROUGH  # forgotten meanwhile
