"""Mel filterbank energies as Kaldi computes them: what ``fbank`` and ``mfcc`` share.

Samples are scaled to the 16-bit integer range first, as Kaldi reads them, so that energies and floors agree. Each frame
loses its mean, is pre-emphasised (``x[t] - 0.97 x[t-1]``), windowed, zero-padded to a power of two, transformed, and
its power gathered by triangles of equal width on the mel scale ``1127 ln(1 + f / 700)``. Source: Kaldi,
``feat/feature-window.cc`` and ``feat/mel-computations.cc``.

Single-threaded whatever the number of BLAS threads: the triangles are a sparse matrix. scipy's float32 transform is
about six times as fast as numpy's. Without dither (our default; Kaldi's is 1) the same audio gives the same frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.fft
import scipy.sparse

from dstoolkit.errors import ConfigError
from dstoolkit.features import framing, warping

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

FULL_SCALE = 32768.0  # of 16-bit samples
EPSILON = float(np.finfo(np.float32).eps)  # energies are floored here, so that silence has a finite logarithm


@dataclass(frozen=True)
class MelConfig:
    """Options that ``fbank`` and ``mfcc`` share; the names say Kaldi's, the times are in seconds."""

    num_mel_bins: int = 80
    low_frequency: float = 20.0  # Hz: where the first triangle begins
    high_frequency: float = 0.0  # Hz: where the last triangle ends; 0 or less counts from half the sample rate
    frame_length: float = 0.025  # s
    frame_shift: float = 0.010  # s
    window: Literal["povey", "hamming", "hann", "blackman", "sine", "rectangular"] = "povey"
    preemphasis: float = 0.97
    remove_dc_offset: bool = True
    snip_edges: bool = True  # only frames wholly within the signal; false: one per shift, the ends mirrored
    use_energy: bool = False  # the frame's log energy comes first (mfcc: in place of the first coefficient)
    raw_energy: bool = True  # energy before pre-emphasis and windowing
    energy_floor: float = 0.0  # of the energy, in squared 16-bit units; 0: none
    dither: float = 0.0  # standard deviation of the noise added to samples, in 16-bit units; the noise is repeatable

    def __post_init__(self) -> None:
        if self.num_mel_bins < 3:
            raise ValueError(f"num_mel_bins is {self.num_mel_bins}; expected 3 or more")
        if not 0 < self.frame_shift <= self.frame_length:
            raise ValueError(
                f"frame_shift is {self.frame_shift:g} s and frame_length {self.frame_length:g} s; "
                "expected 0 < frame_shift <= frame_length"
            )
        if not 0 <= self.preemphasis <= 1:
            raise ValueError(f"preemphasis is {self.preemphasis:g}; expected 0 to 1")
        if self.dither < 0 or self.energy_floor < 0 or self.low_frequency < 0:
            raise ValueError("dither, energy_floor and low_frequency must not be negative")


def to_mel(hertz: Any) -> Any:
    """Hz, one or an array, on the mel scale."""
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def to_hertz(mel: Any) -> Any:
    """The inverse of ``to_mel``."""
    return 700.0 * np.expm1(np.asarray(mel) / 1127.0)


def highest(config: MelConfig, sample_rate: int) -> float:
    """Where the last triangle ends, in Hz."""
    return config.high_frequency + (sample_rate / 2 if config.high_frequency <= 0 else 0)


