"""Every entry of BACKTESTS on every awkward input: a result with a reason, never inf, never an exception."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskcore import backtests as bt
from riskcore import defaults
from riskcore.errors import DataError

METHODS = {
    "asymptotic", "exact", "bootstrap", "none", "simulated: own law", "simulated: exponential excess",
    "simulated: residual law", "simulated: Bernoulli hits", "simulated: uniform PIT", "anytime-valid (Ville)",
}  # fmt: skip
LEVELS = np.array(defaults.TAIL_LEVELS)
QUANTILES = np.log(LEVELS / (1 - LEVELS)) * 0.01
N = 60


def hits_on(days: list[int], n: int = N) -> np.ndarray:
    losses = np.linspace(-0.01, 0.009, n)
    losses[days] = np.linspace(0.05, 0.08, len(days))
    return losses


def case(losses, var=0.03, es=0.04, expectile=0.025, volatility=0.01, level=0.975, pit=None, tail="law"):
    losses = np.asarray(losses, float)
    full = {"var": var, "es": es, "expectile": expectile, "volatility": volatility}
    columns = {k: np.broadcast_to(np.asarray(v, float), losses.shape) for k, v in full.items()}
    columns["pit"] = np.clip(0.5 + 8 * losses, 0, 1) if pit is None else np.asarray(pit, float)
    law = (LEVELS, np.tile(QUANTILES, (losses.size, 1))) if tail == "law" else tail
    return {"losses": losses, "level": level, "tail": law, **columns}


HOLES = np.where(np.arange(N) % 7 == 3, np.nan, hits_on([10, 11, 40]))
CASES = {
    "no exception": case(hits_on([])),
    "only exceptions": case(np.linspace(0.05, 0.09, N)),
    "one exception": case(hits_on([20])),
    "two apart": case(hits_on([20, 40])),
    "first day": case(hits_on([0])),
    "last day": case(hits_on([N - 1])),
    "all adjacent": case(hits_on([20, 21, 22, 23, 24, 25])),
    "four days": case(hits_on([1], 4)),
    "one day": case([0.05]),
    "no day": case([]),
    "zero var": case(hits_on([20]), var=0.0),
    "negative var": case(hits_on([20]), var=-0.005),
    "all zero forecasts": case(hits_on([20]), var=0.0, es=0.0, expectile=0.0, volatility=0.0),
    "all negative forecasts": case(hits_on([20]), var=-0.1, es=-0.1, expectile=-0.1, volatility=-0.1),
    "moving var": case(hits_on([20, 30]), var=np.linspace(0.02, 0.04, N)),
    "nan in losses": case(HOLES),
    "nan in forecasts": case(hits_on([10]), var=HOLES, es=HOLES + 1, expectile=HOLES + 1, pit=HOLES + 0.5),
    "only nan": case(np.full(N, np.nan), pit=np.full(N, np.nan)),
    "infinite": case(np.where(np.arange(N) == 5, np.inf, hits_on([10]))),
    "loss equals var": case(np.full(N, 0.03)),
    "loss equals everything": case(np.full(N, 0.04), var=0.04, es=0.04, expectile=0.04),
    "es below var": case(hits_on([20, 21, 30, 40, 50, 55]), es=0.02),
    "pit at its bounds": case(hits_on([20]), pit=np.arange(N) % 2),
    "pit 0": case(hits_on([20]), pit=np.zeros(N)),
    "20,000 days": case(hits_on(list(range(0, 20_000, 50)), 20_000)),
    "no law": case(hits_on([5, 15, 25, 35, 45, 46]), tail=None),
    "flat law": case(hits_on([20]), tail=(LEVELS, np.full((N, LEVELS.size), 0.01))),
    "falling law": case(hits_on([20]), tail=(LEVELS, np.tile(-QUANTILES, (N, 1)))),
    "law with holes": case(hits_on([20]), tail=(LEVELS, np.where(np.arange(N)[:, None] % 5 == 0, np.nan, QUANTILES))),
    "law far away": case(hits_on([20]), tail=(LEVELS, np.tile(QUANTILES - 1.0, (N, 1)))),
    "law in steps": case(hits_on([20]), tail=(LEVELS, np.tile(np.round(QUANTILES * 50) / 50, (N, 1)))),
    "tiny units": case(1e-9 * hits_on([20, 30]), var=3e-11, es=4e-11, expectile=2.5e-11, volatility=1e-11),
    "levels by day": case(hits_on([20, 30]), level=np.linspace(0.95, 0.99, N)),
}


def call(name: str, columns: dict) -> bt.BacktestResult:
    test = bt.BACKTESTS[name]
    first = () if "pit" in test.needs else (columns["losses"],)
    level = () if test.measure == "density" else (columns["level"],)
    keywords = {use: columns[use] for use in test.uses}
    if "tail" in test.uses:
        keywords["n_simulations"] = 19
    return test.run(*first, *(columns[need] for need in test.needs), *level, **keywords)


@pytest.mark.parametrize("columns", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", bt.BACKTESTS)
def test_input_contract(name, columns):
    result = call(name, columns)
    assert result.name == name
    assert result.p_method in METHODS
    assert not np.isinf(result.statistic)
    assert np.isnan(result.p_value) or 0 <= result.p_value <= 1
    assert np.isnan(result.p_value) == bool(result.reason)
    assert np.isnan(result.p_value) or np.isfinite(result.statistic)
    assert (result.p_method == "none") == np.isnan(result.p_value)
    assert 0 <= result.n_obs <= columns["losses"].size
    assert all(isinstance(value, (int, float, str)) for value in result.details.values())
    assert pickle.loads(pickle.dumps(result)).details == result.details


@pytest.mark.parametrize("name", bt.BACKTESTS)
def test_missing_values_can_be_refused(name):
    columns = CASES["nan in losses"]
    test = bt.BACKTESTS[name]
    first = () if "pit" in test.needs else (columns["losses"],)
    level = () if test.measure == "density" else (0.975,)
    with pytest.raises(DataError, match="must not be NaN with nan='raise'"):
        test.run(*first, *(columns[need] for need in test.needs), *level, nan="raise")


@pytest.mark.parametrize("name", bt.BACKTESTS)
def test_registry_agrees_with_the_functions(name):
    test = bt.BACKTESTS[name]
    assert test.run is getattr(bt, name)
    assert name in bt.__all__
    assert set(test.needs) | set(test.uses) <= {"var", "es", "expectile", "pit", "volatility", "tail"}
    assert test.measure in {"var", "es", "expectile", "density"}
    for section in ("Parameters", "Returns", "Raises", "References", "Examples"):
        assert section in test.run.__doc__


@settings(max_examples=25)
@given(
    st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=0, max_size=40),
    st.floats(-0.5, 0.5),
    st.floats(-0.5, 1.0),
    st.sampled_from([0.75, 0.975, 0.99855]),
)
def test_nothing_breaks(losses, var, es, level):
    columns = case(losses, var, es, es, 0.3, level)
    for name in bt.BACKTESTS:
        result = call(name, columns)
        assert not np.isinf(result.statistic)
        assert np.isnan(result.p_value) == bool(result.reason)


def test_result_is_frozen():
    result = bt.kupiec(np.zeros(10), 1.0, 0.9)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.p_value = 0.5  # type: ignore[misc]
    assert not dataclasses.replace(result, p_value=float("nan")).rejects()
    assert dataclasses.replace(result, p_value=0.04).rejects()
    assert not dataclasses.replace(result, p_value=0.04).rejects(0.01)
