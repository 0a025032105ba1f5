"""Edit counts and alignments: editdistance is the oracle for the total, brute force for the number of substitutions."""

from __future__ import annotations

import functools

import editdistance
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit.scoring.align import align, edit_counts

WORDS = st.lists(st.sampled_from(["a", "b", "ab", "ba", "ccc"]), max_size=9)
STRINGS = st.text("abc ", max_size=30)


def fewest(reference: list[str], hypothesis: list[str]) -> tuple[int, int]:
    """Edits and, among alignments with so few, substitutions: by plain recursion over all alignments."""

    @functools.cache
    def best(at: int, to: int) -> tuple[int, int]:
        if at == 0 or to == 0:
            return at + to, 0
        wrong = int(reference[at - 1] != hypothesis[to - 1])
        pair, deletion, insertion = best(at - 1, to - 1), best(at - 1, to), best(at, to - 1)
        return min((pair[0] + wrong, pair[1] + wrong), (deletion[0] + 1, deletion[1]), (insertion[0] + 1, insertion[1]))

    return best(len(reference), len(hypothesis))


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8))
def test_counts_of_a_batch(pairs: list[tuple[list[str], list[str]]]) -> None:
    counts = edit_counts([ref for ref, _ in pairs], [hyp for _, hyp in pairs]).tolist()
    for (ref, hyp), (substitutions, deletions, insertions) in zip(pairs, counts, strict=True):
        assert substitutions + deletions + insertions == editdistance.eval(ref, hyp)
        assert substitutions == fewest(ref, hyp)[1]
        assert deletions - insertions == len(ref) - len(hyp)


@given(STRINGS, STRINGS)
def test_counts_of_strings(ref: str, hyp: str) -> None:
    assert edit_counts([ref], [hyp]).sum() == editdistance.eval(ref, hyp)


def test_batches_of_many_lengths_keep_their_places() -> None:
    references = ["ab" * (at * 7 % 40) for at in range(1200)]
    hypotheses = ["ba" * (at * 11 % 40) for at in range(1200)]
    totals = edit_counts(references, hypotheses).sum(axis=1).tolist()
    assert totals == [editdistance.eval(ref, hyp) for ref, hyp in zip(references, hypotheses, strict=True)]


@given(WORDS, WORDS)
def test_an_alignment_is_both_sides_and_agrees_with_the_counts(ref: list[str], hyp: list[str]) -> None:
    steps = align(ref, hyp)
    assert [step.reference for step in steps if step.kind != "insertion"] == ref
    assert [step.hypothesis for step in steps if step.kind != "deletion"] == hyp
    assert all((step.reference == step.hypothesis) == (step.kind == "correct") for step in steps)
    kinds = [step.kind for step in steps]
    counted = [kinds.count("substitution"), kinds.count("deletion"), kinds.count("insertion")]
    assert edit_counts([ref], [hyp]).tolist() == [counted]


@pytest.mark.parametrize(
    ("ref", "hyp", "letters"),
    [
        ("a b c", "a b c", "ccc"),
        ("a b", "", "dd"),
        ("", "a b", "ii"),
        ("", "", ""),
        ("a b", "b c", "dci"),  # as many edits as two substitutions, and a word is right
        ("listening to it", "listenin it", "sdc"),  # words alike are paired
        ("to listening it", "listenin it", "dsc"),
    ],
)
def test_hand_worked_alignments(ref: str, hyp: str, letters: str) -> None:
    assert "".join(step.kind[0] for step in align(ref.split(), hyp.split())) == letters


def test_lists_of_different_length_are_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="2 references and 1 hypotheses"):
        edit_counts(["a", "b"], ["a"])
