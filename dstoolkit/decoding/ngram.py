"""An n-gram language model as a finite-state machine over flat arrays, which compiled code queries.

A state is an int: the longest suffix of the words so far that can still matter, at most order - 1 words; 0 is the empty
context. A query takes a state and a word to the word's natural-log probability and the next state:

    log_probability, state = step(tables, state, word)      # in compiled code, and in Python

Where the model has the n-gram (the state's words, word), that is its probability; else the state's backoff is added and
the state's longest proper suffix asked instead, down to the unigrams. A state that no n-gram goes on from and whose
backoff is 0 is never entered, its suffix is: different histories share a state as often as they can. Figures are kept
in float32, as natural logs, and summed in float64.

An n-gram of order 2 and more takes 1.25 slots (``hashing.LOAD``) of 16 bytes (``hashing.ENTRY``), and one below the
highest order 8 bytes more: 28 and 20 bytes an n-gram, where KenLM's probing format takes 24 and 18.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dstoolkit.decoding import arpa_reader
from dstoolkit.decoding.arpa import BEGIN, END, Arpa
from dstoolkit.decoding.ngram_build import build
from dstoolkit.decoding.ngram_tables import NgramTables, lookup, step, walk

__all__ = ["Ngram", "NgramTables", "Score", "lookup", "step", "walk"]


class Score(NamedTuple):
    """Natural logs. Per word, ``</s>`` last where asked for: ``probs`` float64, the ``orders`` of the n-grams found,
    and whether it is ``unknown``."""

    total: float
    probs: Any
    orders: Any
    unknown: Any


@dataclass(frozen=True)
class Ngram:
    """``words`` by id, of which 0 is ``<unk>``; ``start`` is the state after ``<s>``, ``end`` the id of ``</s>``."""

    words: Sequence[str]
    ids: Mapping[str, int]
    tables: NgramTables
    start: int
    end: int

    @classmethod
    def load(cls, path: Path | str) -> Ngram:
        """Read an ARPA file, plain or gzip. Raises DataError naming the line that is wrong."""
        return cls.of(arpa_reader.read(path))

    @classmethod
    def of(cls, arpa: Arpa) -> Ngram:
        tables = build(arpa)
        start = int(tables.unigrams["next"][arpa.ids[BEGIN]]) if BEGIN in arpa.ids else 0
        return cls(arpa.words, arpa.ids, tables, start, arpa.ids.get(END, 0))

    @property
    def order(self) -> int:
        return self.tables.order

    @property
    def nbytes(self) -> int:
        """Of the arrays; the words themselves come on top."""
        return sum(each.nbytes for each in self.tables if isinstance(each, np.ndarray))

    def encode(self, words: Iterable[str]) -> Any:
        """Word ids, int32, 0 for unknown words."""
        return np.fromiter((self.ids.get(word, 0) for word in words), dtype=np.int32)

    def score(self, words: Iterable[str], bos: bool = True, eos: bool = True) -> Score:
        """Of a sentence, after ``<s>`` where ``bos``, with ``</s>`` at the end where ``eos``."""
        ids = np.append(self.encode(words), np.full(int(eos), self.end, dtype=np.int32))
        probs, orders, _ = walk(self.tables, ids, np.zeros(1, dtype=np.int64), self.start if bos else 0)
        return Score(float(probs.sum()), probs, orders, ids == 0)
