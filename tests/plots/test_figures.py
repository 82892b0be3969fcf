from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import riskcore as rc
from riskcore import plots
from riskcore.errors import ConfigError
from riskcore.forecasts import Forecasts
from riskcore.plots import style
from riskcore.plots.judged import excess_over_best

HOSTILE = '<img src=x onerror="alert(1)">$x$%{y} =cmd'


def trace(figure: Any, name: str) -> Any:
    found = [t for t in figure.data if t.name == name]
    assert len(found) == 1, [t.name for t in figure.data]
    return found[0]


def days(values: Any) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(values)


def test_band_draws_the_tables_values(forecasts: Forecasts) -> None:
    figure = rc.plots.forecast_band(forecasts, asset="S&P 500", model="garch-t")
    rows = forecasts.unit("S&P 500", "garch-t")
    names = {"loss": "loss", "var_0.99": "VaR 99 %", "var_0.975": "VaR 97.5 %", "es_0.975": "ES 97.5 %"}
    names |= {"expectile_0.99": "expectile VaR τ = 0.99", "expectile_0.99855": "expectile VaR τ = 0.99855"}
    for column, name in names.items():
        drawn = trace(figure, name)
        np.testing.assert_array_equal(np.asarray(drawn.y, dtype=float), rows[column])
        assert (days(drawn.x) == rows.index).all()
    assert trace(figure, "VaR 97.5 %").visible == "legendonly"
    assert trace(figure, "VaR 99 %").visible is None


def test_hits_are_marked_exactly_where_the_loss_exceeds_the_var(forecasts: Forecasts) -> None:
    rows = forecasts.unit("NASDAQ", "care-linear")
    expected = rows.index[rows["loss"] > rows["var_0.99"]]
    assert len(expected) > 3
    figure = plots.forecast_band(forecasts, "NASDAQ", "care-linear")
    for name in ("hit: loss > VaR 99 %", "hit of VaR 99 %"):
        assert days(trace(figure, name).x).equals(pd.DatetimeIndex(expected.to_numpy()))
    np.testing.assert_array_equal(trace(figure, "hit: loss > VaR 99 %").y, rows.loc[expected, "loss"])
    known = int((rows["loss"].notna() & rows["var_0.99"].notna()).sum())
    assert figure.layout.title.subtitle.text == (
        f"{len(expected)} losses above VaR 99 % in {known} days, {known * 0.01:.1f} expected"
    )
    other = plots.forecast_band(forecasts, "NASDAQ", "care-linear", hit_target=rc.Target("var", 0.975))
    assert len(trace(other, "hit of VaR 97.5 %").x) == (rows["loss"] > rows["var_0.975"]).sum()


def test_failed_days_are_gaps_and_stand_in_the_strip(forecasts: Forecasts) -> None:
    figure = plots.forecast_band(forecasts, "NASDAQ", "historical")
    assert not [t for t in figure.data if (t.name or "").startswith("not ok")]
    figure = plots.forecast_band(forecasts, "NASDAQ", "care-linear")
    bad = trace(figure, "not ok (implausible or worse)")
    assert len(bad.x) == 20
    assert set(bad.text) == {"failed"}
    assert np.isnan(np.asarray(trace(figure, "VaR 99 %").y, dtype=float)[100:120]).all()


def test_everything_failed(build: Callable[..., Forecasts]) -> None:
    frame = build(["A"], ["m"], n=60).frame.copy()
    frame["status"] = "failed"
    frame[[c for c in frame.columns if c not in ("origin", "loss", "status")]] = np.nan
    broken = Forecasts(frame, build(["A"], ["m"], n=60).targets)
    for name, kind in plots.FIGURES.items():
        if kind.reads == "forecasts":
            figure = kind.draw(broken)
            assert figure.layout.height > 0, name
    assert plots.rolling_hits(broken, days=20).layout.annotations[0].text == "m gives no VaR 99 %, so there are no hits"


def test_wild_forecasts_cut_the_axis_and_are_counted(one: Forecasts) -> None:
    frame = one.frame.copy()
    frame.loc[frame.index[[10, 11]], "var_0.99"] = [14.8, -7.6]
    figure = plots.forecast_band(Forecasts(frame, one.targets))
    note = next(a for a in figure.layout.annotations if a.text == "axis cut: 2 forecasts lie outside")
    assert (note.y, note.yanchor) == (1, "bottom")  # above the panel, where no line crosses it
    assert figure.layout.yaxis.range[1] < 1
    assert np.nanmax(np.asarray(trace(figure, "VaR 99 %").y, dtype=float)) == 14.8  # the data stay as they are
    assert plots.forecast_band(one).layout.yaxis.range is None


