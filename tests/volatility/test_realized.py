"""Realized GARCH and HEAVY against their likelihoods written out in numpy and minimised by scipy."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from riskcore import ConfigError, FitError, LocationScale, Status, StudentT, WalkForward, fit_model, forecast, to_losses
from riskcore.distributions import Empirical, Normal
from riskcore.ingest import read_prices
from riskcore.kernels.realized import heavy_objective, heavy_scores, realized_objective, realized_scores
from riskcore.volatility import AR1, HEAVY, ConstantMean, RealizedGARCH, ZeroMean

TRUE = {"omega": 0.06, "beta": 0.55, "g": 0.42, "xi": -0.18, "delta": 1.03, "t1": 0.07, "t2": 0.08, "s2": 0.16}


def realized_garch(n, rng, p=TRUE):
    """Shocks and realized variances."""
    k = (p["omega"] + p["g"] * p["xi"]) / (1 - p["beta"] - p["g"] * p["delta"])
    u, x = np.empty(n + 200), np.empty(n + 200)
    for t in range(n + 200):
        z = rng.normal()
        u[t] = math.exp(k / 2) * z
        y = p["xi"] + p["delta"] * k + p["t1"] * z + p["t2"] * (z * z - 1) + math.sqrt(p["s2"]) * rng.normal()
        x[t] = math.exp(y)
        k = p["omega"] + p["beta"] * k + p["g"] * y
    return u[200:], x[200:]


def heavy(n, rng, p=(0.05, 0.4, 0.6, 0.05, 0.4, 0.5)):
    h, mu, u, x = 1.0, 0.5, np.empty(n + 200), np.empty(n + 200)
    for t in range(n + 200):
        u[t] = math.sqrt(h) * rng.normal()
        x[t] = mu * math.exp(0.4 * rng.normal() - 0.08)
        h, mu = p[0] + p[1] * x[t] + p[2] * h, p[3] + p[4] * x[t] + p[5] * mu
    return u[200:], x[200:]


def minus_log_likelihood(theta, u, x):
    """Of losses and realized variances, by the definition."""
    omega, beta, g, xi, delta, t1, t2, log_s2 = theta
    k, total = math.log(np.mean(u**2)), 0.0
    for shock, realized in zip(u, x, strict=True):
        if abs(k) > 20:
            return 1e3
        z = shock * math.exp(-k / 2)
        w = math.log(realized) - xi - delta * k - t1 * z - t2 * (z * z - 1)
        total += 0.5 * (k + z * z + log_s2 + w * w * math.exp(-log_s2))
        k = omega + beta * k + g * math.log(realized)
    return total / u.size


def qlike(theta, y, x):
    w, a, b = theta
    h, total = y.mean(), 0.0
    for value, realized in zip(y, x, strict=True):
        total += 0.5 * (math.log(h) + value / h)
        h = w + a * realized + b * h
    return total / y.size


def slopes(function, at, *arguments):
    """Derivatives by central differences."""
    steps = 1e-5 * np.eye(at.size)
    return [(function(at + h, *arguments) - function(at - h, *arguments)) / 2e-5 for h in steps]


def fitted(volatility, u, x, **settings):
    return volatility.fit(u, mean=settings.get("mean", ZeroMean()), law=settings.get("law", Normal()), exog=x[:, None])


@pytest.fixture(scope="module")
def pair():
    return realized_garch(600, np.random.default_rng(1))


@pytest.fixture(scope="module")
def heavy_pair():
    return heavy(600, np.random.default_rng(2))


def test_realized_garch_is_the_joint_optimum(pair):
    u, x = pair
    fit = fitted(RealizedGARCH(), u, x)
    own = np.array([*list(fit.params.values())[:7], math.log(fit.params["s2"])])
    got = minus_log_likelihood(own, u, x)
    other = optimize.minimize(
        minus_log_likelihood, [0.0, 0.5, 0.4, 0.0, 1.0, 0.0, 0.0, -1.0], (u, x), method="L-BFGS-B",
        options={"maxfun": 5000, "ftol": 1e-13, "gtol": 1e-8},
    )  # fmt: skip
    assert got <= other.fun + 1e-10
    np.testing.assert_allclose(own, other.x, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(slopes(minus_log_likelihood, own, u, x), 0, atol=1e-7)


def test_heavy_equations_are_each_an_optimum(heavy_pair):
    u, x = heavy_pair
    fit = fitted(HEAVY(), u, x)
    p = list(fit.params.values())
    for own, y in ((p[:3], u**2), (p[3:], x)):
        other = optimize.minimize(
            qlike, [0.2 * y.mean(), 0.3, 0.5], (y, x), method="L-BFGS-B", bounds=[(0, None), (0, None), (0, 0.999)],
            options={"ftol": 1e-14, "gtol": 1e-9},
        )  # fmt: skip
        assert qlike(own, y, x) <= other.fun + 1e-11
        np.testing.assert_allclose(own, other.x, rtol=2e-3, atol=2e-4)
        np.testing.assert_allclose(slopes(qlike, np.array(own), y, x), 0, atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_and_scores(seed, pair, heavy_pair):
    """By differences, away from the optimum; and the scores add up to the gradient."""
    rng = np.random.default_rng(seed)
    u, x = pair
    y, measurement, gradient = np.log(x), np.empty(5), np.empty(3)
    theta = np.array([0.0, 0.5, 0.4]) + 0.05 * rng.normal(size=3)
    realized_objective(theta, u, y, 0.1, measurement, gradient)

    def value(at):
        return realized_objective(at, u, y, 0.1, np.empty(5), np.empty(3))

    np.testing.assert_allclose(optimize.approx_fprime(theta, value, 1e-7), gradient, rtol=1e-4, atol=1e-6)
    scores = realized_scores(np.concatenate([theta, measurement]), u, y, 0.1)
    np.testing.assert_allclose(-scores[:, :3].mean(axis=0), gradient, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(scores[:, 3:].mean(axis=0), 0, atol=1e-10)
    u, x = heavy_pair
    theta = np.array([0.1, 0.3, 0.5]) + 0.05 * rng.random(3)
    heavy_objective(theta, u**2, x, 0.9, gradient)
    differences = optimize.approx_fprime(theta, lambda at: heavy_objective(at, u**2, x, 0.9, np.empty(3)), 1e-7)
    np.testing.assert_allclose(differences, gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(-heavy_scores(theta, u**2, x, 0.9).mean(axis=0), gradient, rtol=1e-10)


def test_the_measurement_equation_is_a_regression_along_the_path(pair):
    import statsmodels.api as sm

    u, x = pair
    fit = fitted(RealizedGARCH(), u, x)
    sigma = RealizedGARCH().filter(u, fit, exog=x[:, None])[1][:-1]
    z = u / sigma
    ols = sm.OLS(np.log(x), np.column_stack([np.ones(u.size), np.log(sigma**2), z, z**2 - 1])).fit()
    np.testing.assert_allclose([fit.params[n] for n in ("xi", "delta", "t1", "t2")], ols.params, rtol=1e-9)
    assert fit.params["s2"] == pytest.approx(ols.ssr / u.size, rel=1e-9)


def test_paths_and_likelihood_by_the_definition(pair, heavy_pair):
    u, x = pair
    fit = fitted(RealizedGARCH(), u, x)
    p, k = fit.params, math.log(np.mean(u**2))
    want = []
    for value in x:
        want.append(math.exp(k / 2))
        k = p["omega"] + p["beta"] * k + p["g"] * math.log(value)
    want.append(math.exp(k / 2))
    got = RealizedGARCH().filter(u, fit, exog=x[:, None])[1]
    np.testing.assert_allclose(got, want, rtol=1e-11)
    returns_only = -0.5 * np.sum(np.log(2 * np.pi) + 2 * np.log(got[:-1]) + (u / got[:-1]) ** 2)
    assert fit.log_likelihood == pytest.approx(returns_only, rel=1e-12)
    u, x = heavy_pair
    fit = fitted(HEAVY(), u, x)
    p, h, mu = fit.params, np.mean(u**2), x.mean()
    for value in x:
        h, mu = p["w"] + p["a"] * value + p["b"] * h, p["wR"] + p["aR"] * value + p["bR"] * mu
    later = [h]
    for _ in range(4):
        h, mu = p["w"] + p["a"] * mu + p["b"] * h, p["wR"] + (p["aR"] + p["bR"]) * mu
        later.append(h)
    np.testing.assert_allclose(HEAVY().ahead(x, fit, 5), later, rtol=1e-11)
    assert HEAVY().filter(u, fit, exog=x[:, None])[1][-1] ** 2 == pytest.approx(later[0], rel=1e-12)


def test_units_are_those_of_losses_and_of_the_column(pair, heavy_pair):
    for volatility, (u, x) in ((RealizedGARCH(), pair), (HEAVY(), heavy_pair)):
        plain, scaled = fitted(volatility, u, x), fitted(volatility, 0.01 * u, 3.0 * x)
        one, other = (volatility.filter(v, f, exog=e[:, None])[1] for v, f, e in
                      ((u, plain, x), (0.01 * u, scaled, 3.0 * x)))  # fmt: skip
        np.testing.assert_allclose(other, 0.01 * one, rtol=1e-7)
        errors = [np.array(list(f.errors().values())) for f in (plain, scaled)]
        if isinstance(volatility, HEAVY):
            np.testing.assert_allclose(errors[1], errors[0] * [1e-4, 1e-4 / 3, 1, 3, 1, 1], rtol=1e-4)
        else:
            same = [1, 2, 4, 5, 6, 7]
            np.testing.assert_allclose(errors[1][same], errors[0][same], rtol=1e-4)


def test_errors_are_those_of_the_likelihood_in_any_unit(heavy_pair):
    """HEAVY's by differences of its QLIKE written out; then with standard deviations of 1e-2 and 1e-6."""
    u, x = heavy_pair
    fit = fitted(HEAVY(), u, x)
    want = np.array(list(fit.errors().values()))
    at, steps = np.array(list(fit.params.values())[:3]), 1e-4 * np.eye(3)

    def days(theta):
        h = [np.mean(u**2)]
        for value in x[:-1]:
            h.append(theta[0] + theta[1] * value + theta[2] * h[-1])
        return -0.5 * (np.log(h) + u**2 / np.array(h))

    scores = np.array([(days(at + s) - days(at - s)) / 2e-4 for s in steps])
    bread = np.array([[(days(at + s + t) - days(at + s - t) - days(at - s + t) + days(at - s - t)).sum() / 4e-8
                       for s in steps] for t in steps])  # fmt: skip
    inverse = np.linalg.inv(bread)
    np.testing.assert_allclose(want[:3], np.sqrt(np.diag(inverse @ scores @ scores.T @ inverse)), rtol=1e-4)
    for sd in (1e-2, 1e-6):
        small = fitted(HEAVY(), sd * u, sd**2 * x)
        factors = np.array([sd**2, 1, 1, sd**2, 1, 1])
        np.testing.assert_allclose(list(small.errors().values()), factors * want, rtol=1e-4)


