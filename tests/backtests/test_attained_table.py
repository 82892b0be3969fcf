"""The table of sizes that ships: what it says of default p-values, and how "auto" and powers are read out of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from riskcore import backtests as bt
from riskcore import defaults
from riskcore.backtests import attained, nulls
from riskcore.backtests.base import ASYMPTOTIC, BOOTSTRAP

TABLE = attained.attained_table()
SEEDS_TIMES_PATHS = 20 * 499
"""Draws of the null behind a row at least: their error adds to that of the samples."""
CONTINUOUS_BELOW = 0.005
DISCRETE = {
    "traffic_light", "binomial", "kupiec", "tuff", "christoffersen_independence", "christoffersen_coverage", "tbfi",
    "tbf", "weibull_duration", "gmm_duration", "geometric_var", "dynamic_quantile", "multinomial",
}  # fmt: skip
"""Statistics of hits: the sizes they attain come in steps and may lie below."""
ANYTIME = {"e_var", "e_es", "e_expectile"}
EXCEPTIONS = {
    "exceedance_residuals": "below 5 exceptions there is no p-value: in 25 % of samples at 0.975, 89 % at 0.99",
    "es_calibration": "at 0.99 the 8 % of samples without an exception have the largest statistic of all",
    "esr": "below 3 losses above the fitted quantile there is no p-value: at 0.99 never one",
}


def errors(row: dict, nominal: float) -> float:
    return 3 * math.sqrt(nominal * (1 - nominal) * (1 / row["replications"] + 1 / SEEDS_TIMES_PATHS))


def defaults_at(n: int) -> list[dict]:
    return [r for r in TABLE if r["n_obs"] == n and r["p_method"] != ASYMPTOTIC and r["test"] in bt.BACKTESTS]


@pytest.mark.skipif(not TABLE, reason="the table is being made")
def test_every_test_is_in_the_table():
    at_250 = {r["test"] for r in defaults_at(250)}
    assert at_250 == set(bt.BACKTESTS) - {"e_expectile"}  # without a declared cap it has no p-value


@pytest.mark.parametrize("row", defaults_at(250), ids=lambda r: f"{r['test']}-{r['level']}")
def test_default_p_values_keep_their_size_in_a_year(row):
    for key, nominal in attained.SIZES.items():
        assert row[key] <= nominal + errors(row, nominal), key
        if row["test"] not in DISCRETE | ANYTIME | set(EXCEPTIONS):
            assert row[key] >= nominal - max(CONTINUOUS_BELOW, errors(row, nominal)), key
    assert len(EXCEPTIONS) <= 5


def table(monkeypatch, rows: list[tuple[str, str, float, int, float, float]]) -> None:
    """A table of its own: test, kind, level, days, size at 5 % (that at 1 and 10 % to match) and power."""
    made = tuple(
        {"test": t, "p_method": kind, "level": level, "n_obs": float(n), "size_1": size / 5, "size_5": size,
         "size_10": 2 * size, "power": power, "undefined": 0.0, "replications": 20_000.0}
        for t, kind, level, n, size, power in rows
    )  # fmt: skip
    monkeypatch.setattr(attained, "attained_table", lambda: made)
    attained.asymptotic_holds.cache_clear()
    attained.tabulated_power.cache_clear()


@pytest.fixture
def made(monkeypatch):
    grid = [(n, level) for n in (250, 1000) for level in (0.95, 0.99)]
    sizes = {(250, 0.95): 0.05, (1000, 0.95): 0.05, (250, 0.99): 0.09, (1000, 0.99): 0.051}
    rows = [("a", ASYMPTOTIC, level, n, sizes[n, level], n / 2000) for n, level in grid]
    rows += [("never", ASYMPTOTIC, 0.99, 250, 0.001, 0.0), ("e", BOOTSTRAP, 0.99, 250, 0.05, 0.2)]
    table(monkeypatch, [*rows, ("d", ASYMPTOTIC, 0.95, 250, 0.05, 0.5)])
    yield
    monkeypatch.undo()
    attained.asymptotic_holds.cache_clear()
    attained.tabulated_power.cache_clear()


def test_the_asymptotic_one_is_taken_where_all_cells_around_are_good(made):
    good = {(250, 0.95), (600, 0.95), (1000, 0.95), (9000, 0.95), (1000, 0.99), (1000, 0.97), (5000, 0.98)}
    bad = {(249, 0.95), (250, 0.99), (600, 0.99), (600, 0.97), (1000, 0.995), (1000, 0.9), (1000, math.nan)}
    for n, level in good | bad:
        assert attained.asymptotic_holds("a", n, level) == ((n, level) in good), (n, level)
        choice = nulls.null_law("a", "auto", n, level, ("simulated", "asymptotic"))
        assert choice == ("asymptotic" if (n, level) in good else "simulated")
    assert nulls.null_law("a", "auto", 1000, 0.95, ("exact", "asymptotic")) == "exact"
    assert nulls.null_law("a", "auto", 1000, 0.95, ("simulated",)) == "simulated"
    assert not attained.asymptotic_holds("never", 250, 0.99)
    assert not attained.asymptotic_holds("unknown", 1000, 0.95)
    assert attained.asymptotic_holds("d", 250, 0.5)  # of the whole law: its one level is a label


def test_power_is_interpolated_in_the_logarithm_of_the_days(made):
    assert attained.tabulated_power("a", 250, 0.95, "asymptotic") == 0.125
    assert attained.tabulated_power("a", 500, 0.95, "asymptotic") == pytest.approx((0.125 + 0.5) / 2)
    assert attained.tabulated_power("a", 99_999, 0.95, "asymptotic") == 0.5
    assert attained.tabulated_power("e", 250, 0.99, BOOTSTRAP) == 0.2
    assert np.isnan(attained.tabulated_power("e", 251, 0.99, BOOTSTRAP))  # measured at 250 days alone
    assert np.isnan(attained.tabulated_power("a", 500, math.nan, "asymptotic"))  # at a level that moves
    assert attained.tabulated_power("d", 250, math.nan, "asymptotic") == 0.5  # of the whole law: one row
    for n, level, kind in ((249, 0.95, "asymptotic"), (500, 0.97, "asymptotic"), (500, 0.95, "simulated: own law")):
        assert np.isnan(attained.tabulated_power("a", n, level, kind))


@pytest.mark.parametrize("name", bt.BACKTESTS)
def test_who_has_an_asymptotic_p_value_says_so(name):
    rng, levels = np.random.default_rng(2), np.array(defaults.TAIL_LEVELS)
    losses = rng.standard_normal(2500)
    ones = np.ones(2500)
    columns = {
        "var": 1.96 * ones, "es": 2.338 * ones, "expectile": 1.2 * ones, "volatility": ones,
        "pit": stats.norm.cdf(losses),
        "tail": (levels, np.tile(stats.norm.ppf(levels), (2500, 1))),
    }  # fmt: skip
    test = bt.BACKTESTS[name]
    first = () if "pit" in test.needs else (losses,)
    level = () if test.measure == "density" else (0.975,)
    keywords = {use: columns[use] for use in test.uses}
    asked = {"p_value": "asymptotic"} if "p_value" in (test.run.__kwdefaults__ or {}) else {}
    if not test.asymptotic:
        assert not asked or "asymptotic" not in str(test.run.__doc__).split("p_value :")[-1].split("\n")[0]
        return
    result = test.run(*first, *(columns[need] for need in test.needs), *level, **keywords, **asked)
    assert result.p_method in {"asymptotic", "none"} or name == "traffic_light"
