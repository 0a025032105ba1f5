"""The text files of a Kaldi data directory: one parser, which reports every fault with its line and reads on.

A table is UTF-8 lines of fields apart by blanks or tabs, each ending in a line feed, keyed by the first field, no key
twice, sorted by key in C order (by bytes, as ``LC_ALL=C sort`` does; the same as Python's order of strings). Blanks at
a line's end are let pass. Times are in seconds.
See https://kaldi-asr.org/doc/data_prep.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dstoolkit.errors import DataError, DstoolkitError

BLANKS = re.compile("[ \t]+")
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")  # all but the tab
BYTE_ORDER_MARK = "\ufeff"
SHOWN = 60  # characters of a faulty line that an error quotes
FIX_ADVICE = "mend it with 'dstoolkit data fix'"


@dataclass(frozen=True)
class Form:
    """What the lines of a file hold: the kind of their keys, their fields in words, and how many these are.

    ``rest`` says that everything after the key is one value, blanks included.
    """

    key: str
    expected: str
    least: int
    most: int | None = None
    rest: bool = False


FORMS: Mapping[str, Form] = {
    "wav.scp": Form("recording", "<recording> <audio file>", 2, rest=True),
    "feats.scp": Form("utterance", "<utterance> <feature file>", 2, rest=True),
    "segments": Form("utterance", "<utterance> <recording> <start> <end>", 4, 4),
    "text": Form("utterance", "<utterance> <words>", 1),
    "utt2spk": Form("utterance", "<utterance> <speaker>", 2, 2),
    "spk2utt": Form("speaker", "<speaker> <utterances>", 2),
    "utt2dur": Form("utterance", "<utterance> <seconds>", 2, 2),
}


class Row(NamedTuple):
    """One line: its number from 1, its key, and what follows. ``faulty`` rows count as present, with no use else."""

    line: int
    key: str
    value: str
    faulty: bool = False

    @property
    def fields(self) -> list[str]:
        """The value's fields."""
        return BLANKS.split(self.value) if self.value else []


@dataclass
class Table:
    """The rows of one file in the file's order; ``rows`` holds the first row of each key."""

    path: Path
    form: Form
    rows: dict[str, Row] = field(default_factory=dict)
    faults: list[DstoolkitError] = field(default_factory=list)

    def where(self, key: str) -> str:
        """``data/train/text:17``, for errors about a key of this table."""
        return f"{self.path}:{self.rows[key].line}"

    def sound(self) -> Iterator[Row]:
        """The rows without fault."""
        return (row for row in self.rows.values() if not row.faulty)

    def values(self) -> dict[str, str]:
        return {row.key: row.value for row in self.sound()}

    def add(self, line: int, found: str, expected: str = "", advice: str = "") -> None:
        where = f"{self.path}:{line}" if line else self.path
        self.faults.append(DataError(where, found, expected, advice))


def read(path: Path, form: Form | None = None, ordered: bool = True) -> Table:
    """A file as a table; all its faults are in ``table.faults``, none is raised.

    ``form`` defaults to that of the file's name. ``ordered`` False lets pass lines in any order and a last line
    without line feed, for files that people write by hand.
    """
    table = Table(path, form or FORMS[path.name])
    try:
        content = path.read_bytes()
    except OSError as error:
        table.add(0, (error.strerror or str(error)).lower(), f"expected lines of '{table.form.expected}'")
        return table
    if content and not content.endswith(b"\n") and ordered:
        table.add(content.count(b"\n") + 1, "no line feed at the end", "the file may be cut short", FIX_ADVICE)
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    _check_returns(table, lines)
    for number, line in enumerate(lines, start=1):
        _add_row(table, number, line.removesuffix(b"\r"))
    if ordered:
        _check_order(table)
    if not table.rows and not table.faults:
        table.add(0, "an empty file", f"expected lines of '{table.form.expected}'")
    return table


def _check_returns(table: Table, lines: list[bytes]) -> None:
    """One fault for all Windows line ends: they come in every line or in none."""
    returns = [number for number, line in enumerate(lines, start=1) if line.endswith(b"\r")]
    if returns:
        more = f" of this and {len(returns) - 1} more lines" if len(returns) > 1 else " of this line"
        table.add(returns[0], f"a carriage return at the end{more}", "expected a line feed alone", FIX_ADVICE)


def _add_row(table: Table, number: int, line: bytes) -> None:
    text, faults = _decode(line)
    body = text.strip(" \t")
    if not body and not faults:
        table.add(number, "an empty line", f"expected '{table.form.expected}'", FIX_ADVICE)
        return
    if text[:1] in (" ", "\t"):
        faults.append(("blanks at the start", "expected the key first", FIX_ADVICE))
    key, *rest = BLANKS.split(body, maxsplit=1)
    value = rest[0] if rest else ""
    fields = _count_fields(table.form, value)
    if fields < table.form.least or (table.form.most is not None and fields > table.form.most):
        counted = f"{count(fields, 'field')} in {quote(body)}"
        faults.append((counted, f"expected '{table.form.expected}'", ""))
    if key in table.rows:
        first = table.rows[key].line
        table.add(number, f"{table.form.key} {key!r} again", f"expected it once; it is on line {first} too")
    for fault in faults:
        table.add(number, *fault)
    table.rows.setdefault(key, Row(number, key, value, bool(faults)))


def _count_fields(form: Form, value: str) -> int:
    """The key and the fields after it; where any number will do, no more than a few are counted."""
    if not value:
        return 1
    return 2 if form.rest or form.most is None else 1 + len(BLANKS.split(value))


def _decode(line: bytes) -> tuple[str, list[tuple[str, str, str]]]:
    """A line as text, and what is wrong with its characters."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{line[error.start]:02x} at column {error.start + 1}"
        return line.decode("utf-8", errors="replace"), [
            (found, "expected UTF-8 text", "convert the file, say with iconv")
        ]
    if text.startswith(BYTE_ORDER_MARK):
        return text.removeprefix(BYTE_ORDER_MARK), [("a byte order mark", "expected the key first", FIX_ADVICE)]
    control = CONTROL.search(text)
    if control:
        return text, [(f"control character {control[0]!r} in {quote(text)}", "expected text", "")]
    return text, []


def _check_order(table: Table) -> None:
    """One fault for the first line out of order: sorting mends all at once."""
    before = ""
    for row in table.rows.values():
        if row.key < before:
            table.add(row.line, f"{row.key!r} after {before!r}", "expected lines sorted in C order", FIX_ADVICE)
            return
        before = row.key


def quote(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def count(number: int, noun: str) -> str:
    """``1 line``, ``2 lines``."""
    return f"{number} {noun}{'s' * (number != 1)}"


def seconds(text: str) -> float | None:
    """A number of seconds, or None where ``text`` is no finite number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def render(rows: Iterable[tuple[str, str]]) -> str:
    """Keys and values as the sorted text of a file."""
    return "".join(f"{key} {value}".rstrip(" ") + "\n" for key, value in sorted(rows))


def invert(speakers: Mapping[str, str]) -> dict[str, list[str]]:
    """utterance -> speaker as speaker -> sorted utterances: ``utt2spk`` as ``spk2utt``."""
    utterances: dict[str, list[str]] = {}
    for utterance in sorted(speakers):
        utterances.setdefault(speakers[utterance], []).append(utterance)
    return utterances
