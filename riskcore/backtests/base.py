"""What a backtest returns, and the checks and helpers that every test shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy.special import chdtrc, ndtr

from riskcore._types import FloatArray
from riskcore.errors import ConfigError, DataError, require
from riskcore.measures.rows import tail_probability

NanPolicy = Literal["drop", "raise", "hit"]
Tail = tuple[Any, Any]
"""Levels (Q,) and quantiles (T, Q) of each day's own law."""
Seed = np.random.Generator | int | None
Detail = float | int | str

ASYMPTOTIC, EXACT = "asymptotic", "exact"
OWN_LAW, EXPONENTIAL, RESIDUAL = (
    "simulated: own law",
    "simulated: exponential excess",
    "simulated: residual law",
)
NO_PATH = "no simulated path has a statistic"
BERNOULLI, BOOTSTRAP, NONE = "simulated: Bernoulli hits", "bootstrap", "none"
UNIFORM = "simulated: uniform PIT"
ANYTIME = "anytime-valid (Ville)"


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Facts of one test; the reader brings the size.

    Parameters
    ----------
    name, null : str
        The test's key in `BACKTESTS` and the hypothesis it tests, in words.
    statistic, p_value : float
        NaN where the test cannot be computed; `details` then has a ``reason``.
    p_method : str
        Where the p-value comes from: ``asymptotic``, ``exact``, ``bootstrap``, ``simulated: own law``,
        ``simulated: exponential excess``, ``simulated: residual law``, ``simulated: Bernoulli hits``,
        ``simulated: uniform PIT``, ``anytime-valid (Ville)`` or ``none``.
    n_obs : int
        Days used.
    details : mapping
        Plain values: ``hits``, ``expected_hits``, ``df``, ``lags``, ``seed``, ``missing``, ``reason``, ...

    Examples
    --------
    >>> BacktestResult("kupiec", "hit rate = 1 - level", 5.03, 0.025, "asymptotic", 250).rejects(0.05)
    True
    """

    name: str
    null: str
    statistic: float
    p_value: float
    p_method: str
    n_obs: int
    details: Mapping[str, Detail] = field(default_factory=dict)

    def rejects(self, size: float = 0.05) -> bool:
        """Whether the p-value lies below `size`; never for a NaN."""
        return bool(self.p_value < size)

    @property
    def reason(self) -> str:
        """Why the result is NaN, or an empty string."""
        return str(self.details.get("reason", ""))


@dataclass(frozen=True)
class Sample:
    """Checked columns of equal length; `reason` is set where no test can be computed."""

    columns: dict[str, FloatArray]
    level: FloatArray
    tail: tuple[FloatArray, FloatArray] | None
    missing: int
    reason: str

    @property
    def n_obs(self) -> int:
        """Days used."""
        return int(next(iter(self.columns.values())).size)

    @property
    def one_level(self) -> float:
        """The level if it is the same on each day, else NaN."""
        same = self.level.size > 0 and bool(np.all(self.level == self.level[0]))
        return float(self.level[0]) if same else float("nan")


def prepare(
    nan: str,
    columns: Mapping[str, Any],
    level: Any = None,
    *,
    tail: Tail | None = None,
    policies: tuple[str, ...] = ("drop", "raise"),
    minimum: int = 1,
) -> Sample:
    """Arrays of one length without the missing days: user's mistakes raise here, degenerate samples get a reason."""
    require(nan in policies, f"nan must be one of {', '.join(policies)}, got {nan!r}")
    arrays: dict[str, FloatArray] = {name: np.asarray(x, dtype=np.float64) for name, x in columns.items()}
    lead, first = next(iter(arrays.items()))
    require(first.ndim == 1, f"{lead} must be one-dimensional, got shape {first.shape}", DataError)
    for name, x in arrays.items():
        ok = x.ndim == 0 or x.shape == first.shape
        require(ok, f"{name} must have the shape of {lead}, got {x.shape} and {first.shape}", DataError)
        arrays[name] = np.array(np.broadcast_to(x, first.shape))
    levels = _levels(level, lead, first)
    if nan == "hit":
        require(bool(np.isfinite(levels).all()), "level must not be NaN with nan='hit'", DataError)
    missing = np.asarray(~np.isfinite(np.column_stack([*arrays.values(), levels])).all(axis=1))
    laws = None if tail is None else _laws(tail, first.size)
    if laws is not None:
        missing |= ~np.isfinite(laws[1]).all(axis=1)
    count = int(missing.sum())
    text = f"{lead} and forecasts must not be NaN with nan='raise', got {count} such days"
    require(nan != "raise" or count == 0, text, DataError)
    keep = np.ones(first.size, bool) if nan == "hit" else ~missing
    if nan == "hit":
        arrays["missing"] = missing.astype(np.float64)
    kept = {name: np.ascontiguousarray(x[keep]) for name, x in arrays.items()}
    if laws is not None:
        laws = (laws[0], np.ascontiguousarray(laws[1][keep]))
    n = int(keep.sum())
    reason = "" if n >= minimum else f"{n} usable days, at least {minimum} needed"
    return Sample(kept, levels[keep], laws, count, reason)


