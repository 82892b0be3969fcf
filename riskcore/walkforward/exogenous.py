"""Exogenous columns of a walk: each asset's own, on its own dates, as known at the end of each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from riskcore._types import FloatArray
from riskcore.errors import ConfigError, DataError, require
from riskcore.forecasters import Forecaster
from riskcore.volatility.exogenous import exog_names, fresh_names

Exog = pd.DataFrame | Mapping[str, pd.DataFrame]
"""Columns that serve all assets, or for each asset its own."""


def names_read(forecaster: Forecaster) -> tuple[str, ...]:
    """Columns that a forecaster or what stands in for it reads: its own first, in its order."""
    fallback = getattr(forecaster, "fallback", lambda: None)()
    return tuple(dict.fromkeys([*exog_names(forecaster), *exog_names(fallback)]))


def exog_of_assets(
    exog: Exog | None, losses: pd.DataFrame, models: Mapping[str, Forecaster]
) -> dict[str, pd.DataFrame | None]:
    """For each asset the columns that the models read, on the dates of its losses; None where none reads any.

    A date has what became known since the date before, and NaN where nothing did: `rows_of` carries values forward.

    Parameters
    ----------
    exog : DataFrame or mapping of DataFrame, optional
        By date, one column per quantity; a mapping gives each asset its own.
    losses : DataFrame
        Losses by date, one column per asset.
    models : mapping
        Label to forecaster.

    Raises
    ------
    ConfigError
        If a column that a model reads is absent, or exog is given though no model reads any.
    DataError
        If a frame has no ascending dates, or a value is infinite or no number.
    """
    read = {label: names for label, model in models.items() if (names := names_read(model))}
    require(bool(read) or exog is None, "exog must be None: none of the models reads exogenous columns", ConfigError)
    assets = [str(a) for a in losses.columns]
    if not read:
        return dict.fromkeys(assets)
    of = _by_asset(exog, assets)
    for asset in assets:
        columns = [str(c) for c in of[asset].columns] if asset in of else []
        for label, names in read.items():
            for name in names:
                got = f"the columns {', '.join(columns)}" if columns else "none"
                require(name in columns, f"exog must hold the column {name!r} that model {label!r} reads for asset "
                        f"{asset!r}, got {got}")  # fmt: skip
    wanted = list(dict.fromkeys(name for names in read.values() for name in names))
    dates = {a: pd.DatetimeIndex(losses[a].dropna().index) for a in assets}
    return {a: as_known(of[a], dict.fromkeys(wanted, 0), dates[a]) for a in assets}


def _by_asset(exog: Exog | None, assets: list[str]) -> dict[str, pd.DataFrame]:
    if exog is None:
        return {}
    if isinstance(exog, pd.DataFrame):
        check_frame(exog, "exog")
        return dict.fromkeys(assets, exog)
    require(isinstance(exog, Mapping), f"exog must be a DataFrame or a mapping of assets to DataFrames, got a "
            f"{type(exog).__name__}", DataError)  # fmt: skip
    strange = sorted({str(a) for a in exog} - set(assets))
    require(not strange, f"exog must name assets of {', '.join(assets)}, got {', '.join(strange)}")
    for asset, frame in exog.items():
        check_frame(frame, f"exog[{str(asset)!r}]")
    return {str(asset): frame for asset, frame in exog.items()}


def check_frame(frame: pd.DataFrame, what: str) -> None:
    """DataError unless the frame has ascending dates without repeats, and numbers that are finite or missing."""
    right = isinstance(frame, pd.DataFrame) and isinstance(frame.index, pd.DatetimeIndex)
    got = f"{type(frame).__name__} with {type(getattr(frame, 'index', None)).__name__}"
    require(right, f"{what} must be a DataFrame with a DatetimeIndex, got a {got}", DataError)
    ordered = bool(frame.index.is_monotonic_increasing and frame.index.is_unique)
    require(ordered, f"{what} must have ascending dates without repeats; sort them and drop repeats", DataError)
    names = [str(name) for name in frame.columns]
    require(len(set(names)) == len(names), f"{what} must have different columns, got {names}", DataError)
    for name, column in zip(names, _series(frame), strict=True):
        number = pd.api.types.is_numeric_dtype(column)
        require(number, f"{what} must hold numbers, got column {name!r} of {column.dtype}", DataError)
        infinite = bool(np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan)).any())
        require(not infinite, f"{what} must be finite or missing, got inf in column {name!r}", DataError)


def _series(frame: pd.DataFrame) -> list[pd.Series[Any]]:
    return [frame.iloc[:, i] for i in range(frame.shape[1])]


def as_known(frame: pd.DataFrame, most: Mapping[str, int | None], dates: pd.DatetimeIndex) -> pd.DataFrame:
    """Columns as known at the end of each date: the last value at or before it, NaN before the first.

    A missing value, and a date that the columns do not have, take the last known one; never a later one.

    Parameters
    ----------
    frame : DataFrame
        By date, one column per quantity.
    most : mapping
        For each name of a column the number of `dates` for which a value may stand in after the first that has it;
        None: any number.
    dates : DatetimeIndex
        Ascending dates.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=6)
    >>> frame = pd.DataFrame({"x": [1.0, np.nan, 3.0]}, days[[1, 2, 5]])
    >>> [as_known(frame, {"x": most}, days)["x"].tolist() for most in (None, 1)]
    [[nan, 1.0, 1.0, 1.0, 1.0, 3.0], [nan, 1.0, 1.0, nan, nan, 3.0]]
    """
    same_zone = pd.DatetimeIndex(frame.index).tz == dates.tz or len(frame) == 0
    require(same_zone, f"exog must have dates of the time zone of the losses, {dates.tz}, got "
            f"{pd.DatetimeIndex(frame.index).tz}", DataError)  # fmt: skip
    given = dict(zip(map(str, frame.columns), _series(frame), strict=True))
    columns = {}
    for name, limit in most.items():
        known = given[name].dropna()
        place = pd.DatetimeIndex(known.index).searchsorted(dates, side="right")
        padded: FloatArray = np.concatenate([[np.nan], known.to_numpy(dtype=np.float64)])
        age = np.arange(len(dates)) - np.searchsorted(place, place, side="left")
        columns[name] = np.where(age > (len(dates) if limit is None else limit), np.nan, padded[place])
    return pd.DataFrame(columns, index=dates, dtype=np.float64)


def rows_of(
    exog: pd.DataFrame | None, forecaster: Forecaster, dates: pd.DatetimeIndex, asset: str
) -> FloatArray | None:
    """The array (n, m) that the walk hands to a forecaster, on the dates of its losses; None where it reads nothing.

    The last known value stands in for one that is missing; but a realized variance stays NaN, its model forecasts it.
    """
    names = names_read(forecaster)
    if not names:
        return None
    absent = [name for name in names if exog is None or name not in map(str, exog.columns)]
    require(not absent, f"exog must hold the columns {', '.join(names)} for asset {asset!r}, got none of "
            f"{', '.join(absent)}")  # fmt: skip
    assert exog is not None  # said by `absent`
    fresh = {*fresh_names(forecaster), *fresh_names(getattr(forecaster, "fallback", lambda: None)())}
    most = {name: 0 if name in fresh else None for name in names}
    return as_known(exog, most, dates).to_numpy(dtype=np.float64)
