"""VaR, ES and expectile VaR over the level are those of the next day's law."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import riskcore as rc
from riskcore import diagnostics
from riskcore.errors import ConfigError

from .conftest import Fit


@pytest.mark.parametrize("model", ["historical", "age-weighted", "ewma", "gjr-skewt", "garch-fhs"])
def test_levels_pass_through_the_targets(fit: Fit, model: str) -> None:
    found = fit(model)
    table = diagnostics.level_curve(found, [0.975, 0.99, 0.99855]).set_index("level")
    for target in found.forecasts.targets:
        assert table.loc[target.level, target.measure] == pytest.approx(found.value(target), rel=1e-13)


def test_default_levels(fit: Fit) -> None:
    table = diagnostics.level_curve(fit("garch-t"))
    assert table["level"].iloc[[0, -1]].tolist() == [0.9, 0.9995]
    assert {0.95, 0.975, 0.99, 0.995, 0.999} <= set(table["level"])
    for measure in ("var", "es", "expectile"):
        assert (np.diff(table[measure]) > 0).all()
    assert (table["es"] > table["var"]).all()
    np.testing.assert_allclose(table["loss_gain_ratio"], table["level"] / (1 - table["level"]), rtol=1e-14)
    np.testing.assert_allclose(table["es_over_var"], table["es"] / table["var"], rtol=1e-14)
    assert not table["beyond_sample"].any()


def test_normal_law_by_closed_form(fit: Fit) -> None:
    found = fit("ewma")
    table = diagnostics.level_curve(found, [0.9, 0.99])
    q = stats.norm.ppf([0.9, 0.99])
    np.testing.assert_allclose(table["var"], found.mean + found.volatility * q, rtol=1e-12)
    np.testing.assert_allclose(table["es"], found.volatility * stats.norm.pdf(q) / [0.1, 0.01], rtol=1e-12)
    np.testing.assert_allclose(
        table["expectile"], [found.volatility * stats.expectile(stats.norm.ppf(np.linspace(5e-6, 1 - 5e-6, 100_000)), a)
                             for a in (0.9, 0.99)], rtol=1e-3,
    )  # fmt: skip


def test_beyond_the_sample(losses: pd.Series, fit: Fit) -> None:
    table = diagnostics.level_curve(fit("historical"), [0.99, 0.99875, 0.9995])
    assert table["beyond_sample"].tolist() == [False, False, True]  # 800 losses: one is 0.125 %
    assert table["var"].iloc[-1] == pytest.approx(losses.iloc[-800:].max(), rel=1e-13)


def test_beyond_a_weighted_sample_is_the_weight_of_the_largest_loss(losses: pd.Series) -> None:
    """An old crash weighs next to nothing, one of yesterday nearly 1 %: there VaR 0.995 is already that loss."""
    for place, beyond in ((0, [False, False, False]), (-1, [False, True, True])):
        sample = losses.iloc[-500:].copy()
        sample.iloc[place] = 0.5
        table = diagnostics.level_curve(rc.fit_model(sample, "age-weighted", ["var:0.99"]), [0.98, 0.995, 0.9995])
        weight = 0.99 ** (-1 - place if place < 0 else 499) * 0.01 / (1 - 0.99**500)
        assert table["beyond_sample"].tolist() == beyond == [1 - x < weight for x in table["level"]]
        np.testing.assert_array_equal(np.isclose(table["var"], 0.5, rtol=1e-12), beyond)
    found = diagnostics.level_curve(rc.fit_model(losses, "age-weighted", ["var:0.99"], window=500))
    largest = losses.iloc[-500:].max()
    assert (found["beyond_sample"] == np.isclose(found["var"], largest, rtol=1e-12)).all()


def test_refusals(fit: Fit) -> None:
    with pytest.raises(ConfigError, match="it models its targets one by one"):
        diagnostics.level_curve(fit("care-linear"))
    for levels in ([0.5], [1.0], []):
        with pytest.raises(ConfigError, match=r"levels must lie in \(0.5, 1\)"):
            diagnostics.level_curve(fit("ewma"), levels)
    assert rc.diagnostics is diagnostics
