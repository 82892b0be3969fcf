"""A run with exogenous columns: from the file to the table, and what may be resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import riskcore as rc
from riskcore.cli import main
from riskcore.errors import ConfigError, DataError
from riskcore.report.settings import settings_rows
from riskcore.runs import open_run
from riskcore.runs.catalogue import describe_model, model_rows, without_exog
from riskcore.runs.command import execute
from riskcore.runs.config import settings
from riskcore.runs.exogenous import read_exog

PLAN = rc.WalkForward(window=250, refit_every=50)
MODELS = ("har-rv-t", "ewma")
TARGETS = ("var:0.99",)


@pytest.fixture
def exog(losses: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    days = pd.date_range("2019-12-01", losses.index[-1], name="date")
    rv = 1e-4 * np.exp(0.4 * rng.normal(size=days.size))
    return pd.DataFrame({"rv": rv, "vix": 20.0}, days)


def test_a_run_has_the_rows_of_a_forecast(walk: Any, losses: pd.DataFrame, exog: pd.DataFrame, tmp_path: Path) -> None:
    run = walk(tmp_path / "run", models=MODELS, targets=TARGETS, exog=exog)
    table = rc.forecast(losses, MODELS, TARGETS, PLAN, exog=exog, ahead=True)
    pd.testing.assert_frame_equal(run.forecasts().frame, table.frame, check_exact=True)
    said = run.manifest["settings"]["exog"]
    assert said["columns"] == ["rv"]  # what the models read
    assert said["known_from"] == f"{losses['=A1'].dropna().index[0]:%Y-%m-%d}"
    assert len(said["sha256"]) == 64
    assert dict(settings_rows(run.manifest))["Exogenous columns"][0].startswith("rv, known from 2020-")


def test_only_the_same_columns_resume_a_run(
    walk: Any, exog: pd.DataFrame, tmp_path: Path, contents: Any, losses: pd.DataFrame
) -> None:
    out = tmp_path / "run"
    walk(out, models=MODELS, targets=TARGETS, exog=exog)
    before = contents(out)
    again = walk(out, models=MODELS, targets=TARGETS, exog=exog.assign(vix=30.0, more=1.0))  # nobody reads these
    assert again.manifest["timings"]["units_reused"] == 4
    other = exog.copy()
    other.loc["2020-03-02", "rv"] *= 1.01
    with pytest.raises(ConfigError, match=r"where these differ: exog \(other values\)$"):
        walk(out, models=MODELS, targets=TARGETS, exog=other)
    with pytest.raises(ConfigError, match=r"exog \(only there\); model har-rv-t \(only there\)"):
        walk(out, models=["ewma"], targets=TARGETS)
    with pytest.raises(ConfigError, match="exog must hold the column 'rv' that model 'har-rv-t' reads"):
        walk(out, models=MODELS, targets=TARGETS)
    with pytest.raises(ConfigError, match="exog must be None"):
        walk(out, models=["ewma"], targets=TARGETS, exog=exog)
    assert contents(out) == before


def test_another_column_does_again_what_reads_it(walk: Any, exog: pd.DataFrame, tmp_path: Path) -> None:
    one, other = (
        walk(tmp_path / name, models=MODELS, targets=TARGETS, exog=frame)
        for name, frame in (("a", exog), ("b", 2 * exog))
    )
    files = [{(u["asset"], u["model"]): u["sha256"] for u in run.manifest["units"]} for run in (one, other)]
    same = {unit for unit in files[0] if files[0][unit] == files[1][unit]}
    assert same == {("S&P 500", "ewma"), ("=A1", "ewma")}


@pytest.mark.parametrize("kind", ["csv", "parquet", "config"])
def test_from_the_command_line(kind: str, exog: pd.DataFrame, losses: pd.DataFrame, tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    (100 * np.exp(-losses[["S&P 500"]].cumsum())).to_csv(prices)
    file = tmp_path / ("columns.parquet" if kind == "parquet" else "columns.csv")
    exog.to_parquet(file) if kind == "parquet" else exog.to_csv(file)
    words = ["backtest", str(prices), "--models", "har-rv-t,ewma", "--targets", "var:0.99", "--window", "250"]
    words += ["--refit-every", "50", "--jobs", "1", "--no-report", "--quiet"]
    if kind == "config":
        (tmp_path / "run.toml").write_text(f'exog = "{file.as_posix()}"\n', encoding="utf-8")
        more = ["--config", str(tmp_path / "run.toml")]
    else:
        more = ["--exog", str(file)]
    result = CliRunner().invoke(main, [*words, *more, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    run = open_run(tmp_path / "run")
    read = rc.to_losses(rc.read_prices(prices))
    table = rc.forecast(read, MODELS, TARGETS, PLAN, exog=exog, ahead=True)
    np.testing.assert_allclose(run.forecasts().frame["var_0.99"], table.frame["var_0.99"], rtol=1e-9)
    assert [part["name"] for part in run.manifest["inputs"]] == ["prices.csv", file.name]
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["notes"]["exog"] == file.name
    without = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "other")])
    assert without.exit_code == 2
    assert (
        "--exog must hold the column 'rv' that model 'har-rv-t' reads for asset 'S&P 500', got none" in without.output
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "date,rv\n2020-01-02,1\n02.01.2020,2\n",
            "dates such as 2024-01-31 in column 'date', got '02.01.2020' in row 3",
        ),
        ("date,rv\n2020-01-02,1\n2020-01-03,much\n", "numbers in column 'rv', got 'much' in row 3 of x.csv"),
        ("date\n2020-01-02\n", "dates and at least one column"),
        ("date,rv,rv \n2020-01-02,1,2\n", "different columns"),
        ("", "exog must be a CSV or Parquet file, got 'x.csv'"),
        ("PAR1 and no more", "exog must be a CSV or Parquet file, got 'x.csv'"),
    ],
)
def test_files_that_cannot_be_used(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_exog(tmp_path / "x.csv")


def test_files_as_they_come(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("rv,Date\n1e-4,2020-01-02\n,2020-01-03\nNA,2020-01-06\n", encoding="utf-8")
    read = read_exog(tmp_path / "x.csv")
    assert list(read.columns) == ["rv"]
    assert read.index[-1] == pd.Timestamp("2020-01-06")
    np.testing.assert_array_equal(read["rv"], [1e-4, np.nan, np.nan])
    with pytest.raises(DataError, match=r"exog must be a file that can be read, got 'none\.csv'"):
        read_exog(tmp_path / "none.csv")
    chosen = settings({"models": "ewma", "jobs": 1}, {})
    assert chosen.exog is None
    with pytest.raises(ConfigError, match="exog must be a text, got 3"):
        settings({}, {"exog": 3})
    prices = tmp_path / "prices.csv"
    pd.DataFrame({"A": 100 + np.arange(30.0)}, pd.date_range("2020-01-01", periods=30, name="date")).to_csv(prices)
    with pytest.raises(DataError, match=r"none\.csv"):
        execute([prices], settings({"exog": str(tmp_path / "none.csv")}, {}), tmp_path / "run")


def test_the_list_of_models_says_what_they_read() -> None:
    rows = dict(model_rows())
    assert rows["heavy-t"] == "HEAVY with Student t law, constant mean; reads the column rv (--exog)"
    assert rows["har-t"] == "HAR of absolute losses with Student t law, constant mean"
    assert rows["expectile-regression"] == "expectile regression on lag1, variance; VaR and ES follow (Taylor)"
    assert "heavy-t" not in without_exog()
    assert {"har-t", "garch-t", "expectile-regression"} <= set(without_exog())
    model = rc.LocationScale(mean=rc.ExogMean(("vix",)), volatility=rc.GARCH())
    assert describe_model(model) == "GARCH(1,1) with normal law, mean by vix"
