"""Tests that regress hits on what was known the day before."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from riskcore import defaults
from riskcore.backtests.base import (
    ASYMPTOTIC,
    BERNOULLI,
    BacktestResult,
    Sample,
    Seed,
    chi2_sf,
    choice,
    hit_details,
    prepare,
    seed_of,
    simulated_p,
    undefined,
)
from riskcore.errors import require
from riskcore.kernels import coverage

RANK_TOLERANCE = 1e-10
"""Share of a column's square that the columns before it must leave unexplained for it to count."""


def dynamic_quantile(
    losses: Any,
    var: Any,
    level: Any,
    *,
    lags: int = 4,
    p_value: str = "asymptotic",
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether hits can be predicted from the VaR and from earlier hits (out-of-sample Dynamic Quantile test).

    .. math:: DQ = \frac{H'X(X'X)^+X'H}{p(1-p)} \sim \chi^2_{rank X}, \quad H_t = 1\{L_t>v_t\} - (1-p),
              \quad X_t = (1, v_t, H_{t-1}, \dots, H_{t-4})

    The first `lags` days only serve as lags. The chi-square p-value is oversized with four lags: 9.4 / 17 / 11 / 10 %
    at nominal 5 % for p = 0.99 and T = 250 / 500 / 1000 / 2500, as two hits within four days reject by themselves;
    with one lag 5.8 %. ``p_value="simulated"`` draws iid hits and keeps the VaR.

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts; a hit is ``loss > var``.
    level : float or array_like
        In (0.5, 1).
    lags : int
        Lagged hits, 0 or more.
    p_value : {"asymptotic", "simulated"}
        Chi-square limit, or a simulated null of iid hits.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated hit sequences.
    nan : {"drop", "raise"}
        What a missing loss or forecast means; dropped days join their neighbours.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, lags, df (the rank: a constant VaR takes one away), and a note where
        the days regressed have no hit or nothing else. NaN below ``2 lags + 3`` days.

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
    >>> result = dynamic_quantile([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0], 0.5, 0.75)
    >>> result.details["df"], result.n_obs
    (5, 11)
    """
    name, null = "dynamic_quantile", "hits have rate 1 - level whatever was known the day before"
    choice("p_value", p_value, (ASYMPTOTIC, "simulated"))
    require(isinstance(lags, int) and lags >= 0, f"lags must be a whole number of at least 0, got {lags!r}")
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    sample = prepare(nan, {"losses": losses, "var": var}, level, minimum=2 * lags + 3)
    hits = sample.columns["losses"] > sample.columns["var"]
    details = hit_details(sample, hits.sum()) | {"lags": lags}
    if sample.reason:
        return undefined(name, null, sample, sample.reason, details)
    statistic, rank = _dq(hits, sample, lags)
    details["df"] = rank
    inside = hits[lags:]
    if not inside.any() or inside.all():
        details["note"] = "no hit on the days regressed" if not inside.any() else "only hits on the days regressed"
    if p_value == ASYMPTOTIC:
        return BacktestResult(name, null, statistic, chi2_sf(statistic, rank), ASYMPTOTIC, sample.n_obs, details)
    seed = seed_of(rng)
    random = np.random.default_rng(seed)
    draws = np.empty(n_simulations)
    for i in range(n_simulations):
        draws[i] = _dq(random.random(sample.n_obs) > sample.level, sample, lags)[0]
    details |= {"seed": seed, "n_simulations": n_simulations}
    return BacktestResult(
        name, null, statistic, simulated_p(statistic, draws, "upper"), BERNOULLI, sample.n_obs, details
    )


def _dq(hits: npt.NDArray[np.bool_], sample: Sample, lags: int) -> tuple[float, int]:
    """Statistic and rank: from the positions of the hits at one level, by the columns where the level moves."""
    var, level = sample.columns["var"], sample.level
    if not np.isnan(sample.one_level):
        where = np.flatnonzero(hits)
        statistic, rank = coverage.dynamic_quantile(where, var, sample.one_level, lags, RANK_TOLERANCE)
        return float(statistic), int(rank)
    centred = hits - (1.0 - level)
    n = centred.size
    columns = [np.ones(n - lags), var[lags:], *(centred[lags - j : n - j] for j in range(1, lags + 1))]
    x = np.column_stack(columns)
    gram, right = x.T @ x, (centred / np.sqrt(level * (1.0 - level)))[lags:] @ x
    statistic, rank = coverage.projected(gram, right, np.diag(gram).copy(), RANK_TOLERANCE)
    return float(statistic), int(rank)
