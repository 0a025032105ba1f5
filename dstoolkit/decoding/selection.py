"""Finding the best of many in linear time: quickselect (Hoare 1961) on keys and what goes with them."""

from __future__ import annotations

from typing import Any

from dstoolkit.compiled import uncounted

GAPS = (3548, 1577, 701, 301, 132, 57, 23, 10, 4, 1)


@uncounted
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


@uncounted
def sort_down(keys: Any, items: Any, first: Any, last: Any) -> None:
    """Sort the keys from ``first`` to before ``last`` from the largest down, in place, and items with them: Shell's
    sort with Ciura's gaps (2001)."""
    for gap in GAPS:
        for at in range(first + gap, last):
            key, item, to = keys[at], items[at], at
            while to - gap >= first and keys[to - gap] < key:
                keys[to], items[to] = keys[to - gap], items[to - gap]
                to -= gap
            keys[to], items[to] = key, item
