"""What the CUDA kernels of the CTC loss are made of: warps, sums over a row's threads, powers of two, half floats.

The same kernels run on a GPU and, with ``NUMBA_ENABLE_CUDASIM=1``, in Numba's simulator on NumPy arrays. The simulator
knows no warps: ``cuda_simulator`` adds them.

Numba gives ``int32 + int32`` the type int64 and lets a bare 1.0 turn float32 into float64: hence the casts.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import cuda, types
from numba.extending import overload

SIMULATED = bool(numba.config.ENABLE_CUDASIM)
WARPS = 32  # the most in a block
FULL = 0xFFFFFFFF  # every lane takes part in an exchange
POSITIONS = 1024  # the most positions of a target: its labels, and the one blank more
LOWEST = np.int32(-(2**30))  # the exponent of zero
IMPOSSIBLE = np.int32(-(2**29))  # log2 of probabilities below this counts as that of zero

device: Any = cuda.jit(device=True) if SIMULATED else cuda.jit(device=True, forceinline=True)
# Python's own return float64 for float32, which on a GPU they do not; NumPy's Numba does not know there.
exp, log, floor = (np.exp, np.log, np.floor) if SIMULATED else (math.exp, math.log, math.floor)


def kernel(**options: int) -> Any:
    """The decorator of a kernel; compiled code is kept on disk."""
    return cuda.jit() if SIMULATED else cuda.jit(cache=True, **options)


@device
def power(exponent):
    """2 ** exponent as float32, from its bits; 0 below 2 ** -126. ``exponent`` is at most 127."""
    return np.int32(max(np.int32(exponent + np.int32(127)), np.int32(0)) << np.int32(23)).view(np.float32)


@device
def exponent_of(number):
    """The binary exponent of a number of float32's normal range; -127 for zero."""
    return np.int32(np.int32(np.float32(number).view(np.int32) >> np.int32(23)) - np.int32(127))


def widen(number):
    """A logit as the kernels reckon with it: float32, or float64 as it is. An int16 holds the bits of a bfloat16."""
    if isinstance(number, np.int16):
        return np.int32(np.int32(number) << np.int32(16)).view(np.float32)
    return np.float32(number) if isinstance(number, np.float16) else number


@overload(widen)
def _widen(number):
    if number == types.int16:
        return lambda number: np.int32(np.int32(number) << np.int32(16)).view(np.float32)
    if number == types.float16:
        return lambda number: np.float32(number)
    return lambda number: number


def store(array, b, t, v, number):
    """Writes a float32 or float64 into an array of the logits' dtype, rounded to nearest, ties to even."""
    array[b, t, v] = bfloat16_bits(number) if array.dtype == np.int16 else number


@overload(store)
def _store(array, b, t, v, number):
    if array.dtype == types.int16:

        def write(array, b, t, v, number):
            array[b, t, v] = bfloat16_bits(number)

    elif array.dtype == types.float16:

        def write(array, b, t, v, number):
            array[b, t, v] = np.float16(number)

    else:

        def write(array, b, t, v, number):
            array[b, t, v] = number

    return write


@device
def bfloat16_bits(number):
    bits = np.uint32(number.view(np.uint32))
    if number != number:
        return np.int16(0x7FC0)
    rounded = np.uint32(bits + np.uint32(0x7FFF) + np.uint32((bits >> np.uint32(16)) & np.uint32(1)))
    return np.uint16(rounded >> np.uint32(16)).view(np.int16)


if SIMULATED:
    from dstoolkit.ctc.cuda_simulator import WARP as WARP
    from dstoolkit.ctc.cuda_simulator import from_lane_across, from_lane_below, sync_warp
else:
    WARP = 32  # lanes

    @device
    def from_lane_below(mantissa, rest, exponent):
        return (
            cuda.shfl_up_sync(FULL, mantissa, 1),
            cuda.shfl_up_sync(FULL, rest, 1),
            cuda.shfl_up_sync(FULL, exponent, 1),
        )

    @device
    def from_lane_across(number, mask):
        return cuda.shfl_xor_sync(FULL, number, mask)

    @device
    def sync_warp():
        cuda.syncwarp(FULL)


@device
def warp_max(number):
    mask = WARP // 2
    while mask:
        number = max(number, from_lane_across(number, mask))
        mask //= 2
    return number


@device
def warp_sum(number):
    """The same sum in every lane, and at every call: the order of the additions is fixed."""
    mask = WARP // 2
    while mask:
        number += from_lane_across(number, mask)
        mask //= 2
    return number


@device
def threads_max(number, scratch):
    """The largest number of the ``blockDim.x`` threads of a row, in each of them."""
    number = warp_max(number)
    if cuda.blockDim.x > WARP:
        if cuda.threadIdx.x % WARP == 0:
            scratch[cuda.threadIdx.x // WARP] = number
        cuda.syncthreads()
        for warp in range(cuda.blockDim.x // WARP):
            number = max(number, scratch[warp])
        cuda.syncthreads()
    return number


@device
def threads_sum(number, scratch):
    """The sum over the ``blockDim.x`` threads of a row, in each of them, always in the same order."""
    number = warp_sum(number)
    if cuda.blockDim.x > WARP:
        if cuda.threadIdx.x % WARP == 0:
            scratch[cuda.threadIdx.x // WARP] = number
        cuda.syncthreads()
        number = scratch[0]
        for warp in range(1, cuda.blockDim.x // WARP):
            number += scratch[warp]
        cuda.syncthreads()
    return number


@device
def sync_row():
    """Makes what a row's threads wrote to shared memory visible to each of them."""
    if cuda.blockDim.x > WARP:
        cuda.syncthreads()
    else:
        sync_warp()
