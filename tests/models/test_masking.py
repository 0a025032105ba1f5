"""Batch norm over padded batches: against torch's own on the frames alone, and over processes against one process."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.distributed as dist
from torch import nn

from dstoolkit.models import masking
from dstoolkit.models.masking import MaskedBatchNorm, frame_mask, reversal, take_frames

DIM = 5


def problem(dtype=torch.float64, lengths=(9, 0, 4, 6, 1, 7)):
    """A batch whose padding is noise, and weights of its own frames that serve as a loss's gradient."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor(lengths)
    batch = torch.randn(len(lengths), 9, DIM, generator=generator, dtype=dtype) * 3 + 7
    weights = torch.randn(batch.shape, generator=generator, dtype=dtype)
    return batch, lengths, weights * frame_mask(lengths, 9)[:, :, None]


def norm(dtype=torch.float64):
    made = MaskedBatchNorm(DIM).to(dtype)
    with torch.no_grad():
        made.norm.weight.copy_(torch.linspace(0.5, 2, DIM))
        made.norm.bias.copy_(torch.linspace(-1, 1, DIM))
    return made


def outcome(module, batch, lengths, weights, dtype=torch.float64):
    """Output, gradients of input, weight and bias, and running statistics after a step."""
    batch = batch.clone().requires_grad_()
    output = module(batch, lengths)
    output.backward(weights.to(output.dtype))
    own = module.norm
    return [output.detach(), batch.grad, own.weight.grad, own.bias.grad, own.running_mean, own.running_var]


def test_it_is_torchs_on_the_frames_alone():
    batch, lengths, weights = problem()
    mask = frame_mask(lengths, 9)
    ours, oracle = norm(), norm().norm
    for _ in range(2):
        found = outcome(ours, batch, lengths, weights)
        frames = batch[mask].requires_grad_()
        expected = oracle(frames)
        expected.backward(weights[mask])
    torch.testing.assert_close(found[0][mask], expected)
    torch.testing.assert_close(found[1][mask], frames.grad)
    assert not found[0][~mask].any()
    assert not found[1][~mask].any()
    for mine, theirs in zip(found[2:], (oracle.weight.grad, oracle.bias.grad), strict=False):
        torch.testing.assert_close(mine, theirs)
    for name, buffer in oracle.named_buffers():
        torch.testing.assert_close(ours.norm.get_buffer(name), buffer)
    torch.testing.assert_close(ours.eval()(batch, lengths)[mask], oracle.eval()(batch[mask]))


def settled(mean: float, variance: float) -> MaskedBatchNorm:
    """One that has seen many batches, with these running statistics."""
    made = norm()
    with torch.no_grad():
        made.norm.running_mean.fill_(mean)
        made.norm.running_var.fill_(variance)
        made.norm.num_batches_tracked.fill_(masking.RAMP[1])
    return made


def test_after_many_batches_training_hears_as_recognition_does():
    batch, lengths, _ = problem()
    module = settled(7.0, 9.0)
    expected = copy.deepcopy(module).eval()(batch, lengths)
    torch.testing.assert_close(module(batch, lengths), expected)


@pytest.mark.parametrize(("mean", "variance"), [(0.5, 2.0), (7.0, 9.0), (0.0, 1e-3), (0.0, 1e3)])
@pytest.mark.parametrize("seen", [0, 0.5, 1])
def test_batch_renormalisation_follows_its_formula(mean, variance, seen):
    """Ioffe 2017, algorithm 1, by autograd; the limits grow with ``seen``, the share of the ramp."""
    batch, lengths, weights = problem()
    mask = frame_mask(lengths, 9)
    module = settled(mean, variance)
    start, end = masking.RAMP
    module.norm.num_batches_tracked.fill_(round(start + seen * (end - start)))
    frames = batch[mask].requires_grad_()
    own = copy.deepcopy(module.norm)
    spread = (frames.var(0, unbiased=False) + own.eps).sqrt()
    usual = (own.running_var + own.eps).sqrt()
    largest, farthest = 1 + seen * (masking.LIMITS[0] - 1), seen * masking.LIMITS[1]
    r = (spread / usual).detach().clamp(1 / largest, largest)
    d = ((frames.mean(0) - own.running_mean) / usual).detach().clamp(-farthest, farthest)
    expected = ((frames - frames.mean(0)) / spread * r + d) * own.weight + own.bias
    expected.backward(weights[mask])
    found = outcome(module, batch, lengths, weights)
    torch.testing.assert_close(found[0][mask], expected)
    torch.testing.assert_close(found[1][mask], frames.grad)
    for mine, theirs in zip(found[2:], (own.weight.grad, own.bias.grad), strict=False):
        torch.testing.assert_close(mine, theirs)


