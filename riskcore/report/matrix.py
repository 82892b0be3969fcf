"""Tests by model as a table of short texts, and everything that is known of one of its cells."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore.backtests.hit_laws import MOST_DAYS
from riskcore.backtests.size import ENUMERATED, attained_size
from riskcore.errors import require
from riskcore.plots.judged import hits_text, missing_as_hits, reason_words, without_law
from riskcore.plots.style import P_LIMITS, target_text, title
from riskcore.report.view import NONE, number, p_text
from riskcore.runs.catalogue import entries, first_line, null_of, reference_of

FEW = 5.0
"""Below so many expected hits a test says little."""
REJECTED, PASSED, LITTLE, NO_VALUE = "✗", "✓", "?", "–"
LEGEND = (
    f"{REJECTED} rejected at {100 * defaults.SIZE:g} %; {PASSED} not rejected; {LITTLE} fewer than {FEW:g} hits "
    f"expected; {NO_VALUE} no p-value (no law: the model "
    "forecasts no law of the loss to simulate from). Then p, and hits / expected hits where the test counts them. "
    "Stronger colour: p below 0.10, 0.05, 0.01."
)
_SIZES = {
    "dynamic_quantile": (
        "Of forecasts that are right, this p-value rejects about 9 to 17 in 100 at VaR 99 % instead of 5: "
        "two hits within four days reject by themselves."
    ),
    "var_quantile_regression": "The asymptotic p-value rejects 13 to 38 in 100 right forecasts in 250 days, not 5.",
    "esr": "The asymptotic p-value rejects 32 to 48 in 100 right forecasts in 250 days, not 5.",
    "du_escanciano_conditional": (
        "Of forecasts that are right, the asymptotic p-value rejects 9 to 13 in 100 instead of 5."
    ),
    "es_calibration": "The asymptotic p-value rejects 9 to 26 in 100 right forecasts instead of 5.",
    "expectile_calibration": "The asymptotic p-value rejects 7 to 45 in 100 right forecasts instead of 5.",
    "expectile_conditional_calibration": "The asymptotic p-value rejects too many right forecasts.",
}
"""What is known of the attained size of asymptotic p-values, as the tests' own pages say it."""
_SYMBOLS = {"I": "1 on a day with a hit, else 0", "L": "loss", "v": "VaR", "e": "ES"}
_POWERS = (("Hits to reject", "hits_to_reject", ",.0f"), ("Power", "power", ".0%"))
_POWER = (
    f" Power is the chance that it rejects, at {100 * defaults.SIZE:g} %, forecasts that are 20 % too low, "
    "where losses are t(5)."
)
_PRIMARY = " It is the primary test of its risk figure, named beforehand; the others are diagnostic."
_METHODS = {
    "asymptotic": "asymptotic: from the limit law of long samples",
    "exact": "exact: by the law of the statistic at this number of days",
    "bootstrap": "bootstrap of the sample",
    "simulated: own law": "simulated from each day's own law",
    "simulated: exponential excess": "simulated with exponential excess over the VaR",
    "simulated: residual law": "simulated from the residuals: approximate",
    "simulated: Bernoulli hits": "simulated from independent hits",
    "anytime-valid (Ville)": "valid however often one looks: 1 over the largest value of a bet against the model",
    "simulated: uniform PIT": "simulated from independent uniform values of the PIT",
}


@dataclass(frozen=True)
class Matrix:
    """The table of one asset: a row for every test and target, a column for every model.

    Parameters
    ----------
    texts : DataFrame
        What each cell says, by (target, test) and model.
    shades : DataFrame of int
        Of the same shape: -1 without p-value, else how many of 0.01, 0.05 and 0.10 lie at or below p.
    records : mapping
        (row, model) to the test's row of the table of backtests, `row` being a place in `texts`.
    """

    texts: pd.DataFrame
    shades: pd.DataFrame
    records: Mapping[tuple[int, str], Mapping[Any, Any]]

    @property
    def targets(self) -> list[str]:
        """Risk figures of the rows, in order."""
        return list(dict.fromkeys(self.texts.index.get_level_values(0)))

    def of(self, target: str | None) -> Matrix:
        """The rows of one risk figure; of all for None."""
        if target is None:
            return self
        keep = np.flatnonzero(self.texts.index.get_level_values(0) == target).tolist()
        records = {(keep.index(i), model): r for (i, model), r in self.records.items() if i in keep}
        texts, shades = (t.iloc[keep].droplevel(0) for t in (self.texts, self.shades))
        return Matrix(texts, shades, records)

    def n_tests(self, model: str) -> int:
        """Diagnostic tests of a model that have a p-value: those over which these were adjusted."""
        known = (r for (_, who), r in self.records.items() if who == model and not math.isnan(r["p_value"]))
        return sum(not _primary(r) for r in known)


