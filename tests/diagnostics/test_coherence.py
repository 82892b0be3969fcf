"""Figures that no law can have together."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from scipy import stats

import riskcore as rc
from riskcore import Target, diagnostics
from riskcore.diagnostics import ModelFit
from riskcore.forecasts import Forecasts

DAYS = ("var:0.95", "var:0.975", "var:0.99", "es:0.95", "es:0.975", "expectile:0.99", "expectile:0.995")


def with_values(fit: ModelFit, **values: float) -> ModelFit:
    frame = fit.forecasts.frame.copy()
    for name, value in values.items():
        frame[name] = value
    return replace(fit, forecasts=Forecasts(frame, fit.forecasts.targets))


@pytest.fixture(scope="module")
def fit(losses: pd.Series) -> ModelFit:
    return rc.fit_model(losses, "caviar-sav", DAYS, window=500)


def of_law(fit: ModelFit, law: object) -> dict[str, float]:
    """VaR and ES of a law, the ES by integration."""
    found = {}
    for t in fit.forecasts.targets:
        if t.measure == "var":
            found[t.label] = float(law.ppf(t.level))  # type: ignore[attr-defined]
        elif t.measure == "es":
            found[t.label] = float(law.expect(lambda x: x, lb=law.ppf(t.level), conditional=True))  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("law", [stats.norm(0, 0.01), stats.t(3, scale=0.01), stats.uniform(-0.01, 0.02)])
def test_figures_of_one_law_fit_together(fit: ModelFit, law: object) -> None:
    assert diagnostics.incoherent(with_values(fit, **of_law(fit, law))) == []


def test_the_bound_is_reached_by_a_law_of_two_points(fit: ModelFit) -> None:
    """VaR 0.03 up to 99 % and 0.05 above: the ES at 97.5 % is 0.6 times 0.03 and 0.4 times 0.05, not a hair less."""
    just = {"var_0.95": 0.03, "var_0.975": 0.03, "var_0.99": 0.05, "es_0.95": 0.034, "es_0.975": 0.038}
    assert diagnostics.incoherent(with_values(fit, **just)) == []
    (low,) = diagnostics.incoherent(with_values(fit, **{**just, "es_0.975": 0.0379}))
    assert low.target == Target("es", 0.975)
    assert low.least == pytest.approx(0.6 * 0.03 + 0.4 * 0.05, rel=1e-12)
    assert low.because == (Target("var", 0.975), Target("var", 0.99))
    assert low.value == 0.0379


def test_levels_that_cross_and_an_es_below_its_var(fit: ModelFit) -> None:
    crossed = {"var_0.95": 0.02, "var_0.975": 0.01, "var_0.99": 0.01, "es_0.95": 0.09, "es_0.975": 0.009}
    crossed |= {"expectile_0.99": 0.02, "expectile_0.995": 0.01}
    found = {
        (m.target.label, *(t.label for t in m.because)) for m in diagnostics.incoherent(with_values(fit, **crossed))
    }
    assert found == {
        ("var_0.975", "var_0.95"), ("var_0.99", "var_0.95"), ("es_0.975", "var_0.975"), ("es_0.975", "es_0.95"),
        ("es_0.975", "var_0.975", "var_0.99"), ("expectile_0.995", "expectile_0.99"),
    }  # fmt: skip


def test_whose_levels_stand_apart(losses: pd.Series, fit: ModelFit) -> None:
    assert diagnostics.levels_apart(fit)
    assert not diagnostics.levels_apart(rc.fit_model(losses, "garch-t", DAYS, window=500))
    assert not diagnostics.levels_apart(rc.fit_model(losses, "regime", DAYS, window=500))
    assert not diagnostics.levels_apart(rc.fit_model(losses, "dynamic-level", DAYS, window=500))  # one figure only
    assert not diagnostics.levels_apart(rc.fit_model(losses, "garch-t", DAYS, window=25))  # failed
