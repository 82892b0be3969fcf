"""What a job amounts to, and whether this server takes it on: checked before anything waits. No streamlit."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from riskcore.dashboard.job_files import Facts
from riskcore.errors import require
from riskcore.runs.plan import Work

if TYPE_CHECKING:
    import pandas as pd

    from riskcore.forecasters.base import Forecaster
    from riskcore.runs.config import Settings

MAX_SECONDS = 5400.0
"""Longest run, as `Facts.seconds` estimates it: 90 minutes of one processor."""
MAX_DAYS = 1_000_000
"""Most forecasts of a job (days times assets times models): what the tables and the report hold in memory at once."""
_BASE_WINDOW = 1000
_START, _FORECAST = 6.0, 0.0002
"""Seconds of one processor, measured: a run's imports and report; a forecast with its tests, scores and tables."""
_DIRECT, _KERNEL, _LOG_KERNEL = 0.0003, 0.0005, 0.003
"""An estimation on a thousand losses: CARE; GARCH and GJR by our own kernel; EGARCH by it, 0.001 to 0.006."""
_JOINT, _LEVEL = 0.08, 0.025
"""The same: VaR and ES together at two levels, 0.04 to 0.09; a level that moves."""
_FAMILIES: Mapping[str, float] = {"aparch": 0.03, "figarch": 0.015, "component": 0.02, "beta-t-egarch": 0.004}
"""The same one by one by the kernel of these families, warm as a rule."""
_ONE_BY_ONE = 0.003
"""What an estimation takes at least where the windows do not move together."""
_ARCH, _LOG_ARCH = 0.15, 0.4
"""GARCH or GJR, and EGARCH, with the mean an autoregression: 0.1 to 0.2, and up to 0.5."""
_TWO_STEPS = 0.01
"""HAR, Realized GARCH and HEAVY, with a law."""
_REGIMES, _CHAIN = 0.009, 0.004
"""Two normal regimes; a thousand draws of a Bayesian regression."""
_LAW, _SKEWED_LAW = 0.005, 0.06
"""A law's parameters alone, from standardised losses."""


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
    require(
        facts.seconds <= MAX_SECONDS,
        f"work of one run must be at most about {about(MAX_SECONDS)} of one processor here, got about "
        f"{about(facts.seconds)} ({_size(facts)}, {facts.estimations:,} estimations); choose a larger refit_every, "
        "fewer models, models without an autoregressive mean, or a later first day, or use riskcore backtest on a "
        "machine of your own",
    )
    return facts


def about(seconds: float) -> str:
    """An estimate in words, rounded up: it has no more digits.

    >>> about(6.1), about(101), about(5400), about(40_000)
    ('10 s', '2 min', '90 min', '12 h')
    """
    for unit, name, most in ((10, "s", 100), (60, "min", 7200)):
        if seconds <= most:
            return f"{ceil(seconds / unit) * (unit if name == 's' else 1)} {name}"
    return f"{ceil(seconds / 3600)} h"


def _facts(work: Work) -> Facts:
    import pandas as pd

    from riskcore.walkforward import next_date, rows_between

    bounds = []
    for values in work.series.values():
        known = pd.DatetimeIndex(values.index)
        dates = pd.DatetimeIndex(known.append(pd.DatetimeIndex([next_date(known)])))
        start, stop = rows_between(dates, work.plan, work.options["from_date"], work.options["to_date"])
        bounds.append((dates[start], dates[stop - 1]))
    costs = [_seconds(model, expanding=work.plan.expanding) for model in work.forecasters.values()]
    refits = {asset: -(-days // work.plan.refit_every) for asset, days in work.days.items()}
    sizes = {asset: max(_losses(work, asset) / _BASE_WINDOW, 0.25) for asset in refits}
    n_days = sum(work.days.values()) * len(work.forecasters)
    estimating = sum(costs) * sum(refits[asset] * sizes[asset] for asset in refits)
    return Facts(
        assets=len(work.series),
        models=len(work.forecasters),
        days=n_days,
        estimations=sum(refits.values()) * sum(cost > 0 for cost in costs),
        seconds=round(_START + _FORECAST * n_days + estimating, 1),
        first=f"{min(first for first, _ in bounds):%Y-%m-%d}",
        last=f"{max(last for _, last in bounds):%Y-%m-%d}",
    )


def _losses(work: Work, asset: str) -> float:
    """Losses that an estimation uses, of an expanding window on average."""
    return (work.plan.window + len(work.series[asset])) / 2 if work.plan.expanding else work.plan.window


def _seconds(model: Forecaster, *, expanding: bool = False) -> float:
    """What an estimation on a thousand losses takes of one processor; 0 for moments and samples, which search nothing.

    >>> from riskcore import AR1, GARCH, LocationScale
    >>> from riskcore.forecasters import FORECASTERS
    >>> [_seconds(FORECASTERS[name]) for name in ("historical", "ewma", "garch-t", "egarch-t", "care-linear")]
    [0.0, 0.0, 0.0005, 0.003, 0.0003]
    >>> _seconds(LocationScale(mean=AR1(), volatility=GARCH())), _seconds(FORECASTERS["figarch-t"])
    (0.15, 0.015)
    """
    from riskcore.forecasters import FZGAS, BayesExpectile, DynamicLevel, JointVaRES, LocationScale, MarkovSwitching
    from riskcore.volatility.base import gaussian_if_sample
    from riskcore.volatility.problem import serves
    from riskcore.volatility.twostep import TwoStep

    if isinstance(model, MarkovSwitching):
        return _REGIMES * (2.0 if model.law.free else 1.0) * (5.0 if model.regimes == 3 else 1.0)
    if isinstance(model, BayesExpectile):
        return _CHAIN * model.draws / 1000
    if isinstance(model, (FZGAS, JointVaRES)):
        return _JOINT
    if isinstance(model, DynamicLevel):
        return _LEVEL
    if not isinstance(model, LocationScale):
        return _DIRECT
    volatility, law = model.volatility, model.law
    if not volatility.estimated:
        free = getattr(law, "free", ())
        return _SKEWED_LAW if len(free) > 1 else _LAW if free else 0.0
    if isinstance(volatility, TwoStep):
        return _TWO_STEPS
    if volatility.short in _FAMILIES:
        return _FAMILIES[volatility.short]
    logs = volatility.short == "egarch" or volatility.short == "arch-process"
    if not serves(volatility.short, model.mean_used.short, gaussian_if_sample(law)):
        return _LOG_ARCH if logs else _ARCH
    own = _LOG_KERNEL if logs else _KERNEL
    return max(own, _ONE_BY_ONE) if expanding else own


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
