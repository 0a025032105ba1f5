"""Finding the best of many in linear time: quickselect (Hoare 1961) on keys and what goes with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dstoolkit.compiled import in_order

INSERTED = 40  # up to so many, sorting by insertion is quickest


@in_order
def best_first(keys: Any, items: Any, count: Any, wanted: Any) -> None:
    """Rearrange the first ``count`` keys, and items with them, so that the ``wanted`` largest come first, unsorted."""
    low, high = 0, count - 1
    while low < high:
        pivot = keys[(low + high) >> 1]
        left, right = low, high
        while left <= right:
            while keys[left] > pivot:
                left += 1
            while keys[right] < pivot:
                right -= 1
            if left <= right:
                keys[left], keys[right] = keys[right], keys[left]
                items[left], items[right] = items[right], items[left]
                left += 1
                right -= 1
        if wanted - 1 <= right:
            high = right
        elif wanted - 1 >= left:
            low = left
        else:
            return


@in_order
def sort_down(keys: Any, items: Any, count: Any) -> None:
    """Sort the first ``count`` keys from the largest down, and items with them; equal ones stay as they are."""
    if count > INSERTED:
        places = np.argsort(-keys[:count], kind="mergesort")
        keys[:count], items[:count] = keys[places], items[places]
        return
    for at in range(1, count):
        key, item, to = keys[at], items[at], at
        while to > 0 and keys[to - 1] < key:
            keys[to], items[to] = keys[to - 1], items[to - 1]
            to -= 1
        keys[to], items[to] = key, item
