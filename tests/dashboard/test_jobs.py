"""Jobs: the same bytes as the command, nothing lost or done twice, every fault with a state and a text."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskcore.cli import main
from riskcore.dashboard import cost, job_files, jobs, sources, worker
from riskcore.dashboard.jobs import Job, Jobs, Request, request_for
from riskcore.dashboard.processes import Process
from riskcore.dashboard.sources import Dataset, Source, load
from riskcore.errors import ConfigError, DataError
from riskcore.runs import open_run
from riskcore.runs.config import settings
from riskcore.runs.toml import to_toml

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")

PLAN = {"window": 250, "refit_every": 50}
SLOW = {"mean": "ar1", "volatility": "garch", "law": "t"}
"""A model that only arch estimates: some seconds for these data, so that a run of it can be met at work."""
SLEEPS = (sys.executable, "-S", "-c", "import time; time.sleep(60)")
"""Stands in for the worker where only the queue is looked at."""
DEAF = (sys.executable, "-S", "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    days = pd.date_range("2020-01-01", periods=400, freq="B", name="date")
    losses = 0.01 * np.random.default_rng(3).standard_t(5, size=(400, 2))
    path = tmp_path_factory.mktemp("data") / "prices of two.csv"
    pd.DataFrame(100 * np.exp(-np.cumsum(losses, axis=0)), days, columns=["A", "B"]).to_csv(path)
    return load(Source(path))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def make() -> Iterator[Callable[..., Jobs]]:
    made: list[Jobs] = []

    def build(*args: Any, **settings: Any) -> Jobs:
        made.append(Jobs(*args, **settings))
        return made[-1]

    yield build
    for each in made:
        each.close()


def request(data: Dataset, title: str = "a run", **settings: Any) -> Request:
    return request_for(data.source, data.digest, title, **{"models": ["historical", "ewma"], **PLAN, **settings})


def submit(queue: Jobs, runs: Path, data: Dataset, title: str = "a run", **settings: Any) -> Job:
    return queue.submit(runs, request(data, title, **settings), losses=data.losses)


def wait(queue: Jobs, job: Job, until: Callable[[Job], bool] = lambda job: not job.active, seconds: float = 300) -> Job:
    end = time.monotonic() + seconds
    while not until(now := here(queue, job)):
        assert time.monotonic() < end, f"still {now}"
        time.sleep(0.02)
    return now


def here(queue: Jobs, job: Job) -> Job:
    found = queue.get(job.folder.parent, job.id)
    assert found is not None
    return found


def pid_of(queue: Jobs, job: Job) -> int:
    return queue._children[job.folder].process.pid


def ignores(pid: int, number: int) -> bool:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn:"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_job_gives_the_same_bytes_as_the_command(
    data: Dataset, runs: Path, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = data.source.with_(kind="simple", weights={"A": 0.25, "B": 0.75})
    dataset = load(source)
    mine = {"mine": {"volatility": {"kind": "ewma", "decay": 0.9}, "law": {"kind": "t", "nu": 5}}}
    settings = {**PLAN, "models": ["historical", "mine"], "model": mine, "targets": ["var:0.95", "expectile:0.9"]}
    asked = request_for(source, dataset.digest, "weighted", **settings, **{"from": "2021-05-01"})
    queue = make()
    job = wait(queue, queue.submit(runs, asked))  # without the losses: the file is read for the checks
    assert (job.state, job.message) == ("complete", "")
    assert (job.done, job.total) == (job.facts.days, job.facts.days)
    monkeypatch.chdir(tmp_path)
    Path("run.toml").write_text(to_toml(job.request.settings), encoding="utf-8")
    words = ["backtest", str(data.source.path), "--config", "run.toml", "--out", "by-command", "--quiet", "--jobs", "1"]
    assert main.main(words, standalone_mode=False) in (0, None)
    assert contents(job.run_path) == contents(tmp_path / "by-command")
    assert {"scores.csv", "backtests.csv", "report.html"} < set(contents(job.run_path))
    manifest = open_run(job.run_path).manifest
    assert list(manifest["data"]) == ["A", "B", "portfolio"]
    assert str(manifest["settings"]["models"]["mine"]).startswith("LocationScale(")


def test_a_cancelled_job_resumes_and_does_nothing_twice(data: Dataset, runs: Path, make: Any) -> None:
    queue = make()
    few = {"columns": ["A"], "models": ["historical", "slow"], "model": {"slow": SLOW}, "targets": ["var:0.99"]}
    job = queue.submit(runs, request(data, **few, refit_every=5), losses=data.losses[["A"]])
    wait(queue, job, lambda now: any(now.run_path.glob("forecasts/*.parquet")))
    queue.cancel(runs, job.id)
    stopped = wait(queue, job)
    assert (stopped.state, stopped.message) == ("stopped", worker.STOPPED)
    n_files = len(list(job.run_path.glob("forecasts/*.parquet")))
    assert n_files == 1
    assert open_run(job.run_path).state == "running"
    assert queue.resume(runs, job.id).active
    done = wait(queue, job)
    assert done.state == "complete"
    assert open_run(job.run_path).manifest["timings"]["units_reused"] == n_files
    assert done.seconds > stopped.seconds > 0
    with pytest.raises(ConfigError, match="a run to resume must be stopped, failed or degraded, got a complete one"):
        queue.resume(runs, job.id)


def test_owners_take_turns_and_the_queue_is_bounded(data: Dataset, tmp_path: Path, make: Any) -> None:
    queue = make(1, 3, worker=SLEEPS)
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    first = [submit(queue, mine, data, f"{i}") for i in range(3)]
    other = submit(queue, theirs, data, "other")
    assert [job.state for job in queue.list(mine)] == ["queued", "queued", "running"]
    assert other.message == "1 run before it in the line."
    with pytest.raises(ConfigError, match=r"runs that wait must be at most 3 on this server, got one more; try again"):
        submit(queue, mine, data, "one too many")
    assert len(queue.list(mine)) == 3
    assert [job.id for job in queue.list(theirs)] == [other.id]
    assert queue.get(theirs, first[0].id) is None
    queue.cancel(mine, first[0].id)
    wait(queue, first[0])
    assert wait(queue, first[1], lambda job: job.state == "running").message == ""
    assert here(queue, other).message == "Next in the line."
    queue.cancel(mine, first[1].id)
    wait(queue, other, lambda job: job.state == "running")
    assert here(queue, first[2]).state == "queued"


def test_a_second_click_is_the_same_job(data: Dataset, runs: Path, make: Any) -> None:
    queue = make(worker=SLEEPS)
    once, twice = (submit(queue, runs, data) for _ in range(2))
    assert once.id == twice.id
    assert submit(queue, runs, data, window=200).id != once.id
    queue.cancel(runs, once.id)
    assert submit(queue, runs, data).id != once.id


def test_a_killed_child_is_failed_and_says_why(data: Dataset, runs: Path, make: Any) -> None:
    queue = make(worker=SLEEPS)
    job = submit(queue, runs, data)
    os.kill(pid_of(queue, job), signal.SIGKILL)
    failed = wait(queue, job)
    assert failed.state == "failed"
    assert "ended by the system (SIGKILL); often memory ran out" in failed.message
    assert queue.resume(runs, job.id).state == "running"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ((sys.executable, "-S", "-c", "raise SystemExit(3)"), "ended without a word (exit code 3)"),
        (("/nowhere/python",), "could not be started: No such file or directory"),
    ],
)
def test_a_child_that_does_not_work_is_failed(
    data: Dataset, runs: Path, make: Any, command: tuple[str, ...], text: str
) -> None:
    queue = make(worker=command)
    job = wait(queue, submit(queue, runs, data))
    assert job.state == "failed"
    assert text in job.message


def test_a_deaf_child_is_ended(data: Dataset, runs: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_PATIENCE_SECONDS", 0.3)
    queue = make(worker=DEAF)
    job = submit(queue, runs, data)
    pid = pid_of(queue, job)
    wait(queue, job, lambda _: ignores(pid, signal.SIGTERM))
    queue.cancel(runs, job.id)
    stopping = here(queue, job)
    assert (stopping.state, stopping.stopping) == ("running", True)
    assert stopping.message == "Stopping in order: what is done is kept."
    assert wait(queue, job).state == "stopped"
    assert Process.of(pid) is None


def test_the_end_of_the_server_stops_all_and_another_one_resumes(data: Dataset, runs: Path, make: Any) -> None:
    queue = make(worker=SLEEPS)
    works, waits = submit(queue, runs, data, "works"), submit(queue, runs, data, "waits")
    pid = pid_of(queue, works)
    queue.close()
    assert Process.of(pid) is None
    assert here(queue, works).message.startswith("The server was stopped. What is done is kept")
    assert here(queue, waits).message == "The server was stopped before this run began."
    assert [job.state for job in queue.list(runs)] == ["stopped", "stopped"]
    with pytest.raises(ConfigError, match="the server is stopping"):
        submit(queue, runs, data, "too late")
    assert make(worker=SLEEPS).resume(runs, waits.id).state == "running"


def test_what_waits_can_be_cancelled_and_only_what_rests_deleted(data: Dataset, runs: Path, make: Any) -> None:
    queue = make(worker=SLEEPS)
    works, waits = submit(queue, runs, data, "works"), submit(queue, runs, data, "waits")
    with pytest.raises(ConfigError, match="a run to delete must not wait or work, got an active one; cancel it first"):
        queue.delete(runs, works.id)
    queue.cancel(runs, waits.id)
    assert (here(queue, waits).state, here(queue, waits).message) == ("stopped", "Cancelled before it began.")
    queue.delete(runs, waits.id)
    assert not waits.folder.exists()
    assert [path.name for path in runs.iterdir()] == [works.id]
    queue.delete(runs, waits.id)  # a second tab: nothing to do
    with pytest.raises(ConfigError, match="this run is not there any more"):
        queue.resume(runs, waits.id)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"models": ["garhc-t"]}, ConfigError, "did you mean 'garch-t'"),
        ({"window": 5000}, DataError, "window 5000 needs at least 5001 losses per asset: A has 399"),
        ({"window": "250"}, ConfigError, "window must be a whole number, got '250'"),
        ({"windw": 250}, ConfigError, "did you mean 'window'"),
        ({"targets": ["var:1.5"]}, ConfigError, "level"),
        ({"from": "2031-01-01"}, ConfigError, "must leave a day to forecast"),
        ({"columns": ["C"]}, DataError, "C"),
    ],
)
def test_what_cannot_be_done_is_said_before_it_waits(
    data: Dataset, runs: Path, make: Any, changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        make(worker=SLEEPS).submit(runs, request(data, **changes))
    assert not runs.exists()


def test_facts_of_a_job(data: Dataset, runs: Path, make: Any) -> None:
    """400 prices give 399 losses; 149 days after the first 250, and the next day, which is a Wednesday."""
    job = submit(make(worker=SLEEPS), runs, data, models=["historical", "garch-t", "care-linear"])
    assert job.facts == jobs.Facts(
        assets=2, models=3, days=2 * 3 * 150, estimations=2 * 2 * 3, first="2020-12-17", last="2021-07-14", seconds=6.2
    )
    assert pd.Timestamp(job.facts.first) == data.losses.index[250]


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        ("MAX_DAYS", r"forecasts of one run must be at most 10 here, got 300 \(2 assets x 1 models, 2020-12-17 to"),
        (
            "MAX_SECONDS",
            r"at most about 10 s of one processor here, got about 20 s \(2 assets x 1 models, .* to .*, 300 ",
        ),
    ],
)
def test_too_large_a_job_is_refused_with_its_size(
    data: Dataset, runs: Path, make: Any, monkeypatch: pytest.MonkeyPatch, bound: str, text: str
) -> None:
    monkeypatch.setattr(cost, bound, 10)
    with pytest.raises(ConfigError, match=text):
        submit(make(worker=SLEEPS), runs, data, models=["slow"], model={"slow": SLOW}, refit_every=1)


def test_a_daily_refit_is_taken_on_and_a_slow_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample's two assets and 4,031 days: the usual four models, and EGARCH; but not arch for every day."""
    losses = load(sources.sample()).losses

    def facts(**chosen: Any) -> jobs.Facts:
        return cost.facts_of(settings({}, {"refit_every": 1, **chosen}), losses)

    usual = facts(models=["historical", "ewma", "garch-t", "care-linear"])
    assert usual.estimations == 2 * 2 * 4031
    assert usual.seconds == pytest.approx(6 + 0.0002 * 32248 + 8062 * (0.0005 + 0.0003), abs=0.1)
    assert facts(models=["egarch-t"]).seconds < 60
    assert facts(models=["garch-t"], expanding=True).seconds > facts(models=["garch-t"]).seconds
    slow = {"models": ["slow"], "model": {"slow": SLOW}}
    assert facts(**slow, refit_every=20).seconds < 120
    monkeypatch.setattr(cost, "MAX_SECONDS", 1000.0)
    with pytest.raises(
        ConfigError, match=r"at most about 17 min of one processor here, got about 21 min \(.*8,062 est"
    ):
        facts(**slow)


