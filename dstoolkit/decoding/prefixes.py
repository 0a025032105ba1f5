"""The prefixes of a search as a tree in flat arrays: each is its parent and one more token.

A prefix's integers are a row of ``numbers``, its scores a row of ``scores``. Prefixes are made as the search reaches
them; their children are found through a hash table of their places, linear probing. When the arrays are full, prefixes
that the beam no longer descends from are dropped, so memory follows the beam and not the length of the utterance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dstoolkit.compiled import kernel, uncounted_inlined

# Columns of ``numbers``: the parent, the last token, the place in the beam (-1: not in it), the node of the word trie,
# the language model's state, the hotwords' state, and the model's state once the word is closed.
PARENT, TOKEN, PLACE, SPELLED, STATE, HOT, CLOSED = range(7)
# Columns of ``scores``: all that is added to the acoustic score; the language model's unweighted share; and what
# closing the word adds to both.
BONUS, LM, CLOSED_BONUS, CLOSED_LM = range(4)
NUMBERS, SCORES = 7, 4
ROOT = 0  # the empty prefix
NOT_YET, NEVER = -2, -1  # in CLOSED: not computed; the word must not be closed here
EMPTY = -1  # in the hash table
CAPACITY = 1 << 12  # prefixes, at first; a power of two


class Tree(NamedTuple):
    """``(capacity, NUMBERS)`` int32, ``(capacity, SCORES)`` float64, and the hash table, int32."""

    numbers: Any
    scores: Any
    table: Any


@kernel
def new_tree(state: Any, hot: Any) -> Any:
    """The empty prefix alone."""
    numbers, scores = np.empty((CAPACITY, NUMBERS), np.int32), np.zeros((CAPACITY, SCORES))
    numbers[ROOT, PARENT], numbers[ROOT, TOKEN], numbers[ROOT, PLACE] = -1, 0, 0
    numbers[ROOT, SPELLED], numbers[ROOT, STATE], numbers[ROOT, HOT] = 0, state, hot
    numbers[ROOT, CLOSED] = NOT_YET
    return Tree(numbers, scores, np.full(2 * CAPACITY, EMPTY, np.int32))


@uncounted_inlined
def find(numbers: Any, table: Any, parent: Any, token: Any) -> Any:
    """The slot of a prefix in the table: its own, or the free one where it belongs."""
    mask = len(table) - 1
    mixed = (np.uint64(parent) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(token)) * np.uint64(0xD6E8FEB86659FD93)
    at = np.int64(mixed >> np.uint64(32)) & mask
    while table[at] != EMPTY and (numbers[table[at], PARENT] != parent or numbers[table[at], TOKEN] != token):
        at = (at + 1) & mask
    return at


@uncounted_inlined
def add(
    tree: Any, slot: Any, prefix: Any, parent: Any, token: Any, spelled: Any, state: Any, hot: Any, bonus: Any, lm: Any
) -> None:
    """A new prefix, its own number the next one, at the slot that ``find`` gave."""
    numbers, scores = tree.numbers, tree.scores
    tree.table[slot] = prefix
    numbers[prefix, PARENT], numbers[prefix, TOKEN], numbers[prefix, PLACE] = parent, token, EMPTY
    numbers[prefix, SPELLED], numbers[prefix, STATE], numbers[prefix, HOT] = spelled, state, hot
    numbers[prefix, CLOSED] = NOT_YET
    scores[prefix, BONUS], scores[prefix, LM] = bonus, lm


@kernel
def thin_out(tree: Any, count: Any, beam: Any, size: Any) -> Any:
    """Keep the prefixes of the beam and those they descend from, in arrays twice as large if most are kept.

    ``beam`` is renumbered in place. Returns the tree and the number of its prefixes; parents come first in it.
    """
    numbers = tree.numbers
    moved = np.full(count, EMPTY, np.int32)
    for at in range(size):
        prefix = beam[at]
        while prefix >= 0 and moved[prefix] == EMPTY:
            moved[prefix] = 0
            prefix = numbers[prefix, PARENT]
    kept = 0
    for prefix in range(count):
        if moved[prefix] != EMPTY:
            moved[prefix] = kept
            kept += 1
    capacity = len(numbers)
    while kept > capacity // 2 or kept + len(beam) > capacity:
        capacity *= 2
    numbers_then, scores_then = np.empty((capacity, NUMBERS), np.int32), np.zeros((capacity, SCORES))
    table = np.full(2 * capacity, EMPTY, np.int32)
    for prefix in range(count):
        to = moved[prefix]
        if to == EMPTY:
            continue
        for column in range(NUMBERS):
            numbers_then[to, column] = numbers[prefix, column]
        for column in range(SCORES):
            scores_then[to, column] = tree.scores[prefix, column]
        if prefix != ROOT:
            numbers_then[to, PARENT] = moved[numbers[prefix, PARENT]]
            table[find(numbers_then, table, numbers_then[to, PARENT], numbers_then[to, TOKEN])] = to
    for at in range(size):
        beam[at] = moved[beam[at]]
    return Tree(numbers_then, scores_then, table), kept


@kernel
def tokens_of(numbers: Any, prefix: Any) -> Any:
    """The tokens of a prefix, first to last, int32."""
    count, at = 0, prefix
    while at != ROOT:
        count, at = count + 1, numbers[at, PARENT]
    tokens = np.empty(count, np.int32)
    while prefix != ROOT:
        count -= 1
        tokens[count], prefix = numbers[prefix, TOKEN], numbers[prefix, PARENT]
    return tokens
