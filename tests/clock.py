"""A clock for tests that is turned by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Hand:
    """Gives seconds; set ``now``."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def turned_by(self, function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        """``function``, which takes so many seconds by this clock."""

        def turning(*arguments: Any, **options: Any) -> Any:
            self.now += seconds
            return function(*arguments, **options)

        return turning
