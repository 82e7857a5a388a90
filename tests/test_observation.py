"""One layout for signals of any shape: size, padding, mask, finite values, and a memory that resets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from greenband import registry
from greenband.control import ControlLoop
from greenband.errors import BadInput
from greenband.neighbours import feeds
from greenband.observation import (
    MAX_STAGES,
    OBSERVATION_SIZE,
    STAGE_FEATURES,
    Encoder,
    action_mask,
    standing_alone,
)
from greenband.scenario import Scenario
from greenband.sensing import Measurement, SensingConfig

F = len(STAGE_FEATURES)


def tables(rows: Any) -> Any:
    """The per-stage part of observations, ``[signals, stages, features]``."""
    return rows[:, : MAX_STAGES * F].reshape(-1, MAX_STAGES, F)


@pytest.mark.parametrize("range_m", [80.0, 1e9])
@pytest.mark.parametrize("name", registry.names("scenario"))
def test_layout_padding_mask_and_values(name: str, range_m: float, shorten: Callable[..., Scenario]) -> None:
    scenario = shorten(registry.scenario(name), duration_s=60, warmup_s=60)
    loop = ControlLoop(scenario, "AM", SensingConfig(range_m))
    encoder = Encoder(scenario.network, loop.limits)
    signals = list(scenario.network.signals.values())
    rng = np.random.default_rng(0)
    try:
        measurement = loop.reset(4)
        while not loop.done:
            rows = encoder.encode(measurement)
            assert rows.shape == (len(signals), OBSERVATION_SIZE)
            assert rows.dtype == np.float32
            assert np.isfinite(rows).all()
            assert rows.min() >= 0
            for row, table, signal in zip(rows, tables(rows), signals, strict=True):
                lock, n = loop.interlocks[signal.id], len(signal.stages)
                assert not table[n:].any()
                assert table[:, 1].tolist() == [1.0] * n + [0.0] * (MAX_STAGES - n)
                assert action_mask(row)[:n].tolist() == lock.mask().tolist()
                assert np.flatnonzero(table[:, 2]).tolist() == [lock.stage]
                assert row[-3] == lock.in_transition
                assert row[-2] == pytest.approx(lock.green_elapsed() / 60)
                assert (table[:n, 3] * 120).round().tolist() == lock.red_elapsed().tolist()
            loop.step({s.id: int(rng.integers(len(s.stages))) for s in signals}, 5)
            measurement = loop.measure()
        assert rows.max() < (2.5 if range_m < 1e6 else 25)  # about [0, 1] for cameras
    finally:
        loop.close()


def measured(scenario: Scenario, time_s: int, standing: float) -> Measurement:
    """A junction that has stood in its first stage, with vehicles on each movement."""
    signal = scenario.network.signals["J11"]
    m, n = len(signal.movements), len(signal.stages)
    view: Any = SimpleNamespace(
        approaching=np.zeros(m),
        standing=np.full(m, standing),
        leaving=np.zeros(m),
        stage=0,
        in_transition=False,
        green_s=30,
        red_s=np.arange(n) * 12,
        allowed=np.ones(n, bool),
    )
    return Measurement(time_s, {"J11": view})


def encoder_of(scenario: Scenario) -> Encoder:
    return Encoder(scenario.network, {s.id: s.limits(scenario.timing) for s in scenario.network.signals.values()})


def test_features_by_hand(jincheng: Scenario) -> None:
    signal = jincheng.network.signals["J11"]
    table = tables(encoder_of(jincheng).encode(measured(jincheng, 0, 2.0)))[0]
    stage = signal.stages[1]
    column = {name: table[1, k] for k, name in enumerate(STAGE_FEATURES)}
    lanes = [len(signal.movements[k].from_lanes) for k in stage.movements]
    assert column["standing"] == pytest.approx(2 * len(stage.movements) / 40)
    assert column["standing_per_lane"] == pytest.approx(2 / min(lanes) / 12)
    assert column["lanes"] == pytest.approx(sum(lanes) / 12)
    assert column["red"] == pytest.approx(0.1)
    assert column["min_green"] == pytest.approx(8 / 30)
    assert column["usual"] == column["standing"]
    assert column["leaving"] == column["approaching"] == column["present"] == 0


def test_the_usual_is_remembered_until_reset(jincheng: Scenario) -> None:
    encoder = encoder_of(jincheng)
    usual, standing = STAGE_FEATURES.index("usual"), STAGE_FEATURES.index("standing")
    first = encoder.encode(measured(jincheng, 0, 4.0))
    later = encoder.encode(measured(jincheng, 180, 0.0))
    assert not tables(later)[..., standing].any()
    assert tables(later)[..., usual] == pytest.approx(tables(first)[..., usual] * np.exp(-1))
    encoder.reset()
    assert not tables(encoder.encode(measured(jincheng, 360, 0.0)))[..., usual].any()
    encoder.reset()
    assert (encoder.encode(measured(jincheng, 0, 4.0)) == first).all()


def test_too_many_stages_are_refused(jincheng: Scenario) -> None:
    signal = jincheng.network.signals["J11"]
    many = replace(signal, stages=(signal.stages * 3)[: MAX_STAGES + 1])
    network: Any = SimpleNamespace(signals={"J11": many})
    with pytest.raises(BadInput, match="signal J11 has 9 stages; observations hold at most 8"):
        Encoder(network, {"J11": many.limits(jincheng.timing)})


def test_what_the_signals_ahead_and_behind_show(shixin_short: Scenario) -> None:
    """All in their first stage, the main road's through traffic: the side roads of the next ones are shut."""
    scenario = shixin_short
    signals = list(scenario.network.signals.values())
    views: dict[str, Any] = {}
    for signal in signals:
        m, n = len(signal.movements), len(signal.stages)
        views[signal.id] = SimpleNamespace(
            approaching=np.zeros(m),
            standing=np.zeros(m),
            leaving=np.zeros(m),
            stage=0,
            in_transition=False,
            green_s=30,
            red_s=np.arange(n),
            allowed=np.ones(n, bool),
        )
    first, second = signals[0], signals[1]
    (feed,) = [feed for feed in feeds(scenario.network) if (feed.behind, feed.signal) == (first.id, second.id)]
    views[second.id].standing[list(feed.arrives)] = 3.0
    views[first.id].standing[list(feed.departs)] = 2.0

    def column(signal: int, name: str) -> Any:
        rows = encoder_of(scenario).encode(Measurement(0, views))
        return tables(rows)[signal, :, STAGE_FEATURES.index(name)]

    def serving(signal: Any, movements: Any) -> list[bool]:
        return [bool(set(stage.movements) & set(movements)) for stage in signal.stages]

    n = len(first.stages)
    assert (column(0, "ahead_standing")[:n] > 0).tolist() == serving(first, feed.departs)
    assert column(0, "ahead_standing").max() == pytest.approx(3 * len(feed.arrives) / 40)
    assert (column(1, "behind_standing") > 0).tolist()[: len(second.stages)] == serving(second, feed.arrives)
    assert column(1, "behind_standing").max() == pytest.approx(2 * len(feed.departs) / 40)
    assert column(0, "ahead_open").max() <= 1
    lanes = [len(second.movements[k].from_lanes) for k in feed.arrives]
    open_lanes = [count for count, k in zip(lanes, feed.arrives, strict=True) if k in second.stages[0].movements]
    assert 0 < sum(open_lanes) < sum(lanes)
    out = [k for k in first.stages[0].movements if k in feed.departs]
    share = sum(len(first.movements[k].from_lanes) for k in out) / sum(
        len(first.movements[k].from_lanes) for k in first.stages[0].movements
    )
    assert column(0, "ahead_open")[0] == pytest.approx(1 - share * (1 - sum(open_lanes) / sum(lanes)))
    views[second.id].stage = 2  # the cross road
    assert column(0, "ahead_open")[0] < 1 - share * 0.5
    assert column(0, "behind_green")[0] < column(1, "behind_green")[0]


def test_what_a_signal_that_stands_alone_would_see(jincheng: Scenario, shixin_short: Scenario) -> None:
    assert not feeds(jincheng.network)
    alone = encoder_of(jincheng).encode(measured(jincheng, 0, 2.0))
    assert (standing_alone(alone) == alone).all()  # the only signal of its network
    loop = ControlLoop(shixin_short, "AM")
    try:
        among = encoder_of(shixin_short).encode(loop.reset(1))
    finally:
        loop.close()
    cut = standing_alone(among)
    assert not (cut == among).all()
    first = STAGE_FEATURES.index("soon")
    assert (tables(cut)[..., :first] == tables(among)[..., :first]).all()
    assert not np.delete(tables(cut)[..., first:], STAGE_FEATURES.index("ahead_open") - first, axis=2).any()
