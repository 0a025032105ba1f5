"""Recordings and transcripts as they come (CSV, TSV, JSON lines, Kaldi directories) as checked utterances.

A manifest names an audio file and a text per row, and where they are known an id, a speaker and the stretch of the
recording in seconds; ``Keys`` says what the columns (keys of JSON lines) are called, others are ignored. A folder is
imported by the one manifest in it; rows with a ``uuid`` and no audio mean ``audio/UUID.*`` beside it. Ids that are not
given are made from file names, after the speaker where one is given, as Kaldi wants them; blanks in ids and speakers
become ``_``. Every fault is reported at once, with the manifest's line.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from dstoolkit.data import audio, datadir, manifests, recordings, validate
from dstoolkit.data.manifests import Record
from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.interfaces import Utterance

AUDIO_FOLDER = "audio"  # beside a manifest
UUID = "uuid"


@dataclass(frozen=True)
class Keys:
    """What the columns of a manifest are called. ``text`` None: there are no transcripts."""

    audio: str = "audio"
    text: str | None = "text"
    id: str = "id"
    speaker: str = "speaker"
    start: str = "start"
    end: str = "end"


@dataclass(frozen=True)
class Imported:
    """Utterances that ``datadir.write`` takes, and their ``durations`` in seconds where audio was opened."""

    utterances: list[Utterance]
    source: str = "wav.scp"
    durations: Mapping[str, float] | None = None


def read(
    source: Path | str,
    keys: Keys | None = None,
    audio_folder: Path | None = None,
    delimiter: str | None = None,
    progress: bool = False,
) -> Imported:
    """A manifest, a folder with one, or a Kaldi data directory, with its audio checked. Raises DataError or Faults."""
    source = Path(source)
    if is_kaldi(source):
        return _kaldi(source, progress)
    manifest = manifests.find(source)
    rows = _Rows(manifest, keys or Keys(), audio_folder or manifest.parent)
    return rows.utterances(manifests.read(manifest, delimiter), progress)


def is_kaldi(source: Path) -> bool:
    """Whether a folder is a Kaldi data directory."""
    return any((source / name).exists() for name in validate.SOURCES)


def _kaldi(folder: Path, progress: bool) -> Imported:
    Faults.check(validate.examine(folder, progress=progress).faults)
    data = datadir.DataDir.read(folder)
    return Imported(data.utterances, data.source, data.durations or None)


@dataclass
class _Rows:
    """The rows of one manifest on their way to utterances."""

    manifest: Path
    keys: Keys
    folder: Path
    faults: list[DstoolkitError] = field(default_factory=list)

    def utterances(self, records: Sequence[Record], progress: bool) -> Imported:
        """All rows, checked together. Raises DataError or Faults."""
        self._check_keys(records)
        Faults.check(self.faults)
        found = [(record, made) for record in records if (made := self._utterance(record))]
        found = self._check_audio(found, progress)
        named = _name(found)
        self._check_ids(named)
        Faults.check(self.faults)
        utterances = [each for _, each in named]
        return Imported(utterances, durations=recordings.durations(utterances))

    def fault(self, record: Record, found: str, expected: str = "", advice: str = "") -> None:
        self.faults.append(DataError(record.where, found, expected, advice))

    def _check_keys(self, records: Sequence[Record]) -> None:
        """Columns that no row has: their names are likely others."""
        have = list(dict.fromkeys(key for record in records for key in record.values))
        asked = {"audio": self.keys.audio, "text": self.keys.text}
        defaults = Keys()
        for option in ("id", "speaker", "start", "end"):
            if getattr(self.keys, option) != getattr(defaults, option):
                asked[option] = getattr(self.keys, option)
        if UUID in have and self.keys.audio == defaults.audio:
            del asked["audio"]
        for option, key in asked.items():
            if key is not None and key not in have:
                advice = f"name it with --{option}" + (", or pass --no-text" if option == "text" else "")
                found = f"no column {key!r} (have: {', '.join(map(str, have))})"
                self.faults.append(DataError(self.manifest, found, "", advice))

    def _utterance(self, record: Record) -> Utterance | None:
        """One row, its id still as given, maybe empty; None where it has a fault."""
        before = len(self.faults)
        path = self._path(record)
        text = self._text(record)
        identity, speaker = (re.sub(r"\s+", "_", self._word(record, key)) for key in (self.keys.id, self.keys.speaker))
        start, end = self._time(record, self.keys.start), self._time(record, self.keys.end)
        if len(self.faults) > before:
            return None
        return Utterance(identity, path, speaker, text, start or 0.0, end)

    def _word(self, record: Record, key: str) -> str:
        value = record.values.get(key)
        if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
            self.fault(record, f"{key} {value!r}", "expected a word")
            return ""
        return "" if value is None else str(value).strip()

    def _text(self, record: Record) -> str | None:
        if self.keys.text is None:
            return None
        value = record.values.get(self.keys.text)
        if not isinstance(value, str):
            found = f"no {self.keys.text}" if value is None else f"{self.keys.text} {value!r}"
            self.fault(record, found, "expected a text")
            return None
        return " ".join(value.split())

    def _time(self, record: Record, key: str) -> float | None:
        value = record.values.get(key)
        if value is None or value == "":
            return None
        number = manifests.seconds(value)
        if number is None or number < 0:
            self.fault(record, f"{key} {value!r}", "expected seconds")
        return number

    def _path(self, record: Record) -> str:
        uuid = self._word(record, UUID)
        given = self._word(record, self.keys.audio)
        if given:
            return self._locate(given)
        if not uuid:
            if record.values.get(self.keys.audio) in (None, ""):
                self.fault(record, f"no {self.keys.audio}", "expected an audio file")
            return ""
        matches = self._by_uuid.get(uuid, [])
        if len(matches) != 1:
            found = f"{len(matches) or 'no'} files 'audio/{uuid}.*'" if matches else f"no file 'audio/{uuid}.*'"
            self.fault(record, found, f"expected one below '{self.folder}'")
            return ""
        return matches[0]

    def _locate(self, given: str) -> str:
        """A path relative to the manifest's folder, its ``audio``, or the current directory, as an absolute one."""
        for base in (self.folder, self.folder / AUDIO_FOLDER):
            if (base / given).exists():
                return os.path.abspath(base / given)
        here = os.path.abspath(given)
        return here if os.path.exists(here) else os.path.abspath(self.folder / given)

    @cached_property
    def _by_uuid(self) -> dict[str, list[str]]:
        """File name without its ending -> files in the audio folder; listed once."""
        folder = self.folder / AUDIO_FOLDER if (self.folder / AUDIO_FOLDER).is_dir() else self.folder
        listed: dict[str, list[str]] = {}
        for each in sorted(folder.iterdir()):
            if each != self.manifest:
                listed.setdefault(each.stem, []).append(os.path.abspath(each))
        return listed

    def _check_audio(self, found: Sequence[tuple[Record, Utterance]], progress: bool) -> list[tuple[Record, Utterance]]:
        """The rows whose audio can be read; faults for the others, for wrong times and for mixed rates."""
        infos = recordings.open_all((each.path for _, each in found), progress)
        rates = Counter(each.rate for each in infos.values() if isinstance(each, audio.AudioInfo))
        kept = []
        for record, each in found:
            info = infos[each.path]
            if isinstance(info, DataError):
                self.fault(record, f"{info.where}: {info.found}", info.expected, info.advice)
                continue
            self._check_row(record, each, info, rates)
            kept.append((record, each))
        return kept

    def _check_row(self, record: Record, each: Utterance, info: audio.AudioInfo, rates: Counter[int]) -> None:
        common = max(rates, key=lambda rate: (rates[rate], rate))
        if info.rate != common:
            expected = f"expected {common} Hz as in {rates[common]} of {sum(rates.values())} files"
            self.fault(record, f"'{each.path}' has {info.rate} Hz", expected, "resample it, or import it apart")
        end = info.duration if each.end is None else each.end
        if end > info.duration + audio.OVERSHOOT or not each.start < min(end, info.duration):
            found = f"the stretch from {each.start:g} to {end:g} s"
            self.fault(record, found, f"expected start < end within the recording's {info.duration:.3f} s")

    def _check_ids(self, named: Sequence[tuple[Record, Utterance]]) -> None:
        first: dict[str, Record] = {}
        for record, each in named:
            before = first.setdefault(each.id, record)
            if before is not record:
                self.fault(record, f"utterance {each.id!r} again", f"expected it once; it is at {before.where} too")


