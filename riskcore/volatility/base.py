"""What a volatility is: `fit` on a window, `filter` over losses, `fit_windows` for many windows at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from riskcore._types import BoolArray, FloatArray, IntArray, Status
from riskcore.distributions import Law
from riskcore.volatility.fast import Tracks
from riskcore.volatility.means import Mean

StartRule = Literal["backcast", "sample-variance"]


@dataclass(frozen=True)
class Carried:
    """Optima of one window for the next: coordinates in a frame and curvatures, for losses divided by `scale`."""

    frame: object
    scale: float
    points: tuple[tuple[FloatArray, FloatArray], ...]
    age: int
    """Windows since the grid was last looked at."""


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
    carried: Carried | None = field(default=None, compare=False, repr=False)

    @property
    def all_params(self) -> dict[str, float]:
        """Estimates of mean, volatility and law by name."""
        law = {} if self.law.is_sample else dict(self.law.params)
        return {**dict(zip(self.mean.names, self.mean_params, strict=True)), **self.params, **law}


@dataclass(frozen=True)
class WindowFits:
    """Estimates of one volatility on m windows of `n` losses, in the units of the losses; one entry for each window.

    `recursion` are the coefficients (m, 4) of the variance's recursion, with `log_variance` of the log variance:
    omega, alpha, gamma, beta. Where `status` is failed the other figures mean nothing.
    """

    begins: IntArray
    n: int
    mean: FloatArray
    recursion: FloatArray
    log_variance: bool
    presample: FloatArray
    law: Law
    law_params: Mapping[str, FloatArray]
    log_likelihood: FloatArray
    status: npt.NDArray[np.int8]
    evaluations: IntArray

    def filtered(
        self, losses: FloatArray, days: IntArray, *, taken: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Volatilities of the `days` after each window, and for each day the `n` losses before it over theirs.

        From these losses each window's entry of `taken` is taken first; without it they are left out.
        """
        from riskcore.kernels.variance import window_volatilities

        rows = int(days.sum())
        sigma, before = np.empty(rows), np.empty((0 if taken is None else rows, self.n))
        window_volatilities(
            losses,
            self.begins,
            self.n,
            days,
            self.mean,
            self.mean if taken is None else taken,
            self.recursion,
            self.log_variance,
            self.presample,
            sigma,
            before,
        )
        return sigma, before


class Volatility(Protocol):
    """A frozen dataclass of settings.

    One that reads exogenous columns says so by a property ``needs_exog -> tuple[str, ...]``; then `fit` and `filter`
    take the keyword ``exog`` with those columns, row i known at the end of day i.
    """

    short: ClassVar[str]
    estimated: ClassVar[bool]

    def fit(self, losses: FloatArray, *, mean: Mean, law: Law, start: VolatilityFit | None = None) -> VolatilityFit:
        """Estimate mean, volatility and the free parameters of `law` on one window; FitError if nothing is accepted."""
        ...

    def filter(self, losses: FloatArray, fit: VolatilityFit) -> tuple[FloatArray, FloatArray]:
        """Means and volatilities of rows 0..n, row t from rows before t; `losses` start where the fit's did."""
        ...

    def fit_windows(
        self, losses: FloatArray, begins: IntArray, n: int, cold: BoolArray, *, mean: Mean, law: Law
    ) -> WindowFits | None:
        """`fit` on the windows of `n` losses from `begins` on, each warm from the one before unless `cold`.

        None where this volatility, mean and law have no way to do many windows at once.
        """
        ...


def gaussian_if_sample(law: Law) -> Law:
    """The law that an estimation uses: normal quasi-likelihood where the law is the sample of residuals."""
    from riskcore.distributions import Normal

    return Normal() if law.is_sample else law


def log_likelihood(shocks: FloatArray, sigma: FloatArray, law: Law) -> float:
    """Sum of ``log f(shock / sigma) - log sigma``."""
    return float(np.sum(law.logpdf(shocks / sigma)) - np.sum(np.log(sigma)))
