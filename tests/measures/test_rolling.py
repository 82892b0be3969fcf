"""Rolling VaR, ES and expectile against exact fractions and the measures of each window by itself."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import riskcore.measures as rm
from riskcore import Target
from riskcore.errors import ConfigError, DataError
from riskcore.measures.rolling import age_weights, row_measures, window_measures

RNG = np.random.default_rng(17)
N = 700
HEAVY = RNG.standard_t(3, N)
SERIES = {
    "heavy": HEAVY,
    "zeros": np.where(RNG.random(N) < 0.4, 0.0, HEAVY),
    "ties": np.round(RNG.standard_normal(N), 1),
    "constant": np.full(N, 0.1),
    "steps": np.repeat(RNG.standard_normal(7), 100),
    "rising": np.arange(N) / 7.0,
    "falling": -np.arange(N) / 7.0,
    "regimes": RNG.standard_normal(N) * np.where(np.arange(N) // 150 % 2, 10.0, 0.1),
    "outlier": np.where(np.arange(N) == 300, 1e9, HEAVY),
    "shifted": 1e6 + RNG.standard_normal(N),
}
each_series = pytest.mark.parametrize("name", SERIES)
each_decay = pytest.mark.parametrize("decay", [None, 0.97, 0.999])
LEVELS = (0.5, 0.9, 0.975, 0.99, 0.99855)
ASKED = [(m, x) for m in ("var", "es", "expectile") for x in LEVELS]
MEASURES = {"var": rm.value_at_risk, "es": rm.expected_shortfall, "expectile": rm.expectile}


def raw_weights(n: int, decay: float | None) -> np.ndarray | None:
    return None if decay is None else decay ** np.arange(n - 1.0, -1.0, -1.0)


def kernel_weights(n: int, decay: float | None) -> np.ndarray | None:
    return None if decay is None else age_weights(n, decay)


def exact(sample: np.ndarray, weights: np.ndarray | None, measure: str, level: float) -> Fraction:
    """The definitions in fractions: nothing is rounded."""
    w = [Fraction(1)] * len(sample) if weights is None else [Fraction(float(x)) for x in weights]
    pairs = sorted(zip((Fraction(float(x)) for x in sample), w, strict=True))
    p, total = Fraction(str(level)), sum(w)
    if measure == "expectile":
        m = sum(x * k for x, k in pairs) / total
        while True:
            pull = [k * (p if x > m else 1 - p) for x, k in pairs]
            new = sum(k * x for k, (x, _) in zip(pull, pairs, strict=True)) / sum(pull)
            if new == m:
                return m
            m = new
    cumulated = Fraction(0)
    for i, (x, k) in enumerate(pairs):
        cumulated += k / total
        if cumulated >= p:
            above = sum(k * (y - x) for y, k in pairs[i + 1 :]) / total
            return x if measure == "var" else x + above / (1 - p)
    raise AssertionError


@each_series
@each_decay
@pytest.mark.parametrize("window", [1, 2, 37, 600])
def test_windows_are_the_measures_of_their_losses(name, decay, window) -> None:
    z = SERIES[name]
    found = window_measures(z, window, ASKED, kernel_weights(window, decay))
    assert found.shape == (N - window + 1, len(ASKED))
    for i in range(0, len(found), max(1, len(found) // 40)):
        sample = z[i : i + window]
        size = np.abs(sample).mean()
        for j, (measure, level) in enumerate(ASKED):
            wanted = MEASURES[measure](sample, level, weights=raw_weights(window, decay))
            if measure == "var" or name == "constant":
                assert found[i, j] == wanted
            else:
                np.testing.assert_allclose(found[i, j], wanted, rtol=5e-15, atol=5e-15 * size)


@each_series
def test_every_window_on_the_way_keeps_its_quantiles(name) -> None:
    """All rows: most losses never enter the sorted tail, which drains and is filled again."""
    z, window = SERIES[name], 250
    rows = np.sort(np.lib.stride_tricks.sliding_window_view(z, window), axis=1)
    found = window_measures(z, window, [("var", 0.99), ("var", 0.95), ("expectile", 0.99), ("var", 0.01), ("es", 0.99)])
    for column, level in ((0, 0.99), (1, 0.95), (3, 0.01)):
        np.testing.assert_array_equal(found[:, column], rows[:, rm.quantile_rank(window, level) - 1])
    alone = window_measures(z, window, [("var", 0.99), ("es", 0.99)])
    np.testing.assert_array_equal(alone, found[:, [0, 4]])
    np.testing.assert_array_equal(row_measures(rows, [("expectile", 0.99), ("es", 0.99)]), found[:, [2, 4]])


@each_series
@each_decay
@pytest.mark.parametrize("window", [120, 500])
def test_a_measure_is_the_same_alone_or_among_others(name, decay, window) -> None:
    """Alone it keeps a short tail, which runs out and ties at its end; the median makes all keep the whole window."""
    z, w = SERIES[name], kernel_weights(window, decay)
    together = window_measures(z, window, ASKED, w)
    for j, asked in enumerate(ASKED):
        np.testing.assert_array_equal(window_measures(z, window, [asked], w)[:, 0], together[:, j])


def test_equal_weights_reach_the_exact_ranks() -> None:
    asked = [("var", x) for x in (0.55, 0.9, 0.93, 0.95, 0.99)]
    equal = window_measures(HEAVY, 100, asked, np.full(100, 0.01))
    np.testing.assert_array_equal(equal, window_measures(HEAVY, 100, asked))


@pytest.mark.parametrize("name", ["heavy", "ties", "regimes"])
@each_decay
def test_exact_fractions(name, decay) -> None:
    z, window = SERIES[name], 40
    levels = (0.9, 0.975, 0.99)
    asked = [(m, x) for m in ("es", "expectile") for x in levels]
    found = window_measures(z, window, asked, kernel_weights(window, decay))
    for i in range(0, len(found), 60):
        sample = z[i : i + window]
        wanted = [float(exact(sample, kernel_weights(window, decay), m, x)) for m, x in asked]
        np.testing.assert_allclose(found[i], wanted, rtol=5e-15, atol=1e-15 * np.abs(sample).max())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-6, 6), min_size=1, max_size=60),
    st.integers(1, 60),
    st.sampled_from([0.05, 0.3, 0.5, 0.8, 0.95, 0.99]),
)
def test_small_whole_numbers(sample, window, level) -> None:
    window = min(window, len(sample))
    z = np.array(sample, dtype=float)
    found = window_measures(z, window, [("var", level), ("es", level), ("expectile", level)])
    for i, row in enumerate(found):
        part = z[i : i + window]
        assert row[0] == exact(part, None, "var", level)
        for j, measure in ((1, "es"), (2, "expectile")):
            np.testing.assert_allclose(row[j], float(exact(part, None, measure, level)), rtol=0, atol=3e-14)


@each_series
@each_decay
def test_a_row_knows_nothing_but_its_window(name, decay) -> None:
    z, window = SERIES[name], 120
    w = kernel_weights(window, decay)
    whole = window_measures(z, window, ASKED, w)
    for i in (0, 1, 119, 120, 301, 305, N - window):
        np.testing.assert_array_equal(whole[i], window_measures(z[i : i + window], window, ASKED, w)[0])
    np.testing.assert_array_equal(whole[:300], window_measures(z[: 299 + window], window, ASKED, w))
    np.testing.assert_array_equal(whole[77:], window_measures(z[77:], window, ASKED, w))
    shocked = z.copy()
    shocked[:200] = 1e12 * np.sin(np.arange(200.0))
    np.testing.assert_array_equal(whole[200:], window_measures(shocked, window, ASKED, w)[200:])


@each_decay
def test_rows_equal_windows(decay) -> None:
    z, window = SERIES["ties"], 90
    samples = np.lib.stride_tricks.sliding_window_view(z, window)
    order = np.argsort(samples, axis=1, kind="stable")
    w = kernel_weights(window, decay)
    rows = row_measures(np.take_along_axis(samples, order, 1), ASKED, None if w is None else w[order])
    found = window_measures(z, window, ASKED, w)
    if decay is None:
        np.testing.assert_array_equal(rows, found)
    else:
        np.testing.assert_allclose(rows, found, rtol=5e-15, atol=5e-15)


@each_decay
def test_levels_under_one_half_are_the_other_tail(decay) -> None:
    z, window = SERIES["heavy"], 60
    w = kernel_weights(window, decay)
    low = window_measures(z, window, [("expectile", 0.01), ("var", 0.9), ("expectile", 0.3)], w)
    mirrored = -window_measures(-z, window, [("expectile", 0.99), ("expectile", 0.7)], w)
    np.testing.assert_array_equal(low[:, [0, 2]], mirrored)
    np.testing.assert_array_equal(low[:, 1], window_measures(z, window, [("var", 0.9)], w)[:, 0])


def test_no_measure_asked() -> None:
    assert window_measures(HEAVY, 250, []).shape == (N - 249, 0)


def test_public_table() -> None:
    days = pd.bdate_range("2020-01-01", periods=N)
    losses = pd.Series(HEAVY, days)
    out = rm.rolling_measures(losses, [Target("var", 0.975), "es:0.975", "expectile:0.99"], 250)
    assert list(out.columns) == ["var_0.975", "es_0.975", "expectile_0.99"]
    pd.testing.assert_index_equal(out.index, losses.index)
    assert out.iloc[:249].isna().all(axis=None)
    assert out.iloc[249:].notna().all(axis=None)
    for t in (249, 250, 555, 699):
        sample = losses.iloc[t - 249 : t + 1]
        assert out["var_0.975"].iloc[t] == rm.value_at_risk(sample, 0.975)
        assert out["es_0.975"].iloc[t] == pytest.approx(rm.expected_shortfall(sample, 0.975), rel=5e-15)
        assert out["expectile_0.99"].iloc[t] == pytest.approx(rm.expectile(sample, 0.99), rel=5e-15)
    pandas = losses.rolling(250).quantile(0.99, interpolation="higher")
    np.testing.assert_array_equal(rm.rolling_measures(losses, ["var:0.99"], 250)["var_0.99"], pandas)
    aged = rm.rolling_measures(losses, ["es:0.99"], 250, decay=0.98)["es_0.99"]
    wanted = rm.expected_shortfall(losses.iloc[450:], 0.99, weights=0.98 ** np.arange(249.0, -1, -1))
    assert aged.iloc[-1] == pytest.approx(wanted, rel=5e-15)


def test_tables_do_not_share_their_labels() -> None:
    one, other = (rm.rolling_measures(HEAVY, ["var:0.99"], 250) for _ in range(2))
    one.columns.name = "mine"
    assert other.columns.name is None
    assert rm.rolling_measures(HEAVY, ["var:0.99"], 250).columns.name is None


def test_a_window_with_a_gap_has_no_figure() -> None:
    losses = HEAVY[:60].copy()
    losses[[20, 40]] = np.nan, np.inf
    out = rm.rolling_measures(losses, ["var:0.9", "expectile:0.9"], 10)
    expected = [t >= 9 and not any(t - 9 <= gap <= t for gap in (20, 40)) for t in range(60)]
    np.testing.assert_array_equal(out.notna().all(axis=1), expected)
    np.testing.assert_array_equal(out.isna().all(axis=1), ~np.array(expected))
    filled = rm.rolling_measures(np.nan_to_num(losses, posinf=0.0), ["var:0.9", "expectile:0.9"], 10)
    np.testing.assert_array_equal(out[expected], filled[expected])
    assert rm.rolling_measures([1.0, 2.0], ["var:0.9"], 3).isna().all(axis=None)


def test_errors() -> None:
    for bad in (0, -1, 2.5, True, None):
        with pytest.raises(ConfigError, match="window must be a whole number of at least 1, got"):
            rm.rolling_measures(HEAVY, ["var:0.99"], bad)
    for bad in (0.0, 1.0, 94):
        with pytest.raises(ConfigError, match=r"decay must lie in \(0, 1\), got"):
            rm.rolling_measures(HEAVY, ["var:0.99"], 10, decay=bad)
    with pytest.raises(DataError, match=r"losses must have one dimension, got shape \(2, 2\)"):
        rm.rolling_measures(np.ones((2, 2)), ["var:0.99"], 2)
    with pytest.raises(DataError, match="losses must be numbers"):
        rm.rolling_measures(["a"], ["var:0.99"], 1)
    with pytest.raises(ConfigError, match="target must be measure:level"):
        rm.rolling_measures(HEAVY, ["var"], 10)


def test_measures_load_no_kernel() -> None:
    code = "import sys, riskcore.measures\nprint([m for m in ('numba', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
