"""The script that measures sizes finds the p-values of many samples at once: they are those of the tests themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from riskcore.backtests import BACKTESTS, nulls

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))
import make_size_table
import size_panel

sys.path.pop(0)

COUNT = 12
CELLS = [(300, 0.95, 1.0), (300, 0.99, 1.0), (700, 0.975, 0.8)]


@pytest.fixture(scope="module")
def samples() -> dict:
    return {cell: size_panel.Samples(size_panel.Cell(*cell), 5, COUNT) for cell in CELLS}


@pytest.mark.parametrize("name", [*size_panel.PANELS, *size_panel.E_PROCESSES])
@pytest.mark.parametrize("cell", CELLS)
def test_p_values_are_those_of_the_test(name, cell, samples, monkeypatch) -> None:
    monkeypatch.setattr(nulls, "asymptotic_holds", lambda *_: False)
    if BACKTESTS[name].measure == "density" and cell[1] != make_size_table.LEVELS[0]:
        pytest.skip("a test of the whole law stands at the first level only")
    one = samples[cell]
    for kind in make_size_table.kinds(name, one.cell):
        p, method = one.p_values(name, kind, COUNT)
        results = [one.run(name, kind, i) for i in range(COUNT)]
        np.testing.assert_allclose(p, [r.p_value for r in results], rtol=1e-9, atol=1e-12)
        assert {r.p_method for r in results} - {"none"} == {method} - {""}
        one.checked(name, kind, p)
        with pytest.raises(AssertionError, match=f"{name}, {kind}, .* sample 0"):
            one.checked(name, kind, np.concatenate([[0.123456], p[1:]]))


def test_samples_are_those_of_their_seed_however_many_are_drawn() -> None:
    rows = size_panel.shocks(40, 3, 5)
    own = np.random.default_rng([3, 4]).standard_t(5.0, 40) * np.sqrt(0.6)
    np.testing.assert_allclose(rows[4], own, rtol=1e-15)
    np.testing.assert_array_equal(size_panel.shocks(40, 3, 2), rows[:2])


def test_a_simulated_p_value_is_that_of_each_value_by_itself() -> None:
    rng = np.random.default_rng(1)
    drawn, observed = np.round(rng.standard_normal(99), 1), np.array([-9.0, -0.1, 0.0, 0.1, 9.0, np.nan])
    drawn[5] = np.nan
    for side in ("lower", "upper", "both"):
        each = [size_panel.simulated_p(x, drawn, side) for x in observed]
        np.testing.assert_array_equal(size_panel.simulated_ps(observed, drawn, side), each)


def test_every_test_with_many_samples_has_a_panel() -> None:
    panels = {*size_panel.PANELS, *size_panel.E_PROCESSES}
    assert set(BACKTESTS) - panels == set(make_size_table.NO_P_VALUE)
