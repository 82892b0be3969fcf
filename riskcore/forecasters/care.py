"""CARE: conditional autoregressive expectiles, models of the tail itself without a law for the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from riskcore._types import FloatArray, Status, Target
from riskcore.errors import FitError, require
from riskcore.forecasters.base import Fitted, Predictive
from riskcore.forecasters.regression import expectile_coefficients, expectile_regression

Form = Literal["linear"]
FORMS: tuple[Form, ...] = ("linear",)
N_BISECTIONS = 30
SMALLEST_TAIL = 1e-6
"""Beyond it a regression only bounds the largest losses: VaR and ES would coincide."""


def _design(losses: FloatArray) -> FloatArray:
    gain, loss = np.maximum(-losses, 0.0), np.maximum(losses, 0.0)
    return np.column_stack([np.ones(losses.size), losses, gain**2, loss**2])


@dataclass(frozen=True)
class CARE:
    r"""Expectile VaR modelled directly on yesterday's loss.

    .. math:: m_t = c_0 + c_1 L_{t-1} + c_2 (L_{t-1}^-)^2 + c_3 (L_{t-1}^+)^2

    The form ``"linear"`` is that of Kuan, Yeh & Hsu, exact by iterated weighted least squares. An expectile target is
    fitted at its own level. VaR at p is the expectile whose share of exceedances in the window is at most 1-p (the
    smallest such level), and ES follows from it by the identity of Taylor (2008). A window too short for a level (fewer
    losses beyond it than the regression has coefficients) gives NaN for that target.

    Parameters
    ----------
    form : {"linear"}
        Form of the recursion.
    level : float, optional
        Offer only the expectile at this level.
    name : str, optional
        Label of the model.

    References
    ----------
    Kuan, Yeh & Hsu (2009), Journal of Econometrics 150, 261-270. Taylor (2008), Journal of Financial Econometrics 6,
    231-252.

    Examples
    --------
    >>> CARE("linear", level=0.99).offers(Target("var", 0.99))
    False
    """

    form: Form = "linear"
    level: float | None = None
    name: str | None = None
    coefficient_names: ClassVar[tuple[str, ...]] = ("c0", "c1", "c2", "c3")

    def __post_init__(self) -> None:
        require(self.form in FORMS, f"form must be one of {FORMS}, got {self.form!r}")
        ok = self.level is None or 0.5 < self.level < 1
        require(ok, f"level must lie in (0.5, 1) or be None, got {self.level!r}")

    def offers(self, target: Target) -> bool:
        """Every target, or with `level` that expectile only."""
        return self.level is None or (target.measure == "expectile" and target.level == self.level)

    def fit(self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None) -> FittedCARE:
        """Regressions for every target on one window; FitError for constant losses or a singular design."""
        scale = float(np.std(losses))
        usable = losses.size > 8 and scale > 1e-12 * float(np.max(np.abs(losses), initial=0.0))
        require(usable, "losses are constant or too few: an expectile regression needs variation", FitError)
        scaled = losses / scale
        response, design = scaled[1:], _design(scaled[:-1])
        fits = {t: _regression(t, response, design) for t in targets}
        units = scale ** np.array([1.0, 0.0, -1.0, -1.0])
        return FittedCARE(
            settings=self,
            levels={t: level for t, (level, _, _) in fits.items()},
            coefficients={t: c * units for t, (_, c, _) in fits.items()},
            errors={t: e * units for t, (_, _, e) in fits.items()},
            mean_loss=float(losses.mean()),
        )


def _regression(target: Target, response: FloatArray, design: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Level, coefficients and their standard errors for one target; NaN where its level cannot be found."""
    if target.measure == "expectile":
        level, near = target.level, None
    else:
        level, near = level_for_share(response, design, 1.0 - target.level)
        if math.isnan(level):
            return level, near, near
    fit = expectile_regression(response, design, level, start=near)
    return level, fit.coefficients, fit.standard_errors


def level_for_share(response: FloatArray, design: FloatArray, share: float) -> tuple[float, FloatArray]:
    """Smallest expectile level found whose fitted values are exceeded by at most `share` of the window.

    The share is a step function of the level; it is bisected in the logarithm of the tail 1 - level. Where even the
    largest level leaves more losses above (a regression of k coefficients passes through about k losses), level and
    coefficients are NaN.
    """
    allowed = share * response.size + 1e-9

    def fitted(log_tail: float, near: FloatArray | None) -> tuple[FloatArray, bool]:
        found = expectile_coefficients(response, design, 1.0 - math.exp(log_tail), near)[0]
        return found, int(np.count_nonzero(response > design @ found)) <= allowed

    low, high = math.log(SMALLEST_TAIL), math.log(0.5)  # log tails: `low` within the allowance, `high` beyond it
    best, within = fitted(low, None)
    if not within:
        return math.nan, np.full(design.shape[1], math.nan)
    near = expectile_coefficients(response, design, 0.5)[0]
    for _ in range(N_BISECTIONS):
        middle = 0.5 * (low + high)
        near, within = fitted(middle, near)
        low, high, best = (middle, high, near) if within else (low, middle, best)
    return 1.0 - math.exp(low), best


@dataclass(frozen=True)
class FittedCARE:
    """Coefficients of every target, in the units of the losses."""

    settings: CARE
    levels: Mapping[Target, float]
    coefficients: Mapping[Target, FloatArray]
    errors: Mapping[Target, FloatArray]
    mean_loss: float
    status: Status = Status.ok
    attempts: int = 1
    log_likelihood: float = float("nan")

    @property
    def params(self) -> Mapping[str, float]:
        """Coefficients by target, and the expectile level that stands behind each."""
        found = {f"{t.label}.level": tau for t, tau in self.levels.items()}
        return found | self._named(self.coefficients)

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """Sandwich errors of the coefficients; those of VaR and ES take the level as given."""
        return self._named(self.errors)

    def _named(self, values: Mapping[Target, FloatArray]) -> dict[str, float]:
        names = self.settings.coefficient_names
        return {f"{t.label}.{n}": float(v) for t, row in values.items() for n, v in zip(names, row, strict=True)}

    def predict(self, losses: FloatArray, targets: Sequence[Target], last: int) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows."""
        design = _design(losses[losses.size - last :])
        return np.column_stack([self._one(design, t) for t in targets])

    def _one(self, design: FloatArray, target: Target) -> FloatArray:
        expectile = design @ self.coefficients[target]
        if target.measure != "es":
            return expectile
        tau = self.levels[target]
        beyond = (1.0 - tau) / ((2.0 * tau - 1.0) * (1.0 - target.level))
        return expectile + beyond * (expectile - self.mean_loss)

    def predictive(self, losses: FloatArray, last: int) -> Predictive | None:
        """None: CARE has no law."""
        return None
