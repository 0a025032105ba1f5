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

from dstoolkit.compiled import in_order, kernel, uncounted, uncounted_inlined
from dstoolkit.decoding.endings import acoustic, conclude, join_spaces, texts, whole_words
from dstoolkit.decoding.growth import grow, word_end
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
)
from dstoolkit.decoding.selection import best_first, sort_down
from dstoolkit.decoding.sums import log_add
from dstoolkit.interfaces import BLANK

SPARE = 64  # candidates beyond the beam before they are thinned out
IN_BLANK, IN_TOKEN, EITHER = range(3)  # log-probabilities of the paths that end in a blank, in the last token; of both


class Limits(NamedTuple):
    """How much is kept: prefixes a frame, tokens a frame (0: all), the least log-probability of a token, and how far
    below the best a prefix may be (nats)."""

    beam: int
    tokens: int
    token: float
    below: float


class Front(NamedTuple):
    """The prefixes of a frame, ``(beam,)``: their numbers, scores with the bonus, and paths, ``(beam, 3)``."""

    prefixes: Any
    ranks: Any
    parts: Any


class Work(NamedTuple):
    """What a frame needs beside: the paths of prefixes that go on as they are, ``(beam, 3)``; of each prefix its first
    child in the beam and that one's next sibling, ``(beam,)``; candidates, by score and code (``-1 - place`` for one
    that stays, ``place * vocab + token``); the frame; the usable tokens, in order, and how far each reaches; that by
    token, ``(vocab,)``, -inf for the others."""

    stays: Any
    heads: Any
    nexts: Any
    keys: Any
    codes: Any
    row: Any
    tokens: Any
    reach: Any
    gains: Any


@in_order
def search(log_probs: Any, limits: Any, rules: Any) -> Any:
    """``(frames, vocab)`` float64 -> texts' tokens end to end, how many each has, and ``(texts, 3)``: score, acoustic,
    model; best first. Where a lexicon lets no text end, they are the beam's without their unfinished words.
    """
    vocab, width = log_probs.shape[1], limits.beam
    tree, count = new_tree(rules.start, rules.hotwords.start), 1
    now, then = new_front(width), new_front(width)
    work = new_work(width, vocab)
    now.ranks[0], now.parts[0, IN_BLANK], now.parts[0, IN_TOKEN], now.parts[0, EITHER] = 0.0, 0.0, -np.inf, 0.0
    size = 1
    for t in range(len(log_probs)):
        for token in range(vocab):
            work.row[token] = log_probs[t, token]
        found, least = candidates(rules, limits, tree, now, work, size)
        if count + width > len(tree.numbers):
            tree, count = thin_out(tree, count, now.prefixes, size)
        size, count = renew(rules, tree, count, now, then, work, size, found, least)
        now, then = then, now
    beam = now.prefixes[:size]
    totals = now.parts[:size, EITHER].copy()
    join_spaces(rules, tree.numbers, beam, totals)
    ends, results = conclude(rules, tree, beam, totals)
    if len(ends) == 0:
        beam = whole_words(tree.numbers, beam)
        ends, results = conclude(rules, tree, beam, acoustic(log_probs, tree.numbers, beam))
    return texts(tree.numbers, ends, results)


@kernel
def new_front(width: Any) -> Any:
    return Front(np.zeros(width, np.int32), np.zeros(width), np.empty((width, 3)))


@kernel
def new_work(width: Any, vocab: Any) -> Any:
    heads, nexts = np.empty(width, np.int32), np.empty(width, np.int32)
    keys, codes = np.empty(width + SPARE), np.empty(width + SPARE, np.int64)
    row, tokens, reach, gains = np.empty(vocab), np.empty(vocab, np.int64), np.empty(vocab), np.empty(vocab)
    return Work(np.empty((width, 3)), heads, nexts, keys, codes, row, tokens, reach, gains)


@uncounted
def candidates(rules: Any, limits: Any, tree: Any, now: Any, work: Any, size: Any) -> Any:
    """The best prefixes of the next beam, as codes; how many, and the least score that is near enough to the best."""
    worst, best = stay(rules, tree, now, work, size)
    bound, found = max(worst if size == limits.beam else -np.inf, best - limits.below), size
    within, usable = choose_tokens(rules, limits, work, bound - highest_rank(now, size))
    for at in range(size):
        node, rank, end = tree.numbers[now.prefixes[at], SPELLED], now.ranks[at], 0.0
        first, last, by_letter = 0, within, False
        if rules.by_letter and rules.vocabulary.first[node + 1] - rules.vocabulary.first[node] < within:
            first, last, by_letter = rules.vocabulary.first[node], rules.vocabulary.first[node + 1], True
        for ends in range(2):  # first the tokens that go on with a word, then those that end it
            if ends:
                if within == usable or rank + rules.most_at_end + work.reach[within] < bound:
                    break
                first, last, by_letter = within, usable, False
                end = word_end(rules, tree, now.prefixes[at])
            for k in range(first, last):
                if by_letter:
                    token = rules.token_of[rules.vocabulary.letter[k]]
                    if rank + work.gains[token] < bound:
                        continue
                else:
                    token = work.tokens[k]
                    if rank + end + work.reach[k] < bound:
                        break
                found, bound, best = consider(rules, limits, tree, now, work, at, token, found, bound, best)
    if found > limits.beam:
        best_first(work.keys, work.codes, found, limits.beam)
        found = limits.beam
    sort_down(work.keys, work.codes, 0, found)
    return found, best - limits.below


@uncounted_inlined
def highest_rank(now: Any, size: Any) -> Any:
    highest = -np.inf
    for at in range(size):
        highest = max(highest, now.ranks[at])
    return highest


