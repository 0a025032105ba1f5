"""Trouble of a training, named in one line each, with what to do.

Each kind is named at most once in ``EVERY`` epochs, also by a run that was stopped and goes on: ``state_dict`` goes into
the checkpoint, and holds plain values only. Every process of a training may keep a ``Health``; the one that speaks for
all passes ``epoch`` its metrics.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from dstoolkit.errors import DataError, few

if TYPE_CHECKING:
    from dstoolkit.training.validation import Validation

EVERY = 10  # epochs between two lines of one kind
NAMED = 10  # utterances in a line; the rest are counted
NORMS, RECENT = 200, 10  # steps whose gradient norms are remembered, and those of them that are compared with the rest
EXPLODED = 30.0  # times the usual norm; a first descent from the plateau of blanks was seen to raise it tenfold
FROZEN_EPOCHS, FROZEN = 5, 0.005  # over so many epochs the loss moved by less than this share of it
LOW_LOSS = 0.1  # nats per token; below it there is little left to learn
FULL_SPEED = 0.1  # share of the highest learning rate so far; below it a loss may rest
BLANK_EPOCHS = 3  # with empty outputs, before that is named
RISING_EPOCHS, RISEN = 10, 1.2  # without a better validation, and its loss relative to the lowest


def warn(what: str) -> None:
    """One line on standard error, above a progress bar if there is one."""
    with tqdm.external_write_mode(file=sys.stderr):
        click.echo(f"warning: {what}", err=True)


class Health:
    """Watches the training in ``folder``; ``stop_after`` steps in a row without a finite loss end it."""

    def __init__(self, folder: Path, stop_after: int) -> None:
        self.folder, self.stop_after = folder, stop_after
        self.now = 1  # the epoch
        self.said: dict[str, int] = {}  # kind of trouble -> epoch in which it was named last
        self.row = 0  # steps skipped one after another
        self.norms: list[float] = []
        self.past: list[dict[str, float | None]] = []  # per epoch
        self.empty = 0  # epochs in a row without any output

    def say(self, kind: str, what: str) -> None:
        """Warn, unless this kind of trouble was named less than ``EVERY`` epochs ago."""
        if kind not in self.said or self.now - self.said[kind] >= EVERY:
            self.said[kind] = self.now
            warn(what)

    def undefined(self, step: int, utterance_ids: Sequence[str]) -> None:
        """The loss of these is NaN or infinite."""
        advice = "listen to them, and see whether their text fits; where it is all of them, lower train.lr"
        self.say("undefined", f"step {step}: the loss of {few(utterance_ids, NAMED)} is not finite; {advice}")

    def skipped(self, step: int) -> None:
        """A step was not taken. Raises DataError after ``stop_after`` in a row."""
        self.row += 1
        self.say("skipped", f"step {step} skipped: no finite loss or gradient; where it goes on, lower train.lr")
        if self.row >= self.stop_after:
            found = f"{self.row} steps in a row without a finite loss"
            raise DataError(self.folder, found, "", "lower train.lr or see the data")

    def taken(self) -> None:
        """A step was taken."""
        self.row = 0

    def step(self, step: int, loss: float, norm: float) -> None:
        """The loss of a step and the norm of its gradient before clipping; one that is not finite is no norm."""
        if not math.isfinite(norm):
            return
        self.norms = [*self.norms[-NORMS + 1 :], norm]
        if len(self.norms) < NORMS // 2 or norm <= EXPLODED * median(self.norms):
            return
        recent, usual = median(self.norms[-RECENT:]), median(self.norms[:-RECENT])
        if recent > EXPLODED * usual:
            found = f"gradient norms about {recent:.3g}, {recent / usual:.0f} times the usual {usual:.3g}"
            self.say("exploding", f"step {step}: {found}; lower train.lr or train.clip, or raise train.warmup")

    def epoch(self, epoch: int, metrics: Mapping[str, Any], validation: Validation) -> None:
        """Look at a whole epoch and its validation."""
        self.now = epoch
        self.past.append({name: metrics[name] for name in ("epoch", "train_loss", "dev_loss", "dev_wer", "lr")})
        self.empty = 0 if any(validation.hypotheses.values()) else self.empty + 1
        self._blank()
        self._frozen()
        self._overfitted()
        self.now = epoch + 1

    def _blank(self) -> None:
        """A CTC model first learns to say nothing, then to spell (observed in each of our recipes)."""
        if self.empty >= BLANK_EPOCHS:
            advice = "usual for the first epochs, up to 10 or so of a small corpus; if it stays, "
            advice += "train longer or raise train.lr, and see that texts belong to their audio"
            self.say("blank", f"epoch {self.now}: all outputs empty for {self.empty} epochs; {advice}")

    def _frozen(self) -> None:
        losses = [each["train_loss"] for each in self.past[-FROZEN_EPOCHS - 1 :]]
        rates = [each["lr"] or 0.0 for each in self.past]
        if len(losses) <= FROZEN_EPOCHS or self.empty >= BLANK_EPOCHS and self.now <= EVERY:
            return
        finite = [each for each in losses if each is not None and math.isfinite(each)]
        if len(finite) < len(losses) or min(finite) < LOW_LOSS or rates[-1] < FULL_SPEED * max(rates):
            return
        if rates[-1] > 0 and max(finite) - min(finite) < FROZEN * max(finite):
            found = f"training loss between {min(finite):.4f} and {max(finite):.4f} for {FROZEN_EPOCHS} epochs"
            advice = "raise train.lr if it is small, lower it if the loss was lower before, or use a larger encoder"
            self.say("frozen", f"epoch {self.now}: {found}; {advice}")

    def _overfitted(self) -> None:
        """A rising validation loss alone says little while the error rate still falls."""
        known = [each for each in self.past if all(math.isfinite(each[name] or 0.0) for name in each)]
        if len(known) <= RISING_EPOCHS:
            return
        before, recent, last = known[:-RISING_EPOCHS], known[-RISING_EPOCHS:], known[-1]
        least = {name: min(each[name] or 0.0 for each in before) for name in ("train_loss", "dev_loss", "dev_wer")}
        better = any((each[name] or 0.0) < least[name] for each in recent for name in ("dev_loss", "dev_wer"))
        risen = (last["dev_loss"] or 0.0) > RISEN * least["dev_loss"]
        if risen and not better and (last["train_loss"] or 0.0) < least["train_loss"]:
            found = f"validation no better for {RISING_EPOCHS} epochs, its loss {last['dev_loss']:.3f} up from "
            found += f"{least['dev_loss']:.3f}, while the training loss falls"
            advice = "it learns its data by heart: augment more, raise encoder.dropout, or set train.patience to stop"
            self.say("overfitted", f"epoch {self.now}: {found}; {advice}")

    def state_dict(self) -> dict[str, Any]:
        """All that going on takes; plain values."""
        return {
            "now": self.now,
            "said": dict(self.said),
            "row": self.row,
            "norms": list(self.norms),
            "past": [dict(each) for each in self.past],
            "empty": self.empty,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.now, self.row, self.empty = state["now"], state["row"], state["empty"]
        self.said, self.norms = dict(state["said"]), list(state["norms"])
        self.past = [dict(each) for each in state["past"]]
