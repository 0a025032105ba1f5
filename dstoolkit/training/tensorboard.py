"""Metrics for TensorBoard, where the package ``tensorboard`` is installed; nothing else needs it."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstoolkit.training.health import warn
from dstoolkit.training.outlets import OWN

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

# metric -> where TensorBoard shows it; those with one first word share a section
TAGS = {
    "train_loss": "loss/train",
    "dev_loss": "loss/dev",
    "dev_wer": "error rate in percent/WER",
    "dev_cer": "error rate in percent/CER",
    "lr": "training/learning rate",
    "grad_norm": "training/gradient norm",
    "skipped": "training/skipped steps",
    "frames_per_second": "speed/frames per second",
    "padding": "speed/padding share",
    "data_wait": "speed/data wait share",
    "memory_mb": "speed/memory in MB",
}


class Board:
    """Writes each epoch's metrics, at the epoch's number, into ``folder``, which the first epoch makes.

    Of what a former run wrote there, ``done`` epochs are kept; later ones are to be written again, and their old values
    hidden. Without ``tensorboard`` every call does nothing.
    """

    def __init__(self, folder: Path, done: int) -> None:
        self.folder, self.done = folder, done
        self.writer: SummaryWriter | None = None
        self.wanted = importlib.util.find_spec("tensorboard") is not None

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        if self.wanted and self.writer is None:
            self._open()
        if self.writer is None:
            return
        own = {name: name.replace("_loss_", " loss of outputs/") for name in metrics if name.startswith(OWN)}
        for name, tag in {**TAGS, **own}.items():
            value = metrics.get(name)
            if value is not None and math.isfinite(value):
                self.writer.add_scalar(tag, value, metrics["epoch"])
        self.writer.flush()

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

    def _open(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except Exception as error:  # an installation that does not fit costs its curves, not the training
            self.wanted = False
            warn(f"tensorboard is installed but cannot be used: {error}; mend or remove it")
            return
        self.writer = SummaryWriter(self.folder, purge_step=self.done + 1)
