"""From prices to returns and losses; `to_losses` is the only place where the sign changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from riskcore._types import FloatArray
from riskcore.errors import ConfigError, DataError, require

ReturnKind = Literal["log", "simple"]
Values = Literal["prices", "returns"]
Weights = Mapping[str, float] | Sequence[float] | FloatArray
PORTFOLIO = "portfolio"
_WEIGHT_TOLERANCE = 1e-6


def log_returns(prices: pd.Series | pd.DataFrame) -> pd.DataFrame:
    r"""Log returns between an asset's available prices.

    .. math:: r_t = \ln P_t - \ln P_{t-1}

    Parameters
    ----------
    prices : Series or DataFrame
        Positive prices on an ascending DatetimeIndex without repeats, one column per asset. Each asset lives on its
        own dates: its missing prices are left out before the return is taken, none is filled in.

    Returns
    -------
    DataFrame
        One column per asset on the union of their dates; NaN where an asset has no price on the day or none before
        it. Days without any return are left out.

    Raises
    ------
    DataError
        If the index is no ascending, unique DatetimeIndex, or a price is zero, negative or infinite.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> log_returns(pd.DataFrame({"A": [1.0, np.e, 1.0]}, index=days))["A"].tolist()
    [1.0, -1.0]
    """
    return _returns(_checked(prices), "log")


def simple_returns(prices: pd.Series | pd.DataFrame) -> pd.DataFrame:
    r"""Simple returns between an asset's available prices.

    .. math:: R_t = P_t / P_{t-1} - 1

    Parameters
    ----------
    prices : Series or DataFrame
        As for `log_returns`.

    Returns
    -------
    DataFrame
        As for `log_returns`.

    Raises
    ------
    DataError
        As for `log_returns`.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> simple_returns(pd.DataFrame({"A": [100.0, 110.0, 99.0]}, index=days))["A"].round(12).tolist()
    [0.1, -0.1]
    """
    return _returns(_checked(prices), "simple")


def to_losses(
    prices: pd.Series | pd.DataFrame,
    kind: ReturnKind = "log",
    *,
    weights: Weights | None = None,
    values: Values = "prices",
) -> pd.DataFrame:
    r"""Losses, minus the returns: positive hurts. The only sign change of the package.

    .. math:: L_t = -r_t

    Parameters
    ----------
    prices : Series or DataFrame
        As for `log_returns`; or returns as decimals, finite or NaN, with ``values="returns"``. A simple return is at
        least -1, which is a total loss and is taken as it is.
    kind : {"log", "simple"}
        Kind of return of the assets; of returns: the kind they are of.
    weights : mapping or sequence, optional
        If given, a column ``portfolio`` stands behind the assets: minus `portfolio_returns`, simple whatever `kind`
        is, as log returns of assets do not add up to that of a portfolio.
    values : {"prices", "returns"}
        What the frame holds. A return is over the time since its asset's last one: where a portfolio's assets do not
        share a date, theirs are compounded up to the next date on which all have a return. What they do before the
        first such date is not known to begin on one day, so that date is left out where a held asset has a return
        before it; where none has, all are taken to begin on one day.

    Returns
    -------
    DataFrame
        One column per asset; NaN rule as for `log_returns`.

    Raises
    ------
    ConfigError
        If `kind`, `weights` or `values` is outside its range.
    DataError
        As for `log_returns`, if a simple return is below -1, and if the held assets share no date that serves.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> to_losses(pd.DataFrame({"A": [100.0, 110.0, 99.0]}, index=days), "simple")["A"].round(12).tolist()
    [-0.1, 0.1]
    >>> to_losses(pd.DataFrame({"A": [0.1, -0.1]}, index=days[1:]), "simple", values="returns")["A"].tolist()
    [-0.1, 0.1]
    """
    require(kind in get_args(ReturnKind), f"kind must be one of log, simple, got {kind!r}")
    require(values in get_args(Values), f"values must be one of prices, returns, got {values!r}")
    frame = _checked(prices, values)
    if values == "returns" and kind == "simple":
        _check_simple(frame)
    returns = _returns(frame, kind) if values == "prices" else frame.dropna(how="all")
    if weights is not None:
        clash = PORTFOLIO in returns.columns
        require(not clash, f"{values} must have no column named {PORTFOLIO!r} beside weights, got one", DataError)
        whole = _portfolio(frame, weights) if values == "prices" else _compounded(frame, kind, weights)
        returns = returns.join(whole, how="outer")
    return 0.0 - returns  # not -returns: that would turn a zero return into -0.0


def portfolio_returns(prices: pd.Series | pd.DataFrame, weights: Weights) -> pd.DataFrame:
    r"""Simple returns of a portfolio that is rebalanced to its weights every day.

    .. math:: R_t = \sum_i w_i (P_{i,t} / P_{i,t-1} - 1)

    Parameters
    ----------
    prices : Series or DataFrame
        As for `log_returns`.
    weights : mapping or sequence
        Asset to weight, or one weight per column in order; finite, sum 1. A negative weight is a short position,
        an asset that is not named is not held.

    Returns
    -------
    DataFrame
        One column, ``portfolio``, on the dates on which every held asset has a price; never NaN.

    Raises
    ------
    ConfigError
        If a weight is unknown, missing or not finite, or their sum is not 1.
    DataError
        As for `log_returns`, and if the held assets share fewer than two dates.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=2)
    >>> prices = pd.DataFrame({"A": [100.0, 110.0], "B": [50.0, 50.0]}, index=days)
    >>> portfolio_returns(prices, {"A": 0.5, "B": 0.5})["portfolio"].round(12).tolist()
    [0.05]
    """
    return _portfolio(_checked(prices), weights)


def _checked(prices: pd.Series | pd.DataFrame, what: Values = "prices") -> pd.DataFrame:
    """A float frame whose index is sound and whose entries are NaN or, for prices, positive, for returns, finite."""
    if isinstance(prices, pd.Series):
        prices = prices.to_frame(what[:-1] if prices.name is None else prices.name)
    is_frame = isinstance(prices, pd.DataFrame)
    require(is_frame, f"{what} must be a Series or a DataFrame, got {type(prices).__name__}", DataError)
    index = prices.index
    require(
        isinstance(index, pd.DatetimeIndex),
        f"{what} must have a DatetimeIndex, got {type(index).__name__}; use pd.to_datetime on the dates",
        DataError,
    )
    require(not index.hasnans, f"{what} must have a date in every row, got NaT", DataError)
    twice = index[index.duplicated()]
    require(len(twice) == 0, f"{what} must have one row per date, got {_day(twice)} twice", DataError)
    require(
        index.is_monotonic_increasing, f"{what} must be in ascending order of date; use {what}.sort_index()", DataError
    )
    columns = prices.columns
    require(len(columns) > 0, f"{what} must have at least one column, got none", DataError)
    require(columns.is_unique, f"{what} must have one column per asset, got {list(columns)}", DataError)
    values = np.column_stack([_floats(prices.iloc[:, j], what) for j in range(len(columns))])
    wrong = np.isinf(values) | ((values <= 0) if what == "prices" else False)
    if wrong.any():
        row, column = (int(x) for x in np.argwhere(wrong)[0])
        more = f" (and {int(wrong.sum()) - 1} more)" if wrong.sum() > 1 else ""
        where = f"{columns[column]} on {_day(index[row:])}{more}"
        rule = "positive and finite" if what == "prices" else "finite"
        raise DataError(f"{what} must be {rule}, got {values[row, column]:g} in {where}")
    return pd.DataFrame(values, index=index.rename("date"), columns=columns)


def _day(dates: pd.Index[pd.Timestamp]) -> str:
    return f"{dates[0]:%Y-%m-%d}" if len(dates) else ""


def _floats(column: pd.Series, what: Values) -> FloatArray:
    message = f"{what} must be numbers, got dtype {column.dtype} in {column.name}"
    require(not pd.api.types.is_bool_dtype(column.dtype), message, DataError)
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(message) from error


def _returns(prices: pd.DataFrame, kind: ReturnKind) -> pd.DataFrame:
    values = prices.to_numpy()
    out = np.full(values.shape, np.nan)
    for j in range(values.shape[1]):
        rows = np.flatnonzero(~np.isnan(values[:, j]))
        own = values[rows, j]
        out[rows[1:], j] = np.diff(np.log(own)) if kind == "log" else own[1:] / own[:-1] - 1.0
    known = ~np.isnan(out).all(axis=1)
    return pd.DataFrame(out[known], index=prices.index[known], columns=prices.columns)


def _portfolio(prices: pd.DataFrame, weights: Weights) -> pd.DataFrame:
    held = _weights(list(prices.columns), weights)
    common = prices[list(held)].dropna()
    few = f"prices must share at least two dates of {', '.join(map(str, held))}, got {len(common)}"
    require(len(common) >= 2, few, DataError)
    returns = _returns(common, "simple")
    return pd.DataFrame({PORTFOLIO: returns.to_numpy() @ np.array(list(held.values()))}, index=returns.index)


def _compounded(returns: pd.DataFrame, kind: ReturnKind, weights: Weights) -> pd.DataFrame:
    """Simple returns of the portfolio between the dates on which every held asset has a return."""
    held = _weights(list(returns.columns), weights)
    own = returns[list(held)].to_numpy()
    own = np.expm1(own) if kind == "log" else own
    common = np.flatnonzero(~np.isnan(own).any(axis=1))
    names = ", ".join(map(str, held))
    require(common.size > 0, f"returns must share at least one date of {names}, got none", DataError)
    # the first common row as it stands; each later one with all that came since the one before it
    starts = np.concatenate((common[:1], common[:-1] + 1))
    growth = np.where(np.isnan(own), 1.0, 1.0 + own)[: common[-1] + 1]
    since = np.multiply.reduceat(growth, starts, axis=0) - 1.0
    simple = np.where((starts == common)[:, None], own[common], since)
    if not np.isnan(own[: common[0]]).all():  # returns before the first common row: the assets begin on different days
        common, simple = common[1:], simple[1:]
        few = f"returns must share at least two dates of {names} where one begins before the others, got 1"
        require(common.size > 0, few, DataError)
    return pd.DataFrame({PORTFOLIO: simple @ np.array(list(held.values()))}, index=returns.index[common])


def _check_simple(returns: pd.DataFrame) -> None:
    """Refuse a simple return below -1: no price above zero falls by more than all of it."""
    values = returns.to_numpy()
    wrong = values < -1.0
    if wrong.any():
        row, column = (int(x) for x in np.argwhere(wrong)[0])
        more = f" (and {int(wrong.sum()) - 1} more)" if wrong.sum() > 1 else ""
        got = f"got {values[row, column]:g} in {returns.columns[column]} on {_day(returns.index[row:])}{more}"
        hint = "log returns may be lower, and percentages are divided by 100"
        raise DataError(f"simple returns must be at least -1, {got}; {hint}")


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise a ConfigError unless the weights are finite and sum to 1.

    >>> check_weights({"A": 0.6, "B": 0.5})
    Traceback (most recent call last):
    riskcore.errors.ConfigError: weights must sum to 1, got 1.1; percentages are divided by 100
    """
    require(bool(np.isfinite(list(weights.values())).all()), f"weights must be finite, got {dict(weights)}")
    total = sum(weights.values())
    hint = "percentages are divided by 100"
    require(abs(total - 1.0) <= _WEIGHT_TOLERANCE, f"weights must sum to 1, got {total:g}; {hint}")


def _weights(assets: list[str], weights: Weights) -> dict[str, float]:
    if isinstance(weights, (Mapping, pd.Series)):
        pairs = list(weights.items())
    else:
        pairs = list(zip(assets, weights, strict=False))
        length = len(weights)
        require(length == len(assets), f"weights must have one entry per asset, got {length} for {len(assets)} assets")
    unknown = [name for name, _ in pairs if name not in assets]
    require(not unknown, f"weights must name assets of {assets}, got {unknown}")
    try:
        held = {name: float(weight) for name, weight in pairs}
    except (TypeError, ValueError) as error:
        raise ConfigError(f"weights must be numbers, got {weights!r}") from error
    check_weights(held)
    return {name: held[name] for name in assets if held.get(name, 0.0) != 0.0}
