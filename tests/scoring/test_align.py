"""Edit counts and alignments: the plain table of ``reference`` is the oracle for steps, editdistance for totals."""

from __future__ import annotations

import random
import subprocess
import sys

import editdistance
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.scoring import edits, reference
from dstoolkit.scoring.align import MODES, Mode, align, alignments, edit_counts, steps_of

WORDS = st.lists(st.sampled_from(["a", "b", "ab", "ba", "ccc"]), max_size=9)
LETTERS = st.lists(st.sampled_from("ab"), max_size=40)
STRINGS = st.text("abc ", max_size=30)
ORACLES = {"levenshtein": reference.levenshtein, "sclite": reference.sclite}
BOTH = pytest.mark.parametrize("mode", list(MODES))


@BOTH
@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS) | st.tuples(LETTERS, LETTERS), min_size=1, max_size=8))
def test_a_batch_beside_the_plain_table(mode: Mode, pairs: list[tuple[list[str], list[str]]]) -> None:
    refs, hyps = [ref for ref, _ in pairs], [hyp for _, hyp in pairs]
    found = alignments(refs, hyps, mode)
    assert found.steps == [ORACLES[mode](ref, hyp) for ref, hyp in pairs]
    assert found.counts.tolist() == [[steps.count(each) for each in "SDI"] for steps in found.steps]
    assert edit_counts(refs, hyps, mode).tolist() == found.counts.tolist()


@settings(deadline=None)
@given(STRINGS, STRINGS)
def test_totals_of_strings(ref: str, hyp: str) -> None:
    assert edit_counts([ref], [hyp]).sum() == editdistance.eval(ref, hyp)


def test_batches_of_many_lengths_keep_their_places() -> None:
    references = ["ab" * (at * 7 % 40) for at in range(1200)]
    hypotheses = ["ba" * (at * 11 % 40) for at in range(1200)]
    totals = edit_counts(references, hypotheses).sum(axis=1).tolist()
    assert totals == [editdistance.eval(ref, hyp) for ref, hyp in zip(references, hypotheses, strict=True)]


@BOTH
@pytest.mark.parametrize("rate", [0.01, 0.2, 0.9])
def test_wide_and_narrow_bands(mode: Mode, rate: float) -> None:
    """Bands from a few diagonals to the whole table, and a stretch that one side lacks."""
    generator = random.Random(rate)
    refs = [[generator.choice("abcdefgh") for _ in range(generator.randrange(50, 160))] for _ in range(5)]
    hyps = [altered(ref[:20] + ref[generator.randrange(20, 40) :], rate, generator) for ref in refs]
    found = alignments(refs, hyps, mode)
    assert found.steps == [ORACLES[mode](ref, hyp) for ref, hyp in zip(refs, hyps, strict=True)]
    assert edit_counts(refs, hyps, mode).tolist() == found.counts.tolist()


def altered(words: list[str], rate: float, generator: random.Random) -> list[str]:
    """With errors of all kinds."""
    found = []
    for word in words:
        error = generator.random() >= rate or generator.choice("SDI")
        found += {"S": ["z"], "D": [], "I": [word, word], True: [word]}[error]
    return found


@BOTH
@settings(deadline=None)
@given(LETTERS, LETTERS)
def test_halving_finds_the_same_path(mode: Mode, ref: list[str], hyp: list[str]) -> None:
    """With room for the moves of two rows only."""
    n, m = len(ref), len(hyp)
    sides = [np.array([ord(each) for each in side], np.int32) for side in (ref, hyp)]
    row, lines, backward = np.empty(m + 1, np.int64), np.empty((3, n + 3), np.int64), np.empty(m, np.int32)
    steps, letters = np.empty(n + m, np.uint8), np.empty(0, np.uint64)
    costs = edits.costs_of(MODES[mode], n, m, letters)
    two_rows = np.empty(2 * (m + 1), np.uint8)
    start = edits.path(*sides, letters, costs, row, lines, backward, two_rows, steps)
    plain = reference.sclite(ref, hyp) if mode == "sclite" else reference.path(ref, hyp, (1, 0), lambda a, b: (1, 1))
    assert steps[start:].tobytes().decode() == plain


