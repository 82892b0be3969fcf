"""Where the names stand, and whether every row has as many cells as there are names."""

from __future__ import annotations

import re
from typing import NoReturn

from riskcore.ingest.dates import classify
from riskcore.ingest.findings import Report, clean_name, escape
from riskcore.ingest.table import Cell, Row, Table, is_blank

_LOOKED_AT = 40
_NUMBER = re.compile(r"[-+$€£]?\s*\d[\d.,' ]*%?")


def table_of(grid: list[Row], header_row: int | None, report: Report) -> Table:
    """Cut a grid of cells into names and columns; faults of its shape are kept with their rows."""
    start, data = _header_index(grid, header_row, report)
    number, head = grid[start]
    names = [str(int(x)) if isinstance(x, float) and x.is_integer() else str(x) for x in head]
    report.facts.header_row, report.facts.names = number, tuple(clean_name(name) for name in names)
    body = _repeats(grid[data:], head, report)
    if not body:
        if len(names) == 1:
            not_a_table(names[0], number, report)
        report.stop_on_errors()
        report.fail(
            "header_only",
            "the file has a header but no data",
            rows=[number],
            remedy="Give a file with at least two rows of prices.",
        )
    names, body = _even(names, body, number, report)
    columns: list[list[Cell]] = [list(column) for column in zip(*(cells for _, cells in body), strict=True)]
    if not columns:
        columns = [[] for _ in names]
    cleaned = _names(names, report)
    report.facts.names = tuple(cleaned)
    return Table(cleaned, list(columns), [row for row, _ in body], number)


def not_a_table(name: str, row: int, report: Report) -> NoReturn:
    """Text of one column, as a letter: the one fault worth telling."""
    report.forget_errors()
    report.fail(
        "not_a_table",
        f"the text has no columns: '{escape(name)}'",
        rows=[row],
        sample=name,
        remedy="Give a table with a column of dates and one of prices, cut by comma, semicolon, tab or bar.",
    )


def _is_date(cell: Cell) -> bool:
    stamp = classify(cell) if isinstance(cell, str) else None
    return stamp is not None and stamp.family not in {"serial", "compact"}


def _is_number(cell: Cell) -> bool:
    return not isinstance(cell, str) or _NUMBER.fullmatch(cell.strip()) is not None


def _header_index(grid: list[Row], header_row: int | None, report: Report) -> tuple[int, int]:
    """Positions of the row of names and of the first row of data."""
    if header_row is not None:
        index = next((i for i, (number, _) in enumerate(grid) if number == header_row), None)
        if index is None:
            last = grid[-1][0] if grid else 0
            text = f"header_row={header_row} is no row with cells; the last row is {last}"
            report.fail("unknown_column", text, rows=[header_row], remedy="Name the row of the column names.")
        return index, index + 1
    shown = grid[:_LOOKED_AT]
    first = next((i for i, (_, cells) in enumerate(shown) if any(_is_date(cell) for cell in cells)), None)
    if first == 0 or all(_is_number(cell) for cell in grid[0][1] if not is_blank(cell)):
        _data_first(grid, report)
    if not first or first == 1:
        return 0, 1
    between = shown[1:first]
    if any(_is_number(cell) and not is_blank(cell) for _, cells in between for cell in cells):
        return 0, 1  # rows of data whose dates cannot be read; told later
    sizes = [sum(not is_blank(cell) for cell in cells) for _, cells in shown[:first]]
    number = shown[first - 1][0]
    if sizes[-1] > 1 and all(size <= max(1, sizes[-1] // 2) for size in sizes[:-1]):
        report.error(
            "preamble",
            f"{first - 1} row{'s' if first > 2 else ''} before the row of names: '{str(shown[0][1][0])[:40]}'",
            rows=[row for row, _ in shown[: first - 1]],
            sample=shown[0][1][0],
            remedy=f"Delete them, or pass header_row={number}.",
        )
        return first - 1, first
    report.error(
        "multi_row_header",
        f"the data start at row {shown[first][0]}, below {first} rows of names",
        rows=[row for row, _ in shown[:first]],
        sample=shown[1][1][0],
        remedy="Keep one row of names above the data.",
    )
    return (0 if sizes[0] >= sizes[-1] else first - 1), first


def _data_first(grid: list[Row], report: Report) -> None:
    """A first row with dates: the names are missing, or the table lies on its side."""
    number, head = grid[0]
    if sum(_is_date(cell) for cell in head) > 1 and not any(_is_date(cell) for cell in grid[min(1, len(grid) - 1)][1]):
        report.fail(
            "dates_across",
            "the dates run across the columns",
            rows=[number],
            sample=head[-1],
            remedy="Transpose the table: one row per date, one column per asset.",
        )
    report.fail(
        "no_header",
        "the first row holds data, the names of the columns are missing",
        rows=[number],
        sample=head[0],
        remedy="Add a first row of names, e.g. date,close.",
    )


def _repeats(body: list[Row], head: list[Cell], report: Report) -> list[Row]:
    """Leave out, as a fault, rows that repeat the names: files that were put one under the other."""
    again = [number for number, cells in body if cells == head]
    if again:
        remedy = "Give one table: delete the repeated header, or split the file."
        report.error("repeated_header", "the row of names appears again: two tables?", rows=again, remedy=remedy)
    return [(number, cells) for number, cells in body if cells != head] if again else body


def _even(names: list[str], body: list[Row], header_row: int, report: Report) -> tuple[list[str], list[Row]]:
    """Rows of one width. An empty cell at the end of every row is a trailing delimiter and is left out."""
    width = len(names)
    longer = [cells for _, cells in body if len(cells) > width]
    if longer and all(is_blank(cell) for cells in longer for cell in cells[width:]):
        body = [(number, cells[:width]) for number, cells in body]
    if width > 1 and names[-1].strip() == "" and all(len(cells) == width - 1 for _, cells in body):
        names, width = names[:-1], width - 1
    ragged = [(number, len(cells)) for number, cells in body if len(cells) != width]
    if ragged:
        number, got = ragged[0]
        hint = " (numbers with a comma need quotes in a comma-separated file)" if got > width else ""
        report.error(
            "ragged_row",
            f"{got} field{'s' if got != 1 else ''} where the header has {width}",
            rows=[row for row, _ in ragged],
            sample=next(str(cells[0]) for row, cells in body if row == number),
            remedy=f"Give every row as many fields as the header{hint}.",
        )
        body = [(row, cells) for row, cells in body if len(cells) == width]
    if not body:
        if len(names) == 1:
            not_a_table(names[0], header_row, report)
        report.stop_on_errors()
    return names, body


def _names(raw: list[str], report: Report) -> list[str]:
    names = [clean_name(name) for name in raw]
    changed = [i for i, name in enumerate(names) if name != re.sub(r"\s+", " ", raw[i]).strip()]
    if changed:
        report.add(
            "fixed",
            "name_cleaned",
            f"{len(changed)} name{'s' if len(changed) > 1 else ''} lost control characters or all after 64 characters",
            column=names[changed[0]],
            sample=raw[changed[0]],
            count=len(changed),
        )
    return names
