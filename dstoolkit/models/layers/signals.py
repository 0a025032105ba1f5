"""What flows between layers: values with at most one axis of frames, whose number each utterance has of its own.

``Shape`` is what is known before there is data: the sizes of the axes after the batch, of which one may be ``Frames``.
``Signal`` is the data. Counting frames is arithmetic on lengths, so that it never depends on a batch's padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dstoolkit.models.masking import frame_mask

SAMPLES = torch.arange(1, 500)  # lengths that two ways of counting frames are compared at


@dataclass(frozen=True)
class Frames:
    """The size of the axis of frames: what steps an utterance's number of them went through.

    Each step is ``(margin, size, stride)`` of a window that slides over the frames with so many more around them.
    """

    steps: tuple[tuple[int, int, int], ...] = ()

    def slid(self, margin: int, size: int, stride: int) -> Frames:
        plain = (margin, size, stride) in ((0, 1, 1), (size - 1, size, 1))
        return self if plain else Frames((*self.steps, (margin, size, stride)))

    def count(self, lengths: Tensor) -> Tensor:
        """Input lengths ``(batch,)`` -> lengths here; 0 where a window no longer fits."""
        for step in self.steps:
            lengths = slide(lengths, *step)
        return lengths

    def same(self, other: Frames) -> bool:
        """Whether both count alike, by whatever steps."""
        return self.steps == other.steps or torch.equal(self.count(SAMPLES), other.count(SAMPLES))


def slide(lengths: Tensor, margin: int, size: int, stride: int) -> Tensor:
    spans = (lengths + margin - size).div(stride, rounding_mode="floor") + 1
    return torch.where(lengths > 0, spans, 0).clamp(min=0)


@dataclass(frozen=True)
class Shape:
    """The axes after the batch's."""

    sizes: tuple[int | Frames, ...]

    def __str__(self) -> str:
        return "(" + ", ".join("frames" if isinstance(each, Frames) else str(each) for each in self.sizes) + ")"

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def time(self) -> int | None:
        """The axis of frames, counted after the batch's; None where there is none."""
        return next((at for at, each in enumerate(self.sizes) if isinstance(each, Frames)), None)

    @property
    def frames(self) -> Frames | None:
        return next((each for each in self.sizes if isinstance(each, Frames)), None)

    def fixed(self, axis: int, what: str) -> int:
        """The size of an axis that is not the frames'. Raises ValueError."""
        size = self.sizes[self.axis(axis)]
        if isinstance(size, Frames):
            raise ValueError(f"{what} of {self} has the frames, which are not the same number in every utterance")
        return size

    def axis(self, axis: int) -> int:
        """Axis ``axis``, which may count from the end, from 0. Raises ValueError for one that is not there."""
        if not -len(self) <= axis < len(self):
            raise ValueError(f"axis {axis} of {self}, which has {len(self)} axes")
        return axis % len(self)

    def matches(self, other: Shape) -> bool:
        return len(self) == len(other) and all(map(same_size, self.sizes, other.sizes))


def same_size(first: int | Frames, second: int | Frames) -> bool:
    if isinstance(first, Frames) and isinstance(second, Frames):
        return first.same(second)
    return first == second


class Signal(NamedTuple):
    """``values`` ``(batch, *shape)``; ``lengths`` ``(batch,)`` of the axis of frames, where there is one.

    ``rows`` ``(batch,)`` says which rows are not padding, where rows are the frames of utterances (in ``parallel``);
    None: all of them.
    """

    values: Tensor
    lengths: Tensor | None = None
    rows: Tensor | None = None


def own(signal: Signal, time: int | None) -> Tensor | None:
    """True on what belongs to utterances, broadcast over ``values``; None: all of it does."""
    values = signal.values
    mask = None
    if time is not None and signal.lengths is not None:
        mask = frame_mask(signal.lengths, values.shape[time + 1])
        sizes = [1] * values.dim()
        sizes[0], sizes[time + 1] = mask.shape
        mask = mask.view(sizes)
    if signal.rows is not None:
        rows = signal.rows.view(-1, *[1] * (values.dim() - 1))
        mask = rows if mask is None else mask & rows
    return mask


def cleaned(signal: Signal, time: int | None) -> Tensor:
    """The values with 0 in the padding, whatever it held."""
    mask = own(signal, time)
    return signal.values if mask is None else signal.values.masked_fill(~mask, 0.0)
