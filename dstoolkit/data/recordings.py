"""What the validator finds in the audio of a data directory, and how long utterances are.

Headers alone are opened, in threads (libsndfile runs outside Python's lock), unless decoding is asked for. Times are
in seconds, rates in Hz.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from dstoolkit.data import audio, datadir, tables
from dstoolkit.data.audio import AudioInfo
from dstoolkit.data.validate import DURATION_TOLERANCE, TO_THE_END, Report
from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.interfaces import Utterance

T = TypeVar("T")
THREADS = 8  # more than cores: a header on a network file system is mostly waiting


def examine(report: Report, decode: bool = False, rate: int | None = None, progress: bool = False) -> None:
    """Add to ``report`` the faults and warnings of the audio (or feature files) that its tables name."""
    if report.source not in report.tables:
        return
    table = report.tables[report.source]
    paths = {row.key: datadir.locate(report.folder, row.value) for row in table.sound() if "|" not in row.value}
    if report.source == "feats.scp":
        _check_files(report, paths)
        return
    infos = {}
    for key, found in zip(paths, _each(paths.values(), _opener(decode), progress), strict=True):
        if isinstance(found, DataError):
            report.fault(f"{table.where(key)}: {found.where}", found.found, found.expected, found.advice)
        else:
            infos[key] = found
    _check_rates(report, infos, rate)
    _check_channels(report, infos)
    _check_segments(report, infos)
    _check_durations(report, infos)


def durations(utterances: Iterable[Utterance], progress: bool = False) -> dict[str, float]:
    """Seconds by id: by the segment's times, else by the recording's header. Raises DataError or Faults."""
    utterances = list(utterances)
    opened = sorted({each.path for each in utterances if each.end is None})
    infos = dict(zip(opened, _each(opened, _opener(False), progress), strict=True))
    Faults.check(found for found in infos.values() if isinstance(found, DstoolkitError))
    lengths = {path: found.duration for path, found in infos.items() if isinstance(found, AudioInfo)}
    return {each.id: (lengths[each.path] if each.end is None else each.end) - each.start for each in utterances}


def open_all(paths: Iterable[str], progress: bool = False) -> dict[str, AudioInfo | DataError]:
    """The header of each file, or what is wrong with it."""
    paths = list(dict.fromkeys(paths))
    return dict(zip(paths, _each(paths, _opener(False), progress), strict=True))


def _opener(decode: bool) -> Callable[[str], AudioInfo | DataError]:
    def opened(path: str) -> AudioInfo | DataError:
        try:
            if decode:
                audio.read(path, channel="mix")
            return audio.info(path)
        except DataError as error:
            return error

    return opened


def _each(paths: Iterable[str], do: Callable[[str], T], progress: bool) -> Iterator[T]:
    """``do`` of each path, in order."""
    from tqdm import tqdm

    paths = list(paths)
    with ThreadPoolExecutor(THREADS) as pool:
        yield from tqdm(
            pool.map(do, paths), total=len(paths), desc="recordings", unit="", disable=None if progress else True
        )


def _check_files(report: Report, paths: Mapping[str, str]) -> None:
    """``feats.scp``: the files must be there; what they hold is for the features that read them."""
    table = report.tables["feats.scp"]
    for key, path in paths.items():
        file = path if os.path.exists(path) else datadir.OFFSET.sub("", path)
        if not os.path.isfile(file):
            report.fault(f"{table.where(key)}: {file}", "no such file", "expected a feature file")
        elif os.path.getsize(file) == 0:
            report.fault(f"{table.where(key)}: {file}", "an empty file", "expected features")


def _check_rates(report: Report, infos: Mapping[str, AudioInfo], rate: int | None) -> None:
    """All recordings must have one rate: features of others would mean other frequencies."""
    counts = Counter(found.rate for found in infos.values())
    if not counts:
        return
    wanted = rate or max(counts, key=lambda each: (counts[each], each))
    why = f"{wanted} Hz" if rate else f"{wanted} Hz as in {counts[wanted]} of {len(infos)} recordings"
    for key, found in infos.items():
        if found.rate != wanted:
            where = report.tables["wav.scp"].where(key)
            advice = "resample it, or keep it in another data directory"
            report.fault(where, f"recording {key!r} has {found.rate} Hz", f"expected {why}", advice)


def _check_channels(report: Report, infos: Mapping[str, AudioInfo]) -> None:
    """One warning for all recordings of several channels: whoever extracts features must choose."""
    several = [key for key, found in infos.items() if found.channels > 1]
    if several:
        found = f"{infos[several[0]].channels} channels in recording {several[0]!r}"
        more = f" and more than one in {len(several) - 1} others" if len(several) > 1 else ""
        advice = "choose one, or mix them: 'dstoolkit features extract --channel 0' or '--channel mix'"
        report.warn(report.tables["wav.scp"].where(several[0]), found + more, "", advice)


def _check_segments(report: Report, infos: Mapping[str, AudioInfo]) -> None:
    for utterance, recording, start, end in _segments(report):
        found = infos.get(recording)
        if found and (start >= found.duration or end > found.duration + audio.OVERSHOOT):
            where = report.tables["segments"].where(utterance)
            expected = f"recording {recording!r} lasts {found.duration:.3f} s"
            report.fault(where, f"times '{start:g} {end:g}'", expected)


def _segments(report: Report) -> Iterator[tuple[str, str, float, float]]:
    """The segments whose lines have no fault: utterance, recording, start, end."""
    table = report.tables.get("segments")
    for row in table.sound() if table else ():
        recording, *times = row.fields
        start, end = tables.seconds(times[0]), tables.seconds(times[1])
        if start is not None and end is not None and (0 <= start < end or end == TO_THE_END):
            yield row.key, recording, start, end


def _check_durations(report: Report, infos: Mapping[str, AudioInfo]) -> None:
    """``utt2dur`` against the audio."""
    table = report.tables.get("utt2dur")
    if not table:
        return
    true = {key: found.duration for key, found in infos.items()}
    if "segments" in report.tables:
        true = {
            utterance: (infos[recording].duration if end == TO_THE_END else min(end, infos[recording].duration)) - start
            for utterance, recording, start, end in _segments(report)
            if recording in infos
        }
    for row in table.sound():
        stated = tables.seconds(row.value)
        if stated and row.key in true and abs(stated - true[row.key]) > DURATION_TOLERANCE:
            found = f"duration {row.value} of {row.key!r}"
            advice = "remove the file: it is made anew where needed"
            report.fault(table.where(row.key), found, f"its audio lasts {true[row.key]:.3f} s", advice)
