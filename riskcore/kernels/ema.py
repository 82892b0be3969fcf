"""Exponential moving averages of a panel: one pass, columns side by side, one state per column."""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray


@njit(cache=True, nogil=True, error_model="numpy")
def moved(old: float, value: float, gain: float) -> float:
    """The state after `value`: the first value begins it, NaN keeps it."""
    new = old + gain * (value - old)
    return new if new == new else (value if old != old else old)


@njit(cache=True, nogil=True, error_model="numpy")
def ema_panel(x: FloatArray, gains: FloatArray, first: int, normalised: bool, out: FloatArray) -> FloatArray:
    """EMA down each column of `x` (n, k) with the column's gain, into `out`; NaN keeps the state. Returns the states.

    A state starts at the mean of the first `first` values (NaN before); with `normalised` the gain of the j-th value
    is 1 over the sum of the j weights, which is the bias-corrected form without its loss of digits at small gains.
    Once a value is infinite its state stays so. Both inner loops run over columns without a branch: they vectorise.
    """
    n, k = x.shape
    state = np.full(k, np.nan)
    if first == 1 and not normalised:
        for t in range(n):
            for i in range(k):
                state[i] = moved(state[i], x[t, i], gains[i])
                out[t, i] = state[i]
        return state
    seen, weight = np.zeros(k), np.zeros(k)
    state[:] = 0.0
    for t in range(n):
        for i in range(k):
            value, old = x[t, i], state[i]
            known = 1.0 if value == value else 0.0
            count = seen[i] + known
            total = 1.0 + (1.0 - gains[i]) * weight[i]
            weight[i] = total if known > 0.0 else weight[i]
            divisor = total if normalised else count
            step = (value - old) / divisor if normalised or count <= first else gains[i] * (value - old)
            new = old + step
            new = new if new == new else old
            state[i] = new
            seen[i] = count
            out[t, i] = new if count >= first else np.nan
    return state


@njit(cache=True, nogil=True, error_model="numpy")
def ema_rows(x: FloatArray, gain: float, out: FloatArray) -> FloatArray:
    """EMA along each row of `x` (k, n) from its first value on, into `out`. Returns the states.

    Eight rows go side by side, each state in a register of its own: one alone would wait for itself day by day.
    """
    k, n = x.shape
    states = np.full(k, np.nan)
    whole = k - k % 8
    for i in range(0, whole, 8):
        s0, s1, s2, s3, s4, s5, s6, s7 = np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan
        for t in range(n):
            s0, s1 = moved(s0, x[i, t], gain), moved(s1, x[i + 1, t], gain)
            s2, s3 = moved(s2, x[i + 2, t], gain), moved(s3, x[i + 3, t], gain)
            s4, s5 = moved(s4, x[i + 4, t], gain), moved(s5, x[i + 5, t], gain)
            s6, s7 = moved(s6, x[i + 6, t], gain), moved(s7, x[i + 7, t], gain)
            out[i, t], out[i + 1, t], out[i + 2, t], out[i + 3, t] = s0, s1, s2, s3
            out[i + 4, t], out[i + 5, t], out[i + 6, t], out[i + 7, t] = s4, s5, s6, s7
        states[i], states[i + 1], states[i + 2], states[i + 3] = s0, s1, s2, s3
        states[i + 4], states[i + 5], states[i + 6], states[i + 7] = s4, s5, s6, s7
    for i in range(whole, k):
        for t in range(n):
            states[i] = moved(states[i], x[i, t], gain)
            out[i, t] = states[i]
    return states
