"""What a Kurfile wants to hear of its training, told by dstoolkit's observing hooks.

A training from a Kurfile begins within ``watching``; other trainings are nobody's here. Nothing of it is written to
the experiment's folder: the address of a webhook is a secret.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstoolkit import stamp
from dstoolkit_kur import binary_log

if TYPE_CHECKING:
    from dstoolkit.interfaces import Run
    from dstoolkit_kur.hooks import Hook

METRICS, SNAPSHOTS = "metrics.jsonl", "snapshots.jsonl"
Line = Mapping[str, Any]


class Keeper:
    """Does nothing; one that writes overrides what it answers to."""

    def epoch(self, run: Run, last: Line) -> None:
        """After one; ``last`` is its line of ``metrics.jsonl``."""

    def snapshot(self, run: Run, last: Line) -> None:
        """After one; ``last`` is its line of ``snapshots.jsonl``, empty where it was not validated."""


@dataclass(frozen=True)
class Best(Keeper):
    """The weights with the lowest ``key`` of all epochs and snapshots, a loss of their lines, are written to ``path``.

    Where snapshots hear a sample of the validation data alone, all are compared by it.
    """

    path: Path
    key: str

    def epoch(self, run: Run, last: Line) -> None:
        losses = [self.loss(each) for name in (METRICS, SNAPSHOTS) for each in lines(run, name)]
        if self.loss(last) < math.inf and self.loss(last) <= min(losses):
            write(run, self.path)

    snapshot = epoch

    def loss(self, line: Line) -> float:
        found = line.get("sample_loss") if self.key == "dev_loss" and "sample_loss" in line else line.get(self.key)
        return math.inf if found is None else float(found)


@dataclass(frozen=True)
class Latest(Keeper):
    """The weights of every epoch are written to ``path``."""

    path: Path

    def epoch(self, run: Run, last: Line) -> None:
        write(run, self.path)


@dataclass(frozen=True)
class Checkpoint(Keeper):
    """Those of every snapshot are."""

    path: Path

    def snapshot(self, run: Run, last: Line) -> None:
        write(run, self.path)


@dataclass(frozen=True)
class Log(Keeper):
    """``metrics.jsonl``, and the snapshots' figures where there are any, are copied into the folder ``path``; and
    written as Kur's binary log of these ``outputs``, with the ``batches`` where these are wanted."""

    path: Path
    outputs: tuple[str, ...] = ()
    batches: binary_log.Batches | None = None

    def epoch(self, run: Run, last: Line) -> None:
        self.snapshot(run, last)
        binary_log.write(self.path, lines(run), self.outputs)
        if self.batches is not None:
            self.batches.write()

    def snapshot(self, run: Run, last: Line) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        for name in (METRICS, SNAPSHOTS):
            if (run.folder / name).exists():
                stamp.write_bytes(self.path / name, (run.folder / name).read_bytes())


def write(run: Run, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if run.save is not None:
        run.save(path)


@dataclass(frozen=True)
class Watch:
    """keepers: what writes files. train, validate: the hooks of these sections."""

    keepers: Sequence[Keeper] = ()
    train: Sequence[Hook] = ()
    validate: Sequence[Hook] = ()
    epochs: int = 0

    @property
    def batches(self) -> Iterator[binary_log.Batches]:
        """The logs of each batch."""
        return (each.batches for each in self.keepers if isinstance(each, Log) and each.batches is not None)


@dataclass
class Watches:
    """By the experiments' folders; one at a time, unless a program trains several."""

    found: dict[Path, Watch] = field(default_factory=dict)

    def of(self, run: Run) -> Watch:
        """That of the run, in the process that prints; else an empty one."""
        from dstoolkit.training import distributed

        return self.found.get(run.folder, Watch()) if distributed.speaks() else Watch()


watches = Watches()


@contextmanager
def watching(folder: Path, watch: Watch) -> Iterator[None]:
    """Within this context ``watch`` hears of the training in ``folder``."""
    watches.found[folder] = watch
    try:
        yield
    finally:
        del watches.found[folder]


def lines(run: Run, name: str = METRICS) -> list[dict[str, Any]]:
    from dstoolkit.training.monitor import read_metrics

    return read_metrics(run.folder / name)


def train_start(run: Run) -> None:
    watch = watches.of(run)
    for log in watch.batches:
        log.begin(run.step)
    for each in watch.train:
        each.started()


def step_end(run: Run, losses: Mapping[str, float]) -> None:
    for log in watches.of(run).batches:
        log.step(run.step, losses)


def epoch_end(run: Run) -> None:
    """Weights first: a hook that fails takes none of them along."""
    watch = watches.of(run)
    if watch == Watch():
        return
    history = lines(run)
    for keeper in watch.keepers:
        keeper.epoch(run, history[-1])
    for each in watch.validate:
        each.predicted(run.predictions)
    for each in watch.train:
        each.epoch(history, watch.epochs)


def snapshot(run: Run, metrics: Line) -> None:
    """As after an epoch; hooks hear of those that were validated."""
    watch = watches.of(run)
    for keeper in watch.keepers:
        keeper.snapshot(run, metrics)
    if not metrics:
        return
    for each in watch.validate:
        each.predicted(run.predictions)
    for each in watch.train:
        each.validated()


def train_end(run: Run) -> None:
    for each in watches.of(run).train:
        each.ended(lines(run))
