"""Counts of the n-grams of a text, as modified Kneser-Ney estimation wants them (Heafield et al. 2013, section 3).

Sentences are ``<s> w1 ... wm </s>``, end to end as word ids in one array. The n-grams of order n are those that end at
a word or at ``</s>`` and reach back to ``<s>`` at most. An n-gram of order n is known by its place among those of its
order, which are sorted by word ids; it names its first n - 1 words (``parents``) and its last n - 1 (``suffixes``) by
their places among those of order n - 1. So an order is counted by sorting pairs of integers, whatever n is.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dstoolkit.decoding.arpa import BEGIN, END, UNKNOWN

SPECIAL = (UNKNOWN, BEGIN, END)
UNKNOWN_ID, BEGIN_ID, END_ID = range(3)


class Counts(NamedTuple):
    """Of the n-grams of one order, arrays of one entry each: ``raw`` is how often they occur; ``adjusted`` how many
    different words come before them, but ``raw`` where none can (those of the highest order, and that begin with
    ``<s>``)."""

    parents: Any
    words: Any
    suffixes: Any
    raw: Any
    adjusted: Any


def index(sentences: Iterable[Sequence[str]]) -> tuple[list[str], Any]:
    """Words by id, the special ones first and the others sorted; and the sentences as ids, int32."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__  # a new word gets the next number
    for word in SPECIAL:
        numbers[word]
    stream = array("i")
    for sentence in sentences:
        stream.append(BEGIN_ID)
        stream.extend(map(numbers.__getitem__, sentence))
        stream.append(END_ID)
    words = [*SPECIAL, *sorted(list(numbers)[len(SPECIAL) :])]
    ids = np.empty(len(words), dtype=np.int32)
    ids[[numbers[word] for word in words]] = np.arange(len(words))
    return words, ids[np.frombuffer(stream, dtype=np.int32)]


def count(stream: Any, size: int, order: int) -> list[Counts]:
    """The counts of orders 1 to ``order``; those of order 1 are by word id, of which there are ``size``."""
    starts = np.flatnonzero(stream == BEGIN_ID)
    depths = np.arange(len(stream)) - np.repeat(starts, np.diff(starts, append=len(stream)))  # words since <s>
    raw = np.bincount(stream, minlength=size)
    raw[BEGIN_ID] = 0  # it is given, never predicted
    none = np.zeros(size, dtype=np.int32)
    found, whole = [Counts(none, np.arange(size, dtype=np.int32), none, raw, raw)], none > 0
    places = stream  # of the n-gram that ends at each position, among those of its order
    for n in range(2, order + 1):
        ends = np.flatnonzero(depths >= n - 1)
        keys = places[ends - 1].astype(np.int64) * size + stream[ends]
        keys, first, inverse, raw = _unique(keys)
        suffixes = places[ends[first]]
        different = np.bincount(suffixes, minlength=len(whole))
        found[-1] = found[-1]._replace(adjusted=np.where(whole, found[-1].raw, different))
        found.append(Counts((keys // size).astype(np.int32), (keys % size).astype(np.int32), suffixes, raw, raw))
        whole = depths[ends[first]] == n - 1
        places = np.full(len(stream), -1, dtype=np.int32)
        places[ends] = inverse
    return found


def _unique(keys: Any) -> tuple[Any, Any, Any, Any]:
    """The different keys, sorted; where one of each is; the place of every key among them; how many of each there are.

    ``np.unique`` sorts stably for this, which takes twice as long.
    """
    ranks = np.argsort(keys)
    ordered = keys[ranks]
    new = np.append(True, ordered[1:] != ordered[:-1])[: len(keys)]
    inverse = np.empty(len(keys), dtype=np.int32)
    inverse[ranks] = np.cumsum(new) - 1
    begins = np.flatnonzero(new)
    return ordered[begins], ranks[begins], inverse, np.diff(begins, append=len(keys))
