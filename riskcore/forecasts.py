"""The table of forecasts: written by the walk through time, read by everything that judges it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import FloatArray, Status, Target
from riskcore.errors import DataError, require

INDEX = ("asset", "model", "date")
LEADING = ("origin", "loss", "status")
DENSITY = ("mean", "volatility", "pit", "log_score", "crps")
LEVEL = "level"
"""Column of the day's own expectile level, of models that have one."""
STATUS_NAMES: tuple[str, ...] = tuple(s.name for s in Status)
STATUS_WORDS = {
    "ok": "nothing to remark",
    "retry": "estimated from other starts, usable",
    "boundary": "an estimated parameter lies on its limit, usable",
    "implausible": "ES below VaR, levels that cross, or a forecast outside any sane range: do not use without a look",
    "stale_params": "the estimation failed, the last good parameters stand in",
    "fallback": "the estimation failed, a simpler model stands in",
    "failed": "no forecast",
}
"""What each status means, for the legends of reports."""
STATUS_DTYPE = pd.CategoricalDtype(list(STATUS_NAMES), ordered=True)


def tail_label(level: float) -> str:
    """Column of the day's law's quantile at `level`, e.g. ``tail_0.99``."""
    return f"tail_{level!r}"


class Forecasts:
    """Forecasts of risk, one row per asset, model and day; the only thing that models and judges both know.

    Parameters
    ----------
    frame : DataFrame
        Index ``(asset, model, date)``; columns ``origin, loss, status``, one per target (``var_0.99``), then, where a
        model has a law, ``mean, volatility, pit, log_score, crps`` and quantiles ``tail_<level>`` of the day's law;
        ``level`` where a model's VaR is the expectile at a level that moves.
        Losses and forecasts are in the units of the losses (0.021 is a loss of 2.1 %). NaN in a target means "not
        offered" or "failed"; NaN in `loss` marks the day that is still to come.
    targets : iterable of Target
        The targets that have a column.

    Raises
    ------
    DataError
        If a column is missing, a row repeats, or an origin does not lie before its date.

    Examples
    --------
    >>> from riskcore import Target
    >>> day = pd.Timestamp("2024-01-03")
    >>> index = pd.MultiIndex.from_tuples([("A", "historical", day)], names=["asset", "model", "date"])
    >>> row = {"origin": day - pd.Timedelta(days=1), "loss": 0.01, "status": "ok", "var_0.99": 0.02}
    >>> frame = pd.DataFrame(row, index)
    >>> Forecasts(frame, [Target("var", 0.99)]).models
    ['historical']
    """

    def __init__(self, frame: pd.DataFrame, targets: Iterable[Target]) -> None:
        self.targets: tuple[Target, ...] = tuple(targets)
        _check(frame, self.targets)
        if frame["status"].dtype != STATUS_DTYPE:
            frame = frame.assign(status=frame["status"].astype(STATUS_DTYPE))
        self.frame = _in_order(frame)

    @property
    def assets(self) -> list[str]:
        """Names of the assets, in order."""
        return list(self.frame.index.unique("asset"))

    @property
    def models(self) -> list[str]:
        """Names of the models, in order."""
        return list(self.frame.index.unique("model"))

    @cached_property
    def units(self) -> list[tuple[str, str]]:
        """Pairs (asset, model) that have rows, in order."""
        codes = np.array(self.frame.index.codes[:2])  # type: ignore[attr-defined]  # a MultiIndex
        first = np.ones(len(self.frame), dtype=bool)
        first[1:] = (codes[:, 1:] != codes[:, :-1]).any(axis=0)  # rows of a unit stand together
        return [(asset, model) for asset, model, _ in self.frame.index[first]]

    def unit(self, asset: str, model: str) -> pd.DataFrame:
        """Rows of one asset and model, indexed by date; a `DataError` names what there is if the pair is unknown."""
        known = (asset, model) in self.units
        require(known, f"asset, model must be one of {self.units}, got {(asset, model)!r}", DataError)
        return self.frame.xs((asset, model))  # type: ignore[return-value]  # two of three levels: a frame

    def judged(self, asset: str, model: str) -> pd.DataFrame:
        """Rows of one asset and model whose loss is known: what scores and backtests read."""
        rows = self.unit(asset, model)
        return rows[rows["loss"].notna()]

    def next_day(self) -> pd.DataFrame:
        """Rows whose loss is not yet known: tomorrow's VaR, ES and expectile VaR."""
        return self.frame[self.frame["loss"].isna()]

    def tail(self, rows: pd.DataFrame) -> tuple[FloatArray, FloatArray] | None:
        """Levels and quantiles (row, level) of the day's law in `rows`, or None where the model has no law."""
        levels = np.array([x for x in defaults.TAIL_LEVELS if tail_label(x) in rows.columns])
        if levels.size == 0:
            return None
        quantiles = rows[[tail_label(float(x)) for x in levels]].to_numpy(dtype=np.float64)
        return (levels, quantiles) if bool(np.isfinite(quantiles).any()) else None

    def moving(self, rows: pd.DataFrame) -> tuple[Target, FloatArray] | None:
        """The VaR that a model's `rows` forecast as an expectile, and each day's level of it; None without levels."""
        if LEVEL not in rows.columns:
            return None
        levels = rows[LEVEL].to_numpy(dtype=np.float64)
        known = np.isfinite(levels)
        found = (t for t in self.targets if t.measure == "var" and bool(rows[t.label][known].notna().any()))
        target = next(found, None) if known.any() else None
        return None if target is None else (target, levels)

    def share_not_ok(self) -> float:
        """Share of rows that are implausible or worse; over 5 % the run is degraded."""
        codes = self.frame["status"].cat.codes.to_numpy()
        return float(np.mean(codes >= Status.implausible)) if codes.size else 0.0

    @property
    def degraded(self) -> bool:
        """Whether over 5 % of the rows are implausible or worse."""
        return self.share_not_ok() > defaults.DEGRADED_SHARE

    def __repr__(self) -> str:
        dates = self.frame.index.get_level_values("date")
        span = f"{dates.min():%Y-%m-%d}..{dates.max():%Y-%m-%d}" if len(dates) else "no rows"
        labels = ", ".join(t.label for t in self.targets)
        size = f"{len(self.assets)} assets x {len(self.models)} models, {len(self.frame)} rows"
        return f"Forecasts({size}, {span}; {labels})"


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by asset and model in the order in which they come, and by date within them.

    The index levels are put in that order too, so that pandas finds its rows by bisection and does not warn.
    """
    parts: list[tuple[Any, Any]] = [
        pd.factorize(frame.index.get_level_values(name), sort=name == "date") for name in INDEX
    ]
    order = np.lexsort([codes for codes, _ in reversed(parts)])
    index = pd.MultiIndex(
        levels=[level for _, level in parts], codes=[codes[order] for codes, _ in parts], names=list(INDEX)
    )
    return frame.iloc[order].set_axis(index)


def _check(frame: pd.DataFrame, targets: tuple[Target, ...]) -> None:
    require(
        list(frame.index.names) == list(INDEX),
        f"frame must be indexed by {INDEX}, got {list(frame.index.names)}",
        DataError,
    )
    missing = [c for c in (*LEADING, *(t.label for t in targets)) if c not in frame.columns]
    require(not missing, f"frame must have the columns {missing}", DataError)
    require(not frame.index.has_duplicates, "frame must have one row per asset, model and date, got repeats", DataError)
    unknown = sorted(set(map(str, frame["status"].unique())) - set(STATUS_NAMES))
    require(not unknown, f"status must be one of {STATUS_NAMES}, got {unknown}", DataError)
    late = frame.index[(frame["origin"] >= frame.index.get_level_values("date")).to_numpy()]
    require(len(late) == 0, f"origin must lie before date, got {list(late[:3])}", DataError)
