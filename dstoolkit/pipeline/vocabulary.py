"""A vocabulary: how text is normalised, and the tokenizer that turns it into ids; the folder ``data/tokenizer``.

The folder holds ``vocabulary.yaml`` (both, by their options, with the number of tokens and the digests of the
tokenizer's own files) and those files. A folder altered by hand is refused when it is loaded, because a model trained
with other tokens would write nonsense. A character that no token covers is never dropped in silence: it is counted,
shown and refused, unless ``text.unknown`` is ``drop``, and then still counted and shown where text is read in bulk.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dstoolkit import config, plugins, stamp
from dstoolkit.config import Choice
from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.interfaces import Tokenizer
from dstoolkit.text.normalize import Normalization

FORMAT = 1
FILE = "vocabulary.yaml"
RETRAIN = "train the tokenizer anew"


@dataclass(frozen=True)
class Sections:
    """The sections of a configuration that make a vocabulary."""

    text: Normalization = field(default_factory=Normalization)
    tokenizer: Choice = field(default_factory=lambda: Choice("characters"))

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> Sections:
        """From a whole configuration, the other sections left alone. Raises ConfigError or Faults."""
        return config.build(cls, {key: values[key] for key in ("text", "tokenizer") if key in values}, where)


@dataclass(frozen=True)
class _Contents:
    """``vocabulary.yaml``."""

    format: int = 0
    size: int = 0
    text: Normalization = field(default_factory=Normalization)
    tokenizer: Choice = field(default_factory=lambda: Choice(""))
    files: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unknown:
    """A character that no token covers: how often it occurs, and the first utterance that holds it."""

    character: str
    count: int
    utterance: str

    def __str__(self) -> str:
        name = unicodedata.name(self.character, "unnamed").lower()
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"{self.character!r} (U+{ord(self.character):04X} {name}) occurs {times}, first in '{self.utterance}'"


@dataclass(frozen=True)
class Vocabulary:
    """Normalisation and tokenizer together. ``choice`` is the tokenizer's name and options; picklable."""

    normalization: Normalization
    tokenizer: Tokenizer
    choice: Choice

    @classmethod
    def train(cls, normalization: Normalization, choice: Choice, texts: Iterable[str]) -> Vocabulary:
        """Learn the tokenizer that ``choice`` names from transcripts as they stand (normalised here)."""
        chosen, options = plugins.choose("tokenizers", choice)
        tokenizer = chosen.train(options, [normalization.apply(text) for text in texts])
        return cls(normalization, tokenizer, Choice(choice.name, config.plain(options)))

    @property
    def size(self) -> int:
        """The number of tokens, the blank included."""
        return len(self.tokenizer.tokens)

    def normalize(self, text: str) -> str:
        """The text that ``encode`` turns into ids: normalised, and where ``unknown`` is ``drop``, without those."""
        normalized = self.normalization.apply(text)
        if self.normalization.unknown == "drop" and (strange := set(self.tokenizer.unknown(normalized))):
            normalized = " ".join("".join(each for each in normalized if each not in strange).split())
        return normalized

    def encode(self, text: str) -> list[int]:
        """Token ids of a transcript, normalised here. Raises DataError naming characters that no token covers."""
        return self.tokenizer.encode(self.normalize(text))

    def decode(self, ids: Iterable[int]) -> str:
        """Text of token ids; blanks are skipped, repeats kept. Raises DataError for an id that no token has."""
        return self.tokenizer.decode(ids)

    def unknown(self, texts: Mapping[str, str]) -> list[Unknown]:
        """The characters of transcripts (by utterance id) that no token covers, the most frequent first."""
        counts: dict[str, int] = {}
        first: dict[str, str] = {}
        for utterance, text in texts.items():
            for character in self.tokenizer.unknown(self.normalization.apply(text)):
                counts[character] = counts.get(character, 0) + 1
                first.setdefault(character, utterance)
        ranked = sorted(counts, key=lambda character: (-counts[character], character))
        return [Unknown(character, counts[character], first[character]) for character in ranked]

    def check(self, texts: Mapping[str, str], where: object) -> list[Unknown]:
        """The unknown characters of ``texts``, which are from ``where``; raises Faults unless they may be dropped."""
        found = self.unknown(texts)
        if self.normalization.unknown == "refuse" and found:
            count = "1 character has" if len(found) == 1 else f"{len(found)} characters have"
            advice = "change the text or its normalisation, choose other tokens, or set text.unknown=drop"
            faults: list[DstoolkitError] = [
                DataError(where, f"{count} no token", f"expected only {self._set()}", advice)
            ]
            Faults.check([*faults, *(DataError(where, str(each)) for each in found)])
        return found

    def _set(self) -> str:
        singles = sorted(token for token in self.tokenizer.tokens if len(token) == 1)
        shown = "".join(singles[:60])
        return f"{shown!r}" + (f" and {len(singles) - 60} more" if len(singles) > 60 else "")

    def encode_all(self, texts: Mapping[str, str], where: object) -> dict[str, list[int]]:
        """Token ids by utterance id. Raises Faults naming every character of ``texts`` that no token covers."""
        self.check(texts, where)
        return {utterance: self.encode(text) for utterance, text in texts.items()}

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files and ``vocabulary.yaml`` into an existing, empty folder."""
        self.tokenizer.save(folder)
        contents = {
            "format": FORMAT,
            "size": self.size,
            "text": config.plain(self.normalization),
            "tokenizer": config.plain(self.choice),
            "files": _digests(folder),
        }
        stamp.write_text(folder / FILE, config.dump(contents))

    @classmethod
    def load(cls, folder: Path | str) -> Vocabulary:
        """Read a vocabulary folder. Raises ConfigError, DataError or Faults where it is missing or was altered."""
        folder = Path(folder)
        if not folder.is_dir():
            raise DataError(
                folder, "no such folder", "expected a vocabulary", "make it with 'dstoolkit tokenizer train'"
            )
        path = folder / FILE
        contents = config.build(_Contents, config.load(path), str(path))
        if contents.format != FORMAT:
            raise DataError(path, f"format {contents.format}", f"this dstoolkit reads format {FORMAT}", RETRAIN)
        chosen, options = plugins.choose("tokenizers", contents.tokenizer)
        found = cls(contents.text, chosen.load(options, folder), Choice(contents.tokenizer.name, config.plain(options)))
        if found.size != contents.size:
            raise DataError(folder, f"{found.size} tokens", f"'{FILE}' says {contents.size}", RETRAIN)
        _check_digests(folder, contents.files)
        return found


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    names = {each.relative_to(folder).as_posix(): each for each in files if not each.name.startswith(".")}
    return {name: stamp.digest(each) for name, each in names.items() if name not in (FILE, stamp.STAMP)}


def _check_digests(folder: Path, wanted: Mapping[str, Any]) -> None:
    found = _digests(folder)
    faults: list[DstoolkitError] = []
    for name, digest in wanted.items():
        if name not in found:
            faults.append(DataError(folder / name, "no such file", f"'{FILE}' names it", RETRAIN))
        elif found[name] != digest:
            faults.append(DataError(folder / name, "was altered since it was made", "", RETRAIN))
    Faults.check(faults)
