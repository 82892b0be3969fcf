"""Measure sizes and powers of all backtests: ``python docs/make_size_table.py [--quick] [--jobs N]``.

Writes docs/size_and_power.md and riskcore/backtests/attained.csv, the table from which "auto" p-values choose their
null and from which `backtest_table` reads powers. Losses are a volatility that is known, times t(5); the model is right
(size), or all its forecasts are 20 % too low (power). The samples take a quarter of an hour of one processor, the
series with a refitted model half an hour. Parts that are done are kept in the folder named by ``--parts`` and not
computed again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from joblib import Parallel, delayed
from size_panel import FREEDOM, PANELS, UNIT, Cell, Samples
from threadpoolctl import threadpool_limits

import riskcore as rc
from riskcore.backtests import BACKTESTS, nulls

ROOT = Path(__file__).resolve().parents[1]
CSV, PAGE = ROOT / "riskcore" / "backtests" / "attained.csv", ROOT / "docs" / "size_and_power.md"
DAYS, LEVELS, SIZES = (250, 500, 1000, 2500), (0.95, 0.975, 0.99), (0.01, 0.05, 0.10)
SEEDS = 20
"""Simulated nulls are drawn anew so many times, or the error of one draw would show as size."""
TOO_LOW = 0.8
FIELDS = ("test", "p_method", "level", "n_obs", "size_1", "size_5", "size_10", "power", "undefined", "replications")
REPLICATIONS = {"asymptotic": 20_000, "exact": 20_000, "simulated": 5000, "bootstrap": 500, "anytime-valid": 5000}
POWER_REPLICATIONS = {"asymptotic": 5000, "exact": 5000, "simulated": 2000, "bootstrap": 500, "anytime-valid": 2000}
BOOTSTRAPPED = ("exceedance_residuals", "esr")
"""Tests with a bootstrapped p-value, for models without a law; measured at the fewest days alone."""
NO_P_VALUE = ("e_expectile",)
"""A test that has none without a declared cap."""
REFITTED = 1000
"""Series in the table with a refitted model."""
BLOCK = 20
"""Those that are kept together as one part."""


def kinds(name: str, cell: Cell) -> list[str]:
    """The p-values of a test that are measured."""
    chosen = BACKTESTS[name].asymptotic and "p_value" in (BACKTESTS[name].run.__kwdefaults__ or {})
    bootstrap = ["bootstrap"] if name in BOOTSTRAPPED and cell.n == DAYS[0] else []
    return ["asymptotic", "auto", *bootstrap] if chosen else ["auto"]


def measured(names: list[str], cell: Cell, seed: int, most: int) -> list[dict[str, Any]]:
    """Samples of a seed that each test rejects at 1, 5 and 10 %; tests of the whole law at the first level only."""
    counts = {m: min(most, k // SEEDS) for m, k in (REPLICATIONS if cell.factor == 1 else POWER_REPLICATIONS).items()}
    samples, found = Samples(cell, seed, max(counts.values())), []
    for name in names:
        if name in NO_P_VALUE or (BACKTESTS[name].measure == "density" and cell.level != LEVELS[0]):
            continue
        for kind in kinds(name, cell):
            one_by_one = "bootstrap" if kind == "bootstrap" else "anytime-valid"
            whole = name in PANELS and kind != "bootstrap"
            p, method = samples.p_values(name, kind, samples.count if whole else counts[one_by_one])
            p = samples.checked(name, kind, p[: counts[method.partition(":")[0].partition(" (")[0] or "simulated"]])
            # the share of all samples: one without a p-value rejects nothing
            found.append(
                {"test": name, "kind": kind, "level": cell.level, "factor": cell.factor, "method": method,
                 "count": p.size, "below": [int(np.sum(p < a)) for a in SIZES], "undefined": int(np.isnan(p).sum())}
            )  # fmt: skip
    return found


def part(folder: Path, names: list[str], n: int, seed: int, most: int) -> list[dict[str, Any]]:
    """`measured` at all levels and factors, or what is kept of it."""
    path = folder / f"{n}-{seed}-{most}.json"
    if path.exists():
        return json.loads(path.read_text())  # type: ignore[no-any-return]  # as written below
    cells = [Cell(n, level, factor) for level in LEVELS for factor in (1.0, TOO_LOW)]
    # the table to be made must not choose for itself
    with threadpool_limits(limits=1), patch.object(nulls, "asymptotic_holds", lambda *_: False):
        found = [row for cell in cells for row in measured(names, cell, seed, most)]
    _keep(path, found)
    return found


def _keep(path: Path, found: Any) -> None:
    """Write what is found, at once: another process may read it."""
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(found))
    part.replace(path)


def rows(folder: Path, names: list[str], jobs: int, most: int) -> list[dict[str, Any]]:
    """All rows of the table: what is found at factor 1 beside the power."""
    todo = [(n, seed) for n in DAYS for seed in range(SEEDS)]
    parts = Parallel(n_jobs=jobs, verbose=5, backend="multiprocessing")(
        delayed(part)(folder, names, *one, most) for one in todo
    )
    total: dict[tuple[str, str, Cell], dict[str, Any]] = {}
    for (n, _), found in zip(todo, parts, strict=True):
        for r in found:
            key = (r["test"], r["kind"], Cell(n, r["level"], r["factor"]))
            sums = total.setdefault(key, {"methods": set(), "count": 0, "below": [0, 0, 0], "undefined": 0})
            sums["methods"] |= {r["method"]} - {""}
            sums["below"] = [x + y for x, y in zip(sums["below"], r["below"], strict=True)]
            sums["count"] += r["count"]
            sums["undefined"] += r["undefined"]
    out: list[dict[str, Any]] = []
    for (name, kind, cell), sums in total.items():
        if cell.factor != 1.0:
            continue
        shares = [x / sums["count"] for x in sums["below"]]
        power = total[name, kind, Cell(cell.n, cell.level, TOO_LOW)]
        row = {
            "test": name, "p_method": "/".join(sorted(sums["methods"])) or "none", "level": cell.level, "n_obs": cell.n,
            "size_1": shares[0], "size_5": shares[1], "size_10": shares[2], "power": power["below"][1] / power["count"],
            "undefined": sums["undefined"] / sums["count"], "replications": sums["count"],
        }  # fmt: skip
        if row["p_method"] != "none" and not any(_key(row) == _key(r) for r in out):
            out.append(row)
    return sorted(out, key=lambda r: (r["n_obs"], r["level"], list(BACKTESTS).index(r["test"]), r["p_method"]))


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["test"], row["p_method"], row["level"], row["n_obs"]


def refitted(n: int, replication: int) -> dict[str, float]:
    """P-values of all primary and some other tests for one series of a GARCH-t that is refitted every day."""
    rng = np.random.default_rng([7, n, replication])
    z = rng.standard_t(FREEDOM, n + 1500) * UNIT
    losses, h = np.empty(z.size), 1.0
    for t in range(z.size):
        losses[t] = h**0.5 * z[t]
        h = 0.02 + 0.08 * losses[t] ** 2 + 0.9 * h
    import pandas as pd

    days = pd.bdate_range("2000-01-03", periods=n + 1000)
    frame = pd.DataFrame({"x": losses[500:]}, index=days)
    targets = [rc.Target("var", 0.99), rc.Target("var", 0.975), rc.Target("es", 0.975), rc.Target("expectile", 0.99)]
    model = rc.LocationScale(volatility=rc.GARCH(), law=rc.StudentT())
    with threadpool_limits(limits=1):
        table = rc.backtest_table(rc.forecast(frame, [model], targets, rc.WalkForward(window=1000, refit_every=1)))
    keys = zip(table["measure"], table["level"], table["test"], table["p_method"], strict=True)
    return {"|".join(map(str, key)): float(p) for key, p in zip(keys, table["p_value"], strict=True)}


def refitted_block(folder: Path, n: int, first: int, count: int) -> list[dict[str, float]]:
    """`refitted` of some series, or what is kept of it."""
    path = folder / f"refitted-{n}-{first}-{count}.json"
    if not path.exists():
        _keep(path, [refitted(n, first + i) for i in range(count)])
    return json.loads(path.read_text())  # type: ignore[no-any-return]  # as written above


def refitted_rows(folder: Path, jobs: int, quick: bool) -> list[dict[str, Any]]:
    """Shares of series with a right but estimated model that each test rejects."""
    out = []
    for n in (250, 1000):
        blocks = Parallel(n_jobs=jobs, verbose=5, backend="multiprocessing")(
            delayed(refitted_block)(folder, n, first, BLOCK) for first in range(0, BLOCK if quick else REFITTED, BLOCK)
        )
        found = [one for block in blocks for one in block]
        for key in dict.fromkeys(k for one in found for k in one):
            measure, level, test, method = key.split("|")
            if method == "none":
                continue
            p = np.array([one.get(key, np.nan) for one in found])
            shares = [float(np.mean(p < a)) for a in SIZES]
            out.append({"measure": measure, "level": level, "test": test, "n_obs": n, "p_method": method,
                        "shares": shares, "replications": len(found)})  # fmt: skip
    return out


def page_of(table: list[dict[str, Any]], estimated: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of docs/size_and_power.md."""
    yield "# Size and power of the tests\n"
    yield (
        "How often each test rejects forecasts that are right (at 1, 5 and 10 %), and forecasts that are 20 % too low "
        "(at 5 %). Losses are t(5) times a volatility that the model knows. Made by `python docs/make_size_table.py`; "
        'the same figures stand in `riskcore/backtests/attained.csv`, from which `p_value="auto"` and the power in '
        "the table of backtests are read.\n"
    )
    yield (
        "A size of 5.0 with 20,000 samples is known to 0.15 points (one standard error), with 5,000 to 0.31, with "
        "1,000 to 0.69, with 500 to 0.97; powers have 5,000 samples, 2,000 where the p-value is simulated. A simulated "
        f"null is drawn anew {SEEDS} times, once for each {SEEDS}th of the samples. A sample in which a test has no "
        "p-value counts as not rejected. Discrete exact tests attain less than nominal by their steps. Tests of "
        "densities have no level; they stand at the first. Bootstrapped p-values, for models without a law, are "
        f"measured at {DAYS[0]} days.\n"
    )
    for n in DAYS:
        yield f"\n## {n:,} days\n"
        yield "| test | level | p-value | 1 % | 5 % | 10 % | power | no p-value | samples |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
        for r in sorted(
            (r for r in table if r["n_obs"] == n), key=lambda r: (list(BACKTESTS).index(r["test"]), r["level"])
        ):
            level = "" if BACKTESTS[r["test"]].measure == "density" else f"{r['level']:g}"
            sizes = " | ".join(f"{100 * r[k]:.1f}" for k in ("size_1", "size_5", "size_10"))
            yield (
                f"| `{r['test']}` | {level} | {r['p_method']} | {sizes} | {100 * r['power']:.0f} | "
                f"{100 * r['undefined']:.1f} | {r['replications']:,} |"
            )
    yield "\n## With a model that is estimated\n"
    yield (
        "GARCH-t refitted every day on 1,000 losses of a GARCH(1,1) with t(5) shocks (alpha 0.08, beta 0.90): the "
        "model is right, its parameters are not known. Default p-values.\n"
    )
    yield "| test | target | days | p-value | 1 % | 5 % | 10 % | series |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for r in estimated:
        sizes = " | ".join(f"{100 * s:.1f}" for s in r["shares"])
        target = r["measure"] if r["level"] == "nan" else f"{r['measure']} {r['level']}"
        yield f"| `{r['test']}` | {target} | {r['n_obs']:,} | {r['p_method']} | {sizes} | {r['replications']:,} |"


def main() -> None:
    """Measure, and write the page and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few samples each: whether it runs")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--parts", type=Path, default=ROOT / "build" / "sizes", help="folder of parts that are done")
    parser.add_argument("--only", default="", help="names of tests, by commas; writes nothing")
    parser.add_argument("--no-refitted", action="store_true", help="without the table of the estimated model")
    given = parser.parse_args()
    given.parts.mkdir(parents=True, exist_ok=True)
    names = given.only.split(",") if given.only else list(BACKTESTS)
    table = rows(given.parts, names, given.jobs, 5 if given.quick else max(REPLICATIONS.values()))
    if given.only:
        sys.stdout.write("\n".join(str(row) for row in table) + "\n")
        return
    with CSV.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in table)
    estimated = [] if given.no_refitted else refitted_rows(given.parts, given.jobs, given.quick)
    PAGE.write_text("\n".join(page_of(table, estimated)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
