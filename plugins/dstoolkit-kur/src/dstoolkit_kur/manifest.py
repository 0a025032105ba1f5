"""The ``.jsonl`` file of a data folder: a JSON object a line, with ``uuid``, ``text`` and ``duration_s``.

The utterance's audio is ``audio/UUID.EXT`` beside the file. All its faults are reported at once, each with its line.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstoolkit.data import tables
from dstoolkit.errors import DataError, DstoolkitError, Faults, few

AUDIO = "audio"
ENDINGS = ("wav", "mp3", "flac", "ogg", "oga", "opus", "aiff", "aif", "au", "sph")  # the first that is there
MOST_SECONDS = 1e9  # of an utterance: thirty years


@dataclass(frozen=True)
class Entry:
    """One utterance; ``duration`` in seconds, as the file says."""

    id: str
    text: str
    duration: float
    audio: Path


@dataclass(frozen=True)
class Manifest:
    """The utterances of ``path``, in its order."""

    path: Path
    entries: list[Entry]

    @property
    def total(self) -> int:
        return len(self.entries)


def digest(entries: Iterable[Entry]) -> str:
    """Changes where the utterances, their texts or durations do."""
    rows = [[each.id, each.text, each.duration, str(each.audio)] for each in entries]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def audio_digest(entries: Iterable[Entry]) -> str:
    """Changes where an audio file is another one: by sizes and times, as reading all would take long."""
    found = [each.audio.stat() for each in entries]
    return hashlib.sha256(json.dumps([[each.st_size, each.st_mtime_ns] for each in found]).encode()).hexdigest()


def find(folder: Path, key: str = "text") -> Manifest:
    """The only ``.jsonl`` file of ``folder``, else of the first folder below that has one; read and checked.

    ``key`` is that of the transcripts. Raises DataError or Faults.
    """
    for each in folders(folder):
        found = sorted(path for path in each.glob("*.jsonl") if path.is_file() and not path.name.startswith("."))
        if len(found) > 1:
            names = few([path.name for path in found])
            raise DataError(each, f"{len(found)} '.jsonl' files, {names}", "expected one, of all utterances")
        if found:
            return read(found[0], key)
    raise DataError(folder, "no '.jsonl' file", "expected one, a line for each utterance, beside 'audio'")


def folders(folder: Path) -> Iterator[Path]:
    """The folder and those below it, each before its own."""
    for path, below, _ in os.walk(folder):
        below.sort()
        yield Path(path)


def read(path: Path, key: str = "text") -> Manifest:
    """Raises DataError or Faults, naming every faulty line."""
    reader = Reader(path, key)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                reader.add(number, line)
    if not reader.entries and not reader.faults:
        raise DataError(path, "no utterances", "expected a JSON object a line")
    Faults.check(reader.faults)
    return Manifest(path, reader.entries)


class Reader:
    """Gathers what the lines say, and what is wrong with them."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.audio = path.absolute().parent / AUDIO
        self.there = {each.name for each in self.audio.iterdir()} if self.audio.is_dir() else set()
        self.entries: list[Entry] = []
        self.lines: dict[str, int] = {}
        self.faults: list[DstoolkitError] = []

    def fault(self, number: int, found: str, expected: str = "", advice: str = "") -> None:
        self.faults.append(DataError(f"{self.path}:{number}", found, expected, advice))

    def add(self, number: int, line: bytes) -> None:
        values = self._object(number, line)
        if values is None:
            return
        before = len(self.faults)
        missing = [key for key in ("uuid", self.key, "duration_s") if key not in values]
        if missing:
            self.fault(number, f"no {few(missing)}", "", self._advice(missing, values))
        name, text, duration = values.get("uuid", "-"), values.get(self.key, ""), values.get("duration_s", 1.0)
        self._check(number, text, duration)
        file = self._heard(number, name) if "uuid" in values else None
        if len(self.faults) == before and file is not None:
            self.entries.append(Entry(name, " ".join(text.split()), float(duration), file))

    def _object(self, number: int, line: bytes) -> dict[str, Any] | None:
        try:
            values = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            self.fault(number, "not UTF-8 text")
        except (ValueError, RecursionError) as error:
            shown = tables.quote(line.decode("utf-8").strip())
            self.fault(number, f"not JSON: {str(error).lower()}, in {shown}", "expected an object")
        else:
            if isinstance(values, dict):
                return values
            self.fault(number, tables.quote(json.dumps(values)), 'expected an object, {"uuid": ...}')
        return None

    def _advice(self, missing: list[str], values: dict[str, Any]) -> str:
        return f"it has {few(sorted(values), 6)}" if values else "it is empty"

    def _check(self, number: int, text: Any, duration: Any) -> None:
        """The kinds of the values."""
        if not isinstance(text, str) or not is_line(" ".join(text.split())):
            self.fault(number, f"{self.key} {tables.quote(str(text))}", "expected a transcript")
        numeric = isinstance(duration, (int, float)) and not isinstance(duration, bool)
        if not numeric or not 0 < duration <= MOST_SECONDS:
            self.fault(number, f"duration_s {duration!r}", "expected seconds, more than 0")

    def _heard(self, number: int, name: Any) -> Path | None:
        """The audio file of an utterance that no line before has had."""
        if (
            not isinstance(name, str)
            or not is_line(name)
            or "/" in name
            or len(name.split()) != 1
            or name != name.strip()
        ):
            self.fault(number, f"uuid {name!r}", "expected the name of an audio file, a word without blanks")
            return None
        if name in self.lines:
            self.fault(number, f"uuid {name!r} again", f"expected it once; it is on line {self.lines[name]} too")
            return None
        self.lines[name] = number
        for ending in ENDINGS:
            if f"{name}.{ending}" in self.there:
                return self.audio / f"{name}.{ending}"
        self.fault(number, f"no audio file '{AUDIO}/{name}.*'", f"expected one of {', '.join(ENDINGS)}")
        return None


def is_line(text: str) -> bool:
    """Whether a Kaldi table can hold the text: no control characters, and no lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return not (tables.CONTROL.search(text) or text.startswith(tables.BYTE_ORDER_MARK))
