"""CTC's forward-backward recursion on the CPU: double precision, scaled at each frame, and proof that nothing is lost.

Position i of a target of U labels is the blank before label i and label i itself; position U is the last blank alone.
With ``b`` and ``l`` the two states' values at the frame before and ``y`` this frame's emissions (equations 6 and 7 of
Graves et al. 2006):

    b'[i] = (b[i] + l[i-1]) y[blank]        l'[i] = (l[i] + b[i] + skip[i] l[i-1]) y[label i]

where ``skip[i]`` is 0 for a label equal to the one before it, else 1. Values are kept linear: one addition, one fused
multiplication and a multiplication, in vector registers, no exponential or logarithm. At each frame the power of two
nearest their sum is taken out and counted. States that cannot reach both ends in the frames there are, are left out.

What can be lost is what falls below double precision's smallest normal number, 2^-1022, while the frame's values add up
to about 1. Let ``a`` and ``w`` be the scaled forward values of a frame and the backward values that go with them: the
loss's probability is ``q = sum(a w)`` times powers of two. A value lost from ``a`` is below 2^-1022 and its share of
the probability below ``2^-1022 w``, with ``w`` at most about 1; so the shares lost at that frame are together less than
``(2U + 1) 2^-1022 / q`` of the whole. ``q`` is at hand at each frame, as the posteriors are divided by it. Where it is
at least 2^-800 at every frame (``SAFE``) the relative error from lost values is below 2^-200 for any length; where it
is not, the utterance is computed again in the log domain (``log_domain``). That takes outputs that contradict the
target through and through, or no path at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from dstoolkit.ctc.exponential import REASSOCIATE, exp64, float64_from_bits, inlined, int64_bits, log_1_to_3

SAFE = 2.0**-800
IMPOSSIBLE = -1e300  # the log domain's minus infinity: finite, so that differences are never NaN
LOG2 = 0.6931471805599453
ONE = np.uint64(1)  # unsigned indices: what might be negative, and so count from the end, cannot be vectorised

kernel = njit(cache=True, nogil=True, fastmath=REASSOCIATE)
driver = njit(cache=True, nogil=True, parallel=True)


@driver
def recursion(
    logits: Any,
    lengths: Any,
    targets: Any,
    target_lengths: Any,
    blank: int,
    rows: Any,
    emissions: Any,
    offsets: Any,
    safe: float,
    losses: Any,
    occupancy: Any,
    shares: Any,
) -> None:
    """Fills ``losses`` and, where it has columns, ``occupancy``. ``shares[thread]`` lists that thread's utterances."""
    for thread in prange(len(shares)):
        forward = np.empty((logits.shape[1], 2, targets.shape[1] + 2))
        for each in range(shares.shape[1]):
            b = shares[thread, each]
            if b < 0:
                break
            length, labels = lengths[b], targets[b, : target_lengths[b]]
            emitted, scale = emissions[b, :length], offsets[b, :length]
            found = utterance(logits[b, :length], labels, blank, rows[b], emitted, scale, safe, forward, occupancy[b])
            losses[b] = found
            clear(occupancy[b], length if found < np.inf else 0)


@kernel
def clear(rows: Any, start: int) -> None:
    """A kernel of its own: within ``prange`` this would be a parallel loop, which takes long to compile."""
    rows[start:] = 0


@kernel
def shares(lengths: Any, target_lengths: Any, threads: int) -> Any:
    """Utterances by thread, ``(threads, batch)`` filled up with -1; the longest first, to the least busy."""
    dealt = np.full((threads, len(lengths)), -1)
    counts, busy = np.zeros(threads, np.int64), np.zeros(threads, np.int64)
    costs = lengths * (target_lengths + 8)
    for b in np.argsort(-costs):
        thread = np.argmin(busy)
        dealt[thread, counts[thread]] = b
        counts[thread] += 1
        busy[thread] += costs[b]
    return dealt


