"""An encoder and the dense layer to the vocabulary (the blank is token 0): what the CTC loss trains.

An encoder that ends in the vocabulary itself says so by ``ends_in_logits``, and gets no dense layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CTCModel(nn.Module):
    """``encoder`` is any registered encoder; ``vocab`` counts the tokens, the blank included.

    An encoder that ends in logits itself may end in more than there are tokens: ``spare`` many are then left out.
    Raises ValueError where it ends in fewer.
    """

    def __init__(self, encoder: nn.Module, vocab: int) -> None:
        super().__init__()
        self.encoder = encoder
        dim: int = encoder.output_dim  # type: ignore[assignment]
        whole = getattr(encoder, "ends_in_logits", False)
        if whole and dim < vocab:
            raise ValueError(f"the network ends in {dim} values; the vocabulary has {vocab} tokens with the blank")
        self.spare = dim - vocab if whole else 0
        self.dense: nn.Module = First(vocab) if whole else nn.Linear(dim, vocab)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor | list[Tensor], Tensor]:
        """``(batch, frames, dim)``, ``(batch,)`` -> logits ``(batch, output_frames, vocab)``, ``(batch,)``.

        Of an encoder that gives inner layers' outputs in training: the logits of each, by the same dense layer.
        """
        encoded, lengths = self.encoder(frames, lengths)
        return self.dense(encoded) if isinstance(encoded, Tensor) else [self.dense(each) for each in encoded], lengths

    @torch.no_grad()
    def log_probs(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Natural-log probabilities in the same shapes, in float32. Call in ``eval`` mode."""
        logits, lengths = self(frames, lengths)
        return logits.float().log_softmax(dim=2), lengths


class First(nn.Module):
    """The first ``count`` values of the last axis."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, values: Tensor) -> Tensor:
        return values[..., : self.count]
