"""Tests of ES by regression: the ES of the losses, as a line in the forecast, should be the forecast."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from riskcore import defaults
from riskcore._types import FloatArray, IntArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    BOOTSTRAP,
    NO_PATH,
    OWN_LAW,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    Tail,
    chi2_sf,
    choice,
    hit_details,
    normal_p,
    prepare,
    seed_of,
    simulated_p,
    undefined,
)
from riskcore.backtests.coverage import ONE_LEVEL
from riskcore.backtests.laws import Key, day_laws, own_law_statistics
from riskcore.backtests.nulls import AUTO, SIMULATED, null_law
from riskcore.backtests.regression import REACH, varies
from riskcore.errors import require
from riskcore.kernels import quantile

STRICT, AUXILIARY, INTERCEPT = "strict", "auxiliary", "intercept"
FORMS = (STRICT, AUXILIARY, INTERCEPT)
NO_LAW = "the model has no law to simulate from; p_value='bootstrap' or 'asymptotic' on request"
NULLS = {
    STRICT: "the ES of the losses, and their quantile, are lines in e; that of the ES is e itself",
    AUXILIARY: "the ES of the losses is a line in e, their quantile one in v; that of the ES is e itself",
    INTERCEPT: "the ES of L - e is 0",
}
BLOCK = 1 << 20
"""Days of bootstrap samples held in memory at once."""


def esr(
    losses: Any,
    var: Any,
    es: Any,
    level: Any,
    *,
    form: str = STRICT,
    p_value: str = AUTO,
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SLOW,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test the ES by a regression of the ES of the losses on the forecast (Bayer-Dimitriadis).

    .. math:: ES_p(L_t) = a + b\,e_t, \quad \theta = (a, b - 1), \quad W = \theta' \hat V^{-1} \theta \sim \chi^2_2

    Two steps, without a random start: the regression quantile :math:`\hat q_t` of the losses, then least squares of
    :math:`\hat q_t + (L_t - \hat q_t)^+/(1-p)` on the regressors of the ES, with robust covariance; errors of the first
    step have no first-order effect on the second.

    Parameters
    ----------
    losses, var, es : array_like
        Losses and forecasts of VaR and ES at the same level. Only the auxiliary form reads the VaR.
    level : float
        In (0.5, 1).
    form : {"strict", "auxiliary", "intercept"}
        "strict": quantile and ES both on 1 and e; "auxiliary": the quantile on 1 and v; "intercept": the ES of
        ``L - e``, one-sided by its t statistic, positive where the forecast understates the risk.
    p_value : {"auto", "simulated", "bootstrap", "asymptotic"}
        "simulated": paths from the days' own laws, each against the measures of that law; "bootstrap": days drawn with
        replacement, the statistic centred at the estimate; "asymptotic": chi-square with 2 degrees of freedom, or the
        normal limit. "auto": simulated, without a law bootstrap, asymptotic where that keeps its size. Right
        forecasts (t(5), p = 0.975, T = 250) are rejected at nominal 5 % by 5.5, 2.6 and 48 %, in the intercept form by
        5.2, 3.0 and 1.2 % (measured).
    tail : (levels, quantiles), optional
        Levels (Q,) and quantiles (T, Q) of each day's own law.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated paths or bootstrap samples.
    nan : {"drop", "raise"}
        What a missing loss, forecast or law means.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, form, df, intercept, slope (of the ES), above_quantile (losses above
        the fitted quantile), seed, n_simulations. NaN with fewer than 3 losses above the fitted quantile (so below
        about 400 days at 0.99), where a forecast that is a regressor does not vary, and where the level moves by day.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Bayer and Dimitriadis (2022), Journal of Financial Econometrics 20(3), 437-471, doi:10.1093/jjfinec/nbaa013.
    Dimitriadis and Bayer (2019), Electronic Journal of Statistics 13(1), 1823-1871, doi:10.1214/19-EJS1560.

    Examples
    --------
    >>> losses = np.linspace(-1.0, 1.0, 100)
    >>> result = esr(losses, 0.8, 0.9, 0.9, form="intercept", p_value="asymptotic")
    >>> round(result.details["intercept"], 4), result.details["above_quantile"]
    (0.0091, 10)
    """
    name, offered = "esr", (SIMULATED, BOOTSTRAP, ASYMPTOTIC)
    choice("form", form, FORMS)
    choice("p_value", p_value, (AUTO, *offered))
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    sample = prepare(nan, {"losses": losses, "var": var, "es": es}, level, tail=tail)
    x, v, e = (sample.columns[c] for c in ("losses", "var", "es"))
    details = hit_details(sample, np.count_nonzero(x > v)) | {"form": form}
    reason = sample.reason or ("" if sample.one_level > 0 else ONE_LEVEL) or _flat(form, v, e)
    if reason:
        return undefined(name, NULLS[form], sample, reason, details)
    statistic, fitted = _fitted(form, x, v, e, sample.one_level)
    details |= fitted
    if not np.isfinite(statistic):
        few = f"{fitted['above_quantile']} losses above the fitted quantile, at least {quantile.FEWEST} needed"
        reason = few if int(fitted["above_quantile"]) < quantile.FEWEST else "the covariance is singular"
        return undefined(name, NULLS[form], sample, reason, details)
    able = offered[1:] if p_value == AUTO and sample.tail is None else offered
    how = null_law(name if form == STRICT else "", p_value, sample.n_obs, sample.one_level, able)
    if how == ASYMPTOTIC:
        chance = normal_p(-statistic, "understated") if form == INTERCEPT else chi2_sf(statistic, 2)
        return BacktestResult(name, NULLS[form], statistic, chance, how, sample.n_obs, details)
    seed = seed_of(rng)
    details |= {"seed": seed, "n_simulations": n_simulations}
    reason = _law_flaw(form, sample) if how == SIMULATED else ""
    if reason:
        return undefined(name, NULLS[form], sample, reason, details, statistic=statistic)
    if how == SIMULATED:
        levels, quantiles = sample.tail or (np.empty(0), np.empty(0))
        drawn, how = _own_law(Key(seed, n_simulations, levels, quantiles, sample.level), form), OWN_LAW
    else:
        null = np.array([fitted["intercept"], fitted.get("slope", 0.0)], dtype=np.float64)
        drawn = _bootstrap(form, sample, null, seed, n_simulations)
    chance = simulated_p(statistic, drawn, "upper")
    if np.isnan(chance):
        return undefined(name, NULLS[form], sample, NO_PATH, details, statistic=statistic)
    return BacktestResult(name, NULLS[form], statistic, chance, how, sample.n_obs, details)


