"""From tokens with times to words with times. A word ends at a space token; a piece that begins with sentencepiece's
word mark (U+2581) begins a word."""

from __future__ import annotations

from collections.abc import Sequence

from dstoolkit.interfaces import Word

WORD_MARK = "\u2581"


def group_words(
    names: Sequence[str],
    begins: Sequence[int],
    ends: Sequence[int],
    confidences: Sequence[float],
    frame_shift: float,
) -> tuple[Word, ...]:
    """``names[i]`` spans output frames ``begins[i]`` to ``ends[i]`` (exclusive), each ``frame_shift`` seconds long.

    A word's confidence is that of its least certain token.
    """
    words: list[Word] = []
    current: list[int] = []

    def close() -> None:
        text = "".join(names[at] for at in current).replace(WORD_MARK, "")
        if text:
            start, end = begins[current[0]] * frame_shift, ends[current[-1]] * frame_shift
            words.append(Word(text, round(start, 4), round(end, 4), min(confidences[at] for at in current)))
        current.clear()

    for at, name in enumerate(names):
        if name == " " or name.startswith(WORD_MARK):
            close()
        if name != " ":
            current.append(at)
    close()
    return tuple(words)
