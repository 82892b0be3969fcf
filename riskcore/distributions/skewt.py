"""Hansen's skewed t: two half t laws of different scale, glued at the mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskcore._types import BoolArray, FloatArray
from riskcore.distributions.base import Values
from riskcore.distributions.parametric import ParametricLaw, StudentT, log_beta_half


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
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"nu": (2.0, 1e6), "skew": (-1.0, 1.0)}
    bounds: ClassVar[Mapping[str, tuple[float, float]]] = {"nu": (2.05, 300.0), "skew": (-0.99, 0.99)}
    starts: ClassVar[Mapping[str, float]] = {"nu": 6.0, "skew": 0.0}

    @property
    def _known(self) -> tuple[StudentT, Values, Values, Values]:
        """The t law, lambda, a and b."""
        assert self.nu is not None
        assert self.skew is not None
        nu, skew = self.nu, self.skew
        c = np.exp(-log_beta_half(0.5 * nu)) / np.sqrt(nu - 2.0)
        a = 4.0 * skew * c * (nu - 2.0) / (nu - 1.0)
        return StudentT()._holding({"nu": nu}), skew, a, np.sqrt(1.0 + 3.0 * skew * skew - a * a)

    def _tail(self, x: FloatArray) -> tuple[BoolArray, FloatArray, FloatArray]:
        """Whether `x` lies below the mode; on its side of it, partial moment and mass beyond `x`."""
        t, skew, a, b = self._known
        y = b * x + a
        below = y < 0.0
        side = np.where(below, 1.0 - skew, 1.0 + skew)
        at = np.abs(y) / side
        tail = t._tail(at)
        return below, side * side / b * t._excess(at, tail), side * tail

    def _upper(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        below, partial, mass = self._tail(x)
        return np.where(below, partial - x, partial), np.where(below, 1.0 - mass, mass)

    def _lower(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        below, partial, mass = self._tail(x)
        return np.where(below, partial, partial + x), np.where(below, mass, 1.0 - mass)

    def _ppf(self, p: FloatArray) -> FloatArray:
        t, skew, a, b = self._known
        below = p < 0.5 * (1.0 - skew)
        side = np.where(below, skew - 1.0, 1.0 + skew)  # negative: the quantile lies left of the mode
        beyond = np.where(below, p, 1.0 - p)
        return np.asarray((side * t._tail_quantile(np.minimum(beyond / np.abs(side), 0.5)) - a) / b)

    def _logpdf(self, x: FloatArray) -> FloatArray:
        t, skew, a, b = self._known
        y = b * x + a
        return np.asarray(np.log(b) + t._logpdf(y / np.where(y < 0.0, 1.0 - skew, 1.0 + skew)))

    def _half_gini(self) -> Values:
        # The integral of F(1 - F), with U(0) and the integral of the squared tail of the t law on each side.
        t, skew, _, b = self._known
        centre = np.zeros(np.shape(b))
        whole = t._excess(centre, centre + 0.5)
        squared = whole - 0.5 * t._half_gini()
        return 2.0 * (whole * (1.0 + skew * skew) - squared * (1.0 + 3.0 * skew * skew)) / b

    def _upper_second_moment(self) -> Values:
        # For lambda >= 0 the mean lies right of the mode: E (W - w)^2 1{W > w} of the t law W, rescaled. Else mirrored.
        t, skew, a, b = self._known
        nu, _ = t._known
        side = 1.0 + np.abs(skew)
        w = np.abs(a) / side
        tail = t._tail(w)
        within = tail + w * np.exp(t._logpdf(w)) * (1.0 + w * w / (nu - 2.0))  # E W^2 1{W > w}
        moment = side**3 / (b * b) * (within - w * (2.0 * t._excess(w, tail) + w * tail))
        return np.where(skew < 0.0, 1.0 - moment, moment)
