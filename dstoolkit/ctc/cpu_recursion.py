"""CTC's forward-backward recursion on the CPU: double precision, scaled at each frame, and proof that nothing is lost.

Position i of a target of U labels is the blank before label i and label i itself; position U is the last blank alone.
With ``b`` and ``l`` the two states' values at the frame before and ``y`` this frame's emissions (equations 6 and 7 of
Graves et al. 2006):

    b'[i] = (b[i] + z l[i-1]) y[blank]        l'[i] = (l[i] + b[i] + z skip[i] l[i-1]) y[label i]

where ``skip[i]`` is 0 for a label equal to the one before it, else 1, and ``z`` a factor for each position advanced,
``z^U`` for every whole path, which is taken out at the end. Values are kept linear: a few fused multiplications and
additions in vector registers, no exponential or logarithm. At each frame the power of two below their sum is taken out
and counted. States that cannot reach both ends in the frames there are, are left out.

The tilt ``z`` (``tilt_of``) changes no result, only where the large values are. Without it most of the paths that begin
at the start run to the end of the target long before the end of the utterance, those that come from the end run back as
early, and the two hardly meet. With it both keep the pace of the paths that matter.

What can be lost is what falls below double precision's smallest normal number, 2^-1022, while the frame's values add up
to about 1. Let ``a`` and ``w`` be the scaled forward values of a frame and the backward values that go with them: the
loss's probability is ``q = sum(a w)`` times powers of two. A value lost from ``a`` is below 2^-1022 and its share of
the probability below ``2^-1022 w``, with ``w`` at most about 1; so the shares lost at that frame are together less than
``(2U + 1) 2^-1022 / q`` of the whole. ``q`` is at hand at each frame, as the posteriors are divided by it. Where it is
at least 2^-800 at every frame (``SAFE``) the relative error from lost values is below 2^-200 for any length; where it
is not, the utterance is computed again in the log domain (``cpu_log``). That takes outputs that contradict the target
through and through, or no path at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from dstoolkit.compiled import driver, kernel
from dstoolkit.ctc.cpu_rows import softmax_and_emissions
from dstoolkit.ctc.exponential import float64_from_bits, int64_bits

SAFE = 2.0**-800
LOST = -1.0  # in place of a loss: to be computed in the log domain
LOG2 = 0.6931471805599453
# Indices are unsigned where it matters: one that might be negative, and so count from the end, cannot be vectorised.
ZERO, ONE, TWO = np.uint64(0), np.uint64(1), np.uint64(2)


@driver
def forward_pass(
    threads: int,
    logits: Any,
    lengths: Any,
    targets: Any,
    target_lengths: Any,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
    safe: float,
    emissions: Any,
    forward: Any,
    rows: Any,
    offsets: Any,
    penalties: Any,
    losses: Any,
    occupancy: Any,
) -> None:
    """Fills the last five, of which ``occupancy`` may have no columns.

    ``emissions`` ``(threads, frames, columns)`` and ``forward`` ``(threads, frames + 1, 2, max_target + 2)`` are
    scratch memory: of one utterance a thread, so that it stays in the core's cache.
    """
    thread_of = dealt(lengths, target_lengths, logits.shape[2], threads)
    for thread in prange(threads):
        for b in range(len(lengths)):
            if thread_of[b] == thread:
                values, labels = logits[b, : lengths[b]], targets[b, : target_lengths[b]]
                losses[b] = utterance(
                    values,
                    labels,
                    blank,
                    label_smoothing,
                    entropy_weight,
                    safe,
                    emissions[thread],
                    forward[thread],
                    rows[b],
                    offsets[b],
                    penalties[b],
                    occupancy[b],
                )


@kernel
def dealt(lengths: Any, target_lengths: Any, vocab: int, threads: int) -> Any:
    """Each utterance's thread, ``(batch,)``: the longest is dealt first, each to the thread with the least work."""
    costs, busy, thread_of = np.empty(len(lengths)), np.zeros(threads), np.zeros(len(lengths), np.int64)
    for b in range(len(lengths)):
        costs[b] = lengths[b] * (vocab + 4 * target_lengths[b] + 32)  # a position has two states and two directions
    for _ in range(len(lengths) if threads > 1 else 0):
        longest, least = 0, 0
        for b in range(len(costs)):
            if costs[b] > costs[longest]:
                longest = b
        for thread in range(threads):
            if busy[thread] < busy[least]:
                least = thread
        thread_of[longest] = least
        busy[least] += costs[longest]
        costs[longest] = -1.0
    return thread_of


