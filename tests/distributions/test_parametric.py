"""Laws with a formula: published values, closed forms, quadrature and a second implementation."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from arch.univariate import GeneralizedError, SkewStudent, StudentsT
from scipy import integrate, special, stats

from riskcore import Target
from riskcore.distributions import GED, LAWS, Normal, ParametricLaw, SkewT, StudentT
from riskcore.errors import ConfigError, FitError

FITTED: list[ParametricLaw] = [
    Normal(),
    StudentT(2.2),
    StudentT(5),
    StudentT(200),
    GED(0.7),
    GED(1.3),
    GED(4.0),
    SkewT(5, 0.2),
    SkewT(3.1, -0.6),
    SkewT(30, 0.9),
]
ARCH = [
    (StudentT(4.5), StudentsT(), [4.5]),
    (GED(1.3), GeneralizedError(), [1.3]),
    (SkewT(5, 0.2), SkewStudent(), [5, 0.2]),
    (SkewT(3.1, -0.6), SkewStudent(), [3.1, -0.6]),
]
POINTS = np.array([-6.0, -2.0, -0.5, -0.05, 0.0, 0.1, 0.7, 2.5, 8.0])
LEVELS = np.array([1e-6, 0.01, 0.3, 0.5, 0.7, 0.95, 0.975, 0.99, 0.99855, 1 - 1e-9])
each = pytest.mark.parametrize("law", FITTED, ids=repr)


def density(law: ParametricLaw):
    return lambda x: math.exp(law.logpdf(x))


def integral(function, low: float, high: float) -> float:
    """Quadrature in pieces: the laws have a kink or a peak near zero and long tails."""
    cuts = [c for c in (-50.0, -5.0, -1.0, -0.2, 0.0, 0.2, 1.0, 5.0, 50.0) if low < c < high]
    edges = [low, *cuts, high]
    found = [integrate.quad(function, a, b, epsabs=1e-13, epsrel=1e-12, limit=400)[0] for a, b in pairwise(edges)]
    return math.fsum(found)


def test_normal_golden(golden) -> None:
    law, seen = Normal(), 0
    for case in golden("normal_levels").values():
        given, expected, rel = case["input"], case["expected"], case["tolerance"]["rel"]
        if "var" in expected:
            p = given["var_level"]
            np.testing.assert_allclose(law.ppf(p), expected["var"], rtol=rel)
            np.testing.assert_allclose(law.es(p), expected["es"], rtol=rel)
            seen += 1
        elif "expectile" in expected:
            m = law.expectile(given["expectile_level"])
            np.testing.assert_allclose(m, expected["expectile"], rtol=rel)
            np.testing.assert_allclose(law.cdf(m), expected["probability_not_exceeded"], rtol=rel)
            seen += 1
        else:  # asymptotic standard deviation of the sample expectile, by quadrature over this law
            tau = given["expectile_level"]
            m = law.expectile(tau)

            def squared(x: float, tau: float = tau, m: float = m) -> float:
                return (tau if x > m else 1 - tau) ** 2 * (x - m) ** 2 * stats.norm.pdf(x)

            variance = integral(squared, -40.0, m) + integral(squared, m, 40.0)
            slope = tau * law.sf(m) + (1 - tau) * law.cdf(m)
            wanted = expected["asymptotic_sd_of_sqrt_n_error"]
            np.testing.assert_allclose(math.sqrt(variance) / slope, wanted, rtol=rel)
            seen += 1
    assert seen == len(golden("normal_levels"))


def test_student_and_laplace_golden(golden) -> None:
    seen = 0
    for case in golden("student_laplace_levels").values():
        if "expectile_levels" not in case["input"]:
            continue
        law = GED(1.0) if case["input"]["law"] == "laplace" else StudentT(case["input"]["nu"])
        found = law.expectile(case["input"]["expectile_levels"])
        np.testing.assert_allclose(found, case["expected"]["expectile"], rtol=case["tolerance"]["rel"])
        seen += 1
    assert seen == 3


def test_laplace_expectile_by_lambert() -> None:
    for tau in (0.6, 0.9, 0.99, 0.99855):
        u = 2 * tau - 1
        wanted = special.lambertw(u / (1 - u)).real / math.sqrt(2.0)
        np.testing.assert_allclose(GED(1).expectile(tau), wanted, rtol=1e-13)


def test_kusuoka(golden) -> None:
    case = golden("kusuoka_normal")["level_0.99"]
    beta, law = case["input"]["beta"], Normal()
    g = np.linspace(1 / beta, 1, 200_001)[1:-1]
    mixture = (1 - g) * law.es((beta - 1 / g) / (beta - 1))
    best = int(np.argmax(mixture))
    assert mixture[best] == pytest.approx(case["expected"]["maximum"], abs=case["tolerance"]["abs_maximum"])
    assert g[best] == pytest.approx(case["expected"]["argmax_g"], abs=case["tolerance"]["abs_argmax"])
    level = case["input"]["expectile_level"]
    assert law.expectile(level) == pytest.approx(case["expected"]["expectile"], abs=case["tolerance"]["abs_maximum"])


@pytest.mark.parametrize(("law", "other", "params"), ARCH, ids=[repr(law) for law, _, _ in ARCH])
def test_arch_says_the_same(law, other, params) -> None:
    p = np.array([0.001, 0.01, 0.3, 0.6, 0.99, 0.999])
    np.testing.assert_allclose(law.cdf(POINTS), other.cdf(POINTS, params), rtol=0, atol=1e-14)
    np.testing.assert_allclose(law.ppf(p), other.ppf(p, params), rtol=1e-12)
    partial = [x * other.cdf(np.array([x]), params)[0] - other.partial_moment(1, x, params) for x in POINTS]
    np.testing.assert_allclose(law.lpm(POINTS), partial, rtol=0, atol=1e-14)
    log_density = other.loglikelihood(np.array(params), POINTS, np.ones(POINTS.size), individual=True)
    np.testing.assert_allclose(law.logpdf(POINTS), log_density, rtol=1e-13)


# Where the third moment is infinite the quadrature of the second does not settle.
@pytest.mark.parametrize("law", [x for x in FITTED if x.params.get("nu", 9.0) > 3.0], ids=repr)
def test_mean_zero_variance_one(law) -> None:
    f = density(law)
    for power, wanted in ((0, 1.0), (1, 0.0), (2, 1.0)):
        found = integral(lambda x, k=power: x**k * f(x), -np.inf, np.inf)
        assert found == pytest.approx(wanted, abs=1e-7)


@each
def test_functions_agree_with_the_density(law) -> None:
    f = density(law)
    for x in POINTS:
        assert law.cdf(x) == pytest.approx(integral(f, -np.inf, x), abs=1e-10)
        assert law.sf(x) == pytest.approx(integral(f, x, np.inf), abs=1e-10)
        assert law.lpm(x) == pytest.approx(integral(lambda z, x=x: (x - z) * f(z), -np.inf, x), abs=1e-7)
        assert law.upm(x) == pytest.approx(integral(lambda z, x=x: (z - x) * f(z), x, np.inf), abs=1e-7)
    np.testing.assert_allclose(law.cdf(POINTS) + law.sf(POINTS), 1.0, rtol=1e-14)
    np.testing.assert_allclose(law.lpm(POINTS) - law.upm(POINTS), POINTS, atol=1e-13)
    assert law.mean() == 0.0


@each
def test_quantile_es_expectile_solve_their_equations(law) -> None:
    q = law.ppf(LEVELS)
    np.testing.assert_allclose(np.where(q < 0, law.cdf(q), law.sf(q)), np.where(q < 0, LEVELS, 1 - LEVELS), rtol=1e-11)
    m = law.expectile(LEVELS)
    up, down = law.upm(m), law.lpm(m)
    np.testing.assert_allclose(down / (up + down), LEVELS, rtol=1e-12)
    np.testing.assert_allclose(up / (up + down), 1 - LEVELS, rtol=1e-12)
    for p in (0.3, 0.9, 0.975, 0.99):
        mean_above = integral(lambda u: law.ppf(u), p, 1 - 1e-4) + 1e-4 * law.es(1 - 1e-4)
        assert law.es(p) == pytest.approx(mean_above / (1 - p), rel=1e-8)
    for found in (q, m, law.es(LEVELS)):
        assert np.all(np.diff(found) > 0)
    assert np.all(law.es(LEVELS) >= q)
    assert law.expectile(0.5) == pytest.approx(0.0, abs=1e-15)


@each
def test_crps_is_the_integral_of_its_definition(law) -> None:
    for x in (-2.0, 0.0, 0.3, 3.0):
        below = integral(lambda z: law.cdf(z) ** 2, -np.inf, x)
        above = integral(lambda z: law.sf(z) ** 2, x, np.inf)
        assert law.crps(x) == pytest.approx(below + above, rel=1e-7)
    assert np.all(law.crps(POINTS) > 0)


def test_crps_closed_forms() -> None:
    z = POINTS
    normal = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / math.sqrt(math.pi)
    np.testing.assert_allclose(Normal().crps(z), normal, rtol=1e-12)
    nu = 5.0
    scale = math.sqrt((nu - 2) / nu)
    r = z / scale  # Jordan, Krueger and Lerch (2019), the raw t law
    raw = (
        r * (2 * stats.t.cdf(r, nu) - 1)
        + 2 * stats.t.pdf(r, nu) * (nu + r**2) / (nu - 1)
        - 2 * math.sqrt(nu) / (nu - 1) * special.beta(0.5, nu - 0.5) / special.beta(0.5, nu / 2) ** 2
    )
    np.testing.assert_allclose(StudentT(nu).crps(z), scale * raw, rtol=1e-12)
    b = 1 / math.sqrt(2)  # Laplace of variance 1
    laplace = np.abs(z) + b * np.exp(-np.abs(z) / b) - 0.75 * b
    np.testing.assert_allclose(GED(1).crps(z), laplace, rtol=1e-12)


def test_limits_and_mirrors() -> None:
    for name in ("cdf", "lpm", "upm", "logpdf", "crps"):
        ask = {law: getattr(law, name)(POINTS) for law in (Normal(), GED(2), StudentT(9e5), StudentT(5), SkewT(5, 0.0))}
        np.testing.assert_allclose(ask[GED(2)], ask[Normal()], rtol=1e-12)
        np.testing.assert_allclose(ask[StudentT(9e5)], ask[Normal()], rtol=1e-2)
        np.testing.assert_allclose(ask[SkewT(5, 0.0)], ask[StudentT(5)], rtol=1e-12)
    law, mirrored = SkewT(5, 0.3), SkewT(5, -0.3)
    np.testing.assert_allclose(law.lpm(POINTS), mirrored.upm(-POINTS), rtol=1e-12)
    np.testing.assert_allclose(law.expectile(LEVELS[1:-2]), -mirrored.expectile(1 - LEVELS[1:-2]), rtol=1e-11)
    assert law.ppf(0.99) > StudentT(5).ppf(0.99) > mirrored.ppf(0.99)  # positive: a long tail of large losses


def test_far_tail_keeps_its_digits() -> None:
    law = Normal()
    # E(Z - x)+ of the normal law, by its asymptotic series and Mills' ratio: phi(x)/x^2 (1 - 3/x^2 + 15/x^4 - ...).
    for x in (15.0, 30.0):
        series = sum((-1) ** k * math.prod(range(1, 2 * k + 2, 2)) / x ** (2 * k) for k in range(7))
        assert law.upm(x) == pytest.approx(stats.norm.pdf(x) / x**2 * series, rel=1e-8)
    t = StudentT(3)
    assert t.upm(1e6) * 1e12 == pytest.approx(t.upm(1e5) * 1e10, rel=1e-6)


@each
def test_scalars_give_floats_and_arrays_arrays(law) -> None:
    for name, x in (("cdf", 0.3), ("sf", 0.3), ("ppf", 0.3), ("es", 0.9), ("expectile", 0.9), ("lpm", 1), ("upm", 1),
                    ("logpdf", 0.5), ("pit", 0.2), ("crps", 0.1)):  # fmt: skip
        ask = getattr(law, name)
        assert type(ask(x)) is float
        found = ask([[x, x]])
        assert found.shape == (1, 2)
        assert found[0, 1] == ask(x)
    assert law.value(Target("var", 0.99)) == law.ppf(0.99)
    assert law.value(Target("es", 0.99)) == law.es(0.99)
    assert law.value(Target("expectile", 0.99)) == law.expectile(0.99)
    assert math.isnan(law.cdf(math.nan))
    assert math.isnan(law.crps(math.nan))


def test_bad_levels_and_parameters() -> None:
    for name in ("ppf", "es", "expectile"):
        for bad in (0.0, 1.0, -1, 99, math.nan):
            with pytest.raises(ConfigError, match=r"must lie in \(0, 1\), got "):
                getattr(Normal(), name)([0.5, bad])
    for make in (lambda: StudentT(2), lambda: StudentT(math.nan), lambda: StudentT("5"), lambda: SkewT(True)):
        with pytest.raises(ConfigError, match=r"nu must lie in \(2, 1e\+06\), got "):
            make()
    with pytest.raises(ConfigError, match=r"skew must lie in \(-1, 1\), got 1"):
        SkewT(5, 1)
    with pytest.raises(ConfigError, match=r"shape must lie in \(0.1, 100\), got 0"):
        GED(0)
    assert repr(StudentT(4)) == repr(StudentT(4.0)) == "StudentT(nu=4.0)"


def test_a_law_with_free_parameters_says_what_to_do() -> None:
    for law in (StudentT(), SkewT(nu=5), GED()):
        for name in ("cdf", "sf", "ppf", "es", "expectile", "lpm", "upm", "logpdf", "pit", "crps"):
            with pytest.raises(
                ConfigError, match=rf"before {'cdf' if name == 'pit' else name} is asked, got None; write"
            ):
                getattr(law, name)(0.9)
    with pytest.raises(ConfigError, match=r"write StudentT\(nu=6\) or call fit\(z\)"):
        StudentT().value(Target("var", 0.99))
    assert SkewT(nu=5).free == ("skew",)
    assert SkewT(nu=5).params == {"nu": 5.0}


@pytest.mark.parametrize("law", [StudentT(), GED(), SkewT(), SkewT(nu=5), SkewT(skew=0.1)], ids=repr)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fit_beats_its_neighbours_and_ignores_order(law, seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = SkewT(5, 0.15).ppf(rng.random(800))
    found = law.fit(z)
    assert found.free == ()
    assert type(found) is type(law)
    best = found.logpdf(z).mean()
    for name in law.free:
        for factor in (0.8, 0.98, 1.02, 1.25):
            other = type(law)(**{**found.params, name: found.params[name] * factor})
            assert other.logpdf(z).mean() < best
    again = law.fit(rng.permutation(z))
    for name, value in found.params.items():
        assert again.params[name] == pytest.approx(value, rel=1e-6)
    assert found.fit(z) is found


@pytest.mark.parametrize("law", [StudentT(), GED(), SkewT()], ids=repr)
def test_fit_finds_the_global_optimum(law) -> None:
    from scipy.optimize import differential_evolution

    rng = np.random.default_rng(4)
    for z in (rng.standard_t(3, 400) / math.sqrt(3), rng.standard_normal(300), rng.laplace(size=300) / math.sqrt(2)):
        names = list(law.bounds)
        searched = differential_evolution(
            lambda x, names=names, z=z: -type(law)(**dict(zip(names, x, strict=True))).logpdf(z).mean(),
            bounds=[law.bounds[n] for n in names], rng=0, tol=1e-10,
        )  # fmt: skip
        assert law.fit(z).logpdf(z).mean() >= -searched.fun - 1e-9


def test_fit_gives_the_truth_from_many_losses_and_the_bound_from_normal_ones() -> None:
    rng = np.random.default_rng(5)
    found = SkewT().fit(SkewT(6, 0.2).ppf(rng.random(50_000)))
    assert found.params["nu"] == pytest.approx(6.0, rel=0.05)
    assert found.params["skew"] == pytest.approx(0.2, abs=0.02)
    grid = special.ndtri((np.arange(500) + 0.5) / 500)
    assert StudentT().fit(grid) == StudentT(500.0)
    assert GED().fit(special.ndtri((np.arange(5000) + 0.5) / 5000)).shape == pytest.approx(2.0, abs=0.02)


def test_fit_refuses_what_it_cannot_use() -> None:
    with pytest.raises(FitError, match="z must vary, got equal entries"):
        StudentT().fit(np.zeros(10))
    with pytest.raises(FitError, match="z must be finite, got 1 entries that are not"):
        GED().fit([1.0, math.nan])
    with pytest.raises(FitError, match="z must have at least 2 entries, got 1"):
        GED().fit([1.0])
    with pytest.raises(ConfigError, match="z must have one dimension"):
        GED().fit(np.ones((2, 2)))


def test_registry() -> None:
    assert [law.short for law in LAWS.values()] == [
        "normal", "t", "skewt", "ged", "fhs", "age-weighted", "hull-white", "cornish-fisher", "tail-gpd",
    ]  # fmt: skip
    assert [law.is_sample for law in LAWS.values()] == [False] * 4 + [True] * 5
    assert [law.free for law in LAWS.values()] == [(), ("nu",), ("nu", "skew"), ("shape",), (), (), (), (), ()]
    z = np.random.default_rng(0).standard_t(6, 300)
    for law in LAWS.values():
        fitted = law.fit(z)
        assert fitted.free == ()
        assert fitted.expectile(0.99) > fitted.expectile(0.9)
        assert fitted.es(0.99) >= fitted.ppf(0.99)
