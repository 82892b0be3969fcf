"""CARE and CAViaR by recursion: plain definitions, differences, published numbers, chains of windows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from riskcore import expectile, value_at_risk
from riskcore.kernels import adaptive, recursive
from riskcore.kernels.recursive import AS, IG, SAV

FORMS = pytest.mark.parametrize("form", [SAV, AS, IG], ids=["sav", "as", "ig"])
POINTS = {
    SAV: np.array([0.1, 0.85, 0.3, 0.0]),
    AS: np.array([0.1, 0.85, -0.05, 0.5]),
    IG: np.array([0.3, 0.8, 0.9, 0.0]),
}


@pytest.fixture(scope="module")
def losses():
    """Clusters of volatility, standard deviation about one."""
    rng = np.random.default_rng(2)
    z, h, out = rng.standard_t(5, 700), 1.0, np.empty(700)
    for t in range(700):
        out[t] = math.sqrt(0.6 * h) * z[t]
        h = 0.05 + 0.1 * out[t] ** 2 + 0.85 * h
    return out / out.std()


def nothing():
    """No window came before."""
    return np.full((recursive.KEPT, recursive.N_COEFFICIENTS), np.nan)


def plain_path(losses, form, b, first):
    """The formulas as they stand in the papers, with losses in place of returns."""
    out = [first]
    for loss in losses:
        gain, hurt, now = max(-loss, 0), max(loss, 0), out[-1]
        if form == SAV:
            out.append(b[0] + b[1] * now + b[2] * abs(loss))
        elif form == AS:
            out.append(b[0] + b[1] * now + b[2] * gain + b[3] * hurt)
        else:
            out.append(math.sqrt(b[0] + b[1] * now**2 + b[2] * loss**2))
    return np.array(out)


def plain_score(losses, tail, level, squares):
    e = losses - tail[:-1]
    weight = np.where(e > 0, level, 1 - level)
    return np.mean(weight * (e**2 if squares else np.abs(e)))


def prepared(x, form):
    u, v = np.empty(x.size), np.empty(x.size if form == AS else 0)
    recursive.regressors(x, form, u, v)
    return u, v, np.zeros((12, x.size))


def score(x, form, level, width, b, first=2.0):
    u, v, work = prepared(x, form)
    gradient, curvature = np.empty(4), np.empty((4, 4))
    value = recursive.score(x, u, v, form == IG, level, width, first, b, work, gradient, curvature)
    return value, gradient, np.tril(curvature) + np.tril(curvature, -1).T


def box(form):
    low, high = np.full(4, -np.inf), np.full(4, np.inf)
    low[1], high[1] = 0.0, recursive.LARGEST_DECAY
    if form == IG:
        low[0], low[2] = recursive.LEAST_VARIANCE, 0.0
    if form != AS:
        low[3] = high[3] = 0.0
    return low, high


def polished(x, form, level, squares, b, first, wide=recursive.COLD_WIDTH):
    u, v, work = prepared(x, form)
    b = b.copy()
    fine = recursive.FINEST
    value, _ = recursive.polish(x, u, v, form == IG, level, squares, wide, fine, first, b, *box(form), work)
    return value, b


@FORMS
def test_path_is_the_formula(losses, form):
    got = recursive.tail_path(losses, form, POINTS[form], 2.0)
    np.testing.assert_allclose(got, plain_path(losses, form, POINTS[form], 2.0), rtol=1e-13)


@FORMS
def test_score_is_the_definition(losses, form):
    tail = plain_path(losses, form, POINTS[form], 2.0)
    squares = score(losses, form, 0.97, -1.0, POINTS[form])[0]
    assert squares == pytest.approx(plain_score(losses, tail, 0.97, True), rel=1e-13)
    for width in (0.5, 1e-3, 1e-9):
        value, want = score(losses, form, 0.97, width, POINTS[form])[0], plain_score(losses, tail, 0.97, False)
        e = losses - tail[:-1]
        near = np.abs(e) < width
        assert value - want == pytest.approx(np.sum((width - np.abs(e[near])) ** 2) / (4 * width) / e.size, abs=1e-15)


@FORMS
@pytest.mark.parametrize("width", [-1.0, 0.3, 0.05])
def test_gradient_and_curvature_by_differences(losses, form, width):
    b, step = POINTS[form], 1e-6
    k = 4 if form == AS else 3
    _, gradient, curvature = score(losses, form, 0.97, width, b)
    for i in range(k):
        up, down = (b + sign * step * np.eye(4)[i] for sign in (1, -1))
        above, below = score(losses, form, 0.97, width, up), score(losses, form, 0.97, width, down)
        assert gradient[i] == pytest.approx((above[0] - below[0]) / (2 * step), abs=1e-8)
        if width < 0 or width > 0.1:  # a narrower corner loses or gains a loss within the step
            scale = np.abs(curvature).max()
            np.testing.assert_allclose(curvature[i, :k], ((above[1] - below[1]) / (2 * step))[:k], atol=1e-6 * scale)


@FORMS
@pytest.mark.parametrize("squares", [True, False])
def test_many_points_side_by_side(losses, form, squares):
    rng = np.random.default_rng(1)
    points = POINTS[form] * rng.uniform(0.5, 1.1, (37, 1))
    u, v, _ = prepared(losses, form)
    got = np.empty(37)
    recursive.scores(losses, u, v, form == IG, 0.97, squares, 2.0, points, got)
    want = [plain_score(losses, plain_path(losses, form, b, 2.0), 0.97, squares) for b in points]
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_published_caviar_rows(golden, shared_data):
    """Engle and Manganelli's General Motors: the score at the printed coefficients, and none of ours above it."""
    series = -pd.read_csv(shared_data / "engle_manganelli_2004.csv")["GM"].to_numpy()[:2892]
    for name, case in golden("caviar_engle_manganelli_gm").items():
        given, want = case["input"], case["expected"]["tick_loss_sum_in_sample"]
        b, first, level = list(given["coefficients"].values()), given["start_value"], given["level"]
        if "AD" in name:
            tail = adaptive.adaptive_path(series, level, 10.0, b[0], first)
        else:
            form = {"SAV": SAV, "AS": AS, "IG": IG}[name.split("_")[1]]
            tail = recursive.tail_path(series, form, np.array([*b, 0.0][:4]), first)
        assert series.size * plain_score(series, tail, level, False) == pytest.approx(want, rel=1e-8)
        hits = 100 * np.mean(series > tail[:-1])
        assert hits == pytest.approx(case["expected"]["in_sample_exception_pct"], rel=1e-8)
        if "AD" in name:
            scale = series.std()
            best, reached, _ = adaptive.adaptive_search(series / scale, level, 10.0 * scale, first / scale)
            reached *= scale * series.size
            at = adaptive.adaptive_path(series, level, 10.0, best * scale, first)
            assert series.size * plain_score(series, at, level, False) == pytest.approx(reached, rel=1e-10)
        else:
            rows = np.array([0]), np.array([series.size]), np.array([True]), np.array([first])
            points, values, _ = recursive.recursive_windows(series, *rows, form, level, False, nothing())
            reached = values[0] * series.std() * series.size
            at = plain_score(series, plain_path(series, form, points[0], first), level, False)
            assert series.size * at == pytest.approx(reached, rel=1e-7)
        assert reached <= want * (1 + 1e-5)


