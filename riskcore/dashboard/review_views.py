"""The parts of Backtest review: figures, tests with their details, scores, exceptions, statuses, downloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from riskcore import defaults, plots
from riskcore.dashboard import review, state, widgets
from riskcore.dashboard.review import View
from riskcore.forecasts import STATUS_WORDS
from riskcore.indicators import exception_table, severity
from riskcore.plots.style import DARK, INK, NO_VALUE, P_COLOURS, PAPER, target_text
from riskcore.report import matrix, observed, view
from riskcore.runs import reading
from riskcore.runs.export import to_csv
from riskcore.runs.store import slug
from riskcore.tables import summary_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pandas.io.formats.style import Styler
    from streamlit.elements.lib.column_types import ColumnConfig

MOVING_LEVEL = (
    "The forecast is the expectile at the day's level, which is set so that it serves as a VaR. It is tested and "
    "scored as a VaR. As the expectile at the day's level it is scored too, which compares with no other model. Its "
    "tests as such have no p-value: the model forecasts no law of the loss to simulate from, and at such levels the "
    "asymptotic p-value rejects too many right forecasts."
)
BY_HITS = " Each hit of yesterday moves the level, which makes the forecast a VaR by construction."
"""Of the online rule alone: it pulls the share of hits toward that of the VaR."""
CELLS = ((NO_VALUE, INK), (P_COLOURS[0], PAPER), *((colour, INK) for colour in P_COLOURS[1:]))
"""Background and text of a cell without p-value, and below 0.01, 0.05, 0.10 and above."""
CELLS_DARK = tuple((DARK[back], "#ffffff") for back, _ in CELLS)
_LABEL_WIDTH, _LABEL_LENGTH = 225, 30
"""Of the label of a test, in pixels and letters: beside it a phone still shows a result."""
_FIGURE_WIDTH, _SCORE_WIDTH = 170, 235
_PHONE_WIDTHS = {"risk figure": 92, "score": 92, "model": 84, "mean": 84}
"""A phone shows whose score is what; names that are cut stand whole in the figure above."""
_SHORT = {
    "Christoffersen independence": "independence",
    "Christoffersen conditional coverage": "cond. coverage",
    "Time until first failure": "first failure",
    "Number of hits and waits": "hits and waits",
    "Quantile regression on the VaR": "quantile regression",
    "Hits at several levels": "several levels",
    "Hits at all levels": "all levels",
    "Realised score of the expectile": "realised score",
    "E-process of the VaR": "e-process",
    "E-process of VaR and ES": "e-process",
    "E-process of the expectile": "e-process",
    "Du-Escanciano conditional": "Du-Esc. conditional",
    "Calibration of VaR and ES": "calibration",
    "Calibration of the expectile": "calibration",
    "Conditional calibration of the expectile": "cond. calibration",
    "Uniformity of the PIT": "uniformity of the PIT",
}
"""Tests whose names are too long for the label; the details of a cell have them in full."""
_CELL_WIDTH = 145
_ROWS_SHOWN, _ROW_HEIGHT = 14, 35
"""Of the tests: the names of the models stay above them, and what is said of a cell stays in sight below."""
_MODELS_WIDE, _MODELS_NARROW = 4, 7
"""So many models stand beside each other in a window of 1,400 pixels: with cells of one line, and of two."""
_NARROW_CELL, _TALL_ROW, _TALL_SHOWN = 99, 66, 10
"""Of a table of more models: its cells are of two lines, for which Streamlit wants rows of more than 64 pixels."""
_NBSP = "\N{NO-BREAK SPACE}"
_IN_A_ROW = 4
_METRIC_WIDTH = 160
_OPEN_PART = "review_part"
"""Kept by the session: the model of the open part further below; nothing where that part is of all models."""
_DAYS_DIFFER = "days differ"
LONE_SCORES = (
    "Of models whose expectile level moves from day to day. Not comparable across models, for each is scored at levels "
    "of its own: there is no best. Compare these models by the scores of their VaR."
)
_SHARES = {"loss": "loss", "var": "VaR", "excess": "excess", "es": "ES"}


def quality(shown: View) -> None:
    """What is wrong with the run as a whole: failed units, a degraded run, a report that could not be written."""
    run, manifest = shown.opened.run, shown.opened.run.manifest
    failed = manifest.get("failed_units") or []
    share = float(manifest.get("share_not_ok") or 0.0)
    if share > defaults.DEGRADED_SHARE:
        st.warning(
            f"This run is degraded: {view.percent(share, 1)} of its forecasts are implausible or worse, and "
            f"{view.percent(defaults.DEGRADED_SHARE, 0)} is the limit. See “Status” below for which models and why.",
            icon=":material/warning:",
        )
    if failed:
        st.warning(
            f"This run is degraded: {len(failed)} of its models could not be computed.", icon=":material/warning:"
        )
        st.dataframe(pd.DataFrame(failed), hide_index=True, alt="Assets and models that could not be computed, and why")
    if run.report_error:
        st.warning("The report could not be written; forecasts, scores and tests are whole.", icon=":material/warning:")


def figures(shown: View) -> None:
    """The choice of a model, and its figures."""
    state.drop(_OPEN_PART)  # the whole page is drawn: every part of it will be of the model chosen
    _of_one_model(shown)


@st.fragment  # another model leaves the rest of the page as it is
def _of_one_model(shown: View) -> None:
    shown = review.pick_model(shown)
    if state.get(_OPEN_PART, shown.model) != shown.model:  # an open part further below is of one model too
        st.rerun()
    _figures(shown)


def _figures(shown: View) -> None:
    """Losses with their forecasts and hits, and the hits of the last 250 days with their zones."""
    rows, target, who = shown.rows, shown.target, f"{shown.model} on {shown.asset}"
    name = target_text("var", target.level) if target else "VaR"
    widgets.kept_chart(
        f"band {shown.key}",
        lambda: plots.forecast_band(rows, hit_target=target),
        key="rc.review.band",
        alt=f"Daily losses of {who} with VaR, ES and expectile VaR; losses above {name} are marked, and stand in a "
        "strip below with the days whose forecast is not to be trusted.",
    )
    widgets.kept_chart(
        f"rolling {shown.key}",
        lambda: plots.rolling_hits(rows, target=target),
        key="rc.review.rolling",
        alt=f"Losses above {name} in the last {defaults.ROLLING_DAYS} days, day by day, over the supervisor's green, "
        f"yellow and red zones; {who}.",
    )

    if rows.moving(rows.frame) is not None:
        widgets.kept_chart(
            f"level {shown.key}",
            lambda: plots.daily_level(rows),
            key="rc.review.level",
            alt=f"Expectile level of each day that {shown.model} chose on {shown.asset}; its forecast serves as a VaR.",
        )
        st.caption(MOVING_LEVEL + (BY_HITS if _moved_by_hits(shown) else ""))


def _moved_by_hits(shown: View) -> bool:
    """Whether the model's level follows the online rule, by the settings that the run wrote down."""
    models = (shown.opened.run.manifest.get("settings") or {}).get("models") or {}
    text = str(models.get(shown.model, ""))
    return text.startswith("DynamicLevel(") and "rule='online'" in text


