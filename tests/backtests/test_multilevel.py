"""Tests at several levels against scipy, brute force, the tests of one level and each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import backtests as bt
from riskcore.backtests import several_levels as rooms
from riskcore.errors import ConfigError, DataError

LEVELS = [0.95, 0.975, 0.99]


def sample(n: int = 250, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vol = 1 + rng.random(n)
    return vol * rng.standard_t(4, n), vol[:, None] * stats.norm.ppf(LEVELS)


def cells(losses: np.ndarray, var: np.ndarray) -> list[int]:
    return [int(np.sum((losses[:, None] > var).sum(axis=1) == j)) for j in range(var.shape[1] + 1)]


def chances(level: float, m: int) -> tuple[float, ...]:
    return (level, *[(1 - level) / m] * m)


def test_statistics_and_limits_are_those_of_scipy():
    losses, var = sample()
    counts, expected = cells(losses, var), 250 * np.diff([0, *LEVELS, 1])
    for form, power in (("pearson", "pearson"), ("lr", "log-likelihood")):
        result = bt.multilevel(losses, var, LEVELS, form=form, p_value="asymptotic")
        statistic, p = stats.power_divergence(counts, expected, lambda_=power)
        assert_allclose([result.statistic, result.p_value], [statistic, p], rtol=1e-10)
        assert [result.details[f"cell_{j}"] for j in range(4)] == counts
        assert result.details["df"] == result.details["levels"] == 3


@pytest.mark.parametrize("hits", [0, 1, 5, 12])
def test_one_level_is_kupiec_and_the_binomial_test(hits):
    losses = np.where(np.arange(250) < hits, 2.0, 0.0)
    one, kupiec = bt.multilevel(losses, np.ones((250, 1)), [0.975]), bt.kupiec(losses, 1.0, 0.975, p_value="exact")
    assert_allclose([one.statistic, one.p_value], [kupiec.statistic, kupiec.p_value], rtol=1e-9)
    pearson = bt.multilevel(losses, np.ones((250, 1)), [0.975], form="pearson", p_value="asymptotic")
    z = bt.binomial(losses, 1.0, 0.975, p_value="asymptotic")
    assert_allclose([pearson.statistic, pearson.p_value], [z.statistic**2, z.p_value], rtol=1e-9)


@pytest.mark.parametrize("form", ["lr", "pearson"])
def test_exact_p_is_that_of_all_outcomes(form):
    n, p = 12, np.array([0.7, 0.2, 0.06, 0.04])
    law = rooms.exact_law(n, tuple(p), form == "lr")
    power = "log-likelihood" if form == "lr" else "pearson"
    outcomes = [c for c in itertools.product(range(n + 1), repeat=4) if sum(c) == n]
    values = np.array([stats.power_divergence(c, n * p, lambda_=power)[0] for c in outcomes])
    mass = stats.multinomial(n, p).pmf(np.array(outcomes))
    for c in ((12, 0, 0, 0), (9, 2, 1, 0), (6, 3, 2, 1), (0, 0, 0, 12)):
        observed = values[outcomes.index(c)]
        more = mass[values > observed + 1e-8].sum()
        assert_allclose(law.tail(observed), mass[values > observed - 1e-8].sum(), rtol=1e-7)
        assert_allclose(law.mid_p(observed), 0.5 * (more + law.tail(observed)), rtol=1e-7)
    losses = np.repeat([0.0, 1.5, 2.5, 3.5], [6, 3, 2, 1])
    result = bt.multilevel(losses, np.tile([1.0, 2.0, 3.0], (12, 1)), [0.7, 0.9, 0.96], form=form)
    assert result.p_method == "exact"
    assert_allclose(result.p_value, law.tail(values[outcomes.index((6, 3, 2, 1))]), rtol=1e-7)
    assert result.details["mid_p"] < result.p_value


def test_attained_sizes_of_the_limit_laws():
    """T = 250, four levels from 0.975, nominal 5 %: Pearson 5.4, Nass 5.0, LR 6.3 %, measured elsewhere."""
    p = chances(0.975, 4)
    for form, size in (("pearson", 0.054), ("nass", 0.050), ("lr", 0.063)):
        law = rooms.exact_law(250, p, form == "lr")
        mass = law.tails[:-1] - law.tails[1:]
        rejected = np.array([rooms.limit_p(x, p, 250, form) < 0.05 for x in law.statistics])
        assert abs(mass[rejected].sum() - size) < 0.001


def test_the_correction_of_nass_has_the_moments_of_the_statistic():
    n, p = 250, chances(0.975, 4)
    law = rooms.exact_law(n, p, False)
    mass = law.tails[:-1] - law.tails[1:]
    mean = mass @ law.statistics
    variance = mass @ law.statistics**2 - mean**2
    c = 2 * 4 / variance
    assert_allclose(mean, 4.0, rtol=1e-8)
    assert_allclose(rooms.limit_p(9.0, p, n, "nass"), stats.chi2.sf(9.0 * c, 4 * c), rtol=1e-6)


@pytest.mark.parametrize("form", ["lr", "pearson", "nass"])
def test_default_p_values_keep_their_size(form):
    for level in (0.95, 0.975, 0.99):
        law = rooms.exact_law(250, chances(level, 4), form == "lr")
        for size in (0.01, 0.05, 0.1):
            below = law.tails[law.tails <= size]
            assert 0.6 * size < below.max() <= size
        assert law.attained_size < 0.05


def test_simulated_p_is_near_the_exact_one():
    losses, var = sample()
    exact, one, two = (
        bt.multilevel(losses, var, LEVELS, p_value=p, rng=3, n_simulations=9999)
        for p in ("exact", "simulated", "simulated")
    )
    assert one == two
    assert one.p_method == "simulated: Bernoulli hits"
    assert one.details["seed"] == 3
    assert abs(one.p_value - exact.p_value) < 4 * np.sqrt(exact.p_value / 9999)


def test_auto_takes_the_exact_law_while_it_is_cheap():
    u = np.random.default_rng(2).random(2000)
    assert bt.multinomial(u[:250], 0.975).p_method == "exact"
    assert bt.multinomial(u, 0.95, form="lr").p_method == "simulated: Bernoulli hits"
    assert bt.multinomial(u, 0.95).p_method == "simulated: Bernoulli hits"
    assert bt.multinomial(u, 0.975).p_method == "asymptotic"  # of which the table of sizes says that it is good there
    refused = bt.multinomial(u, 0.95, p_value="exact")
    assert np.isnan(refused.p_value)
    assert refused.reason.startswith("more than 4,000,000 outcomes to enumerate")
    assert np.isfinite(refused.statistic)


def test_multinomial_is_the_test_of_the_implied_levels():
    losses, _ = sample()
    levels = [0.975, 0.98125, 0.9875, 0.99375]  # 1 - 0.025 (1 - (j - 1)/4)
    var = np.tile(stats.norm.ppf(levels), (250, 1))
    for form in ("nass", "lr"):
        one = bt.multinomial(stats.norm.cdf(losses), 0.975, form=form)
        other = bt.multilevel(losses, var, levels, form=form)
        assert_allclose([one.statistic, one.p_value], [other.statistic, other.p_value], rtol=1e-9)
    assert one.details["hits"] == other.details["hits"] == int(np.sum(losses > var[:, 0]))
    assert_allclose(one.details["expected_hits"], 6.25, rtol=1e-12)


def test_losses_beyond_the_highest_levels_are_seen():
    """As many hits as expected, all of them beyond the highest level: Kupiec sees nothing, the cells do."""
    u = np.concatenate([np.linspace(0.01, 0.97, 244), np.full(6, 0.999)])
    assert bt.multinomial(u, 0.975).p_value < 0.01
    assert bt.kupiec(u, 0.975, 0.975).p_value > 0.5


def test_crossing_and_missing_days():
    losses, var = sample(100)
    var[3], losses[5], var[7, 2] = [3.0, 2.0, 1.0], np.nan, np.inf
    losses[3] = 2.5  # above two of the three
    result = bt.multilevel(losses, var, LEVELS)
    assert result.details["crossing"] == 1
    assert result.details["missing"] == 2
    assert result.n_obs == sum(result.details[f"cell_{j}"] for j in range(4)) == 98
    known = np.isfinite(losses) & np.isfinite(var).all(axis=1)
    assert [result.details[f"cell_{j}"] for j in range(4)] == cells(losses[known], var[known])
    with pytest.raises(DataError, match="must not be NaN with nan='raise', got 2 such days"):
        bt.multilevel(losses, var, LEVELS, nan="raise")


@pytest.mark.parametrize("losses", [np.zeros(250), np.full(250, 9.0), np.zeros(1), np.full(20_000, 9.0)])
@pytest.mark.parametrize("form", ["lr", "pearson", "nass"])
def test_extreme_samples_have_values(losses, form):
    result = bt.multilevel(losses, np.tile([1.0, 2.0, 3.0], (losses.size, 1)), LEVELS, form=form)
    assert np.isfinite(result.statistic)
    assert 0 <= result.p_value <= 1
    assert (result.p_value < 0.01) == (losses.size > 1)  # no hit in 250 days says something at 0.95


def test_what_cannot_be_used():
    losses, var = sample(30)
    assert bt.multilevel([], np.empty((0, 3)), LEVELS).reason == "0 usable days, at least 1 needed"
    assert bt.multinomial(np.full(5, 0.5), np.linspace(0.9, 0.95, 5)).reason == "needs one level for all days"
    with pytest.raises(ConfigError, match=r"levels must rise and lie in \(0.5, 1\), got \[0.99, 0.95\]"):
        bt.multilevel(losses, var, [0.99, 0.95])
    with pytest.raises(DataError, match=r"column for each level, \(30, 2\), got \(30, 3\)"):
        bt.multilevel(losses, var, [0.95, 0.99])
    with pytest.raises(ConfigError, match="form must be one of lr, pearson, nass, got 'wald'"):
        bt.multilevel(losses, var, LEVELS, form="wald")
    with pytest.raises(ConfigError, match="n_levels must be a whole number above 0, got 0"):
        bt.multinomial(np.full(5, 0.5), 0.95, n_levels=0)
    with pytest.raises(DataError, match=r"pit must lie in \[0, 1\]"):
        bt.multinomial([0.5, 1.5], 0.95)
