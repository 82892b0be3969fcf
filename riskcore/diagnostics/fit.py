"""A model fitted to the last losses, exactly as the walk would for the next day, with all that the fit says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from riskcore._types import FloatArray, Target, WalkForward
from riskcore.diagnostics.dynamics import Dynamics, dynamics_of
from riskcore.diagnostics.parameters import likelihood_kind, n_estimated, parameter_table, window_likelihood
from riskcore.distributions import Law, Mixture, ResidualLaw, SampleLaw, SampleSettings
from riskcore.errors import DataError, FitError, require
from riskcore.forecasters import Fitted, Forecaster, Predictive
from riskcore.forecasters.location_scale import FittedLocationScale
from riskcore.forecasters.regimes import FittedMarkovSwitching
from riskcore.forecasts import LEVEL, STATUS_WORDS, Forecasts
from riskcore.indicators import beside_expectile, expectile_table
from riskcore.volatility import VolatilityFit
from riskcore.volatility.exogenous import exog_names, fresh_names
from riskcore.walkforward import (
    Exog,
    check_losses,
    check_models,
    exog_of_assets,
    forecast_unit,
    resolve_models,
    resolve_targets,
)

SERIES = ("loss", "mean", "volatility", "residual", "pit")


@dataclass(frozen=True, eq=False)
class ModelFit:
    r"""What a model fitted to one window says.

    Its information criteria are :math:`AIC = 2k - 2\ell` and :math:`BIC = k \ln n - 2\ell`, with :math:`\ell` the
    log-likelihood of all n losses of the window and `k` the number of estimated parameters. The first loss of an
    autoregressive mean, on which its estimation with a GARCH volatility only conditions, is judged under the long-run
    mean and the presample variance: all models are judged on the same days. Compare them on the same window only, and
    a normal quasi-likelihood with no other kind. A likelihood that is not maximised, as mean or volatility are moments
    and the law is fitted to what is left, lies below its maximum: its criteria are too high.

    Attributes
    ----------
    asset, model : str
        Names.
    forecaster : Forecaster
        The settings.
    window : int
        Number of losses fitted.
    forecasts : Forecasts
        One row, the next day, as `riskcore.forecast` gives it, with its status.
    parameters : DataFrame
        Columns name, role, estimate, standard_error, t, p_value, note; NaN where there is none.
    log_likelihood : float
        Of every loss of the window; NaN for a model without one.
    likelihood : str
        ``"law"``; ``"law, not maximised"`` where mean or volatility are moments that do not maximise it;
        ``"normal quasi-likelihood"`` where the law is the sample of residuals; or ``""``.
    n_parameters : int
        Number of estimated parameters; 0 without a likelihood.
    attempts : int
        Optimisations tried.
    series : DataFrame
        In-sample, by date: loss, mean, volatility, residual, pit, and a column for each target that is offered; NaN
        where the model has no law. Parameters and sample law are those of the whole window. With regimes the law
        differs from day to day, and a residual is the normal quantile of the day's PIT. A model whose expectile level
        moves has a column level, NaN in the first half of the window.
    law : Law, optional
        Standardised law of the next day's loss.
    estimate : VolatilityFit, optional
        Estimates of a location-scale model.
    failure : str
        Why the model's own estimation failed; then `forecasts` holds what stands in, if anything does.
    chain : FittedMarkovSwitching, optional
        Estimates of a Markov-switching model.
    """

    asset: str
    model: str
    forecaster: Forecaster
    window: int
    forecasts: Forecasts
    parameters: pd.DataFrame
    log_likelihood: float
    likelihood: str
    n_parameters: int
    attempts: int
    series: pd.DataFrame
    law: Law | None = field(repr=False)
    estimate: VolatilityFit | None = field(repr=False)
    failure: str
    chain: FittedMarkovSwitching | None = field(default=None, repr=False)

    @property
    def aic(self) -> float:
        """Akaike's criterion, lower is better; NaN without a likelihood."""
        return 2.0 * self.n_parameters - 2.0 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion, lower is better; NaN without a likelihood."""
        return self.n_parameters * math.log(self.window) - 2.0 * self.log_likelihood

    @property
    def status(self) -> str:
        """Status of the next day's row, e.g. ``ok``."""
        return str(self.forecasts.frame["status"].iloc[0])

    @property
    def status_words(self) -> str:
        """What the status means."""
        return STATUS_WORDS[self.status]

    @property
    def origin(self) -> pd.Timestamp:
        """Day of the last loss."""
        return pd.Timestamp(self.forecasts.frame["origin"].iloc[0])

    @property
    def date(self) -> pd.Timestamp:
        """The next day, which the figures are for."""
        return pd.Timestamp(self.forecasts.frame.index[0][2])

    @property
    def dynamics(self) -> Dynamics:
        """Persistence, half-life and unconditional volatility, with the reason where one is missing."""
        return dynamics_of(self)

    @property
    def mean(self) -> float:
        """Mean of the next day's loss; NaN without a law."""
        return float(self.forecasts.frame["mean"].iloc[0])

    @property
    def volatility(self) -> float:
        """Volatility of the next day's loss; NaN without a law."""
        return float(self.forecasts.frame["volatility"].iloc[0])

    def value(self, target: Target | str) -> float:
        """The next day's figure for a target; NaN where the model does not offer it."""
        chosen = Target.parse(target) if isinstance(target, str) else target
        return float(self.forecasts.frame[chosen.label].iloc[0])

    @property
    def next_day(self) -> pd.DataFrame:
        """One row per target: measure, level, value; beside an expectile what it is equal to, NaN elsewhere."""
        beside = {float(r["level"]): r for r in expectile_table(self.forecasts).to_dict("records")}
        rows = []
        for target in self.forecasts.targets:
            row = {"measure": target.measure, "level": target.level, "value": self.value(target)}
            known: Mapping[object, object] = beside[target.level] if target.measure == "expectile" else {}
            rows.append({**row, **{name: known.get(name, math.nan) for name in beside_expectile(math.nan, 0.99)}})
        return pd.DataFrame(rows)


