"""What a token adds to a prefix besides its own probability: words, language model, hotwords.

The score of a text is its acoustic log-probability plus its bonus:

    bonus = alpha * log P_lm + beta * units + unknown * words the model does not know + weights of hotwords

with words or tokens as the model's units. Only the whole text has that bonus. On the way a prefix has what is certain
of it, its hotwords' shares, and for an unfinished word the best that any word that begins so would add by its unigram
probability: language-model look-ahead (Ortmanns, Eiden & Ney 1998), taken back when the word ends and its own
probability is known. So a prefix in the middle of a word competes fairly with one that has just ended a word.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dstoolkit.compiled import uncounted_inlined
from dstoolkit.decoding import hotwords as hot_words
from dstoolkit.decoding import prefixes
from dstoolkit.decoding.ngram_tables import step as next_state
from dstoolkit.decoding.prefixes import (
    BONUS,
    CLOSED,
    CLOSED_BONUS,
    CLOSED_LM,
    HOT,
    LM,
    NEVER,
    NOT_YET,
    SPELLED,
    STATE,
    TOKEN,
)
from dstoolkit.decoding.spelling import BOUNDARY, NO_WORD, OUTSIDE, child
from dstoolkit.decoding.spelling import ROOT as NO_LETTERS

NOTHING, WORDS, TOKENS = 0, 1, 2  # the language model's units
UNKNOWN = 0  # its number of a word it does not know


class Rules(NamedTuple):
    """How texts are scored and which are allowed. ``vocabulary`` is a trie of the words the model knows, or of those of
    the lexicon (``closed``); its numbers are the model's. ``words``: words matter, so none is empty."""

    matter: bool  # any of the rules does
    units: int
    alpha: float
    beta: float
    unknown: float
    sentence_end: bool
    closed: bool
    words: bool
    pieces: bool
    space: int  # the token that may stand before the first word and mean nothing; -1: none
    letters: Any  # (all,) of the tokens, one after the other
    offsets: Any  # (vocab + 1,)
    bare: Any  # (vocab,): the token is a boundary and nothing else
    opens: Any  # (vocab,): the token begins with a boundary, and so ends a word; none does where words do not matter
    most: Any  # (vocab,): the largest bonus that the token may bring, the end of a word before it apart
    most_at_end: float  # the largest bonus that the end of a word may bring
    units_of: Any  # (vocab,): the model's number of each token
    vocabulary: Any
    by_letter: bool  # closed, and a token of each letter: a trie's node says which tokens may follow
    token_of: Any  # (letters,): the token that is the letter
    ahead: Any  # (nodes of the trie + 1,): the bonus of an unfinished word; the last, of one OUTSIDE
    model: Any
    start: int  # the model's states at the beginning, and its number of the sentence's end
    end: int
    hotwords: Any
    hot: bool


@uncounted_inlined
def score_unit(rules: Any, state: Any, unit: Any) -> Any:
    """The model's next state, the bonus of a unit, and the model's own share of it, unweighted."""
    log_prob, after = next_state(rules.model, state, unit)
    return after, rules.alpha * log_prob + rules.beta, log_prob


@uncounted_inlined
def close(rules: Any, spelled: Any, state: Any) -> Any:
    """A word ends: allowed or not, the model's next state, the bonus, and the model's share of it."""
    word = rules.vocabulary.word[spelled] if spelled != OUTSIDE else NO_WORD
    if rules.closed and word == NO_WORD:
        return False, state, 0.0, 0.0
    if rules.units != WORDS:
        return True, state, 0.0, 0.0
    after, bonus, log_prob = score_unit(rules, state, max(word, UNKNOWN))
    if word <= UNKNOWN:
        bonus += rules.unknown
    return True, after, bonus - rules.ahead[spelled], log_prob


