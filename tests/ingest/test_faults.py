"""Small bad files: each gives its code, severity and file rows, and nothing but a DataError."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any, NamedTuple

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskcore.errors import DataError
from riskcore.ingest import CODES, Ingested, load_files, load_prices


class Case(NamedTuple):
    name: str
    content: bytes
    severity: str
    code: str
    rows: tuple[int, ...] | None = None
    options: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    values: list[float] | None = None


def text(*lines: str) -> bytes:
    return "\n".join(lines).encode() + b"\n"


def days(n: int, start: str = "2024-01-01") -> list[str]:
    first = np.busday_offset(start, 0, roll="forward")
    return [str(np.busday_offset(first, i)) for i in range(n)]


def daily(prices: list[object], head: str = "date,A") -> bytes:
    return text(head, *(f"{day},{price}" for day, price in zip(days(len(prices)), prices, strict=True)))


def walk(n: int) -> list[float]:
    return [round(100 * 1.01 ** (i % 7) + 0.37 * i, 2) for i in range(n)]


def changed(n: int, **at: object) -> list[object]:
    prices: list[object] = [*walk(n)]
    for place, value in at.items():
        prices[int(place[1:])] = value
    return prices


AMBIGUOUS = text("date,A", "03/02/2020,10", "04/02/2020,11", "05/02/2020,12")
CASES = [
    # the file
    Case("empty", b"", "error", "empty_file"),
    Case("blanks", b" \r\n\n", "error", "empty_file"),
    Case("delimiters", b",,\n,,\n", "error", "empty_file"),
    Case("prose", b"This is a letter.\nIt has no prices\n", "error", "not_a_table", (1,)),
    Case("one_word", b"hello\n", "error", "not_a_table", (1,)),
    Case("letter", b"Hello world\nsome text, with commas\n", "error", "not_a_table", (1,)),
    Case("prose_commas", b"Dear Sir, dear Madam,\nI have no prices, sorry, none\n", "error", "no_date_column", (1,)),
    Case("pickle", pickle.dumps([1, 2]), "error", "file_type"),
    Case("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(50), "error", "file_type"),
    Case("gzip", b"\x1f\x8b\x08\x00" + bytes(50), "error", "file_type"),
    Case("joblib", b"\x78\x9c" + bytes(50), "error", "file_type"),
    Case("old_excel", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "error", "file_type"),
    Case(
        "encrypted",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
        "error",
        "file_type",
    ),
    Case("html", b"<!DOCTYPE html><html><table><tr><td>2020</td></tr></table>", "error", "file_type"),
    Case("html_renamed", b"\n <table><tr><td>1</td></tr></table>", "error", "file_type"),
    Case("xml", b"<?xml version='1.0'?><Workbook/>", "error", "file_type"),
    Case("json", b'[{"date": "2020-01-01", "A": 1}]', "error", "file_type"),
    Case("pdf", b"%PDF-1.7 ...", "error", "file_type"),
    Case("binary", bytes(range(1, 200)) * 3, "error", "file_type"),
    Case("nul", b"date,A\n2024-01-01,1\x00\n", "error", "file_type"),
    Case("bom", b"\xef\xbb\xbf" + daily([1, 2]), "fixed", "encoding", values=[1, 2]),
    Case("utf16", daily([1, 2]).decode().encode("utf-16"), "fixed", "encoding", values=[1, 2]),
    Case("utf16_no_bom", daily([1, 2]).decode().encode("utf-16-le"), "fixed", "encoding", values=[1, 2]),
    Case("utf16_be_no_bom", daily([1, 2]).decode().encode("utf-16-be"), "fixed", "encoding", values=[1, 2]),
    Case("utf32", daily([1, 2]).decode().encode("utf-32"), "fixed", "encoding", values=[1, 2]),
    Case("cp1252", "date,Café\n2024-01-01,1\n2024-01-02,2\n".encode("cp1252"), "fixed", "encoding", values=[1, 2]),
    Case("utf16_cut", b"\xff\xfe" + daily([1, 2]).decode().encode("utf-16-le")[:-1], "error", "bad_encoding"),
    Case("no_text_at_all", b"date,A\n2024-01-01,\x81\x9d\n", "error", "bad_encoding"),
    # lines and names
    Case(
        "quote_open", text("date,A", '2024-01-01,"1', "2024-01-02,2", "2024-01-03,3"), "error", "unbalanced_quote", (2,)
    ),
    Case("quote_alone", b'"\n', "error", "unbalanced_quote", (1,)),
    Case("quote_text", text("date,A", "2024-01-01,1", '2024-01-02,"2"x'), "error", "unbalanced_quote", (3,)),
    Case("long_row", text("date,A", "2024-01-01,1", "2024-01-02,2,9", "2024-01-03,3"), "error", "ragged_row", (3,)),
    Case("first_row_longer", text("date,A", "2024-01-01,1,9", "2024-01-02,2"), "error", "ragged_row", (2,)),
    Case(
        "short_row", text("date,A,B", "2024-01-01,1,2", "2024-01-02,2", "2024-01-03,3,4"), "error", "ragged_row", (3,)
    ),
    Case(
        "thousands_unquoted", text("date,A", "2024-01-01,1,500.25", "2024-01-02,1,501"), "error", "ragged_row", (2, 3)
    ),
    Case("footer", daily([1, 2]) + b"Source: a vendor\n", "error", "ragged_row", (4,)),
    Case(
        "preamble",
        text("Prices of A", "", "date,A", *days(0), "2024-01-01,1", "2024-01-02,2"),
        "error",
        "preamble",
        (1,),
    ),
    Case(
        "preamble_answered",
        text("Prices of A", "date,A", "2024-01-01,1", "2024-01-02,2"),
        "accepted",
        "layout",
        options={"header_row": 2},
        values=[1, 2],
    ),
    Case(
        "multi_row_header",
        text("Price,Close,High", "Ticker,AAPL,AAPL", "Date,,", "2024-01-01,1,2", "2024-01-02,2,3"),
        "error",
        "multi_row_header",
        (1, 2, 3),
    ),
    Case("no_header", text("2024-01-01,1", "2024-01-02,2"), "error", "no_header", (1,)),
    Case("no_header_compact", text("20240101,1", "20240102,2"), "error", "no_header", (1,)),
    Case("header_only", b"date,A\n", "error", "header_only", (1,)),
    Case("two_tables", daily([1, 2]) + text("date,A", "2024-01-03,3"), "error", "repeated_header", (4,)),
    Case("dates_across", text("asset,2024-01-01,2024-01-02", "A,1,2", "B,3,4"), "error", "dates_across", (1,)),
    Case("duplicate_names", text("date,A,A", "2024-01-01,1,2", "2024-01-02,2,3"), "error", "duplicate_column", (1,)),
    Case("blank_name", text("date,A,", "2024-01-01,1,2", "2024-01-02,2,3"), "error", "blank_column_name", (1,)),
    Case(
        "empty_column_right", text("date,A,", "2024-01-01,1,", "2024-01-02,2,"), "fixed", "blank_column", values=[1, 2]
    ),
    Case("trailing_delimiter", text("date,A", "2024-01-01,1,", "2024-01-02,2,"), "accepted", "layout", values=[1, 2]),
    Case("row_counter", text(",date,A", "0,2024-01-01,1", "1,2024-01-02,2"), "fixed", "index_column", values=[1, 2]),
    Case("control_in_name", text("date,A\x07\u202eB", "2024-01-01,1", "2024-01-02,2"), "fixed", "name_cleaned"),
    Case("long_name", text("date," + "A" * 10_000, "2024-01-01,1", "2024-01-02,2"), "fixed", "name_cleaned"),
    Case("no_dates", text("obs,GM", "1,3.2", "2,-0.1"), "error", "no_date_column", (1,)),
    Case("dates_alone", text("date", "2024-01-01", "2024-01-02"), "error", "no_price_column", (1,)),
    Case("unknown_column", daily([1, 2]), "error", "unknown_column", options={"columns": ["B"]}),
    Case("unknown_header_row", daily([1, 2]), "error", "unknown_column", (9,), {"header_row": 9}),
    Case("long_no_asset", text("date,A,B", "2024-01-01,1,2"), "error", "no_asset_column", (1,), {"layout": "long"}),
    Case(
        "long_blank_asset",
        text("date,ticker,close", "2024-01-01,X,1", "2024-01-02,X,2", "2024-01-03,,2"),
        "error",
        "no_asset_column",
        (4,),
    ),
    Case(
        "long_prices_unclear",
        text("date,ticker,p,q", "2024-01-01,X,1,2", "2024-01-02,X,2,3"),
        "error",
        "no_price_column",
        (1,),
    ),
    # dates
    Case("ambiguous", AMBIGUOUS, "error", "ambiguous_dates", (2,)),
    Case("ambiguous_answered", AMBIGUOUS, "accepted", "layout", options={"date_format": "DMY"}, values=[10, 11, 12]),
    Case("day_first", text("date,A", "30/01/2024,1", "31/01/2024,2", "01/02/2024,3"), "accepted", "date_format", (2,)),
    Case(
        "month_first", text("date,A", "01/30/2024,1", "01/31/2024,2", "02/01/2024,3"), "accepted", "date_format", (2,)
    ),
    Case(
        "one_reading_but_jumbled",
        text("date,A", "31/01/2024,1", "01/02/2024,2", "30/01/2024,3"),
        "error",
        "ambiguous_dates",
        (3,),
    ),
    Case(
        "mixed_day_month",
        text("date,A", "30/01/2024,1", "31/01/2024,2", "02/13/2024,3"),
        "error",
        "mixed_date_formats",
        (4,),
    ),
    Case(
        "several_formats",
        text("date,A", "2024-01-01,1", "2024-01-02,2", "03/01/2024,3"),
        "error",
        "mixed_date_formats",
        (4,),
    ),
    Case(
        "several_separators",
        text("date,A", "2024-01-01,1", "2024-01-02,2", "2024/01/03,3"),
        "error",
        "mixed_date_formats",
        (4,),
    ),
    Case("no_such_day", text("date,A", "2024-02-29,1", "2024-02-30,2", "2024-03-01,3"), "error", "bad_date", (3,)),
    Case("word_for_date", text("date,A", "2024-02-28,1", "yesterday,2", "2024-03-01,3"), "error", "bad_date", (3,)),
    Case("missing_date", text("date,A", "2024-02-28,1", ",2", "2024-03-01,3"), "error", "bad_date", (3,)),
    Case("year_9999", text("date,A", "2024-02-28,1", "9999-12-31,2"), "error", "bad_date", (3,)),
    Case("format_does_not_fit", daily([1, 2]), "error", "bad_date", (2, 3), {"date_format": "%d.%m.%Y"}),
    Case("order_does_not_fit", daily([1, 2]), "error", "mixed_date_formats", (2, 3), {"date_format": "DMY"}),
    Case("two_digit_years", text("date,A", "30/01/24,1", "31/01/24,2"), "error", "two_digit_years", (2, 3)),
    Case(
        "two_digit_years_answered",
        text("date,A", "30/01/24,1", "31/01/24,2"),
        "accepted",
        "layout",
        options={"date_format": "%d/%m/%y"},
        values=[1, 2],
    ),
    Case("serials", text("date,A", "45292,1", "45293,2"), "fixed", "excel_serials", values=[1, 2]),
    Case("intraday", text("date,A", "2024-01-01 16:00:00,1", "2024-01-02 16:00:00,2"), "error", "time_of_day", (2, 3)),
    Case(
        "intraday_answered",
        text("date,A", "2024-01-01 16:00:00,1", "2024-01-02 16:00:00,2"),
        "fixed",
        "time_of_day",
        options={"date_format": "%Y-%m-%d %H:%M:%S"},
        values=[1, 2],
    ),
    Case("time_zone", text("date,A", "2024-01-01T00:00:00Z,1", "2024-01-02T00:00:00Z,2"), "error", "time_zone", (2, 3)),
    Case("zone_mixed", text("date,A", "2024-01-01 00:00:00+01:00,1", "2024-01-02,2"), "error", "time_zone", (2,)),
    Case(
        "unsorted",
        text("date,A", "2024-01-01,1", "2024-01-03,3", "2024-01-02,2"),
        "fixed",
        "unsorted",
        (4,),
        values=[1, 2, 3],
    ),
    Case(
        "newest_first",
        text("date,A", "2024-01-03,3", "2024-01-02,2", "2024-01-01,1"),
        "fixed",
        "newest_first",
        values=[1, 2, 3],
    ),
    Case(
        "twice_the_same",
        text("date,A", "2024-01-01,1", "2024-01-02,2", "2024-01-02,2"),
        "fixed",
        "duplicate_dates",
        (4,),
        values=[1, 2],
    ),
    Case(
        "twice_different",
        text("date,A", "2024-01-01,1", "2024-01-02,2", "2024-01-03,3", "2024-01-02,2.5"),
        "error",
        "duplicate_conflict",
        (3, 5),
    ),
    # numbers
    Case("word_among_prices", daily([1, "closed", 3]), "error", "not_a_number", (3,)),
    Case("wide_text_column", text("date,A,B", "2024-01-01,1,x", "2024-01-02,2,y"), "error", "not_a_number", (2, 3)),
    Case("formula_error", daily([1, "#REF!", 3]), "error", "not_a_number", (3,)),
    Case("underscore", daily([1, "1_000", 3]), "error", "not_a_number", (3,)),
    Case("other_digits", daily([1, "\u0663", 3]), "error", "not_a_number", (3,)),
    Case("inf", daily([1, "inf", 3]), "error", "infinite", (3,)),
    Case("overflow", daily([1, "1e999", 3]), "error", "infinite", (3,)),
    Case("percent", daily(["0.5%", "-0.3%", "1%"]), "error", "percent", (2, 3, 4)),
    Case("currency", daily(["$1.5", "$2.5", "3"]), "fixed", "currency", values=[1.5, 2.5, 3]),
    Case("currency_code", daily(["1.5 EUR", "2.5 EUR"]), "fixed", "currency", values=[1.5, 2.5]),
    Case("currencies", daily(["$1.5", "$2.5", "€3"]), "error", "mixed_currency", (4,)),
    Case("odd_blanks", daily(["1\u00a0234.5", "1\u202f235.5"]), "fixed", "number_marks", values=[1234.5, 1235.5]),
    Case("unicode_minus", daily(["\u22121.5", *walk(3)]), "error", "zero_or_negative", (2,)),
    Case("thousands", daily(['"1,499.5"', '"1,500"', "999"]), "fixed", "thousands", (2, 3), values=[1499.5, 1500, 999]),
    Case("thousands_apostrophe", daily(["1'499.5", "1'500"]), "fixed", "thousands", (2, 3), values=[1499.5, 1500]),
    Case(
        "decimal_comma",
        text("date;A", "2024-01-01;1,5", "2024-01-02;1.234,25"),
        "fixed",
        "decimal_comma",
        values=[1.5, 1234.25],
    ),
    Case("either", daily(["1.234", "2.345"]), "error", "ambiguous_decimal", (2,)),
    Case("either_comma", daily(['"1,234"', '"2,345"']), "error", "ambiguous_decimal", (2,)),
    Case(
        "either_point", daily(["1.234", "2.345"]), "accepted", "layout", options={"decimal": "."}, values=[1.234, 2.345]
    ),
    Case(
        "either_grouped", daily(["1.234", "2.345"]), "fixed", "thousands", options={"decimal": ","}, values=[1234, 2345]
    ),
    Case("both_signs", daily(["1.5", "2.5", '"3,5"']), "error", "mixed_decimals", (4,)),
    # series
    Case(
        "words_for_nothing",
        daily(changed(20, i3="#N/A", i4="null", i5="-", i6="")),
        "flagged",
        "missing_prices",
        (5, 6, 7, 8),
    ),
    Case("mostly_empty", daily(changed(9, i1="", i2="", i3="", i4="")), "error", "too_many_missing", (3, 4, 5, 6)),
    Case(
        "mostly_empty_answered",
        daily(changed(9, i1="", i2="", i3="", i4="")),
        "flagged",
        "missing_prices",
        (3, 4, 5, 6),
        {"max_missing": 0.5},
    ),
    Case("no_price", text("date,A,B", "2024-01-01,1,", "2024-01-02,2,"), "error", "empty_column"),
    Case("one_row", daily([1]), "error", "too_few_prices", (2,)),
    Case("one_price", text("date,A,B", "2024-01-01,1,", "2024-01-02,2,7"), "error", "too_few_prices", (3,)),
    Case("zero", daily(changed(9, i4=0)), "error", "zero_or_negative", (6,)),
    Case("negative", daily(changed(9, i4=-3, i6="-0.0")), "error", "zero_or_negative", (6, 8)),
    Case("returns", daily([0.01, -0.02, 0.005, -0.001]), "error", "looks_like_returns", (3,)),
    Case(
        "percent_returns", daily([round(np.sin(17.0 * i * i), 3) * 2 for i in range(40)]), "error", "looks_like_returns"
    ),
    Case("prices_as_returns", daily(walk(30)), "error", "looks_like_prices", (2,), {"values": "returns"}),
    Case("percent_as_decimals", daily([1, -2, 0, 0.5]), "error", "looks_like_percent", (2,), {"values": "returns"}),
    Case("decimals_as_percent", daily([0, 0.01, -0.02]), "flagged", "looks_like_decimals", (3,), {"values": "percent"}),
    Case("constant", daily([5] * 12), "error", "constant_column"),
    Case("stale", daily([*walk(5), *[50] * 11, *walk(9)]), "flagged", "stale_prices", (7,)),
    Case("many_unchanged", daily([x for x in walk(15) for _ in (0, 1)]), "flagged", "unchanged_prices"),
    Case("split", daily([x / (2 if i > 23 else 1) for i, x in enumerate(walk(40))]), "flagged", "split_like", (26,)),
    Case("pence", daily([x * (100 if i > 23 else 1) for i, x in enumerate(walk(40))]), "flagged", "split_like", (26,)),
    Case("spike", daily(changed(40, i20=1000)), "flagged", "reverting_spike", (22,)),
    Case("crash", daily([x * (0.6 if i > 20 else 1) for i, x in enumerate(walk(40))]), "flagged", "large_move", (23,)),
    Case(
        "gap",
        text("date,A", *(f"{d},{p}" for d, p in zip([*days(5), *days(5, "2024-03-01")], walk(10), strict=True))),
        "flagged",
        "gap",
        (7,),
    ),
    Case(
        "holidays_out",
        text("date,A", *(f"{d},{p}" for i, (d, p) in enumerate(zip(days(40), walk(40), strict=True)) if i % 5)),
        "flagged",
        "missing_weekdays",
    ),
    Case(
        "saturday",
        text(
            "date,A",
            "2024-01-04,1",
            "2024-01-05,2",
            "2024-01-06,3",
            *(f"{d},{i}" for i, d in enumerate(days(20, "2024-01-08"), 4)),
        ),
        "flagged",
        "weekend_rows",
        (4,),
    ),
    Case(
        "weekends_filled",
        text("date,A", "2024-01-05,1", "2024-01-06,1", "2024-01-07,1", "2024-01-08,2", "2024-01-09,3"),
        "flagged",
        "weekends_filled",
        (3, 4),
    ),
    Case(
        "seven_days",
        text("date,A", *(f"{np.datetime64('2024-01-01') + i},{i + 1}" for i in range(14))),
        "accepted",
        "seven_day_week",
    ),
    Case(
        "monthly",
        text("date,A", *(f"2024-{m:02d}-15,{m}" for m in range(1, 10))),
        "flagged",
        "not_daily",
    ),
    Case(
        "carried",
        text("date,A,B", "2024-01-01,1,5", "2024-01-02,2,6", "2024-01-03,2,6", "2024-01-04,3,7"),
        "flagged",
        "carried_rows",
        (4,),
    ),
]


def outcome(content: Any, options: dict[str, Any]) -> tuple[Ingested | None, tuple[Any, ...]]:
    try:
        got = load_prices(content, **options)
    except DataError as error:
        return None, error.findings
    return got, got.findings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fault(case: Case):
    got, findings = outcome(case.content, case.options)
    found = [f for f in findings if f.code == case.code]
    assert found, [str(f) for f in findings]
    assert found[0].severity == case.severity
    if case.rows is not None:
        assert found[0].rows == case.rows
    assert len(found[0].sample) <= 40
    assert (got is None) == (case.severity == "error")
    if case.severity == "error":
        assert found[0].remedy
    if case.values is not None:
        assert got is not None
        assert got.prices.iloc[:, 0].tolist() == case.values


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_case_has_no_other_fault(case: Case):
    """A file with one planted fault shows that one only: no cascade of errors that hides it."""
    errors = {f.code for f in outcome(case.content, case.options)[1] if f.severity == "error"}
    assert errors - {case.code} <= ({"ragged_row"} if case.name == "prose_commas" else set())


# --- workbooks and Parquet


def book(rows: list[list[object]], change: Any = None) -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in rows:
        sheet.append(row)
    if change is not None:
        change(workbook)
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


ROWS: list[list[object]] = [["date", "A"], ["2024-01-01", 1.5], ["2024-01-02", 2.5], ["2024-01-03", 3.5]]


def put(cell: str, value: object) -> Any:
    return lambda workbook: workbook.active.__setitem__(cell, value)


def zipped(**entries: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def swapped(content: bytes, name: str, new: bytes) -> bytes:
    """The archive with one entry replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in old.infolist():
            archive.writestr(entry.filename, new if entry.filename == name else old.read(entry.filename))
    return out.getvalue()


