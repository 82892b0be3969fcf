"""Dynamic Quantile and VaR quantile regression against published tables, linear programmes and the definitions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.optimize import linprog

from riskcore import backtests as bt
from riskcore import defaults
from riskcore.backtests import laws, nulls, regression
from riskcore.errors import ConfigError
from riskcore.kernels import quantile

STEPS: dict[str, Callable[[float, float, float, list[float]], float]] = {
    "AS": lambda v, r, level, b: b[0] + b[1] * v + b[2] * max(r, 0.0) + b[3] * max(-r, 0.0),
    "IG": lambda v, r, level, b: float(np.sqrt(b[0] + b[1] * v**2 + b[2] * r**2)),
    "AD": lambda v, r, level, b: v + b[0] * (1.0 / (1.0 + np.exp(10.0 * (r + v))) - (1.0 - level)),
    "SAV": lambda v, r, level, b: b[0] + b[1] * v + b[2] * abs(r),
}


@pytest.mark.parametrize(
    "case_id", ["GM_AS_0.99", "GM_IG_0.99", "GM_AD_0.99", "GM_AS_0.95", "GM_IG_0.95", "GM_AD_0.95", "GM_SAV_0.99"]
)
def test_published_table(golden, shared_data, case_id):
    case = golden("caviar_engle_manganelli_gm")[case_id]
    inputs, expected = case["input"], case["expected"]
    returns = np.genfromtxt(shared_data / "engle_manganelli_2004.csv", delimiter=",", skip_header=1)[:, 1]
    step, level = STEPS[case_id.split("_")[1]], inputs["level"]
    var = np.empty(returns.size)
    var[0] = inputs["start_value"]
    for t in range(1, returns.size):
        var[t] = step(var[t - 1], returns[t - 1], level, list(inputs["coefficients"].values()))
    last = inputs["rows_out_of_sample"]
    result = bt.dynamic_quantile(-returns[-last:], var[-last:], level, p_value="asymptotic")
    assert_allclose(result.statistic, expected["dq_out_of_sample"], rtol=1e-8)
    assert_allclose(result.p_value, expected["dq_p_value"], rtol=1e-8)
    assert result.details["df"] == expected["dq_df"]
    assert result.details["hits"] == expected["out_of_sample_exceptions"]


def direct(hits: np.ndarray, var: np.ndarray, level: float, lags: int = 4, *more: np.ndarray) -> float:
    """The definition; `more` holds further regressors of the days after the first `lags`."""
    h = hits - (1 - level)
    n = h.size
    x = np.column_stack([np.ones(n - lags), var[lags:], *(h[lags - j : n - j] for j in range(1, lags + 1)), *more])
    x = x / np.maximum(np.abs(x).max(axis=0), 1e-300)  # else pinv takes small columns for none
    fit = x @ np.linalg.pinv(x) @ h[lags:]
    return float(fit @ fit / (level * (1 - level)))


@pytest.mark.parametrize("lags", [0, 1, 4])
def test_against_the_definition(lags):
    rng = np.random.default_rng(5)
    losses, var = rng.standard_normal(400), 1.6 + 0.2 * rng.random(400)
    result = bt.dynamic_quantile(losses, var, 0.95, lags=lags)
    assert_allclose(result.statistic, direct((losses > var).astype(float), var, 0.95, lags), rtol=1e-9)
    assert result.details["df"] == 2 + lags


def test_units_and_the_sign_of_var_do_not_matter():
    rng = np.random.default_rng(6)
    losses, var = rng.standard_normal(500), 1.6 + 0.2 * rng.random(500)
    one = bt.dynamic_quantile(losses, var, 0.95)
    other = bt.dynamic_quantile(1e-4 * losses, 1e-4 * var, 0.95)
    assert_allclose(one.statistic, other.statistic, rtol=1e-9)


def test_constant_var_takes_one_degree_away():
    losses = np.random.default_rng(7).standard_normal(300)
    result = bt.dynamic_quantile(losses, 1.645, 0.95)
    assert result.details["df"] == 5
    hits = (losses > 1.645).astype(float)
    assert_allclose(result.statistic, direct(hits, np.zeros(300), 0.95), rtol=1e-9)


def test_no_hit_is_said():
    result = bt.dynamic_quantile(np.zeros(250), 0.5, 0.99)
    assert result.details["note"] == "no hit on the days regressed"
    assert_allclose(result.statistic, 246 * 0.01 / 0.99, rtol=1e-9)
    assert result.details["df"] == 1


def test_simulated_null_is_reproducible():
    rng = np.random.default_rng(8)
    losses, var = rng.standard_normal(300), 1.6 + 0.2 * rng.random(300)
    one, two = (bt.dynamic_quantile(losses, var, 0.95, p_value="simulated", n_simulations=199) for _ in range(2))
    assert one == two
    assert one.p_method == "simulated: Bernoulli hits"
    assert one.details["seed"] == 0


def test_too_short_and_bad_lags():
    assert bt.dynamic_quantile(np.zeros(10), 0.5, 0.99).reason == "10 usable days, at least 11 needed"
    with pytest.raises(ConfigError, match="lags must be a whole number of at least 0, got -1"):
        bt.dynamic_quantile(np.zeros(20), 0.5, 0.99, lags=-1)


def test_forms_by_name():
    rng = np.random.default_rng(15)
    losses, var, n = 0.01 * rng.standard_normal(400), 0.016 + 0.002 * rng.random(400), 400
    hits = losses > var
    gas = bt.dynamic_quantile(losses, var, 0.95, form="gas")
    assert_allclose(gas.statistic, direct(hits, var, 0.95, 4, losses[3:-1] ** 2), rtol=1e-9)
    assert gas.details["df"] == 7
    extended = bt.dynamic_quantile(losses, var, 0.95, form="extended")
    h = hits - 0.05
    x = np.column_stack([np.ones(n - 4), *(y[4 - j : n - j] for y in (var, h, losses**2) for j in range(1, 5))])
    fit = h[4:] @ (x / np.abs(x).max(axis=0)) @ np.linalg.pinv(x / np.abs(x).max(axis=0))
    assert_allclose(extended.statistic, fit @ h[4:] / (0.95 * 0.05), rtol=1e-9)
    assert extended.details["df"] == 13
    assert extended.p_method == gas.p_method == "simulated: Bernoulli hits"
    with pytest.raises(ConfigError, match="lags must be a whole number of at least 1, got 0"):
        bt.dynamic_quantile(losses, var, 0.95, form="gas", lags=0)
    with pytest.raises(ConfigError, match="form must be one of paper, gas, extended, got 'matlab'"):
        bt.dynamic_quantile(losses, var, 0.95, form="matlab")


@pytest.mark.parametrize("moving", [False, True])
def test_the_null_of_hits_is_the_statistic_of_each_path(moving):
    rng = np.random.default_rng(9)
    var = 1.6 + 0.2 * rng.random(120)
    level = np.where(np.arange(120) % 2, 0.9, 0.8) if moving else np.full(120, 0.9)
    hits = nulls.draw_hits(3, 40, level)
    drawn = regression._dq_statistic(hits, level, ("paper", 4, var.tobytes(), b""))
    for i in range(40):
        losses = np.zeros(120)
        losses[hits.where[hits.first[i] : hits.first[i + 1]]] = 9.0
        h = (losses > var) - (1 - level)
        x = np.column_stack([np.ones(116), var[4:], *(h[4 - j : 120 - j] for j in range(1, 5))])
        fit = x @ np.linalg.pinv(x) @ (h / np.sqrt(level * (1 - level)))[4:]
        assert_allclose(drawn[i], fit @ fit, rtol=1e-8)


T5, LEVELS = stats.t(5), np.array(defaults.TAIL_LEVELS)


def true_model(n: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    vol = np.exp(0.3 * np.random.default_rng(99).standard_normal(n))
    return vol, (LEVELS, vol[:, None] * T5.ppf(LEVELS))


def rates(test: Callable[[np.ndarray], bt.BacktestResult], n: int, replications: int) -> np.ndarray:
    """Shares of p-values of at most 1, 5 and 10 % on a right model."""
    rng, vol = np.random.default_rng(1), true_model(n)[0]
    p_values = np.array([test(vol * rng.standard_t(5, n)).p_value for _ in range(replications)])
    return np.mean(p_values[:, None] <= [0.01, 0.05, 0.1], axis=0)


def far(replications: int, draws: int) -> np.ndarray:
    """Three standard errors of `rates`, with those of the simulated null."""
    sizes = np.array([0.01, 0.05, 0.1])
    return 3 * np.sqrt(sizes * (1 - sizes) * (1 / replications + 1 / draws))


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_default_dynamic_quantile_keeps_its_size(level):
    vol, _ = true_model(250)
    found = rates(lambda x: bt.dynamic_quantile(x, vol * T5.ppf(level), level), 250, 500)
    assert np.all(found < np.array([0.01, 0.05, 0.1]) + far(500, 1999))
    assert found[2] > 0.05


# Quantile regression -------------------------------------------------------------------------------------------------


def best(x: np.ndarray, y: np.ndarray, p: float) -> float:
    """Least sum of quantile scores, by the dual linear programme."""
    equal = np.vstack([np.ones(x.size), x])
    dual = linprog(-y, A_eq=equal, b_eq=(1 - p) * equal.sum(axis=1), bounds=(0, 1), method="highs")
    return float(-dual.fun - (1 - p) * y.sum())


def lines(x: np.ndarray, y: np.ndarray, *levels: float) -> np.ndarray:
    out = np.empty((len(levels), 2))
    assert quantile.quantile_lines(np.arange(x.size), y, x, np.empty(0), np.array(levels), 1.0, out)
    return out


def score(x: np.ndarray, y: np.ndarray, p: float, line: np.ndarray) -> float:
    gap = y - line[0] - line[1] * x
    return float(np.sum(gap * (p - (gap < 0))))


@pytest.mark.parametrize("kind", ["free", "tied losses", "tied both", "drawn twice", "mostly zero"])
def test_lines_are_those_of_the_linear_programme(kind):
    rng = np.random.default_rng(2)
    for n in [3, 5, 10, 31, 80] * 6 + [1500]:
        x, p = rng.random(n), float(rng.choice([0.51, 0.75, 0.9, 0.95, 0.99]))
        y = (1 + x) * rng.standard_t(3, n)
        if kind == "tied losses":
            y = np.round(y)
        elif kind == "tied both":
            x, y = np.round(4 * x), np.round(y)
        elif kind == "drawn twice":
            days = rng.integers(n, size=n)
            x, y = x[days], y[days]
        elif kind == "mostly zero":
            x, y = np.round(10 * x), np.where(rng.random(n) < 0.7, 0.0, y)
        if np.ptp(x) == 0:
            continue
        x = x - x.mean()
        assert_allclose(score(x, y, p, lines(x, y, p)[0]), best(x, y, p), rtol=1e-9, atol=1e-9)


# R, quantreg: rq(foodexp ~ income, tau = 1:9/10, data = engel), coefficients and "nid" errors as printed in the tests
# of the R package parameters; those at 0.5 also in Koenker's vignette of quantreg.
QUANTREG_ENGEL = {
    0.1: (110.14157, 0.40177, 29.39768, 0.04024), 0.2: (102.31388, 0.4469, 21.42836, 0.02997),
    0.3: (99.11058, 0.48124, 22.18115, 0.02987), 0.4: (101.95988, 0.5099, 22.06032, 0.02936),
    0.5: (81.48225, 0.56018, 19.25066, 0.02828), 0.6: (79.70227, 0.58585, 17.61762, 0.02506),
    0.7: (79.28362, 0.60885, 14.25039, 0.02176), 0.8: (58.00666, 0.65951, 19.21719, 0.02635),
    0.9: (67.35087, 0.6863, 22.39538, 0.02849),
}  # fmt: skip


@pytest.mark.parametrize("p", QUANTREG_ENGEL)
def test_coefficients_and_sandwich_of_quantreg(p):
    sm = pytest.importorskip("statsmodels.api")
    data = sm.datasets.engel.load_pandas().data
    y, income = data["foodexp"].to_numpy(), data["income"].to_numpy()
    x, h = income - income.mean(), regression.hall_sheather(y.size, p)
    found = lines(x, y, p, p - h, p + h)
    one, first, second = quantile.density_sums(x, found[1], found[2], h)
    inverse = np.linalg.inv([[one, first], [first, second]])
    covariance = p * (1 - p) * inverse @ np.diag([y.size, x @ x]) @ inverse
    to_income = np.array([[1.0, -income.mean()], [0.0, 1.0]])
    errors = np.sqrt(np.diag(to_income @ covariance @ to_income.T))
    a, b = to_income @ found[0]
    assert_allclose([a, b, *errors], QUANTREG_ENGEL[p], rtol=0, atol=6e-6)
    if p > 0.5:
        result = bt.var_quantile_regression(y, income, p, p_value="asymptotic")
        theta = to_income @ found[0] - [0.0, 1.0]
        wald = theta @ np.linalg.inv(to_income @ covariance @ to_income.T) @ theta
        assert_allclose(result.statistic, wald, rtol=1e-6)
        assert_allclose([result.details["intercept"], result.details["slope"]], [a, b], rtol=1e-10)
        assert_allclose(result.p_value, stats.chi2.sf(result.statistic, 2), rtol=1e-9)


def test_bandwidth_of_hall_and_sheather():
    z = stats.norm.ppf(0.9)
    h = 235 ** (-1 / 3) * stats.norm.ppf(0.975) ** (2 / 3) * (1.5 * stats.norm.pdf(z) ** 2 / (2 * z**2 + 1)) ** (1 / 3)
    assert_allclose(regression.hall_sheather(235, 0.9), h, rtol=1e-12)
    assert 0.005 < regression.hall_sheather(250, 0.99) <= 0.01  # 0.0111, halved


def test_limit_law_of_the_quantile_regression():
    rng, n = np.random.default_rng(4), 5000
    vol = np.exp(0.3 * rng.standard_normal(n))
    v = vol * stats.norm.ppf(0.9)
    found = [bt.var_quantile_regression(vol * rng.standard_normal(n), v, 0.9, p_value="asymptotic") for _ in range(300)]
    assert abs(np.mean([x.statistic for x in found]) - 2) < 3 * 2 / np.sqrt(300) + 0.15  # of order 1 / (n h) biased
    assert np.mean([x.rejects() for x in found]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300) + 0.02


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_default_quantile_regression_keeps_its_size(level):
    vol, tail = true_model(250)
    run = lambda x: bt.var_quantile_regression(x, vol * T5.ppf(level), level, tail=tail)  # noqa: E731
    assert run(vol * np.random.default_rng(0).standard_t(5, 250)).p_method == "simulated: own law"
    assert np.all(np.abs(rates(run, 250, 400) - [0.01, 0.05, 0.1]) < far(400, 1999))


def test_quantile_regression_finds_a_wrong_var():
    vol, tail = true_model(1000)
    x = vol * np.random.default_rng(3).standard_t(5, 1000)
    good = bt.var_quantile_regression(x, vol * T5.ppf(0.95), 0.95, tail=tail, n_simulations=1999)
    low = bt.var_quantile_regression(
        x, 0.6 * vol * T5.ppf(0.95), 0.95, tail=(tail[0], 0.6 * tail[1]), n_simulations=1999
    )
    flat = 0.5 * (vol + vol.mean())  # reacts half as much as the volatility
    slow = bt.var_quantile_regression(
        x, flat * T5.ppf(0.95), 0.95, tail=(LEVELS, flat[:, None] * T5.ppf(LEVELS)), n_simulations=1999
    )
    assert good.p_value > 0.05 > 0.01 > low.p_value
    assert slow.details["slope"] > 1.3
    assert slow.p_value < 0.05


def test_units_do_not_matter():
    vol, tail = true_model(250)
    x = vol * np.random.default_rng(3).standard_t(5, 250)
    one = bt.var_quantile_regression(x, 2 * vol, 0.95, tail=tail)
    other = bt.var_quantile_regression(1e-7 * x, 2e-7 * vol, 0.95, tail=(LEVELS, 1e-7 * tail[1]))
    assert_allclose(one.statistic, other.statistic, rtol=1e-6)
    assert_allclose(one.p_value, other.p_value, rtol=1e-12)


def test_where_there_is_no_quantile_regression():
    vol, tail = true_model(60)
    x = np.linspace(-1, 1, 60)
    assert bt.var_quantile_regression(x, 1.0, 0.95).reason == "the VaR does not vary"
    assert bt.var_quantile_regression(x, vol, 0.95).reason.startswith("the model has no law to simulate from")
    assert bt.var_quantile_regression(x, vol, np.linspace(0.9, 0.95, 60)).reason == "needs one level for all days"
    still = (LEVELS, np.tile(T5.ppf(LEVELS), (60, 1)))
    assert bt.var_quantile_regression(x, vol, 0.95, tail=still).reason == "the var of the day's law does not vary"
    assert bt.var_quantile_regression(vol, vol, 0.95, tail=tail).reason == "the lines beside the VaR cross: no density"


# Paths of which only the tail is drawn -------------------------------------------------------------------------------


def test_paths_are_drawn_whole_where_the_tail_is_not_enough():
    vol, tail = true_model(300)
    law = laws.day_laws(tail, np.full(300, 0.95))
    partial: list[np.ndarray] = []
    whole: list[np.ndarray] = []

    def statistic(where, first, losses, bound, out):
        if bound.size:
            partial.extend(where[a:b].copy() for a, b in pairwise(first))
            assert np.all(losses[: first[-1]] > bound[where[: first[-1]]])
            assert_allclose(bound, vol * T5.ppf(0.75), rtol=1e-9)  # a knot of the law
            out[:] = quantile.INCOMPLETE
        else:
            whole.append(losses.copy())
            assert np.all((losses > law.quantiles[:, 6]) == np.isin(np.arange(300), partial[len(whole) - 1]))
            out[0] = 7.0

    assert np.all(laws.own_law_statistics(3, 200, law, 0.25, statistic, quantile.INCOMPLETE) == 7.0)
    u = np.concatenate([T5.cdf(x / vol) for x in whole])
    u = u[(u > 0.05) & (u < 0.995)]  # where the knots are close enough for the interpolated law to be that of t
    assert stats.kstest(u, stats.uniform(0.05, 0.945).cdf).pvalue > 1e-3


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_the_tail_gives_the_statistic_of_the_whole_path(level):
    tail = true_model(400)[1]
    law = laws.day_laws(tail, np.full(400, level))
    mean, h = law.var.mean(), regression.hall_sheather(400, level)
    x, done = law.var - mean, []

    def statistic(where, first, losses, bound, out):
        quantile.quantile_wald(where, first, losses, x, mean, bound, level, h, out)
        if bound.size:
            done.append(out.copy())
            out[:] = quantile.INCOMPLETE

    whole = laws.own_law_statistics(5, 200, law, 0.3, statistic, quantile.INCOMPLETE)
    complete = done[0] != quantile.INCOMPLETE
    assert complete.sum() > 50
    assert_allclose(whole[complete], done[0][complete], rtol=1e-9)
