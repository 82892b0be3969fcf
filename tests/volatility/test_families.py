"""APARCH, FIGARCH, component GARCH, Beta-t-EGARCH and RiskMetrics 2006 against `arch`, closed forms and simulation."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate

from riskcore import AR1, GED, ConstantMean, Empirical, LocationScale, Normal, SkewT, Status, StudentT, ZeroMean
from riskcore.errors import ConfigError, FitError
from riskcore.kernels import families as kernel
from riskcore.kernels.variance import gjr_variance
from riskcore.volatility import APARCH, FIGARCH, BetaTEGARCH, ComponentGARCH, RiskMetrics2006
from riskcore.volatility.estimation import Estimation
from riskcore.volatility.powers import absolute_moments

FAMILIES = {"aparch": APARCH(), "figarch": FIGARCH(), "component": ComponentGARCH(), "beta-t-egarch": BetaTEGARCH()}
LAWS = {"normal": Normal(), "t": StudentT(), "skewt": SkewT(), "ged": GED()}
POINTS = {
    "aparch": {"omega": 0.05, "alpha": 0.08, "gamma": 0.4, "beta": 0.88, "delta": 1.3},
    "figarch": {"omega": 0.03, "varphi": 0.2, "d": 0.45, "beta": 0.55},
    "component": {"omega": 0.01, "alpha": 0.06, "beta": 0.85, "rho": 0.99, "varphi": 0.03},
    "beta-t-egarch": {"omega": -0.2, "varphi": 0.97, "kappa": 0.05, "kappa2": 0.03},
}


def drawn(family, params, n_rows, rng, nu=7.0, mu=0.02, burn=500):
    """Losses of a family by its own definition, one day at a time."""
    z = rng.standard_t(nu, n_rows + burn) * np.sqrt((nu - 2) / nu)
    p, out = params, np.empty(z.size)
    if family == "figarch":
        weights = FIGARCH().weights(p)[::-1]
        level = p["omega"] / (1 - p["beta"])
        square = np.full(1000 + z.size, level / (1 - weights.sum()))
        for t in range(z.size):
            out[t] = np.sqrt(level + weights @ square[t : t + 1000]) * z[t]
            square[1000 + t] = out[t] ** 2
        return out[burn:] + mu
    s = q = h = 1.0
    lam = p["omega"]
    for t in range(z.size):
        if family == "aparch":
            out[t] = s ** (1 / p["delta"]) * z[t]
            s = p["omega"] + p["alpha"] * (abs(out[t]) + p["gamma"] * out[t]) ** p["delta"] + p["beta"] * s
        elif family == "component":
            out[t] = np.sqrt(h) * z[t]
            slow = p["omega"] + p["rho"] * q + p["varphi"] * (out[t] ** 2 - h)
            h = slow + p["alpha"] * (out[t] ** 2 - q) + p["beta"] * (h - q)
            q = slow
        else:
            out[t] = np.exp(lam) * np.sqrt(nu / (nu - 2)) * z[t]
            score = (nu + 1) * out[t] ** 2 / (nu * np.exp(2 * lam) + out[t] ** 2) - 1
            lam = p["omega"] + p["varphi"] * (lam - p["omega"]) + p["kappa"] * score
            lam += p["kappa2"] * np.sign(out[t]) * (score + 1)
    return out[burn:] + mu


@pytest.fixture(scope="module")
def losses():
    return drawn("aparch", POINTS["aparch"], 800, np.random.default_rng(5))


def arch_model_of(losses, volatility, mean, distribution):
    import arch.univariate as au

    dist = {"normal": au.Normal, "t": au.StudentsT, "skewt": au.SkewStudent, "ged": au.GeneralizedError}[distribution]()
    options = {"volatility": volatility, "distribution": dist, "rescale": False}
    if mean == "zero":
        return au.ZeroMean(-losses, **options)
    return au.ConstantMean(-losses, **options) if mean == "constant" else au.ARX(-losses, lags=1, **options)


def arch_volatility(name, delta=None):
    import arch.univariate as au

    return {"aparch": lambda: au.APARCH(1, 1, 1, delta=delta), "figarch": au.FIGARCH}[name]()


def arch_fit(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(disp="off", show_warning=False, options={"maxiter": 500})


@pytest.mark.parametrize("family", ["aparch", "figarch"])
@pytest.mark.parametrize("mean", [ZeroMean(), ConstantMean(), AR1()], ids=lambda m: m.short)
def test_path_and_likelihood_equal_arch_at_its_parameters(family, mean, losses):
    """Conditional volatility, the next day's and the likelihood, for minus the losses; the order is arch's."""
    held = [1.5] if family == "aparch" and mean.short == "ar1" else []  # with a free power there is none
    result = arch_fit(arch_model_of(losses, arch_volatility(family, *held), mean.short, "skewt"))
    values, ours = np.asarray(result.params), APARCH(*held) if held else FAMILIES[family]
    values = np.insert(values, -2, held)
    n_mean, n_vol = len(mean.names), len(ours.names)
    fit = replace(
        ours.fit(losses, mean=mean, law=SkewT()),
        mean_params=mean.mirrored(tuple(values[:n_mean])),
        params=dict(zip(ours.names, values[n_mean : n_mean + n_vol], strict=True)),
        law=SkewT(values[-2], -values[-1]),
    )
    mu, sigma = ours.filter(losses, fit)
    hold = mean.hold
    np.testing.assert_allclose(sigma[hold:-1], np.asarray(result.conditional_volatility)[hold:], rtol=1e-12)
    shocks = losses - mu[:-1]
    # arch forecasts from a backcast of its final residuals, not from that of the fit
    again = replace(fit, presample=ours.presample(shocks[hold:]))
    ahead = result.forecast(horizon=1, reindex=False)
    assert ours.filter(losses, again)[1][-1] ** 2 == pytest.approx(float(ahead.variance.iloc[-1, 0]), rel=1e-12)
    likelihood = (fit.law.logpdf(shocks / sigma[:-1]) - np.log(sigma[:-1]))[hold:].sum()
    assert likelihood == pytest.approx(result.loglikelihood, abs=1e-8)


@pytest.mark.parametrize("law", list(LAWS))
@pytest.mark.parametrize("family", ["aparch", "figarch"])
def test_optimum_is_not_below_that_of_arch(family, law, losses):
    for mean in (ZeroMean(), ConstantMean()):
        fit = FAMILIES[family].fit(losses, mean=mean, law=LAWS[law])
        other = arch_fit(arch_model_of(losses, arch_volatility(family), mean.short, law))
        assert fit.log_likelihood >= other.loglikelihood - 1e-4
        assert fit.log_likelihood <= other.loglikelihood + 2.0  # another optimum, but the same likelihood


def test_losses_raise_volatility_more():
    """The leverage of APARCH and Beta-t-EGARCH is positive where losses do, and turns for minus the losses."""
    for name, parameter in (("aparch", "gamma"), ("beta-t-egarch", "kappa2")):
        sample = drawn(name, POINTS[name], 2000, np.random.default_rng(8))
        fit = FAMILIES[name].fit(sample, mean=ConstantMean(), law=StudentT())
        turned = FAMILIES[name].fit(-sample, mean=ConstantMean(), law=StudentT())
        assert fit.params[parameter] > 0.01
        assert turned.params[parameter] == pytest.approx(-fit.params[parameter], rel=1e-4)
        assert turned.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-6)


@pytest.mark.parametrize("mean", [ZeroMean(), ConstantMean(), AR1()], ids=lambda m: m.short)
@pytest.mark.parametrize("family", list(FAMILIES))
def test_gradient_is_that_of_the_differences(family, mean, losses):
    for law in LAWS.values() if family != "beta-t-egarch" else [StudentT(), StudentT(6)]:
        search = Estimation(FAMILIES[family], losses[:150], mean, law)
        points = search.frame.starts[::5].copy()
        points[:, : len(mean.names)] = [0.03, 0.05][: len(mean.names)]
        _, slopes = search.costs(points, slopes=True)
        for i in range(points.shape[1]):
            step = np.zeros(points.shape[1])
            step[i] = 2e-6
            differences = (search.costs(points + step)[0] - search.costs(points - step)[0]) / 4e-6
            np.testing.assert_allclose(slopes[:, i], differences, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("law", list(LAWS))
def test_likelihood_is_that_of_the_law(law, losses):
    """The kernel's sum equals the law's own log density on the filter's volatilities."""
    for name, family in FAMILIES.items():
        if name == "beta-t-egarch" and law != "t":
            continue
        fit = family.fit(losses, mean=ConstantMean(), law=LAWS[law])
        mu, sigma = family.filter(losses, fit)
        want = (fit.law.logpdf((losses - mu[:-1]) / sigma[:-1]) - np.log(sigma[:-1])).sum()
        assert fit.log_likelihood == pytest.approx(want, abs=1e-7)


