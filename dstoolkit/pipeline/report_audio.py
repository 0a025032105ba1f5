"""The sound that ``report.html`` plays: of the utterances with the most errors, cut out of a data directory and
compressed, with the times of the hypotheses' words where they are known.

Sound is Ogg Vorbis at its own rate, which browsers play and which keeps times to the sample: about 6 kB a second at
16 kHz, a third more in the page. Word times are seconds from the utterance's start; they come from the hypotheses' CTM
or from the ``nbest.jsonl`` that ``dstoolkit decode`` leaves beside them. An utterance's are used where they are of as
many words as its hypothesis has: those of another decoding, or of words that normalisation took away, are not.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import soundfile

from dstoolkit.data import audio, ctm, recordings, tables
from dstoolkit.data.datadir import DataDir
from dstoolkit.errors import DataError, Faults
from dstoolkit.interfaces import Utterance, Word
from dstoolkit.scoring.html import Clip
from dstoolkit.scoring.wer import Report

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

SECONDS = 1800.0  # of sound in a page: with 16 kHz some 15 MB
BLOCK = 1 << 16  # samples written at once: libvorbis keeps a whole block on the stack
NBEST = "nbest.jsonl"

Times = Mapping[str, Sequence[Word]]  # utterance -> words, in seconds from its start


@dataclass(frozen=True)
class Sound:
    """Clips by utterance id, and in words which utterances have none."""

    clips: dict[str, Clip]
    note: str


def gather(report: Report, folder: Path, limit: int, times: Path | None = None, seconds: float = SECONDS) -> Sound:
    """The clips of the ``limit`` utterances with the most errors, ``seconds`` of sound in all at most.

    ``times`` is a CTM file or an ``nbest.jsonl``. Raises DataError or Faults: a data directory without audio or without
    one of the report's utterances, sound or times that cannot be read.
    """
    utterances = _utterances(report, folder)
    worst = sorted(report.utterances, key=lambda each: (-each.wer.errors, -each.wer.rate, each.id))[:limit]
    durations = recordings.durations(utterances[each.id] for each in worst)
    kept = []
    for each in worst:
        if durations[each.id] <= seconds:
            kept.append(each)
            seconds -= durations[each.id]
    words = word_times(times, [utterances[each.id] for each in kept]) if times else {}
    counted = {each.id: words.get(each.id, ()) for each in kept}
    fitting = {each.id: counted[each.id] for each in kept if len(counted[each.id]) == len(each.hypothesis)}
    clips = {each.id: clip(utterances[each.id], fitting.get(each.id, ())) for each in kept}
    return Sound(clips, _note(len(report.utterances), len(worst), len(kept)))


def _utterances(report: Report, folder: Path) -> dict[str, Utterance]:
    data = DataDir.read(folder)
    if data.source != "wav.scp":
        raise DataError(folder, f"'{data.source}' in place of audio", "expected a 'wav.scp'")
    found = {each.id: each for each in data.utterances}
    missing = (each.id for each in report.utterances if each.id not in found)
    Faults.check(
        DataError(folder, f"no utterance '{each}'", "expected the sound of all that is scored") for each in missing
    )
    return found


def _note(total: int, wanted: int, kept: int) -> str:
    which = "of all utterances" if kept == total else f"of {kept} of {tables.count(total, 'utterance')}"
    most = "" if wanted == total else ", those with the most errors"
    left = f"; {wanted - kept} more would have made this page too large" if kept < wanted else ""
    return f"Audio {which}{most}{left}."


def clip(utterance: Utterance, words: Sequence[Word] = ()) -> Clip:
    """The utterance's sound, its channels mixed. Raises DataError."""
    samples, rate = audio.read(utterance.path, start=utterance.start, end=utterance.end, channel="mix")
    return Clip(compress(samples, rate), "audio/ogg", rate, len(samples) / rate, tuple(words))


def compress(samples: FloatArray, rate: int) -> bytes:
    """``(samples,)`` float32 at ``rate`` Hz as a file of Ogg Vorbis of the same number of samples."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, 1, format="OGG", subtype="VORBIS") as file:
        for at in range(0, len(samples), BLOCK):
            file.write(samples[at : at + BLOCK])
    return buffer.getvalue()


def word_times(path: Path, utterances: Iterable[Utterance]) -> Times:
    """The words of these utterances, from a CTM file or an ``nbest.jsonl``. Raises DataError or Faults."""
    if path.name == NBEST:
        return _from_nbest(path, {each.id for each in utterances})
    by_recording = ctm.read(path)
    return {each.id: _within(by_recording.get(each.recording or each.id, ()), each) for each in utterances}


def _within(words: Iterable[Word], utterance: Utterance) -> list[Word]:
    """Of a recording's words those whose middle is in the utterance."""
    end = float("inf") if utterance.end is None else utterance.end
    inside = [each for each in words if utterance.start <= (each.start + each.end) / 2 < end]
    return [replace(each, start=each.start - utterance.start, end=each.end - utterance.start) for each in inside]


def _from_nbest(path: Path, wanted: set[str]) -> dict[str, list[Word]]:
    found = {}
    faults = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                if row["utterance"] in wanted:
                    best = row["hypotheses"][:1]
                    found[row["utterance"]] = [_word(word) for each in best for word in each["words"]]
            except (ValueError, KeyError, TypeError):
                expected = "expected what 'dstoolkit decode' writes"
                faults.append(DataError(f"{path}:{number}", "no hypotheses with words", expected))
    Faults.check(faults)
    return found


def _word(fields: Mapping[str, Any]) -> Word:
    """Raises ValueError, KeyError or TypeError for what is no word."""
    start, end, confidence = (float(fields[name]) for name in ("start", "end", "confidence"))
    if not math.isfinite(start + end + confidence):
        raise ValueError("times that are not finite")
    return Word(str(fields["text"]), start, end, confidence)
