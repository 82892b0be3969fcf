"""Shared fixtures; real series are found through RISKCORE_DATA and never copied into the project."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

ROOT = Path(__file__).resolve().parents[1]
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "riskcore-hypothesis")  # leave nothing in the checkout
settings.register_profile("ci", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("nightly", deadline=None, database=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure() -> None:
    """No test runs on a compiled kernel that is older than what it calls."""
    from riskcore.warmup import drop_stale

    drop_stale()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real price series; tests that need it skip where it is absent, and fail where it must be there."""
    folder = Path(os.environ.get("RISKCORE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        text = f"real price series not found in {folder} (set RISKCORE_DATA)"
        if os.environ.get("RISKCORE_REQUIRE_DATA"):
            pytest.fail(text)
        pytest.skip(text)
    return folder


@pytest.fixture(scope="session")
def golden() -> Any:
    """Reader of the oracle files in tests/golden: ``golden("garch_fcp")["case_id"]``."""

    def read(topic: str) -> dict[str, dict[str, Any]]:
        text = (ROOT / "tests" / "golden" / f"{topic}.json").read_text(encoding="utf-8")
        return {case["id"]: case for case in json.loads(text)["cases"]}

    return read


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """Folder of the prices that ship with the project."""
    return ROOT / "sample_data"


@dataclass(frozen=True)
class Server:
    """A dashboard that runs in a process of its own, with a home of its own."""

    url: str
    port: int
    home: Path
    log: Path
    options: dict[str, Any]
    """Streamlit's settings as the server found them."""


OPTIONS = (
    "server.address", "server.maxUploadSize", "server.enableXsrfProtection", "client.showErrorDetails",
    "client.toolbarMode", "browser.gatherUsageStats", "theme.dark.primaryColor",
)  # fmt: skip
SERVE = f"""
import json, sys, threading, time, urllib.request
from pathlib import Path
from streamlit import config
from riskcore.dashboard.launch import launch
port, told = int(sys.argv[1]), Path(sys.argv[2])
def tell():
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{{port}}/healthz").close()
            break
        except OSError:
            time.sleep(0.05)
    told.with_suffix(".part").write_text(json.dumps({{name: config.get_option(name) for name in {OPTIONS!r}}}))
    told.with_suffix(".part").replace(told)
threading.Thread(target=tell, daemon=True).start()
launch(port=port, browser=False)
"""


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A port that nobody uses, for each call."""
    return _free_port


@contextlib.contextmanager
def _serving(folders: Sequence[Path]) -> Iterator[list[Server]]:
    """A server for each folder, started side by side; they end with the block."""
    started = []
    try:
        for folder in folders:
            port, told, log = _free_port(), folder / "options.json", folder / "log.txt"
            with log.open("wb") as output:
                command = [sys.executable, "-c", SERVE, str(port), str(told)]
                environment = {**os.environ, "RISKCORE_HOME": str(folder / "home")}
                process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, env=environment)
            started.append((process, port, told, log, folder / "home"))
        found = []
        for process, port, told, log, home in started:
            for _ in range(600):
                if told.is_file() or process.poll() is not None:
                    break
                time.sleep(0.1)
            assert told.is_file(), log.read_text(encoding="utf-8")
            options = json.loads(told.read_text(encoding="utf-8"))
            found.append(Server(f"http://127.0.0.1:{port}", port, home, log, options))
        yield found
    finally:
        for process, *_ in started:
            process.terminate()
        for process, *_ in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def serving() -> Callable[[Sequence[Path]], contextlib.AbstractContextManager[list[Server]]]:
    """``with serving([folder, ...]) as servers``: fresh dashboards that no browser has visited yet."""
    return _serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The dashboard as ``riskcore dashboard`` starts it, from a folder that is not the checkout.

    Tests that use it carry ``pytest.mark.xdist_group("server")``, so that there is one for the whole suite.
    """
    with _serving([tmp_path_factory.mktemp("server")]) as (only,):
        yield only
