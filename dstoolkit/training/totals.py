"""What is summed up over the steps of an epoch, for its line of metrics; kept in the checkpoint, step by step."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass
class Totals:
    """``loss`` in nats over ``tokens`` target tokens; ``frames`` of ``padded`` frames in the batches; ``seconds``, of
    which ``waited`` for data; the gradient's ``norms``; ``skipped`` steps; ``own``: each output's loss."""

    loss: float = 0.0
    tokens: int = 0
    frames: int = 0
    padded: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    skipped: int = 0
    norms: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def heard(self, losses: Sequence[float], tokens: int, frames: int, padded: int) -> None:
        """A step's: the loss, then each output's."""
        loss, *own = losses
        self.loss, self.tokens = self.loss + loss, self.tokens + tokens
        self.own = [before + more for before, more in zip(self.own or [0.0] * len(own), own, strict=True)]
        self.frames, self.padded = self.frames + frames, self.padded + padded

    def spent(self, seconds: float, waited: float) -> None:
        self.seconds, self.waited = self.seconds + seconds, self.waited + waited

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def metrics(self, frame_shift: float) -> dict[str, Any]:
        """The shares are 0 to 1, ``speed`` is seconds of audio per second, ``grad_norm`` the median."""
        seconds = max(self.seconds, 1e-9)
        return {
            "train_loss": self.loss / max(self.tokens, 1),
            "seconds": self.seconds,
            "speed": self.frames * frame_shift / seconds,
            "frames_per_second": self.frames / seconds,
            "padding": 1 - self.frames / max(self.padded, 1),
            "data_wait": self.waited / seconds,
            "grad_norm": statistics.median(self.norms) if self.norms else 0.0,
            "skipped": self.skipped,
        }


def memory_mb(device: torch.device) -> float:
    """What this process holds now, in units of 2**20 bytes: on a GPU the most that tensors took there."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:  # no Linux: the most it ever held
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
