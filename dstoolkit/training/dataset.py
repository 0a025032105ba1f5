"""Utterances ready for the model: normalised, augmented frames and their target tokens, in padded batches.

What an utterance looks like in an epoch depends on the seed, the epoch and the utterance alone, so that a training that
was stopped and goes on, or that batches differently, sees the same data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstoolkit.data.archive import Archive
from dstoolkit.data.batches import pad, plan
from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.features.augment import Augment
from dstoolkit.features.cmvn import Cmvn
from dstoolkit.pipeline.recognition import Frames
from dstoolkit.pipeline.vocabulary import Vocabulary

IntArray = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Batch:
    """``frames`` (batch, longest, dim) float32, ``targets`` (batch, longest target) int64, lengths (batch,) each."""

    indices: IntArray
    frames: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor

    def to(self, device: torch.device) -> Batch:
        moved = [each.to(device, non_blocking=True) for each in (self.frames, self.targets)]
        lengths = [each.to(device, non_blocking=True) for each in (self.lengths, self.target_lengths)]
        return Batch(self.indices, moved[0], lengths[0], moved[1], lengths[1])


class Dataset:
    """An archive joined with its texts by utterance id.

    ``lengths`` ``(n,)`` are in frames, ``targets`` the token ids, ``texts`` the normalised texts; ``kept`` are the
    indices in use. Raises Faults where archive and texts are not of the same utterances, or for characters that no
    token covers.
    """

    def __init__(self, archive: Archive, texts: Mapping[str, str], vocabulary: Vocabulary, cmvn: Cmvn) -> None:
        join(archive, texts)
        self.archive, self.frames = archive, Frames(archive, cmvn)
        self.lengths: IntArray = np.asarray(archive.lengths, dtype=np.int64)
        ids = vocabulary.encode_all(texts, archive.path.with_name("text"))
        self.targets: list[IntArray] = [np.asarray(ids[each], dtype=np.int64) for each in archive.utterance_ids]
        self.texts = [vocabulary.normalization.apply(texts[each]) for each in archive.utterance_ids]
        self.kept = np.arange(len(self.lengths))

    def keep(self, kept: IntArray) -> None:
        """Use only these utterances from now on."""
        self.kept = kept

    def plan(self, budget: int, rng: np.random.Generator | None) -> list[IntArray]:
        """Batches of at most ``budget`` frames each, padding included; see ``data.batches.plan``."""
        return [self.kept[batch] for batch in plan(self.lengths[self.kept], budget, rng)]

    def batch(self, indices: IntArray, augment: Augment | None = None, seed: tuple[int, int] = (0, 0)) -> Batch:
        """These utterances, padded; augmented, if at all, by ``seed`` (of the run, of the epoch) and utterance."""
        rows = []
        for at in indices.tolist():
            row = self.frames[at]
            if augment is not None:
                row = augment.apply(row, np.random.default_rng([*seed, at]), self.archive.frame_shift)
            rows.append(row)
        frames, lengths = pad(rows)
        targets, target_lengths = pad([self.targets[at] for at in indices.tolist()])
        tensors = [torch.from_numpy(each) for each in (frames, lengths, targets, target_lengths)]
        return Batch(indices, *tensors)


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