@kernel
def utterance(
    logits: Any,
    labels: Any,
    blank: int,
    rows: Any,
    emissions: Any,
    offsets: Any,
    safe: float,
    forward: Any,
    occupancy: Any,
) -> float:
    """One utterance's loss: NaN, infinite or not negative. Fills ``occupancy`` where the loss is finite."""
    log_scale = offsets.sum()
    skip = skips(labels)
    if np.isnan(log_scale):
        return np.nan
    if len(logits) < 2 * len(labels) - skip.sum() - (len(labels) > 0):
        return np.inf
    if len(logits) == 0:
        return 0.0
    dense = emissions.shape[1] == logits.shape[1]
    column = labels.astype(np.uint64) if dense else np.arange(1, len(labels) + 1).astype(np.uint64)
    at_blank = blank if dense else 0
    value = linear(emissions, column, at_blank, skip, safe, forward, occupancy)
    if np.isnan(value):
        logs = log_emissions(logits, labels, blank, rows, offsets, dense)
        return log_domain(logs, column, at_blank, skip, forward, occupancy)
    return max(0.0, -(value + log_scale))


@kernel
def skips(labels: Any) -> Any:
    """1 where a path may go from label i - 1 to label i without a blank between, else 0; ``(U + 2,)``."""
    skip = np.zeros(len(labels) + 2)
    for i in range(1, len(labels)):
        skip[i] = labels[i] != labels[i - 1]
    return skip


@kernel
def band(t: int, frames: int, last: int) -> tuple[int, int]:
    """The positions at frame t that can reach both ends: from the first to the second, inclusive."""
    return max(0, last - frames + t), min(last, t)


@kernel
def write(occupancy: Any, column: Any, blank: int, low: int, high: int, at_blank: float, at_labels: Any) -> None:
    """One frame's posteriors into its columns."""
    total = at_blank
    for i in range(np.uint64(low), np.uint64(high)):
        total += at_labels[i]
    inverse = 1.0 / total
    occupancy[:] = 0
    occupancy[blank] = at_blank * inverse
    for i in range(np.uint64(low), np.uint64(high)):
        occupancy[column[i]] += at_labels[i] * inverse


@kernel
def linear(emissions: Any, column: Any, blank: int, skip: Any, safe: float, forward: Any, occupancy: Any) -> float:
    """The log of the scaled probability; NaN where it may have lost something. Fills ``occupancy``."""
    emitted = np.zeros(len(column) + 1)
    value = linear_forward(emissions, column, blank, skip, forward, emitted)
    if np.isnan(value) or not linear_backward(emissions, column, blank, skip, safe, forward, emitted, occupancy):
        return np.nan
    return value


@kernel
def exponent_of(total: float) -> int:
    """The binary exponent of a positive number; below -1022 for 0 and subnormal numbers."""
    return (int64_bits(total) >> 52) - 1023


@kernel
def power_of_two(exponent: int) -> float:
    return float64_from_bits((exponent + 1023) << 52)


@kernel
def linear_forward(emissions: Any, column: Any, blank: int, skip: Any, forward: Any, emitted: Any) -> float:
    """Fills ``forward[t]``: blanks in row 0, labels one place to the right in row 1. Returns the log of their end."""
    frames, last = len(emissions), len(column)
    before = np.zeros((2, last + 2))
    before[0, 0] = 1.0
    exponent, total = 0, 1.0
    for t in range(frames):
        shift = exponent_of(total)
        if shift < -1022:
            return np.nan
        exponent += shift
        scale = power_of_two(-shift)
        low, high = band(t, frames, last)
        row, after = emissions[t], forward[t]
        gather(row, column, scale, low, min(last, high + 1), emitted)
        total = forward_step(before[0], before[1], after[0], after[1], emitted, row[blank] * scale, skip, low, high + 1)
        after[1, 0] = 0.0
        if high < last:
            after[0, high + 1] = 0.0
            after[1, high + 2] = 0.0
        before = after
    total = before[0, last] + before[1, last]
    return np.log(total) + exponent * LOG2 if total > 0.0 else np.nan


