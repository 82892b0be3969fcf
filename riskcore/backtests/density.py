"""Tests of the whole law by the probability integral transform u = F(L): uniform, and independent over time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import bdtr, gammaln, kolmogorov

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import ASYMPTOTIC, EXACT, BacktestResult, Detail, Sample, Seed, chi2_sf, choice, undefined
from riskcore.backtests.nulls import SIMULATED, null_law
from riskcore.backtests.uniforms import against, path_null, pit_sample
from riskcore.errors import require

UNIFORMITY, INDEPENDENCE = "uniformity", "independence"
FEWEST = 5


def pit_uniformity(
    pit: Any,
    *,
    form: str = UNIFORMITY,
    lags: int = 5,
    p_value: str = "auto",
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether the probability integral transform is uniform, or whether it is independent over time.

    .. math:: D = \sup_u |F_n(u) - u|, \quad
              Q = T(T+2) \sum_{j=1}^{m} \frac{\rho_j^2 + \rho_j'^2}{T-j} \to \chi^2_{2m}

    ``form="uniformity"`` is the Kolmogorov-Smirnov test, two-sided. It does not look at dependence, and the centre of
    the law decides it: tail tests are apart. ``form="independence"`` takes the autocorrelations of u and of its square,
    both around their means: :math:`\rho` those of :math:`u - \bar u`, :math:`\rho'` those of :math:`(u - \bar u)^2`.
    The first sees a mean, the second a volatility that is not followed.

    Parameters
    ----------
    pit : array_like
        u = F(L), in [0, 1].
    form : {"uniformity", "independence"}
        See above.
    lags : int
        Autocorrelations m of the test of independence, at least 1.
    p_value : {"auto", "exact", "simulated", "asymptotic"}
        Law of the statistic under independent uniforms: "exact" for uniformity only, "simulated" for independence
        only. "auto": exact or simulated.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated paths.
    nan : {"drop", "raise"}
        What a missing value means.

    Returns
    -------
    BacktestResult
        `details`: missing, at_bounds (values exactly 0 or 1), form; for independence lags, df, rho_1, rho_1_squares.
        NaN below 5 values, below ``lags + 2`` values for independence, and there where the PIT or the size of its
        deviations does not vary.

    Raises
    ------
    ConfigError, DataError
        For a choice that is unknown or a value outside [0, 1].

    References
    ----------
    Diebold, Gunther and Tay (1998), International Economic Review 39(4), 863-883, doi:10.2307/2527342.

    Examples
    --------
    >>> round(pit_uniformity([0.1, 0.3, 0.5, 0.7, 0.9]).statistic, 12)
    0.1
    """
    name, null = "pit_uniformity", "the PIT is uniform on [0, 1]"
    choice("form", form, (UNIFORMITY, INDEPENDENCE))
    require(isinstance(lags, int) and lags >= 1, f"lags must be a whole number of at least 1, got {lags!r}")
    independence = form == INDEPENDENCE
    if independence:
        null = "the PIT and its square are uncorrelated over time"
    sample, u, details = pit_sample(pit, None, nan, minimum=max(FEWEST, lags + 2) if independence else FEWEST)
    offered = (SIMULATED, ASYMPTOTIC) if independence else (EXACT, ASYMPTOTIC)
    law = null_law(f"{name}: {form}", p_value, u.size, 0.5, offered)
    details["form"] = form
    if sample.reason:
        return undefined(name, null, sample, sample.reason, details)
    if not independence:
        statistic = _distance(u)
        chance = _distance_p(statistic, u.size, law)
        return BacktestResult(name, null, statistic, chance, law, u.size, details)
    return _independence(name, null, sample, u, lags, law, details, rng, n_simulations)


def _distance(u: FloatArray) -> float:
    """Largest distance between the share of values up to u and u."""
    ordered, steps = np.sort(u), np.arange(u.size + 1) / u.size
    return float(max(np.max(steps[1:] - ordered), np.max(ordered - steps[:-1])))


