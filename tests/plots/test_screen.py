"""Figures as a page shows them: dark, and small."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskcore import Target, plots
from riskcore.forecasts import Forecasts
from riskcore.plots import screen, style

EPOCH = pd.Timestamp(0)


def values(spec: Any) -> np.ndarray[Any, Any]:
    """An array of a figure, packed or not."""
    if isinstance(spec, dict):
        return np.frombuffer(base64.b64decode(spec["bdata"]), dtype=spec["dtype"])
    return np.asarray(spec)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            if key != "bdata":
                yield from strings(part)
    elif isinstance(value, (list, tuple, np.ndarray)):
        for part in value:
            yield from strings(part)


@pytest.fixture(scope="module")
def drawn(
    forecasts: Forecasts,
    make_scores: Callable[[Forecasts], pd.DataFrame],
    make_backtests: Callable[[Forecasts], pd.DataFrame],
) -> dict[str, Any]:
    """Every figure of the registry, of a unit with failed days."""
    tables = {"scores": make_scores(forecasts), "backtests": make_backtests(forecasts)}
    found = {
        name: kind.draw(forecasts, "NASDAQ", "care-linear" if name != "pit_histogram" else "garch-t")
        if kind.reads == "forecasts"
        else kind.draw(tables[kind.reads], asset="NASDAQ")
        for name, kind in plots.FIGURES.items()
    }
    return found | {"empty": style.figure(style.empty("A", "nothing"))}


@pytest.mark.parametrize("name", [*plots.FIGURES, "empty"])
def test_nothing_light_is_left_on_a_dark_page(drawn: dict[str, Any], name: str) -> None:
    light = set(style.DARK)
    before = set(strings(drawn[name].to_dict())) & light
    assert before, "the figure has no colour of the palette"
    dark = plots.darkened(drawn[name])
    assert not set(strings(dark.to_dict())) & light
    assert {style.DARK[colour] for colour in before} <= set(strings(dark.to_dict()))
    assert dark.layout.template.layout.paper_bgcolor == style.DARK[style.PAPER]
    assert dark.layout.template.layout.hoverlabel.bgcolor == style.DARK[style.PAPER]
    assert drawn[name].layout.template.layout.paper_bgcolor == style.PAPER  # the light one is as it was


def test_a_dark_figure_shows_the_same_data(drawn: dict[str, Any]) -> None:
    light, dark = drawn["forecast_band"], plots.darkened(drawn["forecast_band"])
    assert [t.name for t in dark.data] == [t.name for t in light.data]
    for a, b in zip(light.data, dark.data, strict=True):
        if len(a.x) > 2:
            np.testing.assert_array_equal(values(a.y), values(b.y))
            np.testing.assert_array_equal(pd.DatetimeIndex(a.x), pd.DatetimeIndex(b.x))
    assert dark.layout.title.text == light.layout.title.text
    assert dark.layout.xaxis.range == light.layout.xaxis.range


def test_compact_keeps_days_exactly_and_values_to_seven_digits(drawn: dict[str, Any], forecasts: Forecasts) -> None:
    rows = forecasts.unit("NASDAQ", "care-linear")
    small = plots.compact(drawn["forecast_band"])
    line = next(t for t in small.data if t.name == "VaR 99 %")
    assert line.y["dtype"] == "f4"
    np.testing.assert_allclose(values(line.y), rows["var_0.99"], rtol=1e-7)  # NaN where the table has NaN
    assert np.isnan(values(line.y)).sum() == 20
    ms = values(line.x)
    assert (EPOCH + pd.to_timedelta(ms, unit="ms") == rows.index).all()
    assert small.layout.xaxis.type == small.layout.xaxis2.type == "date"
    assert len(small.to_json()) < 0.45 * len(drawn["forecast_band"].to_json())


def test_compact_leaves_what_has_no_days(drawn: dict[str, Any]) -> None:
    for name in ("pit_histogram", "score_bars", "p_value_heatmap"):
        before, after = (figure.to_dict() for figure in (drawn[name], plots.compact(drawn[name])))
        assert Counter(strings(after)) == Counter(strings(before))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", [*plots.FIGURES, "empty"])
def test_a_steady_figure_looks_the_same(drawn: dict[str, Any], name: str, dark: bool) -> None:
    """Every setting of figure and template, and every value, is there as a plain number, text or list."""
    before = plots.compact(drawn[name])
    before = plots.darkened(before) if dark else before
    after = json.loads(plots.steady(before).to_json())
    layout = json.loads(before.to_json())["layout"]
    template = layout.pop("template")["layout"]
    assert "template" not in after["layout"]
    assert after["layout"]["datarevision"] == 1
    axes = [key for key in layout if key.startswith(("xaxis", "yaxis"))]
    assert set(axes) <= set(after["layout"])
    for axis in axes:
        assert_merged(after["layout"][axis], layout[axis], template[axis[:5]])
    for key in set(template) - {"xaxis", "yaxis"}:
        assert_merged(after["layout"][key], layout.get(key), template[key])
    assert "bdata" not in json.dumps(after)
    for old, new in zip(before.data, after["data"], strict=True):
        if getattr(old, "y", None) is not None and new.get("y") and not isinstance(new["y"][0], str):
            np.testing.assert_allclose(
                np.asarray(new["y"], dtype=float), np.asarray(values(old.y), dtype=float), rtol=1e-6
            )


def assert_merged(found: Any, given: Any, usual: Any) -> None:
    """What was given stays, what was not is the template's."""
    if isinstance(usual, dict) and isinstance(given, dict):
        for key in set(usual) | set(given):
            assert_merged(found[key], given.get(key), usual.get(key))
    else:
        assert found == (usual if given is None else given)


