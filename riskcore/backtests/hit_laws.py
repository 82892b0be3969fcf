"""Likelihood ratios of the number and the order of hits, and their exact laws: made once, then looked up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import gammaln, xlogy

from riskcore import defaults
from riskcore._types import FloatArray, IntArray

SLACK = 1e-9
"""Statistics nearer than this are taken for equal."""
NEGLIGIBLE = 1e-18
FAR = 21.0
"""Half the exponent in Hoeffding's bound: 2 exp(-42) is 1.2e-18."""
MOST_DAYS = 100_000
"""Days up to which the classes of hit sequences are enumerated: about a second and 3 million classes at 0.95."""


def log_binomial(n: int, counts: FloatArray, rate: float) -> FloatArray:
    """Log probabilities of `counts` hits in `n` days."""
    choose = gammaln(n + 1.0) - gammaln(counts + 1.0) - gammaln(n - counts + 1.0)
    return np.asarray(choose + xlogy(counts, rate) + xlogy(n - counts, 1.0 - rate))


def lr_coverage(n: Any, hits: Any, level: float) -> FloatArray:
    """Kupiec's likelihood ratio, for counts of any shape."""
    n, x = np.asarray(n, dtype=np.float64), np.asarray(hits, dtype=np.float64)
    q = 1.0 - level
    lr = -2.0 * (xlogy(n - x, level) + xlogy(x, q) - xlogy(n - x, 1.0 - x / n) - xlogy(x, x / n))
    return np.asarray(np.maximum(lr, 0.0))


def lr_wait(days: Any, level: float) -> FloatArray:
    """Kupiec's likelihood ratio of one wait for a hit, in days from 1."""
    d = np.asarray(days, dtype=np.float64)
    free = np.log(d) - xlogy(d - 1.0, 1.0 - 1.0 / d)
    return np.asarray(np.maximum(-2.0 * (np.log1p(-level) + xlogy(d - 1.0, level) + free), 0.0))


def lr_independence(n00: Any, n01: Any, n10: Any, n11: Any) -> FloatArray:
    """Christoffersen's likelihood ratio from transition counts; a state never left drops its term."""
    n00, n01, n10, n11 = (np.asarray(x, dtype=np.float64) for x in (n00, n01, n10, n11))

    def rate(part: FloatArray, whole: FloatArray) -> FloatArray:
        return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)

    zeros, ones = n00 + n10, n01 + n11
    pi, pi0, pi1 = rate(ones, zeros + ones), rate(n01, n00 + n01), rate(n11, n10 + n11)
    null = xlogy(zeros, 1.0 - pi) + xlogy(ones, pi)
    free = xlogy(n00, 1.0 - pi0) + xlogy(n01, pi0) + xlogy(n10, 1.0 - pi1) + xlogy(n11, pi1)
    return np.asarray(np.maximum(-2.0 * (null - free), 0.0))


@dataclass(frozen=True)
class ExactLaw:
    """Law of a discrete statistic: its values, rising, and the chance of each value or a larger one.

    `tails` is one longer: its last entry is the chance of all that was not enumerated, which counts as larger than any.
    """

    statistics: FloatArray
    tails: FloatArray
    attained_size: float
    """How often the exact p-value lies below `defaults.SIZE`."""

    @staticmethod
    def of(statistics: FloatArray, chances: FloatArray, rest: float = 0.0, least: float = 0.0) -> ExactLaw:
        """Sorted and scaled to one, without the values whose chance is below `least`."""
        kept = chances >= least
        order = np.argsort(statistics[kept], kind="stable")
        mass = np.append(chances[kept][order], rest + float(chances[~kept].sum()))
        tails = np.cumsum(mass[::-1])[::-1]
        values, tails = statistics[kept][order], tails / tails[0]
        chances = tails[np.searchsorted(values, values - SLACK)]  # p-values
        below = chances[chances < defaults.SIZE]
        return ExactLaw(values, tails, float(below.max()) if below.size else float(tails[-1]))

    def tail(self, observed: Any) -> FloatArray:
        """Chance of at least `observed`: the exact p-value."""
        return np.asarray(self.tails[np.searchsorted(self.statistics, np.asarray(observed) - SLACK)])

    def mid_p(self, observed: float) -> float:
        """Half the chance of the value observed, and all of that of larger ones."""
        above = self.tails[np.searchsorted(self.statistics, observed + SLACK, side="right")]
        return float(0.5 * (self.tail(observed) + above))


