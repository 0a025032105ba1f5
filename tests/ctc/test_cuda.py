"""The CUDA kernels against the references: on a GPU where there is one, and in Numba's simulator.

``test_cuda_simulated.py`` runs this file again in a process with ``NUMBA_ENABLE_CUDASIM=1``.
"""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch

from dstoolkit.ctc import cuda
from dstoolkit.ctc.reference import ctc_loss_and_gradient, log_softmax, viterbi

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
DEVICE = "cpu" if SIMULATED else "cuda"
REASON = "no CUDA device; simulated by test_cuda_simulated.py" if not torch.cuda.is_available() else cuda.available()

pytestmark = [
    pytest.mark.skipif(not SIMULATED and REASON is not None, reason=str(REASON)),
    pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning"),  # NumPy's, of inf - inf on purpose
    pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
]
on_gpu = pytest.mark.skipif(SIMULATED, reason="needs a GPU: streams, events, or sizes the simulator is too slow for")


@pytest.fixture(autouse=True)
def _no_faults_left():
    yield
    cuda.raise_pending(wait=True)


class Batch:
    """Utterances as ``(logits, target)``, padded with what must not matter, and the results of both passes."""

    def __init__(self, utterances, blank=0, dtype=torch.float32, padding=7.0, width=None):
        self.utterances, self.blank = utterances, blank
        vocab = utterances[0][0].shape[1]
        frames = max(len(logits) for logits, _ in utterances)
        width = max(len(target) for _, target in utterances) if width is None else width
        self.logits = torch.full((len(utterances), frames, vocab), padding, dtype=dtype)
        self.targets = torch.full((len(utterances), width), -5, dtype=torch.long)
        for b, (logits, target) in enumerate(utterances):
            self.logits[b, : len(logits)] = torch.as_tensor(logits).to(dtype)
            self.targets[b, : len(target)] = torch.tensor(target, dtype=torch.long)
        self.lengths = torch.tensor([len(logits) for logits, _ in utterances])
        self.target_lengths = torch.tensor([len(target) for _, target in utterances])

    def arguments(self):
        tensors = self.logits, self.lengths, self.targets, self.target_lengths
        return *(each.to(DEVICE) for each in tensors), self.blank

    def run(self, grad_losses=None, smoothing=0.0, entropy=0.0):
        losses, self.occupancy, rows = cuda.forward(*self.arguments(), smoothing, entropy, True)
        grads = torch.ones_like(losses) if grad_losses is None else grad_losses.to(losses)
        gradient = cuda.backward(grads, *self.arguments(), smoothing, entropy, losses, self.occupancy, rows)
        return losses.cpu(), gradient.cpu()

    def check(self, loss_error=1e-6, gradient_error=1e-5):
        losses, gradient = self.run()
        assert gradient.dtype == self.logits.dtype
        for b, (length, (_, target)) in enumerate(zip(self.lengths, self.utterances, strict=True)):
            loss, expected = ctc_loss_and_gradient(self.logits[b, :length].double().numpy(), target, self.blank)
            assert losses[b].item() == pytest.approx(loss, rel=loss_error, abs=loss_error)
            np.testing.assert_allclose(gradient[b, :length].double(), expected, rtol=0, atol=gradient_error)
            assert (gradient[b, length:] == 0).all()
        return losses


def random(frames, vocab, labels, seed=0, blank=0, scale=1.0):
    rng = np.random.default_rng(seed)
    tokens = [token for token in range(vocab) if token != blank]
    return rng.normal(size=(frames, vocab)) * scale, rng.choice(tokens, size=labels).tolist()


def certain(path, vocab, height=1e4):
    """Logits that leave no doubt about each frame's token."""
    logits = np.zeros((len(path), vocab))
    logits[np.arange(len(path)), path] = height
    return logits


@pytest.mark.parametrize("blank", [0, 6])
def test_more_tokens_than_positions(blank):
    Batch([random(9, 7, 4, 1, blank), random(3, 7, 1, 2, blank), random(6, 7, 0, 3, blank)], blank).check()


@pytest.mark.parametrize("blank", [0, 2])
def test_fewer_tokens_than_positions(blank):
    Batch([random(12, 3, 5, 1, blank), random(4, 3, 1, 2, blank)], blank).check()


