"""Recursions of the tail: CARE and CAViaR by squares or quantile score, with gradient, curvature, search and chains.

A point is ``(b0, b1, b2, b3)`` of the state ``s[t+1] = b0 + b1 s[t] + b2 u[t] + b3 v[t]``; the tail is the state, for
indirect GARCH its root. The regressors are (|L|, 0) for the symmetric absolute value, (gain, loss) for the asymmetric
slope and (L squared, 0) for indirect GARCH. Losses are scaled to a standard deviation near one.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import BoolArray, FloatArray, IntArray

SAV, AS, IG = 0, 1, 2
N_COEFFICIENTS = 4
LANES = 16
LARGEST_DECAY = 0.995
"""A longer memory cannot be told from a trend; without the bound trends from the first tail win in calm windows."""
LEAST_VARIANCE = 1e-8
DECAYS = (0.0, 0.4, 0.7, 0.85, 0.93, 0.98, 0.995)
PARTS = (-0.3, 0.1, 0.4, 0.8)
TILTS = (0.5, 0.9)
"""A cold search: decays b1, the part of the level that the news make up, the part of the losses in the news."""
KEPT = 3
"""Optima that a chain carries from window to window."""
SAME, ROUGHLY_SAME = 1e-7, 1e-4
"""Scores that differ by less, relatively, are one optimum's: at the end, and after a rough descent."""
IN_SIGHT = 5e-3
"""An optimum of the quantile score whose smoothed score is higher by more, relatively, cannot become the best."""
MOST, SOON = 60, 15
"""Evaluations of a descent at most: a first one, and one whose start is known to be near."""
GAIN = 1e-17
"""A descent has arrived when the next step gains less than this share of the score."""
COLD_WIDTH, ROUGH_WIDTH, WARM_WIDTH, CORNERS, FINEST = 0.5, 0.1, 0.05, 1e-3, 1e-8
"""Half widths of the smoothed corner of the quantile score: at the start of a search, at the end of its rough part, at
the start of a warm descent, where the losses on the corner are known, at the end."""
SLOW, FAST, CLOSE = 0.5, 0.02, 0.9
"""Factors of the width from one descent to the next: above and below CORNERS at least, and where none is nearer."""


ASTRAY = 1.5
"""A start ahead, along the drift of the optimum, that ends at so many times the score was carried astray."""


@njit(cache=True, error_model="numpy")
def regressors(x: FloatArray, form: int, u: FloatArray, v: FloatArray) -> None:
    """Fill `u` and `v` with the form's regressors; `v` is left empty where there is one only."""
    for t in range(x.size):
        if form == AS:
            u[t], v[t] = max(-x[t], 0.0), max(x[t], 0.0)
        else:
            u[t] = x[t] * x[t] if form == IG else abs(x[t])


