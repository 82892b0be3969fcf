"""Laws of many days: each row is the law of its own parameters; figures at the ends of the range by 50 digits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

import riskcore.distributions as rd
from riskcore import Target, defaults
from riskcore.distributions import (
    GED,
    Law,
    LawRows,
    Normal,
    ParametricLaw,
    SampleLaw,
    SkewT,
    StudentT,
    equal_es_level,
    expectile_level,
    implied_var_level,
    law_rows,
    upper_second_moment,
)
from riskcore.distributions.parametric import log_beta_half
from riskcore.distributions.rows import _curve
from riskcore.errors import ConfigError

RNG = np.random.default_rng(7)
NU = np.concatenate([[2.05, 2.051, 2.2, 8.0, 299.9, 300.0], np.exp(RNG.uniform(np.log(2.05), np.log(300.0), 40))])
SHAPE = np.concatenate([[0.5, 0.501, 1.0, 2.0, 9.99, 10.0], np.exp(RNG.uniform(np.log(0.5), np.log(10.0), 40))])
SKEW = np.concatenate([[-0.99, 0.99, 0.0, 1e-9, -0.5], RNG.uniform(-0.99, 0.99, 41)])
CASES = [
    (StudentT(), {"nu": NU}),
    (StudentT(), {"nu": np.array([400.0, 499.9, 500.0, 500.1, 2.0001, 9e5, 5.0])}),  # some beyond the bounds
    (GED(), {"shape": SHAPE}),
    (GED(), {"shape": np.array([0.11, 0.4999, 10.001, 90.0, 1.4])}),
    (SkewT(), {"nu": NU, "skew": SKEW}),
    (SkewT(nu=5), {"skew": SKEW}),
    (SkewT(skew=-0.3), {"nu": NU}),
]
LEVELS = [*defaults.TAIL_LEVELS, 0.99855, 0.51, 1 - 1e-7]
each = pytest.mark.parametrize(("settings", "params"), CASES, ids=[f"{law!r}-{i}" for i, (law, _) in enumerate(CASES)])
OUTCOMES = ("cdf", "sf", "pit", "lpm", "upm", "logpdf", "crps")
MEASURES = ("ppf", "es", "expectile")


def outcomes(m: int) -> np.ndarray:
    return np.random.default_rng(m).standard_t(3, m)


def alone(settings: ParametricLaw, params: dict[str, np.ndarray]) -> list[ParametricLaw]:
    m = len(next(iter(params.values())))
    return [type(settings)(**{**settings.params, **{n: v[i] for n, v in params.items()}}) for i in range(m)]


@each
def test_each_row_is_its_own_law(settings, params) -> None:
    laws, single = law_rows(settings, params), alone(settings, params)
    z = outcomes(len(single))
    for name in MEASURES:
        found = getattr(laws, name)(LEVELS)
        assert found.shape == (len(single), len(LEVELS))
        # near its zero a measure has the digits of the numbers that it is the difference of
        wanted = np.array([getattr(law, name)(LEVELS) for law in single])
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
        one = getattr(laws, name)(0.975)
        np.testing.assert_array_equal(one, found[:, LEVELS.index(0.975)])
    for name in OUTCOMES:
        for x in (z, np.zeros(len(z)), 20.0 * z):
            wanted = [getattr(law, name)(v) for law, v in zip(single, x, strict=True)]
            np.testing.assert_allclose(getattr(laws, name)(x), wanted, rtol=1e-13, atol=0)
        np.testing.assert_array_equal(getattr(laws, name)(0.7), getattr(laws, name)(np.full(len(z), 0.7)))
    for i in (0, 3):
        assert laws.row(i) == single[i]
    wanted = [upper_second_moment(law) for law in single]
    np.testing.assert_allclose(upper_second_moment(laws), wanted, rtol=1e-14)
    assert laws.value(Target("es", 0.975)) == pytest.approx(laws.es(0.975), rel=0)


@each
def test_no_row_depends_on_another(settings, params) -> None:
    laws = law_rows(settings, params)
    m = len(outcomes(len(next(iter(params.values())))))
    z, repeats = outcomes(m), np.arange(1000) % m
    many = laws.take(repeats)
    picks = [slice(0, 1), slice(1, 4), slice(2, None), np.array([m - 1, 0]), np.arange(m) % 2 == 0]
    for name in MEASURES:
        whole = getattr(laws, name)(LEVELS)
        np.testing.assert_array_equal(getattr(many, name)(LEVELS), whole[repeats])
        for some in picks:
            np.testing.assert_array_equal(getattr(laws.take(some), name)(LEVELS), whole[some])
            np.testing.assert_array_equal(getattr(laws.take(some), name)(0.99855), whole[some, LEVELS.index(0.99855)])
    for name in OUTCOMES:
        whole = getattr(laws, name)(z)
        np.testing.assert_array_equal(getattr(many, name)(z[repeats]), whole[repeats])
        for some in picks:
            np.testing.assert_array_equal(getattr(laws.take(some), name)(z[some]), whole[some])


@each
def test_nan_gives_nan_in_its_row_alone(settings, params) -> None:
    broken = {n: np.where(np.arange(v.size) == 2, np.nan, v) for n, v in params.items()}
    laws, whole = law_rows(settings, broken), law_rows(settings, params)
    z = outcomes(len(next(iter(params.values()))))
    z[1] = np.nan
    others = np.arange(z.size) != 2
    for name in MEASURES:
        found = getattr(laws, name)([0.5, 0.99, 0.1])
        assert np.isnan(found[2, 1:]).all()
        np.testing.assert_array_equal(found[others], getattr(whole, name)([0.5, 0.99, 0.1])[others])
    for name in OUTCOMES:
        np.testing.assert_array_equal(np.isnan(getattr(laws, name)(z)), np.isin(np.arange(z.size), [1, 2]))


def test_a_law_with_nothing_free_answers_as_itself() -> None:
    for settings in (Normal(), StudentT(4), GED(1.2), SkewT(5, 0.2)):
        laws, z = law_rows(settings, {}), outcomes(5)
        assert laws.ppf(0.99) == settings.ppf(0.99)
        assert laws.value(Target("expectile", 0.99)) == settings.expectile(0.99)
        np.testing.assert_array_equal(laws.es([0.9, 0.99]), settings.es([0.9, 0.99]))
        np.testing.assert_array_equal(laws.crps(z), settings.crps(z))
        assert laws.row(3) == settings
        assert laws.take(slice(0, 2)).pit(0.5) == settings.pit(0.5)
        assert upper_second_moment(laws) == upper_second_moment(settings)
        assert equal_es_level(laws, 0.99) == equal_es_level(settings, 0.99)
        np.testing.assert_array_equal(expectile_level([0.9, 0.99], laws), expectile_level([0.9, 0.99], settings))
    assert repr(law_rows(Normal(), {})) == "LawRows(Normal())"


def test_it_is_a_law() -> None:
    laws = law_rows(SkewT(nu=5), {"skew": [0.1, 0.2, 0.3]})
    assert isinstance(laws, Law)
    assert isinstance(laws, LawRows)
    assert (laws.is_sample, laws.free, laws.mean(), laws.fit([1.0])) == (False, (), 0.0, laws)
    assert laws.params["nu"] == 5.0
    np.testing.assert_array_equal(laws.params["skew"], [0.1, 0.2, 0.3])
    assert repr(laws) == "LawRows(SkewT(nu=5.0, skew=None), 3 rows)"
    # shapes as for the laws of many samples
    sample = SampleLaw.rolling(outcomes(50), 40, 3)
    for level in (0.9, [0.9], [0.9, 0.95, 0.99, 0.999]):
        for name in MEASURES:
            assert getattr(laws, name)(level).shape == getattr(sample, name)(level).shape


def test_levels_that_match() -> None:
    laws = law_rows(SkewT(), {"nu": [4.0, 9.0, 50.0], "skew": [0.1, -0.3, 0.0]})
    single = [laws.row(i) for i in range(3)]
    for level in (0.99, [0.95, 0.99]):
        for function in (
            lambda law, p=level: expectile_level(p, law),
            lambda law, p=level: implied_var_level(law, p),
            lambda law, p=level: equal_es_level(law, p),
        ):
            np.testing.assert_allclose(function(laws), [function(law) for law in single], rtol=1e-12)


def test_errors() -> None:
    with pytest.raises(
        ConfigError, match=r"params must hold what StudentT\(nu=None\) leaves free, \('nu',\), got \(\)"
    ):
        law_rows(StudentT(), {})
    with pytest.raises(ConfigError, match=r"got \('nu', 'skew'\)"):
        law_rows(StudentT(), {"nu": [4.0], "skew": [0.1]})
    with pytest.raises(ConfigError, match=r"leaves free, \(\), got \('nu',\)"):
        law_rows(StudentT(4), {"nu": [4.0]})
    with pytest.raises(ConfigError, match=r"one dimension and one length, got shapes \[\(2,\), \(1,\)\]"):
        law_rows(SkewT(), {"nu": [4.0, 5.0], "skew": [0.1]})
    with pytest.raises(ConfigError, match=r"one dimension and one length, got shapes \[\(\)\]"):
        law_rows(StudentT(), {"nu": 4.0})
    with pytest.raises(ConfigError, match=r"nu must lie in \(2, 1e\+06\), got 2.0"):
        law_rows(StudentT(), {"nu": [math.nan, 4.0, 2.0]})
    with pytest.raises(ConfigError, match=r"skew must lie in \(-1, 1\), got 1.0"):
        law_rows(SkewT(5), {"skew": [0.5, 1.0]})
    laws = law_rows(StudentT(), {"nu": [4.0, 5.0]})
    with pytest.raises(ConfigError, match=r"x must have one entry for each of the 2 rows, got shape \(3,\)"):
        laws.pit(np.zeros(3))
    with pytest.raises(ConfigError, match=r"p must be a number or a sequence of numbers, got shape \(1, 2\)"):
        laws.ppf([[0.9, 0.99]])
    with pytest.raises(ConfigError, match=r"level must lie in \(0, 1\), got 1.0"):
        laws.es([0.9, 1.0])
    for law in (SampleLaw.of([1.0, 2.0]), rd.Empirical()):
        with pytest.raises(ConfigError, match="law must be parametric, got "):
            upper_second_moment(law)
    with pytest.raises(ConfigError, match="StudentT must have a value of nu before upper_second_moment is asked"):
        upper_second_moment(StudentT())


@pytest.mark.parametrize("kind", [StudentT, GED])
def test_polynomials_serve_all_default_levels(kind) -> None:
    """Else the figures are right and slow."""
    for target in map(Target.parse, defaults.TARGETS):
        measure = {"var": "ppf"}.get(target.measure, target.measure)
        assert _curve(kind, measure, target.level) is not None
    for level in defaults.TAIL_LEVELS:
        assert _curve(kind, "ppf", level) is not None


def test_a_measure_that_is_not_smooth_is_left_to_its_formula() -> None:
    @dataclass(frozen=True)
    class Kinked(StudentT):
        """The quantile turns at nu = 7, or has both signs."""

        def _ppf(self, p):
            return np.abs(self.nu - 7.0) if np.all(p > 0.9) else self.nu - 7.0

    laws = law_rows(Kinked(), {"nu": NU})
    for level, wanted in ((0.99, np.abs(NU - 7.0)), (0.1, NU - 7.0)):
        assert _curve(Kinked, "ppf", level) is None
        np.testing.assert_array_equal(laws.ppf(level), wanted)
    mixed = laws.es([0.95, 0.5])
    for i, nu in enumerate(NU):
        np.testing.assert_allclose(mixed[i], Kinked(nu).es([0.95, 0.5]), rtol=1e-12)


def test_golden_at_the_ends_of_the_ranges(golden) -> None:
    cases = golden("law_extremes")
    assert len(cases) == 30
    for case in cases.values():
        given, expected, rel = case["input"], case["expected"], case["tolerance"]["rel"]
        law: ParametricLaw = getattr(rd, given["law"])(**given["params"])
        for name, wanted in expected.items():
            if name == "upper_second_moment":
                found = [upper_second_moment(law)]
            else:
                found = getattr(law, name)(given["levels"] if name in MEASURES else given["points"])
            small = np.abs(wanted) < 1e-290  # under the range of the numbers
            # where next to nothing is left of a thin tail, two to three digits cancel
            rtol = np.where(np.abs(wanted) < 1e-30, 1e-10, rel)
            # around a zero: absolute, in units of the law's standard deviation
            slack = 1e-14 if name in ("ppf", "expectile", "logpdf") else 0.0
            error = np.abs(np.where(small, wanted, found) - wanted)
            assert np.all(error <= rtol * np.abs(wanted) + slack), (case["id"], name, error)


@pytest.mark.parametrize(
    "law", [Normal(), GED(0.11), GED(0.5), GED(10), GED(99), StudentT(2.001), StudentT(9e5), SkewT(2.05, -0.99),
            SkewT(2.05, 0.99), SkewT(300, -0.99), SkewT(300, 0.99)], ids=repr,
)  # fmt: skip
def test_expectiles_solve_their_equation_at_any_level(law) -> None:
    tail = 10.0 ** -np.arange(0.4, 13.0, 0.7)
    for tau in (1.0 - tail, 0.5 + 0.4 * tail, tail):
        m = law.expectile(tau)
        right = tau > 0.5
        far, near = np.where(right, law.upm(m), law.lpm(m)), np.where(right, law.lpm(m), law.upm(m))
        odds = np.minimum(tau, 1.0 - tau) / np.maximum(tau, 1.0 - tau)
        # relative error of the expectile that explains what is missing: up to 2000 times less where a tail is thin
        slope = 1.0 + np.abs(m) * np.where(right, law.sf(m), law.cdf(m)) / far
        assert np.all(np.abs(np.log(far / near / odds)) <= 1e-13 * slope)
        assert np.all(np.diff(m[np.argsort(tau)]) > 0)


@given(
    nu=st.floats(2.01, 1e5), skew=st.floats(-0.995, 0.995), level=st.floats(1e-6, 1 - 1e-6), x=st.floats(-50.0, 50.0)
)
def test_measures_of_any_skewed_t(nu: float, skew: float, level: float, x: float) -> None:
    laws = law_rows(SkewT(), {"nu": [nu, 5.0], "skew": [skew, 0.1]})
    q, e, m = (float(getattr(laws, name)(level)[0]) for name in MEASURES)
    law = laws.row(0)
    assert min(law.cdf(q), law.sf(q)) == pytest.approx(min(level, 1 - level), rel=1e-9)
    assert e >= q
    assert level * law.upm(m) == pytest.approx((1 - level) * law.lpm(m), rel=1e-9, abs=1e-15)
    assert 0.0 < law.crps(x) <= abs(x) + 1.0
    mirrored = SkewT(nu, -skew)
    assert law.upm(x) == pytest.approx(mirrored.lpm(-x), rel=1e-12, abs=1e-300)
    assert mirrored.expectile(1 - level) == pytest.approx(-m, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("law", [SkewT(2.6, 0.4), SkewT(5, 0.2), SkewT(5, -0.2), SkewT(100, -0.97)], ids=repr)
def test_upper_second_moment_by_quadrature(law) -> None:
    # 2 times the integral of U; its kink where the mode lies is far left of zero or near it
    found = sum(
        integrate.quad(law.upm, a, b, epsabs=1e-13, epsrel=1e-12, limit=400)[0]
        for a, b in ((0.0, 0.1), (0.1, 0.5), (0.5, 2.0), (2.0, 20.0), (20.0, np.inf))
    )
    assert upper_second_moment(law) == pytest.approx(2.0 * found, rel=1e-6)
    total = upper_second_moment(law) + upper_second_moment(SkewT(law.nu, -law.skew))
    assert total == pytest.approx(1.0, rel=1e-14)


def test_log_beta_half() -> None:
    # B(a, 1/2) = B(a + 1, 1/2) (a + 1/2) / a, and the values at 1 (2), 2 (4/3) and 1/2 (pi)
    np.testing.assert_allclose(np.exp(log_beta_half(np.array([1.0, 2.0, 0.5]))), [2.0, 4 / 3, math.pi], rtol=1e-14)
    a = np.concatenate([np.linspace(1.0, 30.0, 500), 10.0 ** np.arange(2, 7)])
    np.testing.assert_allclose(log_beta_half(a) - log_beta_half(a + 1.0), np.log1p(0.5 / a), rtol=0, atol=4e-15)
