"""What a fit says of its regimes, and that its residuals are those of a law that differs from day to day."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import riskcore as rc
from riskcore import diagnostics, plots
from riskcore.errors import ConfigError

TARGETS = ["var:0.99", "es:0.975", "expectile:0.99"]


@pytest.fixture(scope="module")
def losses() -> pd.Series:
    rng = np.random.default_rng(6)
    wild = np.repeat([0, 1, 0, 1, 0], [150, 60, 200, 50, 140])
    return pd.Series(
        np.where(wild, 0.025, 0.007) * rng.standard_normal(600), pd.bdate_range("2020-01-01", periods=600), name="A"
    )


@pytest.fixture(scope="module")
def fit(losses: pd.Series) -> diagnostics.ModelFit:
    return rc.fit_model(losses, "regime", TARGETS)


def test_probabilities(fit: diagnostics.ModelFit, losses: pd.Series) -> None:
    table = diagnostics.regime_probabilities(fit)
    assert list(table.columns) == ["regime 1", "regime 2"]
    pd.testing.assert_index_equal(table.index, losses.index)
    np.testing.assert_allclose(table.sum(axis=1), 1.0, rtol=1e-12)
    assert fit.chain is not None
    np.testing.assert_array_equal(table, fit.chain.filtered(losses.to_numpy()))
    wild = np.repeat([0, 1, 0, 1, 0], [150, 60, 200, 50, 140])
    assert (table["regime 2"].to_numpy().round() == wild).mean() > 0.93


def test_what_the_regimes_are(fit: diagnostics.ModelFit) -> None:
    table = diagnostics.regime_table(fit)
    assert fit.chain is not None
    np.testing.assert_allclose(table["volatility"], [fit.chain.params["sigma1"], fit.chain.params["sigma2"]])
    np.testing.assert_allclose(table["share"].sum(), 1.0)
    np.testing.assert_allclose(table["today"] @ fit.chain.transitions, table["tomorrow"], rtol=1e-12)
    np.testing.assert_allclose(table["days"], 1 / (1 - np.diag(fit.chain.transitions)), rtol=1e-9)


def test_in_sample_series(fit: diagnostics.ModelFit, losses: pd.Series) -> None:
    """By hand: each day's mixture, its PIT, and the normal quantile of that; a likelihood of every loss."""
    assert fit.chain is not None
    p = fit.chain.params
    weights = np.vstack([fit.chain.shares, fit.chain.filtered(losses.to_numpy())[:-1] @ fit.chain.transitions])
    laws = [stats.norm(p[f"mu{j}"], p[f"sigma{j}"]) for j in (1, 2)]
    pit = sum(weights[:, j] * law.cdf(losses) for j, law in enumerate(laws))
    density = sum(weights[:, j] * law.pdf(losses) for j, law in enumerate(laws))
    np.testing.assert_allclose(fit.series["pit"], pit, rtol=1e-9)
    np.testing.assert_allclose(fit.series["residual"], stats.norm.ppf(pit), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(fit.log_likelihood, np.log(density).sum(), rtol=1e-11)
    assert fit.n_parameters == 6
    var = sum(weights[:, j] * law.sf(fit.series["var_0.99"]) for j, law in enumerate(laws))
    np.testing.assert_allclose(var, 0.01, rtol=1e-8)
    assert set(diagnostics.residual_qq(fit)["law"]) == {"normal"}
    curve = diagnostics.level_curve(fit, [0.975, 0.99])
    np.testing.assert_allclose(curve["var"].iloc[1], fit.value("var:0.99"), rtol=1e-12)
    np.testing.assert_allclose(curve["es"].iloc[0], fit.value("es:0.975"), rtol=1e-12)


def test_parameters_have_errors_and_no_test_of_what_cannot_be_zero(fit: diagnostics.ModelFit) -> None:
    table = fit.parameters.set_index("name")
    assert list(table.index) == ["mu1", "sigma1", "mu2", "sigma2", "p12", "p21"]
    assert (table["standard_error"] > 0).all()
    assert table.loc[["mu1", "mu2"], "p_value"].notna().all()
    assert table.loc[["sigma1", "sigma2", "p12", "p21"], "p_value"].isna().all()


def test_a_fit_can_be_stored(fit: diagnostics.ModelFit) -> None:
    again = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_frame_equal(diagnostics.regime_table(again), diagnostics.regime_table(fit))


def test_other_models_have_none(losses: pd.Series) -> None:
    other = rc.fit_model(losses, "ewma", TARGETS)
    assert diagnostics.why_not(other, "regimes") == "ewma has no regimes"
    for ask in (diagnostics.regime_probabilities, diagnostics.regime_table):
        with pytest.raises(ConfigError, match="model must have regimes, got none: ewma has no regimes"):
            ask(other)
    failed = rc.fit_model(pd.Series(0.01, losses.index, name="A"), "regime", TARGETS)
    assert diagnostics.why_not(failed, "regimes").startswith("the estimation failed: losses are constant")


@pytest.mark.parametrize("model", ["regime", "regime-3"])
def test_figure(model: str, losses: pd.Series) -> None:
    table = diagnostics.regime_probabilities(rc.fit_model(losses, model, TARGETS))
    figure = plots.regime_probabilities(table, title="<b>A</b>")
    assert [t.name for t in figure.data] == list(table.columns)
    for area in figure.data:
        np.testing.assert_array_equal(area.y, table[area.name])
        assert area.stackgroup == "regimes"
    assert len({area.fillcolor for area in figure.data}) == table.shape[1]
    assert "<b>A" not in figure.layout.title.text
