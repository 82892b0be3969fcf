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


def splitmix(state: int) -> int:
    """The generator's published definition, in whole numbers."""
    z = state & (2**64 - 1)
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def uniforms(seed: int, path: int, count: int) -> list[float]:
    state = splitmix(seed + path * 0xD1342543DE82EF95)
    return [((splitmix(state + i * 0x9E3779B97F4A7C15) >> 12) + 0.5) / 2**52 for i in range(1, count + 1)]


def test_generator_is_splitmix64():
    # first number of the reference implementation started at 0
    assert int(simulate.mixed(simulate.STEP)) == 0xE220A8397B1DCDAF
    for state in (1, 12345, 2**63 + 7):
        assert int(simulate.mixed(np.uint64(state))) == splitmix(state)
        assert simulate.uniform(np.uint64(state)) == ((splitmix(state) >> 12) + 0.5) / 2**52
    assert 0.0 < simulate.uniform(np.uint64(0)) < 1e-15  # all bits are 0


def test_logit():
    u = np.concatenate([np.random.default_rng(9).random(5000), [2**-53, 1e-9, 0.5, 0.5 - 1e-9, 0.75, 1 - 2**-53]])
    ours = [simulate.logit(x) for x in u]
    assert_allclose(ours, np.log(u) - np.log1p(-u), rtol=2e-12, atol=1e-15)


@pytest.mark.parametrize(
    "level", [np.full(40, 0.9), np.roll(np.linspace(0.7, 0.99, 40), 7)], ids=["one level", "moving"]
)
@pytest.mark.parametrize("name", ["t3", "steps", "exponential"])
def test_drawn_es_sums_by_the_definition(name, level):
    """The same draws in plain Python: waits between hits, then the tail of the day's law by inverting it."""
    n, seed = 40, 77
    size = np.linspace(1.0, 2.0, n)
    law = LAWS["t3" if name == "exponential" else name]
    var, es = (np.ascontiguousarray(x) for x in simulate.law_functionals(KNOTS, size[:, None] * law, level).T[:2])
    scale = 1.0 + np.arange(n) / n
    quantiles, knots = (np.empty((0, 0)), np.empty(0)) if name == "exponential" else (size[:, None] * law, KNOTS)
    out = np.empty((25, simulate.ES_SUMS))
    simulate.drawn_es_sums(seed, knots, quantiles, level, var, es, scale, out)
    chance, hits = 1 - level.min(), 0
    for path in range(25):
        draws = iter(uniforms(seed, path, 500))
        losses, t = var - 1.0, -1
        while True:
            t += 1 + int(np.log(next(draws)) / np.log1p(-chance))
            if t >= n:
                break
            q = 1 - level[t]
            if q < chance and next(draws) * chance >= q:
                continue
            u = next(draws)
            excess = -(es[t] - var[t]) * np.log(u)
            drawn = (
                var[t] + excess if name == "exponential" else interpolated(size[t] * law, np.log((1 - q * u) / (q * u)))
            )
            losses[t] = max(drawn, np.nextafter(var[t], np.inf))
            hits += 1
        expected = simulate.es_sums(losses[None, :], var, es, level, scale)[0]
        assert_allclose(out[path], expected, rtol=1e-9, atol=1e-9)
    assert hits > 50


def test_drawn_expectile_sums_by_the_definition():
    n, seed, level = 30, 5, np.linspace(0.9, 0.999, 30)
    size = np.linspace(1.0, 2.0, n)
    quantiles = size[:, None] * LAWS["skewed"]
    m, scale = np.ascontiguousarray(simulate.law_functionals(KNOTS, quantiles, level)[:, 2]), 0.5 + size
    out = np.empty((300, 7))
    forecast = 1.1 * m
    simulate.drawn_expectile_sums(seed, KNOTS, quantiles, level, m, scale, forecast, out)
    for path in (0, 1, 255, 256, 299):  # on both sides of a block
        u = np.array(uniforms(seed, path, n))
        logits = np.log(u / (1 - u))
        losses = np.array([interpolated(q, np.array([y]))[0] for q, y in zip(quantiles, logits, strict=True)])
        expected = simulate.expectile_sums(losses[:, None], m, level, scale)[0]
        expected[5] = simulate.expectile_sums(losses[:, None], forecast, level, scale)[0, 5]
        assert_allclose(out[path], expected, rtol=1e-9, atol=1e-9)


def test_paths_do_not_depend_on_their_number():
    level = np.full(20, 0.975)
    quantiles = np.tile(LAWS["normal"], (20, 1))
    var, es, m, _ = (np.ascontiguousarray(x) for x in simulate.law_functionals(KNOTS, quantiles, level).T)
    few, many = np.empty((10, simulate.ES_SUMS)), np.empty((300, simulate.ES_SUMS))
    for out in (few, many):
        simulate.drawn_es_sums(3, KNOTS, quantiles, level, var, es, es, out)
    np.testing.assert_array_equal(few, many[:10])
    few, many = np.empty((10, 7)), np.empty((300, 7))
    for out in (few, many):
        simulate.drawn_expectile_sums(3, KNOTS, quantiles, level, m, es, m, out)
    np.testing.assert_array_equal(few, many[:10])


