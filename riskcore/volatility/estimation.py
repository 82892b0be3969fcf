"""Maximum likelihood of one window for the families of `riskcore.kernels.families`: search, descent, sandwich errors.

Where nothing is known, the best points of a grid descend; else the optima of the window before do, with the curvature
they had there, and the grid is looked at again where that goes badly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Protocol, cast

import numpy as np

from riskcore._types import FloatArray
from riskcore.distributions import Law, ParametricLaw
from riskcore.errors import FitError, require
from riskcore.kernels import families as kernel
from riskcore.kernels.descent import settle
from riskcore.volatility.base import Carried
from riskcore.volatility.means import Mean, ZeroMean
from riskcore.volatility.problem import LAW_SLOTS, LAWS

ROUNDING = 1e-12
"""Losses whose standard deviation is this small beside the largest of them are constant."""
ROUGHLY, TOLERANCE = 1e-2, 1e-11
"""A descent ends when the next step gains less log-likelihood than this; the step is still taken."""
MOST, MANY = 400, 40
"""Evaluations of a descent at most; after the second number one from the window before counts as lost."""
KEPT = 2
"""Optima that are carried along."""
RIVAL, SAME, SAME_PLACE = 4.0, 1e-4, 1e-3
"""Optima this far below the best are dropped; those with likelihoods and coordinates as near as this are one."""
JUMP, LATE = 0.01, 8
"""The grid is looked at again where the standard deviation changed by a larger share, and after so many windows."""
SLACK = 1e-6
"""Log-likelihood that an accepted optimum may lie below the constant variance's."""
STEP = 1e-5
ACTIVE = 1e-9
"""A constraint this near to equality is active at the optimum."""
SIMPLEX_MOST = 4000
NEIGHBOURS, CUSP_ROUNDS, CUSP_GAIN = 40, 8, 1e-7
"""Losses next to the mean that are looked at as cusps, how often, and what a move to another has to gain."""
LARGEST_LEVEL = 10.0

Row = tuple[Mapping[str, float], float]
"""Weights of coordinates by name, and what their sum must not fall below."""


class Family(Protocol):
    """What the estimation needs to know of a family; all in units of losses with standard deviation one."""

    @property
    def short(self) -> str:
        """Short name."""
        ...

    @property
    def code(self) -> int:
        """Number of the kernel's family."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the volatility's coordinates, in the kernel's order."""
        ...

    @property
    def few(self) -> int:
        """Points of the grid that descend."""
        ...

    @property
    def always(self) -> bool:
        """Whether the grid is looked at in every window."""
        ...

    @property
    def fixed(self) -> Mapping[str, float]:
        """Coordinates that are set."""
        ...

    @property
    def truncation(self) -> int:
        """Last lag of FIGARCH, one elsewhere."""
        ...

    def rows(self) -> Sequence[Row]:
        """Linear constraints; those of one coordinate come first."""
        ...

    def grid(self, law: ParametricLaw) -> Sequence[Sequence[float]]:
        """Starts at a variance of one."""
        ...

    def flat(self, values: Mapping[str, float], variance: float, nu: float) -> Sequence[float]:
        """The constant variance as a point of the family."""
        ...

    def rescaled(self, params: Mapping[str, float], factor: float) -> dict[str, float]:
        """Parameters for losses multiplied by `factor`."""
        ...

    def presample(self, shocks: FloatArray) -> float:
        """Presample variance."""
        ...

    @property
    def cusps(self) -> bool:
        """Whether the likelihood may have cusps where the mean equals a loss."""
        ...

    def cusped(self, values: Mapping[str, float]) -> bool:
        """Whether it has them at these parameters."""
        ...


@dataclass(frozen=True)
class Optimum:
    """A point of the likelihood with its curvature and its cost."""

    point: FloatArray
    curvature: FloatArray
    cost: float
    good: bool
    held: bool = False
    """Whether the mean was searched among the losses and moves no more."""


