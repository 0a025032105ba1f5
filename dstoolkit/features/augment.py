"""Augmentation on the fly: each epoch sees every utterance a little slower or faster and with parts hidden.

Masks follow SpecAugment (Park et al. 2019, arXiv:1904.08779): bands of neighbouring dimensions and stretches of time
set to 0, which is the mean of normalised features, so apply this after mean normalisation. Here the number of time
masks grows with the utterance. Stretching changes the tempo, and keeps the pitch, by linear interpolation along time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray


@dataclass(frozen=True)
class Augment:
    """Options of the section ``augment``; 0 switches each off."""

    frequency_masks: int = 2  # masks per utterance
    frequency_width: int = 6  # dimensions: each mask hides 0 to so many
    time_masks_per_second: float = 1.5  # at least one mask per utterance
    time_width: float = 0.2  # s: each mask hides 0 to so much
    stretch: float = 0.12  # the tempo is multiplied by a factor within 1 +- this

    def __post_init__(self) -> None:
        if min(self.frequency_masks, self.frequency_width, self.time_masks_per_second, self.time_width) < 0:
            raise ValueError("the masks' numbers and widths must not be negative")
        if not 0 <= self.stretch <= 0.5:
            raise ValueError(f"stretch is {self.stretch:g}; expected 0 to 0.5")

    def apply(self, frames: FloatArray, rng: np.random.Generator, frame_shift: float) -> FloatArray:
        """``(frames, dim)`` normalised float32 -> a new, augmented array of maybe another number of frames.

        ``frame_shift`` is in seconds. The same state of ``rng`` gives the same result.
        """
        frames = self._stretched(frames, rng)
        self._mask_bands(frames, rng)
        self._mask_times(frames, rng, frame_shift)
        return frames

    def _stretched(self, frames: FloatArray, rng: np.random.Generator) -> FloatArray:
        if not self.stretch or len(frames) < 2:
            return frames.copy()
        tempo = rng.uniform(1 - self.stretch, 1 + self.stretch)
        return resample(frames, max(1, round(len(frames) / tempo)))

    def _mask_bands(self, frames: FloatArray, rng: np.random.Generator) -> None:
        dim = frames.shape[1]
        for _ in range(self.frequency_masks):
            first, last = _span(dim, self.frequency_width, rng)
            frames[:, first:last] = 0

    def _mask_times(self, frames: FloatArray, rng: np.random.Generator, frame_shift: float) -> None:
        if not self.time_masks_per_second:
            return
        for _ in range(max(1, int(len(frames) * frame_shift * self.time_masks_per_second))):
            first, last = _span(len(frames), round(self.time_width / frame_shift), rng)
            frames[first:last] = 0


def _span(size: int, widest: int, rng: np.random.Generator) -> tuple[int, int]:
    """A stretch of 0 to ``widest`` of ``size`` places, anywhere among them."""
    width = int(rng.integers(0, min(widest, size) + 1))
    first = int(rng.integers(0, size - width + 1))
    return first, first + width


def resample(frames: FloatArray, count: int) -> FloatArray:
    """``(frames, dim)`` -> ``(count, dim)`` by linear interpolation; the first and last frames stay where they are."""
    places = np.linspace(0, len(frames) - 1, count, dtype=np.float64)
    below = np.minimum(places.astype(np.int64), max(len(frames) - 2, 0))
    above = np.minimum(below + 1, len(frames) - 1)
    weight = (places - below).astype(np.float32)[:, None]
    between: FloatArray = frames[below] * (1 - weight) + frames[above] * weight
    return between
