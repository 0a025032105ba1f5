"""The alignment of a hypothesis with its reference, by one of two definitions, for many pairs at once.

``levenshtein``: the fewest edits, each counting 1; among alignments with so few, one with the most correct units, so
that the numbers of substitutions, deletions and insertions are defined by the pair alone and by no accident of a
backtrace. Where several such remain, words are paired that differ in the fewest letters (code points modulo 64; not
for pairs of more than 16 million cells), which is for the eye and changes no count.

``sclite``: the least cost, a substitution 4, a deletion or insertion 3, as NIST's sclite; it can take more edits.

Where either leaves a choice, the path from the end takes a pair before an insertion before a deletion, which is
sclite's rule (found by experiment: ``docs/scoring.md``). ``edits.py`` computes both in memory linear in the lengths.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import chain, count
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from dstoolkit.scoring import edits

IntArray = np.ndarray[Any, np.dtype[np.int64]]
Ids = np.ndarray[Any, np.dtype[np.int32]]

Mode = Literal["levenshtein", "sclite"]
Kind = Literal["correct", "substitution", "deletion", "insertion"]
MODES: dict[Mode, int] = {"levenshtein": edits.LEVENSHTEIN, "sclite": edits.SCLITE}
KINDS: dict[str, Kind] = {"C": "correct", "S": "substitution", "D": "deletion", "I": "insertion"}


class Step(NamedTuple):
    """One step of an alignment; ``reference`` is empty for an insertion, ``hypothesis`` for a deletion."""

    kind: Kind
    reference: str
    hypothesis: str


class Alignments(NamedTuple):
    """Of many pairs: ``counts``, ``(pairs, 3)``, substitutions, deletions and insertions; and ``steps``, a string of
    ``C``, ``S``, ``D`` and ``I`` for each pair."""

    counts: IntArray
    steps: list[str]


class Coded(NamedTuple):
    """Sequences as ids, end to end, and where each ends."""

    ids: Ids
    ends: IntArray


def alignments(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]], mode: Mode = "levenshtein"
) -> Alignments:
    """The alignments of pairs of word sequences. Takes time in proportion to a pair's cells (reference words x
    hypothesis words), or to its words x its errors where these are few."""
    refs, hyps, words = _encode(references, hypotheses)
    steps = np.empty(len(refs.ids) + len(hyps.ids), np.uint8)
    starts, counts = np.empty(len(references), np.int64), np.zeros((len(references), 3), np.int64)
    edits.align_batch(MODES[mode], *refs, *hyps, _letters(words), steps, starts, counts)
    letters = steps.tobytes().decode("latin-1")  # what lies between two alignments was never written
    bounds = zip(starts.tolist(), (refs.ends + hyps.ends).tolist(), strict=True)
    return Alignments(counts, [letters[start:end] for start, end in bounds])


def edit_counts(
    references: Sequence[Sequence[Hashable]], hypotheses: Sequence[Sequence[Hashable]], mode: Mode = "levenshtein"
) -> IntArray:
    """Pairs of unit sequences (words, tokens, or strings for characters) -> ``(pairs, 3)``: substitutions, deletions,
    insertions of each pair. Those of ``alignments``, for less."""
    refs, hyps, _ = _encode(references, hypotheses)
    counts = np.zeros((len(references), 3), np.int64)
    edits.count_batch(MODES[mode], *refs, *hyps, counts)
    return counts


def align(reference: Sequence[str], hypothesis: Sequence[str], mode: Mode = "levenshtein") -> list[Step]:
    """The steps from ``reference`` to ``hypothesis``."""
    return steps_of(reference, hypothesis, alignments([reference], [hypothesis], mode).steps[0])


def steps_of(reference: Iterable[str], hypothesis: Iterable[str], letters: str) -> list[Step]:
    """The steps that ``letters`` stand for."""
    refs, hyps = iter(reference), iter(hypothesis)
    return [Step(KINDS[each], next(refs) if each != "I" else "", next(hyps) if each != "D" else "") for each in letters]


def _encode(
    references: Sequence[Sequence[Hashable]], hypotheses: Sequence[Sequence[Hashable]]
) -> tuple[Coded, Coded, Iterable[Hashable]]:
    """Both sides as ids, and the units in the ids' order (none for characters, whose ids are their code points)."""
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references and {len(hypotheses)} hypotheses")
    sides = references, hypotheses
    if (longest := max(map(len, chain(*sides)), default=0)) > edits.LONGEST:
        raise ValueError(f"a sequence of {longest} units; at most {edits.LONGEST} can be aligned")
    if all(isinstance(each, str) for each in chain(*sides)):
        refs, hyps = (_code_points("".join(cast(Sequence[str], side))) for side in sides)
        return Coded(refs, _ends(references)), Coded(hyps, _ends(hypotheses)), ()
    codes: defaultdict[Hashable, int] = defaultdict(count().__next__)
    refs, hyps = (np.fromiter(map(codes.__getitem__, chain.from_iterable(side)), np.int32) for side in sides)
    return Coded(refs, _ends(references)), Coded(hyps, _ends(hypotheses)), codes


def _code_points(text: str) -> Ids:
    """Copied, because kernels would be compiled once more for arrays that may not be written to."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.int32).copy()


def _ends(sequences: Sequence[Sequence[Hashable]]) -> IntArray:
    return np.cumsum(np.fromiter(map(len, sequences), np.int64, len(sequences)))


def _letters(words: Iterable[Hashable]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The set of each word's letters as 64 bits."""
    return np.array([sum({1 << ord(letter) % 64 for letter in cast(str, word)}) for word in words], np.uint64)
