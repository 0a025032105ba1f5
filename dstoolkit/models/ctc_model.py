"""An encoder and the dense layer to the vocabulary (the blank is token 0): what the CTC loss trains."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CTCModel(nn.Module):
    """``encoder`` is any registered encoder; ``vocab`` counts the tokens, the blank included."""

    def __init__(self, encoder: nn.Module, vocab: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dense = nn.Linear(encoder.output_dim, vocab)  # type: ignore[arg-type]

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
