"""Outcomes judged by samples that ascend: share below, partial moments and mean difference, for PIT and CRPS.

The samples are rows, or the windows of a series under a change of scale a window, ``(z - shift) / scale``.
Weights have no entries where all losses count the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

U = np.uint64
"""Places as unsigned numbers: numba then asks no entry whether it counts from the end, and loops become vectors."""


@njit(cache=True, error_model="numpy")
def n_below(a: FloatArray, x: float, shift: float, scale: float, equal: bool) -> int:
    """How many scaled losses are below `x`, or at `x` too; scaled as the outcome is, so that ties stay ties."""
    low, high = 0, a.size
    while low < high:
        mid = (low + high) >> 1
        value = (a[U(mid)] - shift) / scale
        if value < x or (equal and value == x):
            low = mid + 1
        else:
            high = mid
    return low


@njit(cache=True, error_model="numpy")
def distances(a: FloatArray, w: FloatArray, first: int, stop: int, x: float) -> float:
    """Sum of ``w |a - x|`` of the losses [first, stop), all on one side of `x`; four sums side by side."""
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    whole = first + ((stop - first) & ~3)
    if w.size == 0:
        for i in range(first, whole, 4):
            s0 += abs(a[U(i)] - x)
            s1 += abs(a[U(i + 1)] - x)
            s2 += abs(a[U(i + 2)] - x)
            s3 += abs(a[U(i + 3)] - x)
        for i in range(whole, stop):
            s0 += abs(a[U(i)] - x)
        return ((s0 + s1) + (s2 + s3)) / a.size
    for i in range(first, stop):
        s0 += w[U(i)] * abs(a[U(i)] - x)
    return s0


@njit(cache=True, error_model="numpy")
def half_gini(a: FloatArray, w: FloatArray) -> float:
    """Half of the mean absolute difference of two draws; weights sum to one."""
    n = a.size
    centre = a[n >> 1]
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    if w.size == 0:
        whole = n & ~3
        rank = 1.0 - n
        for i in range(0, whole, 4):
            s0 += rank * (a[U(i)] - centre)
            s1 += (rank + 2.0) * (a[U(i + 1)] - centre)
            s2 += (rank + 4.0) * (a[U(i + 2)] - centre)
            s3 += (rank + 6.0) * (a[U(i + 3)] - centre)
            rank += 8.0
        for i in range(whole, n):
            s0 += (2 * i + 1 - n) * (a[U(i)] - centre)
        return ((s0 + s1) + (s2 + s3)) / (float(n) * n)
    below = 0.0
    for i in range(n):
        s0 += w[U(i)] * (a[U(i)] - centre) * (2.0 * below + w[U(i)] - 1.0)
        below += w[U(i)]
    return s0


@njit(cache=True, error_model="numpy")
def judge(
    a: FloatArray, w: FloatArray, x: float, shift: float, scale: float, moments: bool, gini: float, out: FloatArray
) -> None:
    """Fill `out`: shares below and up to `x`; with `moments`, E(x-Z)+, E(Z-x)+ and half of the mean difference."""
    low = n_below(a, x, shift, scale, False)
    high = low
    if low < a.size and (a[low] - shift) / scale == x:
        high = n_below(a, x, shift, scale, True)
    if w.size == 0:
        out[0], out[1] = low / a.size, high / a.size
    else:
        share = 0.0
        for i in range(low):
            share += w[U(i)]
        out[0] = share
        for i in range(low, high):
            share += w[U(i)]
        out[1] = share
    if moments:
        raw = x * scale + shift
        out[2] = distances(a, w, 0, high, raw) / scale
        out[3] = distances(a, w, high, a.size, raw) / scale
        out[4] = (half_gini(a, w) if gini != gini else gini) / scale


@njit(cache=True, error_model="numpy")
def row_outcomes(rows: FloatArray, weights: FloatArray, x: FloatArray, moments: bool) -> FloatArray:
    """Outcome `i` by row `i`, or all by a single row; (k, 5)."""
    out = np.empty((x.size, 5))
    single = rows.shape[0] == 1
    gini = half_gini(rows[0], weights[0]) if single and moments else np.nan
    for i in range(x.size):
        j = 0 if single else i
        judge(rows[j], weights[j], x[i], 0.0, 1.0, moments, gini, out[i])
    return out


@njit(cache=True, error_model="numpy")
def exchange(a: FloatArray, day: IntArray, z: FloatArray, old: int, new: int, with_days: bool) -> None:
    """Replace the loss of day `old` by that of day `new` among ascending losses; only what lies between moves.

    Equal losses stand in the order of their days: the old day is the first of them, the new one the last.
    """
    p = n_below(a, z[old], 0.0, 1.0, False)
    q = n_below(a, z[new], 0.0, 1.0, True)
    if q > p:
        q -= 1
        for i in range(p, q):
            a[U(i)] = a[U(i + 1)]
    else:
        for i in range(p, q, -1):
            a[U(i)] = a[U(i - 1)]
    a[q] = z[new]
    if with_days:
        for i in range(p, q):
            day[U(i)] = day[U(i + 1)]
        for i in range(p, q, -1):
            day[U(i)] = day[U(i - 1)]
        day[q] = new


@njit(cache=True, error_model="numpy")
def sliding_outcomes(
    z: FloatArray,
    order: IntArray,
    age_weights: FloatArray,
    x: FloatArray,
    shift: FloatArray,
    scale: FloatArray,
    moments: bool,
) -> FloatArray:
    """Outcome `i` by the window of `n` losses from day `i` on; (k, 5). `order` (n) sorts the first window."""
    n = order.size
    out = np.empty((x.size, 5))
    weighted = age_weights.size > 0
    a, w, day = np.empty(n), np.empty(age_weights.size), order.copy()
    for i in range(n):
        a[U(i)] = z[day[U(i)]]
    for row in range(x.size):
        if row > 0:
            exchange(a, day, z, row - 1, row + n - 1, weighted)
        if weighted:
            for i in range(n):
                w[U(i)] = age_weights[U(day[U(i)] - row)]
        judge(a, w, x[row], shift[row], scale[row], moments, np.nan, out[row])
    return out