def test_a_table_without_var_has_no_hits(one: Forecasts) -> None:
    lean = Forecasts(one.frame, [t for t in one.targets if t.measure == "expectile"])
    figure = plots.forecast_band(lean)
    assert figure.layout.title.subtitle.text == "no VaR target, so no hits"
    assert plots.rolling_hits(lean).layout.annotations[0].text == "no VaR target, so no hits"
    assert len(plots.ema_indicators(lean).data) == 3  # two expectiles and the volatility


def test_the_only_asset_and_model_need_no_name(one: Forecasts, forecasts: Forecasts) -> None:
    assert plots.forecast_band(one).layout.title.text == "FTSE · garch-t"
    with pytest.raises(ConfigError, match=r"asset must be one of \['S&P 500', 'NASDAQ'\], got None"):
        plots.forecast_band(forecasts, model="ewma")
    with pytest.raises(ConfigError, match=r"model must be one of \['historical', .*\], got 'egarch-t'"):
        plots.ema_indicators(forecasts, "NASDAQ", "egarch-t")
    missing = Forecasts(forecasts.frame.drop(("NASDAQ", "ewma")), forecasts.targets)
    with pytest.raises(ConfigError, match="asset, model must be one of"):
        plots.pit_histogram(missing, "NASDAQ", "ewma")
    with pytest.raises(ConfigError, match="target must be one of"):
        plots.rolling_hits(one, target=rc.Target("var", 0.9))


def test_indicators_are_the_tables(forecasts: Forecasts) -> None:
    table = rc.indicators.indicator_table(forecasts, halflife=10).loc[("S&P 500", "ewma")]
    figure = plots.ema_indicators(forecasts, "S&P 500", "ewma", halflife=10)
    names = {"var_0.99": "VaR 99 %", "volatility": "volatility", "hit_rate_0.975": "hit rate of VaR 97.5 %"}
    for column, name in names.items():
        drawn, first = np.asarray(trace(figure, name).y, dtype=float), 9 if "hit" in name else 0
        np.testing.assert_array_equal(drawn[first:], table[column].iloc[first:])
        assert np.isnan(drawn[:first]).all()  # the rates of a handful of days
    assert "hit rates from day 10" in figure.layout.title.subtitle.text
    assert sorted(s.y0 for s in figure.layout.shapes) == pytest.approx([0.01, 0.025])
    without = plots.ema_indicators(forecasts, "S&P 500", "care-linear")
    assert "volatility" not in [t.name for t in without.data]


def test_the_axis_of_the_hit_rates_holds_all_that_is_drawn(forecasts: Forecasts) -> None:
    figure = plots.ema_indicators(forecasts, "S&P 500", "ewma", halflife=10)
    assert figure.layout.yaxis3.range is None  # the figure's own range: no line is cut
    assert figure.layout.yaxis3.rangemode == "tozero"
    short = plots.ema_indicators(style.only(forecasts, "S&P 500", "ewma"), halflife=10**4)
    table = rc.indicators.indicator_table(forecasts, halflife=10**4).loc[("S&P 500", "ewma")]
    drawn = np.asarray(trace(short, "hit rate of VaR 99 %").y, dtype=float)
    np.testing.assert_array_equal(drawn, table["hit_rate_0.99"])  # of few days all are drawn


def test_a_model_without_a_var_has_neither_its_hits_nor_its_rate(one: Forecasts) -> None:
    lean = Forecasts(one.frame.assign(**{"var_0.975": np.nan}), one.targets)
    figure = plots.ema_indicators(lean)
    assert [t.name for t in figure.data if "hit rate" in str(t.name)] == ["hit rate of VaR 99 %"]
    assert [s.y0 for s in figure.layout.shapes] == pytest.approx([0.01])
    target = rc.Target("var", 0.975)
    words = "garch-t gives no VaR 97.5 %, so there are no hits"
    assert plots.forecast_band(lean, hit_target=target).layout.title.subtitle.text == words
    assert plots.rolling_hits(lean, target=target).layout.annotations[0].text == words
    bare = Forecasts(lean.frame.assign(**{"var_0.99": np.nan}), one.targets)
    assert "hit rate" not in plots.ema_indicators(bare).layout.title.subtitle.text


