"""Hotwords: phrases that raise (or lower) the score of texts that hold them, found while the text is spelled.

An Aho-Corasick automaton (Aho & Corasick 1975) over characters. A phrase is matched as whole words: its pattern begins
and ends with a boundary. Each time one is complete its weight is added for good. Until then a beginning of it counts
for its share of the weight, so that the search does not lose it on the way, and is taken back where the text goes on
differently: a text's bonus is in the end the sum of the weights of the phrases in it, each as often as it occurs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dstoolkit.compiled import uncounted_inlined
from dstoolkit.decoding.spelling import BOUNDARY, Alphabet

OTHER = 0  # the column of characters that no phrase holds; that of the boundary is 1


class Automaton(NamedTuple):
    """``column[letter]`` is a character's column in ``after`` (the next state) and ``gain`` (what the step adds to the
    score), both ``(states, columns)``; ``held[state]`` is what counts only until its phrase is complete."""

    column: np.ndarray[Any, np.dtype[np.int32]]
    after: np.ndarray[Any, np.dtype[np.int32]]
    gain: np.ndarray[Any, np.dtype[np.float64]]
    held: np.ndarray[Any, np.dtype[np.float64]]
    start: int  # the state at the beginning of a text


def automaton(alphabet: Alphabet, phrases: Mapping[str, float]) -> Automaton:
    """Phrases (words between single spaces) and their weights in nats. All can be spelled; see ``Alphabet.spell``."""
    patterns = {(BOUNDARY, *(alphabet.spell(phrase) or ()), BOUNDARY): weight for phrase, weight in phrases.items()}
    letters = sorted({letter for pattern in patterns for letter in pattern} | {BOUNDARY})
    column = np.full(max(alphabet.codes.values()) + 1, OTHER, np.int32)
    column[letters] = np.arange(1, len(letters) + 1)
    children: list[dict[int, int]] = [{}]
    share, done = [0.0], [0.0]  # of each state by itself: the weight's share so far; what it adds when it is reached
    for pattern, weight in patterns.items():
        state = 0
        for depth, letter in enumerate(pattern):
            if letter not in children[state]:
                children[state][letter] = len(children)
                children.append({})
                share.append(0.0)
                done.append(0.0)
            state = children[state][letter]
            if depth < len(pattern) - 1:
                share[state] = max(share[state], weight * depth / (len(pattern) - 2))
        done[state] += weight
    after = _transitions(children, column, len(letters) + 1, share, done)
    held, added = np.array(share), np.array(done)
    gain = held[after] - held[:, None] + added[after]
    return Automaton(column, after, gain, held, int(after[0, column[BOUNDARY]]))


def _transitions(
    children: list[dict[int, int]], column: Any, columns: int, share: list[float], done: list[float]
) -> np.ndarray[Any, np.dtype[np.int32]]:
    """The next state for each state and column. Shares and sums come to include those of the states' suffixes."""
    after = np.zeros((len(children), columns), np.int32)
    suffix = [0] * len(children)
    queue = deque([0])
    while queue:
        state = queue.popleft()
        share[state] = max(share[state], share[suffix[state]]) if state else 0.0
        done[state] += done[suffix[state]] if state else 0.0
        if state:
            after[state] = after[suffix[state]]
        for letter, next_state in children[state].items():
            at = column[letter]
            suffix[next_state] = int(after[state, at]) if state else 0
            after[state, at] = next_state
            queue.append(next_state)
    return after


@uncounted_inlined
def step(hotwords: Any, state: Any, letter: Any) -> Any:
    """The next state and what the step adds to the score."""
    at = hotwords.column[letter]
    return hotwords.after[state, at], hotwords.gain[state, at]
