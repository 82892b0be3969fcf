"""`forecast`: many assets and models, each on its own dates, walked forward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import FloatArray, Target, WalkForward
from riskcore.errors import require
from riskcore.forecasters import Forecaster
from riskcore.forecasts import DENSITY, INDEX, LEVEL, STATUS_DTYPE, Forecasts, tail_label
from riskcore.walkforward.exogenous import Exog, exog_of_assets, rows_of
from riskcore.walkforward.inputs import check_losses, check_models, resolve_models, resolve_targets
from riskcore.walkforward.loop import Tick, walk_forward

Progress = Callable[[int, int], None]


def forecast_unit(
    losses: pd.Series[float],
    forecaster: Forecaster,
    targets: Sequence[Target],
    plan: WalkForward,
    *,
    asset: str,
    model: str,
    exog: pd.DataFrame | None = None,
    ahead: bool = False,
    from_date: Any = None,
    to_date: Any = None,
    tick: Tick | None = None,
) -> pd.DataFrame:
    """Rows of one asset and model, as `Forecasts` has them; one BLAS thread, whatever the number of jobs.

    `exog` holds at least the columns that the forecaster reads.
    """
    from threadpoolctl import threadpool_limits

    series = losses.dropna()
    dates = _row_dates(series, ahead)
    first, stop = rows_between(dates, plan, from_date, to_date)
    values: FloatArray = np.asarray(series, dtype=np.float64)
    columns = rows_of(exog, forecaster, pd.DatetimeIndex(series.index), asset)
    with threadpool_limits(limits=1):
        walk = walk_forward(values, forecaster, targets, plan, exog=columns, first=first, stop=stop, tick=tick)
    rows = slice(walk.first, walk.first + walk.values.shape[0])
    frame = pd.DataFrame(
        {
            "origin": dates[rows.start - 1 : rows.stop - 1],
            "loss": np.append(values, np.nan)[rows],
            "status": pd.Categorical.from_codes(walk.status, dtype=STATUS_DTYPE),
        }
    )
    blocks = [
        pd.DataFrame(walk.values, columns=[t.label for t in targets]),
        pd.DataFrame(walk.density, columns=list(DENSITY)),
        pd.DataFrame(walk.tail, columns=[tail_label(x) for x in defaults.TAIL_LEVELS]),
    ]
    if np.isfinite(walk.level).any():
        blocks.append(pd.DataFrame({LEVEL: walk.level}))
    frame = pd.concat([frame, *blocks], axis=1)
    frame.index = pd.MultiIndex.from_arrays(
        [np.repeat(asset, len(frame)), np.repeat(model, len(frame)), dates[rows]], names=list(INDEX)
    )
    return frame


def _row_dates(series: pd.Series[float], ahead: bool) -> pd.DatetimeIndex:
    dates = pd.DatetimeIndex(series.index)
    return pd.DatetimeIndex([*dates, next_date(dates)]) if ahead else dates


def next_date(dates: pd.DatetimeIndex) -> pd.Timestamp:
    """The day after the last: the next weekday, or the next calendar day for a series that trades on weekends."""
    trades_weekends = bool((dates[-60:].day_of_week >= 5).any())
    step = pd.Timedelta(days=1) if trades_weekends else pd.offsets.BDay(1)
    return pd.Timestamp(dates[-1] + step)


def rows_between(dates: pd.DatetimeIndex, plan: WalkForward, from_date: Any, to_date: Any) -> tuple[int, int]:
    """Rows whose dates lie in the interval and that have a full window before them."""
    first = plan.window if from_date is None else max(plan.window, int(dates.searchsorted(pd.Timestamp(from_date))))
    stop = len(dates) if to_date is None else int(dates.searchsorted(pd.Timestamp(to_date), side="right"))
    return first, max(stop, first)


def forecast(
    losses: pd.DataFrame | pd.Series[float],
    models: Forecaster | str | Iterable[Forecaster | str],
    targets: Target | str | Iterable[Target | str] | None = None,
    plan: WalkForward | None = None,
    exog: Exog | None = None,
    ahead: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
    from_date: Any = None,
    to_date: Any = None,
) -> Forecasts:
    """Walk every model forward through every asset's losses.

    Parameters
    ----------
    losses : DataFrame or Series
        Losses (positive hurts) by date, one column per asset; each asset lives on the dates where it is not NaN.
    models : iterable of Forecaster or str
        Forecasters or short names.
    targets : iterable of Target or str, optional
        By default VaR 0.99, ES 0.975 and expectiles 0.99 and 0.99855; an ES brings the VaR at its level.
    plan : WalkForward, optional
        By default a moving window of 1000 with a refit every day.
    exog : DataFrame or mapping of DataFrame, optional
        Columns for forecasters that declare ``needs_exog``, by date; row i is known at the end of day i. A frame serves
        all assets, a mapping gives each asset its own. On an asset's dates each column takes its last known value: a
        missing one is carried forward, never filled from a later day, and a window before the first is not fitted. A
        missing realized variance is forecast by the model that reads it, for ten days of losses at most.
    ahead : bool
        Add the row for the next day, with `loss` NaN.
    jobs : int
        Processes; the numbers do not depend on it.
    progress : callable, optional
        Called with (rows done, rows in all).
    from_date, to_date : date-like, optional
        Bounds of the dates forecast for, not of the losses used before them.

    Returns
    -------
    Forecasts
        One row per asset, model and day.

    Raises
    ------
    DataError
        If the losses cannot be used: too few, infinite, unordered.
    ConfigError
        If a setting is outside its range, a model reads a column that is absent, or no model reads `exog`.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=300, freq="B")
    >>> losses = pd.Series(np.random.default_rng(1).normal(size=300), days, name="A")
    >>> table = forecast(losses, ["historical"], ["var:0.95"], WalkForward(250, 25), ahead=True)
    >>> len(table.frame), table.next_day().index[0][2].date().isoformat()
    (51, '2025-02-24')
    """
    plan = WalkForward() if plan is None else plan
    frame = check_losses(losses, plan, ahead=ahead)
    chosen, labelled = resolve_targets(targets), resolve_models(models)
    _check_run(labelled, chosen, jobs)
    columns = exog_of_assets(exog, frame, labelled)
    units = [(asset, label) for asset in frame.columns for label in labelled]
    totals = {a: _n_rows(frame[a], plan, ahead, from_date, to_date) for a in frame.columns}
    require(any(totals.values()), f"no forecast dates between {from_date} and {to_date}: nothing to do")
    total, done = sum(totals.values()) * len(labelled), 0

    def advance(n_rows: int) -> None:
        nonlocal done
        done += n_rows
        if progress is not None:
            progress(done, total)

    options: dict[str, Any] = {"ahead": ahead, "from_date": from_date, "to_date": to_date}
    if jobs == 1:
        frames = [
            forecast_unit(
                frame[a], labelled[m], chosen, plan, asset=a, model=m, exog=columns[a], tick=advance, **options
            )
            for a, m in units
        ]
    else:
        from joblib import Parallel, delayed

        tasks = (
            delayed(forecast_unit)(frame[a], labelled[m], chosen, plan, asset=a, model=m, exog=columns[a], **options)
            for a, m in units
        )
        frames = []
        for (asset, _), rows in zip(units, Parallel(n_jobs=jobs, return_as="generator")(tasks), strict=True):
            frames.append(rows)
            advance(totals[asset])
    return Forecasts(pd.concat(frames), chosen)


def _n_rows(losses: pd.Series[float], plan: WalkForward, ahead: bool, from_date: Any, to_date: Any) -> int:
    dates = _row_dates(losses.dropna(), ahead)
    first, stop = rows_between(dates, plan, from_date, to_date)
    return stop - first


def _check_run(models: dict[str, Forecaster], targets: Sequence[Target], jobs: int) -> None:
    is_count = isinstance(jobs, (int, np.integer)) and not isinstance(jobs, bool) and (jobs >= 1 or jobs == -1)
    require(is_count, f"jobs must be a whole number >= 1, or -1 for all cores, got {jobs!r}")
    check_models(models, targets)
