"""What the Modelling page shows of a fit: figures of the next day, tables, charts. Nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from riskcore import diagnostics, plots
from riskcore.dashboard import widgets
from riskcore.diagnostics import ModelFit
from riskcore.forecasters import BayesExpectile
from riskcore.plots.style import target_text

if TYPE_CHECKING:
    import plotly.graph_objects as go

NONE = "–"
Format = str | Callable[[float], str] | None
PERCENT = "{:.2%}"
NOT_MAXIMISED = (
    "A likelihood that is not maximised (mean or volatility by moments, the law fitted to what is left) lies below its "
    "maximum: its AIC and BIC are too high."
)


def percent(value: float) -> str:
    """A loss in percent, a dash for NaN.

    >>> percent(0.02134), percent(float("nan"))
    ('2.13 %', '–')
    """
    return NONE if math.isnan(value) else f"{100 * value:.2f} %"


def number(value: float, spec: str = ",.2f") -> str:
    """A number by a format, a dash for NaN."""
    return NONE if math.isnan(value) else format(value, spec)


def p_value(value: float) -> str:
    """A p-value; very small ones by their bound.

    >>> p_value(0.0321), p_value(1e-9)
    ('0.0321', '< 0.0001')
    """
    return f"{value:.4f}" if value >= 0.00005 else "< 0.0001"


def day(date: pd.Timestamp) -> str:
    """A date in words.

    >>> day(pd.Timestamp("2024-01-03"))
    '3 January 2024'
    """
    return f"{date.day} {date:%B %Y}"


def headline(fit: ModelFit) -> None:
    """Tomorrow's figures, their status, and what stands beside each expectile VaR."""
    st.subheader(f"Risk of the next day, {day(fit.date)}", anchor=False)
    st.text(f"{fit.asset} · {fit.model} · fitted to {fit.window:,} losses up to {day(fit.origin)}")
    table = fit.next_day
    table = table[table["value"].notna()]
    cells = [(target_text(m, x), percent(v)) for m, x, v in table[["measure", "level", "value"]].to_numpy()]
    if not math.isnan(fit.volatility):
        cells.append(("volatility", percent(fit.volatility)))
    moving = not diagnostics.why_not(fit, "level")
    if moving:
        cells.append(("level τ, tomorrow", f"{diagnostics.level_path(fit)['level'].iloc[-1]:.5f}"))
    with st.container(horizontal=True):
        for label, value in cells:
            st.metric(label, value, border=True, width="content")
    for words in without(fit):
        st.text(words)
    if fit.failure:
        st.warning("The model's own estimation failed:", icon=":material/warning:")
        st.text(fit.failure)
    words = f"Estimation: {fit.status.replace('_', ' ')}, {fit.status_words}"
    st.caption(
        f"{words}. Optimisations tried: {fit.attempts}. Estimated now, on the last window: a backtest that "
        "estimates less often than every day can have other figures for the same day."
    )
    if moving:
        st.caption(level_words(fit))
    if diagnostics.levels_apart(fit):
        st.caption(
            "The model estimates each figure on its own, without a law of the loss that all would come from: figures "
            "of different measures or levels need not fit together."
        )
    for words in misfits(fit):
        st.warning(words, icon=":material/warning:")
    expectiles = table[table["measure"] == "expectile"]
    if len(expectiles):
        _beside(expectiles)


def without(fit: ModelFit) -> list[str]:
    """Which figures that were asked for are not there: those that the model never gives, and those of this window."""
    absent = [t for t in fit.forecasts.targets if math.isnan(fit.value(t))]
    never = [target_text(t.measure, t.level) for t in absent if not fit.forecaster.offers(t)]
    now = [target_text(t.measure, t.level) for t in absent if fit.forecaster.offers(t)]
    told = [f"{fit.model} does not give: {', '.join(never)}."] if never else []
    return [*told, f"No figure from this window: {', '.join(now)}."] if now else told


def level_words(fit: ModelFit) -> str:
    """What the level is that a model moves from day to day, and what it makes of the forecast."""
    moving = fit.forecasts.moving(fit.forecasts.frame)
    assert moving is not None
    name = target_text(moving[0].measure, moving[0].level)
    kind = f"Chosen by score, the level makes the forecast a {name} by its choice."
    if getattr(fit.forecaster, "rule", "") == "online":
        kind = f"Moved by hits, it is a {name} by construction."
    return (
        f"{name} is forecast as an expectile whose level τ moves from day to day. {kind} Scores at moving levels are "
        "not comparable."
    )


