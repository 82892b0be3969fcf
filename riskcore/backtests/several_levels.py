"""Tests of the VaR at several levels at once, and of ES by the hits at the levels above its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import bdtrc, chdtrc, gammaln, xlogy

from riskcore import defaults
from riskcore._types import FloatArray, IntArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    BERNOULLI,
    EXACT,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    choice,
    prepare,
    seed_of,
    simulated_p,
    undefined,
)
from riskcore.backtests.hit_laws import ExactLaw
from riskcore.backtests.nulls import AUTO, SIMULATED, null_law
from riskcore.errors import DataError, require
from riskcore.measures.rows import tail_probability

PEARSON, NASS, LR = "pearson", "nass", "lr"
CHEAP, MOST = 250_000, 4_000_000
"""Outcomes that are enumerated by "auto", and by request."""
UNLIKELY = 1e-12
"""Chance of the outcomes with more hits than are enumerated; they count as extreme."""
NULL = "the share of losses between neighbouring levels is the difference of the levels"


def multilevel(
    losses: Any,
    var: Any,
    levels: Sequence[float],
    *,
    form: str = LR,
    p_value: str = AUTO,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test the number of losses between the VaR of neighbouring levels, for all levels at once (Perignon-Smith).

    .. math:: LR = 2 \sum_{j=0}^m O_j \ln \frac{O_j}{T \pi_j} \sim \chi^2_m, \quad \pi_j = p_{j+1} - p_j,
              \quad p_0 = 0,\ p_{m+1} = 1

    :math:`O_j` counts the days whose loss lies above the VaR of exactly j of the m levels.

    Parameters
    ----------
    losses : array_like (n,)
        Losses.
    var : array_like (n, m)
        VaR forecasts, a column for each level.
    levels : sequence of float
        Rising, in (0.5, 1).
    form : {"lr", "pearson", "nass"}
        Likelihood ratio; Pearson's :math:`\sum (O_j - T\pi_j)^2/(T\pi_j)`; or Pearson's with Nass's correction of the
        limit law, :math:`c S \sim \chi^2_{cm}`, where the mean and variance of S are those of T days. At nominal 5 %,
        T = 250 and four levels from 0.975 the limit laws attain 6.3, 5.4 and 5.0 %.
    p_value : {"auto", "exact", "simulated", "asymptotic"}
        "exact": the chance of all outcomes with at least this statistic; "simulated": multinomial draws; "asymptotic":
        the limit law. "auto": exact up to 250,000 outcomes (two levels from 0.95: T = 10,000; four from 0.975:
        T = 500), else simulated unless the limit keeps its size.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated samples.
    nan : {"drop", "raise"}
        What a missing loss or forecast means.

    Returns
    -------
    BacktestResult
        `details`: hits and expected_hits (at the lowest level), missing, levels, df (m; Nass's limit has c m), form,
        ``cell_0`` to ``cell_m`` (days between neighbouring levels, from below), crossing (days on which the VaR of a
        level lies above that of a higher one), where exact mid_p and attained_size (of the exact p-value at nominal 5
        %). NaN without a usable day.

    Raises
    ------
    ConfigError, DataError
        For levels, a choice or a shape that cannot be used.

    References
    ----------
    Perignon and Smith (2008), Journal of Derivatives 16(2), 54-66, doi:10.3905/jod.2008.16.2.054.
    Kratz, Lok and McNeil (2018), Journal of Banking and Finance 88, 393-407, doi:10.1016/j.jbankfin.2018.01.002.

    Examples
    --------
    >>> result = multilevel([3.0, 2.2] + [0.0] * 98, np.full((100, 2), [2.0, 2.5]), [0.95, 0.99])
    >>> result.details["cell_0"], result.details["cell_1"], result.details["cell_2"], round(result.statistic, 4)
    (98, 1, 1, 3.3212)
    """
    chosen = np.asarray(levels, dtype=np.float64)
    ok = chosen.ndim == 1 and chosen.size > 0 and bool(np.all(np.diff(chosen) > 0))
    ok = ok and bool(chosen[0] > 0.5 and chosen[-1] < 1)
    require(ok, f"levels must rise and lie in (0.5, 1), got {levels!r}; typical values: 0.95, 0.99")
    x, v = np.asarray(losses, dtype=np.float64), np.asarray(var, dtype=np.float64)
    shape = (x.size, chosen.size)
    require(v.shape == shape, f"var must have a row for each loss and a column for each level, {shape}, got {v.shape}",
            DataError)  # fmt: skip
    columns = {"losses": x} | {f"var at {p:g}": v[:, j] for j, p in enumerate(chosen)}
    sample = prepare(nan, columns)
    known = np.column_stack(list(sample.columns.values())[1:])
    above = (sample.columns["losses"][:, None] > known).sum(axis=1)
    details: dict[str, Detail] = {"crossing": int(np.count_nonzero(np.any(np.diff(known, axis=1) < 0, axis=1)))}
    probabilities = tuple(_cell_chances([tail_probability(float(p)) for p in chosen]))
    return _judged("multilevel", sample, above, probabilities, form, p_value, rng, n_simulations, details)


