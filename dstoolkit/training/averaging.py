"""Averages of weights: a moving one over the steps, and one over the best or the last epochs."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from dstoolkit import stamp
from dstoolkit.pipeline import checkpoint

Model = TypeVar("Model", bound=nn.Module)


class Average(Generic[Model]):
    """An exponential moving average of a model's weights (Polyak & Juditsky 1992), ``model`` being the averaged copy.

    The decay rises towards its final value over the first steps, so that the initial weights are soon forgotten.
    So are buffers (running statistics of batch norm, which follow the last few batches only); counts are copied. A
    decay of 0 follows the model exactly.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.model = copy.deepcopy(model)
        self.model.eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        averages: list[torch.Tensor] = list(self.model.parameters())
        torch._foreach_lerp_(averages, list(model.parameters()), 1 - decay)
        for average, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            if average.is_floating_point():
                average.lerp_(buffer, 1 - decay)
            else:
                average.copy_(buffer)


class Kept:
    """The weights of the best (by WER, then loss, then later epoch) or the last ``count`` epochs of a run, as files
    ``FOLDER/epochs/NNNN.pt``, and their mean. A ``count`` of 0 keeps nothing.

    The files alone say what is kept. An epoch that a better one replaces goes only when the next one is offered: the
    run may be killed after an offer and before the checkpoint that says that the epoch is done, and then goes on from
    the epoch before, whose choice must still be whole. So there may be one file more than ``count``.
    """

    def __init__(self, folder: Path, of: Literal["best", "last"], count: int) -> None:
        self.folder, self.of, self.count = folder / "epochs", of, count

    @cached_property
    def found(self) -> dict[int, tuple[float, float]]:
        """WER and loss of each kept epoch; read when first wanted, for one process alone looks after the files."""
        return {epoch: self._metrics(epoch) for epoch in self._epochs()}

    def _path(self, epoch: int) -> Path:
        return self.folder / f"{epoch:04d}.pt"

    def _epochs(self) -> list[int]:
        names = [each.name for each in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted(int(name[:-3]) for name in names if re.fullmatch(r"\d{4,}\.pt", name))

    def _metrics(self, epoch: int) -> tuple[float, float]:
        state = checkpoint.load(self._path(epoch))
        return state["wer"], state["loss"]

    def chosen(self) -> list[int]:
        """The epochs to be averaged, in order."""
        return self._choice(self.found)

    def _choice(self, found: Mapping[int, tuple[float, float]]) -> list[int]:
        best = self.of == "best"
        ranks = {epoch: (*comparable(*each), -epoch) if best else (-epoch,) for epoch, each in found.items()}
        return sorted(sorted(ranks, key=ranks.__getitem__)[: self.count])

    def offer(self, epoch: int, wer: float, loss: float, weights: Mapping[str, Tensor]) -> None:
        """Keep ``weights`` where ``epoch`` is among the chosen of those until now.

        To be called before the checkpoint is written that says that ``epoch`` is done.
        """
        if not self.count:
            return
        self.drop_after(epoch - 1)
        self._remove(self.found.keys() - self.chosen())
        if epoch not in self._choice({**self.found, epoch: (wer, loss)}):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {"epoch": epoch, "wer": wer, "loss": loss, "weights": dict(weights)}
        checkpoint.save(self._path(epoch), state)
        self.found[epoch] = (wer, loss)

    def drop_after(self, epoch: int) -> None:
        """Forget the epochs after ``epoch``, from which a run goes on, and what a killed one left half written."""
        self._remove(each for each in list(self.found) if each > epoch)
        for each in self.folder.glob(".*.partial"):
            stamp.remove(each)

    def _remove(self, epochs: Iterable[int]) -> None:
        for epoch in epochs:
            self._path(epoch).unlink(missing_ok=True)
            del self.found[epoch]

    def average(self) -> dict[str, Tensor] | None:
        """The mean of the chosen epochs' weights, taken in float64; whole numbers are the latest epoch's.

        None where nothing is kept.
        """
        sums: dict[str, Tensor] = {}
        latest: dict[str, Tensor] = {}
        for epoch in self.chosen():
            latest = checkpoint.load(self._path(epoch))["weights"]
            for name, each in latest.items():
                if each.is_floating_point():
                    sums[name] = sums[name] + each.double() if name in sums else each.double()
        count = len(self.chosen())
        means = {name: (each / count).to(latest[name].dtype) for name, each in sums.items()}
        return {**latest, **means} or None


def comparable(wer: float, loss: float) -> tuple[float, float]:
    """A validation as what sorts by WER, then loss; what is no number is worse than all that are."""
    return math.inf if math.isnan(wer) else wer, math.inf if math.isnan(loss) else loss
