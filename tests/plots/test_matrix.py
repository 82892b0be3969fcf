"""Tests by model: the table, and what is said of a cell."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from riskcore.backtests import BACKTESTS
from riskcore.errors import ConfigError
from riskcore.forecasts import Forecasts
from riskcore.plots import style
from riskcore.report import matrix

NAN = math.nan


def record(**changes: Any) -> dict[str, Any]:
    plain = {
        "asset": "A", "model": "m", "measure": "var", "level": 0.99, "test": "kupiec", "statistic": 5.03,
        "p_value": 0.025, "p_method": "asymptotic", "p_adjusted": 0.2, "n_obs": 1000, "hits": 17.0,
        "expected_hits": 10.0, "reason": NAN, "missing": 0,
    }  # fmt: skip
    return plain | changes


@pytest.fixture(scope="module")
def table(forecasts: Forecasts, make_backtests: Callable[[Forecasts], pd.DataFrame]) -> pd.DataFrame:
    return make_backtests(forecasts)


def test_every_row_of_the_table_has_its_cell(table: pd.DataFrame) -> None:
    found = matrix.matrix_of(table, "NASDAQ")
    rows = table[table["asset"] == "NASDAQ"]
    assert found.texts.shape == (9, 4)
    assert list(found.texts.columns) == ["historical", "ewma", "garch-t", "care-linear"]
    assert len(found.records) == len(rows) == 36
    for (row, model), known in found.records.items():
        target, test = found.texts.index[row]
        assert (target, test) == (style.target_text(known["measure"], known["level"]), style.title(known["test"]))
        same = rows[(rows["model"] == model) & (rows["test"] == known["test"])]
        assert known["p_value"] in same["p_value"].tolist() or math.isnan(known["p_value"])
        shade = found.shades.iloc[row][model]
        p = known["p_value"]
        assert shade == (-1 if math.isnan(p) else sum(p >= limit for limit in (0.01, 0.05, 0.1)))
        assert found.texts.iloc[row][model] == matrix.cell_text(known)


def test_one_risk_figure_alone(table: pd.DataFrame) -> None:
    whole = matrix.matrix_of(table, "NASDAQ")
    part = whole.of("ES 97.5 %")
    assert part.texts.index.tolist() == ["Acerbi-Szekely Z2"]
    place = whole.texts.index.get_loc(("ES 97.5 %", "Acerbi-Szekely Z2"))
    for model in part.texts.columns:
        assert part.records[(0, model)] is whole.records[(place, model)]
    assert whole.of(None) is whole
    assert whole.targets == ["VaR 99 %", "VaR 97.5 %", "ES 97.5 %", "expectile VaR τ = 0.99855", "density"]


def test_an_unknown_asset_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match=r"asset must be one of \['S&P 500', 'NASDAQ'\], got 'X'"):
        matrix.matrix_of(table, "X")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "✗ 0.025 · 17 / 10.0"),
        ({"p_value": 0.05}, "✓ 0.050 · 17 / 10.0"),
        ({"p_value": 1e-9}, "✗ < 0.001 · 17 / 10.0"),
        ({"expected_hits": 4.9}, "? 0.025 · 17 / 4.9"),
        ({"missing": 7}, "✗ 0.025 · 10 + 7 missing / 10.0"),
        ({"hits": NAN, "expected_hits": NAN}, "✗ 0.025"),
        ({"p_value": NAN}, "–"),
    ],
)
def test_cells_say_the_verdict_without_colour(changes: dict[str, Any], text: str) -> None:
    assert matrix.cell_text(record(**changes)) == text


def test_a_rejection_says_how_rare_which_side_and_what_many_tests_do_to_it() -> None:
    cell = matrix.explain(record(), n_tests=25)
    assert (cell.test, cell.target, cell.model) == ("Kupiec (number of hits)", "VaR 99 %", "m")
    assert cell.verdict == (
        "Rejected at a size of 5 %: if the hypothesis held, about 2.5 in 100 samples would lie at least this far from "
        "it. There are more hits than expected (17, not 10.0). Beside all 25 diagnostic tests "
        "it may be chance: adjusted for their number (Holm), p is 0.200."
    )
    assert cell.null == "the hit rate equals 1 - level"
    es = matrix.explain(record(test="acerbi_szekely_z2", measure="es"), n_tests=25)
    assert es.null == "the mean of I L / ((1 - level) e) is 1 (I: 1 on a day with a hit, else 0, L: loss, e: ES)"
    assert cell.reference == "Kupiec (1995), Journal of Derivatives 3(2), 73-84."
    assert dict(cell.facts) == {
        "P-value": "0.025", "P-value, adjusted": "0.200", "Statistic": "5.03", "Days": "1,000", "Hits": "17",
        "Expected": "10.0",
    }  # fmt: skip
    assert "asymptotic" in cell.what
    assert "may be chance" not in matrix.explain(record(p_adjusted=0.01), n_tests=25).verdict
    assert "fewer hits than expected (3, not 10.0)" in matrix.explain(record(hits=3.0), n_tests=25).verdict
    for expected in (10.0, 1000 * (1 - 0.99)):  # the second is 10.000000000000009
        assert "hits than expected" not in matrix.explain(record(hits=10.0, expected_hits=expected), n_tests=25).verdict


def test_no_rejection_is_no_proof() -> None:
    text = matrix.explain(record(p_value=0.4), n_tests=25).verdict
    assert text.startswith("Not rejected at a size of 5 %: if the hypothesis held, about 40.0 in 100")
    assert text.endswith("That is no proof that the hypothesis is true.")


def test_no_p_value_says_why() -> None:
    cell = matrix.explain(record(p_value=NAN, p_method="none", reason="es must be positive"), n_tests=25)
    assert cell.verdict == "There is no p-value: es must be positive."
    assert dict(cell.facts)["P-value"] == "–"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"n_obs": 250, "expected_hits": 2.5},
            ["Only 2.5 hits are expected in 250 days", "rejects 9.5 in 100 at 250 days"],
        ),
        ({"n_obs": 1000}, []),  # 5.51 %: near enough
        ({"n_obs": 250, "expected_hits": 2.5, "p_method": "exact"}, ["Only 2.5 hits"]),
        ({"missing": 7}, ["7 of the hits are days without forecast"]),
        ({"test": "dynamic_quantile"}, ["9 to 17 in 100"]),
        ({"test": "christoffersen_coverage", "n_obs": 250, "expected_hits": 6.25}, ["rejects 0.8 in 100 at 250 days"]),
        ({"test": "christoffersen_coverage", "n_obs": 4000}, ["rejects 3.2 in 100 at 4,000 days"]),
        ({"test": "expectile_calibration", "measure": "expectile", "p_method": "simulated: own law"}, []),
    ],
)
def test_warnings(changes: dict[str, Any], words: list[str]) -> None:
    found = matrix.explain(record(**changes), n_tests=25).warnings
    assert len(found) == len(words)
    for text, part in zip(found, words, strict=True):
        assert part in text


def test_every_test_has_a_null_and_a_reference() -> None:
    for name, entry in BACKTESTS.items():
        cell = matrix.explain(record(test=name, measure=entry.measure), n_tests=25)
        assert cell.null, name
        assert "(19" in cell.reference or "(20" in cell.reference, name


def test_a_test_that_is_not_ours_is_shown_as_it_is() -> None:
    cell = matrix.explain(record(test="my_test", p_method="by hand"), n_tests=1)
    assert (cell.test, cell.null, cell.reference) == ("my test", "", "")
    assert cell.what == "The p-value is by hand."
