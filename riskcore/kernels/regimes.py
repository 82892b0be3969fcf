"""Markov regimes: Hamilton's filter, smoother, the gradient of the likelihood, EM and a quasi-Newton descent.

Regime j of `k` has the row ``(mean, slope, variance, nu)`` of `parts`: the loss is ``mean + slope * lag`` plus a law of
that variance, Student's t, or normal where nu is 0. A point is, regime by regime, the mean, the slope where there are
lags, the log of the variance's excess over its floor; then the coordinates of 1/nu (none, one, or one a regime); then
row by row the logits of the transitions against staying. Losses are centred and scaled to a standard deviation of one.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

LOWEST_NU, HIGHEST_NU = 2.05, 500.0
"""Range of the degrees of freedom in an estimation, as that of the t law."""
FARTHEST = 14.0
"""Largest logit: a transition that is rarer than one in a million never happens."""
LOG_2PI = 1.8378770664093453
LOG_PI = 1.1447298858494002


@njit(cache=True, error_model="numpy")
def unpack(
    x: FloatArray, lags: int, shapes: int, floor: float, nu: float, parts: FloatArray, moves: FloatArray
) -> None:
    """Regimes and transition matrix of a point; with no free `shapes` the degrees of freedom are `nu`."""
    k, at = parts.shape[0], 0
    for j in range(k):
        parts[j, 0] = x[at]
        parts[j, 1] = 0.0
        if lags > 0:
            at += 1
            parts[j, 1] = x[at]
        parts[j, 2] = floor + math.exp(x[at + 1])
        at += 2
    for j in range(k):
        parts[j, 3] = nu
        if shapes > 0:
            share = 1.0 / (1.0 + math.exp(-x[at + (j if shapes > 1 else 0)]))
            parts[j, 3] = 1.0 / (1.0 / HIGHEST_NU + (1.0 / LOWEST_NU - 1.0 / HIGHEST_NU) * share)
    at += shapes
    for i in range(k):
        total = 1.0
        for j in range(k):
            moves[i, j] = 1.0
            if j != i:
                moves[i, j] = math.exp(x[at])
                total += moves[i, j]
                at += 1
        for j in range(k):
            moves[i, j] /= total


@njit(cache=True, error_model="numpy")
def invert(a: FloatArray, out: FloatArray) -> None:
    """Inverse of a small matrix by Gauss and Jordan; `a` is used up."""
    d = a.shape[0]
    for i in range(d):
        for j in range(d):
            out[i, j] = 1.0 if i == j else 0.0
    for c in range(d):
        best = c
        for i in range(c + 1, d):
            if abs(a[i, c]) > abs(a[best, c]):
                best = i
        for j in range(d):
            a[c, j], a[best, j] = a[best, j], a[c, j]
            out[c, j], out[best, j] = out[best, j], out[c, j]
        pivot = a[c, c]
        for j in range(d):
            a[c, j] /= pivot
            out[c, j] /= pivot
        for i in range(d):
            if i != c:
                by = a[i, c]
                for j in range(d):
                    a[i, j] -= by * a[c, j]
                    out[i, j] -= by * out[c, j]


@njit(cache=True, error_model="numpy")
def long_run(moves: FloatArray, shares: FloatArray, work: FloatArray, deviation: FloatArray) -> None:
    """Stationary shares of the chain, and its inverse of ``I - P + 1 shares'``, by which they move with P."""
    k = shares.size
    for i in range(k):
        for j in range(k):
            work[i, j] = (1.0 if i == j else 0.0) - moves[i, j] + 1.0
    invert(work, deviation)
    for j in range(k):
        shares[j] = 0.0
        for i in range(k):
            shares[j] += deviation[i, j]
    for i in range(k):
        for j in range(k):
            work[i, j] = (1.0 if i == j else 0.0) - moves[i, j] + shares[j]
    invert(work, deviation)


