"""Our own estimation of GARCH and GJR: never below arch's, the same from any start, few evaluations when warm."""

from __future__ import annotations

import numpy as np
import pytest

import riskcore as rc
from riskcore._types import Status
from riskcore.distributions import GED, Empirical, Normal, SkewT, StudentT
from riskcore.volatility import AR1, EGARCH, GARCH, GJR, ConstantMean, ZeroMean, fast, search

PAIRS = [(family, law) for family in (GARCH(), GJR()) for law in (Normal(), StudentT(), SkewT(), GED())]
IDS = [f"{family.short}-{law.short}" for family, law in PAIRS]


@pytest.fixture(scope="module")
def losses(sample_data):
    return rc.to_losses(rc.read_prices(sample_data / "indices.csv"))["S&P 500"].to_numpy()


def by_arch(monkeypatch, *arguments, **options):
    with monkeypatch.context() as patched:
        patched.setattr(search.Search, "run", lambda self, start: self._by_arch(start))
        return arguments[0].fit(*arguments[1:], **options)


def volatility(family, window, fit):
    return family.filter(window, fit)[1][-1]


@pytest.mark.parametrize(("family", "law"), PAIRS, ids=IDS)
def test_optimum_is_not_below_archs_and_the_same_forecast_where_equal(losses, monkeypatch, family, law):
    for first in (0, 1500, 3700):
        window = losses[first : first + 1000]
        ours = family.fit(window, mean=ConstantMean(), law=law)
        archs = by_arch(monkeypatch, family, window, mean=ConstantMean(), law=law)
        gap = ours.log_likelihood - archs.log_likelihood
        assert gap > -1e-6
        if gap < 1e-6:
            same = volatility(family, window, archs)
            assert volatility(family, window, ours) == pytest.approx(
                same, rel=1e-5
            )  # the polish of arch's is the rough one


@pytest.mark.parametrize(("family", "law"), PAIRS, ids=IDS)
def test_a_chain_gives_the_forecasts_of_cold_fits(losses, family, law):
    warm = None
    for first in range(2000, 2040):
        window = losses[first : first + 1000]
        warm = family.fit(window, mean=ConstantMean(), law=law, start=warm)
        if first % 13 == 0:
            cold = family.fit(window, mean=ConstantMean(), law=law)
            assert warm.log_likelihood == pytest.approx(cold.log_likelihood, abs=1e-7)
            assert volatility(family, window, warm) == pytest.approx(volatility(family, window, cold), rel=1e-6)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e3])
def test_forecasts_go_with_the_scale_of_the_losses(losses, scale):
    window = losses[:800]
    plain = GJR().fit(window, mean=ConstantMean(), law=StudentT())
    scaled = GJR().fit(scale * window, mean=ConstantMean(), law=StudentT())
    assert volatility(GJR(), scale * window, scaled) == pytest.approx(
        scale * volatility(GJR(), window, plain), rel=1e-6
    )


def test_a_warm_fit_needs_few_evaluations(losses, monkeypatch):
    """A count, not a time: daily refits of GARCH-t over 200 windows, those that start cold left out."""
    counts, honest = [], fast.maximise

    def counted(*arguments):
        found = honest(*arguments)
        counts.append(found.evaluations)
        return found

    monkeypatch.setattr(fast, "maximise", counted)
    fit = None
    for first in range(200):
        fit = GARCH().fit(losses[first : first + 1000], mean=ConstantMean(), law=StudentT(), start=fit)
    assert np.mean(counts[1:]) < 5
    assert counts[0] < 400


def test_a_law_with_set_parameters_keeps_them(losses):
    fit = GARCH().fit(losses[:1000], mean=ZeroMean(), law=SkewT(nu=6.0))
    assert fit.law.nu == 6.0
    assert fit.law.skew is not None
    assert fit.mean_params == ()


@pytest.mark.parametrize("law", [Normal(), StudentT()])
def test_a_weak_window_finds_the_trend(losses, law):
    """A calm year in which no shock matters: alpha is zero, and the variance drifts; no point of a grid is better."""
    window = losses[4400:4650]
    fit = GARCH().fit(window, mean=ConstantMean(), law=law)
    grid = [
        GARCH().log_likelihood(
            window,
            mean=ConstantMean(),
            mean_params=fit.mean_params,
            params={"omega": fit.presample * (1 - persistence) * level, "alpha": alpha, "beta": persistence - alpha},
            law=fit.law,
        )
        for alpha in (0.0, 0.02, 0.1, 0.3)
        for persistence in (0.5, 0.9, 0.98, 0.998)
        for level in (0.3, 0.6, 1.0, 1.5)
    ]
    assert fit.log_likelihood >= max(grid) - 1e-9


def test_what_the_kernel_does_not_serve_goes_to_arch(losses, monkeypatch):
    monkeypatch.setattr(fast, "maximise", lambda *_: pytest.fail("not for this kernel"))
    window = losses[:400]
    assert EGARCH().fit(window, mean=ConstantMean(), law=Normal()).tracks is None
    assert GARCH().fit(window, mean=AR1(), law=Normal()).tracks is None


def test_status_says_boundary_where_a_parameter_is_on_its_limit(losses):
    fit = GJR().fit(losses[3000:4000], mean=ConstantMean(), law=Empirical())
    assert fit.params["alpha"] == pytest.approx(0.0, abs=1e-9)
    assert fit.status == Status.boundary
