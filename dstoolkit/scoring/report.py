"""Reports of scores: ``wer.txt``, Markdown tables to read and paste, and ``wer.json``, every figure for programs.

In the text rates are percentages with two decimals, in the JSON fractions (``null`` where infinite). An alignment is
shown on three lines as sclite does, the words of each side one below the other:

    REF:  a   black cat sat **
    HYP:  the ***** cat sat on
    EVAL: S   D             I
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dstoolkit.scoring import speakers
from dstoolkit.scoring.align import Mode, Step
from dstoolkit.scoring.statistics import Interval
from dstoolkit.scoring.wer import ErrorCounts, Report, ScoredUtterance, Totals

FORMAT = 1
WORST = 10  # utterances whose alignments ``wer.txt`` shows
STEPS = 1000  # of an alignment: what ``wer.txt`` shows of an utterance as long as a book
PAIRS = 10  # confusions, deleted and inserted words that it shows
WIDTH = 100  # columns of an alignment before it goes on below
ALIGNMENTS: dict[Mode, str] = {
    "levenshtein": "Alignment levenshtein: the fewest edits, each counting 1.",
    "sclite": "Alignment sclite: substitutions cost 4, deletions and insertions 3; the case of a to z does not count.",
}
LETTERS = {"correct": "C", "substitution": "S", "deletion": "D", "insertion": "I"}


def head(report: Report, note: str = "") -> str:
    """The table of the totals, and how sure they are. ``note`` says what was done to the texts before."""
    interval = report.interval()
    rows = [
        ["WER", percent(report.wer.rate), _range(interval), *_counts(report.wer)],
        ["CER", percent(report.cer.rate), "", *_counts(report.cer)],
        *([["TER", percent(report.ter.rate), "", *_counts(report.ter)]] if report.ter else []),
        ["SER", percent(report.ser), "", str(report.totals.wrong), str(report.totals.utterances), "", "", ""],
    ]
    columns = ["", "%", f"{100 * interval.level:g} % interval", "errors", "of", "sub", "del", "ins"]
    units = f"{interval.units} utterance{'s' * (interval.units != 1)}"
    sure = f"Interval by bootstrap over {units}{_by_speaker(report)}."
    return f"{table(columns, rows)}\n\n{sure} {ALIGNMENTS[report.mode]}{note and ' '}{note}\n"


def _by_speaker(report: Report) -> str:
    if len(report.speakers) < 2:
        return ""
    interval = report.interval(by_speaker=True)
    return f"; over {interval.units} speakers: {_range(interval)}"


def text(report: Report, note: str = "") -> str:
    """The whole of ``wer.txt``."""
    parts = [head(report, note), *_speakers(report), *_confusions(report), *_worst(report)]
    return "\n".join(parts)


def _speakers(report: Report) -> Iterator[str]:
    if report.speakers:
        rows = table(speakers.HEADER, speakers.rows(report))
        note = f"\n{speakers.NO_WORDS}\n" if speakers.starred(report) else ""
        yield f"## Speakers\n\n{rows}\n{note}"


def _confusions(report: Report) -> Iterator[str]:
    pairs = confusions(report)
    rows = [[LETTERS[kind], ref, hyp, str(count)] for (kind, ref, hyp), count in ranked(pairs)[:PAIRS]]
    if rows:
        yield f"## Most frequent errors\n\n{table(['', 'reference', 'hypothesis', 'times'], rows)}\n"


def _worst(report: Report) -> Iterator[str]:
    worst = sorted(report.utterances, key=lambda each: (-each.wer.errors, -each.wer.rate, each.id))[:WORST]
    worst = [each for each in worst if each.wer.errors]
    if worst:
        yield "## Utterances with the most errors\n"
    for each in worst:
        yield f"{_title(each)}\n\n{_some(each.alignment)}"


def _some(steps: Sequence[Step]) -> str:
    """An alignment, of a long one the part from shortly before the first error."""
    if len(steps) <= STEPS:
        return alignment(steps)
    first = next(at for at, step in enumerate(steps) if step.kind != "correct")
    start = min(max(0, first - STEPS // 10), len(steps) - STEPS)
    return f"{alignment(steps[start : start + STEPS])}\nSteps {start + 1} to {start + STEPS} of {len(steps)}.\n"


def _title(utterance: ScoredUtterance) -> str:
    speaker = f", speaker {utterance.speaker}" if utterance.speaker is not None else ""
    return f"{utterance.id}{speaker}: WER {percent(utterance.wer.rate)} %, CER {percent(utterance.cer.rate)} %"


def confusions(report: Report) -> Counter[Step]:
    """How often each error occurs, over all utterances."""
    wrong = (each for each in report.utterances if each.wer.errors)
    return Counter(step for each in wrong for step in each.alignment if step.kind != "correct")


def ranked(counter: Counter[Step]) -> list[tuple[Step, int]]:
    """The most frequent first, ties in alphabetical order."""
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))


def alignment(steps: Sequence[Step], width: int = WIDTH) -> str:
    """Steps as blocks of three lines, indented so that Markdown leaves them alone."""
    blocks = []
    for chunk in _chunks(steps, width):
        lines = ["    REF: ", "    HYP: ", "    EVAL:"]
        for step in chunk:
            size = max(columns(step.reference), columns(step.hypothesis))
            marks = "" if step.kind == "correct" else LETTERS[step.kind]
            for at, cell in enumerate((step.reference or "*" * size, step.hypothesis or "*" * size, marks)):
                lines[at] += " " + cell + " " * (size - columns(cell))
        blocks.append("\n".join(line.rstrip() for line in lines))
    return "\n\n".join(blocks) + "\n"


def _chunks(steps: Sequence[Step], width: int) -> Iterator[list[Step]]:
    chunk: list[Step] = []
    used = 0
    for step in steps:
        size = 1 + max(columns(step.reference), columns(step.hypothesis))
        if chunk and used + size > width:
            yield chunk
            chunk, used = [], 0
        chunk.append(step)
        used += size
    yield chunk


def columns(word: str) -> int:
    """How many columns a terminal gives a word: none for a combining mark, two for a wide character."""
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in word)
    return len(word) + wide - sum(unicodedata.combining(each) > 0 for each in word)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, aligned for reading as it stands: the first column to the left, numbers to the right. A ``|``
    in a cell is escaped."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    numeric = [at > 0 and all(_is_number(row[at]) for row in rows) for at in range(len(header))]
    sizes = [max(columns(row[at]) for row in [list(header), *rows]) for at in range(len(header))]
    rule = ["-" * (size + 1) + ":" if right else "-" * (size + 2) for size, right in zip(sizes, numeric, strict=True)]
    lines = ["|" + "|".join(_cells(row, sizes, numeric)) + "|" for row in [list(header), *rows]]
    return "\n".join([lines[0], "|" + "|".join(rule) + "|", *lines[1:]])


def _cells(row: Sequence[str], sizes: Sequence[int], numeric: Sequence[bool]) -> Iterator[str]:
    for cell, size, right in zip(row, sizes, numeric, strict=True):
        blanks = " " * (size - columns(cell))
        yield f" {blanks}{cell} " if right else f" {cell}{blanks} "


def _is_number(cell: str) -> bool:
    return not cell or cell.removeprefix("-")[:1].isdigit() or cell == "inf"


def percent(rate: float) -> str:
    return f"{100 * rate:.2f}"


def _range(interval: Interval) -> str:
    return f"{percent(interval.low)} to {percent(interval.high)}"


def _counts(counts: ErrorCounts) -> list[str]:
    figures = (counts.errors, counts.reference_length, counts.substitutions, counts.deletions, counts.insertions)
    return [str(each) for each in figures]


def as_json(report: Report, note: str = "", texts: Mapping[str, Any] | None = None) -> str:
    """The whole of ``wer.json``; ``texts`` is the note in plain values, empty for texts as they stand."""
    contents = {
        "format": FORMAT,
        "alignment": report.mode,
        "texts": dict(texts or {}),
        "note": note,
        **_totals_dict(report.totals),
        "intervals": {"utterances": _interval(report.interval())},
        "speakers": {name: _totals_dict(totals) for name, totals in report.speakers.items()},
        "errors": [{**step._asdict(), "count": count} for step, count in ranked(confusions(report))],
        "utterances": [_utterance(each) for each in report.utterances],
    }
    if len(report.speakers) > 1:
        contents["intervals"]["speakers"] = _interval(report.interval(by_speaker=True))
    return json.dumps(contents, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _totals_dict(totals: Totals) -> dict[str, Any]:
    ser = {"rate": totals.ser, "errors": totals.wrong, "reference_length": totals.utterances}
    tokens = {"ter": _figures(totals.ter)} if totals.ter else {}
    return {"wer": _figures(totals.wer), "cer": _figures(totals.cer), **tokens, "ser": ser}


def _figures(counts: ErrorCounts) -> dict[str, float | None]:
    return {
        "rate": counts.rate if math.isfinite(counts.rate) else None,
        "errors": counts.errors,
        "reference_length": counts.reference_length,
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
        "correct": counts.correct,
    }


def _interval(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "high": interval.high, "level": interval.level, "units": interval.units}


def _utterance(utterance: ScoredUtterance) -> dict[str, Any]:
    """``steps`` is the alignment as a letter each: correct, substitution, deletion, insertion."""
    return {
        "id": utterance.id,
        "speaker": utterance.speaker,
        "reference": " ".join(utterance.reference),
        "hypothesis": " ".join(utterance.hypothesis),
        "steps": utterance.steps,
        "wer": _figures(utterance.wer),
        "cer": _figures(utterance.cer),
        **({"ter": _figures(utterance.ter)} if utterance.ter else {}),
    }