@uncounted_inlined
def consider(
    rules: Any, limits: Any, tree: Any, now: Any, work: Any, at: Any, token: Any, found: Any, bound: Any, best: Any
) -> Any:
    """A prefix with ``token`` after it joins the candidates, if it may and is good enough: how many they are, the bound
    and the best score after that."""
    key = extension(rules, tree, now, work, at, token)
    if key < bound or key == -np.inf:
        return found, bound, best
    if found == len(work.keys):
        best_first(work.keys, work.codes, found, limits.beam)
        found = limits.beam
        bound = max(bound, least_of(work.keys, found))
        if key < bound:
            return found, bound, best
    work.keys[found], work.codes[found] = key, at * len(work.row) + token
    return found + 1, bound, max(best, key)


@uncounted_inlined
def least_of(keys: Any, count: Any) -> Any:
    least = np.inf
    for at in range(count):
        least = min(least, keys[at])
    return least


@uncounted_inlined
def stay(rules: Any, tree: Any, now: Any, work: Any, size: Any) -> Any:
    """The prefixes as they are, as the first candidates, their children linked up; the least and the largest score.

    Where words matter, more spaces than one are one: a prefix that ends with a space, or is empty, takes in the others.
    """
    numbers, parts = tree.numbers, now.parts
    worst, best = np.inf, -np.inf
    for at in range(size):
        work.heads[at] = EMPTY
    for at in range(size):
        prefix = now.prefixes[at]
        blank, token = parts[at, EITHER] + work.row[BLANK], -np.inf
        if prefix != ROOT:
            last, parent = numbers[prefix, TOKEN], numbers[prefix, PARENT]
            more_spaces = rules.words and rules.bare[last]
            token = parts[at, EITHER if more_spaces else IN_TOKEN] + work.row[last]
            above = numbers[parent, PLACE]
            if above >= 0:
                repeated = parent != ROOT and numbers[parent, TOKEN] == last
                token = log_add(token, parts[above, IN_BLANK if repeated else EITHER] + work.row[last])
                work.nexts[at], work.heads[above] = work.heads[above], at
        elif rules.space >= 0:
            token = parts[at, EITHER] + work.row[rules.space]
        total = log_add(blank, token)
        work.stays[at, IN_BLANK], work.stays[at, IN_TOKEN], work.stays[at, EITHER] = blank, token, total
        key = total + tree.scores[prefix, BONUS]
        work.keys[at], work.codes[at] = key, -1 - at
        worst, best = min(worst, key), max(best, key)
    return worst, best


@uncounted_inlined
def choose_tokens(rules: Any, limits: Any, work: Any, least: Any) -> Any:
    """The tokens that may extend a prefix: those that go on with a word and then those that end it, each sorted by what
    they add at most (``reach``); how many the first are, and all."""
    row, reach, tokens, count = work.row, work.reach, work.tokens, 0
    for token in range(len(row)):
        work.gains[token] = -np.inf
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
        work.gains[tokens[at]] = reach[at]
    sort_down(reach, tokens, 0, within)
    sort_down(reach, tokens, within, count)
    return within, count


@uncounted_inlined
def extension(rules: Any, tree: Any, now: Any, work: Any, at: Any, token: Any) -> Any:
    """The score of a prefix with ``token`` after it; -inf where it is not allowed or in the beam already."""
    prefix = now.prefixes[at]
    below = work.heads[at]
    while below != EMPTY:  # a child in the beam has taken in these paths
        if tree.numbers[now.prefixes[below], TOKEN] == token:
            return -np.inf
        below = work.nexts[below]
    acoustic = reached(tree.numbers, prefix, now.parts, work.row, at, token)
    if not rules.matter:
        return acoustic
    allowed, _, _, _, bonus, _ = grow(rules, tree, prefix, token)
    return acoustic + bonus if allowed else -np.inf


@uncounted_inlined
def reached(numbers: Any, prefix: Any, parts: Any, row: Any, at: Any, token: Any) -> Any:
    """The log-probability of the paths that go on from a prefix to ``token``: after the same only from a blank."""
    repeated = prefix != ROOT and numbers[prefix, TOKEN] == token
    return parts[at, IN_BLANK if repeated else EITHER] + row[token]


@uncounted
def renew(rules: Any, tree: Any, count: Any, now: Any, then: Any, work: Any, size: Any, found: Any, least: Any) -> Any:
    """The candidates become the beam ``then``, new prefixes are made; its size and the number of prefixes."""
    numbers, vocab, to = tree.numbers, len(work.row), 0
    for at in range(size):
        numbers[now.prefixes[at], PLACE] = EMPTY
    for candidate in range(found):
        if work.keys[candidate] < least or work.keys[candidate] == -np.inf:
            continue
        code = work.codes[candidate]
        if code < 0:
            prefix = now.prefixes[-1 - code]
            for part in range(3):
                then.parts[to, part] = work.stays[-1 - code, part]
        else:
            at, token = code // vocab, code % vocab
            parent = now.prefixes[at]
            acoustic = reached(numbers, parent, now.parts, work.row, at, token)
            then.parts[to, IN_BLANK], then.parts[to, IN_TOKEN], then.parts[to, EITHER] = -np.inf, acoustic, acoustic
            slot = find(numbers, tree.table, parent, token)
            if tree.table[slot] == EMPTY:
                _, spelled, state, hot, bonus, lm = grow(rules, tree, parent, token)
                add(tree, slot, count, parent, token, spelled, state, hot, bonus, lm)
                count += 1
            prefix = tree.table[slot]
        numbers[prefix, PLACE] = to
        then.prefixes[to], then.ranks[to] = prefix, work.keys[candidate]
        to += 1
    return to, count
