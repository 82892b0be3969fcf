"""Adaptive CAViaR: its path, the score of many coefficients side by side, and a search in one dimension."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray

LANES = 16
LEAST_STEP, LARGEST_STEP = 1e-3, 10.0
"""Range of the coefficient, in standard deviations of the losses: they are scaled to about one."""


@njit(cache=True, error_model="numpy")
def adaptive_path(losses: FloatArray, level: float, sharpness: float, b1: float, first: float) -> FloatArray:
    """Adaptive CAViaR of rows 0..n, v[t+1] = v[t] + b1 (1/(1 + exp(-sharpness (L - v))) - (1 - level))."""
    out = np.empty(losses.size + 1)
    out[0] = first
    for t in range(losses.size):
        hit = 1.0 / (1.0 + math.exp(sharpness * (out[t] - losses[t])))
        out[t + 1] = out[t] + b1 * (hit - (1.0 - level))
    return out


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def adaptive_scores(
    x: FloatArray, level: float, sharpness: float, first: float, steps: FloatArray, out: FloatArray
) -> None:
    """Mean quantile scores of adaptive CAViaR for many coefficients, 16 side by side."""
    n_points = steps.size
    step, tail, total = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for begin in range(0, n_points, LANES):
        for j in range(LANES):
            step[j], tail[j], total[j] = steps[min(begin + j, n_points - 1)], first, 0.0
        for now in x:
            for j in range(LANES):
                e = now - tail[j]
                total[j] += (level if e > 0.0 else level - 1.0) * e
                tail[j] += step[j] * (1.0 / (1.0 + math.exp(-sharpness * e)) - (1.0 - level))
        for j in range(min(LANES, n_points - begin)):
            out[begin + j] = total[j] / x.size


@njit(cache=True, error_model="numpy")
def adaptive_search(x: FloatArray, level: float, sharpness: float, first: float) -> tuple[float, float]:
    """Coefficient of adaptive CAViaR with its score: a grid in logarithms, and finer ones around its three best."""
    steps, values, best, lowest = np.empty(3 * LANES), np.empty(3 * LANES), 0.0, np.inf
    width = (math.log(LARGEST_STEP) - math.log(LEAST_STEP)) / (steps.size - 1)
    for i in range(steps.size):
        steps[i] = LEAST_STEP * math.exp(i * width)
    adaptive_scores(x, level, sharpness, first, steps, values)
    fine, heights = np.empty(LANES), np.empty(LANES)
    for centre in steps[np.argsort(values)[:3]]:
        middle, reach = centre, width
        while reach > 1e-7:
            for i in range(LANES):
                fine[i] = middle * math.exp(reach * (2.0 * i / (LANES - 1) - 1.0))
            adaptive_scores(x, level, sharpness, first, fine, heights)
            place = int(np.argmin(heights))
            middle, reach = fine[place], 2.0 * reach / (LANES - 1)
            if heights[place] < lowest:
                best, lowest = middle, heights[place]
    return best, lowest
