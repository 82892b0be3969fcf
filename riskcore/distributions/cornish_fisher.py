"""CornishFisher: the law of a cubic polynomial of a normal variable with the skewness and kurtosis of the residuals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from riskcore._types import BoolArray, FloatArray
from riskcore.distributions.base import residuals
from riskcore.distributions.residual import ResidualLaw, standardised_windows
from riskcore.distributions.sample import SampleSettings
from riskcore.errors import require

Matching = Literal["moments", "plain"]
_ROOT_PI = math.sqrt(math.pi)
_ROOT_2PI = math.sqrt(2.0 * math.pi)


def monotone_range(skew: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    r"""Smallest and largest kurtosis parameter for which the polynomial rises everywhere, NaN where none does.

    With :math:`A = k/8 - s^2/6` it rises iff :math:`A \ge 0` and :math:`s^2/9 \le 4A(1 - k/8 + 5s^2/36)`.

    Parameters
    ----------
    skew : array_like
        The skewness parameter :math:`s`.

    Returns
    -------
    low, high : ndarray
        Of the shape of `skew`.

    References
    ----------
    Maillard (2012), A user's guide to the Cornish Fisher expansion.

    Examples
    --------
    >>> [round(float(v), 2) for v in monotone_range(1.0)]
    [1.57, 8.88]
    """
    t = np.asarray(skew, dtype=np.float64) ** 2
    with np.errstate(invalid="ignore"):
        # with x = k/8: x^2 - x (1 + 11 t / 36) + t / 6 + 5 t^2 / 216 + t / 36 = 0
        middle, product = 0.5 * (1.0 + 11.0 * t / 36.0), t / 6.0 + 5.0 * t**2 / 216.0 + t / 36.0
        root = np.sqrt(middle**2 - product)
    return 8.0 * (middle - root), 8.0 * (middle + root)


def _coefficients(s: FloatArray, k: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of z, z squared - 1, and z cubed."""
    return 1.0 - k / 8.0 + 5.0 * s * s / 36.0, s / 6.0, k / 24.0 - s * s / 18.0


def _variance(s: FloatArray, k: FloatArray) -> FloatArray:
    t = s * s
    return 1.0 + k * k / 96.0 + 25.0 * t * t / 1296.0 - k * t / 36.0


