"""Dated prices of one asset: order, repeated dates, and what makes them unusable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from riskcore._types import FloatArray, IntArray
from riskcore.ingest.dates import DateArray
from riskcore.ingest.findings import Report
from riskcore.ingest.meaning import doubt


class Named(NamedTuple):
    """An asset and the file's column of its prices."""

    asset: str
    column: str


@dataclass(frozen=True)
class Series:
    """Prices, or returns, of one asset in order of date, with their file rows and column; NaN where a cell is empty."""

    name: str
    column: str
    dates: DateArray
    prices: FloatArray
    rows: IntArray


def day(date: np.datetime64) -> str:
    """The date as ``2020-03-05``."""
    return str(date.astype("datetime64[D]"))


def in_order(
    names: Sequence[Named], dates: DateArray, columns: Sequence[FloatArray], rows: IntArray, asset: str, report: Report
) -> list[Series]:
    """Series in ascending order of date with one row a date; rows that agree are merged, contradictions are faults."""
    steps = np.diff(dates.astype(np.int64))
    whose = f" of {asset}" if asset else ""
    if bool((steps < 0).any()):
        if bool((steps <= 0).all()):
            report.add("fixed", "newest_first", f"the rows{whose} run from the newest date to the oldest")
        else:
            late = rows[1:][steps < 0]
            text = f"{late.size} row{'s' if late.size > 1 else ''}{whose} not in order of date; sorted"
            report.add("fixed", "unsorted", text, rows=late.tolist())
        order = np.argsort(dates, kind="stable")
        dates, rows, columns = dates[order], rows[order], [column[order] for column in columns]
    again = np.flatnonzero(np.diff(dates.astype(np.int64)) == 0) + 1
    if again.size == 0:
        return [Series(*named, dates, column, rows) for named, column in zip(names, columns, strict=True)]
    return _merged(names, dates, list(columns), rows, again, whose, report)


def _merged(
    names: Sequence[Named],
    dates: DateArray,
    columns: list[FloatArray],
    rows: IntArray,
    again: IntArray,
    whose: str,
    report: Report,
) -> list[Series]:
    """One row a date: the first price of each group; another price in the group is a contradiction."""
    first = np.ones(dates.size, dtype=bool)
    first[again] = False
    group = np.cumsum(first) - 1
    conflicting: set[int] = set()
    for j, column in enumerate(columns):
        priced = np.flatnonzero(~np.isnan(column))
        lead = np.unique(group[priced], return_index=True)[1]
        value = np.full(int(group[-1]) + 1, np.nan)
        source = np.zeros(value.size, dtype=np.int64)
        value[group[priced][lead]] = column[priced][lead]
        source[group[priced][lead]] = rows[priced][lead]
        wrong = priced[column[priced] != value[group[priced]]]
        if wrong.size:
            conflicting.update(group[wrong].tolist())
            _conflict(names[j], dates, column, rows, wrong, value, source, group, report)
        columns[j] = value
    agreed = [int(i) for i in again if int(group[i]) not in conflicting]
    if agreed:
        dropped = rows[agreed]
        text = f"{day(dates[agreed[0]])} twice{whose} without contradiction" + (
            f", and {len(agreed) - 1} more rows" if len(agreed) > 1 else ""
        )
        report.add("fixed", "duplicate_dates", f"{text}; one row kept", rows=sorted(dropped.tolist()))
    return [Series(*named, dates[first], column, rows[first]) for named, column in zip(names, columns, strict=True)]


def _conflict(
    named: Named,
    dates: DateArray,
    column: FloatArray,
    rows: IntArray,
    wrong: IntArray,
    value: FloatArray,
    source: IntArray,
    group: IntArray,
    report: Report,
) -> None:
    pairs = [(int(source[group[w]]), int(rows[w])) for w in wrong]
    shown = [
        f"{day(dates[w])} twice in {named.asset}: {value[group[w]]:.12g} (row {one}), {column[w]:.12g} (row {other})"
        for w, (one, other) in zip(wrong[:5], pairs, strict=False)
    ]
    more = f"; and {wrong.size - 5} more" if wrong.size > 5 else ""
    report.error(
        "duplicate_conflict",
        "; ".join(shown) + more,
        rows=list(dict.fromkeys(row for pair in pairs for row in pair)),
        column=named.column,
        sample=f"{column[wrong[0]]:.12g}",
        count=wrong.size,
        remedy="Keep the right row of each date.",
    )


def check_numbers(series: Series, max_missing: float, partial: bool, report: Report) -> None:
    """Faults of one asset: no number, one number, not what it is said to be, no movement, too many empty cells.

    With `partial`, cells were lost to other faults, and faults that count cells are not told beside those.
    """
    priced = np.flatnonzero(~np.isnan(series.prices))
    name, column, noun = series.name, series.column, report.noun
    if partial and priced.size < 2:
        return
    if priced.size == 0:
        remedy = "Remove the column, or choose others with columns=[...]."
        report.error("empty_column", f"{name} has no {noun}", column=column, remedy=remedy)
        return
    if priced.size == 1:
        row = series.rows[priced[0]]
        remedy = f"Give at least two {noun}s."
        text = f"{name} has one {noun}, no {'return' if noun == 'price' else 'risk'} can be taken"
        report.error("too_few_prices", text, rows=[row], column=column, remedy=remedy)
        return
    numbers, rows, dates = series.prices[priced], series.rows[priced], series.dates[priced]
    if (odd := doubt(numbers, report.values)) is not None:
        text = f"{name}: {odd.text}" if odd.severity == "flagged" else f"{name} {odd.text}"
        sample = f"{numbers[odd.place]:.6g}"
        report.add(
            odd.severity, odd.code, text, rows=[rows[odd.place]], column=column, sample=sample, remedy=odd.remedy
        )
        if odd.severity == "error":
            return
    low = np.flatnonzero(numbers <= 0) if report.values == "prices" else np.array([], dtype=np.int64)
    if low.size:
        i = int(low[0])
        report.error(
            "zero_or_negative",
            f"price {numbers[i]:.12g} of {name} on {day(dates[i])}: the log return is undefined",
            rows=rows[low].tolist(),
            column=column,
            sample=f"{numbers[i]:.12g}",
            remedy="Correct these prices or leave the cells empty.",
        )
        return
    if bool((numbers == numbers[0]).all()) and not partial:
        remedy = "Remove the column: it carries no risk."
        report.error("constant_column", f"{name} is {numbers[0]:.12g} on every date", column=column, remedy=remedy)
        return
    if not partial:
        _missing(series, priced, max_missing, report)


def _missing(series: Series, priced: IntArray, max_missing: float, report: Report) -> None:
    """Empty cells between the first and the last number; a later start or an earlier end is no fault."""
    inner = slice(int(priced[0]), int(priced[-1]) + 1)
    empty = np.flatnonzero(np.isnan(series.prices[inner])) + inner.start
    share = empty.size / (inner.stop - inner.start)
    name, column = series.name, series.column
    rows = series.rows[empty].tolist()
    if share > max_missing:
        report.error(
            "too_many_missing",
            f"{share:.1%} of the cells of {name} between its first and last {report.noun} are empty, "
            f"at most {max_missing:.1%}",
            rows=rows,
            column=column,
            remedy="Remove the column, or pass max_missing.",
        )
    elif empty.size:
        text = f"{empty.size} empty cell{'s' if empty.size > 1 else ''} of {name} ({share:.1%}); nothing is filled in"
        report.add("flagged", "missing_prices", text, rows=rows, column=column)
