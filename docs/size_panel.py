"""P-values of all backtests for many samples at once, for `make_size_table.py`: ten times faster than one by one.

All samples have the same forecasts. Their statistics come from the kernels of the tests, the draws of a simulated null
from the test itself, run once and overheard. Where the p-value is a function of a few counts the test runs once for
each of their values. `Samples.checked` runs the tests themselves on a few samples beside it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import chdtrc, kolmogorov, ndtr, ndtri, stdtr

from riskcore import defaults
from riskcore._types import FloatArray, IntArray, Measure
from riskcore.backtests import (
    BACKTESTS,
    BacktestResult,
    calibration,
    density,
    duration,
    evalues,
    expectile,
    geometric,
    normal_quantiles,
    pit_tail,
    realised_es,
    realized,
    regression,
    residuals,
    several_levels,
    shortfall,
)
from riskcore.backtests.base import ANYTIME, ASYMPTOTIC, EXACT, Sample, normal_p, simulated_p, wald_2
from riskcore.backtests.hit_laws import lr_coverage
from riskcore.backtests.laws import day_laws
from riskcore.backtests.nulls import Hits
from riskcore.backtests.uniforms import FLOOR, Tails
from riskcore.distributions import StudentT
from riskcore.kernels import quantile, simulate
from riskcore.kernels.coverage import transition_counts
from riskcore.kernels.duration import hazard_ratios
from riskcore.measures.rows import exact_level, tail_probability

FREEDOM = 5.0
UNIT = ((FREEDOM - 2.0) / FREEDOM) ** 0.5
TAIL = np.array(defaults.TAIL_LEVELS)
OBSERVED = "observed"
"""Key under which stands what a test compares with its simulated null."""
CLOSE = 1e-8
"""Largest difference between a p-value of a panel and that of the test itself."""
Found = dict[str, FloatArray]


@dataclass(frozen=True)
class Cell:
    """Days, level and factor of the forecasts: 1 where the model is right."""

    n: int
    level: float
    factor: float

    @cached_property
    def volatility(self) -> FloatArray:
        """The same in every sample, so that a simulated null can be drawn once."""
        steps = np.random.default_rng(99).standard_normal(self.n)
        log = np.empty(self.n)
        log[0] = 0.0
        for t in range(1, self.n):
            log[t] = 0.97 * log[t - 1] + 0.08 * steps[t]
        return np.asarray(0.01 * np.exp(log))

    @cached_property
    def forecasts(self) -> dict[str, Any]:
        """Columns of a model whose law is t(5) with the volatility times the cell's factor."""
        law, scale = StudentT(FREEDOM), self.volatility * self.factor
        return {
            "var": scale * float(law.ppf(self.level)),
            "es": scale * float(law.es(self.level)),
            "expectile": scale * float(law.expectile(self.level)),
            "volatility": scale,
            "tail": (TAIL, scale[:, None] * law.ppf(TAIL)),
        }


@lru_cache(maxsize=2)
def shocks(n: int, seed: int, count: int) -> FloatArray:
    """Independent t(5) of unit variance (count, n); row i does not depend on `count`."""
    rows = [np.random.default_rng([seed, i]).standard_t(FREEDOM, n) for i in range(count)]
    return np.asarray(UNIT * np.stack(rows))


@lru_cache(maxsize=2)
def pits(n: int, seed: int, count: int, factor: float) -> FloatArray:
    """Their PIT under the model."""
    return np.asarray(stats.t(FREEDOM).cdf(shocks(n, seed, count) / factor / UNIT))


