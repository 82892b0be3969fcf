"""Overview and Backtest review of a run that ends before its data do, of many models, two of them at moving levels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import riskcore as rc
from riskcore.dashboard import job_files, overview, review_views, sources
from riskcore.dashboard.job_files import Facts, Progress, Request
from riskcore.dashboard.workspace import workspace_of
from riskcore.indicators import drawdown, worst
from riskcore.report.view import percent, ranked
from riskcore.runs import Run, run_backtest

TOKEN = "m" * 40
MODELS = ("historical", "ewma", "caviar-as", "dynamic-level", "dynamic-level-online", "bayes-expectile")
ASSET, END = "S&P 500", "2018-06-29"


@pytest.fixture(scope="module")
def losses() -> pd.DataFrame:
    return sources.load(sources.sample()).losses[[ASSET]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, losses: pd.DataFrame) -> Run:
    out, plan = tmp_path_factory.mktemp("moving") / "run", rc.WalkForward(500, 250)
    return run_backtest(losses, MODELS, None, plan, out, from_date="2018-01-02", to_date=END)


@pytest.fixture
def visit(open_page: Any, home: Path, made: Run) -> Callable[..., AppTest]:
    """``visit("overview")`` opens a page of a visitor who has the run."""
    folder = workspace_of(TOKEN).runs / job_files.new_id()
    folder.mkdir(parents=True)
    shutil.copytree(made.path, folder / "run")
    digest = sources.load(sources.sample()).digest
    settings = {"models": list(MODELS), "to": END}
    job_files.write_request(folder, Request("ended", sources.sample().path, settings, digest), Facts())
    job_files.write_progress(folder, Progress("complete", 1, 1, 1.0))

    def opened(page: str, **kept: Any) -> AppTest:
        shown: AppTest = open_page(page, source=sources.sample(), session=TOKEN, run=folder.name, **kept)
        return shown

    return opened


def captions(page: AppTest) -> str:
    return " ".join(text.value for text in page.caption)


def test_all_cards_are_of_the_runs_last_day(visit: Any, losses: pd.DataFrame) -> None:
    page = visit("overview")
    assert not page.exception
    shown = {metric.label: metric.value for metric in page.metric}
    past = losses[ASSET].dropna().loc[:END]
    assert past.index[-1] < losses.index[-1]
    assert shown["Worst day in 250 days"] == percent(worst(past, 250).value)
    assert shown[f"Drawdown on {END}"] == percent(drawdown(past).iloc[-1], 1)
    said = captions(page)
    assert f"The run ends on {END}" in said
    assert f"of all {len(past):,} to {END}: {percent(worst(past).value)}" in said
    assert "Drawdown now" not in shown


def test_the_first_model_shown_has_every_figure(visit: Any, made: Run) -> None:
    table, scores = made.forecasts(), made.scores()
    model, why = overview.first_shown(table, scores, ASSET)
    whole = [m for m in MODELS if table.unit(ASSET, m)[[t.label for t in table.targets]].iloc[-1].notna().all()]
    assert whole == ["historical", "ewma"]
    rows = scores[(scores["score"] == "quantile") & (scores["level"] == 0.99)].set_index("model")["mean"]
    assert model == rows[whole].idxmin()
    assert why == "lowest VaR score of 2 models with every risk figure"
    page = visit("overview")
    assert page.main.selectbox[0].value == model
    assert "–" not in [metric.value for metric in page.metric][:3]
    assert ranked(table, scores, ASSET, ["ewma"], " that counts") == ("ewma", "the only model that counts")


def test_a_moving_level_and_a_missing_var_are_said(visit: Any, made: Run) -> None:
    page = visit("overview")
    page.main.selectbox[0].select("dynamic-level").run()
    level = made.forecasts().unit(ASSET, "dynamic-level")["level"].iloc[-1]
    assert f"at a level that moves from day to day (τ = {level:.5f} for this day)" in captions(page)
    page.main.selectbox[0].select("bayes-expectile").run()
    assert "the model gives no VaR" in captions(page)
    assert "moves from day to day" not in captions(page)


def test_by_construction_is_said_of_the_online_rule_alone(visit: Any) -> None:
    online, score = (captions(visit("review", review_model=m)) for m in ("dynamic-level-online", "dynamic-level"))
    assert "a VaR by construction" in online
    assert "a VaR by construction" not in score
    assert review_views.MOVING_LEVEL in score


def test_scores_at_levels_that_move_are_apart(visit: Any, made: Run) -> None:
    page = visit("review", review_model="ewma")
    tables = [x.value for x in page.dataframe]
    ranking = next(x for x in tables if "against the best" in x)
    assert not ranking["score"].str.contains("day's level").any()
    lone = next(x for x in tables if x.columns.tolist() == ["model", "mean", "days", "not ok"])
    scores = made.scores()
    own = scores[scores["score"] == "expectile_moving"].set_index("model")["mean"]
    assert dict(zip(lone["model"], lone["mean"], strict=True)) == {
        m: f"{x:#.5g}".replace("-", "−") for m, x in own.items()
    }
    assert review_views.LONE_SCORES in captions(page)


def test_many_models_stand_in_cells_of_two_lines(visit: Any) -> None:
    page = visit("review", review_model="bayes-expectile")
    tests = next(x.value for x in page.dataframe if "ewma" in x.value.columns)
    assert tests.columns.tolist() == list(MODELS)  # heads are cut, names are not
    counted = [text for text in tests["ewma"] if "/" in text]
    assert counted
    assert all(text.count(" ") == 1 for text in counted)  # the one place where the line breaks
    assert all(len(label) < 34 for label in tests.index)
    assert "– no law" in {text.replace("\xa0", " ") for text in tests["dynamic-level"]}
    page.session_state["rc.w.review.more"] = "Exceptions"
    page.run()
    assert any("gives no VaR 99 %, so there are no exceptions" in text.value for text in page.info)


def test_models_that_read_more_than_prices_are_named_below_the_choice(visit: Any) -> None:
    page = visit("review")
    page.session_state["rc.w.review.form.True"] = True
    page.run()
    assert "har-rv-t, realized-garch-t, heavy-t" in captions(page)
