"""Misses, noise and dropouts have the configured statistics, come from the seed, and good values are held meanwhile."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from greenband import registry
from greenband.detectors import Layout
from greenband.faults import Dropouts, Faults
from greenband.sensing import SensingConfig


def layout(owner: list[int], serves: list[list[bool]], count: bool = True, passing: int = 0) -> Layout:
    """Readings by detector number; the last ``passing`` of them count since the last reading."""
    n = len(owner)
    return Layout(np.array(owner), np.full(n, count), np.arange(n) < n - passing, np.array(serves))


ONE = layout([0] * 20_000, [[True]])


def faults(of: Layout, seed: int = 0, signal: int = 0, start_s: float = 0, **settings: Any) -> Faults:
    return Faults(of, SensingConfig(**settings), seed, signal, start_s)


class Scripted:
    """Stands in for random dropouts: which detectors work, by time."""

    def __init__(self, table: dict[int, list[bool]]) -> None:
        self.table = table

    def working(self, time_s: int) -> Any:
        return np.array(self.table[time_s])


def scripted(of: Layout, table: dict[int, list[bool]], hold_s: float) -> Faults:
    made = faults(of, dropout_per_h=1.0, dropout_s=1.0, hold_s=hold_s)
    made._dropouts = Scripted(table)  # type: ignore[assignment]
    return made


@pytest.mark.parametrize(("vehicles", "rate"), [(1, 0.3), (10, 0.05), (10, 0.5)])
def test_vehicles_are_missed_at_the_rate(vehicles: int, rate: float) -> None:
    seen = faults(ONE, miss_rate=rate).spoil(np.full(20_000, float(vehicles)), 0)
    assert seen.mean() == pytest.approx(vehicles * (1 - rate), rel=0.03)
    assert seen.var() == pytest.approx(vehicles * rate * (1 - rate), rel=0.06)
    assert set(seen.tolist()) <= set(range(vehicles + 1))


def test_all_or_none_missed() -> None:
    readings = np.arange(20_000.0)
    assert not faults(ONE, miss_rate=1.0).spoil(readings, 0).any()
    assert faults(ONE, miss_rate=0.0, noise=0.0).spoil(readings, 0).tolist() == readings.tolist()


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_counts_err_by_the_noise_and_keep_their_mean(noise: float) -> None:
    seen = faults(ONE, noise=noise).spoil(np.full(20_000, 8.0), 0)
    assert seen.mean() == pytest.approx(8.0, rel=0.03)
    assert seen.std() == pytest.approx(8.0 * noise, rel=0.05)
    assert seen.min() >= 0


def test_presence_is_missed_but_stays_presence() -> None:
    seen = faults(layout([0] * 20_000, [[True]], count=False), noise=0.5, miss_rate=0.2).spoil(np.ones(20_000), 0)
    assert set(seen.tolist()) == {0.0, 1.0}
    assert seen.mean() == pytest.approx(0.8, abs=0.02)


def test_no_vehicle_is_ever_invented() -> None:
    assert not faults(ONE, noise=0.5, miss_rate=0.2).spoil(np.zeros(20_000), 0).any()


def test_faults_come_from_the_seed_and_the_signal() -> None:
    def draw(seed: int, signal: int) -> list[float]:
        made = faults(ONE, seed, signal, miss_rate=0.2, noise=0.2)
        return [*made.spoil(np.full(20_000, 5.0), 0), *made.spoil(np.full(20_000, 5.0), 5)]

    assert draw(1, 0) == draw(1, 0)
    assert draw(1, 0) != draw(2, 0)
    assert draw(1, 0) != draw(1, 1)


def outages(states: Any, step_s: int) -> tuple[float, float]:
    """Failures per hour of working, and mean duration in s, of states ``[times, detectors]``."""
    failures = int((states[:-1] & ~states[1:]).sum())
    return failures / (states.sum() * step_s / 3600), (~states).sum() * step_s / failures


def states(config: SensingConfig, detectors: int, hours: int, step_s: int, seed: int = 0) -> Any:
    made = Dropouts(detectors, config, np.random.default_rng(seed), 0)
    return np.array([made.working(t) for t in range(0, hours * 3600, step_s)])


def test_detectors_drop_out_at_the_rate_and_for_the_time() -> None:
    found = states(SensingConfig(dropout_per_h=2.0, dropout_s=300.0), 20, 100, 5)
    rate, duration = outages(found, 5)
    assert rate == pytest.approx(2.0, rel=0.08)
    assert duration == pytest.approx(300.0, rel=0.08)
    assert np.abs(np.corrcoef(found.T.astype(float)) - np.eye(20)).max() < 0.2  # each by itself


def test_a_junction_drops_out_as_a_whole() -> None:
    found = states(SensingConfig(junction_dropout_per_h=3.0, junction_dropout_s=120.0), 4, 700, 5)
    assert (found.all(axis=1) | ~found.any(axis=1)).all()
    rate, duration = outages(found[:, :1], 5)
    assert rate == pytest.approx(3.0, rel=0.1)
    assert duration == pytest.approx(120.0, rel=0.1)


def test_a_run_starts_in_the_steady_state() -> None:
    config = SensingConfig(dropout_per_h=1.0, dropout_s=1200.0)  # 20 min in 80 dead
    working = Dropouts(20_000, config, np.random.default_rng(1), 500.0).working(500.0)
    assert working.mean() == pytest.approx(0.75, abs=0.01)


def test_dropouts_do_not_depend_on_how_often_is_measured() -> None:
    config = SensingConfig(dropout_per_h=20.0, dropout_s=60.0, junction_dropout_per_h=5.0, junction_dropout_s=60.0)
    often, seldom = states(config, 6, 2, 1), states(config, 6, 2, 90)
    assert np.array_equal(often[::90], seldom)
    assert not np.array_equal(seldom, states(config, 6, 2, 90, seed=1))
    assert 0.1 < seldom.mean() < 0.9


def test_last_good_values_are_held_and_no_longer() -> None:
    table = {0: [True], 5: [False], 15: [False], 16: [False], 20: [True], 21: [False]}
    made = scripted(layout([0, 0, 0], [[True]], passing=1), table, hold_s=15)
    seen = {t: made.spoil(np.array([t + 1.0, 7.0, 3.0]), t).tolist() for t in (0, 5, 15)}
    assert seen == {0: [1, 7, 3], 5: [1, 7, 0], 15: [1, 7, 0]}  # a dead detector counts nothing that passes
    assert made.blind_s(15) == 15
    assert made.spoil(np.ones(3), 16).tolist() == [0, 0, 0]
    assert made.blind_s(16) == 16
    assert made.spoil(np.array([9.0, 8.0, 2.0]), 20).tolist() == [9, 8, 2]
    assert made.blind_s(20) == 0
    assert made.spoil(np.zeros(3), 21).tolist() == [9, 8, 0]


def test_dead_from_the_start_is_blind_at_once() -> None:
    made = scripted(layout([0], [[True]]), {0: [False], 5: [True]}, hold_s=60)
    assert made.spoil(np.array([4.0]), 0).tolist() == [0]
    assert made.blind_s(0) == math.inf
    made.spoil(np.array([4.0]), 5)
    assert made.blind_s(5) == 0


def test_a_signal_is_blind_where_a_movement_has_no_detector_left() -> None:
    """Detectors 0 and 1 are of the first movement, 2 of the second, 3 is on an exit."""
    serves = [[True, True, False, False], [False, False, True, False]]
    table = {
        0: [True] * 4,
        5: [False, True, True, False],
        10: [False, False, True, False],
        20: [True, True, False, False],
    }
    made = scripted(layout([0, 1, 2, 3], serves), table, hold_s=6)
    blind, seen = {}, {}
    for t in table:
        seen[t] = made.spoil(np.full(4, t + 1.0), t).tolist()
        blind[t] = made.blind_s(t)
    assert blind == {0: 0, 5: 0, 10: 5, 20: 10}
    assert seen == {0: [1] * 4, 5: [1, 6, 6, 1], 10: [0, 6, 11, 0], 20: [21, 21, 0, 0]}


def test_in_an_outage_the_same_tenth_is_dead_throughout() -> None:
    dropouts = Dropouts(20_000, registry.make("sensing", "outage"), np.random.default_rng(0), 0.0)
    before = dropouts.working(0.0)
    assert (~before).mean() == pytest.approx(0.1, abs=0.01)
    assert (dropouts.working(3600.0) != before).mean() < 0.005
