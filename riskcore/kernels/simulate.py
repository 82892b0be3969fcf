"""Losses drawn from the laws of many days, and the sums that tests of ES and expectiles are made of.

A day's law is given by quantiles at fixed levels u. Between them, and beyond the outermost ones, the quantile is
linear in the logit ``y = log(u / (1 - u))``. Integrals of such a law over u are exact: with ``S(y) = 1 / (1 + e^y)``,

    integral from a to infinity of (c + d y) du = c S(a) + d (a S(a) + log(1 + e^-a)).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray


@njit(cache=True)
def _upper(c: float, d: float, a: float) -> float:
    """Integral of c + d y over u above the logit a; split so that exp never overflows."""
    if a >= 0.0:
        e = math.exp(-a)
        s = e / (1.0 + e)
        return c * s + d * (a * s + math.log1p(e))
    e = math.exp(a)
    s = 1.0 / (1.0 + e)
    return c * s + d * (a * s - a + math.log1p(e))


@njit(cache=True)
def _above(knots: FloatArray, q: FloatArray, j: int, a: float) -> float:
    """Integral of the quantile over u above the logit a, which lies in segment j."""
    total = 0.0
    low = a
    last = knots.size - 2
    for k in range(j, last + 1):
        d = (q[k + 1] - q[k]) / (knots[k + 1] - knots[k])
        c = q[k] - d * knots[k]
        total += _upper(c, d, low)
        if k < last:
            total -= _upper(c, d, knots[k + 1])
            low = knots[k + 1]
    return total


@njit(cache=True)
def _logit_at(knots: FloatArray, q: FloatArray, x: float) -> tuple[int, float]:
    """Segment and logit at which the quantile is x (the upper end of a flat piece)."""
    last = knots.size - 2
    j = 0
    while j < last and q[j + 1] <= x:
        j += 1
    d = (q[j + 1] - q[j]) / (knots[j + 1] - knots[j])
    if d <= 0.0:
        return j, knots[j] if x < q[j] else np.inf
    return j, knots[j] + (x - q[j]) / d


@njit(cache=True)
def law_functionals(knots: FloatArray, quantiles: FloatArray, level: FloatArray) -> FloatArray:
    """Rows of VaR, ES, expectile and P(L > expectile) of each day's interpolated law at that day's level."""
    n, m = quantiles.shape
    out = np.full((n, 4), np.nan)
    for t in range(n):
        q = quantiles[t]
        p = level[t]
        y = np.log(p / (1.0 - p))
        j = 0
        while j < m - 2 and knots[j + 1] <= y:
            j += 1
        w = (y - knots[j]) / (knots[j + 1] - knots[j])
        out[t, 0] = q[j] + w * (q[j + 1] - q[j])
        out[t, 1] = _above(knots, q, j, y) / (1.0 - p)
        d = (q[1] - q[0]) / (knots[1] - knots[0])
        first = _upper(q[0] - d * knots[0], d, knots[0])
        mean = q[0] - d * knots[0] - first + _above(knots, q, 0, knots[0])
        # Newton on f(x) = (2p - 1) E(L - x)+ - (1 - p)(x - mean): convex and falling, so from the mean it only rises
        x = mean
        s = 1.0
        for _ in range(100):
            j, y = _logit_at(knots, q, x)
            s = 0.0
            up = 0.0
            if y < np.inf:
                s = 1.0 / (1.0 + np.exp(y)) if y > -700.0 else 1.0
                up = _above(knots, q, j, y) - x * s
            step = ((2.0 * p - 1.0) * up - (1.0 - p) * (x - mean)) / ((2.0 * p - 1.0) * s + (1.0 - p))
            x += step
            if abs(step) <= 1e-14 * (abs(x) + abs(q[m - 1] - q[0])):
                break
        out[t, 2] = x
        out[t, 3] = s
    return out


@njit(cache=True)
def draw_losses(
    uniforms: FloatArray, levels: FloatArray, knots: FloatArray, quantiles: FloatArray, out: FloatArray
) -> None:
    """Losses (path, day) from the interpolated laws; a table of 64 cells finds the segment of most draws at once."""
    last = levels.size - 2
    start = np.zeros(65, np.int64)
    for cell in range(65):
        j = 0
        while j < last and levels[j + 1] <= cell / 64.0:
            j += 1
        start[cell] = j
    for i in range(uniforms.shape[0]):
        for t in range(uniforms.shape[1]):
            u = uniforms[i, t]
            u = min(max(u, 1e-300), 1.0 - 1.1e-16)
            j = start[int(u * 64.0)]
            while j < last and levels[j + 1] <= u:
                j += 1
            w = (np.log(u / (1.0 - u)) - knots[j]) / (knots[j + 1] - knots[j])
            out[i, t] = quantiles[t, j] + w * (quantiles[t, j + 1] - quantiles[t, j])


@njit(cache=True)
def draw_tails(
    uniforms: FloatArray,
    levels: FloatArray,
    knots: FloatArray,
    quantiles: FloatArray,
    level: FloatArray,
    var: FloatArray,
    out: FloatArray,
) -> None:
    """As `draw_losses` above each day's VaR; a day without a hit gets the VaR itself, which ES sums ignore."""
    last = levels.size - 2
    for i in range(uniforms.shape[0]):
        for t in range(uniforms.shape[1]):
            u = uniforms[i, t]
            out[i, t] = var[t]
            if u > level[t]:
                u = min(u, 1.0 - 1.1e-16)
                j = last
                while j > 0 and levels[j] > u:
                    j -= 1
                w = (np.log(u / (1.0 - u)) - knots[j]) / (knots[j + 1] - knots[j])
                # a draw beyond the level is a hit, also where the law has an atom at its VaR
                drawn = quantiles[t, j] + w * (quantiles[t, j + 1] - quantiles[t, j])
                out[i, t] = max(drawn, np.nextafter(var[t], np.inf))


