"""Mixtures of laws with a formula: the law of a day whose regime is not known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy import special

from riskcore._types import FloatArray, Target
from riskcore.distributions.base import Values, measure_of, probabilities, solve_expectile, unwrap
from riskcore.distributions.parametric import Normal, ParametricLaw, StudentT
from riskcore.errors import require

_COARSEST, _FINENESS = 0.2, 0.35
"""Steps of the rule for the mean absolute difference: the largest, and as a share of the narrowest component's core."""
_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class Mixture:
    r"""Mixture of K laws, :math:`F(x) = \sum_j \pi_j F_j((x-\mu_j)/s_j)`; for one day, or one for each of `m` days.

    Everything follows from the mixture itself. Its upper partial moment is :math:`U(x) = \sum_j \pi_j s_j
    U_j((x-\mu_j)/s_j)`, and its expectile is the root of :math:`1-\tau = U(m)/(2U(m) + m - \sum_j\pi_j\mu_j)`, which is
    no mean of the components' expectiles. Quantile and expectile are found by bracketed Newton steps, all days and
    levels at once; a day's figures do not depend on other days.

    Parameters
    ----------
    weights : array_like, shape (K,) or (m, K)
        Probabilities of the components; each row sums to one.
    means, scales : array_like, shape (K,) or (m, K)
        Mean and standard deviation of each component.
    laws : sequence of Normal or StudentT
        Standardised law of each component, with nothing free.

    Raises
    ------
    ConfigError
        If shapes differ, weights are negative or do not sum to one, a scale is not positive, or a law is
        another one or has a free parameter.

    Notes
    -----
    With one row of components a law answers as the others do. With rows it answers as `LawRows`: a level gives
    ``(m,)``, a sequence of `k` levels ``(m, k)``, and outcomes are taken row by row. NaN in a row gives NaN there.

    Examples
    --------
    Calm on four days of five, with three times the scale on the fifth:

    >>> law = Mixture([0.8, 0.2], [0, 0], [1, 3], [Normal(), Normal()])
    >>> round(law.expectile(0.99), 2), round(0.8 * Normal().expectile(0.99) + 0.2 * 3 * Normal().expectile(0.99), 2)
    (3.51, 2.4)
    """

    weights: FloatArray
    means: FloatArray
    scales: FloatArray
    laws: Sequence[ParametricLaw]

    short: ClassVar[str] = "mixture"
    is_sample: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("weights", "means", "scales"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        object.__setattr__(self, "laws", tuple(self.laws))
        shape, k = self.weights.shape, len(self.laws)
        fits = len(shape) in (1, 2) and shape[-1] == k > 0 and self.means.shape == self.scales.shape == shape
        require(
            fits,
            f"weights, means and scales must have one shape, (K,) or (m, K) with K = {k} laws, "
            f"got {shape}, {self.means.shape} and {self.scales.shape}",
        )
        off = np.abs(self.weights.sum(axis=-1) - 1.0) > 1e-9
        require(
            not bool((self.weights < 0.0).any() or off.any()), "weights must be at least 0 and sum to 1 in each row"
        )
        flat = self.scales[self.scales <= 0.0]
        require(flat.size == 0, f"scales must be positive, got {flat[:1].tolist()}")
        for law in self.laws:
            known = isinstance(law, Normal | StudentT)  # the rule for CRPS needs densities without a kink
            require(known, f"laws must be Normal or StudentT, got {law!r}")
            require(not law.free, f"laws must have nothing free, got {law!r}")

    @property
    def free(self) -> tuple[str, ...]:
        """Names of parameters to be estimated: none."""
        return ()

    @property
    def params(self) -> Mapping[str, Values]:
        """Weights, means and scales of the components and the parameters of their laws, numbered from 1."""
        found: dict[str, Values] = {}
        for j, law in enumerate(self.laws):
            for name, values in (("weight", self.weights), ("mean", self.means), ("scale", self.scales)):
                found[f"{name}{j + 1}"] = unwrap(values[..., j])
            found |= {f"{name}{j + 1}": value for name, value in law.params.items()}
        return found

    def fit(self, z: npt.ArrayLike) -> Mixture:
        """The same law: it has its parameters."""
        return self

    def row(self, i: int) -> Mixture:
        """The law of row `i`."""
        return Mixture(self.weights[i], self.means[i], self.scales[i], self.laws)

    def take(self, rows: slice | npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Mixture:
        """The laws of some of the rows."""
        return Mixture(self.weights[rows], self.means[rows], self.scales[rows], self.laws)

    def cdf(self, x: npt.ArrayLike) -> Values:
        """Probability of a loss at or below `x`; NaN in, NaN out."""
        return unwrap(self._lower(self._outcomes(x))[1])

    def sf(self, x: npt.ArrayLike) -> Values:
        """Probability of a loss above `x`, exact in the upper tail; NaN in, NaN out."""
        return unwrap(self._upper(self._outcomes(x))[1])

    def lpm(self, x: npt.ArrayLike) -> Values:
        """Lower partial moment ``E(x - Z)+``; NaN in, NaN out."""
        return unwrap(self._lower(self._outcomes(x))[0])

    def upm(self, x: npt.ArrayLike) -> Values:
        """Upper partial moment ``E(Z - x)+``, exact in the upper tail; NaN in, NaN out."""
        return unwrap(self._upper(self._outcomes(x))[0])

    def logpdf(self, x: npt.ArrayLike) -> Values:
        """Logarithm of the density; NaN in, NaN out."""
        return unwrap(self._logpdf(self._outcomes(x)))

    def pit(self, x: npt.ArrayLike) -> Values:
        """Probability integral transform: the distribution function at the outcome `x`."""
        return self.cdf(x)

    def crps(self, x: npt.ArrayLike) -> Values:
        r"""Continuous ranked probability score of the outcome `x`: :math:`E|Z-x| - \frac12 E|Z-Z'|`.

        The second part is closed for normal components, else :math:`\int F(1-F)` by a trapezoidal rule to about 1e-9.
        """
        at = self._outcomes(x)
        return unwrap(2.0 * self._upper(at)[0] + at - self._mean - self._half_gini)

    def mean(self) -> Values:
        """Mean."""
        return unwrap(self._mean)

    def ppf(self, p: npt.ArrayLike) -> Values:
        """Quantiles, the VaR at level `p`."""
        return self._levels(self._ppf, p, "p")

    def es(self, level: npt.ArrayLike) -> Values:
        """Expected Shortfall, ``q + U(q)/(1 - level)`` with `q` the quantile."""
        return self._levels(self._es, level, "level")

    def expectile(self, level: npt.ArrayLike) -> Values:
        """Expectiles of the mixture."""
        return self._levels(self._expectile, level, "level")

    def value(self, target: Target) -> Values:
        """The measure that `target` names."""
        return measure_of(self, target)

    def __repr__(self) -> str:
        days = f", {len(self.weights)} rows" if self._has_rows else ""
        return f"Mixture({', '.join(map(repr, self.laws))}{days})"

    @property
    def _has_rows(self) -> bool:
        return self.weights.ndim == 2

    @cached_property
    def _mean(self) -> FloatArray:
        return np.asarray((self.weights * self.means).sum(axis=-1))

    @cached_property
    def _spread(self) -> FloatArray:
        """Standard deviation."""
        squares = self.scales**2 + (self.means - self._mean[..., None]) ** 2
        return np.asarray(np.sqrt((self.weights * squares).sum(axis=-1)))

    def _parts(self, x: FloatArray) -> list[tuple[FloatArray, FloatArray, FloatArray, ParametricLaw]]:
        """Weight, mean, scale and law of each component, shaped for `x`: (..), (m,) or (m, k)."""
        wide = self._has_rows and x.ndim == 2
        arrays = [a[:, None, :] if wide else a for a in (self.weights, self.means, self.scales)]
        return [(*(a[..., j] for a in arrays), law) for j, law in enumerate(self.laws)]  # type: ignore[misc]

    def _upper(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        moment, mass = np.zeros(()), np.zeros(())
        for weight, mean, scale, law in self._parts(x):
            excess, tail = law._upper((x - mean) / scale)
            moment, mass = moment + weight * scale * excess, mass + weight * tail
        return moment, mass

    def _lower(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        moment, mass = np.zeros(()), np.zeros(())
        for weight, mean, scale, law in self._parts(x):
            shortfall, below = law._lower((x - mean) / scale)
            moment, mass = moment + weight * scale * shortfall, mass + weight * below
        return moment, mass

    def _logpdf(self, x: FloatArray) -> FloatArray:
        terms = [
            np.log(np.maximum(weight, 1e-300)) + law._logpdf((x - mean) / scale) - np.log(scale)
            for weight, mean, scale, law in self._parts(x)
        ]
        largest = np.maximum.reduce(np.broadcast_arrays(*terms))
        return np.asarray(largest + np.log(sum(np.exp(term - largest) for term in terms)))

    def _mass(self, x: FloatArray, upper: bool) -> FloatArray:
        """Probability of more than `x`, or else of `x` and less."""
        mass = np.zeros(())
        for weight, mean, scale, law in self._parts(x):
            z = (x - mean) / scale
            mass = mass + weight * (law._sf(z) if upper else law._cdf(z))
        return np.asarray(mass)

    def _ppf(self, p: FloatArray) -> FloatArray:
        upper = p >= 0.5
        if upper.all() or not upper.any():
            return self._quantile(p, bool(upper.flat[0]) if upper.size else True)
        if p.ndim == 0 or not self._has_rows:
            out = np.empty(p.shape)
            out[upper], out[~upper] = self._quantile(p[upper], True), self._quantile(p[~upper], False)
            return out
        columns, out = upper[0], np.empty(p.shape)  # each row has the same levels
        out[:, columns], out[:, ~columns] = self._quantile(p[:, columns], True), self._quantile(p[:, ~columns], False)
        return out

    def _quantile(self, p: FloatArray, upper: bool) -> FloatArray:
        """Quantiles at levels of one half or more, or of less than one half, by Newton on the log of the tail."""
        sign, log_tail = (1.0, np.log1p(-p)) if upper else (-1.0, np.log(p))
        mean, spread = self._wide(self._mean), self._wide(self._spread)
        ends = [m + s * law._ppf(p) for w, m, s, law in self._parts(p) if np.any(w != 0.0)]
        low, high = np.minimum.reduce(np.broadcast_arrays(*ends)), np.maximum.reduce(np.broadcast_arrays(*ends))
        low, high = low - 1e-9 * spread, high + 1e-9 * spread  # a quantile may be that of one component
        x = np.clip(mean + spread * special.ndtri(p), low, high)
        arrived = np.zeros(x.shape, dtype=bool)
        for _ in range(200):
            log_mass = np.log(np.maximum(self._mass(x, upper), 1e-300))
            gap = sign * (log_mass - log_tail)  # positive: x is too low
            low, high = np.where(gap > 0.0, x, low), np.where(gap < 0.0, x, high)
            to = x + gap * np.exp(np.minimum(log_mass - self._logpdf(x), 300.0))
            to = np.where((to < low) | (to > high), 0.5 * (low + high), to)
            size = np.abs(to - x)
            x = np.where(arrived, x, to)
            # after so short a step the next is of the order of rounding; NaN: there is no quantile
            arrived = arrived | ~(size > 1e-8 * spread)
            if arrived.all():
                break
        return x

    def _es(self, p: FloatArray) -> FloatArray:
        q = self._ppf(p)
        return q + self._upper(q)[0] / (1.0 - p)

    def _expectile(self, tau: FloatArray) -> FloatArray:
        mean, spread = self._wide(self._mean), self._wide(self._spread)

        def upper(z: FloatArray) -> tuple[FloatArray, FloatArray]:
            moment, mass = self._upper(mean + spread * z)
            return moment / spread, mass

        def lower(z: FloatArray) -> tuple[FloatArray, FloatArray]:
            moment, mass = self._lower(mean + spread * z)
            return moment / spread, mass

        return np.asarray(mean + spread * solve_expectile(tau, upper, lower))

    def _wide(self, values: FloatArray) -> FloatArray:
        """One number a row, shaped for levels beside it."""
        return values[:, None] if self._has_rows else values

    @cached_property
    def _half_gini(self) -> FloatArray:
        """Half of the mean absolute difference."""
        if all(isinstance(law, Normal) for law in self.laws):
            total = np.zeros(self._mean.shape)
            for i in range(len(self.laws)):
                for j in range(len(self.laws)):
                    gap = self.means[..., i] - self.means[..., j]
                    wide = np.hypot(self.scales[..., i], self.scales[..., j])
                    at = gap / wide
                    density = np.exp(-0.5 * at * at) / math.sqrt(2.0 * math.pi)
                    absolute = 2.0 * wide * density + gap * (2.0 * special.ndtr(at) - 1.0)
                    total = total + 0.5 * self.weights[..., i] * self.weights[..., j] * absolute
            return total
        return self._by_quadrature()

    def _by_quadrature(self) -> FloatArray:
        """The same by the trapezoidal rule, each row with a step for its own narrowest component."""
        freedoms = [float(law.params.get("nu", math.inf)) for law in self.laws]
        cores = np.array([1.0 if math.isinf(nu) else math.sqrt((nu - 2.0) / nu) for nu in freedoms])
        farthest = 4.0 + 23.0 / (min(*freedoms, 1e3) - 1.0)
        rows = self if self._has_rows else Mixture(self.weights[None], self.means[None], self.scales[None], self.laws)
        finest = (rows.scales * cores / rows._spread[:, None]).min(axis=1)
        known = np.isfinite(finest)
        halvings = np.where(known, np.ceil(np.log2(np.maximum(_COARSEST / (_FINENESS * finest), 1.0))), -1.0)
        out = np.full(finest.size, np.nan)
        for times in np.unique(halvings[known]):
            step = _COARSEST * 0.5**times
            n = math.ceil(farthest / step)
            t = np.arange(-n, n + 1) * step
            node, weight = np.sinh(t), np.cosh(t) * step
            chosen = np.flatnonzero(halvings == times)
            for some in np.array_split(chosen, min(chosen.size, 1 + chosen.size * t.size // _CHUNK)):
                part = rows.take(some)
                x = part._mean[:, None] + part._spread[:, None] * node
                mass = np.hstack([part._mass(x[:, :n], False), part._mass(x[:, n:], True)])
                out[some] = part._spread * (mass * (1.0 - mass) * weight).sum(axis=1)
        return out if self._has_rows else out[0]

    def _outcomes(self, x: npt.ArrayLike) -> FloatArray:
        at = np.asarray(x, dtype=np.float64)
        if self._has_rows:
            m = len(self.weights)
            require(at.shape in ((), (m,)), f"x must have one entry for each of the {m} rows, got shape {at.shape}")
        return at

    def _levels(self, ask: Callable[[FloatArray], FloatArray], level: npt.ArrayLike, name: str) -> Values:
        levels = probabilities(level, name)
        if not self._has_rows:
            return unwrap(ask(levels))
        require(levels.ndim <= 1, f"{name} must be a number or a sequence of numbers, got shape {levels.shape}")
        flat = np.broadcast_to(np.atleast_1d(levels), (len(self.weights), max(levels.size, 1)))
        found = ask(flat)
        return found[:, 0] if levels.ndim == 0 else found
