"""VaR, ES and expectile VaR of the next day's law over the level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from riskcore.distributions import Law, SampleLaw
from riskcore.errors import require

if TYPE_CHECKING:
    from riskcore.diagnostics.fit import ModelFit

LOWEST, HIGHEST, N_LEVELS = 0.90, 0.9995, 60
STANDARD = (0.95, 0.975, 0.99, 0.995, 0.999)


def no_levels(fit: ModelFit) -> str:
    """Why a fit has no curve over the level; empty where it has one."""
    if fit.failure:
        return f"the estimation failed: {fit.failure}"
    return "" if fit.law is not None else f"{fit.model} has no law of the loss: it models its targets one by one"


def level_curve(fit: ModelFit, levels: npt.ArrayLike | None = None) -> pd.DataFrame:
    r"""VaR, ES and expectile VaR of the next day at each level: :math:`\mu + \sigma\rho_\tau(Z)`.

    At the same level the expectile of a law with a moderate tail lies below its VaR: its level is no probability. What
    it says is the loss-gain ratio, :math:`\tau/(1-\tau)`.

    Parameters
    ----------
    fit : ModelFit
        A fit with a law.
    levels : sequence of float, optional
        In (0.5, 1); by default about 60 from 0.90 to 0.9995, evenly in the logarithm of the tail, with the usual ones.

    Returns
    -------
    DataFrame
        Columns level, var, es, expectile, loss_gain_ratio, es_over_var, and `beyond_sample`: true where 1 - level is
        less than the weight of a sample law's largest loss (one in n, if all weigh the same), so that VaR is that loss.

    Raises
    ------
    ConfigError
        If the model has no law, or a level lies outside (0.5, 1).

    References
    ----------
    Newey & Powell (1987), Econometrica 55(4). Jones (1994), Statistics & Probability Letters 20(2).
    """
    lacking = no_levels(fit)
    require(not lacking, f"model must have a law for a curve over the level, got none: {lacking}")
    assert fit.law is not None
    grid = _default_levels() if levels is None else np.asarray(levels, dtype=np.float64).ravel()
    inside = bool(np.all((grid > 0.5) & (grid < 1.0)))
    require(inside and grid.size > 0, f"levels must lie in (0.5, 1), got {levels!r}; typical values: 0.90 to 0.9995")
    # as in the forecasts: a sample of equal losses has no scale, but it has its losses
    scale = fit.volatility if fit.volatility > 0 else 1.0
    var, es, expectile = (fit.mean + scale * f(grid) for f in (fit.law.ppf, fit.law.es, fit.law.expectile))
    beyond = 1.0 - grid < _largest_weight(fit.law) * (1.0 - 1e-9)
    return pd.DataFrame(
        {
            "level": grid,
            "var": var,
            "es": es,
            "expectile": expectile,
            "loss_gain_ratio": grid / (1.0 - grid),
            "es_over_var": np.where(var > 0, es / np.where(var > 0, var, 1.0), np.nan),
            "beyond_sample": beyond,
        }
    )


def _largest_weight(law: Law) -> float:
    """Weight of the largest loss of a sample law, 0 for a law with a formula."""
    if not isinstance(law, SampleLaw):
        return 0.0
    return 1.0 / law.rows.size if law.weights is None else float(law.weights[-1])


def _default_levels() -> np.ndarray:
    tails = np.geomspace(1.0 - LOWEST, 1.0 - HIGHEST, N_LEVELS)
    return np.unique(np.round(np.concatenate([1.0 - tails, STANDARD]), 6))
