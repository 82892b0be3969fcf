"""Tests of ES by the PIT above the level, against plain formulas, published zones and draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import backtests as bt
from riskcore.backtests.pit_tail import tail_sum_sf
from riskcore.errors import ConfigError

P = 0.975


def violations(pit: np.ndarray, level: float) -> np.ndarray:
    return np.maximum(pit - level, 0.0) / (1 - level)


def conditional(pit: np.ndarray, level: float, lags: int) -> float:
    """The paper's C, written out."""
    h, n = violations(pit, level) - (1 - level) / 2, pit.size
    gamma = [h[j:] @ h[: n - j] / (n - j) for j in range(lags + 1)]
    return n * sum((g / gamma[0]) ** 2 for g in gamma[1:])


def test_costanzino_curran(golden):
    case = golden("costanzino_curran")["ufrisk_readme"]
    n, level, target = (case["input"][k] for k in ("T", "level", "statistic"))
    pit = np.full(n, 0.5)
    pit[:6] = level + (1 - level) * target / 6
    result = bt.costanzino_curran(pit, level, p_value="asymptotic")
    assert_allclose(result.statistic, target, rtol=1e-12)
    assert_allclose(result.details["cumulative_probability"], case["expected"]["probability"], rtol=0, atol=1e-10)
    assert result.details["zone"] == case["expected"]["zone"]
    assert_allclose(result.p_value, 1 - case["expected"]["probability"], rtol=0, atol=1e-10)


def test_costanzino_curran_zones():
    def zone(total: float) -> str:
        pit = np.full(250, 0.5)
        pit[:10] = 0.975 + 0.025 * total / 10
        return str(bt.costanzino_curran(pit, 0.975, p_value="asymptotic").details["zone"])

    assert [zone(x) for x in (5.47, 5.49, 8.43, 8.45)] == ["green", "yellow", "yellow", "red"]


def test_exact_zones(golden):
    """The published limits of the binomial mixture of Irwin-Hall laws, and small cases by hand."""
    case = golden("further_laws")["es_zones_exact"]
    want, n, tail = case["expected"], case["input"]["T"], 1 - case["input"]["es_level"]
    for limit, probability in ((want["green_below"], 0.05), (want["red_from"], 0.0001)):
        low, high = (tail_sum_sf(limit * (1 + s * case["tolerance"]["rel"]), n, tail) for s in (1, -1))
        assert low < probability < high
    beyond = tail_sum_sf(want["normal_red_from"], n, tail)
    assert_allclose(beyond, want["probability_beyond_normal_red"], rtol=case["tolerance"]["rel"])
    assert_allclose(tail_sum_sf(0.3, 1, 0.2), 0.2 * 0.7, rtol=1e-6)
    assert_allclose(tail_sum_sf(1.5, 2, 0.1), 0.01 * 0.125, rtol=1e-5)
    assert tail_sum_sf(0.0, 5, 0.1) == 1.0
    assert_allclose(tail_sum_sf(1e-6, 5, 0.025), 1 - 0.975**5, rtol=1e-4)  # no part of the chance of no hit
    assert tail_sum_sf(400.0, 250, 0.025) == 0.0
    assert 0.2 < tail_sum_sf(255.0, 20_000, 0.025) < 0.4


def test_statistics_by_the_papers_formulas():
    pit = np.random.default_rng(1).random(400)
    h, q = violations(pit, P), 1 - P
    u = np.sqrt(400) * (h.mean() - q / 2) / np.sqrt(q * (1 / 3 - q / 4))
    assert_allclose(bt.du_escanciano(pit, P).statistic, u, rtol=1e-10)
    assert_allclose(bt.costanzino_curran(pit, P).statistic, h.sum(), rtol=1e-12)
    for lags in (1, 5, 20):
        result = bt.du_escanciano_conditional(pit, P, lags=lags)
        assert_allclose(result.statistic, conditional(pit, P, lags), rtol=1e-10)
    assert result.details["hits"] == np.count_nonzero(pit > P)


def test_adjacent_violations_at_the_ends():
    pit = np.full(30, 0.4)
    pit[[0, 1, 2, 28, 29]] = [0.99, 0.98, 1.0, 0.995, 0.976]
    for lags in (1, 3, 29):
        result = bt.du_escanciano_conditional(pit, P, lags=lags)
        assert_allclose(result.statistic, conditional(pit, P, lags), rtol=1e-9)
    assert result.details["at_bounds"] == 1


