"""``gammatone``: energies of gammatone filters, their logarithms or roots, and cepstra of these.

Each frame loses its mean, is windowed (Hann), zero-padded to at least twice its length, transformed, and its power
gathered by the filters of ``filterbank.py``. Samples are in 16-bit units and energies are floored, as for ``fbank``.
The padding makes the points of the spectrum lie closer than the lowest filters are wide.

``nonlinearity: power`` takes the 15th root in place of the logarithm, which falls without bound where there is little
sound (Kim and Stern, "Power-normalized cepstral coefficients (PNCC) for robust speech recognition", IEEE/ACM TASLP
24(7), 2016; their noise suppression is not part of this). ``cepstra`` are coefficients of the orthonormal cosine
transform over the filters (Schlüter et al., "Gammatone features and feature combination for large vocabulary speech
recognition", ICASSP 2007; Shao et al., "An auditory-based feature for robust speech recognition", ICASSP 2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import scipy.fft
import scipy.sparse

from dstoolkit.errors import ConfigError
from dstoolkit.features import framing, warping
from dstoolkit.features.mel import EPSILON, FULL_SCALE
from dstoolkit.features.mfcc import cepstral_transform
from dstoolkit.interfaces import Features
from dstoolkit_gammatone.filterbank import Filterbank

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

EXPONENT = 1 / 15  # of the power nonlinearity (Kim and Stern)


@dataclass(frozen=True)
class GammatoneConfig:
    """Options of ``gammatone``."""

    num_filters: int = 64
    low_frequency: float = 50.0  # Hz: the first filter's centre
    high_frequency: float = 0.0  # Hz: one step above the last filter's centre; 0: half the sample rate
    frame_length: float = 0.025  # s
    frame_shift: float = 0.010  # s
    nonlinearity: Literal["log", "power"] = "log"
    cepstra: int = 0  # coefficients of the cosine transform; 0: the filters' values themselves

    def __post_init__(self) -> None:
        if self.num_filters < 2:
            raise ValueError(f"num_filters is {self.num_filters}; expected 2 or more")
        for name in ("low_frequency", "high_frequency"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name):g}; expected 0 Hz or more")
        if not 0 < self.frame_shift <= self.frame_length < float("inf"):
            raise ValueError(
                f"frame_shift is {self.frame_shift:g} s and frame_length {self.frame_length:g} s; "
                "expected 0 < frame_shift <= frame_length"
            )
        if not 0 <= self.cepstra <= self.num_filters:
            raise ValueError(f"cepstra is {self.cepstra}; expected 0 to num_filters ({self.num_filters})")


class Gammatone(Features):
    """``num_filters`` values per frame, or ``cepstra`` coefficients. Only frames wholly within the signal are kept."""

    name: ClassVar[str] = "gammatone"
    Config: ClassVar[type] = GammatoneConfig

    def __init__(self, config: GammatoneConfig, sample_rate: int) -> None:
        self.config, self.sample_rate = config, sample_rate
        self.length = framing.in_samples(config.frame_length, sample_rate)
        self.shift = framing.in_samples(config.frame_shift, sample_rate)
        if self.shift < 1 or self.length < 2:
            raise ConfigError("features", f"frames of {self.length} samples each {self.shift}", "expected 2 or more")
        self.filterbank = laid_out(config, sample_rate)
        self.window = framing.window("hann", self.length)
        self.fft_size = 1 << (2 * self.length - 1).bit_length()
        points = np.arange(self.fft_size // 2 + 1) * sample_rate / self.fft_size
        # Sparse, though no weight is 0, to give the same bits with any number of BLAS threads.
        self.weights = scipy.sparse.csr_array(self.filterbank.weights(points).astype(np.float32))
        self.transform: Any = None
        if config.cepstra:
            self.transform = scipy.sparse.csr_array(cepstral_transform(config.cepstra, config.num_filters, lifter=0.0))

    @property
    def dim(self) -> int:
        return self.config.cepstra or self.config.num_filters

    @property
    def frame_shift(self) -> float:
        return self.shift / self.sample_rate

    def num_frames(self, num_samples: int) -> int:
        return framing.num_frames(num_samples, self.length, self.shift)

    def extract(self, samples: FloatArray) -> FloatArray:
        found = np.empty((self.num_frames(len(samples)), self.dim), np.float32)
        scaled = np.asarray(samples, np.float32) * np.float32(FULL_SCALE)
        for place, block in framing.blocks(framing.frames(scaled, self.length, self.shift)):
            values = self._compressed(self._energies(block))
            found[place] = (values if self.transform is None else self.transform @ values).T
        return found

    def _energies(self, block: FloatArray) -> FloatArray:
        """``(block, length)`` samples -> ``(num_filters, block)``."""
        windowed = (block - block.mean(axis=1, keepdims=True)) * self.window
        spectrum = scipy.fft.rfft(windowed, self.fft_size)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        energies: FloatArray = self.weights @ np.ascontiguousarray(power.T)
        return energies

    def _compressed(self, energies: FloatArray) -> FloatArray:
        floored = np.maximum(energies, np.float32(EPSILON))
        return np.log(floored) if self.config.nonlinearity == "log" else floored ** np.float32(EXPONENT)

    def loudness(self, frames: FloatArray) -> FloatArray:
        """The mean over filters, which the first of the cepstra is a multiple of."""
        level: FloatArray = frames[:, 0] if self.config.cepstra else frames.mean(axis=1)
        return level

    def warping(self, factor: float) -> FloatArray:
        if self.config.cepstra:
            matrix: FloatArray = self.filterbank.warped_cepstra(self.config.cepstra, factor).astype(np.float32)
            return matrix
        filters = np.arange(self.config.num_filters)
        return warping.interpolation(self.filterbank.warped(filters, factor), len(filters))

    def masking(self, first: float, last: float) -> FloatArray:
        """``(cepstra, cepstra)``; of energies there is none, and TypeError says so."""
        if not self.config.cepstra:
            return super().masking(first, last)
        matrix: FloatArray = warping.without_band(self.config.cepstra, first, last).astype(np.float32)
        return matrix


def laid_out(config: GammatoneConfig, sample_rate: int) -> Filterbank:
    """The filters that the options ask for. Raises ConfigError where the sample rate does not bear them."""
    nyquist = sample_rate / 2
    high = config.high_frequency or nyquist
    if not config.low_frequency < high <= nyquist:
        raise ConfigError(
            "features",
            f"gammatone filters from {config.low_frequency:g} to {high:g} Hz",
            f"expected low_frequency < high_frequency <= {nyquist:g} Hz, half the sample rate",
        )
    return Filterbank(config.num_filters, config.low_frequency, high, nyquist)
