"""The DeepSpeech encoder: one convolution over time, then recurrent layers, with batch normalisation between.

Hannun et al. 2014, "Deep Speech: scaling up end-to-end speech recognition", as Kur's speech example laid it out: a 1-D
convolution whose kernels span all spectrogram bins and slide over time, ReLU, batch norm; recurrent layers with batch
norm after each. The dense layer to the vocabulary belongs to ``CTCModel``.

Kur's model has 1,000 kernels of size 11 with stride 2 and three layers of 1,000; the defaults here learn half an hour
of speech in minutes on two cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dstoolkit.models.checks import at_least_one
from dstoolkit.models.masking import MaskedBatchNorm, zero_padding
from dstoolkit.models.recurrent import RecurrentConfig, RecurrentEncoder


@dataclass(frozen=True)
class DeepSpeechConfig(RecurrentConfig):
    """The sizes of a DeepSpeech encoder; those of its recurrent layers are ``RecurrentConfig``'s.

    kernels: convolution kernels.
    kernel_size: their width in frames.
    stride: frames from one output frame to the next (4: 40 ms with 10 ms frames; characters need about 60 ms each).
    border: ``same`` pads both ends with zeros; ``valid`` does not, and the output is shorter by a kernel.
    """

    kernels: int = 256
    kernel_size: int = 11
    stride: int = 4
    border: Literal["same", "valid"] = "same"

    def __post_init__(self) -> None:
        at_least_one(self, "kernels", "kernel_size", "stride")
        super().__post_init__()


class DeepSpeech(RecurrentEncoder):
    """See the module. Output frames: ``ceil(frames / stride)`` (``border: same``)."""

    name = "deepspeech"
    Config = DeepSpeechConfig

    def __init__(self, config: DeepSpeechConfig, input_dim: int) -> None:
        nn.Module.__init__(self)
        self.config: DeepSpeechConfig = config
        self.margin = (config.kernel_size - 1) // 2 if config.border == "same" else 0
        self.convolution = nn.Conv1d(input_dim, config.kernels, config.kernel_size, config.stride)
        self.norm = MaskedBatchNorm(config.kernels)
        self.stack(config.kernels)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor | list[Tensor], Tensor]:
        """``(batch, frames, input_dim)``, ``(batch,)`` -> ``(batch, output_frames, output_dim)``, ``(batch,)``."""
        hidden = self.convolve(zero_padding(frames, lengths))
        lengths = self.output_lengths(lengths)
        return self.recur(self.norm(hidden.relu(), lengths), lengths), lengths

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
