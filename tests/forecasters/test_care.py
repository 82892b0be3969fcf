"""Expectile regression and CARE against independent numbers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq, minimize

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


RECURSIVE = pytest.mark.parametrize("form", ["sav", "as", "ig"])


@pytest.fixture(scope="module")
def market(sample_data):
    prices = pd.read_csv(sample_data / "indices.csv")["S&P 500"].dropna().to_numpy()
    return -np.diff(np.log(prices))


def plain_path(losses, form, b, first):
    """The recursions with the expectile for the VaR."""
    out = [first]
    for x in losses:
        m = out[-1]
        if form == "ig":
            out.append(math.sqrt(b[0] + b[1] * m**2 + b[2] * x**2))
        else:
            news = b[2] * abs(x) if form == "sav" else b[2] * max(-x, 0) + b[3] * max(x, 0)
            out.append(b[0] + b[1] * m + news)
    return np.array(out)


def squares(losses, path, level):
    return np.mean(np.where(losses > path, level, 1 - level) * (losses - path) ** 2)


@pytest.mark.parametrize("row", ["care_SAV_level_0.99", "care_SAV_level_0.95"])
def test_published_recursion_on_the_ftse(row, golden, shared_data):
    case = golden("care_sav_ftse")[row]
    given, want, tolerance = case["input"], case["expected"], case["tolerance"]
    prices = pd.read_csv(shared_data / "ftse100_2004_2014.csv")["close"].to_numpy()
    losses = -100 * np.diff(np.log(prices))
    target = Target("expectile", given["expectile_level"])
    fitted = CARE("sav").fit(losses, [target])
    assert fitted.firsts[target] == pytest.approx(given["start_value"], rel=1e-12)
    np.testing.assert_allclose(
        fitted.coefficients[target], want["coefficients"], rtol=0, atol=tolerance["abs_coefficients"]
    )
    path = plain_path(losses, "sav", fitted.coefficients[target], fitted.firsts[target])
    score = squares(losses, path[:-1], target.level)
    assert score == pytest.approx(want["mean_score"], rel=tolerance["rel_mean_score"])
    assert np.mean(losses > path[:-1]) == pytest.approx(want["exceedance_share"], rel=1e-12)
    last, following = fitted.predict(losses, [target], 2)[:, 0]
    assert last == pytest.approx(want["last_in_sample"], abs=1e-4)
    assert following == pytest.approx(want["next_day"], abs=1e-4)
    assert fitted.starts_that_agree[target] >= 3
    assert fitted.status == Status.ok


@RECURSIVE
def test_recursion_settles_where_another_search_does(market, form):
    losses, level = market[500:1200], 0.97
    target = Target("expectile", level)
    fitted = CARE(form).fit(losses, [target])
    first = fitted.firsts[target]
    assert first == pytest.approx(expectile(losses[:300], level), rel=1e-12)
    k, unit = (4 if form == "as" else 3), np.std(losses) ** (2 if form == "ig" else 1)

    def score(b):
        if not 0 <= b[1] <= 0.995 or (form == "ig" and min(b[0], b[2]) < 0):
            return 1e9
        return squares(losses, plain_path(losses, form, [b[0] * unit, *b[1:]], first)[:-1], level)

    path = plain_path(losses, form, fitted.coefficients[target], first)
    ours, best = squares(losses, path[:-1], level), np.inf
    rng = np.random.default_rng(4)
    for _ in range(5):
        start = np.array([0.3, 0.8, 0.2, 0.2])[:k] * rng.uniform(0.2, 1.1, k)
        best = min(best, minimize(score, start, method="Nelder-Mead", options={"maxiter": 600, "fatol": 1e-13}).fun)
    assert ours <= best * (1 + 1e-6)
    np.testing.assert_allclose(fitted.predict(losses, [target], 4)[:, 0], path[-4:], rtol=1e-12)


@RECURSIVE
def test_recursive_level_is_the_smallest_that_meets_its_share(market, form):
    losses = market[2000:3000]
    for level in (0.95, 0.975):
        targets = [Target("var", level), Target("es", level)]
        fitted = CARE(form).fit(losses, targets)
        tau = fitted.levels[targets[0]]
        path = plain_path(losses, form, fitted.coefficients[targets[0]], fitted.firsts[targets[0]])
        allowed = round(1000 * (1 - level))
        above = np.sort(losses - path[:-1])[::-1]
        assert above[allowed] <= 0
        if above[allowed] < -1e-8 * np.std(losses):  # not on the path: there the best fit jumps to another optimum
            smaller = Target("expectile", 1 - (1 - tau) * (1 + 1e-5))
            other = CARE(form).fit(losses, [smaller])
            jumped = plain_path(losses, form, other.coefficients[smaller], other.firsts[smaller])
            assert np.sum(losses > jumped[:-1]) > allowed
        else:
            assert above[allowed - 1] > 1e-8 * np.std(losses)
        assert fitted.firsts[targets[0]] == pytest.approx(expectile(losses[:300], tau), rel=1e-10)
        one = Target("expectile", tau)
        given = CARE(form).fit(losses, [one])
        np.testing.assert_allclose(given.predict(losses, [one], 3)[:, 0], path[-3:], rtol=1e-6)
        es = path[-1] + (1 - tau) * (path[-1] - losses.mean()) / ((2 * tau - 1) * (1 - level))
        np.testing.assert_allclose(fitted.predict(losses, targets, 1)[0], [path[-1], es], rtol=1e-10)


@RECURSIVE
def test_recursive_errors_are_the_sandwich_with_the_recursions_gradient(market, form):
    losses, level = market[2000:3000], 0.95
    target = Target("expectile", level)
    fitted = CARE(form).fit(losses, [target])
    b, first = fitted.coefficients[target], fitted.firsts[target]
    path = plain_path(losses, form, b, first)[:-1]
    slopes = []
    for i in range(b.size):
        step = 1e-6 * max(abs(b[i]), 1e-4) * np.eye(b.size)[i]
        up, down = (plain_path(losses, form, b + s, first)[:-1] for s in (step, -step))
        slopes.append((up - down) / (2 * step[i]))
    x, u = np.array(slopes).T, losses - path
    w = np.where(u > 0, level, 1 - level)
    d, v = (x.T * w) @ x / 1000, (x.T * (w * u) ** 2) @ x / 1000
    unit = np.diag(1 / np.sqrt(np.diag(d)))
    inverse = unit @ np.linalg.inv(unit @ d @ unit) @ unit
    want = np.sqrt(np.diag(inverse @ v @ inverse / 1000))
    np.testing.assert_allclose(fitted.errors[target], want, rtol=1e-4)


@RECURSIVE
@pytest.mark.parametrize("expanding", [False, True])
def test_recursive_walk_is_fit_and_predict_block_by_block(market, form, expanding):
    losses = market[:420].copy()
    losses[150:290] = 0.01
    losses[350] = 0.3
    targets = [Target("var", 0.9), Target("es", 0.95), Target("expectile", 0.98)]
    blocks = list(WalkForward(100, 7, expanding=expanding).blocks(losses.size + 1))
    model = CARE(form)
    walked = model.walk(losses, targets, blocks)
    row, start, failed = 0, None, 0
    for block in blocks:
        rows = slice(row, row + block.test.stop - block.test.start)
        row = rows.stop
        try:
            start = model.fit(losses[block.train].copy(), targets, start=None if block.index % 25 == 0 else start)
        except FitError:
            failed += 1
            assert (walked.status[rows] == Status.failed).all()
            continue
        assert (walked.status[rows] == start.status).all()
        want = start.predict(losses[block.train.start : block.test.stop - 1].copy(), targets, rows.stop - rows.start)
        np.testing.assert_allclose(walked.values[rows], want, rtol=1e-10, atol=1e-13)
    assert (failed > 0) is not expanding


def test_warm_starts_keep_to_what_a_search_finds(market):
    """In nine of ten of 30 windows the forecast is the same to 1e-6; elsewhere two optima are nearly as good."""
    target = Target("expectile", 0.99)
    for form in ("sav", "as", "ig"):
        model, start, same = CARE(form), None, []
        for begin in range(30):
            window = market[begin : begin + 1000]
            start = model.fit(window, [target], start=start)
            cold = model.fit(window, [target])
            warm, fresh = (f.predict(window, [target], 1)[0, 0] for f in (start, cold))
            same.append(abs(warm / fresh - 1) < 1e-6)
        assert np.mean(same) >= 0.9


def test_more_lags_are_a_regression_on_them(market):
    losses = market[:600]
    target = Target("expectile", 0.975)
    fitted = CARE(lags=3).fit(losses, [target])
    columns = [np.ones(597)]
    for lag in (1, 2, 3):
        x = losses[3 - lag : 600 - lag]
        columns += [x, np.minimum(x, 0) ** 2, np.maximum(x, 0) ** 2]
    plain = expectile_regression(losses[3:], np.column_stack(columns), 0.975)
    np.testing.assert_allclose(fitted.coefficients[target], plain.coefficients, rtol=1e-9)
    np.testing.assert_allclose(fitted.errors[target], plain.standard_errors, rtol=1e-9)
    row = [1.0]
    for x in losses[:-4:-1]:
        row += [x, min(x, 0) ** 2, max(x, 0) ** 2]
    assert fitted.predict(losses, [target], 1)[0, 0] == pytest.approx(row @ plain.coefficients, rel=1e-10)
    names = ["c0", "c1", "c2", "c3", "c1_2", "c2_2", "c3_2", "c1_3", "c2_3", "c3_3"]
    assert [n.rsplit(".", 1)[1] for n in fitted.standard_errors] == names
    assert fitted.starts_that_agree == {}


@pytest.mark.parametrize("lags", [2, 5])
def test_walk_with_more_lags(market, lags):
    plan, targets = WalkForward(150, 20), [Target("expectile", 0.9), Target("var", 0.9)]
    blocks, model, row = list(plan.blocks(301)), CARE(lags=lags), 0
    walked = model.walk(market[:300], targets, blocks)
    for block in blocks:
        n_days = block.test.stop - block.test.start
        fitted = model.fit(market[block.train].copy(), targets)
        want = fitted.predict(market[block.train.start : block.test.stop - 1].copy(), targets, n_days)
        np.testing.assert_allclose(walked.values[row : row + n_days], want, rtol=1e-10)
        row += n_days
    with pytest.raises(FitError, match="too few"):
        model.fit(market[: 2 * (3 * lags + 1) + lags - 1], targets)


def test_recursive_errors_of_use():
    with pytest.raises(ConfigError, match=r"lags must be a whole number in \[1, 50\], got 0"):
        CARE(lags=0)
    with pytest.raises(ConfigError, match="lags must be 1 for the form sav, got 2"):
        CARE("sav", lags=2)


def scale_model_coverage(form, rng, n=4000, level=0.9):
    """Whether 95 % intervals hold the coefficients of a scale model's expectile, one sample."""
    z, out, scale = rng.standard_normal(n), np.empty(n), 0.35
    for t in range(n):
        out[t] = scale * z[t]
        scale = 0.05 + 0.8 * scale + (0.2 if form == "as" and out[t] > 0 else 0.12) * abs(out[t])
    target = Target("expectile", level)
    fitted = CARE(form).fit(out, [target])

    # the normal law's expectile: the root of its first-order condition
    def slope(e):
        density, above = math.exp(-(e**2) / 2) / math.sqrt(2 * math.pi), 0.5 * math.erfc(e / math.sqrt(2))
        return level * (density - e * above) - (1 - level) * (density + e * (1 - above))

    e = brentq(slope, 0, 5)
    truth = np.array([0.05 * e, 0.8, 0.12 * e] + ([0.2 * e] if form == "as" else []))
    return np.abs(fitted.coefficients[target] - truth) < 1.96 * fitted.errors[target]