def test_aparch_of_power_two_is_gjr_and_garch(losses):
    """(|u| + g u)^2 = (1 - g)^2 u^2 for gains, (1 + g)^2 u^2 for losses."""
    p = {"omega": 0.05, "alpha": 0.08, "gamma": 0.4, "beta": 0.85, "delta": 2.0}
    ours = APARCH(2.0).variance(losses, p, 1.3, 0)
    gain, loss = 0.08 * 0.6**2, 0.08 * 1.4**2
    first = gjr_variance(losses, p["omega"], gain, loss - gain, p["beta"], 1.3, 0)
    # arch's start ignores the leverage, so the two paths differ by a start that fades with beta
    gap = (ours[0] - first[0]) * 0.85 ** np.arange(ours.size)
    np.testing.assert_allclose(ours, first + gap, rtol=1e-12)


def test_figarch_by_its_definition():
    p = POINTS["figarch"]
    rng = np.random.default_rng(1)
    u = rng.normal(size=60)
    for last in (10, 1000):
        weights = FIGARCH(truncation=last).weights(p)
        before = np.concatenate([np.full(last, 1.7), u**2])
        want = [p["omega"] / (1 - p["beta"]) + weights @ before[t : t + last][::-1] for t in range(u.size + 1)]
        np.testing.assert_allclose(FIGARCH(truncation=last).variance(u, p, 1.7, 0), want, rtol=1e-13)
    delta, lam = [p["d"]], [p["varphi"] - p["beta"] + p["d"]]
    for j in range(2, 11):
        delta.append(delta[-1] * (j - 1 - p["d"]) / j)
        lam.append(p["beta"] * lam[-1] + delta[-1] - p["varphi"] * delta[-2])
    np.testing.assert_allclose(FIGARCH(truncation=10).weights(p), lam, rtol=1e-14)