@kernel
def utterance(
    values: Any,
    labels: Any,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
    safe: float,
    emissions: Any,
    forward: Any,
    rows: Any,
    offsets: Any,
    penalties: Any,
    occupancy: Any,
) -> float:
    """One utterance's loss: NaN, infinite or not negative; ``LOST`` where it may be inexact."""
    softmax_and_emissions(values, labels, blank, label_smoothing, entropy_weight, emissions, rows, offsets, penalties)
    frames, count = len(values), len(labels)
    log_scale, product, needed = 0.0, 1.0, count
    for t in range(frames):
        product *= offsets[t, 0]
        log_scale += offsets[t, 1]
        if product > 1e200:  # a logarithm for many frames
            log_scale -= np.log(product)
            product = 1.0
    log_scale -= np.log(product)
    tilt = tilt_of(frames, count)
    column, skip = np.empty(count, np.uint64), np.zeros(count + 2)
    dense = emissions.shape[1] == values.shape[1]
    for i in range(count):
        column[i] = labels[i] if dense else i + 1
        if i > 0:
            skip[i] = tilt if labels[i] != labels[i - 1] else 0.0
            needed += labels[i] == labels[i - 1]
    loss = np.inf
    if np.isnan(log_scale):
        loss = np.nan
    elif frames >= needed:
        emitted = np.zeros(count + 1)
        at_blank = blank if dense else 0
        value = 0.0
        if frames:
            value = linear_forward(np.uint64(frames), emissions, column, at_blank, tilt, skip, forward, emitted)
        loss = max(0.0, -(value + log_scale))
        if np.isnan(value) or not linear_backward(
            np.uint64(frames), emissions, column, at_blank, tilt, skip, safe, forward, emitted, occupancy
        ):
            return LOST
    for t in range(frames if loss < np.inf else 0, len(occupancy)):
        for k in range(occupancy.shape[1]):
            occupancy[t, k] = 0.0
    return loss


@kernel
def tilt_of(frames: int, count: int) -> float:
    """The factor for each position a path advances that makes the likeliest pace ``count`` positions in ``frames``.

    With all probabilities equal, a frame's sum grows by the root of ``x^2 - (2 + z) x + 1 = 0``, the larger eigenvalue
    of the transitions between blank and label, and the positions advanced in a frame are its logarithm's derivative by
    log z: ``r = z / sqrt(z^2 + 4 z)``. Solved for z: ``4 r^2 / (1 - r^2)``.
    """
    pace = min(count / max(frames, 1), 0.9)
    return 4.0 * pace * pace / (1.0 - pace * pace) if count else 1.0


@kernel
def band(t: Any, frames: Any, last: Any) -> tuple[Any, Any]:
    """The positions at frame t that can reach both ends: from the first to the second, inclusive. All unsigned."""
    return last + t - frames if last + t > frames else ZERO, min(last, t)


@kernel
def exponent_of(total: float) -> int:
    """The binary exponent of a positive number; below -1022 for 0 and subnormal numbers."""
    return (int64_bits(total) >> 52) - 1023


@kernel
def power_of_two(exponent: int) -> float:
    return float64_from_bits((exponent + 1023) << 52)


