"""The first answer of a run: the risk of the next day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from riskcore._types import Target
from riskcore.runs.export import guard
from riskcore.runs.run import Run
from riskcore.runs.writing import cut, percent, records, text_table, title

if TYPE_CHECKING:
    import pandas as pd

    from riskcore.forecasts import Forecasts

MANY_ASSETS = 4


def next_day(run: Run, forecasts: Forecasts, scores: pd.DataFrame) -> str:
    """A sentence for each asset and a table of all models; of many assets a row each, of the model that scores best."""
    rows = records(forecasts.next_day().reset_index())
    parts = [_absent(run, forecasts)]
    if rows:
        lead = {asset: _best(rows, asset, forecasts, scores) for asset in dict.fromkeys(row["asset"] for row in rows)}
        best = [row for row, _, _ in lead.values()]
        few = len(forecasts.assets) <= MANY_ASSETS
        if few:
            parts.append("\n".join(_sentence(*found, forecasts.targets) for found in lead.values()))
        shown = rows if few else best
        heading = "Next day (losses in percent of value"
        by = next((by for _, by, _ in lead.values() if by), "")
        if few:
            heading += f"; * lowest {by} score of the asset)" if by else ")"
        else:
            heading += f"; by the model with the lowest {by} score)" if by else "; by the first model)"
        marked = best if few and by else []
        parts.append(f"{heading}\n{_table(shown, forecasts.targets, marked)}\n{_legend(shown, forecasts)}")
    parts.append(_beside(run, forecasts))
    return "\n\n".join(part for part in parts if part)


def details(run: Run) -> str:
    """The file to open next."""
    return "report.html" if "report.html" in run.manifest["outputs"] else "scores.csv, backtests.csv"


def _absent(run: Run, forecasts: Forecasts) -> str:
    """Which assets have no row for the next day, and why."""
    there = set(forecasts.next_day().index.unique("asset"))
    without = [asset for asset in forecasts.assets if asset not in there]
    if not without:
        return ""
    last = max(str(run.manifest["data"][asset]["last"]) for asset in without)
    to = run.manifest["settings"]["to"]
    who = ", ".join(without[:MANY_ASSETS]) + (" and more" if len(without) > MANY_ASSETS else "")
    why = f"--to {to} ends the forecasts before the day after the last price ({last}); leave it out to get that day"
    return f"No next day for {who}: {why if to else 'it was not asked for'}"


def _headline(targets: Sequence[Target]) -> list[Target]:
    """The first VaR and the first ES, or else the first target: what the sentence says. The first of them scores."""
    firsts = [next((t for t in targets if t.measure == measure), None) for measure in ("var", "es")]
    return [t for t in firsts if t is not None] or [targets[0]]


def _best(
    rows: list[dict[str, Any]], asset: str, forecasts: Forecasts, scores: pd.DataFrame
) -> tuple[dict[str, Any], str, int]:
    """The asset's row of the model that scores lowest, the score's name and the number of models that have one."""
    target = _headline(forecasts.targets)[0]
    own = [row for row in rows if row["asset"] == asset]
    usable = {guard(row["model"]): row for row in own if row[target.label] == row[target.label]}  # as in the file
    known = scores[(scores["asset"] == guard(asset)) & (scores["measure"] == target.measure)]
    known = known[((known["level"] - target.level).abs() < 1e-12) & (known["n_obs"] > 0)]
    known = known[known["score"] == known["score"].iloc[0]] if len(known) else known
    ranked = [row for row in records(known.sort_values("mean", kind="stable")) if row["model"] in usable]
    if not ranked:
        return next(iter(usable.values()), own[0]), "", 0
    return usable[ranked[0]["model"]], str(ranked[0]["score"]), len(known)


def _sentence(row: dict[str, Any], by: str, n_models: int, targets: Sequence[Target]) -> str:
    """One asset's next day by one model.

    >>> import pandas as pd
    >>> row = {"asset": "A", "model": "m", "origin": pd.Timestamp("2024-01-03"), "status": "ok", "var_0.99": 0.0531}
    >>> _sentence(row, "quantile", 4, [Target("var", 0.99)])
    'A, next trading day after 2024-01-03: VaR 0.99 5.31 % (m, lowest quantile score of 4)'
    """
    values = ", ".join(f"{title(t)} {percent(row[t.label])}" for t in _headline(targets))
    chosen = f", lowest {by} score of {n_models}" if n_models > 1 else ""
    status = f"; status {row['status']}" if str(row["status"]) != "ok" else ""
    return f"{row['asset']}, next trading day after {row['origin']:%Y-%m-%d}: {values} ({row['model']}{chosen}{status})"


def _table(rows: list[dict[str, Any]], targets: Sequence[Target], marked: list[dict[str, Any]]) -> str:
    lines = [
        [row["asset"], row["model"] + (" *" if any(row is x for x in marked) else ""), f"{row['date']:%Y-%m-%d}",
         *(percent(row[t.label]) for t in targets), str(row["status"])]
        for row in rows
    ]  # fmt: skip
    kept, more = cut(lines)
    return text_table(["asset", "model", "day", *(title(t) for t in targets), "status"], kept, left=3) + more


def _legend(rows: list[dict[str, Any]], forecasts: Forecasts) -> str:
    """What the statuses in the table mean, and what the dates are."""
    found = {str(row["status"]) for row in rows}
    from riskcore.forecasts import STATUS_WORDS

    words = [f"{name}: {text}" for name, text in STATUS_WORDS.items() if name in found and name != "ok"]
    import pandas as pd

    weekends = bool((pd.DatetimeIndex(forecasts.frame.index.unique("date")).day_of_week >= 5).any())
    beside = " (the next day where weekends are traded)" if weekends else ""
    return "; ".join([*words, f"dates are the next weekday{beside}; holidays are not known"])


def _beside(run: Run, forecasts: Forecasts) -> str:
    """The constants of every expectile level, which is no probability."""
    from riskcore.indicators import beside_expectile

    levels = [t.level for t in forecasts.targets if t.measure == "expectile"]
    if not levels:
        return ""
    lines = []
    for level in levels:
        beside = beside_expectile(float("nan"), level)
        ratio, normal = beside["loss_gain_ratio"], beside["normal_var_level"]
        lines.append(f"expectile VaR {level:g}: loss-gain ratio {ratio:.4g}, under a normal law VaR {normal:.4f}")
    where = "report.html" if "report.html" in run.manifest["outputs"] else f"riskcore report {run.path}"
    return "\n".join([*lines, f"its level is no probability; levels of the day's own law: {where}"])