@dataclass(frozen=True)
class Cell:
    """One test of one model: what was found, what it means, and what to beware of."""

    test: str
    target: str
    model: str
    what: str
    null: str
    facts: tuple[tuple[str, str], ...]
    verdict: str
    warnings: tuple[str, ...]
    reference: str


def matrix_of(backtests: pd.DataFrame, asset: str) -> Matrix:
    """Arrange the table of backtests of one asset.

    Parameters
    ----------
    backtests : DataFrame
        As :func:`riskcore.backtest_table` returns it.
    asset : str
        A name in the table.

    Returns
    -------
    Matrix
        Rows in the order of the targets, tests in the order of the table.

    Raises
    ------
    ConfigError
        If the table has no such asset.
    """
    known = list(dict.fromkeys(backtests["asset"]))
    require(asset in known, f"asset must be one of {known}, got {asset!r}")
    rows = backtests[backtests["asset"] == asset]
    rows = rows.assign(missing=missing_as_hits(rows))
    models = list(dict.fromkeys(rows["model"]))
    labels = list(dict.fromkeys(_labels(r) for r in rows.to_dict("records")))
    found = {(labels.index(_labels(r)), str(r["model"])): r for r in rows.to_dict("records")}
    texts, shades = np.full((len(labels), len(models)), NO_VALUE, object), np.full((len(labels), len(models)), -1)
    for (row, model), record in found.items():
        cell, p = (row, models.index(model)), float(record["p_value"])
        texts[cell] = cell_text(record)
        shades[cell] = -1 if math.isnan(p) else np.searchsorted(P_LIMITS, p, side="right")
    index = pd.MultiIndex.from_tuples(labels, names=["risk figure", "test"])
    return Matrix(pd.DataFrame(texts, index, models), pd.DataFrame(shades, index, models), found)


def _primary(record: Mapping[Any, Any]) -> bool:
    return bool(record.get("primary", False))


def _labels(record: Mapping[Any, Any]) -> tuple[str, str]:
    """Target and test of a row of the table of backtests."""
    return target_text(record["measure"], record["level"]), title(record["test"])


def cell_text(record: Mapping[Any, Any]) -> str:
    """Sign, p-value and hits of a row of the table of backtests.

    >>> cell_text({"p_value": 0.0312, "hits": 12, "expected_hits": 20.2, "missing": 0})
    '✗ 0.031 · 12 / 20.2'
    >>> cell_text({"p_value": float("nan"), "expected_hits": float("nan"), "reason": "no hits"})
    '–'
    >>> cell_text({"p_value": float("nan"), "expected_hits": float("nan"), "reason": "the model has no law"})
    '– no law'
    """
    p, expected = record["p_value"], record["expected_hits"]
    if math.isnan(p):
        return f"{NO_VALUE} no law" if without_law(record["reason"]) else NO_VALUE
    sign = LITTLE if expected < FEW else REJECTED if p < defaults.SIZE else PASSED
    hits = hits_text(record["hits"], record["missing"])
    count = "" if hits == NO_VALUE or math.isnan(expected) else f" · {hits} / {number(expected, ',.1f')}"
    return f"{sign} {p_text(p)}{count}"


