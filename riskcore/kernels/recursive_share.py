"""Recursive CARE whose level is searched: the smallest one at which at most a share of the losses lies above the path.

A path starts at the sample expectile of the window's first losses, which moves with the level.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import BoolArray, FloatArray, IntArray
from riskcore.kernels.recursive import (
    AS,
    FINEST,
    IG,
    KEPT,
    LARGEST_DECAY,
    LEAST_VARIANCE,
    N_COEFFICIENTS,
    SAME,
    WARM_WIDTH,
    different,
    polish,
    regressors,
    search,
)  # fmt: skip

SMALLEST_TAIL = 1e-6
"""Beyond it the path only bounds the largest losses."""
CLOSE = 1e-9
"""Largest distance of the path to the loss that settles the level, in standard deviations."""
MOST, TRIALS = 200, 3
NARROW = 1e-10
"""Where levels this near, in logarithms of their tails, are too small and large enough, the best path jumps."""
"""Paths tried for one level, and optima followed."""


@njit(cache=True, error_model="numpy")
def sample_expectile(x: FloatArray, level: float) -> float:
    """Expectile of a sample: Newton's steps, which end as soon as the same losses stay above."""
    e = float(x.sum() / x.size)
    for _ in range(200):
        total, weights = 0.0, 0.0
        for value in x:
            weight = level if value > e else 1.0 - level
            total += weight * value
            weights += weight
        after = total / weights
        if abs(after - e) <= 1e-15 * (abs(after) + abs(e)):
            return after
        e = after
    return e


@njit(cache=True, error_model="numpy")
def first_expectiles(losses: FloatArray, starts: IntArray, counts: IntArray, level: float) -> FloatArray:
    """Expectiles of ``losses[start : start + count]``."""
    out = np.empty(starts.size)
    for w in range(starts.size):
        out[w] = sample_expectile(losses[starts[w] : starts[w] + counts[w]], level)
    return out


