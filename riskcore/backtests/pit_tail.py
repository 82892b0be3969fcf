"""Tests of ES by the PIT above the level: Costanzino-Curran and Du-Escanciano."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import bdtrc, ndtr

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    EXACT,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    chi2_sf,
    choice,
    hit_details,
    normal_p,
    undefined,
)
from riskcore.backtests.nulls import SIMULATED, null_law
from riskcore.backtests.regulatory import zone
from riskcore.backtests.uniforms import (
    NO_TAIL,
    ONE_LEVEL,
    Tails,
    against,
    pit_sample,
    tail_null,
    tails_of,
)
from riskcore.errors import require
from riskcore.measures.rows import tail_probability

UNDERSTATED, TWO_SIDED = "understated", "two-sided"
LAWS = (EXACT, SIMULATED, ASYMPTOTIC)


def costanzino_curran(
    pit: Any,
    level: Any,
    *,
    p_value: str = "auto",
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Place the tail of the PIT in traffic-light zones for ES (not a regulatory rule).

    .. math:: X = \sum_t \frac{(u_t - p)^+}{1-p} \approx N\left( \frac{T(1-p)}{2}, \frac{T(1-p)(4-3(1-p))}{12} \right)

    One-sided: large values mean understated risk. The exact law of X is a binomial mixture of sums of uniforms. The
    normal limit flatters the far tail: for T = 250, p = 0.975 its 0.01 % limit is passed with probability 0.107 %.
    It is the statistic of `du_escanciano` on another scale.

    Parameters
    ----------
    pit : array_like
        u = F(L), in [0, 1].
    level : float or array_like
        In (0.5, 1).
    p_value : {"auto", "exact", "simulated", "asymptotic"}
        Law of the statistic. "auto": exact, or simulated where the level moves from day to day. A simulated p-value
        is at least ``1/(1 + n_simulations)``, so that the red zone needs 10,000 paths.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated paths of independent uniforms.
    nan : {"drop", "raise"}
        What a missing value means.

    Returns
    -------
    BacktestResult
        `details`: hits (u above the level), expected_hits, missing, at_bounds, zone, cumulative_probability. NaN
        without a usable value, and for the exact law of moving levels.

    Raises
    ------
    ConfigError, DataError
        For a level or a choice that cannot be used, or a value outside [0, 1].

    References
    ----------
    Costanzino and Curran (2018), A simple traffic light approach to backtesting expected shortfall, Risks 6(1), 2,
    doi:10.3390/risks6010002.

    Examples
    --------
    >>> costanzino_curran([0.5, 1.0, 0.99, 0.2], 0.975).statistic.__round__(3)
    1.6
    """
    name, null = "costanzino_curran", "the PIT is uniform above the level"
    sample, tails, details = _tail_sample(pit, level, nan)
    law = _law(name, p_value, sample)
    if sample.reason:
        return undefined(name, null, sample, sample.reason, details)
    result = _judged(name, null, sample, tails, UNDERSTATED, law, details, rng, n_simulations)
    if np.isnan(result.p_value):
        return result
    below = 1.0 - result.p_value
    return replace(result, details={**result.details, "zone": zone(below), "cumulative_probability": below})


