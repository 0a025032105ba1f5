"""How well an n-gram model predicts a text: log-probabilities of its sentences, perplexity, unknown words.

Each sentence is scored from ``<s>`` on, ``</s>`` included. The perplexity of N words and sentence ends together is
10 ** (-log10 probability / N). Unknown words count with what the model gives ``<unk>``, or, ``without_unknown``, are
left out of both the probability and N, though the words after them still have them in their history; so does KenLM's
``query``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dstoolkit.decoding.ngram import Ngram, walk

LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Evaluation:
    """By sentence, arrays: the log10 probability, of that the unknown words', and the numbers of words and of unknown
    ones."""

    log10: Any
    of_unknown: Any
    words: Any
    unknown: Any

    @property
    def total(self) -> float:
        return float(self.log10.sum())

    @property
    def perplexity(self) -> float:
        return _perplexity(self.total, int(self.words.sum()) + len(self.words))

    @property
    def without_unknown(self) -> float:
        count = int(self.words.sum() - self.unknown.sum()) + len(self.words)
        return _perplexity(self.total - float(self.of_unknown.sum()), count)


def _perplexity(log10: float, count: int) -> float:
    return float(np.power(10.0, -log10 / count))


def evaluate(model: Ngram, sentences: Iterable[Sequence[str]]) -> Evaluation:
    """Of one sentence or more."""
    ids = [np.append(model.encode(words), np.int32(model.end)) for words in sentences]
    lengths = np.array([len(each) for each in ids])
    starts, stream = np.cumsum(lengths) - lengths, np.concatenate(ids)
    probs, _, _ = walk(model.tables, stream, starts, model.start)
    unknown = stream == 0
    unknown[starts + lengths - 1] = False  # a sentence end is no word, and a model may lack it
    log10 = probs / LN10
    return Evaluation(
        np.add.reduceat(log10, starts),
        np.add.reduceat(np.where(unknown, log10, 0.0), starts),
        lengths - 1,
        np.add.reduceat(unknown.astype(np.int64), starts),
    )
