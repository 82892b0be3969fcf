"""Tests of expectile forecasts by their identification function (Nolde and Ziegel)."""

from __future__ import annotations

from typing import Any

import numpy as np

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    NO_PATH,
    OWN_LAW,
    RESIDUAL,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    Tail,
    chi2_sf,
    choice,
    normal_p,
    prepare,
    seed_of,
    simulated_p,
    undefined,
    wald_2,
)
from riskcore.backtests.laws import day_laws, own_law_expectile_sums, residual_expectile_sums
from riskcore.errors import require
from riskcore.kernels import simulate
from riskcore.measures import expectile as sample_expectile

METHODS = ("own law", "residual law", ASYMPTOTIC)
NO_LAW = "the model has no law to simulate from; p_value='residual law' or 'asymptotic' on request"


def _t_statistic(sums: FloatArray) -> FloatArray:
    """sqrt(T) mean / root mean square of V/s; NaN where all V are 0."""
    return _studentised(sums[:, 1], sums[:, 4])


def _raw_t_statistic(sums: FloatArray) -> FloatArray:
    return _studentised(sums[:, 0], sums[:, 2])


def _studentised(total: FloatArray, squares: FloatArray) -> FloatArray:
    return np.asarray(np.divide(total, np.sqrt(squares), out=np.full(total.shape, np.nan), where=squares > 0))


def _wald_statistic(sums: FloatArray) -> FloatArray:
    return wald_2(sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3], sums[:, 4])[0]


def _expectile_sample(
    losses: Any, expectile: Any, level: Any, volatility: Any, tail: Tail | None, nan: str
) -> tuple[Sample, FloatArray, dict[str, Detail], str]:
    """Checked columns, the scale, details and why nothing can be computed."""
    columns = {"losses": losses, "expectile": expectile}
    if volatility is not None:
        columns["volatility"] = volatility
    sample = prepare(nan, columns, level, tail=tail, minimum=5)
    x, m = sample.columns["losses"], sample.columns["expectile"]
    scale = sample.columns.get("volatility", m)
    used = "expectile" if volatility is None else "volatility"
    details: dict[str, Detail] = {"hits": int(np.count_nonzero(x > m)), "missing": sample.missing, "scale": used}
    reason = sample.reason
    if not reason and bool(np.any(scale <= 0)):
        reason = f"{used} must be positive to scale by, is not on {int(np.count_nonzero(scale <= 0))} days"
    if not reason:
        above, below = (np.maximum(g, 0.0) / scale for g in (x - m, m - x))
        gain = float(np.sum(below * (1.0 - sample.level)))
        if gain > 0:
            details["loss_gain_ratio"] = float(np.sum(above * sample.level)) / gain
        if above.any():
            details["share_of_largest"] = float(above.max() / above.sum())
    return sample, scale, details, reason


def _null_sums(
    sample: Sample, scale: FloatArray, p_value: str, rng: Seed, n_simulations: int
) -> tuple[FloatArray, dict[str, Detail], str]:
    """Sums of simulated paths, details, and why there are none."""
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    seed = seed_of(rng)
    facts: dict[str, Detail] = {"seed": seed, "n_simulations": n_simulations}
    none = np.empty((0, 5))
    if p_value == "own law":
        if sample.tail is None:
            return none, {}, NO_LAW
        laws = day_laws(sample.tail, sample.level)
        if laws.flaw:
            return none, facts, laws.flaw
        facts["expected_hits"] = float(laws.exceedance.sum())
        own = sample.columns.get("volatility", laws.expectile)
        if bool(np.any(own <= 0)):
            return none, facts, "the expectile of the day's law must be positive to scale by"
        return own_law_expectile_sums(seed, n_simulations, laws, own), facts, ""
    m = sample.columns["expectile"]
    if np.isnan(sample.one_level) or bool(np.any(m <= 0)):
        return none, facts, "residuals L/m need one level and positive expectiles"
    residuals = sample.columns["losses"] / m
    centre = float(sample_expectile(residuals, sample.one_level))
    if centre <= 0:
        return none, facts, "the residuals L/m have no positive expectile to rescale by"
    return residual_expectile_sums(seed, n_simulations, residuals / centre, m, sample.level, scale), facts, ""


