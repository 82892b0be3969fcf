"""The loop over time: policy of failures, late starts, jobs, dates, the next day."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from riskcore import (
    CARE,
    GARCH,
    GJR,
    Constant,
    Empirical,
    Forecasts,
    LocationScale,
    Status,
    StudentT,
    Target,
    WalkForward,
    expected_shortfall,
    expectile,
    forecast,
    historical,
    value_at_risk,
)
from riskcore.errors import ConfigError, DataError, FitError
from riskcore.walkforward import resolve_models, resolve_targets, walk_forward

PLAN = WalkForward(window=60, refit_every=10)
VAR = (Target("var", 0.95),)


@pytest.fixture(scope="module")
def losses():
    days = pd.date_range("2020-01-01", periods=200, freq="B", name="date")
    rng = np.random.default_rng(2)
    return pd.DataFrame({"A": rng.standard_t(4, 200) * 0.01, "B": rng.normal(size=200) * 0.02}, index=days)


@dataclass(frozen=True)
class Flaky:
    """Historical simulation that fails at given refits, counted by the last day of the window."""

    fails: frozenset[float]
    seen: list = field(default_factory=list)
    stand_in: object = None
    name: str | None = None

    def offers(self, target):
        return True

    def fit(self, losses, targets, start=None):
        self.seen.append(start)
        if float(losses[-1]) in self.fails:
            raise FitError("planted")
        return historical().fit(losses, targets)

    def fallback(self):
        return self.stand_in


def test_historical_is_the_sample_measure(losses):
    series = losses["A"].to_numpy()
    targets = [Target("var", 0.95), Target("es", 0.95), Target("expectile", 0.95)]
    walk = walk_forward(series, historical(), targets, PLAN, stop=201)
    for row in range(60, 201):
        window = series[row - 60 : row]
        want = [value_at_risk(window, 0.95), expected_shortfall(window, 0.95), expectile(window, 0.95)]
        np.testing.assert_allclose(walk.values[row - 60], want, rtol=1e-13)


def test_historical_hits_on_the_ftse(shared_data):
    """64 hits of VaR 0.99 in the 5,051 days of 2005 to 2024, window 1000, on log losses."""
    prices = pd.read_csv(shared_data / "ftse100_1984_2025.csv", parse_dates=["date"], index_col="date")["close"]
    losses = -np.log(prices).diff().dropna()
    table = forecast(losses, ["historical"], ["var:0.99"], from_date="2005-01-01", to_date="2024-12-31")
    rows = table.unit("close", "historical")
    assert len(rows) == 5051
    assert int((rows["loss"] > rows["var_0.99"]).sum()) == 64


def test_failed_refits_go_stale_then_fail(losses):
    series = losses["A"].to_numpy()
    ends = {row: series[row - 1] for row in range(60, 200, 10)}
    walk = walk_forward(series, Flaky(frozenset(ends[r] for r in (80, 90, 100, 110))), VAR, PLAN)
    status = walk.status[:60]
    assert set(status[:20]) == {Status.ok}
    assert set(status[20:40]) == {Status.stale_params}
    assert set(status[40:60]) == {Status.failed}
    assert np.isnan(walk.values[40:60]).all()
    assert np.isfinite(walk.values[60:]).all()


def test_stale_days_are_counted_in_days_not_refits(losses):
    series = losses["A"].to_numpy()
    plan = WalkForward(window=60, refit_every=35)
    walk = walk_forward(series, Flaky(frozenset([series[94]])), VAR, plan)
    assert set(walk.status[35:55]) == {Status.stale_params}
    assert set(walk.status[55:70]) == {Status.failed}


def test_fallback_after_stale_parameters(losses):
    series = losses["A"].to_numpy()
    flaky = Flaky(frozenset(series[r - 1] for r in range(60, 200, 10)), stand_in=historical())
    walk = walk_forward(series, flaky, VAR, PLAN)
    assert set(walk.status) == {Status.fallback}
    np.testing.assert_array_equal(walk.values, walk_forward(series, historical(), VAR, PLAN).values)


def test_estimated_volatility_falls_back_on_ewma():
    assert LocationScale(volatility=GARCH(), law=StudentT()).fallback().volatility.short == "ewma"
    assert historical().fallback() is None


def test_a_late_start_carries_the_last_good_fit_across_cold_starts(monkeypatch, losses):
    """A walk that begins at a cold start whose refit fails still finds the parameters the full walk would use."""
    monkeypatch.setattr("riskcore.defaults.COLD_START_EVERY", 3)
    series = losses["A"].to_numpy()
    fails = frozenset(series[r - 1] for r in (90, 120))
    full = walk_forward(series, Flaky(fails), VAR, PLAN)
    for first in (90, 95, 120, 125):
        late = walk_forward(series, Flaky(fails), VAR, PLAN, first=first)
        np.testing.assert_array_equal(full.values[first - 60 :], late.values)
        np.testing.assert_array_equal(full.status[first - 60 :], late.status)
    assert full.status[30] == Status.stale_params


def test_cold_starts_stand_at_fixed_refits(monkeypatch, losses):
    monkeypatch.setattr("riskcore.defaults.COLD_START_EVERY", 4)
    flaky = Flaky(frozenset())
    walk_forward(losses["A"].to_numpy(), flaky, VAR, PLAN)
    assert [start is None for start in flaky.seen[:9]] == [True, False, False, False] * 2 + [True]


def test_longer_series_leaves_earlier_rows(losses):
    for model in (historical(), LocationScale(volatility=GJR(), law=Empirical()), CARE("linear")):
        short = forecast(losses[["A"]].iloc[:133], [model], ["var:0.95"], PLAN)
        long = forecast(losses[["A"]], [model], ["var:0.95"], PLAN)
        pd.testing.assert_frame_equal(short.frame, long.frame.iloc[: len(short.frame)])


def test_jobs_do_not_change_the_numbers(losses):
    models = [historical(), LocationScale(volatility=GARCH(), law=StudentT())]
    calls: list[tuple[int, int]] = []
    one = forecast(losses, models, ["var:0.95", "es:0.95"], PLAN, ahead=True)
    two = forecast(
        losses, models, ["var:0.95", "es:0.95"], PLAN, ahead=True, jobs=2, progress=lambda *x: calls.append(x)
    )
    pd.testing.assert_frame_equal(one.frame, two.frame, check_exact=True)
    assert calls[-1] == (4 * 141, 4 * 141)


def test_next_day_is_the_first_answer(losses):
    table = forecast(losses, ["historical"], ["var:0.95"], PLAN, ahead=True)
    tomorrow = table.next_day()
    assert list(tomorrow.index.get_level_values("date")) == [pd.Timestamp("2020-10-07")] * 2
    assert tomorrow["loss"].isna().all()
    assert tomorrow["origin"].iloc[0] == losses.index[-1]
    assert tomorrow.loc["A", "var_0.95"].iloc[0] == pytest.approx(value_at_risk(losses["A"].iloc[-60:], 0.95))
    assert len(table.judged("A", "historical")) == 140


def test_next_day_of_a_series_that_trades_on_weekends(losses):
    daily = losses.set_axis(pd.date_range("2020-01-01", periods=200, freq="D", name="date"))
    friday = daily.loc[:"2020-07-17"]
    table = forecast(friday, ["historical"], ["var:0.95"], PLAN, ahead=True)
    assert table.next_day().index[0][2] == pd.Timestamp("2020-07-18")


def test_each_asset_lives_on_its_own_dates(losses):
    gaps = losses.copy()
    gaps.iloc[::7, 1] = np.nan
    table = forecast(gaps, ["historical"], ["var:0.95"], PLAN)
    alone = forecast(gaps["B"].dropna(), ["historical"], ["var:0.95"], PLAN)
    pd.testing.assert_frame_equal(table.unit("B", "historical"), alone.unit("B", "historical"))


def test_dates_bound_the_days_forecast_for_not_the_losses(losses):
    whole = forecast(losses, ["historical"], ["var:0.95"], PLAN)
    part = forecast(losses, ["historical"], ["var:0.95"], PLAN, from_date="2020-05-04", to_date="2020-06-30")
    dates = part.frame.index.get_level_values("date")
    assert dates.min() == pd.Timestamp("2020-05-04")
    assert dates.max() == pd.Timestamp("2020-06-30")
    pd.testing.assert_frame_equal(part.frame, whole.frame.loc[part.frame.index])
    early = forecast(losses, ["historical"], ["var:0.95"], PLAN, from_date="2020-01-01")
    pd.testing.assert_frame_equal(early.frame, whole.frame)


def test_expanding_window_trains_on_everything_before(losses):
    series = losses["A"].to_numpy()
    plan = WalkForward(window=60, refit_every=10, expanding=True)
    walk = walk_forward(series, historical(), VAR, plan)
    assert walk.values[100 - 60, 0] == pytest.approx(value_at_risk(series[:100], 0.95), rel=1e-14)


def test_es_brings_its_companion_var(losses):
    table = forecast(losses[["A"]], ["historical"], ["es:0.9"], PLAN)
    assert [t.label for t in table.targets] == ["var_0.9", "es_0.9"]


def test_what_a_model_does_not_offer_stays_empty(losses):
    table = forecast(losses[["A"]], [CARE("linear", level=0.95)], ["var:0.95", "expectile:0.95"], PLAN)
    assert table.frame["var_0.95"].isna().all()
    assert table.frame["expectile_0.95"].notna().all()
    assert set(table.frame["status"]) <= {"ok", "implausible"}


def test_density_columns(losses):
    table = forecast(losses[["A"]], [LocationScale(volatility=GARCH(), law=StudentT())], ["var:0.95"], PLAN, ahead=True)
    rows = table.judged("A", "garch-t")
    assert rows["pit"].between(0, 1).all()
    hit = rows["loss"] > rows["var_0.95"]
    assert ((rows["pit"] > 0.95) == hit).all()
    np.testing.assert_allclose(rows["tail_0.95"], rows["var_0.95"], rtol=1e-10)
    assert table.next_day()[["pit", "log_score", "crps"]].isna().all(axis=None)
    assert table.next_day()[["mean", "volatility"]].notna().all(axis=None)


@dataclass(frozen=True)
class Given:
    """A model whose forecasts are given numbers, to see which of them are marked."""

    rows: tuple[tuple[float, float], ...]
    name: str | None = None
    status: Status = Status.ok

    def offers(self, target):
        return True

    def fit(self, losses, targets, start=None):
        return self

    def predict(self, losses, targets, last):
        return np.array(self.rows)

    def predictive(self, losses, last):
        return None


def test_implausible_rows_are_kept_and_said():
    """ES below VaR, below the window's mean, above five times its largest loss, not a number; levels that cross."""
    series = np.tile([0.01, -0.01, 0.03, -0.02], 17)  # mean 0.0025, largest 0.03
    pairs = ((0.02, 0.03), (0.03, 0.02), (0.002, 0.03), (0.02, 0.151), (np.nan, 0.03), (0.02, 0.149))
    targets = [Target("var", 0.975), Target("es", 0.975)]
    walk = walk_forward(series[:66], Given(pairs), targets, WalkForward(60, 6))
    names = [Status(s).name for s in walk.status]
    assert names == ["ok", "implausible", "implausible", "implausible", "failed", "ok"]
    np.testing.assert_array_equal(walk.values, pairs)
    crossing = walk_forward(series[:66], Given(pairs), [Target("var", 0.99), Target("var", 0.95)], WalkForward(60, 6))
    assert crossing.status[0] == Status.implausible
    assert crossing.status[1] == Status.ok


