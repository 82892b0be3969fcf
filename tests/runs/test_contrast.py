"""Two runs beside each other: only what differs is said, and the differences are those of the score tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore.runs import Run, run_backtest
from riskcore.runs.contrast import KEYS, equal_units, manifest_contrast, score_contrast

TARGETS = ("var:0.99", "es:0.975", "expectile:0.99")


@pytest.fixture(scope="module")
def pair(losses: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    folder = tmp_path_factory.mktemp("runs")
    one = run_backtest(losses, ["historical"], TARGETS, rc.WalkForward(250, 50), folder / "a")
    other = run_backtest(losses, ["historical", "ewma"], TARGETS, rc.WalkForward(200, 50), folder / "b")
    return one, other


def test_only_what_differs(pair: tuple[Run, Run]) -> None:
    table = manifest_contrast(*pair)
    assert list(table.columns) == ["part", "what", "first", "second"]
    rows = {(row.part, row.what): (row.first, row.second) for row in table.itertuples()}
    assert rows["settings", "window"] == ("250", "200")
    assert rows["models", "ewma"][0] == "-"
    assert rows["models", "ewma"][1].startswith("LocationScale(")
    assert rows["outcome", "rows ok"] == tuple(str(run.manifest["status"]["ok"]) for run in pair)
    assert {part for part, _ in rows} <= {"settings", "models", "outcome", "timing"}
    assert not any(first == second for first, second in rows.values())


def test_other_data_are_named(walk: Any, tmp_path: Path, losses: pd.DataFrame, pair: tuple[Run, Run]) -> None:
    other = walk(tmp_path / "b", models=["historical"], losses=losses[["S&P 500"]] * 2, targets=["var:0.99"])
    rows = {(row.part, row.what): row.second for row in manifest_contrast(pair[0], other).itertuples()}
    assert rows["data", "=A1"] == "-"
    assert rows["data", "S&P 500"].startswith("400 losses, 2020-01-01 to ")


def test_a_repeated_run_is_equal_to_the_byte(walk: Any, tmp_path: Path, pair: tuple[Run, Run]) -> None:
    again = walk(tmp_path / "again", models=["historical"])
    assert equal_units(pair[0], again) == (2, 2)
    assert equal_units(*pair) == (0, 2)
    parts = set(manifest_contrast(pair[0], again)["part"])
    assert parts <= {"timing"}
    assert (score_contrast(pair[0], again)["difference"] == 0).all()


def test_differences_of_scores(pair: tuple[Run, Run]) -> None:
    table = score_contrast(*pair)
    assert set(table["model"]) == {"historical"}
    first, second = (run.scores().set_index(list(KEYS)) for run in pair)
    for row in table.to_dict("records"):
        asset = str(row["asset"]).removeprefix("'")  # guarded against spreadsheets in the file
        level = row["level"] if row["level"] == row["level"] else np.nan
        key = (asset, row["model"], row["measure"], level, row["score"])
        here, there = first.loc[[key], "mean"].item(), second.loc[[key], "mean"].item()
        np.testing.assert_allclose([row["first"], row["second"]], [here, there], rtol=1e-12)
        np.testing.assert_allclose(row["difference"], there - here, rtol=1e-9)
    assert (table["days in first"] < table["days in second"]).all()
    assert len(table) == 2 * 6  # two assets; VaR at two levels, ES, expectile VaR, two CRPS; no log score of a sample


def test_rounding_is_no_difference(pair: tuple[Run, Run], tmp_path: Path) -> None:
    path = pair[0].path / "scores.csv"
    scores = pd.read_csv(path, keep_default_na=False, na_values={"level": "", "mean": ""})
    scores["mean"] *= 1 + 1e-14
    scores.to_csv(tmp_path / "scores.csv", index=False)
    assert (score_contrast(pair[0], Run(tmp_path, {}))["difference"] == 0).all()
