"""Oracles: the exceedance shares printed in the method notes, closed forms of the normal and Student's t."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, optimize, stats

from riskcore import Target, defaults
from riskcore.errors import ConfigError
from riskcore.forecasts import Forecasts, tail_label
from riskcore.indicators import beside_expectile, expectile_table

LEVELS = np.array(defaults.TAIL_LEVELS)


def student_expectile(nu: float, level: float) -> float:
    """Raw-scale t: U(z) = (nu + z^2)/(nu - 1) t(z) - z (1 - T(z)), root of U/(2U + z) = 1 - level."""

    def excess(z: float) -> float:
        u = (nu + z * z) / (nu - 1) * stats.t.pdf(z, nu) - z * stats.t.sf(z, nu)
        return u / (2 * u + z) - (1 - level)

    return float(optimize.brentq(excess, 1e-6, 200, xtol=1e-13))


def student_es(nu: float, p: float) -> float:
    q = stats.t.ppf(p, nu)
    return float((nu + q * q) / (nu - 1) * stats.t.pdf(q, nu) / (1 - p))


@pytest.mark.parametrize(("nu", "share"), [(10, 0.71), (6, 0.55), (5, 0.48), (4, 0.40), (3, 0.28)])
def test_share_of_days_beyond_the_expectile(nu: int, share: float) -> None:
    value = student_expectile(nu, 0.99855)
    beside = beside_expectile(value, 0.99855, (LEVELS, stats.t.ppf(LEVELS, nu)))
    assert 100 * (1 - beside["implied_var_level"]) == pytest.approx(share, abs=0.006)
    assert beside["implied_var_level"] == pytest.approx(stats.t.cdf(value, nu), abs=1e-4)
    es_level = optimize.brentq(lambda p: student_es(nu, p) - value, 0.5, 0.9999)
    assert beside["equal_es_level"] == pytest.approx(es_level, abs=3e-4)


def test_normal_law(golden) -> None:
    case = golden("normal_levels")["match_level_0.99"]["expected"]
    tau, value = case["matched_expectile_level"], 0.0004 + 0.012 * case["var"]
    beside = beside_expectile(value, tau, (LEVELS, 0.0004 + 0.012 * stats.norm.ppf(LEVELS)))
    assert beside["normal_var_level"] == pytest.approx(0.99, abs=1e-12)
    assert beside["implied_var_level"] == pytest.approx(0.99, abs=1e-7)
    assert beside["loss_gain_ratio"] == pytest.approx(tau / case["matched_expectile_tail"], rel=1e-11)

    def es(p: float) -> float:
        return 0.0004 + 0.012 * integrate.quad(lambda u: stats.norm.ppf(u), p, 1)[0] / (1 - p)

    assert es(beside["equal_es_level"]) == pytest.approx(value, rel=1e-5)


def test_sample_law_with_ties() -> None:
    sample = np.sort(np.random.default_rng(0).standard_t(4, 1000))
    quantiles = sample[np.minimum(np.ceil(LEVELS * 1000).astype(int) - 1, 999)]  # the last four are the maximum
    value = sample[993]  # six losses above it
    beside = beside_expectile(value, 0.99855, (LEVELS, quantiles))
    assert beside["implied_var_level"] == pytest.approx(0.994, abs=0.0015)
    tail = sample[int(beside["equal_es_level"] * 1000) :]
    assert tail.mean() == pytest.approx(value, rel=0.12)


def test_constant_law_and_missing_quantiles() -> None:
    assert math.isnan(beside_expectile(1.1, 0.99, (LEVELS, np.ones(LEVELS.size)))["implied_var_level"])
    assert math.isnan(beside_expectile(1.0, 0.99, (LEVELS, np.full(LEVELS.size, np.nan)))["equal_es_level"])
    assert math.isnan(beside_expectile(math.nan, 0.99, (LEVELS, stats.norm.ppf(LEVELS)))["implied_var_level"])
    assert math.isnan(beside_expectile(99.0, 0.99, (LEVELS, stats.norm.ppf(LEVELS)))["implied_var_level"])
    with pytest.raises(ConfigError, match=r"level must lie in \(0.5, 1\), got 0.4"):
        beside_expectile(1.0, 0.4)


def test_table_reads_the_days_own_law() -> None:
    days = pd.bdate_range("2024-01-01", periods=3)
    index = pd.MultiIndex.from_product([["A"], ["law", "none"], days], names=["asset", "model", "date"])
    value = student_expectile(5, 0.99855)
    frame = pd.DataFrame({"origin": np.tile(days - pd.Timedelta(days=1), 2), "loss": 0.0, "status": "ok"}, index)
    frame.loc[(slice(None), slice(None), days[-1]), "loss"] = np.nan
    frame["expectile_0.99"], frame["expectile_0.99855"] = 0.02, value
    for level in defaults.TAIL_LEVELS:
        frame[tail_label(level)] = np.where(
            frame.index.get_level_values("model") == "law", stats.t.ppf(level, 5), np.nan
        )
    targets = [Target("expectile", 0.99), Target("expectile", 0.99855)]
    out = expectile_table(Forecasts(frame, targets))
    assert out[["model", "level"]].values.tolist() == [
        ["law", 0.99],
        ["law", 0.99855],
        ["none", 0.99],
        ["none", 0.99855],
    ]
    assert out["implied_var_level"].iloc[1] == pytest.approx(stats.t.cdf(value, 5), abs=1e-4)
    assert out["implied_var_level"].iloc[2:].isna().all()
    assert (out["date"] == days[-1]).all()
    past = expectile_table(Forecasts(frame, targets), frame.loc[[("A", "law", days[0])]])
    assert (past["date"] == days[0]).all()
    assert expectile_table(Forecasts(frame, targets), frame.iloc[:0]).empty
