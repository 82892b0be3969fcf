"""Panels that several pages share: a job as it goes on."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from riskcore.dashboard import state, widgets
from riskcore.dashboard.jobs import Job
from riskcore.runs.progress import duration

_EVERY_SECONDS = 0.5
STATES: dict[str, str] = {
    "queued": "… waits",
    "running": "▶ running",
    "stopped": "■ stopped",
    "failed": "✕ failed",
    "complete": "✓ complete",
    "degraded": "▲ degraded",
}
"""A job's state in a sign and a word, so that colour is never needed."""


def progress_panel(job: Job) -> None:
    """Progress, time left and Cancel of a job while it waits or works, redrawn twice a second; else one line.

    When the job ends, the page runs once more. Only the panel is redrawn in between.

    Parameters
    ----------
    job : Job
        One of the visitor's own.
    """
    if job.active:
        st.fragment(_active, run_every=_EVERY_SECONDS)(job.folder.parent, job.id)
    else:
        with st.container(border=True):
            _head(job)
            _message(job)


def _active(runs: Path, name: str) -> None:
    with widgets.errors_shown():
        job = state.jobs().get(runs, name)
        if job is None or not job.active:
            st.rerun()
        with st.container(border=True):
            left, right = st.columns([5, 1], vertical_alignment="center")
            with left:
                _head(job)
                st.progress(min(job.done / job.total, 1.0) if job.total else 0.0, text=progress_text(job))
                _message(job)
            right.button(
                "Cancel",
                key=f"rc.w.jobs.cancel.{name}",
                icon=":material/stop_circle:",
                help="What is done is kept: the run can be resumed.",
                disabled=job.stopping,
                width="stretch",
                on_click=state.jobs().cancel,
                args=(runs, name),
            )


def _head(job: Job) -> None:
    st.text(f"{STATES[job.state]}: {job.request.title}")


def _message(job: Job) -> None:
    if job.message:
        st.text(job.message)


def progress_text(job: Job) -> str:
    """How far a job is, in words: our own, for the bar's text is markdown.

    >>> from riskcore.dashboard.jobs import Request
    >>> job = Job("1", Path("1"), Request("t", Path("p.csv"), {}, ""), "running", "", 50, 200, left=75.0)
    >>> progress_text(job)
    '50 of 200 forecasts, 1 min 15 s left'
    """
    if job.state == "queued":
        return f"{job.done:,} of {job.total:,} forecasts" if job.done else "Not begun"
    if not job.total or (not job.done and job.left is None):
        return "Starting"
    if job.done >= job.total:
        return f"All {job.total:,} forecasts made; tests, tables and the report follow"
    left = "" if job.left is None else f", {duration(job.left)} left"
    return f"{job.done:,} of {job.total:,} forecasts{left}"
