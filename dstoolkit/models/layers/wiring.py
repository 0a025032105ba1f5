"""Words about the network's lines: ``input``, ``output``, ``merge``, ``reuse``, ``parallel``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dstoolkit.models.layers.container import Build, Container, Described, Unchanging
from dstoolkit.models.layers.signals import Shape, Signal
from dstoolkit.models.masking import frame_mask


@dataclass(frozen=True)
class InputOptions:
    """name: what the data is called.
    shape: what is expected of it, null for the number of frames: ``[null, 81]``.
    """

    name: str = ""
    shape: tuple[int | None, ...] = ()


class Input(Unchanging):
    """Where the frames come in; refuses others than ``shape`` says."""

    word = "input"
    Options = InputOptions
    short = "name"

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        wanted = self.options.shape
        found = tuple(size if isinstance(size, int) else None for size in self.shape.sizes)
        if wanted and not (
            len(wanted) == len(found) and all(mine in (None, size) for mine, size in zip(wanted, found, strict=True))
        ):
            raise ValueError(f"the data is {self.shape}; the description says {list(wanted)}")


@dataclass(frozen=True)
class OutputOptions:
    """name: what the output is called."""

    name: str = ""


class Output(Unchanging):
    """Marks the layer before as an output."""

    word = "output"
    Options = OutputOptions
    short = "name"


@dataclass(frozen=True)
class MergeOptions:
    """mode: average, multiply, add or concat.
    axis: along which ``concat`` puts the inputs one after another.
    """

    mode: Literal["average", "multiply", "add", "concat"] = "concat"
    axis: int = -1

    def __post_init__(self) -> None:
        if self.axis != -1 and self.mode != "concat":
            raise ValueError(f"axis with mode {self.mode!r}; only 'concat' has one")


class Merge(Container):
    """Several inputs as one. They must have the same shape, but for the axis of ``concat``."""

    word = "merge"
    Options = MergeOptions
    short = "mode"
    many = True

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        if len(shapes) < 2:
            raise ValueError("one input; expected several, named by 'inputs: [...]' beside it")
        self.axis = shapes[0].axis(self.options.axis)
        compared = [self.without(each) if self.options.mode == "concat" else each for each in shapes]
        if not all(each.matches(compared[0]) for each in compared):
            raise ValueError(f"inputs of {', '.join(map(str, shapes))}; expected one shape and one count of frames")
        self.shape = shapes[0]
        if self.options.mode == "concat":
            total = sum(each.fixed(self.axis, f"axis {self.options.axis}") for each in shapes)
            self.shape = Shape((*shapes[0].sizes[: self.axis], total, *shapes[0].sizes[self.axis + 1 :]))

    def without(self, shape: Shape) -> Shape:
        at = shape.axis(self.options.axis)
        return Shape((*shape.sizes[:at], *shape.sizes[at + 1 :]))

    def forward(self, *signals: Signal) -> Signal:
        frames = [signal.values.shape[self.time + 1] for signal in signals] if self.time is not None else []
        values = [
            each.values if self.time is None else each.values.narrow(self.time + 1, 0, min(frames)) for each in signals
        ]
        return signals[0]._replace(values=self.merged(values))

    def merged(self, values: list[Tensor]) -> Tensor:
        if self.options.mode == "concat":
            return torch.cat(values, dim=self.axis + 1)
        stacked = torch.stack(values)
        if self.options.mode == "multiply":
            return stacked.prod(dim=0)
        return stacked.sum(dim=0) if self.options.mode == "add" else stacked.mean(dim=0)


@dataclass(frozen=True)
class ReuseOptions:
    """target: the name of an earlier layer."""

    target: str = ""

    def __post_init__(self) -> None:
        if not self.target:
            raise ValueError("no target; expected the name of an earlier layer")


class Reuse(Container):
    """An earlier layer once more, with the same weights. ``aim`` says which, before the first ``forward``."""

    word = "reuse"
    Options = ReuseOptions
    short = "target"
    many = True

    def aim(self, target: Container) -> None:
        """Raises ValueError where what comes in is of another shape than the target was made for."""
        self.target = (target,)  # in a tuple it is not registered a second time, nor saved twice
        if len(self.given) != len(target.given) or not all(
            len(mine) == len(its) and mine.time == its.time and mine.matches(its)
            for mine, its in zip(self.given, target.given, strict=True)
        ):
            mine, its = (", ".join(map(str, each)) for each in (self.given, target.given))
            raise ValueError(
                f"'{self.options.target}' was made for {its}; here comes {mine}, or other counts of frames"
            )
        self.shape = target.shape

    def forward(self, *signals: Signal) -> Signal:
        found: Signal = self.target[0](*signals)
        return found


@dataclass(frozen=True)
class ParallelOptions:
    """apply: layers, one after another, for each element of the first axis by itself."""

    apply: tuple[Any, ...] = ()


class Parallel(Container):
    """The same layers for every element of the first axis, such as every frame (Keras' TimeDistributed)."""

    word = "parallel"
    Options = ParallelOptions
    short = "apply"
    holds = "apply"

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        if len(shapes[0]) < 2:
            raise ValueError(f"an input of {shapes[0]}; expected an axis whose elements it is applied to, and more")
        self.layers = nn.ModuleList()

    def fill(self, described: Described, build: Build) -> None:
        """Make the layers within."""
        first, *rest = self.given[0].sizes
        shape = Shape(tuple(rest))
        for each in described.inner:
            layer = build(each, [shape])
            self.layers.append(layer)
            shape = layer.shape
        self.shape = Shape((first, *shape.sizes))

    def forward(self, *signals: Signal) -> Signal:
        signal = signals[0]
        values = signal.values
        inner = self.within(signal)
        for layer in self.layers:
            inner = layer(inner)
        found = inner.values.view(*values.shape[:2], *inner.values.shape[1:])
        lengths = signal.lengths if self.time == 0 or inner.lengths is None else inner.lengths[:: values.shape[1]]
        return Signal(found, lengths, signal.rows)

    def within(self, signal: Signal) -> Signal:
        """``(batch, first, ...)`` as ``(batch x first, ...)``."""
        count = signal.values.shape[1]
        flat = signal.values.flatten(0, 1)
        if self.time == 0:
            assert signal.lengths is not None
            return Signal(flat, None, frame_mask(signal.lengths, count).flatten())
        lengths, rows = (None if each is None else each.repeat_interleave(count) for each in signal[1:])
        return Signal(flat, lengths, rows)
