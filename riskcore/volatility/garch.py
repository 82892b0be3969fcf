"""GARCH(1,1), GJR(1,1) and EGARCH(1,1): estimated by our own kernel or with `arch`, filtered by our recursions."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, cast

import numpy as np

from riskcore._types import BoolArray, FloatArray, IntArray, Status
from riskcore.distributions import Law, LawRows, ParametricLaw, law_rows, upper_second_moment
from riskcore.errors import FitError, require
from riskcore.kernels.variance import egarch_variance, gjr_variance
from riskcore.volatility import fast
from riskcore.volatility.base import StartRule, VolatilityFit, WindowFits, gaussian_if_sample, log_likelihood
from riskcore.volatility.means import Mean
from riskcore.volatility.problem import problem, serves
from riskcore.volatility.search import Search

BACKCAST_DAYS, BACKCAST_DECAY = 75, 0.94
MIN_OBS = 30
"""Fewer losses than this cannot tell five to seven parameters apart."""
Flags = BoolArray | np.bool_ | bool
EDGE = 1e-6
"""A parameter this near to its bound lies on it."""


def smallest(*values: Any) -> Any:
    """The least of numbers, or of arrays entry by entry."""
    return np.minimum.reduce(values) if isinstance(values[0], np.ndarray) else min(values)


def law_on_edge(law: Law | LawRows) -> Flags:
    """Whether a parameter of the law lies on its bound, for each of its rows."""
    bounds = getattr(law.settings if isinstance(law, LawRows) else law, "bounds", {})
    found: Flags = False
    for name, (low, high) in bounds.items():
        if name in law.params:
            value = law.params[name]
            found = found | (smallest(abs(value - low), abs(value - high)) < EDGE * high)
    return found


@lru_cache(maxsize=BACKCAST_DAYS)
def backcast_weights(n: int) -> FloatArray:
    """Weights of the first `n` squared shocks."""
    weights = np.asarray(BACKCAST_DECAY ** np.arange(n))
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True)
class _Family(ABC):
    """What GARCH, GJR and EGARCH share; `start` names the presample rule."""

    start: StartRule = "backcast"
    short: ClassVar[str]
    estimated: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        known = ("backcast", "sample-variance")
        require(self.start in known, f"start must be one of {known}, got {self.start!r}")

    @abstractmethod
    def arch_volatility(self) -> Any:
        """The same volatility in arch."""

    @abstractmethod
    def variance(self, shocks: FloatArray, params: Mapping[str, float], presample: float, hold: int) -> FloatArray:
        """Variances of rows 0..n, row t from rows before t."""

    def constraint(self, params: Mapping[str, Any]) -> Any:
        """What an estimation keeps at or below one: the persistence under a symmetric law."""
        return params["alpha"] + params["beta"] + 0.5 * params.get("gamma", 0.0)

    def persistence(self, params: Mapping[str, Any], law: Law | LawRows) -> Any:
        """Rate at which a forecast of the variance returns to its mean; stationary below one."""
        return self.constraint(params)

    def on_edge(self, params: Mapping[str, Any], law: Law | LawRows) -> Flags:
        """Whether a parameter lies on its bound, for each entry of the parameters."""
        room = smallest(1 - self.persistence(params, law), 1 - self.constraint(params))
        return cast(Flags, (room < EDGE) | law_on_edge(law))

    def rescaled(self, params: Mapping[str, Any], factor: Any) -> dict[str, Any]:
        """Parameters for losses multiplied by `factor`."""
        return {**params, "omega": params["omega"] * factor**2}

    def from_arch(self, values: Sequence[float]) -> dict[str, float]:
        """Parameters from arch's values, mirrored to losses."""
        return {name: float(v) for name, v in zip(self.names, values, strict=True)}

    def to_arch(self, params: Mapping[str, float]) -> list[float]:
        """Arch's values of the parameters."""
        return [params[name] for name in self.names]

    def filter(self, losses: FloatArray, fit: VolatilityFit) -> tuple[FloatArray, FloatArray]:
        """Means and volatilities of rows 0..n, row t from rows before t; `losses` start where the fit's did."""
        mu = fit.mean.path(losses, fit.mean_params)
        variance = self.variance(losses - mu[:-1], fit.params, fit.presample, fit.mean.hold)
        return mu, np.sqrt(variance)

    def log_likelihood(
        self, losses: FloatArray, *, mean: Mean, mean_params: tuple[float, ...], params: Mapping[str, float], law: Law
    ) -> float:
        r"""Log-likelihood at given parameters, :math:`\sum_t \log f(z_t) - \log \sigma_t`, by the start rule.

        With ``start="sample-variance"`` the presample squared shock and variance are :math:`SSR(\mu)/T`, so they move
        with the mean: the rule of the certified benchmark (Fiorentini, Calzolari & Panattoni 1996).
        """
        shocks = losses - mean.path(losses, mean_params)[:-1]
        presample = self.presample(shocks[mean.hold :])
        variance = self.variance(shocks, params, presample, mean.hold)[:-1]
        return log_likelihood(shocks[mean.hold :], np.sqrt(variance[mean.hold :]), law)

    def presample(self, shocks: FloatArray) -> float:
        """Presample variance by the start rule."""
        weights = self.presample_weights(shocks.size)
        return float(weights @ shocks[: weights.size] ** 2)

    @property
    def moves(self) -> bool:
        """Whether the presample variance moves with the mean."""
        return self.start == "sample-variance"

    def presample_weights(self, n: int) -> FloatArray:
        """Weights of the first squared shocks of a window of `n` in its presample variance."""
        return np.full(n, 1.0 / n) if self.moves else backcast_weights(min(BACKCAST_DAYS, n)).copy()

    def fit(self, losses: FloatArray, *, mean: Mean, law: Law, start: VolatilityFit | None = None) -> VolatilityFit:
        """Maximum likelihood of mean, volatility and the law's free parameters on one window.

        A sample law is estimated by normal quasi-likelihood. GARCH and GJR with mean zero or constant are estimated
        by our own kernel: from a grid, or from the optima that `start` carries. For the others `arch` tries a warm
        start (from `start`) and a cold one, and the better is polished on our own likelihood, so that the result does
        not depend on where the search came from. Where nothing is acceptable (converged, finite, stationary, not
        below its start nor below the constant variance) `arch`, a grid of other starts and another optimiser follow,
        and the status says so.

        Raises
        ------
        FitError
            If no optimisation is acceptable, or the losses have no variance.
        """
        enough = losses.size >= MIN_OBS
        require(
            enough, f"losses must have at least {MIN_OBS} rows to estimate a volatility, got {losses.size}", FitError
        )
        search = Search(self, losses, mean, gaussian_if_sample(law))
        found = search.run(start)
        scale = search.scale
        fitted = law if law.is_sample else found.law
        return VolatilityFit(
            mean=mean,
            mean_params=tuple(
                m * (scale if name != "phi" else 1.0) for name, m in zip(mean.names, found.mean_params, strict=True)
            ),
            params=self.rescaled(found.params, scale),
            law=fitted,
            presample=found.presample * scale**2,
            n_obs=losses.size,
            log_likelihood=found.log_likelihood - (losses.size - mean.hold) * math.log(scale),
            status=search.status(found),
            attempts=search.attempts,
            optimizer_code=found.code,
            errors=lambda: search.standard_errors(found),
            tracks=found.tracks,
        )

    def fit_windows(
        self, losses: FloatArray, begins: IntArray, n: int, cold: BoolArray, *, mean: Mean, law: Law
    ) -> WindowFits | None:
        """`fit` on many windows at once by our own kernel; None where it does not serve.

        The status is failed where the kernel finds nothing acceptable: `fit` goes on with other ways there.
        """
        used = gaussian_if_sample(law)
        if n < MIN_OBS or not serves(self.short, mean.short, used):
            return None
        task = problem(self.short, self.names, mean.names, cast(ParametricLaw, used), self.moves)
        found = fast.Estimation(task, losses, begins, n, self.presample_weights(n)).run(cold)
        whole, law_params = found.whole, found.law_params()
        scales = np.where(found.scales > 0, found.scales, np.nan)
        params = self.rescaled(found.params(), scales)
        zeros = np.zeros(begins.size)
        with np.errstate(invalid="ignore"):
            edge = self.on_edge(params, law_rows(task.law, law_params)) if found.accepted.any() else found.accepted
        status = np.where(edge, Status.boundary, np.where(found.rough, Status.retry, Status.ok))
        level = whole[:, 0] * scales
        return WindowFits(
            begins=begins,
            n=n,
            mean=level,
            recursion=np.column_stack([params.get(name, zeros) for name in ("omega", "alpha", "gamma", "beta")]),
            log_variance=task.log_variance,
            presample=found.presample * scales**2,
            law=law,
            law_params={} if law.is_sample else law_params,
            log_likelihood=found.log_likelihood - n * np.log(scales),
            status=np.where(found.accepted, status, Status.failed).astype(np.int8),
            evaluations=found.evaluations,
        )


