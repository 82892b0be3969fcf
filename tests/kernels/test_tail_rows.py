"""Paths through many windows, the ES on them, and levels by share, against plain definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from riskcore import expectile
from riskcore.kernels import recursive, recursive_share, tail_rows

FORMS = pytest.mark.parametrize("form", [0, 1, 2, 3], ids=["sav", "as", "ig", "adaptive"])
POINTS = np.array([[0.1, 0.8, 0.2, 0.3], [0.2, 0.7, 0.1, 0.4]])


@pytest.fixture(scope="module")
def losses():
    return np.random.default_rng(6).standard_t(5, 400)


def plain(x, form, b, first, level, sharpness, g, excess):
    tails, extra, tail = [], [], first
    for loss in x:
        tails.append(tail)
        extra.append(excess)
        if loss >= tail:
            excess = g[0] + g[1] * (loss - tail) + g[2] * excess
        if form == 0:
            tail = b[0] + b[1] * tail + b[2] * abs(loss)
        elif form == 1:
            tail = b[0] + b[1] * tail + b[2] * max(-loss, 0) + b[3] * max(loss, 0)
        elif form == 2:
            tail = math.sqrt(b[0] + b[1] * tail**2 + b[2] * loss**2)
        else:
            tail += b[0] * (1 / (1 + math.exp(-sharpness * (loss - tail))) - (1 - level))
    return np.array([*tails, tail]), np.array([*extra, excess])


@FORMS
def test_rows_of_windows(losses, form):
    starts, begins, ends = np.array([0, 50]), np.array([100, 180]), np.array([103, 201])
    firsts, sharpness = np.array([1.5, 2.0]), np.array([4.0, 6.0])
    g = np.array([[0.1, 0.2, 0.6, 0.9], [0.05, 0.3, 0.5, 0.7]])
    got = [
        tail_rows.tail_rows(losses, starts, begins, ends, form, POINTS, firsts, 0.95, sharpness, kind, g)
        for kind in (tail_rows.NONE, tail_rows.MULTIPLICATIVE, tail_rows.ADDITIVE)
    ]
    row = 0
    for w in range(2):
        x = losses[starts[w] : ends[w] - 1]
        tails, extra = plain(x, form, POINTS[w], firsts[w], 0.95, sharpness[w], g[w], g[w, 3])
        n = ends[w] - begins[w]
        rows = slice(row, row + n)
        for values in got:
            np.testing.assert_allclose(values[rows, 0], tails[-n:], rtol=1e-12)
        assert np.isnan(got[0][rows, 1]).all()
        np.testing.assert_allclose(got[1][rows, 1], (1 + g[w, 0]) * tails[-n:], rtol=1e-12)
        np.testing.assert_allclose(got[2][rows, 1], tails[-n:] + extra[-n:], rtol=1e-12)
        row += n
    assert row == got[0].shape[0]


@FORMS
def test_gradient_by_differences(losses, form):
    x, b = losses[:200], POINTS[0]
    tail, slope = tail_rows.gradient_rows(x, form, b, 1.5, 0.95, 4.0)
    np.testing.assert_allclose(tail, plain(x, form, b, 1.5, 0.95, 4.0, np.zeros(3), 0)[0][:-1], rtol=1e-12)
    for i in range(4):
        step = 1e-6 * np.eye(4)[i]
        up, down = (plain(x, form, b + s, 1.5, 0.95, 4.0, np.zeros(3), 0)[0][:-1] for s in (step, -step))
        np.testing.assert_allclose(slope[:, i], (up - down) / 2e-6, atol=1e-6)


def test_score_of_an_additive_es(losses):
    """Mean FZ0 less its constant, with its gradient by differences; no ES at or below zero."""
    level, first, g = 0.9, 0.8, np.array([0.2, 0.3, 0.5])
    tail, _ = tail_rows.gradient_rows(losses, 0, POINTS[0], 1.5, level, np.nan)
    gradient, curvature = np.empty(3), np.empty((3, 3))
    value = tail_rows.joint_score(losses, tail, level, first, g, gradient, curvature)

    def score(g):
        excess, total = first, 0.0
        for x, v in zip(losses, tail, strict=True):
            e = v + excess
            total += max(x - v, 0) / ((1 - level) * e) + v / e + math.log(e)
            if x >= v:
                excess = g[0] + g[1] * (x - v) + g[2] * excess
        return total / losses.size

    assert value == pytest.approx(score(g), rel=1e-12)
    for i in range(3):
        step = 1e-6 * np.eye(3)[i]
        assert gradient[i] == pytest.approx((score(g + step) - score(g - step)) / 2e-6, abs=1e-8)
    assert np.linalg.eigvalsh(np.tril(curvature) + np.tril(curvature, -1).T).min() > 0
    assert tail_rows.joint_score(losses, tail - 5.0, level, first, g, gradient, curvature) == np.inf


def test_sample_expectile(losses):
    for n in (1, 2, 7, 300):
        for level in (0.5, 0.9, 0.99, 0.9999):
            got = recursive_share.sample_expectile(losses[:n], level)
            assert got == pytest.approx(expectile(losses[:n], level), rel=1e-12)
    counts = np.array([10, 300])
    got = recursive_share.first_expectiles(losses, np.array([3, 50]), counts, 0.97)
    np.testing.assert_allclose(got, [expectile(losses[3:13], 0.97), expectile(losses[50:350], 0.97)], rtol=1e-12)


@pytest.mark.parametrize("form", [0, 1, 2], ids=["sav", "as", "ig"])
def test_level_by_share_is_that_of_bisection(losses, form):
    """A search from a grid at each of the bisection's levels ends at the level found with warm descents."""
    one, share, n = np.array([0]), 0.05, losses.size
    near, kept = np.full(4, np.nan), np.full((3, 4), np.nan)
    points, levels, firsts, agree = recursive_share.share_windows(
        losses, one, np.array([n]), np.array([True]), form, share, 300, kept, near
    )
    assert agree[0] >= 1

    def above(level):
        first = np.array([expectile(losses[:300], level)])
        nothing = np.full((3, 4), np.nan)
        found, _, _ = recursive.recursive_windows(
            losses, one, np.array([n]), np.array([True]), first, form, level, True, nothing
        )
        return np.sum(losses > recursive.tail_path(losses, form, found[0], first[0])[:-1])

    low, high = math.log(1e-6), math.log(0.4)
    for _ in range(45):
        middle = 0.5 * (low + high)
        if above(1 - math.exp(middle)) <= 20:
            low = middle
        else:
            high = middle
    assert 1 - levels[0] == pytest.approx(math.exp(low), rel=1e-6)
    path = recursive.tail_path(losses, form, points[0], firsts[0])
    assert np.sum(losses > path[:-1]) == 20
    assert near[0] == pytest.approx(math.log(1 - levels[0]), rel=1e-12)
    np.testing.assert_array_equal(kept[0], points[0])


def test_no_level_where_fewer_losses_may_lie_above_than_there_are_coefficients(losses):
    one = np.array([0])
    for form, fewest in ((0, 3), (1, 4), (2, 3)):
        for allowed in (fewest - 1, fewest):
            near, kept = np.full(4, np.nan), np.full((3, 4), np.nan)
            _, levels, _, _ = recursive_share.share_windows(
                losses, one, np.array([400]), np.array([True]), form, allowed / 400, 300, kept, near
            )
            assert np.isnan(levels[0]) == (allowed < fewest)
