"""VaR, ES and expectile of weighted samples that ascend, and of all windows of a series with weights by age.

As in `rolling`, only the largest losses of a window are kept, here with their days. Weights sum to one. A request is
(kind, gain, mass): `mass` is 1-p for VaR and ES; for the expectile `gain` is 2 tau - 1, at least 0, and `mass` 1-tau.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

U = np.uint64
"""Places as unsigned numbers: numba then asks no entry whether it counts from the end, and loops become vectors."""

VAR, ES, EXPECTILE = 0, 1, 2


@njit(cache=True, error_model="numpy")
def weighted_mean(x: FloatArray, w: FloatArray) -> float:
    """Weighted mean; a second sum, of the remainders, takes the rounding of the first away."""
    centre = 0.0
    for _ in range(2):
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
        whole = x.size & ~3
        for i in range(0, whole, 4):
            s0 += w[U(i)] * (x[U(i)] - centre)
            s1 += w[U(i + 1)] * (x[U(i + 1)] - centre)
            s2 += w[U(i + 2)] * (x[U(i + 2)] - centre)
            s3 += w[U(i + 3)] * (x[U(i + 3)] - centre)
        for i in range(whole, x.size):
            s0 += w[U(i)] * (x[U(i)] - centre)
        centre += (s0 + s1) + (s2 + s3)
    return centre


@njit(cache=True, error_model="numpy")
def weighted_of(
    a: FloatArray, w: FloatArray, start: int, centre: float, kind: int, gain: float, mass: float
) -> tuple[float, bool]:
    """A measure of the losses from `start` on, and whether they reached far enough.

    From the largest loss down: the VaR is the last loss above which the weight is at most 1-p, up to the rounding of
    cumulated weights; the expectile's estimate rises until no loss is above it.
    """
    i = a.size - 1
    if kind == EXPECTILE:
        if gain == 0.0:
            return centre, True
        m, total, weight = centre, 0.0, mass
        while i >= start and a[i] > m:
            total += w[i] * (a[i] - centre)
            weight += gain * w[i]
            m = centre + gain * total / weight
            i -= 1
        return min(max(m, a[start]) if start == 0 else m, a[a.size - 1]), start == 0 or i >= start
    limit = mass + 4.0 * a.size * 2.220446049250313e-16
    above = 0.0
    while i >= start and above + w[i] <= limit:
        above += w[i]
        i -= 1
    if i < start:
        if start > 0:
            return np.nan, False
        i = 0
    var = a[i]
    if kind == VAR:
        return var, True
    total = 0.0
    for j in range(a.size - 1, i, -1):
        total += w[j] * (a[j] - var)
    return min(var + total / mass, a[a.size - 1]), True


@njit(cache=True, error_model="numpy")
def after(z: FloatArray, i: int, j: int) -> bool:
    """Whether day `i` follows day `j` in the order of their losses; equal losses stand in the order of their days."""
    return z[i] > z[j] or (z[i] == z[j] and i > j)


@njit(cache=True, error_model="numpy")
def sort_days(day: IntArray, z: FloatArray, keep: int) -> None:
    """Put the days of the `keep` largest losses at the end of `day`, in the order of their losses, by a heap."""
    n = day.size
    half = n >> 1
    for step in range(half + min(keep, n - 1)):
        if step < half:
            root, size = half - 1 - step, n
            x = day[root]
        else:
            root, size = 0, n - 1 - (step - half)
            x = day[size]
            day[size] = day[0]
        child = 2 * root + 1
        while child < size:
            if child + 1 < size and after(z, day[child + 1], day[child]):
                child += 1
            if not after(z, day[child], x):
                break
            day[root] = day[child]
            root = child
            child = 2 * child + 1
        day[root] = x


@njit(cache=True, error_model="numpy")
def fill(z: FloatArray, row: int, keep: int, a: FloatArray, day: IntArray) -> int:
    """Put the `keep` largest losses of a window, with their days, at the end of `a` and `day`; where they start."""
    n = a.size
    for i in range(n):
        day[i] = row + i
    sort_days(day, z, keep)
    for i in range(n - keep, n):
        a[i] = z[day[i]]
    return n - keep


@njit(cache=True, error_model="numpy")
def renew_days(a: FloatArray, day: IntArray, start: int, keep: int, floor: float, z: FloatArray, row: int) -> int:
    """Take the day before `row` out where it is there, put the window's last day in where it reaches the floor."""
    n = a.size
    old, last = row - 1, row + n - 1
    if z[old] >= floor:
        i = start
        while i < n and day[i] != old:
            i += 1
        if i < n:
            for j in range(i, start, -1):
                a[j], day[j] = a[j - 1], day[j - 1]
            start += 1
    if z[last] >= floor:
        if start == 0 or n - start == 2 * keep:
            return -1
        start -= 1
        i = start
        while i + 1 < n and a[i + 1] <= z[last]:
            a[i], day[i] = a[i + 1], day[i + 1]
            i += 1
        a[i], day[i] = z[last], last
    return start


@njit(cache=True, error_model="numpy")
def sliding_weighted(
    z: FloatArray, age_weights: FloatArray, kind: IntArray, gain: FloatArray, mass: FloatArray, out: FloatArray
) -> None:
    """Requests (m) of every window, as long as the weights of its days from old to new, into `out` (k, m)."""
    n = age_weights.size
    n_rows, n_asked = z.size - n + 1, kind.size
    a, w, day = np.empty(n), np.empty(n), np.empty(n, dtype=np.int64)
    keep = min(n, max(n // 16, 32))
    start, filled = fill(z, 0, keep, a, day), 0
    floor = a[start] if start > 0 else -np.inf
    with_mean = False
    for j in range(n_asked):
        with_mean = with_mean or kind[j] == EXPECTILE
    for row in range(n_rows):
        if row > 0:
            start = renew_days(a, day, start, keep, floor, z, row)
            if start < 0 or start == n:
                start = fill(z, row, keep, a, day)
                floor = a[start] if start > 0 else -np.inf
        for i in range(start, n):
            w[i] = age_weights[day[i] - row]
        centre = weighted_mean(z[row : row + n], age_weights) if with_mean else 0.0
        for j in range(n_asked):
            out[row, j], reached = weighted_of(a, w, start, centre, kind[j], gain[j], mass[j])
            while not reached:
                keep, filled = (min(n, 2 * keep) if row - filled < n else keep), row
                start = fill(z, row, keep, a, day)
                floor = a[start] if start > 0 else -np.inf
                for i in range(start, n):
                    w[i] = age_weights[day[i] - row]
                out[row, j], reached = weighted_of(a, w, start, centre, kind[j], gain[j], mass[j])


@njit(cache=True, error_model="numpy")
def row_weighted(
    rows: FloatArray, weights: FloatArray, kind: IntArray, gain: FloatArray, mass: FloatArray
) -> FloatArray:
    """Requests (m) of ascending rows (k, n) with their weights (k, n), as (k, m)."""
    out = np.empty((rows.shape[0], kind.size))
    for i in range(rows.shape[0]):
        centre = weighted_mean(rows[i], weights[i])
        for j in range(kind.size):
            out[i, j] = weighted_of(rows[i], weights[i], 0, centre, kind[j], gain[j], mass[j])[0]
    return out
