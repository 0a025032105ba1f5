"""Two views of an utterance, differently augmented, should be heard alike: CR-CTC.

Yao et al. 2025, "CR-CTC: Consistency regularization on CTC for improved speech recognition" (arXiv:2410.05101). Both
views have the same words at the same times (``Source.views``), so each frame's distribution in one, ``p``, can be held
against the other's, ``q``. The loss is

    (CTC(p) + CTC(q)) / 2 + weight * sum over frames of (KL(sg(q) || p) + KL(sg(p) || q)) / 2

where ``sg`` stops the gradient: each is a teacher to the other and learns nothing from that. The paper's weight is 0.2,
with two and a half times as many time masks as without.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dstoolkit.training.dataset import Batch


def doubled(batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A batch's frames, lengths, targets and their lengths; where it has a second view, those of both in one batch."""
    if batch.second is None:
        return batch.frames, batch.lengths, batch.targets, batch.target_lengths
    known = (torch.cat([each, each]) for each in (batch.lengths, batch.targets, batch.target_lengths))
    return torch.cat([batch.frames, batch.second]), *known  # type: ignore[return-value]


def differences(logits: Tensor, lengths: Tensor) -> Tensor:
    """``(2 batch, frames, vocab)`` logits, ``(2 batch,)`` lengths, of one view, then the other -> ``(batch,)`` nats."""
    logs = logits.float().log_softmax(dim=2)
    teachers = logs.detach()
    others = teachers.roll(len(logs) // 2, 0)
    divergence = (others.exp() * (others - logs)).sum(dim=2)  # of each frame, of each view
    inside = torch.arange(logs.shape[1], device=logs.device) < lengths[:, None]
    return divergence.masked_fill(~inside, 0.0).sum(dim=1).view(2, -1).mean(dim=0)
