"""CAViaR: the VaR itself follows a recursion in yesterday's loss; ES stands on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from riskcore import defaults
from riskcore._types import Block, BoolArray, FloatArray, IntArray, Status, Target
from riskcore.errors import FitError, require
from riskcore.forecasters.base import Fitted, Predictive, Walked
from riskcore.measures.paths import path_errors, quantile_path_covariance

Form = Literal["sav", "as", "ig", "adaptive"]
FORMS: tuple[Form, ...] = get_args(Form)
ShortfallForm = Literal["multiplicative", "additive", "none"]
SHORTFALLS: tuple[ShortfallForm, ...] = get_args(ShortfallForm)
COEFFICIENTS: Mapping[Form, tuple[str, ...]] = {
    "sav": ("b0", "b1", "b2"),
    "as": ("b0", "b1", "b2", "b3"),
    "ig": ("b0", "b1", "b2"),
    "adaptive": ("b1",),
}
N_START = 300
"""A path starts at the measure of the window's first losses, so many or all."""
LEAST_ROWS = 9
LEAST_SPREAD = 1e-12
EDGE = 1e-9
"""A coefficient as near as that to its bound is on it."""


@dataclass(frozen=True)
class CAViaR:
    r"""VaR that follows its own recursion, by quantile regression; ES that stands on it.

    .. math::
        \text{sav: } v_t = b_0 + b_1 v_{t-1} + b_2 |L_{t-1}|, \qquad
        \text{as: } v_t = b_0 + b_1 v_{t-1} + b_2 L^-_{t-1} + b_3 L^+_{t-1}, \\
        \text{ig: } v_t = (b_0 + b_1 v_{t-1}^2 + b_2 L_{t-1}^2)^{1/2}, \qquad
        \text{adaptive: } v_t = v_{t-1} + b_1 \big( (1 + e^{-G (L_{t-1} - v_{t-1})})^{-1} - (1-p) \big)

    The coefficients minimise the quantile score of the window, from a search of many starts; the path starts at the
    empirical VaR of the window's first 300 losses (its absolute value in indirect GARCH). That VaR is the rounded order
    statistic of Engle and Manganelli, at 0.99 the third largest of 300. The ES is Taylor's,

    .. math:: e_t = (1 + e^{g_0}) v_t \quad\text{or}\quad e_t = v_t + x_t, \quad x_t = g_0 + g_1 (L_{t-1} - v_{t-1}) +
              g_2 x_{t-1} \text{ after a day with } L_{t-1} \ge v_{t-1}, \text{ else } x_{t-1}

    with :math:`g \ge 0`, in two steps: given the VaR, its coefficients minimise the FZ0 score. A window in which fewer
    losses are expected beyond a level than there are coefficients gives NaN for that level; a VaR that is not above
    zero throughout the window gives NaN for its ES.

    Parameters
    ----------
    form : {"sav", "as", "ig", "adaptive"}
        What the VaR depends on besides its own value yesterday. sav: the size of yesterday's move; as: the same, with
        gains and losses weighing differently; ig: as sav in squares, like a GARCH; adaptive: only whether yesterday's
        loss exceeded the VaR.
    es : {"multiplicative", "additive", "none"}
        How the ES lies above the VaR. multiplicative: in a fixed ratio; additive: by a distance that follows the losses
        beyond the VaR; none: only VaR is offered.
    sharpness : float
        Of the adaptive form only, G of the formula, positive: how sharply a loss just above the VaR is told from one
        just below. Per standard deviation of the window's losses; the paper has 10 per percentage point.
    name : str, optional
        Label of the model.

    References
    ----------
    Engle & Manganelli (2004), Journal of Business & Economic Statistics 22(4), 367-381,
    doi:10.1198/073500104000000370. Taylor (2019), Journal of Business & Economic Statistics 37(1), 121-133,
    doi:10.1080/07350015.2017.1281815.

    Examples
    --------
    >>> CAViaR("sav").offers(Target("es", 0.975)), CAViaR("sav").offers(Target("expectile", 0.99))
    (True, False)
    """

    form: Form = "sav"
    es: ShortfallForm = "multiplicative"
    sharpness: float = 10.0
    name: str | None = None

    def __post_init__(self) -> None:
        require(self.form in FORMS, f"form must be one of {FORMS}, got {self.form!r}")
        require(self.es in SHORTFALLS, f"es must be one of {SHORTFALLS}, got {self.es!r}")
        number = isinstance(self.sharpness, (int, float)) and math.isfinite(self.sharpness)
        ok = number and self.sharpness > 0
        require(ok, f"sharpness must be above 0, got {self.sharpness!r}; typical value: 10")

    def offers(self, target: Target) -> bool:
        """VaR, and ES unless `es` is "none"."""
        return target.measure == "var" or (target.measure == "es" and self.es != "none")

    def fit(self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None) -> FittedCAViaR:
        """Estimate every level on one window; FitError for constant or too few losses."""
        begin, end = np.array([0]), np.array([losses.size])
        varied = bool(_usable(losses, begin, end)[0])
        require(varied, "losses are constant or too few: a tail recursion needs variation", FitError)
        before = start.tails if isinstance(start, FittedCAViaR) and start.settings == self else {}
        tails = {}
        for level in dict.fromkeys(t.level for t in targets):
            known = before.get(level)
            chain = no_chain() if known is None else known.chain.copy()
            windows = fit_windows(self, losses, begin, end, np.array([False]), level, chain)
            tails[level] = _tail_of(self, losses, level, windows, chain, known)
        shown = tuple(level for level in tails if any(t.measure == "es" and t.level == level for t in targets))
        boundary = any(tail.boundary for tail in tails.values())
        return FittedCAViaR(self, tails, shown, Status.boundary if boundary else Status.ok)

    def walk(self, losses: FloatArray, targets: Sequence[Target], blocks: Sequence[Block]) -> Walked | None:
        """All blocks at once: the forecasts of `fit` and `predict`."""
        from riskcore.kernels.tail_rows import tail_rows

        starts = np.array([b.train.start for b in blocks], dtype=np.int64)
        stops = np.array([b.train.stop for b in blocks], dtype=np.int64)
        ends = np.array([b.test.stop for b in blocks], dtype=np.int64)
        cold = np.array([b.index % defaults.COLD_START_EVERY == 0 for b in blocks])
        usable, boundary, values = _usable(losses, starts, stops), np.zeros(len(blocks), dtype=bool), {}
        for level in dict.fromkeys(t.level for t in targets):
            found = fit_windows(self, losses, starts, stops, cold, level, no_chain())
            values[level] = tail_rows(
                losses, starts, stops, ends, FORMS.index(self.form), found.points, found.firsts, level,
                found.sharpness, SHORTFALL_CODES[self.es], found.extras,
            )  # fmt: skip
            boundary |= found.boundary
        columns = [values[t.level][:, int(t.measure == "es")] for t in targets]
        status = np.where(usable, np.where(boundary, Status.boundary, Status.ok), Status.failed)
        return Walked(np.column_stack(columns), np.repeat(status, ends - stops).astype(np.int8), None)


