"""The Asterisk core sounds: a telephone system's prompts, read by one professional voice per language, at 8 kHz.

They come from Debian's packages ``asterisk-core-sounds-LANG-wav`` (the recordings) and ``asterisk-core-sounds-LANG``
(the transcripts), or an installed copy of them; CC-BY-SA 3.0. Transcripts are ``name: text`` lines with ``;`` comments.

Left out and counted: what is not speech (tones, silence, entries that are a bracketed note), recordings without a
transcript, transcripts without a recording, and empty recordings. Notes in brackets are taken out of the other texts.
Texts are normalised: numbers spelled, punctuation removed, lower case. The split is by text and closed-vocabulary; see
``splitting.closed_vocabulary``.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dstoolkit.corpora import debian, splitting
from dstoolkit.corpora.unpack import unpack
from dstoolkit.errors import DataError, DstoolkitError, Faults, FetchError
from dstoolkit.interfaces import Corpus, Preparation, Utterance
from dstoolkit.text.normalize import Normalization

INSTALLED = Path("/usr")
TEST, DEV = 60, 25  # prompts
WAV_HEADER = 44  # bytes; a file no longer than this holds no sound
# What is not speech; some languages' lists describe these in words without brackets
NOT_SPEECH = {
    "ascending-2tone",
    "beep",
    "beeperr",
    "confbridge-join",
    "confbridge-leave",
    "descending-2tone",
    "tt-monkeys",
}
# Said as words, as the recordings of these languages have it; the other lists write the words
SIGNS = {
    "en": str.maketrans({"*": " star ", "#": " pound "}),
    "fr": str.maketrans({"*": " étoile ", "#": " dièse "}),
}
NOTE = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>")


@dataclass(frozen=True)
class PromptsConfig:
    """``lang``: the voice's language. English is complete; the others have a few transcripts missing."""

    lang: Literal["en", "es", "fr", "it", "ru"] = "en"


class Prompts(Corpus):
    """One voice in one of five languages; a corpus of half an hour that apt can fetch."""

    name = "prompts"
    Config = PromptsConfig
    licence = "CC-BY-SA 3.0 (it, ru: CC-BY 3.0)"
    source = "Debian packages asterisk-core-sounds-LANG-wav and asterisk-core-sounds-LANG"
    disjoint_texts = True

    def __init__(self, config: PromptsConfig) -> None:
        self.lang = config.lang
        self.packages = (f"asterisk-core-sounds-{config.lang}-wav", f"asterisk-core-sounds-{config.lang}")

    def fetch(self, cache: Path) -> Path:
        if self._tree(INSTALLED):
            return INSTALLED
        wav, text = self.packages
        advice = (
            f"download {wav} and {text} from Debian's archive and pass --corpus DIR with the .deb files, "
            f"or install them ('apt-get install {wav} {text}')"
        )
        return self._unpacked(debian.download(self.packages, cache, advice), cache)

    def locate(self, folder: Path, cache: Path) -> Path:
        """A folder with the unpacked packages (any folder above ``asterisk/sounds``) or with the ``.deb`` files."""
        if self._tree(folder):
            return folder
        debs = [deb for package in self.packages if (deb := debian.find(folder, package))]
        if len(debs) == len(self.packages):
            return self._unpacked(debs, cache)
        expected = f"expected the .deb files of {' and '.join(self.packages)}, or what they unpack to"
        raise FetchError(folder, f"no Asterisk sounds for language '{self.lang}'", expected)

    def _unpacked(self, debs: list[Path], cache: Path) -> Path:
        for deb in debs:
            unpack(deb, cache / f"prompts-{self.lang}" / deb.stem)
        return cache / f"prompts-{self.lang}"

    def _tree(self, folder: Path) -> tuple[Path, Path] | None:
        """The voice's folder and the list of transcripts, at the usual places below ``folder``; None if not there."""
        bases = [folder, folder / "share", folder / "usr/share", *folder.glob("*/usr/share")]
        voices = [each for base in bases for each in base.glob(f"asterisk/sounds/{self.lang}_*") if each.is_dir()]
        name = f"core-sounds-{self.lang}.txt"
        places = [place for base in bases for place in (base / f"doc/{self.packages[1]}", base)]
        lists = [place / each for place in places for each in (f"{name}.gz", name) if (place / each).is_file()]
        voices = [each for each in sorted(voices) if any(each.glob("*.wav"))]
        return (voices[0], lists[0]) if voices and lists else None

    def prepare(self, folder: Path) -> Preparation:
        tree = self._tree(folder)
        if not tree:
            raise DataError(
                folder, f"no Asterisk sounds for language '{self.lang}'", "expected asterisk/sounds below it"
            )
        voice, transcripts = tree
        left_out: Counter[str] = Counter()
        names: list[str] = []
        utterances = []
        for name, text in _read(transcripts):
            reason = "" if name not in names else "transcript of a name that has one already"
            names.append(name)
            made = reason or self._utterance(voice, name, text)
            if isinstance(made, Utterance):
                utterances.append(made)
            else:
                left_out[made] += 1
        recorded = {path.relative_to(voice).with_suffix("").as_posix() for path in voice.rglob("*.wav")}
        left_out["recording without a transcript"] = len(recorded - set(names))
        if not utterances:
            raise DataError(transcripts, "no transcript of a recording", f"expected 'name: text' for {voice}")
        train, dev, test = splitting.closed_vocabulary(utterances, TEST, DEV)
        notes = [f"left out: {count} x {reason}" for reason, count in sorted(left_out.items()) if count]
        known = {word for each in train for word in (each.text or "").split()}
        open_ = sum(not known.issuperset((each.text or "").split()) for each in dev)
        if len(test) < TEST:
            notes.append(f"test: {len(test)} prompts, not {TEST}; no other has words that training keeps twice")
        if open_:
            notes.append(f"dev: {open_} of {len(dev)} prompts have a word that training lacks")
        return Preparation({"train": train, "dev": dev, "test": test}, notes)

    def _utterance(self, voice: Path, name: str, text: str) -> Utterance | str:
        """The prompt ``name``, or why it is left out."""
        normalised = self._normalise(text)
        if name in NOT_SPEECH or name.startswith("silence/") or not normalised:
            return "not speech (tone, silence, bracketed note)"
        path = voice / f"{name}.wav"
        if not path.is_file():
            return "transcript without a recording"
        if path.stat().st_size <= WAV_HEADER:
            return "empty recording"
        speaker = voice.name.rpartition("_")[2].lower()  # en_US_f_Allison -> allison
        return Utterance(f"{speaker}-{name.replace('/', '-')}", str(path.resolve()), speaker, normalised)

    def _normalise(self, text: str) -> str:
        text = NOTE.sub(" ", text).translate(SIGNS.get(self.lang, {}))
        return Normalization(numbers="spell", language=self.lang).apply(text)


def _read(path: Path) -> list[tuple[str, str]]:
    """``name: text`` lines. Raises DataError."""
    try:
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig").splitlines()
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            path, f"not readable: {error}", "expected UTF-8 text, in gzip if its name ends in .gz"
        ) from error
    entries: list[tuple[str, str]] = []
    faults: list[DstoolkitError] = []
    for number, line in enumerate(lines, 1):
        name, colon, text = line.partition(":")
        if not line.strip() or line.lstrip().startswith(";"):
            continue
        if colon:
            name = name.strip()
            entries.append((name, text.strip().removeprefix(f"{name}:")))  # the Russian list has a name twice
        else:
            faults.append(DataError(f"{path}:{number}", f"no colon in {line!r}", "expected 'name: text'"))
    Faults.check(faults)
    return entries
