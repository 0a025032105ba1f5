"""The encoder ``layers``: a network described in the configuration, layer by layer.

The words and their options are those of Deepgram's Kur (https://github.com/deepgram/kur), whose files describe models
in the same way; docs/layers.md has them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dstoolkit.interfaces import Encoder
from dstoolkit.models.layers.description import describe
from dstoolkit.models.layers.network import Network, connect, outlet


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
    output: the name of the output to train, where the layers have several.
    """

    layers: tuple[Any, ...] = field(default_factory=example)
    output: str = ""

    def __post_init__(self) -> None:
        entries = describe(self.layers)
        if entries:
            connect(entries)
            outlet(entries, self.output)


class Layers(Encoder, nn.Module):
    """See the module."""

    name = "layers"
    Config = LayersConfig

    def __init__(self, config: LayersConfig, input_dim: int) -> None:
        """Raises ConfigError, naming the layer, where they do not fit together."""
        nn.Module.__init__(self)
        self.network = Network(describe(config.layers), input_dim, config.output)
        shape = self.network.shape
        self.output_dim = shape.fixed(1, "the last axis")
        self.ends_in_logits = self.network.ends_in_logits

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, frames, input_dim)``, ``(batch,)`` -> ``(batch, output_frames, output_dim)``, ``(batch,)``."""
        return self.network(frames, lengths).values, self.output_lengths(lengths)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """``(batch,)`` -> ``(batch,)``; 0 where a ``valid`` window does not fit into the utterance."""
        frames = self.network.shape.frames
        if frames is None:
            return torch.full_like(lengths, self.network.shape.fixed(0, "the first axis"))
        return frames.count(lengths)
