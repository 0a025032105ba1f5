"""Time derivatives of features by linear regression, Kaldi's ``add-deltas`` and HTK's.

``delta[t] = sum_k k (x[t+k] - x[t-k]) / (2 sum_k k^2)`` for ``k`` in 1..window, the ends repeated. Kaldi's second-order
deltas are the same filter convolved with itself, over frames repeated once at the ends, which differs from taking
deltas of deltas in the outermost frames only; so does this. Source: Young et al., The HTK Book, section 5.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

WINDOW = 2  # frames on each side


def kernels(order: int, window: int = WINDOW) -> list[FloatArray]:
    """Filters of the orders 0 to ``order``, each over ``2 * window * its order + 1`` frames."""
    slope = np.arange(-window, window + 1, dtype=np.float64)
    slope /= np.square(slope).sum()
    found = [np.ones(1)]
    for _ in range(order):
        found.append(np.convolve(found[-1], slope))
    return [each.astype(np.float32) for each in found]


def add_deltas(frames: FloatArray, order: int, window: int = WINDOW) -> FloatArray:
    """``(frames, dim)`` -> ``(frames, dim * (order + 1))``: the frames, their deltas, the deltas' deltas, and so on."""
    if order == 0 or len(frames) == 0:
        return np.tile(frames, (1, order + 1))
    reach = order * window
    padded = np.pad(frames, ((reach, reach), (0, 0)), mode="edge")
    columns = []
    for kernel in kernels(order, window):
        first = reach - len(kernel) // 2
        shifted = (padded[first + at : first + at + len(frames)] * weight for at, weight in enumerate(kernel))
        columns.append(sum(shifted, np.zeros_like(frames)))
    return np.concatenate(columns, axis=1)
