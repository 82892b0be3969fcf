"""Runs that are stopped and killed: nothing is lost, nothing is done twice, and the end is the same to the byte."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskcore.cli import main
from riskcore.runs import open_run, verify_run

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")

MODELS = "historical,ewma,garch-normal,garch-t"  # quick ones first, then some that take long enough to be hit
WORDS = (
    "--models",
    MODELS,
    "--targets",
    "var:0.99",
    "--window",
    "250",
    "--refit-every",
    "10",
    "--no-report",
    "--quiet",
)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    days = pd.date_range("2020-01-01", periods=400, freq="B", name="date")
    losses = 0.01 * np.random.default_rng(3).standard_t(5, size=(400, 2))
    path = tmp_path_factory.mktemp("data") / "prices.csv"
    pd.DataFrame(100 * np.exp(-np.cumsum(losses, axis=0)), days, columns=["A", "B"]).to_csv(path)
    return path


@pytest.fixture(scope="module")
def undisturbed(prices: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "whole"
    assert main.main(["backtest", str(prices), "--out", str(out), *WORDS, "--jobs", "1"], standalone_mode=False) in (
        0,
        None,
    )
    return out


def start(prices: Path, out: Path, jobs: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "riskcore", "backtest", str(prices), "--out", str(out), *WORDS, "--jobs", str(jobs)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heeding)


def heeding() -> None:
    """A test run in the background ignores SIGINT and would hand that on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended before it could be disturbed"
        assert time.monotonic() < end, "nothing was written in time"
        time.sleep(0.01)


def group(leader: int) -> list[int]:
    """Living processes of a session that this test started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(pgrp) == leader and state not in "ZX":
            found.append(int(folder.name))
    return found


def workers(leader: int) -> list[int]:
    found = []
    for pid in group(leader):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"popen_loky" in command:
            found.append(pid)
    return found


def gone(leader: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while group(leader):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def one_file(out: Path) -> Callable[[], bool]:
    return lambda: any(out.glob("forecasts/*.parquet"))


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.nightly), 2])
def test_a_killed_run_goes_on_to_the_same_bytes(
    prices: Path, undisturbed: Path, tmp_path: Path, contents: Any, jobs: int
) -> None:
    out = tmp_path / "run"
    with start(prices, out, jobs) as process:
        wait_for(one_file(out), process)
        process.kill()
        process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    assert open_run(out).state == "running"
    assert gone(process.pid, 120), "workers must end when their parent was killed"
    before = len(list(out.glob("forecasts/*.parquet")))
    assert 1 <= before < 8
    with start(prices, out, jobs) as process:
        _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert open_run(out).manifest["timings"]["units_reused"] == before
    assert contents(out) == contents(undisturbed)
    assert verify_run(out) == []


def test_a_killed_worker_costs_nothing(prices: Path, undisturbed: Path, tmp_path: Path, contents: Any) -> None:
    out = tmp_path / "run"
    with start(prices, out, 2) as process:
        wait_for(one_file(out), process)
        os.kill(workers(process.pid)[0], signal.SIGKILL)
        _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert contents(out) == contents(undisturbed)
    assert open_run(out).manifest["failed_units"] == []


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_signals_stop_in_order(prices: Path, tmp_path: Path, number: signal.Signals, jobs: int) -> None:
    out = tmp_path / "run"
    with start(prices, out, jobs) as process:
        wait_for(one_file(out), process)
        os.killpg(process.pid, number)  # as a terminal does: the workers get it too
        clock = time.monotonic()
        _, stderr = process.communicate(timeout=300)
    assert time.monotonic() - clock < 60
    assert process.returncode == 128 + number, stderr
    n_files = len(list(out.glob("forecasts/*.parquet")))
    assert f"stopped; {n_files} of 8 units done, resume with: riskcore backtest {prices} --out {out}" in stderr
    assert "Traceback" not in stderr
    assert gone(process.pid, 120)
    assert not list(out.rglob(".*.tmp"))
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["state"] == "running"


POISON = """
import os, signal, sys
from dataclasses import dataclass
import pandas as pd
import riskcore as rc
from riskcore.runs import run_backtest

@dataclass(frozen=True)
class Poison:
    name: str = "poison"
    def offers(self, target):
        return True
    def fit(self, losses, targets, start=None):
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    losses = rc.to_losses(rc.read_prices(sys.argv[1]))[["A"]]
    models = [Poison(), "ewma", "historical"]
    run = run_backtest(losses, models, ["var:0.99"], rc.WalkForward(250, 50), sys.argv[2], jobs=2)
    print(run.state, len(run.forecasts().units))
"""


def test_a_unit_that_kills_its_process_is_left_out_and_named(prices: Path, tmp_path: Path) -> None:
    script = tmp_path / "poison.py"
    script.write_text(POISON, encoding="utf-8")
    words = [sys.executable, str(script), str(prices), str(tmp_path / "run")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.stdout == "degraded 2\n", done.stderr
    failed = open_run(tmp_path / "run").manifest["failed_units"]
    assert [(unit["asset"], unit["model"]) for unit in failed] == [("A", "poison")]
    assert {unit["reason"] for unit in failed} == {"poison: its process died 3 times"}


def test_a_full_disc_is_one_clear_message(prices: Path, tmp_path: Path) -> None:
    """A limit on file size stands in for a full disc: the manifest fits, a forecast file does not."""
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000)); "
    words = ["backtest", str(prices), "--out", str(tmp_path / "run"), *WORDS, "--jobs", "1"]
    call = f"from riskcore.cli import main; main({words!r})"
    done = subprocess.run([sys.executable, "-c", limit + call], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "out must be a folder that can be written" in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "run").rglob(".*.tmp"))


@pytest.mark.nightly
def test_kill_at_many_points(prices: Path, undisturbed: Path, tmp_path: Path, contents: Any) -> None:
    """Fifty kills of parent or worker at random moments, resumed each time."""
    rng = np.random.default_rng()
    for number in range(50):
        out = tmp_path / str(number)
        with start(prices, out, 2) as process:
            time.sleep(float(rng.uniform(0.1, 10.0)))
            victims = [process.pid, *workers(process.pid)]
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(rng.choice(victims)), signal.SIGKILL)
            process.communicate(timeout=300)
        assert gone(process.pid, 120)
        with start(prices, out, 2) as process:
            _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
        assert contents(out) == contents(undisturbed)


@pytest.mark.nightly
def test_second_signal_ends_at_once(prices: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with start(prices, out, 1) as process:
        wait_for(one_file(out), process)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM
