"""From a corpus to data directories: fetch or locate, read, split, check, write, each directory whole or absent.

The stamp of a directory names the corpus, its options, the folder it was read from and a digest of its utterances, so
that a changed corpus is noticed and an unchanged one is not written again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from dstoolkit import config, plugins, stamp
from dstoolkit.data import datadir, recordings
from dstoolkit.errors import ConfigError, DataError, DstoolkitError, Faults
from dstoolkit.interfaces import Corpus, Preparation, Utterance

NEEDED = ("train", "dev", "test")


@dataclass(frozen=True)
class Split:
    """What became of one split. ``minutes`` is None where the recordings were not opened (done before, or features)."""

    folder: Path
    utterances: int
    speakers: int
    minutes: float | None
    done_before: bool

    def __str__(self) -> str:
        counts = f"{_count(self.utterances, 'utterance')}, {_count(self.speakers, 'speaker')}"
        minutes = "" if self.minutes is None else f", {self.minutes:.1f} minutes"
        return f"{self.folder}: {counts}{minutes}" + (": already done" if self.done_before else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def choose(name: str, overrides: Sequence[str]) -> tuple[Corpus, Mapping[str, Any]]:
    """The corpus ``name`` with ``option=value`` overrides, and all its options. Raises PluginError or ConfigError."""
    options = config.load(None, overrides)
    cls, chosen = plugins.choose("corpora", config.Choice(name, options, f"corpus {name}"))
    return cls(chosen), config.plain(chosen)


def find(corpus: Corpus, folder: Path | None, cache: Path) -> Path:
    """The corpus's folder: in the user's ``folder``, or fetched below ``cache``. Raises FetchError."""
    if folder is not None:
        return corpus.locate(folder, cache)
    cache.mkdir(parents=True, exist_ok=True)
    return corpus.fetch(cache)


def prepare(
    corpus: Corpus, options: Mapping[str, Any], folder: Path, out: Path, force: bool = False, progress: bool = False
) -> tuple[list[Split], Sequence[str]]:
    """Write ``out/SPLIT`` for each split of the corpus in ``folder``; what was made, and the corpus's notes.

    Raises DataError, Faults or StampError before anything is written.
    """
    made = corpus.prepare(folder)
    check(corpus, made)
    settings = {"corpus": corpus.name, "options": dict(options), "folder": str(folder.resolve())}
    stamps = {
        split: stamp.Stamp("corpus prepare", settings, {"utterances": _digest(utterances, made.source)})
        for split, utterances in made.splits.items()
    }
    done = {split: stamp.is_done(out / split, stamps[split], force) for split in made.splits}
    durations = {
        split: recordings.durations(utterances, progress)
        for split, utterances in made.splits.items()
        if made.source == "wav.scp" and not done[split]
    }
    for split, utterances in made.splits.items():
        if not done[split]:
            with stamp.building(out / split, stamps[split]) as partial:
                datadir.write(partial, utterances, made.source, durations.get(split))
    return [
        _summary(out / split, made.splits[split], durations.get(split), done[split]) for split in made.splits
    ], made.notes


def _summary(folder: Path, utterances: Sequence[Utterance], durations: Mapping[str, float] | None, done: bool) -> Split:
    minutes = None if durations is None else sum(durations.values()) / 60
    return Split(folder, len(utterances), len({each.speaker for each in utterances}), minutes, done)


def _digest(utterances: Sequence[Utterance], source: str) -> str:
    rows = [source, *sorted(map(astuple, utterances))]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def check(corpus: Corpus, made: Preparation) -> None:
    """What every corpus's preparation must keep to, a plugin's too. Raises DataError or Faults."""
    faults: list[DstoolkitError] = []
    for split in NEEDED:
        if not made.splits.get(split):
            faults.append(DataError(f"corpus '{corpus.name}'", f"no utterances in split '{split}'"))
    counts = Counter(each.id for utterances in made.splits.values() for each in utterances)
    for name, count in counts.items():
        if count > 1:
            faults.append(DataError(f"corpus '{corpus.name}'", f"utterance '{name}' is there {count} times"))
    for split in made.splits:
        if not split or split.startswith(".") or "/" in split:
            faults.append(DataError(f"corpus '{corpus.name}'", f"split '{split}'", "expected a folder's name"))
    Faults.check(faults)


def check_folder(folder: Path) -> None:
    """A --corpus DIR that is there. Raises ConfigError."""
    if not folder.is_dir():
        raise ConfigError("--corpus", f"no folder '{folder}'", "expected the folder that holds the corpus")
