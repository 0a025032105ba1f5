"""Augmentation on the fly: each epoch sees every utterance a little slower or faster and with parts hidden.

Masks and the warp of time follow SpecAugment (Park et al. 2019, arXiv:1904.08779): bands of neighbouring dimensions and
stretches of time set to 0, which is the mean of normalised features, so they come after mean normalisation. Here the
number of time masks grows with the utterance. Stretching changes the tempo, and keeps the pitch, by linear
interpolation along time. Vocal tract length perturbation (``warping.py``) comes before normalisation. What is done to
audio is in ``perturb.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from dstoolkit.config import Choice
from dstoolkit.errors import ConfigError

if TYPE_CHECKING:
    from dstoolkit.interfaces import Features, FloatArray

    Places = np.ndarray[Any, np.dtype[np.float64]]  # in frames, fractions too

STEPS = 32  # warp factors from one end of the range to the other are so many steps apart, one of them at 1


@dataclass(frozen=True)
class Augment:
    """Options of the section ``augment``; 0 switches each off."""

    frequency_masks: int = 2  # masks per utterance
    frequency_width: int = 6  # dimensions: each mask hides 0 to so many
    band_masks: int = 0  # masks per utterance over frequency, of cepstra
    band_width: float = 0.15  # share of the filterbank: each of them hides 0 to so much
    time_masks_per_second: float = 1.5  # at least one mask per utterance
    time_width: float = 0.2  # s: each mask hides 0 to so much
    time_share: float = 1.0  # and at most this share of the utterance
    stretch: float = 0.12  # the tempo is multiplied by a factor within 1 +- this
    tempo: tuple[float, ...] = ()  # the lowest and the highest factor instead, where they should not lie evenly about 1
    time_warp: float = 0.0  # s: one moment is moved by up to so much, what is before and after follows
    vtlp: float = 0.0  # frequencies are multiplied by a factor within 1 +- this, as of other vocal tracts
    speed: tuple[float, ...] = ()  # of the audio, pitch and tempo; one of these for each utterance, all equally likely
    volume: float = 0.0  # dB: the audio is so much louder or quieter at most
    noise: str = ""  # a folder of recordings, any depth: one is added to an utterance
    noise_snr: tuple[float, float] = (5.0, 20.0)  # dB that the noise lies below, from and to
    noise_probability: float = 0.5  # that an utterance is given noise
    reverberation: str = ""  # a folder of impulse responses, any depth
    reverberation_probability: float = 0.5  # that an utterance is put into one's room
    splice: float = 0.0  # probability that an utterance is put together anew from words of its speaker
    alignments: str = ""  # where the words are: a CTM file, as 'dstoolkit align' writes it
    plugins: tuple[Choice, ...] = ()  # augmentations by name, each with its options, in this order

    def __post_init__(self) -> None:
        if min(self.frequency_masks, self.frequency_width, self.time_masks_per_second, self.time_width) < 0:
            raise ValueError("the masks' numbers and widths must not be negative")
        if self.band_masks < 0 or not 0 <= self.band_width <= 0.5:
            raise ValueError("band_masks must not be negative, nor band_width outside 0 to 0.5")
        if not 0 < self.time_share <= 1:
            raise ValueError(f"time_share is {self.time_share:g}; expected above 0, to 1")
        if self.tempo and not (len(self.tempo) == 2 and 0.5 <= self.tempo[0] <= self.tempo[1] <= 2):
            raise ValueError(f"tempo is {list(self.tempo)}; expected two factors of 0.5 to 2, such as [0.85, 1.4]")
        if self.time_warp < 0:
            raise ValueError(f"time_warp is {self.time_warp:g}; expected 0 or more")
        self._check_audio()
        for name in ("stretch", "vtlp"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise ValueError(f"{name} is {getattr(self, name):g}; expected 0 to 0.5")

    def _check_audio(self) -> None:
        if not all(0.5 <= each <= 2 for each in self.speed):
            raise ValueError(f"speed is {list(self.speed)}; expected factors of 0.5 to 2, such as [0.9, 1.0, 1.1]")
        if self.volume < 0 or self.noise_snr[0] > self.noise_snr[1]:
            raise ValueError("volume must not be negative, nor noise_snr fall from one value to the next")
        for name in ("noise_probability", "reverberation_probability", "splice"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name):g}; expected 0 to 1")

    @property
    def of_audio(self) -> list[str]:
        """The options in use that change audio, for which frames must be computed anew."""
        return [name for name in ("speed", "volume", "noise", "reverberation") if getattr(self, name)]

    def inputs(self) -> Mapping[str, Path]:
        """The files and folders that the options name, by option: for the stamp."""
        named = ("noise", "reverberation", *(["alignments"] if self.splice else []))
        return {name: Path(getattr(self, name)) for name in named if getattr(self, name)}

    def warper(self, features: Features) -> Warper | None:
        """What perturbs the vocal tract length of frames of these features, if it is to be. Raises ConfigError."""
        return Warper(self.vtlp, features) if self.vtlp else None

    def tempos(self, count: int, rng: np.random.Generator) -> Places:
        """Factors of the tempo for so many utterances: ``(count,)``."""
        low, high = self.tempo or (1 - self.stretch, 1 + self.stretch)
        return rng.uniform(low, high, count) if low < high else np.full(count, low)

    def speeds(self, count: int, rng: np.random.Generator) -> Places:
        """Factors of the speed of so many utterances' audio: ``(count,)``."""
        return rng.choice(self.speed, count) if self.speed else np.ones(count)

    def apply(
        self, frames: FloatArray, rng: np.random.Generator, frame_shift: float, tempo: float | None = None
    ) -> FloatArray:
        """``(frames, dim)`` normalised float32 -> a new, augmented array of maybe another number of frames.

        ``frame_shift`` is in seconds; ``tempo`` is one of ``tempos`` (None: draw it). The same state of ``rng`` gives
        the same result.
        """
        return self.masked(frames, self.places(len(frames), rng, frame_shift, tempo), rng, frame_shift)

    def places(
        self, length: int, rng: np.random.Generator, frame_shift: float, tempo: float | None = None
    ) -> Places | None:
        """Where, in frames, each frame of a retimed utterance of so many comes from; None: it is as it was."""
        tempo = float(self.tempos(1, rng)[0]) if tempo is None else tempo
        if length < 2 or not (tempo != 1 or self.time_warp):
            return None
        places = spread(length, max(1, round(length / tempo)))
        return self._warped(places, length - 1, rng, frame_shift) if self.time_warp else places

    def masked(
        self, frames: FloatArray, places: Places | None, rng: np.random.Generator, frame_shift: float
    ) -> FloatArray:
        """``(frames, dim)`` normalised -> what is at these ``places``, with parts hidden; a new array."""
        frames = frames.copy() if places is None else between(frames, places)
        self._mask_bands(frames, rng)
        self._mask_times(frames, rng, frame_shift)
        return frames

    def _warped(self, places: Places, last: int, rng: np.random.Generator, frame_shift: float) -> Places:
        """SpecAugment's warp of time, by straight lines: a moment moves, and what lies on both sides follows."""
        reach = min(self.time_warp / frame_shift, last / 4)  # from the ends too; a quarter of a short utterance
        moment = rng.uniform(reach, last - reach)
        return np.interp(places, [0, moment + rng.uniform(-reach, reach), last], [0, moment, last])

    def _mask_bands(self, frames: FloatArray, rng: np.random.Generator) -> None:
        dim = frames.shape[1]
        for _ in range(self.frequency_masks):
            first, last = _span(dim, self.frequency_width, rng)
            frames[:, first:last] = 0

    def _mask_times(self, frames: FloatArray, rng: np.random.Generator, frame_shift: float) -> None:
        if not self.time_masks_per_second:
            return
        widest = min(round(self.time_width / frame_shift), int(self.time_share * len(frames)))
        for _ in range(max(1, int(len(frames) * frame_shift * self.time_masks_per_second))):
            first, last = _span(len(frames), widest, rng)
            frames[first:last] = 0


