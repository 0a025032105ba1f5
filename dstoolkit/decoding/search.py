"""CTC prefix beam search in compiled code: the fast twin of ``reference.beam_search``, with a bonus for texts.

One call decodes one utterance; calls of several threads run side by side, as no Python object is touched. Scores are
natural logs in float64. At each frame

- every prefix in the beam goes on as it is, by a blank or its last token again, and takes in the paths of its parent
  that reach it now. The worst of a full beam is then a bound: what scores less cannot be among the next.
- tokens are gone through from the likeliest down, so that a prefix's extensions end at the first that is below the
  bound; the bound rises whenever the candidates are thinned out by quickselect. Most of the ``beam * vocab`` extensions
  are never looked at, and none that matters is left out: token pruning is a choice, not a need.
- only for extensions above the bound are words, language model and hotwords asked (``growth``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dstoolkit.compiled import in_order, inlined
from dstoolkit.decoding.growth import finish, grow, word_end
from dstoolkit.decoding.prefixes import (
    BONUS,
    EMPTY,
    PARENT,
    PLACE,
    ROOT,
    SPELLED,
    TOKEN,
    add,
    find,
    new_tree,
    thin_out,
    tokens_of,
)
from dstoolkit.decoding.selection import best_first, sort_down
from dstoolkit.decoding.spelling import ROOT as NO_LETTERS
from dstoolkit.interfaces import BLANK

CAPACITY = 1 << 12  # prefixes, at first
SPARE = 3  # candidates are thinned out when there are so many times the beam
IN_BLANK, IN_TOKEN, EITHER = range(3)  # log-probabilities of the paths that end in a blank, in the last token; of both


class Limits(NamedTuple):
    """How much is kept: prefixes a frame, tokens a frame (0: all), the least log-probability of a token, and how far
    below the best a prefix may be (nats)."""

    beam: int
    tokens: int
    token: float
    below: float


@inlined
def log_add(one: Any, other: Any) -> Any:
    """``log(exp(one) + exp(other))``."""
    most, least = max(one, other), min(one, other)
    if least < most - 40.0 or most == -np.inf:  # beyond the precision of float64
        return most
    return most + np.log1p(np.exp(least - most))


@in_order
def search(log_probs: Any, limits: Any, rules: Any) -> Any:
    """``(frames, vocab)`` -> the tree's ``numbers``, the beam's prefixes, and ``(size, 3)``: score, acoustic, model.

    The prefixes are those that a text may end with, best first. Where a lexicon lets none end, they are the beam's
    without their unfinished words.
    """
    vocab, width = log_probs.shape[1], limits.beam
    numbers, scores, table = new_tree(CAPACITY, rules.start, rules.hotwords.start)
    beam, ranks, size, count = np.zeros(width, np.int32), np.zeros(width), 1, 1
    parts, stays = np.zeros((width, 3)), np.empty((width, 3))  # of the prefixes: now, and gone on as they are
    heads, nexts = np.empty(width, np.int32), np.empty(width, np.int32)  # of each prefix, its children in the beam
    keys, codes = np.empty(width + SPARE), np.empty(width + SPARE, np.int64)  # candidates
    row, reach, tokens = np.empty(vocab), np.empty(vocab), np.empty(vocab, np.int64)
    parts[0, IN_TOKEN], numbers[ROOT, PLACE] = -np.inf, 0
    for t in range(len(log_probs)):
        row[:] = log_probs[t]
        stay(row, numbers, scores, beam, size, parts, stays, heads, nexts, keys, codes)
        best = keys[:size].max() if size else -np.inf
        bound = max(keys[:size].min() if size == width else -np.inf, best - limits.below)
        highest = ranks[:size].max() if size else -np.inf
        within, usable = choose_tokens(row, rules, limits, bound - highest, reach, tokens)
        found = size
        for at in range(size):
            for ends in range(2):  # first the tokens that go on with a word, then those that end it
                first, last, end = (within, usable, rules.most_at_end) if ends else (0, within, 0.0)
                if first == last or ranks[at] + end + reach[first] < bound:
                    continue
                if ends:
                    end = word_end(rules, numbers, scores, beam[at])
                for k in range(first, last):
                    if ranks[at] + end + reach[k] < bound:
                        break
                    token = tokens[k]
                    key = extension(rules, numbers, scores, beam, parts, heads, nexts, row, at, token)
                    if key < bound or key == -np.inf:
                        continue
                    if found == len(keys):
                        best_first(keys, codes, found, width)
                        found = width
                        bound = max(bound, keys[:found].min())
                        if key < bound:
                            continue
                    keys[found], codes[found] = key, at * vocab + token
                    best = max(best, key)
                    found += 1
        if found > width:
            best_first(keys, codes, found, width)
            found = width
        sort_down(keys, codes, found)
        if count + width > len(numbers):
            numbers, scores, table, count = thin_out(numbers, scores, table, count, beam, size)
        size, count = renew(
            rules, numbers, scores, table, count, beam, size, ranks, parts, stays, row, keys, codes, found,
            best - limits.below,
        )  # fmt: skip
    ends, results = conclude(rules, numbers, scores, beam, size, parts[:, EITHER])
    if len(ends) == 0:
        cut = whole_words(numbers, beam, size)
        totals = np.array([forward(log_probs, tokens_of(numbers, prefix)) for prefix in cut])
        ends, results = conclude(rules, numbers, scores, cut, len(cut), totals)
    return numbers, ends, results


@inlined
def stay(
    row: Any, numbers: Any, scores: Any, beam: Any, size: Any, parts: Any, stays: Any, heads: Any, nexts: Any,
    keys: Any, codes: Any,
) -> None:  # fmt: skip
    """The prefixes as they are, as the first candidates; each one's children are linked up in ``heads``, ``nexts``."""
    heads[:size] = EMPTY
    for at in range(size):
        prefix = beam[at]
        blank, token = parts[at, EITHER] + row[BLANK], -np.inf
        if prefix != ROOT:
            last, parent = numbers[prefix, TOKEN], numbers[prefix, PARENT]
            token = parts[at, IN_TOKEN] + row[last]
            above = numbers[parent, PLACE]
            if above >= 0:
                repeated = parent != ROOT and numbers[parent, TOKEN] == last
                token = log_add(token, parts[above, IN_BLANK if repeated else EITHER] + row[last])
                nexts[at], heads[above] = heads[above], at
        total = log_add(blank, token)
        stays[at, IN_BLANK], stays[at, IN_TOKEN], stays[at, EITHER] = blank, token, total
        keys[at], codes[at] = total + scores[prefix, BONUS], -1 - at


