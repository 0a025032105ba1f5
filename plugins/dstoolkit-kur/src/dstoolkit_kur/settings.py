"""The section ``settings``: variables for all expressions, and ``backend`` and ``seed``, which Kur itself read.

Settings may refer to each other in any order, but not in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dstoolkit import config
from dstoolkit_kur.expressions import Expressions, is_expression
from dstoolkit_kur.node import Node, Path, dotted, lift

NAMES = ("keras", "pytorch")  # Kur's backends
OPTIONS = ("name", "device", "parallel")
NOTED = ("variant", "backend", "optimizer", "theano_flags")  # of Kur and its Keras, without a meaning here
SEEDS = 2**32


class Settings(Mapping[str, Any]):
    """The variables that expressions see: ``given`` ones (``filename``, ``host``), and each setting by its name.

    Values are found when they are asked for.
    """

    def __init__(self, section: Node, expressions: Expressions, given: Mapping[str, Any]) -> None:
        self.section, self.expressions, self.given = section, expressions, given
        self.known: dict[Path, Any] = {}
        self.asked: list[Path] = []

    def __iter__(self) -> Iterator[str]:
        return iter({**dict.fromkeys(self.given), **dict.fromkeys(self.section)})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, key: object) -> bool:
        return key in self.section or key in self.given

    def __getitem__(self, key: str) -> Any:
        return self.lazy(self.section.get(key)) if key in self.section else self.given[key]

    def lazy(self, node: Node) -> Any:
        """The value of a setting; a mapping's parts are evaluated only when they are asked for."""
        if isinstance(node.content, dict):
            return View(self, node)
        if isinstance(node.content, list):
            return [self.lazy(each) for each in node]
        return self.scalar(node) if is_expression(node.content) else node.content

    def scalar(self, node: Node) -> Any:
        if node.path in self.asked:
            chain = [*self.asked[self.asked.index(node.path) :], node.path]
            raise node.fault("a setting that refers to itself", " -> ".join(dotted(path[1:]) for path in chain))
        if node.path not in self.known:
            self.asked.append(node.path)
            try:
                self.known[node.path] = self.expressions.value(node, self)
            finally:
                self.asked.pop()
        return self.known[node.path]

    def evaluated(self, node: Node | None = None) -> Node:
        """The section with all its expressions replaced by their values. Raises ConfigError."""
        node = self.section if node is None else node
        if isinstance(node.content, dict):
            return Node({key: self.evaluated(each) for key, each in node.items()}, node.mark, node.path)
        if isinstance(node.content, list):
            return Node([self.evaluated(each) for each in node], node.mark, node.path)
        return lift(self.scalar(node), node.mark, node.path) if is_expression(node.content) else node


class View(Mapping[str, Any]):
    """A mapping within the settings."""

    def __init__(self, settings: Settings, node: Node) -> None:
        self.settings, self.node = settings, node

    def __iter__(self) -> Iterator[str]:
        return iter(self.node)

    def __len__(self) -> int:
        return len(self.node)

    def __getitem__(self, key: str) -> Any:
        if key not in self.node:
            raise KeyError(key)
        return self.settings.lazy(self.node.get(key))

    def __str__(self) -> str:
        return str(dict(self))


@dataclass(frozen=True)
class Backend:
    """What ``settings.backend`` comes to here.

    device: torch's name of one, ``cpu``, ``cuda`` or ``cuda:1``; empty: not said.
    parallel: how many GPUs; 0: not said.
    notes: what is read and has no meaning here, a line for each.
    """

    device: str = ""
    parallel: int = 0
    notes: tuple[str, ...] = ()


def backend(settings: Node) -> Backend:
    """Raises ConfigError with file and line."""
    section = settings.get("backend")
    if section is None or section.content is None:
        return Backend()
    if isinstance(section.content, str):
        section = Node(
            {"name": Node(section.content, section.mark, (*section.path, "name"))}, section.mark, section.path
        )
    if not isinstance(section.content, dict):
        raise section.fault(repr(section.value), "expected 'name', 'device' and the like")
    notes = [f"{section.where(key)}: no meaning here; the network runs on torch" for key in others(section)]
    return Backend(device(section), parallel(section), tuple(notes))


def others(section: Node) -> Iterator[str]:
    """The options without a meaning here: ``NOTED`` ones, and the backend's name unless that is torch's.

    Raises ConfigError for what is no option.
    """
    name = section.get("name")
    called = "" if name is None or name.content is None else str(name.content).lower()
    if called and called not in NAMES:
        raise name.fault(repr(name.value), config.nearest(called, NAMES))
    for key, each in section.items():
        if key not in (*OPTIONS, *NOTED):
            raise each.fault("no such option", config.nearest(key, (*OPTIONS, *NOTED)))
        if key in NOTED or (key == "name" and called == "keras"):
            yield key


def device(section: Node) -> str:
    node = section.get("device")
    if node is None or node.content is None:
        return ""
    text = str(node.content).lower()
    if text in ("cpu", "gpu"):
        return {"cpu": "cpu", "gpu": "cuda"}[text]
    if text.startswith("gpu") and text[3:].isascii() and text[3:].isdecimal():
        return f"cuda:{int(text[3:])}"
    raise node.fault(repr(node.value), "expected 'cpu', 'gpu', or 'gpu0' and the like")


def parallel(section: Node) -> int:
    node = section.get("parallel")
    if node is None or node.content is None:
        return 0
    if isinstance(node.content, bool) or not isinstance(node.content, int) or node.content < 1:
        raise node.fault(repr(node.value), "expected how many GPUs, 1 or more")
    return node.content


def seed(settings: Node) -> int | None:
    """``settings.seed``, or None. Raises ConfigError. Beyond 32 bits Kur took the rest of a division, and so is it."""
    node = settings.get("seed")
    if node is None or node.content is None:
        return None
    if isinstance(node.content, bool) or not isinstance(node.content, int):
        raise node.fault(repr(node.value), "expected a whole number")
    return node.content % SEEDS
