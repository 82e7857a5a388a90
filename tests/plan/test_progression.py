from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from greenband.plan.maxband import Direction, bandwidth_s, maximise
from greenband.plan.progression import FAIR, progress


def street(cycle_s: float, green_share: float, travel_s: list[float]) -> tuple[Direction, Direction]:
    """A street with the same green at all signals, in both directions at once."""
    n = len(travel_s) + 1
    passes = np.concatenate([[0.0], np.cumsum(travel_s)])
    start, green = (0.0,) * n, (green_share * cycle_s,) * n
    return Direction(start, green, tuple(passes)), Direction(start, green, tuple(-passes))


def test_an_even_street_is_one_section() -> None:
    """Half a cycle apart, signals let the whole green through both ways."""
    out, back = street(80, 0.4, [40.0] * 5)
    found = progress(80, out, back, 0.8)
    assert [(section.first, section.last) for section in found.sections] == [(0, 5)]
    assert (found.outbound_s, found.inbound_s) == pytest.approx((32, 32))
    assert found.offsets_s[0] == 0
    assert [round(offset) % 80 for offset in found.offsets_s] == [0, 40, 0, 40, 0, 40]


def test_a_street_with_a_bad_link_is_cut_there() -> None:
    """Three good links, one of a quarter cycle, three good ones; greens of 30 % share nothing a quarter cycle apart."""
    out, back = street(80, 0.25, [40.0, 40.0, 20.0, 40.0, 40.0])
    whole = maximise(80, out, back, 0.8)
    assert min(whole.outbound_s, whole.inbound_s) == pytest.approx(0, abs=1e-6)
    found = progress(80, out, back, 0.8)
    assert [(section.first, section.last) for section in found.sections] == [(0, 2), (3, 5)]
    for section in found.sections:
        assert (section.outbound_s, section.inbound_s) == pytest.approx((20, 20), abs=1e-3)
    assert (found.outbound_s, found.inbound_s) == pytest.approx((20, 0), abs=1e-3)


@pytest.mark.parametrize(("ratio", "leading"), [(0.7, "outbound_s"), (1.5, "inbound_s")])
def test_the_busier_direction_keeps_a_band_from_end_to_end(ratio: float, leading: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(10):
        out, back = street(90, float(rng.uniform(0.25, 0.35)), list(rng.uniform(10, 70, 7)))
        found = progress(90, out, back, ratio)
        narrowest = min(getattr(section, leading) for section in found.sections)
        assert getattr(found, leading) == pytest.approx(narrowest, abs=1e-3)
        assert narrowest > 0
        assert [s.first for s in found.sections][1:] == [s.last + 1 for s in found.sections][:-1]
        for section in found.sections:
            total = section.outbound_s + section.inbound_s
            assert section.first == section.last or total >= 2 * FAIR * 90 - 1e-3


def test_no_fewer_sections_would_do() -> None:
    """Every cut into fewer sections has one without fair bands."""
    out, back = street(90, 0.3, [15.0, 40.0, 25.0, 62.0, 33.0])
    found = progress(90, out, back, 0.8)
    number = len(found.sections)
    assert number > 1
    for cuts in combinations(range(1, 6), number - 2):
        stretches = list(zip((0, *cuts), (*(cut - 1 for cut in cuts), 5), strict=True))
        bands = [maximise(90, out.part(i, j), back.part(i, j), 0.8) for i, j in stretches if i < j]
        widths = [(band.outbound_s, band.inbound_s) for band in bands]
        assert any(min(pair) == 0 or sum(pair) < 2 * FAIR * 90 for pair in widths)


def test_a_one_way_street_and_one_without_traffic_back_are_not_cut() -> None:
    out, back = street(80, 0.25, [40.0, 40.0, 20.0, 40.0, 40.0])
    for other in (None, back):
        found = progress(80, out, other, None)
        assert len(found.sections) == 1
        assert max(found.outbound_s, found.inbound_s) == pytest.approx(20)
    assert float(bandwidth_s(80, out, progress(80, out, None, None).offsets_s)) == pytest.approx(20)
