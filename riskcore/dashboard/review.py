"""Backtest review: the run that is looked at, read once a session, and the choices of asset, level and model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from riskcore._types import Target
from riskcore.dashboard import panels, state, widgets
from riskcore.dashboard.jobs import Job
from riskcore.dashboard.sources import Dataset
from riskcore.errors import DataError, RiskcoreError
from riskcore.forecasts import Forecasts
from riskcore.plots.style import only, target_text
from riskcore.report.view import ranked
from riskcore.runs import Run, open_run
from riskcore.runs.reading import Judged, manifest_digest, read_tables


@dataclass(frozen=True)
class Opened:
    """A run that can be read; `key` changes with its files and keys everything that is made of them."""

    job: Job
    run: Run
    key: str


@dataclass(frozen=True)
class View:
    """What is looked at: one asset, model and VaR of a run; `rows` are that asset's and model's forecasts alone."""

    opened: Opened
    forecasts: Forecasts
    rows: Forecasts
    judged: Judged
    asset: str
    model: str
    target: Target | None

    @property
    def key(self) -> str:
        """Names everything above."""
        label = self.target.label if self.target else ""
        return repr((self.opened.key, self.asset, self.model, label))


def pick_run(dataset: Dataset | None) -> Job | None:
    """The run to look at: the one opened elsewhere, or one of this file's chosen here, the newest first."""
    known, name = state.jobs().list(state.workspace().runs), state.run_id()
    current = next((job for job in known if job.id == name), None)
    own = [job for job in known if dataset is not None and job.request.digest == dataset.digest]
    choices = {job.id: job for job in ([current] if current and current not in own else []) + own}
    if not choices:
        return None
    shown = current or next((job for job in own if job.active or job.readable), own[0])
    state.set_run(shown.id)
    key = f"rc.w.review.run.{shown.id}"  # a run that is opened elsewhere is another widget, which begins with that run
    st.selectbox(
        "Run",
        list(choices),
        index=list(choices).index(shown.id),
        format_func=lambda each: _label(choices[each]),
        key=key,
        on_change=_picked,
        args=(key,),
    )
    return shown


def _picked(key: str) -> None:
    state.set_run(st.session_state[key])


def _label(job: Job) -> str:
    """Without the job's state, which changes while the box is on the screen; the panel below it says it."""
    return f"{job.request.title} · {job.created[:16].replace('T', ' ')}"


def open_or_stop(job: Job, dataset: Dataset | None) -> Opened:
    """The run of a job that has results; else what there is to say and do about the job, and the page ends here."""
    if dataset is None or job.request.digest != dataset.digest:
        st.info("This run is of other data than those you work on:", icon=":material/info:")
        st.text(job.request.file.name)
    if not job.readable:
        panels.progress_panel(job)
        if job.state in ("stopped", "failed"):
            _resume(job)
        st.stop()
    try:
        run = open_run(job.run_path)
        return Opened(job, run, f"{job.id}:{manifest_digest(run)}")
    except (RiskcoreError, OSError) as error:
        damaged(error)
        st.stop()


def _resume(job: Job) -> None:
    if st.button("Resume", key=f"rc.w.review.resume.{job.id}", icon=":material/play_arrow:", type="primary"):
        with widgets.errors_shown():
            state.jobs().resume(state.workspace().runs, job.id)
            st.rerun()


def damaged(error: Exception) -> None:
    """A run whose files are missing or changed: what, and what to do."""
    widgets.error_box(error if isinstance(error, RiskcoreError) else DataError(f"a file of the run: {error}"))
    st.info(
        "The run's own files are not as they were written. Start the backtest again: the page Runs shows this run's "
        "settings, and deletes it."
    )


def view_or_stop(opened: Opened) -> View:
    """Read the run and ask for asset and level (in the sidebar); a run with damaged files ends the page.

    The model is the one chosen before, at first the one with the lowest VaR score; `pick_model` asks for it.
    """
    try:
        forecasts, judged = _forecasts(opened.key, opened.run), _judged(opened.key, opened.run)
    except (RiskcoreError, OSError) as error:
        damaged(error)
        st.stop()
    asset = widgets.asset_picker(forecasts.assets)
    target = _level(forecasts)
    best, _ = widgets.kept(f"best {opened.key} {asset!r}", lambda: ranked(forecasts, judged.scores, asset))
    kept = state.get("review_model", best)
    model = kept if (asset, kept) in forecasts.units else best
    return View(opened, forecasts, _unit(opened, forecasts, asset, model), judged, asset, model, target)


def pick_model(shown: View) -> View:
    """Ask for the model."""
    models = [model for name, model in shown.forecasts.units if name == shown.asset]
    model = st.selectbox(
        "Model",
        models,
        index=models.index(shown.model),
        key=f"rc.w.review.model.{shown.opened.job.id}",
        help="The figures are of this model, at first the one with the lowest VaR score; tests and scores are of all.",
    )
    state.put("review_model", model)
    return latest(shown)


def latest(shown: View) -> View:
    """The same view of the model chosen last, which may be later than `shown` where a part of the page ran alone."""
    model = state.get("review_model", shown.model)
    if model == shown.model or (shown.asset, model) not in shown.forecasts.units:
        return shown
    return replace(shown, model=model, rows=_unit(shown.opened, shown.forecasts, shown.asset, model))


def _level(forecasts: Forecasts) -> Target | None:
    targets = [target for target in forecasts.targets if target.measure == "var"]
    if not targets:
        return None
    kept = state.get("level", targets[0].level)
    place = next((i for i, target in enumerate(targets) if target.level == kept), 0)
    chosen = st.sidebar.selectbox(
        "VaR level",
        range(len(targets)),
        index=place,
        format_func=lambda i: target_text("var", targets[i].level),
        key="rc.w.review.level",
        disabled=len(targets) == 1,
    )
    state.put("level", targets[chosen].level)
    return targets[chosen]


@st.cache_resource(scope="session", max_entries=3, show_spinner="Reading the run")
def _forecasts(key: str, _run: Run) -> Forecasts:
    return _run.forecasts()


@st.cache_resource(scope="session", max_entries=6, show_spinner=False)
def _judged(key: str, _run: Run) -> Judged:
    return read_tables(_run)


def _unit(opened: Opened, forecasts: Forecasts, asset: str, model: str) -> Forecasts:
    return widgets.kept(f"unit {opened.key} {asset!r} {model!r}", lambda: only(forecasts, asset, model))
