"""CTM: NIST's time-marked words, a line each: ``<recording> <channel> <start> <duration> <word> <confidence>``.

Times are in seconds from the start of the recording, to the millisecond; a word's start and duration add up to its
end as written. Lines are to come by recording and time. See the sclite manual of NIST's SCTK; Kaldi's ``get_ctm.sh``
writes the same, recordings in place of utterances where the data directory has ``segments``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TextIO

from dstoolkit.data import tables
from dstoolkit.errors import DataError, Faults
from dstoolkit.interfaces import Word

CHANNEL = "1"  # recordings have one channel, or one of them was chosen when features were extracted


class Place(NamedTuple):
    """Where an utterance is: its recording, and the second at which it begins there. Sorts as CTM's lines do."""

    recording: str
    start: float


def places(folder: Path, utterances: Iterable[str]) -> dict[str, Place]:
    """The place of each utterance of a data directory; without ``segments`` each is a recording of its own.

    Raises DataError or Faults where ``segments`` is faulty or lacks one of them.
    """
    path = folder / "segments"
    if not path.exists():
        return {each: Place(each, 0.0) for each in utterances}
    table = tables.read(path)
    Faults.check(table.faults)
    rows = {row.key: row.fields for row in table.sound()}
    found = {each: rows.get(each) for each in utterances}
    Faults.check(DataError(path, f"no utterance {each!r}") for each, fields in found.items() if fields is None)
    starts = {each: tables.seconds(fields[1]) for each, fields in found.items() if fields}
    Faults.check(
        DataError(table.where(each), f"start {rows[each][1]!r}", "expected seconds")
        for each, start in starts.items()
        if start is None
    )
    return {each: Place(rows[each][0], start) for each, start in starts.items() if start is not None}


def read(path: Path) -> dict[str, list[Word]]:
    """Recording -> its words, of all channels, in order of time. A confidence that is not stated is 1.

    Lines that begin with ``;;`` are comments. Raises DataError or Faults with line numbers.
    """
    words: dict[str, list[Word]] = {}
    faults = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(b";;"):
            continue
        try:
            recording, word = _parse(line.decode("utf-8"))
        except ValueError as error:
            found = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
            expected = "expected '<recording> <channel> <start> <duration> <word> [<confidence>]'"
            faults.append(DataError(f"{path}:{number}", found, expected))
            continue
        words.setdefault(recording, []).append(word)
    Faults.check(faults)
    return {recording: sorted(found, key=lambda each: each.start) for recording, found in words.items()}


def _parse(line: str) -> tuple[str, Word]:
    """Raises ValueError saying what is wrong."""
    fields = line.split()
    if len(fields) not in (5, 6):
        raise ValueError(f"{tables.count(len(fields), 'field')} in {tables.quote(line.strip())}")
    start, length, confidence = (tables.seconds(each) for each in (*fields[2:4], *(fields[5:] or ["1"])))
    if start is None or length is None or confidence is None or start < 0 or length < 0:
        raise ValueError(f"start, duration and confidence in {tables.quote(line.strip())}")
    return fields[0], Word(fields[4], start, start + length, confidence)


class Writer:
    """Writes utterances, given by recording, to an open text file; ``close`` writes the last recording's.

    The lines of a recording are put in order of time: its utterances may overlap.
    """

    def __init__(self, file: TextIO, channel: str = CHANNEL) -> None:
        self.file, self.channel, self.recording = file, channel, ""
        self.lines: list[tuple[int, str]] = []  # start in ms, line

    def add(self, place: Place, words: Iterable[Word]) -> None:
        """An utterance's words, their times from its own start."""
        if place.recording != self.recording:
            self.close()
            self.recording = place.recording
        self.lines += [_line(place, self.channel, word) for word in words]

    def close(self) -> None:
        self.file.writelines(line for _, line in sorted(self.lines, key=lambda each: each[0]))
        self.lines.clear()


def _line(place: Place, channel: str, word: Word) -> tuple[int, str]:
    start, end = (round(1000 * (place.start + each)) for each in (word.start, word.end))
    times = f"{start / 1000:.3f} {(end - start) / 1000:.3f}"
    return start, f"{place.recording} {channel} {times} {word.text} {word.confidence:.3f}\n"
