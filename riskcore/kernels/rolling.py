"""VaR, ES and expectile of samples that ascend, and of all windows of a series in one pass.

Of a window only the largest losses are kept, sorted, at the high end of an array: most days touch none of them. All
figures are functions of those losses and the mean, summed afresh in a fixed order wherever they change, so nothing
drifts and a row does not depend on losses outside its window, bit for bit.

A request is (kind, above, gain, mass). VaR: `above` losses lie above it. ES: the same, `mass` is n(1-p). Expectile:
`gain` is 2 tau - 1, at least 0, and `mass` is n(1-tau).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

U = np.uint64
"""Places as unsigned numbers: numba then asks no entry whether it counts from the end, and loops become vectors."""

VAR, ES, EXPECTILE = 0, 1, 2
MOST_STEPS = 100
"""Steps to the expectile's rank at most: few are taken, but a loss equal to it must not turn them in circles."""


@njit(cache=True, error_model="numpy")
def position(a: FloatArray, low: int, high: int, x: float) -> int:
    """First index in [low, high) of ascending `a` with a value of at least `x`, or `high`; without branches."""
    size = high - low
    while size > 1:
        half = size >> 1
        low = low + half if a[U(low + half - 1)] < x else low
        size -= half
    return low + 1 if size == 1 and a[low] < x else low


@njit(cache=True, error_model="numpy")
def excess(a: FloatArray, k: int, base: float) -> float:
    """Sum of the `k` last entries over `base`; four sums side by side, so that the order is the same everywhere."""
    end = a.size
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    whole = k & ~3
    for i in range(0, whole, 4):
        j = end - i
        s0 += a[U(j - 1)] - base
        s1 += a[U(j - 2)] - base
        s2 += a[U(j - 3)] - base
        s3 += a[U(j - 4)] - base
    for i in range(whole, k):
        s0 += a[end - 1 - i] - base
    return (s0 + s1) + (s2 + s3)


@njit(cache=True, error_model="numpy")
def expectile_of(
    a: FloatArray, start: int, floor: float, centre: float, gain: float, mass: float, k: int, total: float
) -> tuple[float, int, float, bool]:
    """Expectile, number `k` of losses above it, their excess over the smallest of them, and whether `a` reached.

    With the k largest, ``m = c + g sum (x - c) / (g k + n (1 - tau))`` never lies above the expectile and is it where
    k losses exceed m. Up from too small a k it rises loss by loss; a k too large falls at once to the losses above m.
    All terms have one sign: nothing cancels.
    """
    n = a.size
    m = centre
    if gain == 0.0:
        return m, 0, 0.0, True
    for _ in range(MOST_STEPS):
        base = a[n - k] if k > 0 else centre
        m = centre + gain * (total + k * (base - centre)) / (gain * k + mass)
        old = k
        while k < n - start and a[n - 1 - k] > m:
            total += k * (base - a[n - 1 - k])
            k += 1
            base = a[n - k]
            m = centre + gain * (total + k * (base - centre)) / (gain * k + mass)
        if k == n - start and m < floor:
            return m, k, total, False
        if k == old:
            while k > 0 and a[n - k] <= m:
                k -= 1
            if k == old:
                break
        total = excess(a, k, a[n - k]) if k > 0 else 0.0
    return min(m, a[n - 1]), k, total, True


@njit(cache=True, error_model="numpy")
def sort_last(a: FloatArray, keep: int) -> None:
    """Put the `keep` largest at the end of `a`, ascending, by a heap; quicker than a sort and quicker to compile."""
    n = a.size
    half = n >> 1
    for step in range(half + min(keep, n - 1)):
        if step < half:
            root, size = half - 1 - step, n
            x = a[root]
        else:
            root, size = 0, n - 1 - (step - half)
            x = a[size]
            a[size] = a[0]
        child = 2 * root + 1
        while child < size:
            if child + 1 < size and a[child + 1] > a[child]:
                child += 1
            if a[child] <= x:
                break
            a[root] = a[child]
            root = child
            child = 2 * child + 1
        a[root] = x


@njit(cache=True, error_model="numpy")
def refill(z: FloatArray, row: int, keep: int, a: FloatArray) -> tuple[int, float]:
    """Put the `keep` largest losses of a window at the end of `a`; where they start, and their lower bound."""
    for i in range(a.size):
        a[i] = z[row + i]
    sort_last(a, keep)
    start = a.size - keep
    return start, a[start] if start > 0 else -np.inf


@njit(cache=True, error_model="numpy")
def wider(keep: int, n: int, days: int) -> int:
    """How many losses to keep where a refill falls `days` after the one before: twice as many if that is soon."""
    return min(n, 2 * keep) if days < n else keep


