"""A file as rows of cells with their file row numbers, and as named columns; words for how it is to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Layout = Literal["wide", "long"]
Decimal = Literal[".", ","]
Values = Literal["prices", "returns", "percent"]
Cell = str | float | int
"""Text as it stands in the file; numbers only where the file itself has numbers (XLSX, Parquet)."""
Row = tuple[int, list[Cell]]
MAX_ROWS = 250_000
MAX_COLUMNS = 2_000
MAX_CELLS = 10_000_000


def is_blank(cell: Cell) -> bool:
    """Whether the cell is empty or holds blanks only."""
    return isinstance(cell, str) and (not cell or cell.isspace())


@dataclass(frozen=True)
class Table:
    """Columns of cells under their names; `rows` are the file rows, `header_row` that of the names."""

    names: list[str]
    columns: list[Sequence[Cell]]
    rows: list[int]
    header_row: int = 1
