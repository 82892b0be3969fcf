"""Model confidence set and superior predictive ability against plain definitions and the arch package."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import MCS, SPA
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from riskcore import Forecasts, Target, compare
from riskcore.compare import many
from riskcore.errors import ConfigError, DataError


def panel(n: int = 400, k: int = 6, seed: int = 1, step: float = 0.05) -> np.ndarray:
    """Scores with a common part, dependence over time and means that rise by the column."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((n + 3, k)) * (1 + np.arange(k) / k) + rng.standard_normal((n + 3, 1))
    return 5 + e[3:] + 0.5 * e[2:-1] + 0.25 * e[1:-2] + step * np.arange(k)[::-1]


class Drawn:
    """The samples that arch drew, put in place of our own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, indices: list[np.ndarray]) -> None:
        self.indices = indices
        monkeypatch.setattr(many, "bootstrap_means", self)

    def __call__(self, x: np.ndarray, *_: int) -> tuple[np.ndarray, np.ndarray]:
        mean = x.mean(axis=0)
        return mean, np.array([(x - mean)[i].mean(axis=0) for i in self.indices])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("ours", "theirs"), [("range", "R"), ("max", "max")])
def test_confidence_set_is_archs_on_the_same_samples(monkeypatch, seed, ours, theirs):
    x = panel(seed=seed, k=2 + seed)
    arch = MCS(x, size=0.1, reps=300, block_size=10, method=theirs, seed=seed)
    arch.compute()
    Drawn(monkeypatch, arch._bootstrap_indices)
    result = compare.model_confidence_set(x, statistic=ours, block=10, n_simulations=300)
    assert_array_equal(result.table["model"], arch.pvalues.index)
    assert_array_equal(result.table["p_value"], arch.pvalues["Pvalue"])
    assert sorted(result.included(0.1)) == arch.included
    assert 0 < result.table["p_value"].iloc[:-1].max() < 1  # something was at stake


@pytest.mark.parametrize("seed", range(6))
def test_ability_is_archs_on_the_same_samples(monkeypatch, seed):
    x = panel(seed=seed, step=0.08)
    arch = SPA(x[:, 1], x[:, np.r_[0, 2:6]], block_size=10, reps=300, seed=seed)
    arch.compute()
    bootstrap = SPA(x[:, 1], x[:, np.r_[0, 2:6]], block_size=10, reps=300, seed=seed).bootstrap
    indices = [np.asarray(bootstrap.update_indices()) for _ in range(300)]  # the same seed draws the same again
    Drawn(monkeypatch, indices)
    result = compare.superior_predictive_ability(
        x[:, 1], x[:, np.r_[0, 2:6]], block=10, n_simulations=300, studentised=False
    )
    ours = [result.details["p_lower"], result.p_value, result.details["p_upper"]]
    assert_array_equal(ours, arch.pvalues.to_numpy())
    d = x[:, [1]] - x[:, np.r_[0, 2:6]]
    assert_allclose(result.statistic, np.sqrt(400) * d.mean(axis=0).max(), rtol=1e-12)
    assert_allclose(many.bootstrap_variance(d - d.mean(axis=0), 10), arch._loss_diff_var, rtol=1e-11)


def by_definition(x: np.ndarray, drawn: np.ndarray, statistic: str) -> tuple[list[int], list[float]]:
    """Hansen, Lunde and Nason's procedure, one step after the other, everything recomputed at each."""
    left, order, p_values = list(range(x.shape[1])), [], []
    while len(left) > 1:
        mean, star = x[:, left].mean(axis=0), drawn[:, left]
        if statistic == "max":
            mean, star = mean - mean.mean(), star - star.mean(axis=1, keepdims=True)
            sd = np.sqrt((star**2).mean(axis=0))
            t, t_star = mean / sd, (star / sd).max(axis=1)
        else:
            d, d_star = mean[:, None] - mean, star[:, :, None] - star[:, None, :]
            sd = np.sqrt((d_star**2).mean(axis=0)) + np.eye(len(left))
            t, t_star = (d / sd).max(axis=1), np.abs(d_star / sd).max(axis=(1, 2))
        p_values.append(float((t_star >= t.max()).mean()))
        order.append(left.pop(int(np.argmax(t))))
    return [*order, left[0]], [*np.maximum.accumulate(p_values).tolist(), 1.0]


@pytest.mark.parametrize("statistic", ["range", "max"])
def test_confidence_set_by_definition(statistic):
    x = panel(n=300, k=8, seed=9)
    result = compare.model_confidence_set(x, statistic=statistic, block=5, n_simulations=499, rng=3)
    order, p_values = by_definition(x, many.bootstrap_means(x, 5, 3, 499)[1], statistic)
    assert list(result.table["model"]) == order
    assert_allclose(result.table["p_value"], p_values, atol=1e-12)
    assert (result.block, result.seed, result.n_simulations, result.n_obs) == (5, 3, 499, 300)
    assert list(result.table["step"]) == list(range(1, 9))


