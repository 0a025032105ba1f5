"""The form that all words of the description have: options, a shape in, a shape out, a module between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from dstoolkit.models.layers.signals import Shape, Signal


@dataclass(frozen=True)
class Described:
    """One entry of the list, checked as far as it can be without the data's size.

    ``where`` is its place (``layers[3]``); ``inner`` are the entries within it, of words that hold others.
    """

    where: str
    word: str
    options: Any
    name: str = ""
    tags: tuple[str, ...] = ()
    oldest: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    sink: bool = False
    freeze: bool = False
    inner: tuple[Described, ...] = field(default=())


class Container(nn.Module, ABC):
    """One layer. ``__init__`` raises ValueError where its options do not fit the shapes that come in.

    ``word`` names it in descriptions; a bare value there (``dense: 29``) stands for the option ``short``. ``holds`` is
    the option that is a list of entries.
    """

    word: ClassVar[str]
    Options: ClassVar[type]
    short: ClassVar[str] = ""
    holds: ClassVar[str] = ""
    many: ClassVar[bool] = False  # takes more than one input
    shape: Shape

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.options = described.options
        if not self.many and len(shapes) != 1:
            raise ValueError(f"{len(shapes)} inputs; expected one")
        self.given = tuple(shapes)

    @property
    def time(self) -> int | None:
        """The first input's axis of frames."""
        return self.given[0].time

    @abstractmethod
    def forward(self, *signals: Signal) -> Signal: ...


class Unchanging(Container):
    """A layer whose output has its input's shape; by itself it gives its input."""

    def __init__(self, described: Described, shapes: Sequence[Shape]) -> None:
        super().__init__(described, shapes)
        self.shape = shapes[0]

    def forward(self, *signals: Signal) -> Signal:
        return signals[0]


Build = Callable[[Described, Sequence[Shape]], Container]


def several(value: int | tuple[int, ...], count: int, what: str) -> tuple[int, ...]:
    """A number for each of ``count`` axes. Raises ValueError where there are too few or too many, or below 1."""
    values = (value,) * count if isinstance(value, int) else value
    if len(values) != count:
        raise ValueError(f"{what} has {len(values)} numbers; expected {count}, one for each axis of the window")
    for each in values:
        if each < 1:
            raise ValueError(f"{what} is {each}; expected 1 or more")
    return values