def test_models_and_assets_keep_their_order(losses):
    table = forecast(losses[["B", "A"]], ["historical", "age-weighted"], ["var:0.95"], PLAN)
    assert table.assets == ["B", "A"]
    assert table.models == ["historical", "age-weighted"]


def test_models_are_labelled():
    named = LocationScale(volatility=Constant(), law=Empirical(), name="mine")
    found = resolve_models(["ewma", named, historical(), LocationScale(volatility=GARCH(), law=StudentT(4))])
    assert list(found)[:3] == ["ewma", "mine", "historical"]
    assert "nu=4" in list(found)[3]


def test_errors_are_for_people(losses):
    with pytest.raises(ConfigError, match=r"got 'garch-tt'; did you mean 'garch-t'\?"):
        resolve_models(["garch-tt"])
    with pytest.raises(ConfigError, match="'ewma' twice"):
        resolve_models(["ewma", "ewma"])
    with pytest.raises(ConfigError, match="at least one"):
        resolve_models([])
    assert list(resolve_models("ewma")) == ["ewma"]
    assert [t.label for t in resolve_targets("var:0.99")] == ["var_0.99"]
    with pytest.raises(ConfigError, match="put it into LocationScale"):
        resolve_models([GARCH()])
    with pytest.raises(ConfigError, match="got the class"):
        resolve_models([LocationScale])
    with pytest.raises(DataError, match="Series with a DatetimeIndex, got a Series with RangeIndex"):
        forecast(losses["A"].reset_index(drop=True), ["historical"], None, PLAN)
    with pytest.raises(DataError, match=r"'A' all positive with median [0-9.]+, like prices: use to_losses"):
        forecast(100 + losses.cumsum(), ["historical"], None, PLAN)
    with pytest.raises(ConfigError, match="forecaster or a short name, got int"):
        resolve_models([3])
    with pytest.raises(ConfigError, match=r"level must lie in \(0.5, 1\), got 0.2"):
        resolve_targets(["var:0.2"])
    with pytest.raises(DataError, match="window 1000 needs at least 1001 losses per asset: A has 200, B has 200"):
        forecast(losses, ["historical"])
    with pytest.raises(ConfigError, match="no forecast dates between 2031-01-01"):
        forecast(losses, ["historical"], None, PLAN, from_date="2031-01-01")
    with pytest.raises(ConfigError, match="jobs must be"):
        forecast(losses, ["historical"], None, PLAN, jobs=0)
    with pytest.raises(ConfigError, match="offers none of the targets"):
        forecast(losses, [CARE(level=0.6)], ["var:0.95"], PLAN)
    with pytest.raises(DataError, match="ascending"):
        forecast(losses.iloc[::-1], ["historical"], None, PLAN)
    with pytest.raises(DataError, match=r"finite, got inf in \['B'\]"):
        forecast(losses.assign(B=np.inf), ["historical"], None, PLAN)
    with pytest.raises(ConfigError, match="exog must be None"):
        forecast(losses, ["historical"], None, PLAN, exog=losses)