class Frame:
    """The coordinates of a family, a mean and a law: free places, constraints, names."""

    def __init__(self, family: Family, mean: Mean, law: ParametricLaw) -> None:
        self.family, self.mean, self.law = family, mean, law
        self.free_volatility = [n for n in family.names if n not in family.fixed]
        self.labels = [*mean.names, *(f"v:{n}" for n in self.free_volatility), *(f"law:{n}" for n in law.free)]
        places = {f"v:{n}": kernel.FIRST + i for i, n in enumerate(family.names)}
        places |= {n: i for i, n in enumerate(mean.names)}
        places |= {f"law:{n}": kernel.P + i for i, n in enumerate(LAW_SLOTS[law.short])}
        self.slots = np.array([places[n] for n in self.labels], dtype=np.int64)
        self.base = np.zeros(kernel.N_FULL)
        for name, value in family.fixed.items():
            self.base[places[f"v:{name}"]] = value
        known = {**law.starts, **law.params}
        for name in LAW_SLOTS[law.short]:
            self.base[places[f"law:{name}"]] = 1.0 / known[name] if name == "nu" else known[name]
        self.constraints, self.limits, self.own = self._constraints()

    def _constraints(self) -> tuple[FloatArray, FloatArray, int]:
        """Rows and limits, and how many of them (the last) are the family's own without that of its level."""
        found: list[Row] = [({n: s}, -10.0) for n in self.mean.names if n != "phi" for s in (1.0, -1.0)]
        found += [({"phi": s}, -0.999) for s in (1.0, -1.0) if "phi" in self.mean.names]
        for name in self.law.free:
            low, high = self.law.bounds[name]
            low, high = (1.0 / high, 1.0 / low) if name == "nu" else (low, high)
            found += [({f"law:{name}": 1.0}, low), ({f"law:{name}": -1.0}, -high)]
        own = [({f"v:{n}": w for n, w in weights.items()}, limit) for weights, limit in self.family.rows()]
        level = [row for row in own if list(row[0]) == [f"v:{self.family.names[0]}"]]
        rest = [row for row in own if row not in level]
        rows = [*found, *level, *rest]
        matrix = np.array([[weights.get(n, 0.0) for n in self.labels] for weights, _ in rows])
        return matrix, np.array([limit for _, limit in rows]), len(rest)

    def pack(self, mean_params: Sequence[float], values: Sequence[float], law: Mapping[str, float]) -> FloatArray:
        """The vector of a point; `values` are those of all of the volatility's coordinates."""
        volatility = [v for n, v in zip(self.family.names, values, strict=True) if n not in self.family.fixed]
        shape = [1.0 / law[n] if n == "nu" else law[n] for n in self.law.free]
        return np.array([*mean_params, *volatility, *shape])

    def whole(self, y: FloatArray) -> FloatArray:
        """The kernel's point."""
        point = self.base.copy()
        point[self.slots] = y
        return point

    def unpack(self, y: FloatArray) -> tuple[tuple[float, ...], dict[str, float], dict[str, float]]:
        """Mean, volatility (with what is set) and the free parameters of the law."""
        values = dict(zip(self.labels, y.tolist(), strict=True))
        mean = tuple(values[n] for n in self.mean.names)
        volatility = {
            n: self.family.fixed[n] if n in self.family.fixed else values[f"v:{n}"] for n in self.family.names
        }
        law = {n: 1.0 / values[f"law:{n}"] if n == "nu" else values[f"law:{n}"] for n in self.law.free}
        return mean, volatility, law

    @cached_property
    def starts(self) -> FloatArray:
        """The grid, with a mean of zero."""
        law = {n: self.law.starts[n] for n in self.law.free}
        zeros = [0.0] * len(self.mean.names)
        points = np.array([self.pack(zeros, values, law) for values in self.family.grid(self.law)])
        assert (points @ self.constraints.T >= self.limits - 1e-12).all(), "the grid lies within the constraints"
        return points

    def moved(self, y: FloatArray, curvature: FloatArray, ratio: float) -> tuple[FloatArray, FloatArray]:
        """A point and its curvature for losses multiplied by `ratio`."""
        mean, volatility, law = self.unpack(y)
        there = self.family.rescaled(volatility, ratio)
        out = self.pack(self.mean.rescaled(mean, ratio), [there[n] for n in self.family.names], law)
        by = np.ones(y.size)
        for i, label in enumerate(self.labels):
            if label in ("mu", "const") or (label == f"v:{self.family.names[0]}" and y[i] > 0 < out[i]):
                by[i] = ratio if label in ("mu", "const") else out[i] / y[i]
        return out, curvature / by[:, None] / by[None, :]

    def on_edge(self, y: FloatArray, edge: float) -> bool:
        """Whether one of the family's own constraints, other than that of its level, is active."""
        slack = self.constraints @ y - self.limits
        return bool((slack[slack.size - self.own :] < edge).any())


