"""Likelihood ratios of the waits between hits, for many sequences of hits given by the days on which they occur.

Path i has its hits on the days ``where[first[i]:first[i + 1]]`` of n, counted from 0.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

STEPEST = 0.001
"""Least shape of a Weibull law that is looked at."""
BARRIER = 1e-7
"""Weight of ``log(1 - hazard)`` on days of hits, which keeps their hazard below one."""
SMALL, FLAT = 1e-7, 1e-5
"""Newton's gain at which a search ends, and the slope at which a bound is left."""
BLOCK = 64
PER_LOG_2, LOG_2, LOG_2_REST = 1.4426950408889634, 0.6931471803691238, 1.9082149292705877e-10
SHIFT = 6755399441055744.0
"""1.5 times 2^52: the last bits of a number of this size are its whole part."""


@njit(cache=True, nogil=True, error_model="numpy")
def weibull_shapes(where: IntArray, first: IntArray, n: int, most: float) -> FloatArray:
    """Rows of likelihood ratio and shape b of each path: waits of Weibull law against exponential ones (b = 1).

    With the scale at its best for each b, the log-likelihood of m complete waits with logs t, and of the spells before
    the first and after the last hit, is ``m log b + b sum t - m log sum d^b``, concave in b: one root, between
    `STEPEST` and `most`. Waits are divided by the longest, so that no power overflows.
    """
    paths = first.size - 1
    out = np.full((paths, 2), np.nan)
    logs = np.log(np.arange(n + 1.0))
    t = np.empty(n + 2)
    for i in range(paths):
        hits = where[first[i] : first[i + 1]]
        m = hits.size - 1
        if m < 1:
            continue
        ends, last = hits[0] + 1, n - 1 - hits[m]
        longest = max(ends if ends > 1 else 0, last)
        for j in range(m):
            longest = max(longest, hits[j + 1] - hits[j])
        total = 0.0
        for j in range(m):
            t[j] = logs[hits[j + 1] - hits[j]] - logs[longest]
            total += t[j]
        k = m
        if ends > 1:
            t[k] = logs[ends] - logs[longest]
            k += 1
        if last > 0:
            t[k] = logs[last] - logs[longest]
            k += 1
        low, high, b, value_1 = STEPEST, most, 1.0, 0.0
        for step in range(80):
            s0, s1, s2 = 0.0, 0.0, 0.0
            for j in range(k):
                power = math.exp(b * t[j])
                s0 += power
                s1 += power * t[j]
                s2 += power * t[j] * t[j]
            value = m * math.log(b) + b * total - m * math.log(s0)
            if step == 0:
                value_1 = value
            out[i, 0], out[i, 1] = max(2.0 * (value - value_1), 0.0), b
            slope = m / b + total - m * s1 / s0
            curve = -m / (b * b) - m * (s2 / s0 - (s1 / s0) ** 2)
            if slope > 0.0:
                low = b
            else:
                high = b
            new = b - slope / curve
            if new >= most and b < most and high == most:
                new = most
            elif not low < new < high:
                new = 0.5 * (low + high)
            if abs(new - b) <= 1e-9 * b or (b == most and slope > 0.0):
                break
            b = new
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def count_spells(hits: IntArray, n: int, quiet: FloatArray, loud: FloatArray) -> int:
    """Count the days with (`loud`) and without a hit by their distance to the hit before; returns the longest.

    The day before the first counts as a hit.
    """
    longest = 0
    before = -1
    for i in range(hits.size + 1):
        day = hits[i] if i < hits.size else n
        longest = max(longest, day - before)
        before = day
    quiet[: longest + 2] = 0.0
    loud[: longest + 2] = 0.0
    before = -1
    for i in range(hits.size):
        gap = hits[i] - before
        loud[gap] += 1.0
        quiet[gap - 1] += 1.0
        before = hits[i]
    if before < n - 1:
        quiet[n - 1 - before] += 1.0
    for d in range(longest, 0, -1):  # a spell of d quiet days has one of each distance up to d
        quiet[d] += quiet[d + 1]
    return longest


