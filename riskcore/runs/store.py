"""One immutable Parquet file per unit of work (asset and model); each file proves its own completeness.

The footer carries the unit's key and the sha256 of the file's own bytes (with a fixed text in the digest's place), so
a resumed run can tell a whole file from a damaged one without a manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskcore.errors import DataError, require

if TYPE_CHECKING:
    import pandas as pd

TEMPORARY = ".tmp"
FOLDER = "forecasts"
_DIGEST = b"riskcore.sha256"
_UNIT = b"riskcore.unit"
_KEY = b"riskcore.key"
_BLANK = b"sha256 of this file with these letters in its place".ljust(64, b".")


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: the same value always gives the same bytes.

    >>> canonical({"b": 1, "a": [0.5]})
    b'{"a":[0.5],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data: bytes) -> str:
    """Hexadecimal sha256 of `data`.

    >>> sha256(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def losses_sha256(losses: pd.Series[float] | pd.DataFrame) -> str:
    """Digest of dates and values, whatever the resolution in which pandas keeps the dates; NaN rows count."""
    import numpy as np
    import pandas as pd

    digest = hashlib.sha256()
    digest.update(np.ascontiguousarray(pd.DatetimeIndex(losses.index).as_unit("ns").asi8).tobytes())
    if isinstance(losses, pd.DataFrame):
        digest.update(canonical([str(c) for c in losses.columns]))
    digest.update(np.ascontiguousarray(losses.to_numpy(dtype=np.float64)).tobytes())
    return digest.hexdigest()


def slug(name: str) -> str:
    """Name made safe for a file: letters, digits and hyphens, at most 40.

    >>> slug("S&P 500 / ../x")
    's-p-500-x'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "x"


@dataclass(frozen=True)
class Unit:
    """One unit of work: its identity (everything its rows depend on), as plain JSON values."""

    asset: str
    model: str
    identity: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Sha256 of the identity."""
        return sha256(canonical(self.identity))

    @property
    def file(self) -> str:
        """File name: asset and model made safe, and eight digits of the key."""
        return f"{slug(self.asset)}--{slug(self.model)}-{self.key[:8]}.parquet"


@dataclass(frozen=True)
class Stored:
    """A unit's file as read back."""

    unit: Unit
    frame: pd.DataFrame
    sha256: str

    @property
    def status(self) -> dict[str, int]:
        """Number of rows by status."""
        return {str(name): int(n) for name, n in self.frame["status"].astype(str).value_counts().sort_index().items()}


def atomic_write(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds the old content or the new, never a part: temporary, fsync, rename, fsync."""
    temporary = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)  # noqa: PTH105 (a name that fault-injection tests can stand in for)
    except BaseException:  # an interrupt too must leave no half-written file
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # other systems cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_temporaries(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for path in folder.glob(f".*{TEMPORARY}"):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def encode(unit: Unit, rows: pd.DataFrame) -> bytes:
    """Bytes of a unit's Parquet file, from rows indexed ``(asset, model, date)``; equal rows give equal bytes.

    The file holds date, origin, loss, status, the targets and what follows them in a table of forecasts.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    dates = rows.index.get_level_values("date")
    columns: dict[str, Any] = {"date": pd.Series(dates), **{str(c): rows[c] for c in rows.columns}}
    columns["status"] = rows["status"].astype(str)
    table = pa.table({name: pa.array(list(x) if name == "status" else x.to_numpy(), from_pandas=True)
                      for name, x in columns.items()})  # fmt: skip
    dtypes = {name: str(columns[name].dtype) for name in ("date", "origin")}  # Parquet knows no seconds
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table)
        meta = {_UNIT: canonical({"identity": dict(unit.identity), "dtypes": dtypes}), _KEY: unit.key.encode()}
        writer.add_key_value_metadata({**meta, _DIGEST: _BLANK})
    data = buffer.getvalue()
    require(data.count(_BLANK) == 1, f"{unit.file} must hold one place for its digest", DataError)
    return data.replace(_BLANK, sha256(data).encode())


def decode(data: bytes, name: str) -> Stored:
    """Read a unit's file back.

    Raises
    ------
    DataError
        If the bytes are not those that were written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        meta = pq.read_metadata(pa.BufferReader(data)).metadata or {}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{name} must be a complete Parquet file, got a damaged one") from error
    digest = meta.get(_DIGEST, b"")
    whole = len(digest) == 64 and sha256(data.replace(digest, _BLANK)).encode() == digest
    require(whole, f"{name} must match the digest in its footer, got other bytes", DataError)
    content = json.loads(meta[_UNIT])
    frame: pd.DataFrame = pq.read_table(pa.BufferReader(data)).to_pandas()
    frame = frame.astype(content["dtypes"])
    identity = content["identity"]
    return Stored(Unit(identity["asset"], identity["model"], identity), frame, sha256(data))


def write_unit(folder: Path, unit: Unit, rows: pd.DataFrame) -> str:
    """Write a unit's rows into `folder`; returns the file's sha256."""
    data = encode(unit, rows)
    atomic_write(folder / unit.file, data)
    return sha256(data)


def read_unit(path: Path) -> Stored:
    """Read and check a unit's file; `DataError` if it is damaged."""
    return decode(path.read_bytes(), path.name)


def join_units(stored: Sequence[Stored]) -> pd.DataFrame:
    """Rows of many units as one frame indexed ``(asset, model, date)``, in the order of a table of forecasts."""
    import pandas as pd

    from riskcore.forecasts import INDEX

    parts = [x.frame.assign(asset=x.unit.asset, model=x.unit.model).set_index(list(INDEX)) for x in stored]
    # columns first met in a later unit keep their place in the longest list, so the order does not depend on the units
    longest = list(max(parts, key=lambda part: len(part.columns)).columns)
    every = dict.fromkeys([*longest, *(c for part in parts for c in part.columns)])
    return pd.concat(parts).reindex(columns=list(every))
