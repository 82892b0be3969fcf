"""The contract that every entry of FORECASTERS keeps; a new model is tested by being listed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskcore import FORECASTERS, Status, Target, WalkForward, forecast
from riskcore.errors import ConfigError, FitError
from riskcore.volatility.exogenous import exog_names, fresh_names
from riskcore.walkforward import loop, ordered_pairs, walk_forward

sys.path.insert(0, str(Path(__file__).parent))
import lookahead as la

SLOW = frozenset(
    (
        "garch-normal", "garch-skewt", "garch-ged", "gjr-normal", "gjr-t", "gjr-ged", "gjr-fhs", "gjr-evt",
        "egarch-normal", "egarch-skewt", "egarch-ged", "egarch-fhs", "egarch-evt",
        "har-rv-t", "heavy-t", "aparch-t", "component-t", "care-as", "care-ig", "caviar-as", "caviar-ig",
        "regime-3", "regime-t", "fz-gas-2f", "fz-gas-hybrid",
    )
)  # fmt: skip
"""Entries whose fits are slow, or that take the same way as another entry: the whole suite is nightly for them. What
`QUICK` marks stands in."""

NO_FREE_MEAN = ("rm2006", "ewma", "fhs", "egarch", "care", "caviar", "garch-hw", "bayes", "al-", "fz-", "dynamic")
LEVELS_APART = ("al-", "fz-")
ALL = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.nightly) if n in SLOW else n for n in FORECASTERS]
)
QUICK = pytest.mark.parametrize("name", sorted(SLOW | {"ewma"}))
"""The slow entries, and a fast one that keeps these tests themselves alive."""


@pytest.fixture(scope="module")
def losses() -> np.ndarray:
    return la.series()


def offered(name, targets=la.TARGETS):
    """Places of the targets that a model offers: the others are NaN, and it is never asked for them."""
    return [i for i, target in enumerate(targets) if FORECASTERS[name].offers(target)]


def walked(forecaster, losses, plan=la.PLAN, targets=la.TARGETS, exog=None, **rows):
    """A walk; where the forecaster reads exogenous columns, with those of `la.columns` unless some are given."""
    given = la.columns(forecaster, losses.size) if exog is None else exog
    return walk_forward(losses, forecaster, targets, plan, exog=given, **rows)


@ALL
def test_never_looks_ahead(name, losses):
    walk, exog = la.honest(FORECASTERS[name]), la.columns(FORECASTERS[name])
    assert la.differences(walk, losses, la.BLOCK, exog=exog) == []
    assert la.reacts(walk, losses, 310, exog=exog)


@QUICK
def test_never_looks_ahead_at_a_few_cuts(name, losses):
    walk, exog = la.honest(FORECASTERS[name]), la.columns(FORECASTERS[name])
    assert la.differences(walk, losses, [300, 317, 349], exog=exog) == []
    assert la.reacts(walk, losses, 310, exog=exog)


@pytest.mark.nightly
@ALL
def test_never_looks_ahead_large(name):
    losses = la.series(2000, seed=7)
    rng = np.random.default_rng(11)
    forecaster = la.Remembering(FORECASTERS[name])
    plan = WalkForward(window=500, refit_every=25)
    cuts = sorted(rng.choice(np.arange(501, 1990), size=50, replace=False).tolist())
    exog = la.columns(forecaster, 2000, seed=7)
    plain = walked(forecaster, losses, plan, exog=exog)
    for cut in cuts:
        for kind, (changed, columns) in la.both_mutations(losses, exog, cut).items():
            block_stop = min(cut + 25 - (cut - 500) % 25, 2000)
            first = max(500, cut - 60)
            stop = cut + 1 if kind == "cut off" else block_stop
            after = walked(forecaster, changed, plan, exog=columns, first=first, stop=stop)
            rows = slice(first - plain.first, cut + 1 - plain.first)
            np.testing.assert_allclose(
                plain.values[rows], after.values[: cut + 1 - first], rtol=1e-12 if kind == "cut off" else 0, atol=0
            )


@ALL
def test_walk_is_the_daily_definition(name, losses):
    """A block forecast in one call equals the days forecast one by one, each from its own past."""
    walk_equals_days(name, losses, la.PLAN, 340)


@QUICK
def test_walk_is_the_daily_definition_on_a_short_series(name, losses):
    walk_equals_days(name, losses[:320], la.PLAN, 320)


def walk_equals_days(name, losses, plan, stop):
    forecaster = la.Remembering(FORECASTERS[name])
    exog = la.columns(forecaster, losses.size)
    walk = walked(forecaster, losses, plan, stop=stop)
    start, columns = None, offered(name)
    targets = [la.TARGETS[i] for i in columns]
    for block in plan.blocks(stop):
        fitted = forecaster.fit(losses[block.train].copy(), targets, start=start, **la.rows(exog, block.train))
        start = fitted
        for row in range(block.test.start, block.test.stop, 7):
            before, day = slice(block.train.start, row), row - plan.window
            given = la.rows(exog, before)
            values = fitted.predict(losses[before].copy(), targets, 1, **given)
            np.testing.assert_allclose(walk.values[day, columns], values[0], rtol=1e-10)
            law = fitted.predictive(losses[before].copy(), 1, **given)
            if law is not None:
                np.testing.assert_allclose(walk.density[day, :2], [law.mean[0], law.volatility[0]], rtol=1e-10)


@dataclass(frozen=True)
class OneByOne:
    """A forecaster without its way to do many refits at once."""

    inner: Any

    def __getattr__(self, name: str) -> Any:
        if name == "walk":
            raise AttributeError(name)
        return getattr(self.inner, name)


def same(got, want, *, rtol=1e-10, density=slice(None)):
    """Two walks: the same rows with the same statuses, and NaN in the same places."""
    assert got.first == want.first
    np.testing.assert_array_equal(got.status, want.status)
    pairs = ((got.values, want.values), (got.density[:, density], want.density[:, density]), (got.tail, want.tail))
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * 1e-4 if rtol else 0.0)


def both_ways(name, losses, plan, **rows):
    """The walk at once, and the definition: the same forecaster asked for one refit after the other."""
    forecaster = FORECASTERS[name]
    return [walked(f, losses, plan, **rows) for f in (forecaster, OneByOne(forecaster))]


@ALL
@pytest.mark.parametrize("refit_every", [1, 7])
def test_walk_at_once_is_the_definition(name, refit_every, losses):
    """From a row inside a chain of refits to the day after the last loss; chunks of one chain."""
    plan = WalkForward(window=150, refit_every=refit_every)
    first = 150 + 25 * refit_every + 2
    rows = {"first": first, "stop": first + 11} if refit_every == 1 else {"first": first, "stop": 352}
    short = losses[: rows["stop"] - 1]
    got, want = both_ways(name, short, plan, **rows)
    same(got, want)
    assert np.isfinite(got.values[got.status != Status.failed][:, offered(name)]).all()
    assert np.isnan(got.density[-1, 2:]).all()


@ALL
def test_walk_at_once_where_refits_fail(name, losses):
    """A run of equal losses longer than the window: stale parameters, fallbacks and failures as by the definition.

    In the run the losses are ties to the last bit of their volatilities, so that a PIT by ranks is left out.
    """
    flat = losses[:200].copy()
    flat[62:150] = 0.004
    got, want = both_ways(name, flat, WalkForward(window=60, refit_every=7), stop=201)
    same(got, want, density=[0, 1, 3, 4])
    assert (want.status != Status.ok).any()


@pytest.mark.nightly
@ALL
@pytest.mark.parametrize("refit_every", [1, 7, 40])
def test_walk_at_once_where_refits_fail_large(name, refit_every):
    losses = la.series(420, seed=3)
    losses[150:280] = 0.004
    got, want = both_ways(name, losses, WalkForward(window=100, refit_every=refit_every), stop=421)
    same(got, want, density=[0, 1, 3, 4])


@ALL
@pytest.mark.parametrize("refit_every", [1, 7])
def test_walk_at_once_does_not_hear_of_chunks_nor_of_later_losses(name, refit_every, losses, monkeypatch):
    """Bit for bit: whatever else is forecast in the same pass, and wherever it begins; a chain at a time or all."""
    forecaster, plan = FORECASTERS[name], WalkForward(window=150, refit_every=refit_every)
    if not hasattr(forecaster, "walk"):
        pytest.skip("this forecaster has the definition only")
    given = la.rows(la.columns(forecaster), slice(200))
    if forecaster.walk(losses[:200], la.TARGETS, list(plan.blocks(200))[:1], **given) is None:
        pytest.skip("this forecaster does its refits one by one")
    n = 150 + 60 * refit_every if refit_every == 1 else 470
    cut = n - 33
    full = walked(forecaster, losses[:n], plan)
    late = walked(forecaster, losses[:n], plan, first=cut - 5)
    monkeypatch.setattr(loop, "AT_ONCE", 1)
    small = walked(forecaster, losses[:n], plan)
    for part in ("values", "status", "density", "tail"):
        np.testing.assert_array_equal(getattr(small, part), getattr(full, part))
        np.testing.assert_array_equal(getattr(late, part), getattr(full, part)[cut - 155 :])
    monkeypatch.undo()
    for kind, (changed, exog) in la.both_mutations(losses[:n], la.columns(forecaster, n), cut).items():
        if kind == "nan":
            continue  # losses are finite
        after = walked(forecaster, changed, plan, exog=exog, stop=cut + 1)
        for part in ("values", "status", "tail"):
            np.testing.assert_array_equal(getattr(after, part), getattr(full, part)[: cut - 149])
        np.testing.assert_array_equal(after.density[:-1], full.density[: cut - 150])


def test_an_expanding_plan_has_no_walk_at_once(losses):
    plan = WalkForward(window=150, refit_every=7, expanding=True)
    for name in ("historical", "ewma", "garch-t"):
        got, want = both_ways(name, losses[:200], plan, stop=201)
        same(got, want)


@ALL
def test_late_start_gives_the_rows_of_the_full_walk(name, losses):
    forecaster = la.Remembering(FORECASTERS[name])
    full = walked(forecaster, losses, stop=360)
    late = walked(forecaster, losses, first=317, stop=360)
    assert late.first == 317
    np.testing.assert_array_equal(full.values[67:], late.values)
    np.testing.assert_array_equal(full.status[67:], late.status)
    np.testing.assert_array_equal(full.tail[67:], late.tail)


@ALL
@pytest.mark.parametrize(("factor", "rtol"), [(128.0, 1e-12), (137.0, 1e-5)])
def test_scale_equivariance(name, factor, rtol, losses):
    """Losses in other units give forecasts in those units; where rounding moves, to the optimiser's tolerance."""
    plan = WalkForward(window=250, refit_every=50)
    plain = walked(FORECASTERS[name], losses[:300], plan)
    scaled = walked(FORECASTERS[name], factor * losses[:300], plan)
    np.testing.assert_allclose(scaled.values, factor * plain.values, rtol=rtol)
    np.testing.assert_array_equal(scaled.status, plain.status)