@pytest.mark.parametrize("law", ["t3", "exponential"])
def test_hits_have_their_chance_and_their_law(law):
    """One day at a time: number of hits against the binomial law, sizes against the tail of the law."""
    paths, level = 40_000, np.array([0.975])
    var, es = simulate.law_functionals(KNOTS, LAWS["t3"][None, :], level)[0, :2]
    columns = [np.array([x]) for x in (level[0], var, es, 1.0)]
    out = np.empty((paths, simulate.ES_SUMS))
    own = law == "t3"
    quantiles = LAWS["t3"][None, :] if own else np.empty((0, 0))
    simulate.drawn_es_sums(11, KNOTS if own else np.empty(0), quantiles, *columns, out)
    hit = out[:, 0] == 1
    assert stats.binomtest(int(hit.sum()), paths, 0.025).pvalue > 0.001
    losses = out[hit, 1] * es
    tail = stats.expon(loc=var, scale=es - var).cdf
    if own:
        inverse = lambda x: np.interp(x, LAWS["t3"], KNOTS)  # noqa: E731
        tail = lambda x: 1 - (1 - 1 / (1 + np.exp(-inverse(x)))) / 0.025  # noqa: E731
    assert stats.kstest(losses[losses < LAWS["t3"][-1]], tail).pvalue > 0.001


def test_es_sums():
    rng = np.random.default_rng(4)
    n, p = 60, 0.9
    losses, var, es, scale = rng.standard_normal((3, n)), 1 + rng.random(n), 2 + rng.random(n), 1 + rng.random(n)
    hit = losses > var
    v1, v2 = hit - (1 - p), var - es + np.maximum(losses - var, 0) / (1 - p)
    r = hit * (losses - es) / ((1 - p) * scale)
    parts = [hit, hit * losses / es, hit * losses / es / (1 - p), -v2 / es, v1, v2, v1**2, v1 * v2, v2**2, r, r**2]
    for x in (v1 * np.abs(var), v2 / scale):
        parts += [x, x**2]
    expected = np.stack([x.sum(axis=1) for x in parts], axis=1)
    assert_allclose(simulate.es_sums(losses, var, es, np.full(n, p), scale), expected, rtol=1e-12, atol=1e-12)


def test_expectile_sums():
    rng = np.random.default_rng(5)
    n, p = 60, 0.9
    losses, m, scale = rng.standard_normal((n, 3)), rng.random(n), 1 + rng.random(n)
    gap, s = m - losses.T, scale
    v = np.where(gap >= 0, 1 - p, p) * gap
    parts = (v, v / s, v**2, v**2 / s, (v / s) ** 2, v * gap / s**2, np.abs(v) / s)
    expected = np.stack([x.sum(axis=1) for x in parts], axis=1)
    assert_allclose(simulate.expectile_sums(losses, m, np.full(n, p), scale), expected, rtol=1e-12)


def test_long_run_variance():
    x = np.random.default_rng(6).standard_normal(80)
    weights = np.array([1.0, 0.7, 0.0, 0.2])
    centred = x - x.mean()
    gamma = [float(centred[j:] @ centred[: 80 - j]) / 80 for j in range(4)]
    assert_allclose(hac.long_run_variance(x, weights), gamma[0] + 2 * (0.7 * gamma[1] + 0.2 * gamma[3]), rtol=1e-12)


def resampled(x: np.ndarray, block: float, seed: int, samples: int) -> np.ndarray:
    """The stationary bootstrap with the same draws, day by day: indices gathered, means taken."""
    n, state, means = x.shape[0], seed, []

    def draw() -> float:
        nonlocal state
        state += 0x9E3779B97F4A7C15
        return ((splitmix(state) >> 12) + 0.5) / 2**52

    for _ in range(samples):
        days: list[int] = []
        while len(days) < n:
            start, u = int(draw() * n), draw()
            length = 1 if block == 1 else int(np.ceil(np.log1p(-u) / np.log1p(-1 / block)))
            days += [(start + i) % n for i in range(length)]
        means.append(x[days[:n]].mean(axis=0))
    return np.array(means)


@pytest.mark.parametrize("block", [1.0, 1.5, 7.0, 60.0, 1000.0])
@pytest.mark.parametrize("n", [1, 2, 97])
def test_stationary_means_by_gathering(block, n):
    x = np.random.default_rng(8).standard_normal((n, 3))
    prefix = np.concatenate([np.zeros((1, 3)), np.cumsum(x, axis=0)])
    out = np.empty((50, 3))
    simulate.stationary_means(prefix, block, 99, out)
    assert_allclose(out, resampled(x, block, 99, 50), rtol=1e-11, atol=1e-12)


def test_stationary_means_have_the_variance_of_the_stationary_bootstrap():
    """Politis and Romano's exact variance, by lags, against 20,000 samples."""
    n, block = 120, 8.0
    x = np.convolve(np.random.default_rng(9).standard_normal(n + 4), np.ones(5), "valid")[:, None]
    x -= x.mean()
    prefix, out = np.concatenate([np.zeros((1, 1)), np.cumsum(x, axis=0)]), np.empty((20_000, 1))
    simulate.stationary_means(prefix, block, 4, out)
    gamma = [float(x[i:, 0] @ x[: n - i, 0]) / n for i in range(n)]
    kappa = [(1 - i / n) * (1 - 1 / block) ** i + i / n * (1 - 1 / block) ** (n - i) for i in range(n)]
    variance = gamma[0] + 2 * sum(k * g for k, g in zip(kappa[1:], gamma[1:], strict=True))
    assert abs(out.mean()) < 4 * np.sqrt(variance / n / 20_000)
    assert_allclose(n * out.var(), variance, rtol=0.05)
