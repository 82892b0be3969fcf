"""The generalised Pareto tail against scipy's likelihood, quadrature and McNeil and Frey's formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from riskcore import ConfigError, Target, equal_es_level
from riskcore.distributions import TailGPD, threshold_path
from riskcore.kernels.gpd import SHAPES, gpd_fit, stable_count


@pytest.fixture(scope="module")
def residuals():
    return np.random.default_rng(1).standard_t(4, 1000) / 2**0.5


def log_likelihood(y, shape, scale):
    return stats.genpareto(shape, scale=scale).logpdf(y).sum()


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.2, 0.6])
def test_the_fit_is_the_maximum_of_scipys_likelihood(shape):
    y = stats.genpareto(shape, scale=0.7).rvs(100, random_state=np.random.default_rng(5))
    xi, beta = gpd_fit(y)
    best = log_likelihood(y, xi, beta)
    c, _, scale = stats.genpareto.fit(y, floc=0.0)
    assert best >= log_likelihood(y, c, scale) - 1e-9
    steps = [(1e-4, 0.0), (-1e-4, 0.0), (0.0, 1e-4), (0.0, -1e-4), (1e-4, -1e-4), (-1e-4, 1e-4)]
    around = [log_likelihood(y, xi + da, beta + db) for da, db in steps]
    assert max(around) <= best


@pytest.mark.parametrize(("shape", "bound"), [(-0.9, 0), (1.4, 1)])
def test_a_shape_beyond_its_range_ends_on_the_bound_with_the_best_scale(shape, bound):
    y = stats.genpareto(shape).rvs(100, random_state=np.random.default_rng(9))
    xi, beta = gpd_fit(y)
    assert xi == SHAPES[bound]
    best = log_likelihood(y, xi, beta)
    assert max(log_likelihood(y, xi, beta * (1 + e)) for e in (-1e-4, 1e-4)) < best


def test_scale_moves_the_scale_only(residuals):
    y = np.sort(residuals)[-100:] - np.sort(residuals)[-101]
    xi, beta = gpd_fit(y)
    assert gpd_fit(1e-5 * y) == pytest.approx((xi, 1e-5 * beta), rel=1e-9)


def test_mcneil_and_freys_formulas(residuals):
    law = TailGPD(0.1).fit(residuals)
    found, n, k = law.params, 1000, 100
    u, xi, beta = found["threshold"], found["xi"], found["beta"]
    assert u == np.sort(residuals)[-101]
    var = u + beta / xi * ((n * 0.01 / k) ** -xi - 1)
    es = var / (1 - xi) + (beta - xi * u) / (1 - xi)
    assert law.ppf(0.99) == pytest.approx(var, rel=1e-12)
    assert law.es(0.99) == pytest.approx(es, rel=1e-12)


@pytest.mark.parametrize("settings", [TailGPD(), TailGPD(0.05), TailGPD(rule="stability")], ids=repr)
def test_measures_are_those_of_the_laws_quantiles(residuals, settings):
    """Quantiles integrated: over the steps of the body one by one, over the tail by quadrature in its logarithm."""
    law = settings.fit(residuals)
    share = law.params["excesses"] / 1000
    grid = (np.arange(round(1000 * (1 - share))) + 0.5) / 1000
    body = law.ppf(grid)

    def mean(f, low=0.0):
        """Of f(quantile, level) over the levels above `low`, in the body a whole number of steps."""
        first = max(0.0, np.log(share / (1 - low)))
        steps = sum(f(q, p) for q, p in zip(body, grid, strict=True) if p > low) / 1000
        tail = share * np.exp(-np.linspace(first, first + 50, 1001))
        q = law.ppf(1 - tail[tail > 1e-12])
        far = [f(a, 1 - b) * b for a, b in zip(q, tail, strict=False)]
        return steps + integrate.simpson(far, dx=0.05)

    assert law.mean() == pytest.approx(mean(lambda q, p: q), abs=1e-6)
    assert law.es(0.8) == pytest.approx(mean(lambda q, p: q, 0.8) / 0.2, rel=1e-6)
    assert law.es(0.995) == pytest.approx(mean(lambda q, p: q, 0.995) / 0.005, rel=1e-6)
    for tau in (0.3, 0.6, 0.99, 0.99855):
        m = law.expectile(tau)
        assert tau * law.upm(m) == pytest.approx((1 - tau) * law.lpm(m), rel=1e-10)
    for x in (-1.0, 0.5, 2.0):
        assert law.upm(x) == pytest.approx(mean(lambda q, p, x=x: max(q - x, 0.0)), abs=1e-4)  # a bend within a step
        # the CRPS is twice the integral of the quantile score; a step of the body has a line of levels on it
        assert law.crps(x) == pytest.approx(mean(lambda q, p, x=x: 2 * (p - (x <= q)) * (x - q)), abs=2e-4)


def test_below_the_threshold_it_is_the_sample(residuals):
    law = TailGPD().fit(residuals)
    ordered = np.sort(residuals)
    assert law.ppf(0.5) == ordered[499]
    assert law.cdf(ordered[499]) == pytest.approx(0.5)
    assert 0 < law.pit(-100.0) < 1e-3
    assert 1 - 1e-3 < law.pit(1e6) < 1


def test_many_samples_are_each_their_own(residuals):
    laws = TailGPD().each(residuals.reshape(4, 250))
    for i in range(4):
        one = TailGPD().fit(residuals.reshape(4, 250)[i])
        for measure in ("var", "es", "expectile"):
            target = Target(measure, 0.99)
            assert laws.value(target)[i] == one.value(target)
        assert laws.pit(np.full(4, 1.3))[i] == one.pit(1.3)
        assert laws.crps(1.3)[i] == pytest.approx(one.crps(1.3), rel=1e-14)
        assert equal_es_level(laws, 0.99)[i] == pytest.approx(equal_es_level(one, 0.99))
    m = laws.row(0).expectile(0.99)
    assert laws.row(0).es(equal_es_level(laws.row(0), 0.99)) == pytest.approx(m, rel=1e-9)


def test_too_few_excesses_give_nan_and_equal_losses_give_them():
    short = TailGPD().fit(np.random.default_rng(0).normal(size=60))
    assert np.isnan([short.ppf(0.99), short.es(0.99), short.expectile(0.99), short.pit(0.0), short.mean()]).all()
    flat = TailGPD().fit(np.full(200, 0.5))
    assert (flat.ppf(0.99), flat.es(0.99), flat.expectile(0.99)) == pytest.approx((0.5, 0.5, 0.5))


def test_the_rule_of_reiss_and_thomas_is_its_definition(residuals):
    row = np.sort(residuals)
    n, first = row.size, 10
    most = int(0.15 * n)
    hill = np.array([np.mean(np.log(row[n - k :] / row[n - k - 1])) for k in range(1, most + 1)])
    costs = {}
    for k in range(first + 10, most + 1):
        some = hill[first - 1 : k]
        costs[k] = np.mean((np.arange(first, k + 1) - first + 1) ** 0.3 * np.abs(some - np.median(some)))
    assert stable_count(row) == min(costs, key=costs.get)
    assert TailGPD(rule="stability").fit(residuals).params["excesses"] == stable_count(row)


def test_threshold_path_has_the_laws_of_its_thresholds(residuals):
    path = threshold_path(residuals, least=80, most=0.12)
    assert path[:, 0].tolist() == list(range(80, 121))
    law = TailGPD(0.1).fit(residuals)
    assert path[20] == pytest.approx(
        [100, law.params["threshold"], law.params["xi"], (1 + law.params["xi"]) / 10, law.ppf(0.99)]
    )


def test_a_shape_on_its_bound_has_no_error():
    """A tail that ends abruptly."""
    path = threshold_path(np.linspace(0.0, 1.0, 400) ** 0.3, least=40, most=0.12)
    assert (path[:, 2] == SHAPES[0]).any()
    np.testing.assert_array_equal(np.isnan(path[:, 3]), path[:, 2] == SHAPES[0])


@pytest.mark.parametrize("share", [0.0, 0.5, False])
def test_a_share_outside_its_range(share):
    with pytest.raises(ConfigError, match=r"share must lie in \(0, 0.5\), got"):
        TailGPD(share)


def test_an_unknown_rule():
    with pytest.raises(ConfigError, match="rule must be 'share' or 'stability', got 'hill'"):
        TailGPD(rule="hill")


def test_a_low_expectile_may_lie_beyond_the_threshold():
    z = np.concatenate([-np.linspace(0.1, 0.5, 55), np.linspace(0.0, 6.0, 45) ** 3])
    law = TailGPD(0.45).fit(z)
    for tau in (0.2, 0.3, 0.4):
        m = law.expectile(tau)
        assert m > law.params["threshold"]
        assert tau * law.upm(m) == pytest.approx((1 - tau) * law.lpm(m), rel=1e-9)
