"""All that there is of a training, and the checkpoint that it goes on from.

Everything random depends on the seed: initial weights on the run's, the order of the data on run and epoch, its
augmentation on run, epoch and utterance, dropout on run and step. So a checkpoint needs no generator's state, and a run
that was killed goes on from its last checkpoint, between two steps or two epochs, to the same weights.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch

from dstoolkit.config import plain
from dstoolkit.interfaces import Decoder, Loss, Run
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.pipeline import checkpoint
from dstoolkit.pipeline.experiment import Experiment
from dstoolkit.training import optim, schedules
from dstoolkit.training.averaging import Average, Kept
from dstoolkit.training.best import Best
from dstoolkit.training.clocks import Clocks
from dstoolkit.training.dataset import Dataset
from dstoolkit.training.distributed import World
from dstoolkit.training.health import Health
from dstoolkit.training.order import Order
from dstoolkit.training.snapshots import Due
from dstoolkit.training.step import Step
from dstoolkit.training.stopping import Stopping
from dstoolkit.training.totals import Totals

LAST = "last.pt"


@dataclass
class Parts:
    """What a training works with, built from the experiment."""

    experiment: Experiment
    model: CTCModel
    loss: Loss
    decoder: Decoder
    train: Dataset
    dev: Dataset
    device: torch.device
    keepsake: dict[str, Any]  # what best.pt holds beside the weights, so that it can be used alone


class State:
    """A training of ``parts.model`` into ``folder``."""

    def __init__(self, parts: Parts, folder: Path, world: World | None = None) -> None:
        self.parts, self.folder, self.world = parts, folder, world or World()
        self.options = parts.experiment.train
        self.order = Order(parts.train, self.options, parts.experiment.seed, self.world)
        model = parts.model.to(parts.device)
        self.average = Average(model, self.options.ema)
        self.optimizer = optim.chosen("optimizer", optim.settings_of(self.options), parameters=list(model.parameters()))
        self.scheduler = optim.chosen(
            "scheduler",
            schedules.settings_of(self.options),
            optimizer=self.optimizer,
            total_steps=self.order.steps(),
        )
        self.step = Step(
            model, parts.loss, self.optimizer, self.options, parts.device, parts.experiment.seed, self.world
        )
        self.run = Run(folder, plain(parts.experiment), model, self.optimizer, save=self.save_weights)
        self.health = Health(folder, self.options.stop_after)
        self.stopping = Stopping(self.options.patience)
        self.kept = Kept(folder, self.options.average_of, self.options.average)
        self.best = Best(folder, parts.keepsake, self.world.main, self.options.keep)
        self.clocks = Clocks(self.options.minutes, self.options.minutes_of)
        self.due = Due(self.options.snapshots, self.clocks.now)
        self.totals = Totals()
        self.taken = 0  # steps of the epoch under way, which is run.epoch + 1
        self.open = False  # some of them were validated by nothing yet
        self.stopped = self.over = self.late = False  # by patience; the time is; a snapshot is
        self.saved = time.monotonic()

    def save_weights(self, path: Path) -> None:
        """The averaged weights as they are now, in a file to recognise with; by the first process alone."""
        self.best.write(path, self.average.model.state_dict())

    def save(self) -> None:
        """``last.pt``: all that going on from here takes."""
        if self.world.main:
            checkpoint.save(self.folder / LAST, self.state())
        self.saved = time.monotonic()

    def state(self) -> dict[str, Any]:
        return {
            "epoch": self.run.epoch,
            "step": self.run.step,
            "taken": self.taken,
            "totals": self.totals.plain(),
            "best": self.best.figures,
            "clocks": self.clocks.state_dict(),
            "snapshots": self.due.state_dict(),
            "stopped": self.stopped,
            "model": self.parts.model.state_dict(),
            "average": self.average.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "stepper": self.step.state_dict(),
            "health": self.health.state_dict(),
            "stopping": self.stopping.state_dict(),
        }

    def resume(self) -> None:
        """Go on from ``last.pt``, if there is one."""
        if not (self.folder / LAST).exists():
            return
        state = checkpoint.load(self.folder / LAST, self.parts.device)
        self.parts.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.step.load_state_dict(state["stepper"])
        self.health.load_state_dict(state["health"])
        self.stopping.load_state_dict(state["stopping"])
        self.best.figures, self.stopped = state["best"], state["stopped"]
        self.clocks.load_state_dict(state.get("clocks", {}))
        self.due.load_state_dict(state.get("snapshots", {}))
        self.run.epoch, self.run.step, self.taken = state["epoch"], state["step"], state["taken"]
        self.totals, self.open = Totals(**state["totals"]), self.taken > 0
        if self.world.main:
            self.kept.drop_after(self.run.epoch)
        within = f", {self.taken} steps into the next" if self.taken else ""
        of = f" of {self.options.epochs}" if self.options.epochs else ""
        click.echo(f"going on after epoch {self.run.epoch}{of}{within}")