def second_sheet(workbook: Any) -> None:
    workbook.create_sheet("Notes").append(["text"])


def hidden_sheet(workbook: Any) -> None:
    second_sheet(workbook)
    workbook["Notes"].sheet_state = "hidden"


ENTITY = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet>&a;</worksheet>'
SHEET = "xl/worksheets/sheet1.xml"


def parquet(table: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(table), out)
    return out.getvalue()


BINARY = [
    Case("two_sheets", book(ROWS, second_sheet), "error", "several_sheets"),
    Case("hidden_sheet", book(ROWS, hidden_sheet), "error", "several_sheets"),
    Case(
        "sheet_named",
        book(ROWS, second_sheet),
        "accepted",
        "layout",
        options={"sheet": "Sheet"},
        values=[1.5, 2.5, 3.5],
    ),
    Case("no_such_sheet", book(ROWS), "error", "unknown_sheet", options={"sheet": "Prices"}),
    Case("empty_book", book([]), "error", "empty_file"),
    Case("merged_header", book(ROWS, lambda w: w.active.merge_cells("A1:B1")), "error", "merged_cells", (1,)),
    Case("merged_data", book(ROWS, lambda w: w.active.merge_cells("B3:B4")), "error", "merged_cells", (3,)),
    Case("formula", book(ROWS, put("B3", "=B2*2")), "error", "formula_without_value", (3,)),
    Case("far_cell", book(ROWS, put("XFD1048576", 1)), "error", "file_too_large"),
    Case("far_column", book(ROWS, put("XFD2", 1)), "error", "file_too_large", (2,)),
    Case("entities", swapped(book(ROWS), SHEET, ENTITY), "error", "archive_unsafe"),
    Case("broken_xml", swapped(book(ROWS), SHEET, b"<worksheet><sheetData>"), "error", "unreadable_xlsx"),
    Case("cut_short", book(ROWS)[:-200], "error", "unreadable_xlsx"),
    Case(
        "xlsx_without_parts",
        zipped(xl__workbook_xml=b"").replace(b"workbook_xml", b"workbook.xml"),
        "error",
        "unreadable_xlsx",
    ),
    Case("zip", zipped(prices=b"date,A"), "error", "file_type"),
    Case("bomb", zipped(xl=bytes(50_000_000)), "error", "archive_unsafe"),
    Case("many_entries", zipped(**{f"f{i}": b"" for i in range(2001)}), "error", "archive_unsafe"),
    Case(
        "book_text_numbers",
        book([["date", "A"], ["2024-01-01", "1.5"], ["2024-01-02", "x"]]),
        "error",
        "not_a_number",
        (3,),
    ),
    Case("book_zero", book([*ROWS, ["2024-01-04", 0]]), "error", "zero_or_negative", (5,)),
    Case("book_preamble", book([["Prices"], [], *ROWS]), "error", "preamble", (1,)),
    Case(
        "parquet_damaged", parquet({"date": ["2024-01-01"], "A": [1.0]})[:-40] + b"PAR1", "error", "unreadable_parquet"
    ),
    Case("parquet_lists", parquet({"date": ["2024-01-01"], "A": [[1.0, 2.0]]}), "error", "object_column"),
    Case(
        "parquet_empty",
        parquet({"date": pa.array([], pa.string()), "A": pa.array([], pa.float64())}),
        "error",
        "header_only",
    ),
    Case("parquet_inf", parquet({"date": ["2024-01-01", "2024-01-02"], "A": [1.0, np.inf]}), "error", "infinite", (3,)),
    Case(
        "parquet_zone",
        parquet({"date": pa.array([0, 86_400], pa.timestamp("s", tz="UTC")), "A": [1.0, 2.0]}),
        "error",
        "time_zone",
        (2, 3),
    ),
]


