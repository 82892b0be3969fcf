"""Small drawings of a course."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from riskcore.errors import ConfigError
from riskcore.plots import sparkline, style
from riskcore.plots.spark import FORMS, HEIGHT, WIDTH


def numbers(svg: str) -> list[float]:
    """All places of the last path."""
    path = ET.fromstring(svg).findall("{*}path")[-1].attrib["d"]
    return [float(x) for x in re.findall(r"[-\d.]+", path)]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_a_drawing_inside_its_frame(form: str) -> None:
    rng = np.random.default_rng(3)
    for values in (rng.normal(size=250), [1.0, 1.0, 1.0], [5.0, 6.0], [0.0, 0.0], -1 - rng.random(30)):
        svg = sparkline(values, form=form, colour="#00609c")
        places = numbers(svg)
        assert all(-0.01 <= x <= WIDTH for x in places)
        assert "nan" not in svg
        assert ET.fromstring(svg).attrib["viewBox"] == f"0 0 {WIDTH} {HEIGHT}"


def test_a_line_goes_from_the_lowest_to_the_highest() -> None:
    assert numbers(sparkline([2.0, 8.0, 5.0], colour="#00609c")) == [4.0, 52.0, 150.0, 4.0, 296.0, 28.0]


def test_gaps_stay_gaps() -> None:
    svg = sparkline([1.0, 2.0, np.nan, np.inf, 3.0, 1.0], colour="#00609c")
    (path,) = ET.fromstring(svg).findall("{*}path")
    assert path.attrib["d"].count("M") == 2


def test_bars_stand_on_zero() -> None:
    places = numbers(sparkline([1.0, -1.0], form="bars", colour="#00609c"))
    assert places == [4.0, 28.0, 4.0, 296.0, 28.0, 52.0]


def test_dark_exchanges_the_colour() -> None:
    svg = sparkline([1.0, 2.0], colour=style.HIT, dark=True)
    assert style.DARK[style.HIT] in svg
    assert style.HIT not in svg


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, 1.0]])
def test_nothing_to_draw(values: list[float]) -> None:
    assert sparkline(values, colour="#00609c") == ""


def test_unknown_form_is_named() -> None:
    with pytest.raises(ConfigError, match="form must be one of"):
        sparkline([1.0, 2.0], form="pie", colour="#00609c")  # type: ignore[arg-type]