def test_the_first_day_of_an_autoregression_is_only_conditioned_on(pair):
    u, x = pair
    far = np.append(40.0, u[1:])  # a first loss that would tell of fat tails
    fit = fitted(HEAVY(), far, x, mean=AR1(), law=StudentT())
    mu, sigma = HEAVY().filter(far, fit, exog=x[:, None])
    z = (far - mu[:-1]) / sigma[:-1]
    assert fit.law == StudentT().fit(z[1:])
    want = (fit.law.logpdf(z) - np.log(sigma[:-1]))[1:].sum()
    assert fit.log_likelihood == pytest.approx(want, rel=1e-12)


def test_leverage_has_the_sign_of_losses(pair):
    u, x = pair
    losses, gains = fitted(RealizedGARCH(), u, x), fitted(RealizedGARCH(), -u, x)
    assert losses.params["t1"] == pytest.approx(-gains.params["t1"], rel=1e-6)
    assert losses.params["t1"] > 0 < TRUE["t1"]


def test_bounds_and_faults(pair):
    u, x = pair
    flat = fitted(HEAVY(), np.random.default_rng(0).normal(size=600), x)  # nothing to learn from x
    assert flat.status is Status.boundary
    edge = [name for name in ("w", "a", "b") if flat.params[name] == 0]
    assert edge
    assert np.isnan([flat.errors()[name] for name in edge]).all()
    with pytest.raises(FitError, match="exog column `rv` must be positive in a window, got 0"):
        fitted(HEAVY(), u, np.append(x[1:], 0.0))
    with pytest.raises(FitError, match="exog column `rv` must vary in a window"):
        fitted(RealizedGARCH(), u, np.ones(u.size))
    with pytest.raises(FitError, match="losses are constant"):
        fitted(RealizedGARCH(), np.full(600, 0.01), x)
    with pytest.raises(FitError, match="at least 30 rows to estimate a volatility, got 20"):
        fitted(HEAVY(), u[:20], x[:20])
    with pytest.raises(ConfigError, match="column must be the name of a column of exog, got ''"):
        HEAVY("")
    with pytest.raises(ConfigError, match="column must be the name"):
        RealizedGARCH(3)


