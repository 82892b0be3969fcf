"""Independent uniform PIT: the null of every test of a density, drawn once for each number of days and level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from riskcore import defaults
from riskcore._types import FloatArray, IntArray
from riskcore.backtests.base import (
    NO_PATH,
    UNIFORM,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    prepare,
    seed_of,
    simulated_p,
    undefined,
)
from riskcore.backtests.nulls import Hits, draw_hits
from riskcore.errors import DataError, require

ONE_LEVEL = "needs one level for all days"
NO_TAIL = "no PIT above the level"
FLOOR = 2.0**-53
"""PIT below it, or as close to 1, are put there before a quantile of them is taken."""
BLOCK = 1 << 19
"""Draws held in memory at once: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Tails:
    """What lies above the level on each path: `hits` says on which days, `rest` is ``(1 - u)/(1 - level)`` there.

    Under the null the rests are independent uniforms, whatever the level.
    """

    hits: Hits
    rest: FloatArray

    @property
    def path(self) -> IntArray:
        """Path of each hit."""
        counts = self.hits.counts
        return np.repeat(np.arange(counts.size), counts)

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum over each path of a value for each hit."""
        return np.asarray(np.bincount(self.path, values, minlength=self.hits.counts.size), dtype=np.float64)


TailStatistic = Callable[[Tails, FloatArray, tuple[Any, ...]], FloatArray]
"""Statistics (paths,) from tails, the days' levels (n,) and options: a pure function of a module."""
PathStatistic = Callable[[FloatArray, tuple[Any, ...]], FloatArray]
"""Statistics (paths,) from draws (paths, n) and options: a pure function of a module."""


def pit_sample(
    pit: Any, level: Any, nan: str, *, tail: Any = None, minimum: int = 1
) -> tuple[Sample, FloatArray, dict[str, Detail]]:
    """Checked columns, the PIT and the details of all tests of it."""
    sample = prepare(nan, {"pit": pit}, level, tail=tail, minimum=minimum)
    u = sample.columns["pit"]
    outside = u[(u < 0) | (u > 1)]
    require(outside.size == 0, f"pit must lie in [0, 1], got {outside[:1]}", DataError)
    return sample, u, {"missing": sample.missing, "at_bounds": int(np.count_nonzero((u == 0) | (u == 1)))}


def tails_of(pit: FloatArray, level: FloatArray) -> Tails:
    """The tail of one observed path."""
    above: npt.NDArray[np.bool_] = pit > level
    return Tails(Hits.of(above), ((1.0 - pit) / (1.0 - level))[above])


@lru_cache(maxsize=4)
def _drawn_tails(n: int, levels: bytes, seed: int, n_simulations: int) -> Tails:
    hits = draw_hits(seed, n_simulations, np.broadcast_to(np.frombuffer(levels), (n,)))
    rest = 1.0 - np.random.default_rng([seed, 1]).random(hits.where.size)
    return Tails(hits, rest)


@lru_cache(maxsize=128)
def _tail_null(
    statistic: TailStatistic, options: tuple[Any, ...], n: int, levels: bytes, seed: int, n_simulations: int
) -> FloatArray:
    level = np.broadcast_to(np.frombuffer(levels), (n,))
    drawn = statistic(_drawn_tails(n, levels, seed, n_simulations), level, options)
    drawn.flags.writeable = False
    return drawn


def tail_null(
    statistic: TailStatistic, options: tuple[Any, ...], level: FloatArray, seed: int, n_simulations: int
) -> FloatArray:
    """Statistics of tails of independent uniforms; drawn once for the same days, levels, options and seed."""
    same = bool(np.all(level == level[0]))
    key = np.ascontiguousarray(level[:1] if same else level).tobytes()
    return _tail_null(statistic, options, level.size, key, seed, n_simulations)


@lru_cache(maxsize=128)
def path_null(
    statistic: PathStatistic, options: tuple[Any, ...], n: int, seed: int, n_simulations: int, *, normal: bool = False
) -> FloatArray:
    """Statistics of paths of independent uniforms, or of their normal quantiles; drawn once."""
    random = np.random.default_rng(seed)
    draw = random.standard_normal if normal else random.random
    rows = max(1, BLOCK // max(n, 1))
    sizes = [min(rows, n_simulations - i) for i in range(0, n_simulations, rows)]
    drawn = np.concatenate([statistic(draw((size, n)), options) for size in sizes])
    drawn.flags.writeable = False
    return drawn


def against(
    name: str,
    null: str,
    sample: Sample,
    value: float,
    details: dict[str, Detail],
    simulated: Callable[[int], FloatArray],
    *,
    side: str = "upper",
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
) -> BacktestResult:
    """A result whose p-value is the share of simulated statistics that are as extreme; `simulated` takes the seed."""
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    seed = seed_of(rng)
    drawn = simulated(seed)
    details |= {"seed": seed, "n_simulations": n_simulations}
    lost = int(np.count_nonzero(~np.isfinite(drawn)))
    if lost:
        details["undefined_paths"] = lost
    chance = simulated_p(value, drawn, side)
    if np.isnan(chance):
        return undefined(name, null, sample, NO_PATH, details, statistic=value)
    return BacktestResult(name, null, value, chance, UNIFORM, sample.n_obs, details)
