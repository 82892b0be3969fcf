"""Expectile calibration against the definition, and its simulated nulls."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, optimize, stats

from riskcore import backtests as bt
from riskcore import defaults
from riskcore.backtests.base import wald_2
from riskcore.backtests.expectile_conditional import _drawn
from riskcore.backtests.laws import day_laws, own_law_expectile_sums
from riskcore.backtests.realized import expected_scores, upper_square
from riskcore.errors import ConfigError, DataError

LEVELS = np.array(defaults.TAIL_LEVELS)
SCALE = np.sqrt(3 / 5)


def t5_expectile(level: float) -> float:
    law = stats.t(5)
    up = lambda z: (5 + z * z) / 4 * law.pdf(z) - z * law.sf(z)  # noqa: E731
    return SCALE * optimize.brentq(lambda z: (2 * level - 1) * up(z) - (1 - level) * z, 0, 100, xtol=1e-13)


def model(n: int, seed: int, level: float, understated: float = 1.0):
    rng = np.random.default_rng(seed)
    vol = 0.01 * np.exp(0.3 * rng.standard_normal(n))
    losses = vol * SCALE * rng.standard_t(5, n)
    tail = (LEVELS, understated * vol[:, None] * SCALE * stats.t(5).ppf(LEVELS))
    return losses, understated * vol * t5_expectile(level), vol, tail


def test_average_statistic():
    losses, m, vol, _ = model(300, 1, 0.99)
    v = np.abs((losses <= m) - 0.99) * (m - losses)
    for volatility, z in ((vol, v / vol), (None, v / m)):
        t = np.sqrt(300) * z.mean() / np.sqrt(np.mean(z**2))
        result = bt.expectile_calibration(losses, m, 0.99, volatility, p_value="asymptotic")
        assert_allclose([result.statistic, result.p_value], [t, 2 * stats.norm.cdf(-abs(t))], rtol=1e-10)
        one = bt.expectile_calibration(losses, m, 0.99, volatility, p_value="asymptotic", alternative="understated")
        assert_allclose(one.p_value, stats.norm.cdf(t), rtol=1e-10)
    raw = bt.expectile_calibration(losses, m, 0.99, vol, p_value="asymptotic", weighting="raw")
    assert_allclose(raw.statistic, np.sqrt(300) * v.mean() / np.sqrt(np.mean(v**2)), rtol=1e-10)
    ratio = np.sum(np.maximum(losses - m, 0) / vol) / np.sum(np.maximum(m - losses, 0) / vol) * 99
    details = bt.expectile_calibration(losses, m, 0.99, vol, p_value="asymptotic").details
    assert_allclose(details["loss_gain_ratio"], ratio, rtol=1e-10)
    assert details["hits"] == np.count_nonzero(losses > m)


def test_conditional_statistic():
    losses, m, vol, _ = model(300, 2, 0.99)
    v = np.abs((losses <= m) - 0.99) * (m - losses)
    z = np.column_stack([v, v / vol])
    mean, w = z.mean(axis=0), z.T @ z / 300
    wald = 300 * mean @ np.linalg.solve(w, mean)
    result = bt.expectile_conditional_calibration(losses, m, 0.99, vol, p_value="asymptotic")
    assert_allclose([result.statistic, result.p_value], [wald, stats.chi2(2).sf(wald)], rtol=1e-8)
    assert result.details["df"] == 2
    constant = bt.expectile_conditional_calibration(losses, m, 0.99, np.ones(300), p_value="asymptotic")
    assert constant.details["df"] == 1
    assert_allclose(constant.statistic, 300 * v.mean() ** 2 / np.mean(v**2), rtol=1e-9)


def test_dependent_days():
    """Newey-West by hand; lags = 0 is the plain statistic."""
    losses, m, vol, tail = model(300, 8, 0.99)
    z = np.abs((losses <= m) - 0.99) * (m - losses) / vol
    c = z - z.mean()
    variance = c @ c / 300 + 2 * sum((1 - j / 6) * (c[j:] @ c[:-j]) / 300 for j in range(1, 6))
    result = bt.expectile_calibration(losses, m, 0.99, vol, lags=5)
    t = np.sqrt(300) * z.mean() / np.sqrt(variance)
    assert_allclose([result.statistic, result.p_value], [t, 2 * stats.norm.cdf(-abs(t))], rtol=1e-9)
    assert (result.p_method, result.details["lags"]) == ("asymptotic", 5)
    with pytest.raises(ConfigError, match="p_value must be one of auto, asymptotic, got 'simulated'"):
        bt.expectile_calibration(losses, m, 0.99, vol, lags=5, tail=tail, p_value="simulated")
    with pytest.raises(ConfigError, match="lags must be a whole number of at least 0, got -1"):
        bt.expectile_calibration(losses, m, 0.99, vol, lags=-1)
    same = bt.expectile_calibration(np.zeros(50), 1.0, 0.99, lags=2)
    assert same.reason == "V has no long-run variance"


def test_super_calibration():
    losses, m, vol, tail = model(300, 9, 0.99)
    z = np.abs((losses <= m) - 0.99) * (m - losses) / vol
    t = np.sqrt(300) * z.mean() / np.sqrt(np.mean(z**2))
    run = bt.expectile_conditional_calibration
    one = run(losses, m, 0.99, vol, alternative="understated", p_value="asymptotic")
    assert_allclose([one.statistic, one.p_value], [t, stats.norm.cdf(t)], rtol=1e-10)
    assert "df" not in one.details
    simulated = run(losses, m, 0.99, vol, alternative="understated", tail=tail)
    average = bt.expectile_calibration(losses, m, 0.99, vol, alternative="understated", tail=tail)
    assert (simulated.statistic, simulated.p_value) == (average.statistic, average.p_value)
    low = run(losses, 0.5 * m, 0.99, 0.5 * vol, alternative="understated", tail=(tail[0], 0.5 * tail[1]))
    high = run(losses, 2.0 * m, 0.99, 2.0 * vol, alternative="understated", tail=(tail[0], 2.0 * tail[1]))
    assert low.p_value < 0.01
    assert high.p_value > 0.5


def test_wald_with_instruments():
    losses, m, vol, tail = model(400, 10, 0.95)
    v = np.abs((losses <= m) - 0.95) * (m - losses)
    h = np.column_stack([np.ones(400), 1 / vol, np.sin(np.arange(400)), np.concatenate([[0], v[:-1]])])
    z = h * v[:, None]
    mean, w = z.mean(axis=0), z.T @ z / 400
    wald = 400 * mean @ np.linalg.solve(w, mean)
    run = bt.expectile_conditional_calibration
    result = run(losses, m, 0.95, vol, instruments=h, p_value="asymptotic")
    assert_allclose([result.statistic, result.p_value], [wald, stats.chi2(4).sf(wald)], rtol=1e-8)
    assert result.details["df"] == 4
    twice = run(losses, m, 0.95, vol, instruments=np.column_stack([h, 3 * h[:, 1]]), p_value="asymptotic")
    assert_allclose(twice.statistic, wald, rtol=1e-7)
    assert twice.details["df"] == 4
    # h = (1, 1/sigma) is the default
    default = run(losses, m, 0.95, vol, tail=tail, n_simulations=9999)
    given = run(losses, m, 0.95, vol, tail=tail, n_simulations=9999, instruments=h[:, :2])
    assert_allclose(given.statistic, default.statistic, rtol=1e-9)
    assert_allclose(given.p_value, default.p_value, atol=0.02)
    assert given.p_method == "simulated: own law"
    single = run(losses, m, 0.95, vol, instruments=np.ones(400), p_value="asymptotic")
    average = bt.expectile_calibration(losses, m, 0.95, vol, weighting="raw", p_value="asymptotic")
    assert_allclose([single.statistic, single.p_value], [average.statistic**2, average.p_value], rtol=1e-9)


def test_null_of_instruments_is_that_of_the_law():
    """Drawn in numpy, against the kernel's own draws, from a law with bends."""
    logits = np.log(LEVELS / (1 - LEVELS))
    vol = np.linspace(0.5, 2.0, 60)
    laws = day_laws((LEVELS, vol[:, None] * np.round(logits**3, -1)), np.full(60, 0.95))
    sums = own_law_expectile_sums(1, 20_000, laws, vol)
    expected = wald_2(*sums[:, :5].T)[0]
    found = _drawn(2, 20_000, laws, np.column_stack([np.ones(60), 1 / vol]))
    assert stats.ks_2samp(expected, found).pvalue > 0.01