def test_a_full_disc_is_said_and_leaves_nothing(
    data: Dataset, runs: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job_files, "atomic_write", full)
    with pytest.raises(ConfigError, match=r"the run's folder .* cannot be written: No space left on device"):
        submit(make(worker=SLEEPS), runs, data)
    assert list(runs.iterdir()) == []


def test_runs_kept_are_bounded(data: Dataset, runs: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_KEPT", 1)
    queue = make(worker=SLEEPS)
    submit(queue, runs, data)
    with pytest.raises(ConfigError, match="runs kept must be at most 1, got 1; delete some on the page Runs"):
        submit(queue, runs, data, "another")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../other", "/etc", "x", "20260101-000000-000000-0000000g", "a\0b", None]
)
def test_only_names_of_jobs_are_names(runs: Path, make: Any, name: Any) -> None:
    (runs.parent / "other").mkdir()
    runs.mkdir()
    queue = make(worker=SLEEPS)
    assert queue.get(runs, name) is None
    queue.cancel(runs, name)
    queue.delete(runs, name)
    assert (runs.parent / "other").is_dir()


def test_a_link_is_not_a_job(data: Dataset, runs: Path, tmp_path: Path, make: Any) -> None:
    queue = make(worker=SLEEPS)
    job = submit(queue, tmp_path / "theirs", data)
    runs.mkdir()
    (runs / job.id).symlink_to(job.folder, target_is_directory=True)
    assert queue.get(runs, job.id) is None
    assert queue.list(runs) == []


