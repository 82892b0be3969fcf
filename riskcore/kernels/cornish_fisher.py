"""Cornish-Fisher laws of many samples: moments, the parameters that have them, and the normal variable at a measure.

The polynomial is ``q(z) = a z + b (z^2 - 1) + d z^3`` with ``a = 1 - k/8 + 5 s^2/36``, ``b = s/6`` and
``d = k/24 - s^2/18``. Loops by sample: a law's bits depend on its own sample alone.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import BoolArray, FloatArray

MOST = 60
ROOT_2PI = 2.5066282746310002
DIFFERENCE = 1e-5
LARGEST_SKEW = 6.0 * (math.sqrt(2.0) - 1.0)
"""Beyond this skewness parameter no kurtosis parameter keeps the polynomial monotone (Maillard 2012)."""
TURNS = 800
"""Points of the domain's edge among which the nearest is looked for first."""
SECTION = 0.6180339887498949


@njit(cache=True, error_model="numpy")
def sample_moments(samples: FloatArray, out: FloatArray) -> None:
    """Mean, standard deviation, skewness and excess kurtosis of every row; the last two are 0 for equal entries."""
    n = samples.shape[1]
    for i in range(samples.shape[0]):
        mean = 0.0
        for v in samples[i]:
            mean += v
        mean /= n
        second = third = fourth = 0.0
        for v in samples[i]:
            e = v - mean
            second += e * e
            third += e * e * e
            fourth += e * e * e * e
        second, third, fourth = second / n, third / n, fourth / n
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = mean, math.sqrt(second), 0.0, 0.0
        if second > 0.0:
            out[i, 2], out[i, 3] = third / (second * math.sqrt(second)), fourth / (second * second) - 3.0


@njit(cache=True, error_model="numpy")
def law_moments(s: float, k: float) -> tuple[float, float]:
    """Skewness and excess kurtosis of the law with parameters `s` and `k`."""
    a, b, d = 1.0 - k / 8.0 + 5.0 * s * s / 36.0, s / 6.0, k / 24.0 - s * s / 18.0
    variance = a * a + 2.0 * b * b + 6.0 * a * d + 15.0 * d * d
    third = 3.0 * b * (2.0 * a * a + 24.0 * a * d + 90.0 * d * d) + 8.0 * b * b * b
    odd = 3.0 * a**4 + 60.0 * a**3 * d + 630.0 * a * a * d * d + 3780.0 * a * d**3 + 10395.0 * d**4
    fourth = odd + 6.0 * b * b * (10.0 * a * a + 156.0 * a * d + 750.0 * d * d) + 60.0 * b**4
    return third / (variance * math.sqrt(variance)), fourth / (variance * variance) - 3.0


@njit(cache=True, error_model="numpy")
def edge_point(turn: float) -> tuple[float, float]:
    """A point of the edge of where the polynomial rises: with ``x = k/8``, the roots of a quadratic in x."""
    s = LARGEST_SKEW * (1.0 - 1e-12) * math.sin(turn)
    t = s * s
    middle = 0.5 * (1.0 + 11.0 * t / 36.0)
    root = math.sqrt(max(middle * middle - (7.0 * t / 36.0 + 5.0 * t * t / 216.0), 0.0))
    return s, 8.0 * (middle + root if math.cos(turn) >= 0.0 else middle - root)


@njit(cache=True, error_model="numpy")
def distance(turn: float, skew: float, kurtosis: float) -> float:
    """Of the moments at a point of the edge, the kurtosis halved, from those wanted; squared."""
    s, k = edge_point(turn)
    a, b = law_moments(s, k)
    return (a - skew) * (a - skew) + 0.25 * (b - kurtosis) * (b - kurtosis)


@njit(cache=True, error_model="numpy")
def nearest_on_edge(skew: float, kurtosis: float) -> tuple[float, float]:
    """The point of the edge whose moments are nearest: on a table, then by golden section."""
    step = 2.0 * math.pi / TURNS
    best, place = np.inf, 0
    for i in range(TURNS):
        far = distance(i * step, skew, kurtosis)
        if far < best:
            best, place = far, i
    low, high = (place - 1) * step, (place + 1) * step
    left, right = high - SECTION * (high - low), low + SECTION * (high - low)
    at_left, at_right = distance(left, skew, kurtosis), distance(right, skew, kurtosis)
    for _ in range(MOST):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - SECTION * (high - low)
            at_left = distance(left, skew, kurtosis)
        else:
            low, left, at_left = left, right, at_right
            right = low + SECTION * (high - low)
            at_right = distance(right, skew, kurtosis)
    return edge_point(0.5 * (low + high))


