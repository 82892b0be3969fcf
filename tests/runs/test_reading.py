"""What a run wrote, read back."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskcore import WalkForward, run_backtest
from riskcore.errors import DataError
from riskcore.runs import Run, open_run, verify_run
from riskcore.runs.reading import (
    forecasts_csv,
    forecasts_parquet,
    manifest_digest,
    output,
    read_tables,
    zip_run,
)

ASSETS = ["=A1", "01", "NA"]
"""Names that a spreadsheet would run, that look like a number, and like a missing cell."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    days = pd.date_range("2020-01-01", periods=330, freq="B", name="date")
    losses = pd.DataFrame(0.01 * np.random.default_rng(2).standard_t(5, (330, 3)), days, ASSETS)
    models, targets = ["historical", "ewma"], ["var:0.99", "es:0.975"]
    return run_backtest(losses, models, targets, WalkForward(250, 20), tmp_path_factory.mktemp("made") / "run")


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Run:
    shutil.copytree(made.path, tmp_path / "run")
    return open_run(tmp_path / "run")


def test_tables_are_those_that_were_written(run: Run) -> None:
    read, scores, tests = read_tables(run), run.scores(), run.backtests()
    pd.testing.assert_frame_equal(read.scores, scores, check_dtype=False, check_exact=True)
    assert list(read.backtests.columns) == list(tests.columns)
    for name in tests.columns:
        mine, own = read.backtests[name], tests[name]
        if name in ("asset", "model", "measure", "test", "p_method"):
            assert mine.tolist() == own.tolist()
        elif name == "reason":
            assert mine.fillna("").tolist() == own.tolist()
        else:
            np.testing.assert_array_equal(mine.to_numpy(float), own.to_numpy(float, na_value=np.nan))
    assert list(dict.fromkeys(read.scores["asset"])) == ASSETS


def test_a_changed_missing_or_unknown_file_is_refused(run: Run) -> None:
    with pytest.raises(DataError, match=r"name must be one of .*, got '\.\./job\.json'"):
        output(run, "../job.json")
    with (run.path / "scores.csv").open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(DataError, match=r"scores\.csv must be as the run wrote it, got other bytes; rebuild"):
        read_tables(run)
    (run.path / "scores.csv").unlink()
    with pytest.raises(DataError, match=r"scores\.csv must be a file of the run, got No such file"):
        read_tables(run)


def test_a_run_that_was_stopped_has_no_tables(run: Run) -> None:
    manifest = json.loads((run.path / "manifest.json").read_text())
    before = manifest_digest(run)
    (run.path / "manifest.json").write_text(json.dumps(manifest | {"state": "running"}))
    assert manifest_digest(run) != before
    with pytest.raises(DataError, match="must be a complete run, got one that was stopped"):
        read_tables(open_run(run.path))


def test_forecasts_as_one_file(run: Run) -> None:
    forecasts = run.forecasts()
    frame = forecasts.frame.reset_index()
    read = pd.read_parquet(io.BytesIO(forecasts_parquet(forecasts)))
    assert read.columns.tolist() == frame.columns.tolist()
    np.testing.assert_array_equal(read["var_0.99"], frame["var_0.99"])
    assert read["asset"].tolist() == frame["asset"].tolist()
    text = pd.read_csv(
        io.BytesIO(forecasts_csv(forecasts)), dtype={"asset": "str"}, keep_default_na=False, na_values=[""]
    )
    assert text["asset"].unique().tolist() == ["'=A1", "01", "NA"]
    np.testing.assert_array_equal(text["es_0.975"], frame["es_0.975"])
    assert not [name for name in text.columns if name.startswith("tail_")]
    assert (pd.to_datetime(text["date"]).to_numpy() == frame["date"].to_numpy()).all()


def test_the_archive_is_the_run(run: Run, tmp_path: Path) -> None:
    content = zip_run(run, "mine")
    assert content == zip_run(run, "mine")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path / "out")
    assert verify_run(tmp_path / "out" / "mine") == []
    files = {p.relative_to(run.path).as_posix() for p in run.path.rglob("*") if p.is_file()}
    there = {p.relative_to(tmp_path / "out" / "mine").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert there == files
    next((run.path / "forecasts").glob("*.parquet")).unlink()
    with pytest.raises(DataError, match="files of the run must be there, missing: forecasts/"):
        zip_run(run)
