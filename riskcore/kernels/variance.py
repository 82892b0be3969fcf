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
def lagged_power(
    shocks: FloatArray,
    omega: float,
    gain: FloatArray,
    extra: FloatArray,
    memory: FloatArray,
    power: float,
    presample: float,
    hold: int,
) -> FloatArray:
    """Powers of the volatility of rows 0..n from lags of powers of the shocks (`extra` for losses) and of their own.

    `presample` stands for all powers before row `hold`.
    """
    n = shocks.size
    out = np.empty(n + 1)
    out[:hold] = presample
    for t in range(hold, n + 1):
        now = omega
        for i in range(gain.size):
            if t - 1 - i < hold:
                now += (gain[i] + 0.5 * extra[i]) * presample
            else:
                u = shocks[t - 1 - i]
                size = u * u if power == 2.0 else abs(u) ** power
                now += (gain[i] + extra[i] if u > 0.0 else gain[i]) * size
        for j in range(memory.size):
            now += memory[j] * (presample if t - 1 - j < hold else out[t - 1 - j])
        out[t] = now
    return out


@njit(cache=True, error_model="numpy")
def lagged_log(
    shocks: FloatArray,
    omega: float,
    alpha: FloatArray,
    gamma: FloatArray,
    beta: FloatArray,
    presample: float,
    hold: int,
) -> FloatArray:
    """EGARCH variances of rows 0..n with several lags; shocks before row `hold` say nothing."""
    n = shocks.size
    out, logs, z = np.empty(n + 1), np.empty(n + 1), np.empty(n + 1)
    out[:hold] = presample
    for t in range(hold, n + 1):
        now = omega
        for i in range(alpha.size):
            if t - 1 - i >= hold:
                now += alpha[i] * (abs(z[t - 1 - i]) - SQRT_2_OVER_PI)
        for i in range(gamma.size):
            if t - 1 - i >= hold:
                now += gamma[i] * z[t - 1 - i]
        for j in range(beta.size):
            now += beta[j] * (np.log(presample) if t - 1 - j < hold else logs[t - 1 - j])
        logs[t] = min(now, LOG_VARIANCE_CAP)
        out[t] = np.exp(logs[t])
        if t < n:
            z[t] = shocks[t] / np.sqrt(out[t])
    return out


@njit(cache=True, error_model="numpy")
def window_volatilities(
    losses: FloatArray,
    begins: IntArray,
    n: int,
    days: IntArray,
    mean: FloatArray,
    taken: FloatArray,
    recursion: FloatArray,
    log_variance: bool,
    presample: FloatArray,
    sigma: FloatArray,
    before: FloatArray,
) -> None:
    """Volatilities of the `days` after each window by that window's recursion, one after another into `sigma`.

    `before`, unless it has no rows, takes for each of those days the `n` losses before it, less `taken` and divided
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
                shocks[s] = (losses[begin + s] - taken[w]) / (scale if scale != 0.0 else 1.0)
            for i in range(count):
                for s in range(n):
                    before[at + i, s] = shocks[i + s]
        at += count
