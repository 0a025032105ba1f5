"""What a data directory holds, in numbers: utterances, speakers, hours, rates, vocabulary, lengths.

Lengths are in seconds, rates in Hz; percentiles interpolate linearly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dstoolkit.data import audio, editing, recordings
from dstoolkit.data.datadir import DataDir
from dstoolkit.data.tables import count
from dstoolkit.errors import DstoolkitError, Faults

PERCENTILES = (0, 5, 25, 50, 75, 95, 100)


@dataclass(frozen=True)
class Summary:
    """Counts of one directory. ``hours`` and ``seconds`` (percentile -> s) are None where nothing says how long it is.

    ``rates`` and ``channels`` map a rate in Hz and a number of channels to how many recordings have it.
    """

    path: str
    source: str
    utterances: int
    speakers: int
    recordings: int
    hours: float | None = None
    rates: dict[int, int] = field(default_factory=dict)
    channels: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, float] | None = None
    transcribed: int = 0
    words: int = 0
    vocabulary: int = 0  # different words
    words_per_utterance: dict[int, float] | None = None
    characters: dict[str, int] = field(default_factory=dict)  # how often each occurs, the most frequent first

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def percentiles(values: Sequence[float]) -> dict[int, float]:
    """Percentile -> value; ``values`` must not be empty."""
    found = np.percentile(np.asarray(values, dtype=np.float64), PERCENTILES)
    return {at: round(float(value), 3) for at, value in zip(PERCENTILES, found, strict=True)}


def summarize(folder: Path | str, progress: bool = False) -> Summary:
    """Read a directory and its recordings' headers. Raises DataError or Faults."""
    data = DataDir.read(folder)
    infos: dict[str, audio.AudioInfo] = {}
    if data.source == "wav.scp":
        opened = recordings.open_all((each.path for each in data.utterances), progress)
        Faults.check(each for each in opened.values() if isinstance(each, DstoolkitError))
        infos = {path: each for path, each in opened.items() if isinstance(each, audio.AudioInfo)}
    lengths = _lengths(data, infos)
    words = [text.split() for text in data.texts.values()]
    return Summary(
        path=str(folder),
        source=data.source,
        utterances=len(data.utterances),
        speakers=len(set(data.speakers.values())),
        recordings=len({each.path for each in data.utterances}),
        hours=round(sum(lengths) / editing.SECONDS_PER_HOUR, 4) if lengths else None,
        rates=dict(Counter(each.rate for each in infos.values()).most_common()),
        channels=dict(Counter(each.channels for each in infos.values()).most_common()),
        seconds=percentiles(lengths) if lengths else None,
        transcribed=len(words),
        words=sum(map(len, words)),
        vocabulary=len({word for each in words for word in each}),
        words_per_utterance=percentiles([len(each) for each in words]) if words else None,
        characters=dict(Counter("".join(data.texts.values())).most_common()),
    )


def _lengths(data: DataDir, infos: dict[str, audio.AudioInfo]) -> list[float]:
    """Seconds of each utterance: by its audio, else by ``utt2dur``, else none."""
    if not infos:
        return list(data.durations.values())
    ends = ((infos[each.path].duration if each.end is None else each.end, each.start) for each in data.utterances)
    return [end - start for end, start in ends]


def lines(summary: Summary) -> list[str]:
    """A summary for people."""
    shown = [f"{summary.path}: {count(summary.utterances, 'utterance')} by {count(summary.speakers, 'speaker')}"]
    if summary.hours is not None and summary.seconds is not None:
        shown.append(f"  {summary.hours:.2f} hours in {count(summary.recordings, 'recording')}" + _rates(summary))
        shown.append(f"  seconds per utterance: {_spread(summary.seconds)}")
    if summary.words_per_utterance is None:
        return [*shown, "  no transcripts"]
    shown.append(
        f"  {count(summary.words, 'word')}, {summary.vocabulary} different; {len(summary.characters)} characters:"
    )
    shown.append(f"    {''.join(sorted(summary.characters))}")
    return [*shown, f"  words per utterance: {_spread(summary.words_per_utterance)}"]


def _rates(summary: Summary) -> str:
    rates = ", ".join(f"{rate} Hz" for rate in summary.rates)
    channels = ", ".join(count(number, "channel") for number in summary.channels)
    return f", {rates}, {channels}" if rates else ""


def _spread(values: dict[int, float]) -> str:
    return ", ".join(f"{_label(at)} {value:g}" for at, value in values.items())


def _label(percentile: int) -> str:
    return {0: "least", 50: "median", 100: "most"}.get(percentile, f"{percentile} %")
