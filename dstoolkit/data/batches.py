"""Batches of utterances of like length within a budget of frames, and the one padding routine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float32]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

# Lengths are jittered by up to this factor before sorting, so that neighbours differ from epoch to epoch.
JITTER = 1.12


def plan(
    lengths: IntArray, budget: int, rng: np.random.Generator | None = None, jitter: float = JITTER
) -> list[IntArray]:
    """Indices of ``lengths`` in batches whose padded size (utterances x longest) is at most ``budget`` frames.

    With ``rng``, utterances of like length meet in batches at random and the batches come shuffled; without, all is
    sorted by length. An utterance longer than the budget is a batch of its own. A ``jitter`` of 1 is for lengths that
    are other ones in each epoch anyway, and saves padding.
    """
    keys = lengths.astype(np.float64)
    if rng is not None:
        keys *= rng.uniform(1 / jitter, jitter, len(lengths))
    batches: list[list[int]] = []
    longest = 0
    for index in np.argsort(keys, kind="stable").tolist():
        longest = max(longest, int(lengths[index]))
        if not batches or (len(batches[-1]) + 1) * longest > budget:
            batches.append([])
            longest = int(lengths[index])
        batches[-1].append(index)
    if rng is not None:
        batches = [batches[at] for at in rng.permutation(len(batches))]
    return [np.asarray(batch, dtype=np.int64) for batch in batches]


def pad(rows: Sequence[np.ndarray[Any, Any]]) -> tuple[np.ndarray[Any, Any], IntArray]:
    """Arrays that differ in their first dimension -> one zero-padded array ``(batch, longest, ...)``, ``(batch,)``."""
    lengths = np.asarray([len(row) for row in rows], dtype=np.int64)
    longest = max(int(lengths.max(initial=0)), 1)
    padded = np.zeros((len(rows), longest, *rows[0].shape[1:]), dtype=rows[0].dtype)
    for at, row in enumerate(rows):
        padded[at, : len(row)] = row
    return padded, lengths
