"""Splits that are the same on every machine and in every run: no random numbers, only SHA-256 of the names.

Ordering by a hash is a shuffle that never changes, and that adding or removing an item disturbs only where it must.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from dstoolkit.interfaces import Utterance

MIN_WORDS = 3  # of a dev or test text
MIN_PROMPTS = 2  # training prompts that must keep each word of a dev or test text


def hashed(names: Iterable[str]) -> list[str]:
    """Names in the order of their SHA-256: a shuffle that never changes."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def by_speaker(utterances: Sequence[Utterance], size: int) -> tuple[list[Utterance], list[Utterance]]:
    """``(kept, cut)``: whole speakers, in hashed order, are cut until they have ``size`` utterances; one stays."""
    counts = Counter(each.speaker for each in utterances)
    chosen: set[str] = set()
    for speaker in hashed(counts)[:-1]:
        if sum(counts[each] for each in chosen) >= size:
            break
        chosen.add(speaker)
    return (
        [each for each in utterances if each.speaker not in chosen],
        [each for each in utterances if each.speaker in chosen],
    )


def closed_vocabulary(
    utterances: Sequence[Utterance], test: int, dev: int
) -> tuple[list[Utterance], list[Utterance], list[Utterance]]:
    """``(train, dev, test)`` by text: no text is in two splits, and training knows every word of the others.

    Texts are gone through in hashed order. One is taken, with all its duplicates, where it has three words or more and
    each of its words stays in at least two training prompts; first for the test, then for dev, until each has the given
    number of utterances (a few more where the last text has duplicates, fewer test utterances where texts run out).
    Where texts run out for dev, the rest of it may have words that training lacks, but takes none that the test needs.
    """
    pool = _Pool(utterances)
    tested = pool.take(test)
    pool.needed = {word for each in tested for word in (each.text or "").split()}
    developed = pool.take(dev)
    developed += pool.take(dev - len(developed), closed=False)
    return pool.rest(), developed, tested


class _Pool:
    """The texts not yet taken, and how many of their prompts have each word."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self.left: dict[str, list[Utterance]] = defaultdict(list)
        for each in utterances:
            self.left[each.text or ""].append(each)
        self.prompts = Counter(word for text, same in self.left.items() for word in set(text.split()) for _ in same)
        self.needed: set[str] = set()  # words whose prompts stay even where the vocabulary need not be closed

    def take(self, size: int, closed: bool = True) -> list[Utterance]:
        """``size`` utterances or a few more, fewer where texts run out."""
        out: list[Utterance] = []
        for text in hashed(self.left):
            words, times = set(text.split()), len(self.left[text])
            bound = words if closed else words & self.needed
            if len(out) >= size or len(text.split()) < MIN_WORDS:
                continue
            if all(self.prompts[word] - times >= MIN_PROMPTS for word in bound):
                self.prompts.subtract(dict.fromkeys(words, times))
                out += self.left.pop(text)
        return out

    def rest(self) -> list[Utterance]:
        return [each for text in hashed(self.left) for each in self.left[text]]
