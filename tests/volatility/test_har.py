"""HAR against arch's HARX and statsmodels, and what turns a fit into a variance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from riskcore import ConfigError, FitError
from riskcore.distributions import Normal
from riskcore.volatility import HAR, ConstantMean, ZeroMean

KINDS = ["absolute", "square", "log-square", "realized", "log-realized"]


@pytest.fixture(scope="module")
def sample():
    """Losses with volatility clusters, and a realized variance that leaves out the night."""
    rng = np.random.default_rng(11)
    n, h = 800, 1.0
    u, x = np.empty(n), np.empty(n)
    for t in range(n):
        u[t] = np.sqrt(h) * rng.standard_t(6) * np.sqrt(2 / 3)
        x[t] = 0.7 * h * np.exp(0.3 * rng.normal())
        h = 0.05 + 0.1 * u[t] ** 2 + 0.85 * h
    return u, x


def measured(kind, u, x):
    return {
        "absolute": np.abs(u),
        "square": u**2,
        "log-square": np.log(np.maximum(u**2, 1e-4 * np.mean(u**2))),
        "realized": x,
        "log-realized": np.log(x),
    }[kind]


def fitted(volatility, u, x, mean=None):
    given = {"exog": x[:, None]} if volatility.needs_exog else {}
    return volatility.fit(u, mean=mean or ZeroMean(), law=Normal(), **given)


def filtered(volatility, u, x, fit):
    given = {"exog": x[:, None]} if volatility.needs_exog else {}
    return volatility.filter(u, fit, **given)[1]


@pytest.mark.parametrize("kind", KINDS)
def test_coefficients_are_those_of_arch_and_errors_those_of_statsmodels(kind, sample):
    import statsmodels.api as sm
    from arch.univariate import HARX

    u, x = sample
    y = measured(kind, u, x)
    fit = fitted(HAR(kind), u, x)
    other = HARX(y, lags=[1, 5, 22], rescale=False).fit(disp="off")
    np.testing.assert_allclose(list(fit.params.values())[:4], other.params.iloc[:4], rtol=1e-7)
    frame = pd.Series(y)
    design = np.column_stack([frame.rolling(k).mean() for k in (1, 5, 22)])[21:-1]
    ols = sm.OLS(y[22:], sm.add_constant(design)).fit(cov_type="HC0")
    np.testing.assert_allclose(list(fit.params.values())[:4], ols.params, rtol=1e-9)
    np.testing.assert_allclose(list(fit.errors().values()), ols.bse, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_variance_is_c_times_the_fit(kind, sample):
    u, x = sample
    volatility = HAR(kind)
    fit = fitted(volatility, u, x)
    y = pd.Series(measured(kind, u, x))
    means = np.column_stack([y.rolling(k).mean() for k in (1, 5, 22)])[21:]
    f = fit.params["b0"] + means @ [fit.params[f"b{k}"] for k in (1, 5, 22)]
    if "log" in kind:
        f = np.exp(f)
    else:
        low = y.min() if kind == "realized" else means[:-1, 2].min()
        f = np.clip(f, low, y.max())
        f = f**2 if kind == "absolute" else f
    c = np.mean(u[22:] ** 2 / f[:-1])
    assert fit.params["c"] == pytest.approx(c, rel=1e-10)
    sigma = filtered(volatility, u, x, fit)
    np.testing.assert_allclose(sigma[22:] ** 2, c * f, rtol=1e-9)
    assert np.mean((u / sigma[:-1])[22:] ** 2) == pytest.approx(1, rel=1e-12)


def test_scale_of_the_measure_under_a_normal_law():
    """A constant fit of |u| misses the mean square by pi/2, one of ln u^2 by exp(gamma + ln 2)."""
    u = np.random.default_rng(3).normal(size=40_000)
    absolute, logs = (fitted(HAR(kind), u, u).params["c"] for kind in ("absolute", "log-square"))
    assert absolute == pytest.approx(np.pi / 2, rel=0.02)
    assert logs == pytest.approx(np.exp(1.27036), rel=0.06)  # -E ln z^2 = gamma + ln 2; the floor lifts it a little


def test_days_before_the_window_count_as_its_mean(sample):
    u, x = sample
    volatility = HAR("square", lags=(1, 3))
    fit = fitted(volatility, u, x)
    y = np.concatenate([np.full(3, np.mean(u**2)), u**2])
    f = [fit.params["b0"] + fit.params["b1"] * y[t + 2] + fit.params["b3"] * y[t : t + 3].mean() for t in range(6)]
    np.testing.assert_allclose(filtered(volatility, u, x, fit)[:6] ** 2, fit.params["c"] * np.array(f), rtol=1e-9)


@pytest.mark.parametrize("kind", ["absolute", "square", "realized"])
def test_a_fit_outside_the_range_is_clipped(kind, sample):
    """A line that falls below zero, or above all that was seen, ends at the range of the window."""
    u, x = sample
    fit = fitted(HAR(kind), u, x)
    y = pd.Series(measured(kind, u, x))
    low = y.min() if kind == "realized" else y.rolling(22).mean().iloc[21:-1].min()
    for b0, end in ((-1e4, low), (1e4, y.max())):
        moved = replace(fit, params={**fit.params, "b0": b0})
        want = fit.params["c"] * (end**2 if kind == "absolute" else end)
        np.testing.assert_allclose(filtered(HAR(kind), u, x, moved) ** 2, want, rtol=1e-12)


@pytest.mark.parametrize("kind", ["realized", "log-realized"])
def test_a_missing_value_is_its_fit(kind, sample):
    """Day by day: the means of the days before, those before the window at its mean; also at the estimates."""
    u, x = sample
    holes = x.copy()
    holes[[5, 300, 301, 302, -1]] = np.nan
    volatility = HAR(kind)
    fit = fitted(volatility, u, holes)
    y, (_, low, high, before) = measured(kind, u, holes), fit.extra
    b = list(fit.params.values())
    f = np.empty(u.size + 1)
    for t in range(u.size + 1):
        past = np.concatenate([np.full(22, before), y[:t]])
        f[t] = b[0] + sum(b[i + 1] * past[-lag:].mean() for i, lag in enumerate((1, 5, 22)))
        f[t] = f[t] if kind == "log-realized" else np.clip(f[t], low, high)
        if t < u.size and np.isnan(y[t]):
            y[t] = f[t]
    want = fit.params["c"] * (np.exp(f) if kind == "log-realized" else f)
    np.testing.assert_allclose(filtered(volatility, u, holes, fit) ** 2, want, rtol=1e-9)
    again = fitted(volatility, u, np.exp(y) if kind == "log-realized" else y)
    np.testing.assert_allclose(list(again.params.values()), list(fit.params.values()), rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_units(kind, sample):
    u, x = sample
    one, other = fitted(HAR(kind), u, x), fitted(HAR(kind), 0.01 * u, 5.0 * x)
    np.testing.assert_allclose(
        filtered(HAR(kind), 0.01 * u, 5.0 * x, other), 0.01 * filtered(HAR(kind), u, x, one), rtol=1e-9
    )


def test_what_is_refused(sample):
    u, x = sample
    with pytest.raises(ConfigError, match="kind must be one of absolute, square, log-square, realized, log-realized"):
        HAR("range")
    for lags in ((5, 1), (1, 1), (), (0,), (1.5,), [1, 5]):
        with pytest.raises(ConfigError, match="lags must be ascending whole numbers"):
            HAR(lags=lags)
    with pytest.raises(ConfigError, match="column must be the name of a column"):
        HAR("realized", column="")
    with pytest.raises(FitError, match="losses must have at least 31 rows for this HAR, got 30"):
        fitted(HAR(), u[:30], x)
    with pytest.raises(FitError, match="exog column `rv` must be positive in a window"):
        fitted(HAR("log-realized"), u, -x)
    with pytest.raises(FitError, match="the measure of the variance is constant"):
        fitted(HAR("realized"), u, np.ones(u.size))
    with pytest.raises(FitError, match="losses are constant"):
        fitted(HAR(), np.full(100, 0.01), x, mean=ConstantMean())
