"""Joint models of VaR and ES, estimated by their common score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from riskcore._types import BoolArray, FloatArray, Status, Target
from riskcore.errors import FitError, require
from riskcore.forecasters.base import Fitted, Predictive
from riskcore.measures import expected_shortfall, value_at_risk

Tail = Literal["sav", "as"]
Excess = Literal["multiplicative", "additive"]
Factors = Literal["one-factor", "two-factor", "hybrid"]
LEAST_SPREAD = 1e-12
LEAST_HITS = 3.0
"""Losses expected beyond the VaR in a window: with fewer a level is not estimated."""
START_DAYS = 300
"""Days whose VaR, and mean excess over it, a recursion starts from."""
FLOOR = 1e-3
"""Least |L| in its logarithm, in standard deviations: a loss of zero has none."""
GRAIN = 2.0**30
"""Losses are estimated on at this many steps a standard deviation: a search that jumps must not hear of rounding."""
NEAR, TINY = 7.0, -9.0
"""Transformed coordinates that stand for a bound: shares beyond 0.9991 or below 0.0009, positive numbers below 1e-4."""
POLISHED, POLISH, ROUNDS, GAIN = 2, 60, (4, 12), 1e-6
"""Starts that are polished, evaluations of a polish at most for each coordinate, rounds of the best at most (more with
one factor, whose score is quick), and what a round gains at least for another."""
CLOUD, REACH = 300, 0.7
"""With one factor: points around the best smoothed one whose score is looked at, for further starts, and their spread
in transformed coordinates. They are the same in every window."""


@dataclass(frozen=True)
class JointVaRES:
    r"""VaR by CAViaR with an ES beyond it, of least FZ0 score.

    .. math:: v_t = b_0 + b_1 v_{t-1} + b_2 L_{t-1}^- + b_3 L_{t-1}^+ \quad\text{or}\quad
              v_t = b_0 + b_1 v_{t-1} + b_2 |L_{t-1}|

    .. math:: e_t = (1 + \exp g_0)\, v_t \quad\text{or}\quad e_t = v_t + x_t, \quad
              x_t = g_0 + g_1 (L_{t-1} - v_{t-1}) + g_2 x_{t-1} \text{ if } L_{t-1} \ge v_{t-1}, \text{ else } x_{t-1}

    Taylor maximises the likelihood of an asymmetric Laplace law. That is the FZ0 score plus a term in the mean loss
    over the ES, with which raw losses would estimate the ES less the mean loss; so FZ0 itself is minimised. The path
    starts at `value_at_risk` of the window's first 300 losses, at 0.99 the fourth largest.

    Parameters
    ----------
    form : {"as", "sav"}
        What the VaR depends on besides its own value yesterday: the size of yesterday's move (sav), with gains and
        losses weighing differently (as).
    excess : {"multiplicative", "additive"}
        How the ES lies above the VaR: in a fixed ratio, or by a distance that follows the losses beyond the VaR.
    name : str, optional
        Label of the model.

    References
    ----------
    Taylor (2019), Journal of Business & Economic Statistics 37(1), 121-133, doi:10.1080/07350015.2017.1281815.
    Fissler & Ziegel (2016), Annals of Statistics 44(4), 1680-1707, doi:10.1214/16-AOS1439.

    Examples
    --------
    >>> JointVaRES().offers(Target("expectile", 0.99))
    False
    """

    form: Tail = "as"
    excess: Excess = "multiplicative"
    name: str | None = None

    def __post_init__(self) -> None:
        require(self.form in ("as", "sav"), f"form must be 'as' or 'sav', got {self.form!r}")
        known = self.excess in ("multiplicative", "additive")
        require(known, f"excess must be 'multiplicative' or 'additive', got {self.excess!r}")

    @property
    def kind(self) -> str:
        """The model's name among `KINDS`."""
        return f"{self.form}-{self.excess}"

    def offers(self, target: Target) -> bool:
        """VaR and ES at any level."""
        return target.measure != "expectile"

    def fit(self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None) -> FittedJoint:
        """Each level estimated by itself, from the same grid of starts in every window; `start` is not used."""
        return _fit(self.kind, losses, targets)