@njit(cache=True, error_model="numpy")
def renew(a: FloatArray, start: int, floor: float, keep: int, old: float, new: float) -> tuple[int, float, int]:
    """Take `old` out of the sorted losses, put `new` in; what is under the floor is not there and stays out.

    All losses of the window above `floor` are in `a`, of those equal to it perhaps not all: a value decides, not a day.
    Returns start, floor, and how many of the largest losses are as they were.
    """
    n = a.size
    leaves = old > floor or (old == floor and start < n and a[start] == floor)
    if leaves and new >= floor:
        p, q = position(a, start, n, old), position(a, start, n, new)
        if q > p:
            q -= 1
            for i in range(p, q):
                a[U(i)] = a[U(i + 1)]
            a[q] = new
            return start, floor, n - 1 - q
        for i in range(p, q, -1):
            a[U(i)] = a[U(i - 1)]
        a[q] = new
        return start, floor, n - 1 - p
    if leaves:
        p = position(a, start, n, old)
        for i in range(p, start, -1):
            a[U(i)] = a[U(i - 1)]
        return start + 1, floor, n - 1 - p
    if new >= floor:
        if n - start == min(2 * keep, n):
            start = n - keep
            floor = a[start]
            if new < floor:
                return start, floor, n
        q = position(a, start, n, new)
        for i in range(start - 1, q - 1):
            a[U(i)] = a[U(i + 1)]
        a[q - 1] = new
        return start - 1, floor, n - q
    return start, floor, n


@njit(cache=True, error_model="numpy")
def sliding_measures(
    z: FloatArray, n: int, means: FloatArray, kind: IntArray, above: IntArray, gain: FloatArray, mass: FloatArray,
    out: FloatArray,
) -> None:  # fmt: skip
    """Requests (m) of every window of `n` losses into `out` (k, m); `means` (k) are asked for with expectiles only."""
    n_rows, n_asked = z.size - n + 1, kind.size
    need = 1
    for j in range(n_asked):
        if kind[j] != EXPECTILE:
            need = max(need, above[j] + 1)
    keep = min(n, max(3 * need, 16))
    a = np.empty(n)
    ranks, totals = np.zeros(n_asked, dtype=np.int64), np.zeros(n_asked)
    filled = 0
    start, floor = refill(z, 0, keep, a)
    for row in range(n_rows):
        same = 0
        if row > 0:
            start, floor, same = renew(a, start, floor, keep, z[row - 1], z[row + n - 1])
            if n - start < need:
                keep, filled = wider(keep, n, row - filled), row
                start, floor = refill(z, row, keep, a)
        for j in range(n_asked):
            if kind[j] == EXPECTILE:
                k = min(ranks[j], n - start)
                total = totals[j] if same >= ranks[j] else excess(a, k, a[n - k]) if k > 0 else 0.0
                m, k, total, reached = expectile_of(a, start, floor, means[row], gain[j], mass[j], k, total)
                while not reached:
                    keep, filled = wider(keep, n, row - filled), row
                    start, floor = refill(z, row, keep, a)
                    total = excess(a, k, a[n - k])
                    m, k, total, reached = expectile_of(a, start, floor, means[row], gain[j], mass[j], k, total)
                out[row, j], ranks[j], totals[j] = m, k, total
            elif row > 0 and same > above[j]:
                out[row, j] = out[row - 1, j]
            else:
                out[row, j] = tail_of(a, kind[j], above[j], mass[j])


@njit(cache=True, error_model="numpy")
def tail_of(a: FloatArray, kind: int, above: int, mass: float) -> float:
    """VaR or ES of the ascending losses `a`; rounding must not carry an ES past the largest loss."""
    n = a.size
    var: float = a[n - 1 - above]
    if kind == VAR:
        return var
    return float(min(var + excess(a, above, var) / mass, a[n - 1]))


@njit(cache=True, error_model="numpy")
def row_measures(
    rows: FloatArray, means: FloatArray, kind: IntArray, above: IntArray, gain: FloatArray, mass: FloatArray
) -> FloatArray:
    """Requests (m) of ascending rows (k, n), as (k, m)."""
    out = np.empty((rows.shape[0], kind.size))
    ranks = np.zeros(kind.size, dtype=np.int64)
    for i in range(rows.shape[0]):
        a = rows[i]
        for j in range(kind.size):
            if kind[j] == EXPECTILE:
                k = ranks[j]
                total = excess(a, k, a[a.size - k]) if k > 0 else 0.0
                m, k, _, _ = expectile_of(a, 0, -np.inf, means[i], gain[j], mass[j], k, total)
                out[i, j], ranks[j] = m, k
            else:
                out[i, j] = tail_of(a, kind[j], above[j], mass[j])
    return out
