"""Laws made of a sample: one of them, or one for each row."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn

import numpy as np
import numpy.typing as npt

from riskcore import defaults
from riskcore._types import FloatArray, Measure, Target
from riskcore.distributions.base import Law, Values, measure_of, probabilities, residuals, unwrap
from riskcore.errors import ConfigError, require
from riskcore.measures.rolling import Asked, age_weights, row_measures, window_measures

_BELOW, _UP_TO, _LOWER, _UPPER, _HALF_GINI = range(5)  # columns of the outcome kernels


@dataclass(frozen=True, eq=False, repr=False)
class SampleLaw:
    """The law of a sample of losses as it is, or the laws of `k` samples, one a row.

    A law of one sample takes scalars and arrays as other laws do. A law of `k` samples takes `x` of shape ``(k,)`` and
    judges row `i` at ``x[i]`` (a scalar is the same for all); a level gives ``(k,)``, a sequence of `m` levels
    ``(k, m)``, in one pass over the rows. VaR, ES and expectile are those of `riskcore.measures`.

    Parameters
    ----------
    rows : ndarray
        Shape (W,) or (k, W), ascending along the last axis. Not checked: use `of`, `each` or `rolling` to make one.
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
        return SampleLaw.each(residuals(z, least=1), decay=decay)

    @classmethod
    def each(cls, samples: FloatArray, *, decay: float | None = None) -> SampleLaw:
        """The laws of the rows of `samples` (k, W), each in time order and finite, as daily refits of a filter give.

        >>> SampleLaw.each(np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 0.0]])).ppf(0.9)
        array([3., 2.])
        """
        if decay is None:
            return SampleLaw(np.sort(samples, axis=-1))
        order = np.argsort(samples, axis=-1, kind="stable")
        return SampleLaw(np.take_along_axis(samples, order, axis=-1), age_weights(samples.shape[-1], decay)[order])

    @classmethod
    def rolling(cls, z: npt.ArrayLike, window: int, last: int, decay: float | None = None) -> RollingLaw:
        """The laws of the `last` windows of `window` losses, each ending at one of the last `last` entries of `z`.

        >>> SampleLaw.rolling([3.0, 1.0, 2.0, 0.0], window=3, last=2).rows
        array([[1., 2., 3.],
               [0., 1., 2.]])
        """
        losses = np.asarray(z, dtype=np.float64)
        require(window >= 1 and last >= 1, f"window and last must be at least 1, got {window} and {last}")
        need = window + last - 1
        require(losses.size >= need, f"z must have at least window + last - 1 = {need} entries, got {losses.size}")
        return RollingLaw(residuals(losses[losses.size - need :], least=1), window, decay)

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
        """Share of the sample at or below `x`; NaN in, NaN out."""
        return self._at(x, lambda found: np.minimum(found[:, _UP_TO], 1.0))

    def ppf(self, p: npt.ArrayLike) -> Values:
        """Sample quantile, ``min{x : F_n(x) >= p}``."""
        return self._levels("var", p, "p")

    def es(self, level: npt.ArrayLike) -> Values:
        """Expected Shortfall of the sample."""
        return self._levels("es", level, "level")

    def expectile(self, level: npt.ArrayLike) -> Values:
        """Expectile of the sample."""
        return self._levels("expectile", level, "level")

    def lpm(self, x: npt.ArrayLike) -> Values:
        """Lower partial moment, mean of ``(x - z)+``; NaN in, NaN out."""
        return self._at(x, lambda found: found[:, _LOWER], moments=True)

    def upm(self, x: npt.ArrayLike) -> Values:
        """Upper partial moment, mean of ``(z - x)+``; NaN in, NaN out."""
        return self._at(x, lambda found: found[:, _UPPER], moments=True)

    def logpdf(self, x: npt.ArrayLike) -> Values:
        """NaN: a sample has no density, so a sample law has no log score."""
        at = np.asarray(x, dtype=np.float64)
        return unwrap(np.full(at.shape if len(self._shape) == 1 else self._shape[:1], np.nan))

    def mean(self) -> Values:
        """Mean of the sample."""
        return self.expectile(0.5)

    def pit(self, x: npt.ArrayLike) -> Values:
        """Mid-rank of the outcome among the sample, ``(#{z < x} + 0.5 #{z = x} + 0.5)/(n + 1)``: never 0 or 1.

        With weights the counts are `n` times the weights. NaN in, NaN out.
        """
        n = self._shape[-1]

        def rank(found: FloatArray) -> FloatArray:
            share = 0.5 * (found[:, _BELOW] + found[:, _UP_TO])
            return np.asarray((n * np.minimum(share, 1.0) + 0.5) / (n + 1.0))

        return self._at(x, rank)

    def crps(self, x: npt.ArrayLike) -> Values:
        r"""Exact CRPS of the outcome, :math:`\mathrm{mean}|z-x| - \frac12\mathrm{mean}|z-z'|`; NaN in, NaN out."""
        return self._at(x, lambda found: found[:, _LOWER] + found[:, _UPPER] - found[:, _HALF_GINI], moments=True)

    def value(self, target: Target) -> Values:
        """The measure that `target` names."""
        return measure_of(self, target)

    def values(self, targets: Sequence[Target]) -> FloatArray:
        """The measures that `targets` name in one pass: ``(m,)``, or ``(k, m)`` for `k` samples."""
        found = self._measures([(t.measure, t.level) for t in targets])
        return found[0] if len(self._shape) == 1 else found

    def __repr__(self) -> str:
        return f"SampleLaw({' x '.join(str(n) for n in self._shape)}{', weighted' if self._weighted else ''})"

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.rows.shape

    @property
    def _weighted(self) -> bool:
        return self.weights is not None

    def _measures(self, asked: Asked) -> FloatArray:
        """Measures (k, m) of every sample."""
        weights = None if self.weights is None else np.atleast_2d(self.weights)
        return row_measures(np.atleast_2d(self.rows), asked, weights)

    def _outcomes(self, x: FloatArray, moments: bool) -> FloatArray:
        """Shares below and up to `x` and, with `moments`, both partial moments and half of the mean difference."""
        from riskcore.kernels.outcomes import row_outcomes

        rows = np.atleast_2d(self.rows)
        weights = np.empty((len(rows), 0)) if self.weights is None else np.atleast_2d(self.weights)
        return np.asarray(row_outcomes(rows, weights, x, moments))

    def _at(self, x: npt.ArrayLike, run: Callable[[FloatArray], FloatArray], *, moments: bool = False) -> Values:
        """Run on what the kernel finds at `x`; an array against one sample is taken entry by entry."""
        at = np.asarray(x, dtype=np.float64)
        if len(self._shape) > 1:
            samples = self._shape[:1]
            require(
                at.ndim == 0 or at.shape == samples,
                f"x must have one entry for each of the samples {samples}, got shape {at.shape}",
            )
            at = np.broadcast_to(at, samples)
        found = run(self._outcomes(np.ascontiguousarray(at).reshape(-1), moments)).reshape(at.shape)
        return unwrap(np.where(np.isnan(at), np.nan, found))

    def _levels(self, measure: Measure, level: npt.ArrayLike, name: str) -> Values:
        levels = probabilities(level, name)
        require(levels.ndim <= 1, f"{name} must be a number or a sequence of numbers, got shape {levels.shape}")
        found = self._measures([(measure, float(x)) for x in np.atleast_1d(levels)])
        found = found[0] if len(self._shape) == 1 else found
        return unwrap(found[..., 0] if levels.ndim == 0 else found)


