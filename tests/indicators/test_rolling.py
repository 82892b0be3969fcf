from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from riskcore import Target
from riskcore.errors import ConfigError, DataError
from riskcore.forecasts import Forecasts
from riskcore.indicators import basel_zone, ema, hits, indicator_table, rolling_hits, zone_limits

VAR = Target("var", 0.99)
TARGETS = (VAR, Target("es", 0.975), Target("expectile", 0.99855))


def table(n: int = 400, seed: int = 3) -> Forecasts:
    """Two models on one asset: the second offers no ES and has no law; the last row is the next day."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=n)
    parts = []
    for model in ("full", "lean"):
        index = pd.MultiIndex.from_product([["A"], [model], days], names=["asset", "model", "date"])
        sigma = 0.01 * np.exp(0.2 * rng.standard_normal(n))
        frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "status": "ok"}, index)
        frame["loss"] = np.append(sigma[:-1] * rng.standard_normal(n - 1), np.nan)
        frame["var_0.99"], frame["expectile_0.99855"] = 1.8 * sigma, 2.0 * sigma
        frame["es_0.975"] = 1.9 * sigma if model == "full" else np.nan
        frame["volatility"] = sigma if model == "full" else np.nan
        parts.append(frame)
    return Forecasts(pd.concat(parts), TARGETS)


def test_indicator_table_is_the_ema_of_each_column() -> None:
    forecasts = table()
    out = indicator_table(forecasts, halflife=10)
    assert list(out.columns) == ["var_0.99", "es_0.975", "expectile_0.99855", "volatility", "hit_rate_0.99"]
    pd.testing.assert_index_equal(out.index, forecasts.frame.index)
    rows = forecasts.unit("A", "full")
    for column in ("var_0.99", "es_0.975", "expectile_0.99855", "volatility"):
        np.testing.assert_array_equal(
            out.loc[("A", "full"), column], ema(rows[column], halflife=10, bias_corrected=True)
        )
    hit = (rows["loss"] > rows["var_0.99"]).astype(float).where(rows["loss"].notna())
    oracle = hit.ewm(halflife=10, adjust=True, ignore_na=True).mean()
    np.testing.assert_allclose(out.loc[("A", "full"), "hit_rate_0.99"], oracle, rtol=1e-12)
    assert out.loc[("A", "lean"), ["es_0.975", "volatility"]].isna().all(axis=None)


def test_next_day_carries_the_hit_rate_and_shows_the_forecast() -> None:
    out = indicator_table(table()).loc[("A", "full")]
    assert out["hit_rate_0.99"].iloc[-1] == out["hit_rate_0.99"].iloc[-2]
    assert out["var_0.99"].iloc[-1] != out["var_0.99"].iloc[-2]


def test_plain_form_starts_at_the_first_value() -> None:
    forecasts = table()
    out = indicator_table(forecasts, halflife=10, bias_corrected=False)
    oracle = forecasts.unit("A", "lean")["var_0.99"].ewm(halflife=10, adjust=False).mean()
    np.testing.assert_allclose(out.loc[("A", "lean"), "var_0.99"], oracle, rtol=1e-12)


def test_indicators_do_not_look_ahead() -> None:
    forecasts = table()
    whole = indicator_table(forecasts).loc[("A", "full")]
    cut = Forecasts(forecasts.frame.groupby(["asset", "model"]).head(150), TARGETS)
    np.testing.assert_array_equal(indicator_table(cut).loc[("A", "full")], whole.iloc[:150])


def test_zones_of_the_supervisor(golden) -> None:
    case = golden("basel")["zones_T250_level99"]["expected"]
    assert [basel_zone(k, 250, 0.99) for k in range(12)] == case["zone_0_to_11"]
    assert zone_limits(250, 0.99) == (5, 10)


@pytest.mark.parametrize(("n", "level"), [(250, 0.975), (500, 0.99), (20, 0.95), (1, 0.9)])
def test_zone_limits_are_the_first_hits_of_a_zone(n: int, level: float) -> None:
    zones = [basel_zone(k, n, level) for k in range(n + 1)]
    yellow, red = zone_limits(n, level)
    first = [next((k for k, z in enumerate(zones) if z in late), n + 1) for late in (("yellow", "red"), ("red",))]
    assert [yellow, red] == first
    assert binom.cdf(yellow - 1, n, 1 - level) < 0.95


def test_rolling_hits_count_each_window(golden) -> None:
    forecasts = table(600)
    out = rolling_hits(forecasts, "A", "full", "var:0.99")
    rows = forecasts.judged("A", "full")
    hit = (rows["loss"] > rows["var_0.99"]).to_numpy()
    assert len(out) == len(rows) - 249
    for i in (0, 1, 100, len(out) - 1):
        assert out["hits"].iloc[i] == hit[i : i + 250].sum()
        assert out.index[i] == rows.index[i + 249]
    np.testing.assert_allclose(out["probability"], binom.cdf(out["hits"], 250, 0.01), rtol=1e-10)
    cdf = golden("basel")["zones_T250_level99"]["expected"]["cumulative_probability_0_to_11"]
    few = out[out["hits"] <= 11]
    np.testing.assert_allclose(few["probability"], [cdf[k] for k in few["hits"]], rtol=1e-12)
    assert out["zone"].tolist() == [basel_zone(k, 250, 0.99) for k in out["hits"]]
    assert (out["expected_hits"] == 250 * (1 - 0.99)).all()


def test_missing_days_count_as_hits_or_not_at_all() -> None:
    frame = table(30).frame.copy()
    frame.loc[frame.index[[5, 6]], "var_0.99"] = np.nan  # asset A, model full
    frame.loc[frame.index[8], "loss"] = np.nan
    forecasts = Forecasts(frame, TARGETS)
    raw = hits(forecasts.unit("A", "full"), VAR)
    assert raw.isna().sum() == 4  # with the next day
    strict = rolling_hits(forecasts, "A", "full", VAR, days=29)
    lenient = rolling_hits(forecasts, "A", "full", VAR, days=29, missing="skip")
    assert strict["missing"].tolist() == lenient["missing"].tolist() == [3]
    assert strict["hits"].item() == lenient["hits"].item() + 3 == np.nansum(raw) + 3
    assert (strict["n_obs"].item(), lenient["n_obs"].item()) == (29, 26)
    single = rolling_hits(forecasts, "A", "full", VAR, days=1, missing="skip")
    assert pd.isna(single["zone"].iloc[5])
    assert np.isnan(single["probability"].iloc[5])


def test_too_few_days_and_targets_not_offered_give_no_rows() -> None:
    forecasts = table(100)
    assert rolling_hits(forecasts, "A", "full", VAR).empty
    frame = forecasts.frame.copy()
    frame["var_0.99"] = np.nan
    assert rolling_hits(Forecasts(frame, TARGETS), "A", "full", VAR, days=20).empty


def test_errors() -> None:
    forecasts = table(40)
    with pytest.raises(ConfigError, match=r"target must be one of \['var_0.99'\], got es_0.975"):
        rolling_hits(forecasts, "A", "full", "es:0.975")
    with pytest.raises(ConfigError, match="days must be a whole number of at least 1, got 0"):
        rolling_hits(forecasts, "A", "full", VAR, days=0)
    with pytest.raises(ConfigError, match="missing must be 'hit' or 'skip', got 'drop'"):
        rolling_hits(forecasts, "A", "full", VAR, missing="drop")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="asset, model must be one of"):
        rolling_hits(forecasts, "B", "full", VAR)
    with pytest.raises(ConfigError, match="only a VaR has hits"):
        hits(forecasts.unit("A", "full"), Target("expectile", 0.99855))
