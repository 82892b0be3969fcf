"""Acerbi-Szekely Z3: the ES that the days' own laws give to the largest PIT."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import betainc

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import OWN_LAW, BacktestResult, Seed, Tail, hit_details, seed_of, simulated_p, undefined
from riskcore.backtests.laws import day_laws
from riskcore.backtests.uniforms import FLOOR, ONE_LEVEL, pit_sample
from riskcore.errors import require
from riskcore.measures.rows import exact_level

NODES, WIDTH, FAR = 16, 0.25, 45.0
"""Gauss points of a panel, width of a panel in the logit, and how far beyond the outermost knots the integral goes."""


def acerbi_szekely_z3(
    pit: Any,
    level: Any,
    *,
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test the tail of the law as a whole: each day's ES of the worst PIT against its expectation.

    .. math:: Z_3 = 1 - \frac{1}{T} \sum_t \frac{\hat e_t}{E \hat e_t}, \quad
              \hat e_t = \frac{1}{k} \sum_{i=1}^{k} Q_t(u_{(T-i+1)}), \quad k = \lfloor T(1-p) \rfloor

    The k largest PIT are put into the quantile function Q of every day. Its expectation over independent uniforms is
    :math:`\frac{T}{k} \int_0^1 I_s(T-k, k) Q_t(s)\,ds`, I the regularised incomplete beta function. Negative values
    mean understated risk; the p-value is one-sided on that side, simulated from independent uniforms and the days' own
    laws. The quantile function is that of the simulated nulls: linear in the logit between the quantiles of `tail`.

    Parameters
    ----------
    pit : array_like
        u = F(L), in [0, 1].
    level : float or array_like
        In (0.5, 1), the same for all days.
    tail : (levels, quantiles)
        Levels (Q,) and quantiles (T, Q) of each day's own law. Without it there is no statistic.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated paths.
    nan : {"drop", "raise"}
        What a missing value or law means.

    Returns
    -------
    BacktestResult
        `details`: hits (u above the level), expected_hits, missing, at_bounds, worst (k), seed, n_simulations. NaN
        without laws, where T(1 - p) is below 1, where a day's expected ES is not positive, and where the level moves
        from day to day.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used, or a value outside [0, 1].

    References
    ----------
    Acerbi and Szekely (2014), Backtesting expected shortfall, Risk, December 2014.

    Examples
    --------
    >>> levels = np.array([0.25, 0.5, 0.75])
    >>> law = np.tile(np.log(levels / (1 - levels)), (4, 1))  # logistic losses: Q is the logit, E of the largest 11/6
    >>> round(acerbi_szekely_z3([0.1, 0.2, 0.6, 0.9], 0.75, tail=(levels, law)).statistic, 6)  # 1 - log(9) / (11/6)
    -0.198486
    """
    name, null = "acerbi_szekely_z3", "the PIT is uniform in the tail: the mean of realised over expected ES is 1"
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    sample, u, facts = pit_sample(pit, level, nan, tail=tail)
    details = hit_details(sample, np.count_nonzero(u > sample.level)) | facts
    reason = sample.reason or (ONE_LEVEL if np.isnan(sample.one_level) else "")
    if reason:
        return undefined(name, null, sample, reason, details)
    n = sample.n_obs
    k = math.floor(n * (1 - exact_level(sample.one_level)))
    details["worst"] = k
    if k < 1 or sample.tail is None:
        reason = "needs the law of each day" if k else f"{n} days, too few for one beyond the level"
        return undefined(name, null, sample, reason, details)
    levels, quantiles = sample.tail
    expected = quantiles @ _expected_weights(n, k, levels.tobytes())
    reason = day_laws(sample.tail, sample.level).flaw
    if not reason and bool(np.any(expected <= 0)):
        reason = f"the expected ES of the day's law must be positive, is not on {int(np.sum(expected <= 0))} days"
    if reason:
        return undefined(name, null, sample, reason, details)
    share = np.mean(quantiles / expected[:, None], axis=0)  # Z3 is linear in the weights that the PIT give the knots
    worst = np.sort(u)[None, n - k :]
    value = float(1.0 - (_weights(worst, levels) @ share)[0])
    seed = seed_of(rng)
    drawn = 1.0 - _drawn_weights(n, k, levels.tobytes(), seed, n_simulations) @ share
    details |= {"seed": seed, "n_simulations": n_simulations}
    return BacktestResult(name, null, value, simulated_p(value, drawn, "lower"), OWN_LAW, n, details)


def _weights(worst: FloatArray, levels: FloatArray) -> FloatArray:
    """What each knot of the quantile function counts for in the mean of Q over rows (paths, k) of PIT: (paths, Q)."""
    u = np.clip(worst, FLOOR, 1.0 - FLOOR)
    return _spread(np.log(u / (1.0 - u)), np.full(u.shape, 1.0 / u.shape[1]), levels)


def _spread(y: FloatArray, share: FloatArray, levels: FloatArray) -> FloatArray:
    """Shares at the logits y (rows, k), divided between the two knots of their segment; beyond the ends it goes on."""
    knots, rows = np.log(levels / (1.0 - levels)), y.shape[0]
    j = np.clip(np.searchsorted(knots, y, side="right") - 1, 0, knots.size - 2)
    upper = share * (y - knots[j]) / (knots[j + 1] - knots[j])
    cell = j + knots.size * np.arange(rows)[:, None]
    size = rows * knots.size
    out = np.zeros(size)
    out += np.bincount(cell.ravel(), (share - upper).ravel(), minlength=size)
    out += np.bincount(cell.ravel() + 1, upper.ravel(), minlength=size)
    return out.reshape(rows, knots.size)


@lru_cache(maxsize=16)
def _expected_weights(n: int, k: int, levels: bytes) -> FloatArray:
    """Expectation of `_weights` of the k largest of n independent uniforms, by Gauss's rule between the knots."""
    at = np.frombuffer(levels)
    knots = np.log(at / (1.0 - at))
    edges = [knots[0] - FAR, *knots, knots[-1] + FAR]
    cuts = [np.linspace(a, b, math.ceil((b - a) / WIDTH) + 1)[:-1] for a, b in itertools.pairwise(edges)]
    grid = np.append(np.concatenate(cuts), edges[-1])
    x, w = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(grid)[:, None] / 2.0
    y = (grid[:-1, None] + half * (1.0 + x)).ravel()
    s = 1.0 / (1.0 + np.exp(-y))
    density = np.exp(-np.abs(y)) / (1.0 + np.exp(-np.abs(y))) ** 2
    share = (half * w).ravel() * density * betainc(n - k, k, s) * n / k
    out: FloatArray = _spread(y[None, :], share[None, :], at)[0]
    out.flags.writeable = False
    return out


@lru_cache(maxsize=32)
def _drawn_weights(n: int, k: int, levels: bytes, seed: int, n_simulations: int) -> FloatArray:
    """`_weights` of simulated paths: the k largest of n uniforms, from exponential spacings of their logarithms."""
    spacings = np.random.default_rng(seed).standard_exponential((n_simulations, k)) / np.arange(n, n - k, -1.0)
    worst = np.exp(-np.cumsum(spacings, axis=1))
    out = _weights(worst, np.frombuffer(levels))
    out.flags.writeable = False
    return out
