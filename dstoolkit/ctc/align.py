"""Forced alignment: the likeliest CTC path that collapses to a given target, and with it where each token is.

The path is that of ``reference.viterbi``, found by ``cpu_viterbi`` or on a GPU by ``cuda.viterbi``, ties included. A
token's span is the frames whose state it is. Its confidence is the mean over them of the model's own probability of
the token, softmax of the logits at that frame, as in greedy decoding: low where the audio does not hold the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstoolkit.ctc import cpu_viterbi
from dstoolkit.ctc.arguments import check_shapes, check_values, padded, required_frames
from dstoolkit.interfaces import BLANK


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
    labels, target_lengths = _pad(targets, logits.device)
    states, scores = viterbi(logits, logit_lengths, labels, target_lengths, blank)
    paths, probabilities = states.cpu().numpy(), _along(logits, states, labels, blank).cpu().numpy()
    lengths, needed = logit_lengths.tolist(), required_frames(labels, target_lengths).tolist()
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

    ``(batch, frames, vocab)``, ``(batch,)``, targets ``(batch, max_target)`` padded or ``(sum,)`` end to end,
    ``(batch,)`` -> states ``(batch, frames)`` int32 and scores ``(batch,)`` float64. State 2k + 1 is token k of the
    target, even states are blanks; -1 in padding, and where there is no path. Scores are natural logs; -inf where there
    is no path, NaN where a frame is no distribution. Raises ValueError as ``align`` does.
    """
    check_shapes(logits, logit_lengths, targets, target_lengths, blank)
    targets = padded(targets, target_lengths) if targets.dim() == 1 else targets
    lengths, labels, counts = (each.to("cpu", torch.int64) for each in (logit_lengths, targets, target_lengths))
    check_values(logits, lengths, labels, counts, blank)
    if logits.is_cuda:
        from dstoolkit.ctc import cuda

        if cuda.available() is None and targets.shape[1] <= cuda.MOST_LABELS:
            lengths, counts = (each.to(logits.device).long() for each in (logit_lengths, target_lengths))
            return cuda.viterbi(logits, lengths, targets.to(logits.device).long(), counts, blank)
    return cpu_viterbi.viterbi(logits, logit_lengths, targets, target_lengths, blank)


def _pad(targets: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(each) for each in targets], dtype=torch.int64)
    labels = torch.zeros(len(targets), max([1, *map(len, targets)]), dtype=torch.int64)
    for row, target in zip(labels, targets, strict=True):
        row[: len(target)] = torch.tensor(list(target), dtype=torch.int64)
    return labels.to(device), lengths.to(device)


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
