"""A mean that is linear in exogenous columns; `LocationScale` takes it off before the volatility is estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from riskcore._types import FloatArray
from riskcore.errors import FitError, require


@dataclass(frozen=True)
class ExogMean:
    r"""Mean linear in columns known the day before, with or without yesterday's loss.

    .. math:: \mu_{t+1} = c + \sum_j \gamma_j z_{j,t} + \phi L_t

    Estimated by least squares in a first step, with White's standard errors; volatility and law follow from the losses
    less this mean, whatever the volatility. It is consistent but not maximum likelihood, and the second step's standard
    errors take the mean as known. The window's first day, for which nothing is known before, takes the window's mean
    loss.

    Parameters
    ----------
    columns : tuple of str
        Exogenous columns.
    lag : bool
        Whether yesterday's loss is a regressor too.

    References
    ----------
    White (1980), Econometrica 48, 817-838.

    Examples
    --------
    >>> ExogMean(("vix",), lag=True).names
    ('const', 'gamma.vix', 'phi')
    """

    columns: tuple[str, ...]
    lag: bool = False
    short: ClassVar[str] = "exog"
    hold: ClassVar[int] = 0

    def __post_init__(self) -> None:
        texts = isinstance(self.columns, tuple) and bool(self.columns)
        texts = texts and all(isinstance(c, str) and bool(c) for c in self.columns)
        require(texts, f"columns must be a tuple of names of columns of exog, got {self.columns!r}")
        require(len(set(self.columns)) == len(self.columns), f"columns must be different, got {self.columns!r}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return ("const", *(f"gamma.{c}" for c in self.columns), *(["phi"] if self.lag else []))

    @property
    def needs_exog(self) -> tuple[str, ...]:
        """The columns."""
        return self.columns

    def fit(self, losses: FloatArray, exog: FloatArray) -> FittedMean:
        """Least squares on one window; FitError where the columns do not vary apart."""
        regressors = self._regressors(losses, exog)[:, :-1]
        response = losses[1:]
        k = regressors.shape[0] + 1
        require(response.size > 2 * k, f"losses must have more than {2 * k + 1} rows for {k} coefficients of the mean, "
                f"got {losses.size}", FitError)  # fmt: skip
        middle, spread = regressors.mean(axis=1), regressors.std(axis=1)
        for name, s, row in zip(self.names[1:], spread, regressors, strict=True):
            varies = bool(s > 1e-12 * np.abs(row).max())
            require(varies, f"regressor {name!r} of the mean must vary in the window, got a constant", FitError)
        design = np.vstack([np.ones(response.size), (regressors - middle[:, None]) / spread[:, None]])
        gram = design @ design.T
        values = np.linalg.eigvalsh(gram)
        require(bool(values[0] > 1e-10 * values[-1]), "the columns of the mean must be linearly independent", FitError)
        inverse = np.linalg.inv(gram)
        solution = inverse @ (design @ response)
        scores = design * (response - solution @ design)
        to_units = np.diag(np.concatenate([[1.0], 1.0 / spread]))
        to_units[0, 1:] = -middle / spread
        half = to_units @ inverse
        errors = np.sqrt(np.diag(half @ (scores @ scores.T) @ half.T))
        return FittedMean(self, tuple((to_units @ solution).tolist()), tuple(errors.tolist()), float(losses.mean()))

    def _regressors(self, losses: FloatArray, exog: FloatArray) -> FloatArray:
        rows = list(exog.T)
        return np.array([*rows, losses] if self.lag else rows)


@dataclass(frozen=True)
class FittedMean:
    """Coefficients by the names of the settings, in the units of losses and columns."""

    settings: ExogMean
    values: tuple[float, ...]
    errors: tuple[float, ...]
    first: float

    @property
    def params(self) -> Mapping[str, float]:
        """Estimates by name."""
        return dict(zip(self.settings.names, self.values, strict=True))

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """White's standard errors by name."""
        return dict(zip(self.settings.names, self.errors, strict=True))

    def path(self, losses: FloatArray, exog: FloatArray) -> FloatArray:
        """Means for rows 0..n: row t from rows before t."""
        out = np.full(losses.size + 1, self.values[0])
        for value, row in zip(self.values[1:], self.settings._regressors(losses, exog), strict=True):
            out[1:] += value * row
        out[0] = self.first
        return out
