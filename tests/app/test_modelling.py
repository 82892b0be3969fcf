"""The Modelling page: what it shows is what the engine says, and what it hands on is what it fitted."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import riskcore as rc
from riskcore import Target, diagnostics
from riskcore.dashboard import modelling, sources, state
from riskcore.dashboard.modelling import Asked, run_file, suggested_name
from riskcore.dashboard.sources import Source
from riskcore.dashboard.workspace import Workspace, workspace_of
from riskcore.diagnostics import ModelFit
from riskcore.diagnostics.coherence import Misfit
from riskcore.forecasters import FORECASTERS
from riskcore.runs import config
from riskcore.runs.cards import LAWS, VOLATILITIES, cards_of, cost_words
from riskcore.volatility.exogenous import exog_names

Open = Callable[..., AppTest]
TARGETS = ("var:0.99", "es:0.975", "expectile:0.99", "expectile:0.99855")
HOSTILE = "<b>$x$</b> **bold** [a](http://x)"


@pytest.fixture
def stocks() -> Source:
    return sources.sample("europe_1991_1998.csv")


def press(app: AppTest, label: str) -> AppTest:
    found = [b for b in app.button if b.label == label]
    assert len(found) == 1, [b.label for b in app.button]
    return found[0].click().run()


def by_key(app: AppTest, kind: str, name: str) -> Any:
    return next(w for w in getattr(app, kind) if w.key == f"rc.w.modelling.{name}")


def build(app: AppTest, **parts: str) -> AppTest:
    """Choose parts of a model of one's own."""
    by_key(app, "segmented_control", "kind").set_value(modelling.BUILD).run()
    for part, chosen in parts.items():
        by_key(app, "selectbox", part).set_value(chosen).run()
    return app


