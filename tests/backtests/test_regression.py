"""The Dynamic Quantile test against the published table and the definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose

from riskcore import backtests as bt
from riskcore.errors import ConfigError

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
    result = bt.dynamic_quantile(-returns[-last:], var[-last:], level)
    assert_allclose(result.statistic, expected["dq_out_of_sample"], rtol=1e-8)
    assert_allclose(result.p_value, expected["dq_p_value"], rtol=1e-8)
    assert result.details["df"] == expected["dq_df"]
    assert result.details["hits"] == expected["out_of_sample_exceptions"]


def direct(hits: np.ndarray, var: np.ndarray, level: float, lags: int = 4) -> float:
    h = hits - (1 - level)
    n = h.size
    x = np.column_stack([np.ones(n - lags), var[lags:], *(h[lags - j : n - j] for j in range(1, lags + 1))])
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
