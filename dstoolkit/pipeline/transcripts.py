"""References and hypotheses: read, normalised alike with what was done to them said in words, and scored.

Texts are compared as they stand unless asked otherwise. First comes a ``Normalization``: numbers, Unicode, punctuation,
case. The substitutions of a GLM file (``dstoolkit.text.glm``) then see words without the comma that followed them, in
any case where that was made one; and what they write is normalised in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from dstoolkit import config
from dstoolkit.data import datadir, tables
from dstoolkit.errors import DstoolkitError, Faults
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.scoring import sclite, trn, wer
from dstoolkit.scoring.align import Mode
from dstoolkit.scoring.wer import Report
from dstoolkit.text import glm
from dstoolkit.text.normalize import Normalization

T = TypeVar("T")


@dataclass(frozen=True)
class Treatment:
    """What is done to both sides before they are compared; nothing by default."""

    normalization: Normalization | None = None
    rules: glm.Rules | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for stamps and ``wer.json``; empty where the texts are compared as they stand.

        ``unknown`` is left out: it says what encoding does, which scoring does not.
        """
        plain: dict[str, Any] = {}
        if self.rules:
            plain["glm"] = {"name": self.rules.name, "digest": self.rules.digest}
        if self.normalization:
            plain |= {key: each for key, each in config.plain(self.normalization).items() if key != "unknown"}
        return plain

    def apply(self, texts: dict[str, str]) -> tuple[dict[str, str], int]:
        """Texts by id, treated, and how many substitutions were made."""
        times = 0
        treated = {}
        for key, text in texts.items():
            treated[key] = self._normalize(text)
            if self.rules:
                text, more = self.rules.apply(treated[key])
                treated[key], times = self._normalize(text), times + more
        return treated, times

    def _normalize(self, text: str) -> str:
        return self.normalization.apply(text) if self.normalization else text


@dataclass(frozen=True)
class Transcripts:
    """Both sides by utterance id, in their files' order, and what was done to them: ``note`` says it in a sentence for
    reports, ``treatment`` in plain values for programs."""

    references: dict[str, str]
    hypotheses: dict[str, str]
    note: str
    treatment: dict[str, Any]


def choose(
    config_path: Path | None = None,
    overrides: Sequence[str] = (),
    case: str | None = None,
    punctuation: str | None = None,
    rules: Path | None = None,
) -> Treatment:
    """The treatment that the options of a command ask for: a configuration's section ``text`` with its overrides, then
    ``case`` and ``punctuation`` over it (alone they leave all else as it is), and a substitution file.

    Raises ConfigError, DataError or Faults.
    """
    stated = {key: each for key, each in (("case", case), ("punctuation", punctuation)) if each is not None}
    normalization = None
    if config_path is not None or overrides:
        where = config.join(str(config_path or "--set"), "text")
        values = config.load(config_path, overrides).get("text", {})
        normalization = config.build(Normalization, {**values, **stated} if isinstance(values, dict) else values, where)
    elif stated:
        alone = {"case": "keep", "punctuation": "keep", "unicode": "none"}
        normalization = config.build(Normalization, alone | stated)
    found = glm.read(rules) if rules else None
    if found and normalization and normalization.case != "keep":
        found = found.in_any_case()
    return Treatment(normalization, found)


def read(references: Path, hypotheses: Path, treatment: Treatment) -> Transcripts:
    """Both files, treated alike. Raises DataError or Faults of both, with line numbers."""
    given_refs, given_hyps = _both(read_texts, [(references,), (hypotheses,)])
    refs, in_refs = treatment.apply(given_refs)
    hyps, in_hyps = treatment.apply(given_hyps)
    return Transcripts(refs, hyps, note(treatment, in_refs, in_hyps), treatment.as_dict())


def score(
    references: Path,
    hypotheses: Path,
    treatment: Treatment,
    speakers: Path | None = None,
    mode: Mode = "levenshtein",
    tokenizer: Path | None = None,
) -> tuple[Report, Transcripts]:
    """The scores of two files, and the texts they are of. Raises as ``read``.

    ``speakers`` is a Kaldi ``utt2spk``; without it the ids of a ``.trn`` file name them, if all do. ``tokenizer`` is a
    vocabulary's folder, for token errors.
    """
    by_id = None
    if speakers:
        table = tables.read(speakers, tables.FORMS["utt2spk"], ordered=False)
        Faults.check(table.faults)
        by_id = table.values()
    texts = read(references, hypotheses, treatment)
    if speakers is None and references.suffix == ".trn":
        by_id = _speakers(texts.references)
    tokens = _tokens(tokenizer, texts, references, hypotheses) if tokenizer else None
    report = wer.score(
        texts.references,
        texts.hypotheses,
        by_id,
        mode=mode,
        tokens=tokens,
        reference_name=references,
        hypothesis_name=hypotheses,
        speakers_name=speakers or "speakers",
    )
    return report, texts


def _speakers(utterances: Iterable[str]) -> dict[str, str] | None:
    """By id, as the ids of a ``trn`` file name them; None unless all do."""
    found = {each: sclite.speaker(each) for each in utterances}
    named = {each: speaker for each, speaker in found.items() if speaker}
    return named if len(named) == len(found) else None


def _tokens(
    folder: Path, texts: Transcripts, references: Path, hypotheses: Path
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Both sides in tokens. Raises Faults naming every character that has none, whatever the vocabulary would do with
    it: what is dropped could not count as an error."""
    vocabulary = Vocabulary.load(folder)
    vocabulary = replace(vocabulary, normalization=replace(vocabulary.normalization, unknown="refuse"))
    refs, hyps = _both(vocabulary.encode_all, [(texts.references, references), (texts.hypotheses, hypotheses)])
    return refs, hyps


def _both(function: Callable[..., T], sides: Sequence[tuple[Any, ...]]) -> list[T]:
    """What ``function`` makes of each side; raises the faults of both together."""
    made: list[T] = []
    faults: list[DstoolkitError] = []
    for arguments in sides:
        try:
            made.append(function(*arguments))
        except DstoolkitError as error:
            faults += error.faults if isinstance(error, Faults) else [error]
    Faults.check(faults)
    return made


def read_texts(path: Path) -> dict[str, str]:
    """Id -> text of a ``.trn`` file or of a Kaldi ``text`` file, in its order."""
    return trn.read(path) if path.suffix == ".trn" else datadir.read_text(path)


def note(treatment: Treatment, in_references: int, in_hypotheses: int) -> str:
    """What was done, as a sentence; the counts are of substitutions made."""
    parts = [str(treatment.normalization)] if treatment.normalization else []
    if treatment.rules:
        rules = treatment.rules
        case = "case counts" if rules.case_sensitive else "any case"
        times = f"{tables.count(in_references, 'time')} in the references and {in_hypotheses} in the hypotheses"
        parts.append(f"{tables.count(len(rules.rules), 'rule')} of {rules.name} ({case}), {times}")
    return f"Both sides normalised: {'; '.join(parts)}." if parts else "Texts compared as they stand."
