"""The other processes of `arch`: estimated by it and polished on our own likelihood, filtered by our recursions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast, get_args

import numpy as np
from scipy import special

from riskcore._types import BoolArray, FloatArray, IntArray, Status
from riskcore.distributions import Law, ParametricLaw
from riskcore.errors import ConfigError, FitError, require
from riskcore.kernels.descent import settle
from riskcore.kernels.variance import lagged_log, lagged_power
from riskcore.volatility.adapter import arch_fit, arch_model, law_from_arch
from riskcore.volatility.base import VolatilityFit, WindowFits, gaussian_if_sample, log_likelihood
from riskcore.volatility.estimation import ROUNDING
from riskcore.volatility.garch import BACKCAST_DAYS, EDGE, MIN_OBS, backcast_weights, law_on_edge
from riskcore.volatility.means import Mean
from riskcore.volatility.search import (
    LIKELIHOOD_SLACK,
    PERSISTENCE_SLACK,
    SAME_OPTIMUM,
    UNFINISHED,
    WORST,
    gradient,
)

Process = Literal["garch", "tarch", "egarch", "arch", "harch", "midas"]
MOST_LAGS = 250
ERROR_STEP = 1e-4
"""Step of the differences that standard errors are made of, relative to the parameter."""


@dataclass(frozen=True)
class ArchVolatility:
    r"""A volatility process of `arch` that has no class of its own here; slow, as `arch` estimates it.

    garch: :math:`h_{t+1} = \omega + \sum_i (\alpha_i + \gamma_i 1\{u > 0\})u^2_{t+1-i} + \sum_j \beta_j h_{t+1-j}`,
    tarch the same for :math:`\sigma` and :math:`|u|`, egarch for :math:`\ln h`, as `EGARCH`; arch without the sum of
    variances; harch: :math:`\omega + \sum_l \alpha_l\,\overline{u^2}_{(l)}` with means over 1, `medium`, `long` days;
    midas: :math:`\omega + \sum_{i \le p}(\alpha + \gamma 1\{u > 0\})\,w_i(\theta)u^2_{t+1-i}` with hyperbolic weights.
    A positive gamma means that losses raise the volatility more than gains do, whatever `arch` calls it for returns.

    Parameters
    ----------
    process : {"garch", "tarch", "egarch", "arch", "harch", "midas"}
        Process of the package arch: ARCH, HARCH, MIDAS, or GARCH and EGARCH of higher orders.
    p : int
        How many past shocks count (for midas usually 22); not for harch.
    o : int
        How many past losses count more than gains of their size; for midas 0 or 1.
    q : int
        How many past volatilities count; for garch, tarch and egarch only.
    medium : int
        Days of the second average of harch.
    long : int
        Days of the third average of harch.

    References
    ----------
    Sheppard, arch: documentation of univariate volatility processes.
    """

    process: Process = "garch"
    p: int = 2
    o: int = 1
    q: int = 2
    medium: int = 5
    long: int = 22

    short: ClassVar[str] = "arch-process"
    estimated: ClassVar[bool] = True

    def __post_init__(self) -> None:
        known = get_args(Process)
        require(self.process in known, f"process must be one of {known}, got {self.process!r}")
        for name, low in (("p", 1), ("o", 0), ("q", 0), ("medium", 2), ("long", 3)):
            value = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            require(
                whole and low <= value <= MOST_LAGS, f"{name} must be a whole number in [{low}, 250], got {value!r}"
            )
        require(self.medium < self.long, f"medium must be smaller than long, got {self.medium!r} and {self.long!r}")
        if self.process == "midas":
            require(self.o <= 1, f"o must be 0 or 1 with midas, got {self.o!r}")

    @property
    def power(self) -> float:
        """Power of the volatility that the recursion is of; 0 for its logarithm."""
        return {"tarch": 1.0, "egarch": 0.0}.get(self.process, 2.0)

    @property
    def lags(self) -> tuple[int, ...]:
        """Lags of harch's means."""
        return (1, self.medium, self.long)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in arch's order."""
        if self.process == "harch":
            return ("omega", *(f"alpha{lag}" for lag in self.lags))
        if self.process == "midas":
            return ("omega", "alpha", *(["gamma"] if self.o else []), "theta")
        sizes = {"alpha": self.p, "gamma": self.o, "beta": self.q}
        if self.process == "arch":
            sizes = {"alpha": self.p}
        return ("omega", *(f"{name}{i + 1}" for name, size in sizes.items() for i in range(size)))

    def arch_volatility(self) -> Any:
        """The same volatility in arch."""
        import arch.univariate as au

        if self.process == "arch":
            return au.ARCH(self.p)
        if self.process == "harch":
            return au.HARCH(list(self.lags))
        if self.process == "midas":
            return au.MIDASHyperbolic(self.p, bool(self.o))
        if self.process == "egarch":
            return au.EGARCH(self.p, self.o, self.q)
        return au.GARCH(self.p, self.o, self.q, power=self.power)

    def mirrored(self, values: FloatArray) -> FloatArray:
        """Our values of arch's parameters, or arch's of ours: EGARCH's gamma is that of minus the shock."""
        if self.process != "egarch":
            return values.copy()
        return np.array([-v if n.startswith("gamma") else v for n, v in zip(self.names, values, strict=True)])

    def presample(self, shocks: FloatArray) -> float:
        """arch's backcast, of the power that the recursion is of; EGARCH's is a variance."""
        weights = backcast_weights(min(BACKCAST_DAYS, shocks.size))
        return float(weights @ np.abs(shocks[: weights.size]) ** (self.power or 2.0))

    def variance(self, shocks: FloatArray, params: Mapping[str, float], presample: float, hold: int) -> FloatArray:
        """Variances of rows 0..n, row t from rows before t."""

        def some(name: str) -> FloatArray:
            return np.array([params[n] for n in self.names if n.startswith(name)])

        omega = params["omega"]
        if self.process == "egarch":
            return np.asarray(lagged_log(shocks, omega, some("alpha"), some("gamma"), some("beta"), presample, hold))
        if self.process == "harch":
            gain = sum(params[f"alpha{lag}"] / lag * (np.arange(self.long) < lag) for lag in self.lags)
            extra, memory = np.zeros(self.long), np.empty(0)
        elif self.process == "midas":
            weights = hyperbolic_weights(params["theta"], self.p)
            gain, extra, memory = params["alpha"] * weights, params.get("gamma", 0.0) * weights, np.empty(0)
        else:
            alpha, gamma, memory = some("alpha"), some("gamma"), some("beta")
            size = max(alpha.size, gamma.size)
            gain, extra = np.zeros(size), np.zeros(size)
            gain[: alpha.size], extra[: gamma.size] = alpha, gamma
        path = lagged_power(shocks, omega, np.asarray(gain), extra, memory, self.power, presample, hold)
        return np.asarray(path if self.power == 2.0 else np.sign(path) * path**2)

    def persistence(self, params: Mapping[str, float]) -> float:
        """What an estimation keeps at or below one, as arch does."""
        weight = {
            "a": 0.0 if self.process == "egarch" else 1.0,
            "g": 0.0 if self.process == "egarch" else 0.5,
            "b": 1.0,
        }
        return sum(weight.get(n[0], 0.0) * params[n] for n in self.names if n != "omega")

    def rescaled(self, params: Mapping[str, float], factor: float) -> dict[str, float]:
        """Parameters for losses multiplied by `factor`."""
        if self.process == "egarch":
            move = (1.0 - self.persistence(params)) * 2.0 * math.log(factor)
            return {**params, "omega": params["omega"] + move}
        return {**params, "omega": params["omega"] * factor**self.power}

    def filter(self, losses: FloatArray, fit: VolatilityFit) -> tuple[FloatArray, FloatArray]:
        """Means and volatilities of rows 0..n, row t from rows before t; `losses` start where the fit's did."""
        mu = fit.mean.path(losses, fit.mean_params)
        variance = self.variance(losses - mu[:-1], fit.params, fit.presample, fit.mean.hold)
        return mu, np.sqrt(np.where(variance > 0, variance, np.nan))

    def fit(self, losses: FloatArray, *, mean: Mean, law: Law, start: VolatilityFit | None = None) -> VolatilityFit:
        """Maximum likelihood on one window: `arch` from its own start and from `start`, then a polish.

        A sample law is estimated by normal quasi-likelihood. The better of the two is polished on our own likelihood,
        under arch's constraints; where neither is acceptable, a simplex follows.

        Raises
        ------
        FitError
            If no optimisation is acceptable (converged, finite, stationary, not below the constant variance), or the
            losses have no variance.
        """
        enough = losses.size >= max(MIN_OBS, 2 * len(self.names))
        require(
            enough, f"losses must have at least {MIN_OBS} rows to estimate a volatility, got {losses.size}", FitError
        )
        scale = float(np.std(losses))
        usable = scale > 0 and scale > ROUNDING * float(np.max(np.abs(losses)))
        require(usable, "losses are constant: a volatility cannot be estimated", FitError)
        search = _Search(self, losses / scale, mean, gaussian_if_sample(law))
        found, cost = search.run(None if start is None else search.of(start, scale))
        mean_params, params, fitted = search.unpack(found)
        in_units = self.rescaled(params, scale)
        edge = search.on_edge(found) or bool(law_on_edge(fitted)) or self.persistence(params) > 1.0 - EDGE
        power = self.power or 2.0
        return VolatilityFit(
            mean=mean,
            mean_params=mean.rescaled(mean_params, scale),
            params=in_units,
            law=law if law.is_sample else fitted,
            presample=search.presample * scale**power,
            n_obs=losses.size,
            log_likelihood=-cost - (losses.size - mean.hold) * math.log(scale),
            status=Status.boundary if edge else Status.retry if search.retried else Status.ok,
            attempts=search.attempts,
            errors=lambda: search.standard_errors(found, scale),
        )

    def fit_windows(
        self, losses: FloatArray, begins: IntArray, n: int, cold: BoolArray, *, mean: Mean, law: Law
    ) -> WindowFits | None:
        """None: `arch` estimates window by window."""
        return None


