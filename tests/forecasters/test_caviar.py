"""CAViaR and its ES against published numbers, plain definitions and other optimisers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize, minimize_scalar

from riskcore import CAViaR, Status, Target, value_at_risk
from riskcore._types import WalkForward
from riskcore.backtests import dynamic_quantile, dynamic_quantile_in_sample
from riskcore.errors import ConfigError, DataError, FitError
from riskcore.measures.paths import expectile_path_covariance, nearest_bandwidth, quantile_path_covariance
from riskcore.scores import fz0_score, quantile_score
from riskcore.walkforward import walk_forward

FORMS = pytest.mark.parametrize("form", ["sav", "as", "ig", "adaptive"])
N_IN = 2892


@pytest.fixture(scope="module")
def market(sample_data):
    prices = pd.read_csv(sample_data / "indices.csv")["S&P 500"].dropna().to_numpy()
    return -np.diff(np.log(prices))


def plain_path(losses, form, b, first, level, sharpness):
    """The recursions as the paper has them, with losses."""
    out = [first]
    for x in losses:
        v = out[-1]
        if form == "sav":
            out.append(b[0] + b[1] * v + b[2] * abs(x))
        elif form == "as":
            out.append(b[0] + b[1] * v + b[2] * max(-x, 0) + b[3] * max(x, 0))
        elif form == "ig":
            out.append(math.sqrt(b[0] + b[1] * v**2 + b[2] * x**2))
        else:
            out.append(v + b[0] * (1 / (1 + math.exp(sharpness * (v - x))) - (1 - level)))
    return np.array(out)


FORM_OF = {"SAV": "sav", "AS": "as", "IG": "ig", "AD": "adaptive"}
ROWS = ("GM_AS_0.99", "GM_IG_0.99", "GM_AD_0.99", "GM_AS_0.95", "GM_IG_0.95", "GM_AD_0.95", "GM_SAV_0.99")


@pytest.mark.parametrize("row", ROWS)
def test_published_rows_of_general_motors(row, golden, shared_data):
    """Table 1 of Engle & Manganelli at its coefficients: score, hits and DQ; and our estimates score no worse."""
    case = golden("caviar_engle_manganelli_gm")[row]
    given, want, tolerance = case["input"], case["expected"], case["tolerance"]["rel"]
    losses = -pd.read_csv(shared_data / "engle_manganelli_2004.csv")["GM"].to_numpy()
    seen, level = losses[:N_IN], given["level"]
    target, form = Target("var", level), FORM_OF[row.split("_")[1]]
    model = CAViaR(form, "none", sharpness=10.0 * float(np.std(seen)))
    fitted = model.fit(seen, [target])
    tail = fitted.tails[level]
    assert tail.first == pytest.approx(given["start_value"], rel=tolerance)
    assert tail.agree >= 1
    printed = np.array([*given["coefficients"].values(), 0.0, 0.0, 0.0])[:4]
    theirs = replace(fitted, tails={level: replace(tail, point=printed)})
    inside, _ = theirs.path(seen, level)
    score = np.sum(quantile_score(seen, inside, level))
    assert score == pytest.approx(want["tick_loss_sum_in_sample"], rel=tolerance)
    assert 100 * np.mean(seen > inside) == pytest.approx(want["in_sample_exception_pct"], rel=tolerance)
    outside = theirs.predict(losses[:-1], [target], 500)[:, 0]
    assert np.sum(losses[N_IN:] > outside) == want["out_of_sample_exceptions"]
    test = dynamic_quantile(losses[N_IN:], outside, level, p_value="asymptotic")
    assert test.statistic == pytest.approx(want["dq_out_of_sample"], rel=tolerance)
    assert test.p_value == pytest.approx(want["dq_p_value"], rel=tolerance)
    assert test.details["df"] == want["dq_df"]
    ours = np.sum(quantile_score(seen, fitted.path(seen, level)[0], level))
    assert ours <= want["tick_loss_sum_in_sample"] * (1 + 1e-5)
    assert ours == pytest.approx(tail.score * N_IN, rel=1e-7)


@FORMS
def test_path_and_gradient(market, form):
    losses, level = market[:600], 0.975
    fitted = CAViaR(form, "none").fit(losses, [Target("var", level)])
    tail = fitted.tails[level]
    path, gradient = fitted.path(losses, level)
    want = plain_path(losses, form, tail.point, tail.first, level, tail.sharpness)
    np.testing.assert_allclose(path, want[:-1], rtol=1e-12)
    np.testing.assert_allclose(fitted.predict(losses, [Target("var", level)], 5)[:, 0], want[-5:], rtol=1e-12)
    assert tail.first == np.sort(losses[:300])[-8]  # 300 times 0.025 is 7.5, which counts as 8
    inside = np.abs(tail.point) + 0.01 * np.array([0.01, 1, 1, 1])
    moved = replace(tail, point=inside)
    _, gradient = replace(fitted, tails={level: moved}).path(losses, level)
    for i in range(gradient.shape[1]):
        step = 1e-6 * max(abs(inside[i]), 1e-3) * np.eye(4)[i]
        up, down = (plain_path(losses, form, inside + s, tail.first, level, tail.sharpness)[:-1] for s in (step, -step))
        slope = (up - down) / (2 * step[i])
        np.testing.assert_allclose(gradient[:, i], slope, rtol=1e-5, atol=1e-5 * np.abs(slope).max())
    assert np.abs(gradient).max() > 0


@FORMS
def test_estimates_score_no_worse_than_another_search(market, form):
    """Nelder-Mead from 30 points near and far finds nothing that is clearly better."""
    losses, level = market[1000:1700], 0.95
    fitted = CAViaR(form, "none").fit(losses, [Target("var", level)])
    tail = fitted.tails[level]
    scale = np.array([np.std(losses) ** (2 if form == "ig" else 1), 1.0, 1.0, 1.0])
    if form == "adaptive":
        scale = np.array([np.std(losses), 1, 1, 1])
    k = fitted.path(losses, level)[1].shape[1]

    def score(b):
        if form != "adaptive" and not 0 <= b[1] <= 0.995:
            return 1e9
        if form == "ig" and (b[0] < 0 or b[2] < 0):
            return 1e9
        point = np.concatenate([b * scale[:k], np.zeros(4 - k)])
        path, _ = replace(fitted, tails={level: replace(tail, point=point)}).path(losses, level)
        return float(np.mean(quantile_score(losses, path, level)))

    rng = np.random.default_rng(3)
    best = np.inf
    for _ in range(30):
        start = np.array([0.3, 0.8, 0.3, 0.3])[:k] * rng.uniform(0.1, 1.2, k)
        best = min(best, minimize(score, start, method="Nelder-Mead", options={"maxiter": 400}).fun)
    assert tail.score <= best * (1 + 2e-3)


def test_multiplicative_es_minimises_fz0(market):
    losses, level = market[:1000], 0.975
    targets = [Target("var", level), Target("es", level)]
    for form in ("sav", "as", "ig", "adaptive"):
        fitted = CAViaR(form).fit(losses, targets)
        path, _ = fitted.path(losses, level)
        assert path.min() > 0
        best = minimize_scalar(
            lambda c, path=path: np.mean(fz0_score(losses, path, c * path, level)), bounds=(1.0001, 5),
            method="bounded", options={"xatol": 1e-10},
        )  # fmt: skip
        multiple = 1 + math.exp(fitted.params["es_0.975.g0"])
        assert multiple == pytest.approx(best.x, rel=1e-6)
        var, es = fitted.predict(losses, targets, 7).T
        np.testing.assert_allclose(es, multiple * var, rtol=1e-12)


def plain_excess(losses, path, g, first):
    """x of Taylor's additive ES for the days of `path`."""
    out = [first]
    for loss, v in zip(losses, path, strict=True):
        out.append(g[0] + g[1] * (loss - v) + g[2] * out[-1] if loss >= v else out[-1])
    return np.array(out)


