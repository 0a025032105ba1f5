"""Kaldi data directories, read whole and checked, and written.

A data directory holds ``wav.scp`` (recording -> audio file), ``utt2spk``, ``spk2utt`` and, where known, ``text``,
``utt2dur`` (seconds) and ``segments`` (utterance -> stretch of a recording, in seconds); without ``segments``
utterances are whole recordings. A directory of features computed elsewhere has ``feats.scp`` (utterance -> file or
``file.ark:offset``) in place of ``wav.scp``. A relative path in ``wav.scp`` or ``feats.scp`` is relative to the data
directory where the file exists there, else to the current directory, where Kaldi looks.
See https://kaldi-asr.org/doc/data_prep.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dstoolkit import stamp
from dstoolkit.data import tables, validate
from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.interfaces import Utterance

OFFSET = re.compile(r"(:\d+)?(\[[^\]]*\])?$")  # what follows the file in feats.scp: 'raw.ark:1234[0:9]'


@dataclass(frozen=True)
class DataDir:
    """A checked data directory. ``utterances`` are sorted by id; ``durations`` are those of ``utt2dur``, in seconds."""

    path: Path
    source: str  # "wav.scp" or "feats.scp"
    utterances: list[Utterance]
    durations: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | str) -> DataDir:
        """Read and check a directory's text files; paths come out absolute. Raises DataError or Faults.

        Audio is not opened: ``validate.check`` does that.
        """
        report = validate.structure(Path(path))
        Faults.check(report.faults)
        durations = report.tables["utt2dur"].values() if "utt2dur" in report.tables else {}
        return cls(
            Path(path), report.source, _utterances(report), {key: float(value) for key, value in durations.items()}
        )

    @property
    def texts(self) -> dict[str, str]:
        """id -> text, of the utterances that have one."""
        return {each.id: each.text for each in self.utterances if each.text is not None}

    @property
    def speakers(self) -> dict[str, str]:
        """id -> speaker."""
        return {each.id: each.speaker for each in self.utterances}


def _utterances(report: validate.Report) -> list[Utterance]:
    """The utterances of a directory without faults."""
    columns = {name: table.values() for name, table in report.tables.items()}
    paths = {key: locate(report.folder, value) for key, value in columns[report.source].items()}
    text = columns.get("text", {})
    if report.source == "feats.scp" or "segments" not in columns:
        return [Utterance(key, paths[key], speaker, text.get(key)) for key, speaker in columns["utt2spk"].items()]
    made = []
    for key, speaker in columns["utt2spk"].items():
        recording, start, end = tables.BLANKS.split(columns["segments"][key])
        until = None if float(end) == validate.TO_THE_END else float(end)
        made.append(Utterance(key, paths[recording], speaker, text.get(key), float(start), until, recording))
    return made


def locate(folder: Path, location: str) -> str:
    """What ``wav.scp`` or ``feats.scp`` says as an absolute path, with its ``:offset`` where it has one."""
    if os.path.isabs(location):
        return location
    file = OFFSET.sub("", location)
    base = folder if (folder / location).exists() or (folder / file).exists() else Path.cwd()
    return os.path.abspath(base / location)


def read_text(path: Path | str) -> dict[str, str]:
    """A Kaldi ``text`` file (id, then words, maybe none) -> id -> text, in the file's order.

    Lines may be in any order. Raises DataError or Faults with line numbers, for duplicate ids too.
    """
    table = tables.read(Path(path), tables.FORMS["text"], ordered=False)
    Faults.check(table.faults)
    return table.values()


def write(
    folder: Path | str,
    utterances: Iterable[Utterance],
    source: str = "wav.scp",
    durations: Mapping[str, float] | None = None,
) -> None:
    """Write sorted Kaldi files into an existing folder, each whole. Raises DataError or Faults before writing any.

    ``segments`` is written where any utterance is a stretch or a recording of another name; ``text`` where texts are
    known, for all or for none; ``utt2dur`` where ``durations`` (seconds, by id) are given. Relative
    paths become absolute.
    """
    ordered = sorted(utterances, key=lambda each: each.id)
    Faults.check(_refuse(Path(folder), ordered, source))
    files = _columns(ordered, source)
    if durations is not None:
        files["utt2dur"] = [(each.id, repr(float(durations[each.id]))) for each in ordered]
    for name, rows in files.items():
        stamp.write_text(Path(folder) / name, tables.render(set(rows)))


def _columns(utterances: Sequence[Utterance], source: str) -> dict[str, list[tuple[str, str]]]:
    """File name -> its keys and values."""
    files = {"utt2spk": [(each.id, each.speaker) for each in utterances]}
    inverse = tables.invert(dict(files["utt2spk"]))
    files["spk2utt"] = [(speaker, " ".join(ids)) for speaker, ids in inverse.items()]
    if source == "wav.scp" and any(map(is_segment, utterances)):
        files[source] = [(each.recording or each.id, _absolute(each.path)) for each in utterances]
        files["segments"] = [(each.id, _segment(each)) for each in utterances]
    else:
        files[source] = [(each.id, _absolute(each.path)) for each in utterances]
    texts = [(each.id, each.text) for each in utterances if each.text is not None]
    if texts:
        files["text"] = texts
    return files


def _absolute(path: str) -> str:
    return path if os.path.isabs(path) else os.path.abspath(path)


def is_segment(utterance: Utterance) -> bool:
    """Whether an utterance is more than a whole recording of its own name."""
    return utterance.start != 0 or utterance.end is not None or utterance.recording not in ("", utterance.id)


def _segment(utterance: Utterance) -> str:
    end = "-1" if utterance.end is None else repr(float(utterance.end))
    return f"{utterance.recording or utterance.id} {float(utterance.start)!r} {end}"


def _refuse(folder: Path, utterances: Sequence[Utterance], source: str) -> list[DstoolkitError]:
    """What Kaldi's files cannot hold."""
    faults: list[DstoolkitError] = []
    if source not in validate.SOURCES:
        faults.append(DataError(folder, f"source {source!r}", f"expected one of {', '.join(validate.SOURCES)}"))
    if not utterances:
        faults.append(DataError(folder, "no utterances", "expected at least one"))
    paths: dict[str, str] = {}
    for before, each in zip([None, *utterances], utterances, strict=False):
        where = f"{folder}: utterance {each.id!r}"
        if before is not None and before.id == each.id:
            faults.append(DataError(where, "is there twice", "expected ids to be unique"))
        if paths.setdefault(each.recording or each.id, each.path) != each.path:
            first = paths[each.recording or each.id]
            faults.append(DataError(where, f"recording in '{each.path}'", f"the same recording is in '{first}' too"))
        faults += [DataError(where, *fault) for fault in _unwritable(each)]
    if len({each.text is None for each in utterances}) > 1:
        lacking = next(each.id for each in utterances if each.text is None)
        faults.append(DataError(folder, f"utterance {lacking!r} has no text, others have", "expected all or none"))
    return faults


def _unwritable(utterance: Utterance) -> list[tuple[str, str]]:
    """The fields of one utterance that would not be read as they were written."""
    faults = []
    keys = {"id": utterance.id, "speaker": utterance.speaker}
    if utterance.recording:
        keys["recording"] = utterance.recording
    for name, key in keys.items():
        if not key or tables.BLANKS.search(key) or not _is_line(key):
            faults.append((f"{name} {key!r}", "expected a word without blanks"))
    for name, value in {"path": utterance.path, "text": utterance.text or ""}.items():
        if value != value.strip(" \t") or not _is_line(value) or (name == "path" and not value):
            faults.append((f"{name} {tables.quote(value)}", "expected one line without blanks around it"))
    if utterance.path.endswith("|"):
        faults.append((f"path {tables.quote(utterance.path)}", "expected a file, no pipe"))
    return faults


def _is_line(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate: a file name that is not UTF-8
        return False
    return not (tables.CONTROL.search(text) or text.startswith(tables.BYTE_ORDER_MARK))
