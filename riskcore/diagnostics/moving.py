"""The expectile level of each day, of a model whose level moves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from riskcore.errors import require
from riskcore.forecasts import LEVEL

if TYPE_CHECKING:
    from riskcore.diagnostics.fit import ModelFit


def no_level(fit: ModelFit) -> str:
    """Why a fit has no level that moves; empty where it has one."""
    if fit.failure:
        return f"the estimation failed: {fit.failure}"
    if LEVEL not in fit.series:
        return f"{fit.model} forecasts its risk figures at the levels that were asked for: none moves"
    moving = fit.forecasts.moving(fit.forecasts.frame)
    return "" if moving is not None else f"there is no level for the next day: {fit.status_words}"


def level_path(fit: ModelFit) -> pd.DataFrame:
    r"""The expectile level :math:`\tau_t` of each day of the window and of the next day, of a model whose level moves.

    The rule's numbers are those of the whole window, and the level of a day needs losses before it only. The path
    begins in the middle of the window: the first half gives the residuals of which the day's expectile is taken.

    Parameters
    ----------
    fit : ModelFit
        A fit of such a model, as ``"dynamic-level"``.

    Returns
    -------
    DataFrame
        By date, from the first day with a level to the next day: level; forecast, the expectile at that level, which
        serves as a VaR; loss, NaN for the next day; var_level, the level of that VaR.

    Raises
    ------
    ConfigError
        If no level of the model moves.

    References
    ----------
    Oketunji (2025), arXiv:2507.13391. Gibbs & Candès (2021), Advances in Neural Information Processing Systems 34.

    Examples
    --------
    >>> import numpy as np
    >>> from riskcore import fit_model
    >>> days = pd.bdate_range("2020-01-01", periods=500)
    >>> losses = pd.Series(0.01 * np.random.default_rng(0).standard_t(5, 500), days)
    >>> path = level_path(fit_model(losses, "dynamic-level-online", ["var:0.99"], window=500))
    >>> len(path), path.round(4).iloc[-1].to_dict()
    (251, {'level': 0.9976, 'forecast': 0.0292, 'loss': nan, 'var_level': 0.99})
    """
    lacking = no_level(fit)
    require(not lacking, f"model must have a level that moves, got none: {lacking}")
    found = fit.forecasts.moving(fit.forecasts.frame)
    assert found is not None
    target, levels = found
    window = fit.series[[LEVEL, target.label, "loss"]].set_axis(["level", "forecast", "loss"], axis=1)
    window = window[window["level"].notna()]
    next_day = pd.DataFrame(
        {"level": levels, "forecast": fit.value(target), "loss": math.nan}, index=pd.DatetimeIndex([fit.date])
    )
    path = pd.concat([window, next_day])
    path.index.name = fit.series.index.name
    path["var_level"] = target.level
    return path
