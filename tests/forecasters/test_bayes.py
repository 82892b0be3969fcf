"""Bayesian expectile regression: exact posteriors by quadrature, samplers against each other, the sandwich."""

from __future__ import annotations

import numpy as np
import pytest

from riskcore import FORECASTERS, Target
from riskcore.errors import ConfigError, FitError
from riskcore.forecasters import BayesExpectile, bayesian_expectile_regression, expectile_regression
from riskcore.forecasters.bayes import PROPOSALS, effective_size, regressors

TARGET = Target("expectile", 0.95)


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(600), rng.normal(size=600), rng.exponential(size=600)])
    return x @ [0.5, 0.3, 0.4] + (0.5 + 0.5 * x[:, 2]) * rng.standard_t(5, 600), x


@pytest.mark.parametrize("proposal", PROPOSALS)
@pytest.mark.parametrize(("level", "shape", "rate"), [(0.9, 2.0, 10.0), (0.99, 3.0, 0.01)])
def test_posterior_of_one_coefficient_is_exact(proposal, level, shape, rate):
    """Scale and prior variance integrate out in closed form: a density on a grid. The second prior shrinks."""
    rng = np.random.default_rng(5)
    y = 0.3 + rng.standard_t(5, 60)
    found = bayesian_expectile_regression(
        y, np.ones((60, 1)), level, rng=rng, draws=30_000, prior_shape=shape, prior_rate=rate, proposal=proposal
    )
    unit, grid = y.std(), np.linspace(-2.0, 8.0, 20_001)
    residual = y[:, None] / unit - grid
    squares = (np.where(residual > 0, level, 1 - level) * residual**2).sum(axis=0)
    log_density = -0.5 * y.size * np.log(squares) - (shape + 0.5) * np.log(rate + 0.5 * grid**2)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    mean = density @ grid
    spread = np.sqrt(density @ (grid - mean) ** 2)
    error = spread / np.sqrt(found.effective_size[0])
    draws = found.draws[:, 0] / unit
    assert abs(draws.mean() - mean) < 4 * error
    assert abs(draws.std() / spread - 1) < 4 / np.sqrt(found.effective_size[0])
    below = np.interp(np.quantile(draws, [0.05, 0.5, 0.95]), grid, np.cumsum(density))
    np.testing.assert_allclose(below, [0.05, 0.5, 0.95], atol=2.0 / np.sqrt(found.effective_size[0]))
    assert found.effective_size[0] > 1000


def test_samplers_agree(sample):
    y, x = sample
    found = [
        bayesian_expectile_regression(y, x, 0.95, rng=np.random.default_rng(7), draws=20_000, proposal=p)
        for p in PROPOSALS
    ]
    for other in found[1:]:
        error = np.hypot(found[0].raw_errors / np.sqrt(found[0].effective_size),
                         other.raw_errors / np.sqrt(other.effective_size))  # fmt: skip
        assert (np.abs(found[0].coefficients - other.coefficients) < 4 * error).all()
        np.testing.assert_allclose(found[0].raw_errors, other.raw_errors, rtol=0.1)


def test_the_variances_have_their_conditional_laws(sample):
    """Mean of s^2 given beta is S/(n/2 - 1); that of the prior variance (b + b'b/2)/(a + k/2 - 1)."""
    y, x = sample
    found = bayesian_expectile_regression(y, x, 0.9, draws=20_000, prior_shape=3.0, prior_rate=4.0)
    beta = found.draws
    residual = y[:, None] - x @ beta.T
    squares = (np.where(residual > 0, 0.9, 0.1) * residual**2).sum(axis=0)
    np.testing.assert_allclose(np.mean(found.scales**2), np.mean(squares) / (y.size / 2 - 1), rtol=0.005)
    scaled = beta * np.sqrt(np.mean(x**2, axis=0)) / y.std()
    expected = np.mean(4.0 + 0.5 * (scaled**2).sum(axis=1)) / (3.0 + 1.5 - 1.0)
    np.testing.assert_allclose(found.prior_variances.mean(), expected, rtol=0.02)


def test_rescaled_draws_have_the_sandwich(sample):
    y, x = sample
    found = bayesian_expectile_regression(y, x, 0.95)
    plain = expectile_regression(y, x, 0.95)
    np.testing.assert_allclose(found.least_squares, plain.coefficients, rtol=1e-10)
    np.testing.assert_allclose(found.errors, plain.standard_errors, rtol=1e-9)
    weight = np.where(y > x @ plain.coefficients, 0.95, 0.05)
    bread = np.linalg.inv(x.T @ (weight[:, None] * x))
    scores = (weight * (y - x @ plain.coefficients))[:, None] * x
    np.testing.assert_allclose(np.cov(found.rescaled, rowvar=False), bread @ (scores.T @ scores) @ bread, rtol=1e-8)
    assert (found.errors > found.raw_errors).all()
    for rescaled, draws in ((True, found.rescaled), (False, found.draws)):
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        np.testing.assert_allclose(found.intervals(0.9, rescaled=rescaled).T, [low, high], rtol=1e-14)
        band = found.band(x[:4], 0.9, rescaled=rescaled)
        np.testing.assert_allclose(band, np.quantile(x[:4] @ draws.T, [0.05, 0.95], axis=1).T)
    assert found.forecast_draws(x[0]).shape == (1, 4000)


