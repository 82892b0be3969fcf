"""The table of a frame of losses, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from riskcore.errors import DataError
from riskcore.measures.table import loss_table

DAYS = pd.bdate_range("2020-01-01", periods=500)


def test_moments_are_those_of_scipy():
    losses = np.random.default_rng(3).standard_t(5, size=(500, 2))
    table = loss_table(pd.DataFrame(losses, index=DAYS, columns=["A", "B"]))
    for name, column in zip("AB", losses.T, strict=True):
        row = table.loc[name]
        assert row["mean"] == pytest.approx(np.mean(column), abs=1e-15)
        assert row["volatility"] == pytest.approx(stats.tstd(column), rel=1e-13)
        assert row["skewness"] == pytest.approx(stats.skew(column), rel=1e-12)
        assert row["excess_kurtosis"] == pytest.approx(stats.kurtosis(column), rel=1e-12)


def test_span_missing_and_worst_by_hand():
    column = np.full(500, np.nan)
    column[10:20] = [0.01, -0.02, np.nan, 0.05, 0.05, 0.0, np.nan, 0.0, -0.05, 0.01]
    row = loss_table(pd.DataFrame({"A": column}, index=DAYS)).loc["A"]
    assert (row["n_obs"], row["missing"]) == (8, pytest.approx(0.2))
    assert (row["first"], row["last"]) == (DAYS[10], DAYS[19])
    assert (row["worst"], row["worst_date"]) == (0.05, DAYS[13])  # the first of two; a gain of 5 % is no loss


def test_what_is_undefined_is_missing():
    frame = pd.DataFrame({"none": np.nan, "one": np.nan, "same": 0.1}, index=DAYS[:30])
    frame.loc[DAYS[4], "one"] = 0.02
    table = loss_table(frame)
    assert table.loc["none", "n_obs"] == 0
    assert pd.isna(table.loc["none", "first"])
    assert pd.isna(table.loc["none", "worst"])
    assert table.loc["one", "mean"] == 0.02
    assert pd.isna(table.loc["one", "volatility"])
    assert table.loc["same", ["skewness", "excess_kurtosis"]].isna().all()


@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e-80, 1e80, 1e160])
def test_moments_do_not_depend_on_the_unit(unit):
    """The second to fourth powers of these losses are zero or infinite as numbers."""
    losses = np.random.default_rng(3).standard_t(5, size=500)
    row = loss_table(pd.DataFrame({"A": losses * unit}, index=DAYS)).loc["A"]
    assert row["volatility"] / unit == pytest.approx(stats.tstd(losses), rel=1e-12)
    assert row["skewness"] == pytest.approx(stats.skew(losses), rel=1e-11)
    assert row["excess_kurtosis"] == pytest.approx(stats.kurtosis(losses), rel=1e-11)


def test_dates_are_needed():
    with pytest.raises(DataError, match="losses must be a DataFrame with a DatetimeIndex, got DataFrame"):
        loss_table(pd.DataFrame({"A": [0.1]}))
