"""What a law is, and what every law with a formula shares: ES, expectile and CRPS follow from its partial moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray, Target
from riskcore.errors import ConfigError, FitError, require

Values = Any
"""A float for a scalar, an array for an array (laws of several samples: an array with one entry a sample)."""


@runtime_checkable
class Law(Protocol):
    """The law of a standardised loss `Z`; positive hurts.

    Settings never carry data: `fit` returns another law that holds the estimates or the sample. Scalars give floats,
    arrays give arrays. A law that still has free parameters or no sample raises ConfigError when it is asked.
    """

    short: ClassVar[str]
    is_sample: ClassVar[bool]

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters that are still to be estimated."""
        ...

    @property
    def params(self) -> Mapping[str, float]:
        """Parameters of the law by name."""
        ...

    def fit(self, z: npt.ArrayLike) -> Law:
        """A new law with the free parameters estimated on `z`, or made of the sample `z` in time order."""
        ...

    def cdf(self, x: npt.ArrayLike) -> Values:
        """Probability of a loss at or below `x`."""
        ...

    def ppf(self, p: npt.ArrayLike) -> Values:
        """Quantile, the VaR at level `p`."""
        ...

    def es(self, level: npt.ArrayLike) -> Values:
        """Expected Shortfall."""
        ...

    def expectile(self, level: npt.ArrayLike) -> Values:
        """Expectile."""
        ...

    def lpm(self, x: npt.ArrayLike) -> Values:
        """Lower partial moment ``E(x - Z)+``."""
        ...

    def upm(self, x: npt.ArrayLike) -> Values:
        """Upper partial moment ``E(Z - x)+``, exact in the upper tail."""
        ...

    def logpdf(self, x: npt.ArrayLike) -> Values:
        """Logarithm of the density; NaN for a law that has none."""
        ...

    def mean(self) -> Values:
        """Mean."""
        ...

    def pit(self, x: npt.ArrayLike) -> Values:
        """Probability integral transform, in (0, 1)."""
        ...

    def crps(self, x: npt.ArrayLike) -> Values:
        """Continuous ranked probability score of the outcome `x`; lower is better."""
        ...

    def value(self, target: Target) -> Values:
        """The measure that `target` names."""
        ...


def measure_of(law: Law, target: Target) -> Values:
    """VaR, ES or expectile of the law, as the target says."""
    ask = {"var": law.ppf, "es": law.es, "expectile": law.expectile}[target.measure]
    return ask(target.level)


def probabilities(p: npt.ArrayLike, name: str) -> FloatArray:
    """Levels as an array, each in (0, 1)."""
    array = np.asarray(p, dtype=np.float64)
    outside = ~((array > 0.0) & (array < 1.0))
    if outside.any():
        raise ConfigError(f"{name} must lie in (0, 1), got {float(array[outside].flat[0])!r}; typical value: 0.99")
    return array


def residuals(z: npt.ArrayLike, least: int) -> FloatArray:
    """Standardised losses as an array of finite numbers, at least `least` of them."""
    array = np.asarray(z, dtype=np.float64)
    require(array.ndim == 1, f"z must have one dimension, got shape {array.shape}")
    n_bad = int((~np.isfinite(array)).sum())
    require(n_bad == 0, f"z must be finite, got {n_bad} entries that are not", FitError)
    require(array.size >= least, f"z must have at least {least} entries, got {array.size}", FitError)
    return array


def unwrap(values: npt.ArrayLike) -> Values:
    """A float for a scalar, the array otherwise."""
    array = np.asarray(values, dtype=np.float64)
    return array if array.ndim else float(array)


def solve_expectile(
    level: FloatArray,
    upper: tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]],
    lower: tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]],
) -> FloatArray:
    """Expectiles of a law of mean 0 from ``U(z), P(Z > z)`` (`upper`) and ``G(z), P(Z <= z)`` (`lower`).

    A level under one half is solved for the mirrored law, so that no tail is a difference of large numbers.
    """
    mirrored = level < 0.5
    gain, tail = np.abs(2.0 * level - 1.0), np.minimum(level, 1.0 - level)
    out = np.empty(level.shape)
    if not mirrored.all():
        out[~mirrored] = _newton(gain[~mirrored], tail[~mirrored], *upper)
    if mirrored.any():
        partial, mass = lower
        out[mirrored] = -_newton(gain[mirrored], tail[mirrored], lambda z: partial(-z), lambda z: mass(-z))
    return out


def _newton(
    gain: FloatArray, tail: FloatArray, upm: Callable[[FloatArray], FloatArray], sf: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Root of ``gain U(z) = tail z`` with gain = 2 tau - 1 and tail = 1 - tau for tau >= 1/2.

    The difference of the two sides falls and is convex, so Newton's steps from the mean all go up to the root and
    none passes it: the bracket is built in.
    """
    z = np.zeros(gain.shape)
    for _ in range(200):
        step = (gain * upm(z) - tail * z) / (gain * sf(z) + tail)
        z = z + step
        if np.all(np.abs(step) <= 1e-11 * np.abs(z)):  # the next step would be of the order 1e-22
            break
    return z
