"""The CTC loss (Graves et al. 2006): as a function of tensors, ``ctc_loss``, and as the toolkit's loss, ``CTCLoss``.

Both run our Numba kernels on CPUs and CUDA GPUs, and torch's own loss elsewhere or by choice (``backend``). Losses are
``-log p(target | logits)`` in nats; infinite, with a gradient of 0, where no path exists; NaN for an utterance whose
own logits are, whatever the others'. The gradient is exactly 0 in padding, and for an utterance whose loss gets the
gradient 0: so a trainer may leave utterances out.

Regularisers, each a term per frame of the softmax ``p`` and summed over the frames:

- ``label_smoothing`` s: ``(1 - s) CTC + s KL(uniform || p)`` (Kim, Seltzer, Li & Zhao 2018, "Improved training for
  online end-to-end speech recognition systems").
- ``entropy_weight`` w: ``- w H(p)``, the confidence penalty (Pereyra et al. 2017, "Regularizing neural networks by
  penalizing confident output distributions").
- ``intermediate_weight`` w: with logits of inner layers, ``(1 - w) L(last) + w mean L(inner)`` (Lee & Watanabe 2021,
  "Intermediate loss regularization for CTC-based speech recognition").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dstoolkit.ctc import operators
from dstoolkit.ctc.arguments import check_shapes, padded, required_frames
from dstoolkit.ctc.backend import Backend, chosen
from dstoolkit.interfaces import BLANK, Loss

Reduction = Literal["none", "sum", "mean"]


def ctc_loss(
    logits: Tensor,
    logit_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = BLANK,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
    label_smoothing: float = 0.0,
    entropy_weight: float = 0.0,
    backend: Backend = "auto",
) -> Tensor:
    """The CTC loss in nats: ``(batch,)``, or one number after a reduction.

    ``logits`` ``(batch, frames, vocab)``, any float dtype, before the softmax; ``logit_lengths`` and ``target_lengths``
    ``(batch,)``; ``targets`` padded, ``(batch, max_target)``, or concatenated, ``(sum of target_lengths,)``. Half
    precision is computed in single precision or better. ``reduction`` is torch's: ``mean`` divides each loss by its
    target's length (at least 1), then takes the mean. ``zero_infinity`` makes infinite losses 0.

    Raises TypeError and ValueError for what does not fit, naming the utterance's index. Where lengths and targets are
    on a GPU the values are looked at there, the utterance's loss is NaN, and the error comes with a later call.
    """
    check_shapes(logits, logit_lengths, targets, target_lengths, blank)
    if targets.dim() == 1:
        targets = padded(targets, target_lengths)
    options = (blank, label_smoothing, entropy_weight)
    device = logits.device
    if device.type == "mps":  # neither we nor torch compute it there
        logits = logits.cpu()
    if chosen(backend, logits.device, targets.shape[1]) == "torch":
        losses = torch_loss(logits, logit_lengths, targets, target_lengths, *options)
    else:
        losses = operators.losses(logits, logit_lengths, targets, target_lengths, *options)
    losses = losses.to(device)
    if zero_infinity:
        losses = torch.where(losses == math.inf, 0.0, losses)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    if reduction != "mean":
        raise ValueError(f"reduction {reduction!r} is unknown; expected 'none', 'sum' or 'mean'")
    return (losses / target_lengths.to(losses.device).clamp(min=1)).mean()


def torch_loss(
    logits: Tensor,
    logit_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
) -> Tensor:
    """The same losses from torch's own CTC, for devices without our kernels."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    logit_lengths, targets, target_lengths = (
        each.to(logits.device) for each in (logit_lengths, targets, target_lengths)
    )
    log_probs = logits.log_softmax(dim=2)
    losses = torch.nn.functional.ctc_loss(
        log_probs.transpose(0, 1),
        targets,
        logit_lengths,
        target_lengths,
        blank=blank,
        reduction="none",
        zero_infinity=True,
    )
    if label_smoothing or entropy_weight:
        inside = torch.arange(logits.shape[1], device=logits.device) < logit_lengths[:, None]
        uniform = -log_probs.mean(dim=2) - math.log(logits.shape[2])
        entropy = torch.special.entr(log_probs.exp()).sum(dim=2)
        term = label_smoothing * uniform - entropy_weight * entropy
        losses = (1 - label_smoothing) * losses + torch.where(inside, term, 0.0).sum(dim=1)
    return torch.where(logit_lengths >= required_frames(targets, target_lengths), losses, math.inf)


@dataclass(frozen=True)
class CTCLossConfig:
    """Options of ``loss: ctc``; see the module's docstring for the regularisers and their sources."""

    backend: Backend = "auto"  # numba, torch, or whichever is there: numba first
    label_smoothing: float = 0.0  # in [0, 1)
    entropy_weight: float = 0.0  # nats per nat of entropy; 0 or more
    intermediate_weight: float = 0.3  # in [0, 1]; used where the encoder gives intermediate outputs

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; expected 0 to below 1")
        if not 0 <= self.entropy_weight < math.inf:
            raise ValueError(f"entropy_weight is {self.entropy_weight}; expected 0 or more")
        if not 0 <= self.intermediate_weight <= 1:
            raise ValueError(f"intermediate_weight is {self.intermediate_weight}; expected 0 to 1")


class CTCLoss(Loss):
    """``ctc_loss`` without a reduction, as the trainer calls it."""

    name = "ctc"
    Config = CTCLossConfig

    def __init__(self, config: CTCLossConfig, blank: int = BLANK) -> None:
        self.config, self.blank = config, blank

    def __call__(
        self,
        logits: Tensor | Sequence[Tensor],
        logit_lengths: Tensor,
        targets: Tensor,
        target_lengths: Tensor,
    ) -> Tensor:
        """``(batch, frames, vocab)``, ``(batch,)``, ``(batch, max_target)``, ``(batch,)`` -> ``(batch,)`` in nats.

        ``logits`` may be several such tensors, the last layer's first, then those of inner layers.
        """
        layers = [logits] if isinstance(logits, Tensor) else list(logits)
        losses = [self.one(each, logit_lengths, targets, target_lengths) for each in layers]
        if len(losses) == 1:
            return losses[0]
        weight = self.config.intermediate_weight
        return (1 - weight) * losses[0] + weight * torch.stack(losses[1:]).mean(dim=0)

    def one(self, logits: Tensor, logit_lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
        return ctc_loss(
            logits,
            logit_lengths,
            targets,
            target_lengths,
            blank=self.blank,
            reduction="none",
            label_smoothing=self.config.label_smoothing,
            entropy_weight=self.config.entropy_weight,
            backend=self.config.backend,
        )