@dataclass(frozen=True)
class FZGAS:
    r"""VaR and ES driven by the score of their own FZ0 loss.

    With :math:`h_t = 1\{L_t > v_t\}`, one factor:

    .. math:: v_t = A e^{k_t}, \quad e_t = B e^{k_t}, \quad
              k_t = b k_{t-1} + g \left(\frac{h_{t-1} L_{t-1}}{(1-p) e_{t-1}} - 1\right), \quad k_1 = 0

    The hybrid adds :math:`d \ln |L_{t-1}|` to the factor, which then starts at its mean. Two factors:

    .. math:: \begin{pmatrix} v_t \\ e_t \end{pmatrix} = w + \begin{pmatrix} b_v & 0 \\ 0 & b_e \end{pmatrix}
              \begin{pmatrix} v_{t-1} \\ e_{t-1} \end{pmatrix} + A \begin{pmatrix} v_{t-1} (h_{t-1} - (1-p)) \\
              h_{t-1} L_{t-1} / (1-p) - e_{t-1} \end{pmatrix}

    from the window's own VaR and ES, by `value_at_risk` and `expected_shortfall`. Parameters are those of least mean
    FZ0 among paths with a hit, a positive VaR and an ES above it. The hits are smoothed first, in the score and in the
    path; the minimum is then polished without.

    Parameters
    ----------
    form : {"one-factor", "two-factor", "hybrid"}
        What moves VaR and ES. one-factor: both together, up by a loss beyond the VaR; hybrid: the same, and each day's
        move counts; two-factor: each by itself, with more parameters that are harder to estimate.
    name : str, optional
        Label of the model.

    References
    ----------
    Patton, Ziegel & Chen (2019), Journal of Econometrics 211(2), 388-413, doi:10.1016/j.jeconom.2018.10.008.

    Examples
    --------
    >>> FZGAS().offers(Target("es", 0.975))
    True
    """

    form: Factors = "one-factor"
    name: str | None = None
    forms: ClassVar[tuple[str, ...]] = ("one-factor", "two-factor", "hybrid")

    def __post_init__(self) -> None:
        require(self.form in self.forms, f"form must be one of {self.forms}, got {self.form!r}")

    @property
    def kind(self) -> str:
        """The model's name among `KINDS`."""
        return self.form

    def offers(self, target: Target) -> bool:
        """VaR and ES at any level."""
        return target.measure != "expectile"

    def fit(self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None) -> FittedJoint:
        """Each level estimated by itself, from the same grid of starts in every window; `start` is not used."""
        return _fit(self.kind, losses, targets)


KINDS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "one-factor": (0, ("b", "g", "A", "B")),
    "hybrid": (1, ("b", "g", "A", "B", "d")),
    "two-factor": (2, ("w_v", "w_e", "b_v", "b_e", "a_vv", "a_ve", "a_ev", "a_ee")),
    "sav-multiplicative": (3, ("b0", "b1", "b2", "g0")),
    "as-multiplicative": (4, ("b0", "b1", "b2", "b3", "g0")),
    "sav-additive": (5, ("b0", "b1", "b2", "g0", "g1", "g2")),
    "as-additive": (6, ("b0", "b1", "b2", "b3", "g0", "g1", "g2")),
}
"""Number in the kernel and names of the parameters."""


@dataclass(frozen=True)
class Level:
    """The estimate at one level: parameters of losses in standard deviations, as the kernel has them."""

    point: FloatArray
    first: FloatArray
    score: float
    covariance: FloatArray
    starts: int
    agreeing: int
    bound: bool
    settled: bool


