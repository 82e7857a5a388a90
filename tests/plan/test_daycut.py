"""Days whose best cut is known, by design or by trying every cut."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.plan.daycut import Cut, cut_day, stretches, z_scores

Floats = npt.NDArray[np.float64]

NIGHT, OFF, AM, PM = (0.1, 0.3), (0.5, 0.5), (1.0, 0.8), (0.9, 0.1)
HOURS = [(NIGHT, 0, 6), (OFF, 6, 7), (AM, 7, 9), (OFF, 9, 17), (PM, 17, 19), (OFF, 19, 22), (NIGHT, 22, 24)]


def day(hours: Sequence[tuple[tuple[float, float], int, int]] = HOURS, noise: float = 0.02) -> Floats:
    """Quarter hours of a day of known hours."""
    rows = [kind for kind, begin, end in hours for _ in range(4 * (end - begin))]
    return np.array(rows) + np.random.default_rng(0).normal(0, noise, (96, 2))


def scored(features: Floats, weights: Floats | None = None) -> tuple[Floats, Floats]:
    heavy = np.ones(len(features)) if weights is None else weights
    return z_scores(features, heavy, np.full(features.shape[1], 1e-6)), heavy


def hours(cut: Cut) -> list[tuple[int, float, float]]:
    return [(plan, first / 4, after / 4) for plan, first, after in stretches(cut.plans)]


def test_two_peaks_and_the_hours_between_come_back() -> None:
    cut = cut_day(*scored(day()), most=5, penalty=0.01, stay=2)
    assert hours(cut) == [(0, 0, 6), (1, 6, 7), (2, 7, 9), (1, 9, 17), (3, 17, 19), (1, 19, 22), (0, 22, 24)]
    assert cut.changes == 6
    assert cut.deviation < 0.01
    assert cut.cost == pytest.approx(cut.deviation + 0.09)  # six changes, three plans beyond the first


def test_fewer_plans_than_kinds_of_traffic_join_the_most_alike() -> None:
    three = cut_day(*scored(day()), most=3, penalty=0.01, stay=2)
    assert len(set(three.plans)) == 3
    assert three.plans[30] != three.plans[70]  # the peaks differ most
    assert three.plans[50] in (three.plans[0], three.plans[30])
    assert set(cut_day(*scored(day()), most=1, penalty=0.0).plans) == {0}


def test_a_higher_penalty_gives_fewer_changes() -> None:
    cuts = [cut_day(*scored(day()), most=5, penalty=p, stay=2) for p in (0.0, 0.01, 0.1, 0.2)]
    assert cuts[0].changes > 6
    assert cuts[1].changes == 6
    assert hours(cuts[2]) == [(0, 0, 6), (1, 6, 22), (0, 22, 24)]
    assert cuts[3].changes == 0


def test_the_day_is_a_ring() -> None:
    """Moved round the clock by any number of intervals the cut is the same; a night across midnight is one stretch."""
    features, heavy = scored(day())
    plain = cut_day(features, heavy, most=5, penalty=0.01, stay=2)
    for moved in (1, 7, 30, 95):
        cut = cut_day(np.roll(features, moved, axis=0), heavy, most=5, penalty=0.01, stay=2)
        back = np.roll(cut.plans, -moved)
        assert cut.cost == pytest.approx(plain.cost)
        assert len(set(zip(back.tolist(), plain.plans, strict=True))) == 4


def test_a_plan_stays_for_its_least_time_across_midnight_too() -> None:
    """An odd half hour on both sides of midnight has a plan of its own if it may last no longer, and else none."""
    features = np.zeros((96, 1))
    features[[95, 0]] = 1.0
    heavy = np.ones(96)
    assert cut_day(features, heavy, most=2, penalty=0.001, stay=2).plans == (0, *[1] * 94, 0)
    longer = cut_day(features, heavy, most=2, penalty=0.0001, stay=4).plans
    assert sum(plan == longer[0] for plan in longer) == 4
    assert longer[95] == longer[0]
    assert set(cut_day(features, heavy, most=2, penalty=0.02, stay=4).plans) == {0}


def test_heavy_hours_decide() -> None:
    """Where one plan must be shared, it is the light hour that goes without one of its own."""
    features = np.repeat([0.0, 1.0, 2.0], 8)[:, None]
    for light, together in ((0, {0, 1}), (2, {1, 2})):
        heavy = np.repeat([0.1 if k == light else 1.0 for k in range(3)], 8)
        plans = cut_day(features, heavy, most=2, penalty=0.0).plans
        assert {k for k in range(3) if plans[8 * k] == plans[8 * light]} == together


def test_the_same_day_is_cut_alike_every_time() -> None:
    noisy = scored(day(noise=0.3))
    cuts = {cut_day(*noisy, most=6, penalty=0.005, stay=2) for _ in range(3)}
    assert len(cuts) == 1


def cost(features: Floats, heavy: Floats, plans: Sequence[int], penalty: float) -> float:
    shares, numbers = heavy / heavy.sum(), np.array(plans)
    changes = sum(a != b for a, b in zip(plans, (*plans[1:], plans[0]), strict=True))
    total = penalty * (changes + len(set(plans)) - 1)
    for plan in set(plans):
        own = numbers == plan
        mean = (shares[own, None] * features[own]).sum(axis=0) / shares[own].sum()
        total += float((shares[own, None] * (features[own] - mean) ** 2).sum()) / features.shape[1]
    return total


def stays(plans: Sequence[int]) -> int:
    """Intervals of the shortest stretch round the ring."""
    n = len(plans)
    begins = [k for k in range(n) if plans[k] != plans[k - 1]]
    return min((b - a for a, b in itertools.pairwise([*begins, begins[0] + n])), default=n) if begins else n


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), stay=st.integers(1, 3), penalty=st.sampled_from([0.0, 0.02, 0.1, 0.3]))
def test_small_days_against_every_cut(seed: int, stay: int, penalty: float) -> None:
    """No cut costs less than the best of all; the one found costs what is said, and seldom much more than the best."""
    rng = np.random.default_rng(seed)
    features, heavy = scored(rng.normal(size=(9, 2)), rng.uniform(0.2, 1.0, 9))
    found = cut_day(features, heavy, most=2, penalty=penalty, stay=stay)
    every = [p for p in itertools.product((0, 1), repeat=9) if stays(p) >= stay]
    least = min(cost(features, heavy, plans, penalty) for plans in every)
    assert stays(found.plans) >= stay
    assert found.cost == pytest.approx(cost(features, heavy, found.plans, penalty))
    assert least - 1e-9 <= found.cost <= least + 0.25


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 30), most=st.integers(1, 6), stay=st.integers(1, 5), seed=st.integers(0, 999), zero=st.booleans()
)
def test_any_day_can_be_cut(n: int, most: int, stay: int, seed: int, zero: bool) -> None:
    rng = np.random.default_rng(seed)
    heavy = rng.integers(0, 2, n).astype(float) if zero else np.ones(n)
    heavy[0] = 1.0
    cut = cut_day(rng.normal(size=(n, 3)).round(), heavy, most, 0.01, stay)
    assert len(cut.plans) == n
    assert len(set(cut.plans)) <= most
    assert stays(cut.plans) >= min(stay, n)
    assert list(dict.fromkeys(cut.plans)) == list(range(len(set(cut.plans))))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"most": 0}, "most 0"),
        ({"stay": 0}, "stay 0"),
        ({"penalty": -1.0}, "penalty -1"),
        ({"penalty": float("nan")}, "penalty nan"),
        ({"weights": np.zeros(4)}, "not all 0"),
        ({"weights": np.ones(3)}, "a row and a weight"),
        ({"features": np.full((4, 1), np.nan)}, "finite"),
        ({"features": np.zeros((4, 0))}, "a row and a weight"),
    ],
)
def test_figures_that_make_no_day_are_refused(change: dict[str, object], reason: str) -> None:
    given: dict[str, object] = {"features": np.zeros((4, 1)), "weights": np.ones(4), "most": 2, "penalty": 0.1}
    with pytest.raises(ValueError, match=reason):
        cut_day(**(given | change))  # type: ignore[arg-type]