@st.fragment
def tests(shown: View) -> None:
    """Tests by model; a chosen cell is explained."""
    with widgets.errors_shown():
        whole = widgets.kept(
            f"tests {shown.opened.key} {shown.asset!r}",
            lambda: matrix.matrix_of(shown.judged.backtests, shown.asset),
        )
        target = st.pills(
            "Risk figure", whole.targets, key="rc.w.review.figure", persist_state="session", help="None chosen: all.",
            format_func=widgets.readable,
        )  # fmt: skip
        table = whole.of(target)
        st.caption(
            f"{matrix.LEGEND} Signs and colours go by the p-value of the test alone. The details of a cell also give "
            "the adjusted one: Holm's, over all diagnostic tests of one asset and model; for the one primary test of "
            "each risk figure, over the assets. Choose a cell: it is explained below the table."
        )
        models = list(table.texts.columns)
        many = len(models) > _MODELS_WIDE
        row, shown_rows = (_TALL_ROW, _TALL_SHOWN) if many else (_ROW_HEIGHT, _ROWS_SHOWN)
        heads = model_heads(models) if many else models
        if len(models) > _MODELS_NARROW:
            st.caption(f"{len(models)} models: those on the right come into sight by scrolling the table sideways.")
        chosen = st.dataframe(  # type: ignore[call-overload]  # index columns go by place, as documented
            coloured(table, dark=widgets.dark()),
            key=f"rc.w.review.tests.{shown.opened.key}.{shown.asset}.{target}",
            on_select="rerun",
            selection_mode="single-cell",
            height="content" if len(table.texts) <= shown_rows else row * shown_rows + _ROW_HEIGHT,
            row_height=row if many else None,
            column_config={
                0: st.column_config.TextColumn("test", width=_LABEL_WIDTH, pinned=True),
                **{
                    i: st.column_config.Column(
                        head, width=_NARROW_CELL if many else _CELL_WIDTH, help=name if head != name else None
                    )
                    for i, (head, name) in enumerate(zip(heads, models, strict=True), start=1)
                },
            },
            alt=f"P-values of every test (rows) for every model (columns) on {shown.asset}.",
        )
        cells = chosen["selection"]["cells"]
        record = table.records.get((cells[0][0], str(cells[0][1]))) if cells else None
        if record is not None:
            details(matrix.explain(record, n_tests=whole.n_tests(str(record["model"]))))
        else:
            st.info("Choose a cell of the table: it is explained here.", icon=":material/touch_app:")


