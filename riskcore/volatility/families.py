"""APARCH, FIGARCH, the component model and Beta-t-EGARCH: estimated and filtered by our own kernel."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, cast

import numpy as np

from riskcore._types import BoolArray, FloatArray, IntArray, Status
from riskcore.distributions import Law, ParametricLaw, StudentT
from riskcore.errors import ConfigError, FitError, require
from riskcore.kernels import families as kernel
from riskcore.volatility.base import VolatilityFit, WindowFits, gaussian_if_sample
from riskcore.volatility.estimation import Estimation, Row
from riskcore.volatility.garch import BACKCAST_DAYS, EDGE, MIN_OBS, backcast_weights, law_on_edge
from riskcore.volatility.means import Mean
from riskcore.volatility.powers import absolute_moments

SMALLEST, LARGEST = 1e-10, 10.0
"""Bounds of omega, for losses with standard deviation one."""
NEARLY_ONE = 1.0 - 1e-7
ROOM = 0.1
"""How far Beta-t-EGARCH's leverage may exceed its gain: so much may a gain lower the volatility."""
SMOOTH = 1.2
"""A power of APARCH from here on makes no cusps or kinks that hold up a descent."""
LAST_LAG = 1000
"""Default of FIGARCH's truncation, as in arch."""


@dataclass(frozen=True)
class _Recursive(ABC):
    """What these families share: one kernel, one estimation."""

    short: ClassVar[str]
    estimated: ClassVar[bool] = True
    code: ClassVar[int]
    names: ClassVar[tuple[str, ...]]
    few: ClassVar[int] = 3
    """Points of the grid that descend."""
    always: ClassVar[bool] = False
    """Whether the grid is looked at in every window."""

    @property
    def fixed(self) -> Mapping[str, float]:
        """Coordinates that are set."""
        return {}

    @property
    def truncation(self) -> int:
        """Last lag of FIGARCH, one elsewhere."""
        return 1

    @abstractmethod
    def rows(self) -> Sequence[Row]:
        """Linear constraints of the coordinates, those of one coordinate first."""

    @abstractmethod
    def grid(self, law: ParametricLaw) -> Sequence[Sequence[float]]:
        """Starts at a variance of one."""

    @abstractmethod
    def flat(self, values: Mapping[str, float], variance: float, nu: float) -> Sequence[float]:
        """The constant variance as a point of the family."""

    @abstractmethod
    def persistence(self, params: Mapping[str, float], law: Law) -> float:
        """Rate at which a forecast returns to its level; stationary below one."""

    @abstractmethod
    def rescaled(self, params: Mapping[str, float], factor: float) -> dict[str, float]:
        """Parameters for losses multiplied by `factor`."""

    def check_law(self, law: Law) -> None:  # noqa: B027  # most have any law
        """Raise a ConfigError for a law that the volatility cannot have."""

    def check_mean(self, mean: Mean) -> None:  # noqa: B027  # most have any mean
        """Raise a ConfigError for a mean that the volatility cannot have."""

    def law_used(self, law: Law) -> Law:
        """The law of the estimation: normal quasi-likelihood where the law is the sample of residuals."""
        return gaussian_if_sample(law)

    def presample(self, shocks: FloatArray) -> float:
        """arch's backcast: the mean of the first 75 squared shocks with weights 0.94 to the power of their age."""
        weights = backcast_weights(min(BACKCAST_DAYS, shocks.size))
        return float(weights @ shocks[: weights.size] ** 2)

    def presample_at(self, shocks: FloatArray, held: float) -> float:
        """The presample variance of a fit with these shocks; `held` is that of the least-squares mean."""
        return held

    @property
    def cusps(self) -> bool:
        """Whether the likelihood may have cusps where the mean equals a loss."""
        return False

    def cusped(self, values: Mapping[str, float]) -> bool:
        """Whether it has them at these parameters."""
        return False

    def score_nu(self, params: Mapping[str, float], law: Law) -> float:
        """Degrees of freedom of the recursion; inf where it has none."""
        return math.inf

    def reported(self, volatility: Mapping[str, float], law: Mapping[str, float]) -> dict[str, float]:
        """Parameters of the volatility as a fit holds them, when the law is a sample."""
        return dict(volatility)

    def variance(
        self, shocks: FloatArray, params: Mapping[str, float], presample: float, hold: int, nu: float = math.inf
    ) -> FloatArray:
        """Variances of rows 0..n, row t from rows before t."""
        point = np.zeros(kernel.N_FULL)
        point[kernel.FIRST : kernel.FIRST + len(self.names)] = [params[n] for n in self.names]
        point[kernel.P] = 1.0 / nu
        weights = np.zeros(self.truncation)
        if self.code == kernel.FIGARCH:
            kernel.figarch_weights(point[3], point[4], point[5], weights, np.empty((0, 0)))
        work = np.zeros((kernel.N_PATH, shocks.size + 1))
        kernel.variance_path(self.code, shocks, hold, point, presample, weights, work)
        work[0, :hold] = presample
        return np.asarray(work[0].copy())

    def filter(self, losses: FloatArray, fit: VolatilityFit) -> tuple[FloatArray, FloatArray]:
        """Means and volatilities of rows 0..n, row t from rows before t; `losses` start where the fit's did."""
        mu = fit.mean.path(losses, fit.mean_params)
        nu = self.score_nu(fit.params, fit.law)
        with np.errstate(invalid="ignore"):
            return mu, np.sqrt(self.variance(losses - mu[:-1], fit.params, fit.presample, fit.mean.hold, nu))

    def fit(self, losses: FloatArray, *, mean: Mean, law: Law, start: VolatilityFit | None = None) -> VolatilityFit:
        """Maximum likelihood of mean, volatility and the law's free parameters on one window.

        A sample law is estimated by quasi-likelihood. With `start` the search goes on from the optima it carries; it
        begins with a grid of starts otherwise, and where those got lost.

        Raises
        ------
        FitError
            If no optimisation is acceptable (converged, not below the constant variance), or the losses have no
            variance.
        ConfigError
            For a mean or law that the volatility cannot have.
        """
        self.check_law(law)
        self.check_mean(mean)
        enough = losses.size >= MIN_OBS
        require(
            enough, f"losses must have at least {MIN_OBS} rows to estimate a volatility, got {losses.size}", FitError
        )
        used = self.law_used(law)
        search = Estimation(self, losses, mean, used)
        found = search.run(None if start is None else start.carried)
        scale, frame = search.scale, search.frame
        mean_params, volatility, shape = frame.unpack(found.point)
        fitted = cast(Law, dataclasses.replace(cast(Any, used), **shape))
        params = self.rescaled(volatility, scale)
        mean_params = mean.rescaled(mean_params, scale)
        edge = (
            frame.on_edge(found.point, EDGE)
            or bool(law_on_edge(fitted))
            or not self.persistence(volatility, fitted) <= 1.0 - EDGE
        )
        shocks = (losses - mean.path(losses, mean_params)[:-1])[mean.hold :]

        def natural(y: FloatArray) -> FloatArray:
            middle, values, free = frame.unpack(y)
            inside = self.rescaled(values, scale)
            return np.array(
                [*mean.rescaled(middle, scale), *(inside[n] for n in frame.free_volatility), *free.values()]
            )

        names = [*mean.names, *frame.free_volatility, *used.free]
        return VolatilityFit(
            mean=mean,
            mean_params=mean_params,
            params=self.reported(params, shape) if law.is_sample else params,
            law=law if law.is_sample else fitted,
            presample=self.presample_at(shocks, search.presample * scale**2),
            n_obs=losses.size,
            log_likelihood=-found.cost - (losses.size - mean.hold) * math.log(scale),
            status=Status.boundary if edge else Status.retry if search.retried else Status.ok,
            attempts=search.attempts,
            errors=lambda: dict(zip(names, search.standard_errors(found, natural).tolist(), strict=True)),
            carried=search.carried(),
        )

    def fit_windows(
        self, losses: FloatArray, begins: IntArray, n: int, cold: BoolArray, *, mean: Mean, law: Law
    ) -> WindowFits | None:
        """None: these volatilities are estimated window by window."""
        return None


