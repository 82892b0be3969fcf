"""Kernels of joint VaR-ES models against their definitions, day by day in plain Python."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from riskcore.kernels import joint
from riskcore.scores import fz0_score

LEVEL = 0.95
POINTS = {
    joint.GAS: [0.95, 0.01, math.log(2.1), math.log(0.75)],
    joint.HYBRID: [0.9, 0.01, math.log(2.3), math.log(0.75), 0.05],
    joint.PAIR: [0.05, 0.1, 0.96, 0.95, 0.03, 0.006, -0.02, 0.008],
    joint.SAV: [0.1, 0.85, 0.25, -1.0],
    joint.AS: [0.1, 0.85, 0.2, 0.3, -1.0],
    joint.SAV_ADDED: [0.1, 0.85, 0.25, 0.1, 0.2, 0.7],
    joint.AS_ADDED: [0.1, 0.85, 0.2, 0.3, 0.1, 0.2, 0.7],
}
FIRST = np.array([1.6, 2.1, -0.9])
EVERY = pytest.mark.parametrize("model", list(POINTS))


@pytest.fixture(scope="module")
def losses():
    rng = np.random.default_rng(5)
    x = rng.standard_t(5, 600) * np.repeat([0.7, 1.3, 0.9], 200)
    return x / x.std()


def step(gap, sharp):
    """The hit, or its logistic stand-in."""
    return float(gap > 0) if sharp < 0 else 1.0 / (1.0 + math.exp(-sharp * gap))


def plain_path(x, model, q, first, sharp=-1.0):
    """VaR and ES of every day and of the next one, as the formulas say."""
    v, e, rest, out = first[0], first[1], 1.0 - LEVEL, []
    beyond = first[1]
    if model in (joint.GAS, joint.HYBRID):
        b, g, upper, ratio = q[0], q[1], math.exp(q[2]), math.exp(q[3])
        d = q[4] if model == joint.HYBRID else 0.0
        k = d * first[2] / (1.0 - b)
        for loss in [*x, None]:
            v, e = ratio * upper * math.exp(k), upper * math.exp(k)
            out.append((v, e))
            if loss is not None:
                hit = step(loss - v, sharp)
                k = b * k + g * (hit * loss / (rest * e) - 1.0) + d * math.log(max(abs(loss), 1e-3))
    elif model == joint.PAIR:
        w, b, a = np.array(q[0:2]), np.diag(q[2:4]), np.array(q[4:8]).reshape(2, 2)
        state = np.array([v, e])
        for loss in [*x, None]:
            out.append(tuple(state))
            if loss is not None:
                hit = step(loss - state[0], sharp)
                forcing = np.array([state[0] * (hit - rest), hit * loss / rest - state[1]])
                state = w + b @ state + a @ forcing
    else:
        m = 4 if model in (joint.AS, joint.AS_ADDED) else 3
        for loss in [*x, None]:
            if model in (joint.SAV, joint.AS):
                beyond = math.exp(q[m]) * v
            out.append((v, v + beyond))
            if loss is None:
                continue
            if model in (joint.SAV_ADDED, joint.AS_ADDED):
                new = q[m] + q[m + 1] * (loss - v) + q[m + 2] * beyond
                moved = float(loss >= v) if sharp < 0 else step(loss - v, sharp)
                beyond = moved * new + (1.0 - moved) * beyond
            news = q[2] * abs(loss) if m == 3 else q[2] * max(-loss, 0.0) + q[3] * max(loss, 0.0)
            v = q[0] + q[1] * v + news
    return np.array(out).T


def kernel(x, model, q, sharp=joint.EXACT, *, gradient=False, path=False, slopes=False, first=FIRST):
    size = joint.SIZES[model]
    g = np.empty(size if gradient or slopes else 0)
    p = np.empty((2, x.size + 1)) if path else np.empty((0, 0))
    s = np.empty((2, size, x.size)) if slopes else np.empty((0, 0, 0))
    logs = np.log(np.maximum(np.abs(x), 1e-3))
    value = joint.score(x, logs, model, LEVEL, sharp, np.array(q, dtype=float), first, g, p, s)
    return value, g, p, s


@EVERY
def test_path_and_score_are_the_definition(model, losses):
    value, _, path, _ = kernel(losses, model, POINTS[model], path=True)
    want = plain_path(losses, model, POINTS[model], FIRST)
    assert (losses > want[0, :-1]).sum() > 10
    np.testing.assert_allclose(path, want, rtol=1e-11)
    np.testing.assert_allclose(value, np.mean(fz0_score(losses, *want[:, :-1], LEVEL)), rtol=1e-11)
    alone, _, _, _ = kernel(losses, model, POINTS[model])
    np.testing.assert_allclose(alone, value, rtol=1e-12)


@EVERY
def test_smoothed_score_is_the_definition(model, losses):
    value, *_ = kernel(losses, model, POINTS[model], joint.SOFT)
    v, e = plain_path(losses, model, POINTS[model], FIRST, joint.SOFT)[:, :-1]
    hits = np.array([step(gap, joint.SOFT) for gap in losses - v])
    want = np.mean(hits * (losses - v) / ((1 - LEVEL) * e) + v / e + np.log(e) - 1.0)
    np.testing.assert_allclose(value, want, rtol=1e-7)  # soft hits below 2e-9 are left out


@EVERY
def test_gradient_is_the_quotient_of_differences(model, losses):
    q = np.array(POINTS[model])
    _, gradient, _, _ = kernel(losses, model, q, joint.SOFT, gradient=True)
    for i in range(q.size):
        h = 1e-6
        up, down = (kernel(losses, model, q + s * h * np.eye(q.size)[i], joint.SOFT)[0] for s in (1, -1))
        np.testing.assert_allclose(gradient[i], (up - down) / (2 * h), rtol=2e-5, atol=1e-6)


@EVERY
def test_slopes_of_the_path_where_no_hit_changes(model, losses):
    q = np.array(POINTS[model])
    _, _, _, slopes = kernel(losses, model, q, slopes=True)
    h = 1e-7
    for i in range(q.size):
        up, down = (plain_path(losses, model, q + s * h * np.eye(q.size)[i], FIRST)[:, :-1] for s in (1, -1))
        np.testing.assert_allclose(
            slopes[:, i], (up - down) / (2 * h), rtol=1e-4, atol=1e-4 * np.abs(slopes[:, i]).max()
        )


@pytest.mark.parametrize("model", [joint.PAIR, joint.SAV_ADDED])
def test_a_path_that_leaves_its_bounds_has_no_score(model, losses):
    q = np.array(POINTS[model])
    q[0] = -1.0  # the VaR falls below zero
    assert kernel(losses, model, q)[0] == np.inf


def test_no_score_without_a_hit_nor_with_es_below_var(losses):
    q = np.array(POINTS[joint.GAS])
    q[2] = 10.0
    assert kernel(losses, joint.GAS, q)[0] == np.inf
    q = np.array(POINTS[joint.GAS])
    q[3] = 0.1
    assert kernel(losses, joint.GAS, q)[0] == np.inf


@EVERY
def test_transformed_coordinates_go_there_and_back(model):
    kinds, units = np.empty(joint.LARGEST, dtype=np.int64), np.empty(joint.LARGEST)
    size = joint.coordinates(model, LEVEL, kinds, units)
    theta, q, by = np.empty(size), np.empty(size), np.empty(size)
    joint.transformed(np.array(POINTS[model]), kinds, units, theta)
    assert joint.natural(theta, kinds, units, q, by)
    np.testing.assert_allclose(q, POINTS[model], rtol=1e-12)
    for i in range(size):
        there = theta.copy()
        there[i] += 1e-6
        up = np.empty(size)
        joint.natural(there, kinds, units, up, np.empty(size))
        np.testing.assert_allclose((up[i] - q[i]) / 1e-6, by[i], rtol=1e-4)


def test_polish_finds_the_minimum_of_a_continuous_score(losses):
    """SAV with a multiplicative ES has corners but no jumps: every start of the grid leads to one minimum."""
    kinds, units = np.empty(joint.LARGEST, dtype=np.int64), np.empty(joint.LARGEST)
    size = joint.coordinates(joint.SAV, LEVEL, kinds, units)
    logs = np.zeros(losses.size)
    reached = []
    for q in joint.grid(losses, joint.SAV, LEVEL, FIRST, 1.6, 2.1)[::6]:
        theta = np.empty(size)
        joint.transformed(q, kinds, units, theta)
        joint.descend(losses, logs, joint.SAV, LEVEL, joint.SOFT, FIRST, kinds, units, theta)
        for _ in range(6):
            value, _, _ = joint.polish(losses, logs, joint.SAV, LEVEL, FIRST, kinds, units, theta, 0.05, 400)
        reached.append(value)
    assert len(reached) == len(joint.DECAYS)
    assert all(abs(a - b) < 1e-4 for a, b in pairwise(sorted(reached)[:2]))