@pytest.mark.parametrize("case", BINARY, ids=lambda case: case.name)
def test_binary_fault(case: Case):
    test_fault(case)


def test_files_and_folders(tmp_path):
    for path, code in ((tmp_path / "none.csv", "file_missing"), (tmp_path, "file_unreadable")):
        with pytest.raises(DataError) as caught:
            load_prices(path)
        assert [f.code for f in caught.value.findings] == [code]
    with pytest.raises(DataError, match="there is no file"):
        load_prices("no/such/prices.csv")
    with pytest.raises(DataError):
        load_prices("x\x00y")
    (tmp_path / "a").mkdir()
    for path in (tmp_path / "x.csv", tmp_path / "a" / "x.csv"):
        path.write_bytes(daily([1, 2]))
    with pytest.raises(DataError, match=r"two files give the asset x\.A") as caught:
        load_files([tmp_path / "x.csv", tmp_path / "a" / "x.csv"])
    assert caught.value.findings[0].code == "name_clash"


def test_caps(monkeypatch):
    monkeypatch.setattr("riskcore.ingest.text.MAX_ROWS", 5)
    assert outcome(daily(walk(20)), {})[1][0].code == "file_too_large"
    monkeypatch.undo()
    wide = text("date," + ",".join(f"A{i}" for i in range(2001)), "2024-01-01" + ",1" * 2001)
    assert outcome(wide, {})[1][0].code == "file_too_large"
    monkeypatch.setattr("riskcore.ingest.container.MAX_BYTES", 10)
    assert outcome(daily(walk(6)), {})[1][0].code == "file_too_large"


