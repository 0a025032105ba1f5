"""The exponential function for Numba loops that LLVM turns into vector instructions.

``math.exp`` inside a Numba loop is a call per element; these are a dozen multiplications and additions that work on
whole vector registers. ``exp(x) = 2^n e^r`` with ``n = round(x / log 2)`` and ``|r| <= log(2) / 2``: ``e^r`` is its
Taylor polynomial, whose degree leaves less than one rounding error, and ``2^n`` is added to the exponent bits (Cody &
Waite 1980, "Software Manual for the Elementary Functions", chapter 6). Adding and taking away 1.5 * 2^52 (2^23 in
single precision) rounds to an integer, which then lies in the low bits. Arguments are at most a little above 0 here;
where the result would be subnormal it is 0. A NaN gives no NaN: callers find NaNs first (``largest``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from dstoolkit.compiled import inlined, kernel

f32 = np.float32


def _bitcast(source: Any, result: Any, llvm: Any) -> Any:
    @intrinsic
    def cast(context: Any, value: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], llvm)

        return result(source), generate

    return cast


int64_bits = _bitcast(types.float64, types.int64, ir.IntType(64))
float64_from_bits = _bitcast(types.int64, types.float64, ir.DoubleType())
int32_bits = _bitcast(types.float32, types.int32, ir.IntType(32))
float32_from_bits = _bitcast(types.int32, types.float32, ir.FloatType())


@inlined
def exp64(x: float) -> float:
    """float64, relative error below 4e-16; 0 below -708."""
    bounded = x if x > -708.0 else -708.0
    shifted = bounded * 1.4426950408889634 + 6755399441055744.0
    n = shifted - 6755399441055744.0
    r = bounded - n * 0.693147180369123816490
    r = r - n * 1.90821492927058770002e-10
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    result = float64_from_bits(int64_bits(p) + (int64_bits(shifted) << 52))
    return result if x > -708.0 else 0.0


@inlined
def exp32(x: np.float32) -> np.float32:
    """float32, relative error below 1.2e-7; 0 below -87."""
    bounded = x if x > f32(-87.0) else f32(-87.0)
    shifted = bounded * f32(1.4426950408889634) + f32(12582912.0)
    n = shifted - f32(12582912.0)
    r = bounded - n * f32(0.693359375)
    r = r - n * f32(-2.12194440e-4)
    p = f32(1.0 / 5040.0)
    p = p * r + f32(1.0 / 720.0)
    p = p * r + f32(1.0 / 120.0)
    p = p * r + f32(1.0 / 24.0)
    p = p * r + f32(1.0 / 6.0)
    p = p * r + f32(0.5)
    p = p * r + f32(1.0)
    p = p * r + f32(1.0)
    result = float32_from_bits(int32_bits(p) + (int32_bits(shifted) << np.int32(23)))
    return result if x > f32(-87.0) else f32(0.0)


def exp(x: Any) -> Any:
    """``exp32`` or ``exp64`` by the argument's type; uncompiled, NumPy's."""
    return np.exp(x)


@overload(exp, inline="always", strict=False)
def _exp(x: Any) -> Any:
    return (lambda x: exp32(x)) if x == types.float32 else (lambda x: exp64(x))


@inlined
def log_1_to_3(s: float) -> float:
    """The natural logarithm of a float64 in [1, 3], relative error of ``1 + log`` below 4e-16.

    ``log s = 2 artanh((s - 1) / (s + 1))``, its series taken where the argument is within [-1/7, 1/5].
    """
    upper = s > 1.5
    m = s * 0.5 if upper else s
    f = (m - 1.0) / (m + 1.0)
    g = f * f
    p = 2.0 / 21.0
    p = p * g + 2.0 / 19.0
    p = p * g + 2.0 / 17.0
    p = p * g + 2.0 / 15.0
    p = p * g + 2.0 / 13.0
    p = p * g + 2.0 / 11.0
    p = p * g + 2.0 / 9.0
    p = p * g + 2.0 / 7.0
    p = p * g + 2.0 / 5.0
    p = p * g + 2.0 / 3.0
    p = p * g + 2.0
    return p * f + (0.6931471805599453 if upper else 0.0)


def widened(x: Any, like: Any) -> Any:
    """``x`` in the precision of the array ``like``."""
    return like.dtype.type(x)


@overload(widened, inline="always", strict=False)
def _widened(x: Any, like: Any) -> Any:
    return (lambda x, like: np.float32(x)) if like.dtype == types.float32 else (lambda x, like: np.float64(x))


def _ordered(builder: Any, bits: Any) -> Any:
    """The bits of a negative float, all but the sign, the other way round; its own inverse."""
    width = bits.type.width
    sign = builder.ashr(bits, ir.Constant(bits.type, width - 1))
    return builder.xor(bits, builder.and_(sign, ir.Constant(bits.type, 2 ** (width - 1) - 1)))


@intrinsic
def order_key(context: Any, x: Any) -> Any:
    """A float's bits as an integer of the same width and order; NaNs lie beyond the infinities.

    Written as LLVM code because Numba computes with 64-bit integers only.
    """

    def generate(_context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _ordered(builder, builder.bitcast(arguments[0], ir.IntType(signature.return_type.bitwidth)))

    return (types.int32 if x == types.float32 else types.int64)(x), generate


@intrinsic
def from_order_key(context: Any, key: Any) -> Any:
    """The float of an ``order_key``."""

    def generate(_context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        llvm = ir.FloatType() if signature.return_type == types.float32 else ir.DoubleType()
        return builder.bitcast(_ordered(builder, arguments[0]), llvm)

    return (types.float32 if key == types.int32 else types.float64)(key), generate


@kernel
def largest(row: Any) -> Any:
    """The maximum of a one-dimensional array; NaN where it holds a NaN.

    Compared as integers: LLVM vectorises that without being told that there are no NaNs.
    """
    high = order_key(row[0])
    low = high
    for v in range(1, len(row)):
        key = order_key(row[v])
        high = key if key > high else high
        low = key if key < low else low
    least = from_order_key(low)
    return least if np.isnan(least) else from_order_key(high)
