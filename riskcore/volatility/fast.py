"""GARCH, GJR and EGARCH by our own kernel: a search from a grid where nothing is known, short descents where it is.

Each window carries the optima it knows (as a rule one) with their curvature to the next, which needs three or four
evaluations of the likelihood; where that goes badly the search starts again from the grid. Many windows are estimated
at once: first all cold ones, then the second of each chain, then the third.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, cast

import numpy as np

from riskcore._types import BoolArray, FloatArray, IntArray
from riskcore.distributions import Law
from riskcore.kernels import descent, kinks, search
from riskcore.kernels.lanes import WIDTH
from riskcore.volatility.problem import SHORT, Problem

ROUGHLY, ROUGHLY_SAME, ROUGHLY_THERE = 1e-2, 0.05, 1.0
"""Tolerance of descents from the grid; likelihoods and squared distances within which their ends are one."""
TOLERANCE = 1e-9
"""A descent ends when the next step gains less log-likelihood than this; the step is still taken."""
MOST, BRIEF_MOST, BRIEF_ONWARD = 150, 50, 120
"""Evaluations of a descent from the grid at most. The others are for a log variance in a window that is not short: its
likelihood may be rough, and then no descent arrives soon, but the best goes on for so many evaluations more."""
FEW, LOG_FEW, DESCENTS, BRIEF_DESCENTS = 2, 3, 8, 5
"""Best points of the grid that descend: at first, at first for a log variance, and in a window that is weak."""
KEPT = 3
"""Optima that are carried along at most."""
RIVAL = 4.0
"""An optimum this far below the best is no longer carried."""
AHEAD = 1e-3
"""A log variance's point at which no descent arrived stands where it is this much better than all at which one did."""
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
WEAK_LATE, BRIEF_LATE = 1, 8
"""A weak window is searched where so many windows have passed since the last search."""
NEAR, WORTHWHILE = 0.5, 1e-6
"""Standard errors of the mean within which neighbouring tops of a log variance are looked for, and their least gain."""
SLACK = 1e-6
"""Log-likelihood that an accepted optimum may lie below the constant variance's."""
LARGEST_CURVATURE = 1e150
"""Beyond it a difference of gradients says nothing."""
DIFFERENCE = 1e-5
"""Step of the differences of the gradient, of a coordinate of size one."""
NOBODY, NO_SLOPES = np.empty(0, dtype=np.int64), np.empty((0, 0))
_rooms = threading.local()


@dataclass(frozen=True)
class Tracks:
    """Optima of one window, best first, for losses divided by `scale`: coordinates (k, d) and curvatures (k, d, d)."""

    problem: Problem
    scale: float
    points: FloatArray
    curvatures: FloatArray
    age: int
    """Windows since the last search from the grid."""
    rough: bool
    """Whether no descent arrived at them."""


@dataclass(frozen=True)
class Tops:
    """Optima of m windows, best first: coordinates (m, k, d), curvatures, costs (m, k), inf where there is none."""

    points: FloatArray
    curvatures: FloatArray
    costs: FloatArray

    def take(self, rows: IntArray | BoolArray) -> Tops:
        """The same of some windows."""
        return Tops(self.points[rows], self.curvatures[rows], self.costs[rows])

    def beside(self, other: Tops) -> Tops:
        """These windows and then those of another."""
        mine, others = (self.points, self.curvatures, self.costs), (other.points, other.curvatures, other.costs)
        return Tops(*map(np.concatenate, zip(mine, others, strict=True)))

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
        gamma = whole[:, 3] if self.problem.log_variance else whole[:, 3] - whole[:, 2]
        values = {"omega": whole[:, 1], "alpha": whole[:, 2], "gamma": gamma, "beta": whole[:, 4]}
        return {name: values[name] for name in self.problem.names}

    def law_params(self) -> dict[str, FloatArray]:
        """Free parameters of the law by name."""
        found = {name: self.whole[:, slot] for name, slot in self.problem.law_slots}
        return {name: 1.0 / value if name == "nu" else value for name, value in found.items()}

    def tracks(self, row: int) -> Tracks:
        """What one window hands on to the next."""
        k = sum(cost < math.inf for cost in self.tops.costs[row].tolist())  # the best come first
        points, curvatures = self.tops.points[row, :k], self.tops.curvatures[row, :k]
        age, rough = int(self.ages[row]), bool(self.rough[row])
        return Tracks(self.problem, float(self.scales[row]), points, curvatures, age, rough)


