"""Likelihood-ratio tests of the normal quantiles of the PIT: of the whole law, and of its tail."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtri

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import ASYMPTOTIC, BacktestResult, Seed, chi2_sf, hit_details, undefined
from riskcore.backtests.nulls import SIMULATED, null_law
from riskcore.backtests.uniforms import (
    FLOOR,
    NO_TAIL,
    ONE_LEVEL,
    Tails,
    against,
    path_null,
    pit_sample,
    tail_null,
    tails_of,
)
from riskcore.errors import require

LAWS = (SIMULATED, ASYMPTOTIC)
CLOSE = 1e-10
"""Least distance of a quantile from the cut: a point on the cut itself would have an unbounded likelihood."""
STEPS = 100
DONE = 1e-12


def berkowitz(
    pit: Any,
    *,
    lags: int = 1,
    p_value: str = "auto",
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether the normal quantiles of the PIT are independent standard normals (likelihood ratio).

    .. math:: z_t = \Phi^{-1}(u_t), \quad z_t = c + \sum_{j=1}^m \rho_j z_{t-j} + \sigma \varepsilon_t, \quad
              LR = 2 [\ell(\hat c, \hat\rho, \hat\sigma) - \ell(0, 0, 1)] \to \chi^2_{2+m}

    The likelihood is that of the days after the first m, given those m. It sees mean, spread and dependence, not
    the shape of the tail: for that see `berkowitz_tail`.

    Parameters
    ----------
    pit : array_like
        u = F(L), in [0, 1]. Values within 2**-53 of 0 or 1 are put there before the quantile is taken.
    lags : int
        Order m of the autoregression, 0 or more.
    p_value : {"auto", "simulated", "asymptotic"}
        Law of the statistic: paths of independent uniforms, or the chi-square limit.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated paths.
    nan : {"drop", "raise"}
        What a missing value means.

    Returns
    -------
    BacktestResult
        `details`: missing, at_bounds (values exactly 0 or 1, which are moved), lags, df. NaN below ``2 lags + 4``
        days, and where the PIT does not vary around the autoregression.

    Raises
    ------
    ConfigError, DataError
        For a choice that is unknown or a value outside [0, 1].

    References
    ----------
    Berkowitz (2001), Testing density forecasts, with applications to risk management, Journal of Business and Economic
    Statistics 19(4), 465-474, doi:10.1198/07350010152596718.

    Examples
    --------
    >>> berkowitz([0.1, 0.6, 0.3, 0.9, 0.5, 0.2, 0.8], lags=0).statistic.__round__(4)
    0.3539
    """
    name, null = "berkowitz", "the normal quantiles of the PIT are independent standard normals"
    require(isinstance(lags, int) and lags >= 0, f"lags must be a whole number of at least 0, got {lags!r}")
    sample, u, details = pit_sample(pit, None, nan, minimum=2 * lags + 4)
    law = null_law(name if lags == 1 else "", p_value, sample.n_obs, 0.5, LAWS)  # the table of sizes is about one lag
    details |= {"lags": lags, "df": 2 + lags}
    if sample.reason:
        return undefined(name, null, sample, sample.reason, details)
    value = float(_full(ndtri(np.clip(u, FLOOR, 1.0 - FLOOR))[None, :], (lags,))[0])
    if np.isnan(value):
        return undefined(name, null, sample, "the PIT does not vary around the autoregression", details)
    if law == ASYMPTOTIC:
        return BacktestResult(name, null, value, chi2_sf(value, 2 + lags), ASYMPTOTIC, sample.n_obs, details)

    def drawn(seed: int) -> FloatArray:
        return path_null(_full, (lags,), u.size, seed, n_simulations, normal=True)

    return against(name, null, sample, value, details, drawn, rng=rng, n_simulations=n_simulations)