@BOTH
def test_an_utterance_as_long_as_a_book(mode: Mode) -> None:
    """100,000 words that all differ, so that what was done to them is the only cheapest alignment."""
    words = [str(at) for at in range(100_000)]
    other = [*words[:1000], *words[1100:40_000], "new", "words", *words[40_000:90_000], "x", *words[90_001:]]
    counts, (steps,) = alignments([words], [other], mode)
    assert counts.tolist() == [[1, 100, 2]]
    assert edit_counts([words], [other], mode).tolist() == [[1, 100, 2]]
    assert steps == "C" * 1000 + "D" * 100 + "C" * 38_900 + "II" + "C" * 50_000 + "S" + "C" * 9999
    assert alignments([words], [[]], mode).steps == ["D" * 100_000]
    assert alignments([[]], [words], mode).steps == ["I" * 100_000]


def test_memory_grows_with_the_length_and_not_with_its_square() -> None:
    """Unlike sides, so that the band is the whole table: 144 million cells."""
    code = """if True:
        import random, resource
        from dstoolkit.scoring.align import alignments
        def words(seed): return random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz", k=12_000)
        alignments([["a"]], [["b"]])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        counts, (steps,) = alignments([words(1)], [words(2)])
        assert len(steps) - steps.count("C") == counts.sum()
        print(counts.sum(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    total, kilobytes = map(int, run.stdout.split())
    assert kilobytes < 40_000  # 16 MB of moves and some rows; the table's moves would be 144 MB
    sides = [random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz", k=12_000) for seed in (1, 2)]
    assert total == editdistance.eval(*sides)


@settings(deadline=None)
@given(WORDS, WORDS)
def test_an_alignment_is_both_sides(ref: list[str], hyp: list[str]) -> None:
    steps = align(ref, hyp)
    assert [step.reference for step in steps if step.kind != "insertion"] == ref
    assert [step.hypothesis for step in steps if step.kind != "deletion"] == hyp
    assert all((step.reference == step.hypothesis) == (step.kind == "correct") for step in steps)


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


def test_where_the_two_definitions_differ() -> None:
    """sclite's cost is three times the edits and the substitutions: one more edit may save three of these."""
    ref, hyp = list("aaabc"), list("bcxb")
    assert alignments([ref], [hyp], "levenshtein").steps == ["SSSCD"]
    assert alignments([ref], [hyp], "sclite").steps == ["DDDCCII"]


@settings(deadline=None)
@given(LETTERS, LETTERS)
def test_the_two_definitions_differ_in_the_total_or_not_at_all(ref: list[str], hyp: list[str]) -> None:
    (fewest,), (sclite,) = (edit_counts([ref], [hyp], mode).tolist() for mode in MODES)
    assert fewest == sclite or sum(fewest) < sum(sclite)


def test_steps_of_letters() -> None:
    assert [tuple(step) for step in steps_of(["a", "b"], ["b", "c"], "DCI")] == [
        ("deletion", "a", ""),
        ("correct", "b", "b"),
        ("insertion", "", "c"),
    ]


def test_what_is_longer_than_costs_have_bits_for_is_refused() -> None:
    assert edits.LONGEST * (edits.LONGEST + 2) < edits.FAR >> edits.SHIFT
    assert edits.LONGEST < edits.CARRIED
    with pytest.raises(ValueError, match="a sequence of 700001 units; at most 700000"):
        edit_counts(["a" * 700_001], ["a"])


def test_the_longest_cost_the_most() -> None:
    """Nothing in common, so that each step costs all it can; the band is the shorter side."""
    ref, hyp = "a" * edits.LONGEST, "b" * 40
    assert edit_counts([ref], [hyp]).tolist() == [[40, edits.LONGEST - 40, 0]]
    assert edit_counts([hyp], [ref], "sclite").tolist() == [[40, 0, edits.LONGEST - 40]]


def test_lists_of_different_length_are_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="2 references and 1 hypotheses"):
        edit_counts(["a", "b"], ["a"])
