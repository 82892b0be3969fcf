"""Error bands of a fit's expectiles: those of the functions behind them, and who has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore import AR1, GARCH, Empirical, LocationScale, Target, diagnostics
from riskcore.errors import ConfigError

TARGETS = ["var:0.99", "expectile:0.95", "expectile:0.99"]


@pytest.fixture(scope="module")
def losses(sample_data) -> pd.Series:
    table = rc.to_losses(rc.read_prices(sample_data / "europe_1991_1998.csv"))
    return table["DAX"].dropna().iloc[-800:]


def test_of_filtered_historical_simulation(losses):
    fit = rc.fit_model(losses, "gjr-fhs", TARGETS, window=800)
    table = diagnostics.expectile_bands(fit)
    fitted = fit.forecaster.fit(losses.to_numpy(), [])
    for row, target in zip(table.itertuples(), TARGETS[1:], strict=True):
        band = diagnostics.expectile_band(fitted, losses.to_numpy(), row.level)
        np.testing.assert_allclose(row[2:6], [band.forecast, band.low, band.high, band.standard_error], rtol=1e-9)
        assert row.forecast == pytest.approx(fit.value(target), rel=1e-12)
        assert row.method == "delta"


def test_on_a_bound_by_the_bootstrap():
    rng = np.random.default_rng(0)
    losses = pd.Series(0.01 * rng.standard_normal(300), pd.bdate_range("2020-01-01", periods=300))
    fit = rc.fit_model(losses, "garch-fhs", TARGETS, window=300)
    assert fit.status == "boundary"
    table = diagnostics.expectile_bands(fit, share=0.9)
    assert (table["method"] == "bootstrap").all()
    assert (table["low"] < table["forecast"]).all()
    assert (table["forecast"] < table["high"]).all()


def test_of_a_posterior(losses):
    fit = rc.fit_model(losses, "bayes-expectile", TARGETS[1:], window=800)
    values = losses.to_numpy()
    fitted = fit.forecaster.fit(values, [Target("expectile", 0.99)])
    for share in (0.5, 0.95):
        row = diagnostics.expectile_bands(fit, share=share).iloc[1]
        want = fitted.band(values, Target("expectile", 0.99), share=share)[0]
        np.testing.assert_array_equal([row["low"], row["high"]], want)
        assert row["forecast"] == fit.value("expectile:0.99")
        assert row["method"] == "posterior"


def test_who_has_none(losses):
    for model, targets, words in (
        ("garch-t", TARGETS, "not for garch-t"),
        ("fhs", TARGETS, "not for fhs"),
        (LocationScale(mean=AR1(), volatility=GARCH(), law=Empirical(), name="mine"), TARGETS, "not for mine"),
        ("garch-fhs", TARGETS[:1], "none of the targets is an expectile"),
    ):
        fit = rc.fit_model(losses, model, targets, window=800)
        assert words in diagnostics.why_not(fit, "bands")
        with pytest.raises(ConfigError, match=f"model must have error bands, got none: .*{words}"):
            diagnostics.expectile_bands(fit)
    failed = replace(rc.fit_model(losses, "garch-fhs", TARGETS, window=800), failure="no optimum")
    assert diagnostics.why_not(failed, "bands") == "the estimation failed: no optimum"


def test_a_posterior_has_a_spread_but_no_test(losses: pd.Series) -> None:
    """The error is the standard deviation of the rescaled draws; t and p are those of no posterior."""
    fit = rc.fit_model(losses, "bayes-expectile", ["expectile:0.99"], window=800)
    model = rc.FORECASTERS["bayes-expectile"]
    posterior = model.fit(losses.to_numpy()[-800:], [rc.Target("expectile", 0.99)]).posteriors
    (draws,) = (found.rescaled for found in posterior.values())
    np.testing.assert_allclose(fit.parameters["standard_error"], draws.std(axis=0, ddof=1), rtol=1e-3)
    assert fit.parameters[["t", "p_value"]].isna().all(axis=None)