def _level(smallest: float = SMALLEST) -> list[Row]:
    return [({"omega": 1.0}, smallest), ({"omega": -1.0}, -LARGEST)]


@dataclass(frozen=True)
class APARCH(_Recursive):
    r"""Asymmetric power ARCH(1,1): :math:`\sigma^\delta_{t+1} = \omega + \alpha(|u_t| + \gamma u_t)^\delta
    + \beta\sigma^\delta_t`.

    With :math:`\gamma > 0` losses raise the volatility more than gains do. Power 2 with gamma 0 is GARCH, power 1
    Zakoian's threshold model. The start is arch's: :math:`\omega + (\alpha + \beta) b^{\delta/2}`, b the backcast.

    A power below one, and one a little above it, makes a cusp of the likelihood wherever the mean equals a loss. A
    constant mean is searched among the losses then; its standard error is NaN, and the others take it as known. No
    such search exists for other means: with `AR1` the power must be set, to 1.2 or more.

    Parameters
    ----------
    delta : float, optional
        The power, in [0.05, 4]; None: estimated. Typical values for daily losses of shares: 0.8 to 1.6.

    References
    ----------
    Ding, Granger & Engle (1993), Journal of Empirical Finance 1, 83-106.

    Examples
    --------
    >>> path = APARCH().variance(np.array([0.0, 2.0]), dict(omega=0.1, alpha=0.2, gamma=0.5, beta=0.5, delta=1.0), 1, 0)
    >>> (path ** 0.5).round(3)
    array([0.8 , 0.5 , 0.95])
    """

    delta: float | None = None

    short: ClassVar[str] = "aparch"
    always: ClassVar[bool] = True  # powers below one and far above it take turns as the best
    code: ClassVar[int] = kernel.APARCH
    names: ClassVar[tuple[str, ...]] = ("omega", "alpha", "gamma", "beta", "delta")

    def __post_init__(self) -> None:
        known = self.delta is None or 0.05 <= self.delta <= 4.0
        require(known, f"delta must lie in [0.05, 4], got {self.delta!r}; typical values: 0.8 to 1.6, 2 for GARCH")

    @property
    def fixed(self) -> Mapping[str, float]:
        """The power, if it is set."""
        return {} if self.delta is None else {"delta": float(self.delta)}

    def check_mean(self, mean: Mean) -> None:
        """Zero or a constant, unless the power is set and too high for cusps."""
        known = not self.cusps or mean.short in ("zero", "constant")
        require(
            known,
            f"mean must be zero or constant with aparch, or its delta set to {SMOOTH} or more: where the power is "
            f"small the likelihood has a cusp wherever the mean equals a loss, got {mean.short!r}",
            ConfigError,
        )

    def rows(self) -> Sequence[Row]:
        """Bounds as arch's, and ``alpha + beta <= 1``."""
        gamma: list[Row] = [({"gamma": 1.0}, -0.9997), ({"gamma": -1.0}, -0.9997)]
        power: list[Row] = [({"delta": 1.0}, 0.05), ({"delta": -1.0}, -4.0)] if self.delta is None else []
        one: list[Row] = [({"alpha": 1.0}, 0.0), ({"beta": 1.0}, 0.0)]
        return [*_level(), *one, *gamma, *power, ({"alpha": -1.0, "beta": -1.0}, -1.0)]

    def grid(self, law: ParametricLaw) -> Sequence[Sequence[float]]:
        """Powers, leverages and persistences."""
        powers = (0.5, 1.1, 1.8) if self.delta is None else (float(self.delta),)
        found = []
        for alpha, gamma, persistence, power in product((0.05, 0.12), (0.1, 0.7), (0.8, 0.97), powers):
            gain = alpha * _normal_moment(power) * ((1.0 + gamma) ** power + (1.0 - gamma) ** power) / 2.0
            share = min(1.0, 0.9 * persistence / gain)  # the moment of a high power is large
            beta = min(persistence - share * gain, 1.0 - share * alpha)
            found.append((1.0 - share * gain - beta, share * alpha, gamma, beta, power))
        return found

    @property
    def cusps(self) -> bool:
        """So it is where the power may be small."""
        return self.delta is None or self.delta < SMOOTH

    def cusped(self, values: Mapping[str, float]) -> bool:
        """With a power below one; a little above it there are kinks that do as much harm."""
        return values["delta"] < SMOOTH

    def flat(self, values: Mapping[str, float], variance: float, nu: float) -> Sequence[float]:
        """Omega alone."""
        return variance ** (0.5 * values["delta"]), 0.0, 0.0, 0.0, values["delta"]

    def persistence(self, params: Mapping[str, float], law: Law) -> float:
        r""":math:`\alpha\kappa + \beta` with :math:`\kappa = E(|z| + \gamma z)^\delta` under the law."""
        below, above = absolute_moments(law, params["delta"])
        gamma, delta = params["gamma"], params["delta"]
        kappa = (1.0 + gamma) ** delta * above + (1.0 - gamma) ** delta * below
        return params["alpha"] * kappa + params["beta"] if params["alpha"] > 0 else params["beta"]

    def rescaled(self, params: Mapping[str, float], factor: float) -> dict[str, float]:
        """Parameters for losses multiplied by `factor`."""
        return {**params, "omega": float(params["omega"] * factor ** params["delta"])}


