"""CUDA kernels of the CTC loss's gradient: posteriors of each frame, and softmax minus posterior.

The posterior of a state is forward times backward variable, normalised in each frame (so no error builds up over time).
Labels that a target repeats are added in the order of their positions, so results are the same at every run. As in
``cuda_rows``, ``blockDim.x`` threads work on a row, that is, on one frame.
"""

from __future__ import annotations

import numpy as np
from numba import cuda, float64

from dstoolkit.ctc.cuda_device import (
    IMPOSSIBLE,
    LOWEST,
    POSITIONS,
    WARP,
    WARPS,
    device,
    exp,
    exponent_of,
    kernel,
    log,
    power,
    store,
    sync_row,
    threads_max,
    threads_sum,
    widen,
)

ROWS = 4  # the most rows of a block, a warp each
TILE = 64 * WARP  # tokens that a block of the gradient works on


@device
def product(values, exponents, b, t, kind, column, possible):
    """Forward times backward variable as mantissa and exponent; mantissa 0 for zero."""
    mantissa, exponent = values.dtype.type(0), LOWEST
    if possible:
        own, other = exponents[0, b, t, kind, column], exponents[1, b, t, kind, column]
        if own > IMPOSSIBLE and other > IMPOSSIBLE:
            mantissa = values[0, b, t, kind, column] * values[1, b, t, kind, column]
            exponent = np.int32(own + other)
    return mantissa, exponent


@device
def position(values, exponents, b, t, column, count, length):
    """The two products of a position, of the blank and of the label, with the frame inside their reach."""
    left = count - 1 - t
    blank = product(values, exponents, b, t, 0, column, t >= column and left >= length - column)
    label = product(values, exponents, b, t, 1, column, column < length and t >= column and left >= length - 1 - column)
    return blank[0], blank[1], label[0], label[1]


@device
def height(mantissa, exponent):
    return np.int32(exponent + exponent_of(mantissa)) if mantissa > 0 else LOWEST


@device
def scaled(mantissa, exponent, top):
    return mantissa * power(exponent - top) if mantissa > 0 else mantissa


@device
def add_repeats(targets, order, length, weights, own, tile, origin, start, stop):
    """Adds up the weights of the positions of each token from ``start`` to ``stop``, a thread a token.

    ``targets`` and ``order`` are of one utterance; ``own`` and ``origin`` are where the row begins in ``weights`` and
    ``tile``.
    """
    for rank in range(cuda.threadIdx.x, length, cuda.blockDim.x):
        label = targets[order[rank]]
        if label >= start and label < stop and (rank == 0 or targets[order[rank - 1]] != label):
            total = weights[own + order[rank]]
            after = rank + 1
            while after < length and targets[order[after]] == label:
                total += weights[own + order[after]]
                after += 1
            tile[origin + label - start] = total


@device
def weigh(values, exponents, b, t, count, length, weights, own, scratch):
    """Leaves the label posteriors of a frame in ``weights``, up to the factor that is returned after the blank's."""
    top = LOWEST
    for column in range(cuda.threadIdx.x, length + 1, cuda.blockDim.x):
        blank, blank_exponent, label, label_exponent = position(values, exponents, b, t, column, count, length)
        top = max(top, max(height(blank, blank_exponent), height(label, label_exponent)))
    top = np.int32(threads_max(float64(top), scratch))
    blanks = total = values.dtype.type(0)
    for column in range(cuda.threadIdx.x, length + 1, cuda.blockDim.x):
        blank, blank_exponent, label, label_exponent = position(values, exponents, b, t, column, count, length)
        blanks += scaled(blank, blank_exponent, top)
        if column < length:
            weights[own + column] = scaled(label, label_exponent, top)
            total += weights[own + column]
    blanks = threads_sum(float64(blanks), scratch)
    factor = 1 / (blanks + threads_sum(float64(total), scratch))
    sync_row()
    return blanks * factor, values.dtype.type(factor)