def test_a_day_without_a_positive_value_has_no_forecast(pair):
    u, x = pair
    fit = fitted(HEAVY(), u, x)
    for bad in (0.0, -1.0):
        sigma = HEAVY().filter(u, fit, exog=np.append(x[:-3], [bad, 1.0, 1.0])[:, None])[1]
        assert np.isfinite(sigma[:-3]).all()
        assert np.isnan(sigma[-3:]).all()


def missing(x):
    """A day, a week, and two days at the end."""
    holes = x.copy()
    holes[[40, 200, 201, 202, 203, 204, -2, -1]] = np.nan
    return holes


def by_definition(volatility, u, x, fit):
    """Variances of rows 0..n, each missing value its forecast, day by day."""
    p, x = fit.params, x.copy()
    h, mu, out = fit.presample, fit.extra[0], [fit.presample]
    for t in range(u.size):
        if isinstance(volatility, RealizedGARCH):
            x[t] = math.exp(p["xi"] + p["delta"] * math.log(h)) if np.isnan(x[t]) else x[t]
            h = math.exp(p["omega"] + p["beta"] * math.log(h) + p["g"] * math.log(x[t]))
        else:
            x[t] = mu if np.isnan(x[t]) else x[t]
            h, mu = p["w"] + p["a"] * x[t] + p["b"] * h, p["wR"] + p["aR"] * x[t] + p["bR"] * mu
        out.append(h)
    return np.array(out), x


