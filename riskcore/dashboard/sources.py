"""From a stored file and the visitor's answers to losses, keyed by the digest of the cleaned data; no streamlit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from riskcore import defaults
from riskcore.dashboard.workspace import app_root
from riskcore.ingest import Finding, load_files
from riskcore.returns import to_losses
from riskcore.runs.store import losses_sha256

SAMPLES: Mapping[str, str] = {
    "indices.csv": "S&P 500 and NASDAQ, 1999 to 2018",
    "us_stocks.csv": "US stocks",
    "europe_1991_1998.csv": "DAX, SMI, CAC and FTSE, 1991 to 1998",
}
"""Sample files that ship with riskcore."""


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


def load(source: Source) -> Dataset:
    """Read the file and take the losses.

    Raises
    ------
    DataError, ConfigError
        As :func:`riskcore.load_prices` and :func:`riskcore.to_losses`: every fault with its rows and remedy.
    """
    prices, findings = load_files([source.path], **source.options)
    losses = to_losses(prices, kind=source.kind, weights=source.weights)  # type: ignore[arg-type]  # checked there
    return Dataset(source, prices, losses, findings, losses_sha256(losses))


def sample(name: str = "indices.csv") -> Source:
    """The source of a sample file."""
    return Source(app_root() / "sample_data" / name)
