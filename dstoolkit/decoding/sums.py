"""Sums of probabilities as logarithms: of two, and over all paths of a text."""

from __future__ import annotations

from typing import Any

import numpy as np

from dstoolkit.compiled import in_order, kernel
from dstoolkit.interfaces import BLANK


@kernel
def log_add(one: Any, other: Any) -> Any:
    """``log(exp(one) + exp(other))``."""
    most, least = max(one, other), min(one, other)
    if least < most - 40.0 or most == -np.inf:  # beyond the precision of float64
        return most
    return most + np.log1p(np.exp(least - most))


@in_order
def forward(log_probs: Any, tokens: Any) -> Any:
    """The log-probability of tokens, over all their paths (Graves et al. 2006, equations 6 and 7)."""
    states = 2 * len(tokens) + 1
    sums = np.full(states, -np.inf)
    sums[0] = 0.0
    for t in range(len(log_probs)):
        for s in range(states - 1, -1, -1):
            token = tokens[s // 2] if s % 2 else BLANK
            total = sums[s]
            if s > 0:
                total = log_add(total, sums[s - 1])
            if s % 2 and s > 1 and token != tokens[s // 2 - 1]:
                total = log_add(total, sums[s - 2])
            sums[s] = total + log_probs[t, token]
    return log_add(sums[states - 1], sums[states - 2]) if states > 1 else sums[0]
