"""Minimum edit distance: the counts for many pairs at once, and the alignment of one pair.

Edits cost 1 each (Levenshtein). Among all alignments with the fewest edits, the one with the most correct units is
meant, so that the numbers of substitutions, deletions and insertions are defined by the pair alone and by no accident
of a backtrace. Both are found by one minimisation: a deletion or insertion costs ``K`` and a substitution ``K + 1``,
with ``K`` larger than any number of substitutions, so that a total is ``edits * K + substitutions``. The two lengths
then give the rest: deletions - insertions = reference length - hypothesis length.

A row of the dynamic programme is computed at once (Wagner & Fischer 1974): with ``t[j]`` the cheapest way to cell
``j`` from the row above, the cell is ``min over k <= j of t[k] + (j - k) * K``, a running minimum of ``t[k] - k * K``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.int64]]
CELLS = 1 << 20  # of a batch's row: bounds the memory of ``edit_counts`` to tens of megabytes
PAIRS = 512  # in a batch: more would mix lengths, and padding costs time
DIAGONAL, DELETION, INSERTION = 0, 1, 2

Kind = Literal["correct", "substitution", "deletion", "insertion"]


class Step(NamedTuple):
    """One step of an alignment; ``reference`` is empty for an insertion, ``hypothesis`` for a deletion."""

    kind: Kind
    reference: str
    hypothesis: str


def edit_counts(references: Sequence[Sequence[Hashable]], hypotheses: Sequence[Sequence[Hashable]]) -> IntArray:
    """Pairs of unit sequences (words, or strings for characters) -> ``(pairs, 3)``: substitutions, deletions,
    insertions of each pair. Takes O(reference * hypothesis) time and O(hypothesis) memory per pair."""
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references and {len(hypotheses)} hypotheses")
    codes: dict[Hashable, int] = {}
    coded = [(_encode(ref, codes), _encode(hyp, codes)) for ref, hyp in zip(references, hypotheses, strict=True)]
    counts = np.zeros((len(coded), 3), np.int64)
    for batch in _batches(coded):
        counts[batch] = _batch_counts([coded[at] for at in batch])
    return counts


def _encode(units: Iterable[Hashable], codes: dict[Hashable, int]) -> IntArray:
    return np.array([codes.setdefault(unit, len(codes)) for unit in units], np.int64)


def _batches(coded: Sequence[tuple[IntArray, IntArray]]) -> Iterable[list[int]]:
    """Indices in batches of similar length, each small enough for ``CELLS``."""
    batch: list[int] = []
    longest = 0
    for at in sorted(range(len(coded)), key=lambda at: (len(coded[at][0]), len(coded[at][1]))):
        batch.append(at)
        longest = max(longest, len(coded[at][1]) + 1)
        if len(batch) * longest >= CELLS or len(batch) == PAIRS:
            yield batch
            batch, longest = [], 0
    if batch:
        yield batch


def _batch_counts(pairs: Sequence[tuple[IntArray, IntArray]]) -> IntArray:
    """``edit_counts`` of one batch. Padding lies right of and below each pair's last cell, which it cannot reach."""
    n, m = (np.array([len(pair[side]) for pair in pairs]) for side in (0, 1))
    references, hypotheses = (_pad([pair[side] for pair in pairs]) for side in (0, 1))
    unit = int(n.max() + m.max()) + 1
    steps = np.arange(m.max() + 1) * unit
    row = np.broadcast_to(steps, (len(pairs), len(steps)))
    totals = np.where(n == 0, m * unit, 0)
    for at in range(n.max()):
        substitution = np.where(hypotheses == references[:, at : at + 1], 0, unit + 1)
        row = next_row(row, substitution, unit, steps)
        ended = np.flatnonzero(n == at + 1)
        totals[ended] = row[ended, m[ended]]
    edits, substitutions = np.divmod(totals, unit)
    deletions = (edits - substitutions + n - m) // 2
    return np.stack([substitutions, deletions, edits - substitutions - deletions], axis=1)


def _pad(sequences: Sequence[IntArray]) -> IntArray:
    padded = np.full((len(sequences), max(map(len, sequences))), -1, np.int64)
    for at, sequence in enumerate(sequences):
        padded[at, : len(sequence)] = sequence
    return padded


def next_row(above: IntArray, substitution: IntArray, unit: int, steps: IntArray) -> IntArray:
    """The row of the dynamic programme below ``above``, ``(batch, m + 1)``.

    ``substitution``, ``(batch, m)``, is what pairing the row's reference unit with each hypothesis unit costs (0 where
    they are the same), ``unit`` what a deletion or insertion costs, and ``steps`` are ``0, unit, ..., m * unit``.
    """
    best = above + unit
    np.minimum(best[:, 1:], above[:, :-1] + substitution, out=best[:, 1:])
    return np.minimum.accumulate(best - steps, axis=1) + steps


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Step]:
    """The steps from ``reference`` to ``hypothesis`` with the fewest edits and, among those, the most correct words.

    Where several remain, substitutions pair the words most alike (by the counts of their letters), and the backtrace
    from the end takes a pair before a deletion before an insertion. Takes O(n m) time and bytes.
    """
    moves = _moves(reference, hypothesis)
    steps: list[Step] = []
    at, to = len(reference), len(hypothesis)
    while at or to:
        move = moves[at, to]
        at, to = at - (move != INSERTION), to - (move != DELETION)
        ref, hyp = reference[at] if move != INSERTION else "", hypothesis[to] if move != DELETION else ""
        steps.append(Step(_kind(move, ref == hyp), ref, hyp))
    return steps[::-1]


def _kind(move: int, same: bool) -> Kind:
    if move == DIAGONAL:
        return "correct" if same else "substitution"
    return "deletion" if move == DELETION else "insertion"


def _moves(reference: Sequence[str], hypothesis: Sequence[str]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The last move of a best path to each cell, ``(n + 1, m + 1)``.

    A third term joins the cost, the unlikeness of the pairs; its sum stays below ``scale``, as each letter counts once.
    """
    scale = sum(map(len, reference)) + sum(map(len, hypothesis)) + 1
    unit = (len(reference) + len(hypothesis) + 1) * scale
    codes: dict[Hashable, int] = {}
    ref_codes, hyp_codes = _encode(reference, codes), _encode(hypothesis, codes)
    ref_letters, hyp_letters = _letters(reference, hypothesis)
    steps = np.arange(len(hypothesis) + 1) * unit
    moves = np.full((len(reference) + 1, len(hypothesis) + 1), INSERTION, np.uint8)
    row = steps[None]
    for at in range(len(reference)):
        unlike = np.abs(hyp_letters - ref_letters[at]).sum(axis=1)
        substitution = np.where(hyp_codes == ref_codes[at], 0, unit + scale + unlike)[None]
        above, row = row, next_row(row, substitution, unit, steps)
        moves[at + 1][row[0] == above[0] + unit] = DELETION
        moves[at + 1, 1:][row[0, 1:] == above[0, :-1] + substitution[0]] = DIAGONAL
    return moves


def _letters(*sides: Sequence[str]) -> list[IntArray]:
    """For each side ``(words, alphabet)``: how often each letter occurs in each word."""
    columns = {letter: at for at, letter in enumerate({letter for words in sides for word in words for letter in word})}
    counts = [np.zeros((len(words), len(columns)), np.int64) for words in sides]
    for table, words in zip(counts, sides, strict=True):
        for at, word in enumerate(words):
            for letter in word:
                table[at, columns[letter]] += 1
    return counts
