"""Encompassing and rationality against plain formulas, exact laws and samples drawn by other means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats

from riskcore import Forecasts, Target, compare
from riskcore.errors import ConfigError, DataError


def expectile_of(law: stats.distributions.rv_frozen, level: float) -> float:
    """By its first-order condition and numerical partial moments of a symmetric law."""

    def excess(m: float) -> float:
        up = law.expect(lambda x: x - m, lb=m, limit=200)
        return float(level * up - (1 - level) * (up + m))

    return float(optimize.brentq(excess, 1e-6, 20, xtol=1e-12))


def pair(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scale = np.exp(0.3 * rng.standard_normal(n))
    return scale * rng.standard_t(5, n), 2.0 * scale, 2.0 * scale * np.exp(0.2 * rng.standard_normal(n))


def test_var_statistic_by_its_formula():
    x, f, g = pair(400, 1)
    result = compare.encompassing(x, f, g, 0.95, p_value="asymptotic")
    step, p = (g - f) / f, 0.05
    t = sum(((a > b) - p) * s for a, b, s in zip(x, f, step, strict=True)) / np.sqrt(p * (1 - p) * (step @ step))
    assert_allclose([result.statistic, result.p_value], [t, 2 * stats.norm.sf(abs(t))], rtol=1e-10)
    assert (result.p_method, result.details["hits"], result.n_obs) == ("asymptotic", int((x > f).sum()), 400)


def test_expectile_statistic_by_its_formula():
    x, f, g = pair(400, 2)
    result = compare.encompassing(x, f, g, 0.95, measure="expectile")
    z = np.array([(0.95 if a > b else 0.05) * (a - b) / b * (c - b) / b for a, b, c in zip(x, f, g, strict=True)])
    t = z.sum() / np.sqrt(z @ z)
    assert_allclose([result.statistic, result.p_value], [t, 2 * stats.norm.sf(abs(t))], rtol=1e-10)
    assert_allclose(result.details["mean_moment"], z.mean(), rtol=1e-10)


def test_a_multiple_of_the_first_is_a_test_of_coverage():
    x, f, _ = pair(250, 3)
    result = compare.encompassing(x, f, 1.5 * f, 0.99, p_value="asymptotic")
    hits = int((x > f).sum())
    assert_allclose(result.statistic, (hits - 2.5) / np.sqrt(250 * 0.01 * 0.99), rtol=1e-10)
    assert result.details["note"] == "the second forecast is a multiple of the first: a test of coverage alone"
    assert "note" not in compare.encompassing(x, f, f + 1, 0.99, p_value="asymptotic").details


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_simulated_null_of_var_is_the_exact_one(level):
    """g takes two values, so the statistic's law is that of two binomial counts."""
    n, p = 300, 1 - level
    x, f, _ = pair(n, 4)
    g = np.where(np.arange(n) < 100, 1.0, -0.5)
    result = compare.encompassing(x, f, f * (1 + g), level, n_simulations=9999)
    ones, others = np.meshgrid(np.arange(101), np.arange(201), indexing="ij")
    chance = np.outer(stats.binom.pmf(np.arange(101), 100, p), stats.binom.pmf(np.arange(201), 200, p))
    t = (ones - 0.5 * others - p * g.sum()) / np.sqrt(p * (1 - p) * (g @ g))
    lower, upper = chance[t <= result.statistic + 1e-9].sum(), chance[t >= result.statistic - 1e-9].sum()
    exact = min(1.0, 2 * min(lower, upper))
    assert abs(result.p_value - exact) < 4 * 2 * np.sqrt(exact / 2 / 9999) + 3e-4
    assert (result.p_method, result.details["n_simulations"]) == ("simulated: Bernoulli hits", 9999)


@pytest.mark.parametrize("level", [0.95, 0.99855])
def test_simulated_null_of_the_expectile_is_the_laws(days, level):
    """Losses drawn by scipy from the t law itself, with its own expectile."""
    day = days(200)
    f = day.scale * expectile_of(day.law, level)
    rng = np.random.default_rng(1)
    g = 0.2 + 0.3 * rng.standard_normal(200)
    g[:20] = 0.0
    result = compare.encompassing(day.losses, f, f * (1 + g), level, measure="expectile", tail=day.tail)
    x = day.scale * day.law.rvs((8000, 200), random_state=rng)
    z = np.where(x > f, level, 1 - level) * (x - f) / f * g
    t = z.sum(axis=1) / np.sqrt((z**2).sum(axis=1))
    share = min(np.mean(t <= result.statistic), np.mean(t >= result.statistic))
    assert abs(result.p_value - 2 * share) < 4 * 2 * np.sqrt(share * (1 - share) / 1999) + 0.01
    assert (result.p_method, result.details["seed"]) == ("simulated: own law", 0)
    if level > 0.99:  # where the normal law rejects too often
        cut = np.quantile(np.abs(t), 0.95)
        assert cut > 2.1


