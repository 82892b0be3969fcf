"""Expectiles at a level that moves from day to day, of residuals times volatility.

A day's level is ``A(y)`` with A the logistic function or the normal distribution function. ``y`` moves by yesterday's
variance and loss, ``y[t+1] = d0 + d1 y[t] + d2 h[t] + d3 a[t]``, or online by yesterday's hit,
``y[t+1] = y[t] + g (hit[t] - (1 - p))``. It is held within its bounds.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray

ROOT = math.sqrt(0.5)


@njit(cache=True, error_model="numpy")
def level_of(y: float, normal: bool) -> float:
    """A of y, in (0, 1)."""
    return 0.5 * math.erfc(-ROOT * y) if normal else 1.0 / (1.0 + math.exp(-y))


@njit(cache=True, error_model="numpy")
def upper_expectile(ordered: FloatArray, n: int, total: float, level: float, rest: float) -> float:
    """Expectile at `level` (``rest = 1 - level``) of the first n values of an ascending array with sum `total`.

    From the largest value down to the last that lies at or below it: few steps in the upper tail.
    """
    above, count = 0.0, 0
    for i in range(n - 1, -1, -1):
        x = ordered[i]
        up, low = above - count * x, (n - count) * x - (total - above)
        if i == 0 or (count > 0 and low * rest <= level * up):
            break
        above += x
        count += 1
    return (level * above + rest * (total - above)) / (level * count + rest * (n - count))


@njit(cache=True, error_model="numpy")
def moving_levels(
    losses: FloatArray, mean: FloatArray, sigma: FloatArray, variance: FloatArray, size: FloatArray, window: int,
    begin: int, online: bool, normal: bool, p: float, first: FloatArray, points: FloatArray, low: float, high: float,
    scores: FloatArray, levels: FloatArray, values: FloatArray,
) -> None:  # fmt: skip
    """Walk many points side by side through rows ``begin .. n``, row n the day after the last loss.

    Row t is the expectile ``mean + sigma e(z)`` of the standardised losses of the last `window` days before it (of all
    there are, if fewer). `first` holds each point's y of row `begin`; `points` rows (d0, d1, d2, d3), or (g,) online.
    `scores` get the sums of the quantile score at p; `levels` and `values` (n + 1,), where they are not empty, the path
    of the first point.
    """
    n, m = losses.size, points.shape[0]
    ordered, y = np.empty(window + 1), first.copy()
    z = np.empty(n)
    held = 0
    scores[:] = 0.0
    for t in range(n + 1):
        if t >= begin:
            total = 0.0
            for i in range(held):
                total += ordered[i]
            for j in range(m):
                level, rest = level_of(y[j], normal), level_of(-y[j], normal)
                value = mean[t] + sigma[t] * upper_expectile(ordered, held, total, level, rest)
                if j == 0 and levels.size > 0:
                    levels[t], values[t] = level, value
                if t == n:
                    continue
                gap = losses[t] - value
                scores[j] += p * gap if gap > 0.0 else (p - 1.0) * gap
                if online:
                    y[j] += points[j, 0] * ((1.0 if gap > 0.0 else 0.0) - (1.0 - p))
                else:
                    y[j] = points[j, 0] + points[j, 1] * y[j] + points[j, 2] * variance[t] + points[j, 3] * size[t]
                y[j] = min(max(y[j], low), high)
        if t == n:
            break
        z[t] = (losses[t] - mean[t]) / sigma[t]
        if held == window:
            place = np.searchsorted(ordered[:held], z[t - window])
            for i in range(place, held - 1):
                ordered[i] = ordered[i + 1]
            held -= 1
        place = np.searchsorted(ordered[:held], z[t])
        for i in range(held, place, -1):
            ordered[i] = ordered[i - 1]
        ordered[place] = z[t]
        held += 1
