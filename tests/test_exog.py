"""Exogenous columns: who gets which rows of them, what is carried forward, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskcore import Status, WalkForward, fit_model, forecast
from riskcore.errors import ConfigError, DataError, FitError
from riskcore.forecasters import FORECASTERS
from riskcore.forecasters.base import Walked
from riskcore.volatility.exogenous import known_window
from riskcore.walkforward import walk_forward
from riskcore.walkforward.exogenous import as_known, exog_of_assets, rows_of

PLAN = WalkForward(50, 10)
TARGETS = ["var:0.99"]


@dataclass(frozen=True)
class Sum:
    """The forecast is the sum of the columns known at the origin, whatever the losses; the fit keeps what it saw."""

    needs_exog: tuple[str, ...] = ("x",)
    name: str | None = "sum"
    seen: Any = None

    def offers(self, target):
        return True

    def fit(self, losses, targets, start=None, exog=None):
        known_window(exog, self.needs_exog, losses.size)
        if self.seen is not None:
            self.seen.append(exog)
        return FittedSum()


@dataclass(frozen=True)
class FittedSum:
    status: Status = Status.ok
    attempts: int = 1
    log_likelihood: float = float("nan")

    @property
    def params(self):
        return {}

    standard_errors = params

    def predict(self, losses, targets, last, exog=None):
        assert exog.shape[0] == losses.size
        return np.tile(exog[-last:].sum(axis=1)[:, None], (1, len(targets)))

    def predictive(self, losses, last, exog=None):
        return None


@dataclass(frozen=True)
class AtOnce(Sum):
    """`Sum` with a way to do many refits at once; it counts how often that is asked."""

    asked: Any = None

    def walk(self, losses, targets, blocks, exog=None):
        assert exog.shape == (losses.size, 1)
        assert np.isfinite(exog[blocks[0].train.start :]).all()
        self.asked.append(blocks[0].index)
        rows = np.concatenate([np.arange(b.test.start, b.test.stop) for b in blocks])
        values = np.tile(exog[rows - 1], (1, len(targets)))
        return Walked(values, np.zeros(rows.size, dtype=np.int8), None)


@dataclass(frozen=True)
class WithFallback(Sum):
    def fallback(self):
        return Sum(needs_exog=("y",))


@pytest.fixture
def losses():
    days = pd.date_range("2024-01-01", periods=120, freq="B")
    frame = pd.DataFrame({"A": 0.01 * np.random.default_rng(1).normal(size=120)}, days)
    return frame.assign(B=frame["A"].where(np.arange(120) % 7 != 3))


@pytest.fixture
def exog(losses):
    """Columns on every calendar day, weekends and holidays among them, in the tenth of a per cent."""
    days = pd.date_range("2023-12-01", losses.index[-1])
    return pd.DataFrame({"x": 0.001 * np.arange(days.size), "y": 0.002}, days)


def last_known(column, origin):
    return column.dropna().loc[:origin].iloc[-1]


def test_each_row_has_what_was_known_at_its_origin(losses, exog):
    table = forecast(losses, [Sum(("x", "y"))], TARGETS, PLAN, exog=exog, ahead=True)
    for asset in ("A", "B"):
        unit = table.unit(asset, "sum")
        want = [last_known(exog["x"], day) + 0.002 for day in unit["origin"]]
        np.testing.assert_allclose(unit["var_0.99"], want, rtol=1e-14)
    assert table.unit("B", "sum")["origin"].iloc[-1] == losses["B"].dropna().index[-1]


def test_a_missing_value_is_carried_forward_and_never_filled_from_later(losses, exog):
    holes = exog.copy()
    holes.loc["2024-04-10":"2024-04-20", "x"] = np.nan
    sparse = exog.loc[exog.index.day_of_week == 2]
    for columns in (holes, sparse):
        unit = forecast(losses[["A"]], [Sum()], TARGETS, PLAN, exog=columns).unit("A", "sum")
        want = [last_known(columns["x"], day) for day in unit["origin"]]
        np.testing.assert_allclose(unit["var_0.99"], want, rtol=1e-14)


def test_a_time_within_a_day_is_known_the_day_after():
    days = pd.date_range("2024-01-01", periods=3)
    late = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, days + pd.Timedelta(hours=17))
    np.testing.assert_array_equal(as_known(late, {"x": None}, days)["x"], [np.nan, 1.0, 2.0])


def test_fits_get_the_rows_of_their_window(losses, exog):
    seen: list[np.ndarray] = []
    forecast(losses[["A"]], [Sum(("y", "x"), seen=seen)], TARGETS, PLAN, exog=exog)
    aligned = exog.reindex(losses.index)[["y", "x"]].to_numpy()
    assert len(seen) == 7
    for j, got in enumerate(seen):
        np.testing.assert_array_equal(got, aligned[10 * j : 10 * j + 50])
        got[:] = 9.0  # a copy: nobody else sees this
    np.testing.assert_array_equal(exog["y"], 0.002)


def test_an_asset_has_its_own_columns(losses, exog):
    own = {"A": exog[["x"]], "B": 2 * exog[["x"]]}
    both = forecast(losses, [Sum()], TARGETS, PLAN, exog=own)
    for asset, factor in (("A", 1), ("B", 2)):
        unit = both.unit(asset, "sum")
        want = [factor * last_known(exog["x"], day) for day in unit["origin"]]
        np.testing.assert_allclose(unit["var_0.99"], want, rtol=1e-14)
    with pytest.raises(ConfigError, match=r"'x' that model 'sum' reads for asset 'B', got none"):
        forecast(losses, [Sum()], TARGETS, PLAN, exog={"A": exog})
    with pytest.raises(ConfigError, match="exog must name assets of A, B, got C"):
        forecast(losses, [Sum()], TARGETS, PLAN, exog={**own, "C": exog})


def test_processes_do_not_matter(losses, exog):
    one, two = (forecast(losses, [Sum(), "ewma"], TARGETS, PLAN, exog=exog, jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one.frame, two.frame, check_exact=True)


def test_before_the_first_value_there_is_no_fit(losses, exog):
    late = exog.loc[losses.index[5] :]
    unit = forecast(losses[["A"]], [Sum()], TARGETS, PLAN, exog=late).unit("A", "sum")
    assert (unit["status"].iloc[:10] == "failed").all()
    assert unit["var_0.99"].iloc[:10].isna().all()
    assert unit["var_0.99"].iloc[10:].notna().all()


def test_what_stands_in_reads_its_own_columns(losses, exog):
    late = exog.assign(x=exog["x"].where(exog.index >= losses.index[5]))
    unit = forecast(losses[["A"]], [WithFallback()], TARGETS, PLAN, exog=late).unit("A", "sum")
    np.testing.assert_array_equal(unit["var_0.99"].iloc[:10], 0.002)
    with pytest.raises(ConfigError, match="'y' that model 'sum' reads"):
        forecast(losses[["A"]], [WithFallback()], TARGETS, PLAN, exog=exog[["x"]])


def test_many_at_once_wherever_all_is_known():
    rng = np.random.default_rng(3)
    losses, exog = rng.normal(size=700), np.abs(rng.normal(size=(700, 1)))
    exog[:30] = np.nan
    asked: list[int] = []
    got = walk_forward(losses, AtOnce(asked=asked), [], WalkForward(50, 10), exog=exog)
    want = walk_forward(losses, Sum(), [], WalkForward(50, 10), exog=exog)
    np.testing.assert_array_equal(got.status, want.status)
    assert asked == [25, 50]  # the first chain of refits lacks values


def test_what_is_refused(losses, exog):
    def run(given, models=(Sum(),)):
        return forecast(losses, models, TARGETS, PLAN, exog=given)

    with pytest.raises(ConfigError, match="exog must be None: none of the models reads exogenous columns"):
        run(exog, ["ewma"])
    with pytest.raises(
        ConfigError, match="exog must hold the column 'x' that model 'sum' reads for asset 'A', got none"
    ):
        run(None)
    with pytest.raises(ConfigError, match="'x' that model 'sum' reads for asset 'A', got the columns y"):
        run(exog[["y"]])
    with pytest.raises(DataError, match="ascending dates without repeats"):
        run(exog.iloc[::-1])
    with pytest.raises(DataError, match="exog must be finite or missing, got inf in column 'x'"):
        run(exog.replace(0.003, np.inf))
    with pytest.raises(DataError, match="exog must hold numbers, got column 'x' of"):
        run(exog.astype({"x": str}))
    with pytest.raises(
        DataError, match="exog must be a DataFrame with a DatetimeIndex, got a DataFrame with RangeIndex"
    ):
        run(exog.reset_index(drop=True))
    with pytest.raises(DataError, match="exog must be a DataFrame or a mapping of assets to DataFrames, got a list"):
        run([exog])
    with pytest.raises(DataError, match=r"exog\['A'\] must be a DataFrame with a DatetimeIndex, got a Series"):
        run({"A": exog["x"], "B": exog})
    with pytest.raises(DataError, match="exog must have dates of the time zone of the losses, None, got UTC"):
        run(exog.tz_localize("UTC"))
    with pytest.raises(DataError, match="different columns"):
        run(exog.set_axis(["x", "x"], axis=1))


def test_the_walk_wants_one_row_for_each_loss():
    losses = np.random.default_rng(1).normal(size=80)
    for given, words in ((None, "None"), (np.ones((79, 1)), r"\(79, 1\)"), (np.ones((80, 2)), r"\(80, 2\)")):
        with pytest.raises(ConfigError, match=rf"exog must have shape \(80, 1\) for the columns .* \(x\), got {words}"):
            walk_forward(losses, Sum(), [], PLAN, exog=given)


def test_a_fit_says_which_column_is_unknown():
    with pytest.raises(FitError, match="exog column `y` must be known on every day of the window, got 2 without"):
        known_window(np.array([[1.0, np.nan], [1.0, 2.0], [3.0, np.inf]]), ("x", "y"), 3)
    with pytest.raises(FitError, match=r"exog must have shape \(3, 1\) for the columns x, got None"):
        known_window(None, ("x",), 3)


def test_fit_model_reads_them_too(losses, exog):
    fit = fit_model(losses["A"], Sum(), TARGETS, window=60, exog=exog)
    assert fit.value("var:0.99") == pytest.approx(last_known(exog["x"], losses.index[-1]))
    assert fit.series["var_0.99"].iloc[-1] == pytest.approx(last_known(exog["x"], losses.index[-2]))
    failed = fit_model(losses["A"], Sum(), TARGETS, window=60, exog=exog.iloc[-10:])
    assert "exog column `x` must be known" in failed.failure
    assert failed.status == "failed"
    with pytest.raises(ConfigError, match="exog must hold the column 'x'"):
        fit_model(losses["A"], Sum(), TARGETS, window=60)


def test_a_realized_variance_is_not_carried(losses):
    """Its model forecasts it; other columns are, also where both are read in one run."""
    days = losses.index
    rv = pd.DataFrame({"rv": 1.0 + np.arange(days.size), "x": 2.0}, days)
    rv.loc[days[60:72], :] = np.nan
    rv.loc[days[80:90], :] = np.nan
    table = exog_of_assets(rv, losses[["A"]], {"heavy": FORECASTERS["heavy-t"], "sum": Sum(("x", "rv"))})["A"]
    got = rows_of(table, FORECASTERS["heavy-t"], days, "A")[:, 0]
    np.testing.assert_array_equal(got, rv["rv"])
    np.testing.assert_array_equal(rows_of(table, Sum(("x", "rv")), days, "A"), rv[["x", "rv"]].ffill())
    np.testing.assert_array_equal(rows_of(rv, FORECASTERS["heavy-t"], days, "A")[:, 0], rv["rv"])
    failed = fit_model(losses["A"].iloc[:80], "heavy-t", TARGETS, window=60, exog=rv[["rv"]])
    assert "exog column `rv` must not be missing for more than 10 days of losses in a row" in failed.failure
    assert fit_model(losses["A"], "heavy-t", TARGETS, window=45, exog=rv[["rv"]]).failure == ""


def test_names_of_columns_need_not_be_strings(losses, exog):
    numbered = exog.set_axis([1, 2], axis=1)
    one = forecast(losses, [Sum(("1", "2"))], TARGETS, PLAN, exog=numbered).frame
    other = forecast(losses, [Sum(("x", "y"))], TARGETS, PLAN, exog=exog).frame
    pd.testing.assert_frame_equal(one, other)
    with pytest.raises(DataError, match=r"different columns, got \['1', '1'\]"):
        forecast(losses, [Sum(("1",))], TARGETS, PLAN, exog=exog.set_axis([1, "1"], axis=1))