def test_repeated_labels_and_the_fewest_frames():
    logits = random(9, 5, 0, 4)[0]
    infeasible = Batch(
        [(logits[:7], [2, 2, 2, 2]), (logits[:6], [2, 2, 2, 2]), (logits[:3], [1, 2, 3]), (logits[:2], [1, 2, 3])]
    )
    losses = infeasible.check()
    assert losses.isinf().tolist() == [False, True, False, True]


def test_one_frame_and_none():
    logits = random(1, 4, 0)[0]
    utterances = [(logits, []), (logits, [2]), (logits, [1, 2]), (logits[:0], []), (logits[:0], [1])]
    assert Batch(utterances).check().isinf().tolist() == [False, False, True, False, True]


def test_no_labels_in_the_whole_batch():
    logits = random(3, 4, 0)[0]
    Batch([(logits, []), (logits[:1], [])]).check()
    Batch([(logits[:0], []), (logits[:0], [])]).check()


def test_logits_of_ten_thousand():
    rng = np.random.default_rng(5)
    Batch([(rng.choice([-1e4, 1e4], size=(10, 5)), [1, 2, 2]), (rng.normal(size=(8, 5)) * 1e4, [4, 1])]).check()


def test_certain_frames_that_contradict_the_target_or_agree():
    against, agreeing = certain([3, 3, 3, 3, 3, 3], 5), certain([0, 1, 1, 0, 2, 0], 5)
    losses = Batch([(against, [1, 2]), (agreeing, [1, 2]), (agreeing, [2, 1])]).check()
    assert losses[1] == 0
    assert losses[0] > 1e4


def test_impossible_tokens():
    logits = random(6, 5, 0, 6)[0]
    some, needed = logits.copy(), logits.copy()
    some[:, 3] = -np.inf
    needed[:, 1] = -np.inf
    batch = Batch([(some, [1, 2]), (needed, [1, 2]), (logits, [1, 2])])
    losses, gradient = batch.run()
    loss, expected = ctc_loss_and_gradient(batch.logits[0].double().numpy(), [1, 2])
    assert losses[0].item() == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(gradient[0], expected, rtol=0, atol=1e-5)
    assert losses[1] == np.inf
    assert (gradient[1] == 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, "row"])
def test_a_frame_that_is_no_distribution_spoils_its_own_utterance_alone(bad):
    logits = random(5, 4, 0, 7)[0]
    spoilt = logits.copy()
    spoilt[2, slice(None) if bad == "row" else 3] = -np.inf if bad == "row" else bad
    batch = Batch([(logits, [1, 2]), (spoilt[:4], [1, 2])])
    losses, gradient = batch.run()
    assert losses[0].item() == pytest.approx(ctc_loss_and_gradient(batch.logits[0].double().numpy(), [1, 2])[0])
    assert losses[1].isnan()
    assert gradient[0].isfinite().all()
    assert gradient[1, :4].isnan().all()
    assert (gradient[1, 4:] == 0).all()
    assert (batch.run(torch.tensor([1.0, 0.0]))[1][1] == 0).all()


def test_gradients_are_scaled_by_those_of_the_losses():
    batch = Batch([random(6, 4, 2, 8), random(5, 4, 2, 9)])
    _, whole = batch.run()
    _, scaled = batch.run(torch.tensor([0.5, -2.0]))
    np.testing.assert_allclose(scaled, whole * torch.tensor([0.5, -2.0])[:, None, None], rtol=1e-6)


def test_float64_is_exact_in_float64():
    Batch([random(9, 5, 4, 10), random(7, 5, 2, 11)], dtype=torch.float64).check(1e-13, 1e-13)


@pytest.mark.parametrize(("dtype", "step"), [(torch.float16, 2**-10), (torch.bfloat16, 2**-7)])
def test_half_floats_are_read_and_written_rounded(dtype, step):
    Batch([random(7, 6, 3, 12)], dtype=dtype).check(1e-6, step / 2 + 1e-5)


def test_targets_that_cross_warps_with_and_without_registers_to_spare():
    Batch([random(16, 20, 6, 13), random(12, 20, 3, 14)]).check()
    Batch([random(20, 4, 14, 15), random(6, 4, 2, 16)]).check()


