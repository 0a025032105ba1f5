"""``ctc_loss`` and the plugin: reductions, kinds of input, autograd, compilation, errors, regularisers, backends."""

from __future__ import annotations

import datetime
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from dstoolkit.ctc import backend, cuda
from dstoolkit.ctc.loss import CTCLoss, CTCLossConfig, ctc_loss
from dstoolkit.ctc.reference import ctc_loss_and_gradient
from dstoolkit.errors import ConfigError

LENGTHS, TARGETS = [12, 9, 12, 3], [[1, 2, 2], [4], [], [3, 3, 3]]  # the last has no path


def batch(vocab=6, dtype=torch.float32, seed=0, requires_grad=True):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, 12, vocab, generator=generator, dtype=torch.float64).to(dtype)
    padded = torch.zeros(4, 3, dtype=torch.long)
    for row, target in zip(padded, TARGETS, strict=True):
        row[: len(target)] = torch.tensor(target)
    lengths, counts = torch.tensor(LENGTHS), torch.tensor([len(target) for target in TARGETS])
    return logits.requires_grad_(requires_grad), lengths, padded, counts


def exact(logits):
    """The reference's losses and gradients."""
    pairs = [
        ctc_loss_and_gradient(row[:length].detach().double().numpy(), target)
        for row, length, target in zip(logits, LENGTHS, TARGETS, strict=True)
    ]
    gradient = np.zeros(logits.shape)
    for at, (_, each) in enumerate(pairs):
        gradient[at, : len(each)] = each
    return np.array([loss for loss, _ in pairs]), gradient


def gradient_of(losses, logits):
    return torch.autograd.grad(losses[losses.isfinite()].sum(), logits)[0]


def test_losses_and_gradient_equal_the_reference():
    logits, *rest = batch()
    losses = ctc_loss(logits, *rest, reduction="none")
    loss, gradient = exact(logits)
    np.testing.assert_allclose(losses.detach(), loss, rtol=1e-6)
    np.testing.assert_allclose(gradient_of(losses, logits), gradient, atol=1e-6)


def test_reductions_are_those_of_torch():
    logits, lengths, targets, counts = batch()
    log_probs = logits.log_softmax(2).transpose(0, 1)
    for reduction in ("mean", "sum", "none"):
        wanted = torch.nn.functional.ctc_loss(log_probs, targets, lengths, counts, 0, reduction, zero_infinity=True)
        found = ctc_loss(logits, lengths, targets, counts, reduction=reduction, zero_infinity=True)
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert ctc_loss(logits, lengths, targets, counts).item() == math.inf
    with pytest.raises(ValueError, match="reduction 'average'"):
        ctc_loss(logits, lengths, targets, counts, reduction="average")


def test_an_impossible_target_has_no_gradient_and_zero_infinity_makes_its_loss_zero():
    logits, *rest = batch()
    losses = ctc_loss(logits, *rest, reduction="none")
    assert losses[3].item() == math.inf
    assert (torch.autograd.grad(losses.sum(), logits)[0][3] == 0).all()
    zeroed = ctc_loss(logits, *rest, reduction="none", zero_infinity=True)
    assert zeroed[3].item() == 0
    gradient = torch.autograd.grad(zeroed.sum(), logits)[0]
    assert (gradient[3] == 0).all()
    assert gradient.isfinite().all()


def test_an_utterance_whose_loss_is_left_out_gets_no_gradient_though_it_be_nan():
    logits, *rest = batch()
    with torch.no_grad():
        logits[1, 2, 3] = math.nan
    losses = ctc_loss(logits, *rest, reduction="none")
    assert losses.isnan().tolist() == [False, True, False, False]
    gradient = gradient_of(losses, logits)
    assert (gradient[1] == 0).all()
    assert gradient.isfinite().all()


def test_concatenated_targets():
    logits, lengths, targets, counts = batch()
    flat = torch.tensor([label for target in TARGETS for label in target])
    expected = ctc_loss(logits, lengths, targets, counts, reduction="none")
    assert torch.equal(ctc_loss(logits, lengths, flat, counts, reduction="none"), expected)
    with pytest.raises(ValueError, match="targets have 6 labels; target_lengths add up to 7"):
        ctc_loss(logits, lengths, flat[:-1], counts)


