"""The supplier ``speech_recognition``: what a Kurfile's ``data`` names becomes a data directory with features.

Below the folder ``work``, for a section ``train``: ``train/``, a Kaldi data directory with ``features.h5``;
``tokenizer/``; and ``normalization.json`` where the Kurfile names no file of its own. The vocabulary and the
normalisation of the other sections are those of the training, whose ``Data`` they are given; a section by itself has
its own, ``tokenizer-test/`` and ``normalization-test.json``. All of it is made anew where the section, the data or a
file that it names has changed, and left alone otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from dstoolkit import config, stamp
from dstoolkit.config import Choice
from dstoolkit.data import datadir, header
from dstoolkit.data.archive import Archive
from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.features.whitening import Spread
from dstoolkit.interfaces import Utterance
from dstoolkit.pipeline import extraction
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.text.normalize import Normalization
from dstoolkit_kur import features, package, vocabulary
from dstoolkit_kur.manifest import Entry, Manifest, audio_digest, digest, find
from dstoolkit_kur.node import Node
from dstoolkit_kur.options import NAME, SpeechRecognition, place

log = logging.getLogger("dstoolkit.kur")

SOURCES = ("utterance", "utterance_length", "transcript", "transcript_length", "duration")
COMMAND = "kur data"  # in the stamps of what is made here
TEXT = {"case": "lower", "punctuation": "keep", "unicode": "none", "unknown": "drop"}  # what Kur does to transcripts
ONE_RATE = "bring all recordings to one rate, say with 'sox IN -r RATE OUT'"


@dataclass(frozen=True)
class Data:
    """What a section's data came to.

    folder: a Kaldi data directory, with ``features.h5``. tokenizer: the folder of a trained tokenizer. sections: those
    of an experiment that follow from the data, ``features``, ``tokenizer``, ``cmvn`` and ``text``. bucket: seconds to
    whose multiples batches are padded, ``train.batches.bucket``; 0: none. dropped: utterances of the data that
    ``min_duration``, ``max_duration`` and ``samples`` leave out. utterances: the others.
    """

    folder: Path
    tokenizer: Path
    sections: dict[str, Any]
    bucket: float
    dropped: int
    utterances: int = 0


@dataclass(frozen=True)
class Job:
    """One section's data, read and checked, before anything is made."""

    node: Node  # the supplier's options
    options: SpeechRecognition
    manifest: Manifest
    kept: list[Entry]
    name: str
    work: Path
    like: Data | None
    force: bool

    @property
    def folder(self) -> Path:
        return self.work / self.name

    @property
    def statistics(self) -> Path | None:
        """The file that ``normalization`` names."""
        path = self.options.normal.path
        return place(self.node, path, "normalization") if path else None

    def beside(self, what: str, ending: str = "") -> Path:
        """The training's ``tokenizer``, another section's ``tokenizer-test``."""
        return self.work / (f"{what}{ending}" if self.name == "train" else f"{what}-{self.name}{ending}")


def supply(section: Node, name: str, work: Path, seed: int = 0, like: Data | None = None, force: bool = False) -> Data:
    """Prepare the data of ``section`` (a whole ``train``, ``validate``, ``test`` or ``evaluate``) below ``work``.

    seed: of the draw of ``samples`` and of the utterances that the normalisation is computed from. like: the data of
    the training, whose vocabulary, features and normalisation this section takes. force: make anew what is there.
    Raises ConfigError, DataError, FetchError, StampError or Faults.
    """
    work = work.absolute()
    node = supplier(section)
    options = node.build(SpeechRecognition)
    if options.fill == "loop":
        click.echo(f"{node.where('fill')}: no effect: padding is hidden from the network", err=True)
    manifest = find(package.folder(node, options, work / "downloads"), options.key)
    kept = options.select(manifest.entries, node, seed)
    log.info("%s: %d of %d utterances of '%s'", name, len(kept), manifest.total, manifest.path)
    job = Job(node, options, manifest, kept, name, work, like, force)
    chosen = features.section(node, options, kept, like.sections["features"] if like else None)
    trained = _trained_normalization(job)
    tokenizer = _tokenizer(job)
    _directory(job, chosen)
    _extract(job, chosen)
    sections = {
        "features": chosen,
        "tokenizer": config.plain(Vocabulary.load(tokenizer).choice),
        "cmvn": trained or _normalization(job, seed),
        "text": config.plain(Normalization(**TEXT)),  # type: ignore[arg-type]
    }
    return Data(job.folder, tokenizer, sections, options.bucket or 0.0, manifest.total - len(kept), len(kept))


def supplier(section: Node) -> Node:
    """The options of the section's only supplier. Raises ConfigError for another one, for none and for several."""
    data = section.get("data")
    if data is None or not data.content:
        raise section.fault("no data", f"expected a list with '{NAME}'", at=("data",))
    if not isinstance(data.content, list):
        raise data.fault(repr(data.value), f"expected a list with '{NAME}'")
    if len(data.content) > 1:
        raise data.content[1].fault("a second supplier", f"expected one, '{NAME}'")
    names = list(data.content[0])
    if not isinstance(data.content[0].content, dict) or len(names) != 1:
        raise data.content[0].fault(repr(data.content[0].value), f"expected '{NAME}' with its options")
    if names[0] != NAME:
        advice = config.nearest(names[0], [NAME])
        raise data.content[0].fault(f"no supplier '{names[0]}'", advice, at=(names[0],))
    node: Node = data.content[0].get(NAME)
    return node


