"""Zones and multipliers of the supervisor's text."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from riskcore import backtests as bt


def hits(x: int, n: int = 250) -> np.ndarray:
    return (np.arange(n) < x).astype(float)


def test_zones(golden):
    expected = golden("basel")["zones_T250_level99"]["expected"]
    for x in range(12):
        result = bt.traffic_light(hits(x), 0.5, 0.99)
        assert_allclose(
            [result.details["cumulative_probability"], result.p_value],
            [expected["cumulative_probability_0_to_11"][x], expected["type_i_probability_P_X_ge_x_0_to_11"][x]],
            rtol=1e-12,
        )
        assert result.details["zone"] == expected["zone_0_to_11"][x]
        assert (result.statistic, result.p_method) == (x, "exact")


def test_multipliers(golden):
    plus = golden("basel")["plus_factors_1996"]["expected"]["plus_factor"]
    mar32 = golden("basel")["mar32_multiplier"]["expected"]["multiplier"]
    for x in range(14):
        details = bt.traffic_light(hits(x), 0.5, 0.99).details
        assert details["plus_factor"] == plus["10+" if x >= 10 else str(x)]
        assert details["mar32_multiplier"] == mar32["0-4" if x < 5 else "10+" if x >= 10 else str(x)]


@pytest.mark.parametrize(("n", "level"), [(251, 0.99), (250, 0.975)])
def test_no_multiplier_outside_its_table(n, level):
    assert "mar32_multiplier" not in bt.traffic_light(hits(5, n), 0.5, level).details


def test_published_example(golden):
    case = golden("coverage_matlab_normal95")["normal95"]
    losses = np.zeros(case["input"]["T"])
    losses[np.array(case["input"]["exception_days_1_based"]) - 1] = 1.0
    result, expected = bt.traffic_light(losses, 0.5, 0.95), case["expected"]["traffic_light"]
    assert_allclose(result.details["cumulative_probability"], expected["cumulative_probability"], rtol=1e-10)
    assert_allclose(result.p_value, expected["type_i_probability"], rtol=1e-10)
    assert result.details["zone"] == expected["zone"]


def test_a_missing_day_is_a_hit():
    losses = np.concatenate([hits(4, 249), [np.nan]])
    result = bt.traffic_light(losses, 0.5, 0.99)
    assert (result.statistic, result.details["zone"], result.details["missing"]) == (5, "yellow", 1)
    assert bt.traffic_light(losses, 0.5, 0.99, nan="drop").statistic == 4