def test_an_empty_batch_and_targets_without_a_column():
    empty = torch.zeros(0, dtype=torch.long)
    assert ctc_loss(
        torch.zeros(0, 5, 4), empty, torch.zeros(0, 0, dtype=torch.long), empty, reduction="none"
    ).shape == (0,)
    none = torch.zeros(2, 0, dtype=torch.long)
    blanks = ctc_loss(torch.zeros(2, 5, 4), torch.tensor([5, 3]), none, torch.tensor([0, 0]), reduction="none")
    np.testing.assert_allclose(blanks, [5 * math.log(4), 3 * math.log(4)], rtol=1e-6)


@pytest.mark.parametrize("blank", [1, 4, 5])
def test_any_blank(blank):
    """Swapping two tokens everywhere changes nothing."""
    logits, lengths, targets, counts = batch()
    order = torch.arange(6)
    order[[0, blank]] = order[[blank, 0]]
    swapped = ctc_loss(logits[:, :, order], lengths, order[targets], counts, blank=blank, reduction="none")
    torch.testing.assert_close(swapped, ctc_loss(logits, lengths, targets, counts, reduction="none"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    logits, *rest = batch(dtype=dtype)
    losses = ctc_loss(logits, *rest, reduction="none")
    assert losses.dtype == torch.float32
    np.testing.assert_allclose(losses.detach(), exact(logits)[0], rtol=1e-6)
    gradient = gradient_of(losses, logits)
    assert gradient.dtype == dtype
    wanted = torch.from_numpy(exact(logits)[1]).to(dtype)
    torch.testing.assert_close(gradient, wanted, atol=1e-3, rtol=1e-2)


def test_integers_of_any_width():
    logits, *rest = batch()
    narrow = [each.to(torch.int32) for each in rest]
    assert torch.equal(ctc_loss(logits, *narrow, reduction="none"), ctc_loss(logits, *rest, reduction="none"))


def test_logits_that_are_not_contiguous():
    logits, *rest = batch()
    transposed = logits.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    losses = ctc_loss(transposed, *rest, reduction="none")
    assert torch.equal(losses, ctc_loss(logits, *rest, reduction="none"))
    assert torch.equal(gradient_of(losses, transposed), gradient_of(ctc_loss(logits, *rest, reduction="none"), logits))


def test_without_gradients_nothing_is_kept_for_them():
    logits, *rest = batch()
    with torch.no_grad():
        losses = ctc_loss(logits, *rest, reduction="none")
    assert not losses.requires_grad
    assert torch.equal(losses, ctc_loss(logits, *rest, reduction="none"))


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1, "entropy_weight": 0.2}])
@pytest.mark.parametrize("vocab", [3, 6])
def test_gradcheck(vocab, options):
    logits, lengths, targets, counts = batch(vocab, torch.float64)
    targets = targets.clamp(max=vocab - 1)
    assert torch.autograd.gradcheck(
        lambda x: ctc_loss(x, lengths, targets, counts, reduction="none", **options)[:3], logits
    )


def test_the_gradient_of_a_weighted_sum():
    logits, *rest = batch()
    weights = torch.tensor([1.0, -2.0, 0.0, 3.0])
    gradient = torch.autograd.grad((ctc_loss(logits, *rest, reduction="none")[:3] * weights[:3]).sum(), logits)[0]
    np.testing.assert_allclose(gradient, exact(logits)[1] * weights[:, None, None].numpy(), atol=2e-6)


def test_autocast():
    logits, *rest = batch()
    layer = torch.nn.Linear(6, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = layer(logits)
        losses = ctc_loss(outputs, *rest, reduction="none")
    assert outputs.dtype == torch.bfloat16
    assert losses.dtype == torch.float32
    losses[:3].sum().backward()
    assert layer.weight.grad.isfinite().all()


def test_the_operator_keeps_torchs_rules_and_compiles_whole():
    logits, *rest = batch(dtype=torch.float64)
    torch.library.opcheck(torch.ops.dstoolkit.ctc_forward.default, (logits, *rest, 0, 0.1, 0.2, True))

    def loss(x):
        return ctc_loss(2 * x, *rest, reduction="none")[:3].sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(logits), loss(logits))
    assert torch.equal(torch.autograd.grad(compiled(logits), logits)[0], torch.autograd.grad(loss(logits), logits)[0])


