"""What a job amounts to, and whether this server takes it on: checked before anything waits. No streamlit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from riskcore.dashboard.job_files import Facts
from riskcore.errors import require
from riskcore.runs.plan import Work

if TYPE_CHECKING:
    import pandas as pd

    from riskcore.forecasters.base import Forecaster
    from riskcore.runs.config import Settings

MAX_ESTIMATIONS = 50_000
"""Most estimations of a job, each counted as often as its window holds a thousand losses: 90 minutes of one processor
at the tenth of a second that a GARCH model with a skewed law takes."""
MAX_DAYS = 1_000_000
"""Most forecasts of a job (days times assets times models): what the tables and the report hold in memory at once."""
_BASE_WINDOW = 1000


def facts_of(settings: Settings, losses: pd.DataFrame) -> Facts:
    """Check the settings against the losses as a run does, and against what this server takes on.

    Raises
    ------
    ConfigError
        As :func:`riskcore.run_backtest`, or for a job that is too large, with its size and the bound.
    """
    from riskcore.runs.plan import plan_work

    work = plan_work(
        losses,
        settings.models,
        settings.targets,
        settings.plan,
        ahead=True,
        from_date=settings.from_date,
        to_date=settings.to_date,
    )
    facts = _facts(work)
    require(
        facts.days <= MAX_DAYS,
        f"forecasts of one run must be at most {MAX_DAYS:,} here, got {facts.days:,} ({_size(facts)}); "
        "choose fewer assets or models, or a later first day, or use riskcore backtest on a machine of your own",
    )
    load = round(facts.estimations * max(settings.plan.window / _BASE_WINDOW, 0.25))
    require(
        load <= MAX_ESTIMATIONS,
        f"estimations of one run must be at most {MAX_ESTIMATIONS:,} (on {_BASE_WINDOW} losses each) here, "
        f"got {load:,} ({_size(facts)}, {facts.estimations:,} estimations on {settings.plan.window:,}); choose a "
        "larger refit_every, fewer models or a later first day, or use riskcore backtest on a machine of your own",
    )
    return facts


def _facts(work: Work) -> Facts:
    import pandas as pd

    from riskcore.walkforward import next_date, rows_between

    bounds = []
    for values in work.series.values():
        known = pd.DatetimeIndex(values.index)
        dates = pd.DatetimeIndex(known.append(pd.DatetimeIndex([next_date(known)])))
        start, stop = rows_between(dates, work.plan, work.options["from_date"], work.options["to_date"])
        bounds.append((dates[start], dates[stop - 1]))
    slow = sum(_optimises(model) for model in work.forecasters.values())
    refits = sum(-(-days // work.plan.refit_every) for days in work.days.values())
    return Facts(
        assets=len(work.series),
        models=len(work.forecasters),
        days=sum(work.days.values()) * len(work.forecasters),
        estimations=refits * slow,
        first=f"{min(first for first, _ in bounds):%Y-%m-%d}",
        last=f"{max(last for _, last in bounds):%Y-%m-%d}",
    )


def _optimises(model: Forecaster) -> bool:
    """Whether a refit searches for an optimum, which is what takes time; moments and samples do not.

    >>> from riskcore.forecasters import FORECASTERS
    >>> [_optimises(FORECASTERS[name]) for name in ("historical", "ewma", "garch-t", "care-linear")]
    [False, False, True, True]
    """
    volatility: Any = getattr(model, "volatility", None)
    return bool(getattr(volatility, "estimated", True))


def _size(facts: Facts) -> str:
    return f"{facts.assets:,} assets x {facts.models:,} models, {facts.first} to {facts.last}"


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a file keeps them: lists for tuples, texts for dates, nothing for None.

    >>> import datetime
    >>> plain_settings({"from": datetime.date(2020, 1, 2), "models": ("ewma",), "to": None})
    {'from': '2020-01-02', 'models': ['ewma']}
    """
    return {name: _plain(value) for name, value in settings.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()[:10]
    return value.item() if hasattr(value, "item") else value