@lru_cache(maxsize=64)
def frame(family: Any, mean: Mean, law: ParametricLaw) -> Frame:
    """The coordinates of a family, a mean and a law."""
    return Frame(family, mean, law)


class Estimation:
    """The search on one window."""

    def __init__(self, family: Family, losses: FloatArray, mean: Mean, law: Law) -> None:
        self.family, self.mean, self.law = family, mean, cast(ParametricLaw, law)
        self.scale = float(np.std(losses))
        usable = self.scale > 0 and self.scale > ROUNDING * float(np.max(np.abs(losses)))
        require(usable, "losses are constant: a volatility cannot be estimated", FitError)
        self.losses = losses / self.scale
        self.frame = frame(cast(Any, family), cast(Any, mean), self.law)
        self.first_mean = mean.estimate(self.losses)
        shocks = (self.losses - mean.path(self.losses, self.first_mean)[:-1])[mean.hold :]
        self.presample = family.presample(shocks)
        require(self.presample > 0, "losses begin with a run of equal values: there is no presample variance", FitError)
        f = self.frame
        self.task = kernel.Task(
            family.code, LAWS[law.short], len(mean.names), f.slots, f.base, f.constraints, f.limits, self.presample,
            family.truncation,
        )  # fmt: skip
        self.attempts, self.retried = 0, False
        self.age = 0

    def run(self, known: Carried | None) -> Optimum:
        """The best acceptable optimum; FitError if there is none."""
        usable = known is not None and known.frame is self.frame
        tops = self._follow(cast(Carried, known)) if usable else []
        lost = not tops
        if known is not None and usable:
            self.age = known.age + 1
            lost = lost or self.family.always or abs(known.scale / self.scale - 1.0) > JUMP or self.age >= LATE
        if lost:
            self.age = 0
            tops = self._distinct([*tops, *self._search()])
        tops = [t for t in tops if t.good]
        if not tops:
            self.retried = True
            tops = [self._simplex()]
        self.tops = tops
        best = tops[0]
        text = f"no acceptable optimum after {self.attempts} optimisations on {self.losses.size} losses"
        require(best.good and self._acceptable(best), text, FitError)
        return best

    def carried(self) -> Carried:
        """What this window hands on to the next."""
        smooth = tuple((t.point, t.curvature) for t in self.tops if not t.held)
        return Carried(self.frame, self.scale, smooth, self.age)

    def costs(self, points: FloatArray, *, slopes: bool = False) -> tuple[FloatArray, FloatArray]:
        """Costs at points, and gradients if `slopes`."""
        values, gradients = np.empty(len(points)), np.empty((len(points) if slopes else 0, points.shape[1]))
        kernel.costs(self.task, self.losses, points, values, gradients)
        return values, gradients

    def _descend(
        self, y: FloatArray, curvature: FloatArray | None, tolerance: float = TOLERANCE, most: int = MOST
    ) -> Optimum:
        self.attempts += 1
        points, fresh = y[None].copy(), curvature is None
        bent = np.zeros((1, y.size, y.size)) if curvature is None else curvature[None].copy()
        value, _, good = kernel.descend(self.task, self.losses, points, bent, fresh, tolerance, most)
        return Optimum(points[0], bent[0], value, good)

    def _follow(self, known: Carried) -> list[Optimum]:
        """The optima of the window before in this one; none where one got lost, which may hide a better one."""
        found = []
        for point, curvature in known.points:
            moved, bent = self.frame.moved(point, curvature, known.scale / self.scale)
            end = self._descend(self._inside(moved), bent, most=MANY)
            if not end.good or self._cusped(end):
                return []
            found.append(end)
        return self._distinct(found)

    def _search(self) -> list[Optimum]:
        """Distinct optima from the best points of the grid: descents that go roughly at first, then to the end.

        Where there may be cusps, the mean is held at first.
        """
        points = self.frame.starts.copy()
        points[:, : len(self.first_mean)] = self.first_mean
        values, _ = self.costs(points)
        order = [i for i in np.argsort(values, kind="stable")[: self.family.few] if values[i] < math.inf]
        if self.mean.short == "constant" and self.family.cusps:
            rough = self._distinct([self._beside(points[i], None, ROUGHLY) for i in order], near=0.05, place=0.1)
            ends = self._distinct([self._descend(r.point, None, most=MANY) for r in rough])
            return self._distinct([self._on_cusp(end) if self._cusped(end) else end for end in ends])
        rough = self._distinct([self._descend(points[i], None, ROUGHLY) for i in order], near=0.05, place=0.1, most=4)
        return self._distinct([self._descend(r.point, r.curvature) for r in rough])

    def _cusped(self, end: Optimum) -> bool:
        """Whether the likelihood has a cusp wherever a constant mean equals a loss."""
        return self.mean.short == "constant" and self.family.cusped(self.frame.unpack(end.point)[1])

    def _beside(self, y: FloatArray, curvature: FloatArray | None, tolerance: float = TOLERANCE) -> Optimum:
        """The optimum of everything but a constant mean."""
        self.attempts += 1
        inner = frame(cast(Any, self.family), ZeroMean(), self.law)
        task = self.task._replace(
            mean=0, slots=inner.slots, base=inner.base, rows=inner.constraints, limits=inner.limits
        )
        whole = np.eye(y.size) if curvature is None else curvature.copy()
        points, bent = y[None, 1:].copy(), whole[None, 1:, 1:].copy()
        value, _, good = kernel.descend(task, self.losses - y[0], points, bent, curvature is None, tolerance, MOST)
        whole[1:, 1:] = bent[0]
        return Optimum(np.array([y[0], *points[0]]), whole, value, good, held=True)

    def _on_cusp(self, end: Optimum) -> Optimum:
        """A better optimum with the mean on a cusp.

        A power below one has a likelihood with a cusp wherever the mean equals a loss. Descents get stuck there; with
        the mean held, everything else is smooth.
        """
        for _ in range(CUSP_ROUNDS):
            beside = np.unique(self.losses[np.argsort(np.abs(self.losses - end.point[0]), kind="stable")[:NEIGHBOURS]])
            points = np.tile(end.point, (beside.size, 1))
            points[:, 0] = beside
            values, _ = self.costs(points)
            tried = [self._beside(points[i], end.curvature) for i in np.argsort(values, kind="stable")[:2]]
            best = min(tried, key=lambda t: t.cost)
            if not best.cost < end.cost - CUSP_GAIN:
                best = self._descend(end.point, None, most=MANY)
            if not best.cost < end.cost - CUSP_GAIN:
                break
            end = best
        return replace(end, held=True, good=True)  # of the rest of the coordinates; the mean moves no more

    def _distinct(
        self, ends: Sequence[Optimum], near: float = SAME, place: float = SAME_PLACE, most: int = KEPT
    ) -> list[Optimum]:
        """The best distinct ends, best first."""
        kept: list[Optimum] = []
        for end in sorted((e for e in ends if e.cost < math.inf), key=lambda e: e.cost):
            if kept and end.cost > kept[0].cost + RIVAL:
                break
            far = [k for k in kept if end.cost > k.cost + near or np.max(np.abs(end.point - k.point)) > place]
            if len(far) == len(kept) < most:
                kept.append(end)
        return kept

    def _inside(self, y: FloatArray) -> FloatArray:
        """The point moved onto the constraints that it breaks."""
        points = y[None].copy()
        settle(self.task.rows, self.task.limits, points, 0)
        return np.asarray(points[0])

    def _simplex(self) -> Optimum:
        """Nelder-Mead from the best of the grid, then a descent: the other optimiser, which needs no derivative."""
        from scipy.optimize import minimize

        self.attempts += 1
        points = self.frame.starts.copy()
        points[:, : len(self.first_mean)] = self.first_mean
        values, _ = self.costs(points)
        rows, limits = self.frame.constraints, self.frame.limits

        def cost(y: FloatArray) -> float:
            if (rows @ y < limits).any():
                return 1e6
            return min(float(self.costs(y[None])[0][0]), 1e6)

        options: Any = {"maxiter": SIMPLEX_MOST, "maxfev": SIMPLEX_MOST, "xatol": 1e-8, "fatol": 1e-10}
        result = minimize(cost, points[int(np.argmin(values))], method="Nelder-Mead", options=options)
        end = self._descend(result.x, None)
        if end.good and end.cost <= result.fun + SLACK:
            return end
        return Optimum(result.x, np.eye(result.x.size), float(result.fun), bool(result.success and result.fun < 1e6))

    def _acceptable(self, found: Optimum) -> bool:
        """Whether an optimum is not below the constant variance with the same mean and law."""
        mean, volatility, _ = self.frame.unpack(found.point)
        shocks = (self.losses - self.mean.path(self.losses, mean)[:-1])[self.mean.hold :]
        whole = self.frame.whole(found.point)
        nu = 1.0 / whole[kernel.P] if whole[kernel.P] > 0 else math.inf
        whole[kernel.FIRST : kernel.FIRST + len(self.family.names)] = self.family.flat(
            volatility, float(np.mean(shocks**2)), nu
        )
        values, _ = self.costs(whole[self.frame.slots][None])
        return bool(found.cost <= values[0] + SLACK)

    def standard_errors(self, found: Optimum, natural: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """Robust (sandwich) errors of what `natural` makes of the coordinates; NaN for what lies on a bound.

        `natural` lists the coordinates in their order. The curvature is that of the kernel's gradient by differences,
        the scores are differences of the days' log-likelihoods. Where constraints are active, both are taken along
        them. Where the likelihood has cusps in the mean it has no curvature there: the mean's error is NaN, and the
        others take the mean as known.
        """
        y, d = found.point, found.point.size
        active = self.frame.constraints[self.frame.constraints @ y - self.frame.limits < ACTIVE]
        if self.family.cusped(self.frame.unpack(y)[1]):
            active = np.vstack([active, np.eye(d)[: len(self.mean.names)]])
        along = np.eye(d)
        if active.size:
            _, sizes, right = np.linalg.svd(active)
            along = right[int((sizes > 1e-12).sum()) :].T
        if not along.size:
            return np.full(d, math.nan)
        hessian = kernel.curvature(self.task, self.losses, y[None].copy(), STEP, 2)[0]
        scores, jacobian = [], []
        for column in along.T:
            size = STEP * max(float(np.max(np.abs(column * y))), 1e-2)
            two = [y + size * column, y - size * column]
            days = [self._days(point) for point in two]
            scores.append((days[0] - days[1]) / (2.0 * size))
            jacobian.append((natural(two[0]) - natural(two[1])) / (2.0 * size))
        middle = np.array(scores) @ np.array(scores).T
        bread = along.T @ (0.5 * (hessian + hessian.T)) @ along
        rows = np.array(jacobian).T
        try:
            half = np.linalg.solve(bread, rows.T)
        except np.linalg.LinAlgError:
            return np.full(rows.shape[0], math.nan)
        with np.errstate(invalid="ignore"):
            errors = np.sqrt(np.einsum("ij,ik,kj->j", half, middle, half))
        held = np.abs(along).sum(axis=1) < 1e-12
        usable = bool(np.all(np.linalg.eigvalsh(bread) > 0))
        return np.where(held | (not usable), math.nan, errors)

    def _days(self, y: FloatArray) -> FloatArray:
        days = kernel.costs(self.task, self.losses, y[None].copy(), np.empty(1), np.empty((0, y.size)))
        return np.asarray(days[self.mean.hold :])
