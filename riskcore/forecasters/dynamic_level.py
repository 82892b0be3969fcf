"""Expectile VaR at a level that moves: the level is set each day so that the forecast serves as a VaR."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np
from scipy.special import logit, ndtri

from riskcore._types import FloatArray, Status, Target
from riskcore.distributions import Empirical
from riskcore.errors import FitError, require
from riskcore.forecasters.base import Fitted, Predictive
from riskcore.measures import value_at_risk
from riskcore.volatility import EWMA, ConstantMean, Mean, Volatility, VolatilityFit, ZeroMean

Rule = Literal["score", "online"]
Transform = Literal["logistic", "normal"]
LEAST_ROWS = 60
LEAST_SPREAD = 1e-12
CLIP = 1e-5
"""Levels are held within [0.5 + CLIP, 1 - CLIP]."""
GAINS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Gains of the online rule that the training part chooses among."""
LARGEST_DECAY = 0.98
BASES, DECAYS, PUSHES = (-0.8, -0.4, 0.0, 0.4, 0.8), (0.0, 0.6, 0.9), (0.0, 0.3)
STEPS = (0.25, 0.15, 0.15, 0.15)
"""The grid of the search, and its first steps: the usual level, d1, and what a usual variance and a usual loss add."""
HALVINGS = 4
BETTER = 1e-9
"""A point is better whose score is lower by more than this share; among equals the first one stands."""