def test_long_lines_are_thinned_and_hits_are_not() -> None:
    n = 30_000
    days = pd.date_range("1900-01-01", periods=n)
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    loss = 0.01 * rng.standard_t(4, n)
    columns = {"origin": days - pd.Timedelta(days=1), "loss": loss, "status": "ok", "var_0.99": 0.03}
    long = Forecasts(pd.DataFrame(columns, index), [Target("var", 0.99)])
    figure = plots.compact(plots.forecast_band(long))
    shown = {t.name: t for t in figure.data}
    hits = np.flatnonzero(loss > 0.03)
    assert len(hits) > 100
    assert len(values(shown["loss"].y)) <= screen.MAX_POINTS + 2
    np.testing.assert_allclose(values(shown["hit: loss > VaR 99 %"].y), loss[hits], rtol=1e-7)
    np.testing.assert_array_equal(EPOCH + pd.to_timedelta(values(shown["hit of VaR 99 %"].x), unit="ms"), days[hits])
    points = values(shown["loss"].y)
    assert (points.max(), points.min()) == (np.float32(loss.max()), np.float32(loss.min()))


def test_stretches_keep_the_extremes_of_every_stretch() -> None:
    x = np.sin(np.arange(1000.0)) + np.arange(1000.0) % 7
    x[300:320] = np.nan
    kept = screen.stretches(x, most=100)
    assert (np.diff(kept) > 0).all()
    assert {0, 999, 300} <= set(kept)
    for part in np.array_split(np.arange(1000), 50):
        known = part[~np.isnan(x[part])]
        if known.size:
            assert x[known].max() in x[kept[np.isin(kept, part)]]
            assert x[known].min() in x[kept[np.isin(kept, part)]]
    assert len(kept) <= 100 + 3


def test_a_long_band_is_darkened_fast(build: Callable[..., Forecasts]) -> None:
    figure = plots.compact(plots.forecast_band(build(["A"], ["m"], n=10_000)))
    times = []
    for _ in range(5):
        start = time.process_time()
        plots.darkened(figure)
        times.append(time.process_time() - start)
    assert min(times) < 0.05  # about 0.008 s on a quiet machine


def test_stand_ins_are_no_light_colours() -> None:
    assert not set(style.DARK) & set(style.DARK.values())
    assert all(colour == colour.lower() for colour in style.DARK)
