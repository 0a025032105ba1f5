"""An n-gram model as its ARPA file has it: the words, and of every order the n-grams with their log10 figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
UNKNOWN_LOG10 = -100.0  # of <unk> where the file lacks it, as in KenLM


@dataclass
class Level:
    """The n-grams of one order. ``words`` ``(count, order)`` int32 ids; ``probs`` and ``backoffs`` ``(count,)`` log10,
    float32; the highest order has no ``backoffs`` (None). ``line`` is the file's line of the first, 0 where unknown."""

    words: Any
    probs: Any
    backoffs: Any = None
    line: int = 0


@dataclass
class Arpa:
    """``words`` by id, of which 0 is ``<unk>``; ``levels[n - 1]`` holds order n, the unigrams in the order of ids."""

    words: Sequence[str]
    levels: list[Level]
    path: Path | str = "ARPA"
    ids: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ids = {word: at for at, word in enumerate(self.words)}

    @property
    def order(self) -> int:
        return len(self.levels)

    def where(self, order: int, index: int) -> str:
        """``lm.arpa:17``: the line of an n-gram."""
        line = self.levels[order - 1].line
        return f"{self.path}:{line + index}" if line else f"{self.path}: {order}-gram {index + 1}"


def none(order: int, backoffs: bool) -> Level:
    """No n-gram of an order."""
    empty = np.zeros(0, dtype=np.float32)
    return Level(np.zeros((0, order), dtype=np.int32), empty, empty if backoffs else None)
