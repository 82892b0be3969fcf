from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskcore.errors import ConfigError, DataError
from riskcore.indicators import ema, ema_gain

X = np.random.default_rng(1).standard_t(4, 300)
GAPS = np.where(np.random.default_rng(2).random(300) < 0.1, np.nan, X)


@pytest.mark.parametrize("gain", [{"span": 20}, {"halflife": 7.5}, {"decay": 0.94}])
def test_pandas_agrees_on_both_start_rules(gain: dict[str, float]) -> None:
    alpha = ema_gain(**gain)
    for x in (X, GAPS):
        series = pd.Series(x)
        plain = series.ewm(alpha=alpha, adjust=False, ignore_na=True).mean()
        corrected = series.ewm(alpha=alpha, adjust=True, ignore_na=True).mean()
        np.testing.assert_allclose(ema(x, **gain), plain, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(ema(x, **gain, bias_corrected=True), corrected, rtol=1e-12, atol=1e-14)


def test_start_at_the_mean_of_the_first_span_values() -> None:
    out = ema(X, span=20, start="mean")
    assert np.isnan(out[:19]).all()
    expected = pd.Series([X[:20].mean(), *X[20:]]).ewm(span=20, adjust=False).mean()
    np.testing.assert_allclose(out[19:], expected, rtol=1e-12)


def test_start_at_the_mean_counts_values_not_gaps() -> None:
    x = np.array([np.nan, 1.0, np.nan, 3.0, 8.0, 2.0])
    np.testing.assert_array_equal(ema(x, span=3, start="mean"), [np.nan, np.nan, np.nan, np.nan, 4.0, 3.0])


def test_span_halflife_and_decay_name_the_same_average() -> None:
    assert ema_gain(span=1) == 1.0
    assert ema_gain(decay=0.0) == 1.0
    assert ema_gain(span=33) == pytest.approx(ema_gain(decay=32 / 34))
    assert (1 - ema_gain(halflife=21)) ** 21 == pytest.approx(0.5, rel=1e-13)


@given(value=st.floats(-1e12, 1e12), halflife=st.floats(0.01, 1e6), corrected=st.booleans())
def test_constant_input_is_a_fixed_point(value: float, halflife: float, corrected: bool) -> None:
    out = ema(np.full(50, value), halflife=halflife, bias_corrected=corrected)
    np.testing.assert_array_equal(out, value)


def test_ramp_lags_by_one_minus_gain_over_gain() -> None:
    t = np.arange(3000.0)
    gain = ema_gain(span=40)
    assert t[-1] - ema(t, span=40)[-1] == pytest.approx((1 - gain) / gain, rel=1e-12)


def test_bias_corrected_is_the_explicit_weighted_mean() -> None:
    out = ema(X, decay=0.97, bias_corrected=True)
    for t in (0, 1, 10, 299):
        weights = 0.97 ** np.arange(t, -1, -1)
        assert out[t] == pytest.approx(weights @ X[: t + 1] / weights.sum(), rel=1e-12)


def test_bias_corrected_with_a_tiny_gain_is_the_running_mean() -> None:
    np.testing.assert_allclose(ema(X, halflife=1e12, bias_corrected=True)[-1], X.mean(), rtol=1e-9)


@given(
    x=st.lists(st.one_of(st.floats(-100, 100), st.just(float("nan"))), min_size=1, max_size=40),
    decay=st.floats(0, 0.999),
    cut=st.integers(0, 40),
    corrected=st.booleans(),
)
def test_no_look_ahead_and_inside_the_range(x: list[float], decay: float, cut: int, corrected: bool) -> None:
    whole = ema(x, decay=decay, bias_corrected=corrected)
    if cut:
        np.testing.assert_array_equal(whole[:cut], ema(x[:cut], decay=decay, bias_corrected=corrected))
    seen = np.isfinite(np.asarray(x))
    if seen.any():
        low, high = np.nanmin(x), np.nanmax(x)
        inside = whole[np.isfinite(whole)]
        assert (inside >= low - 1e-9).all()
        assert (inside <= high + 1e-9).all()
    assert np.isnan(whole[: int(np.argmax(seen)) if seen.any() else len(x)]).all()


def plain_recursion(x: np.ndarray, gain: float, first: int = 1, normalised: bool = False) -> np.ndarray:
    """The definition, one value after the other."""
    out, state, weight, seen = np.full(x.size, np.nan), 0.0, 0.0, 0
    for t, value in enumerate(x):
        if not np.isnan(value):
            seen += 1
            weight = 1.0 + (1.0 - gain) * weight
            early = 1.0 / (weight if normalised else seen)
            state += (early if normalised or seen <= first else gain) * (value - state)
        if seen >= first:
            out[t] = state
    return out


PANEL = np.random.default_rng(3).standard_t(4, (120, 37))
PANEL[np.random.default_rng(4).random(PANEL.shape) < 0.1] = np.nan
PANEL[:, 5], PANEL[:7, 6] = np.nan, np.nan


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("options", [{}, {"start": "mean"}, {"bias_corrected": True}], ids=str)
def test_panel_is_the_plain_recursion_of_each_column(options: dict[str, Any], order: Any) -> None:
    spans = [1.0, 7.0, 20.0]
    out = ema(np.array(PANEL, order=order), span=spans, **options)
    assert out.shape == (120, 37, 3)
    for i, span in enumerate(spans):
        first = int(span) if options.get("start") == "mean" else 1
        columns = [plain_recursion(x, 2 / (span + 1), first, "bias_corrected" in options) for x in PANEL.T]
        np.testing.assert_allclose(out[:, :, i], np.transpose(columns), rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(out[:, :, i], ema(PANEL, span=span, **options))


def test_panel_is_pandas() -> None:
    frame = pd.DataFrame(PANEL)
    out = ema(frame, halflife=[3.0, 11.0, 63.0], bias_corrected=True)
    for halflife in (3.0, 11.0, 63.0):
        expected = frame.ewm(halflife=halflife, ignore_na=True).mean()
        np.testing.assert_allclose(out.xs(halflife, axis=1, level=1), expected, rtol=1e-12, atol=1e-14)


def test_columns_do_not_know_each_other() -> None:
    """Neither the columns beside it nor their number change a column."""
    whole = ema(PANEL, decay=0.9)
    for columns in ([0], [36, 3], list(range(9))):
        np.testing.assert_array_equal(ema(PANEL[:, columns], decay=0.9), whole[:, columns])
    np.testing.assert_array_equal(ema(PANEL[:, 3], decay=0.9), whole[:, 3])


def test_labels_of_several_averages() -> None:
    frame = pd.DataFrame({"a": X, "b": GAPS}, index=pd.date_range("2020-01-01", periods=300))
    both = ema(frame, halflife=(5, 21))
    assert list(both.columns) == [("a", 5), ("a", 21), ("b", 5), ("b", 21)]
    assert both.columns.names == [None, "halflife"]
    one = ema(frame["b"], halflife=(5, 21))
    pd.testing.assert_frame_equal(one, both["b"])
    np.testing.assert_array_equal(one[21], ema(frame["b"], halflife=21))
    assert ema(frame, span=[4]).shape == (300, 2)
    assert ema(GAPS, span=[4]).shape == (300, 1)


@pytest.mark.parametrize("columns", [2, 8, 37])
def test_a_table_kept_by_columns_is_the_plain_recursion(columns: int) -> None:
    x = np.asfortranarray(PANEL[:, :columns])
    expected = np.transpose([plain_recursion(column, 0.1) for column in x.T])
    out = ema(x, decay=0.9)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(out, ema(np.ascontiguousarray(x), decay=0.9))
    frame = pd.DataFrame(dict(enumerate(x.T)))
    np.testing.assert_array_equal(ema(frame, decay=0.9), out)
    np.testing.assert_array_equal(ema(frame, decay=[0.9])[(1, 0.9)], out[:, 1])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("where", [0, 5, 119])
@pytest.mark.parametrize("options", [{}, {"start": "mean"}, {"bias_corrected": True}], ids=str)
def test_infinite_values_are_refused(options: dict[str, Any], where: int, order: Any) -> None:
    x = np.array(PANEL, order=order)
    x[where, 4] = -np.inf
    with pytest.raises(DataError, match="x must be finite or NaN, got an infinite value"):
        ema(x, span=3, **options)
    x[where, 4] = 1e308  # large is not infinite
    ema(x, span=3, **options)


def test_what_goes_in_comes_out() -> None:
    frame = pd.DataFrame({"a": X, "b": GAPS}, index=pd.date_range("2020-01-01", periods=300))
    out = ema(frame, span=5)
    assert isinstance(out, pd.DataFrame)
    pd.testing.assert_index_equal(out.index, frame.index)
    series = ema(frame["b"], span=5)
    assert isinstance(series, pd.Series)
    assert series.name == "b"
    pd.testing.assert_series_equal(out["b"], series)
    np.testing.assert_array_equal(ema(frame.to_numpy(), span=5), out.to_numpy())
    assert ema([], span=5).size == 0
    assert ema(frame.iloc[:0], span=5).shape == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "exactly one of span, halflife, decay must be given, got none"),
        ({"span": 3, "decay": 0.9}, "exactly one of span, halflife, decay"),
        ({"span": 0.5}, "span must be at least 1, got 0.5"),
        ({"span": float("nan")}, "span must be at least 1, got nan"),
        ({"halflife": 0}, "halflife must be above 0, got 0"),
        ({"halflife": float("inf")}, "halflife must be above 0, got inf"),
        ({"decay": 1}, r"decay must lie in \[0, 1\), got 1"),
        ({"span": [3, 0.5]}, "span must be at least 1, got 0.5"),
        ({"span": []}, "span must have at least one value, got none"),
        ({"span": 3, "start": "median"}, "start must be 'first' or 'mean', got 'median'"),
        ({"span": 3, "start": "mean", "bias_corrected": True}, "bias_corrected must be False with start='mean'"),
    ],
)
def test_bad_settings(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        ema(X, **arguments)  # type: ignore[call-overload]


def test_bad_data() -> None:
    with pytest.raises(DataError, match="infinite"):
        ema([1.0, float("inf")], span=3)
    with pytest.raises(DataError, match="one or two dimensions, got 3"):
        ema(np.zeros((2, 2, 2)), span=3)
