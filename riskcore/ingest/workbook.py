"""XLSX workbooks: one sheet as rows of cells, streamed under caps, XML through defusedxml.

The archive's sizes are checked before (container.py). A separate process with limits of memory and time, for files
from strangers, is not here yet.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from datetime import date, datetime, time
from typing import Any, NoReturn

from riskcore.errors import DataError
from riskcore.ingest.findings import Report, escape
from riskcore.ingest.table import MAX_CELLS, MAX_COLUMNS, MAX_ROWS, Cell, Row

_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*\bref="([A-Z0-9:]{3,24})"')
_EMPTY_FORMULA = re.compile(
    rb'<(?:\w+:)?c r="([A-Z]{1,3}[0-9]{1,7})"[^>]*>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)'
    rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_SAVE = "Save the workbook again in a spreadsheet, or save the sheet as CSV."


def read_workbook(content: bytes, sheet: str | None, report: Report) -> list[Row]:
    """Rows of the chosen sheet with their row numbers; empty rows are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl's remarks on styles and extensions that are not read
        try:
            book = _open(content, report)
            found = _sheets(book, sheet, report)
            report.facts.sheets = tuple(s.title for s in book.worksheets)
            if found:
                report.facts.see_rows(next(iter(found.values())))
            name = _choose(found, [s.title for s in book.worksheets], sheet, report)
            report.sheet = report.facts.sheet = name
            rows = _strip(found[name])
            xml = _xml(content, book[name])
            _formulas(xml, report)
            _merged(xml, report)
        except DataError:
            raise
        except Exception as error:  # a damaged workbook makes openpyxl raise almost anything; all of it is one fault
            _damaged(error, report)
    return rows


def _open(content: bytes, report: Report) -> Any:
    import openpyxl

    if not openpyxl.DEFUSEDXML:
        report.fail("unreadable_xlsx", "defusedxml is not installed, without it XLSX is not read", remedy="Install it.")
    return openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)


def _damaged(error: Exception, report: Report) -> NoReturn:
    from defusedxml import DefusedXmlException

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DefusedXmlException):
            text = f"the workbook holds XML that is not read ({type(cause).__name__})"
            report.fail("archive_unsafe", text, remedy=_SAVE)
        cause = cause.__cause__
    report.fail("unreadable_xlsx", f"the workbook cannot be opened ({type(error).__name__})", remedy=_SAVE)


def _sheets(book: Any, sheet: str | None, report: Report) -> dict[str, list[Row]]:
    """Rows of every sheet that has cells, hidden ones too, or of the one asked for."""
    found = {}
    for worksheet in book.worksheets:
        if sheet is not None and worksheet.title != sheet:
            continue
        worksheet.reset_dimensions()  # a sheet's own statement of its size proves nothing
        rows = _rows(worksheet, report)
        if rows:
            found[worksheet.title] = rows
    return found


def _rows(worksheet: Any, report: Report) -> list[Row]:
    out: list[Row] = []
    n_cells = 0
    for number, values in enumerate(worksheet.iter_rows(values_only=True), start=1):
        n_cells += len(values)
        if number > MAX_ROWS or len(values) > MAX_COLUMNS or n_cells > MAX_CELLS:
            report.sheet = worksheet.title
            limits = f"at most {MAX_ROWS} rows and {MAX_COLUMNS} columns are read"
            remedy = "Delete what lies far from the table, or save the table as CSV."
            report.fail("file_too_large", f"the sheet is too large: {limits}", rows=[number], remedy=remedy)
        cells = [_cell(value) for value in values]
        if any(cell != "" for cell in cells):
            out.append((number, cells))
    return out


def _cell(value: object) -> Cell:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == time() and value.tzinfo is None else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    return "" if text.isspace() else text


def _strip(rows: list[Row]) -> list[Row]:
    """The rows cut or filled to one width, without the empty columns at the right."""
    width = max(max(i for i, cell in enumerate(row, 1) if cell != "") for _, row in rows)
    return [(number, row[:width] + [""] * (width - len(row))) for number, row in rows]


def _choose(found: dict[str, list[Row]], titles: list[str], sheet: str | None, report: Report) -> str:
    names = ", ".join(f"'{escape(title)}'" for title in titles[:10])
    if sheet is not None and sheet not in titles:
        report.fail("unknown_sheet", f"no sheet '{escape(sheet)}'; there are {names}", remedy="Pass one of them.")
    if not found or (sheet is not None and sheet not in found):
        report.fail("empty_file", "the sheet is empty", remedy="Give a sheet with a column of dates and one of prices.")
    if sheet is None and len(found) > 1:
        report.fail(
            "several_sheets",
            f"the workbook has {len(found)} sheets with cells: {', '.join(repr(escape(name)) for name in found)}",
            count=len(found),
            remedy=f"Pass sheet='{escape(next(iter(found)))}' or another of them.",
        )
    return sheet if sheet is not None else next(iter(found))


def _xml(content: bytes, worksheet: Any) -> bytes:
    """The sheet as it stands in the archive: the streaming reader tells neither merged cells nor empty formulas."""
    path = str(getattr(worksheet, "_worksheet_path", "")).lstrip("/")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(path) if path in archive.namelist() else b""


def _formulas(xml: bytes, report: Report) -> None:
    """Formulas whose result was never stored; they look like empty cells."""
    missing = [match.decode() for match in _EMPTY_FORMULA.findall(xml)]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        report.error(
            "formula_without_value",
            f"formula in {missing[0]}{more} has no stored value",
            rows=dict.fromkeys(int(cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")) for cell in missing),
            sample=missing[0],
            count=len(missing),
            remedy="Open the workbook in a spreadsheet and save it again.",
        )


def _merged(xml: bytes, report: Report) -> None:
    ranges = [match.decode() for match in _MERGED.findall(xml)]
    if ranges:
        rows = [int(match[1]) for text in ranges if (match := re.search(r"(\d+)", text))]
        report.error(
            "merged_cells",
            f"merged cells {', '.join(ranges[:5])}",
            rows=rows,
            sample=ranges[0],
            remedy="Unmerge them: every price needs its own cell, every column its own name.",
        )
