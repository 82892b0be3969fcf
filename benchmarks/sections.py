"""The parts of ``python -m benchmarks`` by name: rows of the table of speed, the table of quality, that of growth."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType

from benchmarks import growth, models, refits, whole
from benchmarks.averages import average_rows
from benchmarks.battery import battery_rows
from benchmarks.judges import judge_rows
from benchmarks.make_references import REFERENCES
from benchmarks.peer import PAIRS
from benchmarks.tails import tail_rows
from benchmarks.timing import Row, markdown, table


def _refits(short: bool) -> Iterator[Row]:
    for name in refits.TIMED:
        yield from refits.refit_rows(name, refits.SHORT if short else refits.Size())


def _cold(short: bool) -> Iterator[Row]:
    for name in refits.TIMED:
        yield from refits.cold_rows(name, refits.SHORT if short else refits.Size())


SPEED: Mapping[str, Callable[[bool], Iterable[Row]]] = MappingProxyType(
    {
        "refits": _refits,
        "cold": _cold,
        "tails": tail_rows,
        "judges": judge_rows,
        "battery": battery_rows,
        "averages": average_rows,
        "runs": lambda short: whole.whole_rows(whole.SHORT if short else whole.Size()),
    }
)
NAMES = (*SPEED, "quality", "growth", "models")


def speed(names: Sequence[str], short: bool) -> str:
    """One table of all rows of the sections; each row is told of as it is done."""
    rows = []
    for name in names:
        for row in SPEED[name](short):
            print(f"{name}: {row.work}", file=sys.stderr, flush=True)
            rows.append(row)
    return table(rows)


def quality(short: bool) -> str:
    """Our optima beside arch's in every window that the references know."""
    lines = []
    for name in PAIRS:
        if not (REFERENCES / f"{name}.parquet").is_file():
            continue
        known = ("sp500",) if short else tuple(refits.references(name))
        for series in known:
            print(f"quality: {name} {series}", file=sys.stderr, flush=True)
            lines.append(refits.quality(name, series, 40 if short else None).cells())
    return markdown(refits.QUALITY_HEAD, lines)


def costs(short: bool) -> str:
    """How the cost grows."""
    return markdown(growth.HEAD, list(growth.growth_rows(short)))


def parts(names: Sequence[str], short: bool) -> Iterator[str]:
    """The tables that are asked for."""
    if chosen := [name for name in SPEED if name in names]:
        yield speed(chosen, short)
    if "quality" in names:
        yield quality(short)
    if "growth" in names:
        yield costs(short)
    if "models" in names:
        yield markdown(models.HEAD, [cost.cells() for cost in models.model_costs(short)])


def machine() -> str:
    """One line on what it was measured with."""
    packages = ("numpy", "numba", "pandas", "scipy", "arch", "riskcore")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    place = f"{_processor()}, {os.cpu_count()} processors, load {load:.1f} at the start"
    return f"{place}; Python {platform.python_version()}, {versions}"


def _processor() -> str:
    from llvmlite import binding

    return f"{platform.system()} {platform.machine()} ({binding.get_host_cpu_name()})"
