"""Conditional means of the losses: zero, constant, first-order autoregression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Protocol

import numpy as np

from riskcore._types import FloatArray


class Mean(Protocol):
    """A conditional mean; `params` are in the units of the losses."""

    short: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    hold: ClassVar[int]

    def estimate(self, losses: FloatArray) -> tuple[float, ...]:
        """Least-squares estimates on a window."""
        ...

    def path(self, losses: FloatArray, params: tuple[float, ...]) -> FloatArray:
        """Means for rows 0..n: row t is known from rows before t, row n is the next day's."""
        ...

    def rescaled(self, params: tuple[float, ...], factor: float) -> tuple[float, ...]:
        """Parameters for losses multiplied by `factor`."""
        ...

    def mirrored(self, params: tuple[float, ...]) -> tuple[float, ...]:
        """Parameters for minus the losses."""
        ...


@dataclass(frozen=True)
class ZeroMean:
    """The mean of the losses is zero: ``mu[t] = 0``."""

    short: ClassVar[str] = "zero"
    names: ClassVar[tuple[str, ...]] = ()
    hold: ClassVar[int] = 0

    def estimate(self, losses: FloatArray) -> tuple[float, ...]:
        """Nothing to estimate."""
        return ()

    def path(self, losses: FloatArray, params: tuple[float, ...]) -> FloatArray:
        """Zeros."""
        return np.zeros(losses.size + 1)

    def rescaled(self, params: tuple[float, ...], factor: float) -> tuple[float, ...]:
        """Parameters for losses multiplied by `factor`."""
        return tuple(factor * p for p in params)

    def mirrored(self, params: tuple[float, ...]) -> tuple[float, ...]:
        """Parameters for minus the losses."""
        return tuple(-p for p in params)


@dataclass(frozen=True)
class ConstantMean:
    """The mean of the losses is one number: ``mu[t] = mu``."""

    short: ClassVar[str] = "constant"
    names: ClassVar[tuple[str, ...]] = ("mu",)
    hold: ClassVar[int] = 0

    def estimate(self, losses: FloatArray) -> tuple[float, ...]:
        """Sample mean."""
        return (float(losses.mean()),)

    def path(self, losses: FloatArray, params: tuple[float, ...]) -> FloatArray:
        """The constant, repeated."""
        return np.full(losses.size + 1, params[0])

    def rescaled(self, params: tuple[float, ...], factor: float) -> tuple[float, ...]:
        """Parameters for losses multiplied by `factor`."""
        return tuple(factor * p for p in params)

    def mirrored(self, params: tuple[float, ...]) -> tuple[float, ...]:
        """Parameters for minus the losses."""
        return tuple(-p for p in params)


@dataclass(frozen=True)
class AR1:
    """First-order autoregression: ``mu[t] = const + phi * loss[t-1]``.

    The window's first loss is only conditioned on.
    """

    short: ClassVar[str] = "ar1"
    names: ClassVar[tuple[str, ...]] = ("const", "phi")
    hold: ClassVar[int] = 1

    def estimate(self, losses: FloatArray) -> tuple[float, ...]:
        """Least squares of the loss on the loss of the day before."""
        before, after = losses[:-1], losses[1:]
        centred = before - before.mean()
        spread = float(centred @ centred)
        phi = float(centred @ after) / spread if spread > 0 else 0.0
        return float(after.mean() - phi * before.mean()), phi

    def path(self, losses: FloatArray, params: tuple[float, ...]) -> FloatArray:
        """Means for rows 0..n; row 0 has no day before it and takes the long-run mean."""
        const, phi = params
        out = np.empty(losses.size + 1)
        out[0] = const / (1.0 - phi) if abs(phi) < 1 else const
        out[1:] = const + phi * losses
        return out

    def rescaled(self, params: tuple[float, ...], factor: float) -> tuple[float, ...]:
        """Parameters for losses multiplied by `factor`."""
        return factor * params[0], params[1]

    def mirrored(self, params: tuple[float, ...]) -> tuple[float, ...]:
        """Parameters for minus the losses."""
        return -params[0], params[1]


MEANS: Mapping[str, Mean] = MappingProxyType({"zero": ZeroMean(), "constant": ConstantMean(), "ar1": AR1()})