@njit(cache=True)
def draw_excesses(uniforms: FloatArray, level: FloatArray, var: FloatArray, es: FloatArray, out: FloatArray) -> None:
    """Hits with probability 1 - level whose excess over the VaR is exponential with mean es - var."""
    for i in range(uniforms.shape[0]):
        for t in range(uniforms.shape[1]):
            u = uniforms[i, t]
            out[i, t] = var[t]
            if u > level[t]:
                u = min(u, 1.0 - 1.1e-16)
                drawn = var[t] - (es[t] - var[t]) * np.log((1.0 - u) / (1.0 - level[t]))
                out[i, t] = max(drawn, np.nextafter(var[t], np.inf))


@njit(cache=True)
def es_sums(losses: FloatArray, var: FloatArray, es: FloatArray, level: FloatArray, scale: FloatArray) -> FloatArray:
    """Per path: hits; sums over hits of L/e and L/(e q); of -V2/e; of V1, V2, V1^2, V1 V2, V2^2; of r, r^2.

    Here ``q = 1 - level``, ``V1 = 1{L>v} - q``, ``V2 = v - e + (L-v)+ / q`` and ``r = 1{L>v} (L-e) / (q scale)``.
    """
    out = np.zeros((losses.shape[0], 11))
    for i in range(losses.shape[0]):
        s = out[i]
        for t in range(losses.shape[1]):
            x = losses[i, t]
            q = 1.0 - level[t]
            v1 = -q
            v2 = var[t] - es[t]
            if x > var[t]:
                excess = (x - var[t]) / q
                ratio = x / es[t]
                r = (x - es[t]) / (q * scale[t])
                v1 += 1.0
                v2 += excess
                s[0] += 1.0
                s[1] += ratio
                s[2] += ratio / q
                s[9] += r
                s[10] += r * r
            s[3] -= v2 / es[t]
            s[4] += v1
            s[5] += v2
            s[6] += v1 * v1
            s[7] += v1 * v2
            s[8] += v2 * v2
    return out


@njit(cache=True)
def expectile_sums(losses: FloatArray, expectile: FloatArray, level: FloatArray, scale: FloatArray) -> FloatArray:
    """Per path: sums of V, V/s, V^2, V^2/s, V^2/s^2 with ``V = |1{L<=m} - level| (m - L)`` and s the day's scale."""
    out = np.zeros((losses.shape[0], 5))
    for i in range(losses.shape[0]):
        a = 0.0
        b = 0.0
        c = 0.0
        d = 0.0
        e = 0.0
        for t in range(losses.shape[1]):
            gap = expectile[t] - losses[i, t]
            v = gap * (1.0 - level[t]) if gap >= 0.0 else gap * level[t]
            z = v / scale[t]
            a += v
            b += z
            c += v * v
            d += v * z
            e += z * z
        out[i, 0] = a
        out[i, 1] = b
        out[i, 2] = c
        out[i, 3] = d
        out[i, 4] = e
    return out
