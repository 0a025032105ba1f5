"""Subtitles keep to their limits and never overlap."""

from __future__ import annotations

from itertools import pairwise

from dstoolkit.interfaces import Word
from dstoolkit.pipeline.subtitles import clock, cues, srt
from dstoolkit.pipeline.transcriber import Segment


def segment(texts: list[str], start: float = 0.0, each: float = 0.3) -> Segment:
    words = tuple(Word(text, start + at * each, start + at * each + each / 2, 1.0) for at, text in enumerate(texts))
    return Segment(words[0].start, words[-1].end, " ".join(texts), words)


def test_a_file_by_hand() -> None:
    assert srt([segment(["yes", "no"], 3661.5)]) == "1\n01:01:01,500 --> 01:01:02,333\nyes no\n\n"
    assert srt([]) == ""
    assert clock(359999999) == "99:59:59,999"


def test_limits_of_a_long_speech() -> None:
    texts = [f"word{at % 13 * 'x'}" for at in range(200)]
    found = cues([segment(texts, each=0.4), segment(texts, 80.0, 0.01)])
    assert " ".join(" ".join(each.lines) for each in found).split() == texts * 2
    assert all(len(each.lines) <= 2 and max(map(len, each.lines)) <= 42 for each in found)
    assert all(0 < each.end - each.start <= 7000 for each in found)
    assert all(before.end <= after.start for before, after in pairwise(found))


def test_words_without_times_and_a_word_longer_than_a_line() -> None:
    (found,) = cues([Segment(1.0, 3.0, "a b")])
    assert (found.start, found.end, found.lines) == (1000, 3000, ("a b",))
    assert [each.lines for each in cues([segment(["a", "b" * 50, "c"])])] == [("a",), ("b" * 50,), ("c",)]
