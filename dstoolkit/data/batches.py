"""Which utterances share a batch: of like length within a budget of frames, or by count in one of several orders; and
the one padding routine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float32]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

# Lengths are jittered by up to this factor before sorting, so that neighbours differ from epoch to epoch.
JITTER = 1.12


@dataclass(frozen=True)
class Batches:
    """Options ``train.batches`` and ``train.dev_batches``: which batches an epoch, or a validation, has.

    size: utterances in the batch of one optimizer step, all processes together; 0: as many as ``batch_seconds`` hold.
    most: an epoch ends after so many batches, the first of its order; 0: after all.
    order: ``like``: utterances of like length share a batch, and the batches are shuffled; ``shuffled``: all at random;
        ``sorted``: by length, shortest first; ``given``: as the archive has them.
    reverse: sorted and given orders are taken backwards, longest first.
    sorted_epochs: so many epochs at the beginning are sorted, whatever ``order`` says of the others.
    sort_by: what sorted epochs go by: the ``length`` in frames, that of the ``text`` in target tokens, or the archive's
        order, as ``given``.
    full: a batch of fewer utterances than ``size`` is left out.
    bucket: seconds; a batch is padded to a multiple of it, in validation too; 0: to its longest utterance.
    """

    size: int = 0
    most: int = 0
    order: Literal["like", "shuffled", "sorted", "given"] = "like"
    reverse: bool = False
    sorted_epochs: int = 0
    sort_by: Literal["length", "text", "given"] = "length"
    full: bool = False
    bucket: float = 0.0

    def __post_init__(self) -> None:
        for name in ("size", "most", "sorted_epochs", "bucket"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name):g}; expected 0 or more")
        if self.full and not self.size:
            raise ValueError("full is of batches by count; expected size with it")
        if self.reverse and not self.sorts and self.order != "given":
            raise ValueError("nothing to reverse; expected order sorted or given, or sorted_epochs")

    @property
    def sorts(self) -> bool:
        """Whether there are sorted epochs."""
        return self.order == "sorted" or self.sorted_epochs > 0


def plan(
    lengths: IntArray,
    budget: int,
    rng: np.random.Generator | None = None,
    jitter: float = JITTER,
    options: Batches | None = None,
    keys: IntArray | None = None,
    multiple: int = 1,
) -> list[IntArray]:
    """Indices of ``lengths``, in frames, in the batches of an epoch; without ``options``, as its defaults say.

    By budget, a batch's padded size (utterances x longest, up to a ``multiple``) is at most ``budget`` frames; an
    utterance longer than that is a batch of its own. Without ``rng`` all is sorted, by ``keys`` (default: ``lengths``);
    with, it comes in the order of the options. A ``jitter`` of 1 is for lengths that are other ones in each epoch
    anyway, and saves padding.
    """
    options = options or Batches()
    order = arranged(lengths, lengths if keys is None else keys, rng, jitter, options)
    mixed = rng if options.order == "like" else None
    if options.size:
        batches = by_count(order, options.size, mixed)
    else:
        batches = by_budget(order, up_to(lengths, multiple), budget)
    if mixed is not None:
        batches = [batches[at] for at in mixed.permutation(len(batches))]
    if options.full:
        batches = [each for each in batches if len(each) == options.size]
    return batches[: options.most or None]


def arranged(
    lengths: IntArray, keys: IntArray, rng: np.random.Generator | None, jitter: float, options: Batches
) -> IntArray:
    """All indices, in the order in which they fill batches; see ``plan``."""
    if rng is not None and options.order == "shuffled":
        return rng.permutation(len(lengths))
    if rng is not None and options.order == "like":
        return np.argsort(lengths * rng.uniform(1 / jitter, jitter, len(lengths)), kind="stable")
    given = rng is not None and options.order == "given"
    order = np.arange(len(lengths)) if given else np.argsort(keys, kind="stable")
    return order[::-1] if options.reverse else order


def by_count(order: IntArray, size: int, rng: np.random.Generator | None = None) -> list[IntArray]:
    """``size`` utterances in each batch; the rest is the last one, or with ``rng`` any: else always the longest's."""
    whole, rest = divmod(len(order), size)
    place = whole if rng is None else int(rng.integers(whole + 1))
    sizes = [size] * place + [rest] + [size] * (whole - place)
    return [each for each in np.split(order, np.cumsum(sizes)[:-1]) if len(each)]


def by_budget(order: IntArray, lengths: IntArray, budget: int) -> list[IntArray]:
    """As many utterances in each batch as ``budget`` frames hold, all as long as the longest of them."""
    batches: list[list[int]] = []
    longest = 0
    for index in order.tolist():
        longest = max(longest, int(lengths[index]))
        if not batches or (len(batches[-1]) + 1) * longest > budget:
            batches.append([])
            longest = int(lengths[index])
        batches[-1].append(index)
    return [np.asarray(batch, dtype=np.int64) for batch in batches]


def up_to(lengths: IntArray, multiple: int) -> IntArray:
    """Each length as the next multiple that is not below it."""
    return -(-lengths // multiple) * multiple


def pad(rows: Sequence[np.ndarray[Any, Any]], multiple: int = 1) -> tuple[np.ndarray[Any, Any], IntArray]:
    """Arrays that differ in their first dimension -> one zero-padded array ``(batch, longest, ...)``, ``(batch,)``.

    ``longest`` is at least 1 and, beyond that, a ``multiple``.
    """
    lengths = np.asarray([len(row) for row in rows], dtype=np.int64)
    longest = int(up_to(np.maximum(lengths, 1), multiple).max(initial=1))
    padded = np.zeros((len(rows), longest, *rows[0].shape[1:]), dtype=rows[0].dtype)
    for at, row in enumerate(rows):
        padded[at, : len(row)] = row
    return padded, lengths