def replica(rank, port_file, results):
    """One of two processes, each with half of a batch."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{port_file}", rank=rank, world_size=2, timeout=datetime.timedelta(seconds=60)
    )
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(6, 6))
    logits, *rest = (each[2 * rank : 2 * rank + 2] for each in batch(requires_grad=False))
    ctc_loss(model(logits), *rest, reduction="sum", zero_infinity=True).backward()
    if rank == 0:
        torch.save(model.module.weight.grad, results)
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_replicas_average_their_gradients(tmp_path):
    torch.multiprocessing.spawn(replica, (tmp_path / "port", tmp_path / "gradient.pt"), nprocs=2)
    torch.manual_seed(0)
    model = torch.nn.Linear(6, 6)
    logits, *rest = batch(requires_grad=False)
    ctc_loss(model(logits), *rest, reduction="sum", zero_infinity=True).backward()
    torch.testing.assert_close(torch.load(tmp_path / "gradient.pt"), model.weight.grad / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": (1, 0, 6)}, "utterance 1: label 6 is out of range; expected labels below 6"),
        ({"targets": (0, 1, -1)}, "utterance 0: label -1 is out of range"),
        ({"targets": (3, 2, 0)}, "utterance 3: label 0 is the blank"),
        ({"lengths": (2, 13)}, "utterance 2: length of 13 frames; expected 0 to 12"),
        ({"lengths": (1, -1)}, "utterance 1: length of -1 frames"),
        ({"counts": (1, 4)}, "utterance 1: length of 4 labels; expected 0 to 3"),
    ],
)
def test_values_that_do_not_fit_name_their_utterance(change, message):
    logits, lengths, targets, counts = batch()
    for name, (*at, value) in change.items():
        {"lengths": lengths, "targets": targets, "counts": counts}[name][tuple(at)] = value
    with pytest.raises(ValueError, match=message):
        ctc_loss(logits, lengths, targets, counts)


def test_padding_of_the_targets_may_hold_anything():
    logits, lengths, targets, counts = batch()
    expected = ctc_loss(logits, lengths, targets, counts, reduction="none")
    for row, count in zip(targets, counts, strict=True):
        row[count:] = -100
    assert torch.equal(ctc_loss(logits, lengths, targets, counts, reduction="none"), expected)


def test_shapes_and_types_that_do_not_fit():
    logits, lengths, targets, counts = batch()
    with pytest.raises(ValueError, match=r"logits have the shape \(12, 6\)"):
        ctc_loss(logits[0], lengths, targets, counts)
    with pytest.raises(TypeError, match=r"logits are torch\.int64"):
        ctc_loss(logits.long(), lengths, targets, counts)
    with pytest.raises(ValueError, match=r"logit_lengths have the shape \(3,\); expected \(4,\)"):
        ctc_loss(logits, lengths[:3], targets, counts)
    with pytest.raises(ValueError, match=r"targets have the shape \(3, 3\)"):
        ctc_loss(logits, lengths, targets[:3], counts)
    with pytest.raises(TypeError, match=r"target_lengths are torch\.float32"):
        ctc_loss(logits, lengths, targets, counts.float())
    with pytest.raises(ValueError, match="blank 6 is out of range; expected 0 to 5"):
        ctc_loss(logits, lengths, targets, counts, blank=6)


@pytest.mark.parametrize("vocab", [3, 20])
@pytest.mark.parametrize("options", [{"label_smoothing": 0.1}, {"entropy_weight": 0.3}, {}])
def test_our_backend_equals_torchs_regularisers_too(vocab, options):
    """The regularisers are written twice: fused into the kernels, and with torch's functions."""
    logits, lengths, targets, counts = batch(vocab, torch.float64)
    targets = targets.clamp(max=vocab - 1)
    losses = {
        name: ctc_loss(logits, lengths, targets, counts, reduction="none", backend=name, **options)
        for name in ("numba", "torch")
    }
    torch.testing.assert_close(losses["numba"], losses["torch"])
    torch.testing.assert_close(gradient_of(losses["numba"], logits), gradient_of(losses["torch"], logits))


