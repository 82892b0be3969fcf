"""A mean by exogenous columns against statsmodels, under several volatilities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskcore import (
    EWMA,
    GARCH,
    HEAVY,
    ConfigError,
    Constant,
    ExogMean,
    FitError,
    LocationScale,
    StudentT,
    WalkForward,
    fit_model,
    forecast,
)  # fmt: skip
from riskcore.distributions import Empirical, Normal
from riskcore.volatility import ZeroMean

VOLATILITIES = [GARCH(), EWMA(), Constant()]


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(8)
    n = 700
    z = np.column_stack([0.01 * rng.normal(size=n), 20 + rng.normal(size=n).cumsum() / 10])
    noise = rng.standard_t(6, n) * (1 + 0.5 * (np.abs(z[:, 0]) > 0.01))
    losses = np.zeros(n)
    for t in range(1, n):
        losses[t] = 0.001 + 0.5 * z[t - 1, 0] + 0.0001 * z[t - 1, 1] + 0.1 * losses[t - 1] + 0.01 * noise[t]
    return losses, z


@pytest.mark.parametrize("lag", [False, True])
def test_least_squares_and_white_errors(lag, sample):
    import statsmodels.api as sm

    losses, z = sample
    fit = ExogMean(("a", "b"), lag=lag).fit(losses, z)
    regressors = np.column_stack([np.ones(699), z[:-1], losses[:-1]])[:, : 3 + lag]
    ols = sm.OLS(losses[1:], regressors).fit(cov_type="HC0")
    np.testing.assert_allclose(fit.values, ols.params, rtol=1e-9)
    np.testing.assert_allclose(fit.errors, ols.bse, rtol=1e-9)
    path = fit.path(losses, z)
    np.testing.assert_allclose(path[1:-1], ols.fittedvalues, rtol=1e-9)
    assert path[0] == losses.mean()
    assert path[-1] == pytest.approx(ols.params[:3] @ [1, *z[-1]] + (ols.params[-1] * losses[-1] if lag else 0))


@pytest.mark.parametrize("volatility", VOLATILITIES, ids=lambda v: v.short)
@pytest.mark.parametrize("law", [Normal(), Empirical()], ids=lambda v: v.short)
def test_the_volatility_is_that_of_what_is_left(volatility, law, sample):
    losses, z = sample
    model = LocationScale(mean=ExogMean(("a", "b")), volatility=volatility, law=law)
    fit = model.fit(losses[:690], [], exog=z[:690])
    left = losses - fit.first.path(losses, z)[:-1]
    alone = LocationScale(mean=ZeroMean(), volatility=volatility, law=law).fit(left[:690], [])
    day, other = fit.predictive(losses, 3, z), alone.predictive(left, 3)
    np.testing.assert_allclose(day.mean, fit.first.path(losses, z)[-3:], rtol=1e-12)
    np.testing.assert_allclose(day.volatility, other.volatility, rtol=1e-12)
    assert list(fit.params)[:3] == ["const", "gamma.a", "gamma.b"]
    assert fit.standard_errors["gamma.a"] == fit.first.errors[1]


def test_with_a_column_of_the_volatility_too(sample):
    """Mean and volatility read different columns, in any order."""
    losses, z = sample
    days = pd.date_range("2020-01-01", periods=losses.size, freq="B")
    exog = pd.DataFrame({"rv": np.exp(z[:, 1] - 30), "a": z[:, 0]}, days)
    model = LocationScale(mean=ExogMean(("a",)), volatility=HEAVY(), law=StudentT())
    assert model.needs_exog == ("a", "rv")
    fit = fit_model(pd.Series(losses, days, name="A"), model, ["var:0.99"], exog=exog)
    mean = ExogMean(("a",)).fit(losses, z[:, :1])
    assert fit.mean == pytest.approx(mean.path(losses, z[:, :1])[-1], rel=1e-10)
    np.testing.assert_allclose(fit.series["mean"], mean.path(losses, z[:, :1])[:-1], rtol=1e-10)
    assert fit.likelihood == "law, not maximised"
    assert np.isfinite(fit.series["pit"]).all()
    table = forecast(pd.Series(losses, days, name="A"), [model], ["var:0.99"], WalkForward(500, 100), exog=exog)
    assert (table.frame["status"] == "ok").all()


def test_what_is_refused(sample):
    losses, z = sample
    for columns in ((), ("a", ""), ["a"], "a"):
        with pytest.raises(ConfigError, match="columns must be a tuple of names"):
            ExogMean(columns)
    with pytest.raises(ConfigError, match="columns must be different"):
        ExogMean(("a", "a"))
    with pytest.raises(FitError, match=r"regressor 'gamma.b' of the mean must vary in the window"):
        ExogMean(("a", "b")).fit(losses, np.column_stack([z[:, 0], np.full(700, 3.0)]))
    with pytest.raises(FitError, match="must be linearly independent"):
        ExogMean(("a", "b")).fit(losses, np.column_stack([z[:, 0], 2 * z[:, 0]]))
    with pytest.raises(FitError, match="losses must have more than 7 rows"):
        ExogMean(("a", "b")).fit(losses[:7], z[:7])
