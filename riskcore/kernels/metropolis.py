"""Metropolis for an expectile regression under the asymmetric normal working likelihood; all randomness comes in."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import BoolArray, FloatArray


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def asymmetric_squares(y: FloatArray, design: FloatArray, level: float, point: FloatArray, fit: FloatArray) -> float:
    """Sum of asymmetric squares; `design` has a row for each regressor, `fit` is work space."""
    n = y.size
    for t in range(n):
        fit[t] = y[t]
    for j in range(point.size):
        by = point[j]
        for t in range(n):
            fit[t] -= by * design[j, t]
    total = 0.0
    for t in range(n):
        total += (level if fit[t] > 0.0 else 1.0 - level) * fit[t] * fit[t]
    return total


@njit(cache=True, error_model="numpy")
def log_density(point: FloatArray, mode: FloatArray, root: FloatArray, freedom: float, work: FloatArray) -> float:
    """Log density, but for a constant, of the multivariate t round the mode with the triangular `root`."""
    squares = 0.0
    for j in range(point.size):
        rest = point[j] - mode[j]
        for m in range(j):
            rest -= root[j, m] * work[m]
        work[j] = rest / root[j, j]
        squares += work[j] * work[j]
    return -0.5 * (freedom + point.size) * math.log1p(squares / freedom)


@njit(cache=True, error_model="numpy")
def chain(
    y: FloatArray, design: FloatArray, level: float, mode: FloatArray, root: FloatArray, normals: FloatArray,
    stretches: FloatArray, independent: BoolArray, freedom: float, log_uniforms: FloatArray, scale_draws: FloatArray,
    prior_draws: FloatArray, prior_rate: float, points: FloatArray, scales: FloatArray, spreads: FloatArray,
) -> int:  # fmt: skip
    """One chain: coefficients to `points`, squared scales and prior variances beside them; the number of moves.

    Proposal i is ``stretches[i] * root @ normals[i]`` from the mode where it is `independent`, a t of `freedom`
    degrees, else from the last point. `scale_draws` and `prior_draws` are Gamma draws of the shapes that the
    conditional laws of the squared scale and the prior variance have.
    """
    n_draws, k = normals.shape
    fit, now, to, work = np.empty(y.size), mode.copy(), np.empty(k), np.empty(k)
    value, log_q, moves = asymmetric_squares(y, design, level, mode, fit), 0.0, 0
    for i in range(n_draws):
        squares = 0.0
        for j in range(k):
            squares += now[j] * now[j]
        scale = value / scale_draws[i]
        spread = (prior_rate + 0.5 * squares) / prior_draws[i]
        to_squares = 0.0
        for j in range(k):
            to[j] = mode[j] if independent[i] else now[j]
            for m in range(j + 1):
                to[j] += stretches[i] * root[j, m] * normals[i, m]
            to_squares += to[j] * to[j]
        to_log_q = log_density(to, mode, root, freedom, work)
        after = asymmetric_squares(y, design, level, to, fit)
        gain = (value - after) / scale + 0.5 * (squares - to_squares) / spread
        if independent[i]:
            gain += log_q - to_log_q
        if log_uniforms[i] < gain:
            for j in range(k):
                now[j] = to[j]
            value, log_q = after, to_log_q
            moves += 1
        for j in range(k):
            points[i, j] = now[j]
        scales[i], spreads[i] = scale, spread
    return moves