def test_units_and_seed(sample):
    y, x = sample
    first, again = (bayesian_expectile_regression(y, x, 0.95, rng=np.random.default_rng(9), draws=500) for _ in "ab")
    np.testing.assert_array_equal(first.draws, again.draws)
    assert first.seed == 9
    assert bayesian_expectile_regression(y, x, 0.95, draws=500).seed == 0
    units = np.array([1.0, 8.0, 0.25])
    other = bayesian_expectile_regression(4 * y, x * units, 0.95, rng=np.random.default_rng(9), draws=500)
    np.testing.assert_allclose(other.draws, 4 * first.draws / units, rtol=1e-10)
    np.testing.assert_allclose(other.rescaled, 4 * first.rescaled / units, rtol=1e-8)
    np.testing.assert_allclose(other.scales, 4 * first.scales, rtol=1e-10)


def test_effective_size_of_an_autoregression():
    """n (1 - phi)/(1 + phi) in closed form."""
    rng = np.random.default_rng(3)
    for phi in (0.0, 0.6, 0.9):
        shocks, chain = rng.normal(size=40_000), np.empty(40_000)
        now = 0.0
        for t, shock in enumerate(shocks):
            now = chain[t] = phi * now + shock
        np.testing.assert_allclose(effective_size(chain), 40_000 * (1 - phi) / (1 + phi), rtol=0.15)
    assert np.isnan(effective_size(np.ones(9)))


def test_forecasts_and_bands():
    rng = np.random.default_rng(11)
    losses = 0.01 * rng.standard_t(5, 700)
    fitted = FORECASTERS["bayes-expectile"].fit(losses, [TARGET, Target("var", 0.99)])
    got = fitted.predict(losses, [TARGET, Target("var", 0.99)], 5)
    posterior, rows = fitted.posteriors[TARGET], regressors(losses[-5:])
    np.testing.assert_allclose(got[:, 0], posterior.forecast_draws(rows, rescaled=False).mean(axis=1), rtol=1e-10)
    assert np.isnan(got[:, 1]).all()
    np.testing.assert_array_equal(fitted.band(losses, TARGET, 5, share=0.8), posterior.band(rows, 0.8))
    care = FORECASTERS["care-linear"].fit(losses, [TARGET]).predict(losses, [TARGET], 5)[:, 0]
    low, high = fitted.band(losses, TARGET, 5, share=0.5, rescaled=False).T
    assert ((low < care) & (care < high)).all()
    assert list(fitted.params) == [f"expectile_0.95.c{i}" for i in range(4)] == list(fitted.standard_errors)
    assert fitted.predictive(losses, 5) is None


def test_the_generator_knows_settings_and_target_alone():
    plain = BayesExpectile().generator(TARGET).random(3)
    np.testing.assert_array_equal(BayesExpectile(name="other").generator(TARGET).random(3), plain)
    for other in (BayesExpectile(seed=1).generator(TARGET), BayesExpectile().generator(Target("expectile", 0.9))):
        assert (other.random(3) != plain).all()


def test_errors(sample):
    y, x = sample
    for setting, message in (
        ({"draws": 10}, r"draws must be a whole number of at least 100, got 10"),
        ({"burn_in": -1}, r"burn_in must be a whole number of at least 0, got -1"),
        ({"prior_rate": 0.0}, r"prior_rate must be positive, got 0.0"),
        ({"proposal": "slice"}, r"proposal must be one of .*, got 'slice'"),
    ):
        with pytest.raises(ConfigError, match=message):
            bayesian_expectile_regression(y, x, 0.9, **setting)
    with pytest.raises(ConfigError, match=r"design must have 600 rows, got shape \(599, 3\)"):
        bayesian_expectile_regression(y, x[1:], 0.9)
    with pytest.raises(ConfigError, match=r"finite"):
        bayesian_expectile_regression(np.where(y > 3, np.nan, y), x, 0.9)
    with pytest.raises(FitError, match=r"must not be constant"):
        bayesian_expectile_regression(np.ones(9), np.ones((9, 1)), 0.9)
    with pytest.raises(FitError, match=r"full rank 4, got 3"):
        bayesian_expectile_regression(y, np.column_stack([x, x[:, 0]]), 0.9)
    with pytest.raises(ConfigError, match=r"share must lie in \(0, 1\), got 95"):
        bayesian_expectile_regression(y, x, 0.9, draws=100).intervals(95)
    with pytest.raises(ConfigError, match=r"draws must be a whole number of at least 100, got 5"):
        BayesExpectile(draws=5)
    with pytest.raises(FitError, match=r"losses must have more than 30 rows, got 20"):
        BayesExpectile().fit(y[:20], [TARGET])
    with pytest.raises(ConfigError, match=r"target must be one of expectile_0.95, got var_0.99"):
        BayesExpectile().fit(y, [TARGET]).band(y, Target("var", 0.99))
