"""The three zones against the definition of Nolde and Ziegel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import Forecasts, Target, compare, scores
from riskcore.errors import ConfigError, DataError


def t_statistic(d: np.ndarray) -> float:
    """Diebold-Mariano with Parzen weights at ceil(2 sqrt n), by sums over lags."""
    n, c = d.size, d - d.mean()
    m = int(np.ceil(2 * np.sqrt(n)))
    k = np.arange(1, m + 1) / m
    weights = np.where(k <= 0.5, 1 - 6 * k**2 * (1 - k), 2 * (1 - k) ** 3)
    gamma = np.array([c[j:] @ c[: n - j] / n for j in range(m + 1)])
    return float(np.sqrt(n) * d.mean() / np.sqrt(gamma[0] + 2 * weights @ gamma[1:]))


def test_zones_are_the_papers():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((600, 1)) + 0.5 * rng.standard_normal((600, 4)) + [0.0, 0.03, 0.06, 0.2]
    result = compare.three_zone(pd.DataFrame(x, columns=list("abcd")))
    seen = set()
    for size in (0.01, 0.05, 0.10):
        matrix = result.matrix(size)
        assert list(matrix.index) == list(matrix.columns) == list("abcd")
        for i, standard in enumerate("abcd"):
            for j, internal in enumerate("abcd"):
                if i == j:
                    assert matrix.loc[standard, internal] == ""
                    continue
                p_plus = stats.norm.cdf(t_statistic(x[:, j] - x[:, i]))
                zone = "green" if p_plus <= size else "red" if 1 - p_plus <= size else "yellow"
                assert matrix.loc[standard, internal] == zone
                seen.add(zone)
    assert seen == {"green", "yellow", "red"}
    row = result.table.set_index(["standard", "internal"]).loc[("a", "d")]
    t = t_statistic(x[:, 3] - x[:, 0])
    assert_allclose([row["statistic"], row["p_internal_worse"]], [t, stats.norm.cdf(t)], rtol=1e-9)
    named = result.zones((0.05,))
    assert list(named["zone_0.05"]) == [
        result.matrix(0.05).loc[s, i] for s, i in named[["standard", "internal"]].values
    ]


@pytest.mark.parametrize(
    ("target", "columns"),
    [
        ("var:0.95", {"var_0.95": (1.645, 2.6)}),
        ("es:0.95", {"var_0.95": (1.645, 2.6), "es_0.95": (2.063, 3.3)}),
        ("expectile:0.95", {"expectile_0.95": (1.262, 2.2)}),
    ],
)
def test_each_target_of_a_table_by_its_own_score(target, columns):
    days, losses = pd.bdate_range("2020-01-01", periods=800), np.random.default_rng(6).standard_normal(800)
    frames = []
    for k, model in enumerate(("good", "high")):
        index = pd.MultiIndex.from_product([["A"], [model], days], names=["asset", "model", "date"])
        row = {"origin": days - pd.Timedelta(days=1), "loss": losses, "status": "ok"}
        frames.append(pd.DataFrame(row | {name: values[k] for name, values in columns.items()}, index))
    forecasts = Forecasts(pd.concat(frames), [Target.parse(name.replace("_", ":")) for name in columns])
    matrix = compare.three_zone(forecasts, target).matrix(0.05)
    assert (matrix.loc["high", "good"], matrix.loc["good", "high"]) == ("green", "red")
    run = {"var": scores.quantile_score, "es": scores.fz0_score, "expectile": scores.expectile_score}[target[:-5]]
    good, high = (run(losses, *(np.full(800, v[k]) for v in columns.values()), 0.95) for k in (0, 1))
    result = compare.three_zone(forecasts, target).table
    assert_allclose(result.loc[0, "statistic"], t_statistic(high - good), rtol=1e-9)


def test_no_verdict_and_equal_scores():
    x = np.random.default_rng(1).random(100)
    equal = compare.three_zone(np.column_stack([x, x]))
    assert (equal.matrix(0.4).to_numpy() == [["", "yellow"], ["yellow", ""]]).all()
    assert set(equal.table["reason"]) == {"the scores are equal on all days"}
    assert (equal.table["p_internal_worse"] == 0.5).all()
    constant = compare.three_zone(np.ones((50, 2)) * [1.0, 2.0])
    assert (constant.matrix() == "").all(axis=None)
    assert constant.table["statistic"].isna().all()
    assert (compare.three_zone(np.ones((3, 2))).matrix() == "").all(axis=None)
    assert compare.three_zone(np.ones((9, 1))).matrix().shape == (1, 1)


def test_options_reach_the_test_and_errors():
    x = np.random.default_rng(2).random((60, 2))
    plain, other = compare.three_zone(x), compare.three_zone(x, kernel="bartlett", lags=2)
    assert other.kernel == "bartlett"
    assert plain.table.loc[0, "statistic"] != other.table.loc[0, "statistic"]
    expected = compare.diebold_mariano(x[:, 1], x[:, 0], kernel="bartlett", lags=2).statistic
    assert other.table.loc[0, "statistic"] == expected
    with pytest.raises(DataError, match="scores must have two dimensions"):
        compare.three_zone(x[:, 0])
    with pytest.raises(ConfigError, match=r"size must lie in \(0, 0.5\), got 5"):
        plain.matrix(5)
    with pytest.raises(ConfigError, match="kernel must be one of"):
        compare.three_zone(x, kernel="box")


def test_a_table_needs_a_target():
    index = pd.MultiIndex.from_tuples([("A", "m", pd.Timestamp("2020-01-02"))], names=["asset", "model", "date"])
    row = {"origin": pd.Timestamp("2020-01-01"), "loss": 0.0, "status": "ok", "var_0.99": 1.0}
    forecasts = Forecasts(pd.DataFrame(row, index), [Target("var", 0.99)])
    with pytest.raises(ConfigError, match="target must be named"):
        compare.three_zone(forecasts)
