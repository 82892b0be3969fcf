"""Our own estimation of GARCH, GJR and EGARCH: never below arch's, one window like many, few evaluations when warm."""

from __future__ import annotations

import numpy as np
import pytest

import riskcore as rc
from riskcore._types import Status
from riskcore.distributions import GED, Empirical, Normal, SkewT, StudentT
from riskcore.errors import FitError
from riskcore.kernels import kinks
from riskcore.volatility import AR1, EGARCH, EWMA, GARCH, GJR, Constant, ConstantMean, ZeroMean, fast, search
from riskcore.volatility import problem as problems

LAWS = (Normal(), StudentT(), SkewT(), GED())
PAIRS = [(family, law) for family in (GARCH(), GJR()) for law in LAWS]
IDS = [f"{family.short}-{law.short}" for family, law in PAIRS]
ALL = [*PAIRS, *((EGARCH(), law) for law in LAWS), (GARCH(start="sample-variance"), Normal()), (GJR(), Empirical())]
ALL_IDS = [f"{family.short}-{family.start}-{law.short}" for family, law in ALL]
N = 700
"""Losses in the windows of the chains: enough that not each of them is weak."""


@pytest.fixture(scope="module")
def losses(sample_data):
    return rc.to_losses(rc.read_prices(sample_data / "indices.csv"))["S&P 500"].to_numpy()


def by_arch(monkeypatch, *arguments, **options):
    with monkeypatch.context() as patched:
        patched.setattr(search.Search, "run", lambda self, start: self._by_arch(start))
        return arguments[0].fit(*arguments[1:], **options)


def volatility(family, window, fit):
    return family.filter(window, fit)[1][-1]


def problem(family, law, mean=None):
    mean = ConstantMean() if mean is None else mean
    return problems.problem(family.short, family.names, mean.names, Normal() if law.is_sample else law, family.moves)


def estimates(losses, family, law, begins, cold, n=N, mean=None):
    run = fast.Estimation(problem(family, law, mean), losses, begins, n, family.presample_weights(n))
    return run.run(np.asarray(cold))


def all_equal(one, other, rows, other_rows):
    """Two estimations bit for bit, window by window."""
    for a, b in (
        (one.tops.points, other.tops.points),
        (one.tops.curvatures, other.tops.curvatures),
        (one.tops.costs, other.tops.costs),
        (one.evaluations, other.evaluations),
        (one.accepted, other.accepted),
        (one.rough, other.rough),
    ):
        np.testing.assert_array_equal(a[rows], b[other_rows])


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


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.short)
def test_egarch_is_not_below_archs(losses, monkeypatch, law):
    for first in (0, 3700):  # not in the calm years, where the likelihood is rough
        window = losses[first : first + 1000]
        ours = EGARCH().fit(window, mean=ConstantMean(), law=law)
        archs = by_arch(monkeypatch, EGARCH(), window, mean=ConstantMean(), law=law)
        assert ours.log_likelihood > archs.log_likelihood - 1e-6


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


