"""Utterances ready for the model: normalised, augmented frames and their target tokens, in padded batches.

What an utterance looks like in an epoch depends on the seed, the epoch and the utterance alone, so that a training that
was stopped and goes on, or that batches differently, sees the same data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstoolkit.data.archive import Archive
from dstoolkit.data.batches import JITTER, Batches, pad, plan, up_to
from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.pipeline.heard import Source
from dstoolkit.pipeline.vocabulary import Vocabulary

IntArray = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Batch:
    """``frames`` (batch, longest, dim) float32, ``targets`` (batch, longest target) int64, lengths (batch,) each.

    ``second``, in the shape of ``frames``, is another view of them, which consistency is learned from. ``weight`` 0
    says that it stands in for a batch that this process has no utterance of. ``longest`` is a ``multiple`` of
    frames.
    """

    indices: IntArray
    frames: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    second: Tensor | None = None
    weight: int = 1
    multiple: int = 1

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def size(self) -> int:
        """Frames to compute: padding and the second view included."""
        return self.padded * (1 if self.second is None else 2)

    @property
    def padded(self) -> int:
        """Frames of one view, padding included."""
        return self.frames.shape[0] * self.frames.shape[1]

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch of changed tensors."""
        names = ("frames", "lengths", "targets", "target_lengths", *(["second"] if self.second is not None else []))
        changed: dict[str, Any] = {name: change(getattr(self, name)) for name in names}
        return replace(self, **changed)

    def to(self, device: torch.device) -> Batch:
        return self.each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> Batch:
        """In page-locked memory, from which a GPU is fed while it computes."""
        return self.each(Tensor.pin_memory)

    def halves(self) -> list[Batch]:
        """Two batches of half as many utterances, each padded to its own longest."""
        middle = len(self) // 2
        return [self._rows(slice(0, middle)), self._rows(slice(middle, None))]

    def _rows(self, rows: slice) -> Batch:
        cut = replace(self.each(lambda tensor: tensor[rows]), indices=self.indices[rows])
        longest = int(up_to(cut.lengths.clamp(min=1).numpy(), self.multiple).max())
        longest_target = max(1, int(cut.target_lengths.max()))
        second = None if cut.second is None else cut.second[:, :longest]
        return replace(cut, frames=cut.frames[:, :longest], second=second, targets=cut.targets[:, :longest_target])


class Dataset:
    """An archive, as ``source`` gives it, joined with its texts by utterance id.

    ``lengths`` ``(n,)`` are in frames, ``targets`` the token ids, ``texts`` the normalised texts; ``kept`` are the
    indices in use. Batches are padded to a multiple of ``bucket`` seconds. Raises Faults where archive and texts are
    not of the same utterances, or for characters that no token covers.
    """

    def __init__(self, source: Source, texts: Mapping[str, str], vocabulary: Vocabulary, bucket: float = 0.0) -> None:
        self.source, self.archive, self.vocabulary = source, source.archive, vocabulary
        join(self.archive, texts)
        self.lengths: IntArray = np.asarray(self.archive.lengths, dtype=np.int64)
        ids = vocabulary.encode_all(texts, self.archive.path.with_name("text"))
        self.targets: list[IntArray] = [np.asarray(ids[each], dtype=np.int64) for each in self.archive.utterance_ids]
        self.texts = [vocabulary.normalization.apply(texts[each]) for each in self.archive.utterance_ids]
        self.kept = np.arange(len(self.lengths))
        self.multiple = max(1, round(bucket / self.archive.frame_shift))  # frames

    def keep(self, kept: IntArray) -> None:
        """Use only these utterances from now on."""
        self.kept = kept

    def names(self, indices: IntArray) -> list[str]:
        """The utterances' ids."""
        return [self.archive.utterance_ids[at] for at in indices.tolist()]

    def plan(
        self,
        budget: int,
        seed: tuple[int, int] | None = None,
        options: Batches | None = None,
        ordered: bool = False,
    ) -> list[IntArray]:
        """Batches of at most ``budget`` frames each, padding included, or by count; see ``data.batches.plan``.

        Sorted without a ``seed``, and where ``ordered``; with one (of the run and the epoch) at random, and by the
        lengths that the utterances have as they are heard in that epoch: of which words, at which speed and tempo.
        """
        options = options or Batches()
        lengths, jitter = self.heard(seed)
        keys = {
            "length": lengths,
            "text": np.asarray([len(each) for each in self.targets]),
            "given": np.arange(len(lengths)),
        }[options.sort_by]
        rng = None if seed is None or ordered else np.random.default_rng(seed)
        kept = self.kept
        return [kept[at] for at in plan(lengths[kept], budget, rng, jitter, options, keys[kept], self.multiple)]

    def heard(self, seed: tuple[int, int] | None) -> tuple[IntArray, float]:
        """All lengths as they are heard in an epoch (without a ``seed``, as they are), and how much to jitter them."""
        if seed is None:
            return self.lengths, JITTER
        return self.source.drawn(seed).lengths, JITTER if self.source.even else 1.0

    def join(
        self,
        indices: IntArray,
        views: Sequence[np.ndarray[Any, Any]],
        lengths: IntArray,
        texts: Mapping[int, str],
        weight: int = 1,
    ) -> Batch:
        """The padded frames of these utterances, in one view or two, with their padded targets; by row, ``texts`` that
        are not their own."""
        rows = [self.targets[at] for at in indices.tolist()]
        for row, text in texts.items():
            rows[row] = np.asarray(self.vocabulary.encode(text), dtype=np.int64)
        targets, target_lengths = pad(rows)
        tensors = [torch.from_numpy(each) for each in (views[0], lengths, targets, target_lengths, *views[1:])]
        return Batch(indices, *tensors, weight=weight, multiple=self.multiple)  # type: ignore[misc, arg-type]


def join(archive: Archive, texts: Mapping[str, str]) -> None:
    """Raises Faults naming what is in the archive but has no text, and the reverse."""
    heard, written = set(archive.utterance_ids), set(texts)
    faults: list[DstoolkitError] = [
        DataError(archive.path, f"utterance '{each}' has no text", "", "mend the 'text' file beside it")
        for each in sorted(heard - written)
    ]
    faults += [
        DataError(archive.path, f"text '{each}' has no features", "", "extract the features anew")
        for each in sorted(written - heard)
    ]
    if not heard:
        faults.append(DataError(archive.path, "no utterances", "expected one or more"))
    Faults.check(faults)
