"""A fit says what the walk would say, and its numbers are those of arch and of closed forms."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import riskcore as rc
from riskcore import diagnostics
from riskcore.diagnostics import ModelFit
from riskcore.errors import ConfigError, DataError
from riskcore.indicators import expectile_table
from riskcore.volatility.exogenous import exog_names

from .conftest import TARGETS, Fit

WINDOW, REFIT_EVERY = 250, 4
COLD = 25  # each 25th refit starts cold


WITHOUT_COLUMNS = [name for name, model in rc.FORECASTERS.items() if not exog_names(model)]


@pytest.mark.parametrize("model", WITHOUT_COLUMNS)
def test_next_day_is_that_of_the_walk(losses: pd.Series, model: str) -> None:
    series = losses.iloc[: WINDOW + COLD * REFIT_EVERY]  # the next day is the first day of the 25th refit
    plan = rc.WalkForward(WINDOW, REFIT_EVERY)
    fit = rc.fit_model(series, model, TARGETS, window=WINDOW)
    table = rc.forecast(series, model, TARGETS, plan, ahead=True, from_date=fit.date)
    row = table.next_day()
    assert len(row) == 1
    close = {"rtol": 1e-11, "atol": 1e-15}  # many refits at once go another way than one
    pd.testing.assert_frame_equal(row, fit.forecasts.frame, **close)
    pd.testing.assert_frame_equal(expectile_table(table), expectile_table(fit.forecasts), **close)
    beside = fit.next_day[fit.next_day["measure"] == "expectile"].drop(columns="measure")
    columns = ["level", "expectile", *[c for c in beside.columns if c not in ("level", "value")]]
    np.testing.assert_allclose(beside, expectile_table(table)[columns], **close)
    assert (fit.origin, fit.window) == (series.index[-1], WINDOW)


def test_window_is_the_last_and_gaps_are_left_out(losses: pd.Series, fit: Fit) -> None:
    holes = losses.copy()
    holes.iloc[::50] = np.nan
    short = rc.fit_model(holes, "ewma", TARGETS, window=300)
    same = rc.fit_model(holes.dropna().iloc[-300:], "ewma", TARGETS)
    pd.testing.assert_frame_equal(short.forecasts.frame, same.forecasts.frame, check_exact=True)
    pd.testing.assert_series_equal(short.series["loss"], holes.dropna().iloc[-300:], check_names=False)


def constant(n: int = 100) -> pd.Series:
    return pd.Series(0.01, pd.bdate_range("2020-01-01", periods=n), name="A")


def test_a_failed_estimation_is_said_and_the_walks_stand_in_shown(losses: pd.Series) -> None:
    fit = rc.fit_model(losses, "garch-t", TARGETS, window=25)  # too few for a GARCH, enough for an EWMA
    assert fit.status == "fallback"
    assert fit.failure == "losses must have at least 30 rows to estimate a volatility, got 25"
    row = rc.forecast(losses.iloc[-25:], "garch-t", TARGETS, rc.WalkForward(25, 1), ahead=True).frame
    pd.testing.assert_frame_equal(fit.forecasts.frame, row, check_exact=True)
    assert fit.value("var:0.99") > 0
    assert fit.parameters.empty
    assert fit.law is None
    assert fit.series[["volatility", "pit"]].isna().all(axis=None)
    assert math.isnan(fit.aic)
    for part in diagnostics.PARTS:
        assert diagnostics.why_not(fit, part).startswith("the estimation failed: losses must have")


def test_constant_losses() -> None:
    sample = rc.fit_model(constant(), "historical", TARGETS)
    assert sample.status == "boundary"
    np.testing.assert_allclose([sample.value(t) for t in sample.forecasts.targets], 0.01, rtol=1e-14)
    np.testing.assert_allclose(diagnostics.level_curve(sample)[["var", "es", "expectile"]], 0.01, rtol=1e-14)
    assert diagnostics.why_not(sample, "residual_qq") == ""  # around a zero mean they have a scale
    failed = rc.fit_model(constant(), "garch-normal", TARGETS)
    assert failed.status == "failed"
    assert failed.failure.startswith("losses are constant")
    assert math.isnan(failed.value("es:0.975"))


ARCHS = [("garch-normal", "normal"), ("gjr-t", "t"), ("egarch-t", "t")]


@pytest.mark.parametrize(("model", "law"), ARCHS)
def test_parameters_errors_and_criteria_are_archs(losses: pd.Series, fit: Fit, model: str, law: str) -> None:
    from arch import arch_model

    found = fit(model)
    family, _, _ = model.partition("-")
    settings: dict[str, Any] = {"garch": {"vol": "GARCH", "o": 0}, "gjr": {"vol": "GARCH", "o": 1}}.get(
        family, {"vol": "EGARCH", "o": 1}
    )
    scale = 1 / losses.iloc[-800:].std(ddof=0)  # its errors are numerical and depend a little on the unit
    returns = -losses.iloc[-800:] * scale
    other = arch_model(returns, mean="Constant", dist=law, rescale=False, **settings).fit(
        disp="off", options={"ftol": 1e-12}
    )
    table = found.parameters.set_index("name")
    names = ["mu", "omega", "alpha[1]", *(["gamma[1]"] if settings["o"] else []), "beta[1]", *(["nu"] * (law == "t"))]
    assert list(table.index) == [n.removesuffix("[1]") for n in names]
    assert other.params.index.tolist() == names
    units = np.array([1 / scale, 1 if family == "egarch" else 1 / scale**2] + [1.0] * (len(names) - 2))
    inner = [i for i, n in enumerate(names) if not (n == "omega" and family == "egarch")]  # there a logarithm's unit
    # arch's error of an EGARCH's mean is by a step between two losses; the likelihood has a corner at each
    smooth = [i for i in inner if not (family == "egarch" and names[i] == "mu")]
    np.testing.assert_allclose(table["standard_error"].iloc[smooth], (other.std_err * units).iloc[smooth], rtol=0.03)
    signs = np.array([-1.0 if n == "mu" or (n == "gamma[1]" and family == "egarch") else 1.0 for n in names])
    estimates = other.params * units * signs
    np.testing.assert_allclose(table["estimate"].iloc[inner], estimates.iloc[inner], rtol=0.03, atol=2e-6)
    shift = 800 * math.log(scale)  # of the log density, by the unit
    assert found.log_likelihood == pytest.approx(other.loglikelihood + shift, abs=0.02)
    assert found.aic == pytest.approx(other.aic - 2 * shift, abs=0.05)
    assert found.bic == pytest.approx(other.bic - 2 * shift, abs=0.05)
    assert found.n_parameters == len(names)
    np.testing.assert_allclose(found.series["volatility"] * scale, other.conditional_volatility, rtol=2e-3)


def test_t_and_p_are_those_of_a_normal_estimate(fit: Fit) -> None:
    table = fit("gjr-skewt").parameters.set_index("name")
    plain = table.drop(index="nu")
    np.testing.assert_allclose(plain["t"], plain["estimate"] / plain["standard_error"], rtol=1e-14)
    np.testing.assert_allclose(plain["p_value"], 2 * stats.norm.sf(np.abs(plain["t"])), rtol=1e-12)
    assert table.loc["nu", ["t", "p_value"]].isna().all()  # zero degrees of freedom are no hypothesis
    assert table.loc["nu", "standard_error"] > 0
    limit = "zero is the limit of its range"
    assert table["note"].str.contains(limit).to_dict() == {n: n in ("omega", "alpha", "beta") for n in table.index}
    assert not fit("egarch-t").parameters["note"].str.contains(limit).any()  # there zero is an inner point


def test_fixed_parameters_are_listed_and_not_counted(losses: pd.Series) -> None:
    model = rc.LocationScale(volatility=rc.EWMA(0.97), law=rc.StudentT(4))
    table = rc.fit_model(losses, model, TARGETS, window=500).parameters.set_index("name")
    assert table["role"].to_dict() == {"decay": "fixed", "nu": "fixed"}
    assert table["estimate"].to_dict() == {"decay": 0.97, "nu": 4.0}
    assert table[["standard_error", "t", "p_value"]].isna().all(axis=None)


def test_two_settings_of_one_name_both_stand(losses: pd.Series) -> None:
    model = rc.LocationScale(volatility=rc.EWMA(0.97), law=rc.AgeWeighted(0.99))
    table = rc.fit_model(losses, model, TARGETS, window=500).parameters.set_index("name")
    assert table["estimate"].to_dict() == {"volatility.decay": 0.97, "law.decay": 0.99}
    assert set(table["role"]) == {"fixed"}
    alone = rc.LocationScale(volatility=rc.GARCH(), law=rc.AgeWeighted(0.98))
    assert (
        rc.fit_model(losses, alone, TARGETS, window=500).parameters.set_index("name").loc["decay", "estimate"] == 0.98
    )


BELOW, QUASI = "law, not maximised", "normal quasi-likelihood"
COUNTS = [
    (rc.LocationScale(volatility=rc.Constant(), law=rc.Normal()), 2, "law"),  # mu, sigma
    (rc.LocationScale(volatility=rc.Constant(), law=rc.StudentT()), 3, BELOW),
    (rc.LocationScale(volatility=rc.EWMA(), law=rc.Normal()), 0, "law"),
    (rc.LocationScale(volatility=rc.EWMA(), law=rc.SkewT()), 2, "law"),
    (rc.LocationScale(mean=rc.ConstantMean(), volatility=rc.EWMA(), law=rc.GED()), 2, BELOW),
    (rc.LocationScale(volatility=rc.GARCH(), law=rc.StudentT(4)), 4, "law"),
    (rc.LocationScale(mean=rc.AR1(), volatility=rc.EWMA(), law=rc.Normal()), 2, BELOW),
    (rc.LocationScale(mean=rc.AR1(), volatility=rc.GARCH(), law=rc.StudentT()), 6, "law"),
    (rc.LocationScale(mean=rc.AR1(), volatility=rc.EGARCH(), law=rc.Normal()), 6, "law"),
    (rc.LocationScale(mean=rc.AR1(), volatility=rc.GJR(), law=rc.Empirical()), 6, QUASI),
    (rc.LocationScale(mean=rc.ZeroMean(), volatility=rc.GJR(), law=rc.Empirical()), 4, QUASI),
]


@pytest.mark.parametrize(("model", "k", "kind"), COUNTS, ids=repr)
def test_every_model_is_judged_on_every_day(losses: pd.Series, model: rc.LocationScale, k: int, kind: str) -> None:
    """The likelihood sums the log density of all 500 losses: AIC and BIC of any two models are over the same days."""
    fit = rc.fit_model(losses, model, TARGETS, window=500)
    assert fit.n_parameters == k
    assert fit.aic == 2 * k - 2 * fit.log_likelihood
    assert fit.bic == k * math.log(500) - 2 * fit.log_likelihood
    assert fit.likelihood == kind
    assert fit.law is not None
    assert fit.estimate is not None
    series = fit.series
    z = ((series["loss"] - series["mean"]) / series["volatility"]).to_numpy()
    density = stats.norm.logpdf(z) if kind == QUASI else np.asarray(fit.law.logpdf(z))
    days = density - np.log(series["volatility"].to_numpy())
    assert days.size == 500
    assert fit.log_likelihood == pytest.approx(days.sum(), abs=1e-7)
    held = model.volatility.estimated and isinstance(model.mean, rc.AR1)
    assert fit.log_likelihood - fit.estimate.log_likelihood == pytest.approx(days[0] if held else 0.0, abs=1e-7)


def test_the_first_day_of_an_autoregression_is_judged_under_its_long_run_mean(losses: pd.Series) -> None:
    model = rc.LocationScale(mean=rc.AR1(), volatility=rc.GARCH(), law=rc.Normal())
    fit = rc.fit_model(losses, model, TARGETS, window=500)
    assert fit.estimate is not None
    const, phi = fit.estimate.mean_params
    first = stats.norm.logpdf(losses.iloc[-500], const / (1 - phi), math.sqrt(fit.estimate.presample))
    assert fit.log_likelihood == pytest.approx(fit.estimate.log_likelihood + first, abs=1e-9)


@pytest.mark.parametrize(("model", "law"), [("garch-normal", "normal"), ("gjr-t", "t")])
def test_criteria_are_archs_at_the_same_parameters(losses: pd.Series, fit: Fit, model: str, law: str) -> None:
    from arch import arch_model

    found, sample = fit(model), losses.iloc[-800:]
    scale = 1 / sample.std(ddof=0)
    p = found.parameters.set_index("name")["estimate"].to_dict()
    p |= {"mu": -p["mu"] * scale, "omega": p["omega"] * scale**2}
    other = arch_model(-sample * scale, mean="Constant", dist=law, o=int("gamma" in p), rescale=False).fix(
        list(p.values())
    )
    shift = 800 * math.log(scale)
    assert found.aic == pytest.approx(other.aic - 2 * shift + 2 * (len(p) - other.num_params), abs=1e-7)
    assert found.bic == pytest.approx(found.aic + len(p) * (math.log(800) - 2), abs=1e-9)
    assert found.log_likelihood == pytest.approx(other.loglikelihood + shift, abs=1e-7)


def test_only_a_likelihood_by_moments_is_below_its_maximum(losses: pd.Series) -> None:
    """Another nu or mean raises it under `Constant` with t; under EWMA round zero with t nothing does."""
    sample = losses.iloc[-500:].to_numpy()

    def best(volatility: rc.EWMA | rc.Constant) -> tuple[ModelFit, float]:
        found = rc.fit_model(losses, rc.LocationScale(volatility=volatility, law=rc.StudentT()), TARGETS, window=500)
        mean, sigma = (found.series[name].to_numpy() for name in ("mean", "volatility"))

        def cost(x: np.ndarray) -> float:
            moved, size = (
                (mean, sigma) if isinstance(volatility, rc.EWMA) else (mean + 0.001 * x[1], sigma * math.exp(x[2]))
            )
            t = stats.t(math.exp(x[0]), scale=math.sqrt(1 - 2 / math.exp(x[0])))
            return -float(np.sum(t.logpdf((sample - moved) / size) - np.log(size)))

        assert found.law is not None
        start = [math.log(found.law.params["nu"]), 0.0, 0.0]
        return found, -optimize.minimize(cost, start, method="Nelder-Mead", options={"fatol": 1e-9, "xatol": 1e-7}).fun

    for volatility, kind in ((rc.Constant(), BELOW), (rc.EWMA(), "law")):
        found, highest = best(volatility)
        assert found.likelihood == kind
        assert (highest > found.log_likelihood + 0.01) == (kind == BELOW)
        assert highest == pytest.approx(found.log_likelihood, abs=5)


def test_likelihood_of_a_constant_normal_loss_has_a_closed_form(losses: pd.Series) -> None:
    model = rc.LocationScale(volatility=rc.Constant(), law=rc.Normal())
    fit = rc.fit_model(losses, model, TARGETS, window=500)
    expected = -250 * (math.log(2 * math.pi * losses.iloc[-500:].var(ddof=0)) + 1)
    assert fit.log_likelihood == pytest.approx(expected, rel=1e-12)
    assert fit.value("var:0.99") == pytest.approx(
        losses.iloc[-500:].mean() + losses.iloc[-500:].std(ddof=0) * stats.norm.ppf(0.99), rel=1e-12
    )


@pytest.mark.parametrize("model", ["historical", "care-linear"])
def test_no_likelihood_no_criteria(fit: Fit, model: str) -> None:
    found = fit(model)
    assert math.isnan(found.log_likelihood)
    assert math.isnan(found.aic)
    assert math.isnan(found.bic)
    assert (found.likelihood, found.n_parameters) == ("", 0)


def test_in_sample_series(losses: pd.Series, fit: Fit) -> None:
    found = fit("garch-t")
    series, nu = found.series, found.parameters.set_index("name").loc["nu", "estimate"]
    z = (series["loss"] - series["mean"]) / series["volatility"]
    np.testing.assert_allclose(series["residual"], z, rtol=1e-14)
    np.testing.assert_allclose(series["pit"], stats.t.cdf(z * math.sqrt(nu / (nu - 2)), nu), rtol=1e-10)
    quantile = stats.t.ppf(0.99, nu) * math.sqrt((nu - 2) / nu)
    np.testing.assert_allclose(series["var_0.99"], series["mean"] + series["volatility"] * quantile, rtol=1e-12)
    assert series.index.equals(losses.index[-800:])
    historical = fit("historical").series
    expected = rc.value_at_risk(losses.iloc[-800:], 0.99)
    np.testing.assert_allclose(historical["var_0.99"], expected, rtol=1e-12)


def test_a_model_of_the_measures_alone_has_in_sample_measures_only(losses: pd.Series, fit: Fit) -> None:
    found = fit("care-linear")
    series, c = found.series, found.parameters.set_index("name")["estimate"]
    before = losses.iloc[-800:-1].to_numpy()
    gain, loss = np.maximum(-before, 0), np.maximum(before, 0)
    rows = np.column_stack([np.ones(799), before, gain**2, loss**2])
    coefficients = [c[f"expectile_0.99.c{i}"] for i in range(4)]
    np.testing.assert_allclose(series["expectile_0.99"].iloc[1:], rows @ coefficients, rtol=1e-12)
    assert np.isnan(series["expectile_0.99"].iloc[0])
    assert series[["mean", "volatility", "residual", "pit"]].isna().all(axis=None)
    roles = found.parameters.set_index("name")["role"]
    assert roles["var_0.99.level"] == "searched"
    assert roles["expectile_0.99.level"] == "fixed"
    assert roles["es_0.975.c1"] == "estimated"
    lacking = {part: diagnostics.why_not(found, part) for part in diagnostics.PARTS}
    assert all(lacking.values())
    assert lacking["level_curve"] == "care-linear has no law of the loss: it models its targets one by one"


def test_a_fit_can_be_stored(fit: Fit) -> None:
    for model in ("gjr-skewt", "garch-fhs", "care-linear"):
        found = fit(model)
        again: ModelFit = pickle.loads(pickle.dumps(found))
        pd.testing.assert_frame_equal(again.forecasts.frame, found.forecasts.frame, check_exact=True)
        pd.testing.assert_frame_equal(again.parameters, found.parameters)
        assert again.status_words == found.status_words


def test_comparison_is_the_fits(fit: Fit) -> None:
    fits = [fit(m) for m in ("historical", "garch-t", "care-linear")]
    table = diagnostics.comparison(fits).set_index("model")
    assert list(table.index) == ["historical", "garch-t", "care-linear"]
    for found in fits:
        for target in found.forecasts.targets:
            assert table.loc[found.model, target.label] == found.value(target)
    assert table.loc["garch-t", ["aic", "bic", "log_likelihood"]].tolist() == [
        fits[1].aic, fits[1].bic, fits[1].log_likelihood,
    ]  # fmt: skip
    assert table["volatility"].isna().tolist() == [False, False, True]


def test_refusals(losses: pd.Series, fit: Fit) -> None:
    with pytest.raises(DataError, match="window 5000 needs at least 5000 losses per asset: A has 1200"):
        rc.fit_model(losses, "ewma", window=5000)
    with pytest.raises(ConfigError, match=r"window must be a whole number in \[2, 1000000\], got 1"):
        rc.fit_model(losses, "ewma", window=1)
    with pytest.raises(ConfigError, match=r"offers none of the targets var_0\.99"):
        rc.fit_model(losses, rc.CARE(level=0.9), "var:0.99")
    with pytest.raises(ConfigError, match="did you mean 'garch-t'"):
        rc.fit_model(losses, "garch_t")
    with pytest.raises(DataError, match="losses must be a Series, one asset's, got a DataFrame"):
        rc.fit_model(losses.to_frame(), "ewma")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="like prices"):
        rc.fit_model(losses.abs() + 100, "ewma")
    with pytest.raises(ConfigError, match=r"part must be one of residual_qq, .*, got 'nonsense'"):
        diagnostics.why_not(fit("ewma"), "nonsense")