@dataclass(frozen=True)
class GARCH(_Family):
    r"""GARCH(1,1): :math:`h_{t+1} = \omega + \alpha u_t^2 + \beta h_t`, u the loss less its mean.

    Parameters
    ----------
    start : {"backcast", "sample-variance"}
        What stands for the variance before the first day: a weighted mean of the first 75 squared shocks (backcast, as
        the package arch has it), or the window's mean squared shock (sample-variance).

    References
    ----------
    Bollerslev (1986), Journal of Econometrics 31, 307-327.
    """

    short: ClassVar[str] = "garch"
    names: ClassVar[tuple[str, ...]] = ("omega", "alpha", "beta")

    def arch_volatility(self) -> Any:
        """The same volatility in arch."""
        import arch.univariate

        return arch.univariate.GARCH(p=1, o=0, q=1)

    def variance(self, shocks: FloatArray, params: Mapping[str, float], presample: float, hold: int) -> FloatArray:
        """Variances of rows 0..n, row t from rows before t."""
        return gjr_variance(shocks, params["omega"], params["alpha"], 0.0, params["beta"], presample, hold)

    def on_edge(self, params: Mapping[str, Any], law: Law | LawRows) -> Flags:
        """Whether a parameter lies on its bound, for each entry of the parameters."""
        floor = smallest(params["alpha"], params["beta"])
        return cast(Flags, (floor < EDGE) | super().on_edge(params, law))


