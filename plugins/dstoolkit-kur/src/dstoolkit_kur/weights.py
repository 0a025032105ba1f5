"""``weights`` and ``checkpoint``: which weights a training begins with, and which are written where.

Files of weights are dstoolkit's, like an experiment's ``best.pt``; the folders that Kur wrote are not read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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
    """path: of the file. epochs: how often it is written."""

    path: str = "checkpoint"
    epochs: int = 1

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}; expected 1 or more")


def checkpoint(section: Node) -> Checkpoint | None:
    """``train.checkpoint``. Raises ConfigError for checkpoints within an epoch, which there are none of yet."""
    node = section.get("checkpoint")
    if node is None or node.content is None:
        return None
    if isinstance(node.content, str):
        return Checkpoint(node.content)
    for key in ("batches", "samples", "minutes"):
        each = node.get(key)
        if each is not None and each.content is not None:
            advice = "the experiment's last.pt is written every ten minutes by itself"
            raise each.fault("checkpoints within an epoch are not supported yet", "expected 'epochs'", advice)
    validation = node.get("validation")
    if validation is not None and validation.content not in (None, False):
        raise validation.fault("validation at checkpoints is not supported yet", "expected 'no'")
    left = ("batches", "samples", "minutes", "validation")
    kept = {key: each for key, each in _mapping(node).items() if key not in left and each.content is not None}
    if "epochs" not in kept:
        raise node.fault("says not how often", "expected 'epochs: 1' or another number")
    return Node(dict(kept), node.mark, node.path).build(Checkpoint)


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
