"""A network's outputs for the utterances of an archive: computed, or read from the file in which they were kept.

A file of outputs is an archive (``dstoolkit/data/header.py``) whose frames are the output frames and whose dimensions
are the tokens: ``(frames, vocab)`` natural-log probabilities, float32. Its stamp beside it says which model and which
features they are of. Utterances too short for a single output frame are not in it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstoolkit import stamp
from dstoolkit.data.archive import Archive, ArchiveWriter
from dstoolkit.data.batches import IntArray, pad, plan
from dstoolkit.errors import ArchiveError, DataError, Faults, StampError
from dstoolkit.pipeline.recognition import BATCH_FRAMES, Frames, Recogniser
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.pipeline.workers import ordered_map

REMOVE = "remove it, and it is computed anew"
KIND = "log_probs"  # what a file of outputs has as its extractor


@dataclass(frozen=True)
class Source:
    """A trained recogniser's folder, a data directory with features, and the device that computes: ``cpu``, ``cuda``.

    ``weights`` is the file of the weights, in that folder or anywhere. Picklable; the same whatever it is used in.
    """

    exp: Path
    data: Path
    device: str = "cpu"
    weights: str = "best.pt"

    @property
    def model(self) -> Path:
        return self.exp / self.weights

    @property
    def features(self) -> Path:
        return self.data / "features.h5"

    def check(self) -> None:
        """Raises DataError or Faults naming what is missing."""
        advice = {self.model: "run 'dstoolkit train' first", self.features: "run 'dstoolkit features extract' first"}
        Faults.check(DataError(path, "no such file", "", to_do) for path, to_do in advice.items() if not path.exists())

    def digests(self) -> dict[str, str]:
        """For a stamp."""
        return {path.name: stamp.origin(path) for path in (self.model, self.features)}


class Outputs(ABC):
    """Log-probabilities of the utterances of ``archive``, the features', by their indices there."""

    archive: Archive
    vocabulary: Vocabulary
    frame_shift: float  # of an output frame, in seconds

    @abstractmethod
    def log_probs(self, batch: IntArray) -> tuple[Tensor, Tensor]:
        """Indices -> ``(batch, frames, vocab)`` natural logs and ``(batch,)`` lengths, on the CPU."""

    def batches(self) -> list[IntArray]:
        """All utterances in batches of like length; the same batches whoever computes them."""
        return plan(np.asarray(self.archive.lengths), BATCH_FRAMES)


