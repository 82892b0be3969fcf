"""The detector of look-ahead must catch leaks that are planted on purpose."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from riskcore import FORECASTERS
from riskcore.walkforward import walk_forward

sys.path.insert(0, str(Path(__file__).parent))
import lookahead as la


def full_sample_scaling(losses, stop):
    """Losses divided by the standard deviation of the whole sample."""
    scale = np.std(losses)
    walk = walk_forward(losses / scale, FORECASTERS["historical"], la.TARGETS, la.PLAN, stop=stop)
    return replace(walk, values=walk.values * scale, density=walk.density * scale, tail=walk.tail * scale)


@dataclass(frozen=True)
class _Fitted:
    inner: object
    first: float = 0.0
    status: int = 0

    def predict(self, losses, targets, last):
        return self.inner.predict(losses, targets, last)

    def predictive(self, losses, last):
        return None


@dataclass(frozen=True)
class _Backcast:
    """EWMA whose start comes from outside the window."""

    first: float
    name: str | None = None

    def offers(self, target):
        return True

    def fit(self, losses, targets, start=None):
        fitted = FORECASTERS["ewma"].fit(losses, targets)
        return replace(fitted, estimate=replace(fitted.estimate, presample=self.first))


def full_sample_backcast(losses, stop):
    """A recursion started at the mean square of the whole sample."""
    return walk_forward(losses, _Backcast(float(np.mean(losses**2))), la.TARGETS, la.PLAN, stop=stop)


def gaps_filled_from_later_days(losses, stop):
    """Missing days take the next known loss."""
    gaps = pd.Series(losses)
    gaps.iloc[[i for i in (305, 306, 322, 341) if i < losses.size]] = np.nan
    filled = gaps.bfill().to_numpy()
    return walk_forward(filled, FORECASTERS["ewma"], la.TARGETS, la.PLAN, stop=stop)


@dataclass(frozen=True)
class _BlockThreshold(_Fitted):
    def predict(self, losses, targets, last):
        threshold = np.quantile(losses, 0.9)  # of the whole block, days to come among them
        return np.tile(threshold + 0.01, (last, len(targets)))


@dataclass(frozen=True)
class _OffByOne(_Fitted):
    def predict(self, losses, targets, last):
        values = self.inner.predict(losses, targets, last)
        return np.vstack([values[1:], values[-1:]])  # each day takes the forecast made at its own close


@dataclass(frozen=True)
class _Wrapped:
    fitted: type
    name: str | None = None

    def offers(self, target):
        return True

    def fit(self, losses, targets, start=None):
        return self.fitted(FORECASTERS["ewma"].fit(losses, targets))


def tail_threshold_from_test_days(losses, stop):
    """A threshold that reads the whole test block."""
    return walk_forward(losses, _Wrapped(_BlockThreshold), la.TARGETS, la.PLAN, stop=stop)


def origin_off_by_one(losses, stop):
    """The forecast for a day uses that day."""
    return walk_forward(losses, _Wrapped(_OffByOne), la.TARGETS, la.PLAN, stop=stop)


LEAKS = [
    full_sample_scaling,
    full_sample_backcast,
    gaps_filled_from_later_days,
    tail_threshold_from_test_days,
    origin_off_by_one,
]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("leak", LEAKS, ids=lambda f: f.__name__)
def test_planted_leak_is_caught(leak):
    found = la.differences(leak, la.series(), la.BLOCK)
    assert found, f"{leak.__name__} was not caught"


@dataclass(frozen=True)
class _Reading:
    """The forecast is the exogenous column of the last row that it is given."""

    name: str | None = None
    needs_exog: tuple[str, ...] = ("x",)

    def offers(self, target):
        return True

    def fit(self, losses, targets, start=None, exog=None):
        return _ReadingFitted(None)


@dataclass(frozen=True)
class _ReadingFitted(_Fitted):
    def predict(self, losses, targets, last, exog=None):
        return np.tile(0.05 + exog[-last:, :1], (1, len(targets)))

    def predictive(self, losses, last, exog=None):
        return None


def the_day_itself(losses, stop, exog):
    """Columns joined by the day forecast for, not by the day before."""
    joined = np.append(exog[1:], exog[-1:], axis=0)
    return walk_forward(losses, _Reading(), la.TARGETS, la.PLAN, exog=joined, stop=stop)


def columns_filled_from_later_days(losses, stop, exog):
    gaps = pd.DataFrame(exog)
    gaps.iloc[[i for i in (305, 306, 322, 341) if i < losses.size]] = np.nan
    return walk_forward(losses, _Reading(), la.TARGETS, la.PLAN, exog=gaps.bfill().to_numpy(), stop=stop)


def columns_scaled_by_the_whole_sample(losses, stop, exog):
    return walk_forward(losses, _Reading(), la.TARGETS, la.PLAN, exog=exog / exog.std(), stop=stop)


def columns_as_known(losses, stop, exog):
    return walk_forward(losses, _Reading(), la.TARGETS, la.PLAN, exog=exog, stop=stop)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize(
    "leak",
    [the_day_itself, columns_filled_from_later_days, columns_scaled_by_the_whole_sample],
    ids=lambda f: f.__name__,
)
def test_planted_leak_of_exogenous_columns_is_caught(leak):
    exog = la.columns(_Reading())
    assert la.differences(leak, la.series(), la.BLOCK, exog=exog)
    assert not la.differences(columns_as_known, la.series(), la.BLOCK, exog=exog)
    assert not np.array_equal(
        columns_as_known(la.series(), 350, exog).values, columns_as_known(la.series(), 350, 2 * exog).values
    )


def test_leaks_inside_a_block_pass_a_test_at_block_ends_only():
    """Why every cut of a block is tried: a threshold from test days shows at no cut that ends a block."""
    losses = la.series()
    assert not [
        f for f in la.differences(tail_threshold_from_test_days, losses, [349 + 1], stop=350) if f[1] != "cut off"
    ]
    assert la.differences(tail_threshold_from_test_days, losses, [320])
