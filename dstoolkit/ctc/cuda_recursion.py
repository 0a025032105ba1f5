"""The CUDA kernel of the CTC loss's forward and backward variables (Graves et al. 2006, equations 5 to 11).

A block an utterance and direction. The backward variables are the forward ones of the reversed problem, so one piece of
code does both, at the same time. A thread holds one position of the target: the blank before a label, and the label.
Each step it needs of its neighbour the label's state only, which it gets by warp shuffle.

Numbers are ``(mantissa + rest) * 2 ** exponent``: no number is too small, and no step takes a logarithm or an
exponential. ``rest`` holds what the additions' roundings lose (TwoSum), else thousands of equal roundings would show in
a small loss. Emissions have mantissas in [1, 2], so mantissas only grow, by less than 8 a step: every ``CHUNK`` steps
they are brought back to [1, 2]. A zero has mantissa 0 and exponent -2^30, below which no exponent goes.

Warps work in a wavefront: in each round a warp does ``CHUNK`` steps, one chunk behind the warp before it, whose last
lane left its states of these steps in shared memory. So there is a barrier a chunk, not a step, and none for one warp.
Emissions are fetched four steps ahead.
"""

from __future__ import annotations

import numpy as np
from numba import cuda, int32

from dstoolkit.ctc.cuda_device import LOWEST, WARP, WARPS, device, exponent_of, from_lane_below, kernel, power
from dstoolkit.ctc.cuda_rows import add_exactly

CHUNK = 8  # steps; a multiple of 4
BORDERS = (WARPS + 1, 2 * CHUNK)  # states of a label at the border before each warp, in this chunk and in the next


@device
def join(state, below, skip):
    """The states of one position's blank and label a step on, before the new frame's emission.

    ``state`` is (mantissa, rest, exponent) of the blank and of the label; ``below`` that of the label before.
    """
    blank, blank_rest, blank_exponent, label, label_rest, label_exponent = state
    other, other_rest, other_exponent = below
    exponent = max(blank_exponent, other_exponent)
    own, its = power(blank_exponent - exponent), power(other_exponent - exponent)
    new_blank, lost = add_exactly(blank * own, blank_rest * own + other_rest * its, other * its)
    top = max(blank_exponent, label_exponent)
    if skip:
        top = max(top, other_exponent)
    own, before = power(label_exponent - top), power(blank_exponent - top)
    its = power(other_exponent - top) if skip else np.float32(0)
    rest = label_rest * own + blank_rest * before + other_rest * its
    new_label, rest = add_exactly(label * own, rest, blank * before)
    new_label, rest = add_exactly(new_label, rest, other * its)
    return new_blank, lost, exponent, new_label, rest, top


@device
def emit(state, emission):
    """Times the emissions of the frame, (mantissa, exponent) of the blank and of the label."""
    blank, blank_rest, blank_exponent, label, label_rest, label_exponent = state
    times_blank, plus_blank, times_label, plus_label = emission
    return (
        blank * times_blank,
        blank_rest * times_blank,
        max(np.int32(blank_exponent + plus_blank), LOWEST),
        label * times_label,
        label_rest * times_label,
        max(np.int32(label_exponent + plus_label), LOWEST),
    )


@device
def normal(mantissa, rest, exponent):
    """The same number with a mantissa in [1, 2]; of zero, zero."""
    total = mantissa + rest
    rest = rest - (total - mantissa)
    excess = exponent_of(total)
    factor = power(-excess)
    return total * factor, rest * factor, max(np.int32(exponent + excess), LOWEST)


@device
def fetch(mantissas, exponents, emission, place, step):
    """The emissions of a step: those of no step, and of the label of a position that has none, stay what they are."""
    origin, stride, column, count, has_label = place
    if step >= count:
        return emission
    at = origin + step * stride
    blank, blank_exponent = mantissas[np.uint64(at)], exponents[np.uint64(at)]
    if has_label:
        return blank, blank_exponent, mantissas[np.uint64(at + column)], exponents[np.uint64(at + column)]
    return blank, blank_exponent, emission[2], emission[3]


@device
def from_below(state, boundaries, border, step):
    """The state of the label before, from the lane below, or from the last lane of the warp below."""
    mantissas, rests, exponents = boundaries
    warp, lane, slot = border
    below = from_lane_below(state[3], state[4], state[5])
    at = slot + step % CHUNK
    if lane == WARP - 1:
        mantissas[warp + 1, at], rests[warp + 1, at], exponents[warp + 1, at] = state[3], state[4], state[5]
    if lane == 0:
        below = mantissas[warp, at], rests[warp, at], exponents[warp, at]
    return below


