"""Does a second forecast add to a first one? And is a forecast rational? Tests of moments that need no fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import FloatArray, Target
from riskcore.backtests.base import (
    ASYMPTOTIC,
    BERNOULLI,
    NONE,
    OWN_LAW,
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
    wald_2,
)
from riskcore.backtests.expectile import ALL_EQUAL
from riskcore.backtests.laws import day_laws, own_law_expectile_sums
from riskcore.backtests.nulls import AUTO, SIMULATED, draw_hits, null_law
from riskcore.compare.pairs import chosen
from riskcore.errors import DataError, require
from riskcore.forecasts import Forecasts
from riskcore.scores import expectile_identification, var_identification

MEASURES = ("var", "expectile")
NULL = "the second forecast adds nothing to the first"
RATIONAL = "the error of the expectile forecast does not depend on its size"
ASYMPTOTIC_TO = 0.99
"""The highest expectile level at which the normal law of the statistic serves: above it rejects too often."""
NEEDS_LAW = "the model has no law to simulate from, and above level 0.99 the normal law of the statistic is poor"
NO_LAW = "the model has no law to simulate from"
FLAT = 1e-12
COLUMNS = ("model", "other", "statistic", "p_value", "p_method", "n_obs", "reason")


def encompassing(
    losses: Any,
    first: Any,
    second: Any,
    level: Any,
    *,
    measure: str = "var",
    p_value: str = "auto",
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether a second forecast says something about the loss that the first one does not.

    .. math:: g_t = (f_{2,t} - f_{1,t})/f_{1,t}, \quad
              T_{VaR} = \frac{\sum I_t g_t}{\sqrt{p(1-p) \sum g_t^2}}, \quad
              T_{expectile} = \frac{\sum I_t g_t}{\sqrt{\sum (I_t g_t)^2}}

    with I the identification function of the first forecast, :math:`1\{L>f_1\} - (1-p)` for VaR and :math:`-V/f_1` for
    the expectile. A positive value says that the loss was worse than the first forecast where the second stood above
    it. Run it both ways: where each adds to the other, combine them.

    Parameters
    ----------
    losses, first, second : array_like
        Losses and the two forecasts.
    level : float or array_like
        In (0.5, 1).
    measure : {"var", "expectile"}
        What was forecast.
    p_value : {"auto", "simulated", "asymptotic"}
        Simulated: Bernoulli hits for VaR, losses of the first model's own law (`tail`) for the expectile; g is held.
        "auto" simulates where it can; an expectile without a law has the normal law up to level 0.99, and NaN above.
    tail : (levels, quantiles), optional
        Levels (Q,) and quantiles (T, Q) of each day's own law of the first model.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated paths.
    nan : {"drop", "raise"}
        What a missing day means.

    Returns
    -------
    BacktestResult
        `p_value` is two-sided. `details`: hits, mean_moment, missing, seed or not, and a note where g is the same on
        all days, when the test is one of coverage alone. Equal forecasts on all days: statistic 0, p-value 1, with a
        reason. NaN below 5 days or where a first forecast is not positive.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Giacomini and Komunjer (2005), Journal of Business and Economic Statistics 23(4), 416-431, for the question; the
    moment is that of conditional calibration in Nolde and Ziegel (2017), doi:10.1214/17-AOAS1041.

    Examples
    --------
    >>> result = encompassing([0.0, 3.0, 1.0, 5.0, 0.0], 2.0, [1.0, 4.0, 1.0, 4.0, 1.0], 0.75, p_value="asymptotic")
    >>> round(result.statistic, 4)
    2.6112
    """
    choice("measure", measure, MEASURES)
    name = "encompassing"
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    columns = {"losses": losses, "first": first, "second": second}
    sample = prepare(nan, columns, level, tail=tail if measure == "expectile" else None, minimum=5)
    law = null_law("", p_value, sample.n_obs, sample.one_level, (SIMULATED, ASYMPTOTIC))
    x, f, other = (sample.columns[key] for key in columns)
    details: dict[str, Detail] = {"hits": int(np.count_nonzero(x > f)), "missing": sample.missing, "measure": measure}
    low = int(np.count_nonzero(f <= 0))
    reason = sample.reason or (f"the first forecast must be positive, is not on {low} days" if low else "")
    if reason:
        return undefined(name, NULL, sample, reason, details)
    g = (other - f) / f
    if not g.any():
        facts = details | {"reason": "the forecasts are equal on all days"}
        return BacktestResult(name, NULL, 0.0, 1.0, NONE, sample.n_obs, facts)
    if float(np.ptp(g)) <= FLAT * float(np.max(np.abs(g))):
        details["note"] = "the second forecast is a multiple of the first: a test of coverage alone"
    if measure == "var":
        return _var(sample, g, law, details, rng, n_simulations)
    return _expectile(sample, g, law, p_value == AUTO, details, rng, n_simulations)


