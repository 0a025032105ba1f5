"""The CPU kernels against the float64 reference: a grid, drawn cases and cases made to break the arithmetic.

All run twice: as they come, and with every utterance sent through the log domain, else the way of the hardest only.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.ctc import cpu
from dstoolkit.ctc.cpu_recursion import SAFE
from dstoolkit.ctc.reference import ctc_loss_and_gradient

LOSS_ERROR, GRADIENT_ERROR = 1e-6, 1e-5
both_domains = pytest.mark.parametrize("safe", [SAFE, np.inf], ids=["linear", "log"])


def run(logits, targets, lengths=None, blank=0, safe=SAFE):
    """Losses and gradients of a batch; ``targets`` are lists, ``lengths`` default to all frames."""
    logits = torch.as_tensor(np.asarray(logits))
    lengths = torch.tensor([logits.shape[1]] * len(targets) if lengths is None else lengths)
    padded = torch.full((len(targets), max(map(len, targets), default=0)), -7)  # padding may hold anything
    for row, target in zip(padded, targets, strict=True):
        row[: len(target)] = torch.tensor(target, dtype=torch.long)
    batch = logits, lengths, padded, torch.tensor([len(target) for target in targets]), blank, 0.0, 0.0
    losses, occupancy, rows = cpu.forward(*batch, True, safe)
    assert torch.equal(cpu.forward(*batch, False, safe)[0].nan_to_num(-1), losses.nan_to_num(-1))
    gradient = cpu.backward(torch.ones_like(losses), *batch, losses, occupancy, rows)
    return losses.numpy(), gradient.numpy()


def check(logits, targets, lengths=None, blank=0, safe=SAFE):
    losses, gradient = run(logits, targets, lengths, blank, safe)
    lengths = [len(each) for each in logits] if lengths is None else lengths
    for at, (length, target) in enumerate(zip(lengths, targets, strict=True)):
        with np.errstate(over="ignore", invalid="ignore"):
            loss, exact = ctc_loss_and_gradient(np.float64(logits[at][:length]), target, blank)
        if np.isinf(loss):
            assert losses[at] == np.inf
        else:
            assert abs(losses[at] - loss) <= LOSS_ERROR * max(1, loss)
        np.testing.assert_allclose(gradient[at, :length], exact, atol=GRADIENT_ERROR, rtol=0)
        assert (gradient[at, length:] == 0).all()


def noise(batch, frames, vocab, scale=1.0, seed=0, dtype=np.float32):
    return (scale * np.random.default_rng(seed).normal(size=(batch, frames, vocab))).astype(dtype)


def labels(count, vocab, seed=0, blank=0):
    rng = np.random.default_rng(seed)
    return [int(each) for each in rng.choice([v for v in range(vocab) if v != blank], count)]


@both_domains
@pytest.mark.parametrize("vocab", [2, 5, 29, 300])
@pytest.mark.parametrize("scale", [0.1, 1, 20])
@pytest.mark.parametrize(("frames", "count"), [(1, 1), (7, 3), (40, 12), (90, 40)])
def test_grid(frames, count, scale, vocab, safe):
    check(noise(2, frames, vocab, scale), [labels(count, vocab, seed) for seed in (1, 2)], safe=safe)


@st.composite
def batches(draw):
    vocab = draw(st.integers(2, 9))
    blank = draw(st.integers(0, vocab - 1))
    size = draw(st.integers(1, 4))
    lengths = [draw(st.integers(0, 14)) for _ in range(size)]
    tokens = st.sampled_from([v for v in range(vocab) if v != blank])
    targets = [draw(st.lists(tokens, max_size=7)) for _ in range(size)]
    scale = draw(st.sampled_from([0.0, 1.0, 30.0, 1e3, 1e4]))
    logits = noise(size, max(lengths) + draw(st.integers(0, 3)), vocab, scale, draw(st.integers(0, 2**31)))
    holes = draw(st.floats(0, 0.3))
    logits[np.random.default_rng(1).random(logits.shape) < holes] = -np.inf
    logits[..., 0][np.isinf(logits).all(axis=2)] = 0  # a frame of -inf alone has no distribution
    return logits, targets, lengths, blank


@both_domains
@given(batches())
@settings(max_examples=150, deadline=None)
def test_drawn(safe, batch):
    logits, targets, lengths, blank = batch
    check(logits, targets, lengths, blank, safe)


def one_hot(tokens, vocab, height=1e4):
    logits = np.zeros((1, len(tokens), vocab), np.float32)
    logits[0, np.arange(len(tokens)), tokens] = height
    return logits


@both_domains
def test_logits_of_ten_thousand(safe):
    signs = np.random.default_rng(0).choice([-1e4, 1e4], size=(2, 50, 6)).astype(np.float32)
    check(signs, [[1, 2, 2, 5], []], safe=safe)


@both_domains
@pytest.mark.parametrize("target", [[3, 3, 3], [1, 2, 3], [3, 2, 1], []])
def test_certain_frames_that_contradict_the_target(target, safe):
    check(one_hot([1] * 10 + [0] * 10 + [2] * 10, 5), [target], safe=safe)
    check(one_hot([1] * 10 + [0] * 10 + [2] * 10, 5, 700), [target], safe=safe)
    check(one_hot([4] * 30, 5, 60), [target], safe=safe)


@both_domains
def test_certain_frames_that_agree(safe):
    """The loss is all but 0, and must not drown in the rounding of a thousand frames."""
    check(one_hot([0, 1, 0, 2] + [0] * 996, 5, 12), [[1, 2]], safe=safe)
    check(noise(1, 400, 5, 1e-3) + one_hot([0, 1, 0, 2] + [0] * 396, 5, 8), [[1, 2]], safe=safe)


@both_domains
def test_a_probability_of_zero(safe):
    logits = noise(3, 8, 5)
    logits[0, :, 2] = -np.inf  # never a 2: no path
    logits[1, 3:5, 0] = -np.inf  # no blank in the middle
    logits[2, :4, 1:] = -np.inf  # blanks first
    check(logits, [[1, 2], [1, 1], [3]], safe=safe)


@both_domains
@pytest.mark.parametrize("vocab", [3, 40])
def test_as_many_frames_as_needed_and_one_fewer(vocab, safe):
    targets = [[1, 2, 1, 2], [1, 1, 2, 2], [2, 2, 2]]
    check(noise(3, 6, vocab), targets, [4, 6, 5], safe=safe)
    check(noise(3, 6, vocab), targets, [3, 5, 4], safe=safe)


@both_domains
def test_lengths_of_zero_and_one(safe):
    check(noise(5, 3, 6), [[], [1], [], [2], [3, 3]], [0, 0, 1, 1, 1], safe=safe)
    check(noise(2, 0, 6), [[], [1]], [0, 0], safe=safe)
    check(noise(2, 3, 6), [[], []], safe=safe)


@both_domains
def test_a_vocabulary_of_the_blank_alone(safe):
    check(noise(1, 4, 1), [[]], safe=safe)


@both_domains
@pytest.mark.parametrize("vocab", [4, 50])
def test_the_same_label_over_and_over(vocab, safe):
    check(noise(1, 45, vocab), [[3] * 20], safe=safe)


@both_domains
@pytest.mark.parametrize("scale", [0.3, 5.0])
def test_three_thousand_frames(scale, safe):
    check(noise(1, 3000, 7, scale), [labels(12, 7)], safe=safe)


def test_random_logits_where_single_precision_underflows():
    """T=800, U=200: by torch's loss in double precision, as the reference would take minutes."""
    logits = torch.from_numpy(noise(2, 800, 29)).requires_grad_()
    targets = [labels(200, 29, seed) for seed in (1, 2)]
    losses, gradient = run(logits.detach(), targets)
    counts = torch.tensor([800, 800]), torch.tensor([200, 200])
    log_probs = logits.double().log_softmax(2).transpose(0, 1)
    exact = torch.nn.functional.ctc_loss(log_probs, torch.tensor(targets), *counts, reduction="none")
    exact.sum().backward()
    np.testing.assert_allclose(losses, exact.detach(), rtol=LOSS_ERROR)
    np.testing.assert_allclose(gradient, logits.grad, atol=GRADIENT_ERROR, rtol=0)


