"""Simulated null laws: losses drawn from each day's own law, or hits with exponential excess."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from riskcore._types import FloatArray
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


def _paths(
    rng: np.random.Generator, n_days: int, n_paths: int, draw: Callable[[FloatArray, FloatArray], None]
) -> FloatArray:
    """One block of uniforms (path, day) turned into losses."""
    uniforms = rng.random((n_paths, n_days))
    losses = np.empty_like(uniforms)
    draw(uniforms, losses)
    return losses


def _blocks(n_days: int, n_simulations: int) -> list[int]:
    size = max(1, BLOCK // max(n_days, 1))
    full, rest = divmod(n_simulations, size)
    return [size] * full + ([rest] if rest else [])


def simulated_sums(
    seed: int,
    n_days: int,
    n_simulations: int,
    draw: Callable[[FloatArray, FloatArray], None],
    sums: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    """Sums of each simulated path, in blocks; the stream of uniforms does not depend on the block size."""
    rng = np.random.default_rng(seed)
    return np.concatenate([sums(_paths(rng, n_days, size, draw)) for size in _blocks(n_days, n_simulations)])


class _Key:
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
        return isinstance(other, _Key) and self.digest == other.digest


def day_laws(tail: tuple[FloatArray, FloatArray], level: FloatArray) -> DayLaws:
    """Interpolated laws of days whose quantiles (T, Q) at levels (Q,) are known."""
    return _day_laws(_Key(0, 0, *tail, level))


@lru_cache(maxsize=2)
def _day_laws(key: _Key) -> DayLaws:
    levels, quantiles, level = key.arrays
    knots = np.log(levels / (1.0 - levels))
    measures = simulate.law_functionals(knots, quantiles, level)
    var, es, expectile, exceedance = (np.ascontiguousarray(x) for x in measures.T)
    return DayLaws(levels, knots, quantiles, level, var, es, expectile, exceedance)


def own_law_es_sums(seed: int, n_simulations: int, laws: DayLaws, scale: FloatArray) -> FloatArray:
    """`kernels.simulate.es_sums` of paths drawn from the days' own laws."""
    return _own_law_es(_Key(seed, n_simulations, laws.levels, laws.quantiles, laws.level, scale))


@lru_cache(maxsize=2)
def _own_law_es(key: _Key) -> FloatArray:
    levels, quantiles, level, scale = key.arrays
    laws = day_laws((levels, quantiles), level)

    def draw(uniforms: FloatArray, out: FloatArray) -> None:
        simulate.draw_tails(uniforms, levels, laws.knots, quantiles, level, laws.var, out)

    def sums(losses: FloatArray) -> FloatArray:
        return simulate.es_sums(losses, laws.var, laws.es, level, scale)

    return simulated_sums(key.seed, level.size, key.n_simulations, draw, sums)


def exponential_es_sums(
    seed: int, n_simulations: int, var: FloatArray, es: FloatArray, level: FloatArray, scale: FloatArray
) -> FloatArray:
    """`kernels.simulate.es_sums` of Bernoulli hits whose excess is exponential with mean es - var."""
    return _exponential_es(_Key(seed, n_simulations, var, np.maximum(es, var), level, scale))


@lru_cache(maxsize=2)
def _exponential_es(key: _Key) -> FloatArray:
    var, es, level, scale = key.arrays

    def draw(uniforms: FloatArray, out: FloatArray) -> None:
        simulate.draw_excesses(uniforms, level, var, es, out)

    def sums(losses: FloatArray) -> FloatArray:
        return simulate.es_sums(losses, var, es, level, scale)

    return simulated_sums(key.seed, level.size, key.n_simulations, draw, sums)


def own_law_expectile_sums(seed: int, n_simulations: int, laws: DayLaws, scale: FloatArray) -> FloatArray:
    """`kernels.simulate.expectile_sums` of paths drawn from the days' own laws."""
    return _own_law_expectile(_Key(seed, n_simulations, laws.levels, laws.quantiles, laws.level, scale))


@lru_cache(maxsize=2)
def _own_law_expectile(key: _Key) -> FloatArray:
    levels, quantiles, level, scale = key.arrays
    laws = day_laws((levels, quantiles), level)

    def draw(uniforms: FloatArray, out: FloatArray) -> None:
        simulate.draw_losses(uniforms, levels, laws.knots, quantiles, out)

    def sums(losses: FloatArray) -> FloatArray:
        return simulate.expectile_sums(losses, laws.expectile, level, scale)

    return simulated_sums(key.seed, level.size, key.n_simulations, draw, sums)


def residual_expectile_sums(
    seed: int,
    n_simulations: int,
    residuals: FloatArray,
    expectile: FloatArray,
    level: FloatArray,
    scale: FloatArray,
) -> FloatArray:
    """`kernels.simulate.expectile_sums` of paths ``m_t r``, r resampled from residuals of expectile 1."""

    def draw(uniforms: FloatArray, out: FloatArray) -> None:
        np.multiply(residuals[(uniforms * residuals.size).astype(np.int64)], expectile, out=out)

    def sums(losses: FloatArray) -> FloatArray:
        return simulate.expectile_sums(losses, expectile, level, scale)

    return simulated_sums(seed, level.size, n_simulations, draw, sums)
