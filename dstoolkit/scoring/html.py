"""``report.html``: the scores as one page that needs nothing else, to read, sort, filter and, with audio, to hear.

The page is put together from the parts in ``page/``: the markup, its style, its script and the figures as JSON, which
the script turns into tables. It asks for nothing from any network: its Content-Security-Policy allows the style and the
script whose digests it names, images and sound that it holds itself, and nothing else. Ids, words and paths are
strangers' text; they enter the page escaped (here) or as text nodes (in the script), never as markup.

An utterance's alignment is sent as both texts and a letter C, S, D or I for each step, as in ``wer.json``.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib import resources
from typing import Any

from dstoolkit.interfaces import Word
from dstoolkit.scoring.align import Mode, alignments
from dstoolkit.scoring.report import percent
from dstoolkit.scoring.statistics import Interval, bootstrap
from dstoolkit.scoring.wer import ErrorCounts, Report, ScoredUtterance, Totals

SPEAKER_REPLICAS = 1000  # of each speaker's interval, which is drawn and not quoted: its ends are good to a pixel
FEW_SPEAKERS = 10  # below it the page warns of the interval over speakers
PAIRS = 10**10  # of an utterance's characters that aligning them looks at, about: some ten seconds
FEW_UTTERANCES = 5  # below it a speaker's interval would be the range of a handful of values
ALIGNMENTS: dict[Mode, str] = {
    "levenshtein": "Alignment: levenshtein (the fewest errors).",
    "sclite": "Alignment: sclite's (a substitution costs 4, a deletion or insertion 3; the case of a to z is ignored).",
}
# What JSON in a <script> may not hold raw: the end of the script, a comment's start, and line ends of old JavaScript
UNSAFE = "<>&\u2028\u2029"
ERROR = re.compile("[^C]")  # in the letters of an alignment


@dataclass(frozen=True)
class Clip:
    """The sound of one utterance: a whole compressed file and its media type (``audio/ogg``), sample rate in Hz,
    duration in seconds, and the words of the hypothesis in it, where their times are known."""

    data: bytes
    media: str
    rate: int
    duration: float
    words: tuple[Word, ...] = ()


def page(
    report: Report,
    *,
    note: str = "",
    audio: Mapping[str, Clip] | None = None,
    audio_note: str = "",
    title: str = "",
    sources: Sequence[tuple[str, str]] = (),
) -> str:
    """The whole of ``report.html``.

    ``note`` says what was done to the texts before scoring; ``audio`` holds clips by utterance id and ``audio_note``
    says which were left out; ``sources`` are named inputs, ``("reference", "data/test/text")``.
    """
    title = title or "Recognition errors"
    style, script = _part("page.css"), _part("page.js")
    parts = {
        "policy": _policy(style, script),
        "title": html.escape(f"WER {percent(report.wer.rate)} % · {title}"),
        "heading": html.escape(title),
        "sources": "".join(_source(name, value) for name, value in sources),
        "summary": summary(report, [each for each in (note, audio_note) if each]),
        "style": style,
        "script": script,
        "data": as_script(_data(report, audio or {})),
    }
    whole = re.sub(r"\{\{(\w+)\}\}", lambda slot: parts[slot[1]], _part("page.html"))
    return whole.encode("utf-8", "replace").decode()  # a path's bytes need not be UTF-8


def _part(name: str) -> str:
    return resources.files("dstoolkit.scoring").joinpath("page", name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    digests = (base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in (style, script))
    allowed = dict(zip(("style-src", "script-src"), digests, strict=True))
    rules = ["default-src 'none'", *(f"{name} 'sha256-{digest}'" for name, digest in allowed.items())]
    return "; ".join([*rules, "img-src data:", "media-src blob:", "base-uri 'none'", "form-action 'none'"])


def as_script(value: Any) -> str:
    """JSON that can neither end a ``<script>`` nor open anything in it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for each in UNSAFE:  # all are within strings
        text = text.replace(each, f"\\u{ord(each):04x}")
    return text


def _source(name: str, value: str) -> str:
    return f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"


# The summary, which is there without any script


