"""Bands by hand, by theorem, and never narrower than what chance finds.

Red times and distances of Euclid Avenue, Cleveland, are the example of Little (Operations Research 14, 1966), as the
model library of LINDO Systems reprints them; that speed and cycle are given and not chosen is this test's doing.

The eight signals of ``ALGEBRAIC`` are the example by which Chinese textbooks teach the algebraic method (数解法; Yang
and Wu, 交通管理与控制, Traffic Management and Control), read in the copy of its table that accompanies an open
programme, GreenWaveBandPro: offsets and, in the method's words, effective green shares, of which the band is made.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.plan.maxband import Direction, band_middle_s, bandwidth_s, maximise

EUCLID_M = (0, 168, 213, 335, 213, 244, 198, 122, 213, 137)
EUCLID_GREEN = (0.53, 0.60, 0.60, 0.53, 0.52, 0.58, 0.60, 0.60, 0.60, 0.58)


def street(cycle_s: float, greens: np.ndarray, travel_s: np.ndarray) -> tuple[Direction, Direction]:
    """A street whose greens are the same in both directions and lie around the offset; ``greens`` as shares."""
    green, start = tuple(greens * cycle_s), tuple(-greens * cycle_s / 2)
    passes = np.concatenate([[0.0], np.cumsum(travel_s)])
    return Direction(start, green, tuple(passes)), Direction(start, green, tuple(-passes))


def random_street(rng: np.random.Generator) -> tuple[float, Direction, Direction]:
    n, cycle = int(rng.integers(2, 10)), float(rng.integers(60, 150))
    passes = np.concatenate([[0.0], np.cumsum(rng.uniform(5, 90, n - 1))])
    back = np.concatenate([[0.0], np.cumsum(np.diff(passes) * rng.uniform(0.8, 1.2, n - 1))])
    ways = [
        Direction(tuple(rng.uniform(0, cycle, n)), tuple(rng.uniform(0.25, 0.7, n) * cycle), tuple(at))
        for at in (passes, -back)
    ]
    return cycle, ways[0], ways[1]


def test_a_band_by_hand() -> None:
    # Greens of 30 s and 40 s, 20 s apart, in a cycle of 100 s. With offsets 0 and 15 the vehicles that leave at 0 to 30
    # come at 20 to 50 and meet green from 15 to 55: all of them. With offset 35 those after second 15 do: 15 s. With
    # offset 60 nobody does.
    way = Direction((0, 0), (30, 40), (0, 20))
    offsets = [[0, 15], [0, 35], [0, 60]]
    assert bandwidth_s(100, way, offsets) == pytest.approx([30, 15, 0])
    assert band_middle_s(100, way, offsets[1]) == pytest.approx(22.5)


def test_a_band_may_span_the_cycle_s_end_and_a_signal_may_always_be_green() -> None:
    way = Direction((95, 0, 90), (30, 100, 20), (0, 50, 100))
    assert float(bandwidth_s(100, way, [0, 0, 0])) == pytest.approx(15)  # green from 95 to 125 and from 90 to 110
    assert float(bandwidth_s(100, Direction((0,), (100,), (0,)), [7])) == 100


@pytest.mark.parametrize(
    ("travel_share", "signals", "width_share"),
    [
        (0.5, 8, 0.5),  # single alternate system: all of the green
        (0.25, 8, 0.25),  # double alternate system: half of it
        (1.0, 8, 0.5),  # a full cycle apart, all green at once
        (0.1, 5, 0.1),  # simultaneous system, all green at once: 1/2 less the time from end to end
    ],
)
def test_systems_of_evenly_spaced_signals(travel_share: float, signals: int, width_share: float) -> None:
    """Equal bands of evenly spaced signals with half the cycle green (Roess, Prassas, McShane: Traffic Engineering)."""
    out, back = street(80, np.full(signals, 0.5), np.full(signals - 1, 80 * travel_share))
    bands = maximise(80, out, back, 1.0)
    assert (bands.outbound_s / 80, bands.inbound_s / 80) == pytest.approx((width_share, width_share), abs=1e-6)


@pytest.mark.parametrize(("speed_ms", "cycle_s"), [(13.4, 55), (13.4, 75), (15.6, 65), (17.9, 55), (17.9, 75)])
def test_equal_bands_on_euclid_avenue_are_those_of_half_integer_offsets(speed_ms: float, cycle_s: float) -> None:
    """With equal travel times both ways some best offsets are 0 or half a cycle (Morgan and Little, 1964): try all."""
    out, back = street(cycle_s, np.array(EUCLID_GREEN), np.array(EUCLID_M[1:]) / speed_ms)
    halves = np.array([(0.0, *rest) for rest in product((0.0, cycle_s / 2), repeat=9)])
    best = np.minimum(bandwidth_s(cycle_s, out, halves), bandwidth_s(cycle_s, back, halves)).max()
    bands = maximise(cycle_s, out, back, 1.0)
    assert (bands.outbound_s, bands.inbound_s) == pytest.approx((best, best), abs=1e-4)
    assert best > 10


ALGEBRAIC_M = (0, 350, 400, 160, 540, 280, 280, 270)
ALGEBRAIC_GREEN = (0.55, 0.60, 0.65, 0.65, 0.60, 0.65, 0.70, 0.50)
ALGEBRAIC_START = (0.725, 0.20, 0.675, 0.675, 0.20, 0.675, 0.65, 0.25)  # of green, published; of the cycle
ALGEBRAIC_EFFECTIVE = ((0.29, 0.57, 0.44, 0.42), (0.56, 0.41, 0.37, 0.32))  # right and left of their ideal places


def test_the_published_bands_of_the_algebraic_method_s_example() -> None:
    """Cycle 80 s, 12.5 m/s; the method's band is the mean of the least effective green on each side: 30.5 %, 24.4 s."""
    published_s = 80 * sum(map(min, ALGEBRAIC_EFFECTIVE)) / 2
    assert published_s == pytest.approx(24.4)
    greens = np.array(ALGEBRAIC_GREEN)
    out, back = street(80, greens, np.array(ALGEBRAIC_M[1:]) / 12.5)
    offsets = 80 * (np.array(ALGEBRAIC_START) + greens / 2)  # of the middle of green
    assert [float(bandwidth_s(80, way, offsets)) for way in (out, back)] == pytest.approx([published_s] * 2)
    bands = maximise(80, out, back, 1.0)
    assert (bands.outbound_s, bands.inbound_s) == pytest.approx([published_s] * 2, abs=1e-6)