class Computed(Outputs):
    """By running the network. Raises what ``Recogniser.load`` does, ArchiveError for features of another kind, and
    DataError for a network whose outputs are no numbers."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.recogniser = Recogniser.load(source.exp, source.device, source.weights)
        self.archive = Archive(source.features)
        self.recogniser.check_archive(self.archive)
        self.vocabulary, self.frame_shift = self.recogniser.vocabulary, self.recogniser.frame_shift
        self._frames = Frames(self.archive, self.recogniser.cmvn)

    def log_probs(self, batch: IntArray) -> tuple[Tensor, Tensor]:
        log_probs, lengths = self.recogniser.log_probs([self._frames[at] for at in batch.tolist()])
        for at, row, length in zip(batch.tolist(), log_probs, lengths.tolist(), strict=True):
            if row[:length].isnan().any():
                found = f"its outputs for utterance {self.archive.utterance_ids[at]!r} are no numbers"
                raise DataError(self.source.model, found, "", "train again, with a lower train.lr")
        return log_probs, lengths


class Saved(Outputs):
    """From the file at ``path``. Raises ArchiveError where it is none of outputs, of another vocabulary, or altered."""

    def __init__(self, source: Source, path: Path) -> None:
        self.archive, self.vocabulary = Archive(source.features), Vocabulary.load(source.exp / "tokenizer")
        with _advising(path):
            self._file = Archive(path)
        tokens, found = list(self.vocabulary.tokenizer.tokens), self._file.config.get("tokens")
        if self._file.extractor != KIND:
            raise ArchiveError(path, f"holds {self._file.extractor!r} features", "expected a network's saved outputs")
        if found != tokens:
            said = f"'{source.exp}' has {len(tokens)} others"
            raise ArchiveError(path, f"outputs for {len(found or [])} tokens", said, REMOVE)
        self.frame_shift = self._file.frame_shift
        self._places = {each: place for place, each in enumerate(self._file.utterance_ids)}

    def log_probs(self, batch: IntArray) -> tuple[Tensor, Tensor]:
        with _advising(self._file.path):
            rows, lengths = pad([self._rows(self.archive.utterance_ids[at]) for at in batch.tolist()])
        return torch.from_numpy(rows), torch.from_numpy(lengths)

    def _rows(self, utterance: str) -> Any:
        place = self._places.get(utterance)
        return np.zeros((0, self._file.dim), np.float32) if place is None else self._file.frames(place)

    @property
    def lengths(self) -> IntArray:
        """In output frames, ``(n,)``."""
        places = [self._places.get(each) for each in self.archive.utterance_ids]
        return np.array([0 if place is None else self._file.lengths[place] for place in places], np.int64)


@contextmanager
def _advising(path: Path) -> Iterator[None]:
    """The archive's own advice is to extract features."""
    try:
        yield
    except Faults as error:
        raise ArchiveError(path, error.faults[0].found, "", REMOVE) from error
    except ArchiveError as error:
        raise ArchiveError(path, error.found, error.expected, REMOVE) from error


@dataclass
class Task:
    """What a process does with batches. Its outputs, from the file ``saved`` where that is given, are opened once."""

    source: Source
    saved: Path | None = None

    @cached_property
    def outputs(self) -> Outputs:
        return Saved(self.source, self.saved) if self.saved else Computed(self.source)

    def __getstate__(self) -> dict[str, Any]:
        """Another process opens everything anew."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


class Compute(Task):
    """A batch of indices -> the outputs of each, ``(frames, vocab)``."""

    def __call__(self, batch: IntArray) -> list[Any]:
        rows, lengths = self.outputs.log_probs(batch)
        return [row[:length].numpy() for row, length in zip(rows, lengths.tolist(), strict=True)]


def keep(
    source: Source, path: Path, *, jobs: int = 1, force: bool = False, progress: Callable[[IntArray], Any] | None = None
) -> bool:
    """Compute all outputs into ``path`` in so many processes; False where they are there, and nothing was computed.

    ``progress`` is called with each batch that is done. Raises StampError where ``path`` is anything else, unless
    ``force``.
    """
    wanted = stamp.Stamp("network outputs", {}, source.digests())
    if _is_kept(path, wanted, force):
        return False
    task = Compute(source)
    batches, archive = task.outputs.batches(), task.outputs.archive
    with (
        stamp.building(path, wanted, folder=False) as partial,
        _writer(partial, task.outputs) as writer,
        closing(ordered_map(task, batches, jobs)) as results,
    ):
        for batch, rows in zip(batches, results, strict=True):
            for at, row in zip(batch.tolist(), rows, strict=True):
                if len(row):
                    writer.add(archive.utterance_ids[at], row, archive.speakers[at], float(archive.durations[at]))
            if progress:
                progress(batch)
    return True


def _is_kept(path: Path, wanted: stamp.Stamp, force: bool) -> bool:
    """Those of the same model and features are never computed again."""
    try:
        return stamp.is_done(path, wanted)
    except StampError:
        if force:
            return False
        raise


def _writer(path: Path, outputs: Outputs) -> ArchiveWriter:
    tokens = list(outputs.vocabulary.tokenizer.tokens)
    return ArchiveWriter(
        path,
        extractor=KIND,
        config={"tokens": tokens},
        sample_rate=outputs.archive.sample_rate,
        frame_shift=outputs.frame_shift,
        dim=len(tokens),
    )