@dataclass(frozen=True)
class FittedJoint:
    """Estimates of every level; NaN where a window has too few losses beyond it."""

    kind: str
    scale: float
    levels: Mapping[float, Level]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters of a level."""
        return KINDS[self.kind][1]

    @property
    def status(self) -> Status:
        """Boundary where a parameter lies on its bound, retry where the polish ended before it settled."""
        known = [x for x in self.levels.values() if np.isfinite(x.score)]
        if any(x.bound for x in known):
            return Status.boundary
        return Status.ok if all(x.settled for x in known) else Status.retry

    @property
    def attempts(self) -> int:
        """Descents from different starts, of all levels."""
        return sum(x.starts for x in self.levels.values())

    @property
    def log_likelihood(self) -> float:
        """NaN: there is no law."""
        return float("nan")

    @property
    def scores(self) -> Mapping[float, float]:
        """Mean FZ0 on the window by level, of losses in their own units."""
        return {p: x.score + float(np.log(self.scale)) for p, x in self.levels.items()}

    @property
    def params(self) -> Mapping[str, float]:
        """Parameters by level and name, in the units of the losses."""
        found: dict[str, float] = {}
        for p, level in self.levels.items():
            values, _ = _reported(self.kind, level.point, self.scale)
            found |= {f"{p!r}.{n}": float(x) for n, x in zip(self.names, values, strict=True)}
        return found

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """Sandwich errors with a kernel estimate of the density at the VaR; the hits of the path are taken as given.

        NaN for what moves with a parameter on its bound; the others' errors hold that one fixed.
        """
        found: dict[str, float] = {}
        for p, level in self.levels.items():
            _, slopes = _reported(self.kind, level.point, self.scale)
            held = np.isnan(np.diag(level.covariance))
            free = slopes[:, ~held]
            variance = np.diag(free @ level.covariance[np.ix_(~held, ~held)] @ free.T)
            variance = np.where((slopes[:, held] != 0).any(axis=1), np.nan, variance)
            errors = np.sqrt(np.where(variance > 0, variance, np.nan))
            found |= {f"{p!r}.{n}": float(x) for n, x in zip(self.names, errors, strict=True)}
        return found

    def predict(self, losses: FloatArray, targets: Sequence[Target], last: int) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows."""
        out = np.full((last, len(targets)), np.nan)
        paths = {p: self.path(losses, p)[:, -last:] for p in {t.level for t in targets} if p in self.levels}
        for i, target in enumerate(targets):
            if target.measure != "expectile" and target.level in paths:
                out[:, i] = paths[target.level][1 if target.measure == "es" else 0]
        return out

    def path(self, losses: FloatArray, level: float) -> FloatArray:
        """VaR and ES (2, n + 1) of every row and of the day after the last."""
        from riskcore.kernels import joint

        x, found = _scaled(losses, self.scale), self.levels[level]
        if not np.isfinite(found.score):
            return np.full((2, losses.size + 1), np.nan)
        path = np.empty((2, x.size + 1))
        model = KINDS[self.kind][0]
        joint.score(
            x, _logs(x), model, level, joint.EXACT, found.point, found.first, np.empty(0), path, np.empty((0, 0, 0))
        )
        return path * self.scale

    def predictive(self, losses: FloatArray, last: int) -> Predictive | None:
        """None: there is no law."""
        return None


def _scaled(losses: FloatArray, scale: float) -> FloatArray:
    return np.asarray(np.rint(losses / scale * GRAIN) / GRAIN)


def _logs(x: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(np.abs(x), FLOOR)))


def _fit(kind: str, losses: FloatArray, targets: Sequence[Target]) -> FittedJoint:
    scale = float(np.std(losses))
    spread = losses.size > 1 and scale > LEAST_SPREAD * float(np.max(np.abs(losses)))
    require(spread, "losses are constant or too few: VaR and ES need variation", FitError)
    x = _scaled(losses, scale)
    levels = sorted({t.level for t in targets if t.measure != "expectile"})
    found = {p: _fit_level(kind, x, p) for p in levels}
    usable = any(np.isfinite(level.score) for level in found.values())
    require(usable, f"no level of {levels} has a path with positive VaR on {losses.size} losses", FitError)
    return FittedJoint(kind, scale, found)