def multinomial(
    pit: Any,
    level: Any,
    *,
    n_levels: int = 4,
    form: str = NASS,
    p_value: str = AUTO,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test ES by the hits at several levels above its own: ES is a mean of such VaR (Kratz, Lok, McNeil).

    .. math:: p_j = 1 - (1-p)\left(1 - \frac{j-1}{m}\right),\ j = 1..m, \quad
              S = \sum_{j=0}^m \frac{(O_j - T\pi_j)^2}{T\pi_j}, \quad c S \sim \chi^2_{cm}

    A loss lies above the VaR of a level where its PIT lies above the level, so the test needs no VaR forecasts.

    Parameters
    ----------
    pit : array_like
        u = F(L), in [0, 1].
    level : float
        Level p of the ES, in (0.5, 1).
    n_levels : int
        Number of levels m, at least 1; the authors advise four and more.
    form : {"nass", "pearson", "lr"}
        As in `multilevel`. "nass" and "pearson" have the same statistic and exact p-value, not the same limit law.
    p_value, rng, n_simulations, nan
        As in `multilevel`.

    Returns
    -------
    BacktestResult
        `details` as in `multilevel`, without crossing. NaN without a usable day, and where the level moves by day.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a value outside [0, 1].

    References
    ----------
    Kratz, Lok and McNeil (2018), Journal of Banking and Finance 88, 393-407, doi:10.1016/j.jbankfin.2018.01.002.

    Examples
    --------
    >>> result = multinomial([0.5] * 95 + [0.96, 0.97, 0.98, 0.99, 1.0], 0.95, n_levels=2)
    >>> [result.details[f"cell_{j}"] for j in range(3)], round(result.statistic, 4)
    ([95, 2, 3], 0.2)
    """
    require(isinstance(n_levels, int) and n_levels >= 1, f"n_levels must be a whole number above 0, got {n_levels!r}")
    sample = prepare(nan, {"pit": pit}, level)
    u = sample.columns["pit"]
    outside = u[(u < 0) | (u > 1)]
    require(outside.size == 0, f"pit must lie in [0, 1], got {outside[:1]}", DataError)
    if not sample.reason and np.isnan(sample.one_level):
        choice("form", form, (LR, PEARSON, NASS))
        return undefined("multinomial", NULL, sample, "needs one level for all days", {"missing": sample.missing})
    tail = tail_probability(sample.one_level) if sample.n_obs else 0.5
    tails = [tail * (n_levels - j) / n_levels for j in range(n_levels)]
    above = (u[:, None] > 1.0 - np.array(tails)).sum(axis=1)
    return _judged("multinomial", sample, above, tuple(_cell_chances(tails)), form, p_value, rng, n_simulations, {})


def _cell_chances(tails: Sequence[float]) -> list[float]:
    """Chances of the cells from below, for the chances of a hit at each level."""
    ends = [1.0, *tails, 0.0]
    return [a - b for a, b in pairwise(ends)]


def _judged(
    name: str,
    sample: Sample,
    above: Any,
    chances: tuple[float, ...],
    form: str,
    p_value: str,
    rng: Seed,
    n_simulations: int,
    details: dict[str, Detail],
) -> BacktestResult:
    """Statistic of the counts of cells and its p-value."""
    offered = (EXACT, SIMULATED, ASYMPTOTIC)
    choice("form", form, (LR, PEARSON, NASS))
    choice("p_value", p_value, (AUTO, *offered))
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    n, m = sample.n_obs, len(chances) - 1
    counts = np.bincount(above, minlength=m + 1)
    details |= {"hits": int(counts[1:].sum()), "expected_hits": n * (1.0 - chances[0]), "missing": sample.missing}
    details |= {"levels": m, "df": m, "form": form}
    details |= {f"cell_{j}": int(count) for j, count in enumerate(counts)}
    if sample.reason:
        return undefined(name, NULL, sample, sample.reason, details)
    likelihood = form == LR
    statistic = float(_statistics(counts[None, :].astype(np.float64), chances, n, likelihood)[0])
    able = offered if p_value != AUTO or outcomes(n, chances) <= CHEAP else offered[1:]
    usual = form == NASS and m == 4  # what the table of sizes is about
    how = null_law(name if usual else "", p_value, n, 1.0 - sum(chances[1:]), able)
    if how == ASYMPTOTIC:
        chance = limit_p(statistic, chances, n, form)
        return BacktestResult(name, NULL, statistic, chance, ASYMPTOTIC, n, details)
    if how == EXACT:
        if outcomes(n, chances) > MOST:
            reason = f"more than {MOST:,} outcomes to enumerate; p_value='simulated' or 'asymptotic' serve"
            return undefined(name, NULL, sample, reason, details, statistic=statistic)
        law = exact_law(n, chances, likelihood)
        details |= {"mid_p": law.mid_p(statistic), "attained_size": law.attained_size}
        return BacktestResult(name, NULL, statistic, float(law.tail(statistic)), EXACT, n, details)
    seed = seed_of(rng)
    details |= {"seed": seed, "n_simulations": n_simulations}
    drawn = _drawn(n, chances, likelihood, seed, n_simulations)
    return BacktestResult(name, NULL, statistic, simulated_p(statistic, drawn, "upper"), BERNOULLI, n, details)


def _statistics(counts: FloatArray, chances: tuple[float, ...], n: int, likelihood: bool) -> FloatArray:
    """Likelihood ratio, else Pearson's statistic, of rows of counts."""
    expected = n * np.array(chances)
    if likelihood:
        return np.asarray(2.0 * xlogy(counts, counts / expected).sum(axis=1))
    return np.asarray(((counts - expected) ** 2 / expected).sum(axis=1))


def limit_p(statistic: float, chances: tuple[float, ...], n: int, form: str) -> float:
    """Chi-square p-value; Nass's has the mean and the variance of Pearson's statistic over n days."""
    m, scale = len(chances) - 1, 1.0
    if form == NASS:
        variance = 2.0 * m - (m * m + 4.0 * m + 1.0) / n + sum(1.0 / p for p in chances) / n
        scale = 2.0 * m / variance
    return float(chdtrc(scale * m, max(scale * statistic, 0.0)))


def _most_hits(n: int, tail: float) -> int:
    """Number of hits above which lies less than `UNLIKELY`."""
    most = math.ceil(n * tail)
    while most < n and bdtrc(most, n, tail) > UNLIKELY:
        most += 1 + most // 50
    return min(most, n)


def outcomes(n: int, chances: tuple[float, ...]) -> int:
    """Number of outcomes that an exact p-value enumerates."""
    m = len(chances) - 1
    return math.comb(_most_hits(n, 1.0 - chances[0]) + m, m)


@lru_cache(maxsize=16)
def exact_law(n: int, chances: tuple[float, ...], likelihood: bool) -> ExactLaw:
    """Law of a statistic of the multinomial counts of n days, by enumeration of the cells that hold hits."""
    m = len(chances) - 1
    most = _most_hits(n, 1.0 - chances[0])
    hits = compositions(most, m)
    counts = np.column_stack([n - hits.sum(axis=1), hits]).astype(np.float64)
    log_chance = gammaln(n + 1.0) - gammaln(counts + 1.0).sum(axis=1) + counts @ np.log(chances)
    values = _statistics(counts, chances, n, likelihood)
    return ExactLaw.of(values, np.exp(log_chance), float(bdtrc(most, n, 1.0 - chances[0])) if most < n else 0.0)


def compositions(most: int, m: int) -> IntArray:
    """All rows of m whole numbers of at least 0 that add to at most `most`.

    >>> compositions(1, 2).tolist()
    [[0, 0], [0, 1], [1, 0]]
    """
    rows = np.zeros((1, 0), np.int64)
    for _ in range(m):
        left = most - rows.sum(axis=1) + 1
        starts = np.repeat(np.cumsum(left) - left, left)
        rows = np.column_stack([np.repeat(rows, left, axis=0), np.arange(left.sum()) - starts])
    return rows


@lru_cache(maxsize=64)
def _drawn(n: int, chances: tuple[float, ...], likelihood: bool, seed: int, n_simulations: int) -> FloatArray:
    """Statistics of multinomial draws; the same for all series of as many days."""
    counts = np.random.default_rng(seed).multinomial(n, np.array(chances), size=n_simulations)
    drawn = _statistics(counts.astype(np.float64), chances, n, likelihood)
    drawn.flags.writeable = False
    return drawn
