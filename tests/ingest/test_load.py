"""Good files of every kind give the prices they were made from; options and names do what they say."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskcore.errors import ConfigError, DataError
from riskcore.ingest import Finding, Ingested, load_files, load_prices, read_prices
from riskcore.ingest.dates import classify, month_number
from riskcore.ingest.findings import clean_name, escape, rows_text

DAYS = pd.bdate_range("2024-01-01", periods=4, name="date")
WIDE = pd.DataFrame({"A": [10.5, 11.0, 10.75, 11.25], "B": [np.nan, 200.0, 201.5, np.nan]}, index=DAYS)


def same(got: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(got, expected, check_freq=False, check_index_type=False, check_column_type=False)
    assert got.index.dtype == np.dtype("datetime64[ns]")
    assert (got.dtypes == np.float64).all()
    assert got.index.name == "date"


def codes(error: BaseException) -> list[str]:
    """Codes of the faults, in order."""
    return [finding.code for finding in error.findings if finding.severity == "error"]


def attempt(content: bytes, **options: object) -> tuple[pd.DataFrame | None, list[str]]:
    """Prices, or None and the codes of the faults."""
    try:
        return read_prices(content, **options), []
    except DataError as error:
        return None, codes(error)


def workbook(frame: pd.DataFrame, **sheets: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    with pd.ExcelWriter(out, engine="openpyxl") as writer:
        for name, sheet in {"Prices": frame, **sheets}.items():
            sheet.to_excel(writer, sheet_name=name)
    return out.getvalue()


# --- kinds and layouts


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter, end):
    same(read_prices(WIDE.to_csv(sep=delimiter, lineterminator=end).encode()), WIDE)


def test_quotes_and_sep_line():
    same(read_prices(WIDE.to_csv(quoting=1).encode()), WIDE)
    same(read_prices(b"sep=;\n" + WIDE.to_csv(sep=";").encode()), WIDE)


def test_parquet_with_dates_in_index_or_column_or_text(tmp_path):
    for frame in (
        WIDE,
        WIDE.reset_index(),
        WIDE.rename_axis(index=None),
        WIDE.set_axis(DAYS.strftime("%Y-%m-%d"), axis=0).rename_axis(index="date"),
        WIDE.set_axis(DAYS.date, axis=0).rename_axis(index="day"),
        WIDE.astype("float32"),
    ):
        frame.to_parquet(tmp_path / "x.dat")
        same(read_prices(tmp_path / "x.dat"), WIDE)


def test_workbook_of_dates_and_of_text_and_of_numbers():
    same(read_prices(workbook(WIDE)), WIDE)
    same(read_prices(workbook(WIDE.set_axis(DAYS.strftime("%Y-%m-%d"), axis=0).rename_axis(index="date"))), WIDE)
    serials = (DAYS - pd.Timestamp("1899-12-30")).days
    got = load_prices(workbook(WIDE.set_axis(serials, axis=0).rename_axis(index="date")))
    same(got.prices, WIDE)
    assert "excel_serials" in [finding.code for finding in got.findings]


def test_workbook_sheet_and_hidden_times():
    content = workbook(WIDE, Other=2 * WIDE)
    same(read_prices(content, sheet="Other"), 2 * WIDE)
    late = WIDE.set_axis(DAYS + pd.Timedelta(hours=16), axis=0).rename_axis(index="date")
    with pytest.raises(DataError, match="time of day"):
        read_prices(workbook(late))
    same(read_prices(workbook(late), date_format="%Y-%m-%d %H:%M:%S"), WIDE)


def test_long_table_in_any_order():
    long = WIDE.rename_axis(columns="Ticker").stack().rename("Close").reset_index()
    for frame in (long, long.sort_values(["Ticker", "date"]), long.iloc[::-1]):
        same(read_prices(frame.to_csv(index=False).encode()).sort_index(axis=1), WIDE)
    numbered = long.replace({"A": 10001, "B": 10002}).rename(columns={"Ticker": "permno"})
    assert list(read_prices(numbered.to_csv(index=False).encode(), layout="long").columns) == ["10001", "10002"]
    odd = long.rename(columns={"Ticker": "house", "Close": "p"}).assign(volume=1)
    same(read_prices(odd.to_csv(index=False).encode(), asset_column="house", price_column="p"), WIDE)


def test_long_table_contradiction_names_the_asset():
    content = b"date,symbol,price\n2024-01-02,X,1\n2024-01-02,Y,2\n2024-01-03,X,1.5\n2024-01-03,Y,2\n2024-01-03,Y,3\n"
    with pytest.raises(DataError, match=r"2024-01-03 twice in Y: 2 \(row 5\), 3 \(row 6\)"):
        load_prices(content)


OHLC = "date,open,high,low,close,{}volume\n2024-01-01,9,12,8,10,{}5\n2024-01-02,10,13,9,11,{}6\n"


def test_one_asset_takes_adjusted_close_and_the_stem(tmp_path):
    path = tmp_path / "DAX 40.csv"
    path.write_text(OHLC.format("", "", ""))
    prices, findings = load_prices(path)
    assert prices["DAX 40"].tolist() == [10.0, 11.0]
    assert findings[0].code == "layout"
    assert "'close'; not used: 'open', 'high', 'low', 'volume'" in findings[0].message
    path.write_text(OHLC.format("Adj Close,", "5.0,", "5.5,"))
    assert read_prices(path)["DAX 40"].tolist() == [5.0, 5.5]
    assert read_prices(path, columns=["close"])[path.stem].tolist() == [10.0, 11.0]
    assert read_prices(str(path), name="DAX").columns.tolist() == ["DAX"]


def test_choosing_a_column_does_not_rename_the_asset(tmp_path):
    path = tmp_path / "DAX.csv"
    path.write_text(OHLC.format("", "", ""))
    for chosen in ({}, {"columns": ["close"]}, {"columns": ["open"]}, {"price_column": "close"}):
        assert list(read_prices(path, **chosen).columns) == ["DAX"]
    assert list(read_prices(path, columns=["open", "close"]).columns) == ["open", "close"]
    assert list(read_prices(path, columns={"close": "x"}).columns) == ["x"]
    assert list(read_prices(b"date,close,FTSE\n2024-01-01,1,2\n2024-01-02,2,3\n", columns=["close"])) == ["close"]


def test_findings_name_the_column_of_the_file(tmp_path):
    path = tmp_path / "DAX.csv"
    path.write_text("date,close\n2024-01-02,10\n2024-01-03,0\n2024-01-04,x\n")
    with pytest.raises(DataError) as caught:
        load_prices(path)
    assert {fault.column for fault in caught.value.findings if fault.severity == "error"} == {"close"}
    assert "column close: price 0 of DAX on 2024-01-03" in str(caught.value)
    long = b"date,ticker,close\n2024-01-02,A,1\n2024-01-03,A,-1\n2024-01-03,B,5\n2024-01-02,B,6\n"
    with pytest.raises(DataError, match="row 3, column close: price -1 of A") as caught:
        load_prices(long)
    assert any(
        fault.message == "the rows of B run from the newest date to the oldest" for fault in caught.value.findings
    )


@pytest.mark.parametrize(
    ("head", "asset"),
    [("date,close", "x"), ("Date;Price", "x"), ("Date,Close/Last", "x"), ("date,FTSE", "FTSE"), (",value", "x")],
)
def test_name_of_a_single_column(tmp_path, head, asset):
    delimiter = ";" if ";" in head else ","
    (tmp_path / "x.csv").write_text("\n".join([head, f"2024-01-01{delimiter}1", f"2024-01-02{delimiter}2"]))
    assert list(read_prices(tmp_path / "x.csv").columns) == [asset]


def test_columns_select_and_rename():
    content = WIDE.assign(note="text").to_csv().encode()
    assert list(read_prices(content, columns=["B"]).columns) == ["B"]
    same(read_prices(content, columns={"A": "Alpha"}), WIDE[["A"]].rename(columns={"A": "Alpha"}))


def test_buffers_and_text():
    content = WIDE.to_csv()
    for source in (io.BytesIO(content.encode()), io.StringIO(content), content.encode(), bytearray(content.encode())):
        same(read_prices(source), WIDE)
    upload = io.BytesIO(b"date,close\n2024-01-01,1\n2024-01-02,2\n")
    upload.name = "spx.csv"
    assert list(read_prices(upload).columns) == ["spx"]
    with pytest.raises(DataError, match="path_or_buffer must be a path or a file, got int"):
        read_prices(3)


def test_dates_without_any_price_are_left_out():
    content = WIDE.to_csv().encode() + b"2024-01-08,,\n2024-01-09,12,\n"
    prices, findings = load_prices(content)
    assert pd.Timestamp("2024-01-08") not in prices.index
    assert [f.rows for f in findings if f.code == "missing_prices"] == [(6,)]


@pytest.mark.parametrize("cell", ["3 Feb 2020", "03-Feb-2020", "Feb 3, 2020", "February 3, 2020", "20200203"])
def test_formats_that_leave_no_doubt(cell):
    later = cell.replace("3", "4", 1)
    prices = read_prices(f"date;A\n{cell};1\n{later};2\n".encode())
    assert list(prices.index) == [pd.Timestamp("2020-02-03"), pd.Timestamp("2020-02-04")]


def test_midnight_is_a_date():
    for stamp in ("2024-01-0{} 00:00:00", "2024-01-0{}T00:00", "2024-01-0{} 12:00:00 AM"):
        content = f"date,A\n{stamp.format(2)},1\n{stamp.format(3)},2\n".encode()
        assert read_prices(content).index[0] == pd.Timestamp("2024-01-02")
    with pytest.raises(DataError, match="time of day"):
        read_prices(b"date,A\n2024-01-02 12:00:00 PM,1\n2024-01-03 12:00:00 PM,2\n")


def test_a_zone_is_kept_out_unless_asked():
    content = b"date,A\n2024-01-02 00:00:00-05:00,1\n2024-01-03 00:00:00-05:00,2\n"
    prices = read_prices(content, date_format="%Y-%m-%d %H:%M:%S%z")
    assert prices.index.tz is None
    assert prices.index[0] == pd.Timestamp("2024-01-02")


# --- several files


def test_files_side_by_side_with_a_clash(tmp_path):
    WIDE.to_csv(tmp_path / "one.csv")
    (3 * WIDE[["B"]]).assign(C=1.0 + np.arange(4)).to_csv(tmp_path / "two.csv")
    got = load_files([tmp_path / "one.csv", tmp_path / "two.csv"])
    assert isinstance(got, Ingested)
    assert list(got.prices.columns) == ["A", "one.B", "two.B", "C"]
    pd.testing.assert_series_equal(got.prices["two.B"], 3 * got.prices["one.B"], check_names=False)
    assert {f.file for f in got.findings} == {"one.csv", "two.csv"}


def test_files_keep_their_own_dates():
    got = load_files([WIDE[["A"]].iloc[:2].to_csv().encode(), WIDE[["A"]].iloc[2:].add_prefix("Z").to_csv().encode()])
    assert got.prices.shape == (4, 2)
    assert got.prices["ZA"].isna().tolist() == [True, True, False, False]


def test_faults_of_all_files_are_listed(tmp_path):
    (tmp_path / "one.csv").write_text("date,A\n2024-01-01,1\n2024-01-02,0\n")
    with pytest.raises(DataError) as caught:
        load_files([tmp_path / "one.csv", tmp_path / "two.csv"])
    assert codes(caught.value) == ["zero_or_negative", "file_missing"]
    assert "one.csv, row 3" in str(caught.value)
    with pytest.raises(DataError, match="at least one file, got none"):
        load_files([])


# --- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"date_format": "dd/mm/yyyy"}, "date_format must be one of DMY, MDY, YMD or a strptime format"),
        ({"date_format": "%d/%Q/%Y"}, "date_format must be one of"),
        ({"decimal": ";"}, r"decimal must be '.' or ',', got ';'"),
        ({"layout": "tall"}, "layout must be 'wide' or 'long', got 'tall'"),
        ({"header_row": 0}, "header_row must be a whole number from 1, got 0"),
        ({"max_missing": 1}, r"max_missing must lie in \[0, 1\), got 1"),
        ({"columns": "A"}, "columns must be a list of names or a mapping of names, got 'A'"),
        ({"columns": []}, "columns must be a list"),
        ({"name": ""}, "name must be a name, got ''"),
        ({"name": "X"}, "name must stand for one asset, got 2 price columns"),
        ({"skiprows": 1}, "options must be of date_format, .*, got skiprows"),
    ],
)
def test_options_outside_their_range(options, message):
    with pytest.raises(ConfigError, match=message):
        load_prices(WIDE.to_csv().encode(), **options)


# --- words


def test_finding_reads_as_a_sentence():
    finding = Finding("gap", "flagged", "a gap", sheet="S", rows=(3, 4), column="A", count=2, remedy="Look.")
    assert str(finding) == "sheet S, rows 3, 4, column A: a gap [gap]. Look."
    assert str(Finding("gap", "flagged", "a gap")) == "a gap [gap]"


def test_rows_text():
    assert rows_text((), 0) == ""
    assert rows_text((7,), 1) == "row 7"
    assert rows_text((1, 2, 3, 4, 5), 5) == "rows 1, 2, 3, 4, 5"
    assert rows_text(tuple(range(100)), 500) == "rows 0, 1, 2, 3 and 496 more"


def test_escape_and_clean_name():
    assert escape("a\u202eb\x00") == "a\\u202eb\\x00"
    assert len(escape("x" * 100)) == 40
    assert len(escape("\x00" * 100)) == 40
    assert clean_name("  a \t b\u200f ") == "a b"
    assert len(clean_name("y" * 100)) == 64


def test_month_names():
    assert [month_number(x) for x in ("jan", "Sept", "DECEMBER", "ma", "xyz")] == [1, 9, 12, 0, 0]
    assert classify("31/12/99").family == "short"


# --- round trips

VALUES = st.lists(st.floats(0.01, 1e7).map(lambda x: float(f"{x:.6g}")), min_size=5, max_size=25, unique=True)


@given(VALUES, st.sampled_from([",", ";", "\t", "|"]), st.booleans())
def test_text_round_trip(values, delimiter, newest_first):
    frame = pd.DataFrame({"A": values, "B": values[::-1]}, index=pd.bdate_range("1999-12-20", periods=len(values)))
    frame.index.name = "date"
    written = frame.iloc[::-1] if newest_first else frame
    got = read_prices(written.to_csv(sep=delimiter).encode(), decimal=".")
    same(got, frame)


@given(VALUES)
def test_decimal_comma_round_trip(values):
    frame = pd.DataFrame({"A": values}, index=pd.bdate_range("1999-12-20", periods=len(values), name="date"))
    same(read_prices(frame.to_csv(sep=";", decimal=",").encode(), decimal=","), frame)


@given(VALUES)
def test_grouped_thousands_round_trip(values):
    """Written as 1.234.567,89 or 1,234,567.89: the sign is found from the file, or asked for, never mistaken."""
    values = [round(x, 2) for x in values]
    dates = pd.bdate_range("1999-12-20", periods=len(values)).strftime("%Y-%m-%d")
    english = [f"{x:,.2f}" for x in values]
    german = [x.translate(str.maketrans(",.", ".,")) for x in english]
    for cells in (english, german):
        content = "date;A\n" + "\n".join(f"{day};{cell}" for day, cell in zip(dates, cells, strict=True))
        got, faults = attempt(content.encode())
        if got is None:  # "1,234" alone cannot occur: two decimals are always written
            assert faults == ["constant_column"]
        else:
            assert got["A"].tolist() == values


@given(st.integers(0, 20_000), st.integers(5, 60), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d"]))
def test_dates_are_right_or_asked_for(start, n, form):
    dates = pd.bdate_range(pd.Timestamp("1970-01-01") + pd.Timedelta(days=start), periods=n)
    content = "date;A\n" + "\n".join(f"{day:{form}};{i + 1}" for i, day in enumerate(dates))
    got, faults = attempt(content.encode())
    if got is None:
        assert faults == ["ambiguous_dates"]
        got = read_prices(content.encode(), date_format="DMY" if form.startswith("%d") else "MDY")
    assert list(got.index) == list(dates)


@given(st.binary(max_size=300))
def test_any_bytes_give_prices_or_a_data_error(content):
    prices, faults = attempt(content)
    assert (prices is None) == bool(faults)


CELLS = st.one_of(
    st.sampled_from(
        ["", "NaN", "1.5", "1,5", "1.234", "-1", "0", "2024-01-02", "02/01/2024", "x", "$3", "5%", '"', "inf"]
    ),
    st.text(alphabet="aZ09.,;|\t\"'-+%$€/: \u2212\u00a0\u202e\x07", max_size=6),
)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=8), st.sampled_from([",", ";"]))
def test_any_table_gives_prices_or_a_data_error(rows, delimiter):
    content = "date;close\n".replace(";", delimiter) + "\n".join(delimiter.join(row) for row in rows)
    prices, faults = attempt(content.encode())
    assert (prices is None) == bool(faults)
    if prices is not None:
        assert (prices.to_numpy() > 0).any(axis=1).all()
        assert prices.index.is_monotonic_increasing
        assert prices.index.is_unique


def test_input_paths_are_not_changed(tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_text(WIDE.to_csv())
    before = path.read_bytes()
    load_prices(path)
    assert path.read_bytes() == before
