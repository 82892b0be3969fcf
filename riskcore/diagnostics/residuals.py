"""What the standardised residuals should look like if the model were right: QQ, autocorrelation, PIT."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from riskcore._types import FloatArray
from riskcore.distributions import Law, Mixture, Normal
from riskcore.errors import require
from riskcore.forecasters import LocationScale

if TYPE_CHECKING:
    from riskcore.diagnostics.fit import ModelFit

LAGS = 20
BAND = 0.95
Z_95 = 1.959963984540054


def no_residuals(fit: ModelFit) -> str:
    """Why a fit has no residuals; empty where it has."""
    if fit.failure:
        return f"the estimation failed: {fit.failure}"
    if fit.law is None:
        return f"{fit.model} has no law of the loss, so no standardised residuals"
    if not bool(fit.series["residual"].notna().any()):
        return "the losses are constant, so the residuals have no scale"
    return ""


def reference_law(fit: ModelFit) -> tuple[Law, str]:
    """The law that residuals are compared with, and its name: the fitted law, or the normal law for a sample law.

    A sample law *is* the residuals, so against itself every model would look right. Residuals of a model with regimes
    are normal quantiles.
    """
    if fit.law is None or fit.law.is_sample or isinstance(fit.law, Mixture):
        return Normal(), "normal"
    return fit.law, fit.law.short


def residual_qq(fit: ModelFit) -> pd.DataFrame:
    r"""Ordered residuals against quantiles of the fitted law, with the pointwise 95 % band of a known law.

    The i-th smallest of n residuals stands against :math:`F^{-1}((i - 1/2)/n)`. Were they drawn from F, its F-value
    would follow the Beta(i, n-i+1) law, whose 2.5 and 97.5 % quantiles give the band.

    Parameters
    ----------
    fit : ModelFit
        A fit with a law. A sample law is compared with the normal law, as against itself nothing could be seen.

    Returns
    -------
    DataFrame
        One row per residual, ascending: columns theoretical, residual, low, high, date, law. The band is that of a
        law known beforehand, of which one point in twenty lies outside by chance, neighbours together. Estimated
        parameters draw the residuals towards their law: of a right model fitted to 1,000 losses about 0.2 (GARCH with
        t) to 0.4 % (with normal law) of the points lie outside, by simulation. More than 2 % outside are a sign of a
        wrong law.

    Raises
    ------
    ConfigError
        If the model has no residuals.

    References
    ----------
    David & Nagaraja (2003), Order Statistics, section 2.1, doi:10.1002/0471722162.
    """
    from scipy.special import betaincinv

    lacking = no_residuals(fit)
    require(not lacking, f"model must have residuals for a QQ plot, got none: {lacking}")
    law, name = reference_law(fit)
    ordered = fit.series["residual"].dropna().sort_values(kind="stable")
    n = len(ordered)
    i = np.arange(1, n + 1, dtype=np.float64)
    low, high = (law.ppf(_inside(betaincinv(i, n - i + 1.0, q))) for q in (0.5 - BAND / 2, 0.5 + BAND / 2))
    return pd.DataFrame(
        {
            "theoretical": law.ppf((i - 0.5) / n),
            "residual": ordered.to_numpy(),
            "low": low,
            "high": high,
            "date": ordered.index,
            "law": name,
        }
    )


def _inside(p: npt.ArrayLike) -> FloatArray:
    """Probabilities kept off 0 and 1, where a law has no quantile."""
    return np.clip(np.asarray(p, dtype=np.float64), 1e-300, 1.0 - 2.0**-53)


def residual_acf(fit: ModelFit, lags: int = LAGS) -> pd.DataFrame:
    r"""Autocorrelations of residuals and of their squares, with the Ljung-Box test up to each lag.

    .. math:: r_k = \sum_t (x_t - \bar x)(x_{t+k} - \bar x) / \sum_t (x_t - \bar x)^2, \qquad
              Q_m = n(n+2) \sum_{k \le m} r_k^2/(n-k)

    Parameters
    ----------
    fit : ModelFit
        A fit with a law.
    lags : int
        Largest lag, at least 1 and below the number of residuals.

    Returns
    -------
    DataFrame
        Columns series (``residuals`` or ``squares``), lag, acf, band (half width, 1.96/sqrt(n)), statistic, df,
        p_value. `df` is the lag, less one for residuals of a mean with an autoregressive coefficient; NaN where
        nothing is left. Nothing is taken off for the parameters of the variance: for squared residuals of a GARCH
        model the chi-squared law is then approximate and rejects too rarely (Li & Mak).

    Raises
    ------
    ConfigError
        If the model has no residuals, or `lags` is outside its range.

    References
    ----------
    Ljung & Box (1978), Biometrika 65(2), 297-303, doi:10.1093/biomet/65.2.297. Li & Mak (1994), Journal of Time
    Series Analysis 15(6), 627-636, doi:10.1111/j.1467-9892.1994.tb00217.x.
    """
    lacking = no_residuals(fit)
    require(not lacking, f"model must have residuals for autocorrelations, got none: {lacking}")
    z: FloatArray = np.asarray(fit.series["residual"].dropna(), dtype=np.float64)
    ok = isinstance(lags, int) and not isinstance(lags, bool) and 1 <= lags < z.size
    require(ok, f"lags must be a whole number in [1, {z.size - 1}], got {lags!r}; typical values: 10, 20")
    used = _autoregressive(fit)
    parts = [_ljung_box(z, lags, used).assign(series="residuals"), _ljung_box(z**2, lags, 0).assign(series="squares")]
    return pd.concat(parts, ignore_index=True)[["series", "lag", "acf", "band", "statistic", "df", "p_value"]]


def _autoregressive(fit: ModelFit) -> int:
    settings = fit.forecaster
    return settings.mean_used.names.count("phi") if isinstance(settings, LocationScale) else 0


def _ljung_box(x: FloatArray, lags: int, used: int) -> pd.DataFrame:
    from scipy.special import chdtrc

    n, centred = x.size, x - x.mean()
    spread = float(centred @ centred)
    lag = np.arange(1, lags + 1)
    acf = np.array([float(centred[k:] @ centred[:-k]) for k in lag]) / spread if spread > 0 else np.full(lags, math.nan)
    statistic = n * (n + 2.0) * np.cumsum(acf**2 / (n - lag))
    df = np.where(lag > used, lag - used, math.nan)
    return pd.DataFrame(
        {
            "lag": lag,
            "acf": acf,
            "band": Z_95 / math.sqrt(n),
            "statistic": np.where(lag > used, statistic, math.nan),
            "df": df,
            "p_value": chdtrc(df, statistic),
        }
    )


def pit_values(fit: ModelFit) -> FloatArray:
    """Probability integral transforms of the window's losses under the fitted law, in time order.

    In-sample they flatter the model; under a sample law they are ranks of the residuals among themselves, uniform by
    construction. The PIT of a backtest is the one that judges.

    Raises
    ------
    ConfigError
        If the model has no law.
    """
    lacking = no_pit(fit)
    require(not lacking, f"model must have a law to have a PIT, got none: {lacking}")
    return np.asarray(fit.series["pit"].dropna(), dtype=np.float64)


def no_pit(fit: ModelFit) -> str:
    """Why a fit has no PIT worth a look; empty where it has."""
    lacking = no_residuals(fit)
    if lacking:
        return lacking
    if fit.law is not None and fit.law.is_sample:
        return "the law is the sample of residuals: its PIT on the same window is uniform by construction"
    return ""