def _name(found: Sequence[tuple[Record, Utterance]]) -> list[tuple[Record, Utterance]]:
    """Ids, speakers and recordings for rows that do not give them."""
    names = _recording_names(sorted({each.path for _, each in found}))
    named = []
    for record, each in found:
        base = names[each.path]
        stretch = each.start > 0 or each.end is not None
        if stretch:
            each = replace(each, recording=base)
        if not each.id:
            prefix = f"{each.speaker}-" if each.speaker and not base.startswith(each.speaker) else ""
            each = replace(each, id=prefix + base + (_stretch_name(each) if stretch else ""))
        named.append((record, replace(each, speaker=each.speaker or each.id)))
    return named


def _stretch_name(each: Utterance) -> str:
    """``-0001500-0003250``: milliseconds, as wide as three hours, so that ids sort by time."""
    end = "end" if each.end is None else f"{round(each.end * 1000):08d}"
    return f"-{round(each.start * 1000):08d}-{end}"


def _recording_names(paths: Sequence[str]) -> dict[str, str]:
    """File names without their endings; where two agree, the folders that tell them apart come before."""
    stems = [Path(path).stem for path in paths]
    if len(set(stems)) < len(stems):
        common = os.path.commonpath([os.path.dirname(path) for path in paths])
        stems = ["-".join(Path(path).relative_to(common).with_suffix("").parts) for path in paths]
    return {path: re.sub(r"\s+", "_", stem) for path, stem in zip(paths, stems, strict=True)}
