"""Two views of an utterance, differently augmented, should be heard alike: CR-CTC.

Yao et al. 2025, "CR-CTC: Consistency regularization on CTC for improved speech recognition" (arXiv:2410.05101). Both
views have the same words at the same times (``Source.views``), so each frame's distribution in one, ``p``, can be held
against the other's, ``q``. The loss is

    (CTC(p) + CTC(q)) / 2 + weight * sum over frames of (KL(sg(q) || p) + KL(sg(p) || q)) / 2

where ``sg`` stops the gradient: each is a teacher to the other and learns nothing from that. The paper's weight is 0.2,
with two and a half times as many time masks as without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstoolkit.training.dataset import Batch
from dstoolkit.training.outlets import Losses


def doubled(batch: Batch) -> Batch:
    """A batch that has a second view with twice as many utterances: those of the first view, then of the second."""
    if batch.second is None:
        return batch
    frames, indices = torch.cat([batch.frames, batch.second]), np.tile(batch.indices, 2)
    known = {name: getattr(batch, name) for name in ("lengths", "targets", "target_lengths")}
    twice: dict[str, Any] = {name: torch.cat([each, each]) for name, each in known.items()}
    return replace(batch, indices=indices, frames=frames, second=None, **twice)


def joined(
    found: Losses, logits: Tensor | Sequence[Tensor], lengths: Tensor | Sequence[Tensor], weight: float
) -> Losses:
    """The losses of a doubled batch by utterance, ``(batch,)``: of each output the mean of both views, and their
    weighted difference. ``logits`` and ``lengths``: what the model gave."""
    if isinstance(lengths, Tensor):  # of one output, whose inner layers may follow it
        logits, lengths = [logits if isinstance(logits, Tensor) else logits[0]], [lengths]
    apart = [weight * differences(each, length) for each, length in zip(logits, lengths, strict=True)]
    own = [loss.view(2, -1).mean(dim=0) + each for loss, each in zip(found.own, apart, strict=True)]
    return replace(found, own=own)


def differences(logits: Tensor, lengths: Tensor) -> Tensor:
    """``(2 batch, frames, vocab)`` logits, ``(2 batch,)`` lengths, of one view, then the other -> ``(batch,)`` nats."""
    logs = logits.float().log_softmax(dim=2)
    teachers = logs.detach()
    others = teachers.roll(len(logs) // 2, 0)
    divergence = (others.exp() * (others - logs)).sum(dim=2)  # of each frame, of each view
    inside = torch.arange(logs.shape[1], device=logs.device) < lengths[:, None]
    return divergence.masked_fill(~inside, 0.0).sum(dim=1).view(2, -1).mean(dim=0)