class Samples:
    """Samples of one cell and seed."""

    def __init__(self, cell: Cell, seed: int, count: int) -> None:
        self.cell, self.seed, self.count, self.n, self.level = cell, seed, count, cell.n, cell.level
        self.levels = np.full(cell.n, cell.level)
        self.losses = cell.volatility * shocks(cell.n, seed, count)
        self.pit = pits(cell.n, seed, count, cell.factor)
        self.var, self.es = cell.forecasts["var"], cell.forecasts["es"]
        self.found: dict[str, Found] = {}

    def run(self, name: str, kind: str, i: int) -> BacktestResult:
        """The test itself on sample i; `kind` is what is asked of it as a p-value."""
        test, columns = BACKTESTS[name], {**self.cell.forecasts, "pit": self.pit[i]}
        known = test.run.__kwdefaults__ or {}
        keywords: dict[str, Any] = {use: columns[use] for use in test.uses}
        keywords |= {"p_value": kind} if kind != "auto" and "p_value" in known else {}
        keywords |= {"rng": self.seed} if "rng" in known else {}
        first = () if "pit" in test.needs else (self.losses[i],)
        level = () if test.measure == "density" else (self.level,)
        return test.run(*first, *(columns[need] for need in test.needs), *level, **keywords)

    def p_values(self, name: str, kind: str, wanted: int) -> tuple[FloatArray, str]:
        """P-values of the first samples, NaN where there is none, and where they come from."""
        wanted = min(wanted, self.count)
        if name not in PANELS or kind not in ("auto", ASYMPTOTIC):
            if name in E_PROCESSES:
                return np.array([E_PROCESSES[name](self, i) for i in range(wanted)]), ANYTIME
            results = [self.run(name, kind, i) for i in range(wanted)]
            methods = {r.p_method for r in results} - {"none"}
            return np.array([r.p_value for r in results]), "/".join(sorted(methods))
        if name not in self.found:
            self.found[name] = PANELS[name](self)
        found = self.found[name]
        first = ASYMPTOTIC if kind == ASYMPTOTIC else EXACT if EXACT in found else OBSERVED
        some = np.flatnonzero(np.isfinite(found[first][:wanted]))
        if some.size == 0:
            return np.full(wanted, np.nan), ""
        result, nulls = overheard(lambda: self.run(name, kind, int(some[0])))
        method = result.p_method
        if method in found:
            return found[method][:wanted], method
        _, drawn, side = nulls[-1]
        return simulated_ps(found[OBSERVED][:wanted], drawn, side), method

    def checked(self, name: str, kind: str, p: FloatArray) -> FloatArray:
        """The p-values, once the test itself has said the same of some samples: two that have one, and one without."""
        some, none = np.flatnonzero(np.isfinite(p)), np.flatnonzero(np.isnan(p))
        rows = {0, *some[:1], *some[self.seed % max(some.size, 1) :][:1], *none[:1]}
        for i in sorted(int(i) for i in rows):
            own = float(self.run(name, kind, i).p_value)
            if not (abs(own - p[i]) <= CLOSE or (np.isnan(own) and np.isnan(p[i]))):
                raise AssertionError(f"{name}, {kind}, {self.cell}, seed {self.seed}, sample {i}: {p[i]}, not {own}")
        return p

    @cached_property
    def above(self) -> Any:
        """Hits (count, n)."""
        return self.losses > self.var

    @cached_property
    def hits(self) -> Hits:
        """The hits of all samples by their days."""
        return Hits.of(self.above)

    @cached_property
    def tails(self) -> Tails:
        """The PIT above the level."""
        return self._tails(self.pit)

    def _tails(self, pit: FloatArray) -> Tails:
        above = pit > self.level
        return Tails(Hits.of(above), (1.0 - pit[above]) / (1.0 - self.level))

    @cached_property
    def laws(self) -> Any:
        """The days' own laws between their quantiles."""
        return day_laws(self.cell.forecasts["tail"], self.levels)

    @cached_property
    def es_sums(self) -> FloatArray:
        """Sums that tests of the ES are made of; scaled by the ES."""
        return np.asarray(simulate.es_sums(self.losses, self.var, self.es, self.levels, self.es))

    @cached_property
    def sample(self) -> Sample:
        """What statistics of sums ask for the number of days."""
        return Sample({"losses": self.losses[0]}, self.levels, None, 0, "")

    @cached_property
    def expectile_sums(self) -> FloatArray:
        """Sums that tests of the expectile are made of; scaled by the volatility."""
        days = np.ascontiguousarray(self.losses.T)
        columns = self.cell.forecasts
        return np.asarray(simulate.expectile_sums(days, columns["expectile"], self.levels, columns["volatility"]))

    @cached_property
    def every(self) -> tuple[IntArray, IntArray]:
        """The days of all samples in a row, and where each sample begins."""
        return np.tile(np.arange(self.n), self.count), np.arange(self.count + 1) * self.n


HEARD: list[tuple[float, FloatArray, str]] = []


def overheard(run: Callable[[], BacktestResult]) -> tuple[BacktestResult, list[tuple[float, FloatArray, str]]]:
    """What a test returns, and each statistic, null and side of which it took a simulated p-value."""

    def listening(statistic: float, simulated: FloatArray, side: str) -> float:
        HEARD.append((statistic, simulated, side))
        return simulated_p(statistic, simulated, side)

    HEARD.clear()
    try:
        for module in users():
            vars(module)["simulated_p"] = listening
        return run(), list(HEARD)
    finally:
        for module in users():
            vars(module)["simulated_p"] = simulated_p


