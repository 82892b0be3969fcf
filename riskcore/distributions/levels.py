"""Levels at which VaR, ES and expectile are equal, under a law or in a sample.

A level matched under one law is not matched under another: say the law wherever a matched level is shown.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray
from riskcore.distributions.base import Law, Values, unwrap
from riskcore.distributions.parametric import Normal, ParametricLaw
from riskcore.distributions.residual import ResidualLaw
from riskcore.distributions.rows import LawRows
from riskcore.distributions.sample import SampleLaw
from riskcore.errors import require
from riskcore.measures.precision import sorted_es_level
from riskcore.measures.sample import sorted_sample

_NORMAL = Normal()


def expectile_level(var_level: npt.ArrayLike, law: Law = _NORMAL) -> Values:
    r"""Expectile level whose value equals the VaR at `var_level` under `law`; the normal law by default.

    .. math:: 1 - \tau = \frac{U(v)}{2U(v) + v - EZ}, \qquad U(v) = E(Z-v)^+, \quad v = \mathrm{VaR}_p

    Parameters
    ----------
    var_level : float or sequence of float
        In (0, 1).
    law : Law, optional
        A law with nothing free. Matching does not depend on location and scale.

    Returns
    -------
    float or ndarray
        A float for one level, an array for a sequence. No NaN is returned.

    Raises
    ------
    ConfigError
        If a level lies outside (0, 1), the law is not fitted, or a sample has no loss above its VaR.

    References
    ----------
    Bellini and Di Bernardino (2017), The European Journal of Finance 23(6), doi:10.1080/1351847X.2015.1052150.

    Examples
    --------
    >>> round(expectile_level(0.99), 11)
    0.9985475861
    >>> from riskcore.distributions import StudentT
    >>> round(expectile_level(0.99, StudentT(5)), 6)
    0.996789
    """
    v = np.asarray(law.ppf(var_level), dtype=np.float64)
    upper, lower = _columns(law.upm, law, v), _columns(law.lpm, law, v)
    bad = ~(upper > 0.0) | ~(lower > 0.0)
    require(
        not bool(bad.any()),
        f"var_level must leave losses on both sides of its VaR, got {var_level!r}: it lies beyond the sample",
    )
    return unwrap(np.where(upper < lower, 1.0 - upper / (upper + lower), lower / (upper + lower)))


def matched_expectile_level(sample: npt.ArrayLike, var_level: npt.ArrayLike) -> Values:
    r"""Expectile level at which the expectile of a sample equals its VaR: for translation between the two only.

    .. math:: 1 - \tau = \overline{(L-v)^+} \,/\, \overline{|L-v|}

    Parameters
    ----------
    sample : array_like
        Losses, one dimension.
    var_level : float or sequence of float
        In (0, 1).

    Returns
    -------
    float or ndarray
        A float for one level, an array for a sequence. No NaN is returned.

    Raises
    ------
    DataError
        If the sample is empty, not one-dimensional or has entries that are not finite.
    ConfigError
        If a level lies outside (0, 1), or no loss lies above the VaR.

    Examples
    --------
    >>> matched_expectile_level([-1.0, 1.0, 2.0, 4.0], 0.75)
    0.6666666666666667
    """
    return expectile_level(var_level, SampleLaw(sorted_sample(sample)[0]))


def implied_var_level(law: Law, level: npt.ArrayLike) -> Values:
    r"""VaR level whose value equals the expectile at `level` under `law`: :math:`P(Z \le m)`.

    With the normal law it says of which VaR level an expectile level is the normal match.

    Parameters
    ----------
    law : Law
        A law with nothing free.
    level : float or sequence of float
        Expectile level in (0, 1).

    Returns
    -------
    float or ndarray
        A float for one level, an array for a sequence; a law of `k` samples gives an array with one entry a sample.

    Raises
    ------
    ConfigError
        If a level lies outside (0, 1) or the law is not fitted.

    Examples
    --------
    >>> from riskcore.distributions import Normal
    >>> round(implied_var_level(Normal(), 0.99855), 6)
    0.990013
    """
    return unwrap(_columns(law.cdf, law, np.asarray(law.expectile(level), dtype=np.float64)))


def equal_es_level(law: Law, level: npt.ArrayLike) -> Values:
    r"""Level at which ES equals the expectile at `level` under `law`.

    .. math:: \mathrm{ES}_{F(x)} = x + U(x)/P(Z > x) = m, \quad q = F(x)

    Parameters
    ----------
    law : Law
        A law with nothing free.
    level : float or sequence of float
        Expectile level in (0.5, 1): below, no ES is as small.

    Returns
    -------
    float or ndarray
        A float for one level, an array for a sequence; a law of `k` samples gives an array with one entry a sample.
        NaN for a sample without spread.

    Raises
    ------
    ConfigError
        If a level lies outside (0.5, 1) or the law is not fitted.

    Examples
    --------
    >>> from riskcore.distributions import Normal
    >>> round(equal_es_level(Normal(), 0.99), 7)
    0.8918156
    """
    levels = np.asarray(level, dtype=np.float64)
    require(bool(np.all(levels > 0.5)), f"level must lie in (0.5, 1), got {level!r}")
    m = np.asarray(law.expectile(level), dtype=np.float64)
    if isinstance(law, ParametricLaw):
        return unwrap(np.array([_parametric_es_level(law, float(x)) for x in m.flat]).reshape(m.shape))
    if isinstance(law, LawRows):
        if not law.rows:
            return equal_es_level(law.settings, level)
        return np.array([equal_es_level(law.row(i), level) for i in range(len(m))])
    if isinstance(law, ResidualLaw):
        laws = [law] if law.single else [law.row(i) for i in range(len(m))]
        pairs = zip(laws, m.reshape(len(laws), -1), strict=True)
        return unwrap(
            np.array([_parametric_es_level(one, float(x)) for one, some in pairs for x in some]).reshape(m.shape)
        )
    require(isinstance(law, SampleLaw), f"law must be a fitted law, got {law!r}")
    assert isinstance(law, SampleLaw)
    rows = law.rows.reshape(-1, law.rows.shape[-1])
    weights = None if law.weights is None else law.weights.reshape(rows.shape)
    values = m.reshape(len(rows), -1)
    found = [
        sorted_es_level(row, float(x), weights=None if weights is None else weights[i])
        for i, row in enumerate(rows)
        for x in values[i]
    ]
    return unwrap(np.array(found).reshape(m.shape))


def _columns(run: Callable[[FloatArray], Values], law: Law, x: FloatArray) -> FloatArray:
    """Run at `x`; where a law of `k` samples or rows has `x` of shape (k, m), column by column."""
    sample = isinstance(law, SampleLaw) and x.ndim == law.rows.ndim > 1
    each = (isinstance(law, LawRows) or (isinstance(law, ResidualLaw) and not law.single)) and x.ndim > 1
    if sample or each:
        return np.stack([run(x[..., j]) for j in range(x.shape[-1])], axis=-1)
    return np.asarray(run(x), dtype=np.float64)


def _parametric_es_level(law: ParametricLaw | ResidualLaw, value: float) -> float:
    from scipy.optimize import brentq

    def over(x: float) -> float:
        """``(ES - value) P(Z > x)`` of the tail beyond `x`, in the form without cancellation on its side of zero."""
        if x < 0.0:
            return float(law.lpm(x) - x * law.cdf(x) - value * law.sf(x))
        return float((x - value) * law.sf(x) + law.upm(x))

    low = value - 1.0
    while over(low) >= 0.0:  # ends: far to the left the value is the mean less `value`
        low = value - 2.0 * (value - low)
    return float(law.cdf(brentq(over, low, value, xtol=1e-14, rtol=8.9e-16, maxiter=1000)))
