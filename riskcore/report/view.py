"""What the report's tables show, as plain values and texts: the template only arranges them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import Status
from riskcore.forecasts import STATUS_NAMES, STATUS_WORDS, Forecasts
from riskcore.indicators import beside_expectile, expectile_table
from riskcore.plots.judged import (
    MOVING,
    by_score,
    excess_over_best,
    excess_text,
    hits_text,
    missing_as_hits,
    reason_words,
    same_days,
    score_note,
)
from riskcore.plots.style import level_text, target_text, title

NONE = "–"


def number(value: object, spec: str = ".4g") -> str:
    """A number as text, a dash where there is none.

    >>> number(1234.5, ",.1f"), number(float("nan"))
    ('1,234.5', '–')
    """
    ok = isinstance(value, (int, float, np.number)) and math.isfinite(value)
    return format(value, spec).replace("-", "−") if ok else NONE


def percent(value: object, digits: int = 2) -> str:
    """A loss or share in percent.

    >>> percent(0.0213)
    '2.13 %'
    """
    text = number(value, f".{digits}%")
    return text.replace("%", " %")


def p_text(value: object) -> str:
    """A p-value; tiny ones are not shown as zero.

    >>> p_text(0.00002), p_text(0.0314)
    ('< 0.001', '0.031')
    """
    tiny = isinstance(value, (int, float, np.number)) and 0 <= value < 0.001
    return "< 0.001" if tiny else number(value, ".3f")


def mark_first(rows: list[dict[str, Any]], key: str = "asset") -> list[dict[str, Any]]:
    """Rows with ``first`` where `key` differs from the row before.

    >>> [r["first"] for r in mark_first([{"asset": "A"}, {"asset": "A"}, {"asset": "B"}])]
    [True, False, True]
    """
    for before, row in zip([None, *rows], rows, strict=False):
        row["first"] = before is None or before[key] != row[key]
    return rows


def overview(forecasts: Forecasts) -> dict[str, Any]:
    """What the run holds: assets, models, dates, status counts and the share that is not ok."""
    frame = forecasts.frame
    dates = frame.index.get_level_values("date")
    judged = dates[frame["loss"].notna().to_numpy()]
    by_unit = frame.groupby(level=["asset", "model"], sort=False)["status"]
    counts = by_unit.value_counts(sort=False).unstack(fill_value=0).reindex(columns=list(STATUS_NAMES), fill_value=0)
    table = zip(counts.index, counts.to_numpy().tolist(), strict=True)
    units = [{"asset": unit[0], "model": unit[1], "counts": row} for unit, row in table]
    return {
        "assets": forecasts.assets,
        "models": forecasts.models,
        "targets": [target_text(t.measure, t.level) for t in forecasts.targets],
        "first": f"{judged.min():%Y-%m-%d}" if len(judged) else NONE,
        "last": f"{judged.max():%Y-%m-%d}" if len(judged) else NONE,
        "days": len(judged.unique()),
        "rows": len(frame),
        "share_not_ok": percent(forecasts.share_not_ok()),
        "degraded": forecasts.degraded,
        "limit": percent(defaults.DEGRADED_SHARE, 0),
        "statuses": [name.replace("_", " ") for name in STATUS_NAMES],
        "units": mark_first(units),
        "meanings": status_meanings(STATUS_NAMES),
    }


def status_meanings(names: Iterable[str]) -> list[tuple[str, str]]:
    """Statuses and what they mean, from good to bad."""
    found = set(names)
    return [(x.replace("_", " "), STATUS_WORDS[x]) for x in STATUS_NAMES if x in found]


def tomorrow(forecasts: Forecasts, chosen: Mapping[str, str]) -> dict[str, Any]:
    """The last row of every asset and model whose loss is unknown; without one, the last row there is.

    `chosen` names the model of each asset whose row is marked.
    """
    last = last_rows(forecasts)
    targets = [t for t in forecasts.targets if bool(last[t.label].notna().any())]
    volatility = "volatility" in last and bool(last["volatility"].notna().any())
    heads = [target_text(t.measure, t.level) for t in targets] + (["volatility"] if volatility else [])
    records = []
    for key, row in zip(last.index, last.to_dict("records"), strict=True):
        asset, model, date = key
        values = [row[t.label] for t in targets] + ([row["volatility"]] if volatility else [])
        records.append(
            {
                "asset": asset,
                "model": model,
                "date": f"{date:%Y-%m-%d}",
                "origin": f"{row['origin']:%Y-%m-%d}",
                "cells": list(zip(heads, map(percent, values), strict=True)),
                "status": str(row["status"]).replace("_", " "),
                "bad": Status[str(row["status"])] >= Status.implausible,
                "chosen": chosen.get(asset) == model,
            }
        )
    spans = {(r["date"], r["origin"]) for r in records}
    same = dict(zip(("date", "origin"), next(iter(spans)), strict=True)) if len(spans) == 1 else None
    return {
        "ahead": not forecasts.next_day().empty,
        "same": same,
        "heads": heads,
        "rows": mark_first(records),
        "meanings": status_meanings(set(last["status"].astype(str)) - {"ok"}),
        "constants": _constants(forecasts),
        "beside": _beside(forecasts, last),
    }


def last_rows(forecasts: Forecasts) -> pd.DataFrame:
    """The last row of every asset and model, of those whose loss is unknown where there are any."""
    ahead = forecasts.next_day()
    rows = forecasts.frame if ahead.empty else ahead
    return rows.groupby(level=["asset", "model"], sort=False).tail(1)


def ranked(
    forecasts: Forecasts, scores: pd.DataFrame, asset: str, among: Sequence[str] | None = None, which: str = ""
) -> tuple[str, str]:
    """The model of an asset with the lowest quantile score at the first VaR target, and why it is the one named.

    `among` holds the models to choose from, by default all of the asset's, and `which` says which they are.
    """
    models = [m for a, m in forecasts.units if a == asset and (among is None or m in among)]
    level = next((t.level for t in forecasts.targets if t.measure == "var"), None)
    keys = (scores["asset"] == asset) & (scores["measure"] == "var") & (scores["score"] == "quantile")
    rows = scores[keys & (scores["level"] == level) & scores["model"].isin(models) & scores["mean"].notna()]
    if len(models) == 1:
        return models[0], f"the only model{which}" if which else ""
    if rows.empty:
        return models[0], f"first of {len(models)} models{which}, none has a VaR score"
    note = "" if same_days(rows.to_dict("records")) else ", which were scored on different days"
    return str(rows["model"].iloc[int(rows["mean"].argmin())]), f"lowest VaR score of {len(rows)} models{which}{note}"


def headlines(forecasts: Forecasts, best: Mapping[str, tuple[str, str]]) -> list[dict[str, str]]:
    """The next day of each asset in a sentence, under the model named for it and why it is."""
    last = last_rows(forecasts)
    rows = {key[:2]: (key[2], row) for key, row in zip(last.index, last.to_dict("records"), strict=True)}
    return [_headline(forecasts, asset, model, why, rows.get((asset, model))) for asset, (model, why) in best.items()]


def _headline(
    forecasts: Forecasts, asset: str, model: str, why: str, found: tuple[Any, Mapping[Any, Any]] | None
) -> dict[str, str]:
    """First VaR, ES and expectile VaR of a row."""
    if found is None:
        return {"asset": asset, "when": "", "risks": "no row for the next day", "who": model}
    date, row = found
    ahead = not math.isfinite(row["loss"])
    when = f"next trading day after {row['origin']:%Y-%m-%d}" if ahead else f"last forecast, for {date:%Y-%m-%d}"
    first = {t.measure: t for t in reversed(forecasts.targets)}
    words = []
    for target in (first[m] for m in ("var", "es", "expectile") if m in first):
        if math.isfinite(row[target.label]):
            text = target_text(target.measure, target.level)
            if target.measure == "expectile":
                text = f"expectile VaR (τ = {target.level:.10g})"
            words.append(f"{text} {percent(row[target.label])}")
    status = str(row["status"]).replace("_", " ")
    who = f"{model}, {why}; status {status}" if why else f"{model}; status {status}"
    return {"asset": asset, "when": when, "risks": ", ".join(words) or "no forecast", "who": who}


def _constants(forecasts: Forecasts) -> list[dict[str, str]]:
    """What depends on the level of an expectile VaR alone, once per level."""
    found = []
    for level in (t.level for t in forecasts.targets if t.measure == "expectile"):
        fixed = beside_expectile(math.nan, level)
        ratio = number(fixed["loss_gain_ratio"], ",.1f")
        normal = level_text(round(fixed["normal_var_level"], 5))
        found.append({"level": f"{level:.10g}", "ratio": ratio, "normal": normal})
    return found


def _beside(forecasts: Forecasts, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """What stands beside every expectile VaR of `rows`."""
    table = expectile_table(forecasts, rows)
    found = [
        {
            "asset": r["asset"],
            "model": r["model"],
            "level": f"{r['level']:.10g}",
            "value": percent(r["expectile"]),
            "implied": _level(r["implied_var_level"]),
            "es": _level(r["equal_es_level"]),
        }
        for r in table.dropna(subset="expectile").to_dict("records")
    ]
    return mark_first(found)


def _level(value: float) -> str:
    return f"{100 * value:.2f} %" if math.isfinite(value) else NONE


def score_blocks(scores: pd.DataFrame, asset: str) -> list[dict[str, Any]]:
    """One block per score and target of an asset: models by mean, the best marked; in their order if none compare."""
    rows = scores[scores["asset"] == asset]
    blocks = []
    for (measure, level, score), part in by_score(rows).items():
        ordered = part if score == MOVING else sorted(part, key=lambda r: (math.isnan(r["mean"]), r["mean"]))
        excess = excess_over_best(pd.Series([r["mean"] for r in ordered], dtype="float64"), score)
        lines = [
            {
                "model": r["model"],
                "mean": number(r["mean"], "#.5g"),
                "excess": excess_text(x, score),
                "best": x == 0,
                "n": number(r["n_obs"], ",.0f"),
                "share": percent(r["share_not_ok"], 1),
            }
            for r, x in zip(ordered, excess, strict=True)
        ]
        target = "" if measure == "density" or score == MOVING else target_text(measure, level)
        words = {"target": target, "score": title(score), "note": score_note(score, part)}
        blocks.append({**words, "lines": lines})
    return blocks


def score_rows(scores: pd.DataFrame, asset: str) -> pd.DataFrame:
    """`score_blocks` as one table of texts: a row for every risk figure, score and model, the best model first.

    Scores that compare with none are left out; they are those of `lone_scores`.
    """
    rows = [
        {"risk figure": block["target"] or "density", "score": block["score"], "model": line["model"],
         "mean": line["mean"], "against the best": line["excess"], "days": line["n"], "not ok": line["share"],
         "note": block["note"]}
        for block in score_blocks(scores[scores["score"] != MOVING], asset) for line in block["lines"]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def lone_scores(scores: pd.DataFrame, asset: str) -> pd.DataFrame:
    """Scores at levels that move, which are not comparable across models: raw means, in the order of the models."""
    rows = [
        {"model": line["model"], "mean": line["mean"], "days": line["n"], "not ok": line["share"]}
        for block in score_blocks(scores[scores["score"] == MOVING], asset) for line in block["lines"]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def backtest_blocks(backtests: pd.DataFrame, asset: str) -> list[dict[str, Any]]:
    """One block per target of an asset: a line per test and model."""
    rows = backtests[backtests["asset"] == asset]
    found: dict[tuple[str, float | None], dict[str, list[dict[str, Any]]]] = {}
    for record in rows.assign(missing=missing_as_hits(rows)).to_dict("records"):
        level = record["level"]
        tests = found.setdefault((record["measure"], None if level != level else level), {})
        tests.setdefault(record["test"], []).append(_test_line(record))
    blocks = []
    for (measure, level), tests in found.items():
        lines = [line for group in tests.values() for line in group]
        counts = ["losses above", "expected"] if measure == "expectile" else ["hits", "expected"]
        blocks.append(
            {"target": target_text(str(measure), level), "counts": counts, "lines": mark_first(lines, "test")}
        )
    return blocks


def _test_line(record: Mapping[Any, Any]) -> dict[str, Any]:
    p = record["p_value"]
    words = [reason_words(record["reason"])] if number(p) == NONE else [record["p_method"], record["reason"]]
    return {
        "test": title(record["test"]),
        "model": record["model"],
        "p": p_text(p),
        "adjusted": p_text(record["p_adjusted"]),
        "rejected": bool(p < defaults.SIZE),
        "statistic": number(record["statistic"], ".3f"),
        "n": number(record["n_obs"], ",.0f"),
        "hits": hits_text(record["hits"], record["missing"]),
        "expected": number(record["expected_hits"], ",.1f"),
        "method": "; ".join(str(x) for x in words if isinstance(x, str) and x),
    }


def finding_rows(findings: Iterable[Any] | None) -> list[dict[str, str]]:
    """Findings (objects, mappings or texts) as code, severity, place, message and remedy."""
    rows = []
    for finding in findings or ():
        values = asdict(finding) if is_dataclass(finding) and not isinstance(finding, type) else finding
        if not isinstance(values, Mapping):
            values = {"message": values}
        place = [str(values[k]) for k in ("file", "sheet", "column") if values.get(k)]
        lines = [str(r) for r in values.get("rows") or ()]
        if lines:
            place.append("rows " + ", ".join(lines[:6]) + (" ..." if len(lines) > 6 else ""))
        words = {k: str(values.get(k) or "") for k in ("code", "severity", "message", "remedy")}
        rows.append({**words, "place": ", ".join(place)})
    return rows
