"""Subtitles, SubRip's SRT: words with their times, in cues that can be read.

A cue has at most two lines of 42 characters and lasts 5/6 s to 7 s: Netflix's Timed Text Style Guide (general
requirements 1 and 5 for durations and lines, the English guide for the characters). A pause of a second ends it. Cues
never overlap; a short one stays until 5/6 s have passed or the next begins. A word that is longer than a line has a
line of its own. An SRT file has numbered blocks, times ``HH:MM:SS,mmm``, and an empty line after each.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dstoolkit.interfaces import Word
from dstoolkit.pipeline.transcriber import Segment

LINE, LINES = 42, 2  # characters, lines
SHORTEST, LONGEST = 5 / 6, 7.0  # seconds
PAUSE = 1.0  # seconds without a word that end a cue


@dataclass(frozen=True)
class Cue:
    """Its lines, from ``start`` to ``end``, in milliseconds from the file's start."""

    start: int
    end: int
    lines: tuple[str, ...]


def srt(segments: Iterable[Segment]) -> str:
    """The whole file's text; empty where nothing was said."""
    blocks = []
    for number, cue in enumerate(cues(segments), start=1):
        blocks.append("\n".join([str(number), f"{clock(cue.start)} --> {clock(cue.end)}", *cue.lines, "", ""]))
    return "".join(blocks)


def cues(segments: Iterable[Segment]) -> list[Cue]:
    """A segment begins a new cue."""
    groups = [group for segment in segments for group in _groups(_words(segment))]
    found: list[Cue] = []
    before = 0
    for at, group in enumerate(groups):
        start = max(before, _ms(group[0].start))
        following = _ms(groups[at + 1][0].start) if at + 1 < len(groups) else start + _ms(LONGEST)
        end = max(_ms(group[-1].end), min(start + _ms(SHORTEST), following))
        before = max(start + 1, min(end, max(following, start + 1)))
        found.append(Cue(start, before, lines([each.text for each in group])))
    return found


def lines(words: Sequence[str]) -> tuple[str, ...]:
    """One line where the words fit, else two of lengths as near as they can be; more for what fits no cue."""
    text = " ".join(words)
    if len(text) <= LINE:
        return (text,)
    halves = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
    fitting = [each for each in halves if max(map(len, each)) <= LINE]
    if fitting:
        return min(fitting, key=lambda each: abs(len(each[0]) - len(each[1])))
    return tuple(textwrap.wrap(text, LINE, break_long_words=False, break_on_hyphens=False))


def clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{rest:03d}"


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _groups(words: Sequence[Word]) -> list[list[Word]]:
    """The words of each cue."""
    groups: list[list[Word]] = []
    for word in words:
        if not groups or not _joins(groups[-1], word):
            groups.append([])
        groups[-1].append(word)
    return groups


def _joins(group: Sequence[Word], word: Word) -> bool:
    if word.end - group[0].start > LONGEST or word.start - group[-1].end >= PAUSE:
        return False
    found = lines([*(each.text for each in group), word.text])
    return len(found) <= LINES and max(map(len, found)) <= LINE


def _words(segment: Segment) -> Sequence[Word]:
    """Of a segment whose words have no times: spread evenly."""
    if segment.words:
        return segment.words
    texts = segment.text.split()
    each = (segment.end - segment.start) / max(len(texts), 1)
    return [
        Word(text, segment.start + at * each, segment.start + (at + 1) * each, 0.0) for at, text in enumerate(texts)
    ]