def test_component_is_garch_2_2(losses):
    """Coefficients of formulas: u^2 alpha + phi and -(phi(alpha + beta) + alpha rho), h rho + beta - phi and so on."""
    import arch.univariate as au

    p = POINTS["component"]
    alpha, beta, rho, phi = (p[n] for n in ("alpha", "beta", "rho", "varphi"))
    ours = ComponentGARCH().variance(losses, p, 1.1, 0)
    a1, a2, b1, b2 = (
        alpha + phi,
        -(phi * (alpha + beta) + alpha * rho),
        rho + beta - phi,
        phi * (alpha + beta) - beta * rho,
    )
    level = (1 - alpha - beta) * p["omega"]
    want = ours[:2].tolist()
    for t in range(2, ours.size):
        want.append(level + a1 * losses[t - 1] ** 2 + a2 * losses[t - 2] ** 2 + b1 * want[t - 1] + b2 * want[t - 2])
    np.testing.assert_allclose(ours, want, rtol=1e-11)
    # arch's path from its own start: the same, once the two starts have faded
    other = np.empty(losses.size)
    bounds = np.tile([1e-12, 1e12], (losses.size, 1))
    au.GARCH(2, 0, 2).compute_variance(np.array([level, a1, a2, b1, b2]), losses, other, 1.1, bounds)
    gap = np.abs(other / ours[:-1] - 1)
    assert gap[-1] < 1e-3 * gap[:3].max()