def test_names_in_a_checkpoint_are_those_of_torch_below_norm():
    assert list(MaskedBatchNorm(3).state_dict()) == [f"norm.{name}" for name in nn.BatchNorm1d(3).state_dict()]


def test_gradients_are_those_of_finite_differences():
    batch, lengths, _ = problem(lengths=(3, 0, 2, 1, 0, 2))
    module = norm()
    assert torch.autograd.gradcheck(lambda given: module(given, lengths), batch[:, :3].clone().requires_grad_())


@pytest.mark.parametrize("lengths", [(0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 0)])
def test_too_few_frames_for_a_variance_leave_the_statistics_alone(lengths):
    batch, lengths, weights = problem(lengths=lengths)
    module = norm()
    found = outcome(module, batch, lengths, weights)
    assert all(each.isfinite().all() for each in found)
    assert not found[1].any()
    assert module.norm.running_mean.eq(0).all()
    assert module.norm.running_var.eq(1).all()


def test_under_autocast_statistics_are_float32():
    batch, lengths, weights = problem(torch.bfloat16)
    expected = outcome(norm(torch.float32), batch.float(), lengths, weights.float())
    module = norm(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = outcome(module, batch, lengths, weights)
    assert [each.dtype for each in found] == [torch.bfloat16] * 2 + [torch.float32] * 4
    for mine, exact in zip(found[2:], expected[2:], strict=True):
        torch.testing.assert_close(mine, exact)
    torch.testing.assert_close(found[0].float(), expected[0], rtol=1e-2, atol=1e-2)


def test_it_is_traced_without_a_break():
    batch, lengths, weights = problem()
    expected = outcome(norm(), batch, lengths, weights)
    module = norm()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    batch = batch.requires_grad_()
    output = compiled(batch, lengths)
    output.backward(weights)
    found = [output, batch.grad, module.norm.weight.grad, module.norm.bias.grad, *list(module.norm.buffers())[:2]]
    for mine, eager in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, eager)


def test_reversal_undoes_itself_and_so_does_its_gradient():
    batch, lengths, weights = problem()
    index = reversal(lengths, 9)
    torch.testing.assert_close(take_frames(take_frames(batch, index), index), batch)
    assert torch.equal(take_frames(batch, index), batch.gather(1, index[:, :, None].expand(-1, -1, DIM)))
    batch.requires_grad_()
    take_frames(batch, index).backward(weights)
    assert torch.equal(batch.grad, take_frames(weights, index))


def test_groups_stay_out_of_copies():
    module = norm()
    masking.synchronise(module, object())
    masking.idle(module, True)
    assert module.group is not None
    assert module.idle
    assert pickle.loads(pickle.dumps(module)).group is None
    assert copy.deepcopy(module).group is None


def one_of_two(rank, path):
    """A process's half of the batch, then the first half beside an idle process; what it finds goes to a file."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{path}/rendezvous", rank=rank, world_size=2)
    batch, lengths, weights = problem()
    found = []
    for parts, idle in (((slice(0, 2), slice(2, 6)), False), ((slice(0, 3), slice(3, 6)), rank == 1)):
        module = norm()
        masking.synchronise(module, dist.group.WORLD)
        masking.idle(module, idle)
        part = parts[rank]
        found.append(outcome(module, batch[part], lengths[part], weights[part]))
    torch.save(found, f"{path}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_are_one_of_the_joined_batch(tmp_path):
    torch.multiprocessing.spawn(one_of_two, (tmp_path,), nprocs=2)
    (first, first_alone), (second, second_idle) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    batch, lengths, weights = problem()
    joined = [torch.cat(pair) for pair in zip(first[:2], second[:2], strict=True)]
    summed = [one + other for one, other in zip(first[2:4], second[2:4], strict=True)]
    for found, expected in zip([*joined, *summed, *first[4:]], outcome(norm(), batch, lengths, weights), strict=True):
        torch.testing.assert_close(found, expected)
    assert all(torch.equal(one, other) for one, other in zip(first[4:], second[4:], strict=True))
    for found, expected in zip(first_alone, outcome(norm(), batch[:3], lengths[:3], weights[:3]), strict=True):
        torch.testing.assert_close(found, expected)
    assert not any(each.any() for each in second_idle[:4])
    assert all(torch.equal(one, other) for one, other in zip(first_alone[4:], second_idle[4:], strict=True))