def test_instruments_that_cannot_serve():
    losses, m, vol, tail = model(50, 11, 0.95)
    run = bt.expectile_conditional_calibration
    holes = np.where(np.arange(50) == 3, np.nan, 1.0)
    assert run(losses, m, 0.95, vol, instruments=holes, tail=tail).n_obs == 49
    assert run(losses, m, 0.95, vol, instruments=np.zeros(50)).reason.startswith("the instruments or V are 0")
    assert run(losses, m, 0.95, vol, instruments=holes).reason.startswith("the model has no law")
    with pytest.raises(DataError, match="instrument 0 must have the shape of losses"):
        run(losses, m, 0.95, vol, instruments=np.ones(49))
    with pytest.raises(DataError, match="instruments must have one or two dimensions"):
        run(losses, m, 0.95, vol, instruments=np.ones((2, 2, 2)))
    with pytest.raises(ConfigError, match="instruments must go with alternative='two-sided'"):
        run(losses, m, 0.95, vol, instruments=holes, alternative="understated")
    with pytest.raises(ConfigError, match="p_value must be one of auto, simulated, asymptotic, got 'residual law'"):
        run(losses, m, 0.95, vol, instruments=holes, p_value="residual law")


def normal_mean_score(e: float, tau: float) -> float:
    """Bellini, Negri and Pyatkova: the mean score of a standard normal loss."""
    f, d = stats.norm.cdf(e), stats.norm.pdf(e)
    return tau * ((1 + e * e) * (1 - f) - e * d) + (1 - tau) * ((1 + e * e) * f + e * d)


