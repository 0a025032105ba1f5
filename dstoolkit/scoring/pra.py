"""Every utterance aligned, in the layout of sclite's ``pra`` files.

    id: (s1-u2)
    Scores: (#C #S #D #I) 2 1 0 1
    REF:  the CAT sat **
    HYP:  the BAT sat ON
    Eval:     S       I

Errors are in capitals, except where the texts have capitals of their own (and case counts). A word takes as many
columns as a terminal gives it; sclite counts its bytes, which for ASCII is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dstoolkit.scoring import report as reports
from dstoolkit.scoring import sclite
from dstoolkit.scoring.align import Step
from dstoolkit.scoring.wer import Report, ScoredUtterance


def text(report: Report, title: str) -> str:
    """The whole file; ``title`` names the system. Speakers are in the order of their first utterances."""
    groups: dict[str, list[ScoredUtterance]] = {}
    for each in report.utterances:
        groups.setdefault(each.speaker or "", []).append(each)
    return "".join(_parts(report, title, groups))


def _parts(report: Report, title: str, groups: dict[str, list[ScoredUtterance]]) -> Iterator[str]:
    yield f"\n\n\t\tDUMP OF SYSTEM ALIGNMENT STRUCTURE\n\nSystem name:   {title}\n\nSpeakers: \n"
    yield from (f"   {at:2}:  {name}\n" for at, name in enumerate(groups))
    yield "\n"
    capitals = _capitals(report)
    for at, (name, utterances) in enumerate(groups.items()):
        yield f"Speaker sentences{at:4}:  {name}   #utts: {len(utterances)}\n"
        yield from (_utterance(each, report.mode != "sclite", capitals) for each in utterances)
    yield "\n"


def _capitals(report: Report) -> Callable[[str], str]:
    """How wrong words are shown."""
    if report.mode == "sclite":
        return sclite.shout
    words = (word for each in report.utterances for word in (*each.reference, *each.hypothesis))
    return str.upper if all(word == word.lower() for word in words) else str


def _utterance(utterance: ScoredUtterance, case_counts: bool, capitals: Callable[[str], str]) -> str:
    counts = utterance.wer
    figures = f"{counts.correct} {counts.substitutions} {counts.deletions} {counts.insertions}"
    columns = zip(*(_column(step, capitals) for step in utterance.alignment), strict=True)
    lines = [f"{name:6}{' '.join(cells)} " for name, cells in zip(("REF:", "HYP:", "Eval:"), columns, strict=False)]
    attributes = ["Attributes: Case_sensitve "] if case_counts else []  # sclite's spelling
    head = [f"id: ({sclite.trn_id(utterance.id, utterance.speaker)})", f"Scores: (#C #S #D #I) {figures}"]
    return "\n".join([*head, *attributes, *lines, "", ""])


def _column(step: Step, capitals: Callable[[str], str]) -> list[str]:
    """The three cells of a step, of one width."""
    words, mark = [step.reference, step.hypothesis], ""
    if step.kind != "correct":
        words, mark = [capitals(word) for word in words], reports.LETTERS[step.kind]
    size = max(map(reports.columns, words))
    cells = [words[0] or "*" * size, words[1] or "*" * size, mark]
    return [cell + " " * (size - reports.columns(cell)) for cell in cells]