def _distance_p(statistic: float, n: int, law: str) -> float:
    if law == ASYMPTOTIC:
        return float(kolmogorov(np.sqrt(n) * statistic))
    from scipy.stats import kstwo  # heavy, so not at import

    return float(kstwo.sf(statistic, n))


def _independence(
    name: str,
    null: str,
    sample: Sample,
    u: FloatArray,
    lags: int,
    law: str,
    details: dict[str, Detail],
    rng: Seed,
    n_simulations: int,
) -> BacktestResult:
    rho = np.stack(_autocorrelations(u[None, :], lags))[:, 0]
    value = float(_portmanteau(u[None, :], (lags,))[0])
    if np.isnan(value):
        reason = "the PIT, or the size of its deviations, does not vary"
        return undefined(name, null, sample, reason, details)
    details |= {"lags": lags, "df": 2 * lags, "rho_1": float(rho[0, 0]), "rho_1_squares": float(rho[1, 0])}
    if law == ASYMPTOTIC:
        return BacktestResult(name, null, value, chi2_sf(value, 2 * lags), ASYMPTOTIC, u.size, details)

    def drawn(seed: int) -> FloatArray:
        return path_null(_portmanteau, (lags,), u.size, seed, n_simulations)

    return against(name, null, sample, value, details, drawn, rng=rng, n_simulations=n_simulations)


def _autocorrelations(u: FloatArray, lags: int) -> tuple[FloatArray, FloatArray]:
    """Autocorrelations (paths, lags) of u and of the squares of its deviations; NaN where they do not vary."""
    found = []
    x = u
    for power in (1, 2):
        x = x - x.mean(axis=1, keepdims=True)
        squares = np.einsum("pt,pt->p", x, x)
        products = np.stack([np.einsum("pt,pt->p", x[:, j:], x[:, :-j]) for j in range(1, lags + 1)], axis=1)
        least = 1e-24 * u.shape[1]  # u lies in [0, 1]: less is rounding
        found.append(products / np.where(squares > least, squares, np.nan)[:, None])
        x = x * x if power == 1 else x
    return found[0], found[1]