def _fit_level(kind: str, x: FloatArray, level: float) -> Level:
    """Least FZ0: the grid's best point of each decay, led down with soft hits; the best two sharpened and polished."""
    from riskcore.kernels import joint

    model, names = KINDS[kind]
    size = len(names)
    nothing = Level(np.full(size, np.nan), np.empty(3), np.nan, np.full((size, size), np.nan), 0, 0, False, False)
    if x.size * (1.0 - level) < LEAST_HITS - 1e-9:
        return nothing
    v, e = float(value_at_risk(x, level)), float(expected_shortfall(x, level))
    if not v > 0:
        return nothing
    e = max(e, 1.02 * v)
    logs, first = _logs(x), _first(kind, x, level, (v, e))
    kinds, units = np.empty(joint.LARGEST, dtype=np.int64), np.empty(joint.LARGEST)
    joint.coordinates(model, level, kinds, units)
    none, empty, deep = np.empty(0), np.empty((0, 0)), np.empty((0, 0, 0))

    def score(q: FloatArray, sharp: float) -> float:
        return float(joint.score(x, logs, model, level, sharp, q, first, none, empty, deep))

    points = joint.grid(x, model, level, first, v, e)
    values = [score(q, joint.SOFT) for q in points]
    thetas, soft = [], []
    for places in np.split(np.arange(len(points)), len(joint.DECAYS)):
        best = min(places, key=lambda i: values[i])
        if np.isfinite(values[best]):
            theta = np.empty(size)
            joint.transformed(points[best], kinds, units, theta)
            soft.append(joint.descend(x, logs, model, level, joint.SOFT, first, kinds, units, theta)[0])
            thetas.append(theta)
    polished, q, by = [], np.empty(size), np.empty(size)
    quick = int(model in (joint.GAS, joint.HYBRID))
    for i in np.argsort(soft, kind="stable")[:POLISHED]:
        joint.descend(x, logs, model, level, joint.SHARP, first, kinds, units, thetas[i])
        joint.natural(thetas[i], kinds, units, q, by)
        if not np.isfinite(score(q, joint.EXACT)):  # smoothed hits led to where hits as they are have no path
            joint.transformed(min(points, key=lambda q: score(q, joint.EXACT)), kinds, units, thetas[i])
        reached, _, _ = joint.polish(x, logs, model, level, first, kinds, units, thetas[i], 0.05, POLISH * size)
        polished.append((reached, i))
    if quick and polished:
        cloud = thetas[polished[0][1]] + REACH * np.random.default_rng(0).standard_normal((CLOUD, size))
        heights = np.full(CLOUD, np.inf)
        for j, theta in enumerate(cloud):
            if joint.natural(theta, kinds, units, q, by):
                heights[j] = score(q, joint.EXACT)
        for j in np.argsort(heights, kind="stable")[:POLISHED]:
            thetas.append(cloud[j].copy())
            reached, _, _ = joint.polish(x, logs, model, level, first, kinds, units, thetas[-1], 0.05, POLISH * size)
            polished.append((reached, len(thetas) - 1))
    lowest, place = min(polished, default=(np.inf, 0))
    if not np.isfinite(lowest):
        return nothing
    theta, before = thetas[place], np.inf
    for _ in range(ROUNDS[quick]):
        before = lowest
        lowest, _, _ = joint.polish(x, logs, model, level, first, kinds, units, theta, 0.02, POLISH * size)
        if before - lowest < GAIN:
            break
    settled = before - lowest < GAIN
    joint.natural(theta, kinds, units, q, by)
    share = (kinds[:size] == joint.SHARE) | (kinds[:size] == joint.BELOW)
    bound = (share & (np.abs(theta) > NEAR)) | ((kinds[:size] == joint.POSITIVE) & (theta < TINY))
    agreeing = int(np.sum(np.asarray(soft) <= min(soft) + 1e-4))
    covariance = _covariance(x, logs, model, level, first, q, ~bound)
    return Level(q, first, lowest, covariance, len(soft), agreeing, bool(bound.any()), bool(settled))


