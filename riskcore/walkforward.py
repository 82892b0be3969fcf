"""The only loop over time: refit, predict, refit; and `forecast`, which walks many assets and models."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import Block, FloatArray, Status, Target, WalkForward, with_companions
from riskcore.errors import ConfigError, DataError, FitError, require
from riskcore.forecasters import FORECASTERS, Fitted, Forecaster, Predictive
from riskcore.forecasts import DENSITY, INDEX, STATUS_DTYPE, STATUS_NAMES, Forecasts, tail_label

Tick = Callable[[int], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Walk:
    """Forecasts of one forecaster for rows ``first .. first + len(values) - 1`` of a series."""

    first: int
    values: FloatArray
    status: np.ndarray[Any, np.dtype[np.int8]]
    density: FloatArray
    tail: FloatArray


def walk_forward(
    losses: FloatArray,
    forecaster: Forecaster,
    targets: Sequence[Target],
    plan: WalkForward,
    *,
    first: int | None = None,
    stop: int | None = None,
    tick: Tick | None = None,
) -> Walk:
    """Forecast rows `first` to `stop`; row t uses losses before row t and nothing else.

    Parameters
    ----------
    losses : array, shape (n,)
        Finite losses in time order.
    forecaster : Forecaster
        Settings to fit at each refit of the plan.
    targets : sequence of Target
        Targets; those that the forecaster does not offer stay NaN.
    plan : WalkForward
        Window, refit interval, moving or expanding.
    first, stop : int, optional
        Rows wanted, by default from ``plan.window`` to n. ``stop = n + 1`` adds the day after the last loss. Wherever a
        walk begins, its rows are those of the full walk: it goes back to the last refit that starts cold.
    tick : callable, optional
        Called with the number of rows done after each block.

    Returns
    -------
    Walk
        A refit that fails leaves the last good one in use for at most 20 days (status ``stale_params``), then the
        forecaster's fallback (``fallback``), then NaN (``failed``).
    """
    first = plan.window if first is None else max(first, plan.window)
    stop = losses.size if stop is None else stop
    blocks = list(plan.blocks(max(losses.size, stop)))
    wanted = [b for b in blocks if b.test.stop > first and b.test.start < stop]
    begin = wanted[0].index - wanted[0].index % defaults.COLD_START_EVERY if wanted else 0
    walker = _Walker(losses, forecaster, targets, blocks, (first, stop), begin)
    if wanted:
        for block in blocks[begin : wanted[-1].index + 1]:
            walker.step(block)
            if tick is not None and block.test.stop > first:
                tick(min(block.test.stop, stop) - max(block.test.start, first))
    out = walker.out
    _mark_implausible(out, losses, targets, plan.window)
    return out


@dataclass(frozen=True)
class _Good:
    """The last fit that succeeded, with where its losses start and the first row it no longer serves fresh."""

    fitted: Fitted
    start: int
    fresh_until: int


class _Walker:
    """State of one walk: the last good fit, and the rows written so far."""

    def __init__(
        self,
        losses: FloatArray,
        forecaster: Forecaster,
        targets: Sequence[Target],
        blocks: Sequence[Block],
        rows: tuple[int, int],
        begin: int,
    ) -> None:
        self.losses, self.forecaster, self.blocks, self.begin = losses, forecaster, blocks, begin
        self.first, self.stop = first, stop = rows
        self.columns = [i for i, t in enumerate(targets) if forecaster.offers(t)]
        self.offered = [targets[i] for i in self.columns]
        n_rows = max(stop - first, 0)
        self.out = Walk(
            first=first,
            values=np.full((n_rows, len(targets)), np.nan),
            status=np.full(n_rows, Status.failed, dtype=np.int8),
            density=np.full((n_rows, len(DENSITY)), np.nan),
            tail=np.full((n_rows, len(defaults.TAIL_LEVELS)), np.nan),
        )
        self.good: _Good | None = None

    def step(self, block: Block) -> None:
        """Refit at the block's start and forecast its rows."""
        good, fresh = self._refit(block, self.good)
        if good is None and block.index == self.begin:  # a walk that begins late has no fit to fall back on yet
            good = self._carried(block.index)
        self.good = good
        if fresh and good is not None:
            self._write(block.test.start, block.test.stop, good.fitted, good.start, good.fitted.status)
        else:
            self._stand_in(block, good)

    def _refit(self, block: Block, good: _Good | None) -> tuple[_Good | None, bool]:
        cold = block.index % defaults.COLD_START_EVERY == 0
        start = None if cold or good is None else good.fitted
        try:
            fitted = self.forecaster.fit(self.losses[block.train].copy(), self.offered, start=start)
        except FitError:
            return good, False
        return _Good(fitted, block.train.start, block.test.stop), True

    def _carried(self, index: int) -> _Good | None:
        """The last good fit before a cold start, as the full walk would carry it."""
        if index == 0:
            return None
        begin = (index - 1) - (index - 1) % defaults.COLD_START_EVERY
        good: _Good | None = None
        for block in self.blocks[begin:index]:
            good, _ = self._refit(block, good)
            if good is None and block.index == begin:
                good = self._carried(begin)
        return good

    def _stand_in(self, block: Block, good: _Good | None) -> None:
        row, stop = block.test.start, block.test.stop
        if good is not None:
            stale_stop = min(stop, good.fresh_until + defaults.STALE_DAYS)
            if stale_stop > row:
                self._write(row, stale_stop, good.fitted, good.start, Status.stale_params)
                row = stale_stop
        fallback = getattr(self.forecaster, "fallback", lambda: None)()
        if fallback is None or row >= stop:
            return
        try:
            fitted = fallback.fit(self.losses[block.train].copy(), self.offered)
        except FitError:
            return
        self._write(row, stop, fitted, block.train.start, Status.fallback)

    def _write(self, row: int, stop: int, fitted: Fitted, start: int, status: Status) -> None:
        """Rows [row, stop) from a fit whose losses start at `start`; only what was asked for is kept."""
        n_days = stop - row
        seen = self.losses[start : stop - 1].copy()
        keep = slice(max(row, self.first) - row, min(stop, self.stop) - row)
        if keep.stop <= keep.start:
            return
        rows = slice(row + keep.start - self.first, row + keep.stop - self.first)
        values = fitted.predict(seen, self.offered, n_days)
        self.out.values[rows, self.columns] = values[keep]
        good_row = np.isfinite(values[keep]).all(axis=1)
        self.out.status[rows] = np.where(good_row, status, Status.failed)
        day = fitted.predictive(seen, n_days)
        if day is not None:
            density, tail = _density(day, self._loss(row, stop))
            self.out.density[rows] = density[keep]
            self.out.tail[rows] = tail[keep]

    def _loss(self, row: int, stop: int) -> FloatArray:
        loss = np.full(stop - row, np.nan)
        known = self.losses[row:stop]
        loss[: known.size] = known
        return loss


