"""Laws with a formula for many days at once: one law, whose parameters were estimated anew for each row."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray, Target
from riskcore.distributions.base import Law, Values, measure_of, probabilities, unwrap
from riskcore.distributions.parametric import GED, ParametricLaw, StudentT
from riskcore.errors import require

_Measure = Literal["ppf", "es", "expectile"]

_COORDINATES = {"nu": (np.reciprocal, np.reciprocal), "shape": (np.log, np.exp)}
"""Functions of a parameter in which measures are smooth over its bounds, and their inverses."""
_NODES = 40
_DIGITS = 1e-15
"""Relative size under which the last coefficients of a polynomial are left out."""
_AGREED = 2e-13
"""Relative error against the law's own formula at which a polynomial may stand for it."""
_ENTRIES = 1 << 13  # numbers worked on at once: they stay in a processor's cache


@dataclass(frozen=True, eq=False, repr=False)
class LawRows:
    r"""A parametric law whose free parameters have one value for each of `m` rows, as after a refit for each day.

    A level gives ``(m,)``, a sequence of `k` levels ``(m, k)``; `x` of shape ``(m,)`` is taken row by row (a scalar is
    the same for all), as for the sample laws of many days. A law with nothing free has no rows: it answers as itself,
    with a float or ``(k,)``, which holds for any number of days. A row of NaN gives NaN.

    Where the rows have one parameter, as with `StudentT` and `GED`, a measure at a fixed level is a smooth function of
    it. It is then read from a polynomial through the law's own values that is checked against the law between its
    nodes. A row's figures depend on its own parameters alone, never on other rows.

    Parameters
    ----------
    settings : ParametricLaw
        The law, with None for each parameter that has rows.
    rows : mapping of ndarray, shape (m,)
        Values of these parameters. Not checked: use `law_rows` to make one.
    """

    settings: ParametricLaw
    rows: Mapping[str, FloatArray]

    short: ClassVar[str] = "rows"
    is_sample: ClassVar[bool] = False

    @property
    def free(self) -> tuple[str, ...]:
        """Names of parameters to be estimated: none."""
        return ()

    @property
    def params(self) -> Mapping[str, Values]:
        """Parameters by name: an array for those with rows, a float for the others."""
        return {**self.settings.params, **self.rows}

    def fit(self, z: npt.ArrayLike) -> LawRows:
        """The same laws: they have their parameters."""
        return self

    def row(self, i: int) -> ParametricLaw:
        """The law of row `i`."""
        return dataclasses.replace(self.settings, **{n: float(v[i]) for n, v in self.rows.items()})  # type: ignore[type-var]

    def take(self, rows: slice | npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> LawRows:
        """The laws of some of the rows."""
        return LawRows(self.settings, {n: v[rows] for n, v in self.rows.items()})

    def cdf(self, x: npt.ArrayLike) -> Values:
        """Probability of a loss at or below `x`, row by row; NaN in, NaN out."""
        return unwrap(self._flat._cdf(self._outcomes(x)))

    def sf(self, x: npt.ArrayLike) -> Values:
        """Probability of a loss above `x`, row by row; NaN in, NaN out."""
        return unwrap(self._flat._sf(self._outcomes(x)))

    def lpm(self, x: npt.ArrayLike) -> Values:
        """Lower partial moment ``E(x - Z)+``, row by row; NaN in, NaN out."""
        return unwrap(self._flat._lower(self._outcomes(x))[0])

    def upm(self, x: npt.ArrayLike) -> Values:
        """Upper partial moment ``E(Z - x)+``, row by row; NaN in, NaN out."""
        return unwrap(self._flat._upper(self._outcomes(x))[0])

    def logpdf(self, x: npt.ArrayLike) -> Values:
        """Logarithm of the density, row by row; NaN in, NaN out."""
        return unwrap(self._flat._logpdf(self._outcomes(x)))

    def pit(self, x: npt.ArrayLike) -> Values:
        """Probability integral transform: the distribution function at the outcome `x`."""
        return self.cdf(x)

    def crps(self, x: npt.ArrayLike) -> Values:
        """Continuous ranked probability score of the outcome `x`, row by row; NaN in, NaN out."""
        return unwrap(self._flat._crps(self._outcomes(x)))

    def mean(self) -> float:
        """Mean: zero."""
        return 0.0

    def ppf(self, p: npt.ArrayLike) -> Values:
        """Quantiles, the VaR at level `p`."""
        return self._levels("ppf", p, "p")

    def es(self, level: npt.ArrayLike) -> Values:
        """Expected Shortfall."""
        return self._levels("es", level, "level")

    def expectile(self, level: npt.ArrayLike) -> Values:
        """Expectiles."""
        return self._levels("expectile", level, "level")

    def value(self, target: Target) -> Values:
        """The measure that `target` names."""
        return measure_of(self, target)

    def __repr__(self) -> str:
        return f"LawRows({self.settings!r}{f', {len(self._first)} rows' if self.rows else ''})"

    @property
    def _first(self) -> FloatArray:
        return next(iter(self.rows.values()))

    @cached_property
    def _flat(self) -> ParametricLaw:
        """The law with arrays for parameters, for its formulas."""
        return self.settings._holding(self.rows)

    def _outcomes(self, x: npt.ArrayLike) -> FloatArray:
        at = np.asarray(x, dtype=np.float64)
        if self.rows:
            m = len(self._first)
            require(at.shape in ((), (m,)), f"x must have one entry for each of the {m} rows, got shape {at.shape}")
        return at

    def _levels(self, measure: _Measure, level: npt.ArrayLike, name: str) -> Values:
        levels = probabilities(level, name)
        require(levels.ndim <= 1, f"{name} must be a number or a sequence of numbers, got shape {levels.shape}")
        if not self.rows:
            return getattr(self.settings, measure)(level)
        flat = np.atleast_1d(levels)
        if isinstance(self.settings, StudentT | GED):
            found = _by_curve(self.settings, self.rows, measure, flat)
        else:
            found = _by_formula(self.settings, self.rows, measure, flat)
        return unwrap(found[:, 0] if levels.ndim == 0 else found)


def law_rows(law: ParametricLaw, params: Mapping[str, npt.ArrayLike]) -> LawRows:
    """The laws of many rows: `law` with the values of its free parameters for each of them.

    Parameters
    ----------
    law : ParametricLaw
        `Normal`, `StudentT`, `SkewT` or `GED`.
    params : mapping of array_like, shape (m,)
        Values of what the law leaves free, by name; NaN where there is no estimate.

    Returns
    -------
    LawRows
        Laws that answer with one entry a row.

    Raises
    ------
    ConfigError
        If the names are not those of the free parameters, the arrays differ in shape, or a value lies outside the
        range of its parameter.

    Examples
    --------
    >>> from riskcore.distributions import StudentT
    >>> laws = law_rows(StudentT(), {"nu": [4.0, 8.0]})
    >>> laws.ppf(0.99).round(6), laws.expectile([0.99, 0.99855]).shape, laws.row(1)
    (array([2.649492, 2.508407]), (2, 2), StudentT(nu=8.0))
    """
    rows = {name: np.asarray(params[name], dtype=np.float64) for name in law.free if name in params}
    require(
        set(params) == set(law.free),
        f"params must hold what {law!r} leaves free, {law.free}, got {tuple(params)}",
    )
    shapes = [v.shape for v in rows.values()]
    require(
        all(len(s) == 1 and s == shapes[0] for s in shapes),
        f"params must be arrays of one dimension and one length, got shapes {shapes}",
    )
    for name, value in rows.items():
        low, high = law.ranges[name]
        outside = (value <= low) | (value >= high)
        first = float(value[outside][0]) if outside.any() else low
        require(not bool(outside.any()), f"{name} must lie in ({low:g}, {high:g}), got {first!r}")
    return LawRows(law, rows)


def upper_second_moment(law: Law) -> Values:
    r"""Second moment of the positive part, :math:`E Z^2 1\{Z>0\}`: 1/2 for a symmetric law.

    In a GJR model with this law it is the share of gamma in the persistence.

    Parameters
    ----------
    law : Law
        A parametric law with nothing free, or such laws of many rows.

    Returns
    -------
    float or ndarray
        One number, or one for each row.

    Raises
    ------
    ConfigError
        If the law is not a parametric one or has free parameters.

    Examples
    --------
    >>> from riskcore.distributions import Normal, SkewT
    >>> upper_second_moment(Normal()), round(upper_second_moment(SkewT(5, 0.2)), 6)
    (0.5, 0.581003)
    """
    if isinstance(law, LawRows) and law.rows:
        return np.broadcast_to(law._flat._upper_second_moment(), law._first.shape)
    held = law.settings if isinstance(law, LawRows) else law
    require(isinstance(held, ParametricLaw), f"law must be parametric, got {law!r}")
    assert isinstance(held, ParametricLaw)
    return unwrap(held._ready("upper_second_moment")._upper_second_moment())


def _by_formula(
    law: ParametricLaw, rows: Mapping[str, FloatArray], measure: _Measure, levels: FloatArray
) -> FloatArray:
    """Measures (m, k) by the law's own formulas."""
    held = law._holding({name: value[:, None] for name, value in rows.items()})
    ask = {"ppf": held._ppf, "es": held._es, "expectile": held._expectile}[measure]
    return np.asarray(ask(levels))


def _by_curve(law: StudentT | GED, rows: Mapping[str, FloatArray], measure: _Measure, levels: FloatArray) -> FloatArray:
    """Measures (m, k) by polynomials; by the formula at a level that has none and in a row beyond the bounds."""
    ((name, parameter),) = rows.items()
    low, high = law.bounds[name]
    at, scale = _position(name, parameter, (low, high)), law._holding(rows)._known[1]
    curves = [_curve(type(law), measure, float(level)) for level in levels]
    served = [curve for curve in curves if curve is not None]
    out = np.empty((parameter.size, levels.size))
    if served:
        signs, coefficients = np.array([c[0] for c in served]), _stacked([c[1] for c in served])
        good = [j for j, curve in enumerate(curves) if curve is not None]
        chunk = max(1, _ENTRIES // len(good))
        for i in range(0, parameter.size, chunk):
            some = slice(i, i + chunk)
            with np.errstate(over="ignore", invalid="ignore"):  # rows beyond the bounds: replaced below
                out[some, good] = (signs[:, None] * np.exp(_clenshaw(coefficients, at[some])) * scale[some]).T
    bad = [j for j, curve in enumerate(curves) if curve is None]
    if bad:
        out[:, bad] = _by_formula(law, rows, measure, levels[bad])
    beyond = (parameter < low) | (parameter > high)
    if beyond.any():
        out[beyond] = _by_formula(law, {name: parameter[beyond]}, measure, levels)
    return out


def _position(name: str, parameter: FloatArray, bounds: tuple[float, float]) -> FloatArray:
    """Where values lie between the bounds of a parameter, as -1 to 1 in its coordinate."""
    forth = _COORDINATES[name][0]
    low, high = (float(forth(bound)) for bound in bounds)
    return np.asarray((2.0 * forth(parameter) - (low + high)) / (high - low))


@lru_cache(maxsize=1024)
def _curve(kind: type[StudentT] | type[GED], measure: _Measure, level: float) -> tuple[float, FloatArray] | None:
    """Sign, and Chebyshev coefficients of the logarithm of measure over scale; None if the check fails.

    The check stands at the points half-way between the nodes and at both bounds.
    """
    ((name, bounds),) = kind.bounds.items()
    forth, back = _COORDINATES[name]
    low, high = (float(forth(bound)) for bound in bounds)
    quarter = np.pi / (2 * _NODES)

    def values(points: FloatArray) -> FloatArray:
        parameter = np.clip(back(0.5 * (low + high) + 0.5 * (high - low) * points), *bounds)
        rows = {name: parameter}
        return np.asarray(_by_formula(kind(), rows, measure, np.array([level]))[:, 0] / kind()._holding(rows)._known[1])

    odd = 2 * np.arange(_NODES) + 1
    found = values(np.cos(odd * quarter))
    sign = float(np.sign(found[0]))
    if sign == 0.0 and not found.any():
        return 0.0, np.zeros(1)
    if sign == 0.0 or not np.all(sign * found > 0.0):
        return None
    angles = np.outer(np.arange(_NODES), odd) % (4 * _NODES)  # exact: the cosine of a large angle loses digits
    coefficients = 2.0 / _NODES * (np.cos(angles * quarter) @ np.log(np.abs(found)))
    coefficients[0] *= 0.5
    large = np.abs(coefficients) > _DIGITS * np.abs(coefficients).max()
    coefficients = coefficients[: int(np.flatnonzero(large)[-1]) + 1]
    between = np.cos(2 * np.arange(_NODES + 1) * quarter)
    ratio = sign * np.exp(_clenshaw(coefficients[None, :], between)[0]) / values(between)
    return (sign, coefficients) if np.all(np.abs(ratio - 1.0) <= _AGREED) else None


def _stacked(series: list[FloatArray]) -> FloatArray:
    """Series of different length as the rows of one array, with zeros behind."""
    out = np.zeros((len(series), max(s.size for s in series)))
    for row, values in zip(out, series, strict=True):
        row[: values.size] = values
    return out


def _clenshaw(coefficients: FloatArray, at: FloatArray) -> FloatArray:
    """Chebyshev series (k, n) at points (m,), as (k, m); no result depends on another point."""
    double = 2.0 * at
    now, before = np.zeros((len(coefficients), at.size)), np.zeros((len(coefficients), at.size))
    for j in range(coefficients.shape[1] - 1, 0, -1):
        np.subtract(double * now, before, out=before)
        before += coefficients[:, j, None]
        now, before = before, now
    return at * now - before + coefficients[:, 0, None]
