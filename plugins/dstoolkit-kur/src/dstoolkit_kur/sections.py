"""Which options the sections ``train``, ``validate``, ``test`` and ``evaluate`` have, all checked before any work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dstoolkit import config
from dstoolkit.errors import ConfigError, DstoolkitError, Faults
from dstoolkit_kur import hooks, losses, model, optimizer, provider, stopping, supplier, weights
from dstoolkit_kur.kurfile import ACTIONS, Kurfile
from dstoolkit_kur.node import Node
from dstoolkit_kur.options import SpeechRecognition

EVERY = ("data", "provider", "weights", "hooks")
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
        lambda: backend(kurfile),
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
    model.build(kurfile, output=loss.output)


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


def backend(kurfile: Kurfile) -> None:
    if kurfile.backend.parallel > 1:
        node = kurfile.settings.get("backend", "parallel")
        raise node.fault("several GPUs are not supported yet from a Kurfile", "expected 1")


def log(train: Node) -> str | None:
    """``train.log``: the folder that ``metrics.jsonl`` is copied into."""
    node = train.get("log")
    if node is None or isinstance(node.content, str):
        return node.content if node is not None else None
    if node.content is None:
        return None
    if not isinstance(node.content, dict):
        raise node.fault(repr(node.value), "expected a folder's path")
    for key, each in node.items():
        if key == "name" and each.content is not None:
            advice = "leave it out: metrics.jsonl has a line of JSON for each epoch"
            raise each.fault(f"the log {each.content!r} is not supported yet", "", advice)
        if key not in ("name", "path"):
            raise each.fault("no such option", config.nearest(key, ("path",)))
    path = node.get("path")
    if path is None or not isinstance(path.content, str):
        raise node.fault("no path", "expected a folder's", at=("path",))
    return path.content
