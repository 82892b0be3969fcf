"""What a run has to do: its units of work, which of them are on disk already, and the walk through the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskcore import defaults
from riskcore._types import Target, WalkForward
from riskcore.errors import ConfigError, DataError, require
from riskcore.runs.exogenous import describe_exog, digest_of
from riskcore.runs.manifest import code_version
from riskcore.runs.pool import Board, Outcome, Task, run_tasks, watched
from riskcore.runs.store import Stored, Unit, losses_sha256, read_unit

if TYPE_CHECKING:
    import pandas as pd

    from riskcore.forecasters.base import Forecaster
    from riskcore.walkforward import Exog


class RunInterrupted(KeyboardInterrupt):
    """A run was stopped by the user; the units that were done are on disk.

    Parameters
    ----------
    done, total : int
        Units with a file, and units in all.
    """

    def __init__(self, done: int, total: int) -> None:
        super().__init__(f"{done} of {total} units done")
        self.done = done
        self.total = total


@dataclass(frozen=True)
class Walked:
    """What a walk through all units gave: outcomes of new work, files that were there, files that were damaged."""

    outcomes: Mapping[int, Outcome]
    reused: Mapping[int, Stored]
    damaged: Sequence[str]


@dataclass(frozen=True)
class Work:
    """The units of a run, assets and models in the order given, with what each needs."""

    units: tuple[Unit, ...]
    series: Mapping[str, pd.Series[float]]
    exog: Mapping[str, pd.DataFrame | None]
    forecasters: Mapping[str, Forecaster]
    targets: tuple[Target, ...]
    plan: WalkForward
    options: Mapping[str, Any]
    days: Mapping[str, int]
    settings: Mapping[str, Any]
    data: Mapping[str, Any]

    def walk(self, folder: Path, *, jobs: int, progress: Callable[[int, int], None] | None) -> Walked:
        """Do the units that have no whole file in `folder`; `RunInterrupted` if the user stops it."""
        reused, damaged = self._on_disk(folder)
        missing = [place for place in range(len(self.units)) if place not in reused]
        board = Board(len(self.units))
        tasks = [self._task(place, folder, board.path) for place in missing]
        total = sum(self.days[unit.asset] for unit in self.units)
        before = sum(self.days[self.units[place].asset] for place in reused)
        outcomes: dict[int, Outcome] = {}
        report = None if progress is None else (lambda done: progress(done, total))
        try:
            with watched(board, tasks, before, report):
                for outcome in run_tasks(tasks, min(jobs, max(len(tasks), 1)), board):
                    _stop_at_once(outcome, folder)
                    outcomes[outcome.place] = outcome
        except KeyboardInterrupt as error:
            whole, _ = self._on_disk(folder)
            raise RunInterrupted(len(whole), len(self.units)) from error
        finally:
            board.close()
        return Walked(outcomes, reused, damaged)

    def _on_disk(self, folder: Path) -> tuple[dict[int, Stored], list[str]]:
        """Whole files of this run by place, and names of damaged ones (which are done again)."""
        whole, damaged = {}, []
        for place, unit in enumerate(self.units):
            path = folder / unit.file
            if not path.is_file():
                continue
            try:
                stored = read_unit(path)
            except DataError:
                damaged.append(unit.file)
                continue
            if stored.unit.key == unit.key:
                whole[place] = stored
            else:
                damaged.append(unit.file)
        return whole, damaged

    def _task(self, place: int, folder: Path, board: Path) -> Task:
        unit = self.units[place]
        return Task(
            unit=unit,
            losses=self.series[unit.asset],
            exog=self.exog[unit.asset],
            forecaster=self.forecasters[unit.model],
            targets=self.targets,
            plan=self.plan,
            options=dict(self.options),
            folder=folder,
            board=board,
            place=place,
            days=self.days[unit.asset],
        )


def _stop_at_once(outcome: Outcome, folder: Path) -> None:
    if outcome.kind == "cannot_write":
        raise ConfigError(f"out must be a folder that can be written, got {str(folder.parent)!r}: {outcome.reason}")
    if outcome.kind == "bad_input":
        raise ConfigError(outcome.reason)


def plan_work(
    losses: pd.DataFrame | pd.Series[float],
    models: Iterable[str | Forecaster],
    targets: Iterable[Target | str] | None,
    plan: WalkForward,
    *,
    ahead: bool,
    from_date: str | date | None,
    to_date: str | date | None,
    exog: Exog | None = None,
) -> Work:
    """Check all settings against the data before anything is written, and list the units."""
    from riskcore import walkforward
    from riskcore.walkforward.exogenous import names_read

    frame = walkforward.check_losses(losses, plan)
    forecasters = walkforward.resolve_models(models)
    wanted = walkforward.resolve_targets(targets)
    walkforward.check_models(forecasters, wanted)
    columns = walkforward.exog_of_assets(exog, frame, forecasters)
    n_units = frame.shape[1] * len(forecasters)
    require(
        n_units <= defaults.MAX_UNITS,
        f"assets times models must be at most {defaults.MAX_UNITS}, got {frame.shape[1]} x {len(forecasters)}",
    )
    first, last = day(from_date, "from"), day(to_date, "to")
    if first is not None and last is not None:
        require(first <= last, f"from must not lie after to, got {first:%Y-%m-%d} and {last:%Y-%m-%d}")
    options = {"ahead": ahead, "from_date": first, "to_date": last}
    series = {str(name): frame[name].dropna().astype("float64") for name in frame.columns}
    days = {name: _count_days(name, values, plan, first, last, ahead) for name, values in series.items()}
    common = {
        "targets": [t.label for t in wanted],
        **{f.name: getattr(plan, f.name) for f in fields(plan)},
        "ahead": ahead,
        "from": None if first is None else f"{first:%Y-%m-%d}",
        "to": None if last is None else f"{last:%Y-%m-%d}",
    }
    models_by_label = {label: repr(forecaster) for label, forecaster in forecasters.items()}
    data = {asset: _describe(values) for asset, values in series.items()}
    read = {label: names_read(forecaster) for label, forecaster in forecasters.items()}
    digests = {(a, label): digest_of(columns[a], names) for a in data for label, names in read.items()}
    units = tuple(
        Unit(asset, label, {**common, "code": dict(code_version()), "asset": asset, "model": label,
                            "forecaster": text, "losses": described["sha256"],
                            **({"exog": digests[asset, label]} if digests[asset, label] else {})})
        for asset, described in data.items() for label, text in models_by_label.items()
    )  # fmt: skip
    require(len({u.file for u in units}) == n_units, "units must have distinct file names, got repeats")
    settings = {"models": models_by_label, **common, **describe_exog(columns)}
    return Work(units, series, columns, forecasters, wanted, plan, options, days, settings, data)


def day(value: str | date | None, name: str) -> pd.Timestamp | None:
    """A bound of the forecast dates.

    Raises
    ------
    ConfigError
        If the text is not a date written as year-month-day.
    """
    import pandas as pd

    if value is None:
        return None
    try:
        return pd.Timestamp(date.fromisoformat(value) if isinstance(value, str) else value).normalize()
    except (ValueError, TypeError, OverflowError) as error:
        raise ConfigError(f"{name} must be a date such as 2005-01-31, got {value!r}") from error


def _count_days(
    name: str,
    values: pd.Series[float],
    plan: WalkForward,
    first: pd.Timestamp | None,
    last: pd.Timestamp | None,
    ahead: bool,
) -> int:
    """Days to forecast for an asset; none is an error that says between which dates there are some."""
    import pandas as pd

    from riskcore.walkforward import next_date, rows_between

    known = pd.DatetimeIndex(values.index)
    dates = pd.DatetimeIndex(known.append(pd.DatetimeIndex([next_date(known)]))) if ahead else known
    start, stop = rows_between(dates, plan, first, last)
    span = f"{dates[plan.window]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}"
    require(stop > start, f"from and to must leave a day to forecast: {name!r} has forecasts from {span} only")
    return stop - start


def _describe(values: pd.Series[float]) -> dict[str, Any]:
    return {
        "sha256": losses_sha256(values),
        "rows": int(values.size),
        "first": f"{values.index[0]:%Y-%m-%d}",
        "last": f"{values.index[-1]:%Y-%m-%d}",
    }