@kernel()
def occupancy(by_token, blank, frames, labels, targets, order, losses, values, exponents, out):
    """The posterior of each token in each frame: a column a token, or the blank's and one for each target position."""
    row = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    scratch = cuda.shared.array(WARPS, dtype=float64)
    weights = cuda.shared.array(POSITIONS, dtype=out.dtype)
    tile = cuda.shared.array(POSITIONS, dtype=out.dtype)
    if row >= out.shape[0] * out.shape[1]:
        return
    b = row // out.shape[1]
    t, own = row - b * out.shape[1], cuda.threadIdx.y * (POSITIONS // ROWS)
    width, length = cuda.blockDim.x, labels[b]
    for column in range(cuda.threadIdx.x, out.shape[2], width):
        tile[own + column] = 0
    if t >= frames[b] or not losses[b] < np.inf:
        for column in range(cuda.threadIdx.x, out.shape[2], width):
            out[b, t, column] = 0
        return
    blanks, factor = weigh(values, exponents, b, t, frames[b], length, weights, own, scratch)
    if by_token:
        add_repeats(targets[b], order[b], length, weights, own, tile, own, 0, out.shape[2])
        sync_row()
        for column in range(cuda.threadIdx.x, out.shape[2], width):
            out[b, t, column] = blanks if column == blank else tile[own + column] * factor
    else:
        for column in range(cuda.threadIdx.x, out.shape[2], width):
            inside = column > 0 and column <= length
            out[b, t, column] = blanks if column == 0 else (weights[own + column - 1] * factor if inside else 0)


@device
def slope(number, stats, b, t, posterior, weight, smoothing, entropy_weight, uniform):
    """The loss's derivative by one logit: ``uniform`` is 1 / V; ``stats`` is what ``rows`` left of the frame."""
    probability = exp(number - stats[b, t, 0]) * stats[b, t, 1]
    total = probability - posterior
    if smoothing != 0:
        total += smoothing * (posterior - uniform)
    if entropy_weight != 0 and probability > 0:
        log_probability = number - stats[b, t, 0] + log(stats[b, t, 1])
        total += entropy_weight * probability * (log_probability + stats[b, t, 2])
    return weight * total


@device
def weight_of(grad_losses, losses, logit_lengths, b, t):
    """What a frame's derivatives are multiplied by: 0 where nothing is to be learnt, NaN in an utterance with a NaN."""
    weight = grad_losses[b]
    if t >= logit_lengths[b] or losses[b] == np.inf:
        weight = grad_losses.dtype.type(0)
    elif losses[b] != losses[b] and weight != 0:
        weight = losses[b]
    return weight


@kernel()
def gradient(
    grad_losses, logits, blank, logit_lengths, targets, labels, order, smoothing, entropy_weight, uniform,
    losses, occupied, stats, out,
):  # fmt: skip
    """The derivatives of ``TILE`` tokens of a frame, each written once; ``occupied`` is by token or by position."""
    row = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    tile = cuda.shared.array(TILE, dtype=occupied.dtype)
    if row >= out.shape[0] * out.shape[1]:
        return
    b = row // out.shape[1]
    t, own = row - b * out.shape[1], cuda.threadIdx.y * (TILE // ROWS)
    start = cuda.blockIdx.y * TILE
    stop, width = min(start + TILE, out.shape[2]), cuda.blockDim.x
    by_token = out.shape[2] == occupied.shape[2]
    weight = weight_of(grad_losses, losses, logit_lengths, b, t)
    if weight == 0:
        for v in range(start + cuda.threadIdx.x, stop, width):
            store(out, b, t, v, weight)
        return
    if not by_token:
        for v in range(cuda.threadIdx.x, stop - start, width):
            tile[own + v] = 0
        sync_row()
        add_repeats(targets[b], order[b], labels[b], occupied[b, t, 1:], 0, tile, own, start, stop)
        if cuda.threadIdx.x == 0 and blank >= start and blank < stop:
            tile[own + blank - start] = occupied[b, t, 0]
        sync_row()
    for v in range(start + cuda.threadIdx.x, stop, width):
        posterior = occupied[b, t, v] if by_token else tile[own + v - start]
        number = widen(logits[b, t, v])
        store(out, b, t, v, slope(number, stats, b, t, posterior, weight, smoothing, entropy_weight, uniform))
