"""Exogenous columns of a walk: each asset's own, on its own dates, as known at the end of each of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from riskcore._types import FloatArray
from riskcore.errors import ConfigError, DataError, require
from riskcore.forecasters import Forecaster
from riskcore.volatility.exogenous import exog_names

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
        If a column that a model reads is absent, or columns are given that none reads.
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
        columns = list(of[asset].columns) if asset in of else []
        for label, names in read.items():
            for name in names:
                got = f"the columns {', '.join(map(str, columns))}" if columns else "none"
                require(name in columns, f"exog must hold the column {name!r} that model {label!r} reads for asset "
                        f"{asset!r}, got {got}")  # fmt: skip
    wanted = list(dict.fromkeys(name for names in read.values() for name in names))
    return {a: as_known(of[a], wanted, pd.DatetimeIndex(losses[a].dropna().index)) for a in assets}


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
    require(frame.columns.is_unique, f"{what} must have different columns, got {list(frame.columns)}", DataError)
    for name in frame.columns:
        number = pd.api.types.is_numeric_dtype(frame[name])
        require(number, f"{what} must hold numbers, got column {name!r} of {frame[name].dtype}", DataError)
        infinite = bool(np.isinf(frame[name].to_numpy(dtype=np.float64, na_value=np.nan)).any())
        require(not infinite, f"{what} must be finite or missing, got inf in column {name!r}", DataError)


def as_known(frame: pd.DataFrame, names: list[str], dates: pd.DatetimeIndex) -> pd.DataFrame:
    """Columns as known at the end of each date: the last value at or before it, NaN before the first.

    A missing value, and a date that the columns do not have, take the last known one; never a later one.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=5)
    >>> as_known(pd.DataFrame({"x": [1.0, np.nan, 3.0]}, days[[1, 2, 4]]), ["x"], days)["x"].tolist()
    [nan, 1.0, 1.0, 1.0, 3.0]
    """
    same_zone = pd.DatetimeIndex(frame.index).tz == dates.tz or len(frame) == 0
    require(same_zone, f"exog must have dates of the time zone of the losses, {dates.tz}, got "
            f"{pd.DatetimeIndex(frame.index).tz}", DataError)  # fmt: skip
    columns = {}
    for name in names:
        known = frame[name].dropna()
        place = pd.DatetimeIndex(known.index).searchsorted(dates, side="right")
        padded: FloatArray = np.concatenate([[np.nan], known.to_numpy(dtype=np.float64)])
        columns[name] = padded[place]
    return pd.DataFrame(columns, index=dates, dtype=np.float64)


def rows_of(
    exog: pd.DataFrame | None, forecaster: Forecaster, dates: pd.DatetimeIndex, asset: str
) -> FloatArray | None:
    """The array (n, m) that the walk hands to a forecaster, on the dates of its losses; None where it reads nothing."""
    names = names_read(forecaster)
    if not names:
        return None
    absent = [name for name in names if exog is None or name not in exog.columns]
    require(not absent, f"exog must hold the columns {', '.join(names)} for asset {asset!r}, got none of "
            f"{', '.join(absent)}")  # fmt: skip
    assert exog is not None  # said by `absent`
    return as_known(exog, list(names), dates).to_numpy(dtype=np.float64)
