"""What a run says on the terminal: tomorrow first, then how good the forecasts were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from riskcore import defaults
from riskcore._types import Status, Target
from riskcore.runs.progress import duration
from riskcore.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from riskcore.forecasts import Forecasts

_NAMES = {"var": "VaR", "es": "ES", "expectile": "expectile VaR"}
_MAX_ROWS = 60


def summary(run: Run) -> str:
    """The readable summary of a complete run, from its files."""
    import pandas as pd

    scores, backtests = (
        pd.read_csv(run.path / name, keep_default_na=False, na_values=[""]) for name in ("scores.csv", "backtests.csv")
    )
    forecasts = run.forecasts()
    parts = [_next_day(forecasts), _hits(forecasts), _scores(scores), _tests(backtests), _status(run)]
    return "\n\n".join(part for part in parts if part) + "\n"


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 2) -> str:
    """Rows as aligned text; the first `left` columns stand left, the others right.

    >>> print(text_table(["a", "n"], [["x", "1"], ["yy", "10"]], left=1))
    a    n
    x    1
    yy  10
    """
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cut(rows: list[list[str]]) -> tuple[list[list[str]], str]:
    more = len(rows) - _MAX_ROWS
    return rows[:_MAX_ROWS], f"\n... and {more} more rows in the files" if more > 0 else ""


def _title(target: Target) -> str:
    return f"{_NAMES[target.measure]} {target.level:g}"


def _percent(value: float, digits: int = 2) -> str:
    return f"{100 * value:.{digits}f} %" if value == value else "-"


def _next_day(forecasts: Forecasts) -> str:
    rows = forecasts.next_day().reset_index()
    if rows.empty:
        return ""
    head = ["asset", "model", "day", *(_title(t) for t in forecasts.targets), "status"]
    lines = [
        [row["asset"], row["model"], f"{row['date']:%Y-%m-%d}",
         *(_percent(row[t.label]) for t in forecasts.targets), str(row["status"])]
        for row in _records(rows)
    ]  # fmt: skip
    kept, more = _cut(lines)
    return "Next day (losses in percent of value)\n" + text_table(head, kept, left=3) + more + _beside(forecasts)


def _beside(forecasts: Forecasts) -> str:
    """What stands beside every expectile VaR: its level is no probability."""
    from riskcore.indicators import expectile_table

    lines = [
        [row["asset"], row["model"], f"expectile VaR {row['level']:g}", f"{row['loss_gain_ratio']:.4g}",
         _level(row["normal_var_level"]), _level(row["implied_var_level"]), _level(row["equal_es_level"])]
        for row in _records(expectile_table(forecasts))
    ]  # fmt: skip
    if not lines:
        return ""
    kept, more = _cut(lines)
    head = ["asset", "model", "measure", "loss-gain ratio", "normal match VaR", "equals VaR", "equals ES"]
    return (
        "\n\nWhat an expectile VaR equals (levels of the day's own law; its own level is no probability)\n"
        + text_table(head, kept, left=3)
        + more
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _level(value: float) -> str:
    return f"{value:.4f}" if value == value else "-"


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
            lines.append(
                [asset, model, _title(target), str(n_obs), str(hits), f"{expected:.1f}", _percent(hits / n_obs)]
            )
    if not lines:
        return ""
    kept, more = _cut(lines)
    head = ["asset", "model", "measure", "days", "hits", "expected", "hit rate"]
    return "Hits: days with a loss above VaR\n" + text_table(head, kept, left=3) + more


def _scores(scores: pd.DataFrame) -> str:
    """One row per asset and model, one column per score."""
    cells = [
        (row, _at(row) if row["level"] == row["level"] else str(row["score"]).replace("_", " "),
         f"{row['mean']:.4g}" if row["n_obs"] else "-")
        for row in _records(scores)
    ]  # fmt: skip
    title = "Mean scores (lower is better; VaR: quantile score, ES: FZ0, expectile VaR: asymmetric squared error)"
    return _by_unit(title, cells)


def _tests(backtests: pd.DataFrame) -> str:
    """One row per asset and model: how many tests reject at the usual size, by what is tested."""
    cells = []
    for _, rows in backtests.groupby(["asset", "model", "measure", "level"], sort=False, dropna=False):
        known = [row for row in _records(rows) if row["p_value"] == row["p_value"]]
        rejected = sum(row["p_value"] < defaults.SIZE for row in known)
        first = _records(rows)[0]
        cells.append((first, _at(first), f"{rejected} of {len(known)}" if known else "-"))
    return _by_unit(f"Backtests that reject at {defaults.SIZE:g} (which ones: backtests.csv)", cells)


def _at(row: dict[str, Any]) -> str:
    """Measure and level of a row of scores or tests, where it has them."""
    level = row["level"]
    return f"{_NAMES.get(row['measure'], row['measure'])} {level:g}" if level == level else "density"


def _by_unit(title: str, cells: Sequence[tuple[dict[str, Any], str, str]]) -> str:
    """Cells (row, column, text) as a table with a line for each asset and model."""
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row, column, text in cells:
        lines.setdefault((row["asset"], row["model"]), {})[column] = text
    columns = list(dict.fromkeys(column for _, column, _ in cells))
    if not columns:
        return ""
    kept, more = _cut([[*unit, *(line.get(c, "-") for c in columns)] for unit, line in lines.items()])
    return title + "\n" + text_table(["asset", "model", *columns], kept) + more


def _status(run: Run) -> str:
    counts = ", ".join(f"{name} {n}" for name, n in run.manifest["status"].items() if n)
    lines = [f"Rows by status: {counts}"]
    share = float(run.manifest["share_not_ok"])
    if share > defaults.DEGRADED_SHARE:
        lines.append(
            f"DEGRADED: {_percent(share, 1)} of the rows are {Status.implausible.name} or worse "
            f"(limit {_percent(defaults.DEGRADED_SHARE, 0)})"
        )
    lines += [f"NOT DONE: {unit['asset']}, {unit['model']}: {unit['reason']}" for unit in run.manifest["failed_units"]]
    timings = run.manifest["timings"]
    lines.append(
        f"Time {duration(timings['seconds'])}, memory of the largest process {timings['peak_memory_mb']:.0f} MB"
    )
    again = timings["units_done_again"]
    if again:
        lines.append(f"Damaged files that were computed again: {', '.join(again)}")
    names = ["forecasts/*.parquet", *sorted(run.manifest["outputs"]), "manifest.json"]
    lines.append(f"Files in {run.path}: {', '.join(names)}")
    return "\n".join(lines)
