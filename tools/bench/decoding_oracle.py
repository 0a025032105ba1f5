"""How good a text is: its exact score, whichever decoder found it, in double precision.

``of_tokens`` is the log-probability of a text's own tokens, all paths summed (Graves et al. 2006, 4.1), by torch's
loss. ``of_words`` is that of its words with any number of spaces before, between and after them: what a decoder can
claim that takes spaces in a row for one. ``language`` is what a model and the bonus for words add, by KenLM.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch

from dstoolkit.interfaces import BLANK, Tokenizer

NEVER = -math.inf


def of_tokens(log_probs: np.ndarray, tokens: list[int]) -> float:
    """``(frames, vocab)`` -> nats; -inf where the text does not fit into the frames."""
    rows = torch.from_numpy(log_probs).double()[:, None]
    targets = torch.tensor([tokens], dtype=torch.long).reshape(1, len(tokens))
    lengths = torch.tensor([len(rows)]), torch.tensor([len(tokens)])
    return -float(torch.nn.functional.ctc_loss(rows, targets, *lengths, blank=BLANK, reduction="sum"))


def of_words(log_probs: np.ndarray, words: list[str], tokenizer: Tokenizer) -> float:
    """``(frames, vocab)`` -> nats. The forward recursion over CTC's states, with a way back to each space."""
    symbols, before, first, last = states(words, tokenizer)
    rows = log_probs.astype(np.float64)[:, symbols]
    values = np.full(len(symbols) + 1, NEVER)  # the last is no state: where a state has fewer before it than others
    values[first] = rows[0, first]
    for row in rows[1:]:
        values[:-1] = np.logaddexp.reduce(values[before], axis=1) + row
    return float(np.logaddexp.reduce(values[last]))


def states(words: list[str], tokenizer: Tokenizer) -> tuple[list[int], np.ndarray, list[int], list[int]]:
    """The states' symbols, the states before each ``(states, n)``, those to begin in and those to end in.

    A state for the blank at the beginning; then for each label one of its own and one of the blank after it. The first
    and the last label are spaces that may be left out; from the blank after a space one may go back to the space.
    """
    space = tokenizer.tokens.index(" ")
    labels = [space, *tokenizer.encode(" ".join(words)), space] if words else [space]
    symbols, before = [BLANK], [[0]]
    for at, label in enumerate(labels):
        state = len(symbols)
        symbols += [label, BLANK]
        ways = [state, state - 1]
        if at and labels[at - 1] != label:
            ways.append(state - 2)
        if at == 1:  # the space before the first word was left out
            ways.append(0)
        if label == space:
            ways.append(state + 1)
        before += [ways, [state + 1, state]]
    none, widest = len(symbols), max(map(len, before))
    table = np.array([[*each, *[none] * (widest - len(each))] for each in before])
    end = len(symbols)
    last = [end - 4, end - 3, end - 2, end - 1] if words else [0, 1, 2]
    return symbols, table, [0, 1, 3] if words else [0, 1], last


@cache
def language(path: Path, alpha: float, beta: float, unknown: float) -> Callable[[list[str]], float]:
    """What words add to a score, in nats: an ARPA file's model by KenLM, weighted as ``Settings`` says."""
    import kenlm

    model = kenlm.Model(str(path))

    def added(words: list[str]) -> float:
        scored = alpha * math.log(10) * model.score(" ".join(words), bos=True, eos=True)
        return scored + beta * len(words) + unknown * sum(word not in model for word in words)

    return added
