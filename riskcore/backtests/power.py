"""What a test could have found: the hits that would have rejected, and its power against a VaR that is too low."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from scipy.special import stdtr, stdtrit

from riskcore import defaults
from riskcore.backtests.attained import tabulated_power
from riskcore.backtests.base import ASYMPTOTIC, EXACT, BacktestResult
from riskcore.backtests.coverage import binomial, christoffersen_coverage, kupiec
from riskcore.backtests.hit_laws import log_binomial
from riskcore.backtests.regulatory import traffic_light
from riskcore.errors import require

TOO_LOW = 0.2
"""By which share the VaR of the alternative lies under the true one."""
FREEDOM = 5.0
"""Degrees of freedom of the t law of the losses."""
COUNTS: Mapping[str, Callable[..., BacktestResult]] = {
    "binomial": binomial,
    "kupiec": kupiec,
    "traffic_light": traffic_light,
}
"""Tests whose p-value is a function of the number of hits."""
SPREAD: Mapping[str, Callable[..., BacktestResult]] = {**COUNTS, "christoffersen_coverage": christoffersen_coverage}
"""Those, and one for which the hits are taken as spread evenly."""


def hits_to_reject(name: str, n_obs: int, level: float, p_value: str = "auto", *, size: float = defaults.SIZE) -> int:
    """Fewest hits above the expected number that the test rejects; 0 where no number of hits would.

    Parameters
    ----------
    name : {"binomial", "kupiec", "traffic_light", "christoffersen_coverage"}
        A test of the number of hits; for the last the hits are spread evenly over the days.
    n_obs : int
        Days, at least 1.
    level : float
        Level of the VaR, in (0.5, 1).
    p_value : str
        The p-value of the test: "auto", "exact" or "asymptotic".
    size : float
        Nominal size, in (0, 1).

    Returns
    -------
    int
        A number of hits.

    Raises
    ------
    ConfigError
        For another test, or a value outside its range.

    References
    ----------
    Kupiec (1995), Journal of Derivatives 3(2), 73-84.

    Examples
    --------
    >>> hits_to_reject("kupiec", 250, 0.99, "asymptotic"), hits_to_reject("traffic_light", 250, 0.99)
    (7, 6)
    """
    _check(name, tuple(SPREAD), n_obs, level, size)
    return _hits_to_reject(name, n_obs, level, p_value, size)


def _check(name: str, known: tuple[str, ...], n_obs: int, level: float, size: float) -> None:
    require(name in known, f"name must be one of {', '.join(known)}, got {name!r}")
    require(n_obs >= 1, f"n_obs must be at least 1, got {n_obs!r}")
    require(0.5 < level < 1, f"level must lie in (0.5, 1), got {level!r}; typical values: 0.975, 0.99")
    require(0 < size < 1, f"size must lie in (0, 1), got {size!r}; typical values: 0.01, 0.05")


def _p_of(name: str, n: int, hits: int, level: float, p_value: str) -> float:
    losses = np.zeros(n)
    losses[np.floor((np.arange(hits) + 0.5) * n / max(hits, 1)).astype(np.intp)] = 1.0
    keywords = {} if name == "traffic_light" else {"p_value": p_value}
    return float(SPREAD[name](losses, 0.5, level, **keywords).p_value)


@lru_cache(maxsize=512)
def _hits_to_reject(name: str, n: int, level: float, p_value: str, size: float) -> int:
    low, high = math.floor(n * (1.0 - level)), n  # the p-value falls from the expected number on
    if not _p_of(name, n, high, level, p_value) < size:
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _p_of(name, n, middle, level, p_value) < size else (middle, high)
    return high


def power_of_count(name: str, n_obs: int, level: float, p_value: str = "auto", *, size: float = defaults.SIZE) -> float:
    r"""Chance that a test of the number of hits rejects a VaR that is 20 % too low, where losses are t(5).

    .. math:: \sum_{x:\ p(x) < size} \binom{T}{x} q^x (1-q)^{T-x}, \quad q = P(t_5 > 0.8\, t_5^{-1}(p))

    Parameters
    ----------
    name : {"binomial", "kupiec", "traffic_light"}
        A test whose p-value is a function of the number of hits.
    n_obs, level, p_value, size
        As in `hits_to_reject`.

    Returns
    -------
    float
        In [0, 1]; too few hits count as rejections too where the test is two-sided.

    Raises
    ------
    ConfigError
        For another test, or a value outside its range.

    References
    ----------
    Kupiec (1995), Journal of Derivatives 3(2), 73-84.

    Examples
    --------
    >>> round(power_of_count("traffic_light", 250, 0.99), 2)
    0.45
    """
    _check(name, tuple(COUNTS), n_obs, level, size)
    return _power_of_count(name, n_obs, level, p_value, size)


@lru_cache(maxsize=512)
def _power_of_count(name: str, n: int, level: float, p_value: str, size: float) -> float:
    rate = float(1.0 - stdtr(FREEDOM, (1.0 - TOO_LOW) * float(stdtrit(FREEDOM, level))))
    weights = np.exp(log_binomial(n, np.arange(n + 1.0), rate))
    most = int(np.flatnonzero(weights > 1e-12)[-1])
    return float(sum(weights[x] for x in range(most + 1) if _p_of(name, n, x, level, p_value) < size))


def power_note(name: str, n_obs: int, level: float, p_method: str) -> tuple[int | None, float]:
    """Hits that would have rejected, or None, and the power against a VaR 20 % too low, or NaN where it is not known.

    Tests of the number of hits are enumerated; for others the power is interpolated in the table of sizes and powers,
    linearly in the logarithm of the number of days.
    """
    exact = p_method in (ASYMPTOTIC, EXACT)
    if not exact or n_obs < 1 or name not in SPREAD or not 0.5 < level < 1:
        return None, tabulated_power(name, n_obs, level, p_method)
    hits = hits_to_reject(name, n_obs, level, p_method)
    power = (
        power_of_count(name, n_obs, level, p_method)
        if name in COUNTS
        else tabulated_power(name, n_obs, level, p_method)
    )
    return hits, power
