"""A mixture of laws against scipy's laws by roots and quadrature, and against itself row by row."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from riskcore import Target
from riskcore.defaults import TAIL_LEVELS
from riskcore.distributions import GED, Law, Mixture, Normal, StudentT
from riskcore.errors import ConfigError

LEVELS = (0.01, 0.3, 0.5, 0.9, 0.99, 0.99855)
CASES = {
    "normal": ([0.8, 0.2], [0.1, -0.4], [0.6, 1.9], [Normal(), Normal()]),
    "t": ([0.65, 0.35], [-0.02, 0.05], [0.7, 1.4], [StudentT(4.2), StudentT(8.0)]),
    "three": ([0.5, 0.4, 0.1], [0.0, 0.1, 1.0], [0.3, 1.0, 2.5], [StudentT(6), Normal(), StudentT(3)]),
    "rare": ([0.999, 0.001], [0.0, 0.5], [0.9, 6.0], [Normal(), StudentT(5)]),
}
BOTH = pytest.mark.parametrize("case", CASES)


def scipy_laws(case):
    weights, means, scales, laws = CASES[case]
    found = []
    for mean, scale, law in zip(means, scales, laws, strict=True):
        if isinstance(law, Normal):
            found.append(stats.norm(mean, scale))
        else:
            found.append(stats.t(law.nu, mean, scale * np.sqrt((law.nu - 2) / law.nu)))
    return weights, found


def total(case, function):
    weights, laws = scipy_laws(case)
    return sum(w * function(law) for w, law in zip(weights, laws, strict=True))


def test_the_worked_example():
    """formulas.md: 80 % N(0,1), 20 % N(0,9) at 0.99; the mean of the components' expectiles is 2.40."""
    law = Mixture([0.8, 0.2], [0, 0], [1, 3], [Normal(), Normal()])
    assert round(law.expectile(0.99), 2) == 3.51
    e = Normal().expectile(0.99)
    assert round(0.8 * e + 0.2 * 3 * e, 2) == 2.40