@pytest.mark.parametrize("form", ["sav", "ig"])
def test_additive_es(market, form):
    """Its path by the definition; scipy's search from many starts finds no lower FZ0 score."""
    losses, level = market[:1000], 0.975
    targets = [Target("var", level), Target("es", level)]
    fitted = CAViaR(form, "additive").fit(losses, targets)
    path, _ = fitted.path(losses, level)
    extras, first = fitted.tails[level].extras, path[0]
    over = losses[:300][losses[:300] > first] - first
    assert extras[3] == pytest.approx(over.mean(), rel=1e-12)
    assert (extras[:3] >= 0).all()

    def score(g):
        if min(g) < 0 or g[2] > 0.995:
            return 1e9
        excess = plain_excess(losses, path, [g[0] * first, g[1], g[2]], extras[3])[:-1]
        return float(np.mean(fz0_score(losses, path, path + excess, level)))

    ours = score([extras[0] / first, extras[1], extras[2]])
    for g2 in (0.05, 0.5, 0.9):
        for g1 in (0.02, 0.3):
            found = minimize(
                score, [0.4 * (1 - g2), g1, g2], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}
            )
            assert ours <= found.fun + 1e-9
    var, es = fitted.predict(losses, targets, 700).T
    want = plain_excess(losses, path, extras[:3], extras[3])[-700:]
    np.testing.assert_allclose(es - var, want, rtol=1e-9)
    assert math.isnan(fitted.standard_errors["es_0.975.g0"])


