"""Isotonic decomposition against golden values, the max-min formula, a linear programme and plain pooling."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, sparse, stats

from riskcore import Forecasts, Target, compare, scores
from riskcore.compare.decomposition import forecast_groups, isotonic_values
from riskcore.errors import ConfigError, DataError
from riskcore.forecasts import tail_label


def lower_quantile(x: np.ndarray, level: float) -> float:
    return float(np.quantile(x, level, method="inverted_cdf"))


def expectile_root(x: np.ndarray, level: float) -> float:
    """By bisection on its first-order condition."""
    if np.ptp(x) == 0:
        return float(x[0])

    def excess(m: float) -> float:
        return float(level * np.maximum(x - m, 0).sum() - (1 - level) * np.maximum(m - x, 0).sum())

    return float(optimize.brentq(excess, x.min(), x.max(), xtol=1e-15, rtol=1e-15))


MEASURE = {"var": lower_quantile, "expectile": expectile_root}


def max_min(x: np.ndarray, f: np.ndarray, level: float, measure: str) -> np.ndarray:
    """The largest over starts of the smallest over ends of the measure of all days with a forecast between them."""
    knots = np.unique(f)
    by_knot = {}
    for g in knots:
        by_knot[g] = max(
            min(MEASURE[measure](x[(f >= a) & (f <= b)], level) for b in knots[knots >= g]) for a in knots[knots <= g]
        )
    return np.array([by_knot[g] for g in f])


def recalibrated(parts: compare.Decomposition, f: np.ndarray) -> np.ndarray:
    return parts.reliability.set_index("forecast")["recalibrated"].loc[f].to_numpy()


def sample(n: int, seed: int, decimals: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    f = np.round(rng.uniform(1, 3, n), decimals)
    return np.round(f * rng.standard_t(4, n), decimals), f


@pytest.mark.parametrize(("measure", "key"), [("var", "quantile"), ("expectile", "expectile")])
def test_golden(golden, measure, key):
    case = golden("further_laws")["isotonic_small"]
    given, expected = case["input"], case["expected"][key]
    parts = compare.decompose(given["losses"], given["forecasts"], expected["level"], measure=measure)
    assert_allclose(recalibrated(parts, np.array(given["forecasts"])), expected["recalibrated"], rtol=1e-10)
    for name in ("mcb", "dsc", "unc"):
        assert_allclose(getattr(parts, name), expected[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("measure", ["var", "expectile"])
@pytest.mark.parametrize("level", [0.75, 0.9, 0.99])
def test_equals_the_max_min_formula(measure, level):
    for seed in range(12):
        x, f = sample(4 + 2 * seed, seed, decimals=(0, 1, 9)[seed % 3])
        parts = compare.decompose(x, f, level, measure=measure)
        assert_allclose(recalibrated(parts, f), max_min(x, f, level, measure), rtol=1e-11, atol=1e-11)
        assert_array_equal(parts.reliability["forecast"], np.unique(f))
        assert parts.reliability["n"].sum() == x.size


@pytest.mark.parametrize("level", [0.75, 0.95, 0.99])
def test_quantile_score_is_the_linear_programmes(level):
    x, f = sample(120, 5, decimals=1)
    knots, place = np.unique(f, return_inverse=True)
    n, k = x.size, knots.size
    # losses = value of the forecast + up - down; minimise level up + (1 - level) down, values nondecreasing
    equal = sparse.hstack([sparse.csr_array((np.ones(n), (np.arange(n), place))), sparse.eye(n), -sparse.eye(n)])
    rising = sparse.hstack([sparse.diags_array([1.0, -1.0], offsets=[0, 1], shape=(k - 1, k)),
                            sparse.csr_array((k - 1, 2 * n))])  # fmt: skip
    cost = np.concatenate([np.zeros(k), np.full(n, level), np.full(n, 1 - level)]) / n
    bounds = [(None, None)] * k + [(0, None)] * (2 * n)
    best = optimize.linprog(cost, A_ub=rising, b_ub=np.zeros(k - 1), A_eq=equal, b_eq=x, bounds=bounds)
    parts = compare.decompose(x, f, level)
    assert_allclose(parts.score - parts.mcb, best.fun, rtol=1e-9)


@pytest.mark.parametrize("measure", ["var", "expectile"])
def test_many_paths_by_pooling_adjacent_violators(measure):
    """The kernel on several paths against pooling, with ties in forecasts and losses."""
    rng = np.random.default_rng(3)
    f = np.sort(np.round(rng.uniform(1, 3, 200), 1))
    losses = np.round(f * rng.standard_t(4, (3, 200)), 1)
    _, first = forecast_groups(f)
    found = isotonic_values(losses, first, 0.9, measure)
    for x, values in zip(losses, found, strict=True):
        pools: list[tuple[int, int]] = []
        for group in itertools.pairwise(first.tolist()):
            pools.append(group)
            while len(pools) > 1:
                (a, b), (_, c) = pools[-2:]
                if MEASURE[measure](x[a:b], 0.9) < MEASURE[measure](x[b:c], 0.9):
                    break
                pools[-2:] = [(a, c)]
        expected = np.concatenate([np.full(b - a, MEASURE[measure](x[a:b], 0.9)) for a, b in pools])
        assert_allclose(values, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("measure", ["var", "expectile"])
def test_parts_add_up_and_scale(measure):
    x, f = sample(400, 7)
    parts = compare.decompose(x, f, 0.95, measure=measure)
    run = scores.quantile_score if measure == "var" else scores.expectile_score
    assert_allclose(parts.score, run(x, f, 0.95).mean(), rtol=1e-12)
    assert_allclose(parts.unc, run(x, MEASURE[measure](x, 0.95), 0.95).mean(), rtol=1e-12)
    assert_allclose(parts.score, parts.mcb - parts.dsc + parts.unc, rtol=1e-12)
    assert min(parts.mcb, parts.dsc) > 0
    small = compare.decompose(1e-9 * x, 1e-9 * f, 0.95, measure=measure)
    power = 1 if measure == "var" else 2
    assert_allclose([small.mcb, small.dsc], [1e-9**power * parts.mcb, 1e-9**power * parts.dsc], rtol=1e-9)
    twisted = compare.decompose(x, f**3, 0.95, measure=measure)  # another rising function of the forecast
    assert_allclose([twisted.dsc, twisted.unc], [parts.dsc, parts.unc], rtol=1e-12)
    assert twisted.mcb > parts.mcb
    repaired = compare.decompose(x, recalibrated(parts, f), 0.95, measure=measure)
    assert_allclose([repaired.mcb, repaired.dsc], [0.0, parts.dsc], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("measure", ["var", "expectile"])
def test_degenerate_samples(measure):
    x, _ = sample(100, 2)
    constant = compare.decompose(x, np.full(100, 2.0), 0.99, measure=measure)
    assert (constant.dsc, len(constant.reliability)) == (0.0, 1)
    assert_allclose(constant.reliability["recalibrated"], constant.reference, rtol=1e-15)
    one = compare.decompose([3.0], [2.0], 0.99, measure=measure)
    assert (one.dsc, one.unc, one.reference, one.n_obs) == (0.0, 0.0, 3.0, 1)
    assert one.mcb == one.score > 0
    nothing = compare.decompose([np.nan], [2.0], 0.99, measure=measure)
    assert (nothing.reason, nothing.n_obs, nothing.missing) == ("0 usable days, at least 1 needed", 0, 1)
    assert np.isnan([nothing.score, nothing.mcb, nothing.p_value]).all()
    flat = compare.decompose(np.zeros(50), np.arange(50.0), 0.99, measure=measure)
    assert (flat.dsc, flat.unc) == (0.0, 0.0)
    level = 0.9985475861039812  # more decimals than whole numbers can carry
    assert compare.decompose(x, x, level, measure=measure).mcb == 0.0
    x[3] = np.inf
    assert compare.decompose(x, x, 0.99, measure=measure).missing == 1


def test_without_a_law_no_p_value():
    x, f = sample(100, 2)
    parts = compare.decompose(x, f, 0.99)
    assert np.isnan(parts.p_value)
    assert (parts.p_method, parts.reason) == ("none", "the model has no law from which a null could be drawn")
    assert parts.band.empty
    tail = (np.array([0.1, 0.9]), np.tile([1.0, -1.0], (100, 1)))
    assert compare.decompose(x, f, 0.99, tail=tail).reason == "the quantiles of the day's law do not increase"


@pytest.mark.parametrize("measure", ["var", "expectile"])
def test_null_is_what_a_right_model_shows(days, measure):
    """Losses drawn by scipy from the law itself, with its own measure and plain scores."""
    day = days(250)
    level = 0.95
    value = day.law.ppf(level) if measure == "var" else _t5_expectile(level)
    parts = compare.decompose(day.losses, day.scale * value, level, measure=measure, tail=day.tail)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(300):
        x = day.scale * day.law.rvs(250, random_state=rng)
        drawn.append(compare.decompose(x, day.scale * value, level, measure=measure).mcb)
    error = np.std(drawn) / np.sqrt(300)
    assert abs(parts.null_mean - np.mean(drawn)) < 4 * error
    share = float(np.mean(np.array(drawn) >= parts.mcb))
    assert abs(parts.p_value - share) < 4 * np.sqrt(share * (1 - share) / 300) + 0.01
    assert (parts.p_method, parts.seed, parts.n_simulations) == ("simulated: own law", 0, 1999)
    assert parts.null_mean < parts.null_95
    ranked = recalibrated(parts, np.sort(day.scale * value))
    low, high = (np.interp(np.sort(day.scale * value), parts.band["forecast"], parts.band[c]) for c in ("low", "high"))
    assert np.mean((ranked >= low) & (ranked <= high)) > 0.5
    assert ((parts.band["low"] < parts.band["forecast"]) & (parts.band["forecast"] < parts.band["high"])).mean() > 0.8


def _t5_expectile(level: float) -> float:
    return float(stats.expectile(stats.t(5).ppf((np.arange(200_000) + 0.5) / 200_000), level))


def test_a_wrong_model_is_found_and_draws_repeat(days):
    day = days(1000, seed=3)
    low = day.scale * day.law.ppf(0.95)
    wrong = compare.decompose(day.losses, 0.6 * low, 0.95, tail=day.tail)
    right = compare.decompose(day.losses, low, 0.95, tail=day.tail)
    assert wrong.p_value < 0.01 < right.p_value
    again = compare.decompose(day.losses, low, 0.95, tail=day.tail, rng=0)
    assert again.p_value == right.p_value
    pd.testing.assert_frame_equal(again.band, right.band)
    other = compare.decompose(day.losses, low, 0.95, tail=day.tail, rng=1, n_simulations=99)
    assert (other.seed, other.n_simulations) == (1, 99)
    assert other.null_mean != right.null_mean


def test_table_of_models(days):
    day = days(300)
    index = [pd.MultiIndex.from_product([["A"], [m], pd.bdate_range("2020-01-01", periods=300)],
                                        names=["asset", "model", "date"]) for m in ("law", "none")]  # fmt: skip
    row = {"loss": day.losses, "status": "ok", "var_0.95": day.var(0.95)}
    law = pd.DataFrame(
        row | {tail_label(float(u)): q for u, q in zip(day.tail[0], day.tail[1].T, strict=True)}, index[0]
    )
    frame = pd.concat([law, pd.DataFrame(row, index[1])])
    frame["origin"] = frame.index.get_level_values("date") - pd.Timedelta(days=1)
    forecasts = Forecasts(frame, [Target("var", 0.95)])
    table = compare.decomposition_table(forecasts, "var:0.95", n_simulations=199).set_index("model")
    direct = compare.decompose(day.losses, day.var(0.95), 0.95, tail=day.tail, n_simulations=199)
    assert_allclose(table.loc["law", ["score", "mcb", "dsc", "unc", "p_value"]].astype(float),
                    [direct.score, direct.mcb, direct.dsc, direct.unc, direct.p_value], rtol=1e-12)  # fmt: skip
    assert table.loc["none", "mcb"] == table.loc["law", "mcb"]
    assert np.isnan(table.loc["none", "p_value"])
    with pytest.raises(DataError, match="target must be one of"):
        compare.decomposition_table(forecasts, "es:0.95")


def test_errors():
    with pytest.raises(ConfigError, match="measure must be one of var, expectile, got 'es'"):
        compare.decompose([1.0], [1.0], 0.99, measure="es")
    with pytest.raises(ConfigError, match="level must be one number for all days"):
        compare.decompose([1.0], [1.0], [0.99])
    with pytest.raises(ConfigError, match="n_simulations must be at least 1, got 0"):
        compare.decompose([1.0], [1.0], 0.99, n_simulations=0)
    with pytest.raises(DataError, match="forecast must have the shape of losses"):
        compare.decompose([1.0, 2.0], [1.0, 2.0, 3.0], 0.99)


@pytest.mark.nightly
def test_p_value_is_uniform_under_the_law(days):
    """Each sample with a null of its own: one seed for all would give all the same error."""
    p = []
    for i in range(1000):
        day = days(250, seed=i)
        p.append(compare.decompose(day.losses, day.var(0.99), 0.99, tail=day.tail, rng=i, n_simulations=199).p_value)
    shares = [float(np.mean(np.array(p) < size)) for size in (0.05, 0.10)]
    print(f"decompose VaR 0.99 T=250: p < 5 % in {shares[0]:.1%}, < 10 % in {shares[1]:.1%}")
    assert stats.kstest(p, "uniform").pvalue > 0.001
