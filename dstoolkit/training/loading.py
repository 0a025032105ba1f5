"""Batches made ahead of time: a thread, or processes, prepare the next ones while the model learns from this one.

What a batch holds depends on its plan, the seed, the epoch and the utterances alone, never on who prepares it when:
so the training is the same with any number of workers, and goes on anywhere in an epoch.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dstoolkit.data.batches import pad
from dstoolkit.pipeline.heard import Source
from dstoolkit.pipeline.workers import ordered_map
from dstoolkit.training.dataset import Batch, Dataset, IntArray

AHEAD = 4  # batches ready at most: enough to even out long and short ones


@dataclass(frozen=True)
class Plan:
    """The utterances of one part of a batch, by index; ``seed`` is the run's and the epoch's, None for no change.

    ``weight`` 0 is a stand-in's, for a process that has no utterance of its own in a batch. ``views``: 2 where each
    utterance is to be there twice, differently augmented.
    """

    indices: IntArray
    seed: tuple[int, int] | None = None
    weight: int = 1
    views: int = 1


@dataclass(frozen=True)
class _Load:
    """A plan -> its padded frames, as many as a ``multiple``, of each view, their lengths, and by row the texts that
    are not the utterances' own."""

    source: Source
    multiple: int

    def __call__(self, plan: Plan) -> tuple[Plan, list[np.ndarray[Any, Any]], IntArray, dict[int, str]]:
        rows, texts = [], {}
        drawn = None if plan.seed is None else self.source.drawn(plan.seed)
        for row, at in enumerate(plan.indices.tolist()):
            if drawn is None or plan.seed is None:
                rows.append([self.source.plain(at)] * plan.views)
                continue
            views, text = self.source.views(at, np.random.default_rng([*plan.seed, at]), drawn, at, plan.views)
            rows.append(views)
            if text is not None:
                texts[row] = text
        padded = [pad(view, self.multiple) for view in zip(*rows, strict=True)]
        return plan, [frames for frames, _ in padded], padded[0][1], texts


@contextmanager
def stream(dataset: Dataset, plans: Iterable[Plan], workers: int, device: torch.device) -> Iterator[Iterator[Batch]]:
    """The batches of these plans, in order, prepared ahead; leaving the context ends the preparation.

    Whatever preparing raises is raised where the batch would have come.
    """
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(AHEAD)
    ended = threading.Event()

    def put(item: Batch | BaseException | None) -> bool:
        while not ended.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def prepare() -> None:
        try:
            load = _Load(dataset.source, dataset.multiple)
            loaded = ordered_map(load, plans, max(1, workers), workers > 0, "train.workers")
            with closing(loaded):
                for plan, views, lengths, texts in loaded:
                    batch = dataset.join(plan.indices, views, lengths, texts, plan.weight)
                    if not put(batch.pinned() if device.type == "cuda" else batch):
                        return
            put(None)
        except BaseException as error:
            put(error)

    def batches() -> Iterator[Batch]:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=prepare, name="batches", daemon=True)
    thread.start()
    try:
        yield batches()
    finally:
        ended.set()
        thread.join()
