"""What the maximum-likelihood kernel estimates: free coordinates, their constraints and the grid of starts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from riskcore._types import BoolArray, FloatArray
from riskcore.distributions import Law, ParametricLaw
from riskcore.kernels import descent, search
from riskcore.kernels import likelihood as kernel

FAMILIES = {"garch": kernel.GJR, "gjr": kernel.GJR, "egarch": kernel.EGARCH}
LAWS = {"normal": kernel.NORMAL, "t": kernel.STUDENT_T, "skewt": kernel.SKEW_T, "ged": kernel.GED}
LAW_SLOTS = {"normal": (), "t": ("nu",), "skewt": ("nu", "skew"), "ged": ("shape",)}
FIRST_LAW_SLOT = 5
SMALLEST_OMEGA, LARGEST_OMEGA = 1e-10, 10.0
LOG_OMEGA, LOG_ALPHA, LOG_GAMMA, LOG_BETA = (-50.0, 50.0), (-1.0, 2.0), (-2.0, 2.0), (-0.9, 1.0 - 1e-7)
"""Bounds of EGARCH's coordinates, for losses with standard deviation one."""
ALPHAS, LEVERAGES, PERSISTENCES = (0.01, 0.06, 0.2), (0.0, 1.8), (0.25, 0.7, 0.93, 0.99)
LOG_ALPHAS, LOG_GAMMAS, LOG_PERSISTENCES = (0.05, 0.2), (0.0, 0.1), (0.5, 0.9, 0.98)
LOG_OTHERS = ((0.0, 0.0, 0.9), (-0.2, 0.0, 0.0), (0.2, 0.1, 0.0))
"""Alpha, gamma and beta of further points for a log variance: no shocks, and no memory."""
LOG_FLAT = ((0.0, 0.0, np.nan, 0.995), (0.0, 0.0, np.nan, 0.98), (0.0, -0.3, np.nan, -0.5))
"""Omega, alpha, gamma and beta of starts beside the best top of a log variance where it is weak or rough, NaN as they
are there: a level that hardly moves, from where a descent comes to either side of alpha zero, and no memory. The first
is tried in every such window, the others where the grid is searched."""
TRENDS = (0.98, 0.998)
"""Persistences of points with alpha zero: a variance that drifts away from its start and heeds no shock."""
ARCHES = ((0.4, 0.15), (0.5, 0.6))
"""Omega and alpha of points without memory: where one loss makes most of the variance."""
SHORT, FAINT, LOG_FAINT, FLEETING = 600, 0.03, 0.05, 0.8
"""Fewer losses, a smaller alpha or a smaller persistence: the grid is searched in every window."""
LOW, LASTING, MEMORY = 0.04, 0.95, 0.3
"""So it is for an alpha below the first with a persistence below the second, and for a beta below the last."""

EDGE = 1e-6
"""An inverse of the degrees of freedom this near to its largest, as a share of it, is at the bound."""