@dataclass(frozen=True, eq=False, repr=False)
class CornishFisherLaw(ResidualLaw):
    r"""The law of :math:`m + d\,q(Z)/\sqrt{\operatorname{Var} q(Z)}` with `Z` normal, or one for each of `k` samples.

    Parameters
    ----------
    centre, spread : ndarray, shape (k,)
        Mean and standard deviation.
    skew, kurtosis : ndarray, shape (k,)
        Parameters `s` and `k` of the polynomial `q`; they are not the moments of the law.
    clipped : ndarray of bool, shape (k,)
        Whether the sample's moments are out of reach, so that the nearest law on the edge stands for it.
    single : bool
        Whether it is one law.
    """

    centre: FloatArray
    spread: FloatArray
    skew: FloatArray
    kurtosis: FloatArray
    clipped: BoolArray
    single: bool = False

    short: ClassVar[str] = "cornish-fisher"

    @property
    def params(self) -> dict[str, float | FloatArray]:
        """Parameters of the polynomial, and whether they were put on the edge of where it rises."""
        found = {"skew": self.skew, "kurtosis": self.kurtosis, "clipped": self.clipped.astype(np.float64)}
        return {n: float(v[0]) if self.single else v for n, v in found.items()}

    def row(self, i: int) -> CornishFisherLaw:
        """The law of sample `i`, as one law."""
        at = slice(i, i + 1)
        return CornishFisherLaw(
            self.centre[at], self.spread[at], self.skew[at], self.kurtosis[at], self.clipped[at], single=True
        )

    @property
    def _count(self) -> int:
        return self.centre.size

    @property
    def _unit(self) -> FloatArray:
        """What a unit of the polynomial is in residuals; hardly more than zero for equal residuals."""
        return np.maximum(self.spread, 1e-300) / np.sqrt(_variance(self.skew, self.kurtosis))

    def _q(self, c: FloatArray) -> FloatArray:
        a, b, d = _coefficients(self.skew, self.kurtosis)
        return np.asarray(a * c + b * (c * c - 1.0) + d * c * c * c)

    def _slope(self, c: FloatArray) -> FloatArray:
        a, b, d = _coefficients(self.skew, self.kurtosis)
        return np.asarray(a + 2.0 * b * c + 3.0 * d * c * c)

    def _bracket(self, c: FloatArray) -> FloatArray:
        """``E(q(Z) 1{Z > c}) / phi(c)``."""
        s, k = self.skew, self.kurtosis
        return np.asarray(1.0 + s * c / 6.0 + k * (c * c - 1.0) / 24.0 - s * s * (2.0 * c * c - 1.0) / 36.0)

    def _normal_of(self, x: FloatArray, level: float = 0.0) -> FloatArray:
        """The `c` with q(c) at the residual `x`; with a `level`, the one at the expectile."""
        from riskcore.kernels.cornish_fisher import normal_at

        y = np.ascontiguousarray((x - self.centre) / self._unit)
        out = np.empty(y.size)
        normal_at(self.skew, self.kurtosis, y, level, out)
        return out

    def _mean(self) -> FloatArray:
        return self.centre

    def _partial(self, c: FloatArray) -> FloatArray:
        """Upper partial moment at q(c), in units of the polynomial."""
        return np.asarray(np.exp(-0.5 * c * c) / _ROOT_2PI * self._bracket(c) - self._q(c) * special.ndtr(-c))

    def _upper(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        c = self._normal_of(x)
        return self._unit * self._partial(c), np.asarray(special.ndtr(-c))

    def _quantile(self, level: float) -> FloatArray:
        return self.centre + self._unit * self._q(np.full(self._count, special.ndtri(level)))

    def _shortfall(self, level: float) -> FloatArray:
        c = np.full(self._count, special.ndtri(level))
        return self.centre + self._unit * np.exp(-0.5 * c * c) / _ROOT_2PI * self._bracket(c) / (1.0 - level)

    def _expectile(self, level: float) -> FloatArray:
        r"""The root in `c` of :math:`(2\tau-1)U(q(c)) = (1-\tau)q(c)`, the polynomial's mean being zero."""
        return self.centre + self._unit * self._q(self._normal_of(self.centre, level))

    def _half_gini(self) -> FloatArray:
        a, _, d = _coefficients(self.skew, self.kurtosis)
        return np.asarray(self._unit * (a + 2.5 * d) / _ROOT_PI)

    def _logpdf(self, x: FloatArray) -> FloatArray:
        c = self._normal_of(x)
        density = -0.5 * c * c - math.log(_ROOT_2PI) - np.log(self._unit * self._slope(c))
        return np.where(self.spread > 0.0, density, np.nan)

    def _pit(self, x: FloatArray) -> FloatArray:
        return np.clip(special.ndtr(self._normal_of(x)), 1e-12, 1.0 - 1e-12)


@dataclass(frozen=True)
class CornishFisher(SampleSettings):
    r"""The normal quantile bent by the skewness and kurtosis of the residuals ("modified VaR").

    .. math:: q(z) = z + \tfrac s6(z^2-1) + \tfrac k{24}(z^3-3z) - \tfrac{s^2}{36}(2z^3-5z)

    The law is that of :math:`q(Z)`, scaled to the residuals' mean and standard deviation: VaR, ES, expectile and
    density are exact for it. `s` and `k` are parameters, not moments: by default they are solved so that the law
    *has* the sample's skewness and kurtosis. Where no rising polynomial has them, the nearest on the edge stands
    (`clipped`).

    Parameters
    ----------
    matching : {"moments", "plain"}
        ``"plain"`` puts the sample's moments in the place of the parameters, as is often done; too high by far in the
        tail of heavy-tailed residuals.

    Raises
    ------
    ConfigError
        If `matching` is another word.

    References
    ----------
    Cornish & Fisher (1938), Revue de l'Institut International de Statistique 5, 307-320. Maillard (2012), A user's
    guide to the Cornish Fisher expansion.

    Examples
    --------
    >>> law = CornishFisher().fit([-1.0, -0.5, -0.2, 0.0, 0.1, 0.4, 2.0])
    >>> law.ppf(0.99) > 2.0
    True
    """

    matching: Matching = "moments"

    short: ClassVar[str] = "cornish-fisher"
    decay: ClassVar[None] = None  # type: ignore[misc]  # all days weigh the same

    def __post_init__(self) -> None:
        ok = self.matching in ("moments", "plain")
        require(ok, f"matching must be 'moments' or 'plain', got {self.matching!r}")

    def fit(self, z: npt.ArrayLike) -> CornishFisherLaw:
        """The law of one sample."""
        return self.each(residuals(z, least=1)[None, :]).row(0)

    def each(self, samples: FloatArray) -> CornishFisherLaw:
        """The laws of the rows of `samples`."""
        from riskcore.kernels.cornish_fisher import LARGEST_SKEW, sample_moments, solve

        found = np.empty((len(samples), 4))
        sample_moments(np.ascontiguousarray(samples), found)
        centre, spread, skew, excess = (np.ascontiguousarray(column) for column in found.T)
        if self.matching == "moments":
            s, k, clipped = np.empty_like(skew), np.empty_like(skew), np.empty(skew.size, dtype=np.bool_)
            solve(skew, excess, s, k, clipped)
            return CornishFisherLaw(centre, spread, s, k, clipped)
        largest = LARGEST_SKEW * (1.0 - 1e-12)
        s = np.clip(skew, -largest, largest)
        low, high = monotone_range(s)
        k = np.clip(excess, low, high)
        return CornishFisherLaw(centre, spread, s, k, (s != skew) | (k != excess))

    def rolling(
        self, z: FloatArray, window: int, last: int, shift: npt.ArrayLike = 0.0, scale: npt.ArrayLike = 1.0
    ) -> CornishFisherLaw:
        """The laws of the `last` windows of `window` residuals."""
        return self.each(standardised_windows(z, window, last, shift, scale))
