"""How often intervals of estimates held the truth in simulations: the table that docs/make_recovery_table.py writes."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from riskcore.distributions import Empirical
from riskcore.forecasters import FORECASTERS, Forecaster, LocationScale

TABLE = Path(__file__).with_name("coverage.csv")
ENOUGH = 0.90
"""An interval of nominal 95 % that covers less is said to be too short."""
TOO_SHORT = "interval too short"
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
    if isinstance(plain, LocationScale) and plain.law.is_sample:
        plain = replace(plain, law=Empirical())  # all sample laws stand on the same estimates
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
    return TOO_SHORT if covered is not None and covered.share < ENOUGH else ""


def coverage_words(forecaster: Forecaster, parameters: Iterable[str]) -> list[str]:
    """What the simulations say of those parameters whose intervals are too short: a sentence for each setting."""
    found: dict[str, dict[str, float]] = {}
    for parameter in parameters:
        covered = coverage_of(forecaster, parameter)
        if covered is not None and covered.share < ENOUGH:
            found.setdefault(covered.setting, {})[parameter] = covered.share
    return [
        f"in a simulation of {setting_words(setting)}: {', '.join(f'{n} {100 * x:.0f} %' for n, x in shares.items())}"
        for setting, shares in found.items()
    ]


def setting_words(setting: str) -> str:
    """A setting of the table with its targets as they are called elsewhere.

    >>> setting_words("n = 1000, var 0.95, t(6) losses"), setting_words("n = 2000, var and es 0.95")
    ('n = 1000, VaR 95 %, t(6) losses', 'n = 2000, VaR and ES 95 %')
    """
    text = re.sub(r"\b(?:level|expectile) (0\.\d+)", r"expectile τ = \1", setting)
    return re.sub(
        r"\bvar( and es)? (0\.\d+)", lambda m: f"VaR{' and ES' if m[1] else ''} {100 * float(m[2]):.10g} %", text
    )