@dataclass(frozen=True)
class Problem:
    """What is estimated: free coordinates, their linear constraints, and the kernel's numbers."""

    short: str
    names: tuple[str, ...]
    mean_names: tuple[str, ...]
    law: ParametricLaw
    moving: bool

    @cached_property
    def log_variance(self) -> bool:
        """Whether the recursion is that of the log variance."""
        return FAMILIES[self.short] == kernel.EGARCH

    @cached_property
    def law_slots(self) -> tuple[tuple[str, int], ...]:
        """Free parameters of the law, and their places in the kernel's point."""
        places = enumerate(LAW_SLOTS[self.law.short], start=FIRST_LAW_SLOT)
        return tuple((name, slot) for slot, name in places if name in self.law.free)

    @cached_property
    def slots(self) -> npt.NDArray[np.int64]:
        """Places of the free coordinates in the kernel's point."""
        volatility = [1, 2, 3, 4] if "gamma" in self.names else [1, 2, 4]
        return np.array([*([0] if self.mean_names else []), *volatility, *(slot for _, slot in self.law_slots)])

    @cached_property
    def base(self) -> FloatArray:
        """A whole point with what is not free: mean zero, and the law's fixed parameters."""
        point = np.zeros(kernel.N_FULL)
        known = {**self.law.starts, **self.law.params}
        for i, name in enumerate(LAW_SLOTS[self.law.short]):
            point[FIRST_LAW_SLOT + i] = 1.0 / known[name] if name == "nu" else known[name]
        return point

    @cached_property
    def constraints(self) -> tuple[FloatArray, FloatArray]:
        """Rows and limits: ``rows @ y >= limits``."""
        found: list[tuple[dict[int, float], float]] = []

        def between(slot: int, low: float, high: float) -> None:
            found.extend([({slot: 1.0}, low), ({slot: -1.0}, -high)])

        if self.log_variance:
            for slot, (low, high) in enumerate((LOG_OMEGA, LOG_ALPHA, LOG_GAMMA, LOG_BETA), start=1):
                between(slot, low, high)
        else:
            between(1, SMALLEST_OMEGA, LARGEST_OMEGA)
            found.extend(({slot: 1.0}, 0.0) for slot in (2, 3, 4) if slot in self.slots)
            if 3 in self.slots:  # else the persistence says so; said twice, a step would run in circles
                found.append(({2: -1.0}, -1.0))
            found.append(({2: -0.5, 3: -0.5, 4: -1.0} if 3 in self.slots else {2: -1.0, 4: -1.0}, -1.0))
        for name, slot in self.law_slots:
            low, high = self.law.bounds[name]
            between(slot, *((1.0 / high, 1.0 / low) if name == "nu" else (low, high)))
        rows = [[weights.get(int(slot), 0.0) for slot in self.slots] for weights, _ in found]
        return np.array(rows), np.array([limit for _, limit in found])

    @cached_property
    def model(self) -> Any:
        """The problem as the kernel takes it."""
        rows, limits = self.constraints
        tied = not self.log_variance and "gamma" not in self.names
        family, law = FAMILIES[self.short], LAWS[self.law.short]
        return descent.Model(family, law, self.moving, tied, self.slots, self.base, rows, limits)

    @property
    def n_always(self) -> int:
        """How many points at the end of the grid a weak window descends from whatever they cost."""
        return len(LOG_OTHERS) if self.log_variance else len(TRENDS) + len(ARCHES)

    @cached_property
    def grid(self) -> FloatArray:
        """Points to look at where nothing is known, at the level of the sample's variance; the mean is zero."""
        points = []
        if self.log_variance:
            for alpha, gamma, persistence in product(LOG_ALPHAS, LOG_GAMMAS, LOG_PERSISTENCES):
                points.append([0.0, 0.0, alpha, gamma, persistence])
            points.extend([0.0, 0.0, alpha, gamma, beta] for alpha, gamma, beta in LOG_OTHERS)
        else:
            leverages = LEVERAGES if 3 in self.slots else (0.0,)
            for alpha, leverage, persistence in product(ALPHAS, leverages, PERSISTENCES):
                gain = alpha / (1.0 + 0.5 * leverage)
                points.append([0.0, 1.0 - persistence, gain, gain * (1.0 + leverage), persistence - alpha])
            points.extend([0.0, 1.0 - beta, 0.0, 0.0, beta] for beta in TRENDS)
            points.extend([0.0, omega, alpha, alpha, 0.0] for omega, alpha in ARCHES)
        whole = np.tile(self.base, (len(points), 1))
        whole[:, :5] = points
        rows, limits = self.constraints
        chosen = np.ascontiguousarray(whole[:, self.slots])
        assert (chosen @ rows.T >= limits - 1e-12).all(), "the grid lies within the constraints"
        return chosen

    @cached_property
    def no_grid(self) -> FloatArray:
        """A grid without points."""
        return np.empty((0, self.slots.size))

    @cached_property
    def flat(self) -> FloatArray:
        """Starts beside the best top of a log variance, in all coordinates, NaN where they are those of the top."""
        whole = np.full((len(LOG_FLAT), kernel.N_FULL), np.nan)
        whole[:, 1:5] = LOG_FLAT
        return np.ascontiguousarray(whole[:, self.slots])

    def whole(self, points: FloatArray) -> FloatArray:
        """The kernel's points (m, 7) of free coordinates (m, d)."""
        out = np.empty((len(points), kernel.N_FULL))
        out[:] = self.base
        out[:, self.slots] = points
        if self.model.tied:
            out[:, 3] = out[:, 2]
        return out

    @cached_property
    def limits(self) -> Any:
        """Below these, and above the last, a window is weak."""
        heavy = [(1.0 - EDGE) / self.law.bounds[name][0] for name, _ in self.law_slots if name == "nu"]
        return search.Limits(
            SHORT,
            LOG_FAINT if self.log_variance else FAINT,
            FLEETING,
            heavy[0] if heavy else math.inf,
            LOW,
            LASTING,
            MEMORY,
        )

    def weak(self, n: int, points: FloatArray) -> BoolArray:
        """Whether windows with these best optima (m, d) say so little that there may be another that no descent saw."""
        return np.asarray(search.weak_windows(self.model, self.limits, n, np.ascontiguousarray(points)[:, None]))

    def heaviest(self, points: FloatArray) -> BoolArray:
        """Whether the tails are as heavy as the law allows: then many losses are alike, and there are many tops."""
        nu = np.flatnonzero(self.slots == FIRST_LAW_SLOT)
        return np.asarray((points[:, nu] > self.limits.heavy).any(axis=1))

    def moved(self, points: FloatArray, curvatures: FloatArray, ratio: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Points and curvatures (m, k, d), (m, k, d, d) for losses multiplied by `ratio` (m,)."""
        points, curvatures = points.copy(), curvatures.copy()
        beta = int(np.flatnonzero(self.slots == 4)[0])
        for i, slot in enumerate(self.slots):
            if slot == 1 and self.log_variance:
                points[..., i] += 2.0 * (1.0 - points[..., beta]) * np.log(ratio)[:, None]
            elif slot <= 1:
                by = ratio[:, None] ** (1 + slot)
                points[..., i] *= by
                curvatures[..., i, :] /= by[..., None]
                curvatures[..., :, i] /= by[..., None]
        return points, curvatures


@lru_cache(maxsize=64)
def problem(
    short: str, names: tuple[str, ...], mean_names: tuple[str, ...], law: ParametricLaw, moving: bool
) -> Problem:
    """The problem of a family, a mean and a law with what is free in it."""
    return Problem(short, names, mean_names, law, moving)


def serves(short: str, mean_short: str, law: Law) -> bool:
    """Whether the kernel knows this family, mean and law."""
    return short in FAMILIES and mean_short in ("zero", "constant") and law.short in LAWS and not law.is_sample
