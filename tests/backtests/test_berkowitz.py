"""Likelihood ratios of Berkowitz against numerical maximisation by other means."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats

from riskcore import backtests as bt
from riskcore.errors import ConfigError

P = 0.975


def autoregression(pit: np.ndarray, lags: int) -> float:
    """Twice the gain in log density of a least-squares fit over a standard normal."""
    z = stats.norm.ppf(pit)
    y = z[lags:]
    x = np.column_stack([np.ones(y.size), *(z[lags - j : z.size - j] for j in range(1, lags + 1))])
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    spread = np.sqrt(np.mean(residual**2))
    return 2 * float(np.sum(stats.norm.logpdf(residual, scale=spread) - stats.norm.logpdf(y)))


def censored(pit: np.ndarray, level: float) -> float:
    """The tail's likelihood written out and climbed without derivatives from several starts."""
    c, z = stats.norm.ppf(level), stats.norm.ppf(pit)
    tail, below = z[z > c], np.count_nonzero(z <= c)

    def minus(theta: np.ndarray) -> float:
        mu, s = theta[0], np.exp(theta[1])
        return -float(stats.norm.logpdf(tail, mu, s).sum() + below * stats.norm.logcdf((c - mu) / s))

    options = {"xatol": 1e-11, "fatol": 1e-13, "maxiter": 10_000, "maxfev": 10_000}
    starts = [(0.0, 0.0), (-3.0, 1.0), (2.0, -2.0)]
    best = min(optimize.minimize(minus, start, method="Nelder-Mead", options=options).fun for start in starts)
    return 2 * (minus(np.zeros(2)) - best)


@pytest.mark.parametrize("lags", [0, 1, 4])
def test_full_likelihood_ratio(lags):
    pit = np.random.default_rng(1).random(250) ** 1.1
    result = bt.berkowitz(pit, lags=lags, p_value="asymptotic")
    assert_allclose(result.statistic, autoregression(pit, lags), rtol=1e-9)
    assert_allclose(result.p_value, stats.chi2(2 + lags).sf(result.statistic), rtol=1e-10)
    assert result.details["df"] == 2 + lags


def test_full_likelihood_ratio_against_statsmodels():
    ar = pytest.importorskip("statsmodels.tsa.ar_model")
    pit = np.random.default_rng(2).random(300)
    z = stats.norm.ppf(pit)
    gain = ar.AutoReg(z, 1).fit().llf - stats.norm.logpdf(z[1:]).sum()
    assert_allclose(bt.berkowitz(pit).statistic, 2 * gain, rtol=1e-9)


@pytest.mark.parametrize("level", [0.9, 0.975, 0.99])
@pytest.mark.parametrize("power", [0.6, 1.0, 1.5])
def test_tail_likelihood_ratio(level, power):
    pit = np.random.default_rng(3).random(400) ** power
    result = bt.berkowitz_tail(pit, level, p_value="asymptotic")
    assert_allclose(result.statistic, censored(pit, level), rtol=1e-7, atol=1e-8)
    assert_allclose(result.p_value, np.exp(-result.statistic / 2), rtol=1e-10)  # chi-square with 2 degrees


def test_tail_in_odd_samples():
    single, crowd = np.full(30, 0.5), np.full(30, 0.9)
    single[3], crowd[3:29] = 0.99, 0.99
    for pit in (single, crowd, np.linspace(0.98, 0.999, 30)):
        assert_allclose(bt.berkowitz_tail(pit, P).statistic, censored(pit, P), rtol=1e-6)


def test_unidentified_tails():
    assert bt.berkowitz_tail(np.full(50, 0.5), P).reason == "no PIT above the level"
    assert bt.berkowitz_tail(np.full(50, 0.99), P).reason == "all PIT lie above the level and are equal"
    assert bt.berkowitz_tail([0.5, 0.99], [0.95, 0.97]).reason == "needs one level for all days"


def test_bounds_are_clipped_and_counted():
    pit = np.append(np.random.default_rng(4).random(200), [0.0, 1.0])
    full, tail = bt.berkowitz(pit), bt.berkowitz_tail(pit, P)
    assert full.details["at_bounds"] == tail.details["at_bounds"] == 2
    moved = np.clip(pit, 2**-53, 1 - 2**-53)
    assert_allclose([full.statistic, tail.statistic], [autoregression(moved, 1), censored(moved, P)], rtol=1e-7)
    beyond = bt.berkowitz_tail(np.append(np.full(50, 0.5), P + 1e-16), P)  # a point on the cut
    assert beyond.reason or np.isfinite(beyond.statistic)


def test_simulated_nulls_against_plain_draws():
    rng = np.random.default_rng(5)
    pit = rng.random(80) ** 1.2
    full, tail = bt.berkowitz(pit, n_simulations=9999), bt.berkowitz_tail(pit, 0.9, n_simulations=9999)
    draws = rng.random((800, 80))
    shares = [np.mean(np.array([autoregression(u, 1) for u in draws]) >= full.statistic)]
    limits = [bt.berkowitz_tail(u, 0.9, p_value="asymptotic").statistic for u in draws if np.any(u > 0.9)]
    shares.append(np.mean(np.array(limits) >= tail.statistic))
    for result, share in zip((full, tail), shares, strict=True):
        assert 0.01 < share < 0.99
        assert abs(result.p_value - share) < 4 * np.sqrt(share * (1 - share) * (1 / 800 + 1 / 9999)) + 0.001
        assert result.p_method == "simulated: uniform PIT"


def test_wrong_laws_are_found():
    rng = np.random.default_rng(6)
    z = rng.standard_normal(1000)
    assert bt.berkowitz(stats.norm.cdf(1.2 * z)).p_value < 0.01
    assert bt.berkowitz(stats.norm.cdf(np.convolve(z, [0.9, np.sqrt(0.19)])[:1000])).p_value < 0.01
    heavy = stats.norm.cdf(rng.standard_t(3, 1000) / np.sqrt(3))
    assert bt.berkowitz_tail(heavy, 0.99).p_value < 0.05
    assert bt.berkowitz_tail(stats.norm.cdf(z), 0.99).p_value > 0.05


def test_too_little():
    assert bt.berkowitz([0.1, 0.5, 0.7]).reason == "3 usable days, at least 6 needed"
    assert bt.berkowitz(np.full(50, 0.4)).reason == "the PIT does not vary around the autoregression"
    with pytest.raises(ConfigError, match="lags must be a whole number of at least 0, got -1"):
        bt.berkowitz([0.5] * 50, lags=-1)
