"""What tokens spell: their characters as numbers, and a trie of words over them that compiled code walks.

A token's characters are those of its text, with a space (or sentencepiece's word mark, U+2581) as the boundary of
words, number 0. So characters and pieces look alike to the search: the piece ``_the`` is a boundary and three letters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dstoolkit.compiled import uncounted_inlined
from dstoolkit.decoding.words import WORD_MARK
from dstoolkit.interfaces import BLANK

Ints = np.ndarray[Any, np.dtype[np.int32]]
BOUNDARY = 0  # the number of the character between words
ROOT = 0  # the trie's node before a word's first character
OUTSIDE = -1  # not in the trie: no word begins so
NO_WORD = -1  # no word ends at a node


class Alphabet:
    """The characters of a tokenizer, numbered from 1; ``pieces`` says that tokens mark the beginnings of words."""

    def __init__(self, tokens: Sequence[str]) -> None:
        spelled = ["" if at == BLANK else token.replace(WORD_MARK, " ") for at, token in enumerate(tokens)]
        letters = sorted({letter for token in spelled for letter in token} - {" "})
        self.codes = {" ": BOUNDARY, **{letter: at for at, letter in enumerate(letters, start=1)}}
        self.pieces = any(WORD_MARK in token for token in tokens)
        rows = [[self.codes[letter] for letter in token] for token in spelled]
        self.letters = np.array([code for row in rows for code in row], np.int32)
        self.offsets = np.cumsum([0, *map(len, rows)]).astype(np.int32)
        self.boundaries = np.array([row.count(BOUNDARY) for row in rows], np.int32)  # of each token
        self.opens = np.array([row[:1] == [BOUNDARY] for row in rows])  # tokens that begin with a boundary
        self.bare = np.array([bool(row) and not any(row) for row in rows])  # tokens that are a boundary and no more

    @property
    def by_letter(self) -> bool:
        """Every token within a word is one letter."""
        return bool((np.diff(self.offsets)[1:][~self.opens[1:]] == 1).all())

    def tokens_of_letters(self) -> Ints:
        """For each character's number the token that is it and no more, where ``by_letter``."""
        single = np.diff(self.offsets) == 1
        tokens = np.zeros(len(self.codes), np.int32)
        tokens[self.letters[self.offsets[:-1][single]]] = np.flatnonzero(single)
        return tokens

    def spell(self, word: str) -> list[int] | None:
        """A word's characters as numbers; None where a token for one is missing."""
        codes = [self.codes.get(letter, -1) for letter in word]
        return None if min(codes, default=-1) < 0 else codes


class Trie(NamedTuple):
    """Words by their characters. The children of a node are ``first[node]`` to ``first[node + 1]``, their characters
    ``letter[child]`` rising; ``word[node]`` is the number of the word that ends there, or ``NO_WORD``."""

    first: Ints
    letter: Ints
    word: Ints


def trie(spellings: Iterable[tuple[Sequence[int], int]]) -> Trie:
    """From each word's characters and its number. Built level by level, so children lie side by side."""
    rows = [(codes, number) for codes, number in spellings if codes]
    lengths = np.array([len(codes) for codes, _ in rows], np.int64)
    starts = np.cumsum(lengths) - lengths
    letters_of = np.array([letter for codes, _ in rows for letter in codes], np.int64)
    numbers = np.array([number for _, number in rows], np.int64)
    node = np.zeros(len(rows), np.int64)  # of each word, at the present depth
    parents, letters, words = [np.array([-1])], [np.array([-1])], [np.array([NO_WORD])]
    count, depth, alive = 1, 0, np.arange(len(rows))
    while len(alive):
        made, inverse = np.unique((node[alive] << 32) | letters_of[starts[alive] + depth], return_inverse=True)
        parents.append(made >> 32)
        letters.append(made & 0xFFFFFFFF)
        node[alive] = count + inverse
        depth += 1
        ended = lengths[alive] == depth
        level = np.full(len(made), NO_WORD, np.int64)
        level[inverse[ended]] = numbers[alive[ended]]
        words.append(level)
        count, alive = count + len(made), alive[~ended]
    first = np.searchsorted(np.concatenate(parents), np.arange(count + 1)).astype(np.int32)
    return Trie(first, np.concatenate(letters).astype(np.int32), np.concatenate(words).astype(np.int32))


def trie_of(alphabet: Alphabet, words: Mapping[str, int]) -> tuple[Trie, list[str]]:
    """The trie of the words that the alphabet can spell, and those that it cannot."""
    spelled = {word: alphabet.spell(word) for word in words}
    strange = [word for word, codes in spelled.items() if codes is None]
    return trie((codes, words[word]) for word, codes in spelled.items() if codes is not None), strange


@uncounted_inlined
def child(trie: Any, node: Any, letter: Any) -> Any:
    """The node after ``letter``, or ``OUTSIDE``."""
    if node == OUTSIDE:
        return OUTSIDE
    low, high = trie.first[node], trie.first[node + 1]
    while low < high:
        middle = (low + high) >> 1
        if trie.letter[middle] < letter:
            low = middle + 1
        else:
            high = middle
    if low < trie.first[node + 1] and trie.letter[low] == letter:
        return low
    return OUTSIDE
