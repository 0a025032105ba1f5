"""From outputs to hypotheses: batches of utterances through a decoder, in one process or in several.

Batches are the same however many processes there are, a network runs in one thread, and decoders are indifferent to
what shares a batch: so the results are the same too, to the last bit.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property

from torch import Tensor

from dstoolkit import plugins
from dstoolkit.config import Choice
from dstoolkit.data.batches import IntArray
from dstoolkit.interfaces import Decoder, Hypothesis
from dstoolkit.pipeline.outputs import Outputs, Task
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.pipeline.word_times import fill, within
from dstoolkit.pipeline.workers import ordered_map


def make_decoder(choice: Choice, vocabulary: Vocabulary) -> Decoder:
    """The decoder that ``choice`` names. Raises PluginError or ConfigError, and what the decoder itself refuses."""
    decoder, options = plugins.choose("decoders", choice)
    made: Decoder = decoder(options, vocabulary.tokenizer)
    return made


def transcribe(outputs: Outputs, decoder: Decoder, batch: IntArray) -> list[list[Hypothesis]]:
    """Each utterance's hypotheses, best first, with words and their times, which end with the audio."""
    filled = spell(decoder, outputs.vocabulary, *outputs.log_probs(batch), outputs.frame_shift)
    durations = outputs.archive.durations[batch].tolist()
    return [
        [replace(each, words=within(each.words, duration)) for each in hypotheses]
        for hypotheses, duration in zip(filled, durations, strict=True)
    ]


def spell(
    decoder: Decoder, vocabulary: Vocabulary, log_probs: Tensor, lengths: Tensor, frame_shift: float
) -> list[list[Hypothesis]]:
    """``(batch, frames, vocab)``, ``(batch,)`` -> hypotheses of each, with the times and confidences of their words."""
    found = decoder.decode(log_probs, lengths, frame_shift)
    return fill(found, log_probs, lengths, vocabulary.tokenizer.tokens, frame_shift)


@dataclass
class Transcribe(Task):
    """A batch of indices -> their hypotheses. The decoder is made once a process."""

    choice: Choice = field(default_factory=lambda: Choice("greedy"))

    @cached_property
    def decoder(self) -> Decoder:
        return make_decoder(self.choice, self.outputs.vocabulary)

    def __call__(self, batch: IntArray) -> list[list[Hypothesis]]:
        return transcribe(self.outputs, self.decoder, batch)

    def all(
        self, jobs: int = 1, batches: Sequence[IntArray] | None = None
    ) -> Generator[tuple[IntArray, Sequence[Sequence[Hypothesis]]], None, None]:
        """Every utterance, or those of ``batches``, batch by batch, in so many processes. Close it where it is not used
        up."""
        batches = self.outputs.batches() if batches is None else batches
        with closing(ordered_map(self, batches, jobs)) as results:
            yield from zip(batches, results, strict=True)
