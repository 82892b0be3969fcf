"""What looks odd in sound prices or returns: kept as it is, but told."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray, IntArray
from riskcore.ingest.dates import DateArray
from riskcore.ingest.findings import Report
from riskcore.ingest.series import Series, day

_STALE_ROWS = 10
_UNCHANGED_SHARE = 0.02
_LARGE_MOVE = 0.30
_FACTORS = np.array([2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 100.0])
_FACTOR_TOLERANCE = 0.04
_SPIKE = 0.15
_UNUSUAL = 8.0
"""A jump is larger than this many times the median move of its series."""
_GAP_DAYS = 10
_DAILY = 4
_MISSING_WEEKDAYS = 0.10
_SEVEN_DAYS = 0.20
_FEW = 20
_MANY_ASSETS = 10
_STILL_SHARE = 2 / 3
"""Of many assets some have a coarse price or left the market: a holiday is when this share of them stands still."""


def inspect(series: Series, report: Report) -> None:
    """Oddities of one sound series that are kept but told."""
    priced = ~np.isnan(series.prices)
    prices, rows, dates = series.prices[priced], series.rows[priced], series.dates[priced]
    if report.values == "prices":
        _unchanged(series, prices, rows, dates, report)
        _moves(series, prices, rows, dates, report)
    else:
        _zero_returns(series, prices, rows, dates, report)
        _large_returns(series, prices, rows, dates, report)
    days = dates.astype("datetime64[D]").astype(np.int64)
    gaps = np.diff(days)
    if days.size > 2 and float(np.median(gaps)) <= _DAILY:
        wide = np.flatnonzero(gaps > _GAP_DAYS)
        if wide.size:
            i = int(wide[np.argmax(gaps[wide])])
            plural = "s" if wide.size > 1 else ""
            text = f"{wide.size} gap{plural} of {series.name} of more than {_GAP_DAYS} days, the longest "
            text += f"{gaps[i]} days from {day(dates[i])} to {day(dates[i + 1])}"
            report.add("flagged", "gap", text, rows=rows[wide + 1].tolist(), column=series.column)


def _runs(same: npt.NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Where runs of True begin, and how long they are."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False])).astype(np.int8)))
    return edges[0::2], edges[1::2] - edges[0::2]


def _zero_returns(series: Series, returns: FloatArray, rows: IntArray, dates: DateArray, report: Report) -> None:
    """What `_unchanged` tells of prices: returns of zero, in long runs or many."""
    zero = returns == 0
    starts, lengths = _runs(zero)
    long = np.flatnonzero(lengths >= _STALE_ROWS)
    if long.size:
        k = int(long[np.argmax(lengths[long])])
        i = int(starts[k])
        text = f"the returns of {series.name} are zero for {lengths[k]} rows from {day(dates[i])}"
        text += f", and in {long.size - 1} more runs" if long.size > 1 else ""
        report.add("flagged", "stale_prices", text, rows=rows[starts[long]].tolist(), column=series.column, sample="0")
    share = float(np.mean(zero))
    if share > _UNCHANGED_SHARE and returns.size > _FEW:
        text = (
            f"{int(zero.sum())} returns of {series.name} ({share:.1%}) are zero: "
            "holidays carried forward, or a coarse price?"
        )
        report.add("flagged", "unchanged_prices", text, rows=rows[zero].tolist(), column=series.column)


def _large_returns(series: Series, returns: FloatArray, rows: IntArray, dates: DateArray, report: Report) -> None:
    where = np.flatnonzero(np.abs(returns) > _LARGE_MOVE)
    if where.size:
        i = int(where[np.argmax(np.abs(returns[where]))])
        text = f"{where.size} return{'s' if where.size > 1 else ''} of {series.name} of more than {_LARGE_MOVE:.0%}. "
        report.add(
            "flagged",
            "large_move",
            f"{text}The largest: {returns[i]:.4g} on {day(dates[i])}",
            rows=rows[where].tolist(),
            column=series.column,
            sample=f"{returns[i]:.12g}",
            remedy="Compare with another source; nothing was changed.",
        )


def _unchanged(series: Series, prices: FloatArray, rows: IntArray, dates: DateArray, report: Report) -> None:
    same = np.diff(prices) == 0
    starts, lengths = _runs(same)
    long = np.flatnonzero(lengths + 1 > _STALE_ROWS)
    if long.size:
        k = int(long[np.argmax(lengths[long])])
        i = int(starts[k])
        text = f"the price of {series.name} stands still for {lengths[k] + 1} rows from {day(dates[i])}"
        text += f", and in {long.size - 1} more runs" if long.size > 1 else ""
        sample = f"{prices[i]:.12g}"
        report.add(
            "flagged", "stale_prices", text, rows=rows[starts[long]].tolist(), column=series.column, sample=sample
        )
    share = float(np.mean(same))
    if share > _UNCHANGED_SHARE and prices.size > _FEW:
        count = int(same.sum())
        text = (
            f"{count} prices of {series.name} ({share:.1%}) equal the one before: "
            "holidays carried forward, or a coarse price?"
        )
        where = rows[1:][same].tolist()
        report.add("flagged", "unchanged_prices", text, rows=where, column=series.column, count=count)


def _moves(series: Series, prices: FloatArray, rows: IntArray, dates: DateArray, report: Report) -> None:
    """Jumps: near a round factor, undone at once, or just large. What is usual for the series is no jump."""
    ratio = prices[1:] / prices[:-1]
    size = np.abs(np.log(ratio))
    usual = float(np.median(size[size > 0]))
    jump = size > max(np.log(1 + _SPIKE), _UNUSUAL * usual if ratio.size > _FEW else 0.0)
    undone = np.zeros(ratio.size, dtype=bool)
    undone[:-1] = jump[:-1] & (np.abs(np.log(ratio[:-1] * ratio[1:])) < 0.1 * size[:-1])
    near = jump & (np.abs(np.exp(size)[:, None] / _FACTORS - 1).min(axis=1) < _FACTOR_TOLERANCE)
    kinds = {
        "reverting_spike": (undone, "undone on the next row: a wrong print?"),
        "split_like": (near, "near a round factor: a split or other units?"),
        "large_move": ((np.abs(ratio - 1) > _LARGE_MOVE) & ~near, f"of more than {_LARGE_MOVE:.0%}"),
    }
    for code, (found, text) in kinds.items():
        where = np.flatnonzero(found)
        if where.size:
            i = int(where[np.argmax(size[where])])
            report.add(
                "flagged",
                code,
                f"{where.size} move{'s' if where.size > 1 else ''} of {series.name} {text} "
                f"The largest: factor {ratio[i]:.4f} on {day(dates[i + 1])}".replace("% The", "%. The"),
                rows=rows[where + 1].tolist(),
                column=series.column,
                sample=f"{prices[i + 1]:.12g}",
                remedy="Compare with another source; nothing was changed.",
            )


def inspect_calendar(dates: DateArray, prices: FloatArray, rows: IntArray, report: Report) -> None:
    """Oddities of the dates of a table: weekends, missing weekdays, rows on which nothing moves."""
    if dates.size < 3:
        return
    steps = np.diff(dates.astype("datetime64[D]").astype(np.int64))
    if float(np.median(steps)) > _DAILY:
        text = f"the {report.noun}s lie {np.median(steps):g} days apart, most measures are meant for daily ones"
        report.add("flagged", "not_daily", text)
        return
    still = np.zeros(dates.size, dtype=bool)
    both = ~np.isnan(prices[1:]) & ~np.isnan(prices[:-1])
    unmoved = prices[1:] == (prices[:-1] if report.values == "prices" else 0.0)
    same = (both & unmoved).sum(axis=1)
    many = prices.shape[1] >= _MANY_ASSETS
    still[1:] = (same > 0) & (same >= both.sum(axis=1) * (_STILL_SHARE if many else 1.0))
    weekend = ~np.is_busday(dates.astype("datetime64[D]"))
    _weekends(weekend, still, dates, rows, report)
    carried = np.flatnonzero(still & ~weekend)
    if prices.shape[1] > 1 and carried.size:
        who = "most assets stand still" if many else "no asset moves"
        text = f"{who} on {carried.size} weekday{'s' if carried.size > 1 else ''}, first {day(dates[carried[0]])}"
        report.add("flagged", "carried_rows", f"{text}: holidays carried forward?", rows=rows[carried].tolist())
    first, last = dates[0].astype("datetime64[D]"), dates[-1].astype("datetime64[D]")
    weekdays = int(np.busday_count(first, last + 1))
    missing = weekdays - int((~weekend).sum())
    if missing > 0:
        share = missing / weekdays
        text = f"{missing} of {weekdays} weekdays ({share:.1%}) have no row"
        report.add("flagged" if share > _MISSING_WEEKDAYS else "accepted", "missing_weekdays", text, count=missing)


def _weekends(
    weekend: npt.NDArray[np.bool_], still: npt.NDArray[np.bool_], dates: DateArray, rows: IntArray, report: Report
) -> None:
    where = np.flatnonzero(weekend)
    if where.size == 0:
        return
    filled = int((still & weekend).sum())
    share = where.size / weekend.size
    if filled > 0.9 * where.size and where.size > 1:
        carried = "with the price of the row before" if report.values == "prices" else "with returns of zero"
        text = f"{where.size} rows on weekends, {filled} of them {carried}"
        remedy = "Remove the weekends: zero returns lower every risk figure."
        report.add("flagged", "weekends_filled", text, rows=rows[where].tolist(), remedy=remedy)
    elif share > _SEVEN_DAYS:
        report.add(
            "accepted", "seven_day_week", f"{where.size} rows on weekends: a market of seven days", count=where.size
        )
    else:
        text = f"{where.size} row{'s' if where.size > 1 else ''} on weekends, first {day(dates[where[0]])}"
        report.add("flagged", "weekend_rows", text, rows=rows[where].tolist())
