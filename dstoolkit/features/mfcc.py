"""``mfcc``: mel-frequency cepstral coefficients, as Kaldi's ``compute-mfcc-feats`` (see ``mel.py``).

An orthonormal cosine transform (type II) of the log mel energies, its first ``num_ceps`` coefficients scaled by the
lifter ``1 + Q/2 sin(pi n / Q)``; the first is replaced by the frame's log energy unless ``use_energy`` is false. Deltas
follow where asked for. Source: Davis and Mermelstein, IEEE Trans. ASSP 28(4), 1980; Kaldi, ``feat/feature-mfcc.cc``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import scipy.sparse

from dstoolkit.features import warping
from dstoolkit.features.deltas import add_deltas
from dstoolkit.features.mel import MelAnalysis, MelConfig
from dstoolkit.interfaces import Features

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray


@dataclass(frozen=True)
class MfccConfig(MelConfig):
    """Options of ``mfcc``: those of ``MelConfig`` and these."""

    num_mel_bins: int = 23
    use_energy: bool = True
    num_ceps: int = 13  # coefficients kept, the first (or the energy) among them
    cepstral_lifter: float = 22.0  # Q of the lifter; 0: none
    deltas: Literal[0, 1, 2] = 0  # orders of time derivatives added, over two frames on each side

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.num_ceps <= self.num_mel_bins:
            raise ValueError(f"num_ceps is {self.num_ceps}; expected 1 to num_mel_bins ({self.num_mel_bins})")
        if self.cepstral_lifter < 0:
            raise ValueError(f"cepstral_lifter is {self.cepstral_lifter:g}; expected 0 or more")


def cepstral_transform(num_ceps: int, num_mel_bins: int, lifter: float) -> FloatArray:
    """Cosine transform and lifter in one matrix, ``(num_ceps, num_mel_bins)``."""
    order, place = np.arange(num_ceps)[:, None], np.arange(num_mel_bins)[None] + 0.5
    cosines = np.sqrt(2.0 / num_mel_bins) * np.cos(np.pi / num_mel_bins * order * place)
    cosines[0] = np.sqrt(1.0 / num_mel_bins)
    transform: FloatArray = (cosines * lifting(num_ceps, lifter)[:, None]).astype(np.float32)
    return transform


def lifting(num_ceps: int, lifter: float) -> Any:
    """What the lifter multiplies each coefficient by, ``(num_ceps,)`` float64."""
    return 1 + lifter / 2 * np.sin(np.pi * np.arange(num_ceps) / lifter) if lifter else np.ones(num_ceps)


class Mfcc(Features):
    """``num_ceps`` coefficients per frame, times one more than the orders of deltas."""

    name: ClassVar[str] = "mfcc"
    Config: ClassVar[type] = MfccConfig

    def __init__(self, config: MfccConfig, sample_rate: int) -> None:
        self.config = config
        self.analysis = MelAnalysis(config, sample_rate)
        matrix = cepstral_transform(config.num_ceps, config.num_mel_bins, config.cepstral_lifter)
        self.transform = scipy.sparse.csr_array(matrix)  # sparse, to be the same for any number of BLAS threads

    @property
    def dim(self) -> int:
        return self.config.num_ceps * (self.config.deltas + 1)

    @property
    def frame_shift(self) -> float:
        return self.analysis.frame_shift

    def num_frames(self, num_samples: int) -> int:
        return self.analysis.num_frames(num_samples)

    def extract(self, samples: FloatArray) -> FloatArray:
        found = np.empty((self.num_frames(len(samples)), self.config.num_ceps), np.float32)
        for place, mel, energies in self.analysis.blocks(samples):
            found[place] = (self.transform @ mel).T
            if self.config.use_energy:
                found[place, 0] = energies
        return add_deltas(found, self.config.deltas)

    def loudness(self, frames: FloatArray) -> FloatArray:
        """The first coefficient: the energy, or what stands for it."""
        return frames[:, 0]

    def warping(self, factor: float) -> FloatArray:
        return self._changing(self.analysis.scale.cepstra(self.config.num_ceps, factor))

    def masking(self, first: float, last: float) -> FloatArray:
        return self._changing(warping.without_band(self.config.num_ceps, first, last))

    def _changing(self, matrix: Any) -> FloatArray:
        """A matrix on orthonormal cepstra as one on frames."""
        config = self.config
        lifter = lifting(config.num_ceps, config.cepstral_lifter)
        matrix = matrix * lifter[:, None] / lifter
        if config.use_energy:
            matrix[0] = np.eye(config.num_ceps)[0]  # the frame's energy, no matter where in the spectrum
        return warping.of_blocks(matrix, config.deltas + 1)