@pytest.mark.parametrize("volatility", [RealizedGARCH(), HEAVY()], ids=lambda v: v.short)
def test_a_missing_value_is_its_forecast(volatility, pair):
    u, x = pair
    holes = missing(x)
    fit = fitted(volatility, u, holes)
    variance, filled = by_definition(volatility, u, holes, fit)
    np.testing.assert_allclose(volatility.filter(u, fit, exog=holes[:, None])[1] ** 2, variance, rtol=1e-9)
    again = fitted(volatility, u, filled)  # the estimates are those of the series with the forecasts in it
    np.testing.assert_allclose(list(again.params.values()), list(fit.params.values()), rtol=1e-6)
    whole = fitted(volatility, u, x)
    assert 1e-5 < max(abs(fit.params[k] / whole.params[k] - 1) for k in whole.params) < 0.1


def test_a_forecast_of_heavy_goes_on_from_a_missing_value(pair):
    u, x = pair
    holes = missing(x)
    fit = fitted(HEAVY(), u, holes)
    _, filled = by_definition(HEAVY(), u, holes, fit)
    np.testing.assert_allclose(HEAVY().ahead(holes, fit, 5), HEAVY().ahead(filled, fit, 5), rtol=1e-12)


@pytest.mark.parametrize("gap", [10, 11])
def test_ten_days_may_be_missing(pair, gap):
    u, x = pair
    fit = fitted(HEAVY(), u, x)
    x = x.copy()
    x[100 : 100 + gap] = np.nan
    sigma = HEAVY().filter(u, fit, exog=x[:, None])[1]
    assert np.isfinite(sigma[:111]).all()
    assert np.isfinite(sigma[111:]).all() == (gap == 10)
    assert np.isfinite(sigma[111:]).any() == (gap == 10)
    model = LocationScale(volatility=HEAVY(), law=Normal(), mean=ZeroMean())
    if gap == 10:
        assert model.fit(u, [], exog=x[:, None]).status is Status.ok
    else:
        with pytest.raises(FitError, match="column `rv` must not be missing for more than 10 days of losses in a row"):
            model.fit(u, [], exog=x[:, None])


