"""The alignment of two sequences by one table in plain Python, to be read: the oracle of ``edits.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Cost = tuple[int, ...]  # compared from the left, added term by term


def levenshtein(ref: Sequence[str], hyp: Sequence[str]) -> str:
    """Steps ``C S D I``: the fewest edits; of such the fewest substitutions; of such the pairs with the fewest letters
    that only one word has."""
    return path(ref, hyp, (1, 0, 0), lambda a, b: (1, 1, unlike(a, b)))


def sclite(ref: Sequence[str], hyp: Sequence[str]) -> str:
    """Steps of the least cost: substitution 4, deletion and insertion 3."""
    return path(ref, hyp, (3,), lambda a, b: (4,))


def unlike(a: str, b: str) -> int:
    return len({ord(each) % 64 for each in a} ^ {ord(each) % 64 for each in b})


def path(ref: Sequence[str], hyp: Sequence[str], gap: Cost, substitution: Callable[[str, str], Cost]) -> str:
    """The cheapest path; from its end it takes a pair before an insertion before a deletion."""
    nothing = tuple(0 for _ in gap)
    table: dict[tuple[int, int], tuple[Cost, str]] = {(0, 0): (nothing, "")}
    for i in range(len(ref) + 1):
        for j in range(len(hyp) + 1):
            ways = []
            if i and j:
                same = ref[i - 1] == hyp[j - 1]
                cost = nothing if same else substitution(ref[i - 1], hyp[j - 1])
                ways.append((add(table[i - 1, j - 1][0], cost), "C" if same else "S"))
            if j:
                ways.append((add(table[i, j - 1][0], gap), "I"))
            if i:
                ways.append((add(table[i - 1, j][0], gap), "D"))
            if ways:
                table[i, j] = min(ways, key=lambda way: way[0])  # the first of equals
    steps, i, j = "", len(ref), len(hyp)
    while i or j:
        step = table[i, j][1]
        steps, i, j = step + steps, i - (step != "I"), j - (step != "D")
    return steps


def add(a: Cost, b: Cost) -> Cost:
    return tuple(x + y for x, y in zip(a, b, strict=True))