def test_mean_score_of_a_normal_law():
    levels = stats.norm.cdf(np.linspace(-7, 7, 401))
    law = (levels, np.tile(stats.norm.ppf(levels), (3, 1)))
    for tau, e in ((0.99, 1.717), (0.9, 0.6), (0.99855, 2.326)):
        laws = day_laws(law, np.full(3, tau))
        assert_allclose(expected_scores(laws, np.full(3, e)), normal_mean_score(e, tau), rtol=2e-4)


@pytest.mark.parametrize("m", [-12.0, -1.0, 0.0, 2.5, 9.0, 30.0])
def test_squares_beyond_a_point_of_a_logistic_law(m):
    """A quantile linear in the logit is the logistic law, whatever the knots."""
    square = lambda x: (x - m) ** 2 * stats.logistic.pdf(x)  # noqa: E731
    expected = integrate.quad(square, m, m + 60 + abs(m), epsabs=0, limit=200)[0]
    knots = np.array([-4.0, -1.0, 0.5, 7.0])
    assert_allclose(upper_square(knots, knots[None, :], np.array([m])), expected, rtol=1e-9)


def test_squares_beyond_a_point_of_a_law_in_steps():
    """Flat pieces are atoms, at both ends too."""
    knots, q = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([[-3.0, -3.0, 1.0, 1.0]])
    x = lambda y: np.interp(y, knots, q[0])  # noqa: E731
    for m in (-5.0, -3.0, 0.0, 1.0, 4.0):
        density = lambda y, m=m: max(x(y) - m, 0) ** 2 * stats.logistic.pdf(y)  # noqa: E731
        points = sorted({-60, -1, 1, 60, *([(m + 1.0) / 2] if -3 < m < 1 else [])})
        expected = sum(integrate.quad(density, a, b, epsabs=0)[0] for a, b in itertools.pairwise(points))
        assert_allclose(upper_square(knots, q, np.array([m]))[0], expected, rtol=1e-8, atol=1e-12)


