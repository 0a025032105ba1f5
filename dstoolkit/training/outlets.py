"""The losses of a model's outputs and their weighted sum, for encoders with one output and with several outlets."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dstoolkit.interfaces import Loss
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.training.dataset import Batch
from dstoolkit.training.distributed import World

OWN = ("train_loss_", "dev_loss_")  # begin the metrics that are of one output


@dataclass(frozen=True)
class Losses:
    """``own``: of each outlet, ``(batch,)`` in nats, differentiable; of a model without outlets, the only loss.

    ``weights``: of each in ``total``, the training's loss; none: without outlets.
    """

    own: Sequence[Tensor]
    weights: Sequence[float] = ()

    @property
    def total(self) -> Tensor:
        return self.scaled((1.0,) * len(self.own))

    def scaled(self, scales: Sequence[float]) -> Tensor:
        """The sum with each weight times a number more; ``(batch,)``."""
        factors = [weight * scale for weight, scale in zip(self.weights or (1.0,), scales, strict=True)]
        terms = [loss if by == 1 else by * loss for loss, by in zip(self.own, factors, strict=True)]
        return functools.reduce(operator.add, terms)

    def finite(self) -> Tensor:
        """The total and each outlet's loss, 0 for utterances whose total is not finite: ``(1 + outlets, batch)``."""
        total = self.total.detach()
        rows = [total, *(each.detach() for each in self.own)] if self.weights else [total]
        return torch.stack(rows).where(total.isfinite(), 0.0)


def losses(
    model: CTCModel, loss: Loss, logits: Tensor | Sequence[Tensor], lengths: Tensor | Sequence[Tensor], batch: Batch
) -> Losses:
    """What ``loss`` says of what ``model`` gave for the batch: of each outlet by itself, where there are any."""
    if not model.outlets:
        assert isinstance(lengths, Tensor)
        return Losses([loss(logits, lengths, batch.targets, batch.target_lengths)])
    pairs = zip(logits, lengths, strict=True)
    own = [loss(each, length, batch.targets, batch.target_lengths) for each, length in pairs]
    return Losses(own, [outlet.weight for outlet in model.outlets])


def length_scales(by: float, model: CTCModel, own: Iterable[Batch], count: int, world: World) -> list[float]:
    """What each output's loss is multiplied by: ``by`` times its mean frames, over a batch's ``count`` utterances.

    ``own``: the parts of the batch that this process computes. None where ``by`` is 0.
    """
    if not by:
        return []
    totals = [0.0] * max(1, len(model.outlets))
    for part in own:
        for at, lengths in enumerate(model.every_lengths(part.lengths)):
            totals[at] += float(lengths.sum())
    return [by * each / count for each in world.sum(totals)]


def by_name(kind: str, model: CTCModel, sums: Sequence[float], tokens: float) -> Mapping[str, float]:
    """For the metrics: ``train_loss_early`` and the like, in nats per token; nothing for a model without outlets."""
    return {f"{kind}_loss_{each.name}": sums[at] / max(tokens, 1) for at, each in enumerate(model.outlets)}
