"""What is said of a handful of seeds: averages, intervals, and whether a difference could be chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["bootstrap_ci95", "interquartile_mean", "paired_difference", "wilcoxon_p"]

RESAMPLES = 10_000


def bootstrap_ci95(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean (Efron and Tibshirani 1993); None for fewer than two values.

    The resampling is seeded, so that the same values give the same interval.
    """
    data = np.asarray(values, dtype=float)
    if len(data) < 2:
        return None
    means = np.random.default_rng(0).choice(data, (RESAMPLES, len(data))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half, robust to single runs that fail (Agarwal et al. 2021): a quarter of the values, rounded
    down, is cut off at either end. NaN if one is.
    """
    from scipy import stats

    data = np.asarray(values, dtype=float)
    return math.nan if np.isnan(data).any() else float(stats.trim_mean(data, 0.25))


def paired_difference(values: Sequence[float], reference: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Mean of ``values - reference``, paired by position (seed), with its bootstrap interval."""
    difference = _difference(values, reference)
    return float(difference.mean()), bootstrap_ci95(difference.tolist())


def wilcoxon_p(values: Sequence[float], reference: Sequence[float]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test on ``values - reference``, paired by position (seed).

    Pairs without a difference are left out (Wilcoxon 1945); 1 if none is left. With n pairs it is never below 2^(1-n):
    six are needed to be below 0.05. None for fewer than two pairs or where one is no number.
    """
    from scipy import stats

    difference = _difference(values, reference)
    if len(difference) < 2 or not np.isfinite(difference).all():
        return None
    different = difference[difference != 0]
    p = float(stats.wilcoxon(different).pvalue) if len(different) else 1.0
    return p if math.isfinite(p) else None


def _difference(values: Sequence[float], reference: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
