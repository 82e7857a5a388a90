"""What is said of a handful of seeds: averages, intervals, and whether a difference could be chance.

A seed may have no value (NaN): nobody travelled whose speed could be measured. Such seeds count nowhere, and in a
comparison a seed without a value on either side does not count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = [
    "bootstrap_ci95",
    "interquartile_mean",
    "interquartile_mean_ci95",
    "known",
    "mean",
    "median",
    "paired_difference",
    "probability_below",
    "wilcoxon_p",
]

RESAMPLES = 10_000


def known(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """The values that are numbers."""
    data = np.asarray(values, dtype=np.float64)
    return data[np.isfinite(data)]


def mean(values: Sequence[float]) -> float:
    """Mean; NaN without any value."""
    data = known(values)
    return float(data.mean()) if len(data) else math.nan


def median(values: Sequence[float]) -> float:
    """Median; NaN without any value."""
    data = known(values)
    return float(np.median(data)) if len(data) else math.nan


def bootstrap_ci95(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean (Efron and Tibshirani 1993); None for fewer than two values.

    The resampling is seeded, so that the same values give the same interval. With few values it is too narrow: of n it
    never reaches beyond their range, which holds the mean of what they were drawn from with a probability of about
    1 - 2^(1-n) at most.
    """
    data = known(values)
    if len(data) < 2:
        return None
    means = np.random.default_rng(0).choice(data, (RESAMPLES, len(data))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half, robust to single runs that fail (Agarwal et al. 2021): a quarter of the values, rounded
    down, is cut off at either end. NaN without any value.
    """
    from scipy import stats

    data = known(values)
    return float(stats.trim_mean(data, 0.25)) if len(data) else math.nan


def interquartile_mean_ci95(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the interquartile mean; None for fewer than two values.

    Of few values it is too narrow, as ``bootstrap_ci95`` says.
    """
    from scipy import stats

    data = known(values)
    if len(data) < 2:
        return None
    means = stats.trim_mean(np.random.default_rng(0).choice(data, (RESAMPLES, len(data))), 0.25, axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def probability_below(
    values: Sequence[float], reference: Sequence[float]
) -> tuple[float, tuple[float, float] | None] | None:
    """Probability that a value drawn from ``values`` is below one from ``reference``, and its bootstrap interval.

    Ties count half. For delays it is the probability of improvement of Agarwal et al. (NeurIPS 2021), which is the
    Mann-Whitney statistic over the number of pairs. No interval for fewer than two values on a side, None for none.
    """
    ours, theirs = known(values), known(reference)
    if not len(ours) or not len(theirs):
        return None
    wins = (ours[:, None] < theirs) + 0.5 * (ours[:, None] == theirs)
    if min(wins.shape) < 2:
        return float(wins.mean()), None
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(0, n, (RESAMPLES, n)) for n in wins.shape)
    low, high = np.percentile(wins[rows[:, :, None], columns[:, None, :]].mean(axis=(1, 2)), [2.5, 97.5])
    return float(wins.mean()), (float(low), float(high))


def paired_difference(values: Sequence[float], reference: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Mean of ``values - reference``, paired by position (seed), with its bootstrap interval."""
    difference = _difference(values, reference)
    return mean(difference.tolist()), bootstrap_ci95(difference.tolist())


def wilcoxon_p(values: Sequence[float], reference: Sequence[float]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test on ``values - reference``, paired by position (seed).

    Pairs without a difference are left out (Wilcoxon 1945); 1 if none is left. With n pairs it is never below 2^(1-n):
    six are needed to be below 0.05. None for fewer than two pairs.
    """
    from scipy import stats

    difference = _difference(values, reference)
    if len(difference) < 2:
        return None
    different = difference[difference != 0]
    p = float(stats.wilcoxon(different).pvalue) if len(different) else 1.0
    return p if math.isfinite(p) else None


def _difference(values: Sequence[float], reference: Sequence[float]) -> npt.NDArray[np.float64]:
    return known((np.asarray(values, dtype=np.float64) - np.asarray(reference, dtype=np.float64)).tolist())