@njit(cache=True, error_model="numpy")
def solve(skew: FloatArray, kurtosis: FloatArray, s: FloatArray, k: FloatArray, clipped: BoolArray) -> None:
    """Parameters whose law has given moments, by Newton's steps; where none has (`clipped`), the nearest."""
    h = DIFFERENCE
    for i in range(skew.size):
        x, y = 0.7 * min(max(skew[i], -2.0), 2.0), min(max(0.45 * kurtosis[i], 0.1), 7.0)
        s[i], k[i], clipped[i] = np.nan, np.nan, True
        if not abs(skew[i]) + abs(kurtosis[i]) < np.inf:
            continue
        for _ in range(MOST):
            f, g = law_moments(x, y)
            f, g = f - skew[i], g - kurtosis[i]
            up, down = law_moments(x + h, y), law_moments(x - h, y)
            fs, gs = (up[0] - down[0]) / (2.0 * h), (up[1] - down[1]) / (2.0 * h)
            up, down = law_moments(x, y + h), law_moments(x, y - h)
            fk, gk = (up[0] - down[0]) / (2.0 * h), (up[1] - down[1]) / (2.0 * h)
            determinant = fs * gk - fk * gs
            dx, dy = (fk * g - gk * f) / determinant, (gs * f - fs * g) / determinant
            longest = max(abs(dx), abs(dy))
            if not longest < np.inf or abs(x) + abs(y) > 50.0:
                break
            short = min(1.0, 0.5 / max(longest, 1e-300))
            x, y = x + short * dx, y + short * dy
            if longest < 1e-11:
                f, g = law_moments(x, y)
                if abs(f - skew[i]) + abs(g - kurtosis[i]) < 1e-8 * (1.0 + abs(kurtosis[i])):
                    s[i], k[i] = x, y
                break
        if abs(s[i]) <= LARGEST_SKEW:
            # inside: A >= 0 and s^2/9 <= 4 A (1 - k/8 + 5 s^2/36) with A = k/8 - s^2/6
            t, part = s[i] * s[i], k[i] / 8.0 - s[i] * s[i] / 6.0
            clipped[i] = part < -1e-13 or t / 9.0 > 4.0 * part * (1.0 - k[i] / 8.0 + 5.0 * t / 36.0) + 1e-13
        if clipped[i]:
            s[i], k[i] = nearest_on_edge(skew[i], kurtosis[i])


@njit(cache=True, error_model="numpy")
def normal_at(s: FloatArray, k: FloatArray, y: FloatArray, level: float, out: FloatArray) -> None:
    """The normal variable whose polynomial is ``y[i]``, or for a `level` above 0 the law's expectile.

    Newton's steps between bounds. A law among `s` and `k` that stands alone serves every entry of `y`.
    """
    for i in range(out.size):
        j = i if s.size > 1 else 0
        a, b, d = 1.0 - k[j] / 8.0 + 5.0 * s[j] * s[j] / 36.0, s[j] / 6.0, k[j] / 24.0 - s[j] * s[j] / 18.0
        want = y[i] if level <= 0.0 else 0.0
        far = 10.0 + 3.0 * abs(want)
        low, high, c = -far, far, min(max(want, -8.0), 8.0)
        out[i] = np.nan
        if not abs(want) < np.inf or not abs(a) < np.inf:
            if want == np.inf or want == -np.inf:
                out[i] = want
            continue
        for _ in range(200):
            q = a * c + b * (c * c - 1.0) + d * c * c * c
            slope = a + 2.0 * b * c + 3.0 * d * c * c
            gap = want - q
            if level > 0.0:
                tail = 0.5 * math.erfc(c / math.sqrt(2.0))
                bracket = a + b * c + d * (c * c + 2.0)
                partial = math.exp(-0.5 * c * c) / ROOT_2PI * bracket - q * tail
                gap = (2.0 * level - 1.0) * partial - (1.0 - level) * q
                slope *= (2.0 * level - 1.0) * tail + (1.0 - level)
            if gap == 0.0:
                break
            if gap > 0.0:
                low = c
            else:
                high = c
            to = c + gap / slope
            if not low < to < high:
                to = 0.5 * (low + high)
            step = abs(to - c)
            c = to
            if step <= 1e-15 * (1.0 + abs(c)):
                break
        out[i] = c
