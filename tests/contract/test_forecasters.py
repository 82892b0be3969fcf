"""The contract that every entry of FORECASTERS keeps; a new model is tested by being listed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riskcore import FORECASTERS, Status, Target, WalkForward
from riskcore.errors import FitError
from riskcore.walkforward import loop, ordered_pairs, walk_forward

sys.path.insert(0, str(Path(__file__).parent))
import lookahead as la

ALL = pytest.mark.parametrize("name", list(FORECASTERS))


@pytest.fixture(scope="module")
def losses() -> np.ndarray:
    return la.series()


@ALL
def test_never_looks_ahead(name, losses):
    walk = la.honest(FORECASTERS[name])
    assert la.differences(walk, losses, la.BLOCK) == []
    assert la.reacts(walk, losses, 310)


@pytest.mark.nightly
@ALL
def test_never_looks_ahead_large(name):
    losses = la.series(2000, seed=7)
    rng = np.random.default_rng(11)
    forecaster = la.Remembering(FORECASTERS[name])
    plan = WalkForward(window=500, refit_every=25)
    cuts = sorted(rng.choice(np.arange(501, 1990), size=50, replace=False).tolist())
    plain = walk_forward(losses, forecaster, la.TARGETS, plan)
    for cut in cuts:
        for kind, changed in la.mutations(losses, cut).items():
            block_stop = min(cut + 25 - (cut - 500) % 25, 2000)
            first = max(500, cut - 60)
            after = walk_forward(
                changed, forecaster, la.TARGETS, plan, first=first, stop=cut + 1 if kind == "cut off" else block_stop
            )
            rows = slice(first - plain.first, cut + 1 - plain.first)
            np.testing.assert_allclose(
                plain.values[rows], after.values[: cut + 1 - first], rtol=1e-12 if kind == "cut off" else 0, atol=0
            )


@ALL
def test_walk_is_the_daily_definition(name, losses):
    """A block forecast in one call equals the days forecast one by one, each from its own past."""
    forecaster = la.Remembering(FORECASTERS[name])
    walk = walk_forward(losses, forecaster, la.TARGETS, la.PLAN, stop=340)
    start = None
    for block in la.PLAN.blocks(340):
        fitted = forecaster.fit(losses[block.train].copy(), la.TARGETS, start=start)
        start = fitted
        for row in range(block.test.start, block.test.stop, 7):
            day = fitted.predict(losses[block.train.start : row].copy(), la.TARGETS, 1)
            np.testing.assert_allclose(walk.values[row - 250], day[0], rtol=1e-10)
            law = fitted.predictive(losses[block.train.start : row].copy(), 1)
            if law is not None:
                np.testing.assert_allclose(walk.density[row - 250, :2], [law.mean[0], law.volatility[0]], rtol=1e-10)


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
    return [walk_forward(losses, f, la.TARGETS, plan, **rows) for f in (forecaster, OneByOne(forecaster))]


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
    assert np.isfinite(got.values[got.status != Status.failed]).all()
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
    n = 150 + 60 * refit_every if refit_every == 1 else 470
    cut = n - 33
    full = walk_forward(losses[:n], forecaster, la.TARGETS, plan)
    late = walk_forward(losses[:n], forecaster, la.TARGETS, plan, first=cut - 5)
    monkeypatch.setattr(loop, "AT_ONCE", 1)
    small = walk_forward(losses[:n], forecaster, la.TARGETS, plan)
    for part in ("values", "status", "density", "tail"):
        np.testing.assert_array_equal(getattr(small, part), getattr(full, part))
        np.testing.assert_array_equal(getattr(late, part), getattr(full, part)[cut - 155 :])
    monkeypatch.undo()
    for kind, changed in la.mutations(losses[:n], cut).items():
        if kind == "nan":
            continue  # losses are finite
        after = walk_forward(changed, forecaster, la.TARGETS, plan, stop=cut + 1)
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
    full = walk_forward(losses, forecaster, la.TARGETS, la.PLAN, stop=360)
    late = walk_forward(losses, forecaster, la.TARGETS, la.PLAN, first=317, stop=360)
    assert late.first == 317
    np.testing.assert_array_equal(full.values[67:], late.values)
    np.testing.assert_array_equal(full.status[67:], late.status)
    np.testing.assert_array_equal(full.tail[67:], late.tail)


@ALL
@pytest.mark.parametrize(("factor", "rtol"), [(128.0, 1e-12), (137.0, 1e-5)])
def test_scale_equivariance(name, factor, rtol, losses):
    """Losses in other units give forecasts in those units; where rounding moves, to the optimiser's tolerance."""
    plan = WalkForward(window=250, refit_every=50)
    plain = walk_forward(losses[:300], FORECASTERS[name], la.TARGETS, plan)
    scaled = walk_forward(factor * losses[:300], FORECASTERS[name], la.TARGETS, plan)
    np.testing.assert_allclose(scaled.values, factor * plain.values, rtol=rtol)
    np.testing.assert_array_equal(scaled.status, plain.status)