@kernel
def linear_forward(
    frames: Any, emissions: Any, column: Any, blank: int, tilt: float, skip: Any, forward: Any, emitted: Any
) -> float:
    """Fills ``forward[t + 1]``: blanks in row 0, labels one place to the right in row 1. The log of their end.

    Whole arrays and unsigned indices throughout: a slice's reference count costs more than a short target's frame.
    """
    last = np.uint64(len(column))
    for i in range(last + TWO):
        forward[ZERO, ZERO, i] = 0.0
        forward[ZERO, ONE, i] = 0.0
    forward[ZERO, ZERO, ZERO] = 1.0
    exponent, total = 0, 1.0
    for t in range(frames):
        shift = exponent_of(total)
        if shift < -1022:
            return np.nan
        exponent += shift
        scale = power_of_two(-shift)
        low, high = band(t, frames, last)
        for i in range(low, min(last, high + ONE)):
            emitted[i] = emissions[t, column[i]] * scale
        y_blank = emissions[t, blank] * scale
        after, total = t + ONE, 0.0
        for i in range(low, high + ONE):
            own, left = forward[t, ZERO, i], forward[t, ONE, i]
            at_blank = (own + tilt * left) * y_blank
            at_label = (forward[t, ONE, i + ONE] + own + skip[i] * left) * emitted[i]
            forward[after, ZERO, i] = at_blank
            forward[after, ONE, i + ONE] = at_label
            total += at_blank + at_label
        forward[after, ONE, ZERO] = 0.0
        if high < last:
            forward[after, ZERO, high + ONE] = 0.0
            forward[after, ONE, high + TWO] = 0.0
    total = forward[frames, ZERO, last] + tilt * forward[frames, ONE, last]
    return np.log(total) + exponent * LOG2 - len(column) * np.log(tilt) if total > 0.0 else np.nan


@kernel
def linear_backward(
    frames: Any,
    emissions: Any,
    column: Any,
    blank: int,
    tilt: float,
    skip: Any,
    safe: float,
    forward: Any,
    emitted: Any,
    occupancy: Any,
) -> bool:
    """Fills ``occupancy``, if it has columns. False where a frame's sum is not safe."""
    last = np.uint64(len(column))
    values = np.zeros((2, 2, len(column) + 2))
    values[frames & ONE, ZERO, last] = 1.0
    posterior = np.zeros(len(column) + 1)
    kept = occupancy.shape[1] > 0
    total = 1.0
    for back in range(frames):
        t = frames - ONE - back
        shift = exponent_of(total)
        if shift < -1022:
            return False
        scale = power_of_two(-shift)
        low, high = band(t, frames, last)
        end = min(last, high + ONE)
        for i in range(low, end):
            emitted[i] = emissions[t, column[i]] * scale
        y_blank = emissions[t, blank] * scale
        after, before, own = (t + ONE) & ONE, t & ONE, t + ONE
        total, blanks, labels = 0.0, 0.0, 0.0
        for i in range(low, high + ONE):
            right = values[after, ONE, i]
            at_blank = values[after, ZERO, i] + right
            at_label = right + tilt * values[after, ZERO, i + ONE] + skip[i + ONE] * values[after, ONE, i + ONE]
            share = forward[own, ONE, i + ONE] * at_label
            posterior[i] = share
            blanks += forward[own, ZERO, i] * at_blank
            labels += share
            at_blank *= y_blank
            at_label *= emitted[i]
            values[before, ZERO, i] = at_blank
            values[before, ONE, i] = at_label
            total += at_blank + at_label
        if low > ZERO:
            values[before, ZERO, low - ONE] = 0.0
            values[before, ONE, low - ONE] = 0.0
        if not (blanks + labels) * scale >= safe:
            return False
        if kept:
            inverse = 1.0 / (blanks + labels)
            for k in range(np.uint64(occupancy.shape[1])):
                occupancy[t, k] = 0.0
            occupancy[t, blank] = blanks * inverse
            for i in range(low, end):
                occupancy[t, column[i]] += posterior[i] * inverse
    return True
