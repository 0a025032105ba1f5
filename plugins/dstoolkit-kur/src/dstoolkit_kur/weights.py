"""``weights`` and ``checkpoint``: which weights a training begins with, and which are written where.

Files of weights are dstoolkit's, like an experiment's ``best.pt``; the folders that Kur wrote are not read.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstoolkit.errors import ConfigError
from dstoolkit_kur.node import Node


def located(text: str, node: Node) -> Path:
    """A path that ``node`` says, with ``~`` and ``$NAME`` put in; a relative one is relative to its file."""
    return Path(node.mark.file).absolute().parent / os.path.expandvars(os.path.expanduser(text))


@dataclass(frozen=True)
class Weights:
    """initial: to begin with, where it exists, or else must (must_exist). best: where the best ones are written, last:
    where the latest."""

    initial: str | None = None
    must_exist: bool = False
    best: str | None = None
    last: str | None = None


def of_training(section: Node, validate: Node | None) -> Weights:
    """``train.weights``: a path is the initial ones' and, unless ``validate.weights`` says where, the best ones'."""
    node = section.get("weights")
    if node is None or node.content is None:
        return Weights()
    if isinstance(node.content, str):
        return Weights(initial=node.content, best=None if of_validation(validate) else node.content)
    return _mapping(node).build(Weights)


@dataclass(frozen=True)
class Best:
    best: str | None = None


def of_validation(section: Node | None) -> str | None:
    """``validate.weights``: where the best by validation are written."""
    node = section.get("weights") if section is not None else None
    if node is None or isinstance(node.content, str):
        return node.content if node is not None else None
    return _mapping(node).build(Best).best if node.content is not None else None


@dataclass(frozen=True)
class Initial:
    initial: str | None = None


def of_use(section: Node) -> str | None:
    """``test.weights`` and ``evaluate.weights``: the ones to load."""
    node = section.get("weights")
    if node is None or isinstance(node.content, str):
        return node.content if node is not None else None
    return _mapping(node).build(Initial).initial if node.content is not None else None


@dataclass(frozen=True)
class Checkpoint:
    """path: of the file; None: there is none, and the checkpoint is a validation alone.

    epochs, batches, samples, minutes: after so many since the last one it is written, whichever comes first; None: not
    for these, but that of none is said it is each epoch. validation: whether within an epoch the validation data are
    heard, or how many batches of them.
    """

    path: str | None = "checkpoint"
    epochs: int | None = None
    batches: int | None = None
    samples: int | None = None
    minutes: float | None = None
    validation: bool | int | None = None

    def __post_init__(self) -> None:
        for name, value in self.amounts.items():
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} is {value:g}; expected more than 0")
        if self.validation is not None and self.validation < 0:
            raise ValueError(f"validation is {self.validation}; expected yes, no, or how many batches")

    @property
    def amounts(self) -> dict[str, float | None]:
        return {"epochs": self.epochs, "batches": self.batches, "samples": self.samples, "minutes": self.minutes}

    def snapshots(self, batch_size: int) -> dict[str, Any]:
        """The section ``train.snapshots``; in the validation's batches there are so many utterances."""
        never = all(value is None for value in self.amounts.values())
        return {
            "epochs": self.epochs or int(never),
            "steps": self.batches or 0,
            "utterances": self.samples or 0,
            "minutes": self.minutes or 0.0,
            "validation": "all" if self.validation is True else (self.validation or 0) * batch_size,
        }


def checkpoint(section: Node) -> Checkpoint | None:
    """``train.checkpoint``. Raises ConfigError, Faults, with file and line."""
    node = section.get("checkpoint")
    if node is None or node.content is None:
        return None
    return Checkpoint(node.content) if isinstance(node.content, str) else _mapping(node).build(Checkpoint)


def _mapping(node: Node) -> Node:
    if not isinstance(node.content, dict):
        raise node.fault(repr(node.value), "expected a path, or options in lines")
    return node


def check_file(path: Path, node: Node) -> Path:
    """Raises ConfigError for a folder, which is what Kur wrote."""
    if path.is_dir():
        advice = "remove it, or name another path"
        raise ConfigError(node.where(), f"'{path}' is a folder", "expected a file that dstoolkit wrote", advice)
    return path
