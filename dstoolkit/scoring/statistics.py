"""How sure a WER is: bootstrap confidence intervals.

Source: Bisani & Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation" (ICASSP 2004). The
units (utterances, which are taken to be independent, or speakers, whose utterances are not) are drawn with replacement
as many times as there are; a replica's WER is its errors over its reference words; the interval lies between the
percentiles of the replicas. With few units (a handful of speakers) it is too narrow: it is an estimate, not a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

REPLICAS = 10_000  # the interval's ends are then stable to about 1 % of its width
DRAWS = 1 << 22  # at once: bounds the memory


@dataclass(frozen=True)
class Interval:
    """``low`` and ``high`` are rates (fractions) at the confidence ``level``; ``units`` is how many were drawn from."""

    low: float
    high: float
    level: float
    units: int


def bootstrap(
    errors: Sequence[int], lengths: Sequence[int], *, level: float = 0.95, replicas: int = REPLICAS, seed: int = 0
) -> Interval:
    """The percentile interval of ``sum(errors) / sum(lengths)``, both per unit. The same seed gives the same interval.

    Raises ValueError where no unit has any length or ``level`` is not between 0 and 1.
    """
    if not sum(lengths) or not 0 < level < 1:
        raise ValueError("a bootstrap takes units with some reference length and a level between 0 and 1")
    # Units with the same errors and length are alike: how often each kind is drawn is multinomial
    kinds, counts = np.unique(np.array([errors, lengths]), axis=1, return_counts=True)
    generator = np.random.default_rng(seed)
    block = max(1, DRAWS // len(counts))
    sums = [
        generator.multinomial(len(errors), counts / len(errors), size=min(block, replicas - start)) @ kinds.T
        for start in range(0, replicas, block)
    ]
    wrong, total = np.concatenate(sums).T
    rates = wrong[total > 0] / total[total > 0]  # a replica of nothing but empty references has no rate
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, len(errors))
