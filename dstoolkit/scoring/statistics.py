"""How sure a WER is, and the difference of two: bootstrap confidence intervals.

Source: Bisani & Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation" (ICASSP 2004). The
units (utterances, which are taken to be independent, or speakers, whose utterances are not) are drawn with replacement
as many times as there are; a replica's WER is its errors over its reference words; the interval lies between the
percentiles of the replicas. Two systems are compared on the same replicas: the interval is that of the difference of
their WERs, and the probability of improvement is the share of replicas on which the second is better. With few units
(a handful of speakers) intervals are too narrow: they are estimates, not bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.int64]]

REPLICAS = 10_000  # the interval's ends are then stable to about 1 % of its width
DRAWS = 1 << 22  # at once: bounds the memory


@dataclass(frozen=True)
class Interval:
    """``low`` and ``high`` are rates (fractions) at the confidence ``level``; ``units`` is how many were drawn from."""

    low: float
    high: float
    level: float
    units: int


@dataclass(frozen=True)
class Difference(Interval):
    """The interval of the first system's rate less the second's; ``improvement`` is the share of replicas on which the
    second has the lower rate, those on which both have the same counting half."""

    improvement: float


def bootstrap(
    errors: Sequence[int], lengths: Sequence[int], *, level: float = 0.95, replicas: int = REPLICAS, seed: int = 0
) -> Interval:
    """The percentile interval of ``sum(errors) / sum(lengths)``, both per unit. The same seed gives the same interval.

    Raises ValueError where no unit has any length or ``level`` is not between 0 and 1.
    """
    wrong, total = _replicas([errors, lengths], level, replicas, seed)
    low, high = _quantiles(wrong / total, level)
    return Interval(low, high, level, len(errors))


def bootstrap_difference(
    first: Sequence[int],
    second: Sequence[int],
    lengths: Sequence[int],
    *,
    level: float = 0.95,
    replicas: int = REPLICAS,
    seed: int = 0,
) -> Difference:
    """As ``bootstrap``, for the difference of two systems with ``first`` and ``second`` errors in the same units."""
    first_wrong, second_wrong, total = _replicas([first, second, lengths], level, replicas, seed)
    gain = first_wrong - second_wrong
    low, high = _quantiles(gain / total, level)
    improvement = float(np.mean(gain > 0) + np.mean(gain == 0) / 2)
    return Difference(low, high, level, len(lengths), improvement)


def _replicas(columns: Sequence[Sequence[int]], level: float, replicas: int, seed: int) -> IntArray:
    """The sums over each replica's units, ``(columns, replicas)``; the last column are lengths.

    A replica of nothing but empty references has no rate and is left out.
    """
    if not sum(columns[-1]) or not 0 < level < 1:
        raise ValueError("a bootstrap takes units with some reference length and a level between 0 and 1")
    # Units with the same figures are alike: how often each kind is drawn is multinomial
    kinds, counts = np.unique(np.array(columns), axis=1, return_counts=True)
    generator = np.random.default_rng(seed)
    units, block = len(columns[-1]), max(1, DRAWS // len(counts))
    sums = [
        generator.multinomial(units, counts / units, size=min(block, replicas - start)) @ kinds.T
        for start in range(0, replicas, block)
    ]
    drawn = np.concatenate(sums).T
    return drawn[:, drawn[-1] > 0]


def _quantiles(rates: np.ndarray[Any, np.dtype[np.float64]], level: float) -> tuple[float, float]:
    """The ends of the middle ``level`` of the rates."""
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