def _normal_moment(power: float) -> float:
    return float(2.0 ** (0.5 * power) * math.gamma(0.5 * (power + 1.0)) / math.sqrt(math.pi))


@dataclass(frozen=True)
class FIGARCH(_Recursive):
    r"""FIGARCH(1,d,1): :math:`h_t = \omega/(1-\beta) + \sum_{j \le M} \lambda_j u_{t-j}^2`, a slow memory.

    :math:`\lambda_1 = \varphi - \beta + d`, :math:`\lambda_j = \beta\lambda_{j-1} + \delta_j - \varphi\delta_{j-1}`
    with :math:`\delta_1 = d`, :math:`\delta_j = \delta_{j-1}(j-1-d)/j`. Squared shocks before the window are arch's
    backcast b.

    The full sum of the weights is one, so that the variance has no level of its own. What is left out of it beyond
    M, about :math:`(1-\varphi)/(1-\beta)\,M^{-d}/\Gamma(1-d)`, makes the variance of the truncated model finite: its
    level is an artefact of M, of b and of the window.

    Parameters
    ----------
    truncation : int
        Past days whose shocks count; usually 1,000.

    References
    ----------
    Baillie, Bollerslev & Mikkelsen (1996), Journal of Econometrics 74, 3-30.
    """

    truncation: int = LAST_LAG

    short: ClassVar[str] = "figarch"
    code: ClassVar[int] = kernel.FIGARCH
    names: ClassVar[tuple[str, ...]] = ("omega", "varphi", "d", "beta")

    def __post_init__(self) -> None:
        whole = isinstance(self.truncation, (int, np.integer)) and not isinstance(self.truncation, bool)
        known = whole and 10 <= self.truncation <= 100_000
        require(known, f"truncation must be a whole number in [10, 100000], got {self.truncation!r}; typical: 1000")

    def rows(self) -> Sequence[Row]:
        """Sufficient for weights that are not negative: ``0 <= varphi <= (1 - d)/2``, ``0 <= beta <= d + varphi``."""
        one: list[Row] = [({"varphi": 1.0}, 0.0), ({"d": 1.0}, 0.0), ({"beta": 1.0}, 0.0)]
        both: list[Row] = [({"varphi": -2.0, "d": -1.0}, -NEARLY_ONE), ({"varphi": 1.0, "d": 1.0, "beta": -1.0}, 0.0)]
        return [*_level(), *one, *both]

    def grid(self, law: ParametricLaw) -> Sequence[Sequence[float]]:
        """Long memories, and the shares of their bounds that varphi and beta take."""
        found = []
        weights = np.empty(self.truncation)
        for d, phi_share, beta_share in product((0.15, 0.4, 0.7), (0.1, 0.6), (0.3, 0.7, 0.95)):
            phi = 0.5 * (1.0 - d) * phi_share
            beta = (d + phi) * beta_share
            kernel.figarch_weights(phi, d, beta, weights, np.empty((0, 0)))
            found.append(((1.0 - beta) * (1.0 - float(weights.sum())), phi, d, beta))
        return found

    def flat(self, values: Mapping[str, float], variance: float, nu: float) -> Sequence[float]:
        """Omega alone."""
        return variance, 0.0, 0.0, 0.0

    def weights(self, params: Mapping[str, float]) -> FloatArray:
        """Weights of the squared shocks at lags 1 to M."""
        out = np.empty(self.truncation)
        kernel.figarch_weights(params["varphi"], params["d"], params["beta"], out, np.empty((0, 0)))
        return out

    def persistence(self, params: Mapping[str, float], law: Law) -> float:
        """Sum of the weights up to M, below one by the truncation alone."""
        return float(self.weights(params).sum())

    def rescaled(self, params: Mapping[str, float], factor: float) -> dict[str, float]:
        """Parameters for losses multiplied by `factor`."""
        return {**params, "omega": params["omega"] * factor**2}


