"""What the Data page shows of data that could be read: figures in short, a chart, the quality report, the mapping."""

from __future__ import annotations

from functools import partial
from typing import cast

import pandas as pd
import streamlit as st

from riskcore.dashboard import intake, sources, state, widgets, wording
from riskcore.dashboard.sources import Dataset, Source
from riskcore.ingest import Survey
from riskcore.measures.table import loss_table
from riskcore.plots import rebased_prices
from riskcore.plots.prices import MAX_LINES, spans_widely
from riskcore.returns import ReturnKind
from riskcore.runs.store import slug

_ROWS = 5
_DATES = {
    "DMY": "day, month, year",
    "MDY": "month, day, year",
    "YMD": "year, month, day",
    "serial": "day numbers of a spreadsheet",
}
_KINDS = {"log": "log returns", "simple": "simple returns"}
_HOLDS = {"prices": "prices", "returns": "returns as fractions (0.01 is 1 %)", "percent": "returns in percent"}


def summary(data: Dataset) -> None:
    """The size and span of the data, and the digest that keys all that is computed from them."""
    notice = state.get("notice", "")
    if notice:
        st.info(notice)
        state.drop("notice")
    st.text(data.source.name)
    days = data.losses.index
    with st.container(horizontal=True, gap="medium"):
        st.metric("Assets", len(data.assets), width="content")
        st.metric("Rows of losses", f"{len(days):,}", width="content")
        st.metric("First", f"{days[0]:%b %Y}", width="content")
        st.metric("Last", f"{days[-1]:%b %Y}", width="content")
    span = f"Losses from {days[0]:%d %b %Y} to {days[-1]:%d %b %Y}; their digest is `{data.digest[:12]}`."
    st.markdown(f"{span} {wording.sentence(data.findings)}")


def returns(source: Source) -> None:
    """Prices or returns, log or simple; another choice reads the file again."""
    key = intake.token(source)
    with st.container(horizontal=True, gap="large"):
        holds = _radio("The file holds", list(_HOLDS), source.values, _HOLDS, f"rc.w.data.values.{key}")
        kind = _radio("Losses from", list(_KINDS), source.kind, _KINDS, f"rc.w.data.kind.{key}")
    if kind != source.kind:
        intake.propose(source.with_(kind=kind))
    if holds != source.values:
        kept = {name: value for name, value in source.options.items() if name != "values"}
        intake.propose(source.with_(options=kept if holds == "prices" else {**kept, "values": holds}))


def _radio(label: str, choices: list[str], chosen: str, words: dict[str, str], key: str) -> str:
    index = choices.index(chosen) if chosen in choices else 0
    return str(st.radio(label, choices, index=index, key=key, format_func=words.__getitem__))


@st.fragment  # another scale or choice of assets redraws the chart alone
def chart(data: Dataset) -> None:
    """The assets' prices, rebased, or their returns, compounded."""
    with widgets.errors_shown():
        _chart_and_choices(data)


def _chart_and_choices(data: Dataset) -> None:
    names = [str(name) for name in data.prices.columns]
    kind = None if data.source.values == "prices" else cast("ReturnKind", data.source.kind)
    chosen: list[str] | None = None
    if len(names) > MAX_LINES:
        chosen = st.multiselect(
            "Assets in the chart", names, default=names[:MAX_LINES], max_selections=MAX_LINES,
            key=f"rc.w.data.chart.{data.digest[:12]}", persist_state="session",
        )  # fmt: skip
    wide = spans_widely(data.prices, kind)
    key = f"rc.w.data.log.{data.digest[:12]}"  # its default depends on the data
    log_scale = st.toggle("Log scale", wide, key=key, persist_state="session")
    settings = repr((chosen, kind, log_scale))
    alt = "Prices of the assets over time, each 100 at its first date"
    if kind is not None:
        alt = "Returns of the assets compounded over time, from 100 before each one's first"
    widgets.kept_chart(
        f"prices {data.digest} {settings}",
        lambda: rebased_prices(data.prices, chosen, returns=kind, log_scale=log_scale),
        key="rc.w.data.prices",
        alt=alt,
    )


@st.cache_data(scope="session", max_entries=8, show_spinner=False)
def _table(digest: str, _losses: pd.DataFrame) -> pd.DataFrame:
    return loss_table(_losses)


