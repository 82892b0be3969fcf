"""Cornish-Fisher against quadrature of its quantiles, Maillard's domain and the reference's figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special

from riskcore import ConfigError, Normal, StudentT
from riskcore.distributions import CornishFisher, SampleLaw
from riskcore.distributions.cornish_fisher import CornishFisherLaw, monotone_range
from riskcore.kernels.cornish_fisher import LARGEST_SKEW, solve


def law_of(s, k, centre=0.0, spread=1.0):
    arrays = (np.array([x]) for x in (centre, spread, s, k))
    return CornishFisherLaw(*arrays, clipped=np.array([False]), single=True)


LEVELS = special.ndtr(np.linspace(-8.0, 8.0, 1601))
WEIGHTS = np.exp(-0.5 * np.linspace(-8.0, 8.0, 1601) ** 2) / math.sqrt(2 * math.pi)


def mean(law, f, low=0.0):
    """Of f(quantiles, levels) over the levels from `low`, over the normal variable behind the law."""
    first = np.searchsorted(LEVELS, low)
    q = np.array(law.ppf(LEVELS[first:]))
    return integrate.simpson(f(q, LEVELS[first:]) * WEIGHTS[first:], dx=1e-2)


@pytest.mark.parametrize(("s", "low", "high"), [(0.0, 0.0, 8.0), (1.0, 1.57, 8.88)])
def test_the_domain_is_maillards(s, low, high):
    assert [float(x) for x in monotone_range(s)] == pytest.approx([low, high], abs=0.005)


def test_no_kurtosis_serves_beyond_the_largest_skewness():
    assert pytest.approx(2.485, abs=5e-4) == LARGEST_SKEW
    assert np.isnan(monotone_range(LARGEST_SKEW * 1.0001)).all()
    low, high = monotone_range(LARGEST_SKEW * (1 - 1e-9))
    assert low == pytest.approx(high, rel=1e-3)


@pytest.mark.parametrize("s", [0.0, 0.7, -1.6, 2.4])
def test_inside_the_domain_the_polynomial_rises_and_at_its_edge_it_just_does(s):
    low, high = (float(x) for x in monotone_range(s))
    z = np.linspace(-60, 60, 200_001)
    for k in {low, high} - {0.0}:  # at s = k = 0 stands the normal law
        assert law_of(s, k)._slope(z).min() == pytest.approx(0.0, abs=1e-5)
    assert law_of(s, low - 0.01)._slope(z).min() < 0 or low == 0.0
    assert law_of(s, high + 0.01)._slope(z).min() < 0


def test_the_references_figures_for_the_kurtosis_of_t5():
    """formulas.md, section 2: raw moments give VaR .99 of 3.73 for 2.61; solved ones k = 2.53 and 2.82."""
    s, k, clipped = np.empty(1), np.empty(1), np.empty(1, dtype=bool)
    solve(np.array([0.0]), np.array([6.0]), s, k, clipped)
    assert (s[0], k[0], clipped[0]) == (pytest.approx(0.0, abs=1e-9), pytest.approx(2.53, abs=0.005), False)
    assert law_of(0.0, k[0]).ppf(0.99) == pytest.approx(2.82, abs=0.005)
    raw = 2.326348 + 6.0 * (2.326348**3 - 3 * 2.326348) / 24.0
    assert raw == pytest.approx(3.73, abs=0.005)
    assert StudentT(5).ppf(0.99) == pytest.approx(2.61, abs=0.005)


@pytest.mark.parametrize(("s", "k"), [(0.0, 0.0), (0.5, 2.0), (-0.8, 3.0), (1.0, 1.7)])
def test_measures_are_those_of_the_laws_quantiles(s, k):
    law = law_of(s, k, centre=0.1, spread=2.0)
    assert mean(law, lambda q, p: q) == pytest.approx(0.1, abs=1e-9)
    assert mean(law, lambda q, p: (q - 0.1) ** 2) == pytest.approx(4.0, rel=1e-8)
    level = float(LEVELS[1000])
    assert law.es(level) == pytest.approx(mean(law, lambda q, p: q, level) / (1 - level), rel=1e-8)
    for x in (-1.0, 0.3, 5.0):
        assert law.upm(x) == pytest.approx(mean(law, lambda q, p, x=x: np.maximum(q - x, 0.0)), abs=3e-5)  # a bend
        assert law.ppf(law.cdf(x)) == pytest.approx(x, rel=1e-9)
        density = (law.cdf(x + 1e-5) - law.cdf(x - 1e-5)) / 2e-5
        assert law.logpdf(x) == pytest.approx(math.log(density), rel=1e-6)
        # the CRPS is twice the integral of the quantile score
        assert law.crps(x) == pytest.approx(mean(law, lambda q, p, x=x: 2 * (p - (x <= q)) * (x - q)), rel=1e-4)
    for tau in (0.2, 0.5, 0.99, 0.99855):
        m = law.expectile(tau)
        assert tau * law.upm(m) == pytest.approx((1 - tau) * law.lpm(m), rel=1e-9)


def test_without_skewness_and_kurtosis_it_is_the_normal_law():
    law = law_of(0.0, 0.0)
    for ask in ("ppf", "es", "expectile"):
        assert getattr(law, ask)(0.99855) == pytest.approx(getattr(Normal(), ask)(0.99855), rel=1e-12)


def test_the_law_has_the_samples_moments():
    z = np.array(law_of(0.5, 2.0).ppf((np.arange(1000) + 0.5) / 1000))
    law, sample = CornishFisher().fit(z), SampleLaw.of(z)
    assert law.params["clipped"] == 0.0
    assert law.mean() == pytest.approx(sample.mean())
    for power in (2, 3, 4):
        want = np.mean((z - z.mean()) ** power)
        assert mean(law, lambda q, _, n=power: (q - law.mean()) ** n) == pytest.approx(want, rel=1e-6)


def test_moments_out_of_reach_end_on_the_edge_and_say_so():
    z = np.append(np.random.default_rng(3).normal(size=1000), [40.0])
    law = CornishFisher().fit(z)
    assert law.params["clipped"] == 1.0
    low, high = monotone_range(law.skew)
    assert min(abs(law.kurtosis - low), abs(law.kurtosis - high))[0] < 1e-6
    plain = CornishFisher("plain").fit(z)
    assert plain.params["clipped"] == 1.0
    assert np.isfinite([plain.ppf(0.99), law.ppf(0.99), plain.expectile(0.99)]).all()


def test_many_samples_are_each_their_own():
    samples = np.random.default_rng(4).standard_t(6, (5, 300))
    laws = CornishFisher().each(samples)
    for i in range(5):
        one = CornishFisher().fit(samples[i])
        assert laws.expectile(0.99)[i] == pytest.approx(one.expectile(0.99), rel=1e-13)
        assert laws.pit(1.0)[i] == pytest.approx(one.pit(1.0), rel=1e-13)
    flat = CornishFisher().fit(np.full(50, 0.25))
    assert (flat.ppf(0.99), flat.es(0.99), flat.expectile(0.9)) == pytest.approx((0.25, 0.25, 0.25))


def test_an_unknown_matching():
    with pytest.raises(ConfigError, match="matching must be 'moments' or 'plain', got 'raw'"):
        CornishFisher("raw")
