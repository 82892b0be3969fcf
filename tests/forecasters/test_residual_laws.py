"""Location-scale models with laws made from residuals against their definitions, day by day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore.distributions import CornishFisher, TailGPD
from riskcore.walkforward import walk_forward

TARGETS = [rc.Target("var", 0.99), rc.Target("es", 0.975), rc.Target("expectile", 0.99)]
PLAN = rc.WalkForward(window=300, refit_every=7)


@pytest.fixture(scope="module")
def losses():
    rng = np.random.default_rng(8)
    return 0.003 + 0.01 * np.exp(0.5 * np.sin(np.arange(360) / 40)) * rng.standard_t(4, 360)


def test_hull_and_whites_losses_are_scaled_to_todays_volatility(losses):
    """Their mean stays in: the measures of L[s] sigma[t+1] / sigma[s], from the filter of each refit."""
    model = rc.FORECASTERS["garch-hw"]
    walk = walk_forward(losses, model, TARGETS, PLAN)
    start = None
    measures = {"var": rc.value_at_risk, "es": rc.expected_shortfall, "expectile": rc.expectile}
    for block in PLAN.blocks(losses.size):
        fitted = start = model.fit(losses[block.train].copy(), TARGETS, start=start)
        for day in range(block.test.start, block.test.stop):
            seen = losses[block.train.start : day]
            sigma = model.volatility.filter(seen, fitted.estimate)[1]
            scaled = (seen / sigma[:-1] * sigma[-1])[-300:]
            want = [measures[t.measure](scaled, t.level) for t in TARGETS]
            np.testing.assert_allclose(walk.values[day - 300], want, rtol=1e-10)


def test_on_losses_round_zero_it_is_filtered_historical_simulation(losses):
    weighted = rc.LocationScale(volatility=rc.EWMA(), law=rc.VolatilityWeighted())
    walks = [walk_forward(losses, m, TARGETS, PLAN) for m in (weighted, rc.FORECASTERS["fhs"])]
    np.testing.assert_allclose(walks[0].values, walks[1].values, rtol=1e-12)


@pytest.mark.parametrize(
    "law", [TailGPD(), TailGPD(rule="stability"), CornishFisher(), CornishFisher("plain")], ids=repr
)
@pytest.mark.parametrize("volatility", [rc.EWMA(), rc.Constant()], ids=["ewma", "constant"])
def test_forecasts_are_those_of_the_law_of_the_last_residuals(losses, law, volatility):
    model = rc.LocationScale(volatility=volatility, law=law)
    walk = walk_forward(losses, model, TARGETS, PLAN)
    fitted = model.fit(losses[:300].copy(), TARGETS)
    sigma = volatility.filter(losses[:300], fitted.estimate)[1]
    raw = losses[:300] if isinstance(volatility, rc.Constant) else losses[:300] / sigma[:-1] * sigma[-1]
    one = law.fit(raw)
    np.testing.assert_allclose(walk.values[0], [one.value(t) for t in TARGETS], rtol=1e-8)


def test_a_fitted_tail_shows_its_threshold(losses):
    series = pd.Series(losses, pd.bdate_range("2020-01-01", periods=losses.size), name="x")
    fit = rc.fit_model(series, "garch-evt", window=300)
    table = rc.diagnostics.tail_thresholds(fit)
    assert table["used"].sum() == 1
    assert table.loc[table["used"], "excesses"].item() == 30
    figure = rc.plots.tail_thresholds(table)
    assert list(figure.data[-1].x) == [30]
    assert "no threshold" in rc.diagnostics.why_not(rc.fit_model(series, "fhs", window=300), "tail_thresholds")


def test_an_autoregression_of_a_sample_is_estimated_at_each_refit(losses):
    """Its coefficients hold from one refit to the next, whatever the walk does at once."""
    turning = losses.copy()
    for t in range(1, turning.size):
        turning[t] += (0.5 if t < 330 else -0.5) * (turning[t - 1] - 0.003)
    model = rc.LocationScale(mean=rc.AR1(), volatility=rc.Constant(), law=rc.Empirical())
    walk = walk_forward(turning, model, TARGETS, PLAN)
    for block in PLAN.blocks(turning.size):
        fitted = model.fit(turning[block.train].copy(), TARGETS)
        want = fitted.predict(
            turning[block.train.start : block.test.stop - 1], TARGETS, block.test.stop - block.test.start
        )
        np.testing.assert_allclose(walk.values[block.test.start - 300 : block.test.stop - 300], want, rtol=1e-10)
