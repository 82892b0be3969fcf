"""The state of an asset in a few figures: its newest forecast under one model, and what the last days say of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from riskcore import defaults
from riskcore._types import Measure, Target
from riskcore.errors import require
from riskcore.forecasts import Forecasts
from riskcore.indicators.rolling import rolling_hits
from riskcore.indicators.translation import beside_expectile


@dataclass(frozen=True)
class HitCount:
    """Hits of a VaR on its last days, with the number expected and the supervisor's zone."""

    target: Target
    hits: int
    n_obs: int
    expected: float
    zone: str
    course: pd.Series[float]
    """The same count for every day before."""


@dataclass(frozen=True)
class Latest:
    """The newest forecast of an asset under one model; all figures are losses.

    Parameters
    ----------
    asset, model : str
        Names in the table.
    date, origin : Timestamp
        The day forecast for, and the last day used.
    ahead : bool
        Whether that day is still to come.
    status : str
        Status of the row.
    targets : tuple of Target
        One of each measure that has a value.
    rows : DataFrame
        Rows of the last days by date, the newest last.
    implied_var_level : float
        VaR level of the day's own law whose VaR equals the expectile VaR; NaN without a law or an expectile.
    hits : HitCount, optional
        None without a VaR or a known loss.
    """

    asset: str
    model: str
    date: pd.Timestamp
    origin: pd.Timestamp
    ahead: bool
    status: str
    targets: tuple[Target, ...]
    rows: pd.DataFrame
    implied_var_level: float
    hits: HitCount | None

    def target(self, measure: Measure) -> Target | None:
        """The target of `measure`, None where the model gives none."""
        return next((t for t in self.targets if t.measure == measure), None)

    def value(self, column: str) -> float:
        """A column of the newest row, e.g. ``var_0.99`` or ``volatility``; NaN where there is none."""
        return float(self.rows[column].iloc[-1]) if column in self.rows else math.nan

    def change(self, column: str) -> float:
        """By how much it differs from the day before; NaN where either is missing."""
        course = self.rows[column] if column in self.rows else pd.Series(dtype="float64")
        return float(course.iloc[-1] - course.iloc[-2]) if len(course) > 1 else math.nan


def latest(forecasts: Forecasts, asset: str, model: str, days: int = defaults.ROLLING_DAYS) -> Latest:
    """The newest forecast of an asset and model, with the course of its last days and its hits.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    asset, model : str
        Names in the table.
    days : int
        Days of the course and of the count of hits; with fewer known losses the count is of those there are. A day
        without forecast is left out of hits and of `n_obs`.

    Returns
    -------
    Latest
        Of the next day where the table has it, else of its last day. Of each measure the default level is taken if the
        table has it, else the first one with a value.

    Raises
    ------
    DataError
        If the table has no such asset and model.

    Examples
    --------
    >>> days = pd.date_range("2024-01-02", periods=3)
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> loss = [0.0, 0.03, float("nan")]
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": loss, "status": "ok", "var_0.99": 0.02},
    ...                      index)
    >>> newest = latest(Forecasts(frame, [Target("var", 0.99)]), "A", "m")
    >>> newest.ahead, newest.value("var_0.99"), newest.hits.hits, newest.hits.n_obs, newest.hits.zone
    (True, 0.02, 1, 2, 'red')
    """
    rows = forecasts.unit(asset, model)
    row = rows.iloc[-1]
    found = (_preferred(forecasts.targets, measure, row) for measure in ("var", "es", "expectile"))
    targets = tuple(t for t in found if t is not None)
    expectile = next((t for t in targets if t.measure == "expectile"), None)
    implied = math.nan
    if expectile is not None:
        tail = forecasts.tail(rows.iloc[-1:])
        law = None if tail is None else (tail[0], tail[1][0])
        implied = beside_expectile(float(row[expectile.label]), expectile.level, law)["implied_var_level"]
    var = next((t for t in targets if t.measure == "var"), None)
    ahead = bool(pd.isna(row["loss"]))
    return Latest(
        asset=asset,
        model=model,
        date=pd.Timestamp(rows.index[-1]),
        origin=pd.Timestamp(row["origin"]),
        ahead=ahead,
        status=str(row["status"]),
        targets=targets,
        rows=rows.iloc[-(days + ahead) :],
        implied_var_level=implied,
        hits=None if var is None else _count(forecasts, asset, model, var, days),
    )


def recent(forecasts: Forecasts, days: int = defaults.ROLLING_DAYS) -> Forecasts:
    """The last `days` rows with a known loss of every asset and model, and the next day's: a table for a small figure.

    >>> days = pd.date_range("2024-01-02", periods=4)
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": 0.0, "status": "ok"}, index)
    >>> frame["var_0.99"] = 1.0
    >>> len(recent(Forecasts(frame, [Target("var", 0.99)]), days=2).frame)
    2
    """
    require(days >= 1, f"days must be at least 1, got {days!r}; typical value: 250")
    parts = []
    for asset, model in forecasts.units:
        rows = forecasts.unit(asset, model)
        parts.append(rows.iloc[-(days + int(rows["loss"].isna().iloc[-1])) :])
    frame = pd.concat(parts, keys=forecasts.units, names=["asset", "model"])
    return Forecasts(frame, forecasts.targets)


def latest_table(states: Iterable[Latest]) -> pd.DataFrame:
    """One row per asset: the day, its risk figures, and the hits of the last days.

    Parameters
    ----------
    states : iterable of Latest
        What `latest` gave.

    Returns
    -------
    DataFrame
        Columns asset, model, date, var, es, expectile, volatility, hits, expected_hits, zone, status; NaN or None where
        the model gives none.
    """
    records = []
    for state in states:
        figures = {m: state.target(m) for m in ("var", "es", "expectile")}
        records.append(
            {
                "asset": state.asset,
                "model": state.model,
                "date": state.date,
                **{m: math.nan if t is None else state.value(t.label) for m, t in figures.items()},
                "volatility": state.value("volatility"),
                "hits": math.nan if state.hits is None else state.hits.hits,
                "expected_hits": math.nan if state.hits is None else state.hits.expected,
                "zone": None if state.hits is None else state.hits.zone,
                "status": state.status,
            }
        )
    columns = [
        "asset",
        "model",
        "date",
        "var",
        "es",
        "expectile",
        "volatility",
        "hits",
        "expected_hits",
        "zone",
        "status",
    ]
    return pd.DataFrame(records, columns=columns)


def _preferred(targets: tuple[Target, ...], measure: str, row: pd.Series) -> Target | None:
    """The default level of a measure, else its first, of those with a value."""
    usual = {"var": 0.99, "es": 0.975, "expectile": 0.99855}[measure]
    own = [t for t in targets if t.measure == measure and math.isfinite(row[t.label])]
    return next((t for t in own if t.level == usual), own[0] if own else None)


def _count(forecasts: Forecasts, asset: str, model: str, var: Target, days: int) -> HitCount | None:
    n_known = len(forecasts.judged(asset, model))
    if n_known == 0:
        return None
    table = rolling_hits(forecasts, asset, model, var, min(days, n_known), missing="skip")
    table = table[table["n_obs"] > 0].iloc[-days:]
    if table.empty:
        return None
    end = table.iloc[-1]
    n_obs = int(end["n_obs"])
    return HitCount(
        var, int(end["hits"]), n_obs, float(end["expected_hits"]), str(end["zone"]), table["hits"].astype(float)
    )
