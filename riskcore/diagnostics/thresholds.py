"""How a generalised Pareto tail depends on its threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from riskcore.distributions import threshold_path
from riskcore.distributions.extreme import TailLaw

if TYPE_CHECKING:
    from riskcore.diagnostics.fit import ModelFit

LEAST = 20
"""Excesses at least that a threshold is shown for."""
MOST = 0.25
"""Largest share of the residuals above it."""
NORMAL_95 = 1.959963984540054


def no_thresholds(fit: ModelFit) -> str:
    """Why a fit has no tail with a threshold; empty where it has one."""
    if fit.failure:
        return f"the estimation failed: {fit.failure}"
    if not isinstance(fit.law, TailLaw):
        return f"{fit.model} has no generalised Pareto tail, and so no threshold"
    n = int(fit.series["residual"].notna().sum())
    return "" if int(MOST * n) > LEAST else f"{n} residuals are too few to move the threshold"


def tail_thresholds(fit: ModelFit, *, level: float = 0.99) -> pd.DataFrame:
    r"""Shape of the tail and VaR over the threshold, with the one in use marked: a steady stretch is a sign of a tail.

    Parameters
    ----------
    fit : ModelFit
        A fit whose law has a generalised Pareto tail.
    level : float
        Level of the VaR, in (0.5, 1).

    Returns
    -------
    DataFrame
        One row for each number of excesses: columns excesses, threshold, xi, low and high (the pointwise 95 % band of
        the shape, :math:`\xi \pm 1.96(1+\xi)/\sqrt k`), var (of the residuals), used.

    References
    ----------
    McNeil & Frey (2000), Journal of Empirical Finance 7, 271-300.

    Examples
    --------
    >>> tail_thresholds(fit)[["excesses", "xi"]]  # doctest: +SKIP
    """
    path = threshold_path(np.asarray(fit.series["residual"].dropna()), level=level, least=LEAST, most=MOST)
    k, threshold, xi, error, var = path.T
    used = int(fit.law.params["excesses"]) if isinstance(fit.law, TailLaw) else 0
    return pd.DataFrame(
        {
            "excesses": k.astype(np.int64),
            "threshold": threshold,
            "xi": xi,
            "low": xi - NORMAL_95 * error,
            "high": xi + NORMAL_95 * error,
            "var": var,
            "used": k == used,
        }
    )
