"""How to read a file, as far as the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, get_args

from riskcore import defaults
from riskcore.errors import require
from riskcore.ingest.dates import check_format
from riskcore.ingest.table import Decimal, Layout, Values


class ReadOptions(TypedDict, total=False):
    """Keyword arguments of the readers; what they mean stands at `load_prices`."""

    values: Values
    date_format: str | None
    decimal: Decimal | None
    layout: Layout | None
    sheet: str | None
    columns: Sequence[str] | Mapping[str, str] | None
    name: str | None
    header_row: int | None
    date_column: str | None
    asset_column: str | None
    price_column: str | None
    max_missing: float


@dataclass(frozen=True)
class Options:
    """How to read a file; None leaves the decision to the reader, which asks (by an error) where it cannot know."""

    date_format: str | None = None
    decimal: Decimal | None = None
    layout: Layout | None = None
    sheet: str | None = None
    columns: Sequence[str] | Mapping[str, str] | None = None
    name: str | None = None
    header_row: int | None = None
    date_column: str | None = None
    asset_column: str | None = None
    price_column: str | None = None
    max_missing: float = defaults.MAX_MISSING
    values: Values = "prices"

    def __post_init__(self) -> None:
        known = get_args(Values)
        require(self.values in known, f"values must be one of {', '.join(known)}, got {self.values!r}")
        check_format(self.date_format)
        require(self.decimal in (None, ".", ","), f"decimal must be '.' or ',', got {self.decimal!r}")
        require(self.layout in (None, "wide", "long"), f"layout must be 'wide' or 'long', got {self.layout!r}")
        row = self.header_row
        whole = row is None or (isinstance(row, int) and not isinstance(row, bool) and row >= 1)
        require(whole, f"header_row must be a whole number from 1, got {row!r}")
        share = self.max_missing
        require(isinstance(share, (int, float)) and 0 <= share < 1, f"max_missing must lie in [0, 1), got {share!r}")
        listed = self.columns is None or (not isinstance(self.columns, str) and len(self.columns) > 0)
        require(listed, f"columns must be a list of names or a mapping of names, got {self.columns!r}")
        for option in ("sheet", "name", "date_column", "asset_column", "price_column"):
            text = getattr(self, option)
            require(text is None or (isinstance(text, str) and bool(text)), f"{option} must be a name, got {text!r}")
