"""Bootstrap intervals: known values, honest coverage, same in same out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from greenband.evaluation.statistics import (
    bootstrap_ci95,
    interquartile_mean,
    interquartile_mean_ci95,
    mean,
    median,
    paired_difference,
    probability_below,
    wilcoxon_p,
)


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
    difference, interval = paired_difference((shared - 3 + rng.normal(0, 0.1, 10)).tolist(), shared.tolist())
    assert difference == pytest.approx(-3, abs=0.2)
    assert interval is not None
    assert -3.2 < interval[0] < difference < interval[1] < -2.8
    assert paired_difference([5.0], [3.0]) == (2.0, None)


def test_interquartile_mean_cuts_a_quarter_at_either_end() -> None:
    assert interquartile_mean([1, 2, 3, 4]) == 2.5
    assert interquartile_mean([900, 3, 1, 2, 5, 4, 6, 0]) == pytest.approx((2 + 3 + 4 + 5) / 4)
    assert interquartile_mean([1, 2, 9]) == 4  # a quarter of three, rounded down, is none
    assert interquartile_mean([7]) == 7
    assert interquartile_mean([1, 2, 3, 4, math.nan]) == 2.5
    assert math.isnan(interquartile_mean([math.nan]))


def test_wilcoxon_by_hand() -> None:
    """Six differences of one sign are as extreme as 2 of the 64 ways to sign them; with one turned round, ranks decide:
    W = 1 is reached by 2 ways at either end, W = 2 by 3.
    """
    reference = [50.0] * 6
    assert wilcoxon_p([49, 48, 47, 46, 45, 44], reference) == pytest.approx(2 / 64)
    assert wilcoxon_p([51, 48, 47, 46, 45, 44], reference) == pytest.approx(4 / 64)
    assert wilcoxon_p([49, 52, 47, 46, 45, 44], reference) == pytest.approx(6 / 64)
    assert wilcoxon_p([49, 48], [50, 50.5]) == pytest.approx(1 / 2)


def test_wilcoxon_leaves_out_what_does_not_differ() -> None:
    some = wilcoxon_p([49, 48, 47, 46, 45, 44], [50.0] * 6)
    assert wilcoxon_p([49, 48, 47, 46, 45, 44, 50, 50], [50.0] * 8) == some
    assert wilcoxon_p([3, 4, 5], [3, 4, 5]) == 1
    assert wilcoxon_p([3], [4]) is None
    assert wilcoxon_p([3, math.nan, 4], [1, 2, math.nan]) is None


def test_wilcoxon_agrees_with_a_published_table() -> None:
    """Darwin's maize (Fisher 1935): crossed against self-fertilised, in eighths of an inch; W = 24, p = 0.041."""
    differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert wilcoxon_p(differences, [0.0] * 15) == pytest.approx(0.041, abs=0.0005)


def test_seeds_without_a_value_count_nowhere() -> None:
    unknown = math.nan
    assert mean([1, unknown, 3]) == median([1, unknown, 3]) == 2
    assert math.isnan(mean([unknown]))
    assert math.isnan(median([]))
    assert bootstrap_ci95([1, unknown, 2, 5]) == bootstrap_ci95([1, 2, 5])
    assert bootstrap_ci95([1, unknown]) is None
    assert paired_difference([5, unknown, 7, 9], [1, 2, unknown, 3]) == paired_difference([5, 9], [1, 3])
    difference, interval = paired_difference([unknown], [1])
    assert math.isnan(difference)
    assert interval is None
    assert wilcoxon_p([49, unknown, 48], [50, 1, 50.5]) == wilcoxon_p([49, 48], [50, 50.5])


def test_probability_below_counts_pairs_and_half_of_ties() -> None:
    probability, interval = probability_below([1.0, 2.0], [2.0, 3.0]) or (0.0, None)
    assert (probability, interval) == (3.5 / 4, (0.5, 1.0))
    assert probability_below([1.0], [2.0, 0.0]) == (0.5, None)
    assert probability_below([], [1.0]) is None
    low, high = (probability_below(list(range(10)), list(range(10))) or (0, None))[1] or (0, 0)
    assert low < 0.5 < high


def test_interval_of_the_interquartile_mean_minds_no_outlier() -> None:
    low, high = interquartile_mean_ci95([*range(10, 20), 1000]) or (0.0, 0.0)
    assert 10 < low < interquartile_mean([*range(10, 20), 1000]) < high < 250
    assert interquartile_mean_ci95([3.0]) is None