def test_rolling_hits_are_the_tables_and_the_zones_the_supervisors(forecasts: Forecasts) -> None:
    table = rc.indicators.rolling_hits(forecasts, "NASDAQ", "ewma", "var:0.99", 250)
    figure = plots.rolling_hits(forecasts, "NASDAQ", "ewma")
    np.testing.assert_array_equal(trace(figure, "hits").y, table["hits"])
    names = ["green: up to 4", "yellow: 5 to 9", "red: 10 or more"]
    assert [set(trace(figure, name).y) for name in names[:2]] == [{4.5}, {9.5}]
    assert "missing" not in figure.layout.title.subtitle.text
    assert "days without forecast" not in [t.name for t in figure.data]


def test_days_without_forecast_are_drawn_apart_from_hits(forecasts: Forecasts) -> None:
    unit = ("NASDAQ", "care-linear")
    figure = plots.rolling_hits(forecasts, *unit)
    rows = forecasts.judged(*unit)
    real = (rows["loss"] > rows["var_0.99"]).rolling(250).sum().dropna()
    gone = rows["var_0.99"].isna().rolling(250).sum().dropna()
    assert gone.max() == 20
    np.testing.assert_array_equal(trace(figure, "hits").y, real)
    np.testing.assert_array_equal(trace(figure, "days without forecast").y, gone)
    assert "days without forecast are no hits" in figure.layout.title.subtitle.text
    supervisor = plots.rolling_hits(forecasts, *unit, missing="hit")
    np.testing.assert_array_equal(trace(supervisor, "hits").y, real + gone)
    assert "or no forecast of" in supervisor.layout.title.subtitle.text


def test_zones_follow_the_days_counted(one: Forecasts) -> None:
    frame = one.frame.copy()
    frame.loc[frame.index[:150], "var_0.99"] = np.nan
    figure = plots.rolling_hits(Forecasts(frame, one.targets), days=200)
    yellow = dict(zip(trace(figure, "yellow").x, trace(figure, "yellow").y, strict=True))
    first = min(yellow)
    limits = [k for k in range(51) if binom.cdf(k, 50, 0.01) >= 0.9999]
    assert yellow[first] == limits[0] - 0.5
    assert trace(figure, "yellow").y[-1] == rc.indicators.zone_limits(200, 0.99)[1] - 0.5


def test_a_band_without_hits_keeps_its_dates(one: Forecasts) -> None:
    frame = one.frame.copy()
    frame["var_0.99"], frame["status"] = 1.0, "ok"
    figure = plots.forecast_band(Forecasts(frame, one.targets))
    assert figure.layout.title.subtitle.text.startswith("0 losses above")
    once = frame.copy()
    once.iloc[3, once.columns.get_indexer(["loss", "var_0.99"])] = 0.02, 0.01
    assert plots.forecast_band(Forecasts(once, one.targets)).layout.title.subtitle.text.startswith("1 loss above")
    below = [t for t in figure.data if t.xaxis == "x2"]
    assert len(below) == 1  # an axis without any trace would not be drawn
    assert len(below[0].x) == 2
    assert figure.layout.xaxis.matches == "x2"


def test_pit_counts_and_band(one: Forecasts, forecasts: Forecasts) -> None:
    figure = plots.pit_histogram(one, bins=10)
    pit = one.judged("FTSE", "garch-t")["pit"].dropna()
    counts = [int(((pit >= i / 10) & ((pit < (i + 1) / 10) | (i == 9))).sum()) for i in range(10)]
    np.testing.assert_array_equal(figure.data[0].y, counts)
    band = figure.layout.shapes[0]
    assert (band.y0, band.y1) == (binom.ppf(0.025, len(pit), 0.1), binom.ppf(0.975, len(pit), 0.1))
    outside = (figure.data[0].y < band.y0) | (figure.data[0].y > band.y1)
    np.testing.assert_array_equal(np.asarray(figure.data[0].marker.pattern.shape) == "/", outside)
    none = plots.pit_histogram(forecasts, "NASDAQ", "care-linear")
    assert len(none.data) == 0
    assert none.layout.annotations[0].text == "care-linear has no law of the loss, so no PIT"
    with pytest.raises(ConfigError, match="bins must be at least 2, got 1"):
        plots.pit_histogram(one, bins=1)
    lean = Forecasts(one.frame.drop(columns=["pit"]), one.targets)
    assert len(plots.pit_histogram(lean).data) == 0


