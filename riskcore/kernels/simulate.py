"""What is drawn at random: losses from the laws of many days with the sums that tests are made of, bootstrap means.

A day's law is given by quantiles at fixed levels u. Between them, and beyond the outermost ones, the quantile is
linear in the logit ``y = log(u / (1 - u))``. Integrals of such a law over u are exact: with ``S(y) = 1 / (1 + e^y)``,

    integral from a to infinity of (c + d y) du = c S(a) + d (a S(a) + log(1 + e^-a)).

Random numbers come from splitmix64: a state moves on by `STEP` and its mixed bits are the number.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray

STEP = np.uint64(0x9E3779B97F4A7C15)
APART = np.uint64(0xD1342543DE82EF95)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S12, S27, S30, S31 = np.uint64(12), np.uint64(27), np.uint64(30), np.uint64(31)
ONE_BITS = np.uint64(0x3FF0000000000000)
MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
ROOT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)
HALF_STEP = 2.0**-53
CELLS = 1024
ES_SUMS = 15
PATHS = 256
"""Paths that are drawn side by side."""


@njit(cache=True, error_model="numpy")
def upper_parts(a: float) -> tuple[float, float]:
    """Integrals of 1 and of y over u above the logit a; split so that exp never overflows."""
    if a >= 0.0:
        e = math.exp(-a)
        s = e / (1.0 + e)
        return s, a * s + math.log1p(e)
    e = math.exp(a)
    s = 1.0 / (1.0 + e)
    return s, a * s - a + math.log1p(e)


@njit(cache=True, error_model="numpy")
def above(a: float, c: float, d: float, parts: FloatArray, rest: float) -> float:
    """Integral of the quantile over u above a, which lies in the segment c + d y that ends at a knot of `parts`."""
    one, y = upper_parts(a)
    return float(c * (one - parts[0]) + d * (y - parts[1]) + rest)


@njit(cache=True, error_model="numpy")
def law_functionals(knots: FloatArray, quantiles: FloatArray, level: FloatArray) -> FloatArray:
    """Rows of VaR, ES, expectile and P(L > expectile) of each day's interpolated law at that day's level.

    The integrals of 1 and y above the knots are the same on all days; a day's integrals above its knots follow by one
    pass from the top, so that each step of the root search needs one exponential and one logarithm.
    """
    n, m = quantiles.shape
    last = m - 2
    out = np.full((n, 4), np.nan)
    parts = np.zeros((m, 2))  # above the upper end of segment j, in row j; the last segment has none
    for j in range(last):
        parts[j] = upper_parts(knots[j + 1])
    c, d, rest = np.empty(m), np.empty(m), np.zeros(m)
    for t in range(n):
        q, p = quantiles[t], level[t]
        for j in range(last, -1, -1):
            d[j] = (q[j + 1] - q[j]) / (knots[j + 1] - knots[j])
            c[j] = q[j] - d[j] * knots[j]
            if j > 0:
                rest[j - 1] = above(knots[j], c[j], d[j], parts[j], rest[j])
        a = math.log(p / (1.0 - p))
        j = 0
        while j < last and knots[j + 1] <= a:
            j += 1
        out[t, 0] = q[j] + (a - knots[j]) / (knots[j + 1] - knots[j]) * (q[j + 1] - q[j])
        out[t, 1] = above(a, c[j], d[j], parts[j], rest[j]) / (1.0 - p)
        # the mean: the lowest segment goes on to minus infinity, where y has no share in the whole
        mean = c[0] * (1.0 - parts[0, 0]) - d[0] * parts[0, 1] + rest[0]
        # Newton on f(x) = (2p - 1) E(L - x)+ - (1 - p)(x - mean): convex and falling, so from the mean it only rises
        x, s = mean, 1.0
        j = 0
        for _ in range(100):
            while j < last and q[j + 1] <= x:
                j += 1
            while j > 0 and q[j] > x:
                j -= 1
            flat = knots[j] if x < q[j] else np.inf
            a = (x - c[j]) / d[j] if d[j] > 0.0 else flat
            s, up = 0.0, 0.0
            if a < np.inf:
                s = 1.0 / (1.0 + math.exp(a)) if a > -700.0 else 1.0
                up = above(a, c[j], d[j], parts[j], rest[j]) - x * s
            step = ((2.0 * p - 1.0) * up - (1.0 - p) * (x - mean)) / ((2.0 * p - 1.0) * s + (1.0 - p))
            x += step
            if abs(step) <= 1e-14 * (abs(x) + abs(q[m - 1] - q[0])):
                break
        out[t, 2], out[t, 3] = x, s
    return out


@njit(cache=True, error_model="numpy")
def mixed(state: np.uint64) -> np.uint64:
    """The bits of a state."""
    z = (state ^ (state >> S30)) * FIRST
    z = (z ^ (z >> S27)) * SECOND
    return np.uint64(z ^ (z >> S31))


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def uniform(state: np.uint64) -> float:
    """Number in (0, 1): the middle of one of 2**52 equal cells."""
    return float(np.uint64((mixed(state) >> S12) | ONE_BITS).view(np.float64) - 1.0 + HALF_STEP)


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def logit(u: float) -> float:
    """``log(u / (1 - u))`` to about 1e-13, without a call, so that a loop over it vectorises.

    With x = 2**e m and m in [sqrt(1/2), sqrt(2)): log x = e log 2 + 2 artanh((m - 1)/(m + 1)).
    """
    bits = np.float64(u / (1.0 - u)).view(np.int64) - ROOT_HALF_BITS
    exponent = bits >> 52
    m = np.int64((bits & MANTISSA) + ROOT_HALF_BITS).view(np.float64)
    s = (m - 1.0) / (m + 1.0)
    w = s * s
    tail = 1 / 9 + w * (1 / 11 + w * (1 / 13 + w * (1 / 15 + w / 17)))
    inner = 1.0 + w * (1 / 3 + w * (1 / 5 + w * (1 / 7 + w * tail)))
    return float(exponent * 0.6931471805599453 + 2.0 * s * inner)


@njit(cache=True, error_model="numpy")
def quiet_sums(var: FloatArray, es: FloatArray, level: FloatArray, scale: FloatArray) -> FloatArray:
    """`es_sums` of a path without a hit."""
    s = np.zeros(ES_SUMS)
    for t in range(var.size):
        q, v2 = 1.0 - level[t], var[t] - es[t]
        v1_var, v2_scaled = q * abs(var[t]), v2 / scale[t]
        s[3] -= v2 / es[t]
        s[4] -= q
        s[5] += v2
        s[6] += q * q
        s[7] -= q * v2
        s[8] += v2 * v2
        s[11] -= v1_var
        s[12] += v1_var * v1_var
        s[13] += v2_scaled
        s[14] += v2_scaled * v2_scaled
    return s


@njit(cache=True, error_model="numpy")
def add_hit(s: FloatArray, x: float, v: float, e: float, q: float, scale: float) -> None:
    """What a hit with loss x adds to the sums of a path on which that day is quiet."""
    v2, excess = v - e, (x - v) / q
    r = (x - e) / (q * scale)
    s[0] += 1.0
    s[1] += x / e
    s[2] += x / (e * q)
    s[3] -= excess / e
    s[4] += 1.0
    s[5] += excess
    s[6] += 1.0 - 2.0 * q
    s[7] += v2 + (1.0 - q) * excess
    s[8] += excess * (2.0 * v2 + excess)
    s[9] += r
    s[10] += r * r
    s[11] += abs(v)
    s[12] += (1.0 - 2.0 * q) * v * v
    s[13] += excess / scale
    s[14] += excess * (2.0 * v2 + excess) / (scale * scale)


@njit(cache=True, error_model="numpy")
def es_sums(losses: FloatArray, var: FloatArray, es: FloatArray, level: FloatArray, scale: FloatArray) -> FloatArray:
    """Sums per path: hits; over hits L/e and L/(e q); -V2/e; V1, V2, V1^2, V1 V2, V2^2; r, r^2; the rest.

    Here ``q = 1 - level``, ``V1 = 1{L>v} - q``, ``V2 = v - e + (L-v)+ / q`` and ``r = 1{L>v} (L-e) / (q scale)``. The
    rest are ``V1 |v|``, its square, ``V2/scale``, its square.
    """
    out = np.empty((losses.shape[0], ES_SUMS))
    quiet = quiet_sums(var, es, level, scale)
    for i in range(losses.shape[0]):
        out[i] = quiet
        for t in range(losses.shape[1]):
            if losses[i, t] > var[t]:
                add_hit(out[i], losses[i, t], var[t], es[t], 1.0 - level[t], scale[t])
    return out


@njit(cache=True, error_model="numpy")
def drawn_es_sums(
    seed: int,
    knots: FloatArray,
    quantiles: FloatArray,
    level: FloatArray,
    var: FloatArray,
    es: FloatArray,
    scale: FloatArray,
    out: FloatArray,
) -> None:
    """Fill `out` (paths, 15) with `es_sums` of drawn paths: hits with chance 1 - level, losses beyond the VaR.

    The loss of a hit comes from the day's law; without one (no quantiles) its excess is exponential with mean
    es - var. Only hits are drawn: the wait for the next is geometric at the lowest level, and a hit of a day with a
    higher level is kept with the ratio of the chances.
    """
    n, last = level.size, knots.size - 2
    chance = 1.0 - level.min()
    per_day = math.log1p(-chance)
    quiet = quiet_sums(var, es, level, scale)
    for i in range(out.shape[0]):
        state = mixed(np.uint64(seed) + np.uint64(i) * APART)
        s = out[i]
        s[:] = quiet
        t = -1
        while True:
            state += STEP
            wait = math.log(uniform(state)) / per_day
            if wait >= n:
                break
            t += 1 + int(wait)
            if t >= n:
                break
            q = 1.0 - level[t]
            if q < chance:
                state += STEP
                if uniform(state) * chance >= q:
                    continue
            state += STEP
            u = uniform(state)
            if last < 0:
                x = var[t] - (es[t] - var[t]) * math.log(u)
            else:
                y = math.log((1.0 - q * u) / (q * u))
                j = last
                while j > 0 and knots[j] > y:
                    j -= 1
                w = (y - knots[j]) / (knots[j + 1] - knots[j])
                x = quantiles[t, j] + w * (quantiles[t, j + 1] - quantiles[t, j])
            add_hit(s, max(x, var[t]), var[t], es[t], q, scale[t])


@njit(cache=True, error_model="numpy")
def quantile_at(knots: FloatArray, quantiles: FloatArray, y: float) -> float:
    """Quantile of one day's law at the logit y."""
    j = knots.size - 2
    while j > 0 and knots[j] > y:
        j -= 1
    w = (y - knots[j]) / (knots[j + 1] - knots[j])
    return float(quantiles[j] + w * (quantiles[j + 1] - quantiles[j]))


