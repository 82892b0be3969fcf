"""CARE: conditional autoregressive expectiles, models of the tail itself without a law for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from riskcore import defaults
from riskcore._types import Block, BoolArray, FloatArray, IntArray, Status, Target
from riskcore.errors import FitError, require
from riskcore.forecasters.base import Fitted, Predictive, Walked
from riskcore.forecasters.expectile_levels import LEAST_ROWS, LEAST_SPREAD, Problems, of_target
from riskcore.forecasters.regression import check_state
from riskcore.measures.paths import expectile_path_covariance, path_errors

Form = Literal["linear", "sav", "as", "ig"]
FORMS: tuple[Form, ...] = get_args(Form)
RECURSIVE: Mapping[Form, int] = {"sav": 0, "as": 1, "ig": 2}
"""Codes of the recursive forms in the kernels."""
N_START = 300
"""A recursion starts at the expectile of the window's first losses, so many or all."""
EDGE = 1e-9
"""A coefficient as near as that to its bound is on it."""
MOST_LAGS = 50


def _regressors(losses: FloatArray, lags: int = 1) -> FloatArray:
    """Rows 1 and, by lag, L, gain squared and loss squared; column t serves the day after row ``t + lags - 1``."""
    gain, loss = np.maximum(-losses, 0.0) ** 2, np.maximum(losses, 0.0) ** 2
    n = losses.size - lags + 1
    rows = [np.ones(max(n, 0))]
    for lag in range(lags):
        part = slice(lags - 1 - lag, max(losses.size - lag, 0))
        rows += [losses[part], gain[part], loss[part]]
    return np.stack(rows)


