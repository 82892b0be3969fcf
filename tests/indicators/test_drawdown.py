from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskcore.errors import ConfigError, DataError
from riskcore.indicators import annualised, drawdown, worst
from riskcore.returns import to_losses


def by_definition(prices: np.ndarray) -> list[float]:
    """1 - price / highest price so far, one day at a time."""
    return [1.0 - prices[t] / max(prices[: t + 1]) for t in range(1, len(prices))]


@given(st.lists(st.floats(0.01, 1e4), min_size=2, max_size=60), st.sampled_from(["log", "simple"]))
def test_equals_the_definition_on_prices(values: list[float], kind) -> None:
    prices = pd.DataFrame({"A": values}, pd.date_range("2020-01-01", periods=len(values)))
    losses = to_losses(prices, kind=kind)["A"]
    np.testing.assert_allclose(drawdown(losses, kind), by_definition(np.array(values)), rtol=1e-9, atol=1e-9)


def test_real_crash(sample_data) -> None:
    """The S&P 500 closed at 1565.15 on 2007-10-09 and at 676.53 on 2009-03-09: 56.78 %, its deepest fall since 1932."""
    import riskcore as rc

    losses = rc.to_losses(rc.read_prices(sample_data / "indices.csv"))["S&P 500"]
    deepest = worst(drawdown(losses))
    assert deepest.value == pytest.approx(1 - 676.53 / 1565.15, abs=5e-5)
    assert deepest.date == pd.Timestamp("2009-03-09")
    day = worst(losses)
    assert day.date == pd.Timestamp("2008-10-15")
    assert -np.expm1(-day.value) == pytest.approx(0.0903, abs=5e-5)  # the day's simple loss as the press had it


def test_missing_days_are_stepped_over() -> None:
    losses = pd.Series([0.1, np.nan, 0.1, -0.5])
    found = drawdown(losses)
    np.testing.assert_array_equal(found.isna(), losses.isna())
    np.testing.assert_allclose(found.dropna(), drawdown(losses.dropna()))


def test_all_lost_stays_lost() -> None:
    np.testing.assert_array_equal(drawdown(pd.Series([0.1, 1.2, -3.0]), "simple").iloc[1:], [1.0, 1.0])
    assert drawdown(pd.Series([], dtype="float64")).empty


def test_worst_takes_the_last_days_and_the_first_of_equals() -> None:
    days = pd.date_range("2024-01-01", periods=5)
    values = pd.Series([0.05, 0.02, np.nan, 0.02, 0.01], days)
    assert (worst(values).value, worst(values).date) == (0.05, days[0])
    assert (worst(values, last=3).value, worst(values, last=3).date) == (0.02, days[1])


def test_annualised() -> None:
    assert annualised(0.01) == pytest.approx(0.01 * 252**0.5)
    assert annualised(0.01, 365) == pytest.approx(0.01 * 365**0.5)
    assert np.isnan(annualised(float("nan")))


def test_errors() -> None:
    with pytest.raises(ConfigError, match="kind must be 'log' or 'simple', got 'net'"):
        drawdown(pd.Series([0.1]), "net")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="losses must be finite or NaN"):
        drawdown(pd.Series([np.inf]))
    with pytest.raises(DataError, match="at least one that is not NaN"):
        worst(pd.Series([np.nan]))
    with pytest.raises(ConfigError, match="last must be at least 1, got 0"):
        worst(pd.Series([0.1]), last=0)
    with pytest.raises(ConfigError, match="periods must be at least 1, got 0"):
        annualised(0.01, 0)