@njit(cache=True, error_model="numpy")
def drawn_tails(
    seed: int, path: int, knots: FloatArray, quantiles: FloatArray, chance: float, where: np.ndarray,
    losses: FloatArray, first: np.ndarray,
) -> int:  # fmt: skip
    """Days and losses above the quantile at ``1 - chance`` of each day's law, one path after another from `path` on.

    Path i of the call has ``where[first[i]:first[i + 1]]``. Returns how many paths there was room for.
    """
    n, count = quantiles.shape[0], 0
    per_day = math.log1p(-chance)
    first[0] = 0
    for i in range(first.size - 1):
        if count + n > where.size:
            return i
        state = mixed(np.uint64(seed) + np.uint64(path + i) * APART)
        t = -1
        while True:
            state += STEP
            wait = math.log(uniform(state)) / per_day
            if wait >= n:
                break
            t += 1 + int(wait)
            if t >= n:
                break
            state += STEP
            u = uniform(state) * chance
            where[count], losses[count] = t, quantile_at(knots, quantiles[t], math.log((1.0 - u) / u))
            count += 1
        first[i + 1] = count
    return first.size - 1


@njit(cache=True, error_model="numpy")
def draw_rest(
    seed: int, path: int, knots: FloatArray, quantiles: FloatArray, chance: float, where: np.ndarray,
    losses: FloatArray, out: FloatArray,
) -> None:  # fmt: skip
    """All losses of a path of `drawn_tails`: those of the other days lie below the quantile at ``1 - chance``."""
    state = mixed(np.uint64(seed) - np.uint64(path + 1) * APART)
    for t in range(out.size):
        state += STEP
        u = uniform(state) * (1.0 - chance)
        out[t] = quantile_at(knots, quantiles[t], math.log(u / (1.0 - u)))
    for k in range(where.size):
        out[where[k]] = losses[k]


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def add_day(losses: FloatArray, m: float, level: float, scale: float, forecast: float, out: FloatArray) -> None:
    """Add one day of many paths to the seven rows of `expectile_sums`."""
    up, down, inverse = level, 1.0 - level, 1.0 / scale
    for i in range(losses.size):
        gap = m - losses[i]
        v = gap * (down if gap >= 0.0 else up)
        z = v * inverse
        out[0, i] += v
        out[1, i] += z
        out[2, i] += v * v
        out[3, i] += v * z
        out[4, i] += z * z
        far = (forecast - losses[i]) * inverse
        out[5, i] += far * far * (down if far >= 0.0 else up)
        out[6, i] += abs(z)


