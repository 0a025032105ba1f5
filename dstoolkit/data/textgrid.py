"""TextGrid: Praat's annotation of a recording, in its long text form, UTF-8, times in seconds.

Each tier covers the whole recording with intervals end to end; those without text are pauses. See "TextGrid file
formats" in the manual of Praat, https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dstoolkit.interfaces import Word

Interval = tuple[float, float, str]


def render(duration: float, tiers: Mapping[str, Sequence[Word]]) -> str:
    """A file's text: tiers by name, in order, of words in order of time, within 0 and ``duration`` and apart.

    Words without length, which Praat does not take, are left out.
    """
    head = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {_number(duration)}"]
    head += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    body = [line for at, (name, words) in enumerate(tiers.items(), 1) for line in _tier(at, name, words, duration)]
    return "\n".join([*head, *body, ""])


def file_name(utterance: str) -> str:
    """``u017.TextGrid``; a slash in an id, which no file's name can hold, becomes ``%2F``."""
    return f"{utterance.replace('/', '%2F')}.TextGrid"


def intervals(words: Sequence[Word], duration: float) -> list[Interval]:
    """Begin, end and text of the words, and of the pauses between them, from 0 to ``duration``."""
    found: list[Interval] = []
    reached = 0.0
    for word in words:
        if word.end <= word.start:
            continue
        if word.start > reached:
            found.append((reached, word.start, ""))
        found.append((word.start, word.end, word.text))
        reached = word.end
    if reached < duration:
        found.append((reached, duration, ""))
    return found


def _tier(number: int, name: str, words: Sequence[Word], duration: float) -> list[str]:
    found = intervals(words, duration)
    lines = [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}"]
    lines += ["        xmin = 0", f"        xmax = {_number(duration)}", f"        intervals: size = {len(found)}"]
    for at, (begin, end, text) in enumerate(found, 1):
        lines += [f"        intervals [{at}]:", f"            xmin = {_number(begin)}"]
        lines += [f"            xmax = {_number(end)}", f"            text = {_quoted(text)}"]
    return lines


def _number(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    """A quotation mark within is written twice."""
    return '"' + text.replace('"', '""') + '"'
