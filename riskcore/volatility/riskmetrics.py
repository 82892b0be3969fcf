"""RiskMetrics 2006: a mixture of exponentially weighted variances with nothing to estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskcore._types import BoolArray, FloatArray, IntArray
from riskcore.distributions import Law
from riskcore.errors import FitError, require
from riskcore.kernels.variance import ewma_mixture
from riskcore.volatility.base import VolatilityFit, WindowFits
from riskcore.volatility.means import Mean
from riskcore.volatility.moments import moment_fit

LITTLE = 0.01
"""A component's backcast reads squared shocks until their weight is this small."""


@dataclass(frozen=True)
class RiskMetrics2006:
    r"""A mixture of EWMA variances whose memory fades like a logarithm.

    .. math:: h_t = \sum_k w_k h_{k,t},\quad h_{k,t+1} = \mu_k h_{k,t} + (1-\mu_k)u_t^2,\quad \mu_k = e^{-1/\tau_k},\
              \tau_k = \tau_1\rho^{k-1},\quad w_k \propto 1 - \ln\tau_k/\ln\tau_0

    Parameters
    ----------
    tau0 : float
        Days after which nothing is remembered; usually 1,560.
    tau1 : float
        Days of the average with the shortest memory; usually 4.
    kmax : int
        How many averages are mixed; usually 14.
    rho : float
        How many times longer each average's memory is than that of the one before; usually the square root of 2.

    References
    ----------
    Zumbach (2007), The RiskMetrics 2006 methodology, RiskMetrics Group.
    """

    tau0: float = 1560.0
    tau1: float = 4.0
    kmax: int = 14
    rho: float = 2.0**0.5

    short: ClassVar[str] = "rm2006"
    estimated: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole = isinstance(self.kmax, (int, np.integer)) and not isinstance(self.kmax, bool)
        require(whole and 1 <= self.kmax <= 1000, f"kmax must be a whole number in [1, 1000], got {self.kmax!r}")
        require(1 < self.rho <= 100, f"rho must lie in (1, 100], got {self.rho!r}; typical value: 1.414")
        require(self.tau1 > 0, f"tau1 must be above 0, got {self.tau1!r}; typical value: 4")
        last = self.tau1 * self.rho ** (self.kmax - 1)
        require(
            max(last, 1.0) < self.tau0 < 1e9,
            f"tau0 must lie above the days of the last component, {last:g}, and below 1e9, got {self.tau0!r}",
        )

    @property
    def decays(self) -> FloatArray:
        """Decay of each component."""
        return np.asarray(np.exp(-1.0 / self._days))

    @property
    def weights(self) -> FloatArray:
        """Weight of each component."""
        weights = 1.0 - np.log(self._days) / np.log(self.tau0)
        return np.asarray(weights / weights.sum())

    @property
    def _days(self) -> FloatArray:
        return np.asarray(self.tau1 * self.rho ** np.arange(self.kmax))

    def backcasts(self, shocks: FloatArray) -> FloatArray:
        """Where each component starts: the mean of the first squared shocks with its own weights, as in arch."""
        squares, out = shocks**2, np.empty(self.kmax)
        for k, decay in enumerate(self.decays):
            stop = max(min(int(np.floor(np.log(LITTLE) / np.log(decay))), shocks.size), k)
            weights = decay ** np.arange(stop)
            out[k] = weights[: shocks.size] @ squares[:stop] / weights[: shocks.size].sum()
        return out

    def variance(self, shocks: FloatArray, firsts: FloatArray) -> FloatArray:
        """Variances of rows 0..n, row t from rows before t."""
        return np.asarray(ewma_mixture(shocks, self.decays, self.weights, firsts))

    def fit(self, losses: FloatArray, *, mean: Mean, law: Law, start: VolatilityFit | None = None) -> VolatilityFit:
        """Mean by least squares, the law's free parameters from the standardised losses."""
        mean_params = mean.estimate(losses)
        shocks = losses - mean.path(losses, mean_params)[:-1]
        firsts = self.backcasts(shocks)
        sigma = np.sqrt(self.variance(shocks, firsts)[:-1])
        usable = law.is_sample or bool(np.all(sigma > 0))
        require(usable, "losses start with a run of equal values: the RiskMetrics volatility is zero", FitError)
        first = float(self.weights @ firsts)
        return moment_fit(losses, mean, law, params={}, mean_params=mean_params, sigma=sigma, presample=first)

    def filter(self, losses: FloatArray, fit: VolatilityFit) -> tuple[FloatArray, FloatArray]:
        """Means and volatilities of rows 0..n; the components start from the fit's own window."""
        mu = fit.mean.path(losses, fit.mean_params)
        shocks = losses - mu[:-1]
        return mu, np.sqrt(self.variance(shocks, self.backcasts(shocks[: fit.n_obs])))

    def fit_windows(
        self, losses: FloatArray, begins: IntArray, n: int, cold: BoolArray, *, mean: Mean, law: Law
    ) -> WindowFits | None:
        """None: a mixture is no single recursion."""
        return None
