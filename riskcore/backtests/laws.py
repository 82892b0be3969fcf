"""Simulated null laws: losses drawn from each day's own law, or hits with exponential excess."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from riskcore._types import FloatArray, IntArray
from riskcore.kernels import simulate

BLOCK = 1 << 19
"""Draws held in memory at once."""


@dataclass(frozen=True)
class DayLaws:
    """Each day's law, interpolated between its quantiles, with its own VaR, ES and expectile at the day's level.

    The quantile is linear in ``log(u / (1 - u))`` between the levels and beyond them. The statistic of a simulated
    path uses the measures of this law, not the forecasts, so that interpolation does not bias the null.
    """

    levels: FloatArray
    knots: FloatArray
    quantiles: FloatArray
    level: FloatArray
    var: FloatArray
    es: FloatArray
    expectile: FloatArray
    exceedance: FloatArray

    @property
    def flaw(self) -> str:
        """Why no honest null can be drawn from these laws, or an empty string."""
        if bool(np.any(np.diff(self.quantiles, axis=1) < 0)):
            return "the quantiles of the day's law do not increase"
        if bool(np.any(self.quantiles[:, -1] <= self.quantiles[:, 0])):
            return "the day's law has no spread"
        return ""


class Key:
    """Arrays and numbers as one hashable key, compared by content: tests of one unit share laws and simulations."""

    def __init__(self, seed: int, n_simulations: int, *arrays: FloatArray) -> None:
        self.seed, self.n_simulations, self.arrays = seed, n_simulations, arrays
        digest = blake2b(repr((seed, n_simulations, *(x.shape for x in arrays))).encode())
        for x in arrays:
            digest.update(np.ascontiguousarray(x))
        self.digest = digest.hexdigest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.digest == other.digest


def day_laws(tail: tuple[FloatArray, FloatArray], level: FloatArray) -> DayLaws:
    """Interpolated laws of days whose quantiles (T, Q) at levels (Q,) are known."""
    return _day_laws(Key(0, 0, *tail, level))


@lru_cache(maxsize=2)
def _day_laws(key: Key) -> DayLaws:
    levels, quantiles, level = key.arrays
    knots = np.log(levels / (1.0 - levels))
    measures = simulate.law_functionals(knots, quantiles, level)
    var, es, expectile, exceedance = (np.ascontiguousarray(x) for x in measures.T)
    return DayLaws(levels, knots, quantiles, level, var, es, expectile, exceedance)


def own_law_es_sums(seed: int, n_simulations: int, laws: DayLaws, scale: FloatArray) -> FloatArray:
    """`kernels.simulate.es_sums` of paths drawn from the days' own laws."""
    return _own_law_es(Key(seed, n_simulations, laws.levels, laws.quantiles, laws.level, scale))


@lru_cache(maxsize=2)
def _own_law_es(key: Key) -> FloatArray:
    levels, quantiles, level, _ = key.arrays
    laws = day_laws((levels, quantiles), level)
    return _drawn_es(key, laws.knots, np.ascontiguousarray(quantiles), laws.var, laws.es)


def exponential_es_sums(
    seed: int, n_simulations: int, var: FloatArray, es: FloatArray, level: FloatArray, scale: FloatArray
) -> FloatArray:
    """`kernels.simulate.es_sums` of Bernoulli hits whose excess is exponential with mean es - var."""
    return _exponential_es(Key(seed, n_simulations, var, np.maximum(es, var), level, scale))


@lru_cache(maxsize=2)
def _exponential_es(key: Key) -> FloatArray:
    var, es, _, _ = key.arrays
    return _drawn_es(key, np.empty(0), np.empty((0, 0)), var, es)


def _drawn_es(key: Key, knots: FloatArray, quantiles: FloatArray, var: FloatArray, es: FloatArray) -> FloatArray:
    level, scale = (np.ascontiguousarray(x) for x in key.arrays[-2:])
    out = np.empty((key.n_simulations, simulate.ES_SUMS))
    simulate.drawn_es_sums(_start(key.seed), knots, quantiles, level, var, es, scale, out)
    return out


