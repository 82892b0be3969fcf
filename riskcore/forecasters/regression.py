"""Expectile regression by iterated weighted least squares, with the sandwich covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskcore._types import FloatArray
from riskcore.errors import ConfigError, FitError, require

MAX_STEPS = 200
SHORTEST = 1e-10
ROUNDING = 1e-14


@dataclass(frozen=True)
class ExpectileRegression:
    """Coefficients of an expectile regression and their robust standard errors."""

    coefficients: FloatArray
    standard_errors: FloatArray
    mean_score: float
    exceedance_share: float
    steps: int


def expectile_coefficients(
    response: FloatArray, design: FloatArray, level: float, start: FloatArray | None = None
) -> tuple[FloatArray, int]:
    """Coefficients alone, and the steps taken: the part that a level search repeats.

    Weighted least squares is a full Newton step of a convex, piecewise quadratic objective; it is halved where the
    objective would rise (far in the tail full steps may cycle), so the iteration ends at the minimum.
    """
    solution = _least_squares(np.ones(response.size), response, design) if start is None else start
    residual, stalled = response - design @ solution, 0
    for step in range(1, MAX_STEPS + 1):
        above = residual > 0
        weight = np.where(above, level, 1.0 - level)
        full = _least_squares(weight, response, design)
        moved = response - design @ full
        if np.array_equal(moved > 0, above):
            return full, step
        cost, length = float(weight @ residual**2), 1.0
        slack = ROUNDING * cost
        if abs(_cost(moved, level) - cost) <= slack:
            stalled += 1
            if stalled == 3:  # a loss on the fit itself, whose side rounding decides: it does not matter
                return full, step
        while _cost(moved, level) > cost + slack and length > SHORTEST:
            length *= 0.5
            moved = response - design @ (solution + length * (full - solution))
        solution, residual = solution + length * (full - solution), moved
    raise FitError(f"the expectile regression at level {level} did not settle in {MAX_STEPS} steps")


def _cost(residual: FloatArray, level: float) -> float:
    return float(np.where(residual > 0, level, 1.0 - level) @ residual**2)


def _least_squares(weight: FloatArray, response: FloatArray, design: FloatArray) -> FloatArray:
    root = np.sqrt(weight)
    solution, _, rank, _ = np.linalg.lstsq(root[:, None] * design, root * response)
    require(int(rank) == design.shape[1], f"design must have full rank {design.shape[1]}, got {rank}", FitError)
    return np.asarray(solution, dtype=np.float64)


def expectile_regression(
    response: FloatArray, design: FloatArray, level: float, *, start: FloatArray | None = None
) -> ExpectileRegression:
    r"""Linear regression of an expectile.

    .. math:: \min_c \sum_t |\tau - 1\{L_t \le x_t'c\}| (L_t - x_t'c)^2

    Parameters
    ----------
    response : array, shape (n,)
        Losses.
    design : array, shape (n, k)
        Regressors, a column of ones among them where a constant is wanted.
    level : float
        :math:`\tau` in (0, 1).
    start : array, shape (k,), optional
        Coefficients whose signs of the residuals start the iteration; the result does not depend on them.

    Returns
    -------
    ExpectileRegression
        The iteration is finite, so the coefficients are exact once the set of losses above the fit stays the same.
        Standard errors are the sandwich's, :math:`D^{-1} V D^{-1}/n` with :math:`D = n^{-1}\sum w x x'` and
        :math:`V = n^{-1}\sum w^2 u^2 x x'`; in the far tail they are too short.

    Raises
    ------
    ConfigError
        If shapes differ, a value is not finite, or the level lies outside (0, 1).
    FitError
        If the design has less than full rank.

    References
    ----------
    Newey & Powell (1987), Econometrica 55, 819-847.

    Examples
    --------
    >>> fit = expectile_regression(np.array([1.0, 4.0, 2.0, -1.0]), np.ones((4, 1)), 0.8)
    >>> round(float(fit.coefficients[0]), 6)
    2.571429
    """
    matched = design.ndim == 2 and design.shape[0] == response.size
    require(matched, f"design must have {response.size} rows, got shape {design.shape}", ConfigError)
    finite = bool(np.isfinite(response).all() and np.isfinite(design).all())
    require(finite, "response and design must be finite, got NaN or inf", ConfigError)
    require(0 < level < 1, f"level must lie in (0, 1), got {level!r}")
    solution, steps = expectile_coefficients(response, design, level, start)
    residual = response - design @ solution
    weight = np.where(residual > 0, level, 1.0 - level)
    bread = np.linalg.inv(design.T @ (weight[:, None] * design) / response.size)
    scores = (weight * residual)[:, None] * design
    covariance = bread @ (scores.T @ scores / response.size) @ bread / response.size
    return ExpectileRegression(
        coefficients=solution,
        standard_errors=np.sqrt(np.diag(covariance)),
        mean_score=float(np.mean(weight * residual**2)),
        exceedance_share=float(np.mean(residual > 0)),
        steps=steps,
    )
