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

Moments = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""A partial moment and the mass beside it, as functions of the point."""


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
    def params(self) -> Mapping[str, Values]:
        """Parameters of the law by name; arrays for the laws of many days."""
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


def solve_expectile(level: FloatArray, upper: Moments, lower: Moments) -> FloatArray:
    r"""Expectiles of a law of mean 0, from ``U(z), P(Z > z)`` (`upper`) and ``G(z), P(Z <= z)`` (`lower`).

    For a level above one half it is the root z > 0 of :math:`(2\tau-1)\,U(z) = (1-\tau)\,z`. Newton's steps are taken
    on the difference of the logarithms in :math:`\ln z`, which is close to a line for thin and heavy tails alike; it
    falls, so that its sign keeps a bracket. A level under one half is solved for the mirrored law, so that no tail is a
    difference of large numbers. An entry that has arrived moves no more: it does not depend on its neighbours.
    """
    mirrored, centre = level < 0.5, level == 0.5
    tail = np.minimum(level, 1.0 - level)
    log_odds = np.log(np.where(centre, 1.0, np.abs(2.0 * level - 1.0)) / tail)
    z, low, high = np.ones(level.shape), np.zeros(level.shape), np.full(level.shape, np.inf)
    arrived = centre
    for _ in range(200):
        if mirrored.all():
            partial, mass = lower(-z)
        else:
            partial, mass = upper(z)
            if mirrored.any():
                below, mass_below = lower(-z)
                partial, mass = np.where(mirrored, below, partial), np.where(mirrored, mass_below, mass)
        partial = np.maximum(partial, 1e-300)  # far beyond the root of a thin tail
        gap = np.log(partial) + log_odds - np.log(z)
        step = gap / (1.0 + z * mass / partial)
        low, high = np.where(gap > 0.0, z, low), np.where(gap < 0.0, z, high)
        to = z * np.exp(np.minimum(step, 1.0))
        to = np.where((to < low) | (to > high), 0.5 * (low + high), to)
        z = np.where(arrived, z, to)
        arrived = arrived | ~(np.abs(step) > 1e-8)  # the next step would be of the order 1e-16; NaN: there is no root
        if arrived.all():
            break
    return np.where(centre, 0.0, np.where(mirrored, -z, z))