@BOTH
def test_against_scipy(case):
    law = Mixture(*CASES[case])
    assert isinstance(law, Law)
    x = np.linspace(-6, 8, 29)
    np.testing.assert_allclose(law.cdf(x), total(case, lambda c: c.cdf(x)), rtol=1e-12)
    np.testing.assert_allclose(law.sf(x), total(case, lambda c: c.sf(x)), rtol=1e-12)
    np.testing.assert_allclose(law.logpdf(x), np.log(total(case, lambda c: c.pdf(x))), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(law.mean(), total(case, lambda c: c.mean()), rtol=1e-13)
    for level in LEVELS:
        q = optimize.brentq(lambda z, p=level: total(case, lambda c: c.cdf(z)) - p, -60, 60, xtol=1e-13)
        np.testing.assert_allclose(law.ppf(level), q, rtol=1e-9, atol=1e-10)


@BOTH
def test_measures_by_quadrature(case):
    """ES and expectile from integrals of scipy's survival functions, not from partial moments."""
    law = Mixture(*CASES[case])
    mean = total(case, lambda c: c.mean())

    def excess(z):
        """Integral of the survival function above z by a rule in the logarithm of the distance."""
        u = np.linspace(-40.0, 40.0, 4001)
        x = np.exp(u)
        return float(np.sum(total(case, lambda c: c.sf(z + x)) * x) * (u[1] - u[0]))

    for level in (0.9, 0.99):
        np.testing.assert_allclose(law.es(level), law.ppf(level) + excess(law.ppf(level)) / (1 - level), rtol=1e-9)
        m = law.expectile(level)
        u = excess(m)
        np.testing.assert_allclose(u / (2 * u + m - mean), 1 - level, rtol=1e-8)
        np.testing.assert_allclose([law.upm(m), law.upm(m) + m - mean], [u, law.lpm(m)], rtol=1e-9)
    np.testing.assert_allclose(law.expectile(0.5), mean, atol=1e-14)


def squared(function):
    return lambda z: function(z) ** 2


@BOTH
def test_crps_is_the_integral_of_squares(case):
    law = Mixture(*CASES[case])
    for x in (-1.5, 0.2, 4.0):
        low, high = -np.inf, np.inf
        cuts = x + np.array([-60.0, -6.0, -2.0, -0.5, 0.0, 0.5, 2.0, 6.0, 60.0])
        sides = [(law.cdf, a, b) for a, b in itertools.pairwise([low, *cuts[:5]])]
        sides += [(law.sf, a, b) for a, b in itertools.pairwise([*cuts[4:], high])]
        parts = [integrate.quad(squared(f), a, b, epsabs=1e-13, limit=200)[0] for f, a, b in sides]
        np.testing.assert_allclose(law.crps(x), sum(parts), rtol=2e-9)


@pytest.mark.parametrize("law", [Normal(), StudentT(5.0)], ids=repr)
def test_equal_components_are_one_law(law):
    mixture, x = Mixture([0.3, 0.7], [0, 0], [1, 1], [law, law]), np.linspace(-5, 5, 11)
    for name in ("cdf", "sf", "lpm", "upm", "logpdf", "pit"):
        np.testing.assert_allclose(getattr(mixture, name)(x), getattr(law, name)(x), rtol=1e-12)
    np.testing.assert_allclose(mixture.crps(x), law.crps(x), rtol=1e-8)
    for name in ("ppf", "es", "expectile"):
        np.testing.assert_allclose(getattr(mixture, name)(LEVELS), getattr(law, name)(LEVELS), rtol=1e-10, atol=1e-12)


def rows():
    rng = np.random.default_rng(3)
    p = np.append(rng.random(6), [0.0, 1.0 - 1e-12])
    return Mixture(
        np.column_stack([p, 1 - p]), rng.normal(0, 0.2, (8, 2)), rng.uniform(0.2, 3, (8, 2)), [StudentT(4), StudentT(9)]
    )


def test_rows_answer_as_single_laws():
    law, x = rows(), np.linspace(-3, 3, 8)
    for name in ("cdf", "sf", "lpm", "upm", "logpdf", "pit", "crps"):
        found = getattr(law, name)(x)
        np.testing.assert_allclose(found, [getattr(law.row(i), name)(v) for i, v in enumerate(x)], rtol=1e-13)
    for name in ("ppf", "es", "expectile"):
        one, many = getattr(law, name)(0.975), getattr(law, name)(TAIL_LEVELS)
        assert one.shape == (8,)
        assert many.shape == (8, len(TAIL_LEVELS))
        np.testing.assert_allclose(one, many[:, TAIL_LEVELS.index(0.975)], rtol=1e-13)
        np.testing.assert_allclose(many, [getattr(law.row(i), name)(TAIL_LEVELS) for i in range(8)], rtol=1e-12)
    np.testing.assert_array_equal(law.value(Target("var", 0.99)), law.ppf(0.99))


def test_a_row_does_not_depend_on_its_neighbours():
    law, x = rows(), np.linspace(-3, 3, 8)
    weights, means, scales = law.weights.copy(), law.means.copy(), law.scales.copy()
    scales[5:], means[5:] = 1e-3, np.nan
    other = Mixture(weights, means, scales, law.laws)
    for a, b in [(law.crps(x), other.crps(x)), (law.ppf(TAIL_LEVELS), other.ppf(TAIL_LEVELS)),
                 (law.expectile([0.9, 0.99]), other.expectile([0.9, 0.99]))]:  # fmt: skip
        np.testing.assert_array_equal(a[:5], b[:5])
        assert np.isnan(b[5:]).all()


def test_parameters_and_words():
    law = Mixture([0.8, 0.2], [0, 0.5], [1, 3], [Normal(), StudentT(5)])
    assert law.params["nu2"] == 5.0
    assert law.params["weight1"] == 0.8
    assert law.fit([1.0]) is law
    assert law.free == ()
    assert repr(law) == "Mixture(Normal(), StudentT(nu=5.0))"
    assert repr(rows().take(slice(0, 3))).endswith("3 rows)")


def test_errors():
    with pytest.raises(ConfigError, match=r"weights must be at least 0 and sum to 1"):
        Mixture([0.8, 0.3], [0, 0], [1, 3], [Normal(), Normal()])
    with pytest.raises(ConfigError, match=r"scales must be positive, got \[0.0\]"):
        Mixture([0.8, 0.2], [0, 0], [1, 0], [Normal(), Normal()])
    with pytest.raises(ConfigError, match=r"with K = 2 laws, got \(2,\), \(1,\) and \(2,\)"):
        Mixture([0.8, 0.2], [0], [1, 3], [Normal(), Normal()])
    with pytest.raises(ConfigError, match=r"laws must have nothing free, got StudentT\(nu=None\)"):
        Mixture([0.8, 0.2], [0, 0], [1, 3], [Normal(), StudentT()])
    with pytest.raises(ConfigError, match=r"laws must be Normal or StudentT, got GED"):
        Mixture([0.8, 0.2], [0, 0], [1, 3], [Normal(), GED(1.3)])
    with pytest.raises(ConfigError, match=r"x must have one entry for each of the 8 rows, got shape \(3,\)"):
        rows().cdf(np.zeros(3))
    with pytest.raises(ConfigError, match=r"level must lie in \(0, 1\), got 1"):
        rows().es(1)
