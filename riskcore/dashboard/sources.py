"""From a stored file and the visitor's answers to losses, keyed by the digest of the cleaned data; no streamlit."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

import pandas as pd

from riskcore import defaults
from riskcore.dashboard.workspace import Workspace, app_root
from riskcore.errors import DataError, RiskcoreError
from riskcore.ingest import Finding, Survey, survey
from riskcore.returns import ReturnKind, to_losses
from riskcore.runs.export import to_csv
from riskcore.runs.store import atomic_write, canonical, losses_sha256

SAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "indices.csv": "S&P 500 and NASDAQ, 1999 to 2018",
        "us_stocks.csv": "20 US stocks, 1990 to 2022",
        "europe_1991_1998.csv": "DAX, SMI, CAC and FTSE, 1991 to 1998",
    }
)
"""Sample files that ship with riskcore."""

REMEMBERED = "source.json"
"""In an owner's folder: what they worked on last."""

TEMPLATES: Mapping[str, bytes] = MappingProxyType(
    {
        "wide": b"""date,Fund A,Fund B
2024-01-02,100.0,52.1
2024-01-03,100.42,51.94
2024-01-04,99.87,52.33
2024-01-05,100.15,52.08
""",
        "long": b"""date,asset,price
2024-01-02,Fund A,100.0
2024-01-03,Fund A,100.42
2024-01-04,Fund A,99.87
2024-01-05,Fund A,100.15
2024-01-02,Fund B,52.1
2024-01-03,Fund B,51.94
2024-01-04,Fund B,52.33
2024-01-05,Fund B,52.08
""",
    }
)
"""Small files that are read as they stand: one column per asset, and one row per date and asset."""


@dataclass(frozen=True)
class Source:
    """A stored price file and how to read it: what a run needs to be repeated by command.

    Parameters
    ----------
    path : Path
        The stored file.
    options : mapping
        Keyword arguments of :func:`riskcore.load_prices`.
    kind : {"log", "simple"}
        Kind of return.
    weights : mapping, optional
        Asset to weight; adds a column ``portfolio``.
    """

    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: str = defaults.RETURN_KIND
    weights: Mapping[str, float] | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def values(self) -> str:
        """What the file holds: "prices", "returns" (as fractions) or "percent" (returns in percent)."""
        return str(self.options.get("values") or "prices")

    @property
    def key(self) -> str:
        """Text that changes when anything of the source does; the path holds the digest of the content."""
        options = sorted(self.options.items())
        weights = None if self.weights is None else sorted(self.weights.items())
        return repr((str(self.path), options, self.kind, weights))

    def with_(self, **changes: Any) -> Source:
        """The same file, read or weighted in another way."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Dataset:
    """What a source gave; `digest` is that of the losses, and keys everything that is computed from them."""

    source: Source
    prices: pd.DataFrame
    losses: pd.DataFrame
    findings: tuple[Finding, ...]
    digest: str

    @property
    def assets(self) -> list[str]:
        """Names of the columns of losses."""
        return [str(name) for name in self.losses.columns]


@dataclass(frozen=True, eq=False)
class Reading:
    """What reading a source came to: the data or the error, and in both cases how the file looks.

    Parameters
    ----------
    survey : Survey
        As :func:`riskcore.ingest.survey` gives it, without the prices.
    dataset : Dataset or None
        None if there is an error.
    error : RiskcoreError or None
        As :func:`riskcore.load_prices` and :func:`riskcore.to_losses` raise it; `findings` of a DataError holds
        every fault with its rows and remedy.
    """

    survey: Survey
    dataset: Dataset | None = None
    error: RiskcoreError | None = None


def read(source: Source) -> Reading:
    """Read the file and take the losses, in one pass; nothing of the file's or the answers' faults is raised."""
    try:
        seen = survey(source.path, **source.options)
    except RiskcoreError as error:  # an option outside its range
        return Reading(Survey(), error=error)
    told = replace(seen, loaded=None, fault=None)
    if seen.loaded is None:
        return Reading(told, error=seen.fault)
    values: Literal["prices", "returns"] = "prices" if source.values == "prices" else "returns"
    kind = cast("ReturnKind", source.kind)  # checked there
    prices, findings = seen.loaded
    try:
        losses = to_losses(prices, kind=kind, weights=source.weights, values=values)
    except RiskcoreError as error:
        return Reading(told, error=error)
    return Reading(told, Dataset(source, prices, losses, findings, losses_sha256(losses)))


def load(source: Source) -> Dataset:
    """The data of a source.

    Raises
    ------
    DataError, ConfigError
        As :func:`riskcore.load_prices` and :func:`riskcore.to_losses`: every fault with its rows and remedy.
    """
    return loaded(read(source))


def loaded(reading: Reading) -> Dataset:
    """The data of a reading, or its error raised."""
    if reading.dataset is None:
        raise reading.error or DataError("the file gave nothing")
    return reading.dataset


def frame_csv(frame: pd.DataFrame) -> bytes:
    """Prices or losses as CSV with a column ``date``; names that a spreadsheet would run are guarded."""
    return to_csv(frame.rename_axis(index="date").reset_index())


def frame_parquet(frame: pd.DataFrame) -> bytes:
    """Prices or losses as Parquet, the dates as the index."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def sample(name: str = "indices.csv") -> Source:
    """The source of a sample file."""
    return Source(app_root() / "sample_data" / name)


def remember(source: Source, workspace: Workspace) -> None:
    """Write down in the owner's folder what they work on, so that a new tab begins there; a full disc is no fault."""
    record = {
        "file": source.path.relative_to(workspace.uploads).parts if _within(source.path, workspace.uploads) else None,
        "sample": source.name if source.path == sample(source.name).path else None,
        "options": dict(source.options),
        "kind": source.kind,
        "weights": source.weights if source.weights is None else dict(source.weights),
    }
    with contextlib.suppress(OSError, TypeError, ValueError):
        workspace.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic_write(workspace.root / REMEMBERED, canonical(record))


def remembered(workspace: Workspace) -> Source | None:
    """What the owner worked on last; None if nothing is written down, or its file is gone."""
    try:
        record = json.loads((workspace.root / REMEMBERED).read_bytes())
        if record["file"]:
            path = workspace.uploads.joinpath(*record["file"])
        else:
            path = sample(record["sample"] if record["sample"] in SAMPLES else "").path
        there = path.is_file() and (not record["file"] or _within(path, workspace.uploads))
        return Source(path, record["options"], record["kind"], record["weights"]) if there else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
