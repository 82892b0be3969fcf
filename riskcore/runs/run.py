"""A run on disk: walk every unit, write its file, judge the table, and say in a manifest what happened."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskcore._types import Status, Target, WalkForward
from riskcore.errors import DataError, RiskcoreError, require
from riskcore.runs.export import to_csv
from riskcore.runs.folder import locked, prepared, writable
from riskcore.runs.manifest import (
    FORMAT,
    MANIFEST,
    code_version,
    describe_inputs,
    environment,
    peak_memory_mb,
    plain,
    read_manifest,
    write_manifest,
)
from riskcore.runs.plan import Walked, Work, plan_work
from riskcore.runs.pool import check_jobs, processors
from riskcore.runs.store import FOLDER, atomic_write, file_sha256, join_units, read_unit, sha256

if TYPE_CHECKING:
    import pandas as pd

    from riskcore.forecasters.base import Forecaster
    from riskcore.forecasts import Forecasts
    from riskcore.walkforward import Exog

_log = logging.getLogger(__name__)
Report = Callable[..., str]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Run:
    """A run on disk. Opening it reads the manifest only; the forecasts are read when asked for.

    Parameters
    ----------
    path : Path
        The run's folder.
    manifest : mapping
        What was asked, with what code and data, and what came out.
    """

    path: Path
    manifest: Mapping[str, Any] = field(repr=False)

    @property
    def state(self) -> str:
        """One of running (or killed), complete, degraded."""
        return str(self.manifest["state"])

    @property
    def degraded(self) -> bool:
        """Whether over 5 % of the rows are implausible or worse, or a unit is missing."""
        return self.state != "complete"

    @property
    def report_error(self) -> str:
        """Why there is no report.html although one was asked for; empty as a rule."""
        return str(self.manifest.get("report_error", ""))

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets that were forecast."""
        return tuple(Target.parse(label) for label in self.manifest["settings"]["targets"])

    def forecasts(self) -> Forecasts:
        """The table of forecasts, read from the files; `DataError` names the files that are damaged or missing."""
        from riskcore.forecasts import Forecasts

        stored, faults = [], []
        for name in _unit_files(self):
            try:
                stored.append(read_unit(self.path / FOLDER / name))
            except (DataError, OSError) as error:
                faults.append(str(error))
        require(not faults, f"files of {str(self.path)!r} must be whole, got: {'; '.join(faults)}", DataError)
        require(bool(stored), f"{str(self.path)!r} must hold at least one unit, got none", DataError)
        places = [list(names) for names in (self.manifest["data"], self.manifest["settings"]["models"])]
        stored.sort(key=lambda x: (places[0].index(x.unit.asset), places[1].index(x.unit.model)))
        return Forecasts(join_units(stored), self.targets)

    def scores(self) -> pd.DataFrame:
        """The score table, computed from the files."""
        from riskcore.tables import score_table

        return score_table(self.forecasts())

    def backtests(self) -> pd.DataFrame:
        """The table of backtests, computed from the files."""
        from riskcore.tables import backtest_table

        return backtest_table(self.forecasts())


def _unit_files(run: Run) -> list[str]:
    if run.state == "running":  # killed before its end: what is there is whole or said to be damaged
        return sorted(p.name for p in (run.path / FOLDER).glob("*.parquet"))
    return [unit["file"] for unit in run.manifest["units"]]


def open_run(path: str | Path) -> Run:
    """Open a run on disk: reads its manifest, nothing else.

    Parameters
    ----------
    path : str or Path
        The folder that :func:`run_backtest` or ``riskcore backtest --out`` wrote.

    Returns
    -------
    Run
        With ``.manifest``, ``.forecasts()``, ``.scores()`` and ``.backtests()``.

    Raises
    ------
    DataError
        If the folder holds no manifest that can be read.
    """
    folder = Path(path)
    return Run(folder, read_manifest(folder))


