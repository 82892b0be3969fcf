"""The command: exit codes, messages, precedence of settings, signals."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from riskcore import __version__
from riskcore.backtests import BACKTESTS
from riskcore.cli import main
from riskcore.forecasters import FORECASTERS

Invoke = Callable[..., Result]
SMALL = ("--window", "250", "--refit-every", "50", "--jobs", "1", "--targets", "var:0.99", "--no-report")


def write_prices(path: Path, n_days: int = 400, form: str = "%Y-%m-%d") -> Path:
    days = pd.date_range("2020-01-01", periods=n_days, freq="B")
    losses = 0.01 * np.random.default_rng(3).standard_t(5, size=(n_days, 2))
    frame = pd.DataFrame(100 * np.exp(-np.cumsum(losses, axis=0)), columns=["A", "S&P 500"])
    frame.insert(0, "date", days.strftime(form))
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    return write_prices(tmp_path / "prices.csv")


@pytest.fixture
def invoke() -> Invoke:
    def run(*words: object) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words])

    return run


def refused(result: Result, *parts: str) -> None:
    """Exit code 2 and one message, no traceback."""
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    for part in parts:
        assert part in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_from_file_to_summary(invoke: Invoke, prices: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = invoke("backtest", prices, "--out", out, "--models", "historical,ewma", *SMALL[:-3], "--no-report")
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in out.iterdir()) == ["backtests.csv", "forecasts", "manifest.json", "scores.csv"]
    text = result.stdout
    places = [
        text.index(part) for part in ("Next day", "Hits:", "Mean scores", "Backtests that reject", "Rows by status")
    ]
    assert places == sorted(places)
    assert "expectile VaR 0.99855" in text
    assert str(out) in text
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["notes"] == {"kind": "log"}
    assert manifest["inputs"][0]["name"] == "prices.csv"
    assert manifest["findings"]
    assert "100 %" in result.stderr

    again = invoke("verify", out)
    assert (again.exit_code, again.stdout) == (0, f"{out}: 4 forecast files and all outputs are as they were written\n")
    before = (out / "scores.csv").read_bytes()
    (out / "scores.csv").write_text("spoilt", encoding="utf-8")
    changed = invoke("verify", out)
    assert (changed.exit_code, changed.stdout) == (3, "scores.csv: changed\n")
    other = invoke("backtest", prices, "--out", out, "--models", "ewma", *SMALL)
    refused(other, "of the same settings and data", "model historical (only there)")
    rebuilt = invoke("report", out, "--quiet")
    assert (rebuilt.exit_code, rebuilt.stdout) == (0, "")
    assert (out / "scores.csv").read_bytes() == before
    page = (out / "report.html").read_bytes()
    assert len(page) > 1000
    assert invoke("report", out).exit_code == 0
    assert (out / "report.html").read_bytes() == page, "the report must depend on the forecasts only"
    assert invoke("verify", out).exit_code == 0


def test_two_decades_of_an_index(invoke: Invoke, shared_data: Path, tmp_path: Path) -> None:
    """Historical VaR 0.99 on the FTSE 100: 64 hits in 5,051 days, by an independent count over sorted windows."""
    span = ("--from", "2005-01-01", "--to", "2024-12-31", "--models", "historical", "--targets", "var:0.99")
    file = shared_data / "ftse100_1984_2025.csv"
    result = invoke("backtest", file, "--out", tmp_path / "run", *span, "--jobs", "1", "--no-report")
    assert result.exit_code == 0, result.output
    prices = pd.read_csv(file)
    losses = -np.diff(np.log(prices["close"]))
    inside = prices["date"].iloc[1:].between("2005-01-01", "2024-12-31").to_numpy()
    hits = sum(losses[t] > np.sort(losses[t - 1000 : t])[989] for t in np.flatnonzero(inside))
    assert (hits, inside.sum()) == (64, 5051)
    tests = pd.read_csv(tmp_path / "run" / "backtests.csv")
    assert set(tests.loc[tests["test"] == "kupiec", "hits"]) == {hits}
    assert set(tests.loc[tests["test"] == "kupiec", "n_obs"]) == {5051}


def test_quiet_says_nothing(invoke: Invoke, prices: Path, tmp_path: Path) -> None:
    result = invoke("backtest", prices, "--out", tmp_path / "run", "--models", "historical", *SMALL, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


BAD = {
    "text file": ("Dear reader,\nthese are no prices.\n", ()),
    "empty file": ("", ("empty",)),
    "ambiguous dates": (
        "date,A\n01/02/2020,10\n02/02/2020,11\n03/02/2020,12\n",
        ("Pass --date-format DMY or --date-format MDY.",),
    ),
    "ambiguous numbers": (
        'date,A\n2020-03-04,"1,234"\n2020-03-05,"1,235"\n',
        ('Pass --decimal "." or --decimal ",", the decimal sign of the file.',),
    ),
    "no dates": ("when,A\nx,1\ny,2\n", ("or pass --date-column.",)),
    "zero of one asset": ("date,close\n2020-03-04,10\n2020-03-05,0\n", ("row 3, column close: price 0 of bad on",)),
    "contradicting duplicates": ("date,A\n2020-03-04,10\n2020-03-05,10.1\n2020-03-05,10.4\n", ("2020-03-05", "10.1")),
    "zero price": ("date,A\n2020-03-04,10\n2020-03-05,0\n2020-03-06,11\n", ("0",)),
    "header only": ("date,A\n", ()),
    "returns": (
        "date,A\n2020-03-04,0.01\n2020-03-05,-0.02\n2020-03-06,0.005\n",
        ("If these are returns, pass --values returns (0.01 is 1 %) or --values percent (1 is 1 %).",),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(invoke: Invoke, tmp_path: Path, name: str) -> None:
    content, parts = BAD[name]
    file = tmp_path / "bad.csv"
    file.write_text(content, encoding="utf-8")
    refused(invoke("backtest", file, "--out", tmp_path / "run"), "riskcore: ", "bad.csv", *parts)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--window", "1000"), ("window 1000 needs at least 1001 losses per asset", "A has 399")),
        (("--models", "garch-tt"), ("model must be one of", "'garch-tt'; did you mean 'garch-t'?")),
        (("--models", ","), ("models must list 1 to",)),
        (("--models", "ewma,ewma"), ("'ewma' twice",)),
        (("--targets", "var:0.3"), ("level must lie in (0.5, 1), got 0.3",)),
        (("--targets", "var:1"), ("level must lie in (0.5, 1), got 1",)),
        (("--targets", "evar:0.99"), ("measure must be one of var, es, expectile",)),
        (("--targets", "0.99"), ("target must be measure:level",)),
        (("--window", "1000000000000"), ("window must be a whole number in [2, 1000000], got 1000000000000",)),
        (("--window", "ten"), ("'ten' is not a valid integer",)),
        (("--refit-every", "0"), ("riskcore: --refit-every must be a whole number in [1, 1000000], got 0",)),
        (("--jobs", "0"), ("jobs must be a whole number in [1, 1024], or -1 for all processors, got 0",)),
        (("--kind", "square"), ("kind must be one of log, simple, got 'square'",)),
        (("--from", "yesterday"), ("from must be a date such as 2005-01-31, got 'yesterday'",)),
        (("--from", "2021-02-30"), ("from must be a date",)),
        (("--from", "2030-01-01"), ("from and to must leave a day to forecast",)),
        (("--decimal", ";"), ("--decimal must be '.' or ','",)),
        (("--date-format", "DDMM"), ("--date-format must be one of DMY, MDY, YMD or a strptime format",)),
        (("--date-column", "when"), ("no column of the name 'when'; there are 'date', 'A'",)),
        (("--values", "losses"), ("riskcore: --values must be one of prices, returns, percent, got 'losses'",)),
        (("--values", "returns"), ("A looks like prices, not returns", "If these are prices, pass --values prices.")),
        (("--weights", "A=0.5,Z=0.5"), ("riskcore: --weights must name assets of ['A', 'S&P 500'], got ['Z']",)),
        (("--weights", "A=60,S&P 500=40"), ("riskcore: --weights must sum to 1, got 100; percentages",)),
        (("--weights", "A"), ("riskcore: --weights must be asset=weight pairs such as A=0.6,B=0.4, got 'A'",)),
        (("--weights", "A=x"), ("--weights must be asset=weight pairs such as A=0.6,B=0.4, got 'A=x'",)),
        (("--weights", "A=0.5,A=0.5"), ("--weights must be asset=weight pairs such as A=0.6,B=0.4, got 'A=0.5'",)),
        (("--weights", "A=inf"), ("--weights must be finite, got {'A': inf}",)),
        (("--name", "B"), ("name must stand for one asset, got 2 price columns",)),
        (("--max-missing", "2"), ("--max-missing must lie in [0, 1), got 2",)),
        (("--columns", "A,Z"), ("Z",)),
        (("--config", "missing.toml"), ("config must be a file that can be read, got 'missing.toml'",)),
        (("--nonsense",), ("No such option",)),
    ],
)
def test_bad_settings(
    invoke: Invoke, prices: Path, tmp_path: Path, words: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    small = ("--window", "250", "--models", "historical", "--no-report")
    refused(invoke("backtest", prices, "--out", tmp_path / "run", *small, *words), *parts)
    assert not (tmp_path / "run").exists()


def test_missing_things(invoke: Invoke, prices: Path, tmp_path: Path) -> None:
    refused(invoke("backtest", tmp_path / "nothing.csv", "--out", tmp_path / "run"), "nothing.csv")
    refused(invoke("backtest", tmp_path, "--out", tmp_path / "run"), tmp_path.name)
    refused(invoke("backtest", "--out", tmp_path / "run"), "Missing argument 'FILE...'")
    refused(invoke("backtest", prices), "Missing option '--out'")
    refused(invoke("report", tmp_path), "must be the folder of a run")
    refused(invoke("verify", tmp_path / "nothing"), "must be the folder of a run")


def test_day_first_dates_on_request(invoke: Invoke, tmp_path: Path) -> None:
    file = write_prices(tmp_path / "p.csv", form="%d/%m/%Y")
    words = ("backtest", file, "--out", tmp_path / "run", "--models", "historical", *SMALL, "--columns", "A")
    assert invoke(*words, "--date-format", "%d/%m/%Y").exit_code == 0
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert list(manifest["data"]) == ["A"]
    assert manifest["data"]["A"]["first"] == "2020-01-02"
    assert manifest["notes"] == {"kind": "log", "date_format": "%d/%m/%Y", "columns": ["A"]}


def test_columns_by_option(invoke: Invoke, tmp_path: Path) -> None:
    table = pd.read_csv(write_prices(tmp_path / "p.csv")).rename(columns={"date": "when"})
    table.melt("when", var_name="house", value_name="worth").assign(size=1.0).to_csv(tmp_path / "p.csv", index=False)
    words = ("backtest", tmp_path / "p.csv", "--out", tmp_path / "run", "--models", "historical", *SMALL)
    named = ("--date-column", "when", "--asset-column", "house", "--price-column", "worth")
    assert invoke(*words, *named).exit_code == 0
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert list(manifest["data"]) == ["A", "S&P 500"]


def test_a_report_that_fails(invoke: Invoke, prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise ZeroDivisionError("no paper")

    monkeypatch.setattr("riskcore.report.html_report", fail)
    words = ("backtest", prices, "--out", tmp_path / "run", "--models", "historical", *SMALL[:-1])
    result = invoke(*words)
    assert result.exit_code == 3
    assert "REPORT FAILED: ZeroDivisionError: no paper" in result.stdout
    assert (tmp_path / "run" / "scores.csv").is_file()
    quiet = invoke(*words, "--quiet")
    assert (quiet.exit_code, quiet.stdout) == (3, "")
    assert "has no report; its manifest says why" in quiet.stderr
    assert "Traceback" not in result.output


def test_command_line_over_file_over_defaults(invoke: Invoke, prices: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        """
        targets = ["var:0.95"]
        window = 300
        refit_every = 40
        expanding = true
        from = 2021-06-01
        kind = "simple"

        [model.mine]
        mean = "constant"
        volatility = {kind = "ewma", decay = 0.9}
        law = {kind = "t", nu = 4.0}
        """,
        encoding="utf-8",
    )
    out = tmp_path / "run"
    words = ("--config", config, "--window", "260", "--jobs", "1", "--no-report")
    result = invoke("backtest", prices, "--out", out, *words)
    assert result.exit_code == 0, result.output
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"] == {
        "models": {
            "mine": "LocationScale(mean=ConstantMean(), volatility=EWMA(decay=0.9), law=StudentT(nu=4.0), name='mine')"
        },
        "targets": ["var_0.95"],
        "window": 260,
        "refit_every": 40,
        "expanding": True,
        "ahead": True,
        "from": "2021-06-01",
        "to": None,
    }
    assert manifest["notes"]["kind"] == "simple"


def test_a_degraded_run_has_exit_code_3(invoke: Invoke, tmp_path: Path) -> None:
    """A law whose tail is of another world: forecasts above five times the largest loss are implausible."""
    prices = write_prices(tmp_path / "p.csv")
    config = tmp_path / "run.toml"
    config.write_text('[model.wild]\nlaw = {kind = "t", nu = 2.001}\n', encoding="utf-8")
    words = ("--config", config, *SMALL[:-3], "--targets", "var:0.999999", "--no-report")
    result = invoke("backtest", prices, "--out", tmp_path / "run", *words)
    assert result.exit_code == 3, result.output
    assert "DEGRADED" in result.stdout
    quiet = invoke("report", tmp_path / "run", "--quiet")
    assert quiet.exit_code == 3
    assert "is degraded" in quiet.stderr


def test_lists(invoke: Invoke) -> None:
    models = invoke("models").stdout.splitlines()
    assert [line.split()[0] for line in models[1 : len(FORECASTERS) + 1]] == list(FORECASTERS)
    assert any(line.split(maxsplit=1) == ["historical", "historical simulation"] for line in models)
    assert models[-1].endswith("see 'By command' in README.md.")
    tests = invoke("backtests").stdout.splitlines()
    names = [*BACKTESTS, "multilevel"]
    assert [line.split()[0] for line in tests[1 : len(names) + 1]] == names
    assert tests[len(names) + 2].startswith("L: loss")
    kupiec = next(line for line in tests if line.startswith("kupiec"))
    assert kupiec.split(maxsplit=2)[1:] == ["var", "the hit rate equals 1 - level"]
    assert invoke("--version").stdout == f"riskcore, version {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    """What makes `riskcore --help` answer in about 0.1 s: the command line imports no array library to print it."""
    done = subprocess.run([sys.executable, "-m", "riskcore", "--help"], capture_output=True, text=True, check=True)
    assert "backtest" in done.stdout
    heavy = "import sys, riskcore.cli; print([m for m in ('numpy', 'pandas', 'numba', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout == "[]\n"


class Server:
    """Stands in for the dashboard's server and keeps what it was started with."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.homes: list[str | None] = []

    def __call__(self, **given: Any) -> None:
        self.calls.append(given)
        self.homes.append(os.environ.get("RISKCORE_HOME"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    launch = pytest.importorskip("riskcore.dashboard.launch", reason="streamlit is not installed")
    stand_in = Server()
    monkeypatch.setattr(launch, "launch", stand_in)
    monkeypatch.setenv("RISKCORE_HOME", "unset below")
    monkeypatch.delenv("RISKCORE_HOME")
    return stand_in


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_the_dashboard_is_started_with_the_options(
    invoke: Invoke, server: Server, free_port: int, tmp_path: Path
) -> None:
    home = tmp_path / "new" / "home"
    result = invoke("dashboard", "--port", free_port, "--no-browser", "--home", home)
    assert (result.exit_code, result.stderr) == (0, "")
    assert invoke("dashboard", "--port", free_port, "--address", "localhost").exit_code == 0
    assert server.calls == [
        {"port": free_port, "address": "127.0.0.1", "browser": False},
        {"port": free_port, "address": "localhost", "browser": True},
    ]
    assert server.homes[0] == str(home)
    assert home.is_dir()


def test_the_dashboard_says_why_it_cannot_start(invoke: Invoke, server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        refused(invoke("dashboard", "--port", port), f"--port must be free, got {port}, which is in use", "--port")
    refused(invoke("dashboard", "--port", "0"), "riskcore: --port must lie in [1, 65535], got 0")
    refused(invoke("dashboard", "--port", "eighty"), "'eighty' is not a valid integer")
    refused(invoke("dashboard", "--port", "1024", "--address", "192.0.2.1"), "--address must be one of this machine")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    refused(invoke("dashboard", "--port", port, "--home", tmp_path / "file"), "--home must be a folder, got")
    assert server.calls == []


def test_a_port_that_is_not_for_everyone(invoke: Invoke, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("socket.create_server", refuse)
    refused(invoke("dashboard", "--port", "80"), "--port must be one that may be used, got 80")
    assert server.calls == []


def test_the_dashboard_needs_streamlit(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "streamlit", None)
    refused(invoke("dashboard"), "the dashboard needs streamlit", 'pip install "riskcore[dashboard]"')


def test_ctrl_c_is_how_a_server_is_stopped(
    invoke: Invoke, server: Server, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("riskcore.dashboard.launch.launch", stop)
    result = invoke("dashboard", "--port", free_port)
    assert (result.exit_code, result.output) == (0, "")