def test_a_batch_of_mixed_lengths_equals_each_utterance_alone():
    logits, lengths = noise(5, 40, 9), [40, 0, 17, 1, 33]
    targets = [labels(count, 9, count) for count in (12, 0, 3, 1, 16)]
    losses, gradient = run(logits, targets, lengths)
    for at, (length, target) in enumerate(zip(lengths, targets, strict=True)):
        alone, its_gradient = run(logits[at : at + 1, :length], [target])
        assert losses[at] == pytest.approx(alone[0], rel=1e-6)
        np.testing.assert_allclose(gradient[at, :length], its_gradient[0], atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("vocab", [4, 30])
def test_what_is_no_number_stays_in_its_utterance(vocab, value):
    logits, targets, lengths = noise(4, 12, vocab), [[1, 2], [3], [1, 1], [2]], [12, 10, 12, 9]
    losses, gradient = run(logits, targets, lengths)
    logits[1, 4, 2], logits[3, 10, 1] = value, value  # the second in padding
    found, found_gradient = run(logits, targets, lengths)
    assert np.isnan(found[1])
    assert np.isnan(found_gradient[1, :10]).all()
    np.testing.assert_array_equal(found[[0, 2, 3]], losses[[0, 2, 3]])
    np.testing.assert_array_equal(found_gradient[[0, 2, 3]], gradient[[0, 2, 3]])
    assert (found_gradient[1, 10:] == 0).all()


def test_a_frame_of_minus_infinity_alone_is_no_distribution():
    logits = noise(1, 5, 4)
    logits[0, 2] = -np.inf
    losses, gradient = run(logits, [[1]])
    assert np.isnan(losses).all()
    assert np.isnan(gradient).all()


def test_double_precision_is_exact_to_its_own():
    logits = noise(2, 60, 8, 3.0, dtype=np.float64)
    targets = [labels(20, 8), labels(9, 8)]
    for safe in (SAFE, np.inf):
        losses, gradient = run(logits, targets, safe=safe)
        assert losses.dtype == gradient.dtype == np.float64
        for at, target in enumerate(targets):
            loss, exact = ctc_loss_and_gradient(logits[at], target)
            assert losses[at] == pytest.approx(loss, rel=1e-13)
            np.testing.assert_allclose(gradient[at], exact, atol=1e-12)


def test_logits_at_the_end_of_their_range():
    """Beyond any exponent: log-probabilities of -1e37 and below, and a loss that is still right."""
    check(noise(1, 20, 6, 1e36), [[1, 2, 2]])


def test_threads_change_nothing():
    logits, targets = noise(7, 50, 12), [labels(count, 12, count) for count in (3, 20, 0, 7, 9, 1, 16)]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        losses, gradient = run(logits, targets)
        torch.set_num_threads(3)
        others, other_gradient = run(logits, targets)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(losses, others)
    np.testing.assert_array_equal(gradient, other_gradient)


@pytest.mark.parametrize(("frames", "count"), [(60, 1), (60, 6), (60, 30), (60, 60), (400, 20)])
def test_random_logits_need_no_logarithms(frames, count, monkeypatch):
    """Long pauses and fast speech alike: the tilt keeps forward and backward values where they meet."""
    monkeypatch.setattr(cpu, "log_domain", None)  # a call would fail
    targets = [[1 + at % 5 for at in range(count)]]
    for scale in (0.01, 1.0):
        check(noise(1, frames, 7, scale), targets, safe=2.0**-60)
