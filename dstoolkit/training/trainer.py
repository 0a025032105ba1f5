"""The training loop: epochs of steps, a validation and a checkpoint after each.

A training whose time is over (``train.minutes``) ends within an epoch: with a validation of what it has, and a
checkpoint from which it goes on, where more time is given, as if it had never ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import click

from dstoolkit import plugins
from dstoolkit.training import schedules
from dstoolkit.training.dataset import Batch, IntArray
from dstoolkit.training.interruption import Interruption
from dstoolkit.training.loading import stream
from dstoolkit.training.monitor import Monitor, describe
from dstoolkit.training.outlets import by_name, length_scales
from dstoolkit.training.progress import Progress
from dstoolkit.training.snapshots import FILE as SNAPSHOT
from dstoolkit.training.state import State
from dstoolkit.training.step import Outcome
from dstoolkit.training.totals import Totals, memory_mb
from dstoolkit.training.validation import Validation, only, spread, validate

log = logging.getLogger("dstoolkit")


class Trainer(State):
    """Trains ``parts.model`` into ``folder``. ``fit`` does it all; a folder with ``last.pt`` is gone on with."""

    # Epochs

    def fit(self) -> None:
        """All that is left to do. Raises KeyboardInterrupt, after saving, where the user interrupts it."""
        self.resume()
        hooks = plugins.load()
        train = self.parts.train
        describe(self.parts.model, self.order.batches(self.options.epochs or 2), train.lengths, train.multiple)
        monitor = Monitor(self.folder, self.run.epoch, self.options.epochs, self.options.show, self.run.step)
        hooks.observe("dstoolkit_train_start", run=self.run)
        plans = self.order.plans(self.run.epoch + 1, self.taken)
        with (
            closing(monitor),
            Interruption() as interruption,
            self.clocks.running("all"),
            stream(self.parts.train, plans, self.options.workers, self.parts.device) as batches,
        ):
            while self.goes_on():
                whole = self.learn(batches, interruption, monitor)
                metrics, validation = self.validate(interruption, whole)
                if self.world.main:
                    monitor.epoch(metrics, validation)
                self.finish_epoch(metrics, validation, whole)
                hooks.observe("dstoolkit_epoch_end", run=self.run, metrics=metrics)
            self.say_why()
            self.use_averaged()
        hooks.observe("dstoolkit_train_end", run=self.run, metrics=monitor.history[-1] if monitor.history else {})

    def goes_on(self) -> bool:
        """Whether there are steps to take, or such that are to be validated because the time is over."""
        self.over = self.agreed(self.clocks.over) and self.run.step > 0  # one step at least: nothing is no recogniser
        done = 0 < self.options.epochs <= self.run.epoch
        return not (done or self.stopped) and (self.open or not self.over)

    def agreed(self, wanted: bool) -> bool:
        """What the first process sees of the time."""
        return bool(self.world.sum([self.world.main and wanted])[0])

    def learn(self, batches: Iterator[Batch], interruption: Interruption, monitor: Monitor | None = None) -> bool:
        """The steps that are left of the epoch under way, and of the time; whether it came to the epoch's end."""
        epoch = self.run.epoch + 1
        later, plan = (self.options.epochs - epoch) * self.order.usual, self.order.batches(epoch)
        frames = self.order.frames(epoch, plan)
        self.parts.model.train()
        with (
            Progress(epoch, self.options.epochs, frames, self.taken, later, left=self.clocks.left) as progress,
            self.clocks.running("train"),
        ):
            while self.taken < len(plan) and not self.over:
                if self.taken and (self.due.counted or self.late):
                    with progress.paused(), self.clocks.standing("train"):
                        self.snapshot(interruption, monitor)
                loss, heard, wanted = self.one_step(batches, plan[self.taken], interruption)
                progress.step(loss, heard)
                if wanted:
                    self.save()
                    raise KeyboardInterrupt
                if 0 < self.options.checkpoint_minutes * 60 < time.monotonic() - self.saved:
                    self.save()
        return self.taken == len(plan)

    def one_step(
        self, batches: Iterator[Batch], batch: IntArray, interruption: Interruption
    ) -> tuple[float, int, bool]:
        """The loss per token, the frames heard, and whether anybody wants to stop; all processes' together."""
        started = time.monotonic()
        parts = [next(batches) for _ in self.order.cut(batch)]
        waited = time.monotonic() - started
        own = [part for part in parts if part.weight]
        tokens = int(self.world.sum([sum(int(part.target_lengths.sum()) for part in own)])[0])
        count = len(batch) if self.options.loss_per == "utterance" else tokens
        scales = length_scales(self.options.length_scale, self.parts.model, own, len(batch), self.world)
        with self.clocks.running("batch"):
            outcome = self.step.take(self.run.step + 1, parts, count, scales)
        loss, frames, padded, undefined, wanted, over, late, *by_output = self.world.sum(
            [
                outcome.loss,
                sum(int(part.lengths.sum()) for part in own),
                sum(part.padded for part in own),
                len(outcome.undefined),
                interruption.wanted,
                self.world.main and self.clocks.over,
                self.world.main and self.due.late,
                *outcome.own,
            ]
        )
        self.run.step += 1
        self.taken += 1
        self.open, self.over, self.late = True, bool(over), bool(late)
        self.due.step(len(batch))
        if undefined:
            names = self.world.gather(self.parts.train.names(outcome.undefined))
            self.health.undefined(self.run.step, sorted(name for each in names for name in each))
        self.follow(outcome, loss / max(tokens, 1))
        losses = {"batch_loss": loss / max(tokens, 1), **by_name("batch", self.parts.model, by_output, tokens)}
        plugins.load().observe("dstoolkit_step_end", run=self.run, losses=losses)
        self.totals.heard([loss, *by_output], tokens, int(frames), int(padded))
        self.totals.spent(time.monotonic() - started, waited)
        return losses["batch_loss"], int(frames), bool(wanted)

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

    def validate(self, interruption: Interruption, whole: bool) -> tuple[dict[str, Any], Validation]:
        """The averaged weights on the validation data, as metrics of the epoch, whose steps are all taken if whole."""
        started = time.monotonic()
        found = self.heard(interruption)
        metrics = {
            "epoch": self.run.epoch + 1,
            "step": self.run.step,
            **self.totals.metrics(self.parts.train.archive.frame_shift),
            **by_name("train", self.parts.model, self.totals.own, self.totals.tokens),
            **found.metrics(),
            "lr": self.optimizer.param_groups[0]["lr"],
            "memory_mb": memory_mb(self.parts.device),
        }
        if not whole:
            metrics["steps_of_epoch"] = self.taken
        metrics["seconds"] += time.monotonic() - started
        return metrics, found

    def heard(self, interruption: Interruption, alone: bool = False) -> Validation:
        """The averaged weights' validation; ``alone``: of the snapshots' sample only. An interruption saves first."""
        try:
            with interruption.at_once(), self.clocks.running("validate"):  # nothing here changes the state
                found = self.validation(alone)
        except KeyboardInterrupt:
            self.save()
            raise
        self.run.predictions = {name: (text, found.hypotheses[name]) for name, text in found.references.items()}
        return found

    def validation(self, alone: bool = False) -> Validation:
        parts, count = self.parts, self.options.snapshots.sample
        batches = self.order.validation(parts.dev, self.run.epoch + 1)
        sample = spread(batches, parts.dev.lengths, count) if count else None
        if alone and sample is not None:
            batches = only(batches, sample)
        return validate(self.average.model, parts.dev, parts.loss, parts.decoder, batches, self.world, sample)

    def finish_epoch(self, metrics: dict[str, Any], validation: Validation, whole: bool) -> None:
        """``best.pt`` where the averaged weights are the best so far; ``last.pt`` always. Of an epoch that is not whole
        nothing else is kept: it may be gone on with."""
        weights = self.average.model.state_dict()
        if whole:
            self.run.epoch += 1
            self.taken, self.totals = 0, Totals()
            self.due.epoch()
            schedules.after_epoch(self.scheduler, validation.loss)
            self.stopped = self.stopping.update(validation.wer, validation.loss)
            self.health.epoch(self.run.epoch, metrics, validation)
            if self.world.main:
                self.kept.offer(self.run.epoch, validation.wer, validation.loss, weights)
        self.open = False
        self.best.offer(metrics, validation, weights)
        if self.due.counted or self.agreed(self.due.late):
            self.write_snapshot(metrics, {})
        self.save()

    # Snapshots

    def snapshot(self, interruption: Interruption, monitor: Monitor | None) -> None:
        """Write the averaged weights to ``snapshot.pt``, and validate them where that is wanted."""
        metrics: dict[str, Any] = {}
        if self.options.snapshots.validation:
            started = time.monotonic()
            found = self.heard(interruption, alone=True)
            metrics = {"epoch": self.run.epoch + 1, "step": self.run.step, **found.metrics()}
            metrics |= {"utterances": len(found.hypotheses), "seconds": time.monotonic() - started}
            better = self.best.offer(metrics, found, self.average.model.state_dict())
            if monitor is not None and self.world.main:
                monitor.snapshot(metrics, better)
        self.write_snapshot(metrics, metrics)
        if metrics:
            self.save()  # after a kill, too, best.pt is what its figures say

    def write_snapshot(self, metrics: dict[str, Any], own: dict[str, Any]) -> None:
        """With ``metrics`` of these weights; ``own`` are those that observers have not heard of yet."""
        self.best.write(self.folder / SNAPSHOT, self.average.model.state_dict(), metrics=metrics)
        self.due.taken()
        self.late = False
        plugins.load().observe("dstoolkit_snapshot", run=self.run, metrics=own)

    # The end

    def say_why(self) -> None:
        options = self.options
        if self.stopped:
            click.echo(f"stopped: no better validation in {options.patience} epochs")
        elif self.over and not 0 < options.epochs <= self.run.epoch:
            within = f", {self.taken} steps into the next" if self.taken else ""
            click.echo(f"the time, {options.minutes:g} minutes, is over after epoch {self.run.epoch}{within}")

    def use_averaged(self) -> None:
        """At the end: the average of the kept epochs' weights, as ``best.pt`` where it does better than the best."""
        if not self.options.average:
            return
        weights = self.world.follow(self.kept.average() if self.world.main else None)
        if weights is None:
            return
        own = {name: each.clone() for name, each in self.average.model.state_dict().items()}
        self.average.model.load_state_dict(weights)
        with self.clocks.running("validate"):
            found = self.validation()
        self.average.model.load_state_dict(own)
        metrics = {"epoch": self.run.epoch, **found.metrics(), "averaged": self.options.average}
        before = self.best.figures["epoch"]
        better = self.best.offer(metrics, found, weights)
        self.save()  # where more time is given, it goes on with what best.pt is now
        verdict = "kept as best.pt" if better else f"epoch {before} stays the best"
        named = f"average of the {self.options.average_of} {self.options.average} epochs"
        click.echo(f"{named}: dev loss {found.loss:.3f}  WER {found.wer:.1f} %  CER {found.cer:.1f} %: {verdict}")