def _portmanteau(u: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    n, lags = u.shape[1], options[0]
    first, second = _autocorrelations(u, lags)
    return np.asarray(n * (n + 2.0) * np.sum((first**2 + second**2) / (n - np.arange(1.0, lags + 1)), axis=1))


@dataclass(frozen=True)
class PitBand:
    """Where the PIT of a right model stays.

    Parameters
    ----------
    points : array
        Edges of the bins (bins + 1,), or the points u (bins - 1,) between 0 and 1 at which the share is looked at.
    lower, upper : array
        Fewest and most values in each bin; or smallest and largest share of values up to each point.
    coverage : float
        Chance that all bins (points) lie inside, or each of them where the band is pointwise. At least the one asked
        for, as counts are whole.
    """

    points: FloatArray
    lower: FloatArray
    upper: FloatArray
    coverage: float


def pit_band(
    n_obs: int, *, kind: str = "histogram", bins: int = 20, coverage: float = 0.95, simultaneous: bool = True
) -> PitBand:
    r"""Band in which the PIT histogram or its distribution function stays if the PIT is independent and uniform.

    .. math:: P(a \le N_i \le b\ \text{for all bins}) \ge coverage, \quad N \sim \text{multinomial}(T, 1/k)

    The simultaneous band of the histogram takes equal tails of the binomial law, as wide as needed; its coverage is
    exact (a multinomial law is that of Poisson counts given their sum). That of the distribution function is the
    Kolmogorov-Smirnov band, for all u at once. A pointwise band takes the binomial law of one bin or point: of 20 bins
    one lies outside its 95 % band on average.

    Parameters
    ----------
    n_obs : int
        Days, at least 1.
    kind : {"histogram", "ecdf"}
        Counts in bins of equal width, or shares up to the inner edges of the bins.
    bins : int
        At least 2.
    coverage : float
        In (0, 1).
    simultaneous : bool
        All bins at once, or each by itself.

    Returns
    -------
    PitBand
        Points, lower, upper and the coverage attained.

    Raises
    ------
    ConfigError
        For a value outside its range.

    References
    ----------
    Levin (1981), Annals of Statistics 9(5), 1123-1126, doi:10.1214/aos/1176345593.
    Diebold, Gunther and Tay (1998), International Economic Review 39(4), 863-883, doi:10.2307/2527342.

    Examples
    --------
    >>> band = pit_band(250, bins=10)
    >>> int(band.lower[0]), int(band.upper[0]), round(band.coverage, 3)
    (13, 39, 0.959)
    """
    choice("kind", kind, ("histogram", "ecdf"))
    require(isinstance(n_obs, int) and n_obs >= 1, f"n_obs must be at least 1, got {n_obs!r}")
    require(isinstance(bins, int) and bins >= 2, f"bins must be at least 2, got {bins!r}; typical values: 10, 20")
    require(0 < coverage < 1, f"coverage must lie in (0, 1), got {coverage!r}; typical values: 0.90, 0.95")
    edges = np.arange(bins + 1) / bins
    if kind == "histogram":
        low, high, attained = _counts_band(n_obs, bins, coverage, simultaneous)
        return PitBand(edges, np.full(bins, float(low)), np.full(bins, float(high)), attained)
    points = edges[1:-1]
    if simultaneous:
        from scipy.stats import kstwo  # heavy, so not at import

        reach = float(kstwo.ppf(coverage, n_obs))
        return PitBand(points, np.maximum(points - reach, 0.0), np.minimum(points + reach, 1.0), coverage)
    limits = [_binomial_limits(n_obs, point, coverage) for point in points]
    lower, upper, attained_each = (np.array(x, dtype=np.float64) for x in zip(*limits, strict=True))
    return PitBand(points, lower / n_obs, upper / n_obs, float(attained_each.min()))


def _binomial_limits(n: int, chance: float, coverage: float) -> tuple[int, int, float]:
    """Equal-tailed limits of a count, and the chance to lie in them."""
    cdf = bdtr(np.arange(n + 1), n, chance)
    miss = 0.5 * (1.0 - coverage)
    low, high = (int(np.searchsorted(cdf, q)) for q in (miss, 1.0 - miss))
    high = min(high, n)
    return low, high, float(cdf[high] - (cdf[low - 1] if low else 0.0))


@lru_cache(maxsize=64)
def _counts_band(n: int, bins: int, coverage: float, simultaneous: bool) -> tuple[int, int, float]:
    """Limits of the counts in equal bins and their coverage: the narrowest of nested limits that suffice."""
    if not simultaneous:
        return _binomial_limits(n, 1.0 / bins, coverage)
    narrow, wide = coverage, 1.0 - 1e-15  # coverage of one bin: that of all is less
    for _ in range(50):
        middle = 1.0 - np.sqrt((1.0 - narrow) * (1.0 - wide))
        low, high, _ = _binomial_limits(n, 1.0 / bins, middle)
        if _all_inside(n, bins, low, high) >= coverage:
            wide = middle
        else:
            narrow = middle
    low, high, _ = _binomial_limits(n, 1.0 / bins, wide)
    return low, high, _all_inside(n, bins, low, high)


def _all_inside(n: int, bins: int, low: int, high: int) -> float:
    """Chance that all counts of a multinomial law with equal cells lie in [low, high].

    Independent Poisson counts of mean n/bins, cut to the limits, are added up one after the other.
    """
    counts, mean = np.arange(n + 1.0), n / bins
    poisson = np.exp(counts * np.log(mean) - mean - gammaln(counts + 1.0))
    poisson[:low] = 0.0
    poisson[high + 1 :] = 0.0
    cut = poisson[low : high + 1]
    total = np.ones(1)
    for _ in range(bins):
        total = np.convolve(total, cut)
    place = n - bins * low  # the sums start at bins * low
    if not 0 <= place < total.size:
        return 0.0
    return float(total[place] * np.exp(n - n * np.log(n) + gammaln(n + 1.0)))
