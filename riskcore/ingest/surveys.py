"""What a file looks like, also when it cannot be used: what a page shows above its questions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Unpack

import pandas as pd

from riskcore.errors import DataError
from riskcore.ingest.findings import Finding, Report, escape
from riskcore.ingest.load import Ingested, Source, load_one, read_options
from riskcore.ingest.options import ReadOptions
from riskcore.ingest.table import Cell, Decimal, Layout

PREVIEW_ROWS = 8


@dataclass(frozen=True, eq=False)
class Survey:
    """A file as the reader sees it; None or empty where it did not get so far, or must ask.

    Parameters
    ----------
    kind : {"csv", "xlsx", "parquet"} or None
        Told from the content; every delimited text is ``csv``.
    sheets : tuple of str
        Sheets of a workbook, empty ones too.
    sheet : str or None
        The one that is read; None where it must be said.
    header_row : int or None
        File row of the names.
    names : tuple of str
        Names of the columns, as the file has them; names may repeat or be empty.
    preview : DataFrame
        The first rows as text, by file row; columns by the names, made different where they repeat or are missing.
    layout : {"wide", "long"} or None
        One column per asset, or one row per date and asset.
    date_column, asset_column : str or None
        Columns of the dates, and of the assets of a long table.
    price_columns : tuple of (str, str)
        Columns of prices or returns, each with its asset; without asset in a long table.
    date_format : str or None
        ``DMY``, ``MDY``, ``YMD`` or the format that was passed; ``serial`` for day numbers of a spreadsheet.
    decimal : {".", ","} or None
        Decimal sign.
    loaded : Ingested or None
        What :func:`riskcore.load_prices` gives; None if it raises.
    fault : DataError or None
        What it raises: every fault in its text and its `findings`.
    """

    kind: str | None = None
    sheets: tuple[str, ...] = ()
    sheet: str | None = None
    header_row: int | None = None
    names: tuple[str, ...] = ()
    preview: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    layout: Layout | None = None
    date_column: str | None = None
    asset_column: str | None = None
    price_columns: tuple[tuple[str, str], ...] = ()
    date_format: str | None = None
    decimal: Decimal | None = None
    loaded: Ingested | None = field(default=None, repr=False)
    fault: DataError | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found on the way, errors first."""
        return self.loaded.findings if self.loaded is not None else getattr(self.fault, "findings", ())


def survey(path_or_buffer: Source, **options: Unpack[ReadOptions]) -> Survey:
    """Read a file as far as it goes, and tell how; no fault of the file is raised.

    Parameters
    ----------
    path_or_buffer, **options
        As for :func:`riskcore.load_prices`.

    Returns
    -------
    Survey
        With the prices, or the fault.

    Raises
    ------
    ConfigError
        If an option is outside its range.

    Examples
    --------
    >>> seen = survey(b"date,A\\n01/02/2024,10\\n02/02/2024,11\\n")
    >>> seen.names, seen.date_column, seen.price_columns, seen.date_format
    (('date', 'A'), 'date', (('A', 'A'),), None)
    >>> seen.fault.findings[0].code
    'ambiguous_dates'
    """
    settings = read_options(options)
    report = Report()
    loaded, fault = None, None
    try:
        loaded = load_one(path_or_buffer, settings, report)
    except DataError as error:
        fault = error
    facts = report.facts
    return Survey(
        kind="csv" if facts.kind == "text" else facts.kind,
        sheets=facts.sheets,
        sheet=facts.sheet,
        header_row=facts.header_row,
        names=facts.names,
        preview=_preview(report),
        layout=facts.layout,
        date_column=facts.date_column,
        asset_column=facts.asset_column,
        price_columns=facts.price_columns,
        date_format=facts.date_format,
        decimal=facts.decimal,
        loaded=loaded,
        fault=fault,
    )


def _preview(report: Report) -> pd.DataFrame:
    """The first rows below the names; without names the first rows of all, so that the user can say where they are."""
    facts = report.facts
    rows = [(number, cells) for number, cells in facts.grid if number > (facts.header_row or 0)][:PREVIEW_ROWS]
    width = max([len(facts.names), *(len(cells) for _, cells in rows)])
    texts = [[_text(cell) for cell in cells] + [""] * (width - len(cells)) for _, cells in rows]
    index = pd.Index([number for number, _ in rows], name="row", dtype="int64")
    return pd.DataFrame(texts, index=index, columns=pd.Index(_different(facts.names, width), dtype="str"), dtype="str")


def _text(cell: Cell) -> str:
    return escape(int(cell) if isinstance(cell, float) and cell.is_integer() else cell)


def _different(names: tuple[str, ...], width: int) -> list[str]:
    """Names for the columns of a table that must differ: ``A``, ``A (2)``, ``column 3``."""
    out: dict[str, None] = {}
    for i in range(width):
        name = (names[i] if i < len(names) else "") or f"column {i + 1}"
        different, count = name, 1
        while different in out:
            count += 1
            different = f"{name} ({count})"
        out[different] = None
    return list(out)