def du_escanciano(
    pit: Any,
    level: Any,
    *,
    alternative: str = UNDERSTATED,
    p_value: str = "auto",
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether the mean of the cumulative violations is that of a right ES (unconditional).

    .. math:: H_t = \frac{(u_t - p)^+}{1-p}, \quad
              U = \frac{\sqrt T (\bar H - (1-p)/2)}{\sqrt{(1-p)(1/3 - (1-p)/4)}} \to N(0, 1)

    Large values mean understated risk. The normal limit is skew in short samples: for T = 250, p = 0.975 it rejects
    at nominal 5 % in 6.2 % of samples towards understated and in 2.9 % towards prudent forecasts.

    Parameters
    ----------
    pit : array_like
        u = F(L), in [0, 1].
    level : float or array_like
        In (0.5, 1).
    alternative : {"understated", "two-sided"}
        Understated risk only, or both directions.
    p_value : {"auto", "exact", "simulated", "asymptotic"}
        Law of the statistic. "auto": exact, or simulated where the level moves from day to day.
    rng, n_simulations, nan
        As in `costanzino_curran`.

    Returns
    -------
    BacktestResult
        `details`: hits (u above the level), expected_hits, missing, at_bounds, alternative. The two-sided p-value is
        twice the smaller tail. NaN without a usable value, and for the exact law of moving levels.

    Raises
    ------
    ConfigError, DataError
        For a level or a choice that cannot be used, or a value outside [0, 1].

    References
    ----------
    Du and Escanciano (2017), Backtesting expected shortfall: accounting for tail risk, Management Science 63(4),
    940-958, doi:10.1287/mnsc.2015.2342.

    Examples
    --------
    >>> du_escanciano([0.5, 1.0, 0.99, 0.2], 0.975).statistic.__round__(3)
    8.57
    """
    name, null = "du_escanciano", "the PIT is uniform above the level"
    choice("alternative", alternative, (UNDERSTATED, TWO_SIDED))
    sample, tails, details = _tail_sample(pit, level, nan)
    law = _law(name, p_value, sample)
    details["alternative"] = alternative
    if sample.reason:
        return undefined(name, null, sample, sample.reason, details)
    result = _judged(name, null, sample, tails, alternative, law, details, rng, n_simulations)
    return replace(result, statistic=_standardised(result.statistic, sample))


def du_escanciano_conditional(
    pit: Any,
    level: Any,
    *,
    lags: int = 5,
    p_value: str = "auto",
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether cumulative violations of ES are uncorrelated over time (conditional).

    .. math:: \gamma_j = \frac{1}{T-j} \sum_{t>j} (H_t - \tfrac{1-p}{2})(H_{t-j} - \tfrac{1-p}{2}), \quad
              C = T \sum_{j=1}^{m} (\gamma_j/\gamma_0)^2 \to \chi^2_m

    with H of `du_escanciano`. The chi-square limit rejects right models at nominal 5 % in 11 to 13 % of samples of
    250 days (five lags, p = 0.975), so the null is simulated.

    Parameters
    ----------
    pit : array_like
        u = F(L), in [0, 1].
    level : float or array_like
        In (0.5, 1).
    lags : int
        Autocorrelations m, at least 1.
    p_value : {"auto", "simulated", "asymptotic"}
        Law of the statistic. Simulated paths without a PIT above the level do not count.
    rng, n_simulations, nan
        As in `costanzino_curran`.

    Returns
    -------
    BacktestResult
        `details`: hits (u above the level), expected_hits, missing, at_bounds, lags, df, rho_1. NaN where no PIT lies
        above the level (all autocorrelations would be 1), where the level moves from day to day, and with `lags` days
        or fewer.

    Raises
    ------
    ConfigError, DataError
        For a level or a choice that cannot be used, or a value outside [0, 1].

    References
    ----------
    Du and Escanciano (2017), Backtesting expected shortfall: accounting for tail risk, Management Science 63(4),
    940-958, doi:10.1287/mnsc.2015.2342.

    Examples
    --------
    >>> result = du_escanciano_conditional([0.5, 0.99, 0.99, 0.2, 0.1, 0.6], 0.975, lags=1)
    >>> round(result.details["rho_1"], 3)
    0.574
    """
    name, null = "du_escanciano_conditional", "cumulative violations above the level are uncorrelated"
    require(isinstance(lags, int) and lags >= 1, f"lags must be a whole number of at least 1, got {lags!r}")
    sample, tails, details = _tail_sample(pit, level, nan, minimum=lags + 1)
    usual = lags == 5  # what the table of sizes is about
    law = null_law(name if usual else "", p_value, sample.n_obs, sample.one_level, (SIMULATED, ASYMPTOTIC))
    details |= {"lags": lags, "df": lags}
    reason = sample.reason or (ONE_LEVEL if np.isnan(sample.one_level) else NO_TAIL if not details["hits"] else "")
    if reason:
        return undefined(name, null, sample, reason, details)
    rho = tail_autocorrelations(tails, sample.one_level, lags)[0]
    value = float(_conditional(tails, sample.level, (lags,))[0])
    details["rho_1"] = float(rho[0])
    if law == ASYMPTOTIC:
        return BacktestResult(name, null, value, chi2_sf(value, lags), ASYMPTOTIC, sample.n_obs, details)

    def drawn(seed: int) -> FloatArray:
        return tail_null(_conditional, (lags,), sample.level, seed, n_simulations)

    return against(name, null, sample, value, details, drawn, rng=rng, n_simulations=n_simulations)


def _tail_sample(pit: Any, level: Any, nan: str, minimum: int = 1) -> tuple[Sample, Tails, dict[str, Detail]]:
    sample, u, facts = pit_sample(pit, level, nan, minimum=minimum)
    tails = tails_of(u, sample.level)
    return sample, tails, hit_details(sample, tails.rest.size) | facts


def _law(name: str, p_value: str, sample: Sample) -> str:
    """The null that serves; there is no exact one where levels move."""
    law = null_law(name, p_value, sample.n_obs, sample.one_level, LAWS)
    moving = sample.n_obs > 0 and np.isnan(sample.one_level)
    return SIMULATED if moving and p_value == "auto" else law


def _tail_sum(tails: Tails, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    """Sum of the cumulative violations H of each path."""
    return tails.sums(1.0 - tails.rest)


def _standardised(total: float, sample: Sample) -> float:
    """The sum of H less its mean, in its standard deviations."""
    q = 1.0 - sample.level
    return float((total - q.sum() / 2.0) / np.sqrt(np.sum(q * (1.0 / 3.0 - q / 4.0))))


def _judged(
    name: str,
    null: str,
    sample: Sample,
    tails: Tails,
    alternative: str,
    law: str,
    details: dict[str, Detail],
    rng: Seed,
    n_simulations: int,
) -> BacktestResult:
    """The sum of H and its p-value by the law asked for."""
    total, both = float(_tail_sum(tails, sample.level, ())[0]), alternative == TWO_SIDED
    if law == SIMULATED:

        def drawn(seed: int) -> FloatArray:
            return tail_null(_tail_sum, (), sample.level, seed, n_simulations)

        side = "both" if both else "upper"
        return against(name, null, sample, total, details, drawn, side=side, rng=rng, n_simulations=n_simulations)
    if law == ASYMPTOTIC:
        z = _standardised(total, sample)
        chance = normal_p(z, TWO_SIDED) if both else float(ndtr(-z))
        return BacktestResult(name, null, total, chance, ASYMPTOTIC, sample.n_obs, details)
    if np.isnan(sample.one_level):
        return undefined(name, null, sample, f"the exact law {ONE_LEVEL}", details, statistic=total)
    tail = tail_probability(sample.one_level)
    upper = tail_sum_sf(total, sample.n_obs, tail)
    lower = 1.0 - upper if total > 0 else (1.0 - tail) ** sample.n_obs  # 0 has the chance of no hit
    chance = min(1.0, 2.0 * min(upper, lower)) if both else upper
    return BacktestResult(name, null, total, chance, EXACT, sample.n_obs, details)


def tail_autocorrelations(tails: Tails, level: float, lags: int) -> FloatArray:
    """Autocorrelations (paths, lags) of H around its mean (1 - level)/2, from the days with a hit alone.

    NaN on a path without a hit: there each of them would be 1.
    """
    hits, n, paths, mean = tails.hits, tails.hits.n, tails.hits.counts.size, (1.0 - level) / 2.0
    h, path = 1.0 - tails.rest, tails.path
    total = tails.sums(h)
    products = np.zeros(paths * (lags + 1))
    for step in range(1, min(lags, h.size - 1) + 1):  # two hits at most `lags` days apart have fewer hits between them
        apart = hits.where[step:] - hits.where[:-step]
        near = (path[step:] == path[:-step]) & (apart <= lags)
        cell = path[step:][near] * (lags + 1) + apart[near]
        products += np.bincount(cell, (h[step:] * h[:-step])[near], minlength=products.size)
    squares = (tails.sums(h * h) - 2.0 * mean * total) / n + mean**2
    out = np.full((paths, lags), np.nan)
    some = hits.counts > 0
    for j in range(1, lags + 1):
        early, late = (tails.sums(h * part) for part in (hits.where < j, hits.where >= n - j))
        gamma = (products[j :: lags + 1] - mean * (2.0 * total - early - late)) / (n - j) + mean**2
        out[some, j - 1] = gamma[some] / squares[some]
    return out


def _conditional(tails: Tails, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    rho = tail_autocorrelations(tails, float(level[0]), options[0])
    return np.asarray(tails.hits.n * np.sum(rho**2, axis=1))


def tail_sum_sf(x: float, n_obs: int, tail: float) -> float:
    """Probability that the sum of ``(u - p)+/(1-p)`` over `n_obs` independent uniforms is at least `x`.

    Each term is 0 with probability ``1 - tail``, else uniform. The uniform is put on a lattice by the trapezoid
    rule and the sum's law follows from the `n_obs`-th power of its Fourier transform, right to about 1e-7 relative.

    >>> round(tail_sum_sf(5.670493296575318, 250, 0.025), 7)
    0.05
    """
    if x <= 0:
        return 1.0
    law, cells, largest = tail_sum_law(n_obs, tail)
    if x >= largest:
        return 0.0
    position = x * cells + 0.5  # mass of a lattice point is spread half a cell to either side
    cell = int(position)
    here = law[cell] - (1.0 - tail) ** n_obs if cell == 0 else law[cell]  # a sum of 0 is a point, not a cell
    return float(np.clip(law[cell + 1 :].sum() + (cell + 1 - position) * here, 0.0, 1.0))


def tail_sum_law(n_obs: int, tail: float) -> tuple[FloatArray, int, int]:
    """Mass of the sum on a lattice, how many of its cells make one, and a value that the sum does not reach."""
    largest = int(np.ceil(n_obs * tail)) + 20
    while bdtrc(largest, n_obs, tail) > 1e-18 and largest < n_obs:
        largest += 20
    cells = max(256, min(4096, 2**21 // (largest + 1)))
    size = 1 << int(np.ceil(np.log2(cells * (largest + 1) + 1)))
    return _tail_sum_law(n_obs, tail, cells, size), cells, largest


@lru_cache(maxsize=2)  # the series of a table have as many days and share their levels; a law takes up to 32 MB
def _tail_sum_law(n_obs: int, tail: float, cells: int, size: int) -> FloatArray:
    """Mass of the sum on the lattice of `size` points, `cells` to one."""
    mass = np.zeros(size)
    mass[: cells + 1] = tail / cells
    mass[[0, cells]] *= 0.5
    mass[0] += 1.0 - tail
    law: FloatArray = np.fft.irfft(np.fft.rfft(mass) ** n_obs, size)
    law.flags.writeable = False
    return law