@njit(cache=True, nogil=True, error_model="numpy")
def spell_pass(
    theta: FloatArray, quiet: FloatArray, loud: FloatArray, longest: int, logs: FloatArray, out: FloatArray
) -> None:
    """As `day_pass` where the hazard does not depend on the VaR: one term for each distance."""
    out[:] = 0.0
    for d in range(1, longest + 1):
        if quiet[d] == 0.0 and loud[d] == 0.0:
            continue
        z = logs[d]
        eta = theta[0] + theta[1] * z
        if eta >= 0.0:
            out[0] = -np.inf
            return
        hazard = math.exp(eta)
        weight = quiet[d] + BARRIER * loud[d]
        rest = 1.0 - hazard
        odds = weight * hazard / rest
        curve = odds / rest
        out[0] += loud[d] * eta + weight * math.log(rest)
        out[1] += loud[d] - odds
        out[2] += (loud[d] - odds) * z
        out[4] += curve
        out[5] += curve * z
        out[7] += curve * z * z


@njit(cache=True, nogil=True, error_model="numpy")
def exponentials(rate: float, x: FloatArray, out: FloatArray) -> None:
    """Fill `out` with ``exp(rate x)`` to a few units of the last place, without a call, so that the loop vectorises.

    With k the whole number nearest to y / log 2 this is 2^k times a polynomial; adding `SHIFT` leaves k in the last
    bits.
    """
    for i in range(x.size):
        y = min(max(rate * x[i], -700.0), 700.0)
        shifted = y * PER_LOG_2 + SHIFT
        k = shifted - SHIFT
        r = (y - k * LOG_2) - k * LOG_2_REST
        p = 1.0 + r * (1.0 / 13.0)
        p = 1.0 + r * (1.0 / 12.0) * p
        p = 1.0 + r * (1.0 / 11.0) * p
        p = 1.0 + r * (1.0 / 10.0) * p
        p = 1.0 + r * (1.0 / 9.0) * p
        p = 1.0 + r * (1.0 / 8.0) * p
        p = 1.0 + r * (1.0 / 7.0) * p
        p = 1.0 + r * (1.0 / 6.0) * p
        p = 1.0 + r * (1.0 / 5.0) * p
        p = 1.0 + r * (1.0 / 4.0) * p
        p = 1.0 + r * (1.0 / 3.0) * p
        p = 1.0 + r * (1.0 / 2.0) * p
        p = 1.0 + r * p
        bits = (np.float64(shifted).view(np.int64) + np.int64(1023)) << np.int64(52)
        out[i] = p * np.int64(bits).view(np.float64)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def quiet_sums(powers: FloatArray, factors: FloatArray, logs: FloatArray, w: FloatArray, out: FloatArray) -> float:
    """Add the terms of days without a hit to `out`, side by side; returns the least ``1 - hazard``."""
    product, least = 1.0, 1.0
    g0, g1, g2 = 0.0, 0.0, 0.0
    h11, h01, h02, h12, h22, h00 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(w.size):
        hazard = powers[i] * factors[i]
        rest = 1.0 - hazard
        least = min(least, rest)
        product *= rest
        inverse = 1.0 / rest
        odds = hazard * inverse
        curve = odds * inverse
        z, u = logs[i], w[i]
        g0 += odds
        g1 += odds * z
        g2 += odds * u
        cz, cu = curve * z, curve * u
        h00 += curve
        h01 += cz
        h02 += cu
        h11 += cz * z
        h12 += cz * u
        h22 += cu * u
    if least > 0.0:
        out[0] += math.log(product)
        out[1] -= g0
        out[2] -= g1
        out[3] += g2
        out[4] += h00
        out[5] += h01
        out[6] -= h02
        out[7] += h11
        out[8] -= h12
        out[9] += h22
    return least


