"""The CTC loss behind the toolkit's interface (Graves et al. 2006), computed by torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dstoolkit.interfaces import BLANK, Loss


@dataclass(frozen=True)
class CTCLossConfig:
    """CTC has no options."""


def required_frames(targets: Tensor, target_lengths: Tensor) -> Tensor:
    """The fewest frames that can emit each target: its labels, and a blank between equal neighbours. ``(batch,)``."""
    own = torch.arange(1, targets.shape[1], device=targets.device)[None, :] < target_lengths[:, None]
    repeats = (targets[:, 1:] == targets[:, :-1]) & own
    return target_lengths + repeats.sum(dim=1)


class CTCLoss(Loss):
    """``-log p(target | logits)`` per utterance, in nats; infinite, with a gradient of 0, where no path exists."""

    name = "ctc"
    Config = CTCLossConfig

    def __init__(self, config: CTCLossConfig, blank: int = BLANK) -> None:
        self.config, self.blank = config, blank

    def __call__(self, logits: Tensor, logit_lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
        """``(batch, frames, vocab)``, ``(batch,)``, ``(batch, max_target)``, ``(batch,)`` -> ``(batch,)`` in nats."""
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        losses = torch.nn.functional.ctc_loss(
            logits.log_softmax(dim=2).transpose(0, 1),
            targets,
            logit_lengths,
            target_lengths,
            blank=self.blank,
            reduction="none",
            zero_infinity=True,
        )
        feasible = logit_lengths >= required_frames(targets, target_lengths)
        return torch.where(feasible, losses, torch.inf)
