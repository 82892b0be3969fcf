"""What a search of optima does between its descents: curvatures by differences, and the ends that differ.

Items of several windows stand in turns: eight windows side by side with the first item of each, then the second, so
that a lane that takes every eighth of them keeps its window.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import BoolArray, FloatArray, IntArray
from riskcore.kernels.descent import Model, keep_best, make_positive
from riskcore.kernels.lanes import WIDTH

SMALLEST = 1e-3
"""Size that a coordinate counts with at least."""


@njit(cache=True, error_model="numpy")
def turns(m: int, g: int) -> tuple[IntArray, IntArray]:
    """Window and item, by turns, of `g` items of each of `m` windows."""
    window, item = np.empty(m * g, dtype=np.int64), np.empty(m * g, dtype=np.int64)
    at = 0
    for first in range(0, m, WIDTH):
        for i in range(g):
            for w in range(first, min(first + WIDTH, m)):
                window[at], item[at] = w, i
                at += 1
    return window, item


@njit(cache=True, error_model="numpy")
def step_sizes(model: Model, points: FloatArray, step: float) -> FloatArray:
    """Steps of differences along each coordinate of each point, (m, d).

    A step goes against the sign of a constraint that it would break; where both directions break one, it is small.
    That of the mean, slot 0, does not depend on its size.
    """
    m, d = points.shape
    out = np.empty((m, d))
    for w in range(m):
        for c in range(d):
            size = step if model.slots[c] == 0 else step * max(abs(points[w, c]), SMALLEST)
            blocked = False
            for k in range(model.limits.size):
                slack = -model.limits[k]
                for b in range(d):
                    slack += points[w, b] * model.rows[k, b]
                # a point on a bound may lie a rounding beyond it
                blocked = blocked or max(slack, 0.0) + model.rows[k, c] * size < 0.0
            out[w, c] = -size if blocked else size
    return out


@njit(cache=True, error_model="numpy")
def around(model: Model, points: FloatArray, step: float) -> tuple[FloatArray, IntArray, IntArray, FloatArray]:
    """Points moved along coordinate ``item - 1``, by turns: steps, which point and item, and the moved points."""
    m, d = points.shape
    steps = step_sizes(model, points, step)
    owner, item = turns(m, d + 1)
    out = np.empty((owner.size, d))
    for at in range(owner.size):
        out[at] = points[owner[at]]
        if item[at] > 0:
            out[at, item[at] - 1] += steps[owner[at], item[at] - 1]
    return steps, owner, item, out


@njit(cache=True, error_model="numpy")
def quotients(slopes: FloatArray, steps: FloatArray, owner: IntArray, item: IntArray, largest: float) -> FloatArray:
    """Differences of gradients over the steps, made positive definite; zero where they say nothing."""
    m, d = steps.shape
    out, first = np.empty((m, d, d)), np.empty((m, d))
    for at in range(owner.size):  # the first item of a window comes before the others
        w, i = owner[at], item[at] - 1
        for c in range(d):
            if i < 0:
                first[w, c] = slopes[at, c]
            else:
                value = (slopes[at, c] - first[w, c]) / steps[w, i]
                out[w, i, c] = value if abs(value) < largest else 0.0
    make_positive(out)
    return out


@njit(cache=True, error_model="numpy")
def by_window(owner: IntArray, costs: FloatArray, m: int) -> IntArray:
    """The order of jobs by window, the best of each first; ties as they stand."""
    ends = np.zeros(m + 1, dtype=np.int64)
    for w in owner:
        ends[w + 1] += 1
    for w in range(m):
        ends[w + 1] += ends[w]
    begins, order = ends.copy(), np.empty(owner.size, dtype=np.int64)
    for i in range(owner.size):
        at = ends[owner[i]]
        while at > begins[owner[i]] and costs[order[at - 1]] > costs[i]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = i
        ends[owner[i]] += 1
    return order


@njit(cache=True, error_model="numpy")
def settled(owner: IntArray, costs: FloatArray, good: BoolArray, ahead: float, rough: BoolArray) -> None:
    """Which windows' best end is one that did not arrive; elsewhere the costs of such ends become inf.

    An end that did not arrive stands where none arrives, or where it is more than `ahead` better than all that did (an
    EGARCH that is not invertible has a rough likelihood).
    """
    arrived, other = np.full(rough.size, np.inf), np.full(rough.size, np.inf)
    for i in range(owner.size):
        if good[i]:
            arrived[owner[i]] = min(arrived[owner[i]], costs[i])
        else:
            other[owner[i]] = min(other[owner[i]], costs[i])
    for w in range(rough.size):
        rough[w] = arrived[w] == np.inf or other[w] < arrived[w] - ahead
    for i in range(owner.size):
        if not good[i] and arrived[owner[i]] < np.inf and not costs[i] < arrived[owner[i]] - ahead:
            costs[i] = np.inf


@njit(cache=True, error_model="numpy")
def gathered(
    points: FloatArray, curvatures: FloatArray, costs: FloatArray, more: int
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """The optima (m, k) that there are one below the other, with room for `more` before them: owners and all else."""
    n, d = more + np.sum(costs < np.inf), points.shape[2]
    owner, all_costs = np.empty(n, np.int64), np.empty(n)
    all_points, all_curvatures = np.empty((n, d)), np.empty((n, d, d))
    at = more
    for w in range(costs.shape[0]):
        for k in range(costs.shape[1]):
            if costs[w, k] < np.inf:
                owner[at], all_costs[at] = w, costs[w, k]
                all_points[at], all_curvatures[at] = points[w, k], curvatures[w, k]
                at += 1
    return owner, all_points, all_curvatures, all_costs


@njit(cache=True, error_model="numpy")
def distinct(
    shape: tuple[int, int], owner: IntArray, points: FloatArray, curvatures: FloatArray, costs: FloatArray,
    good: BoolArray, rival: float, near: float, place: float, ahead: float,
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """The ends of rough descents that differ, at most k in each of m windows."""
    (m, most), d = shape, points.shape[1]
    settled(owner, costs, good, ahead, np.empty(m, np.bool_))
    kept_points, kept_curvatures = np.empty((m, most, d)), np.empty((m, most, d, d))
    kept = np.full((m, most), np.inf)
    order = by_window(owner, costs, m)
    keep_best(order, owner, points, curvatures, costs, rival, near, place, kept_points, kept_curvatures, kept)
    return gathered(kept_points, kept_curvatures, kept, 0)


@njit(cache=True, error_model="numpy")
def joined(
    owner: IntArray, points: FloatArray, curvatures: FloatArray, costs: FloatArray, good: BoolArray,
    rival: float, near: float, place: float, ahead: float,
    tops_points: FloatArray, tops_curvatures: FloatArray, tops_costs: FloatArray, rough: BoolArray,
) -> None:  # fmt: skip
    """Put the ends of descents beside the optima that `tops` hold, if they are others.

    `rough` says of which windows the best is one where no descent arrived: on entry for the optima held, then for all.
    """
    n = owner.size
    all_owner, all_points, all_curvatures, all_costs = gathered(tops_points, tops_curvatures, tops_costs, n)
    all_good = np.empty(all_owner.size, np.bool_)
    for i in range(n, all_owner.size):
        all_good[i] = not rough[all_owner[i]]
    all_owner[:n], all_points[:n], all_curvatures[:n], all_costs[:n] = owner, points, curvatures, costs
    all_good[:n] = good
    settled(all_owner, all_costs, all_good, ahead, rough)
    tops_costs[:] = np.inf
    order = by_window(all_owner, all_costs, rough.size)
    keep_best(
        order, all_owner, all_points, all_curvatures, all_costs, rival, near, place,
        tops_points, tops_curvatures, tops_costs,
    )  # fmt: skip
