"""Intervals that a simulation found too short say so where they are shown."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore.diagnostics import coverage


def rows():
    with coverage.TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_names_models_and_whole_shares():
    assert len(rows()) > 50
    for row in rows():
        share = float(row["coverage"])
        assert 0.0 <= share <= 1.0 or np.isnan(share)
    assert {"caviar-sav", "care-linear", "garch-t", "regime"} <= {row["model"] for row in rows()}


def test_a_parameter_is_judged_at_its_level_or_the_highest_below():
    model = rc.FORECASTERS["caviar-sav"]
    low, high, beyond = (coverage.coverage_of(model, f"var_{x}.b1") for x in ("0.95", "0.99", "0.995"))
    assert (low.level, high.level) == (0.95, 0.99)
    assert beyond == high
    assert coverage.coverage_of(model, "var_0.9.b1") is None
    named = rc.CAViaR("sav", name="mine")
    assert coverage.coverage_of(named, "var_0.99.b1") == high


def test_the_table_of_parameters_warns(monkeypatch):
    losses = pd.Series(0.01 * np.random.default_rng(3).standard_t(5, 500), pd.bdate_range("2020-01-01", periods=500))
    short = coverage.Covered(0.78, "n = 1000, var 0.95", 0.95)
    monkeypatch.setattr(coverage, "coverage_of", lambda forecaster, parameter: short)
    fit = rc.fit_model(losses, "caviar-sav", ["var:0.95"], window=500)
    told = fit.parameters[fit.parameters["standard_error"].notna()]
    assert len(told)
    assert (told["note"] == "interval too short").all()
    (words,) = coverage.coverage_words(fit.forecaster, told["name"])
    assert words == ("in a simulation of n = 1000, VaR 95 %: var_0.95.b0 78 %, var_0.95.b1 78 %, var_0.95.b2 78 %")


def test_words_of_coverage_are_the_tables():
    """One sentence for each setting, with each parameter's own share; parameters well covered are left out."""
    model = rc.FORECASTERS["caviar-as"]
    names = [f"var_{level}.b{i}" for level in ("0.99", "0.975") for i in range(4)]
    told = coverage.coverage_words(model, names)
    table = {(r["setting"], r["parameter"]): float(r["coverage"]) for r in rows() if r["model"] == "caviar-as"}
    assert len(told) == 2
    for sentence, level in zip(told, ("0.99", "0.975"), strict=True):
        setting = next(s for s, _ in table if f"var {level if level == '0.99' else '0.95'}" in s)
        for i in range(4):
            share = table[setting, f"b{i}"]
            assert (f"var_{level}.b{i} {100 * share:.0f} %" in sentence) == (share < coverage.ENOUGH)
        assert sentence.startswith(f"in a simulation of {coverage.setting_words(setting)}: ")
    assert coverage.coverage_words(rc.FORECASTERS["historical"], ["mu"]) == []


@pytest.mark.parametrize("share", [0.9, 0.95])
def test_enough_is_no_warning(monkeypatch, share):
    monkeypatch.setattr(coverage, "coverage_of", lambda *_: coverage.Covered(share, "", None))
    assert coverage.too_short(rc.FORECASTERS["garch-t"], "alpha") == ""
    assert coverage.coverage_words(rc.FORECASTERS["garch-t"], ["alpha"]) == []
