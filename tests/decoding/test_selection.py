"""Quickselect and the sort, against Python's sorting."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.decoding.selection import best_first, sort_down

KEYS = st.lists(st.sampled_from([-np.inf, -3.0, -1.5, 0.0, 2.0]) | st.floats(-100, 100), min_size=1, max_size=200)


@given(KEYS, st.data())
@settings(deadline=None)
def test_the_best_come_first_with_their_items(keys, data):
    wanted = data.draw(st.integers(1, len(keys)))
    array, items = np.array(keys), np.arange(len(keys))
    best_first(array, items, len(keys), wanted)
    assert sorted(array[:wanted]) == sorted(keys)[len(keys) - wanted :]
    assert [keys[at] for at in items] == array.tolist()
    assert sorted(items) == list(range(len(keys)))


@given(KEYS, st.data())
@settings(deadline=None)
def test_a_stretch_is_sorted_and_the_rest_left_alone(keys, data):
    first = data.draw(st.integers(0, len(keys)))
    last = data.draw(st.integers(first, len(keys)))
    array, items = np.array(keys), np.arange(len(keys))
    sort_down(array, items, first, last)
    assert array.tolist() == keys[:first] + sorted(keys[first:last], reverse=True) + keys[last:]
    assert [keys[at] for at in items] == array.tolist()
