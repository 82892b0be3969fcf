"""What a supervisor counts: exceptions of actual and hypothetical P&L, with the excluded days kept in sight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import bdtr

from riskcore.backtests.regulatory import supervisory_factors, zone
from riskcore.errors import DataError, require

YEAR = 250
DESK_LIMITS = {0.99: 12, 0.975: 30}
"""Most exceptions in 12 months with which a desk keeps its approval, by the level of its VaR (MAR32.18)."""
LOG_COLUMNS = ("date", "loss", "var", "excess", "excluded", "reason")


@dataclass(frozen=True)
class ExceptionCount:
    """Exceptions at one level, of actual and of hypothetical P&L apart.

    Parameters
    ----------
    level : float
        Level of the VaR.
    n_obs : int
        Days looked at.
    actual, hypothetical : int
        Days with a loss above the VaR or without one of the two, all counted.
    actual_adjusted, hypothetical_adjusted : int
        The same without the excluded days.
    missing : int
        Days without an actual loss, a hypothetical loss or a VaR.
    """

    level: float
    n_obs: int
    actual: int
    hypothetical: int
    actual_adjusted: int
    hypothetical_adjusted: int
    missing: int

    @property
    def raw(self) -> int:
        """The larger of the two counts."""
        return max(self.actual, self.hypothetical)

    @property
    def adjusted(self) -> int:
        """The larger of the two counts without excluded days: the one that decides."""
        return max(self.actual_adjusted, self.hypothetical_adjusted)


@dataclass(frozen=True)
class BankMultiplier:
    """The bank's zone and multipliers by the adjusted count, and by the raw one for comparison.

    Parameters
    ----------
    count : ExceptionCount
        Exceptions of the last 250 days at level 0.99.
    zone, raw_zone : str
        "green", "yellow" (MAR32 says amber) or "red", by the adjusted and by the raw count.
    factors, raw_factors : mapping
        plus_factor, multiplier_1996 and mar32_multiplier; empty with fewer than 250 days.
    """

    count: ExceptionCount
    zone: str
    raw_zone: str
    factors: Mapping[str, float]
    raw_factors: Mapping[str, float]


@dataclass(frozen=True)
class DeskEligibility:
    """Whether a desk's exceptions of 12 months leave it its approval.

    Parameters
    ----------
    counts : tuple of ExceptionCount
        At level 0.99 and at 0.975.
    eligible, eligible_raw : bool
        Whether both counts are within their limits (12 and 30), without the excluded days and with them.
    """

    counts: tuple[ExceptionCount, ExceptionCount]
    eligible: bool
    eligible_raw: bool


def exceptions_log(losses: Any, var: Any, *, excluded: Mapping[Any, str] | None = None) -> pd.DataFrame:
    """Every exception of a VaR, day by day, with what is to be explained (MAR32.12).

    A day without a loss or without a VaR is an exception too (MAR32.5).

    Parameters
    ----------
    losses, var : Series or array_like (n,)
        Losses and VaR forecasts; Series of the same dates, or arrays, whose days are called 0 to n - 1.
    excluded : mapping, optional
        Day to the reason for which it does not count: under MAR32.6 only a documented risk factor that cannot be
        modelled, whose own charge exceeds the loss, with the supervisor's consent.

    Returns
    -------
    DataFrame
        Columns date, loss, var, excess (loss - var), excluded and reason (of the exclusion, or what is missing), the
        oldest first. No rows without an exception.

    Raises
    ------
    DataError
        For shapes or dates that differ, dates that do not rise, or an excluded day that is not among them or has no
        reason.

    References
    ----------
    Basel Framework MAR32.4-32.12.

    Examples
    --------
    >>> exceptions_log([0.5, 3.0, np.nan, 2.0], 1.0, excluded={3: "factor without prices"}).iloc[:, [0, 3, 4, 5]]
       date  excess  excluded                 reason
    0     1     2.0     False
    1     2     NaN     False                no loss
    2     3     1.0      True  factor without prices
    """
    frame = _frame({"losses": losses, "var": var})
    out = _reasons(frame, excluded)
    hit = _exceptions(frame["losses"], frame["var"])
    absent = [_absent(a, b) for a, b in np.isfinite(frame[["losses", "var"]].to_numpy())]
    log = pd.DataFrame(
        {
            "date": frame.index,
            "loss": frame["losses"].to_numpy(),
            "var": frame["var"].to_numpy(),
            "excess": (frame["losses"] - frame["var"]).to_numpy(),
            "excluded": (out != "").to_numpy(),
            "reason": np.where(out != "", out, absent),
        },
        columns=list(LOG_COLUMNS),
    )
    return log[hit].reset_index(drop=True)


def bank_multiplier(
    actual: Any, hypothetical: Any, var: Any, *, excluded: Mapping[Any, str] | None = None
) -> BankMultiplier:
    """Zone and multipliers of a bank by its exceptions of the last 250 days at level 0.99.

    Actual and hypothetical losses are counted apart and the larger count decides; a missing loss or VaR is an
    exception.

    Parameters
    ----------
    actual, hypothetical, var : Series or array_like (n,)
        Losses by both notions of P&L, and one-day VaR at level 0.99; the last 250 days are used.
    excluded : mapping, optional
        As in `exceptions_log`.

    Returns
    -------
    BankMultiplier
        By the raw and by the adjusted count. Fewer than 250 days have a zone and no multiplier.

    Raises
    ------
    DataError
        As `exceptions_log`.

    References
    ----------
    Basel Framework MAR32.4-32.9. Basel Committee (1996), Supervisory framework for the use of "backtesting".

    Examples
    --------
    >>> losses = np.where(np.arange(250) < 6, 2.0, 0.0)
    >>> found = bank_multiplier(0.0 * losses, losses, 1.0, excluded={0: "factor without prices"})
    >>> found.raw_factors["mar32_multiplier"], found.factors["mar32_multiplier"], found.count.actual
    (1.76, 1.7, 0)
    """
    frame = _frame({"actual": actual, "hypothetical": hypothetical, "var": var})
    reasons = _reasons(frame, excluded)
    last = slice(max(len(frame) - YEAR, 0), None)
    count = _count(frame.iloc[last], reasons.iloc[last], "var", 0.99)
    zones = [zone(float(bdtr(x, max(count.n_obs, 1), 0.01))) for x in (count.adjusted, count.raw)]
    whole = count.n_obs == YEAR
    factors = [supervisory_factors(x) if whole else {} for x in (count.adjusted, count.raw)]
    return BankMultiplier(count, zones[0], zones[1], factors[0], factors[1])


def desk_eligibility(
    actual: Any, hypothetical: Any, var_99: Any, var_975: Any, *, excluded: Mapping[Any, str] | None = None
) -> DeskEligibility:
    """Whether a trading desk passes the backtest of the internal model: at most 12 exceptions at 0.99 and 30 at 0.975.

    Counted over 12 months, actual and hypothetical losses apart, the larger count deciding; a missing loss or VaR is
    an exception. A desk must pass `pnl_attribution` too.

    Parameters
    ----------
    actual, hypothetical : Series or array_like (n,)
        Losses by both notions of P&L. Of Series with dates the last 12 months are used, of others the last 250 days.
    var_99, var_975 : Series or array_like (n,)
        One-day VaR at levels 0.99 and 0.975.
    excluded : mapping, optional
        As in `exceptions_log`.

    Returns
    -------
    DeskEligibility
        Counts at both levels, raw and adjusted, and whether they are within their limits. A history shorter than 12
        months is judged as far as it goes: see ``n_obs`` of the counts.

    Raises
    ------
    DataError
        As `exceptions_log`.

    References
    ----------
    Basel Framework MAR32.18-32.19.

    Examples
    --------
    >>> losses = np.where(np.arange(250) < 13, 2.0, 0.0)
    >>> desk_eligibility(losses, 0.0 * losses, 1.0, 1.0).eligible
    False
    >>> desk_eligibility(losses, 0.0 * losses, 1.0, 1.0, excluded={4: "factor without prices"}).eligible
    True
    """
    frame = _frame({"actual": actual, "hypothetical": hypothetical, "var_99": var_99, "var_975": var_975})
    reasons = _reasons(frame, excluded)
    keep = np.arange(len(frame)) >= len(frame) - YEAR
    if isinstance(frame.index, pd.DatetimeIndex) and len(frame):
        keep = np.asarray(frame.index > frame.index[-1] - pd.DateOffset(years=1))
    year, reasons = frame[keep], reasons[keep]
    first, second = _count(year, reasons, "var_99", 0.99), _count(year, reasons, "var_975", 0.975)
    counts = (first, second)
    return DeskEligibility(
        counts,
        all(c.adjusted <= DESK_LIMITS[c.level] for c in counts),
        all(c.raw <= DESK_LIMITS[c.level] for c in counts),
    )


def _frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Columns of one length by day; dates must agree and rise."""
    lead, first = next(iter(columns.items()))
    index = first.index if isinstance(first, pd.Series) else None
    for name, x in columns.items():
        same = not isinstance(x, pd.Series) or (index is not None and x.index.equals(index))
        require(same, f"{name} must have the dates of {lead}", DataError)
    arrays = {name: np.asarray(x, dtype=np.float64) for name, x in columns.items()}
    shape = arrays[lead].shape
    require(len(shape) == 1, f"{lead} must be one-dimensional, got shape {shape}", DataError)
    for name, x in arrays.items():
        text = f"{name} must have the shape of {lead}, got {x.shape} and {shape}"
        require(x.ndim == 0 or x.shape == shape, text, DataError)
    frame = pd.DataFrame({name: np.broadcast_to(x, shape) for name, x in arrays.items()}, index=index)
    rising = frame.index.is_monotonic_increasing and frame.index.is_unique
    require(rising, f"the dates of {lead} must rise without repeats", DataError)
    return frame


