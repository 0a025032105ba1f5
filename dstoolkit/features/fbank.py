"""``fbank``: logarithms of mel filterbank energies, as Kaldi's ``compute-fbank-feats`` (see ``mel.py``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dstoolkit.features import warping
from dstoolkit.features.mel import MelAnalysis, MelConfig
from dstoolkit.interfaces import Features

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray


@dataclass(frozen=True)
class FbankConfig(MelConfig):
    """Options of ``fbank``: those of ``MelConfig``, with 80 bins."""


class Fbank(Features):
    """``num_mel_bins`` natural logarithms per frame, after the log energy where ``use_energy`` asks for it."""

    name: ClassVar[str] = "fbank"
    Config: ClassVar[type] = FbankConfig

    def __init__(self, config: FbankConfig, sample_rate: int) -> None:
        self.config = config
        self.analysis = MelAnalysis(config, sample_rate)

    @property
    def dim(self) -> int:
        return self.config.num_mel_bins + self.config.use_energy

    @property
    def frame_shift(self) -> float:
        return self.analysis.frame_shift

    def num_frames(self, num_samples: int) -> int:
        return self.analysis.num_frames(num_samples)

    def extract(self, samples: FloatArray) -> FloatArray:
        found = np.empty((self.num_frames(len(samples)), self.dim), np.float32)
        first = int(self.config.use_energy)
        for place, mel, energies in self.analysis.blocks(samples):
            found[place, first:] = mel.T
            if first:
                found[place, 0] = energies
        return found

    def warping(self, factor: float) -> FloatArray:
        bins, first = np.arange(self.config.num_mel_bins), int(self.config.use_energy)
        matrix = np.eye(self.dim, dtype=np.float32)
        matrix[first:, first:] = warping.interpolation(self.analysis.scale.warped(bins, factor), len(bins))
        return matrix