def _var(
    sample: Sample, g: FloatArray, law: str, details: dict[str, Detail], rng: Seed, n_simulations: int
) -> BacktestResult:
    p = sample.level
    spread = math.sqrt(float(np.sum(p * (1.0 - p) * g**2)))
    moment = var_identification(sample.columns["losses"], sample.columns["first"], p) * g
    statistic = float(moment.sum()) / spread
    details["mean_moment"] = float(moment.mean())
    if law == ASYMPTOTIC:
        chance = normal_p(statistic, "two-sided")
        return BacktestResult("encompassing", NULL, statistic, chance, ASYMPTOTIC, sample.n_obs, details)
    seed = seed_of(rng)
    hits = draw_hits(seed, n_simulations, p)
    sums = np.append(0.0, np.cumsum(g[hits.where]))[hits.first]
    drawn = (np.diff(sums) - float(np.sum((1.0 - p) * g))) / spread
    chance = simulated_p(statistic, drawn, "both")
    facts = details | {"seed": seed, "n_simulations": n_simulations}
    return BacktestResult("encompassing", NULL, statistic, chance, BERNOULLI, sample.n_obs, facts)


def _expectile(
    sample: Sample, g: FloatArray, law: str, fall_back: bool, details: dict[str, Detail], rng: Seed, n_simulations: int
) -> BacktestResult:
    name, f = "encompassing", sample.columns["first"]
    moment = -expectile_identification(sample.columns["losses"], f, sample.level) / f * g
    squares = float(np.sum(moment**2))
    if squares == 0.0:
        return undefined(name, NULL, sample, "the loss equals the forecast wherever the forecasts differ", details)
    statistic = float(moment.sum()) / math.sqrt(squares)
    details["mean_moment"] = float(moment.mean())
    if law != ASYMPTOTIC and sample.tail is None:
        if not fall_back:
            return undefined(name, NULL, sample, NO_LAW, details, statistic=statistic)
        if float(sample.level.max()) > ASYMPTOTIC_TO:
            return undefined(name, NULL, sample, NEEDS_LAW, details, statistic=statistic)
        law = ASYMPTOTIC
    if law == ASYMPTOTIC:
        chance = normal_p(statistic, "two-sided")
        return BacktestResult(name, NULL, statistic, chance, ASYMPTOTIC, sample.n_obs, details)
    assert sample.tail is not None
    laws = day_laws(sample.tail, sample.level)
    flaw = laws.flaw or ("" if (laws.expectile > 0).all() else "the expectile of the day's law must be positive")
    if flaw:
        return undefined(name, NULL, sample, flaw, details, statistic=statistic)
    seed = seed_of(rng)
    scale = np.divide(-laws.expectile, g, out=np.full(g.size, np.inf), where=g != 0)
    sums = own_law_expectile_sums(seed, n_simulations, laws, scale)
    drawn = np.divide(sums[:, 1], np.sqrt(sums[:, 4]), out=np.full(len(sums), np.nan), where=sums[:, 4] > 0)
    facts = details | {"seed": seed, "n_simulations": n_simulations}
    return BacktestResult(name, NULL, statistic, simulated_p(statistic, drawn, "both"), OWN_LAW, sample.n_obs, facts)


def encompassing_table(
    forecasts: Forecasts, target: Target | str, asset: str | None = None, **options: Any
) -> pd.DataFrame:
    """Encompassing tests of every ordered pair of models on one target: does `other` add to `model`?

    Parameters
    ----------
    forecasts : Forecasts
        The table.
    target : Target or str
        A VaR or an expectile, e.g. ``"var:0.99"``.
    asset : str, optional
        None means the first.
    **options
        Keywords of `encompassing`.

    Returns
    -------
    DataFrame
        Columns model, other, statistic, p_value, p_method, n_obs, reason. Models are compared on the days both
        forecast. Where a pair is rejected both ways each says what the other does not: combine them.

    Raises
    ------
    DataError
        For an unknown asset or target.

    Examples
    --------
    >>> import riskcore
    >>> callable(riskcore.compare.encompassing_table)
    True
    """
    target, asset, models = chosen(forecasts, target, asset)
    require(target.measure in MEASURES, f"target must be a VaR or an expectile, got {target.label}", DataError)
    rows = {model: forecasts.judged(asset, model) for model in models}
    records = []
    for model, own in rows.items():
        for other in (name for name in models if name != model):
            second = rows[other][target.label].reindex(own.index)
            x, f, g = (c.to_numpy(dtype=np.float64) for c in (own["loss"], own[target.label], second))
            tail = forecasts.tail(own)
            result = encompassing(x, f, g, target.level, measure=target.measure, tail=tail, **options)
            facts = (result.statistic, result.p_value, result.p_method, result.n_obs, result.reason)
            records.append((model, other, *facts))
    return pd.DataFrame(records, columns=list(COLUMNS))


