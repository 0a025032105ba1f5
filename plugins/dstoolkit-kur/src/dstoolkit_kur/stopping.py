"""How long to train: ``train.stop_when``, or the older ``train.epochs``.

Kur's default mode is ``additional``: each call trains so many epochs, and so much time, more. Here that holds of calls
after a training that is done (``aims``); one that was interrupted is gone on with to its own end first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from dstoolkit import config
from dstoolkit_kur.node import Node

ENDLESS = ("inf", "infinite", "infinity", "all")
OPTIONS = ("epochs", "elapsed", "mode")
MODES = ("additional", "total")
Clock = Literal["all", "train", "validate", "batch"]


@dataclass(frozen=True)
class Elapsed:
    """minutes, hours, days: added up. clock: of ``all`` the time of training, of its steps and their data (``train``),
    of its validations (``validate``), or of the steps alone (``batch``)."""

    minutes: float | None = None
    hours: float | None = None
    days: float | None = None
    clock: Clock = "all"

    def __post_init__(self) -> None:
        for name, value in (("minutes", self.minutes), ("hours", self.hours), ("days", self.days)):
            if value is not None and not value >= 0:
                raise ValueError(f"{name} is {value:g}; expected 0 or more")
        if not self.total:
            raise ValueError("no time; expected more than 0 of minutes, hours or days")

    @property
    def total(self) -> float:
        """In minutes."""
        return (self.minutes or 0.0) + 60 * ((self.hours or 0.0) + 24 * (self.days or 0.0))


@dataclass(frozen=True)
class Length:
    """epochs, minutes: so many, whichever end comes first; 0: no such end. clock: whose minutes. total: of all calls
    together, not of each."""

    epochs: int = 0
    minutes: float = 0.0
    clock: Clock = "all"
    total: bool = False

    @property
    def endless(self) -> bool:
        return not (self.epochs or self.minutes)


def read(train: Node) -> Length:
    """Raises ConfigError, Faults, with file and line."""
    when, older = train.get("stop_when"), train.get("epochs")
    if when is not None and when.content is not None:
        _only(when, OPTIONS)
        return _length(when.get("epochs"), when.get("mode"), when.get("elapsed"))
    if older is not None and isinstance(older.content, dict):
        _only(older, ("number", "mode"))
        return _length(older.get("number"), older.get("mode"))
    return _length(older)


def _only(node: Node, known: tuple[str, ...]) -> None:
    if not isinstance(node.content, dict):
        raise node.fault(repr(node.value), f"expected {', '.join(known)}")
    for key, each in node.items():
        if key not in known:
            raise each.fault("no such option", config.nearest(key, known))


def _length(number: Node | None, mode: Node | None = None, elapsed: Node | None = None) -> Length:
    word = "additional" if mode is None or mode.content is None else mode.content
    if mode is not None and word not in MODES:
        raise mode.fault(repr(word), config.nearest(str(word), MODES))
    time = None if _is_endless(elapsed) else _elapsed(elapsed)
    minutes, clock = (0.0, Elapsed.clock) if time is None or math.isinf(time.total) else (time.total, time.clock)
    return Length(_epochs(number), minutes, clock, word == "total")


def _is_endless(node: Node | None) -> bool:
    """Whether nothing is said, or one of the words and numbers for no end."""
    value = None if node is None else node.content
    return value is None or value == math.inf or str(value).lower() in ENDLESS


def _epochs(number: Node | None) -> int:
    if number is None or _is_endless(number):
        return 0
    value = number.content
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise number.fault(repr(number.value), "expected how many epochs, 1 or more, or 'infinite'")
    return value


def _elapsed(node: Node | None) -> Elapsed:
    assert node is not None
    if isinstance(node.content, (int, float)) and not isinstance(node.content, bool):
        return Node({"minutes": node}, node.mark, node.path).build(Elapsed)
    if not isinstance(node.content, dict):
        raise node.fault(repr(node.value), "expected minutes, or {minutes, hours, days, clock}, or 'infinite'")
    return node.build(Elapsed)