def _density(day: Predictive, loss: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns mean, volatility, pit, log_score, crps, and the quantiles of the day's law."""
    scaled = day.volatility > 0
    known = np.isfinite(loss) & scaled
    sigma = np.where(scaled, day.volatility, 1.0)
    z = np.where(known, (loss - day.mean) / sigma, 0.0)
    scores = (day.law.pit(z), np.log(sigma) - day.law.logpdf(z), sigma * day.law.crps(z))
    hidden = [np.where(known, s, np.nan) for s in scores]
    quantiles = [day.mean + sigma * day.law.ppf(p) for p in defaults.TAIL_LEVELS]
    return np.column_stack([day.mean, day.volatility, *hidden]), np.column_stack(quantiles)


def _mark_implausible(out: Walk, losses: FloatArray, targets: Sequence[Target], window: int) -> None:
    """Mark rows with ES below VaR or levels that cross, or a forecast outside the sane range of the window before."""
    if out.values.shape[0] == 0:
        return
    views = np.lib.stride_tricks.sliding_window_view(losses, window)
    rows = slice(out.first - window, out.first - window + out.values.shape[0])
    largest = np.abs(views[rows]).max(axis=1)
    middle = views[rows].mean(axis=1)
    slack = 1e-9 * largest
    with np.errstate(invalid="ignore"):
        low = (out.values < (middle - slack)[:, None]).any(axis=1)
        high = (out.values > (defaults.SANE_MULTIPLE * largest + slack)[:, None]).any(axis=1)
        crossed = np.zeros(low.size, dtype=bool)
        for lower, upper in ordered_pairs(targets):
            crossed |= out.values[:, upper] < out.values[:, lower] - slack
    bad = (low | high | crossed) & (out.status < Status.implausible)
    out.status[bad] = Status.implausible


def ordered_pairs(targets: Sequence[Target]) -> list[tuple[int, int]]:
    """Positions (i, j) of targets whose forecasts must not fall from i to j: VaR to its ES, and a measure's levels."""
    pairs = []
    for i, a in enumerate(targets):
        for j, b in enumerate(targets):
            rising = a.measure == b.measure and a.level < b.level
            if rising or (a.measure == "var" and b.measure == "es" and a.level == b.level):
                pairs.append((i, j))
    return pairs


def resolve_models(models: Forecaster | str | Iterable[Forecaster | str]) -> dict[str, Forecaster]:
    """Label every model: the user's `name`, the registry's short name, or else the text of its settings.

    Parameters
    ----------
    models : iterable of Forecaster or str
        Forecasters, or short names from `FORECASTERS`.

    Returns
    -------
    dict
        Label to forecaster, in order.

    Raises
    ------
    ConfigError
        For an unknown name, a name used twice, or no models.

    Examples
    --------
    >>> list(resolve_models(["historical", "garch-t"]))
    ['historical', 'garch-t']
    """
    found: dict[str, Forecaster] = {}
    for model in [models] if isinstance(models, (str, Forecaster)) else models:
        label, forecaster = _labelled(model)
        require(label not in found, f"models must have different names, got {label!r} twice; give one of them name=")
        found[label] = forecaster
    require(bool(found), f"models must name at least one of {', '.join(FORECASTERS)}, got none")
    return found


def _labelled(model: Forecaster | str) -> tuple[str, Forecaster]:
    if isinstance(model, str):
        close = difflib.get_close_matches(model, FORECASTERS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        require(model in FORECASTERS, f"model must be one of {', '.join(FORECASTERS)}, got {model!r}{hint}")
        return model, FORECASTERS[model]
    is_class = isinstance(model, type)
    require(not is_class, f"model must be a forecaster, got the class {model!r}; make one, such as LocationScale()")
    hint = "; put it into LocationScale(volatility=...)" if hasattr(model, "filter") else ""
    is_forecaster = isinstance(model, Forecaster)
    require(is_forecaster, f"model must be a forecaster or a short name, got {type(model).__name__}{hint}")
    if model.name is not None:
        return model.name, model
    short = next((key for key, known in FORECASTERS.items() if known == model), None)
    return short or repr(model), model


def resolve_targets(targets: Target | str | Iterable[Target | str] | None) -> tuple[Target, ...]:
    """Targets from objects or texts such as ``var:0.99``, the defaults for None, each ES with its companion VaR."""
    chosen = defaults.TARGETS if targets is None else [targets] if isinstance(targets, (str, Target)) else targets
    return with_companions(Target.parse(t) if isinstance(t, str) else t for t in chosen)


def forecast_unit(
    losses: pd.Series[float],
    forecaster: Forecaster,
    targets: Sequence[Target],
    plan: WalkForward,
    *,
    asset: str,
    model: str,
    ahead: bool = False,
    from_date: Any = None,
    to_date: Any = None,
    tick: Tick | None = None,
) -> pd.DataFrame:
    """Rows of one asset and model, as `Forecasts` has them; one BLAS thread, whatever the number of jobs."""
    from threadpoolctl import threadpool_limits

    series = losses.dropna()
    dates = _row_dates(series, ahead)
    first, stop = rows_between(dates, plan, from_date, to_date)
    values: FloatArray = np.asarray(series, dtype=np.float64)
    with threadpool_limits(limits=1):
        walk = walk_forward(values, forecaster, targets, plan, first=first, stop=stop, tick=tick)
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


def check_losses(losses: pd.DataFrame | pd.Series[float], plan: WalkForward, *, ahead: bool = False) -> pd.DataFrame:
    """Losses as a frame, checked: dates ascending and unique, values finite or missing, enough rows for the plan.

    Raises
    ------
    DataError
        Naming the asset, the rows needed and the rows there are.
    """
    frame = losses.to_frame(losses.name or "asset") if isinstance(losses, pd.Series) else losses
    is_frame = isinstance(frame, pd.DataFrame) and isinstance(frame.index, pd.DatetimeIndex)
    got = f"{type(losses).__name__} with {type(getattr(losses, 'index', None)).__name__}"
    require(is_frame, f"losses must be a DataFrame or Series with a DatetimeIndex, got a {got}", DataError)
    require(frame.shape[1] > 0, "losses must have at least one column, got none", DataError)
    require(frame.columns.is_unique, f"losses must have different columns, got {list(frame.columns)}", DataError)
    ordered = bool(frame.index.is_monotonic_increasing and frame.index.is_unique)
    require(ordered, "losses must have ascending dates without repeats; sort them and drop repeats", DataError)
    needed = plan.window + (0 if ahead else 1)
    short = {str(c): int(frame[c].notna().sum()) for c in frame.columns if frame[c].notna().sum() < needed}
    listed = ", ".join(f"{name} has {n}" for name, n in short.items())
    require(not short, f"window {plan.window} needs at least {needed} losses per asset: {listed}", DataError)
    infinite = [str(c) for c in frame.columns if np.isinf(frame[c].to_numpy(dtype=np.float64)).any()]
    require(not infinite, f"losses must be finite, got inf in {infinite}", DataError)
    for name in frame.columns:
        _refuse_prices(str(name), frame[name].dropna().to_numpy(dtype=np.float64))
    return frame.rename(columns=str)


def _refuse_prices(name: str, values: FloatArray) -> None:
    """Prices passed as losses walk through every model without a word: they are told by their sign and size."""
    middle = float(np.median(values))
    rule = "losses must be minus the returns: some days gain, most moves are small"
    text = f"{rule}; got {name!r} all positive with median {middle:g}, like prices: use to_losses(prices)"
    require(not (values.min() > 0 and middle > 1), text, DataError)


def forecast(
    losses: pd.DataFrame | pd.Series[float],
    models: Forecaster | str | Iterable[Forecaster | str],
    targets: Target | str | Iterable[Target | str] | None = None,
    plan: WalkForward | None = None,
    exog: pd.DataFrame | None = None,
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
        By default a moving window of 1000 with a refit every 20 days.
    exog : DataFrame, optional
        Columns known at each origin, for forecasters that declare ``needs_exog``.
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
        If a setting is outside its range.

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
    _check_run(labelled, chosen, exog, jobs)
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
            forecast_unit(frame[a], labelled[m], chosen, plan, asset=a, model=m, tick=advance, **options)
            for a, m in units
        ]
    else:
        from joblib import Parallel, delayed

        tasks = (
            delayed(forecast_unit)(frame[a], labelled[m], chosen, plan, asset=a, model=m, **options) for a, m in units
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


def _check_run(models: dict[str, Forecaster], targets: Sequence[Target], exog: Any, jobs: int) -> None:
    is_count = isinstance(jobs, (int, np.integer)) and not isinstance(jobs, bool) and (jobs >= 1 or jobs == -1)
    require(is_count, f"jobs must be a whole number >= 1, or -1 for all cores, got {jobs!r}")
    require(exog is None, "exog must be None: none of the models reads exogenous columns", ConfigError)
    check_models(models, targets)


def check_models(models: dict[str, Forecaster], targets: Sequence[Target]) -> None:
    """ConfigError for a model that offers none of the targets."""
    for label, model in models.items():
        offered = any(model.offers(t) for t in targets)
        wanted = ", ".join(t.label for t in targets)
        require(offered, f"model {label!r} offers none of the targets {wanted}")


__all__ = [
    "STATUS_NAMES",
    "Walk",
    "check_losses",
    "check_models",
    "forecast",
    "forecast_unit",
    "resolve_models",
    "resolve_targets",
    "walk_forward",
]
