"""Backtest review: what it shows is the engine's and the command's, and what is wrong with a run is said."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

import riskcore as rc
from riskcore.cli import main
from riskcore.dashboard import job_files, sources, state, widgets
from riskcore.dashboard.job_files import Facts, Progress, Request
from riskcore.dashboard.sources import Source
from riskcore.dashboard.workspace import workspace_of
from riskcore.plots import style
from riskcore.report import matrix
from riskcore.runs import Run, open_run

TOKEN = "r" * 40
SETTINGS = {"models": ["historical", "ewma"], "from": "2018-03-01"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run by command on the sample."""
    out = tmp_path_factory.mktemp("review") / "run"
    options = ["--models", ",".join(SETTINGS["models"]), "--from", str(SETTINGS["from"]), "--jobs", "1", "--quiet"]
    done = CliRunner().invoke(main, ["backtest", str(sources.sample().path), "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    return open_run(out)


@pytest.fixture(scope="module")
def forecasts(made: Run) -> rc.Forecasts:
    return made.forecasts()


@pytest.fixture
def job(home: Path, made: Run) -> Callable[..., Path]:
    """``job("complete")`` puts the run into the workspace; returns the job's folder."""

    def put(state_: str = "complete", *, digest: str = "", title: str = "mine", message: str = "") -> Path:
        folder = workspace_of(TOKEN).runs / job_files.new_id()
        folder.mkdir(parents=True)
        shutil.copytree(made.path, folder / "run")
        digest = digest or sources.load(sources.sample()).digest
        job_files.write_request(folder, Request(title, sources.sample().path, SETTINGS, digest), Facts())
        job_files.write_progress(folder, Progress(state_, 1, 1, 1.0, message=message))  # type: ignore[arg-type]
        return folder

    return put


@pytest.fixture
def review(open_page: Any) -> Callable[..., AppTest]:
    """``review(run=folder)`` opens the page on the sample."""

    def opened(run: Path | None = None, *, source: Source | None = None, **kept: Any) -> AppTest:
        if run is not None:
            kept["run"] = run.name
        page: AppTest = open_page("review", source=source or sources.sample(), session=TOKEN, **kept)
        return page

    return opened


def charts(page: AppTest) -> list[Any]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def values(cells: Any) -> np.ndarray[Any, Any]:
    return np.asarray(cells, dtype=float)


def trace(figure: Any, name: str) -> Any:
    return next(t for t in figure["data"] if t.get("name") == name)


def box(page: AppTest, label: str) -> Any:
    return next(x for x in [*page.selectbox, *page.multiselect] if x.label == label)


def texts(page: AppTest) -> list[str]:
    return [x.value for x in page.text]


def frame(page: AppTest, column: str) -> pd.DataFrame:
    """The table of the page that has a column."""
    return next(x.value for x in page.dataframe if column in x.value.columns)


def pick_tab(page: AppTest, name: str) -> AppTest:
    page.session_state["rc.w.review.more"] = name
    return page.run()


def test_without_prices_there_is_a_way_on(open_page: Any) -> None:
    page = open_page("review")
    assert [b.label for b in page.button] == ["Use the sample", "Upload prices"]
    assert not charts(page)


def test_the_form_says_what_a_run_amounts_to(review: Any) -> None:
    page = review()
    assert not [x for x in page.selectbox if x.label == "Run"]
    assert box(page, "Models").value == list(rc.defaults.MODELS)
    assert box(page, "Risk figures").value == list(rc.defaults.TARGETS)
    n = 2 * 2 * -(-4031 // rc.defaults.REFIT_EVERY)
    line = f"2 assets × 4 models, 2002-12-27 to 2019-01-01: 32,248 forecasts and {n:,} estimations, about 20 s"
    assert line in texts(page)
    box(page, "Models").set_value(["historical"]).run()
    assert "2 assets × 1 model, 2002-12-27 to 2019-01-01: 8,062 forecasts, nothing to estimate, about 10 s" in texts(
        page
    )
    assert not charts(page)


def test_a_new_tab_begins_with_the_settings_of_the_newest_run(review: Any, job: Any) -> None:
    job()
    page = review()
    assert not page.multiselect  # folded, and not made
    page.session_state["rc.w.review.form.True"] = True
    page.run()
    assert box(page, "Models").value == SETTINGS["models"]
    assert page.date_input[0].value == pd.Timestamp(str(SETTINGS["from"])).date()
    assert page.date_input[1].value is None


def test_a_risk_figure_typed_in_is_taken_in_words_too(review: Any) -> None:
    """Once the page was left, the box gives back what it shows; AppTest gives it at once."""
    page = review()
    box(page, "Risk figures").set_value(["var:0.985", "expectile:0.9991"]).run()
    assert box(page, "Risk figures").value == ["VaR 98.5 %", "expectile VaR τ = 0.9991"]
    assert not next(b for b in page.button if b.label == "Start the backtest").disabled


def test_what_is_wrong_with_a_setting_is_said_before_the_start(review: Any) -> None:
    page = review()
    targets = box(page, "Risk figures")
    targets.set_value(["var:0.99", "var:99"]).run()
    assert any("level must lie in (0.5, 1), got 99.0" in text for text in texts(page))
    assert next(b for b in page.button if b.label == "Start the backtest").disabled
    assert not page.exception


def test_models_of_the_modelling_page_are_offered_and_chosen(review: Any) -> None:
    page = review(candidates={"<b>mine</b>": {"volatility": "ewma", "law": "t"}})
    assert box(page, "Models").value[-1] == "<b>mine</b>"
    assert any("2 assets × 5 models" in text for text in texts(page))
    assert not any("<b>" in x.value for x in [*page.markdown, *page.caption])


@pytest.mark.parametrize(("asset", "model", "level"), [("S&P 500", "historical", 0.99), ("NASDAQ", "ewma", 0.975)])
def test_figures_are_the_engines(
    review: Any, job: Any, forecasts: rc.Forecasts, asset: str, model: str, level: float
) -> None:
    page = review(job(), asset=asset, review_model=model, level=level)
    band, rolling, *_ = charts(page)
    rows, name = forecasts.unit(asset, model), f"VaR {style.level_text(level)}"
    for target in forecasts.targets:
        drawn = trace(band, style.target_text(target.measure, target.level))
        np.testing.assert_allclose(values(drawn["y"]), rows[target.label], rtol=1e-6)
        assert (pd.Timestamp(0) + pd.to_timedelta(values(drawn["x"]), unit="ms") == rows.index).all()
    hits = rows[rows["loss"] > rows[f"var_{level}"]]
    assert len(hits) > 3
    np.testing.assert_allclose(values(trace(band, f"hit: loss > {name}")["y"]), hits["loss"], rtol=1e-6)
    assert rolling["layout"]["title"]["text"] == f"{asset} · {model}".replace("&", "&amp;")
    assert not [t for t in texts(page) if "other data" in t]


def test_rolling_hits_are_the_engines(open_page: Any, review: Any, job: Any, made: Run) -> None:
    page = review(job(), review_model="ewma")
    table = rc.indicators.rolling_hits(made.forecasts(), "S&P 500", "ewma", "var:0.99")
    rolling = charts(page)[1]
    if table.empty:  # 213 days of forecasts: the figure says so
        assert rolling["layout"]["annotations"][0]["text"] == "fewer than 250 days with a forecast of VaR 99 %"
    else:
        np.testing.assert_array_equal(values(trace(rolling, "hits")["y"]), table["hits"])


def test_the_tests_are_those_of_the_command_and_of_the_engine(
    review: Any, job: Any, made: Run, forecasts: rc.Forecasts
) -> None:
    page = review(job())
    shown = frame(page, "ewma")
    by_engine = matrix.matrix_of(rc.backtest_table(forecasts), "S&P 500")
    expected = by_engine.texts.set_axis(shown.index)
    pd.testing.assert_frame_equal(shown, expected, check_names=False, check_dtype=False)
    assert shown.index.is_unique
    for label, (name, test) in zip(shown.index, by_engine.texts.index, strict=True):
        figure, word = label.split(" · ")
        assert name.endswith(figure)
        assert word.split()[-1].casefold() in test.casefold()
        assert len(label) < 34  # is read whole in the column of labels
    file = pd.read_csv(made.path / "backtests.csv", keep_default_na=False, na_values=[""])
    kupiec = file[(file["asset"] == "S&P 500") & (file["test"] == "kupiec") & (file["level"] == 0.99)]
    for model, p in kupiec[["model", "p_value"]].to_numpy():
        assert f"{p:.3f}" in shown.loc["VaR 99 % · Kupiec", model]


def test_one_risk_figure_alone(review: Any, job: Any) -> None:
    page = review(job())
    next(x for x in page.button_group if x.label == "Risk figure").set_value("ES 97.5 %").run()
    assert frame(page, "ewma").index.nlevels == 1
    assert frame(page, "ewma").index[0] == "Acerbi-Szekely Z1"


def test_a_cell_is_explained(forecasts: rc.Forecasts) -> None:
    def script() -> None:
        import streamlit as st

        from riskcore.dashboard import review_views

        review_views.details(st.session_state["cell"])

    found = matrix.matrix_of(rc.backtest_table(forecasts), "S&P 500")
    record = next(r for (_, model), r in found.records.items() if model == "ewma" and r["test"] == "kupiec")
    cell = matrix.explain(record, n_tests=found.n_tests("ewma"))
    page = AppTest.from_function(script)
    page.session_state["cell"] = cell
    page.run()
    assert not page.exception
    assert page.subheader[0].value == "Kupiec (number of hits) · VaR 99 %"
    assert {m.label: m.value for m in page.metric} == dict(cell.facts)
    assert cell.verdict in texts(page)
    assert [x.value for x in page.warning] == list(cell.warnings)
    assert "Null hypothesis: the hit rate equals 1 - level" in texts(page)
    assert cell.reference in texts(page)


def test_scores_are_the_engines(review: Any, job: Any, forecasts: rc.Forecasts) -> None:
    page = review(job())
    shown = frame(page, "score")
    engine = rc.score_table(forecasts)
    engine = engine[(engine["asset"] == "S&P 500") & (engine["score"] == "quantile") & (engine["level"] == 0.99)]
    mine = shown[(shown["score"] == "Quantile score") & (shown["risk figure"] == "VaR 99 %")]
    assert dict(zip(mine["model"], mine["mean"], strict=True)) == {
        m: f"{x:#.5g}" for m, x in engine[["model", "mean"]].to_numpy()
    }
    assert mine["against the best"].iloc[0] == "best"
    assert any("lower is better" in x.value for x in page.caption)


def test_exceptions_are_the_engines(review: Any, job: Any, forecasts: rc.Forecasts) -> None:
    page = pick_tab(review(job(), review_model="ewma"), "Exceptions")
    rows = forecasts.unit("S&P 500", "ewma")
    hits = rows[rows["loss"] > rows["var_0.99"]]
    shown = frame(page, "excess")
    assert shown["date"].tolist() == hits.index[::-1].tolist()
    np.testing.assert_array_equal(shown["excess"], 100 * (hits["loss"] - hits["var_0.99"])[::-1])  # in percent
    metrics = {m.label: m.value for m in page.metric}
    assert metrics["Exceptions"] == str(len(hits))
    assert metrics["Expected"] == f"{0.01 * rows['loss'].notna().sum():.1f}"
    said = any("alike if VaR and ES are both right" in text.value for text in page.caption)
    assert said == ("Mean ES" in metrics)


def test_the_other_parts(review: Any, job: Any, forecasts: rc.Forecasts) -> None:
    page = pick_tab(review(job(), review_model="ewma"), "Smoothed")
    page.slider[0].set_value(10).run()
    table = rc.indicators.indicator_table(forecasts, halflife=10).loc[("S&P 500", "ewma")]
    np.testing.assert_allclose(values(trace(charts(page)[2], "volatility")["y"]), table["volatility"], rtol=1e-6)
    assert any("describe the past" in x.value for x in page.caption)
    page = pick_tab(page, "PIT")
    assert (
        int(values(charts(page)[2]["data"][0]["y"]).sum()) == forecasts.judged("S&P 500", "ewma")["pit"].notna().sum()
    )
    page = pick_tab(page, "Status")
    counts = frame(page, "ok")
    assert counts["ok"].sum() == (forecasts.frame["status"] == "ok").sum()


def test_downloads_are_the_runs_own_files(review: Any, job: Any, made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, tuple[Callable[[], bytes], str]] = {}

    def record(label: str, make: Callable[[], bytes], file_name: str, mime: str, *, key: str) -> None:
        found[label] = (make, file_name)

    monkeypatch.setattr(widgets, "download", record)
    folder = job(title="../Mine & <b>yours</b>")
    review(folder)
    for label, name in (
        ("Report (HTML)", "report.html"),
        ("Scores (CSV)", "scores.csv"),
        ("Backtests (CSV)", "backtests.csv"),
    ):
        assert found[label][0]() == (made.path / name).read_bytes()
    assert found["Whole run (ZIP)"][0]().startswith(b"PK")
    names = [name for _, name in found.values()]
    assert len(set(names)) == len(names) == 6
    assert all(name.startswith(f"mine-b-yours-b-{folder.name}-") for name in names)


def test_a_run_of_another_file_says_so(review: Any, job: Any) -> None:
    page = review(job(digest="0" * 64, title="of another"))
    assert page.info[0].value == "This run is of other data than those you work on:"
    assert len(charts(page)) == 3
    assert box(page, "Run").options[0].startswith("of another · ")


def test_a_run_of_this_file_is_found_and_another_owners_is_not(review: Any, job: Any, open_page: Any) -> None:
    older, newer = job(title="older"), job(title="newer")
    page = review()
    assert [x.split(" · ")[0] for x in box(page, "Run").options] == ["newer", "older"]
    assert box(page, "Run").value == newer.name
    box(page, "Run").set_value(older.name).run()
    assert page.session_state["rc.run"] == older.name
    assert box(page, "Run").value == older.name
    stranger = open_page("review", source=sources.sample(), session="s" * 40, run=newer.name)
    assert not [x for x in stranger.selectbox if x.label == "Run"]


@pytest.mark.parametrize("name", ["stopped", "failed"])
def test_a_run_that_ended_early_can_be_resumed(review: Any, job: Any, name: str) -> None:
    folder = job(name, message="it said why")
    manifest = folder / "run" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"state": "running"}))
    page = review(folder)
    assert "it said why" in texts(page)
    assert "Resume" in [b.label for b in page.button]
    assert not charts(page)


