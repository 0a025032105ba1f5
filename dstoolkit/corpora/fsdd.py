"""The Free Spoken Digit Dataset: single English digits by six speakers, 50 takes of each, at 8 kHz.

Z. Jackson et al., https://github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0. A file is named
``{digit}_{speaker}_{take}.wav``; the text is the digit's name. The official split: takes 0 to 4 are test, the others
training; dev is takes 5 to 7 of it. With ``leave_out`` all 50 takes of that speaker are test, takes 5 to 7 of the other
five are dev, and all else of theirs is training: how well a network hears a voice that it never heard.

The archive of a tag is packed by GitHub when it is asked for, and no checksum is published: the structure is checked
instead, every digit and take of every speaker.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from dstoolkit.corpora.unpack import fetched, unpack
from dstoolkit.errors import ConfigError, DataError, DstoolkitError, Faults, FetchError
from dstoolkit.interfaces import Corpus, Preparation, Utterance

URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags"
VERSION = "v1.0.10"  # six speakers, 3,000 recordings
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TAKES = 50
TEST, DEV = range(0, 5), range(5, 8)  # takes
NAME = re.compile(r"(?P<digit>[0-9])_(?P<speaker>[a-z]+)_(?P<take>[0-9]+)")


@dataclass(frozen=True)
class FsddConfig:
    """``url``: the address above ``v1.0.10.tar.gz``.

    ``leave_out``: the speaker to test on; empty: the official split.
    """

    url: str = URL
    leave_out: str = ""


class Fsdd(Corpus):
    """Ten words, six speakers."""

    name = "fsdd"
    Config = FsddConfig
    licence = "CC BY-SA 4.0"
    source = "github.com/Jakobovski/free-spoken-digit-dataset, tag v1.0.10"

    def __init__(self, config: FsddConfig) -> None:
        self.url, self.left_out = config.url, config.leave_out

    def fetch(self, cache: Path) -> Path:
        archive = cache / f"free-spoken-digit-dataset-{VERSION}.tar.gz"
        return fetched(f"{self.url}/{VERSION}.tar.gz", archive, "", cache / self.name)

    def locate(self, folder: Path, cache: Path) -> Path:
        """A folder with ``recordings``, that folder itself, or one with the archive as GitHub names it."""
        if _recordings(folder):
            return folder
        for archive in sorted(folder.glob("free-spoken-digit-dataset-*")):
            if archive.suffix in (".gz", ".zip") and archive.is_file():
                return unpack(archive, cache / self.name)
        raise FetchError(
            folder, "no FSDD here", "expected recordings/0_george_0.wav, or free-spoken-digit-dataset-*.tar.gz"
        )

    def prepare(self, folder: Path) -> Preparation:
        paths = _recordings(folder)
        if not paths:
            raise DataError(folder, "no recordings", "expected recordings/0_george_0.wav and so on")
        _check(folder, paths)
        splits: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
        for path in paths:
            digit, speaker, take = _parts(path)
            split = self._split(speaker, take)
            name = f"{speaker}-{path.stem}"  # begins with the speaker, as Kaldi's sorting wants it
            splits[split].append(Utterance(name, str(path.resolve()), speaker, DIGITS[digit]))
        if not splits["train"] or not splits["test"]:
            speakers = sorted({_parts(path)[1] for path in paths})
            raise ConfigError(
                "leave_out", f"speaker {self.left_out!r}", f"expected one of several: {', '.join(speakers)}"
            )
        return Preparation(splits)

    def _split(self, speaker: str, take: int) -> str:
        is_test = speaker == self.left_out if self.left_out else take in TEST
        return "test" if is_test else "dev" if take in DEV else "train"


def _recordings(folder: Path) -> list[Path]:
    """Sorted by name."""
    for place in (folder, folder / "recordings", *folder.glob("free-spoken-digit-dataset-*/recordings")):
        found = [path for path in place.glob("*.wav") if NAME.fullmatch(path.stem)]
        if found:
            return sorted(found)
    return []


def _parts(path: Path) -> tuple[int, str, int]:
    found = NAME.fullmatch(path.stem)
    assert found, "_recordings gives such names only"
    return int(found["digit"]), found["speaker"], int(found["take"])


def _check(folder: Path, paths: list[Path]) -> None:
    """Every speaker has every take of every digit. Raises DataError or Faults."""
    takes = defaultdict(set)
    for digit, speaker, take in map(_parts, paths):
        takes[speaker].add((digit, take))
    wanted = {(digit, take) for digit in range(len(DIGITS)) for take in range(TAKES)}
    faults: list[DstoolkitError] = []
    for speaker, found in sorted(takes.items()):
        lacking = sorted(wanted - found)
        if lacking:
            digit, take = lacking[0]
            what = f"{len(lacking)} of {len(wanted)} recordings missing, such as '{digit}_{speaker}_{take}.wav'"
            faults.append(DataError(folder, f"speaker '{speaker}': {what}", "", "fetch it again"))
    Faults.check(faults)
