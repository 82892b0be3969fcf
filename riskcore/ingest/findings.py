"""What the reader has to say about a file: findings, and the error that lists every fault."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NoReturn, TypedDict, Unpack

from riskcore.errors import DataError
from riskcore.ingest.facts import Facts
from riskcore.ingest.table import Values

Severity = Literal["accepted", "fixed", "flagged", "error"]
MAX_NAME = 64
MAX_SAMPLE = 40
MAX_ROWS_KEPT = 100
"""File rows that a finding carries; its `count` is the full number."""

CODES = MappingProxyType(
    {
        # the file
        "file_missing": "no file of that name",
        "file_unreadable": "a folder, a device, or a file without permission",
        "file_too_large": "more bytes, rows, columns or cells than the reader takes",
        "file_type": "not CSV, TSV, text, XLSX or Parquet, by its content",
        "empty_file": "no byte, or nothing but blanks",
        "encoding": "read as another encoding than UTF-8",
        "bad_encoding": "the bytes are no text in any encoding that is tried",
        "archive_unsafe": "an XLSX that unpacks to too much, or holds XML entities",
        "unreadable_xlsx": "a workbook that cannot be opened",
        "unreadable_parquet": "a Parquet file that cannot be opened",
        "object_column": "a Parquet column of lists, structs or bytes",
        "several_sheets": "a workbook of several sheets and no `sheet`",
        "unknown_sheet": "no sheet of that name",
        "merged_cells": "merged cells in a sheet",
        "formula_without_value": "a formula whose result is not stored",
        # lines and names
        "not_a_table": "text without columns",
        "unbalanced_quote": "a quote that is not closed on its line",
        "ragged_row": "more or fewer fields than the header",
        "preamble": "lines before the header",
        "multi_row_header": "a header of several rows",
        "no_header": "the first row holds data",
        "header_only": "a header and no data",
        "repeated_header": "the header again among the data: two tables",
        "dates_across": "dates run across the columns",
        "duplicate_column": "two columns of one name",
        "blank_column_name": "a column of values without a name",
        "blank_column": "an empty column without a name, left out",
        "index_column": "a counter of rows, left out",
        "name_cleaned": "control characters or length taken from a name",
        "layout": "which columns were taken for what",
        "no_date_column": "no column of dates",
        "no_price_column": "no column of prices",
        "no_asset_column": "a long table without a column of assets",
        "unknown_column": "no column of that name",
        "name_clash": "two files of one stem with the same asset",
        # dates
        "date_format": "how the dates were read",
        "bad_date": "a date that does not exist or cannot be read",
        "ambiguous_dates": "day and month could be exchanged",
        "mixed_date_formats": "several date formats in one file",
        "two_digit_years": "years of two digits",
        "excel_serials": "dates as day numbers of a spreadsheet",
        "time_of_day": "dates with a time of day",
        "time_zone": "dates with a time zone",
        "unsorted": "rows not in order of date",
        "newest_first": "rows from the newest date to the oldest",
        "duplicate_dates": "a date twice with the same prices",
        "duplicate_conflict": "a date twice with different prices",
        # numbers
        "not_a_number": "text among the prices",
        "infinite": "an infinite price",
        "percent": "percent signs: returns? Taken off where the file is said to hold percent",
        "currency": "a currency sign, taken off prices and a fault among returns",
        "mixed_currency": "several currencies in one file",
        "number_marks": "unicode minus signs, odd blanks or numbers stored as text",
        "thousands": "thousands separators taken out",
        "decimal_comma": "the decimal sign is a comma",
        "ambiguous_decimal": "a separator could be decimal or thousands",
        "mixed_decimals": "decimal points and decimal commas in one file",
        # series
        "missing_prices": "empty cells between an asset's first and last price",
        "too_many_missing": "a larger share of empty cells than `max_missing`",
        "empty_column": "an asset without any price",
        "too_few_prices": "an asset with one price",
        "zero_or_negative": "a price at or below zero",
        "looks_like_returns": "returns in place of prices",
        "looks_like_prices": "prices in place of returns",
        "looks_like_percent": "percent in place of decimals",
        "looks_like_decimals": "decimals in place of percent?",
        "constant_column": "a price or return that never changes",
        "stale_prices": "the same price for more than ten rows",
        "unchanged_prices": "many prices equal to the one before, or returns of zero",
        "carried_rows": "rows on which no asset, or few of many, move: holidays carried forward?",
        "split_like": "a jump by a round factor: a split or a change of units?",
        "large_move": "a move of more than 30 % in a row",
        "reverting_spike": "a jump that is undone in the next row: a wrong print?",
        "gap": "more than ten days between two prices",
        "missing_weekdays": "weekdays without a price",
        "weekend_rows": "prices on Saturdays or Sundays",
        "weekends_filled": "weekend prices equal to Friday's",
        "seven_day_week": "a market that trades on all seven days",
        "not_daily": "prices further apart than days",
    }
)
"""Every code of a finding, and its meaning."""


@dataclass(frozen=True)
class Finding:
    """One thing the reader found in a file.

    Parameters
    ----------
    code : str
        Stable name of the kind, a key of `CODES`.
    severity : {"accepted", "fixed", "flagged", "error"}
        Taken as it is; changed, in a way that loses nothing; kept, but worth a look; or not usable.
    message : str
        What was found, in words, with the cells concerned.
    file, sheet : str
        Where; `sheet` is empty but for workbooks.
    rows : tuple of int
        File rows, counted from 1 with the header as row 1; the first hundred.
    column : str
        Name of the column in the file; empty for the whole file.
    sample : str
        The first cell concerned, escaped, at most 40 characters.
    count : int
        Number of cells or rows concerned.
    remedy : str
        What to do about it; empty if nothing need be done.

    Examples
    --------
    >>> print(Finding("zero_or_negative", "error", "price '0' in A", rows=(41,), column="A", remedy="Correct it."))
    row 41, column A: price '0' in A [zero_or_negative]. Correct it.
    """

    code: str
    severity: Severity
    message: str
    file: str = ""
    sheet: str = ""
    rows: tuple[int, ...] = ()
    column: str = ""
    sample: str = ""
    count: int = 1
    remedy: str = ""

    def __str__(self) -> str:
        sheet = f"sheet {self.sheet}" if self.sheet else ""
        column = f"column {self.column}" if self.column else ""
        where = ", ".join(part for part in (sheet, rows_text(self.rows, self.count), column) if part)
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} [{self.code}]. {self.remedy}".rstrip() if self.remedy else f"{text} [{self.code}]"


def rows_text(rows: Sequence[int], count: int) -> str:
    """``row 4``, ``rows 4, 5, 9`` or ``rows 4, 5, 9, 12 and 31 more``.

    >>> rows_text((4, 5, 9, 12, 13), 36)
    'rows 4, 5, 9, 12 and 32 more'
    """
    if not rows:
        return ""
    shown = rows[:4] if max(len(rows), count) > 5 else rows[:5]
    more = max(count, len(rows)) - len(shown) if len(rows) > 1 else 0
    text = ", ".join(str(row) for row in shown)
    return f"row{'s' if len(rows) > 1 else ''} {text}" + (f" and {more} more" if more > 0 else "")


def escape(value: object, cap: int = MAX_SAMPLE) -> str:
    r"""Printable text of at most `cap` characters: control, direction and other hidden characters as ``\x1b``.

    >>> escape("10.5\x1b[31m")
    '10.5\\x1b[31m'
    """
    text = "" if value is None else str(value)
    out = []
    for char in text[: cap + 1]:
        hidden = unicodedata.category(char)[0] == "C" or unicodedata.category(char) in {"Zl", "Zp"}
        out.append(char.encode("unicode_escape").decode("ascii") if hidden else char)
    shown = "".join(out)
    return shown if len(shown) <= cap else shown[: cap - 1] + "…"


def clean_name(name: object) -> str:
    r"""A name without control and direction characters, with single blanks, of at most 64 characters.

    >>> clean_name(" S&P\t500\u202e ")
    'S&P 500'
    """
    spaced = re.sub(r"\s+", " ", str(name))
    kept = "".join(char for char in spaced if unicodedata.category(char)[0] != "C")
    return kept.strip()[:MAX_NAME].strip()


class _Details(TypedDict, total=False):
    rows: Iterable[int]
    column: str
    sample: object
    count: int
    remedy: str


class Report:
    """Findings of one file, in the order in which they were made."""

    def __init__(self, file: str = "", sheet: str = "", values: Values = "prices") -> None:
        self.file = escape(file, MAX_NAME)
        self.sheet = sheet
        self.values: Values = values
        self.findings: list[Finding] = []
        self.facts = Facts()

    @property
    def noun(self) -> str:
        """What one number of the file is called."""
        return "price" if self.values == "prices" else "return"

    def add(self, severity: Severity, code: str, message: str, **details: Unpack[_Details]) -> None:
        """Keep a finding; `count` is the number of rows, or 1, unless said."""
        rows = tuple(int(row) for row in details.get("rows", ()))
        finding = Finding(
            code,
            severity,
            escape(message, 2000),
            file=self.file,
            sheet=escape(self.sheet, MAX_NAME),
            rows=rows[:MAX_ROWS_KEPT],
            column=escape(details.get("column", ""), MAX_NAME),
            sample=escape(details.get("sample", "")),
            count=details.get("count", max(1, len(rows))),
            remedy=details.get("remedy", ""),
        )
        self.findings.append(finding)

    def error(self, code: str, message: str, **details: Unpack[_Details]) -> None:
        """Keep a fault that makes the file unusable; reading goes on, so that all are listed."""
        self.add("error", code, message, **details)

    def fail(self, code: str, message: str, **details: Unpack[_Details]) -> NoReturn:
        """Keep a fault after which nothing more can be read, and raise."""
        self.error(code, message, **details)
        raise data_error(self.findings)

    def forget_errors(self) -> None:
        """Drop the faults so far: they follow from the one that comes next."""
        self.findings = [finding for finding in self.findings if finding.severity != "error"]

    @property
    def faults(self) -> list[Finding]:
        """The errors among the findings."""
        return [finding for finding in self.findings if finding.severity == "error"]

    def stop_on_errors(self) -> None:
        """Raise a DataError that lists every fault, if there is one."""
        if self.faults:
            raise data_error(self.findings)


def data_error(findings: Iterable[Finding]) -> DataError:
    """A DataError whose text lists every fault; its `findings` holds all that was found, errors first."""
    ordered = sorted(findings, key=lambda finding: finding.severity != "error")
    faults = _grouped([finding for finding in ordered if finding.severity == "error"])
    files = ", ".join(dict.fromkeys(fault.file for fault in faults if fault.file)) or "input"
    lines = [f"{files} cannot be used: {len(faults)} fault{'s' if len(faults) != 1 else ''}"]
    several = len({fault.file for fault in faults}) > 1
    lines += [f"  - {fault.file + ', ' if several else ''}{fault}" for fault in faults]
    error = DataError("\n".join(lines))
    error.findings = tuple(ordered)
    return error


def _grouped(faults: list[Finding]) -> list[Finding]:
    """One fault of the same rows and code in many columns is shown once, with the number of columns."""
    seen: dict[tuple[str, str, tuple[int, ...]], list[Finding]] = {}
    for fault in faults:
        seen.setdefault((fault.file, fault.code, fault.rows), []).append(fault)
    shown = []
    for group in seen.values():
        if len(group) <= 3:
            shown += group
        else:
            message = f"{group[0].message}; likewise in {len(group) - 1} more columns"
            shown.append(replace(group[0], message=message))
    return shown
