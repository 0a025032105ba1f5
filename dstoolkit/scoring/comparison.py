"""Two systems on the same test: is one better, and how sure is that.

Both must have been scored alike, against the same references; each utterance then comes with the steps of its
alignment, from ``wer.json`` or from a ``Report``. Differences are those of the first system, A, less the second's, B:
positive where B is better. See ``statistics`` for the bootstrap and ``significance`` for MAPSSWE.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.scoring.report import FORMAT, percent, table
from dstoolkit.scoring.significance import ENOUGH, Mapsswe, mapsswe
from dstoolkit.scoring.statistics import Difference, bootstrap_difference
from dstoolkit.scoring.wer import ErrorCounts, Report

NO_SCORES, ADVICE = "not the scores of 'dstoolkit score'", "score it anew"
SHOWN = 60  # characters of a reference that an error quotes


class Aligned(NamedTuple):
    """An utterance of one system: ``steps`` has a letter ``C``, ``S``, ``D`` or ``I`` for each step."""

    speaker: str | None
    reference: str
    steps: str

    @property
    def errors(self) -> int:
        return len(self.steps) - self.steps.count("C")


@dataclass(frozen=True)
class System:
    """One system's scores by utterance id; ``alignment`` names the kind, ``texts`` is what was done to them."""

    name: str
    utterances: Mapping[str, Aligned]
    alignment: str
    texts: Mapping[str, Any]
    note: str = ""

    @classmethod
    def of(cls, report: Report, name: str, texts: Mapping[str, Any], note: str = "") -> System:
        """From scores at hand."""
        utterances = {
            each.id: Aligned(each.speaker, " ".join(each.reference), each.steps) for each in report.utterances
        }
        return cls(name, utterances, report.mode, texts, note)

    @property
    def counts(self) -> ErrorCounts:
        steps = "".join(each.steps for each in self.utterances.values())
        return ErrorCounts(*(steps.count(letter) for letter in "SDIC"))


