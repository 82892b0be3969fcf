"""The overview's figures: whose forecasts they are, and the cards that show them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from riskcore import defaults
from riskcore._types import Target, WalkForward
from riskcore.dashboard import sources, state, widgets
from riskcore.dashboard.jobs import Job
from riskcore.dashboard.panels import STATES
from riskcore.dashboard.sources import Dataset
from riskcore.errors import DataError, RiskcoreError, require
from riskcore.forecasts import Forecasts
from riskcore.indicators import Latest, annualised, drawdown, latest, latest_table, recent, worst
from riskcore.plots import forecast_band, sparkline
from riskcore.plots.spark import Form
from riskcore.plots.style import HIT, LOSS, MEASURE_COLOURS, MUTED, only
from riskcore.report.view import percent, ranked
from riskcore.runs import Run, open_run
from riskcore.runs.reading import manifest_digest, read_tables

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

QUICK = ("fhs", "ewma", "historical", "age-weighted")
"""Models that estimate nothing and so answer at once."""
WINDOWS = (defaults.WINDOW, 500, 250)
MAX_ASSETS = 30
MEANINGS = {
    "VaR": "the loss that is exceeded with a chance of 1 minus its level.",
    "ES": "the mean of the losses beyond VaR at the same level.",
    "Expectile VaR": "the loss m at which expected losses beyond m stand to expected gains within it as (1 − τ) to τ.",
    "Volatility a year": "the day's volatility in the scale of a year, as if days were uncorrelated: to read by, no "
    "forecast.",
    "Hits": "days on which the loss exceeded VaR. Zones are the supervisor's: green while the chance of so many hits "
    "or fewer stays below 95 %, red from 99.99 %.",
    "Worst day": "the largest daily loss; losses are minus {kind} returns.",
    "Drawdown": "the share of its highest value so far that the investment has lost.",
}
"""The cards in words."""
_DAYS = defaults.ROLLING_DAYS


@dataclass(frozen=True)
class Figures:
    """Forecasts that the overview shows, and whose they are."""

    forecasts: Forecasts
    best: Mapping[str, tuple[str, str]]
    """Asset to the model shown first, and why it is that one."""
    key: str
    """Changes when anything of them does."""
    job: Job | None = None
    """The run they come from; None where they were computed for the page."""
    verdicts: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Asset and model to how many of how many tests of the run reject."""

    def models(self, asset: str) -> list[str]:
        """Models of an asset, in order."""
        return [model for name, model in self.forecasts.units if name == asset]

    def state(self, asset: str, model: str) -> Latest:
        """The newest forecast of an asset and model."""
        return _state(repr((self.key, asset, model)), self.forecasts, asset, model)


@st.cache_resource(scope="session", max_entries=8 * MAX_ASSETS, show_spinner=False)  # nobody changes what is kept
def _state(key: str, _forecasts: Forecasts, asset: str, model: str) -> Latest:
    return latest(_forecasts, asset, model)


def chosen(dataset: Dataset, asset: str) -> tuple[Figures, str]:
    """The forecasts to show and the model, which the visitor may change: of the newest run of these data, else quick.

    The model is the one with the asset's lowest VaR score, of those that give every risk figure if there are any, until
    another is picked.
    """
    figures = _newest(dataset)
    models = figures.models(asset) if figures is not None else []
    if figures is None or not models:  # no run, or one in which this asset failed
        figures, models, best, why = None, list(QUICK), QUICK[0], ""
    else:
        best, why = figures.best[asset]
    place = "quick" if figures is None or figures.job is None else figures.job.id
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    key = f"rc.w.overview.model.{place}.{dataset.assets.index(asset)}"
    model = left.selectbox("Model", models, models.index(best), key=key, persist_state="session")
    note = f" ({why})" if why and model == best else ""
    with right:
        st.text(f"{_origin(figures)}{note}{_verdict(figures, asset, model)}")
    return (quick(dataset, asset, model) if figures is None else figures), model