@dataclass(frozen=True)
class ComponentGARCH(_Recursive):
    r"""Component GARCH: a variance around a level that itself moves slowly.

    .. math:: q_{t+1} = \omega + \rho q_t + \varphi(u_t^2 - h_t), \qquad
              h_{t+1} = q_{t+1} + \alpha(u_t^2 - q_t) + \beta(h_t - q_t)

    with :math:`\alpha + \beta \le \rho < 1`; q returns to :math:`\omega/(1-\rho)`. The start is q = h = mean squared
    shock. With :math:`\alpha, \varphi \ge 0` and :math:`\beta \ge \varphi` h stays positive (Engle and Lee). It is a
    GARCH(2,2).

    References
    ----------
    Engle & Lee (1999), A long-run and short-run component model of stock return volatility, in Cointegration,
    Causality and Forecasting, Oxford University Press.

    Examples
    --------
    >>> params = dict(omega=0.1, alpha=0.1, beta=0.5, rho=0.9, varphi=0.2)
    >>> ComponentGARCH().variance(np.array([2.0]), params, 1.0, 0).round(6)
    array([1. , 1.9])
    """

    short: ClassVar[str] = "component"
    few: ClassVar[int] = 8
    always: ClassVar[bool] = True  # which of two components is the slow one may turn from window to window
    code: ClassVar[int] = kernel.COMPONENT
    names: ClassVar[tuple[str, ...]] = ("omega", "alpha", "beta", "rho", "varphi")

    def rows(self) -> Sequence[Row]:
        """``alpha + beta <= rho < 1``, and Engle and Lee's conditions for a positive variance."""
        one: list[Row] = [({"alpha": 1.0}, 0.0), ({"varphi": 1.0}, 0.0), ({"rho": -1.0}, -NEARLY_ONE)]
        both: list[Row] = [({"beta": 1.0, "varphi": -1.0}, 0.0), ({"rho": 1.0, "alpha": -1.0, "beta": -1.0}, 0.0)]
        return [*_level(), *one, *both]

    def grid(self, law: ParametricLaw) -> Sequence[Sequence[float]]:
        """Persistences of the level and of the variance around it."""
        found = []
        for rho, alpha, phi, short in product((0.95, 0.985, 0.999), (0.03, 0.1), (0.005, 0.02, 0.06), (0.5, 0.9)):
            found.append((1.0 - rho, alpha, short - alpha, rho, phi))
        return found

    def flat(self, values: Mapping[str, float], variance: float, nu: float) -> Sequence[float]:
        """Omega alone."""
        return variance, 0.0, 0.0, 0.0, 0.0

    def persistence(self, params: Mapping[str, float], law: Law) -> float:
        """``rho``: that of the slower component."""
        return params["rho"]

    def presample(self, shocks: FloatArray) -> float:
        """Mean squared shock."""
        return float(np.mean(shocks**2))

    def presample_at(self, shocks: FloatArray, held: float) -> float:
        """Mean squared shock: it moves with the mean."""
        return self.presample(shocks)

    def rescaled(self, params: Mapping[str, float], factor: float) -> dict[str, float]:
        """Parameters for losses multiplied by `factor`."""
        return {**params, "omega": params["omega"] * factor**2}