@pytest.mark.parametrize("statistic", ["range", "max"])
def test_p_values_are_archs_in_law(statistic):
    """Other samples, the same law: two shares of 4,000."""
    x = panel(n=250, k=5, seed=4)
    arch = MCS(x, size=0.1, reps=4000, block_size=8, method={"range": "R", "max": "max"}[statistic], seed=1)
    arch.compute()
    ours = compare.model_confidence_set(x, statistic=statistic, block=8, n_simulations=4000)
    assert_array_equal(ours.table["model"], arch.pvalues.index)
    p = arch.pvalues["Pvalue"].to_numpy()
    assert (np.abs(ours.table["p_value"] - p) <= 4 * np.sqrt(2 * p * (1 - p) / 4000) + 1e-12).all()


def test_ability_by_definition():
    x = panel(seed=7, step=0.15)
    d = x[:, [4]] - x[:, [0, 1, 2, 3, 5]]
    drawn = many.bootstrap_means(d, 12, 0, 999)[1] + d.mean(axis=0)
    n, mean = 400, d.mean(axis=0)
    omega = np.sqrt(many.bootstrap_variance(d - mean, 12))
    consistent = np.where(mean >= -omega * np.sqrt(2 * np.log(np.log(n)) / n), mean, 0)
    t = max(0, (np.sqrt(n) * mean / omega).max())
    p = [
        np.mean(np.maximum((np.sqrt(n) * (drawn - g) / omega).max(axis=1), 0) >= t)
        for g in (np.maximum(mean, 0), consistent, mean)
    ]
    models = pd.DataFrame(x[:, [0, 1, 2, 3, 5]], columns=list("abcde"))
    result = compare.superior_predictive_ability(x[:, 4], models, block=12, n_simulations=999)
    assert_allclose(result.statistic, t, rtol=1e-12)
    assert_allclose([result.details["p_lower"], result.p_value, result.details["p_upper"]], p, atol=1e-12)
    assert result.details["best"] == "abcde"[int(np.argmax(mean / omega))]
    assert p[0] < p[1] < p[2]  # the three differ, so that each is tested


def testbootstrap_variance_by_lags():
    x = np.random.default_rng(3).standard_normal((61, 2)).cumsum(axis=0)
    x -= x.mean(axis=0)
    for block in (1, 7, 500):
        gamma = np.array([(x[i:] * x[: 61 - i]).sum(axis=0) / 61 for i in range(61)])
        r, i = 1 - 1 / block, np.arange(61)
        kappa = (1 - i / 61) * r**i + (i / 61) * r ** (61 - i)
        expected = gamma[0] + 2 * (kappa[1:, None] * gamma[1:]).sum(axis=0)
        assert_allclose(many.bootstrap_variance(x, block), expected, rtol=1e-10, atol=1e-12 * gamma[0].max())


@pytest.mark.parametrize("statistic", ["range", "max"])
def test_columns_order_and_units_do_not_matter(statistic):
    x = panel(k=5)
    plain = compare.model_confidence_set(x, statistic=statistic)
    turned = compare.model_confidence_set(pd.DataFrame(1e-7 * x[:, ::-1], columns=[4, 3, 2, 1, 0]), statistic=statistic)
    pd.testing.assert_frame_equal(plain.table, turned.table, check_exact=False, rtol=1e-6)
    pd.testing.assert_frame_equal(plain.table, compare.model_confidence_set(x, statistic=statistic).table)
    other = compare.model_confidence_set(x, statistic=statistic, rng=1)
    assert other.seed == 1
    assert not plain.table["p_value"].equals(other.table["p_value"])


@pytest.mark.parametrize("statistic", ["range", "max"])
def test_identical_models_leave_together_or_stay(statistic):
    x = panel(k=3, step=0.3)
    twins = compare.model_confidence_set(x[:, [0, 1, 0, 2]], statistic=statistic).table.set_index("model")
    assert twins.loc[0, "step"] == twins.loc[2, "step"] == 1
    assert twins.loc[0, "p_value"] == twins.loc[2, "p_value"] < 0.05
    same = compare.model_confidence_set(x[:, [1, 1, 1]], statistic=statistic)
    assert (same.table["p_value"] == 1).all()
    assert (same.table["statistic"] == 0).all()
    assert compare.model_confidence_set(np.ones((50, 2)), statistic=statistic).included() == [1, 0]