def test_no_es_where_var_falls_to_zero():
    """Losses that rise with the day's loss and fall below zero after gains: VaR is there, ES is not."""
    rng = np.random.default_rng(5)
    losses = np.empty(600)
    previous = 0.0
    for t in range(600):
        losses[t] = previous = 0.9 * previous + rng.normal()
    targets = [Target("var", 0.9), Target("es", 0.9)]
    fitted = CAViaR("as").fit(losses, targets)
    path, _ = fitted.path(losses, 0.9)
    assert path.min() < 0
    values = fitted.predict(losses, targets, 3)
    assert np.isfinite(values[:, 0]).all()
    assert np.isnan(values[:, 1]).all()


def test_covariance_is_the_formula(market):
    losses, level = market[:800], 0.95
    fitted = CAViaR("as", "none").fit(losses, [Target("var", level)])
    path, gradient = fitted.path(losses, level)
    n, width = losses.size, nearest_bandwidth(losses, path, level)
    assert np.sum(np.abs(losses - path) <= width) == round(5 * math.sqrt(n * 0.05))
    a, d = np.zeros((4, 4)), np.zeros((4, 4))
    for x, v, g in zip(losses, path, gradient, strict=True):
        a += level * (1 - level) * np.outer(g, g) / n
        d += (abs(x - v) <= width) * np.outer(g, g) / (2 * n * width)
    unit = np.diag(1 / np.sqrt(np.diag(d)))
    inverse = unit @ np.linalg.inv(unit @ d @ unit) @ unit
    want = inverse @ a @ inverse / n
    found = quantile_path_covariance(losses, path, gradient, level)
    np.testing.assert_allclose(found.covariance, want, rtol=1e-7, atol=1e-9 * want.max())
    errors = [fitted.standard_errors[f"var_0.95.b{i}"] for i in range(4)]
    np.testing.assert_allclose(errors, np.sqrt(np.diag(want)), rtol=1e-7)


def test_covariance_of_a_constant_is_that_of_a_sample_quantile(market):
    losses, level = market[:1000], 0.95
    v = np.full(1000, value_at_risk(losses, level))
    found = quantile_path_covariance(losses, v, np.ones((1000, 1)), level, bandwidth=0.002)
    density = np.mean(np.abs(losses - v) <= 0.002) / 0.004
    assert found.covariance[0, 0] == pytest.approx(level * (1 - level) / 1000 / density**2, rel=1e-12)
    same = quantile_path_covariance(losses, v, np.ones((1000, 2)), level)
    assert np.isnan(same.covariance).all()
    assert np.isnan(expectile_path_covariance(losses, v, np.ones((1000, 2)), level)).all()


def scale_model(rng, n, b=(0.05, 0.85, 0.12)):
    """Losses with a scale that is a SAV recursion: so is every quantile."""
    z, out, scale = rng.standard_t(6, n), np.empty(n), 0.35
    for t in range(n):
        out[t] = scale * z[t]
        scale = b[0] + b[1] * scale + b[2] * abs(out[t])
    return out


def test_errors_of_a_multiplicative_es_by_draws():
    """Standard deviation of ln(multiple - 1) over samples, against the mean of its standard errors: within a fifth."""
    rng = np.random.default_rng(11)
    found = [CAViaR("sav").fit(scale_model(rng, 2000), [Target("es", 0.95)]) for _ in range(150)]
    values = np.array([f.params["es_0.95.g0"] for f in found])
    errors = np.array([f.standard_errors["es_0.95.g0"] for f in found])
    assert errors.mean() == pytest.approx(values.std(), rel=0.2)