def test_score_bars(forecasts: Forecasts, make_scores: Callable[[Forecasts], pd.DataFrame]) -> None:
    scores = make_scores(forecasts)
    figure = plots.score_bars(scores, asset="NASDAQ")
    assert len(figure.data) == 7
    bars = dict(zip(figure.data[0].y, figure.data[0].x, strict=True))
    means = scores[(scores["asset"] == "NASDAQ") & (scores["level"] == 0.99) & (scores["measure"] == "var")]
    means = means.set_index("model")["mean"]
    for model, mean in means.items():
        assert bars[model] == pytest.approx(mean / means.min() - 1)
    fz0 = dict(zip(figure.data[2].y, figure.data[2].text, strict=True))
    assert fz0["historical"] == "best"
    assert fz0["ewma"] == "+0.0200"
    density = dict(zip(figure.data[5].y, figure.data[5].text, strict=True))
    assert density["care-linear"] == "no score"
    scores.loc[scores.index[0], "n_obs"] = 7
    asset = scores["asset"].iloc[0]
    note = "<br>scored on different days: not comparable"
    assert plots.score_bars(scores, asset=asset).layout.annotations[0].text.endswith(note)
    with pytest.raises(ConfigError, match="asset must be one of"):
        plots.score_bars(scores)
    nothing = plots.score_bars(scores[scores["asset"] == "NASDAQ"].assign(mean=np.nan))
    assert nothing.layout.annotations[0].text == "no scores"


def test_excess_over_the_best() -> None:
    means = pd.Series([2.0, 3.0, np.nan])
    np.testing.assert_array_equal(excess_over_best(means, "crps"), [0.0, 0.5, np.nan])
    np.testing.assert_array_equal(excess_over_best(means, "log_score"), [0.0, 1.0, np.nan])
    np.testing.assert_array_equal(excess_over_best(pd.Series([0.0, 1.0]), "quantile"), [0.0, 1.0])


def test_heatmap_shows_p_and_hits(forecasts: Forecasts, make_backtests: Callable[[Forecasts], pd.DataFrame]) -> None:
    table = make_backtests(forecasts)
    figure = plots.p_value_heatmap(table, asset="S&P 500")
    heat = figure.data[0]
    models, rows = list(heat.x), list(heat.y)
    assert rows[-1].startswith("Kupiec")  # the first test stands at the top
    shade = np.asarray(heat.z)
    for record in table[table["asset"] == "S&P 500"].to_dict("records"):
        row = f"{style.title(record['test'])}<br>{style.target_text(record['measure'], record['level'])}"
        cell = rows.index(row), models.index(record["model"])
        p, text = record["p_value"], heat.text[cell[0]][cell[1]]
        if np.isnan(p):
            assert shade[cell] == -1
            assert "needs pit" in heat.customdata[cell[0]][cell[1]]
            continue
        assert shade[cell] == sum(p >= limit for limit in (0.01, 0.05, 0.10))
        assert text.startswith("&lt;0.001" if p < 0.0005 else f"{p:.3f}")
        if record["measure"] == "var":
            assert text.endswith(f"<br>{record['hits']:.0f} / {record['expected_hits']:.1f}")
    empty = plots.p_value_heatmap(table[table["asset"] == "NASDAQ"].assign(asset="X").iloc[:1])
    assert len(empty.data) == 1


def test_hostile_names_are_text(
    build: Callable[..., Forecasts],
    make_scores: Callable[[Forecasts], pd.DataFrame],
    make_backtests: Callable[[Forecasts], pd.DataFrame],
) -> None:
    forecasts = build([HOSTILE], [HOSTILE, "care-linear"], n=300)
    tables = {"scores": make_scores(forecasts), "backtests": make_backtests(forecasts)}
    for kind in plots.FIGURES.values():
        figure = kind.draw(forecasts, HOSTILE, HOSTILE) if kind.reads == "forecasts" else kind.draw(tables[kind.reads])
        text = figure.to_json()
        assert "\\u003cimg" in text or "<img" not in text
        assert "<img" not in str(figure.layout.title.text)
        assert "$x$" not in str(figure.to_dict())
        assert "<img" not in str(figure.to_dict())
        assert "%{y} =cmd" not in str(figure.to_dict())


