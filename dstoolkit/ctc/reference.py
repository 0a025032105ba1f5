"""The CTC loss, its gradient and the likeliest path in float64 NumPy, log domain, to be read: the oracle of the rest.

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
    # Both count their frame's own probability; where that is 0, so is the posterior.
    own = np.where(np.isneginf(log_probs), 0, log_probs)[:, states]
    log_posterior = alpha + beta - own - log_likelihood
    gradient = np.exp(log_probs)
    for state, label in enumerate(states):
        gradient[:, label] -= np.exp(log_posterior[:, state])
    return -log_likelihood, gradient


def viterbi(logits: Any, target: Sequence[int], blank: int = 0) -> tuple[list[int], float]:
    """The likeliest path that collapses to the target: its state of 0 to 2U in each frame, and its log-probability.

    Equations 5 to 8 with the largest term in place of the sum (Rabiner 1989, equations 32 to 35). Of equal terms the
    first counts: stay, then the state before, then the one before that; at the end the last blank, then the last label.
    Where no path exists there are no states and the log-probability is -inf; of logits with a NaN it is NaN.
    """
    logits = np.asarray(logits, dtype=np.float64)
    states = extended(list(target), blank)
    if not len(logits):
        return [], (-np.inf if len(target) else 0.0)
    log_probs = log_softmax(logits)
    if np.isnan(log_probs).any():
        return [], np.nan
    # Relative to each frame's likeliest token, so that equal paths stay equal: sums of rounded logs may not.
    relative = logits - logits.max(axis=1, keepdims=True)
    frames, count = len(logits), len(states)
    best = np.full((frames, count), -np.inf)
    steps = np.zeros((frames, count), dtype=int)  # how many states forward the best path came
    best[0, :2] = relative[0, states[:2]]
    for t in range(1, frames):
        for s in range(count):
            terms = [best[t - 1, s], *best[t - 1, max(0, s - 1) : s]]
            if s >= 2 and states[s] != blank and states[s] != states[s - 2]:
                terms.append(best[t - 1, s - 2])
            steps[t, s] = np.argmax(terms)
            best[t, s] = terms[steps[t, s]] + relative[t, states[s]]
    last = count - 1 - int(np.argmax(best[-1, -2:][::-1]))
    if best[-1, last] == -np.inf:
        return [], -np.inf
    path = [last]
    for t in range(frames - 1, 0, -1):
        path.append(path[-1] - int(steps[t, path[-1]]))
    return path[::-1], float(best[-1, last] + log_probs.max(axis=1).sum())
