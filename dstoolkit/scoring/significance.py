"""Whether two systems differ: the matched-pairs sentence-segment word error test (MAPSSWE).

Sources: Gillick & Cox, "Some statistical issues in the comparison of speech recognition algorithms" (ICASSP 1989);
Pallett, Fisher & Fiscus, "Tools for the analysis of benchmark speech recognition tests" (ICASSP 1990). Errors within
an utterance depend on each other, through the language model above all; a few words that both systems get right let
what follows be taken for independent. So utterances are cut into segments: an error of either system (a word that is
not correct, or a word inserted between two) belongs to the segment of the error before it, unless at least
``BOUNDARY`` correct words in a row, with nothing inserted among them, lie between the two in both systems. Segments end
with their utterance; stretches without error are none. With ``d`` the errors of the first system less those of the
second in each of ``n`` segments, ``Z = mean(d) / (std(d) / sqrt(n))`` is about standard normal where both systems are
alike; ``std`` divides by ``n - 1``.

This is what NIST's ``sc_stats -t mapsswe`` computes, which rounds ``Z`` down to hundredths before it looks ``p`` up,
decides at |Z| > 1.960, and calls two systems alike where the differences of all segments are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.int64]]

BOUNDARY = 2  # correct words in both systems that end a segment, as in sc_stats
ENOUGH = 50  # segments from which on the normal distribution is taken for a fair approximation, by rule of thumb


@dataclass(frozen=True)
class Mapsswe:
    """The test's outcome. ``mean`` and ``std`` are errors per segment, first system less second; ``p`` is two-tailed.

    ``std`` is None for fewer than two segments; ``z`` and ``p`` are None where all segments differ alike, by anything
    but nothing: then there is no variance to measure the difference with.
    """

    segments: int
    errors: tuple[int, int]  # of both systems
    mean: float
    std: float | None
    z: float | None
    p: float | None

    def significant(self, level: float = 0.95) -> bool:
        """Whether the difference is significant at a confidence ``level``."""
        return self.p is not None and self.p < 1 - level


def mapsswe(first: Sequence[str], second: Sequence[str]) -> Mapsswe:
    """The test for the alignments of two systems with the same references: for each utterance a letter ``C``, ``S``,
    ``D`` or ``I`` per step. Raises ValueError where the references differ in length."""
    errors = segments(first, second)
    differences = errors[:, 0] - errors[:, 1]
    count, totals = len(errors), (int(errors[:, 0].sum()), int(errors[:, 1].sum()))
    mean = float(differences.mean()) if count else 0.0
    std = float(differences.std(ddof=1)) if count > 1 else None
    z = mean / (std / math.sqrt(count)) if std else None
    if mean == 0:
        z = 0.0
    return Mapsswe(count, totals, mean, std, z, None if z is None else math.erfc(abs(z) / math.sqrt(2)))


def segments(first: Sequence[str], second: Sequence[str], boundary: int = BOUNDARY) -> IntArray:
    """The errors of both systems in each segment, ``(segments, 2)``, in order of the utterances."""
    if [_words(each) for each in first] != [_words(each) for each in second]:
        raise ValueError("alignments with references of different lengths")
    places = [_places(steps, boundary) for steps in (first, second)]
    events = np.unique(np.concatenate(places))
    between = events[1:] // 2 - (events[:-1] + 1) // 2  # reference words strictly between two places
    starts = np.concatenate([[0], np.cumsum(between >= boundary)])
    count = int(starts[-1]) + 1 if len(events) else 0
    return np.stack([np.bincount(starts[np.searchsorted(events, each)], minlength=count) for each in places], axis=1)


def _words(steps: str) -> int:
    return len(steps) - steps.count("I")


def _places(steps: Sequence[str], boundary: int) -> IntArray:
    """Where the errors lie: at ``2 k - 1`` those of the ``k``-th reference word, at ``2 k`` words inserted behind it.

    All utterances lie end to end, with enough correct words between them to part their segments.
    """
    text = "".join(each + "C" * boundary for each in steps)
    letters = np.frombuffer(text.encode("ascii"), np.uint8)
    inserted = letters == ord("I")
    places = 2 * np.cumsum(~inserted, dtype=np.int64) - ~inserted
    wrong: IntArray = places[letters != ord("C")]
    return wrong
