"""Exponential moving averages of a panel: one pass, all columns of a day at once, one state per column."""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray


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
                value, old = x[t, i], state[i]
                new = old + gains[i] * (value - old)
                new = new if new == new else (value if old != old else old)  # NaN
                state[i] = new
                out[t, i] = new
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
