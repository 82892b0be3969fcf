"""The words that every room shares: arrays, targets, statuses and the plan of a walk through time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from riskcore.errors import require

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Measure = Literal["var", "es", "expectile"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True)
class Target:
    """What is forecast: a risk measure at a level, e.g. ``Target("var", 0.99)``.

    Parameters
    ----------
    measure : {"var", "es", "expectile"}
        Value at Risk, Expected Shortfall or expectile VaR of the loss.
    level : float
        In (0.5, 1); the tail probability is ``1 - level``.

    Raises
    ------
    ConfigError
        If the measure is unknown or the level lies outside (0.5, 1).

    Examples
    --------
    >>> Target.parse("expectile:0.99855").label
    'expectile_0.99855'
    """

    measure: Measure
    level: float

    def __post_init__(self) -> None:
        require(
            self.measure in MEASURES,
            f"measure must be one of {', '.join(MEASURES)}, got {self.measure!r}",
        )
        ok = isinstance(self.level, (int, float, np.floating)) and math.isfinite(self.level) and 0.5 < self.level < 1
        require(ok, f"level must lie in (0.5, 1), got {self.level!r}; typical values: 0.975, 0.99")
        object.__setattr__(self, "level", float(self.level))

    @property
    def label(self) -> str:
        """Column name in a table of forecasts, e.g. ``var_0.99``."""
        return f"{self.measure}_{self.level!r}"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``measure:level`` or a column label, e.g. ``var:0.99`` or ``var_0.99``."""
        measure, _, level = text.strip().replace("_", ":", 1).partition(":")
        try:
            value = float(level)
        except ValueError:
            value = math.nan
        require(
            bool(level) and not math.isnan(value),
            f"target must be measure:level such as var:0.99, got {text!r}",
        )
        return cls(measure, value)  # type: ignore[arg-type]  # __post_init__ checks the measure


def with_companions(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Targets without repeats, each ES preceded by the VaR at its level (joint scores and ES tests need the pair).

    >>> [t.label for t in with_companions([Target("es", 0.975), Target("var", 0.975)])]
    ['var_0.975', 'es_0.975']
    """
    found: dict[Target, None] = {}
    for target in targets:
        if target.measure == "es":
            found.setdefault(Target("var", target.level))
        found.setdefault(target)
    require(bool(found), "targets must name at least one target, got none")
    return tuple(found)


class Status(IntEnum):
    """What stands behind a row of forecasts, from good to bad; a day inherits its refit's."""

    ok = 0
    retry = 1
    boundary = 2
    implausible = 3
    stale_params = 4
    fallback = 5
    failed = 6


@dataclass(frozen=True)
class WalkForward:
    """The plan of a walk through time: refits at row ``window + j * refit_every`` of an asset's own series.

    Parameters
    ----------
    window : int
        Observations in a fit; with `expanding` the smallest number.
    refit_every : int
        Days between two estimations. It binds what is optimised: filters, sample measures and sample laws move daily.
    expanding : bool
        Train on all rows before the refit instead of the last `window`.

    Raises
    ------
    ConfigError
        If `window` or `refit_every` is not a whole number in its range.

    Examples
    --------
    >>> [(b.train, b.test) for b in WalkForward(window=3, refit_every=2).blocks(6)]
    [(slice(0, 3, None), slice(3, 5, None)), (slice(2, 5, None), slice(5, 6, None))]
    """

    window: int = 1000
    refit_every: int = 1
    expanding: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (("window", 2, 1_000_000), ("refit_every", 1, 1_000_000)):
            value = getattr(self, name)
            ok = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and low <= value <= high
            require(bool(ok), f"{name} must be a whole number in [{low}, {high}], got {value!r}")

    def blocks(self, n_rows: int) -> Iterator[Block]:
        """Blocks of days that share a fit: rows ``[window, n_rows)``, the last block may be short."""
        for index, first in enumerate(range(self.window, n_rows, self.refit_every)):
            start = 0 if self.expanding else first - self.window
            yield Block(index, slice(start, first), slice(first, min(first + self.refit_every, n_rows)))


@dataclass(frozen=True)
class Block:
    """One refit: its number, the rows it trains on and the rows it forecasts."""

    index: int
    train: slice
    test: slice
