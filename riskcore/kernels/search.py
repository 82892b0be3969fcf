"""The search of optima on many windows: a grid, curvatures by differences, descents, and the ends that differ.

Items of several windows stand in turns: `WIDTH` windows side by side with the first item of each, then the second, so
that a lane that takes every such number of them keeps its window.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
from numba import njit

from riskcore._types import BoolArray, FloatArray, IntArray
from riskcore.kernels.descent import Lane, Model, Windows, descend, keep_best, make_positive
from riskcore.kernels.lanes import WIDTH
from riskcore.kernels.likelihood import EGARCH, NORMAL

LOG_2_PI = math.log(2.0 * math.pi)
SMALLEST = 1e-3
"""Size that a coordinate counts with at least."""
LOOK, BEND, DESCEND, COMPARE, DONE = 0, 1, 2, 3, 4
"""What a search does next: look at the grid, take curvatures, descend, compare with the constant variance."""
Rules = namedtuple(
    "Rules",
    "few descents always most onward roughly tolerance step largest rival roughly_same roughly_there same same_place"
    " slack limits brief ahead flat",
)
"""How a search is done; `fast` says what each of them is."""
Limits = namedtuple("Limits", "short faint fleeting heavy low lasting memory")
"""Fewer losses, a smaller alpha or a smaller persistence make a weak window, and so does a law's larger parameter. So
do, but not for a log variance, a `low` alpha whose persistence is not `lasting`, and a beta below `memory`."""


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
        for c in range(d):  # a row at once would have numba compile the text of an error
            out[at, c] = points[owner[at], c]
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
    arrived, other = np.empty(rough.size), np.empty(rough.size)
    for w in range(rough.size):
        arrived[w] = other[w] = np.inf
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
    n, d = more, points.shape[2]
    for w in range(costs.shape[0]):
        for k in range(costs.shape[1]):
            n += costs[w, k] < np.inf
    owner, all_costs = np.empty(n, np.int64), np.empty(n)
    all_points, all_curvatures = np.empty((n, d)), np.empty((n, d, d))
    at = more
    for w in range(costs.shape[0]):
        for k in range(costs.shape[1]):
            if costs[w, k] < np.inf:
                owner[at], all_costs[at] = w, costs[w, k]
                for a in range(d):
                    all_points[at, a] = points[w, k, a]
                    for b in range(d):
                        all_curvatures[at, a, b] = curvatures[w, k, a, b]
                at += 1
    return owner, all_points, all_curvatures, all_costs


@njit(cache=True, error_model="numpy")
def picked(
    owner: IntArray, points: FloatArray, curvatures: FloatArray, costs: FloatArray, good: BoolArray, which: bool
) -> tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray, BoolArray]:
    """The jobs whose `good` is `which`: their numbers, and all else of them."""
    n, d = 0, points.shape[1]
    for i in range(owner.size):
        n += good[i] == which
    number, some, there, bent = np.empty(n, np.int64), np.empty(n, np.int64), np.empty((n, d)), np.empty((n, d, d))
    at, paid, fine = 0, np.empty(n), np.empty(n, np.bool_)
    for i in range(owner.size):
        if good[i] == which:
            number[at], some[at], paid[at], fine[at] = i, owner[i], costs[i], which
            for a in range(d):
                there[at, a] = points[i, a]
                for b in range(d):
                    bent[at, a, b] = curvatures[i, a, b]
            at += 1
    return number, some, there, bent, paid, fine


@njit(cache=True, error_model="numpy")
def foremost(owner: IntArray, costs: FloatArray, good: BoolArray, rival: float, m: int) -> BoolArray:
    """Of each window the best descent that has not arrived, unless it is `rival` or more behind one that has."""
    arrived, best, out = np.empty(m), np.empty(m, np.int64), np.empty(owner.size, np.bool_)
    for w in range(m):
        arrived[w], best[w] = np.inf, -1
    for i in range(owner.size):
        out[i] = False
        if good[i]:
            arrived[owner[i]] = min(arrived[owner[i]], costs[i])
    for i in range(owner.size):
        w = owner[i]
        if not good[i] and costs[i] < arrived[w] + rival and (best[w] < 0 or costs[i] < costs[best[w]]):
            best[w] = i
    for w in range(m):
        if best[w] >= 0:
            out[best[w]] = True
    return out


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
    n, m = owner.size, rough.size
    all_owner, all_points, all_curvatures, all_costs = gathered(tops_points, tops_curvatures, tops_costs, n)
    all_good = np.empty(all_owner.size, np.bool_)
    for i in range(n, all_owner.size):
        all_good[i] = not rough[all_owner[i]]
    for i in range(n):
        all_owner[i], all_costs[i], all_good[i] = owner[i], costs[i], good[i]
        for a in range(points.shape[1]):
            all_points[i, a] = points[i, a]
            for b in range(points.shape[1]):
                all_curvatures[i, a, b] = curvatures[i, a, b]
    settled(all_owner, all_costs, all_good, ahead, rough)
    for w in range(m):
        for k in range(tops_costs.shape[1]):
            tops_costs[w, k] = np.inf
    order = by_window(all_owner, all_costs, m)
    keep_best(
        order, all_owner, all_points, all_curvatures, all_costs, rival, near, place,
        tops_points, tops_curvatures, tops_costs,
    )  # fmt: skip


@njit(cache=True, error_model="numpy")
def weak(model: Model, limits: Limits, n: int, points: FloatArray, w: int) -> bool:
    """Whether window `w`, whose best optimum is the first of its `points`, says too little to trust one descent."""
    if n < limits.short:
        return True
    at = 0
    while model.slots[at] != 2:
        at += 1
    law = at + (2 if model.tied else 3)
    alpha, beta = points[w, 0, at], points[w, 0, law - 1]
    if law < model.slots.size and points[w, 0, law] > limits.heavy:
        return True
    if model.family == EGARCH:
        return bool(alpha < limits.faint or beta < limits.fleeting)
    if not model.tied:
        alpha = 0.5 * (alpha + points[w, 0, at + 1])
    if alpha < limits.faint or alpha + beta < limits.fleeting or beta < limits.memory:
        return True
    return bool(alpha < limits.low and alpha + beta < limits.lasting)


@njit(cache=True, error_model="numpy")
def weak_windows(model: Model, limits: Limits, n: int, points: FloatArray) -> BoolArray:
    """Which windows are weak, of optima (m, k, d) that stand best first."""
    out = np.empty(points.shape[0], dtype=np.bool_)
    for w in range(out.size):
        out[w] = weak(model, limits, n, points, w)
    return out


@njit(cache=True, error_model="numpy")
def ranked(costs: FloatArray) -> IntArray:
    """Items of each window in the order of their costs (m, g); ties as they stand."""
    m, g = costs.shape
    order = np.empty((m, g), dtype=np.int64)
    for w in range(m):
        for i in range(g):
            at = i
            while at > 0 and costs[w, order[w, at - 1]] > costs[w, i]:
                order[w, at] = order[w, at - 1]
                at -= 1
            order[w, at] = i
    return order


@njit(cache=True, error_model="numpy")
def chosen(
    model: Model, windows: Windows, rules: Rules, begins: IntArray, grid: FloatArray, looked: FloatArray,
    order: IntArray, wanted: BoolArray, more: bool, owner: IntArray, points: FloatArray,
    flat: IntArray, tops_points: FloatArray,
) -> tuple[IntArray, FloatArray]:  # fmt: skip
    """The given starts, and of each window that is `wanted` the best of the grid.

    With `more` those that come after them, and the last of the grid whatever they cost, and of each window as many of
    the rules' `flat` points as `flat` says: its best optimum where they are NaN.
    """
    (m, g), d = order.shape, grid.shape[1]
    first, stop = (min(rules.few, g), min(rules.descents, g)) if more else (0, min(rules.few, g))
    always, given, n = rules.always if more else 0, owner.size, owner.size
    for w in range(m):
        if wanted[w]:
            for i in range(first, stop):
                n += looked[w, order[w, i]] < np.inf
            for i in range(g - always, g):
                n += looked[w, i] < np.inf
        n += flat[w] if more else 0
    some, there = np.empty(n, np.int64), np.empty((n, d))
    for i in range(given):
        some[i] = owner[i]
        for c in range(d):
            there[i, c] = points[i, c]
    at = given
    for w in range(m):
        if wanted[w]:
            for i in range(first, stop + always):
                item = order[w, i] if i < stop else g - always + i - stop
                if looked[w, item] < np.inf:
                    some[at] = w
                    from_grid(model, windows, begins[w], grid, item, there, at)
                    at += 1
        for i in range(flat[w] if more else 0):
            some[at] = w
            for c in range(d):
                value = rules.flat[i, c]
                there[at, c] = tops_points[w, 0, c] if math.isnan(value) else value
            at += 1
    return some, there


@njit(cache=True, error_model="numpy")
def from_grid(
    model: Model, windows: Windows, begin: int, grid: FloatArray, item: int, out: FloatArray, row: int
) -> None:
    """A point of the grid, which knows no mean, for one window."""
    for c in range(grid.shape[1]):
        out[row, c] = windows.centres[begin] if model.slots[c] == 0 else grid[item, c]


@njit(cache=True, error_model="numpy")
def constant_variance(
    model: Model, windows: Windows, begins: IntArray, owner: IntArray, tops_points: FloatArray
) -> FloatArray:
    """Points with the means and laws of the best optima and the variance that is constant."""
    d = tops_points.shape[2]
    out = np.empty((owner.size, d))
    for i in range(owner.size):
        w = owner[i]
        mean = tops_points[w, 0, 0] if model.slots[0] == 0 else model.base[0]
        away = windows.centres[begins[w]] - mean
        level = 1.0 + away * away
        for c in range(d):
            out[i, c] = tops_points[w, 0, c]
            if model.slots[c] == 1:
                out[i, c] = math.log(level) if model.family == EGARCH else level
            elif 2 <= model.slots[c] <= 4:
                out[i, c] = 0.0
    return out


@njit(cache=True, error_model="numpy")
def not_below_constant(
    model: Model, windows: Windows, begins: IntArray, tops_points: FloatArray, tops_costs: FloatArray, slack: float,
    sound: BoolArray,
) -> None:  # fmt: skip
    """Where the best optimum is not below the constant variance, under the normal law: there that is a formula."""
    for w in range(sound.size):
        mean = tops_points[w, 0, 0] if model.slots[0] == 0 else model.base[0]
        away = windows.centres[begins[w]] - mean
        value = 0.5 * windows.n * (LOG_2_PI + math.log(1.0 + away * away) + 1.0)
        sound[w] = tops_costs[w, 0] <= value + slack


@njit(cache=True, error_model="numpy")
def hunt(
    model: Model, windows: Windows, lane: Lane, rules: Rules, begins: IntArray, grid: FloatArray,
    owner: IntArray, points: FloatArray,
    tops_points: FloatArray, tops_curvatures: FloatArray, tops_costs: FloatArray,
    rough: BoolArray, counts: IntArray, sound: BoolArray,
) -> None:  # fmt: skip
    """Distinct optima of m windows from given starts and from the best of a grid, beside those that `tops` hold.

    Descents are rough at first; those that differ go on to the end. Where the best of few makes a weak window, more
    points of the grid follow; without a grid the given starts are all. `counts` of evaluations and descents (2, m) are
    added to, and `sound` says where the best is not below the constant variance.

    Where the rules are `brief` the first legs are too short for a rough likelihood: those that have not arrived end
    there, but the best of each window goes on. The best of the rules' `flat` points, which are near the best optimum,
    follows where that is rough, and all of them where it is weak.

    One loop with one call of `descend`, though a search has many: each call would be compiled anew. So would what is
    handed a literal: ``leg == 0`` and ``g > 0`` stand for True and False where those are known.
    """
    m, d, g, n = begins.size, points.shape[1], grid.shape[0], windows.n
    looked, order, wanted = np.empty((m, g)), np.empty((m, g), np.int64), np.ones(m, np.bool_)
    flat = np.zeros(m, np.int64)
    bent, costs, good = np.empty((0, d, d)), np.empty(0), np.empty(0, np.bool_)
    all_owner, all_points, all_bent, all_costs, all_good = owner, points, bent, costs, good
    others, where, who, item, steps, none = owner, points, owner, owner, points, np.empty((0, d))
    phase, leg, more = (LOOK if g > 0 else BEND), 0, False
    while phase != DONE:
        limit, tolerance, slopes = 0, 0.0, none
        if phase == LOOK:
            who, item = turns(m, g)
            where = np.empty((who.size, d))
            for i in range(who.size):
                from_grid(model, windows, begins[who[i]], grid, item[i], where, i)
        elif phase == BEND:
            steps, who, item, where = around(model, points, rules.step)
            slopes = np.empty((who.size, d))
        elif phase == DESCEND:
            who, where = owner, points
            limit = rules.most if leg == 0 else rules.onward
            tolerance = rules.roughly if leg == 0 else rules.tolerance
        else:
            who = np.empty(m, np.int64)
            found = 0
            for w in range(m):
                sound[w] = tops_costs[w, 0] < np.inf
                if sound[w]:
                    who[found] = w
                    found += 1
            who = who[:found]
            where = constant_variance(model, windows, begins, who, tops_points)
        values, spent, arrived = np.empty(who.size), np.zeros(who.size, np.int64), np.zeros(who.size, np.bool_)
        starts = np.empty(who.size, np.int64)
        for i in range(who.size):
            starts[i] = begins[owner[who[i]] if phase == BEND else who[i]]
        descend(model, windows, lane, starts, where, bent, tolerance, limit, values, spent, arrived, slopes)
        if phase == LOOK:
            for i in range(who.size):
                looked[who[i], item[i]] = values[i]
            for w in range(m):
                counts[0, w] += g
            order = ranked(looked)
            owner, points = chosen(
                model, windows, rules, begins, grid, looked, order, wanted, leg > 0, owner, points, flat, tops_points
            )
            phase = BEND
        elif phase == BEND:
            for i in range(owner.size):
                counts[0, owner[i]] += 1 + d
            bent = quotients(slopes, steps, who, item, rules.largest)
            phase = DESCEND
        elif phase == DESCEND:
            costs, good = values, arrived
            for i in range(owner.size):
                counts[0, owner[i]] += spent[i]
                counts[1, owner[i]] += 1
            if leg == 0:
                if rules.brief:  # of the descents that have not arrived the best goes on
                    others, all_owner, all_points, all_bent, all_costs, all_good = picked(
                        owner, points, bent, costs, foremost(owner, costs, good, rules.rival, m), leg == 0
                    )
                    others, owner, points, bent, costs, good = picked(owner, points, bent, costs, good, leg == 0)
                owner, points, bent, costs = distinct(
                    tops_costs.shape, owner, points, bent, costs, good,
                    rules.rival, rules.roughly_same, rules.roughly_there, rules.ahead,
                )  # fmt: skip
                if rules.brief:
                    owner, points = np.concatenate((owner, all_owner)), np.concatenate((points, all_points))
                    bent = np.concatenate((bent, all_bent))
                leg = 1
                continue
            if leg == 1:
                if model.family != EGARCH:
                    # the curvature of the steps so far can lead astray: once more, with a new one
                    all_owner, all_points, all_bent, all_costs, all_good = owner, points, bent, costs, good
                    others, owner, points, bent, costs, good = picked(owner, points, bent, costs, good, leg == 0)
                    if owner.size > 0:
                        phase, leg = BEND, 2
                        continue
                    owner, points, bent, costs, good = all_owner, all_points, all_bent, all_costs, all_good
            else:
                for i in range(owner.size):
                    j = others[i]
                    all_costs[j], all_good[j] = costs[i], good[i]
                    for a in range(d):
                        all_points[j, a] = points[i, a]
                        for b in range(d):
                            all_bent[j, a, b] = bent[i, a, b]
                owner, points, bent, costs, good = all_owner, all_points, all_bent, all_costs, all_good
            joined(
                owner, points, bent, costs, good, rules.rival, rules.same, rules.same_place, rules.ahead,
                tops_points, tops_curvatures, tops_costs, rough,
            )  # fmt: skip
            phase = COMPARE
            if g > 0 and not more:
                more, anything = True, False
                for w in range(m):
                    jagged = rough[w] and rules.brief
                    wanted[w] = weak(model, rules.limits, n, tops_points, w) and not jagged
                    if jagged or wanted[w]:
                        anything, flat[w] = True, min(1, rules.flat.shape[0]) if jagged else rules.flat.shape[0]
                if anything:
                    owner, points = chosen(
                        model, windows, rules, begins, grid, looked, order, wanted, g > 0, owner[:0], points[:0],
                        flat, tops_points,
                    )  # fmt: skip
                    phase, leg = BEND, 0
            if phase == COMPARE and model.law == NORMAL:
                not_below_constant(model, windows, begins, tops_points, tops_costs, rules.slack, sound)
                phase = DONE
        else:
            for i in range(who.size):
                sound[who[i]] = tops_costs[who[i], 0] <= values[i] + rules.slack
            phase = DONE
