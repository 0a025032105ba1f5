"""The training loop: epochs of steps, a validation and a checkpoint after each, and going on from the last.

Everything random depends on the seed: initial weights on the run's, the order of the data on run and epoch, its
augmentation on run, epoch and utterance, dropout on run and step. So a checkpoint needs no generator's state, and a run
that was killed goes on from its last checkpoint, between two steps or two epochs, to the same weights.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch

from dstoolkit import plugins
from dstoolkit.config import Choice, plain
from dstoolkit.interfaces import Decoder, Loss, Run
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.pipeline import checkpoint
from dstoolkit.pipeline.experiment import Experiment
from dstoolkit.training import optim, schedules
from dstoolkit.training.averaging import Average, Kept
from dstoolkit.training.dataset import Batch, Dataset, IntArray
from dstoolkit.training.distributed import World
from dstoolkit.training.health import Health
from dstoolkit.training.interruption import Interruption
from dstoolkit.training.loading import stream
from dstoolkit.training.monitor import Monitor, describe
from dstoolkit.training.order import Order
from dstoolkit.training.progress import Progress
from dstoolkit.training.step import Outcome, Step
from dstoolkit.training.stopping import Stopping
from dstoolkit.training.totals import Totals, memory_mb
from dstoolkit.training.validation import Validation, validate

LAST, BEST = "last.pt", "best.pt"
log = logging.getLogger("dstoolkit")


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


class Trainer:
    """Trains ``parts.model`` into ``folder``. ``fit`` does it all; a folder with ``last.pt`` is gone on with."""

    def __init__(self, parts: Parts, folder: Path, world: World | None = None) -> None:
        self.parts, self.folder, self.world = parts, folder, world or World()
        self.options = parts.experiment.train
        self.order = Order(parts.train, self.options, parts.experiment.seed, self.world)
        model = parts.model.to(parts.device)
        self.average = Average(model, self.options.ema)
        self.optimizer = optim.chosen(
            "optimizer", self._settings(self.options.optimizer), parameters=list(model.parameters())
        )
        self.scheduler = optim.chosen(
            "scheduler",
            {"warmup": self.options.warmup, **plain(self.options.scheduler)},
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
        self.best = {"wer": float("inf"), "loss": float("inf"), "epoch": 0}
        self.totals = Totals()
        self.taken = 0  # steps of the epoch under way, which is run.epoch + 1
        self.stopped = False
        self.saved = time.monotonic()

    def _settings(self, choice: Choice) -> dict[str, Any]:
        return {"lr": self.options.lr, "weight_decay": self.options.weight_decay, **plain(choice)}

    # Epochs

    def fit(self) -> None:
        """All that is left to do. Raises KeyboardInterrupt, after saving, where the user interrupts it."""
        self.resume()
        hooks = plugins.load()
        train = self.parts.train
        describe(self.parts.model, self.order.batches(self.options.epochs), train.lengths, train.multiple)
        monitor = Monitor(self.folder, self.run.epoch, self.options.epochs, self.options.show)
        hooks.observe("dstoolkit_train_start", run=self.run)
        plans = self.order.plans(self.run.epoch + 1, self.taken)
        with (
            closing(monitor),
            Interruption() as interruption,
            stream(self.parts.train, plans, self.options.workers, self.parts.device) as batches,
        ):
            while self.run.epoch < self.options.epochs and not self.stopped:
                self.learn(batches, interruption)
                metrics, validation = self.validate(interruption)
                if self.world.main:
                    monitor.epoch(metrics, validation)
                self.finish_epoch(metrics, validation)
                hooks.observe("dstoolkit_epoch_end", run=self.run, metrics=metrics)
            self.use_averaged()
        hooks.observe("dstoolkit_train_end", run=self.run, metrics=monitor.history[-1] if monitor.history else {})

    def learn(self, batches: Iterator[Batch], interruption: Interruption) -> None:
        """The steps that are left of the epoch under way."""
        epoch = self.run.epoch + 1
        plan = self.order.batches(epoch)
        frames = sum(int(self.parts.train.lengths[batch].sum()) for batch in plan)
        self.parts.model.train()
        with Progress(epoch, self.options.epochs, len(plan), self.taken, frames) as progress:
            for batch in plan[self.taken :]:
                loss, heard, wanted = self.one_step(batches, batch, interruption)
                progress.step(loss, heard)
                if wanted:
                    self.save()
                    raise KeyboardInterrupt
                if 0 < self.options.checkpoint_minutes * 60 < time.monotonic() - self.saved:
                    self.save()

    def one_step(
        self, batches: Iterator[Batch], batch: IntArray, interruption: Interruption
    ) -> tuple[float, int, bool]:
        """The loss per token, the frames heard, and whether anybody wants to stop; all processes' together."""
        started = time.monotonic()
        parts = [next(batches) for _ in self.order.cut(batch)]
        waited = time.monotonic() - started
        own = [part for part in parts if part.weight]
        tokens = int(self.world.sum([sum(int(part.target_lengths.sum()) for part in own)])[0])
        outcome = self.step.take(
            self.run.step + 1, parts, len(batch) if self.options.loss_per == "utterance" else tokens
        )
        loss, frames, padded, undefined, wanted = self.world.sum(
            [
                outcome.loss,
                sum(int(part.lengths.sum()) for part in own),
                sum(part.padded for part in own),
                len(outcome.undefined),
                interruption.wanted,
            ]
        )
        self.run.step += 1
        self.taken += 1
        if undefined:
            names = self.world.gather(self.parts.train.names(outcome.undefined))
            self.health.undefined(self.run.step, sorted(name for each in names for name in each))
        self.follow(outcome, loss / max(tokens, 1))
        totals = self.totals
        totals.loss, totals.tokens = totals.loss + loss, totals.tokens + tokens
        totals.frames, totals.padded = totals.frames + int(frames), totals.padded + int(padded)
        totals.waited += waited
        totals.seconds += time.monotonic() - started
        return loss / max(tokens, 1), int(frames), bool(wanted)

    def follow(self, outcome: Outcome, loss: float) -> None:
        """What comes after a step: the schedule, the average, and a word where something is wrong."""
        if outcome.taken:
            schedules.after_step(self.scheduler)
            self.health.taken()
            self.totals.norms.append(outcome.norm)
        else:
            self.totals.skipped += 1
            if not outcome.scaled:
                self.health.skipped(self.run.step)
        self.average.update(self.parts.model, self.run.step)
        self.health.step(self.run.step, loss, outcome.norm)
        rate = self.optimizer.param_groups[0]["lr"]
        log.debug("step %d: loss %.4f, gradient norm %.3g, lr %.3g", self.run.step, loss, outcome.norm, rate)

    def validate(self, interruption: Interruption) -> tuple[dict[str, Any], Validation]:
        """The averaged weights on the validation data, as metrics of the epoch whose steps are all taken."""
        started = time.monotonic()
        try:
            with interruption.at_once():  # nothing here changes the state
                found = self.heard(self.average.model)
        except KeyboardInterrupt:
            self.save()
            raise
        metrics = {
            "epoch": self.run.epoch + 1,
            "step": self.run.step,
            **self.totals.metrics(self.parts.train.archive.frame_shift),
            "dev_loss": found.loss,
            "dev_wer": found.wer,
            "dev_cer": found.cer,
            "lr": self.optimizer.param_groups[0]["lr"],
            "memory_mb": memory_mb(self.parts.device),
        }
        metrics["seconds"] += time.monotonic() - started
        self.run.predictions = {name: (text, found.hypotheses[name]) for name, text in found.references.items()}
        return metrics, found

    def heard(self, model: CTCModel) -> Validation:
        parts = self.parts
        batches = self.order.validation(parts.dev, self.run.epoch + 1)
        return validate(model, parts.dev, parts.loss, parts.decoder, batches, self.world)

    def finish_epoch(self, metrics: dict[str, Any], validation: Validation) -> None:
        """``best.pt`` where the averaged weights are the best so far by WER, then loss; ``last.pt`` always."""
        self.run.epoch += 1
        self.taken, self.totals = 0, Totals()
        schedules.after_epoch(self.scheduler, validation.loss)
        self.stopped = self.stopping.update(validation.wer, validation.loss)
        self.health.epoch(self.run.epoch, metrics, validation)
        weights = self.average.model.state_dict()
        if self.world.main:
            self.kept.offer(self.run.epoch, validation.wer, validation.loss, weights)
        self.keep_better(metrics, validation, weights)
        self.save()
        if self.stopped:
            click.echo(f"stopped: no better validation in {self.options.patience} epochs")

    def keep_better(self, metrics: dict[str, Any], validation: Validation, weights: dict[str, Any]) -> bool:
        """Write ``best.pt`` where ``validation`` is at least as good as the best so far; whether it is."""
        better = (validation.wer, validation.loss) <= (self.best["wer"], self.best["loss"])
        if better:
            self.best = {"wer": validation.wer, "loss": validation.loss, "epoch": metrics["epoch"]}
            if self.world.main:
                checkpoint.save(self.folder / BEST, {**self.parts.keepsake, "weights": weights, "metrics": metrics})
        return better

    def save_weights(self, path: Path) -> None:
        """The averaged weights as they are now, in a file to recognise with; by the first process alone."""
        if self.world.main:
            checkpoint.save(path, {**self.parts.keepsake, "weights": self.average.model.state_dict()})

    def use_averaged(self) -> None:
        """At the end: the average of the kept epochs' weights, as ``best.pt`` where it does better than the best."""
        if not self.options.average:
            return
        weights = self.world.follow(self.kept.average() if self.world.main else None)
        if weights is None:
            return
        self.average.model.load_state_dict(weights)
        found = self.heard(self.average.model)
        metrics = {"epoch": self.run.epoch, "dev_loss": found.loss, "dev_wer": found.wer, "dev_cer": found.cer}
        better = self.keep_better({**metrics, "averaged": self.options.average}, found, weights)
        verdict = "kept as best.pt" if better else f"epoch {self.best['epoch']} stays the best"
        named = f"average of the {self.options.average_of} {self.options.average} epochs"
        click.echo(f"{named}: dev loss {found.loss:.3f}  WER {found.wer:.1f} %  CER {found.cer:.1f} %: {verdict}")

    # Going on

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
            "best": self.best,
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
        self.best, self.stopped = state["best"], state["stopped"]
        self.run.epoch, self.run.step, self.taken = state["epoch"], state["step"], state["taken"]
        self.totals = Totals(**state["totals"])
        if self.world.main:
            self.kept.drop_after(self.run.epoch)
        within = f", {self.taken} steps into the next" if self.taken else ""
        click.echo(f"going on after epoch {self.run.epoch} of {self.options.epochs}{within}")