def fresh(output: Path, made: stamp.Stamp, force: bool) -> bool:
    """Whether ``output`` is to be made: where it is not there, or was made here from something else.

    Raises StampError where it is there and nothing of ours.
    """
    found = None if force else stamp.read(output)
    changed = stamp.differences(found, made) if found is not None and found.command == COMMAND else []
    wanted = bool(changed) or not stamp.is_done(output, made, force)
    log.info("'%s': %s", output, ", ".join(["made", *changed]) if wanted else "there already")
    return wanted


def _tokenizer(job: Job) -> Path:
    """The folder of the vocabulary: the training's where there is one, else made of the section's own."""
    said = vocabulary.said(job.node, job.options)
    if job.like is not None:
        vocabulary.check_training(job.node, said, Vocabulary.load(job.like.tokenizer))
        return job.like.tokenizer
    characters = said or vocabulary.derived(job.node, job.kept)
    choice, text = Choice("characters", {"characters": characters}), Normalization(**TEXT)  # type: ignore[arg-type]
    folder = job.beside("tokenizer")
    made = stamp.Stamp(COMMAND, {"characters": characters, "text": config.plain(text)})
    if fresh(folder, made, job.force):
        with stamp.building(folder, made) as partial:
            Vocabulary.train(text, choice, []).save(partial)
    return folder


def _directory(job: Job, chosen: Mapping[str, Any]) -> None:
    """The Kaldi files. Features go with the folder: where the data or their kind has changed, they are gone too."""
    inputs = {"utterances": digest(job.kept), "audio": audio_digest(job.kept)}
    made = stamp.Stamp(COMMAND, {"features": dict(chosen)}, inputs)
    if not fresh(job.folder, made, job.force):
        return
    utterances = [Utterance(each.id, str(each.audio), each.id, each.text) for each in job.kept]
    with stamp.building(job.folder, made) as partial:
        datadir.write(partial, utterances, durations={each.id: each.duration for each in job.kept})


def _extract(job: Job, chosen: Mapping[str, Any]) -> None:
    """The features. What their errors advise as an option of 'features extract' is put otherwise."""
    jobs = job.options.data_cpus or features.usual_jobs()
    choice = config.as_choice(chosen, job.node.where())
    try:
        extraction.extract(job.folder, choice, extraction.Options(channel="mix", jobs=jobs, force=job.force))
    except DstoolkitError as error:
        faults = error.faults if isinstance(error, Faults) else (error,)
        if not any("--rate" in each.advice for each in faults):
            raise
        Faults.check(
            DataError(each.where, each.found, each.expected, ONE_RATE if "--rate" in each.advice else each.advice)
            for each in faults
        )


def _trained_normalization(job: Job) -> dict[str, Any] | None:
    """The training's section ``cmvn``, where there is one. Raises ConfigError where the section says another."""
    if job.like is None:
        return None
    return features.training_normalization(job.node, job.options, job.statistics, job.like.sections["cmvn"])


def _normalization(job: Job, seed: int) -> dict[str, Any]:
    """The section ``cmvn``, its statistics on disk."""
    asked, said = job.options.normal, job.statistics
    path = said or job.beside("normalization", ".json")
    if said is None:
        frames = {"frames": header.read(job.folder / extraction.ARCHIVE)[0].checksum()}
        made = stamp.Stamp(COMMAND, {"depth": asked.depth, "seed": seed}, frames)
        if fresh(path, made, job.force):
            with stamp.building(path, made, folder=False) as partial:
                _spread(job, seed).save(partial)
    elif not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _spread(job, seed).save(path)
    _check(path, job.folder / extraction.ARCHIVE)
    return features.whitening(asked, path)


def _check(path: Path, features_file: Path) -> None:
    """Raises DataError where the statistics are of other features, as those of a file from before may be."""
    spread = Spread.load(path)
    with Archive(features_file) as archive:
        if spread.dim != archive.dim:
            found, advice = f"statistics of {spread.dim} values", "remove it to have it made anew, or name another"
            raise DataError(path, found, f"the features have {archive.dim}", advice)


def _spread(job: Job, seed: int) -> Spread:
    """The statistics of ``depth`` utterances, drawn by ``seed``."""
    with Archive(job.folder / extraction.ARCHIVE) as archive:
        drawn = np.random.RandomState(seed).permutation(len(archive))[: job.options.normal.depth]
        return Spread.of((archive.frames(int(at)) for at in sorted(drawn)), archive.path)


def show(data: Data, number: int = 10) -> Iterator[str]:
    """Lines about prepared data: of the first ``number`` utterances their ids, seconds, shapes and texts; totals."""
    texts, tokens = datadir.DataDir.read(data.folder).texts, Vocabulary.load(data.tokenizer)
    with Archive(data.folder / extraction.ARCHIVE) as archive:
        for at in range(min(number, len(archive))):
            name = archive.utterance_ids[at]
            shape = f"({archive.lengths[at]}, {archive.dim})"
            yield f"{name}  {archive.durations[at]:.2f} s  {shape}  {tokens.normalize(texts[name])}"
        size = f"{len(archive)} utterances, {archive.durations.sum():.1f} s, {archive.lengths.sum()} frames"
        yield f"{data.folder}: {size} of {archive.dim} values"
    yield f"{data.dropped} utterances left out, {tokens.size - 1} characters and the blank"
    for each in tokens.unknown(texts):
        yield f"dropped from the texts: {each}"
