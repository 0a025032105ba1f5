"""The encoder ``layers``: a network described in the configuration, layer by layer.

The words and their options are those of Deepgram's Kur (https://github.com/deepgram/kur), whose files describe models
in the same way; docs/layers.md has them all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dstoolkit.interfaces import Encoder, Outlet
from dstoolkit.models.layers.description import describe
from dstoolkit.models.layers.network import End, Network, connect, outlet


def example() -> tuple[Any, ...]:
    """A convolution and two recurrent layers, with batch normalisation between."""
    recurrent: Mapping[str, Any] = {"size": 256, "type": "lstm", "bidirectional": True, "merge": "concat"}
    return (
        {"convolution": {"kernels": 128, "size": 11, "strides": 4}},
        {"activation": "relu"},
        "batch_normalization",
        {"for": {"range": 2, "iterate": [{"recurrent": recurrent}, "batch_normalization"]}},
    )


@dataclass(frozen=True)
class LayersConfig:
    """The network's description.

    layers: the layers, one after another (docs/layers.md). Where they end in ``softmax``, they are the whole network,
        with at least as many values as the vocabulary has tokens, the blank included; otherwise a dense layer follows.
    output: the name of the output that is decoded, where the layers have several; the first of ``losses`` else.
    losses: the outputs that are trained, each with the weight of its loss in the sum; none: ``output`` alone, by 1.
    """

    layers: tuple[Any, ...] = field(default_factory=example)
    output: str = ""
    losses: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.losses and self.main not in self.losses:
            raise ValueError(f"losses has no {self.main!r}, which is decoded; expected its weight too")
        for name, weight in self.losses.items():
            if not 0 < weight < math.inf:
                raise ValueError(f"losses.{name} is {weight}; expected a weight above 0; leave out what is not trained")
        entries = describe(self.layers)
        if entries:
            connect(entries)
            outlet(entries, self.main)
            for name in self.more:
                outlet(entries, name, f"losses.{name}")

    @property
    def main(self) -> str:
        """The output that is decoded."""
        return self.output or next(iter(self.losses), "")

    @property
    def more(self) -> tuple[str, ...]:
        """The others that are trained."""
        return tuple(name for name in self.losses if name != self.main)


class Layers(Encoder, nn.Module):
    """See the module."""

    name = "layers"
    Config = LayersConfig

    def __init__(self, config: LayersConfig, input_dim: int) -> None:
        """Raises ConfigError, naming the layer, where they do not fit together."""
        nn.Module.__init__(self)
        self.network = Network(describe(config.layers), input_dim, config.main, config.more)
        self.output_dim = dim(self.network.ends[0])
        self.ends_in_logits = self.network.ends_in_logits
        names = (config.main, *config.more) if config.losses else ()
        self.outlets = tuple(
            Outlet(name, dim(end), end.logits, config.losses[name])
            for name, end in zip(names, self.network.ends, strict=False)
        )

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor] | tuple[list[Tensor], list[Tensor]]:
        """``(batch, frames, input_dim)``, ``(batch,)`` -> ``(batch, output_frames, output_dim)``, ``(batch,)``."""
        if self.training and self.outlets:
            return self.every(frames, lengths)
        return self.network(frames, lengths).values, self.output_lengths(lengths)

    def every(self, frames: Tensor, lengths: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return [each.values for each in self.network.every(frames, lengths)], self.every_lengths(lengths)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """``(batch,)`` -> ``(batch,)``; 0 where a ``valid`` window does not fit into the utterance."""
        return counted(self.network.ends[0], lengths)

    def every_lengths(self, lengths: Tensor) -> list[Tensor]:
        return [counted(end, lengths) for end in self.network.ends]


def dim(end: End) -> int:
    """Values per frame."""
    return end.shape.fixed(1, "the last axis")


def counted(end: End, lengths: Tensor) -> Tensor:
    """Input frames ``(batch,)`` -> frames at the end."""
    frames = end.shape.frames
    return torch.full_like(lengths, end.shape.fixed(0, "the first axis")) if frames is None else frames.count(lengths)
