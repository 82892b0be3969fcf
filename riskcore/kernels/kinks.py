"""Kinks of EGARCH's likelihood in the mean: where a neighbouring top may be higher.

The log variance heeds the size of a shock, so the likelihood's slope by the mean jumps where the mean passes a loss,
and between two losses there may be a top that a descent on this side of them does not see. How much the slope jumps is
known from one look at the likelihood; between the losses it changes as the curvature says.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray
from riskcore.kernels.descent import Lane, Model, Windows, cholesky, place, settle, solve
from riskcore.kernels.lanes import WIDTH
from riskcore.kernels.likelihood import cost

MOST_KINKS = 256
"""Losses near the mean that are looked at, at most."""


@njit(cache=True, error_model="numpy")
def beyond_kinks(
    model: Model, windows: Windows, lane: Lane, begins: IntArray, points: FloatArray, curvatures: FloatArray,
    reach: float, gains: FloatArray,
) -> None:  # fmt: skip
    """Move each of `points` to where the best top at most `reach` standard errors of the mean away is to be expected.

    `gains` says how much lower the cost should be there. The other coordinates go along as the curvature says. The mean
    is the first coordinate.
    """
    jobs, d = points.shape
    lower = np.empty((d, d))
    unit, along = np.zeros((1, d)), np.zeros((1, d))
    unit[0, 0] = 1.0
    at, jump = np.empty(MOST_KINKS), np.empty(MOST_KINKS)
    for first in range(0, jobs, WIDTH):
        for k in range(WIDTH):
            place(model, windows, lane, k, begins[min(first + k, jobs - 1)], points, min(first + k, jobs - 1))
        cost(
            model.family, model.law, lane.x, lane.point, lane.presample, lane.drift,
            lane.constants, lane.work, lane.sums, lane.values, lane.full, False,
        )  # fmt: skip
        for k in range(min(WIDTH, jobs - first)):
            j = first + k
            gains[j] = 0.0
            if not lane.values[k] < np.inf or not cholesky(curvatures, j, lower, d):
                continue
            solve(lower, unit, along, 0, d)
            bend = 1.0 / along[0, 0]
            mean, alpha, gamma = points[j, 0], lane.point[2 * WIDTH + k], lane.point[3 * WIDTH + k]
            beta, far = lane.point[4 * WIDTH + k], reach * np.sqrt(along[0, 0])
            adjoint, uphill, n = 0.0, 0.0, 0
            for t in range(windows.n - 1, -1, -1):
                row = 4 * WIDTH * t + k
                z, inverse, force = lane.work[row], lane.work[row + 2 * WIDTH], lane.work[row + 3 * WIDTH]
                slope = gamma + alpha if z > 0.0 else gamma - alpha
                uphill += (force - adjoint * slope) * inverse
                away = lane.x[t * WIDTH + k] - mean
                if abs(away) < far and n < MOST_KINKS:
                    i = n
                    while i > 0 and at[i - 1] > away:
                        at[i], jump[i] = at[i - 1], jump[i - 1]
                        i -= 1
                    at[i], jump[i] = away, -2.0 * alpha * adjoint * inverse
                    n += 1
                adjoint = (0.5 * (force * z) - 0.5) + (beta - 0.5 * (slope * z)) * adjoint
            uphill += adjoint * beta / lane.presample[k] * lane.drift[k]
            best, shift = 0.0, 0.0
            for side in (1.0, -1.0):
                # a path away from the mean: slope of the cost along it, height above the cost at the mean
                tilt, height, here = -side * uphill, 0.0, 0.0
                i = 0
                while i < n and at[i] <= 0.0:
                    i += 1
                if side < 0.0:
                    i -= 1
                while True:
                    last = not 0 <= i < n
                    there = far if last else side * at[i]
                    step = min(max(-tilt / bend, 0.0), there - here)
                    low = height + (tilt + 0.5 * bend * step) * step
                    if low < best:
                        best, shift = low, side * (here + step)
                    if last:
                        break
                    step = there - here
                    height += (tilt + 0.5 * bend * step) * step
                    tilt += bend * step + jump[i]
                    here = there
                    i += 1 if side > 0.0 else -1
            gains[j] = -best
            for c in range(d):
                points[j, c] += shift * along[0, c] * bend
            settle(model.rows, model.limits, points, j)
