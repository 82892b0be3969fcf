"""What a volatility is: `fit` on a window, `filter` over losses, `fit_windows` for many windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

import numpy as np

from riskcore._types import FloatArray, Status
from riskcore.distributions import Law
from riskcore.volatility.fast import Tracks
from riskcore.volatility.means import Mean

StartRule = Literal["backcast", "sample-variance"]


@dataclass(frozen=True)
class VolatilityFit:
    """Estimates of mean, volatility and law on one window, in the units of the losses."""

    mean: Mean
    mean_params: tuple[float, ...]
    params: Mapping[str, float]
    law: Law
    presample: float
    n_obs: int
    log_likelihood: float
    status: Status = Status.ok
    attempts: int = 0
    optimizer_code: int = 0
    errors: Callable[[], Mapping[str, float]] = field(default=dict, compare=False, repr=False)
    tracks: Tracks | None = field(default=None, compare=False, repr=False)

    @property
    def all_params(self) -> dict[str, float]:
        """Estimates of mean, volatility and law by name."""
        law = {} if self.law.is_sample else dict(self.law.params)
        return {**dict(zip(self.mean.names, self.mean_params, strict=True)), **self.params, **law}


class Volatility(Protocol):
    """A frozen dataclass of settings."""

    short: ClassVar[str]
    estimated: ClassVar[bool]

    def fit(self, losses: FloatArray, *, mean: Mean, law: Law, start: VolatilityFit | None = None) -> VolatilityFit:
        """Estimate mean, volatility and the free parameters of `law` on one window; FitError if nothing is accepted."""
        ...

    def filter(self, losses: FloatArray, fit: VolatilityFit) -> tuple[FloatArray, FloatArray]:
        """Means and volatilities of rows 0..n, row t from rows before t; `losses` start where the fit's did."""
        ...

    def fit_windows(
        self, losses: FloatArray, windows: Sequence[slice], *, mean: Mean, law: Law
    ) -> list[VolatilityFit | None]:
        """Fits of many windows, each started from the one before it; None where the fit failed."""
        ...


def fit_chain(
    volatility: Volatility, losses: FloatArray, windows: Sequence[slice], *, mean: Mean, law: Law
) -> list[VolatilityFit | None]:
    """The definition of `fit_windows`: one fit after another, each warm from the last that succeeded."""
    from riskcore.errors import FitError

    fits: list[VolatilityFit | None] = []
    last: VolatilityFit | None = None
    for window in windows:
        try:
            last = volatility.fit(losses[window].copy(), mean=mean, law=law, start=last)
            fits.append(last)
        except FitError:
            fits.append(None)
    return fits


def gaussian_if_sample(law: Law) -> Law:
    """The law that an estimation uses: normal quasi-likelihood where the law is the sample of residuals."""
    from riskcore.distributions import Normal

    return Normal() if law.is_sample else law


def log_likelihood(shocks: FloatArray, sigma: FloatArray, law: Law) -> float:
    """Sum of ``log f(shock / sigma) - log sigma``."""
    return float(np.sum(law.logpdf(shocks / sigma)) - np.sum(np.log(sigma)))
