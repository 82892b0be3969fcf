"""The panel of coverage tests against the single tests, the definition by regression, and statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from riskcore import backtests as bt
from riskcore.errors import ConfigError, DataError

TESTS = ("kupiec", "christoffersen_independence", "christoffersen_coverage", "dynamic_quantile")


def dq_by_least_squares(hits: np.ndarray, var: np.ndarray, level: float, lags: int) -> tuple[float, int]:
    """The definition: project the hits less their rate on 1, VaR and lagged hits; rank by singular values."""
    h, n = hits - (1 - level), hits.size
    x = np.column_stack([np.ones(n - lags), var[lags:], *(h[lags - j : n - j] for j in range(1, lags + 1))])
    x = x / np.where(np.linalg.norm(x, axis=0) > 0, np.linalg.norm(x, axis=0), 1.0)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    u = u[:, s > 1e-5 * s[0]]
    return float(np.sum((u.T @ h[lags:]) ** 2) / (level * (1 - level))), u.shape[1]


def same_as_single(losses: np.ndarray, var: np.ndarray, level: np.ndarray, lags: int = 4) -> None:
    rows = bt.coverage_panel(losses, var, level, lags=lags).to_dict("records")
    for row, x, v, p in zip(rows, losses.T, var.T, level, strict=True):
        for name in TESTS:
            options = {"p_value": "asymptotic"} | ({"lags": lags} if name == "dynamic_quantile" else {})
            single = bt.BACKTESTS[name].run(x, v, p, **options)
            assert_allclose([row[name], row[f"{name}_p"]], [single.statistic, single.p_value], rtol=1e-12)
            facts = [single.n_obs, single.details["missing"], single.details["hits"], single.details["expected_hits"]]
            assert_allclose([row[c] for c in ("n_obs", "missing", "hits", "expected_hits")], facts, rtol=1e-14)
        assert_allclose(row["dynamic_quantile_df"], single.details.get("df", np.nan))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n", [1, 2, 10, 11, 63, 64, 65, 500])
def test_each_column_is_its_single_test(n, order):
    rng = np.random.default_rng(n)
    k = 130 if n == 64 else 16  # more than one tile, and less
    losses, var = rng.standard_normal((n, k)), 1.2 + 0.3 * rng.random((n, k))
    losses[rng.random(losses.shape) < 0.02] = np.nan
    var[rng.random(losses.shape) < 0.02] = -np.inf
    losses[:, :6], var[:, 10] = np.where(np.isnan(losses[:, :6]), 0.0, losses[:, :6]), 1.5
    losses[:, 11], losses[:, 12], losses[:, 13] = np.nan, 0.0, 9.0
    level = rng.choice([0.9, 0.975, 0.99], k)
    same_as_single(np.array(losses, order=order), np.array(var, order=order), level)


@pytest.mark.parametrize("lags", [0, 1, 4, 9])
@pytest.mark.parametrize("kind", ["moving", "constant", "huge mean", "clustered", "one hit", "edges", "all", "none"])
def test_dynamic_quantile_is_the_projection(kind, lags):
    rng = np.random.default_rng(lags)
    n, level = 300, 0.95
    var = 1.6 + 0.2 * rng.random(n)
    hits = rng.random(n) < 0.05
    if kind == "constant":
        var[:] = 1.6
    elif kind == "huge mean":
        var = 1e3 + 0.1 * rng.random(n)
    elif kind == "clustered":
        hits = np.repeat(rng.random(n // 6) < 0.1, 6)
    elif kind in ("one hit", "edges", "all", "none"):
        where = {"one hit": [150], "edges": [0, 2, n - 1], "all": range(n), "none": []}[kind]
        hits = np.isin(np.arange(n), list(where))
    losses = np.where(hits, var + 1, var)  # equality is no hit
    expected, rank = dq_by_least_squares(hits.astype(float), var, level, lags)
    row = bt.coverage_panel(losses[:, None], var[:, None], level, lags=lags).iloc[0]
    assert row["dynamic_quantile_df"] == rank
    assert_allclose(row["dynamic_quantile"], expected, rtol=1e-9)
    assert row["hits"] == hits.sum()


def test_dynamic_quantile_against_regression_of_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(3)
    losses, var = rng.standard_normal((1000, 3)), 1.6 + 0.2 * rng.random((1000, 3))
    table = bt.coverage_panel(losses, var, 0.95)
    for i in range(3):
        h = (losses[:, i] > var[:, i]) - 0.05
        x = np.column_stack([np.ones(996), var[4:, i], *(h[4 - j : 1000 - j] for j in range(1, 5))])
        fit = sm.OLS(h[4:], x).fit().fittedvalues
        assert_allclose(table["dynamic_quantile"][i], fit @ fit / (0.95 * 0.05), rtol=1e-9)


def test_moving_levels_of_the_single_test_use_the_same_projection():
    rng = np.random.default_rng(4)
    losses, var = rng.standard_normal(400), 1.6 + 0.2 * rng.random(400)
    level = np.full(400, 0.95)
    level[0] += 1e-13  # takes the way of moving levels
    one, other = bt.dynamic_quantile(losses, var, 0.95), bt.dynamic_quantile(losses, var, level)
    assert_allclose(one.statistic, other.statistic, rtol=1e-9)
    assert one.details["df"] == other.details["df"]
    level = rng.choice([0.9, 0.95], 400)
    h = (losses > var) - (1 - level)
    x = np.column_stack([np.ones(396), var[4:], *(h[4 - j : 400 - j] for j in range(1, 5))])
    fit = x @ np.linalg.pinv(x) @ (h / np.sqrt(level * (1 - level)))[4:]
    assert_allclose(bt.dynamic_quantile(losses, var, level).statistic, fit @ fit, rtol=1e-9)


@given(
    hits=st.lists(st.booleans(), min_size=1, max_size=90),
    gaps=st.lists(st.integers(0, 89), max_size=5),
    lags=st.integers(0, 5),
)
def test_any_pattern_of_hits_and_gaps(hits, gaps, lags):
    n = len(hits)
    var = 1.0 + 0.1 * np.sin(np.arange(n))
    losses = np.where(hits, 2.0, 0.0)
    losses[[g for g in gaps if g < n]] = np.nan
    same_as_single(losses[:, None], var[:, None], np.array([0.9]), lags)
    known = np.isfinite(losses)
    a, b = losses[known][:-1] > 1.5, losses[known][1:] > 1.5
    if known.sum() >= 2:
        details = bt.christoffersen_independence(losses, var, 0.9).details
        expected = [int((x & y).sum()) for x, y in ((~a, ~b), (~a, b), (a, ~b), (a, b))]
        assert [details[k] for k in ("n00", "n01", "n10", "n11")] == expected
    if known.sum() >= 2 * lags + 3:
        inside = (losses > var)[known].astype(float)
        expected_dq, rank = dq_by_least_squares(inside, var[known], 0.9, lags)
        row = bt.coverage_panel(losses[:, None], var, 0.9, lags=lags).iloc[0]
        assert row["dynamic_quantile_df"] == rank
        assert_allclose(row["dynamic_quantile"], expected_dq, rtol=1e-7, atol=1e-9)


def test_huge_values_are_no_missing_days():
    losses, var = np.zeros((100, 1)), np.ones((100, 1))
    losses[3], var[50], losses[60], losses[70], var[80] = 1.7e308, -1.7e308, np.inf, -np.inf, np.inf
    row = bt.coverage_panel(losses, var, 0.95).iloc[0]
    assert (row["hits"], row["missing"]) == (2, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("hit", [False, True])
def test_one_missing_value_is_seen(value, column, hit):
    both = np.zeros((100, 1)), np.ones((100, 1))
    both[0][20] = 2.0 * hit  # in the same block, or none
    both[column][5] = value
    row = bt.coverage_panel(*both, 0.95).iloc[0]
    assert (row["hits"], row["missing"], row["n_obs"]) == (hit, 1, 99)


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_units_do_not_matter(unit):
    rng = np.random.default_rng(6)
    losses, var = rng.standard_normal((300, 2)), 1.6 + 0.2 * rng.random((300, 2))
    plain, scaled = bt.coverage_panel(losses, var, 0.95), bt.coverage_panel(unit * losses, unit * var, 0.95)
    pd.testing.assert_frame_equal(plain, scaled, check_exact=False, rtol=1e-9)


def test_frames_one_forecast_for_all_and_no_series():
    losses = pd.DataFrame(np.random.default_rng(5).standard_normal((300, 2)), columns=["a", "b"])
    table = bt.coverage_panel(losses, 1.6, 0.95)
    assert list(table.index) == ["a", "b"]
    for var in (np.full(300, 1.6), np.full((300, 1), 1.6), losses * 0 + 1.6):
        pd.testing.assert_frame_equal(bt.coverage_panel(losses, var, [0.95, 0.95]), table)
    assert bt.coverage_panel(np.empty((10, 0)), 1.0, 0.95).shape == (0, 13)
    empty = bt.coverage_panel(np.empty((0, 2)), 1.0, 0.95)
    assert_array_equal(empty["n_obs"], [0, 0])
    assert empty["kupiec"].isna().all()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((np.zeros(5), 1.0, 0.95), DataError, r"losses must have two dimensions, got shape \(5,\)"),
        ((np.zeros((5, 2)), np.zeros((5, 3)), 0.95), DataError, "var must have the shape of losses"),
        ((np.zeros((5, 2)), 1.0, [0.95] * 3), DataError, "level must be a number or one for each series"),
        ((np.zeros((5, 2)), 1.0, 0.4), ConfigError, r"level must lie in \(0.5, 1\), got 0.4"),
        ((np.zeros((5, 2)), 1.0, [0.9, np.nan]), ConfigError, r"level must lie in \(0.5, 1\)"),
    ],
)
def test_bad_input(arguments, error, text):
    with pytest.raises(error, match=text):
        bt.coverage_panel(*arguments)
    with pytest.raises(ConfigError, match="lags must be a whole number of at least 0, got -1"):
        bt.coverage_panel(np.zeros((5, 2)), 1.0, 0.95, lags=-1)
    frames = [pd.DataFrame(np.zeros((5, 1)), columns=[c]) for c in "ab"]
    with pytest.raises(DataError, match="var must have the columns of losses"):
        bt.coverage_panel(*frames, 0.95)
