"""Bootstrap intervals: against exact binomial quantiles, and against drawing the utterances one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from dstoolkit.scoring.statistics import bootstrap


def test_units_of_length_one_are_binomial() -> None:
    """With n one-word utterances of which k are wrong, a replica's errors are Binomial(n, k / n)."""
    n, k = 400, 80
    interval = bootstrap([1] * k + [0] * (n - k), [1] * n)
    low, high = binom.ppf([0.025, 0.975], n, k / n) / n
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1.01 / n)
    assert interval.units == n


def test_agrees_with_drawing_utterances_one_by_one() -> None:
    generator = np.random.default_rng(3)
    lengths = generator.integers(1, 20, 60)
    errors = generator.binomial(lengths, 0.3)
    drawn = generator.integers(60, size=(20_000, 60))
    rates = errors[drawn].sum(axis=1) / lengths[drawn].sum(axis=1)
    interval = bootstrap(errors.tolist(), lengths.tolist())
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(rates, [0.025, 0.975])), abs=0.004)


def test_seeded_and_indifferent_to_order() -> None:
    errors, lengths = [0, 3, 1, 2, 0, 5], [4, 5, 1, 9, 2, 5]
    first = bootstrap(errors, lengths, seed=1)
    assert bootstrap(errors, lengths, seed=1) == first
    assert bootstrap(errors[::-1], lengths[::-1], seed=1) == first
    assert bootstrap(errors, lengths, seed=2) != first


def test_level_and_extremes() -> None:
    errors, lengths = [0, 3, 1, 2, 0, 5] * 5, [4, 5, 1, 9, 2, 5] * 5
    narrow, wide = bootstrap(errors, lengths, level=0.5), bootstrap(errors, lengths, level=0.99)
    assert wide.low < narrow.low < sum(errors) / sum(lengths) < narrow.high < wide.high
    perfect = bootstrap([0] * 9, [3] * 9)
    assert (perfect.low, perfect.high) == (0.0, 0.0)


def test_replicas_of_empty_references_count_for_nothing() -> None:
    interval = bootstrap([1, 1], [0, 2])  # a quarter of the replicas hold no reference word at all
    assert (interval.low, interval.high) == (0.5, 1.0)


@pytest.mark.parametrize(("lengths", "level"), [([0, 0], 0.95), ([], 0.95), ([1, 1], 1.0), ([1, 1], 0.0)])
def test_what_has_no_interval(lengths: list[int], level: float) -> None:
    with pytest.raises(ValueError, match="a bootstrap takes"):
        bootstrap([1] * len(lengths), lengths, level=level)