@lru_cache(maxsize=1)
def users() -> list[ModuleType]:
    """Modules of tests that call `simulated_p`."""
    modules = [m for key, m in sys.modules.items() if key.startswith("riskcore.backtests")]
    return [m for m in modules if vars(m).get("simulated_p") is simulated_p]


def simulated_ps(observed: FloatArray, drawn: FloatArray, side: str) -> FloatArray:
    """`simulated_p` of each observed value."""
    draws = np.sort(drawn[np.isfinite(drawn)])
    slack = 1e-12 * np.maximum(1.0, np.abs(observed))
    lower = (1.0 + np.searchsorted(draws, observed + slack, side="right")) / (1.0 + draws.size)
    upper = (1.0 + draws.size - np.searchsorted(draws, observed - slack, side="left")) / (1.0 + draws.size)
    p = {"lower": lower, "upper": upper, "both": np.minimum(1.0, 2.0 * np.minimum(lower, upper))}[side]
    return np.where(np.isfinite(observed), p, np.nan)


def by_counts(name: str, kinds: tuple[str, ...], key: Callable[[Samples], IntArray]) -> Callable[[Samples], Found]:
    """A test whose p-value is a function of a few counts: it runs once for each of their values, n and level."""
    known: dict[tuple[Any, ...], float] = {}

    def p_value(s: Samples, kind: str, i: int, counts: tuple[int, ...]) -> float:
        at = (kind, s.n, s.level, *counts)
        if at not in known:
            known[at] = float(s.run(name, kind, i).p_value)
        return known[at]

    def found(s: Samples) -> Found:
        rows = [tuple(row) for row in key(s).tolist()]
        return {kind: np.array([p_value(s, kind, i, row) for i, row in enumerate(rows)]) for kind in kinds}

    return found


def _count(s: Samples) -> IntArray:
    return s.hits.counts[:, None]


def _first_hit(s: Samples) -> IntArray:
    return np.where(s.above.any(axis=1), s.above.argmax(axis=1), -1)[:, None]


def _transitions(s: Samples) -> IntArray:
    first, where = s.hits.first, s.hits.where
    counts = [transition_counts(where[first[i] : first[i + 1]], s.n) for i in range(s.count)]
    return np.column_stack([counts, s.hits.counts])


def _only(p: FloatArray, where: Any) -> FloatArray:
    return np.where(where, p, np.nan)


def _haas(extra: int) -> Callable[[Samples], Found]:
    def found(s: Samples) -> Found:
        p = duration.haas(s.hits, s.levels, (extra,))
        return {ASYMPTOTIC: p, OBSERVED: p}

    return found


def _weibull(s: Samples) -> Found:
    statistic = _only(duration.weibull(s.hits, s.levels, ()), s.hits.counts >= 2)
    return {ASYMPTOTIC: chdtrc(1, statistic), OBSERVED: statistic}


def _gmm(s: Samples) -> Found:
    statistic = _only(duration.gmm(s.hits, s.levels, ("conditional", 3)), s.hits.counts >= 2)
    return {ASYMPTOTIC: chdtrc(3, statistic), OBSERVED: statistic}


def _geometric(s: Samples) -> Found:
    scaled = (s.var - s.var.mean()) / s.var.std()
    gains = hazard_ratios(s.hits.where, s.hits.first, scaled, geometric.STEEPEST, True)
    statistic = lr_coverage(s.n, s.hits.counts, s.level) + gains[:, 1]
    p = sum(w * chdtrc(df, statistic) for df, w in enumerate(geometric.WEIGHTS["full"]) if df)
    return {ASYMPTOTIC: np.where(statistic <= 0.0, 1.0, p), OBSERVED: statistic}


def _dynamic_quantile(s: Samples) -> Found:
    statistic, rank = regression._dq(s.hits, s.levels, (regression.PAPER, 4, s.var.tobytes(), b"")).T
    return {ASYMPTOTIC: chdtrc(rank, statistic), OBSERVED: statistic}


def _quantile_regression(s: Samples) -> Found:
    unit = float(np.mean(np.abs(s.var)))
    v, (every, first), out = s.var / unit, s.every, np.empty(s.count)
    mean, h = float(v.mean()), regression.hall_sheather(s.n, s.level)
    quantile.quantile_wald(every, first, s.losses.ravel() / unit, v - mean, mean, np.empty(0), s.level, h, out)
    return {ASYMPTOTIC: chdtrc(2, np.maximum(out, 0.0)), OBSERVED: out}


