"""Tests of the hits of many series at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from riskcore._types import FloatArray
from riskcore.backtests.hit_laws import lr_coverage, lr_independence
from riskcore.backtests.regression import RANK_TOLERANCE
from riskcore.errors import ConfigError, DataError, require
from riskcore.kernels.coverage import N_FACTS, coverage_facts
from riskcore.measures.rows import tail_probability

TILE, STRETCH = 128, 256
"""Series and days that are laid out day after day at once, where the panel holds the series side by side."""


def coverage_panel(losses: Any, var: Any, level: Any, *, lags: int = 4) -> pd.DataFrame:
    r"""Kupiec, Christoffersen and Dynamic Quantile tests of each column of a panel, in one pass.

    .. math:: LR_{POF} \sim \chi^2_1, \quad LR_{ind} \sim \chi^2_1, \quad LR_{cc} = LR_{POF} + LR_{ind} \sim \chi^2_2,
              \quad DQ \sim \chi^2_{rank X}

    The figures are those of `kupiec`, `christoffersen_independence`, `christoffersen_coverage` and `dynamic_quantile`
    on each column, with their asymptotic p-values; see there for the sizes these attain.

    Parameters
    ----------
    losses : DataFrame or array (n, k)
        Losses, one series a column.
    var : DataFrame or array (n, k)
        VaR forecasts; also one column (n,) or (n, 1), or a number, for all series.
    level : float or array (k,)
        In (0.5, 1); an array gives each series its own.
    lags : int
        Lagged hits of the Dynamic Quantile test, 0 or more.

    Returns
    -------
    DataFrame
        One row a series: n_obs, missing, hits, expected_hits, the statistics by the names of the tests, each with its
        p-value (name and ``_p``), and dynamic_quantile_df. A day without a loss or a forecast is left out of its
        series, and its neighbours join. NaN where the single test gives NaN: no usable day, below two days
        (Christoffersen), below ``2 lags + 3`` days (Dynamic Quantile).

    Raises
    ------
    ConfigError, DataError
        For a level, a number of lags or a shape that cannot be used.

    References
    ----------
    Kupiec (1995), Journal of Derivatives 3(2), 73-84.
    Christoffersen (1998), International Economic Review 39(4), 841-862.
    Engle and Manganelli (2004), Journal of Business and Economic Statistics 22(4), 367-381,
    doi:10.1198/073500104000000370.

    Examples
    --------
    >>> losses = np.zeros((500, 2))
    >>> losses[:10, 0] = 1.0
    >>> coverage_panel(losses, 0.5, 0.99)[["hits", "kupiec", "kupiec_p"]].round(3).values.tolist()
    [[10.0, 3.914, 0.048], [0.0, 10.05, 0.002]]
    """
    require(isinstance(lags, int) and lags >= 0, f"lags must be a whole number of at least 0, got {lags!r}")
    names = losses.columns if isinstance(losses, pd.DataFrame) else None
    same = names is None or not isinstance(var, pd.DataFrame) or names.equals(var.columns)
    require(same, "var must have the columns of losses", DataError)
    x, v = np.asarray(losses, dtype=np.float64), np.asarray(var, dtype=np.float64)
    require(x.ndim == 2, f"losses must have two dimensions, got shape {x.shape}", DataError)
    v = v[:, None] if v.ndim == 1 else v
    ok = v.ndim == 0 or v.shape in (x.shape, (x.shape[0], 1))
    require(ok, f"var must have the shape of losses, got {v.shape} and {x.shape}", DataError)
    levels = np.asarray(level, dtype=np.float64)
    ok = levels.ndim == 0 or levels.shape == x.shape[1:]
    require(ok, f"level must be a number or one for each series, got {levels.shape} and {x.shape}", DataError)
    inside = bool(np.all((levels > 0.5) & (levels < 1)))
    require(inside, f"level must lie in (0.5, 1), got {level!r}; typical values: 0.975, 0.99", ConfigError)
    levels = np.array(np.broadcast_to(levels, x.shape[1:]))
    return _table(_facts(x.T, np.broadcast_to(v, x.shape).T, levels, lags), levels, x.shape[0], names)


def _facts(losses: FloatArray, var: FloatArray, level: FloatArray, lags: int) -> FloatArray:
    """`kernels.coverage.coverage_facts` of rows; series that lie side by side are laid out a tile at a time."""
    if losses.flags.c_contiguous and var.flags.c_contiguous:
        return np.asarray(coverage_facts(losses, var, level, lags, RANK_TOLERANCE))
    parts = [np.empty((0, N_FACTS))]
    for tile in (slice(i, i + TILE) for i in range(0, level.size, TILE)):
        x, v = _laid_out(losses[tile]), _laid_out(var[tile])
        parts.append(coverage_facts(x, v, level[tile], lags, RANK_TOLERANCE))
    return np.concatenate(parts)


def _laid_out(rows: FloatArray) -> FloatArray:
    """A copy with the days of a series side by side, in stretches that stay in the cache: three times faster."""
    out = np.empty(rows.shape)
    for first in range(0, rows.shape[1], STRETCH):
        out[:, first : first + STRETCH] = rows[:, first : first + STRETCH]
    return out


def _table(facts: FloatArray, levels: FloatArray, n: int, names: pd.Index[Any] | None) -> pd.DataFrame:
    days, hits, *pairs, dq, rank = facts.T
    some, enough = days >= 1, days >= 2
    rates = {value: tail_probability(value) for value in np.unique(levels)}
    coverage, independence = np.full(days.shape, np.nan), np.full(days.shape, np.nan)
    coverage[some] = lr_coverage(days[some], hits[some], levels[some])
    independence[enough] = lr_independence(*(p[enough] for p in pairs))
    statistics = {
        "kupiec": (coverage, 1.0),
        "christoffersen_independence": (independence, 1.0),
        "christoffersen_coverage": (coverage + independence, 2.0),
        "dynamic_quantile": (dq, rank),
    }
    table: dict[str, Any] = {"n_obs": days.astype(np.int64), "missing": n - days.astype(np.int64)}
    table |= {"hits": hits.astype(np.int64), "expected_hits": days * np.array([rates[value] for value in levels])}
    for name, (statistic, df) in statistics.items():
        table |= {name: statistic, f"{name}_p": chdtrc(df, statistic)}
    return pd.DataFrame(table | {"dynamic_quantile_df": rank}, index=names)