def verify_run(path: str | Path) -> list[str]:
    """Recompute the sha256 of every file of a run.

    Parameters
    ----------
    path : str or Path
        The folder of a run.

    Returns
    -------
    list of str
        One line for every file that is missing, changed or not in the manifest; empty if all is as it was written.

    Raises
    ------
    DataError
        If the folder holds no manifest that can be read.
    """
    run = open_run(path)
    if run.state == "running":
        return [f"{MANIFEST}: the run is not complete", *_faults_without_manifest(run)]
    expected = {f"{FOLDER}/{unit['file']}": unit["sha256"] for unit in run.manifest["units"]}
    expected |= run.manifest["outputs"]
    found = []
    for name, digest in sorted(expected.items()):
        file = run.path / name
        if not file.is_file():
            found.append(f"{name}: missing")
        elif file_sha256(file) != digest:
            found.append(f"{name}: changed")
    extra = sorted(f"{FOLDER}/{p.name}" for p in (run.path / FOLDER).glob("*.parquet"))
    return found + [f"{name}: not in the manifest" for name in extra if name not in expected]


def _faults_without_manifest(run: Run) -> list[str]:
    found = []
    for name in _unit_files(run):
        try:
            read_unit(run.path / FOLDER / name)
        except (DataError, OSError) as error:
            found.append(f"{FOLDER}/{name}: {error}")
    return found


def run_backtest(
    losses: pd.DataFrame | pd.Series[float],
    models: Iterable[str | Forecaster],
    targets: Iterable[Target | str] | None,
    plan: WalkForward,
    out: str | Path,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    ahead: bool = True,
    from_date: str | date | None = None,
    to_date: str | date | None = None,
    exog: Exog | None = None,
    inputs: Sequence[str | Path] = (),
    findings: Iterable[object] = (),
    notes: Mapping[str, object] | None = None,
    report: Report | None = None,
) -> Run:
    """Forecast and judge every asset with every model, into a folder that survives being killed.

    Each unit (asset and model) becomes one immutable Parquet file; what a killed run has done is not done again. The
    results do not depend on `jobs`.

    Parameters
    ----------
    losses : DataFrame or Series
        Losses (minus the returns), one column per asset; each asset lives on the dates where it has a value.
    models, targets, plan, ahead
        As in :func:`riskcore.forecast`.
    out : str or Path
        New or empty folder, or one that holds a run of the same settings, data and code: that one is resumed.
    jobs : int
        Number of processes; 1 works in this one, -1 takes every processor.
    progress : callable, optional
        Called now and then with (days done, days in all), from another thread.
    from_date, to_date : str or date, optional
        Bounds of the days forecast *for*; losses before them are still used.
    exog : DataFrame or mapping of DataFrame, optional
        Columns for models that read some, as for :func:`riskcore.forecast`; the manifest records their digest, and
        a run with others is not resumed.
    inputs : sequence of path
        Files the losses came from; their sha256 goes into the manifest.
    findings : iterable
        What was noted when they were read.
    notes : mapping, optional
        More to be kept in the manifest, e.g. the kind of return.
    report : callable, optional
        Called as :func:`riskcore.html_report`; its text becomes ``report.html``. If it raises, the run ends with its
        tables, and `Run.report_error` says why.

    Returns
    -------
    Run
        Degraded if over 5 % of the rows are implausible or worse, or if a unit could not be computed; the manifest
        says which.

    Raises
    ------
    ConfigError
        If a setting is outside its range, a model reads a column that is absent, `out` holds something else or cannot
        be written, or the window leaves an asset no day to forecast.
    """
    check_jobs(jobs)
    work = plan_work(losses, models, targets, plan, ahead=ahead, from_date=from_date, to_date=to_date, exog=exog)
    folder, clock, started = Path(out), time.perf_counter(), datetime.now(UTC)
    head = {
        "format": FORMAT,
        "state": "running",
        "settings": work.settings,
        "data": work.data,
        "code": code_version(),
        **environment(),
        "inputs": describe_inputs(inputs),
        "notes": dict(notes or {}),
        "findings": plain(list(findings)),
    }
    with prepared(folder, head):
        workers = processors() if jobs == -1 else jobs
        walked = work.walk(folder / FOLDER, jobs=workers, progress=progress)

        def timings() -> dict[str, Any]:
            return {
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(time.perf_counter() - clock, 3),
                "peak_memory_mb": round(max([peak_memory_mb(), *(o.memory_mb for o in walked.outcomes.values())]), 1),
                "units_reused": len(walked.reused),
                "units_done_again": list(walked.damaged),
            }

        return finish(folder, {**head, **_units(work, walked)}, timings=timings, report=report, jobs=workers)


