from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskcore import Target
from riskcore.errors import ConfigError, DataError
from riskcore.forecasts import Forecasts
from riskcore.indicators import basel_zone, expectile_table, latest, latest_table, recent

TARGETS = tuple(map(Target.parse, ("var:0.975", "var:0.99", "es:0.975", "expectile:0.99", "expectile:0.99855")))


def table(n: int = 600, *, ahead: bool = True) -> Forecasts:
    """Two assets under two models; "lean" offers an expectile only and has no law."""
    rng = np.random.default_rng(8)
    days = pd.bdate_range("2020-01-01", periods=n)
    parts = []
    for asset in ("A", "B"):
        loss = 0.01 * rng.standard_normal(n)
        for model in ("full", "lean"):
            index = pd.MultiIndex.from_product([[asset], [model], days], names=["asset", "model", "date"])
            frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": loss, "status": "ok"}, index)
            for i, target in enumerate(TARGETS):
                gone = model == "lean" and target.measure != "expectile"
                frame[target.label] = np.nan if gone else 0.016 + 0.002 * i + 0.001 * rng.random(n)
            frame["volatility"] = 0.01 if model == "full" else np.nan
            for level, quantile in ((0.9, 0.012), (0.99, 0.018), (0.999, 0.03)):
                frame[f"tail_{level}"] = quantile if model == "full" else np.nan
            if ahead:
                frame.loc[frame.index[-1], "loss"] = np.nan
            parts.append(frame)
    return Forecasts(pd.concat(parts), TARGETS)


def test_figures_are_those_of_the_newest_row() -> None:
    forecasts = table()
    newest = latest(forecasts, "B", "full")
    rows = forecasts.unit("B", "full")
    assert newest.ahead
    assert (newest.date, newest.origin) == (rows.index[-1], rows["origin"].iloc[-1])
    assert [t.label for t in newest.targets] == ["var_0.99", "es_0.975", "expectile_0.99855"]  # not the first listed
    for target in newest.targets:
        assert newest.value(target.label) == rows[target.label].iloc[-1]
        assert newest.change(target.label) == rows[target.label].iloc[-1] - rows[target.label].iloc[-2]
    beside = expectile_table(forecasts).set_index(["asset", "model", "level"])
    assert newest.implied_var_level == beside.loc[("B", "full", 0.99855), "implied_var_level"]
    assert 0.9 < newest.implied_var_level < 0.999


def test_hits_are_counted_on_the_last_days() -> None:
    forecasts = table()
    newest = latest(forecasts, "A", "full")
    judged = forecasts.judged("A", "full").iloc[-250:]
    n_hits = int((judged["loss"] > judged["var_0.99"]).sum())
    assert newest.hits is not None
    assert (newest.hits.hits, newest.hits.n_obs, newest.hits.expected) == (n_hits, 250, pytest.approx(2.5))
    assert newest.hits.zone == basel_zone(n_hits, 250, 0.99)
    assert len(newest.rows) == 251
    assert newest.hits.course.iloc[-1] == n_hits
    assert len(newest.hits.course) == 250


def test_short_tables_count_the_days_there_are() -> None:
    newest = latest(table(40), "A", "full")
    assert newest.hits is not None
    assert newest.hits.n_obs == 39
    assert len(newest.rows) == 40


def test_without_a_next_day_the_last_day_stands() -> None:
    newest = latest(table(300, ahead=False), "A", "full")
    assert not newest.ahead
    assert len(newest.rows) == 250


def test_model_without_var_and_law() -> None:
    newest = latest(table(), "A", "lean")
    assert [t.measure for t in newest.targets] == ["expectile"]
    assert newest.target("var") is None
    assert newest.hits is None
    assert np.isnan(newest.implied_var_level)
    assert np.isnan(newest.value("volatility"))
    assert np.isnan(newest.change("nothing"))


def test_no_forecast_on_any_day_gives_no_count() -> None:
    frame = table(30).frame.copy()
    frame.loc[frame.index[:-1], ["var_0.99", "var_0.975"]] = np.nan
    frame["var_0.99"] = frame["var_0.99"].where(frame["loss"].isna(), np.nan)
    assert latest(Forecasts(frame, TARGETS), "B", "full").hits is None


def test_recent_rows() -> None:
    forecasts = table()
    cut = recent(forecasts, days=10)
    assert cut.units == forecasts.units
    for unit in cut.units:
        pd.testing.assert_frame_equal(cut.unit(*unit), forecasts.unit(*unit).iloc[-11:])
    assert len(recent(table(20, ahead=False), days=5).unit("A", "full")) == 5


def test_table_of_assets() -> None:
    forecasts = table()
    out = latest_table([latest(forecasts, "A", "full"), latest(forecasts, "B", "lean")])
    assert out["asset"].tolist() == ["A", "B"]
    assert out["var"].iloc[0] == forecasts.unit("A", "full")["var_0.99"].iloc[-1]
    assert np.isnan(out["var"].iloc[1])
    assert out["zone"].iloc[1] is None or pd.isna(out["zone"].iloc[1])
    assert latest_table([]).empty


def test_errors() -> None:
    with pytest.raises(DataError, match="asset, model must be one of"):
        latest(table(30), "C", "full")
    with pytest.raises(ConfigError, match="days must be at least 1, got 0"):
        recent(table(30), days=0)
