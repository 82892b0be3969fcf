"""Expectile regression as a forecaster: tomorrow's expectile on lags, a variance, averages and exogenous columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from riskcore import defaults
from riskcore._types import FloatArray, Status, Target
from riskcore.errors import FitError, require
from riskcore.forecasters.base import Fitted, Predictive
from riskcore.forecasters.expectile_levels import LEAST_ROWS, Problems, fit_windows, of_target
from riskcore.forecasters.regression import check_state, sandwich_covariance
from riskcore.volatility import EWMA, GARCH, ConstantMean, VolatilityFit
from riskcore.volatility.exogenous import known_window

Variance = Literal["none", "ewma", "garch"]


@dataclass(frozen=True)
class ExpectileRegression:
    r"""Expectile regression of the loss on what is known the day before.

    .. math:: m_{t+1} = c + \sum_{i=1}^p B_i L_{t+1-i} + \Gamma_1 \sigma^2_{t+1} + \sum_j \Gamma_j z_{j,t}

    with the next day's conditional variance :math:`\sigma^2`, exponential averages of the absolute loss, and exogenous
    columns z such as a volatility index. This is equation (14) of Oketunji (2025) in losses, in one call:
    ``ExpectileRegression(lags=2, variance="garch", exog=("vix",))``. In losses, what raises risk has a positive
    coefficient. Regressors are centred and scaled inside; coefficients are reported in their own units. An expectile
    target is fitted at its own level; VaR at p is the expectile whose share of exceedances in the window is at most
    1-p, and ES follows from it (Taylor 2008), as for `CARE`; both are NaN where the share asks for a level of 1/2 or
    less.

    Expectiles of different levels are fitted apart and may cross: the forecasts of each measure are sorted over its
    levels (Chernozhukov, Fernandez-Val & Galichon 2010), and ``params["rearranged"]`` is the share of the window's days
    on which that changed something. Standard errors are the sandwich's. They take the level of VaR and ES as given and
    the variance as if it were observed: it is a generated regressor, whose own estimation they leave out.

    Parameters
    ----------
    lags : int
        Losses of the last so many days that the expectile depends on, from 0 to 20.
    variance : {"none", "ewma", "garch"}
        The next day's variance that the expectile depends on as well: none, an exponential average of squared losses
        round the window's mean (ewma), or that of a GARCH(1,1) fitted to the window by normal quasi-likelihood.
    decay : float
        Weight of a day against the day after it in the EWMA variance, in (0, 1); of no effect with the others. Typical
        value: 0.94.
    averages : tuple of float
        Spans in days of exponential averages of the absolute loss.
    exog : tuple of str
        Exogenous columns, known at the end of the day before.
    name : str, optional
        Label of the model.

    References
    ----------
    Newey & Powell (1987), Econometrica 55, 819-847. Oketunji (2025), arXiv:2507.13391. Chernozhukov, Fernandez-Val &
    Galichon (2010), Econometrica 78, 1093-1125.

    Examples
    --------
    >>> ExpectileRegression(lags=2, variance="garch", exog=("vix",)).regressors
    ('constant', 'lag1', 'lag2', 'variance', 'vix')
    """

    lags: int = 1
    variance: Variance = "ewma"
    decay: float = defaults.EWMA_DECAY
    averages: tuple[float, ...] = ()
    exog: tuple[str, ...] = ()
    name: str | None = None

    def __post_init__(self) -> None:
        whole = type(self.lags) is int and 0 <= self.lags <= 20
        require(whole, f"lags must be a whole number in [0, 20], got {self.lags!r}")
        known = get_args(Variance)
        require(self.variance in known, f"variance must be one of {', '.join(known)}, got {self.variance!r}")
        require(0 < self.decay < 1, f"decay must lie in (0, 1), got {self.decay!r}; typical values: 0.94, 0.97")
        spans = isinstance(self.averages, tuple) and all(
            isinstance(s, (int, float)) and not isinstance(s, bool) and 1 <= s < np.inf for s in self.averages
        )
        require(spans, f"averages must be a tuple of spans in days, each at least 1, got {self.averages!r}")
        texts = isinstance(self.exog, tuple) and all(isinstance(c, str) and c for c in self.exog)
        require(texts, f"exog must be a tuple of names of columns, got {self.exog!r}")
        twice = len(set(self.regressors)) < len(self.regressors)
        require(not twice, f"exog and averages must name each regressor once, got {', '.join(self.regressors)}")

    @property
    def regressors(self) -> tuple[str, ...]:
        """Names of the regressors, in order."""
        lags = [f"lag{i}" for i in range(1, self.lags + 1)]
        variance = [] if self.variance == "none" else ["variance"]
        return ("constant", *lags, *variance, *(f"average{s:g}" for s in self.averages), *self.exog)

    @property
    def needs_exog(self) -> tuple[str, ...]:
        """The exogenous columns."""
        return self.exog

    def offers(self, target: Target) -> bool:
        """Every target."""
        return True

    def fit(
        self,
        losses: FloatArray,
        targets: Sequence[Target],
        start: Fitted | None = None,
        exog: FloatArray | None = None,
    ) -> FittedExpectileRegression:
        """Regressions for every target on one window; FitError for constant losses or a singular design."""
        if self.exog:
            known_window(exog, self.exog, losses.size)
        skipped = max(self.lags - 1, 0)
        least = skipped + LEAST_ROWS + len(self.regressors)
        require(losses.size >= least, f"losses must have at least {least} rows for {len(self.regressors)} regressors, "
                f"got {losses.size}", FitError)  # fmt: skip
        varies = float(losses.std()) > 1e-12 * float(np.abs(losses).max())
        require(varies, "losses are constant: an expectile regression needs variation", FitError)
        estimate = self._recursion(losses)
        raw = self._raw(losses, exog, estimate)
        used = raw[1:, skipped:-1]
        centre, scale = used.mean(axis=1), used.std(axis=1)
        for name, s, m in zip(self.regressors[1:], scale, np.abs(used).max(axis=1), strict=True):
            require(bool(s > 1e-12 * m), f"regressor {name!r} must vary in the window, got a constant", FitError)
        problems = Problems.of(targets)
        design = _scaled(raw, centre, scale)
        one = (np.array([skipped]), np.array([losses.size]), np.array([True]))
        windows = fit_windows(losses, design, *one, problems)
        rows = design[:, skipped:-1].T
        check_state(int(windows.state[0]), float(np.nanmax(problems.given)), rows)
        to_units = np.diag(np.concatenate([[1.0], 1.0 / scale]))
        to_units[0, 1:] = -centre / scale
        errors = []
        for level, c in zip(windows.levels[0], windows.coefficients[0], strict=True):
            if np.isnan(c[0]):
                errors.append(np.full(c.size, np.nan))
                continue
            covariance = sandwich_covariance(losses[skipped + 1 :], rows, float(level), c)
            errors.append(np.sqrt(np.diag(to_units @ covariance @ to_units.T)))
        fitted = FittedExpectileRegression(
            settings=self,
            levels={t: float(windows.levels[0][j]) for t, j in zip(targets, problems.place, strict=True)},
            scaled={t: windows.coefficients[0][j] for t, j in zip(targets, problems.place, strict=True)},
            errors={t: errors[j] for t, j in zip(targets, problems.place, strict=True)},
            mean_loss=float(windows.means[0]),
            centre=centre,
            scale=scale,
            estimate=estimate,
            rearranged=0.0,
        )
        return fitted.told_of_crossings(rows, targets)

    def _recursion(self, losses: FloatArray) -> VolatilityFit | None:
        """The variance's recursion on one window, with the same start wherever it is filtered."""
        from riskcore.distributions import Normal

        if self.variance == "none":
            return None
        volatility = GARCH() if self.variance == "garch" else EWMA(self.decay)
        return volatility.fit(losses, mean=ConstantMean(), law=Normal())

    def _raw(self, losses: FloatArray, exog: FloatArray | None, estimate: VolatilityFit | None) -> FloatArray:
        """The regressors in their units, column t for the day after row t; lags before the first loss are zero."""
        from riskcore.kernels.ema import ema_rows

        n = losses.size
        rows = [np.ones(n)]
        rows += [np.concatenate([np.zeros(min(i, n)), losses[: n - min(i, n)]]) for i in range(self.lags)]
        if estimate is not None:
            volatility = GARCH() if self.variance == "garch" else EWMA(self.decay)
            rows.append(volatility.filter(losses, estimate)[1][1:] ** 2)
        for span in self.averages:
            out = np.empty((1, n))
            ema_rows(np.abs(losses)[None, :], 2.0 / (span + 1.0), out)
            rows.append(out[0])
        if self.exog:
            assert exog is not None, "the loop gives the columns that are needed"
            rows += list(exog.T)
        return np.array(rows)


