"""CTC's recursion on the CPU in the log domain: the way of utterances for which ``cpu_recursion`` may lose something.

The same positions, band and equations as there, with sums of logarithms (``log_add``, vectorised) in double precision:
several times as slow, exact for any logits, those near the end of float32's range included. Few utterances come here:
those whose outputs contradict the target in most frames, or leave it no path by probabilities of 0. It is compiled when
the first of them does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dstoolkit.compiled import inlined, kernel
from dstoolkit.ctc.exponential import exp64, log_1_to_3

IMPOSSIBLE = -1e300  # minus infinity, but finite: differences are never NaN
ONE = np.uint64(1)


@kernel
def log_domain(logits: Any, labels: Any, blank: int, rows: Any, offsets: Any, dense: bool, occupancy: Any) -> float:
    """The loss of one utterance, infinite or not negative. Fills its ``occupancy``, if that has columns."""
    frames, last = len(logits), len(labels)
    emissions = log_emissions(logits, labels, blank, rows, offsets)
    barred = np.full(last + 2, IMPOSSIBLE)
    for i in range(1, last):
        barred[i] = 0.0 if labels[i] != labels[i - 1] else IMPOSSIBLE
    forward = np.full((frames + 1, 2, last + 2), IMPOSSIBLE)
    forward[0, 0, 0] = 0.0
    for t in range(frames):
        low, high = max(0, last - frames + t), min(last, t)
        before, after = forward[t], forward[t + 1]
        forward_step(before[0], before[1], after[0], after[1], emissions[t], barred, low, min(last, high + 1))
        if high == last:
            after[0, last] = log_add(before[0, last], before[1, last], IMPOSSIBLE) + emissions[t, 0]
    log_probability = log_add(forward[frames, 0, last], forward[frames, 1, last], IMPOSSIBLE)
    if log_probability < IMPOSSIBLE / 2:
        occupancy[:] = 0
        return np.inf
    if occupancy.shape[1] > 0:
        backward(emissions, labels, blank, barred, forward, dense, occupancy)
    return max(0.0, -log_probability)


@kernel
def log_emissions(logits: Any, labels: Any, blank: int, rows: Any, offsets: Any) -> Any:
    """The blank's and each label's log-probability, ``(frames, U + 1)``."""
    emissions = np.empty((len(logits), len(labels) + 1))
    for t in range(len(logits)):
        top, row = np.float64(rows[t, 0]), emissions[t]
        row[0] = np.float64(logits[t, blank]) - top
        for i in range(len(labels)):
            row[i + 1] = np.float64(logits[t, labels[i]]) - top
        log_total = np.log(offsets[t, 0])
        for k in range(len(row)):
            row[k] = max(row[k] - log_total, IMPOSSIBLE)
    return emissions


@inlined
def log_add(a: float, b: float, c: float) -> float:
    """log(e^a + e^b + e^c) for finite arguments."""
    top = a if a > b else b  # Python's max cannot be vectorised
    top = c if c > top else top
    return top + log_1_to_3(exp64(a - top) + exp64(b - top) + exp64(c - top))


@kernel
def forward_step(
    blanks: Any, labels: Any, new_blanks: Any, new_labels: Any, y: Any, barred: Any, low: int, end: int
) -> None:
    """Equations 6 and 7 at the positions from ``low`` to before ``end``; labels stand one place to the right."""
    for i in range(np.uint64(low), np.uint64(end)):
        new_blanks[i] = log_add(blanks[i], labels[i], IMPOSSIBLE) + y[0]
        new_labels[i + ONE] = log_add(labels[i + ONE], blanks[i], labels[i] + barred[i]) + y[i + ONE]


@kernel
def backward(emissions: Any, labels: Any, blank: int, barred: Any, forward: Any, dense: bool, occupancy: Any) -> None:
    """Fills ``occupancy`` with each frame's posteriors, normalised in the frame."""
    frames, last = len(emissions), len(labels)
    after = np.full((2, last + 2), IMPOSSIBLE)
    after[0, last] = 0.0
    at_blanks, at_labels = np.empty(last + 1), np.empty(last + 1)
    for t in range(frames - 1, -1, -1):
        low, high = max(0, last - frames + t), min(last, t)
        end = min(last, high + 1)
        own, before = forward[t + 1], np.full((2, last + 2), IMPOSSIBLE)
        backward_step(after[0], after[1], before[0], before[1], emissions[t], barred, low, end)
        if high == last:
            before[0, last] = after[0, last] + emissions[t, 0]
        # The posterior takes this frame's emission once: it is in both the forward and the backward value.
        top = IMPOSSIBLE
        for i in range(low, high + 1):
            at_blanks[i] = own[0, i] + before[0, i] - emissions[t, 0]
            top = max(top, at_blanks[i])
        for i in range(low, end):
            at_labels[i] = own[1, i + 1] + before[1, i] - emissions[t, i + 1]
            top = max(top, at_labels[i])
        share, total = 0.0, 0.0
        for i in range(low, high + 1):
            share += exp64(at_blanks[i] - top)
        for i in range(low, end):
            at_labels[i] = exp64(at_labels[i] - top)
            total += at_labels[i]
        total += share
        occupancy[t] = 0
        occupancy[t, blank if dense else 0] = share / total
        for i in range(low, end):
            occupancy[t, labels[i] if dense else i + 1] += at_labels[i] / total
        after = before


@kernel
def backward_step(
    blanks: Any, labels: Any, new_blanks: Any, new_labels: Any, y: Any, barred: Any, low: int, end: int
) -> None:
    """Equations 10 and 11, this frame's emission included."""
    for i in range(np.uint64(low), np.uint64(end)):
        new_blanks[i] = log_add(blanks[i], labels[i], IMPOSSIBLE) + y[0]
        new_labels[i] = log_add(labels[i], blanks[i + ONE], labels[i + ONE] + barred[i + ONE]) + y[i + ONE]
