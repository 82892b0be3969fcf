"""VaR, ES and expectile of one sample against exact fractions, published values and other implementations."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import riskcore.measures as rm
from riskcore.errors import ConfigError, DataError

LEVELS = (0.01, 0.2, 0.5, 0.55, 0.8, 0.95, 0.975, 0.99, 0.99855)
whole_samples = st.lists(st.integers(-50, 50), min_size=1, max_size=40)
weight_lists = st.lists(st.integers(1, 5), min_size=40, max_size=40)
levels = st.sampled_from(LEVELS)


def exact_var(sample: list[int], weights: list[int], level: float) -> Fraction:
    """Smallest loss whose cumulated weight reaches the level, in fractions."""
    pairs, total, p = sorted(zip(sample, weights, strict=True)), sum(weights), Fraction(str(level))
    cumulated = 0
    for loss, weight in pairs:
        cumulated += weight
        if Fraction(cumulated, total) >= p:
            return Fraction(loss)
    raise AssertionError


def exact_es(sample: list[int], weights: list[int], level: float) -> Fraction:
    """The integral of the quantiles above the level, piece by piece."""
    p, total, end, area = Fraction(str(level)), sum(weights), Fraction(1), Fraction(0)
    for loss, weight in sorted(zip(sample, weights, strict=True), reverse=True):
        start = max(end - Fraction(weight, total), p)
        area += (end - start) * loss
        end = start
    return area / (1 - p)


def exact_expectile(sample: list[int], weights: list[int], level: float) -> Fraction:
    """Iterated weighted means; in fractions they end at the solution after finitely many steps."""
    tau = Fraction(str(level))
    m = Fraction(sum(x * w for x, w in zip(sample, weights, strict=True)), sum(weights))
    while True:
        pull = [w * (tau if x > m else 1 - tau) for x, w in zip(sample, weights, strict=True)]
        new = sum(k * x for k, x in zip(pull, sample, strict=True)) / sum(pull)
        if new == m:
            return m
        m = new


@given(whole_samples, levels)
def test_equals_exact_fractions(sample: list[int], level: float) -> None:
    ones = [1] * len(sample)
    assert rm.value_at_risk(sample, level) == exact_var(sample, ones, level)
    np.testing.assert_allclose(rm.expected_shortfall(sample, level), float(exact_es(sample, ones, level)), atol=1e-13)
    np.testing.assert_allclose(rm.expectile(sample, level), float(exact_expectile(sample, ones, level)), atol=1e-13)


@given(whole_samples, weight_lists, levels)
def test_weighted_equals_exact_fractions(sample: list[int], many: list[int], level: float) -> None:
    w = many[: len(sample)]
    assert rm.value_at_risk(sample, level, weights=w) == exact_var(sample, w, level)
    es, m = exact_es(sample, w, level), exact_expectile(sample, w, level)
    np.testing.assert_allclose(rm.expected_shortfall(sample, level, weights=w), float(es), atol=1e-12)
    np.testing.assert_allclose(rm.expectile(sample, level, weights=w), float(m), atol=1e-13)


def test_published_small_sample(golden) -> None:
    for case in golden("sample_expectile_small").values():
        found = rm.expectile(case["input"]["sample"], case["input"]["level"])
        np.testing.assert_allclose(found, case["expected"]["expectile"], rtol=case["tolerance"]["rel"], atol=0)


def ftse_losses(folder) -> np.ndarray:
    close = pd.read_csv(folder / "ftse100_2004_2014.csv")["close"].to_numpy()
    return -100.0 * np.diff(np.log(close))


def test_ftse_expectiles(golden, shared_data) -> None:
    losses = ftse_losses(shared_data)
    for case in golden("ftse_sample_expectiles").values():
        level, expected, tolerance = case["input"]["expectile_level"], case["expected"], case["tolerance"]
        assert losses.size == case["input"]["n"]
        np.testing.assert_allclose(rm.expectile(losses, level), expected["expectile"], rtol=tolerance["rel"])
        error = rm.expectile_standard_error(losses, level)
        np.testing.assert_allclose(error, expected["iid_standard_error"], rtol=tolerance["rel_standard_error"])
        found = rm.expectile_diagnostics(losses, level)
        assert found.n_above == expected["exceedances"]
        np.testing.assert_allclose(1.0 - found.implied_var_level, expected["exceedance_share"], rtol=tolerance["rel"])
        if "es_beyond_expectile" in expected:
            beyond = losses[losses > found.expectile].mean()
            np.testing.assert_allclose(beyond, expected["es_beyond_expectile"], rtol=tolerance["rel"])
            share = found.n_above / found.n_obs
            identity = found.expectile + (1 - level) * (found.expectile - losses.mean()) / ((2 * level - 1) * share)
            np.testing.assert_allclose(identity, expected["es_beyond_expectile"], rtol=tolerance["rel"])


@pytest.mark.parametrize("level", LEVELS)
def test_other_implementations(level: float) -> None:
    losses = np.random.default_rng(7).standard_t(4, 501)
    np.testing.assert_allclose(rm.expectile(losses, level), stats.expectile(losses, level), rtol=1e-7)
    for method, numpys in (("lower", "inverted_cdf"), ("linear", "linear"), ("hazen", "hazen")):
        assert rm.value_at_risk(losses, level, method=method) == np.quantile(losses, level, method=numpys)


def test_pencil_and_paper() -> None:
    sample = [0.0, 10.0, -10.0, 20.0]
    assert rm.value_at_risk(sample, 0.6) == 10.0
    assert rm.expected_shortfall(sample, 0.6) == pytest.approx((20 + 0.6 * 10) / 1.6, rel=1e-15)
    # At 3/4 the two losses above m weigh three times the two below it: 3 (10 + 20 - 2m) = 2m - 0 + 10.
    m = rm.expectile(sample, 0.75)
    assert 3.0 * np.maximum(np.array(sample) - m, 0).sum() == pytest.approx(np.maximum(m - np.array(sample), 0).sum())
    assert rm.expectile(sample, 0.75) == pytest.approx((3 * 30 - 10) / 8)


def test_ranks_are_exact() -> None:
    assert rm.quantile_rank(100, 0.07) == 7
    assert math.ceil(100 * 0.07) == 8
    assert rm.quantile_rank(500, 0.95) == 475
    assert rm.quantile_rank(250, np.float32(0.99)) == 248
    for n in (100, 250, 500, 1000):
        ranks = [rm.quantile_rank(n, k / 1000) for k in range(1, 1000)]
        assert ranks == [-(-n * k // 1000) for k in range(1, 1000)]
    ascending = np.arange(1.0, 101.0)
    for k in range(1, 100):
        assert rm.value_at_risk(ascending, k / 100) == k
        assert rm.value_at_risk(ascending, k / 100, weights=np.full(100, 0.01)) == k


def test_beyond_the_sample_lies_the_largest_loss() -> None:
    assert rm.beyond_sample(199, 0.995)
    assert not rm.beyond_sample(200, 0.995)
    ascending = np.arange(199.0)
    assert rm.value_at_risk(ascending, 0.995) == rm.expected_shortfall(ascending, 0.995) == 198.0
    assert rm.expectile(ascending, 0.995) < 198.0


def test_a_sequence_gives_an_array_equal_to_the_loop() -> None:
    losses = np.random.default_rng(1).standard_normal(300)
    for measure in (rm.value_at_risk, rm.expected_shortfall, rm.expectile):
        for weights in (None, np.arange(1.0, 301.0)):
            many = measure(losses, LEVELS, weights=weights)
            np.testing.assert_array_equal(many, [measure(losses, x, weights=weights) for x in LEVELS])
            np.testing.assert_array_equal(many, measure(pd.Series(losses), np.array(LEVELS), weights=weights))
            assert isinstance(measure(losses, 0.99, weights=weights), float)
            assert measure(losses, [], weights=weights).shape == (0,)


@pytest.mark.parametrize("measure", [rm.value_at_risk, rm.expected_shortfall, rm.expectile])
def test_small_constant_and_tied_samples(measure) -> None:
    for level in LEVELS:
        assert measure([0.1], level) == 0.1
        assert measure([0.1] * 3, level) == 0.1
        assert measure(np.full(1001, 0.1), level) == 0.1
        assert measure(np.full(1001, -1e300), level) == -1e300
        assert 0.0 <= measure([0.0, 1.0], level) <= 1.0
    assert measure([1, 1, 1, 2], 0.99) <= 2.0
    assert measure([3.0, 1.0, 2.0], 0.999999) <= 3.0


@pytest.mark.parametrize("measure", [rm.value_at_risk, rm.expected_shortfall, rm.expectile])
@pytest.mark.parametrize("scale", [1e-150, 1e-12, 1e-6, 1e6, 1e12, 1e150])
def test_scales(measure, scale: float) -> None:
    losses = np.random.default_rng(5).standard_t(3, 400)
    np.testing.assert_allclose(measure(scale * losses, LEVELS), scale * measure(losses, LEVELS), rtol=1e-13)


def test_far_from_zero_nothing_is_lost() -> None:
    losses = np.random.default_rng(6).integers(-1000, 1000, 1000) / 64.0
    for measure in (rm.value_at_risk, rm.expected_shortfall, rm.expectile):
        np.testing.assert_allclose(measure(losses + 2.0**40, LEVELS) - 2.0**40, measure(losses, LEVELS), atol=2.0**-11)


def test_rows_give_the_same_bits_alone_or_among_others() -> None:
    rows = np.sort(np.random.default_rng(8).standard_t(4, (300, 257)), axis=-1)
    weights = np.random.default_rng(9).random(rows.shape)
    weights /= weights.sum(axis=-1, keepdims=True)
    for function in (rm.sorted_var, rm.sorted_es, rm.sorted_expectile):
        for w in (None, weights):
            whole = function(rows, 0.99, weights=w)
            alone = [function(r, 0.99, weights=None if w is None else w[i]) for i, r in enumerate(rows)]
            np.testing.assert_array_equal(whole, alone)
            stacked = function(rows.reshape(3, 100, 257), 0.99, weights=None if w is None else w.reshape(3, 100, 257))
            np.testing.assert_array_equal(stacked.ravel(), whole)
    for i in (0, 123):
        assert rm.expectile(rows[i], 0.99) == rm.sorted_expectile(rows, 0.99)[i]
        assert rm.expected_shortfall(rows[i], 0.99) == rm.sorted_es(rows, 0.99)[i]


def test_zero_weights_count_for_nothing() -> None:
    sample, weights = [5.0, 1.0, 2.0, 9.0], [0.0, 1.0, 1.0, 0.0]
    for measure in (rm.value_at_risk, rm.expected_shortfall, rm.expectile):
        assert measure(sample, 0.9, weights=weights) == pytest.approx(measure([1.0, 2.0], 0.9), rel=1e-15)


@pytest.mark.parametrize("measure", [rm.value_at_risk, rm.expected_shortfall, rm.expectile])
def test_errors_name_the_fault(measure) -> None:
    with pytest.raises(DataError, match="sample must be finite, got 2 entries that are not, the first at position 1"):
        measure([1.0, np.nan, np.inf], 0.99)
    with pytest.raises(DataError, match="sample must have at least one loss, got none"):
        measure([], 0.99)
    with pytest.raises(DataError, match=r"sample must have one dimension, got shape \(2, 2\)"):
        measure(np.ones((2, 2)), 0.99)
    with pytest.raises(DataError, match="sample must be numbers"):
        measure(["a", "b"], 0.99)
    for bad in (0.0, 1.0, 99, -0.1, np.nan, True, "0.99", None):
        with pytest.raises(ConfigError, match=r"level must lie in \(0, 1\), got "):
            measure([1.0, 2.0], bad)
    with pytest.raises(ConfigError, match=r"level must lie in \(0, 1\), got 1.5"):
        measure([1.0, 2.0], [0.5, 1.5])
    with pytest.raises(ConfigError, match=r"level must be a number or a sequence of numbers, got shape \(1, 1\)"):
        measure([1.0, 2.0], [[0.5]])
    with pytest.raises(DataError, match=r"weights must have the shape of sample \(2,\), got \(1,\)"):
        measure([1.0, 2.0], 0.5, weights=[1.0])
    for weights in ([-1.0, 2.0], [0.0, 0.0]):
        with pytest.raises(DataError, match="weights must be non-negative and not all zero"):
            measure([1.0, 2.0], 0.5, weights=weights)


def test_errors_of_the_quantile_method() -> None:
    with pytest.raises(ConfigError, match="method must be one of lower, linear, hazen, got 'median'"):
        rm.value_at_risk([1.0], 0.5, method="median")
    with pytest.raises(ConfigError, match='method must be "lower" where weights are given'):
        rm.value_at_risk([1.0], 0.5, method="hazen", weights=[1.0])