def _scaled(raw: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    out = raw.copy()
    out[1:] = (raw[1:] - centre[:, None]) / scale[:, None]
    return out


@dataclass(frozen=True)
class FittedExpectileRegression:
    """Coefficients of every target; `scaled` are those of the centred and scaled regressors."""

    settings: ExpectileRegression
    levels: Mapping[Target, float]
    scaled: Mapping[Target, FloatArray]
    errors: Mapping[Target, FloatArray]
    mean_loss: float
    centre: FloatArray
    scale: FloatArray
    estimate: VolatilityFit | None
    rearranged: float
    status: Status = Status.ok
    attempts: int = 1
    log_likelihood: float = float("nan")

    @property
    def params(self) -> Mapping[str, float]:
        """Coefficients by target, the level behind each, the variance's parameters, and how often levels crossed."""
        found = {f"{t.label}.level": tau for t, tau in self.levels.items()}
        for target, c in self.scaled.items():
            slopes = c[1:] / self.scale
            own = [float(c[0] - slopes @ self.centre), *slopes.tolist()]
            found |= {f"{target.label}.{n}": v for n, v in zip(self.settings.regressors, own, strict=True)}
        if self.estimate is not None:
            found |= {f"variance.{name}": value for name, value in self.estimate.params.items()}
        return {**found, "rearranged": self.rearranged}

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """Sandwich errors of the coefficients."""
        names = self.settings.regressors
        return {f"{t.label}.{n}": float(v) for t, row in self.errors.items() for n, v in zip(names, row, strict=True)}

    def told_of_crossings(self, rows: FloatArray, targets: Sequence[Target]) -> FittedExpectileRegression:
        """The same with the share of rows (n, k) whose forecasts had to be sorted."""
        from dataclasses import replace

        values = self._values(rows, targets)
        moved = (values != sorted_levels(values, targets)) & ~np.isnan(values)
        return replace(self, rearranged=float(np.mean(moved.any(axis=1))))

    def _values(self, rows: FloatArray, targets: Sequence[Target]) -> FloatArray:
        columns = [of_target(t, _fitted(rows, self.scaled[t]), self.levels[t], self.mean_loss) for t in targets]
        return np.nan_to_num(np.column_stack(columns), nan=np.nan, posinf=np.nan, neginf=np.nan)

    def predict(
        self, losses: FloatArray, targets: Sequence[Target], last: int, exog: FloatArray | None = None
    ) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows, sorted over the levels of a measure."""
        raw = self.settings._raw(losses, exog, self.estimate)[:, losses.size - last :]
        return sorted_levels(self._values(_scaled(raw, self.centre, self.scale).T, targets), targets)

    def predictive(self, losses: FloatArray, last: int, exog: FloatArray | None = None) -> Predictive | None:
        """None: expectile regression has no law."""
        return None


def _fitted(rows: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Sums over the regressors in order: a row's value does not depend on the other rows, as that of a product may."""
    total = np.zeros(rows.shape[0])
    for column, c in zip(rows.T, coefficients, strict=True):
        total = total + c * column
    return total


def sorted_levels(values: FloatArray, targets: Sequence[Target]) -> FloatArray:
    """Forecasts whose levels of each measure do not cross: sorted over the levels; a target without forecasts stays so.

    >>> sorted_levels(np.array([[3.0, 2.0]]), [Target("var", 0.95), Target("var", 0.99)])
    array([[2., 3.]])
    """
    out = values.copy()
    for measure in dict.fromkeys(t.measure for t in targets):
        own = [i for i, t in enumerate(targets) if t.measure == measure and not np.isnan(values[:, i]).all()]
        own.sort(key=lambda i: targets[i].level)
        out[:, own] = np.sort(values[:, own], axis=1)
    return out
