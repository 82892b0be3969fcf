"""How precise a measure of one sample is: standard errors, intervals and the few losses that decide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray
from riskcore.errors import require
from riskcore.measures.rows import exact_level, sorted_expectile, sorted_var, tail_probability
from riskcore.measures.sample import checked_level, checked_sample


class Interval(NamedTuple):
    """Bounds of an interval and the probability with which it holds the true value."""

    low: float
    high: float
    coverage: float


def value_at_risk_standard_error(sample: npt.ArrayLike, level: float) -> float:
    r"""Standard error of the sample VaR for independent losses, with a kernel estimate of the density.

    .. math:: \sqrt{p(1-p)/n}\, / \hat f(v)

    The density is a Gaussian kernel estimate with Silverman's bandwidth; in the far tail it smooths too much and the
    standard error is too small. `value_at_risk_interval` needs no density.

    Parameters
    ----------
    sample : array_like
        Losses, one dimension.
    level : float
        In (0, 1).

    Returns
    -------
    float
        NaN for losses without spread.

    Raises
    ------
    DataError
        If the sample is empty, not one-dimensional or has entries that are not finite.
    ConfigError
        If the level lies outside (0, 1).

    Examples
    --------
    >>> round(value_at_risk_standard_error(np.linspace(0.0, 1.0, 1001), 0.5), 4)
    0.0158
    """
    p, losses = checked_level(level), np.sort(checked_sample(sample))
    n, v = losses.size, float(sorted_var(losses, p))
    quartiles = np.quantile(losses, [0.25, 0.75])
    spreads = [x for x in (float(losses.std()), float(quartiles[1] - quartiles[0]) / 1.349) if x > 0.0]
    if not spreads:
        return math.nan
    bandwidth = 0.9 * min(spreads) * n**-0.2
    density = float(np.mean(np.exp(-0.5 * ((losses - v) / bandwidth) ** 2))) / (bandwidth * math.sqrt(2.0 * math.pi))
    return float(math.sqrt(p * tail_probability(p) / n) / density)


def value_at_risk_interval(sample: npt.ArrayLike, level: float, *, coverage: float = 0.95) -> Interval:
    r"""Interval for the VaR between two order statistics, valid for every continuous law of independent losses.

    .. math:: P(L_{(i)} \le q_p < L_{(j)}) = P(i \le B < j), \quad B \sim \mathrm{Bin}(n, p)

    `i` and `j` leave at most half of ``1 - coverage`` on each side; a side for which the sample is too short is
    infinite.

    Parameters
    ----------
    sample : array_like
        Losses, one dimension.
    level : float
        In (0, 1).
    coverage : float
        Smallest probability that the interval holds the true VaR, in (0, 1).

    Returns
    -------
    Interval
        ``low, high`` and the exact ``coverage``, at least the one asked for.

    Raises
    ------
    DataError
        If the sample is empty, not one-dimensional or has entries that are not finite.
    ConfigError
        If the level or the coverage lies outside (0, 1).

    References
    ----------
    David and Nagaraja (2003), Order Statistics, 3rd ed., section 7.1.

    Examples
    --------
    >>> value_at_risk_interval(np.arange(1.0, 101.0), 0.5)
    Interval(low=40.0, high=61.0, coverage=0.9647997997822952)
    """
    from scipy.special import bdtr

    p, share, losses = checked_level(level), checked_level(coverage, "coverage"), np.sort(checked_sample(sample))
    n, side = losses.size, 0.5 * (1.0 - share)
    cdf = np.concatenate([[0.0], bdtr(np.arange(n), n, p), [1.0]])  # cdf[k] = P(B < k), k = 0..n+1
    i = int(np.searchsorted(cdf[: n + 1], side, side="right")) - 1  # largest i with P(B < i) <= side
    j = int(np.searchsorted(1.0 - cdf[::-1], side, side="right"))  # number of k with P(B >= k) <= side
    j = n + 2 - j if j else n + 1
    low = -math.inf if i == 0 else float(losses[i - 1])
    high = math.inf if j > n else float(losses[j - 1])
    return Interval(low, high, float(cdf[min(j, n + 1)] - cdf[i]))


def expected_shortfall_standard_error(sample: npt.ArrayLike, level: float, *, lags: int = 0) -> float:
    r"""Standard error of the sample ES: that of the mean of :math:`v + (L_t - v)^+/(1-p)`.

    Without lags it is :math:`\sqrt{[\mathrm{Var}(L|L>v) + p(\mathrm{ES}-v)^2]/(n(1-p))}`. Intervals from it are too
    short in small samples: for t(5) losses at 0.975 nominal 95 % covers 82 % at n = 250, 90 % at 1000.

    Parameters
    ----------
    sample : array_like
        Losses, one dimension, in time order if `lags` is used.
    level : float
        In (0, 1).
    lags : int
        Lags of the Bartlett long-run variance for dependent losses; 0 for independent ones.

    Returns
    -------
    float
        No NaN is returned; zero for losses without spread.

    Raises
    ------
    DataError
        If the sample is empty, not one-dimensional or has entries that are not finite.
    ConfigError
        If the level lies outside (0, 1) or `lags` is no whole number in [0, n).

    References
    ----------
    Chen (2008), Journal of Financial Econometrics 6(1), doi:10.1093/jjfinec/nbm019.

    Examples
    --------
    >>> round(expected_shortfall_standard_error([1.0, 2.0, 3.0, 4.0], 0.5), 4)
    0.8292
    """
    p, losses = checked_level(level), checked_sample(sample)
    v = float(sorted_var(np.sort(losses), p))
    return _mean_standard_error(np.maximum(losses - v, 0.0) / tail_probability(p), lags)


def expectile_standard_error(sample: npt.ArrayLike, level: float, *, lags: int = 0) -> float:
    r"""Standard error of the sample expectile, :math:`\sqrt{E\psi^2/n}/D`.

    .. math:: \psi = |\tau - 1\{L \le m\}|(L-m), \qquad D = \tau(1-F(m)) + (1-\tau)F(m)

    It needs a second moment. **In the far tail it is far too short**: for t(5) losses at 0.99855 nominal 95 % covers
    61 % at n = 250 and 80 % at 1000; see `expectile_diagnostics`.

    Parameters
    ----------
    sample : array_like
        Losses, one dimension, in time order if `lags` is used.
    level : float
        In (0, 1).
    lags : int
        Lags of the Bartlett long-run variance of psi for dependent losses; 0 for independent ones.

    Returns
    -------
    float
        No NaN is returned; zero for losses without spread.

    Raises
    ------
    DataError
        If the sample is empty, not one-dimensional or has entries that are not finite.
    ConfigError
        If the level lies outside (0, 1) or `lags` is no whole number in [0, n).

    References
    ----------
    Holzmann and Klar (2016), Electronic Journal of Statistics 10(2), doi:10.1214/16-EJS1173.

    Examples
    --------
    >>> round(expectile_standard_error([1.0, 4.0, 2.0, -1.0], 0.5), 4)
    0.9014
    """
    tau, losses = checked_level(level), checked_sample(sample)
    m = float(sorted_expectile(np.sort(losses), tau))
    pull = np.where(losses > m, tau, tail_probability(tau))
    return _mean_standard_error(pull * (losses - m), lags) / float(pull.mean())


@dataclass(frozen=True)
class ExpectileDiagnostics:
    """What stands beside every expectile VaR: which losses decide it and what it equals.

    Attributes
    ----------
    level, expectile : float
        The level and the sample's expectile there.
    n_obs, n_above : int
        Losses in the sample and above the expectile.
    largest_share : float
        Share of the largest loss in the sum of ``(L - m)+``; NaN where no loss lies above.
    implied_var_level : float
        Share of losses at or below the expectile: the VaR level it corresponds to.
    gain_loss_ratio : float
        ``tau / (1 - tau)``: mean shortfall below the expectile for one unit of mean excess above it.
    equal_es_level : float
        Level at which the sample's ES has the same value; NaN below level 0.5 and for losses without spread.
    """

    level: float
    expectile: float
    n_obs: int
    n_above: int
    largest_share: float
    implied_var_level: float
    gain_loss_ratio: float
    equal_es_level: float

    @property
    def thin(self) -> bool:
        """Whether fewer than 10 losses lie above the expectile: its standard error is then not to be trusted."""
        return self.n_above < 10


def expectile_diagnostics(sample: npt.ArrayLike, level: float) -> ExpectileDiagnostics:
    """Say on how many losses the expectile rests and which VaR and ES levels it equals.

    Parameters
    ----------
    sample : array_like
        Losses, one dimension.
    level : float
        In (0, 1).

    Returns
    -------
    ExpectileDiagnostics
        NaN only where its attributes say so.

    Raises
    ------
    DataError
        If the sample is empty, not one-dimensional or has entries that are not finite.
    ConfigError
        If the level lies outside (0, 1).

    Examples
    --------
    >>> found = expectile_diagnostics([1.0, 4.0, 2.0, -1.0], 0.8)
    >>> found.n_above, found.implied_var_level, round(found.gain_loss_ratio, 6), round(found.equal_es_level, 6)
    (1, 0.75, 4.0, 0.363636)
    """
    tau, losses = checked_level(level), np.sort(checked_sample(sample))
    m = float(sorted_expectile(losses, tau))
    above = losses[losses > m] - m
    exact = exact_level(tau)
    return ExpectileDiagnostics(
        level=tau,
        expectile=m,
        n_obs=losses.size,
        n_above=above.size,
        largest_share=float(above[-1] / above.sum()) if above.size else math.nan,
        implied_var_level=1.0 - above.size / losses.size,
        gain_loss_ratio=float(exact / (1 - exact)),
        equal_es_level=sorted_es_level(losses, m),
    )


def sorted_es_level(losses: FloatArray, value: float, *, weights: FloatArray | None = None) -> float:
    """Level at which the ES of ascending losses equals `value`; NaN outside of (mean, largest loss).

    The integral of the upper quantiles over a tail of size `u` is concave and piecewise linear: find its piece.
    """
    w = np.full(losses.size, 1.0 / losses.size) if weights is None else weights
    if not float((w * losses).sum()) < value < losses[-1]:
        return math.nan
    excess = np.cumsum((w * (losses - value))[::-1])  # over `value`: positive while the tail's mean exceeds it
    n_in = int(np.argmax(excess <= 0.0))  # losses wholly in the tail; the next one enters in part
    following = losses[losses.size - 1 - n_in]
    return float(1.0 - w[losses.size - n_in :].sum() - excess[n_in - 1] / (value - following))


def _mean_standard_error(values: FloatArray, lags: int) -> float:
    """Standard error of a mean; Bartlett weights on `lags` autocovariances, which keep the variance non-negative."""
    n = values.size
    ok = isinstance(lags, (int, np.integer)) and not isinstance(lags, bool) and 0 <= lags < n
    require(ok, f"lags must be a whole number in [0, {n - 1}], got {lags!r}")
    x = values - values.mean()
    variance = float(x @ x) / n
    for k in range(1, lags + 1):
        variance += 2.0 * (1.0 - k / (lags + 1.0)) * float(x[k:] @ x[:-k]) / n
    return math.sqrt(max(variance, 0.0) / n)
