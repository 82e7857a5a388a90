"""Bootstrap intervals: known values, honest coverage, same in same out."""

from __future__ import annotations

import numpy as np
import pytest

from greenband.evaluation.statistics import bootstrap_ci95, paired_difference


def test_known_values() -> None:
    assert bootstrap_ci95([]) is None
    assert bootstrap_ci95([3.0]) is None
    assert bootstrap_ci95([2.5] * 6) == (2.5, 2.5)
    assert bootstrap_ci95([0.0, 1.0]) == (0.0, 1.0)  # both ends have probability 1/4
    # of resamples of (0, 0, 0, 4), 31.6 % have mean 0 and 5.1 % have three fours or more, 0.4 % four
    assert bootstrap_ci95([0.0, 0.0, 0.0, 4.0]) == (0.0, 3.0)


def test_it_agrees_with_the_normal_interval_for_many_values() -> None:
    values = np.random.default_rng(1).normal(50, 8, 400)
    found = bootstrap_ci95(values.tolist())
    assert found is not None
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_the_same_values_give_the_same_interval() -> None:
    values = np.random.default_rng(2).gamma(2, 10, 12).tolist()
    first = bootstrap_ci95(values)
    np.random.seed(99)  # a caller's seed is no matter
    assert bootstrap_ci95(values) == first


def test_it_scales_and_shifts() -> None:
    values = np.random.default_rng(3).normal(0, 1, 10)
    low, high = bootstrap_ci95(values.tolist()) or (0, 0)
    assert bootstrap_ci95((values * 3 + 7).tolist()) == pytest.approx((low * 3 + 7, high * 3 + 7))


def test_about_95_percent_of_intervals_hold_the_mean() -> None:
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(150):
        low, high = bootstrap_ci95(rng.normal(10, 2, 30).tolist()) or (0, 0)
        hits += low <= 10 <= high
    assert 0.88 <= hits / 150 <= 0.99


def test_pairing_takes_out_what_seeds_share() -> None:
    rng = np.random.default_rng(5)
    shared = rng.normal(60, 20, 10)
    mean, interval = paired_difference((shared - 3 + rng.normal(0, 0.1, 10)).tolist(), shared.tolist())
    assert mean == pytest.approx(-3, abs=0.2)
    assert interval is not None
    assert -3.2 < interval[0] < mean < interval[1] < -2.8
    assert paired_difference([5.0], [3.0]) == (2.0, None)
