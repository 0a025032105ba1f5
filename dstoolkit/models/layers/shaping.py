"""Words that only rearrange axes: ``expand``, ``squeeze``, ``flatten``, ``transpose``, ``repeat``.

Axes are counted from 0 after the batch's, negative ones from the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dstoolkit.models.checks import at_least_one
from dstoolkit.models.layers.container import Container, Described
from dstoolkit.models.layers.signals import Shape, Signal


def flattened(shape: Shape) -> Shape:
    """All axes in one. Raises ValueError where one of them has the frames."""
    if shape.time is not None:
        raise ValueError(
            f"flattening {shape} would join the frames of an utterance, which are not the same number in every one; "
            "within 'parallel: {apply: [...]}' it joins what each frame has"
        )
    return Shape((math.prod(size for size in shape.sizes if isinstance(size, int)),))


@dataclass(frozen=True)
class DimensionOptions:
    """dimension: the axis; of ``expand``, where the new one will be."""

    dimension: int | None = None

    def __post_init__(self) -> None:
        if self.dimension is None:
            raise ValueError("no dimension; expected an axis, such as -1")


class Expand(Container):
    """A new axis of size 1."""

    word = "expand"
    Options = DimensionOptions
    short = "dimension"

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        sizes = shapes[0].sizes
        self.at = Shape((*sizes, 1)).axis(self.options.dimension)
        self.shape = Shape((*sizes[: self.at], 1, *sizes[self.at :]))

    def forward(self, *signals: Signal) -> Signal:
        return signals[0]._replace(values=signals[0].values.unsqueeze(self.at + 1))


class Squeeze(Container):
    """An axis of size 1 less."""

    word = "squeeze"
    Options = DimensionOptions
    short = "dimension"

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        self.at = shapes[0].axis(self.options.dimension)
        if shapes[0].fixed(self.at, f"axis {self.options.dimension}") != 1:
            raise ValueError(f"axis {self.options.dimension} of {shapes[0]}; expected one of size 1")
        self.shape = Shape((*shapes[0].sizes[: self.at], *shapes[0].sizes[self.at + 1 :]))

    def forward(self, *signals: Signal) -> Signal:
        return signals[0]._replace(values=signals[0].values.squeeze(self.at + 1))


@dataclass(frozen=True)
class NoOptions:
    """It has none."""


class Flatten(Container):
    """All axes in one."""

    word = "flatten"
    Options = NoOptions

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        self.shape = flattened(shapes[0])

    def forward(self, *signals: Signal) -> Signal:
        return signals[0]._replace(values=signals[0].values.flatten(1))


@dataclass(frozen=True)
class TransposeOptions:
    """axes: the present axes in their new order, all of them.
    include_batch: the batch's is axis 0 then, and must stay the first.
    """

    axes: tuple[int, ...] = ()
    include_batch: bool = False


class Transpose(Container):
    """The axes in another order."""

    word = "transpose"
    Options = TransposeOptions
    short = "axes"

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        axes, shape = self.options.axes, shapes[0]
        if self.options.include_batch:
            if axes[:1] != (0,):
                raise ValueError(f"axes are {list(axes)}; expected the batch's first, as utterances stay apart")
            axes = tuple(each - 1 for each in axes[1:])
        if sorted(axes) != list(range(len(shape))):
            first = 1 if self.options.include_batch else 0
            known = list(range(first, len(shape) + first))
            raise ValueError(f"axes are {list(self.options.axes)}; expected each of {known} once, as there is {shape}")
        self.order = (0, *(each + 1 for each in axes))
        self.shape = Shape(tuple(shape.sizes[each] for each in axes))

    def forward(self, *signals: Signal) -> Signal:
        return signals[0]._replace(values=signals[0].values.permute(self.order))


@dataclass(frozen=True)
class RepeatOptions:
    """count: how often."""

    count: int = 0

    def __post_init__(self) -> None:
        at_least_one(self, "count")


class Repeat(Container):
    """A vector, so many times: ``(dim,)`` becomes ``(count, dim)``."""

    word = "repeat"
    Options = RepeatOptions
    short = "count"

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        if len(shapes[0]) != 1:
            raise ValueError(f"repeats {shapes[0]}; expected one axis")
        self.shape = Shape((self.options.count, shapes[0].fixed(0, "the only axis")))

    def forward(self, *signals: Signal) -> Signal:
        values = signals[0].values[:, None].expand(-1, self.options.count, -1)
        return signals[0]._replace(values=values)
