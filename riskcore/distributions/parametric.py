"""Laws with a formula: the shared part, and the symmetric ones."""

from __future__ import annotations

import copy
import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy import special

from riskcore._types import FloatArray, Target
from riskcore.distributions.base import Values, measure_of, probabilities, residuals, solve_expectile, unwrap
from riskcore.distributions.estimate import maximise
from riskcore.errors import ConfigError, FitError, require

_LOG_ROOT_PI = 0.5 * math.log(math.pi)
_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


def log_beta_half(a: Values) -> Values:
    r"""Logarithm of B(a, 1/2); from a = 10 by Stirling's series, as the logarithms of large Gamma functions cancel."""
    x = 1.0 / a
    y = x * x
    series = 1 / 192 - y * (1 / 640 - y * (17 / 14336 - y * (31 / 18432 - y * (691 / 180224))))
    direct = special.gammaln(a) - special.gammaln(a + 0.5)
    return _LOG_ROOT_PI + np.where(a < 10.0, direct, x * (1 / 8 - y * series) - 0.5 * np.log(a))


class ParametricLaw(ABC):
    """A continuous law of mean 0 and variance 1; a parameter that is None is estimated by `fit`.

    A law gives its partial moments with the masses beside them, quantile, log density, half of its mean absolute
    difference and the second moment of its positive part; everything else follows. These formulas also hold with
    arrays for parameters, which is how the laws of many days are asked at once (`LawRows`).
    """

    short: ClassVar[str]
    is_sample: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Open range of each parameter in which the law exists."""
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Range of each parameter in an estimation."""
    starts: ClassVar[Mapping[str, float]] = {}
    """Value of each parameter at which an estimation starts."""

    def __post_init__(self) -> None:
        for name, (low, high) in self.ranges.items():
            self._check(name, low, high)

    @abstractmethod
    def _upper(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``E(Z - x)+`` and ``P(Z > x)``."""

    @abstractmethod
    def _lower(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``E(x - Z)+`` and ``P(Z <= x)``."""

    @abstractmethod
    def _ppf(self, p: FloatArray) -> FloatArray: ...
    @abstractmethod
    def _logpdf(self, x: FloatArray) -> FloatArray: ...
    @abstractmethod
    def _half_gini(self) -> Values: ...
    @abstractmethod
    def _upper_second_moment(self) -> Values: ...

    def _sf(self, x: FloatArray) -> FloatArray:
        return self._upper(x)[1]

    def _cdf(self, x: FloatArray) -> FloatArray:
        return self._lower(x)[1]

    def _es(self, p: FloatArray) -> FloatArray:
        q = self._ppf(p)
        return q + self._upper(q)[0] / (1.0 - p)

    def _expectile(self, tau: FloatArray) -> FloatArray:
        return solve_expectile(tau, self._upper, self._lower)

    def _crps(self, x: FloatArray) -> FloatArray:
        return np.asarray(2.0 * self._upper(x)[0] + x - self._half_gini())  # G(x) = U(x) + x, as the mean is 0

    @property
    def params(self) -> Mapping[str, float]:
        """Parameters by name; only those that are known."""
        return {name: value for name in self.bounds if (value := getattr(self, name)) is not None}

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters that are still to be estimated."""
        return tuple(name for name in self.bounds if getattr(self, name) is None)

    def fit(self, z: npt.ArrayLike) -> Self:
        r"""Estimate the free parameters by maximum likelihood on standardised losses, as :math:`\max \sum \ln f(z_t)`.

        Parameters
        ----------
        z : array_like
            Standardised losses; they are taken as of mean 0 and variance 1, not standardised again.

        Returns
        -------
        ParametricLaw
            A law with nothing free; the same object if nothing was.

        Raises
        ------
        FitError
            If there are fewer than two losses, one is not finite, or all are equal.
        """
        if not self.free:
            return self
        losses = residuals(z, least=2)
        require(bool(np.ptp(losses) > 0.0), "z must vary, got equal entries", FitError)

        def log_likelihood(values: Mapping[str, float]) -> float:
            return float(self._with(values)._logpdf(losses).mean())

        found = maximise(log_likelihood, {n: self.bounds[n] for n in self.free}, {n: self.starts[n] for n in self.free})
        return self._with(found)

    def cdf(self, x: npt.ArrayLike) -> Values:
        """Probability of a loss at or below `x`; NaN in, NaN out."""
        return unwrap(self._ready("cdf")._cdf(np.asarray(x, dtype=np.float64)))

    def sf(self, x: npt.ArrayLike) -> Values:
        """Probability of a loss above `x`, exact in the upper tail; NaN in, NaN out."""
        return unwrap(self._ready("sf")._sf(np.asarray(x, dtype=np.float64)))

    def ppf(self, p: npt.ArrayLike) -> Values:
        """Quantile, the VaR at level `p` in (0, 1)."""
        return unwrap(self._ready("ppf")._ppf(probabilities(p, "p")))

    def lpm(self, x: npt.ArrayLike) -> Values:
        """Lower partial moment ``G(x) = E(x - Z)+``; NaN in, NaN out."""
        return unwrap(self._ready("lpm")._lower(np.asarray(x, dtype=np.float64))[0])

    def upm(self, x: npt.ArrayLike) -> Values:
        """Upper partial moment ``U(x) = E(Z - x)+``, exact in the upper tail; NaN in, NaN out."""
        return unwrap(self._ready("upm")._upper(np.asarray(x, dtype=np.float64))[0])

    def logpdf(self, x: npt.ArrayLike) -> Values:
        """Logarithm of the density; NaN in, NaN out."""
        return unwrap(self._ready("logpdf")._logpdf(np.asarray(x, dtype=np.float64)))

    def es(self, level: npt.ArrayLike) -> Values:
        r"""Expected Shortfall, :math:`q + U(q)/(1-p)` with `q` the quantile at `p`."""
        return unwrap(self._ready("es")._es(probabilities(level, "level")))

    def expectile(self, level: npt.ArrayLike) -> Values:
        r"""Expectile, the root of :math:`1-\tau = U(m)/(2U(m)+m)`."""
        return unwrap(self._ready("expectile")._expectile(probabilities(level, "level")))

    def mean(self) -> float:
        """Mean: zero."""
        return 0.0

    def pit(self, x: npt.ArrayLike) -> Values:
        """Probability integral transform: the distribution function at the outcome `x`."""
        return self.cdf(x)

    def crps(self, x: npt.ArrayLike) -> Values:
        r"""Continuous ranked probability score of the outcome `x`: :math:`E|Z-x| - \frac12 E|Z-Z'|`."""
        return unwrap(self._ready("crps")._crps(np.asarray(x, dtype=np.float64)))

    def value(self, target: Target) -> Values:
        """The measure that `target` names."""
        return measure_of(self, target)

    def _ready(self, method: str) -> Self:
        if self.free:
            name, first = type(self).__name__, self.free[0]
            settings = ", ".join(f"{n}={self.starts[n]:g}" for n in self.free)
            raise ConfigError(
                f"{name} must have a value of {first} before {method} is asked, got None; "
                f"write {name}({settings}) or call fit(z)"
            )
        return self

    def _with(self, values: Mapping[str, float]) -> Self:
        return dataclasses.replace(self, **values)  # type: ignore[type-var]  # every law is a dataclass

    def _holding(self, values: Mapping[str, Values]) -> Self:
        """This law with arrays for parameters: for its formulas alone, unchecked, never handed out."""
        law = copy.copy(self)
        for name, value in values.items():
            object.__setattr__(law, name, value)
        return law

    def _check(self, name: str, low: float, high: float) -> None:
        """Refuse a parameter outside of (low, high); keep it as a float, so that equal laws print alike."""
        value = getattr(self, name)
        if value is None:
            return
        ok = isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool)
        require(ok and low < value < high, f"{name} must lie in ({low:g}, {high:g}), got {value!r}")
        object.__setattr__(self, name, float(value))


class SymmetricLaw(ParametricLaw):
    """A law that is the same mirrored: one tail says all. Its `_tail` and `_excess` are asked at ``x >= 0`` only."""

    @abstractmethod
    def _tail(self, x: FloatArray) -> FloatArray:
        """``P(Z > x)``, x >= 0."""

    @abstractmethod
    def _excess(self, x: FloatArray, tail: FloatArray) -> FloatArray:
        """``E(Z - x)+``, x >= 0, given ``P(Z > x)``."""

    @abstractmethod
    def _tail_quantile(self, q: FloatArray) -> FloatArray:
        """The `x` with ``P(Z > x) = q``, q <= 1/2."""

    def _upper(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        at = np.abs(x)
        tail = self._tail(at)
        return self._excess(at, tail) + np.maximum(-x, 0.0), np.where(x < 0.0, 1.0 - tail, tail)

    def _lower(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self._upper(-x)

    def _sf(self, x: FloatArray) -> FloatArray:
        tail = self._tail(np.abs(x))
        return np.where(x < 0.0, 1.0 - tail, tail)

    def _cdf(self, x: FloatArray) -> FloatArray:
        return self._sf(-x)

    def _ppf(self, p: FloatArray) -> FloatArray:
        return np.sign(p - 0.5) * self._tail_quantile(np.minimum(p, 1.0 - p))

    def _upper_second_moment(self) -> Values:
        return 0.5


@dataclass(frozen=True)
class Normal(SymmetricLaw):
    r"""Standard normal law, :math:`f(z) = e^{-z^2/2}/\sqrt{2\pi}`.

    Examples
    --------
    >>> Normal().ppf(0.99).__round__(6), Normal().es(0.975).__round__(6), Normal().expectile(0.99855).__round__(6)
    (2.326348, 2.337803, 2.326841)
    """

    short: ClassVar[str] = "normal"

    def _tail(self, x: FloatArray) -> FloatArray:
        return np.asarray(special.ndtr(-x))

    def _excess(self, x: FloatArray, tail: FloatArray) -> FloatArray:
        return np.asarray(np.exp(self._logpdf(x)) - x * tail)

    def _tail_quantile(self, q: FloatArray) -> FloatArray:
        return np.asarray(-special.ndtri(q))

    def _logpdf(self, x: FloatArray) -> FloatArray:
        return np.asarray(-0.5 * x * x - _LOG_ROOT_2PI)

    def _half_gini(self) -> Values:
        return 1.0 / math.sqrt(math.pi)


@dataclass(frozen=True)
class StudentT(SymmetricLaw):
    r"""Student's t scaled to variance 1, :math:`f(z) \propto (1 + z^2/(\nu-2))^{-(\nu+1)/2}`.

    Parameters
    ----------
    nu : float, optional
        Degrees of freedom, above 2; None: estimated. Typical values for daily losses: 3 to 10.

    Raises
    ------
    ConfigError
        If `nu` is not in (2, 1e6).

    Examples
    --------
    >>> round(StudentT(5).expectile(0.99), 6), StudentT().free
    (1.938712, ('nu',))
    """

    nu: float | None = None

    short: ClassVar[str] = "t"
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"nu": (2.0, 1e6)}
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {"nu": (2.05, 500.0)}
    starts: ClassVar[Mapping[str, float]] = {"nu": 6.0}

    @property
    def _known(self) -> tuple[Values, Values]:
        """Degrees of freedom, and the scale that makes the variance 1."""
        assert self.nu is not None
        return self.nu, np.sqrt((self.nu - 2.0) / self.nu)

    def _tail(self, x: FloatArray) -> FloatArray:
        nu, scale = self._known
        return np.asarray(special.stdtr(nu, -x / scale))

    def _excess(self, x: FloatArray, tail: FloatArray) -> FloatArray:
        nu, _ = self._known
        return np.asarray((nu - 2.0 + x * x) / (nu - 1.0) * np.exp(self._logpdf(x)) - x * tail)

    def _tail_quantile(self, q: FloatArray) -> FloatArray:
        nu, scale = self._known
        return np.asarray(-scale * special.stdtrit(nu, q))

    def _logpdf(self, x: FloatArray) -> FloatArray:
        nu, _ = self._known
        constant = -log_beta_half(0.5 * nu) - 0.5 * np.log(nu - 2.0)
        return np.asarray(constant - 0.5 * (nu + 1.0) * np.log1p(x * x / (nu - 2.0)))

    def _half_gini(self) -> Values:
        nu, scale = self._known
        ratio = np.exp(log_beta_half(nu - 0.5) - 2.0 * log_beta_half(0.5 * nu))
        return scale * 2.0 * np.sqrt(nu) / (nu - 1.0) * ratio


@dataclass(frozen=True)
class GED(SymmetricLaw):
    r"""Generalised error law scaled to variance 1, :math:`f(z) \propto \exp(-|z/s|^\beta)`.

    Parameters
    ----------
    shape : float, optional
        The exponent; 2 is the normal law, 1 the Laplace law; None: estimated. Typical values: 1.1 to 1.6.

    Raises
    ------
    ConfigError
        If `shape` is not in (0.1, 100).

    Examples
    --------
    >>> round(GED(1).expectile(0.99), 6), round(GED(2).ppf(0.99), 6)
    (2.012377, 2.326348)
    """

    shape: float | None = None

    short: ClassVar[str] = "ged"
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"shape": (0.1, 100.0)}
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {"shape": (0.5, 10.0)}
    starts: ClassVar[Mapping[str, float]] = {"shape": 1.4}

    @property
    def _known(self) -> tuple[Values, Values]:
        """Exponent, and the scale that makes the variance 1."""
        assert self.shape is not None
        b = self.shape
        return b, np.exp(0.5 * (special.gammaln(1.0 / b) - special.gammaln(3.0 / b)))

    def _tail(self, x: FloatArray) -> FloatArray:
        b, scale = self._known
        return np.asarray(0.5 * special.gammaincc(1.0 / b, (x / scale) ** b))

    def _excess(self, x: FloatArray, tail: FloatArray) -> FloatArray:
        b, scale = self._known
        mean_above = special.gammaincc(2.0 / b, (x / scale) ** b) * self._half_absolute_mean
        return np.asarray(mean_above - x * tail)

    @property
    def _half_absolute_mean(self) -> Values:
        b, scale = self._known
        return 0.5 * scale * np.exp(special.gammaln(2.0 / b) - special.gammaln(1.0 / b))

    def _tail_quantile(self, q: FloatArray) -> FloatArray:
        b, scale = self._known
        return np.asarray(scale * special.gammainccinv(1.0 / b, 2.0 * q) ** (1.0 / b))

    def _logpdf(self, x: FloatArray) -> FloatArray:
        b, scale = self._known
        constant = np.log(0.5 * b / scale) - special.gammaln(1.0 / b)
        return np.asarray(constant - (np.abs(x) / scale) ** b)

    def _half_gini(self) -> Values:
        b, _ = self._known
        return 2.0 * self._half_absolute_mean * special.betainc(1.0 / b, 2.0 / b, 0.5)