class Found(NamedTuple):
    """The best optimum of one window, of scaled losses."""

    mean_params: tuple[float, ...]
    params: Mapping[str, float]
    law: Law
    presample: float
    log_likelihood: float


@lru_cache(maxsize=64)
def _rules(task: Problem, brief: bool) -> Any:
    """How the kernel searches."""
    return search.Rules(
        LOG_FEW if task.log_variance else FEW, BRIEF_DESCENTS if brief else DESCENTS, task.n_always,
        BRIEF_MOST if brief else MOST, BRIEF_ONWARD if brief else MOST, ROUGHLY, TOLERANCE, DIFFERENCE,
        LARGEST_CURVATURE, RIVAL, ROUGHLY_SAME, ROUGHLY_THERE, SAME, SAME_PLACE, SLACK, task.limits, brief,
        AHEAD if task.log_variance else np.inf, task.flat if brief else task.no_grid,
    )  # fmt: skip


class Estimation:
    """Maximum likelihood of one problem on windows of one length."""

    def __init__(self, task: Problem, losses: FloatArray, begins: IntArray, n: int, weights: FloatArray) -> None:
        if not losses.flags.writeable:  # a kernel for losses that cannot be written to would be compiled beside
            losses = losses.copy()
        self.task, self.begins, self.n = task, begins, n
        size = begins.size
        self.scales, self.centres, self.presamples = np.empty(size), np.empty(size), np.empty(size)
        by_row = np.empty((3, losses.size))
        descent.scaled_moments(
            losses, begins, n, weights, not task.mean_names, self.scales, self.centres, self.presamples, by_row
        )
        self.windows = descent.Windows(losses, n, *by_row)
        self.lane = lane_of(n)
        self.brief = task.log_variance and n >= SHORT
        self.late = BRIEF_LATE if self.brief else WEAK_LATE
        self.rules = _rules(task, self.brief)
        self.tops = self._empty(size)
        self.rough, self.sound = np.zeros(size, dtype=np.bool_), np.ones(size, dtype=np.bool_)
        self.counts, self.ages = np.zeros((2, size), dtype=np.int64), np.zeros(size, dtype=np.int64)

    def run(self, cold: BoolArray, start: Tracks | None = None) -> Estimates:
        """Estimate all windows; a chain begins at each window that is `cold`, and at the first, warm from `start`."""
        usable_at = (self.scales > 0) & np.isfinite(self.presamples)
        if self.task.log_variance:
            usable_at &= self.presamples > 0
        if start is None and cold.all() and usable_at.all():
            tops, grid, none = self.tops, self.task.grid, self.task.no_grid
            search.hunt(
                self.task.model, self.windows, self.lane, self.rules, self.begins, grid, NOBODY, none,
                tops.points, tops.curvatures, tops.costs, self.rough, self.counts, self.sound,
            )  # fmt: skip
            self._beyond_kinks(np.arange(cold.size))
        else:
            self._follow_chains(cold, start, usable_at)
        # an optimum that is followed from window to window was compared with the constant variance once
        accepted = np.isfinite(self.tops.costs[:, 0]) & self.sound
        evaluations, attempts = self.counts
        return Estimates(
            self.task, self.scales, self.presamples, self.tops, evaluations, attempts, accepted, self.rough,
            self.centres, self.ages,
        )  # fmt: skip

    def _follow_chains(self, cold: BoolArray, start: Tracks | None, usable_at: BoolArray) -> None:
        """All cold windows, then the second of each chain, then the third."""
        first_of_chain = cold.copy()
        first_of_chain[0] = True
        heads = np.flatnonzero(first_of_chain)
        lengths = np.full(heads.size, cold.size)
        lengths[:-1] = heads[1:]
        lengths -= heads
        for step in range(int(lengths.max())):
            now = heads[lengths > step] + step
            usable = now[usable_at[now]]
            if step == 0:
                first = usable[:0]
                if start is not None and not cold[0] and usable.size and usable[0] == 0:
                    first = usable[:1]
                    self.ages[first], self.rough[first] = start.age, start.rough
                    self._warm(first, self._known(start), start.scale / self.scales[first])
                if usable.size > first.size:
                    self._search(usable[first.size :])
                self._beyond_kinks(usable)
            else:
                before, last = self.tops.take(usable - 1), self.scales[usable - 1]
                ratio = np.where(last > 0, last, self.scales[usable]) / self.scales[usable]
                points, curvatures = self.task.moved(before.points, before.curvatures, ratio)
                self.ages[usable], self.rough[usable] = self.ages[usable - 1], self.rough[usable - 1]
                self._warm(usable, Tops(points, curvatures, before.costs), ratio)
                self._beyond_kinks(usable)

    def _known(self, start: Tracks) -> Tops:
        """The optima of the window before the first, for the first."""
        ratio = np.array([start.scale / self.scales[0]])
        points, curvatures = self.task.moved(start.points[None], start.curvatures[None], ratio)
        whole = self.tops.take(np.array([0]))
        k = start.points.shape[0]
        whole.points[:, :k], whole.curvatures[:, :k], whole.costs[:, :k] = points, curvatures, 0.0
        return whole

    def _warm(self, now: IntArray, known: Tops, ratio: FloatArray) -> None:
        """Follow the optima of the window before, and search again where one got lost or another may have come up.

        `ratio` is the standard deviation of the window before over that of the window; `ages` and `rough` are still
        those of the window before.
        """
        calm, once = NOBODY, known
        if self.brief:
            rough = self.rough[now] & np.isfinite(known.costs[:, 0])
            calm, once = now[rough], known.take(rough)
            now, known, ratio = now[~rough], known.take(~rough), ratio[~rough]
        found, lost = self._follow(now, known)
        self.tops.put(now, found)
        self.rough[now] = False
        self.ages[now] += 1
        loud, weak = self.presamples[now] > LOUD, self.task.weak(self.n, found.points[:, 0])
        again = lost | (np.abs(ratio - 1.0) > JUMP) | (loud & (self.ages[now] >= LATE))
        again |= weak & (self.ages[now] >= self.late)
        if self.brief:
            again |= self.task.heaviest(found.points[:, 0])
            weak &= ~again
            self._calm(calm, once, now[weak], found.take(weak))
            # what has become of the other tops meanwhile is not known
            calm = calm[~self.rough[calm] | ~np.isfinite(self.tops.costs[calm, 0])]
        if again.any() or calm.size:
            missing = Tops(known.points, known.curvatures, np.where(lost[:, None], known.costs, np.inf)).take(again)
            held = found.take(again)
            if calm.size:
                missing, held = missing.beside(self._empty(calm.size)), held.beside(self.tops.take(calm))
            self._search(np.concatenate([now[again], calm]), missing, held)

    def _calm(self, now: IntArray, once: Tops, weak: IntArray, held: Tops) -> None:
        """A short search where the likelihood was rough in the window before, from the tops there; a look at weak ones.

        Such a top does not outlive the change of one loss. Its mean, gamma and law do: a descent finds the window's own
        from there, once alpha stands where the filter is invertible. In a `weak` window such a top may have come up.
        """
        if now.size + weak.size == 0:
            return
        best, flat = np.concatenate([once.points[:, 0], held.points[:, 0]]), self.task.flat[0]
        starts = np.where(np.isnan(flat), best, flat)
        window, place = np.nonzero(np.isfinite(once.costs[:, 1:]))  # tops that a descent arrived at may be there still
        owner, starts = (
            np.append(np.arange(len(best)), window),
            np.append(starts, once.points[window, place + 1], axis=0),
        )
        self.ages[now] = 0
        self._hunt(np.append(now, weak), self.task.no_grid, owner, starts, self._empty(now.size).beside(held))

    def _beyond_kinks(self, now: IntArray) -> None:
        """Go on from the best top of a log variance to one on the other side of a loss near the mean, if it is higher.

        Where the likelihood is rough there is nothing to go by.
        """
        if not self.task.log_variance or not self.task.mean_names:
            return
        now = now[~self.rough[now] & np.isfinite(self.tops.costs[now, 0])]
        while now.size:
            points, curvatures, gains = self.tops.points[now, 0], self.tops.curvatures[now, 0], np.empty(now.size)
            kinks.beyond_kinks(
                self.task.model, self.windows, self.lane, self.begins[now], points, curvatures, NEAR, gains
            )
            self.counts[0, now] += 1
            promising = gains > WORTHWHILE
            now, points, curvatures = now[promising], points[promising], curvatures[promising]
            costs, good = self._counted(now, np.arange(now.size), points, curvatures, self.rules.most, TOLERANCE)
            better = good & (costs < self.tops.costs[now, 0] - WORTHWHILE)
            now = now[better]
            self.tops.points[now, 0], self.tops.curvatures[now, 0] = points[better], curvatures[better]
            self.tops.costs[now, 0] = costs[better]

    def _follow(self, now: IntArray, known: Tops) -> tuple[Tops, BoolArray]:
        """The same optima in these windows, and where one got lost, which may hide a better one."""
        window, place = map(np.ascontiguousarray, np.nonzero(np.isfinite(known.costs)))
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
        owner, points = NOBODY, self.task.no_grid
        if missing is not None:
            owner, place = map(np.ascontiguousarray, np.nonzero(np.isfinite(missing.costs)))
            points = missing.points[owner, place]
        self.ages[now] = 0
        self._hunt(now, self.task.grid, owner, points, held)

    def _hunt(self, now: IntArray, grid: FloatArray, owner: IntArray, points: FloatArray, held: Tops | None) -> None:
        """Search some windows from the grid and from `points` of those that `owner` numbers."""
        tops = self._empty(now.size) if held is None else held
        rough, sound, counts = self.rough[now], self.sound[now], np.zeros((2, now.size), dtype=np.int64)
        search.hunt(
            self.task.model, self.windows, self.lane, self.rules, self.begins[now], grid, owner, points,
            tops.points, tops.curvatures, tops.costs, rough, counts, sound,
        )  # fmt: skip
        self.tops.put(now, tops)
        self.rough[now], self.sound[now] = rough, sound
        self.counts[:, now] += counts

    def _counted(
        self, now: IntArray, owner: IntArray, points: FloatArray, curvatures: FloatArray, most: int, tolerance: float
    ) -> tuple[FloatArray, BoolArray]:
        """Costs and convergence of descents from `points`, changed in place with their curvatures, in the windows that
        own them; the evaluations are counted.
        """
        jobs = owner.size
        values, counts, good = np.empty(jobs), np.zeros(jobs, np.int64), np.zeros(jobs, np.bool_)
        descent.descend(
            self.task.model, self.windows, self.lane, self.begins[now[owner]], points, curvatures, tolerance, most,
            values, counts, good, NO_SLOPES,
        )  # fmt: skip
        np.add.at(self.counts[0], now[owner], counts)
        np.add.at(self.counts[1], now[owner], 1)
        return values, good

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