def by_asset(data: Dataset) -> None:
    """One row per asset: span, missing share, moments, worst day."""
    st.dataframe(
        _table(data.digest, data.losses),
        alt="Span, share of missing days, moments and worst day of the losses of each asset",
        column_config={
            "asset": st.column_config.TextColumn("Asset", pinned=True),
            "n_obs": st.column_config.NumberColumn("Losses", format="localized"),
            "first": st.column_config.DateColumn("First", format="D MMM YYYY"),
            "last": st.column_config.DateColumn("Last", format="D MMM YYYY"),
            "missing": st.column_config.NumberColumn("Missing", format="percent"),
            "mean": st.column_config.NumberColumn("Mean loss", format="%.5f"),
            "volatility": st.column_config.NumberColumn("Volatility", format="percent"),
            "worst": st.column_config.NumberColumn("Worst day", format="percent"),
            "worst_date": st.column_config.DateColumn("Worst on", format="D MMM YYYY"),
            "skewness": st.column_config.NumberColumn("Skewness", format="%.2f"),
            "excess_kurtosis": st.column_config.NumberColumn("Excess kurtosis", format="%.1f"),
        },
    )
    st.caption(
        "Of daily losses, which are minus the returns; nothing is annualised. Missing: days of the table between the "
        "asset's first and last loss on which it has none. Positive skewness: the longer tail is that of losses."
    )


def quality(data: Dataset) -> None:
    """The findings, by severity."""
    present = [
        word for severity, word in wording.SEVERITIES.items() if any(f.severity == severity for f in data.findings)
    ]
    if not present:
        st.text("There is nothing to report.")
        return
    shown = present
    if len(present) > 1:
        shown = st.pills(
            "Show", present, selection_mode="multi", default=present, key=f"rc.w.data.severity.{data.digest[:12]}",
            format_func=widgets.readable,
        )  # fmt: skip
    table = wording.table(data.findings)
    st.dataframe(
        table[table["Verdict"].isin(shown)],
        hide_index=True,
        alt="Findings of the reader: verdict, what, column, rows of the file, cell, what to do",
        row_height=70,
        column_config={
            "What": st.column_config.TextColumn(width="large"),
            "Verdict": st.column_config.TextColumn(width=110),
            "What to do": st.column_config.TextColumn(width="medium"),
        },
    )


def understood(found: Survey, data: Dataset | None) -> None:
    """Kind, layout, columns and formats that were found, and the first rows of the file as text, if there are any."""
    facts = pd.DataFrame(_facts(found), columns=["What", "Found"])
    if facts.empty and found.preview.empty:  # no table at all, such as a file of another kind
        return
    if data is None:
        st.subheader("What was understood so far")
    left, right = st.columns(2)
    alt = "What was understood of the file: kind, layout, columns, date format, decimal sign"
    left.dataframe(facts, hide_index=True, alt=alt)
    if len(found.price_columns) > 0 and found.layout != "long":
        mapping = pd.DataFrame(list(found.price_columns), columns=["Column of the file", "Asset it became"])
        right.dataframe(mapping, hide_index=True, alt="Columns of the file and the assets they became")
    st.caption("The file's first rows, as text, with their row numbers")
    st.dataframe(found.preview, alt="First rows of the file")
    if data is not None:
        st.caption(f"The same as it was read: the first and the last {_ROWS} rows")
        ends = data.prices if len(data.prices) <= 2 * _ROWS else pd.concat([data.prices[:_ROWS], data.prices[-_ROWS:]])
        day = {"_index": st.column_config.DateColumn("date", format="YYYY-MM-DD")}
        st.dataframe(ends, column_config=day, alt="First and last rows of the prices as they were read")


def _facts(found: Survey) -> list[tuple[str, str]]:
    layouts = {"wide": "one column per asset", "long": "one row per date and asset"}
    facts = [
        ("Kind of file", {"csv": "text (CSV, TSV)", "xlsx": "XLSX", "parquet": "Parquet"}.get(found.kind or "", "")),
        ("Sheets", ", ".join(found.sheets)),
        ("Sheet read", found.sheet or ""),
        ("Row of the names", str(found.header_row or "")),
        ("Layout", layouts.get(found.layout or "", "")),
        ("Column of dates", found.date_column or ""),
        ("Column of assets", found.asset_column or ""),
        ("Date format", _DATES.get(found.date_format or "", found.date_format or "")),
        ("Decimal sign", {".": "point", ",": "comma"}.get(found.decimal or "", "")),
    ]
    return [(what, value) for what, value in facts if value]


def downloads(data: Dataset) -> None:
    """Prices and losses as they were read."""
    stem = f"{slug(data.source.path.stem)}-{data.digest[:8]}"
    what = "prices" if data.source.values == "prices" else "returns"
    with st.container(horizontal=True):
        for name, frame in ((what, data.prices), ("losses", data.losses)):
            for ending, make, mime in (
                ("csv", sources.frame_csv, "text/csv"),
                ("parquet", sources.frame_parquet, "application/vnd.apache.parquet"),
            ):
                label = f"{name.capitalize()}, {'CSV' if ending == 'csv' else 'Parquet'}"
                key = f"rc.w.data.download.{name}.{ending}"
                widgets.download(label, partial(make, frame), f"{stem}-{name}.{ending}", mime, key=key)
    st.caption("Names that a spreadsheet would take for a formula begin with an apostrophe in the CSV.")
