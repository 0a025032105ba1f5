"""The training loop: epochs of steps, a validation and a checkpoint after each, and going on from the last.

Everything random depends on the seed: initial weights and dropout through torch's generator (whose state the
checkpoint keeps), the order of the data and its augmentation through generators seeded by run, epoch and utterance. A
run that was killed goes on from the end of its last whole epoch, with the same data order, to the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from tqdm import tqdm

from dstoolkit import plugins
from dstoolkit.config import Choice, plain
from dstoolkit.errors import DataError, few
from dstoolkit.interfaces import Decoder, Loss, Run
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.pipeline import checkpoint
from dstoolkit.pipeline.experiment import Experiment
from dstoolkit.training import optim
from dstoolkit.training.dataset import Dataset
from dstoolkit.training.monitor import Monitor
from dstoolkit.training.validation import Validation, validate

LAST, BEST = "last.pt", "best.pt"
FAILED_STEPS = 20  # in a row, before a training that only yields infinite or undefined losses is stopped


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

    def __init__(self, parts: Parts, folder: Path) -> None:
        self.parts, self.folder = parts, folder
        self.options = parts.experiment.train
        self.budget = max(1, round(self.options.batch_seconds / parts.train.archive.frame_shift))
        model = parts.model.to(parts.device)
        self.average = optim.Average(model, self.options.ema)
        self.optimizer = optim.chosen(
            "optimizer", self._settings(self.options.optimizer), parameters=list(model.parameters())
        )
        self.scheduler = optim.chosen(
            "scheduler",
            {"warmup": self.options.warmup, **plain(self.options.scheduler)},
            optimizer=self.optimizer,
            total_steps=self.total_steps(),
        )
        self.run = Run(folder, plain(parts.experiment), model, self.optimizer)
        self.best = {"wer": float("inf"), "loss": float("inf"), "epoch": 0}
        self.failed = 0

    def _settings(self, choice: Choice) -> dict[str, Any]:
        return {"lr": self.options.lr, "weight_decay": self.options.weight_decay, **plain(choice)}

    def total_steps(self) -> int:
        """Steps of the whole training: the sorted first epoch's, and the second's for each further one."""
        first, second = (len(self.batches(epoch)) for epoch in (1, 2))
        return first + (self.options.epochs - 1) * second

    def batches(self, epoch: int) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
        """Epochs count from 1; the first is sorted by length (SortaGrad), the others are shuffled."""
        if epoch == 1 and self.options.sortagrad:
            return self.parts.train.plan(self.budget, None)
        return self.parts.train.plan(self.budget, np.random.default_rng([self.parts.experiment.seed, epoch]))

    def fit(self) -> None:
        """All epochs that are left."""
        self.resume()
        hooks = plugins.load()
        monitor = Monitor(self.folder, self.run.epoch, self.options.show)
        hooks.observe("dstoolkit_train_start", run=self.run)
        metrics: dict[str, Any] = monitor.history[-1] if monitor.history else {}
        for epoch in range(self.run.epoch + 1, self.options.epochs + 1):
            metrics, validation = self.epoch(epoch)
            monitor.epoch(metrics, validation, self.options.epochs)
            self.save(metrics)
            hooks.observe("dstoolkit_epoch_end", run=self.run, metrics=metrics)
        hooks.observe("dstoolkit_train_end", run=self.run, metrics=metrics)

    def epoch(self, epoch: int) -> tuple[dict[str, Any], Validation]:
        """One pass over the training data and a validation of the averaged weights."""
        started = time.monotonic()
        total, tokens, frames = 0.0, 0, 0
        self.parts.model.train()
        for loss, count, length in self.steps(epoch):
            total, tokens, frames = total + loss, tokens + count, frames + length
        seconds = time.monotonic() - started
        found = validate(self.average.model, self.parts.dev, self.parts.loss, self.parts.decoder, self.budget)
        self.run.epoch = epoch
        metrics = {
            "epoch": epoch,
            "step": self.run.step,
            "train_loss": total / max(tokens, 1),
            "dev_loss": found.loss,
            "dev_wer": found.wer,
            "dev_cer": found.cer,
            "lr": self.optimizer.param_groups[0]["lr"],
            "seconds": time.monotonic() - started,
            "speed": frames * self.parts.train.archive.frame_shift / max(seconds, 1e-9),
        }
        return metrics, found

    def steps(self, epoch: int) -> Iterator[tuple[float, int, int]]:
        """Take the epoch's steps; yield each one's summed loss, its target tokens and its frames."""
        seed = (self.parts.experiment.seed, epoch)
        augment = None if epoch == 1 and self.options.sortagrad else self.parts.experiment.augment
        bar = tqdm(self.batches(epoch), desc=f"epoch {epoch}", unit="batch", leave=False, disable=None)
        for indices in bar:
            batch = self.parts.train.batch(indices, augment, seed).to(self.parts.device)
            logits, lengths = self.parts.model(batch.frames, batch.lengths)
            losses = self.parts.loss(logits, lengths, batch.targets, batch.target_lengths)
            self.name_undefined(losses, indices)
            tokens = int(batch.target_lengths.sum())
            finite = losses[losses.isfinite()]  # stretched too short for its text: no path, no gradient
            loss = self.step(finite.sum() / max(tokens, 1), len(finite))
            bar.set_postfix(loss=f"{loss:.3f}")
            yield loss * tokens, tokens, int(batch.lengths.sum())

    def step(self, loss: torch.Tensor, finite: int) -> float:
        """One optimizer step, skipped where nothing in the batch has a finite loss or gradient."""
        self.optimizer.zero_grad(set_to_none=True)
        value = float(loss.detach())
        norm = torch.tensor(float("nan"))
        if finite and np.isfinite(value):
            loss.backward()  # type: ignore[no-untyped-call]
            parameters = list(self.parts.model.parameters())
            norm = torch.nn.utils.clip_grad_norm_(parameters, self.options.clip or float("inf"))
        if norm.isfinite():
            self.optimizer.step()
            self.scheduler.step()
            self.failed = 0
        else:
            self.fail()
        self.run.step += 1
        self.average.update(self.parts.model, self.run.step)
        return value if np.isfinite(value) else 0.0

    def name_undefined(self, losses: torch.Tensor, indices: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        """A loss that is no number says that the model's outputs for that utterance are none."""
        undefined = indices[losses.detach().isnan().cpu().numpy()].tolist()
        if undefined:
            names = few([self.parts.train.archive.utterance_ids[at] for at in undefined])
            click.echo(f"warning: step {self.run.step + 1}: the loss of {names} is not a number", err=True)

    def fail(self) -> None:
        self.failed += 1
        click.echo(f"warning: step {self.run.step + 1} skipped: no finite loss or gradient", err=True)
        if self.failed >= FAILED_STEPS:
            raise DataError(
                self.folder, f"{self.failed} steps in a row without a finite loss", "", "lower train.lr or see the data"
            )

    def save(self, metrics: dict[str, Any]) -> None:
        """``best.pt`` where the averaged weights are the best so far by WER, then loss; ``last.pt`` always."""
        if (metrics["dev_wer"], metrics["dev_loss"]) <= (self.best["wer"], self.best["loss"]):
            self.best = {"wer": metrics["dev_wer"], "loss": metrics["dev_loss"], "epoch": metrics["epoch"]}
            weights = self.average.model.state_dict()
            checkpoint.save(self.folder / BEST, {**self.parts.keepsake, "weights": weights, "metrics": metrics})
        checkpoint.save(self.folder / LAST, self.state())

    def state(self) -> dict[str, Any]:
        """All that going on from the end of this epoch takes."""
        return {
            "epoch": self.run.epoch,
            "step": self.run.step,
            "best": self.best,
            "model": self.parts.model.state_dict(),
            "average": self.average.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if self.parts.device.type == "cuda" else [],
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
        self.best, self.run.epoch, self.run.step = state["best"], state["epoch"], state["step"]
        torch.set_rng_state(state["rng"].cpu())
        if state["cuda_rng"]:
            torch.cuda.set_rng_state_all([each.cpu() for each in state["cuda_rng"]])
        click.echo(f"going on after epoch {self.run.epoch} of {self.options.epochs}")
