"""A recogniser and a decoder, applied to audio files: what is said in each, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dstoolkit.data.batches import pad
from dstoolkit.interfaces import Decoder, Hypothesis, Word
from dstoolkit.pipeline.listening import Listener
from dstoolkit.pipeline.segments import Cutter, Stretch
from dstoolkit.pipeline.transcription import spell
from dstoolkit.pipeline.word_times import within

DIGITS = 4  # decimal places of seconds, as word times have


@dataclass(frozen=True)
class Segment:
    """A stretch of speech, from its first word to its last, in seconds from the file's start.

    Of a decoder that gives no times of words: from where the outputs were cut to where they were cut next, no words.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()

    @property
    def confidence(self) -> float | None:
        """The mean of its words'; None without."""
        return sum(each.confidence for each in self.words) / len(self.words) if self.words else None


@dataclass(frozen=True)
class Transcript:
    """What was heard in ``file``; ``duration`` in seconds. Segments without a word are left out."""

    id: str
    file: str
    duration: float
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        return " ".join(each.text for each in self.segments)


@dataclass
class Transcriber:
    """``progress`` is called with the seconds of audio that were done since it was called last."""

    listener: Listener
    decoder: Decoder
    progress: Callable[[float], object] = lambda seconds: None

    def transcribe(self, path: Path | str, name: str) -> Transcript:
        """Raises DataError where the file cannot be transcribed."""
        recogniser, layout = self.listener.recogniser, self.listener.layout
        tokens = recogniser.vocabulary.tokenizer.tokens
        cutter = Cutter(layout.size // layout.stride, tokens, recogniser.frame_shift)
        segments: list[Segment] = []
        duration = 0.0
        for heard in self.listener.listen(path):
            segments += self._decode(cutter.add(heard.log_probs))
            self.progress(heard.seconds - duration)
            duration = heard.seconds
        segments += self._decode([cutter.finish()])
        return Transcript(name, str(path), duration, tuple(_ending(each, duration) for each in segments))

    def _decode(self, stretches: Sequence[Stretch]) -> list[Segment]:
        """The best hypothesis of each that has one."""
        if not stretches:
            return []
        recogniser = self.listener.recogniser
        rows, lengths = pad([each.log_probs.numpy() for each in stretches])
        found = spell(
            self.decoder,
            recogniser.vocabulary,
            torch.from_numpy(rows),
            torch.from_numpy(lengths),
            recogniser.frame_shift,
        )
        made = [self._segment(*each) for each in zip(stretches, found, strict=True)]
        return [each for each in made if each.text]

    def _segment(self, stretch: Stretch, hypotheses: Sequence[Hypothesis]) -> Segment:
        best, shift = (hypotheses[0] if hypotheses else Hypothesis("", 0.0)), self.listener.recogniser.frame_shift
        begin, end = stretch.start * shift, (stretch.start + len(stretch.log_probs)) * shift
        words = tuple(_moved(each, begin) for each in best.words)
        if words:
            begin, end = words[0].start, words[-1].end
        return Segment(round(begin, DIGITS), round(end, DIGITS), " ".join(best.text.split()), words)


def _moved(word: Word, seconds: float) -> Word:
    return replace(word, start=round(word.start + seconds, DIGITS), end=round(word.end + seconds, DIGITS))


def _ending(segment: Segment, duration: float) -> Segment:
    """The last output frame may reach beyond the end of the audio."""
    start, end = min(segment.start, duration), min(segment.end, duration)
    return replace(segment, start=start, end=end, words=within(segment.words, duration))
