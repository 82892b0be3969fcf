"""Descents of many jobs in lanes: the step is scipy's, the optimum is scipy's, and no job hears of another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from riskcore.distributions import GED, Normal, SkewT, StudentT
from riskcore.kernels import descent
from riskcore.kernels.lanes import WIDTH
from riskcore.volatility import EGARCH, GARCH, GJR, fast
from riskcore.volatility.problem import Problem

N = 150
MODELS = [
    (GARCH(), Normal()),
    (GARCH(start="sample-variance"), StudentT()),
    (GJR(), SkewT()),
    (GJR(), GED()),
    (EGARCH(), StudentT()),
]
IDS = [f"{family.short}-{family.start}-{law.short}" for family, law in MODELS]


@pytest.fixture(scope="module")
def losses():
    rng = np.random.default_rng(5)
    shocks = rng.standard_t(6, 400)
    variance, out = 1.0, np.empty(shocks.size)
    for t, z in enumerate(shocks):
        out[t] = np.sqrt(variance) * z
        variance = 0.05 + 0.12 * out[t] ** 2 + 0.83 * variance
    return 0.01 * out + 0.0002


def estimation(losses, family, law, begins=None):
    task = Problem(family.short, family.names, ("mu",), law, family.moves)
    begins = np.arange(losses.size - N + 1) if begins is None else begins
    return fast.Estimation(task, losses, begins, N, family.presample_weights(N))


def start(run, jobs, seed=0):
    """A point of the grid for each job, pushed about inside the constraints, and a plain curvature."""
    rng = np.random.default_rng(seed)
    grid = run.task.grid
    points = grid[rng.integers(len(grid), size=jobs)] * rng.uniform(0.9, 1.0, (jobs, 1))
    if run.task.log_variance:
        points[:, 1] -= 0.1 * (1.0 - points[:, 4])  # omega: the level a tenth lower
    rows, limits = run.task.constraints
    inside = (points @ rows.T >= limits).all(axis=1)
    points[~inside] = grid[0]
    return points, np.tile(100.0 * np.eye(grid.shape[1]), (jobs, 1, 1))


def descend(run, begins, points, curvatures, most=60, tolerance=1e-9):
    points, curvatures, jobs = points.copy(), curvatures.copy(), len(begins)
    values, counts, good = np.empty(jobs), np.zeros(jobs, np.int64), np.zeros(jobs, np.bool_)
    model, none = run.task.model, np.empty((0, 0))
    descent.descend(
        model, run.windows, lane(run), begins, points, curvatures, tolerance, most, values, counts, good, none
    )
    return points, curvatures, values, counts, good


def lane(run):
    """A lane of its own: nothing is left in it of other calls."""
    return descent.Lane(*descent.lane_room(run.n))


def measured(run, begins, points, *, slopes=False, where=None):
    jobs = len(begins)
    gradients, values = np.empty((jobs if slopes else 0, points.shape[1])), np.empty(jobs)
    descent.descend(
        run.task.model, run.windows, lane(run) if where is None else where, begins, points.copy(),
        np.empty((0, 0, 0)), 0.0, 0, values, np.zeros(jobs, np.int64), np.zeros(jobs, np.bool_), gradients,
    )  # fmt: skip
    return values, gradients


def measure(run, begin, point):
    values, gradients = measured(run, np.array([begin]), point[None], slopes=True)
    return float(values[0]), gradients[0]


@pytest.mark.parametrize(("family", "law"), MODELS, ids=IDS)
def test_a_job_does_not_hear_of_the_others(losses, family, law):
    """Bit for bit: alone, among three, among twenty, and in another order; each takes its own number of steps."""
    run = estimation(losses, family, law)
    begins = np.arange(20) * 11 % 190
    points, curvatures = start(run, 20)
    points[4, 0] = np.inf  # a job that fails at once
    many = descend(run, begins, points, curvatures)
    assert len(set(many[3].tolist())) > 3
    assert many[4].sum() >= 15
    assert not many[4][4]
    for chosen in ([0], [7], [19], [3, 4, 5], list(range(19, -1, -1)), list(range(9))):
        some = descend(run, begins[chosen], points[chosen], curvatures[chosen])
        for got, want in zip(some, many, strict=True):
            np.testing.assert_array_equal(got, want[chosen])


@pytest.mark.parametrize(("family", "law"), MODELS, ids=IDS)
def test_costs_and_gradients_do_not_hear_of_the_others(losses, family, law):
    """With no step allowed: the same window in all jobs of a lane, or another in each."""
    run = estimation(losses, family, law)
    points, _ = start(run, 30)
    used = lane(run)
    for begins in (np.full(30, 3), np.arange(30) % WIDTH, np.arange(30)):
        values, gradients = measured(run, begins, points, slopes=True)
        np.testing.assert_array_equal(measured(run, begins, points)[0], values)
        np.testing.assert_array_equal(measured(run, begins, points, where=used)[0], values)
        for j in (0, 5, 8, 13, 29):
            value, gradient = measure(run, begins[j], points[j])
            assert value == values[j]
            np.testing.assert_array_equal(gradient, gradients[j])


@pytest.mark.parametrize(("family", "law"), MODELS, ids=IDS)
def test_descent_reaches_scipys_optimum(losses, family, law):
    run = estimation(losses, family, law)
    rows, limits = run.task.constraints
    begins = np.array([0, 90, 200])
    points, curvatures = start(run, begins.size, seed=1)
    found, _, values, _, good = descend(run, begins, points, curvatures, most=150, tolerance=1e-12)
    assert good.all()
    assert (found @ rows.T - limits).min() > -1e-12
    for j, begin in enumerate(begins):
        want = optimize.minimize(
            lambda y, begin=begin: measure(run, begin, y)[0],
            found[j] + 1e-3 * (points[j] - found[j]),
            jac=lambda y, begin=begin: measure(run, begin, y)[1],
            method="SLSQP",
            constraints=[{"type": "ineq", "fun": lambda y: rows @ y - limits, "jac": lambda y: rows}],
            options={"ftol": 1e-14, "maxiter": 300},
        )
        assert values[j] <= want.fun + 1e-8
        # and what it says it costs is what it costs
        assert values[j] == pytest.approx(measure(run, begin, found[j])[0], abs=1e-9)


def test_an_unlimited_descent_says_where_it_stopped(losses):
    """Given up after `most` evaluations: the best point so far, with its cost."""
    run = estimation(losses, GARCH(), StudentT())
    points, curvatures = start(run, 4)
    begins = np.arange(4)
    for most in (1, 2, 3):
        found, _, values, counts, good = descend(run, begins, points, curvatures, most=most)
        assert not good.any()
        assert (counts == most).all()
        for j in range(4):
            assert values[j] == measure(run, begins[j], found[j])[0]
            assert values[j] <= measure(run, begins[j], points[j])[0]


def test_no_jobs_are_no_work(losses):
    run = estimation(losses, GARCH(), Normal())
    points = np.empty((0, run.task.slots.size))
    assert descend(run, np.empty(0, np.int64), points, np.empty((0, 4, 4)))[2].size == 0


def quadratic_step(curvature, gradient, rows, slack):
    steps = np.full((3, gradient.size), np.nan)
    room = descent.room(gradient.size, slack.size)
    curvatures, gradients = np.stack([np.zeros_like(curvature), curvature]), np.tile(gradient, (3, 1))
    solved = descent.quadratic_step(curvatures, 1, gradients, 2, rows, slack, steps, room)
    assert np.isnan(steps[:2]).all()
    return solved, steps[2]


def quadratic(curvature, gradient, p):
    return gradient @ p + 0.5 * p @ curvature @ p


def slsqp(curvature, gradient, rows, slack):
    return optimize.minimize(
        lambda p: quadratic(curvature, gradient, p),
        np.zeros(gradient.size),
        jac=lambda p: gradient + curvature @ p,
        method="SLSQP",
        constraints=[{"type": "ineq", "fun": lambda p: rows @ p + slack, "jac": lambda p: rows}],
        options={"ftol": 1e-14, "maxiter": 500},
    )


@pytest.mark.parametrize("seed", range(60))
def test_quadratic_step_is_slsqps(seed):
    """A random convex quadratic under random linear constraints, the start on some of them."""
    rng = np.random.default_rng(seed)
    d, m = 4, 6
    root = rng.normal(size=(d, d))
    curvature, gradient = root @ root.T + 0.1 * np.eye(d), 3 * rng.normal(size=d)
    rows, slack = rng.normal(size=(m, d)), np.where(rng.random(m) < 0.4, 0.0, rng.random(m))
    solved, step = quadratic_step(curvature, gradient, rows, slack)
    assert solved
    assert (rows @ step + slack).min() > -1e-9
    assert quadratic(curvature, gradient, step) <= slsqp(curvature, gradient, rows, slack).fun + 1e-7


@pytest.mark.parametrize(("family", "law"), MODELS, ids=IDS)
def test_quadratic_step_in_the_corners_of_the_problems(family, law):
    """At points that lie on many of the constraints at once; some depend on others there."""
    task = Problem(family.short, family.names, ("mu",), law, family.moves)
    rows, limits = task.constraints
    d = task.slots.size
    rng = np.random.default_rng(8)
    for _ in range(60):
        corner = optimize.linprog(
            rng.normal(size=d), A_ub=-rows, b_ub=-limits, bounds=[(-1.0, 1.0)] + [(None, None)] * (d - 1)
        ).x
        slack = np.maximum(rows @ corner - limits, 0.0)
        root = rng.normal(size=(d, d))
        curvature, gradient = root @ root.T + 0.1 * np.eye(d), 3 * rng.normal(size=d)
        solved, step = quadratic_step(curvature, gradient, rows, slack)
        assert solved
        assert (rows @ step + slack).min() > -1e-9
        assert quadratic(curvature, gradient, step) <= slsqp(curvature, gradient, rows, slack).fun + 1e-7


def test_a_curvature_that_is_not_positive_gives_no_step():
    for worst in (-1.0, 0.0, np.nan, np.inf):
        assert not quadratic_step(np.diag([1.0, worst]), np.ones(2), np.eye(2), np.ones(2))[0]


def definition_of_best(owner, points, curvatures, costs, rival, near, place, most):
    """For each window the best, then the next that is not one with any that is kept, and so on."""
    kept = {}
    for i in np.lexsort((costs, owner)):
        here = kept.setdefault(int(owner[i]), [])
        if not np.isfinite(costs[i]) or len(here) == most or (here and costs[i] > costs[here[0]] + rival):
            continue
        gaps = [points[i] - points[k] for k in here]
        one = [
            abs(costs[i] - costs[k]) <= near and gap @ curvatures[i] @ gap < place
            for k, gap in zip(here, gaps, strict=True)
        ]
        if not any(one):
            here.append(int(i))
    return kept


@pytest.mark.parametrize(("near", "place"), [(0.3, 0.5), (0.05, np.inf), (0.0, 0.0)])
def test_keep_best_is_its_definition(near, place):
    rng = np.random.default_rng(3)
    m, jobs, d, most, rival = 7, 60, 2, 3, 1.5
    owner = rng.integers(m - 1, size=jobs)  # the last window has nothing
    owner[:3] = 2
    points, costs = rng.normal(size=(jobs, d)), np.round(rng.normal(size=jobs), 1)
    costs[rng.random(jobs) < 0.2] = np.inf
    costs[owner == 4] = np.inf
    curvatures = np.tile(np.diag([1.0, 0.3]), (jobs, 1, 1)) * rng.uniform(0.5, 1.0, (jobs, 1, 1))
    kept = (np.zeros((m, most, d)), np.zeros((m, most, d, d)), np.full((m, most), np.inf))
    order = np.lexsort((costs, owner))
    descent.keep_best(order, owner, points, curvatures, costs, rival, near, place, *kept)
    want = definition_of_best(owner, points, curvatures, costs, rival, near, place, most)
    for w in range(m):
        chosen = want.get(w, [])
        np.testing.assert_array_equal(kept[2][w], [*costs[chosen], *[np.inf] * (most - len(chosen))])
        np.testing.assert_array_equal(kept[0][w, : len(chosen)], points[chosen])
        np.testing.assert_array_equal(kept[1][w, : len(chosen)], curvatures[chosen])
    assert {len(v) for v in want.values()} >= {0, 3}


def moments(losses, begins, n, weights, zero_mean):
    out = [np.empty(len(begins)) for _ in range(3)]
    descent.moments(losses, np.asarray(begins), n, weights, zero_mean, *out)
    return out


@pytest.mark.parametrize("zero_mean", [False, True])
def test_moments_are_numpys(losses, zero_mean):
    begins, weights = [0, 3, 250], GARCH().presample_weights(N)
    means, scales, presamples = moments(losses, begins, N, weights, zero_mean)
    windows = np.stack([losses[b : b + N] for b in begins])
    np.testing.assert_allclose(means, windows.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(scales, windows.std(axis=1), rtol=1e-12)
    away = windows[:, : weights.size] - (0.0 if zero_mean else windows.mean(axis=1)[:, None])
    np.testing.assert_allclose(presamples, away**2 @ weights, rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6, 1e-300])
def test_equal_losses_have_no_scale(value):
    """Though the rounding of their mean gives them one."""
    x = np.full(100, value)
    assert moments(x, [0], 100, np.full(75, 1 / 75), False)[1][0] == 0.0
    x[40] += abs(value) * 1e-9
    assert (moments(x, [0], 100, np.full(75, 1 / 75), False)[1][0] > 0) == (value != 0.0 and abs(value) > 1e-200)


def test_make_positive():
    rng = np.random.default_rng(4)
    roots = rng.normal(size=(6, 3, 3))
    fine = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(3)
    bad = np.stack(
        [np.diag([1.0, -2.0, 3.0]), np.zeros((3, 3)), -fine[0], 1e9 * np.ones((3, 3)), fine[0] - np.triu(fine[1], 1)]
    )
    both = np.concatenate([fine, bad])
    descent.make_positive(both)
    np.testing.assert_array_equal(both[:6], 0.5 * (fine + fine.transpose(0, 2, 1)))
    np.testing.assert_array_equal(both, both.transpose(0, 2, 1))
    for matrix in both:
        np.linalg.cholesky(matrix)
    np.testing.assert_array_equal(both[6] - np.diag(np.diag(both[6])), 0.0)


def test_damped_bfgs():
    """The new curvature maps the step to the change, unless the change is damped; it is positive always."""
    rng = np.random.default_rng(6)
    for _ in range(30):
        root = rng.normal(size=(3, 3))
        before = root @ root.T + 0.1 * np.eye(3)
        step, change, share = rng.normal(size=3), rng.normal(size=3), rng.uniform(0.1, 1.0)
        curvatures, slopes = before[None].copy(), np.zeros((WIDTH + 1, 3))
        slopes[0], slopes[WIDTH] = 1.0, 1.0 + change
        descent.bend(curvatures, 0, step[None], 0, slopes, share, np.empty(3))
        after, taken = curvatures[0], share * step
        if taken @ change >= 0.1 * taken @ before @ taken:
            np.testing.assert_allclose(after @ taken, change, rtol=1e-9, atol=1e-12)
        else:
            assert taken @ after @ taken == pytest.approx(0.1 * taken @ before @ taken, rel=1e-9)
        np.linalg.cholesky(after)
