"""What ``riskcore backtest`` does once its settings are read: the command and the dashboard's worker both call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from riskcore.ingest import Finding, load_files
from riskcore.returns import to_losses
from riskcore.runs.config import Settings
from riskcore.runs.exogenous import read_exog
from riskcore.runs.run import Progress, Report, Run, run_backtest


def execute(
    files: Sequence[str | Path],
    settings: Settings,
    out: str | Path,
    *,
    progress: Progress | None = None,
    report: Report | None = None,
    on_findings: Callable[[tuple[Finding, ...]], None] | None = None,
) -> Run:
    """Read the files, take the losses, and run the backtest into a folder.

    Parameters
    ----------
    files : sequence of path
        Files as for :func:`riskcore.load_files`.
    settings : Settings
        As :func:`riskcore.runs.config.settings` makes them. What is needed to read the files in the same way again
        goes into the manifest's notes, by the keys of a TOML file.
    out : str or Path
        Folder of the run; new, or one to be resumed.
    progress, report
        As for :func:`riskcore.run_backtest`.
    on_findings : callable, optional
        Told what was found in the files, before the run begins.

    Returns
    -------
    Run
        As :func:`riskcore.run_backtest` gives it.

    Raises
    ------
    DataError
        If a file cannot be used.
    ConfigError
        If a setting is outside its range, or `out` holds another run.
    """
    loaded = load_files(list(files), **settings.ingest)
    if on_findings is not None:
        on_findings(loaded.findings)
    exog = None if settings.exog is None else read_exog(settings.exog)
    losses = to_losses(loaded.prices, settings.kind, weights=settings.weights, values=settings.values)
    more: dict[str, object] = {} if settings.weights is None else {"weights": dict(settings.weights)}
    if settings.exog is not None:
        more["exog"] = Path(settings.exog).name
    return run_backtest(
        losses,
        settings.models,
        settings.targets,
        settings.plan,
        out,
        jobs=settings.jobs,
        progress=progress,
        from_date=settings.from_date,
        to_date=settings.to_date,
        exog=exog,
        inputs=files if settings.exog is None else [*files, settings.exog],
        findings=loaded.findings,
        notes={"kind": settings.kind, **settings.ingest, **more},
        report=report,
    )