def test_care_of_the_ftse(golden, shared_data):
    prices = pd.read_csv(shared_data / "ftse100_2004_2014.csv")["close"].to_numpy()
    series = -100 * np.diff(np.log(prices))
    for case in golden("care_sav_ftse").values():
        given, want, tolerance = case["input"], case["expected"], case["tolerance"]
        rows = np.array([0]), np.array([series.size]), np.array([True]), np.array([given["start_value"]])
        points, _, facts = recursive.recursive_windows(series, *rows, SAV, given["expectile_level"], True, nothing())
        tail = recursive.tail_path(series, SAV, points[0], given["start_value"])
        reached = plain_score(series, tail, given["expectile_level"], True)
        assert reached == pytest.approx(want["mean_score"], rel=tolerance["rel_mean_score"])
        np.testing.assert_allclose(points[0, :3], want["coefficients"], atol=tolerance["abs_coefficients"])
        assert tail[-1] == pytest.approx(want["next_day"], abs=2e-5)
        assert facts[0, 1] >= 3  # starts that agree


@FORMS
def test_squares_end_where_any_start_nearby_ends(losses, form):
    """The gradient is zero or points out of the box, and forecasts from other starts agree to 1e-7."""
    first = expectile(losses[:300], 0.97)
    value, best = polished(losses, form, 0.97, True, POINTS[form], first)
    gradient = score(losses, form, 0.97, -1.0, best, first)[1]
    low, high = box(form)
    inside = (best > low) & (best < high)
    assert np.abs(gradient[inside]).max() < 1e-8
    assert (gradient[best <= low] >= -1e-12).all()
    tail = recursive.tail_path(losses, form, best, first)
    for factor in (0.9, 1.02):
        other, found = polished(losses, form, 0.97, True, best * np.array([factor, 1, 2 - factor, 1]), first)
        assert other == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(recursive.tail_path(losses, form, found, first), tail, rtol=1e-7)