def test_no_random_offsets_give_wider_bands() -> None:
    rng = np.random.default_rng(1981)
    for _ in range(25):
        cycle, out, back = random_street(rng)
        sets = rng.uniform(0, cycle, (10_000, len(out.green_s)))
        widths = bandwidth_s(cycle, out, sets), bandwidth_s(cycle, back, sets)
        free = maximise(cycle, out, back)
        assert free.outbound_s + free.inbound_s >= (widths[0] + widths[1]).max() - 1e-4
        for ratio in (0.6, 1.0, 1.5):
            shared = maximise(cycle, out, back, ratio)
            pairs = [(out_s, back_s) for out_s, back_s in zip(*widths, strict=True) if out_s * back_s > 0]
            most = max((_worth(*pair, ratio) for pair in pairs), default=0.0)
            assert _worth(shared.outbound_s, shared.inbound_s, ratio) >= most - 1e-3


def _worth(out_s: float, back_s: float, ratio: float) -> float:
    """What counts of two bands: the most of b + ratio b' for b and b' within them that relate between 1 and ratio."""
    low, high = min(ratio, 1.0), max(ratio, 1.0)
    corners = [(out_s, min(back_s, high * out_s)), (min(out_s, back_s / low), back_s)]
    return max((b + ratio * c for b, c in corners if low * b - 1e-9 <= c <= high * b + 1e-9), default=0.0)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_the_claimed_widths_are_those_on_the_time_space_diagram(seed: int) -> None:
    """A vehicle in the band meets green at every signal, one just outside it does not."""
    cycle, out, back = random_street(np.random.default_rng(seed))
    bands = maximise(cycle, out, back)
    for way, width in ((out, bands.outbound_s), (back, bands.inbound_s)):
        middle = band_middle_s(cycle, way, bands.offsets_s)
        assert float(bandwidth_s(cycle, way, bands.offsets_s)) == pytest.approx(width)
        if width > 0.1:
            assert all(_green(cycle, way, bands.offsets_s, middle + side * (width / 2 - 0.01)) for side in (-1, 1))
            assert not any(_green(cycle, way, bands.offsets_s, middle + side * (width / 2 + 0.01)) for side in (-1, 1))


def _green(cycle_s: float, way: Direction, offsets_s: tuple[float, ...], leaves_s: float) -> bool:
    stops = zip(way.start_s, way.green_s, way.passes_s, offsets_s, strict=True)
    return all((leaves_s + passes - offset - start) % cycle_s < green for start, green, passes, offset in stops)


def test_a_one_way_street_has_the_narrowest_green() -> None:
    out = Direction((3, 50, 20), (40, 25, 60), (0, 31, 77))
    bands = maximise(90, out)
    assert (bands.outbound_s, bands.inbound_s) == pytest.approx((25, 0))


def test_a_signal_that_is_always_green_narrows_no_band() -> None:
    """As where a side road ends and the main road never stops; matters where both bands are wide and equal."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = int(rng.integers(2, 5))
        passes = np.concatenate([[0.0], np.cumsum(rng.uniform(5, 90, n))])
        starts, greens = rng.uniform(0, 100, (2, n + 1)), rng.uniform(65, 90, (2, n))
        ways = [
            Direction(tuple(start), (*green, 100.0), tuple(passes * sign))
            for start, green, sign in zip(starts, greens, (1, -1), strict=True)
        ]
        bands = maximise(100, ways[0], ways[1], 1.0)
        without = maximise(100, ways[0].part(0, n - 1), ways[1].part(0, n - 1), 1.0)
        assert bands.outbound_s + bands.inbound_s == pytest.approx(without.outbound_s + without.inbound_s, abs=1e-3)


@pytest.mark.parametrize("ratio", [0.5, 0.8, 1.0, 1.25, 2.0])
def test_bands_share_out_as_the_ratio_asks(ratio: float) -> None:
    """The favoured direction may be wider than it must be where that costs the other nothing."""
    out, back = street(65, np.array(EUCLID_GREEN), np.array(EUCLID_M[1:]) / 15.6)
    bands = maximise(65, out, back, ratio)
    equal = maximise(65, out, back, 1.0).outbound_s
    weaker, stronger = sorted((bands.outbound_s, bands.inbound_s))
    assert 0 < weaker <= equal + 1e-3
    assert stronger >= equal - 1e-3
    assert weaker / stronger >= min(ratio, 1 / ratio) - 1e-3
    assert (bands.outbound_s >= bands.inbound_s - 1e-3) if ratio <= 1 else (bands.inbound_s >= bands.outbound_s - 1e-3)
