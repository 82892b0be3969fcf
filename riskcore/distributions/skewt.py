"""Hansen's skewed t: two half t laws of different scale, glued at the mode."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from riskcore._types import FloatArray
from riskcore.distributions.parametric import ParametricLaw, StudentT


@dataclass(frozen=True)
class SkewT(ParametricLaw):
    r"""Hansen's skewed t of losses, mean 0 and variance 1.

    .. math:: Y = bZ + a \text{ has the density } f_\nu(y/(1 - \lambda)) \text{ for } y < 0,\
              f_\nu(y/(1 + \lambda)) \text{ for } y \ge 0

    with `f` the density of the t law of variance 1, :math:`a = 4\lambda c(\nu-2)/(\nu-1)`,
    :math:`b^2 = 1 + 3\lambda^2 - a^2` and :math:`c = f_\nu(0)`. Both tails and both partial moments are those of the
    t law, rescaled.

    Parameters
    ----------
    nu : float, optional
        Degrees of freedom, above 2; None: estimated. Typical values: 3 to 10.
    skew : float, optional
        The parameter lambda, in (-1, 1); positive means a long tail of large **losses** (on returns its sign turns);
        None: estimated. Typical values for daily losses of shares: 0 to 0.2.

    Raises
    ------
    ConfigError
        If `nu` is not in (2, 1e6) or `skew` not in (-1, 1).

    References
    ----------
    Hansen (1994), Autoregressive conditional density estimation, International Economic Review 35(3),
    doi:10.2307/2527081.

    Examples
    --------
    >>> round(SkewT(5, 0.2).ppf(0.99), 6), round(SkewT(5, -0.2).ppf(0.99), 6)
    (2.94204, 2.217439)
    """

    nu: float | None = None
    skew: float | None = None

    short: ClassVar[str] = "skewt"
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {"nu": (2.05, 300.0), "skew": (-0.99, 0.99)}
    starts: ClassVar[Mapping[str, float]] = {"nu": 6.0, "skew": 0.0}

    def __post_init__(self) -> None:
        self._check("nu", 2.0, 1e6)
        self._check("skew", -1.0, 1.0)

    @property
    def _known(self) -> tuple[StudentT, float, float, float]:
        """The t law, lambda, a and b."""
        assert self.nu is not None
        assert self.skew is not None
        nu, skew = self.nu, self.skew
        c = math.exp(-special.betaln(0.5 * nu, 0.5)) / math.sqrt(nu - 2.0)
        a = 4.0 * skew * c * (nu - 2.0) / (nu - 1.0)
        return StudentT(nu), skew, a, math.sqrt(1.0 + 3.0 * skew * skew - a * a)

    def _cdf(self, x: FloatArray) -> FloatArray:
        t, skew, a, b = self._known
        y = b * x + a
        left = (1.0 - skew) * t._cdf(np.minimum(y, 0.0) / (1.0 - skew))
        return np.where(y < 0.0, left, 1.0 - (1.0 + skew) * t._sf(y / (1.0 + skew)))

    def _sf(self, x: FloatArray) -> FloatArray:
        t, skew, a, b = self._known
        y = b * x + a
        right = (1.0 + skew) * t._sf(np.maximum(y, 0.0) / (1.0 + skew))
        return np.where(y < 0.0, 1.0 - (1.0 - skew) * t._cdf(y / (1.0 - skew)), right)

    def _upm(self, x: FloatArray) -> FloatArray:
        t, skew, a, b = self._known
        y = b * x + a
        above = (1.0 + skew) ** 2 / b * t._upm(np.abs(y) / (1.0 + skew))
        below = (1.0 - skew) ** 2 / b * t._upm(np.abs(y) / (1.0 - skew))
        return np.where(y < 0.0, below - x, above)

    def _lpm(self, x: FloatArray) -> FloatArray:
        t, skew, a, b = self._known
        y = b * x + a
        above = (1.0 + skew) ** 2 / b * t._upm(np.abs(y) / (1.0 + skew))
        below = (1.0 - skew) ** 2 / b * t._upm(np.abs(y) / (1.0 - skew))
        return np.where(y < 0.0, below, above + x)

    def _ppf(self, p: FloatArray) -> FloatArray:
        t, skew, a, b = self._known
        left = (1.0 - skew) * t._ppf(np.minimum(p / (1.0 - skew), 0.5))
        right = (1.0 + skew) * t._tail_quantile(np.minimum((1.0 - p) / (1.0 + skew), 0.5))
        return (np.where(p < 0.5 * (1.0 - skew), left, right) - a) / b

    def _logpdf(self, x: FloatArray) -> FloatArray:
        t, skew, a, b = self._known
        y = b * x + a
        return math.log(b) + t._logpdf(y / np.where(y < 0.0, 1.0 - skew, 1.0 + skew))

    def _half_gini(self) -> float:
        # The integral of F(1 - F), with U(0) and the integral of the squared tail of the t law on each side.
        t, skew, _, b = self._known
        whole = float(t._upm(np.asarray(0.0)))
        squared = whole - 0.5 * t._half_gini()
        return 2.0 * (whole * (1.0 + skew * skew) - squared * (1.0 + 3.0 * skew * skew)) / b