def berkowitz_tail(
    pit: Any,
    level: Any,
    *,
    p_value: str = "auto",
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether the normal quantiles of the PIT above a level are those of a standard normal (likelihood ratio).

    .. math:: \ell(\mu, \sigma) = \sum_{z_t > c} \ln \frac{\varphi((z_t-\mu)/\sigma)}{\sigma}
              + \sum_{z_t \le c} \ln \Phi\left( \frac{c-\mu}{\sigma} \right), \quad c = \Phi^{-1}(p), \quad
              LR = 2 [\ell(\hat\mu, \hat\sigma) - \ell(0, 1)] \to \chi^2_2

    Days at or below the level count as such only, so that the tail alone decides: the number of days in it and the
    sizes there.

    Parameters
    ----------
    pit : array_like
        u = F(L), in [0, 1]. A value within 2**-53 of 1 is put there before the quantile is taken.
    level : float or array_like
        In (0.5, 1).
    p_value, rng, n_simulations, nan
        As in `berkowitz`. Simulated paths without a PIT above the level do not count.

    Returns
    -------
    BacktestResult
        `details`: hits (u above the level), expected_hits, missing, at_bounds, df. NaN where no PIT lies above the
        level (mean and spread are not identified), where all do and are equal, and where the level moves from day to
        day.

    Raises
    ------
    ConfigError, DataError
        For a level or a choice that cannot be used, or a value outside [0, 1].

    References
    ----------
    Berkowitz (2001), Testing density forecasts, with applications to risk management, Journal of Business and Economic
    Statistics 19(4), 465-474, doi:10.1198/07350010152596718.

    Examples
    --------
    >>> berkowitz_tail([0.1, 0.99, 0.3, 0.98, 0.5, 0.2, 0.8], 0.975).statistic.__round__(2)
    7.43
    """
    name, null = "berkowitz_tail", "the normal quantiles of the PIT above the level are standard normal"
    sample, u, facts = pit_sample(pit, level, nan)
    law = null_law(name, p_value, sample.n_obs, sample.one_level, LAWS)
    tails = tails_of(np.minimum(u, 1.0 - FLOOR), sample.level)
    details = hit_details(sample, tails.rest.size) | facts | {"df": 2}
    reason = sample.reason or (ONE_LEVEL if np.isnan(sample.one_level) else "" if tails.rest.size else NO_TAIL)
    if reason:
        return undefined(name, null, sample, reason, details)
    value = float(_tail(tails, sample.level, ())[0])
    if np.isnan(value):
        return undefined(name, null, sample, "all PIT lie above the level and are equal", details)
    if law == ASYMPTOTIC:
        return BacktestResult(name, null, value, chi2_sf(value, 2), ASYMPTOTIC, sample.n_obs, details)

    def drawn(seed: int) -> FloatArray:
        return tail_null(_tail, (), sample.level, seed, n_simulations)

    return against(name, null, sample, value, details, drawn, rng=rng, n_simulations=n_simulations)


def _full(z: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    """Likelihood ratio of each path (paths, n): least squares of z on its lags, from sums of products alone."""
    lags, days = options[0], z.shape[1] - options[0]
    shifted = [z[:, lags - j : z.shape[1] - j] for j in range(lags + 1)]  # today first
    means = np.stack([x.mean(axis=1) for x in shifted], axis=1)
    moments = np.empty((z.shape[0], lags + 1, lags + 1))
    for i in range(lags + 1):
        for j in range(i, lags + 1):
            product = np.einsum("pt,pt->p", shifted[i], shifted[j]) / days - means[:, i] * means[:, j]
            moments[:, i, j] = moments[:, j, i] = product
    variance, cross = moments[:, 0, 0], moments[:, 1:, 0]
    fitted = np.linalg.pinv(moments[:, 1:, 1:], rcond=1e-12, hermitian=True)
    residual = variance - np.einsum("pi,pij,pj->p", cross, fitted, cross)
    square = variance + means[:, 0] ** 2
    flat = residual <= 1e-12 * square
    spread = np.where(flat, np.nan, residual)
    return np.asarray(np.maximum(days * (square - 1.0 - np.log(spread)), 0.0))


def _tail(tails: Tails, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    """Likelihood ratio of each path of censored normals; NaN without a tail.

    With w = z - c, g = 1/sigma and a = (c - mu)/sigma the log likelihood ``k ln g - sum (g w + a)^2 / 2 + m ln
    Phi(a)`` of k tail points and m others is concave. For given a the best g is the root of a quadratic; the slope of
    what is left falls in a, and its root is found by Newton's steps within a bracket.
    """
    cut = float(ndtri(level[0]))
    w = np.maximum(-ndtri((1.0 - level[0]) * tails.rest) - cut, CLOSE)
    k = tails.hits.counts.astype(np.float64)
    m, total, squares = tails.hits.n - k, tails.sums(w), tails.sums(w * w)
    flat = (m == 0) & (k * squares - total**2 <= 1e-12 * k * squares)
    out = np.full(k.shape, np.nan)
    some = (k > 0) & ~flat
    k, m, total, squares = k[some], m[some], total[some], squares[some]
    a = _censoring(k, m, total, squares, cut)
    out[some] = 2.0 * (
        _likelihood(_sharpness(a, k, total, squares), a, k, m, total, squares)
        - _likelihood(np.ones(k.shape), np.full(k.shape, cut), k, m, total, squares)
    )
    return np.asarray(np.maximum(out, 0.0))


def _likelihood(
    g: FloatArray, a: FloatArray, k: FloatArray, m: FloatArray, total: FloatArray, squares: FloatArray
) -> FloatArray:
    return np.asarray(k * np.log(g) - (g * g * squares + 2.0 * g * a * total + k * a * a) / 2.0 + m * log_ndtr(a))


def _sharpness(a: FloatArray, k: FloatArray, total: FloatArray, squares: FloatArray) -> FloatArray:
    """The best 1/sigma for given a: the positive root of ``squares g^2 + a total g = k``, without cancellation."""
    b = a * total
    root = np.sqrt(b * b + 4.0 * squares * k)
    return np.where(b > 0, 2.0 * k / (b + root), (root - b) / (2.0 * squares))


def _censoring(k: FloatArray, m: FloatArray, total: FloatArray, squares: FloatArray, cut: float) -> FloatArray:
    """The best a = (c - mu)/sigma of each path."""
    low, high = -np.sqrt(k + m) * np.where(m > 0, 1.0, 1e6) - 10.0, np.full(k.shape, 50.0)
    a = np.full(k.shape, cut)
    for _ in range(STEPS):
        g = _sharpness(a, k, total, squares)
        mills = np.exp(-0.5 * a * a - log_ndtr(a)) / np.sqrt(2.0 * np.pi)
        slope = m * mills - g * total - k * a
        bend = -m * mills * (mills + a) - k + g * total**2 / (2.0 * g * squares + a * total)
        low, high = np.where(slope > 0, a, low), np.where(slope > 0, high, a)
        newton = a - slope / np.minimum(bend, -1e-300)
        step = np.where((newton >= low) & (newton <= high), newton, 0.5 * (low + high))
        done = bool(np.all(np.abs(step - a) <= DONE * (1.0 + np.abs(a))))
        a = step
        if done:
            break
    return a
