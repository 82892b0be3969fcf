"""What the reader has settled about a file so far; a page shows it, also when the file cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field

from riskcore.ingest.table import Decimal, Layout, Row, Table

SHOWN = 100
"""Rows of the file that are kept to be shown."""


@dataclass
class Facts:
    """Filled in step by step while the file is read; what is not reached or not decided stays None or empty."""

    kind: str | None = None
    sheets: tuple[str, ...] = ()
    sheet: str | None = None
    header_row: int | None = None
    names: tuple[str, ...] = ()
    grid: list[Row] = field(default_factory=list)
    layout: Layout | None = None
    date_column: str | None = None
    asset_column: str | None = None
    price_columns: tuple[tuple[str, str], ...] = ()
    date_format: str | None = None
    decimal: Decimal | None = None

    def see_rows(self, grid: list[Row]) -> None:
        """Keep the first rows."""
        self.grid = grid[:SHOWN]

    def see_table(self, table: Table) -> None:
        """Names and first rows of a file that is a table by itself."""
        self.header_row, self.names = table.header_row, tuple(table.names)
        cells = [column[:SHOWN] for column in table.columns]
        self.grid = [(table.rows[i], [column[i] for column in cells]) for i in range(min(SHOWN, len(table.rows)))]