@device
def keep(results, storage, step, before, after):
    """Stores forward variables with, backward ones without, their own frame's emission, where whole paths can be.

    After the last frame the last blank and the label before it are joined to the probability of the target.
    """
    origin, stride, columns, blank_column, label_column, first, last_blank, last_label, backward = storage
    values, value_exponents, totals, total_exponents, b, final = results
    if step == final:
        totals[b, 0], totals[b, 1], total_exponents[b] = before[0], before[1], before[2]
    at = origin + step * stride
    if step >= first and step <= last_blank:
        values[np.uint64(at + blank_column)] = before[0] + before[1] if backward else after[0] + after[1]
        value_exponents[np.uint64(at + blank_column)] = before[2] if backward else after[2]
    if step >= first and step <= last_label:
        at += columns
        values[np.uint64(at + label_column)] = before[3] + before[4] if backward else after[3] + after[4]
        value_exponents[np.uint64(at + label_column)] = before[5] if backward else after[5]


@device
def advance(state, emission, step, skip, boundaries, border, results, storage):
    """One step: all states of a position from frame ``step - 1`` to frame ``step``."""
    before = join(state, from_below(state, boundaries, border, step), skip)
    after = emit(before, emission)
    keep(results, storage, step, before, after)
    return after


@kernel(max_registers=64)  # 1,024 threads a block leave no more
def recursion(
    frames, labels, targets, width, columns, mantissas, exponents, values, value_exponents, totals, total_exponents,
    keeping,
):  # fmt: skip
    """``mantissas``, ``exponents`` (B * T * columns): emissions of ``width`` = T frames, of the blank and the labels.

    ``values`` (2 * B * T * 2 * columns) get the forward and backward variables if ``keeping``; ``totals`` (B, 2) the
    probability of the target as mantissa and rest, ``total_exponents`` (B,) its exponent.
    """
    b, backward, j = cuda.blockIdx.x, cuda.blockIdx.y == 1, cuda.threadIdx.x
    border_mantissas = cuda.shared.array(BORDERS, dtype=mantissas.dtype)
    border_rests = cuda.shared.array(BORDERS, dtype=mantissas.dtype)
    border_exponents = cuda.shared.array(BORDERS, dtype=int32)
    count, length = frames[b], labels[b]
    zero = mantissas.dtype.type(0)
    warp, lane, warps = j // WARP, j % WARP, length // WARP + 1
    for slot in range(j, 2 * CHUNK, cuda.blockDim.x):
        border_mantissas[0, slot], border_rests[0, slot], border_exponents[0, slot] = zero, zero, LOWEST
    cuda.syncthreads()
    if warp >= warps:
        return
    has_label = j < length
    blank_column, label = (length - j, length - 1 - j) if backward else (j, j)
    skip = has_label and j > 0 and targets[b, label] != targets[b, label + 1 if backward else label - 1]
    start = (b * width + count - 1) if backward else b * width
    stride = -1 if backward else 1
    place = start * columns, stride * columns, label + 1, count, has_label
    origin = (start + (cuda.gridDim.x * width if backward else 0)) * 2 * columns
    last_label = count - length + j if keeping and has_label else -1
    last_blank = count - 1 - length + j if keeping and j <= length else -1
    storage = origin, stride * 2 * columns, columns, blank_column, label, j, last_blank, last_label, backward

    nothing = zero, LOWEST, zero, LOWEST
    first = fetch(mantissas, exponents, nothing, place, 0)
    second = fetch(mantissas, exponents, nothing, place, 1)
    third = fetch(mantissas, exponents, nothing, place, 2)
    fourth = fetch(mantissas, exponents, nothing, place, 3)
    one = mantissas.dtype.type(1)
    state = (one if j == 0 else zero, zero, np.int32(0) if j == 0 else LOWEST, zero, zero, LOWEST)
    boundaries = border_mantissas, border_rests, border_exponents
    final = count if j == length and not backward else -1
    results = values, value_exponents, totals, total_exponents, b, final
    chunks = (count + CHUNK) // CHUNK  # of steps 0 to count; those after it, in the last, do no harm
    for turn in range(chunks + warps - 1):
        chunk = turn - warp
        if chunk >= 0 and chunk < chunks:
            border = warp, lane, chunk % 2 * CHUNK
            for step in range(chunk * CHUNK, chunk * CHUNK + CHUNK, 4):
                state = advance(state, first, step, skip, boundaries, border, results, storage)
                first = fetch(mantissas, exponents, first, place, step + 4)
                state = advance(state, second, step + 1, skip, boundaries, border, results, storage)
                second = fetch(mantissas, exponents, second, place, step + 5)
                state = advance(state, third, step + 2, skip, boundaries, border, results, storage)
                third = fetch(mantissas, exponents, third, place, step + 6)
                state = advance(state, fourth, step + 3, skip, boundaries, border, results, storage)
                fourth = fetch(mantissas, exponents, fourth, place, step + 7)
            blank, label_state = normal(state[0], state[1], state[2]), normal(state[3], state[4], state[5])
            state = (blank[0], blank[1], blank[2], label_state[0], label_state[1], label_state[2])
        if warps > 1:
            cuda.syncthreads()
