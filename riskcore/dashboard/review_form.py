"""The form that starts a backtest: what a run file says, with an estimate of the work before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import streamlit as st

from riskcore import defaults
from riskcore.dashboard import cost, state, widgets
from riskcore.dashboard.job_files import Facts
from riskcore.dashboard.jobs import Request, request_for
from riskcore.dashboard.sources import Dataset
from riskcore.dashboard.wording import target_of, target_words
from riskcore.errors import RiskcoreError
from riskcore.runs.catalogue import model_rows, without_exog
from riskcore.runs.config import settings

LEVELS = (0.95, 0.975, 0.99, 0.995)
OFFERED: tuple[str, ...] = tuple(
    dict.fromkeys([*defaults.TARGETS, *(f"{m}:{level}" for m in ("var", "es") for level in LEVELS)])
)
"""Targets to choose from; any other can be typed in."""


@st.fragment
def start_form(dataset: Dataset, *, folded: bool) -> None:
    """The form, folded away where a run is being shown: then it is not even made until it is opened."""
    fold = st.expander(
        "Start a backtest", expanded=not folded, icon=":material/play_circle:", on_change="rerun",
        key=f"rc.w.review.form.{folded}",
    )  # fmt: skip
    if fold.open:
        with fold:
            _form(dataset)


def _form(dataset: Dataset) -> None:
    """Not `st.form`: the estimate below follows every choice, and only this part of the page is run again."""
    with widgets.errors_shown():
        title, chosen = _choices(dataset)
        request = request_for(dataset.source, dataset.digest, title, **chosen)
        facts = _facts(repr((dataset.digest, request.settings)), request, dataset)
        if isinstance(facts, Facts):
            st.text(estimate(facts))
        else:
            widgets.error_box(facts)
        ready = isinstance(facts, Facts)
        if st.button(
            "Start the backtest",
            type="primary",
            disabled=not ready,
            key="rc.w.review.start",
            icon=":material/play_arrow:",
        ):
            job = state.jobs().submit(state.workspace().runs, request, losses=dataset.losses)
            state.set_run(job.id)
            st.rerun()


def _choices(dataset: Dataset) -> tuple[str, dict[str, Any]]:
    """Title and settings by the keys of a run file; None is "not set"."""
    mine: Mapping[str, Mapping[str, Any]] = state.get("candidates", {})
    before = _before(dataset)
    mine = {**before.get("model", {}), **mine}
    names = without_exog()
    offered = [*names, *(name for name in mine if name not in names)]
    usual = [name for name in before.get("models", defaults.MODELS) if name in offered]
    models = st.multiselect(
        "Models", offered, list(dict.fromkeys([*usual, *mine])),
        key=f"rc.w.review.models.{len(mine)}", persist_state="session", placeholder="Choose models",
    )  # fmt: skip
    with st.popover("What the models are", icon=":material/help:"):
        for name, what in model_rows():
            if name in names:
                st.text(f"{name}: {what}")
        st.caption("Models of your own come from the Modelling page.")
    others = [name for name, _ in model_rows() if name not in names]
    if others:
        st.caption(
            f"Not offered, for they read a realized variance beside the prices, and the dashboard takes prices only: "
            f"{', '.join(others)}. They run by `riskcore backtest --exog FILE` or `riskcore.forecast(exog=...)`."
        )
    wanted = list(before.get("targets", defaults.TARGETS))
    targets = st.multiselect(
        "Risk figures", list(dict.fromkeys([*OFFERED, *wanted])), wanted, format_func=target_words,
        accept_new_options=True, key="rc.w.review.targets", persist_state="session",
        placeholder="Choose, or type one such as var:0.995",
        help="VaR, ES and expectile VaR at their levels. Another level is typed in, such as es:0.985. An ES brings the "
        "VaR of its level with it.",
    )  # fmt: skip
    window, expanding, refit_every = _plan(dataset, before)
    first, last = _span(dataset, before)
    title = st.text_input(
        "Title", key="rc.w.review.title", max_chars=80, persist_state="session", placeholder="to find the run again"
    )
    used = {name: mine[name] for name in models if name in mine}
    return title.strip() or _title(dataset, models), {
        "models": models, "targets": [target_of(text) for text in targets], "window": window,
        "refit_every": refit_every, "expanding": expanding,
        "from": first, "to": last, "model": used or None,
    }  # fmt: skip


def _before(dataset: Dataset) -> Mapping[str, Any]:
    """Settings of the newest run of these data when the session first met them: a new tab begins with those."""
    name = f"before {dataset.digest}"
    known: Mapping[str, Any] | None = state.get(name, None)
    if known is None:
        jobs = state.jobs().list(state.workspace().runs)
        known = next((job.request.settings for job in jobs if job.whole and job.request.digest == dataset.digest), {})
        state.put(name, dict(known))
    return known


def _plan(dataset: Dataset, before: Mapping[str, Any]) -> tuple[int, bool, int]:
    """Window, whether it expands, and days between two estimations."""
    shortest = int(dataset.losses.notna().sum().min())
    usual = defaults.WINDOW if shortest > defaults.WINDOW + defaults.ROLLING_DAYS else max(50, min(500, shortest // 2))
    usual = max(50, int(before.get("window", usual)))
    here = dataset.digest[:8]  # a shorter file brings its own default and bounds
    left, middle, right = st.columns(3)
    window = left.number_input(
        "Window", 50, max(50, shortest - 1), min(usual, max(50, shortest - 1)), 50, key=f"rc.w.review.window.{here}",
        persist_state="session", help="Losses in an estimation. 250 to 1,000 are usual; 1,000 for levels of 99 %.",
    )  # fmt: skip
    kind = middle.selectbox(
        "Which losses", ["the last ones", "all so far"], int(bool(before.get("expanding"))),
        key="rc.w.review.expanding", persist_state="session",
        help="A moving window, or one that expands from the first day; the window is then its shortest length.",
    )  # fmt: skip
    refit_every = right.number_input(
        "Estimate every … days", 1, 10_000, int(before.get("refit_every", defaults.REFIT_EVERY)),
        key="rc.w.review.refit", persist_state="session",
        help="1: the parameters are estimated anew every day. Between two estimations they stay, and the "
        "forecasts still move every day.",
    )  # fmt: skip
    return int(window), kind == "all so far", int(refit_every)


def _span(dataset: Dataset, before: Mapping[str, Any]) -> tuple[Any, Any]:
    """First and last day to forecast; None where not set."""
    first, last = dataset.losses.index[0].date(), dataset.losses.index[-1].date()
    here = dataset.digest[:8]
    left, right = st.columns(2)
    start = left.date_input(
        "First day to forecast", _day(before.get("from")), first, last, key=f"rc.w.review.from.{here}",
        format="YYYY-MM-DD", persist_state="session",
        help="Earlier losses are still used. Empty: as soon as the window is full.",
    )  # fmt: skip
    end = right.date_input(
        "Last day to forecast", _day(before.get("to")), first, last, key=f"rc.w.review.to.{here}", format="YYYY-MM-DD",
        persist_state="session", help="Empty: the day after the last one, which is the forecast for tomorrow.",
    )  # fmt: skip
    return start, end


def _day(text: Any) -> date | None:
    """A day as a run file has it."""
    return date.fromisoformat(str(text)[:10]) if text else None


def _title(dataset: Dataset, models: list[str]) -> str:
    """What a run is called that its owner did not name."""
    assets = ", ".join(dataset.assets[:2]) + (f" and {len(dataset.assets) - 2} more" if len(dataset.assets) > 2 else "")
    return f"{assets}: {len(models)} {'model' if len(models) == 1 else 'models'}"


@st.cache_data(scope="session", max_entries=64, show_spinner=False)
def _facts(key: str, _request: Request, _dataset: Dataset) -> Facts | RiskcoreError:
    """What the settings amount to, or what is wrong with them: said below the form, not raised past it."""
    try:
        return cost.facts_of(settings({}, _request.settings), _dataset.losses)
    except RiskcoreError as error:
        return error


def estimate(facts: Facts) -> str:
    """What a run amounts to, in a line.

    >>> estimate(Facts(2, 4, 32248, 16124, "2002-12-27", "2019-01-01", 18.9))
    '2 assets × 4 models, 2002-12-27 to 2019-01-01: 32,248 forecasts and 16,124 estimations, about 20 s'
    >>> estimate(Facts(1, 1, 250, 0, "2018-01-02", "2018-12-31", 6.1))
    '1 asset × 1 model, 2018-01-02 to 2018-12-31: 250 forecasts, nothing to estimate, about 10 s'
    """
    assets, models = (
        f"{n:,} {word}{'' if n == 1 else 's'}" for n, word in ((facts.assets, "asset"), (facts.models, "model"))
    )
    work = f" and {facts.estimations:,} estimations" if facts.estimations else ", nothing to estimate"
    time = f", about {cost.about(facts.seconds)}"
    return f"{assets} × {models}, {facts.first} to {facts.last}: {facts.days:,} forecasts{work}{time}"