@uncounted_inlined
def close_prefix(rules: Any, tree: Any, prefix: Any) -> Any:
    """``close`` of a prefix, computed once."""
    if tree.numbers[prefix, CLOSED] == NOT_YET:
        allowed, after, bonus, log_prob = close(rules, tree.numbers[prefix, SPELLED], tree.numbers[prefix, STATE])
        tree.numbers[prefix, CLOSED] = after if allowed else NEVER
        tree.scores[prefix, CLOSED_BONUS], tree.scores[prefix, CLOSED_LM] = bonus, log_prob
    after = tree.numbers[prefix, CLOSED]
    return after != NEVER, after, tree.scores[prefix, CLOSED_BONUS], tree.scores[prefix, CLOSED_LM]


@uncounted_inlined
def word_end(rules: Any, tree: Any, prefix: Any) -> Any:
    """The bonus of ending a prefix's word, 0 where it is between words; -inf where the word must not end."""
    if tree.numbers[prefix, SPELLED] == NO_LETTERS:
        return 0.0
    allowed, _, bonus, _ = close_prefix(rules, tree, prefix)
    return bonus if allowed else -np.inf


@uncounted_inlined
def grow(rules: Any, tree: Any, prefix: Any, token: Any) -> Any:
    """A prefix with one more token: allowed or not, its node, model state and hotwords' state, its bonus and share."""
    spelled, state, hot = tree.numbers[prefix, SPELLED], tree.numbers[prefix, STATE], tree.numbers[prefix, HOT]
    bonus, lm = tree.scores[prefix, BONUS], tree.scores[prefix, LM]
    if rules.units == TOKENS:
        state, more, log_prob = score_unit(rules, state, rules.units_of[token])
        bonus, lm = bonus + more, lm + log_prob
    if not rules.words:
        return True, spelled, state, hot, bonus, lm
    first, last = rules.offsets[token], rules.offsets[token + 1]
    if rules.opens[token]:  # no empty words
        after_boundary = rules.bare[tree.numbers[prefix, TOKEN]] if prefix != prefixes.ROOT else not rules.pieces
        if after_boundary:
            return False, spelled, state, hot, bonus, lm
    own = True  # the word is still the prefix's own
    for at in range(first, last):
        letter = rules.letters[at]
        if rules.hot:
            hot, more = hot_words.step(rules.hotwords, hot, letter)
            bonus += more
        if letter != BOUNDARY:
            before, spelled = spelled, child(rules.vocabulary, spelled, letter)
            if rules.closed and spelled == OUTSIDE:
                return False, spelled, state, hot, bonus, lm
            bonus += rules.ahead[spelled] - rules.ahead[before]
        elif spelled != NO_LETTERS:
            if own:
                allowed, after, more, log_prob = close_prefix(rules, tree, prefix)
            else:
                allowed, after, more, log_prob = close(rules, spelled, state)
            if not allowed:
                return False, spelled, state, hot, bonus, lm
            if rules.units == WORDS:
                state = after
            bonus, lm, spelled = bonus + more, lm + log_prob, NO_LETTERS
        own = False
    return True, spelled, state, hot, bonus, lm


@uncounted_inlined
def finish(rules: Any, tree: Any, prefix: Any) -> Any:
    """The end of the text after a prefix: allowed or not, its whole bonus, and the model's share of it."""
    bonus, lm, state = tree.scores[prefix, BONUS], tree.scores[prefix, LM], tree.numbers[prefix, STATE]
    if rules.words and tree.numbers[prefix, SPELLED] != NO_LETTERS:
        allowed, after, more, log_prob = close_prefix(rules, tree, prefix)
        if not allowed:
            return False, bonus, lm
        if rules.units == WORDS:
            state = after
        bonus, lm = bonus + more, lm + log_prob
    if rules.units != NOTHING and rules.sentence_end:
        log_prob, _ = next_state(rules.model, state, rules.end)
        bonus, lm = bonus + rules.alpha * log_prob, lm + log_prob
    if rules.hot:
        hot, more = hot_words.step(rules.hotwords, tree.numbers[prefix, HOT], BOUNDARY)
        bonus += more - rules.hotwords.held[hot]
    return True, bonus, lm
