"""CUDA kernels before and after the recursion of the CTC loss: targets, one row a frame, one loss an utterance.

``rows`` reads the logits coalesced, and leaves of each frame the softmax's maximum and sum, and for the blank and each
label of the target its probability relative to the likeliest of them, as a mantissa in [1, 2] and an integer exponent.
The factor taken out, log p of that likeliest token, is added up in float64: frames that are certain then multiply by
exactly 1, and nothing of a small loss is lost. ``blockDim.x`` threads work on a row: a warp, with several rows to a
block, or all of a block.
"""

from __future__ import annotations

import math

import numpy as np
from numba import cuda, float64, int32

from dstoolkit.ctc.cuda_device import (
    IMPOSSIBLE,
    LOWEST,
    WARPS,
    device,
    exp,
    floor,
    kernel,
    log,
    threads_max,
    threads_sum,
    widen,
)

LOG2E = 1 / math.log(2)
LN2 = math.log(2)
LABEL_RANGE, LABEL_BLANK, FRAMES, LABELS = 1, 2, 3, 4  # faults


@kernel()
def check_targets(
    most_frames, vocab, most_labels, blank, logit_lengths, targets, target_lengths, frames, labels, faults, order
):
    """Lengths that are safe to use (0 in an utterance with a fault), faults, and each target's positions by label."""
    b, first = cuda.blockIdx.x, cuda.threadIdx.x
    bad = cuda.shared.array(1, dtype=int32)
    length = min(max(target_lengths[b], 0), most_labels)
    bad[0] = length
    cuda.syncthreads()
    for i in range(first, length, cuda.blockDim.x):
        if targets[b, i] < 0 or targets[b, i] >= vocab or targets[b, i] == blank:
            cuda.atomic.min(bad, 0, i)
    cuda.syncthreads()
    fault, found = 0, 0
    if logit_lengths[b] < 0 or logit_lengths[b] > most_frames:
        fault, found = FRAMES, logit_lengths[b]
    elif target_lengths[b] != length:
        fault, found = LABELS, target_lengths[b]
    elif bad[0] < length:
        found = targets[b, bad[0]]
        fault = LABEL_BLANK if found == blank else LABEL_RANGE
    if first == 0:
        faults[b, 0], faults[b, 1] = fault, found
        frames[b] = 0 if fault else logit_lengths[b]
        labels[b] = 0 if fault else length
    for i in range(first, 0 if fault else length, cuda.blockDim.x):
        rank = 0
        for other in range(length):
            if targets[b, other] < targets[b, i] or (targets[b, other] == targets[b, i] and other < i):
                rank += 1
        order[b, rank] = i


@device
def add_exactly(total, rest, number):
    """``total + number`` rounded, and ``rest`` with what the rounding lost (Knuth's TwoSum)."""
    rounded = total + number
    own = rounded - total
    return rounded, rest + ((total - (rounded - own)) + (number - own))


@device
def softmax_terms(logits, b, t, zero, least):
    """One thread's share of a row: its largest logit, and the sum of exp(logit - largest), in two parts.

    A NaN or +inf makes the sum NaN; of -inf alone it is 0.
    """
    largest, total, rest = least, zero, zero
    for v in range(cuda.threadIdx.x, logits.shape[2], cuda.blockDim.x):
        number = widen(logits[b, t, v])
        if number > largest:
            factor = exp(largest - number)
            total, rest, largest = total * factor, rest * factor, number
        if number != -np.inf:
            total, rest = add_exactly(total, rest, exp(number - largest))
    return largest, total, rest


@device
def largest_needed(logits, b, t, blank, targets, count):
    """One thread's share of the largest logit among the blank and the target's labels."""
    largest = widen(logits[b, t, blank])
    for i in range(cuda.threadIdx.x, count, cuda.blockDim.x):
        largest = max(largest, widen(logits[b, t, targets[b, i]]))
    return largest


