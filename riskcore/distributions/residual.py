"""Laws made from residuals by a formula: one law, or one for each of `k` samples; what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray, Target
from riskcore.distributions.base import Values, measure_of, probabilities, unwrap
from riskcore.errors import require


class ResidualLaw(ABC):
    """The law that a sample's residuals give through a few figures, or the laws of `k` samples.

    Scalars and arrays are taken as by `SampleLaw`: one law takes any `x`; `k` laws take ``(k,)`` or a scalar, and a
    level gives ``(k,)``, a sequence of `m` levels ``(k, m)``. NaN in, NaN out. A sample that is too short for the
    formula gives NaN throughout.

    A subclass answers for arrays that fit its own figures, of shape ``(k,)``; those of one law have shape ``(1,)``.
    """

    short: ClassVar[str]
    is_sample: ClassVar[bool] = True
    single: bool

    @property
    @abstractmethod
    def _count(self) -> int: ...
    @abstractmethod
    def row(self, i: int) -> Self:
        """The law of sample `i`, as one law."""

    @abstractmethod
    def _mean(self) -> FloatArray: ...
    @abstractmethod
    def _upper(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``E(Z - x)+`` and ``P(Z > x)``."""

    @abstractmethod
    def _quantile(self, level: float) -> FloatArray: ...
    @abstractmethod
    def _shortfall(self, level: float) -> FloatArray: ...
    @abstractmethod
    def _expectile(self, level: float) -> FloatArray: ...
    @abstractmethod
    def _half_gini(self) -> FloatArray: ...
    @abstractmethod
    def _logpdf(self, x: FloatArray) -> FloatArray: ...

    def _pit(self, x: FloatArray) -> FloatArray:
        return 1.0 - self._upper(x)[1]

    @property
    def free(self) -> tuple[str, ...]:
        """Names of parameters to be estimated: none."""
        return ()

    @property
    def params(self) -> Mapping[str, Values]:
        """Parameters: none."""
        return {}

    def fit(self, z: npt.ArrayLike) -> Self:
        """The same law: it has its figures."""
        return self

    def cdf(self, x: npt.ArrayLike) -> Values:
        """Probability of a loss at or below `x`."""
        return self._at(x, lambda at: 1.0 - self._upper(at)[1])

    def sf(self, x: npt.ArrayLike) -> Values:
        """Probability of a loss above `x`, exact in the upper tail."""
        return self._at(x, lambda at: self._upper(at)[1])

    def ppf(self, p: npt.ArrayLike) -> Values:
        """Quantile, the VaR at level `p` in (0, 1)."""
        return self._levels(self._quantile, p, "p")

    def es(self, level: npt.ArrayLike) -> Values:
        """Expected Shortfall."""
        return self._levels(self._shortfall, level, "level")

    def expectile(self, level: npt.ArrayLike) -> Values:
        """Expectile."""
        return self._levels(self._expectile, level, "level")

    def lpm(self, x: npt.ArrayLike) -> Values:
        """Lower partial moment ``E(x - Z)+``."""
        return self._at(x, lambda at: self._upper(at)[0] + at - self._mean())

    def upm(self, x: npt.ArrayLike) -> Values:
        """Upper partial moment ``E(Z - x)+``."""
        return self._at(x, lambda at: self._upper(at)[0])

    def logpdf(self, x: npt.ArrayLike) -> Values:
        """Logarithm of the density; NaN where the law has none."""
        return self._at(x, self._logpdf)

    def mean(self) -> Values:
        """Mean."""
        found = self._mean()
        return unwrap(found[0] if self.single else found)

    def pit(self, x: npt.ArrayLike) -> Values:
        """Probability integral transform, in (0, 1)."""
        return self._at(x, self._pit)

    def crps(self, x: npt.ArrayLike) -> Values:
        r"""Continuous ranked probability score, :math:`E|Z-x| - \frac12 E|Z-Z'|`."""
        return self._at(x, lambda at: 2.0 * self._upper(at)[0] + at - self._mean() - self._half_gini())

    def value(self, target: Target) -> Values:
        """The measure that `target` names."""
        return measure_of(self, target)

    def values(self, targets: Sequence[Target]) -> FloatArray:
        """The measures that `targets` name: ``(m,)``, or ``(k, m)`` for `k` samples."""
        return np.stack([np.asarray(self.value(t)) for t in targets], axis=-1)

    def _at(self, x: npt.ArrayLike, run: Callable[[FloatArray], FloatArray]) -> Values:
        at = np.asarray(x, dtype=np.float64)
        if not self.single:
            fits = at.ndim == 0 or at.shape == (self._count,)
            require(fits, f"x must have one entry for each of the samples ({self._count},), got shape {at.shape}")
            at = np.broadcast_to(at, (self._count,))
        with np.errstate(all="ignore"):  # a law of NaN answers NaN
            found = run(np.ascontiguousarray(at).reshape(-1))
        return unwrap(np.where(np.isnan(at), np.nan, found.reshape(at.shape)))

    def _levels(self, run: Callable[[float], FloatArray], level: npt.ArrayLike, name: str) -> Values:
        levels = probabilities(level, name)
        require(levels.ndim <= 1, f"{name} must be a number or a sequence of numbers, got shape {levels.shape}")
        with np.errstate(all="ignore"):
            found = np.stack([run(float(p)) for p in np.atleast_1d(levels)], axis=-1)
        found = found[0] if self.single else found
        return unwrap(found[..., 0] if levels.ndim == 0 else found)


def standardised_windows(
    z: FloatArray, window: int, last: int, shift: npt.ArrayLike, scale: npt.ArrayLike
) -> FloatArray:
    """The `last` windows of `window` entries that end `z`, as rows, those of window `i` less shift over scale."""
    rows = np.lib.stride_tricks.sliding_window_view(z[z.size - window - last + 1 :], window)
    by_row = [np.broadcast_to(np.asarray(v, dtype=np.float64), (last,))[:, None] for v in (shift, scale)]
    return np.asarray((rows - by_row[0]) / by_row[1])
