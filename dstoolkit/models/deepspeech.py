"""The DeepSpeech encoder: one convolution over time, then recurrent layers, with batch normalisation between.

Hannun et al. 2014, "Deep Speech: scaling up end-to-end speech recognition", as Kur's speech example laid it out: a 1-D
convolution whose kernels span all spectrogram bins and slide over time, ReLU, batch norm; recurrent layers with batch
norm after each. The dense layer to the vocabulary belongs to ``CTCModel``.

The paper-sized model has 1,000 kernels of size 11 with stride 2 and three layers of 1,000; the defaults here learn half
an hour of speech in minutes on two cores. LSTM is the default because on CPUs torch trains it as one fused oneDNN
operation per layer, whereas GRU and plain RNN run step by step and, measured on this model, take about three times
as long. For the same reason sequences are not packed: each direction runs over the padded batch, the backward one over
utterances reversed within their own lengths, which is exact and keeps the fused operation (a packed sequence on a CPU
costs time quadratic in its length, since every step's slice has a full-size gradient). The two directions run side by
side, see ``directions.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dstoolkit.interfaces import Encoder
from dstoolkit.models import directions
from dstoolkit.models.masking import MaskedBatchNorm, SequenceDropout, reversal, take_frames, zero_padding

RECURRENT = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


@dataclass(frozen=True)
class DeepSpeechConfig:
    """The sizes of a DeepSpeech encoder.

    kernels: convolution kernels.
    kernel_size: their width in frames.
    stride: frames from one output frame to the next (4: 40 ms with 10 ms frames; characters need about 60 ms each).
    border: ``same`` pads both ends with zeros; ``valid`` does not, and the output is shorter by a kernel.
    rnn: ``lstm``, ``gru``, or ``rnn`` with ReLU (the paper's).
    size: units of each recurrent layer and direction.
    layers: recurrent layers.
    bidirectional: also read each utterance backwards; the output then has 2 x ``size`` values.
    dropout: probability, before each recurrent layer and before the output; one mask per utterance.
    intermediate: recurrent layers, counted from 1, that the loss hears too in training (Lee & Watanabe 2021,
        "Intermediate loss regularization for CTC-based speech recognition"; the loss's ``intermediate_weight``).
    """

    kernels: int = 256
    kernel_size: int = 11
    stride: int = 4
    border: Literal["same", "valid"] = "same"
    rnn: Literal["lstm", "gru", "rnn"] = "lstm"
    size: int = 192
    layers: int = 3
    bidirectional: bool = True
    dropout: float = 0.2
    intermediate: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("kernels", "kernel_size", "stride", "size", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected 0 to below 1")
        for layer in self.intermediate:
            if not 1 <= layer < self.layers:
                raise ValueError(f"intermediate layer {layer}; expected 1 to {self.layers - 1}, below the last")


class Recurrent(nn.Module):
    """One recurrent layer over padded batches, in one or both directions; the output's padding is not defined."""

    def __init__(self, kind: str, input_dim: int, size: int, bidirectional: bool) -> None:
        super().__init__()
        options = {"nonlinearity": "relu"} if kind == "rnn" else {}
        layers = [RECURRENT[kind](input_dim, size, **options) for _ in range(2 if bidirectional else 1)]
        self.directions = nn.ModuleList(layers)
        self.output_dim = size * len(layers)

    def forward(self, batch: Tensor, backwards: Tensor) -> Tensor:
        """``(batch, frames, dim)`` -> ``(batch, frames, output_dim)``; ``backwards`` is ``reversal``'s index."""
        inputs = [batch, take_frames(batch, backwards)][: len(self.directions)]
        outputs = directions.run([each.transpose(0, 1) for each in inputs], list(self.directions))  # frames first
        forwards, *reverse = [each.transpose(0, 1) for each in outputs]
        return torch.cat([forwards, *(take_frames(each, backwards) for each in reverse)], dim=2)


class DeepSpeech(Encoder, nn.Module):
    """See the module. Output frames: ``ceil(frames / stride)`` (``border: same``)."""

    name = "deepspeech"
    Config = DeepSpeechConfig

    def __init__(self, config: DeepSpeechConfig, input_dim: int) -> None:
        nn.Module.__init__(self)
        self.config = config
        self.margin = (config.kernel_size - 1) // 2 if config.border == "same" else 0
        self.convolution = nn.Conv1d(input_dim, config.kernels, config.kernel_size, config.stride)
        self.norm = MaskedBatchNorm(config.kernels)
        self.dropout = SequenceDropout(config.dropout)
        self.recurrent = nn.ModuleList()
        self.norms = nn.ModuleList()
        dim = config.kernels
        for _ in range(config.layers):
            layer = Recurrent(config.rnn, dim, config.size, config.bidirectional)
            dim = layer.output_dim
            self.recurrent.append(layer)
            self.norms.append(MaskedBatchNorm(dim))
        self.output_dim = dim

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor | list[Tensor], Tensor]:
        """``(batch, frames, input_dim)``, ``(batch,)`` -> ``(batch, output_frames, output_dim)``, ``(batch,)``."""
        hidden = self.convolve(zero_padding(frames, lengths))
        lengths = self.output_lengths(lengths)
        hidden = self.norm(hidden.relu(), lengths)
        backwards = reversal(lengths, hidden.shape[1])
        outputs = []
        for layer, norm in zip(self.recurrent, self.norms, strict=True):
            hidden = norm(layer(self.dropout(hidden), backwards), lengths)
            outputs.append(hidden)
        last = self.dropout(hidden)
        if self.training and self.config.intermediate:
            return [last, *(self.dropout(outputs[layer - 1]) for layer in self.config.intermediate)], lengths
        return last, lengths

    def convolve(self, frames: Tensor) -> Tensor:
        """``(batch, frames, input_dim)`` -> ``(batch, output_frames, kernels)``; at least one output frame."""
        right = self.config.kernel_size - 1 - self.margin if self.config.border == "same" else 0
        short = max(0, self.config.kernel_size - frames.shape[1] - self.margin - right)
        padded = nn.functional.pad(frames.transpose(1, 2), (self.margin, right + short))
        convolved: Tensor = self.convolution(padded)
        return convolved.transpose(1, 2)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """``(batch,)`` -> ``(batch,)``; an utterance shorter than a ``valid`` kernel has length 0."""
        margin = self.config.kernel_size - 1 if self.config.border == "same" else 0
        spans = lengths + margin - self.config.kernel_size
        return torch.where(lengths > 0, spans.div(self.config.stride, rounding_mode="floor") + 1, 0).clamp(min=0)
