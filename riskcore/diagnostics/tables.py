"""Several fits side by side, and what a fit does not offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from riskcore._types import Target
from riskcore.diagnostics.dynamics import no_news_impact
from riskcore.diagnostics.fit import ModelFit
from riskcore.diagnostics.levels import no_levels
from riskcore.diagnostics.moving import no_level
from riskcore.diagnostics.regimes import no_regimes
from riskcore.diagnostics.residuals import no_pit, no_residuals
from riskcore.diagnostics.thresholds import no_thresholds
from riskcore.diagnostics.uncertainty import no_bands
from riskcore.errors import require

PARTS: Mapping[str, Callable[[ModelFit], str]] = MappingProxyType(
    {
        "residual_qq": no_residuals,
        "residual_acf": no_residuals,
        "pit": no_pit,
        "news_impact": no_news_impact,
        "level_curve": no_levels,
        "tail_thresholds": no_thresholds,
        "regimes": no_regimes,
        "level": no_level,
        "bands": no_bands,
    }
)
"""Parts of a diagnosis, each with the question why a fit has it not."""


def why_not(fit: ModelFit, part: str) -> str:
    """Why a fit lacks a part of the diagnosis, in words; empty where it has it.

    Parameters
    ----------
    fit : ModelFit
        The fit.
    part : str
        One of `PARTS`.

    Returns
    -------
    str
        A reason, or the empty text.

    Raises
    ------
    ConfigError
        For an unknown part.
    """
    require(part in PARTS, f"part must be one of {', '.join(PARTS)}, got {part!r}")
    return PARTS[part](fit)


def comparison(fits: Sequence[ModelFit]) -> pd.DataFrame:
    """Fits side by side: one row per model with its criteria and the next day's figures.

    Parameters
    ----------
    fits : sequence of ModelFit
        On the same asset and window, or the criteria do not compare; on one window all are judged on the same days.

    Returns
    -------
    DataFrame
        Columns model, status, window, likelihood, n_parameters, log_likelihood, aic, bic, then one per target of any
        fit, then volatility; NaN where a model offers none. A criterion of a normal quasi-likelihood compares with
        others of its kind only; one of a likelihood that is not maximised is too high.

    Examples
    --------
    >>> comparison([])[["model", "aic"]].shape
    (0, 2)
    """
    targets: dict[Target, None] = {t: None for fit in fits for t in fit.forecasts.targets}
    names = ["model", "status", "window", "likelihood", "n_parameters", "log_likelihood", "aic", "bic"]
    rows = [
        {
            **{name: getattr(fit, name) for name in names},
            **{t.label: fit.value(t) for t in targets if t in fit.forecasts.targets},
            "volatility": fit.volatility,
        }
        for fit in fits
    ]
    return pd.DataFrame(rows, columns=[*names, *(t.label for t in targets), "volatility"])
