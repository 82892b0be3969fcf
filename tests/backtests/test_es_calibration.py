"""Conditional calibration of (VaR, ES) against direct formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import backtests as bt
from riskcore import defaults
from riskcore.distributions import Normal

P = 0.975
LEVELS = np.array(defaults.TAIL_LEVELS)
LAW = stats.t(5, scale=np.sqrt(3 / 5))
VAR = float(LAW.ppf(P))
ES = float((5 + stats.t(5).ppf(P) ** 2) / 4 * stats.t(5).pdf(stats.t(5).ppf(P)) / (1 - P) * np.sqrt(3 / 5))


def model(n: int, seed: int, understated: float = 1.0):
    """Losses from t(5) with moving volatility, and forecasts that are `understated` times the right ones."""
    rng = np.random.default_rng(seed)
    vol = 0.01 * np.exp(0.3 * rng.standard_normal(n))
    losses = vol * LAW.rvs(n, random_state=rng)
    tail = (LEVELS, understated * vol[:, None] * LAW.ppf(LEVELS))
    return losses, understated * vol * VAR, understated * vol * ES, vol, tail


def calibration(losses, var, es, level):
    v = np.column_stack([(losses > var) - (1 - level), var - es + np.maximum(losses - var, 0) / (1 - level)])
    mean, w = v.mean(axis=0), v.T @ v / len(v)
    return v, len(v) * mean @ np.linalg.solve(w, mean)


def test_calibration_forms():
    losses, var, es, vol, tail = model(400, 2)
    _, wald = calibration(losses, var, es, P)
    simple = bt.es_calibration(losses, var, es, P, tail=tail)
    assert_allclose(simple.statistic, wald, rtol=1e-9)
    asymptotic = bt.es_calibration(losses, var, es, P, p_value="asymptotic")
    assert_allclose(asymptotic.p_value, stats.chi2(2).sf(wald), rtol=1e-9)
    r = (losses > var) * (losses - es) / ((1 - P) * vol)
    t = np.sqrt(400) * r.mean() / np.sqrt(np.mean(r**2))
    general = bt.es_calibration(losses, var, es, P, vol, form="general", p_value="asymptotic")
    assert_allclose([general.statistic, general.p_value], [t**2, stats.chi2(1).sf(t**2)], rtol=1e-9)


@pytest.mark.parametrize("with_volatility", [True, False])
@pytest.mark.parametrize("form", ["simple", "general"])
def test_one_sided_calibration_is_hommels_combination(form, with_volatility):
    losses, var, es, vol, _ = model(400, 5, understated=0.8)
    v, _ = calibration(losses, var, es, P)
    scale = vol if with_volatility else es
    columns = [v[:, 0], v[:, 0] * np.abs(var), v[:, 1], v[:, 1] / scale] if form == "general" else [v[:, 0], v[:, 1]]
    t = [np.sqrt(400) * x.mean() / np.sqrt(np.mean(x**2)) for x in columns]
    k, p = len(t), np.sort(stats.norm.sf(t))
    expected = k * sum(1 / i for i in range(1, k + 1)) * min(x / i for i, x in enumerate(p, start=1))
    assert expected < 1
    options = {"form": form, "alternative": "understated", "p_value": "asymptotic"}
    result = bt.es_calibration(losses, var, es, P, vol if with_volatility else None, **options)
    assert_allclose([result.statistic, result.p_value], expected, rtol=1e-9)


@pytest.mark.parametrize("p_value", ["auto", "asymptotic"])
@pytest.mark.parametrize("form", ["simple", "general"])
def test_one_sided_calibration_does_not_reject_a_prudent_model(form, p_value):
    """esback has the wrong sign for the VaR part: it rejects forecasts that are too high."""
    losses, var, es, vol, tail = model(1000, 3, understated=1.5)
    options = {"form": form, "alternative": "understated", "p_value": p_value}
    assert bt.es_calibration(losses, var, es, P, vol, tail=tail, **options).p_value > 0.5
    assert bt.es_calibration(losses, 1.5 * var, es * 1.5, P, vol, tail=tail, **options).p_value > 0.5
    losses, var, es, vol, tail = model(1000, 3, understated=0.6)
    assert bt.es_calibration(losses, var, es, P, vol, tail=tail, **options).p_value < 0.01


def test_calibration_without_an_exception():
    _, var, es, _, tail = model(250, 4)
    result = bt.es_calibration(np.zeros(250), var, es, P, tail=tail)
    assert 0 < result.p_value <= 0.01
    assert np.isfinite(result.statistic)
    asymptotic = bt.es_calibration(np.zeros(250), var, es, P, p_value="asymptotic")
    assert asymptotic.reason == "no exception: the covariance of V is degenerate"


def test_esback_series(shared_data):
    """Published forecasts: the statistics by direct formulas on 4,527 days."""
    table = np.genfromtxt(shared_data / "more" / "esback_risk_forecasts.csv.gz", delimiter=",", skip_header=1)
    losses, var, es, vol = -table[:, 1], -table[:, 2], -table[:, 3], table[:, 4]
    assert_allclose(
        bt.es_calibration(losses, var, es, P, vol, n_simulations=199).statistic,
        calibration(losses, var, es, P)[1],
        rtol=1e-9,
    )


def test_es_calibration_without_a_hit_is_not_decided_by_rounding():
    """With no hit the statistic is T in the sample and in each path without hits: the p-value is about P(no hit)."""
    rng = np.random.default_rng(9)
    for spread in (0.1, 0.003, 0.0003):
        sigma = 1 + spread * rng.standard_normal(100)
        quantiles = sigma[:, None] * Normal().ppf(np.array(defaults.TAIL_LEVELS))
        losses = np.minimum(rng.standard_normal(100), 1.5) * sigma
        result = bt.es_calibration(
            losses,
            sigma * Normal().ppf(0.975),
            sigma * Normal().es(0.975),
            0.975,
            tail=(defaults.TAIL_LEVELS, quantiles),
        )
        assert result.details["hits"] == 0
        assert 0.05 < result.p_value < 0.2
