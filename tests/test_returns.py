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


def test_weights_in_any_order_give_the_same_bits():
    rng = np.random.default_rng(2)
    prices = pd.DataFrame(np.exp(rng.normal(size=(6, 3))), index=DAYS, columns=list("ABC"))
    one = portfolio_returns(prices, {"A": 0.7, "B": 0.2, "C": 0.1})
    other = portfolio_returns(prices, {"C": 0.1, "A": 0.7, "B": 0.2})
    pd.testing.assert_frame_equal(one, other, check_exact=True)


# --- frames of returns


@pytest.mark.parametrize("kind", ["log", "simple"])
def test_losses_of_returns_are_minus_the_returns(kind):
    lowest = -1.5 if kind == "log" else -1.0  # all is lost: a simple return goes no lower
    returns = frame(A=[0.1, 0.0, NAN, lowest], B=[NAN, -0.2, NAN, 0.3])
    losses = to_losses(returns, kind, values="returns")
    assert list(losses.index) == [DAYS[0], DAYS[1], DAYS[3]]
    np.testing.assert_array_equal(losses["A"], [-0.1, 0.0, -lowest])
    np.testing.assert_array_equal(losses["B"], [NAN, 0.2, -0.3])
    assert not np.signbit(losses["A"].to_numpy()[1])
    assert list(to_losses(returns["A"].rename(None), values="returns")) == ["return"]


def test_portfolio_of_simple_and_of_log_returns_by_hand():
    simple = frame(A=[0.1, -0.2], B=[0.0, 0.5])
    weights = {"A": 0.75, "B": 0.25}
    by_hand = [-0.075, 0.025]
    np.testing.assert_allclose(to_losses(simple, "simple", weights=weights, values="returns")["portfolio"], by_hand)
    logs = np.log1p(simple)
    losses = to_losses(logs, "log", weights=weights, values="returns")
    np.testing.assert_allclose(losses["portfolio"], by_hand, rtol=1e-14)
    np.testing.assert_array_equal(losses["A"], -logs["A"])


def test_portfolio_compounds_between_common_dates():
    """B is closed on the third day: A's two returns count as one, 1.1 * 1.2 - 1, beside B's of the fourth day."""
    returns = frame(A=[NAN, 0.05, 0.1, 0.2, 0.01], B=[NAN, -0.1, NAN, 0.4, NAN])
    losses = to_losses(returns, "simple", weights=[0.5, 0.5], values="returns")["portfolio"].dropna()
    assert list(losses.index) == [DAYS[1], DAYS[3]]
    np.testing.assert_allclose(losses, [-(0.025 - 0.05), -(0.5 * 0.32 + 0.5 * 0.4)], rtol=1e-14)


@pytest.mark.parametrize("kind", ["log", "simple"])
def test_a_portfolio_does_not_mix_spans_on_its_first_date(kind):
    """B's first return is over two days and A's over one: from prices the third day loses 4.5 %, by A's two days."""
    prices = frame(A=[100.0, 90.0, 81.0, 81.0], B=[100.0, NAN, 110.0, 110.0])
    weights = {"A": 0.5, "B": 0.5}
    from_prices = to_losses(prices, kind, weights=weights)["portfolio"].dropna()
    np.testing.assert_allclose(from_prices, [0.045, 0.0], rtol=1e-12, atol=1e-15)
    returns = (log_returns if kind == "log" else simple_returns)(prices)
    losses = to_losses(returns, kind, weights=weights, values="returns")["portfolio"].dropna()
    assert list(losses.index) == [DAYS[3]]
    np.testing.assert_allclose(losses, from_prices.iloc[1:], atol=1e-15)
    with pytest.raises(DataError, match="share at least two dates of A, B where one begins before the others, got 1"):
        to_losses(returns.iloc[:2], kind, weights=weights, values="returns")


