"""Volatilities driven by a realized variance: objectives with their gradients, paths and scores.

The path of the variance depends on the realized variance alone, so its derivatives are linear recursions.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray

HUGE = 1e300


@njit(cache=True, error_model="numpy")
def linear_path(
    w: float, a: float, b: float, x: FloatArray, first: float, level: float, slope: float
) -> tuple[FloatArray, FloatArray]:
    """Rows 0..n of ``h[t+1] = w + a x[t] + b h[t]``, h[0] = `first`, and x as used.

    For an x[t] that is NaN stands what is expected of it, ``level + slope h[t]``.
    """
    out, used = np.empty(x.size + 1), x.copy()
    out[0] = first
    for t in range(x.size):
        if math.isnan(used[t]):
            used[t] = level + slope * out[t]
        out[t + 1] = w + a * used[t] + b * out[t]
    return out, used


@njit(cache=True, error_model="numpy")
def heavy_objective(theta: FloatArray, y: FloatArray, x: FloatArray, first: float, out: FloatArray) -> float:
    """Mean of ``(ln h + y / h) / 2`` along the path of theta = (w, a, b); fills the gradient."""
    out[:] = 0.0
    w, a, b = theta[0], theta[1], theta[2]
    h, dw, da, db = first, 0.0, 0.0, 0.0
    total, gw, ga, gb = 0.0, 0.0, 0.0, 0.0
    for t in range(y.size):
        if not h > 0.0:
            return HUGE
        total += 0.5 * (math.log(h) + y[t] / h)
        slope = 0.5 * (1.0 - y[t] / h) / h
        gw += slope * dw
        ga += slope * da
        gb += slope * db
        dw, da, db = 1.0 + b * dw, x[t] + b * da, h + b * db
        h = w + a * x[t] + b * h
    out[0], out[1], out[2] = gw / y.size, ga / y.size, gb / y.size
    return total / y.size


@njit(cache=True, error_model="numpy")
def heavy_scores(theta: FloatArray, y: FloatArray, x: FloatArray, first: float) -> FloatArray:
    """Rows of derivatives of ``-(ln h + y / h) / 2`` in (w, a, b)."""
    out = np.empty((y.size, 3))
    b, h, dw, da, db = theta[2], first, 0.0, 0.0, 0.0
    for t in range(y.size):
        slope = -0.5 * (1.0 - y[t] / h) / h
        out[t, 0], out[t, 1], out[t, 2] = slope * dw, slope * da, slope * db
        dw, da, db = 1.0 + b * dw, x[t] + b * da, h + b * db
        h = theta[0] + theta[1] * x[t] + b * h
    return out


@njit(cache=True, error_model="numpy")
def realized_objective(
    theta: FloatArray, u: FloatArray, y: FloatArray, first: float, measurement: FloatArray, out: FloatArray
) -> float:
    """Minus the mean log-likelihood, without constants, of theta = (omega, beta, g); fills its gradient.

    ``k[t+1] = omega + beta k[t] + g y[t]`` is the log variance, y the log of the realized variance. The measurement
    ``y = xi + delta k + t1 z + t2 (z^2 - 1) + w`` is a regression along the path: it is solved, its five figures (with
    the variance of w) fill `measurement`, and the gradient holds them fixed, as it may at their optimum.
    """
    n = u.size
    out[:] = 0.0
    omega, beta, g = theta[0], theta[1], theta[2]
    k, z = np.empty(n), np.empty(n)
    moments, right = np.zeros((4, 4)), np.zeros(4)
    row = np.empty(4)
    total, level = 0.0, first
    for t in range(n):
        if not abs(level) < 300.0:
            return HUGE
        k[t] = level
        z[t] = u[t] * math.exp(-0.5 * level)
        total += 0.5 * (level + z[t] * z[t])
        row[0], row[1], row[2], row[3] = 1.0, level, z[t], z[t] * z[t] - 1.0
        for i in range(4):
            right[i] += row[i] * y[t]
            for j in range(i + 1):
                moments[i, j] += row[i] * row[j]
        level = omega + beta * level + g * y[t]
    # Cholesky of the normal equations
    for i in range(4):
        for j in range(i + 1):
            v = moments[i, j]
            for m in range(j):
                v -= moments[i, m] * moments[j, m]
            if i == j:
                if not v > 1e-12 * n:
                    return HUGE
                moments[i, i] = math.sqrt(v)
            else:
                moments[i, j] = v / moments[j, j]
    for i in range(4):
        for m in range(i):
            right[i] -= moments[i, m] * right[m]
        right[i] /= moments[i, i]
    for i in range(3, -1, -1):
        for m in range(i + 1, 4):
            right[i] -= moments[m, i] * right[m]
        right[i] /= moments[i, i]
    xi, delta, t1, t2 = right[0], right[1], right[2], right[3]
    squares = 0.0
    for t in range(n):
        w = y[t] - xi - delta * k[t] - t1 * z[t] - t2 * (z[t] * z[t] - 1.0)
        squares += w * w
    variance = squares / n
    if not variance > 1e-12:
        return HUGE
    do, db, dg = 0.0, 0.0, 0.0
    go, gb, gg = 0.0, 0.0, 0.0
    for t in range(n):
        zz = z[t] * z[t]
        w = y[t] - xi - delta * k[t] - t1 * z[t] - t2 * (zz - 1.0)
        slope = 0.5 * (1.0 - zz) + w / variance * (0.5 * t1 * z[t] + t2 * zz - delta)
        go += slope * do
        gb += slope * db
        gg += slope * dg
        do, db, dg = 1.0 + beta * do, k[t] + beta * db, y[t] + beta * dg
    out[0], out[1], out[2] = go / n, gb / n, gg / n
    measurement[0], measurement[1], measurement[2], measurement[3], measurement[4] = xi, delta, t1, t2, variance
    return total / n + 0.5 * (math.log(variance) + 1.0)


@njit(cache=True, error_model="numpy")
def realized_scores(theta: FloatArray, u: FloatArray, y: FloatArray, first: float) -> FloatArray:
    """Rows of derivatives of the log-likelihood in (omega, beta, g, xi, delta, t1, t2, variance of w)."""
    n = u.size
    out = np.empty((n, 8))
    omega, beta, g, xi, delta, t1, t2, variance = theta
    level, do, db, dg = first, 0.0, 0.0, 0.0
    for t in range(n):
        z = u[t] * math.exp(-0.5 * level)
        zz = z * z
        w = y[t] - xi - delta * level - t1 * z - t2 * (zz - 1.0)
        slope = -0.5 * (1.0 - zz) - w / variance * (0.5 * t1 * z + t2 * zz - delta)
        out[t, 0], out[t, 1], out[t, 2] = slope * do, slope * db, slope * dg
        v = w / variance
        out[t, 3], out[t, 4], out[t, 5], out[t, 6] = v, v * level, v * z, v * (zz - 1.0)
        out[t, 7] = 0.5 * (v * v - 1.0 / variance)
        do, db, dg = 1.0 + beta * do, level + beta * db, y[t] + beta * dg
        level = omega + beta * level + g * y[t]
    return out
