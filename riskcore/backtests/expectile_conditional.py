"""Conditional calibration of expectile forecasts: in calm and in volatile days, or against given instruments."""

from __future__ import annotations

from typing import Any

import numpy as np

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    OWN_LAW,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    Tail,
    chi2_sf,
    choice,
    normal_p,
    simulated_p,
    undefined,
    wald_2,
)
from riskcore.backtests.expectile import (
    ALL_EQUAL,
    ALTERNATIVES,
    OFFERED,
    draws,
    expectile_sample,
    judged_by_simulation,
    observed_sums,
    own_laws,
    t_statistic,
    violations,
)
from riskcore.backtests.laws import BLOCK, DayLaws
from riskcore.backtests.nulls import SIMULATED, null_law
from riskcore.errors import DataError, require

NAME, NULL = "expectile_conditional_calibration", "V has mean 0 whatever the day's scale"
NULL_GIVEN = "V has mean 0 whatever the instruments"
RANK_TOLERANCE = 1e-10


def expectile_conditional_calibration(
    losses: Any,
    expectile: Any,
    level: Any,
    volatility: Any = None,
    *,
    alternative: str = "two-sided",
    instruments: Any = None,
    p_value: str = "auto",
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether an expectile forecast is right in calm and in volatile days alike.

    .. math:: n\, \bar z' W^{+} \bar z \sim \chi^2_k, \quad z_t = h_t V_t, \quad h_t = (1, 1/\sigma_t)',
              \quad W = \overline{z z'}

    The p-value is simulated from each day's own law; see `expectile_calibration` for the sizes of asymptotic ones.
    With a constant scale the two moments are one (df 1).

    Parameters
    ----------
    losses, expectile, level, volatility, tail, rng, n_simulations, nan
        As in `expectile_calibration`; without a volatility the scale is the expectile.
    alternative : {"two-sided", "understated"}
        Two-sided, or super-calibration: :math:`h_t = 1/\sigma_t` alone and the lower tail of
        :math:`\sqrt n\, \bar z/\sqrt{W}`, which is the scaled statistic of `expectile_calibration`.
    instruments : array_like (n,) or (n, k), optional
        h of each day in place of (1, 1/sigma), known before the day; a constant counts only if it is a column. The
        simulated null keeps them as they are.
    p_value : {"auto", "simulated", "residual law", "asymptotic"}
        As in `expectile_calibration`; with instruments not "residual law".

    Returns
    -------
    BacktestResult
        `details`: as `expectile_calibration`, and df (the rank of W) where two-sided.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Nolde and Ziegel (2017), Annals of Applied Statistics 11(4), 1833-1874, doi:10.1214/17-AOAS1041.

    Examples
    --------
    >>> losses = [-1.0, 0.0, -1.0, 0.0, 3.0, 1.0]
    >>> result = expectile_conditional_calibration(losses, 1.0, 0.75, p_value="asymptotic")
    >>> round(result.statistic, 4), result.details["df"]
    (0.0, 1)
    """
    choice("alternative", alternative, ALTERNATIVES)
    two_sided = alternative == "two-sided"
    given = _columns(instruments)
    require(two_sided or not given, "instruments must go with alternative='two-sided', got 'understated'")
    null = NULL_GIVEN if given else NULL
    sample, scale, details, reason = expectile_sample(losses, expectile, level, volatility, tail, nan, given)
    offered = tuple(x for x in OFFERED if x in (SIMULATED, ASYMPTOTIC)) if given else OFFERED
    usual = two_sided and not given  # the form that the table of sizes is about
    method = null_law(NAME if usual else "", p_value, sample.n_obs, sample.one_level, offered)
    details["alternative"] = alternative
    if reason:
        return undefined(NAME, null, sample, reason, details)
    if given:
        h = np.stack([sample.columns[name] for name in given], axis=1)
        return _with_instruments(h, sample, details, method, rng, n_simulations)
    observed = observed_sums(sample, scale)
    statistic = _wald_statistic if two_sided else t_statistic
    value = float(statistic(observed)[0])
    if np.isnan(value):
        return undefined(NAME, null, sample, ALL_EQUAL, details)
    if two_sided:
        details["df"] = int(wald_2(*observed[0, :5])[1])
    if method == ASYMPTOTIC:
        chance = chi2_sf(value, int(details["df"])) if two_sided else normal_p(value, alternative)
        return BacktestResult(NAME, null, value, chance, ASYMPTOTIC, sample.n_obs, details)
    side = "upper" if two_sided else "lower"
    return judged_by_simulation(NAME, null, value, statistic, side, sample, scale, details, method, rng, n_simulations)


def _wald_statistic(sums: FloatArray) -> FloatArray:
    return wald_2(sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3], sums[:, 4])[0]


def _columns(instruments: Any) -> dict[str, FloatArray]:
    """Instruments as named columns; none are none."""
    if instruments is None:
        return {}
    h = np.asarray(instruments, dtype=np.float64)
    ok = h.ndim in (1, 2) and h.shape[-1] >= 1
    require(ok, f"instruments must have one or two dimensions, got shape {h.shape}", DataError)
    return {f"instrument {i}": column for i, column in enumerate(np.atleast_2d(h.T))}


def _with_instruments(
    h: FloatArray, sample: Sample, details: dict[str, Detail], method: str, rng: Seed, n_simulations: int
) -> BacktestResult:
    size = np.max(np.abs(h), axis=0)
    h = h / np.where(size > 0, size, 1.0)
    value, rank = (x[0] for x in _wald(violations(sample)[:, None], h))
    if rank == 0:
        return undefined(NAME, NULL_GIVEN, sample, "the instruments or V are 0 on all days", details)
    details["df"] = int(rank)
    if method == ASYMPTOTIC:
        chance = chi2_sf(float(value), int(rank))
        return BacktestResult(NAME, NULL_GIVEN, float(value), chance, ASYMPTOTIC, sample.n_obs, details)
    seed, facts = draws(rng, n_simulations)
    laws, _, reason = own_laws(sample, facts)
    details |= facts
    if laws is None:
        return undefined(NAME, NULL_GIVEN, sample, reason, details, statistic=float(value))
    chance = simulated_p(float(value), _drawn(seed, n_simulations, laws, h), "upper")
    return BacktestResult(NAME, NULL_GIVEN, float(value), chance, OWN_LAW, sample.n_obs, details)


def _wald(v: FloatArray, h: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Statistics and ranks (paths,) from V (days, paths) and instruments (days, k); the factors n cancel."""
    k = h.shape[1]
    total = v.T @ h
    products = ((v**2).T @ (h[:, :, None] * h[:, None, :]).reshape(-1, k * k)).reshape(-1, k, k)
    spread = np.sqrt(np.einsum("pii->pi", products))
    spread = np.where(spread > 0, spread, 1.0)
    values, vectors = np.linalg.eigh(products / (spread[:, :, None] * spread[:, None, :]))
    along = np.einsum("pij,pi->pj", vectors, total / spread)
    used = values > RANK_TOLERANCE
    parts = np.divide(along**2, values, out=np.zeros(values.shape), where=used)
    return parts.sum(axis=1), used.sum(axis=1)


def _drawn(seed: int, n_simulations: int, laws: DayLaws, h: FloatArray) -> FloatArray:
    """Statistics of paths drawn from the days' own laws: the logit of a uniform has the logistic law."""
    random, n = np.random.default_rng(seed), laws.level.size
    slopes = np.diff(laws.quantiles, axis=1) / np.diff(laws.knots)
    block, parts = max(1, BLOCK // n), []
    for first in range(0, n_simulations, block):
        y = random.logistic(size=(n, min(block, n_simulations - first)))
        j = np.clip(np.searchsorted(laws.knots, y) - 1, 0, laws.knots.size - 2)
        start, slope = (np.take_along_axis(x, j, axis=1) for x in (laws.quantiles, slopes))
        gap = laws.expectile[:, None] - (start + slope * (y - laws.knots[j]))
        parts.append(_wald(np.where(gap >= 0, 1.0 - laws.level[:, None], laws.level[:, None]) * gap, h)[0])
    return np.concatenate(parts)
