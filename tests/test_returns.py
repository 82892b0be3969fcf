"""Returns and losses against pencil and paper, numpy and each other."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskcore.errors import ConfigError, DataError
from riskcore.returns import log_returns, portfolio_returns, simple_returns, to_losses

DAYS = pd.date_range("2024-01-01", periods=6, name="date")
NAN = math.nan


def frame(**columns: list[float]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=DAYS[:n])


def test_simple_and_log_by_hand():
    prices = frame(A=[100.0, 110.0, 99.0])
    np.testing.assert_allclose(simple_returns(prices)["A"], [0.1, -0.1], rtol=1e-14)
    np.testing.assert_allclose(log_returns(prices)["A"], [math.log(1.1), math.log(0.9)], rtol=1e-14)
    assert list(simple_returns(prices).index) == list(DAYS[1:3])


@pytest.mark.parametrize(("kind", "function"), [("log", log_returns), ("simple", simple_returns)])
def test_losses_are_minus_the_returns(kind, function):
    prices = frame(A=[100.0, 110.0, 99.0, 99.0], B=[1.0, 2.0, NAN, 3.0])
    pd.testing.assert_frame_equal(to_losses(prices, kind), -function(prices))


def test_a_zero_return_is_a_plain_zero_loss():
    assert not np.signbit(to_losses(frame(A=[5.0, 5.0]))["A"].to_numpy()).any()


def test_default_kind_is_log_and_kind_may_be_positional():
    prices = frame(A=[100.0, 90.0])
    assert to_losses(prices)["A"].item() == pytest.approx(-math.log(0.9), rel=1e-15)
    assert to_losses(prices, "simple")["A"].item() == pytest.approx(0.1, rel=1e-14)


def test_each_asset_lives_on_its_own_dates():
    prices = frame(A=[100.0, NAN, 121.0, 110.0, NAN], B=[NAN, 10.0, 20.0, NAN, 5.0])
    returns = simple_returns(prices)
    assert list(returns.index) == list(DAYS[2:5])
    np.testing.assert_allclose(returns["A"], [0.21, 110 / 121 - 1, NAN])
    np.testing.assert_allclose(returns["B"], [1.0, NAN, -0.75])


def test_an_asset_is_the_same_alone_and_beside_others():
    rng = np.random.default_rng(0)
    a = pd.Series(np.exp(rng.normal(size=6)), DAYS, name="A")
    wide = pd.DataFrame({"A": a, "B": [1.0, NAN, NAN, 2.0, NAN, 3.0]})
    pd.testing.assert_series_equal(to_losses(wide)["A"].dropna(), to_losses(a)["A"])


def test_series_unnamed_series_and_integers_are_taken():
    assert list(log_returns(pd.Series([1, 2], DAYS[:2], name="X")).columns) == ["X"]
    assert list(log_returns(pd.Series([1, 2], DAYS[:2])).columns) == ["price"]
    nullable = pd.DataFrame({"A": pd.array([1, None, 2], dtype="Int64")}, index=DAYS[:3])
    np.testing.assert_allclose(simple_returns(nullable)["A"], [1.0])


def test_one_price_gives_an_empty_frame():
    out = to_losses(frame(A=[100.0]))
    assert out.shape == (0, 1)
    assert isinstance(out.index, pd.DatetimeIndex)


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        (frame(A=[1.0, 2.0], B=[3.0, 0.0]), r"positive and finite, got 0 in B on 2024-01-02"),
        (frame(A=[1.0, -2.0, -3.0]), r"got -2 in A on 2024-01-02 \(and 1 more\)"),
        (frame(A=[1.0, math.inf]), r"got inf in A on 2024-01-02"),
        (frame(A=[1.0, 2.0]).iloc[::-1], r"ascending order of date; use prices.sort_index"),
        (pd.DataFrame({"A": [1.0, 2.0]}), r"must have a DatetimeIndex, got RangeIndex"),
        (pd.DataFrame({"A": [1.0, 2.0]}, index=DAYS[[0, 0]]), r"one row per date, got 2024-01-01 twice"),
        (pd.DataFrame({"A": [1.0]}, index=pd.DatetimeIndex([pd.NaT])), r"got NaT"),
        (pd.DataFrame({"A": ["x"]}, index=DAYS[:1]), r"prices must be numbers, got dtype \w+ in A"),
        (pd.DataFrame({"A": [True]}, index=DAYS[:1]), r"prices must be numbers, got dtype bool in A"),
        (pd.DataFrame([[1.0, 2.0]], index=DAYS[:1], columns=["A", "A"]), r"one column per asset"),
        (pd.DataFrame(index=DAYS), r"at least one column, got none"),
        ([1.0, 2.0], r"must be a Series or a DataFrame, got list"),
    ],
)
@pytest.mark.parametrize("function", [log_returns, simple_returns, to_losses])
def test_unusable_prices_are_refused(function, prices, message):
    with pytest.raises(DataError, match=message):
        function(prices)


def test_unknown_kind():
    with pytest.raises(ConfigError, match=r"kind must be one of log, simple, got 'percent'"):
        to_losses(frame(A=[1.0, 2.0]), "percent")


def test_input_is_left_alone():
    prices = frame(A=[1.0, NAN, 2.0])
    before = prices.copy()
    to_losses(prices)
    pd.testing.assert_frame_equal(prices, before)


PRICES = st.lists(st.floats(0.1, 1e3), min_size=2, max_size=30)


@given(PRICES)
def test_prices_come_back_from_returns(values):
    prices = pd.Series(values, pd.date_range("2000-01-01", periods=len(values)), name="A")
    back = values[0] * np.cumprod(1 + simple_returns(prices)["A"].to_numpy())
    np.testing.assert_allclose(back, values[1:], rtol=1e-9)
    np.testing.assert_allclose(
        np.expm1(-to_losses(prices)["A"].to_numpy()), simple_returns(prices)["A"], rtol=1e-8, atol=1e-12
    )


@given(PRICES, st.floats(1e-3, 1e3))
def test_units_of_the_price_do_not_matter(values, scale):
    prices = pd.Series(values, pd.date_range("2000-01-01", periods=len(values)), name="A")
    np.testing.assert_allclose(to_losses(prices * scale)["A"], to_losses(prices)["A"], rtol=1e-9, atol=1e-12)


def test_portfolio_by_hand_on_common_dates():
    prices = frame(A=[100.0, 110.0, NAN, 121.0], B=[50.0, 40.0, 41.0, 44.0])
    returns = portfolio_returns(prices, {"A": 0.5, "B": 0.5})
    assert list(returns.columns) == ["portfolio"]
    assert list(returns.index) == [DAYS[1], DAYS[3]]
    np.testing.assert_allclose(returns["portfolio"], [0.5 * 0.1 - 0.5 * 0.2, 0.5 * 0.1 + 0.5 * 0.1], rtol=1e-12)


def test_portfolio_equals_a_daily_rebalanced_account():
    rng = np.random.default_rng(1)
    prices = pd.DataFrame(np.exp(rng.normal(size=(6, 3)) * 0.1), index=DAYS, columns=list("ABC"))
    weights = {"A": 0.7, "B": 0.5, "C": -0.2}
    account = [1.0]
    for t in range(1, 6):
        units = {a: w * account[-1] / prices[a].iloc[t - 1] for a, w in weights.items()}
        account.append(sum(units[a] * prices[a].iloc[t] for a in weights))
    ours = portfolio_returns(prices, weights)["portfolio"]
    np.testing.assert_allclose(ours, np.diff(account) / account[:-1], rtol=1e-10)


def test_asset_of_weight_zero_or_without_weight_does_not_cost_dates():
    prices = frame(A=[1.0, 2.0, 3.0], B=[NAN, NAN, 1.0])
    assert len(portfolio_returns(prices, {"A": 1.0})) == 2
    assert len(portfolio_returns(prices, [1.0, 0.0])) == 2


def test_losses_with_a_portfolio_column():
    prices = frame(A=[100.0, 110.0], B=[50.0, 40.0])
    losses = to_losses(prices, weights=pd.Series({"A": 0.5, "B": 0.5}))
    assert list(losses.columns) == ["A", "B", "portfolio"]
    assert losses["portfolio"].item() == pytest.approx(0.05, rel=1e-12)
    assert losses["A"].item() == pytest.approx(-math.log(1.1), rel=1e-12)
    with pytest.raises(DataError, match="no column named 'portfolio'"):
        to_losses(prices.rename(columns={"A": "portfolio"}), weights=[0.5, 0.5])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"A": 0.5, "C": 0.5}, r"weights must name assets of \['A', 'B'\], got \['C'\]"),
        ([1.0], r"one entry per asset, got 1 for 2 assets"),
        ({"A": 50, "B": 50}, r"weights must sum to 1, got 100; percentages"),
        ({"A": math.nan, "B": 1.0}, r"weights must be finite"),
        ({"A": "x", "B": 1.0}, r"weights must be numbers"),
        ({}, r"weights must sum to 1, got 0"),
    ],
)
def test_faults_of_weights(weights, message):
    with pytest.raises(ConfigError, match=message):
        portfolio_returns(frame(A=[1.0, 2.0], B=[1.0, 2.0]), weights)


def test_portfolio_without_two_common_dates():
    with pytest.raises(DataError, match=r"share at least two dates of A, B, got 1"):
        portfolio_returns(frame(A=[1.0, 2.0, NAN], B=[NAN, 2.0, 3.0]), [0.5, 0.5])
