"""The best log-likelihood that arch finds in every window, computed once: ``python -m benchmarks.make_references DIR``.

What ``benchmarks/references`` has of a series is kept while its losses are the same; the rest is computed, which from
nothing takes about two hours of one core. Parts go to DIR, so that it may be stopped and started again; at the end, or
with ``--collect`` at any time, what is there is added to ``benchmarks/references``. Every tenth window comes first;
with ``--series`` two processes can share the work. Cold is arch's own start in each window, warm the optimum of the
window before it; the first of a part has none.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from benchmarks.peer import EVERY_WINDOW, PAIRS, Pair, arch_fit
from benchmarks.series import ROOT, SERIES
from riskcore._types import FloatArray

REFERENCES = ROOT / "benchmarks" / "references"
STEP, CHUNK = 10, 500
DIGITS = 7
Part = tuple[str, str, str, int, int]


def parts() -> list[Part]:
    """Series, pair, pass and the windows' range of all that is to be computed, in order."""
    found: list[Part] = []
    for pair in (*EVERY_WINDOW, *(name for name in PAIRS if name not in EVERY_WINDOW)):
        found += [(series, pair, "tenth", 0, len(SERIES[series].windows())) for series in SERIES]
    for series in SERIES:
        n = len(SERIES[series].windows())
        found += [(series, pair, "all", i, min(i + CHUNK, n)) for pair in EVERY_WINDOW for i in range(0, n, CHUNK)]
    return found


def path_of(folder: Path, part: Part) -> Path:
    """File of a part."""
    series, pair, kind, first, _ = part
    return folder / f"{pair}.{series}.{kind}.{first}.npz"


def compute(pair: Pair, losses: FloatArray, windows: list[slice], start: FloatArray | None) -> dict[str, FloatArray]:
    """Log-likelihoods of arch, cold and warm: as arch says, and ours at its parameters."""
    out = {name: np.full(len(windows), np.nan) for name in ("cold", "warm", "cold_said", "warm_said")}
    last = start
    for i, window in enumerate(windows):
        sample = losses[window]
        for kind in ("cold", "warm"):
            fit = arch_fit(pair, sample, last if kind == "warm" else None)
            if fit is None:
                continue
            out[kind][i], out[f"{kind}_said"][i] = pair.log_likelihood(sample, fit.values), fit.log_likelihood
            if kind == "warm":
                last = fit.values
    out["last"] = np.empty(0) if last is None else last
    return out


def run(folder: Path, series_wanted: Sequence[str]) -> None:
    """Compute what is missing of some series."""
    known = {name: read(name) for name in PAIRS}
    todo = [part for part in parts() if part[0] in series_wanted and not np.isfinite(_of(known[part[1]], part)).all()]
    for i, part in enumerate(todo):
        series, pair, kind, first, end = part
        path = path_of(folder, part)
        if path.exists():
            continue
        start = None
        before = path_of(folder, (series, pair, kind, first - CHUNK, first))
        if kind == "all" and before.exists():
            last = np.load(before)["last"]
            start = last if last.size else None
        windows = SERIES[series].windows()[first : end : STEP if kind == "tenth" else 1]
        found = compute(PAIRS[pair], SERIES[series].make(), windows, start)
        partial = path.with_suffix(".part.npz")
        np.savez(partial, **found)  # type: ignore[arg-type]
        partial.replace(path)
        print(f"{i + 1}/{len(todo)} {path.stem}", flush=True)


def _of(known: dict[str, FloatArray], part: Part) -> FloatArray:
    """A part's windows among those of its pair; NaN where nothing is known."""
    series, _, kind, first, end = part
    whole = known.get(series, np.full(len(SERIES[series].windows()), np.nan))
    return whole[first : end : STEP if kind == "tenth" else 1]


def read(pair: str) -> dict[str, FloatArray]:
    """What stands in ``benchmarks/references``, by series; nothing of a series whose losses have changed."""
    path = REFERENCES / f"{pair}.parquet"
    if not path.exists():
        return {}
    table = pq.read_table(path)
    frame, told = table.to_pandas(), table.schema.metadata or {}
    found: dict[str, FloatArray] = {}
    for series, rows in frame.groupby("series", observed=True):
        name = str(series)
        if told.get(f"losses of {name}".encode()) == digest(SERIES[name].make()).encode():
            found[name] = np.full(len(SERIES[name].windows()), np.nan)
            found[name][rows["window"].to_numpy()] = rows["log_likelihood"].to_numpy()
    return found


def digest(losses: FloatArray) -> str:
    """What tells the losses that references belong to; ten digits, so that a logarithm's last bit does not count."""
    return hashlib.sha256(np.round(losses, 10).tobytes()).hexdigest()[:16]


def collect(folder: Path) -> None:
    """The better of cold and warm by window, one file for each pair; prints how often arch's own figure is another."""
    tables = {name: read(name) for name in PAIRS}
    moved = total = 0
    for part in parts():
        series, pair, kind, first, end = part
        if not path_of(folder, part).exists():
            continue
        got = np.load(path_of(folder, part))
        n = len(SERIES[series].windows())
        best = tables[pair].setdefault(series, np.full(n, np.nan))
        place = slice(first, end, STEP if kind == "tenth" else 1)
        best[place] = np.fmax(best[place], np.fmax(got["cold"], got["warm"]))
        for name in ("cold", "warm"):
            ours, said = got[name], got[f"{name}_said"]
            total += ours.size
            moved += int(np.sum(np.abs(ours - said) > 1e-6))
    REFERENCES.mkdir(exist_ok=True)
    for pair, by_series in tables.items():
        if by_series:
            _write(pair, by_series)
    size = sum(path.stat().st_size for path in REFERENCES.glob("*.parquet"))
    print(f"{total} fits by arch, in {moved} of them another likelihood than arch says: it stopped outside")
    print(f"{REFERENCES}: {size / 1e6:.2f} MB")


def _write(pair: str, by_series: dict[str, FloatArray]) -> None:
    columns: dict[str, list[object]] = {"series": [], "window": [], "log_likelihood": []}
    for series, best in by_series.items():
        known = np.flatnonzero(np.isfinite(best))
        columns["series"] += [series] * known.size
        columns["window"] += known.tolist()
        columns["log_likelihood"] += np.round(best[known], DIGITS).tolist()
    table = pa.table(
        {
            "series": pa.array(columns["series"]).dictionary_encode(),
            "window": pa.array(columns["window"], pa.int32()),
            "log_likelihood": pa.array(columns["log_likelihood"], pa.float64()),
        },
        metadata={f"losses of {series}": digest(SERIES[series].make()) for series in by_series},
    )
    options = {"column_encoding": {"window": "DELTA_BINARY_PACKED", "log_likelihood": "BYTE_STREAM_SPLIT"}}
    pq.write_table(
        table, REFERENCES / f"{pair}.parquet", compression="zstd", use_dictionary=["series"], write_statistics=False,
        **options,
    )  # fmt: skip


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the parts")
    parser.add_argument("--collect", action="store_true", help="only gather what is there")
    parser.add_argument("--series", nargs="+", choices=SERIES, default=list(SERIES), help="by default all")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if not given.collect:
        run(given.folder, given.series)
    collect(given.folder)


if __name__ == "__main__":
    with threadpool_limits(limits=1), np.errstate(all="ignore"):
        main()
