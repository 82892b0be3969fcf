"""Which regime each day was in, and what the regimes are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from riskcore._types import FloatArray
from riskcore.errors import require

if TYPE_CHECKING:
    from riskcore.diagnostics.fit import ModelFit


def no_regimes(fit: ModelFit) -> str:
    """Why a fit has no regimes; empty where it has."""
    if fit.failure:
        return f"the estimation failed: {fit.failure}"
    return "" if fit.chain is not None else f"{fit.model} has no regimes"


def regime_probabilities(fit: ModelFit) -> pd.DataFrame:
    r"""Filtered probabilities of the regimes: :math:`P(S_t = j \mid L_1, \dots, L_t)`.

    Each row uses the losses up to its day, with the parameters of the whole window.

    Parameters
    ----------
    fit : ModelFit
        A fit of a Markov-switching model.

    Returns
    -------
    DataFrame
        By date, a column for each regime, "regime 1" being the calmest; rows sum to one.

    Raises
    ------
    ConfigError
        If the model has no regimes.

    References
    ----------
    Hamilton (1989), Econometrica 57(2), 357-384.
    """
    lacking = no_regimes(fit)
    require(not lacking, f"model must have regimes, got none: {lacking}")
    assert fit.chain is not None
    losses: FloatArray = np.asarray(fit.series["loss"], dtype=np.float64)
    return pd.DataFrame(fit.chain.filtered(losses), index=fit.series.index, columns=_names(fit))


def regime_table(fit: ModelFit) -> pd.DataFrame:
    """What the regimes are, one row each, the calmest first.

    Parameters
    ----------
    fit : ModelFit
        A fit of a Markov-switching model.

    Returns
    -------
    DataFrame
        Columns regime, volatility (of a day's loss in that regime), share (of days in the long run), days (expected
        length of a stay), today and tomorrow (probabilities of being in it on the last day and the next).

    Raises
    ------
    ConfigError
        If the model has no regimes.
    """
    lacking = no_regimes(fit)
    require(not lacking, f"model must have regimes, got none: {lacking}")
    chain = fit.chain
    assert chain is not None
    losses: FloatArray = np.asarray(fit.series["loss"], dtype=np.float64)
    return pd.DataFrame(
        {
            "regime": _names(fit),
            "volatility": [chain.params[f"sigma{j + 1}"] for j in range(chain.settings.regimes)],
            "share": chain.shares,
            "days": chain.durations,
            "today": chain.filtered(losses)[-1],
            "tomorrow": chain.predicted(losses)[-1],
        }
    )


def _names(fit: ModelFit) -> list[str]:
    assert fit.chain is not None
    return [f"regime {j + 1}" for j in range(fit.chain.settings.regimes)]
