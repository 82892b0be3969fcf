"""Tables as CSV that a spreadsheet cannot mistake for formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\0")


def guard(text: str) -> str:
    """Text that a spreadsheet would run gets a leading apostrophe (OWASP ASVS 1.2.10).

    >>> guard("=cmd|' /C calc'!A0"), guard("S&P 500")
    ("'=cmd|' /C calc'!A0", 'S&P 500')
    """
    return "'" + text if text.startswith(_RISKY) else text


def to_csv(table: pd.DataFrame) -> bytes:
    """CSV of a table without its index: UTF-8, numbers in the shortest form that reads back exactly, text guarded."""
    safe = table.copy()
    safe.columns = [guard(str(c)) for c in table.columns]
    for place, name in enumerate(safe.columns):
        cells = safe.iloc[:, place]
        if cells.dtype.kind not in "iufbM":
            safe[name] = cells.astype(object).map(lambda x: guard(x) if isinstance(x, str) else x)
    return safe.to_csv(index=False, lineterminator="\n").encode("utf-8")
