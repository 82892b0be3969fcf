"""What a page shows of a file: names, first rows and roles, as far as the reader gets, and the fault."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskcore.errors import ConfigError, DataError
from riskcore.ingest import Survey, load_prices, survey

DAYS = pd.bdate_range("2024-01-08", periods=12, name="date")
WIDE = pd.DataFrame({"A": [10.0 + i % 3 for i in range(12)], "B": [5.5 - i % 4 for i in range(12)]}, index=DAYS)
LONG = b"Date;Ticker;Close\n13.01.2024;X;1,5\n13.01.2024;Y;2,5\n14.01.2024;X;1,7\n14.01.2024;Y;2\n"


def code(seen: Survey) -> str:
    """Code of the first fault, or nothing."""
    return seen.fault.findings[0].code if seen.fault is not None else ""


def workbook(**sheets: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    with pd.ExcelWriter(out, engine="openpyxl") as writer:
        for name, sheet in sheets.items():
            sheet.to_excel(writer, sheet_name=name)
    return out.getvalue()


def test_a_sound_file():
    seen = survey(WIDE.to_csv().encode())
    assert (seen.kind, seen.sheets, seen.sheet, seen.header_row, seen.names) == ("csv", (), None, 1, ("date", "A", "B"))
    assert (seen.layout, seen.date_column, seen.asset_column) == ("wide", "date", None)
    assert seen.price_columns == (("A", "A"), ("B", "B"))
    assert (seen.date_format, seen.decimal, seen.fault) == ("YMD", ".", None)
    assert seen.preview.index.tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert seen.preview.iloc[0].tolist() == ["2024-01-08", "10.0", "5.5"]
    assert seen.loaded is not None
    pd.testing.assert_frame_equal(seen.loaded.prices, load_prices(WIDE.to_csv().encode()).prices)
    assert seen.findings == seen.loaded.findings


def test_one_asset_and_renamed_columns(tmp_path):
    path = tmp_path / "DAX.csv"
    path.write_text("day,open,close\n2024-01-02,1,2\n2024-01-03,2,3\n")
    assert survey(path).price_columns == (("close", "DAX"),)
    assert survey(path, columns={"open": "x", "close": "y"}).price_columns == (("open", "x"), ("close", "y"))
    assert survey(path, name="x").price_columns == (("close", "x"),)


def test_a_long_table_with_decimal_commas():
    seen = survey(LONG)
    assert (seen.layout, seen.date_column, seen.asset_column) == ("long", "Date", "Ticker")
    assert seen.price_columns == (("Close", ""),)
    assert (seen.date_format, seen.decimal) == (None, ","), "the 13th and 14th are a weekend: asked about"
    assert code(seen) == "ambiguous_dates"
    assert survey(LONG, date_format="DMY").date_format == "DMY"
    assert survey(LONG, date_format="%d.%m.%Y").date_format == "%d.%m.%Y"


def test_long_is_told_although_its_prices_are_not_clear():
    seen = survey(b"date,ticker,a,b\n2024-01-02,X,1,2\n2024-01-03,X,2,3\n")
    assert (seen.layout, seen.date_column, seen.asset_column, seen.price_columns) == ("long", "date", "ticker", ())
    assert code(seen) == "no_price_column"


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (("03/02/2020", "04/02/2020"), None),
        (("13/02/2020", "14/02/2020"), "DMY"),
        (("02/13/2020", "02/14/2020"), "MDY"),
        (("2020/02/13", "2020/02/14"), "YMD"),
        (("20200213", "20200214"), "YMD"),
        (("13 Feb 2020", "14 Feb 2020"), "DMY"),
        (("43874", "43875"), "serial"),
        (("13/02/20", "14/02/20"), None),
        (("13/02/2020", "02/14/2020"), None),
        (("02/02/2020", "03/03/2020"), "DMY"),
    ],
)
def test_date_formats(dates, expected):
    seen = survey("\n".join(["date,A", *(f"{day},{i}" for i, day in enumerate(dates, 1))]).encode())
    assert seen.date_format == expected
    assert (seen.fault is None) == (expected is not None)
    if expected in ("DMY", "MDY", "YMD"):
        content = "\n".join(["date,A", *(f"{day},{i}" for i, day in enumerate(dates, 1))]).encode()
        pd.testing.assert_frame_equal(load_prices(content, date_format=expected).prices, seen.loaded.prices)


def test_decimal_signs():
    assert survey(b"date,A\n2024-01-02,1.234\n2024-01-03,2.345\n").decimal is None
    assert survey(b"date;A\n2024-01-02;1,5\n2024-01-03;2.5\n2024-01-04;3.5\n").decimal is None
    assert survey(b"date;A\n2024-01-02;1,5\n2024-01-03;2,5\n").decimal == ","
    assert survey(b"date;A\n2024-01-02;1.234\n2024-01-03;2.345\n", decimal=",").decimal == ","


def test_several_sheets():
    content = workbook(Prices=WIDE, Other=2 * WIDE, Empty=pd.DataFrame())
    seen = survey(content)
    assert (seen.kind, seen.sheets, seen.sheet) == ("xlsx", ("Prices", "Other", "Empty"), None)
    assert (code(seen), seen.names, seen.layout) == ("several_sheets", (), None)
    assert seen.preview.iloc[0].tolist() == ["date", "A", "B"], "the first sheet, so that there is something to see"
    chosen = survey(content, sheet="Other")
    assert (chosen.sheets, chosen.sheet, chosen.names) == (seen.sheets, "Other", ("date", "A", "B"))
    assert chosen.preview.iloc[0].tolist() == ["2024-01-08", "20", "11"]
    assert chosen.fault is None
    assert code(survey(content, sheet="None")) == "unknown_sheet"


def test_lines_before_the_names_and_no_names():
    preamble = survey(b"Prices of A\nin euro\ndate,A\n2024-01-02,1\n2024-01-03,2\n")
    assert (code(preamble), preamble.header_row, preamble.names) == ("preamble", 3, ("date", "A"))
    assert preamble.preview.index.tolist() == [4, 5]
    answered = survey(b"Prices of A\nin euro\ndate,A\n2024-01-02,1\n2024-01-03,2\n", header_row=3)
    assert (answered.fault, answered.header_row) == (None, 3)
    bare = survey(b"2024-01-02,1\n2024-01-03,2\n")
    assert (code(bare), bare.header_row, bare.names, bare.layout) == ("no_header", None, (), None)
    assert list(bare.preview) == ["column 1", "column 2"]
    assert bare.preview.index.tolist() == [1, 2]


def test_names_that_repeat_or_are_missing_get_columns_of_their_own():
    seen = survey(b"date,A,A,,A (2)\n2024-01-02,1,2,3,4\n2024-01-03,2,3,4,5,6\n")
    assert seen.names == ("date", "A", "A", "", "A (2)")
    assert list(seen.preview) == ["date", "A", "A (2)", "column 4", "A (2) (2)", "column 6"]
    assert seen.preview.iloc[0].tolist() == ["2024-01-02", "1", "2", "3", "4", ""]


def test_parquet():
    out = io.BytesIO()
    WIDE.to_parquet(out)
    seen = survey(out.getvalue())
    assert (seen.kind, seen.header_row, seen.date_format) == ("parquet", 1, "YMD")
    assert set(seen.names) == {"date", "A", "B"}
    assert seen.preview.index.tolist() == list(range(2, 10))
    assert "10" in seen.preview.iloc[0].tolist()


def test_files_that_are_no_tables(tmp_path):
    for content, kind in ((b"", None), (b"%PDF-1.7", None), (b"PAR1 cut", "parquet"), (b"Dear Sir", "csv")):
        seen = survey(content)
        assert seen.kind == kind
        assert isinstance(seen.fault, DataError)
        assert seen.loaded is None
    assert code(survey(tmp_path / "none.csv")) == "file_missing"
    with pytest.raises(ConfigError, match="decimal must be"):
        survey(b"date,A\n", decimal=";")


def test_cells_and_names_are_made_safe_to_show():
    seen = survey("date,A\u202eB\n2024-01-02,\x1b[31m1\n2024-01-03,".encode() + b"9" * 500 + b"\n")
    assert seen.names == ("date", "AB")
    assert seen.preview.iloc[0, 1] == "\\x1b[31m1"
    assert len(seen.preview.iloc[1, 1]) == 40


def test_returns():
    content = (0.001 * (WIDE - 10.7)).to_csv().encode()
    assert code(survey(content)) == "looks_like_returns"
    assert survey(content, values="returns").fault is None


CELL = st.text(alphabet="aZ09.,;\"'-% /:\u2212\u202e", max_size=6) | st.sampled_from(["date", "2024-01-02", "1.5", ""])


@given(
    st.binary(max_size=200)
    | st.lists(st.lists(CELL, max_size=4).map(",".join), max_size=6).map(lambda lines: "\n".join(lines).encode())
)
def test_any_file_gives_what_the_reader_gives(content):
    seen = survey(content)
    assert (seen.loaded is None) == (seen.fault is not None)
    assert seen.preview.columns.is_unique
    assert len(seen.preview) <= 8
    if seen.fault is None:
        pd.testing.assert_frame_equal(seen.loaded.prices, load_prices(content).prices)
    else:
        with pytest.raises(DataError) as caught:
            load_prices(content)
        assert str(caught.value) == str(seen.fault)
