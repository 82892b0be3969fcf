"""The path of a moving level against its definition, by plain formulas and the sample expectile."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import riskcore as rc
from riskcore import diagnostics, plots
from riskcore.errors import ConfigError
from riskcore.forecasters import DynamicLevel

from .conftest import Fit


@pytest.mark.parametrize("rule", ["score", "online"])
def test_levels_follow_the_rule(losses: pd.Series, rule: str) -> None:
    n = 400
    fit = rc.fit_model(losses, DynamicLevel(0.95, rule), "var:0.95", window=n)  # type: ignore[arg-type]
    path = diagnostics.level_path(fit)
    window = losses.iloc[-n:]
    assert list(path.index[:-1]) == list(window.index[n // 2 :])
    assert path.index[-1] == fit.date
    assert path.index.is_monotonic_increasing
    p = fit.parameters.set_index("name")["estimate"]
    values = window.to_numpy()
    variance = [float(np.mean(values[:75] ** 2))]
    for loss in values:
        variance.append(0.94 * variance[-1] + 0.06 * loss**2)
    sigma = np.sqrt(variance)
    z = values / sigma[:-1]
    tau, wanted, served = p["first_level"], [], []
    for t in range(n // 2, n + 1):
        wanted.append(tau)
        served.append(sigma[t] * rc.expectile(z[:t], tau))
        if t == n:
            break
        if rule == "online":
            y = logit(tau) + p["g"] * (float(values[t] > served[-1]) - 0.05)
        else:
            y = p["d0"] + p["d1"] * logit(tau) + p["d2"] * variance[t] + p["d3"] * abs(values[t])
        tau = float(np.clip(expit(y), 0.5 + 1e-5, 1 - 1e-5))
    np.testing.assert_allclose(path["level"], wanted, rtol=1e-9)
    np.testing.assert_allclose(path["forecast"], served, rtol=1e-9)
    assert np.ptp(path["level"]) > 1e-3
    np.testing.assert_array_equal(path["loss"].iloc[:-1], values[n // 2 :])
    assert np.isnan(path["loss"].iloc[-1])
    assert (path["var_level"] == 0.95).all()


def test_the_last_level_is_that_of_the_walk(losses: pd.Series) -> None:
    fit = rc.fit_model(losses, "dynamic-level-online", ["var:0.99", "expectile:0.99"], window=500)
    table = rc.forecast(losses.iloc[-500:], "dynamic-level-online", "var:0.99", rc.WalkForward(500, 1), ahead=True)
    last = diagnostics.level_path(fit).iloc[-1]
    assert last["level"] == table.frame["level"].iloc[-1]
    assert last["forecast"] == table.frame["var_0.99"].iloc[-1] == fit.value("var:0.99")


def test_the_figure_shows_the_path(losses: pd.Series) -> None:
    table = diagnostics.level_path(rc.fit_model(losses, "dynamic-level", "var:0.99", window=500))
    figure = plots.level_path(table, title="<b>A</b>")
    np.testing.assert_array_equal(figure.data[0].y, 1.0 - table["level"])
    ticks = figure.layout.yaxis.tickvals
    assert len(ticks) > 2
    assert all(0.9 * (1 - table["level"]).min() <= x <= 1.1 * (1 - table["level"]).max() for x in ticks)
    assert list(pd.DatetimeIndex(figure.data[0].x)) == list(table.index)
    assert "VaR 99 % as the expectile at the day's level" in figure.layout.title.subtitle.text
    assert figure.layout.title.text == "&lt;b&gt;A&lt;/b&gt;"


def test_other_models_say_why_not(fit: Fit) -> None:
    for model in ("garch-t", "care-linear", "regime"):
        assert diagnostics.why_not(fit(model), "level") == (
            f"{model} forecasts its risk figures at the levels that were asked for: none moves"
        )
        assert "level" not in fit(model).series
    with pytest.raises(ConfigError, match="model must have a level that moves, got none"):
        diagnostics.level_path(fit("garch-t"))


def test_the_rules_numbers_are_a_choice(losses: pd.Series) -> None:
    chosen = rc.fit_model(losses, "dynamic-level", "var:0.99", window=500).parameters
    assert set(chosen["role"]) == {"searched"}
    given = rc.fit_model(losses, DynamicLevel(rule="online", gain=0.1), "var:0.99", window=500).parameters
    assert given.set_index("name")["role"].to_dict() == {"g": "fixed", "first_level": "searched"}