def _esr(s: Samples) -> Found:
    unit = float(np.mean(np.abs(s.es)))
    x, (every, first), out = s.es / unit, s.every, np.empty(s.count)
    mean, e = float(np.mean(s.es / unit)), s.es / unit
    null, none = np.array([0.0, 1.0]), np.empty(0)
    quantile.shortfall_statistics(
        every, first, s.losses.ravel() / unit, x - x.mean(), e - mean, mean, none, s.level, False, null, out
    )
    return {ASYMPTOTIC: chdtrc(2, np.maximum(out, 0.0)), OBSERVED: out}


def _of_sums(statistic: shortfall.Statistic) -> Callable[[Samples], Found]:
    def found(s: Samples) -> Found:
        return {OBSERVED: statistic(s.es_sums, s.sample)}

    return found


def _es_calibration(s: Samples) -> Found:
    statistic = calibration._calibration_wald(s.es_sums, s.sample)
    p = _only(chdtrc(2, np.maximum(statistic, 0.0)), s.es_sums[:, 0] > 0)
    return {OBSERVED: statistic, ASYMPTOTIC: p}


def _z3(s: Samples) -> Found:
    k = math.floor(s.n * (1 - exact_level(s.level)))
    _, quantiles = s.cell.forecasts["tail"]
    expected = quantiles @ realised_es._expected_weights(s.n, k, TAIL.tobytes())
    share = np.mean(quantiles / expected[:, None], axis=0)
    worst = np.sort(np.partition(s.pit, s.n - k, axis=1)[:, s.n - k :], axis=1)
    return {OBSERVED: 1.0 - realised_es._weights(worst, TAIL) @ share}


def _exceedance(s: Samples) -> Found:
    where, first, path = s.hits.where, s.hits.first, np.repeat(np.arange(s.count), s.hits.counts)
    r = (s.losses[path, where] - s.es[where]) / s.cell.forecasts["volatility"][where]
    t = np.full(s.count, np.nan)
    for i in np.flatnonzero(s.hits.counts >= residuals.FEWEST_EXCEPTIONS):
        own = r[first[i] : first[i + 1]]
        t[i] = np.sqrt(own.size) * own.mean() / own.std(ddof=1)
    return {OBSERVED: t, ASYMPTOTIC: stdtr(np.maximum(s.hits.counts - 1.0, 1.0), -t)}


def _tail_sum(s: Samples) -> Found:
    """Both tests of the sum of the violations: Costanzino-Curran and Du-Escanciano, one-sided."""
    if "tail sum" not in s.found:
        total, q = pit_tail._tail_sum(s.tails, s.levels, ()), 1.0 - s.levels
        z = (total - q.sum() / 2.0) / np.sqrt(np.sum(q * (1.0 / 3.0 - q / 4.0)))
        tail = tail_probability(s.level)
        law, cells, largest = pit_tail.tail_sum_law(s.n, tail)
        position = np.minimum(total, largest) * cells + 0.5
        cell = position.astype(np.intp)
        ends, which = np.unique(cell, return_inverse=True)
        beyond = np.add.reduceat(law, ends + 1)[::-1].cumsum()[::-1][which]
        exact = np.clip(beyond + (cell + 1 - position) * law[cell], 0.0, 1.0)
        exact = np.where(total <= 0, 1.0, np.where(cell == 0, np.nan, exact))
        for i in np.flatnonzero(np.isnan(exact)):
            exact[i] = pit_tail.tail_sum_sf(float(total[i]), s.n, tail)
        s.found["tail sum"] = {EXACT: exact, ASYMPTOTIC: np.asarray(ndtr(-z))}
    return s.found["tail sum"]


def _du_escanciano_conditional(s: Samples) -> Found:
    statistic = pit_tail._conditional(s.tails, s.levels, (5,))
    return {OBSERVED: statistic, ASYMPTOTIC: chdtrc(5, np.maximum(statistic, 0.0))}


def _berkowitz(s: Samples) -> Found:
    statistic = normal_quantiles._full(ndtri(np.clip(s.pit, FLOOR, 1.0 - FLOOR)), (1,))
    return {OBSERVED: statistic, ASYMPTOTIC: chdtrc(3, statistic)}


def _berkowitz_tail(s: Samples) -> Found:
    statistic = normal_quantiles._tail(s._tails(np.minimum(s.pit, 1.0 - FLOOR)), s.levels, ())
    return {OBSERVED: statistic, ASYMPTOTIC: chdtrc(2, statistic)}


