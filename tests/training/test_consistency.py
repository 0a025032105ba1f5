"""Two views of an utterance: the same words at the same times, and a loss for hearing them otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dstoolkit.training import consistency
from dstoolkit.training.outlets import Losses
from tests.training.test_step import DIM, VOCAB, batch, make


def views(count: int = 4):
    """A batch with a second view of its frames."""
    one = batch(count)
    return replace(
        one, second=one.frames + 0.3 * torch.randn(one.frames.shape, generator=torch.Generator().manual_seed(3))
    )


def test_the_difference_is_torchs_divergence_of_either_from_the_other_over_real_frames():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 11, VOCAB, generator=generator).requires_grad_()
    lengths = torch.tensor([11, 4, 0] * 2)
    found = consistency.differences(logits, lengths)
    wanted = []
    for row, length in enumerate(lengths[:3]):
        one, other = (logits[at, :length].log_softmax(1) for at in (row, row + 3))
        there = torch.nn.functional.kl_div(one, other.detach(), reduction="sum", log_target=True)
        back = torch.nn.functional.kl_div(other, one.detach(), reduction="sum", log_target=True)
        wanted.append((there + back) / 2)
    torch.testing.assert_close(found, torch.stack(wanted))
    (ours,) = torch.autograd.grad(found.sum(), logits, retain_graph=True)
    (torchs,) = torch.autograd.grad(torch.stack(wanted).sum(), logits)
    torch.testing.assert_close(ours, torchs)
    assert ours[1, 4:].eq(0).all()
    assert ours[2].eq(0).all()


def test_equal_views_differ_by_nothing():
    logits = torch.randn(2, 5, VOCAB).repeat(2, 1, 1).requires_grad_()
    found = consistency.differences(logits, torch.tensor([5, 3] * 2))
    found.sum().backward()
    assert found.abs().max() < 1e-6
    assert logits.grad.abs().max() < 1e-6


def test_a_step_s_loss_is_the_mean_of_both_views_and_their_weighted_difference():
    both = views()
    first, second = replace(both, second=None), replace(both, frames=both.second, second=None)
    step = make(consistency=0.2)
    losses = step._losses(both).total.sum()
    alone = (step._losses(first).total.sum() + step._losses(second).total.sum()) / 2
    logits = torch.cat([step.model(each.frames, each.lengths)[0] for each in (first, second)])
    apart = consistency.differences(logits, both.lengths.repeat(2)).sum()
    assert apart > 0.01
    torch.testing.assert_close(losses, alone + 0.2 * apart)


def test_each_of_several_outputs_is_held_against_itself():
    generator = torch.Generator().manual_seed(1)
    logits = [torch.randn(4, frames, VOCAB, generator=generator) for frames in (9, 5)]
    lengths = [torch.tensor([9, 7] * 2), torch.tensor([5, 4] * 2)]
    found = consistency.joined(Losses([torch.arange(4.0), torch.ones(4)], (1.0, 0.5)), logits, lengths, 0.2)
    apart = [consistency.differences(each, length) for each, length in zip(logits, lengths, strict=True)]
    torch.testing.assert_close(found.own[0], torch.tensor([1.0, 2.0]) + 0.2 * apart[0])
    torch.testing.assert_close(found.own[1], 1 + 0.2 * apart[1])
    torch.testing.assert_close(found.total, found.own[0] + 0.5 * found.own[1])


def test_of_inner_layers_the_last_alone_is_held_against_itself():
    last, inner = torch.randn(4, 6, VOCAB), torch.randn(4, 6, VOCAB)
    lengths = torch.tensor([6, 3] * 2)
    found = consistency.joined(Losses([torch.zeros(4)]), [last, inner], lengths, 1.0)
    torch.testing.assert_close(found.total, consistency.differences(last, lengths))


def test_halves_of_two_views_give_the_gradient_of_the_whole():
    gradients = []
    for parts in ([views()], views().halves()):
        step = make(consistency=0.5)
        step.take(1, parts, int(views().target_lengths.sum()))
        gradients.append(torch.cat([each.grad.flatten() for each in step.model.parameters()]))
    torch.testing.assert_close(gradients[1], gradients[0])
    assert views().size == 2 * batch(4).size
    assert (
        views().halves()[0].second.shape
        == views().halves()[0].frames.shape
        == (2, views().halves()[0].padded // 2, DIM)
    )


def test_learning_to_agree_makes_the_views_agree():
    def apart(weight: float) -> float:
        step, both = make(consistency=weight), views()
        for number in range(1, 60):
            step.take(number, [both], int(both.target_lengths.sum()))
        logits = torch.cat([step.model(each, both.lengths)[0] for each in (both.frames, both.second)])
        return float(consistency.differences(logits.detach(), both.lengths.repeat(2)).sum())

    assert apart(2.0) < 0.7 * apart(0.0)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match=r"consistency is -0\.1; expected 0 or more"):
        make(consistency=-0.1)
