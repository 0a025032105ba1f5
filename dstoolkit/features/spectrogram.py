"""``spectrogram``: the log power spectrum itself, the features of Deep Speech 2 and of Kur.

Hann windows of 20 ms each 10 ms, not padded, so that points lie 50 Hz apart; the one-sided power spectral density of
samples in [-1, 1], per Hz; its natural logarithm after a floor is added. Only whole windows count. Source: Amodei et
al., Deep Speech 2, arXiv:1512.02595, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import scipy.fft

from dstoolkit.errors import ConfigError
from dstoolkit.features import framing, warping
from dstoolkit.interfaces import Features

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray


@dataclass(frozen=True)
class SpectrogramConfig:
    """Options of ``spectrogram``; times in seconds, frequencies in Hz."""

    frame_length: float = 0.020  # s
    frame_shift: float = 0.010  # s
    max_frequency: float = 8000.0  # Hz: points above are left out; half the sample rate where that is lower
    floor: float = 1e-14  # added to the power before the logarithm (per Hz, full scale 1); keeps silence finite

    def __post_init__(self) -> None:
        if not 0 < self.frame_shift <= self.frame_length:
            raise ValueError(
                f"frame_shift is {self.frame_shift:g} s and frame_length {self.frame_length:g} s; "
                "expected 0 < frame_shift <= frame_length"
            )
        if self.max_frequency <= 0 or self.floor < 1e-37:  # smaller floors vanish in float32
            raise ValueError("max_frequency must be above 0 and floor at least 1e-37")


class Spectrogram(Features):
    """One value per point of the transform from 0 Hz to ``max_frequency``: 161 at 16 kHz, 81 at 8 kHz by default."""

    name: ClassVar[str] = "spectrogram"
    Config: ClassVar[type] = SpectrogramConfig

    def __init__(self, config: SpectrogramConfig, sample_rate: int) -> None:
        self.config, self.sample_rate = config, sample_rate
        self.length = framing.in_samples(config.frame_length, sample_rate)
        self.shift = framing.in_samples(config.frame_shift, sample_rate)
        if self.shift < 1 or self.length < 4:
            raise ConfigError("features", f"frames of {self.length} samples each {self.shift}", "expected 4 or more")
        self.window = framing.window("hann", self.length)
        self.points = int(min(config.max_frequency, sample_rate / 2) * self.length / sample_rate + 1e-6) + 1
        self.scale = self._scale()

    def _scale(self) -> FloatArray:
        """What turns squared magnitudes into one-sided power per Hz, ``(points,)``."""
        twice = np.full(self.length // 2 + 1, 2.0)
        twice[0] = 1.0
        if self.length % 2 == 0:
            twice[-1] = 1.0  # 0 Hz and half the sample rate have no mirror image
        scale: FloatArray = (twice / (self.sample_rate * np.square(self.window).sum())).astype(np.float32)
        return scale[: self.points]

    @property
    def dim(self) -> int:
        return self.points

    @property
    def frame_shift(self) -> float:
        return self.shift / self.sample_rate

    def num_frames(self, num_samples: int) -> int:
        return framing.num_frames(num_samples, self.length, self.shift)

    def extract(self, samples: FloatArray) -> FloatArray:
        frames = framing.frames(np.asarray(samples, np.float32), self.length, self.shift)
        found = np.empty((len(frames), self.points), np.float32)
        for place, block in framing.blocks(frames):
            spectrum = scipy.fft.rfft(block * self.window)[:, : self.points]
            power = (np.square(spectrum.real) + np.square(spectrum.imag)) * self.scale
            np.log(power + np.float32(self.config.floor), out=found[place])
        return found

    def warping(self, factor: float) -> FloatArray:
        spacing = self.sample_rate / self.length  # Hz from one point to the next
        hertz = warping.warped(np.arange(self.points) * spacing, factor, self.sample_rate / 2)
        return warping.interpolation(hertz / spacing, self.points)
