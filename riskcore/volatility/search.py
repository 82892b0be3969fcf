"""The convergence policy of an estimation on one window: our kernel; where it does not serve, `arch` and a polish."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Protocol, cast

import numpy as np

from riskcore._types import FloatArray, Status
from riskcore.distributions import Law, ParametricLaw
from riskcore.errors import ConfigError, FitError, require
from riskcore.volatility import fast
from riskcore.volatility.adapter import arch_fit, arch_model, law_from_arch, law_to_arch
from riskcore.volatility.base import VolatilityFit, log_likelihood
from riskcore.volatility.coordinates import Coordinates
from riskcore.volatility.fast import Tracks
from riskcore.volatility.means import Mean
from riskcore.volatility.problem import problem, serves

ROUNDING = 1e-12
"""Losses whose standard deviation is this small beside the largest of them are constant."""
LIKELIHOOD_SLACK = 1e-6
"""Log-likelihood that an accepted fit may lie below the constant variance's."""
PERSISTENCE_SLACK = 1e-8
"""An optimum on the bound of stationarity is the constrained maximum: accepted to rounding, status boundary."""
STEP = 1e-5
"""Step of the central differences, in the optimiser's coordinates, which are all of order one."""
SAME_OPTIMUM = 1e-3
"""A cold start has to beat the polished warm one by this much log-likelihood to be another optimum."""
UNFINISHED = 9
"""Code of a point that no optimiser has vouched for."""
WORST = 1e6
"""Cost of a point without a likelihood."""
ONLY, COLD, WARM = np.array([0]), np.array([True]), np.array([False])
"""One window."""
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

    def constraint(self, params: Mapping[str, float]) -> Any:
        """What the optimiser keeps at or below one."""
        ...

    def on_edge(self, params: Mapping[str, float], law: Law) -> Any:
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

    @property
    def moves(self) -> bool:
        """Whether the presample variance moves with the mean."""
        ...

    def presample(self, shocks: FloatArray) -> float:
        """Presample variance by the start rule."""
        ...

    def presample_weights(self, n: int) -> FloatArray:
        """Weights of the first squared shocks of a window of `n` in its presample variance."""
        ...


@dataclass(frozen=True)
class Candidate:
    """One point of the likelihood, in units of the scaled losses; `code` is 0 where an optimiser converged."""

    mean_params: tuple[float, ...]
    params: Mapping[str, float]
    law: Law
    presample: float
    log_likelihood: float
    code: int = 0
    tracks: Tracks | None = None