@njit(cache=True, error_model="numpy")
def ranked(x: FloatArray, place: int) -> float:
    """Entry at `place` of `x` in rising order; `x` is rearranged (Hoare's selection)."""
    low, high = 0, x.size - 1
    while low < high:
        pivot, i, j = x[(low + high) // 2], low, high
        while i <= j:
            while x[i] < pivot:
                i += 1
            while x[j] > pivot:
                j -= 1
            if i <= j:
                x[i], x[j] = x[j], x[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            return float(x[place])
    return float(x[place])


@njit(cache=True, error_model="numpy")
def over(
    x: FloatArray, u: FloatArray, v: FloatArray, root: bool, n_first: int, allowed: int, log_tail: float,
    point: FloatArray, low: FloatArray, high: FloatArray, work: FloatArray, e: FloatArray,
) -> tuple[float, float, float]:  # fmt: skip
    """Descend at a level: the residual that exactly `allowed` others exceed, the score, and the first tail."""
    level = 1.0 - math.exp(log_tail)
    first, squares = sample_expectile(x[:n_first], level), level > 0.0  # always, but no literal
    value, _ = polish(x, u, v, root, level, squares, WARM_WIDTH, FINEST, first, point, low, high, work)
    state = first * first if root else first
    for t in range(x.size):
        e[t] = x[t] - (math.sqrt(state) if root else state)
        state = point[0] + point[1] * state + point[2] * u[t] + (point[3] * v[t] if v.size > 0 else 0.0)
    return ranked(e, x.size - 1 - allowed), value, first


@njit(cache=True, error_model="numpy")
def settle_level(
    x: FloatArray, u: FloatArray, v: FloatArray, root: bool, n_first: int, allowed: int, log_tail: float,
    point: FloatArray, low: FloatArray, high: FloatArray, work: FloatArray, e: FloatArray,
) -> tuple[float, float, float]:  # fmt: skip
    """Logarithm of the tail of the level at which the residual is zero, NaN where there is none; score, first tail.

    There is none either where every level above 1/2 leaves fewer losses above.

    The Illinois method between a level too small and one large enough; it ends at the latter. Descents begin at the
    optimum of the last level that was large enough: where there are several optima, one is followed. A level that was
    too small for another optimum is tried again.
    """
    least, most = math.log(SMALLEST_TAIL), math.log(0.499)
    y, inside, outside = min(max(log_tail, least), most), np.nan, np.nan
    f_inside, f_outside, side, stride, again = 0.0, 0.0, 0, 0.0, np.nan
    best, value, first = point.copy(), np.inf, np.nan
    for _ in range(MOST):
        if not np.isnan(inside):
            for i in range(best.size):
                point[i] = best[i]
        e_y, value_y, first_y = over(x, u, v, root, n_first, allowed, y, point, low, high, work, e)
        f = e_y + 0.5 * CLOSE
        if e_y <= -0.1 * CLOSE:
            inside, f_inside, value, first = y, f, value_y, first_y
            for i in range(best.size):
                best[i] = point[i]
            if not y < outside:
                outside, stride, side = np.nan, max(stride, 1e-3), 0
            if side == -1:
                f_outside *= 0.5
            side = -1
            if e_y >= -CLOSE or y >= most:
                break
        else:
            outside, f_outside = y, f
            if side == 1:
                f_inside *= 0.5
            side = 1
            if y <= least:
                break
        if np.isnan(inside) or np.isnan(outside):
            if stride == 0.0:
                stride = min(max(2.0 * abs(f), 1e-3), 0.4)
            y = min(max(y + stride if f <= 0.0 else y - stride, least), most)
            stride *= 1.5
            side = 0
        else:
            if outside - inside < NARROW:
                if again == outside:
                    break
                again = y = outside
                continue
            y = inside + (outside - inside) * f_inside / (f_inside - f_outside)
            if not (inside < y < outside):
                y = 0.5 * (inside + outside)
    for i in range(best.size):
        point[i] = best[i]
    return np.nan if inside >= most else inside, value, first


@njit(cache=True, error_model="numpy")
def matched_tail(x: FloatArray, allowed: int) -> float:
    """Logarithm of the tail of the expectile level whose value is the sample's loss with `allowed` above it."""
    tail, beyond = ranked(x.copy(), x.size - 1 - allowed), 0.0
    for value in x:
        beyond += max(value - tail, 0.0)
    beyond /= x.size
    return math.log(max(beyond / max(2.0 * beyond + tail - x.sum() / x.size, 1e-12), SMALLEST_TAIL))


@njit(cache=True, error_model="numpy")
def share_windows(
    losses: FloatArray, starts: IntArray, stops: IntArray, cold: BoolArray, form: int, share: float, n_start: int,
    kept: FloatArray, near: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:  # fmt: skip
    """Levels, points and first tails of losses [start, stop) of every window, and starts that agree.

    `kept` and ``near[0]``, the logarithm of the tail, hold the optima and the level of the window before the first at
    the start (NaN where there is none) and of the last one at the end. NaN where no level meets the share: fewer losses
    may lie above than there are coefficients, or the level would be 1/2 or less.
    """
    n_windows, longest = starts.size, max(1, np.max(stops - starts))
    points, levels = np.full((n_windows, N_COEFFICIENTS), np.nan), np.full(n_windows, np.nan)
    firsts, agree = np.full(n_windows, np.nan), np.zeros(n_windows, dtype=np.int64)
    u, v, work, e = np.empty(longest), np.empty(longest), np.zeros((12, longest)), np.empty(longest)
    found, reached, places = np.empty((KEPT, N_COEFFICIENTS)), np.empty(KEPT), np.empty(KEPT, dtype=np.int64)
    low, high = np.full(N_COEFFICIENTS, -np.inf), np.full(N_COEFFICIENTS, np.inf)
    low[1], high[1] = 0.0, LARGEST_DECAY
    last = np.empty(3 + N_COEFFICIENTS)
    root, squares = form == IG, form >= 0  # always: a literal would have what it is handed to compiled anew
    if root:
        low[0], low[2] = LEAST_VARIANCE, 0.0
    if form != AS:
        low[3], high[3] = 0.0, 0.0
    n_kept = 0
    while n_kept < KEPT and not np.isnan(kept[n_kept, 0]):
        n_kept += 1
    for w in range(n_windows):
        n = stops[w] - starts[w]
        allowed = math.floor(share * n + 1e-9)
        x = losses[starts[w] : stops[w]].copy()
        scale = np.std(x)
        if not scale > 1e-12 * np.max(np.abs(x)) or allowed < (4 if form == AS else 3):
            n_kept = 0
            continue
        x /= scale
        unit = scale * scale if root else scale
        own_u, own_v = u[:n], v[: n if form == AS else 0]
        regressors(x, form, own_u, own_v)
        n_first, is_cold = min(n, n_start), cold[w] or n_kept == 0
        y = matched_tail(x, allowed) if is_cold else near[0]
        n_found, now, value, first = n_kept, 0, np.nan, np.nan
        last[:] = np.nan
        for i in range(n_kept):
            found[i] = kept[i]
            found[i, 0] /= unit
        for trial in range(TRIALS):
            if is_cold:
                level = 1.0 - math.exp(y)
                first = sample_expectile(x[:n_first], level)
                n_found, agree[w], _ = search(
                    x, own_u, own_v, root, level, squares, first, low, high, work, found, reached
                )  # fmt: skip
                now = int(np.argmin(reached[:n_found]))
            y, value, first = settle_level(
                x, own_u, own_v, root, n_first, allowed, y, found[now], low, high, work, e[:n]
            )  # fmt: skip
            if np.isnan(y):  # no level for this optimum: the one settled before stays
                y, value, first = last[0], last[1], last[2]
                for i in range(N_COEFFICIENTS):
                    found[now, i] = last[3 + i]
                reached[now] = value
                break
            reached[now] = value
            last[0], last[1], last[2] = y, value, first
            for i in range(N_COEFFICIENTS):
                last[3 + i] = found[now, i]
            level, other = 1.0 - math.exp(y), now
            for i in range(n_found):
                if i != now:
                    reached[i], _ = polish(
                        x, own_u, own_v, root, level, squares, WARM_WIDTH, FINEST, first, found[i], low, high, work
                    )  # fmt: skip
                    if reached[i] < reached[other] * (1.0 - SAME):
                        other = i
            if trial == TRIALS - 1 or (other == now and (trial > 0 or not is_cold)):
                break
            now = other
        if np.isnan(y):
            n_kept = 0
            continue
        levels[w], firsts[w] = 1.0 - math.exp(y), (abs(first) if root else first) * scale
        points[w] = found[now]
        points[w, 0] *= unit
        reached[now] = -1.0  # first, whatever the scores of those that are the same to rounding
        n_kept, _ = different(np.abs(reached), n_found, SAME, KEPT, places)
        kept[0] = points[w]
        count = 1
        for i in range(n_kept):
            if places[i] != now and not reached[places[i]] <= value * (1.0 + SAME):
                kept[count] = found[places[i]]
                kept[count, 0] *= unit
                count += 1
        n_kept = count
        near[0] = y
    kept[n_kept:] = np.nan
    return points, levels, firsts, agree
