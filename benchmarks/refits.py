"""Refits of GARCH by window against arch: times, log-likelihoods, evaluations."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.make_references import REFERENCES, digest
from benchmarks.peer import MEAN, PAIRS, ArchFit, Pair, arch_fit, arch_loop
from benchmarks.series import SERIES
from benchmarks.timing import Row
from riskcore._types import BoolArray, FloatArray, IntArray, Status
from riskcore.defaults import COLD_START_EVERY
from riskcore.errors import FitError
from riskcore.volatility.fast import MANY

BELOW = 1e-4
"""Log-likelihood by which one optimum has to differ from another to count."""
TIMED = ("garch-n", "garch-t", "gjr-t", "egarch-t", "garch-skewt", "garch-ged")
AIMS = {"garch-n": "150x; 300x", "garch-t": "150x; 300x", "gjr-t": "150x; 300x"}
OTHER_AIM = "80x; 200x"


@dataclass(frozen=True)
class Size:
    """How much is measured: our windows, arch's windows in a turn, and turns."""

    windows: int | None = None
    stretch: int = 60
    turns: int = 7


SHORT = Size(windows=60, stretch=3, turns=1)


@dataclass(frozen=True)
class Fits:
    """Our fits of windows one day apart: log-likelihoods and evaluations by window, and which started cold."""

    log_likelihood: FloatArray
    evaluations: IntArray
    cold: BoolArray
    by_definition: int
    """Windows in which the kernel for many windows found nothing acceptable, so that each was fitted alone."""

    @property
    def warm(self) -> float:
        """Evaluations of a warm refit that found its optimum again, on average; NaN if none did."""
        return float(np.mean(self.evaluations[self.followed])) if self.followed.any() else np.nan

    @property
    def followed(self) -> BoolArray:
        """Warm windows in which no search was needed."""
        return np.asarray(~self.cold & (self.evaluations <= MANY))

    @property
    def searched(self) -> float:
        """Share of the warm windows in which the grid was searched, or several optima were followed."""
        return 1.0 - float(np.sum(self.followed)) / max(int(np.sum(~self.cold)), 1)

    @property
    def each(self) -> float:
        """Evaluations of a window on average, cold starts and searches included."""
        return float(np.mean(self.evaluations))


def plan_of(n_windows: int) -> tuple[IntArray, BoolArray]:
    """Where the windows begin, and which start cold: those of a walk that refits each day."""
    begins = np.arange(n_windows)
    return begins, begins % COLD_START_EVERY == 0


def fit_all(pair: Pair, losses: FloatArray, n_windows: int, window: int) -> Any:
    """Our kernel on the first windows of a series."""
    begins, cold = plan_of(n_windows)
    return pair.volatility.fit_windows(losses, begins, window, cold, mean=MEAN, law=pair.law)


def fits_of(pair: Pair, losses: FloatArray, n_windows: int, window: int) -> Fits:
    """Our fits as a walk has them: where the kernel finds nothing acceptable the definition follows."""
    found = fit_all(pair, losses, n_windows, window)
    values = np.array(found.log_likelihood)
    failed = np.flatnonzero(found.status == Status.failed).tolist()
    for i in failed:
        try:
            sample = losses[i : i + window].copy()
            values[i] = pair.volatility.fit(sample, mean=MEAN, law=pair.law).log_likelihood
        except FitError:
            values[i] = -np.inf
    return Fits(values, np.asarray(found.evaluations), plan_of(n_windows)[1], len(failed))


def over_peer(gaps: FloatArray) -> str:
    """How far our log-likelihoods lie above arch's."""
    low, middle, high = np.min(gaps), np.median(gaps), np.max(gaps)
    return f"log-likelihood over arch's: worst {low:+.1e}, median {middle:+.1e}, best {high:+.1e}"


def refit_rows(name: str, size: Size) -> Iterator[Row]:
    """Rolling refits on the S&P 500: ours over all windows, arch over another stretch of them in each turn."""
    pair, losses = PAIRS[name], SERIES["sp500"].make()
    windows = SERIES["sp500"].windows()[: size.windows]
    fits = fits_of(pair, losses, len(windows), SERIES["sp500"].window)  # compiles
    places = np.linspace(0, len(windows) - size.stretch - 1, size.turns).astype(int).tolist()
    ours: list[float] = []
    theirs: dict[str, list[float]] = {"warm": [], "cold": []}
    gaps: dict[str, list[float]] = {"warm": [], "cold": []}
    arch_fit(pair, losses[windows[0]])  # imports
    for place in places:
        start = time.perf_counter()
        fit_all(pair, losses, len(windows), SERIES["sp500"].window)
        ours.append((time.perf_counter() - start) / len(windows))
        chosen = windows[place : place + size.stretch + 1]
        for kind in ("warm", "cold"):
            first = arch_loop(pair, losses, chosen[:1], warm=False)[0]  # not timed: the start of the warm loop
            start = time.perf_counter()
            found = _continued(pair, losses, chosen[1:], first if kind == "warm" else None)
            theirs[kind].append((time.perf_counter() - start) / size.stretch)
            for i, fit in enumerate(found, start=place + 1):
                if fit is not None:
                    peer = pair.log_likelihood(losses[windows[i]], fit.values)
                    gaps[kind].append(float(fits.log_likelihood[i]) - peer)
    aim = AIMS.get(name, OTHER_AIM)
    for kind in ("warm", "cold"):
        gap = np.array(gaps[kind])
        note = over_peer(gap[~np.isnan(gap)])
        if kind == "warm":
            note += f"; {fits.warm:.2f} evaluations per warm refit, {fits.each:.1f} with all searches"
        yield Row(
            f"rolling refit {name}",
            "refit",
            statistics.median(ours),
            f"arch {kind}",
            statistics.median(theirs[kind]),
            aim if kind == "warm" else "",
            note,
        )