@pytest.mark.parametrize("volatility", [RealizedGARCH(), HEAVY()], ids=lambda v: v.short)
def test_with_other_means_and_laws(volatility, pair):
    """The mean comes first: the volatility is that of the losses less it."""
    u, x = pair
    losses = 0.1 + u
    for mean in (ConstantMean(), AR1()):
        fit = fitted(volatility, losses, x, mean=mean, law=StudentT())
        mu, sigma = volatility.filter(losses, fit, exog=x[:, None])
        alone = fitted(volatility, losses - mu[:-1], x)
        np.testing.assert_allclose(sigma, volatility.filter(losses - mu[:-1], alone, exog=x[:, None])[1], rtol=1e-12)
        assert fit.law.nu > 10
    days = pd.date_range("2020-01-01", periods=u.size, freq="B")
    model = LocationScale(volatility=volatility, law=Empirical())
    table = forecast(pd.Series(u, days, name="A"), [model], ["var:0.95"], WalkForward(500, 50),
                     exog=pd.DataFrame({"rv": x}, days))  # fmt: skip
    assert table.frame["var_0.95"].notna().all()


@pytest.mark.parametrize("name", ["realized-garch-t", "heavy-t", "har-rv-t"])
def test_ftse_100(name, shared_data):
    """On the index the realized variance tells more than its losses alone, and losses raise it more than gains do."""
    losses = to_losses(read_prices(shared_data / "ftse100_1984_2025.csv")).iloc[:, 0].dropna()
    rv = pd.read_csv(shared_data / "ftse100_realized_variance_2011_2022.csv", index_col=0, parse_dates=True)
    losses = losses.loc[rv.index[0] : rv.index[-1]]
    fit, own = fit_model(losses, name, exog=rv), fit_model(losses, "garch-t")
    assert fit.status == "ok"
    assert fit.log_likelihood > own.log_likelihood + 30
    p = dict(zip(fit.parameters["name"], fit.parameters["estimate"], strict=True))
    if name == "realized-garch-t":
        assert 0.9 < p["beta"] + p["delta"] * p["g"] < 1
        assert p["delta"] == pytest.approx(1, abs=0.15)
        error = fit.parameters.set_index("name").loc["t1", "standard_error"]
        assert p["t1"] > 3 * error
    assert fit.n_parameters == {"realized-garch-t": 5, "heavy-t": 5, "har-rv-t": 7}[name]
    assert fit.likelihood == "law, not maximised"