@given(st.lists(st.sampled_from("ab  "), min_size=4, max_size=30), st.integers(0, 2**32 - 1))
def test_after_its_first_date_a_portfolio_of_returns_is_that_of_the_prices(holes, seed):
    """Whatever days an asset misses, also the first ones."""
    days = pd.date_range("2000-01-01", periods=len(holes))
    prices = pd.DataFrame(np.exp(np.random.default_rng(seed).normal(size=(len(holes), 2))), days, ["A", "B"])
    for name in "AB":
        prices[name] = prices[name].where([hole != name.lower() for hole in holes])
    returns = simple_returns(prices)
    common = returns.dropna().index
    before = returns[returns.index < common[0]] if len(common) else returns
    if len(common) < 2:
        return
    got = to_losses(returns, "simple", weights=[0.5, 0.5], values="returns")["portfolio"].dropna()
    expected = to_losses(prices, "simple", weights=[0.5, 0.5])["portfolio"].dropna()
    assert list(got.index) == list(common[1:] if len(before) else common)
    later = got[got.index > common[0]]
    np.testing.assert_allclose(later, expected[expected.index > common[0]], rtol=1e-9, atol=1e-12)


def test_simple_returns_below_a_total_loss_are_refused():
    message = (
        r"simple returns must be at least -1, got -1\.5 in B on 2024-01-02 \(and 1 more\); log returns may be lower"
    )
    with pytest.raises(DataError, match=message):
        to_losses(frame(A=[0.1, -1.0, -2.0], B=[NAN, -1.5, 0.2]), "simple", values="returns")
    total = to_losses(frame(A=[-1.0, 0.5], B=[0.2, 0.0]), "simple", weights=[0.5, 0.5], values="returns")
    np.testing.assert_allclose(total["portfolio"], [0.4, -0.25], rtol=1e-14)
    assert to_losses(frame(A=[-1.5]), "log", values="returns")["A"].item() == 1.5


HOLES = st.lists(st.tuples(st.floats(0.5, 2), st.floats(0.5, 2), st.sampled_from("ab  ")), min_size=3, max_size=30)


@given(HOLES, st.sampled_from(["log", "simple"]), st.floats(-1, 2))
def test_losses_from_prices_equal_those_from_their_returns(rows, kind, weight):
    """Each asset misses some days. The first two have both prices: a file of returns does not hold the first date."""
    days = pd.date_range("2000-01-01", periods=len(rows))
    prices = pd.DataFrame({"A": [a for a, _, _ in rows], "B": [b for _, b, _ in rows]}, index=days)
    holes = [hole if i > 1 else " " for i, (_, _, hole) in enumerate(rows)]
    prices["A"] = prices["A"].where([hole != "a" for hole in holes])
    prices["B"] = prices["B"].where([hole != "b" for hole in holes])
    returns = (log_returns if kind == "log" else simple_returns)(prices)
    weights = {"A": weight, "B": 1 - weight}
    expected = to_losses(prices, kind, weights=weights)
    got = to_losses(returns, kind, weights=weights, values="returns")
    pd.testing.assert_frame_equal(got, expected, check_freq=False, rtol=0, atol=2e-14)


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        (frame(A=[0.1, math.inf]), r"returns must be finite, got inf in A on 2024-01-02"),
        (frame(A=[0.1, 0.2]).iloc[::-1], r"returns must be in ascending order of date; use returns.sort_index"),
        (pd.DataFrame({"A": ["x"]}, index=DAYS[:1]), r"returns must be numbers, got dtype \w+ in A"),
        ([0.1], r"returns must be a Series or a DataFrame, got list"),
    ],
)
def test_unusable_returns_are_refused(returns, message):
    with pytest.raises(DataError, match=message):
        to_losses(returns, values="returns")


def test_faults_of_values_and_of_a_portfolio_of_returns():
    with pytest.raises(ConfigError, match="values must be one of prices, returns, got 'percent'"):
        to_losses(frame(A=[0.1]), values="percent")
    with pytest.raises(DataError, match="returns must share at least one date of A, B, got none"):
        to_losses(frame(A=[0.1, NAN], B=[NAN, 0.1]), weights=[0.5, 0.5], values="returns")
    with pytest.raises(DataError, match="returns must have no column named 'portfolio' beside weights"):
        to_losses(frame(portfolio=[0.1]), weights=[1.0], values="returns")
