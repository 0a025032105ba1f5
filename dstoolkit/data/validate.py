"""The validator of Kaldi data directories: every fault at once, with file and line.

It is stricter than Kaldi's ``validate_data_dir.sh``: a three-column ``utt2spk``, a duplicate id, a recording that no
segment uses, audio that is missing, cut short or of another rate than its fellows all fail here. What may be meant (an
empty transcript, several channels) is a warning. Times are in seconds, rates in Hz.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from dstoolkit.data import tables
from dstoolkit.data.tables import FIX_ADVICE, FORMS, Table
from dstoolkit.errors import DataError, DstoolkitError, Faults

SOURCES = ("wav.scp", "feats.scp")  # the first that is there is what the utterances are made of
REQUIRED = ("utt2spk", "spk2utt")
DURATION_TOLERANCE = 0.1  # seconds that utt2dur may differ: some tools count whole frames
TO_THE_END = -1.0  # a segment's end that means the recording's, as in Kaldi's extract-segments


@dataclass
class Report:
    """What was found in one directory."""

    folder: Path
    tables: dict[str, Table] = field(default_factory=dict)
    faults: list[DstoolkitError] = field(default_factory=list)
    warnings: list[DstoolkitError] = field(default_factory=list)

    @property
    def source(self) -> str:
        """``wav.scp`` or ``feats.scp``; ``wav.scp`` where neither is there."""
        return next((name for name in SOURCES if name in self.tables), SOURCES[0])

    def fault(self, where: object, found: str, expected: str = "", advice: str = "") -> None:
        self.faults.append(DataError(where, found, expected, advice))

    def warn(self, where: object, found: str, expected: str = "", advice: str = "") -> None:
        self.warnings.append(DataError(where, found, expected, advice))


def examine(
    folder: Path | str, audio: bool = True, decode: bool = False, rate: int | None = None, progress: bool = False
) -> Report:
    """All faults and warnings of a data directory; raises none of them.

    ``audio`` opens every recording's header, ``decode`` reads each to its end too. ``rate`` in Hz is the expected one
    (None: that of most recordings). ``progress`` shows a bar on standard error.
    """
    report = structure(Path(folder))
    if audio:
        from dstoolkit.data import recordings

        recordings.examine(report, decode=decode, rate=rate, progress=progress)
    return report


def check(folder: Path | str, audio: bool = True) -> Report:
    """``examine``, but faults are raised, as one DataError or Faults."""
    report = examine(folder, audio=audio)
    Faults.check(report.faults)
    return report


def structure(folder: Path) -> Report:
    """What can be seen without opening audio: the files' lines, and whether their ids agree."""
    report = Report(folder)
    if not folder.is_dir():
        found = "not a folder" if folder.exists() else "no such folder"
        report.fault(folder, found, "expected a Kaldi data directory")
        return report
    for name in FORMS:
        if (folder / name).exists():
            report.tables[name] = tables.read(folder / name)
            report.faults += report.tables[name].faults
    _check_required(report)
    _check_locations(report)
    _check_segments(report)
    _check_ids(report)
    _check_speakers(report)
    _check_durations(report)
    _warn(report)
    return report


def _check_required(report: Report) -> None:
    folder = report.folder
    if not any(name in report.tables for name in SOURCES):
        report.fault(folder, "neither 'wav.scp' nor 'feats.scp'", "expected one: where the utterances' audio is")
    for name in REQUIRED:
        if name not in report.tables:
            report.fault(folder, f"no '{name}'", f"expected lines of '{FORMS[name].expected}'", FIX_ADVICE)
    if "feats.scp" in report.tables and "wav.scp" not in report.tables and "segments" in report.tables:
        report.fault(folder / "segments", "segments of no 'wav.scp'", "expected none: 'feats.scp' names utterances")


def _check_locations(report: Report) -> None:
    """No pipe is ever run: Kaldi's ``sph2pipe ... |`` would let a data file execute anything."""
    for table in (report.tables[name] for name in SOURCES if name in report.tables):
        for row in table.sound():
            if row.value.endswith("|") or row.value.startswith("|"):
                advice = f"convert it first: run the command once, save its output as {row.key}.wav and name that here"
                report.fault(
                    f"{table.path}:{row.line}", f"a pipe, {tables.quote(row.value)}", "expected a file", advice
                )


