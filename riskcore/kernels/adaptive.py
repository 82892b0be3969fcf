"""Adaptive CAViaR: its path, the score of many coefficients side by side, and a search in one dimension."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

LANES = 16
C3, C4, C5, C6, C7 = 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040
LARGEST_POWER = 40.0 / 1024.0
"""Beyond an exponent of 40 a day is a hit, or none, to the last bit."""
N_STARTS = 3
SAME = 1e-4
"""Searches that end within this share of the lowest score agree with it."""
ROUGH_REACH, LAST_REACH = 1e-3, 1e-7
"""Each start is followed until the grid reaches less than the first, the best of them until less than the second."""
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
    """Mean quantile scores of adaptive CAViaR for many coefficients, 16 side by side.

    The exponential is the 1024th power of a short series, for the processor to make several at once: 12 digits.
    """
    n_points = steps.size
    step, tail, total = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    steepness = -sharpness / 1024.0
    for begin in range(0, n_points, LANES):
        for j in range(LANES):
            step[j], tail[j], total[j] = steps[min(begin + j, n_points - 1)], first, 0.0
        for now in x:
            for j in range(LANES):
                e = now - tail[j]
                total[j] += (level if e > 0.0 else level - 1.0) * e
                y = steepness * e
                y = y if y < LARGEST_POWER else LARGEST_POWER
                y = y if y > -LARGEST_POWER else -LARGEST_POWER
                y = 1.0 + y * (1.0 + y * (0.5 + y * (C3 + y * (C4 + y * (C5 + y * (C6 + y * C7))))))
                y *= y
                y *= y
                y *= y
                y *= y
                y *= y
                y *= y
                y *= y
                y *= y
                y *= y
                y *= y
                tail[j] += step[j] * (1.0 / (1.0 + y) - (1.0 - level))
        for j in range(min(LANES, n_points - begin)):
            out[begin + j] = total[j] / x.size


@njit(cache=True, error_model="numpy")
def closer(
    x: FloatArray, level: float, sharpness: float, first: float, middle: FloatArray, lowest: FloatArray, reach: float,
    fine: FloatArray, heights: FloatArray,
) -> float:  # fmt: skip
    """Move ``middle[0]`` to the best of a grid around it, in logarithms and within the range; the next grid's reach."""
    for i in range(LANES):
        step = middle[0] * math.exp(reach * (2.0 * i / (LANES - 1) - 1.0))
        fine[i] = min(max(step, LEAST_STEP), LARGEST_STEP)
    adaptive_scores(x, level, sharpness, first, fine, heights)
    place = int(np.argmin(heights))
    if heights[place] < lowest[0]:
        middle[0], lowest[0] = fine[place], heights[place]
    return 2.0 * reach / (LANES - 1)


@njit(cache=True, error_model="numpy")
def adaptive_search(x: FloatArray, level: float, sharpness: float, first: float) -> tuple[float, float, int]:
    """Coefficient of adaptive CAViaR with its score: a grid in logarithms, and finer ones around its three best.

    The third number is how many of the three lead to the best.
    """
    steps, values = np.empty(3 * LANES), np.empty(3 * LANES)
    width = (math.log(LARGEST_STEP) - math.log(LEAST_STEP)) / (steps.size - 1)
    for i in range(steps.size):
        steps[i] = LEAST_STEP * math.exp(i * width)
    adaptive_scores(x, level, sharpness, first, steps, values)
    fine, heights = np.empty(LANES), np.empty(LANES)
    ends, middles, best, reach = np.full(N_STARTS, np.inf), np.empty(N_STARTS), 0, width
    for count in range(N_STARTS):
        start = int(np.argmin(values))
        middles[count], values[start], reach = steps[start], np.inf, width
        while reach > ROUGH_REACH:
            own, end = middles[count : count + 1], ends[count : count + 1]
            reach = closer(x, level, sharpness, first, own, end, reach, fine, heights)
        if ends[count] < ends[best]:
            best = count
    agree = int(np.sum(ends <= ends[best] * (1.0 + SAME)))
    while reach > LAST_REACH:
        own, end = middles[best : best + 1], ends[best : best + 1]
        reach = closer(x, level, sharpness, first, own, end, reach, fine, heights)
    return middles[best], ends[best], agree


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
