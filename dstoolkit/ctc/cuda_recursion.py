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

from dstoolkit.ctc.cuda_device import (
    LOWEST,
    SIMULATED,
    WARP,
    WARPS,
    device,
    exponent_of,
    from_lane_below,
    kernel,
    power,
)
from dstoolkit.ctc.cuda_rows import add_exactly

CHUNK = 8  # steps; a multiple of 4
SHORT = (3 if SIMULATED else 12) * WARP  # threads of a block that can have 160 registers each
BORDER_EXPONENTS = (WARPS + 1, 2 * CHUNK)  # of the label at the border before each warp, in this chunk and the next
BORDERS = (2, *BORDER_EXPONENTS)  # its mantissas and rests


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
    candidate = other_exponent if skip else LOWEST
    top = max(max(blank_exponent, label_exponent), candidate)
    own, before, its = power(label_exponent - top), power(blank_exponent - top), power(candidate - top)
    its = its if skip else np.float32(0)
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
def fetch(arrays, place, emission, step):
    """The emissions of a step: those of no step, and of the label of a position that has none, stay what they are."""
    mantissas, exponents = arrays[0], arrays[1]
    blank_at, label_at, stride, count, has_label = place
    blank, blank_exponent, label, label_exponent = emission
    if step < count:
        at = np.uint64(blank_at + step * stride)
        blank, blank_exponent = mantissas[at], exponents[at]
        if has_label:
            at = np.uint64(label_at + step * stride)
            label, label_exponent = mantissas[at], exponents[at]
    return blank, blank_exponent, label, label_exponent


@device
def from_below(arrays, border, state, slot):
    """The state of the label before, from the lane below, or from the last lane of the warp below."""
    borders, exponents = arrays[4], arrays[5]
    lane, own, next_one, first = border
    below = from_lane_below(state[3], state[4], state[5])
    at = np.uint32(first + slot)
    if lane == WARP - 1:
        borders[0, next_one, at], borders[1, next_one, at], exponents[next_one, at] = state[3], state[4], state[5]
    if lane == 0:
        below = borders[0, own, at], borders[1, own, at], exponents[own, at]
    return below


@device
def keep(arrays, storage, step, before, after):
    """Stores forward variables with, backward ones without, their own frame's emission, where whole paths can be."""
    values, exponents = arrays[2], arrays[3]
    blank_at, label_at, stride, first, last_blank, last_label, backward = storage
    if step >= first and step <= last_blank:
        at = np.uint64(blank_at + step * stride)
        values[at] = before[0] + before[1] if backward else after[0] + after[1]
        exponents[at] = before[2] if backward else after[2]
    if step >= first and step <= last_label:
        at = np.uint64(label_at + step * stride)
        values[at] = before[3] + before[4] if backward else after[3] + after[4]
        exponents[at] = before[5] if backward else after[5]


@device
def advance(arrays, thread, border, state, emission, step, slot):
    """One step, the ``slot``th of its chunk: all states of a position from frame ``step - 1`` to frame ``step``.

    After the last frame the last blank and the label before it are joined to the probability of the target.
    """
    skip, _, storage, totals, total_exponents, b, final = thread
    before = join(state, from_below(arrays, border, state, slot), skip)
    after = emit(before, emission)
    keep(arrays, storage, step, before, after)
    if step == final:
        totals[b, 0], totals[b, 1], total_exponents[b] = before[0], before[1], before[2]
    return after


@device
def prepare(frames, labels, targets, width, columns, keeping, totals, total_exponents, borders, border_exponents):
    """What a thread needs to know: see ``advance``; and its state before the first frame, as if in the first blank."""
    b, backward, j = np.int64(cuda.blockIdx.x), cuda.blockIdx.y == 1, np.int32(cuda.threadIdx.x)
    count, length, zero = np.int32(frames[b]), np.int32(labels[b]), totals.dtype.type(0)
    slot = j
    while slot < 2 * CHUNK:
        borders[0, 0, slot], borders[1, 0, slot], border_exponents[0, slot] = zero, zero, LOWEST
        slot = np.int32(slot + cuda.blockDim.x)
    cuda.syncthreads()
    has_label, sign = j < length, np.int32(-1) if backward else np.int32(1)
    blank_column, label = (np.int32(length - j), np.int32(length - 1 - j)) if backward else (j, j)
    skip = has_label and j > 0 and targets[b, label] != targets[b, label - sign]
    row = b * width + (count - 1 if backward else 0)
    place = row * columns, row * columns + label + 1, np.int32(sign * columns), count, has_label
    last_label = np.int32(count - length + j) if keeping and has_label else np.int32(-1)
    last_blank = np.int32(count - 1 - length + j) if keeping and j <= length else np.int32(-1)
    row = 2 * columns * (row + (cuda.gridDim.x * width if backward else 0))
    stride = np.int32(2 * columns * sign)
    storage = row + blank_column, row + columns + label, stride, j, last_blank, last_label, backward
    final = count if j == length and not backward else np.int32(-1)
    state = totals.dtype.type(j == 0), zero, np.int32(0) if j == 0 else LOWEST, zero, zero, LOWEST
    return (skip, place, storage, totals, total_exponents, b, final), state


