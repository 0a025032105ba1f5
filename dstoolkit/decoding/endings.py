"""How a search ends: the prefixes that a text may end with, their whole scores, and their tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from dstoolkit.compiled import kernel
from dstoolkit.decoding.growth import finish
from dstoolkit.decoding.prefixes import PARENT, PLACE, ROOT, SPELLED, TOKEN, tokens_of
from dstoolkit.decoding.selection import sort_down
from dstoolkit.decoding.spelling import ROOT as NO_LETTERS
from dstoolkit.decoding.sums import forward, log_add


@kernel
def join_spaces(rules: Any, numbers: Any, beam: Any, totals: Any) -> None:
    """Where words matter, a text with a space at its end is the text without: paths of the one count for the other."""
    for at in range(len(beam)):
        prefix = beam[at]
        if rules.words and prefix != ROOT and rules.bare[numbers[prefix, TOKEN]]:
            without = numbers[numbers[prefix, PARENT], PLACE]
            if without >= 0:
                totals[without] = log_add(totals[without], totals[at])
                totals[at] = -np.inf


@kernel
def conclude(rules: Any, tree: Any, beam: Any, totals: Any) -> Any:
    """The prefixes that a text can end with, best first, and their scores: all, acoustic, model."""
    keys, order, results = np.empty(len(beam)), np.empty(len(beam), np.int64), np.empty((len(beam), 3))
    count = 0
    for at in range(len(beam)):
        allowed, bonus, lm = finish(rules, tree, beam[at])
        if allowed and totals[at] > -np.inf:
            results[at, 0], results[at, 1], results[at, 2] = totals[at] + bonus, totals[at], lm
            keys[count], order[count] = totals[at] + bonus, at
            count += 1
    sort_down(keys, order, 0, count)
    return beam[order[:count]], results[order[:count]]


@kernel
def whole_words(numbers: Any, beam: Any) -> Any:
    """The prefixes without their unfinished words, each once; of an empty beam the empty prefix."""
    found, seen = np.zeros(max(len(beam), 1), np.int32), np.zeros(len(numbers), np.bool_)
    count = 0
    for prefix in beam:
        while prefix != ROOT and numbers[prefix, SPELLED] != NO_LETTERS:
            prefix = numbers[prefix, PARENT]
        if not seen[prefix]:
            seen[prefix] = True
            found[count] = prefix
            count += 1
    return found[: max(count, 1)]


@kernel
def acoustic(log_probs: Any, numbers: Any, beam: Any) -> Any:
    """The log-probabilities of prefixes."""
    totals = np.empty(len(beam))
    for at in range(len(beam)):
        totals[at] = forward(log_probs, tokens_of(numbers, beam[at]))
    return totals


@kernel
def texts(numbers: Any, ends: Any, results: Any) -> Any:
    """Prefixes as their tokens, end to end, and how many each has."""
    counts = np.zeros(len(ends), np.int64)
    for at in range(len(ends)):
        prefix = ends[at]
        while prefix != ROOT:
            counts[at], prefix = counts[at] + 1, numbers[prefix, PARENT]
    tokens, first = np.empty(counts.sum(), np.int32), 0
    for at in range(len(ends)):
        tokens[first : first + counts[at]] = tokens_of(numbers, ends[at])
        first += counts[at]
    return tokens, counts, results