def test_damaged_files_are_named_with_what_to_do(review: Any, job: Any) -> None:
    folder = job()
    unit = next((folder / "run" / "forecasts").glob("*.parquet"))
    unit.write_bytes(unit.read_bytes()[:-20])
    page = review(folder)
    assert page.error[0].value == "This cannot be done as it stands:"
    assert any(unit.name in text for text in texts(page))
    assert any("Start the backtest again" in x.value for x in page.info)
    assert not charts(page)


def test_missing_tables_and_manifest_are_said(review: Any, job: Any) -> None:
    folder = job()
    (folder / "run" / "scores.csv").unlink()
    assert any("scores.csv must be a file of the run" in text for text in texts(review(folder)))
    (folder / "run" / "manifest.json").write_text("{")
    page = review(folder)
    assert page.error
    assert not page.exception


def test_a_degraded_run_says_why(review: Any, job: Any) -> None:
    folder = job("degraded")
    path = folder / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    failed = [{"asset": "NASDAQ", "model": "care-linear", "reason": "<b>no</b> fit"}]
    path.write_text(json.dumps(manifest | {"state": "degraded", "share_not_ok": 0.08, "failed_units": failed}))
    page = review(folder)
    words = [x.value for x in page.warning]
    assert words[0].startswith("This run is degraded: 8.0 % of its forecasts are implausible or worse, and 5 % is")
    assert words[1] == "This run is degraded: 1 of its models could not be computed."
    assert frame(page, "reason")["reason"].tolist() == ["<b>no</b> fit"]


