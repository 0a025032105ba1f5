"""Data directories made of others: subsets, combinations and splits, all deterministic.

Random order is that of the SHA-256 of seed and id, so that it depends on neither the Python version nor on what else
is in the directory: an utterance keeps its place among the others when some are added. Times are in seconds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from dstoolkit.data import recordings, tables
from dstoolkit.data.datadir import DataDir
from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.interfaces import Utterance

SECONDS_PER_HOUR = 3600
REST = "rest"
IDS = tables.Form("utterance", "<utterance>", 1)

Take = Literal["first", "shortest", "random"]
By = Literal["speaker", "utterance", "text"]


@dataclass(frozen=True)
class Selection:
    """Which utterances a subset takes: of these ``ids`` and ``speakers`` (None: all), so many or so long.

    ``take`` is the order in which they are taken: by id, by duration, or random by ``seed``.
    """

    num: int | None = None
    hours: float | None = None
    ids: Path | None = None
    speakers: Sequence[str] | None = None
    take: Take = "first"
    seed: int = 0


def durations(data: DataDir) -> dict[str, float]:
    """Seconds by id, from ``utt2dur`` where it is there, else segments and audio. Raises DataError or Faults."""
    if data.durations:
        return data.durations
    if data.source == "feats.scp":
        raise DataError(data.path, "no 'utt2dur'", "expected one: feature files do not say how long they last")
    return recordings.durations(data.utterances)


def rank(seed: int, key: str) -> str:
    """What random order sorts by."""
    return hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()


def subset(data: DataDir, selection: Selection) -> list[Utterance]:
    """The utterances of ``data`` that ``selection`` takes, by id. Raises DataError or Faults where it has too few."""
    chosen = _among(data, selection)
    if selection.take == "random":
        chosen.sort(key=lambda each: rank(selection.seed, each.id))
    if selection.take == "shortest":
        seconds = durations(data)
        chosen.sort(key=lambda each: (seconds[each.id], each.id))
    if selection.num is not None:
        if not 0 < selection.num <= len(chosen):
            raise DataError(data.path, f"{selection.num} utterances asked for", f"expected 1 to {len(chosen)}")
        chosen = chosen[: selection.num]
    if selection.hours is not None:
        chosen = _within(data, chosen, selection.hours)
    return sorted(chosen, key=lambda each: each.id)


def _among(data: DataDir, selection: Selection) -> list[Utterance]:
    """The utterances that have one of the ids and one of the speakers."""
    chosen = list(data.utterances)
    faults: list[DstoolkitError] = []
    if selection.ids is not None:
        table = tables.read(selection.ids, IDS, ordered=False)
        known = data.speakers
        faults += table.faults
        for key in table.rows:
            if key not in known:
                faults.append(DataError(table.where(key), f"utterance {key!r} is not in '{data.path}'"))
        chosen = [each for each in chosen if each.id in table.rows]
    if selection.speakers is not None:
        have = sorted(set(data.speakers.values()))
        for speaker in selection.speakers:
            if speaker not in have:
                shown = ", ".join(have[:10]) + (", ..." if len(have) > 10 else "")
                faults.append(DataError(data.path, f"no speaker {speaker!r}", f"expected one of {shown}"))
        chosen = [each for each in chosen if each.speaker in selection.speakers]
    Faults.check(faults)
    if not chosen:
        raise DataError(data.path, "no utterance is of these ids and these speakers")
    return chosen


def _within(data: DataDir, chosen: Sequence[Utterance], hours: float) -> list[Utterance]:
    """The longest beginning of ``chosen`` that lasts no more than ``hours``."""
    seconds = durations(data)
    total = sum(seconds[each.id] for each in chosen)
    if not 0 < hours * SECONDS_PER_HOUR <= total:
        raise DataError(data.path, f"{hours:g} hours asked for", f"expected at most {total / SECONDS_PER_HOUR:.4f}")
    taken: list[Utterance] = []
    left = hours * SECONDS_PER_HOUR
    for each in chosen:
        left -= seconds[each.id]
        if left < 0:
            break
        taken.append(each)
    if not taken:
        raise DataError(data.path, f"{hours:g} hours asked for", "that is less than the first utterance's")
    return taken


def prefixes(paths: Sequence[Path]) -> list[str]:
    """A prefix per directory: its name, and as much of the path before it as tells them apart (``train-``)."""
    parts = [path.resolve().parts[1:] or ("root",) for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["-".join(re.sub(r"\s+", "_", part) for part in each[-depth:]) + "-" for each in parts]
        if len(set(names)) == len(names):
            return names
    raise DataError(paths[0], "the same directory twice", "expected different ones")


def combine(datas: Sequence[DataDir], prefix: bool = False) -> list[Utterance]:
    """The utterances of several directories together. Raises DataError or Faults where ids clash.

    ``prefix`` puts each directory's name before its utterance, speaker and recording ids.
    """
    _refuse_mixture(datas)
    names = prefixes([data.path for data in datas]) if prefix else [""] * len(datas)
    merged: dict[str, tuple[Utterance, Path]] = {}
    audio: dict[str, tuple[str, Path]] = {}
    faults: list[DstoolkitError] = []
    for data, name in zip(datas, names, strict=True):
        for each in (_renamed(each, name) for each in data.utterances):
            _, first = merged.setdefault(each.id, (each, data.path))
            path, before = audio.setdefault(each.recording or each.id, (each.path, data.path))
            if first is not data.path:
                faults.append(_clash(data.path, "utterance", each.id, first))
            elif path != each.path:
                faults.append(_clash(data.path, "recording", each.recording or each.id, before))
    Faults.check(faults)
    return sorted((each for each, _ in merged.values()), key=lambda each: each.id)


def _clash(path: Path, kind: str, key: str, first: Path) -> DataError:
    return DataError(path, f"{kind} {key!r} is in '{first}' too", "expected unique ids", "pass --prefix")


def _refuse_mixture(datas: Sequence[DataDir]) -> None:
    """Directories must be of one kind: audio or features, with text or without."""
    first = datas[0]
    faults: list[DstoolkitError] = []
    for data in datas[1:]:
        if data.source != first.source:
            faults.append(DataError(data.path, f"made of '{data.source}'", f"'{first.path}' is of '{first.source}'"))
        if bool(data.texts) != bool(first.texts):
            with_text, without = (data.path, first.path) if data.texts else (first.path, data.path)
            faults.append(DataError(without, "no 'text'", f"'{with_text}' has one", "combine like with like"))
    Faults.check(faults)


def _renamed(each: Utterance, prefix: str) -> Utterance:
    recording = prefix + each.recording if each.recording else ""
    return replace(each, id=prefix + each.id, speaker=prefix + each.speaker, recording=recording)


GROUPS: Mapping[str, Callable[[Utterance], str]] = {
    "speaker": lambda each: each.speaker,
    "utterance": lambda each: each.id,
    "text": lambda each: " ".join((each.text or "").split()).casefold(),
}


def split(data: DataDir, parts: Mapping[str, str], by: By = "utterance", seed: int = 0) -> dict[str, list[Utterance]]:
    """Divide a directory into named parts that share no speaker, utterance or text. Raises DataError or Faults.

    ``parts`` maps a name to its share of what is divided (``by``): a fraction (``0.1`` or ``10%``), a count (``20``) or
    ``rest``. Texts are alike where they differ in case and blanks alone. Utterances in no part are left out.
    """
    if by == "text" and not data.texts:
        raise DataError(data.path, "no 'text'", "expected one to split by")
    group = GROUPS[by]
    groups = sorted({group(each) for each in data.utterances}, key=lambda key: (rank(seed, key), key))
    part_of: dict[str, str] = {}
    at = 0
    for name, size in sizes(parts, len(groups), by).items():
        part_of.update(dict.fromkeys(groups[at : at + size], name))
        at += size
    return {name: [each for each in data.utterances if part_of.get(group(each)) == name] for name in parts}


def shares(parts: Iterable[str]) -> dict[str, str]:
    """``["test=0.1", "train=rest"]`` as a mapping. Raises DataError or Faults."""
    faults: list[DstoolkitError] = []
    found: dict[str, str] = {}
    for part in parts:
        name, equals, share = part.partition("=")
        if not equals or name in found:
            said = f"part {name!r} twice" if equals else "no share"
            faults.append(DataError(f"--part {part}", said, "expected NAME=SHARE, each name once"))
        found[name] = share
    Faults.check(faults)
    return found


def sizes(parts: Mapping[str, str], total: int, by: str) -> dict[str, int]:
    """How many of ``total`` each part gets. Fractions that add up to 1 use up all. Raises DataError or Faults."""
    faults: list[DstoolkitError] = []
    counts: dict[str, int] = {}
    sum_of_fractions, taken = 0.0, 0
    for name, share in parts.items():
        where = f"part '{name}={share}'"
        if not re.fullmatch(r"[\w-][\w.-]*", name):
            faults.append(DataError(where, f"name {name!r}", "expected a folder's name"))
        if share == REST:
            continue
        fraction = _fraction(share)
        if fraction is not None:
            sum_of_fractions += fraction
            counts[name] = round(sum_of_fractions * total) - taken  # cumulative: rounding never loses one
            taken += counts[name]
        elif re.fullmatch("[0-9]+", share):
            counts[name] = int(share)
        else:
            faults.append(DataError(where, f"share {share!r}", "expected a fraction (0.1, 10%), a count or 'rest'"))
    rest = [name for name, share in parts.items() if share == REST]
    counts.update(dict.fromkeys(rest[:1], total - sum(counts.values())))
    if len(rest) > 1:
        faults.append(DataError(f"parts '{rest[0]}' and '{rest[1]}'", "'rest' twice", "expected it once"))
    faults += _bad_sizes(counts, total, by)
    Faults.check(faults)
    return {name: counts[name] for name in parts}


def _fraction(share: str) -> float | None:
    """``0.1`` and ``10%`` as a fraction in (0, 1]; None for anything else."""
    number = tables.seconds(share.removesuffix("%"))
    if number is None or not ("." in share or share.endswith("%")):
        return None
    fraction = number / 100 if share.endswith("%") else number
    return fraction if 0 < fraction <= 1 else None


def _bad_sizes(counts: Mapping[str, int], total: int, by: str) -> Iterable[DataError]:
    asked = sum(count for count in counts.values() if count > 0)
    if asked > total:
        yield DataError("parts", f"{asked} {by}s in all", f"expected at most the {total} there are")
    for name, count in counts.items():
        if count <= 0 and asked <= total:
            yield DataError(f"part '{name}'", f"none of {total} {by}s", "expected at least one")
