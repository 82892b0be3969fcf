"""The convergence policy of an estimation on one window, with `arch` as the optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from riskcore._types import FloatArray, Status
from riskcore.distributions import Law
from riskcore.errors import ConfigError, FitError, require
from riskcore.volatility.adapter import arch_fit, arch_model, law_from_arch, law_to_arch
from riskcore.volatility.base import VolatilityFit, log_likelihood
from riskcore.volatility.means import Mean

LIKELIHOOD_SLACK = 1e-6
"""Log-likelihood that an accepted fit may lie below the constant variance's."""
PERSISTENCE_SLACK = 1e-8
"""An optimum on the bound of stationarity is the constrained maximum: accepted to rounding, status boundary."""
EMPTY_FIT_TEXT = "no acceptable optimum after {attempts} optimisations on {n} losses"


class Family(Protocol):
    """What the search needs to know of a volatility family."""

    @property
    def short(self) -> str:
        """Short name."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its parameters, in arch's order."""
        ...

    def arch_volatility(self) -> Any:
        """The same volatility in arch."""
        ...

    def variance(self, shocks: FloatArray, params: Mapping[str, float], presample: float, hold: int) -> FloatArray:
        """Variances of rows 0..n."""
        ...

    def persistence(self, params: Mapping[str, float], law: Law) -> float:
        """Stationary below one."""
        ...

    def on_edge(self, params: Mapping[str, float], law: Law) -> bool:
        """Whether a parameter lies on its bound."""
        ...

    def rescaled(self, params: Mapping[str, float], factor: float) -> dict[str, float]:
        """Parameters for losses multiplied by `factor`."""
        ...

    def from_arch(self, values: Sequence[float]) -> dict[str, float]:
        """Parameters from arch's values, mirrored to losses."""
        ...

    def to_arch(self, params: Mapping[str, float]) -> list[float]:
        """Arch's values of the parameters."""
        ...

    def presample(self, shocks: FloatArray) -> float:
        """Presample variance by the start rule."""
        ...


@dataclass(frozen=True)
class Candidate:
    """One optimum found, in units of the scaled losses."""

    mean_params: tuple[float, ...]
    params: Mapping[str, float]
    law: Law
    presample: float
    log_likelihood: float
    code: int
    result: Any = None


