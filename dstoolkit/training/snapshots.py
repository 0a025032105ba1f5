"""When a training lays its weights down between other moments: ``train.snapshots``.

By epochs, steps, utterances or minutes, whichever comes first; then all of them are counted from 0 again. The counts
are part of the checkpoint, so that a training that was stopped takes its snapshots at the same steps. Minutes count
while it runs, validations included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from dstoolkit.pipeline.experiment import Snapshots

FILE = "snapshot.pt"
COUNTED = ("epochs", "steps", "utterances")


class Due:
    """Counts what was done since the last snapshot. ``now`` gives seconds."""

    def __init__(self, options: Snapshots, now: Callable[[], float] = time.monotonic) -> None:
        self.limits: dict[str, int] = {name: getattr(options, name) for name in COUNTED}
        self.limit, self.now = options.minutes * 60, now
        self.taken()

    def taken(self) -> None:
        """A snapshot was: count from 0 again."""
        self.counts = dict.fromkeys(COUNTED, 0)
        self.since = self.now()

    def step(self, utterances: int) -> None:
        """One more step is done, of so many utterances."""
        self.counts["steps"] += 1
        self.counts["utterances"] += utterances

    def epoch(self) -> None:
        """One more epoch is done."""
        self.counts["epochs"] += 1

    @property
    def counted(self) -> bool:
        """Whether one should be taken by what was counted, which all processes count alike."""
        return any(0 < limit <= self.counts[name] for name, limit in self.limits.items())

    @property
    def late(self) -> bool:
        """Whether one should be taken because of the time, which processes may see differently."""
        return 0 < self.limit <= self.now() - self.since

    def state_dict(self) -> dict[str, Any]:
        return {**self.counts, "seconds": self.now() - self.since}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.counts = {name: int(state.get(name, 0)) for name in COUNTED}
        self.since = self.now() - float(state.get("seconds", 0.0))
