"""Where a call of ``dstoolkit train`` is to end, after those before it: Kur's modes ``additional`` and ``total``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dstoolkit import config, stamp
from dstoolkit.pipeline import checkpoint
from dstoolkit.pipeline.experiment import Experiment
from dstoolkit.training import setup
from dstoolkit.training.clocks import Clocks
from dstoolkit.training.state import LAST
from dstoolkit_kur.stopping import Clock, Length


@dataclass(frozen=True)
class Aim:
    """The end: after so many epochs, and minutes of the clock ``of``, of all calls together; 0: no such end."""

    epochs: int = 0
    minutes: float = 0.0
    of: Clock = "all"


def take(length: Length, exp: Path, kept: Path, force: bool) -> Aim:
    """The aim of this call for the experiment ``exp``, noted in the file ``kept``.

    A call that was interrupted has the same aim again, for a ``length`` that is the same.
    """
    begun = not force and (exp / setup.BEGUN).exists()
    finished = begun and (exp / stamp.STAMP).exists()
    said = config.plain(length)
    if begun and not finished and kept.exists():
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found.get("length") == said and "aim" in found:
            return Aim(**found["aim"])
    aim = after(length, so_far(exp, finished)) if begun else after(length, Done())
    stamp.write_text(kept, json.dumps({"length": said, "aim": config.plain(aim)}) + "\n")
    return aim


@dataclass(frozen=True)
class Done:
    """epochs: that are whole. cut: another was cut short by the time. clocks: what they show, in seconds."""

    epochs: int = 0
    cut: bool = False
    clocks: Mapping[str, float] = field(default_factory=dict)


def after(length: Length, done: Done) -> Aim:
    """The aim of the next call. An epoch that was cut short counts as one, as in Kur, though it is gone on with."""
    if length.total:
        return Aim(length.epochs and max(length.epochs, done.epochs), length.minutes, length.clock)
    epochs, spent = done.epochs + done.cut, done.clocks.get(length.clock, 0.0) / 60
    return Aim(length.epochs and epochs + length.epochs, length.minutes and spent + length.minutes, length.clock)


def so_far(exp: Path, finished: bool) -> Done:
    """By the checkpoint, if there is one."""
    if not (exp / LAST).exists():
        return Done()
    state = checkpoint.load(exp / LAST, lazily=True)
    clocks = Clocks()
    clocks.load_state_dict(state.get("clocks", {}))
    return Done(int(state["epoch"]), finished and state["taken"] > 0, clocks.state_dict())


def extend(folder: Path, wanted: Experiment, sources: setup.Sources) -> None:
    """Let what was trained before go on to another number of epochs, where all else is the same.

    The learning rates of Kurfiles depend on the step alone, so the result is that of so many epochs from the start.
    """
    if not (folder / setup.BEGUN).exists():
        return
    sources.check()
    begun, aimed = setup.read_begun(folder), setup.made_from(wanted, sources)
    settings = {**begun.config, "train": {**begun.config.get("train", {}), "epochs": wanted.train.epochs}}
    moved = stamp.Stamp(begun.command, settings, begun.inputs)
    if stamp.differences(begun, aimed) and not stamp.differences(moved, aimed):
        stamp.remove(folder / stamp.STAMP)
        stamp.write_text(folder / setup.BEGUN, json.dumps(moved.as_dict(), indent=1, sort_keys=True) + "\n")
        stamp.write_text(folder / "config.yaml", config.dump(config.plain(wanted)))
