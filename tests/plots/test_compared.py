from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskcore import compare, plots
from riskcore.plots import style
from riskcore.plots.compared import COLOURS

HOSTILE = '<img src=x onerror="alert(1)">$x$'


@pytest.fixture(scope="module")
def days() -> tuple[np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng(1)
    scale = rng.uniform(1, 3, 200)
    f = pd.DataFrame({"good": 1.6 * scale, HOSTILE: 2.0 + rng.random(200), "flat": 3.0})
    return scale * rng.standard_normal(200), f


def test_murphy_curves_are_drawn_as_they_are(days) -> None:
    x, f = days
    curves = compare.murphy(x, f, 0.95)
    figure = plots.murphy_diagram(curves, title="S&P <b>500</b>")
    assert [t.name for t in figure.data] == ["good", style.safe(HOSTILE), "flat"]
    for line, model in zip(figure.data, f.columns, strict=True):
        np.testing.assert_array_equal(line.x, curves["theta"])
        np.testing.assert_array_equal(line.y, curves[model])
    assert figure.layout.title.text == "S&amp;P &lt;b&gt;500&lt;/b&gt;"
    assert "better under every consistent score" in figure.layout.title.subtitle.text
    assert set(COLOURS) <= set(style.DARK)
    empty = plots.murphy_diagram(compare.murphy([np.nan], [1.0], 0.95))
    assert empty.layout.annotations[0].text == "no day on which all models have a forecast"


def test_difference_has_its_own_panel_with_both_bands(days) -> None:
    x, f = days
    names = ("good", HOSTILE)
    difference = compare.murphy_difference(x, f["good"], f[HOSTILE], 0.95, names=names, n_simulations=99)
    figure = plots.murphy_diagram(compare.murphy(x, f, 0.95), difference)
    below = [t for t in figure.data if t.yaxis == "y2"]
    assert [t.name for t in below if t.name] == ["95% band, all thresholds", "95% band, each", "difference"]
    for line, column in zip(below, ("low_all", "high_all", "low", "high", "difference"), strict=True):
        np.testing.assert_array_equal(line.y, difference.table[column])
    assert figure.layout.title.subtitle.text == style.safe(difference.text)
    assert figure.layout.yaxis2.title.text == f"good less {style.safe(HOSTILE)}"
    same = compare.murphy_difference(x, f["good"], f["good"], 0.95)
    alone = plots.murphy_diagram(compare.murphy(x, f, 0.95), same)
    assert len(alone.data) == 3
    assert "the same curve" in alone.layout.title.subtitle.text


def test_zones_stand_in_rows_and_columns(days) -> None:
    rng = np.random.default_rng(2)
    scores = pd.DataFrame(rng.random((400, 3)) + np.array([0.0, 0.02, 0.3]), columns=["a", HOSTILE, "c"])
    scores["twin"] = scores["c"] + 1
    zones = compare.three_zone(scores)
    figure = plots.three_zone_matrix(zones, size=0.05, title="zones")
    heat = figure.data[0]
    names = [style.safe(m) for m in scores.columns]
    assert list(heat.x) == names
    assert list(heat.y) == names[::-1]
    matrix = zones.matrix(0.05)
    code = {"": 0, "green": 1, "yellow": 2, "red": 3}
    np.testing.assert_array_equal(np.asarray(heat.z)[::-1], matrix.map(code.get))
    assert matrix.loc["c", "a"] == "green"
    row = zones.table.set_index(["standard", "internal"]).loc[("c", "a")]
    assert np.asarray(heat.text)[::-1][2, 0] == f"green<br>{row['statistic']:.2f}"
    assert "no test: the differences have no long-run variance" in np.asarray(heat.customdata)[::-1][2, 3]
    assert np.asarray(heat.text)[::-1][2, 3] == "–"
    assert HOSTILE not in figure.to_json()
    assert (
        plots.three_zone_matrix(compare.three_zone(scores[["a"]])).layout.annotations[0].text == "zones need two models"
    )


@pytest.mark.parametrize("measure", ["var", "expectile"])
def test_reliability_shows_values_band_and_parts(days, measure) -> None:
    x, f = days
    levels = np.array([0.01, 0.5, 0.9, 0.99])
    tail = (levels, np.outer(f["good"], [-1.5, 0.0, 0.8, 1.4]))
    parts = compare.decompose(x, f["good"], 0.95, measure=measure, tail=tail, n_simulations=99)
    figure = plots.reliability_diagram(parts, title="t")
    drawn = next(t for t in figure.data if t.name == "recalibrated")
    np.testing.assert_array_equal(drawn.x, parts.reliability["forecast"])
    np.testing.assert_array_equal(drawn.y, parts.reliability["recalibrated"])
    band = next(t for t in figure.data if t.name == "95 % band of a right model")
    np.testing.assert_array_equal(band.y, parts.band["high"])
    assert f"p = {parts.p_value:.3f}" in figure.layout.title.subtitle.text
    plain = plots.reliability_diagram(compare.decompose(x, f["good"], 0.95, measure=measure))
    assert len(plain.data) == 2
    assert "p =" not in plain.layout.title.subtitle.text
    nothing = plots.reliability_diagram(compare.decompose([np.nan], [1.0], 0.95))
    assert nothing.layout.annotations[0].text == "0 usable days, at least 1 needed"
