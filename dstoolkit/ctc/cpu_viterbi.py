"""Viterbi on the CPU: ``reference.viterbi``, compiled by Numba.

One pass over an utterance's frames, in float64 logarithms, over the states that lie on some whole path. A byte for each
frame and state says how many states forward the best path came, to find the way back: ``T (2U + 1)`` bytes for an
utterance of T frames and U labels. Code is compiled at the first call and kept on disk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstoolkit.compiled import in_order, kernel
from dstoolkit.ctc.exponential import exp64, largest


def viterbi(
    logits: Tensor, logit_lengths: Tensor, targets: Tensor, target_lengths: Tensor, blank: int
) -> tuple[Tensor, Tensor]:
    """States ``(batch, frames)`` int32 and scores ``(batch,)`` float64, where the logits are; see ``align.viterbi``.

    Lengths and labels are not checked here, and what is wrong in them is read or written beyond the tensors.
    """
    values = logits.detach().cpu()
    values = values if values.dtype == torch.float64 else values.float()
    states = np.full(values.shape[:2], -1, dtype=np.int32)
    scores = np.empty(len(values))
    integers = [each.detach().cpu().long().contiguous().numpy() for each in (logit_lengths, targets, target_lengths)]
    _batch(values.contiguous().numpy(), *integers, blank, states, scores)
    return torch.from_numpy(states).to(logits.device), torch.from_numpy(scores).to(logits.device)


@in_order
def _batch(
    logits: Any, logit_lengths: Any, targets: Any, target_lengths: Any, blank: Any, states: Any, scores: Any
) -> None:
    for at in range(len(logits)):
        frames, labels = logit_lengths[at], targets[at, : target_lengths[at]]
        scores[at] = _utterance(logits[at, :frames], labels, blank, states[at, :frames])


@in_order
def _utterance(logits: Any, labels: Any, blank: Any, path: Any) -> Any:
    """``(T, V)``, ``(U,)`` -> the score; ``path`` ``(T,)`` is written where there is one."""
    frames, count = len(logits), 2 * len(labels) + 1
    if frames == 0:
        return 0.0 if count == 1 else -np.inf
    best, steps = np.full(count, -np.inf), np.zeros((frames, count), dtype=np.uint8)
    best[0] = 0.0  # before the first frame, as if in the first blank
    certainty = 0.0  # the log-probability of the path of each frame's likeliest token; the recursion is relative to it
    for t in range(frames):
        highest, total = _peak(logits[t])
        if np.isnan(total):
            return np.nan
        certainty -= np.log(total)
        _step(best, steps[t], logits[t], highest, labels, blank, t, frames)
    last = count - 1
    if count > 1 and best[last - 1] > best[last]:
        last -= 1
    if best[last] > -np.inf:
        state = last
        for t in range(frames - 1, -1, -1):
            path[t] = state
            state -= steps[t, state]
    return best[last] + certainty


@in_order
def _step(best: Any, steps: Any, logits: Any, highest: Any, labels: Any, blank: Any, t: Any, frames: Any) -> None:
    """Frame t, in place: states downwards, so that those below still hold the frame before.

    Only states that lie on a path from the first frame to the last: a path moves up by two states a frame at most.
    """
    count = len(best)
    for s in range(min(count, 2 * t + 2) - 1, max(0, count - 2 - 2 * (frames - 1 - t)) - 1, -1):
        label = labels[s // 2] if s % 2 else blank
        term, step = best[s], 0
        if s >= 1 and best[s - 1] > term:
            term, step = best[s - 1], 1
        if s % 2 and s >= 3 and label != labels[s // 2 - 1] and best[s - 2] > term:
            term, step = best[s - 2], 2
        best[s], steps[s] = term + (logits[label] - highest), step


@kernel
def _peak(row: Any) -> Any:
    """The largest logit, and the sum of exp(logit - largest); NaN where a row holds NaN or +inf or -inf alone."""
    highest = np.float64(largest(row))
    if not np.isfinite(highest):
        return highest, np.nan
    total = 0.0
    for v in range(len(row)):
        total += exp64(np.float64(row[v]) - highest)
    return highest, total
