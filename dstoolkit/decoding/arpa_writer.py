"""ARPA files written, plain or gzip: figures with up to seven decimals, tabs where KenLM wants them, a backoff only
where it is not 0. The same model gives the same bytes."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import IO, Any

import numpy as np

from dstoolkit.compiled import in_order, inlined
from dstoolkit.decoding.arpa import Arpa, Level

ROWS = 1 << 16  # n-grams written at once
DECIMALS = 7  # as many as float32 holds of a log10 probability
ONE = 10**DECIMALS
LARGEST = 1e9  # a log10 figure: its digits fit 64 bits
FIGURE = 20  # bytes at most: a sign, 10 digits, a point, 7 decimals
TAB, LINE_FEED, SPACE, MINUS, POINT, ZERO = b"\t\n -.0"


def write(arpa: Arpa, path: Path, compress: bool | None = None) -> None:
    """``compress`` defaults to whether the name ends in ``.gz``."""
    compress = path.name.endswith(".gz") if compress is None else compress
    with path.open("wb") as raw:
        if not compress:
            _write(arpa, raw)
            return
        with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed, io.BufferedWriter(packed, 1 << 20) as stream:
            _write(arpa, stream)


def _write(arpa: Arpa, stream: IO[bytes]) -> None:
    texts = [word.encode() for word in arpa.words]
    sizes = np.array([len(each) for each in texts])
    text, starts = np.frombuffer(b"".join(texts), dtype=np.uint8), np.append(0, np.cumsum(sizes))
    stream.write(b"\\data\\\n")
    for n, level in enumerate(arpa.levels, start=1):
        stream.write(f"ngram {n}={len(level.probs)}\n".encode())
    for n, level in enumerate(arpa.levels, start=1):
        stream.write(f"\n\\{n}-grams:\n".encode())
        for at in range(0, len(level.probs), ROWS):
            stream.write(_lines(level, slice(at, at + ROWS), text, starts, int(sizes.max())))
    stream.write(b"\n\\end\\\n")


def _lines(level: Level, rows: slice, text: Any, starts: Any, longest: int) -> bytes:
    """Of some n-grams of an order; words are ``text[starts[id] : starts[id + 1]]``."""
    words, probs = level.words[rows], level.probs[rows].astype(np.float64)
    backoffs = np.zeros(len(probs)) if level.backoffs is None else level.backoffs[rows].astype(np.float64)
    assert max(np.abs(probs).max(), np.abs(backoffs).max()) < LARGEST
    out = np.empty(len(probs) * (2 * FIGURE + 2 + words.shape[1] * (longest + 1)), dtype=np.uint8)
    return out[: _fill(out, words, probs, backoffs, text, starts)].tobytes()


@in_order
def _fill(out: Any, words: Any, probs: Any, backoffs: Any, text: Any, starts: Any) -> Any:
    """Write lines to ``out``; where they end."""
    end = np.int64(0)
    for row in range(len(probs)):
        end = _figure(out, end, probs[row])
        for place in range(words.shape[1]):
            out[end] = SPACE if place else TAB
            end += 1
            for at in range(starts[words[row, place]], starts[words[row, place] + 1]):
                out[end] = text[at]
                end += 1
        if backoffs[row] != 0.0:
            out[end] = TAB
            end = _figure(out, end + 1, backoffs[row])
        out[end] = LINE_FEED
        end += 1
    return end


@inlined
def _figure(out: Any, end: Any, value: Any) -> Any:
    """Write a number, the zeros at its end left out; where it ends."""
    scaled = np.int64(np.rint(abs(value) * ONE))
    if value < 0 and scaled:
        out[end] = MINUS
        end += 1
    end = _digits(out, end, scaled // ONE, _length(scaled // ONE))
    fraction, length = scaled % ONE, DECIMALS
    while length and fraction % 10 == 0:
        fraction, length = fraction // 10, length - 1
    if length:
        out[end] = POINT
        end = _digits(out, end + 1, fraction, length)
    return end


@inlined
def _length(number: Any) -> Any:
    """The digits of a whole number, 1 of 0."""
    length = 1
    while number >= 10:
        number, length = number // 10, length + 1
    return length


@inlined
def _digits(out: Any, end: Any, number: Any, length: Any) -> Any:
    for at in range(end + length - 1, end - 1, -1):
        out[at] = ZERO + number % 10
        number //= 10
    return end + length
