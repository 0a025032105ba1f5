"""Cutting samples into overlapping, windowed frames, as Kaldi does.

Lengths are in samples here and in seconds in configurations. ``snip_edges`` keeps only frames that lie wholly within
the signal: ``1 + (num_samples - length) // shift`` of them. Without it there is one frame per shift, centred on it, and
the signal is mirrored at its ends. Source: Kaldi, ``feat/feature-window.cc``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

WINDOWS = ("povey", "hamming", "hann", "blackman", "sine", "rectangular")
BLOCK = 256  # frames worked on at once: a block of 512-point frames (512 KiB) stays in the second-level cache


def in_samples(seconds: float, sample_rate: int) -> int:
    """Seconds in whole samples, rounded down; the small addend keeps 0.01 s at 44.1 kHz from becoming 440.99."""
    return int(seconds * sample_rate + 1e-6)


def window(kind: str, length: int) -> FloatArray:
    """A symmetric window of one of ``WINDOWS``, ``(length,)``. Raises ValueError for another."""
    turn = 2 * np.pi * np.arange(length) / max(length - 1, 1)
    shapes: dict[str, Callable[[], Any]] = {
        "povey": lambda: (0.5 - 0.5 * np.cos(turn)) ** 0.85,  # Kaldi's own: like Hamming, but zero at the ends
        "hamming": lambda: 0.54 - 0.46 * np.cos(turn),
        "hann": lambda: 0.5 - 0.5 * np.cos(turn),
        "blackman": lambda: 0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn),
        "sine": lambda: np.sin(turn / 2),
        "rectangular": lambda: np.ones(length),
    }
    if kind not in shapes:
        raise ValueError(f"window {kind!r} is none of {', '.join(WINDOWS)}")
    shape: FloatArray = shapes[kind]().astype(np.float32)
    return shape


def num_frames(num_samples: int, length: int, shift: int, snip_edges: bool = True) -> int:
    """How many frames of ``length`` samples, one each ``shift``, a signal gives; 0 for one too short."""
    if not snip_edges:
        return (num_samples + shift // 2) // shift
    return 0 if num_samples < length else 1 + (num_samples - length) // shift


def frames(samples: FloatArray, length: int, shift: int, snip_edges: bool = True) -> FloatArray:
    """``(num_samples,)`` -> ``(num_frames, length)``, a view that must not be written to."""
    count = num_frames(len(samples), length, shift, snip_edges)
    if count == 0:
        return np.empty((0, length), samples.dtype)
    if not snip_edges:
        before = length // 2 - shift // 2  # the first frame begins so far before the signal (or after, if negative)
        after = (count - 1) * shift + length - before - len(samples)
        samples = np.pad(samples[max(-before, 0) :], (max(before, 0), max(after, 0)), mode="symmetric")
    return np.lib.stride_tricks.sliding_window_view(samples, length)[: (count - 1) * shift + 1 : shift]


def blocks(matrix: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
    """The rows of a matrix, ``BLOCK`` at a time, each with its place."""
    for first in range(0, len(matrix), BLOCK):
        place = slice(first, min(first + BLOCK, len(matrix)))
        yield place, matrix[place]
