"""Tests of expectile forecasts by their identification function (Nolde and Ziegel)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    choice,
    normal_p,
    prepare,
    seed_of,
    simulated_p,
    undefined,
)
from riskcore.backtests.laws import DayLaws, day_laws, own_law_expectile_sums, residual_expectile_sums
from riskcore.backtests.nulls import SIMULATED, null_law
from riskcore.errors import require
from riskcore.kernels import simulate
from riskcore.kernels.hac import long_run_variance
from riskcore.measures import expectile as sample_expectile

RESIDUAL_LAW = "residual law"
OFFERED = (SIMULATED, RESIDUAL_LAW, ASYMPTOTIC)
ALTERNATIVES = ("two-sided", "understated")
ALL_EQUAL = "all losses equal their expectile"
NO_LAW = "the model has no law to simulate from"
ON_REQUEST = NO_LAW + "; p_value='residual law' or 'asymptotic' on request"


def t_statistic(sums: FloatArray) -> FloatArray:
    """sqrt(T) mean / root mean square of V/s; NaN where all V are 0."""
    return _studentised(sums[:, 1], sums[:, 4])


def _raw_t_statistic(sums: FloatArray) -> FloatArray:
    return _studentised(sums[:, 0], sums[:, 2])


def _studentised(total: FloatArray, squares: FloatArray) -> FloatArray:
    return np.asarray(np.divide(total, np.sqrt(squares), out=np.full(total.shape, np.nan), where=squares > 0))


def expectile_sample(
    losses: Any,
    expectile: Any,
    level: Any,
    volatility: Any,
    tail: Tail | None,
    nan: str,
    instruments: Mapping[str, Any] | None = None,
) -> tuple[Sample, FloatArray, dict[str, Detail], str]:
    """Checked columns, the scale, details and why nothing can be computed."""
    columns = {"losses": losses, "expectile": expectile, **(instruments or {})}
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


def own_laws(sample: Sample, facts: dict[str, Detail]) -> tuple[DayLaws | None, FloatArray, str]:
    """Each day's law and its own scale, and why no null can be drawn; `facts` learns the hits to expect."""
    nothing = np.empty(0)
    if sample.tail is None:
        facts.clear()  # no seed was used
        return None, nothing, NO_LAW
    laws = day_laws(sample.tail, sample.level)
    if laws.flaw:
        return None, nothing, laws.flaw
    facts["expected_hits"] = float(laws.exceedance.sum())
    own = sample.columns.get("volatility", laws.expectile)
    if bool(np.any(own <= 0)):
        return None, own, "the expectile of the day's law must be positive to scale by"
    return laws, own, ""


def draws(rng: Seed, n_simulations: int) -> tuple[int, dict[str, Detail]]:
    """The seed, and how it and the number of paths are recorded."""
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    seed = seed_of(rng)
    return seed, {"seed": seed, "n_simulations": n_simulations}


def _null_sums(
    sample: Sample, scale: FloatArray, method: str, rng: Seed, n_simulations: int
) -> tuple[FloatArray, dict[str, Detail], str]:
    """Sums of simulated paths, details, and why there are none."""
    seed, facts = draws(rng, n_simulations)
    none = np.empty((0, 7))
    if method == SIMULATED:
        laws, own, reason = own_laws(sample, facts)
        if laws is None:
            return none, facts, ON_REQUEST if sample.tail is None else reason
        forecast = sample.columns["expectile"]  # the sums are those that the test of realised scores draws
        return own_law_expectile_sums(seed, n_simulations, laws, own, forecast), facts, ""
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
    lags: int = 0,
    p_value: str = "auto",
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
    lags : int
        Above 0 the variance is that of dependent days, by Newey and West's weights ``1 - j/(lags + 1)``; such a
        statistic has an asymptotic p-value only.
    p_value : {"auto", "simulated", "residual law", "asymptotic"}
        By default simulated from each day's own law. The residual law resamples L/m rescaled to expectile 1:
        approximate.
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
        scale, loss_gain_ratio (1 if calibrated), share_of_largest, alternative, lags, seed, n_simulations. NaN below 5
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
    choice("alternative", alternative, ALTERNATIVES)
    require(isinstance(lags, int) and lags >= 0, f"lags must be a whole number of at least 0, got {lags!r}")
    name, null = "expectile_calibration", "the mean of V is 0: the expectile is right on average"
    sample, scale, details, reason = expectile_sample(losses, expectile, level, volatility, tail, nan)
    usual = weighting == "scaled" and alternative == "two-sided"  # the form that the table of sizes is about
    offered = OFFERED if lags == 0 else (ASYMPTOTIC,)
    method = null_law(name if usual else "", p_value, sample.n_obs, sample.one_level, offered)
    details |= {"alternative": alternative, "lags": lags}
    if reason:
        return undefined(name, null, sample, reason, details)
    statistic = t_statistic if weighting == "scaled" else _raw_t_statistic
    value = float(statistic(observed_sums(sample, scale))[0])
    if np.isnan(value):
        return undefined(name, null, sample, ALL_EQUAL, details)
    if lags > 0:
        value *= _dependence(sample, scale if weighting == "scaled" else np.ones(sample.n_obs), lags)
        if np.isnan(value):
            return undefined(name, null, sample, "V has no long-run variance", details)
    if method == ASYMPTOTIC:
        chance = normal_p(value, alternative)
        return BacktestResult(name, null, value, chance, ASYMPTOTIC, sample.n_obs, details)
    side = "both" if alternative == "two-sided" else "lower"
    return judged_by_simulation(name, null, value, statistic, side, sample, scale, details, method, rng, n_simulations)


def judged_by_simulation(
    name: str,
    null: str,
    value: float,
    statistic: Callable[[FloatArray], FloatArray],
    side: str,
    sample: Sample,
    scale: FloatArray,
    details: dict[str, Detail],
    method: str,
    rng: Seed,
    n_simulations: int,
) -> BacktestResult:
    """The statistic's value against its simulated law."""
    sums, facts, reason = _null_sums(sample, scale, method, rng, n_simulations)
    details |= facts
    if reason:
        return undefined(name, null, sample, reason, details, statistic=value)
    chance = simulated_p(value, statistic(sums), side)
    if np.isnan(chance):
        return undefined(name, null, sample, NO_PATH, details, statistic=value)
    label = OWN_LAW if method == SIMULATED else RESIDUAL
    return BacktestResult(name, null, value, chance, label, sample.n_obs, details)


def violations(sample: Sample) -> FloatArray:
    """V of each day."""
    gap = sample.columns["expectile"] - sample.columns["losses"]
    return np.where(gap >= 0, 1.0 - sample.level, sample.level) * gap


def _dependence(sample: Sample, scale: FloatArray, lags: int) -> float:
    """Root mean square of V/s over its long-run standard deviation; NaN where that is 0."""
    z = violations(sample) / scale
    z /= np.max(np.abs(z))
    variance = float(long_run_variance(z, 1.0 - np.arange(lags + 1.0) / (lags + 1.0)))
    return float(np.sqrt(np.mean(z**2) / variance)) if variance > 1e-14 else float("nan")


def observed_sums(sample: Sample, scale: FloatArray) -> FloatArray:
    """`kernels.simulate.expectile_sums` of the sample; (1, 7)."""
    x, m = sample.columns["losses"], sample.columns["expectile"]
    return simulate.expectile_sums(x[:, None], m, sample.level, scale)