def misfits(fit: ModelFit) -> list[str]:
    """Figures of the next day that no law can have together, in words."""
    told = []
    for misfit in diagnostics.incoherent(fit):
        name = target_text(misfit.target.measure, misfit.target.level)
        others = [f"{target_text(t.measure, t.level)} of {percent(fit.value(t))}" for t in misfit.because]
        told.append(
            f"These do not fit together: {name} is {percent(misfit.value)}, but {' and '.join(others)} "
            f"ask{'s' if len(others) == 1 else ''} for at least {percent(misfit.least)}."
        )
    return told


def _beside(table: pd.DataFrame) -> None:
    names = ["level", "value", "loss_gain_ratio", "implied_var_level", "equal_es_level", "normal_var_level"]
    shown = table[names].dropna(axis="columns", how="all")
    under = "under the day's own law" if "implied_var_level" in shown else "as far as it is known without a law"
    st.caption(f"An expectile's level is no probability. What each expectile VaR is equal to, {under}:")
    _table(
        shown,
        {
            "level": ("τ", "{:.8g}"), "value": ("expectile VaR", PERCENT),
            "loss_gain_ratio": ("loss-gain ratio", "{:,.1f}"),
            "implied_var_level": ("is the VaR at", PERCENT), "equal_es_level": ("is the ES at", PERCENT),
            "normal_var_level": ("a normal law's VaR at", PERCENT),
        },
        key="beside", alt="For each expectile VaR its loss-gain ratio and the VaR and ES levels that it equals",
    )  # fmt: skip


def side_by_side(fits: Sequence[ModelFit]) -> None:
    """Criteria and figures of all fits."""
    table = diagnostics.comparison(fits)
    columns: dict[str, tuple[str, Format]] = {
        "model": ("model", None), "status": ("status", None), "likelihood": ("likelihood", None),
        "n_parameters": ("parameters", "{:d}"), "log_likelihood": ("log-likelihood", "{:,.2f}"),
        "aic": ("AIC", "{:,.2f}"), "bic": ("BIC", "{:,.2f}"), "volatility": ("volatility", PERCENT),
    }  # fmt: skip
    targets: dict[str, tuple[str, Format]] = {
        t.label: (_short_text(t.measure, t.level), PERCENT) for fit in fits for t in fit.forecasts.targets
    }
    order = ["model", *targets, "volatility", "aic", "bic", "status", "n_parameters", "log_likelihood", "likelihood"]
    judged = bool((table["likelihood"] != "").any())
    order = order if judged else [name for name in order if name not in ("n_parameters", "likelihood")]
    _table(
        table[order].dropna(axis="columns", how="all"), columns | targets, first="model", key="compare",
        alt="Models side by side: next day's risk, AIC and BIC",
    )  # fmt: skip
    if len(fits) > 1:
        words = f"All judged on each of the last {fits[0].window:,} losses."
        if judged:
            words += " Lower AIC and BIC are better; a normal quasi-likelihood compares with its like only."
        if any(fit.likelihood == "law, not maximised" for fit in fits):
            words += f" {NOT_MAXIMISED}"
        st.caption(words)
        st.caption(
            "Fit with another window or other risk figures fits all of these models again, so that they stay "
            f"comparable. τ is the level of an expectile VaR; {NONE} where a model does not give a figure, which has "
            "no column where none gives it."
        )


def _short_text(measure: str, level: float) -> str:
    """A target at the head of a narrow column."""
    return f"τ = {level:.10g}" if measure == "expectile" else target_text(measure, level)


