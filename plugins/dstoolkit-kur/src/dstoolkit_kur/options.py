"""The options of the supplier ``speech_recognition``, and which utterances they choose."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from dstoolkit.errors import ConfigError, Faults

if TYPE_CHECKING:
    from dstoolkit_kur.manifest import Entry
    from dstoolkit_kur.node import Node

NAME = "speech_recognition"
DEPTH = 100  # utterances; Kur's default
RANGE = re.compile(r"(?P<first>\d+(\.\d*)?)(?P<dash>-(?P<last>\d+(\.\d*)?)?)?(?P<unit>%)?")
CHECKSUM = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Normal:
    """The option ``normalization``.

    path: the file of the statistics, made where it is not there; None: kept with the prepared data.
    center: each value to mean 0. scale: to variance 1. rotate: along the principal directions of the data, and back.
    depth: of so many utterances, drawn at random.
    """

    path: str | None = None
    center: bool = True
    scale: bool = True
    rotate: bool = True
    depth: int = DEPTH

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ConfigError("depth", str(self.depth), "expected 1 utterance or more")


@dataclass(frozen=True)
class SpeechRecognition:
    """``data: [- speech_recognition: {...}]``; None is the same as not said.

    url: an archive to fetch, into ``path``. path: a folder, or an archive. checksum: its SHA-256, hexadecimal. unpack:
    whether an archive is unpacked. type: ``spec``, a log spectrogram, or ``mfcc``. normalization: its file, or options.
    min_duration, max_duration: seconds; shorter and longer utterances are left out. max_frequency: Hz; higher ones are
    left out. vocab: characters, or a JSON file with a list of them; None: those of the transcripts. samples: which of
    the utterances, ``10``, ``10-20`` or ``10%``. fill: what Kur pads with; padding is hidden here. key: of the
    transcripts in the data's ``.jsonl`` file. bucket: seconds, see ``supplier.Data``. data_cpus: processes that extract
    features; None: all cores but one.
    """

    url: str | None = None
    path: str | None = None
    checksum: str | None = None
    unpack: bool | None = None
    type: Literal["spec", "mfcc"] | None = None
    normalization: str | Normal | None = None
    min_duration: float | None = None
    max_duration: float | None = None
    max_frequency: float | None = None
    vocab: str | tuple[str, ...] | None = None
    samples: int | str | None = None
    fill: Literal["zero", "loop"] | None = None
    key: str = "text"
    bucket: float | None = None
    data_cpus: int | None = None
    normal: Normal = field(init=False, default=Normal())

    def __post_init__(self) -> None:
        said = self.normalization
        object.__setattr__(self, "normal", Normal(path=said) if isinstance(said, str) else said or Normal())
        Faults.check(self._faults())

    def _faults(self) -> Iterator[ConfigError]:
        """What no type says, each at its option."""
        if self.url is None and self.path is None:
            yield ConfigError("path", "neither 'path' nor 'url'", "expected where the data is")
        if self.checksum is not None and not CHECKSUM.fullmatch(self.checksum):
            yield ConfigError("checksum", repr(self.checksum), "expected a SHA-256, 64 hexadecimal digits")
        for name in ("min_duration", "max_duration", "max_frequency", "bucket"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                yield ConfigError(name, f"{value:g}", "expected 0 or more")
        if self.max_duration and self.max_duration < (self.min_duration or 0):
            yield ConfigError("max_duration", f"{self.max_duration:g}", f"min_duration is {self.min_duration:g}")
        if self.data_cpus is not None and self.data_cpus < 1:
            yield ConfigError("data_cpus", str(self.data_cpus), "expected 1 or more")
        if self.samples is not None and not RANGE.fullmatch(str(self.samples)):
            yield ConfigError("samples", repr(self.samples), "expected '10', '10-20', '10-', '10%', '10-20%' or '10-%'")
        if not self.key:
            yield ConfigError("key", "''", "expected the key of the transcripts")

    def select(self, entries: Sequence[Entry], node: Node, seed: int) -> list[Entry]:
        """The utterances within the durations, and of these the ``samples``, in the file's order.

        Raises ConfigError where none is left.
        """
        within = [each for each in entries if self._lasts(each.duration)]
        if not within:
            raise node.fault("every utterance is left out", "", "choose other durations")
        if self.samples is None:
            return within
        start, end = self._range(len(within))
        if start >= end:
            found = f"{self.samples!r} is none of {len(within)} utterances"
            raise node.fault(found, "expected one or more", at=("samples",))
        chosen = set(np.random.RandomState(seed).permutation(len(within))[start:end].tolist())
        return [each for at, each in enumerate(within) if at in chosen]

    def _lasts(self, seconds: float) -> bool:
        return seconds >= (self.min_duration or 0) and seconds <= (self.max_duration or math.inf)

    def _range(self, count: int) -> tuple[int, int]:
        """Places of the permutation, the last excluded."""
        found = RANGE.fullmatch(str(self.samples))
        assert found is not None, "checked when the options were read"
        first, share = float(found["first"]), found["unit"] is not None
        if found["dash"]:
            last = float(found["last"]) if found["last"] else (100.0 if share else float(count))
        else:
            first, last = 0.0, first
        start, end = (int(count * (each / 100)) if share else int(each) for each in (first, last))
        return min(start, count), min(end, count)


def place(node: Node, path: str, *at: str) -> Path:
    """``path`` with ``~`` and ``$NAME`` put in; a relative one is relative to the file that says it."""
    said = node.get(*at)
    if isinstance(said.content, dict):
        said = said.get("path")
    written = os.path.expandvars(os.path.expanduser(path))
    return Path(os.path.normpath(Path(said.mark.file).absolute().parent / written))
