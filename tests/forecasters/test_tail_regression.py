"""Expectile regression as a forecaster against the regression itself, on regressors made with pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskcore import CARE, ConfigError, ExpectileRegression, FitError, Status, Target, WalkForward, fit_model, forecast
from riskcore.distributions import Normal
from riskcore.forecasters import expectile_regression
from riskcore.forecasters.expectile_levels import of_target
from riskcore.forecasters.tail_regression import sorted_levels
from riskcore.volatility import GARCH, ConstantMean

TARGETS = [Target("expectile", 0.9), Target("expectile", 0.99), Target("var", 0.95), Target("es", 0.95)]


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(21)
    n, h = 700, 1.0
    losses, vix = np.empty(n), np.empty(n)
    for t in range(n):
        losses[t] = 0.01 * np.sqrt(h) * rng.standard_t(6)
        vix[t] = 20 * np.sqrt(h) * np.exp(0.1 * rng.normal())
        h = 0.05 + 0.1 * (losses[t] / 0.01) ** 2 + 0.83 * h
    return losses, vix[:, None]


def plain_design(losses, vix, kind):
    """Regressors of the days after rows 1 and later, by pandas and by the GARCH's own filter."""
    x = pd.Series(losses)
    columns = {"constant": np.ones(x.size), "lag1": x, "lag2": x.shift(1)}
    if kind == "ewma":
        u2 = (x - x.mean()) ** 2
        first = u2[:75].mean()
        columns["variance"] = pd.concat([pd.Series([first]), u2]).ewm(alpha=0.06, adjust=False).mean().to_numpy()[1:]
    else:
        fit = GARCH().fit(losses, mean=ConstantMean(), law=Normal())
        columns["variance"] = GARCH().filter(losses, fit)[1][1:] ** 2
    columns["average20"] = x.abs().ewm(span=20, adjust=False).mean()
    columns["vix"] = vix[:, 0]
    return pd.DataFrame(columns).to_numpy()


@pytest.mark.parametrize("kind", ["ewma", "garch"])
def test_an_expectile_target_is_the_regression_at_its_level(kind, sample):
    losses, vix = sample
    model = ExpectileRegression(lags=2, variance=kind, averages=(20,), exog=("vix",))
    fit = model.fit(losses, TARGETS, exog=vix)
    design = plain_design(losses, vix, kind)
    for target in TARGETS[:2]:
        other = expectile_regression(losses[2:], design[1:-1], target.level)
        got = [fit.params[f"{target.label}.{name}"] for name in model.regressors]
        np.testing.assert_allclose(got, other.coefficients, rtol=1e-6)
        errors = [fit.standard_errors[f"{target.label}.{name}"] for name in model.regressors]
        np.testing.assert_allclose(errors, other.standard_errors, rtol=1e-5)
        day = fit.predict(losses, [target], 3, exog=vix)[:, 0]
        np.testing.assert_allclose(day, design[-3:] @ other.coefficients, rtol=1e-8)


def test_var_is_the_expectile_at_its_share_and_es_follows(sample):
    losses, vix = sample
    fit = ExpectileRegression(exog=("vix",)).fit(losses, TARGETS, exog=vix)
    level = fit.levels[TARGETS[2]]
    assert fit.levels[TARGETS[3]] == level
    day = fit.predict(losses, TARGETS, losses.size - 1, exog=vix)
    inside = fit.predict(losses[:-1], TARGETS[2:3], losses.size - 1, exog=vix[:-1])[:, 0]
    assert 0 <= 0.05 - np.mean(losses[1:] > inside) < 2 / losses.size
    want = of_target(TARGETS[3], day[:, 2], level, losses.mean())
    np.testing.assert_allclose(day[:, 3], want, rtol=1e-9)


def test_the_equation_of_the_core_paper_is_one_call(sample):
    losses, vix = sample
    days = pd.date_range("2020-01-01", periods=losses.size, freq="B")
    model = ExpectileRegression(lags=2, variance="garch", exog=("vix",), name="equation 14")
    plan, exog = WalkForward(500, 100), pd.DataFrame({"vix": vix[:, 0]}, days)
    table = forecast(pd.Series(losses, days, name="A"), [model, "care-linear"], TARGETS, plan, exog=exog, ahead=True)
    unit = table.unit("A", "equation 14")
    assert unit["expectile_0.99"].notna().all()
    fit = fit_model(pd.Series(losses, days, name="A"), model, TARGETS, window=500, exog=exog)
    names = set(fit.parameters["name"])
    assert {"expectile_0.99.lag2", "expectile_0.99.variance", "expectile_0.99.vix", "rearranged"} <= names
    assert fit.series["expectile_0.99"].iloc[1:].notna().all()