@pytest.mark.parametrize("form", ["sav", "as"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(form):
    rng = np.random.default_rng(17)
    held = np.mean([scale_model_coverage(form, rng) for _ in range(100)], axis=0)
    assert (held > 0.95 - 4 * math.sqrt(0.95 * 0.05 / 100)).all()


@pytest.mark.parametrize("form", ["linear", "sav", "as", "ig"])
def test_a_share_that_asks_for_a_level_below_a_half_gives_nan(form):
    """Fewer than 0.4 of skewed losses exceed even their mean; of losses skewed the other way more do."""
    targets = [Target("var", 0.6), Target("es", 0.6), Target("expectile", 0.6)]
    losses = np.random.default_rng(5).standard_exponential(400) ** 1.5 - 0.5
    assert np.mean(losses > losses.mean()) < 0.35
    fitted = CARE(form).fit(losses, targets)
    values = fitted.predict(losses, targets, 3)
    assert np.isnan(values[:, :2]).all()
    assert math.isnan(fitted.levels[targets[0]])
    assert np.isfinite(values[:, 2]).all()
    block = WalkForward(400, 1).blocks(401)
    np.testing.assert_array_equal(CARE(form).walk(losses, targets, list(block)).values, values[-1:])
    other = CARE(form).fit(2 - losses, targets)
    assert 0.5 < other.levels[targets[0]] < 1
    assert np.isfinite(other.predict(2 - losses, targets, 3)).all()


def test_an_indirect_garch_of_negative_expectiles_starts_from_their_size():
    losses, target = np.random.default_rng(1).normal(-3, 1, 400), Target("expectile", 0.9)
    fitted = CARE("ig").fit(losses, [target])
    assert fitted.firsts[target] == pytest.approx(-expectile(losses[:300], 0.9), rel=1e-12)
    assert fitted.predict(losses, [target], 400).min() > 0


def test_more_lags_than_rows_give_nan_in_the_first_rows(losses):
    model, target = CARE("linear", lags=3), Target("expectile", 0.95)
    fitted = model.fit(losses, [target])
    for n in (1, 2, 10):
        whole = fitted.predict(losses[:n], [target], n)
        assert whole.shape == (n, 1)
        assert np.isnan(whole[:2]).all()
        if n > 2:
            np.testing.assert_allclose(whole[2:], fitted.predict(losses[:n], [target], n - 2), rtol=1e-14)
            assert np.isfinite(whole[2:]).all()