@dataclass(frozen=True)
class CARE:
    r"""Expectile VaR modelled directly on the losses before.

    .. math::
        \text{linear: } m_t = c_0 + \sum_i c_{1,i} L_{t-i} + c_{2,i} (L_{t-i}^-)^2 + c_{3,i} (L_{t-i}^+)^2, \qquad
        \text{sav: } m_t = b_0 + b_1 m_{t-1} + b_2 |L_{t-1}|, \\
        \text{as: } m_t = b_0 + b_1 m_{t-1} + b_2 L^-_{t-1} + b_3 L^+_{t-1}, \qquad
        \text{ig: } m_t = (b_0 + b_1 m_{t-1}^2 + b_2 L_{t-1}^2)^{1/2}

    The form ``"linear"`` is that of Kuan, Yeh & Hsu, exact by iterated weighted least squares. The recursive forms are
    Taylor's: they minimise the asymmetric squares of the window, from a search of many starts, and the path starts at
    the expectile of the window's first 300 losses. An expectile target is fitted at its own level. VaR at p is the
    expectile whose share of exceedances in the window is at most 1-p (the smallest such level), and ES follows from it
    by the identity of Taylor (2008). For VaR and ES a window too short for a level (fewer losses beyond it than there
    are coefficients) gives NaN, and so does one where the share asks for a level of 1/2 or less, for which the identity
    does not hold; an expectile is estimated all the same.

    Parameters
    ----------
    form : {"linear", "sav", "as", "ig"}
        What the expectile depends on. linear: yesterday's loss and its square, apart for gains and losses; sav: its own
        value yesterday and the size of yesterday's move; as: the same, with gains and losses weighing differently; ig:
        as sav in squares, like a GARCH.
    level : float, optional
        None: all levels, and VaR and ES. A number: only the expectile at this level, in (0.5, 1); VaR and ES are not
        offered then.
    lags : int
        Days back that the linear form looks at; the other forms look at yesterday only. Typical values: 1 to 5.
    name : str, optional
        Label of the model.

    References
    ----------
    Kuan, Yeh & Hsu (2009), Journal of Econometrics 150, 261-270. Taylor (2008), Journal of Financial Econometrics 6,
    231-252.

    Examples
    --------
    >>> CARE("linear", level=0.99).offers(Target("var", 0.99))
    False
    """

    form: Form = "linear"
    level: float | None = None
    lags: int = 1
    name: str | None = None

    def __post_init__(self) -> None:
        require(self.form in FORMS, f"form must be one of {FORMS}, got {self.form!r}")
        ok = self.level is None or 0.5 < self.level < 1
        require(ok, f"level must lie in (0.5, 1) or be None, got {self.level!r}")
        whole = isinstance(self.lags, int) and not isinstance(self.lags, bool) and 1 <= self.lags <= MOST_LAGS
        require(whole, f"lags must be a whole number in [1, {MOST_LAGS}], got {self.lags!r}; typical values: 1 to 5")
        one = self.form == "linear" or self.lags == 1
        require(one, f"lags must be 1 for the form {self.form}, got {self.lags!r}; only the linear form has more")

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Names of the coefficients; of a linear form with more lags, ``c2_3`` is the second at lag 3."""
        if self.form != "linear":
            return ("b0", "b1", "b2", "b3")[: 4 if self.form == "as" else 3]
        lagged = [f"c{i}" if lag == 1 else f"c{i}_{lag}" for lag in range(1, self.lags + 1) for i in (1, 2, 3)]
        return ("c0", *lagged)

    def offers(self, target: Target) -> bool:
        """Every target, or with `level` that expectile only."""
        return self.level is None or (target.measure == "expectile" and target.level == self.level)

    def fit(self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None) -> FittedCARE:
        """Estimates for every target on one window; FitError for constant losses or a singular design."""
        problems = Problems.of(targets)
        same = isinstance(start, FittedCARE) and start.settings == self
        before = start.chains if same and isinstance(start, FittedCARE) else {}
        chains = {key: before[key].copy() if key in before else _no_chain() for key in problems.keys}
        windows = _fit_windows(
            self, losses, np.array([0]), np.array([losses.size]), np.array([self.form == "linear"]), problems, chains
        )
        require(
            bool(windows.usable[0]), "losses are constant or too few: an expectile regression needs variation", FitError
        )
        if self.form == "linear":
            design = _regressors(losses[:-1], self.lags).T
            check_state(int(windows.state[0]), float(np.nanmax(problems.given)), design)
        coefficients = windows.coefficients[0]
        levels, firsts = windows.levels[0], windows.firsts[0]
        errors = [_errors(self, losses, *found) for found in zip(levels, coefficients, firsts, strict=True)]
        return FittedCARE(
            settings=self,
            levels={t: float(levels[j]) for t, j in zip(targets, problems.place, strict=True)},
            coefficients={t: coefficients[j] for t, j in zip(targets, problems.place, strict=True)},
            errors={t: errors[j] for t, j in zip(targets, problems.place, strict=True)},
            firsts={t: float(firsts[j]) for t, j in zip(targets, problems.place, strict=True)},
            agree={t: int(windows.agree[0, j]) for t, j in zip(targets, problems.place, strict=True)},
            mean_loss=float(windows.means[0]),
            status=Status.boundary if windows.boundary[0] else Status.ok,
            chains=chains,
        )

    def walk(self, losses: FloatArray, targets: Sequence[Target], blocks: Sequence[Block]) -> Walked | None:
        """All blocks at once: the forecasts of `fit` and `predict`, with the estimations in one call."""
        problems = Problems.of(targets)
        starts = np.array([b.train.start for b in blocks], dtype=np.int64)
        stops = np.array([b.train.stop for b in blocks], dtype=np.int64)
        ends = np.array([b.test.stop for b in blocks], dtype=np.int64)
        cold = np.array([b.index % defaults.COLD_START_EVERY == 0 for b in blocks])
        chains = {key: _no_chain() for key in problems.keys}
        windows = _fit_windows(self, losses, starts, stops, cold, problems, chains)
        block = np.repeat(np.arange(len(blocks)), ends - stops)
        means, paths = windows.means[block], []
        if self.form == "linear":
            rows = np.concatenate([np.arange(b.test.start, b.test.stop) for b in blocks])
            regressors = np.take(_regressors(losses, self.lags), rows - self.lags, axis=1, mode="clip")
            paths = [
                np.einsum("kt,tk->t", regressors, windows.coefficients[block, j]) for j in range(problems.given.size)
            ]
        else:
            paths = [
                _path_rows(self, losses, (starts, stops, ends), windows.coefficients[:, j], windows.firsts[:, j])
                for j in range(problems.given.size)
            ]
        columns = [
            of_target(target, paths[j], windows.levels[block, j], means)
            for target, j in zip(targets, problems.place, strict=True)
        ]
        fine = np.where(windows.boundary, Status.boundary, Status.ok)
        status = np.where(windows.usable & (windows.state == 0), fine, Status.failed)
        return Walked(np.column_stack(columns), status[block].astype(np.int8), None)


@dataclass(frozen=True)
class _Windows:
    """Estimates of many windows; NaN where there are none, and `usable` where losses vary enough to try."""

    levels: FloatArray
    coefficients: FloatArray
    firsts: FloatArray
    means: FloatArray
    state: IntArray
    usable: BoolArray
    boundary: BoolArray
    agree: IntArray


def _no_chain() -> FloatArray:
    """Optima of the window before and, in the last row, the logarithm of its tail; where there is no such window."""
    from riskcore.kernels.recursive import KEPT, N_COEFFICIENTS

    return np.full((KEPT + 1, N_COEFFICIENTS), np.nan)


def _fit_windows(
    settings: CARE,
    losses: FloatArray,
    starts: IntArray,
    stops: IntArray,
    cold: BoolArray,
    problems: Problems,
    chains: Mapping[tuple[bool, float], FloatArray],
) -> _Windows:
    """Estimates of every problem in every window of losses [start, stop); `chains` hold the optima before and after."""
    from riskcore.kernels.asymmetric import window_moments

    moments, k, m = window_moments(losses, starts, stops), len(settings.coefficient_names), problems.given.size
    rows = stops - starts - (settings.lags - 1)
    usable = (rows >= max(LEAST_ROWS, 2 * k + 1)) & (moments[:, 1] > LEAST_SPREAD * moments[:, 2])
    if settings.form == "linear":
        levels, coefficients, state = _linear(settings, losses, np.where(usable, [starts, stops], 0), cold, problems)
        firsts = np.full(levels.shape, np.nan)
        boundary: BoolArray = np.zeros(starts.size, dtype=np.bool_)
        agree = np.zeros(levels.shape, dtype=np.int64)
    else:
        shape = (starts.size, m)
        levels, firsts, coefficients = np.full(shape, np.nan), np.full(shape, np.nan), np.full((*shape, k), np.nan)
        agree, state = np.zeros(shape, dtype=np.int64), np.zeros(starts.size, dtype=np.int64)
        for j, key in enumerate(problems.keys):
            if not usable.any():
                chains[key][:] = np.nan
                continue
            found = _recursive(settings, losses, starts[usable], stops[usable], cold[usable], key, chains[key])
            levels[usable, j], firsts[usable, j], agree[usable, j] = found[0], found[2], found[3]
            coefficients[usable, j] = found[1][:, :k]
        boundary = np.asarray(_on_bound(settings, coefficients, moments[:, 1, None]).any(axis=(1, 2)))
    return _Windows(levels, coefficients, firsts, moments[:, 0], state, usable, boundary, agree)


def _linear(
    settings: CARE, losses: FloatArray, bounds: IntArray, cold: BoolArray, problems: Problems
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Regressions of every window with these bounds; an empty one is skipped."""
    from riskcore.kernels.asymmetric import expectile_windows

    regressors = _regressors(losses[:-1], settings.lags)
    first, last = bounds[0], np.maximum(bounds[1] - settings.lags, 0)
    near = np.full((problems.given.size, regressors.shape[0]), np.nan)
    return expectile_windows(
        losses[settings.lags :], regressors, first, last, cold, problems.given, problems.by_share, near
    )


