"""The summary of hits: each figure by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskcore import Forecasts, Target, summary_table
from riskcore.tables import SUMMARY_COLUMNS

LOSS = [0.0, 3.0, np.nan, 5.0, 1.0, 2.0, np.nan]
VAR = [2.0, 2.0, 2.0, 4.0, np.nan, 2.0, 2.0]


def forecasts(var: list[float] = VAR) -> Forecasts:
    days = pd.date_range("2024-01-02", periods=7, name="date")
    index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    lead = {"origin": days - pd.Timedelta(days=1), "loss": LOSS, "status": "ok"}
    columns = {"var_0.75": var, "es_0.75": [2.5, 3.5, 3.0, 6.0, 2.0, 4.0, 3.0], "expectile_0.9": 1.0}
    frame = pd.DataFrame(lead | columns, index)
    return Forecasts(frame, [Target("var", 0.75), Target("es", 0.75), Target("expectile", 0.9)])


def test_by_hand():
    table = summary_table(forecasts())
    assert tuple(table.columns) == SUMMARY_COLUMNS
    assert table.measure.tolist() == ["var", "es"]
    var, es = table.iloc[0], table.iloc[1]
    for row in (var, es):
        # days with both: 1, 2, 4, 6; the hits are those of days 2 and 4; a loss equal to the VaR is none
        assert (row.n_obs, row.hits, row.first_hit, row.missing) == (4, 2, 2, 1)
        assert (row.observed_level, row.expected_hits, row.ratio) == (0.5, 1.0, 2.0)
        assert (row.mean_excess, row.largest_excess) == (1.0, 1.0)
        assert row.observed_severity == pytest.approx((3 / 2 + 5 / 4) / 2)
    assert np.isnan(var.expected_severity)
    assert es.expected_severity == pytest.approx((3.5 / 2 + 6 / 4) / 2)


def test_without_a_hit_and_without_a_forecast():
    calm, none = (summary_table(forecasts([value] * 7)) for value in (9.0, np.nan))
    assert calm.hits.tolist() == [0, 0]
    assert calm.first_hit.isna().all()
    assert calm.observed_level.tolist() == [1.0, 1.0]
    assert calm[["mean_excess", "observed_severity"]].isna().all(axis=None)
    assert none.n_obs.tolist() == [0, 0]
    assert none[["observed_level", "ratio"]].isna().all(axis=None)


def test_no_severity_where_a_var_is_not_positive():
    row = summary_table(forecasts([0.0] * 7)).iloc[0]
    assert row.hits == 4
    assert np.isnan(row.observed_severity)
    assert row.mean_excess == pytest.approx((3 + 5 + 1 + 2) / 4)
