"""The figure of rebased prices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskcore.errors import ConfigError
from riskcore.plots import rebased_prices
from riskcore.plots.prices import MAX_POINTS, spans_widely
from riskcore.plots.style import DARK

DAYS = pd.bdate_range("2001-01-01", periods=4)


def frame(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(columns, index=DAYS)


def test_each_asset_starts_at_100_on_its_own_first_day():
    figure = rebased_prices(frame(A=[50, 55, 60, 45], B=[np.nan, 200, np.nan, 100]))
    a, b = figure.data
    assert a.y.tolist() == pytest.approx([100, 110, 120, 90])
    assert b.y.tolist() == pytest.approx([100, 50])
    assert [pd.Timestamp(day) for day in b.x] == [DAYS[1], DAYS[3]]


def test_returns_are_put_one_upon_the_other():
    simple, log = ([0.1, -0.5, 0.0, 1.0], np.log([1.1, 0.5, 1.0, 2.0]).tolist())
    for values, kind in ((simple, "simple"), (log, "log")):
        figure = rebased_prices(frame(A=values), returns=kind)
        assert figure.data[0].y.tolist() == pytest.approx([110, 55, 55, 110])
        # the day before the first return is not known: 100 is not drawn, and not said to be
        assert figure.layout.title.subtitle.text == f"{kind} returns; 100 is before the first"
        assert figure.layout.title.text == "Returns, compounded from 100"
        assert figure.layout.yaxis.title.text == "100 before the first return"
    assert rebased_prices(frame(A=[1, 2, 3, 4])).layout.yaxis.title.text == "first price = 100"


def test_names_are_escaped_and_lines_differ_without_colour():
    figure = rebased_prices(frame(**{"<b>x</b>$y$": [1, 2, 3, 4], "B": [2, 2, 3, 3]}))
    assert figure.data[0].name == "&lt;b&gt;x&lt;/b&gt;&#36;y&#36;"
    assert figure.data[0].line.dash != figure.data[1].line.dash
    assert all(line.line.color in DARK for line in figure.data)


def test_at_most_eight_and_only_known_assets():
    many = frame(**{f"A{i}": [1.0, 2, 3, 4] for i in range(20)})
    assert len(rebased_prices(many).data) == 8
    assert [line.name for line in rebased_prices(many, ["A17", "A3"]).data] == ["A17", "A3"]
    with pytest.raises(ConfigError, match="assets must be at most 8, got 9"):
        rebased_prices(many, [f"A{i}" for i in range(9)])
    with pytest.raises(ConfigError, match=r"assets must be of .*got \['Z'\]"):
        rebased_prices(many, ["Z"])


def test_a_long_line_keeps_every_peak_and_trough():
    prices = 100 + np.cumsum(np.random.default_rng(1).standard_normal(60_000)) / 1000
    prices[31_234], prices[47_111] = 500.0, 2.0
    line = rebased_prices(pd.DataFrame({"A": prices}, index=pd.date_range("1850-01-01", periods=60_000))).data[0]
    assert len(line.y) <= MAX_POINTS
    assert max(line.y) == pytest.approx(100 * 500 / prices[0])
    assert min(line.y) == pytest.approx(100 * 2 / prices[0])
    assert line.y[-1] == pytest.approx(100 * prices[-1] / prices[0])


def test_log_scale_where_the_span_asks_for_it():
    assert spans_widely(frame(A=[1, 2, 3, 11]))
    assert not spans_widely(frame(A=[1, 2, 3, 9]))
    assert rebased_prices(frame(A=[1, 2, 3, 4]), log_scale=True).layout.yaxis.type == "log"


def test_nothing_to_draw():
    assert rebased_prices(frame(A=[np.nan] * 4)).data[0].y.size == 0
