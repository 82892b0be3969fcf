"""What was observed beside what was expected, and the exceptions one by one, as texts for the report and the pages."""

from __future__ import annotations

from typing import Any

import pandas as pd

from riskcore.forecasts import Forecasts
from riskcore.indicators import exception_table
from riskcore.plots.style import target_text
from riskcore.report.view import NONE, mark_first, number, percent

NEWEST = 60
"""Exceptions of one model in the report; all stand in its download on the page and follow from the forecasts."""
SUMMARY_HEADS = (
    "level", "days", "hits", "expected", "ratio", "L/VaR", "ES/VaR", "mean excess", "largest", "first", "missing",
)  # fmt: skip


def summary_blocks(summary: pd.DataFrame, asset: str) -> list[dict[str, Any]]:
    """One line per VaR or ES and model of an asset, from `riskcore.summary_table`, by risk figure."""
    rows = summary[summary["asset"] == asset]
    lines = []
    records = rows.to_dict("records")
    for key in dict.fromkeys((r["measure"], r["level"]) for r in records):
        found = [r for r in records if (r["measure"], r["level"]) == key]
        lines += [{"target": target_text(*key), "model": r["model"], "cells": _cells(r)} for r in found]
    return mark_first(lines, "target")


def _cells(record: dict[Any, Any]) -> list[str]:
    first = record["first_hit"]
    return [
        percent(record["observed_level"]),
        number(record["n_obs"], ",d"),
        number(record["hits"], ",d"),
        number(record["expected_hits"], ",.1f"),
        number(record["ratio"], ".2f"),
        number(record["observed_severity"], ".3f"),
        number(record["expected_severity"], ".3f"),
        percent(record["mean_excess"]),
        percent(record["largest_excess"]),
        NONE if pd.isna(first) else f"{int(first):,}",
        number(record["missing"], ",d"),
    ]


def summary_rows(summary: pd.DataFrame, asset: str) -> pd.DataFrame:
    """`summary_blocks` as one table of texts."""
    return pd.DataFrame(
        {"risk figure": line["target"], "model": line["model"], **dict(zip(SUMMARY_HEADS, line["cells"], strict=True))}
        for line in summary_blocks(summary, asset)
    )


def exceptions_log(forecasts: Forecasts, asset: str, model: str) -> list[dict[str, Any]]:
    """The newest exceptions of each VaR of a model, newest first, and how many more there are."""
    logs = []
    for target in (t for t in forecasts.targets if t.measure == "var"):
        table = exception_table(forecasts, asset, model, target)
        has_es = bool(table["es"].notna().any())
        rows = [
            [f"{r['date']:%Y-%m-%d}", percent(r["loss"]), percent(r["var"]), percent(r["excess"])]
            + ([percent(r["es"])] if has_es else [])
            + [str(r["status"]).replace("_", " ")]
            for r in table.head(NEWEST).to_dict("records")
        ]
        heads = ["date", "loss", "VaR", "excess", *(["ES"] if has_es else []), "status"]
        logs.append(
            {
                "target": target_text("var", target.level),
                "heads": heads,
                "rows": rows,
                "count": len(table),
                "more": len(table) - len(rows),
            }
        )
    return [log for log in logs if log["count"]]