# --- what a crash leaves behind


@pytest.fixture
def left(data: Dataset, runs: Path) -> Callable[..., Job]:
    """A job's folder as some other server left it."""

    def write(state: str, **progress: Any) -> Job:
        folder = runs / job_files.new_id()
        folder.mkdir(parents=True)
        job_files.write_request(folder, request(data), jobs.Facts(days=600))
        job_files.write_progress(folder, job_files.Progress(state, **progress))  # type: ignore[arg-type]
        return Job(folder.name, folder, request(data), "queued", "")

    return write


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A living process that is not ours to the queue."""
    with subprocess.Popen(SLEEPS) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("change", [{"start": "1"}, {"boot": "another"}, {"pid": 2**22 + 1}])
def test_a_recycled_number_is_not_taken_for_ours(left: Any, make: Any, change: dict[str, Any]) -> None:
    """This very process lives, but the one that the file names started at another time or after another boot."""
    gone = replace(Process.here(), **change)
    job = here(make(), left("running", done=3, total=600, process=gone.plain()))
    assert (job.state, job.done) == ("stopped", 3)
    assert job.message.startswith("The server or the machine ended while this ran.")
    queued = here(make(), left("queued", server=gone.plain()))
    assert queued.message == "The server ended before this run began. Resume it to queue it again."


def test_the_job_of_another_server_is_seen_and_can_be_cancelled(
    left: Any, make: Any, stranger: subprocess.Popen[bytes]
) -> None:
    other = Process.of(stranger.pid)
    assert other is not None
    queue = make()
    job = left("running", done=3, total=600, process=other.plain())
    assert (here(queue, job).state, here(queue, job).stopping) == ("running", False)
    waits = left("queued", server=other.plain())
    assert here(queue, waits).state == "queued"
    queue.cancel(waits.folder.parent, waits.id)
    queue.cancel(job.folder.parent, job.id)
    assert stranger.wait(30) == -signal.SIGTERM
    assert here(queue, job).state == "stopped"
    assert (waits.folder / job_files.STOP).exists()  # which its own server looks for


def test_what_another_server_cancelled_leaves_the_line(data: Dataset, runs: Path, make: Any) -> None:
    queue = make(worker=SLEEPS)
    submit(queue, runs, data, "works")
    waits = submit(queue, runs, data, "waits")
    (waits.folder / job_files.STOP).touch()
    assert wait(queue, waits).state == "stopped"
    assert queue.resume(runs, waits.id).state == "queued"
    assert not (waits.folder / job_files.STOP).exists()


def test_a_child_that_finds_another_at_work_writes_nothing(left: Any, make: Any, tmp_path: Path) -> None:
    from riskcore.runs.folder import locked

    job = left("running", done=7, total=600)
    before = (job.folder / "progress.json").read_bytes()
    with locked(job.folder):
        done = subprocess.run([*jobs._WORKER, str(job.folder)], timeout=60, check=False)
    assert done.returncode == 75
    assert (job.folder / "progress.json").read_bytes() == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "flying"}', "\x00"])
def test_a_damaged_progress_file(left: Any, make: Any, content: str) -> None:
    job = left("complete")
    (job.folder / "progress.json").write_text(content)
    found = here(make(), job)
    assert (found.state, found.total) == ("stopped", 600)
    assert found.message.startswith("Its progress.json cannot be read.")
    job.run_path.mkdir()
    (job.run_path / "manifest.json").write_text(json.dumps({"format": 1, "state": "degraded"}))
    assert here(make(), job).state == "degraded"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 2, "title": "x"}', None])
def test_a_damaged_request_can_only_be_deleted(left: Any, make: Any, content: str | None) -> None:
    job, queue = left("stopped"), make(worker=SLEEPS)
    if content is None:
        (job.folder / "job.json").unlink()
    else:
        (job.folder / "job.json").write_text(content)
    found = here(queue, job)
    assert (found.state, found.whole, found.message) == ("failed", False, job_files.DAMAGED)
    with pytest.raises(ConfigError, match="cannot be read"):
        queue.resume(job.folder.parent, job.id)
    queue.delete(job.folder.parent, job.id)
    assert queue.list(job.folder.parent) == []


def test_numbers_out_of_range_are_not_shown(left: Any, make: Any) -> None:
    job = left("stopped")
    (job.folder / "progress.json").write_text(
        '{"state": "stopped", "done": -3, "total": NaN, "seconds": "x", "left": 1e99}'
    )
    found = here(make(), job)
    assert (found.done, found.total, found.seconds, found.left) == (0, 600, 0.0, None)


KILLED = """
import os, sys
from pathlib import Path
from riskcore.dashboard.jobs import Jobs, request_for
from riskcore.dashboard.sources import Source, load
data = load(Source(Path(sys.argv[1])))
slow = {"models": ["slow"], "model": {"slow": {"mean": "ar1", "volatility": "garch", "law": "t"}}}
asked = request_for(data.source, data.digest, "x", **slow, window=250, refit_every=1)
queue = Jobs()
print(queue.submit(Path(sys.argv[2]), asked, losses=data.losses).id, flush=True)
sys.stdin.readline()
os._exit(9)
"""


@pytest.mark.nightly
def test_a_killed_server_takes_its_child_with_it_and_the_run_resumes(data: Dataset, runs: Path, make: Any) -> None:
    words = [sys.executable, "-c", KILLED, str(data.source.path), str(runs)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        name = server.stdout.readline().strip()
        queue = make()
        job = queue.get(runs, name)
        assert job is not None
        wait(queue, job, lambda now: now.state == "running" and now.done > 0)
        server.communicate("now\n", timeout=60)
    stopped = wait(queue, job, seconds=60)
    assert (stopped.state, stopped.message) == ("stopped", worker.STOPPED)
    queue.resume(runs, name)
    assert wait(queue, job, seconds=300).state == "complete"
