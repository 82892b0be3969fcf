"""What a search does between its descents, against numpy and against a quadratic that is known."""

from __future__ import annotations

import numpy as np

from riskcore.distributions import Normal, StudentT
from riskcore.kernels import search
from riskcore.kernels.lanes import WIDTH
from riskcore.volatility.problem import problem

RNG = np.random.default_rng(11)


def test_turns_give_every_item_once_and_keep_a_lane_with_its_window() -> None:
    m = WIDTH + 3
    window, item = search.turns(m, 3)
    assert sorted(zip(window.tolist(), item.tolist(), strict=True)) == [(w, i) for w in range(m) for i in range(3)]
    assert window[: 3 * WIDTH].reshape(3, WIDTH).tolist() == [list(range(WIDTH))] * 3
    assert window[3 * WIDTH :].tolist() == [WIDTH, WIDTH + 1, WIDTH + 2] * 3
    for w in range(m):
        assert item[window == w].tolist() == [0, 1, 2]


def test_differences_of_a_quadratic_give_its_curvature_from_within_the_constraints() -> None:
    task = problem("garch", ("omega", "alpha", "beta"), ("mu",), StudentT(), False)
    rows, limits = task.constraints
    points = task.grid[[0, 5, len(task.grid) - 1]].copy()  # the last has beta zero
    points[1, 2] = 0.0
    steps, owner, item, moved = search.around(task.model, points, 1e-5)
    assert (moved @ rows.T >= limits - 1e-12).all()
    assert (steps[:, 0] == 1e-5).all()
    assert steps[0, 1] == 1e-5 * points[0, 1]
    d = points.shape[1]
    halves = RNG.standard_normal((3, d, d))
    curvatures = halves @ np.transpose(halves, (0, 2, 1)) + d * np.eye(d)
    slopes = np.array([curvatures[w] @ y for w, y in zip(owner, moved, strict=True)])
    found = search.quotients(slopes, steps, owner, item, 1e150)
    np.testing.assert_allclose(found, curvatures, rtol=1e-6, atol=1e-6)
    nonsense = slopes.copy()
    nonsense[(owner == 1) & (item == 2)] = np.nan
    assert np.isfinite(search.quotients(nonsense, steps, owner, item, 1e150)).all()


def test_jobs_stand_by_window_and_cost_as_lexsort_puts_them() -> None:
    owner, costs = RNG.integers(0, 5, 60), np.round(RNG.standard_normal(60), 1)
    costs[RNG.random(60) < 0.2] = np.inf
    np.testing.assert_array_equal(search.by_window(owner, costs, 6), np.lexsort((costs, owner)))


def test_only_ends_that_arrived_count_where_one_did() -> None:
    owner, good = np.array([0, 0, 1, 1]), np.array([True, False, False, False])
    points, curvatures = np.arange(8.0).reshape(4, 2), np.tile(np.eye(2), (4, 1, 1))
    costs = np.array([5.0, 4.0, 2.0, 3.0])
    kept, ends, _, left = search.distinct((2, 3), owner, points, curvatures, costs.copy(), good, 4.0, 0.05, 1.0, np.inf)
    assert kept.tolist() == [0, 1, 1]  # in window 1 none arrived: both stand
    assert left.tolist() == [5.0, 2.0, 3.0]
    np.testing.assert_array_equal(ends, points[[0, 2, 3]])
    for ahead, stands in ((0.9, [4.0, 5.0]), (1.1, [5.0])):  # one that did not arrive is better by one
        _, _, _, left = search.distinct((2, 3), owner, points, curvatures, costs.copy(), good, 4.0, 0.05, 1.0, ahead)
        assert left.tolist() == [*stands, 2.0, 3.0]


def test_an_optimum_held_stays_beside_the_ends_that_are_others() -> None:
    d, tops = 2, (np.zeros((2, 3, 2)), np.tile(np.eye(2), (2, 3, 1, 1)), np.full((2, 3), np.inf))
    tops[0][0, 0], tops[2][0, 0] = [1.0, 1.0], 7.0
    tops[0][1, 0], tops[2][1, 0] = [9.0, 9.0], 5.0
    for ahead, best, said in ((np.inf, [5.0, np.inf, np.inf], False), (0.5, [4.0, 5.0, np.inf], True)):
        rough, held = np.array([True, False]), tuple(a.copy() for a in tops)
        ends, good = np.array([[1.0, 1.0], [4.0, 4.0]]), np.array([False, False])
        search.joined(
            np.array([0, 1]), ends, np.tile(np.eye(d), (2, 1, 1)), np.array([6.9999, 4.0]), good, 4.0, 1e-3, 1e-3,
            ahead, *held, rough,
        )  # fmt: skip
        assert rough.tolist() == [True, said]  # the one held in window 1 had arrived
        np.testing.assert_array_equal(held[2], [[6.9999, np.inf, np.inf], best])
    np.testing.assert_array_equal(held[0][1, :2], [[4.0, 4.0], [9.0, 9.0]])


def test_items_stand_by_cost_as_argsort_puts_them() -> None:
    costs = np.round(RNG.standard_normal((40, 9)), 1)
    costs[RNG.random(costs.shape) < 0.2] = np.inf
    np.testing.assert_array_equal(search.ranked(costs), np.argsort(costs, axis=1, kind="stable"))


def test_of_the_descents_that_have_not_arrived_the_best_goes_on() -> None:
    owner = np.array([0, 0, 0, 1, 1, 2, 2, 3])
    costs = np.array([5.0, 4.0, 4.0, 1.0, 5.0, 1.0, 4.9, np.inf])
    good = np.array([True, False, False, True, False, True, False, False])
    # in window 1 it is as far behind one that has arrived as a rival may be, in window 3 there is no likelihood
    wanted = [False, True, False, False, False, False, True, False]
    assert search.foremost(owner, costs, good, 4.0, 4).tolist() == wanted


def test_a_window_is_weak_where_its_tails_are_as_heavy_as_they_may_be() -> None:
    for name in ("egarch", "gjr"):
        task = problem(name, ("omega", "alpha", "gamma", "beta"), ("mu",), StudentT(), False)
        points = np.tile([0.0, 0.01, 0.1, 0.1, 0.85, 0.1], (4, 1))
        points[1, 5] = 1.0 / task.law.bounds["nu"][0]
        points[2, 2:4] = 0.01
        points[3, 4] = 0.1
        assert task.weak(1000, points).tolist() == [False, True, True, True]
        assert task.weak(500, points).all()
        assert task.heaviest(points).tolist() == [False, True, False, False]


def test_a_window_is_weak_without_memory_or_with_a_low_alpha_that_fades() -> None:
    """GARCH and GJR: such windows hid better optima, in simulated series and on the FTSE 100."""
    for name, names in (("garch", ("omega", "alpha", "beta")), ("gjr", ("omega", "alpha", "gamma", "beta"))):
        task = problem(name, names, ("mu",), Normal(), False)
        for alpha, beta, wanted in ((0.05, 0.85, False), (0.035, 0.85, True), (0.035, 0.93, False), (0.7, 0.3, False),
                                    (0.75, 0.25, True)):  # fmt: skip
            alphas = [alpha] if name == "garch" else [0.5 * alpha, 1.5 * alpha]
            point = np.array([[0.0, 0.01, *alphas, beta]])
            assert task.weak(1000, point).tolist() == [wanted], (name, alpha, beta)


def test_flat_starts_are_the_best_top_but_for_the_shape() -> None:
    task = problem("egarch", ("omega", "alpha", "gamma", "beta"), ("mu",), StudentT(), False)
    assert np.isnan(task.flat[:, [0, 3, 5]]).all()  # mean, gamma and degrees of freedom
    np.testing.assert_array_equal(task.flat[:, [1, 2, 4]], [[0.0, 0.0, 0.995], [0.0, 0.0, 0.98], [0.0, -0.3, -0.5]])