class RollingLaw(SampleLaw):
    """The laws of every window of a series, none of which is laid out: a level or an outcome is one pass over it.

    Parameters
    ----------
    z : ndarray
        Finite losses; window `i` starts at entry `i`.
    window : int
        Losses in a window.
    decay : float, optional
        Weight of a loss against the one after it.
    shift, scale : ndarray, optional
        One entry for each window, whose losses are ``(z - shift) / scale``.
    """

    def __init__(
        self,
        z: FloatArray,
        window: int,
        decay: float | None = None,
        *,
        shift: FloatArray | None = None,
        scale: FloatArray | None = None,
    ) -> None:
        k = z.size - window + 1
        for name, value in (
            ("_z", np.ascontiguousarray(z)),
            ("_window", window),
            ("_ages", None if decay is None else age_weights(window, decay)),
            ("_shift", np.zeros(k) if shift is None else shift),
            ("_scale", np.ones(k) if scale is None else scale),
        ):
            object.__setattr__(self, name, value)

    _z: FloatArray
    _window: int
    _ages: FloatArray | None
    _shift: FloatArray
    _scale: FloatArray

    def standardised(self, shift: npt.ArrayLike, scale: npt.ArrayLike) -> RollingLaw:
        """The laws with the losses of window `i` as ``(z - shift[i]) / scale[i]``."""
        law = copy.copy(self)
        for name, value in (("_shift", shift), ("_scale", scale)):
            array = np.broadcast_to(np.asarray(value, dtype=np.float64), self._shape[:1])
            object.__setattr__(law, name, np.ascontiguousarray(array))
        return law

    @property
    def rows(self) -> FloatArray:  # laid out on request: k times the window
        """The windows' losses, each ascending."""
        return self._laid_out.rows

    @property
    def weights(self) -> FloatArray | None:
        """Their weights in the same order."""
        return self._laid_out.weights

    @property
    def _laid_out(self) -> SampleLaw:
        windows = np.lib.stride_tricks.sliding_window_view(self._z, self._window)
        samples = (windows - self._shift[:, None]) / self._scale[:, None]
        if self._ages is None:
            return SampleLaw.each(samples)
        order = np.argsort(samples, axis=-1, kind="stable")
        return SampleLaw(np.take_along_axis(samples, order, axis=-1), self._ages[order])

    @property
    def _shape(self) -> tuple[int, ...]:
        return (self._z.size - self._window + 1, self._window)

    @property
    def _weighted(self) -> bool:
        return self._ages is not None

    def _measures(self, asked: Asked) -> FloatArray:
        found = window_measures(self._z, self._window, asked, self._ages)
        return np.asarray((found - self._shift[:, None]) / self._scale[:, None])

    def _outcomes(self, x: FloatArray, moments: bool) -> FloatArray:
        from riskcore.kernels.outcomes import sliding_outcomes

        order = np.argsort(self._z[: self._window], kind="stable")
        ages = np.empty(0) if self._ages is None else self._ages
        return np.asarray(sliding_outcomes(self._z, order, ages, x, self._shift, self._scale, moments))


