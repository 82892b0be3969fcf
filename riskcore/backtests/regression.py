"""Tests that regress hits on what was known the day before."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtri

from riskcore import defaults
from riskcore._types import FloatArray, IntArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
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
    prepare,
    seed_of,
    simulated_p,
    undefined,
)
from riskcore.backtests.coverage import ONE_LEVEL
from riskcore.backtests.laws import Key, day_laws, own_law_statistics
from riskcore.backtests.nulls import AUTO, HIT_NULL, SIMULATED, Hits, hit_p, null_law
from riskcore.errors import require
from riskcore.kernels import coverage, quantile

RANK_TOLERANCE = 1e-10
"""Share of a column's square that the columns before it must leave unexplained for it to count."""
PAPER, GAS, EXTENDED = "paper", "gas", "extended"
NO_LAW = "the model has no law to simulate from; p_value='asymptotic' on request"
REACH = 3.0
"""Losses of a simulated path are drawn above the level whose tail is this many times that of the lowest line."""


def dynamic_quantile(
    losses: Any,
    var: Any,
    level: Any,
    *,
    lags: int = 4,
    form: str = PAPER,
    p_value: str = AUTO,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether hits can be predicted from the VaR and from earlier hits (out-of-sample Dynamic Quantile test).

    .. math:: DQ = \frac{H'X(X'X)^+X'H}{p(1-p)} \sim \chi^2_{rank X}, \quad H_t = 1\{L_t>v_t\} - (1-p),
              \quad X_t = (1, v_t, H_{t-1}, \dots, H_{t-4})

    The first `lags` days only serve as lags. The chi-square p-value is oversized with four lags: 9.4 / 17 / 11 / 10 %
    at nominal 5 % for p = 0.99 and T = 250 / 500 / 1000 / 2500, as two hits within four days reject by themselves;
    with one lag 5.8 %. The simulated null draws iid hits and keeps VaR and squared losses.

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts; a hit is ``loss > var``.
    level : float or array_like
        In (0.5, 1).
    lags : int
        Lagged hits, 0 or more.
    form : {"paper", "gas", "extended"}
        Regressors. "paper": 1, the VaR and the lagged hits; "gas": also the squared loss of the day before, as the R
        package GAS has it (7 columns); "extended": 1 and `lags` lags each of VaR, hit and squared loss (13 columns).
    p_value : {"auto", "simulated", "asymptotic"}
        "simulated": iid hits; "asymptotic": the chi-square limit. "auto": simulated unless the limit keeps its size.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated hit sequences.
    nan : {"drop", "raise"}
        What a missing loss or forecast means; dropped days join their neighbours.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, lags, form, df (the rank: a constant VaR takes one away), and a note
        where the days regressed have no hit or nothing else. NaN below ``2 lags + 3`` days.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Engle and Manganelli (2004), Journal of Business and Economic Statistics 22(4), 367-381,
    doi:10.1198/073500104000000370.

    Examples
    --------
    >>> losses = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    >>> result = dynamic_quantile(losses, 0.5, 0.75, p_value="asymptotic")
    >>> result.details["df"], result.n_obs
    (5, 11)
    """
    name, null = "dynamic_quantile", "hits have rate 1 - level whatever was known the day before"
    offered = (SIMULATED, ASYMPTOTIC)
    choice("form", form, (PAPER, GAS, EXTENDED))
    choice("p_value", p_value, (AUTO, *offered))
    fewest = 0 if form == PAPER else 1
    ok = isinstance(lags, int) and lags >= fewest
    require(ok, f"lags must be a whole number of at least {fewest}, got {lags!r}")
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    sample = prepare(nan, {"losses": losses, "var": var}, level, minimum=2 * lags + 3)
    x, v = sample.columns["losses"], sample.columns["var"]
    hits = x > v
    details = hit_details(sample, hits.sum()) | {"lags": lags, "form": form}
    if sample.reason:
        return undefined(name, null, sample, sample.reason, details)
    options = (form, lags, v.tobytes(), b"" if form == PAPER else x.tobytes())
    statistic, rank = _dq(Hits.of(hits), sample.level, options)[0]
    details["df"] = int(rank)
    inside = hits[lags:]
    if not inside.any() or inside.all():
        details["note"] = "no hit on the days regressed" if not inside.any() else "only hits on the days regressed"
    usual = form == PAPER and lags == 4  # what the table of sizes is about
    how = null_law(name if usual else "", p_value, sample.n_obs, sample.one_level, offered)
    if how == ASYMPTOTIC:
        chance = chi2_sf(statistic, int(rank))
        return BacktestResult(name, null, float(statistic), chance, ASYMPTOTIC, sample.n_obs, details)
    chance, facts = hit_p(_dq_statistic, float(statistic), options, sample.level, rng, n_simulations=n_simulations)
    return BacktestResult(name, null, float(statistic), chance, HIT_NULL, sample.n_obs, details | facts)


def _dq_statistic(hits: Hits, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    return _dq(hits, level, options)[:, 0].copy()


def _dq(hits: Hits, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    """Statistic and rank (paths, 2) for `options`: form, lags and the bytes of VaR and losses."""
    form, lags, var, losses = options
    basis = orthonormal(_fixed_columns(form, lags, np.frombuffer(var), np.frombuffer(losses)))
    rate, weight = 1.0 - level, 1.0 / np.sqrt(level * (1.0 - level))
    # at one level hits span with the intercept the same space as hits less their rate
    offset = np.zeros(hits.n) if bool(np.all(level == level[0])) else rate
    quiet, out = rate * weight, np.empty((hits.first.size - 1, 2))
    lagged = np.array([offset[lags - j : hits.n - j] for j in range(1, lags + 1)]).reshape(lags, hits.n - lags)
    sums = (quiet[lags:] @ basis, np.ascontiguousarray(basis.T @ lagged.T), lagged @ lagged.T, lagged @ quiet[lags:])
    coverage.projected_paths(hits.where, hits.first, basis, offset, weight, quiet, *sums, RANK_TOLERANCE, out)
    return out


def _fixed_columns(form: str, lags: int, var: FloatArray, losses: FloatArray) -> Iterable[FloatArray]:
    """Regressors that are no hits, on the days after the first `lags`."""
    n = var.size
    yield np.ones(n - lags)
    if form != EXTENDED:
        yield var[lags:]
    if form != PAPER:
        squares = np.square(losses / max(float(np.max(np.abs(losses))), np.finfo(float).tiny))
        for j in range(1, 2 if form == GAS else lags + 1):
            yield squares[lags - j : n - j]
    if form == EXTENDED:
        for j in range(1, lags + 1):
            yield var[lags - j : n - j]


def orthonormal(columns: Iterable[FloatArray]) -> FloatArray:
    """Orthonormal columns (n, rank) that span the given ones, in their order."""
    kept: list[FloatArray] = []
    for column in columns:
        size = float(np.max(np.abs(column)))
        if size == 0.0:
            continue
        rest = column / size
        whole = float(rest @ rest)
        for _ in range(2):  # the second round takes away what rounding left
            for q in kept:
                rest = rest - (q @ rest) * q
        left = float(rest @ rest)
        if left > RANK_TOLERANCE * whole:
            kept.append(rest / np.sqrt(left))
    return np.column_stack(kept)


def var_quantile_regression(
    losses: Any,
    var: Any,
    level: Any,
    *,
    p_value: str = AUTO,
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SLOW,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether the VaR is the conditional quantile: regression quantile of L on 1 and v (Gaglianone et al.).

    .. math:: \min_{a,b} \sum_t (p - 1\{L_t < a + b v_t\})(L_t - a - b v_t), \quad \theta = (a, b - 1), \quad
              W = \frac{\theta' H (X'X)^{-1} H \theta}{p(1-p)} \sim \chi^2_2, \quad H = \sum_t f_t x_t x_t'

    The density is that of Hendricks and Koenker, :math:`f_t = 2h/(\hat q_{p+h,t} - \hat q_{p-h,t})` from two more
    regressions (0 where they cross), with the bandwidth h of Hall and Sheather, halved until :math:`p + h \le 1`: the
    "nid" sandwich of the R package quantreg. The regressions are exact. At p = 0.99 the density rests on a handful of
    losses, so the p-value is simulated from each day's own law.

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts.
    level : float
        In (0.5, 1).
    p_value : {"auto", "simulated", "asymptotic"}
        "simulated": paths from the days' own laws, each against the VaR of that law; "asymptotic": chi-square with 2
        degrees of freedom. "auto": simulated unless the limit keeps its size.
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
        `details`: hits, expected_hits, missing, df, intercept, slope, bandwidth (h), density. NaN where the VaR does
        not vary, where the level moves by day, where the density cannot be estimated, and for a model without a law
        unless the asymptotic p-value is asked for.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Gaglianone, Lima, Linton and Smith (2011), Journal of Business and Economic Statistics 29(1), 150-160,
    doi:10.1198/jbes.2010.07318.
    Hendricks and Koenker (1992), Journal of the American Statistical Association 87(417), 58-68.
    Hall and Sheather (1988), Journal of the Royal Statistical Society B 50(3), 381-391.

    Examples
    --------
    >>> var = 1.0 + np.arange(40) % 4
    >>> losses = var * np.linspace(-1.0, 1.1, 40)
    >>> result = var_quantile_regression(losses, var, 0.9, p_value="asymptotic")
    >>> result.details["hits"], round(result.details["slope"], 3)
    (2, 0.938)
    """
    name, null, offered = "var_quantile_regression", "the quantile of the losses at the level is the VaR", (
        SIMULATED, ASYMPTOTIC,
    )  # fmt: skip
    choice("p_value", p_value, (AUTO, *offered))
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    sample = prepare(nan, {"losses": losses, "var": var}, level, tail=tail, minimum=4)
    x, v = sample.columns["losses"], sample.columns["var"]
    details = hit_details(sample, np.count_nonzero(x > v))
    reason = sample.reason or ("" if sample.one_level > 0 else ONE_LEVEL)
    if reason or not varies(v):
        return undefined(name, null, sample, reason or "the VaR does not vary", details)
    h = hall_sheather(sample.n_obs, sample.one_level)
    statistic, fitted = _vqr(x, v, sample.one_level, h)
    details |= fitted | {"df": 2, "bandwidth": h, "density": "Hendricks-Koenker, Hall-Sheather"}
    if not np.isfinite(statistic):
        return undefined(name, null, sample, "the lines beside the VaR cross: no density", details)
    how = null_law(name, p_value, sample.n_obs, sample.one_level, offered)
    if how == ASYMPTOTIC:
        return BacktestResult(name, null, statistic, chi2_sf(statistic, 2), how, sample.n_obs, details)
    reason = law_flaw(sample, "var")
    if reason:
        return undefined(name, null, sample, reason, details, statistic=statistic)
    seed = seed_of(rng)
    details |= {"seed": seed, "n_simulations": n_simulations}
    levels, quantiles = sample.tail or (np.empty(0), np.empty(0))
    chance = simulated_p(statistic, _vqr_null(Key(seed, n_simulations, levels, quantiles, sample.level), h), "upper")
    if np.isnan(chance):
        return undefined(name, null, sample, NO_PATH, details, statistic=statistic)
    return BacktestResult(name, null, statistic, chance, OWN_LAW, sample.n_obs, details)


def varies(column: FloatArray) -> bool:
    """Whether a regressor is more than a constant."""
    rest = column - column.mean()
    return bool(rest @ rest > RANK_TOLERANCE * (column @ column))


def law_flaw(sample: Sample, measure: str) -> str:
    """Why no regression on `measure` can be simulated from the days' laws, or an empty string."""
    if sample.tail is None:
        return NO_LAW
    laws = day_laws(sample.tail, sample.level)
    return laws.flaw or ("" if varies(getattr(laws, measure)) else f"the {measure} of the day's law does not vary")


def hall_sheather(n_obs: int, level: float) -> float:
    """Bandwidth in levels for the density at a quantile, at confidence 95 %; halved until it stays within (0, 1)."""
    z = ndtri(level)
    density2 = np.exp(-z * z) / (2.0 * np.pi)
    h = n_obs ** (-1 / 3) * ndtri(0.975) ** (2 / 3) * (1.5 * density2 / (2.0 * z * z + 1.0)) ** (1 / 3)
    while h > min(level, 1.0 - level):
        h /= 2.0
    return float(h)


def _vqr(losses: FloatArray, var: FloatArray, level: float, h: float) -> tuple[float, dict[str, Detail]]:
    """Statistic and coefficients of the sample."""
    unit, n, out = float(np.mean(np.abs(var))), var.size, np.empty(1)
    v, y, every, none = var / unit, losses / unit, np.arange(var.size), np.empty(0)
    mean = float(v.mean())
    quantile.quantile_wald(every, np.array([0, n]), y, v - mean, mean, none, level, h, out)
    line = np.empty((1, 2))
    quantile.quantile_lines(every, y, v - mean, none, np.array([level]), 1.0, line)
    slope = float(line[0, 1])
    return float(out[0]), {"intercept": unit * float(line[0, 0] - slope * mean), "slope": slope}


@lru_cache(maxsize=2)
def _vqr_null(key: Key, h: float) -> FloatArray:
    """Statistics of paths from the days' own laws."""
    levels, quantiles, level = key.arrays
    unit = float(np.mean(np.abs(day_laws((levels, quantiles), level).var)))
    laws = day_laws((levels, np.ascontiguousarray(quantiles / unit)), level)
    mean, p = float(laws.var.mean()), float(level[0])
    x = laws.var - mean

    def statistic(where: IntArray, first: IntArray, losses: FloatArray, bound: FloatArray, out: FloatArray) -> None:
        quantile.quantile_wald(where, first, losses, x, mean, bound, p, h, out)

    chance = min(0.9, REACH * (1.0 - p + h))
    return own_law_statistics(key.seed, key.n_simulations, laws, chance, statistic, quantile.INCOMPLETE)