def parameters(fit: ModelFit, kept: str) -> None:
    """Criteria, how a shock fades, and the table of parameters."""
    found, lacking = fit.dynamics, f"{fit.model} has no likelihood"
    cells = [
        ("Log-likelihood", number(fit.log_likelihood), lacking),
        ("AIC", number(fit.aic), lacking),
        ("BIC", number(fit.bic), lacking),
        ("Persistence", number(found.persistence, ".4f"), found.reasons.get("persistence", "")),
        ("Half-life of a shock", _days(found.half_life), found.reasons.get("half_life", "")),
        (
            "Unconditional volatility",
            percent(found.unconditional_volatility),
            found.reasons.get("unconditional_volatility", ""),
        ),
    ]
    with st.container(horizontal=True):
        for label, value, _ in cells:
            if value != NONE:
                st.metric(label, value, border=True, width="content")
    missing = {
        reason: [label for label, value, why in cells if value == NONE and why == reason] for *_, reason in cells
    }
    for reason, labels in missing.items():
        if labels:
            st.text(f"No {_listed(labels)}: {reason}.")
    if fit.likelihood:
        under = "under the fitted law" if fit.likelihood.startswith("law") else f"({fit.likelihood})"
        counted = f"{fit.n_parameters} estimated parameters count, over {fit.window:,} losses"
        below = f" {NOT_MAXIMISED}" if fit.likelihood == "law, not maximised" else ""
        st.caption(f"Likelihood {under}; {counted}.{below}")
    if fit.parameters.empty:
        st.info("No parameters: the estimation failed.")
        return
    posterior = isinstance(fit.forecaster, BayesExpectile)
    error = "posterior s.d." if posterior else "robust s.e."
    _table(
        fit.parameters,
        {
            "name": ("parameter", None), "role": ("how", None), "estimate": ("estimate", "{:.6g}"),
            "standard_error": (error, "{:.3g}"), "t": ("t", "{:,.2f}"), "p_value": ("p", p_value),
            "note": ("note", None),
        },
        key="parameters", alt="Parameters with their estimates, errors, t and p",
    )  # fmt: skip
    letters = f"Letters as in the formula at About. {_units(fit)}"
    if posterior:
        st.caption(
            f"{letters} Estimates are posterior means. The posterior's standard deviation is rescaled by the sandwich, "
            "as the working likelihood is no law of the loss; a posterior has no t and no p."
        )
    else:
        st.caption(
            f"{letters} {NONE} where there is no error, or zero lies outside the parameter's range. "
            "A parameter on its limit (status boundary) has no reliable error."
        )
    told = diagnostics.coverage_words(
        fit.forecaster, fit.parameters.loc[fit.parameters["standard_error"].notna(), "name"]
    )
    if told:
        st.caption(
            "Interval too short: an interval of nominal 95 % (estimate ± 1.96 errors) should hold the true parameter "
            f"in 95 % of samples. Share of samples in which it did, {'; '.join(told)}. Number of losses n, level and "
            "law are those of the simulation, not of this fit."
        )


def _units(fit: ModelFit) -> str:
    if fit.estimate is None:
        return diagnostics.unit_words(fit.forecaster, fit.parameters["name"])
    return (
        "mu, const and sigma are losses (0.01 is 1 %), omega is a squared loss (EGARCH: of the logarithm of one, "
        "Beta-t-EGARCH: the logarithm of a loss, APARCH: a loss to the power delta, tarch: a loss); "
        "all others have no unit."
    )


def _days(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:,.1f} days"


def _listed(labels: Sequence[str]) -> str:
    """Labels in a sentence; abbreviations stay large."""
    words = [x if x.isupper() else x.lower() for x in labels]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def volatility(fit: ModelFit, kept: str) -> None:
    """Losses and the volatility of the window."""
    _chart(
        "volatility", kept, lambda: plots.conditional_volatility(fit.series, title=_title("Volatility", fit)),
        "Losses of the window and their conditional volatility",
    )  # fmt: skip


def residuals(fit: ModelFit, kept: str) -> None:
    """QQ plot and autocorrelations."""
    title = _title("Residuals against their law", fit)
    _part(
        fit, "residual_qq", kept, lambda: plots.residual_qq(diagnostics.residual_qq(fit), title=title),
        "Ordered residuals against the quantiles of the fitted law with a 95 % band",
    )  # fmt: skip
    if diagnostics.why_not(fit, "residual_acf"):
        return
    law = "the fitted law"
    if fit.law is not None and fit.law.is_sample:
        law = "the normal law, as a sample law is the residuals themselves and would always fit"
    if fit.chain is not None:
        law = (
            "the normal law: with regimes the law differs from day to day, and a residual is the normal quantile of "
            "the day's PIT"
        )
    st.caption(
        f"Residuals against {law}. The band holds each point of a law known beforehand with 95 %. Fitted parameters "
        "draw the residuals towards their law: of a right model on 1,000 losses only about 0.2 to 0.4 % of the points "
        "lie outside, neighbours together. More than 2 % outside are a sign of a wrong law."
    )
    heading = _title("Autocorrelations", fit)
    _chart(
        "residual_acf", kept, lambda: plots.residual_acf(diagnostics.residual_acf(fit), title=heading),
        "Autocorrelations of residuals and of squared residuals",
    )  # fmt: skip
    st.caption(
        "Q is Ljung and Box's test that there is none up to the last lag. Squares that still correlate say that the "
        "volatility misses something; on squared residuals of a GARCH model it rejects too rarely (Li and Mak 1994)."
    )


