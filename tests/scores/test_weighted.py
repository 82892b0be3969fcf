"""Weighted CRPS against closed forms of the normal law, quadrature of the interpolated law, and the CRPS."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

from riskcore import defaults, scores
from riskcore.distributions import Normal
from riskcore.errors import ConfigError, DataError

LEVELS = np.array(defaults.TAIL_LEVELS)
WEIGHTS = {
    "upper": lambda a: a**2,
    "lower": lambda a: (1 - a) ** 2,
    "tails": lambda a: (2 * a - 1) ** 2,
    "centre": lambda a: a * (1 - a),
    "all": lambda a: 1.0,
}


def normal_quantiles(n_levels: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    levels = 1 / (1 + np.exp(-np.linspace(-22, 22, n_levels)))
    return levels, np.tile(stats.norm.ppf(levels), (n, 1))


@pytest.mark.parametrize("kind", ["threshold_weighted", "quantile_weighted"])
def test_golden_normal(golden, kind):
    """The error of interpolation falls with the square of the step, so two grids give the limit."""
    case = golden("further_laws")["weighted_crps_normal"]
    losses = case["input"]["losses"]

    def score(n_levels: int) -> np.ndarray:
        law = normal_quantiles(n_levels, 2)
        if kind == "threshold_weighted":
            return scores.threshold_weighted_crps(losses, *law, threshold=case["input"]["threshold"])
        return scores.quantile_weighted_crps(losses, *law, weight="upper")

    coarse, fine, finest = score(1001), score(2001), score(4001)
    assert_allclose((4 * finest - fine) / 3, case["expected"][kind], rtol=case["tolerance"]["rel"])
    assert_allclose((coarse - fine) / (fine - finest), 4.0, rtol=0.02)


def test_crps_of_a_law_is_the_limit_of_both():
    losses = np.array([-3.0, 0.2, 4.0])
    levels, quantiles = normal_quantiles(4001, 3)
    expected = scores.crps_score(losses, 0.0, 1.0, Normal())
    assert_allclose(scores.quantile_weighted_crps(losses, levels, quantiles, weight="all"), expected, rtol=1e-5)
    assert_allclose(scores.threshold_weighted_crps(losses, levels, quantiles, threshold=-np.inf), expected, rtol=1e-5)


class Interpolated:
    """The law of the eighteen quantiles, by numpy's interpolation in the logit and straight ends."""

    def __init__(self, quantiles: np.ndarray) -> None:
        self.q, self.y = quantiles, np.log(LEVELS / (1 - LEVELS))

    def quantile(self, a: float) -> float:
        y = np.log(a) - np.log1p(-a)
        low, high = np.polyfit(self.y[:2], self.q[:2], 1), np.polyfit(self.y[-2:], self.q[-2:], 1)
        if y < self.y[0]:
            return float(np.polyval(low, y))
        return float(np.polyval(high, y) if y > self.y[-1] else np.interp(y, self.y, self.q))

    def cdf(self, x: float) -> float:
        low, high = np.polyfit(self.q[:2], self.y[:2], 1), np.polyfit(self.q[-2:], self.y[-2:], 1)
        if x < self.q[0]:
            return float(1 / (1 + np.exp(-np.polyval(low, x))))
        y = np.polyval(high, x) if x > self.q[-1] else np.interp(x, self.q, self.y)
        return float(1 / (1 + np.exp(-y)))


def pieces(run: object, points: list[float]) -> float:
    return sum(integrate.quad(run, a, b, epsabs=1e-13, epsrel=1e-11, limit=200)[0]
               for a, b in itertools.pairwise(points))  # fmt: skip


@pytest.mark.parametrize("weight", list(WEIGHTS))
@pytest.mark.parametrize("loss", [-9.0, 0.3, 1.0, 30.0])
def test_quantile_weights_by_quadrature(weight, loss):
    q = stats.t(4).ppf(LEVELS)
    law, v = Interpolated(q), WEIGHTS[weight]

    def pinball(a: float) -> float:
        x = law.quantile(a)
        return float(2 * ((loss <= x) - a) * (x - loss) * v(a))

    points = sorted({1e-300, 1e-12, 1e-7, *LEVELS, law.cdf(loss), 1 - 1e-7, 1 - 1e-12, 1.0 - 1e-16})
    found = scores.quantile_weighted_crps([loss], LEVELS, [q], weight=weight)
    assert_allclose(found, pieces(pinball, points), rtol=1e-7)


@pytest.mark.parametrize("threshold", [-30.0, -0.4, 2.0, 12.0, 40.0])
@pytest.mark.parametrize("loss", [-9.0, 0.3, 30.0])
def test_thresholds_by_quadrature(threshold, loss):
    q = stats.t(4).ppf(LEVELS)
    law = Interpolated(q)
    far = 1e3
    points = sorted({threshold, far, *(x for x in (loss, *q, *np.linspace(-60, 300, 25)) if threshold < x < far)})
    expected = pieces(lambda x: (law.cdf(x) - (loss <= x)) ** 2, points)
    found = scores.threshold_weighted_crps([loss], LEVELS, [q], threshold=threshold)
    assert_allclose(found, expected, rtol=1e-7, atol=1e-13)


