"""Variance recursions. Row t of the result is known from rows before t; the last row is the next day's variance."""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

SQRT_2_OVER_PI = 0.7978845608028654
LOG_VARIANCE_CAP = 700.0


@njit(cache=True, error_model="numpy")
def ewma_variance(shocks: FloatArray, decay: float, first: float) -> FloatArray:
    """EWMA variances of rows 0..n, from `first`."""
    n = shocks.size
    out = np.empty(n + 1)
    out[0] = first
    for t in range(n):
        out[t + 1] = decay * out[t] + (1.0 - decay) * shocks[t] * shocks[t]
    return out


@njit(cache=True, error_model="numpy")
def ewma_mixture(shocks: FloatArray, decays: FloatArray, weights: FloatArray, firsts: FloatArray) -> FloatArray:
    """Weighted sums of EWMA variances of rows 0..n, each from its own first."""
    n = shocks.size
    out = np.zeros(n + 1)
    for k in range(decays.size):
        decay, now = decays[k], firsts[k]
        out[0] += weights[k] * now
        for t in range(n):
            now = decay * now + (1.0 - decay) * shocks[t] * shocks[t]
            out[t + 1] += weights[k] * now
    return out


@njit(cache=True, error_model="numpy")
def gjr_variance(
    shocks: FloatArray, omega: float, alpha: float, gamma: float, beta: float, presample: float, hold: int
) -> FloatArray:
    """GJR variances of rows 0..n (GARCH with gamma 0); a loss is a positive shock."""
    n = shocks.size
    out = np.empty(n + 1)
    for t in range(hold):
        out[t] = presample
    out[hold] = omega + (alpha + 0.5 * gamma + beta) * presample
    for t in range(hold, n):
        slope = alpha + gamma if shocks[t] > 0.0 else alpha
        out[t + 1] = omega + slope * shocks[t] * shocks[t] + beta * out[t]
    return out


@njit(cache=True, error_model="numpy")
def egarch_variance(
    shocks: FloatArray, omega: float, alpha: float, gamma: float, beta: float, presample: float, hold: int
) -> FloatArray:
    """EGARCH variances of rows 0..n."""
    n = shocks.size
    out = np.empty(n + 1)
    for t in range(hold):
        out[t] = presample
    log_variance = omega + beta * np.log(presample)
    out[hold] = np.exp(log_variance)
    for t in range(hold, n):
        z = shocks[t] / np.sqrt(out[t])
        log_variance = omega + alpha * (abs(z) - SQRT_2_OVER_PI) + gamma * z + beta * log_variance
        log_variance = min(log_variance, LOG_VARIANCE_CAP)
        out[t + 1] = np.exp(log_variance)
    return out


@njit(cache=True, error_model="numpy")
def window_volatilities(
    losses: FloatArray,
    begins: IntArray,
    n: int,
    days: IntArray,
    mean: FloatArray,
    recursion: FloatArray,
    log_variance: bool,
    presample: FloatArray,
    sigma: FloatArray,
    before: FloatArray,
) -> None:
    """Volatilities of the `days` after each window by that window's recursion, one after another into `sigma`.

    `before`, unless it has no rows, takes for each of those days the `n` losses before it, less the mean and divided
    by their volatilities. A volatility of zero divides as one.
    """
    at = 0
    for w in range(begins.size):
        begin, count = begins[w], days[w]
        shocks = losses[begin : begin + n + count - 1] - mean[w]
        omega, alpha, gamma, beta = recursion[w, 0], recursion[w, 1], recursion[w, 2], recursion[w, 3]
        if log_variance:
            h = egarch_variance(shocks, omega, alpha, gamma, beta, presample[w], 0)
        else:
            h = gjr_variance(shocks, omega, alpha, gamma, beta, presample[w], 0)
        for i in range(count):
            sigma[at + i] = np.sqrt(h[n + i])
        if before.shape[0] > 0:
            for s in range(n + count - 1):
                scale = np.sqrt(h[s])
                shocks[s] /= scale if scale != 0.0 else 1.0
            for i in range(count):
                for s in range(n):
                    before[at + i, s] = shocks[i + s]
        at += count
