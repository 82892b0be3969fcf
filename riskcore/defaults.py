"""Every default, once. No imports of numpy here: the command line reads this file to print its help."""

from __future__ import annotations

TARGETS: tuple[str, ...] = ("var:0.99", "es:0.975", "expectile:0.99", "expectile:0.99855")
MODELS: tuple[str, ...] = ("historical", "ewma", "garch-t", "care-linear")
WINDOW = 1000
REFIT_EVERY = 1
RETURN_KIND = "log"

EWMA_DECAY = 0.94
"""RiskMetrics daily decay."""
AGE_DECAY = 0.99
"""Boudoukh, Richardson and Whitelaw's weight of a day against the day after it."""

STALE_DAYS = 20
"""Days for which the last good parameters may stand in after a failed refit."""
COLD_START_EVERY = 25
"""Each 25th refit starts cold, so that a walk may begin at any of them with the same numbers as a full walk."""
SANE_MULTIPLE = 5.0
"""A forecast above this many times the largest absolute loss of its window is implausible."""
DEGRADED_SHARE = 0.05
"""A run is degraded when a larger share of its rows is implausible or worse."""

TAIL_LEVELS: tuple[float, ...] = (
    0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95,
    0.975, 0.9875, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 0.99999,
)  # fmt: skip
"""Levels of the `tail_*` columns: quantiles of the day's law from which simulated null laws are drawn."""

SIZE = 0.05
"""Size of a test where a verdict is shown."""
N_SIMULATIONS = 1999
"""Samples drawn for a simulated null law."""
N_SHARED = 9999
"""The same where many series share one null: that of hits, by the number of days and the level."""
N_SLOW = 499
"""The same for tests that fit a regression to each sample of each series."""
BET = 0.01
"""Share that an e-process with a constant bet stakes each day."""
EMA_HALFLIFE = 21.0
"""Half-life in trading days of the smoothed indicators."""
ROLLING_DAYS = 250
"""Days of the rolling hit count, the supervisor's year."""
PERIODS = 252
"""Trading days in a year, for a volatility per year."""

MAX_MISSING = 0.35
"""Largest share of empty cells between an asset's first and last price: five days a week beside seven make 0.31."""

MAX_JOBS = 1024
"""Largest number of processes that may be asked for."""
MAX_UNITS = 100_000
"""Largest number of units (assets times models) of one run."""

PORT = 8501
ADDRESS = "127.0.0.1"
"""Where the dashboard answers: this machine alone."""
