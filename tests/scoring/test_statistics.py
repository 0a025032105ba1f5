"""Bootstrap intervals: against exact binomial quantiles, and against drawing the utterances one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, multinomial

from dstoolkit.scoring.statistics import bootstrap, bootstrap_difference


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


def test_differences_of_one_word_units_are_trinomial() -> None:
    """Of n one-word utterances the first system alone gets ``a`` wrong, the second alone ``b``: a replica's gain is
    the difference of two trinomial counts, whose distribution is summed here exactly."""
    n, a, b = 60, 12, 7
    found = bootstrap_difference([1] * a + [0] * (n - a), [0] * (n - b) + [1] * b, [1] * n, replicas=100_000)
    x, y = np.mgrid[0 : n + 1, 0 : n + 1]
    z = np.maximum(n - x - y, 0)
    exact = np.where(x + y <= n, multinomial.pmf(np.stack([x, y, z], -1), n, [a / n, b / n, 1 - (a + b) / n]), 0.0)
    assert exact.sum() == pytest.approx(1.0)
    assert found.improvement == pytest.approx(exact[x > y].sum() + exact[x == y].sum() / 2, abs=0.005)
    gains = np.array([exact[x - y == gain].sum() for gain in range(-n, n + 1)])
    low, high = (np.searchsorted(np.cumsum(gains), quantile) - n for quantile in (0.025, 0.975))
    assert (found.low * n, found.high * n) == pytest.approx((low, high), abs=1.01)
    assert (found.level, found.units) == (0.95, n)


def test_differences_agree_with_drawing_both_systems_together() -> None:
    generator = np.random.default_rng(5)
    lengths = generator.integers(1, 20, 50)
    hard = generator.beta(2, 6, 50)  # an utterance that is hard for one is hard for the other
    first, second = generator.binomial(lengths, hard), generator.binomial(lengths, hard * 0.9)
    drawn = generator.integers(50, size=(20_000, 50))
    gains = (first - second)[drawn].sum(axis=1) / lengths[drawn].sum(axis=1)
    found = bootstrap_difference(first.tolist(), second.tolist(), lengths.tolist(), level=0.9)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(gains, [0.05, 0.95])), abs=0.004)
    assert found.improvement == pytest.approx(np.mean(gains > 0) + np.mean(gains == 0) / 2, abs=0.01)


def test_differences_of_a_system_with_itself_and_the_other_way_round() -> None:
    first, second, lengths = [0, 3, 1, 2, 0, 5], [1, 2, 1, 1, 0, 4], [4, 5, 1, 9, 2, 5]
    same = bootstrap_difference(first, first, lengths)
    assert (same.low, same.high, same.improvement) == (0.0, 0.0, 0.5)
    there, back = bootstrap_difference(first, second, lengths), bootstrap_difference(second, first, lengths)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=0.02)
    assert back.improvement == pytest.approx(1 - there.improvement, abs=0.02)
    assert bootstrap_difference(first, second, lengths, seed=1) != there
    with pytest.raises(ValueError, match="a bootstrap takes"):
        bootstrap_difference([1], [0], [0])