def pit(fit: ModelFit, kept: str) -> None:
    """PIT histogram of the window."""
    _part(
        fit, "pit", kept, lambda: plots.fitted_pit(diagnostics.pit_values(fit), title=_title("PIT in-sample", fit)),
        "Histogram of the probability integral transform with its 95 % band",
    )  # fmt: skip
    if diagnostics.why_not(fit, "pit"):
        return
    st.caption(
        "In-sample, so it flatters the model: the band is that of a right forecast, and parameters fitted to the same "
        "days draw the bars into it. The PIT of a backtest is the one that judges."
    )


def news_impact(fit: ModelFit, kept: str) -> None:
    """Tomorrow's volatility over today's shock."""
    title = _title("News impact", fit)
    _part(
        fit, "news_impact", kept, lambda: plots.news_impact(diagnostics.news_impact(fit), title=title),
        "Volatility of tomorrow as a function of today's shock",
    )  # fmt: skip
    if not diagnostics.why_not(fit, "news_impact"):
        st.caption(f"{steeper(diagnostics.news_impact(fit))} Right of zero are losses, left are gains.")


def steeper(table: pd.DataFrame) -> str:
    """Which side of a news impact curve rises more; the curve's shocks lie evenly round zero.

    >>> steeper(pd.DataFrame({"volatility": [0.02, 0.01, 0.03]}))
    'A loss raises volatility more than a gain of its size.'
    """
    gain, loss = float(table["volatility"].iloc[0]), float(table["volatility"].iloc[-1])
    if math.isclose(gain, loss, rel_tol=1e-6):
        return "Losses and gains of one size raise volatility alike."
    more, less = ("loss", "gain") if loss > gain else ("gain", "loss")
    return f"A {more} raises volatility more than a {less} of its size."


def levels(fit: ModelFit, kept: str) -> None:
    """VaR, ES and expectile VaR over the level, as a figure and a table."""
    title = _title("Risk by level", fit)
    _part(
        fit, "level_curve", kept, lambda: plots.level_curve(diagnostics.level_curve(fit), title=title),
        "VaR, ES and expectile VaR of the next day over the level",
    )  # fmt: skip
    if diagnostics.why_not(fit, "level_curve"):
        return
    st.caption(
        "One level is not one prudence: of a VaR and an ES it is a probability, of an expectile it fixes the ratio of "
        "expected gains within it to expected losses beyond it, the loss-gain ratio."
    )
    _table(
        diagnostics.level_curve(fit, [0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995]).drop(columns="beyond_sample"),
        {
            "level": ("level", "{:.8g}"), "var": ("VaR", PERCENT), "es": ("ES", PERCENT),
            "expectile": ("expectile VaR", PERCENT), "loss_gain_ratio": ("loss-gain ratio", "{:,.1f}"),
            "es_over_var": ("ES / VaR", "{:.3f}"),
        },
        key="levels", alt="VaR, ES and expectile VaR of the next day at seven levels",
    )  # fmt: skip


def thresholds(fit: ModelFit, kept: str) -> None:
    """Shape of the tail over the threshold."""
    title = _title("Tail by threshold", fit)
    _part(
        fit, "tail_thresholds", kept, lambda: plots.tail_thresholds(diagnostics.tail_thresholds(fit), title=title),
        "Shape of the generalised Pareto tail over the number of residuals above its threshold",
    )  # fmt: skip
    if not diagnostics.why_not(fit, "tail_thresholds"):
        st.caption(
            "Few residuals above the threshold: a shape that jumps about. Many: one that is drawn away from the tail. "
            "A good threshold stands where the line is level; the band is pointwise and takes the threshold as given."
        )


def regimes(fit: ModelFit, kept: str) -> None:
    """Probabilities of the regimes over the window, and what the regimes are."""
    title = _title("Regimes", fit)
    _part(
        fit, "regimes", kept,
        lambda: plots.regime_probabilities(diagnostics.regime_probabilities(fit), title=title),
        "Probabilities of the regimes on each day of the window, stacked",
    )  # fmt: skip
    if diagnostics.why_not(fit, "regimes"):
        return
    st.caption(
        "Each day's probabilities use the losses up to that day, with parameters of the whole window. Tomorrow's law "
        "mixes the regimes by the probabilities in the last column."
    )
    _table(
        diagnostics.regime_table(fit),
        {
            "regime": ("regime", None), "volatility": ("volatility", PERCENT), "share": ("share of days", "{:.1%}"),
            "days": ("days of a stay", "{:,.1f}"), "today": ("today", "{:.1%}"), "tomorrow": ("tomorrow", "{:.1%}"),
        },
        key="regimes", alt="Regimes with volatility, share of days, length of a stay and probabilities",
    )  # fmt: skip


