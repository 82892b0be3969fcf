"""What a forecaster is: settings that are fitted to a window and then predict, day by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray, Status, Target
from riskcore.distributions import Law


@dataclass(frozen=True)
class Predictive:
    """The day's law of the loss, ``mean + volatility * Z`` with Z from `law`; arrays have one entry per day."""

    mean: FloatArray
    volatility: FloatArray
    law: Law


@dataclass(frozen=True)
class Walked:
    """Forecasts of a run of blocks: one row for each test day of the blocks, in order."""

    values: FloatArray
    """Rows by targets, as `Fitted.predict` gives them."""
    status: npt.NDArray[np.int8]
    """The status of the block's fit; failed where `fit` would raise FitError."""
    predictive: Predictive | None
    """Laws of the same rows, or None for a model without a law."""


@runtime_checkable
class Fitted(Protocol):
    """A forecaster with estimates: what `fit` returns. It never changes."""

    @property
    def params(self) -> Mapping[str, float]:
        """Estimates by name, in the units of the losses."""
        ...

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """Standard errors by the names of `params`; NaN or absent where none is known."""
        ...

    @property
    def log_likelihood(self) -> float:
        """Log-likelihood on the window; NaN for a model without a law."""
        ...

    @property
    def status(self) -> Status:
        """How the estimation went: ok, retry or boundary."""
        ...

    @property
    def attempts(self) -> int:
        """Number of optimisations tried."""
        ...

    def predict(self, losses: FloatArray, targets: Sequence[Target], last: int) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows; `losses` start where fit's did.

        Where the forecaster reads exogenous columns, this and `predictive` take `exog` too, with the rows of `losses`.
        """
        ...

    def predictive(self, losses: FloatArray, last: int) -> Predictive | None:
        """Laws of the same steps, or None for a model without a law."""
        ...


@runtime_checkable
class Forecaster(Protocol):
    """A frozen dataclass of settings. Only `fit` may raise FitError.

    One that reads exogenous columns says so by a property ``needs_exog -> tuple[str, ...]``. Then `fit`, `predict`,
    `predictive` and `walk` get the keyword ``exog``, an array (n, m) of those columns with the rows of `losses`, row i
    known at the end of day i; and `fit` raises FitError where a value of its window is NaN (`known_window` does).
    """

    @property
    def name(self) -> str | None:
        """The user's name for the model, or None for its short name."""
        ...

    def offers(self, target: Target) -> bool:
        """Whether the model forecasts `target`; it is never asked for another."""
        ...

    def fit(self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None) -> Fitted:
        """Estimate on a copy of the training losses; `start` is the previous refit's result."""
        ...