def test_the_regularisers_are_what_they_say():
    """By their definitions, on one frame and an empty target, where CTC is the blank's cross entropy."""
    p = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64)
    batch_of_one = torch.tensor([1]), torch.zeros(1, 0, dtype=torch.long), torch.tensor([0])
    plain = -math.log(0.5)
    divergence = sum(0.25 * math.log(0.25 / each) for each in p.tolist())
    entropy = -sum(each * math.log(each) for each in p.tolist())
    logits = p.log()[None, None]
    smoothed = ctc_loss(logits, *batch_of_one, reduction="none", label_smoothing=0.2)
    assert smoothed.item() == pytest.approx(0.8 * plain + 0.2 * divergence)
    penalised = ctc_loss(logits, *batch_of_one, reduction="none", entropy_weight=0.5)
    assert penalised.item() == pytest.approx(plain - 0.5 * entropy)


def test_entropy_of_impossible_tokens():
    logits, *rest = batch(20)
    with torch.no_grad():
        logits[:, :, 15] = -math.inf
    losses = ctc_loss(logits, *rest, reduction="none", entropy_weight=0.3)
    assert losses[:3].isfinite().all()
    assert gradient_of(losses, logits).isfinite().all()


def test_intermediate_layers_are_weighted():
    last, *rest = batch(seed=0)
    inner, others = batch(seed=1)[0], batch(seed=2)[0]
    plain = [CTCLoss(CTCLossConfig())(each, *rest)[:3] for each in (last, inner, others)]
    found = CTCLoss(CTCLossConfig(intermediate_weight=0.25))([last, inner, others], *rest)[:3]
    torch.testing.assert_close(found, 0.75 * plain[0] + 0.25 * (plain[1] + plain[2]) / 2)
    assert torch.equal(CTCLoss(CTCLossConfig())([last], *rest), CTCLoss(CTCLossConfig())(last, *rest))


@pytest.mark.parametrize(
    "options", [{"label_smoothing": 1.0}, {"label_smoothing": -0.1}, {"entropy_weight": -1}, {"intermediate_weight": 2}]
)
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        CTCLossConfig(**options)


def test_a_backend_that_is_named_and_cannot_run_is_an_error_and_auto_falls_back_and_says_so_once(monkeypatch):
    monkeypatch.setattr(backend, "missing_on_gpus", lambda: "there is no such thing")
    backend.say_once.cache_clear()
    gpu = torch.device("cuda")
    with pytest.raises(ConfigError, match="backend: numba: there is no such thing"):
        backend.chosen("numba", gpu)
    with pytest.warns(RuntimeWarning, match="there is no such thing; using torch's"):
        assert backend.chosen("auto", gpu) == "torch"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert backend.chosen("auto", gpu) == "torch"
        assert backend.chosen("auto", torch.device("cpu")) == "numba"
        assert backend.chosen("torch", gpu) == "torch"
        assert backend.chosen("auto", torch.device("cpu"), cuda.MOST_LABELS + 1) == "numba"
    monkeypatch.setattr(backend, "missing_on_gpus", lambda: None)
    assert backend.chosen("auto", gpu, cuda.MOST_LABELS) == "numba"
    with pytest.warns(RuntimeWarning, match="targets of 1024 labels are longer than 1023"):
        assert backend.chosen("auto", gpu, cuda.MOST_LABELS + 1) == "torch"
    with pytest.raises(ConfigError, match="expected auto, numba or torch"):
        backend.chosen("cudnn", gpu)
    with pytest.raises(ConfigError, match="device 'mps'"):
        backend.chosen("numba", torch.device("mps"))


COUNTING = """
import torch
from dstoolkit.ctc.loss import ctc_loss
torch.set_num_threads(1)
one = torch.tensor([1])
ctc_loss(torch.zeros(1, 1, 2), one, torch.ones(1, 1, dtype=torch.long), one)
print(torch.get_num_threads())
"""


def test_torch_keeps_its_number_of_threads():
    """Numba's OpenMP threads are torch's too: starting them must not change how torch sums from then on."""
    run = subprocess.run([sys.executable, "-c", COUNTING], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "1"
