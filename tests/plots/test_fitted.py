"""Figures of a fit draw the tables they are given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore import diagnostics, plots
from riskcore.diagnostics import ModelFit
from riskcore.plots import style

HOSTILE = '<img src=x onerror="alert(1)">$x$%{y} =cmd'
TARGETS = ["var:0.99", "expectile:0.99"]


@pytest.fixture(scope="module")
def losses() -> pd.Series:
    rng = np.random.default_rng(2)
    return pd.Series(0.01 * rng.standard_t(5, 300), pd.bdate_range("2020-01-01", periods=300), name="A")


@pytest.fixture(scope="module")
def fit(losses: pd.Series) -> ModelFit:
    return rc.fit_model(losses, rc.LocationScale(volatility=rc.EWMA(), law=rc.StudentT(5)), TARGETS)


def trace(figure: Any, name: str) -> Any:
    found = [t for t in figure.data if t.name == name]
    assert len(found) == 1, [t.name for t in figure.data]
    return found[0]


def test_volatility_and_losses(fit: ModelFit, losses: pd.Series) -> None:
    figure = plots.conditional_volatility(fit.series, title="A")
    for column in ("loss", "volatility"):
        np.testing.assert_array_equal(trace(figure, column).y, fit.series[column])
    alone = plots.conditional_volatility(rc.fit_model(losses, "care-linear", TARGETS).series)
    assert [t.name for t in alone.data] == ["loss"]
    assert alone.layout.title.subtitle.text == "the model forecasts no volatility"


def test_qq_marks_what_lies_outside(fit: ModelFit) -> None:
    table = diagnostics.residual_qq(fit)
    table.loc[[0, 299], "residual"] = [-40.0, 40.0]
    figure = plots.residual_qq(table)
    outside = (table["residual"] < table["low"]) | (table["residual"] > table["high"])
    for name, chosen in (("outside", outside), ("inside", ~outside)):
        np.testing.assert_array_equal(trace(figure, name).y, table.loc[chosen, "residual"])
        np.testing.assert_array_equal(trace(figure, name).x, table.loc[chosen, "theoretical"])
        days = table.loc[chosen, "date"].dt.strftime("%Y-%m-%d")
        np.testing.assert_array_equal(trace(figure, name).customdata, days)
    assert {-40.0, 40.0} <= set(trace(figure, "outside").y)
    assert trace(figure, "outside").marker.symbol != trace(figure, "inside").marker.symbol  # not by colour alone
    np.testing.assert_array_equal(trace(figure, "95 % band").y, table["high"])
    text = figure.layout.title.subtitle.text
    assert text == f"{outside.sum()} of 300 outside; a right fit has fewer than 3"
    assert figure.layout.xaxis.title.text == "quantile of the t law"


def test_acf_hatches_what_lies_outside(fit: ModelFit) -> None:
    table = diagnostics.residual_acf(fit, 10)
    table.loc[table["lag"] == 3, "acf"] = 0.5
    figure = plots.residual_acf(table)
    for bars, name in zip(figure.data, ("residuals", "squares"), strict=True):
        part = table[table["series"] == name]
        np.testing.assert_array_equal(bars.y, part["acf"])
        np.testing.assert_array_equal(bars.x, part["lag"])
        outside = part["acf"].abs() > part["band"]
        assert outside.iloc[2]
        np.testing.assert_array_equal(np.asarray(bars.marker.pattern.shape) == "/", outside)
    last = table[table["series"] == "squares"].iloc[-1]
    heading = figure.layout.annotations[1].text
    assert heading.startswith(f"<b>squared residuals</b> · Q(10) = {last['statistic']:.1f}, p")
    band = figure.layout.shapes[0]
    assert (band.y0, band.y1) == (-table["band"].iloc[0], table["band"].iloc[0])
    fewer = plots.residual_acf(table.assign(df=table["df"] - 1))
    assert fewer.layout.annotations[1].text.startswith(
        f"<b>squared residuals</b> · Q(10) = {last['statistic']:.1f}, df 9, p"
    )
    nothing = plots.residual_acf(table.assign(p_value=math.nan))
    assert nothing.layout.annotations[0].text == "<b>residuals</b>"


def test_news_impact_draws_the_curve(fit: ModelFit) -> None:
    table = diagnostics.news_impact(fit)
    figure = plots.news_impact(table)
    np.testing.assert_array_equal(figure.data[0].y, table["volatility"])
    np.testing.assert_array_equal(figure.data[0].x, table["shock"])
    assert figure.layout.shapes[0].y0 == table["held"].iloc[0]
    assert figure.layout.title.subtitle.text.endswith("(last day's)")


def test_levels_stand_with_the_loss_gain_ratio(fit: ModelFit, losses: pd.Series) -> None:
    table = diagnostics.level_curve(fit)
    figure = plots.level_curve(table)
    for name, column in (("VaR", "var"), ("ES", "es"), ("expectile VaR", "expectile")):
        drawn = trace(figure, name)
        np.testing.assert_array_equal(drawn.y, table[column])
        np.testing.assert_allclose(1 - 10.0 ** -np.asarray(drawn.x), table["level"], rtol=1e-12)
        assert drawn.line.dash == style.MEASURE_DASHES[column]
    assert "0.99<br>99" in figure.layout.xaxis.ticktext
    assert len(figure.layout.xaxis.ticktext) == 5
    assert not any("%" in text for text in figure.layout.xaxis.ticktext)  # an expectile's level is no percentage
    assert not figure.layout.shapes
    sample = plots.level_curve(diagnostics.level_curve(rc.fit_model(losses, "historical", TARGETS)))
    assert len(sample.layout.shapes) == 1
    assert sample.layout.title.subtitle.text == "grey: VaR is the largest of the sample"


def test_pit_is_drawn_as_that_of_a_backtest(fit: ModelFit) -> None:
    pit = diagnostics.pit_values(fit)
    figure = plots.fitted_pit(pit, bins=10)
    np.testing.assert_array_equal(figure.data[0].y, np.histogram(pit, 10, (0, 1))[0])
    assert figure.layout.shapes
    # these days are no forecasts, and the line fits a narrow screen
    assert figure.layout.title.subtitle.text == "300 days of the fit; hatched: outside the 95 % band"


def test_titles_are_text_and_colours_have_a_dark_stand_in(fit: ModelFit) -> None:
    tables = {
        plots.conditional_volatility: fit.series,
        plots.residual_qq: diagnostics.residual_qq(fit),
        plots.residual_acf: diagnostics.residual_acf(fit),
        plots.news_impact: diagnostics.news_impact(fit),
        plots.level_curve: diagnostics.level_curve(fit),
        plots.fitted_pit: diagnostics.pit_values(fit),
    }
    for draw, table in tables.items():
        figure = draw(table, title=HOSTILE)  # type: ignore[operator]
        title = str(figure.layout.title.text)
        assert "<img" not in title
        assert "$x$" not in title
        dark = plots.darkened(figure).to_json()
        light = {c for c in style.DARK if c in figure.to_json()} - set(style.DARK.values())
        assert light
        assert not {c for c in light if f'"{c}"' in dark}