def _first(kind: str, x: FloatArray, level: float, tail: tuple[float, float]) -> FloatArray:
    """What the path starts from."""
    v, e = tail
    if kind == "hybrid":
        return np.array([v, e, float(np.mean(_logs(x)))])
    if kind in ("one-factor", "two-factor"):
        return np.array([v, e, 0.0])
    days = x[:START_DAYS]
    early = float(value_at_risk(days, level))
    early = early if early > 0 else v
    above = days[days > early]
    return np.array([early, float(np.mean(above) - early) if above.size else e - v, 0.0])


def _covariance(
    x: FloatArray, logs: FloatArray, model: int, level: float, first: FloatArray, q: FloatArray, free: BoolArray
) -> FloatArray:
    r"""Covariance of the kernel's `free` parameters: :math:`D^{-1} V D^{-1}/n`; NaN for those on a bound.

    V is the mean square of the score's slopes, D the mean of :math:`f_t(v_t)/((1-p) e_t) v_t' v_t'^T +
    e_t' e_t'^T/e_t^2`; the density f is :math:`1\{|L_t - v_t| < c\}/(2c)` with c of :math:`n^{-1/3}` standard
    deviations.
    """
    from riskcore.kernels import joint

    n, size, rest = x.size, q.size, 1.0 - level
    path, slopes, gradient = np.empty((2, n + 1)), np.empty((2, size, n)), np.empty(size)
    joint.score(x, logs, model, level, joint.EXACT, q, first, gradient, path, slopes)
    out, slopes = np.full((size, size), np.nan), slopes[:, free]
    v, e = path[:, :-1]
    gap = x - v
    by_v = (1.0 - (gap > 0) / rest) / e
    by_e = (1.0 - v / e - np.maximum(gap, 0.0) / (rest * e)) / e
    scores = by_v * slopes[0] + by_e * slopes[1]
    width = n ** (-1.0 / 3.0)
    density = (np.abs(gap) < width) / (2.0 * width)
    bread = (density / (rest * e) * slopes[0]) @ slopes[0].T / n + (slopes[1] / e**2) @ slopes[1].T / n
    unit = np.sqrt(np.diag(bread))
    if not (np.isfinite(bread).all() and (unit > 0).all() and np.isfinite(scores).all()):
        return out
    scaled = bread / np.outer(unit, unit)
    if not free.any() or np.linalg.cond(scaled) > 1e12:
        return out
    inverse = np.linalg.inv(scaled) / np.outer(unit, unit)
    out[np.ix_(free, free)] = inverse @ (scores @ scores.T / n) @ inverse / n
    return out


def _reported(kind: str, q: FloatArray, scale: float) -> tuple[FloatArray, FloatArray]:
    """Parameters in the units of the losses, and their slopes by the kernel's."""
    values, slopes = q.copy(), np.eye(q.size)
    if kind == "two-factor":
        for i in (0, 1):
            values[i], slopes[i, i] = q[i] * scale, scale
    elif kind in ("one-factor", "hybrid"):
        offset, by_b, by_d = float(np.log(scale)), 0.0, 0.0
        if kind == "hybrid":  # the factor of losses in their own units is shifted by d ln(scale)/(1 - b)
            by_d = -offset / (1.0 - q[0])
            by_b = by_d * q[4] / (1.0 - q[0])
            offset += by_d * q[4]
        upper = float(np.exp(q[2] + offset))
        values[3], values[2] = upper, upper * float(np.exp(q[3]))
        for i in (2, 3):
            slopes[i] = 0.0
            slopes[i, 2], slopes[i, 0] = values[i], by_b * values[i]
            if kind == "hybrid":
                slopes[i, 4] = by_d * values[i]
        slopes[2, 3] = values[2]
    else:
        values[0], slopes[0, 0] = q[0] * scale, scale
        if kind.endswith("additive"):
            place = q.size - 3
            values[place], slopes[place, place] = q[place] * scale, scale
    return values, slopes
