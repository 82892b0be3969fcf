"""What a study is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Estimates = Mapping[str, float]


@dataclass(frozen=True)
class Study:
    """An estimator, a process whose parameters are known, and how many samples to draw."""

    model: str
    setting: str
    truth: Mapping[str, float]
    simulate: Callable[[np.random.Generator], Any]
    estimate: Callable[[Any], tuple[Estimates, Estimates]]
    replications: int = 2000
    slow: bool = False

    @property
    def samples(self) -> int:
        """Samples to draw: 500 at most for a slow estimator."""
        return min(self.replications, 500) if self.slow else self.replications