def _flat(form: str, var: FloatArray, es: FloatArray) -> str:
    """Why the regressors do not serve, or an empty string."""
    if form != INTERCEPT and not varies(es):
        return "the ES does not vary; form='intercept' serves"
    return "the VaR does not vary" if form == AUXILIARY and not varies(var) else ""


def _law_flaw(form: str, sample: Sample) -> str:
    """Why the days' laws do not serve, or an empty string."""
    if sample.tail is None:
        return NO_LAW
    laws = day_laws(sample.tail, sample.level)
    return laws.flaw or ("by the day's laws " + flat if (flat := _flat(form, laws.var, laws.es)) else "")


def _fitted(
    form: str, losses: FloatArray, var: FloatArray, es: FloatArray, level: float
) -> tuple[float, dict[str, Detail]]:
    """Statistic and coefficients of the sample, in units of the mean ES."""
    unit = float(np.mean(np.abs(es))) or 1.0
    x = (var if form == AUXILIARY else es) / unit
    mean, e, intercept = float(np.mean(es / unit)), es / unit, form == INTERCEPT
    null = np.array([0.0, 0.0 if intercept else 1.0])
    z, moments = np.empty(x.size), np.zeros(6)
    statistic = quantile.shortfall_statistic(
        np.arange(x.size), losses / unit, x - x.mean(), e - mean, mean, np.empty(0), level, intercept, null, z, moments
    )
    facts: dict[str, Detail] = {"above_quantile": int(moments[5]), "df": 1 if intercept else 2}
    slope = float(moments[1])
    facts |= {"intercept": unit * float(moments[0])} if intercept else {
        "intercept": unit * (float(moments[0]) - slope * mean), "slope": slope,
    }  # fmt: skip
    return float(statistic), facts


@lru_cache(maxsize=2)
def _own_law(key: Key, form: str) -> FloatArray:
    """Statistics of paths from the days' own laws."""
    levels, quantiles, level = key.arrays
    unit = float(np.mean(np.abs(day_laws((levels, quantiles), level).es))) or 1.0
    laws = day_laws((levels, np.ascontiguousarray(quantiles / unit)), level)
    x = laws.var if form == AUXILIARY else laws.es
    x, mean, p = x - x.mean(), float(laws.es.mean()), float(level[0])
    e, null = laws.es - mean, np.array([0.0, 0.0 if form == INTERCEPT else 1.0])

    def statistic(where: IntArray, first: IntArray, losses: FloatArray, bound: FloatArray, out: FloatArray) -> None:
        quantile.shortfall_statistics(where, first, losses, x, e, mean, bound, p, form == INTERCEPT, null, out)

    chance = min(0.9, REACH * (1.0 - p))
    return own_law_statistics(key.seed, key.n_simulations, laws, chance, statistic, quantile.INCOMPLETE)


def _bootstrap(form: str, sample: Sample, null: FloatArray, seed: int, n_simulations: int) -> FloatArray:
    """Statistics of days drawn with replacement, against the coefficients of the sample."""
    x, v, e = (sample.columns[c] for c in ("losses", "var", "es"))
    unit, n, random = float(np.mean(np.abs(e))) or 1.0, x.size, np.random.default_rng(seed)
    regressor = (v if form == AUXILIARY else e) / unit
    centre = null / np.array([unit, 1.0])
    out, size = np.empty(n_simulations), max(1, BLOCK // n)
    for i in range(0, n_simulations, size):
        days, part = random.integers(n, size=(min(size, n_simulations - i), n)), out[i : i + size]
        quantile.shortfall_bootstrap(
            days, x / unit, regressor, e / unit, sample.one_level, form == INTERCEPT, centre, part
        )
    return out