@pytest.mark.parametrize(("family", "law"), ALL, ids=ALL_IDS)
def test_many_windows_are_fits_one_by_one(losses, family, law):
    """Two chains at once, the second of which begins late: parameters, likelihood, presample, status, forecast."""
    begins, cold = np.arange(3300, 3318), np.arange(18) % 11 == 0
    fits = family.fit_windows(losses, begins, N, cold, mean=ConstantMean(), law=law)
    sigma, before = fits.filtered(losses, np.ones(18, dtype=np.int64), taken=fits.mean)
    last = None
    for i, begin in enumerate(begins):
        window = losses[begin : begin + N]
        last = family.fit(window, mean=ConstantMean(), law=law, start=None if cold[i] else last)
        got = {"mu": fits.mean[i], **dict(zip(("omega", "alpha", "gamma", "beta"), fits.recursion[i], strict=True))}
        got |= {name: values[i] for name, values in fits.law_params.items()}
        for name, value in last.all_params.items():
            assert got[name] == pytest.approx(value, rel=1e-10, abs=1e-14), name
        assert fits.log_likelihood[i] == pytest.approx(last.log_likelihood, abs=1e-7)
        assert fits.presample[i] == pytest.approx(last.presample, rel=1e-10)
        assert fits.status[i] == last.status
        mu, path = family.filter(window, last)
        assert sigma[i] == pytest.approx(path[-1], rel=1e-10)
        np.testing.assert_allclose(before[i], (window - mu[:-1]) / path[:-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("family", "law"), ALL, ids=ALL_IDS)
def test_a_window_does_not_hear_of_other_chains_nor_of_later_losses(losses, family, law):
    """Bit for bit: a cold start depends on its window alone, a chain on its windows, whatever else is estimated."""
    begins, cold = np.arange(0, 720, 40), np.arange(18) % 6 == 0
    many = estimates(losses, family, law, begins, cold)
    assert many.accepted.all()
    shorter = estimates(losses[: begins[8] + N], family, law, begins[:9], cold[:9])
    all_equal(many, shorter, slice(0, 9), slice(0, 9))
    changed = losses.copy()
    changed[begins[8] + N :] = 1e3
    all_equal(many, estimates(changed, family, law, begins, cold), slice(0, 9), slice(0, 9))
    alone = estimates(losses, family, law, begins[12:], cold[12:])
    all_equal(many, alone, slice(12, 18), slice(0, 6))
    one = estimates(losses[begins[6] : begins[6] + N].copy(), family, law, np.array([0]), [True])
    all_equal(many, one, [6], [0])


@pytest.mark.parametrize(("family", "law"), ALL, ids=ALL_IDS)
@pytest.mark.parametrize("scale", [2.0**-13, 1024.0])
def test_estimates_go_with_the_scale_of_the_losses(losses, family, law, scale):
    """To the last bit where the scale is a power of two."""
    begins, cold = np.arange(900, 912), np.arange(12) % 25 == 0
    plain = estimates(losses, family, law, begins, cold)
    scaled = estimates(scale * losses, family, law, begins, cold)
    all_equal(plain, scaled, slice(None), slice(None))
    np.testing.assert_array_equal(scaled.scales, scale * plain.scales)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e3])
def test_forecasts_go_with_the_scale_of_the_losses(losses, scale):
    window = losses[:800]
    plain = GJR().fit(window, mean=ConstantMean(), law=StudentT())
    scaled = GJR().fit(scale * window, mean=ConstantMean(), law=StudentT())
    assert volatility(GJR(), scale * window, scaled) == pytest.approx(
        scale * volatility(GJR(), window, plain), rel=1e-6
    )


@pytest.mark.parametrize(
    ("family", "law"), [(GARCH(), Normal()), (GARCH(), StudentT()), (GJR(), StudentT())], ids=lambda x: x.short
)
def test_a_warm_refit_needs_few_evaluations(losses, family, law):
    """A count, not a time: 200 daily refits, of which eight start cold. The mean is of the searches of the grid too."""
    begins = np.arange(200)
    cold = begins % 25 == 0
    found = estimates(losses, family, law, begins, cold, n=1000)
    assert np.median(found.evaluations[~cold]) <= 3.5
    assert found.evaluations[~cold].mean() < 5.0
    assert found.evaluations[cold].max() < 400


def test_a_weak_window_is_searched_again(losses):
    """Where alpha is small, the persistence low or the window short; elsewhere one descent is all."""
    task = problem(GARCH(), Normal())
    points = np.array([[0.0, 0.05, 0.08, 0.87], [0.0, 0.05, 0.02, 0.93], [0.0, 0.4, 0.1, 0.6]])
    np.testing.assert_array_equal(task.weak(1000, points), [False, True, True])
    assert task.weak(400, points).all()
    begins = np.arange(4400, 4406)
    short = estimates(losses, GARCH(), Normal(), begins, np.arange(6) == 0, n=250)
    assert (short.evaluations[1:] > len(task.grid)).all()
    assert (short.attempts[1:] > 1).all()
    long = estimates(losses, GARCH(), StudentT(), np.arange(3), np.arange(3) == 0, n=1000)
    assert (long.attempts[1:] == 1).all()


