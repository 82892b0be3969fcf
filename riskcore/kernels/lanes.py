"""Several floats side by side, for numba: lane k of a result depends on lane k of the arguments and on nothing else.

Compilers do not find the vector in recursions written side by side, so the vector is a type of its own. Inside a
compiled function it has ``+ - * /`` (also with a float), and the functions of this module.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

WIDTH = 8 if binding.get_host_cpu_features().get("avx512f") else 4
"""As many as one instruction takes. With more, lanes without work cost as much as those with; no result depends on it.
"""
Lanes = Any
"""That many floats in a compiled function."""

_DOUBLE, _INT, _SHORT = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_VECTOR, _BITS, _PLACES = ir.VectorType(_DOUBLE, WIDTH), ir.VectorType(_INT, WIDTH), ir.VectorType(_SHORT, WIDTH)
_FLAGS = ("contract",)
"""A product and a sum may become one instruction: the same one in each lane."""


def _built_in(define: Callable[..., Any]) -> Any:
    """numba's `intrinsic`, whose type knows the definition and not the call."""
    return intrinsic(define)


class _LanesType(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Lanes")


_lanes = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes_type: Any) -> None:
        super().__init__(manager, lanes_type, _VECTOR)  # type: ignore[no-untyped-call]


def _splat(builder: Any, value: Any, vector: Any = _VECTOR) -> Any:
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_SHORT, 0))
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), ir.Constant(_PLACES, [0] * WIDTH))


def _all(value: float | int, vector: Any = _VECTOR) -> Any:
    return ir.Constant(vector, [value] * WIDTH)


def _operator(symbol: Any, emit: Callable[[Any, Any, Any], Any]) -> None:
    """Define `symbol` for lanes with lanes, and with a float on either side."""

    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and _lanes in args and all(a is _lanes or isinstance(a, types.Float) for a in args):
                return signature(_lanes, *args)
            return None

    register: Any = infer_global(symbol)
    register(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pair = [a if t is _lanes else _splat(builder, a) for a, t in zip(args, sig.args, strict=True)]
        return emit(builder, *pair)

    for pair in ((_lanes, _lanes), (_lanes, types.Float), (types.Float, _lanes)):
        register = lower_builtin(symbol, *pair)
        register(lower)


_operator(operator.add, lambda b, x, y: b.fadd(x, y, flags=_FLAGS))
_operator(operator.sub, lambda b, x, y: b.fsub(x, y, flags=_FLAGS))
_operator(operator.mul, lambda b, x, y: b.fmul(x, y, flags=_FLAGS))
_operator(operator.truediv, lambda b, x, y: b.fdiv(x, y, flags=_FLAGS))


def _place(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


def _call(builder: Any, name: str, args: Any) -> Any:
    function = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(_VECTOR, [_VECTOR]))
    return builder.call(function, args)


@_built_in
def load(typing: Any, array: Any, index: Any) -> Any:
    """Entries of a contiguous float array from `index` on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_place(context, builder, sig.args[0], args[0], args[1]), align=8)

    return _lanes(array, types.intp), emit


@_built_in
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write entries of a contiguous float array from `index` on."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _place(context, builder, sig.args[0], args[0], args[1]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _lanes), emit


@_built_in
def spread(typing: Any, value: Any) -> Any:
    """One float in all lanes."""
    return _lanes(types.float64), lambda context, builder, sig, args: _splat(builder, args[0])


@_built_in
def where_positive(typing: Any, sign: Any, yes: Any, no: Any) -> Any:
    """``yes`` in the lanes where `sign` is above zero, ``no`` elsewhere."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", args[0], _all(0.0)), args[1], args[2])

    return _lanes(_lanes, _lanes, _lanes), emit


@_built_in
def within(typing: Any, value: Any, low: Any, high: Any) -> Any:
    """`value` cut to [low, high]; NaN becomes `low`."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        low, high = _splat(builder, args[1]), _splat(builder, args[2])
        above = builder.select(builder.fcmp_ordered(">", args[0], low), args[0], low)
        return builder.select(builder.fcmp_ordered("<", above, high), above, high)

    return _lanes(_lanes, types.float64, types.float64), emit


@_built_in
def root(typing: Any, value: Any) -> Any:
    """Square root."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, f"llvm.sqrt.v{WIDTH}f64", args)

    return _lanes(_lanes), emit