def test_component_stays_positive_at_the_corners_of_its_constraints():
    rng = np.random.default_rng(2)
    u = np.concatenate([np.zeros(300), rng.standard_t(2.2, 300), np.zeros(300)])
    for alpha, phi in ((0.0, 0.3), (0.3, 0.0), (0.2, 0.4), (0.5, 0.25)):
        for beta in (phi, min(0.7, 1 - alpha)):
            for rho in (alpha + beta, 0.5 * (1 + alpha + beta)):
                p = {"omega": 1e-10, "alpha": alpha, "beta": beta, "rho": rho, "varphi": phi}
                assert (ComponentGARCH().variance(u, p, 1.0, 0) > -1e-15).all()


@pytest.mark.parametrize("nu", [3.0, 8.0])
def test_score_of_beta_t_has_mean_zero_and_its_variance(nu):
    """Mean 0 and variance 2 nu / (nu + 3) under t(nu), from the kernel's own step; its range is [-1, nu]."""
    from scipy import stats

    def score(u):
        p = {"omega": 0.0, "varphi": 0.0, "kappa": 0.1, "kappa2": 0.0}
        variance = BetaTEGARCH().variance(np.array([u]), p, 1.0, 0, nu)
        return (0.5 * np.log(variance[1] * (nu - 2) / nu)) / 0.1

    def moment(k):
        return integrate.quad(lambda u: score(u) ** k * stats.t.pdf(u, nu), -np.inf, np.inf, epsabs=1e-12)[0]

    assert moment(1) == pytest.approx(0.0, abs=1e-9)
    assert moment(2) == pytest.approx(2 * nu / (nu + 3), rel=1e-8)
    assert (score(0.0), score(1e9)) == (pytest.approx(-1.0), pytest.approx(nu))


def test_standard_deviation_of_beta_t():
    p = POINTS["beta-t-egarch"]
    first = BetaTEGARCH().variance(np.array([0.3]), p, 1.0, 0, 5.0)[0]
    assert np.sqrt(first) == pytest.approx(np.exp(p["omega"]) * np.sqrt(5 / 3), rel=1e-14)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_known_parameters_are_found(family):
    """On 6000 simulated days every parameter lies within four sandwich errors of the truth."""
    sample = drawn(family, POINTS[family], 6000, np.random.default_rng(17))
    fit = FAMILIES[family].fit(0.01 * sample, mean=ConstantMean(), law=StudentT())
    truth = {**FAMILIES[family].rescaled(POINTS[family], 0.01), "mu": 0.0002, "nu": 7.0}
    errors = fit.errors()
    assert set(errors) == set(truth)
    for name, value in truth.items():
        assert 0 < errors[name] < max(abs(value), 0.01)
        assert abs(fit.all_params[name] - value) < 4 * errors[name], name


def test_sandwich_errors_equal_those_of_arch():
    """By its own differences, at an optimum in the inside; arch estimates no curvature of its presample."""
    sample = drawn("aparch", {**POINTS["aparch"], "delta": 1.8}, 3000, np.random.default_rng(3))
    fit = APARCH().fit(sample, mean=ConstantMean(), law=StudentT())
    other = arch_fit(arch_model_of(sample, arch_volatility("aparch"), "constant", "t"))
    assert fit.status == Status.ok
    got = list(fit.errors().values())
    np.testing.assert_allclose(got[1:], other.std_err.to_numpy()[1:], rtol=1e-3)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_units_do_not_matter(family, losses):
    percent = FAMILIES[family].fit(losses, mean=ConstantMean(), law=StudentT())
    fraction = FAMILIES[family].fit(losses / 128, mean=ConstantMean(), law=StudentT())
    moved = FAMILIES[family].rescaled(fraction.params, 128.0)
    for name, value in percent.params.items():
        assert moved[name] == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert fraction.log_likelihood - percent.log_likelihood == pytest.approx(losses.size * np.log(128), abs=1e-8)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_warm_and_cold_give_one_forecast(family):
    sample = drawn(family, POINTS[family], 900, np.random.default_rng(11))
    before = None
    for begin in range(0, 60, 4):
        window = sample[begin : begin + 800]
        warm = FAMILIES[family].fit(window, mean=ConstantMean(), law=StudentT(), start=before)
        cold = FAMILIES[family].fit(window, mean=ConstantMean(), law=StudentT())
        got, want = (FAMILIES[family].filter(window, f)[1][-1] for f in (warm, cold))
        assert got == pytest.approx(want, rel=1e-6)
        before = warm


