"""Expectile calibration against the definition, and its simulated nulls."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats

from riskcore import backtests as bt
from riskcore import defaults

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