def _continued(pair: Pair, losses: FloatArray, windows: Sequence[slice], start: ArchFit | None) -> list[ArchFit | None]:
    """Arch's loop from a first optimum, or cold without one."""
    if start is None:
        return arch_loop(pair, losses, windows, warm=False)
    fits: list[ArchFit | None] = []
    for window in windows:
        fit = arch_fit(pair, losses[window], start.values)
        start = fit if fit is not None else start
        fits.append(fit)
    return fits


def cold_rows(name: str, size: Size) -> Iterator[Row]:
    """One fit of one window with nothing known, on windows spread over the S&P 500."""
    pair, losses = PAIRS[name], SERIES["sp500"].make()
    windows = SERIES["sp500"].windows()
    chosen = [windows[i] for i in np.linspace(0, len(windows) - 1, 3 * size.turns).astype(int)]
    pair.volatility.fit(losses[chosen[0]], mean=MEAN, law=pair.law)
    arch_fit(pair, losses[chosen[0]])
    ours, theirs, gaps = [], [], []
    for window in chosen:
        sample = losses[window].copy()
        start = time.perf_counter()
        fit = pair.volatility.fit(sample, mean=MEAN, law=pair.law)
        middle = time.perf_counter()
        peer = arch_fit(pair, sample)
        theirs.append(time.perf_counter() - middle)
        ours.append(middle - start)
        if peer is not None:
            gaps.append(fit.log_likelihood - pair.log_likelihood(sample, peer.values))
    note = over_peer(np.array(gaps)[~np.isnan(gaps)])
    yield Row(
        f"single cold fit {name}", "fit", statistics.median(ours), "arch cold", statistics.median(theirs),
        "40x; 80x" if name in AIMS else "", note,
    )  # fmt: skip


@dataclass(frozen=True)
class Quality:
    """Our optima of a series beside the better of arch cold and warm, in the windows where that is known."""

    pair: str
    series: str
    fits: Fits
    gaps: FloatArray

    @property
    def below(self) -> int:
        """Windows in which ours is lower."""
        return int(np.sum(~(self.gaps >= -BELOW)))

    @property
    def above(self) -> int:
        """Windows in which ours is higher."""
        return int(np.sum(self.gaps > BELOW))

    def cells(self) -> list[str]:
        """A line of the table."""
        fits, gaps = self.fits, self.gaps
        cells = [self.pair, self.series, f"{fits.cold.size:,}", f"{gaps.size:,}"]
        cells += [str(self.below), f"{np.min(gaps):+.1e}", f"{self.above:,}", f"{np.max(gaps):+.2g}"]
        cells += ["" if np.isnan(fits.warm) else f"{fits.warm:.2f}", f"{fits.searched:.1%}", f"{fits.each:.1f}"]
        return [*cells, str(fits.by_definition)]


QUALITY_HEAD = (
    "pair", "series", "windows", "compared", "lower by over 1e-4", "worst", "higher by over 1e-4", "best",
    "evaluations, warm", "searched", "evaluations, all", "alone",
)  # fmt: skip


def references(name: str) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Windows and arch's best log-likelihoods by series; series that are missing here are left out.

    Raises
    ------
    ValueError
        If the references belong to other losses.
    """
    stored = pq.read_table(REFERENCES / f"{name}.parquet")
    meta = {key.decode(): value.decode() for key, value in (stored.schema.metadata or {}).items()}
    columns = {c: np.asarray(stored[c].to_pylist() if c == "series" else stored[c]) for c in stored.column_names}
    found = {}
    for series, chosen in SERIES.items():
        here = columns["series"] == series
        if not here.any():
            continue
        try:
            losses = chosen.make()
        except FileNotFoundError:
            continue
        if meta[f"losses of {series}"] != digest(losses):
            raise ValueError(f"references of {name} belong to other losses of {series}: run make_references again")
        found[series] = columns["window"][here], columns["log_likelihood"][here]
    return found


def quality(name: str, series: str, most: int | None = None) -> Quality:
    """Our optima in the first `most` windows of a series (all by default) beside the references."""
    windows, best = references(name)[series]
    losses, n = SERIES[series].make(), len(SERIES[series].windows()[:most])
    fits = fits_of(PAIRS[name], losses, n, SERIES[series].window)
    known = windows < n
    return Quality(name, series, fits, fits.log_likelihood[windows[known]] - best[known])
