"""Paths of tails through many windows: VaR or expectile of each day, the ES that stands on it, and the path's gradient.

Forms 0 to 2 are those of `recursive` (symmetric absolute value, asymmetric slope, indirect GARCH), 3 is the adaptive
one, whose only coefficient is the first of the point.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import BoolArray, FloatArray, IntArray
from riskcore.kernels.recursive import newton_step

SAV, AS, IG, AD = 0, 1, 2, 3
NONE, MULTIPLICATIVE, ADDITIVE = 0, 1, 2
"""What ES is: nothing, a multiple of VaR, VaR and an excess that moves on days with a hit."""
N_EXTRAS = 4
"""Numbers behind an ES: the multiple less one, or g0, g1, g2 and the first excess."""
LARGEST_MEMORY = 0.995
MEMORIES, SHARES = (0.0, 0.5, 0.9), (0.05, 0.5, 0.95)
"""Starts of an additive ES: g2, and the part of the excess that news make up."""
KEPT, MOST = 3, 60
GAIN = 1e-15


@njit(cache=True, error_model="numpy")
def next_tail(tail: float, loss: float, form: int, point: FloatArray, level: float, sharpness: float) -> float:
    """Tail of the day after `loss`."""
    if form == SAV:
        return float(point[0] + point[1] * tail + point[2] * abs(loss))
    if form == AS:
        return float(point[0] + point[1] * tail + point[2] * max(-loss, 0.0) + point[3] * max(loss, 0.0))
    if form == IG:
        return math.sqrt(point[0] + point[1] * tail * tail + point[2] * loss * loss)
    return float(tail + point[0] * (1.0 / (1.0 + math.exp(sharpness * (tail - loss))) - (1.0 - level)))


@njit(cache=True, error_model="numpy")
def tail_rows(
    losses: FloatArray, starts: IntArray, begins: IntArray, ends: IntArray, form: int, points: FloatArray,
    firsts: FloatArray, level: float, sharpness: FloatArray, kind: int, extras: FloatArray,
) -> FloatArray:  # fmt: skip
    """Rows (tail, ES) of days [begin, end) of every window, each known from the losses [start, day)."""
    out, row = np.full((np.sum(ends - begins), 2), np.nan), 0
    for w in range(starts.size):
        point, tail, more, excess = points[w], firsts[w], extras[w], extras[w, 3]
        for t in range(starts[w], ends[w]):
            if t >= begins[w]:
                out[row, 0] = tail
                if kind == MULTIPLICATIVE:
                    out[row, 1] = tail + more[0] * tail
                elif kind == ADDITIVE:
                    out[row, 1] = tail + excess
                row += 1
            if t < ends[w] - 1:
                if kind == ADDITIVE and losses[t] >= tail:
                    excess = more[0] + more[1] * (losses[t] - tail) + more[2] * excess
                tail = next_tail(tail, losses[t], form, point, level, sharpness[w])
    return out


@njit(cache=True, error_model="numpy")
def gradient_rows(
    losses: FloatArray, form: int, point: FloatArray, first: float, level: float, sharpness: float
) -> tuple[FloatArray, FloatArray]:
    """Tail of rows 0..n-1 and its derivatives by the four numbers of the point; the first tail is given."""
    n = losses.size
    tail, slope = np.empty(n), np.zeros((n, 4))
    tail[0] = first
    for t in range(n - 1):
        x, now = losses[t], tail[t]
        after = next_tail(now, x, form, point, level, sharpness)
        tail[t + 1] = after
        if form == AD:
            hit = 1.0 / (1.0 + math.exp(sharpness * (now - x)))
            inner = 1.0 - point[0] * sharpness * hit * (1.0 - hit)
            slope[t + 1, 0] = inner * slope[t, 0] + hit - (1.0 - level)
            continue
        scale = 0.5 / after if form == IG else 1.0
        inner = point[1] * now / after if form == IG else point[1]
        for i in range(4):
            slope[t + 1, i] = inner * slope[t, i]
        slope[t + 1, 0] += scale
        slope[t + 1, 1] += scale * (now * now if form == IG else now)
        if form == AS:
            slope[t + 1, 2] += max(-x, 0.0)
            slope[t + 1, 3] += max(x, 0.0)
        else:
            slope[t + 1, 2] += scale * (x * x if form == IG else abs(x))
    return tail, slope


@njit(cache=True, error_model="numpy")
def joint_score(
    x: FloatArray, tail: FloatArray, level: float, first: float, point: FloatArray, gradient: FloatArray,
    curvature: FloatArray,
) -> float:  # fmt: skip
    """Mean FZ0 score of an additive ES less its constant, its gradient, and the scoring matrix (lower triangle).

    Infinite where an ES is not above zero.
    """
    g0, g1, g2, excess, total = point[0], point[1], point[2], first, 0.0
    d0, d1, d2 = 0.0, 0.0, 0.0
    for i in range(3):
        gradient[i] = 0.0
        for j in range(3):
            curvature[i, j] = 0.0
    for t in range(x.size):
        es, over = tail[t] + excess, x[t] - tail[t]
        if not es > 0.0:
            return np.inf
        inverse = 1.0 / es
        share = (tail[t] + (over / (1.0 - level) if over > 0.0 else 0.0)) * inverse
        total += share + math.log(es)
        pull, bend = (1.0 - share) * inverse, inverse * inverse
        gradient[0] += pull * d0
        gradient[1] += pull * d1
        gradient[2] += pull * d2
        curvature[0, 0] += bend * d0 * d0
        curvature[1, 0] += bend * d1 * d0
        curvature[1, 1] += bend * d1 * d1
        curvature[2, 0] += bend * d2 * d0
        curvature[2, 1] += bend * d2 * d1
        curvature[2, 2] += bend * d2 * d2
        if over >= 0.0:
            d0 = 1.0 + g2 * d0
            d1 = over + g2 * d1
            d2 = excess + g2 * d2
            excess = g0 + g1 * over + g2 * excess
    n = x.size
    for i in range(3):
        gradient[i] /= n
        for j in range(3):
            curvature[i, j] /= n
    return total / n


@njit(cache=True, error_model="numpy")
def additive_descent(
    x: FloatArray, tail: FloatArray, level: float, first: float, point: FloatArray, low: FloatArray, high: FloatArray
) -> float:
    """Minimise the FZ0 score of an additive ES from `point`, changed in place, by damped scoring in a box."""
    gradient, curvature, ahead, bent = np.empty(3), np.empty((3, 3)), np.empty(3), np.empty((3, 3))
    step, there, free = np.empty(3), np.empty(3), np.empty(3, dtype=np.bool_)
    value, damping = joint_score(x, tail, level, first, point, gradient, curvature), 0.0
    for _ in range(MOST):
        for i in range(3):
            held = (point[i] <= low[i] and gradient[i] >= 0.0) or (point[i] >= high[i] and gradient[i] <= 0.0)
            free[i] = not held
        while damping < 1e12 and not newton_step(gradient, curvature, free, damping, step):
            damping = max(10.0 * damping, 1e-4)
        gain = 0.0
        for i in range(3):
            there[i] = min(max(point[i] + step[i], low[i]), high[i])
            gain -= gradient[i] * (there[i] - point[i])
        if not (damping < 1e12 and gain > GAIN):
            break
        after = joint_score(x, tail, level, first, there, ahead, bent)
        if after < value:
            damping = 0.1 * damping if damping > 1e-6 else 0.0
            for i in range(3):
                point[i], gradient[i] = there[i], ahead[i]
                for j in range(3):
                    curvature[i, j] = bent[i, j]
            value = after
        else:
            damping = max(10.0 * damping, 1e-3)
    return value


@njit(cache=True, error_model="numpy")
def additive_fit(x: FloatArray, tail: FloatArray, level: float, first: float, best: FloatArray) -> float:
    """Fill `best` with g0, g1, g2: the best three points of a small grid, each made better; returns the score."""
    n = len(MEMORIES) * len(SHARES)
    starts, values, count = np.empty((n, 3)), np.empty(n), 0
    gradient, curvature = np.empty(3), np.empty((3, 3))
    low, high = np.zeros(3), np.array([np.inf, np.inf, LARGEST_MEMORY])
    for memory in MEMORIES:
        for share in SHARES:
            starts[count, 0] = (1.0 - share) * (1.0 - memory) * first
            starts[count, 1] = share * (1.0 - memory)
            starts[count, 2] = memory
            values[count] = joint_score(x, tail, level, first, starts[count], gradient, curvature)
            count += 1
    lowest = np.inf
    for _ in range(KEPT):
        i = int(np.argmin(values))
        values[i] = np.inf
        value = additive_descent(x, tail, level, first, starts[i], low, high)
        if value < lowest:
            lowest = value
            for j in range(3):
                best[j] = starts[i, j]
    return lowest


@njit(cache=True, error_model="numpy")
def shortfall_windows(
    losses: FloatArray, starts: IntArray, stops: IntArray, form: int, points: FloatArray, firsts: FloatArray,
    level: float, sharpness: FloatArray, kind: int,
) -> tuple[FloatArray, BoolArray]:  # fmt: skip
    """Numbers behind the ES of every window, given its VaR, by the FZ0 score; NaN where a VaR is not above zero.

    The second array says where the numbers lie on a bound: no loss beyond VaR, or a coefficient at its limit.
    """
    n_windows, longest = starts.size, max(1, np.max(stops - starts))
    out, bound = np.full((n_windows, N_EXTRAS), np.nan), np.zeros(n_windows, dtype=np.bool_)
    tail, x = np.empty(longest), np.empty(longest)
    for w in range(n_windows):
        n = stops[w] - starts[w]
        if kind == NONE or np.isnan(points[w, 0]) or n == 0:
            continue
        scale, now, least, excess, hits, ratio = firsts[w], firsts[w], np.inf, 0.0, 0, 0.0
        for t in range(n):
            loss = losses[starts[w] + t]
            tail[t], x[t] = now, loss
            least = min(least, now)
            ratio += max(loss - now, 0.0) / now
            if t < 300 and loss > firsts[w]:
                excess += loss - firsts[w]
                hits += 1
            now = next_tail(now, loss, form, points[w], level, sharpness[w])
        if not least > 0.0:
            continue
        if kind == MULTIPLICATIVE:
            out[w, 1], out[w, 2], out[w, 3] = 0.0, 0.0, 0.0
            out[w, 0] = ratio / (n * (1.0 - level))
            bound[w] = not ratio > 0.0
            continue
        for t in range(n):
            tail[t] /= scale
            x[t] /= scale
        out[w, 3] = excess / max(hits, 1)
        first = out[w, 3] / scale
        best = out[w, :3]
        if additive_fit(x[:n], tail[:n], level, max(first, 1e-3), best) < np.inf:
            bound[w] = best[0] <= 0.0 or best[1] <= 0.0 or best[2] <= 0.0 or best[2] >= LARGEST_MEMORY
            out[w, 0] *= scale
        out[w, 3] = max(out[w, 3], 1e-3 * scale)
    return out, bound
