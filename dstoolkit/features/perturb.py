"""Perturbing audio: other speeds, rooms, noises and levels, before features are extracted from it.

What happens to an utterance is drawn first (``Perturbation.draw``) and done then, in this order: speed by resampling,
so that pitch and tempo change together (Ko et al., Audio augmentation for speech recognition, Interspeech 2015; whoever
can resample does it), reverberation by an impulse response, noise at a signal-to-noise ratio (both as in Ko et al., A
study on data augmentation of reverberant speech for robust speech recognition, ICASSP 2017), volume.

Samples are ``(samples,)`` float32 in [-1, 1]. Levels are in decibels of energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft

if TYPE_CHECKING:
    from dstoolkit.features.augment import Augment
    from dstoolkit.interfaces import FloatArray


@dataclass(frozen=True)
class Perturbation:
    """What is done to one utterance. ``response`` and ``noise`` are indices, None for none; ``gain`` is in dB.

    ``place`` says where in the noise its stretch begins, 0 to 1; ``snr`` is in dB.
    """

    speed: float = 1.0
    response: int | None = None
    noise: int | None = None
    place: float = 0.0
    snr: float = 0.0
    gain: float = 0.0

    @classmethod
    def draw(
        cls, options: Augment, responses: int, noises: int, rng: np.random.Generator, speed: float = 1.0
    ) -> Perturbation:
        """One of so many impulse responses and noises; nothing is drawn for what is off. ``speed`` is of
        ``Augment.speeds``."""
        response = noise = None
        place = snr = 0.0
        if responses and rng.random() < options.reverberation_probability:
            response = int(rng.integers(responses))
        if noises and rng.random() < options.noise_probability:
            noise, place, snr = int(rng.integers(noises)), rng.random(), rng.uniform(*options.noise_snr)
        gain = rng.uniform(-options.volume, options.volume) if options.volume else 0.0
        return cls(speed, response, noise, place, snr, gain)


def reverberate(samples: FloatArray, response: FloatArray) -> FloatArray:
    """In the room of an impulse response: as long and as loud, and no later, for the direct path is the largest peak.

    A response that is silent changes nothing.
    """
    direct = int(np.abs(response).argmax())
    size = scipy.fft.next_fast_len(len(samples) + len(response) - 1, real=True)
    whole = scipy.fft.irfft(scipy.fft.rfft(samples, size) * scipy.fft.rfft(response, size), size)
    found = whole[direct : direct + len(samples)]
    loudness = energy(found)
    return _scaled(found, np.sqrt(energy(samples) / loudness)) if loudness else samples


def mix(samples: FloatArray, noise: FloatArray, snr: float) -> FloatArray:
    """With noise of the same length, whose energy over the whole utterance lies ``snr`` dB below.

    Where either is silent, there is no such ratio, and nothing changes.
    """
    signal, loudness = energy(samples), energy(noise)
    if not (signal and loudness):
        return samples
    return samples + _scaled(noise, np.sqrt(signal / loudness) * 10 ** (-snr / 20))


def amplify(samples: FloatArray, gain: float) -> FloatArray:
    """Louder by ``gain`` dB, or by as much as fits into [-1, 1]: what does not fit is made quieter, never clipped."""
    factor, peak = 10 ** (gain / 20), float(np.abs(samples).max(initial=0.0))
    return _scaled(samples, min(factor, 1 / peak) if peak else factor)


def fill(noise: FloatArray, count: int) -> FloatArray:
    """``(count,)``: the noise's beginning, or the noise again and again."""
    return np.resize(noise, count)


def energy(samples: FloatArray) -> float:
    """Summed squares, in float64; not by BLAS, whose result depends on its threads."""
    return float(np.square(samples, dtype=np.float64).sum())


def _scaled(samples: FloatArray, factor: float) -> FloatArray:
    return samples * np.float32(factor)
