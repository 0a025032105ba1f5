"""The encoder ``deepspeech2``: convolutions over time and frequency, then recurrent layers.

Amodei et al. 2016, "Deep Speech 2: end-to-end speech recognition in English and Mandarin", sections 3.1 to 3.5: one to
three 2-D convolutions, kernels of 11 frames by 41 values (the first) or 21, padded so that nothing is lost at the ends,
the first with stride 2 over time, all with stride 2 over frequency; batch norm of each channel over time and frequency
(section 3.2), then ReLU clipped at 20. The recurrent layers are those of ``deepspeech``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dstoolkit.models.checks import at_least_one
from dstoolkit.models.masking import MaskedBatchNorm, zero_padding
from dstoolkit.models.recurrent import CLIP, RecurrentConfig, RecurrentEncoder

FRAMES, FIRST, FURTHER = 11, 41, 21  # a kernel's frames, and its values of the spectrum: table 3 of the paper


@dataclass(frozen=True)
class DeepSpeech2Config(RecurrentConfig):
    """The sizes of a DeepSpeech 2 encoder; those of its recurrent layers are ``RecurrentConfig``'s.

    channels: channels of each convolution, one to three of them (the paper's: 32, 32, 96).
    stride: frames from one output frame to the next (the paper's: 2).
    """

    channels: tuple[int, ...] = (32, 32)
    stride: int = 2

    def __post_init__(self) -> None:
        at_least_one(self, "stride")
        if not 1 <= len(self.channels) <= 3 or min(self.channels) < 1:
            raise ValueError(f"channels are {list(self.channels)}; expected one to three numbers, each 1 or more")
        super().__post_init__()


class DeepSpeech2(RecurrentEncoder):
    """See the module. Output frames: ``ceil(frames / stride)``."""

    name = "deepspeech2"
    Config = DeepSpeech2Config

    def __init__(self, config: DeepSpeech2Config, input_dim: int) -> None:
        nn.Module.__init__(self)
        self.config: DeepSpeech2Config = config
        self.blocks = nn.ModuleList()
        channels, dim = 1, input_dim
        for at, more in enumerate(config.channels):
            self.blocks.append(Block(channels, more, FURTHER if at else FIRST, 1 if at else config.stride))
            channels, dim = more, -(-dim // 2)
        self.stack(channels * dim)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor | list[Tensor], Tensor]:
        """``(batch, frames, input_dim)``, ``(batch,)`` -> ``(batch, output_frames, output_dim)``, ``(batch,)``."""
        image = zero_padding(frames, lengths)[..., None]
        lengths = self.output_lengths(lengths)
        for block in self.blocks:
            image = block(image, lengths)
        return self.recur(image.flatten(2), lengths), lengths

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """``(batch,)`` -> ``(batch,)``."""
        return (lengths + self.config.stride - 1).div(self.config.stride, rounding_mode="floor")


class Block(nn.Module):
    """A convolution, its batch norm and clipped ReLU. Images are ``(batch, frames, bins, channels)``."""

    def __init__(self, channels: int, more: int, bins: int, stride: int) -> None:
        super().__init__()
        padding = ((FRAMES - 1) // 2, (bins - 1) // 2)
        self.convolution = nn.Conv2d(channels, more, (FRAMES, bins), (stride, 2), padding, bias=False)
        self.norm = MaskedBatchNorm(more)

    def forward(self, image: Tensor, lengths: Tensor) -> Tensor:
        """``lengths`` are the output's, of each utterance; beyond them the output is 0, as the input must be."""
        convolved = self.convolution(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        normed = self.norm(convolved.flatten(1, 2), lengths * convolved.shape[2])
        return torch.clamp(normed, 0, CLIP).view(convolved.shape)
