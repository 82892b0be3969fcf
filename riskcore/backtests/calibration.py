"""Conditional calibration of (VaR, ES)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    Tail,
    chi2_sf,
    choice,
    undefined,
    wald_2,
)
from riskcore.backtests.nulls import SIMULATED, null_law
from riskcore.backtests.shortfall import Statistic, es_sample, run_simulated


def es_calibration(
    losses: Any,
    var: Any,
    es: Any,
    level: Any,
    volatility: Any = None,
    *,
    form: str = "simple",
    alternative: str = "two-sided",
    p_value: str = "auto",
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test (VaR, ES) together by conditional calibration.

    .. math:: V_1 = 1\{L>v\} - (1-p), \quad V_2 = v - e + (L-v)^+/(1-p), \quad
              T \bar V' W^{-1} \bar V \sim \chi^2_2, \quad W = V'V/T

    ``form="general"`` weighs by the volatility s: the scalar mean of :math:`1\{L>v\}(L-e)/((1-p)s)`, chi-square 1.
    ``alternative="understated"`` is one-sided: :math:`t_i = \sqrt T \bar V_i/\sqrt{W_{ii}}`, Hommel's combination of
    :math:`1 - \Phi(t_i)` over :math:`(V_1, V_2)`, or over :math:`(V_1, V_1|v|, V_2, V_2/s)` in the general form. Its
    sign is the paper's: forecasts that are too high are not rejected.

    The null is simulated, from each day's own law where `tail` gives it, else from Bernoulli hits with exponential
    excess: the asymptotic two-sided test rejects a true t(5) model at nominal 5 % in 24 to 26 % of samples of 250 days
    (17 to 18 % at 500, 12 to 13 % at 1000, 9 % at 2500).

    Parameters
    ----------
    losses, var, es, level, tail, rng, n_simulations, nan
        As in `acerbi_szekely_z2`.
    volatility : array_like, optional
        Needed by the general form; without it that form is scaled by the ES.
    form : {"simple", "general"}
        See above.
    alternative : {"two-sided", "understated"}
        Both directions, or understated risk only.
    p_value : {"auto", "simulated", "asymptotic"}
        The asymptotic p-value is for long samples only. "auto": simulated, unless the asymptotic one keeps its size.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, es_below_var, form, alternative, mean_v1, mean_v2 and df or seed.
        One-sided the statistic is Hommel's p, else the Wald statistic. NaN where an ES is not positive, and by the
        asymptotic p-value without an exception.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Nolde and Ziegel (2017), Annals of Applied Statistics 11(4), 1833-1874, doi:10.1214/17-AOAS1041.

    Examples
    --------
    >>> round(es_calibration([0.0, 3.0, 1.0, 5.0], 2.0, 4.0, 0.75).statistic, 4)
    0.8
    """
    choice("form", form, ("simple", "general"))
    choice("alternative", alternative, ("two-sided", "understated"))
    name, null = "es_calibration", "V1 and V2 have mean 0: VaR and ES are right together"
    prepared = es_sample(losses, var, es, level, volatility if form == "general" else None, tail, nan)
    sample, sums, details, reason = prepared
    usual = form == "simple" and alternative == "two-sided"  # what the table of sizes is about
    law = null_law(name if usual else "", p_value, sample.n_obs, sample.one_level, (SIMULATED, ASYMPTOTIC))
    facts: dict[str, Detail] = {"form": form, "alternative": alternative}
    details |= facts
    if reason:
        return undefined(name, null, sample, reason, details)
    details |= {"mean_v1": float(sums[0, 4] / sample.n_obs), "mean_v2": float(sums[0, 5] / sample.n_obs)}
    statistic, side = _CALIBRATION[form, alternative]
    if law == SIMULATED:
        return run_simulated(name, null, statistic, side, prepared, rng, n_simulations)
    value = float(statistic(sums, sample)[0])
    if details["hits"] == 0 or not np.isfinite(value):
        return undefined(name, null, sample, "no exception: the covariance of V is degenerate", details)
    if alternative == "understated":
        chance = value
    else:
        df = 2 if form == "simple" else 1
        details["df"] = df
        chance = chi2_sf(value, df)
    return BacktestResult(name, null, value, chance, ASYMPTOTIC, sample.n_obs, details)


def _ratio(total: FloatArray, squares: FloatArray) -> FloatArray:
    """sqrt(T) mean / root mean square, from sums; 0 where all are 0."""
    return np.divide(total, np.sqrt(squares), out=np.zeros(total.shape), where=squares > 0)


def _calibration_wald(sums: FloatArray, sample: Sample) -> FloatArray:
    return wald_2(sums[:, 4], sums[:, 5], sums[:, 6], sums[:, 7], sums[:, 8])[0]


def _calibration_square(sums: FloatArray, sample: Sample) -> FloatArray:
    return _ratio(sums[:, 9], sums[:, 10]) ** 2


def _hommel(*t: FloatArray) -> FloatArray:
    """Hommel's combination of one-sided normal p-values: ``min(1, k (1 + ... + 1/k) min p_(i)/i)``."""
    ranks = np.arange(1.0, len(t) + 1)
    p = np.sort(ndtr(-np.stack(t, axis=1)), axis=1)
    return np.asarray(np.minimum(1.0, len(t) * np.sum(1.0 / ranks) * np.min(p / ranks, axis=1)))


def _calibration_hommel(sums: FloatArray, sample: Sample) -> FloatArray:
    return _hommel(_ratio(sums[:, 4], sums[:, 6]), _ratio(sums[:, 5], sums[:, 8]))


def _calibration_hommel_general(sums: FloatArray, sample: Sample) -> FloatArray:
    return _hommel(*(_ratio(sums[:, i], sums[:, j]) for i, j in ((4, 6), (11, 12), (5, 8), (13, 14))))


_CALIBRATION: dict[tuple[str, str], tuple[Statistic, str]] = {
    ("simple", "two-sided"): (_calibration_wald, "upper"),
    ("simple", "understated"): (_calibration_hommel, "lower"),
    ("general", "two-sided"): (_calibration_square, "upper"),
    ("general", "understated"): (_calibration_hommel_general, "lower"),
}
