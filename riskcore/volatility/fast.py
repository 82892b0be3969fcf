"""GARCH, GJR and EGARCH by our own kernel: a search from a grid where nothing is known, short descents where it is.

Each window carries the optima it knows (as a rule one) with their curvature to the next, which needs three or four
evaluations of the likelihood; where that goes badly the search starts again from the grid. Many windows are estimated
at once: first all cold ones, then the second of each chain, then the third.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from riskcore._types import BoolArray, FloatArray, IntArray
from riskcore.distributions import Law
from riskcore.kernels import descent
from riskcore.volatility.problem import FIRST_LAW_SLOT, LAW_SLOTS, Problem

ROUGHLY, ROUGHLY_SAME, ROUGHLY_THERE = 1e-2, 0.05, 1.0
"""Tolerance of descents from the grid; likelihoods and squared distances within which their ends are one."""
TOLERANCE = 1e-9
"""A descent ends when the next step gains less log-likelihood than this; the step is still taken."""
MOST = 150
"""Evaluations of a descent from the grid at most."""
FEW, DESCENTS = 3, 8
"""Best points of the grid that descend, in a window that says enough and in one that is weak."""
KEPT = 3
"""Optima that are carried along at most."""
RIVAL = 4.0
"""An optimum this far below the best is no longer carried."""
MERGED = 1e-6
"""Two carried optima with likelihoods as near as this have become one."""
SAME, SAME_PLACE = 1e-3, 1e-3
"""Optima of one search with likelihoods this near, and this near in the curvature's distance, are one."""
MANY = 9
"""Evaluations after which a descent from the window before counts as lost, and the grid is searched."""
JUMP, LOUD = 0.01, 2.0
"""So it is where the standard deviation has changed by a larger share since the window before (a large loss comes or
goes), and every fifth window where the presample variance is more times the window's."""
LATE = 5
SLACK = 1e-6
"""Log-likelihood that an accepted optimum may lie below the constant variance's."""
LARGEST_CURVATURE = 1e150
"""Beyond it a difference of gradients says nothing."""
DIFFERENCE = 1e-5
"""Step of the differences of the gradient, of a coordinate of size one."""


@dataclass(frozen=True)
class Tracks:
    """Optima of one window, best first, for losses divided by `scale`: coordinates (k, d) and curvatures (k, d, d)."""

    problem: Problem
    scale: float
    points: FloatArray
    curvatures: FloatArray
    age: int
    """Windows since the last search from the grid."""


@dataclass(frozen=True)
class Tops:
    """Optima of m windows, best first: coordinates (m, k, d), curvatures, costs (m, k), inf where there is none."""

    points: FloatArray
    curvatures: FloatArray
    costs: FloatArray

    def take(self, rows: IntArray | BoolArray) -> Tops:
        """The same of some windows."""
        return Tops(self.points[rows], self.curvatures[rows], self.costs[rows])

    def put(self, rows: IntArray | BoolArray, other: Tops) -> None:
        """Write some windows."""
        self.points[rows], self.curvatures[rows], self.costs[rows] = other.points, other.curvatures, other.costs


@dataclass(frozen=True)
class Estimates:
    """The best optimum of each of m windows, in units of losses divided by `scales`."""

    problem: Problem
    scales: FloatArray
    presamples: FloatArray
    tops: Tops
    evaluations: IntArray
    attempts: IntArray
    accepted: BoolArray
    rough: BoolArray
    centres: FloatArray
    ages: IntArray

    @cached_property
    def whole(self) -> FloatArray:
        """The kernel's points (m, 7) of the best optima, NaN where there is none."""
        found = np.isfinite(self.tops.costs[:, :1])
        return self.problem.whole(np.where(found, self.tops.points[:, 0], np.nan))

    @property
    def presample(self) -> FloatArray:
        """Presample variances at the optima, of scaled losses."""
        return (self.centres - self.whole[:, 0]) ** 2 + 1.0 if self.problem.moving else self.presamples

    @property
    def log_likelihood(self) -> FloatArray:
        """Log-likelihoods of the scaled losses."""
        return -self.tops.costs[:, 0]

    def params(self) -> dict[str, FloatArray]:
        """Parameters of the volatility by name, of scaled losses."""
        whole = self.whole
        if self.problem.log_variance:
            omega = whole[:, 1] * (1.0 - whole[:, 4])
            values = {"omega": omega, "alpha": whole[:, 2], "gamma": whole[:, 3], "beta": whole[:, 4]}
        else:
            gamma = whole[:, 3] - whole[:, 2]
            values = {"omega": whole[:, 1], "alpha": whole[:, 2], "gamma": gamma, "beta": whole[:, 4]}
        return {name: values[name] for name in self.problem.names}

    def law_params(self) -> dict[str, FloatArray]:
        """Free parameters of the law by name."""
        found = {}
        for i, name in enumerate(LAW_SLOTS[self.problem.law.short]):
            if name in self.problem.law.free:
                value = self.whole[:, FIRST_LAW_SLOT + i]
                found[name] = 1.0 / value if name == "nu" else value
        return found

    def tracks(self, row: int) -> Tracks:
        """What one window hands on to the next."""
        known = np.isfinite(self.tops.costs[row])
        points, curvatures = self.tops.points[row][known], self.tops.curvatures[row][known]
        return Tracks(self.problem, float(self.scales[row]), points, curvatures, int(self.ages[row]))