@njit(cache=True, nogil=True, error_model="numpy")
def day_pass(
    theta: FloatArray, hits: IntArray, w: FloatArray, logs: FloatArray, work: FloatArray, out: FloatArray
) -> None:
    """Log-likelihood, its three slopes and minus its six curvatures under the hazard ``exp(th . (1, log d, -w))``.

    The value is -inf where a hazard reaches one. A barrier on the days of hits is part of it. `work` holds the factors
    of the hazard: by the distance d to the hit before (the day before the first counts as one), by the VaR.
    """
    out[:] = 0.0
    n, longest, before = w.size, 0, -1
    for i in range(hits.size + 1):
        day = hits[i] if i < hits.size else n
        longest = max(longest, day - before)
        before = day
    powers, factors = work[0], work[1]
    exponentials(theta[1], logs[1 : longest + 1], powers[1 : longest + 1])
    exponentials(-theta[2], w, factors)
    level = math.exp(theta[0])
    for d in range(1, longest + 1):
        powers[d] *= level
    before = -1
    for i in range(hits.size + 1):
        day = hits[i] if i < hits.size else n
        for start in range(before + 1, day, BLOCK):  # products of a block do not underflow
            stop, d = min(start + BLOCK, day), start - before
            far = d + stop - start
            if not quiet_sums(powers[d:far], factors[start:stop], logs[d:far], w[start:stop], out) > 0.0:
                out[0] = -np.inf
                return
        if day < n:
            d = day - before
            hazard = powers[d] * factors[day]
            rest = 1.0 - hazard
            if not rest > 0.0:
                out[0] = -np.inf
                return
            odds = BARRIER * hazard / rest
            curve = odds / rest
            z, u = logs[d], -w[day]
            out[0] += theta[0] + theta[1] * z + theta[2] * u + BARRIER * math.log(rest)
            out[1] += 1.0 - odds
            out[2] += (1.0 - odds) * z
            out[3] += (1.0 - odds) * u
            out[4] += curve
            out[5] += curve * z
            out[6] += curve * u
            out[7] += curve * z * z
            out[8] += curve * z * u
            out[9] += curve * u * u
        before = day


@njit(cache=True, nogil=True, error_model="numpy")
def newton_step(out: FloatArray, free: IntArray, step: FloatArray) -> float:
    """Fill `step` with Newton's step in the free coordinates; returns its slope times the step."""
    a = np.zeros((3, 3))
    a[0, 0], a[0, 1], a[0, 2], a[1, 1], a[1, 2], a[2, 2] = out[4], out[5], out[6], out[7], out[8], out[9]
    for i in range(3):
        step[i] = out[1 + i]
        a[i, i] *= 1.0 + 1e-12
        for j in range(i):
            a[i, j] = a[j, i]
        if free[i] == 0:
            step[i] = 0.0
    for i in range(3):
        if free[i] == 0:
            a[i, :] = 0.0
            a[:, i] = 0.0
            a[i, i] = 1.0
    for i in range(3):
        pivot = max(a[i, i], 1e-300)
        for j in range(i + 1, 3):
            factor = a[j, i] / pivot
            for k in range(i, 3):
                a[j, k] -= factor * a[i, k]
            step[j] -= factor * step[i]
    for i in range(2, -1, -1):
        for k in range(i + 1, 3):
            step[i] -= a[i, k] * step[k]
        step[i] /= max(a[i, i], 1e-300)
    gain = 0.0
    for i in range(3):
        gain += step[i] * out[1 + i]
    return gain