def metrics(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def frames(app: AppTest) -> list[pd.DataFrame]:
    return [d.value for d in app.dataframe]


def engine(source: Source, model: Any, *, window: int = 1000, asset: int = 0, targets: Any = TARGETS) -> ModelFit:
    losses = sources.load(source).losses
    return rc.fit_model(losses.iloc[:, asset], model, targets, window=window)


def shown(app: AppTest) -> str:
    return "\n".join(t.value for kind in ("text", "error", "info", "caption", "warning") for t in getattr(app, kind))


def test_without_data_there_are_two_ways_on(open_page: Open) -> None:
    app = open_page("modelling")
    assert "No prices yet" in shown(app)
    press(app, "Use the sample")
    assert [b.label for b in app.button if b.label == "Fit"] == ["Fit"]


def test_a_short_name_is_fitted_as_the_engine_does(open_page: Open, stocks: Source) -> None:
    app = open_page("modelling", source=stocks)
    assert "press Fit" in shown(app)
    assert not app.metric
    press(app, "Fit")
    expected = engine(stocks, "garch-t")
    figures = metrics(app)
    names = {"VaR 99 %": "var_0.99", "VaR 97.5 %": "var_0.975", "ES 97.5 %": "es_0.975"}
    names |= {"expectile VaR τ = 0.99": "expectile_0.99", "expectile VaR τ = 0.99855": "expectile_0.99855"}
    for label, column in names.items():
        assert figures[label] == f"{100 * expected.value(column):.2f} %"
    assert figures["volatility"] == f"{100 * expected.volatility:.2f} %"
    assert figures["AIC"] == f"{expected.aic:,.2f}"
    assert figures["BIC"] == f"{expected.bic:,.2f}"
    assert figures["Log-likelihood"] == f"{expected.log_likelihood:,.2f}"
    assert figures["Persistence"] == f"{expected.dynamics.persistence:.4f}"
    beside, parameters = frames(app)
    columns = list(beside.columns)
    assert columns[:3] == ["level", "value", "loss_gain_ratio"]
    pd.testing.assert_frame_equal(
        beside.reset_index(drop=True),
        expected.next_day[expected.next_day["measure"] == "expectile"][columns].reset_index(drop=True),
    )
    pd.testing.assert_frame_equal(parameters, expected.parameters, check_dtype=False)
    text = shown(app)
    assert f"Estimation: {expected.status}, {expected.status_words}" in text
    assert "fitted to 1,000 losses" in text


def test_next_day_is_that_of_a_backtest_of_the_same_settings(open_page: Open, stocks: Source) -> None:
    """The summary of ``riskcore backtest`` with a refit on the last day has the same figures."""
    losses = sources.load(stocks).losses.iloc[:, [0]]
    table = rc.forecast(losses.iloc[-1000:], ["gjr-t"], TARGETS, rc.WalkForward(1000, 1), ahead=True).next_day()
    app = open_page("modelling", source=stocks)
    by_key(app, "selectbox", "model").set_value("gjr-t").run()
    press(app, "Fit")
    assert metrics(app)["ES 97.5 %"] == f"{100 * table['es_0.975'].iloc[0]:.2f} %"


@pytest.mark.parametrize("tab", ["Volatility", "Residuals", "PIT", "News impact", "Levels"])
def test_tabs_draw_the_engines_tables(open_page: Open, stocks: Source, tab: str) -> None:
    app = open_page("modelling", source=stocks)
    press(app, "Fit")
    assert not app.get("plotly_chart")  # bodies of closed tabs do not run
    app.session_state["rc.w.modelling.tab"] = tab
    app.run()
    assert not app.exception
    charts = [drawn(c) for c in app.get("plotly_chart")]
    fit = engine(stocks, "garch-t")
    if tab == "Volatility":
        np.testing.assert_allclose(values(charts[0], "volatility"), fit.series["volatility"], rtol=1e-6)
    elif tab == "Residuals":
        table = diagnostics.residual_qq(fit)
        assert sum(len(values(charts[0], n)) for n in ("inside", "outside")) == len(table)
        assert "only about 0.2 to 0.4 % of the points lie outside" in shown(app)
        acf = diagnostics.residual_acf(fit)
        np.testing.assert_allclose(numbers(charts[1]["data"][1]["y"]), acf["acf"].iloc[20:], rtol=1e-5, atol=1e-7)
    elif tab == "PIT":
        counts = np.histogram(diagnostics.pit_values(fit), bins=20, range=(0, 1))[0]
        np.testing.assert_array_equal(numbers(charts[0]["data"][0]["y"]), counts)
        assert "right forecast" not in str(charts[0]["layout"]["title"])
    elif tab == "News impact":
        table = diagnostics.news_impact(fit)
        np.testing.assert_allclose(numbers(charts[0]["data"][0]["y"]), table["volatility"], rtol=1e-6)
    else:
        table = diagnostics.level_curve(fit)
        np.testing.assert_allclose(values(charts[0], "expectile VaR"), table["expectile"], rtol=1e-6)
        rows = frames(app)[-1].set_index("level")
        assert rows.loc[0.99, "var"] == pytest.approx(fit.value("var:0.99"), rel=1e-13)


def test_what_a_model_is_stands_beside_the_choice_and_in_a_tab(open_page: Open, stocks: Source) -> None:
    app = open_page("modelling", source=stocks)
    by_key(app, "selectbox", "model").set_value("gjr-evt").run()
    want = cards_of(repr(FORECASTERS["gjr-evt"]))
    assert [code.value for code in app.code] == [card.formula for card in want]
    assert all(f"How it fails: {card.fails}." in shown(app) for card in want)
    assert cost_words("gjr-evt") in shown(app)
    press(app, "Fit")
    app.session_state["rc.w.modelling.tab"] = "About"
    app.run()
    assert not app.exception
    formulas = [code.value for code in app.code]
    assert all(formulas.count(card.formula) == 2 for card in want)  # beside the choice, and in the tab
    build(app, mean="ar1", volatility="har", law="ged")
    titles = [card.title for card in (VOLATILITIES["HAR"], LAWS["GED"])]
    assert all(f"**{title}**" in [part.value for part in app.markdown] for title in titles)


@pytest.mark.parametrize("name", ["garch-fhs", "bayes-expectile", "garch-t"])
def test_error_bands_of_expectiles(open_page: Open, stocks: Source, name: str) -> None:
    app = open_page("modelling", source=stocks)
    by_key(app, "selectbox", "model").set_value(name).run()
    press(app, "Fit")
    app.session_state["rc.w.modelling.tab"] = "Uncertainty"
    app.run()
    assert not app.exception
    if name == "garch-t":
        assert "not for garch-t" in shown(app)
        return
    targets = TARGETS if name == "garch-fhs" else [t for t in TARGETS if t.startswith("expectile")]
    losses = sources.load(stocks).losses.iloc[:, 0]
    table = diagnostics.expectile_bands(rc.fit_model(losses, name, targets, window=1000))
    pd.testing.assert_frame_equal(frames(app)[-1], table, check_dtype=False)
    assert "not where the loss will fall" in shown(app)


def test_regimes_are_drawn_with_what_they_are(open_page: Open, stocks: Source) -> None:
    app = open_page("modelling", source=stocks)
    by_key(app, "selectbox", "model").set_value("regime").run()
    press(app, "Fit")
    fit = engine(stocks, "regime")
    for tab in ("Regimes", "Residuals"):
        app.session_state["rc.w.modelling.tab"] = tab
        app.run()
        assert not app.exception
        if tab == "Regimes":
            chart, table = drawn(app.get("plotly_chart")[0]), diagnostics.regime_probabilities(fit)
            np.testing.assert_allclose(values(chart, "regime 2"), table["regime 2"], atol=1e-6)
            pd.testing.assert_frame_equal(frames(app)[-1], diagnostics.regime_table(fit), check_dtype=False)
        else:
            assert "the law differs from day to day" in shown(app)


@pytest.mark.parametrize("name", ["dynamic-level", "dynamic-level-online"])
def test_the_level_that_moves_is_shown(open_page: Open, stocks: Source, name: str) -> None:
    app = open_page("modelling", source=stocks)
    by_key(app, "selectbox", "model").set_value(name).run()
    press(app, "Fit")
    path = diagnostics.level_path(engine(stocks, name))
    assert metrics(app)["level τ, tomorrow"] == f"{path['level'].iloc[-1]:.5f}"
    assert metrics(app)["VaR 99 %"] == f"{100 * path['forecast'].iloc[-1]:.2f} %"
    text = shown(app)
    kind = "Moved by hits, it is a VaR 99 % by construction" if name.endswith("online") else "by its choice"
    assert f"{kind}. Scores at moving levels are not comparable." in text
    assert f"{name} does not give: VaR 97.5 %, ES 97.5 %, expectile VaR τ = 0.99, expectile VaR τ = 0.99855." in text
    assert len(frames(app)) == 1  # parameters; nothing stands beside an expectile that is not there
    app.session_state["rc.w.modelling.tab"] = "Level"
    app.run()
    assert not app.exception
    np.testing.assert_allclose(values(drawn(app.get("plotly_chart")[0]), "level"), 1.0 - path["level"], rtol=1e-6)


def test_a_level_that_moves_serves_one_var_only(open_page: Open, stocks: Source) -> None:
    app = open_page("modelling", source=stocks)
    by_key(app, "segmented_control", "kind").set_value(modelling.DIRECT).run()
    by_key(app, "selectbox", "tail").set_value("dynamic-level").run()
    assert by_key(app, "number_input", "dynamic-level.gain").placeholder == "chosen from a grid"
    by_key(app, "number_input", "dynamic-level.level").set_value(0.95)
    press(app, "Fit")
    assert "; it offers VaR 95 %: choose these" in shown(app)
    assert "var_0" not in shown(app)


def test_a_posterior_has_neither_t_nor_p(open_page: Open, stocks: Source) -> None:
    app = open_page("modelling", source=stocks)
    by_key(app, "selectbox", "model").set_value("bayes-expectile").run()
    press(app, "Fit")
    assert frames(app)[-1][["t", "p_value"]].isna().all(axis=None)
    assert "posterior s.d." in app.dataframe[-1].proto.columns
    assert "a posterior has no t and no p" in shown(app)


def test_figures_that_do_not_fit_together_are_named(
    open_page: Open, stocks: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's own figures, and a bound that is broken: which figures, and by what."""
    app = open_page("modelling", source=stocks)
    by_key(app, "selectbox", "model").set_value("caviar-as").run()
    press(app, "Fit")
    assert "The model estimates each figure on its own" in shown(app)
    fit = engine(stocks, "caviar-as")
    said = [line for line in shown(app).split("\n") if "do not fit together: " in line]
    assert len(said) == len(diagnostics.incoherent(fit))
    low = Misfit(Target("es", 0.975), 0.021, 0.0233, (Target("var", 0.975), Target("var", 0.99)))
    monkeypatch.setattr(diagnostics, "incoherent", lambda _: [low])
    app.run()
    var = [f"VaR {level} % of {100 * fit.value(t):.2f} %" for level, t in ((97.5, "var:0.975"), (99, "var:0.99"))]
    told = f"These do not fit together: ES 97.5 % is 2.10 %, but {var[0]} and {var[1]} ask for at least 2.33 %."
    assert told in shown(app)
    assert "Interval too short" in shown(app)
    assert "are those of the simulation, not of this fit" in shown(app)


def drawn(chart: Any) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(chart.proto.spec)
    return found


def numbers(array: Any) -> np.ndarray:
    """Values of a trace, which plotly may send as base64."""
    import base64

    if isinstance(array, dict):
        return np.frombuffer(base64.b64decode(array["bdata"]), dtype=array["dtype"]).astype(float)
    return np.asarray(array, dtype=float)


def values(figure: dict[str, Any], name: str) -> np.ndarray:
    return numbers(next(t for t in figure["data"] if t.get("name") == name)["y"])


def test_a_model_of_ones_own_goes_to_the_backtest(open_page: Open, stocks: Source) -> None:
    app = build(open_page("modelling", source=stocks), mean="ar1", volatility="ewma", law="t")
    by_key(app, "number_input", "volatility.ewma.decay").set_value(0.97)
    by_key(app, "number_input", "law.t.nu").set_value(5.0)
    by_key(app, "number_input", "window").set_value(500)
    press(app, "Fit")
    model = rc.LocationScale(mean=rc.AR1(), volatility=rc.EWMA(0.97), law=rc.StudentT(5.0))
    expected = engine(stocks, model, window=500)
    assert metrics(app)["VaR 99 %"] == f"{100 * expected.value('var:0.99'):.2f} %"
    assert expected.likelihood == "law, not maximised"
    assert "lies below its maximum: its AIC and BIC are too high" in shown(app)
    assert "mu, const and sigma are losses (0.01 is 1 %), omega is a squared loss" in shown(app)
    name = "ar1-ewma-decay0.97-t-nu5"
    table = {"mean": "ar1", "volatility": {"kind": "ewma", "decay": 0.97}, "law": {"kind": "t", "nu": 5.0}}
    written = tomllib.loads(app.code[-1].value)
    assert written == {"models": [name], "targets": list(TARGETS), "window": 500, "model": {name: table}}
    (read,) = config.settings({}, written).models
    assert read == config.define_model(name, table)
    assert "rc.candidates" not in app.session_state
    press(app, "Add to the backtest")
    assert app.session_state["rc.candidates"] == {name: table}
    assert "Added: Backtest review offers this model" in shown(app)
    assert not [b for b in app.button if b.label == "Add to the backtest"]
    by_key(app, "text_input", "name").set_value(name)
    by_key(app, "number_input", "law.t.nu").set_value(6.0)
    press(app, "Fit")  # the same name for another model: it is not yet the one that was added
    press(app, "Add to the backtest")
    assert app.session_state["rc.candidates"] == {name: {**table, "law": {"kind": "t", "nu": 6.0}}}


def test_a_model_that_equals_a_short_name_takes_it(open_page: Open, stocks: Source) -> None:
    app = build(open_page("modelling", source=stocks), volatility="gjr", law="normal")
    press(app, "Fit")
    assert by_key(app, "selectbox", "look.1.gjr-normal").value == "gjr-normal"
    assert "offers this model by its short name" in shown(app)


def test_models_side_by_side(open_page: Open, stocks: Source) -> None:
    app = open_page("modelling", source=stocks)
    chosen = ["historical", "ewma", "garch-normal", "care-linear", "fhs"]
    for model in chosen:
        by_key(app, "selectbox", "model").set_value(model)
        press(app, "Fit")
    kept = chosen[1:]  # four at most
    fits = [engine(stocks, m) for m in kept]
    expected = diagnostics.comparison(fits).drop(columns="window")
    table = frames(app)[0]
    assert list(table["model"]) == kept
    pd.testing.assert_frame_equal(table[expected.columns], expected, check_dtype=False)
    assert list(table.columns)[:6] == ["model", *(t.label for t in fits[0].forecasts.targets)]
    assert "fits all of these models again, so that they stay comparable" in shown(app)
    assert "4 models stand side by side; historical had to go." in shown(app)
    assert "All judged on each of the last 1,000 losses. Lower AIC and BIC are better; a normal" in shown(app)
    assert "not maximised" not in shown(app)  # none of these is fitted in two steps
    app.selectbox(key="rc.w.modelling.look.4.fhs").set_value("ewma").run()
    assert metrics(app)["VaR 99 %"] == f"{100 * fits[0].value('var:0.99'):.2f} %"
    press(app, "Remove")
    assert list(frames(app)[0]["model"]) == kept[1:]


def test_a_direct_tail_model_offers_what_it_has(open_page: Open, stocks: Source) -> None:
    app = open_page("modelling", source=stocks)
    by_key(app, "segmented_control", "kind").set_value(modelling.DIRECT).run()
    by_key(app, "number_input", "care.level").set_value(0.95)
    press(app, "Fit")
    assert (
        "care-level0.95 offers none of the risk figures VaR 99 %, ES 97.5 %, expectile VaR τ = 0.99, expectile VaR "
        "τ = 0.99855; it offers expectile VaR τ = 0.95: choose these"
    ) in shown(app)
    by_key(app, "multiselect", "targets").set_value(["expectile:0.95", "var:0.99"])
    press(app, "Fit")
    expected = engine(stocks, rc.CARE(level=0.95), targets=["expectile:0.95", "var:0.99"])
    figures = metrics(app)
    assert figures["expectile VaR τ = 0.95"] == f"{100 * expected.value('expectile:0.95'):.2f} %"
    assert "VaR 99 %" not in figures
    assert "AIC" not in figures
    text = shown(app)
    assert "care-level0.95 does not give: VaR 99 %." in text
    assert "c0 is a loss (0.01 is 1 %); c2, c3 are one over a loss; level, c1 have no unit." in text
    assert "No log-likelihood, AIC or BIC: care-level0.95 has no likelihood." in text
    for tab in ("Residuals", "PIT", "News impact", "Levels", "Level"):
        app.session_state["rc.w.modelling.tab"] = tab
        app.run()
        assert "Not for this model:" in shown(app)
        assert not app.get("plotly_chart")


def bad_window(app: AppTest) -> str:
    by_key(app, "number_input", "window").set_value(9999)
    return "window 9999 needs at least 9999 losses per asset: DAX has 1859"


def bad_target(app: AppTest) -> str:
    by_key(app, "multiselect", "targets").set_value(["var:1.5"])
    return "level must lie in (0.5, 1), got 1.5"


def no_target(app: AppTest) -> str:
    by_key(app, "multiselect", "targets").set_value([])
    return "targets must name at least one target, got none"


def taken_name(app: AppTest) -> str:
    build(app, volatility="ewma", law="t")
    by_key(app, "text_input", "name").set_value("garch-t")
    return "name must not be a model's short name, got 'garch-t'"


def bad_parameter(app: AppTest) -> str:
    build(app, volatility="ewma", law="t")
    by_key(app, "number_input", "law.t.nu").set_value(1.5)
    return "nu must lie in (2, 1e+06), got 1.5"


@pytest.mark.parametrize("spoil", [bad_window, bad_target, no_target, taken_name, bad_parameter])
def test_what_cannot_be_fitted_is_said_in_a_box(
    open_page: Open, stocks: Source, spoil: Callable[[AppTest], str]
) -> None:
    app = open_page("modelling", source=stocks)
    text = spoil(app)
    press(app, "Fit")
    assert not app.exception
    assert app.error
    assert text in shown(app)
    assert not app.metric
    assert state_of(app) == ()


def state_of(app: AppTest) -> Any:
    return app.session_state["rc.modelling"] if "rc.modelling" in app.session_state else ()  # noqa: SIM401


def test_a_failed_estimation_shows_what_stands_in(open_page: Open, stocks: Source) -> None:
    app = open_page("modelling", source=stocks)
    by_key(app, "number_input", "window").set_value(25)
    press(app, "Fit")
    expected = engine(stocks, "garch-t", window=25)
    text = shown(app)
    assert expected.status == "fallback"
    assert "losses must have at least 30 rows to estimate a volatility, got 25" in text
    assert "Estimation: fallback, the estimation failed, a simpler model stands in" in text
    assert metrics(app)["VaR 99 %"] == f"{100 * expected.value('var:0.99'):.2f} %"


def test_constant_prices_fail_in_plain_words(open_page: Open, tmp_path: Path) -> None:
    days = pd.bdate_range("2020-01-01", periods=60).strftime("%Y-%m-%d")
    path = tmp_path / "steady.csv"
    pd.DataFrame({"date": days, "A": 2.0 ** np.arange(60)}).to_csv(path, index=False)
    app = open_page("modelling", source=Source(path, kind="simple"))  # each day's loss is exactly -1
    press(app, "Fit")
    assert not app.exception
    assert "Estimation: failed, no forecast" in shown(app)
    assert "No figure from this window: VaR 99 %, VaR 97.5 %, ES 97.5 %" in shown(app)
    assert not metrics(app)


def test_names_of_files_and_users_are_text(open_page: Open, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    days = pd.bdate_range("2020-01-01", periods=400).strftime("%Y-%m-%d")
    path = tmp_path / "x.csv"
    prices = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal((400, 2)), axis=0))
    pd.DataFrame(prices, columns=[HOSTILE, "B"]).assign(date=days).to_csv(path, index=False)
    app = build(open_page("modelling", source=Source(path)), volatility="ewma", law="t")
    by_key(app, "text_input", "name").set_value(HOSTILE)
    press(app, "Fit")
    assert not app.exception
    rendered = [x.value for kind in ("markdown", "caption", "subheader", "info", "error") for x in getattr(app, kind)]
    rendered += [m.label for m in app.metric] + [b.label for b in app.button]
    assert not [text for text in rendered if "<b>" in text or "**bold**" in text]
    assert f"{HOSTILE} · {HOSTILE} · fitted to" in shown(app)
    assert tomllib.loads(app.code[-1].value)["models"] == [HOSTILE]


def test_models_are_kept_across_pages_and_follow_the_asset(open_page: Open, stocks: Source) -> None:
    app = open_page("modelling", source=stocks)
    by_key(app, "selectbox", "model").set_value("ewma")
    by_key(app, "number_input", "window").set_value(300)
    press(app, "Fit")
    app.switch_page("pages/data.py").run()
    app.switch_page("pages/modelling.py").run()
    assert by_key(app, "number_input", "window").value == 300
    assert by_key(app, "selectbox", "model").value == "ewma"
    assert metrics(app)["VaR 99 %"] == f"{100 * engine(stocks, 'ewma', window=300).value('var:0.99'):.2f} %"
    other = sources.load(stocks).losses.columns[1]
    next(s for s in app.selectbox if s.label == "Asset").set_value(other).run()
    second = engine(stocks, "ewma", window=300, asset=1)
    assert metrics(app)["VaR 99 %"] == f"{100 * second.value('var:0.99'):.2f} %"


def test_a_new_session_looks_at_the_models_of_the_last_one(open_page: Open, stocks: Source) -> None:
    token = "m" * 40
    app = open_page("modelling", source=stocks, session=token)
    by_key(app, "selectbox", "model").set_value("ewma")
    press(app, "Fit")
    build(app, volatility="ewma", law="t")
    by_key(app, "number_input", "law.t.nu").set_value(5.0)
    by_key(app, "number_input", "window").set_value(700)
    by_key(app, "multiselect", "targets").set_value(["var:0.985"])
    press(app, "Fit")
    again = open_page("modelling", source=stocks, session=token)
    print(
        "STATE",
        state_of(app),
        state_of(again),
        [list(f.columns) for f in frames(again)],
        shown(again),
        shown(app),
        [w.key for w in app.number_input],
    )
    assert list(frames(again)[0]["model"]) == ["ewma", "ewma-t-nu5"]
    model = rc.LocationScale(volatility=rc.EWMA(), law=rc.StudentT(5.0))
    expected = engine(stocks, model, window=700, targets=["var:0.985"])
    assert metrics(again)["VaR 98.5 %"] == f"{100 * expected.value('var:0.985'):.2f} %"
    assert by_key(again, "number_input", "window").value == 700
    assert by_key(again, "multiselect", "targets").value == ["var:0.985"]
    assert state_of(open_page("modelling", source=stocks, session="n" * 40)) == ()  # another browser's
    press(press(again, "Remove"), "Remove")
    assert state_of(open_page("modelling", source=stocks, session=token)) == ()


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "3", "null", '{"a": 1}', "[1]", '[{"name": "ewma"}]',
        '[{"name": "none", "table": null, "window": 500, "targets": []}]',
        '[{"name": "x", "table": {"volatility": "none"}, "window": 500, "targets": ["var:0.99"]}]',
        '[{"name": "ewma", "table": null, "window": 99999, "targets": ["var:0.99"]}]',
        '[{"name": "ewma", "table": null, "window": 500, "targets": null}]',
        '[{"name": "ewma", "table": null, "window": Infinity, "targets": ["var:0.99"]}]',
    ],
)  # fmt: skip
def test_what_was_written_down_and_cannot_be_used_is_left_out(open_page: Open, stocks: Source, content: str) -> None:
    token = "d" * 40
    folder = workspace_of(token).root
    folder.mkdir(parents=True)
    (folder / modelling.REMEMBERED).write_text(content)
    app = open_page("modelling", source=stocks, session=token)
    assert not app.error
    assert state_of(app) == ()
    assert by_key(app, "number_input", "window").value == rc.defaults.WINDOW


