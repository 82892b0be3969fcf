"""Quantile regression on one regressor, exactly, and the statistics of VaR and ES that stand on it.

A path is given by the points that matter, days `where` and losses `y`; all other days are known to lie below the
fitted lines, so that they enter the sums only. Regressors are taken around their mean.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

LIMIT = 500
"""Turns of a line; about five serve, and as many as there are points tied on one line at worst."""
SAME = 1e-12
"""Relative distance at which a point lies on a line."""
NEGLIGIBLE = 1.4901161193847656e-08
"""What quantreg takes from the gap between two lines before it divides by it: the root of the rounding unit."""
INCOMPLETE = -1e300
"""Statistic of a path whose lines do not stay above the days that are left out: it needs all its days."""
FEWEST = 3
"""Losses above the fitted quantile below which a regression of ES is not defined."""


@njit(cache=True, nogil=True, error_model="numpy")
def weighted_rank(key: FloatArray, weight: FloatArray, which: IntArray, size: int, need: float) -> int:
    """Index of the smallest key up to which the weights add to `need`; the arrays are put in another order."""
    low, high = 0, size - 1
    while low < high:
        pivot = key[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while key[i] < pivot:
                i += 1
            while key[j] > pivot:
                j -= 1
            if i <= j:
                key[i], key[j] = key[j], key[i]
                weight[i], weight[j] = weight[j], weight[i]
                which[i], which[j] = which[j], which[i]
                i += 1
                j -= 1
        left = 0.0
        for k in range(low, j + 1):
            left += weight[k]
        if left >= need:
            high = j
            continue
        if i - j == 2:
            left += weight[j + 1]
            if left >= need:
                return int(which[j + 1])
        need -= left
        low = i
    return int(which[low]) if size > 0 else -1


@njit(cache=True, nogil=True, error_model="numpy")
def turned(
    x: FloatArray, y: FloatArray, p: float, rest: float, rest_sum: float, i: int,
    key: FloatArray, weight: FloatArray, which: IntArray,
) -> int:  # fmt: skip
    """Where the best line through point i meets another point, or -1 if there is no best one.

    As a function of the slope the objective is convex with a kink at the slope to each point, by its distance in x:
    the best slope is a weighted quantile of these slopes.
    """
    size, total = 0, 0.0
    need = -(1.0 - p) * (rest_sum - rest * x[i])
    for k in range(x.size):
        dx = x[k] - x[i]
        if dx != 0.0:
            far = abs(dx)
            key[size], weight[size], which[size] = (y[k] - y[i]) / dx, far, k
            need += far * (p if dx > 0.0 else 1.0 - p)
            total += far
            size += 1
    if need <= 0.0 or need > total * (1.0 + SAME):
        return -1
    return weighted_rank(key, weight, which, size, need)


@njit(cache=True, nogil=True, error_model="numpy")
def objective(x: FloatArray, y: FloatArray, p: float, rest: float, rest_sum: float, a: float, b: float) -> float:
    """Sum of quantile scores of the line ``a + b x``, up to a term that is free of it."""
    total = (1.0 - p) * (rest * a + rest_sum * b)
    for k in range(x.size):
        gap = y[k] - a - b * x[k]
        total += gap * p if gap > 0.0 else gap * (p - 1.0)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def quantile_line(
    x: FloatArray, y: FloatArray, p: float, rest: float, rest_sum: float, slope: float,
    key: FloatArray, weight: FloatArray, which: IntArray,
) -> tuple[float, float]:  # fmt: skip
    """Intercept and slope of the quantile regression at level p; NaN where the points do not hold a best line.

    `rest` further days lie below the line, with regressors that add to `rest_sum`. From a point at the right rank
    around `slope`, the line turns about one of its two points at a time for as long as that changes it. Where more
    points lie on it, it turns about each of them; if none makes it better, no line is.
    """
    size = x.size
    if size < 2:
        return np.nan, np.nan
    for k in range(size):
        key[k], weight[k], which[k] = y[k] - slope * x[k], 1.0, k
    above = math.floor((1.0 - p) * (size + rest))
    i, j = -1, weighted_rank(key, weight, which, size, max(1.0, size - above))
    a, b = np.nan, np.nan
    settled, value = -1, np.inf
    for _ in range(LIMIT):
        k = turned(x, y, p, rest, rest_sum, j, key, weight, which)
        if k < 0:
            return np.nan, np.nan
        new = (y[k] - y[j]) / (x[k] - x[j])
        if k != i and not abs(new - b) <= SAME * abs(new):
            i, j, b = j, k, new
            a = y[j] - b * x[j]
            settled = -1
            continue
        if settled < 0:
            value = objective(x, y, p, rest, rest_sum, a, b)
            settled = 0
        better = False
        while settled < size and not better:  # further points on the line
            t = settled
            settled += 1
            close = SAME * (abs(y[t]) + abs(a) + abs(b * x[t]))
            if t != i and t != j and abs(y[t] - a - b * x[t]) <= close:
                k = turned(x, y, p, rest, rest_sum, t, key, weight, which)
                if k >= 0:
                    other = (y[k] - y[t]) / (x[k] - x[t])
                    lower = objective(x, y, p, rest, rest_sum, y[t] - other * x[t], other)
                    better = lower < value - SAME * abs(value)
                    if better:
                        i, j, b = t, k, other
                        a = y[t] - b * x[t]
                        settled = -1
        if not better:
            break
    return a, b


@njit(cache=True, nogil=True, error_model="numpy")
def stays_above(x: FloatArray, bound: FloatArray, a: float, b: float) -> bool:
    """Whether the line lies at or above the bound on each day; no bounds, no matter."""
    for t in range(bound.size):  # noqa: SIM110
        if not a + b * x[t] >= bound[t]:
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def lines_through(
    x: FloatArray, y: FloatArray, levels: FloatArray, rest: float, rest_sum: float, slope: float, low: FloatArray,
    low_x: FloatArray, lines: FloatArray,
) -> bool:  # fmt: skip
    """Fill `lines` with the regressions at all levels; False where one has no best line or goes below a point of `low`.

    Points of `low` are among the `rest` days.
    """
    size = x.size
    key, weight, which = np.empty(size), np.empty(size), np.empty(size, np.int64)
    for i in range(levels.size):
        a, b = quantile_line(x, y, levels[i], rest, rest_sum, slope, key, weight, which)
        lines[i, 0], lines[i, 1] = a, b
        if not math.isfinite(a + b) or not stays_above(low_x, low, a, b):
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def quantile_lines(
    where: IntArray, y: FloatArray, x: FloatArray, bound: FloatArray, levels: FloatArray, slope: float,
    lines: FloatArray,
) -> bool:  # fmt: skip
    """Fill `lines` (k, 2) with the regressions at k levels; False if some day below `bound` might matter.

    Of many points those far below the lines are first left out, and taken in if a line goes below one of them.
    """
    size = where.size
    points, rest, rest_sum, lowest = np.empty(size), float(x.size - size), 0.0, 1.0
    for level in levels:
        lowest = min(lowest, level)
    for t in range(x.size):
        rest_sum += x[t]
    for k in range(size):
        points[k] = x[where[k]]
        rest_sum -= points[k]
    rest_sum = rest_sum if rest > 0.0 else 0.0
    few = int(4.0 * (1.0 - lowest) * x.size) + 30
    done, none = False, np.empty(0)
    if size > 2 * few:
        key, weight, which = np.empty(size), np.empty(size), np.empty(size, np.int64)
        for k in range(size):
            key[k], weight[k], which[k] = y[k] - slope * points[k], 1.0, k
        limit = weighted_rank(key, weight, which, size, float(size - few))
        least, count = y[limit] - slope * points[limit], 0
        near_x, near, low_x, low = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
        low_sum = rest_sum
        for k in range(size):
            if y[k] - slope * points[k] > least:
                near_x[count], near[count] = points[k], y[k]
                count += 1
            else:
                low_x[k - count], low[k - count] = points[k], y[k]
                low_sum += points[k]
        left = size - count
        done = lines_through(
            near_x[:count], near[:count], levels, rest + left, low_sum, slope, low[:left], low_x[:left], lines
        )
    if not done:
        done = lines_through(points, y, levels, rest, rest_sum, slope, none, none, lines)
    for i in range(levels.size):
        done = done and stays_above(x, bound, lines[i, 0], lines[i, 1])
    return done


@njit(cache=True, nogil=True, error_model="numpy")
def density_sums(x: FloatArray, low: FloatArray, high: FloatArray, h: float) -> tuple[float, float, float]:
    """Sums of f, f x and f x^2 with ``f = 2h / (line at p + h - line at p - h)``; 0 where the lines cross."""
    one, first, second = 0.0, 0.0, 0.0
    for t in range(x.size):
        gap = high[0] - low[0] + (high[1] - low[1]) * x[t] - NEGLIGIBLE
        f = 2.0 * h / gap if gap > 0.0 else 0.0
        one += f
        first += f * x[t]
        second += f * x[t] * x[t]
    return one, first, second


@njit(cache=True, nogil=True, error_model="numpy")
def quantile_wald(
    where: IntArray, first: IntArray, losses: FloatArray, x: FloatArray, mean: float, bound: FloatArray, level: float,
    h: float, out: FloatArray,
) -> None:  # fmt: skip
    """Fill `out` with Wald statistics of (0, 1) in the regressions of losses on 1 and ``x + mean``, x of mean 0.

    The sandwich is that of Hendricks and Koenker: its density from the lines at ``level - h`` and ``level + h``.
    """
    levels = np.array([level, level - h, level + h])
    lines = np.empty((3, 2))
    squares = 0.0
    for t in range(x.size):
        squares += x[t] * x[t]
    for i in range(out.size):
        part = slice(first[i], first[i + 1])
        if not quantile_lines(where[part], losses[part], x, bound, levels, 1.0, lines):
            out[i] = INCOMPLETE if bound.size > 0 else np.nan
            continue
        one, lin, quad = density_sums(x, lines[1], lines[2], h)
        off, tilt = lines[0, 0] - mean, lines[0, 1] - 1.0
        g0, g1 = one * off + lin * tilt, lin * off + quad * tilt
        out[i] = np.nan if one == 0.0 else (g0 * g0 / x.size + g1 * g1 / squares) / (level * (1.0 - level))


@njit(cache=True, nogil=True, error_model="numpy")
def shortfall_line(
    where: IntArray, y: FloatArray, x: FloatArray, line: FloatArray, p: float, e: FloatArray, constant: bool,
    z: FloatArray, moments: FloatArray,
) -> int:  # fmt: skip
    """Least squares of ``q + (L - q)+ / (1 - p)`` on 1 and e, of mean 0; e stands alone if `constant`.

    `moments` get intercept, slope and the sums of u^2, u^2 e, u^2 e^2 (u: residuals). Returns the losses above q.
    """
    n = x.size
    for t in range(n):
        z[t] = line[0] + line[1] * x[t]
    above = 0
    for k in range(where.size):
        t = where[k]
        q = line[0] + line[1] * x[t]
        excess = y[k] - q
        if excess > SAME * (abs(y[k]) + abs(line[0]) + abs(line[1] * x[t])):
            above += 1
            z[t] += excess / (1.0 - p)
    level, cross, squares = 0.0, 0.0, 0.0
    for t in range(n):
        level += z[t]
        cross += z[t] * e[t]
        squares += e[t] * e[t]
    level /= n
    slope = 0.0 if constant else cross / squares
    moments[:] = 0.0
    moments[0], moments[1] = level, slope
    for t in range(n):
        u2 = (z[t] - level - slope * e[t]) ** 2
        moments[2] += u2
        moments[3] += u2 * e[t]
        moments[4] += u2 * e[t] * e[t]
    return above


@njit(cache=True, nogil=True, error_model="numpy")
def shortfall_wald(n: int, squares: float, off: float, tilt: float, moments: FloatArray) -> float:
    """Wald statistic of two coefficients that differ by `off` and `tilt`, with the robust covariance."""
    g0, g1 = n * off, squares * tilt
    m0, m1, m2 = moments[2], moments[3], moments[4]
    det = m0 * m2 - m1 * m1
    if not det > 1e-12 * m0 * m2:
        return np.nan
    return float((m2 * g0 * g0 - 2.0 * m1 * g0 * g1 + m0 * g1 * g1) / det)


@njit(cache=True, nogil=True, error_model="numpy")
def shortfall_statistic(
    where: IntArray, losses: FloatArray, x: FloatArray, e: FloatArray, mean: float, bound: FloatArray, p: float,
    intercept: bool, null: FloatArray, z: FloatArray, moments: FloatArray,
) -> float:  # fmt: skip
    """Statistic of the regression of ES of one path against the coefficients `null`; x and e have mean 0.

    Quantile part on x, ES part on ``e + mean``: Wald. With `intercept`: t of the ES of ``loss - e - mean``.
    `moments` (6,) get those of `shortfall_line` and the losses above the fitted quantile.
    """
    n = x.size
    if not intercept:
        lines = np.empty((1, 2))
        if not quantile_lines(where, losses, x, bound, np.array([p]), 1.0, lines):
            return INCOMPLETE if bound.size > 0 else np.nan
        above = shortfall_line(where, losses, x, lines[0], p, e, False, z, moments)
        moments[5] = above
        if above < FEWEST:
            return np.nan
        off, squares = moments[0] - null[0] - null[1] * mean, 0.0
        for t in range(n):
            squares += e[t] * e[t]
        return float(shortfall_wald(n, squares, off, moments[1] - null[1], moments))
    size = where.size
    y, key, weight, which = np.empty(size), np.empty(size), np.empty(size), np.empty(size, np.int64)
    for k in range(size):
        y[k] = losses[k] - mean - e[where[k]]
        key[k], weight[k], which[k] = y[k], 1.0, k
    rank = size - math.floor((1.0 - p) * n + SAME * n)  # of the quantile among the points, from below
    if rank < 1:
        return INCOMPLETE
    q = y[weighted_rank(key, weight, which, size, float(rank))]
    for t in range(bound.size):
        if not q >= bound[t] - mean - e[t]:
            return INCOMPLETE
    above = shortfall_line(where, y, x, np.array([q, 0.0]), p, e, True, z, moments)
    moments[5] = above
    if above < FEWEST or not moments[2] > 0.0:
        return np.nan
    return float((moments[0] - null[0]) * n / math.sqrt(moments[2]))


@njit(cache=True, nogil=True, error_model="numpy")
def shortfall_statistics(
    where: IntArray, first: IntArray, losses: FloatArray, x: FloatArray, e: FloatArray, mean: float,
    bound: FloatArray, p: float, intercept: bool, null: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Fill `out` with `shortfall_statistic` of many paths."""
    z, moments = np.empty(x.size), np.empty(6)
    for i in range(out.size):
        part = slice(first[i], first[i + 1])
        out[i] = shortfall_statistic(where[part], losses[part], x, e, mean, bound, p, intercept, null, z, moments)


@njit(cache=True, nogil=True, error_model="numpy")
def shortfall_bootstrap(
    days: IntArray, losses: FloatArray, x: FloatArray, e: FloatArray, p: float, intercept: bool, null: FloatArray,
    out: FloatArray,
) -> None:  # fmt: skip
    """Fill `out` with `shortfall_statistic` of samples of days (paths, n); x and e as they are."""
    n = x.size
    z, moments, every, none = np.empty(n), np.empty(6), np.arange(n), np.empty(0)
    drawn, drawn_x, drawn_e = np.empty(n), np.empty(n), np.empty(n)
    for i in range(out.size):
        mean_x, mean = 0.0, 0.0
        for t in range(n):
            drawn[t], drawn_x[t], drawn_e[t] = losses[days[i, t]], x[days[i, t]], e[days[i, t]]
            mean_x += drawn_x[t] / n
            mean += drawn_e[t] / n
        for t in range(n):
            drawn_x[t] -= mean_x
            drawn_e[t] -= mean
        out[i] = shortfall_statistic(every, drawn, drawn_x, drawn_e, mean, none, p, intercept, null, z, moments)