@kernel
def gather(row: Any, column: Any, scale: float, low: int, end: int, emitted: Any) -> None:
    for i in range(np.uint64(low), np.uint64(end)):
        emitted[i] = row[column[i]] * scale


@kernel
def forward_step(
    blanks: Any, labels: Any, new_blanks: Any, new_labels: Any, y: Any, y_blank: float, skip: Any, low: int, end: int
) -> float:
    """Positions ``low`` to ``end - 1`` of one frame; returns the sum of the new values."""
    total = 0.0
    for i in range(np.uint64(low), np.uint64(end)):
        blank = (blanks[i] + labels[i]) * y_blank
        label = (labels[i + ONE] + blanks[i] + skip[i] * labels[i]) * y[i]
        new_blanks[i] = blank
        new_labels[i + ONE] = label
        total += blank + label
    return total


@kernel
def linear_backward(
    emissions: Any, column: Any, blank: int, skip: Any, safe: float, forward: Any, emitted: Any, occupancy: Any
) -> bool:
    """Fills ``occupancy``, if it has columns. False where a frame's sum is not safe."""
    frames, last = len(emissions), len(column)
    after, before = np.zeros((2, last + 2)), np.zeros((2, last + 2))
    after[0, last] = 1.0
    posterior = np.zeros(last + 1)
    total = 1.0
    for t in range(frames - 1, -1, -1):
        shift = exponent_of(total)
        if shift < -1022:
            return False
        scale = power_of_two(-shift)
        low, high = band(t, frames, last)
        row, own = emissions[t], forward[t]
        gather(row, column, scale, low, min(last, high + 1), emitted)
        y_blank = row[blank] * scale
        total, at_blank, at_labels = backward_step(
            after[0], after[1], before[0], before[1], own[0], own[1], posterior, emitted, y_blank, skip, low, high + 1
        )
        if low > 0:
            before[0, low - 1] = 0.0
            before[1, low - 1] = 0.0
        if not (at_blank + at_labels) * scale >= safe:
            return False
        if occupancy.shape[1] > 0:
            write(occupancy[t], column, blank, low, min(last, high + 1), at_blank, posterior)
        after, before = before, after
    return True


@kernel
def backward_step(
    blanks: Any,
    labels: Any,
    new_blanks: Any,
    new_labels: Any,
    forward_blanks: Any,
    forward_labels: Any,
    posterior: Any,
    y: Any,
    y_blank: float,
    skip: Any,
    low: int,
    end: int,
) -> tuple[float, float, float]:
    """One frame: the sums of the new values, of the blanks' posteriors and of the labels' ``posterior``, unscaled."""
    total, at_blank, at_labels = 0.0, 0.0, 0.0
    for i in range(np.uint64(low), np.uint64(end)):
        blank = blanks[i] + labels[i]
        label = labels[i] + blanks[i + ONE] + skip[i + ONE] * labels[i + ONE]
        share = forward_labels[i + ONE] * label
        posterior[i] = share
        at_blank += forward_blanks[i] * blank
        at_labels += share
        blank *= y_blank
        label *= y[i]
        new_blanks[i] = blank
        new_labels[i] = label
        total += blank + label
    return total, at_blank, at_labels


@kernel
def log_emissions(logits: Any, labels: Any, blank: int, rows: Any, offsets: Any, dense: bool) -> Any:
    """The blank's and each label's log-probability, ``(frames, U + 1)``."""
    emissions = np.empty((len(logits), len(labels) + 1))
    for t in range(len(logits)):
        top, row = np.float64(rows[t, 0]), emissions[t]
        row[0] = np.float64(logits[t, blank]) - top
        for i in range(len(labels)):
            row[i + 1] = np.float64(logits[t, labels[i]]) - top
        scale = 0.0 if dense else row.max()  # what the offset is the log-probability of, against the frame's largest
        log_total = offsets[t] - (scale if scale > -np.inf else 0.0)
        for k in range(len(row)):
            row[k] = max(row[k] + log_total, IMPOSSIBLE)
    return emissions