def test_which_null_serves():
    x, f, g = pair(300, 5)
    far = compare.encompassing(x, f, g, 0.99855, measure="expectile")
    assert np.isnan(far.p_value)
    assert np.isfinite(far.statistic)
    assert far.reason.startswith("the model has no law to simulate from, and above level 0.99")
    assert compare.encompassing(x, f, g, 0.99, measure="expectile").p_method == "asymptotic"
    asked = compare.encompassing(x, f, g, 0.99, measure="expectile", p_value="simulated")
    assert asked.reason == "the model has no law to simulate from"
    on_request = compare.encompassing(x, f, g, 0.99855, measure="expectile", p_value="asymptotic")
    assert on_request.p_method == "asymptotic"
    falling = (np.array([0.1, 0.9]), np.tile([1.0, -1.0], (300, 1)))
    flawed = compare.encompassing(x, f, g, 0.99, measure="expectile", tail=falling)
    assert flawed.reason == "the quantiles of the day's law do not increase"
    gains = (np.array([0.1, 0.9]), np.tile([-3.0, -2.0], (300, 1)))
    assert "must be positive" in compare.encompassing(x, f, g, 0.6, measure="expectile", tail=gains).reason


@pytest.mark.parametrize("measure", ["var", "expectile"])
def test_degenerate_pairs(measure):
    x, f, g = pair(50, 6)
    same = compare.encompassing(x, f, f, 0.95, measure=measure)
    assert (same.statistic, same.p_value, same.reason) == (0.0, 1.0, "the forecasts are equal on all days")
    f[3] = 0.0
    assert compare.encompassing(x, f, g, 0.95, measure=measure).reason == (
        "the first forecast must be positive, is not on 1 days"
    )
    f[3], g[4] = np.nan, np.nan
    holes = compare.encompassing(x, f, g, 0.95, measure=measure)
    assert (holes.n_obs, holes.details["missing"]) == (48, 2)
    assert compare.encompassing([1.0], [1.0], [2.0], 0.95).reason == "1 usable days, at least 5 needed"
    exact = compare.encompassing(np.ones(9), np.ones(9), np.full(9, 2.0), 0.95, measure=measure)
    if measure == "expectile":
        assert exact.reason == "the loss equals the forecast wherever the forecasts differ"


def test_a_moving_level():
    x, f, g = pair(400, 7)
    level = np.where(np.arange(400) % 2 == 0, 0.95, 0.9)
    result = compare.encompassing(x, f, g, level)
    step = (g - f) / f
    t = ((x > f) - (1 - level)) @ step / np.sqrt((level * (1 - level)) @ step**2)
    assert_allclose(result.statistic, t, rtol=1e-10)
    assert 0 < result.p_value <= 1


@pytest.mark.parametrize("measure", ["var", "expectile"])
def test_one_that_knows_the_scale_encompasses_one_that_does_not(measure):
    rng = np.random.default_rng(8)
    scale = np.exp(np.convolve(rng.standard_normal(3019), np.full(20, 0.1), "valid"))
    x = scale * rng.standard_normal(3000)
    value = {"var": 1.6449, "expectile": 1.14017}[measure]
    index = [pd.MultiIndex.from_product([["A"], [m], pd.bdate_range("2005-01-01", periods=3000)],
                                        names=["asset", "model", "date"]) for m in ("knows", "flat")]  # fmt: skip
    label = f"{measure}_0.95"
    flat = np.full(3000, value * np.sqrt(np.mean(scale**2)))
    frame = pd.concat([pd.DataFrame({"loss": x, "status": "ok", label: f}, i)
                       for f, i in zip((value * scale, flat), index, strict=True)])  # fmt: skip
    frame["origin"] = frame.index.get_level_values("date") - pd.Timedelta(days=1)
    forecasts = Forecasts(frame, [Target.parse(label.replace("_", ":"))])
    table = compare.encompassing_table(forecasts, label.replace("_", ":")).set_index(["model", "other"])
    assert table.loc[("knows", "flat"), "p_value"] > 0.05
    assert table.loc[("flat", "knows"), "p_value"] < 0.01
    losses, panel = compare.forecast_panel(forecasts, label.replace("_", ":"))
    direct = compare.encompassing(losses, panel["flat"], panel["knows"], 0.95, measure=measure)
    assert_allclose(table.loc[("flat", "knows"), "statistic"], direct.statistic, rtol=1e-12)
    with pytest.raises(DataError, match="target must be one of"):
        compare.encompassing_table(forecasts, "var:0.99")


