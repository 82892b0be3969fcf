"""Regressions of ES against linear programmes, statsmodels and the bootstrap written out; sizes on a right model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.optimize import linprog

from riskcore import backtests as bt
from riskcore import defaults
from riskcore.backtests import laws
from riskcore.errors import ConfigError
from riskcore.kernels import quantile

T5, LEVELS, P = stats.t(5), np.array(defaults.TAIL_LEVELS), 0.975
VAR = float(T5.ppf(P))
ES = float((5 + VAR**2) / 4 * T5.pdf(VAR) / (1 - P))
FORMS = ["strict", "auxiliary", "intercept"]


def true_model(n: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    vol = np.exp(0.3 * np.random.default_rng(99).standard_normal(n))
    return vol, (LEVELS, vol[:, None] * T5.ppf(LEVELS))


def quantile_line(x: np.ndarray, y: np.ndarray, p: float) -> np.ndarray:
    """Regression quantile of y on 1 and x as a linear programme."""
    n, one = x.size, np.ones(x.size)
    design = np.column_stack([one, -one, x, -x, np.eye(n), -np.eye(n)])
    found = linprog(np.r_[np.zeros(4), p * one, (1 - p) * one], A_eq=design, b_eq=y, method="highs").x
    return found[[0, 2]] - found[[1, 3]]


def by_statsmodels(form: str, x: np.ndarray, v: np.ndarray, e: np.ndarray, p: float, null: list[float] | None = None):
    """Statistic and coefficients: the two steps one after the other, with the covariance HC0 of statsmodels."""
    sm = pytest.importorskip("statsmodels.api")
    if form == "intercept":
        y = x - e
        q = np.sort(y)[int(np.ceil(round(y.size * p, 9))) - 1] * np.ones(y.size)
        design, start = np.ones((y.size, 1)), [0.0]
    else:
        y, regressor = x, e if form == "strict" else v
        line = quantile_line(regressor, y, p)
        q, design, start = line[0] + line[1] * regressor, sm.add_constant(e, has_constant="add"), [0.0, 1.0]
    excess = np.where(y - q > 1e-9, y - q, 0.0)
    fit = sm.OLS(q + excess / (1 - p), design).fit(cov_type="HC0")
    off = fit.params - (start if null is None else null)
    if form == "intercept":
        return float(off[0] / fit.bse[0]), fit.params
    return float(off @ np.linalg.inv(fit.cov_params()) @ off), fit.params


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("level", [0.9, 0.975])
def test_two_steps_against_other_programmes(form, level):
    rng, n = np.random.default_rng(8), 240
    vol = np.exp(0.3 * rng.standard_normal(n))
    x, v = vol * rng.standard_t(5, n), vol * (1.5 + 0.2 * rng.random(n))
    e = v * (1.2 + 0.3 * rng.random(n))
    result = bt.esr(x, v, e, level, form=form, p_value="asymptotic")
    statistic, coefficients = by_statsmodels(form, x, v, e, level)
    names = ["intercept"] if form == "intercept" else ["intercept", "slope"]
    assert_allclose([result.details[name] for name in names], coefficients, rtol=1e-7)
    assert_allclose(result.statistic, statistic, rtol=1e-6)
    limit = stats.norm.sf(statistic) if form == "intercept" else stats.chi2.sf(statistic, 2)
    assert_allclose(result.p_value, limit, rtol=1e-5)
    assert result.details["df"] == len(names)


@pytest.mark.parametrize("form", FORMS)
def test_bootstrap_is_centred_at_the_estimate(form):
    rng, n, level, paths = np.random.default_rng(8), 120, 0.9, 12
    vol = np.exp(0.3 * rng.standard_normal(n))
    x, v = vol * rng.standard_t(5, n), vol * (1.5 + 0.2 * rng.random(n))
    e = v * (1.2 + 0.3 * rng.random(n))
    observed, coefficients = by_statsmodels(form, x, v, e, level)
    days = np.random.default_rng(4).integers(n, size=(paths, n))
    drawn = [by_statsmodels(form, x[d], v[d], e[d], level, list(coefficients))[0] for d in days]
    result = bt.esr(x, v, e, level, form=form, p_value="bootstrap", rng=4, n_simulations=paths)
    assert_allclose(result.p_value, (1 + np.sum(np.array(drawn) >= observed)) / (1 + paths), rtol=1e-12)
    assert result.p_method == "bootstrap"
    unit, null = e.mean(), np.append(coefficients, 0.0)[:2]
    out = np.empty(paths)
    regressor = (v if form == "auxiliary" else e) / unit
    quantile.shortfall_bootstrap(
        days, x / unit, regressor, e / unit, level, form == "intercept", null / [unit, 1.0], out
    )
    assert_allclose(out, drawn, rtol=1e-5)


def rates(test: Callable[[np.ndarray], bt.BacktestResult], n: int, replications: int) -> np.ndarray:
    """Shares of p-values of at most 1, 5 and 10 % on a right model."""
    rng, vol = np.random.default_rng(1), true_model(n)[0]
    p_values = np.array([test(vol * rng.standard_t(5, n)).p_value for _ in range(replications)])
    return np.mean(p_values[:, None] <= [0.01, 0.05, 0.1], axis=0)


def far(replications: int, draws: int) -> np.ndarray:
    """Three standard errors of `rates`, with those of the simulated null."""
    sizes = np.array([0.01, 0.05, 0.1])
    return 3 * np.sqrt(sizes * (1 - sizes) * (1 / replications + 1 / draws))


@pytest.mark.parametrize("form", FORMS)
def test_default_keeps_its_size(form):
    vol, tail = true_model(250)
    run = lambda x: bt.esr(x, vol * VAR, vol * ES, P, form=form, tail=tail)  # noqa: E731
    assert run(vol * np.random.default_rng(0).standard_t(5, 250)).p_method == "simulated: own law"
    assert np.all(np.abs(rates(run, 250, 400) - [0.01, 0.05, 0.1]) < far(400, 1999))


@pytest.mark.nightly
@pytest.mark.parametrize("form", FORMS)
def test_bootstrap_does_not_reject_too_often(form):
    vol, _ = true_model(250)
    run = lambda x: bt.esr(x, vol * VAR, vol * ES, P, form=form, n_simulations=299)  # noqa: E731
    assert run(vol * np.random.default_rng(0).standard_t(5, 250)).p_method == "bootstrap"
    found = rates(run, 250, 1000)
    print(f"esr {form} T=250, bootstrap: {100 * found} %")
    assert np.all(found < np.array([0.01, 0.05, 0.1]) + far(1000, 299))


@pytest.mark.parametrize("form", ["strict", "intercept"])
def test_the_tail_gives_the_statistic_of_the_whole_path(form):
    tail = true_model(400)[1]
    law = laws.day_laws(tail, np.full(400, P))
    mean, null = float(law.es.mean()), np.array([0.0, float(form == "strict")])
    e, done = law.es - mean, []

    def statistic(where, first, losses, bound, out):
        intercept = form == "intercept"
        quantile.shortfall_statistics(where, first, losses, e, e, mean, bound, P, intercept, null, out)
        if bound.size:
            done.append(out.copy())
            out[:] = quantile.INCOMPLETE

    whole = laws.own_law_statistics(5, 200, law, 0.1, statistic, quantile.INCOMPLETE)
    complete = done[0] != quantile.INCOMPLETE
    assert complete.sum() > 60
    assert_allclose(whole[complete], done[0][complete], rtol=1e-9)


def test_estimates_reach_the_truth_and_see_a_wrong_es():
    rng, n = np.random.default_rng(12), 40_000
    vol = np.exp(0.3 * rng.standard_normal(n))
    x = vol * rng.standard_t(5, n)
    good = bt.esr(x, vol * VAR, vol * ES, P, p_value="asymptotic")
    assert abs(good.details["slope"] - 1) < 0.15
    assert good.p_value > 0.01
    low = bt.esr(x, vol * VAR, 0.8 * vol * ES, P, form="intercept", p_value="asymptotic")
    high = bt.esr(x, vol * VAR, 1.2 * vol * ES, P, form="intercept", p_value="asymptotic")
    assert low.p_value < 1e-6  # understated: one-sided
    assert high.p_value > 1 - 1e-6
    assert bt.esr(x, vol * VAR, 1.2 * vol * ES, P, p_value="asymptotic").p_value < 1e-6
    assert_allclose(bt.esr(x, vol * VAR, 1.25 * vol * ES, P, p_value="asymptotic").details["slope"] * 1.25,
                    good.details["slope"], rtol=1e-9)  # fmt: skip


@pytest.mark.parametrize("p_value", ["simulated", "bootstrap", "asymptotic"])
def test_same_again_in_other_units(p_value):
    vol, tail = true_model(250)
    x = vol * np.random.default_rng(3).standard_t(5, 250)
    one = bt.esr(x, vol * VAR, vol * ES, P, p_value=p_value, tail=tail, n_simulations=99)
    small = (LEVELS, 1e-7 * tail[1])
    other = bt.esr(1e-7 * x, 1e-7 * vol, 1e-7 * vol * ES, P, p_value=p_value, tail=small, n_simulations=99)
    assert_allclose([one.statistic, one.p_value], [other.statistic, other.p_value], rtol=1e-7)
    assert one == bt.esr(x, vol * VAR, vol * ES, P, p_value=p_value, tail=tail, n_simulations=99)


def test_where_there_is_no_regression():
    vol = true_model(250)[0]
    x = vol * np.random.default_rng(3).standard_t(5, 250)
    assert bt.esr(x, vol, vol * 2, 0.99).reason == "2 losses above the fitted quantile, at least 3 needed"
    assert bt.esr(x, vol, 2.0, P).reason == "the ES does not vary; form='intercept' serves"
    assert bt.esr(x, 1.0, vol * 2, P, form="auxiliary").reason == "the VaR does not vary"
    assert np.isfinite(bt.esr(x, 1.0, 2.0, P, form="intercept", n_simulations=9).p_value)
    assert bt.esr(x, vol, vol * 2, np.linspace(0.9, 0.95, 250)).reason == "needs one level for all days"
    assert bt.esr(x, vol, vol * 2, P, p_value="simulated").reason.startswith("the model has no law")
    still = (LEVELS, np.tile(T5.ppf(LEVELS), (250, 1)))
    flat = bt.esr(x, vol, vol * 2, P, tail=still)
    assert flat.reason == "by the day's laws the ES does not vary; form='intercept' serves"
    assert np.isfinite(flat.statistic)
    with pytest.raises(ConfigError, match="form must be one of strict, auxiliary, intercept, got 'loose'"):
        bt.esr(x, vol, vol * 2, P, form="loose")