@kernel
def log_domain(emissions: Any, column: Any, blank: int, skip: Any, forward: Any, occupancy: Any) -> float:
    """The loss, by sums of logarithms; fills ``occupancy``, if it has columns."""
    frames, last = len(emissions), len(column)
    barred = np.where(skip > 0, 0.0, IMPOSSIBLE)
    before = np.full((2, last + 2), IMPOSSIBLE)
    before[0, 0] = 0.0
    for t in range(frames):
        low, high = band(t, frames, last)
        after = forward[t]
        after[:, max(0, low - 1) : last + 2] = IMPOSSIBLE
        log_forward_step(before[0], before[1], after[0], after[1], emissions[t], barred, low, min(last, high + 1))
        if high == last:
            after[0, last] = log_add(before[0, last], before[1, last], IMPOSSIBLE) + emissions[t, 0]
        before = after
    log_probability = log_add(before[0, last], before[1, last], IMPOSSIBLE)
    if log_probability < IMPOSSIBLE / 2:
        return np.inf
    if occupancy.shape[1] > 0:
        log_backward(emissions, column, blank, barred, forward, occupancy)
    return max(0.0, -log_probability)


@inlined
def log_add(a: float, b: float, c: float) -> float:
    """log(e^a + e^b + e^c) for finite arguments."""
    top = max(a, max(b, c))
    return top + log_1_to_3(exp64(a - top) + exp64(b - top) + exp64(c - top))


@kernel
def log_forward_step(
    blanks: Any, labels: Any, new_blanks: Any, new_labels: Any, y: Any, barred: Any, low: int, end: int
) -> None:
    for i in range(np.uint64(low), np.uint64(end)):
        new_blanks[i] = log_add(blanks[i], labels[i], IMPOSSIBLE) + y[0]
        new_labels[i + ONE] = log_add(labels[i + ONE], blanks[i], labels[i] + barred[i]) + y[i + ONE]


@kernel
def log_backward(emissions: Any, column: Any, blank: int, barred: Any, forward: Any, occupancy: Any) -> None:
    frames, last = len(emissions), len(column)
    after = np.full((2, last + 2), IMPOSSIBLE)
    after[0, last] = 0.0
    at_blanks, at_labels = np.empty(last + 1), np.empty(last + 1)
    for t in range(frames - 1, -1, -1):
        low, high = band(t, frames, last)
        end = min(last, high + 1)
        own, before = forward[t], np.full((2, last + 2), IMPOSSIBLE)
        log_backward_step(after[0], after[1], before[0], before[1], emissions[t], barred, low, end)
        if high == last:
            before[0, last] = after[0, last] + emissions[t, 0]
        # The posterior takes this frame's emission once: it is in both the forward and the backward value.
        for i in range(low, high + 1):
            at_blanks[i] = own[0, i] + before[0, i] - emissions[t, 0]
        for i in range(low, end):
            at_labels[i] = own[1, i + 1] + before[1, i] - emissions[t, i + 1]
        top = max(at_blanks[low : high + 1].max(), at_labels[low:end].max() if low < end else IMPOSSIBLE)
        total = 0.0
        for i in range(low, high + 1):
            total += exp64(at_blanks[i] - top)
        for i in range(low, end):
            at_labels[i] = exp64(at_labels[i] - top)
        write(occupancy[t], column, blank, low, end, total, at_labels)
        after = before


@kernel
def log_backward_step(
    blanks: Any, labels: Any, new_blanks: Any, new_labels: Any, y: Any, barred: Any, low: int, end: int
) -> None:
    for i in range(np.uint64(low), np.uint64(end)):
        new_blanks[i] = log_add(blanks[i], labels[i], IMPOSSIBLE) + y[0]
        new_labels[i] = log_add(labels[i], blanks[i + ONE], labels[i + ONE] + barred[i + ONE]) + y[i + ONE]
