"""Estimate parameters that are known, many times: ``python docs/make_recovery_table.py [--quick] [--jobs N]``.

Writes docs/recovery.md, and riskcore/diagnostics/coverage.csv, from which the dashboard knows which intervals are too
short. A study is an entry of `STUDIES` in a file of docs/recovery. Parts that are done are kept in the folder named by
``--parts``; ``--only`` runs some models and writes nothing.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from recovery.base import Study
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[1]
PAGE, CSV = ROOT / "docs" / "recovery.md", ROOT / "riskcore" / "diagnostics" / "coverage.csv"
FIELDS = ("model", "setting", "parameter", "truth", "bias", "sd", "coverage", "coverage_error", "samples", "failed")
CHUNK = 50
NORMAL_95 = 1.959963984540054
FLAGGED = 0.90


def studies(only: str) -> dict[str, tuple[str, int]]:
    """Module and place of every study by its label, in order."""
    found: dict[str, tuple[str, int]] = {}
    wanted = only.split(",") if only else None
    for path in sorted((ROOT / "docs" / "recovery").glob("*.py")):
        if path.stem in ("__init__", "base"):
            continue
        for i, study in enumerate(importlib.import_module(f"recovery.{path.stem}").STUDIES):
            if wanted is None or study.model in wanted:
                found[f"{study.model} | {study.setting}"] = (path.stem, i)
    return found


def study_of(place: tuple[str, int]) -> Study:
    """The study at a place."""
    found: Study = importlib.import_module(f"recovery.{place[0]}").STUDIES[place[1]]
    return found


def part(folder: Path, label: str, place: tuple[str, int], chunk: int, count: int) -> list[dict[str, Any]]:
    """Estimates and standard errors of some samples, or what is kept of them."""
    key = hashlib.sha256(f"{label}|{chunk}|{count}".encode()).hexdigest()[:16]
    path = folder / f"{place[0]}-{key}.json"
    if path.exists():
        return json.loads(path.read_text())  # type: ignore[no-any-return]  # as written below
    study, found = study_of(place), []
    with threadpool_limits(limits=1), np.errstate(all="ignore"):
        for i in range(chunk, chunk + count):
            seed = int.from_bytes(hashlib.sha256(label.encode()).digest()[:4], "big")
            sample = study.simulate(np.random.default_rng([seed, i]))
            try:
                estimates, errors = study.estimate(sample)
            except ValueError:  # a FitError: the sample counts as failed
                found.append({})
                continue
            found.append({n: [float(estimates[n]), float(errors.get(n, math.nan))] for n in study.truth})
    path.write_text(json.dumps(found))
    return found


def rows_of(study: Study, found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Bias, spread and coverage of each parameter."""
    good = [one for one in found if one]
    for name, truth in study.truth.items():
        values = np.array([one[name] for one in good])
        inside = np.abs(values[:, 0] - truth) <= NORMAL_95 * values[:, 1]
        known = np.isfinite(values[:, 1])
        coverage = float(inside[known].mean()) if known.any() else math.nan
        yield {
            "model": study.model, "setting": study.setting, "parameter": name, "truth": truth,
            "bias": float(values[:, 0].mean() - truth), "sd": float(values[:, 0].std(ddof=1)), "coverage": coverage,
            "coverage_error": math.sqrt(coverage * (1 - coverage) / known.sum()) if known.any() else math.nan,
            "samples": len(found), "failed": len(found) - int(known.sum()),
        }  # fmt: skip


def page_of(table: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of docs/recovery.md."""
    yield "# Do the estimators find what is there?\n"
    yield (
        "Samples are drawn from each model with known parameters and estimated. Bias and spread (sd) are "
        "those of the estimates; coverage is the share of nominal 95 % intervals (estimate plus and minus "
        "1.96 standard errors) with the truth inside, with its Monte Carlo standard error. Intervals that "
        "cover less than 90 % are marked, here and where the dashboard shows them: they are too short. "
        "Without an interval are samples whose fit failed, or that gave no standard error for that parameter "
        "(on a bound there is none). Made by `python docs/make_recovery_table.py`.\n"
    )
    seen = None
    for r in table:
        if (r["model"], r["setting"]) != seen:
            seen = (r["model"], r["setting"])
            yield f"\n## {r['model']}\n\n{r['setting']}; {r['samples']:,} samples.\n"
            yield "| parameter | truth | bias | sd | coverage of 95 % | without an interval |"
            yield "| --- | --- | --- | --- | --- | --- |"
        short = " **too short**" if r["coverage"] < FLAGGED else ""
        known = f"{100 * r['coverage']:.1f} ({100 * r['coverage_error']:.1f}){short}"
        covered = "none" if math.isnan(r["coverage"]) else known
        yield f"| {r['parameter']} | {r['truth']:.4g} | {r['bias']:+.2g} | {r['sd']:.2g} | {covered} | {r['failed']} |"


def main() -> None:
    """Draw, estimate, and write the page and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten samples each: whether it runs")
    parser.add_argument("--samples", type=int, default=10_000, help="samples of a study at most; by default all")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--parts", type=Path, default=ROOT / "build" / "recovery", help="folder of parts that are done")
    parser.add_argument("--only", default="", help="models, by commas; writes nothing")
    given = parser.parse_args()
    given.parts.mkdir(parents=True, exist_ok=True)
    places = studies(given.only)
    todo = []
    for label, place in places.items():
        count = min(10 if given.quick else study_of(place).samples, given.samples)
        todo += [(label, place, i, min(CHUNK, count - i)) for i in range(0, count, CHUNK)]
    parts = Parallel(n_jobs=given.jobs, verbose=5, backend="multiprocessing")(
        delayed(part)(given.parts, *one) for one in todo
    )
    table: list[dict[str, Any]] = []
    for label, place in places.items():
        found = [one for (name, *_), some in zip(todo, parts, strict=True) if name == label for one in some]
        table += rows_of(study_of(place), found)
    if given.only or given.quick:  # whether it runs
        sys.stdout.write("\n".join(page_of(table)) + "\n")
        return
    with CSV.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in table)
    PAGE.write_text("\n".join(page_of(table)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
