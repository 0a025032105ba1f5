"""How long to train: ``train.stop_when``, or the older ``train.epochs``.

Kur's default mode is ``additional``: each call trains so many epochs more. Here that holds of calls after a training
that is done; one that was interrupted is gone on with to its own end first.
"""

from __future__ import annotations

from dataclasses import dataclass

from dstoolkit import config
from dstoolkit_kur.node import Node

ENDLESS = ("inf", "infinite", "infinity", "all")
MODES = ("additional", "total")
MANY = 1000  # epochs of a training without an end: a number, since the schedule and the progress want one


@dataclass(frozen=True)
class Length:
    """epochs: so many. endless: none were said, and it is ``MANY``. total: of all calls together, not of each."""

    epochs: int = MANY
    endless: bool = True
    total: bool = False

    def target(self, done: int, finished: bool, aimed: int) -> int:
        """Epochs at the end of this call, after ``done`` of ``aimed``; ``finished``: those were all."""
        if self.total:
            return self.epochs
        return done + self.epochs if finished else aimed or self.epochs


def read(train: Node) -> Length:
    """Raises ConfigError with file and line."""
    when, older = train.get("stop_when"), train.get("epochs")
    if when is not None and when.content is not None:
        _only(when, ("epochs", "elapsed", "mode"))
        elapsed = when.get("elapsed")
        if elapsed is not None and elapsed.content is not None:
            raise elapsed.fault("a limit on time is not supported yet", "expected 'epochs'", "stop it by Ctrl-C")
        return _length(when.get("epochs"), when.get("mode"))
    if older is not None and isinstance(older.content, dict):
        _only(older, ("number", "mode"))
        return _length(older.get("number"), older.get("mode"))
    return _length(older, None)


def _only(node: Node, known: tuple[str, ...]) -> None:
    if not isinstance(node.content, dict):
        raise node.fault(repr(node.value), f"expected {', '.join(known)}")
    for key, each in node.items():
        if key not in known:
            raise each.fault("no such option", config.nearest(key, known))


def _length(number: Node | None, mode: Node | None) -> Length:
    word = "additional" if mode is None or mode.content is None else mode.content
    if mode is not None and word not in MODES:
        raise mode.fault(repr(word), config.nearest(str(word), MODES))
    total = word == "total"
    value = None if number is None else number.content
    if number is None or value is None or value == float("inf") or str(value).lower() in ENDLESS:
        return Length(total=total)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise number.fault(repr(number.value), "expected how many epochs, 1 or more, or 'infinite'")
    return Length(value, False, total)
