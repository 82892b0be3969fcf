"""Markov regimes: the loss follows one of two or three laws, and a hidden Markov chain says which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np

from riskcore._types import BoolArray, FloatArray, IntArray, Status, Target
from riskcore.distributions import Mixture, Normal, ParametricLaw, StudentT
from riskcore.errors import FitError, require
from riskcore.forecasters.base import Fitted, Predictive
from riskcore.forecasters.location_scale import LocationScale

FLOOR = 0.0025
"""Least variance of a regime as a share of the sample's: a twentieth of its standard deviation."""
ROWS_EACH = 15
"""Fewest losses for each regime."""
ROUNDS = {2: (12, 0), 3: (8, 15)}
"""Rounds of EM and steps of descent from each start, by the number of regimes; the best go on, as many as regimes."""
START_NU = 8.0
STEPS, SETTLED = 400, 1e-7
POLISHES, FLAT, MARGIN, LEAST_BEND = 3, 1e-4, 0.5, 1e-3
"""Newton steps at most; slope at which an estimate has settled; coordinates nearer to a bound or flatter than the last
two stay where they are."""
RARE = 1e-5
"""A transition less likely than this stands on the bound of its range."""
SAME = 1e-4
"""Difference of log-likelihoods below which two descents have found the same top."""
HALF_WIDTH = 10
"""Days before and after a day that make its local volatility, by which starts are sorted."""
LEAST_SPREAD = 1e-12


