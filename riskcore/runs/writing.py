"""Aligned text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from riskcore._types import Target

if TYPE_CHECKING:
    import pandas as pd

NAMES = {"var": "VaR", "es": "ES", "expectile": "expectile VaR"}
MAX_ROWS = 60


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 2) -> str:
    """Rows as aligned text; the first `left` columns stand left, the others right.

    >>> print(text_table(["a", "n"], [["x", "1"], ["yy", "10"]], left=1))
    a    n
    x    1
    yy  10
    """
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def cut(rows: list[list[str]]) -> tuple[list[list[str]], str]:
    """The first rows, and a line that says how many more there are."""
    more = len(rows) - MAX_ROWS
    return rows[:MAX_ROWS], f"\n... and {more} more rows in the files" if more > 0 else ""


def title(target: Target) -> str:
    """A target in words.

    >>> title(Target("expectile", 0.99))
    'expectile VaR 0.99'
    """
    return f"{NAMES[target.measure]} {target.level:g}"


def percent(value: float, digits: int = 2) -> str:
    """A loss or share in percent, a hyphen where there is none.

    >>> percent(0.0531), percent(float("nan"))
    ('5.31 %', '-')
    """
    return f"{100 * value:.{digits}f} %" if value == value else "-"


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as mappings from column name to value."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
