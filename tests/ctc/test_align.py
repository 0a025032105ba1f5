"""Viterbi paths: the reference against brute force over all paths, the compiled one against the reference."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.ctc import align as aligning
from dstoolkit.ctc import reference


def collapse(path, blank=0):
    return [token for token, _ in itertools.groupby(path) if token != blank]


def brute_force(logits, target, blank):
    """The log-probability of the likeliest path that collapses to the target, of all paths there are."""
    log_probs = reference.log_softmax(logits)
    paths = itertools.product(range(logits.shape[1]), repeat=len(logits))
    fitting = [path for path in paths if collapse(path, blank) == list(target)]
    return max((sum(log_probs[t, token] for t, token in enumerate(path)) for path in fitting), default=-np.inf)


def tokens_of(states, target, blank):
    return [target[state // 2] if state % 2 else blank for state in states]


@pytest.mark.parametrize("blank", [0, 2, 3])
@pytest.mark.parametrize("labels", ["", "a", "aa", "ab", "bab", "aaa", "abab", "ababa", "ababab"])
def test_reference_finds_the_best_of_all_paths(labels, blank):
    first, second = [v for v in range(4) if v != blank][:2]
    target = [{"a": first, "b": second}[each] for each in labels]
    for seed in range(4):
        logits = np.random.default_rng(seed).normal(size=(5, 4))
        states, score = reference.viterbi(logits, target, blank)
        assert score == pytest.approx(brute_force(logits, target, blank), abs=1e-12)
        if states:
            tokens = tokens_of(states, target, blank)
            assert collapse(tokens, blank) == target
            log_probs = reference.log_softmax(logits)
            assert sum(log_probs[t, token] for t, token in enumerate(tokens)) == pytest.approx(score, abs=1e-12)


def test_a_path_worked_out_by_hand():
    # Frame by frame the likeliest tokens are a a b; "a a" needs a blank between, so only a - a is left.
    chances = np.array([[0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]])
    states, score = reference.viterbi(np.log(chances), [1, 1])
    assert states == [1, 2, 3]
    assert score == pytest.approx(math.log(0.8 * 0.3 * 0.3))
    states, score = reference.viterbi(np.log(chances), [1, 2])
    assert states == [1, 1, 3]
    assert score == pytest.approx(math.log(0.8 * 0.4 * 0.5))


def test_ties_stay_and_end_in_the_blank():
    even = np.zeros((4, 3))
    # All paths are equal. Backwards from the last blank: to stay comes first, as long as a path begins there.
    assert reference.viterbi(even, [])[0] == [0, 0, 0, 0]
    assert reference.viterbi(even, [1])[0] == [1, 2, 2, 2]
    assert reference.viterbi(even, [1, 2])[0] == [1, 3, 4, 4]
    assert reference.viterbi(even, [1, 1, 2])[0] == [1, 2, 3, 5]


def batch_of(rows, dtype=torch.float32, extra=2, fill=float("nan")):
    """Logits and targets of several utterances, padded with what must not be read."""
    frames, width = max(len(each) for each, _ in rows) + extra, max(len(each) for _, each in rows) + extra
    vocab = rows[0][0].shape[1]
    logits = torch.full((len(rows), frames, vocab), fill, dtype=dtype)
    targets = torch.full((len(rows), width), -77, dtype=torch.long)
    for at, (row, target) in enumerate(rows):
        logits[at, : len(row)] = torch.as_tensor(row, dtype=dtype)
        targets[at, : len(target)] = torch.tensor(target, dtype=torch.long)
    lengths = torch.tensor([len(each) for each, _ in rows])
    return logits, lengths, targets, torch.tensor([len(each) for _, each in rows])


def assert_equals_the_reference(rows, blank=0, dtype=torch.float64):
    logits, lengths, targets, target_lengths = batch_of(rows, dtype)
    states, scores = aligning.viterbi(logits, lengths, targets, target_lengths, blank)
    assert states.shape == logits.shape[:2]
    assert states.dtype == torch.int32
    for at, (row, target) in enumerate(rows):
        with np.errstate(invalid="ignore"):
            path, score = reference.viterbi(logits[at, : len(row)].double().numpy(), target, blank)
        expected = path or [-1] * len(row)
        assert states[at].tolist() == expected + [-1] * (logits.shape[1] - len(row)), f"utterance {at}"
        assert scores[at].item() == pytest.approx(score, rel=1e-12, abs=1e-12, nan_ok=True), f"utterance {at}"


@st.composite
def utterances(draw):
    """Whole numbers for logits, so that paths tie often; some -inf and some huge."""
    vocab = draw(st.integers(2, 5))
    blank = draw(st.integers(0, vocab - 1))
    labels = st.lists(st.sampled_from([v for v in range(vocab) if v != blank]), max_size=6)
    value = st.one_of(st.integers(-2, 2), st.sampled_from([-1e4, 1e4, -np.inf]))
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        frames = draw(st.integers(0, 10))
        flat = draw(st.lists(value, min_size=frames * vocab, max_size=frames * vocab))
        rows.append((np.array(flat, dtype=float).reshape(frames, vocab), draw(labels)))
    return rows, blank


@given(utterances())
@settings(max_examples=200, deadline=None)
def test_compiled_equals_the_reference_ties_included(case):
    assert_equals_the_reference(*case)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_compiled_equals_the_reference_at_real_sizes(dtype):
    rng = np.random.default_rng(3)
    sizes = [(60, 20), (40, 0), (0, 0), (0, 3), (1, 1), (1, 2), (31, 17), (59, 30)]
    rows = [(5 * rng.normal(size=(frames, 29)), rng.integers(0, 28, size=labels).tolist()) for frames, labels in sizes]
    assert_equals_the_reference(rows, 28, dtype)


def test_targets_end_to_end():
    rng = np.random.default_rng(4)
    rows = [(rng.normal(size=(8, 4)), target) for target in ([1, 2], [], [3, 3, 1])]
    logits, lengths, targets, target_lengths = batch_of(rows)
    states, scores = aligning.viterbi(logits, lengths, targets, target_lengths)
    joined = torch.tensor([1, 2, 3, 3, 1])
    assert torch.equal(aligning.viterbi(logits, lengths, joined, target_lengths)[0], states)
    assert torch.equal(aligning.viterbi(logits, lengths, joined, target_lengths)[1], scores)


@pytest.mark.parametrize("target", [[1, 2, 3], [1, 1, 1], [1, 1, 2, 2, 1], [3]])
def test_the_fewest_frames_and_one_less(target):
    fewest = len(target) + sum(first == second for first, second in itertools.pairwise(target))
    rng = np.random.default_rng(5)
    rows = [(rng.normal(size=(frames, 4)), target) for frames in (fewest - 1, fewest, fewest + 1)]
    assert_equals_the_reference(rows)
    logits, lengths, _, _ = batch_of(rows)
    too_few, exact, _ = aligning.align(logits, lengths, [target] * 3)
    assert too_few.score == -np.inf
    assert too_few.spans == ()
    assert f"{fewest} or more" in too_few.fault
    assert [each.token for each in exact.spans] == target
    assert exact.fault == ""


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_no_numbers_spoil_their_own_utterance_alone(value):
    rng = np.random.default_rng(6)
    rows = [(rng.normal(size=(6, 4)), [1, 2]) for _ in range(3)]
    rows[1][0][3, 2] = value
    assert_equals_the_reference(rows)
    logits, lengths, _, _ = batch_of(rows)
    found = aligning.align(logits, lengths, [[1, 2]] * 3)
    assert [bool(each.fault) for each in found] == [False, True, False]
    assert "no numbers" in found[1].fault
    assert math.isnan(found[1].score)


def test_a_target_that_the_logits_exclude():
    logits = torch.zeros(1, 4, 3)
    logits[:, :, 2] = -torch.inf
    (found,) = aligning.align(logits, torch.tensor([4]), [[1, 2]])
    assert found.score == -np.inf
    assert "probability above 0" in found.fault


def test_certain_frames_that_contradict_the_target_are_aligned_all_the_same():
    logits = np.full((6, 4), -1e4)
    logits[:, 3] = 1e4
    assert_equals_the_reference([(logits, [1, 2])])
    (found,) = aligning.align(torch.tensor(logits)[None], torch.tensor([6]), [[1, 2]])
    assert found.score == pytest.approx(-6 * 2e4)
    assert all(each.confidence == 0 for each in found.spans)


def test_spans_and_confidences():
    chances = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.6, 0.2], [0.9, 0.05, 0.05], [0.3, 0.2, 0.5]])
    (found,) = aligning.align(3 + chances.log()[None], torch.tensor([5]), [[1, 2]])  # logits: up to a constant
    first, second = found.spans
    assert (first.token, first.start, first.end) == (1, 1, 3)
    assert (second.token, second.start, second.end) == (2, 4, 5)
    assert first.confidence == pytest.approx((0.8 + 0.6) / 2)
    assert second.confidence == pytest.approx(0.5)
    assert found.score == pytest.approx(math.log(0.7 * 0.8 * 0.6 * 0.9 * 0.5))


def test_an_empty_target_is_blanks():
    logits = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    found = aligning.align(logits, torch.tensor([5, 0]), [[], []])
    assert found[0].score == pytest.approx(logits[0].log_softmax(1)[:, 0].sum().item(), rel=1e-6)
    assert found[1] == aligning.Alignment(0.0)
    assert found[0].spans == ()


def test_long_utterances():
    rng = np.random.default_rng(8)
    target = rng.integers(1, 20, size=400).tolist()
    (found,) = aligning.align(torch.tensor(rng.normal(size=(1, 3000, 20))), torch.tensor([3000]), [target])
    assert [each.token for each in found.spans] == target
    edges = [(each.start, each.end) for each in found.spans]
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(edges))
    assert all(begin < end for begin, end in edges)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"blank": 4}, "blank 4 is out of range; expected 0 to 3"),
        ({"blank": -1}, "blank -1 is out of range"),
        ({"targets": [[1], [4]]}, "utterance 1: label 4 is out of range"),
        ({"targets": [[-1], [1]]}, "utterance 0: label -1 is out of range"),
        ({"targets": [[1], [2, 0]]}, "utterance 1: label 0 is the blank"),
        ({"logit_lengths": torch.tensor([5, 6])}, "utterance 1: length of 6 frames; expected 0 to 5"),
        ({"logit_lengths": torch.tensor([-1, 5])}, "utterance 0: length of -1 frames"),
        ({"logit_lengths": torch.tensor([5])}, "logit_lengths have the shape (1,); expected (2,)"),
        ({"targets": [[1]]}, "target_lengths have the shape (1,); expected (2,)"),
    ],
)
def test_what_cannot_be_is_refused(changes, said):
    given = {"logits": torch.zeros(2, 5, 4), "logit_lengths": torch.tensor([5, 5]), "targets": [[1], [2]]}
    with pytest.raises(ValueError) as raised:
        aligning.align(**(given | changes))
    assert said in str(raised.value)
