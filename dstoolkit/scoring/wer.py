"""Word and character error rates.

WER = (substitutions + deletions + insertions) / reference words, over the minimum edit distance of each utterance's
words, the words being what white space separates; the texts are compared as they stand (normalise them first). CER is
the same over the characters of the whole text, the single spaces between words included. SER is the share of
utterances with any word error. Rates are fractions; only reports speak in percent. References and hypotheses are
joined by utterance id: a missing or an extra id is an error, an empty hypothesis is all deletions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.scoring.align import Step, align, edit_counts
from dstoolkit.scoring.statistics import Interval, bootstrap


@dataclass(frozen=True)
class ErrorCounts:
    """Errors against a reference, in words or characters. They add up over utterances."""

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


def rate(errors: int, length: int) -> float:
    if length:
        return errors / length
    return math.inf if errors else 0.0


@dataclass(frozen=True)
class ScoredUtterance:
    """One utterance: its words on both sides and its errors in words (``wer``) and characters (``cer``)."""

    id: str
    speaker: str | None
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    wer: ErrorCounts
    cer: ErrorCounts

    @functools.cached_property
    def alignment(self) -> list[Step]:
        """Word by word, computed when asked for."""
        return align(self.reference, self.hypothesis)


@dataclass(frozen=True)
class Totals:
    """The sums over some utterances; ``wrong`` is how many have any word error."""

    wer: ErrorCounts
    cer: ErrorCounts
    utterances: int
    wrong: int

    @classmethod
    def of(cls, utterances: Sequence[ScoredUtterance]) -> Totals:
        words = sum((each.wer for each in utterances), ErrorCounts())
        characters = sum((each.cer for each in utterances), ErrorCounts())
        return cls(words, characters, len(utterances), sum(each.wer.errors > 0 for each in utterances))

    @property
    def ser(self) -> float:
        """The sentence error rate, a fraction."""
        return rate(self.wrong, self.utterances)


@dataclass(frozen=True)
class Report:
    """The scores of a set of utterances, in the references' order. Whatever else is asked for is computed then."""

    utterances: tuple[ScoredUtterance, ...]

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
    reference_name: object = "references",
    hypothesis_name: object = "hypotheses",
    speakers_name: object = "speakers",
) -> Report:
    """Score hypotheses by utterance id. The names (of files) are what errors begin with.

    Raises DataError or Faults: no reference words at all, an id that one side lacks, an utterance without a speaker.
    """
    _check(references, hypotheses, reference_name, hypothesis_name)
    if speakers is not None:
        Faults.check(_missing(references, speakers, speakers_name, "speaker"))
    refs, hyps = [references[each].split() for each in references], [hypotheses[each].split() for each in references]
    words = _counts(refs, hyps)
    characters = _counts([" ".join(each) for each in refs], [" ".join(each) for each in hyps])
    return Report(
        tuple(
            ScoredUtterance(key, speakers[key] if speakers else None, tuple(ref), tuple(hyp), wer, cer)
            for key, ref, hyp, wer, cer in zip(references, refs, hyps, words, characters, strict=True)
        )
    )


def _check(references: Mapping[str, str], hypotheses: Mapping[str, str], ref_name: object, hyp_name: object) -> None:
    if not any(text.split() for text in references.values()):
        found = "no utterances" if not references else f"no word in {len(references)} utterances"
        raise DataError(ref_name, found, "expected references to score against")
    faults = _missing(references, hypotheses, hyp_name, "hypothesis")
    extra = (key for key in hypotheses if key not in references)
    faults += [DataError(hyp_name, f"utterance '{key}' has no reference", f"'{ref_name}' lacks it") for key in extra]
    Faults.check(faults)


def _missing(wanted: Iterable[str], given: Mapping[str, str], name: object, what: str) -> list[DstoolkitError]:
    missing = (key for key in wanted if key not in given)
    return [DataError(name, f"utterance '{key}' has no {what}", "expected one for each reference") for key in missing]


def _counts(refs: Sequence[Sequence[str]], hyps: Sequence[Sequence[str]]) -> list[ErrorCounts]:
    rows = edit_counts(refs, hyps).tolist()
    return [ErrorCounts(s, d, i, len(ref) - s - d) for (s, d, i), ref in zip(rows, refs, strict=True)]
