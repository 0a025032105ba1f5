"""The sentences that a language model is estimated from or tried on.

An input is a data directory, whose transcripts are the sentences, or a text file, plain or gzip, one sentence a line;
lines without words are no sentences. A vocabulary normalises them as it does the recogniser's transcripts, and may cut
them into its tokens, the space written ``<space>``.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dstoolkit import stamp
from dstoolkit.data import datadir
from dstoolkit.errors import DataError
from dstoolkit.pipeline.vocabulary import Vocabulary

WORD, TOKEN = "word", "token"
SPACE = "<space>"
RESERVED = frozenset({"<s>", "</s>", "<unk>", "<UNK>"})  # words of a model that stand for no word of a text
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Units:
    """How a text becomes the words of a model: as it stands, normalised, or cut into tokens."""

    vocabulary: Vocabulary | None = None
    unit: str = WORD

    def checked(self, texts: Iterable[tuple[str, str]], where: object) -> Iterable[tuple[str, str]]:
        """The same texts. Raises Faults naming the characters that no token covers, where tokens are wanted."""
        if self.vocabulary is None or self.unit == WORD:
            return texts
        together = dict(texts)
        self.vocabulary.check(together, where)
        return together.items()

    def cut(self, text: str) -> list[str]:
        if self.vocabulary is None:
            return text.split()
        if self.unit == WORD:
            return self.vocabulary.normalize(text).split()
        tokens = self.vocabulary.tokenizer.tokens
        return [SPACE if tokens[each] == " " else tokens[each] for each in self.vocabulary.encode(text)]


def sentences(paths: Iterable[Path], units: Units) -> Iterator[tuple[str, list[str]]]:
    """Where each sentence is, ``corpus.txt:17`` or ``data/train: utterance 'u17'``, and its words.

    Raises DataError or Faults for a file that is no text and for words that models keep for themselves.
    """
    for path in paths:
        texts = _utterances(path) if path.is_dir() else _lines(path)
        for where, text in units.checked(texts, path):
            words = units.cut(text)
            if not RESERVED.isdisjoint(words):
                word = next(each for each in words if each in RESERVED)
                raise DataError(where, f"the word '{word}'", "expected none that models have for other things")
            if words:
                yield where, words


def digests(paths: Iterable[Path]) -> dict[str, str]:
    """For a stamp: of the texts."""
    files = [path / "text" if path.is_dir() else path for path in paths]
    return {f"text {at}": stamp.digest(each) for at, each in enumerate(files, start=1) if each.exists()}


def _utterances(folder: Path) -> Iterator[tuple[str, str]]:
    for utterance, text in datadir.read_text(folder / "text").items():
        yield f"{folder}: utterance '{utterance}'", text


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_bytes(path), start=1):
        try:
            yield f"{path}:{number}", line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            found = f"byte 0x{line[error.start]:02x} at column {error.start + 1}"
            raise DataError(f"{path}:{number}", found, "expected UTF-8 text") from error


def _bytes(path: Path) -> Iterator[bytes]:
    """The lines of a file, plain or gzip."""
    with path.open("rb") as raw:
        compressed = raw.read(len(GZIP)) == GZIP
        raw.seek(0)
        try:
            yield from gzip.GzipFile(fileobj=raw) if compressed else raw
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(path, f"a broken gzip file: {str(error).lower()}", "", "fetch it again") from error