def test_dynamic_quantile_in_sample_is_the_formula(market):
    losses, level, lags = market[:900], 0.95, 3
    path, gradient = CAViaR("sav", "none").fit(losses, [Target("var", level)]).path(losses, level)
    gradient = gradient / np.abs(gradient).max(axis=0)
    n, h = losses.size, (losses > path) - (1 - level)
    width = nearest_bandwidth(losses, path, level)
    x = np.array([[h[t - j] if t >= lags else 0.0 for j in range(1, lags + 1)] for t in range(n)])
    near = np.abs(losses - path) <= width
    c = sum(np.outer(x[t], gradient[t]) for t in range(n) if near[t]) / (2 * n * width)
    d = sum(np.outer(gradient[t], gradient[t]) for t in range(n) if near[t]) / (2 * n * width)
    m = x.T - c @ np.linalg.solve(d, gradient.T)
    want = h @ x @ np.linalg.solve(m @ m.T, x.T @ h) / (level * (1 - level))
    found = dynamic_quantile_in_sample(losses, path, gradient, level, lags=lags)
    assert found.statistic == pytest.approx(want, rel=1e-8)
    assert found.details["df"] == lags
    rescaled = dynamic_quantile_in_sample(losses, path, gradient * np.array([1e4, 1.0, 1e-4]), level, lags=lags)
    assert rescaled.statistic == pytest.approx(found.statistic, rel=1e-6)
    bare = dynamic_quantile_in_sample(losses, path, np.empty((n, 0)), level, lags=lags)
    plain = h @ x @ np.linalg.solve(x.T @ x, x.T @ h) / (level * (1 - level))
    assert bare.statistic == pytest.approx(plain, rel=1e-10)


def test_dynamic_quantile_in_sample_has_the_mean_of_its_law():
    """Under the model the statistic has mean 4, that of chi-square with 4 degrees."""
    rng = np.random.default_rng(21)
    corrected = []
    for _ in range(300):
        losses = scale_model(rng, 1000)
        path, gradient = CAViaR("sav", "none").fit(losses, [Target("var", 0.9)]).path(losses, 0.9)
        corrected.append(dynamic_quantile_in_sample(losses, path, gradient, 0.9).statistic)
    error = math.sqrt(8 / 300)
    assert abs(np.mean(corrected) - 4) < 4 * error


def test_dynamic_quantile_in_sample_without_hits_and_mistakes():
    flat = np.zeros(50)
    none = dynamic_quantile_in_sample(flat, flat + 1, np.ones((50, 1)), 0.95)
    assert math.isnan(none.p_value)
    assert none.details["reason"] == "no hit, or nothing else"
    short = dynamic_quantile_in_sample(flat[:8], flat[:8], np.ones((8, 1)), 0.95)
    assert "at least 11 needed" in short.details["reason"]
    with pytest.raises(DataError, match="gradient must have 50 rows"):
        dynamic_quantile_in_sample(flat, flat, np.ones(50), 0.95)
    with pytest.raises(ConfigError, match="lags must be a whole number of at least 1, got 0"):
        dynamic_quantile_in_sample(flat, flat, np.ones((50, 1)), 0.95, lags=0)


TARGETS = (Target("var", 0.9), Target("es", 0.9), Target("var", 0.95), Target("var", 0.99))


@FORMS
@pytest.mark.parametrize(("es", "expanding"), [("multiplicative", False), ("additive", False), ("additive", True)])
def test_walk_is_fit_and_predict_block_by_block(market, form, es, expanding):
    losses = market[:420].copy()
    losses[150:290] = 0.01  # windows of constant losses within, and a crash after
    losses[350] = 0.3
    plan = WalkForward(100, 7, expanding=expanding)
    blocks = list(plan.blocks(losses.size + 1))
    model = CAViaR(form, es)
    walked = model.walk(losses, TARGETS, blocks)
    row, start, failed = 0, None, 0
    for block in blocks:
        n_days = block.test.stop - block.test.start
        rows = slice(row, row + n_days)
        row += n_days
        try:
            start = model.fit(losses[block.train].copy(), TARGETS, start=None if block.index % 25 == 0 else start)
        except FitError:
            failed += 1
            assert (walked.status[rows] == Status.failed).all()
            assert np.isnan(walked.values[rows]).all()
            continue
        assert (walked.status[rows] == start.status).all()
        want = start.predict(losses[block.train.start : block.test.stop - 1].copy(), TARGETS, n_days)
        np.testing.assert_allclose(walked.values[rows], want, rtol=1e-10, atol=1e-13)
    assert row == walked.values.shape[0] == losses.size + 1 - 100
    assert walked.predictive is None
    assert (failed > 0) is not expanding
    if form != "adaptive":  # one loss is expected beyond 0.99 in a hundred, fewer than there are coefficients
        assert np.isnan(walked.values[0, 3])


