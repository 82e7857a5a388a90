"""A platoon that is seen to leave one signal is announced at the next."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from greenband.neighbours import feeds
from greenband.platoons import HORIZONS_S, Platoons
from greenband.scenario import Scenario


@pytest.fixture
def platoons(shixin_short: Scenario) -> Platoons:
    network = shixin_short.network
    width = max(len(signal.movements) for signal in network.signals.values())
    return Platoons(network, feeds(network), width)


def test_a_platoon_comes_nearer_until_it_is_there(platoons: Platoons, shixin_short: Scenario) -> None:
    """12 vehicles for one interval as long as they are in sight; shared among the approach's movements by lanes."""
    network = shixin_short.network
    names = list(network.signals)
    feed = next(feed for feed in feeds(network) if (feed.behind, feed.signal) == (names[0], names[1]))
    width = max(len(signal.movements) for signal in network.signals.values())
    leaving, none = np.zeros((len(names), width)), np.zeros((len(names), width))
    leaving[0, list(feed.departs)] = 12.0  # the movements share an exit, so all of them see the same vehicles
    seen = [platoons.forecast(0, leaving)]
    seen += [platoons.forecast(6 * k, none) for k in range(1, 12)]
    whole = [forecast[1, list(feed.arrives)].sum(axis=0) for forecast in seen]
    for k, announced in enumerate(whole):
        due_s = feed.travel_s - 6 * k
        expected = [12.0 * (begin <= due_s < end) for begin, end in pairwise(HORIZONS_S)]
        assert announced == pytest.approx(expected)
    signal = network.signals[names[1]]
    lanes = np.array([len(signal.movements[k].from_lanes) for k in feed.arrives])
    assert seen[0][1, list(feed.arrives)].sum(axis=1) == pytest.approx(12 * lanes / lanes.sum())
    others = [s for s in range(len(names)) if s != 1]
    assert not seen[0][others].any()


def test_a_vehicle_counts_once_however_often_it_is_seen(platoons: Platoons, shixin_short: Scenario) -> None:
    """2 vehicles that stay in sight for two looks of 3 s are 2, not 4."""
    names = list(shixin_short.network.signals)
    feed = next(feed for feed in feeds(shixin_short.network) if (feed.behind, feed.signal) == (names[0], names[1]))
    width = max(len(signal.movements) for signal in shixin_short.network.signals.values())
    leaving, none = np.zeros((len(names), width)), np.zeros((len(names), width))
    leaving[0, list(feed.departs)] = 2.0
    platoons.forecast(0, none)
    platoons.forecast(3, leaving)
    total = platoons.forecast(6, leaving).sum()
    assert total == pytest.approx(2.0)
    platoons.reset()
    assert not platoons.forecast(9, none).any()
