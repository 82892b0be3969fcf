"""The peer of the refits: `arch` on minus the losses in percent, not rescaled, with our mean and start-up rule."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from riskcore._types import FloatArray
from riskcore.distributions import GED, Law, Normal, SkewT, StudentT
from riskcore.volatility import EGARCH, GARCH, GJR, ConstantMean
from riskcore.volatility.adapter import LAW_PARAMETERS
from riskcore.volatility.base import log_likelihood

ARCH_LAWS = {"normal": "normal", "t": "t", "skewt": "skewt", "ged": "ged"}


@dataclass(frozen=True)
class Pair:
    """A volatility and a law, estimated with a constant mean."""

    volatility: Any
    law: Law

    def arch_model(self, losses: FloatArray) -> Any:
        """The model in arch; unlike ours it works on returns."""
        from arch import arch_model

        kind = self.volatility.short
        return arch_model(
            -losses,
            mean="Constant",
            vol="EGARCH" if kind == "egarch" else "GARCH",
            p=1,
            o=0 if kind == "garch" else 1,
            q=1,
            dist=cast(Any, ARCH_LAWS[self.law.short]),
            rescale=False,
        )

    def read(self, values: FloatArray) -> tuple[float, dict[str, float], Law]:
        """Mean, volatility and law from arch's parameters, mirrored to losses."""
        names = self.volatility.names
        law_values = values[1 + len(names) :].tolist()
        free = LAW_PARAMETERS[self.law.short]
        law = {name: sign * v for (name, sign), v in zip(free, law_values, strict=True)}
        params = self.volatility.from_arch(values[1 : 1 + len(names)].tolist())
        return -float(values[0]), params, cast(Law, replace(cast(Any, self.law), **law)) if law else self.law

    def log_likelihood(self, losses: FloatArray, values: FloatArray) -> float:
        """Our log-likelihood at arch's parameters; the presample is held at the sample mean's, as arch holds it."""
        mu, params, law = self.read(values)
        if self.volatility.short != "egarch":
            params = inside(params)
        presample = self.volatility.presample(losses - losses.mean())
        variance = self.volatility.variance(losses - mu, params, presample, 0)[:-1]
        return log_likelihood(losses - mu, np.sqrt(variance), law)


def inside(params: Mapping[str, float]) -> dict[str, float]:
    """The parameters moved inside the constraints, where SLSQP has stopped up to 1e-4 outside.

    >>> inside({"omega": 0.1, "alpha": 0.1, "gamma": -0.25, "beta": 1.0})
    {'omega': 0.1, 'alpha': 0.1, 'gamma': -0.1, 'beta': 0.95}
    """
    found = {name: max(value, 0.0) if name != "gamma" else value for name, value in params.items()}
    if "gamma" in found:
        found["gamma"] = max(found["gamma"], -found["alpha"])
    excess = found["alpha"] + found["beta"] + 0.5 * found.get("gamma", 0.0) - 1.0
    if excess > 0.0:
        found["beta"] -= excess
    return found


PAIRS: Mapping[str, Pair] = MappingProxyType(
    {
        "garch-n": Pair(GARCH(), Normal()),
        "garch-t": Pair(GARCH(), StudentT()),
        "gjr-t": Pair(GJR(), StudentT()),
        "garch-skewt": Pair(GARCH(), SkewT()),
        "garch-ged": Pair(GARCH(), GED()),
        "egarch-t": Pair(EGARCH(), StudentT()),
        "gjr-n": Pair(GJR(), Normal()),
        "gjr-skewt": Pair(GJR(), SkewT()),
    }
)
MEAN = ConstantMean()
EVERY_WINDOW = ("garch-n", "garch-t", "gjr-t")
"""Pairs judged in every window; the others in every tenth."""


@dataclass(frozen=True)
class ArchFit:
    """What arch found; `flag` is its convergence flag, 0 for good."""

    values: FloatArray
    log_likelihood: float
    flag: int


def arch_fit(pair: Pair, losses: FloatArray, start: FloatArray | None = None) -> ArchFit | None:
    """One fit by arch, cold or from `start`; None where it raises."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            result = pair.arch_model(losses).fit(disp="off", show_warning=False, starting_values=start)
        except (ValueError, FloatingPointError, np.linalg.LinAlgError):
            return None
    return ArchFit(np.asarray(result.params), float(result.loglikelihood), int(result.convergence_flag))


def arch_loop(pair: Pair, losses: FloatArray, windows: Sequence[slice], *, warm: bool) -> list[ArchFit | None]:
    """Arch on one window after another, warm from the last optimum or each time cold."""
    fits: list[ArchFit | None] = []
    last: FloatArray | None = None
    for window in windows:
        fit = arch_fit(pair, losses[window], last if warm else None)
        last = fit.values if fit is not None else last
        fits.append(fit)
    return fits