def coloured(table: matrix.Matrix, *, dark: bool) -> Styler:
    """The table with the colour of each p-value; text and background have a contrast of 4.5 or more."""
    pairs = CELLS_DARK if dark else CELLS
    styles = table.shades.map(lambda shade: "background-color: {}; color: {}".format(*pairs[shade + 1]))
    texts, labels = table.texts, table.texts.index
    if texts.shape[1] > _MODELS_WIDE:  # the cells have two lines
        texts = texts.map(_two_lines)
    if labels.nlevels == 1:
        names = [name if len(name) <= _LABEL_LENGTH else _SHORT.get(name.split(" (")[0], name) for name in labels]
        texts, styles = (t.set_axis([name[:1].upper() + name[1:] for name in names]) for t in (texts, styles))
    else:  # one column of labels leaves room for the results
        named = [
            (name.removeprefix("expectile VaR ").removeprefix("at the "), test.split(" (")[0]) for name, test in labels
        ]
        short = [f"{name} · {_SHORT.get(test, test)}" for name, test in named]
        full = [f"{name} · {test}" for name, test in labels]
        texts, styles = (t.set_axis(short if len({*short}) == len(full) else full) for t in (texts, styles))
    return texts.style.apply(lambda _: styles, axis=None)


def _two_lines(text: str) -> str:
    r"""The text of a cell that is broken after the p-value alone: other spaces do not break.

    >>> _two_lines("✗ 0.002 · 17 / 7.6").split(" "), _two_lines("–")
    (['✗\xa00.002\xa0·', '17\xa0/\xa07.6'], '–')
    """
    p, dot, count = text.partition(" · ")
    whole = len(count) <= 12  # with days without forecast it is longer than a line
    return p.replace(" ", _NBSP) + (f"{_NBSP}· {count.replace(' ', _NBSP) if whole else count}" if dot else "")


def model_heads(models: Iterable[str], length: int = 12) -> list[str]:
    """Names of models for narrow columns: cut at the end, or in the middle where that leaves two alike.

    >>> model_heads(["garch-t", "bayes-expectile", "dynamic-level", "dynamic-level-online"])
    ['garch-t', 'bayes-expec…', 'dynam…-level', 'dynam…online']
    """
    names, half = list(models), length // 2
    cut = [x if len(x) <= length else f"{x[: length - 1]}…" for x in names]
    middle = [x if len(x) <= length else f"{x[: length - half - 1]}…{x[-half:]}" for x in names]
    heads = [one if cut.count(one) == 1 else other for one, other in zip(cut, middle, strict=True)]
    return heads if len({*heads}) == len(names) else names


def details(cell: matrix.Cell) -> None:
    """One test of one model in words."""
    with st.container(border=True):
        st.subheader(" · ".join(x for x in (cell.test, cell.target) if x), anchor=False)
        st.text(f"Model: {cell.model}")
        st.text(cell.verdict)
        for warning in cell.warnings:
            st.warning(warning, icon=":material/warning:")
        _metrics(cell.facts)
        st.text(f"Null hypothesis: {cell.null}")
        st.text(cell.what)
        if cell.reference:
            st.caption("Reference")
            st.text(cell.reference)


