"""Trouble of a training, named in one line each, with what to do.

Each kind is said at most once in ``EVERY`` epochs, also by a run that was stopped and goes on: ``state_dict`` goes into
the checkpoint.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from dstoolkit.errors import DataError, few

if TYPE_CHECKING:
    from dstoolkit.training.validation import Validation

EVERY = 10  # epochs
NAMED = 10  # utterances in a line; the rest are counted


def warn(what: str) -> None:
    """One line on standard error, above a progress bar if there is one."""
    with tqdm.external_write_mode(file=sys.stderr):
        click.echo(f"warning: {what}", err=True)


class Health:
    """Watches the training in ``folder``; ``stop_after`` steps in a row without a finite loss end it."""

    def __init__(self, folder: Path, stop_after: int) -> None:
        self.folder, self.stop_after = folder, stop_after
        self.now = 1
        self.said: dict[str, int] = {}
        self.row = 0

    def say(self, kind: str, what: str) -> None:
        """Warn, unless this kind of trouble was named less than ``EVERY`` epochs ago."""
        if kind not in self.said or self.now - self.said[kind] >= EVERY:
            self.said[kind] = self.now
            warn(what)

    def step(self, step: int, loss: float, norm: float) -> None:
        pass

    def undefined(self, step: int, utterance_ids: Sequence[str]) -> None:
        """The loss of these is NaN or infinite."""
        names = few(utterance_ids, NAMED)
        self.say("undefined", f"step {step}: the loss of {names} is not finite; lower train.lr or see the data")

    def skipped(self, step: int) -> None:
        """A step was not taken. Raises DataError after ``stop_after`` in a row."""
        self.row += 1
        self.say("skipped", f"step {step} skipped: no finite loss or gradient; lower train.lr if it goes on")
        if self.row >= self.stop_after:
            found = f"{self.row} steps in a row without a finite loss"
            raise DataError(self.folder, found, "", "lower train.lr or see the data")

    def taken(self) -> None:
        """A step was taken."""
        self.row = 0

    def epoch(self, epoch: int, metrics: Mapping[str, Any], validation: Validation) -> None:
        self.now = epoch + 1

    def state_dict(self) -> dict[str, Any]:
        return {"now": self.now, "said": dict(self.said), "row": self.row}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.now, self.said, self.row = state["now"], dict(state["said"]), state["row"]
