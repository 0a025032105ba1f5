"""Which utterances meet in which batch of which epoch, and who computes what of it: by the seed alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from dstoolkit.data.batches import Batches
from dstoolkit.errors import DataError
from dstoolkit.pipeline.experiment import TrainConfig
from dstoolkit.training.dataset import Dataset, IntArray
from dstoolkit.training.distributed import World
from dstoolkit.training.loading import Plan


class Order:
    """The batches of a whole training; epochs count from 1. Every process has the same."""

    def __init__(self, dataset: Dataset, options: TrainConfig, seed: int, world: World) -> None:
        self.dataset, self.options, self.seed, self.world = dataset, options, seed, world
        self.budget = max(1, round(options.batch_seconds / dataset.archive.frame_shift))  # frames

    def batches(self, epoch: int) -> list[IntArray]:
        """Of indices into the archive. Sorted in the first epoch (SortaGrad), and where ``batches`` say so."""
        wanted = self.options.batches
        return self.dataset.plan(self.budget, self.hearing(epoch), wanted, epoch <= wanted.sorted_epochs)

    def frames(self, epoch: int, batches: Sequence[IntArray]) -> list[int]:
        """Of each of the epoch's batches, without padding."""
        lengths, _ = self.dataset.heard(self.hearing(epoch))
        return [int(lengths[batch].sum()) for batch in batches]

    @cached_property
    def usual(self) -> int:
        """Frames of the last epoch, which is like most; 0 where none is the last."""
        last = self.options.epochs
        return sum(self.frames(last, self.batches(last))) if last else 0

    def validation(self, dev: Dataset, epoch: int) -> list[IntArray]:
        """Of indices into the validation data's archive, as ``dev_batches`` say; by default all, shortest first."""
        wanted = self.options.dev_batches
        parts = wanted.most or wanted.order != "like"  # else all is heard, and no batch changes what is found
        return dev.plan(self.budget, (self.seed, epoch) if parts else None, wanted, epoch <= wanted.sorted_epochs)

    def hearing(self, epoch: int) -> tuple[int, int] | None:
        """What the augmentation of an epoch is drawn by; None: there is none."""
        return None if epoch == 1 and self.options.sortagrad else (self.seed, epoch)

    def steps(self) -> int:
        """Of all epochs; 0 where the training has no number of them."""
        return sum(len(self.batches(epoch)) for epoch in range(1, self.options.epochs + 1))

    def cut(self, batch: IntArray) -> list[IntArray]:
        """The parts of a batch that are computed one after another."""
        return [each for each in np.array_split(batch, self.options.accumulate) if len(each)]

    def plans(self, epoch: int, taken: int) -> Iterator[Plan]:
        """This process's parts of all batches to come, if need be without end, after so many steps of ``epoch``."""
        views = 2 if self.options.consistency else 1
        for later in range(epoch, self.options.epochs + 1) if self.options.epochs else itertools.count(epoch):
            seed = self.hearing(later)
            for batch in self.batches(later)[taken if later == epoch else 0 :]:
                for part in self.cut(batch):
                    own = self.world.share(part)
                    yield Plan(own, seed, views=views) if len(own) else Plan(part[:1], seed, 0, views)


def check(dataset: Dataset, options: Batches, name: str) -> None:
    """Raises DataError where no batch of an epoch would be whole and others are left out; ``name``: the option's."""
    count, size = len(dataset.kept), options.size
    if options.full and count < size:
        expected = f"expected {size} or more for one batch, by {name}.full"
        raise DataError(dataset.archive.path, f"{count} utterances", expected, f"lower {name}.size")
