"""What the Deep Speech encoders share: recurrent layers over padded batches, batch norm after each, and lookahead.

LSTM is the default because on CPUs torch trains it as one fused oneDNN operation per layer. For its sake sequences are
not packed: each direction runs over the padded batch, the backward one over utterances reversed within their own
lengths, which is exact and keeps the fused operation (a packed sequence on a CPU costs time quadratic in its length,
since every step's slice has a full-size gradient; docs/rnn.md has the times). The two directions run side by side, see
``directions.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dstoolkit.interfaces import Encoder
from dstoolkit.models import directions
from dstoolkit.models.checks import at_least_one, check_intermediate, check_share
from dstoolkit.models.clipped import ClippedRNN
from dstoolkit.models.depthwise import Depthwise
from dstoolkit.models.gru import GRU
from dstoolkit.models.masking import MaskedBatchNorm, SequenceDropout, reversal, take_frames, zero_padding

CLIP = 20.0  # Hannun et al. 2014, section 2


@dataclass(frozen=True)
class RecurrentConfig:
    """The options of recurrent layers.

    rnn: ``lstm``, ``gru``, or ``rnn``: the paper's, with clipped ReLU.
    clip: the most a unit of ``rnn: rnn`` gives.
    size: units of each recurrent layer and direction.
    layers: recurrent layers.
    bidirectional: also read each utterance backwards; the output then has 2 x ``size`` values.
    lookahead: future output frames that the last layer hears, where it does not read backwards: each unit gives a
        weighted sum of its present and so many future values (Wang et al. 2016, "Lookahead convolution layer for
        unidirectional recurrent neural networks"; Deep Speech 2's row convolution).
    dropout: probability, before each recurrent layer and before the output; one mask per utterance.
    intermediate: recurrent layers, counted from 1, that the loss hears too in training (Lee & Watanabe 2021,
        "Intermediate loss regularization for CTC-based speech recognition"; the loss's ``intermediate_weight``).
    """

    rnn: Literal["lstm", "gru", "rnn"] = "lstm"
    clip: float = CLIP
    size: int = 192
    layers: int = 3
    bidirectional: bool = True
    lookahead: int = 0
    dropout: float = 0.2
    intermediate: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        at_least_one(self, "size", "layers")
        check_share("dropout", self.dropout)
        check_intermediate(self.intermediate, self.layers)
        if self.clip <= 0:
            raise ValueError(f"clip is {self.clip:g}; expected more than 0")
        if self.clip != CLIP and self.rnn != "rnn":
            raise ValueError(f"clip is {self.clip:g} with rnn {self.rnn!r}; only rnn 'rnn' is clipped")
        if self.lookahead < 0:
            raise ValueError(f"lookahead is {self.lookahead}; expected 0 or more")
        if self.lookahead and self.bidirectional:
            raise ValueError("lookahead is for bidirectional: false; both directions hear all the future")


class Recurrent(nn.Module):
    """One recurrent layer over padded batches, in one or both directions; the output's padding is not defined."""

    def __init__(self, config: RecurrentConfig, input_dim: int) -> None:
        super().__init__()
        count = 2 if config.bidirectional else 1
        self.directions = nn.ModuleList(direction(config, input_dim) for _ in range(count))
        self.output_dim = config.size * count

    def forward(self, batch: Tensor, backwards: Tensor) -> Tensor:
        """``(batch, frames, dim)`` -> ``(batch, frames, output_dim)``; ``backwards`` is ``reversal``'s index."""
        inputs = [batch, *(take_frames(batch, backwards) for _ in self.directions[1:])]
        outputs = directions.run([each.transpose(0, 1) for each in inputs], list(self.directions))  # frames first
        forwards, *reverse = [each.transpose(0, 1) for each in outputs]
        return torch.cat([forwards, *(take_frames(each, backwards) for each in reverse)], dim=2)


def direction(config: RecurrentConfig, input_dim: int) -> nn.Module:
    """One direction of a layer: ``(frames, batch, input_dim)`` -> ``(frames, batch, size)`` and its last state."""
    if config.rnn == "rnn":
        return ClippedRNN(input_dim, config.size, config.clip)
    return GRU(input_dim, config.size) if config.rnn == "gru" else nn.LSTM(input_dim, config.size)


class RecurrentEncoder(Encoder, nn.Module):
    """An encoder that ends in recurrent layers, each with batch norm after it."""

    config: RecurrentConfig

    def stack(self, dim: int) -> None:
        """Make the layers upon ``dim`` values a frame."""
        self.dropout = SequenceDropout(self.config.dropout)
        self.recurrent, self.norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(self.config.layers):
            layer = Recurrent(self.config, dim)
            dim = layer.output_dim
            self.recurrent.append(layer)
            self.norms.append(MaskedBatchNorm(dim))
        self.lookahead = Depthwise(dim, 0, self.config.lookahead) if self.config.lookahead else None
        self.output_dim = dim

    def recur(self, hidden: Tensor, lengths: Tensor) -> Tensor | list[Tensor]:
        """``(batch, frames, dim)`` -> ``(batch, frames, output_dim)``; in training those of inner layers after it."""
        backwards = reversal(lengths, hidden.shape[1])
        outputs = []
        for at, (layer, norm) in enumerate(zip(self.recurrent, self.norms, strict=True), 1):
            hidden = layer(self.dropout(hidden), backwards)
            if self.lookahead is not None and at == self.config.layers:
                hidden = self.lookahead(zero_padding(hidden, lengths))
            hidden = norm(hidden, lengths)
            outputs.append(hidden)
        last: Tensor = self.dropout(hidden)
        if self.training and self.config.intermediate:
            return [last, *(self.dropout(outputs[layer - 1]) for layer in self.config.intermediate)]
        return last
