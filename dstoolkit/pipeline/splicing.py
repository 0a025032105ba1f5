"""New sentences from the words of old ones: aligned words of one speaker, cut out and put together anew.

A small corpus says the same things again and again, and a recurrent network learns them by heart: words out of their
usual order are then misheard. Spliced utterances take the order away, and texts and frames stay true to each other
(Lam et al. 2021, "On-the-fly aligned data augmentation for sequence-to-sequence ASR", arXiv:2104.01393, there across
speakers; here within one, so that no voice changes in the middle).

Where the words are is read from a CTM file, as ``dstoolkit align`` writes it. CTC's alignments are good to a few frames
only, so two words are parted at the quietest moment between them. Half of the spliced utterances keep their own words
but for about every second one; the others are as many words or fewer, in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dstoolkit.data import ctm
from dstoolkit.data.archive import Archive
from dstoolkit.errors import ConfigError, DataError
from dstoolkit.interfaces import Features, Word

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

SHORTEST = 0.08  # s: what is shorter is hardly a word, and is not cut out
MARGIN = 0.25  # s before the first word and after the last that belong to it; what lies beyond stays where it is
SMOOTHED = 5  # frames over which loudness is averaged, so that a moment is not taken for a pause


@dataclass(frozen=True)
class Piece:
    """A word: frames ``first`` to ``last - 1`` of the utterance with this index."""

    index: int
    first: int
    last: int
    text: str


class Splicer:
    """Makes utterances of an archive's words. Picklable.

    Raises DataError or Faults for a faulty file, ConfigError where it knows no word of the archive.
    """

    def __init__(self, archive: Archive, data_dir: Path, alignments: Path, features: Features) -> None:
        self.archive = archive
        self.words: dict[int, list[Piece]] = {}  # utterance -> its words
        self.pools: dict[str, list[Piece]] = {}  # speaker -> all of them
        found = aligned(archive, data_dir, alignments)
        for index, utterance_id in enumerate(archive.utterance_ids):
            words = found.get(utterance_id, [])
            pieces = cut(index, words, loudness(features, archive.frames(index)), archive.frame_shift) if words else []
            if pieces:
                self.words[index] = pieces
                self.pools.setdefault(archive.speakers[index], []).extend(pieces)
        if not any(found.values()):
            raise ConfigError(
                "augment.alignments", f"no word of '{archive.path}' in '{alignments}'", "", "align it anew"
            )

    def splice(self, index: int, rng: np.random.Generator) -> tuple[FloatArray, str] | None:
        """``(frames, dim)``, not normalised, and their text; None for an utterance whose words are not known."""
        own = self.words.get(index)
        if own is None:
            return None
        pool = self.pools[self.archive.speakers[index]]
        others = [pool[at] for at in rng.integers(len(pool), size=len(own)).tolist()]
        if rng.random() < 0.5:
            stay = rng.random(len(own)) < 0.5
            chosen = [mine if kept else other for mine, other, kept in zip(own, others, stay.tolist(), strict=True)]
        else:
            chosen = others[: int(rng.integers(1, len(own) + 1))]
        frames = self.archive.frames(index)
        parts = [frames[: own[0].first], *(self._frames(each) for each in chosen), frames[own[-1].last :]]
        return np.concatenate(parts), " ".join(each.text for each in chosen)

    def _frames(self, piece: Piece) -> FloatArray:
        return self.archive.frames(piece.index)[piece.first : piece.last]


def loudness(features: Features, frames: FloatArray) -> FloatArray:
    """``(frames, dim)`` -> ``(frames,)``: smoothed, in whatever unit; more is louder."""
    level = features.loudness(frames)
    padded = np.pad(level, SMOOTHED // 2, mode="edge")
    smooth: FloatArray = np.convolve(padded, np.full(SMOOTHED, 1 / SMOOTHED), "valid")
    return smooth


def cut(index: int, words: list[Word], level: FloatArray, shift: float) -> list[Piece]:
    """The words of an utterance, parted at the quietest frames between them."""
    starts = [round(each.start / shift) for each in words]
    ends = [round(each.end / shift) for each in words]
    margin, shortest = round(MARGIN / shift), round(SHORTEST / shift)
    bounds = [max(0, starts[0] - margin)]
    for end, start in zip(ends, starts[1:], strict=False):
        low = max(bounds[-1], min(end, start - 1))
        bounds.append(low + int(np.argmin(level[low : max(start, low + 1)])) if low < len(level) else len(level))
    bounds.append(min(len(level), max(bounds[-1], ends[-1] + margin)))
    spans = zip(bounds, bounds[1:], words, strict=False)
    pieces = [Piece(index, first, last, word.text) for first, last, word in spans]
    return [each for each in pieces if each.last - each.first >= shortest]


def aligned(archive: Archive, data_dir: Path, alignments: Path) -> Mapping[str, list[Word]]:
    """The words of each utterance, their times from its own start. Raises DataError or Faults."""
    if not alignments.name:
        raise ConfigError(
            "augment.splice", "no alignments", "augment.alignments names a CTM file", "see 'dstoolkit align'"
        )
    if not alignments.is_file():
        raise DataError(alignments, "no such file", "augment.alignments names it", "make it with 'dstoolkit align'")
    recordings = ctm.read(alignments)
    places = ctm.places(data_dir, archive.utterance_ids)
    found: dict[str, list[Word]] = {}
    for utterance_id, duration in zip(archive.utterance_ids, archive.durations.tolist(), strict=True):
        recording, start = places[utterance_id]
        found[utterance_id] = [
            Word(each.text, each.start - start, each.end - start, each.confidence)
            for each in recordings.get(recording, [])
            if start <= each.start + 1e-3 and each.start < start + duration
        ]
    return found
