"""From a path or a buffer to prices and findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NamedTuple, Unpack

import numpy as np
import pandas as pd

from riskcore._types import FloatArray
from riskcore.errors import DataError, require
from riskcore.ingest.columnar import read_parquet
from riskcore.ingest.container import MAX_BYTES, identify
from riskcore.ingest.dates import DateArray, parse_dates
from riskcore.ingest.findings import MAX_NAME, Finding, Report, clean_name, data_error, escape
from riskcore.ingest.header import table_of
from riskcore.ingest.layout import Roles, column_name, find_roles
from riskcore.ingest.numerals import parse_prices
from riskcore.ingest.oddities import inspect, inspect_calendar
from riskcore.ingest.options import Options, ReadOptions
from riskcore.ingest.series import Named, Series, check_numbers, in_order
from riskcore.ingest.table import MAX_COLUMNS, Table, is_blank
from riskcore.ingest.text import read_text
from riskcore.ingest.workbook import read_workbook

Source = str | Path | bytes | IO[bytes] | IO[str]


class Ingested(NamedTuple):
    """What a file gave.

    Parameters
    ----------
    prices : DataFrame
        Ascending DatetimeIndex ``date`` without repeats x assets, float64; NaN where an asset has no price. Of a file
        of returns: these, as decimals.
    findings : tuple of Finding
        What was accepted, fixed or flagged on the way.
    """

    prices: pd.DataFrame
    findings: tuple[Finding, ...]


def load_prices(path_or_buffer: Source, **options: Unpack[ReadOptions]) -> Ingested:
    """Prices, or returns, of a CSV, TSV, text, XLSX or Parquet file, and what was found on the way.

    Everything is read as text and converted under explicit rules: one date format and one decimal sign a file. What
    the reader cannot know it does not guess: the error names the option to pass.

    Parameters
    ----------
    path_or_buffer : str, Path, bytes or file object
        The file; its kind is told from its content, not from its name.
    values : {"prices", "returns", "percent"}
        What the file holds: prices (default), returns as decimals (0.01 is 1 %; so stand also the cells of a workbook
        that it shows as percent), or returns in percent (1 is 1 %, with or without a percent sign). Returns come out
        as decimals; each is over the time since its asset's last one, and an empty cell stays NaN.
    date_format : {"DMY", "MDY", "YMD"} or str, optional
        Order of day, month and year, or a `strptime` format.
    decimal : {".", ","}, optional
        Decimal sign.
    layout : {"wide", "long"}, optional
        One column per asset, or one row per date and asset.
    sheet : str, optional
        Sheet of a workbook that has several.
    columns : list or mapping of str, optional
        Price columns to read, by the file's names; a mapping renames the assets to its values.
    name : str, optional
        Name of the asset of a file of one asset; without it a column such as ``close`` takes the file's stem.
    header_row : int, optional
        File row of the names, counted from 1.
    date_column, asset_column, price_column : str, optional
        Columns of the dates, and of assets and prices in a long table.
    max_missing : float
        Largest share of empty cells between an asset's first and last price; default 0.35.

    Returns
    -------
    Ingested
        ``prices`` (NaN where an asset has no price; no date without any) and ``findings``.

    Raises
    ------
    DataError
        If the file cannot be used; the text lists every fault with its file rows, `findings` holds them.
    ConfigError
        If an option is outside its range.

    Examples
    --------
    >>> prices, findings = load_prices(b"date;close\\n31.01.2024;1.010,5\\n01.02.2024;1.020,25\\n", name="DAX")
    >>> prices["DAX"].tolist()
    [1010.5, 1020.25]
    >>> [finding.code for finding in findings if finding.severity == "fixed"]
    ['decimal_comma', 'thousands']
    """
    return load_one(path_or_buffer, read_options(options))


def read_prices(path_or_buffer: Source, **options: Unpack[ReadOptions]) -> pd.DataFrame:
    """The prices of `load_prices`, without its findings.

    Parameters
    ----------
    path_or_buffer, **options
        As for `load_prices`.

    Returns
    -------
    DataFrame
        Ascending DatetimeIndex x assets, float64; NaN where an asset has no price.

    Raises
    ------
    DataError, ConfigError
        As for `load_prices`.

    Examples
    --------
    >>> read_prices(b"date,A,B\\n2024-01-02,10,20\\n2024-01-03,11,19\\n").shape
    (2, 2)
    """
    return load_prices(path_or_buffer, **options).prices


def load_files(paths: Iterable[Source], **options: Unpack[ReadOptions]) -> Ingested:
    """Prices of several files side by side, each asset on its own dates.

    Parameters
    ----------
    paths : iterable
        Files as for `load_prices`.
    **options
        As for `load_prices`, the same for every file.

    Returns
    -------
    Ingested
        Union of the dates; an asset name of several files becomes ``stem.name`` in each.

    Raises
    ------
    DataError
        Listing the faults of all files, or if two files of one stem hold the same asset.
    ConfigError
        If an option is outside its range.

    Examples
    --------
    >>> a, b = (b"date,A\\n2024-01-02,10\\n2024-01-03,11\\n", b"date,B\\n2024-01-03,5\\n2024-01-04,6\\n")
    >>> load_files([a, b]).prices.shape
    (3, 2)
    """
    settings = read_options(options)
    sources = list(paths)
    require(bool(sources), "paths must name at least one file, got none", DataError)
    loaded: list[tuple[str, Ingested]] = []
    faults: list[Finding] = []
    for source in sources:
        try:
            loaded.append((_stem(source), load_one(source, settings)))
        except DataError as error:
            faults += getattr(error, "findings", ())
    if faults:
        raise data_error(faults)
    return _joined(loaded)


def read_options(options: ReadOptions) -> Options:
    """The options, checked."""
    known = Options.__dataclass_fields__
    unknown = sorted(set(options) - set(known))
    require(not unknown, f"options must be of {', '.join(known)}, got {', '.join(unknown)}")
    return Options(**options)


def _joined(loaded: list[tuple[str, Ingested]]) -> Ingested:
    counts = Counter(name for _, got in loaded for name in got.prices.columns)
    frames, names = [], []
    for stem, got in loaded:
        frames.append(got.prices)
        names += [f"{stem}.{name}" if counts[name] > 1 else name for name in got.prices.columns]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        report = Report()
        shown = ", ".join(twice[:5])
        report.fail("name_clash", f"two files give the asset {shown}", remedy="Give the files different names.")
    prices = pd.concat(frames, axis=1, join="outer", sort=True)
    prices.columns = pd.Index(names)
    return Ingested(prices.rename_axis(index="date"), tuple(x for _, got in loaded for x in got.findings))


def load_one(source: Source, options: Options, report: Report | None = None) -> Ingested:
    """Read one file step by step; a `report` that is handed in also keeps what was settled before a fault."""
    report = Report() if report is None else report
    report.file, report.values = escape(label(source), MAX_NAME), options.values
    content = _bytes(source, report)
    kind = report.facts.kind = identify(content, report)
    if kind == "parquet":
        table = read_parquet(content, report)
        report.facts.see_table(table)
    else:
        grid = read_workbook(content, options.sheet, report) if kind == "xlsx" else read_text(content, report)
        report.facts.see_rows(grid)
        table = table_of(grid, options.header_row, report)
    roles = find_roles(table, options, clean_name(_stem(source)), report)
    series = _series(table, roles, options, report)
    partial = bool(report.faults)
    for one in series:
        check_numbers(one, options.max_missing, partial, report)
    report.stop_on_errors()
    if options.values == "percent":
        series = [replace(one, prices=one.prices / 100.0) for one in series]
    for one in series:
        inspect(one, report)
    prices = _frame(series, report)
    return Ingested(prices, tuple(report.findings))


def label(source: Source) -> str:
    """Name of the file, empty if it has none."""
    if isinstance(source, (str, Path)):
        return Path(source).name
    name = getattr(source, "name", None)
    return Path(name).name if isinstance(name, str) else ""


def _stem(source: Source) -> str:
    return Path(label(source)).stem


def _bytes(source: Source, report: Report) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if not isinstance(source, (str, Path)):
        require(
            hasattr(source, "read"), f"path_or_buffer must be a path or a file, got {type(source).__name__}", DataError
        )
        content = source.read(MAX_BYTES + 1)
        return content.encode("utf-8") if isinstance(content, str) else bytes(content)
    try:
        path = Path(source)
        if not path.exists():
            report.fail("file_missing", f"there is no file '{escape(source, 200)}'", remedy="Check the path.")
        if not path.is_file():
            report.fail("file_unreadable", f"'{report.file}' is a folder or a device", remedy="Name a file.")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if report.faults:
            raise
        what = type(error).__name__
        report.fail("file_unreadable", f"the file cannot be opened ({what})", remedy="Check its name and permissions.")


def _series(table: Table, roles: Roles, options: Options, report: Report) -> list[Series]:
    """Dated prices of each asset; the faults of dates and numbers go to the report."""
    keep = [i for i in range(len(table.rows)) if not all(is_blank(column[i]) for column in table.columns)]
    rows = [table.rows[i] for i in keep]
    cells = table.columns[roles.date]
    assets = [""] * len(keep)
    if roles.asset is not None:
        column = table.columns[roles.asset]
        cleaned = {cell: clean_name(cell) for cell in set(column)}
        assets = [cleaned[column[i]] for i in keep]
        _unnamed(assets, rows, table.names[roles.asset], report)
    names, groups = _groups(assets)
    dates = parse_dates(
        [cells[i] for i in keep], rows, groups, table.names[roles.date] or "1", options.date_format, report
    )
    titles = [Named(name, column_name(table, j)) for j, name in roles.prices]
    chosen = [
        (title.column, [table.columns[j][i] for i in keep]) for title, (j, _) in zip(titles, roles.prices, strict=True)
    ]
    prices = parse_prices(chosen, rows, options.decimal, report)
    dated = ~np.isnat(dates)
    numbers = np.array(rows, dtype=np.int64)
    if roles.asset is None:
        return in_order(titles, dates[dated], [p[dated] for p in prices], numbers[dated], "", report)
    if len(names) > MAX_COLUMNS:
        report.fail("file_too_large", f"the table has {len(names)} assets, at most {MAX_COLUMNS} are read")
    out: list[Series] = []
    for k, name in enumerate(names):
        own = dated & (groups == k)
        if name and own.any():
            out += in_order([Named(name, titles[0].column)], dates[own], [prices[0][own]], numbers[own], name, report)
    return out


def _unnamed(assets: list[str], rows: list[int], column: str, report: Report) -> None:
    blank = [row for row, asset in zip(rows, assets, strict=True) if not asset]
    if blank:
        remedy = "Name the asset of every row."
        report.error("no_asset_column", "rows without the name of an asset", rows=blank, column=column, remedy=remedy)


def _groups(assets: list[str]) -> tuple[list[str], np.ndarray[Any, np.dtype[np.int64]]]:
    names = list(dict.fromkeys(assets))
    number = {name: k for k, name in enumerate(names)}
    return names, np.array([number[asset] for asset in assets], dtype=np.int64)


def _frame(series: list[Series], report: Report) -> pd.DataFrame:
    """Assets side by side on the union of the dates on which any has a price."""
    owns = [~np.isnan(one.prices) for one in series]
    dates: DateArray = np.unique(np.concatenate([one.dates[own] for one, own in zip(series, owns, strict=True)]))
    prices: FloatArray = np.full((dates.size, len(series)), np.nan)
    rows = np.zeros(dates.size, dtype=np.int64)
    for j, (one, own) in enumerate(zip(series, owns, strict=True)):
        where = np.searchsorted(dates, one.dates[own])
        prices[where, j] = one.prices[own]
        rows[where] = one.rows[own]
    inspect_calendar(dates, prices, rows, report)
    _empty_weekends(series, dates, report)
    index = pd.DatetimeIndex(dates.astype("datetime64[ns]"), name="date")
    return pd.DataFrame(prices, index=index, columns=pd.Index([one.name for one in series]))


def _empty_weekends(series: list[Series], priced: DateArray, report: Report) -> None:
    """Rows on weekends without any price: sessions whose price is missing, or a filled calendar."""
    found: dict[int, str] = {}
    for one in series:
        lone = ~np.is_busday(one.dates) & ~np.isin(one.dates, priced)
        found |= dict(zip(one.rows[lone].tolist(), one.dates[lone].astype(str).tolist(), strict=True))
    if found:
        first = found[min(found)]
        rows = f"{len(found)} row{'s' if len(found) > 1 else ''}"
        text = f"{rows} on weekends without a {report.noun}, first {first}; left out"
        report.add("flagged", "weekend_rows", text, rows=sorted(found))