@dataclass(frozen=True)
class DynamicLevel:
    r"""Expectile of the loss at a level :math:`\tau_t` that moves from day to day.

    .. math:: m_t = \mu_t + \sigma_t\, e_{\tau_t}(Z), \quad
              \tau_t = A\left(d_0 + d_1 A^{-1}(\tau_{t-1}) + d_2 \sigma_{t-1}^2 + d_3 |L_{t-1}|\right)

    with Z the standardised losses of the last days, :math:`|d_1| < 1` and the level held within (1/2, 1). The signs of
    :math:`d_2` and :math:`d_3` are free: positive ones raise prudence in stress, but the score often chooses others.
    The level is a choice and no parameter of the data: d has the lowest quantile score at `level` of the one-day
    forecasts for the second half of the window, whose volatility is fitted to the first half. The rule ``"online"``
    moves the level by yesterday's hit,

    .. math:: A^{-1}(\tau_{t+1}) = A^{-1}(\tau_t) + g\,(1\{L_t > m_t\} - (1-p)),

    from the level whose expectile is the VaR of the first half's residuals. It pulls the share of hits toward 1-p, as
    long as the level stays off its bounds (a long-run average, no statement about any day): the forecast is a VaR by
    construction. Each refit starts the rule again from the middle of its window.

    The forecast is offered as the VaR at `level`, and each day's :math:`\tau_t` stands in the column ``level`` of the
    table, so that it is judged as a VaR and as the expectile at the day's level. Scores at levels that move are not
    comparable across models.

    Parameters
    ----------
    level : float
        The level p of the VaR that the forecast serves as, in (0.5, 1); no other figure is offered. Typical values:
        0.975, 0.99.
    rule : {"score", "online"}
        How the expectile's level moves: with the volatility and the last loss, by numbers that scored best in the
        window's second half; or online, up after each loss beyond the VaR and slowly down after all other days.
    transform : {"logistic", "normal"}
        The scale on which the level moves and which keeps it below 1: the logarithm of the loss-gain ratio (logistic),
        or the quantile of the normal law.
    gain : float, optional
        How far one hit moves the level under the online rule, g of the formula: a large one answers fast and swings.
        None: of 0.02, 0.05, 0.1, 0.2, 0.4 and 0.8 the one that scored best in the second half of the window.
    volatility : Volatility
        The volatility by which losses are standardised before their expectile is taken.
    name : str, optional
        Label of the model.

    References
    ----------
    Oketunji (2025), arXiv:2507.13391, equation 13, with the level's lag as :math:`A^{-1}(\tau_{t-1})`. Gibbs & Candès
    (2021), Advances in Neural Information Processing Systems 34, for the online rule.

    Examples
    --------
    >>> DynamicLevel().offers(Target("var", 0.99)), DynamicLevel().offers(Target("var", 0.975))
    (True, False)
    """

    level: float = 0.99
    rule: Rule = "score"
    transform: Transform = "logistic"
    gain: float | None = None
    volatility: Volatility = field(default_factory=EWMA)
    name: str | None = None

    def __post_init__(self) -> None:
        require(0.5 < self.level < 1, f"level must lie in (0.5, 1), got {self.level!r}; typical values: 0.975, 0.99")
        require(self.rule in ("score", "online"), f"rule must be 'score' or 'online', got {self.rule!r}")
        known = self.transform in ("logistic", "normal")
        require(known, f"transform must be 'logistic' or 'normal', got {self.transform!r}")
        require(self.gain is None or self.gain > 0, f"gain must be positive or None, got {self.gain!r}")
        require(self.gain is None or self.rule == "online", "gain must be None where the rule is 'score'")

    @property
    def mean_used(self) -> Mean:
        """Zero under EWMA, else constant."""
        return ZeroMean() if isinstance(self.volatility, EWMA) else ConstantMean()

    def offers(self, target: Target) -> bool:
        """The VaR at `level`."""
        return target.measure == "var" and target.level == self.level

    def fit(self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None) -> FittedDynamicLevel:
        """Choose the rule's numbers on the second half of the window; `start` is the volatility's."""
        scale = float(np.std(losses)) if losses.size else 0.0
        usable = losses.size >= LEAST_ROWS and scale > LEAST_SPREAD * float(np.max(np.abs(losses)))
        require(usable, f"losses must vary and be at least {LEAST_ROWS}, got {losses.size}", FitError)
        begin = losses.size // 2
        known = begin * (1.0 - self.level) >= 1.0 - 1e-9
        require(known, f"losses must be at least {2 * math.ceil(1.0 / (1.0 - self.level) - 1e-9)} for the VaR at "
                f"{self.level!r} of their first half, got {losses.size}", FitError)  # fmt: skip
        inner = self._volatility(losses[:begin])
        mean, sigma = self.volatility.filter(losses, inner)
        _check(sigma)
        z = (losses[:begin] - mean[:begin]) / sigma[:begin]
        first = self._start(z)
        path = _Path(self, losses, mean, sigma, scale, window=losses.size, begin=begin)
        if self.rule == "online":
            gains = np.array([GAINS if self.gain is None else (self.gain,)]).T
            point = gains[_first_best(path.scores(gains, np.full(len(gains), first)))]
        else:
            point = _search(path, first)
        warm = start.estimate if isinstance(start, FittedDynamicLevel) and self.volatility.estimated else None
        estimate = self._volatility(losses, warm)
        first = first if self.rule == "online" else float(point[4])
        return FittedDynamicLevel(self, estimate, scale, losses.size, begin, first, point[:4])

    def _volatility(self, losses: FloatArray, start: VolatilityFit | None = None) -> VolatilityFit:
        return self.volatility.fit(losses, mean=self.mean_used, law=Empirical(), start=start)

    def _start(self, z: FloatArray) -> float:
        """y of the level whose expectile is the VaR of a sample, within the bounds."""
        q = float(value_at_risk(z, self.level))
        above, below = float(np.mean(np.maximum(z - q, 0.0))), float(np.mean(np.maximum(q - z, 0.0)))
        low, high = self.bounds
        level = below / (above + below) if above + below > 0 else self.level
        return float(min(max(self.inverse(min(max(level, CLIP), 1.0 - CLIP)), low), high))

    def inverse(self, level: float) -> float:
        """y of a level."""
        return float(logit(level) if self.transform == "logistic" else ndtri(level))

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and largest y."""
        return self.inverse(0.5 + CLIP), -self.inverse(CLIP)


def _check(sigma: FloatArray) -> None:
    positive = bool(np.all(np.isfinite(sigma)) and np.all(sigma > 0))
    require(positive, "the volatility of the window is zero on some days: there are no residuals", FitError)


@dataclass(frozen=True)
class _Path:
    """Losses with their means and volatilities, through which points are walked."""

    settings: DynamicLevel
    losses: FloatArray
    mean: FloatArray
    sigma: FloatArray
    scale: float
    window: int
    begin: int

    def scores(self, points: FloatArray, first: FloatArray) -> FloatArray:
        """Mean quantile scores of many points, in standard deviations of the losses."""
        out = np.empty(len(points))
        self._walk(points, first, out, np.empty(0), np.empty(0))
        return out / (self.scale * (self.losses.size - self.begin))

    def of(self, point: FloatArray, first: float) -> tuple[FloatArray, FloatArray]:
        """Levels and forecasts of rows 0..n; NaN before `begin`."""
        levels, values = np.full(self.losses.size + 1, np.nan), np.full(self.losses.size + 1, np.nan)
        self._walk(point[None, :], np.array([first]), np.empty(1), levels, values)
        return levels, values

    def _walk(
        self, points: FloatArray, first: FloatArray, scores: FloatArray, levels: FloatArray, values: FloatArray
    ) -> None:
        from riskcore.kernels.levels import moving_levels

        settings = self.settings
        online, normal = settings.rule == "online", settings.transform == "normal"
        moving_levels(
            self.losses, self.mean, self.sigma, (self.sigma / self.scale) ** 2, np.abs(self.losses) / self.scale,
            self.window, self.begin, online, normal, settings.level, first, np.ascontiguousarray(points),
            *settings.bounds, scores, levels, values,
        )  # fmt: skip


def _first_best(scores: FloatArray) -> int:
    """Place of the lowest score, the first one among equals."""
    best = 0
    for i, value in enumerate(scores):
        if value < scores[best] - BETTER * abs(scores[best]):
            best = i
    return best


def _search(path: _Path, first: float) -> FloatArray:
    """The point d and its usual y: a grid, then ever smaller steps in all directions from the best."""
    days = slice(0, path.begin)
    usual = (
        float(np.mean((path.sigma[days] / path.scale) ** 2)),
        float(np.mean(np.abs(path.losses[days]))) / path.scale,
    )

    def points(shapes: Iterable[Sequence[float]]) -> FloatArray:
        found = []
        for base, decay, by_variance, by_size in shapes:
            d1 = min(max(decay, -LARGEST_DECAY), LARGEST_DECAY)
            d2, d3 = (1.0 - d1) * by_variance / usual[0], (1.0 - d1) * by_size / usual[1]
            y = first + base
            found.append([(1.0 - d1) * (y - by_variance - by_size), d1, d2, d3, y])
        return np.array(found)

    shapes = sorted(product(BASES, DECAYS, PUSHES, PUSHES), key=lambda s: (abs(s[0]), s[1], s[2] + s[3]))
    best: Sequence[float] = shapes[0]
    for halving in range(HALVINGS + 1):
        if halving > 0:
            steps = [s * 0.5 ** (halving - 1) for s in STEPS]
            moves = sorted(product((0, -1, 1), repeat=4), key=lambda m: sum(map(abs, m)))
            shapes = [tuple(b + m * s for b, m, s in zip(best, move, steps, strict=True)) for move in moves]  # type: ignore[misc]  # four numbers
        found = points(shapes)
        best = shapes[_first_best(path.scores(found[:, :4], found[:, 4]))]
    return np.asarray(points([best])[0])


@dataclass(frozen=True)
class FittedDynamicLevel:
    """A rule with its numbers, and the volatility under it."""

    settings: DynamicLevel
    estimate: VolatilityFit
    scale: float
    window: int
    begin: int
    first: float
    point: FloatArray
    attempts: int = 1

    @property
    def params(self) -> Mapping[str, float]:
        """The rule's numbers in the units of the losses, the level it starts from, and the volatility's estimates."""
        from riskcore.kernels.levels import level_of

        names = ("g",) if self.settings.rule == "online" else ("d0", "d1", "d2", "d3")
        units = (1.0, 1.0, self.scale**-2, 1.0 / self.scale)
        found = {name: float(x * unit) for name, x, unit in zip(names, self.point, units, strict=False)}
        start = float(level_of(self.first, self.settings.transform == "normal"))
        return {**found, "first_level": start, **self.estimate.all_params}

    @property
    def standard_errors(self) -> Mapping[str, float]:
        """None: the level is a choice."""
        return {}

    @property
    def log_likelihood(self) -> float:
        """NaN: there is no law."""
        return float("nan")

    @property
    def status(self) -> Status:
        """The volatility's."""
        return self.estimate.status

    def _path(self, losses: FloatArray, last: int) -> tuple[FloatArray, FloatArray]:
        mean, sigma = self.settings.volatility.filter(losses, self.estimate)
        path = _Path(self.settings, losses, mean, sigma, self.scale, self.window, self.begin)
        levels, values = path.of(self.point, self.first)
        return levels[-last:], values[-last:]

    def predict(self, losses: FloatArray, targets: Sequence[Target], last: int) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows."""
        _, values = self._path(losses, last)
        out = np.full((last, len(targets)), np.nan)
        for i, target in enumerate(targets):
            if self.settings.offers(target):
                out[:, i] = values
        return out

    def levels(self, losses: FloatArray, last: int) -> FloatArray:
        """The expectile level of each of the same steps."""
        return self._path(losses, last)[0]

    def predictive(self, losses: FloatArray, last: int) -> Predictive | None:
        """None: only one expectile of the law is modelled."""
        return None
