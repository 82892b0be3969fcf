"""What stands beside every expectile VaR: the VaR and the ES of the same law that it is equal to."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from riskcore._types import FloatArray
from riskcore.errors import require
from riskcore.forecasts import INDEX, Forecasts

GRID_SIZE = 4001


def beside_expectile(
    value: float, level: float, tail: tuple[npt.ArrayLike, npt.ArrayLike] | None = None
) -> dict[str, float]:
    r"""Loss-gain ratio, and the levels at which a VaR or an ES of the same law has the value of an expectile VaR.

    The expectile at level :math:`\tau` is where expected losses beyond it are :math:`(1-\tau)/\tau` times expected
    gains within it. Its level is no probability: what it equals depends on the law.

    Parameters
    ----------
    value : float
        The expectile VaR.
    level : float
        Its level, in (0.5, 1).
    tail : (levels, quantiles), optional
        Quantiles of the day's law, ascending. They are joined smoothly over the normal quantile of their level, and
        continued beyond the last by the power law of the last two, so results are approximate (about 1e-4 in the
        level for smooth laws; a sample law is a step function and less exact).

    Returns
    -------
    dict
        ``loss_gain_ratio`` = level/(1 - level); ``normal_var_level``, the VaR level of which this level is the normal
        match; ``implied_var_level`` = 1 - P(L > value) and ``equal_es_level``, NaN without `tail` or outside it.

    Raises
    ------
    ConfigError
        If `level` lies outside (0.5, 1).

    References
    ----------
    Newey, Powell (1987), Econometrica 55(4). Bellini, Di Bernardino (2017), European Journal of Finance 23(6),
    doi:10.1080/1351847X.2015.1052150.

    Examples
    --------
    >>> beside = beside_expectile(0.02, 0.99854758610398)
    >>> round(beside["normal_var_level"], 9), round(beside["loss_gain_ratio"], 1)
    (0.99, 687.5)
    """
    require(0.5 < level < 1, f"level must lie in (0.5, 1), got {level!r}; typical values: 0.99, 0.99855")
    implied, equal = _levels(value, tail) if tail is not None and math.isfinite(value) else (math.nan, math.nan)
    return {
        "loss_gain_ratio": level / (1.0 - level),
        "normal_var_level": _normal_var_level(level),
        "implied_var_level": implied,
        "equal_es_level": equal,
    }


def expectile_table(forecasts: Forecasts, rows: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row per asset, model, day and expectile target with what stands beside it.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    rows : DataFrame, optional
        Rows of its frame; by default those of the next day.

    Returns
    -------
    DataFrame
        Columns asset, model, date, level, expectile, then those of `beside_expectile`; NaN where the model does not
        offer the target or has no law. No rows without an expectile target.

    Examples
    --------
    >>> from riskcore import Target
    >>> day = pd.Timestamp("2024-01-03")
    >>> index = pd.MultiIndex.from_tuples([("A", "m", day)], names=["asset", "model", "date"])
    >>> row = {"origin": day - pd.Timedelta(days=1), "loss": np.nan, "status": "ok", "expectile_0.99": 0.02}
    >>> table = expectile_table(Forecasts(pd.DataFrame(row, index), [Target("expectile", 0.99)]))
    >>> table[["level", "expectile", "loss_gain_ratio"]].round(6).to_dict("records")
    [{'level': 0.99, 'expectile': 0.02, 'loss_gain_ratio': 99.0}]
    """
    rows = forecasts.next_day() if rows is None else rows
    tail = forecasts.tail(rows)
    found = []
    for i, key in enumerate(rows.index):
        for target in (t for t in forecasts.targets if t.measure == "expectile"):
            value = float(rows[target.label].iloc[i])
            law = None if tail is None else (tail[0], tail[1][i])
            beside = beside_expectile(value, target.level, law)
            found.append({**dict(zip(INDEX, key, strict=True)), "level": target.level, "expectile": value, **beside})
    columns = [*INDEX, "level", "expectile", *beside_expectile(math.nan, 0.99)]
    return pd.DataFrame(found, columns=columns)


def _normal_var_level(level: float) -> float:
    from riskcore.distributions import Normal

    law = Normal()
    return float(law.cdf(law.expectile(level)))


def _levels(value: float, tail: tuple[npt.ArrayLike, npt.ArrayLike]) -> tuple[float, float]:
    """VaR level and ES level with the value `value`, NaN outside the quantiles."""
    from scipy.interpolate import PchipInterpolator
    from scipy.special import ndtr, ndtri

    levels, quantiles = (np.asarray(x, dtype=np.float64) for x in tail)
    if not bool(np.isfinite(quantiles).all()) or levels.size < 3:
        return math.nan, math.nan
    z = ndtri(levels)
    grid = np.unique(np.concatenate([np.linspace(z[0], z[-1], GRID_SIZE), z]))
    q = PchipInterpolator(z, quantiles)(grid)
    implied = float(ndtr(_inverse(value, grid, q)))
    mass = _beyond_last(levels, quantiles) + _tail_integral(grid, q)
    equal = float(ndtr(_inverse(value, grid, mass / ndtr(-grid))))
    return implied, equal


def _inverse(value: float, grid: FloatArray, curve: FloatArray) -> float:
    """Point of `grid` where the ascending `curve` reaches `value`; at a flat stretch its right end."""
    if not curve[0] <= value <= curve[-1]:
        return math.nan
    j = min(int(np.searchsorted(curve, value, side="right")), grid.size - 1)
    step = curve[j] - curve[j - 1]
    share = (value - curve[j - 1]) / step if step > 0 else 1.0
    return float(grid[j - 1] + share * (grid[j] - grid[j - 1]))


def _tail_integral(grid: FloatArray, q: FloatArray) -> FloatArray:
    """Integral of the quantiles over probability, from each grid point to the last (trapezoid in probability)."""
    from scipy.special import ndtr

    steps = 0.5 * (q[1:] + q[:-1]) * -np.diff(ndtr(-grid))
    return np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]])


def _beyond_last(levels: FloatArray, quantiles: FloatArray) -> float:
    """The same integral beyond the last quantile, by the power law through the last two; flat where none rises."""
    shape = 0.0
    if quantiles[-2] > 0:
        shape = math.log(quantiles[-1] / quantiles[-2]) / math.log((1 - levels[-2]) / (1 - levels[-1]))
    return float(quantiles[-1] * (1 - levels[-1]) / (1 - min(max(shape, 0.0), 0.9)))