@_built_in
def size(typing: Any, value: Any) -> Any:
    """Absolute value."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, f"llvm.fabs.v{WIDTH}f64", args)

    return _lanes(_lanes), emit


_MAGIC = 6755399441055744.0
"""1.5 * 2**52: added to a small whole number it puts that number into the low bits."""
_MAGIC_BITS = int(np.float64(_MAGIC).view(np.int64))
_ONE_BITS = int(np.float64(1.0).view(np.int64))
_ROOT_HALF_BITS = int(np.float64(np.sqrt(0.5)).view(np.int64))
_LN_2 = 0.6931471805599453


@_built_in
def _nearest(typing: Any, value: Any) -> Any:
    """The nearest whole number, of values below 2**51 in size."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fsub(builder.fadd(args[0], _all(_MAGIC)), _all(_MAGIC))

    return _lanes(_lanes), emit


@_built_in
def _two_to(typing: Any, whole: Any) -> Any:
    """Two to the power of a whole number within -1000..1000."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.fadd(args[0], _all(_MAGIC)), _BITS)
        return builder.bitcast(builder.add(builder.shl(bits, _all(52, _BITS)), _all(_ONE_BITS, _BITS)), _VECTOR)

    return _lanes(_lanes), emit


@_built_in
def _exponent(typing: Any, value: Any) -> Any:
    """The whole k with ``value / 2**k`` in [sqrt(1/2), sqrt(2)), of positive normal numbers."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.sub(builder.bitcast(args[0], _BITS), _all(_ROOT_HALF_BITS, _BITS))
        # arithmetic shift by way of an offset, which is cheaper than the missing instruction
        lifted = builder.add(bits, _all(1024 << 52, _BITS))
        k = builder.sub(builder.lshr(lifted, _all(52, _BITS)), _all(1024, _BITS))
        number = builder.bitcast(builder.add(k, _all(_MAGIC_BITS, _BITS)), _VECTOR)
        return builder.fsub(number, _all(_MAGIC))

    return _lanes(_lanes), emit


@njit(cache=True, error_model="numpy")
def log(x: Lanes) -> Lanes:
    """Natural logarithm of positive normal numbers: exponent, and the series of the inverse hyperbolic tangent.

    Its terms are added in pairs, and pairs in pairs: a chain of products would wait for itself.
    """
    k = _exponent(x)
    m = x * _two_to(0.0 - k)
    s = (m - 1.0) / (m + 1.0)
    y = s * s
    y2 = y * y
    y4 = y2 * y2
    low = (1 / 3 + y * (1 / 5)) + y2 * (1 / 7 + y * (1 / 9))
    high = (1 / 11 + y * (1 / 13)) + y2 * (1 / 15 + y * (1 / 17))
    series = y * (low + y4 * (high + y4 * (1 / 19 + y * (1 / 21))))
    return k * _LN_2 + (2.0 * s + 2.0 * s * series)


@njit(cache=True, error_model="numpy")
def _exp_near_zero(r: Lanes) -> Lanes:
    """Taylor's series to the 13th order, in pairs; for numbers within -0.35..0.35."""
    r2 = r * r
    r4 = r2 * r2
    low = ((1.0 + r) + r2 * (0.5 + r * (1 / 6))) + r4 * ((1 / 24 + r * (1 / 120)) + r2 * (1 / 720 + r * (1 / 5040)))
    middle = (1 / 40320 + r * (1 / 362880)) + r2 * (1 / 3628800 + r * (1 / 39916800))
    return low + (r4 * r4) * (middle + r4 * (1 / 479001600 + r * (1 / 6227020800)))


@njit(cache=True, error_model="numpy")
def exp(x: Lanes) -> Lanes:
    """Exponential of numbers cut to -690..690: power of two, and a series."""
    x = within(x, -690.0, 690.0)
    k = _nearest(x * 1.4426950408889634)
    return _exp_near_zero((x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10) * _two_to(k)


@njit(cache=True, error_model="numpy")
def exp2(x: Lanes) -> Lanes:
    """Two to the power of numbers cut to -995..995."""
    x = within(x, -995.0, 995.0)
    k = _nearest(x)
    return _exp_near_zero((x - k) * _LN_2) * _two_to(k)
