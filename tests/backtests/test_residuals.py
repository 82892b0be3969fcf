"""Exceedance residuals against scipy's t test and plain draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import backtests as bt
from riskcore import defaults
from riskcore.backtests.residuals import _t_of
from riskcore.kernels import simulate

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


def test_exceedance_residuals():
    losses, var, es, vol, _ = model(1000, 8)
    result = bt.exceedance_residuals(losses, var, es, P, vol)
    r = ((losses - es) / vol)[losses > var]
    t = stats.ttest_1samp(r, 0.0)
    assert_allclose(result.statistic, t.statistic, rtol=1e-10)
    rng = np.random.default_rng(1)
    draws = (r - r.mean())[rng.integers(r.size, size=(20000, r.size))]
    boot = np.sqrt(r.size) * draws.mean(axis=1) / draws.std(axis=1, ddof=1)
    assert_allclose(result.p_value, np.mean(boot >= t.statistic), atol=0.05)
    assert (result.p_method, result.details["scale"]) == ("bootstrap", "volatility")
    assert bt.exceedance_residuals(losses, var, 0.5 * es, P, vol).p_value < 0.01
    limit = bt.exceedance_residuals(losses, var, es, P, vol, p_value="asymptotic")
    assert_allclose(limit.p_value, stats.ttest_1samp(r, 0.0, alternative="greater").pvalue, rtol=1e-10)


def test_forms_and_scales():
    losses, var, es, vol, _ = model(1000, 8)
    excess = (losses - es)[losses > var]
    for result, r, scale in (
        (bt.exceedance_residuals(losses, var, es, P, vol, form="plain"), excess, "none"),
        (bt.exceedance_residuals(losses, var, es, P), excess / es[losses > var], "es"),
    ):
        assert_allclose(result.statistic, stats.ttest_1samp(r, 0.0).statistic, rtol=1e-10)
        assert result.details["scale"] == scale
    holes = np.where(np.arange(1000) % 9 == 0, np.nan, vol)
    assert bt.exceedance_residuals(losses, var, es, P, holes, form="plain").details["missing"] == 0


@pytest.mark.parametrize("form", ["standardised", "plain"])
def test_simulated_residuals_against_plain_draws(form):
    """The null drawn day by day from the days' own laws, and the t statistic of scipy on each path with 5 hits."""
    n, paths = 250, 1500
    losses, var, es, vol, tail = model(n, 23)
    result = bt.exceedance_residuals(losses, var, es, P, vol, tail=tail, form=form, n_simulations=19_999)
    assert result.p_method == "simulated: own law"
    drawn = vol * LAW.rvs((paths, n), random_state=np.random.default_rng(2))
    r = np.where(drawn > var, (drawn - es) / (vol if form == "standardised" else 1.0), np.nan)
    t = stats.ttest_1samp(r[np.sum(drawn > var, axis=1) >= 5], 0.0, axis=1, nan_policy="omit").statistic
    share = np.mean(t >= result.statistic)
    assert 0.1 < share < 0.9
    assert abs(result.p_value - share) < 4 * np.sqrt(share * (1 - share) / t.size) + 0.01


def test_t_statistic_from_the_sums_of_a_path():
    losses, var, es, vol, _ = model(1000, 8)
    sums = simulate.es_sums(losses[None, :], var, es, np.full(1000, P), vol)
    r = ((losses - es) / vol)[losses > var]
    assert_allclose(_t_of(sums), stats.ttest_1samp(r, 0.0).statistic, rtol=1e-10)
    assert np.isnan(_t_of(np.array([[4.0, *np.ones(14)]]))).all()  # fewer than 5 hits


def test_levels_that_move_are_resampled():
    losses, var, es, vol, tail = model(1000, 8)
    level = np.linspace(0.97, 0.98, 1000)
    assert bt.exceedance_residuals(losses, var, es, level, vol, tail=tail).p_method == "bootstrap"
    simulated = bt.exceedance_residuals(losses, var, es, level, vol, tail=tail, p_value="simulated")
    assert simulated.reason == "needs one level for all days"


def test_exceedance_residuals_refuses():
    losses = np.zeros(100)
    losses[[3, 30, 50, 80]] = [3.0, 4.0, 5.0, 6.0]
    assert bt.exceedance_residuals(losses, 2.0, 3.0, P).reason == "4 exceptions, at least 5 needed"
    losses[:20] = 4.0
    assert bt.exceedance_residuals(np.where(losses > 0, 4.0, 0.0), 2.0, 3.0, P).reason == "the residuals do not vary"
