"""The loss against the float64 reference, and the reference against brute force over all paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.ctc.loss import CTCLoss, CTCLossConfig
from dstoolkit.ctc.reference import ctc_loss, ctc_loss_and_gradient, log_softmax


def brute_force(logits, target, blank=0):
    """-log of the sum over every path that collapses to the target."""
    log_probs = log_softmax(logits)
    total = -np.inf
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        collapsed = [token for token, _ in itertools.groupby(path) if token != blank]
        if collapsed == list(target):
            total = np.logaddexp(total, sum(log_probs[t, token] for t, token in enumerate(path)))
    return -total


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("target", [[], [1], [1, 1], [1, 3], [3, 1, 3], [1, 1, 1], [1, 3, 1, 3]])
def test_reference_equals_the_sum_over_all_paths(target, blank):
    logits = np.random.default_rng(len(target)).normal(size=(5, 4))
    assert ctc_loss(logits, target, blank) == pytest.approx(brute_force(logits, target, blank), abs=1e-9)


def test_reference_gradient_equals_finite_differences():
    logits = np.random.default_rng(0).normal(size=(6, 4))
    gradient = ctc_loss_and_gradient(logits, [1, 1, 3])[1]
    for t, v in itertools.product(range(6), range(4)):
        step = np.zeros_like(logits)
        step[t, v] = 1e-5
        slope = (ctc_loss(logits + step, [1, 1, 3]) - ctc_loss(logits - step, [1, 1, 3])) / 2e-5
        assert gradient[t, v] == pytest.approx(slope, abs=1e-6)


@st.composite
def batches(draw):
    vocab = draw(st.integers(2, 6))
    size = draw(st.integers(1, 4))
    lengths = [draw(st.integers(1, 12)) for _ in range(size)]
    targets = [draw(st.lists(st.integers(1, vocab - 1), max_size=6)) for _ in range(size)]
    return vocab, lengths, targets, draw(st.integers(0, 2**31))


@given(batches())
@settings(max_examples=60, deadline=None)
def test_loss_and_gradient_equal_the_reference_and_padding_gets_none(batch):
    vocab, lengths, targets, seed = batch
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(lengths), max(lengths) + 2, vocab, generator=generator, requires_grad=True)
    padded = torch.zeros(len(targets), max(1, *map(len, targets), 1), dtype=torch.long)
    for row, target in zip(padded, targets, strict=True):
        row[: len(target)] = torch.tensor(target)
    losses = CTCLoss(CTCLossConfig())(
        logits, torch.tensor(lengths), padded, torch.tensor([len(target) for target in targets])
    )
    losses[losses.isfinite()].sum().backward()
    for at, (length, target) in enumerate(zip(lengths, targets, strict=True)):
        loss, gradient = ctc_loss_and_gradient(logits[at, :length].detach().numpy(), target)
        assert losses[at].item() == pytest.approx(loss, rel=1e-4, abs=1e-4)
        np.testing.assert_allclose(logits.grad[at, :length].numpy(), gradient, atol=1e-4)
        assert (logits.grad[at, length:] == 0).all()