def _newest(dataset: Dataset) -> Figures | None:
    """Figures of the newest run of these data that can be read."""
    jobs = state.jobs().list(state.workspace().runs)
    for job in (job for job in jobs if job.readable and job.request.digest == dataset.digest):
        with widgets.errors_shown():
            return of_run(job)
    return None


def _origin(figures: Figures | None) -> str:
    if figures is None or figures.job is None:
        return "No run of these data yet: computed at once by a model that estimates nothing"
    return f"From the run “{figures.job.request.title}”"


def _verdict(figures: Figures | None, asset: str, model: str) -> str:
    """What the run's tests say of the model, and how old its parameters can be."""
    if figures is None or figures.job is None:
        return ""
    every = int(figures.job.request.settings.get("refit_every") or defaults.REFIT_EVERY)
    age = "every day" if every == 1 else f"every {every} days; a fit on Modelling is of today"
    rejected, tests = figures.verdicts.get((asset, model), (0, 0))
    said = f"; rejected by {rejected} of {tests} tests at {100 * defaults.SIZE:g} %" if tests else ""
    return f"{said}. Estimated {age}."


def of_run(job: Job) -> Figures:
    """The last days of a run's forecasts."""
    run = open_run(job.run_path)
    key = f"{job.id} {manifest_digest(run)}"
    forecasts, best, verdicts = _of_run(key, run)
    return Figures(forecasts, best, key, job, verdicts)


@st.cache_resource(scope="session", max_entries=4, show_spinner="Reading the newest run")
def _of_run(
    key: str, _run: Run
) -> tuple[Forecasts, dict[str, tuple[str, str]], dict[tuple[str, str], tuple[int, int]]]:
    forecasts = _run.forecasts()
    judged = read_tables(_run)
    best = {asset: first_shown(forecasts, judged.scores, asset) for asset in forecasts.assets}
    return recent(forecasts, 2 * _DAYS), best, _verdicts(judged.backtests)


def first_shown(forecasts: Forecasts, scores: pd.DataFrame, asset: str) -> tuple[str, str]:
    """The model with the lowest VaR score of those whose last forecast has every measure of the run, and why it is it.

    Where no model has them all, or all have, it is the one with the lowest VaR score.
    """
    wanted = {t.measure for t in forecasts.targets}
    newest = {m: forecasts.unit(name, m).iloc[-1] for name, m in forecasts.units if name == asset}
    models = list(newest)
    whole = [m for m in models if {t.measure for t in forecasts.targets if math.isfinite(newest[m][t.label])} == wanted]
    if len(whole) in (0, len(models)):
        return ranked(forecasts, scores, asset)
    return ranked(forecasts, scores, asset, whole, " with every risk figure")