@njit(cache=True, error_model="numpy")
def hamilton(
    y: FloatArray, lag: FloatArray, parts: FloatArray, moves: FloatArray, shares: FloatArray, predicted: FloatArray,
    filtered: FloatArray, terms: FloatArray,
) -> float:  # fmt: skip
    """Log-likelihood; each day's regime probabilities before (n + 1 rows) and after its loss, and its log density."""
    n, k = y.size, parts.shape[0]
    constant, half, room = np.empty(k), np.empty(k), np.empty(k)
    for j in range(k):
        nu = parts[j, 3]
        if nu > 0.0:
            constant[j] = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * (LOG_PI + math.log(nu - 2.0))
            half[j], room[j] = 0.5 * (nu + 1.0), 1.0 / (parts[j, 2] * (nu - 2.0))
        else:
            constant[j], half[j], room[j] = -0.5 * LOG_2PI, 0.0, 0.5 / parts[j, 2]
        constant[j] -= 0.5 * math.log(parts[j, 2])
    for j in range(k):
        predicted[0, j] = shares[j]
    total = 0.0
    for t in range(n):
        largest = -np.inf
        for j in range(k):
            r = y[t] - parts[j, 0] - parts[j, 1] * lag[t]
            square = r * r * room[j]
            value = constant[j] - (square if half[j] == 0.0 else half[j] * math.log1p(square))
            filtered[t, j] = value
            largest = max(largest, value)
        scale = 0.0
        for j in range(k):
            filtered[t, j] = predicted[t, j] * math.exp(filtered[t, j] - largest)
            scale += filtered[t, j]
        for j in range(k):
            filtered[t, j] /= scale
        terms[t] = largest + math.log(scale)
        total += terms[t]
        for j in range(k):
            value = 0.0
            for i in range(k):
                value += moves[i, j] * filtered[t, i]
            predicted[t + 1, j] = value
    return total


@njit(cache=True, error_model="numpy")
def smooth(
    moves: FloatArray, predicted: FloatArray, filtered: FloatArray, smoothed: FloatArray, changes: FloatArray
) -> None:
    """Kim's smoother: probabilities given all losses, and the expected number of changes from each regime to each."""
    n, k = filtered.shape
    for i in range(k):
        smoothed[n - 1, i] = filtered[n - 1, i]
        for j in range(k):
            changes[i, j] = 0.0
    for t in range(n - 2, -1, -1):
        for i in range(k):
            smoothed[t, i] = 0.0
        for j in range(k):
            ratio = smoothed[t + 1, j] / predicted[t + 1, j] if predicted[t + 1, j] > 0.0 else 0.0
            for i in range(k):
                both = filtered[t, i] * moves[i, j] * ratio
                changes[i, j] += both
                smoothed[t, i] += both


@njit(cache=True, error_model="numpy")
def digamma(x: float) -> float:
    """Derivative of ln Gamma, for x > 0: recurrence up to 8, then the asymptotic series."""
    shift = 0.0
    while x < 8.0:
        shift -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * (691 / 32760 - y / 12))))))
    return shift + math.log(x) - 0.5 / x - series


@njit(cache=True, error_model="numpy")
def cost(
    x: FloatArray, y: FloatArray, lag: FloatArray, k: int, lags: int, shapes: int, floor: float, nu: float,
    gradient: FloatArray, spread: FloatArray,
) -> float:  # fmt: skip
    """Minus the log-likelihood at a point, its gradient by Fisher's identity, and a rough inverse curvature."""
    n = y.size
    parts, moves, shares = np.empty((k, 4)), np.empty((k, k)), np.empty(k)
    work, deviation, changes = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    predicted, filtered, smoothed, terms = np.empty((n + 1, k)), np.empty((n, k)), np.empty((n, k)), np.empty(n)
    unpack(x, lags, shapes, floor, nu, parts, moves)
    long_run(moves, shares, work, deviation)
    total = hamilton(y, lag, parts, moves, shares, predicted, filtered, terms)
    smooth(moves, predicted, filtered, smoothed, changes)
    first_shape = k * (2 + lags)
    for s in range(shapes):
        gradient[first_shape + s] = 0.0
        spread[first_shape + s] = 0.0
    at = 0
    for j in range(k):
        variance, df = parts[j, 2], parts[j, 3]
        by_mean, by_slope, by_variance, by_nu, weight, lagged = 0.0, 0.0, 0.0, 0.0, 1e-10, 1e-10
        slope_of_constant = 0.0
        if df > 0.0:
            slope_of_constant = 0.5 * (digamma(0.5 * (df + 1.0)) - digamma(0.5 * df) - 1.0 / (df - 2.0))
        for t in range(n):
            g = smoothed[t, j]
            r = y[t] - parts[j, 0] - parts[j, 1] * lag[t]
            pull = r / variance
            if df > 0.0:
                z = r * r / variance
                pull *= (df + 1.0) / (df - 2.0 + z)
                if shapes > 0:
                    by_nu += g * (
                        slope_of_constant - 0.5 * math.log1p(z / (df - 2.0))
                        + 0.5 * (df + 1.0) * z / ((df - 2.0) * (df - 2.0 + z))
                    )  # fmt: skip
            by_mean += g * pull
            by_slope += g * pull * lag[t]
            by_variance += g * (pull * r - 1.0)
            weight += g
            lagged += g * lag[t] * lag[t]
        gradient[at], spread[at] = -by_mean, variance / weight
        if lags > 0:
            at += 1
            gradient[at], spread[at] = -by_slope, variance / lagged
        share = (variance - floor) / variance
        gradient[at + 1], spread[at + 1] = -0.5 * by_variance * share, 2.0 / (weight * share * share + 1e-3)
        at += 2
        if shapes > 0:
            s = first_shape + (j if shapes > 1 else 0)
            width = 1.0 / LOWEST_NU - 1.0 / HIGHEST_NU
            part = (1.0 / df - 1.0 / HIGHEST_NU) / width
            turn = width * part * (1.0 - part)  # d(1/nu) / d coordinate
            gradient[s] += df * df * turn * by_nu
            spread[s] += 1.0 + 4.0 * weight * turn * turn
    for s in range(shapes):
        spread[first_shape + s] = 1.0 / spread[first_shape + s]
    at = first_shape + shapes
    for i in range(k):
        mean = 0.0
        for j in range(k):
            from_start = 0.0
            for m in range(k):
                from_start += deviation[j, m] * smoothed[0, m] / shares[m]
            work[i, j] = changes[i, j] / moves[i, j] + shares[i] * from_start
            mean += moves[i, j] * work[i, j]
        stays = 0.0
        for j in range(k):
            stays += changes[i, j]
        for j in range(k):
            if j != i:
                gradient[at] = -moves[i, j] * (work[i, j] - mean)
                spread[at] = 1.0 / (stays * moves[i, j] * (1.0 - moves[i, j]) + 0.3)
                at += 1
    return -total


