"""LibriSpeech: read English books, 16 kHz, and its small sister mini_librispeech.

V. Panayotov et al., "LibriSpeech: an ASR corpus based on public domain audio books", ICASSP 2015. OpenSLR 12 and 31,
CC BY 4.0. A part (``train-clean-100``) holds ``READER/CHAPTER/READER-CHAPTER-NUMBER.flac`` and one
``READER-CHAPTER.trans.txt`` per chapter: lines of an utterance's name and its text, in capitals; ours are lower case.

``size`` chooses the training parts; dev is dev-clean, test is test-clean, and test-other comes as a fourth directory.
mini_librispeech has no test part, so its test is LibriSpeech's test-clean, whose readers it shares with no other part.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dstoolkit.corpora.fetch import download
from dstoolkit.corpora.unpack import unpack
from dstoolkit.errors import DataError, DstoolkitError, Faults, FetchError
from dstoolkit.interfaces import Corpus, Preparation, Utterance

URL = "https://www.openslr.org/resources"

# Part -> OpenSLR's number and MD5, as in www.openslr.org/resources/12/md5sum.txt and /31/md5sum.txt
PARTS = {
    "train-clean-5": (31, "5df7d4e78065366204ca6845bb08f490"),
    "dev-clean-2": (31, "6d7ab67ac6a1d2c993d050e16d61080d"),
    "dev-clean": (12, "42e2234ba48799c1f50f24a7926300a1"),
    "test-clean": (12, "32fa31d27d2e1cad72775fee3f4849a9"),
    "test-other": (12, "fb5a50374b501bb3bac4815ee91d3135"),
    "train-clean-100": (12, "2a93770f6d5c6c964bc36631d331a522"),
    "train-clean-360": (12, "c0e676e450a7ff2f54aeade5171606fa"),
    "train-other-500": (12, "d1a0fd59409feb2c614ce4d30c387708"),
}
FULL = {"dev": ["dev-clean"], "test": ["test-clean"], "test_other": ["test-other"]}
SIZES: dict[str, dict[str, list[str]]] = {
    "mini": {"train": ["train-clean-5"], "dev": ["dev-clean-2"], "test": ["test-clean"]},
    "100": {"train": ["train-clean-100"], **FULL},
    "460": {"train": ["train-clean-100", "train-clean-360"], **FULL},
    "960": {"train": ["train-clean-100", "train-clean-360", "train-other-500"], **FULL},
}


@dataclass(frozen=True)
class LibriSpeechConfig:
    """``size``: hours of training speech, or mini (5 hours).

    ``url``: the address above ``12/test-clean.tar.gz``, OpenSLR's or a mirror's. ``keep``: keep the archives once
    they are unpacked.
    """

    size: Literal["mini", "100", "460", "960", 100, 460, 960] = "mini"  # a number too, as YAML reads one
    url: str = URL
    keep: bool = False


class LibriSpeech(Corpus):
    """Five to 960 hours of read books."""

    name = "librispeech"
    Config = LibriSpeechConfig
    licence = "CC BY 4.0"
    source = "OpenSLR 12 and 31, www.openslr.org/12, www.openslr.org/31"

    def __init__(self, config: LibriSpeechConfig) -> None:
        self.config = config
        self.splits = SIZES[str(config.size)]
        self.parts = [part for parts in self.splits.values() for part in parts]

    def fetch(self, cache: Path) -> Path:
        for part in self.parts:
            if _find(cache, part):
                continue
            number, md5 = PARTS[part]
            archive = download(f"{self.config.url}/{number}/{part}.tar.gz", cache / f"{part}.tar.gz", f"md5:{md5}")
            self._unpack(archive, part, cache)
            if not self.config.keep:
                archive.unlink()
        return cache

    def _unpack(self, archive: Path, part: str, cache: Path) -> None:
        unpack(archive, cache / part)
        if not _find(cache, part):
            raise FetchError(archive, f"holds no LibriSpeech/{part}", "", "remove it and fetch it again")

    def locate(self, folder: Path, cache: Path) -> Path:
        """The folder ``LibriSpeech`` (or one above it) with all parts, or a folder with all parts' archives."""
        absent = [part for part in self.parts if not _find(folder, part)]
        if not absent:
            return folder
        lacking = [part for part in self.parts if not (folder / f"{part}.tar.gz").is_file()]
        if lacking:
            first = lacking[0] if len(lacking) < len(self.parts) else absent[0]
            expected = f"expected all of {', '.join(self.parts)}, unpacked or all as PART.tar.gz"
            raise FetchError(folder, f"no '{first}' here", expected)
        for part in self.parts:
            self._unpack(folder / f"{part}.tar.gz", part, cache)
        return cache

    def prepare(self, folder: Path) -> Preparation:
        faults: list[DstoolkitError] = []
        splits: dict[str, list[Utterance]] = {}
        for split, parts in self.splits.items():
            splits[split] = [each for part in parts for each in _read_part(folder, part, faults)]
        Faults.check(faults)
        return Preparation(splits)


def _find(folder: Path, part: str) -> Path | None:
    """Where a part lies in ``folder``, or None."""
    for place in (folder / part / "LibriSpeech" / part, folder / "LibriSpeech" / part, folder / part):
        if place.is_dir() and any(place.glob("*/*/*.trans.txt")):
            return place
    return None


def _read_part(folder: Path, part: str, faults: list[DstoolkitError]) -> list[Utterance]:
    place = _find(folder, part)
    if not place:
        faults.append(DataError(folder, f"no part '{part}'", f"expected LibriSpeech/{part}/READER/CHAPTER"))
        return []
    return [each for file in sorted(place.glob("*/*/*.trans.txt")) for each in _read_chapter(file, faults)]


def _read_chapter(file: Path, faults: list[DstoolkitError]) -> list[Utterance]:
    """The utterances of one chapter, in its order."""
    reader, folder = file.parent.parent.name, file.parent.resolve()
    recordings = {path.stem for path in folder.glob("*.flac")}
    utterances = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        faults.append(DataError(file, "not UTF-8 text", "", "unpack the part again"))
        return []
    for number, line in enumerate(lines, 1):
        name, _, text = line.partition(" ")
        if name not in recordings or not text.strip():
            why = f"no recording '{name}.flac'" if name not in recordings else f"no text in '{line}'"
            faults.append(DataError(f"{file}:{number}", why, "", "unpack the part again"))
        else:
            utterances.append(Utterance(name, str(folder / f"{name}.flac"), reader, text.strip().lower()))
        recordings.discard(name)
    faults += [DataError(file, f"no text of '{name}.flac'", "", "unpack the part again") for name in sorted(recordings)]
    return utterances
