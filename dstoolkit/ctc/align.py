"""Forced alignment: the likeliest CTC path that collapses to a given target, and with it where each token is.

The Viterbi recursion is that of ``reference.viterbi``, here compiled by Numba: one pass in float64 logarithms over the
states that lie on some whole path, a byte per frame and state to find the way back, hence at most ``T (2U + 1)`` bytes
for an utterance of T frames and U tokens. On a GPU ``cuda.viterbi`` does the same. Compiled code is kept on disk.

A token's span is the frames whose state it is. Its confidence is the mean over them of the model's own probability of
the token, softmax of the logits at that frame, as in greedy decoding: low where the audio does not hold the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from dstoolkit.ctc.arguments import check_shapes, check_values, required_frames
from dstoolkit.interfaces import BLANK

compiled: Any = numba.njit(cache=True, nogil=True)


@dataclass(frozen=True)
class Span:
    """A token at the output frames ``start`` to ``end`` (exclusive), with a confidence in [0, 1]."""

    token: int
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class Alignment:
    """One utterance: the path's natural-log probability, and a span for each token of the target, in order.

    ``fault`` says why there is no path; the score is then -inf (NaN for logits that are no numbers), the spans none.
    """

    score: float
    spans: tuple[Span, ...] = ()
    fault: str = ""


def align(
    logits: Tensor, logit_lengths: Tensor, targets: Sequence[Sequence[int]], blank: int = BLANK
) -> list[Alignment]:
    """``(batch, frames, vocab)`` logits or log-probabilities, ``(batch,)``, a target each -> an alignment each.

    Logits of any floating type, on any device. Raises ValueError naming the utterance whose length or target cannot be.
    """
    padded, target_lengths = _pad(targets, logits.device)
    states, scores = viterbi(logits, logit_lengths, padded, target_lengths, blank)
    paths, probabilities = states.cpu().numpy(), _along(logits, states, padded, blank).cpu().numpy()
    lengths, needed = logit_lengths.tolist(), required_frames(padded, target_lengths).tolist()
    found = []
    for at, (score, target) in enumerate(zip(scores.tolist(), targets, strict=True)):
        if score > -np.inf:
            found.append(Alignment(score, _spans(paths[at, : lengths[at]], probabilities[at], target)))
        else:
            found.append(Alignment(score, fault=_fault(score, lengths[at], len(target), needed[at])))
    return found


def viterbi(
    logits: Tensor, logit_lengths: Tensor, targets: Tensor, target_lengths: Tensor, blank: int = BLANK
) -> tuple[Tensor, Tensor]:
    """The likeliest path of each utterance, where its logits are.

    ``(batch, frames, vocab)``, ``(batch,)``, ``(batch, max_target)`` padded, ``(batch,)`` -> states ``(batch, frames)``
    int32 and scores ``(batch,)``. State 2k + 1 is token k of the target, even states are blanks; -1 in padding, and
    where there is no path. Scores are natural logs; -inf where there is no path, NaN where a frame is no distribution.
    Raises ValueError as ``align`` does.
    """
    check_shapes(logits, logit_lengths, targets, target_lengths, blank)
    check_values(logits, logit_lengths.cpu(), targets.cpu(), target_lengths.cpu(), blank)
    if logits.is_cuda:
        from dstoolkit.ctc import cuda

        if cuda.available() is None and targets.shape[1] <= cuda.MOST_LABELS:
            found: tuple[Tensor, Tensor] = cuda.viterbi(logits, logit_lengths, targets, target_lengths, blank)
            return found
    return viterbi_cpu(logits, logit_lengths, targets, target_lengths, blank)


def viterbi_cpu(
    logits: Tensor, logit_lengths: Tensor, targets: Tensor, target_lengths: Tensor, blank: int
) -> tuple[Tensor, Tensor]:
    """``viterbi`` on the CPU, whatever the device; its input is not checked."""
    values = logits.detach().cpu()
    values = values if values.dtype == torch.float64 else values.float()
    states = np.full(values.shape[:2], -1, dtype=np.int32)
    scores = np.empty(len(values))
    integers = [each.detach().cpu().long().contiguous().numpy() for each in (logit_lengths, targets, target_lengths)]
    _batch(values.contiguous().numpy(), *integers, blank, states, scores)
    return torch.from_numpy(states).to(logits.device), torch.from_numpy(scores).to(logits.device)


@compiled  # type: ignore[untyped-decorator]
def _batch(
    logits: Any, logit_lengths: Any, targets: Any, target_lengths: Any, blank: Any, states: Any, scores: Any
) -> None:
    for at in range(len(logits)):
        frames, labels = logit_lengths[at], targets[at, : target_lengths[at]]
        scores[at] = _utterance(logits[at, :frames], labels, blank, states[at, :frames])


@compiled  # type: ignore[untyped-decorator]
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


@compiled  # type: ignore[untyped-decorator]
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


@compiled  # type: ignore[untyped-decorator]
def _peak(row: Any) -> Any:
    """The largest logit, and the sum of exp(logit - largest); NaN where a row holds NaN or +inf or -inf alone."""
    highest = np.float64(-np.inf)
    for value in row:
        if np.isnan(value):
            return highest, np.nan
        highest = max(highest, np.float64(value))
    if np.isinf(highest):
        return highest, np.nan
    total = 0.0
    for value in row:
        total += np.exp(value - highest)
    return highest, total


def _pad(targets: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(each) for each in targets], dtype=torch.int64)
    padded = torch.zeros(len(targets), max([1, *map(len, targets)]), dtype=torch.int64)
    for row, target in zip(padded, targets, strict=True):
        row[: len(target)] = torch.tensor(list(target), dtype=torch.int64)
    return padded.to(device), lengths.to(device)


def _along(logits: Tensor, states: Tensor, targets: Tensor, blank: int) -> Tensor:
    """The model's probability of each frame's own token on the path, ``(batch, frames)``; of padding, anything."""
    states = states.long().clamp(min=0)
    labels = targets.gather(1, (states // 2).clamp(max=targets.shape[1] - 1))
    tokens = torch.where(states % 2 == 1, labels, blank)
    values = logits if logits.dtype == torch.float64 else logits.float()
    return (values.gather(2, tokens[:, :, None])[:, :, 0] - values.logsumexp(dim=2)).exp().clamp(max=1.0)


def _spans(path: Any, probabilities: Any, target: Sequence[int]) -> tuple[Span, ...]:
    """``(T,)`` states, of which those of tokens rise, and the probabilities along them."""
    frames = np.flatnonzero(path % 2 == 1)
    states = 2 * np.arange(len(target)) + 1
    begins = frames[np.searchsorted(path[frames], states, side="left")].tolist()
    ends = (frames[np.searchsorted(path[frames], states, side="right") - 1] + 1).tolist()
    spans = zip(target, begins, ends, strict=True)
    return tuple(Span(token, begin, end, float(probabilities[begin:end].mean())) for token, begin, end in spans)


def _fault(score: float, frames: int, labels: int, needed: int) -> str:
    if np.isnan(score):
        return "a frame's probabilities are no numbers"
    if frames < needed:
        return f"{frames} output frames for {labels} tokens; expected {needed} or more"
    return f"no path of the {labels} tokens through {frames} output frames has a probability above 0"