def read(path: Path, name: str) -> System:
    """What a ``wer.json`` holds. Raises DataError or Faults where it is none, or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise DataError(path, f"format {found['format']!r}", f"expected {FORMAT}", ADVICE)
        rows = {each["id"]: Aligned(each["speaker"], each["reference"], each["steps"]) for each in found["utterances"]}
        system = System(name, rows, found["alignment"], dict(found["texts"]), found["note"])
        faults = [
            _damaged(path, key) for key, each in rows.items() if len(each.reference.split()) != _words(each.steps)
        ]
        whole = len(rows) == len(found["utterances"]) and any(each.reference.split() for each in rows.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, NO_SCORES, "", ADVICE) from error
    Faults.check(faults if whole else [DataError(path, NO_SCORES, "", ADVICE)])
    return system


def _words(steps: str) -> int:
    """Reference words in an alignment; -1 for other letters."""
    counts = [steps.count(letter) for letter in "CSDI"]
    return sum(counts[:3]) if sum(counts) == len(steps) else -1


def _damaged(path: Path, key: str) -> DstoolkitError:
    return DataError(path, f"the steps of utterance '{key}' do not fit its reference", "", ADVICE)


@dataclass(frozen=True)
class Comparison:
    """A less B: WERs, the paired bootstrap by utterance and (with two speakers or more) by speaker, and MAPSSWE."""

    a: System
    b: System
    by_utterance: Difference
    by_speaker: Difference | None
    test: Mapsswe
    level: float
    seed: int

    @property
    def difference(self) -> float:
        """WER of A less that of B, a fraction."""
        return self.a.counts.rate - self.b.counts.rate

    @property
    def verdict(self) -> str:
        """What the test says, in a sentence."""
        at, count = f"at the level {1 - self.level:.3g}", self.test.segments
        if not count:
            return "Neither system makes an error."
        better = "B" if self.test.mean > 0 else "A"
        if self.test.p is None:
            return (
                f"Undecided: {better} has fewer errors, by the same number in each segment, which leaves no variance."
            )
        said = f"MAPSSWE, two-tailed{', few segments' if count < ENOUGH else ''}"
        if self.test.significant(self.level):
            return f"{better} makes fewer errors, significantly {at} ({said})."
        return f"No significant difference {at} ({said})."


def compare(a: System, b: System, *, level: float = 0.95, seed: int = 0) -> Comparison:
    """Compare two systems. Raises DataError or Faults where they were not scored alike or on the same references."""
    _check_kind(a, b)
    _check_utterances(a, b)
    keys = list(a.utterances)
    first, second = ([each.utterances[key] for key in keys] for each in (a, b))
    wrong = [[each.errors for each in side] for side in (first, second)]
    lengths = [len(each.reference.split()) for each in first]
    by_speaker = None
    speakers = [each.speaker or other.speaker for each, other in zip(first, second, strict=True)]
    if None not in speakers and len(set(speakers)) > 1:
        sums = [_sums(speakers, column) for column in (*wrong, lengths)]
        by_speaker = bootstrap_difference(sums[0], sums[1], sums[2], level=level, seed=seed)
    by_utterance = bootstrap_difference(wrong[0], wrong[1], lengths, level=level, seed=seed)
    test = mapsswe([each.steps for each in first], [each.steps for each in second])
    return Comparison(a, b, by_utterance, by_speaker, test, level, seed)


def _sums(groups: Sequence[str | None], values: Sequence[int]) -> list[int]:
    sums: dict[str | None, int] = {}
    for group, value in zip(groups, values, strict=True):
        sums[group] = sums.get(group, 0) + value
    return list(sums.values())


def _check_kind(a: System, b: System) -> None:
    """Raises where two systems were aligned or normalised differently."""
    faults: list[DstoolkitError] = []
    if a.alignment != b.alignment:
        there = f"'{a.name}' has '{a.alignment}'"
        faults.append(DataError(b.name, f"alignment '{b.alignment}'", there, "score both alike"))
    for key in sorted(a.texts.keys() | b.texts.keys()):
        if a.texts.get(key) != b.texts.get(key):
            here, there = (_said(key, each.texts) for each in (b, a))
            faults.append(DataError(b.name, f"scored with {here}", f"'{a.name}' with {there}", "score both alike"))
    Faults.check(faults)


def _said(key: str, texts: Mapping[str, Any]) -> str:
    """One entry of ``System.texts`` in words."""
    if key != "glm":
        return f"{key} '{texts[key]}'" if key in texts else f"{key} as it stands"
    return (
        f"the substitutions of '{texts[key]['name']}' ({texts[key]['digest']:.8})"
        if texts.get(key)
        else "no substitutions"
    )


def _check_utterances(a: System, b: System) -> None:
    """Raises where two systems were not given the same utterances."""
    faults: list[DstoolkitError] = []
    for here, there in ((a, b), (b, a)):
        missing = (key for key in there.utterances if key not in here.utterances)
        faults += [DataError(here.name, f"no utterance '{key}'", f"'{there.name}' has one") for key in missing]
    for key, each in a.utterances.items():
        other = b.utterances.get(key)
        if other and each.reference != other.reference:
            found, expected = _quote(other.reference), _quote(each.reference)
            faults.append(DataError(b.name, f"the reference of '{key}' is {found}", f"in '{a.name}' it is {expected}"))
        elif other and None not in (each.speaker, other.speaker) and each.speaker != other.speaker:
            expected = f"in '{a.name}' it is '{each.speaker}'"
            faults.append(DataError(b.name, f"the speaker of '{key}' is '{other.speaker}'", expected))
    Faults.check(faults)


def _quote(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def text(found: Comparison) -> str:
    """Tables to read and paste; WERs and their differences in percent."""
    systems = [[letter, each.name, *_row(each.counts)] for letter, each in (("A", found.a), ("B", found.b))]
    test = found.test
    figures = [test.mean, test.std, test.z]
    parts = [
        table(["", "system", "WER %", "errors", "of", "sub", "del", "ins"], systems),
        table(["", "WER A - B", f"{100 * found.level:g} % interval", "B better %", "units"], list(_bootstraps(found))),
        table(
            ["", "segments", "errors A - B", "std", "Z", "p"],
            [["MAPSSWE", str(test.segments), *("" if x is None else f"{x:.3f}" for x in figures), _p(test.p)]],
        ),
        f"{found.verdict} Alignment {found.a.alignment}. {' '.join(_notes(found))}".rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def _row(counts: ErrorCounts) -> list[str]:
    figures = (counts.errors, counts.reference_length, counts.substitutions, counts.deletions, counts.insertions)
    return [percent(counts.rate), *map(str, figures)]


def _bootstraps(found: Comparison) -> Iterator[list[str]]:
    for unit, each in (("utterances", found.by_utterance), ("speakers", found.by_speaker)):
        if each:
            between = f"{percent(each.low)} to {percent(each.high)}"
            yield [
                f"bootstrap by {unit}",
                percent(found.difference),
                between,
                _share(each.improvement),
                str(each.units),
            ]


def _share(value: float) -> str:
    """In percent; what some replicas contradict is neither 0 nor 100."""
    return percent(value if value in (0.0, 1.0) else min(max(value, 0.0001), 0.9999))


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if value >= 0.0001 else "< 0.0001"


def _notes(found: Comparison) -> list[str]:
    """What was done to the texts, once where it is the same sentence for both."""
    if found.a.note == found.b.note:
        return [found.a.note]
    return [f"A: {found.a.note}", f"B: {found.b.note}"]


def as_json(found: Comparison) -> str:
    """Every figure; rates and differences are fractions, ``null`` where undefined."""
    contents = {
        "format": FORMAT,
        "a": _system(found.a),
        "b": _system(found.b),
        "alignment": found.a.alignment,
        "texts": dict(found.a.texts),
        "difference": found.difference,
        "level": found.level,
        "seed": found.seed,
        "bootstrap": {
            "utterances": _interval(found.by_utterance),
            "speakers": _interval(found.by_speaker) if found.by_speaker else None,
        },
        "mapsswe": {
            "segments": found.test.segments,
            "errors": list(found.test.errors),
            "mean": found.test.mean,
            "std": found.test.std,
            "z": found.test.z,
            "p": found.test.p,
            "significant": found.test.significant(found.level),
        },
        "verdict": found.verdict,
    }
    return json.dumps(contents, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _system(system: System) -> dict[str, Any]:
    counts = system.counts
    assert math.isfinite(counts.rate)  # a bootstrap of it was made
    figures = ("errors", "reference_length", "substitutions", "deletions", "insertions", "correct")
    return {"name": system.name, "rate": counts.rate, **{key: getattr(counts, key) for key in figures}}


def _interval(found: Difference) -> dict[str, float]:
    return {"low": found.low, "high": found.high, "improvement": found.improvement, "units": found.units}
