"""QuartzNet: 1-D time-channel separable convolutions in residual blocks, no recurrence.

Kriman et al. 2020, "QuartzNet: Deep automatic speech recognition with 1D time-channel separable convolutions",
arXiv:1910.10261, table 1. A separable convolution is one kernel per channel over time, then a 1 x 1 convolution over
channels: for wide kernels it has far fewer weights than a full convolution. The paper's networks with blocks 5 x 5,
10 x 5 and 15 x 5 are ``repeats`` 1, 2 and 3 (6.7, 12.8 and 18.9 million parameters). The last separable layer has
dilation 2, as in NVIDIA's published configuration. The paper's final layer, to the vocabulary, is dstoolkit's.

Every convolution sees zeros in the padding and batch normalisation counts real frames alone, so an utterance gets the
same output in any batch.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dstoolkit.interfaces import Encoder
from dstoolkit.models.masking import MaskedBatchNorm, zero_padding

FIRST = (256, 33)  # channels and kernel, in frames, of the first layer
BLOCKS = ((256, 33), (256, 39), (512, 51), (512, 63), (512, 75))
LAST = (512, 87)
DILATION = 2  # of the last separable layer
TOP = 1024  # channels of the last layer


@dataclass(frozen=True)
class QuartzConfig:
    """The sizes of a QuartzNet.

    repeats: how often each of the five blocks comes (the paper's 5 x 5, 10 x 5 and 15 x 5: 1, 2, 3).
    modules: separable convolutions in a block.
    width: factor on every layer's channels; 0.25 suits an hour of speech.
    stride: frames from one output frame to the next.
    dropout: probability, after each separable convolution.
    """

    repeats: int = 1
    modules: int = 5
    width: float = 1.0
    stride: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("repeats", "modules", "stride"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if not self.channels(FIRST[0]):
            raise ValueError(f"width is {self.width:g}; expected at least {1 / FIRST[0]:g}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected 0 to below 1")

    def channels(self, full: int) -> int:
        return int(self.width * full)


class Separable(nn.Module):
    """One kernel per channel over time, a 1 x 1 convolution over channels, masked batch norm; no activation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        margin = dilation * (kernel // 2)  # kernels are odd: without stride the length stays
        self.depthwise = nn.Conv1d(inputs, inputs, kernel, stride, margin, dilation, groups=inputs, bias=False)
        self.pointwise = nn.Conv1d(inputs, outputs, 1, bias=False)
        self.norm = MaskedBatchNorm(outputs)

    def forward(self, batch: Tensor, lengths: Tensor) -> Tensor:
        """``(batch, frames, inputs)``, 0 in its padding -> ``(batch, output_frames, outputs)``, 0 in its padding.

        ``lengths`` are the output's.
        """
        hidden = self.pointwise(self.depthwise(batch.transpose(1, 2))).transpose(1, 2)
        normed: Tensor = self.norm(hidden, lengths)
        return normed


class Block(nn.Module):
    """Separable convolutions with ReLU between; the input, through a 1 x 1 convolution, joins before the last ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, modules: int, dropout: float) -> None:
        super().__init__()
        sizes = [inputs] + [outputs] * modules
        pairs = itertools.pairwise(sizes)
        self.layers = nn.ModuleList(Separable(before, after, kernel) for before, after in pairs)
        self.shortcut = nn.Linear(inputs, outputs, bias=False)  # a 1 x 1 convolution, frames before channels
        self.norm = MaskedBatchNorm(outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: Tensor, lengths: Tensor) -> Tensor:
        """``(batch, frames, inputs)`` -> ``(batch, frames, outputs)``."""
        hidden = batch
        for layer in self.layers[:-1]:
            hidden = self.dropout(layer(hidden, lengths).relu())
        shortcut = self.norm(self.shortcut(batch), lengths)
        joined: Tensor = self.dropout((self.layers[-1](hidden, lengths) + shortcut).relu())
        return joined


class Quartz(Encoder, nn.Module):
    """See the module. Output frames: ``ceil(frames / stride)``."""

    name = "quartz"
    Config = QuartzConfig

    def __init__(self, config: QuartzConfig, input_dim: int) -> None:
        nn.Module.__init__(self)
        self.config = config
        dim = config.channels(FIRST[0])
        self.first = Separable(input_dim, dim, FIRST[1], config.stride)
        self.blocks = nn.ModuleList()
        for full, kernel in BLOCKS:
            for _ in range(config.repeats):
                self.blocks.append(Block(dim, config.channels(full), kernel, config.modules, config.dropout))
                dim = config.channels(full)
        self.last = Separable(dim, config.channels(LAST[0]), LAST[1], dilation=DILATION)
        self.output_dim = config.channels(TOP)
        self.top = nn.Linear(config.channels(LAST[0]), self.output_dim, bias=False)
        self.norm = MaskedBatchNorm(self.output_dim)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, frames, input_dim)``, ``(batch,)`` -> ``(batch, output_frames, output_dim)``, ``(batch,)``."""
        hidden = zero_padding(frames, lengths)
        lengths = self.output_lengths(lengths)
        hidden = self.first(hidden, lengths).relu()
        for block in self.blocks:
            hidden = block(hidden, lengths)
        hidden = self.last(hidden, lengths).relu()
        return self.norm(self.top(hidden), lengths).relu(), lengths

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """``(batch,)`` -> ``(batch,)``."""
        return torch.div(lengths + self.config.stride - 1, self.config.stride, rounding_mode="floor")
