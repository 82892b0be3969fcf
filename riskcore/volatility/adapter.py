"""Between our losses and `arch`'s returns: `arch` sees minus the losses, scaled to a standard deviation of one."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np

from riskcore._types import FloatArray
from riskcore.distributions import Law
from riskcore.errors import ConfigError
from riskcore.volatility.means import Mean

# Names of a law's parameters in arch's order, and the sign each takes when losses turn into returns.
LAW_PARAMETERS: dict[str, tuple[tuple[str, float], ...]] = {
    "normal": (),
    "t": (("nu", 1.0),),
    "skewt": (("nu", 1.0), ("skew", -1.0)),
    "ged": (("shape", 1.0),),
}
ARCH_LAWS = {"normal": "Normal", "t": "StudentsT", "skewt": "SkewStudent", "ged": "GeneralizedError"}
ARCH_MEANS: dict[str, tuple[str, int]] = {"zero": ("Zero", 0), "constant": ("Constant", 0), "ar1": ("AR", 1)}


@lru_cache(maxsize=1)
def _fixed_class() -> Any:
    from arch.univariate.distribution import Distribution

    class FixedLaw(Distribution):
        """A law of arch with some parameters held at given values; it shows arch only the free ones."""

        def __init__(self, inner: Any, fixed: dict[int, float]) -> None:
            super().__init__()
            self._inner, self._fixed = inner, fixed
            self._size = len(inner.parameter_names())
            self._free = [i for i in range(self._size) if i not in fixed]
            self._name = f"{inner.name} (some parameters fixed)"
            self.num_params = len(self._free)

        def _full(self, parameters: Any) -> FloatArray:
            full = np.empty(self._size)
            full[self._free] = [] if parameters is None else np.asarray(parameters)
            for index, value in self._fixed.items():
                full[index] = value
            return full

        def parameter_names(self) -> list[str]:
            names = self._inner.parameter_names()
            return [names[i] for i in self._free]

        def bounds(self, resids: Any) -> list[tuple[float, float]]:
            bounds = self._inner.bounds(resids)
            return [bounds[i] for i in self._free]

        def constraints(self) -> tuple[FloatArray, FloatArray]:
            if self.num_params == 0:
                return np.empty(0), np.empty(0)
            rows, limits = [], []
            for position in range(self.num_params):
                for sign, limit in zip((1.0, -1.0), self._limits(position), strict=True):
                    row = np.zeros(self.num_params)
                    row[position] = sign
                    rows.append(row)
                    limits.append(limit)
            return np.array(rows), np.array(limits)

        def _limits(self, position: int) -> tuple[float, float]:
            low, high = self._inner.bounds(np.zeros(2))[self._free[position]]
            return float(low), -float(high)

        def starting_values(self, std_resid: Any) -> FloatArray:
            values: FloatArray = np.asarray(self._inner.starting_values(std_resid), dtype=np.float64)[self._free]
            return values

        def loglikelihood(self, parameters: Any, resids: Any, sigma2: Any, individual: bool = False) -> Any:
            return self._inner.loglikelihood(self._full(parameters), resids, sigma2, individual)

        def cdf(self, resids: Any, parameters: Any = None) -> Any:
            return self._inner.cdf(resids, self._full(parameters))

        def ppf(self, pits: Any, parameters: Any = None) -> Any:
            return self._inner.ppf(pits, self._full(parameters))

        def moment(self, n: int, parameters: Any = None) -> float:
            return float(self._inner.moment(n, self._full(parameters)))

        def partial_moment(self, n: int, z: float = 0.0, parameters: Any = None) -> float:
            return float(self._inner.partial_moment(n, z, self._full(parameters)))

        def _simulator(self, size: Any) -> Any:
            raise ConfigError("a law with fixed parameters is not simulated through arch")

        def simulate(self, parameters: Any) -> Any:
            return self._inner.simulate(self._full(parameters))

    return FixedLaw


def arch_law(law: Law) -> Any:
    """`law` as a distribution of arch; parameters that are set stay at their values."""
    import arch.univariate

    inner = getattr(arch.univariate, ARCH_LAWS[law.short])()
    names = LAW_PARAMETERS[law.short]
    fixed = {i: sign * getattr(law, name) for i, (name, sign) in enumerate(names) if name not in law.free}
    return _fixed_class()(inner, fixed) if fixed else inner


def law_from_arch(law: Law, values: Sequence[float]) -> Law:
    """`law` with arch's estimates of its free parameters filled in, mirrored to losses."""
    free = [(name, sign) for name, sign in LAW_PARAMETERS[law.short] if name in law.free]
    found = {name: sign * float(value) for (name, sign), value in zip(free, values, strict=True)}
    return cast(Law, dataclasses.replace(cast(Any, law), **found)) if found else law


def law_to_arch(law: Law, fitted: Law) -> list[float]:
    """Values of `law`'s free parameters in `fitted`, in arch's order and sign: a warm start."""
    return [sign * float(getattr(fitted, name)) for name, sign in LAW_PARAMETERS[law.short] if name in law.free]


def arch_model(returns: FloatArray, mean: Mean, volatility: Any, law: Law) -> Any:
    """The model of arch for scaled returns."""
    import arch.univariate as au

    kind, lags = ARCH_MEANS[mean.short]
    options = {"volatility": volatility, "distribution": arch_law(law), "rescale": False}
    if kind == "Zero":
        return au.ZeroMean(returns, **options)
    if kind == "Constant":
        return au.ConstantMean(returns, **options)
    return au.ARX(returns, lags=lags, **options)


def arch_fit(model: Any, presample: float) -> Any:
    """One optimisation by arch; its rewriting of the global warnings filter stays inside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(
            backcast=presample,
            disp="off",
            show_warning=False,
            update_freq=0,
            options={"maxiter": 500},
        )
