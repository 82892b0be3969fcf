"""LocationScale: mean × volatility × law, one forecaster and some fifty models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from riskcore import defaults
from riskcore._types import Block, BoolArray, FloatArray, IntArray, Status, Target
from riskcore.distributions import (
    Empirical,
    Law,
    Normal,
    ParametricLaw,
    ResidualLaw,
    SampleLaw,
    SampleSettings,
    law_rows,
)
from riskcore.forecasters.base import Fitted, Predictive, Walked
from riskcore.measures.rolling import all_known
from riskcore.volatility import (
    EWMA,
    Constant,
    ConstantMean,
    Mean,
    RiskMetrics2006,
    Volatility,
    VolatilityFit,
    WindowFits,
    ZeroMean,
)
from riskcore.volatility.exog_mean import ExogMean, FittedMean
from riskcore.volatility.exogenous import exog_names, fresh_names, known_window


@dataclass(frozen=True)
class LocationScale:
    r"""The loss is :math:`\mu_t + \sigma_t Z_t`; every measure is :math:`\mu_t + \sigma_t \rho(Z)`.

    Parameters
    ----------
    mean : Mean, optional
        Conditional mean, or `ExogMean`; by default zero for `EWMA`, `RiskMetrics2006` and for `Constant` with a sample
        law, constant elsewhere.
    volatility : Volatility
        `Constant`, `EWMA`, `RiskMetrics2006`, `GARCH`, `GJR`, `EGARCH`, `APARCH`, `FIGARCH`, `ComponentGARCH`,
        `BetaTEGARCH` (with `StudentT` or a sample law), `ArchVolatility`, `HAR`, `RealizedGARCH` or `HEAVY`.
    law : Law
        Law of the standardised losses. Parametric laws are estimated jointly with an estimated volatility; a sample
        law is the window's own residuals, which move every day (filtered historical simulation; with `Constant`,
        historical simulation), or is made from them by a formula (`CornishFisher`, `TailGPD`).
    name : str, optional
        Label of the model.

    References
    ----------
    Barone-Adesi, Giannopoulos & Vosper (1999), Journal of Futures Markets 19, 583-602, for sample laws.

    Examples
    --------
    >>> LocationScale(volatility=EWMA()).mean_used
    ZeroMean()
    """

    mean: Mean | ExogMean | None = None
    volatility: Volatility = field(default_factory=EWMA)
    law: Law = field(default_factory=Normal)
    name: str | None = None

    def __post_init__(self) -> None:
        getattr(self.volatility, "check_law", lambda law: None)(self.law)
        getattr(self.volatility, "check_mean", lambda mean: None)(self.mean_used)

    @property
    def mean_used(self) -> Mean:
        """The mean set, or the default for this volatility and law; zero where an `ExogMean` is taken off before."""
        if isinstance(self.mean, ExogMean):
            return ZeroMean()
        if self.mean is not None:
            return self.mean
        raw = isinstance(self.volatility, Constant) and self.law.is_sample
        return ZeroMean() if raw or isinstance(self.volatility, (EWMA, RiskMetrics2006)) else ConstantMean()

    def offers(self, target: Target) -> bool:
        """Every target follows from the law."""
        return True

    @property
    def needs_exog(self) -> tuple[str, ...]:
        """Names of the exogenous columns that mean and volatility read."""
        return tuple(dict.fromkeys([*exog_names(self.mean), *exog_names(self.volatility)]))

    @property
    def fresh_exog(self) -> tuple[str, ...]:
        """Names of those that are not carried forward, because the volatility forecasts them: realized variances."""
        return tuple(name for name in fresh_names(self.volatility) if name not in exog_names(self.mean))

    def _columns(self, part: object, exog: FloatArray | None) -> FloatArray:
        """The columns that a part reads, out of those of the model."""
        assert exog is not None, "the loop gives the columns that are needed"
        return exog[:, [self.needs_exog.index(name) for name in exog_names(part)]]

    def _given(self, exog: FloatArray | None) -> dict[str, Any]:
        """The keyword `exog` of a volatility that reads columns."""
        return {"exog": self._columns(self.volatility, exog)} if exog_names(self.volatility) else {}

    def fit(
        self,
        losses: FloatArray,
        targets: Sequence[Target],
        start: Fitted | None = None,
        exog: FloatArray | None = None,
    ) -> FittedLocationScale:
        """Estimate on one window, warm from `start` where the volatility is optimised; FitError if nothing serves."""
        warm = start.estimate if isinstance(start, FittedLocationScale) and self.volatility.estimated else None
        if self.needs_exog:
            exog = known_window(exog, self.needs_exog, losses.size, self.fresh_exog)
        first = None
        if isinstance(self.mean, ExogMean):
            columns = self._columns(self.mean, exog)
            first = self.mean.fit(losses, columns)
            losses = losses - first.path(losses, columns)[:-1]
        given = self._given(exog)
        estimate = self.volatility.fit(losses, mean=self.mean_used, law=self.law, start=warm, **given)
        return FittedLocationScale(self, estimate, first)

    def walk(
        self, losses: FloatArray, targets: Sequence[Target], blocks: Sequence[Block], exog: FloatArray | None = None
    ) -> Walked | None:
        """Forecasts of many blocks at once; None where the volatility has to be estimated window by window."""
        if self.needs_exog:
            return None
        begins = np.array([b.train.start for b in blocks])
        days = np.array([b.test.stop - b.test.start for b in blocks])
        n = blocks[0].train.stop - blocks[0].train.start
        if (begins + n != [b.train.stop for b in blocks]).any():
            return None  # an expanding plan
        if isinstance(self.volatility, Constant):
            moments = self.law.is_sample and self.mean_used.short != "ar1"  # an autoregression holds to the next refit
            return self._walk_moments(losses, targets, blocks) if moments else None
        cold = np.array([b.index % defaults.COLD_START_EVERY == 0 for b in blocks])
        fits = self.volatility.fit_windows(losses, begins, n, cold, mean=self.mean_used, law=self.law)
        if fits is None:
            return None
        each, mean = np.repeat(np.arange(begins.size), days), fits.mean
        law: Law
        if isinstance(self.law, SampleSettings):
            taken = np.zeros_like(mean) if self.law.raw else mean
            sigma, before = fits.filtered(losses, days, taken=taken)
            law, mean = self.law.each(before), taken
        else:
            sigma, _ = fits.filtered(losses, days)
            law = _rows(fits, each)
        day = Predictive(mean[each], sigma, law)
        return Walked(_values(day, targets), fits.status[each], day)

    def _walk_moments(self, losses: FloatArray, targets: Sequence[Target], blocks: Sequence[Block]) -> Walked:
        """Forecasts by moments of the last losses: the refits do not matter."""
        first, stop = blocks[0].test.start, blocks[-1].test.stop
        fitted = self.fit(losses[blocks[0].train], targets)
        seen = losses[blocks[0].train.start : stop - 1]
        day = fitted.predictive(seen, stop - first)
        constant = [losses[b.train].max() == losses[b.train].min() for b in blocks]
        status = np.where(constant, Status.boundary, Status.ok).astype(np.int8)
        return Walked(_values(day, targets), np.repeat(status, [b.test.stop - b.test.start for b in blocks]), day)

    def fallback(self) -> LocationScale | None:
        """What stands in when the estimation failed for longer than stale parameters may serve: EWMA, same law."""
        return replace(self, volatility=EWMA(), mean=None) if self.volatility.estimated else None


def historical(name: str | None = None) -> LocationScale:
    """Historical simulation: the measures of the last `window` losses themselves (Constant × Empirical).

    >>> historical().mean_used
    ZeroMean()
    """
    return LocationScale(volatility=Constant(), law=Empirical(), name=name)


@dataclass(frozen=True)
class FittedLocationScale:
    """Estimates of mean, volatility and law."""

    settings: LocationScale
    estimate: VolatilityFit
    first: FittedMean | None = None
    """The mean that was taken off the losses before the volatility was estimated."""

    @property
    def params(self) -> Mapping[str, float]:
        """Estimates by name, in the units of the losses."""
        return {**({} if self.first is None else self.first.params), **self.estimate.all_params}

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """Robust standard errors of what was optimised or regressed; empty where nothing was."""
        return {**({} if self.first is None else self.first.standard_errors), **self.estimate.errors()}

    @property
    def log_likelihood(self) -> float:
        """Log-likelihood on the window; NaN where the law is a sample and the volatility is not estimated."""
        return self.estimate.log_likelihood

    @property
    def status(self) -> Status:
        """How the estimation went."""
        return self.estimate.status

    @property
    def attempts(self) -> int:
        """Optimisations tried."""
        return self.estimate.attempts

    def predict(
        self, losses: FloatArray, targets: Sequence[Target], last: int, exog: FloatArray | None = None
    ) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows."""
        return _values(self.predictive(losses, last, exog), targets)

    def predictive(self, losses: FloatArray, last: int, exog: FloatArray | None = None) -> Predictive:
        """Laws of the same steps; a sample law has one row of residuals per day."""
        mu, sigma = self.paths(losses, exog)
        days = slice(mu.size - last, mu.size)
        if not self.estimate.law.is_sample:
            return Predictive(mu[days], sigma[days], self.estimate.law)
        law, usable = self._residual_law(losses, mu, sigma, last)
        centre = np.zeros(last) if cast(SampleSettings, self.settings.law).raw else mu[days]
        return Predictive(np.where(usable, centre, np.nan), sigma[days], law)

    def paths(self, losses: FloatArray, exog: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Means and volatilities of rows 0..n, row t from rows before t."""
        given = self.settings._given(exog)
        if self.first is None:
            return self.settings.volatility.filter(losses, self.estimate, **given)
        mu = self.first.path(losses, self.settings._columns(self.settings.mean, exog))
        return mu, self.settings.volatility.filter(losses - mu[:-1], self.estimate, **given)[1]

    def _residual_law(self, losses: FloatArray, mu: FloatArray, sigma: FloatArray, last: int) -> tuple[Law, BoolArray]:
        """One law of residuals per day, and whether all of them are finite."""
        n_obs, settings = self.estimate.n_obs, cast(SampleSettings, self.settings.law)
        constant = isinstance(self.settings.volatility, Constant)
        # Constant moments move with the window: standardise each window as a whole, so that the measures of the
        # window's own losses come back exactly.
        moving = constant and isinstance(self.estimate.mean, ConstantMean)
        residuals = losses if moving or settings.raw else losses - mu[:-1]
        if not constant:
            residuals = residuals / _positive(sigma[:-1])
        known = np.isfinite(residuals)
        shift = mu[mu.size - last :] if moving and not settings.raw else 0.0
        scale = _positive(sigma[sigma.size - last :]) if constant else 1.0
        law = settings.rolling(np.where(known, residuals, 0.0), n_obs, last, shift, scale)
        recent = known[known.size - n_obs - last + 1 :]
        return law, all_known(recent, n_obs)


def _values(day: Predictive, targets: Sequence[Target]) -> FloatArray:
    """The targets of each day's law."""
    # No volatility: a sample law still has its losses, a law with a formula has no scale to speak of.
    if isinstance(day.law, (SampleLaw, ResidualLaw)):
        return np.asarray(day.mean[:, None] + _positive(day.volatility)[:, None] * day.law.values(targets))
    scale = np.where(day.volatility > 0, day.volatility, np.nan)
    return np.column_stack([day.mean + scale * day.law.value(t) for t in targets])


def _rows(fits: WindowFits, each: IntArray) -> Law:
    """The parametric laws of days, `each` with the number of its window; NaN where a window has no estimate."""
    good = fits.status[each] != Status.failed
    params = {name: np.where(good, values[each], np.nan) for name, values in fits.law_params.items()}
    return cast(Law, law_rows(cast(ParametricLaw, fits.law), params))


def _positive(sigma: FloatArray) -> FloatArray:
    """Volatilities with 1 where they are zero: a window of equal losses has residuals, but no scale."""
    return np.where(sigma == 0, 1.0, sigma)
