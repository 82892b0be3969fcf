"""How far the next day's expectiles of a fit are known, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from riskcore._types import FloatArray, Target
from riskcore.diagnostics.bands import FAMILIES, ExpectileBand, expectile_band
from riskcore.distributions import Empirical
from riskcore.errors import FitError, require
from riskcore.forecasters.bayes import BayesExpectile
from riskcore.forecasters.location_scale import FittedLocationScale, LocationScale

if TYPE_CHECKING:
    from riskcore.diagnostics.fit import ModelFit

COLUMNS = ("level", "forecast", "low", "high", "standard_error", "method")


def no_bands(fit: ModelFit) -> str:
    """Why a fit has no error bands; empty where it has."""
    if fit.failure:
        return f"the estimation failed: {fit.failure}"
    model = fit.forecaster
    filtered = (
        isinstance(model, LocationScale)
        and model.volatility.short in FAMILIES
        and isinstance(model.law, Empirical)
        and model.mean_used.short in ("zero", "constant")
    )
    if not (filtered or isinstance(model, BayesExpectile)):
        return (
            "the error of an expectile is known for filtered historical simulation with GARCH, GJR or EGARCH (mean "
            f"zero or constant) and for Bayesian expectile regression, not for {fit.model}"
        )
    return "" if _expectiles(fit) else "none of the targets is an expectile"


def expectile_bands(fit: ModelFit, *, share: float = 0.95) -> pd.DataFrame:
    """Error bands of the next day's expectiles: how far each is known, not where the loss will fall.

    Under filtered historical simulation by the formula of `expectile_band`, or by its bootstrap where a parameter lies
    on its bound; of a Bayesian expectile regression the credible interval, rescaled by the sandwich.

    Parameters
    ----------
    fit : ModelFit
        A fit of such a model.
    share : float
        What a band should cover, in (0, 1).

    Returns
    -------
    DataFrame
        A row for each expectile among the targets: level, forecast, low, high, standard_error (NaN for a credible
        interval) and method, "delta", "bootstrap" or "posterior".

    Raises
    ------
    ConfigError
        If the model has no bands, or `share` lies outside its range.
    FitError
        If fewer than half of the bootstrap's paths can be estimated.

    References
    ----------
    Newey & Powell (1987), Econometrica 55, 819-847.

    Examples
    --------
    >>> import pandas as pd
    >>> from riskcore import fit_model
    >>> days = pd.bdate_range("2020-01-01", periods=500)
    >>> losses = pd.Series(0.01 * np.random.default_rng(0).standard_t(5, 500), days)
    >>> expectile_bands(fit_model(losses, "bayes-expectile", ["expectile:0.9"], window=500)).round(4)
       level  forecast     low    high  standard_error     method
    0    0.9    0.0101  0.0084  0.0118             NaN  posterior
    """
    lacking = no_bands(fit)
    require(not lacking, f"model must have error bands, got none: {lacking}")
    losses: FloatArray = np.asarray(fit.series["loss"], dtype=np.float64)
    rows = [(t.level, *_band(fit, losses, t, share)) for t in _expectiles(fit)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _expectiles(fit: ModelFit) -> list[Target]:
    return [t for t in fit.forecasts.targets if t.measure == "expectile"]


def _band(fit: ModelFit, losses: FloatArray, target: Target, share: float) -> tuple[float, float, float, float, str]:
    model = fit.forecaster
    if isinstance(model, BayesExpectile):
        fitted = model.fit(losses, [target])
        low, high = fitted.band(losses, target, share=share)[0]
        return fit.value(target), float(low), float(high), float("nan"), "posterior"
    assert isinstance(model, LocationScale) and fit.estimate is not None  # noqa: PT018 (said by no_bands)
    own = FittedLocationScale(model, fit.estimate)
    try:
        band: ExpectileBand = expectile_band(own, losses, target.level, share=share)
    except FitError:
        band = expectile_band(own, losses, target.level, method="bootstrap", share=share)
    return band.forecast, band.low, band.high, band.standard_error, band.method
