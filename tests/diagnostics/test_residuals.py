"""QQ band, autocorrelations and PIT against scipy and statsmodels, and under a right model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import riskcore as rc
from riskcore import diagnostics
from riskcore.diagnostics import ModelFit
from riskcore.errors import ConfigError

from .conftest import TARGETS, Fit


def with_residuals(found: ModelFit, z: np.ndarray) -> ModelFit:
    index = pd.bdate_range("2015-01-05", periods=len(z))
    return replace(found, series=pd.DataFrame({"loss": z, "residual": z, "pit": stats.norm.cdf(z)}, index))


def test_qq_is_order_statistics_against_their_law(fit: Fit) -> None:
    found = fit("gjr-t")
    table = diagnostics.residual_qq(found)
    nu = found.parameters.set_index("name").loc["nu", "estimate"]
    law = stats.t(nu, scale=np.sqrt((nu - 2) / nu))
    n = len(table)
    assert n == 800
    i = np.arange(1, n + 1)
    np.testing.assert_allclose(table["theoretical"], law.ppf((i - 0.5) / n), rtol=1e-9)
    np.testing.assert_allclose(table["low"], law.ppf(stats.beta.ppf(0.025, i, n + 1 - i)), rtol=1e-7)
    np.testing.assert_allclose(table["high"], law.ppf(stats.beta.ppf(0.975, i, n + 1 - i)), rtol=1e-7)
    np.testing.assert_array_equal(table["residual"], np.sort(found.series["residual"]))
    at = table.set_index("date")["residual"]
    pd.testing.assert_series_equal(at.sort_index(), found.series["residual"], check_names=False, check_freq=False)
    assert set(table["law"]) == {"t"}


def test_qq_band_covers_a_right_law_pointwise(fit: Fit) -> None:
    rng = np.random.default_rng(7)
    shares = []
    for _ in range(200):
        table = diagnostics.residual_qq(with_residuals(fit("garch-normal"), rng.standard_normal(150)))
        shares.append(((table["residual"] >= table["low"]) & (table["residual"] <= table["high"])).mean())
    # 95 %; the shares of 200 samples have a standard error of 0.008, as neighbours go together
    assert np.mean(shares) == pytest.approx(0.95, abs=0.025)
    wrong = diagnostics.residual_qq(with_residuals(fit("garch-normal"), rng.standard_t(3, 150)))
    assert ((wrong["residual"] < wrong["low"]) | (wrong["residual"] > wrong["high"])).mean() > 0.1


def test_qq_band_of_a_fitted_law_is_left_by_far_fewer_points() -> None:
    """Mean and volatility of the sample itself: 0.2 % of 60 x 500 points, where a known law leaves 5 % outside."""
    rng, model = np.random.default_rng(5), rc.LocationScale(rc.ConstantMean(), rc.Constant(), rc.Normal())
    shares = []
    for _ in range(60):
        sample = pd.Series(0.01 * rng.standard_normal(500), pd.bdate_range("2020-01-01", periods=500), name="A")
        table = diagnostics.residual_qq(rc.fit_model(sample, model, ["var:0.99"]))
        shares.append(((table["residual"] < table["low"]) | (table["residual"] > table["high"])).mean())
    assert 0 < np.mean(shares) < 0.01
    assert "More than 2 % outside are a sign" in " ".join((diagnostics.residual_qq.__doc__ or "").split())


def test_a_sample_law_is_compared_with_the_normal(fit: Fit) -> None:
    table = diagnostics.residual_qq(fit("gjr-fhs"))
    assert set(table["law"]) == {"normal"}
    np.testing.assert_allclose(table["theoretical"].iloc[-1], stats.norm.ppf(1 - 0.5 / 800), rtol=1e-9)


@pytest.mark.parametrize("mean", ["constant", "ar1"])
def test_acf_and_ljung_box_are_statsmodels(losses: pd.Series, mean: str) -> None:
    diagnostic = pytest.importorskip("statsmodels.stats.diagnostic")
    tools = pytest.importorskip("statsmodels.tsa.stattools")
    model = rc.LocationScale(mean=rc.MEANS[mean], volatility=rc.GARCH(), law=rc.Normal())
    found = rc.fit_model(losses, model, TARGETS, window=600)
    table = diagnostics.residual_acf(found, 12)
    z = found.series["residual"].to_numpy()
    for name, x, used in (("residuals", z, int(mean == "ar1")), ("squares", z**2, 0)):
        part = table[table["series"] == name].set_index("lag")
        np.testing.assert_allclose(part["acf"], tools.acf(x, nlags=12, fft=False)[1:], rtol=1e-10, atol=1e-14)
        expected = diagnostic.acorr_ljungbox(x, lags=12, model_df=used)
        known = part.index > used
        np.testing.assert_allclose(part.loc[known, "statistic"], expected["lb_stat"][known], rtol=1e-10)
        np.testing.assert_allclose(part.loc[known, "p_value"], expected["lb_pvalue"][known], rtol=1e-9)
        assert (part.loc[known, "df"] == part.index[known] - used).all()
        assert part.loc[~known, ["statistic", "df", "p_value"]].isna().all(axis=None)
    assert table["band"].unique() == pytest.approx([stats.norm.ppf(0.975) / np.sqrt(600)])


def test_an_unmodelled_volatility_shows_in_the_squares(fit: Fit) -> None:
    def last(model: str) -> float:
        table = diagnostics.residual_acf(fit(model))
        return float(table[table["series"] == "squares"]["p_value"].iloc[-1])

    assert last("historical") < 1e-6  # a constant volatility over a GJR process
    assert last("gjr-t") > 0.05


def test_pit(fit: Fit) -> None:
    np.testing.assert_array_equal(diagnostics.pit_values(fit("gjr-t")), fit("gjr-t").series["pit"])
    with pytest.raises(ConfigError, match="uniform by construction"):
        diagnostics.pit_values(fit("gjr-fhs"))


def test_refusals(fit: Fit) -> None:
    for make in (diagnostics.residual_qq, diagnostics.residual_acf, diagnostics.pit_values):
        with pytest.raises(ConfigError, match="care-linear has no law of the loss, so no standardised residuals"):
            make(fit("care-linear"))
    for lags in (0, 800, 2.5, True):
        with pytest.raises(ConfigError, match=rf"lags must be a whole number in \[1, 799\], got {lags}"):
            diagnostics.residual_acf(fit("ewma"), lags)  # type: ignore[arg-type]
    flat = rc.fit_model(
        pd.Series(0.01, pd.bdate_range("2020-01-01", periods=50), name="A"),
        rc.LocationScale(mean=rc.ConstantMean(), volatility=rc.Constant(), law=rc.Empirical()),
        ["var:0.9"],
    )
    assert diagnostics.why_not(flat, "residual_acf") == "the losses are constant, so the residuals have no scale"