def test_p_values_of_du_escanciano():
    pit = np.random.default_rng(2).random(250)
    limit = bt.du_escanciano(pit, P, p_value="asymptotic")
    assert_allclose(limit.p_value, stats.norm.sf(limit.statistic), rtol=1e-10)
    both = bt.du_escanciano(pit, P, p_value="asymptotic", alternative="two-sided")
    assert_allclose(both.p_value, 2 * stats.norm.sf(abs(both.statistic)), rtol=1e-10)
    exact, same = bt.du_escanciano(pit, P), bt.costanzino_curran(pit, P)
    assert (exact.p_value, exact.p_method) == (same.p_value, "exact")
    two = bt.du_escanciano(pit, P, alternative="two-sided").p_value
    assert_allclose(two, 2 * min(exact.p_value, 1 - exact.p_value), rtol=1e-9)
    simulated = bt.du_escanciano(pit, P, p_value="simulated", n_simulations=19_999)
    assert abs(simulated.p_value - exact.p_value) < 4 * np.sqrt(0.25 / 19_999)


def test_exact_law_by_conditioning_on_the_number_of_hits():
    """A binomial mixture of sums of uniforms; the sum of two has a triangular density."""
    pit = np.array([0.5, 0.95, 0.3, 0.92])
    x, q = 0.5 + 0.2, 0.1
    sf = [0.0, 1 - x, 1 - x**2 / 2]
    for k in (3, 4):
        total = np.random.default_rng(k).random((2_000_000, k)).sum(axis=1)
        sf.append(float(np.mean(total >= x)))
    expected = sum(stats.binom.pmf(k, 4, q) * sf[k] for k in range(5))
    assert_allclose(bt.du_escanciano(pit, 0.9).p_value, expected, rtol=1e-4)


def test_without_a_hit():
    pit = np.linspace(0.01, 0.97, 250)
    one = bt.du_escanciano(pit, P)
    two = bt.du_escanciano(pit, P, alternative="two-sided")
    assert_allclose([one.p_value, two.p_value], [1.0, 2 * 0.975**250], rtol=1e-9)
    assert bt.du_escanciano_conditional(pit, P).reason == "no PIT above the level"
    assert bt.costanzino_curran(pit, P).p_value == 1.0


def test_simulated_conditional_null_against_plain_draws():
    rng = np.random.default_rng(3)
    pit = rng.random(120)
    pit[[10, 13]] = 0.99, 0.98
    result = bt.du_escanciano_conditional(pit, 0.95, n_simulations=9999)
    draws = np.array([conditional(u, 0.95, 5) for u in rng.random((4000, 120)) if np.any(u > 0.95)])
    share = np.mean(draws >= result.statistic)
    assert 0.02 < share < 0.98
    assert abs(result.p_value - share) < 4 * np.sqrt(share * (1 - share) * (1 / 4000 + 1 / 9999))
    assert result.p_method == "simulated: uniform PIT"


def test_chi_square_of_the_conditional_test():
    pit = np.random.default_rng(4).random(300)
    result = bt.du_escanciano_conditional(pit, P, lags=3, p_value="asymptotic")
    assert_allclose(result.p_value, stats.chi2(3).sf(result.statistic), rtol=1e-10)


def test_clusters_are_found():
    pit = np.full(500, 0.5)
    pit[100:112] = 0.99
    assert bt.du_escanciano_conditional(pit, P).p_value < 0.01


def test_nulls_are_drawn_once():
    pit = np.random.default_rng(5).random(200)
    runs = [bt.du_escanciano_conditional(pit, P, rng=rng, n_simulations=499) for rng in (None, 0, 7)]
    assert runs[0] == runs[1]
    assert runs[2].details["seed"] == 7
    assert runs[0].p_value != runs[2].p_value
    drawn = bt.du_escanciano_conditional(pit, 0.995, n_simulations=499)
    assert drawn.details.get("undefined_paths", 0) > 100  # 0.995**200 = 0.37 have no hit


def test_levels_that_move():
    rng = np.random.default_rng(6)
    pit, level = rng.random(250), np.linspace(0.95, 0.99, 250)
    result = bt.costanzino_curran(pit, level)
    assert result.p_method == "simulated: uniform PIT"
    u = rng.random((20_000, 250))
    share = np.mean((np.maximum(u - level, 0) / (1 - level)).sum(axis=1) >= result.statistic)
    assert abs(result.p_value - share) < 0.05
    assert bt.du_escanciano(pit, level).p_value == result.p_value
    assert bt.du_escanciano(pit, level, p_value="exact").reason == "the exact law needs one level for all days"
    assert bt.du_escanciano_conditional(pit, level).reason == "needs one level for all days"


def test_refusals():
    with pytest.raises(ConfigError, match="lags must be a whole number of at least 1, got 0"):
        bt.du_escanciano_conditional([0.5] * 50, P, lags=0)
    with pytest.raises(ConfigError, match="alternative must be one of understated, two-sided, got 'less'"):
        bt.du_escanciano([0.5] * 50, P, alternative="less")
    with pytest.raises(ConfigError, match="n_simulations must be at least 1, got 0"):
        bt.du_escanciano_conditional([0.5, 0.99] * 50, P, n_simulations=0)
    assert bt.du_escanciano_conditional([0.99] * 5, P).reason == "5 usable days, at least 6 needed"
