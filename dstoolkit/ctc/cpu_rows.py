"""CTC on the CPU, frame by frame: the softmax before the recursion and the gradient after it.

Frames are worked in blocks that fit the first-level cache: a pass over the logits finds the maxima, the next takes
exponentials over the whole block, so that a vocabulary of 29 fills vector registers as well as one of 5,000.

``rows[t]`` is (largest logit m, 1 / sum exp(logit - m), entropy in nats or 0). ``emissions[t, k]`` is column k's
probability over the largest one among the columns, float64: the recursion multiplies by numbers of which one is exactly
1. ``offsets[t]`` is (sum exp(logit - m), that largest column's logit - m): with them the log of what was divided by.
Columns are the whole vocabulary where that is not larger than the longest target and its blank; otherwise the blank,
then the target's positions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from dstoolkit.compiled import driver, kernel
from dstoolkit.ctc.exponential import exp, exp64, from_order_key, order_key, widened

BLOCK = 2048  # logits worked at a time: 16 KiB in double precision, half of a first-level cache


@kernel
def softmax_and_emissions(
    values: Any,
    labels: Any,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
    emissions: Any,
    rows: Any,
    offsets: Any,
    penalties: Any,
) -> None:
    """Of one utterance: fills the last four, ``rows`` beyond its frames with 0, ``penalties`` if there is any."""
    frames, vocab = values.shape
    step = max(1, BLOCK // vocab)
    dense = emissions.shape[1] == vocab
    work = np.empty((0 if dense else step, vocab), values.dtype)
    rows[frames:] = 0
    for start in range(0, frames, step):
        end = min(start + step, frames)
        block, its_rows, its_offsets = values[start:end], rows[start:end], offsets[start:end]
        maxima(block, its_rows)
        if dense:
            exponentials(block, its_rows, its_offsets, emissions[start:end])
        else:
            exponentials(block, its_rows, its_offsets, work[: end - start])
            gather(block, labels, blank, its_rows, emissions[start:end], its_offsets)
    if label_smoothing != 0.0 or entropy_weight != 0.0:
        regularise(values, label_smoothing, entropy_weight, rows, penalties)


@kernel
def maxima(values: Any, rows: Any) -> None:
    """The largest logit of each row; NaN where it holds a NaN (see ``exponential.order_key``)."""
    for t in range(values.shape[0]):
        high = order_key(values[t, 0])
        low = high
        for v in range(1, values.shape[1]):
            key = order_key(values[t, v])
            high = key if key > high else high
            low = key if key < low else low
        least = from_order_key(low)
        rows[t, 0] = least if np.isnan(least) else from_order_key(high)


@kernel
def exponentials(values: Any, rows: Any, offsets: Any, work: Any) -> None:
    """Each row's exp(logit - largest) in ``work``, and their sum; ``work`` has the precision of the exponentials.

    The sums are double: a certain frame's 1 must not swallow the many small ones, or the error of a small loss shows.
    A row with a NaN or +inf, or of -inf alone, has no softmax: infinity minus itself.
    """
    frames, vocab = values.shape
    for t in range(frames):
        top = widened(rows[t, 0], work)
        for v in range(vocab):
            work[t, v] = widened(values[t, v], work) - top
    flat = work.reshape(-1)
    for k in range(len(flat)):
        flat[k] = exp(flat[k])
    for t in range(frames):
        total = 0.0
        for v in range(vocab):
            total += np.float64(work[t, v])
        broken = not np.isfinite(rows[t, 0])
        rows[t, 1] = np.nan if broken else 1.0 / total
        rows[t, 2] = 0.0
        offsets[t, 0] = np.nan if broken else total
        offsets[t, 1] = 0.0


@kernel
def gather(values: Any, labels: Any, blank: int, rows: Any, emissions: Any, offsets: Any) -> None:
    """The probabilities of the blank and of the target's labels over the largest of them."""
    for t in range(len(values)):
        top = np.float64(rows[t, 0])
        row = emissions[t]
        row[0] = np.float64(values[t, blank]) - top
        scale = row[0]
        for i in range(len(labels)):
            row[i + 1] = np.float64(values[t, labels[i]]) - top
            scale = max(scale, row[i + 1])
        scale = scale if scale > -np.inf else 0.0
        for k in range(len(labels) + 1):
            row[k] = exp64(row[k] - scale)
        offsets[t, 1] = scale


