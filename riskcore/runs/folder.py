"""The folder of a run: who may use it, and what happens when it cannot be written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from riskcore.errors import ConfigError, require
from riskcore.runs.manifest import MANIFEST, read_manifest, refuse_other, write_manifest
from riskcore.runs.store import FOLDER, TEMPORARY, remove_temporaries


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn a failing write (no space, no permission) into one clear error; what was there stays as it was."""
    try:
        yield
    except OSError as error:
        name = error.filename or str(folder)
        raise ConfigError(
            f"out must be a folder that can be written, got {str(folder)!r}: {error.strerror or error} ({name})"
        ) from error


@contextlib.contextmanager
def prepared(folder: Path, head: Mapping[str, Any]) -> Iterator[None]:
    """A new folder with a first manifest, or an earlier run of the same settings, data and code; held alone."""
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        strangers = sorted(p.name for p in folder.iterdir() if not _ours(p))
        if (folder / MANIFEST).is_file():
            refuse_other(folder, read_manifest(folder), head)
        else:
            require(
                not strangers,
                f"out must be a new folder or an earlier run, got {str(folder)!r} "
                f"with other files: {', '.join(strangers[:3])}",
            )
            with writable(folder):
                write_manifest(folder, head)  # says what the unit files belong to, should this process be killed
        with writable(folder):
            (folder / FOLDER).mkdir(exist_ok=True)
        _remove_all_temporaries(folder)
        try:
            yield
        finally:
            _remove_all_temporaries(folder)


def _ours(path: Path) -> bool:
    empty = path.name == FOLDER and path.is_dir() and not any(path.iterdir())
    return empty or (path.name.startswith(".") and path.name.endswith(TEMPORARY))


def _remove_all_temporaries(folder: Path) -> None:
    for part in (folder, folder / FOLDER):
        remove_temporaries(part)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder alone. The system frees the lock when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # not a Unix system: units are still written whole, twice at worst
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"out must not be in use by another process, got {str(folder)!r}; wait for it or choose another folder"
            ) from error
        except OSError:  # some network file systems have no locks
            pass
        yield
    finally:
        os.close(handle)
