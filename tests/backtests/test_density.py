"""Tests of the whole law by the PIT, against scipy, plain formulas and draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import backtests as bt
from riskcore.errors import ConfigError, DataError


@pytest.mark.parametrize("n", [5, 60, 5000])
def test_pit_uniformity_is_the_exact_kolmogorov_smirnov_test(n):
    pit = np.random.default_rng(n).random(n) ** 1.02
    expected = stats.kstest(pit, "uniform", method="exact")
    result = bt.pit_uniformity(pit)
    assert_allclose([result.statistic, result.p_value], [expected.statistic, expected.pvalue], rtol=1e-9)


def test_pit_at_the_bounds():
    result = bt.pit_uniformity([0.0, 0.0, 1.0, 0.5, 0.4, np.nan])
    assert (result.details["at_bounds"], result.n_obs, result.details["missing"]) == (3, 5, 1)
    with pytest.raises(DataError, match=r"pit must lie in \[0, 1\], got \[1.5\]"):
        bt.pit_uniformity([0.5, 1.5])
    assert bt.pit_uniformity([0.5]).reason == "1 usable days, at least 5 needed"


def test_asymptotic_law_of_the_distance():
    pit = np.random.default_rng(3).random(800) ** 1.05
    expected = stats.kstest(pit, "uniform", method="asymp")
    assert_allclose(bt.pit_uniformity(pit, p_value="asymptotic").p_value, expected.pvalue, rtol=1e-9)


def portmanteau(pit: np.ndarray, lags: int) -> float:
    """Ljung and Box on u and on the squares of its deviations, lag by lag."""
    n, total = pit.size, 0.0
    for x in (pit - pit.mean(), (pit - pit.mean()) ** 2):
        x = x - x.mean()
        total += sum((x[j:] @ x[:-j] / (x @ x)) ** 2 / (n - j) for j in range(1, lags + 1))
    return n * (n + 2) * total


def test_independence_by_the_formula():
    pit = np.random.default_rng(4).random(300)
    result = bt.pit_uniformity(pit, form="independence", lags=3)
    assert_allclose(result.statistic, portmanteau(pit, 3), rtol=1e-10)
    assert (result.details["df"], result.p_method) == (6, "simulated: uniform PIT")
    limit = bt.pit_uniformity(pit, form="independence", lags=3, p_value="asymptotic")
    assert_allclose(limit.p_value, stats.chi2(6).sf(result.statistic), rtol=1e-10)


def test_independence_of_each_power_against_statsmodels():
    diagnostic = pytest.importorskip("statsmodels.stats.diagnostic")
    pit = np.random.default_rng(5).random(250)
    parts = [diagnostic.acorr_ljungbox(x, lags=[5]).lb_stat.item() for x in (pit, (pit - pit.mean()) ** 2)]
    assert_allclose(bt.pit_uniformity(pit, form="independence").statistic, sum(parts), rtol=1e-10)


def test_simulated_independence_against_plain_draws():
    rng = np.random.default_rng(6)
    pit = rng.random(60)
    p = bt.pit_uniformity(pit, form="independence", n_simulations=9999).p_value
    draws = [portmanteau(rng.random(60), 5) for _ in range(2000)]
    share = np.mean(np.array(draws) >= portmanteau(pit, 5))
    assert abs(p - share) < 4 * np.sqrt(share * (1 - share) * (1 / 2000 + 1 / 9999))


def test_dependence_is_found():
    rng = np.random.default_rng(7)
    noise = rng.standard_normal(500)
    followed = stats.norm.cdf(np.convolve(noise, [0.8, 0.6])[:500])  # uniform, but correlated
    vol = np.exp(0.8 * np.convolve(rng.standard_normal(520), np.ones(20) / np.sqrt(20), mode="valid"))[:500]
    spread = stats.norm.cdf(vol * rng.standard_normal(500))  # uncorrelated, but its squares are not
    for pit in (followed, spread):
        assert bt.pit_uniformity(pit, form="independence").p_value < 0.01


def test_no_independence_without_variation():
    assert "does not vary" in bt.pit_uniformity(np.full(50, 0.3), form="independence").reason
    assert "does not vary" in bt.pit_uniformity(np.arange(50) % 2, form="independence").reason
    assert bt.pit_uniformity(np.linspace(0, 1, 6), form="independence").reason == "6 usable days, at least 7 needed"
    with pytest.raises(ConfigError, match="p_value must be one of auto, simulated, asymptotic, got 'exact'"):
        bt.pit_uniformity(np.linspace(0, 1, 60), form="independence", p_value="exact")
    with pytest.raises(ConfigError, match="lags must be a whole number of at least 1, got 0"):
        bt.pit_uniformity(np.linspace(0, 1, 60), lags=0)


@pytest.mark.parametrize(("n", "bins", "coverage"), [(60, 5, 0.9), (250, 10, 0.95), (1000, 20, 0.95)])
def test_simultaneous_band_of_the_histogram_by_draws(n, bins, coverage):
    band = bt.pit_band(n, bins=bins, coverage=coverage)
    counts = np.random.default_rng(8).multinomial(n, np.full(bins, 1 / bins), size=40_000)

    def share(low: float, high: float) -> float:
        return float(np.mean(np.all((counts >= low) & (counts <= high), axis=1)))

    low, high = band.lower[0], band.upper[0]
    assert band.coverage >= coverage
    assert_allclose(share(low, high), band.coverage, atol=4 * np.sqrt(0.05 * 0.95 / 40_000))
    assert share(low + 1, high - 1) < coverage  # no narrower one would do
    assert_allclose(band.points, np.linspace(0, 1, bins + 1), atol=1e-15)


def test_band_of_two_bins_is_binomial():
    band = bt.pit_band(100, bins=2, coverage=0.9)
    low, high = int(band.lower[0]), int(band.upper[0])
    assert low + high == 100
    assert_allclose(band.coverage, stats.binom.cdf(high, 100, 0.5) - stats.binom.cdf(low - 1, 100, 0.5), rtol=1e-10)


def test_pointwise_band_is_binomial():
    band = bt.pit_band(250, bins=20, simultaneous=False)
    assert_allclose([band.lower[3], band.upper[3]], stats.binom.ppf([0.025, 0.975], 250, 0.05))
    ecdf = bt.pit_band(250, kind="ecdf", bins=4, simultaneous=False)
    assert_allclose(ecdf.lower, stats.binom.ppf(0.025, 250, [0.25, 0.5, 0.75]) / 250)
    assert_allclose(ecdf.upper, stats.binom.ppf(0.975, 250, [0.25, 0.5, 0.75]) / 250)
    assert ecdf.coverage >= 0.95


def test_simultaneous_band_of_the_ecdf_is_kolmogorovs():
    band = bt.pit_band(250, kind="ecdf", bins=4)
    reach = band.upper[1] - band.points[1]
    assert_allclose(stats.kstwo.sf(reach, 250), 0.05, rtol=1e-8)
    pit = np.linspace(0.002, 0.998, 250)
    shifted = np.clip(pit + reach - 0.002 + 1e-9, 0, 1)
    assert bt.pit_uniformity(shifted).p_value == pytest.approx(0.05, abs=2e-3)


def test_bands_refuse():
    with pytest.raises(ConfigError, match="bins must be at least 2, got 1"):
        bt.pit_band(250, bins=1)
    with pytest.raises(ConfigError, match="n_obs must be at least 1, got 0"):
        bt.pit_band(0)
    with pytest.raises(ConfigError, match=r"coverage must lie in \(0, 1\), got 95"):
        bt.pit_band(250, coverage=95)
    with pytest.raises(ConfigError, match="kind must be one of histogram, ecdf, got 'pdf'"):
        bt.pit_band(250, kind="pdf")