@FORMS
def test_starts_agree_on_a_market(market, form):
    """Several starts of a search lead to the best, in most of twenty windows."""
    agree = []
    for begin in range(0, 3000, 150):
        fitted = CAViaR(form, "none").fit(market[begin : begin + 1000], [Target("var", 0.99)])
        agree.append(fitted.starts_that_agree[0.99])
    assert np.median(agree) >= 2


def test_warm_starts_keep_to_what_a_search_finds(market):
    targets = [Target("var", 0.975)]
    for form in ("sav", "as", "ig"):
        model, start, scores = CAViaR(form, "none"), None, []
        for begin in range(20):
            window = market[begin : begin + 700]
            start = model.fit(window, targets, start=start)
            scores.append((start.tails[0.975].score, model.fit(window, targets).tails[0.975].score))
        warm, cold = np.array(scores).T
        assert (warm <= cold * (1 + 2e-3)).all()
        assert start.starts_that_agree[0.975] >= 1


def test_a_window_too_short_for_a_level_fails_in_that_column(market):
    targets = [Target("var", 0.99), Target("var", 0.95)]
    walk = walk_forward(market[:300], CAViaR("sav"), targets, WalkForward(250, 10))
    assert np.isnan(walk.values[:, 0]).all()
    assert np.isfinite(walk.values[:, 1]).all()
    assert (walk.status == Status.failed).all()


def test_what_is_offered_and_named(market):
    assert CAViaR("as").offers(Target("es", 0.99))
    assert not CAViaR("as", "none").offers(Target("es", 0.99))
    assert not CAViaR("as").offers(Target("expectile", 0.99))
    fitted = CAViaR("as").fit(market[:500], [Target("var", 0.95), Target("es", 0.95), Target("var", 0.9)])
    names = [f"var_0.95.b{i}" for i in range(4)] + ["es_0.95.g0"] + [f"var_0.9.b{i}" for i in range(4)]
    assert list(fitted.params) == list(fitted.standard_errors) == names
    additive = CAViaR("adaptive", "additive").fit(market[:500], [Target("es", 0.95)])
    assert list(additive.params) == ["var_0.95.b1", "es_0.95.g0", "es_0.95.g1", "es_0.95.g2"]
    assert additive.predictive(market[:500], 1) is None


def test_errors(market):
    with pytest.raises(ConfigError, match=r"form must be one of .*, got 'av'"):
        CAViaR("av")
    with pytest.raises(ConfigError, match=r"es must be one of .*, got 'joint'"):
        CAViaR("sav", "joint")
    with pytest.raises(ConfigError, match="sharpness must be above 0, got 0"):
        CAViaR("adaptive", sharpness=0)
    for losses in (np.ones(100), market[:8]):
        with pytest.raises(FitError, match="losses are constant or too few"):
            CAViaR("sav").fit(losses, [Target("var", 0.9)])
    fitted = CAViaR("sav").fit(market[:300], [Target("var", 0.9)])
    with pytest.raises(ConfigError, match=r"level must be one of those fitted, \(0.9,\), got 0.95"):
        fitted.path(market[:300], 0.95)


def without_constant(seed, n=600):
    """Losses whose variance is an average of past squares: indirect GARCH with b0 of zero."""
    rng, h, out = np.random.default_rng(seed), 1.0, np.empty(n)
    for t in range(n):
        out[t] = math.sqrt(h) * rng.standard_normal()
        h = 0.94 * h + 0.06 * out[t] ** 2
    return out