def _metrics(facts: Iterable[tuple[str, str]]) -> None:
    """Figures side by side, in rows of about the same number."""
    known = list(facts)
    rows = -(-len(known) // _IN_A_ROW)
    size = -(-len(known) // rows)
    for start in range(0, len(known), size):
        with st.container(horizontal=True, gap="small"):
            for name, value in known[start : start + size]:
                st.metric(name, value, width=_METRIC_WIDTH)


def scores(shown: View) -> None:
    """Scores of all models on the asset."""
    table = shown.judged.scores[shown.judged.scores["asset"] == shown.asset]
    st.caption(
        "Mean scores over the days; lower is better. A small difference may be chance, and means over different days "
        "(said where it is so) do not compare."
    )
    widgets.kept_chart(
        f"scores {shown.opened.key} {shown.asset!r}",
        lambda: plots.score_bars(table, asset=shown.asset),
        key="rc.review.scores",
        alt=f"Mean scores of each model on {shown.asset} against the best; the same figures stand in the table below.",
    )
    rows = widgets.kept(f"score rows {shown.opened.key} {shown.asset!r}", lambda: view.score_rows(table, shown.asset))
    widths = {"risk figure": _FIGURE_WIDTH, "score": _SCORE_WIDTH}
    if widgets.phone():
        widths |= _PHONE_WIDTHS
        rows = rows.assign(**{"risk figure": [name.removeprefix("expectile VaR ") for name in rows["risk figure"]]})
    columns = {name: st.column_config.TextColumn(width=width) for name, width in widths.items()}
    differ = rows["note"] != ""
    rows = rows.assign(note=np.where(differ, _DAYS_DIFFER, "")) if differ.any() else rows.drop(columns="note")
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config=columns,
        alt=f"Mean scores of each model on {shown.asset}",
    )
    if differ.any():
        st.caption(f"“{_DAYS_DIFFER}”: models were scored on different days, and their means do not compare.")
    lone = widgets.kept(f"lone scores {shown.opened.key} {shown.asset!r}", lambda: view.lone_scores(table, shown.asset))
    if len(lone):
        st.markdown("**Asymmetric squared error at the day's level**")
        st.caption(LONE_SCORES)
        st.dataframe(
            lone,
            hide_index=True,
            height="content",
            alt=f"Mean scores on {shown.asset} of models whose expectile level moves, which do not compare",
        )


def observed_hits(shown: View) -> None:
    """Hits of all models and their size, beside what was expected."""
    st.caption(
        "Level: share of days without a hit. Ratio: hits to expected hits. L/VaR and ES/VaR: loss and ES to VaR, means "
        "over the days with a hit; alike if VaR and ES are both right. Excess: loss less VaR on days with a hit. "
        "First: day of the first hit. Missing: days without forecast."
    )
    rows = widgets.kept(
        f"summary {shown.opened.key} {shown.asset!r}",
        lambda: observed.summary_rows(summary_table(shown.forecasts), shown.asset),
    )
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        alt=f"Hits of each model on {shown.asset} beside the number expected, and their size",
    )


def pit(shown: View) -> None:
    """Histogram of the PIT."""
    st.caption(
        "The PIT is where a loss fell in the law forecast for its day. Forecasts that are right give bars inside the "
        "band; a high bar at the right says that large losses came more often than forecast."
    )
    widgets.kept_chart(
        f"pit {shown.opened.key} {shown.asset!r} {shown.model!r}",
        lambda: plots.pit_histogram(shown.rows),
        key="rc.review.pit",
        alt=f"Histogram of the probability integral transform of {shown.model} on {shown.asset} with a 95 % band.",
    )


@st.fragment
def smoothed(shown: View) -> None:
    """Exponential moving averages of the risk figures and of the hit rate."""
    with widgets.errors_shown():
        days = st.slider(
            "Half-life in trading days", 5, 126, int(defaults.EMA_HALFLIFE), key="rc.w.review.halflife",
            persist_state="session", help="A day's weight halves over so many days. About 21 days are a month.",
        )  # fmt: skip
        st.caption("These averages describe the past; where they rise or cross is no forecast of risk.")
        widgets.kept_chart(
            f"ema {shown.opened.key} {shown.asset!r} {shown.model!r} {days}",
            lambda: plots.ema_indicators(shown.rows, halflife=float(days)),
            key="rc.review.ema",
            alt=f"Moving averages, half-life {days} days, of VaR, ES, expectile VaR, volatility and hit rate of "
            f"{shown.model} on {shown.asset}.",
        )


