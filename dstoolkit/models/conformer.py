"""The encoder ``conformer``: self-attention for what is far, convolution for what is near.

Gulati et al. 2020, "Conformer: convolution-augmented transformer for speech recognition": frames are thinned out by
convolutions of stride 2; each block adds to its input half of a feed-forward layer, self-attention, a convolution and
half of another feed-forward layer, and is normalised at its end. Different here: positions enter the attention by
rotation (``rotary.py``) instead of a table of relative ones, and the thinning out convolves each channel by itself from
the second step on, as in Rekesh et al. 2023, "Fast Conformer".

Padding is no key of the attention and is 0 to every convolution; as a query it gives what is not defined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from dstoolkit.interfaces import Encoder
from dstoolkit.models.checks import at_least_one, check_intermediate, check_share
from dstoolkit.models.depthwise import Depthwise
from dstoolkit.models.masking import MaskedBatchNorm, SequenceDropout, frame_mask, zero_padding
from dstoolkit.models.rotary import rotated, turns


@dataclass(frozen=True)
class ConformerConfig:
    """The sizes of a conformer.

    stride: frames from one output frame to the next: 2, 4 or 8.
    channels: channels of the convolutions that thin frames out.
    size: values of a frame within the blocks; ``heads`` times an even number.
    layers: blocks.
    heads: of the self-attention.
    expansion: how many times as wide the feed-forward layers are inside.
    kernel_size: frames that a block's convolution covers (odd).
    dropout: probability of each branch's values, and within the feed-forward layers; one mask per utterance.
    layer_drop: probability that an utterance skips the last block in training; it rises to it evenly from the first
        (Huang et al. 2016, "Deep networks with stochastic depth").
    intermediate: blocks, counted from 1, that the loss hears too in training (Lee & Watanabe 2021).
    """

    stride: Literal[2, 4, 8] = 4
    channels: int = 32
    size: int = 144
    layers: int = 8
    heads: int = 4
    expansion: int = 4
    kernel_size: int = 15
    dropout: float = 0.1
    layer_drop: float = 0.0
    intermediate: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        at_least_one(self, "channels", "size", "layers", "heads", "expansion", "kernel_size")
        check_share("dropout", self.dropout)
        check_share("layer_drop", self.layer_drop)
        check_intermediate(self.intermediate, self.layers)
        if self.size % (2 * self.heads):
            raise ValueError(f"size is {self.size}; expected a multiple of {2 * self.heads}, twice the heads")
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size}; expected an odd number")


class Conformer(Encoder, nn.Module):
    """See the module. Output frames: ``ceil(frames / stride)``."""

    name = "conformer"
    Config = ConformerConfig

    def __init__(self, config: ConformerConfig, input_dim: int) -> None:
        nn.Module.__init__(self)
        self.config = config
        self.output_dim = config.size
        self.thinning = Thinning(config, input_dim)
        drops = [config.layer_drop * at / config.layers for at in range(1, config.layers + 1)]
        self.blocks = nn.ModuleList(Block(config, drop) for drop in drops)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor | list[Tensor], Tensor]:
        """``(batch, frames, input_dim)``, ``(batch,)`` -> ``(batch, output_frames, size)``, ``(batch,)``."""
        hidden, lengths = self.thinning(zero_padding(frames, lengths), lengths)
        keys = frame_mask(lengths.clamp(min=1), hidden.shape[1])  # no key at all would make an empty utterance NaN
        turn = turns(hidden.shape[1], self.config.size // self.config.heads, hidden.device)
        outputs = []
        for block in self.blocks:
            hidden = block(hidden, lengths, keys, turn)
            outputs.append(hidden)
        if self.training and self.config.intermediate:
            return [hidden, *(outputs[layer - 1] for layer in self.config.intermediate)], lengths
        return hidden, lengths

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """``(batch,)`` -> ``(batch,)``."""
        return (lengths + self.config.stride - 1).div(self.config.stride, rounding_mode="floor")


def halved(lengths: Tensor) -> Tensor:
    """How many frames a convolution of 3 frames with stride 2 and padding 1 gives."""
    return (lengths + 1).div(2, rounding_mode="floor")


class Thinning(nn.Module):
    """Convolutions over 3 frames by 3 values, each of which halves both, and a dense layer to the blocks' size."""

    def __init__(self, config: ConformerConfig, input_dim: int) -> None:
        super().__init__()
        channels, dim = config.channels, -(-input_dim // 2)
        self.steps = nn.ModuleList([nn.Conv2d(1, channels, 3, 2, 1)])
        for _ in range(config.stride.bit_length() - 2):
            apart = nn.Conv2d(channels, channels, 3, 2, 1, groups=channels, bias=False)
            self.steps.append(nn.Sequential(apart, nn.Conv2d(channels, channels, 1)))
            dim = -(-dim // 2)
        self.dense = nn.Linear(channels * dim, config.size)
        self.dropout = SequenceDropout(config.dropout)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, frames, input_dim)``, 0 beyond ``lengths``, to ``(batch, output_frames, size)`` and its lengths."""
        image = frames[:, None]  # (batch, channels, frames, values)
        for step in self.steps:
            lengths = halved(lengths)
            image = nn.functional.silu(step(image))
            image = image * frame_mask(lengths, image.shape[2])[:, None, :, None].to(image.dtype)
        return self.dropout(self.dense(image.transpose(1, 2).flatten(2))), lengths


class Block(nn.Module):
    """One block of the paper's figure 1, on ``(batch, frames, size)``."""

    def __init__(self, config: ConformerConfig, drop: float) -> None:
        super().__init__()
        self.drop = drop
        self.first, self.second = feed_forward(config), feed_forward(config)
        self.attention, self.convolution = Attention(config), Convolution(config)
        self.norm = nn.LayerNorm(config.size)

    def forward(self, hidden: Tensor, lengths: Tensor, keys: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        """``keys`` ``(batch, frames)``: the frames that may be attended to; ``turn``: of ``rotary.turns``."""
        scale = self.scale(hidden)
        hidden = hidden + 0.5 * scale * self.first(hidden)
        hidden = hidden + scale * self.attention(hidden, keys, turn)
        hidden = hidden + scale * self.convolution(hidden, lengths)
        hidden = hidden + 0.5 * scale * self.second(hidden)
        normed: Tensor = self.norm(hidden)
        return normed

    def scale(self, hidden: Tensor) -> Tensor | float:
        """0 for an utterance that skips the block, and for the others what keeps the mean."""
        if not self.training or self.drop == 0:
            return 1.0
        return nn.functional.dropout(hidden.new_ones(len(hidden), 1, 1), self.drop)


def feed_forward(config: ConformerConfig) -> nn.Module:
    inner = config.size * config.expansion
    return nn.Sequential(
        nn.LayerNorm(config.size),
        nn.Linear(config.size, inner),
        nn.SiLU(),
        SequenceDropout(config.dropout),
        nn.Linear(inner, config.size),
        SequenceDropout(config.dropout),
    )


class Attention(nn.Module):
    """Self-attention with rotary positions (Vaswani et al. 2017; Su et al. 2021)."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.size)
        self.project = nn.Linear(config.size, 3 * config.size)
        self.dense = nn.Linear(config.size, config.size)
        self.dropout = SequenceDropout(config.dropout)

    def forward(self, hidden: Tensor, keys: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        projected = self.project(self.norm(hidden)).unflatten(2, (3, self.heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each (batch, heads, frames, size / heads)
        attended = nn.functional.scaled_dot_product_attention(
            rotated(query, turn), rotated(key, turn), value, keys[:, None, None, :]
        )
        output: Tensor = self.dropout(self.dense(attended.transpose(1, 2).flatten(2)))
        return output


class Convolution(nn.Module):
    """A gated dense layer, a depthwise convolution over time with batch norm, and a dense layer."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        margin = config.kernel_size // 2
        self.norm = nn.LayerNorm(config.size)
        self.gated = nn.Linear(config.size, 2 * config.size)
        self.depthwise = Depthwise(config.size, margin, margin)
        self.batch_norm = MaskedBatchNorm(config.size)
        self.dense = nn.Linear(config.size, config.size)
        self.dropout = SequenceDropout(config.dropout)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        gated = nn.functional.glu(self.gated(self.norm(hidden)), dim=2)
        own = frame_mask(lengths, hidden.shape[1])[:, :, None].to(gated.dtype)
        near = nn.functional.silu(self.batch_norm(self.depthwise(gated * own), lengths))
        output: Tensor = self.dropout(self.dense(near))
        return output