def _verdicts(backtests: pd.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    """How many tests reject, of those that could be computed, by asset and model."""
    known = backtests[backtests["p_value"].notna()]
    units = known["p_value"].lt(defaults.SIZE).groupby([known["asset"], known["model"]])
    return {(str(a), str(m)): (int(unit.sum()), len(unit)) for (a, m), unit in units}


def quick(dataset: Dataset, asset: str, model: str) -> Figures:
    """`last_days` of an asset, through the session's cache."""
    key = repr((dataset.digest, asset, model))
    return Figures(_quick(key, dataset.losses[asset], asset, model), {asset: (model, "")}, key)


@st.cache_resource(scope="session", max_entries=4 * MAX_ASSETS, show_spinner="Forecasting the last days")
def _quick(key: str, _losses: pd.Series[float], asset: str, model: str) -> Forecasts:
    return last_days(_losses, asset, model)


def last_days(losses: pd.Series[float], asset: str, model: str) -> Forecasts:
    """Forecasts of the last two years by a model of `QUICK`: the rows that a run of the default plan gives for them.

    Raises
    ------
    DataError
        If there are too few losses for the shortest window.
    """
    from riskcore.forecasters import FORECASTERS
    from riskcore.walkforward import forecast_unit
    from riskcore.walkforward.inputs import resolve_targets

    known, least = losses.dropna(), WINDOWS[-1]
    require(
        len(known) >= least,
        f"an asset must have at least {least} losses for a forecast, got {len(known)}; "
        "choose another asset, or upload a longer series on the page Data",
        DataError,
    )
    plan = WalkForward(next(w for w in WINDOWS if len(known) >= w + _DAYS or w == least), defaults.REFIT_EVERY)
    targets, start = resolve_targets(None), known.index[-min(2 * _DAYS, len(known))]
    rows = forecast_unit(
        known, FORECASTERS[model], targets, plan, asset=asset, model=model, ahead=True, from_date=start
    )
    return Forecasts(rows, targets)


def show(dataset: Dataset, asset: str) -> None:
    """All that the overview shows of an asset; what does not depend on the model stays where another is chosen."""
    with widgets.errors_shown():
        above, columns = st.container(), st.columns(4)
        past_cards(columns[1:], dataset, asset, _end(dataset, asset))
        meanings(_kind(dataset, asset))
        below = st.empty()
        with above:
            _of_one_model(dataset, asset, columns[0].empty(), below)


@st.fragment  # another model redraws this alone, not the page
def _of_one_model(dataset: Dataset, asset: str, hits: DeltaGenerator, below: DeltaGenerator) -> None:
    """Figures of a model. Those below the cards stand in places of the page, which hold what was put in last."""
    with widgets.errors_shown():
        figures, model = chosen(dataset, asset)
        found = figures.state(asset, model)
        name = f"overview {figures.key} {asset!r} {model!r}"
        st.caption(since(found))
        for note in (ended(found.rows.index[-1], dataset.losses[asset]), moving_words(figures.forecasts, found)):
            if note:
                st.caption(note)
        widgets.kept_drawing(f"risks {name}", lambda: risk_cards(found))
        with hits:
            widgets.kept_drawing(f"hits {name}", lambda: hit_card(found))
        with below.container():
            band(figures, found)
            if len(dataset.assets) > 1:
                st.subheader("All assets")
                asset_table(dataset, name, _states(dataset, figures, model))


def welcome() -> None:
    """What stands here before there are prices."""
    st.markdown("**How much can be lost by tomorrow, and can the figure be trusted?**")
    st.markdown(
        "Prices go in. VaR, Expected Shortfall and expectile VaR come out, each forecast from earlier losses only, "
        "with the scores and tests that judge it."
    )
    st.markdown("Look round with two decades of the S&P 500 and the NASDAQ, or upload a file of your own.")
    left, right = st.columns(2)
    if left.button("Use the sample", type="primary", width="stretch", key="rc.w.overview.sample"):
        state.set_source(sources.sample())
        st.rerun()
    if right.button("Upload prices", width="stretch", key="rc.w.overview.upload"):
        st.switch_page("pages/data.py")
    for page, name, words in (
        ("data", "Data", "which prices, read how, and what is odd about them"),
        ("modelling", "Modelling", "fit one model to the last days and look at it closely"),
        ("review", "Backtest review", "forecast every day of the past, and judge the forecasts"),
        ("runs", "Runs", "what is running, what is done, what differs between two"),
    ):
        st.page_link(f"pages/{page}.py", label=f"**{name}**")
        st.text(words)  # not in the label, which a phone cuts


def since(found: Latest) -> str:
    """Since when the figures are valid.

    >>> from riskcore.forecasts import Forecasts
    >>> day = pd.Timestamp("2019-01-01")
    >>> index = pd.MultiIndex.from_tuples([("A", "m", day)], names=["asset", "model", "date"])
    >>> row = {"origin": pd.Timestamp("2018-12-31"), "loss": float("nan"), "status": "ok", "var_0.99": 0.02}
    >>> since(latest(Forecasts(pd.DataFrame(row, index), [Target("var", 0.99)]), "A", "m"))
    'Forecast for 2019-01-01 (next weekday; holidays are not known), from losses to 2018-12-31.'
    """
    day = " (next weekday; holidays are not known)" if found.ahead else ""
    status = "" if found.status == "ok" else f" Status of the forecast: {found.status.replace('_', ' ')}."
    return f"Forecast for {found.date:%Y-%m-%d}{day}, from losses to {found.origin:%Y-%m-%d}.{status}"


def ended(last: pd.Timestamp, losses: pd.Series[float]) -> str:
    """What there is to say where the forecasts end before the losses do.

    >>> losses = pd.Series([0.0, 0.01], pd.to_datetime(["2020-12-31", "2021-01-04"]))
    >>> ended(losses.index[0], losses)
    'The run ends on 2020-12-31: every figure below is of that day or before. The prices go on to 2021-01-04.'
    >>> ended(losses.index[1], losses)
    ''
    """
    known = losses.dropna()
    newest = pd.Timestamp(known.index[-1]) if len(known) else last
    if last >= newest:
        return ""
    day = f"{last:%Y-%m-%d}"
    return f"The run ends on {day}: every figure below is of that day or before. The prices go on to {newest:%Y-%m-%d}."


def moving_words(forecasts: Forecasts, found: Latest) -> str:
    """What there is to say of a model whose expectile level moves from day to day; empty for others."""
    moving = forecasts.moving(found.rows)
    if moving is None:
        return ""
    target, levels = moving
    level = f" (τ = {levels[-1]:.5f} for this day)" if math.isfinite(levels[-1]) else ""
    return (
        f"The VaR {_level(target)} of this model is the expectile at a level that moves from day to day{level}. "
        "It gives no ES, and no expectile VaR at a fixed level."
    )


def risk_cards(found: Latest) -> None:
    """VaR, ES, expectile VaR and volatility of the next day, each with the course of its last days."""
    columns = st.columns(4)
    var, es, expectile = (found.target(m) for m in ("var", "es", "expectile"))
    with columns[0]:
        _risk(found, var, f"VaR {_level(var)}")
    with columns[1]:
        _risk(found, es, f"ES {_level(es)}")
    implied = found.implied_var_level
    beside = f"τ = {expectile.level:.10g}" if expectile else ""
    if math.isfinite(implied):
        beside += f": the day's VaR at {100 * implied:.2f} %"
    with columns[2]:
        _risk(found, expectile, "Expectile VaR", beside)
    daily = found.value("volatility")
    with columns[3]:
        _card(
            "Volatility a year", percent(annualised(daily), 1) if math.isfinite(daily) else "–",
            [100 * annualised(x) for x in _course(found, "volatility")],
            f"The day's {percent(daily)} × √{defaults.PERIODS}" if math.isfinite(daily) else "the model has none",
        )  # fmt: skip


def past_cards(
    columns: Sequence[DeltaGenerator], dataset: Dataset, asset: str, end: pd.Timestamp | None = None
) -> None:
    """The worst day, drawdown and the last run, whatever the model; of the days up to `end`, where one is given."""
    losses, kind, name = dataset.losses[asset].dropna(), _kind(dataset, asset), repr((dataset.digest, asset, end))
    cut = end is not None and end < losses.index[-1]
    losses = losses.loc[:end] if cut else losses
    with columns[0]:
        widgets.kept_drawing(f"worst {name}", lambda: worst_card(losses, cut=cut))
    with columns[1]:
        widgets.kept_drawing(f"drawdown {name} {kind}", lambda: drawdown_card(losses, kind, cut=cut))
    with columns[2]:
        _last_run(dataset)


def _end(dataset: Dataset, asset: str) -> pd.Timestamp | None:
    """The last day of the newest run's forecasts of an asset; None where no run has any."""
    figures = _newest(dataset)
    models = figures.models(asset) if figures is not None else []
    return figures.state(asset, models[0]).rows.index[-1] if figures is not None and models else None


def worst_card(losses: pd.Series[float], *, cut: bool = False) -> None:
    """The largest loss of the last days, and of all; `cut` says that later ones were left out."""
    recent_day, day = worst(losses, _DAYS), worst(losses)
    to = f" to {losses.index[-1]:%Y-%m-%d}" if cut else ""
    _card(
        f"Worst day in {min(_DAYS, len(losses))} days", percent(recent_day.value),
        (100 * losses.iloc[-_DAYS:]).to_list(),
        f"on {recent_day.date:%Y-%m-%d}; of all {len(losses):,}{to}: {percent(day.value)} on {day.date:%Y-%m-%d}",
        form="bars", colour=LOSS,
    )  # fmt: skip


def drawdown_card(losses: pd.Series[float], kind: str, *, cut: bool = False) -> None:
    """The loss since the highest value, and its largest ever; `cut` says that later ones were left out."""
    fall = drawdown(losses, kind)  # type: ignore[arg-type]  # checked there
    deepest = worst(fall)
    _card(
        f"Drawdown on {losses.index[-1]:%Y-%m-%d}" if cut else "Drawdown now", percent(fall.iloc[-1], 1),
        (100 * fall.iloc[-_DAYS:]).to_list(),
        f"below its highest value; at most {percent(deepest.value, 1)} on {deepest.date:%Y-%m-%d}",
        form="area", colour=LOSS,
    )  # fmt: skip


def meanings(kind: str) -> None:
    """What the cards show, in words: in one place, for seven hints at the labels slow the page."""
    with st.expander("What these figures mean", icon=":material/help:"):
        st.markdown("\n".join(f"- **{name}**: {text}" for name, text in MEANINGS.items()).format(kind=kind))


def _risk(found: Latest, target: Target | None, label: str, beside: str = "") -> None:
    """A card of one target, with its change since the day before."""
    if target is None:
        _card(label.removesuffix(" –"), "–", [], "the model gives none")
        return
    change = found.change(target.label)
    move = f"{100 * change:+.2f} points since the day before".replace("-", "−") if math.isfinite(change) else ""
    note = "; ".join(part for part in (beside, move) if part)
    course, colour = [100 * x for x in _course(found, target.label)], MEASURE_COLOURS[target.measure][0]
    _card(label, percent(found.value(target.label)), course, note, colour=colour)


def hit_card(found: Latest) -> None:
    """Hits of the last days with their zone."""
    count = found.hits
    if count is None:
        _card("Hits", "–", [], "no VaR with known losses" if found.target("var") else "the model gives no VaR")
        return
    colour = {"green": "green", "yellow": "orange", "red": "red"}[count.zone]
    sign = {"green": "check_circle", "yellow": "warning", "red": "error"}[count.zone]
    _card(
        f"Hits in {count.n_obs} days", str(count.hits), count.course.to_list(),
        f"{count.expected:.1f} expected of VaR {_level(count.target)}", form="steps", colour=HIT, unit="",
        badge=f":{colour}-badge[:material/{sign}: {count.zone} zone]",
    )  # fmt: skip


def _card(
    label: str,
    value: str,
    course: list[float],
    note: str,
    *,
    form: Form = "line",
    colour: str = MUTED,
    unit: str = " %",
    badge: str = "",
) -> None:
    """One framed figure with its course and a line below; none of its texts is a visitor's."""
    with st.container(border=True, height="stretch"):
        st.metric(label, value)
        # not the metric's own chart: seven of those take half a second to be drawn, on every rerun
        drawn = sparkline(course, form=form, colour=colour, dark=widgets.dark())
        if drawn:
            st.image(drawn, width="stretch", alt=_in_words(label, course, unit))
        if badge:  # not in the caption, which is faded
            st.markdown(badge)
        st.caption(note)


def _in_words(label: str, course: list[float], unit: str) -> str:
    """What a sparkline shows.

    >>> _in_words("Hits", [2.0, math.nan, 5.0, 4.0], "")
    'Hits over the last 4 days: between 2 and 5, at the end 4.'
    """
    known = [x for x in course if math.isfinite(x)]
    low, high, last = (f"{x:.3g}{unit}" for x in (min(known), max(known), known[-1]))
    return f"{label} over the last {len(course)} days: between {low} and {high}, at the end {last}."


def _last_run(dataset: Dataset) -> None:
    jobs = state.jobs().list(state.workspace().runs)
    own = [job for job in jobs if job.request.digest == dataset.digest]
    with st.container(border=True, height="stretch"):
        st.caption("Last run of these data" if own or not jobs else "Last run, of other data")
        job = next(iter(own or jobs), None)
        if job is None:
            st.text("none yet")
            st.caption("A run forecasts every day of the past and judges the forecasts.")
            if st.button("Start a backtest", key="rc.w.overview.start"):
                st.switch_page("pages/review.py")
            return
        st.text(job.request.title)
        models = len(job.request.settings.get("models") or defaults.MODELS)
        share = f", {job.done / job.total:.0%} done" if job.active and job.total else ""
        st.caption(f"{job.created[:16].replace('T', ' ')} · {STATES[job.state]}{share} · {models} models")
        if job.readable and st.button("Open", key="rc.w.overview.open"):
            state.set_run(job.id)
            st.switch_page("pages/review.py")
        if not job.readable:
            st.page_link("pages/runs.py", label="See it on Runs")


def band(figures: Figures, found: Latest) -> None:
    """Losses and forecasts of the last days."""
    count = "" if found.hits is None else f" {found.hits.hits} losses exceeded VaR, {found.hits.expected:.1f} expected."
    days = len(found.rows) - found.ahead
    widgets.kept_chart(
        repr(("overview", figures.key, found.asset, found.model)),
        lambda: forecast_band(recent(only(figures.forecasts, found.asset, found.model))),
        key="rc.overview.band",
        alt=f"Losses of the last {days} days with their VaR, ES and expectile VaR; hits are marked.{count}",
    )


def asset_table(dataset: Dataset, name: str, states: list[Latest]) -> None:
    """A row for each asset under the same model; `name` changes when a figure does."""
    widgets.kept_drawing(f"assets {name}", lambda: _table(latest_table(states)))
    without = min(len(dataset.assets), MAX_ASSETS) - len(states)
    notes = [f"Every asset under the model chosen above; levels as on the cards; hits in at most {_DAYS} days."]
    if len(dataset.assets) > MAX_ASSETS:
        notes.append(f"The first {MAX_ASSETS} of {len(dataset.assets)} assets.")
    if without:
        notes.append(f"{without} left out: too short, or without this model.")
    st.caption(" ".join(notes))


def _table(table: pd.DataFrame) -> None:
    risks = {
        "var": "VaR", "es": "ES", "expectile": "Expectile VaR", "volatility": "Volatility a day",
    }  # fmt: skip
    columns = {name: st.column_config.NumberColumn(label, format="%.2f %%") for name, label in risks.items()}
    st.dataframe(
        table.drop(columns="model").assign(**{name: 100 * table[name] for name in risks}),
        hide_index=True,
        column_config={
            "asset": "Asset",
            "date": st.column_config.DateColumn("Day", format="YYYY-MM-DD"),
            **columns,
            "hits": st.column_config.NumberColumn("Hits", format="%d"),
            "expected_hits": st.column_config.NumberColumn("Expected", format="%.1f"),
            "zone": "Zone",
            "status": "Status",
        },
        alt=f"Next day's risk of {len(table)} assets under one model",
    )


def _states(dataset: Dataset, figures: Figures, model: str) -> list[Latest]:
    found = []
    for asset in dataset.assets[:MAX_ASSETS]:
        try:
            shown = figures if figures.job is not None else quick(dataset, asset, model)
            found.append(shown.state(asset, model))
        except RiskcoreError:  # too short, or not in the run: the note below the table says how many
            continue
    return found


def _course(found: Latest, column: str) -> list[float]:
    return found.rows[column].to_list() if column in found.rows else []


def _level(target: Target | None) -> str:
    return "–" if target is None else f"{100 * target.level:.10g} %"


def _kind(dataset: Dataset, asset: str) -> str:
    """Kind of return behind an asset's losses: a portfolio's are simple whatever the others are."""
    from riskcore.returns import PORTFOLIO

    return "simple" if dataset.source.weights and asset == PORTFOLIO else dataset.source.kind
