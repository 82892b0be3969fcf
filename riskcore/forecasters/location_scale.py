"""LocationScale: mean × volatility × law, one forecaster and some fifty models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from riskcore import defaults
from riskcore._types import Block, BoolArray, FloatArray, IntArray, Status, Target
from riskcore.distributions import Empirical, Law, Normal, ParametricLaw, SampleLaw, law_rows
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


@dataclass(frozen=True)
class LocationScale:
    r"""The loss is :math:`\mu_t + \sigma_t Z_t`; every measure is :math:`\mu_t + \sigma_t \rho(Z)`.

    Parameters
    ----------
    mean : Mean, optional
        Conditional mean; by default zero for `EWMA`, `RiskMetrics2006` and for `Constant` with a sample law, constant
        elsewhere.
    volatility : Volatility
        `Constant`, `EWMA`, `RiskMetrics2006`, `GARCH`, `GJR`, `EGARCH`, `APARCH`, `FIGARCH`, `ComponentGARCH`,
        `BetaTEGARCH` (with `StudentT` or a sample law) or `ArchVolatility`.
    law : Law
        Law of the standardised losses. Parametric laws are estimated jointly with an estimated volatility; a sample
        law is the window's own residuals, which move every day (filtered historical simulation; with `Constant`,
        historical simulation).
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

    mean: Mean | None = None
    volatility: Volatility = field(default_factory=EWMA)
    law: Law = field(default_factory=Normal)
    name: str | None = None

    def __post_init__(self) -> None:
        getattr(self.volatility, "check_law", lambda law: None)(self.law)

    @property
    def mean_used(self) -> Mean:
        """The mean set, or the default for this volatility and law."""
        if self.mean is not None:
            return self.mean
        raw = isinstance(self.volatility, Constant) and self.law.is_sample
        return ZeroMean() if raw or isinstance(self.volatility, (EWMA, RiskMetrics2006)) else ConstantMean()

    def offers(self, target: Target) -> bool:
        """Every target follows from the law."""
        return True

    def fit(self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None) -> FittedLocationScale:
        """Estimate on one window, warm from `start` where the volatility is optimised; FitError if nothing serves."""
        warm = start.estimate if isinstance(start, FittedLocationScale) and self.volatility.estimated else None
        estimate = self.volatility.fit(losses, mean=self.mean_used, law=self.law, start=warm)
        return FittedLocationScale(self, estimate)

    def walk(self, losses: FloatArray, targets: Sequence[Target], blocks: Sequence[Block]) -> Walked | None:
        """Forecasts of many blocks at once; None where the volatility has to be estimated window by window."""
        begins = np.array([b.train.start for b in blocks])
        days = np.array([b.test.stop - b.test.start for b in blocks])
        n = blocks[0].train.stop - blocks[0].train.start
        if (begins + n != [b.train.stop for b in blocks]).any():
            return None  # an expanding plan
        if isinstance(self.volatility, Constant):
            return self._walk_moments(losses, targets, blocks) if self.law.is_sample else None
        cold = np.array([b.index % defaults.COLD_START_EVERY == 0 for b in blocks])
        fits = self.volatility.fit_windows(losses, begins, n, cold, mean=self.mean_used, law=self.law)
        if fits is None:
            return None
        sigma, before = fits.filtered(losses, days, residuals=self.law.is_sample)
        each = np.repeat(np.arange(begins.size), days)
        sample = self.law.is_sample
        law = SampleLaw.each(before, decay=getattr(self.law, "decay", None)) if sample else _rows(fits, each)
        day = Predictive(fits.mean[each], sigma, law)
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

    @property
    def params(self) -> Mapping[str, float]:
        """Estimates by name, in the units of the losses."""
        return self.estimate.all_params

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """Robust standard errors of what was optimised jointly; empty where nothing was."""
        return self.estimate.errors()

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

    def predict(self, losses: FloatArray, targets: Sequence[Target], last: int) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows."""
        return _values(self.predictive(losses, last), targets)

    def predictive(self, losses: FloatArray, last: int) -> Predictive:
        """Laws of the same steps; a sample law has one row of residuals per day."""
        mu, sigma = self.settings.volatility.filter(losses, self.estimate)
        days = slice(mu.size - last, mu.size)
        if not self.estimate.law.is_sample:
            return Predictive(mu[days], sigma[days], self.estimate.law)
        law, usable = self._residual_law(losses, mu, sigma, last)
        return Predictive(np.where(usable, mu[days], np.nan), sigma[days], law)

    def _residual_law(
        self, losses: FloatArray, mu: FloatArray, sigma: FloatArray, last: int
    ) -> tuple[SampleLaw, BoolArray]:
        """One sample of residuals per day, and whether all of it is finite."""
        n_obs = self.estimate.n_obs
        decay = getattr(self.settings.law, "decay", None)
        constant = isinstance(self.settings.volatility, Constant)
        # Constant moments move with the window: standardise each window as a whole, so that the measures of the
        # window's own losses come back exactly.
        moving = constant and isinstance(self.estimate.mean, ConstantMean)
        residuals = losses if moving else losses - mu[:-1]
        if not constant:
            residuals = residuals / _positive(sigma[:-1])
        known = np.isfinite(residuals)
        law = SampleLaw.rolling(np.where(known, residuals, 0.0), n_obs, last, decay)
        recent = known[known.size - n_obs - last + 1 :]
        if constant:
            law = law.standardised(mu[mu.size - last :] if moving else 0.0, _positive(sigma[sigma.size - last :]))
        return law, all_known(recent, n_obs)


def _values(day: Predictive, targets: Sequence[Target]) -> FloatArray:
    """The targets of each day's law."""
    # No volatility: a sample law still has its losses, a law with a formula has no scale to speak of.
    if isinstance(day.law, SampleLaw):
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
