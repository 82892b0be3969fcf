"""Files of returns: decimals and percent give the same losses as the prices they were made from, or are asked about."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskcore.errors import ConfigError, DataError
from riskcore.ingest import load_files, load_prices, read_prices
from riskcore.ingest.meaning import doubt
from riskcore.returns import log_returns, simple_returns, to_losses

DAYS = pd.bdate_range("2024-01-01", periods=60, name="date")
RETURNS = pd.Series(0.01 * np.random.default_rng(5).standard_t(5, size=60), DAYS, name="A")


def file(series: pd.Series | pd.DataFrame | list[object], days: pd.DatetimeIndex = DAYS) -> bytes:
    if isinstance(series, list):
        series = pd.Series(series, days[: len(series)], name="A")
    return series.to_csv().encode()


def faults(content: bytes, **options: object) -> dict[str, str]:
    """Codes of the faults, each with its remedy."""
    with pytest.raises(DataError) as caught:
        load_prices(content, **options)
    return {f.code: f.remedy for f in caught.value.findings if f.severity == "error"}


def flags(content: bytes, **options: object) -> dict[str, tuple[int, ...]]:
    findings = load_prices(content, **options).findings
    return {f.code: f.rows for f in findings if f.severity == "flagged"}


# --- what comes out


def test_returns_are_taken_as_they_stand():
    got = read_prices(file(RETURNS), values="returns")
    pd.testing.assert_series_equal(got["A"], RETURNS, check_freq=False, check_index_type=False, check_names=False)
    assert to_losses(got, values="returns")["A"].tolist() == (0.0 - RETURNS).tolist()


def test_percent_with_and_without_signs_and_with_a_decimal_comma():
    cells = [1.5, -0.25, 0, 2.125, -3]
    expected = [0.015, -0.0025, 0.0, 0.02125, -0.03]
    content = "date;A\n" + "\n".join(f"{day:%Y-%m-%d};{{}}" for day in DAYS[:5])
    for form in ("{}", "{}%", "{} %", "{}\u00a0%"):
        written = content.format(*(form.format(x) for x in cells))
        for text in (written, written.replace(".", ",")):
            assert read_prices(text.encode(), values="percent")["A"].tolist() == expected
    mixed = content.format("1.5%", "-0.25", "0%", "2.125", "\u22123%").encode()
    got = load_prices(mixed, values="percent")
    assert got.prices["A"].tolist() == expected
    assert {f.code: f.rows for f in got.findings}["percent"] == (2, 4, 6)


def test_workbook_and_parquet():
    frame = RETURNS.to_frame()
    book, parquet = io.BytesIO(), io.BytesIO()
    frame.to_excel(book)
    frame.to_parquet(parquet)
    for content in (book.getvalue(), parquet.getvalue()):
        np.testing.assert_allclose(read_prices(content, values="returns")["A"], RETURNS, rtol=1e-15)  # 16 digits
        np.testing.assert_allclose(read_prices(content, values="percent")["A"], RETURNS / 100, rtol=1e-15)


def test_empty_cells_stay_empty_and_too_many_are_refused():
    holes = RETURNS.to_frame().assign(B=RETURNS[::-1].to_numpy())
    holes.iloc[[0, 1, 7, 9], 0] = np.nan
    got = load_prices(file(holes), values="returns")
    assert np.flatnonzero(got.prices["A"].isna()).tolist() == [0, 1, 7, 9]
    text = next(str(f) for f in got.findings if f.code == "missing_prices")
    assert "rows 9, 11, column A: 2 empty cells of A (3.4%)" in text
    holes.iloc[20:50, 0] = np.nan
    with pytest.raises(DataError, match="between its first and last return are empty"):
        load_prices(file(holes), values="returns")


@pytest.mark.parametrize("head", ["return", "Change %", "Daily Return", "value", "close"])
def test_one_asset_takes_the_stem(tmp_path, head):
    path = tmp_path / "DAX.csv"
    RETURNS.rename(head).to_csv(path)
    assert list(read_prices(path, values="returns")) == ["DAX"]


def test_returns_beside_prices_in_one_table(tmp_path):
    """A table of a data vendor: closes, range and the change in percent."""
    path = tmp_path / "DAX.csv"
    prices = 100 * (1 + RETURNS).cumprod()
    table = pd.DataFrame({"Price": prices, "Open": prices, "High": prices, "Low": prices}, index=DAYS)
    table.assign(**{"Change %": (100 * RETURNS).map("{:.6f}%".format)}).to_csv(path)
    np.testing.assert_allclose(read_prices(path, values="percent")["DAX"], RETURNS, atol=1e-8)
    np.testing.assert_allclose(read_prices(path)["DAX"], prices, rtol=1e-12)
    long = table.assign(Ticker="X", ret=RETURNS)[["Ticker", "Price", "ret"]]
    got = load_prices(long.to_csv().encode(), values="returns")
    np.testing.assert_array_equal(got.prices["X"], RETURNS)
    assert got.findings[0].message == "long: dates in 'date', assets in 'Ticker', returns in 'ret'"


def test_files_side_by_side(tmp_path):
    for stem in ("a", "b"):
        (100 * RETURNS).rename("return").to_csv(tmp_path / f"{stem}.csv")
    got = load_files([tmp_path / "a.csv", tmp_path / "b.csv"], values="percent").prices
    assert list(got) == ["a", "b"]
    np.testing.assert_allclose(got["b"], RETURNS, rtol=1e-15)


# --- what is asked about


def test_returns_where_prices_are_expected_name_the_option():
    remedy = faults(file(RETURNS))["looks_like_returns"]
    assert remedy == 'If these are returns, pass values="returns" (0.01 is 1 %) or values="percent" (1 is 1 %).'
    signs = file([f"{100 * x:.2f}%" for x in RETURNS])
    assert faults(signs) == {"percent": 'If the numbers are returns in percent, pass values="percent".'}
    assert faults(signs, values="returns") == faults(signs)


@pytest.mark.parametrize("values", ["returns", "percent"])
@pytest.mark.parametrize("level", [1.1, 100.0, 25_000.0])
def test_prices_where_returns_are_expected(values, level):
    prices = file(level * (1 + RETURNS).cumprod())
    assert faults(prices, values=values) == {"looks_like_prices": 'If these are prices, pass values="prices".'}


def test_percent_where_decimals_are_expected_and_the_reverse():
    assert "multiply by 100" in faults(file(100 * RETURNS), values="returns")["looks_like_percent"]
    assert flags(file(RETURNS), values="percent") == {"looks_like_decimals": (2,)}
    assert flags(file(RETURNS), values="returns") == {}
    assert flags(file(100 * RETURNS), values="percent") == {}


def test_rising_days_alone_are_no_prices():
    """Gains only, but small or without memory: odd, not impossible."""
    assert doubt(np.array([0.01, 0.02, 0.005]), "returns") is None
    assert doubt(np.full(50, 0.0001) + 1e-6 * np.arange(50), "returns") is None, "the interest on cash"
    assert doubt(np.abs(RETURNS.to_numpy()) + 1e-4, "returns") is None
    assert doubt(np.zeros(50), "returns") is None


@pytest.mark.parametrize("values", ["returns", "percent"])
def test_what_is_no_return(values):
    remedy = "Correct these cells or leave them empty."
    assert faults(file([0.01, "inf", -0.02]), values=values) == {"infinite": remedy}
    assert faults(file([0.01, "x%", -0.02]), values=values).keys() == {
        "percent" if values == "returns" else "not_a_number"
    }
    assert faults(file([0.01, "$0.02", -0.02]), values=values).keys() == {"currency"}
    assert faults(file([0.0, 0.0, 0.0]), values=values).keys() == {"constant_column"}
    assert faults(file([0.01]), values=values).keys() == {"too_few_prices"}
    with pytest.raises(DataError, match="'inf' is no return"):
        load_prices(file([0.01, "inf", -0.02]), values=values)


def test_numbers_at_or_below_minus_one_are_no_fault_of_returns():
    got = read_prices(file([0.01, -1.0, -1.5, 0.02, 0.01]), values="returns")
    assert got["A"].tolist() == [0.01, -1.0, -1.5, 0.02, 0.01]


def test_oddities_of_returns():
    odd = RETURNS.copy()
    odd.iloc[10:20] = 0.0
    odd.iloc[30] = -0.45
    found = load_prices(file(odd), values="returns").findings
    told = {f.code: f for f in found if f.severity == "flagged"}
    assert told.keys() == {"stale_prices", "unchanged_prices", "large_move"}
    assert "zero for 10 rows from 2024-01-15" in told["stale_prices"].message
    assert "10 returns of A (16.7%) are zero" in told["unchanged_prices"].message
    assert told["large_move"].rows == (32,)
    assert told["large_move"].message == "1 return of A of more than 30%. The largest: -0.45 on 2024-02-12"
    percent = load_prices(file(100 * odd), values="percent").findings
    assert [f.message for f in percent] == [f.message for f in found]


def test_calendar_of_returns():
    week = pd.date_range("2024-01-01", periods=60, name="date")
    filled = RETURNS.set_axis(week).where(week.day_of_week < 5, 0.0)
    assert "weekends_filled" in flags(file(filled), values="returns")
    late = RETURNS.set_axis(pd.date_range("2023-01-01", periods=60, freq="7D", name="date"))
    text = next(f.message for f in load_prices(file(late), values="returns").findings if f.code == "not_daily")
    assert text.startswith("the returns lie 7 days apart")
    still = pd.DataFrame({"A": RETURNS, "B": 2 * RETURNS})
    still.iloc[5] = 0.0
    assert flags(file(still), values="returns")["carried_rows"] == (7,)


def test_unknown_values():
    with pytest.raises(ConfigError, match="values must be one of prices, returns, percent, got 'losses'"):
        load_prices(file(RETURNS), values="losses")


# --- round trips


@pytest.mark.parametrize("weights", [None, {"S&P 500": 0.6, "NASDAQ": 0.4}])
@pytest.mark.parametrize(("kind", "function"), [("log", log_returns), ("simple", simple_returns)])
def test_sample_prices_and_their_returns_give_the_same_losses(sample_data, kind, function, weights):
    prices = read_prices(sample_data / "indices.csv")
    expected = to_losses(prices, kind, weights=weights)
    for values, unit in (("returns", 1.0), ("percent", 100.0)):
        got = read_prices((unit * function(prices)).to_csv().encode(), values=values)
        losses = to_losses(got, kind, weights=weights, values="returns")
        pd.testing.assert_index_equal(losses.index, expected.index, exact=False)
        # a log return carries the rounding of the logarithms of prices in the thousands: 8.5 * 2.2e-16
        np.testing.assert_allclose(losses, expected, rtol=0, atol=2e-15)
        assert list(losses) == list(expected)


RETURN = st.floats(-0.2, 0.2).map(lambda x: float(f"{x:.9g}"))


@given(st.lists(RETURN, min_size=25, max_size=60, unique=True), st.sampled_from(["{!r}", "{!r}%"]))
def test_percent_round_trip(values, form):
    written = pd.Series([form.format(100 * x) for x in values], pd.bdate_range("2000-01-03", periods=len(values)))
    content = written.rename("A").rename_axis("date").to_csv().encode()
    if min(values) > 0:
        return  # gains only: prices? (asked about, see above)
    got = read_prices(content, values="percent", decimal=".")
    np.testing.assert_allclose(got["A"], values, rtol=1e-15, atol=1e-300)
