"""Generalised Pareto tails of many samples: threshold, and the maximum of the likelihood by its profile."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

SHAPES = (-0.5, 0.95)
"""Below, the estimator is not regular; from one on, the law has no mean."""
LOWEST, HIGHEST, GRID = -8.0, 10.0, 24
HALVINGS = 80
SMALL = 1e-4
"""Under it the score's difference of large numbers is replaced by its series."""
LEAST_EXCESSES = 10
RISE = 0.3
"""Power of the rank that weighs deviations in the rule of Reiss and Thomas."""


@njit(cache=True, error_model="numpy")
def profile_shape(y: FloatArray, theta: float) -> float:
    """The shape that belongs to ``theta = shape / scale``: mean of ln(1 + theta y)."""
    total = 0.0
    for v in y:
        total += math.log1p(theta * v)
    return total / y.size


@njit(cache=True, error_model="numpy")
def profile_score(y: FloatArray, theta: float, largest: float) -> float:
    """Derivative of the profile log-likelihood, per observation."""
    n = y.size
    if abs(theta) * largest < SMALL:
        a = b = c = 0.0
        for v in y:
            a += v
            b += v * v
            c += v * v * v
        a, b, c = a / n, b / a, c / a
        gap = (0.5 * b - 2.0 * c * theta / 3.0) / (1.0 - 0.5 * b * theta + c * theta * theta / 3.0)
        return gap - a * (1.0 - b * theta + c * theta * theta)
    shape = slope = 0.0
    for v in y:
        shape += math.log1p(theta * v)
        slope += v / (1.0 + theta * v)
    shape, slope = shape / n, slope / n
    return 1.0 / theta - slope / shape - slope


@njit(cache=True, error_model="numpy")
def scale_given(y: FloatArray, shape: float, largest: float) -> float:
    """The most likely scale at a given shape, by halving: (1 + shape) mean(w / (1 + shape w)) = 1, w = y / scale."""
    low, high = max(-shape * largest, 0.0), largest
    for _ in range(2):
        total = 0.0
        for v in y:
            total += v / (high + shape * v)
        if (1.0 + shape) * total <= y.size:
            break
        high *= 1e3
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        total = 0.0
        for v in y:
            total += v / (middle + shape * v)
        if (1.0 + shape) * total > y.size:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@njit(cache=True, error_model="numpy")
def gpd_fit(y: FloatArray) -> tuple[float, float]:
    """Shape in [-0.5, 0.95] and scale that maximise the likelihood of excesses over a threshold, not all zero.

    The search runs over ``w = ln(1 + theta largest)``, first on a grid, then for the root of the score by false
    position (Illinois). Where the shape ends beyond its range, it is put on its bound and the scale follows.
    """
    largest = 0.0
    for v in y:
        largest = max(largest, v)
    step = (HIGHEST - LOWEST) / GRID
    best, place = -np.inf, 0
    for i in range(GRID + 1):
        theta = math.expm1(LOWEST + step * i) / largest
        shape = profile_shape(y, theta)
        if not SHAPES[0] <= shape <= SHAPES[1]:
            continue
        value = -math.log(shape / theta) - shape if theta != 0.0 else -math.log(np.mean(y))
        if value > best:
            best, place = value, i
    left, right = LOWEST + step * (place - 1), LOWEST + step * (place + 1)
    above = profile_score(y, math.expm1(left) / largest, largest)
    below = profile_score(y, math.expm1(right) / largest, largest)
    if not above > 0.0 or not below < 0.0:
        shape = SHAPES[0] if not above > 0.0 else SHAPES[1]
        return shape, scale_given(y, shape, largest)
    w, side = left, 0
    for _ in range(HALVINGS):
        last = w
        w = (left * below - right * above) / (below - above)
        here = profile_score(y, math.expm1(w) / largest, largest)
        if abs(w - last) < 1e-14 * max(abs(w), 1e-3) or here == 0.0:
            break
        if here > 0.0:
            left, above = w, here
            below *= 0.5 if side > 0 else 1.0
            side = 1
        else:
            right, below = w, here
            above *= 0.5 if side < 0 else 1.0
            side = -1
    theta = math.expm1(w) / largest
    shape = profile_shape(y, theta)
    if shape < SHAPES[0] or shape > SHAPES[1]:
        shape = min(max(shape, SHAPES[0]), SHAPES[1])
        return shape, scale_given(y, shape, largest)
    return shape, shape / theta if theta != 0.0 else float(np.mean(y))


@njit(cache=True, error_model="numpy")
def stable_count(row: FloatArray) -> int:
    """Number of excesses by the rule of Reiss and Thomas on an ascending sample: where Hill's estimates are steadiest.

    It minimises the mean of ``(i - k0 + 1)^0.3 |H_i - median(H_k0..H_k)|`` over i in [k0, k], with k in [k0 + 10,
    0.15 n] and k0 = max(10, n / 100). Only positive losses count: where they are too few for the rule, all of them are
    taken, up to 0.15 n.
    """
    n = row.size
    first, most = max(LEAST_EXCESSES, n // 100), (15 * n) // 100
    while most > 0 and row[n - most - 1] <= 0.0:
        most -= 1
    if most < first + 10:
        return min(max(most, 0), first + 10)
    hill, logs = np.empty(most + 1), 0.0
    for k in range(1, most + 1):
        logs += math.log(row[n - k])
        hill[k] = logs / k - math.log(row[n - k - 1])
    ordered, weight = np.empty(most), np.arange(1.0, most + 1.0) ** RISE
    size, best, found = 0, np.inf, first + 10
    for k in range(first, most + 1):
        at = size
        while at > 0 and ordered[at - 1] > hill[k]:
            ordered[at] = ordered[at - 1]
            at -= 1
        ordered[at] = hill[k]
        size += 1
        if k < first + 10:
            continue
        middle = 0.5 * (ordered[(size - 1) // 2] + ordered[size // 2])
        total = 0.0
        for i in range(first, k + 1):
            total += weight[i - first] * abs(hill[i] - middle)
        if total / size < best:
            best, found = total / size, k
    return found


@njit(cache=True, error_model="numpy")
def gpd_rows(rows: FloatArray, count: int, counts: IntArray, shape: FloatArray, scale: FloatArray) -> None:
    """Fit the `count` largest of every ascending row over the next one (0: the stable number); NaN for too few."""
    n = rows.shape[1]
    for i in range(rows.shape[0]):
        row = rows[i]
        k = count if count > 0 else stable_count(row)
        counts[i], shape[i], scale[i] = k, np.nan, np.nan
        if k < LEAST_EXCESSES or k >= n:
            continue
        y = row[n - k :] - row[n - k - 1]
        if y[k - 1] > 0.0:
            shape[i], scale[i] = gpd_fit(y)
        elif row[n - 1] == row[n - 1]:
            shape[i], scale[i] = 0.0, 0.0
