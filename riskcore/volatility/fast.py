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
from riskcore.kernels import descent, kinks, search
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
FLAT = np.array([[0.0, 0.0, np.nan, 0.995], [0.0, 0.0, np.nan, 0.98], [0.0, -0.3, np.nan, -0.5]])
"""Omega, alpha, gamma and beta of starts beside the best top of a log variance where it is weak or rough, NaN as they
are there: a level that hardly moves, from where a descent comes to either side of alpha zero, and no memory. The first
is tried in every such window, the others where the grid is searched."""
NEAR, WORTHWHILE = 0.5, 1e-6
"""Standard errors of the mean within which neighbouring tops of a log variance are looked for, and their least gain."""
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
        known = np.isfinite(self.tops.costs[row])
        points, curvatures = self.tops.points[row][known], self.tops.curvatures[row][known]
        age, rough = int(self.ages[row]), bool(self.rough[row])
        return Tracks(self.problem, float(self.scales[row]), points, curvatures, age, rough)


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
        by_row = np.empty((3, losses.size))
        by_row[:, begins] = factors, self.centres, self.presamples
        self.windows = descent.Windows(losses, n, *by_row)
        self.brief = task.log_variance and n >= SHORT
        self.descents = BRIEF_DESCENTS if self.brief else DESCENTS
        self.most, self.onward = (BRIEF_MOST, BRIEF_ONWARD) if self.brief else (MOST, MOST)
        self.late = BRIEF_LATE if self.brief else WEAK_LATE
        self.tops = self._empty(size)
        self.rough, self.searched = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
        self.ages, self.evaluations, self.attempts = np.zeros((3, size), dtype=np.int64)

    def run(self, cold: BoolArray, start: Tracks | None = None) -> Estimates:
        """Estimate all windows; a chain begins at each window that is `cold`, and at the first, warm from `start`."""
        first_of_chain = cold.copy()
        first_of_chain[0] = True
        heads = np.flatnonzero(first_of_chain)
        lengths = np.full(heads.size, cold.size)
        lengths[:-1] = heads[1:]
        lengths -= heads
        usable_at = (self.scales > 0) & np.isfinite(self.presamples)
        if self.task.log_variance:
            usable_at &= self.presamples > 0
        for step in range(int(lengths.max())):
            now = heads[lengths > step] + step
            usable = now[usable_at[now]]
            if step == 0:
                first = usable[:0]
                if start is not None and not cold[0] and usable.size and usable[0] == 0:
                    first = usable[:1]
                    self.ages[first], self.rough[first] = start.age, start.rough
                    self._warm(first, self._known(start), start.scale / self.scales[first])
                self._search(usable[first.size :])
                self._beyond_kinks(usable)
            else:
                before, last = self.tops.take(usable - 1), self.scales[usable - 1]
                ratio = np.where(last > 0, last, self.scales[usable]) / self.scales[usable]
                points, curvatures = self.task.moved(before.points, before.curvatures, ratio)
                self.ages[usable], self.rough[usable] = self.ages[usable - 1], self.rough[usable - 1]
                self._warm(usable, Tops(points, curvatures, before.costs), ratio)
                self._beyond_kinks(usable)
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

    def _warm(self, now: IntArray, known: Tops, ratio: FloatArray) -> None:
        """Follow the optima of the window before, and search again where one got lost or another may have come up.

        `ratio` is the standard deviation of the window before over that of the window; `ages` and `rough` are still
        those of the window before.
        """
        rough = self.rough[now] & self.brief & np.isfinite(known.costs[:, 0])
        calm, once = now[rough], known.take(rough)
        now, known, ratio = now[~rough], known.take(~rough), ratio[~rough]
        found, lost = self._follow(now, known)
        self.tops.put(now, found)
        self.rough[now] = False
        self.ages[now] += 1
        loud, weak = self.presamples[now] > LOUD, self.task.weak(self.n, found.points[:, 0])
        due = (loud & (self.ages[now] >= LATE)) | (weak & (self.ages[now] >= self.late))
        if self.brief:
            due |= self.task.heaviest(found.points[:, 0])
        again = lost | due | (np.abs(ratio - 1.0) > JUMP)
        missing = Tops(known.points, known.curvatures, np.where(lost[:, None], known.costs, np.inf)).take(again)
        searched, held = now[again], found.take(again)
        if self.brief:
            self._calm(calm, once, now[weak & ~again], found.take(weak & ~again))
            # what has become of the other tops meanwhile is not known
            calm = calm[~self.rough[calm] | ~np.isfinite(self.tops.costs[calm, 0])]
            searched, held = np.concatenate([searched, calm]), held.beside(self.tops.take(calm))
            missing = missing.beside(self._empty(calm.size))
        self._search(searched, missing, held)

    def _calm(self, now: IntArray, once: Tops, weak: IntArray, held: Tops) -> None:
        """A short search where the likelihood was rough in the window before, from the tops there; a look at weak ones.

        Such a top does not outlive the change of one loss. Its mean, gamma and law do: a descent finds the window's own
        from there, once alpha stands where the filter is invertible. In a `weak` window such a top may have come up.
        """
        both = once.beside(held)
        owner, starts = self._altered(both, FLAT[:1])
        window, place = np.nonzero(np.isfinite(once.costs[:, 1:]))  # tops that a descent arrived at may be there still
        owner, starts = np.concatenate([owner, window]), np.concatenate([starts, once.points[window, place + 1]])
        self.ages[now] = 0
        self._beside(np.concatenate([now, weak]), owner, starts, self._empty(now.size).beside(held))

    def _beside(self, now: IntArray, owner: IntArray, starts: FloatArray, held: Tops) -> None:
        """Descents from `starts` in the windows that own them, beside tops already held."""
        if now.size:
            self.searched[now] = True
            self.tops.put(now, self._from(now, owner, starts, held))

    def _altered(self, known: Tops, others: FloatArray) -> tuple[IntArray, FloatArray]:
        """The best known tops with omega, alpha, gamma and beta as each row of `others` has them, and their owners."""
        m = len(known.points)
        starts = np.repeat(known.points[:, :1], len(others), axis=1)
        first = int(np.flatnonzero(self.task.slots == 1)[0])
        shape = starts[:, :, first : first + 4]
        shape[:] = np.where(np.isnan(others), shape, others)
        return np.repeat(np.arange(m), len(others)), starts.reshape(m * len(others), starts.shape[2])

    def _beyond_kinks(self, now: IntArray) -> None:
        """Go on from the best top of a log variance to one on the other side of a loss near the mean, if it is higher.

        Where the likelihood is rough there is nothing to go by.
        """
        if not self.task.log_variance or not self.task.mean_names:
            return
        now = now[~self.rough[now] & np.isfinite(self.tops.costs[now, 0])]
        while now.size:
            points, curvatures, gains = self.tops.points[now, 0], self.tops.curvatures[now, 0], np.empty(now.size)
            kinks.beyond_kinks(self.task.model, self.windows, self.begins[now], points, curvatures, NEAR, gains)
            self.evaluations[now] += 1
            promising = gains > WORTHWHILE
            now, points, curvatures = now[promising], points[promising], curvatures[promising]
            costs, good = self._counted(now, np.arange(now.size), points, curvatures, self.most, TOLERANCE)
            better = good & (costs < self.tops.costs[now, 0] - WORTHWHILE)
            now = now[better]
            self.tops.points[now, 0], self.tops.curvatures[now, 0] = points[better], curvatures[better]
            self.tops.costs[now, 0] = costs[better]

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
        few = LOG_FEW if self.task.log_variance else FEW
        tops = self._from(now, *self._chosen(starts, first, order[:, :few], missing), held)
        self.tops.put(now, tops)
        rough = self.rough[now] & self.brief
        if rough.any():
            held = tops.take(rough)
            self._beside(now[rough], *self._altered(held, FLAT[:1]), held)
        weak = self.task.weak(self.n, tops.points[:, 0]) & ~rough
        if weak.any():
            always = np.tile(np.arange(-self.task.n_always, 0) + first.shape[1], (now.size, 1))
            more = np.concatenate([order[:, few : self.descents], always], axis=1)[weak]
            owner, points = self._chosen(starts[weak], first[weak], more, None)
            held = tops.take(weak)
            if self.brief:
                also, altered = self._altered(held, FLAT)
                owner, points = np.concatenate([owner, also]), np.concatenate([points, altered])
            self.tops.put(now[weak], self._from(now[weak], owner, points, held))

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
        tops, rough = self._empty(now.size) if held is None else held, self.rough[now]
        ahead = AHEAD if self.task.log_variance else np.inf
        curvatures = self._curvatures(now, owner, points)
        costs, good = self._counted(now, owner, points, curvatures, self.most, ROUGHLY)
        onward: tuple[Any, ...] = ()
        if self.brief:  # of the descents that have not arrived the best goes on
            best = self._best_short(now.size, owner, costs, good)
            onward = owner[best], points[best], curvatures[best], costs[best]
            owner, points, curvatures, costs = owner[good], points[good], curvatures[good], costs[good]
            good = good[good]
        kept: Any = search.distinct(
            tops.costs.shape, owner, points, curvatures, costs, good, RIVAL, ROUGHLY_SAME, ROUGHLY_THERE, ahead
        )
        if self.brief:
            kept = tuple(map(np.concatenate, zip(kept, onward, strict=True)))
        owner, points, curvatures, _ = kept
        costs, good = self._counted(now, owner, points, curvatures, self.onward, TOLERANCE)
        if not self.task.log_variance and not good.all():
            # the curvature of the steps so far can lead astray: once more, with a new one
            lost = np.flatnonzero(~good)
            again = points[lost]
            bent = self._curvatures(now, owner[lost], again)
            costs[lost], good[lost] = self._counted(now, owner[lost], again, bent, MOST, TOLERANCE)
            points[lost], curvatures[lost] = again, bent
        search.joined(
            owner, points, curvatures, costs, good, RIVAL, SAME, SAME_PLACE, ahead,
            tops.points, tops.curvatures, tops.costs, rough,
        )  # fmt: skip
        self.rough[now] = rough
        return tops

    @staticmethod
    def _best_short(m: int, owner: IntArray, costs: FloatArray, good: BoolArray) -> IntArray:
        """Of each window the best descent that has not arrived, unless it is far behind one that has."""
        arrived = np.full(m, np.inf)
        np.minimum.at(arrived, owner[good], costs[good])
        short = np.flatnonzero(~good & (costs < arrived[owner] + RIVAL))
        short = short[np.lexsort((costs[short], owner[short]))]
        return short[np.unique(owner[short], return_index=True)[1]]

    def _curvatures(self, now: IntArray, owner: IntArray, points: FloatArray) -> FloatArray:
        """Hessians of the cost by differences of the gradient, made positive definite."""
        steps, first, item, moved = search.around(self.task.model, points, DIFFERENCE)
        self.evaluations[now] += (1 + points.shape[1]) * np.bincount(owner, minlength=now.size)
        _, slopes = self._measure(now[owner[first]], moved, slopes=True)
        return np.asarray(search.quotients(slopes, steps, first, item, LARGEST_CURVATURE))

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
        grid = self.task.grid
        m, g = now.size, len(grid)
        starts, costs = np.empty((m, *grid.shape)), np.empty((m, g))
        starts[:] = grid
        if self.task.mean_names:
            starts[:, :, 0] = self.centres[now][:, None]
        window, place = search.turns(m, g)
        costs[window, place], _ = self._measure(now[window], starts[window, place])
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
        found = np.isfinite(self.tops.costs[:, 0])
        now = np.flatnonzero(found & self.searched)
        flat = self.task.whole(self.tops.points[now, 0])
        away = self.centres[now] - flat[:, 0]
        level = 1.0 + away * away
        flat[:, 1] = np.log(level) if self.task.log_variance else level
        flat[:, 2:5] = 0.0
        costs, _ = self._measure(now, np.ascontiguousarray(flat[:, self.task.slots]))
        found[now] = self.tops.costs[now, 0] <= costs + SLACK
        return found


def read(estimates: Estimates, row: int) -> tuple[tuple[float, ...], Mapping[str, float], Law]:
    """Mean, parameters and law of one window, of scaled losses."""
    from dataclasses import replace
    from typing import cast

    task = estimates.problem
    free = {name: float(values[row]) for name, values in estimates.law_params().items()}
    law = replace(cast(Any, task.law), **free) if free else task.law
    params = {name: float(values[row]) for name, values in estimates.params().items()}
    return tuple(float(estimates.whole[row, 0]) for _ in task.mean_names), params, law
