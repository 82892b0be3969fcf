"""What a run wrote, read back: its tables with the names of its assets and models, and its files to hand on."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from riskcore.errors import DataError, require
from riskcore.runs.export import guard, to_csv
from riskcore.runs.manifest import MANIFEST
from riskcore.runs.run import Run
from riskcore.runs.store import FOLDER, file_sha256, sha256

if TYPE_CHECKING:
    import pandas as pd

    from riskcore.forecasts import Forecasts

_TAIL = "tail_"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""Of every entry, so that the same run gives the same archive."""

_TEXTS = ("asset", "model", "measure", "score", "test", "p_method", "reason", "note")
_NUMBERS = (
    "level", "mean", "share_not_ok", "statistic", "p_value", "p_adjusted", "hits", "expected_hits", "hits_to_reject",
    "power",
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """The tables of a complete run as its files hold them."""

    scores: pd.DataFrame
    backtests: pd.DataFrame


def manifest_digest(run: Run) -> str:
    """Sha256 of the manifest: it changes with anything that the run wrote."""
    return file_sha256(run.path / MANIFEST)


def output(run: Run, name: str) -> bytes:
    """Bytes of a file that the run wrote beside its forecasts, e.g. ``report.html``, checked against the manifest.

    Raises
    ------
    DataError
        If the run wrote no such file, or it is missing or changed since.
    """
    outputs = run.manifest.get("outputs", {})
    require(name in outputs, f"name must be one of {', '.join(outputs) or 'no file'}, got {name!r}", DataError)
    try:
        content = (run.path / name).read_bytes()
    except OSError as error:
        raise DataError(f"{name} must be a file of the run, got {error.strerror}; {_remedy()}") from error
    require(sha256(content) == outputs[name], f"{name} must be as the run wrote it, got other bytes; {_remedy()}",
            DataError)  # fmt: skip
    return content


def _remedy() -> str:
    return "rebuild it from the forecasts with 'riskcore report', or run the backtest again"


def read_tables(run: Run) -> Judged:
    """Scores and backtests of a complete run, from ``scores.csv`` and ``backtests.csv``.

    Names that were guarded against spreadsheets are as they were; empty cells are NaN.

    Raises
    ------
    DataError
        If the run is not complete, or a file is missing, changed or no such table.
    """
    require(run.state != "running", f"{str(run.path)!r} must be a complete run, got one that was stopped", DataError)
    return Judged(_table(run, "scores.csv"), _table(run, "backtests.csv"))


def _table(run: Run, name: str) -> pd.DataFrame:
    import pandas as pd

    content = output(run, name)
    kinds = {**dict.fromkeys(_TEXTS, "str"), **dict.fromkeys(_NUMBERS, "float64"), "primary": "bool"}
    try:
        table = pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values=[""], dtype=kinds)
        for column, known in (("asset", run.manifest["data"]), ("model", run.manifest["settings"]["models"])):
            table[column] = table[column].replace({guard(str(x)): str(x) for x in known})
        if "note" in table:  # runs of earlier versions have none
            table["note"] = table["note"].fillna("")
    except (ValueError, KeyError) as error:
        raise DataError(f"{name} must be a table that riskcore wrote, got: {error}; {_remedy()}") from error
    return table


def forecast_rows(forecasts: Forecasts) -> pd.DataFrame:
    """All forecasts as one table for a file: asset, model, date, origin, loss, status, targets and what follows."""
    rows = forecasts.frame.reset_index()
    return rows.astype({"asset": str, "model": str, "status": str})


def forecasts_csv(forecasts: Forecasts) -> bytes:
    """All forecasts as CSV, one row per asset, model and day, without the quantiles ``tail_*`` of each day's law."""
    rows = forecast_rows(forecasts)
    return to_csv(rows[[c for c in rows.columns if not str(c).startswith(_TAIL)]])


def forecasts_parquet(forecasts: Forecasts) -> bytes:
    """All forecasts as one Parquet file."""
    buffer = io.BytesIO()
    forecast_rows(forecasts).to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def zip_run(run: Run, folder: str = "run") -> bytes:
    """The whole run as an archive of one folder that ``riskcore verify`` takes; the same run gives the same bytes.

    Raises
    ------
    DataError
        If a file of the manifest is missing.
    """
    names = [MANIFEST, *run.manifest.get("outputs", {})]
    names += [f"{FOLDER}/{unit['file']}" for unit in run.manifest.get("units", ())]
    missing = [name for name in names if not (run.path / name).is_file()]
    require(not missing, f"files of the run must be there, missing: {', '.join(missing)}", DataError)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(f"{folder}/{name}", _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (run.path / name).read_bytes())
    return buffer.getvalue()