@FORMS
def test_quantile_score_ends_in_a_corner(losses, form):
    """As many losses lie on the fit as coefficients are free, and no small move lowers the score.

    One fewer where the tail's curve in b1, in which alone it is not linear, holds the last coefficient.
    """
    first = value_at_risk(losses[:300], 0.95)
    value, best = polished(losses, form, 0.95, False, POINTS[form], first)
    tail = plain_path(losses, form, best, first)
    assert value == pytest.approx(plain_score(losses, tail, 0.95, False), rel=1e-7)
    low, high = box(form)
    free = int(((best > low + 1e-12) & (best < high - 1e-12)).sum())
    assert free - 1 <= np.sum(np.abs(losses - tail[:-1]) < 1e-7) <= free
    rng = np.random.default_rng(0)
    for _ in range(200):
        moved = np.clip(best + 1e-4 * rng.standard_normal(4) * (low < high), low, high)
        assert plain_score(losses, plain_path(losses, form, moved, first), 0.95, False) >= value * (1 - 1e-7)


@pytest.fixture(scope="module")
def market(sample_data):
    prices = pd.read_csv(sample_data / "indices.csv")["S&P 500"].dropna().to_numpy()
    return -np.diff(np.log(prices))


def chain(series, starts, size, form, level, squares, cold):
    measure = expectile if squares else value_at_risk
    firsts = np.array([measure(series[s : s + 300], level) for s in starts])
    return recursive.recursive_windows(series, starts, starts + size, cold, firsts, form, level, squares, nothing())


@FORMS
@pytest.mark.parametrize(("squares", "tolerance"), [(True, 1e-9), (False, 2e-3)])
def test_chain_keeps_to_the_best(market, form, squares, tolerance):
    """Descents from the window before reach the score of a search in each window, or better."""
    starts = np.arange(2000, 2050)
    cold = starts % 25 == 0
    _, warm, facts = chain(market, starts, 1000, form, 0.99, squares, cold)
    _, best, _ = chain(market, starts[::7], 1000, form, 0.99, squares, np.ones(8, dtype=bool))
    assert (warm[::7] <= best * (1 + tolerance)).all()
    assert facts[~cold, 0].mean() < (12 if squares else 60)  # evaluations


@FORMS
@pytest.mark.parametrize("squares", [True, False])
def test_a_chain_is_the_same_wherever_it_ends_or_begins(market, form, squares):
    starts = np.arange(100, 130)
    cold = starts % 10 == 0
    full, values, _ = chain(market, starts, 500, form, 0.975, squares, cold)
    part, shorter, _ = chain(market[:625], starts[10:25], 500, form, 0.975, squares, cold[10:25])
    np.testing.assert_array_equal(full[10:25], part)
    np.testing.assert_array_equal(values[10:25], shorter)


def test_units_and_constant_windows(market):
    starts = np.arange(0, 3)
    for form, power in ((SAV, 1), (AS, 1), (IG, 2)):
        cold = np.array([True, False, False])
        plain, _, _ = chain(market, starts, 600, form, 0.99, True, cold)
        scaled, _, _ = chain(64.0 * market, starts, 600, form, 0.99, True, cold)
        np.testing.assert_allclose(scaled[:, 0], 64.0**power * plain[:, 0], rtol=1e-9)
        np.testing.assert_allclose(scaled[:, 1:], plain[:, 1:], rtol=1e-9, atol=1e-12)
    flat = np.concatenate([np.full(400, 0.01), market[:400]])
    points, values, _ = chain(flat, np.array([0, 200]), 350, SAV, 0.99, True, np.array([True, False]))
    assert np.isnan(points[0]).all()
    assert np.isnan(values[0])
    assert np.isfinite(points[1]).all()


def test_adaptive_scores_and_search(losses):
    steps = np.geomspace(0.01, 3.0, 21)
    got = np.empty(21)
    adaptive.adaptive_scores(losses, 0.95, 5.0, 1.5, steps, got)
    for b, value in zip(steps, got, strict=True):
        tail = [1.5]
        for loss in losses:
            tail.append(tail[-1] + b * (1 / (1 + math.exp(-5.0 * (loss - tail[-1]))) - 0.05))
        assert value == pytest.approx(plain_score(losses, np.array(tail), 0.95, False), rel=1e-10)
    best, reached, _ = adaptive.adaptive_search(losses, 0.95, 5.0, 1.5)
    dense, values = np.geomspace(0.002, 9.0, 3000), np.empty(3000)
    adaptive.adaptive_scores(losses, 0.95, 5.0, 1.5, dense, values)
    assert reached <= values.min() * (1 + 1e-3)
    assert recursive_score(losses, best) == pytest.approx(reached, rel=1e-12)


def recursive_score(losses, b1):
    return plain_score(losses, adaptive.adaptive_path(losses, 0.95, 5.0, b1, 1.5), 0.95, False)
