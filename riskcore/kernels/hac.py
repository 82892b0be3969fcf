"""Long-run variance of a series."""

from __future__ import annotations

from numba import njit

from riskcore._types import FloatArray


@njit(cache=True)
def long_run_variance(x: FloatArray, weights: FloatArray) -> float:
    """Sum of autocovariances around the mean (divisor n), lag j with weight ``weights[j]`` counted on both sides."""
    n = x.size
    mean = x.mean()
    total = 0.0
    for j in range(min(weights.size, n)):
        if weights[j] == 0.0:
            continue
        c = 0.0
        for t in range(j, n):
            c += (x[t] - mean) * (x[t - j] - mean)
        total += (weights[j] if j == 0 else 2.0 * weights[j]) * c / n
    return total
