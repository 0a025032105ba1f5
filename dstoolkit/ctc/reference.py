"""The CTC loss and its gradient in float64 NumPy, log domain, to be read: the oracle of everything faster.

Graves, Fernandez, Gomez & Schmidhuber 2006, "Connectionist temporal classification"; equation numbers are theirs. The
target with blanks between and around its labels has ``2U + 1`` states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def extended(target: Sequence[int], blank: int) -> list[int]:
    """``a b`` -> ``- a - b -``."""
    states = [blank]
    for label in target:
        states += [label, blank]
    return states


def forward_variables(log_probs: Array, states: Sequence[int], blank: int) -> Array:
    """log alpha, ``(frames, 2U + 1)``, equations 5 to 8; frame t's own probability is included."""
    frames, count = len(log_probs), len(states)
    alpha = np.full((frames, count), -np.inf)
    alpha[0, :2] = log_probs[0, states[:2]]
    for t in range(1, frames):
        for s in range(count):
            before = alpha[t - 1, max(0, s - 1) : s + 1]
            total = np.logaddexp.reduce(before)
            if s >= 2 and states[s] != blank and states[s] != states[s - 2]:
                total = np.logaddexp(total, alpha[t - 1, s - 2])
            alpha[t, s] = total + log_probs[t, states[s]]
    return alpha


def ctc_loss(logits: Any, target: Sequence[int], blank: int = 0) -> float:
    """``(frames, vocab)`` logits and one utterance's labels -> the loss in nats; inf where no path exists."""
    return ctc_loss_and_gradient(logits, target, blank)[0]


def ctc_loss_and_gradient(logits: Any, target: Sequence[int], blank: int = 0) -> tuple[float, Array]:
    """The loss and its gradient with respect to the logits, ``(frames, vocab)`` (equation 16).

    The gradient is softmax minus the posterior of each label at each frame; where no path exists it is 0.
    """
    log_probs = log_softmax(np.asarray(logits, dtype=np.float64))
    states = extended(list(target), blank)
    if not len(log_probs):
        return (0.0 if not len(target) else np.inf), np.zeros_like(log_probs)
    alpha = forward_variables(log_probs, states, blank)
    # The backward variables are the forward ones of the reversed problem (equations 9 to 11).
    beta = forward_variables(log_probs[::-1], states[::-1], blank)[::-1, ::-1]
    log_likelihood = float(np.logaddexp.reduce(alpha[-1, -2:]))
    if log_likelihood == -np.inf:
        return np.inf, np.zeros_like(log_probs)
    log_posterior = alpha + beta - log_probs[:, states] - log_likelihood
    gradient = np.exp(log_probs)
    for state, label in enumerate(states):
        gradient[:, label] -= np.exp(log_posterior[:, state])
    return -log_likelihood, gradient
