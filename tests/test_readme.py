"""The Python blocks of the README and of docs/ run as they stand; the README's commands are what they must be."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
import types
from pathlib import Path

import pytest
from click.testing import CliRunner

from riskcore.cli import main
from riskcore.runs.config import read_config, settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, *languages: str) -> list[str]:
    """Fenced blocks of a Markdown page in one of `languages`."""
    found = re.findall(r"^```([^\n]*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text for language, text in found if language.strip() in languages]


PYTHON = [(page, i) for page in PAGES for i in range(len(blocks(page, "python")))]


@pytest.fixture(scope="module")
def short_years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sample data, their last five years only: the blocks as they stand take a minute and a half."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "sample_data").mkdir()
    for file in (ROOT / "sample_data").glob("*.csv"):
        head, *rows = file.read_text(encoding="utf-8").splitlines()
        (folder / "sample_data" / file.name).write_text("\n".join([head, *rows[-1300:]]), encoding="utf-8")
    return folder


def run_block(page: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    code = blocks(page, "python")[number]
    module = types.ModuleType(f"block_{page.stem}_{number}")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    exec(compile(code, f"{page.name} block {number}", "exec"), module.__dict__)
    assert hasattr(module, "rc") == ("import riskcore as rc" in code)


each_block = pytest.mark.parametrize(("page", "number"), PYTHON, ids=[f"{page.stem}-{i}" for page, i in PYTHON])


@each_block
def test_python_block_runs(page: Path, number: int, short_years: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(short_years)
    run_block(page, number, monkeypatch)


@pytest.mark.nightly
@each_block
def test_python_block_runs_on_all_years(page: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    run_block(page, number, monkeypatch)


def test_first_blocks_set_up_and_run() -> None:
    shell = blocks(ROOT / "README.md", "bash", "sh", "shell", "console", "")
    assert all(len(text.strip().splitlines()) == 1 for text in shell[:2])
    run, test = shell[:2]
    assert "riskcore backtest sample_data/indices.csv --out runs/first" in run
    assert "pytest" not in run
    assert "pytest" in test
    assert '".[test]"' in test


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_in_the_text_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for line in re.findall(
        r"riskcore ((?:backtest|dashboard|report|verify|models|backtests|warmup)(?=[ `])[^`\n|]*)", text
    ):
        words = shlex.split(line, comments=True)
        known = {name for option in main.commands[words[0]].params for name in (*option.opts, *option.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known | {"--help"}
    if page.parent == ROOT:
        options = {name for option in main.commands["backtest"].params for name in option.opts if name.startswith("--")}
        assert {name for name in options if f"`{name}" not in text} <= {"--out"}
        assert set(re.findall(r"^\| `riskcore (\w+)", text, re.MULTILINE)) == set(main.commands)


def test_toml_block_is_a_configuration(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "README.md", "toml")
    file = tmp_path / "run.toml"
    file.write_text(text, encoding="utf-8")
    chosen = settings({}, read_config(file))
    assert chosen.models[:2] == ("historical", "garch-t")
    assert getattr(chosen.models[2], "name", None) == "patient"
    assert chosen.from_date == "2010-01-01"
    assert tomllib.loads(text)["window"] == chosen.plan.window


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for link in re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_help_of_every_command() -> None:
    for name in main.commands:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0
        assert "Usage:" in result.output