def exceptions(shown: View) -> None:
    """The hits one by one, and how severe they were."""
    if shown.target is None:
        st.info("The run has no VaR, so there are no exceptions.")
        return
    name = target_text("var", shown.target.level)
    if not bool(shown.rows.frame[shown.target.label].notna().any()):
        st.info(f"The model gives no {name}, so there are no exceptions.")
        return
    found = severity(shown.rows, shown.asset, shown.model, shown.target)
    expected = (1 - shown.target.level) * found.n_obs
    facts = [
        ("Exceptions", f"{found.n_hits:,}"),
        ("Expected", f"{expected:,.1f}"),
        ("Mean excess", view.percent(found.mean_excess)),
        ("Largest excess", view.percent(found.largest_excess)),
        ("Most in a row", f"{found.longest_run}"),
        ("Mean loss", view.percent(found.mean_loss)),
    ]
    note = ""
    if found.mean_es == found.mean_es:
        facts.append(("Mean ES", view.percent(found.mean_es)))
        note = " Mean loss and mean ES are over those of them with an ES; they are alike if VaR and ES are both right."
    _metrics(facts)
    st.caption(f"Days with a loss above {name}; the excess is loss minus VaR.{note}")
    table = exception_table(shown.rows, shown.asset, shown.model, shown.target)
    dates = st.column_config.DateColumn(format="YYYY-MM-DD")
    drawn = table.dropna(axis="columns", how="all") if len(table) else table
    st.dataframe(
        drawn.assign(**{name: 100 * drawn[name] for name in _SHARES if name in drawn}),
        hide_index=True,
        column_config={"date": dates, "origin": dates, **{name: _share(text) for name, text in _SHARES.items()}},
        alt=f"Days on which the loss of {shown.asset} exceeded {name} of {shown.model}, newest first.",
    )
    file = f"{slug(shown.asset)}-{slug(shown.model)}-var-{shown.target.level:g}-exceptions-{shown.opened.job.id}.csv"
    widgets.download("Exceptions (CSV)", lambda: to_csv(table), file, "text/csv", key="rc.review.download.exceptions")


def _share(label: str) -> ColumnConfig:
    return st.column_config.NumberColumn(label, format="%.2f %%")


def statuses(shown: View) -> None:
    """How many days of every model have which status, and what the statuses mean."""
    known = widgets.kept(f"statuses {shown.opened.key}", lambda: view.overview(shown.forecasts))
    counts = [{"asset": u["asset"], "model": u["model"], **dict(zip(known["statuses"], u["counts"], strict=True))}
              for u in known["units"]]  # fmt: skip
    st.text(f"{known['share_not_ok']} of {known['rows']:,} forecasts are implausible or worse.")
    st.dataframe(pd.DataFrame(counts), hide_index=True, alt="Days by status of every asset and model")
    words = [{"status": name.replace("_", " "), "meaning": text} for name, text in STATUS_WORDS.items()]
    st.dataframe(pd.DataFrame(words), hide_index=True, alt="What the statuses mean")


PARTS: Mapping[str, Callable[[View], None]] = {
    "Scores": scores,
    "Hits": observed_hits,
    "Exceptions": exceptions,
    "PIT": pit,
    "Smoothed": smoothed,
    "Status": statuses,
}
"""Further parts of the page, of which only the one looked at is drawn."""


_OF_ALL_MODELS = (scores, observed_hits, statuses)


@st.fragment  # another tab leaves the rest of the page as it is
def more(shown: View) -> None:
    """The further parts, each in a tab."""
    shown = review.latest(shown)
    state.drop(_OPEN_PART)
    tabs = st.tabs(widgets.tab_names(PARTS), key="rc.w.review.more", on_change="rerun")
    for tab, part in zip(tabs, PARTS.values(), strict=True):
        if tab.open:
            if part not in _OF_ALL_MODELS:
                state.put(_OPEN_PART, shown.model)
            with tab, widgets.errors_shown():
                part(shown)


def downloads(shown: View) -> None:
    """The run's own files, byte for byte as the command writes them, and its forecasts as one table."""
    run, stem = shown.opened.run, f"{slug(shown.opened.job.request.title)}-{shown.opened.job.id}"
    wanted: list[tuple[str, str, str, Callable[[], bytes]]] = [
        ("Report (HTML)", "report.html", "text/html", lambda: reading.output(run, "report.html")),
        ("Forecasts (CSV)", "forecasts.csv", "text/csv", lambda: reading.forecasts_csv(shown.forecasts)),
        ("Forecasts (Parquet)", "forecasts.parquet", "application/vnd.apache.parquet",
         lambda: reading.forecasts_parquet(shown.forecasts)),
        ("Scores (CSV)", "scores.csv", "text/csv", lambda: reading.output(run, "scores.csv")),
        ("Backtests (CSV)", "backtests.csv", "text/csv", lambda: reading.output(run, "backtests.csv")),
        ("Whole run (ZIP)", "run.zip", "application/zip", lambda: reading.zip_run(run, stem)),
    ]  # fmt: skip
    there = [x for x in wanted if x[1] != "report.html" or "report.html" in run.manifest["outputs"]]
    with st.container(horizontal=True):
        for label, name, mime, make in there:
            widgets.download(label, make, f"{stem}-{name}", mime, key=f"rc.review.download.{name}")