@njit(cache=True, error_model="numpy")
def expectile_sums(losses: FloatArray, expectile: FloatArray, level: FloatArray, scale: FloatArray) -> FloatArray:
    """Per path: sums of V, V/s, V^2, V^2/s, V^2/s^2, S/s^2, |V|/s; V = |1{L<=m} - level| (m - L), s the scale.

    `losses` are (day, path), the sums (path, 7). S is the asymmetric squared error.
    """
    out = np.zeros((7, losses.shape[1]))
    for t in range(losses.shape[0]):
        add_day(losses[t], expectile[t], level[t], scale[t], expectile[t], out)
    return out.T.copy()


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def draw_day(state: np.ndarray, knots: FloatArray, quantiles: FloatArray, y: FloatArray, losses: FloatArray) -> None:
    """Losses of one day on many paths from the day's law; the states move on by one.

    The quantile is a line in the logit and a kink at each inner knot: no search, so that the loops vectorise.
    """
    for i in range(state.size):
        state[i] += STEP
        y[i] = logit(uniform(state[i]))
    slope = (quantiles[1] - quantiles[0]) / (knots[1] - knots[0])
    base = quantiles[0] - slope * knots[0]
    for i in range(y.size):
        losses[i] = base + slope * y[i]
    for k in range(1, knots.size - 1):
        steeper = (quantiles[k + 1] - quantiles[k]) / (knots[k + 1] - knots[k])
        bend, knot = steeper - slope, knots[k]
        slope = steeper
        for i in range(y.size):
            losses[i] += bend * max(y[i] - knot, 0.0)


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def drawn_expectile_sums(
    seed: int,
    knots: FloatArray,
    quantiles: FloatArray,
    level: FloatArray,
    expectile: FloatArray,
    scale: FloatArray,
    forecast: FloatArray,
    out: FloatArray,
) -> None:
    """Fill `out` (paths, 7) with `expectile_sums` of paths drawn from the days' own laws; S is that of the forecast."""
    paths = out.shape[0]
    state = np.empty(PATHS, np.uint64)
    y, losses, sums = np.empty(PATHS), np.empty(PATHS), np.empty((7, PATHS))
    for first in range(0, paths, PATHS):
        for i in range(PATHS):
            state[i] = mixed(np.uint64(seed) + np.uint64(first + i) * APART)
        sums[:] = 0.0
        for t in range(level.size):
            draw_day(state, knots, quantiles[t], y, losses)
            add_day(losses, expectile[t], level[t], scale[t], forecast[t], sums)
        for i in range(min(PATHS, paths - first)):
            for j in range(7):
                out[first + i, j] = sums[j, i]