def summary(report: Report, notes: Iterable[str]) -> str:
    """The totals as markup: the WER at large, what the words came to, the table of ``wer.txt``, and the notes."""
    interval = report.interval()
    sure = f"{_percent_range(interval)} <small>{100 * interval.level:g}&nbsp;% interval</small>"
    lead = f'<p class="lead"><b id="wer">{percent(report.wer.rate)}</b><span>% WER</span></p>'
    return "\n".join(
        [
            f'<div>{lead}<p class="sure">{sure}</p></div>',
            _table(report, interval),
            _composition(report.wer),
            _notes(report, notes),
        ]
    )


def _percent_range(interval: Interval) -> str:
    return f"{percent(interval.low)} to {percent(interval.high)}"


def _table(report: Report, interval: Interval) -> str:
    columns = ["%", f"{100 * interval.level:g} % interval", "errors", "of", "sub", "del", "ins"]
    names = "".join(f'<th scope="col">{each}</th>' for each in ["", *columns])
    rows = "".join(_row(name, what, cells) for name, what, cells in _rows(report, interval))
    return f'<div class="wide"><table class="totals"><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table></div>'


def _rows(report: Report, interval: Interval) -> Iterator[tuple[str, str, list[str]]]:
    yield "WER", "words", [percent(report.wer.rate), _percent_range(interval), *_counts(report.wer)]
    yield "CER", "characters", [percent(report.cer.rate), "", *_counts(report.cer)]
    counts = [f"{each:,}" for each in (report.totals.wrong, report.totals.utterances)]
    if report.ter is not None:
        yield "TER", "tokens", [percent(report.ter.rate), "", *_counts(report.ter)]
    yield "SER", "utterances with any error", [percent(report.ser), "", *counts, "", "", ""]


def _row(name: str, what: str, cells: Iterable[str]) -> str:
    figures = "".join(f"<td>{each}</td>" for each in cells)
    return f'<tr><th scope="row">{name} <small>{what}</small></th>{figures}</tr>'


def _counts(counts: ErrorCounts) -> list[str]:
    figures = (counts.errors, counts.reference_length, counts.substitutions, counts.deletions, counts.insertions)
    return [f"{each:,}" for each in figures]


def _composition(counts: ErrorCounts) -> str:
    """What came of the reference's words, and the words inserted: a bar and its key."""
    kinds = {
        "C": ("correct", counts.correct),
        "S": ("substituted", counts.substitutions),
        "D": ("deleted", counts.deletions),
        "I": ("inserted", counts.insertions),
    }
    total = sum(count for _, count in kinds.values())
    bar, at = "", 0.0
    for letter, (_, count) in kinds.items():
        width = 100 * count / total
        bar += f'<rect class="{letter}" x="{at:.3f}%" width="{width:.3f}%" height="100%"></rect>'
        at += width
    key = "".join(f'<li><i class="{k}">{k}</i> {count:,} {name}</li>' for k, (name, count) in kinds.items())
    return f'<div class="composition"><svg aria-hidden="true">{bar}</svg><ul class="key">{key}</ul></div>'


def _notes(report: Report, notes: Iterable[str]) -> str:
    sentences = [_scored(report), _sure(report), *_few(report), ALIGNMENTS[report.mode], *_left_out(report), *notes]
    return f'<p class="note">{html.escape(" ".join(sentences))}</p>'


def _scored(report: Report) -> str:
    words, speakers = report.wer.reference_length, len(report.speakers)
    by = f" by {_count(speakers, 'speaker')}" if speakers else ""
    return f"{_count(len(report.utterances), 'utterance')}{by}, {_count(words, 'reference word')}."


def _sure(report: Report) -> str:
    interval = report.interval()
    sure = f"The interval is a bootstrap's over {_count(interval.units, 'utterance')}"
    if len(report.speakers) < 2:
        return f"{sure}."
    by_speaker = report.interval(by_speaker=True)
    return f"{sure}; over {_count(by_speaker.units, 'speaker')} it is {_percent_range(by_speaker)}."


def _few(report: Report) -> Iterator[str]:
    if 0 < len(report.speakers) < FEW_SPEAKERS:
        few = _count(len(report.speakers), "speaker")
        yield f"With {few} these figures say little of how well other people would be recognised."


