"""The page Runs: what it shows is what is on disk, and only the visitor's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskcore.dashboard import history, job_files
from riskcore.dashboard.job_files import Facts, Progress
from riskcore.dashboard.jobs import Jobs, request_for
from riskcore.dashboard.processes import Process
from riskcore.dashboard.sources import Source, load
from riskcore.dashboard.workspace import workspace_of
from riskcore.defaults import REFIT_EVERY
from riskcore.runs.command import execute
from riskcore.runs.config import settings
from riskcore.runs.contrast import manifest_contrast, score_contrast
from riskcore.runs.run import Run, open_run

TOKEN, OTHER = "a" * 32, "b" * 32
WINDOWS = (250, 200)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Run]:
    """Two runs of 400 prices, with their windows."""
    folder = tmp_path_factory.mktemp("done")
    days = pd.date_range("2020-01-01", periods=400, freq="B", name="date")
    losses = 0.01 * np.random.default_rng(3).standard_t(5, size=400)
    pd.DataFrame({"*A*": 100 * np.exp(-np.cumsum(losses))}, days).to_csv(folder / "prices.csv")

    def run(window: int) -> Run:
        chosen = settings({}, {"models": ["historical"], "targets": ["var:0.99"], "window": window, "jobs": 1})
        return execute([folder / "prices.csv"], chosen, folder / str(window))

    return {window: run(window) for window in WINDOWS}


@pytest.fixture
def put(home: Path, done: dict[int, Run]) -> Any:
    """Write a job into a workspace: ``put("complete", window=250)``; returns its folder."""

    def write(state: str, *, token: str = TOKEN, title: str = "mine", window: int = 250, message: str = "") -> Path:
        source = Source(done[250].path.parent / "prices.csv")
        asked = request_for(
            source, load(source).digest, title, models=["historical"], targets=["var:0.99"], window=window
        )
        folder = workspace_of(token).runs / job_files.new_id()
        folder.mkdir(parents=True)
        facts = Facts(assets=1, models=1, days=150, first="2020-12-17", last="2021-07-14")
        job_files.write_request(folder, asked, facts)
        job_files.write_progress(folder, Progress(state, message=message, seconds=75.0))  # type: ignore[arg-type]
        if state in ("complete", "degraded"):
            shutil.copytree(done[window].path, folder / "run")
        return folder

    return write


def button(app: Any, label: str) -> Any:
    (found,) = [each for each in app.button if each.label == label]
    return found


def box(app: Any) -> Any:
    (found,) = [each for each in app.selectbox if each.label == "Run"]
    return found


def texts(app: Any) -> str:
    return "\n".join(each.value for part in (app.text, app.markdown, app.info, app.error, app.success) for each in part)


def test_without_runs_the_page_says_what_to_do(open_page: Any) -> None:
    app = open_page("runs")
    assert "No runs yet. Start one on Backtest review" in texts(app)
    assert button(app, "Go to Backtest review")
    assert not app.dataframe


def test_history_is_what_is_on_disk(open_page: Any, put: Any) -> None:
    put("complete")
    put("stopped", title="*second*", message="Stopped. What is done is kept: resume goes on from there.")
    app = open_page("runs", session=TOKEN)
    table = app.dataframe[0].value
    assert table["State"].tolist() == ["■ stopped", "✓ complete"]
    assert table["Run"].tolist() == ["*second*", "mine"]
    assert table.iloc[1].tolist()[3:] == ["1 × 1", "2020-12-17 to 2021-07-14", f"250 / {REFIT_EVERY}", "1 min 15 s"]
    assert "What is done is kept: resume goes on" in texts(app)  # of the newest, which is chosen
    assert button(app, "Open in Backtest review").disabled
    assert not button(app, "Resume").disabled


def test_others_see_nothing_of_it(open_page: Any, put: Any) -> None:
    put("complete", title="MARKER")
    app = open_page("runs", session=OTHER, run_chosen="x")
    assert "No runs yet" in texts(app)
    assert "MARKER" not in texts(app)
    assert "MARKER" in open_page("runs", session=TOKEN).dataframe[0].value["Run"].tolist()


def test_open_shows_the_run_on_the_review_page(open_page: Any, put: Any) -> None:
    folder = put("complete")
    app = open_page("runs", session=TOKEN)
    button(app, "Open in Backtest review").click().run()
    assert not app.exception
    assert app.session_state["rc.run"] == folder.name
    assert app.title[0].value == "Backtest review"


def test_delete_asks_and_forgets(open_page: Any, put: Any) -> None:
    folder = put("complete", title="to go")
    kept = put("failed", title="to stay", message="window must be short")
    app = open_page("runs", session=TOKEN, run=folder.name)
    assert "window must be short" in texts(app)
    box(app).select(folder.name).run()
    before = box(app)
    assert button(app, "Yes, delete this run").key.endswith(folder.name)
    button(app, "Yes, delete this run").click().run()
    assert not app.exception
    assert box(app).id != before.id  # else the browser goes on showing the deleted run
    assert button(app, "Yes, delete this run").key.endswith(kept.name)
    assert not folder.exists()
    assert kept.exists()
    assert app.session_state["rc.run"] is None
    assert box(app).value == kept.name
    assert app.dataframe[0].value["Run"].tolist() == ["to stay"]


def test_check_the_files(open_page: Any, put: Any) -> None:
    folder = put("complete")
    app = open_page("runs", session=TOKEN)
    button(app, "Check the files").click().run()
    assert "1 forecast files and all tables are as they were written." in texts(app)
    (folder / "run" / "scores.csv").write_text("")
    button(app, "Check the files").click().run()
    assert "scores.csv: changed" in texts(app)


def test_a_run_that_cannot_be_read_can_be_deleted(open_page: Any, put: Any) -> None:
    folder = put("complete")
    (folder / "job.json").write_text("{")
    app = open_page("runs", session=TOKEN)
    assert job_files.DAMAGED in texts(app)
    assert button(app, "Resume").disabled
    button(app, "Yes, delete this run").click().run()
    assert "No runs yet" in texts(app)


def test_a_damaged_manifest_is_a_box(open_page: Any, put: Any) -> None:
    folder = put("complete")
    put("complete", window=200)
    (folder / "run" / "manifest.json").write_text("{")
    app = open_page("runs", session=TOKEN)
    app.session_state["rc.w.runs.tab"] = "Compare two"
    app.run()
    assert not app.exception
    assert "must be readable JSON" in texts(app)


def test_comparison_is_that_of_the_engine(open_page: Any, put: Any, done: dict[int, Run]) -> None:
    put("complete", title="long")
    put("complete", title="short", window=200)
    app = open_page("runs", session=TOKEN)
    app.session_state["rc.w.runs.tab"] = "Compare two"
    app.run()
    assert not app.exception
    one, other = done[250], done[200]
    _, contrast, scores = (table.value for table in app.dataframe)
    expected = manifest_contrast(one, other)
    assert contrast.to_numpy().tolist() == expected.to_numpy().tolist()
    assert ["settings", "window", "250", "200"] in contrast.to_numpy().tolist()
    figures = score_contrast(one, other)
    np.testing.assert_array_equal(scores["Second minus first"], figures["difference"])
    assert scores["Measure"].tolist()[0] == "VaR"
    assert scores["Level"].tolist()[0] == "0.99"
    assert "Exactly the same forecasts in 0 of the 1 pairs of asset and model that both runs have." in texts(app)


def test_the_command_repeats_the_run(put: Any, done: dict[int, Run], tmp_path: Path) -> None:
    folder = put("complete")
    queue = Jobs()
    job = queue.get(folder.parent, folder.name)
    queue.close()
    assert job is not None
    assert history.command(job) == "riskcore backtest prices.csv --config run.toml --out run"
    keys = tomllib.loads(history.to_toml(job.request.settings))
    again = execute([job.request.file], settings({}, {**keys, "jobs": 1}), tmp_path / "again")
    assert again.manifest["settings"] == open_run(job.run_path).manifest["settings"]
    assert (tmp_path / "again" / "scores.csv").read_bytes() == (job.run_path / "scores.csv").read_bytes()


def test_an_active_run_is_shown_and_cancelled(open_page: Any, put: Any) -> None:
    """A run that another server on the same home has just started: a living process stands in for that server."""
    folder = put("queued")
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"]) as stranger:
        server = Process.of(stranger.pid)
        assert server is not None
        running = Progress("running", done=50, total=150, left=20.0, server=server.plain())
        job_files.write_progress(folder, running)
        app = open_page("runs", session=TOKEN)
        assert "▶ running: mine" in texts(app)
        assert app.dataframe[0].value["State"].tolist() == ["▶ running"]
        button(app, "Cancel").click().run()
        assert not app.exception
        assert (folder / job_files.STOP).exists()
        assert "Stopping in order: what is done is kept." in texts(app)
        assert button(app, "Cancel").disabled
        stranger.kill()