def test_without_variance_it_is_a_care_without_its_squares(sample):
    losses, _ = sample
    model = ExpectileRegression(lags=1, variance="none")
    fit = model.fit(losses, TARGETS)
    other = expectile_regression(losses[1:], np.column_stack([np.ones(losses.size - 1), losses[:-1]]), 0.99)
    got = [fit.params[f"expectile_0.99.{n}"] for n in ("constant", "lag1")]
    np.testing.assert_allclose(got, other.coefficients, rtol=1e-9)
    assert ExpectileRegression(lags=0, variance="none").fit(losses, TARGETS).params["expectile_0.9.constant"] > 0
    assert CARE("linear").offers(TARGETS[0])


def test_levels_that_cross_are_sorted_and_it_is_said():
    """Steep regressors on few losses: levels fitted apart cross."""
    rng = np.random.default_rng(5)
    losses = 0.01 * rng.standard_t(3, 120)
    targets = [Target("expectile", x) for x in (0.9, 0.95, 0.99, 0.995)]
    model = ExpectileRegression(lags=6, averages=(5.0,))
    fit = model.fit(losses, targets)
    values = fit.predict(losses, targets, 100)
    assert (np.diff(values, axis=1) >= 0).all()
    assert fit.status is Status.ok
    share = fit.params["rearranged"]
    own = np.column_stack([fit.predict(losses[:-1], [t], 114)[:, 0] for t in targets])
    crossed = (np.diff(own, axis=1) < 0).any(axis=1)
    assert 0 < share == pytest.approx(crossed.mean())
    np.testing.assert_array_equal(np.sort(own, axis=1), fit.predict(losses[:-1], targets, 114))


def test_sorting_leaves_what_has_no_forecast():
    targets = [Target("var", 0.99), Target("var", 0.9), Target("var", 0.95), Target("expectile", 0.9)]
    values = np.array([[1.0, 2.0, np.nan, 0.5], [3.0, 2.0, np.nan, 0.5]])
    np.testing.assert_array_equal(sorted_levels(values, targets), [[2, 1, np.nan, 0.5], [3, 2, np.nan, 0.5]])


def test_units(sample):
    losses, vix = sample
    model = ExpectileRegression(2, "garch", averages=(10.0,), exog=("vix",))
    one, other = (model.fit(k * losses, TARGETS, exog=k * vix).predict(k * losses, TARGETS, 5, exog=k * vix)
                  for k in (1.0, 1000.0))  # fmt: skip
    np.testing.assert_allclose(other, 1000 * one, rtol=1e-6)


def test_what_is_refused(sample):
    losses, _ = sample
    with pytest.raises(ConfigError, match=r"lags must be a whole number in \[0, 20\], got 1.5"):
        ExpectileRegression(lags=1.5)
    with pytest.raises(ConfigError, match="variance must be one of none, ewma, garch, got 'gjr'"):
        ExpectileRegression(variance="gjr")
    with pytest.raises(ConfigError, match=r"decay must lie in \(0, 1\), got 2"):
        ExpectileRegression(decay=2)
    with pytest.raises(ConfigError, match="averages must be a tuple of spans"):
        ExpectileRegression(averages=(0.5,))
    with pytest.raises(ConfigError, match="exog must be a tuple of names"):
        ExpectileRegression(exog="vix")
    with pytest.raises(ConfigError, match="must name each regressor once"):
        ExpectileRegression(exog=("vix", "vix"))
    with pytest.raises(ConfigError, match="must name each regressor once"):
        ExpectileRegression(exog=("lag1",))
    with pytest.raises(FitError, match="regressor 'vix' must vary in the window"):
        ExpectileRegression(exog=("vix",)).fit(losses, TARGETS, exog=np.ones((700, 1)))
    with pytest.raises(FitError, match="design must have full rank 4, got 3"):
        ExpectileRegression(exog=("vix",)).fit(losses, TARGETS, exog=2 * losses[:, None])
    with pytest.raises(FitError, match="exog column `vix` must be known"):
        ExpectileRegression(exog=("vix",)).fit(losses, TARGETS, exog=np.full((700, 1), np.nan))
    with pytest.raises(FitError, match="losses must have at least 12 rows for 3 regressors, got 11"):
        ExpectileRegression().fit(losses[:11], TARGETS)
    with pytest.raises(FitError, match="losses are constant"):
        ExpectileRegression().fit(np.full(100, 0.01), TARGETS)


def test_a_target_without_a_forecast_does_not_count_as_sorted(sample):
    """120 losses leave fewer beyond 0.999 than regressors: NaN there, and nothing was rearranged elsewhere."""
    losses, vix = sample
    targets = [Target("var", 0.9), Target("var", 0.999), Target("expectile", 0.9)]
    fit = ExpectileRegression(lags=2, exog=("vix",)).fit(losses[:120], targets, exog=vix[:120])
    assert np.isnan(fit.levels[targets[1]])
    assert fit.params["rearranged"] == 0.0