class Search:
    """The convergence policy on one window: warm and cold, then other starts, then another optimiser."""

    def __init__(self, family: Family, losses: FloatArray, mean: Mean, law: Law, scale: float) -> None:
        self.family, self.losses, self.mean, self.law, self.scale = family, losses, mean, law, scale
        self.model = arch_model(-losses, mean, family.arch_volatility(), law)
        shocks = (losses - mean.path(losses, mean.estimate(losses))[:-1])[mean.hold :]
        self.presample = family.presample(shocks)
        self.attempts = 0
        self.retried = False

    def run(self, start: VolatilityFit | None) -> Candidate:
        """The best acceptable optimum; FitError if there is none."""
        starts = [self._warm(start)] if start is not None else []
        found = [self._optimise(s) for s in (*starts, None)]
        good = [c for c in found if c is not None and self._acceptable(c)]
        if not good:
            self.retried = True
            for candidate in self._further(found):
                if candidate is not None and self._acceptable(candidate):
                    good.append(candidate)
                    break
        text = EMPTY_FIT_TEXT.format(attempts=self.attempts, n=self.losses.size)
        require(bool(good), text, FitError)
        return max(good, key=lambda c: c.log_likelihood)

    def status(self, found: Candidate) -> Status:
        """Boundary over retry over ok."""
        if self.family.on_edge(found.params, found.law):
            return Status.boundary
        return Status.retry if self.retried else Status.ok

    def standard_errors(self, found: Candidate) -> dict[str, float]:
        """Robust (sandwich) errors of the parameters in the units of the losses; NaN where arch gives none."""
        names = [*self.mean.names, *self.family.names, *self.law.free]
        if found.result is None:
            return dict.fromkeys(names, float("nan"))
        with np.errstate(all="ignore"):
            errors = np.asarray(found.result.std_err, dtype=np.float64)
        units = {"mu": self.scale, "const": self.scale}
        if self.family.short != "egarch":
            units["omega"] = self.scale**2
        return {name: float(e) * units.get(name, 1.0) for name, e in zip(names, errors, strict=True)}

    def _warm(self, start: VolatilityFit) -> FloatArray:
        mean = self.mean.mirrored(self.mean.rescaled(start.mean_params, 1.0 / self.scale))
        params = self.family.to_arch(self.family.rescaled(start.params, 1.0 / self.scale))
        law = [] if start.law.is_sample else law_to_arch(self.law, start.law)
        return np.array([*mean, *params, *law])

    def _optimise(self, start: FloatArray | None) -> Candidate | None:
        self.attempts += 1
        try:
            result = arch_fit(self.model, start, self.presample)
        except (FloatingPointError, np.linalg.LinAlgError):
            return None  # a singular step
        except ValueError:
            if start is None:
                raise
            return None  # arch refuses a start outside its bounds
        return self._candidate(np.asarray(result.params, dtype=np.float64), int(result.convergence_flag), result)

    def _candidate(self, values: FloatArray, code: int, result: Any = None) -> Candidate | None:
        if not np.all(np.isfinite(values)):
            return None
        n_mean, n_vol = len(self.mean.names), len(self.family.names)
        mean_params = self.mean.mirrored(tuple(float(v) for v in values[:n_mean]))
        params = self.family.from_arch(values[n_mean : n_mean + n_vol].tolist())
        try:
            law = law_from_arch(self.law, values[n_mean + n_vol :].tolist())
        except ConfigError:
            return None  # the optimiser stopped on an open bound of the law, e.g. a skewness of one
        return Candidate(
            mean_params, params, law, self.presample, self._likelihood(mean_params, params, law), code, result
        )

    def _likelihood(self, mean_params: tuple[float, ...], params: Mapping[str, float], law: Law) -> float:
        hold = self.mean.hold
        shocks = self.losses - self.mean.path(self.losses, mean_params)[:-1]
        with np.errstate(all="ignore"):
            variance = self.family.variance(shocks, params, self.presample, hold)[hold:-1]
            if not np.all(variance > 0) or not np.all(np.isfinite(variance)):
                return -math.inf
            return log_likelihood(shocks[hold:], np.sqrt(variance), law)

    def _acceptable(self, found: Candidate) -> bool:
        if found.code != 0 or not math.isfinite(found.log_likelihood):
            return False
        if not self.family.persistence(found.params, found.law) <= 1 + PERSISTENCE_SLACK:
            return False
        shocks = (self.losses - self.mean.path(self.losses, found.mean_params)[:-1])[self.mean.hold :]
        sigma = np.full(shocks.size, math.sqrt(float(np.mean(shocks**2))))
        return found.log_likelihood >= log_likelihood(shocks, sigma, found.law) - LIKELIHOOD_SLACK

    def _further(self, found: Sequence[Candidate | None]) -> Iterator[Candidate | None]:
        for alpha, persistence in ((0.03, 0.99), (0.15, 0.85)):
            yield self._optimise(self._guess(alpha, persistence))
        usable = [c for c in found if c is not None and math.isfinite(c.log_likelihood)]
        if usable:
            yield self._simplex(max(usable, key=lambda c: c.log_likelihood))

    def _guess(self, alpha: float, persistence: float) -> FloatArray:
        mean = [
            0.0 if n == "phi" else -m for n, m in zip(self.mean.names, self.mean.estimate(self.losses), strict=True)
        ]
        if self.family.short == "egarch":
            params = [0.0, alpha * 2, 0.0, persistence]
        else:
            params = [1.0 - persistence, alpha, 0.0, persistence - alpha]
            params = [
                p for p, n in zip(params, ("omega", "alpha", "gamma", "beta"), strict=True) if n in self.family.names
            ]
        values = {"nu": 8.0, "skew": 0.0, "shape": 1.5}
        return np.array([*mean, *params, *(values[n] for n in self.law.free)])

    def _simplex(self, best: Candidate) -> Candidate | None:
        """Nelder-Mead on our own likelihood from the best point so far: needs no derivative and no feasible start."""
        from scipy.optimize import minimize

        self.attempts += 1
        n_mean, n_vol = len(self.mean.names), len(self.family.names)
        start = np.array(best.result.params, dtype=np.float64)
        low, high = self._limits(start.size, n_mean, n_vol)

        def cost(values: FloatArray) -> float:
            inside = bool(np.all(values >= low) and np.all(values <= high))
            candidate = self._candidate(values, 0) if inside else None
            if candidate is None or not self.family.persistence(candidate.params, candidate.law) < 1 - 1e-8:
                return 1e12
            if self.family.short == "gjr" and candidate.params["alpha"] + candidate.params["gamma"] < 0:
                return 1e12
            return -candidate.log_likelihood if math.isfinite(candidate.log_likelihood) else 1e12

        start = np.clip(start, low, high)
        result = minimize(
            cost, start, method="Nelder-Mead", options={"maxiter": 4000, "maxfev": 4000, "xatol": 1e-7, "fatol": 1e-8}
        )
        return self._candidate(result.x, 0 if result.success and result.fun < 1e11 else 9)

    def _limits(self, size: int, n_mean: int, n_vol: int) -> tuple[FloatArray, FloatArray]:
        low, high = np.full(size, -np.inf), np.full(size, np.inf)
        if self.family.short != "egarch":
            low[n_mean : n_mean + n_vol] = [-2.0 if n == "gamma" else 0.0 for n in self.family.names]
            high[n_mean : n_mean + n_vol] = 2.0
        bounds = {"nu": (2.05, 500.0), "skew": (-0.999, 0.999), "shape": (0.5, 100.0)}
        for i, name in enumerate(self.law.free):
            low[n_mean + n_vol + i], high[n_mean + n_vol + i] = bounds[name]
        return low, high