def test_realised_score_statistic():
    losses, m, vol, tail = model(300, 12, 0.99)
    result = bt.expectile_realized_score(losses, m, 0.99, vol, tail=tail, p_value="asymptotic")
    score = np.abs((losses <= m) - 0.99) * (losses - m) ** 2 / vol**2
    e = t5_expectile(0.99)
    density = lambda z: np.abs((z <= e) - 0.99) * (z - e) ** 2 * stats.t.pdf(z / SCALE, 5) / SCALE  # noqa: E731
    expected = integrate.quad(density, -np.inf, e)[0] + integrate.quad(density, e, np.inf)[0]
    assert_allclose(result.details["score"], score.mean(), rtol=1e-12)
    assert_allclose(result.details["expected_score"], expected, rtol=5e-3)  # the law is known by 18 quantiles
    assert_allclose(result.statistic, score.mean() / result.details["expected_score"], rtol=1e-12)
    gap = score - result.details["expected_score"]
    t = gap.sum() / np.sqrt(gap @ gap)
    assert_allclose(result.p_value, 2 * stats.norm.sf(abs(t)), rtol=1e-3)
    raised = bt.expectile_realized_score(
        losses, m, 0.99, vol, tail=tail, p_value="asymptotic", alternative="understated"
    )
    assert_allclose(raised.p_value, stats.norm.sf(t), rtol=1e-3)


def test_realised_score_null_is_that_of_the_law():
    level, n = 0.99, 250
    losses, m, vol, tail = model(n, 13, level)
    rng = np.random.default_rng(14)
    draws = vol * SCALE * rng.standard_t(5, (20000, n))
    scores = np.mean(np.abs((draws <= m) - level) * (draws - m) ** 2 / vol**2, axis=1)
    for volatility in (vol, None):
        result = bt.expectile_realized_score(
            losses, m, level, volatility, tail=tail, alternative="understated", n_simulations=9999
        )
        if volatility is not None:
            assert_allclose(result.p_value, np.mean(scores >= result.details["score"]), atol=0.02)
        assert result.p_method == "simulated: own law"
    calm = bt.expectile_realized_score(losses, 0.6 * m, level, 0.6 * vol, tail=(tail[0], 0.6 * tail[1]))
    assert calm.p_value < 0.01
    assert calm.statistic > 1.5
    assert bt.expectile_realized_score(losses, m, level, vol).reason.startswith("the model has no law")


def test_zone_of_the_loss_gain_ratio():
    level, n = 0.99, 250
    losses, m, vol, tail = model(n, 15, level)
    result = bt.expectile_zone(losses, m, level, vol, tail=tail, n_simulations=9999)
    assert_allclose(result.statistic, result.details["loss_gain_ratio"], rtol=1e-9)
    assert result.details["rule"] == "not regulatory"
    assert_allclose(result.details["cumulative_probability"], 1 - result.p_value)
    seen = set()
    for factor in (1.0, 0.65, 0.4):
        law = (tail[0], factor * tail[1])
        zone = bt.expectile_zone(losses, factor * m, level, factor * vol, tail=law).details["zone"]
        seen.add(zone)
    assert seen == {"green", "yellow", "red"}
    assert bt.expectile_zone(losses, m, level).reason.startswith("the model has no law")
    assert bt.expectile_zone(np.full(9, 2.0), 1.0, level).reason == "no loss below the expectile"
    assert bt.expectile_zone(np.ones(9), 1.0, level).reason == "all losses equal their expectile"


@pytest.mark.nightly
@pytest.mark.parametrize(("level", "median", "yellow"), [(0.99, 0.90, 2.15), (0.99855, 0.46, 3.8)])
def test_limits_of_the_zones(level, median, yellow):
    """Limits for a true t(5), T = 250, as measured independently of this package."""
    n, rng = 250, np.random.default_rng(16)
    ratio = []
    for _ in range(4000):
        losses = SCALE * rng.standard_t(5, n)
        m = t5_expectile(level)
        ratio.append(level * np.maximum(losses - m, 0).sum() / ((1 - level) * np.maximum(m - losses, 0).sum()))
    tail = (LEVELS, np.tile(SCALE * stats.t(5).ppf(LEVELS), (n, 1)))
    p = np.array(
        [bt.expectile_zone(SCALE * rng.standard_t(5, n), m, level, 1.0, tail=tail).p_value for _ in range(1000)]
    )
    assert abs(np.mean(p <= 0.05) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 1000)
    assert_allclose([np.median(ratio), np.quantile(ratio, 0.95)], [median, yellow], rtol=0.1)


