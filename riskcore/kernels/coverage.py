"""Hits of many series: counts, transitions and the projection of the Dynamic Quantile test, from hit positions."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

BLOCK = 64
LARGEST = 1.7976931348623157e308
N_FACTS = 8
"""Columns of `coverage_facts`: days, hits, n00, n01, n10, n11, DQ, rank."""


@njit(cache=True, nogil=True, error_model="numpy")
def hit_positions(losses: FloatArray, var: FloatArray, where: IntArray) -> int:
    """Fill `where` with the days on which ``loss > var``; returns their number, or -1 if a value is not finite.

    A block of days is looked at without a branch, as nearly all of them are quiet.
    """
    n = losses.size
    count = 0
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        x, v = losses[start:stop], var[start:stop]
        loud = 0
        for i in range(x.size):
            loud += 1 - ((x[i] >= -LARGEST) & (x[i] <= v[i]) & (v[i] <= LARGEST))
        if loud > 0:
            for i in range(x.size):
                if x[i] > v[i]:
                    where[count] = start + i
                    count += 1
                    loud -= (x[i] <= LARGEST) & (v[i] >= -LARGEST)
            if loud != 0:
                return -1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def known_days(losses: FloatArray, var: FloatArray, kept: FloatArray) -> int:
    """Copy the days on which both are finite to the two rows of `kept`; returns their number."""
    count = 0
    for t in range(losses.size):
        if math.isfinite(losses[t]) and math.isfinite(var[t]):
            kept[0, count], kept[1, count] = losses[t], var[t]
            count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def transition_counts(where: IntArray, n: int) -> tuple[int, int, int, int]:
    """Counts n00, n01, n10, n11 over the n - 1 pairs of neighbouring days, from the positions of the hits."""
    hits, n11 = where.size, 0
    for i in range(1, hits):
        n11 += where[i] == where[i - 1] + 1
    n01 = hits - n11 - (hits > 0 and where[0] == 0)
    n10 = hits - n11 - (hits > 0 and where[hits - 1] == n - 1)
    return n - 1 - n01 - n10 - n11, n01, n10, n11


@njit(cache=True, nogil=True, error_model="numpy")
def projected(gram: FloatArray, right: FloatArray, least: FloatArray, tolerance: float) -> tuple[float, int]:
    """``right' gram^+ right`` and the rank, by Cholesky with the largest pivot first; `gram` and `right` are changed.

    A column counts as long as more than `tolerance` times ``least[i]`` of its square is left.
    """
    d = right.size
    total, rank = 0.0, 0
    done = np.zeros(d, dtype=np.bool_)
    for _ in range(d):
        best, share = -1, tolerance
        for i in range(d):
            if not done[i] and gram[i, i] > share * least[i]:
                best, share = i, gram[i, i] / least[i]
        if best < 0:
            break
        done[best] = True
        rank += 1
        pivot, part = gram[best, best], right[best]
        total += part * part / pivot
        for i in range(d):
            if not done[i]:
                factor = gram[i, best] / pivot
                right[i] -= factor * part
                for j in range(d):
                    if not done[j]:
                        gram[i, j] -= factor * gram[best, j]
    return total, rank


@njit(cache=True, nogil=True, error_model="numpy")
def spread_of(var: FloatArray, centre: float) -> tuple[float, float]:
    """Sums of ``var - centre`` and of its squares; as many sums side by side as a block has days."""
    sums, squares = np.zeros(BLOCK), np.zeros(BLOCK)
    for start in range(0, var.size, BLOCK):
        v = var[start : min(start + BLOCK, var.size)]
        for i in range(v.size):
            x = v[i] - centre
            sums[i] += x
            squares[i] += x * x
    return float(sums.sum()), float(squares.sum())


@njit(cache=True, nogil=True, error_model="numpy")
def dynamic_quantile(where: IntArray, var: FloatArray, level: float, lags: int, tolerance: float) -> tuple[float, int]:
    """Statistic and rank of the DQ test at one level for all days, from the positions of the hits and the VaR.

    With an intercept, hits span the same space as hits less their rate. All columns are taken around their means, so
    that the intercept stands alone; the lagged hits come from pairs of hits, and the VaR is read once.
    """
    n = var.size
    days = n - lags
    rate = 1.0 - level
    columns = lags + 1
    gram, right, least = np.zeros((columns, columns)), np.zeros(columns), np.zeros(columns)
    sums = np.zeros(columns)  # of var - centre, then of the hit of 1, 2, ... days before
    centre = var[lags]
    sums[0], gram[0, 0] = spread_of(var[lags:], centre)
    hits = 0
    for i in range(where.size):
        h = where[i]
        if h >= lags:
            hits += 1
            right[0] += var[h] - centre
        for j in range(1, columns):
            if lags <= h + j < n:
                sums[j] += 1.0
                gram[0, j] += var[h + j] - centre
                for before in range(i - 1, -1, -1):  # the hit `apart` days before is the lag j + apart of that day
                    apart = h - where[before]
                    if j + apart > lags:
                        break
                    gram[j, j + apart] += 1.0
        for before in range(i - 1, -1, -1):
            apart = h - where[before]
            if apart > lags:
                break
            if h >= lags:
                right[apart] += 1.0
    least[0] = gram[0, 0] + days * centre * centre + 2.0 * centre * sums[0]
    for j in range(columns):
        if j > 0:
            gram[j, j] = sums[j]
            least[j] = sums[j]
        right[j] -= sums[j] * hits / days
    for i in range(columns):
        for j in range(i, columns):
            gram[i, j] -= sums[i] * sums[j] / days
            gram[j, i] = gram[i, j]
    own = hits - days * rate
    explained, rank = projected(gram, right, least, tolerance)
    return (own * own / days + explained) / (level * rate), rank + 1


@njit(cache=True, nogil=True, error_model="numpy")
def projected_paths(
    where: IntArray, first: IntArray, basis: FloatArray, offset: FloatArray, weight: FloatArray, quiet: FloatArray,
    quiet_head: FloatArray, quiet_cross: FloatArray, quiet_gram: FloatArray, quiet_own: FloatArray, tolerance: float,
    out: FloatArray,
) -> None:  # fmt: skip
    """Fill `out` (paths, 2) with statistic and rank of DQ tests whose regressors are `basis` and lagged hits.

    `basis` (days, r) is orthonormal and holds what is the same on all paths, for the days after the first `lags`. The
    j-th lag is ``I - offset`` of j days before; what is projected is ``I weight - quiet``. Sums over all days are
    given: of the basis with `quiet`, of the basis with the lagged offsets (r, lags), of these with each other and with
    `quiet`. What a hit adds is summed here.
    """
    days, fixed = basis.shape
    lags = quiet_own.size
    n = days + lags
    head, cross = np.empty(fixed), np.empty((fixed, lags))
    gram, right, least = np.empty((lags, lags)), np.empty(lags), np.empty(lags)
    for path in range(out.shape[0]):
        days_of = where[first[path] : first[path + 1]]
        for a in range(fixed):
            head[a] = -quiet_head[a]
            for j in range(lags):
                cross[a, j] = -quiet_cross[a, j]
        for j in range(lags):
            right[j] = quiet_own[j]
            for k in range(lags):
                gram[j, k] = quiet_gram[j, k]
        for i in range(days_of.size):
            h = days_of[i]
            if h >= lags:
                for a in range(fixed):
                    head[a] += basis[h - lags, a] * weight[h]
                for j in range(lags):
                    right[j] -= offset[h - j - 1] * weight[h]
            for j in range(lags):
                t = h + j + 1  # the day of which this hit is lag j
                if lags <= t < n:
                    for a in range(fixed):
                        cross[a, j] += basis[t - lags, a]
                    right[j] -= quiet[t]
                    gram[j, j] += 1.0
                    for k in range(lags):
                        gram[j, k] -= offset[t - k - 1]
                        gram[k, j] -= offset[t - k - 1]
            for before in range(i - 1, -1, -1):
                apart = h - days_of[before]
                if apart > lags:
                    break
                if h >= lags:
                    right[apart - 1] += weight[h]
                for j in range(lags - apart):
                    if lags <= h + j + 1 < n:
                        gram[j, j + apart] += 1.0
                        gram[j + apart, j] += 1.0
        total = 0.0
        for a in range(fixed):
            total += head[a] * head[a]
        for j in range(lags):
            least[j] = gram[j, j]
            for a in range(fixed):
                right[j] -= cross[a, j] * head[a]
                for k in range(lags):
                    gram[j, k] -= cross[a, j] * cross[a, k]
        explained, rank = projected(gram, right, least, tolerance)
        out[path, 0], out[path, 1] = total + explained, rank + fixed


@njit(cache=True, nogil=True, error_model="numpy")
def series_facts(
    losses: FloatArray, var: FloatArray, level: float, lags: int, tolerance: float, where: IntArray, out: FloatArray
) -> None:
    """Facts of one series into `out`; days on which either is not finite are left out, their neighbours join."""
    count = hit_positions(losses, var, where)
    if count < 0:
        kept = np.empty((2, losses.size))
        days = known_days(losses, var, kept)
        losses, var = kept[0, :days], kept[1, :days]
        count = 0
        for t in range(days):
            where[count] = t
            count += losses[t] > var[t]
    n = losses.size
    out[:] = np.nan
    out[0], out[1] = n, count
    hits = where[:count]
    if n >= 2:
        out[2], out[3], out[4], out[5] = transition_counts(hits, n)
    if n >= 2 * lags + 3:
        statistic, rank = dynamic_quantile(hits, var, level, lags, tolerance)
        out[6], out[7] = statistic, rank


@njit(cache=True, nogil=True, error_model="numpy")
def coverage_facts(losses: FloatArray, var: FloatArray, level: FloatArray, lags: int, tolerance: float) -> FloatArray:
    """Facts (k, 8) of k series, one a row of `losses` and `var` (k, n): days, hits, n00, n01, n10, n11, DQ, rank."""
    k, n = losses.shape
    out = np.empty((k, N_FACTS))
    where = np.empty(n + 1, np.int64)
    for i in range(k):
        series_facts(losses[i], var[i], level[i], lags, tolerance, where, out[i])
    return out
