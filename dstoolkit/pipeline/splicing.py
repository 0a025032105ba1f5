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

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dstoolkit.data import ctm
from dstoolkit.data.archive import Archive
from dstoolkit.errors import ConfigError, DataError
from dstoolkit.interfaces import Features, Word

if TYPE_CHECKING:
    from dstoolkit.data.batches import IntArray
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


@dataclass(frozen=True)
class Splices:
    """What some utterances are put together of: row ``r`` of the words ``words[bounds[r] : bounds[r + 1]]``, by their
    places among the splicer's, or where there are none it stays as it is. ``lengths`` are the rows', in frames."""

    words: IntArray
    bounds: IntArray
    lengths: IntArray

    def of(self, row: int) -> list[int]:
        found: list[int] = self.words[self.bounds[row] : self.bounds[row + 1]].tolist()
        return found


class Splicer:
    """Makes utterances of an archive's words. Picklable.

    Raises DataError or Faults for a faulty file, ConfigError where it knows no word of the archive.
    """

    def __init__(self, archive: Archive, data_dir: Path, alignments: Path, features: Features) -> None:
        self.archive = archive
        found = aligned(archive, data_dir, alignments)
        words: list[list[Piece]] = []  # by utterance
        for index, utterance_id in enumerate(archive.utterance_ids):
            said = found.get(utterance_id, [])
            level = loudness(features, archive.frames(index)) if said else None
            words.append([] if level is None else cut(index, said, level, archive.frame_shift))
        if not any(found.values()):
            raise ConfigError(
                "augment.alignments", f"no word of '{archive.path}' in '{alignments}'", "", "align it anew"
            )
        self._arrange(words)

    def _arrange(self, words: Sequence[Sequence[Piece]]) -> None:
        """One list of all words, a speaker's together and within it an utterance's; and by utterance, where in it
        those of its own and those of its speaker are."""
        speakers = self.archive.speakers
        self.words: list[Piece] = []
        self._own, self._pool = (np.zeros((len(words), 2), dtype=np.int64) for _ in range(2))  # the first, how many
        firsts: dict[str, int] = {}
        for index in sorted(range(len(words)), key=lambda at: speakers[at]):
            firsts.setdefault(speakers[index], len(self.words))
            self._own[index] = len(self.words), len(words[index])
            self.words.extend(words[index])
        counts = Counter(speakers[each.index] for each in self.words)
        for index, speaker in enumerate(speakers):
            self._pool[index] = firsts[speaker], counts[speaker]
        self._spans = np.asarray([each.last - each.first for each in self.words], dtype=np.int64)
        # Frames before an utterance's first word and after its last, which stay.
        self._around = np.asarray(self.archive.lengths) - [own[-1].last - own[0].first if own else 0 for own in words]

    def draw(self, indices: IntArray, share: float, rng: np.random.Generator) -> Splices:
        """What a ``share`` of these utterances, of those whose words are known, are put together of."""
        own, pool = self._own[indices], self._pool[indices]
        counts = np.where(rng.random(len(indices)) < share, own[:, 1], 0)
        rows = np.repeat(np.arange(len(indices)), counts)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)  # of a word in its utterance
        others = pool[rows, 0] + (rng.random(len(rows)) * pool[rows, 1]).astype(np.int64)
        mixed = (rng.random(len(indices)) < 0.5)[rows]  # some words stay; else none, and there may be fewer
        fewer = 1 + (rng.random(len(indices)) * counts).astype(np.int64)
        stay = mixed & (rng.random(len(rows)) < 0.5)
        there = mixed | (place < fewer[rows])
        words, rows = np.where(stay, own[rows, 0] + place, others)[there], rows[there]
        bounds = np.searchsorted(rows, np.arange(len(indices) + 1))
        spans = np.bincount(rows, self._spans[words], len(indices)).astype(np.int64)
        whole = np.asarray(self.archive.lengths)[indices]
        return Splices(words, bounds, np.where(counts > 0, self._around[indices] + spans, whole))

    def splice(self, index: int, words: Sequence[int]) -> tuple[FloatArray, str]:
        """``(frames, dim)``, not normalised, and their text: an utterance with these words in the place of its own."""
        first, count = self._own[index].tolist()
        own, chosen = self.words[first : first + count], [self.words[at] for at in words]
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