@njit(cache=True, error_model="numpy")
def tail_path(losses: FloatArray, form: int, point: FloatArray, first: float) -> FloatArray:
    """Tail of rows 0..n from `first`; row t is known from rows before t, the last one is the next day's."""
    n = losses.size
    u, v, out = np.empty(n), np.zeros(n), np.empty(n + 1)
    regressors(losses, form, u, v)
    state = first * first if form == IG else first
    for t in range(n):
        out[t] = math.sqrt(state) if form == IG else state
        state = point[0] + point[1] * state + point[2] * u[t] + point[3] * v[t]
    out[n] = math.sqrt(state) if form == IG else state
    return out


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def sensitivities(u: FloatArray, v: FloatArray, point: FloatArray, state: float, work: FloatArray) -> None:
    """Fill rows of `work`: 0 the state, 1-4 its derivatives by the point, 5-8 theirs by b1 (the others are linear).

    Where `v` is empty the fourth coordinate is left out.
    """
    b0, b1, b2, b3 = point[0], point[1], point[2], point[3]
    s0, s1, s2, s3, c0, c1, c2, c3 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    row, by0, by1, by2, by3 = work[0], work[1], work[2], work[3], work[4]
    b1b0, b1b1, b1b2, b1b3 = work[5], work[6], work[7], work[8]
    for t in range(u.size):
        row[t], by0[t], by1[t], by2[t] = state, s0, s1, s2
        b1b0[t], b1b1[t], b1b2[t] = c0, c1, c2
        news = b0 + b2 * u[t]
        if v.size > 0:
            by3[t], b1b3[t] = s3, c3
            news += b3 * v[t]
            c3 = s3 + b1 * c3
            s3 = v[t] + b1 * s3
        c0 = s0 + b1 * c0
        c1 = 2.0 * s1 + b1 * c1
        c2 = s2 + b1 * c2
        s0 = 1.0 + b1 * s0
        s1 = state + b1 * s1
        s2 = u[t] + b1 * s2
        state = news + b1 * state


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def pulls(x: FloatArray, root: bool, level: float, width: float, work: FloatArray) -> float:
    """Sum of the scores; fills rows 9 and 10 of `work` with minus the slope by the state and the curvature.

    Row 11 becomes the part of the slope that falls as the width grows, for the next start of a cooled descent.
    """
    n, tail, pull, bend, corner, total = x.size, work[0], work[9], work[10], work[11], 0.0
    if width < 0.0:
        for t in range(n):
            e = x[t] - (math.sqrt(tail[t]) if root else tail[t])
            weight = level if e > 0.0 else 1.0 - level
            pull[t], bend[t] = 2.0 * weight * e, 2.0 * weight
            total += weight * e * e
    else:
        inverse = 0.5 / width
        for t in range(n):
            e = x[t] - (math.sqrt(tail[t]) if root else tail[t])
            size = abs(e)
            short = min(size, width)
            total += (level - 0.5) * e + 0.5 * size + 0.5 * inverse * (width - short) * (width - short)
            pull[t] = level - 0.5 + inverse * min(max(e, -width), width)
            bend[t] = inverse if size < width else 0.0
            corner[t] = bend[t] * e
    if root:
        for t in range(n):
            square = 0.25 / tail[t]
            slope = math.sqrt(square)
            corner[t] *= slope
            bend[t] = (bend[t] + 2.0 * pull[t] * slope) * square
            pull[t] *= slope
    return total


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def score(
    x: FloatArray, u: FloatArray, v: FloatArray, root: bool, level: float, width: float, first: float,
    point: FloatArray, work: FloatArray, gradient: FloatArray, curvature: FloatArray,
) -> float:  # fmt: skip
    """Mean score of a point with its gradient and Hessian (lower triangle).

    ``width < 0``: asymmetric squares. Else the quantile score with its corner replaced by a parabola on
    (-width, width), which adds at most width/4.
    """
    n = x.size
    sensitivities(u, v, point, first * first if root else first, work)
    total = pulls(x, root, level, width, work)
    s0, s1, s2, s3, c0, c1, c2, c3 = work[1], work[2], work[3], work[4], work[5], work[6], work[7], work[8]
    pull, bend, share = work[9], work[10], 1.0 / n
    g0, g1, g2, h00, h10, h11, h20, h21, h22 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(n):
        p, w = pull[t], bend[t]
        a0, a1, a2 = w * s0[t], w * s1[t], w * s2[t]
        g0 += p * s0[t]
        g1 += p * s1[t]
        g2 += p * s2[t]
        h00 += a0 * s0[t]
        h10 += a1 * s0[t] - p * c0[t]
        h11 += a1 * s1[t] - p * c1[t]
        h20 += a2 * s0[t]
        h21 += a2 * s1[t] - p * c2[t]
        h22 += a2 * s2[t]
    gradient[0], gradient[1], gradient[2], gradient[3] = -share * g0, -share * g1, -share * g2, 0.0
    curvature[0, 0] = share * h00
    curvature[1, 0], curvature[1, 1] = share * h10, share * h11
    curvature[2, 0], curvature[2, 1], curvature[2, 2] = share * h20, share * h21, share * h22
    curvature[3] = 0.0
    if v.size > 0:
        g3, h30, h31, h32, h33 = 0.0, 0.0, 0.0, 0.0, 0.0
        for t in range(n):
            a3 = bend[t] * s3[t]
            g3 += pull[t] * s3[t]
            h30 += a3 * s0[t]
            h31 += a3 * s1[t] - pull[t] * c3[t]
            h32 += a3 * s2[t]
            h33 += a3 * s3[t]
        gradient[3] = -share * g3
        curvature[3, 0], curvature[3, 1], curvature[3, 2] = share * h30, share * h31, share * h32
        curvature[3, 3] = share * h33
    return share * total


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def scores(
    x: FloatArray, u: FloatArray, v: FloatArray, root: bool, level: float, squares: bool, first: float,
    points: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """Mean scores of many points, 16 side by side: asymmetric squares, or the quantile score with its corner."""
    n_points = points.shape[0]
    b = np.zeros((N_COEFFICIENTS, LANES))
    state, total = np.empty(LANES), np.empty(LANES)
    for begin in range(0, n_points, LANES):
        for j in range(LANES):
            for i in range(N_COEFFICIENTS):
                b[i, j] = points[min(begin + j, n_points - 1), i]
            state[j] = first * first if root else first
            total[j] = 0.0
        for t in range(x.size):
            now, left, right = x[t], u[t], v[t] if v.size > 0 else 0.0
            for j in range(LANES):
                tail = math.sqrt(state[j]) if root else state[j]
                e = now - tail
                if squares:
                    total[j] += (level if e > 0.0 else 1.0 - level) * e * e
                else:
                    total[j] += (level if e > 0.0 else level - 1.0) * e
                state[j] = b[0, j] + b[1, j] * state[j] + b[2, j] * left + b[3, j] * right
        for j in range(min(LANES, n_points - begin)):
            out[begin + j] = total[j] / x.size


@njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def drift(n: int, work: FloatArray, out: FloatArray) -> None:
    """Derivative of the gradient by the logarithm of the width, with a minus sign."""
    corner = work[11]
    for i in range(N_COEFFICIENTS):
        slope, total = work[1 + i], 0.0
        for t in range(n):
            total += corner[t] * slope[t]
        out[i] = -total / n


@njit(cache=True, error_model="numpy")
def newton_step(gradient: FloatArray, curvature: FloatArray, free: BoolArray, damping: float, step: FloatArray) -> bool:
    """Newton's step in the free coordinates with `damping` times the diagonal added; False if not positive definite."""
    k = step.size
    lower, order, d = np.empty((k, k)), np.empty(k, dtype=np.int64), 0
    for i in range(k):
        step[i] = 0.0
        if free[i]:
            order[d] = i
            d += 1
    for a in range(d):
        i = order[a]
        for c in range(a + 1):
            value = curvature[i, order[c]]
            if a == c:
                value += damping * abs(value)
                least = 1e-14 * value
            for m in range(c):
                value -= lower[a, m] * lower[c, m]
            if a == c:
                if not value > least:
                    return False
                lower[a, a] = math.sqrt(value)
            else:
                lower[a, c] = value / lower[c, c]
    for a in range(d):
        value = -gradient[order[a]]
        for m in range(a):
            value -= lower[a, m] * step[order[m]]
        step[order[a]] = value / lower[a, a]
    for a in range(d - 1, -1, -1):
        value = step[order[a]]
        for m in range(a + 1, d):
            value -= lower[m, a] * step[order[m]]
        step[order[a]] = value / lower[a, a]
    return True


@njit(cache=True, error_model="numpy")
def descend(
    x: FloatArray, u: FloatArray, v: FloatArray, root: bool, level: float, width: float, first: float,
    point: FloatArray, low: FloatArray, high: FloatArray, work: FloatArray, tolerance: float, most: int,
    lean: FloatArray,
) -> tuple[float, int, bool]:  # fmt: skip
    """Minimise the score from `point`, changed in place, inside a box: score, evaluations, whether it arrived.

    Newton's method, damped where the Hessian is not positive definite or the score would rise; a coordinate on its
    bound that the gradient pushes outwards stays there. `lean` becomes the move of the optimum as the width vanishes,
    to first order.
    """
    k = N_COEFFICIENTS
    gradient, curvature = np.empty(k), np.empty((k, k))
    ahead, bent = np.empty(k), np.empty((k, k))
    step, there, free = np.empty(k), np.empty(k), np.empty(k, dtype=np.bool_)
    value = score(x, u, v, root, level, width, first, point, work, gradient, curvature)
    count, damping, arrived = 1, 0.0, False
    while True:
        for i in range(k):
            held = (point[i] <= low[i] and gradient[i] >= 0.0) or (point[i] >= high[i] and gradient[i] <= 0.0)
            free[i] = low[i] < high[i] and not held
        while damping < 1e12 and not newton_step(gradient, curvature, free, damping, step):
            damping = max(10.0 * damping, 1e-4)
        gain = 0.0
        for i in range(k):
            there[i] = min(max(point[i] + step[i], low[i]), high[i])
            gain -= gradient[i] * (there[i] - point[i])
        arrived = damping < 1e12 and not gain > tolerance * value
        if arrived or count >= most or not damping < 1e12:
            break
        after = score(x, u, v, root, level, width, first, there, work, ahead, bent)
        count += 1
        if after <= value + 1e-14 * value:
            for i in range(k):
                point[i], gradient[i] = there[i], ahead[i]
                for j in range(i + 1):
                    curvature[i, j] = bent[i, j]
            if value - after > 0.25 * gain:
                damping = 0.1 * damping if damping > 1e-6 else 0.0
            value = after
        else:
            damping = max(10.0 * damping, 1e-3)
    if width > 0.0:
        drift(x.size, work, gradient)
        if not newton_step(gradient, curvature, free, damping, lean):
            lean[:] = 0.0
    return value, count, arrived


@njit(cache=True, error_model="numpy")
def polish(
    x: FloatArray, u: FloatArray, v: FloatArray, root: bool, level: float, squares: bool, wide: float, fine: float,
    first: float, point: FloatArray, low: FloatArray, high: FloatArray, work: FloatArray,
) -> tuple[float, int]:  # fmt: skip
    """Descend: for squares once; for the quantile score once for each width from `wide` to `fine`.

    The score has many corners. Cooled slowly the descent ends at or near the best of them, cooled quickly at any.
    Where a descent does not arrive soon, it is made again from the optimum before with a width nearer to that one's.
    """
    width, total, factor, centre, lean, tilt = (
        -1.0 if squares else wide,
        0,
        SLOW,
        point.copy(),
        point.copy(),
        point.copy(),
    )
    wider, before = 0.0, np.inf
    while True:
        last = squares or width <= fine
        enough = GAIN if last and fine <= FINEST else 1e-6 * abs(width)
        most = SOON if wider > 0.0 else MOST
        value, arrived, count = np.inf, False, 0
        for start in range(2):
            if start == 1:
                point[:] = centre
            value, count, arrived = descend(
                x, u, v, root, level, width, first, point, low, high, work, enough, most, lean
            )  # fmt: skip
            total += count
            if not value > ASTRAY * before:
                break
        before = value
        if not arrived and wider > 0.0 and factor < CLOSE:
            factor = math.sqrt(factor)
        elif last:
            return value, total
        else:
            wider, centre[:], tilt[:] = width, point, lean
            if count <= 3:
                factor *= factor
            factor = max(factor, SLOW if width > CORNERS else FAST)
        width = max(factor * wider, fine)
        for i in range(N_COEFFICIENTS):
            point[i] = min(max(centre[i] + (1.0 - width / wider) * tilt[i], low[i]), high[i])


@njit(cache=True, error_model="numpy")
def candidates(
    u: FloatArray, v: FloatArray, centre: float, low: FloatArray, high: FloatArray, points: FloatArray
) -> int:
    """Fill `points` with decays, parts of the news in the level `centre` and tilts to losses; returns their number."""
    left, right, count = max(float(np.mean(u)), 1e-8), 0.0, 0
    tilts = 1
    if v.size > 0:
        right, tilts = max(float(np.mean(v)), 1e-8), len(TILTS)
    for decay in DECAYS:
        for part in PARTS:
            for i in range(tilts):
                news, tilt = part * (1.0 - decay) * centre, TILTS[i] if v.size > 0 else 0.0
                points[count, 0] = (1.0 - part) * (1.0 - decay) * centre
                points[count, 1] = decay
                points[count, 2] = (1.0 - tilt) * news / left
                points[count, 3] = tilt * news / max(right, 1e-8)
                for j in range(N_COEFFICIENTS):
                    points[count, j] = min(max(points[count, j], low[j]), high[j])
                count += 1
    return count


@njit(cache=True, error_model="numpy")
def different(reached: FloatArray, n: int, same: float, most: int, places: IntArray) -> tuple[int, int]:
    """Places of the lowest scores that differ from each other; their number, and how many are equal to the lowest."""
    order, count, equal = np.argsort(reached[:n]), 0, 0
    for i in order:
        equal += reached[i] <= reached[order[0]] * (1.0 + same)
        new = count < most
        for j in range(count):
            if reached[i] <= reached[places[j]] * (1.0 + same):
                new = False
        if new:
            places[count] = i
            count += 1
    return count, equal


@njit(cache=True, error_model="numpy")
def search(
    x: FloatArray, u: FloatArray, v: FloatArray, root: bool, level: float, squares: bool, first: float,
    low: FloatArray, high: FloatArray, work: FloatArray, found: FloatArray, reached: FloatArray,
) -> tuple[int, int, int]:  # fmt: skip
    """Descend from the best candidate of every decay, to the end from the best of these: rows of `found`.

    Returns their number, the decays whose rough descent led to the best, and the evaluations.
    """
    fixed, top, centre = np.zeros(N_COEFFICIENTS), np.zeros(N_COEFFICIENTS), np.zeros(N_COEFFICIENTS)
    fixed[0], top[0] = low[0], high[0]
    centre[0] = first * first if root else first
    lean, width = np.empty(N_COEFFICIENTS), -1.0 if squares else ROUGH_WIDTH
    _, total, _ = descend(x, u, v, root, level, width, first, centre, fixed, top, work, 1e-4, int(MOST), lean)
    n = len(DECAYS)
    points = np.empty((n * len(PARTS) * len(TILTS), N_COEFFICIENTS))
    count = candidates(u, v, centre[0], low, high, points)
    values, places, rough, heights = np.empty(count), np.empty(n, dtype=np.int64), np.empty((n, 4)), np.empty(n)
    scores(x, u, v, root, level, squares, first, points[:count], values)
    each = count // n
    for d in range(n):
        rough[d] = points[d * each + np.argmin(values[d * each : (d + 1) * each])]
        heights[d], calls = polish(
            x, u, v, root, level, squares, COLD_WIDTH, ROUGH_WIDTH, first, rough[d], low, high, work
        )  # fmt: skip
        total += calls
    n_found, agree = different(heights, n, ROUGHLY_SAME, KEPT, places)
    for i in range(n_found):
        found[i] = rough[places[i]]
        reached[i], calls = polish(
            x, u, v, root, level, squares, ROUGH_WIDTH, FINEST, first, found[i], low, high, work
        )  # fmt: skip
        total += calls
    return n_found, agree, total


@njit(cache=True, error_model="numpy")
def recursive_windows(
    losses: FloatArray, starts: IntArray, stops: IntArray, cold: BoolArray, firsts: FloatArray, form: int,
    level: float, squares: bool, kept: FloatArray,
) -> tuple[FloatArray, FloatArray, IntArray]:  # fmt: skip
    """Points of losses [start, stop) of every window, their mean scores, and rows (evaluations, starts that agree).

    CARE where `squares`, else CAViaR. ``firsts`` are the tails of the windows' first rows. A `cold` window is searched
    from a grid; the others descend from the (at most three) optima of the window before: rows of `kept`, NaN where
    there are fewer, which holds those of the window before the first at the start and of the last one at the end.
    Scores are in the units of the scaled losses.
    """
    n_windows, longest = starts.size, max(1, np.max(stops - starts))
    points, values = np.full((n_windows, N_COEFFICIENTS), np.nan), np.full(n_windows, np.nan)
    facts = np.zeros((n_windows, 2), dtype=np.int64)
    u, v, work = np.empty(longest), np.empty(longest), np.zeros((12, longest))
    found, reached, places = np.empty((KEPT, N_COEFFICIENTS)), np.empty(KEPT), np.empty(KEPT, dtype=np.int64)
    n_kept = 0
    while n_kept < KEPT and not np.isnan(kept[n_kept, 0]):
        n_kept += 1
    low, high = np.full(N_COEFFICIENTS, -np.inf), np.full(N_COEFFICIENTS, np.inf)
    low[1], high[1] = 0.0, LARGEST_DECAY
    root = form == IG
    if root:
        low[0], low[2] = LEAST_VARIANCE, 0.0
    if form != AS:
        low[3], high[3] = 0.0, 0.0
    for w in range(n_windows):
        n = stops[w] - starts[w]
        x = losses[starts[w] : stops[w]].copy()
        scale = np.std(x)
        if not scale > 1e-12 * np.max(np.abs(x)):
            n_kept = 0
            continue
        x /= scale
        unit = scale * scale if root else scale
        own_u, own_v = u[:n], v[: n if form == AS else 0]
        regressors(x, form, own_u, own_v)
        first = firsts[w] / scale
        if cold[w] or n_kept == 0:
            n_found, facts[w, 1], facts[w, 0] = search(
                x, own_u, own_v, root, level, squares, first, low, high, work, found, reached
            )  # fmt: skip
        else:
            n_found = n_kept
            for i in range(n_kept):
                found[i] = kept[i]
                found[i, 0] /= unit
            for stage in range(1 if squares else 0, 2):  # a rough descent tells which optima of a quantile score count
                lowest = np.inf if squares or stage == 0 else np.min(reached[:n_found])
                for i in range(n_found):
                    if lowest < np.inf and reached[i] > lowest * (1.0 + IN_SIGHT):
                        continue
                    reached[i], calls = polish(
                        x, own_u, own_v, root, level, squares, WARM_WIDTH, FINEST if stage == 1 else WARM_WIDTH, first,
                        found[i], low, high, work,
                    )  # fmt: skip
                    facts[w, 0] += calls
        n_kept, _ = different(reached, n_found, SAME, KEPT, places)
        values[w] = reached[places[0]]
        for i in range(n_kept):
            kept[i] = found[places[i]]
            kept[i, 0] *= unit
        points[w] = kept[0]
    kept[n_kept:] = np.nan
    return points, values, facts