def expectile_calibration(
    losses: Any,
    expectile: Any,
    level: Any,
    volatility: Any = None,
    *,
    weighting: str = "scaled",
    alternative: str = "two-sided",
    p_value: str = "own law",
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether an expectile forecast is right on average.

    .. math:: T = \sqrt n\, \bar z / \sqrt{\overline{z^2}}, \quad z_t = V_t/\sigma_t,
              \quad V_t = |1\{L_t \le m_t\} - \tau| (m_t - L_t)

    Negative values mean understated risk. The p-value is simulated from each day's own law. The asymptotic one rejects
    a true t(5) model at nominal 5 % in 18 / 10 / 7 % of samples of 250 / 1000 / 2500 days at level 0.99 and in
    45 / 22 / 15 % at 0.99855, while its one-sided form almost never rejects any model.

    Parameters
    ----------
    losses, expectile : array_like
        Losses and expectile forecasts.
    level : float or array_like
        In (0.5, 1).
    volatility : array_like, optional
        The day's scale; without it V/m.
    weighting : {"scaled", "raw"}
        V/scale, or V itself, where volatile days decide.
    alternative : {"two-sided", "understated"}
        Two-sided doubles the smaller tail.
    p_value : {"own law", "residual law", "asymptotic"}
        The residual law resamples L/m rescaled to expectile 1: approximate.
    tail : (levels, quantiles), optional
        Levels (Q,) and quantiles (T, Q) of each day's own law.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated paths.
    nan : {"drop", "raise"}
        What a missing loss, forecast or law means.

    Returns
    -------
    BacktestResult
        `details`: hits (losses above the expectile, no "exceptions"), expected_hits where there is a law, missing,
        scale, loss_gain_ratio (1 if calibrated), share_of_largest, alternative, seed, n_simulations. NaN below 5
        days, for a scale that is not positive, and for a model without a law unless asked otherwise.

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
    >>> round(expectile_calibration(losses, 1.0, 0.75, p_value="asymptotic").statistic, 4)
    0.0
    """
    choice("weighting", weighting, ("scaled", "raw"))
    choice("alternative", alternative, ("two-sided", "understated"))
    choice("p_value", p_value, METHODS)
    name, null = "expectile_calibration", "the mean of V is 0: the expectile is right on average"
    sample, scale, details, reason = _expectile_sample(losses, expectile, level, volatility, tail, nan)
    details["alternative"] = alternative
    if reason:
        return undefined(name, null, sample, reason, details)
    statistic = _t_statistic if weighting == "scaled" else _raw_t_statistic
    value = float(statistic(_observed(sample, scale))[0])
    if np.isnan(value):
        return undefined(name, null, sample, "all losses equal their expectile", details)
    if p_value == ASYMPTOTIC:
        chance = normal_p(value, alternative)
        return BacktestResult(name, null, value, chance, ASYMPTOTIC, sample.n_obs, details)
    sums, facts, reason = _null_sums(sample, scale, p_value, rng, n_simulations)
    details |= facts
    if reason:
        return undefined(name, null, sample, reason, details, statistic=value)
    chance = simulated_p(value, statistic(sums), "both" if alternative == "two-sided" else "lower")
    if np.isnan(chance):
        return undefined(name, null, sample, NO_PATH, details, statistic=value)
    return BacktestResult(name, null, value, chance, _label(p_value), sample.n_obs, details)


def _observed(sample: Sample, scale: FloatArray) -> FloatArray:
    x, m = sample.columns["losses"], sample.columns["expectile"]
    return simulate.expectile_sums(x[:, None], m, sample.level, scale)


def _label(p_value: str) -> str:
    return OWN_LAW if p_value == "own law" else RESIDUAL


def expectile_conditional_calibration(
    losses: Any,
    expectile: Any,
    level: Any,
    volatility: Any = None,
    *,
    p_value: str = "own law",
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether an expectile forecast is right in calm and in volatile days alike.

    .. math:: n\, \bar z' W^{-1} \bar z \sim \chi^2_2, \quad z_t = (1, 1/\sigma_t)' V_t, \quad W = \overline{z z'}

    The p-value is simulated from each day's own law; see `expectile_calibration` for the sizes of asymptotic ones.
    With a constant scale the two moments are one (df 1).

    Parameters
    ----------
    losses, expectile, level, volatility, p_value, tail, rng, n_simulations, nan
        As in `expectile_calibration`; without a volatility the scale is the expectile.

    Returns
    -------
    BacktestResult
        `details`: as `expectile_calibration`, and df.

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
    choice("p_value", p_value, METHODS)
    name, null = "expectile_conditional_calibration", "V has mean 0 whatever the day's scale"
    sample, scale, details, reason = _expectile_sample(losses, expectile, level, volatility, tail, nan)
    if reason:
        return undefined(name, null, sample, reason, details)
    observed = _observed(sample, scale)
    value = float(_wald_statistic(observed)[0])
    if np.isnan(value):
        return undefined(name, null, sample, "all losses equal their expectile", details)
    details["df"] = int(wald_2(*observed[0])[1])
    if p_value == ASYMPTOTIC:
        chance = chi2_sf(value, int(details["df"]))
        return BacktestResult(name, null, value, chance, ASYMPTOTIC, sample.n_obs, details)
    sums, facts, reason = _null_sums(sample, scale, p_value, rng, n_simulations)
    details |= facts
    if reason:
        return undefined(name, null, sample, reason, details, statistic=value)
    chance = simulated_p(value, _wald_statistic(sums), "upper")
    if np.isnan(chance):
        return undefined(name, null, sample, NO_PATH, details, statistic=value)
    return BacktestResult(name, null, value, chance, _label(p_value), sample.n_obs, details)
