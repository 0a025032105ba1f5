"""``filter_augment``: an utterance as another room or microphone would have coloured it.

FilterAugment (Nam et al., "FilterAugment: An acoustic environmental data augmentation method", ICASSP 2022), of its
linear kind: the filters are divided into bands at random, a gain in dB is drawn for each end of a band, and between
its ends the gain goes along a straight line over the filters, which are equally spaced on the ERB-rate scale. All
frames of an utterance are given the same gains.

Gains are added to log energies before normalisation, so ``cmvn: utterance`` takes them away again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dstoolkit.errors import ConfigError
from dstoolkit.interfaces import Augmentation

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray
    from dstoolkit_gammatone.features import Gammatone

NEPERS = math.log(10) / 10  # natural logarithm of an energy for each dB


@dataclass(frozen=True)
class FilterAugmentConfig:
    """Options of ``filter_augment``."""

    bands: tuple[int, int] = (3, 6)  # the fewest and the most of them
    gain: tuple[float, float] = (-6.0, 6.0)  # dB, from and to
    min_width: int = 3  # filters from one end of a band to the other; the paper's: 6 of 128 mel bins

    def __post_init__(self) -> None:
        if not 1 <= self.bands[0] <= self.bands[1]:
            raise ValueError(f"bands is {list(self.bands)}; expected the fewest, 1 or more, and the most")
        if not -math.inf < self.gain[0] <= self.gain[1] < math.inf:
            raise ValueError(f"gain is {list(self.gain)}; expected the lowest and the highest, in dB")
        if self.min_width < 1:
            raise ValueError(f"min_width is {self.min_width}; expected 1 or more")


class FilterAugment(Augmentation):
    """Raises ConfigError for roots and cepstra, and where the narrowest bands are too many for the filters."""

    name: ClassVar[str] = "filter_augment"
    Config: ClassVar[type] = FilterAugmentConfig
    stage: ClassVar[str] = "frames"
    of_features = ("gammatone",)

    def __init__(self, config: FilterAugmentConfig, features: Gammatone, sample_rate: int) -> None:
        self.config = config
        where, made = "augmentation 'filter_augment'", features.config
        if made.nonlinearity != "log" or made.cepstra:
            found = f"features 'gammatone' with nonlinearity '{made.nonlinearity}' and cepstra {made.cepstra}"
            raise ConfigError(where, found, "expected log energies", "extract with nonlinearity 'log' and cepstra 0")
        narrowest = config.bands[1] * config.min_width
        if narrowest > features.dim - 1:
            found = f"{config.bands[1]} bands of min_width {config.min_width} between {features.dim} filters"
            raise ConfigError(where, found, f"expected {narrowest + 1} filters or more", "lower bands or min_width")

    def __call__(self, values: FloatArray, rng: np.random.Generator) -> FloatArray:
        """``(frames, num_filters)`` log energies -> the same with gains."""
        gains = NEPERS * self.gains(values.shape[1], rng)
        changed: FloatArray = values + gains.astype(np.float32)
        return changed

    def gains(self, num_filters: int, rng: np.random.Generator) -> Any:
        """``(num_filters,)`` float64, dB."""
        config = self.config
        count = int(rng.integers(config.bands[0], config.bands[1] + 1))
        spare = num_filters - 1 - count * config.min_width  # what the bands have beyond the narrowest, together
        inner = np.sort(rng.integers(0, spare + 1, count - 1)) + config.min_width * np.arange(1, count)
        ends = [0, *inner, num_filters - 1]
        return np.interp(np.arange(num_filters), ends, rng.uniform(*config.gain, count + 1))
