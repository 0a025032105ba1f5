"""Batches cover every utterance once within the budget; padding keeps what it pads."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit.data.batches import pad, plan


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
