"""ARPA files, plain and gzip, read a block at a time.

    \\data\\
    ngram 1=4
    ngram 2=2

    \\1-grams:
    -99 <s> -0.3
    ...
    \\end\\

Words are compared by their bytes, which are UTF-8. What the format leaves open is as KenLM has it: ``<UNK>`` is
``<unk>`` where that is not there; where both are not, unknown words have a log10 probability of -100; a missing backoff
is 0. A file is refused, by its line, where counts, figures or words are not what they should be.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from dstoolkit.decoding import arpa_lines
from dstoolkit.decoding.arpa import UNKNOWN, UNKNOWN_LOG10, Arpa, Level
from dstoolkit.decoding.arpa_lines import BAD, ENDS, LARGEST_FIGURE, MORE, Vocabulary
from dstoolkit.errors import DataError

BLOCK = 1 << 24  # bytes read at once
LONGEST = 1 << 20  # bytes of a line, far beyond any n-gram's
SHOWN = 60  # characters of a faulty line that an error quotes
GZIP = b"\x1f\x8b"
COUNT = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)")
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
OTHER_UNKNOWN = "<UNK>"


class Blocks:
    """A file as blocks that end in line feeds. ``block`` is read up to ``at``, where the line of number ``line`` is."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path, self.stream, self.line, self.at = path, stream, 1, 0
        self.content, self.rest = b"", b""
        self.block = np.zeros(0, dtype=np.uint8)

    def fill(self) -> bool:
        """Whether there is a line to read: of the next block, where this one is done with."""
        if self.at < len(self.content):
            return True
        pieces, end, more = [self.rest], 0, b"\n"
        while more and not end:
            more = self._read()
            end = more.rfind(b"\n") + 1
            pieces.append(more[:end] if end else more)
            if sum(map(len, pieces)) > LONGEST + BLOCK:
                raise self.error(f"a line of more than {LONGEST} bytes", "expected an ARPA file")
        self.content, self.rest, self.at = b"".join(pieces), more[end:], 0
        if self.content and not end:
            self.content += b"\n"  # the last line lacks it
        self.block = np.frombuffer(self.content, dtype=np.uint8)
        return bool(self.content)

    def _read(self) -> bytes:
        try:
            return self.stream.read(BLOCK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(self.path, f"a broken gzip file: {str(error).lower()}", "", "fetch it again") from error

    def peek(self) -> bytes | None:
        """The next line without its end, or None at the file's."""
        if not self.fill():
            return None
        return self.content[self.at : self.content.index(b"\n", self.at)].removesuffix(b"\r")

    def skip(self) -> None:
        """Go past the line that ``peek`` showed."""
        self.at, self.line = self.content.index(b"\n", self.at) + 1, self.line + 1

    def error(self, found: str, expected: str = "", advice: str = "") -> DataError:
        return DataError(f"{self.path}:{self.line}", found, expected, advice)

    def expect(self, wanted: bytes) -> None:
        """Go past blank lines and the line that is ``wanted``. Raises DataError where another comes first."""
        while (line := self.peek()) is not None and not line.strip():
            self.skip()
        if line is None:
            raise self.error("the file ends", f"expected '{wanted.decode()}'", "it may be cut short")
        if line.strip() != wanted:
            raise self.error(quote(line), f"expected '{wanted.decode()}'")
        self.skip()


def quote(line: bytes) -> str:
    text = line.decode("utf-8", errors="replace")
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def read(path: Path | str) -> Arpa:
    """Raises DataError naming the first line that is wrong."""
    path = Path(path)
    with path.open("rb") as raw:
        compressed = raw.read(len(GZIP)) == GZIP
        raw.seek(0)
        if not compressed:
            return _Reader(Blocks(path, raw)).read()
        with gzip.open(raw, "rb") as stream:
            return _Reader(Blocks(path, stream)).read()  # type: ignore[arg-type]


class _Reader:
    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.counts: list[tuple[int, int]] = []  # of each order: the n-grams announced, and the line that does
        self.words: list[str] = []
        self.vocabulary: Vocabulary | None = None

    def read(self) -> Arpa:
        if not self.blocks.fill():
            raise DataError(self.blocks.path, "an empty file", "expected an ARPA language model")
        self._header()
        levels = []
        for order in range(1, len(self.counts) + 1):
            self.blocks.expect(f"\\{order}-grams:".encode())
            levels.append(self._unigrams() if order == 1 else self._ngrams(order))
        self.blocks.expect(b"\\end\\")
        while (line := self.blocks.peek()) is not None:
            if line.strip():
                raise self.blocks.error(quote(line), "expected nothing after '\\end\\'")
            self.blocks.skip()
        return Arpa(self.words, levels, self.blocks.path)

    def _header(self) -> None:
        self.blocks.expect(b"\\data\\")
        while (line := self.blocks.peek()) is not None and line.strip():
            found, order = COUNT.fullmatch(line.strip()), len(self.counts) + 1
            if not found or int(found[1]) != order:
                raise self.blocks.error(quote(line), f"expected 'ngram {order}=' and a count")
            self.counts.append((int(found[2]), self.blocks.line))
            self.blocks.skip()
        if not self.counts:
            raise self.blocks.error("no counts of n-grams", "expected 'ngram 1=' and a count")

    def _level(self, order: int, parse: Callable[[int], tuple[Any, ...]]) -> Level:
        """The lines of a section. ``parse(room)`` reads so many of them at most, from the block's place on."""
        blocks, (announced, header) = self.blocks, self.counts[order - 1]
        pieces, total, first, why = [], 0, blocks.line, MORE
        while why != ENDS and blocks.fill():
            room = min(blocks.content.count(b"\n", blocks.at), announced - total + 1)
            count, blocks.at, why, *arrays = parse(room)
            blocks.line, total = blocks.line + count, total + count
            pieces.append([each[:count].copy() for each in arrays])
            if total > announced:
                expected = f"expected no more than the {announced} of line {header}"
                raise DataError(f"{blocks.path}:{blocks.line - 1}", f"one {order}-gram more", expected)
            if why == BAD:
                raise self._explained(order)
        if total < announced or not pieces:
            found = f"'ngram {order}={announced}', but {total} of them are there"
            raise DataError(f"{blocks.path}:{header}", found, f"'\\{order}-grams:' ends before line {blocks.line}")
        words, probs, backoffs = (np.concatenate(each) for each in zip(*pieces, strict=True))
        return Level(words, probs, None if order == len(self.counts) else backoffs, first)

    def _unigrams(self) -> Level:
        texts: list[bytes] = []
        blocks, highest = self.blocks, len(self.counts) == 1

        def parse(room: int) -> tuple[Any, ...]:
            spans, probs, backoffs = np.empty((room, 2), dtype=np.int64), *_figures(room)
            count, at, why = arpa_lines.read_unigrams(blocks.block, blocks.at, highest, spans, probs, backoffs)
            texts.extend(blocks.content[begin:end] for begin, end in spans[:count].tolist())
            return count, at, why, spans, probs, backoffs

        level = self._level(1, parse)
        places = self._name(texts, level.line)
        level.words = np.arange(len(places), dtype=np.int32)[:, None]
        level.probs = np.where(places < 0, np.float32(UNKNOWN_LOG10), np.append(level.probs, np.float32(0))[places])
        if level.backoffs is not None:
            level.backoffs = np.append(level.backoffs, np.float32(0))[places]
        return level

    def _name(self, texts: list[bytes], line: int) -> Any:
        """Name the words by id, from those of the file; at which place of the file each id is, -1 for nowhere."""
        words = self._decoded(texts, line)
        unknown = next((each for each in (UNKNOWN, OTHER_UNKNOWN) if each in words), None)
        first = words.index(unknown) if unknown else -1
        others = [each for each in range(len(words)) if each != first]
        self.words = [UNKNOWN, *(words[each] for each in others)]
        self.vocabulary = _vocabulary([texts[first] if unknown else UNKNOWN.encode(), *(texts[at] for at in others)])
        return np.array([first, *others])

    def _decoded(self, texts: list[bytes], line: int) -> list[str]:
        words: dict[str, int] = {}
        for at, text in enumerate(texts):
            try:
                word = text.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(f"{self.blocks.path}:{line + at}", quote(text), "expected UTF-8 text") from error
            if words.setdefault(word, at) != at:
                again = f"expected each word once; it is on line {line + words[word]} too"
                raise DataError(f"{self.blocks.path}:{line + at}", f"word {word!r} again", again)
        return list(words)

    def _ngrams(self, order: int) -> Level:
        blocks, highest = self.blocks, len(self.counts) == order

        def parse(room: int) -> tuple[Any, ...]:
            words, probs, backoffs = np.empty((room, order), dtype=np.int32), *_figures(room)
            known = self.vocabulary
            found = arpa_lines.read_ngrams(blocks.block, blocks.at, highest, known, words, probs, backoffs)
            return *found, words, probs, backoffs

        return self._level(order, parse)

    def _explained(self, order: int) -> DataError:
        """What is wrong with the next line, which ``arpa_lines`` found bad."""
        line = self.blocks.peek() or b""
        prob, *fields = re.split(rb"[ \t]+", line.strip(b" \t"))
        words, backoff = fields[:order], fields[order:]
        if len(words) < order or len(backoff) > 1:
            found = f"{_count(len(fields) + 1, 'field')} in {quote(line)}"
            expected = f"expected a log10 probability, {_count(order, 'word')} and maybe a log10 backoff"
            return self.blocks.error(found, expected)
        for text in [prob, *backoff]:
            if not NUMBER.fullmatch(text) or abs(float(text)) > LARGEST_FIGURE:
                return self.blocks.error(f"{quote(text)} in {quote(line)}", "expected a log10 figure")
        if float(prob) > 0:
            return self.blocks.error(f"log10 probability {prob.decode()}", "expected 0 or less")
        if backoff and float(backoff[0]) and order == len(self.counts):
            return self.blocks.error(f"backoff {backoff[0].decode()}", f"expected none for order {order}, the highest")
        known = {word.encode() for word in self.words}
        strange = next((word for word in words if word not in known), b"")
        return self.blocks.error(f"word {quote(strange)}", "expected one of those of '\\1-grams:'")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _figures(room: int) -> tuple[Any, Any]:
    return np.empty(room, dtype=np.float32), np.empty(room, dtype=np.float32)


def _vocabulary(texts: Sequence[bytes]) -> Vocabulary:
    """Of the words by id."""
    sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1
    content = np.frombuffer(b"".join(each + b"\n" for each in texts), dtype=np.uint8)
    found = Vocabulary(content, np.cumsum(sizes) - sizes, np.full(1 << (2 * len(texts)).bit_length(), -1, np.int32))
    arpa_lines.vocabulary_table(*found)
    return found
