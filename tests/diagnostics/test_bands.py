"""The band of a filtered historical expectile: formula with derivatives of its own, bootstrap, coverage."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import riskcore as rc
from riskcore import FORECASTERS, LocationScale, Status, Target
from riskcore.diagnostics import expectile_band
from riskcore.distributions import Empirical
from riskcore.errors import ConfigError, FitError
from riskcore.volatility import GARCH, ZeroMean

ZERO = LocationScale(mean=ZeroMean(), volatility=GARCH(), law=Empirical())


def garch(rng, n, omega=0.05, alpha=0.08, beta=0.88, nu=5.0):
    """Losses and the variance of the day after them."""
    z = rng.standard_t(nu, n + 300) * np.sqrt((nu - 2) / nu)
    h, out = omega / (1 - alpha - beta), np.empty(z.size)
    for t, shock in enumerate(z):
        out[t] = np.sqrt(h) * shock
        h = omega + alpha * out[t] ** 2 + beta * h
    return out[300:], h


def by_recursion(fitted, losses, level):
    """Errors with derivatives by their own recursions, zero mean: as measured over the days, and by homogeneity."""
    p, n = fitted.estimate.params, losses.size
    omega, alpha, beta = p["omega"], p["alpha"], p["beta"]
    h, dh = np.empty(n + 1), np.zeros((n + 1, 3))
    h[0], square = omega + (alpha + beta) * fitted.estimate.presample, fitted.estimate.presample
    dh[0] = [1.0, square, square]
    for t in range(n):
        h[t + 1] = omega + alpha * losses[t] ** 2 + beta * h[t]
        dh[t + 1] = np.array([1.0, losses[t] ** 2, h[t]]) + beta * dh[t]
    z, half = losses / np.sqrt(h[:-1]), 0.5 * dh / h[:, None]
    xi = float(rc.expectile(z, level))
    w = np.where(z > xi, level, 1 - level)
    psi, d = w * (z - xi), w.mean()
    scores = half[:-1] * (z**2 - 1)[:, None]
    inverse = np.linalg.inv(2 * half[:-1].T @ half[:-1] / n)
    s, sx = inverse @ (scores.T @ scores / n) @ inverse, inverse @ (scores.T @ psi) / n
    found = []
    for mean in ((w * z) @ half[:-1] / (n * d * xi), half[:-1].mean(axis=0)):
        gap = half[-1] - mean
        inner = np.mean(psi**2) / d**2 + xi**2 * gap @ s @ gap + 2 / d * xi * gap @ sx
        found.append(np.sqrt(h[-1] * inner / n))
    return found, np.sqrt(h[-1] * np.mean(psi**2) / n) / d, h[-1]


@pytest.mark.parametrize("level", [0.9, 0.99])
def test_formula_with_other_derivatives(level):
    losses, _ = garch(np.random.default_rng(3), 20_000)
    fitted = ZERO.fit(losses, [])
    band = expectile_band(fitted, losses, level)
    (exact, as_in_the_reference), alone, variance = by_recursion(fitted, losses, level)
    sigma = fitted.settings.volatility.filter(losses, fitted.estimate)[1][-1]
    np.testing.assert_allclose(np.sqrt(variance), sigma, rtol=1e-9)
    np.testing.assert_allclose(band.standard_error, exact, rtol=1e-5)
    np.testing.assert_allclose(band.standard_error, as_in_the_reference, rtol=0.03)
    np.testing.assert_allclose(band.residual_error, alone, rtol=1e-9)
    np.testing.assert_allclose(band.forecast, fitted.predict(losses, [Target("expectile", level)], 1)[0, 0])
    np.testing.assert_allclose(band.high - band.low, 2 * 1.959963984540054 * band.standard_error, rtol=1e-12)


@pytest.mark.parametrize("name", ["garch-fhs", "gjr-fhs", "egarch-fhs"])
def test_units(name):
    losses, _ = garch(np.random.default_rng(5), 800)
    bands = [expectile_band(FORECASTERS[name].fit(x, []), x, 0.95) for x in (losses, 0.01 * losses)]
    np.testing.assert_allclose(bands[1].standard_error, 0.01 * bands[0].standard_error, rtol=1e-3)
    np.testing.assert_allclose(bands[1].residual_error, 0.01 * bands[0].residual_error, rtol=1e-3)


def test_delta_and_bootstrap_agree_on_a_real_series():
    """DAX and its neighbours ship with the project: 1500 losses, 200 paths; errors differ by less than a fifth."""
    path = Path(__file__).parents[2] / "sample_data" / "europe_1991_1998.csv"
    losses = rc.to_losses(rc.read_prices(path))["DAX"].dropna().to_numpy()[-1500:]
    for name in ("garch-fhs",):
        fitted = FORECASTERS[name].fit(losses, [])
        delta = expectile_band(fitted, losses, 0.95)
        drawn = expectile_band(fitted, losses, 0.95, method="bootstrap", n_draws=200, rng=np.random.default_rng(1))
        assert drawn.failed + drawn.draws.size == 200
        np.testing.assert_allclose(delta.standard_error, drawn.standard_error, rtol=0.2)
        np.testing.assert_allclose([delta.low, delta.high], [drawn.low, drawn.high], rtol=0.05)
        np.testing.assert_allclose(drawn.standard_error, drawn.draws.std(ddof=1), rtol=1e-12)
        again = expectile_band(fitted, losses, 0.95, method="bootstrap", n_draws=20)
        np.testing.assert_array_equal(
            again.draws, expectile_band(fitted, losses, 0.95, method="bootstrap", n_draws=20).draws
        )


@pytest.mark.nightly
def test_coverage():
    """formulas.md: 250 samples, n = 2000, 0.99, t(5): nominal 95 % covers 89 %, 87 % without parameter error."""
    from scipy import integrate, optimize, stats

    law = stats.t(5, scale=np.sqrt(3 / 5))

    def share(m):
        u = integrate.quad(law.sf, m, np.inf)[0]
        return u / (2 * u + m) - 0.01

    xi, rng = optimize.brentq(share, 0.5, 6), np.random.default_rng(2026)
    inside = np.zeros((250, 2))
    for row in inside:
        losses, variance = garch(rng, 2000)
        fitted = ZERO.fit(losses, [])
        band = expectile_band(fitted, losses, 0.99)
        gap = abs(band.forecast - np.sqrt(variance) * xi) / 1.959963984540054
        row[:] = gap < band.standard_error, gap < band.residual_error
    covered, without = inside.mean(axis=0)
    assert 0.83 <= covered <= 0.95  # three standard errors of 250 samples round 89 %
    assert without <= covered


def test_errors():
    losses, _ = garch(np.random.default_rng(7), 300)
    fitted = ZERO.fit(losses, [])
    band = partial(expectile_band, fitted, losses)
    with pytest.raises(ConfigError, match=r"losses must be the window of 300 rows that was fitted, got 299 rows"):
        expectile_band(fitted, losses[1:], 0.95)
    with pytest.raises(ConfigError, match=r"level must lie in \(0.5, 1\), got 0.4"):
        band(0.4)
    with pytest.raises(ConfigError, match=r"share must lie in \(0, 1\), got 95"):
        band(0.95, share=95)
    with pytest.raises(ConfigError, match=r"method must be one of .*, got 'exact'"):
        band(0.95, method="exact")
    with pytest.raises(ConfigError, match=r"n_draws must be a whole number of at least 20, got 3"):
        band(0.95, method="bootstrap", n_draws=3)
    for name, message in (("fhs", "GARCH, GJR or EGARCH"), ("garch-t", r"law Empirical\(\)"), ("care-linear", "GARCH")):
        with pytest.raises(ConfigError, match=f"fitted must .*{message}"):
            expectile_band(FORECASTERS[name].fit(losses, [Target("expectile", 0.95)]), losses, 0.95)
    moving = LocationScale(mean=rc.AR1(), volatility=GARCH(), law=Empirical()).fit(losses, [])
    with pytest.raises(ConfigError, match=r"zero or constant mean, got AR1\(\)"):
        expectile_band(moving, losses, 0.95)


def test_on_a_bound_only_the_bootstrap_has_an_error():
    losses = np.random.default_rng(0).standard_normal(300)  # no clusters: alpha is zero
    fitted = ZERO.fit(losses, [])
    assert fitted.status == Status.boundary
    with pytest.raises(FitError, match="one on its bound; method='bootstrap'"):
        expectile_band(fitted, losses, 0.95)
    assert expectile_band(fitted, losses, 0.95, method="bootstrap", n_draws=20).standard_error > 0