def fit_model(
    losses: pd.Series[float],
    model: Forecaster | str,
    targets: Target | str | Iterable[Target | str] | None = None,
    *,
    window: int | None = None,
    exog: Exog | None = None,
) -> ModelFit:
    """Fit a model to the last losses and say what the fit says.

    The next day's figures are those that `riskcore.forecast` gives for a day whose refit falls on the last loss and
    starts cold, by the same code.

    Parameters
    ----------
    losses : Series
        Losses (positive hurts) by date; missing days are left out.
    model : Forecaster or str
        A forecaster or a short name.
    targets : iterable of Target or str, optional
        As for `riskcore.forecast`; an ES brings the VaR at its level.
    window : int, optional
        Number of losses to fit, by default all.
    exog : DataFrame or mapping of DataFrame, optional
        Columns for a model that reads some, as for `riskcore.forecast`.

    Returns
    -------
    ModelFit
        A failed estimation does not raise: `failure` says why, and status and figures are those of what stands in.

    Raises
    ------
    DataError
        If the losses cannot be used, or are fewer than `window`.
    ConfigError
        If a setting is outside its range, the model offers none of the targets, or reads a column that is absent.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=500, freq="B")
    >>> losses = pd.Series(np.random.default_rng(1).normal(size=500), days, name="A")
    >>> fit = fit_model(losses, "ewma", ["var:0.99"], window=250)
    >>> fit.status, fit.date.date().isoformat(), round(fit.value("var:0.99"), 4)
    ('ok', '2025-12-01', 2.105)
    """
    from threadpoolctl import threadpool_limits

    is_series = isinstance(losses, pd.Series)
    require(is_series, f"losses must be a Series, one asset's, got a {type(losses).__name__}", DataError)
    known = losses.dropna()
    plan = WalkForward(window=max(len(known), 2) if window is None else window, refit_every=1)
    series = check_losses(known, plan, ahead=True).iloc[-plan.window :, 0]
    chosen, labelled = resolve_targets(targets), resolve_models(model)
    check_models(labelled, chosen)
    (name, forecaster), asset = next(iter(labelled.items())), str(series.name)
    columns = exog_of_assets(exog, series.to_frame(asset), labelled)[asset]
    kept = _Kept(forecaster)
    row = forecast_unit(series, kept, chosen, plan, asset=asset, model=name, exog=columns, ahead=True)
    offered = [t for t in chosen if forecaster.offers(t)]
    with threadpool_limits(limits=1):
        frame, law = _in_sample(series, kept.fitted, offered, kept.given)
        parameters = parameter_table(forecaster, kept.fitted)
        likelihood = window_likelihood(kept.fitted, frame["loss"].to_numpy(), **kept.given)
    estimate = kept.fitted.estimate if isinstance(kept.fitted, FittedLocationScale) else None
    return ModelFit(
        asset=asset,
        model=name,
        forecaster=forecaster,
        window=plan.window,
        forecasts=Forecasts(row, chosen),
        parameters=parameters,
        log_likelihood=likelihood,
        likelihood=likelihood_kind(forecaster, kept.fitted),
        n_parameters=n_estimated(forecaster, kept.fitted),
        attempts=0 if kept.fitted is None else kept.fitted.attempts,
        series=frame,
        law=law,
        estimate=None if estimate is None else replace(estimate, errors=dict),  # closures cannot be stored or sent
        failure=kept.failure,
        chain=kept.fitted if isinstance(kept.fitted, FittedMarkovSwitching) else None,
    )


