"""Zones and multipliers of the supervisor's text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import backtests as bt
from riskcore.backtests.attribution import correlation_zone, distance_zone
from riskcore.backtests.regulatory import unrounded_increase
from riskcore.errors import DataError


def hits(x: int, n: int = 250) -> np.ndarray:
    return (np.arange(n) < x).astype(float)


def test_zones(golden):
    expected = golden("basel")["zones_T250_level99"]["expected"]
    for x in range(12):
        result = bt.traffic_light(hits(x), 0.5, 0.99)
        assert_allclose(
            [result.details["cumulative_probability"], result.p_value],
            [expected["cumulative_probability_0_to_11"][x], expected["type_i_probability_P_X_ge_x_0_to_11"][x]],
            rtol=1e-12,
        )
        assert result.details["zone"] == expected["zone_0_to_11"][x]
        assert (result.statistic, result.p_method) == (x, "exact")


def test_multipliers(golden):
    plus = golden("basel")["plus_factors_1996"]["expected"]["plus_factor"]
    mar32 = golden("basel")["mar32_multiplier"]["expected"]["multiplier"]
    for x in range(14):
        details = bt.traffic_light(hits(x), 0.5, 0.99).details
        assert details["plus_factor"] == plus["10+" if x >= 10 else str(x)]
        assert details["mar32_multiplier"] == mar32["0-4" if x < 5 else "10+" if x >= 10 else str(x)]


@pytest.mark.parametrize(("n", "level"), [(251, 0.99), (250, 0.975)])
def test_no_multiplier_outside_its_table(n, level):
    assert "mar32_multiplier" not in bt.traffic_light(hits(5, n), 0.5, level).details


def test_published_example(golden):
    case = golden("coverage_matlab_normal95")["normal95"]
    losses = np.zeros(case["input"]["T"])
    losses[np.array(case["input"]["exception_days_1_based"]) - 1] = 1.0
    result, expected = bt.traffic_light(losses, 0.5, 0.95), case["expected"]["traffic_light"]
    assert_allclose(result.details["cumulative_probability"], expected["cumulative_probability"], rtol=1e-10)
    assert_allclose(result.p_value, expected["type_i_probability"], rtol=1e-10)
    assert result.details["zone"] == expected["zone"]


def test_a_missing_day_is_a_hit():
    losses = np.concatenate([hits(4, 249), [np.nan]])
    result = bt.traffic_light(losses, 0.5, 0.99)
    assert (result.statistic, result.details["zone"], result.details["missing"]) == (5, "yellow", 1)
    assert bt.traffic_light(losses, 0.5, 0.99, nan="drop").statistic == 4


def test_unrounded_increase(golden):
    case = golden("basel")["unrounded_increase_formula"]["expected"]
    for x, value in case["increase"].items():
        found = bt.traffic_light(hits(int(x)), 0.5, 0.99).details["unrounded_increase"]
        assert_allclose(found, value, rtol=1e-12)
        assert_allclose(found, case["increase_printed"][x], atol=5e-5)
    assert [bt.traffic_light(hits(x), 0.5, 0.99).details["unrounded_increase"] for x in (4, 10)] == [0.0, 1.0]
    assert unrounded_increase(5, 6, 0.55) == 1.0  # more than half of the days, and yellow


def test_multiplier_of_1996(golden):
    multiplier = golden("basel")["plus_factors_1996"]["expected"]["multiplier"]
    for x in range(12):
        found = bt.traffic_light(hits(x), 0.5, 0.99).details["multiplier_1996"]
        assert found == multiplier["0-4" if x < 5 else "10+" if x >= 10 else str(x)]


def test_zones_are_exact_at_any_level():
    for n, level in ((17, 0.9), (500, 0.975), (20_000, 0.999)):
        law = stats.binom(n, 1 - level)
        for x in {0, 1, int(law.ppf(0.95)), int(law.ppf(0.9999)), n}:
            result = bt.traffic_light(hits(x, n), 0.5, level)
            f = law.cdf(x)
            assert result.details["zone"] == ("green" if f < 0.95 else "yellow" if f < 0.9999 else "red")
            assert_allclose(result.p_value, law.sf(x - 1), rtol=1e-9)


@pytest.mark.parametrize("x", [12, 13])
@pytest.mark.parametrize("y", [30, 31])
def test_desk_eligibility(golden, x, y):
    limits = golden("basel")["desk_eligibility"]["expected"]
    losses, days = np.zeros(250), np.arange(250)
    losses[days < y] = 1.5
    losses[days < x] = 3.0
    within = x <= limits["max_exceptions_level_99"] and y <= limits["max_exceptions_level_97_5"]
    for actual, hypothetical in ((losses, 0 * losses), (0 * losses, losses)):  # the larger count decides
        found = bt.desk_eligibility(actual, hypothetical, 2.0, 1.0)
        assert [(c.level, c.raw, c.adjusted) for c in found.counts] == [(0.99, x, x), (0.975, y, y)]
        assert found.eligible is within
    apart = bt.desk_eligibility(losses, np.roll(losses, 100), 2.0, 1.0)
    assert apart.counts[0].raw == x  # not their union


def test_missing_days_and_excluded_days():
    days = pd.date_range("2023-01-02", periods=400, freq="B")
    losses, var = pd.Series(0.0, days), pd.Series(1.0, days)
    losses.iloc[390:] = 2.0
    losses.iloc[:50] = 2.0  # before the last 12 months
    hypothetical = losses.copy()
    hypothetical.iloc[380:383] = np.nan
    var.iloc[379] = np.nan
    reasons = {days[395]: "factor without prices, charge 3.1 above the loss", days[10]: "the same"}
    found = bt.desk_eligibility(losses, hypothetical, var, var, excluded=reasons)
    year = int((days > days[-1] - pd.DateOffset(years=1)).sum())
    count = found.counts[0]
    assert (count.n_obs, count.missing) == (year, 4)
    assert (count.actual, count.hypothetical, count.actual_adjusted, count.hypothetical_adjusted) == (11, 14, 10, 13)
    assert (found.eligible, found.eligible_raw) == (False, False)
    two = {days[395]: "a", days[396]: "b"}
    found = bt.desk_eligibility(losses, hypothetical, var, var, excluded=two)
    assert (found.counts[0].raw, found.counts[0].adjusted) == (14, 12)
    assert (found.eligible, found.eligible_raw) == (True, False)


def test_bank_multiplier(golden):
    table = golden("basel")["mar32_multiplier"]["expected"]["multiplier"]
    for x in range(12):
        losses = np.concatenate([np.ones(30), hits(x)])  # the first 30 days are too old
        found = bt.bank_multiplier(0 * losses, losses, 0.5)
        assert found.factors["mar32_multiplier"] == table["0-4" if x < 5 else "10+" if x >= 10 else str(x)]
        assert (found.count.raw, found.count.actual, found.count.n_obs) == (x, 0, 250)
        assert found.zone == bt.traffic_light(hits(x), 0.5, 0.99).details["zone"]
    found = bt.bank_multiplier(hits(10), 0 * hits(10), 0.5, excluded={0: "factor without prices"})
    assert (found.raw_zone, found.zone) == ("red", "yellow")
    assert (found.raw_factors["plus_factor"], found.factors["plus_factor"]) == (1.0, 0.85)
    short = bt.bank_multiplier(hits(3, 100), hits(3, 100), 0.5)
    assert (short.zone, dict(short.factors)) == ("yellow", {})
    assert bt.bank_multiplier(np.full(250, np.nan), np.zeros(250), 0.5).zone == "red"
    assert bt.bank_multiplier([], [], 0.5).count.raw == 0


def test_exceptions_log():
    days = pd.date_range("2024-01-01", periods=6)
    losses = pd.Series([0.5, 1.0, 2.5, np.nan, 4.0, np.nan], days)
    var = pd.Series([1.0, 1.0, 1.0, 1.0, np.nan, np.nan], days)
    log = bt.exceptions_log(losses, var, excluded={days[2]: "factor without prices", days[0]: "no exception"})
    assert list(log.columns) == ["date", "loss", "var", "excess", "excluded", "reason"]
    assert log["date"].tolist() == list(days[2:])  # equality is no exception
    assert log["reason"].tolist() == ["factor without prices", "no loss", "no VaR", "no loss and no VaR"]
    assert log["excluded"].tolist() == [True, False, False, False]
    assert log["excess"].iloc[0] == 1.5
    assert log["excess"].iloc[1:].isna().all()
    assert len(bt.exceptions_log(np.zeros(5), 1.0)) == 0
    count = bt.bank_multiplier(losses, losses, var).count
    assert count.raw == len(log)


def test_logs_refuse_what_they_cannot_use():
    days = pd.date_range("2024-01-01", periods=3)
    losses = pd.Series(1.0, days)
    with pytest.raises(DataError, match="var must have the dates of losses"):
        bt.exceptions_log(losses, pd.Series(1.0, days + pd.Timedelta(days=1)))
    with pytest.raises(DataError, match="var must have the shape of losses"):
        bt.exceptions_log(losses, [1.0, 2.0])
    with pytest.raises(DataError, match="losses must be one-dimensional"):
        bt.exceptions_log(np.zeros((2, 2)), 1.0)
    with pytest.raises(DataError, match="the dates of losses must rise without repeats"):
        bt.exceptions_log(losses[::-1], 1.0)
    with pytest.raises(DataError, match="excluded must name days of the losses, got 7"):
        bt.exceptions_log([1.0, 2.0], 1.0, excluded={7: "late"})
    month = f"{days[0]:%Y-%m}"
    with pytest.raises(DataError, match=f"excluded must name days of the losses, got '{month}'"):
        bt.exceptions_log(losses, 1.0, excluded={month: "a month is no day"})
    one = bt.exceptions_log(losses + 9.0, 1.0, excluded={f"{days[1]:%Y-%m-%d}": "factor without prices"})
    assert one["date"][one["excluded"]].tolist() == [days[1]]
    with pytest.raises(DataError, match="excluded must give a reason for 1, got ' '"):
        bt.exceptions_log([1.0, 2.0], 1.0, excluded={1: " "})


def test_attribution_zones(golden):
    case = golden("basel")["pla_zones"]["expected"]
    for example in case["examples"]:
        zones = {correlation_zone(example["correlation"]), distance_zone(example["ks"])}
        worst = next(z for z in ("red", "amber", "green") if z in zones)
        assert worst == example["zone"]


def test_attribution_by_scipy():
    rng = np.random.default_rng(1)
    seen = set()
    for noise in (0.1, 0.6, 0.8, 2.0):
        hypothetical = np.round(rng.standard_normal(250), 1)  # ties
        theoretical = np.round(hypothetical + noise * rng.standard_normal(250), 2)
        found = bt.pnl_attribution(theoretical, hypothetical)
        assert_allclose(found.correlation, stats.spearmanr(theoretical, hypothetical).statistic, rtol=1e-12)
        assert_allclose(found.distance, stats.ks_2samp(theoretical, hypothetical).statistic, rtol=1e-12)
        seen.add(found.zone)
    assert seen == {"green", "amber", "red"}
    for scale in (-1.0, 1e-9):
        same = bt.pnl_attribution(scale * theoretical, scale * hypothetical)
        assert_allclose([same.correlation, same.distance], [found.correlation, found.distance], rtol=1e-12)


def test_a_figure_on_a_limit_is_amber():
    x = np.arange(250.0)
    for shift, zone in ((22, "green"), (23, "amber"), (30, "amber"), (31, "red")):  # 30 of 250 days are 0.12
        found = bt.pnl_attribution(x + shift, x)
        assert (found.distance, found.zone, found.correlation) == (shift / 250, zone, 1.0)
    # five days: 1 - 6 sum d^2 / (n (n^2 - 1)) with sum d^2 = 4 and 6
    assert bt.pnl_attribution([1, 0, 2, 4, 3], np.arange(5)).correlation == 0.8
    assert bt.pnl_attribution([1, 0, 2, 4, 3], np.arange(5)).zone == "amber"
    assert bt.pnl_attribution([2, 0, 1, 3, 4], np.arange(5)).correlation == 0.7
    assert bt.pnl_attribution([2, 0, 1, 3, 4], np.arange(5)).correlation_zone == "amber"


def test_attribution_without_a_figure():
    x = np.arange(20.0)
    found = bt.pnl_attribution(np.ones(20), x)
    assert (found.zone, found.reason) == ("undefined", "risk_theoretical must vary, is constant")
    assert np.isnan(found.correlation)
    assert_allclose(found.distance, 0.9)
    assert (
        bt.pnl_attribution(np.ones(20), np.ones(20)).reason
        == "risk_theoretical and hypothetical must vary, is constant"
    )
    assert bt.pnl_attribution([1.0, np.nan], [1.0, 2.0]).reason == "1 usable days, at least 2 needed"
    assert np.isnan(bt.pnl_attribution([], []).distance)
    assert bt.pnl_attribution(np.where(x == 3, np.nan, x), x).missing == 1
    with pytest.raises(DataError, match="must not be NaN with nan='raise'"):
        bt.pnl_attribution([1.0, np.nan], [1.0, 2.0], nan="raise")
