"""The arrays of an n-gram model, and the query that compiled code makes of them; see ``ngram``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dstoolkit.compiled import in_order, inlined
from dstoolkit.decoding.hashing import find

UNIGRAM = np.dtype([("prob", np.float32), ("next", np.int32)])
STATE = np.dtype([("backoff", np.float32), ("suffix", np.int32)])


class NgramTables(NamedTuple):
    """Probabilities and backoffs are natural logs; ``next`` and ``suffix`` are states.

    ``unigrams``: ``UNIGRAM`` by word id. ``states``: ``STATE`` by state: 0, then those of one word, of two, and so on.
    ``firsts[n]``: the first state of n words. ``entries``: ``hashing.ENTRY``, the tables of the orders from 2 up, end
    to end, of which that of order n begins at ``bases[n]`` and has ``slots[n]`` homes.
    """

    order: int
    unigrams: Any
    states: Any
    firsts: Any
    entries: Any
    bases: Any
    slots: Any


@inlined
def lookup(tables: Any, state: Any, word: Any) -> Any:
    """The natural-log probability of ``word`` (float64), the next state, and the order of the n-gram that was found."""
    total, order = 0.0, tables.order - 1
    while state > 0:
        while state < tables.firsts[order]:
            order -= 1
        at = find(tables.entries, tables.bases[order + 1], tables.slots[order + 1], state, word)
        if at >= 0:
            entry = tables.entries[at]
            return total + np.float64(entry.prob), np.int64(entry.next), order + 1
        total += np.float64(tables.states[state].backoff)
        state = np.int64(tables.states[state].suffix)
    return total + np.float64(tables.unigrams[word].prob), np.int64(tables.unigrams[word].next), 1


@inlined
def step(tables: Any, state: Any, word: Any) -> Any:
    """The natural-log probability of ``word`` (an id, 0 if unknown) after ``state``, float64; the next state, int64."""
    log_probability, state, _ = lookup(tables, state, word)
    return log_probability, state


@in_order
def walk(tables: Any, words: Any, starts: Any, state: Any) -> Any:
    """Along sentences: ``words`` end to end, that of ``starts[i]`` the first of the i-th, each from ``state``.

    Natural-log probabilities float64, the orders of the n-grams found, and the states after, one of each per word.
    """
    probs, orders = np.empty(len(words), dtype=np.float64), np.empty(len(words), dtype=np.int64)
    states, now, sentence = np.empty(len(words), dtype=np.int64), np.int64(state), 0
    for at in range(len(words)):
        while sentence < len(starts) and starts[sentence] == at:
            now, sentence = np.int64(state), sentence + 1
        probs[at], now, orders[at] = lookup(tables, now, words[at])
        states[at] = now
    return probs, orders, states