def test_every_code_has_a_case():
    tested = {case.code for case in CASES + BINARY} | {
        "file_missing",
        "file_unreadable",
        "file_too_large",
        "name_clash",
    }
    assert set(CODES) == tested


def test_all_faults_are_listed_at_once():
    content = text("date,A,A,B", "2024-01-01,1,1,1", "2024-01-32,1,1,1", "2024-01-03,2,2,x", "2024-01-04,0,3,1,9")
    with pytest.raises(DataError) as caught:
        load_prices(content)
    codes = {f.code for f in caught.value.findings if f.severity == "error"}
    assert {"ragged_row", "duplicate_column", "bad_date", "not_a_number"} <= codes
    for part in ("row 5", "row 3", "row 4", "2024-01-32", "columns 2, 3"):
        assert part in str(caught.value)


def test_one_fault_in_many_columns_is_shown_once():
    names = ",".join(f"A{i}" for i in range(30))
    content = text(f"date,{names}", "2024-01-01" + ",1" * 30, "2024-01-02" + ",0" * 30, "2024-01-03" + ",2" * 30)
    with pytest.raises(DataError, match="likewise in 29 more columns") as caught:
        load_prices(content)
    assert len(caught.value.findings) >= 30
    assert str(caught.value).count("\n") == 1


