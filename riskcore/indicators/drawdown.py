"""What the losses alone say: drawdowns, the worst day, and a daily volatility per year."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore.errors import DataError, require

Kind = Literal["log", "simple"]


def drawdown(losses: pd.Series[float], kind: Kind = "log") -> pd.Series[float]:
    r"""Drawdown: the share of its highest value so far that an investment has lost.

    .. math:: D_t = 1 - V_t / \max_{s \le t} V_s, \qquad V_0 = 1

    with :math:`V_t = V_{t-1} e^{-\ell_t}` for losses from log returns and :math:`V_{t-1} (1 - \ell_t)` for simple ones.

    Parameters
    ----------
    losses : Series
        Losses (positive hurts) in time order.
    kind : {"log", "simple"}
        Kind of return the losses come from.

    Returns
    -------
    Series
        In [0, 1], 0 at a new high; the value before the first loss counts as one. NaN where the loss is NaN, and the
        next loss goes on from the value before it. A simple loss of 1 or more takes all: 1 from then on.

    Raises
    ------
    ConfigError
        If `kind` is neither of its choices.
    DataError
        If a loss is infinite.

    References
    ----------
    Magdon-Ismail, Atiya (2004), Maximum drawdown, Risk 17(10), 99-102.

    Examples
    --------
    >>> drawdown(pd.Series([-0.25, 0.2, 0.5, -1.0]), kind="simple").round(6).tolist()
    [0.0, 0.2, 0.6, 0.2]
    """
    require(kind in ("log", "simple"), f"kind must be 'log' or 'simple', got {kind!r}")
    values = losses.to_numpy(dtype=np.float64)
    require(not bool(np.isinf(values).any()), "losses must be finite or NaN, got an infinite one", DataError)
    gone = np.isnan(values)
    steps = np.where(gone, 0.0, values)
    # in logs, so that thousands of days neither overflow nor lose digits; log(0) is a value of nothing
    with np.errstate(divide="ignore"):
        growth = -steps if kind == "log" else np.log(np.maximum(1.0 - steps, 0.0))
    value = np.cumsum(growth)
    peak = np.maximum(np.maximum.accumulate(value), 0.0)
    return pd.Series(np.where(gone, np.nan, 0.0 - np.expm1(value - peak)), index=losses.index, name=losses.name)


@dataclass(frozen=True)
class Worst:
    """The largest of some values and the day on which it came."""

    value: float
    date: pd.Timestamp


def worst(values: pd.Series[float], last: int | None = None) -> Worst:
    """The largest value and its first day: of losses the worst day, of a drawdown the deepest.

    Parameters
    ----------
    values : Series
        By date; NaN are left out.
    last : int, optional
        Look at the last so many values only, by default at all.

    Returns
    -------
    Worst
        ``value`` and ``date``.

    Raises
    ------
    ConfigError
        If `last` is below 1.
    DataError
        If there is no value.

    Examples
    --------
    >>> days = pd.date_range("2024-01-02", periods=3)
    >>> found = worst(pd.Series([0.03, 0.01, 0.02], days), last=2)
    >>> found.value, found.date.date().isoformat()
    (0.02, '2024-01-04')
    """
    require(last is None or last >= 1, f"last must be at least 1, got {last!r}; typical value: 250")
    known = values.dropna()
    known = known if last is None else known.iloc[-last:]
    require(len(known) > 0, "values must hold at least one that is not NaN, got none", DataError)
    place = int(known.to_numpy().argmax())
    return Worst(float(known.iloc[place]), pd.Timestamp(known.index[place]))


def annualised(volatility: float, periods: int = defaults.PERIODS) -> float:
    r"""A volatility per day as one per year, :math:`\sigma\sqrt{h}`: a scale to read it by, no forecast of a year.

    It would be the year's volatility if the days were uncorrelated and all as volatile as this one.

    Parameters
    ----------
    volatility : float
        Standard deviation of a day's loss.
    periods : int
        Days in a year, at least 1: 252 for exchanges, 365 for what trades every day.

    Returns
    -------
    float
        NaN for NaN.

    Raises
    ------
    ConfigError
        If `periods` is below 1.

    Examples
    --------
    >>> round(annualised(0.01), 6)
    0.158745
    """
    require(periods >= 1, f"periods must be at least 1, got {periods!r}; typical values: 252, 365")
    return float(volatility * np.sqrt(periods))