@pytest.mark.parametrize("level", [0.6, 0.9])
def test_a_coefficient_on_its_bound_has_no_error_and_the_others_hold_it_fixed(level):
    """Also where the VaR is far below a standard deviation, in which the bound of b0 is measured."""
    losses, name = without_constant(4), f"var_{level}"
    fitted = CAViaR("ig", "none").fit(losses, [Target("var", level)])
    assert fitted.status == Status.boundary
    assert fitted.params[f"{name}.b0"] == pytest.approx(1e-8 * np.var(losses), rel=1e-6)
    assert math.isnan(fitted.standard_errors[f"{name}.b0"])
    path, gradient = fitted.path(losses, level)
    want = quantile_path_covariance(losses, path, gradient[:, 1:], level).covariance
    errors = [fitted.standard_errors[f"{name}.b{i}"] for i in (1, 2)]
    np.testing.assert_allclose(errors, np.sqrt(np.diag(want)), rtol=1e-12)
    assert np.isfinite(errors).all()


def test_the_adaptive_step_stays_in_its_range_and_has_no_error_on_its_edge():
    losses = np.random.default_rng(0).standard_normal(500)  # a VaR that does not move: the least step
    fitted = CAViaR("adaptive").fit(losses, [Target("var", 0.95), Target("es", 0.95)])
    assert fitted.status == Status.boundary
    assert fitted.params["var_0.95.b1"] == pytest.approx(1e-3 * np.std(losses), rel=1e-12)
    assert math.isnan(fitted.standard_errors["var_0.95.b1"])
    path, _ = fitted.path(losses, 0.95)  # the multiple's error is then that of a mean over a known path
    over = np.maximum(losses - path, 0) / (0.05 * path)
    want = np.std(over) / math.sqrt(500) / over.mean()
    assert fitted.standard_errors["es_0.95.g0"] == pytest.approx(want, rel=1e-10)


def test_indirect_garch_starts_from_the_size_of_a_negative_var():
    losses = np.random.default_rng(1).normal(-3, 1, 400)
    target = Target("var", 0.9)
    fitted = CAViaR("ig", "none").fit(losses, [target])
    first = np.sort(losses[:300])[-30]
    assert first < 0
    assert fitted.tails[0.9].first == -first
    path, _ = fitted.path(losses, 0.9)
    assert path.min() > 0
    assert np.mean(quantile_score(losses, path, 0.9)) == pytest.approx(fitted.tails[0.9].score, rel=1e-9)


def test_dynamic_quantile_in_sample_without_a_density():
    """Most losses equal their VaR, so that the nearest losses have no distance from it."""
    losses = np.zeros(100)
    losses[::10] = 1.0
    flat = dynamic_quantile_in_sample(losses, np.zeros(100), np.ones((100, 1)), 0.9)
    assert math.isnan(flat.p_value)
    assert flat.details["reason"] == "no spread of the losses around the VaR to estimate a density"
    near = np.linspace(-1e-320, 1e-320, 100)  # a width that is there, a density that is not
    tiny = dynamic_quantile_in_sample(near, np.zeros(100), np.full((100, 1), 1e10), 0.9)
    assert tiny.details["reason"] == flat.details["reason"]
    given = dynamic_quantile_in_sample(losses, np.zeros(100), np.ones((100, 1)), 0.9, bandwidth=0.5)
    assert math.isfinite(given.p_value)
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match="bandwidth must be a finite number above 0 or None, got"):
            dynamic_quantile_in_sample(losses, np.zeros(100), np.ones((100, 1)), 0.9, bandwidth=wrong)


def test_a_start_carried_astray_is_not_the_fit(shared_data):
    """FTSE 100, 1,000 days to January 2012: a start ahead of the optimum once ended at a VaR of -113 %."""
    prices = pd.read_csv(shared_data / "ftse100_1984_2025.csv")
    losses = -np.diff(np.log(prices["close"].dropna().to_numpy()))
    window = losses[6082:7082]
    fitted = CAViaR("as").fit(window.copy(), [Target("var", 0.99)])
    path, _ = fitted.path(window, 0.99)
    constant = np.full(window.size, value_at_risk(window, 0.99))
    assert quantile_score(window, path[:1000], 0.99).mean() < quantile_score(window, constant, 0.99).mean()
    assert 0 < path.min() < path.max() < 0.2