def test_a_law_that_ends_where_its_quantiles_do():
    """Two atoms at 0 and 1 with flat ends, as a sample law has them: F is 0 below and 1 above."""
    levels, q = np.array([0.1, 0.4, 0.6, 0.9]), np.array([[0.0, 0.0, 1.0, 1.0]] * 4)
    losses = np.array([-2.0, 0.0, 1.0, 5.0])
    y = np.log(0.6 / 0.4)
    inner = (np.log(0.6 / 0.4) - 0.2) / (2 * y)  # of F^2, and by symmetry of (1 - F)^2, between the atoms
    expected = np.array([2 + inner, inner, inner, inner + 4])
    assert_allclose(scores.threshold_weighted_crps(losses, levels, q, threshold=-np.inf), expected, rtol=1e-12)
    assert_allclose(scores.quantile_weighted_crps(losses, levels, q, weight="all"), expected, rtol=1e-12)
    assert_allclose(scores.threshold_weighted_crps(losses, levels, q, threshold=3.0), [0, 0, 0, 2.0], atol=1e-15)
    point = scores.quantile_weighted_crps([3.0], levels, [[1.0] * 4], weight="all")
    assert_allclose(point, 2.0, rtol=1e-12)


def test_weights_add_up_and_thresholds_part_the_line():
    rng = np.random.default_rng(1)
    losses, q = rng.standard_t(4, 50), np.sort(rng.standard_t(4, (50, LEVELS.size)), axis=1)
    by = {w: scores.quantile_weighted_crps(losses, LEVELS, q, weight=w) for w in WEIGHTS}
    assert_allclose(by["upper"] + by["lower"] + 2 * by["centre"], by["all"], rtol=1e-10)
    assert_allclose(by["all"] - 4 * by["centre"], by["tails"], rtol=1e-8)
    assert_allclose(by["upper"], scores.quantile_weighted_crps(-losses, 1 - LEVELS[::-1], -q[:, ::-1], weight="lower"),
                    rtol=1e-9)  # fmt: skip
    above = scores.threshold_weighted_crps(losses, LEVELS, q, threshold=losses)
    below = scores.threshold_weighted_crps(-losses, 1 - LEVELS[::-1], -q[:, ::-1], threshold=-losses)
    assert_allclose(above + below, by["all"], rtol=1e-9)
    assert_allclose(scores.quantile_weighted_crps(1e-6 * losses, LEVELS, 1e-6 * q), 1e-6 * by["upper"], rtol=1e-9)


@pytest.mark.parametrize("weight", ["upper", "tails"])
def test_proper(weight):
    """Drawn from a law of the family itself, that law has the lowest mean score."""
    base = stats.norm.ppf(LEVELS)
    u = np.random.default_rng(2).random(40_000)
    knots = np.log(LEVELS / (1 - LEVELS))
    losses = np.interp(np.log(u / (1 - u)), knots, base)
    means = {}
    for factor in (0.7, 1.0, 1.4):
        q = np.tile(factor * base, (losses.size, 1))
        means[factor] = scores.quantile_weighted_crps(losses, LEVELS, q, weight=weight).mean()
    assert means[1.0] < min(means[0.7], means[1.4])


def test_missing_values_and_errors():
    q = np.tile(stats.norm.ppf(LEVELS), (4, 1))
    q[1, 3], q[2, :2] = np.nan, [1.0, 0.0]
    losses = np.array([np.nan, 1.0, 1.0, 1.0])
    for found in (
        scores.quantile_weighted_crps(losses, LEVELS, q),
        scores.threshold_weighted_crps(losses, LEVELS, q, threshold=0.0),
    ):
        assert np.isnan(found).tolist() == [True, True, True, False]
    found = scores.threshold_weighted_crps(losses, LEVELS, q, threshold=[0, 0, 0, np.nan])
    assert np.isnan(found).all()
    assert scores.quantile_weighted_crps([], LEVELS, np.empty((0, LEVELS.size))).size == 0
    with pytest.raises(ConfigError, match="weight must be one of upper, lower, tails, centre, all, got 'right'"):
        scores.quantile_weighted_crps(losses, LEVELS, q, weight="right")
    with pytest.raises(DataError, match=r"must fit losses \(n,\), got \(18,\), \(4, 18\), \(3,\)"):
        scores.quantile_weighted_crps(losses[:3], LEVELS, q)
    with pytest.raises(DataError, match=r"levels must increase and lie in \(0, 1\)"):
        scores.quantile_weighted_crps(losses, LEVELS[::-1], q)
    with pytest.raises(DataError, match=r"threshold must be one number or have the shape of losses, got \(2,\)"):
        scores.threshold_weighted_crps(losses, LEVELS, q, threshold=[1.0, 2.0])


def test_in_the_table_of_scores(golden):
    import pandas as pd

    from riskcore import Forecasts, Target, score_table
    from riskcore.forecasts import tail_label

    days = pd.bdate_range("2020-01-01", periods=30)
    q, losses = stats.norm.ppf(LEVELS), np.random.default_rng(1).standard_normal(30)
    frames = []
    for model in ("law", "none"):
        index = pd.MultiIndex.from_product([["A"], [model], days], names=["asset", "model", "date"])
        row = {"origin": days - pd.Timedelta(days=1), "loss": losses, "status": "ok", "var_0.99": 2.3}
        law = {tail_label(float(u)): x for u, x in zip(LEVELS, q, strict=True)} if model == "law" else {}
        frames.append(pd.DataFrame(row | law, index))
    table = score_table(Forecasts(pd.concat(frames), [Target("var", 0.99)]))
    rows = table[table["score"] == "tail_crps"].set_index("model")
    expected = scores.quantile_weighted_crps(losses, LEVELS, np.tile(q, (30, 1))).mean()
    assert_allclose(rows.loc["law", "mean"], expected, rtol=1e-12)
    assert (rows.loc["law", "n_obs"], rows.loc["none", "n_obs"]) == (30, 0)