@ALL
def test_ordering_where_there_is_a_law(name, losses):
    targets = [Target(m, x) for m in ("var", "es", "expectile") for x in (0.95, 0.975, 0.99)]
    walk = walk_forward(losses[:300], FORECASTERS[name], targets, la.PLAN)
    has_law = np.isfinite(walk.density[:, 0]).all()
    var, es, expectile = walk.values[:, :3], walk.values[:, 3:6], walk.values[:, 6:]
    crossings = int((es < var).sum() + sum((np.diff(x, axis=1) < 0).sum() for x in (var, es, expectile)))
    if has_law:
        assert crossings == 0
    else:
        assert crossings <= 0.05 * walk.values.size, f"{crossings} crossings"


@ALL
def test_a_row_that_is_ok_has_its_levels_in_order(name, losses):
    targets = [Target(m, x) for m in ("var", "es", "expectile") for x in (0.9, 0.95, 0.975)]
    wild = np.concatenate([losses[:300], [0.2], losses[300:340]])  # one crash, and the days after it
    walk = walk_forward(wild, FORECASTERS[name], targets, la.PLAN)
    ok = walk.values[walk.status < Status.implausible]
    assert ok.size
    for low, high in ordered_pairs(targets):
        assert (ok[:, high] >= ok[:, low] - 1e-9).all()


@pytest.mark.parametrize(
    "name", [n for n in FORECASTERS if not n.startswith(("ewma", "fhs", "rm2006", "egarch", "care"))]
)
def test_shift_equivariance_with_a_free_mean(name, losses):
    """A constant added to every loss is added to every forecast."""
    shift = 0.004
    plain = walk_forward(losses[:260], FORECASTERS[name], la.TARGETS, la.PLAN)
    moved = walk_forward(losses[:260] + shift, FORECASTERS[name], la.TARGETS, la.PLAN)
    np.testing.assert_allclose(moved.values, plain.values + shift, rtol=1e-4)


@ALL
def test_constant_losses(name):
    """Sample laws give the constant with status boundary; an estimated volatility or tail fails visibly."""
    walk = walk_forward(np.full(320, 0.01), FORECASTERS[name], la.TARGETS, la.PLAN)
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
    forecaster = FORECASTERS[name]
    for n_rows in (2, 3, 5):
        try:
            fitted = forecaster.fit(la.series(n_rows), la.TARGETS)
        except FitError:
            continue
        assert fitted.predict(la.series(n_rows), la.TARGETS, 1).shape == (1, len(la.TARGETS))


@ALL
def test_no_row_is_dropped(name, losses):
    walk = walk_forward(losses[:330], FORECASTERS[name], la.TARGETS, la.PLAN, stop=331)
    assert walk.values.shape[0] == walk.status.size == 81
    assert np.isfinite(walk.values[walk.status != Status.failed]).all()
    assert np.isnan(walk.density[-1, 2:]).all()