def test_repr_says_what_is_in_the_table(losses):
    table = forecast(losses, ["historical"], ["var:0.95"], PLAN)
    assert repr(table) == "Forecasts(2 assets x 1 models, 280 rows, 2020-03-25..2020-10-06; var_0.95)"
    assert isinstance(table, Forecasts)
    with pytest.raises(DataError, match="asset, model must be one of"):
        table.unit("A", "ewma")


def test_neither_the_calendar_nor_the_company_matters(losses):
    """Shifted dates, another order of columns, an unrelated asset and a run in two parts give the same forecasts."""
    models = [historical(), LocationScale(volatility=GARCH(), law=StudentT()), CARE("linear")]
    targets = ["var:0.9", "es:0.9", "expectile:0.95"]
    whole = forecast(losses, models, targets, PLAN)
    turned = forecast(losses[["B", "A"]], models, targets, PLAN)
    alone = forecast(losses[["A"]], models, targets, PLAN)
    later = forecast(losses[["A"]].set_axis(losses.index + pd.Timedelta(days=3640)), models, targets, PLAN)
    parts = [
        forecast(losses[["A"]], models, targets, PLAN, to_date="2020-06-30"),
        forecast(losses[["A"]], models, targets, PLAN, from_date="2020-07-01"),
    ]
    for model in whole.models:
        want = whole.unit("A", model)
        pd.testing.assert_frame_equal(turned.unit("A", model), want, check_exact=True)
        pd.testing.assert_frame_equal(alone.unit("A", model), want, check_exact=True)
        pd.testing.assert_frame_equal(pd.concat([p.unit("A", model) for p in parts]), want, check_exact=True)
        moved = later.unit("A", model).drop(columns="origin").set_axis(want.index)
        pd.testing.assert_frame_equal(moved, want.drop(columns="origin"), check_exact=True)
