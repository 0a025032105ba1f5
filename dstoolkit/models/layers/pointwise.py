"""Words that leave the axes where they are: ``dense``, ``activation``, ``batch_normalization``, ``dropout``,
``embedding``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dstoolkit.models.activations import ACTIVATIONS
from dstoolkit.models.checks import at_least_one, check_share
from dstoolkit.models.layers.container import Container, Described, Unchanging, several
from dstoolkit.models.layers.shaping import flattened
from dstoolkit.models.layers.signals import Shape, Signal, cleaned
from dstoolkit.models.layers.windows import CLOSED
from dstoolkit.models.masking import MaskedBatchNorm

ActivationName = Literal["softmax", "relu", "tanh", "sigmoid", "none"]


@dataclass(frozen=True)
class DenseOptions:
    """size: units; a list: of so many layers, one after another.
    flatten: join all axes before.
    highway: the output is a mixture with the input, whose shares a second layer decides.
    bias: add a constant to each unit.
    """

    size: int | tuple[int, ...] = ()
    flatten: bool = False
    highway: bool = False
    bias: bool = True

    def __post_init__(self) -> None:
        if self.size == ():
            raise ValueError("no size; expected a number of units, or a list of them")


class Dense(Container):
    """Matrix products over the last axis. ``highway`` as in ``convolution``."""

    word = "dense"
    Options = DenseOptions
    short = "size"

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        size = self.options.size
        sizes = several(size, len(size) if isinstance(size, tuple) else 1, "size")
        before = flattened(shapes[0]) if self.options.flatten else shapes[0]
        dims = [before.fixed(-1, "the last axis"), *sizes]
        self.layers, self.gates = nn.ModuleList(), nn.ModuleList()
        for old, new in itertools.pairwise(dims):
            self.layers.append(nn.Linear(old, new, bias=self.options.bias))
            if self.options.highway:
                self.gates.append(self.gate(old, new))
        self.shape = Shape((*before.sizes[:-1], dims[-1]))

    def gate(self, old: int, new: int) -> nn.Linear:
        if old != new:
            raise ValueError(f"highway from {old} to {new} values; expected as many units as values come in")
        gate = nn.Linear(old, new, bias=self.options.bias)
        if self.options.bias:
            nn.init.constant_(gate.bias, CLOSED)
        return gate

    def forward(self, *signals: Signal) -> Signal:
        values = signals[0].values
        if self.options.flatten:
            values = values.flatten(1)
        for at, layer in enumerate(self.layers):
            found = layer(values)
            values = torch.lerp(values, found, self.gates[at](values).sigmoid()) if self.options.highway else found
        return signals[0]._replace(values=values)


@dataclass(frozen=True)
class ActivationOptions:
    """type: softmax (over the last axis), relu, tanh, sigmoid or none.
    ceiling: the most that ``relu`` gives.
    leak: the slope of ``relu`` below 0.
    """

    type: ActivationName = "none"
    ceiling: float | None = None
    leak: float = 0.0

    def __post_init__(self) -> None:
        for name, default in (("ceiling", None), ("leak", 0.0)):
            if getattr(self, name) != default and self.type != "relu":
                raise ValueError(f"{name} with type {self.type!r}; only 'relu' has one")
        if self.ceiling is not None and self.ceiling <= 0:
            raise ValueError(f"ceiling is {self.ceiling:g}; expected more than 0")
        check_share("leak", self.leak)


class Activation(Unchanging):
    """A function of each value; ``softmax`` of the last axis."""

    word = "activation"
    Options = ActivationOptions
    short = "type"

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        if self.options.type == "softmax":
            self.shape.fixed(-1, "the last axis")

    def forward(self, *signals: Signal) -> Signal:
        return signals[0]._replace(values=self.apply_to(signals[0].values))

    def apply_to(self, values: Tensor) -> Tensor:
        options = self.options
        if options.type == "softmax":
            return values.softmax(dim=-1)
        leaky = bool(options.leak)
        values = nn.functional.leaky_relu(values, options.leak) if leaky else ACTIVATIONS[options.type](values)
        return values if options.ceiling is None else values.clamp(max=options.ceiling)


@dataclass(frozen=True)
class BatchNormalizationOptions:
    """axis: whose values each have a mean and a variance of their own, after the batch's; negative: from the end.
    momentum: the share of the running statistics that a batch leaves.
    """

    axis: int = -1
    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_share("momentum", self.momentum)


class BatchNormalization(Unchanging):
    """Batch normalisation of what belongs to utterances (``models.masking.MaskedBatchNorm``)."""

    word = "batch_normalization"
    Options = BatchNormalizationOptions
    short = "axis"

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        self.axis = self.shape.axis(self.options.axis)
        self.norm = MaskedBatchNorm(self.shape.fixed(self.axis, f"axis {self.options.axis}"))
        self.norm.norm.momentum = 1 - self.options.momentum
        self.fixed = described.freeze

    def train(self, mode: bool = True) -> BatchNormalization:
        """A frozen one keeps its running statistics."""
        super().train(mode and not self.fixed)
        return self

    def forward(self, *signals: Signal) -> Signal:
        signal = signals[0]
        values, lengths = self.rows(signal)
        found = self.norm(values.flatten(1, -2), lengths).view(values.shape)
        return signal._replace(values=self.back(found))

    def rows(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """``(batch, frames, ..., dim)`` without padding, and how many rows before ``dim`` are each utterance's own."""
        values = cleaned(signal, self.time).movedim(self.axis + 1, -1)
        time = self.time
        if time is not None:
            values = values.movedim(self.moved(time), 1)
        if values.dim() == 2:
            values = values[:, None]
        whole = values.shape[1:-1].numel()
        if signal.lengths is not None and time is not None:
            lengths = signal.lengths * (whole // max(values.shape[1], 1))
        else:
            lengths = torch.full((len(values),), whole, device=values.device)
        return values, lengths if signal.rows is None else lengths * signal.rows

    def moved(self, time: int) -> int:
        """Where the axis of frames is, with the batch's, once the normalised one is the last."""
        return time + 1 - (self.axis < time)

    def back(self, found: Tensor) -> Tensor:
        if self.time is not None:
            found = found.movedim(1, self.moved(self.time))
        elif len(self.shape) == 1:
            found = found[:, 0]
        return found.movedim(-1, self.axis + 1)


@dataclass(frozen=True)
class DropoutOptions:
    """fraction: of the values that training sets to 0.
    independent: each value by itself; false: a whole channel (the last axis) of an utterance at once.
    """

    fraction: float = 0.0
    independent: bool = True

    def __post_init__(self) -> None:
        check_share("fraction", self.fraction)


class Dropout(Unchanging):
    """Dropout (Srivastava et al. 2014); of whole channels, Tompson et al. 2015 and Gal & Ghahramani 2016."""

    word = "dropout"
    Options = DropoutOptions
    short = "fraction"

    def forward(self, *signals: Signal) -> Signal:
        values = signals[0].values
        if not self.training or self.options.fraction == 0:
            return signals[0]
        if self.options.independent:
            return signals[0]._replace(values=nn.functional.dropout(values, self.options.fraction))
        ones = values.new_ones(len(values), *[1] * (values.dim() - 2), values.shape[-1])
        return signals[0]._replace(values=values * nn.functional.dropout(ones, self.options.fraction))


@dataclass(frozen=True)
class EmbeddingOptions:
    """vocab_size: how many labels there are, from 0.
    size: values that each becomes.
    """

    vocab_size: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        at_least_one(self, "vocab_size", "size")


class Embedding(Container):
    """A vector for each whole number, whose values are learned: adds an axis at the end."""

    word = "embedding"
    Options = EmbeddingOptions

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        self.shape = Shape((*shapes[0].sizes, self.options.size))
        self.vectors = nn.Embedding(self.options.vocab_size, self.options.size)

    def forward(self, *signals: Signal) -> Signal:
        """Raises ValueError for a label that is not there (on a CPU; on a GPU torch stops)."""
        labels = cleaned(signals[0], self.time).round().long()
        if labels.device.type == "cpu" and labels.numel():
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= self.options.vocab_size:
                raise ValueError(f"labels of {low} to {high}; the embedding has 0 to {self.options.vocab_size - 1}")
        return signals[0]._replace(values=self.vectors(labels))
