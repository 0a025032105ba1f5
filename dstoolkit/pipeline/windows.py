"""Long audio in windows that overlap, so that what a network makes of them can be laid end to end.

A window is ``size`` feature frames long and begins ``step`` after the last one; neighbours share twice the ``overlap``,
of which each keeps its half: the network's output is wrong near a window's ends, where it does not hear what goes on.
The first window keeps its beginning and the last its end. All are multiples of ``unit``, the feature frames in which
both samples and output frames come out whole, so that output frames of all windows lie on one grid. Features are
computed for each window anew; what framing does at a window's ends (mirrored samples, repeated frames of deltas, a last
frame that does not fit) stays within the overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dstoolkit.errors import ConfigError

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

CHUNK, OVERLAP = 20.0, 2.0  # seconds
FINEST = 1000  # a frame shift is a whole number of samples, or a fraction with no larger denominator
ROUNDING = 1e-6  # of a unit: 20 s in frames of 0.01 s are 2000


class Window(NamedTuple):
    """``samples`` ``(n,)`` at most the layout's; whether it is the recording's first, and its last."""

    samples: FloatArray
    first: bool
    last: bool


@dataclass(frozen=True)
class Layout:
    """``hop``: samples per feature frame. ``stride``: feature frames per output frame. ``size`` and ``overlap`` are in
    feature frames."""

    hop: Fraction
    stride: int
    size: int
    overlap: int

    @property
    def step(self) -> int:
        return self.size - 2 * self.overlap

    def windows(self, blocks: Iterable[FloatArray]) -> Iterator[Window]:
        """Samples, in pieces, in windows. Memory holds a window and a piece."""
        size, step = int(self.size * self.hop), int(self.step * self.hop)
        held, first = np.empty(0, np.float32), True
        for block in blocks:
            held = np.concatenate([held, block])
            while len(held) > size:
                yield Window(held[:size], first, False)
                held, first = held[step:], False
        yield Window(held, first, True)

    def kept(self, window: Window, length: int, stride: int = 1) -> slice:
        """Which of a window's ``length`` frames, each of so many feature frames, are its own."""
        start = 0 if window.first else self.overlap // stride
        return slice(start, length if window.last else (self.size - self.overlap) // stride)


def lay_out(rate: int, frame_shift: float, stride: int, chunk: float = CHUNK, overlap: float = OVERLAP) -> Layout:
    """Windows of about ``chunk`` seconds, each sharing about ``overlap`` at either side. Raises ConfigError.

    ``rate`` is in Hz, ``frame_shift`` the features' in seconds.
    """
    check(chunk, overlap)
    hop = Fraction(frame_shift * rate).limit_denominator(FINEST)
    unit = math.lcm(stride, hop.denominator)
    seconds = float(unit * hop / rate)
    size = math.floor(chunk / seconds + ROUNDING) * unit
    margin = math.ceil(overlap / seconds - ROUNDING) * unit
    if size <= 2 * margin:
        found = f"{chunk:g} s and an overlap of {overlap:g} s"
        raise ConfigError("--chunk", found, f"the model's steps are of {seconds:g} s", "choose a longer --chunk")
    return Layout(hop, stride, size, margin)


def check(chunk: float, overlap: float) -> None:
    """Raises ConfigError for seconds that cannot be."""
    if not 0 < chunk < math.inf:
        raise ConfigError("--chunk", f"{chunk:g} s", "expected more than 0")
    if not 0 < overlap < chunk / 2:
        raise ConfigError(
            "--overlap", f"{overlap:g} s", f"expected more than 0 and less than half of --chunk {chunk:g}"
        )