@pytest.mark.parametrize("statistic", ["range", "max"])
def test_degenerate_scores(statistic):
    one = compare.model_confidence_set(panel(k=1), statistic=statistic)
    assert (one.included(0.99), one.table["p_value"].tolist()) == ([0], [1.0])
    short = compare.model_confidence_set(panel(n=4), statistic=statistic)
    assert (short.reason, short.included()) == ("4 usable days, at least 5 needed", [])
    assert short.table["p_value"].isna().all()
    constant = compare.model_confidence_set(np.ones((50, 2)) * [1.0, 2.0], statistic=statistic)
    assert "does not vary" in constant.reason
    x = panel(k=3)
    shifted = compare.model_confidence_set(np.column_stack([x[:, 0], x[:, 0] + 0.1]), statistic=statistic)
    assert "does not vary" in shifted.reason
    x[::7, 1] = np.nan
    holes = compare.model_confidence_set(x, statistic=statistic)
    kept = compare.model_confidence_set(x[np.isfinite(x[:, 1])], statistic=statistic)
    assert (holes.n_obs, holes.missing) == (342, 58)
    pd.testing.assert_frame_equal(holes.table, kept.table)
    x[:, 1] = np.nan
    assert compare.model_confidence_set(x, statistic=statistic).reason == "0 usable days, at least 5 needed"


def test_ability_in_degenerate_cases():
    x = panel(k=3)
    worse = compare.superior_predictive_ability(x[:, 0] - 3, x[:, 1:])
    assert (worse.statistic, worse.p_value) == (0.0, 1.0)
    assert worse.details["p_lower"] == worse.details["p_upper"] == 1.0
    same = compare.superior_predictive_ability(x[:, 0], x[:, [0]])
    assert (same.statistic, same.p_value) == (0.0, 1.0)
    alone = compare.superior_predictive_ability(x[:, 0], x[:, [1]])
    beside = compare.superior_predictive_ability(x[:, 0], x[:, [1, 0]])
    assert_allclose([alone.statistic, alone.p_value], [beside.statistic, beside.p_value], rtol=1e-12)
    shifted = compare.superior_predictive_ability(x[:, 0], x[:, [0]] - 1.0)
    assert shifted.reason == "the difference from 0 does not vary"
    assert np.isnan(shifted.p_value)
    assert compare.superior_predictive_ability([1.0], [[2.0]]).reason == "1 usable days, at least 5 needed"
    x[3, 0] = np.nan
    assert compare.superior_predictive_ability(x[:, 0], x[:, 1:]).n_obs == 399


def test_errors():
    x = panel()
    with pytest.raises(ConfigError, match="statistic must be one of range, max, got 'R'"):
        compare.model_confidence_set(x, statistic="R")
    with pytest.raises(ConfigError, match="block must be a whole number of at least 1, got 0"):
        compare.model_confidence_set(x, block=0)
    with pytest.raises(ConfigError, match="n_simulations must be at least 1, got 0"):
        compare.superior_predictive_ability(x[:, 0], x, n_simulations=0)
    with pytest.raises(DataError, match="scores must have two dimensions"):
        compare.model_confidence_set(x[:, 0])
    with pytest.raises(DataError, match="scores must have at least one column"):
        compare.model_confidence_set(x[:, :0])
    with pytest.raises(DataError, match="benchmark must have a score for each row of models"):
        compare.superior_predictive_ability(x[:5, 0], x)
    x[0, 0] = np.nan
    with pytest.raises(DataError, match="scores must not be NaN with nan='raise', got 1 such days"):
        compare.model_confidence_set(x, nan="raise")


def test_from_a_table_of_forecasts():
    days = pd.bdate_range("2020-01-01", periods=600)
    losses = np.random.default_rng(6).standard_normal(600)
    frames = []
    for model, var in (("good", 1.645), ("poor", 3.0), ("fair", 1.7)):
        index = pd.MultiIndex.from_product([["A"], [model], days], names=["asset", "model", "date"])
        moving = var + 0.05 * np.sin(np.arange(600) + var)
        row = {"origin": days - pd.Timedelta(days=1), "loss": losses, "status": "ok", "var_0.95": moving}
        frames.append(pd.DataFrame(row, index))
    scores = compare.score_panel(Forecasts(pd.concat(frames), [Target("var", 0.95)]), "var:0.95")
    assert (list(scores.columns), len(scores)) == (["good", "poor", "fair"], 600)
    result = compare.model_confidence_set(scores)
    assert result.included()[0] == "good"
    assert result.table["model"].iloc[0] == "poor"
    assert compare.superior_predictive_ability(scores["poor"], scores[["good", "fair"]]).rejects()


@pytest.mark.nightly
@pytest.mark.parametrize("statistic", ["range", "max"])
def test_all_equal_models_stay_with_their_chance(statistic):
    rng, stay = np.random.default_rng(5), 0
    for i in range(400):
        x = rng.standard_normal((300, 4))
        stay += (
            len(compare.model_confidence_set(x, statistic=statistic, n_simulations=499, block=3, rng=i).included()) == 4
        )
    print(f"model_confidence_set {statistic}: all four of four equal models stay in {stay / 4:.1f} % (nominal 90 %)")
    assert stats.binomtest(stay, 400, 0.9).pvalue > 0.001