def level(fit: ModelFit, kept: str) -> None:
    """The level of each day, of a model whose expectile level moves."""
    title = _title("Expectile level of each day", fit)
    _part(
        fit, "level", kept, lambda: plots.level_path(diagnostics.level_path(fit), title=title),
        "The expectile level of each day of the window and of the next day",
    )  # fmt: skip
    if not diagnostics.why_not(fit, "level"):
        st.caption(
            f"{level_words(fit)} The path begins in the middle of the window, as the losses before give the residuals "
            "of which the expectile is taken; its last point is tomorrow. The rule's numbers are those of the whole "
            "window."
        )


def uncertainty(fit: ModelFit, kept: str) -> None:
    """Error bands of the next day's expectiles."""
    reason = diagnostics.why_not(fit, "bands")
    if reason:
        st.info("Not for this model:")
        st.text(reason)
        return
    table = diagnostics.expectile_bands(fit)
    _table(
        table,
        {
            "level": ("τ", "{:.8g}"), "forecast": ("expectile VaR", PERCENT), "low": ("from", PERCENT),
            "high": ("to", PERCENT), "standard_error": ("s.e.", PERCENT), "method": ("by", None),
        },
        key="bands", alt="Error bands of the next day's expectiles",
    )  # fmt: skip
    words = "95 % bands: how far each expectile VaR is known, not where the loss will fall."
    if (table["method"] == "posterior").any():
        words += (
            " Credible intervals under the asymmetric normal working likelihood, rescaled by the sandwich: in "
            "simulations they covered 91 to 95 %, the raw ones 41 to 87 %."
        )
    else:
        words += (
            " Both steps of the estimation count. At τ = 0.99 and 2,000 losses such a band covered 89 % in "
            "simulations: it is too short in the far tail."
        )
    st.caption(words)


def about(fit: ModelFit, kept: str) -> None:
    """What the model computes, when to use it, what it costs and how it fails."""
    widgets.model_cards(repr(fit.forecaster), fit.model)


def _part(fit: ModelFit, part: str, kept: str, draw: Callable[[], go.Figure], alt: str) -> None:
    """A chart, or why the fit has none."""
    reason = diagnostics.why_not(fit, part)
    if reason:
        st.info("Not for this model:")
        st.text(reason)
    else:
        _chart(part, kept, draw, alt)


def _chart(part: str, kept: str, draw: Callable[[], go.Figure], alt: str) -> None:
    """A chart that is drawn once: `kept` says all that the fit depends on."""
    widgets.kept_chart(repr((part, kept)), draw, key=f"rc.modelling.{part}", alt=alt)


def _title(chart: str, fit: ModelFit) -> str:
    return f"{chart} · {fit.model}"  # the asset stands above


def _table(table: pd.DataFrame, columns: dict[str, tuple[str, Format]], *, key: str, alt: str, first: str = "") -> None:
    """A table with its columns in words; the values behind the formatted cells stay the engine's.

    The column `first` stays in sight, wide enough for long names, while the others are moved.
    """
    formats = {name: style for name, (_, style) in columns.items() if style is not None and name in table}
    config = {name: st.column_config.Column(label) for name, (label, _) in columns.items()}
    if first:
        longest = int(table[first].str.len().max()) if len(table) else 0
        config[first] = st.column_config.Column(columns[first][0], pinned=True, width=min(80 + 7 * longest, 320))
    told = [name for name in table.columns if name != "note" or bool((table[name] != "").any())]
    shown = table.style.format(formats, na_rep=NONE)  # type: ignore[arg-type]  # a column's format is text or function
    st.dataframe(
        shown, hide_index=True, column_config=config, column_order=told, key=f"rc.modelling.table.{key}", alt=alt,
        placeholder=NONE,
    )  # fmt: skip


TABS: Mapping[str, Callable[[ModelFit, str], None]] = {
    "Parameters": parameters,
    "Volatility": volatility,
    "Residuals": residuals,
    "PIT": pit,
    "News impact": news_impact,
    "Levels": levels,
    "Threshold": thresholds,
    "Regimes": regimes,
    "Level": level,
    "Uncertainty": uncertainty,
    "About": about,
}
"""Parts of the page, of which only the one looked at is drawn."""


@st.fragment  # another tab leaves the rest of the page as it is
def parts(fit: ModelFit, kept: str) -> None:
    """The parts of `TABS`; `kept` says all that the fit depends on."""
    tabs = st.tabs(widgets.tab_names(TABS), key="rc.w.modelling.tab", on_change="rerun")
    for tab, show in zip(tabs, TABS.values(), strict=True):
        if tab.open:
            with tab, widgets.errors_shown():
                show(fit, kept)
