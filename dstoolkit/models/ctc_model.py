"""An encoder and the dense layer to the vocabulary (the blank is token 0): what the CTC loss trains.

An encoder that ends in the vocabulary itself says so by ``ends_in_logits``, and gets no dense layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dstoolkit.interfaces import Outlet

HALF = (torch.bfloat16, torch.float16)


class CTCModel(nn.Module):
    """``encoder`` is any registered encoder; ``vocab`` counts the tokens, the blank included.

    An encoder that ends in logits itself may end in more than there are tokens: ``spare`` many are then left out. An
    encoder with ``outlets`` has this rule, and a dense layer, for each: ``heads`` and ``spares`` are the later ones'.
    Raises ValueError where an output has fewer values.
    """

    def __init__(self, encoder: nn.Module, vocab: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.outlets: Sequence[Outlet] = tuple(getattr(encoder, "outlets", ()))
        dim: int = encoder.output_dim  # type: ignore[assignment]
        whole = getattr(encoder, "ends_in_logits", False)
        self.dense = head("the network ends in", dim, whole, vocab)
        self.spare = dim - vocab if whole else 0
        others = self.outlets[1:]
        heads = [head(f"the output {each.name!r} ends in", each.dim, each.logits, vocab) for each in others]
        self.heads: nn.ModuleList | tuple[()] = nn.ModuleList(heads) if heads else ()
        self.spares = {f"the output {each.name!r}": each.dim - vocab for each in others if each.logits}

    def forward(
        self, frames: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor] | tuple[list[Tensor], Tensor | list[Tensor]]:
        """``(batch, frames, dim)``, ``(batch,)`` -> logits ``(batch, output_frames, vocab)``, float32, ``(batch,)``.

        Of an encoder that gives inner layers' outputs in training: the logits of each, by the same dense layer. Of one
        with ``outlets``: in training the logits and the lengths of each.
        """
        if self.outlets and self.training:
            return self.every(frames, lengths)
        encoded, lengths = self.encoder(frames, lengths)
        if isinstance(encoded, Tensor):
            return as_logits(self.dense, encoded), lengths
        return [as_logits(self.dense, each) for each in encoded], lengths

    def every(self, frames: Tensor, lengths: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The logits and the lengths of each of the encoder's ``outlets``, in any mode."""
        encoded, counts = self.encoder.every(frames, lengths)  # type: ignore[operator]
        heads = [self.dense, *self.heads]
        return [as_logits(make, each) for make, each in zip(heads, encoded, strict=True)], counts

    def every_lengths(self, lengths: Tensor) -> list[Tensor]:
        """Input lengths ``(batch,)`` -> the output lengths of each outlet, or of the only output."""
        if self.outlets:
            found: list[Tensor] = self.encoder.every_lengths(lengths)  # type: ignore[operator]
            return found
        return [self.encoder.output_lengths(lengths)]  # type: ignore[operator]

    @torch.no_grad()
    def log_probs(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Natural-log probabilities in the same shapes, in float32. Call in ``eval`` mode."""
        logits, lengths = self(frames, lengths)
        return logits.float().log_softmax(dim=2), lengths


def as_logits(dense: nn.Module, encoded: Tensor) -> Tensor:
    """In float32 under autocast too: with logits rounded to bfloat16 AN4 took twice the epochs to its first words."""
    with torch.autocast(encoded.device.type, enabled=False):
        found: Tensor = dense(encoded.float() if encoded.dtype in HALF else encoded)
    return found


def head(what: str, dim: int, logits: bool, vocab: int) -> nn.Module:
    """From an output to the vocabulary. Raises ValueError where logits are too few."""
    if logits and dim < vocab:
        raise ValueError(f"{what} {dim} values; the vocabulary has {vocab} tokens with the blank")
    return First(vocab) if logits else nn.Linear(dim, vocab)


class First(nn.Module):
    """The first ``count`` values of the last axis."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, values: Tensor) -> Tensor:
        return values[..., : self.count]