def _multinomial(s: Samples) -> Found:
    tail = tail_probability(s.level)
    tails = [tail * (4 - j) / 4 for j in range(4)]
    chances = tuple(several_levels._cell_chances(tails))
    above = np.stack([np.full(s.count, s.n), *((s.pit > 1.0 - x).sum(axis=1) for x in tails), np.zeros(s.count)])
    statistic = several_levels._statistics(-np.diff(above, axis=0).T, chances, s.n, False)
    limit = np.array([several_levels.limit_p(float(x), chances, s.n, several_levels.NASS) for x in statistic])
    found = {OBSERVED: statistic, ASYMPTOTIC: limit}
    if several_levels.outcomes(s.n, chances) <= several_levels.CHEAP:
        found[EXACT] = several_levels.exact_law(s.n, chances, False).tail(statistic)
    return found


def _uniformity(s: Samples) -> Found:
    distance = np.array([density._distance(u) for u in s.pit])
    return {EXACT: stats.kstwo.sf(distance, s.n), ASYMPTOTIC: kolmogorov(np.sqrt(s.n) * distance)}


def _expectile_calibration(s: Samples) -> Found:
    t = expectile.t_statistic(s.expectile_sums)
    return {OBSERVED: t, ASYMPTOTIC: np.array([normal_p(float(x), "two-sided") for x in t])}


def _expectile_conditional(s: Samples) -> Found:
    statistic, rank = wald_2(*s.expectile_sums[:, :5].T)
    return {OBSERVED: statistic, ASYMPTOTIC: chdtrc(rank, np.maximum(statistic, 0.0))}


def _realized(s: Samples) -> Found:
    m, own = s.cell.forecasts["expectile"], s.cell.forecasts["volatility"]
    gap = m - s.losses
    scores = np.where(gap >= 0, 1.0 - s.level, s.level) * (gap / own) ** 2
    expected = realized.expected_scores(s.laws, m) / own**2
    t = (scores - expected).sum(axis=1) / np.sqrt(((scores - expected) ** 2).sum(axis=1))
    p = np.array([normal_p(float(x), "two-sided") for x in t])
    return {OBSERVED: scores.sum(axis=1) / expected.sum(), ASYMPTOTIC: p}


def _e_process(measure: Measure) -> Callable[[Samples, int], float]:
    """Ville's bound of one sample: the process as in the test, its paths by the same sums."""

    def p_value(s: Samples, i: int) -> float:
        one = Sample({"losses": s.losses[i], "var": s.var, "es": s.es}, s.levels, None, 0, "")
        e = evalues._e_values(measure, one)
        bets = [evalues._bets(measure, form, e, one, defaults.BET) for form in ("gree", "grel")]
        path = np.logaddexp(*(np.cumsum(np.log1p(b * (e - 1.0))) for b in bets)) - np.log(2.0)
        return float(np.exp(-max(float(path.max()), 0.0)))

    return p_value


E_PROCESSES = {"e_var": _e_process("var"), "e_es": _e_process("es")}
CLOSED = (ASYMPTOTIC, EXACT)
PANELS: Mapping[str, Callable[[Samples], Found]] = {
    "traffic_light": by_counts("traffic_light", (EXACT,), _count),
    "binomial": by_counts("binomial", CLOSED, _count),
    "kupiec": by_counts("kupiec", CLOSED, _count),
    "tuff": by_counts("tuff", CLOSED, _first_hit),
    "christoffersen_independence": by_counts("christoffersen_independence", CLOSED, _transitions),
    "christoffersen_coverage": by_counts("christoffersen_coverage", CLOSED, _transitions),
    "tbfi": _haas(0),
    "tbf": _haas(1),
    "weibull_duration": _weibull,
    "gmm_duration": _gmm,
    "geometric_var": _geometric,
    "dynamic_quantile": _dynamic_quantile,
    "var_quantile_regression": _quantile_regression,
    "acerbi_szekely_z1": _of_sums(shortfall._z1),
    "acerbi_szekely_z2": _of_sums(shortfall._z2),
    "acerbi_szekely_z3": _z3,
    "minimally_biased": _of_sums(shortfall._minimally_relative),
    "exceedance_residuals": _exceedance,
    "du_escanciano": _tail_sum,
    "du_escanciano_conditional": _du_escanciano_conditional,
    "costanzino_curran": _tail_sum,
    "berkowitz_tail": _berkowitz_tail,
    "multinomial": _multinomial,
    "esr": _esr,
    "es_calibration": _es_calibration,
    "expectile_calibration": _expectile_calibration,
    "expectile_conditional_calibration": _expectile_conditional,
    "expectile_realized_score": _realized,
    "pit_uniformity": _uniformity,
    "berkowitz": _berkowitz,
}
"""Tests by the function that finds their p-values; e-processes go sample by sample."""