def read(estimates: Estimates, row: int) -> Found:
    """The best optimum of one window."""
    task, tops = estimates.problem, estimates.tops
    point = task.base.tolist()
    for slot, value in zip(task.slots.tolist(), tops.points[row, 0].tolist(), strict=True):
        point[slot] = value
    mean, omega, alpha, gamma, beta = point[:5]
    if task.log_variance:
        values = {"omega": omega, "alpha": alpha, "gamma": gamma, "beta": beta}
    else:
        values = {"omega": omega, "alpha": alpha, "gamma": gamma - alpha, "beta": beta}
    free = {name: 1.0 / point[slot] if name == "nu" else point[slot] for name, slot in task.law_slots}
    law = replace(cast(Any, task.law), **free) if free else task.law
    away = float(estimates.centres[row]) - mean
    return Found(
        (mean,) if task.mean_names else (),
        {name: values[name] for name in task.names},
        law,
        away * away + 1.0 if task.moving else float(estimates.presamples[row]),
        -float(tops.costs[row, 0]),
    )


def lane_of(n: int) -> descent.Lane:
    """Work space for windows of `n` losses, one in each thread, with what was there before forgotten."""
    lane = getattr(_rooms, "lane", None)
    if lane is None or lane.x.size != n * WIDTH:
        lane = _rooms.lane = descent.Lane(*descent.lane_room(n))
    lane.held.fill(-1)
    return lane