@njit(cache=True, error_model="numpy")
def maximise_expected(
    y: FloatArray, lag: FloatArray, lags: int, floor: float, smoothed: FloatArray, changes: FloatArray,
    parts: FloatArray, moves: FloatArray,
) -> None:  # fmt: skip
    """EM's second half: regimes and transitions given the probabilities; degrees of freedom stay as they are."""
    n, k = smoothed.shape
    for j in range(k):
        df, variance = parts[j, 3], parts[j, 2]
        w, wx, wxx, wy, wxy, mass = 1e-10, 0.0, 1e-10, 0.0, 0.0, 1e-10
        for t in range(n):
            g = smoothed[t, j]
            mass += g
            if df > 0.0:
                r = y[t] - parts[j, 0] - parts[j, 1] * lag[t]
                g *= (df + 1.0) / (df - 2.0 + r * r / variance)
            w += g
            wy += g * y[t]
            wx += g * lag[t]
            wxx += g * lag[t] * lag[t]
            wxy += g * lag[t] * y[t]
        slope = 0.0
        if lags > 0:
            slope = (wxy - wx * wy / w) / (wxx - wx * wx / w + 1e-6)
            slope = min(max(slope, -0.95), 0.95)
        mean = (wy - slope * wx) / w
        squares = 0.0
        for t in range(n):
            g = smoothed[t, j]
            if df > 0.0:
                r = y[t] - parts[j, 0] - parts[j, 1] * lag[t]
                g *= (df + 1.0) / (df - 2.0 + r * r / variance)
            r = y[t] - mean - slope * lag[t]
            squares += g * r * r
        parts[j, 0], parts[j, 1] = mean, slope
        parts[j, 2] = max(squares / mass, 1.05 * floor)
    for i in range(k):
        total = 0.0
        for j in range(k):
            total += changes[i, j] + 0.05
        for j in range(k):
            moves[i, j] = (changes[i, j] + 0.05) / total


@njit(cache=True, error_model="numpy")
def climb(
    y: FloatArray, lag: FloatArray, k: int, lags: int, shapes: int, floor: float, nu: float, labels: IntArray,
    rounds: int, x: FloatArray,
) -> float:  # fmt: skip
    """EM from days sorted into regimes: the log-likelihood before the last round, and the point reached."""
    n = y.size
    parts, moves, shares = np.zeros((k, 4)), np.empty((k, k)), np.empty(k)
    work, deviation, changes = np.empty((k, k)), np.empty((k, k)), np.zeros((k, k))
    predicted, filtered, smoothed, terms = np.empty((n + 1, k)), np.empty((n, k)), np.zeros((n, k)), np.empty(n)
    for t in range(n):
        smoothed[t, labels[t]] = 1.0
        if t > 0:
            changes[labels[t - 1], labels[t]] += 1.0
    for j in range(k):
        parts[j, 2] = 1.0
    maximise_expected(y, lag, lags, floor, smoothed, changes, parts, moves)
    for j in range(k):
        parts[j, 3] = nu
    total = -np.inf
    for _ in range(rounds):
        long_run(moves, shares, work, deviation)
        total = hamilton(y, lag, parts, moves, shares, predicted, filtered, terms)
        smooth(moves, predicted, filtered, smoothed, changes)
        maximise_expected(y, lag, lags, floor, smoothed, changes, parts, moves)
    at = 0
    for j in range(k):
        x[at] = parts[j, 0]
        if lags > 0:
            at += 1
            x[at] = parts[j, 1]
        x[at + 1] = math.log(parts[j, 2] - floor)
        at += 2
    for _ in range(shapes):
        part = (1.0 / nu - 1.0 / HIGHEST_NU) / (1.0 / LOWEST_NU - 1.0 / HIGHEST_NU)
        x[at] = math.log(part / (1.0 - part))
        at += 1
    for i in range(k):
        for j in range(k):
            if j != i:
                x[at] = min(max(math.log(moves[i, j] / moves[i, i]), -FARTHEST), FARTHEST)
                at += 1
    return total