def test_vocabulary_of_more_than_a_tile():
    from dstoolkit.ctc.cuda_gradient import TILE

    vocab = TILE + 3
    Batch([(random(2, vocab, 0, 17)[0], [TILE + 1, TILE - 1])]).check()


def test_posteriors_add_up_to_one_in_columns_of_tokens_or_positions():
    logits = random(7, 5, 0, 18)[0]
    by_token, by_position = Batch([(logits, [1, 2, 1, 3])]), Batch([(logits, [1, 2, 1])])
    by_token.run()
    by_position.run()
    assert by_token.occupancy.shape[2] == 5
    assert by_position.occupancy.shape[2] == 4
    np.testing.assert_allclose(by_token.occupancy.cpu().sum(dim=2), 1, rtol=1e-6)
    np.testing.assert_allclose(by_position.occupancy.cpu().sum(dim=2), 1, rtol=1e-6)
    _, gradient = ctc_loss_and_gradient(by_position.logits[0].numpy(), [1, 2, 1])
    posterior = np.exp(log_softmax(by_position.logits[0].double().numpy())) - gradient
    found = by_position.occupancy[0].cpu().numpy()
    np.testing.assert_allclose(found[:, 0], posterior[:, 0], atol=1e-6)
    np.testing.assert_allclose(found[:, 1] + found[:, 3], posterior[:, 1], atol=1e-6)


def test_losses_alone():
    batch = Batch([random(6, 5, 3, 19), random(4, 5, 1, 20)])
    alone, nothing, _ = cuda.forward(*batch.arguments(), 0.0, 0.0, False)
    assert nothing.shape == (2, 6, 0)
    assert torch.equal(alone.cpu(), batch.run()[0])


@pytest.mark.parametrize(("smoothing", "entropy"), [(0.1, 0.0), (0.0, 0.2), (0.3, 0.1), (1.0, 0.0)])
def test_regularisers(smoothing, entropy):
    batch = Batch([random(5, 4, 2, 21), random(3, 4, 1, 22)], dtype=torch.float64)
    losses, gradient = batch.run(smoothing=smoothing, entropy=entropy)
    logits = batch.logits.clone().requires_grad_()
    for b, (length, (_, target)) in enumerate(zip(batch.lengths, batch.utterances, strict=True)):
        log_probs = logits[b, :length].log_softmax(dim=1)
        divergence = -len(log_probs) * math.log(4) - log_probs.mean(dim=1).sum()
        ctc = torch.nn.functional.ctc_loss(
            log_probs, torch.tensor(target), length, torch.tensor(len(target)), reduction="sum"
        )
        total = (1 - smoothing) * ctc + smoothing * divergence + entropy * (log_probs.exp() * log_probs).sum()
        assert losses[b].item() == pytest.approx(total.item(), rel=1e-12)
        total.backward()
    np.testing.assert_allclose(gradient, logits.grad, atol=1e-12)


