"""Whether the next day's figures can belong to one law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from riskcore._types import Target
from riskcore.walkforward import ordered_pairs

if TYPE_CHECKING:
    from riskcore.diagnostics.fit import ModelFit

SLACK = 1e-9
"""Figures are held to be equal that differ by less than this share of the larger one."""


@dataclass(frozen=True)
class Misfit:
    """A figure that is too low beside the others: what it would have to be at least, and which targets say so."""

    target: Target
    value: float
    least: float
    because: tuple[Target, ...]


def levels_apart(fit: ModelFit) -> bool:
    """Whether the model estimates each figure on its own, without a law of the loss that all would come from."""
    known = sum(math.isfinite(fit.value(t)) for t in fit.forecasts.targets)
    return fit.law is None and not fit.failure and known > 1


def incoherent(fit: ModelFit) -> list[Misfit]:
    r"""Figures of the next day that no law of the loss can have together with the others.

    No measure falls as its level rises, no ES lies below the VaR at its level, and for levels p < q

    .. math:: ES_p \ge \frac{(q-p)\,VaR_p + (1-q)\,VaR_q}{1-p},

    as an ES is the mean of the VaR at the levels above its own.

    Parameters
    ----------
    fit : ModelFit
        The fit.

    Returns
    -------
    list of Misfit
        One for each bound that is broken.

    References
    ----------
    Acerbi & Tasche (2002), Journal of Banking & Finance 26, 1487-1503.
    """
    values = {t: fit.value(t) for t in fit.forecasts.targets if math.isfinite(fit.value(t))}
    targets = list(values)
    bounds: list[tuple[Target, float, tuple[Target, ...]]] = [
        (targets[j], values[targets[i]], (targets[i],)) for i, j in ordered_pairs(targets)
    ]
    for es in (t for t in targets if t.measure == "es"):
        for low, high in _pairs(targets, es.level):
            least = (high.level - low.level) * values[low] + (1.0 - high.level) * values[high]
            bounds.append((es, least / (1.0 - es.level), (low, high)))
    return [
        Misfit(t, values[t], least, because)
        for t, least, because in bounds
        if values[t] < least - SLACK * max(abs(least), abs(values[t]))
    ]


def _pairs(targets: Sequence[Target], level: float) -> list[tuple[Target, Target]]:
    """The VaR at a level with each VaR above it."""
    low = [t for t in targets if t.measure == "var" and t.level == level]
    return [(a, b) for a in low for b in targets if b.measure == "var" and b.level > level]