def test_fixed_power_and_sample_laws(losses):
    free = APARCH().fit(losses, mean=ZeroMean(), law=Normal())
    held = APARCH(free.params["delta"]).fit(losses, mean=ZeroMean(), law=Normal())
    assert held.log_likelihood == pytest.approx(free.log_likelihood, abs=1e-6)
    assert "delta" not in held.errors()
    sample = APARCH().fit(losses, mean=ZeroMean(), law=Empirical())
    assert dict(sample.params) == dict(free.params)
    t = BetaTEGARCH().fit(losses, mean=ConstantMean(), law=StudentT())
    quasi = BetaTEGARCH().fit(losses, mean=ConstantMean(), law=Empirical())
    assert quasi.params["nu"] == t.law.params["nu"]
    np.testing.assert_array_equal(BetaTEGARCH().filter(losses, quasi)[1], BetaTEGARCH().filter(losses, t)[1])


def test_a_mean_on_a_cusp_has_no_error_and_the_others_take_it_as_known():
    """With a power below one; the other errors are those of a fit of what is left with a mean of zero."""
    sample = drawn("aparch", {**POINTS["aparch"], "delta": 0.5}, 700, np.random.default_rng(2))
    fit = APARCH(0.5).fit(sample, mean=ConstantMean(), law=StudentT())
    assert np.abs(sample - fit.mean_params[0]).min() < 1e-12
    errors = fit.errors()
    assert np.isnan(errors.pop("mu"))
    alone = APARCH(0.5).fit(sample - fit.mean_params[0], mean=ZeroMean(), law=StudentT())
    assert list(errors) == list(alone.errors())
    np.testing.assert_allclose(list(errors.values()), list(alone.errors().values()), rtol=5e-3)
    # not closer: the presample variance is that round the least-squares mean


def test_aparch_with_an_autoregression_needs_a_large_power(losses):
    with pytest.raises(ConfigError, match=r"mean must be zero or constant with aparch, or its delta .*got 'ar1'"):
        APARCH().fit(losses, mean=AR1(), law=Normal())
    for power in (None, 1.0):
        with pytest.raises(ConfigError, match="mean must be zero or constant with aparch"):
            LocationScale(mean=AR1(), volatility=APARCH(power))
    fit = APARCH(1.5).fit(losses, mean=AR1(), law=Normal())
    assert np.isfinite(list(fit.errors().values())).all()


@pytest.mark.parametrize("power", [3.5, 3.999])
def test_a_large_power_has_a_grid(power, losses):
    points = np.array(APARCH(power).grid(Normal()))
    assert (points[:, [0, 1, 3]] > 0).all()
    assert (points[:, 1] + points[:, 3] <= 1).all()
    fit = APARCH(power).fit(losses, mean=ConstantMean(), law=Normal())
    other = arch_fit(arch_model_of(losses, arch_volatility("aparch", power), "constant", "normal"))
    assert fit.log_likelihood >= other.loglikelihood - 1e-4
    assert APARCH(4.0).fit(losses, mean=ConstantMean(), law=Normal()).log_likelihood == pytest.approx(
        APARCH(3.999).fit(losses, mean=ConstantMean(), law=Normal()).log_likelihood, abs=0.1
    )  # arch's powers end below 4


def test_errors_on_a_bound_do_not_depend_on_the_unit(losses):
    """Omega's error in small units was taken for that of a coordinate on its bound."""
    one = APARCH(2.0).fit(losses, mean=ConstantMean(), law=StudentT())
    small = APARCH(2.0).fit(1e-6 * losses, mean=ConstantMean(), law=StudentT())
    factors = {"mu": 1e-6, "omega": 1e-12}
    for name, error in one.errors().items():
        assert small.errors()[name] == pytest.approx(factors.get(name, 1.0) * error, rel=1e-4)


def test_a_bound_says_boundary():
    rng = np.random.default_rng(4)
    fit = ComponentGARCH().fit(rng.normal(size=400), mean=ConstantMean(), law=Normal())
    assert fit.status == Status.boundary
    held = [n for n, e in fit.errors().items() if np.isnan(e)]
    assert held


