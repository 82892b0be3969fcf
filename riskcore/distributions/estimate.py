"""Maximum likelihood of one or two parameters in a box, deterministic and polished."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray


def maximise(
    log_likelihood: Callable[[Mapping[str, float]], float],
    bounds: Mapping[str, tuple[float, float]],
    starts: Mapping[str, float],
) -> dict[str, float]:
    """Parameters in their box at which the mean log-likelihood is largest.

    Positive parameters are searched in logarithms: the likelihood of nu is flat where nu is large.
    """
    from scipy.optimize import minimize, minimize_scalar

    names = list(bounds)
    in_logs = np.array([bounds[n][0] > 0.0 for n in names])

    def inside(x: FloatArray) -> FloatArray:
        return np.where(in_logs, np.log(np.where(in_logs, x, 1.0)), x)

    def outside(u: FloatArray) -> FloatArray:
        return np.where(in_logs, np.exp(np.where(in_logs, u, 0.0)), u)

    low, high = (inside(np.array([bounds[n][side] for n in names])) for side in (0, 1))

    def loss(u: FloatArray) -> float:
        x = outside(np.clip(u, low, high))
        return -log_likelihood(dict(zip(names, x.tolist(), strict=True)))

    if len(names) == 1:
        found = minimize_scalar(
            lambda u: loss(np.array([u])), bounds=(low[0], high[0]), method="bounded", options={"xatol": 1e-9}
        )
        best = np.array([found.x])
    else:
        start = inside(np.array([starts[n] for n in names]))
        best = minimize(loss, start, method="L-BFGS-B", bounds=list(zip(low, high, strict=True))).x
    best = _snap(loss, _polish(loss, best, low, high), low, high)
    values = outside(best)
    for side, bound in ((0, low), (1, high)):  # the bound itself, not the exponential of its logarithm
        values = np.where(best == bound, [bounds[n][side] for n in names], values)
    return dict(zip(names, values.tolist(), strict=True))


def _polish(loss: Callable[[FloatArray], float], u: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Newton steps with central differences on the parameters off their bounds: any start ends at the same numbers."""
    h = 1e-4
    for _ in range(6):
        off = np.flatnonzero((u > low + 2.0 * h) & (u < high - 2.0 * h))
        if off.size == 0:
            break
        step = _newton_step(loss, u, off, h)
        if step is None or float(np.max(np.abs(step))) > 0.5:
            break
        moved = np.clip(u + step, low, high)
        if loss(moved) > loss(u) + 1e-12:
            break
        u = moved
        if float(np.max(np.abs(step))) < 1e-9:
            break
    return u


def _snap(loss: Callable[[FloatArray], float], u: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Put a parameter that stopped just short of its bound on it, so that a fit at the boundary can be told."""
    for i in range(u.size):
        for bound in (low[i], high[i]):
            moved = u.copy()
            moved[i] = bound
            if abs(u[i] - bound) < 1e-4 and loss(moved) <= loss(u) + 1e-12:
                u = moved
    return u


def _newton_step(
    loss: Callable[[FloatArray], float], u: FloatArray, off: npt.NDArray[np.intp], h: float
) -> FloatArray | None:
    """Full step from gradient and Hessian by differences, or None where the surface does not curve upwards."""
    k, here = off.size, loss(u)
    shifts = np.zeros((k, u.size))
    shifts[np.arange(k), off] = h
    up, down = np.array([loss(u + s) for s in shifts]), np.array([loss(u - s) for s in shifts])
    gradient = (up - down) / (2.0 * h)
    hessian = np.diag((up - 2.0 * here + down) / h**2)
    for i in range(k):
        for j in range(i):
            mixed = loss(u + shifts[i] + shifts[j]) - loss(u + shifts[i] - shifts[j])
            mixed += loss(u - shifts[i] - shifts[j]) - loss(u - shifts[i] + shifts[j])
            hessian[i, j] = hessian[j, i] = mixed / (4.0 * h**2)
    if np.linalg.eigvalsh(hessian)[0] <= 0.0:
        return None
    step = np.zeros(u.size)
    step[off] = -np.linalg.solve(hessian, gradient)
    return step
