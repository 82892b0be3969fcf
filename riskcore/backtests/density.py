"""Tests of the whole law, or of its tail, by the probability integral transform u = F(L)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtr

from riskcore._types import FloatArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    EXACT,
    BacktestResult,
    Sample,
    choice,
    hit_details,
    prepare,
    undefined,
)
from riskcore.backtests.regulatory import zone
from riskcore.errors import DataError, require


def _pit_sample(pit: Any, level: Any, nan: str) -> Sample:
    sample = prepare(nan, {"pit": pit}, level, minimum=1)
    u = sample.columns["pit"]
    outside = u[(u < 0) | (u > 1)]
    require(outside.size == 0, f"pit must lie in [0, 1], got {outside[:1]}", DataError)
    return sample


def pit_uniformity(pit: Any, *, nan: str = "drop") -> BacktestResult:
    r"""Test whether the probability integral transform is uniform (Kolmogorov-Smirnov, two-sided).

    .. math:: D = \sup_u |F_n(u) - u|

    The p-value is exact for independent uniforms. It does not look at dependence, and the centre of the law
    decides it: tail tests are apart.

    Parameters
    ----------
    pit : array_like
        u = F(L), in [0, 1].
    nan : {"drop", "raise"}
        What a missing value means.

    Returns
    -------
    BacktestResult
        `details`: missing, at_bounds (values exactly 0 or 1). NaN below 5 values.

    Raises
    ------
    ConfigError, DataError
        For a choice that is unknown or a value outside [0, 1].

    References
    ----------
    Diebold, Gunther and Tay (1998), International Economic Review 39(4), 863-883.

    Examples
    --------
    >>> round(pit_uniformity([0.1, 0.3, 0.5, 0.7, 0.9]).statistic, 12)
    0.1
    """
    name, null = "pit_uniformity", "the PIT is uniform on [0, 1]"
    sample = _pit_sample(pit, None, nan)
    u = np.sort(sample.columns["pit"])
    n = u.size
    details = {"missing": sample.missing, "at_bounds": int(np.count_nonzero((u == 0) | (u == 1)))}
    if n < 5:
        return undefined(name, null, sample, f"{n} usable days, at least 5 needed", details)
    steps = np.arange(n + 1) / n
    statistic = float(max(np.max(steps[1:] - u), np.max(u - steps[:-1])))
    from scipy.stats import kstwo  # heavy, so not at import

    return BacktestResult(name, null, statistic, float(kstwo.sf(statistic, n)), EXACT, n, details)


def costanzino_curran(pit: Any, level: Any, *, p_value: str = "exact", nan: str = "drop") -> BacktestResult:
    r"""Place the tail of the PIT in traffic-light zones for ES (not a regulatory rule).

    .. math:: X = \sum_t \frac{(u_t - p)^+}{1-p} \approx N\left( \frac{T(1-p)}{2}, \frac{T(1-p)(4-3(1-p))}{12} \right)

    One-sided: large values mean understated risk. The exact law of X is a binomial mixture of sums of uniforms. The
    normal limit flatters the far tail: for T = 250, p = 0.975 its 0.01 % limit is passed with probability 0.107 %.

    Parameters
    ----------
    pit : array_like
        u = F(L), in [0, 1].
    level : float or array_like
        In (0.5, 1).
    p_value : {"exact", "asymptotic"}
        Law of the statistic; the normal limit serves where the level moves from day to day.
    nan : {"drop", "raise"}
        What a missing value means.

    Returns
    -------
    BacktestResult
        `details`: hits (u above the level), expected_hits, missing, zone, cumulative_probability. NaN without a
        usable value.

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
    choice("p_value", p_value, (EXACT, ASYMPTOTIC))
    sample = _pit_sample(pit, level, nan)
    u, p = sample.columns["pit"], sample.level
    details = hit_details(sample, np.count_nonzero(u > p))
    if sample.reason:
        return undefined(name, null, sample, sample.reason, details)
    q = 1.0 - p
    statistic = float(np.sum(np.maximum(u - p, 0.0) / q))
    if p_value == EXACT and not np.isnan(sample.one_level):
        chance, label = tail_sum_sf(statistic, sample.n_obs, float(q[0])), EXACT
    else:
        spread = np.sqrt(np.sum(q * (4.0 - 3.0 * q)) / 12.0)
        chance, label = float(ndtr((np.sum(q) / 2.0 - statistic) / spread)), ASYMPTOTIC
    details |= {"zone": zone(1.0 - chance), "cumulative_probability": 1.0 - chance}
    return BacktestResult(name, null, statistic, chance, label, sample.n_obs, details)


def tail_sum_sf(x: float, n_obs: int, tail: float) -> float:
    """Probability that the sum of ``(u - p)+/(1-p)`` over `n_obs` independent uniforms is at least `x`.

    Each term is 0 with probability ``1 - tail``, else uniform. The uniform is put on a lattice by the trapezoid
    rule and the sum's law follows from the `n_obs`-th power of its Fourier transform, right to about 1e-7 relative.

    >>> round(tail_sum_sf(5.670493296575318, 250, 0.025), 7)
    0.05
    """
    if x <= 0:
        return 1.0
    from scipy.special import bdtrc

    largest = int(np.ceil(n_obs * tail)) + 20
    while bdtrc(largest, n_obs, tail) > 1e-18 and largest < n_obs:
        largest += 20
    if x >= largest:
        return 0.0
    cells = max(256, min(4096, 2**21 // (largest + 1)))
    size = 1 << int(np.ceil(np.log2(cells * (largest + 1) + 1)))
    law = _tail_sum_law(n_obs, tail, cells, size)
    position = x * cells + 0.5  # mass of a lattice point is spread half a cell to either side
    cell = int(position)
    return float(np.clip(law[cell + 1 :].sum() + (cell + 1 - position) * law[cell], 0.0, 1.0))


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