def _reasons(frame: pd.DataFrame, excluded: Mapping[Any, str] | None) -> pd.Series[str]:
    """The reason of each excluded day; empty on the others."""
    out = pd.Series("", index=frame.index, dtype=object)
    for day, reason in (excluded or {}).items():
        # a month or a year in words stands for all of its days: no single day, so it excludes nothing
        place = out.index.get_loc(day) if day in out.index else None
        one = isinstance(place, (int, np.integer))
        require(one, f"excluded must name days of the losses, got {day!r}", DataError)
        text = f"excluded must give a reason for {day!r}, got {reason!r}"
        require(isinstance(reason, str) and bool(reason.strip()), text, DataError)
        out[day] = reason
    return out


def _exceptions(losses: pd.Series[float], var: pd.Series[float]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    x, v = losses.to_numpy(), var.to_numpy()
    return np.asarray((x > v) | ~np.isfinite(x) | ~np.isfinite(v))


def _absent(loss: bool, var: bool) -> str:
    return "" if loss and var else "no VaR" if loss else "no loss" if var else "no loss and no VaR"


def _count(frame: pd.DataFrame, reasons: pd.Series[str], var: str, level: float) -> ExceptionCount:
    actual, hypothetical = (_exceptions(frame[name], frame[var]) for name in ("actual", "hypothetical"))
    counted = (reasons == "").to_numpy()
    absent = ~np.isfinite(frame[["actual", "hypothetical", var]].to_numpy()).all(axis=1)
    sums = [int(np.count_nonzero(x)) for x in (actual, hypothetical, actual & counted, hypothetical & counted, absent)]
    return ExceptionCount(level, len(frame), *sums)
