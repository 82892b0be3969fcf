"""One implementation of ``riskcore backtest``: the command line, the API and a TOML file give the same bytes."""

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
from riskcore.ingest import Finding
from riskcore.runs import open_run
from riskcore.runs.command import execute
from riskcore.runs.config import read_config, settings

WEIGHTS = {"S&P 500": 0.4, "A": 0.6}
SMALL: dict[str, Any] = {
    "models": ["historical"],
    "targets": ["var:0.99", "expectile:0.99"],
    "window": 250,
    "refit_every": 50,
    "jobs": 1,
}


@pytest.fixture
def returns(tmp_path: Path) -> Path:
    """Simple returns in percent, of two assets on 330 days."""
    days = pd.date_range("2020-01-01", periods=330, freq="B", name="date")
    values = np.random.default_rng(4).standard_t(5, size=(330, 2)).round(4)
    file = tmp_path / "returns.csv"
    pd.DataFrame(values, days, columns=["A", "S&P 500"]).to_csv(file)
    return file


def test_a_run_of_returns_with_a_portfolio(returns: Path, tmp_path: Path) -> None:
    told: list[tuple[Finding, ...]] = []
    seen: list[tuple[int, int]] = []
    chosen = settings({}, {**SMALL, "values": "percent", "kind": "simple", "weights": WEIGHTS})
    run = execute(
        [returns],
        chosen,
        tmp_path / "run",
        on_findings=told.append,
        progress=lambda done, total: seen.append((done, total)),
        report=lambda forecasts, **_: f"{len(forecasts.frame)} rows",
    )
    assert [f.code for f in told[0]][:1] == ["layout"]
    assert seen[-1][0] == seen[-1][1] > 0
    assert (run.path / "report.html").read_text(encoding="utf-8") == f"{3 * 81} rows"
    table = pd.read_csv(returns, index_col="date", parse_dates=True)
    by_hand = -table.assign(portfolio=0.6 * table["A"] + 0.4 * table["S&P 500"]) / 100
    losses = run.forecasts().frame["loss"].dropna()
    for asset in by_hand:
        np.testing.assert_allclose(losses.loc[asset, "historical"], by_hand[asset].iloc[250:], rtol=1e-12, atol=1e-17)
    ninth = np.sort(by_hand["portfolio"].to_numpy()[:250])[247]  # ceil(250 * 0.99) = 248
    first = run.forecasts().frame.loc[("portfolio", "historical")].iloc[0]
    assert first["var_0.99"] == pytest.approx(ninth, rel=1e-12)


def test_command_line_file_and_api_give_the_same_run(returns: Path, tmp_path: Path, contents: Any) -> None:
    words = ["--models", "historical", "--targets", "var:0.99,expectile:0.99", "--window", "250", "--refit-every", "50"]
    words += ["--values", "percent", "--kind", "simple", "--weights", "S&P 500=0.4, A=0.6", "--jobs", "1"]
    result = CliRunner().invoke(main, ["backtest", str(returns), "--out", str(tmp_path / "a"), *words, "--no-report"])
    assert result.exit_code == 0, result.output
    file = tmp_path / "run.toml"
    file.write_text(
        'models = ["historical"]\ntargets = ["var:0.99", "expectile:0.99"]\nwindow = 250\nrefit_every = 50\njobs = 1\n'
        'values = "percent"\nkind = "simple"\n[weights]\n"S&P 500" = 0.4\nA = 0.6\n',
        encoding="utf-8",
    )
    execute([returns], settings({}, read_config(file)), tmp_path / "b")
    losses = rc.to_losses(
        rc.read_prices(returns, values="percent"), "simple", weights={"A": 0.6, "S&P 500": 0.4}, values="returns"
    )
    plan = rc.WalkForward(window=250, refit_every=50)
    rc.run_backtest(losses, ["historical"], SMALL["targets"], plan, tmp_path / "c")
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")
    assert len(open_run(tmp_path / "a").manifest["units"]) == 3


def test_the_notes_of_a_run_repeat_it(returns: Path, tmp_path: Path, contents: Any) -> None:
    reading = {"values": "percent", "columns": {"A": "one", "S&P 500": "two"}, "decimal": ".", "date_format": "YMD"}
    weights = {"two": 0.25, "one": 0.75}
    execute([returns], settings({}, {**SMALL, **reading, "weights": weights}), tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["notes"] == {"kind": "log", **reading, "weights": weights}
    execute([returns], settings({}, {**SMALL, **manifest["notes"]}), tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert list(manifest["data"]) == ["one", "two", "portfolio"]


def test_other_weights_are_another_run(returns: Path, tmp_path: Path) -> None:
    given = {**SMALL, "values": "percent"}
    execute([returns], settings({}, {**given, "weights": WEIGHTS}), tmp_path / "run")
    with pytest.raises(rc.ConfigError, match="of the same settings and data"):
        execute([returns], settings({}, {**given, "weights": {"A": 0.5, "S&P 500": 0.5}}), tmp_path / "run")


def test_faults_are_raised_before_anything_is_written(returns: Path, tmp_path: Path) -> None:
    with pytest.raises(rc.ConfigError, match=r"weights must name assets of \['A', 'S&P 500'\], got \['B'\]"):
        execute([returns], settings({}, {**SMALL, "values": "percent", "weights": {"B": 1.0}}), tmp_path / "run")
    with pytest.raises(rc.DataError, match=r'looks like returns.* pass values="returns"'):
        execute([returns], settings({}, SMALL), tmp_path / "run")
    assert not (tmp_path / "run").exists()
