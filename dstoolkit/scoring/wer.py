"""Word, character and token error rates.

WER = (substitutions + deletions + insertions) / reference words, counted on the alignment of each utterance's words,
the words being what white space separates; the texts are compared as they stand (normalise them first). CER is the
same over the characters of the whole text, the single spaces between words included, TER over the tokens of a
tokenizer where they are given. SER is the share of utterances with any word error. ``align`` says what an alignment is;
with the one called ``sclite`` the case of a to z does not count either. Rates are fractions; only reports speak in
percent. References and hypotheses are joined by utterance id: a missing or an extra id is an error, an empty hypothesis
is all deletions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.scoring import sclite
from dstoolkit.scoring.align import IntArray, Mode, Step, alignments, edit_counts, steps_of
from dstoolkit.scoring.edits import LONGEST
from dstoolkit.scoring.statistics import Interval, bootstrap


@dataclass(frozen=True)
class ErrorCounts:
    """Errors against a reference, in words, characters or tokens. They add up over utterances."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    correct: int = 0

    @property
    def reference_length(self) -> int:
        return self.correct + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference unit, a fraction; infinite for errors against an empty reference."""
        return rate(self.errors, self.reference_length)

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.correct + other.correct,
        )


def total(counts: Iterable[ErrorCounts]) -> ErrorCounts:
    return sum(counts, ErrorCounts())


def rate(errors: int, length: int) -> float:
    if length:
        return errors / length
    return math.inf if errors else 0.0


@dataclass(frozen=True)
class ScoredUtterance:
    """One utterance: its words on both sides, the ``steps`` of their alignment (a letter ``C``, ``S``, ``D`` or ``I``
    each) and its errors in words (``wer``), characters (``cer``) and, where they were given, tokens (``ter``)."""

    id: str
    speaker: str | None
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    steps: str
    wer: ErrorCounts
    cer: ErrorCounts
    ter: ErrorCounts | None = None

    @functools.cached_property
    def alignment(self) -> list[Step]:
        """Word by word."""
        return steps_of(self.reference, self.hypothesis, self.steps)


@dataclass(frozen=True)
class Totals:
    """The sums over some utterances; ``wrong`` is how many have any word error."""

    wer: ErrorCounts
    cer: ErrorCounts
    utterances: int
    wrong: int
    ter: ErrorCounts | None = None

    @classmethod
    def of(cls, utterances: Sequence[ScoredUtterance]) -> Totals:
        words, characters = total(each.wer for each in utterances), total(each.cer for each in utterances)
        tokens = [each.ter for each in utterances if each.ter is not None]
        wrong = sum(each.wer.errors > 0 for each in utterances)
        return cls(words, characters, len(utterances), wrong, total(tokens) if tokens else None)

    @property
    def ser(self) -> float:
        """The sentence error rate, a fraction."""
        return rate(self.wrong, self.utterances)


@dataclass(frozen=True)
class Report:
    """The scores of a set of utterances, in the references' order, aligned as ``mode`` says. Whatever else is asked
    for is computed then."""

    utterances: tuple[ScoredUtterance, ...]
    mode: Mode = "levenshtein"

    @functools.cached_property
    def totals(self) -> Totals:
        return Totals.of(self.utterances)

    @property
    def wer(self) -> ErrorCounts:
        return self.totals.wer

    @property
    def cer(self) -> ErrorCounts:
        return self.totals.cer

    @property
    def ter(self) -> ErrorCounts | None:
        return self.totals.ter

    @property
    def ser(self) -> float:
        return self.totals.ser

    @functools.cached_property
    def speakers(self) -> dict[str, Totals]:
        """By speaker, in alphabetical order; empty where the speakers are not known."""
        groups: dict[str, list[ScoredUtterance]] = {}
        for each in self.utterances:
            if each.speaker is not None:
                groups.setdefault(each.speaker, []).append(each)
        return {speaker: Totals.of(groups[speaker]) for speaker in sorted(groups)}

    def interval(self, *, by_speaker: bool = False, level: float = 0.95, seed: int = 0) -> Interval:
        """The bootstrap confidence interval of the WER, utterances (or whole speakers) being drawn anew.

        Raises ValueError for ``by_speaker`` with fewer than two speakers.
        """
        if by_speaker and len(self.speakers) < 2:
            raise ValueError(f"{len(self.speakers)} speakers; an interval by speaker takes at least two")
        units = [each.wer for each in (self.speakers.values() if by_speaker else self.utterances)]
        return bootstrap(
            [each.errors for each in units], [each.reference_length for each in units], level=level, seed=seed
        )


def score(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    speakers: Mapping[str, str] | None = None,
    *,
    mode: Mode = "levenshtein",
    tokens: tuple[Mapping[str, Sequence[Hashable]], Mapping[str, Sequence[Hashable]]] | None = None,
    reference_name: object = "references",
    hypothesis_name: object = "hypotheses",
    speakers_name: object = "speakers",
) -> Report:
    """Score hypotheses by utterance id; ``tokens`` are those of both sides. The names (of files) are what errors begin
    with.

    Raises DataError or Faults: no reference words at all, an id that one side lacks, an utterance without a speaker, a
    word that sclite takes for markup.
    """
    faults = _faults(references, hypotheses, reference_name, hypothesis_name)
    if speakers is not None:
        faults += _missing(references, speakers, speakers_name, "speaker")
    faults += _too_long(references, reference_name) + _too_long(hypotheses, hypothesis_name)
    if mode == "sclite":
        faults += sclite.markup(references, reference_name) + sclite.markup(hypotheses, hypothesis_name)
    Faults.check(faults)
    refs, hyps = ([_words(side[key], mode) for key in references] for side in (references, hypotheses))
    words = alignments(refs, hyps, mode)
    wer = _counts(refs, words.counts)
    cer = _counted([" ".join(each) for each in refs], [" ".join(each) for each in hyps], mode)
    ter: Sequence[ErrorCounts | None] = [None] * len(refs)
    if tokens is not None:
        ter = _counted([tokens[0][key] for key in references], [tokens[1][key] for key in references], mode)
    who = [speakers[key] if speakers is not None else None for key in references]
    columns = zip(references, who, refs, hyps, words.steps, wer, cer, ter, strict=True)
    return Report(tuple(ScoredUtterance(*each) for each in columns), mode)


def _words(text: str, mode: Mode) -> tuple[str, ...]:
    return tuple((sclite.fold(text) if mode == "sclite" else text).split())


def _faults(
    references: Mapping[str, str], hypotheses: Mapping[str, str], ref_name: object, hyp_name: object
) -> list[DstoolkitError]:
    """The ids that one side lacks. Raises DataError where there is nothing to score against."""
    if not any(text.split() for text in references.values()):
        found = "no utterances" if not references else f"no word in {len(references)} utterances"
        raise DataError(ref_name, found, "expected references to score against")
    faults = _missing(references, hypotheses, hyp_name, "hypothesis")
    extra = (key for key in hypotheses if key not in references)
    return faults + [
        DataError(hyp_name, f"utterance '{key}' has no reference", f"'{ref_name}' lacks it") for key in extra
    ]


def _missing(wanted: Iterable[str], given: Mapping[str, str], name: object, what: str) -> list[DstoolkitError]:
    missing = (key for key in wanted if key not in given)
    return [DataError(name, f"utterance '{key}' has no {what}", "expected one for each reference") for key in missing]


def _too_long(texts: Mapping[str, str], name: object) -> list[DstoolkitError]:
    long = ((key, len(text)) for key, text in texts.items() if len(text) > LONGEST)
    expected, advice = f"expected at most {LONGEST:,}", "split it"
    return [DataError(name, f"utterance '{key}' has {length:,} characters", expected, advice) for key, length in long]


def _counted(refs: Sequence[Sequence[Hashable]], hyps: Sequence[Sequence[Hashable]], mode: Mode) -> list[ErrorCounts]:
    return _counts(refs, edit_counts(refs, hyps, mode))


def _counts(references: Sequence[Sequence[Hashable]], counts: IntArray) -> list[ErrorCounts]:
    rows = zip(counts.tolist(), references, strict=True)
    return [ErrorCounts(s, d, i, len(reference) - s - d) for (s, d, i), reference in rows]
