"""How often intervals of estimates held the truth in simulations: the table that docs/make_recovery_table.py writes."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from riskcore.forecasters import FORECASTERS, Forecaster

TABLE = Path(__file__).with_name("coverage.csv")
ENOUGH = 0.90
"""An interval of nominal 95 % that covers less is said to be too short."""
_LEVEL = re.compile(r"(?:var|expectile|level) (0\.\d+)")


@dataclass(frozen=True)
class Covered:
    """Share of samples in which a nominal 95 % interval held the truth, with the setting of the simulation."""

    share: float
    setting: str
    level: float | None


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, str], list[Covered]]:
    found: dict[tuple[str, str], list[Covered]] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if "raw draws" in row["setting"] or row["coverage"] == "nan":
                continue
            level = _LEVEL.search(row["setting"])
            one = Covered(float(row["coverage"]), row["setting"], float(level[1]) if level else None)
            found.setdefault((row["model"], row["parameter"]), []).append(one)
    return found


def coverage_of(forecaster: Forecaster, parameter: str) -> Covered | None:
    """What a simulation says of the interval of a parameter; None where there was none.

    A parameter of a target, such as ``var_0.99.b1``, is judged by the simulation at its level, or at the highest below.

    Examples
    --------
    >>> coverage_of(FORECASTERS["historical"], "mu") is None
    True
    """
    plain: Any = replace(forecaster, name=None)  # type: ignore[type-var]  # forecasters are dataclasses
    model = next((name for name, known in FORECASTERS.items() if known == plain), None)
    target, _, name = parameter.rpartition(".")
    rows = _table().get((model or "", name if "_" in target else parameter), [])
    wanted = re.search(r"_(0\.\d+)", target)
    if wanted is None or not any(row.level for row in rows):
        return rows[0] if rows else None
    below = [row for row in rows if row.level is not None and row.level <= float(wanted[1])]
    return max(below, key=lambda row: row.level or 0.0) if below else None


def too_short(forecaster: Forecaster, parameter: str) -> str:
    """A warning where intervals of the parameter cover too little, in words; else empty."""
    covered = coverage_of(forecaster, parameter)
    if covered is None or covered.share >= ENOUGH:
        return ""
    return (
        f"interval too short: nominal 95 % held the truth in {100 * covered.share:.0f} % of samples ({covered.setting})"
    )
