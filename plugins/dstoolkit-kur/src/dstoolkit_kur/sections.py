"""Which options the sections ``train``, ``validate``, ``test`` and ``evaluate`` have, all checked before any work."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from typing import Any

from dstoolkit import config
from dstoolkit.errors import ConfigError, DstoolkitError, Faults
from dstoolkit.training import distributed
from dstoolkit_kur import binary_log, hooks, losses, model, optimizer, provider, stopping, supplier, weights
from dstoolkit_kur.kurfile import ACTIONS, Kurfile
from dstoolkit_kur.node import Node
from dstoolkit_kur.observing import Log
from dstoolkit_kur.options import SpeechRecognition

EVERY = ("data", "provider", "weights", "hooks")
LOG, LOGS = ("name", "path", "keep_batch", "rate"), ("binary", "memory")
OPTIONS = {
    "train": (*EVERY, "log", "epochs", "stop_when", "checkpoint", "optimizer"),
    "validate": EVERY,
    "test": EVERY,
    "evaluate": (*EVERY, "destination"),
}


def needed(kurfile: Kurfile, name: str) -> Node:
    """A section that must be there. Raises ConfigError."""
    section = kurfile.section(name)
    if section is None or not section.content:
        raise ConfigError(kurfile.path, f"no section '{name}'", "expected one with 'data'")
    return section


def check(kurfile: Kurfile) -> None:
    """Everything that can be known before the data are. Raises ConfigError, or Faults with all faults at once."""
    train = kurfile.section("train") or Node({}, kurfile.tree.mark, ("train",))
    validate = kurfile.section("validate")
    together(
        lambda: Faults.check(unknown(kurfile)),
        lambda: network(kurfile),
        lambda: optimizer.read(train.get("optimizer")),
        lambda: stopping.read(train),
        lambda: weights.of_training(train, validate),
        lambda: weights.of_validation(validate),
        lambda: weights.checkpoint(train),
        lambda: log(train),
        lambda: losses.check_input(kurfile.layers()),
        lambda: losses.read(kurfile.section("loss"), kurfile.layers(), str(kurfile.path)),
        *(lambda name=name: used(kurfile, name) for name in ACTIONS),
    )


def used(kurfile: Kurfile, name: str) -> None:
    """What the sections have in common."""
    section = kurfile.section(name)
    if section is None:
        return
    readers: list[Callable[[], Any]] = [lambda: hooks.read(section, name)]
    readers.append(lambda: supplier.supplier(section).build(SpeechRecognition))
    readers.append(lambda: provider.read(section))
    if name in ("test", "evaluate"):
        readers += [lambda: weights.of_use(section), lambda: hooks.destination(section)]
    together(*readers)


def network(kurfile: Kurfile) -> None:
    """Whether the layers fit together; nothing is computed, and no memory taken."""
    loss = losses.read(kurfile.section("loss"), kurfile.layers(), str(kurfile.path))
    built = model.build(kurfile, output=loss.output, more=loss.more)
    losses.check_relative(loss, model.described(kurfile.layers()), built.network)


def unknown(kurfile: Kurfile) -> Iterable[DstoolkitError]:
    """Options that no section has."""
    for name in ACTIONS:
        section = kurfile.section(name)
        if section is not None and not isinstance(section.content, (dict, type(None))):
            yield section.fault(repr(section.value), f"expected {', '.join(OPTIONS[name])}")
        for key, each in section.items() if section is not None else ():
            if key not in OPTIONS[name]:
                yield each.fault("no such option", config.nearest(key, OPTIONS[name]))


def together(*readers: Callable[[], Any]) -> None:
    """Calls all; raises the faults of all."""
    faults: list[DstoolkitError] = []
    for read in readers:
        try:
            read()
        except Faults as error:
            faults += error.faults
        except DstoolkitError as error:
            faults.append(error)
    Faults.check(unique(faults))


def unique(faults: Iterable[DstoolkitError]) -> list[DstoolkitError]:
    """Each once, though several readers meet it."""
    return list({str(each): each for each in faults}.values())


def processes(kurfile: Kurfile) -> Iterable[str]:
    """What to run instead, where ``settings.backend.parallel`` asks for another number of devices than there are
    processes. The training is the same by either, for its batches are of all processes together."""
    wanted = kurfile.backend.parallel
    found = int(os.environ["WORLD_SIZE"]) if distributed.several() else 1
    if wanted and wanted != found:
        command = f"dstoolkit train {kurfile.path}"
        command = command if wanted == 1 else f"torchrun --nproc-per-node {wanted} -m {command}"
        where = kurfile.settings.where("backend", "parallel")
        yield f"{where}: asks for {wanted} devices; processes started: {found}; run '{command}'"


def log(train: Node) -> str | None:
    """``train.log``: the folder that the epochs' figures are written into; None: there is none."""
    node = train.get("log")
    if node is None or node.content is None or isinstance(node.content, str):
        return None if node is None else node.content
    if not isinstance(node.content, dict):
        raise node.fault(repr(node.value), "expected a folder's path")
    batches = node.get("keep_batch", default=node).content is True
    Faults.check(each for key, value in node.items() for each in log_faults(key, value, batches))
    path = node.get("path")
    if node.get("name", default=node).content == "memory":  # Kur kept such a log for its hooks alone
        if path is not None and path.content is not None:
            raise path.fault(repr(path.value), "a log 'memory' has no path", "leave it out, or say 'name: binary'")
        return None
    if path is None or not isinstance(path.content, str):
        raise node.fault("no path", "expected a folder's", at=("path",))
    return path.content


def log_faults(key: str, node: Node, batches: bool) -> Iterable[DstoolkitError]:
    value = node.content
    if key not in LOG:
        yield node.fault("no such option", config.nearest(key, LOG))
    elif key == "name" and value not in (None, *LOGS):
        yield node.fault(f"no log {node.value!r}", config.nearest(str(node.value), LOGS))
    elif key == "keep_batch" and value not in (None, True, False):
        yield node.fault(repr(node.value), "expected yes or no")
    elif key == "rate" and value is not None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            yield node.fault(repr(node.value), "expected seconds, 0 or more")
        elif not batches:
            yield node.fault(repr(node.value), "of a log of batches", "say 'keep_batch: yes' with it")


def log_keeper(path: str, node: Node, outputs: tuple[str, ...]) -> Log:
    """What writes the log into the folder ``path``. Raises ConfigError where something is in the way."""
    folder = weights.located(path, node)
    binary_log.check(folder, node.where())
    keep, rate = (node.get(key).value if key in node else None for key in ("keep_batch", "rate"))
    return Log(folder, outputs, binary_log.Batches(folder, outputs, rate) if keep else None)
