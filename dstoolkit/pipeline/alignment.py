"""Where the words are: a trained recogniser, an archive and its texts, joined by forced alignment.

Times are in seconds from the start of the utterance, as ``word_times`` makes them; an output frame shift of a model
that takes every n-th of the input's frames is n of the input's. ``docs/align.md`` says how near that comes to the
sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from dstoolkit.ctc.align import Alignment, align
from dstoolkit.data.archive import Archive
from dstoolkit.data.batches import pad, plan
from dstoolkit.errors import DataError
from dstoolkit.interfaces import Word
from dstoolkit.pipeline.recognition import BATCH_FRAMES, Frames, Recogniser
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.pipeline.word_times import within, words_of

AHEAD = 1000  # utterances worked on at once, so that batches are of like length and memory stays bounded
SPACE = "<space>"  # the token of a space, as vocabularies write it too


@dataclass(frozen=True)
class Aligned:
    """One utterance: its duration in seconds, the words and the tokens of its text with their times.

    A token's confidence is the mean of the model's probability of it over its frames, a word's that of its least
    certain token. ``score`` is the path's natural-log probability.
    """

    utterance: str
    duration: float
    words: tuple[Word, ...]
    tokens: tuple[Word, ...]
    score: float


@dataclass(frozen=True)
class Unaligned:
    """An utterance whose text has no place in it, and why."""

    utterance: str
    why: str


Result = Aligned | Unaligned


@dataclass
class Aligner:
    """A recogniser, an archive of the features that it knows (else ArchiveError), and the texts by utterance id."""

    recogniser: Recogniser
    archive: Archive
    texts: Mapping[str, str]

    def __post_init__(self) -> None:
        self.recogniser.check_archive(self.archive)
        self.frames = Frames(self.archive, self.recogniser.cmvn)

    def align(self, utterances: Sequence[str]) -> Iterator[Result]:
        """These utterances of the archive, in this order."""
        for first in range(0, len(utterances), AHEAD):
            yield from self._align(utterances[first : first + AHEAD])

    def _align(self, utterances: Sequence[str]) -> list[Result]:
        found: dict[str, Result] = {}
        targets: dict[str, list[int]] = {}
        for each in utterances:
            try:
                targets[each] = encode(self.recogniser.vocabulary, self.texts.get(each))
            except DataError as error:
                found[each] = Unaligned(each, error.found)
        names = list(targets)
        lengths = self.archive.lengths[[self.archive.index(each) for each in names]]
        for batch in plan(lengths, BATCH_FRAMES):
            rows = [names[at] for at in batch.tolist()]
            for each, alignment in zip(rows, self._paths(rows, targets), strict=True):
                found[each] = self._result(each, alignment)
        return [found[each] for each in utterances]

    def _paths(self, utterances: Sequence[str], targets: Mapping[str, Sequence[int]]) -> list[Alignment]:
        """The output stays on the model's device, where its paths are looked for."""
        recogniser = self.recogniser
        frames, lengths = pad([self.frames[self.archive.index(each)] for each in utterances])
        output, output_lengths = recogniser.model.log_probs(
            torch.from_numpy(frames).to(recogniser.device), torch.from_numpy(lengths).to(recogniser.device)
        )
        return align(output, output_lengths, [targets[each] for each in utterances])

    def _result(self, utterance: str, alignment: Alignment) -> Result:
        if alignment.fault:
            return Unaligned(utterance, alignment.fault)
        duration = round(float(self.archive.durations[self.archive.index(utterance)]), 6)
        spans, shift = alignment.spans, self.recogniser.frame_shift
        names = [self.recogniser.vocabulary.tokenizer.tokens[each.token] for each in spans]
        tokens = (
            Word(
                SPACE if name == " " else name,
                round(each.start * shift, 4),
                round(each.end * shift, 4),
                each.confidence,
            )
            for name, each in zip(names, spans, strict=True)
        )
        words = within(words_of(names, spans, shift), duration)
        return Aligned(utterance, duration, words, within(tokens, duration), alignment.score)


def encode(vocabulary: Vocabulary, text: str | None) -> list[int]:
    """The tokens of a transcript. Raises DataError where there is nothing to align, or a character has no token."""
    if text is None:
        raise DataError("", "no text")
    target = vocabulary.encode(text)
    if not target:
        raise DataError("", "an empty text")
    return target
