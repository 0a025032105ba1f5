"""Mends what can be mended safely in a Kaldi data directory, and says what it did.

Mended are byte order marks, Windows line ends, blanks, empty lines, repeated lines, order, ``utt2spk`` and ``spk2utt``
made from each other, and utterances or recordings that lack a counterpart in another file, which are dropped and named.
What needs a person's judgement (two different lines for one id, a line with fields too many, bytes that are not UTF-8)
is left as it is. Each changed file is replaced whole, after its original was copied to ``.backup/``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dstoolkit import stamp
from dstoolkit.data import datadir, recordings, tables, validate
from dstoolkit.data.tables import FORMS, count
from dstoolkit.errors import DataError, Faults

BACKUP = ".backup"
NAMED = 10  # dropped ids that are named; the rest are counted

Pair = tuple[str, str]  # a line's key and the rest of it


@dataclass
class Mending:
    """A directory's files as pairs of key and value, changed step by step; ``did`` says what, a line each."""

    folder: Path
    files: dict[str, list[Pair]] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        return next((name for name in validate.SOURCES if name in self.files), validate.SOURCES[0])

    @property
    def primary(self) -> str:
        """The file that says which utterances have audio (or features)."""
        return "segments" if self.source == "wav.scp" and "segments" in self.files else self.source

    def keys(self, name: str) -> set[str]:
        return {key for key, _ in self.files[name]}

    def say(self, name: str, what: str) -> None:
        self.did.append(f"{self.folder / name}: {what}")

    def keep(self, name: str, wanted: Callable[[Pair], bool], why: str) -> None:
        """Drop the lines of a file that are not wanted, naming and counting them."""
        dropped = [key for key, value in self.files[name] if not wanted((key, value))]
        if dropped:
            self.files[name] = [pair for pair in self.files[name] if wanted(pair)]
            self.say(name, f"dropped {count(len(dropped), FORMS[name].key)} {why}: {listing(dropped)}")