def test_safe_takes_out_controls_and_direction_marks() -> None:
    assert style.safe("a\u202eb\x00\n") == "a b  "
    assert style.safe("S&P 500") == "S&amp;P 500"


def test_expectile_levels_are_never_percentages(forecasts: Forecasts) -> None:
    figure = plots.forecast_band(forecasts, "NASDAQ", "ewma")
    names = [t.name for t in figure.data if t.name and "expectile" in t.name]
    assert names == ["expectile VaR τ = 0.99", "expectile VaR τ = 0.99855"]
    assert style.target_text("es", 0.975) == "ES 97.5 %"
    assert style.target_text("density", float("nan")) == "density"
    assert style.target_text("expectile") == "expectile VaR at the day's level"


def test_colours_have_one_dark_stand_in_each() -> None:
    single = [style.INK, style.MUTED, style.GRID, style.PAPER, style.LOSS, style.HIT, style.NOT_OK, style.BAR]
    single += [style.BAR_OUT, style.BAND, style.NO_VALUE, style.BUTTON, style.BUTTON_ON, *style.P_COLOURS]
    groups = [*style.MEASURE_COLOURS.values(), style.HIT_RATE_COLOURS, tuple(style.ZONE_COLOURS.values())]
    colours = single + [c for group in groups for c in group]
    assert sorted(colours) == sorted(style.DARK)
    assert len(set(colours)) == len(colours)
    assert len(set(style.DARK.values())) == len(style.DARK)


def test_every_test_and_score_has_a_title() -> None:
    assert set(style.TITLES) == set(rc.BACKTESTS) | {"multilevel", "expectile_moving"} | set(rc.SCORES)
    assert len(set(style.TITLES.values())) == len(style.TITLES)


def test_missing_days_stand_apart_in_the_grid(one: Forecasts, make_backtests: Callable[..., pd.DataFrame]) -> None:
    table = make_backtests(one)
    light = (table["test"] == "traffic_light") & (table["level"] == 0.99)
    plain = table[light].assign(test="binomial", hits=59.0, n_obs=3930)
    table.loc[light, ["hits", "n_obs", "expected_hits"]] = [159.0, 4030, 40.3]
    table = pd.concat([table, plain], ignore_index=True)
    figure = plots.p_value_heatmap(table)
    cells = dict(zip(figure.data[0].y, figure.data[0].text[:, 0], strict=True))
    assert cells["Traffic light (Basel)<br>VaR 99 %"].endswith("<br>59 + 100 missing / 40.3")
    assert "missing" not in cells["Binomial (number of hits)<br>VaR 99 %"]
    assert "which the test counts as hits" in figure.layout.title.subtitle.text


def test_no_figure_offers_an_upload(forecasts: Forecasts) -> None:
    figure = plots.forecast_band(forecasts, "NASDAQ", "ewma")
    assert {"sendChartToCloud", "sendDataToCloud"} <= set(figure.layout.modebar.remove)
    assert plots.CONFIG["plotlyServerURL"] == ""


def test_registry_names_its_functions() -> None:
    assert rc.FIGURES is plots.FIGURES
    for name, kind in plots.FIGURES.items():
        assert getattr(plots, name) is kind.draw
        assert kind.reads in ("forecasts", "scores", "backtests")
        assert kind.shows


def test_import_is_lazy() -> None:
    import subprocess
    import sys

    heavy = {"plotly", "jinja2", "scipy.stats", "arch"}
    code = f"import sys, riskcore.plots, riskcore.report; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", plots.FIGURES)