def _check_segments(report: Report) -> None:
    segments, audio = report.tables.get("segments"), report.tables.get("wav.scp")
    if not segments or not audio:
        return
    used = set()
    for row in segments.rows.values():
        if row.faulty:
            used.update(row.fields[:1])
            continue
        recording, *times = row.fields
        used.add(recording)
        if recording not in audio.rows:
            report.fault(segments.where(row.key), f"recording {recording!r} is not in 'wav.scp'", "", FIX_ADVICE)
        start, end = tables.seconds(times[0]), tables.seconds(times[1])
        if start is None or end is None or start < 0 or (end <= start and end != TO_THE_END):
            expected = "expected seconds with 0 <= start < end, or end -1 for the recording's"
            report.fault(segments.where(row.key), f"times '{times[0]} {times[1]}'", expected)
    for key in audio.rows:
        if key not in used:
            report.fault(audio.where(key), f"recording {key!r} is not in 'segments'", "", FIX_ADVICE)


def _check_ids(report: Report) -> None:
    """Every file keyed by utterance must name the same ones; ``utt2spk`` is what the others are held against."""
    primary = report.tables.get("segments" if report.source == "wav.scp" else "") or report.tables.get(report.source)
    named = [report.tables.get("utt2spk"), primary, report.tables.get("text"), report.tables.get("utt2dur")]
    present = [table for table in named if table]
    for other in present[1:]:
        _compare(report, present[0], other)
        _compare(report, other, present[0])


def _compare(report: Report, left: Table, right: Table) -> None:
    """A fault for each utterance of ``left`` that ``right`` lacks."""
    for key in left.rows:
        if key not in right.rows:
            report.fault(left.where(key), f"utterance {key!r} is not in '{right.path.name}'", "", FIX_ADVICE)


def _check_speakers(report: Report) -> None:
    """``spk2utt`` must be ``utt2spk`` turned round."""
    forward, backward = report.tables.get("utt2spk"), report.tables.get("spk2utt")
    if not forward or not backward:
        return
    listed: Counter[tuple[str, str]] = Counter()
    for row in backward.sound():
        for utterance in row.fields:
            listed[row.key, utterance] += 1
            _check_listed(report, row.key, utterance, listed[row.key, utterance])
    for row in forward.sound():
        if (row.value, row.key) not in listed and not _is_faulty(backward, row.value):
            found = f"utterance {row.key!r} of speaker {row.value!r} is not in 'spk2utt'"
            report.fault(forward.where(row.key), found, "", FIX_ADVICE)


def _is_faulty(table: Table, key: str) -> bool:
    return key in table.rows and table.rows[key].faulty


def _check_listed(report: Report, speaker: str, utterance: str, times: int) -> None:
    """One utterance in a line of ``spk2utt``."""
    forward, where = report.tables["utt2spk"], report.tables["spk2utt"].where(speaker)
    if times == 2:
        report.fault(where, f"utterance {utterance!r} twice", "expected it once", FIX_ADVICE)
    row = forward.rows.get(utterance)
    if row is None:
        report.fault(where, f"utterance {utterance!r} is not in 'utt2spk'", "", FIX_ADVICE)
    elif not row.faulty and row.value != speaker:
        report.fault(where, f"utterance {utterance!r}", f"'utt2spk' gives it to speaker {row.value!r}", FIX_ADVICE)


def _check_durations(report: Report) -> None:
    table = report.tables.get("utt2dur")
    if not table:
        return
    for row in table.sound():
        value = tables.seconds(row.value)
        if value is None or value <= 0:
            report.fault(f"{table.path}:{row.line}", f"duration {row.value!r}", "expected seconds above 0")


def _warn(report: Report) -> None:
    """What may be meant."""
    text, forward = report.tables.get("text"), report.tables.get("utt2spk")
    empty = [row for row in text.sound() if not row.value] if text else []
    for row in empty:
        report.warn(f"{report.folder / 'text'}:{row.line}", f"utterance {row.key!r} has an empty text")
    if all(name in report.tables for name in SOURCES):
        report.warn(report.folder / "feats.scp", "not used: 'wav.scp' is there too", "", "keep the one you mean")
    speakers = [row.value for row in forward.sound()] if forward else []
    if forward and not forward.faults and speakers != sorted(speakers):
        found, advice = "utterances sorted by id are not sorted by speaker", "Kaldi's tools ask for that, dstoolkit not"
        report.warn(forward.path, found, advice, "begin utterance ids with the speaker's where you need both")
