"""GARCH(1,1) and GJR(1,1) by our own kernel: a search from a grid where nothing is known, a short descent where it is.

A fit carries the optima it knows (as a rule one) with their curvature. The next window's fit descends from them and
needs two or three evaluations of the likelihood; where that goes badly the search starts again from the grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray
from riskcore.distributions import Law, ParametricLaw
from riskcore.kernels import garch as kernel

CODES = {"normal": kernel.NORMAL, "t": kernel.STUDENT_T, "skewt": kernel.SKEW_T, "ged": kernel.GED}
LAW_SLOTS = {"normal": (), "t": ("nu",), "skewt": ("nu", "skew"), "ged": ("shape",)}
FIRST_LAW_SLOT = 5
SMALLEST_OMEGA, LARGEST_OMEGA = 1e-10, 10.0
TOLERANCE = 1e-9
"""A descent ends when the next step gains less log-likelihood than this; the step is still taken."""
DESCENTS = 6
"""Points of the grid that descend."""
KEPT = 3
"""Optima that are carried along at most."""
RIVAL = 4.0
"""An optimum this far below the best is no longer carried."""
MERGED = 1e-6
"""Two carried optima with likelihoods as near as this have become one."""
MANY = 9
"""Evaluations after which a descent from the window before counts as lost, and the grid is searched."""
SHORT, FAINT, FLEETING = 600, 0.03, 0.8
"""Fewer losses, a smaller alpha or a smaller persistence: the grid is searched in every window."""
ALPHAS, LEVERAGES, PERSISTENCES = (0.01, 0.06, 0.2), (0.0, 1.8), (0.25, 0.7, 0.93, 0.99)
TREND = (0.0, 0.998)
"""Alpha and persistence of one more point: a variance that drifts away from its start and heeds no shock."""


@dataclass(frozen=True)
class Tracks:
    """Optima of one window, best first, in the units of the losses: coordinates and curvature."""

    problem: Problem
    points: FloatArray
    curvatures: FloatArray


@dataclass(frozen=True)
class Optimum:
    """The best point of a window, in units of the scaled losses."""

    mean_params: tuple[float, ...]
    params: dict[str, float]
    law: Law
    log_likelihood: float
    attempts: int
    evaluations: int
    tracks: Tracks


@dataclass(frozen=True, eq=False)
class Problem:
    """What is estimated, as the kernel wants it: free coordinates, their linear constraints, and the law's code."""

    names: tuple[str, ...]
    mean_names: tuple[str, ...]
    law: ParametricLaw
    moving: bool
    slots: npt.NDArray[np.int64]
    rows: FloatArray
    limits: FloatArray

    @property
    def code(self) -> int:
        """The kernel's number of the law."""
        return CODES[self.law.short]

    @property
    def tied(self) -> bool:
        """Whether gains and losses share one alpha."""
        return "gamma" not in self.names

    def units(self, scale: float) -> FloatArray:
        """What a coordinate of scaled losses is multiplied by in the units of the losses."""
        by_slot = {0: scale, 1: scale * scale}
        return np.array([by_slot.get(int(slot), 1.0) for slot in self.slots])

    def base(self) -> FloatArray:
        """A whole point with what is not free: mean zero, and the law's fixed parameters."""
        point = np.zeros(kernel.N_FULL)
        known = {**self.law.starts, **self.law.params}
        for i, name in enumerate(LAW_SLOTS[self.law.short]):
            point[FIRST_LAW_SLOT + i] = 1.0 / known[name] if name == "nu" else known[name]
        return point

    def grid(self, mean: float) -> FloatArray:
        """Points to look at where nothing is known, at the level of the sample's variance."""
        leverages = (0.0,) if self.tied else LEVERAGES
        found = []
        for alpha, leverage, persistence in product(ALPHAS, leverages, PERSISTENCES):
            gain = alpha / (1.0 + 0.5 * leverage)
            point = self.base()
            point[:5] = mean, 1.0 - persistence, gain, gain * (1.0 + leverage), persistence - alpha
            found.append(point[self.slots])
        point[:5] = mean, 1.0 - TREND[1], TREND[0], TREND[0], TREND[1]
        return np.array([*found, point[self.slots]])

    def weak(self, n_obs: int, coordinates: FloatArray) -> bool:
        """Whether a window says so little that its likelihood may have a second top that a descent does not see."""
        point = self.base()
        point[self.slots] = coordinates
        alpha = 0.5 * (point[2] + (point[2] if self.tied else point[3]))
        return n_obs < SHORT or alpha < FAINT or alpha + point[4] < FLEETING

    def read(self, coordinates: FloatArray) -> tuple[tuple[float, ...], dict[str, float], Law]:
        """Mean, volatility and law of a point."""
        point = self.base()
        point[self.slots] = coordinates
        gain = point[2]
        loss = gain if self.tied else point[3]
        values = {"omega": point[1], "alpha": gain, "gamma": loss - gain, "beta": point[4]}
        free = {}
        for i, name in enumerate(LAW_SLOTS[self.law.short]):
            if name in self.law.free:
                value = float(point[FIRST_LAW_SLOT + i])
                free[name] = 1.0 / value if name == "nu" else value
        law = replace(cast(Any, self.law), **free) if free else self.law
        params = {name: float(values[name]) for name in self.names}
        return tuple(float(point[0]) for _ in self.mean_names), params, cast(Law, law)