def _start(seed: int) -> int:
    """State from which the kernel's own generator starts."""
    return int(np.random.default_rng(seed).integers(2**63))


def own_law_expectile_sums(
    seed: int, n_simulations: int, laws: DayLaws, scale: FloatArray, forecast: FloatArray | None = None
) -> FloatArray:
    """`kernels.simulate.expectile_sums` of paths drawn from the days' own laws; their score is that of `forecast`."""
    m = laws.expectile if forecast is None else forecast
    return _own_law_expectile(Key(seed, n_simulations, laws.levels, laws.quantiles, laws.level, scale, m))


@lru_cache(maxsize=2)
def _own_law_expectile(key: Key) -> FloatArray:
    levels, quantiles, level, *given = key.arrays
    laws = day_laws((levels, quantiles), level)
    quantiles, level, scale, forecast = (np.ascontiguousarray(x) for x in (quantiles, level, *given))
    out = np.empty((key.n_simulations, 7))
    start = _start(key.seed)
    simulate.drawn_expectile_sums(start, laws.knots, quantiles, level, laws.expectile, scale, forecast, out)
    return out


def residual_expectile_sums(
    seed: int,
    n_simulations: int,
    residuals: FloatArray,
    expectile: FloatArray,
    level: FloatArray,
    scale: FloatArray,
) -> FloatArray:
    """`kernels.simulate.expectile_sums` of paths ``m_t r``, r resampled from residuals of expectile 1."""
    rng, size = np.random.default_rng(seed), max(1, BLOCK // max(level.size, 1))
    sums = []
    for first in range(0, n_simulations, size):
        drawn = rng.integers(residuals.size, size=(level.size, min(size, n_simulations - first)))
        sums.append(simulate.expectile_sums(residuals[drawn] * expectile[:, None], expectile, level, scale))
    return np.concatenate(sums)


TailStatistic = Callable[[IntArray, IntArray, FloatArray, FloatArray, FloatArray], None]
"""Called as ``f(where, first, losses, bound, out)`` on paths of `kernels.simulate.drawn_tails`."""


def own_law_statistics(
    seed: int, n_simulations: int, laws: DayLaws, chance: float, statistic: TailStatistic, incomplete: float
) -> FloatArray:
    """A statistic of paths drawn from the days' own laws that mostly needs the losses of the upper tail alone.

    Only losses above the quantile at ``1 - chance`` are drawn; a path for which the statistic is `incomplete` gets the
    rest of its losses, so that its law is that of whole paths.
    """
    n, start, out = laws.level.size, _start(seed), np.full(n_simulations, np.nan)
    knots, quantiles = laws.knots, np.ascontiguousarray(laws.quantiles)
    bound = _quantiles_at(laws, 1.0 - chance)
    room = max(BLOCK, n)
    where, losses = np.empty(room, np.int64), np.empty(room)
    every, whole, none = np.arange(n), np.empty(n), np.empty(0)
    path = 0
    while path < n_simulations:
        first = np.zeros(n_simulations - path + 1, np.int64)
        done = simulate.drawn_tails(start, path, knots, quantiles, chance, where, losses, first)
        first, part = first[: done + 1], out[path : path + done]
        statistic(where, first, losses, bound, part)
        for i in np.flatnonzero(part == incomplete):
            drawn = slice(first[i], first[i + 1])
            args = (knots, quantiles, chance, where[drawn], losses[drawn], whole)
            simulate.draw_rest(start, path + int(i), *args)
            statistic(every, np.array([0, n]), whole, none, part[i : i + 1])
        path += done
    return out


def _quantiles_at(laws: DayLaws, level: float) -> FloatArray:
    """Quantiles (T,) of the interpolated laws at a level."""
    y = np.log(level / (1.0 - level))
    j = int(np.clip(np.searchsorted(laws.knots, y, side="right") - 1, 0, laws.knots.size - 2))
    w = (y - laws.knots[j]) / (laws.knots[j + 1] - laws.knots[j])
    below, above = laws.quantiles[:, j], laws.quantiles[:, j + 1]
    return np.asarray(below + w * (above - below))
