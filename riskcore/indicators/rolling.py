"""Smoothed risk figures per asset and model, and rolling counts of hits with the supervisor's zones."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from riskcore import defaults
from riskcore._types import Target
from riskcore.errors import require
from riskcore.forecasts import Forecasts
from riskcore.indicators.averages import ema

ZONES = ("green", "yellow", "red")
ZONE_LIMITS = (0.95, 0.9999)
"""Basel 1996: green while the binomial cdf of the hits is below the first limit, red from the second on."""


def hits(rows: pd.DataFrame, target: Target) -> pd.Series:
    """1 where the loss exceeds the VaR, 0 where not, NaN where the loss or the forecast is missing.

    Examples
    --------
    >>> rows = pd.DataFrame({"loss": [0.03, 0.01, np.nan], "var_0.99": [0.02, 0.02, 0.02]})
    >>> hits(rows, Target("var", 0.99)).tolist()
    [1.0, 0.0, nan]
    """
    require(target.measure == "var", f"target must be a VaR, got {target.label}; only a VaR has hits")
    loss, var = (rows[c].to_numpy(dtype=np.float64) for c in ("loss", target.label))
    known = np.isfinite(loss) & np.isfinite(var)
    return pd.Series(np.where(known, (loss > var) * 1.0, np.nan), index=rows.index, name=hit_label(target))


def hit_label(target: Target) -> str:
    """Column of the smoothed hits of `target`, e.g. ``hit_rate_0.99``."""
    return f"hit_rate_{target.level!r}"


def indicator_table(
    forecasts: Forecasts, *, halflife: float = defaults.EMA_HALFLIFE, bias_corrected: bool = True
) -> pd.DataFrame:
    """Smoothed VaR, ES, expectile VaR, volatility and hit rate of every asset and model.

    No look-ahead: the value at a date uses forecasts *for* days up to it (known the day before) and losses up to it.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    halflife : float
        In days of the asset's own calendar.
    bias_corrected : bool
        Normalised weights, so that a hit on the first day is not kept for months; False is the plain EMA, which starts
        at the first value.

    Returns
    -------
    DataFrame
        Index ``(asset, model, date)``; one column per target, ``volatility`` where a model has one, and
        ``hit_rate_<level>`` per VaR target (the EMA of 1{loss > VaR}, to be compared with 1 - level). A missing
        forecast or loss carries the last value; NaN before the first and where a model does not offer the target.

    Raises
    ------
    ConfigError
        If `halflife` is not above 0.

    Examples
    --------
    >>> days = pd.date_range("2024-01-02", periods=3)
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": [0.0, 0.03, 0.0], "status": "ok",
    ...                       "var_0.99": 0.02}, index)
    >>> indicator_table(Forecasts(frame, [Target("var", 0.99)]), halflife=1)["hit_rate_0.99"].round(3).tolist()
    [0.0, 0.667, 0.286]
    """
    smoothed = [t.label for t in forecasts.targets]
    if "volatility" in forecasts.frame.columns:
        smoothed.append("volatility")
    parts = []
    for asset, model in forecasts.units:
        rows = forecasts.unit(asset, model)
        raw = [rows[smoothed], *(hits(rows, t) for t in forecasts.targets if t.measure == "var")]
        parts.append(ema(pd.concat(raw, axis=1), halflife=halflife, bias_corrected=bias_corrected))
    return pd.concat(parts).set_axis(forecasts.frame.index)


def basel_zone(n_hits: int, n_obs: int, level: float) -> str:
    """Zone of a number of hits by the binomial distribution function F: green F < 0.95, yellow F < 0.9999, else red.

    The supervisor's multipliers belong to 250 days at 0.99 only; elsewhere this is the zone and nothing more.

    References: Basel Committee on Banking Supervision (1996), Supervisory framework for the use of backtesting.

    >>> [basel_zone(k, 250, 0.99) for k in (4, 5, 9, 10)]
    ['green', 'yellow', 'yellow', 'red']
    """
    return ZONES[int(np.searchsorted(ZONE_LIMITS, _hit_cdf(n_hits, n_obs, level), side="right"))]


def _hit_cdf(n_hits: int, n_obs: int, level: float) -> float:
    from scipy.special import bdtr

    return float(bdtr(n_hits, n_obs, 1.0 - level))


def zone_limits(n_obs: int, level: float) -> tuple[int, int]:
    """Smallest number of hits in the yellow and in the red zone.

    >>> zone_limits(250, 0.99)
    (5, 10)
    """
    from scipy.special import bdtr

    cdf = bdtr(np.arange(n_obs + 1), n_obs, 1.0 - level)
    yellow, red = (int(np.searchsorted(cdf, limit, side="left")) for limit in ZONE_LIMITS)
    return yellow, red


def rolling_hits(
    forecasts: Forecasts,
    asset: str,
    model: str,
    target: Target | str,
    days: int = defaults.ROLLING_DAYS,
    *,
    missing: Literal["hit", "skip"] = "hit",
) -> pd.DataFrame:
    """Hits of the last `days` days with their Basel zone, for every day from the `days`-th on.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    asset, model : str
        Names in the table.
    target : Target or str
        A VaR target, e.g. ``"var:0.99"``.
    days : int
        Length of the window, at least 1.
    missing : {"hit", "skip"}
        A day without forecast, or without loss before the last known one, counts as a hit (the supervisor's rule), or
        is left out of hits and of `n_obs`.

    Returns
    -------
    DataFrame
        Index date; columns ``hits`` (with the missing ones), ``missing``, ``n_obs``, ``expected_hits``,
        ``probability`` (the binomial distribution function of the hits), ``zone`` (NaN where `n_obs` is 0). No rows
        with fewer than `days` days or where the model never offers the target.

    Raises
    ------
    ConfigError
        If the target is no VaR of the table, or `days` or `missing` is outside its choices.
    DataError
        If the table has no such asset and model.

    References
    ----------
    Basel Committee on Banking Supervision (1996), Supervisory framework for the use of backtesting; MAR32.4 to 32.9.

    Examples
    --------
    >>> days = pd.date_range("2024-01-02", periods=4)
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": [0.0, 0.03, 0.0, np.nan], "status": "ok",
    ...                       "var_0.99": 0.02}, index)
    >>> rolling_hits(Forecasts(frame, [Target("var", 0.99)]), "A", "m", "var:0.99", days=2)["hits"].tolist()
    [1, 1]
    """
    target = Target.parse(target) if isinstance(target, str) else target
    known = [t.label for t in forecasts.targets if t.measure == "var"]
    require(target.label in known, f"target must be one of {known}, got {target.label}")
    ok = isinstance(days, (int, np.integer)) and days >= 1
    require(ok, f"days must be a whole number of at least 1, got {days!r}; typical value: 250")
    require(missing in ("hit", "skip"), f"missing must be 'hit' or 'skip', got {missing!r}")
    rows = forecasts.unit(asset, model)
    last = rows["loss"].last_valid_index()
    rows = rows.loc[:last] if last is not None else rows.iloc[:0]
    hit = hits(rows, target).to_numpy()
    if len(hit) < days or bool(rows[target.label].isna().all()):
        hit, rows = hit[:0], rows.iloc[:0]
    gap = np.isnan(hit)
    n_missing = _rolling_sum(gap, days)
    n_hits = _rolling_sum(hit == 1.0, days) + (n_missing if missing == "hit" else 0)
    n_obs = days - (0 if missing == "hit" else n_missing) + np.zeros_like(n_hits)
    from scipy.special import bdtr

    probability = np.where(n_obs > 0, bdtr(n_hits, np.maximum(n_obs, 1), 1.0 - target.level), np.nan)
    names = np.array([*ZONES, None], dtype=object)
    zone = names[np.where(n_obs > 0, np.searchsorted(ZONE_LIMITS, probability, side="right"), len(ZONES))]
    return pd.DataFrame(
        {
            "hits": n_hits,
            "missing": n_missing,
            "n_obs": n_obs,
            "expected_hits": n_obs * (1.0 - target.level),
            "probability": probability,
            "zone": zone,
        },
        index=rows.index[days - 1 :],
    )


def _rolling_sum(flags: npt.NDArray[np.bool_], days: int) -> npt.NDArray[np.int64]:
    """Sums of each `days` flags in a row, exact."""
    total = np.concatenate([[0], np.cumsum(flags, dtype=np.int64)])
    sums: npt.NDArray[np.int64] = total[days:] - total[:-days]
    return sums