@dataclass(frozen=True)
class GJR(_Family):
    r"""GJR(1,1): :math:`h_{t+1} = \omega + (\alpha + \gamma 1\{u_t > 0\}) u_t^2 + \beta h_t`.

    With :math:`\gamma > 0` losses raise the variance more than gains do.

    Parameters
    ----------
    start : {"backcast", "sample-variance"}
        What stands for the variance before the first day: a weighted mean of the first 75 squared shocks (backcast, as
        the package arch has it), or the window's mean squared shock (sample-variance).

    References
    ----------
    Glosten, Jagannathan & Runkle (1993), Journal of Finance 48, 1779-1801.
    """

    short: ClassVar[str] = "gjr"
    names: ClassVar[tuple[str, ...]] = ("omega", "alpha", "gamma", "beta")

    def arch_volatility(self) -> Any:
        """The same volatility in arch."""
        import arch.univariate

        return arch.univariate.GARCH(p=1, o=1, q=1)

    def variance(self, shocks: FloatArray, params: Mapping[str, float], presample: float, hold: int) -> FloatArray:
        """Variances of rows 0..n, row t from rows before t."""
        return gjr_variance(shocks, params["omega"], params["alpha"], params["gamma"], params["beta"], presample, hold)

    def persistence(self, params: Mapping[str, Any], law: Law | LawRows) -> Any:
        """``alpha + beta + gamma k`` with ``k = E z^2 1{z > 0}``, 1/2 for a symmetric law."""
        skewed = law.short in ("skewt", LawRows.short) and not law.free
        k = upper_second_moment(law) if skewed else 0.5
        return params["alpha"] + params["beta"] + k * params["gamma"]

    def on_edge(self, params: Mapping[str, Any], law: Law | LawRows) -> Flags:
        """Whether a parameter lies on its bound, for each entry of the parameters."""
        floor = smallest(params["alpha"], params["beta"], params["alpha"] + params["gamma"])
        return cast(Flags, (floor < EDGE) | super().on_edge(params, law))


@dataclass(frozen=True)
class EGARCH(_Family):
    r"""EGARCH(1,1): :math:`\ln h_{t+1} = \omega + \alpha(|z_t| - \sqrt{2/\pi}) + \gamma z_t + \beta \ln h_t`.

    The centring is :math:`\sqrt{2/\pi}` under every law, as in `arch`; :math:`\gamma > 0` means that losses raise
    variance more than gains.

    Parameters
    ----------
    start : {"backcast", "sample-variance"}
        What stands for the variance before the first day: a weighted mean of the first 75 squared shocks (backcast, as
        the package arch has it), or the window's mean squared shock (sample-variance).

    References
    ----------
    Nelson (1991), Econometrica 59, 347-370.
    """

    short: ClassVar[str] = "egarch"
    names: ClassVar[tuple[str, ...]] = ("omega", "alpha", "gamma", "beta")

    def arch_volatility(self) -> Any:
        """The same volatility in arch."""
        import arch.univariate

        return arch.univariate.EGARCH(p=1, o=1, q=1)

    def variance(self, shocks: FloatArray, params: Mapping[str, float], presample: float, hold: int) -> FloatArray:
        """Variances of rows 0..n, row t from rows before t."""
        return egarch_variance(
            shocks, params["omega"], params["alpha"], params["gamma"], params["beta"], presample, hold
        )

    def constraint(self, params: Mapping[str, Any]) -> Any:
        """``|beta|``, the persistence of the log variance."""
        return abs(params["beta"])

    def rescaled(self, params: Mapping[str, Any], factor: Any) -> dict[str, Any]:
        """Parameters for losses multiplied by `factor`."""
        return {**params, "omega": params["omega"] + (1.0 - params["beta"]) * 2.0 * np.log(factor)}

    def from_arch(self, values: Sequence[float]) -> dict[str, float]:
        """Parameters from arch's values, mirrored to losses."""
        params = super().from_arch(values)
        return {**params, "gamma": -params["gamma"]}

    def to_arch(self, params: Mapping[str, float]) -> list[float]:
        """Arch's values of the parameters."""
        return [(-1.0 if name == "gamma" else 1.0) * params[name] for name in self.names]
