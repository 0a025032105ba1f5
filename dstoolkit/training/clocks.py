"""How long a training has been under way, by four clocks, and when its time is over (``train.minutes``).

``all`` runs from the first step to the end; ``train`` while steps are taken, waiting for data included; ``batch`` in
the optimizer's steps alone; ``validate`` in validations. A run that goes on goes on with the clocks of the one before,
as they were at its last checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

Clock = Literal["all", "train", "batch", "validate"]
NAMES: tuple[Clock, ...] = ("all", "train", "batch", "validate")
STEADY = ("all", "train")  # these run on while an epoch's steps are taken


class Clocks:
    """Four stop-watches; time is ``over`` once the one ``of`` shows ``minutes``, 0: never. ``now`` gives seconds."""

    def __init__(self, minutes: float = 0.0, of: Clock = "all", now: Callable[[], float] = time.monotonic) -> None:
        self.limit, self.of, self.now = minutes * 60, of, now
        self._spent: dict[str, float] = dict.fromkeys(NAMES, 0.0)
        self._since: dict[str, float] = {}  # those that run

    def seconds(self, name: Clock) -> float:
        """What the clock shows, running or not."""
        running = self.now() - self._since[name] if name in self._since else 0.0
        return self._spent[name] + running

    @property
    def over(self) -> bool:
        return 0 < self.limit <= self.seconds(self.of)

    def left(self) -> float:
        """Seconds to the end, as far as they pass while steps are taken; infinite where there is none."""
        return max(0.0, self.limit - self.seconds(self.of)) if self.limit and self.of in STEADY else math.inf

    @contextmanager
    def running(self, name: Clock) -> Iterator[None]:
        """Within the block the clock runs."""
        self._since[name] = self.now()
        try:
            yield
        finally:
            self._stop(name)

    @contextmanager
    def standing(self, name: Clock) -> Iterator[None]:
        """Within the block the clock, which runs, does not."""
        self._stop(name)
        try:
            yield
        finally:
            self._since[name] = self.now()

    def _stop(self, name: Clock) -> None:
        self._spent[name] = self.seconds(name)
        del self._since[name]

    def state_dict(self) -> dict[str, float]:
        return {name: self.seconds(name) for name in NAMES}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        self._spent = {name: float(state.get(name, 0.0)) for name in NAMES}
