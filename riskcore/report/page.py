"""Tables and figures to one HTML page."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from riskcore import defaults, plots
from riskcore.forecasts import Forecasts
from riskcore.plots.style import only
from riskcore.report import observed, settings, view
from riskcore.report.figures import FigureStore
from riskcore.runs.cards import LETTERS
from riskcore.tables import summary_table

MANY, SHOWN = 10, 3
"""With so many assets, those beyond the first few are folded."""
UNIT_FIGURES = (
    ("forecast_band", "Losses, forecasts and hits"),
    ("rolling_hits", "Hits of the last year"),
    ("ema_indicators", "Smoothed indicators"),
    ("daily_level", "Expectile level of each day"),
    ("pit_histogram", "Probability integral transform"),
)


def html_report(
    forecasts: Forecasts,
    *,
    scores: pd.DataFrame,
    backtests: pd.DataFrame,
    title: str = "Backtest of risk forecasts",
    manifest: Mapping[str, Any] | None = None,
    findings: Iterable[Any] | None = None,
) -> str:
    """A self-contained page: next day's risk, figures, scores, tests, conventions, findings and settings.

    The page carries its styles, its script and plotly.js (once), loads nothing over the network and follows the
    reader's light or dark setting. The same arguments give the same text.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    scores, backtests : DataFrame
        As `riskcore.score_table` and `riskcore.backtest_table` return them.
    title : str
        Heading of the page.
    manifest : mapping, optional
        Settings and versions, shown at the end; units that could not be computed are named at the top.
    findings : iterable, optional
        What ingest found in the price files: findings, mappings or texts.

    Returns
    -------
    str
        HTML; figures carry every day at seven digits. NaN is shown as a dash, with its reason where one is known.

    Examples
    --------
    >>> html = html_report(forecasts, scores=scores, backtests=backtests)  # doctest: +SKIP
    """
    from importlib.resources import files

    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    store = FigureStore()
    best = {asset: view.ranked(forecasts, scores, asset) for asset in forecasts.assets}
    chosen = {asset: model for asset, (model, _) in best.items()}
    summary = summary_table(forecasts)
    sections = [_asset_section(store, forecasts, scores, backtests, summary, x, chosen[x]) for x in chosen]
    for section in sections[SHOWN:] if len(sections) >= MANY else ():
        section["folded"] = True
    templates = files("riskcore") / "templates"
    environment = Environment(
        loader=PackageLoader("riskcore"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    known = manifest or {}
    return environment.get_template("report.html.j2").render(
        title=title,
        overview=view.overview(forecasts),
        headlines=view.headlines(forecasts, best),
        tomorrow=view.tomorrow(forecasts, chosen),
        sections=sections,
        summary_heads=observed.SUMMARY_HEADS,
        findings=view.finding_rows(findings),
        failed_units=list(known.get("failed_units") or ()),
        settings=settings.settings_rows(manifest),
        models=settings.model_rows(manifest),
        letters=LETTERS,
        manifest=settings.raw_manifest(manifest),
        conventions=_conventions(forecasts),
        style=Markup((templates / "report.css").read_text(encoding="utf-8")),
        script=Markup((templates / "report.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
        figures=Markup(store.json()),
    )


def _asset_section(
    store: FigureStore,
    forecasts: Forecasts,
    scores: pd.DataFrame,
    backtests: pd.DataFrame,
    summary: pd.DataFrame,
    asset: str,
    first: str,
) -> dict[str, Any]:
    """Figures by model, `first` the one shown, and the tables of one asset."""
    models = [m for a, m in forecasts.units if a == asset]
    panels = []
    for model in models:
        figures = []
        unit = only(forecasts, asset, model)
        for name, heading in UNIT_FIGURES:
            if name == "daily_level" and unit.moving(unit.frame) is None:
                continue
            spec = plots.FIGURES[name].spec(unit)
            if spec["data"]:
                figures.append({"heading": heading, "reason": "", **store.add(spec)})
            else:
                figures.append({"heading": heading, "reason": html.unescape(spec["layout"]["annotations"][0]["text"])})
        log = observed.exceptions_log(unit, asset, model) if model == first else []
        panels.append({"model": model, "figures": figures, "open": model == first, "exceptions": log})
    tables = {"score_bars": scores[scores["asset"] == asset], "p_value_heatmap": backtests[backtests["asset"] == asset]}
    judged = {}
    for name, table in tables.items():
        spec = plots.FIGURES[name].spec(table, asset=asset) if len(table) else {"data": []}
        judged[name] = store.add(spec) if spec["data"] else None
    return {
        "asset": asset,
        "folded": False,
        "panels": panels,
        "bars": judged["score_bars"],
        "heatmap": judged["p_value_heatmap"],
        "scores": view.score_blocks(tables["score_bars"], asset),
        "summary": observed.summary_blocks(summary, asset),
        "tests": view.backtest_blocks(tables["p_value_heatmap"], asset),
    }


def _conventions(forecasts: Forecasts) -> dict[str, Any]:
    """Numbers that the words of "how to read this" need."""
    measures = {t.measure for t in forecasts.targets}
    return {
        "size": view.percent(defaults.SIZE, 0),
        "halflife": f"{defaults.EMA_HALFLIFE:g}",
        "days": defaults.ROLLING_DAYS,
        "expectile": "expectile" in measures,
    }
