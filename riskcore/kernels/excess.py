"""Past losses beyond today's threshold."""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray


@njit(cache=True, error_model="numpy")
def past_excess(losses: FloatArray, threshold: FloatArray) -> FloatArray:
    """For each day: how many losses before it exceed its threshold, and sums of their excess and its squares; (3, n).

    A loss below all thresholds still to come is passed over, so that a tail costs its few losses times n.
    """
    n = losses.size
    out, lowest = np.zeros((3, n)), np.inf
    for s in range(n - 2, -1, -1):
        lowest = min(lowest, threshold[s + 1])
        x = losses[s]
        if x <= lowest:
            continue
        for t in range(s + 1, n):
            gap = max(x - threshold[t], 0.0)
            out[0, t] += 1.0 if gap > 0.0 else 0.0
            out[1, t] += gap
            out[2, t] += gap * gap
    return out
