"""From the n-grams of an ARPA file to the arrays of ``ngram_tables``.

A node is an n-gram below the highest order, numbered order by order from 1; 0 is the empty context. First the table of
each order is filled, from order 2 up: its n-grams' first words are found as nodes in the tables below, which makes
their keys. First words that are no n-gram themselves (other tools prune those) become nodes with the backoff 0 and the
probability that backing off gives, which changes no score. Then, again from order 2 up, each n-gram's suffix: the
longest of its proper suffixes that is a node, found by the query itself, since the tables below are complete. Last,
nodes that need not be states (see ``ngram``) give way to their suffixes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from dstoolkit.compiled import in_order
from dstoolkit.decoding.arpa import Arpa
from dstoolkit.decoding.hashing import EMPTY, ENTRY, LARGEST, find, hashes, homes, length, places, unmix
from dstoolkit.decoding.ngram_tables import STATE, UNIGRAM, NgramTables, lookup
from dstoolkit.errors import DataError

LN10 = np.log(10.0)
LACKING = np.float32(np.nan)  # the probability of a node that the file lacks, until it is computed


def build(arpa: Arpa) -> NgramTables:
    """Raises DataError naming the line of an n-gram that is there twice, and where there are too many to number."""
    tables = _empty(arpa)
    prefixes = {n: arpa.levels[n - 1].words[:, 0] + np.int32(1) for n in range(2, arpa.order + 1)}
    for order in range(2, arpa.order):
        tables = _with_middle(tables, arpa, order, prefixes)
    if arpa.order > 1:
        highest = arpa.levels[-1]
        keys = hashes(prefixes[arpa.order], highest.words[:, -1])
        tables = _with_table(tables, arpa, arpa.order, keys, highest.probs, 0)
    for order in range(2, arpa.order + 1):
        _link(tables, order)
    return _minimal(tables)


def _empty(arpa: Arpa) -> NgramTables:
    """Unigrams and their nodes alone. ``next`` is the n-gram's own node, until ``_minimal``."""
    unigrams = np.zeros(len(arpa.words), dtype=UNIGRAM)
    unigrams["prob"] = _natural(arpa.levels[0].probs)
    end = np.zeros(1, dtype=ENTRY)
    end["key"] = EMPTY
    numbers = [np.zeros(arpa.order + 2, dtype=np.int64) for _ in range(3)]
    tables = NgramTables(arpa.order, unigrams, np.zeros(1, dtype=STATE), numbers[0], end, numbers[1], numbers[2])
    if arpa.order == 1:
        return tables
    unigrams["next"] = np.arange(1, len(unigrams) + 1)
    return _with_nodes(tables, arpa, 1, _natural(arpa.levels[0].backoffs))


def _with_nodes(tables: NgramTables, arpa: Arpa, order: int, backoffs: Any) -> NgramTables:
    count = len(tables.states)
    if count + len(backoffs) > LARGEST:
        raise DataError(arpa.path, "too many n-grams", f"expected fewer than {LARGEST} below the highest order")
    states = np.zeros(count + len(backoffs), dtype=STATE)
    states[:count] = tables.states
    states["backoff"][count:] = backoffs
    tables.firsts[order] = count
    return tables._replace(states=states)


def _with_middle(tables: NgramTables, arpa: Arpa, order: int, prefixes: dict[int, Any]) -> NgramTables:
    """The table and the nodes of an order below the highest; ``prefixes[n]``, the nodes of the first words of the
    n-grams of order n, grow by a word."""
    level, first = arpa.levels[order - 1], len(tables.states)
    keys, probs, backoffs = hashes(prefixes.pop(order), level.words[:, -1]), level.probs, _natural(level.backoffs)
    found = _with_table(tables, arpa, order, keys, probs, first)
    higher = {n: (prefixes[n], arpa.levels[n - 1].words[:, order - 1]) for n in prefixes}
    nodes = {n: _find_all(found, order, *each) for n, each in higher.items()}
    lacking = [hashes(each[0][nodes[n] < 0], each[1][nodes[n] < 0]) for n, each in higher.items()]
    if more := len(added := np.unique(np.concatenate(lacking))):
        probs, backoffs = np.append(probs, np.full(more, LACKING)), np.append(backoffs, np.zeros(more))
        found = _with_table(tables, arpa, order, np.append(keys, added), probs, first)
        nodes = {n: _find_all(found, order, *each) for n, each in higher.items()}
    prefixes.update(nodes)
    return _with_nodes(found, arpa, order, backoffs)