@njit(cache=True, error_model="numpy")
def descend(
    x: FloatArray, y: FloatArray, lag: FloatArray, k: int, lags: int, shapes: int, floor: float, nu: float, steps: int,
    small: float,
) -> tuple[float, int]:  # fmt: skip
    """BFGS from a point to a top, in place: minus the log-likelihood, and evaluations, below 0 if it did not settle.

    Coordinates stay within bounds beyond which the likelihood is flat.
    """
    d = x.size
    gradient, next_gradient, spread, ignored = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    inverse, to, step, change, turned = np.zeros((d, d)), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    low, high = np.empty(d), np.empty(d)
    for c in range(d):
        low[c], high[c] = -FARTHEST, FARTHEST
    for j in range(k):
        low[j * (2 + lags) + 1 + lags] = math.log(floor) - FARTHEST
    value = cost(x, y, lag, k, lags, shapes, floor, nu, gradient, spread)
    evaluations, fresh, still = 1, True, 0
    for c in range(d):
        inverse[c, c] = spread[c]
    for _ in range(steps):
        largest = 0.0
        for c in range(d):
            largest = max(largest, abs(gradient[c]))
        if largest < small:
            return value, evaluations
        slope, longest = 0.0, 0.0
        for c in range(d):
            step[c] = 0.0
            for b in range(d):
                step[c] -= inverse[c, b] * gradient[b]
            slope += step[c] * gradient[c]
            longest = max(longest, abs(step[c]))
        if not slope < 0.0:
            if fresh:
                return value, -evaluations
            for c in range(d):
                for b in range(d):
                    inverse[c, b] = spread[c] if b == c else 0.0
            fresh = True
            continue
        length = min(1.0, 1.5 / longest)
        found = False
        after = value
        for _ in range(30):
            moved = 0.0
            for c in range(d):
                to[c] = min(max(x[c] + length * step[c], low[c]), high[c])
                moved += (to[c] - x[c]) * gradient[c]
            after = cost(to, y, lag, k, lags, shapes, floor, nu, next_gradient, ignored)
            evaluations += 1
            if after <= value + 1e-4 * moved + 1e-13 * abs(value):
                found = True
                break
            length *= 0.3
        if not found:
            if fresh:
                return value, -evaluations
            for c in range(d):
                for b in range(d):
                    inverse[c, b] = spread[c] if b == c else 0.0
            fresh = True
            continue
        fresh = False
        product, size = 0.0, 0.0
        for c in range(d):
            step[c] = to[c] - x[c]
            change[c] = next_gradient[c] - gradient[c]
            product += step[c] * change[c]
            x[c] = to[c]
            gradient[c] = next_gradient[c]
            spread[c] = ignored[c]
        still = still + 1 if value - after < 1e-12 * abs(value) else 0
        value = after
        if still >= 4:
            return value, evaluations
        for c in range(d):
            turned[c] = 0.0
            for b in range(d):
                turned[c] += inverse[c, b] * change[b]
            size += change[c] * turned[c]
        if product > 1e-12 * math.sqrt(size * abs(product) + 1e-300):
            for c in range(d):
                for b in range(d):
                    inverse[c, b] += (
                        (1.0 + size / product) * step[c] * step[b] - turned[c] * step[b] - step[c] * turned[b]
                    ) / product
    return value, -evaluations


@njit(cache=True, error_model="numpy")
def probabilities(
    x: FloatArray, y: FloatArray, lag: FloatArray, k: int, lags: int, shapes: int, floor: float, nu: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Regime probabilities before and after each day's loss and given all losses, and each day's log density."""
    n = y.size
    parts, moves, shares = np.empty((k, 4)), np.empty((k, k)), np.empty(k)
    work, deviation, changes = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    predicted, filtered, smoothed, terms = np.empty((n + 1, k)), np.empty((n, k)), np.empty((n, k)), np.empty(n)
    unpack(x, lags, shapes, floor, nu, parts, moves)
    long_run(moves, shares, work, deviation)
    hamilton(y, lag, parts, moves, shares, predicted, filtered, terms)
    smooth(moves, predicted, filtered, smoothed, changes)
    return predicted, filtered, smoothed, terms
