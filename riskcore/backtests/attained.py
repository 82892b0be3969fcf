"""The table of sizes and powers that ships with the package: see `docs/size_and_power.md`."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from riskcore.backtests.base import BOOTSTRAP

TABLE = "attained.csv"
NUMBERS = ("level", "n_obs", "size_1", "size_5", "size_10", "power", "undefined", "replications")
SIZES = {"size_1": 0.01, "size_5": 0.05, "size_10": 0.10}
ERRORS = 3.0
"""Standard errors by which a measured size may lie above the nominal one."""
UNDEFINED = 0.01
"""Share of samples that may have no p-value; they count as not rejected, which would hide a size that is too large."""
LEAST = 0.5
"""Share of the nominal size that a test must attain at least: one that never rejects is of no use."""


@lru_cache(maxsize=1)
def attained_table() -> tuple[Mapping[str, Any], ...]:
    """Rows by test, kind of p-value, level and number of days; none where the file is missing."""
    source = resources.files("riskcore.backtests").joinpath(TABLE)
    if not source.is_file():
        return ()
    rows = csv.DictReader(source.read_text(encoding="utf-8").splitlines())
    return tuple({**row, **{key: float(row[key]) for key in NUMBERS}} for row in rows)


def keeps_size(row: Mapping[str, Any]) -> bool:
    """Whether the sizes of a row are those they are called, but for the error, and hardly a sample has no p-value."""
    if row["undefined"] > UNDEFINED:
        return False
    for key, nominal in SIZES.items():
        error = math.sqrt(nominal * (1.0 - nominal) / row["replications"])
        if not LEAST * nominal <= row[key] <= nominal + ERRORS * error:
            return False
    return True


@lru_cache(maxsize=4096)
def asymptotic_holds(name: str, n_obs: int, level: float) -> bool:
    """Whether the asymptotic p-value keeps its size in the table around so many days at that level.

    That is, in each cell beside it: the next number of days below and above (beyond the table the last one), and the
    next levels. Below the shortest sample and beyond the highest level nothing is known.
    """
    rows = [r for r in attained_table() if r["test"] == name and r["p_method"] == "asymptotic"]
    cells = {(r["level"], r["n_obs"]): keeps_size(r) for r in rows}
    levels, days = (sorted({key[i] for key in cells}) for i in (0, 1))
    single = len(levels) == 1  # a test of the whole law
    if not cells or n_obs < days[0] or not (single or levels[0] - 1e-9 <= level <= levels[-1] + 1e-9):
        return False
    return all(
        cells.get((x, t), False)
        for x in (levels if single else _beside(levels, level))
        for t in _beside(days, min(float(n_obs), days[-1]))
    )


def _beside(known: list[float], value: float) -> list[float]:
    """The value itself where it is known, else its neighbours."""
    same = [x for x in known if abs(x - value) < 1e-9]
    return same or [max(x for x in known if x < value), min(x for x in known if x > value)]


@lru_cache(maxsize=4096)
def tabulated_power(name: str, n_obs: int, level: float, p_method: str) -> float:
    """Power in the table for that kind of p-value, by the logarithm of the days; beyond the last ones theirs.

    NaN where it is not known: at a level that moves, below the fewest days, and for a bootstrapped p-value beyond the
    days it is measured at.
    """
    rows = [r for r in attained_table() if r["test"] == name and r["p_method"] == p_method]
    if not math.isnan(level):
        rows = [r for r in rows if abs(r["level"] - level) < 1e-9]
    elif len({r["level"] for r in rows}) > 1:
        return math.nan
    rows = sorted(rows, key=lambda r: float(r["n_obs"]))
    if not rows or n_obs < rows[0]["n_obs"]:
        return math.nan
    days, powers = ([float(r[key]) for r in rows] for key in ("n_obs", "power"))
    if p_method == BOOTSTRAP and n_obs > days[-1]:
        return math.nan
    return float(np.interp(math.log(n_obs), np.log(days), powers))
