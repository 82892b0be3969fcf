"""A visitor's file names never become paths of ours, and one owner never reaches another's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from riskcore.dashboard.workspace import Workspace, file_name, workspace_of

NAMES = [
    "../../x", "..\\..\\x.csv", "/etc/passwd", "C:\\CON.csv", "", ".", "..", "...", ".csv", "a/", "a\x00b.csv",
    "<img src=x onerror=alert(1)>.csv", "\u202egpj.csv", "x" * 10_000 + ".csv", "\U00010330" * 300 + ".xlsx",
    "a\nb.csv", "-rf", "~", "$HOME.csv", "a;b|c.csv", "שלום.csv",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_kept_inside_the_folder(tmp_path: Path, name: str):
    space = Workspace(tmp_path / "mine")
    path = space.keep(b"content", name)
    assert path.read_bytes() == b"content"
    assert path.resolve().is_relative_to((tmp_path / "mine").resolve())
    assert path.parent.parent == space.uploads
    assert not any(char in path.name for char in "/\\<>|;$\x00\n\u202e")


def test_good_names_stay_as_they_are():
    assert [file_name(name) for name in ("prices.csv", "S&P 500 (new).xlsx", "Küste.tsv")] == [
        "prices.csv", "S&P 500 (new).xlsx", "Küste.tsv",
    ]  # fmt: skip
    assert len(file_name("x" * 300 + ".parquet")) == 80
    assert file_name("x" * 300 + ".parquet").endswith(".parquet")


def test_the_content_makes_the_path(tmp_path: Path):
    space = Workspace(tmp_path)
    one, same, other = space.keep(b"1", "a.csv"), space.keep(b"1", "a.csv"), space.keep(b"2", "a.csv")
    assert one == same
    assert one != other
    assert (one.read_bytes(), other.read_bytes()) == (b"1", b"2")


def test_owners_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RISKCORE_HOME", str(tmp_path))
    one, other = workspace_of("a" * 32), workspace_of("b" * 32)
    assert one.root != other.root
    assert one == workspace_of("a" * 32)
    assert "a" * 32 not in str(one.root)


def test_nobody_else_on_the_machine_reads_an_upload(tmp_path: Path):
    space = Workspace(tmp_path / "workspaces" / "mine")
    space.keep(b"1", "a.csv")
    assert space.root.stat().st_mode & 0o077 == 0