def fix(folder: Path | str, drop_bad_audio: bool = False, progress: bool = False) -> list[str]:
    """Mend a data directory in place; what was done, a line each, none where nothing was amiss.

    ``drop_bad_audio`` also drops recordings that are missing or cannot be opened. Faults may remain: run the validator
    afterwards. Raises DataError or Faults, and changes nothing, where a file is not UTF-8 or nothing would remain.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(folder, "no such folder", "expected a Kaldi data directory")
    mending = Mending(folder)
    _read(mending)
    if drop_bad_audio and "wav.scp" in mending.files:
        _drop_bad_audio(mending, progress)
    _add_speakers(mending)
    _drop_unpaired(mending)
    _rebuild_speakers(mending)
    _drop_durations(mending)
    _write(mending)
    return mending.did


def _read(mending: Mending) -> None:
    """All files, cleaned line by line. Raises DataError or Faults."""
    faults = []
    for name in FORMS:
        path = mending.folder / name
        if not path.is_file():
            continue
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            faults += [fault for fault in tables.read(path).faults if "UTF-8" in str(fault)]
            continue
        mending.files[name] = _clean(mending, name, text)
    Faults.check(faults)
    if not any(name in mending.files for name in validate.SOURCES):
        raise DataError(mending.folder, "neither 'wav.scp' nor 'feats.scp'", "expected a Kaldi data directory")


def _clean(mending: Mending, name: str, text: str) -> list[Pair]:
    if text.startswith(tables.BYTE_ORDER_MARK):
        mending.say(name, "removed the byte order mark")
    body, returns = re.subn(r"\r+(?=\n|\Z)", "", text.removeprefix(tables.BYTE_ORDER_MARK))
    if returns:
        mending.say(name, f"removed carriage returns from {count(returns, 'line')}")
    if text and not text.endswith("\n"):
        mending.say(name, "added the last line feed")
    raw = body.removesuffix("\n").split("\n") if body else []
    lines = [tables.BLANKS.sub(" ", line.lstrip(" \t").rstrip(" \t\r"), count=int(FORMS[name].rest)) for line in raw]
    changed = sum(before != after for before, after in zip(raw, lines, strict=True))
    if changed:
        mending.say(name, f"tidied blanks in {count(changed, 'line')}")
    return _sorted(mending, name, [(key, value) for key, _, value in (each.partition(" ") for each in lines)])


def _sorted(mending: Mending, name: str, pairs: list[Pair]) -> list[Pair]:
    """Without empty and repeated lines, by key. Different lines of one key stay, in their order."""
    filled = [pair for pair in pairs if pair[0]]
    if len(filled) < len(pairs):
        mending.say(name, f"removed {count(len(pairs) - len(filled), 'empty line')}")
    unique = list(dict.fromkeys(filled))
    if len(unique) < len(filled):
        mending.say(name, f"removed {count(len(filled) - len(unique), 'repeated line')}")
    ordered = sorted(unique, key=lambda pair: pair[0])
    if ordered != unique:
        mending.say(name, "sorted")
    return ordered


def _drop_bad_audio(mending: Mending, progress: bool) -> None:
    paths = {key: datadir.locate(mending.folder, value) for key, value in mending.files["wav.scp"] if "|" not in value}
    found = recordings.open_all(paths.values(), progress)
    bad = {key for key, path in paths.items() if isinstance(found[path], DataError)}
    mending.keep("wav.scp", lambda pair: pair[0] not in bad, "whose audio cannot be read")


def _add_speakers(mending: Mending) -> None:
    """``utt2spk`` from ``spk2utt``, else every utterance its own speaker, as Kaldi has it for unknown ones."""
    if "utt2spk" in mending.files:
        return
    if "spk2utt" in mending.files:
        pairs = [(utterance, speaker) for speaker, value in mending.files["spk2utt"] for utterance in value.split()]
        mending.say("utt2spk", "made from 'spk2utt'")
    else:
        pairs = [(utterance, utterance) for utterance in mending.keys(mending.primary)]
        mending.say("utt2spk", "made, with every utterance its own speaker")
    mending.files["utt2spk"] = sorted(set(pairs))


def _drop_unpaired(mending: Mending) -> None:
    """Only utterances that every file has remain, and only recordings that a segment uses."""
    files = mending.files
    segmented = mending.primary == "segments"
    if segmented:
        heard = mending.keys("wav.scp")
        mending.keep("segments", lambda pair: _recording(pair) in heard, "whose recording is not in 'wav.scp'")
    named = [name for name in dict.fromkeys(("utt2spk", mending.primary, "text")) if name in files]
    common = set.intersection(*(mending.keys(name) for name in named))
    if not common:
        raise DataError(mending.folder, f"no utterance that {_all_of(named)} share", "", "look at their ids")
    for name in named:
        mending.keep(name, lambda pair: pair[0] in common, "that another file lacks")
    if segmented:
        used = {_recording(pair) for pair in files["segments"]}
        mending.keep("wav.scp", lambda pair: pair[0] in used, "that no segment uses")


def _recording(pair: Pair) -> str:
    return pair[1].split(" ")[0]


def _rebuild_speakers(mending: Mending) -> None:
    speakers = dict(mending.files["utt2spk"])
    if any(not value or " " in value for _, value in mending.files["utt2spk"]):
        return  # a line that the validator will name; what it means, a person must say
    rebuilt = sorted((speaker, " ".join(ids)) for speaker, ids in tables.invert(speakers).items())
    if rebuilt != mending.files.get("spk2utt"):
        mending.files["spk2utt"] = rebuilt
        mending.say("spk2utt", "made anew from 'utt2spk'")


def _drop_durations(mending: Mending) -> None:
    """``utt2dur`` keeps to the utterances; where it lacks some it goes, since it can be made from the audio."""
    if "utt2dur" not in mending.files:
        return
    utterances = mending.keys("utt2spk")
    if utterances - mending.keys("utt2dur"):
        del mending.files["utt2dur"]
        mending.say("utt2dur", "removed: it lacks utterances")
        return
    mending.keep("utt2dur", lambda pair: pair[0] in utterances, "that another file lacks")


def _write(mending: Mending) -> None:
    """Replace what changed, each file whole, its original copied first."""
    for name in FORMS:
        path = mending.folder / name
        old = path.read_bytes() if path.is_file() else None
        new = tables.render(mending.files[name]).encode() if name in mending.files else None
        if old == new:
            continue
        if old is not None:
            (mending.folder / BACKUP).mkdir(exist_ok=True)
            stamp.write_bytes(mending.folder / BACKUP / name, old)
        if new is None:
            os.remove(path)
        else:
            stamp.write_bytes(path, new)


def listing(names: Iterable[str]) -> str:
    """The first names, then a count."""
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _all_of(names: Iterable[str]) -> str:
    *most, last = (f"'{name}'" for name in names)
    return f"{', '.join(most)} and {last}"
