"""``best.pt`` and files like it: averaged weights, with all that using them takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from dstoolkit.pipeline import checkpoint
from dstoolkit.training.validation import Validation

BEST = "best.pt"


class Best:
    """Keeps the weights of the best validation, or the last ones', in ``folder``; ``keepsake`` is what each file holds
    beside weights.

    Only the ``main`` one of several processes writes. ``figures`` are the kept ones' so far, plain values for a
    checkpoint.
    """

    def __init__(
        self, folder: Path, keepsake: Mapping[str, Any], main: bool, keep: Literal["best", "last"] = "best"
    ) -> None:
        self.folder, self.keepsake, self.main, self.keep = folder, keepsake, main, keep
        self.figures = {"wer": float("inf"), "loss": float("inf"), "epoch": 0}

    def offer(self, metrics: Mapping[str, Any], validation: Validation, weights: Mapping[str, Tensor]) -> bool:
        """Write ``best.pt`` where ``validation`` is at least as good as the best so far, or the last ones are kept;
        whether it was."""
        better = self.keep == "last" or validation.compared <= (self.figures["wer"], self.figures["loss"])
        if better:
            wer, loss = validation.compared
            self.figures = {"wer": wer, "loss": loss, "epoch": metrics["epoch"]}
            self.write(self.folder / BEST, weights, metrics=dict(metrics))
        return better

    def write(self, path: Path, weights: Mapping[str, Tensor], **more: Any) -> None:
        if self.main:
            checkpoint.save(path, {**self.keepsake, "weights": dict(weights), **more})
