"""Batches cover every utterance once, within the budget or by count, in their order; padding keeps what it pads."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit import config
from dstoolkit.data.batches import Batches, pad, plan
from dstoolkit.errors import ConfigError

LENGTHS = np.random.default_rng(1).permutation(np.arange(30, 230, 2))  # 100 of them, no two alike


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=60), st.integers(1, 400), st.one_of(st.none(), st.integers(0))
)
def test_each_utterance_once_within_the_budget(lengths, budget, seed):
    array = np.asarray(lengths)
    batches = plan(array, budget, None if seed is None else np.random.default_rng(seed))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * array[batch].max() <= budget
    if seed is None:
        order = array[np.concatenate(batches)]
        assert (np.diff(order) >= 0).all()


def test_the_same_seed_gives_the_same_batches_and_another_others():
    lengths = np.arange(1, 200)
    first, again, other = (plan(lengths, 500, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]
    assert [batch.tolist() for batch in first] != [batch.tolist() for batch in other]


def test_utterances_of_like_length_share_a_batch():
    lengths = np.tile(np.arange(100, 1100, 10), 5)
    batches = plan(lengths, 5000, np.random.default_rng(0))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert lengths.sum() / padded > 0.75


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5))
def test_pad(lengths):
    rows = [np.full((length, 2), at + 1, dtype=np.float32) for at, length in enumerate(lengths)]
    padded, found = pad(rows)
    assert found.tolist() == lengths
    assert padded.shape == (len(rows), max(1, *lengths), 2)
    for row, original, length in zip(padded, rows, lengths, strict=True):
        assert (row[:length] == original).all()
        assert (row[length:] == 0).all()


@pytest.mark.parametrize("multiple", [1, 4, 5])
def test_pad_to_a_multiple(multiple):
    padded, lengths = pad([np.ones((5, 2)), np.ones((3, 2))], multiple)
    assert padded.shape == (2, {1: 5, 4: 8, 5: 5}[multiple], 2)
    assert lengths.tolist() == [5, 3]
    assert padded.sum() == 16
    assert pad([np.ones((0, 2))], multiple)[0].shape == (1, multiple, 2)


@pytest.mark.parametrize(
    ("seed", "jitter", "digest"),
    [
        (None, 1.12, "7e25123fbb2220b4"),
        ((5, 2), 1.12, "bef0a286c6bce40c"),
        ((5, 2), 1.0, "e51add9ef501d40c"),
    ],
)
def test_the_default_batches_of_a_seed_stay_what_they_always_were(seed, jitter, digest):
    """Digests of the plans before there were options: what was trained then can be repeated."""
    lengths = np.random.default_rng(0).integers(20, 1700, 500)
    batches = plan(lengths, 3200, None if seed is None else np.random.default_rng(seed), jitter)
    text = json.dumps([batch.tolist() for batch in batches])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


def planned(seed: int = 0, rng: bool = True, budget: int = 1000, multiple: int = 1, **options) -> list[list[int]]:
    source = np.random.default_rng(seed) if rng else None
    batches = plan(LENGTHS, budget, source, options=Batches(**options), multiple=multiple)
    return [each.tolist() for each in batches]


ORDERS = ("like", "shuffled", "sorted", "given")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("full", [False, True])
def test_batches_by_count(order, full):
    batches = planned(size=32, order=order, full=full)
    sizes = [len(batch) for batch in batches]
    assert sorted(sizes) == ([32, 32, 32] if full else [4, 32, 32, 32])
    every = [at for batch in batches for at in batch]
    assert len(set(every)) == len(every) == sum(sizes)
    if order != "like" and not full:
        assert sizes[-1] == 4
    assert all(len(batch) == 25 for batch in planned(size=25, order=order, full=full))


def test_of_like_lengths_it_is_not_always_the_longest_that_make_the_small_batch():
    means = [LENGTHS[min(planned(seed, size=32), key=len)].mean() for seed in range(30)]
    assert min(means) < 60
    assert max(means) > 200
    missing = [set(range(100)) - {at for batch in planned(seed, size=32, full=True) for at in batch} for seed in (0, 1)]
    assert missing[0] != missing[1]


def test_like_lengths_share_a_batch_by_count_too_and_shuffled_ones_do_not():
    spread = {
        order: np.mean([np.ptp(LENGTHS[batch]) for batch in planned(size=10, order=order)]) for order in ORDERS[:2]
    }
    assert spread["like"] < 60
    assert spread["shuffled"] > 120
    first = [LENGTHS[batch].mean() for batch in planned(size=10)]
    assert first != sorted(first)


@pytest.mark.parametrize("options", [{"size": 7}, {}])
def test_sorted_given_and_backwards(options):
    def flat(**more):
        return [at for batch in planned(**options, **more) for at in batch]

    assert LENGTHS[flat(order="sorted")].tolist() == sorted(LENGTHS.tolist())
    assert LENGTHS[flat(order="sorted", reverse=True)].tolist() == sorted(LENGTHS.tolist(), reverse=True)
    assert flat(order="given") == list(range(100))
    assert flat(order="given", reverse=True) == list(range(99, -1, -1))
    assert LENGTHS[flat(order="given", rng=False)].tolist() == sorted(LENGTHS.tolist())
    for order in ORDERS[2:]:
        assert planned(0, **options, order=order) == planned(1, **options, order=order)
    for order in ORDERS[:2]:
        assert planned(0, **options, order=order) == planned(0, **options, order=order)
        assert planned(0, **options, order=order) != planned(1, **options, order=order)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [0, 9])
def test_most_are_the_first_and_at_random_others_each_time(order, size):
    whole, some = planned(order=order, size=size), planned(order=order, size=size, most=3)
    assert some == whole[:3]
    assert planned(order=order, size=size, most=1000) == whole
    again = planned(1, order=order, size=size, most=3)
    assert (some == again) == (order in ORDERS[2:])


@pytest.mark.parametrize("order", ORDERS)
def test_the_budget_counts_what_a_bucket_pads(order):
    batches = planned(order=order, multiple=90)
    padded = [len(batch) * 90 * max(-(-LENGTHS[at] // 90) for at in batch) for batch in batches]
    assert max(padded) <= 1000
    assert max(padded) > 800
    assert len(batches) > len(planned(order=order))


def test_sorted_by_other_keys():
    keys = np.arange(100)[::-1]
    batches = plan(LENGTHS, 1000, options=Batches(size=10), keys=keys)
    assert np.concatenate(batches).tolist() == list(range(99, -1, -1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": -1}, "size is -1; expected 0 or more"),
        ({"most": -2}, "most is -2; expected 0 or more"),
        ({"sorted_epochs": -1}, "sorted_epochs is -1; expected 0 or more"),
        ({"bucket": -0.5}, "bucket is -0.5; expected 0 or more"),
        ({"bucket": float("nan")}, "bucket is nan; expected 0 or more"),
        ({"bucket": float("inf")}, "bucket is inf; expected 0 or more"),
        ({"full": True}, "full is of batches by count; expected size with it"),
        ({"reverse": True}, "nothing to reverse; expected order sorted or given, or sorted_epochs"),
        ({"reverse": True, "order": "shuffled"}, "nothing to reverse"),
        ({"order": "short"}, "order: 'short'; expected one of 'like', 'shuffled'"),
        ({"order": "sort"}, "did you mean 'sorted'?"),
        ({"sort_by": "words"}, "sort_by: 'words'; expected one of 'length', 'text'"),
        ({"sise": 3}, "sise: no such option; did you mean 'size'?"),
        ({"size": 2.5}, "size: 2.5; expected a whole number"),
    ],
)
def test_bad_options_are_refused(options, said):
    with pytest.raises(ConfigError) as error:
        config.build(Batches, options, "x.yaml: train.batches")
    assert said in str(error.value)
