"""Scores: published elementary values, integrals, consistency, and how bad input is met."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from riskcore import scores
from riskcore.distributions import GED, Empirical, Normal, SampleLaw, SkewT, StudentT
from riskcore.errors import ConfigError, DataError

RNG = np.random.default_rng(41)
LOSSES = RNG.standard_t(5, 200)
ONE_LEVEL = {
    "quantile_score": 1,
    "expectile_score": 1,
    "fz0_score": 2,
    "var_identification": 1,
    "expectile_identification": 1,
    "es_identification": 2,
}


def call(name: str, losses, level):
    forecasts = [np.full(np.shape(losses), 1.0 + k) for k in range(ONE_LEVEL[name])]
    return getattr(scores, name)(losses, *forecasts, level)


def test_murphy_golden(golden) -> None:
    for case in golden("murphy_expectile_small").values():
        given = case["input"]
        found = scores.elementary_expectile_score(given["losses"], given["forecasts"], given["level"], given["theta"])
        np.testing.assert_allclose(found, case["expected"]["scores"], rtol=0, atol=case["tolerance"]["abs"])


@pytest.mark.parametrize("level", [0.3, 0.9, 0.99])
def test_elementary_scores_integrate_to_the_scores(level: float) -> None:
    losses, forecasts = np.round(RNG.normal(size=(2, 40)), 3)
    theta = np.arange(-5.0, 5.0, 1e-3) + 5e-4  # midpoints: exact for the piecewise linear integrands
    quantile = scores.elementary_quantile_score(losses, forecasts, level, theta)
    assert quantile.shape == (theta.size, 40)
    np.testing.assert_allclose(quantile.sum(axis=0) * 1e-3, scores.quantile_score(losses, forecasts, level), atol=1e-12)
    expectile = scores.elementary_expectile_score(losses, forecasts, level, theta)
    np.testing.assert_allclose(
        2 * expectile.sum(axis=0) * 1e-3, scores.expectile_score(losses, forecasts, level), atol=1e-11
    )
    assert np.all(quantile >= 0)
    assert np.isnan(scores.elementary_expectile_score([1.0, np.nan], [1.0, 1.0], level, 0.0)[1])
    assert np.isnan(scores.elementary_quantile_score([1.0, np.nan], [1.0, 1.0], level, 0.0)[1])


def test_pencil_and_paper() -> None:
    losses, forecast = np.array([3.0, 1.0, -1.0]), np.array([1.0, 1.0, 1.0])
    np.testing.assert_allclose(scores.quantile_score(losses, forecast, 0.99), [1.98, 0.0, 0.02])
    np.testing.assert_allclose(scores.expectile_score(losses, forecast, 0.99), [3.96, 0.0, 0.04])
    np.testing.assert_allclose(
        scores.fz0_score(losses, forecast, 2.0, 0.975), np.array([2.0 / 0.05, 0, 0]) + 0.5 + math.log(2.0) - 1
    )
    np.testing.assert_allclose(scores.var_identification(losses, forecast, 0.99), [0.99, -0.01, -0.01])
    np.testing.assert_allclose(scores.expectile_identification(losses, forecast, 0.99), [-1.98, 0.0, 0.02])
    np.testing.assert_allclose(scores.es_identification(losses, forecast, 2.0, 0.975), [79.0, -1.0, -1.0])


@pytest.mark.parametrize("law", [Normal(), StudentT(5), SkewT(5, 0.3), GED(1.3)], ids=repr)
@pytest.mark.parametrize("level", [0.75, 0.95, 0.99])
def test_the_truth_is_best_and_identified(law, level: float) -> None:
    """On a fine grid of the law's quantiles, centred away from zero so that a score of ES - mean would show."""
    x = law.ppf((np.arange(100_000) + 0.5) / 100_000) + 0.4
    v, e, m = (0.4 + ask(level) for ask in (law.ppf, law.es, law.expectile))
    # The grid cuts the last 1/100,000 of the tail, which the looser bounds allow for.
    assert abs(scores.var_identification(x, v, level).mean()) < 2e-5
    assert abs(scores.expectile_identification(x, m, level).mean()) < 1e-3
    assert abs(scores.es_identification(x, v, e, level).mean()) < 0.02

    def least(function, low: float, high: float) -> float:
        return float(optimize.minimize_scalar(function, bounds=(low, high), method="bounded").x)

    assert least(lambda f: scores.quantile_score(x, f, level).mean(), 0.0, 9.0) == pytest.approx(v, abs=2e-3)
    assert least(lambda f: scores.expectile_score(x, f, level).mean(), 0.0, 9.0) == pytest.approx(m, rel=5e-3)
    assert least(lambda f: scores.fz0_score(x, v, f, level).mean(), v, 9.0) == pytest.approx(e, rel=5e-3)
    assert least(lambda f: scores.fz0_score(x, f, e, level).mean(), 0.0, e) == pytest.approx(v, abs=5e-3)


def test_identification_is_half_the_slope_of_the_score() -> None:
    h, m, level = 1e-5, 0.7312, 0.9
    slope = (scores.expectile_score(LOSSES, m + h, level) - scores.expectile_score(LOSSES, m - h, level)) / (2 * h)
    np.testing.assert_allclose(slope, 2 * scores.expectile_identification(LOSSES, m, level), atol=1e-7)