def _with_table(tables: NgramTables, arpa: Arpa, order: int, keys: Any, probs: Any, first: int) -> NgramTables:
    """The table of an order added: entries in the order of their hashes, ``next`` their numbers from ``first`` on."""
    ranks = np.argsort(keys, kind="stable")
    ordered = keys[ranks]
    if len(twice := ranks[1:][ordered[1:] == ordered[:-1]]):
        raise DataError(arpa.where(order, int(twice.min())), f"a {order}-gram again", "expected each n-gram once")
    base, slots = len(tables.entries), homes(len(keys))
    at = places(ordered, slots)
    end = base + length(at, slots)
    entries = np.zeros(end, dtype=ENTRY)
    entries[:base] = tables.entries
    entries["key"][base:] = EMPTY
    entries["key"][base + at], entries["prob"][base + at] = ordered, _natural(probs)[ranks]
    entries["next"][base + at] = first + ranks
    tables.bases[order], tables.slots[order], tables.bases[order + 1] = base, slots, end
    return tables._replace(entries=entries)


def _natural(log10: Any) -> Any:
    return (np.asarray(log10, dtype=np.float64) * LN10).astype(np.float32)


@in_order
def _find_all(tables: Any, order: Any, states: Any, words: Any) -> Any:
    """The nodes of n-grams of an order, by the nodes of all words but the last, and that; -1 where there is none."""
    found = np.full(len(states), -1, dtype=np.int32)
    for i in range(len(states)):
        at = find(tables.entries, tables.bases[order], tables.slots[order], states[i], words[i])
        if at >= 0:
            found[i] = tables.entries[at].next
    return found


@in_order
def _link(tables: Any, order: Any) -> None:
    """The suffixes of the nodes of an order; of the highest, what follows them. And the probabilities still lacking."""
    entries, states = tables.entries, tables.states
    for at in range(tables.bases[order], tables.bases[order + 1]):
        entry = entries[at]
        if entry.key == EMPTY:
            continue
        parent, word = unmix(entry.key)
        log_probability, suffix, _ = lookup(tables, np.int64(states[parent].suffix), word)
        if np.isnan(entry.prob):
            entry.prob = states[parent].backoff + log_probability
        if order < tables.order:
            states[entry.next].suffix = suffix
        else:
            entry.next = suffix


def _minimal(tables: NgramTables) -> NgramTables:
    """Every node that cannot matter replaced by the longest of its suffixes that can."""
    matters = (tables.states["backoff"] != 0) | _parents(tables.entries, len(tables.states))
    states = np.arange(len(matters), dtype=np.int32)
    bounds = [*tables.firsts[1 : tables.order].tolist(), len(states)]
    for begin, end in pairwise(bounds):
        suffixes = states[tables.states["suffix"][begin:end]]
        states[begin:end] = np.where(matters[begin:end], states[begin:end], suffixes)
    for array, name in ((tables.states, "suffix"), (tables.entries, "next"), (tables.unigrams, "next")):
        array[name] = states[array[name]]
    return tables


@in_order
def _parents(entries: Any, count: Any) -> Any:
    """Which nodes an n-gram goes on from."""
    found = np.zeros(count, dtype=np.bool_)
    for entry in entries:
        if entry.key != EMPTY:
            found[unmix(entry.key)[0]] = True
    return found
