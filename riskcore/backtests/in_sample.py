"""The Dynamic Quantile test on the window a VaR was estimated from: its coefficients have used up some of the hits."""

from __future__ import annotations

from typing import Any

import numpy as np

from riskcore._types import FloatArray
from riskcore.backtests.base import ASYMPTOTIC, BacktestResult, chi2_sf, hit_details, prepare, undefined
from riskcore.errors import DataError, require
from riskcore.measures.paths import nearest_bandwidth, quantile_path_covariance


def dynamic_quantile_in_sample(
    losses: Any, var: Any, gradient: Any, level: float, *, lags: int = 4, bandwidth: float | None = None
) -> BacktestResult:
    r"""Test whether hits of an estimated VaR can be predicted from earlier hits, on the window of its estimation.

    .. math:: DQ = \frac{H'X (MM')^+ X'H}{p(1-p)} \sim \chi^2_{rank}, \quad
              M = X' - \Big(\frac{1}{2nc}\sum_t 1\{|L_t - v_t| \le c\} X_t \nabla v_t'\Big) D^{-1} \nabla v'

    with :math:`H_t = 1\{L_t > v_t\} - (1-p)`, :math:`X_t = (H_{t-1}, \dots, H_{t-4})` and D as in
    :func:`riskcore.measures.paths.quantile_path_covariance`. The correction takes out of the regressors what the
    estimation has fitted; hardly anything of a constant or of the VaR itself would be left, so they are no regressors.

    Parameters
    ----------
    losses, var : array_like, shape (n,)
        Losses and the fitted VaR of the same days, in time order.
    gradient : array_like, shape (n, k)
        Derivatives of the VaR by its coefficients, as ``FittedCAViaR.path`` gives them; columns of coefficients that
        lie on a bound are to be left out.
    level : float
        In (0.5, 1).
    lags : int
        Lagged hits, 1 or more; the paper has 4.
    bandwidth : float, optional
        c, above 0; by default that of the standard errors.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, lags, df (the rank), bandwidth. NaN without a hit, below ``2 lags + 3`` days, or
        where losses that equal their VaR leave no density.

    Raises
    ------
    ConfigError, DataError
        For a level, bandwidth or shape that cannot be used; no day may be missing.

    References
    ----------
    Engle and Manganelli (2004), Journal of Business and Economic Statistics 22(4), 367-381, theorem 4,
    doi:10.1198/073500104000000370.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> losses = rng.normal(size=500)
    >>> var = np.full(500, np.quantile(losses, 0.95))
    >>> result = dynamic_quantile_in_sample(losses, var, np.ones((500, 1)), 0.95)
    >>> result.details["df"], result.rejects(0.05)
    (4, False)
    """
    name, null = "dynamic_quantile_in_sample", "hits of the estimated VaR have rate 1 - level whatever hits were before"
    require(isinstance(lags, int) and lags >= 1, f"lags must be a whole number of at least 1, got {lags!r}")
    positive = bandwidth is None or (np.isfinite(bandwidth) and bandwidth > 0)
    require(positive, f"bandwidth must be a finite number above 0 or None, got {bandwidth!r}")
    sample = prepare("raise", {"losses": losses, "var": var}, level, minimum=2 * lags + 3)
    x, v = sample.columns["losses"], sample.columns["var"]
    slopes: FloatArray = np.asarray(gradient, dtype=np.float64)
    matched = slopes.ndim == 2 and slopes.shape[0] == x.size
    require(matched, f"gradient must have {x.size} rows and a column each, got shape {slopes.shape}", DataError)
    hits = x > v
    details = hit_details(sample, hits.sum()) | {"lags": lags}
    reason = sample.reason or ("" if hits.any() and not hits.all() else "no hit, or nothing else")
    if reason:
        return undefined(name, null, sample, reason, details)
    flat = "no spread of the losses around the VaR to estimate a density"
    width = nearest_bandwidth(x, v, level) if bandwidth is None else bandwidth
    if not width > 0:
        return undefined(name, null, sample, flat, details)
    with np.errstate(over="ignore", invalid="ignore"):
        found = quantile_path_covariance(x, v, slopes, level, bandwidth=width)
    if not np.isfinite(found.density).all():
        return undefined(name, null, sample, flat, details)
    h = hits - (1.0 - level)
    earlier = np.zeros((x.size, lags))
    for j in range(1, lags + 1):
        earlier[lags:, j - 1] = h[lags - j : -j]
    near = np.abs(x - v) <= found.bandwidth
    unit = np.sqrt(np.mean(slopes**2, axis=0))
    unit = np.where(unit > 0, unit, 1.0)
    scaled = slopes / unit
    crossed = earlier[near].T @ scaled[near] / (2.0 * x.size * found.bandwidth)
    corrected = earlier - scaled @ (np.linalg.pinv(found.density / np.outer(unit, unit), hermitian=True) @ crossed.T)
    square, sums = corrected.T @ corrected, earlier.T @ h
    rank = int(np.linalg.matrix_rank(square, tol=1e-10 * np.trace(square), hermitian=True))
    statistic = float(sums @ np.linalg.pinv(square, rcond=1e-10, hermitian=True) @ sums / (level * (1.0 - level)))
    details |= {"df": rank, "bandwidth": found.bandwidth}
    return BacktestResult(name, null, statistic, chi2_sf(statistic, rank), ASYMPTOTIC, sample.n_obs, details)