def _units(work: Work, walked: Walked) -> dict[str, Any]:
    """The manifest's lists of units: those with a file, and those without and why."""
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for place, unit in enumerate(work.units):
        name = {"asset": unit.asset, "model": unit.model}
        outcome = walked.outcomes.get(place)
        if place in walked.reused:
            done.append({**name, "file": unit.file, "sha256": walked.reused[place].sha256})
        elif outcome is not None and outcome.sha256:
            done.append({**name, "file": unit.file, "sha256": outcome.sha256})
        else:
            failed.append({**name, "reason": outcome.reason if outcome is not None else "no outcome"})
    return {"units": done, "failed_units": failed}


def finish(
    folder: Path,
    manifest: Mapping[str, Any],
    *,
    timings: Callable[[], Mapping[str, Any]],
    report: Report | None,
    jobs: int = 1,
) -> Run:
    """Judge the unit files of `folder`, write the tables and the report, and the manifest last."""
    from riskcore.tables import backtest_table, score_table

    draft = Run(folder, {**manifest, "state": "complete"})
    reasons = sorted({unit["reason"] for unit in manifest["failed_units"]})
    require(bool(manifest["units"]), f"no unit could be computed: {'; '.join(reasons[:3])}", RiskcoreError)
    forecasts = draft.forecasts()
    counts = Counter(forecasts.frame["status"].astype(str))
    state = "degraded" if forecasts.degraded or manifest["failed_units"] else "complete"
    done = {
        **{key: value for key, value in manifest.items() if key not in ("outputs", "timings", "report_error")},
        "state": state,
        "status": {s.name: counts[s.name] for s in Status},
        "share_not_ok": forecasts.share_not_ok(),
    }
    scores, backtests = score_table(forecasts), backtest_table(forecasts, jobs=jobs)
    files = {"scores.csv": to_csv(scores), "backtests.csv": to_csv(backtests)}
    failure = {}
    if report is not None:
        title = f"Backtest of {', '.join(forecasts.assets[:3])}{' and more' if len(forecasts.assets) > 3 else ''}"
        findings = manifest["findings"]
        try:
            text = report(forecasts, scores=scores, backtests=backtests, title=title, manifest=done, findings=findings)
            files["report.html"] = text.encode("utf-8")
        except Exception as error:  # whatever it is: hours of forecasts must not be lost for a page
            _log.debug("report failed", exc_info=True)
            failure = {"report_error": f"{type(error).__name__}: {error}"}
    outputs = {name: sha256(data) for name, data in files.items()}
    complete = {**done, **failure, "outputs": outputs, "timings": timings()}
    with writable(folder):
        for name, data in files.items():
            atomic_write(folder / name, data)
        if "report.html" not in files:
            (folder / "report.html").unlink(missing_ok=True)  # it would show an earlier state of these files
        write_manifest(folder, complete)
    return Run(folder, plain(complete))


def rebuild_run(path: str | Path, *, report: Report | None = None) -> Run:
    """Rebuild the tables and the report of a run from its unit files; timings stay those of the run.

    Raises
    ------
    DataError
        If the run is not complete, or one of its unit files is damaged or missing.
    """
    run = open_run(path)
    require(
        run.state != "running",
        f"{str(run.path)!r} must be a complete run, got one that was stopped; resume it with the command that made it",
        DataError,
    )
    changed = [line for line in verify_run(path) if line.startswith(FOLDER) and "not in the manifest" not in line]
    require(
        not changed, f"files of {str(run.path)!r} must be as they were written, got {'; '.join(changed)}", DataError
    )
    with locked(run.path):
        return finish(run.path, run.manifest, timings=lambda: run.manifest["timings"], report=report)
