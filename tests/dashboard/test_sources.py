"""From a stored file to data: the same as the engine's, keyed by every cell, readable templates."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore.dashboard import sources
from riskcore.dashboard.sources import SAMPLES, TEMPLATES, Source, frame_csv, frame_parquet, load, read
from riskcore.dashboard.workspace import Workspace
from riskcore.errors import ConfigError, DataError
from riskcore.runs.store import losses_sha256


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_read_as_the_engine_reads_them(name):
    source = sources.sample(name)
    data = load(source)
    prices, findings = rc.load_files([source.path])
    pd.testing.assert_frame_equal(data.prices, prices)
    pd.testing.assert_frame_equal(data.losses, rc.to_losses(prices))
    assert data.findings == findings
    assert data.digest == losses_sha256(rc.to_losses(prices))


def test_one_changed_cell_of_a_large_file_changes_the_digest(tmp_path: Path):
    days = pd.date_range("1850-01-01", periods=60_000)
    prices = pd.DataFrame({"A": 100 + np.sin(np.arange(60_000.0))}, index=days).rename_axis(index="date")
    digests = []
    for row in (None, 1, 12_345, 33_333, 59_998):
        changed = prices.copy()
        if row is not None:
            changed.iloc[row, 0] += 0.01
        path = tmp_path / f"{row}.parquet"
        changed.to_parquet(path)
        digests.append(load(Source(path)).digest)
    assert len(set(digests)) == 5


def test_the_key_tells_readings_apart(tmp_path: Path):
    source = Source(tmp_path / "a.csv")
    others = [
        source,
        source.with_(options={"decimal": ","}),
        source.with_(options={"decimal": "."}),
        source.with_(kind="simple"),
        source.with_(weights={"A": 1.0}),
        source.with_(weights={"A": 0.4, "B": 0.6}),
        source.with_(path=tmp_path / "b.csv"),
    ]
    assert len({other.key for other in others}) == len(others)
    assert source.with_(weights={"B": 0.6, "A": 0.4}).key == others[5].key


def test_a_fault_is_kept_with_what_was_understood(tmp_path: Path):
    path = tmp_path / "prices.csv"
    path.write_bytes(b"date,A\n03/02/2020,10\n04/02/2020,11\n")
    reading = read(Source(path))
    assert reading.dataset is None
    assert isinstance(reading.error, DataError)
    assert reading.survey.names == ("date", "A")
    with pytest.raises(DataError, match="2020"):
        load(Source(path))
    wrong = read(Source(path, {"decimal": "x"}))
    assert isinstance(wrong.error, ConfigError)
    gone = read(Source(tmp_path / "gone.csv"))
    assert gone.error is not None
    assert "no file" in str(gone.error)


def test_returns_are_losses_with_the_sign_turned(tmp_path: Path):
    path = tmp_path / "returns.csv"
    path.write_bytes(b"date,A\n2024-01-01,1.5\n2024-01-02,-2\n2024-01-03,0.5\n")
    data = load(Source(path, {"values": "percent"}))
    assert data.losses["A"].tolist() == pytest.approx([-0.015, 0.02, -0.005])


@pytest.mark.parametrize("layout", TEMPLATES)
def test_templates_are_read_as_they_stand(tmp_path: Path, layout):
    path = tmp_path / "template.csv"
    path.write_bytes(TEMPLATES[layout])
    reading = read(Source(path))
    assert reading.dataset is not None
    assert reading.survey.layout == layout
    assert reading.dataset.assets == ["Fund A", "Fund B"]
    assert {finding.severity for finding in reading.dataset.findings} <= {"accepted"}


def test_downloads_read_back_exactly_and_are_guarded():
    prices = load(sources.sample("europe_1991_1998.csv")).prices.rename(columns={"DAX": "=1+1"})
    text = frame_csv(prices)
    assert text.startswith(b"date,'=1+1,SMI,CAC,FTSE\n1991-07-01,1628.75,")
    np.testing.assert_array_equal(rc.read_prices(text).to_numpy(), prices.to_numpy())
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(frame_parquet(prices))), prices)


@pytest.mark.parametrize("uploaded", [True, False])
def test_a_new_tab_begins_with_what_the_browser_worked_on(tmp_path, uploaded):
    mine, other = Workspace(tmp_path / "mine"), Workspace(tmp_path / "other")
    path = mine.keep(TEMPLATES["wide"], "prices & more.csv") if uploaded else sources.sample("us_stocks.csv").path
    source = Source(path, {"columns": ["Fund A"]}, "simple", {"Fund A": 1.0})
    sources.remember(source, mine)
    assert sources.remembered(mine) == source
    assert sources.remembered(other) is None
    if uploaded:
        path.unlink()
        assert sources.remembered(mine) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"file": ["..", "secret.csv"], "sample": null, "options": {}, "kind": "log", "weights": null}',
        '{"file": null, "sample": "../pyproject.toml", "options": {}, "kind": "log", "weights": null}',
    ],
)
def test_a_damaged_or_forged_record_is_not_followed(tmp_path, text):
    workspace = Workspace(tmp_path / "mine")
    workspace.uploads.mkdir(parents=True)
    (workspace.root / "secret.csv").write_bytes(TEMPLATES["wide"])
    (workspace.root / sources.REMEMBERED).write_text(text)
    assert sources.remembered(workspace) is None