@device
def regulariser(logits, b, t, largest, total, smoothing, entropy_weight, scratch):
    """A frame's share of the regularisers, and its entropy in nats: KL(uniform || p) = -log V - mean(log p)."""
    shifted, weighted = 0.0, 0.0
    for v in range(cuda.threadIdx.x, logits.shape[2], cuda.blockDim.x):
        number = float64(widen(logits[b, t, v])) - largest
        shifted += number
        if number > -np.inf:
            weighted += exp(number) * number
    shifted, weighted = threads_sum(shifted, scratch), threads_sum(weighted, scratch)
    count = float64(logits.shape[2])
    entropy = log(total) - weighted / total
    divergence = log(total) - shifted / count - log(count)
    share = -entropy_weight * entropy if entropy_weight != 0 else 0.0
    if smoothing != 0:
        share += smoothing * divergence
    return share, entropy


@device
def write_relative(mantissas, exponents, b, t, column, difference):
    """exp(difference), at most 1, as mantissa and exponent; ``difference`` in nats, float64."""
    if difference * LOG2E > IMPOSSIBLE:
        exponent = floor(difference * LOG2E)
        mantissas[b, t, column] = exp(mantissas.dtype.type(difference - exponent * LN2))
        exponents[b, t, column] = np.int32(exponent)
    else:
        mantissas[b, t, column] = 0
        exponents[b, t, column] = LOWEST


@kernel()
def rows(
    logits, blank, targets, frames, labels, smoothing, entropy_weight, stats, log_scales, shares, mantissas, exponents
):
    """One frame a row: ``stats`` (max, 1 / sum, entropy), ``log_scales``, regularisers, relative probabilities."""
    row = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    scratch = cuda.shared.array(WARPS, dtype=float64)
    if row >= logits.shape[0] * logits.shape[1]:
        return
    b = row // logits.shape[1]
    t, first = row - b * logits.shape[1], cuda.threadIdx.x
    zero = stats.dtype.type(0)
    if t >= frames[b]:
        if first < 3:
            stats[b, t, first] = zero
        return
    largest, total, rest = softmax_terms(logits, b, t, zero, stats.dtype.type(-np.inf))
    own = float64(largest)
    most = threads_max(own, scratch)
    share = (float64(total) + float64(rest)) * (exp(own - most) if own < most else 1.0)
    whole = threads_sum(share, scratch)
    valid = whole > 0  # false for NaN too
    needed = threads_max(float64(largest_needed(logits, b, t, blank, targets, labels[b])), scratch)
    penalty, entropy = 0.0, 0.0
    if valid and (smoothing != 0 or entropy_weight != 0):
        penalty, entropy = regulariser(logits, b, t, most, whole, smoothing, entropy_weight, scratch)
    if first == 0:
        stats[b, t, 0], stats[b, t, 1] = most, 1 / whole if valid else np.nan
        stats[b, t, 2] = entropy if entropy_weight != 0 else 0.0
        log_scales[b, t] = needed - most - log(whole) if valid else np.nan
        shares[b, t] = penalty
    for column in range(first, labels[b] + 1, cuda.blockDim.x):
        token = blank if column == 0 else targets[b, column - 1]
        number = float64(widen(logits[b, t, token]))
        possible = valid and number > -np.inf
        write_relative(mantissas, exponents, b, t, column, number - needed if possible else -np.inf)


@kernel()
def losses(frames, faults, log_scales, shares, totals, total_exponents, smoothing, out):
    """One utterance a block: its loss in nats from the recursion's result and the factors taken out of the frames."""
    b = cuda.blockIdx.x
    scratch = cuda.shared.array(WARPS, dtype=float64)
    log_scale, penalty = 0.0, 0.0
    for t in range(cuda.threadIdx.x, frames[b], cuda.blockDim.x):
        log_scale += log_scales[b, t]
        penalty += shares[b, t]
    log_scale, penalty = threads_sum(log_scale, scratch), threads_sum(penalty, scratch)
    if cuda.threadIdx.x == 0:
        total = float64(totals[b, 0]) + float64(totals[b, 1])
        if faults[b, 0] != 0 or log_scale != log_scale:
            out[b] = np.nan
        elif total > 0 and total_exponents[b] > IMPOSSIBLE:
            ctc = -(log(total) + total_exponents[b] * LN2 + log_scale)
            out[b] = max(ctc, 0.0) * (1 - smoothing) + penalty
        else:
            out[b] = np.inf