class Search:
    """The search on one window: by our kernel, or warm and cold by `arch`, a grid of starts if need be, then a polish.

    The polish of `arch`'s optimum (SLSQP on our own likelihood with central differences, under the same constraints)
    makes the result independent of where the search came from, and follows the start rule where `arch` holds the
    presample fixed.
    """

    def __init__(self, family: Family, losses: FloatArray, mean: Mean, law: Law) -> None:
        self.family, self.mean, self.law, self.unscaled = family, mean, law, losses
        self.log_variance = family.short == "egarch"
        self.attempts = 0
        self.retried = False

    @cached_property
    def scale(self) -> float:
        """Standard deviation of the losses; FitError if they do not vary."""
        scale = float(np.std(self.unscaled))
        usable = scale > 0 and scale > ROUNDING * float(np.max(np.abs(self.unscaled)))
        require(usable, "losses are constant: a volatility cannot be estimated", FitError)
        return scale

    @cached_property
    def losses(self) -> FloatArray:
        """The losses with standard deviation one."""
        return self.unscaled / self.scale

    @cached_property
    def presample(self) -> float:
        """Presample variance at the least-squares mean."""
        shocks = self.losses - self.mean.path(self.losses, self.mean.estimate(self.losses))[:-1]
        return self.family.presample(shocks[self.mean.hold :])

    @cached_property
    def coordinates(self) -> Coordinates:
        """Coordinates of the polish."""
        return Coordinates(self.family.names, self.mean, self.law, log_variance=self.log_variance)

    @cached_property
    def model(self) -> Any:
        """The same model in arch."""
        return arch_model(-self.losses, self.mean, self.family.arch_volatility(), self.law)

    def run(self, start: VolatilityFit | None) -> Candidate:
        """The best acceptable optimum; FitError if there is none."""
        if serves(self.family.short, self.mean.short, self.law):
            found = self._by_kernel(start)
            if found is not None:
                return found
            self.retried = True
        return self._by_arch(start)

    def _by_kernel(self, start: VolatilityFit | None) -> Candidate | None:
        """The best optimum of our own kernel, None if it finds none that is acceptable.

        It keeps the constraints, and compares with the constant variance by itself.
        """
        family, n = self.family, self.unscaled.size
        task = problem(family.short, family.names, self.mean.names, cast(ParametricLaw, self.law), family.moves)
        known = None if start is None or start.tracks is None or start.tracks.problem != task else start.tracks
        run = fast.Estimation(task, self.unscaled, ONLY, n, family.presample_weights(n))
        found = run.run(COLD if known is None else WARM, known)
        self.attempts += int(found.attempts[0])
        if not found.accepted[0]:
            return None
        self.retried = bool(found.rough[0])
        # to the last bit what many windows at once give: the filter of a rough EGARCH blows rounding up
        self.scale = float(found.scales[0])
        return Candidate(*fast.read(found, 0), tracks=found.tracks(0))

    def _by_arch(self, start: VolatilityFit | None) -> Candidate:
        """Warm and cold by `arch`, a grid of starts if need be, then a polish."""
        warm = None if start is None else self._polish(self._warm(start))
        if warm is not None and not self._acceptable(warm):
            warm = None
        cold = self._optimise()
        if cold is not None and warm is not None and cold.log_likelihood < warm.log_likelihood + SAME_OPTIMUM:
            return warm
        found = [c for c in (warm, cold) if c is not None]
        good = [c for c in found if self._acceptable(c)]
        # arch's EGARCH may stop far from the optimum with flag 0, so there a grid of starts stands beside it.
        points = [*(good or found), *([] if good and not self.log_variance else self._grid())]
        best = max(points, key=lambda c: c.log_likelihood)
        final = self._polish(best)
        if not self._acceptable(final):
            final = self._simplex(final)
        self.retried = self.retried or best not in good
        ok = self._acceptable(final) and final.log_likelihood >= best.log_likelihood - LIKELIHOOD_SLACK
        require(ok, EMPTY_FIT_TEXT.format(attempts=self.attempts, n=self.losses.size), FitError)
        return final

    def status(self, found: Candidate) -> Status:
        """Boundary over retry over ok."""
        if self.family.on_edge(found.params, found.law):
            return Status.boundary
        return Status.retry if self.retried else Status.ok

    def standard_errors(self, found: Candidate) -> dict[str, float]:
        """Robust (sandwich) errors of the parameters in the units of the losses; NaN where the Hessian gives none."""
        names = [*self.mean.names, *self.family.names, *self.law.free]
        values = np.array(
            [
                *self.mean.mirrored(found.mean_params),
                *self.family.to_arch(found.params),
                *law_to_arch(self.law, found.law),
            ]
        )
        with np.errstate(all="ignore"):
            try:
                self.model.fix(values)  # arch has not seen the sample where our kernel did the work
                # arch's EGARCH takes the logarithm of the presample variance
                backcast = math.log(found.presample) if self.log_variance else found.presample
                covariance = self._covariance(values, backcast, names)
            except np.linalg.LinAlgError:
                return dict.fromkeys(names, math.nan)
            jacobian = np.diag([self.scale if n in ("mu", "const") else 1.0 for n in names])
            omega = names.index("omega")
            if self.log_variance:
                jacobian[omega, names.index("beta")] = -2.0 * math.log(self.scale)
            else:
                jacobian[omega, omega] = self.scale**2
            errors = np.sqrt(np.diag(jacobian @ covariance @ jacobian.T))
        return dict(zip(names, errors.tolist(), strict=True))

    def _covariance(self, values: FloatArray, backcast: float, names: Sequence[str]) -> FloatArray:
        """Sandwich of arch's likelihood; where that has kinks in the mean, across many of them.

        EGARCH's and a GED's likelihood bends at each loss, and its optimum may stand on one: there the curvature by a
        small step is that of the corner. Half a standard error of the mean has about as many losses as the theory's
        smooth curvature needs.
        """
        kinked = (self.log_variance or self.law.short == "ged") and names[0] in ("mu", "const")
        if not kinked:
            return np.asarray(self.model.compute_param_cov(values, backcast=backcast, robust=True), dtype=np.float64)
        from statsmodels.tools.numdiff import approx_fprime, approx_hess

        shocks, n = self.model.resids(self.model.starting_values()), self.losses.size
        given = {
            "sigma2": np.zeros(shocks.size),
            "backcast": backcast,
            "var_bounds": self.model.volatility.variance_bounds(shocks),
        }
        steps = np.finfo(np.float64).eps ** 0.25 * np.maximum(np.abs(values), 0.1)
        steps[0] = 0.5 * float(self.losses.std()) / math.sqrt(n)
        likelihood = self.model._loglikelihood
        hessian = approx_hess(values, likelihood, epsilon=steps, kwargs={**given, "individual": False}) / n
        scores = approx_fprime(values, likelihood, kwargs={**given, "individual": True}, centered=True)
        inverse = np.linalg.inv(hessian)
        return np.asarray(inverse @ np.cov(scores.T) @ inverse / n)

    def _warm(self, start: VolatilityFit) -> Candidate:
        """The previous refit's optimum as a point of this window."""
        mean_params = self.mean.rescaled(start.mean_params, 1.0 / self.scale)
        params = self.family.rescaled(start.params, 1.0 / self.scale)
        return self._candidate(mean_params, params, self.law if start.law.is_sample else start.law, UNFINISHED)

    def _optimise(self) -> Candidate | None:
        """The optimum of `arch` from its own start."""
        self.attempts += 1
        try:
            result = arch_fit(self.model, self.presample)
        except (FloatingPointError, np.linalg.LinAlgError):
            return None  # a singular step
        values = np.asarray(result.params, dtype=np.float64)
        n_mean, n_vol = len(self.mean.names), len(self.family.names)
        mean_params = self.mean.mirrored(tuple(values[:n_mean].tolist()))
        params = self.family.from_arch(values[n_mean : n_mean + n_vol].tolist())
        try:
            law = law_from_arch(self.law, values[n_mean + n_vol :].tolist())
        except ConfigError:
            return None  # the optimiser stopped on an open bound of the law, e.g. a skewness of one
        return self._candidate(mean_params, params, law, int(result.convergence_flag))

    def _candidate(
        self, mean_params: tuple[float, ...], params: Mapping[str, float], law: Law, code: int = 0
    ) -> Candidate:
        """The point with its likelihood, minus infinity where it has none."""
        hold = self.mean.hold
        shocks = self.losses - self.mean.path(self.losses, mean_params)[:-1]
        moving = self.family.moves
        presample = self.family.presample(shocks[hold:]) if moving else self.presample
        likelihood = -math.inf
        with np.errstate(all="ignore"):
            variance = self.family.variance(shocks, params, presample, hold)[hold:-1]
            if variance.min() > 0 and math.isfinite(float(variance.max())):
                likelihood = log_likelihood(shocks[hold:], np.sqrt(variance), law)
        return Candidate(
            mean_params, params, law, presample, likelihood if math.isfinite(likelihood) else -math.inf, code
        )

    def _acceptable(self, found: Candidate) -> bool:
        if found.code != 0 or not math.isfinite(found.log_likelihood):
            return False
        if not self.family.constraint(found.params) <= 1 + PERSISTENCE_SLACK:
            return False
        shocks = (self.losses - self.mean.path(self.losses, found.mean_params)[:-1])[self.mean.hold :]
        sigma = np.full(shocks.size, math.sqrt(float(np.mean(shocks**2))))
        return found.log_likelihood >= log_likelihood(shocks, sigma, found.law) - LIKELIHOOD_SLACK

    def _grid(self) -> list[Candidate]:
        """Points with the sample's variance as their level, over alpha, gamma and persistence."""
        mean_params = self.mean.estimate(self.losses)
        law = self.coordinates.start_law()
        gammas = (-0.5, 0.0, 0.5, 1.0) if "gamma" in self.family.names else (0.0,)
        shapes = product((0.02, 0.06, 0.12, 0.2), gammas, (0.8, 0.93, 0.98, 0.995))
        guesses = (self._guess(alpha, gamma * alpha, persistence) for alpha, gamma, persistence in shapes)
        return [self._candidate(mean_params, guess, law, UNFINISHED) for guess in guesses]

    def _guess(self, alpha: float, gamma: float, persistence: float) -> dict[str, float]:
        if self.log_variance:
            level = math.log(self.presample) if self.family.moves else 0.0
            return {
                "omega": (1.0 - persistence) * level,
                "alpha": 2.0 * alpha,
                "gamma": gamma,
                "beta": persistence,
            }
        guess = {
            "omega": 1.0 - persistence,
            "alpha": alpha,
            "gamma": gamma,
            "beta": max(persistence - alpha - 0.5 * gamma, 0.0),
        }
        return {name: guess[name] for name in self.family.names}

    def _polish(self, best: Candidate) -> Candidate:
        """The optimum next to `best` on our own likelihood, or `best` where nothing is gained."""
        from scipy.optimize import minimize

        self.attempts += 1
        coordinates = self.coordinates
        low, high = coordinates.bounds()
        start = np.clip(coordinates.pack(best.mean_params, best.params, best.law), low, high)
        unit = 1.0 if self.log_variance else float(self.losses.size)
        method: Any = "L-BFGS-B" if self.log_variance else "SLSQP"
        options: Any = {"maxiter": 60, "ftol": 1e-13} if self.log_variance else {"maxiter": 200, "ftol": 1e-15}

        def cost(x: FloatArray) -> float:
            return min(-self._candidate(*coordinates.unpack(x)).log_likelihood / unit, WORST)

        def slope(x: FloatArray) -> FloatArray:
            return gradient(cost, np.clip(x, low, high), low, high)

        box = list(zip(low.tolist(), high.tolist(), strict=True))
        linear = coordinates.constraints()
        result = minimize(cost, start, jac=slope, method=method, bounds=box, constraints=linear, options=options)
        polished = self._candidate(*coordinates.unpack(np.clip(result.x, low, high)))
        feasible = self.family.constraint(polished.params) <= 1 + PERSISTENCE_SLACK
        if not feasible or not polished.log_likelihood > best.log_likelihood:
            return best
        # A line search that ends in rounding (SLSQP's 8, L-BFGS-B's 2) has nothing left to gain.
        converged = best.code == 0 or result.status == 0 or result.status == (2 if self.log_variance else 8)
        return polished if converged else replace(polished, code=int(result.status))

    def _simplex(self, best: Candidate) -> Candidate:
        """Nelder-Mead on our own likelihood: the other optimiser, which needs no derivative."""
        from scipy.optimize import minimize

        self.attempts += 1
        coordinates = self.coordinates
        low, high = coordinates.bounds()

        def cost(x: FloatArray) -> float:
            if not (np.all(x >= low) and np.all(x <= high)) or coordinates.violated(x):
                return WORST
            return min(-self._candidate(*coordinates.unpack(x)).log_likelihood, WORST)

        start = np.clip(coordinates.pack(best.mean_params, best.params, best.law), low, high)
        result = minimize(
            cost, start, method="Nelder-Mead", options={"maxiter": 4000, "maxfev": 4000, "xatol": 1e-7, "fatol": 1e-8}
        )
        return self._candidate(
            *coordinates.unpack(result.x), 0 if result.success and result.fun < WORST else UNFINISHED
        )


def gradient(cost: Callable[[FloatArray], float], x: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Central differences; one-sided of second order next to a bound, so that no point outside is asked for."""
    out = np.empty(x.size)
    centre: float | None = None
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = STEP
        if x[i] - STEP >= low[i] and x[i] + STEP <= high[i]:
            out[i] = (cost(x + step) - cost(x - step)) / (2.0 * STEP)
            continue
        centre = cost(x) if centre is None else centre
        side = 1.0 if x[i] + 2.0 * STEP <= high[i] else -1.0
        out[i] = side * (4.0 * cost(x + side * step) - cost(x + 2.0 * side * step) - 3.0 * centre) / (2.0 * STEP)
    return out