def test_an_egarch_that_no_descent_arrives_at_says_retry(losses, monkeypatch):
    begins = np.arange(3)
    plain = EGARCH().fit_windows(losses, begins, N, begins == 0, mean=ConstantMean(), law=Normal())
    assert set(plain.status) == {Status.ok}
    for name in ("BRIEF_MOST", "BRIEF_ONWARD"):
        monkeypatch.setattr(fast, name, 3)  # too few evaluations to arrive
    monkeypatch.setattr(fast, "_rules", fast._rules.__wrapped__)  # which are kept otherwise
    rough = EGARCH().fit_windows(losses, begins, N, begins >= 0, mean=ConstantMean(), law=Normal())
    assert set(rough.status) == {Status.retry}
    assert (rough.log_likelihood < plain.log_likelihood).all()
    assert EGARCH().fit(losses[:N], mean=ConstantMean(), law=Normal()).status == Status.retry


def test_a_rough_egarch_is_searched_briefly_and_alone_like_among_others(losses):
    """Calm years in which no top outlives a day: from its best point one descent, the better of whose ends goes on."""
    begins = np.arange(900, 912)
    found = estimates(losses, EGARCH(), StudentT(), begins, begins == 900, n=1000)
    assert found.rough.all()
    assert found.accepted.all()
    each = 1 + found.problem.slots.size + fast.BRIEF_MOST + fast.BRIEF_ONWARD
    assert found.evaluations[1:].max() <= fast.KEPT * each
    assert found.evaluations[1:].mean() < 250
    fits = EGARCH().fit_windows(losses, begins, 1000, begins == 900, mean=ConstantMean(), law=StudentT())
    last = None
    for i, begin in enumerate(begins[:6]):
        last = EGARCH().fit(losses[begin : begin + 1000], mean=ConstantMean(), law=StudentT(), start=last)
        assert last.status == fits.status[i]
        assert fits.log_likelihood[i] == pytest.approx(last.log_likelihood, abs=1e-7)
        assert fits.recursion[i] == pytest.approx(list(last.params.values()), rel=1e-10)


def test_an_egarch_goes_on_beyond_a_loss_near_the_mean(losses, monkeypatch):
    """The likelihood has a kink where the mean is a loss; arch's better top lies behind it, as foretold."""
    family, told = EGARCH(), []
    look = kinks.beyond_kinks

    def listen(*given):
        look(*given)
        told.append(given[-1].max())

    monkeypatch.setattr(kinks, "beyond_kinks", listen)
    for first in (2570, 3950):
        window = losses[first : first + 1000]
        archs = by_arch(monkeypatch, family, window, mean=ConstantMean(), law=StudentT())
        told.clear()
        ours = family.fit(window, mean=ConstantMean(), law=StudentT())
        with monkeypatch.context() as patch:
            patch.setattr(fast, "NEAR", 0.0)
            short = family.fit(window, mean=ConstantMean(), law=StudentT())
        assert ours.log_likelihood == pytest.approx(archs.log_likelihood, abs=1e-6)
        gain = ours.log_likelihood - short.log_likelihood
        assert gain > 5e-4
        assert told[0] == pytest.approx(gain, rel=0.2)
        between = np.sort([ours.mean_params[0], short.mean_params[0]])
        assert ((window > between[0]) & (window < between[1])).any()


def test_an_egarch_may_drift_away_from_its_start():
    """A log variance that rises by two percent a day: it has no level, and its persistence is one."""
    z, log_variance = np.random.default_rng(1).standard_normal(1000), np.zeros(1001)
    for t in range(1000):
        log_variance[t + 1] = log_variance[t] + 0.02 + 0.3 * (abs(z[t]) - np.sqrt(2.0 / np.pi))
    window = z * np.exp(0.5 * log_variance[:-1])
    fit = EGARCH().fit(window, mean=ZeroMean(), law=Normal())
    assert fit.params["beta"] > 1.0 - 1e-6
    assert fit.status == Status.boundary
    assert fit.params["omega"] == pytest.approx(0.02, abs=0.005)
    true = {"omega": 0.02, "alpha": 0.3, "gamma": 0.0, "beta": 1.0 - 1e-7}
    assert fit.log_likelihood > EGARCH().log_likelihood(
        window, mean=ZeroMean(), mean_params=(), params=true, law=Normal()
    )


