"""The trie of words against a dictionary of prefixes; hotwords against counting phrases in the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.decoding import hotwords
from dstoolkit.decoding.spelling import NO_WORD, OUTSIDE, ROOT, Alphabet, child, trie_of

ALPHABET = Alphabet(["<blank>", " ", *"abc"])
WORDS = st.lists(st.text("abc", min_size=1, max_size=5), max_size=12, unique=True)


@given(WORDS, st.text("abc", max_size=6))
@settings(deadline=None)
def test_the_trie_knows_its_words_and_their_beginnings(words, text):
    trie, strange = trie_of(ALPHABET, {word: at for at, word in enumerate(words)})
    node = ROOT
    for letter in text:
        node = child(trie, node, ALPHABET.codes[letter])
    if text and any(word.startswith(text) for word in words):
        assert trie.word[node] == (words.index(text) if text in words else NO_WORD)
    else:
        assert node == (OUTSIDE if text else ROOT)
    assert strange == []


def test_words_that_tokens_cannot_write_are_told():
    trie, strange = trie_of(ALPHABET, {"ab": 0, "a-b": 1, "é": 2})
    assert strange == ["a-b", "é"]
    assert (trie.word >= 0).sum() == 1


@pytest.mark.parametrize(
    ("tokens", "pieces", "bare", "by_letter"),
    [
        (["<blank>", " ", "a", "b"], False, [False, True, False, False], True),
        (["<blank>", "\u2581a", "b", "\u2581"], True, [False, False, False, True], True),
        (["<blank>", "\u2581a", "bc", "\u2581"], True, [False, False, False, True], False),
    ],
)
def test_what_tokens_spell(tokens, pieces, bare, by_letter):
    alphabet = Alphabet(tokens)
    assert (alphabet.pieces, alphabet.bare.tolist(), alphabet.by_letter) == (pieces, bare, by_letter)


PHRASES = st.dictionaries(
    st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=3).map(" ".join),
    st.floats(-5, 5),
    max_size=6,
)


@given(PHRASES, st.lists(st.text("abc", min_size=1, max_size=3), max_size=6))
@settings(deadline=None, max_examples=200)
def test_the_bonus_is_the_weights_of_the_phrases_in_the_text(phrases, words):
    made = hotwords.automaton(ALPHABET, phrases)
    text, state, bonus = f" {' '.join(words)} " if words else " ", made.start, 0.0
    for letter in text[1:]:
        state, more = hotwords.step(made, state, ALPHABET.codes[letter])
        bonus += more
    counts = {each: sum(text.startswith(f" {each} ", at) for at in range(len(text))) for each in phrases}
    wanted = sum(phrases[each] * count for each, count in counts.items())
    assert bonus - made.held[state] == pytest.approx(wanted, abs=1e-9)


def test_a_beginning_counts_for_its_share_until_the_text_goes_on_differently():
    made = hotwords.automaton(ALPHABET, {"abc": 6.0})
    state, total, seen = made.start, 0.0, []
    for letter in "abca":
        state, more = hotwords.step(made, state, ALPHABET.codes[letter])
        total += more
        seen.append(total)
    assert seen == pytest.approx([2.0, 4.0, 6.0, 0.0])
