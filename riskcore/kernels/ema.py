"""The exponential moving average of many series: one pass, one state per series."""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray


@njit(cache=True, nogil=True)
def ema_rows(x: FloatArray, gain: float, first: int, normalised: bool) -> FloatArray:
    """EMA along each row of `x` (k, n); NaN keeps the state.

    The state starts at the mean of the first `first` values (NaN before); with `normalised` the gain of the j-th value
    is 1 over the sum of the j weights, which is the bias-corrected form without its loss of digits at small gains.
    """
    n_rows, n = x.shape
    out = np.empty((n_rows, n))
    for i in range(n_rows):
        state, weight, seen = 0.0, 0.0, 0
        for t in range(n):
            value = x[i, t]
            if value == value:  # not NaN
                seen += 1
                if normalised:
                    weight = 1.0 + (1.0 - gain) * weight
                    state += (value - state) / weight
                elif seen <= first:
                    state += (value - state) / seen
                else:
                    state += gain * (value - state)
            out[i, t] = state if seen > 0 and (normalised or seen >= first) else np.nan
    return out
