"""The entry point: what this package adds to dstoolkit. Every dstoolkit command loads it, so all else comes later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstoolkit.hookspecs import hookimpl
from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.interfaces import Run

DSTOOLKIT_API = 1


@hookimpl
def dstoolkit_register_commands() -> list[type[Command]]:
    from dstoolkit_kur.actions import EvaluateCommand, TestCommand
    from dstoolkit_kur.command import KurCommand

    return [KurCommand, TestCommand, EvaluateCommand]


@hookimpl
def dstoolkit_train_file(path: Path, overrides: Sequence[str], device: str, force: bool) -> Path | None:
    from dstoolkit_kur import training

    return training.train_file(path, overrides, device, force)


@hookimpl
def dstoolkit_train_start(run: Run) -> None:
    from dstoolkit_kur import observing

    observing.train_start(run)


@hookimpl
def dstoolkit_step_end(run: Run, losses: Mapping[str, float]) -> None:
    from dstoolkit_kur import observing

    observing.step_end(run, losses)


@hookimpl
def dstoolkit_epoch_end(run: Run) -> None:
    from dstoolkit_kur import observing

    observing.epoch_end(run)


@hookimpl
def dstoolkit_snapshot(run: Run, metrics: Mapping[str, Any]) -> None:
    from dstoolkit_kur import observing

    observing.snapshot(run, metrics)


@hookimpl
def dstoolkit_train_end(run: Run) -> None:
    from dstoolkit_kur import observing

    observing.train_end(run)
