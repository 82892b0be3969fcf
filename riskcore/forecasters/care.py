"""CARE: conditional autoregressive expectiles, models of the tail itself without a law for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from riskcore import defaults
from riskcore._types import Block, FloatArray, Status, Target
from riskcore.errors import FitError, require
from riskcore.forecasters.base import Fitted, Predictive, Walked
from riskcore.forecasters.expectile_levels import Problems, fit_windows, of_target
from riskcore.forecasters.regression import check_state, sandwich_errors

Form = Literal["linear"]
FORMS: tuple[Form, ...] = ("linear",)


def _regressors(losses: FloatArray) -> FloatArray:
    """Rows 1, L, gain squared and loss squared; column t serves the day after row t."""
    gain, loss = np.maximum(-losses, 0.0), np.maximum(losses, 0.0)
    return np.stack([np.ones(losses.size), losses, gain**2, loss**2])


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
        problems = Problems.of(targets)
        windows = fit_windows(
            losses, _regressors(losses), np.array([0]), np.array([losses.size]), np.array([True]), problems
        )
        require(
            bool(windows.usable[0]), "losses are constant or too few: an expectile regression needs variation", FitError
        )
        response, design = losses[1:], _regressors(losses[:-1]).T
        check_state(int(windows.state[0]), float(np.nanmax(problems.given)), design)
        levels, coefficients = windows.levels[0], windows.coefficients[0]
        errors = [
            np.full(c.size, np.nan) if np.isnan(c[0]) else sandwich_errors(response, design, float(level), c)
            for level, c in zip(levels, coefficients, strict=True)
        ]
        return FittedCARE(
            settings=self,
            levels={t: float(levels[j]) for t, j in zip(targets, problems.place, strict=True)},
            coefficients={t: coefficients[j] for t, j in zip(targets, problems.place, strict=True)},
            errors={t: errors[j] for t, j in zip(targets, problems.place, strict=True)},
            mean_loss=float(windows.means[0]),
        )

    def walk(self, losses: FloatArray, targets: Sequence[Target], blocks: Sequence[Block]) -> Walked | None:
        """All blocks at once: the forecasts of `fit` and `predict`, with the regressions in one call."""
        problems = Problems.of(targets)
        starts = np.array([b.train.start for b in blocks], dtype=np.int64)
        stops = np.array([b.train.stop for b in blocks], dtype=np.int64)
        cold = np.array([b.index % defaults.COLD_START_EVERY == 0 for b in blocks])
        windows = fit_windows(losses, _regressors(losses), starts, stops, cold, problems)
        block = np.repeat(np.arange(len(blocks)), [b.test.stop - b.test.start for b in blocks])
        rows = np.concatenate([np.arange(b.test.start, b.test.stop) for b in blocks])
        regressors, means = _regressors(losses[rows - 1]), windows.means[block]
        columns = []
        for target, j in zip(targets, problems.place, strict=True):
            expectile = np.einsum("kt,tk->t", regressors, windows.coefficients[block, j])
            columns.append(of_target(target, expectile, windows.levels[block, j], means))
        status = np.where(windows.usable & (windows.state == 0), Status.ok, Status.failed)
        return Walked(np.column_stack(columns), status[block].astype(np.int8), None)


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
        rows = _regressors(losses[losses.size - last :]).T
        return np.column_stack(
            [of_target(t, rows @ self.coefficients[t], self.levels[t], self.mean_loss) for t in targets]
        )

    def predictive(self, losses: FloatArray, last: int) -> Predictive | None:
        """None: CARE has no law."""
        return None
