"""What a run says on the terminal: tomorrow first, then how good the forecasts were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from riskcore import defaults
from riskcore._types import Status
from riskcore.runs.progress import duration
from riskcore.runs.run import Run
from riskcore.runs.tomorrow import MANY_ASSETS, details, next_day
from riskcore.runs.writing import NAMES, cut, percent, records, text_table, title
from riskcore.tables.scoring import MOVING

if TYPE_CHECKING:
    import pandas as pd

    from riskcore.forecasts import Forecasts


def summary(run: Run) -> str:
    """The readable summary of a complete run, from its files; of more than four assets the next day and the counts."""
    import pandas as pd

    scores, backtests = (
        pd.read_csv(run.path / name, keep_default_na=False, na_values=[""]) for name in ("scores.csv", "backtests.csv")
    )
    forecasts = run.forecasts()
    few = len(forecasts.assets) <= MANY_ASSETS
    parts = [next_day(run, forecasts, scores)]
    parts += [_hits(forecasts), _scores(scores), _tests(backtests)] if few else []
    return "\n\n".join(part for part in [*parts, _status(run)] if part) + "\n"


def _hits(forecasts: Forecasts) -> str:
    """Days on which the loss exceeded the forecast; for ES and expectiles the share only, as it tests nothing."""
    targets = [t for t in forecasts.targets if t.measure == "var"]
    lines = []
    for asset, model in forecasts.units:
        rows = forecasts.judged(asset, model)
        for target in targets:
            known = rows[rows[target.label].notna()]
            n_obs = len(known)
            if not n_obs:
                continue
            hits = int((known["loss"] > known[target.label]).sum())
            expected = (1 - target.level) * n_obs
            lines.append([asset, model, title(target), str(n_obs), str(hits), f"{expected:.1f}", percent(hits / n_obs)])
    if not lines:
        return ""
    kept, more = cut(lines)
    head = ["asset", "model", "measure", "days", "hits", "expected", "hit rate"]
    return "Hits: days with a loss above VaR\n" + text_table(head, kept, left=3) + more


def _scores(scores: pd.DataFrame) -> str:
    """One row per asset and model, one column per score."""
    cells = [
        (row, _at(row) if row["level"] == row["level"] else str(row["score"]).replace("_", " "),
         f"{row['mean']:.4g}" if row["n_obs"] else "-")
        for row in records(scores)
    ]  # fmt: skip
    heading = "Mean scores (lower is better; VaR: quantile score, ES: FZ0, expectile VaR: asymmetric squared error)"
    moving = bool((scores["score"] == MOVING).any())
    note = "\nExpectile moving: at the day's own level; not comparable across models" if moving else ""
    return _by_unit(heading + note, cells)


def _tests(backtests: pd.DataFrame) -> str:
    """One row per asset and model: how many tests reject at the usual size, by what is tested."""
    cells = []
    for _, rows in backtests.groupby(["asset", "model", "measure", "level"], sort=False, dropna=False):
        known = [row for row in records(rows) if row["p_value"] == row["p_value"]]
        rejected = sum(row["p_value"] < defaults.SIZE for row in known)
        first = records(rows)[0]
        cells.append((first, _at(first), f"{rejected} of {len(known)}" if known else "-"))
    return _by_unit(f"Backtests that reject at {defaults.SIZE:g} (which ones: backtests.csv)", cells)


def _at(row: dict[str, Any]) -> str:
    """Measure and level of a row of scores or tests, where it has them."""
    level, name = row["level"], NAMES.get(row["measure"], row["measure"])
    if level == level:
        return f"{name} {level:g}"
    if row["measure"] == "expectile":  # of a model whose level moves
        return f"{name}, day's level"
    return "density" if row["measure"] == "density" else f"{name}, all levels"


def _by_unit(heading: str, cells: Sequence[tuple[dict[str, Any], str, str]]) -> str:
    """Cells (row, column, text) as a table with a line for each asset and model."""
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row, column, text in cells:
        lines.setdefault((row["asset"], row["model"]), {})[column] = text
    columns = list(dict.fromkeys(column for _, column, _ in cells))
    if not columns:
        return ""
    kept, more = cut([[*unit, *(line.get(c, "-") for c in columns)] for unit, line in lines.items()])
    return heading + "\n" + text_table(["asset", "model", *columns], kept) + more


def _status(run: Run) -> str:
    counts = ", ".join(f"{name} {n}" for name, n in run.manifest["status"].items() if n)
    lines = [f"Rows by status: {counts}"]
    share = float(run.manifest["share_not_ok"])
    if share > defaults.DEGRADED_SHARE:
        lines.append(
            f"DEGRADED: {percent(share, 1)} of the rows are {Status.implausible.name} or worse "
            f"(limit {percent(defaults.DEGRADED_SHARE, 0)})"
        )
    lines += [f"NOT DONE: {unit['asset']}, {unit['model']}: {unit['reason']}" for unit in run.manifest["failed_units"]]
    if run.report_error:
        lines.append(f"REPORT FAILED: {run.report_error}; the tables are whole; try again: riskcore report {run.path}")
    timings = run.manifest["timings"]
    n_units = len(run.manifest["units"]) + len(run.manifest["failed_units"])
    if timings["units_reused"]:
        lines.append(f"resumed: {timings['units_reused']} of {n_units} units were already there")
    lines.append(
        f"Time {duration(timings['seconds'])}, memory of the largest process {timings['peak_memory_mb']:.0f} MB"
    )
    again = timings["units_done_again"]
    if again:
        lines.append(f"Damaged files that were computed again: {', '.join(again)}")
    names = ["forecasts/*.parquet", *sorted(run.manifest["outputs"]), "manifest.json"]
    lines.append(f"Files in {run.path}: {', '.join(names)}; details: {details(run)}")
    return "\n".join(lines)
