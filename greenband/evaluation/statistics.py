"""Intervals over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["bootstrap_ci95", "paired_difference"]

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


def paired_difference(values: Sequence[float], reference: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Mean of ``values - reference``, paired by position (seed), with its bootstrap interval."""
    difference = np.asarray(values, dtype=float) - np.asarray(reference, dtype=float)
    return float(difference.mean()), bootstrap_ci95(difference.tolist())