class _Kept:
    """A forecaster that remembers what its fit returned: the walk hands on the forecasts alone."""

    def __init__(self, inner: Forecaster) -> None:
        self._inner = inner
        self.name = inner.name
        self.fitted: Fitted | None = None
        self.failure = ""
        self.needs_exog, self.fresh_exog = exog_names(inner), fresh_names(inner)
        self.given: dict[str, Any] = {}

    def offers(self, target: Target) -> bool:
        return self._inner.offers(target)

    def fit(
        self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None, **given: FloatArray
    ) -> Fitted:
        self.given = given
        try:
            self.fitted = self._inner.fit(losses, targets, start=start, **given)
        except FitError as error:
            self.failure = str(error)
            raise
        return self.fitted

    def fallback(self) -> Forecaster | None:
        stand_in: Forecaster | None = getattr(self._inner, "fallback", lambda: None)()
        return stand_in


def _in_sample(
    losses: pd.Series[float], fitted: Fitted | None, targets: Sequence[Target], given: Mapping[str, Any]
) -> tuple[pd.DataFrame, Law | None]:
    """In-sample series with the window's own parameters, and the next day's standardised law."""
    values: FloatArray = np.asarray(losses, dtype=np.float64)
    out = pd.DataFrame(math.nan, index=losses.index, columns=[*SERIES, *(t.label for t in targets)])
    out["loss"] = values
    if fitted is None:
        return out, None
    day = fitted.predictive(values, 1, **given)
    law = None if day is None else _one_law(day.law)
    if isinstance(fitted, FittedLocationScale) and law is not None:
        mean, volatility = (x[:-1] for x in fitted.paths(values, **given))
        settings = fitted.settings.law
        if isinstance(settings, SampleSettings) and settings.raw:
            mean = np.zeros_like(mean)  # it is left in the residuals
        scaled = volatility > 0
        scale = np.where(scaled, volatility, 1.0)
        residual = np.where(scaled, (values - mean) / scale, math.nan)
        out["mean"], out["volatility"], out["residual"], out["pit"] = mean, volatility, residual, law.pit(residual)
        for target in targets:
            out[target.label] = mean + scale * law.value(target)
    elif isinstance(fitted, FittedMarkovSwitching):
        _in_regimes(out, fitted.in_sample(values), values, targets)
    elif law is None and targets:  # a model of the measures alone: its steps from each row to the next
        before = {name: columns[:-1] for name, columns in given.items()}
        out.iloc[1:, len(SERIES) :] = fitted.predict(values[:-1], targets, values.size - 1, **before)
        levels = getattr(fitted, "levels", None)
        if callable(levels):
            out[LEVEL] = math.nan
            out.iloc[1:, -1] = levels(values[:-1], values.size - 1)
    return out, law


def _in_regimes(out: pd.DataFrame, days: Predictive, losses: FloatArray, targets: Sequence[Target]) -> None:
    """Columns of a model whose law differs from day to day: residuals are normal quantiles of the PIT."""
    from scipy.special import ndtri

    z = (losses - days.mean) / days.volatility
    out["mean"], out["volatility"], out["pit"] = days.mean, days.volatility, days.law.pit(z)
    smallest = np.finfo(np.float64).tiny
    out["residual"] = ndtri(np.clip(out["pit"].to_numpy(), smallest, 1.0 - 1e-16))
    for target in targets:
        out[target.label] = days.mean + days.volatility * days.law.value(target)


def _one_law(law: Law) -> Law:
    """The law of a single day: a sample or mixture of one row becomes one."""
    if isinstance(law, ResidualLaw):
        return law if law.single else law.row(0)
    if isinstance(law, Mixture) and law.weights.ndim == 2:
        return law.row(0)
    if not isinstance(law, SampleLaw) or law.rows.ndim == 1:
        return law
    return SampleLaw(law.rows[0], None if law.weights is None else law.weights[0])