class Warper:
    """Perturbs the vocal tract length of frames that are not normalised yet. Picklable if the features are.

    Raises ConfigError where the features cannot be warped.
    """

    def __init__(self, most: float, features: Features) -> None:
        self.most, self.features = most, features
        self._matrices: dict[int, Any] = {}  # step -> matrix
        self._matrix(0)

    def apply(self, frames: FloatArray, rng: np.random.Generator) -> FloatArray:
        """``(frames, dim)`` -> the same as spoken by another vocal tract, drawn from ``rng``."""
        found: FloatArray = np.ascontiguousarray((self._matrix(int(rng.integers(STEPS + 1))) @ frames.T).T)
        return found

    def _matrix(self, step: int) -> Any:
        """Sparse, to give the same bits with any number of BLAS threads."""
        if step not in self._matrices:
            factor = 1 + self.most * (2 * step / STEPS - 1)
            try:
                self._matrices[step] = scipy.sparse.csr_array(self.features.warping(factor))
            except TypeError as error:
                raise ConfigError("augment.vtlp", str(error), "", "set augment.vtlp=0") from error
        return self._matrices[step]


def hide_bands(
    frames: FloatArray, masks: int, width: float, features: Features, rng: np.random.Generator
) -> FloatArray:
    """``(frames, dim)`` cepstra, not normalised, without some bands of frequency: there they are the mean's.

    What SpecAugment's frequency masks are to spectra. Raises ConfigError where the features are no cepstra.
    """
    mean = frames.mean(axis=0)
    for _ in range(masks):
        share = rng.uniform(0, width)
        first = rng.uniform(0, 1 - share)
        try:
            matrix = features.masking(first, first + share)
        except TypeError as error:
            raise ConfigError("augment.band_masks", str(error), "", "set augment.frequency_masks instead") from error
        sparse = scipy.sparse.csr_array(matrix)  # the same bits with any number of BLAS threads
        frames = mean + np.ascontiguousarray((sparse @ (frames - mean).T).T)
    return frames


def _span(size: int, widest: int, rng: np.random.Generator) -> tuple[int, int]:
    """A stretch of 0 to ``widest`` of ``size`` places, anywhere among them."""
    width = int(rng.integers(0, min(widest, size) + 1))
    first = int(rng.integers(0, size - width + 1))
    return first, first + width


def spread(length: int, count: int) -> Places:
    """``count`` places, evenly from the first of ``length`` frames to the last."""
    return np.linspace(0, length - 1, count, dtype=np.float64)


def between(frames: FloatArray, places: Places) -> FloatArray:
    """``(frames, dim)`` read at ``(count,)`` places, by linear interpolation: ``(count, dim)``."""
    below = np.minimum(places.astype(np.int64), max(len(frames) - 2, 0))
    above = np.minimum(below + 1, len(frames) - 1)
    weight = (places - below).astype(np.float32)[:, None]
    read: FloatArray = frames[below] * (1 - weight) + frames[above] * weight
    return read
