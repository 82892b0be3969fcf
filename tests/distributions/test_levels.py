"""Matching of levels between VaR, ES and expectile."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

import riskcore.measures as rm
from riskcore.distributions import (
    GED,
    AgeWeighted,
    Empirical,
    Normal,
    SampleLaw,
    SkewT,
    StudentT,
    equal_es_level,
    expectile_level,
    implied_var_level,
    matched_expectile_level,
)
from riskcore.errors import ConfigError, DataError

Z = np.random.default_rng(31).standard_t(4, 400)
LAWS = [Normal(), StudentT(3), StudentT(8), GED(1.2), SkewT(5, 0.3), SampleLaw.of(Z), AgeWeighted().fit(Z)]
each = pytest.mark.parametrize("law", LAWS, ids=repr)


def test_normal_golden(golden) -> None:
    cases = [c for c in golden("normal_levels").values() if "matched_expectile_tail" in c["expected"]]
    assert len(cases) == 6
    for case in cases:
        rel, p = case["tolerance"]["rel"], case["input"]["var_level"]
        found = expectile_level(p)
        np.testing.assert_allclose(found, case["expected"]["matched_expectile_level"], rtol=rel)
        np.testing.assert_allclose(1 - found, case["expected"]["matched_expectile_tail"], rtol=rel)
        np.testing.assert_allclose(implied_var_level(Normal(), found), p, rtol=1e-11)


def test_student_golden(golden) -> None:
    cases = [c for c in golden("student_laplace_levels").values() if "matched_expectile_tail" in c["expected"]]
    assert len(cases) == 4
    for case in cases:
        found = 1 - expectile_level(case["input"]["var_levels"], StudentT(case["input"]["nu"]))
        np.testing.assert_allclose(found, case["expected"]["matched_expectile_tail"], rtol=case["tolerance"]["rel"])


@each
def test_matched_levels_give_equal_values(law) -> None:
    for p in (0.05, 0.4, 0.6, 0.95, 0.99):
        tau = expectile_level(p, law)
        assert law.expectile(tau) == pytest.approx(law.ppf(p), rel=1e-9, abs=1e-12)
    many = expectile_level([0.95, 0.99], law)
    assert many.shape == (2,)
    assert many[1] == expectile_level(0.99, law)
    assert type(expectile_level(0.99, law)) is float


@each
def test_implied_and_equal_levels(law) -> None:
    for tau in (0.6, 0.9, 0.99, 0.99855):
        m = law.expectile(tau)
        assert implied_var_level(law, tau) == law.cdf(m)
        assert law.es(equal_es_level(law, tau)) == pytest.approx(m, rel=1e-9)
    assert equal_es_level(law, [0.9, 0.99]).shape == (2,)
    near_mean = equal_es_level(law, 0.500001)
    assert 0 < near_mean < 1e-3


def test_the_printed_shares_of_exceedance() -> None:
    shares = [100 * (1 - implied_var_level(StudentT(nu), 0.99855)) for nu in (10, 6, 5, 4, 3)]
    np.testing.assert_allclose(shares, [0.71, 0.55, 0.48, 0.39, 0.28], atol=0.005)


def test_sample_matching() -> None:
    tau = matched_expectile_level(Z, 0.95)
    v = rm.value_at_risk(Z, 0.95)
    assert 1 - tau == pytest.approx(np.maximum(Z - v, 0).mean() / np.abs(Z - v).mean(), rel=1e-12)
    assert rm.expectile(Z, tau) == pytest.approx(v, rel=1e-12)
    with pytest.raises(ConfigError, match=r"var_level must leave losses on both sides of its VaR, got 0\.999"):
        matched_expectile_level(Z, 0.999)
    with pytest.raises(DataError, match="sample must be finite"):
        matched_expectile_level([1.0, math.nan], 0.9)


def test_laws_of_several_samples() -> None:
    many = SampleLaw.rolling(Z, 300, 4)
    alone = [SampleLaw.of(Z[i : i + 300]) for i in range(97, 101)]
    for function in (
        lambda law: expectile_level(0.95, law),
        lambda law: implied_var_level(law, 0.99),
        lambda law: equal_es_level(law, 0.99),
    ):
        np.testing.assert_allclose(function(many), [function(law) for law in alone], rtol=1e-13)
    for function in (
        lambda law: expectile_level([0.9, 0.95], law),
        lambda law: implied_var_level(law, [0.9, 0.99]),
        lambda law: equal_es_level(law, [0.9, 0.99]),
    ):
        np.testing.assert_allclose(function(many), [function(law) for law in alone], rtol=1e-13)
    weighted = SampleLaw.rolling(Z, 300, 4, decay=0.98)
    np.testing.assert_allclose(
        weighted.es(0.9)[0], rm.expected_shortfall(Z[97:397], 0.9, weights=0.98 ** np.arange(299.0, -1, -1)), rtol=1e-13
    )
    assert equal_es_level(weighted, 0.99).shape == (4,)


def test_errors() -> None:
    with pytest.raises(ConfigError, match=r"StudentT must have a value of nu before ppf is asked"):
        expectile_level(0.99, StudentT())
    with pytest.raises(ConfigError, match="Empirical must have a sample"):
        expectile_level(0.99, Empirical())
    with pytest.raises(ConfigError, match=r"level must lie in \(0.5, 1\), got 0.5"):
        equal_es_level(Normal(), 0.5)
    with pytest.raises(ConfigError, match=r"p must lie in \(0, 1\), got 1.0"):
        expectile_level(1.0)


def test_heavy_modules_are_left_alone() -> None:
    code = (
        "import sys, riskcore.distributions, riskcore.scores, riskcore.measures\n"
        "print([m for m in ('scipy.stats', 'scipy.optimize', 'arch', 'pandas', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