def _left_out(report: Report) -> Iterator[str]:
    if long := [each.id for each in report.utterances if _too_long(each)]:
        named = f"{long[0]} and {len(long) - 1:,} more" if len(long) > 1 else long[0]
        yield f"The table of character errors leaves out what is long with many errors: {named}."


def _too_long(utterance: ScoredUtterance) -> bool:
    """Whether aligning the characters would take too long (counting them for the CER takes half)."""
    return utterance.cer.errors * utterance.cer.reference_length > PAIRS


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


# The figures that the script shows


def _data(report: Report, audio: Mapping[str, Clip]) -> dict[str, Any]:
    """Columns rather than rows: twenty thousand times the same keys would double the page."""
    speakers = {name: at for at, name in enumerate(report.speakers)}
    return {
        "wer": report.wer.rate,
        "speakers": _speakers(report),
        "words": _errors(
            (at, each.reference, each.hypothesis, each.steps) for at, each in enumerate(report.utterances)
        ),
        "characters": _errors(_characters(report)),
        "clips": {str(at): _clip(audio[each.id]) for at, each in enumerate(report.utterances) if each.id in audio},
        "ids": [each.id for each in report.utterances],
        "speaker": [speakers[each.speaker] if each.speaker is not None else -1 for each in report.utterances],
        "references": [" ".join(each.reference) for each in report.utterances],
        "hypotheses": [" ".join(each.hypothesis) for each in report.utterances],
        "steps": [each.steps for each in report.utterances],
        "characterErrors": [each.cer.errors for each in report.utterances],
        "characterLengths": [each.cer.reference_length for each in report.utterances],
    }


def _speakers(report: Report) -> list[list[Any]]:
    """Name, errors, words, utterances, utterances with errors, and the ends of the WER's interval or two nulls."""
    groups: dict[str | None, list[ErrorCounts]] = defaultdict(list)
    for each in report.utterances:
        groups[each.speaker].append(each.wer)
    return [[name, *_figures(totals), *_interval(groups[name])] for name, totals in report.speakers.items()]


def _figures(totals: Totals) -> list[int]:
    return [totals.wer.errors, totals.wer.reference_length, totals.utterances, totals.wrong]


def _interval(counts: Sequence[ErrorCounts]) -> tuple[float | None, float | None]:
    lengths = [each.reference_length for each in counts]
    if len(counts) < FEW_UTTERANCES or not sum(lengths):
        return None, None
    found = bootstrap([each.errors for each in counts], lengths, replicas=SPEAKER_REPLICAS)
    return found.low, found.high


def _characters(report: Report) -> Iterator[tuple[int, Sequence[str], Sequence[str], str]]:
    """The alignments of the characters of those utterances in which any is wrong, as ``_errors`` takes them; not of
    those that would take too long."""
    wrong = [at for at, each in enumerate(report.utterances) if each.cer.errors and not _too_long(each)]
    references = [list(" ".join(report.utterances[at].reference)) for at in wrong]
    hypotheses = [list(" ".join(report.utterances[at].hypothesis)) for at in wrong]
    steps = alignments(references, hypotheses, report.mode).steps if wrong else []
    return zip(wrong, references, hypotheses, steps, strict=True)


def _errors(aligned: Iterable[tuple[int, Sequence[str], Sequence[str], str]]) -> list[list[Any]]:
    """Indices of utterances, both sides and the letters of their alignment -> each error as letter, reference,
    hypothesis and the indices of the utterances that hold it, one for each time; the most frequent first, ties in
    alphabetical order."""
    found: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for at, reference, hypothesis, letters in aligned:
        inserted = deleted = 0
        for match in ERROR.finditer(letters):
            step, letter = match.start(), match[0]
            ref = reference[step - inserted] if letter != "I" else ""
            hyp = hypothesis[step - deleted] if letter != "D" else ""
            found[letter, ref, hyp].append(at)
            inserted += letter == "I"
            deleted += letter == "D"
    return [[*error, held] for error, held in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))]


def _clip(clip: Clip) -> dict[str, Any]:
    return {
        "data": base64.b64encode(clip.data).decode(),
        "media": clip.media,
        "rate": clip.rate,
        "duration": clip.duration,
        "words": [list(astuple(word)) for word in clip.words],
    }
