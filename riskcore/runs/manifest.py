"""The manifest of a run: what was asked, with what code and data, and what came out."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from riskcore.errors import ConfigError, DataError, require
from riskcore.runs.store import atomic_write, file_sha256, sha256

MANIFEST = "manifest.json"
FORMAT = 1
_NUMERIC = ("arch", "numba", "numpy", "scipy")
_OTHERS = ("click", "jinja2", "joblib", "openpyxl", "pandas", "plotly", "pyarrow")
_ENGINE = (
    "kernels", "measures.py", "scores.py", "distributions", "distributions.py", "volatility", "volatility.py",
    "forecasters", "forecasts.py", "walkforward.py", "walkforward", "_types.py", "defaults.py", "runs/store.py",
)  # fmt: skip


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


@lru_cache(maxsize=1)
def code_version() -> Mapping[str, str]:
    """What forecasts depend on besides settings and data: the engine's source and the numerical libraries."""
    root = Path(__file__).parents[1]
    files = [f for part in _ENGINE for f in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))]
    texts = [f"{f.relative_to(root).as_posix()} {file_sha256(f)}" for f in files if f.is_file()]
    engine = sha256("\n".join(sorted(texts)).encode())[:12]
    return {"riskcore": _version("riskcore"), "engine": engine, **{name: _version(name) for name in _NUMERIC}}


def environment() -> dict[str, Any]:
    """Versions and kind of platform; no names of machines or users."""
    import platform

    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "dependencies": {name: _version(name) for name in _OTHERS},
    }


def plain(value: object) -> Any:
    """`value` as JSON knows it: dataclasses and findings become mappings, NaN becomes null, dates become text.

    >>> plain({"a": (1, float("nan"))})
    {'a': [1, None]}
    """
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Iterable):
        return [plain(v) for v in value]
    return plain(value.item()) if hasattr(value, "item") else str(value)


def describe_inputs(paths: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Name (without its folder), size and sha256 of each input file."""
    files = [Path(p) for p in paths]
    return [{"name": f.name, "bytes": f.stat().st_size, "sha256": file_sha256(f)} for f in files]


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest in one step; its bytes depend on its content only."""
    text = json.dumps(plain(manifest), indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write(folder / MANIFEST, (text + "\n").encode("utf-8"))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Manifest of the run in `folder`.

    Raises
    ------
    DataError
        If there is none, or it cannot be read.
    """
    path = folder / MANIFEST
    require(path.is_file(), f"path must be the folder of a run (with {MANIFEST}), got {str(folder)!r}", DataError)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(f"{path} must be readable JSON, got: {error}") from error
    known = isinstance(manifest, dict) and manifest.get("format") == FORMAT
    require(known, f"{path} must be a manifest of format {FORMAT}, got another file", DataError)
    return cast(dict[str, Any], manifest)


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What differs between the run on disk and the run that is asked for, in words."""
    found = []
    for group, word in (("settings", ""), ("code", "version of "), ("data", "data of ")):
        old, new = plain(there.get(group, {})), plain(here.get(group, {}))
        for name in sorted({*old, *new}):
            if old.get(name) == new.get(name):
                continue
            if group == "data" or name == "exog":
                kind = "only there" if name not in new else "only here" if name not in old else "other values"
                found.append(f"{word}{name} ({kind})")
            elif name == "models":
                found += _model_differences(old.get(name, {}), new.get(name, {}))
            else:
                found.append(f"{word}{name}: {_short(old.get(name))} there, {_short(new.get(name))} here")
    return found


def _model_differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    words = []
    for name in sorted({*old, *new}):
        if name not in new or name not in old:
            words.append(f"model {name} ({'only there' if name in old else 'only here'})")
        elif old[name] != new[name]:
            words.append(f"model {name} (other settings)")
    return words


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def refuse_other(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise unless the run in `folder` has the same settings, data and code."""
    found = differences(there, here)
    if found:
        raise ConfigError(
            f"out must be a new folder or a run of the same settings and data, got {str(folder)!r} "
            f"where these differ: {'; '.join(found)}"
        )


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far; NaN where the system does not tell."""
    try:
        import resource
    except ImportError:  # not a Unix system
        return math.nan
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
