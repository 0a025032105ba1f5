"""Hash tables in sorted order: a table is its entries sorted by hash, with gaps, so that a search need not run on.

The entry of hash ``h`` lies at or shortly after its home, ``(h >> 32) * slots >> 32``; hashes rise from slot to slot,
and a gap holds ``EMPTY``, the largest. A search starts at the home and stops at the first hash that is not smaller, so
that one for an absent key ends as early as one for a present key: about (1 + 1 / (1 - load)) / 2 slots, 3 at ``LOAD``
(Amble and Knuth 1974, "Ordered hash tables"). A key is a pair (state, word), each below 2^30; its hash is a bijection
of the 64 bits, so that equal hashes are equal keys and nothing is ever found that is not there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dstoolkit.compiled import in_order, inlined

LOAD = 0.8  # of the slots hold an entry
LARGEST = 1 << 30  # states and words are below
ENTRY = np.dtype([("key", np.uint64), ("prob", np.float32), ("next", np.int32)])  # 16 bytes a slot
EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)  # the hash of (0x72d27ba4, 0x71fc4983), neither of which is below 2^30

# The mixing function known as degski64: twice, half the bits xored onto the others and a product with an odd constant;
# every bit of the key changes about half of the hash's. Its steps can all be undone.
FACTOR = np.uint64(0xD6E8FEB86659FD93)
INVERSE = np.uint64(0xCFEE444D8B59A89B)  # FACTOR * INVERSE = 1 modulo 2^64
HALF = np.uint64(32)


@inlined
def mix(state: Any, word: Any) -> Any:
    """The hash of a key, uint64."""
    key = (np.uint64(state) << HALF) | np.uint64(word)
    key = (key ^ (key >> HALF)) * FACTOR
    key = (key ^ (key >> HALF)) * FACTOR
    return key ^ (key >> HALF)


@inlined
def unmix(key: Any) -> Any:
    """The (state, word) whose hash is ``key``; a shift by half the bits undoes itself."""
    key = (key ^ (key >> HALF)) * INVERSE
    key = (key ^ (key >> HALF)) * INVERSE
    key = key ^ (key >> HALF)
    return np.int64(key >> HALF), np.int64(key & np.uint64(0xFFFFFFFF))


@inlined
def find(entries: Any, base: Any, slots: Any, state: Any, word: Any) -> Any:
    """The slot of a key in the table of ``slots`` homes that begins at ``entries[base]``; -1 where it is not there."""
    key = mix(state, word)
    at = base + np.int64(((key >> HALF) * np.uint64(slots)) >> HALF)
    while entries[at].key < key:
        at += 1
    return at if entries[at].key == key else np.int64(-1)


@in_order
def hashes(states: Any, words: Any) -> Any:
    """``mix`` of every pair."""
    found = np.empty(len(states), dtype=np.uint64)
    for at in range(len(states)):
        found[at] = mix(states[at], words[at])
    return found


def homes(count: int) -> int:
    """How many homes a table of so many entries has."""
    return int(np.ceil(count / LOAD))


def places(ordered: Any, slots: int) -> Any:
    """The slot of each of the rising hashes: its home, or after its predecessor where that is taken. int64."""
    at = np.arange(len(ordered))
    home = (((ordered >> HALF) * np.uint64(slots)) >> HALF).astype(np.int64)
    return at + np.maximum.accumulate(home - at)


def length(at: Any, slots: int) -> int:
    """How many slots a table takes whose entries are at these ``places``.

    Searches begin at any home, those after the last entry too, and end at an empty slot at the latest.
    """
    return max(slots, int(at[-1]) + 1 if len(at) else 0) + 1
