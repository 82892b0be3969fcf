"""What a fit of every model costs: each entry of the registry on the S&P 500, window 1000, the default targets.

``python -m benchmarks.models`` writes the figures to ``riskcore/runs/costs.csv``, from which the model cards have them.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.series import SERIES
from benchmarks.timing import Call, duration
from riskcore import FORECASTERS, defaults
from riskcore._types import FloatArray, Target, WalkForward
from riskcore.runs.cards import COSTS
from riskcore.walkforward.exogenous import names_read
from riskcore.walkforward.loop import walk_forward

HEAD = ("model", "one fit from nothing", "a refit and a day of a daily walk", "refits measured")
SECONDS = 1.0
"""The walk is as long as fits in about this time."""
MOST = 1000


@dataclass(frozen=True)
class Cost:
    """Seconds of one processor: a fit from nothing, and a refit with the forecasts of its day in a daily walk."""

    model: str
    fit: float
    refit: float
    refits: int

    def cells(self) -> list[str]:
        """The line of the table."""
        return [f"`{self.model}`", duration(self.fit), duration(self.refit), f"{self.refits:,}"]


def model_costs(short: bool) -> Iterator[Cost]:
    """Costs of all entries; processor time, so that other work counts little."""
    window, losses = (250, SERIES["sp500"].make()[:400]) if short else (1000, SERIES["sp500"].make())
    targets = [Target.parse(name) for name in defaults.TARGETS]
    plan, chain = WalkForward(window, 1), defaults.COLD_START_EVERY
    for name, forecaster in FORECASTERS.items():
        if short and name not in ("historical", "garch-t", "heavy-t"):
            continue
        print(f"models: {name}", file=sys.stderr, flush=True)
        columns = _columns(losses) if names_read(forecaster) else None
        given = {} if columns is None else {"exog": columns[:window]}
        offered = [t for t in targets if forecaster.offers(t)]

        def walk(n: int) -> object:
            return walk_forward(losses, forecaster, targets, plan, exog=columns, stop=window + n)  # noqa: B023

        def fit() -> object:
            return forecaster.fit(losses[:window].copy(), offered, **given)  # noqa: B023

        fit()
        walk(chain)
        n = chain
        for _ in range(0 if short else 3):  # many refits at once cost less each, so that the first guess is too high
            once = _seconds(lambda: walk(n), 1) / n  # noqa: B023
            n = max(int(min(SECONDS / once, MOST)) // chain, 1) * chain
        yield Cost(name, _seconds(fit, 5), _seconds(lambda: walk(n), 3) / n, n)  # noqa: B023


def _columns(losses: FloatArray) -> FloatArray:
    """A realized variance for losses that have none: their smoothed squares with noise."""
    noise = np.exp(0.4 * np.random.default_rng(1).standard_normal(losses.size))
    level = np.empty(losses.size)
    last = float(np.mean(losses**2))
    for t, loss in enumerate(losses):
        last = 0.9 * last + 0.1 * loss * loss
        level[t] = last
    return np.asarray((level * noise)[:, None])


def _seconds(call: Call, turns: int) -> float:
    """Least processor time of some turns."""
    times = []
    for _ in range(turns):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Write the figures of all models."""
    with COSTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["model", "fit", "refit"])
        writer.writerows([c.model, f"{c.fit:.3g}", f"{c.refit:.3g}"] for c in model_costs(short=False))


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        main()
