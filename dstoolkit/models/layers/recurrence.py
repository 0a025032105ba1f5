"""The word ``recurrent``: LSTM, GRU or SRU over one axis, in one direction or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dstoolkit.models import directions
from dstoolkit.models.checks import at_least_one
from dstoolkit.models.gru import GRU
from dstoolkit.models.layers.cells import ActivatedGRU, ActivatedLSTM
from dstoolkit.models.layers.container import Container, Described
from dstoolkit.models.layers.signals import Shape, Signal, cleaned
from dstoolkit.models.masking import reversal, take_frames
from dstoolkit.models.sru import SRU

Outer = Literal["relu", "tanh", "sigmoid", "none"]


@dataclass(frozen=True)
class RecurrentOptions:
    """size: units; of both directions together where they are put side by side (``merge: concat``).
    type: lstm, gru or sru.
    sequence: give an output for each frame; false: the last one only.
    bidirectional: also read backwards.
    merge: what becomes of the two directions: multiply, add, average (what is not said otherwise) or concat.
    outer_activation: of the candidate state of a ``gru`` and of the cell of an ``lstm`` or ``sru``.
    """

    size: int = 0
    type: Literal["lstm", "gru", "sru"] = "gru"
    sequence: bool = True
    bidirectional: bool = False
    merge: Literal["multiply", "add", "average", "concat"] | None = None
    outer_activation: Outer = "tanh"

    def __post_init__(self) -> None:
        at_least_one(self, "size")
        if self.merge is not None and not self.bidirectional:
            raise ValueError(f"merge is {self.merge!r}; it is for bidirectional: true")
        if self.merge == "concat" and self.size % 2:
            raise ValueError(
                f"size is {self.size} with merge 'concat'; expected an even number, half for each direction"
            )


class RecurrentLayer(Container):
    """A recurrent layer over the first axis of ``(frames, dim)``, or of two fixed axes.

    Each direction runs over the padded batch, the backward one over utterances reversed within their own lengths
    (``models/recurrent.py`` says why).
    """

    word = "recurrent"
    Options = RecurrentOptions

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        options, shape = self.options, shapes[0]
        if len(shape) != 2:
            raise ValueError(f"an input of {shape}; expected two axes: what is read in order, and its values")
        dim = shape.fixed(1, "the last axis")
        units = options.size // 2 if options.merge == "concat" else options.size
        count = 2 if options.bidirectional else 1
        self.directions = nn.ModuleList(cell(options, dim, units) for _ in range(count))
        self.shape = Shape((shape.sizes[0], options.size) if options.sequence else (options.size,))

    def forward(self, *signals: Signal) -> Signal:
        signal = signals[0]
        batch = cleaned(signal, self.time)
        lengths = signal.lengths
        if lengths is None or self.time is None:
            lengths = torch.full((len(batch),), batch.shape[1], device=batch.device)
        outputs = self.read(batch, lengths)
        if self.options.sequence:
            return signal._replace(values=self.merged(outputs))
        last = [last_frames(each, lengths) for each in outputs]
        return Signal(self.merged(last), None if self.time is not None else signal.lengths, signal.rows)

    def read(self, batch: Tensor, lengths: Tensor) -> list[Tensor]:
        """Each direction's output, in the order in which it reads if only its last is wanted."""
        if len(self.directions) == 1:
            return [self.directions[0](batch.transpose(0, 1))[0].transpose(0, 1)]
        backwards = reversal(lengths, batch.shape[1])
        inputs = [each.transpose(0, 1) for each in (batch, take_frames(batch, backwards))]
        first, second = [each.transpose(0, 1) for each in directions.run(inputs, list(self.directions))]
        return [first, take_frames(second, backwards) if self.options.sequence else second]

    def merged(self, outputs: list[Tensor]) -> Tensor:
        if len(outputs) == 1:
            return outputs[0]
        first, second = outputs
        if self.options.merge == "concat":
            return torch.cat(outputs, dim=-1)
        if self.options.merge == "multiply":
            return first * second
        return first + second if self.options.merge == "add" else (first + second) / 2


def cell(options: RecurrentOptions, dim: int, size: int) -> nn.Module:
    """One direction: ``(frames, batch, dim)`` -> ``(frames, batch, size)`` and its last state."""
    if options.type == "sru":
        return SRU(dim, size, options.outer_activation)
    if options.outer_activation != "tanh":
        kind = ActivatedGRU if options.type == "gru" else ActivatedLSTM
        return kind(dim, size, options.outer_activation)
    return GRU(dim, size) if options.type == "gru" else nn.LSTM(dim, size)


def last_frames(batch: Tensor, lengths: Tensor) -> Tensor:
    """``(batch, frames, dim)`` -> each row's last own frame ``(batch, dim)``; 0 where it has none."""
    at = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, batch.shape[2])
    return batch.gather(1, at)[:, 0].masked_fill((lengths == 0)[:, None], 0.0)
