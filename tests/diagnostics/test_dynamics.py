"""Persistence, half-life, unconditional volatility and the news impact curve against the recursions themselves."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

import riskcore as rc
from riskcore import diagnostics
from riskcore.diagnostics import ModelFit
from riskcore.errors import ConfigError

from .conftest import TARGETS, Fit


def parameters(found: ModelFit) -> pd.Series:
    return found.parameters.set_index("name")["estimate"]


def sample_moments(found: ModelFit) -> tuple[float, float]:
    """Mean square of the residuals above zero, and of all: what a forecast by drawing from them returns."""
    z = found.series["residual"].to_numpy()
    return float(np.mean(np.where(z > 0, z, 0.0) ** 2)), float(np.mean(z**2))


@pytest.mark.parametrize("model", ["garch-normal", "gjr-t", "gjr-skewt", "garch-fhs", "gjr-fhs"])
def test_the_unconditional_variance_is_the_fixed_point(fit: Fit, model: str) -> None:
    found = fit(model)
    p, dynamics = parameters(found), found.dynamics
    k, whole = 0.5, 1.0
    if model == "gjr-skewt":
        law = rc.SkewT(p["nu"], p["skew"])
        k = quad(lambda z: z**2 * math.exp(law.logpdf(z)), 0, np.inf)[0]
        assert abs(k - 0.5) > 0.001
    if model.endswith("fhs"):
        k, whole = sample_moments(found)
    level = dynamics.unconditional_volatility**2
    persistence = p["alpha"] * whole + k * p.get("gamma", 0.0) + p["beta"]
    assert level == pytest.approx(p["omega"] + persistence * level, rel=1e-8)
    assert dynamics.persistence == pytest.approx(persistence, rel=1e-9)
    assert dynamics.persistence**dynamics.half_life == pytest.approx(0.5, rel=1e-12)
    assert dynamics.reasons == {}


def test_a_skewed_sample_fades_as_its_residuals_say(sample_data: Path) -> None:
    """S&P 500 to 2018: more than half of the residuals' square is from losses, so half would fade shocks too soon."""
    losses = rc.to_losses(rc.load_prices(sample_data / "indices.csv").prices)["S&P 500"]
    found = rc.fit_model(losses, "gjr-fhs", TARGETS, window=1000)
    p, dynamics = parameters(found), found.dynamics
    assert sample_moments(found)[0] == pytest.approx(0.589, abs=5e-4)
    assert p["alpha"] + p["beta"] + 0.5 * p["gamma"] == pytest.approx(0.949, abs=5e-4)
    assert dynamics.persistence == pytest.approx(0.975, abs=5e-4)
    assert dynamics.half_life == pytest.approx(27.5, abs=0.05)
    assert dynamics.unconditional_volatility == pytest.approx(0.0122, abs=5e-5)
    assert diagnostics.news_impact(found)["held"].iloc[0] == pytest.approx(dynamics.unconditional_volatility)


def test_a_weighted_sample_weighs_its_residuals(losses: pd.Series) -> None:
    model = rc.LocationScale(volatility=rc.GJR(), law=rc.AgeWeighted(0.97))
    found = rc.fit_model(losses, model, TARGETS, window=500)
    p, z = parameters(found), found.series["residual"].to_numpy()
    weight = 0.97 ** np.arange(499, -1, -1)
    k, whole = (float(weight @ x / weight.sum()) for x in (np.where(z > 0, z, 0.0) ** 2, z**2))
    assert abs(whole - 1) > 0.05
    expected = p["alpha"] * whole + p["gamma"] * k + p["beta"]
    assert found.dynamics.persistence == pytest.approx(expected, rel=1e-10)


def test_persistence_above_one_is_not_said_to_be_one(fit: Fit) -> None:
    found = fit("garch-normal")
    assert found.estimate is not None
    for alpha, words in (
        (0.1, "persistence is one: shocks do not fade"),
        (0.2, "persistence is above one: shocks grow"),
    ):
        params = {"omega": 1e-6, "alpha": alpha, "beta": 0.9}
        dynamics = replace(found, estimate=replace(found.estimate, params=params)).dynamics
        assert dynamics.persistence == pytest.approx(0.9 + alpha)
        assert math.isnan(dynamics.half_life)
        assert dynamics.reasons["half_life"].startswith(words)


