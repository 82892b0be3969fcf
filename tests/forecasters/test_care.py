"""Expectile regression and CARE against independent numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from riskcore import CARE, Status, Target, expectile
from riskcore._types import WalkForward
from riskcore.errors import ConfigError, FitError
from riskcore.forecasters import expectile_regression
from riskcore.walkforward import walk_forward


@pytest.fixture(scope="module")
def losses():
    return 100 * np.random.default_rng(8).standard_t(5, size=800) * 0.01


def test_published_fit_on_the_ftse(golden, shared_data):
    case = golden("care_linear_ftse")["care_linear_level_0.99"]
    want, tolerance = case["expected"], case["tolerance"]
    prices = pd.read_csv(shared_data / "ftse100_2004_2014.csv")["close"].to_numpy()
    losses = -100 * np.diff(np.log(prices))
    target = Target("expectile", 0.99)
    fitted = CARE("linear").fit(losses, [target])
    np.testing.assert_allclose(fitted.coefficients[target], want["coefficients"], rtol=tolerance["rel"])
    np.testing.assert_allclose(
        fitted.errors[target], want["sandwich_standard_errors"], rtol=tolerance["rel_standard_error"]
    )
    assert losses.size - 1 == case["input"]["rows"]
    gain, loss = np.maximum(-losses[:-1], 0), np.maximum(losses[:-1], 0)
    design = np.column_stack([np.ones(losses.size - 1), losses[:-1], gain**2, loss**2])
    plain = expectile_regression(losses[1:], design, 0.99)
    assert plain.mean_score == pytest.approx(want["mean_score"], rel=tolerance["rel"])
    assert plain.exceedance_share == pytest.approx(want["exceedance_share"], rel=tolerance["rel"])


def test_regression_on_a_constant_is_the_sample_expectile(losses):
    for level in (0.05, 0.5, 0.9, 0.99855):
        fit = expectile_regression(losses, np.ones((losses.size, 1)), level)
        assert fit.coefficients[0] == pytest.approx(expectile(losses, level), rel=1e-12, abs=1e-14)


def test_regression_minimises_the_squared_score(losses):
    design = np.column_stack([np.ones(799), np.abs(losses[:-1])])

    def score(c):
        residual = losses[1:] - design @ c
        return np.mean(np.where(residual > 0, 0.95, 0.05) * residual**2)

    fit = expectile_regression(losses[1:], design, 0.95)
    best = minimize(score, fit.coefficients + 0.1, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
    np.testing.assert_allclose(fit.coefficients, best.x, atol=1e-5)
    assert fit.mean_score <= best.fun + 1e-12


def test_start_does_not_change_the_result(losses):
    design = np.column_stack([np.ones(799), np.abs(losses[:-1])])
    cold = expectile_regression(losses[1:], design, 0.99)
    warm = expectile_regression(losses[1:], design, 0.99, start=np.array([9.0, -3.0]))
    np.testing.assert_allclose(cold.coefficients, warm.coefficients, rtol=1e-12)


def test_level_search_meets_its_share(losses):
    gain, loss = np.maximum(-losses[:-1], 0), np.maximum(losses[:-1], 0)
    design = np.column_stack([np.ones(799), losses[:-1], gain**2, loss**2])
    for level in (0.95, 0.975, 0.99):
        target = Target("var", level)
        fitted = CARE().fit(losses, [target])
        tau, coefficients = fitted.levels[target], fitted.coefficients[target]
        np.testing.assert_allclose(coefficients, expectile_regression(losses[1:], design, tau).coefficients, rtol=1e-9)
        share = expectile_regression(losses[1:], design, tau).exceedance_share
        smaller = expectile_regression(losses[1:], design, 1 - (1 - tau) * 1.001).exceedance_share
        assert share <= 1 - level + 1e-12
        assert smaller > 1 - level  # the smallest level that meets the share


TARGETS = (Target("var", 0.95), Target("var", 0.975), Target("es", 0.975), Target("expectile", 0.99))


@pytest.mark.parametrize("expanding", [False, True])
def test_walk_is_fit_and_predict_block_by_block(losses, expanding):
    wild = losses.copy()
    wild[300:420] = 0.01  # windows of constant losses within, and a crash after
    wild[600] = 30.0
    plan = WalkForward(100, 7, expanding=expanding)
    blocks = list(plan.blocks(wild.size + 1))
    model = CARE()
    walked = model.walk(wild, TARGETS, blocks)
    row, start, failed = 0, None, 0
    for block in blocks:
        n_days = block.test.stop - block.test.start
        rows = slice(row, row + n_days)
        row += n_days
        try:
            start = model.fit(wild[block.train].copy(), TARGETS, start=start)
        except FitError:
            failed += 1
            assert (walked.status[rows] == Status.failed).all()
            continue
        assert (walked.status[rows] == start.status).all()
        want = start.predict(wild[block.train.start : block.test.stop - 1].copy(), TARGETS, n_days)
        np.testing.assert_allclose(walked.values[rows], want, rtol=1e-10, atol=1e-13)
    assert row == walked.values.shape[0] == wild.size + 1 - 100
    assert walked.predictive is None
    assert (failed > 0) is not expanding


def test_walk_of_some_blocks_is_that_of_all(losses):
    """Bit for bit, wherever it begins and however long the series."""
    blocks = list(WalkForward(100, 3).blocks(losses.size + 1))
    full = CARE().walk(losses, TARGETS, blocks)
    part = CARE().walk(losses[:400], TARGETS, blocks[10:100])
    np.testing.assert_array_equal(part.values, full.values[30:300])


def test_walk_forward_takes_the_quick_way_and_marks_what_is_missing(losses):
    """A level that the window cannot give leaves its column NaN and the row failed."""
    walk = walk_forward(losses, CARE(), [Target("var", 0.99), Target("expectile", 0.99)], WalkForward(100, 1))
    assert np.isnan(walk.values[:, 0]).all()
    assert np.isfinite(walk.values[:, 1]).all()
    assert (walk.status == Status.failed).all()


def test_full_steps_cycle_far_in_the_tail_and_halved_ones_do_not():
    """The sample of a cycle: many tries of small windows, each at the minimum (gradient zero)."""
    rng = np.random.default_rng(12)
    for _ in range(200):
        losses = rng.standard_t(3, 120)
        design = np.column_stack(
            [np.ones(119), losses[:-1], np.minimum(losses[:-1], 0) ** 2, np.maximum(losses[:-1], 0) ** 2]
        )
        fit = expectile_regression(losses[1:], design, 0.9999)
        residual = losses[1:] - design @ fit.coefficients
        weight = np.where(residual > 0, 0.9999, 0.0001)
        slope = np.abs(design.T @ (weight * residual))
        rounding = np.abs(design).T @ (weight * (np.abs(losses[1:]) + np.abs(design) @ np.abs(fit.coefficients)))
        assert (slope <= 1e-12 * rounding).all()


def test_a_window_too_short_for_a_level_gives_nan_for_that_target_only(losses):
    targets = [Target("var", 0.99), Target("es", 0.99), Target("expectile", 0.99)]
    fitted = CARE("linear").fit(losses[:100], targets)
    values = fitted.predict(losses[:110], targets, 10)
    assert np.isnan(values[:, :2]).all()
    assert np.isfinite(values[:, 2]).all()


def test_es_identity_on_a_constant_design(losses):
    """Without regressors the identity gives the mean of the losses above the expectile."""
    tau = 0.99
    m = expectile(losses, tau)
    share = np.mean(losses > m)
    es = m + (1 - tau) * (m - losses.mean()) / ((2 * tau - 1) * share)
    assert es == pytest.approx(losses[losses > m].mean(), rel=1e-12)


def test_forecast_is_the_formula(losses):
    targets = [Target("expectile", 0.99), Target("var", 0.975), Target("es", 0.975)]
    fitted = CARE("linear").fit(losses[:500], targets)
    values = fitted.predict(losses[:520], targets, 20)
    yesterday = losses[519]
    row = np.array([1.0, yesterday, max(-yesterday, 0) ** 2, max(yesterday, 0) ** 2])
    np.testing.assert_allclose(values[-1, 0], row @ fitted.coefficients[targets[0]], rtol=1e-12)
    tau = fitted.levels[targets[2]]
    es = values[-1, 1] + (1 - tau) * (values[-1, 1] - losses[:500].mean()) / ((2 * tau - 1) * 0.025)
    assert values[-1, 2] == pytest.approx(es, rel=1e-12)
    assert fitted.params["var_0.975.level"] == fitted.levels[targets[1]]


def test_offers():
    assert CARE("linear").offers(Target("es", 0.975))
    assert CARE("linear", level=0.99).offers(Target("expectile", 0.99))
    assert not CARE("linear", level=0.99).offers(Target("expectile", 0.975))


def test_errors():
    with pytest.raises(ConfigError, match="form must be one of"):
        CARE("cubic")
    with pytest.raises(ConfigError, match=r"level must lie in \(0.5, 1\)"):
        CARE(level=0.2)
    with pytest.raises(FitError, match="constant"):
        CARE().fit(np.ones(100), [Target("var", 0.99)])
    with pytest.raises(FitError, match="full rank"):
        expectile_regression(np.arange(5.0), np.ones((5, 2)), 0.9)
    with pytest.raises(ConfigError, match="5 rows"):
        expectile_regression(np.arange(5.0), np.ones((4, 2)), 0.9)
    with pytest.raises(ConfigError, match="finite"):
        expectile_regression(np.array([1.0, np.nan]), np.ones((2, 1)), 0.9)
