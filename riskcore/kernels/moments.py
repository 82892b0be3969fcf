"""Means and variances of every window of a series, and of rows.

A window is the end of one stretch of its own length and the beginning of the next: its sum is one cumulated from the
back plus one from the front, so no loss outside of it has a part in it. Sums carry their rounding along; the mean is
the exact one rounded, so it does not depend on where the series begins.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray

U = np.uint64
"""Places as unsigned numbers: numba then asks no entry whether it counts from the end, and loops become vectors."""

HALF = 134217729.0
"""2**27 + 1 splits a number into halves whose products are exact."""


@njit(cache=True, error_model="numpy")
def plus(high: float, low: float, x: float) -> tuple[float, float]:
    """Add `x` to a sum and the rounding to what it lost."""
    total = high + x
    part = total - high
    return total, low + ((high - (total - part)) + (x - part))


@njit(cache=True, error_model="numpy")
def quotient(high: float, low: float, n: int) -> float:
    """``(high + low) / n`` rounded once."""
    m = (high + low) / n
    split = HALF * m
    top = split - (split - m)
    rest = ((high - top * n) - (m - top) * n) + low
    better = m + rest / n
    return better if np.isfinite(better) else m


@njit(cache=True, error_model="numpy")
def sliding_means(z: FloatArray, n: int) -> FloatArray:
    """Mean of every window of `n` losses."""
    n_rows = z.size - n + 1
    out = np.empty(n_rows)
    back, back_low = np.empty(n), np.empty(n)
    for first in range(0, n_rows, n):
        high, low = 0.0, 0.0
        for i in range(n - 1, -1, -1):
            high, low = plus(high, low, z[first + i])
            back[i], back_low[i] = high, low
        high, low = 0.0, 0.0
        for i in range(min(n, n_rows - first)):
            total, rest = plus(back[i], back_low[i] + low, high)
            out[first + i] = quotient(total, rest, n)
            if first + n + i < z.size:
                high, low = plus(high, low, z[first + n + i])
    return out


@njit(cache=True, error_model="numpy")
def row_means(rows: FloatArray) -> FloatArray:
    """Mean of every row."""
    out = np.empty(rows.shape[0])
    for i in range(rows.shape[0]):
        high, low = 0.0, 0.0
        for x in rows[i]:
            high, low = plus(high, low, x)
        out[i] = quotient(high, low, rows.shape[1])
    return out


@njit(cache=True, error_model="numpy")
def sliding_squares(z: FloatArray, n: int, centres: FloatArray) -> FloatArray:
    """Mean of ``(z - centre)**2`` of every window, four sums side by side."""
    out = np.empty(centres.size)
    whole = n & ~3
    for row in range(out.size):
        c, s0, s1, s2, s3 = centres[row], 0.0, 0.0, 0.0, 0.0
        for i in range(row, row + whole, 4):
            s0 += (z[U(i)] - c) * (z[U(i)] - c)
            s1 += (z[U(i + 1)] - c) * (z[U(i + 1)] - c)
            s2 += (z[U(i + 2)] - c) * (z[U(i + 2)] - c)
            s3 += (z[U(i + 3)] - c) * (z[U(i + 3)] - c)
        for i in range(row + whole, row + n):
            s0 += (z[U(i)] - c) * (z[U(i)] - c)
        out[row] = ((s0 + s1) + (s2 + s3)) / n
    return out
