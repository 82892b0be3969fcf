"""Which law a p-value comes from, and simulated nulls of statistics of hits, drawn once for each n and level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from riskcore import defaults
from riskcore._types import FloatArray, IntArray
from riskcore.backtests.attained import asymptotic_holds
from riskcore.backtests.base import ASYMPTOTIC, BERNOULLI, EXACT, Detail, Seed, choice, seed_of, simulated_p
from riskcore.errors import require

AUTO, SIMULATED = "auto", "simulated"
BLOCK = 1 << 22
"""Random numbers held in memory at once."""


def null_law(name: str, p_value: str, n_obs: int, level: float, offered: tuple[str, ...]) -> str:
    """The null that serves: the one asked for, or by "auto" the first of `offered` unless the asymptotic one is good.

    `offered` lists what the test has, the most trusted first: "exact", "simulated", "asymptotic". An exact p-value is
    always taken. In place of a simulated one the asymptotic one is taken where the table of sizes shows that it keeps
    its size for that many days at that level; at a level that moves from day to day (NaN) never.
    """
    choice("p_value", p_value, (AUTO, *offered))
    if p_value != AUTO:
        return p_value
    good = offered[0] != EXACT and ASYMPTOTIC in offered and asymptotic_holds(name, n_obs, level)
    return ASYMPTOTIC if good else offered[0]


@dataclass(frozen=True)
class Hits:
    """Sequences of hits of `n` days each, by the days on which they occur: path i has ``where[first[i]:first[i + 1]]``.

    Days count from 0 and rise within a path.
    """

    where: IntArray
    first: IntArray
    n: int

    @staticmethod
    def of(hits: npt.NDArray[np.bool_]) -> Hits:
        """One path (n,), or several (paths, n)."""
        rows = np.atleast_2d(hits)
        first = np.concatenate([[0], np.cumsum(rows.sum(axis=1))]).astype(np.int64)
        return Hits(np.nonzero(rows)[1].astype(np.int64), first, rows.shape[1])

    @property
    def counts(self) -> IntArray:
        """Hits of each path."""
        return np.asarray(np.diff(self.first), dtype=np.int64)


HitStatistic = Callable[[Hits, FloatArray, tuple[Any, ...]], FloatArray]
"""Statistics (paths,) from hits, the days' levels (n,) and options: a pure function of a module."""


def draw_hits(seed: int, n_paths: int, level: FloatArray) -> Hits:
    """Independent hits with probability ``1 - level`` on each day, `n_paths` times."""
    random, n = np.random.default_rng(seed), level.size
    rows = max(1, BLOCK // max(n, 1))
    parts = [Hits(np.empty(0, np.int64), np.zeros(1, np.int64), n)]
    parts += [Hits.of(random.random((min(rows, n_paths - i), n)) > level) for i in range(0, n_paths, rows)]
    counts = np.concatenate([part.counts for part in parts])
    where = np.concatenate([part.where for part in parts])
    return Hits(where, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), n)


@lru_cache(maxsize=128)
def _null(
    statistic: HitStatistic, options: tuple[Any, ...], n: int, levels: bytes, seed: int, n_simulations: int
) -> FloatArray:
    level = np.frombuffer(levels)
    level = np.full(n, level[0]) if level.size == 1 else level
    drawn = statistic(_drawn(n, levels, seed, n_simulations), level, options)
    drawn.flags.writeable = False
    return drawn


@lru_cache(maxsize=4)
def _drawn(n: int, levels: bytes, seed: int, n_simulations: int) -> Hits:
    level = np.frombuffer(levels)
    return draw_hits(seed, n_simulations, np.full(n, level[0]) if level.size == 1 else level)


def hit_null(
    statistic: HitStatistic, options: tuple[Any, ...], level: FloatArray, seed: int, n_simulations: int
) -> FloatArray:
    """Statistics of iid hits; drawn once for the same number of days, levels, options and seed."""
    same = bool(np.all(level == level[0]))
    key = np.ascontiguousarray(level[:1] if same else level).tobytes()
    return _null(statistic, options, level.size, key, seed, n_simulations)


def hit_p(
    statistic: HitStatistic,
    observed: float,
    options: tuple[Any, ...],
    level: FloatArray,
    rng: Seed,
    *,
    side: str = "upper",
    n_simulations: int = defaults.N_SIMULATIONS,
) -> tuple[float, dict[str, Detail]]:
    """Monte Carlo p-value of a statistic of hits, ``(1 + #{simulated as extreme}) / (1 + B)``, and what it used."""
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    seed = seed_of(rng)
    drawn = hit_null(statistic, options, level, seed, n_simulations)
    facts: dict[str, Detail] = {"seed": seed, "n_simulations": n_simulations}
    undefined = int(np.count_nonzero(~np.isfinite(drawn)))
    if undefined:
        facts["undefined_paths"] = undefined
    return simulated_p(observed, drawn, side), facts


HIT_NULL = BERNOULLI
"""How a result names the null of `hit_p`."""