def test_homogeneity() -> None:
    for scale in (1e-6, 1e6):
        f = np.full(200, 1.5)
        np.testing.assert_allclose(
            scores.quantile_score(scale * LOSSES, scale * f, 0.9), scale * scores.quantile_score(LOSSES, f, 0.9)
        )
        np.testing.assert_allclose(
            scores.expectile_score(scale * LOSSES, scale * f, 0.9), scale**2 * scores.expectile_score(LOSSES, f, 0.9)
        )
        np.testing.assert_allclose(
            scores.fz0_score(scale * LOSSES, scale * f, scale * 2 * f, 0.9),
            scores.fz0_score(LOSSES, f, 2 * f, 0.9) + math.log(scale),
        )


@pytest.mark.parametrize("name", list(ONE_LEVEL))
def test_levels_per_observation_nan_and_shapes(name: str) -> None:
    levels = RNG.uniform(0.5, 0.999, 200)
    many = call(name, LOSSES, levels)
    np.testing.assert_allclose(
        many, [call(name, x, p) for x, p in zip(LOSSES, levels, strict=True)], rtol=1e-13, atol=1e-15
    )
    with_gap = LOSSES.copy()
    with_gap[3] = np.nan
    found = call(name, with_gap, 0.9)
    assert np.isnan(found[3])
    np.testing.assert_array_equal(np.delete(found, 3), np.delete(call(name, LOSSES, 0.9), 3))
    levels[5] = np.nan
    assert np.flatnonzero(np.isnan(call(name, LOSSES, levels))).tolist() == [5]
    np.testing.assert_array_equal(call(name, pd.Series(LOSSES), 0.9), call(name, LOSSES, 0.9))
    for bad in (0.0, 1.0, 99.0):
        with pytest.raises(ConfigError, match=r"level must lie in \(0, 1\), got "):
            call(name, LOSSES, bad)
    with pytest.raises(DataError, match=r"must have one shape or be scalars, got losses \(200,\).* level \(3,\)"):
        call(name, LOSSES, np.full(3, 0.9))
    with pytest.raises(DataError, match="losses must be numbers"):
        call(name, "abc", 0.9)


def test_a_column_is_not_spread_over_a_row() -> None:
    with pytest.raises(DataError, match=r"got losses \(2,\), var \(2, 1\), level \(\)"):
        scores.quantile_score(np.ones(2), np.ones((2, 1)), 0.9)


def test_fz0_refuses_an_es_that_is_not_positive() -> None:
    with pytest.raises(
        DataError, match=r"es must be positive, got 2 entries that are not, the first at position 1: 0\.0"
    ):
        scores.fz0_score(np.ones(4), 1.0, [1.0, 0.0, np.nan, -2.0], 0.975)


def test_density_scores_against_scipy() -> None:
    mean, sd = RNG.normal(size=200), RNG.uniform(0.5, 2.0, 200)
    found = scores.log_score(LOSSES, mean, sd, Normal())
    np.testing.assert_allclose(found, -stats.norm.logpdf(LOSSES, mean, sd), rtol=1e-12)
    nu = 5.0
    scale = sd * math.sqrt((nu - 2) / nu)
    found = scores.log_score(LOSSES, mean, sd, StudentT(nu))
    np.testing.assert_allclose(found, -stats.t.logpdf(LOSSES, nu, mean, scale), rtol=1e-12)
    z = (LOSSES - mean) / sd
    normal = sd * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / math.sqrt(math.pi))
    np.testing.assert_allclose(scores.crps_score(LOSSES, mean, sd, Normal()), normal, rtol=1e-12)


def test_density_scores_of_sample_laws() -> None:
    law = SampleLaw.rolling(LOSSES, 100, 5)
    x, mean, sd = np.linspace(-1, 1, 5), np.full(5, 0.1), np.linspace(0.5, 2, 5)
    found = scores.crps_score(x, mean, sd, law)
    for i in range(5):
        sample = 0.1 + sd[i] * LOSSES[96 + i : 196 + i]
        wanted = np.abs(sample - x[i]).mean() - 0.5 * np.abs(sample[:, None] - sample).mean()
        assert found[i] == pytest.approx(wanted, abs=1e-13)
    assert np.isnan(scores.log_score(x, mean, sd, law)).all()


def test_volatility_of_zero_has_no_density() -> None:
    for score in (scores.log_score, scores.crps_score):
        found = score([1.0, np.nan, 1.0], 0.0, [1.0, 1.0, 0.0], Normal())
        assert np.isnan(found).tolist() == [False, True, True]
        with pytest.raises(DataError, match="volatility must be positive or zero, got 1 entries that are not"):
            score([1.0, 1.0], 0.0, [1.0, -1.0], Normal())
    with pytest.raises(ConfigError, match="Empirical must have a sample before crps is asked"):
        scores.crps_score([1.0], 0.0, 1.0, Empirical())


def test_registry() -> None:
    assert {name: (s.measure, s.needs) for name, s in scores.SCORES.items()} == {
        "quantile": ("var", ("var",)),
        "expectile": ("expectile", ("expectile",)),
        "fz0": ("es", ("var", "es")),
        "log_score": ("density", ("log_score",)),
        "crps": ("density", ("crps",)),
        "tail_crps": ("density", ("tail",)),
    }
    assert scores.SCORES["fz0"].run is scores.fz0_score