@inlined
def choose_tokens(row: Any, rules: Any, limits: Any, least: Any, reach: Any, tokens: Any) -> Any:
    """The tokens that may extend a prefix: those that go on with a word and then those that end it, each sorted by what
    they add at most (``reach``); how many the first are, and all."""
    count = 0
    for token in range(len(row)):
        more = rules.most[token] + (rules.most_at_end if rules.opens[token] else 0.0)
        if token != BLANK and row[token] >= limits.token and row[token] + more >= least:
            reach[count], tokens[count] = row[token], token
            count += 1
    if 0 < limits.tokens < count:
        best_first(reach, tokens, count, limits.tokens)
        count = limits.tokens
    within = 0
    for at in range(count):
        token = tokens[at]
        if not rules.opens[token]:
            tokens[at], tokens[within] = tokens[within], token
            within += 1
    for at in range(count):
        reach[at] = row[tokens[at]] + rules.most[tokens[at]]
    sort_down(reach, tokens, within)
    sort_down(reach[within:], tokens[within:], count - within)
    return within, count


@inlined
def extension(
    rules: Any, numbers: Any, scores: Any, beam: Any, parts: Any, heads: Any, nexts: Any, row: Any, at: Any,
    token: Any,
) -> Any:  # fmt: skip
    """The score of a prefix with ``token`` after it; -inf where it is not allowed or in the beam already."""
    prefix = beam[at]
    acoustic = reached(numbers, prefix, parts, row, at, token)
    below = heads[at]
    while below != EMPTY:  # a child in the beam has taken in these paths
        if numbers[beam[below], TOKEN] == token:
            return -np.inf
        below = nexts[below]
    if not rules.matter:
        return acoustic
    allowed, _, _, _, bonus, _ = grow(rules, numbers, scores, prefix, token)
    return acoustic + bonus if allowed else -np.inf


