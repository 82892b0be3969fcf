"""Exogenous columns of a run: their file, and what the manifest says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskcore.errors import DataError, require
from riskcore.runs.store import canonical, losses_sha256, sha256

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 200_000_000
_PARQUET = b"PAR1"


def read_exog(path: str | Path) -> pd.DataFrame:
    """Columns by date of a CSV or Parquet file: a column ``date``, or else the first one, and numbers.

    In a CSV file with commas dates are written as 2024-01-31; an empty cell is a missing value.

    Raises
    ------
    DataError
        If the file cannot be read, or a date or number is none, with its row.
    """
    import pandas as pd

    file = Path(path)
    try:
        size = file.stat().st_size
        require(size <= MAX_BYTES, f"exog must have at most {MAX_BYTES} bytes, got {size}", DataError)
        with file.open("rb") as stream:
            columnar = stream.read(4) == _PARQUET
        table = (
            pd.read_parquet(file) if columnar else pd.read_csv(file, dtype=str, keep_default_na=False, index_col=False)
        )
    except OSError as error:
        raise DataError(
            f"exog must be a file that can be read, got {file.name!r}: {error.strerror or error}"
        ) from error
    except ValueError as error:  # not UTF-8, no CSV, no Parquet: all are ValueErrors
        raise DataError(f"exog must be a CSV or Parquet file, got {file.name!r}: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    require(table.shape[1] > 1, f"exog must hold dates and at least one column, got {list(table.columns)}", DataError)
    require(table.columns.is_unique, f"exog must have different columns, got {list(table.columns)}", DataError)
    place = next((i for i, name in enumerate(table.columns) if name.lower() == "date"), 0)
    index = pd.DatetimeIndex(_dates(table.iloc[:, place], file.name), name="date")
    rest = table.drop(columns=table.columns[place])
    return pd.DataFrame({name: _numbers(rest[name], file.name) for name in rest.columns}).set_axis(index)


def _dates(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    texts = column.astype(str).str.strip()
    found = pd.to_datetime(texts, format="%Y-%m-%d", errors="coerce")
    _all_read(found.isna(), texts, f"dates such as 2024-01-31 in column {column.name!r}", name)
    return found


def _numbers(column: pd.Series[Any], name: str) -> pd.Series[float]:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column.astype("float64")
    texts = column.astype(str).str.strip()
    empty = texts.str.lower().isin(["", "nan", "na", "none", "null"])
    found = pd.to_numeric(texts.where(~empty, "nan"), errors="coerce").astype("float64")
    _all_read(found.isna() & ~empty, texts, f"numbers in column {column.name!r}", name)
    return found


def _all_read(faults: pd.Series[bool], texts: pd.Series[str], what: str, name: str) -> None:
    if faults.any():
        row = int(faults.to_numpy().argmax())
        raise DataError(f"exog must hold {what}, got {texts.iloc[row]!r} in row {row + 2} of {name}")


def digest_of(exog: pd.DataFrame | None, names: tuple[str, ...]) -> str:
    """Sha256 of the columns that a model reads for an asset, as aligned to its dates; empty where it reads none."""
    return "" if exog is None or not names else losses_sha256(exog[list(names)])


def describe_exog(exog: Mapping[str, pd.DataFrame | None]) -> dict[str, Any]:
    """Columns, digest and first day on which all are known, for the manifest; empty where no model reads any."""
    frames = {asset: frame for asset, frame in exog.items() if frame is not None}
    if not frames:
        return {}
    columns = list(next(iter(frames.values())).columns)
    digests = {asset: digest_of(frame, tuple(columns)) for asset, frame in frames.items()}
    first = [known.index[0] for frame in frames.values() if len(known := frame.ffill().dropna())]
    since = f"{max(first):%Y-%m-%d}" if len(first) == len(frames) else math.nan
    return {"exog": {"columns": columns, "known_from": since, "sha256": sha256(canonical(digests))}}
