"""Where the pauses are in a recording of so many words spoken one by one, by loudness alone.

The level of 10 ms frames, smoothed over 50 ms, is compared with a threshold between the recording's quiet and its loud
frames. Thresholds are tried from low to high until the loud stretches are as many as the words and of like length.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

FRAMES_PER_SECOND = 100
SMOOTHED = 5  # frames
SHORTEST_PAUSE, SHORTEST_WORD = 15, 8  # frames
LONGEST_WORD = 1.8  # times the median: two words run together are longer
THRESHOLDS = np.arange(0.2, 0.8, 0.05)  # of the way from the 10th to the 95th percentile of levels in dB


def find(samples: FloatArray, rate: int, words: int) -> list[tuple[float, float]] | None:
    """Begin and end of the ``words - 1`` pauses, in seconds; None where no threshold tells the words apart."""
    level = levels(samples, rate // FRAMES_PER_SECOND)
    quiet, loud = np.percentile(level, [10, 95])
    for share in THRESHOLDS:
        found = stretches(level > quiet + share * (loud - quiet))
        lengths = [end - begin for begin, end in found]
        if len(found) == words and max(lengths) <= LONGEST_WORD * np.median(lengths):
            edges = [(first[1], second[0]) for first, second in itertools.pairwise(found)]
            return [(begin / FRAMES_PER_SECOND, end / FRAMES_PER_SECOND) for begin, end in edges]
    return None


def levels(samples: FloatArray, step: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """``(num_samples,)`` -> the level of each ``step`` samples in dB."""
    frames = samples[: len(samples) // step * step].astype(np.float64).reshape(-1, step)
    power = np.convolve((frames**2).mean(axis=1), np.full(SMOOTHED, 1 / SMOOTHED), "same")
    return np.asarray(10 * np.log10(power + 1e-10))


def stretches(loud: Any) -> list[tuple[int, int]]:
    """``(begin, end)`` of the runs of true, those a short pause apart made one, and short ones left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8))).tolist()
    joined: list[tuple[int, int]] = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if joined and begin - joined[-1][1] < SHORTEST_PAUSE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return [each for each in joined if each[1] - each[0] >= SHORTEST_WORD]
