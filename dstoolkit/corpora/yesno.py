"""Kaldi's yesno: 60 recordings of one man who says eight times "yes" or "no", in Hebrew ("ken", "lo"), at 8 kHz.

OpenSLR 1, Apache-2.0. A file is named after what is said, 1 for yes and 0 for no: ``1_0_0_1_0_1_1_0.wav``. Texts are
Kaldi's, ``yes`` and ``no``, in lower case. The split is Kaldi's too (egs/yesno/s5): of the sorted names the
first 31 are training, the other 29 test; dev is five of the 31, chosen by hash.

In that split each training recording begins with "no" and each of the test's with "yes", so a model that hears the
whole recording learns that the silence it begins with is followed by "no", or even that it is one. Kaldi's models look
at a few frames and cannot. Training therefore has not the recordings but what can be cut from them in their pauses:
their ends, without one first word or more, and each word alone. The first word comes with the silence before it, or
that silence, which no other part has, would be news in the test, and be heard as words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from dstoolkit.corpora import pauses, splitting
from dstoolkit.corpora.unpack import fetched, unpack
from dstoolkit.data import audio
from dstoolkit.errors import DataError, FetchError
from dstoolkit.interfaces import Corpus, Preparation, Utterance

URL = "https://www.openslr.org/resources"
ARCHIVE = "waves_yesno.tar.gz"
CHECKSUM = "sha256:c3f49e0cca421f96b75b41640749167b52118f232498667ca7a5f9416aef8e73"  # as torchaudio's YESNO has it
RECORDINGS, TRAIN, DEV = 60, 31, 5
WORDS = {"1": "yes", "0": "no"}
NAME = re.compile(r"[01](_[01]){7}")
TAILS = (0.1, 0.2, 0.02, 0.0)  # s of the word before, in turn: some recordings begin where a sound dies away
SPEAKER = "global"  # Kaldi's name for him


@dataclass(frozen=True)
class YesNoConfig:
    """``url``: the address above ``1/waves_yesno.tar.gz``; OpenSLR's, or a mirror's. ``ends``: whether training has the
    ends and the words of its recordings in their place."""

    url: str = URL
    ends: bool = True


class YesNo(Corpus):
    """Two words, one speaker: the corpus to see that everything works."""

    name = "yesno"
    Config = YesNoConfig
    licence = "Apache-2.0"
    source = "OpenSLR 1, www.openslr.org/1"

    def __init__(self, config: YesNoConfig) -> None:
        self.url, self.ends = config.url, config.ends

    def fetch(self, cache: Path) -> Path:
        return fetched(f"{self.url}/1/{ARCHIVE}", cache / ARCHIVE, CHECKSUM, cache / self.name)

    def locate(self, folder: Path, cache: Path) -> Path:
        """The folder ``waves_yesno``, one above it, or one with the archive."""
        if not _recordings(folder) and (folder / ARCHIVE).is_file():
            return unpack(folder / ARCHIVE, cache / self.name)
        if not _recordings(folder):
            raise FetchError(folder, "no yesno here", f"expected waves_yesno/0_0_0_0_1_1_1_1.wav or {ARCHIVE}")
        return folder

    def prepare(self, folder: Path) -> Preparation:
        paths = _recordings(folder)
        if len(paths) != RECORDINGS:
            raise DataError(folder, f"{len(paths)} recordings", f"expected {RECORDINGS}, named 0_0_0_0_1_1_1_1.wav")
        utterances = [Utterance(path.stem, str(path.resolve()), SPEAKER, _text(path.stem)) for path in paths]
        training, test = utterances[:TRAIN], utterances[TRAIN:]
        chosen = set(splitting.hashed(each.id for each in training)[:DEV])
        train = [each for each in training if each.id not in chosen]
        dev = [each for each in training if each.id in chosen]
        if not self.ends:
            return Preparation({"train": train, "dev": dev, "test": test})
        cut = [each for whole in train for each in _cut(whole)]
        return Preparation({"train": cut, "dev": dev, "test": test}, [f"train has {len(cut)} parts of {len(train)}"])


def _recordings(folder: Path) -> list[Path]:
    """Sorted by name."""
    for place in (folder, folder / "waves_yesno"):
        found = [path for path in place.glob("*.wav") if NAME.fullmatch(path.stem)]
        if found:
            return sorted(found)
    return []


def _cut(whole: Utterance) -> list[Utterance]:
    """A recording's ends, two words at least, which begin in a pause or with the tail of the word before, and each of
    its words, from the middle of a pause to that of the next; all of it where its pauses cannot be told."""
    words = (whole.text or "").split()
    samples, rate = audio.read(whole.path)
    found = pauses.find(samples, rate, len(words))
    if not found:
        return [whole]
    middles = [(begin + end) / 2 for begin, end in found]
    parts = [replace(whole, id=f"{whole.id}-0w", text=words[0], end=middles[0])]
    for at, ((begin, _), middle, end) in enumerate(zip(found, middles, [*middles[1:], None], strict=True), start=1):
        tail = TAILS[(at - 1) % len(TAILS)]
        if end is not None:
            parts.append(
                replace(whole, id=f"{whole.id}-{at}", text=" ".join(words[at:]), start=begin - tail if tail else middle)
            )
        parts.append(replace(whole, id=f"{whole.id}-{at}w", text=words[at], start=middle, end=end))
    return [replace(each, recording=whole.id) for each in parts]


def _text(name: str) -> str:
    return " ".join(WORDS[digit] for digit in name.split("_"))
