"""Where the dashboard keeps what a visitor uploads and runs: one folder for each owner. No streamlit here."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from riskcore.runs.store import atomic_write, sha256

HOME = "RISKCORE_HOME"
COOKIE = "riskcore_workspace"
"""Set by `riskcore.dashboard.launch`: a secret of the browser, so that a closed tab finds its runs again."""
_MAX_NAME = 80
_MAX_BYTES = 180
"""A file system takes names of 255 bytes; a temporary name of ours is longer than the file's."""


def app_root() -> Path:
    """Folder of ``app.py``, ``pages`` and ``sample_data``: inside an installed package, else the checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_app"
    return installed if installed.is_dir() else package.parent


def home() -> Path:
    """Folder of all workspaces: the environment variable ``RISKCORE_HOME``, else ``~/.riskcore``."""
    return Path(os.environ.get(HOME) or Path.home() / ".riskcore")


@dataclass(frozen=True)
class Workspace:
    """One owner's folder; nobody else's is ever read."""

    root: Path

    @property
    def uploads(self) -> Path:
        """Files as they were uploaded, each under the digest of its content."""
        return self.root / "uploads"

    @property
    def runs(self) -> Path:
        """Runs, a folder each."""
        return self.root / "runs"

    def keep(self, content: bytes, name: str) -> Path:
        """Store an uploaded file under its content's digest; the same content and name again give the same path."""
        folder = self.uploads / sha256(content)
        path = folder / file_name(name)
        if not path.is_file():
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)  # the mode is not that of parents
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic_write(path, content)
        return path


def workspace_of(token: str) -> Workspace:
    """The workspace of whoever holds `token`, a secret of one browser; the folder's name does not give it away."""
    return Workspace(home() / "workspaces" / hashlib.blake2b(token.encode(), digest_size=16).hexdigest())


def file_name(name: str) -> str:
    """A visitor's file name made safe to stand in a folder of ours: no separators, no leading dots, at most 80 letters.

    >>> file_name("../../etc/pass wd&.csv"), file_name("...")
    ('pass wd&.csv', 'upload')
    """
    last = re.split(r"[/\\\\]", name)[-1]
    kept = re.sub(r"[^\w &().,+=-]", "_", last).strip(" .")
    stem, dot, ending = kept.rpartition(".")
    if not stem or len(ending) > 8:
        stem, dot, ending = kept, "", ""
    ending = dot + ending
    stem = stem[: _MAX_NAME - len(ending)]
    while len((stem + ending).encode()) > _MAX_BYTES:
        stem = stem[:-1]
    return (stem.rstrip(" .") or "upload") + ending