class SampleSettings:
    """What laws made from residuals share: they are settings, and answer only through the law that `fit` makes."""

    is_sample: ClassVar[bool] = True
    raw: ClassVar[bool] = False
    """Whether the sample is of the losses over their volatility, with the mean left in."""
    decay: float | None

    @property
    def free(self) -> tuple[str, ...]:
        """Names of parameters to be estimated: none, the sample is the law."""
        return ()

    @property
    def params(self) -> Mapping[str, float]:
        """Parameters by name."""
        return {} if self.decay is None else {"decay": self.decay}

    def fit(self, z: npt.ArrayLike) -> Law:
        """The law of the sample `z`, in time order."""
        return SampleLaw.of(z, decay=self.decay)

    def each(self, samples: FloatArray) -> Law:
        """The laws of the rows of `samples` (k, W), each in time order."""
        return SampleLaw.each(samples, decay=self.decay)

    def rolling(
        self, z: FloatArray, window: int, last: int, shift: npt.ArrayLike = 0.0, scale: npt.ArrayLike = 1.0
    ) -> Law:
        """The laws of the `last` windows of `window` losses that end `z`, those of window `i` less shift over scale."""
        return SampleLaw.rolling(z, window, last, self.decay).standardised(shift, scale)

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


@dataclass(frozen=True)
class VolatilityWeighted(SampleSettings):
    r"""The window's losses scaled to today's volatility (Hull and White), :math:`L^*_s = L_s\,\sigma_{t+1}/\sigma_s`.

    Their mean is left in and scaled too: with a mean of zero it is the same as `Empirical`, filtered historical
    simulation, which takes the mean out and adds it again.

    References
    ----------
    Hull & White (1998), Journal of Risk 1(1), 5-19.

    Examples
    --------
    >>> VolatilityWeighted().fit([1.0, 4.0, 2.0, -1.0]).ppf(0.75)
    2.0
    """

    short: ClassVar[str] = "hull-white"
    raw: ClassVar[bool] = True
    decay: ClassVar[None] = None  # type: ignore[misc]  # all days weigh the same: nothing to set