def explain(record: Mapping[Any, Any], *, n_tests: int) -> Cell:
    """Everything on one test of one model, in words.

    Parameters
    ----------
    record : mapping
        A value of `Matrix.records`.
    n_tests : int
        Diagnostic tests of this asset and model over which their p-values were adjusted.

    Returns
    -------
    Cell
        Dashes where a figure is missing.
    """
    test, p = str(record["test"]), float(record["p_value"])
    entry = entries().get(test)
    losses_above = "Losses above" if record["measure"] == "expectile" else "Hits"
    facts = [
        ("P-value", p_text(p)),
        ("P-value, adjusted", p_text(record["p_adjusted"])),
        ("Statistic", number(record["statistic"], ".4g")),
        ("Days", number(record["n_obs"], ",.0f")),
        (losses_above, hits_text(record["hits"], record["missing"])),
        ("Expected", number(record["expected_hits"], ",.1f")),
    ]
    found = [(name, number(record.get(key), spec)) for name, key, spec in _POWERS]
    facts += [(name, text) for name, text in found if text != NONE]
    method = str(record["p_method"])
    what = first_line(entry.run) if entry else ""
    if not math.isnan(p):
        what = f"{what} The p-value is {_METHODS.get(method, method)}.".strip()
        what += _POWER if facts[-1][0] == "Power" else ""
    what += _PRIMARY if _primary(record) else ""
    return Cell(
        test=title(test),
        target=target_text(record["measure"], record["level"]),
        model=str(record["model"]),
        what=what,
        null=_with_symbols(null_of(entry)) if entry else "",
        facts=tuple(facts),
        verdict=_verdict(record, n_tests),
        warnings=tuple(_warnings(record)),
        reference=reference_of(entry.run) if entry else "",
    )


def _with_symbols(null: str) -> str:
    """A null hypothesis, with what its letters stand for.

    >>> _with_symbols("the mean of L/e over hits is 1")
    'the mean of L/e over hits is 1 (L: loss, e: ES)'
    """
    words = [f"{letter}: {word}" for letter, word in _SYMBOLS.items() if re.search(rf"\b{letter}\b", null)]
    return f"{null} ({', '.join(words)})" if words else null


def _verdict(record: Mapping[Any, Any], n_tests: int) -> str:
    p, adjusted = float(record["p_value"]), float(record["p_adjusted"])
    size = f"{100 * defaults.SIZE:g} %"
    if math.isnan(p):
        known = _SIZES.get(str(record["test"]))
        why = reason_words(record["reason"], known) if known else reason_words(record["reason"])
        said = f"There is no p-value: {why}."
        if record["test"] != "expectile_calibration" or not math.isfinite(record["statistic"]):
            return said
        return f"{said} The statistic is {number(record['statistic'], '.2f')}; below 0 risk is understated."
    share = "fewer than 1 in 1,000" if p < 0.001 else f"about {100 * p:.1f} in 100"
    chance = f"if the hypothesis held, {share} samples would lie at least this far from it"
    if p >= defaults.SIZE:
        return f"Not rejected at a size of {size}: {chance}. That is no proof that the hypothesis is true."
    more = ""
    if adjusted >= defaults.SIZE:
        beside = "the same test of the other assets" if _primary(record) else f"all {n_tests} diagnostic tests"
        more = f" Beside {beside} it may be chance: adjusted for their number (Holm), p is {p_text(adjusted)}."
    return f"Rejected at a size of {size}: {chance}.{_side(record)}{more}"


def _side(record: Mapping[Any, Any]) -> str:
    """Which way a VaR errs, where the number of hits says so."""
    hits, expected = record["hits"], float(record["expected_hits"])
    counted = isinstance(hits, (int, float, np.number)) and math.isfinite(hits) and math.isfinite(expected)
    if record["measure"] != "var" or not counted or record["missing"]:
        return ""
    if abs(hits - expected) < 0.05:  # as many, to the digit shown
        return ""
    word = "more" if hits > expected else "fewer"
    return f" There are {word} hits than expected ({hits:,.0f}, not {expected:,.1f})."


def _warnings(record: Mapping[Any, Any]) -> list[str]:
    found = []
    expected, n_obs = float(record["expected_hits"]), record["n_obs"]
    if expected < FEW:
        found.append(f"Only {expected:.1f} hits are expected in {n_obs:,.0f} days; below {FEW:g} a test says little.")
    if record["missing"]:
        found.append(f"{record['missing']:,} of the hits are days without forecast, which this test counts as hits.")
    if math.isnan(float(record["p_value"])) or record["p_method"] != "asymptotic":
        return found
    test = str(record["test"])
    if test in ENUMERATED and n_obs <= MOST_DAYS:
        share = attained_size(test, int(n_obs), float(record["level"]))
        if abs(share - defaults.SIZE) > 0.01:
            found.append(
                f"Of forecasts that are right, this p-value rejects {100 * share:.1f} in 100 at {n_obs:,.0f} days "
                f"instead of {100 * defaults.SIZE:g}: hits come in whole numbers."
            )
    elif test in _SIZES:
        found.append(_SIZES[test])
    return found