@ALL
def test_ordering_where_there_is_a_law(name, losses):
    targets = [Target(m, x) for m in ("var", "es", "expectile") for x in (0.95, 0.975, 0.99)]
    walk = walked(FORECASTERS[name], losses[:300], targets=targets)
    has_law = np.isfinite(walk.density[:, 0]).all()
    if name == "caviar-adaptive":  # each level steps by itself, and they do cross: then the row says so
        bad = [(np.diff(walk.values[:, i : i + 3], axis=1) < 0).any(axis=1) for i in (0, 3)]
        assert (walk.status[bad[0] | bad[1]] >= Status.implausible).all()
        return
    var, es, expectile = walk.values[:, :3], walk.values[:, 3:6], walk.values[:, 6:]
    crossings = int((es < var).sum() + sum((np.diff(x, axis=1) < 0).sum() for x in (var, es, expectile)))
    if has_law:
        assert crossings == 0
    elif name.startswith(LEVELS_APART):
        pytest.skip(f"{crossings} crossings of levels that are estimated apart; such rows are marked, see below")
    else:
        assert crossings <= 0.05 * walk.values.size, f"{crossings} crossings"


@ALL
def test_a_row_that_is_ok_has_its_levels_in_order(name, losses):
    targets = [Target(m, x) for m in ("var", "es", "expectile") for x in (0.9, 0.95, 0.975)]
    targets = [t for t in targets if FORECASTERS[name].offers(t)]
    if not targets:
        pytest.skip("it offers one VaR, at another level")
    wild = np.concatenate([losses[:300], [0.2], losses[300:340]])  # one crash, and the days after it
    walk = walked(FORECASTERS[name], wild, targets=targets)
    places = offered(name, targets)
    ok = walk.values[walk.status < Status.implausible][:, places]
    assert ok.size
    for low, high in ordered_pairs([targets[i] for i in places]):
        assert (ok[:, high] >= ok[:, low] - 1e-9).all()


