"""Times side by side, and the rows of the table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Call = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line: seconds of ours and of a peer for one unit of work, and what else is to be said.

    `aim` is the issue's pair of ratios ("at least", "aim"), or of seconds where there is no peer.
    """

    work: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    aim: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster."""
        return None if self.theirs is None else self.theirs / self.ours


def interleaved(calls: Mapping[str, Call], repeats: int) -> dict[str, float]:
    """Median seconds of each call: one untimed call first, then all in turn, `repeats` times."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn > 0:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def duration(seconds: float) -> str:
    """Three digits with a unit.

    >>> duration(6.42e-6), duration(0.0137), duration(12.3), duration(2.5e-9), duration(754.2)
    ('6.42 us', '13.7 ms', '12.3 s', '2.5 ns', '754 s')
    """
    for size, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")):
        if seconds >= size or name == "ns":
            value = seconds / size
            break
    return f"{value:.0f} {name}" if value >= 100 else f"{value:.3g} {name}"


def ratio(value: float | None) -> str:
    """A ratio, to two digits below ten.

    >>> ratio(1234.4), ratio(12.34), ratio(1.234), ratio(None)
    ('1,234x', '12x', '1.2x', '')
    """
    if value is None:
        return ""
    return f"{value:,.0f}x" if value >= 10 else f"{value:.1f}x"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table.

    >>> print(markdown(["a", "b"], [["1", "2"]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def table(rows: Sequence[Row]) -> str:
    """The rows as one Markdown table."""
    head = ["work", "riskcore", "per", "peer", "its time", "ratio", "at least; aim", "note"]
    cells = [
        [
            row.work,
            duration(row.ours),
            row.unit,
            row.peer,
            "" if row.theirs is None else duration(row.theirs),
            ratio(row.ratio),
            row.aim,
            row.note,
        ]
        for row in rows
    ]
    return markdown(head, cells)