@njit(cache=True, nogil=True, error_model="numpy")
def climb(
    theta: FloatArray,
    with_var: bool,
    hits: IntArray,
    w: FloatArray,
    most: float,
    counts: FloatArray,
    logs: FloatArray,
    work: FloatArray,
) -> float:
    """Move `theta` to the maximum with ``-1 <= th[1] <= 0`` and ``0 <= th[2] <= most``; returns it.

    The log-likelihood is concave: Newton's steps within the bounds, and a bound is left where the slope says so. The
    point looked at comes first in the loop, so that each pass over the days is compiled once. Without `with_var`
    th[2] stays 0.
    """
    longest = count_spells(hits, w.size, counts[0], counts[1])
    low, high = np.array([-np.inf, -1.0, 0.0]), np.array([np.inf, 0.0, most])
    free = np.array([1, 0, 0])
    for i in range(1, 3):
        if low[i] < theta[i] < high[i]:
            free[i] = 1
    now, then, step, trial = np.empty(10), np.empty(10), np.empty(3), theta.copy()
    now[0] = -np.inf
    size, gain, stopped = 0.0, 0.0, -1
    for _ in range(400):
        if with_var:
            day_pass(trial, hits, w, logs, work, then)
        else:
            spell_pass(trial, counts[0], counts[1], longest, logs, then)
        if then[0] >= now[0] + 1e-4 * size * gain:
            theta[:] = trial
            now[:] = then
            if stopped >= 0:
                free[stopped] = 0
            while True:
                gain = newton_step(now, free, step)
                best, worst = -1, FLAT
                for i in range(1, 3 if with_var else 2):
                    slope = now[1 + i] if theta[i] <= low[i] else -now[1 + i]
                    if free[i] == 0 and slope > worst:
                        best, worst = i, slope
                if gain > SMALL or best < 0:
                    break
                free[best] = 1
            if not gain > SMALL:
                break
            size, stopped = 1.0, -1
            for i in range(1, 3):
                if free[i] == 1 and step[i] != 0.0:
                    room = ((high[i] if step[i] > 0.0 else low[i]) - theta[i]) / step[i]
                    if room < size:
                        size, stopped = room, i
        else:
            size, stopped = 0.5 * size, -1
            if size < 1e-15:
                break
        for i in range(3):
            trial[i] = min(max(theta[i] + size * step[i], low[i]), high[i])
        if stopped >= 0:
            trial[stopped] = high[stopped] if step[stopped] > 0.0 else low[stopped]
    barrier = 0.0
    for i in range(hits.size):
        d = hits[i] - (hits[i - 1] if i > 0 else -1)
        eta = theta[0] + theta[1] * logs[d] - theta[2] * w[hits[i]]
        barrier += math.log(-math.expm1(min(eta, -1e-300)))
    return float(now[0] - BARRIER * barrier)


@njit(cache=True, nogil=True, error_model="numpy")
def hazard_ratios(where: IntArray, first: IntArray, w: FloatArray, most: float, with_var: bool) -> FloatArray:
    """Rows of twice the gain in log-likelihood over a constant hazard: by the distance, and by distance and VaR.

    Then the hazard's a, b, c. Without `with_var` the second is not looked for. Where the slopes at a constant hazard
    lead out of the bounds it is the maximum: log factorials and sums over the hits say so.
    """
    n, paths = w.size, first.size - 1
    logs, log_factorial = np.zeros(n + 2), np.zeros(n + 2)
    for d in range(1, n + 2):
        logs[d] = math.log(d)
        log_factorial[d] = log_factorial[d - 1] + logs[d]
    counts, work, out = np.empty((2, n + 3)), np.empty((2, n + 2)), np.zeros((paths, 5))
    total = w.sum()
    theta = np.empty(3)
    for i in range(paths):
        hits = where[first[i] : first[i + 1]]
        x = hits.size
        out[i, 2], out[i, 3] = x / n, 1.0
        if x == 0 or x == n:
            continue
        odds = x / (n - x)
        own, all_days, mine = 0.0, 0.0, 0.0
        before = -1
        for j in range(x):
            own += logs[hits[j] - before]
            all_days += log_factorial[hits[j] - before]
            mine += w[hits[j]]
            before = hits[j]
        all_days += log_factorial[n - 1 - before]
        falls = own - odds * (all_days - own) < -FLAT
        rises = odds * (total - mine) - mine > FLAT
        constant = x * math.log(x / n) + (n - x) * math.log1p(-x / n)
        theta[0], theta[1], theta[2] = math.log(x / n), 0.0, 0.0
        for model in range(2 if with_var else 1):
            if falls or (model == 1 and rises):
                top = climb(theta, model == 1, hits, w, most, counts, logs, work)
                out[i, model] = max(2.0 * (top - constant), out[i, 0])
            out[i, 1] = max(out[i, 1], out[i, 0])
        out[i, 2], out[i, 3], out[i, 4] = math.exp(theta[0]), 1.0 + theta[1], theta[2]
    return out