def hyperbolic_weights(theta: float, m: int) -> FloatArray:
    r""":math:`w_i \propto \Gamma(i + \theta)/(\Gamma(i + 1)\Gamma(\theta))`, i = 1..m, with a sum of one, as in arch.

    >>> hyperbolic_weights(1.0, 2)
    array([0.5, 0.5])
    """
    j = np.arange(1.0, m + 1.0)
    theta = max(theta, float(np.finfo(np.float64).eps))
    weights = np.exp(special.gammaln(theta + j) - special.gammaln(j + 1.0) - special.gammaln(theta))
    return np.asarray(weights / weights.sum())


class _Search:
    """The search on one window of scaled losses, in arch's order of parameters but our signs."""

    def __init__(self, family: ArchVolatility, losses: FloatArray, mean: Mean, law: Law) -> None:
        self.family, self.losses, self.mean, self.law = family, losses, mean, law
        self.n_mean, self.n_vol = len(mean.names), len(family.names)
        shocks = (losses - mean.path(losses, mean.estimate(losses))[:-1])[mean.hold :]
        self.presample = family.presample(shocks)
        require(self.presample > 0, "losses begin with a run of equal values: there is no presample variance", FitError)
        self.model = arch_model(-losses, mean, family.arch_volatility(), law)
        self.attempts, self.retried = 0, False
        bounds = [(-10.0, 10.0) if n != "phi" else (-0.999, 0.999) for n in mean.names]
        volatility = self.model.volatility
        box = [tuple(map(float, b)) for b in volatility.bounds(-shocks)]
        flip = family.mirrored(np.ones(self.n_vol))
        bounds += [(low, high) if sign > 0 else (-high, -low) for (low, high), sign in zip(box, flip, strict=True)]
        for name in law.free:
            low, high = cast(ParametricLaw, law).bounds[name]
            bounds.append((low, high))
        self.low, self.high = np.array(bounds).T
        self.low, self.high = np.maximum(self.low, -20.0), np.minimum(self.high, 500.0)
        if family.process == "egarch":
            self.low[self.n_mean], self.high[self.n_mean] = -10.0, 10.0
        else:
            self.low[self.n_mean], self.high[self.n_mean] = 1e-10, 10.0
        rows, limits = volatility.constraints()
        keep = np.abs(rows).astype(bool).sum(axis=1) > 1  # the others are bounds
        self.rows = np.zeros((int(keep.sum()), len(bounds)))
        self.rows[:, self.n_mean : self.n_mean + self.n_vol] = rows[keep] * flip
        self.limits = np.asarray(limits[keep], dtype=np.float64)

    def unpack(self, x: FloatArray) -> tuple[tuple[float, ...], dict[str, float], Law]:
        """Mean, volatility and law of a vector."""
        import dataclasses

        values = x.tolist()
        middle = self.n_mean + self.n_vol
        law = dict(zip(self.law.free, values[middle:], strict=True))
        fitted = cast(Law, dataclasses.replace(cast(Any, self.law), **law)) if law else self.law
        return (
            tuple(values[: self.n_mean]),
            dict(zip(self.family.names, values[self.n_mean : middle], strict=True)),
            fitted,
        )

    def of(self, start: VolatilityFit, scale: float) -> FloatArray:
        """The vector of another window's estimates, inside the bounds."""
        mean = self.mean.rescaled(start.mean_params, 1.0 / scale)
        params = self.family.rescaled(start.params, 1.0 / scale)
        law = [start.law.params[n] for n in self.law.free] if self.law.free else []
        x = np.array([*mean, *(params[n] for n in self.family.names), *law])
        return np.asarray(np.clip(x, self.low, self.high))

    def days(self, x: FloatArray) -> FloatArray:
        """Log-likelihoods of the days at a point that has some."""
        mean_params, params, law = self.unpack(x)
        hold = self.mean.hold
        shocks = self.losses - self.mean.path(self.losses, mean_params)[:-1]
        sigma = np.sqrt(self.family.variance(shocks, params, self.presample, hold)[hold:-1])
        return np.asarray(law.logpdf(shocks[hold:] / sigma) - np.log(sigma))

    def cost(self, x: FloatArray) -> float:
        """Minus the log-likelihood, a large number where there is none."""
        try:
            mean_params, params, law = self.unpack(x)
        except ConfigError:
            return WORST
        hold = self.mean.hold
        shocks = self.losses - self.mean.path(self.losses, mean_params)[:-1]
        with np.errstate(all="ignore"):
            variance = self.family.variance(shocks, params, self.presample, hold)[hold:]
            if not (variance.min() > 0 and math.isfinite(float(variance.max()))):
                return WORST
            value = -log_likelihood(shocks[hold:], np.sqrt(variance[:-1]), law)
        return min(value, WORST) if math.isfinite(value) else WORST

    def run(self, start: FloatArray | None) -> tuple[FloatArray, float]:
        """The best acceptable optimum and its cost; FitError if there is none."""
        found = [self._polish(start, UNFINISHED)] if start is not None else []
        cold = self._arch()
        if cold is not None:
            found.append(self._polish(*cold))
        good = [f for f in found if self._acceptable(*f)]
        if not good:
            self.retried = True
            begin = min(found, key=lambda f: f[1])[0] if found else self._plain()
            good = [f for f in (self._polish(*self._simplex(begin)),) if self._acceptable(*f)]
        text = f"no acceptable optimum after {self.attempts} optimisations on {self.losses.size} losses"
        require(bool(good), text, FitError)
        best = min(good, key=lambda f: f[1])
        # the first, which is warm, unless another is another optimum
        chosen = good[0] if good[0][1] < best[1] + SAME_OPTIMUM * 1e-6 else best
        return chosen[0], chosen[1]

    def _arch(self) -> tuple[FloatArray, int] | None:
        """The optimum of `arch` from its own start, with its flag."""
        self.attempts += 1
        backcast = self.presample ** (2.0 / (self.family.power or 2.0))
        try:
            result = arch_fit(self.model, backcast)
            values = np.asarray(result.params, dtype=np.float64)
            law = law_from_arch(self.law, values[self.n_mean + self.n_vol :].tolist())
        except (FloatingPointError, np.linalg.LinAlgError, ConfigError):
            return None
        mean = self.mean.mirrored(tuple(values[: self.n_mean].tolist()))
        volatility = self.family.mirrored(values[self.n_mean : self.n_mean + self.n_vol])
        x = np.array([*mean, *volatility, *(law.params[n] for n in self.law.free)])
        return x, int(result.convergence_flag)

    def _plain(self) -> FloatArray:
        """The start of arch's own search."""
        shocks = self.losses - self.mean.path(self.losses, self.mean.estimate(self.losses))[:-1]
        volatility = self.family.mirrored(np.asarray(self.model.volatility.starting_values(-shocks[self.mean.hold :])))
        starts = cast(ParametricLaw, self.law).starts
        return np.array([*self.mean.estimate(self.losses), *volatility, *(starts[n] for n in self.law.free)])

    def _polish(self, x: FloatArray, code: int) -> tuple[FloatArray, float, int]:
        """The optimum next to `x` on our own likelihood, or `x` where nothing is gained."""
        from scipy.optimize import minimize

        self.attempts += 1
        unit = float(self.losses.size)
        x = self._inside(x)
        method: Any = "SLSQP"
        options: Any = {"maxiter": 300, "ftol": 1e-15}
        linear: Any = {"type": "ineq", "fun": lambda y: self.rows @ y - self.limits, "jac": lambda y: self.rows}

        def cost(y: FloatArray) -> float:
            return self.cost(np.clip(y, self.low, self.high)) / unit

        def slope(y: FloatArray) -> FloatArray:
            return gradient(cost, np.clip(y, self.low, self.high), self.low, self.high)

        result = minimize(
            cost,
            x,
            jac=slope,
            method=method,
            bounds=list(zip(self.low.tolist(), self.high.tolist(), strict=True)),
            constraints=[linear] if self.limits.size else [],
            options=options,
        )
        end, before = np.clip(result.x, self.low, self.high), self.cost(x)
        after = self.cost(end)
        inside = not self.limits.size or bool((self.rows @ end - self.limits >= -PERSISTENCE_SLACK).all())
        done = code == 0 or result.status in (0, 8)
        if inside and after < before:
            return end, after, 0 if done else UNFINISHED
        return x, before, 0 if done else code

    def _inside(self, x: FloatArray) -> FloatArray:
        """The point moved onto the constraints that it breaks: arch's optimum may lie a little beyond."""
        point = np.clip(x, self.low, self.high)[None]
        for _ in range(20):
            settle(self.rows, self.limits, point, 0)
            point = np.clip(point, self.low, self.high)
        return np.asarray(point[0])

    def _simplex(self, x: FloatArray) -> tuple[FloatArray, int]:
        """Nelder-Mead: the other optimiser, which needs no derivative."""
        from scipy.optimize import minimize

        self.attempts += 1

        def cost(y: FloatArray) -> float:
            outside = (y < self.low).any() or (y > self.high).any() or (self.rows @ y < self.limits).any()
            return WORST if outside else self.cost(y)

        options: Any = {"maxiter": 4000, "maxfev": 4000, "xatol": 1e-7, "fatol": 1e-8}
        result = minimize(cost, self._inside(x), method="Nelder-Mead", options=options)
        return np.asarray(result.x), 0 if result.success and result.fun < WORST else UNFINISHED

    def _acceptable(self, x: FloatArray, cost: float, code: int) -> bool:
        if code != 0 or not cost < WORST:
            return False
        mean_params, params, law = self.unpack(x)
        if not self.family.persistence(params) <= 1 + PERSISTENCE_SLACK:
            return False
        shocks = (self.losses - self.mean.path(self.losses, mean_params)[:-1])[self.mean.hold :]
        sigma = np.full(shocks.size, math.sqrt(float(np.mean(shocks**2))))
        return -cost >= log_likelihood(shocks, sigma, law) - LIKELIHOOD_SLACK

    def on_edge(self, x: FloatArray) -> bool:
        """Whether a parameter of the volatility other than omega lies on its bound."""
        inside = slice(self.n_mean + 1, self.n_mean + self.n_vol)
        room = np.minimum(x - self.low, self.high - x)[inside]
        return bool((room < EDGE).any() or (self.rows @ x - self.limits < EDGE).any())

    def standard_errors(self, x: FloatArray, scale: float) -> dict[str, float]:
        """Robust (sandwich) errors in the units of the losses; NaN where the curvature gives none.

        NaN also for what lies on a bound: the others take that as known. Where a linear constraint is active, curvature
        and scores are taken along it.
        """
        names = [*self.mean.names, *self.family.names, *self.law.free]
        limits = np.vstack([np.eye(x.size), -np.eye(x.size), self.rows])
        slack = limits @ x - np.concatenate([self.low, -self.high, self.limits])
        along = np.eye(x.size)
        if (slack < EDGE).any():
            _, sizes, right = np.linalg.svd(limits[slack < EDGE])
            along = right[int((sizes > 1e-12).sum()) :].T
        held = np.abs(along).sum(axis=1) < 1e-12
        steps = []
        for column in along.T:
            slopes = np.abs(limits[slack >= EDGE] @ column)
            room = float(np.min(slack[slack >= EDGE] / np.maximum(slopes, 1e-12), initial=math.inf))
            steps.append(min(ERROR_STEP * max(float(np.max(np.abs(column * x))), 0.1), 0.45 * room) * column)
        sizes = np.array([math.sqrt(float(step @ step)) for step in steps])
        bread = np.empty((sizes.size, sizes.size))
        for i, one in enumerate(steps):
            for j, two in enumerate(steps[: i + 1]):
                same, other = self.cost(x + one + two) + self.cost(x - one - two), self.cost(x + one - two)
                bread[i, j] = bread[j, i] = same - other - self.cost(x - one + two)
        bread /= 4.0 * np.outer(sizes, sizes)
        scores = np.array([(self.days(x + step) - self.days(x - step)) for step in steps]) / (2.0 * sizes[:, None])
        usable = bool(sizes.size) and bool(np.isfinite(bread).all()) and bool((np.linalg.eigvalsh(bread) > 0).all())
        if not usable:
            return dict.fromkeys(names, math.nan)
        half = along @ np.linalg.inv(bread)
        jacobian = np.diag([scale if n in ("mu", "const") else 1.0 for n in names])
        omega = self.n_mean
        if self.family.process == "egarch":
            for i, name in enumerate(names):
                if name.startswith("beta"):
                    jacobian[omega, i] = -2.0 * math.log(scale)
        else:
            jacobian[omega, omega] = scale**self.family.power
        errors = np.sqrt(np.diag(jacobian @ half @ (scores @ scores.T) @ half.T @ jacobian.T))
        return dict(zip(names, np.where(held, math.nan, errors).tolist(), strict=True))
