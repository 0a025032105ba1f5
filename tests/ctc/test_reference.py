"""The float64 reference against brute force over all paths and finite differences: the oracle's own oracle."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

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