@dataclass(frozen=True)
class BetaTEGARCH(_Recursive):
    r"""Beta-t-EGARCH: the logarithm of the scale moves with the score of a t law, so that one outlier does little.

    .. math:: u_t = e^{\lambda_t}\varepsilon_t, \quad \lambda_{t+1} = \omega + \varphi(\lambda_t - \omega)
              + \kappa s_t + \kappa_2\, \mathrm{sgn}(u_t)(s_t + 1), \quad
              s_t = \frac{(\nu + 1)u_t^2}{\nu e^{2\lambda_t} + u_t^2} - 1

    with a raw t(nu) epsilon, so that the volatility is :math:`e^{\lambda_t}\sqrt{\nu/(\nu - 2)}`. :math:`\kappa_2 > 0`
    means that losses raise it more than gains do. The start is :math:`\lambda_1 = \omega`.

    The law is `StudentT`, whose nu is that of the score; with a sample law nu is estimated by t likelihood and the
    residuals are the law.

    References
    ----------
    Harvey & Sucarrat (2014), Computational Statistics & Data Analysis 76, 320-338.
    """

    short: ClassVar[str] = "beta-t-egarch"
    code: ClassVar[int] = kernel.BETA_T
    names: ClassVar[tuple[str, ...]] = ("omega", "varphi", "kappa", "kappa2")

    def check_law(self, law: Law) -> None:
        """The score is that of Student's t."""
        known = isinstance(law, StudentT) or law.is_sample
        require(known, f"law must be t or a sample law with beta-t-egarch, got {law.short!r}", ConfigError)

    def law_used(self, law: Law) -> Law:
        """Student's t."""
        return StudentT() if law.is_sample else law

    def score_nu(self, params: Mapping[str, float], law: Law) -> float:
        """Degrees of freedom of the score."""
        return params["nu"] if "nu" in params else float(law.params["nu"])

    def reported(self, volatility: Mapping[str, float], law: Mapping[str, float]) -> dict[str, float]:
        """With the degrees of freedom of the score."""
        return {**volatility, **law}

    def rows(self) -> Sequence[Row]:
        """Bounds, and ``|kappa2| <= kappa + ROOM``: beyond, the filter forgets nothing and its likelihood is rough."""
        bounds = {"omega": (-10.0, 10.0), "varphi": (-0.9, NEARLY_ONE), "kappa": (0.0, 1.0)}
        one: list[Row] = [row for n, (low, high) in bounds.items() for row in (({n: 1.0}, low), ({n: -1.0}, -high))]
        return [*one, ({"kappa": 1.0, "kappa2": -1.0}, -ROOM), ({"kappa": 1.0, "kappa2": 1.0}, -ROOM)]

    def grid(self, law: ParametricLaw) -> Sequence[Sequence[float]]:
        """Persistences and gains."""
        nu = law.params.get("nu", law.starts["nu"])
        level = 0.5 * math.log((nu - 2.0) / nu)
        points = product((0.5, 0.9, 0.98, 0.995), (0.03, 0.08), (0.0, 0.03))
        return [(level, phi, kappa, leverage) for phi, kappa, leverage in points]

    def flat(self, values: Mapping[str, float], variance: float, nu: float) -> Sequence[float]:
        """Omega alone."""
        return 0.5 * math.log(variance * (nu - 2.0) / nu), 0.0, 0.0, 0.0

    def persistence(self, params: Mapping[str, float], law: Law) -> float:
        r""":math:`|\varphi|`, of the logarithm of the scale."""
        return abs(params["varphi"])

    def rescaled(self, params: Mapping[str, float], factor: float) -> dict[str, float]:
        """Parameters for losses multiplied by `factor`."""
        return {**params, "omega": params["omega"] + math.log(factor)}
