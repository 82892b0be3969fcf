"""TailGPD: the sample of residuals with a generalised Pareto tail (McNeil and Frey)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray, IntArray
from riskcore.distributions.base import residuals, solve_expectile
from riskcore.distributions.residual import ResidualLaw, standardised_windows
from riskcore.distributions.sample import SampleLaw, SampleSettings
from riskcore.errors import require

Rule = Literal["share", "stability"]


@dataclass(frozen=True, eq=False, repr=False)
class TailLaw(ResidualLaw):
    r"""The law of samples up to a threshold `u`, and beyond it :math:`P(Z>x) = (k/n)(1+\xi(x-u)/\beta)^{-1/\xi}`.

    Parameters
    ----------
    rows : ndarray, shape (k, W)
        Samples, each ascending.
    counts : ndarray, shape (k,)
        Number of losses above the threshold, which is the next largest one.
    shape, scale : ndarray, shape (k,)
        Of the excesses; NaN for a sample that is too short.
    single : bool
        Whether it is one law rather than one for each of `k` samples.

    Examples
    --------
    >>> law = TailGPD(0.2).fit(np.linspace(-1.0, 1.0, 101))
    >>> round(law.ppf(0.5), 6), round(law.ppf(0.99), 3)
    (0.0, 1.002)
    """

    rows: FloatArray
    counts: IntArray
    shape: FloatArray
    scale: FloatArray
    single: bool = False

    short: ClassVar[str] = "tail-gpd"

    @property
    def params(self) -> dict[str, float | FloatArray]:
        """Threshold, number of losses above it, shape and scale of their excesses."""
        found = {"threshold": self._threshold, "excesses": self.counts, "xi": self.shape, "beta": self.scale}
        return {n: float(v[0]) if self.single else np.asarray(v, dtype=np.float64) for n, v in found.items()}

    def row(self, i: int) -> TailLaw:
        """The law of sample `i`, as one law."""
        some = slice(i, i + 1)
        return TailLaw(self.rows[some], self.counts[some], self.shape[some], self.scale[some], single=True)

    @property
    def _count(self) -> int:
        return len(self.rows)

    @cached_property
    def _threshold(self) -> FloatArray:
        n = self.rows.shape[1]
        return np.asarray(np.take_along_axis(self.rows, (n - 1 - self.counts)[:, None], axis=1)[:, 0])

    @cached_property
    def _share(self) -> FloatArray:
        return np.asarray(self.counts / self.rows.shape[1])

    @cached_property
    def _stretch(self) -> FloatArray:
        """The scale, and hardly more than zero where all excesses are zero, so that nothing is divided by it."""
        return np.maximum(self.scale, 1e-300)

    @cached_property
    def _body(self) -> SampleLaw:
        """The samples with each loss above the threshold at their mean: the law as it is seen from below."""
        n = self.rows.shape[1]
        middle = self._threshold + self.scale / (1.0 - self.shape)
        above = np.arange(n) >= (n - self.counts)[:, None]
        rows = np.where(above, middle[:, None], self.rows)
        rows = np.where(np.isnan(middle)[:, None], 0.0, rows)  # nobody asks what these say
        return SampleLaw(rows[0] if self.single else rows)

    @cached_property
    def _void(self) -> FloatArray:
        """Zero, or NaN for a sample that is too short."""
        return np.where(np.isnan(self.shape), np.nan, 0.0)

    @cached_property
    def _centre(self) -> FloatArray:
        return np.asarray(self._body.mean() + self._void)

    def _mean(self) -> FloatArray:
        return self._centre

    def _excess(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Upper partial moment and tail at or beyond the threshold; below, the line that goes on from there."""
        y = x - self._threshold
        within = np.maximum(y, 0.0) / self._stretch
        small = np.abs(self.shape) < 1e-12
        shape = np.where(small, 1.0, self.shape)
        growth = np.where(small, within, np.log1p(np.maximum(shape * within, -1.0)) / shape)
        tail = self._share * np.exp(-growth)
        partial = tail * self._stretch * np.exp(np.where(small, 0.0, shape) * growth) / (1.0 - self.shape)
        return np.where(tail > 0.0, partial, 0.0) - np.minimum(y, 0.0) * self._share, tail

    def _upper(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        body = self._body
        beyond, tail = self._excess(x)
        low = x < self._threshold
        share = 1.0 - np.asarray(body.cdf(x))
        return np.where(low, body.upm(x), beyond) + self._void, np.where(low, share, tail) + self._void

    def _pit(self, x: FloatArray) -> FloatArray:
        """Mid-rank below the threshold, and never 0 or 1."""
        n = self.rows.shape[1]
        below = np.where(x < self._threshold, np.asarray(self._body.pit(x)), 1.0 - self._upper(x)[1])
        return np.clip(below, 0.5 / (n + 1.0), 1.0 - 1e-12) + self._void

    def _quantile(self, level: float) -> FloatArray:
        tail = (1.0 - level) / self._share
        small = np.abs(self.shape) < 1e-12
        shape = np.where(small, 1.0, self.shape)
        far = np.where(small, -np.log(tail), np.expm1(-shape * np.log(tail)) / shape)
        return np.asarray(np.where(tail < 1.0, self._threshold + self.scale * far, self._body.ppf(level) + self._void))

    def _shortfall(self, level: float) -> FloatArray:
        q = self._quantile(level)
        beyond = (q + self.scale - self.shape * self._threshold) / (1.0 - self.shape)
        return np.asarray(np.where(1.0 - level < self._share, beyond, self._body.es(level) + self._void))

    def _expectile(self, level: float) -> FloatArray:
        body, mean = np.asarray(self._body.expectile(level) + self._void), self._mean()
        tail = body > self._threshold
        if not tail.any():
            return body

        def below(z: FloatArray) -> tuple[FloatArray, FloatArray]:
            partial, beyond = self._excess(mean + z)
            return partial + z, 1.0 - beyond

        far = solve_expectile(np.full(body.shape, level), lambda z: self._excess(mean + z), below)
        return np.where(tail, mean + far, body)

    def _half_gini(self) -> FloatArray:
        """Integral of F (1 - F): steps up to the threshold, a formula beyond."""
        n = self.rows.shape[1]
        rank = np.arange(1, n) / n
        inside = np.arange(1, n) < (n - self.counts)[:, None]
        steps = np.where(inside, rank * (1.0 - rank) * np.diff(self.rows, axis=1), 0.0).sum(axis=1)
        tail = self.scale * self._share / (1.0 - self.shape) - self.scale * self._share**2 / (2.0 - self.shape)
        return np.asarray(steps + tail)

    def _logpdf(self, x: FloatArray) -> FloatArray:
        return np.full(x.shape, np.nan)


@dataclass(frozen=True)
class TailGPD(SampleSettings):
    r"""The sample of residuals, with a generalised Pareto law above a high threshold.

    .. math:: P(Z > x) = \frac kn \left(1 + \xi\frac{x-u}{\beta}\right)^{-1/\xi}, \qquad x \ge u

    `u` is the (k+1)-th largest residual; shape and scale maximise the likelihood of the `k` excesses, the shape in
    [-0.5, 0.95]. Up to `u` the law is the sample's. VaR and ES have closed forms, the expectile is one root of
    :math:`U(z)/(2U(z)+z-m_0) = 1-\tau`. Fewer than ten excesses give NaN.

    Parameters
    ----------
    share : float
        Share k/n of the residuals above the threshold, in (0, 0.5). Typical values: 0.05 to 0.15.
    rule : {"share", "stability"}
        With ``"stability"`` the rule of Reiss and Thomas takes the `k` where Hill's estimates are steadiest, whatever
        the share (`threshold_path` shows how the tail depends on it). Where too few residuals are positive for it, all
        of these are taken, up to 0.15 n.

    Raises
    ------
    ConfigError
        If `share` lies outside its range or `rule` is another word.

    References
    ----------
    McNeil & Frey (2000), Journal of Empirical Finance 7, 271-300. Reiss & Thomas (2007), Statistical Analysis of
    Extreme Values, for the rule.

    Examples
    --------
    >>> TailGPD().share
    0.1
    """

    share: float = 0.1
    rule: Rule = "share"

    short: ClassVar[str] = "tail-gpd"
    decay: ClassVar[None] = None  # type: ignore[misc]  # all days weigh the same

    def __post_init__(self) -> None:
        ok = isinstance(self.share, (int, float, np.floating)) and 0.0 < self.share < 0.5
        require(ok, f"share must lie in (0, 0.5), got {self.share!r}; typical value: 0.1")
        require(self.rule in ("share", "stability"), f"rule must be 'share' or 'stability', got {self.rule!r}")

    def fit(self, z: npt.ArrayLike) -> TailLaw:
        """The law of one sample."""
        return self.each(residuals(z, least=1)[None, :]).row(0)

    def each(self, samples: FloatArray) -> TailLaw:
        """The laws of the rows of `samples`."""
        from riskcore.kernels.gpd import gpd_rows

        rows = np.sort(samples, axis=-1)
        n = rows.shape[1]
        counts, shape, scale = np.empty(len(rows), dtype=np.int64), np.empty(len(rows)), np.empty(len(rows))
        count = 0 if self.rule == "stability" else max(round(self.share * n), 1)
        gpd_rows(rows, count, counts, shape, scale)
        return TailLaw(rows, np.minimum(counts, n - 1), shape, scale)

    def rolling(
        self, z: FloatArray, window: int, last: int, shift: npt.ArrayLike = 0.0, scale: npt.ArrayLike = 1.0
    ) -> TailLaw:
        """The laws of the `last` windows of `window` residuals."""
        return self.each(standardised_windows(z, window, last, shift, scale))


def threshold_path(sample: npt.ArrayLike, *, level: float = 0.99, least: int = 20, most: float = 0.25) -> FloatArray:
    r"""How the tail's estimates depend on the threshold: one row for each number of excesses `k`.

    Parameters
    ----------
    sample : array_like
        Losses or standardised residuals, one dimension.
    level : float
        Level of the VaR in the last column.
    least : int
        Smallest number of excesses, at least 10.
    most : float
        Largest share of the sample above the threshold.

    Returns
    -------
    ndarray, shape (m, 5)
        Columns k, threshold, shape :math:`\xi`, its asymptotic standard error :math:`(1+\xi)/\sqrt k`, VaR.
        The error is NaN where the shape lies on its bound, -0.5 or 0.95.

    Raises
    ------
    ConfigError, FitError
        If the sample is too short for `least`, or a setting lies outside its range.

    References
    ----------
    McNeil & Frey (2000), Journal of Empirical Finance 7, 271-300.

    Examples
    --------
    >>> path = threshold_path(np.linspace(0.0, 1.0, 200) ** 3, least=30)
    >>> path.shape, float(path[0, 0])
    ((21, 5), 30.0)
    """
    from riskcore.kernels.gpd import SHAPES

    losses = np.sort(residuals(sample, least=1))
    n, high = losses.size, int(most * losses.size)
    require(10 <= least <= high < n, f"least must lie in [10, {high}] for {n} losses and most = {most}, got {least}")
    require(0.5 < level < 1, f"level must lie in (0.5, 1), got {level!r}")
    rows = []
    for k in range(least, high + 1):
        law = TailGPD(k / n).each(losses[None, :]).row(0)
        xi = float(law.shape[0])
        error = (1.0 + xi) / k**0.5 if SHAPES[0] < xi < SHAPES[1] else float("nan")
        rows.append([k, float(law._threshold[0]), xi, error, law.ppf(level)])
    return np.array(rows)
