"""The overview shows the engine's figures, of the newest run of the data or computed at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore.dashboard import overview, sources
from riskcore.dashboard.jobs import Job, Jobs, Request
from riskcore.dashboard.sources import Source
from riskcore.indicators import annualised, drawdown, latest, worst
from riskcore.report.view import percent, ranked
from riskcore.runs import run_backtest

MODELS = ("historical", "ewma")


@pytest.fixture(scope="module")
def losses() -> pd.DataFrame:
    return sources.load(sources.sample()).losses


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory, losses: pd.DataFrame) -> Path:
    folder = tmp_path_factory.mktemp("job")
    plan = rc.WalkForward(500, 20)
    run_backtest(losses[["S&P 500"]], MODELS, None, plan, folder / "run", from_date="2017-10-01")
    return folder


@pytest.fixture
def with_jobs(monkeypatch: pytest.MonkeyPatch, run_folder: Path):
    """Put a job into every visitor's list: ``with_jobs(state="complete", digest=...)``."""

    def put(*, state: str = "complete", digest: str | None = None, title: str = "My run") -> None:
        known = sources.load(sources.sample()).digest
        request = Request(title, Path("indices.csv"), {"models": list(MODELS)}, digest or known)
        job = Job("job1", run_folder, request, state, "2026-11-22T05:00:00+00:00", 40, 100, 12.0)  # type: ignore[arg-type]
        monkeypatch.setattr(Jobs, "list", lambda self, runs: [job])

    return put


def metrics(app) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_welcome_leads_on(open_page) -> None:
    app = open_page("overview")
    assert len(app.markdown) == 3
    assert [button.label for button in app.button] == ["Use the sample", "Upload prices"]
    assert not app.metric
    app.button[0].click().run()
    assert not app.exception
    assert len(app.metric) == 7


def test_figures_are_the_full_walks(open_page, sample, losses) -> None:
    app = open_page("overview", source=sample)
    table = rc.forecast(losses[["S&P 500"]], ["fhs"], ahead=True)
    state = latest(table, "S&P 500", "fhs")
    shown = metrics(app)
    assert shown["VaR 99 %"] == percent(state.value("var_0.99"))
    assert shown["ES 97.5 %"] == percent(state.value("es_0.975"))
    assert shown["Expectile VaR"] == percent(state.value("expectile_0.99855"))
    assert shown["Volatility a year"] == percent(annualised(state.value("volatility")), 1)
    assert shown["Hits in 250 days"] == str(state.hits.hits)
    series = losses["S&P 500"].dropna()
    assert shown["Worst day in 250 days"] == percent(worst(series, 250).value)
    assert shown["Drawdown now"] == percent(drawdown(series).iloc[-1], 1)
    texts = " ".join(caption.value for caption in app.caption)
    assert f"from losses to {series.index[-1]:%Y-%m-%d}" in texts
    assert f"{100 * state.implied_var_level:.2f} %" in texts
    assert any(f"{state.hits.zone} zone" in text.value for text in app.markdown)
    words = next(text.value for text in app.markdown if "**Hits**" in text.value)
    assert "green while the chance of so many hits or fewer stays below 95 %" in words  # F(x) = P(X <= x)
    assert "losses are minus log returns" in words
    assert f"{worst(series).date:%Y-%m-%d}" in texts
    quick = overview.last_days(losses["S&P 500"], "S&P 500", "fhs")
    pd.testing.assert_frame_equal(quick.frame, table.frame.iloc[-len(quick.frame) :])


def test_other_asset_and_model(open_page, sample, losses) -> None:
    app = open_page("overview", source=sample)
    app.sidebar.selectbox[0].select("NASDAQ").run()
    app.main.selectbox[0].select("historical").run()
    assert not app.exception
    table = rc.forecast(losses[["NASDAQ"]], ["historical"], ["var:0.99"], ahead=True, from_date="2018-12-01")
    assert metrics(app)["VaR 99 %"] == percent(table.next_day()["var_0.99"].iloc[0])
    frame = app.dataframe[0].value
    assert frame["asset"].tolist() == ["S&P 500", "NASDAQ"]
    np.testing.assert_allclose(frame["var"].iloc[1], 100 * table.next_day()["var_0.99"].iloc[0], rtol=1e-12)


def test_newest_run_of_the_data_is_shown(open_page, sample, with_jobs, run_folder) -> None:
    with_jobs()
    app = open_page("overview", source=sample)
    run = rc.open_run(run_folder / "run")
    table = run.forecasts()
    model, why = ranked(table, run.scores(), "S&P 500")
    assert app.main.selectbox[0].value == model
    assert app.main.selectbox[0].options == list(MODELS)
    assert any("My run" in text.value and why in text.value for text in app.text)
    tests = run.backtests()
    p = tests.loc[(tests["asset"] == "S&P 500") & (tests["model"] == model), "p_value"].dropna()
    said = f"rejected by {(p < 0.05).sum()} of {len(p)} tests at 5 %. Estimated every day."
    assert any(said in text.value for text in app.text)
    state = latest(table, "S&P 500", model)
    shown = metrics(app)
    assert shown["VaR 99 %"] == percent(state.value("var_0.99"))
    assert shown["Hits in 250 days"] == str(state.hits.hits)
    assert any("2 models" in caption.value for caption in app.caption)
    assert any("1 left out" in caption.value for caption in app.caption)  # the other asset is not in this run
    app.button(key="rc.w.overview.open").click().run()
    assert app.session_state["rc.run"] == "job1"
    assert app.title[0].value == "Backtest review"


@pytest.mark.parametrize("job", [{"state": "running"}, {"digest": "other"}])
def test_runs_that_do_not_serve_are_named_but_not_read(open_page, sample, with_jobs, job) -> None:
    with_jobs(**job)
    app = open_page("overview", source=sample)
    assert app.main.selectbox[0].value == "fhs"
    assert any("No run of these data" in text.value for text in app.text)
    assert any(text.value == "My run" for text in app.text)
    words = " ".join(caption.value for caption in app.caption)
    assert ("40%" in words) if job.get("state") else ("of other data" in words)


def test_titles_are_not_rendered(open_page, sample, with_jobs) -> None:
    with_jobs(title="<b>bold</b> **x** :red[y]")
    app = open_page("overview", source=sample)
    rendered = [element.value for kind in ("markdown", "caption") for element in app.get(kind)]
    assert not any("bold" in str(text) for text in rendered)


def short_file(folder: Path, n_rows: int) -> Source:
    days = pd.bdate_range("2020-01-01", periods=n_rows)
    prices = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(5).standard_normal(n_rows)))
    pd.DataFrame({"date": days, "A": prices}).to_csv(folder / "short.csv", index=False)
    return Source(folder / "short.csv")


@pytest.mark.parametrize(("n_rows", "n_obs"), [(300, 49), (600, 250)])
def test_short_series_get_a_shorter_window(open_page, tmp_path, n_rows, n_obs) -> None:
    app = open_page("overview", source=short_file(tmp_path, n_rows))
    assert f"Hits in {n_obs} days" in metrics(app)
    assert not app.dataframe


def test_too_short_a_series_is_said_in_words(open_page, tmp_path) -> None:
    app = open_page("overview", source=short_file(tmp_path, 100))
    assert app.error
    assert any("must have at least 250 losses for a forecast, got 99" in text.value for text in app.text)


def test_shortest_series_has_a_next_day_and_no_past(open_page, tmp_path) -> None:
    app = open_page("overview", source=short_file(tmp_path, 251))
    assert not app.error
    assert metrics(app)["Hits"] == "–"