def test_windows_without_variance_fail_and_the_chain_goes_on(losses):
    """A run of equal losses longer than the window; the window after it starts from the grid."""
    x = losses[:1000].copy()
    x[300:620] = 0.013
    begins = np.arange(290, 325)
    for family, law in ((GARCH(), StudentT()), (EGARCH(), Normal()), (GJR(), Empirical())):
        fits = family.fit_windows(x, begins, 300, begins == 290, mean=ConstantMean(), law=law)
        without = (begins >= 300) & (begins <= 320)
        assert (fits.status[without] == Status.failed).all()
        with pytest.raises(FitError):
            family.fit(x[begins[without][0] :][:300], mean=ConstantMean(), law=law)
    fits = GARCH().fit_windows(np.zeros(400), np.arange(4), 300, np.arange(4) == 0, mean=ZeroMean(), law=SkewT())
    assert (fits.status == Status.failed).all()


@pytest.mark.parametrize("family", [GARCH(), GJR()], ids=lambda family: family.short)
def test_a_presample_of_zero(losses, family):
    """The first losses are all equal to the mean: the variance starts at omega. A log variance has no such start."""
    window = losses[:400].copy()
    window[:80] = 0.0
    before = family.fit(losses[:400], mean=ZeroMean(), law=Normal())
    fits = [family.fit(window, mean=ZeroMean(), law=Normal(), start=start) for start in (None, before)]
    assert fits[0].presample == 0.0
    assert fits[0].log_likelihood == pytest.approx(fits[1].log_likelihood, abs=1e-6)
    assert fits[0].tracks is not None
    with pytest.raises(FitError):
        EGARCH().fit(window, mean=ZeroMean(), law=Normal())


@pytest.mark.parametrize("law", [Normal(), StudentT()])
@pytest.mark.parametrize("family", [GARCH(), GJR()], ids=lambda family: family.short)
def test_no_estimate_leaves_its_bounds(losses, family, law):
    """Windows that are half constant push parameters onto their bounds, and the curvature out of all scale."""
    x = losses[:300].copy()
    x[130:260] = 0.004
    begins = np.arange(40, 129)
    found = estimates(x, family, law, begins, begins % 25 == 0, n=100)
    rows, limits = found.problem.constraints
    points = found.tops.points[:, 0][found.accepted]
    assert points.shape[0] > 60
    assert (points @ rows.T - limits).min() > -1e-9
    params = {name: values[found.accepted] for name, values in found.params().items()}
    assert params["alpha"].min() >= 0.0
    assert params["beta"].min() >= 0.0


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
    monkeypatch.setattr(fast, "Estimation", lambda *_: pytest.fail("not for this kernel"))
    window = losses[:400]
    assert GARCH().fit(window, mean=AR1(), law=Normal()).tracks is None
    one = np.array([0])
    assert GARCH().fit_windows(window, one, 400, one == 0, mean=AR1(), law=Normal()) is None
    assert Constant().fit_windows(window, one, 400, one == 0, mean=ZeroMean(), law=Normal()) is None
    assert EWMA().fit_windows(window, one, 400, one == 0, mean=ZeroMean(), law=StudentT()) is None


@pytest.mark.parametrize("mean", [ZeroMean(), ConstantMean()], ids=lambda mean: mean.short)
def test_ewma_of_many_windows_is_fits_one_by_one(losses, mean):
    x = losses[:300].copy()
    x[100:240] = 0.004
    begins, days = np.arange(0, 180, 10), np.full(18, 7)
    fits = EWMA().fit_windows(x, begins, 100, begins == 0, mean=mean, law=Empirical())
    sigma, before = fits.filtered(x, days, taken=fits.mean)
    for i, begin in enumerate(begins):
        fit = EWMA().fit(x[begin : begin + 100], mean=mean, law=Empirical())
        assert fits.status[i] == fit.status
        mu, path = EWMA().filter(x[begin : begin + 106], fit)
        np.testing.assert_allclose(sigma[7 * i : 7 * i + 7], path[100:], rtol=1e-12, atol=1e-18)
        residuals = (x[begin : begin + 106] - mu[:-1]) / np.where(path[:-1] == 0, 1.0, path[:-1])
        for day in range(7):
            np.testing.assert_allclose(before[7 * i + day], residuals[day : day + 100], rtol=1e-9, atol=1e-12)


def test_status_says_boundary_where_a_parameter_is_on_its_limit(losses):
    fit = GJR().fit(losses[3000:4000], mean=ConstantMean(), law=Empirical())
    assert fit.params["alpha"] == pytest.approx(0.0, abs=1e-9)
    assert fit.status == Status.boundary