@njit(cache=True, error_model="numpy")
def stationary_means(prefix: FloatArray, block: float, seed: int, out: FloatArray) -> None:
    """Fill `out` (B, k) with means of stationary-bootstrap samples of the n rows whose prefix sums are (n + 1, k).

    A block starts on any day with equal chance, goes round the end, and lasts a geometric number of days of mean
    `block`; the last one is cut to make n days. Lengths come from their distribution function, by a table of cells.
    """
    n, k = prefix.shape[0] - 1, prefix.shape[1]
    longest = int(min(n, 40.0 * block + 1.0))  # beyond 40 means lie 4e-18 of the lengths
    reached = 1.0 - (1.0 - 1.0 / block) ** np.arange(1.0, longest + 1.0)
    reached[longest - 1] = 2.0
    cell = np.empty(CELLS, np.int64)
    i = 0
    for c in range(CELLS):
        while reached[i] <= c / CELLS:
            i += 1
        cell[c] = i
    state = np.uint64(seed)
    total = np.empty(k)
    for b in range(out.shape[0]):
        total[:] = 0.0
        left = n
        while left > 0:
            state += STEP
            start = int(uniform(state) * n)
            state += STEP
            u = uniform(state)
            i = cell[int(u * CELLS)]
            while reached[i] <= u:
                i += 1
            length = min(i + 1, left)
            left -= length
            stop = start + length
            if stop <= n:
                for j in range(k):
                    total[j] += prefix[stop, j] - prefix[start, j]
            else:
                for j in range(k):
                    total[j] += prefix[n, j] - prefix[start, j] + prefix[stop - n, j]
        for j in range(k):
            out[b, j] = total[j] / n
