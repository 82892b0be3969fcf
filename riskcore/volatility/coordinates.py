"""Coordinates of the polish: all of order one, with bounds and linear constraints only."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from riskcore._types import FloatArray
from riskcore.distributions import Law, ParametricLaw
from riskcore.volatility.means import Mean

SMALLEST_OMEGA = 1e-10
BOX: Mapping[str, tuple[float, float]] = {"alpha": (0.0, 1.0), "beta": (0.0, 1.0), "gamma": (-1.0, 2.0)}
LOG_BOX: Mapping[str, tuple[float, float]] = {
    "alpha": (-1.0, 2.0),
    "beta": (math.log(1e-5), math.log(1.9)),
    "gamma": (-2.0, 2.0),
}


class Coordinates:
    """A point as a vector: mean, ln omega, alpha, gamma, beta, 1/nu, skew, shape.

    A log variance takes its level omega / (1 - beta) in place of ln omega, and ln(1 - beta) in place of beta: so the
    two are nearly independent, and beta stays below one.
    """

    def __init__(self, names: tuple[str, ...], mean: Mean, law: Law, *, log_variance: bool) -> None:
        self.names, self.mean, self.law, self.log_variance = names, mean, law, log_variance
        self.labels = [*mean.names, *names, *law.free]

    def start_law(self) -> Law:
        """The law with its free parameters at the start of an estimation."""
        starts = cast(ParametricLaw, self.law).starts
        return self._law({name: starts[name] for name in self.law.free})

    def pack(self, mean_params: tuple[float, ...], params: Mapping[str, float], law: Law) -> FloatArray:
        """The vector of a point."""
        volatility = [params[n] for n in self.names]
        if self.log_variance:
            room = max(1.0 - params["beta"], 1e-5)
            volatility[0], volatility[-1] = params["omega"] / room, math.log(room)
        else:
            volatility[0] = math.log(max(volatility[0], SMALLEST_OMEGA))
        known = law.params
        shape = [1.0 / known[n] if n == "nu" else known[n] for n in self.law.free]
        return np.array([*mean_params, *volatility, *shape])

    def unpack(self, x: FloatArray) -> tuple[tuple[float, ...], dict[str, float], Law]:
        """The point of a vector."""
        values = dict(zip(self.labels, x.tolist(), strict=True))
        params = {n: values[n] for n in self.names}
        if self.log_variance:
            room = math.exp(params["beta"])
            params["omega"], params["beta"] = params["omega"] * room, 1.0 - room
        else:
            params["omega"] = math.exp(params["omega"])
        law = {n: 1.0 / values[n] if n == "nu" else values[n] for n in self.law.free}
        return tuple(values[n] for n in self.mean.names), params, self._law(law)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds."""
        box = LOG_BOX if self.log_variance else BOX
        limits: dict[str, tuple[float, float]] = {n: box[n] for n in self.names if n != "omega"}
        limits["omega"] = (-10.0, 10.0) if self.log_variance else (math.log(SMALLEST_OMEGA), math.log(10.0))
        for name, (low, high) in cast(ParametricLaw, self.law).bounds.items():
            limits[name] = (1.0 / high, 1.0 / low) if name == "nu" else (low, high)
        limits["phi"] = (-0.999, 0.999)
        found = [limits.get(name, (-10.0, 10.0)) for name in self.labels]
        return np.array([low for low, _ in found]), np.array([high for _, high in found])

    def constraints(self) -> list[Any]:
        """Linear constraints ``rows @ x + offset >= 0`` for scipy: stationarity, and no negative weight on a loss."""
        rows, offset = self._rows()
        if rows.size == 0:
            return []
        return [{"type": "ineq", "fun": lambda x: rows @ x + offset, "jac": lambda x: rows}]

    def violated(self, x: FloatArray) -> bool:
        """Whether a linear constraint is broken."""
        rows, offset = self._rows()
        return bool(rows.size and np.any(rows @ x + offset < 0))

    def _rows(self) -> tuple[FloatArray, FloatArray]:
        if self.log_variance:
            return np.empty((0, len(self.labels))), np.empty(0)
        weights = {"alpha": -1.0, "beta": -1.0, "gamma": -0.5}
        rows = [[weights.get(n, 0.0) for n in self.labels]]
        offset = [1.0]
        if "gamma" in self.names:
            rows.append([1.0 if n in ("alpha", "gamma") else 0.0 for n in self.labels])
            offset.append(0.0)
        return np.array(rows), np.array(offset)

    def _law(self, values: Mapping[str, float]) -> Law:
        return cast(Law, dataclasses.replace(cast(Any, self.law), **values)) if values else self.law
