"""Adaptive CAViaR: its path, the score of many coefficients side by side, and a search in one dimension."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

LANES = 16
N_STARTS = 3
SAME = 1e-4
"""Searches that end within this share of the lowest score agree with it."""
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
def adaptive_search(x: FloatArray, level: float, sharpness: float, first: float) -> tuple[float, float, int]:
    """Coefficient of adaptive CAViaR with its score: a grid in logarithms, and finer ones around its three best.

    The third number is how many of the three lead to the best.
    """
    steps, values, best, lowest = np.empty(3 * LANES), np.empty(3 * LANES), 0.0, np.inf
    width = (math.log(LARGEST_STEP) - math.log(LEAST_STEP)) / (steps.size - 1)
    for i in range(steps.size):
        steps[i] = LEAST_STEP * math.exp(i * width)
    adaptive_scores(x, level, sharpness, first, steps, values)
    fine, heights, ends, count = np.empty(LANES), np.empty(LANES), np.full(N_STARTS, np.inf), 0
    for centre in steps[np.argsort(values)[:N_STARTS]]:
        middle, reach = centre, width
        while reach > 1e-7:
            for i in range(LANES):
                fine[i] = middle * math.exp(reach * (2.0 * i / (LANES - 1) - 1.0))
            adaptive_scores(x, level, sharpness, first, fine, heights)
            place = int(np.argmin(heights))
            middle, reach = fine[place], 2.0 * reach / (LANES - 1)
            ends[count] = min(ends[count], heights[place])
            if heights[place] < lowest:
                best, lowest = middle, heights[place]
        count += 1
    return best, lowest, int(np.sum(ends <= lowest * (1.0 + SAME)))


@njit(cache=True, error_model="numpy")
def adaptive_windows(
    losses: FloatArray, starts: IntArray, stops: IntArray, firsts: FloatArray, level: float, sharpness: float
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray]:
    """Coefficients of losses [start, stop) of every window, in units of the losses, mean scores, starts that agree.

    `sharpness` is per standard deviation of the window's losses; the fourth array has it per unit of the losses. Every
    window is searched by itself.
    """
    n_windows = starts.size
    steps, values, agree = np.full(n_windows, np.nan), np.full(n_windows, np.nan), np.zeros(n_windows, dtype=np.int64)
    per_unit = np.full(n_windows, np.nan)
    for w in range(n_windows):
        x = losses[starts[w] : stops[w]].copy()
        scale = np.std(x)
        if not scale > 1e-12 * np.max(np.abs(x)):
            continue
        x /= scale
        steps[w], values[w], agree[w] = adaptive_search(x, level, sharpness, firsts[w] / scale)
        steps[w] *= scale
        per_unit[w] = sharpness / scale
    return steps, values, agree, per_unit