def test_rationality_by_linear_algebra_and_drawn_losses(days):
    day, level = days(200, seed=2), 0.99
    m = day.scale * expectile_of(day.law, level)
    result = compare.rationality(day.losses, m, level, tail=day.tail)

    def wald(x: np.ndarray) -> float:
        z = np.where(x > m, level, 1 - level) * (m - x) / m
        moments = np.column_stack([z, z * np.log(m)])
        mean = moments.mean(axis=0)
        return float(200 * mean @ np.linalg.solve(moments.T @ moments / 200, mean))

    assert_allclose(result.statistic, wald(day.losses), rtol=1e-8)
    rng = np.random.default_rng(3)
    drawn = np.array([wald(day.scale * day.law.rvs(200, random_state=rng)) for _ in range(4000)])
    share = float(np.mean(drawn >= result.statistic))
    assert abs(result.p_value - share) < 4 * np.sqrt(share * (1 - share) / 1999) + 0.01
    assert np.mean(drawn > stats.chi2.isf(0.05, 2)) > 0.2  # why there is no asymptotic p-value
    assert result.p_method == "simulated: own law"
    scaled = compare.rationality(1e-3 * day.losses, 1e-3 * m, level, tail=(day.tail[0], 1e-3 * day.tail[1]))
    assert_allclose([scaled.statistic, scaled.p_value], [result.statistic, result.p_value], rtol=1e-6)
    long = days(1000, seed=2)
    low = 0.5 * long.scale * m[0] / day.scale[0]
    assert compare.rationality(long.losses, low, level, tail=long.tail).p_value < 0.05


def test_rationality_in_degenerate_cases(days):
    day = days(100)
    flat = (day.tail[0], np.tile(day.tail[1][0], (100, 1)))
    one = compare.rationality(day.losses, np.full(100, 0.05), 0.99, tail=flat)
    z = np.where(day.losses > 0.05, 0.99, 0.01) * (0.05 - day.losses)
    assert_allclose(one.statistic, z.sum() ** 2 / (z @ z), rtol=1e-10)
    assert 0 < one.p_value <= 1
    assert compare.rationality(day.losses, np.zeros(100), 0.99, tail=flat).reason == (
        "the forecast must be positive, is not on 100 days"
    )
    assert compare.rationality([1.0], [1.0], 0.99).reason == "1 usable days, at least 5 needed"
    equal = compare.rationality(np.full(100, 0.05), np.full(100, 0.05), 0.99, tail=flat)
    assert (equal.p_method, equal.reason) == ("none", "all losses equal their expectile")


def test_errors():
    x = np.ones(9)
    with pytest.raises(ConfigError, match="measure must be one of var, expectile, got 'es'"):
        compare.encompassing(x, x, x, 0.95, measure="es")
    with pytest.raises(ConfigError, match="p_value must be one of auto, simulated, asymptotic, got 'exact'"):
        compare.encompassing(x, x, x, 0.95, p_value="exact")
    with pytest.raises(ConfigError, match="n_simulations must be at least 1, got 0"):
        compare.encompassing(x, x, x, 0.95, n_simulations=0)
    with pytest.raises(ConfigError, match="n_simulations must be at least 1, got 0"):
        compare.rationality(x, x, 0.95, n_simulations=0)
    with pytest.raises(DataError, match="second must have the shape of losses"):
        compare.encompassing(x, x, x[:3], 0.95)


@pytest.mark.nightly
@pytest.mark.parametrize(("measure", "level"), [("var", 0.99), ("expectile", 0.99), ("expectile", 0.99855)])
def test_size(days, measure, level):
    value = expectile_of(stats.t(5), level) if measure == "expectile" else stats.t(5).ppf(level)
    p = []
    for i in range(2000):
        day = days(250, seed=i)
        f = day.scale * value
        g = f * np.exp(0.2 * np.random.default_rng(i).standard_normal(250))
        options = {"measure": measure, "tail": day.tail, "n_simulations": 399}
        p.append(compare.encompassing(day.losses, f, g, level, **options).p_value)
    share = np.mean(np.array(p) < 0.05)
    print(f"encompassing {measure} {level} T=250: {share:.2%} at nominal 5 %")
    assert share < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
