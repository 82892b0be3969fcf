"""Expectile regression by iterated weighted least squares, with the sandwich covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riskcore._types import FloatArray
from riskcore.errors import ConfigError, FitError, require
from riskcore.measures.paths import expectile_path_covariance, path_errors


@dataclass(frozen=True)
class ExpectileRegressionFit:
    """Coefficients of an expectile regression and their robust standard errors."""

    coefficients: FloatArray
    standard_errors: FloatArray
    mean_score: float
    exceedance_share: float


def check_state(state: int, level: float, design: FloatArray) -> None:
    """Raise FitError for a window that the kernel did not settle; `design` has a column for each regressor."""
    from riskcore.kernels.asymmetric import DEFICIENT, MAX_STEPS, UNSETTLED

    if state == DEFICIENT:
        n_rows, k = design.shape
        rank = min(int(np.linalg.matrix_rank(design)), n_rows, k - 1)
        raise FitError(f"design must have full rank {k}, got {rank}")
    settled = state != UNSETTLED
    require(settled, f"the expectile regression at level {level} did not settle in {MAX_STEPS} steps", FitError)


def sandwich_covariance(response: FloatArray, design: FloatArray, level: float, coefficients: FloatArray) -> FloatArray:
    """Covariance of the coefficients, D^-1 V D^-1 / n."""
    return expectile_path_covariance(response, design @ coefficients, design, level)


def sandwich_errors(response: FloatArray, design: FloatArray, level: float, coefficients: FloatArray) -> FloatArray:
    """Standard errors of the coefficients: square roots of the diagonal of D^-1 V D^-1 / n."""
    return path_errors(sandwich_covariance(response, design, level, coefficients))


def expectile_regression(
    response: FloatArray, design: FloatArray, level: float, *, start: FloatArray | None = None
) -> ExpectileRegressionFit:
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
    ExpectileRegressionFit
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
    from riskcore.kernels.asymmetric import expectile_windows

    near = np.full((1, design.shape[1]), np.nan) if start is None else np.array([start], dtype=np.float64)
    _, found, state = expectile_windows(
        response, np.ascontiguousarray(design.T), np.array([0]), np.array([response.size]), np.array([start is None]),
        np.array([float(level)]), np.array([False]), near,
    )  # fmt: skip
    check_state(int(state[0]), level, design)
    solution = found[0, 0]
    residual = response - design @ solution
    return ExpectileRegressionFit(
        coefficients=solution,
        standard_errors=sandwich_errors(response, design, level, solution),
        mean_score=float(np.mean(np.where(residual > 0, level, 1.0 - level) * residual**2)),
        exceedance_share=float(np.mean(residual > 0)),
    )