def test_fits_are_cached_by_digest_asset_and_settings(
    open_page: Open, stocks: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(losses: pd.Series, model: Any, *args: Any, **kwargs: Any) -> ModelFit:
        calls.append((losses.name, model))
        return rc.fit_model(losses, model, *args, **kwargs)

    monkeypatch.setattr(modelling, "fit_model", counted)
    app = open_page("modelling", source=stocks)
    by_key(app, "selectbox", "model").set_value("ewma")
    by_key(app, "number_input", "window").set_value(777)  # sessions of tests share a cache: a window of its own
    press(app, "Fit")
    app.run()
    assert calls == [("DAX", "ewma")]
    by_key(app, "number_input", "window").set_value(778)
    press(app, "Fit")
    assert len(calls) == 2


@pytest.mark.parametrize("kind", ["mean", "volatility", "law"])
def test_every_entry_of_the_registries_can_be_built(open_page: Open, stocks: Source, kind: str) -> None:
    registry = {"mean": rc.MEANS, "volatility": rc.VOLATILITIES, "law": rc.LAWS}[kind]
    app = build(open_page("modelling", source=stocks))
    for name in (n for n, part in registry.items() if not exog_names(part)):
        by_key(app, "selectbox", kind).set_value(name).run()
        assert not app.exception
        assert not app.error


def test_models_that_read_columns_are_not_offered(open_page: Open, stocks: Source) -> None:
    """The page has losses only."""
    app = open_page("modelling", source=stocks)
    short = by_key(app, "selectbox", "model").options
    assert "har-t" in short
    assert not {"har-rv-t", "realized-garch-t", "heavy-t"} & set(short)
    built = by_key(build(app), "selectbox", "volatility").options
    assert "har" in built
    assert not {"har-realized", "heavy", "realized-garch"} & set(built)


def test_run_files_hold_any_name() -> None:
    for name in ("mine", 'a "b" \\ c', "ä.b", HOSTILE):
        asked = Asked(name, {"volatility": "gjr", "law": {"kind": "t", "nu": 4.5}}, 500, ("var:0.99",))
        assert tomllib.loads(run_file(asked)) == {
            "models": [name], "targets": ["var:0.99"], "window": 500, "model": {name: asked.table},
        }  # fmt: skip
        assert asked.forecaster() == rc.LocationScale(volatility=rc.GJR(), law=rc.StudentT(4.5), name=name)


def test_suggested_names() -> None:
    assert suggested_name({"kind": "care", "level": 0.95}) == "care-level0.95"
    assert suggested_name({"volatility": {"kind": "garch", "start": "sample-variance"}, "law": "t"}) == (
        "garch-sample-variance-t"
    )


def test_what_is_kept_is_at_most_four(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(state, "get", kept.get)
    monkeypatch.setattr(state, "put", kept.__setitem__)
    monkeypatch.setattr(state, "workspace", lambda: Workspace(tmp_path))
    gone = [
        modelling.keep(Asked(name, None, window, ("var:0.99",)))
        for name, window in zip("abcdea", range(6), strict=True)
    ]
    assert gone == [None, None, None, None, "a", "b"]
    assert [m.name for m in modelling.models()] == ["c", "d", "e", "a"]
    assert {m.window for m in modelling.models()} == {5}  # side by side on one window
    modelling.forget("d")
    assert [m.name for m in modelling.models()] == ["c", "e", "a"]


def test_a_volatility_with_parameters_goes_to_a_run_file(open_page: Open, stocks: Source) -> None:
    """Whole numbers and a power that is estimated if left empty, from the dataclasses' fields."""
    app = build(open_page("modelling", source=stocks), volatility="aparch", law="t")
    by_key(app, "number_input", "volatility.aparch.delta").set_value(1.5)
    by_key(app, "number_input", "window").set_value(400)
    press(app, "Fit")
    expected = engine(stocks, rc.LocationScale(volatility=rc.APARCH(1.5), law=rc.StudentT()), window=400)
    assert metrics(app)["VaR 99 %"] == f"{100 * expected.value('var:0.99'):.2f} %"
    assert metrics(app)["Log-likelihood"] == f"{expected.log_likelihood:,.2f}"
    assert expected.n_parameters == 6  # mu, omega, alpha, gamma, beta, nu
    by_key(app, "selectbox", "volatility").set_value("arch-process").run()
    by_key(app, "selectbox", "volatility.arch-process.process").set_value("harch")
    by_key(app, "number_input", "volatility.arch-process.long").set_value(20)
    press(app, "Fit")
    table = {"volatility": {"kind": "arch-process", "process": "harch", "long": 20}, "law": "t"}
    (written,) = tomllib.loads(app.code[-1].value)["model"].values()
    assert written == table
    found = config.define_model("mine", table)
    assert found == rc.LocationScale(volatility=rc.ArchVolatility("harch", long=20), law=rc.StudentT(), name="mine")
    assert metrics(app)["VaR 99 %"] == f"{100 * engine(stocks, found, window=400).value('var:0.99'):.2f} %"


def test_a_law_that_a_volatility_cannot_have_is_said_in_a_box(open_page: Open, stocks: Source) -> None:
    app = build(open_page("modelling", source=stocks), volatility="beta-t-egarch", law="ged")
    press(app, "Fit")
    assert not app.exception
    assert "law must be t or a sample law with beta-t-egarch, got 'ged'" in shown(app)
