"""Prefix beam search to be read, not to be run on more than toys: the twin of ``search.py``.

Source: Hannun, Maas, Jurafsky & Ng, "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional
Recurrent DNNs" (2014), algorithm 1. A prefix is a tuple of tokens without blanks. Its probability is the sum over all
paths through the frames so far that collapse to it, kept in two parts: paths that end in a blank, and paths that end in
its last token, because only after a blank does the same token again begin a new one. All values are natural logs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

from dstoolkit.interfaces import BLANK

Prefix = tuple[int, ...]
NEVER = -math.inf


def log_add(*values: float) -> float:
    """``log(sum(exp(values)))``."""
    most = max(values)
    return most if most == NEVER else most + math.log(sum(math.exp(each - most) for each in values))


def beam_search(
    log_probs: Sequence[Sequence[float]], beam: int, bonus: Callable[[Prefix], float] = lambda prefix: 0.0
) -> list[tuple[Prefix, float]]:
    """``(frames, vocab)`` -> at most ``beam`` prefixes with their log-probabilities, best first.

    ``bonus`` is added to a prefix's log-probability for ranking only; -inf forbids it.
    """
    found: dict[Prefix, tuple[float, float]] = {(): (0.0, NEVER)}  # ends in a blank, in the last token

    def rank(item: tuple[Prefix, tuple[float, float]]) -> float:
        return log_add(*item[1]) + bonus(item[0])

    for row in log_probs:
        grown: dict[Prefix, tuple[float, float]] = {}

        def add(
            prefix: Prefix, blank: float = NEVER, token: float = NEVER, grown: dict[Prefix, tuple[float, float]] = grown
        ) -> None:
            before = grown.get(prefix, (NEVER, NEVER))
            grown[prefix] = log_add(before[0], blank), log_add(before[1], token)

        for prefix, (blank, token) in found.items():
            add(prefix, blank=log_add(blank, token) + row[BLANK])
            if prefix:
                add(prefix, token=token + row[prefix[-1]])
            for each in range(len(row)):
                if each != BLANK:
                    repeated = prefix[-1:] == (each,)
                    add((*prefix, each), token=(blank if repeated else log_add(blank, token)) + row[each])
        ranked = sorted((item for item in grown.items() if rank(item) > NEVER), key=rank, reverse=True)
        found = dict(ranked[:beam])
    return [(prefix, log_add(*parts)) for prefix, parts in found.items()]


def all_texts(log_probs: Sequence[Sequence[float]]) -> dict[Prefix, float]:
    """Every token sequence with its log-probability, by going through all ``vocab ** frames`` paths."""
    found: dict[Prefix, float] = {}
    for path in product(*(range(len(row)) for row in log_probs)):
        collapsed = tuple(each for at, each in enumerate(path) if each != BLANK and (at == 0 or each != path[at - 1]))
        score = sum(row[each] for row, each in zip(log_probs, path, strict=True))
        found[collapsed] = log_add(found.get(collapsed, NEVER), score)
    return found