def test_dark_pages_get_dark_figures(review: Any, job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widgets, "dark", lambda: True)
    for figure in charts(review(job())):
        assert figure["layout"]["paper_bgcolor"] == style.DARK[style.PAPER]
        assert not any(colour in json.dumps(figure) for colour in style.DARK)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_cells_can_be_read(dark: bool) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 between text and background."""
    from riskcore.dashboard import review_views

    for back, text in review_views.CELLS_DARK if dark else review_views.CELLS:
        low, high = sorted((luminance(back), luminance(text)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (back, text)


def test_a_backtest_from_the_form_is_that_of_the_command(review: Any, made: Run) -> None:
    page = review()
    box(page, "Models").set_value(SETTINGS["models"])
    page.date_input[0].set_value(pd.Timestamp(str(SETTINGS["from"])).date()).run()
    next(b for b in page.button if b.label == "Start the backtest").click().run()
    assert not page.exception
    runs = workspace_of(TOKEN).runs
    job = state.jobs().list(runs)[0]
    assert page.session_state["rc.run"] == job.id
    for _ in range(600):
        job = state.jobs().get(runs, job.id)
        if not job.active:
            break
        time.sleep(0.1)
    assert job.state == "complete", job.message
    for name in ("scores.csv", "backtests.csv"):
        assert (job.run_path / name).read_bytes() == (made.path / name).read_bytes()
    page.run()
    assert len(charts(page)) == 3
    assert box(page, "Run").value == job.id
