"""Volatilities with nothing to optimise: constant and exponentially weighted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskcore import defaults
from riskcore._types import BoolArray, FloatArray, IntArray, Status
from riskcore.distributions import Law
from riskcore.errors import FitError, require
from riskcore.kernels.moments import sliding_means, sliding_squares
from riskcore.kernels.variance import ewma_variance
from riskcore.volatility.base import VolatilityFit, WindowFits, log_likelihood
from riskcore.volatility.means import ConstantMean, Mean

N_START = 75
"""Squared shocks whose mean starts the EWMA recursion, as many as arch's backcast reads."""


def moment_fit(
    losses: FloatArray,
    mean: Mean,
    law: Law,
    *,
    params: dict[str, float],
    mean_params: tuple[float, ...],
    sigma: FloatArray,
    presample: float = float("nan"),
) -> VolatilityFit:
    """A fit with nothing optimised but the law's free parameters, on the standardised losses."""
    shocks = losses - mean.path(losses, mean_params)[:-1]
    constant = bool(np.ptp(losses) == 0)
    if law.is_sample:
        fitted, likelihood = law, float("nan")
    else:
        require(not constant, "losses are constant: a volatility cannot be estimated", FitError)
        fitted = law.fit(shocks / sigma)
        likelihood = log_likelihood(shocks, sigma, fitted)
    return VolatilityFit(
        mean=mean,
        mean_params=mean_params,
        params=params,
        law=fitted,
        presample=presample,
        n_obs=losses.size,
        log_likelihood=likelihood,
        status=Status.boundary if constant else Status.ok,
        attempts=1,
    )


@dataclass(frozen=True)
class Constant:
    r"""The volatility of the window: :math:`\sigma^2 = n^{-1}\sum_s (L_s - \mu_s)^2` over the last `n` losses.

    It is a sample measure, so it moves every day between refits; with a sample law the forecast is the measure of the
    last `n` losses themselves (historical simulation).
    """

    short: ClassVar[str] = "constant"
    estimated: ClassVar[bool] = False

    def fit(self, losses: FloatArray, *, mean: Mean, law: Law, start: VolatilityFit | None = None) -> VolatilityFit:
        """Moments of the window; FitError for constant losses under a parametric law."""
        mean_params = mean.estimate(losses)
        shocks = losses - mean.path(losses, mean_params)[:-1]
        sigma = float(np.sqrt(np.mean(shocks**2)))
        path = np.full(losses.size, sigma)
        return moment_fit(losses, mean, law, params={"sigma": sigma}, mean_params=mean_params, sigma=path)

    def filter(self, losses: FloatArray, fit: VolatilityFit) -> tuple[FloatArray, FloatArray]:
        """Moments of the last `n_obs` losses before each row; rows inside the first window take that window's."""
        n = fit.n_obs
        mu = fit.mean.path(losses, fit.mean_params)
        if isinstance(fit.mean, ConstantMean):
            mu[n:] = sliding_means(losses, n)
            variance = sliding_squares(losses, n, mu[n:])
        else:
            variance = sliding_squares(losses - mu[:-1], n, np.zeros(losses.size - n + 1))
        return mu, np.sqrt(np.concatenate([np.full(n, variance[0]), variance]))

    def fit_windows(
        self, losses: FloatArray, begins: IntArray, n: int, cold: BoolArray, *, mean: Mean, law: Law
    ) -> WindowFits | None:
        """None: a moment of the last losses is no recursion."""
        return None


@dataclass(frozen=True)
class EWMA:
    r"""RiskMetrics variance: :math:`h_{t+1} = \lambda h_t + (1-\lambda)(L_t-\mu_t)^2`.

    Parameters
    ----------
    decay : float
        :math:`\lambda` in (0, 1); 0.94 is RiskMetrics' daily value. The start is the mean of the window's first 75
        squared shocks, or of all of them where those are zero.
    """

    decay: float = defaults.EWMA_DECAY
    short: ClassVar[str] = "ewma"
    estimated: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require(0 < self.decay < 1, f"decay must lie in (0, 1), got {self.decay!r}; typical values: 0.94, 0.97")

    def fit(self, losses: FloatArray, *, mean: Mean, law: Law, start: VolatilityFit | None = None) -> VolatilityFit:
        """Mean by least squares, the law's free parameters from the standardised losses."""
        mean_params = mean.estimate(losses)
        shocks = losses - mean.path(losses, mean_params)[:-1]
        first = float(np.mean(shocks[:N_START] ** 2)) or float(np.mean(shocks**2))
        sigma = np.sqrt(ewma_variance(shocks, self.decay, first)[:-1])
        usable = law.is_sample or bool(np.all(sigma > 0))
        require(usable, "losses start with a run of equal values: the EWMA volatility is zero", FitError)
        return moment_fit(losses, mean, law, params={}, mean_params=mean_params, sigma=sigma, presample=first)

    def filter(self, losses: FloatArray, fit: VolatilityFit) -> tuple[FloatArray, FloatArray]:
        """Means and volatilities of rows 0..n."""
        mu = fit.mean.path(losses, fit.mean_params)
        return mu, np.sqrt(ewma_variance(losses - mu[:-1], self.decay, fit.presample))

    def fit_windows(
        self, losses: FloatArray, begins: IntArray, n: int, cold: BoolArray, *, mean: Mean, law: Law
    ) -> WindowFits | None:
        """Starts of many windows; None where a law is estimated, or the mean is an autoregression."""
        if mean.short not in ("zero", "constant") or law.free:
            return None
        windows = np.lib.stride_tricks.sliding_window_view(losses, n)[begins]
        level = windows.mean(axis=1) if mean.names else np.zeros(begins.size)
        first = ((windows[:, :N_START] - level[:, None]) ** 2).mean(axis=1)
        still = first == 0
        first[still] = ((windows[still] - level[still, None]) ** 2).mean(axis=1)
        constant = windows.max(axis=1) == windows.min(axis=1)
        status = np.where(constant, Status.boundary, Status.ok)
        if not law.is_sample:
            status[constant | (first == 0)] = Status.failed
        m = begins.size
        return WindowFits(
            begins=begins,
            n=n,
            mean=level,
            recursion=np.tile([0.0, 1.0 - self.decay, 0.0, self.decay], (m, 1)),
            log_variance=False,
            presample=first,
            law=law,
            law_params={},
            log_likelihood=np.full(m, np.nan),
            status=status.astype(np.int8),
            evaluations=np.zeros(m, dtype=np.int64),
        )
