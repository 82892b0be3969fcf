"""The page Runs: what is drawn of queue and history; the page puts it in order."""

from __future__ import annotations

import shlex
from datetime import datetime

import pandas as pd
import streamlit as st

from riskcore.dashboard import state, widgets
from riskcore.dashboard.job_files import log_tail
from riskcore.dashboard.jobs import Job
from riskcore.dashboard.panels import STATES, progress_panel
from riskcore.defaults import REFIT_EVERY, WINDOW
from riskcore.plots.style import title
from riskcore.report.settings import describe
from riskcore.runs import Run, open_run, verify_run
from riskcore.runs.contrast import equal_units, manifest_contrast, score_contrast
from riskcore.runs.manifest import MANIFEST, differences
from riskcore.runs.progress import duration
from riskcore.runs.toml import to_toml
from riskcore.runs.writing import NAMES

_PANELS = 3
CONFIG_NAME = "run.toml"
_HEADS = {
    "part": "Part",
    "what": "What",
    "first": "First run",
    "second": "Second run",
    "asset": "Asset",
    "model": "Model",
    "measure": "Measure",
    "level": "Level",
    "score": "Score",
    "difference": "Second minus first",
    "days in first": "Days in first",
    "days in second": "Days in second",
}


def history_table(jobs: list[Job]) -> pd.DataFrame:
    """One row for each job, newest first: when, what, how it stands, how large it is, how long it took."""
    columns = ["When (UTC)", "State", "Run", "Assets × models", "Forecasts for", "Window / refit every", "Time"]
    return pd.DataFrame([_row(job) for job in jobs], columns=columns)


def _row(job: Job) -> list[str]:
    facts, settings = job.facts, job.request.settings
    plan = f"{settings.get('window', WINDOW)} / {settings.get('refit_every', REFIT_EVERY)}"
    return [
        when(job),
        STATES[job.state],
        job.request.title,
        f"{facts.assets} × {facts.models}" if facts.assets else "",
        f"{facts.first} to {facts.last}" if facts.first else "",
        (plan + (", expanding" if settings.get("expanding") else "")) if job.whole else "",
        duration(job.seconds) if job.seconds else "",
    ]


def when(job: Job) -> str:
    """When it was asked for; empty if nobody knows."""
    try:
        return f"{datetime.fromisoformat(job.created):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return ""


def label(job: Job) -> str:
    """A job in a line of a list; without its state, for a list that is open keeps its lines."""
    return " · ".join(part for part in (when(job), job.request.title) if part)


def show_history(jobs: list[Job]) -> None:
    """All jobs as a table; above it how the active ones go on."""
    active = [job for job in reversed(jobs) if job.active]
    for job in sorted(active, key=lambda job: job.state != "running")[:_PANELS]:
        progress_panel(job)
    if len(active) > _PANELS:
        st.caption(f"{len(active) - _PANELS} more wait; choose one below to cancel it.")
    text = f"Table of {len(jobs)} runs, newest first, with state, size and time."
    st.dataframe(history_table(jobs), hide_index=True, width="stretch", key="rc.w.runs.table", alt=text)


def show_one(jobs: list[Job]) -> None:
    """A job of the visitor's choice: what can be done with it, and all about it."""
    job = choose("Run", jobs, key="run_chosen")
    for part in (show_actions, show_details):
        with widgets.errors_shown():
            part(job)


def show_two(jobs: list[Job]) -> None:
    """Two jobs that have results, beside each other."""
    if len(jobs) < 2:
        st.info("Two runs with results are needed: change a setting on Backtest review and start another.")
        return
    left, right = st.columns(2)
    with left:
        first = choose("First run", jobs, key="run_first", at=1)
    with right:
        second = choose("Second run", jobs, key="run_second")
    if first.id == second.id:
        st.info("Choose two different runs.")
        return
    with widgets.errors_shown():
        show_comparison(first, second)


def choose(name: str, jobs: list[Job], *, key: str, at: int = 0) -> Job:
    """One of the jobs, by a list; the choice is kept across pages."""
    ids = [job.id for job in jobs]
    kept = state.get(key, ids[min(at, len(ids) - 1)])
    index = ids.index(kept) if kept in ids else min(at, len(ids) - 1)
    labels = {job.id: label(job) for job in jobs}
    widget = f"rc.w.runs.{key}.{state.get('runs_drawn', 0)}"
    if st.session_state.get(widget, ids[0]) not in ids:  # deleted since: the browser would keep showing it
        _new_boxes()
        widget = f"rc.w.runs.{key}.{state.get('runs_drawn', 0)}"
    chosen = st.selectbox(name, ids, index=index, format_func=lambda id_: labels.get(id_, id_), key=widget)
    state.put(key, chosen)
    return jobs[ids.index(chosen)]


def _new_boxes() -> None:
    """Boxes of runs begin anew, with what is kept of their choices."""
    state.put("runs_drawn", state.get("runs_drawn", 0) + 1)


