"""Expectile regressions of many targets, each at its own level: an expectile's, or the one that VaR and ES allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from riskcore._types import BoolArray, FloatArray, IntArray, Target

LEAST_ROWS = 9
LEAST_SPREAD = 1e-12


@dataclass(frozen=True)
class Problems:
    """What to estimate for some targets, each once: an expectile's level, or the share that VaR and ES allow."""

    given: FloatArray
    by_share: BoolArray
    keys: tuple[tuple[bool, float], ...]
    place: tuple[int, ...]

    @classmethod
    def of(cls, targets: Sequence[Target]) -> Problems:
        """The problems behind some targets."""
        wanted = [(t.measure != "expectile", t.level if t.measure == "expectile" else 1.0 - t.level) for t in targets]
        unique = list(dict.fromkeys(wanted))
        return cls(
            given=np.array([x for _, x in unique]),
            by_share=np.array([s for s, _ in unique]),
            keys=tuple(unique),
            place=tuple(unique.index(w) for w in wanted),
        )


@dataclass(frozen=True)
class Windows:
    """Estimates of many windows; NaN where there are none, and `usable` where losses vary enough to try."""

    levels: FloatArray
    coefficients: FloatArray
    means: FloatArray
    state: IntArray
    usable: BoolArray


def fit_windows(
    losses: FloatArray,
    regressors: FloatArray,
    starts: IntArray,
    stops: IntArray,
    cold: BoolArray,
    problems: Problems,
) -> Windows:
    """Regressions of every problem in every window of losses [start, stop).

    Column t of `regressors` serves the day after row t, so that a window's first loss is only a regressor.
    """
    from riskcore.kernels.asymmetric import expectile_windows, window_moments

    moments = window_moments(losses, starts, stops)
    usable = (stops - starts >= LEAST_ROWS) & (moments[:, 1] > LEAST_SPREAD * moments[:, 2])
    first = np.where(usable, starts, 0)
    last = np.where(usable, stops - 1, 0)  # an empty window is skipped
    near = np.full((problems.given.size, regressors.shape[0]), np.nan)
    levels, coefficients, state = expectile_windows(
        losses[1:], np.ascontiguousarray(regressors[:, :-1]), first, last, cold, problems.given, problems.by_share, near
    )
    return Windows(levels, coefficients, moments[:, 0], state, usable)


def of_target(target: Target, expectile: FloatArray, level: float | FloatArray, mean: float | FloatArray) -> FloatArray:
    """The target from its expectile at `level`: itself, or for ES by Taylor's identity with the window's mean loss."""
    if target.measure != "es":
        return expectile
    beyond = (1.0 - level) / ((2.0 * level - 1.0) * (1.0 - target.level))
    return np.asarray(expectile + beyond * (expectile - mean))