@pytest.mark.parametrize("name", [n for n in FORECASTERS if not n.startswith(NO_FREE_MEAN)])
def test_shift_equivariance_with_a_free_mean(name, losses):
    """A constant added to every loss is added to every forecast."""
    shift = 0.004
    plain = walked(FORECASTERS[name], losses[:260])
    moved = walked(FORECASTERS[name], losses[:260] + shift)
    np.testing.assert_allclose(moved.values, plain.values + shift, rtol=1e-4)


@ALL
def test_constant_losses(name):
    """Sample laws give the constant with status boundary; an estimated volatility or tail fails visibly."""
    walk = walked(FORECASTERS[name], np.full(320, 0.01))
    assert walk.values.shape == (70, 5)
    law = getattr(FORECASTERS[name], "law", None)
    volatility = getattr(FORECASTERS[name], "volatility", None)
    if law is not None and law.is_sample and not volatility.estimated:
        np.testing.assert_allclose(walk.values, 0.01, rtol=1e-12)
        assert set(walk.status) == {Status.boundary}
    elif law is not None and law.is_sample:
        assert set(walk.status) <= {Status.fallback, Status.failed}
    else:
        assert set(walk.status) == {Status.failed}
        assert np.isnan(walk.values).all()


@ALL
def test_too_short_a_window_is_an_error_not_a_crash(name):
    forecaster, targets = FORECASTERS[name], [la.TARGETS[i] for i in offered(name)]
    for n_rows in (2, 3, 5):
        given = la.rows(la.columns(forecaster, n_rows), slice(None))
        try:
            fitted = forecaster.fit(la.series(n_rows), targets, **given)
        except FitError:
            continue
        assert fitted.predict(la.series(n_rows), targets, 1, **given).shape == (1, len(targets))


