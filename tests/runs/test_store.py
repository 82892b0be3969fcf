"""Files of a run: they hold what was written, or say that they do not."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore.errors import DataError
from riskcore.forecasts import Forecasts
from riskcore.runs import store
from riskcore.runs.export import guard, to_csv


@pytest.fixture(scope="module")
def unit() -> store.Unit:
    return store.Unit("S&P 500", "historical", {"asset": "S&P 500", "model": "historical", "window": 250})


@pytest.fixture(scope="module")
def rows(losses: pd.DataFrame) -> pd.DataFrame:
    plan = rc.WalkForward(250, 50)
    return rc.forecast(losses[["S&P 500"]], ["historical"], ["var:0.99"], plan, ahead=True).frame


@pytest.fixture(scope="module")
def data(unit: store.Unit, rows: pd.DataFrame) -> bytes:
    return store.encode(unit, rows)


def test_rows_come_back_as_they_were(unit: store.Unit, rows: pd.DataFrame, data: bytes) -> None:
    stored = store.decode(data, "x")
    assert stored.unit == unit
    targets = [rc.Target("var", 0.99)]
    again = Forecasts(store.join_units([stored]), targets).frame
    pd.testing.assert_frame_equal(again, Forecasts(rows, targets).frame, check_exact=True)


def test_columns_of_the_file(data: bytes) -> None:
    frame = pd.read_parquet(io.BytesIO(data))
    assert list(frame.columns[:10]) == [
        "date", "origin", "loss", "status", "var_0.99", "mean", "volatility", "pit", "log_score", "crps"
    ]  # fmt: skip
    assert frame["status"].iloc[0] == "ok"
    assert np.isnan(frame["loss"].iloc[-1])


def test_same_rows_give_same_bytes(unit: store.Unit, rows: pd.DataFrame, data: bytes) -> None:
    assert store.encode(unit, rows.copy()) == data


def test_every_flipped_bit_and_every_cut_is_detected(data: bytes) -> None:
    rng = np.random.default_rng(0)
    places = {0, 3, len(data) - 1, len(data) - 5, *rng.integers(0, len(data), 120).tolist()}
    for place in places:
        broken = bytearray(data)
        broken[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(DataError, match="x must"):
            store.decode(bytes(broken), "x")
    for length in [0, 4, len(data) - 1, *rng.integers(0, len(data), 80).tolist()]:
        with pytest.raises(DataError, match="x must"):
            store.decode(data[:length], "x")


def test_a_parquet_file_of_others_is_refused(rows: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    rows.reset_index().to_parquet(buffer)
    with pytest.raises(DataError, match="digest in its footer"):
        store.decode(buffer.getvalue(), "x")


def test_names_are_safe_and_distinct() -> None:
    names = [
        store.Unit(asset, "m", {"asset": asset}).file for asset in ("../../etc/passwd", "../../ETC/passwd", "\x00")
    ]
    assert len(set(names)) == 3
    for name in names:
        assert Path(name).name == name
        assert name.isascii()


def test_digest_of_losses_ignores_the_resolution_of_dates(losses: pd.DataFrame) -> None:
    series = losses["S&P 500"]
    other = series.copy()
    other.index = pd.DatetimeIndex(other.index).as_unit("ns")
    assert store.losses_sha256(series) == store.losses_sha256(other)
    changed = series.copy()
    changed.iloc[3] = np.nextafter(changed.iloc[3], 1.0)
    assert store.losses_sha256(series) != store.losses_sha256(changed)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_failing_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    path = tmp_path / "a"
    store.atomic_write(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(OSError, match="No space left"):
            store.atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_csv_guards_text_and_leaves_numbers() -> None:
    table = pd.DataFrame(
        {"=name": ["=1+1", "-2", "@x", "\tx", "plain", None], "value": [-1.5, 1e-20, 0.1, 3, np.nan, 2]}
    )
    lines = to_csv(table).decode().splitlines()
    assert lines[0] == "'=name,value"
    assert lines[1:4] == ["'=1+1,-1.5", "'-2,1e-20", "'@x,0.1"]
    assert lines[5:] == ["plain,", ",2.0"]
    assert [guard(c + "x")[0] for c in "=+-@\t\r\0"] == ["'"] * 7


def test_numbers_in_csv_read_back_exactly() -> None:
    values = np.random.default_rng(1).normal(size=50) * 10.0 ** np.arange(-25, 25)
    text = to_csv(pd.DataFrame({"x": values}))
    again = pd.read_csv(io.BytesIO(text))
    np.testing.assert_array_equal(again["x"], values)