@device
def wavefront(labels, frames):
    """A thread's warp and lane, the warps that have work, and the chunks: of a step more than there are frames."""
    j, b = np.int32(cuda.threadIdx.x), cuda.blockIdx.x
    warps, chunks = np.int32(labels[b] // WARP + 1), np.int32((frames[b] + CHUNK) // CHUNK)
    return np.int32(j // WARP), np.int32(j % WARP), warps, chunks


@device
def renew(state):
    blank, blank_rest, blank_exponent = normal(state[0], state[1], state[2])
    label, label_rest, label_exponent = normal(state[3], state[4], state[5])
    return blank, blank_rest, blank_exponent, label, label_rest, label_exponent


@kernel(max_registers=160)
def recursion(
    frames, labels, targets, width, columns, mantissas, exponents, values, value_exponents, totals, total_exponents,
    keeping,
):  # fmt: skip
    """``mantissas``, ``exponents`` (B * T * columns): emissions of the blank and the labels. ``width`` is T.

    A block has at most ``SHORT`` threads. ``values`` (2 * B * T * 2 * columns) get the forward and backward variables
    if ``keeping``; ``totals`` (B, 2) the probability of the target as mantissa and rest, ``total_exponents`` (B,) its
    exponent. Steps after the last, done to fill its chunk, do no harm.
    """
    borders = cuda.shared.array(BORDERS, dtype=mantissas.dtype)
    border_exponents = cuda.shared.array(BORDER_EXPONENTS, dtype=int32)
    thread, state = prepare(
        frames, labels, targets, width, columns, keeping, totals, total_exponents, borders, border_exponents
    )
    warp, lane, warps, chunks = wavefront(labels, frames)
    if warp >= warps:
        return
    arrays = mantissas, exponents, values, value_exponents, borders, border_exponents
    place, zero = thread[1], totals.dtype.type(0)
    nothing = zero, LOWEST, zero, LOWEST
    first, second = fetch(arrays, place, nothing, np.int32(0)), fetch(arrays, place, nothing, np.int32(1))
    third, fourth = fetch(arrays, place, nothing, np.int32(2)), fetch(arrays, place, nothing, np.int32(3))
    for turn in range(chunks + warps - 1):
        chunk = np.int32(turn - warp)
        if chunk >= 0 and chunk < chunks:
            border = lane, np.uint32(warp), np.uint32(warp + 1), np.int32((chunk & 1) * CHUNK)
            for group in range(0, CHUNK, 4):
                step = np.int32(chunk * CHUNK + group)
                state = advance(arrays, thread, border, state, first, step, group)
                first = fetch(arrays, place, first, np.int32(step + 4))
                state = advance(arrays, thread, border, state, second, np.int32(step + 1), group + 1)
                second = fetch(arrays, place, second, np.int32(step + 5))
                state = advance(arrays, thread, border, state, third, np.int32(step + 2), group + 2)
                third = fetch(arrays, place, third, np.int32(step + 6))
                state = advance(arrays, thread, border, state, fourth, np.int32(step + 3), group + 3)
                fourth = fetch(arrays, place, fourth, np.int32(step + 7))
            state = renew(state)
        if warps > 1:
            cuda.syncthreads()


@kernel(max_registers=64)
def long_recursion(
    frames, labels, targets, width, columns, mantissas, exponents, values, value_exponents, totals, total_exponents,
    keeping,
):  # fmt: skip
    """``recursion`` for up to 1,024 threads a block: fewer registers each, so emissions are fetched a step ahead."""
    borders = cuda.shared.array(BORDERS, dtype=mantissas.dtype)
    border_exponents = cuda.shared.array(BORDER_EXPONENTS, dtype=int32)
    thread, state = prepare(
        frames, labels, targets, width, columns, keeping, totals, total_exponents, borders, border_exponents
    )
    warp, lane, warps, chunks = wavefront(labels, frames)
    if warp >= warps:
        return
    arrays = mantissas, exponents, values, value_exponents, borders, border_exponents
    zero = totals.dtype.type(0)
    following = fetch(arrays, thread[1], (zero, LOWEST, zero, LOWEST), np.int32(0))
    for turn in range(chunks + warps - 1):
        chunk = np.int32(turn - warp)
        if chunk >= 0 and chunk < chunks:
            border = lane, np.uint32(warp), np.uint32(warp + 1), np.int32((chunk & 1) * CHUNK)
            for slot in range(CHUNK):
                step, emission = np.int32(chunk * CHUNK + slot), following
                following = fetch(arrays, thread[1], emission, np.int32(step + 1))
                state = advance(arrays, thread, border, state, emission, step, slot)
            state = renew(state)
        if warps > 1:
            cuda.syncthreads()
