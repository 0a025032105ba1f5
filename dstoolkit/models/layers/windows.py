"""Words whose windows slide over axes: ``convolution`` and ``pool``. Channels are the last axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dstoolkit.models.checks import at_least_one
from dstoolkit.models.layers.container import Container, Described, several
from dstoolkit.models.layers.signals import Frames, Shape, Signal, cleaned, own, slide

CLOSED = -1.0  # a highway gate's first bias: it lets the input through (Srivastava et al. 2015, section 2.2)

Numbers = int | tuple[int, ...]


class Window(Container):
    """What both share: how a window of ``size`` and ``strides`` moves, and what lies beyond the ends."""

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        options, shape = self.options, shapes[0]
        count = len(shape) - 1
        size = options.size if isinstance(options.size, tuple) else (options.size,)
        if len(size) != count:
            raise ValueError(f"size has {len(size)} numbers; expected {count}, as the input is {shape}")
        self.size = several(size, count, "size")
        self.strides = several(options.strides, count, "strides")
        same = options.border == "same"
        self.margins = tuple(each - 1 if same else 0 for each in self.size)
        self.channels = shape.fixed(-1, "the last axis")

    def slid(self) -> tuple[int | Frames, ...]:
        """The sizes of the axes that the window moves over, after it. Raises ValueError where it does not fit."""
        found: list[int | Frames] = []
        steps = zip(self.margins, self.size, self.strides, strict=True)
        for old, step in zip(self.given[0].sizes, steps, strict=False):
            if isinstance(old, Frames):
                found.append(old.slid(*step))
                continue
            new = int(slide(torch.tensor(old), *step))
            if new < 1:
                raise ValueError(f"a window of {list(self.size)} does not fit into {self.given[0]}")
            found.append(new)
        return tuple(found)

    def padded(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """``(batch, channels, *axes)`` with its margins, and as many frames as make one window at least."""
        widths: list[int] = []
        for at, (margin, size) in enumerate(zip(self.margins, self.size, strict=True)):
            before = margin // 2
            short = max(0, size - values.shape[at + 2] - margin)
            widths = [before, margin - before + short, *widths]
        return nn.functional.pad(values, widths, value=fill) if any(widths) else values

    def lengths(self, signal: Signal) -> Tensor | None:
        time = self.time
        if signal.lengths is None or time is None:
            return signal.lengths
        return slide(signal.lengths, self.margins[time], self.size[time], self.strides[time])

    def result(self, values: Tensor, signal: Signal) -> Signal:
        return Signal(values.movedim(1, -1), self.lengths(signal), signal.rows)


@dataclass(frozen=True)
class ConvolutionOptions:
    """kernels: how many; the output's channels.
    size: of a kernel, a number for each axis but the channels': ``11``, or ``[11, 41]``.
    strides: the same, from one position to the next.
    border: ``same`` pads the ends with zeros; ``valid`` does not.
    separable: a kernel for each channel by itself, then kernels of size 1 over the channels.
    highway: the output is a mixture with the input, whose shares a second convolution decides.
    bias: add a constant to each channel.
    """

    kernels: int = 0
    size: Numbers = ()
    strides: Numbers = 1
    border: Literal["same", "valid"] = "same"
    separable: bool = False
    highway: bool = False
    bias: bool = True

    def __post_init__(self) -> None:
        at_least_one(self, "kernels")
        if self.size == ():
            raise ValueError("no size; expected a kernel's, such as 'size: 11'")


class Convolution(Window):
    """A convolution over one or two axes, with ReLU and the like as words of their own.

    ``highway``: y = t h + (1 - t) x with h the convolution, t = sigmoid of another (Srivastava et al. 2015, "Highway
    networks"). ``separable``: Chollet 2017, "Xception".
    """

    word = "convolution"
    Options = ConvolutionOptions

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        if len(self.size) not in (1, 2):
            raise ValueError(f"an input of {shapes[0]}; expected one or two axes and the channels")
        self.shape = Shape((*self.slid(), self.options.kernels))
        self.kernels = self.make()
        self.gate = self.make() if self.options.highway else None
        if self.gate is not None:
            if not self.shape.matches(shapes[0]):
                raise ValueError(f"highway from {shapes[0]} to {self.shape}; expected the same shape")
            if self.options.bias:
                nn.init.constant_(self.gate[-1].bias, CLOSED)  # type: ignore[arg-type]

    def make(self) -> nn.Sequential:
        kind = nn.Conv1d if len(self.size) == 1 else nn.Conv2d
        kernels, bias = self.options.kernels, self.options.bias
        if not self.options.separable:
            return nn.Sequential(kind(self.channels, kernels, self.size, self.strides, bias=bias))  # type: ignore[arg-type]
        apart = kind(self.channels, self.channels, self.size, self.strides, groups=self.channels, bias=False)  # type: ignore[arg-type]
        return nn.Sequential(apart, kind(self.channels, kernels, 1, bias=bias))

    def forward(self, *signals: Signal) -> Signal:
        image = cleaned(signals[0], self.time).movedim(-1, 1)
        padded = self.padded(image)
        found: Tensor = self.kernels(padded)
        if self.gate is not None:
            found = torch.lerp(image, found, self.gate(padded).sigmoid())
        return self.result(found, signals[0])


@dataclass(frozen=True)
class PoolOptions:
    """size: of the window, a number for each axis but the channels'.
    strides: the same, from one position to the next.
    type: ``max``, or ``average`` of what the utterance has in the window.
    border: ``valid`` moves the window within the input; ``same`` beyond its ends too.
    """

    size: Numbers = ()
    strides: Numbers = 1
    type: Literal["max", "average"] = "max"
    border: Literal["valid", "same"] = "valid"

    def __post_init__(self) -> None:
        if self.size == ():
            raise ValueError("no size; expected the window's, such as 'size: 2'")


class Pool(Window):
    """The largest or the mean value in a window, for each channel by itself; padding counts for nothing."""

    word = "pool"
    Options = PoolOptions
    short = "size"

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        if len(self.size) not in (1, 2):
            raise ValueError(f"an input of {shapes[0]}; expected one or two axes and the channels")
        self.shape = Shape((*self.slid(), self.channels))

    def forward(self, *signals: Signal) -> Signal:
        signal = signals[0]
        mask = own(signal, self.time)
        mask = torch.ones_like(signal.values, dtype=torch.bool) if mask is None else mask.expand_as(signal.values)
        found = self.largest(signal, mask) if self.options.type == "max" else self.mean(signal, mask)
        return self.result(found, signal)

    def largest(self, signal: Signal, mask: Tensor) -> Tensor:
        lowest = torch.finfo(signal.values.dtype).min
        image = self.padded(signal.values.masked_fill(~mask, lowest).movedim(-1, 1), lowest)
        pool = nn.functional.max_pool1d if len(self.size) == 1 else nn.functional.max_pool2d
        found: Tensor = pool(image, self.size, self.strides)
        return found.masked_fill(found == lowest, 0.0)  # windows that hold nothing but padding

    def mean(self, signal: Signal, mask: Tensor) -> Tensor:
        pool = nn.functional.avg_pool1d if len(self.size) == 1 else nn.functional.avg_pool2d
        sums, counts = (
            pool(self.padded(each.movedim(-1, 1)), self.size, self.strides)
            for each in (signal.values.masked_fill(~mask, 0.0), mask.to(signal.values.dtype))
        )
        smallest = 0.5 / torch.tensor(self.size).prod().item()
        return sums / counts.clamp(min=smallest)
