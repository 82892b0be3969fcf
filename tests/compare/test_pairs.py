"""Diebold-Mariano against direct formulas, and its size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import Forecasts, Target, compare
from riskcore.errors import ConfigError, DataError


def parzen_by_halves(d: np.ndarray) -> float:
    """Long-run variance as the Nolde-Ziegel scripts define it: m = ceil(2 sqrt n), weights of k/m in two halves."""
    n = d.size
    m = int(np.ceil(2 * np.sqrt(n)))
    c = d - d.mean()
    gamma = np.array([c[k:] @ c[: n - k] / n for k in range(m + 1)])
    k1 = np.arange(1, int(np.ceil(m / 2)) + 1)
    k2 = np.arange(int(np.ceil(m / 2)) + 1, m + 1)
    weights = np.concatenate([[1.0], 2 * (1 - 6 * (k1 / m) ** 2 + 6 * (k1 / m) ** 3), 4 * (1 - k2 / m) ** 3])
    return float(gamma @ weights)


@pytest.mark.parametrize("n", [100, 400, 2500])
def test_parzen(n):
    rng = np.random.default_rng(n)
    a, b = rng.random(n), rng.random(n)
    d = a - b
    t = np.sqrt(n) * d.mean() / np.sqrt(parzen_by_halves(d))
    result = compare.diebold_mariano(a, b)
    assert_allclose([result.statistic, result.p_value], [t, 2 * stats.norm.cdf(-abs(t))], rtol=1e-10)
    assert result.details["lags"] == int(np.ceil(2 * np.sqrt(n)))


def test_bartlett_is_newey_west():
    d = np.random.default_rng(1).standard_normal(200).cumsum() * 0.01
    c = d - d.mean()
    variance = c @ c / 200 + 2 * sum((1 - j / 5) * (c[j:] @ c[:-j]) / 200 for j in range(1, 5))
    result = compare.diebold_mariano(d, np.zeros(200), kernel="bartlett", lags=4)
    assert_allclose(result.statistic, np.sqrt(200) * d.mean() / np.sqrt(variance), rtol=1e-10)


def test_no_lags_is_the_paired_t_statistic_up_to_its_divisor():
    rng = np.random.default_rng(2)
    a, b = rng.random((2, 50))
    result = compare.diebold_mariano(a, b, lags=0, small_sample=True)
    t = stats.ttest_rel(a, b)
    assert_allclose([result.statistic, result.p_value], [t.statistic, t.pvalue], rtol=1e-10)


def test_small_sample_factor():
    a, b = np.random.default_rng(3).random((2, 40))
    plain = compare.diebold_mariano(a, b)
    corrected = compare.diebold_mariano(a, b, horizon=5, small_sample=True)
    factor = np.sqrt((41 - 10 + 20 / 40) / 40)
    assert_allclose(corrected.statistic, plain.statistic * factor, rtol=1e-12)
    assert_allclose(corrected.p_value, 2 * stats.t(39).sf(abs(corrected.statistic)), rtol=1e-10)
    too_long = compare.diebold_mariano(a[:6], b[:6], horizon=4, small_sample=True)
    assert too_long.reason in {"horizon is too long for the sample", ""}


def test_symmetry_and_scale():
    a, b = np.random.default_rng(4).random((2, 300))
    one, other = compare.diebold_mariano(a, b), compare.diebold_mariano(1e-9 * b, 1e-9 * a)
    assert_allclose(one.statistic, -other.statistic, rtol=1e-9)
    assert_allclose(one.p_value, other.p_value, rtol=1e-9)
    assert_allclose(one.details["p_a_better"] + one.details["p_b_better"], 1.0, rtol=1e-12)
    assert compare.diebold_mariano(a, a + 0.2 + 0.01 * b).details["p_a_better"] < 1e-6


def test_degenerate_scores():
    a = np.random.default_rng(5).random(50)
    equal = compare.diebold_mariano(a, a)
    assert (equal.statistic, equal.p_value, equal.reason) == (0.0, 1.0, "the scores are equal on all days")
    constant = compare.diebold_mariano(np.ones(50), np.zeros(50))
    assert np.isnan(constant.p_value)
    assert constant.reason == "the differences have no long-run variance"
    assert compare.diebold_mariano([1.0], [2.0]).reason == "1 usable days, at least 5 needed"
    holes = np.where(np.arange(50) % 5 == 0, np.nan, a)
    result = compare.diebold_mariano(holes, a[::-1])
    assert (result.n_obs, result.details["missing"]) == (40, 10)


def test_errors():
    with pytest.raises(ConfigError, match="kernel must be one of parzen, bartlett, got 'box'"):
        compare.diebold_mariano([1.0], [1.0], kernel="box")
    with pytest.raises(ConfigError, match="horizon must be a whole number >= 1, got 0"):
        compare.diebold_mariano([1.0], [1.0], horizon=0)
    with pytest.raises(DataError, match="score_b must have the shape of score_a"):
        compare.diebold_mariano([1.0, 2.0], [1.0, 2.0, 3.0])


def test_matrix_of_models():
    days = pd.bdate_range("2020-01-01", periods=300)
    losses = np.random.default_rng(6).standard_normal(300)
    frames = []
    for model, var in (("good", 1.645), ("poor", 3.0), ("same", 1.645)):
        index = pd.MultiIndex.from_product([["A"], [model], days], names=["asset", "model", "date"])
        row = {"origin": days - pd.Timedelta(days=1), "loss": losses, "status": "ok", "var_0.95": var}
        frames.append(pd.DataFrame(row, index))
    forecasts = Forecasts(pd.concat(frames), [Target("var", 0.95)])
    table = compare.dm_matrix(forecasts, "var:0.95").set_index(["model_a", "model_b"])
    assert table.loc[("good", "poor"), "statistic"] < -2
    assert table.loc[("good", "same"), "p_value"] == 1.0
    assert table.loc[("good", "same"), "reason"] == "the scores are equal on all days"
    assert len(table) == 3
    with pytest.raises(DataError, match="target must be one of"):
        compare.dm_matrix(forecasts, "var:0.99")
    with pytest.raises(DataError, match="asset must be one of"):
        compare.dm_matrix(forecasts, "var:0.95", "B")


@pytest.mark.nightly
def test_size_under_dependence():
    rng, rejected = np.random.default_rng(7), 0
    for _ in range(2000):
        e = rng.standard_normal(1200)
        d = e.copy()
        for t in range(1, 1200):
            d[t] = 0.5 * d[t - 1] + e[t]
        rejected += compare.diebold_mariano(d[200:], np.zeros(1000)).rejects()
    print(f"diebold_mariano AR(1) 0.5 T=1000: {rejected / 20:.2f} % (Parzen, nominal 5 %)")
    assert 0.04 < rejected / 2000 < 0.09