class Estimation:
    """Maximum likelihood of one problem on windows of one length."""

    def __init__(self, task: Problem, losses: FloatArray, begins: IntArray, n: int, weights: FloatArray) -> None:
        self.task, self.begins, self.n = task, begins, n
        size = begins.size
        means, scales, presamples = np.empty(size), np.empty(size), np.empty(size)
        descent.moments(losses, begins, n, weights, not task.mean_names, means, scales, presamples)
        self.scales = scales
        with np.errstate(divide="ignore", invalid="ignore"):
            factors, self.centres, self.presamples = 1.0 / scales, means / scales, presamples / scales**2
        by_row = [np.full(losses.size, np.nan) for _ in range(3)]
        for row, values in zip(by_row, (factors, self.centres, self.presamples), strict=True):
            row[begins] = values
        self.windows = descent.Windows(losses, n, *by_row)
        self.tops = self._empty(size)
        self.rough, self.searched = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
        self.ages = np.zeros(size, dtype=np.int64)
        self.evaluations, self.attempts = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)

    def run(self, cold: BoolArray, start: Tracks | None = None) -> Estimates:
        """Estimate all windows; a chain begins at each window that is `cold`, and at the first, warm from `start`."""
        heads = np.flatnonzero(cold | (np.arange(cold.size) == 0))
        lengths = np.diff(np.append(heads, cold.size))
        for step in range(int(lengths.max())):
            now = heads[lengths > step] + step
            known = np.isfinite(self.presamples[now]) & ((self.presamples[now] > 0) | (not self.task.log_variance))
            usable = now[(self.scales[now] > 0) & known]
            if step == 0:
                first = usable[:0]
                if start is not None and not cold[0] and usable.size and usable[0] == 0:
                    first = usable[:1]
                    self._warm(first, self._known(start), start.scale / self.scales[first], np.array([start.age]))
                self._search(usable[first.size :])
            else:
                before, last = self.tops.take(usable - 1), self.scales[usable - 1]
                ratio = np.where(last > 0, last, self.scales[usable]) / self.scales[usable]
                points, curvatures = self.task.moved(before.points, before.curvatures, ratio)
                self._warm(usable, Tops(points, curvatures, before.costs), ratio, self.ages[usable - 1])
        accepted = self._accepted()
        return Estimates(
            self.task, self.scales, self.presamples, self.tops, self.evaluations, self.attempts, accepted, self.rough,
            self.centres, self.ages,
        )  # fmt: skip

    def _known(self, start: Tracks) -> Tops:
        """The optima of the window before the first, for the first."""
        ratio = np.array([start.scale / self.scales[0]])
        points, curvatures = self.task.moved(start.points[None], start.curvatures[None], ratio)
        whole = self.tops.take(np.array([0]))
        k = start.points.shape[0]
        whole.points[:, :k], whole.curvatures[:, :k], whole.costs[:, :k] = points, curvatures, 0.0
        return whole

    def _warm(self, now: IntArray, known: Tops, ratio: FloatArray, age: IntArray) -> None:
        """Follow the optima of the window before, and search again where one got lost or another may have come up.

        `ratio` is the standard deviation of the window before over that of the window, `age` the number of windows
        that the optima of the window before have been followed.
        """
        found, lost = self._follow(now, known)
        self.tops.put(now, found)
        self.rough[now], self.ages[now] = False, age + 1
        due = (self.presamples[now] > LOUD) & (self.ages[now] >= LATE)
        again = lost | self.task.weak(self.n, found.points[:, 0]) | (np.abs(ratio - 1.0) > JUMP) | due
        if again.any():
            missing = Tops(known.points, known.curvatures, np.where(lost[:, None], known.costs, np.inf))
            self._search(now[again], missing.take(again), found.take(again))

    def _follow(self, now: IntArray, known: Tops) -> tuple[Tops, BoolArray]:
        """The same optima in these windows, and where one got lost, which may hide a better one."""
        window, place = np.nonzero(np.isfinite(known.costs))
        points, curvatures = known.points[window, place], known.curvatures[window, place]
        costs, good = self._counted(now, window, points, curvatures, MANY, TOLERANCE)
        lost = np.ones(now.size, dtype=np.bool_)
        lost[window] = False
        lost[window[~good]] = True
        costs = np.where(good, costs, np.inf)
        return self._best(now.size, window, points, curvatures, costs, near=MERGED, place=np.inf), lost

    def _search(self, now: IntArray, missing: Tops | None = None, held: Tops | None = None) -> None:
        """Distinct optima from the best points of the grid and from `missing` ones, beside those already `held`.

        Where the best of few descents makes a weak window, many more follow.
        """
        if now.size == 0:
            return
        self.searched[now], self.ages[now] = True, 0
        starts, first = self._looked(now)
        order = np.argsort(first, axis=1, kind="stable")
        tops = self._from(now, *self._chosen(starts, first, order[:, :FEW], missing), held)
        weak = self.task.weak(self.n, tops.points[:, 0])
        if weak.any():
            always = np.tile(np.arange(-self.task.n_always, 0) + first.shape[1], (now.size, 1))
            more = np.concatenate([order[:, FEW:DESCENTS], always], axis=1)[weak]
            chosen = self._chosen(starts[weak], first[weak], more, None)
            tops.put(weak, self._from(now[weak], *chosen, tops.take(weak)))
        self.tops.put(now, tops)

    def _chosen(
        self, starts: FloatArray, first: FloatArray, order: IntArray, missing: Tops | None
    ) -> tuple[IntArray, FloatArray]:
        """Points to descend from, and the number of the window that owns each."""
        owner = np.repeat(np.arange(len(order)), order.shape[1])
        place = order.ravel()
        usable = np.isfinite(first[owner, place])
        owner, points = owner[usable], starts[owner[usable], place[usable]]
        if missing is not None:
            window, place = np.nonzero(np.isfinite(missing.costs))
            owner, points = np.concatenate([window, owner]), np.concatenate([missing.points[window, place], points])
        return owner, points

    def _from(self, now: IntArray, owner: IntArray, points: FloatArray, held: Tops | None) -> Tops:
        """Distinct optima by descents from `points`, roughly at first, then those that differ to the end."""
        curvatures = self._curvatures(now[owner], points)
        self.evaluations[now] += (1 + points.shape[1]) * np.bincount(owner, minlength=now.size)
        costs, good = self._counted(now, owner, points, curvatures, MOST, ROUGHLY)
        arrived = np.bincount(owner[good], minlength=now.size) > 0
        # where no descent arrives (an EGARCH that is not invertible has a rough likelihood) the best point stands
        costs = np.where(good | ~arrived[owner], costs, np.inf)
        tops = self._best(now.size, owner, points, curvatures, costs, near=ROUGHLY_SAME, place=ROUGHLY_THERE)
        owner, place = np.nonzero(np.isfinite(tops.costs))
        points, curvatures = tops.points[owner, place], tops.curvatures[owner, place]
        refined, good = self._counted(now, owner, points, curvatures, MOST, TOLERANCE)
        arrived = np.bincount(owner[good], minlength=now.size) > 0
        costs = np.where(good | ~arrived[owner], refined, np.inf)
        if held is not None:
            extra, place = np.nonzero(np.isfinite(held.costs))
            arrived[extra] |= ~self.rough[now[extra]]
            owner, costs = np.concatenate([owner, extra]), np.concatenate([costs, held.costs[extra, place]])
            points = np.concatenate([points, held.points[extra, place]])
            curvatures = np.concatenate([curvatures, held.curvatures[extra, place]])
        self.rough[now] = ~arrived
        return self._best(now.size, owner, points, curvatures, costs, near=SAME, place=SAME_PLACE)

    def _counted(
        self, now: IntArray, owner: IntArray, points: FloatArray, curvatures: FloatArray, most: int, tolerance: float
    ) -> tuple[FloatArray, BoolArray]:
        """Costs and convergence of descents in the windows that own them; their evaluations are counted."""
        costs, counts, good = self._descend(now[owner], points, curvatures, most, tolerance)
        np.add.at(self.evaluations, now[owner], counts)
        np.add.at(self.attempts, now[owner], 1)
        return costs, good

    def _looked(self, now: IntArray) -> tuple[FloatArray, FloatArray]:
        """The grid's points (m, g, d) of some windows, and their costs (m, g)."""
        m, g = now.size, len(self.task.grid)
        starts = np.tile(self.task.grid, (m, 1, 1))
        if self.task.mean_names:
            starts[:, :, 0] = self.centres[now][:, None]
        # a block of eight windows stays in its lanes while their points go by
        window = np.tile(np.arange(m), g)
        order = np.argsort(window // 8, kind="stable")
        window, place = window[order], np.repeat(np.arange(g), m)[order]
        costs = np.empty((m, g))
        costs[window, place], _ = self._measure(now[window], np.ascontiguousarray(starts[window, place]))
        self.evaluations[now] += g
        return starts, costs

    def _measure(self, now: IntArray, points: FloatArray, *, slopes: bool = False) -> tuple[FloatArray, FloatArray]:
        """Costs at points, and gradients if `slopes`."""
        gradients = np.empty((now.size if slopes else 0, points.shape[1]))
        values, _, _ = self._descend(now, points, np.empty((0, 0, 0)), 0, 0.0, gradients)
        return values, gradients

    def _descend(
        self, now: IntArray, points: FloatArray, curvatures: FloatArray, most: int, tolerance: float,
        gradients: FloatArray | None = None,
    ) -> tuple[FloatArray, IntArray, BoolArray]:  # fmt: skip
        """Costs, evaluations and convergence of descents from `points`, changed in place with their curvatures."""
        values, counts, good = np.empty(now.size), np.zeros(now.size, np.int64), np.zeros(now.size, np.bool_)
        descent.descend(
            self.task.model, self.windows, self.begins[now], points, curvatures, tolerance, most,
            values, counts, good, np.empty((0, 0)) if gradients is None else gradients,
        )  # fmt: skip
        return values, counts, good

    def _curvatures(self, now: IntArray, points: FloatArray) -> FloatArray:
        """Hessians of the cost by differences of the gradient, made positive definite."""
        m, d = points.shape
        rows, limits = self.task.constraints
        size = DIFFERENCE * np.where(self.task.slots == 0, 1.0, np.maximum(np.abs(points), 1e-3))
        slack = np.maximum(points @ rows.T - limits, 0.0)  # a point on a bound may lie a rounding beyond it
        # a step against the sign of a constraint that it would break; where both directions break one, it is small
        blocked = (slack[:, :, None] + rows[None] * size[:, None, :] < 0).any(axis=1)
        size = np.where(blocked, -size, size)
        moved = np.repeat(points[:, None, :], d + 1, axis=1)
        moved[:, np.arange(1, d + 1), np.arange(d)] += size
        # the points of a start follow each other in one lane
        order = np.arange(m * (d + 1)).reshape(m, d + 1)
        order = np.concatenate([order[i : i + 8].T.ravel() for i in range(0, m, 8)])
        _, slopes = self._measure(np.repeat(now, d + 1)[order], moved.reshape(-1, d)[order], slopes=True)
        gradients = np.empty((m * (d + 1), d))
        gradients[order] = slopes
        gradients = gradients.reshape(m, d + 1, d)
        with np.errstate(over="ignore", invalid="ignore"):
            found = (gradients[:, 1:] - gradients[:, :1]) / size[:, :, None]
        found = np.where(np.abs(found) < LARGEST_CURVATURE, found, 0.0)
        descent.make_positive(found)
        return found

    def _best(
        self, m: int, owner: IntArray, points: FloatArray, curvatures: FloatArray, costs: FloatArray,
        *, near: float, place: float,
    ) -> Tops:  # fmt: skip
        """The best distinct optima of each of `m` windows."""
        tops = self._empty(m)
        order = np.lexsort((costs, owner))
        descent.keep_best(
            order, owner, points, curvatures, costs, RIVAL, near, place, tops.points, tops.curvatures, tops.costs
        )
        return tops

    def _empty(self, m: int) -> Tops:
        d = self.task.slots.size
        return Tops(np.zeros((m, KEPT, d)), np.zeros((m, KEPT, d, d)), np.full((m, KEPT), np.inf))

    def _accepted(self) -> BoolArray:
        """Windows with an optimum that is not below the constant variance with the same mean and law.

        Asked where there was a search: an optimum that is followed from window to window was accepted once.
        """
        best = self.tops.points[:, 0]
        found = np.isfinite(self.tops.costs[:, 0])
        flat = self.task.whole(best)
        away = self.centres - flat[:, 0]
        level = 1.0 + away * away
        flat[:, 1] = np.log(level) if self.task.log_variance else level
        flat[:, 2:5] = 0.0
        costs = np.full(best.shape[0], np.inf)
        now = np.flatnonzero(found & self.searched)
        costs[now], _ = self._measure(now, np.ascontiguousarray(flat[now][:, self.task.slots]))
        return np.asarray(found & (self.tops.costs[:, 0] <= costs + SLACK))


def read(estimates: Estimates, row: int) -> tuple[tuple[float, ...], Mapping[str, float], Law]:
    """Mean, parameters and law of one window, of scaled losses."""
    from dataclasses import replace
    from typing import cast

    task = estimates.problem
    free = {name: float(values[row]) for name, values in estimates.law_params().items()}
    law = replace(cast(Any, task.law), **free) if free else task.law
    params = {name: float(values[row]) for name, values in estimates.params().items()}
    return tuple(float(estimates.whole[row, 0]) for _ in task.mean_names), params, law
