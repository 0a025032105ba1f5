"""Trouble of a training, named in one line each, with what to do.

Each kind is named at most once in ``EVERY`` epochs, also by a run that was stopped and goes on: ``state_dict`` belongs
into the checkpoint, and holds plain values only.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from dstoolkit.errors import DataError, few

if TYPE_CHECKING:
    from dstoolkit.training.validation import Validation

WATCHED = ("train_loss", "dev_loss", "dev_wer", "lr")  # metrics
EVERY = 10  # epochs between two lines of one kind
NAMED = 10  # utterances in a line; the rest are counted
NORMS, RECENT = 200, 9  # steps whose gradient norms are remembered, and those of them that are compared with the rest
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
        self.unnamed: list[str] = []  # utterances without a finite loss, since they were last named
        self.norms: list[float] = []
        self.past: list[dict[str, float]] = []  # some metrics of each epoch
        self.empty = 0  # epochs in a row without any output

    def say(self, kind: str, what: str) -> bool:
        """Warn, unless this kind of trouble was named less than ``EVERY`` epochs ago; whether it was said."""
        due = kind not in self.said or self.now - self.said[kind] >= EVERY
        if due:
            self.said[kind] = self.now
            warn(what)
        return due

    def undefined(self, step: int, utterance_ids: Sequence[str]) -> None:
        """The loss of these is NaN or infinite. Those of later steps are named together at the epoch's end."""
        advice = "see whether their text fits their audio; where it is nearly all utterances, lower train.lr"
        if not self.say("undefined", f"step {step}: the loss of {few(utterance_ids, NAMED)} is not finite; {advice}"):
            self.unnamed = list(dict.fromkeys([*self.unnamed, *utterance_ids]))

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
        self.past.append({name: float(metrics[name]) for name in WATCHED})
        self.empty = 0 if any(validation.hypotheses.values()) else self.empty + 1
        for kind, look in LOOKS.items():
            found = look(self)
            if found:
                self.say(kind, f"epoch {epoch}: {found}")
        self.unnamed = []
        self.now = epoch + 1

    def state_dict(self) -> dict[str, Any]:
        """All that going on takes; plain values."""
        return {
            "now": self.now,
            "said": dict(self.said),
            "row": self.row,
            "unnamed": list(self.unnamed),
            "norms": list(self.norms),
            "past": [dict(each) for each in self.past],
            "empty": self.empty,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.now, self.row, self.empty = state["now"], state["row"], state["empty"]
        self.said, self.unnamed, self.norms = dict(state["said"]), list(state["unnamed"]), list(state["norms"])
        self.past = [dict(each) for each in state["past"]]


def undefined(health: Health) -> str:
    """Utterances without a finite loss that were not named when it happened."""
    names = health.unnamed
    return f"the loss of {len(names)} more utterances was not finite: {few(names, NAMED)}" if names else ""


def blank(health: Health) -> str:
    """A CTC model first learns to say nothing, then to spell."""
    if health.empty < BLANK_EPOCHS:
        return ""
    advice = (
        "usual at first, for 10 epochs or so of a small corpus; if it stays, see that texts belong to their audio, "
    )
    return f"all outputs empty for {health.empty} epochs; {advice}then try another train.lr"


def frozen(health: Health) -> str:
    """A training loss that rests, though it is not low and the learning rate is; not on the first plateau of blanks."""
    losses = [each["train_loss"] for each in health.past[-FROZEN_EPOCHS - 1 :]]
    rates = [each["lr"] for each in health.past]
    low, high = min(losses), max(losses)
    if len(losses) <= FROZEN_EPOCHS or low < LOW_LOSS or not 0 < rates[-1] >= FULL_SPEED * max(rates):
        return ""
    if not high - low < FROZEN * high or (health.empty == len(rates) <= EVERY):
        return ""
    advice = "raise train.lr where it is small, lower it where it is large, or use a larger encoder"
    return f"training loss between {low:.4f} and {high:.4f} for {FROZEN_EPOCHS} epochs; {advice}"


def overfitted(health: Health) -> str:
    """A rising validation loss alone says little, while the error rate still falls."""
    before, recent = health.past[:-RISING_EPOCHS], health.past[-RISING_EPOCHS:]
    if not before:
        return ""
    least = {name: min(each[name] for each in before) for name in WATCHED}
    better = any(each[name] < least[name] for each in recent for name in ("dev_loss", "dev_wer"))
    last = recent[-1]
    if better or not last["dev_loss"] > RISEN * least["dev_loss"] or not last["train_loss"] < least["train_loss"]:
        return ""
    return (
        f"validation no better for {RISING_EPOCHS} epochs, its loss up from {least['dev_loss']:.3f} to "
        f"{last['dev_loss']:.3f} while that of the training falls; it learns by heart: augment more, raise "
        "encoder.dropout, or stop by train.patience"
    )


LOOKS: dict[str, Callable[[Health], str]] = {
    "more undefined": undefined,
    "blank": blank,
    "frozen": frozen,
    "overfitted": overfitted,
}
