"""Early stopping (Prechelt 1998): a training that no longer gets better ends."""

from __future__ import annotations

import math
from typing import Any

from dstoolkit.training.averaging import comparable


class Stopping:
    """Says when ``patience`` validations in a row were no better, by WER and then loss, than the best before; 0: never.

    A WER of 0 whose loss still falls is still getting better.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = (math.inf, math.inf)
        self.waited = 0

    def update(self, wer: float, loss: float) -> bool:
        """One more validation is done; whether the training should stop now."""
        found = comparable(wer, loss)
        self.waited = 0 if found < self.best else self.waited + 1
        self.best = min(self.best, found)
        return 0 < self.patience <= self.waited

    def state_dict(self) -> dict[str, Any]:
        return {"wer": self.best[0], "loss": self.best[1], "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.waited = (state["wer"], state["loss"]), state["waited"]
