"""Inputs of scores: one shape, levels in (0, 1), NaN carried through."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray
from riskcore.errors import ConfigError, DataError, require


def prepared(level: npt.ArrayLike, **values: npt.ArrayLike) -> tuple[FloatArray, ...]:
    """The values and the level as float arrays of one shape; a NaN anywhere is carried by the level."""
    arrays = same_shape(**values, level=level)
    p = arrays[-1]
    outside = (p <= 0.0) | (p >= 1.0)
    if outside.any():
        raise ConfigError(f"level must lie in (0, 1), got {float(p[outside].flat[0])!r}; typical values: 0.975, 0.99")
    unknown = np.any(np.isnan(arrays), axis=0)
    return (*arrays[:-1], np.where(unknown, np.nan, p))


def same_shape(**values: npt.ArrayLike) -> list[FloatArray]:
    """Float arrays of the one shape that is not scalar; (n,) against (n, 1) is refused, not spread."""
    arrays = {}
    for name, value in values.items():
        try:
            arrays[name] = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{name} must be numbers, got {error}") from error
    shapes = {a.shape for a in arrays.values() if a.ndim > 0}
    text = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
    require(len(shapes) <= 1, f"{', '.join(arrays)} must have one shape or be scalars, got {text}", DataError)
    shape = shapes.pop() if shapes else ()
    return [np.broadcast_to(a, shape) for a in arrays.values()]


def require_positive(values: FloatArray, name: str, rule: str = "positive") -> None:
    """Refuse entries at or below zero; NaN passes."""
    bad = np.flatnonzero(values <= 0.0)
    if bad.size:
        raise DataError(
            f"{name} must be {rule}, got {bad.size} entries that are not, the first at position {int(bad[0])}: "
            f"{float(values.flat[bad[0]])!r}"
        )
