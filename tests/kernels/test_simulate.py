"""Kernels of simulated nulls against their definitions in numpy and quadrature."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, optimize, stats

from riskcore import defaults
from riskcore.kernels import hac, simulate

LEVELS = np.array(defaults.TAIL_LEVELS)
KNOTS = np.log(LEVELS / (1 - LEVELS))
LAWS = {
    "normal": stats.norm.ppf(LEVELS),
    "t3": stats.t(3).ppf(LEVELS) / np.sqrt(3),
    "skewed": stats.gamma(2).ppf(LEVELS),
    "negative": stats.norm.ppf(LEVELS) - 10,
    "steps": np.quantile(np.random.default_rng(1).standard_t(4, 500), LEVELS, method="inverted_cdf"),
}


def interpolated(q: np.ndarray, y: np.ndarray) -> np.ndarray:
    j = np.clip(np.searchsorted(KNOTS, y, side="right") - 1, 0, KNOTS.size - 2)
    return q[j] + (y - KNOTS[j]) / (KNOTS[j + 1] - KNOTS[j]) * (q[j + 1] - q[j])


def mean_of(q: np.ndarray, function, low: float = -200.0) -> float:
    """Mean of function(quantile) over u with logit above `low`, by quadrature piece by piece."""
    density = lambda y: np.exp(-abs(y)) / (1 + np.exp(-abs(y))) ** 2  # noqa: E731
    edges = np.unique(np.concatenate([[low], np.linspace(-40, 40, 161), KNOTS, [200.0]]))
    edges = edges[edges >= low]
    f = lambda y: function(interpolated(q, np.array([y]))[0]) * density(y)  # noqa: E731
    return sum(integrate.quad(f, a, b, epsabs=1e-14, epsrel=1e-12)[0] for a, b in itertools.pairwise(edges))


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("level", [0.9, 0.975, 0.99855])
def test_functionals_against_quadrature(name, level):
    q = LAWS[name]
    var, es, expectile, above = simulate.law_functionals(KNOTS, q[None, :], np.array([level]))[0]
    y = np.log(level / (1 - level))
    assert_allclose(var, interpolated(q, np.array([y]))[0], rtol=1e-12)
    assert_allclose(es, mean_of(q, lambda x: x, y) / (1 - level), rtol=1e-8)
    up, down = mean_of(q, lambda x: max(x - expectile, 0.0)), mean_of(q, lambda x: max(expectile - x, 0.0))
    assert_allclose(level * up, (1 - level) * down, rtol=1e-6)
    if name != "steps":
        root = optimize.brentq(lambda s: interpolated(q, np.array([s]))[0] - expectile, -100, 100, xtol=1e-14)
        assert_allclose(above, 1 / (1 + np.exp(root)), rtol=1e-9)


def test_functionals_are_close_to_the_law_itself():
    """The grid of levels is fine enough: ES and expectile of a t(5) within half a percent."""
    law, level = stats.t(5), np.array([0.975])
    var, es, _, _ = simulate.law_functionals(KNOTS, law.ppf(LEVELS)[None, :], level)[0]
    v = law.ppf(0.975)
    assert_allclose(var, v, rtol=1e-12)
    assert_allclose(es, (5 + v**2) / 4 * law.pdf(v) / 0.025, rtol=5e-3)


def test_draws_are_quantiles():
    rng = np.random.default_rng(2)
    q = np.array([1.0, 2.0, 0.5])[:, None] * LAWS["t3"]
    uniforms = rng.random((400, 3))
    uniforms[:2] = [[0.0, 1e-12, 1e-4], [1 - 1e-12, 0.999999, 0.5]]
    level = np.array([0.9, 0.975, 0.99])
    losses, tails = np.empty_like(uniforms), np.empty_like(uniforms)
    simulate.draw_losses(uniforms, LEVELS, KNOTS, q, losses)
    u = np.clip(uniforms, 1e-300, None)
    logit = np.log(u / (1 - u))
    expected = np.column_stack([interpolated(q[t], logit[:, t]) for t in range(3)])
    assert_allclose(losses, expected, rtol=1e-9, atol=1e-12)
    var = simulate.law_functionals(KNOTS, q, level)[:, 0].copy()
    simulate.draw_tails(uniforms, LEVELS, KNOTS, q, level, var, tails)
    assert_allclose(tails, np.where(uniforms > level, losses, var), rtol=1e-12)
    assert np.isfinite(losses).all()


def test_exponential_excess():
    uniforms = np.random.default_rng(3).random((200, 500))
    var, es, level = np.full(500, 1.0), np.full(500, 1.4), np.full(500, 0.9)
    losses = np.empty_like(uniforms)
    simulate.draw_excesses(uniforms, level, var, es, losses)
    hits = losses > 1.0
    assert_allclose(hits.mean(), 0.1, atol=4 * np.sqrt(0.09 / hits.size))
    assert stats.kstest(losses[hits] - 1.0, stats.expon(scale=0.4).cdf).pvalue > 0.001


def test_es_sums():
    rng = np.random.default_rng(4)
    n, p = 60, 0.9
    losses, var, es, scale = rng.standard_normal((3, n)), 1 + rng.random(n), 2 + rng.random(n), 1 + rng.random(n)
    hit = losses > var
    v1, v2 = hit - (1 - p), var - es + np.maximum(losses - var, 0) / (1 - p)
    r = hit * (losses - es) / ((1 - p) * scale)
    parts = [hit, hit * losses / es, hit * losses / es / (1 - p), -v2 / es, v1, v2, v1**2, v1 * v2, v2**2, r, r**2]
    expected = np.stack([x.sum(axis=1) for x in parts], axis=1)
    assert_allclose(simulate.es_sums(losses, var, es, np.full(n, p), scale), expected, rtol=1e-12, atol=1e-12)


def test_expectile_sums():
    rng = np.random.default_rng(5)
    n, p = 60, 0.9
    losses, m, scale = rng.standard_normal((3, n)), rng.random(n), 1 + rng.random(n)
    v = np.abs((losses <= m) - p) * (m - losses)
    expected = np.stack([x.sum(axis=1) for x in (v, v / scale, v**2, v**2 / scale, (v / scale) ** 2)], axis=1)
    assert_allclose(simulate.expectile_sums(losses, m, np.full(n, p), scale), expected, rtol=1e-12)


def test_long_run_variance():
    x = np.random.default_rng(6).standard_normal(80)
    weights = np.array([1.0, 0.7, 0.0, 0.2])
    centred = x - x.mean()
    gamma = [float(centred[j:] @ centred[: 80 - j]) / 80 for j in range(4)]
    assert_allclose(hac.long_run_variance(x, weights), gamma[0] + 2 * (0.7 * gamma[1] + 0.2 * gamma[3]), rtol=1e-12)