def _recursive(
    settings: CARE,
    losses: FloatArray,
    starts: IntArray,
    stops: IntArray,
    cold: BoolArray,
    key: tuple[bool, float],
    chain: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Levels, points, first expectiles and starts that agree, of one problem in every window."""
    from riskcore.kernels.recursive import recursive_windows
    from riskcore.kernels.recursive_share import first_expectiles, share_windows

    (by_share, given), form = key, RECURSIVE[settings.form]
    if by_share:
        points, levels, firsts, agree = share_windows(
            losses, starts, stops, cold, form, given, N_START, chain[:-1], chain[-1]
        )
        return levels, points, firsts, agree
    firsts = first_expectiles(losses, starts, np.minimum(stops - starts, N_START), given)
    if settings.form == "ig":  # the recursion has its square
        firsts = np.abs(firsts)
    points, _, facts = recursive_windows(losses, starts, stops, cold, firsts, form, given, True, chain[:-1])
    return np.where(np.isnan(points[:, 0]), np.nan, given), points, firsts, facts[:, 1]


def _on_bound(settings: CARE, coefficients: FloatArray, spreads: Any) -> BoolArray:
    """Which coefficients of a recursion lie on their bound; `spreads` are standard deviations of the losses."""
    from riskcore.kernels.recursive import LARGEST_DECAY, LEAST_VARIANCE

    bound = np.zeros(coefficients.shape, dtype=np.bool_)
    bound[..., 1] = (coefficients[..., 1] <= EDGE) | (coefficients[..., 1] >= LARGEST_DECAY - EDGE)
    if settings.form == "ig":
        bound[..., 0] = coefficients[..., 0] <= 2 * LEAST_VARIANCE * np.square(spreads)
        bound[..., 2] = coefficients[..., 2] <= EDGE
    return bound


def _errors(settings: CARE, losses: FloatArray, level: float, coefficients: FloatArray, first: float) -> FloatArray:
    """Sandwich errors of the free coefficients; NaN for one on its bound."""
    errors = np.full(coefficients.size, np.nan)
    if np.isnan(coefficients[0]):
        return errors
    free = np.ones(coefficients.size, dtype=np.bool_)
    if settings.form == "linear":
        response, gradient = losses[settings.lags :], _regressors(losses[:-1], settings.lags).T
        path = gradient @ coefficients
    else:
        from riskcore.kernels.tail_rows import gradient_rows

        response, free = losses, ~_on_bound(settings, coefficients, np.std(losses))
        path, gradient = gradient_rows(losses, RECURSIVE[settings.form], _point(coefficients), first, level, np.nan)
        gradient = gradient[:, : coefficients.size]
    covariance = expectile_path_covariance(response, path, gradient[:, free], float(level))
    errors[free] = path_errors(covariance)
    return errors


def _point(coefficients: FloatArray) -> FloatArray:
    """The four numbers that a kernel takes."""
    return np.concatenate([coefficients, np.zeros(4 - coefficients.size)])


def _path_rows(
    settings: CARE,
    losses: FloatArray,
    bounds: tuple[IntArray, IntArray, IntArray],
    coefficients: FloatArray,
    firsts: FloatArray,
) -> FloatArray:
    """Expectiles of days [begin, end) of windows that start at the first of the bounds."""
    from riskcore.kernels.tail_rows import N_EXTRAS, NONE, tail_rows

    n = firsts.size
    points = np.concatenate([coefficients, np.zeros((n, 4 - coefficients.shape[1]))], axis=1)
    blank = np.full((n, N_EXTRAS), np.nan)
    return tail_rows(
        losses, *bounds, RECURSIVE[settings.form], points, firsts, 0.5, blank[:, 0], NONE, blank
    )[:, 0]  # fmt: skip


@dataclass(frozen=True)
class FittedCARE:
    """Coefficients of every target, in the units of the losses."""

    settings: CARE
    levels: Mapping[Target, float]
    coefficients: Mapping[Target, FloatArray]
    errors: Mapping[Target, FloatArray]
    firsts: Mapping[Target, float]
    agree: Mapping[Target, int]
    mean_loss: float
    status: Status = Status.ok
    attempts: int = 1
    log_likelihood: float = float("nan")
    chains: Mapping[tuple[bool, float], FloatArray] = field(default_factory=dict, repr=False)

    @property
    def params(self) -> Mapping[str, float]:
        """Coefficients by target, and the expectile level that stands behind each."""
        found = {f"{t.label}.level": tau for t, tau in self.levels.items()}
        return found | self._named(self.coefficients)

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """Sandwich errors of the coefficients; those of VaR and ES take the level as given."""
        return self._named(self.errors)

    @property
    def starts_that_agree(self) -> Mapping[Target, int]:
        """Of a recursive form, how many of the search's 7 starts led to the best; 0 after a warm start."""
        return self.agree if self.settings.form != "linear" else {}

    def _named(self, values: Mapping[Target, FloatArray]) -> dict[str, float]:
        names = self.settings.coefficient_names
        return {f"{t.label}.{n}": float(v) for t, row in values.items() for n, v in zip(names, row, strict=True)}

    def predict(self, losses: FloatArray, targets: Sequence[Target], last: int) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows; NaN with fewer rows than lags."""
        settings, n = self.settings, losses.size
        if settings.form == "linear":
            rows = np.full((last, len(settings.coefficient_names)), np.nan)
            known = _regressors(losses[max(n - last - settings.lags + 1, 0) :], settings.lags).T
            rows[last - len(known) :] = known
            paths = {t: rows @ self.coefficients[t] for t in targets}
        else:
            bounds = (np.array([0]), np.array([n - last + 1]), np.array([n + 1]))
            paths = {
                t: _path_rows(settings, losses, bounds, self.coefficients[t][None], np.array([self.firsts[t]]))
                for t in targets
            }
        return np.column_stack([of_target(t, paths[t], self.levels[t], self.mean_loss) for t in targets])

    def predictive(self, losses: FloatArray, last: int) -> Predictive | None:
        """None: CARE has no law."""
        return None
