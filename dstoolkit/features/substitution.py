"""``spec_sub``: stretches of an utterance are replaced by what was heard shortly before.

Wu et al. 2021, "U2++: Unified two-pass bidirectional end-to-end model for speech recognition", arXiv:2106.05642, there
beside SpecAugment's masks. A mask of zeros is plain to see; a stretch of other speech is not, so the network must weigh
what it hears against what stands around it. WeNet replaces three stretches of up to 0.2 s in each utterance; here their
number grows with the utterance: three in 5 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dstoolkit.interfaces import Augmentation, Features

if TYPE_CHECKING:
    import numpy as np

    from dstoolkit.interfaces import FloatArray


@dataclass(frozen=True)
class SpecSubConfig:
    """Options of ``spec_sub``."""

    per_second: float = 0.6  # stretches; at least one per utterance
    width: float = 0.2  # s: each is of 0 to so much
    reach: float = 0.2  # s: what replaces it was heard so long before at most

    def __post_init__(self) -> None:
        for name in ("per_second", "width", "reach"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name):g}; expected 0 or more")


class SpecSub(Augmentation):
    """Replaces stretches of frames by the frames shortly before them; of features of any kind, normalised."""

    name: ClassVar[str] = "spec_sub"
    Config: ClassVar[type] = SpecSubConfig

    def __init__(self, config: SpecSubConfig, features: Features, sample_rate: int) -> None:
        self.config, self.shift = config, features.frame_shift

    def __call__(self, values: FloatArray, rng: np.random.Generator) -> FloatArray:
        """``(frames, dim)`` -> as many. What was replaced is not heard again: all is read from ``values``."""
        out, count = values.copy(), len(values)
        widest, furthest = (round(each / self.shift) for each in (self.config.width, self.config.reach))
        for _ in range(max(1, int(count * self.shift * self.config.per_second))):
            first = int(rng.integers(0, count))
            width = min(int(rng.integers(0, widest + 1)), count - first)
            back = int(rng.integers(0, min(first, furthest) + 1))
            out[first : first + width] = values[first - back : first - back + width]
        return out
