"""Tests of the PIT against scipy and the published zone probability."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import backtests as bt
from riskcore.backtests.density import tail_sum_sf
from riskcore.errors import DataError


@pytest.mark.parametrize("n", [5, 60, 5000])
def test_pit_uniformity_is_the_exact_kolmogorov_smirnov_test(n):
    pit = np.random.default_rng(n).random(n) ** 1.02
    expected = stats.kstest(pit, "uniform", method="exact")
    result = bt.pit_uniformity(pit)
    assert_allclose([result.statistic, result.p_value], [expected.statistic, expected.pvalue], rtol=1e-9)


def test_pit_at_the_bounds():
    result = bt.pit_uniformity([0.0, 0.0, 1.0, 0.5, 0.4, np.nan])
    assert (result.details["at_bounds"], result.n_obs, result.details["missing"]) == (3, 5, 1)
    with pytest.raises(DataError, match=r"pit must lie in \[0, 1\], got \[1.5\]"):
        bt.pit_uniformity([0.5, 1.5])
    assert bt.pit_uniformity([0.5]).reason == "1 usable days, at least 5 needed"


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
    assert tail_sum_sf(400.0, 250, 0.025) == 0.0
    assert 0.2 < tail_sum_sf(255.0, 20_000, 0.025) < 0.4
