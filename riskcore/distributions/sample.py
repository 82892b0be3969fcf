"""Laws made of a sample: one of them, or one for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NoReturn

import numpy as np
import numpy.typing as npt

from riskcore import defaults
from riskcore._types import FloatArray, Target
from riskcore.distributions.base import Values, measure_of, probabilities, residuals, unwrap
from riskcore.errors import ConfigError, require
from riskcore.measures.rows import sorted_es, sorted_expectiles, sorted_half_gini, sorted_var

_ENTRIES = 1 << 20  # comparisons of outcomes with losses held in memory at once


@dataclass(frozen=True, eq=False, repr=False)
class SampleLaw:
    """The law of a sample of losses as it is, or the laws of `k` samples, one a row.

    A law of one sample takes scalars and arrays as other laws do. A law of `k` samples takes `x` of shape ``(k,)`` and
    judges row `i` at ``x[i]`` (a scalar is the same for all); a level gives ``(k,)``, a sequence of `m` levels
    ``(k, m)``. VaR, ES and expectile are those of `riskcore.measures`.

    Parameters
    ----------
    rows : ndarray
        Shape (W,) or (k, W), ascending along the last axis. Not checked: use `of` or `rolling` to make one.
    weights : ndarray, optional
        Of the shape of `rows` and in its order, summing to one along the last axis.

    Examples
    --------
    >>> law = SampleLaw.of([4.0, -1.0, 2.0, 1.0])
    >>> law.ppf(0.75), law.es(0.5), round(law.expectile(0.8), 6), law.pit(2.0)
    (2.0, 3.0, 2.571429, 0.6)
    """

    rows: FloatArray
    weights: FloatArray | None = None

    short: ClassVar[str] = "sample"
    is_sample: ClassVar[bool] = True

    @classmethod
    def of(cls, z: npt.ArrayLike, *, decay: float | None = None) -> SampleLaw:
        """The law of one sample in time order; with `decay`, the weight falls by it for each day of age."""
        losses = residuals(z, least=1)
        return cls._ordered(losses, decay)

    @classmethod
    def rolling(cls, z: npt.ArrayLike, window: int, last: int, decay: float | None = None) -> SampleLaw:
        """The laws of the `last` windows of `window` losses, each ending at one of the last `last` entries of `z`.

        >>> SampleLaw.rolling([3.0, 1.0, 2.0, 0.0], window=3, last=2).rows
        array([[1., 2., 3.],
               [0., 1., 2.]])
        """
        losses = np.asarray(z, dtype=np.float64)
        require(window >= 1 and last >= 1, f"window and last must be at least 1, got {window} and {last}")
        need = window + last - 1
        require(losses.size >= need, f"z must have at least window + last - 1 = {need} entries, got {losses.size}")
        recent = residuals(losses[losses.size - need :], least=1)
        return cls._ordered(np.lib.stride_tricks.sliding_window_view(recent, window), decay)

    @classmethod
    def _ordered(cls, samples: FloatArray, decay: float | None) -> SampleLaw:
        if decay is None:
            rows = np.array(samples, order="C")
            rows.sort(axis=-1)
            return cls(rows)
        order = np.argsort(samples, axis=-1, kind="stable")
        weights = float(decay) ** np.arange(samples.shape[-1] - 1.0, -1.0, -1.0)
        return cls(np.take_along_axis(samples, order, axis=-1), (weights / weights.sum())[order])

    @property
    def free(self) -> tuple[str, ...]:
        """Names of parameters to be estimated: none."""
        return ()

    @property
    def params(self) -> Mapping[str, float]:
        """Parameters: none."""
        return {}

    def fit(self, z: npt.ArrayLike) -> SampleLaw:
        """The same law: it has its sample."""
        return self

    def cdf(self, x: npt.ArrayLike) -> Values:
        """Weight of the losses at or below `x`; NaN in, NaN out."""
        return self._at(x, lambda rows, w, at: _total(rows <= at, w))

    def ppf(self, p: npt.ArrayLike) -> Values:
        """Quantile, `value_at_risk` of the sample."""
        return self._levels(p, "p", lambda levels: _stack(sorted_var, self, levels))

    def es(self, level: npt.ArrayLike) -> Values:
        """Expected Shortfall of the sample."""
        return self._levels(level, "level", lambda levels: _stack(sorted_es, self, levels))

    def expectile(self, level: npt.ArrayLike) -> Values:
        """Expectile of the sample."""
        return self._levels(level, "level", lambda levels: sorted_expectiles(self.rows, levels, weights=self.weights))

    def lpm(self, x: npt.ArrayLike) -> Values:
        """Lower partial moment, mean of ``(x - z)+``; NaN in, NaN out."""
        return self._at(x, lambda rows, w, at: _average(np.maximum(at - rows, 0.0), w))

    def upm(self, x: npt.ArrayLike) -> Values:
        """Upper partial moment, mean of ``(z - x)+``; NaN in, NaN out."""
        return self._at(x, lambda rows, w, at: _average(np.maximum(rows - at, 0.0), w))

    def logpdf(self, x: npt.ArrayLike) -> Values:
        """NaN: a sample has no density, so a sample law has no log score."""
        return self._at(x, lambda rows, w, at: np.full(np.broadcast_shapes(rows.shape, at.shape)[:-1], np.nan))

    def mean(self) -> Values:
        """Mean of the sample."""
        return unwrap(_average(self.rows, self.weights))

    def pit(self, x: npt.ArrayLike) -> Values:
        """Mid-rank of the outcome among the sample, ``(#{z < x} + 0.5 #{z = x} + 0.5)/(n + 1)``: never 0 or 1.

        With weights the counts are `n` times the weights. NaN in, NaN out.
        """
        n = self.rows.shape[-1]

        def rank(rows: FloatArray, w: FloatArray | None, at: FloatArray) -> FloatArray:
            share = 0.5 * (_total(rows < at, w) + _total(rows <= at, w))
            return np.asarray((n * np.minimum(share, 1.0) + 0.5) / (n + 1.0))

        return self._at(x, rank)

    def crps(self, x: npt.ArrayLike) -> Values:
        r"""Exact CRPS of the outcome, :math:`\mathrm{mean}|z-x| - \frac12\mathrm{mean}|z-z'|`; NaN in, NaN out."""
        half_gini = sorted_half_gini(self.rows, weights=self.weights)
        return unwrap(self._at(x, lambda rows, w, at: _average(np.abs(rows - at), w)) - half_gini)

    def value(self, target: Target) -> Values:
        """The measure that `target` names."""
        return measure_of(self, target)

    def __repr__(self) -> str:
        shape = " x ".join(str(n) for n in self.rows.shape)
        return f"SampleLaw({shape}{'' if self.weights is None else ', weighted'})"

    def _at(self, x: npt.ArrayLike, run: Callable[[FloatArray, FloatArray | None, FloatArray], FloatArray]) -> Values:
        """Run on (rows, weights, x with a last axis of one); an array against one sample is taken entry by entry."""
        at = np.asarray(x, dtype=np.float64)
        if self.rows.ndim > 1:
            require(
                at.ndim == 0 or at.shape == self.rows.shape[:-1],
                f"x must have one entry for each of the samples {self.rows.shape[:-1]}, got shape {at.shape}",
            )
            found = run(self.rows, self.weights, at[..., None])
        else:
            parts = np.array_split(at.ravel(), 1 + at.size * self.rows.size // _ENTRIES)
            found = np.concatenate([run(self.rows, self.weights, part[:, None]) for part in parts]).reshape(at.shape)
        return unwrap(np.where(np.isnan(at), np.nan, found))

    def _levels(self, level: npt.ArrayLike, name: str, run: Callable[[FloatArray], FloatArray]) -> Values:
        levels = probabilities(level, name)
        require(levels.ndim <= 1, f"{name} must be a number or a sequence of numbers, got shape {levels.shape}")
        found = run(np.atleast_1d(levels))
        return unwrap(found[..., 0] if levels.ndim == 0 else found)


class SampleSettings:
    """What `Empirical` and `AgeWeighted` share: they are settings, and answer only through the law that `fit` makes."""

    is_sample: ClassVar[bool] = True
    decay: float | None

    @property
    def free(self) -> tuple[str, ...]:
        """Names of parameters to be estimated: none, the sample is the law."""
        return ()

    @property
    def params(self) -> Mapping[str, float]:
        """Parameters by name."""
        return {} if self.decay is None else {"decay": self.decay}

    def fit(self, z: npt.ArrayLike) -> SampleLaw:
        """The law of the sample `z`, in time order."""
        return SampleLaw.of(z, decay=self.decay)

    def cdf(self, x: npt.ArrayLike) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("cdf")

    def ppf(self, p: npt.ArrayLike) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("ppf")

    def es(self, level: npt.ArrayLike) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("es")

    def expectile(self, level: npt.ArrayLike) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("expectile")

    def lpm(self, x: npt.ArrayLike) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("lpm")

    def upm(self, x: npt.ArrayLike) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("upm")

    def logpdf(self, x: npt.ArrayLike) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("logpdf")

    def mean(self) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("mean")

    def pit(self, x: npt.ArrayLike) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("pit")

    def crps(self, x: npt.ArrayLike) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("crps")

    def value(self, target: Target) -> Values:
        """Raises ConfigError: there is no sample yet."""
        self._refuse("value")

    def _refuse(self, method: str) -> NoReturn:
        raise ConfigError(f"{type(self).__name__} must have a sample before {method} is asked; call fit(z) first")


@dataclass(frozen=True)
class Empirical(SampleSettings):
    """The law of the residuals as they are: historical simulation, or filtered with a volatility.

    Examples
    --------
    >>> Empirical().fit([1.0, 4.0, 2.0, -1.0]).ppf(0.75)
    2.0
    """

    short: ClassVar[str] = "fhs"
    decay: ClassVar[None] = None  # type: ignore[misc]  # all days weigh the same: nothing to set


@dataclass(frozen=True)
class AgeWeighted(SampleSettings):
    r"""The law of the residuals with weights that fall with age, :math:`w_t \propto \lambda^{n-t}`.

    Parameters
    ----------
    decay : float
        Weight of a day against the day after it, in (0, 1). Typical values: 0.97 to 0.995.

    Raises
    ------
    ConfigError
        If `decay` is not in (0, 1).

    References
    ----------
    Boudoukh, Richardson and Whitelaw (1998), The best of both worlds, Risk 11(5).

    Examples
    --------
    >>> AgeWeighted(0.5).fit([4.0, 1.0, 2.0]).ppf(0.5)
    2.0
    """

    decay: float = defaults.AGE_DECAY

    short: ClassVar[str] = "age-weighted"

    def __post_init__(self) -> None:
        ok = isinstance(self.decay, (int, float, np.floating)) and 0.0 < self.decay < 1.0
        require(ok, f"decay must lie in (0, 1), got {self.decay!r}; typical value: {defaults.AGE_DECAY}")
        object.__setattr__(self, "decay", float(self.decay))


def _total(condition: npt.NDArray[np.bool_], weights: FloatArray | None) -> FloatArray:
    """Weight of the entries of every row for which a condition holds."""
    if weights is None:
        return np.asarray(np.count_nonzero(condition, axis=-1) / condition.shape[-1])
    return np.asarray(np.where(condition, weights, 0.0).sum(axis=-1))


def _average(values: FloatArray, weights: FloatArray | None) -> FloatArray:
    """Weighted mean of every row."""
    return np.asarray(values.mean(axis=-1) if weights is None else (weights * values).sum(axis=-1))


def _stack(measure: Callable[..., FloatArray], law: SampleLaw, levels: FloatArray) -> FloatArray:
    """A measure of every row at every level, levels last."""
    return np.stack([measure(law.rows, float(level), weights=law.weights) for level in levels], axis=-1)