@lru_cache(maxsize=64)
def problem(names: tuple[str, ...], mean_names: tuple[str, ...], law: ParametricLaw, moving: bool) -> Problem:
    """The problem of a family, a mean and a law with what is free in it."""
    free_law = [FIRST_LAW_SLOT + i for i, name in enumerate(LAW_SLOTS[law.short]) if name in law.free]
    variance = [1, 2, 3, 4] if "gamma" in names else [1, 2, 4]
    slots = [*([0] if mean_names else []), *variance, *free_law]
    rows, limits = [], []

    def at_least(weights: dict[int, float], limit: float) -> None:
        rows.append([weights.get(slot, 0.0) for slot in slots])
        limits.append(limit)

    at_least({1: 1.0}, SMALLEST_OMEGA)
    at_least({1: -1.0}, -LARGEST_OMEGA)
    for slot in variance[1:]:
        at_least({slot: 1.0}, 0.0)
    at_least({2: -1.0}, -1.0)
    at_least({2: -0.5, 3: -0.5, 4: -1.0} if 3 in slots else {2: -1.0, 4: -1.0}, -1.0)
    for i, name in enumerate(LAW_SLOTS[law.short]):
        if name in law.free:
            low, high = law.bounds[name]
            low, high = (1.0 / high, 1.0 / low) if name == "nu" else (low, high)
            at_least({FIRST_LAW_SLOT + i: 1.0}, low)
            at_least({FIRST_LAW_SLOT + i: -1.0}, -high)
    return Problem(names, mean_names, law, moving, np.array(slots), np.array(rows), np.array(limits))


def maximise(
    task: Problem, x: FloatArray, scale: float, mean: float, presample: float, start: Tracks | None
) -> Optimum | None:
    """The best optimum of scaled losses `x`, or None where the kernel finds none."""
    run = _Run(task, x, presample)
    units = task.units(scale)
    known = start if start is not None and start.problem is task else None
    found = None if known is None else run.follow(known.points / units, known.curvatures * np.outer(units, units))
    if found is None or task.weak(x.size, found[0][0]):
        extra = [] if known is None else list(known.points / units if found is None else found[0])
        found = run.search(np.array([*extra, *task.grid(mean)]))
    points, curvatures, values = found
    if values.size == 0:
        return None
    mean_params, params, law = task.read(points[0])
    tracks = Tracks(task, points * units, curvatures / np.outer(units, units))
    return Optimum(mean_params, params, law, -float(values[0]), run.attempts, run.evaluations, tracks)


class _Run:
    """Kernel calls on one window, with its work space and the count of evaluations."""

    def __init__(self, task: Problem, x: FloatArray, presample: float) -> None:
        self.task, self.x, self.presample = task, x, presample
        self.work = np.empty((5, x.size))
        self.evaluations = self.attempts = 0

    def follow(self, points: FloatArray, curvatures: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """The same optima in this window; None where one got lost, which may hide a better one."""
        task = self.task
        points, curvatures, values = points.copy(), curvatures.copy(), np.empty(len(points))
        for i, (point, curvature) in enumerate(zip(points, curvatures, strict=True)):
            values[i], count, good = kernel.descend(
                self.x, point, curvature, task.rows, task.limits, task.slots, task.tied, task.code,
                self.presample, task.moving, task.base(), self.work, TOLERANCE, MANY,
            )  # fmt: skip
            self.evaluations += count
            self.attempts += 1
            if not good:
                return None
        order = np.argsort(values, kind="stable")
        near = [int(i) for i in order if values[i] < values[order[0]] + RIVAL]
        kept = [i for k, i in enumerate(near) if all(abs(values[i] - values[j]) > MERGED for j in near[:k])]
        return points[kept], curvatures[kept], values[kept]

    def search(self, starts: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Distinct optima from the best of `starts`, best first."""
        task, d = self.task, starts.shape[1]
        inside = (starts @ task.rows.T >= task.limits - 1e-12).all(axis=1)
        points, curvatures, values = (np.empty((DESCENTS, *shape)) for shape in ((d,), (d, d), ()))
        n, count = kernel.search(
            self.x, np.ascontiguousarray(starts[inside]), DESCENTS, task.rows, task.limits, task.slots, task.tied,
            task.code, self.presample, task.moving, task.base(), self.work, TOLERANCE,
            points, curvatures, values,
        )  # fmt: skip
        self.evaluations += count
        self.attempts += min(DESCENTS, int(inside.sum()))
        n = min(KEPT, int(np.sum(values[:n] < values[0] + RIVAL))) if n else 0
        return points[:n], curvatures[:n], values[:n]


def serves(short: str, mean_short: str, law: Law) -> bool:
    """Whether the kernel knows this family, mean and law."""
    return short in ("garch", "gjr") and mean_short in ("zero", "constant") and law.short in CODES and not law.is_sample