SHORTFALL_CODES: Mapping[ShortfallForm, int] = {"none": 0, "multiplicative": 1, "additive": 2}


@dataclass(frozen=True)
class Windows:
    """Estimates of one level in many windows; NaN where there are none."""

    points: FloatArray
    firsts: FloatArray
    sharpness: FloatArray
    extras: FloatArray
    scores: FloatArray
    agree: IntArray
    boundary: BoolArray


def no_chain() -> FloatArray:
    """Optima of the window before, where there is no such window."""
    from riskcore.kernels.recursive import KEPT, N_COEFFICIENTS

    return np.full((KEPT, N_COEFFICIENTS), np.nan)


def _usable(losses: FloatArray, starts: IntArray, stops: IntArray) -> BoolArray:
    """Windows whose losses vary enough to try."""
    from riskcore.kernels.asymmetric import window_moments

    moments = window_moments(losses, starts, stops)
    return np.asarray((stops - starts >= LEAST_ROWS) & (moments[:, 1] > LEAST_SPREAD * moments[:, 2]))


def first_values_at_risk(losses: FloatArray, starts: IntArray, stops: IntArray, level: float) -> FloatArray:
    """Empirical VaR of the first 300 losses of every window, or of all, as Engle and Manganelli take it.

    Of m losses it is the k-th largest with k = m (1 - level) rounded, the third of 300 at 0.99; `value_at_risk` is the
    fourth there.
    """
    counts, out = np.minimum(stops - starts, N_START), np.empty(starts.size)
    for count in np.unique(counts):
        chosen = np.flatnonzero(counts == count)
        place = int(count) - max(1, math.floor(count * (1.0 - level) + 0.5 + 1e-9))
        for part in np.array_split(chosen, 1 + chosen.size // 4096):
            sample = losses[starts[part, None] + np.arange(count)]
            out[part] = np.partition(sample, place, axis=1)[:, place]
    return out


def fit_windows(
    settings: CAViaR,
    losses: FloatArray,
    starts: IntArray,
    stops: IntArray,
    cold: BoolArray,
    level: float,
    chain: FloatArray,
) -> Windows:
    """Estimate one level on losses [start, stop) of every window; `chain` holds the optima before and after."""
    from riskcore.kernels.adaptive import adaptive_windows
    from riskcore.kernels.asymmetric import window_moments
    from riskcore.kernels.recursive import N_COEFFICIENTS, recursive_windows
    from riskcore.kernels.tail_rows import N_EXTRAS, shortfall_windows

    n, code = starts.size, FORMS.index(settings.form)
    out = Windows(
        points=np.full((n, N_COEFFICIENTS), np.nan), firsts=np.full(n, np.nan), sharpness=np.full(n, np.nan),
        extras=np.full((n, N_EXTRAS), np.nan), scores=np.full(n, np.nan), agree=np.zeros(n, dtype=np.int64),
        boundary=np.zeros(n, dtype=np.bool_),
    )  # fmt: skip
    least = len(COEFFICIENTS[settings.form])
    enough = _usable(losses, starts, stops) & ((stops - starts) * (1.0 - level) >= least - 1e-9)
    if not enough.any():
        chain[:] = np.nan
        return out
    begin, end = starts[enough], stops[enough]
    firsts = first_values_at_risk(losses, begin, end, level)
    if settings.form == "ig":  # the recursion has its square
        firsts = np.abs(firsts)
    if settings.form == "adaptive":
        steps, scores, agree, sharpness = adaptive_windows(losses, begin, end, firsts, level, settings.sharpness)
        points = np.zeros((steps.size, N_COEFFICIENTS))
        points[:, 0] = steps
    else:
        points, scores, facts = recursive_windows(
            losses, begin, end, cold[enough], firsts, code, level, False, chain
        )  # fmt: skip
        agree, sharpness = facts[:, 1], np.full(scores.size, np.nan)
    edge = _on_bound(settings, points, window_moments(losses, begin, end)[:, 1]).any(axis=1)
    extras, on_bound = shortfall_windows(
        losses, begin, end, code, points, firsts, level, sharpness, SHORTFALL_CODES[settings.es]
    )
    out.points[enough], out.firsts[enough], out.sharpness[enough] = points, firsts, sharpness
    out.extras[enough], out.scores[enough], out.agree[enough] = extras, scores, agree
    out.boundary[enough] = edge | on_bound
    return out


@dataclass(frozen=True)
class TailFit:
    """One level's estimates on one window, in the units of the losses; NaN where the window is too short for it."""

    point: FloatArray
    first: float
    sharpness: float
    extras: FloatArray
    score: float
    agree: int
    boundary: bool
    errors: FloatArray
    shortfall_errors: FloatArray
    chain: FloatArray = field(repr=False)


def _tail_of(
    settings: CAViaR, losses: FloatArray, level: float, windows: Windows, chain: FloatArray, before: TailFit | None
) -> TailFit:
    point, agree = windows.points[0], int(windows.agree[0])
    found = TailFit(
        point=point,
        first=float(windows.firsts[0]),
        sharpness=float(windows.sharpness[0]),
        extras=windows.extras[0],
        score=float(windows.scores[0]) * float(np.std(losses)),
        agree=before.agree if agree == 0 and before is not None else agree,
        boundary=bool(windows.boundary[0]),
        errors=np.full(len(COEFFICIENTS[settings.form]), np.nan),
        shortfall_errors=np.full(3, np.nan),
        chain=chain,
    )
    if not np.isnan(point[0]):
        _fill_errors(settings, losses, level, found)
    return found


def _fill_errors(settings: CAViaR, losses: FloatArray, level: float, tail: TailFit) -> None:
    """Errors of the free coefficients; those of a multiplicative ES with what the VaR's coefficients add to them."""
    path, gradient = _gradient(settings, losses, level, tail)
    free = ~_on_bound(settings, tail.point, np.std(losses))
    covariance = quantile_path_covariance(losses, path, gradient[:, free], level)
    tail.errors[free] = path_errors(covariance.covariance)
    if settings.es == "multiplicative" and tail.extras[0] > 0:
        over = np.maximum(losses - path, 0.0) / ((1.0 - level) * path)
        pulled = ((losses > path) - (1.0 - level))[:, None] * gradient[:, free]
        slope = -((1.0 + tail.extras[0]) / path) @ gradient[:, free] / losses.size
        moves = over - tail.extras[0] + pulled @ np.linalg.pinv(covariance.density) @ slope
        tail.shortfall_errors[0] = np.std(moves) / math.sqrt(losses.size) / tail.extras[0]


def _on_bound(settings: CAViaR, points: FloatArray, spreads: Any) -> BoolArray:
    """Which coefficients lie on their bound; `spreads` are standard deviations of the windows' losses."""
    from riskcore.kernels.adaptive import LARGEST_STEP, LEAST_STEP
    from riskcore.kernels.recursive import LARGEST_DECAY, LEAST_VARIANCE

    found = points[..., : len(COEFFICIENTS[settings.form])]
    bound = np.zeros(found.shape, dtype=np.bool_)
    if settings.form == "adaptive":
        least, largest = LEAST_STEP * spreads * (1 + EDGE), LARGEST_STEP * spreads * (1 - EDGE)
        bound[..., 0] = (found[..., 0] <= least) | (found[..., 0] >= largest)
        return bound
    bound[..., 1] = (found[..., 1] <= EDGE) | (found[..., 1] >= LARGEST_DECAY - EDGE)
    if settings.form == "ig":
        bound[..., 0] = found[..., 0] <= 2 * LEAST_VARIANCE * np.square(spreads)
        bound[..., 2] = found[..., 2] <= EDGE
    return bound


def _gradient(settings: CAViaR, losses: FloatArray, level: float, tail: TailFit) -> tuple[FloatArray, FloatArray]:
    from riskcore.kernels.tail_rows import gradient_rows

    code = FORMS.index(settings.form)
    path, gradient = gradient_rows(losses, code, tail.point, tail.first, level, tail.sharpness)
    return path, gradient[:, : len(COEFFICIENTS[settings.form])]


@dataclass(frozen=True)
class FittedCAViaR:
    """Coefficients of every level, in the units of the losses."""

    settings: CAViaR
    tails: Mapping[float, TailFit]
    with_es: tuple[float, ...]
    status: Status = Status.ok
    attempts: int = 1
    log_likelihood: float = float("nan")

    @property
    def params(self) -> Mapping[str, float]:
        """Coefficients of each level's VaR, and those of its ES where it was asked for."""
        found: dict[str, float] = {}
        for level, tail in self.tails.items():
            found |= self._named("var", level, COEFFICIENTS[self.settings.form], tail.point)
            if level in self.with_es:
                with np.errstate(divide="ignore"):
                    multiple = self.settings.es == "multiplicative"
                    values = np.log(tail.extras[:1]) if multiple else tail.extras[:3]
                found |= self._named("es", level, ("g0", "g1", "g2")[: values.size], values)
        return found

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """Engle and Manganelli's errors, and that of a multiplicative ES; NaN on a bound and for an additive ES."""
        found: dict[str, float] = {}
        for level, tail in self.tails.items():
            found |= self._named("var", level, COEFFICIENTS[self.settings.form], tail.errors)
            if level in self.with_es:
                names = ("g0", "g1", "g2")[: 1 if self.settings.es == "multiplicative" else 3]
                found |= self._named("es", level, names, tail.shortfall_errors)
        return found

    @property
    def starts_that_agree(self) -> Mapping[float, int]:
        """By level, how many starts of the last search from a grid led to the best: of 7, of 3 where adaptive."""
        return {level: tail.agree for level, tail in self.tails.items()}

    def _named(
        self, measure: Literal["var", "es"], level: float, names: Sequence[str], values: FloatArray
    ) -> dict[str, float]:
        label = Target(measure, level).label
        return {f"{label}.{name}": float(value) for name, value in zip(names, values, strict=False)}

    def path(self, losses: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        """VaR of every day of `losses`, which start where fit's did, and its derivatives by the coefficients (n, k).

        They are what `riskcore.backtests.dynamic_quantile_in_sample` needs.
        """
        require(level in self.tails, f"level must be one of those fitted, {tuple(self.tails)}, got {level!r}")
        return _gradient(self.settings, losses, level, self.tails[level])

    def predict(self, losses: FloatArray, targets: Sequence[Target], last: int) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows."""
        from riskcore.kernels.tail_rows import tail_rows

        begin, end, zero = np.array([losses.size - last + 1]), np.array([losses.size + 1]), np.array([0])
        values = {}
        for level in dict.fromkeys(t.level for t in targets):
            tail = self.tails[level]
            values[level] = tail_rows(
                losses, zero, begin, end, FORMS.index(self.settings.form), tail.point[None], np.array([tail.first]),
                level, np.array([tail.sharpness]), SHORTFALL_CODES[self.settings.es], tail.extras[None],
            )  # fmt: skip
        return np.column_stack([values[t.level][:, int(t.measure == "es")] for t in targets])

    def predictive(self, losses: FloatArray, last: int) -> Predictive | None:
        """None: CAViaR has no law."""
        return None