FAULTS = [
    ({"targets": (1, 0, 9)}, "utterance 1: label 9 is out of range; expected labels below 4, not the blank 0"),
    ({"targets": (1, 1, -1)}, "utterance 1: label -1 is out of range; expected labels below 4, not the blank 0"),
    ({"targets": (0, 1, 0)}, "utterance 0: label 0 is the blank; expected labels below 4, not the blank 0"),
    ({"lengths": (1, 6)}, "utterance 1: 6 frames; expected 0 to 5, the frames of the logits"),
    ({"target_lengths": (0, 3)}, "utterance 0: 3 labels; expected 0 to 2, the labels of the targets"),
    ({"target_lengths": (0, -1)}, "utterance 0: -1 labels; expected 0 to 2, the labels of the targets"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_faults_are_named_by_a_later_call(change, message):
    batch = Batch([(random(5, 4, 0, 23)[0], [1, 2]), (random(5, 4, 0, 24)[0], [3, 3])])
    [(name, (*place, value))] = change.items()
    getattr(batch, name)[tuple(place)] = value
    losses, occupancy, rows = cuda.forward(*batch.arguments(), 0.0, 0.0, True)
    gradient = cuda.backward(torch.ones_like(losses), *batch.arguments(), 0.0, 0.0, losses, occupancy, rows)
    faulty = int(message.split()[1][0])
    assert losses[faulty].isnan()
    assert losses[1 - faulty].isfinite()
    assert gradient[1 - faulty].isfinite().all()
    with pytest.raises(ValueError, match=message):
        cuda.raise_pending(wait=True)


def test_targets_longer_than_a_block():
    batch = Batch([random(5, 4, 2)], width=cuda.MOST_LABELS + 1)
    with pytest.raises(ValueError, match="targets of 1024 labels; expected at most 1023 on CUDA"):
        batch.run()


@pytest.mark.parametrize("blank", [0, 3])
def test_viterbi_is_the_references_ties_included(blank):
    rng = np.random.default_rng(25)
    logits = [rng.integers(-2, 3, size=(frames, 4)).astype(float) for frames in (12, 5, 7, 3, 0, 0, 6)]
    tokens = [token for token in range(4) if token != blank]
    targets = [rng.choice(tokens, size=labels).tolist() for labels in (5, 2, 0, 3, 0, 1, 3)]
    logits[6][2] = np.nan
    batch = Batch(list(zip(logits, targets, strict=True)), blank)
    states, scores = cuda.viterbi(*batch.arguments())
    for b, (own, target) in enumerate(batch.utterances):
        path, score = viterbi(own, target, blank)
        assert states[b].tolist() == path + [-1] * (12 - len(path))
        assert scores[b].item() == pytest.approx(score, nan_ok=True, rel=1e-14)


@on_gpu
@pytest.mark.parametrize(
    ("frames", "vocab", "labels", "scale"),
    [
        (800, 29, 200, 1),
        (3000, 29, 1000, 3),
        (300, 32000, 60, 1),
        (500, 5000, 383, 10),
        (900, 40, 384, 1),
        (64, 29, 31, 1),
    ],
)
def test_large_batches(frames, vocab, labels, scale):
    utterances = [random(frames, vocab, labels, 1, 0, scale), random(frames // 2, vocab, labels // 5, 2, 0, scale)]
    batch = Batch(utterances)
    losses, gradient = batch.run()
    logits = batch.logits.double().requires_grad_()
    expected = torch.nn.functional.ctc_loss(
        logits.log_softmax(dim=2).transpose(0, 1),
        batch.targets.clamp(min=1),
        batch.lengths,
        batch.target_lengths,
        reduction="none",
    )
    expected.sum().backward()
    np.testing.assert_allclose(losses, expected.detach(), rtol=1e-6)
    np.testing.assert_allclose(gradient, logits.grad, rtol=0, atol=1e-5)
    again = batch.run()
    assert torch.equal(losses, again[0])
    assert torch.equal(gradient, again[1])


@pytest.mark.parametrize("frames", [150, pytest.param(3000, marks=on_gpu)])
def test_equal_roundings_do_not_add_up(frames):
    """A long pause with a little doubt: plain float32 sums are off by 8e-6 in 150 frames, by 1.8e-4 in 3,000."""
    logits = np.zeros((frames, 3))
    logits[:, 0] = 13
    logits[10] = [0, 0.5, 0]
    Batch([(logits, [1])]).check()


@on_gpu
def test_nothing_waits_for_the_gpu():
    arguments = Batch([random(20, 6, 4, 26)]).arguments()
    cuda.forward(*arguments, 0.0, 0.0, True)
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses, occupancy, rows = cuda.forward(*arguments, 0.0, 0.0, True)
        cuda.backward(torch.ones_like(losses), *arguments, 0.0, 0.0, losses, occupancy, rows)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@on_gpu
def test_a_graph_captures_both_passes():
    batch, other = Batch([random(20, 6, 4, 27)]), Batch([random(20, 6, 4, 28)])
    arguments = batch.arguments()

    def step():
        losses, occupancy, rows = cuda.forward(*arguments, 0.0, 0.0, True)
        return losses, cuda.backward(torch.ones_like(losses), *arguments, 0.0, 0.0, losses, occupancy, rows)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        step()
    torch.cuda.current_stream().wait_stream(side)
    cuda.raise_pending(wait=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses, gradient = step()
    for held, new in zip(arguments[:4], other.arguments()[:4], strict=True):
        held.copy_(new)
    graph.replay()
    expected = other.run()
    assert torch.equal(losses.cpu(), expected[0])
    assert torch.equal(gradient.cpu(), expected[1])
