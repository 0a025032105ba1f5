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

if TYPE_CHECKING:
    from dstoolkit.interfaces import Run
    from dstoolkit_kur.hooks import Hook

METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Best:
    """The weights with the lowest ``key`` of all epochs, a loss of ``metrics.jsonl``, are written to ``path``."""

    path: Path
    key: str

    def after(self, run: Run, history: Sequence[Mapping[str, Any]]) -> None:
        losses = [math.inf if each.get(self.key) is None else each[self.key] for each in history]
        if losses[-1] < math.inf and losses[-1] <= min(losses):
            write(run, self.path)


@dataclass(frozen=True)
class Latest:
    """The weights of every so many epochs are written to ``path``."""

    path: Path
    epochs: int = 1

    def after(self, run: Run, history: Sequence[Mapping[str, Any]]) -> None:
        if run.epoch % self.epochs == 0:
            write(run, self.path)


@dataclass(frozen=True)
class Log:
    """``metrics.jsonl`` is copied into the folder ``path``."""

    path: Path

    def after(self, run: Run, history: Sequence[Mapping[str, Any]]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        stamp.write_bytes(self.path / METRICS, (run.folder / METRICS).read_bytes())


def write(run: Run, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if run.save is not None:
        run.save(path)


@dataclass(frozen=True)
class Watch:
    """keepers: what writes files. train, validate: the hooks of these sections."""

    keepers: Sequence[Best | Latest | Log] = ()
    train: Sequence[Hook] = ()
    validate: Sequence[Hook] = ()
    epochs: int = 0


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


def history_of(run: Run) -> list[dict[str, Any]]:
    from dstoolkit.training.monitor import read_metrics

    return read_metrics(run.folder / METRICS)


def train_start(run: Run) -> None:
    for each in watches.of(run).train:
        each.started()


def epoch_end(run: Run) -> None:
    """Weights first: a hook that fails takes none of them along."""
    watch = watches.of(run)
    if watch == Watch():
        return
    history = history_of(run)
    for keeper in watch.keepers:
        keeper.after(run, history)
    for each in watch.validate:
        each.predicted(run.predictions)
    for each in watch.train:
        each.epoch(history, watch.epochs)


def train_end(run: Run) -> None:
    for each in watches.of(run).train:
        each.ended(history_of(run))