def rationality(
    losses: Any,
    expectile: Any,
    level: Any,
    *,
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether an expectile forecast is right whatever its size, by moments with a simulated null.

    .. math:: z_t = \frac{V_t}{m_t} \begin{pmatrix} 1 \\ \ln m_t \end{pmatrix}, \quad
              T\, \bar z' W^{-1} \bar z, \quad W = \overline{z z'}

    The question of Mincer and Zarnowitz without a regression. The chi-square law rejects a true model far too often
    (at level 0.99 and nominal 5 % in 33 / 16 / 12 % of samples of 250 / 1000 / 2500 days), so the null is simulated
    from the day's own law, and there is no other p-value.

    Parameters
    ----------
    losses, expectile : array_like
        Losses and expectile forecasts.
    level : float or array_like
        In (0.5, 1).
    tail, rng, n_simulations, nan
        As in `encompassing`.

    Returns
    -------
    BacktestResult
        `details`: hits, missing, seed. NaN below 5 days, without a law, or where a forecast is not positive. With one
        forecast on all days the second moment falls away.

    Raises
    ------
    ConfigError, DataError
        For a level or a shape that cannot be used.

    References
    ----------
    Mincer and Zarnowitz (1969), The evaluation of economic forecasts, NBER.
    Nolde and Ziegel (2017), Annals of Applied Statistics 11(4), 1833-1874, doi:10.1214/17-AOAS1041.

    Examples
    --------
    >>> rationality([0.0, 3.0, 1.0, 5.0, 0.0], 2.0, 0.75).reason
    'the model has no law to simulate from'
    """
    name = "rationality"
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    sample = prepare(nan, {"losses": losses, "expectile": expectile}, level, tail=tail, minimum=5)
    x, m = sample.columns["losses"], sample.columns["expectile"]
    details: dict[str, Detail] = {"hits": int(np.count_nonzero(x > m)), "missing": sample.missing}
    low = int(np.count_nonzero(m <= 0))
    reason = sample.reason or (f"the forecast must be positive, is not on {low} days" if low else "")
    reason = reason or (NO_LAW if sample.tail is None else "")
    if reason or sample.tail is None:
        return undefined(name, RATIONAL, sample, reason, details)
    laws = day_laws(sample.tail, sample.level)
    flaw = laws.flaw or ("" if (laws.expectile > 0).all() else "the expectile of the day's law must be positive")
    if flaw:
        return undefined(name, RATIONAL, sample, flaw, details)
    z = expectile_identification(x, m, sample.level) / m
    sized = z * _log_size(m)
    observed = wald_2(z.sum(), sized.sum(), np.sum(z * z), np.sum(z * sized), np.sum(sized * sized))[0]
    if np.isnan(observed):
        return undefined(name, RATIONAL, sample, ALL_EQUAL, details)
    seed = seed_of(rng)
    # The laws of L/m have expectile 1, so that the sums of V are those of V/m of the losses.
    own = day_laws((laws.levels, laws.quantiles / laws.expectile[:, None]), sample.level)
    size = _log_size(laws.expectile)
    scale = np.divide(1.0, size, out=np.full(size.size, np.inf), where=size != 0)
    sums = own_law_expectile_sums(seed, n_simulations, own, scale)
    drawn = wald_2(sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3], sums[:, 4])[0]
    facts = details | {"seed": seed, "n_simulations": n_simulations}
    chance = simulated_p(float(observed), drawn, "upper")
    return BacktestResult(name, RATIONAL, float(observed), chance, OWN_LAW, sample.n_obs, facts)


def _log_size(m: FloatArray) -> FloatArray:
    """ln m about its mean: the moments span the same, and their unit does not matter; 0 where m does not move."""
    size = np.log(m) - np.log(m).mean()
    return np.asarray(np.where(float(np.ptp(size)) > FLAT, size, 0.0))
