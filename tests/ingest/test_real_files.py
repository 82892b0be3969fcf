"""Real files: sound ones load as they are, faulty ones give the fault that their name tells, with its rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskcore.errors import DataError
from riskcore.ingest import load_prices
from riskcore.returns import simple_returns, to_losses

SOUND = {
    "ftse100_1984_2025.csv": (10443, 1),
    "ftse100_2004_2014.csv": (2609, 1),
    "sp500_1990_2026.csv": (9082, 1),
    "dax_1991_2026.csv": (8772, 1),
    "wig_1995_2026.csv": (7846, 1),
    "nikkei225_2000_2023.csv": (5881, 1),
    "hsi_2000_2023.csv": (5914, 1),
    "kospi_1997_2019.csv": (5482, 1),
    "bovespa_1995_2025.csv": (7510, 1),
    "nifty50_2008_2020.csv": (2829, 1),
    "nse_stocks_2017_2022.csv": (1484, 10),
    "ftse100_stocks_2000_2023.csv": (5960, 64),
    "btc_usd_2014_2022.csv": (2723, 1),
    "ftse100_realized_variance_2011_2022.csv": (2854, 1),
}


def found(path):
    prices, findings = load_prices(path)
    return prices, {finding.code: finding for finding in findings}


@pytest.mark.parametrize("name", SOUND)
def test_sound_file_equals_what_pandas_reads(shared_data, name):
    prices, codes = found(shared_data / name)
    assert prices.shape == SOUND[name]
    assert {f.severity for f in codes.values()} <= {"accepted", "flagged"}
    plain = pd.read_csv(shared_data / name, index_col="date", parse_dates=True)
    np.testing.assert_array_equal(prices.index, plain.index)
    columns = ["close"] if "close" in plain else list(plain.columns)
    np.testing.assert_array_equal(prices.to_numpy(), plain[columns].to_numpy())
    assert list(prices.columns) == ([name.removesuffix(".csv")] if columns == ["close"] else columns)
    to_losses(prices)


@pytest.mark.parametrize("name", ["dmbp.csv", "engle_manganelli_2004.csv"])
def test_returns_without_dates_are_refused(shared_data, name):
    with pytest.raises(DataError, match=r"row 1: no column of dates among 'obs'") as caught:
        load_prices(shared_data / name)
    assert [f.code for f in caught.value.findings] == ["no_date_column"]


def test_bitcoin_is_a_market_of_seven_days(shared_data):
    codes = found(shared_data / "btc_usd_2014_2022.csv")[1]
    assert codes["seven_day_week"].severity == "accepted"
    assert codes["seven_day_week"].count == 778


def test_carried_holidays_are_told(shared_data):
    codes = found(shared_data / "ftse100_2004_2014.csv")[1]
    assert codes["unchanged_prices"].count == 83
    prices, stocks = found(shared_data / "ftse100_stocks_2000_2023.csv")
    moved = prices.diff().iloc[1:]
    still = (moved == 0).sum(axis=1) >= 2 / 3 * moved.notna().sum(axis=1)
    assert stocks["carried_rows"].count == still.sum() == 51
    assert stocks["carried_rows"].rows == tuple(np.flatnonzero(still) + 3)


def test_empty_cells_of_many_stocks(shared_data):
    findings = load_prices(shared_data / "ftse100_stocks_2000_2023.csv").findings
    assert sum(f.count for f in findings if f.code == "missing_prices") == 29
    assert not any(f.severity in ("fixed", "error") for f in findings)


def test_dax_duplicated_last_date(shared_data):
    prices, codes = found(shared_data / "faulty" / "dax_duplicated_last_date.csv")
    assert codes["duplicate_dates"].severity == "fixed"
    assert codes["duplicate_dates"].rows == (8190,)
    assert prices.index[-1] == pd.Timestamp("2019-09-30")
    assert prices.index.is_unique
    assert codes["missing_prices"].count == 168
    assert codes["missing_prices"].rows[:3] == (3, 4, 69)


def test_hdfcbank_unadjusted_split(shared_data):
    codes = found(shared_data / "faulty" / "hdfcbank_unadjusted_split_2019.csv")[1]
    split = codes["split_like"]
    assert (split.severity, split.rows) == ("flagged", (671,))
    assert "0.5033 on 2019-09-19" in split.message


def test_kospi_missing_rows(shared_data):
    prices, codes = found(shared_data / "faulty" / "kospi_with_missing_rows.csv")
    missing = codes["missing_prices"]
    assert (missing.severity, missing.count) == ("flagged", 144)
    assert missing.rows[:3] == (14, 35, 56)
    assert len(prices) == 5626 - 144
    assert prices.notna().all().all()


def test_nifty_missing_rows_and_weekend_sessions(shared_data):
    prices, codes = found(shared_data / "faulty" / "nifty50_missing_rows_and_weekend_sessions.csv")
    assert codes["missing_prices"].count == 32
    assert codes["missing_prices"].rows[:2] == (224, 322)
    weekend = codes["weekend_rows"]
    assert weekend.rows == (514, 992, 1031, 1161, 1203, 1540, 1769, 2914)
    assert "first 2010-02-06" in weekend.message
    assert len(prices) == 3037 - 32
    assert (prices.index.day_of_week < 5).all()


def test_nyse_unsorted_duplicates(shared_data):
    with pytest.raises(DataError) as caught:
        load_prices(shared_data / "faulty" / "nyse_unsorted_duplicates.csv")
    findings = {finding.code: finding for finding in caught.value.findings}
    assert findings["duplicate_conflict"].rows == (37, 289, 963, 964)
    assert findings["unsorted"].severity == "fixed"
    for part in ("1966-02-23 twice", "49.74 (row 37), 47.89 (row 289)", "50.59 (row 963), 50.51 (row 964)"):
        assert part in str(caught.value)


def test_sp500_weekends_filled(shared_data):
    codes = found(shared_data / "faulty" / "sp500_weekends_filled.csv")[1]
    filled = codes["weekends_filled"]
    assert (filled.severity, filled.count, filled.rows[:2]) == ("flagged", 520, (7, 8))


def test_ftse_one_wrong_print_cannot_be_seen_in_the_file_alone(shared_data):
    """The close of 2014-04-15 lies 0.6 % off, inside the day's own range: only another vendor tells."""
    prices, codes = found(shared_data / "faulty" / "ftse100_one_wrong_print.csv")
    assert {f.severity for f in codes.values()} == {"accepted"}
    other = load_prices(shared_data / "ftse100_1984_2025.csv").prices.iloc[:, 0]
    both = pd.concat([prices.iloc[:, 0], other], axis=1, join="inner")
    wrong = both.index[(both.iloc[:, 0] / both.iloc[:, 1] - 1).abs() > 0.003]
    assert pd.Timestamp("2014-04-15") in wrong


@pytest.mark.parametrize("name", ["nse_stocks_2017_2022.csv", "btc_usd_2014_2022.csv", "ftse100_1984_2025.csv"])
def test_returns_of_real_prices_give_their_losses(shared_data, name):
    prices = load_prices(shared_data / name).prices
    weights = dict.fromkeys(prices, 1 / prices.shape[1])
    expected = to_losses(prices, "simple", weights=weights)
    content = (100 * simple_returns(prices)).to_csv().encode()
    got, findings = load_prices(content, values="percent")
    losses = to_losses(got, "simple", weights=weights, values="returns")
    np.testing.assert_array_equal(losses.index, expected.index)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-15)
    assert {f.code for f in findings if f.severity == "flagged"} <= {"large_move", "weekend_rows"}