def triangles(config: MelConfig, sample_rate: int, fft_size: int) -> FloatArray:
    """The filterbank, ``(num_mel_bins, fft_size // 2 + 1)``. Raises ConfigError where it cannot be laid out."""
    nyquist = sample_rate / 2
    high = highest(config, sample_rate)
    if not config.low_frequency < high <= nyquist:
        raise ConfigError(
            "features",
            f"mel bins from {config.low_frequency:g} to {high:g} Hz",
            f"expected low_frequency < high_frequency <= {nyquist:g} Hz, half the sample rate",
        )
    edges = np.linspace(to_mel(config.low_frequency), to_mel(high), config.num_mel_bins + 2)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    # Kaldi leaves out the last point of the transform, at half the sample rate.
    points = to_mel(np.arange(fft_size // 2) * sample_rate / fft_size)[None]
    rising, falling = (points - left) / (centre - left), (right - points) / (right - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    if not weights.any(axis=1).all():
        raise ConfigError(
            "features",
            f"{config.num_mel_bins} mel bins are too narrow for a transform of {fft_size} points",
            "expected a point in each",
            "lower num_mel_bins or raise frame_length",
        )
    return np.pad(weights, ((0, 0), (0, 1))).astype(np.float32)


class MelScale:
    """A filterbank's place on the mel scale: bins ``0`` to ``num_mel_bins - 1``, evenly from one to the next.

    ``low`` and ``high`` are Hz: where the first triangle begins and the last one ends.
    """

    def __init__(self, num_mel_bins: int, low: float, high: float, nyquist: float) -> None:
        self.num_mel_bins, self.nyquist = num_mel_bins, nyquist
        self.start = float(to_mel(low))
        self.step = float(to_mel(high) - to_mel(low)) / (num_mel_bins + 1)

    def warped(self, bins: Any, factor: float) -> Any:
        """Bins, fractions of them too -> those that vocal tract length perturbation takes their values from."""
        hertz = warping.warped(to_hertz(self.start + self.step * (bins + 1)), factor, self.nyquist)
        return (to_mel(hertz) - self.start) / self.step - 1

    def cepstra(self, num_ceps: int, factor: float) -> Any:
        """What perturbs orthonormal cepstra of the bins, ``(num_ceps, num_ceps)`` float64."""
        angles = (np.arange(warping.POINTS) + 0.5) * np.pi / warping.POINTS
        bins = self.warped(angles * self.num_mel_bins / np.pi - 0.5, factor)
        return warping.cosine_series(angles, (bins + 0.5) * np.pi / self.num_mel_bins, num_ceps)


class MelAnalysis:
    """Samples -> mel energies and the frames' log energy. Raises ConfigError for what the sample rate does not bear."""

    def __init__(self, config: MelConfig, sample_rate: int) -> None:
        self.config, self.sample_rate = config, sample_rate
        self.length = framing.in_samples(config.frame_length, sample_rate)
        self.shift = framing.in_samples(config.frame_shift, sample_rate)
        if self.shift < 1 or self.length < 2:
            raise ConfigError("features", f"frames of {self.length} samples each {self.shift}", "expected 2 or more")
        self.window = framing.window(config.window, self.length)
        self.fft_size = 1 << (self.length - 1).bit_length()
        self.triangles = scipy.sparse.csr_array(triangles(config, sample_rate, self.fft_size))
        self.scale = MelScale(config.num_mel_bins, config.low_frequency, highest(config, sample_rate), sample_rate / 2)

    @property
    def frame_shift(self) -> float:
        return self.shift / self.sample_rate

    def num_frames(self, num_samples: int) -> int:
        return framing.num_frames(num_samples, self.length, self.shift, self.config.snip_edges)

    def blocks(self, samples: FloatArray) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
        """``(num_samples,)`` -> for each block its place, log mel energies ``(num_mel_bins, block)`` and log energies.

        The log energies are ``(block,)``; they are computed only where ``use_energy`` asks for them, else zeros.
        """
        scaled = np.asarray(samples, np.float32) * np.float32(FULL_SCALE)
        if self.config.dither:
            noise = np.random.default_rng(len(scaled)).standard_normal(len(scaled), dtype=np.float32)
            scaled += np.float32(self.config.dither) * noise
        padded = np.zeros((framing.BLOCK, self.fft_size), np.float32)
        for place, block in framing.blocks(framing.frames(scaled, self.length, self.shift, self.config.snip_edges)):
            energies = self._window(block, padded[: len(block)])
            spectrum = scipy.fft.rfft(padded[: len(block)])
            power = np.square(spectrum.real) + np.square(spectrum.imag)
            mel = self.triangles @ np.ascontiguousarray(power.T)
            yield place, np.log(np.maximum(mel, EPSILON, out=mel), out=mel), energies

    def _window(self, block: FloatArray, padded: FloatArray) -> FloatArray:
        """Condition the frames into the first columns of ``padded``; return their log energies."""
        out, emphasis = padded[:, : self.length], np.float32(self.config.preemphasis)
        if self.config.remove_dc_offset:
            block = block - block.mean(axis=1, keepdims=True)
        np.multiply(block[:, :-1], -emphasis, out=out[:, 1:])
        out[:, 1:] += block[:, 1:]
        np.multiply(block[:, 0], 1 - emphasis, out=out[:, 0])
        out *= self.window
        if not self.config.use_energy:
            return np.zeros(len(block), np.float32)
        return self._log_energy(block if self.config.raw_energy else out)

    def _log_energy(self, block: FloatArray) -> FloatArray:
        floor = max(self.config.energy_floor, EPSILON)
        energies: FloatArray = np.log(np.maximum(np.einsum("ij,ij->i", block, block), np.float32(floor)))
        return energies