@pytest.mark.parametrize("name", ["expectile_calibration", "expectile_conditional_calibration"])
@pytest.mark.parametrize("with_volatility", [True, False])
def test_simulated_from_the_own_law(name, with_volatility):
    run = bt.BACKTESTS[name].run
    for understated, low, high in ((1.0, 0.02, 1.0), (0.5, 0.0, 0.02)):
        losses, m, vol, tail = model(1500, 3, 0.99, understated)
        result = run(losses, m, 0.99, vol if with_volatility else None, tail=tail)
        assert low < result.p_value <= high
        assert result.p_method == "simulated: own law"
    assert_allclose(result.details["expected_hits"], 1500 * stats.t(5).sf(t5_expectile(0.99) / SCALE), rtol=0.01)


def test_simulated_null_is_that_of_the_law():
    """p-values of the kernel path agree with paths drawn and judged in plain numpy."""
    level, n = 0.99, 250
    losses, m, vol, tail = model(n, 4, level)
    result = bt.expectile_calibration(losses, m, level, vol, tail=tail, alternative="understated", n_simulations=9999)
    rng = np.random.default_rng(11)
    draws = vol * SCALE * rng.standard_t(5, (20000, n))
    v = np.abs((draws <= m) - level) * (m - draws) / vol
    t = np.sqrt(n) * v.mean(axis=1) / np.sqrt(np.mean(v**2, axis=1))
    assert_allclose(result.p_value, np.mean(t <= result.statistic), atol=0.02)


@pytest.mark.parametrize("name", ["expectile_calibration", "expectile_conditional_calibration"])
def test_no_law_no_p_value(name):
    run = bt.BACKTESTS[name].run
    losses, m, vol, _ = model(500, 5, 0.99)
    result = run(losses, m, 0.99, vol)
    assert np.isnan(result.p_value)
    assert np.isfinite(result.statistic)
    assert result.reason.startswith("the model has no law to simulate from")
    assert bt.expectile_realized_score(losses, m, 0.99).reason == "the model has no law to simulate from"
    asked = run(losses, m, 0.99, p_value="residual law")
    assert asked.p_method == "simulated: residual law"
    assert 0 < asked.p_value <= 1


def test_residual_law_centres_its_residuals():
    losses, m, _, _ = model(500, 6, 0.99)
    centred = bt.expectile_calibration(losses, m, 0.99, p_value="residual law")
    low = bt.expectile_calibration(losses, 0.2 * m, 0.99, p_value="residual law")
    assert centred.p_value > 0.05
    assert low.p_value < 0.05


def test_scale_must_be_positive():
    losses, m, vol, tail = model(50, 7, 0.99)
    assert bt.expectile_calibration(losses, -m, 0.99).reason.startswith("expectile must be positive to scale by")
    assert bt.expectile_calibration(losses, m, 0.99, 0 * vol).reason.startswith("volatility must be positive")
    shifted = (tail[0], tail[1] - 1.0)
    reason = bt.expectile_calibration(losses, m, 0.99, tail=shifted).reason
    assert reason == "the expectile of the day's law must be positive to scale by"
    assert bt.expectile_calibration(np.ones(9), 1.0, 0.99).reason == "all losses equal their expectile"


def test_nolde_ziegel_series(shared_data):
    """The authors' simulated series: average test with h = 1 on raw V, as their scripts have it."""
    table = np.genfromtxt(shared_data / "more" / "nolde_ziegel_sim_last5000.csv.gz", delimiter=",", names=True)
    losses, m, level = table["loss"], table["expectile99855_ST_FHS"], 0.99855
    v = np.abs((m >= losses) - level) * (m - losses)
    expected = 2 * stats.norm.cdf(-abs(np.sqrt(losses.size) * v.mean() / np.sqrt(v @ v / losses.size)))
    result = bt.expectile_calibration(losses, m, level, table["sigma_ST"], weighting="raw", p_value="asymptotic")
    assert_allclose(result.p_value, expected, rtol=1e-9)
    z = np.column_stack([v, v / table["sigma_ST"]])  # all days, where the authors' loop leaves the last one out
    wald = z.sum(axis=0) @ np.linalg.solve(z.T @ z, z.sum(axis=0))
    result = bt.expectile_conditional_calibration(losses, m, level, table["sigma_ST"], p_value="asymptotic")
    assert_allclose([result.statistic, result.p_value], [wald, stats.chi2(2).sf(wald)], rtol=1e-10)
    without_last = z.sum(axis=0) @ np.linalg.solve(z[:-1].T @ z[:-1], z.sum(axis=0))
    assert abs(result.statistic / without_last - 1) > 1e-9