@pytest.mark.parametrize(("cells", "told"), [(["abc", "see note"], "e.g. 'abc' is no"), (["x", "x"], ": 'x' is no")])
def test_a_message_of_several_cells_says_that_its_cell_is_one_of_them(cells, told):
    with pytest.raises(DataError, match="rows 3, 4") as caught:
        load_prices(daily([1, *cells, 3]))
    assert told in str(caught.value)


def test_samples_are_escaped():
    _, findings = outcome(daily([1, "\x1b[31m" + "x" * 99, 3]), {})
    assert any(f.code == "not_a_number" and f.sample.startswith("\\x1b[31mxxx") for f in findings)
    assert all("\x1b" not in str(f) for f in findings)


def test_hostile_sheet_sizes_are_refused_fast():
    """A sheet that states a size of a million rows is believed only as far as its cells go."""
    xml = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/>'
        b'<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>date</t></is></c><c r="B1" t="inlineStr"><is><t>A</t>'
        b"</is></c></row></sheetData></worksheet>"
    )
    assert outcome(swapped(book(ROWS), SHEET, xml), {})[1][-1].code == "header_only"


def test_random_bytes_never_give_a_traceback():
    rng = np.random.default_rng(7)
    good = [daily(walk(6)), book(ROWS), parquet({"date": ["2024-01-01", "2024-01-02"], "A": [1.0, 2.0]})]
    for i in range(150):
        content = bytearray(good[i % 3])
        for place in rng.integers(0, len(content), size=3):
            content[place] = rng.integers(0, 256)
        cut = int(rng.integers(1, len(content) + 1)) if i % 2 else len(content)
        outcome(bytes(content[:cut]), {})