def test_numbers_by_hand(fit: Fit) -> None:
    """alpha 0.1, beta 0.8, omega 1e-5: persistence 0.9, variance 1e-4, half-life ln 0.5 / ln 0.9 = 6.579 days."""
    found = fit("garch-normal")
    assert found.estimate is not None
    by_hand = replace(found, estimate=replace(found.estimate, params={"omega": 1e-5, "alpha": 0.1, "beta": 0.8}))
    dynamics = by_hand.dynamics
    assert dynamics.persistence == pytest.approx(0.9)
    assert dynamics.unconditional_volatility == pytest.approx(0.01)
    assert dynamics.half_life == pytest.approx(6.5788, abs=1e-4)
    table = diagnostics.news_impact(by_hand)
    middle = table.iloc[len(table) // 2]
    assert (middle["shock"], middle["held"]) == pytest.approx((0.0, 0.01))
    assert middle["variance"] == pytest.approx(1e-5 + 0.8 * 1e-4)
    outer = table.iloc[-1]
    assert outer["variance"] == pytest.approx(1e-5 + 0.1 * 0.05**2 + 0.8 * 1e-4)
    integrated = replace(found, estimate=replace(found.estimate, params={"omega": 1e-6, "alpha": 0.1, "beta": 0.9}))
    assert integrated.dynamics.persistence == pytest.approx(1.0)
    assert math.isnan(integrated.dynamics.half_life)
    assert integrated.dynamics.reasons["unconditional_volatility"].startswith("persistence is one")
    assert diagnostics.news_impact(integrated)["at"].unique().tolist() == ["current"]
    slow = replace(found, estimate=replace(found.estimate, params={"omega": 1e-8, "alpha": 0.1, "beta": 0.8998}))
    assert slow.dynamics.half_life > slow.window
    assert diagnostics.news_impact(slow)["at"].unique().tolist() == ["current"]
    assert diagnostics.news_impact(slow, at="unconditional")["held"].iloc[0] == pytest.approx(math.sqrt(1e-8 / 2e-4))


MODELS = ["ewma", "garch-normal", "gjr-t", "egarch-t", "gjr-fhs", "egarch-skewt"]


@pytest.mark.parametrize("model", MODELS)
def test_the_curve_at_todays_shock_is_tomorrows_volatility(fit: Fit, model: str) -> None:
    found = fit(model)
    table = diagnostics.news_impact(found, at="current")
    last = found.series.iloc[-1]
    shock = last["loss"] - last["mean"]
    assert table["held"].iloc[0] == last["volatility"]
    side = table[table["shock"] * shock > 0]
    # on each side of zero the variance is a square of the shock, EGARCH's logarithm a line: read off exactly
    if model.startswith("egarch"):
        line = np.polyfit(side["shock"], np.log(side["variance"]), 1)
        variance = math.exp(np.polyval(line, shock))
    else:
        line = np.polyfit(side["shock"] ** 2, side["variance"], 1)
        variance = float(np.polyval(line, shock**2))
    assert math.sqrt(variance) == pytest.approx(found.volatility, rel=1e-9)
    np.testing.assert_allclose(table["volatility"] ** 2, table["variance"], rtol=1e-14)


def test_egarch_has_a_mean_of_the_logarithm_only(fit: Fit) -> None:
    found = fit("egarch-t")
    p, dynamics = parameters(found), found.dynamics
    assert dynamics.persistence == pytest.approx(abs(p["beta"]))
    assert math.isnan(dynamics.unconditional_volatility)
    assert "that of the variance has none" in dynamics.reasons["unconditional_volatility"]
    law = rc.StudentT(p["nu"])
    size = 2 * quad(lambda z: z * math.exp(law.logpdf(z)), 0, np.inf)[0]
    expected = math.exp((p["omega"] + p["alpha"] * (size - math.sqrt(2 / math.pi))) / (1 - p["beta"]))
    assert diagnostics.news_impact(found)["held"].iloc[0] == pytest.approx(math.sqrt(expected), rel=1e-8)


def test_asymmetry_has_the_sign_of_gamma(fit: Fit) -> None:
    found = fit("gjr-t")
    assert parameters(found)["gamma"] > 0
    table = diagnostics.news_impact(found)
    assert table["volatility"].iloc[-1] > table["volatility"].iloc[0]  # a loss moves it more than a gain
    symmetric = diagnostics.news_impact(fit("garch-normal"))
    np.testing.assert_allclose(symmetric["volatility"], symmetric["volatility"][::-1], rtol=1e-12)


def test_ewma_has_no_level(fit: Fit) -> None:
    found = fit("ewma")
    dynamics = found.dynamics
    assert dynamics.persistence == 1.0
    assert set(dynamics.reasons) == {"half_life", "unconditional_volatility"}
    assert diagnostics.news_impact(found)["at"].unique().tolist() == ["current"]
    with pytest.raises(ConfigError, match="at must be current for a variance that returns to no level"):
        diagnostics.news_impact(found, at="unconditional")
    with pytest.raises(ConfigError, match="at must be one of unconditional, current, got 'today'"):
        diagnostics.news_impact(found, at="today")  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["historical", "care-linear"])
def test_no_recursion(fit: Fit, model: str) -> None:
    found = fit(model)
    dynamics = found.dynamics
    assert math.isnan(dynamics.persistence)
    assert set(dynamics.reasons) == {"persistence", "half_life", "unconditional_volatility"}
    with pytest.raises(ConfigError, match="model must have a volatility recursion"):
        diagnostics.news_impact(found)


def test_dynamics_follow_the_unit(losses: pd.Series, fit: Fit) -> None:
    big = rc.fit_model(losses * 100, "gjr-t", TARGETS, window=800).dynamics
    small = fit("gjr-t").dynamics
    assert big.persistence == pytest.approx(small.persistence, abs=1e-5)
    assert big.unconditional_volatility == pytest.approx(100 * small.unconditional_volatility, rel=1e-4)


def test_regimes_have_a_volatility_that_no_recursion_moves(fit: Fit) -> None:
    found = fit("regime")
    assert found.volatility > 0
    reason = "the volatility of regime moves with the probabilities of its regimes, not by a recursion on shocks"
    assert diagnostics.why_not(found, "news_impact") == reason
    assert set(found.dynamics.reasons.values()) == {reason}
    other = fit("care-linear")
    assert math.isnan(other.volatility)
    assert set(other.dynamics.reasons.values()) == {
        "care-linear models the risk figures themselves and forecasts no volatility"
    }