def test_a_simplex_where_descents_fail(losses, monkeypatch):
    want = BetaTEGARCH().fit(losses, mean=ConstantMean(), law=StudentT())
    honest, calls = kernel.descend, []

    def failing(*args):
        calls.append(1)
        value, count, good = honest(*args)
        return value, count, good and len(calls) > 6

    monkeypatch.setattr(kernel, "descend", failing)
    got = BetaTEGARCH().fit(losses, mean=ConstantMean(), law=StudentT())
    assert got.status == Status.retry
    assert got.log_likelihood == pytest.approx(want.log_likelihood, abs=1e-6)


@pytest.mark.parametrize("law", [Normal(), StudentT(4.5), GED(1.3), SkewT(7.0, 0.2)], ids=lambda x: x.short)
def test_absolute_moments_by_quadrature(law):
    for power in (0.7, 1.0, 2.0, 3.1):
        found = absolute_moments(law, power)
        for sign, value in zip((-1.0, 1.0), found, strict=True):
            want = integrate.quad(lambda z, s=sign, d=power: z**d * np.exp(law.logpdf(s * z)), 0, np.inf, epsabs=1e-12)[
                0
            ]
            assert value == pytest.approx(want, rel=1e-7)
    assert absolute_moments(StudentT(2.5), 3.0) == (np.inf, np.inf)


@pytest.mark.parametrize("nu", [2.05, 2.1, 2.3, 3.0, 3.5, 8.0, 60.0])
def test_second_moments_of_a_skewed_law_are_one(nu):
    """Also where nu is near the power, and with a kink on one side."""
    for skew in (0.0, 1e-4, 0.1, 0.5, -0.8):
        assert sum(absolute_moments(SkewT(nu, skew), 2.0)) == pytest.approx(1.0, abs=1e-8)
    for power in (0.7, 1.3, nu - 0.4):  # without skew the t law's closed form
        want = absolute_moments(StudentT(nu), power)
        np.testing.assert_allclose(absolute_moments(SkewT(nu, 0.0), power), want, rtol=1e-8)


def test_riskmetrics_2006_equals_arch(losses):
    import arch.univariate as au

    ours, other = RiskMetrics2006(), au.RiskMetrics2006()
    np.testing.assert_allclose(ours.weights, other._ewma_combination_weights(), rtol=1e-14)
    fit = ours.fit(losses, mean=ZeroMean(), law=Normal())
    _, sigma = ours.filter(losses, fit)
    result = arch_fit(au.ZeroMean(-losses, volatility=other, rescale=False))
    np.testing.assert_allclose(sigma[:-1], np.asarray(result.conditional_volatility), rtol=1e-12)
    ahead = result.forecast(horizon=1, reindex=False)
    assert sigma[-1] ** 2 == pytest.approx(float(ahead.variance.iloc[-1, 0]), rel=1e-12)
    assert fit.log_likelihood == pytest.approx(result.loglikelihood, abs=1e-8)
    longer = ours.filter(losses[:500], ours.fit(losses[:400], mean=ZeroMean(), law=Normal()))
    shorter = ours.filter(losses[:450], ours.fit(losses[:400], mean=ZeroMean(), law=Normal()))
    np.testing.assert_array_equal(longer[1][:451], shorter[1])


def test_errors_are_for_people():
    with pytest.raises(ConfigError, match=r"delta must lie in \[0.05, 4\], got 5"):
        APARCH(5)
    with pytest.raises(ConfigError, match=r"truncation must be a whole number in \[10, 100000\], got 3"):
        FIGARCH(truncation=3)
    with pytest.raises(ConfigError, match="law must be t or a sample law with beta-t-egarch, got 'ged'"):
        LocationScale(volatility=BetaTEGARCH(), law=GED())
    with pytest.raises(ConfigError, match=r"tau0 must lie above the days of the last component, 362\.039, and below"):
        RiskMetrics2006(tau0=100)
    for family in FAMILIES.values():
        with pytest.raises(FitError, match="losses are constant"):
            family.fit(np.full(100, 0.02), mean=ConstantMean(), law=StudentT())
        with pytest.raises(FitError, match="at least 30 rows"):
            family.fit(np.arange(10.0), mean=ConstantMean(), law=StudentT())
