"""The warm-up compiles every kernel, says so, and the command tells once that kernels are being compiled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from riskcore import warmup
from riskcore.cli import main
from riskcore.warmup import Step

FRESH = """
import json, sys
from riskcore import warmup
done = warmup.warm()
functions = warmup.kernel_functions()
print(json.dumps({
    "bare": [name for name, function in functions.items() if not function.signatures],
    "n_kernels": len(functions),
    "compiled": [step.compiled for step in done],
    "seconds": [step.seconds for step in done],
    "folder": str(warmup.cache_folder()),
    "warm": warmup.is_warm(),
}))
"""


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for the stamp."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(warmup, "cache_folder", lambda: folder)
    return folder


@pytest.fixture
def small_table(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two steps that only note that they ran."""
    ran: list[str] = []
    steps = {"first": Step(lambda: ran.append("first"), 3.0), "second": Step(lambda: ran.append("second"), 5.0)}
    monkeypatch.setattr(warmup, "STEPS", steps)
    return ran


@pytest.mark.nightly
def test_after_the_table_no_kernel_is_left(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", FRESH]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(done.stdout)  # and nothing else is printed
    assert done.stderr == ""
    assert found["bare"] == []
    assert found["n_kernels"] > 20
    assert sum(found["compiled"]) >= found["n_kernels"]
    assert found["folder"].startswith(str(tmp_path))
    assert found["warm"]
    again = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert sum(json.loads(again.stdout)["compiled"]) == 0


def test_every_kernel_function_is_found() -> None:
    rooms = {path.stem for path in (Path(warmup.__file__).parent / "kernels").glob("*.py")} - {"__init__"}
    functions = warmup.kernel_functions()
    assert {name.partition(".")[0] for name in functions} == rooms
    text = "\n".join(path.read_text(encoding="utf-8") for path in Path(warmup.__file__).parent.glob("kernels/*.py"))
    assert len(functions) == text.count("\n@njit(")


def test_the_table_is_run_in_order_and_tells_what_is_left(own_cache: Path, small_table: list[str]) -> None:
    told: list[tuple[str, int, float]] = []
    done = warmup.warm(lambda label, number, left: told.append((label, number, left)))
    assert small_table == ["first", "second"]
    assert told == [("first", 1, 8.0), ("second", 2, 5.0)]
    assert [(step.label, step.compiled) for step in done] == [("first", 0), ("second", 0)]
    assert warmup.expected_seconds() == 8.0


def test_the_stamp_knows_the_state(own_cache: Path, small_table: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert not warmup.is_warm()
    assert warmup.first_use()
    assert not warmup.first_use()
    assert not warmup.is_warm()
    warmup.warm()
    assert warmup.is_warm()
    assert not warmup.first_use()
    with monkeypatch.context() as other:
        other.setattr("riskcore.__version__", "99.0")
        assert not warmup.is_warm()
        assert warmup.first_use()
    assert not warmup.is_warm()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 3}'])
def test_a_damaged_stamp_counts_as_none(own_cache: Path, text: str) -> None:
    own_cache.mkdir()
    (own_cache / warmup.STAMP).write_text(text, encoding="utf-8")
    assert not warmup.is_warm()
    assert warmup.first_use()


def test_a_cache_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_table: list[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(warmup, "cache_folder", lambda: tmp_path / "file" / "cache")
    assert warmup.first_use()
    assert len(warmup.warm()) == 2
    assert not warmup.is_warm()


def test_the_command_says_how_long_and_what_was_there(own_cache: Path, small_table: list[str]) -> None:
    first = CliRunner().invoke(main, ["warmup"])
    assert first.exit_code == 0
    assert "compiling the kernels: about 8 s" in first.stderr
    assert "[2/2] second, about 5 s left" in first.stderr
    assert first.stdout.count("was compiled already") == 2
    assert str(own_cache) in first.stdout
    again = CliRunner().invoke(main, ["warmup"])
    assert "the kernels are compiled; checking them" in again.stderr
    assert "left" not in again.stderr


def test_a_backtest_tells_once_that_it_compiles(own_cache: Path, tmp_path: Path) -> None:
    days = pd.date_range("2020-01-01", periods=300, freq="B")
    prices = 100.0 * np.exp(-np.cumsum(0.01 * np.random.default_rng(3).standard_t(5, days.size)))
    pd.DataFrame({"date": days, "A": prices}).to_csv(tmp_path / "prices.csv", index=False)

    def backtest(out: str, *more: str) -> str:
        words = ["backtest", tmp_path / "prices.csv", "--out", tmp_path / out, "--models", "historical", *more]
        options = ["--window", "290", "--targets", "var:0.9", "--jobs", "1", "--no-report"]
        result = CliRunner().invoke(main, [*map(str, words), *options])
        assert result.exit_code == 0, result.output
        return result.stderr

    assert "compiled" not in backtest("quiet", "--quiet")
    first = backtest("first")
    assert first.count("kernels are compiled when first used") == 1
    assert "riskcore warmup" in first
    assert "compiled" not in backtest("second")