@lru_cache(maxsize=4096)
def independence_law(n: int, hits: int) -> ExactLaw:
    """Law of Christoffersen's independence statistic given the number of hits: all orders are alike, whatever the rate.

    The classes of `_markov_classes` for one number of hits.
    """
    if hits in (0, n):
        return ExactLaw.of(np.zeros(1), np.ones(1))
    runs = np.arange(1.0, min(hits, n - hits + 1) + 1)
    factorial = gammaln(np.arange(n + 2) + 1.0)

    def choose(a: FloatArray | int, b: FloatArray) -> FloatArray:
        top, below = np.asarray(a, dtype=np.intp), b.astype(np.intp)
        return np.asarray(factorial[top] - factorial[below] - factorial[top - below])

    total = gammaln(n + 1.0) - gammaln(hits + 1.0) - gammaln(n - hits + 1.0)
    statistics, chances = [], []
    for first in (0, 1):
        for last in (0, 1):
            inner = runs - first - last
            r = runs[(inner >= 0) & (inner <= n - hits - 1)]
            ways = choose(hits - 1, r - 1) + choose(n - hits - 1, r - first - last)
            n11, n01, n10 = hits - r, r - first, r - last
            statistics.append(lr_independence(n - 1 - n11 - n01 - n10, n01, n10, n11))
            chances.append(np.exp(ways - total))
    return ExactLaw.of(np.concatenate(statistics), np.concatenate(chances))


@lru_cache(maxsize=64)
def exact_law(name: str, n: int, level: float) -> ExactLaw:
    """Law of the statistic of a test (by its name) if the hits of `n` days are independent with rate ``1 - level``."""
    counts = np.arange(n + 1.0)
    if name in ("binomial", "kupiec"):
        log_p = log_binomial(n, counts, 1.0 - level)
        return ExactLaw.of(-log_p if name == "binomial" else lr_coverage(n, counts, level), np.exp(log_p))
    if name == "tuff":
        waits = np.arange(1.0, n + 1.0)
        chances = np.exp(xlogy(waits - 1.0, level)) * (1.0 - level)
        return ExactLaw.of(lr_wait(waits, level), chances)
    hits, statistics, chances, rest = _markov_classes(n, level)
    if name == "christoffersen_coverage":
        statistics = statistics + lr_coverage(n, counts, level)[hits]
    return ExactLaw.of(statistics, chances, rest, NEGLIGIBLE / 10.0)


@lru_cache(maxsize=2)
def _markov_classes(n: int, level: float) -> tuple[IntArray, FloatArray, FloatArray, float]:
    """Number of hits, independence statistic and chance of each class of hit sequences, and what is left out.

    x ones in r runs with first digit f and last digit l stand for C(x-1, r-1) C(n-x-1, r-f-l) sequences, with
    n11 = x - r, n01 = r - f, n10 = r - l. Given x, r is hypergeometric, so by Hoeffding's inequality at most
    2 exp(-2 t^2 / min(x, n-x+1)) of it lies more than t from its mean x (n-x+1) / n: `FAR` here.
    """
    total = np.exp(log_binomial(n, np.arange(n + 1.0), 1.0 - level))
    x = np.flatnonzero(total > NEGLIGIBLE).astype(np.int64)
    rest = float(total[total <= NEGLIGIBLE].sum()) + 2.0 * np.exp(-2.0 * FAR)
    ends = x[(x == 0) | (x == n)]  # one sequence each
    x = x[(x > 0) & (x < n)]
    mean, most = x * (n - x + 1.0) / n, np.minimum(x, n - x + 1)
    low = np.maximum(np.ceil(mean - np.sqrt(FAR * most)), 1).astype(np.int64)
    high = np.minimum(np.floor(mean + np.sqrt(FAR * most)).astype(np.int64), most)
    sizes = high - low + 1
    hits = np.repeat(x, sizes)
    runs = np.arange(hits.size) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(low, sizes)
    factorial = gammaln(np.arange(n + 1) + 1.0)
    ones = hits * np.log1p(-level) + (n - hits) * np.log(level)
    ones += factorial[hits - 1] - factorial[runs - 1] - factorial[hits - runs]
    parts = [(ends, np.zeros(ends.size), total[ends])]
    for first in (0, 1):
        for last in (0, 1):
            inner = runs - first - last
            ok = (inner >= 0) & (inner <= n - hits - 1)
            k, r, i = hits[ok], runs[ok], inner[ok]
            zeros = factorial[n - k - 1] - factorial[i] - factorial[n - k - 1 - i]
            n11, n01, n10 = k - r, r - first, r - last
            statistics = lr_independence(n - 1 - n11 - n01 - n10, n01, n10, n11)
            parts.append((k, statistics, np.exp(ones[ok] + zeros)))
    k, statistics, chances = (np.concatenate(column) for column in zip(*parts, strict=True))
    return k, statistics, chances, rest
