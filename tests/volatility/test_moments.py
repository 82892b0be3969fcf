"""Constant and EWMA volatilities, and the means, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from riskcore import AR1, EWMA, Constant, ConstantMean, Empirical, Normal, StudentT, ZeroMean
from riskcore.errors import ConfigError


@pytest.fixture(scope="module")
def losses():
    return np.random.default_rng(5).standard_t(5, size=700) * 0.01


def test_ewma_is_its_recursion(losses):
    fit = EWMA(decay=0.9).fit(losses[:500], mean=ZeroMean(), law=Normal())
    mu, sigma = EWMA(decay=0.9).filter(losses, fit)
    variance = [np.mean(losses[:75] ** 2)]
    for loss in losses:
        variance.append(0.9 * variance[-1] + 0.1 * loss**2)
    np.testing.assert_allclose(sigma**2, variance, rtol=1e-13)
    assert not mu.any()


def test_ewma_start_reads_the_window_only(losses):
    """A window shorter than 75 days must not start from days after its first origin."""
    fit = EWMA().fit(losses[:40], mean=ZeroMean(), law=Empirical())
    _, sigma = EWMA().filter(losses[:60], fit)
    changed = losses[:60].copy()
    changed[41:] *= 50
    _, after = EWMA().filter(changed, fit)
    np.testing.assert_array_equal(sigma[:42], after[:42])
    assert sigma[0] ** 2 == pytest.approx(np.mean(losses[:40] ** 2), rel=1e-14)


@pytest.mark.parametrize("mean", [ZeroMean(), ConstantMean()])
def test_constant_moments_move_with_the_window(mean, losses):
    fit = Constant().fit(losses[:500], mean=mean, law=Normal())
    mu, sigma = Constant().filter(losses, fit)
    for t in (500, 555, 700):
        window = losses[t - 500 : t]
        centre = window.mean() if mean.names else 0.0
        assert mu[t] == pytest.approx(centre, abs=1e-15)
        assert sigma[t] == pytest.approx(np.sqrt(np.mean((window - centre) ** 2)), rel=1e-13)


def test_ar1_least_squares(losses):
    const, phi = AR1().estimate(losses)
    design = np.column_stack([np.ones(699), losses[:-1]])
    np.testing.assert_allclose([const, phi], np.linalg.lstsq(design, losses[1:])[0], rtol=1e-10)
    path = AR1().path(losses, (const, phi))
    assert path[1] == const + phi * losses[0]
    assert path.size == losses.size + 1


def test_law_is_fitted_to_the_standardised_losses(losses):
    fit = EWMA().fit(losses, mean=ZeroMean(), law=StudentT())
    assert 3 < fit.law.nu < 12
    assert fit.log_likelihood > EWMA().fit(losses, mean=ZeroMean(), law=Normal()).log_likelihood


def test_decay_out_of_range():
    with pytest.raises(ConfigError, match=r"decay must lie in \(0, 1\), got 94"):
        EWMA(decay=94)