@kernel
def regularise(values: Any, label_smoothing: float, entropy_weight: float, rows: Any, penalties: Any) -> None:
    """Each frame's KL(uniform || softmax) and entropy, weighted; the entropy is kept in ``rows``."""
    frames, vocab = values.shape
    for t in range(frames):
        top, inverse = np.float64(rows[t, 0]), np.float64(rows[t, 1])
        total, weighted = 0.0, 0.0
        for v in range(vocab):
            below = np.float64(values[t, v]) - top
            total += below
            weighted += exp64(below) * max(below, -1e4)  # 0 times -inf is 0 here
        log_total = -np.log(inverse)
        rows[t, 2] = log_total - weighted * inverse
        uniform = log_total - total / vocab - np.log(vocab)
        penalties[t] = (label_smoothing * uniform if label_smoothing != 0.0 else 0.0) - entropy_weight * rows[t, 2]


@driver
def backward_rows(
    threads: int,
    grad_losses: Any,
    logits: Any,
    lengths: Any,
    targets: Any,
    target_lengths: Any,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
    losses: Any,
    occupancy: Any,
    rows: Any,
    gradient: Any,
) -> None:
    """Fills ``gradient``: each frame's softmax minus its occupancy, times the gradient of the utterance's loss."""
    batch, frames, vocab = logits.shape
    step = max(1, BLOCK // vocab)
    blocks = (frames + step - 1) // step
    for thread in prange(threads):
        for each in range(thread, batch * blocks, threads):
            b, start = each // blocks, each % blocks * step
            backward_block(
                grad_losses[b],
                logits[b, start : min(start + step, lengths[b])],
                targets[b, : target_lengths[b]],
                blank,
                label_smoothing,
                entropy_weight,
                losses[b],
                occupancy[b, start : start + step],
                rows[b, start : start + step],
                gradient[b, start : start + step],
            )


@kernel
def backward_block(
    weight: float,
    values: Any,
    labels: Any,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
    loss: float,
    occupancy: Any,
    rows: Any,
    gradient: Any,
) -> None:
    """A few frames of one utterance; ``values`` are those within its length, ``gradient`` may be more."""
    used = 0 if weight == 0 or loss == np.inf else len(values)
    gradient[used:] = 0
    if np.isnan(loss):
        gradient[:used] = np.nan
    elif used:
        out, share = gradient[:used], weight * (1 - label_smoothing)
        softmax(values, rows, weight, out)
        if entropy_weight != 0.0:
            sharpen(values, rows, entropy_weight, out)
        if occupancy.shape[1] == values.shape[1]:
            subtract_dense(occupancy, share, out)
        else:
            subtract(occupancy, labels, blank, share, out)
        if label_smoothing != 0.0:
            out -= weight * label_smoothing / values.shape[1]


@kernel
def softmax(values: Any, rows: Any, weight: float, out: Any) -> None:
    frames, vocab = values.shape
    flat = out.reshape(-1)
    for t in range(frames):
        top = rows[t, 0]
        for v in range(vocab):
            out[t, v] = values[t, v] - top
    for k in range(frames * vocab):
        flat[k] = exp(flat[k])
    for t in range(frames):
        scale = rows[t, 1] * weight
        for v in range(vocab):
            out[t, v] *= scale


@kernel
def sharpen(values: Any, rows: Any, entropy_weight: float, out: Any) -> None:
    """Adds the gradient of minus the entropy, ``p (log p + H)``, to ``p``."""
    for t in range(len(values)):
        shift = rows[t, 0] - np.log(rows[t, 1]) - rows[t, 2]
        for v in range(values.shape[1]):
            if out[t, v] != 0:
                out[t, v] *= 1 + entropy_weight * (values[t, v] - shift)


@kernel
def subtract_dense(occupancy: Any, weight: float, out: Any) -> None:
    for t in range(out.shape[0]):
        for v in range(out.shape[1]):
            out[t, v] -= occupancy[t, v] * weight


@kernel
def subtract(occupancy: Any, labels: Any, blank: int, weight: float, out: Any) -> None:
    for t in range(out.shape[0]):
        out[t, blank] -= occupancy[t, 0] * weight
        for i in range(len(labels)):
            out[t, labels[i]] -= occupancy[t, i + 1] * weight