@dataclass(frozen=True)
class MarkovSwitching:
    r"""Markov-switching losses: a hidden chain says which of two or three laws holds.

    .. math:: L_t = \mu_j + \phi_j L_{t-1} + \sigma_j Z_t \text{ in regime } j, \quad
              P(S_t = j \mid S_{t-1} = i) = p_{ij}, \quad
              \pi_{t+1} = P'f_t, \quad f_{t,j} \propto \pi_{t,j}\, g_j(L_t)

    The chain starts in its long-run shares, and the loss before the first is taken as the window's mean. Tomorrow's law
    is the mixture of the regimes' laws with weights :math:`\pi_{t+1}`; VaR, ES and expectile are those of the mixture,
    never means of the regimes' own (see `riskcore.distributions.Mixture`). Regimes are numbered by their
    scale, the calmest first.

    Estimation is maximum likelihood: EM from several fixed ways to sort the window's days into regimes, then
    quasi-Newton descents with the exact gradient from the best of them. A variance cannot fall below 1/400 of the
    sample's, so that no regime collapses on a few equal losses; an estimate there, like a transition that
    never happens or degrees of freedom at the end of their range, has status ``boundary``.

    Parameters
    ----------
    regimes : {2, 3}
        Kinds of days that the model tells apart: calm and stress, or one between them. Three need a long window.
    law : Normal or StudentT
        Law within a regime. ``StudentT()`` is estimated, ``StudentT(5)`` fixed.
    lags : {0, 1}
        0: the mean of a regime is constant. 1: it depends on yesterday's loss.
    common_nu : bool
        Student's t only: whether the regimes share one number of degrees of freedom, or each has its own. Of no effect
        under the normal law.
    name : str, optional
        Label of the model.

    Raises
    ------
    ConfigError
        If a setting is none of those.

    References
    ----------
    Hamilton (1989), Econometrica 57(2), 357-384, doi:10.2307/1912559. Kim (1994), Journal of Econometrics 60, 1-22.
    Hamilton & Susmel (1994), Journal of Econometrics 64, 307-333, for Student's t.

    Examples
    --------
    >>> MarkovSwitching(regimes=3, law=StudentT()).parameter_names
    ('mu1', 'sigma1', 'mu2', 'sigma2', 'mu3', 'sigma3', 'nu', 'p12', 'p13', 'p21', 'p23', 'p31', 'p32')
    """

    regimes: Literal[2, 3] = 2
    law: ParametricLaw = field(default_factory=Normal)
    lags: Literal[0, 1] = 0
    common_nu: bool = True
    name: str | None = None

    def __post_init__(self) -> None:
        require(self.regimes in (2, 3), f"regimes must be 2 or 3, got {self.regimes!r}")
        require(self.lags in (0, 1), f"lags must be 0 or 1, got {self.lags!r}")
        known = isinstance(self.law, Normal | StudentT)
        require(known, f"law must be Normal or StudentT, got {self.law!r}")

    @property
    def n_shapes(self) -> int:
        """Number of estimated degrees of freedom."""
        return (1 if self.common_nu else self.regimes) if self.law.free else 0

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """What is estimated: regimes, degrees of freedom, and the transitions away from each regime."""
        numbers = range(1, self.regimes + 1)
        each = ("mu", "phi", "sigma") if self.lags else ("mu", "sigma")
        shapes = {0: [], 1: ["nu"]}.get(self.n_shapes, [f"nu{j}" for j in numbers])
        moves = [f"p{i}{j}" for i in numbers for j in numbers if i != j]
        return (*(f"{name}{j}" for j in numbers for name in each), *shapes, *moves)

    def offers(self, target: Target) -> bool:
        """Every target follows from the law."""
        return True

    def fit(self, losses: FloatArray, targets: Sequence[Target], start: Fitted | None = None) -> FittedMarkovSwitching:
        """Estimate on one window; FitError for too few or constant losses. `start` is not used: every fit is cold."""
        from riskcore.kernels import regimes

        climb, descend = cast(Any, regimes.climb), cast(Any, regimes.descend)

        least = ROWS_EACH * self.regimes
        require(losses.size >= least, f"losses must have at least {least} rows, got {losses.size}", FitError)
        require(bool(np.isfinite(losses).all()), "losses must be finite, got NaN or inf", FitError)
        centre, scale = float(losses.mean()), float(losses.std())
        varied = scale > LEAST_SPREAD * float(np.abs(losses).max())
        require(varied, "losses are constant: regimes need variation", FitError)
        y = (losses - centre) / scale
        arguments: tuple[Any, ...] = (y, lagged(y), *self.problem)
        starts = sorted_days(y, self.regimes)
        points = np.empty((len(starts), len(self.parameter_names)))
        rounds, first_steps = ROUNDS[self.regimes]
        for days, x in zip(starts, points, strict=True):
            climb(*arguments, days, rounds, x)
        near = np.array([descend(x, *arguments, first_steps, SETTLED)[0] for x in points])
        best = np.argsort(near, kind="stable")[: self.regimes]
        found = [descend(points[i], *arguments, STEPS, SETTLED) for i in best]
        values = np.array([-value for value, _ in found])
        usable = np.isfinite(values)
        require(
            bool(usable.any()),
            "no start led to a likelihood: the losses may hold a value far from all others",
            FitError,
        )
        sound = usable & ~np.array([self._degenerate(points[i], losses.size) for i in best])
        allowed = sound if sound.any() else usable
        chosen = int(np.argmax(np.where(allowed, values, -np.inf)))
        point, slope = self._polished(self._ordered(points[best[chosen]]), arguments)
        agree = int((np.abs(values[usable] - values[chosen]) < SAME).sum())
        plain = slope < FLAT and values[chosen] - values[0] < SAME
        status = Status.boundary if self._on_edge(point) else Status.ok if plain else Status.retry
        return FittedMarkovSwitching(
            settings=self,
            point=point,
            centre=centre,
            scale=scale,
            window=losses.copy(),
            log_likelihood=float(values[chosen]) - losses.size * float(np.log(scale)),
            status=status,
            attempts=len(found),
            agreeing=agree,
        )

    def fallback(self) -> LocationScale:
        """What stands in when the estimation failed for longer than stale parameters may serve: EWMA, same law."""
        return LocationScale(law=self.law)

    @property
    def problem(self) -> tuple[int, int, int, float, float]:
        """What the kernels ask for behind the losses: regimes, lags, free shapes, floor, degrees of freedom."""
        nu = 0.0
        if isinstance(self.law, StudentT):
            nu = START_NU if self.law.nu is None else self.law.nu
        return self.regimes, self.lags, self.n_shapes, FLOOR, nu

    def unpacked(self, point: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Rows (mean, slope, variance, nu) of the regimes, in scaled losses, and the transition matrix."""
        from riskcore.kernels.regimes import unpack

        parts, moves = np.empty((self.regimes, 4)), np.empty((self.regimes, self.regimes))
        unpack(point, *self.problem[1:], parts, moves)
        return parts, moves

    def _ordered(self, point: FloatArray) -> FloatArray:
        """The same point with its regimes by scale."""
        k, each = self.regimes, 2 + self.lags
        parts, moves = self.unpacked(point)
        order = np.argsort(parts[:, 2], kind="stable")
        shapes = point[k * each : k * each + self.n_shapes]
        logits = np.log(moves / np.diag(moves)[:, None])[np.ix_(order, order)]
        off = ~np.eye(k, dtype=bool)
        return np.concatenate(
            [
                point[: k * each].reshape(k, each)[order].ravel(),
                shapes[order] if shapes.size == k else shapes,
                logits[off],
            ]
        )

    def _polished(self, point: FloatArray, arguments: tuple[Any, ...]) -> tuple[FloatArray, float]:
        """The top near a point by Newton's steps in coordinates on no bound, and the largest slope left."""
        from riskcore.kernels import regimes

        cost = cast(Any, regimes.cost)
        gradient, spread = np.empty(point.size), np.empty(point.size)
        value = cost(point, *arguments, gradient, spread)
        inside = np.abs(point) < regimes.FARTHEST - MARGIN
        slope = float(np.abs(gradient[inside]).max(initial=0.0))
        for _ in range(POLISHES):
            if slope < SETTLED:
                break
            bend = _curvature(point, arguments)
            use = inside & (np.diag(bend) > LEAST_BEND)
            values, vectors = np.linalg.eigh(bend[np.ix_(use, use)])
            if not use.any() or values.min() < LEAST_BEND:
                break
            to = point.copy()
            to[use] -= vectors @ ((vectors.T @ gradient[use]) / values)
            after = np.empty(point.size)
            found = cost(to, *arguments, after, spread)
            steep = float(np.abs(after[inside]).max(initial=0.0))
            if not (found <= value + 1e-9 and steep < slope):
                break
            point, value, gradient, slope = to, found, after, steep
        return point, slope

    def _degenerate(self, point: FloatArray, n_rows: int) -> bool:
        """Whether a regime has collapsed to the floor of its variance or holds next to no days."""
        parts, moves = self.unpacked(point)
        return bool((parts[:, 2] < 1.5 * FLOOR).any() or (long_run_shares(moves) * n_rows < 2.0).any())

    def _on_edge(self, point: FloatArray) -> bool:
        from riskcore.kernels.regimes import HIGHEST_NU, LOWEST_NU

        parts, moves = self.unpacked(point)
        nu = parts[:, 3] if self.n_shapes else np.full(1, START_NU)
        edge = (parts[:, 2] < 1.5 * FLOOR).any() or (moves < RARE).any()
        return bool(edge or (nu > 0.9 * HIGHEST_NU).any() or (nu < 1.01 * LOWEST_NU).any())


def lagged(y: FloatArray) -> FloatArray:
    """Yesterday's scaled loss; before the first, the mean."""
    return np.concatenate([np.zeros(1), y[:-1]])


def long_run_shares(moves: FloatArray) -> FloatArray:
    """Long-run shares of the regimes of a chain.

    >>> long_run_shares(np.array([[0.98, 0.02], [0.06, 0.94]])).round(6)
    array([0.75, 0.25])
    """
    k = len(moves)
    return np.asarray(np.linalg.solve((np.eye(k) - moves + 1.0).T, np.ones(k)), dtype=np.float64)


def sorted_days(y: FloatArray, regimes: int) -> IntArray:
    """Ways to sort days into regimes, a row each: by local volatility, by size, by sign, by time."""
    kernel = np.ones(2 * HALF_WIDTH + 1)
    local = np.convolve(y * y, kernel, mode="full") / np.convolve(np.ones(y.size), kernel, mode="full")
    local = local[HALF_WIDTH : HALF_WIDTH + y.size]
    size, time = np.abs(y), np.arange(y.size, dtype=np.float64)
    cuts: list[tuple[FloatArray, tuple[float, ...]]]
    if regimes == 2:
        cuts = [(local, (0.5,)), (local, (0.8,)), (size, (0.8,)), (y, (0.85,)), (time, (0.5,))]
    else:
        cuts = [
            (local, (1 / 3, 2 / 3)), (local, (0.5, 0.9)), (local, (0.2, 0.8)), (size, (0.5, 0.9)),
            (y, (0.15, 0.85)), (time, (1 / 3, 2 / 3)),
        ]  # fmt: skip
    return np.array([np.searchsorted(np.quantile(x, at), x, side="left") for x, at in cuts], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class FittedMarkovSwitching:
    """Estimates of the regimes and their chain, in the units of the losses."""

    settings: MarkovSwitching
    point: FloatArray = field(repr=False)
    centre: float
    scale: float
    window: FloatArray = field(repr=False)
    log_likelihood: float
    status: Status
    attempts: int
    agreeing: int
    """How many of the descents found the same top."""

    @cached_property
    def _unpacked(self) -> tuple[FloatArray, FloatArray]:
        return self.settings.unpacked(self.point)

    @property
    def transitions(self) -> FloatArray:
        """Transition matrix; row i holds the probabilities of tomorrow's regime given that today's is i."""
        return self._unpacked[1].copy()

    @property
    def shares(self) -> FloatArray:
        """Long-run shares of the regimes."""
        return long_run_shares(self._unpacked[1])

    @property
    def durations(self) -> FloatArray:
        """Expected length of a stay in each regime in days, ``1/(1 - p_jj)``."""
        moves = self._unpacked[1]
        return np.asarray(1.0 / (moves.sum(axis=1) - np.diag(moves)))

    @property
    def params(self) -> Mapping[str, float]:
        """Estimates by name; ``p12`` is the probability of going from regime 1 to regime 2."""
        return dict(zip(self.settings.parameter_names, self._natural(self.point).tolist(), strict=True))

    @cached_property
    def standard_errors(self) -> Mapping[str, float]:
        r"""Sandwich errors :math:`H^{-1} V H^{-1}`; NaN for all where the curvature H is not positive definite.

        H is that of the likelihood by differences of its gradient, V the sum of the outer products of each day's
        score. Where the status is ``boundary``, errors of what stands there mean nothing.
        """
        names = self.settings.parameter_names
        covariance = self.covariance
        if covariance is None:
            return dict.fromkeys(names, float("nan"))
        jacobian = _slopes(self._natural, self.point)
        variance = np.diag(jacobian @ covariance @ jacobian.T)
        return dict(zip(names, np.sqrt(np.maximum(variance, 0.0)).tolist(), strict=True))

    @cached_property
    def covariance(self) -> FloatArray | None:
        """Sandwich covariance of the kernel's coordinates, or None."""
        bread = _curvature(self.point, self._arguments(self.window))
        inside = self._identified(bread)
        if not inside.any() or np.linalg.eigvalsh(bread[np.ix_(inside, inside)]).min() <= 0.0:
            return None
        scores = _slopes(lambda x: self._probabilities(self.window, x)[3], self.point)[:, inside]
        inverse = np.linalg.inv(bread[np.ix_(inside, inside)])
        out = np.zeros((self.point.size, self.point.size))
        out[np.ix_(inside, inside)] = inverse @ (scores.T @ scores) @ inverse
        return out

    @staticmethod
    def _identified(bread: FloatArray) -> BoolArray:
        """Coordinates in which the likelihood bends: those on the bound of a range do not move an estimate."""
        return np.asarray(np.diag(bread) > LEAST_BEND)

    def filtered(self, losses: FloatArray) -> FloatArray:
        """Probabilities (n, K) of each day's regime given the losses up to it; `losses` start where fit's did."""
        return self._probabilities(losses)[1]

    def predicted(self, losses: FloatArray) -> FloatArray:
        """Probabilities (n + 1, K) of each day's regime given the losses before it; the last row is for tomorrow."""
        return self._probabilities(losses)[0]

    def smoothed(self, losses: FloatArray) -> FloatArray:
        """Probabilities (n, K) of each day's regime given all losses: for looking back, never for forecasts."""
        return self._probabilities(losses)[2]

    def predict(self, losses: FloatArray, targets: Sequence[Target], last: int) -> FloatArray:
        """Forecasts (last, k) for the steps after each of the last `last` rows."""
        day = self.predictive(losses, last)
        return np.column_stack([day.mean + day.volatility * day.law.value(t) for t in targets])

    def predictive(self, losses: FloatArray, last: int) -> Predictive:
        """Laws of the same steps: mixtures of the regimes' laws with the probabilities of each regime tomorrow."""
        weights = self.predicted(losses)[losses.size - last + 1 :]
        return self._law(weights, (losses[losses.size - last :] - self.centre) / self.scale)

    def in_sample(self, losses: FloatArray) -> Predictive:
        """Laws of the losses themselves, each given those before it and the estimates."""
        return self._law(self.predicted(losses)[:-1], lagged((losses - self.centre) / self.scale))

    def _law(self, weights: FloatArray, before: FloatArray) -> Predictive:
        """Mixtures for days with the given probabilities and scaled losses on the day before."""
        parts, _ = self._unpacked
        weights = weights / weights.sum(axis=1, keepdims=True)
        means = parts[:, 0] + parts[:, 1] * before[:, None]
        mean = (weights * means).sum(axis=1)
        variance = (weights * (parts[:, 2] + (means - mean[:, None]) ** 2)).sum(axis=1)
        volatility = np.sqrt(variance)
        scales = np.sqrt(parts[:, 2]) / volatility[:, None]
        law = Mixture(weights, (means - mean[:, None]) / volatility[:, None], scales, self._laws)
        return Predictive(self.centre + self.scale * mean, self.scale * volatility, law)

    @property
    def _laws(self) -> tuple[ParametricLaw, ...]:
        if isinstance(self.settings.law, StudentT):
            return tuple(StudentT(float(nu)) for nu in self._unpacked[0][:, 3])
        return (self.settings.law,) * self.settings.regimes

    def _natural(self, point: FloatArray) -> FloatArray:
        """The estimates of a point, in the units of the losses, in the order of their names."""
        parts, moves = self.settings.unpacked(point)
        mean = self.centre * (1.0 - parts[:, 1]) + self.scale * parts[:, 0]
        each = [mean, parts[:, 1], self.scale * np.sqrt(parts[:, 2])]
        columns = np.column_stack(each if self.settings.lags else [each[0], each[2]])
        off = ~np.eye(self.settings.regimes, dtype=bool)
        return np.concatenate([columns.ravel(), parts[: self.settings.n_shapes, 3], moves[off]])

    def _arguments(self, losses: FloatArray) -> tuple[Any, ...]:
        y = (losses - self.centre) / self.scale
        return (y, lagged(y), *self.settings.problem)

    def _probabilities(
        self, losses: FloatArray, point: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        from riskcore.kernels.regimes import probabilities

        found: tuple[FloatArray, FloatArray, FloatArray, FloatArray] = probabilities(
            self.point if point is None else point, *self._arguments(losses)
        )
        return found


def _curvature(point: FloatArray, arguments: tuple[Any, ...]) -> FloatArray:
    """Second derivatives of minus the log-likelihood, by central differences of its gradient."""
    from riskcore.kernels import regimes

    spread = np.empty(point.size)

    def gradient(x: FloatArray) -> FloatArray:
        out = np.empty(x.size)
        cast(Any, regimes.cost)(x, *arguments, out, spread)
        return out

    found = _slopes(gradient, point)
    return 0.5 * (found + found.T)


def _slopes(function: Any, point: FloatArray) -> FloatArray:
    """Derivatives (values, coordinates) of a function by central differences."""
    columns = []
    for c in range(point.size):
        h = 1e-5 * max(1.0, abs(float(point[c])))
        up, down = point.copy(), point.copy()
        up[c], down[c] = point[c] + h, point[c] - h
        columns.append((function(up) - function(down)) / (2.0 * h))
    return np.column_stack(columns)