@ALL
def test_no_row_is_dropped(name, losses):
    walk = walked(FORECASTERS[name], losses[:330], stop=331)
    assert walk.values.shape[0] == walk.status.size == 81
    assert np.isfinite(walk.values[walk.status != Status.failed][:, offered(name)]).all()
    assert np.isnan(walk.density[-1, 2:]).all()


READS_EXOG = [name for name, forecaster in FORECASTERS.items() if exog_names(forecaster)]


@pytest.mark.parametrize("name", READS_EXOG)
def test_a_window_with_an_unknown_column_fails_and_says_which(name, losses):
    """Before a column's first value there is no fit by it; from the first window that it fills all is as ever."""
    forecaster = FORECASTERS[name]
    exog = la.columns(forecaster, losses.size)
    unknown = exog.copy()
    unknown[:40, -1] = np.nan
    column = exog_names(forecaster)[-1]
    forecast_by_model = column in fresh_names(forecaster)  # then a gap of ten days at most may stand in a window
    rule = "not be missing for more than 10 days" if forecast_by_model else "be known on every day of the window"
    with pytest.raises(FitError, match=f"exog column `{column}` must {rule}"):
        forecaster.fit(losses[:250].copy(), la.TARGETS, exog=unknown[:250].copy())
    walk, full = (walked(forecaster, losses, exog=x, stop=360) for x in (unknown, exog))
    own = walk.status < Status.stale_params
    assert not own[:50].any()
    assert own[50:].all()
    np.testing.assert_allclose(walk.values[50:], full.values[50:], rtol=1e-6)


@pytest.mark.parametrize("name", READS_EXOG)
def test_its_columns_are_asked_for(name, losses):
    days = pd.date_range("2020-01-01", periods=losses.size, freq="B")
    frame = pd.DataFrame({"A": losses}, index=days)
    column = exog_names(FORECASTERS[name])[0]
    with pytest.raises(
        ConfigError, match=f"exog must hold the column '{column}' that model '{name}' reads for asset 'A'"
    ):
        forecast(frame, [name], ["var:0.99"], la.PLAN)