def show_actions(job: Job) -> None:
    """Open, resume, run again and delete, as far as the job's state allows."""
    jobs, runs = state.jobs(), job.folder.parent
    if job.message and not job.active:
        st.text(job.message)
    places = iter(st.columns(4))
    if next(places).button("Open in Backtest review", type="primary", disabled=not job.readable, width="stretch"):
        state.set_run(job.id)
        st.switch_page("pages/review.py")
    if job.active:
        if next(places).button("Cancel this run", disabled=job.stopping, width="stretch", help="What is done is kept."):
            jobs.cancel(runs, job.id)
            st.rerun()
    elif job.state in ("stopped", "failed", "degraded"):
        text = "Goes on from what is done: no forecast is made twice."
        if next(places).button("Resume", disabled=not job.whole, width="stretch", help=text):
            jobs.resume(runs, job.id)
            st.rerun()
    if not job.active:
        text = "The same settings on the same file, as a new run."
        if next(places).button("Run again", disabled=not job.whole, width="stretch", help=text):
            state.put("run_chosen", jobs.submit(runs, job.request).id)
            _new_boxes()
            st.rerun()
        # By the run's id and with a state of its own: what is open for one run is never there for the next.
        with next(places).popover("Delete", width="stretch", key=f"rc.w.runs.ask.{job.id}", on_change="rerun"):
            st.write("Its forecasts, tables and report are removed for good.")
            if st.button("Yes, delete this run", key=f"rc.w.runs.delete.{job.id}"):
                jobs.delete(runs, job.id)
                if state.run_id() == job.id:
                    state.set_run(None)
                st.rerun()


def show_details(job: Job) -> None:
    """How to repeat it by command, its manifest, whether its files are whole, and what its process said."""
    if job.whole:
        _show_command(job)
    if job.readable:
        _show_files(job)
    log = log_tail(job.folder)
    if log and job.state != "complete":
        with st.expander("What its process said", expanded=job.state == "failed" and job.whole):
            st.code(log, language=None, wrap_lines=True)


def _show_command(job: Job) -> None:
    st.subheader("Repeat by command")
    st.code(command(job), language=None, wrap_lines=True)
    st.caption("With the file of prices and this file of settings it gives the same figures to the last digit.")
    content = to_toml(job.request.settings)
    with st.expander(f"Settings ({CONFIG_NAME})"):
        st.code(content, language=None, wrap_lines=True)
    widgets.download(
        f"Download {CONFIG_NAME}", content.encode, CONFIG_NAME, "application/toml", key=f"rc.w.runs.toml.{job.id}"
    )


def command(job: Job) -> str:
    """``riskcore backtest`` for the job's file, with its settings in a file beside it."""
    return shlex.join(["riskcore", "backtest", job.request.file.name, "--config", CONFIG_NAME, "--out", "run"])


def _show_files(job: Job) -> None:
    st.subheader("Files")
    left, right = st.columns(2)
    with left:
        widgets.download(
            "Download manifest.json",
            (job.run_path / MANIFEST).read_bytes,
            f"{job.id}-{MANIFEST}",
            "application/json",
            key=f"rc.w.runs.manifest.{job.id}",
        )
    if right.button("Check the files", key=f"rc.w.runs.verify.{job.id}", help="Recomputes the checksum of every file."):
        with widgets.errors_shown():
            _show_verdict(job)


def _show_verdict(job: Job) -> None:
    found = verify_run(job.run_path)
    if found:
        st.error("Not as they were written; resume a degraded run, or run it again:", icon=":material/error:")
        st.text("\n".join(found[:20]))
    else:
        n_units = len(open_run(job.run_path).manifest["units"])
        st.success(f"{n_units} forecast files and all tables are as they were written.", icon=":material/verified:")


def show_comparison(first: Job, second: Job) -> None:
    """What differs between two runs, and their mean scores beside each other."""
    one, other = open_run(first.run_path), open_run(second.run_path)
    _show_verdict_of_two(one, other)
    contrast = _in_words(manifest_contrast(one, other)).rename(columns=_HEADS)
    st.subheader("What differs")
    st.dataframe(
        contrast, hide_index=True, width="stretch", alt=f"Table of {len(contrast)} entries that differ in two runs."
    )
    scores = score_contrast(one, other)
    st.subheader("Mean scores")
    if scores.empty:
        st.info("No asset and model is in both runs with the same measure and level.")
        return
    unequal = bool((scores["days in first"] != scores["days in second"]).any())
    st.caption(
        "Lower is better; a negative difference speaks for the second run."
        + (" Where the numbers of days differ, the means are of other days and say little." if unequal else "")
    )
    names = {"measure": scores["measure"].replace(NAMES), "score": scores["score"].map(title)}
    levels = scores["level"].map("{:g}".format, na_action="ignore").fillna("")
    st.dataframe(
        scores.assign(**names, level=levels).rename(columns=_HEADS),
        hide_index=True,
        width="stretch",
        alt=f"Table of {len(scores)} mean scores in two runs and their difference.",
        column_config={_HEADS[name]: st.column_config.NumberColumn(format="%.4e") for name in ("first", "second")}
        | {_HEADS["difference"]: st.column_config.NumberColumn(format="%+.1e")},
    )


def _in_words(contrast: pd.DataFrame) -> pd.DataFrame:
    """Models in words, but for a pair of them that would read alike."""
    words = contrast[["first", "second"]].map(describe)
    told = (contrast["part"] == "models") & (words["first"] != words["second"])
    told_of = {name: contrast[name].where(~told, words[name]) for name in ("first", "second")}
    return contrast.assign(**told_of)


def _show_verdict_of_two(one: Run, other: Run) -> None:
    equal, shared = equal_units(one, other)
    apart = differences(one.manifest, other.manifest)
    if not apart:
        st.write("Settings, data and code are the same.")
    if shared:
        st.write(f"Exactly the same forecasts in {equal} of the {shared} pairs of asset and model that both runs have.")