def test_plain_values_are_the_figure(
    name: str,
    forecasts: Forecasts,
    make_scores: Callable[[Forecasts], pd.DataFrame],
    make_backtests: Callable[[Forecasts], pd.DataFrame],
) -> None:
    kind = plots.FIGURES[name]
    tables = {"scores": make_scores(forecasts), "backtests": make_backtests(forecasts)}
    if name == "daily_level":
        forecasts = Forecasts(forecasts.frame.assign(level=0.998), forecasts.targets)
    unit = ("NASDAQ", "ewma") if kind.reads == "forecasts" else ()
    arguments = (forecasts, *unit) if unit else (tables[kind.reads],)
    named = {} if unit else {"asset": "NASDAQ"}
    spec, figure = kind.spec(*arguments, **named), kind.draw(*arguments, **named)
    assert set(spec) == {"data", "layout"}
    assert len(figure.data) == len(spec["data"]) > 0
    for drawn, trace in zip(figure.data, spec["data"], strict=True):
        assert set(drawn.to_plotly_json()) == set(trace)
        for key in {"x", "y", "z"} & set(trace):
            np.testing.assert_array_equal(np.asarray(drawn[key]), np.asarray(trace[key]))
    assert set(figure.layout.to_plotly_json()) == set(spec["layout"])


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    ("heights", "spacing"), [([1.0], 0.0), ([0.86, 0.14], 0.03), ([3, 1.4, 1.6], 0.05), ([4] * 9, 0.02)]
)
def test_panels_are_those_of_plotly(heights: list[float], spacing: float, *, shared: bool) -> None:
    from plotly.subplots import make_subplots

    n = len(heights)
    theirs = make_subplots(rows=n, cols=1, shared_xaxes=shared, row_heights=heights, vertical_spacing=spacing)
    wanted = {k: v for k, v in theirs.layout.to_plotly_json().items() if k.startswith(("xaxis", "yaxis"))}
    axes = style.panels(heights, spacing, shared=shared)
    assert list(axes) == list(wanted)
    for name, axis in axes.items():
        np.testing.assert_allclose(axis.pop("domain"), wanted[name].pop("domain"), atol=1e-12)
        assert axis == wanted[name]
    theirs.add_scatter(y=[1.0], row=n, col=1)
    assert style.within(n) == {k: theirs.data[0][k] for k in ("xaxis", "yaxis")}
    theirs.add_hline(y=0.5, row=n, col=1)
    theirs.add_hrect(y0=0.5, y1=1.0, row=n, col=1)
    ours = [style.across(0.5, 0.5, n), style.across(0.5, 1.0, n)]
    assert [shape.to_plotly_json() for shape in theirs.layout.shapes] == ours


def test_a_year_without_forecast_has_no_zone(build: Callable[..., Forecasts]) -> None:
    gone = build(["A"], ["m"], n=400, fail=slice(50, 120), ahead=False)
    figure = plots.rolling_hits(gone, days=40)
    table = rc.indicators.rolling_hits(gone, "A", "m", "var:0.99", 40, missing="skip")
    none = (table["n_obs"] == 0).to_numpy()
    assert none.sum() == 31
    drawn = trace(figure, "hits")
    assert [text is None for text in drawn.text] == none.tolist()
    np.testing.assert_array_equal(np.isnan(drawn.y), none)
    np.testing.assert_array_equal(np.asarray(drawn.y)[~none], table["hits"][~none])


def test_units_of_an_unordered_table(forecasts: Forecasts) -> None:
    mixed = forecasts.frame.sample(frac=1.0, random_state=3)
    found = Forecasts(mixed, forecasts.targets)
    pairs = [key[:2] for key in mixed.index]
    assert sorted(found.units) == sorted(set(pairs))
    assert [unit for unit in found.units if unit[0] == pairs[0][0]] == found.units[: len(forecasts.models)]
    for unit in found.units:
        part = style.only(found, *unit)
        assert part.units == [unit]
        pd.testing.assert_frame_equal(part.unit(*unit), forecasts.unit(*unit), check_freq=False)


@pytest.mark.parametrize("n_models", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("n_panels", [1, 7, 8, 9, 11])
def test_panels_stay_within_the_figure(n_models: int, n_panels: int) -> None:
    """Sums of shares may round above 1, which plotly refuses."""
    height = 130 + n_panels * (46 + 24 * n_models)
    axes = style.panels([n_models] * n_panels, min(46 / height, 0.9 / n_panels), shared=False)
    ends = [x for name, axis in axes.items() if name.startswith("y") for x in axis["domain"]]
    assert min(ends) == pytest.approx(0.0, abs=1e-12)
    assert max(ends) == pytest.approx(1.0)
    assert all(0.0 <= x <= 1.0 for x in ends)