def _levels(level: Any, lead: str, first: FloatArray) -> FloatArray:
    if level is None:
        return np.full(first.shape, 0.5)
    levels: FloatArray = np.asarray(level, dtype=np.float64)
    ok = levels.ndim == 0 or levels.shape == first.shape
    require(ok, f"level must have the shape of {lead}, got {levels.shape} and {first.shape}", DataError)
    known = levels[np.isfinite(levels)] if levels.ndim else levels[None]
    inside = bool(np.all((known > 0.5) & (known < 1)))
    require(inside, f"level must lie in (0.5, 1), got {level!r}; typical values: 0.975, 0.99", ConfigError)
    return np.broadcast_to(levels, first.shape)


def _laws(tail: Tail, n: int) -> tuple[FloatArray, FloatArray]:
    levels, quantiles = (np.asarray(x, dtype=np.float64) for x in tail)
    ok = levels.ndim == 1 and levels.size >= 2 and quantiles.shape == (n, levels.size)
    text = f"tail must be (levels (Q,), quantiles (T, Q)), got {levels.shape} and {quantiles.shape} for T = {n}"
    require(ok, text, DataError)
    rising = bool(np.all(np.diff(levels) > 0) and levels[0] > 0 and levels[-1] < 1)
    require(rising, "tail levels must increase and lie in (0, 1)", DataError)
    return levels, quantiles


def hit_details(sample: Sample, hits: Any) -> dict[str, Detail]:
    """`hits` beside the number expected, and how many days were missing."""
    one = sample.one_level
    expected = float(np.sum(1.0 - sample.level)) if np.isnan(one) else sample.n_obs * tail_probability(one)
    return {"hits": int(hits), "expected_hits": expected, "missing": sample.missing}


def undefined(
    name: str, null: str, sample: Sample, reason: str, details: Mapping[str, Detail], *, statistic: float = np.nan
) -> BacktestResult:
    """A NaN p-value with its reason."""
    facts = {**details, "reason": reason}
    return BacktestResult(name, null, float(statistic), np.nan, NONE, sample.n_obs, facts)


def chi2_sf(statistic: float, df: int) -> float:
    """Upper tail of the chi-square law."""
    return float(chdtrc(df, max(statistic, 0.0)))


def normal_p(statistic: float, alternative: str) -> float:
    """Normal p-value: ``two-sided``, or the lower tail for ``understated``."""
    return float(2.0 * ndtr(-abs(statistic)) if alternative == "two-sided" else ndtr(statistic))


def seed_of(rng: Seed) -> int:
    """The seed to draw with and to record: 0 for None, one draw of a given generator."""
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    seed = 0 if rng is None else int(rng)
    require(seed >= 0, f"rng must be a generator or a seed of at least 0, got {rng!r}")
    return seed


def simulated_p(statistic: float, simulated: FloatArray, side: str) -> float:
    """``(1 + #{simulated as extreme}) / (1 + B)``; ``both`` doubles the smaller tail. NaN draws do not count."""
    draws = simulated[np.isfinite(simulated)]
    if draws.size == 0 or not np.isfinite(statistic):
        return float("nan")
    slack = 1e-12 * max(1.0, abs(statistic))
    lower = (1.0 + np.count_nonzero(draws <= statistic + slack)) / (1.0 + draws.size)
    upper = (1.0 + np.count_nonzero(draws >= statistic - slack)) / (1.0 + draws.size)
    return float({"lower": lower, "upper": upper, "both": min(1.0, 2.0 * min(lower, upper))}[side])


def choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a keyword outside its choices."""
    require(value in allowed, f"{name} must be one of {', '.join(allowed)}, got {value!r}")


def wald_2(a: Any, b: Any, aa: Any, ab: Any, bb: Any) -> tuple[FloatArray, FloatArray]:
    """Statistic ``n zbar' W^+ zbar`` and rank, from sums of two moments and of their squares and product.

    W is the mean of z z', uncentred, so the factors n cancel. Where the two moments are proportional one is left.
    """
    a, b, aa, ab, bb = (np.asarray(x, dtype=np.float64) for x in (a, b, aa, ab, bb))
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = a / np.sqrt(aa), b / np.sqrt(bb)
        correlation = ab / np.sqrt(aa * bb)
        free = 1.0 - correlation**2
        full = first**2 + (second - correlation * first) ** 2 / free  # without cancellation
    single = np.where(aa > 0, first**2, np.where(bb > 0, second**2, np.nan))
    rank = np.where((aa > 0) & (bb > 0) & (free > 1e-10), 2, 1)
    return np.where(rank == 2, full, single), rank