@inlined
def reached(numbers: Any, prefix: Any, parts: Any, row: Any, at: Any, token: Any) -> Any:
    """The log-probability of the paths that go on from a prefix to ``token``: after the same only from a blank."""
    repeated = prefix != ROOT and numbers[prefix, TOKEN] == token
    return parts[at, IN_BLANK if repeated else EITHER] + row[token]


@inlined
def renew(
    rules: Any, numbers: Any, scores: Any, table: Any, count: Any, beam: Any, size: Any, ranks: Any, parts: Any,
    stays: Any, row: Any, keys: Any, codes: Any, found: Any, least: Any,
) -> Any:  # fmt: skip
    """The candidates become the beam, new prefixes are made; its size and the number of prefixes."""
    before, parts_before, vocab = beam[:size].copy(), parts[:size].copy(), len(row)
    for prefix in before:
        numbers[prefix, PLACE] = EMPTY
    to = 0
    for candidate in range(found):
        if keys[candidate] < least or keys[candidate] == -np.inf:
            continue
        code = codes[candidate]
        if code < 0:
            prefix = before[-1 - code]
            for part in range(3):
                parts[to, part] = stays[-1 - code, part]
        else:
            at, token = code // vocab, code % vocab
            acoustic = reached(numbers, before[at], parts_before, row, at, token)
            parts[to, IN_BLANK], parts[to, IN_TOKEN], parts[to, EITHER] = -np.inf, acoustic, acoustic
            slot = find(numbers, table, before[at], token)
            if table[slot] == EMPTY:
                _, spelled, state, hot, bonus, lm = grow(rules, numbers, scores, before[at], token)
                add(numbers, scores, table, slot, count, before[at], token, spelled, state, hot, bonus, lm)
                count += 1
            prefix = table[slot]
        numbers[prefix, PLACE] = to
        beam[to], ranks[to] = prefix, keys[candidate]
        to += 1
    return to, count


@inlined
def conclude(rules: Any, numbers: Any, scores: Any, beam: Any, size: Any, totals: Any) -> Any:
    """The prefixes that a text can end with, best first, and their scores: all, acoustic, model."""
    keys, order, results = np.empty(size), np.empty(size, np.int64), np.empty((size, 3))
    count = 0
    for at in range(size):
        allowed, bonus, lm = finish(rules, numbers, scores, beam[at])
        if allowed:
            results[at, 0], results[at, 1], results[at, 2] = totals[at] + bonus, totals[at], lm
            keys[count], order[count] = totals[at] + bonus, at
            count += 1
    sort_down(keys, order, count)
    return beam[order[:count]], results[order[:count]]


@inlined
def whole_words(numbers: Any, beam: Any, size: Any) -> Any:
    """The prefixes without their unfinished words, each once; of an empty beam the empty prefix."""
    found, seen = np.zeros(max(size, 1), np.int32), np.zeros(len(numbers), np.bool_)
    count = 0
    for at in range(size):
        prefix = beam[at]
        while prefix != ROOT and numbers[prefix, SPELLED] != NO_LETTERS:
            prefix = numbers[prefix, PARENT]
        if not seen[prefix]:
            seen[prefix] = True
            found[count] = prefix
            count += 1
    return found[: max(count, 1)]


@in_order
def forward(log_probs: Any, tokens: Any) -> Any:
    """The log-probability of tokens, over all their paths (Graves et al. 2006, equations 6 and 7)."""
    states = 2 * len(tokens) + 1
    sums = np.full(states, -np.inf)
    sums[0] = 0.0
    for t in range(len(log_probs)):
        for s in range(states - 1, -1, -1):
            token = tokens[s // 2] if s % 2 else BLANK
            total = sums[s]
            if s > 0:
                total = log_add(total, sums[s - 1])
            if s % 2 and s > 1 and token != tokens[s // 2 - 1]:
                total = log_add(total, sums[s - 2])
            sums[s] = total + log_probs[t, token]
    return log_add(sums[states - 1], sums[states - 2]) if states > 1 else sums[0]


@in_order
def text_tokens(numbers: Any, prefix: Any) -> Any:
    """The tokens of a prefix of the tree."""
    return tokens_of(numbers, prefix)
