"""What one signal lets go comes to the next."""

from __future__ import annotations

from itertools import pairwise

import pytest

from greenband import registry
from greenband.neighbours import feeds
from greenband.scenario import Scenario


def test_signals_in_a_row_feed_each_other_both_ways(shixin_short: Scenario) -> None:
    network = shixin_short.network
    between = {(feed.behind, feed.signal): feed for feed in feeds(network)}
    row = list(network.signals)
    assert set(between) == {*pairwise(row), *pairwise(reversed(row))}
    feed = between[row[0], row[1]]
    before, here = network.signals[row[0]], network.signals[row[1]]
    (out,) = {before.movements[k].to_edge for k in feed.departs}
    (into,) = {here.movements[k].from_edge for k in feed.arrives}
    assert [k for k, m in enumerate(before.movements) if m.to_edge == out] == sorted(feed.departs)
    assert [k for k, m in enumerate(here.movements) if m.from_edge == into] == sorted(feed.arrives)
    assert network.drives[out] == (into,)  # it widens before the stop line
    assert feed.travel_s == pytest.approx(network.edge_time_s(out) + network.edge_time_s(into))


def test_a_lone_signal_has_none(jincheng: Scenario) -> None:
    assert feeds(jincheng.network) == ()


@pytest.mark.parametrize("name", registry.names("scenario"))
def test_every_feed_arrives_at_a_whole_approach(name: str) -> None:
    network = registry.scenario(name).network
    for feed in feeds(network):
        movements = network.signals[feed.signal].movements
        (approach,) = {movements[k].from_edge for k in feed.arrives}
        assert len(feed.arrives) == sum(movement.from_edge == approach for movement in movements)
        assert feed.departs
        assert feed.behind != feed.signal
        assert feed.travel_s > 0
