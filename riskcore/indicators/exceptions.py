"""The days on which a loss exceeded the VaR, one by one, and how severe they were."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from riskcore._types import Target
from riskcore.forecasts import Forecasts
from riskcore.indicators.rolling import hits

EXCEPTION_COLUMNS = ("date", "origin", "loss", "var", "excess", "es", "status")


@dataclass(frozen=True)
class Severity:
    """How large the exceptions of a VaR were; figures are NaN where there is none, or no ES at the level.

    Parameters
    ----------
    n_hits, n_obs : int
        Exceptions, and days with a loss and a forecast.
    mean_excess, largest_excess : float
        Of loss - VaR over the exceptions.
    mean_loss, mean_es : float
        Mean loss of the exceptions and the mean ES forecast for the same days, those with an ES; of a table without,
        mean loss is over all exceptions. Alike, but for chance, if VaR and ES are both right: a VaR that errs puts
        other days among the exceptions, and then a right ES differs from them too.
    longest_run : int
        Most exceptions on neighbouring days with a forecast.
    """

    n_hits: int
    n_obs: int
    mean_excess: float
    largest_excess: float
    mean_loss: float
    mean_es: float
    longest_run: int


def exception_table(forecasts: Forecasts, asset: str, model: str, target: Target) -> pd.DataFrame:
    """Every day whose loss exceeds the VaR, newest first.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    asset, model : str
        Names in the table.
    target : Target
        A VaR of the table.

    Returns
    -------
    DataFrame
        Columns date, origin, loss, var, excess (loss - var), es, status. `es` is the ES forecast at the VaR's level,
        NaN where the table has none. No rows where nothing exceeds.

    Raises
    ------
    ConfigError
        If the target is no VaR.
    DataError
        If the table has no such asset and model.

    Examples
    --------
    >>> days = pd.date_range("2024-01-02", periods=3)
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": [0.03, 0.02, np.nan], "status": "ok",
    ...                       "var_0.99": 0.02}, index)
    >>> table = exception_table(Forecasts(frame, [Target("var", 0.99)]), "A", "m", Target("var", 0.99))
    >>> table[["loss", "var", "excess"]].round(4).values.tolist()
    [[0.03, 0.02, 0.01]]
    """
    rows = forecasts.unit(asset, model)
    found = rows[hits(rows, target).to_numpy() == 1.0][::-1]
    es = Target("es", target.level).label
    return pd.DataFrame(
        {
            "date": pd.DatetimeIndex(found.index),
            "origin": found["origin"].to_numpy(),
            "loss": found["loss"].to_numpy(),
            "var": found[target.label].to_numpy(),
            "excess": (found["loss"] - found[target.label]).to_numpy(),
            "es": found[es].to_numpy() if es in found else np.full(len(found), np.nan),
            "status": found["status"].astype(str).to_numpy(),
        },
        columns=list(EXCEPTION_COLUMNS),
    )


def severity(forecasts: Forecasts, asset: str, model: str, target: Target) -> Severity:
    """How large the exceptions of `exception_table` were, and whether they came in a row.

    Parameters
    ----------
    forecasts, asset, model, target
        As there.

    Returns
    -------
    Severity
        Sizes are NaN without an exception.

    Examples
    --------
    >>> days = pd.date_range("2024-01-02", periods=3)
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": [0.03, 0.04, 0.0], "status": "ok",
    ...                       "var_0.99": 0.02, "es_0.99": 0.03}, index)
    >>> found = severity(Forecasts(frame, [Target("var", 0.99), Target("es", 0.99)]), "A", "m", Target("var", 0.99))
    >>> found.n_hits, found.longest_run, round(found.mean_loss, 4), round(found.mean_es, 4)
    (2, 2, 0.035, 0.03)
    """
    table = exception_table(forecasts, asset, model, target)
    hit = hits(forecasts.unit(asset, model), target).dropna().to_numpy()
    ends = np.flatnonzero(np.concatenate([[0.0], hit, [0.0]]) == 0.0)
    any_hit = len(table) > 0
    both = table[table["es"].notna()]
    judged = both if len(both) else table
    return Severity(
        n_hits=len(table),
        n_obs=int(hit.size),
        mean_excess=float(table["excess"].mean()) if any_hit else math.nan,
        largest_excess=float(table["excess"].max()) if any_hit else math.nan,
        mean_loss=float(judged["loss"].mean()) if any_hit else math.nan,
        mean_es=float(judged["es"].mean()) if len(both) else math.nan,
        longest_run=int(np.diff(ends).max()) - 1,
    )
