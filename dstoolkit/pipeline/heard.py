"""What a training hears of an utterance: normalised frames, as they are or augmented anew each time.

In this order: the vocal tract length is perturbed (``features/warping.py``), the frames are normalised, then stretched
and masked (``features/augment.py``). Everything random comes from one generator per utterance, which the training
seeds by the run's seed, the epoch and the utterance's index: neither the batch nor the process matters.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dstoolkit import plugins
from dstoolkit.config import Choice
from dstoolkit.data.archive import Archive
from dstoolkit.features.augment import Augment
from dstoolkit.features.cmvn import Cmvn
from dstoolkit.interfaces import Features, FloatArray
from dstoolkit.pipeline.recognition import Frames


class Source:
    """An archive's utterances by index: ``(frames, dim)`` float32. Picklable, to prepare batches in other processes."""

    def __init__(self, archive: Archive, cmvn: Cmvn, augment: Augment) -> None:
        self.archive, self.augment = archive, augment
        self._frames = Frames(archive, cmvn)
        self._warper = augment.warper(extractor(archive)) if augment.vtlp else None

    def plain(self, index: int) -> FloatArray:
        """Normalised only."""
        return self._frames[index]

    def frames(self, index: int, rng: np.random.Generator) -> FloatArray:
        """Augmented by ``rng`` alone, so seed it by run, epoch and ``index``."""
        heard = self.archive.frames(index)
        if self._warper:
            heard = self._warper.apply(heard, rng)
        return self.augment.apply(self._frames.normalised(index, heard), rng, self.archive.frame_shift)


def source(archive: Archive, data_dir: Path, cmvn: Cmvn, augment: Augment) -> Source:
    """The utterances of an archive, which was made from ``data_dir``. Raises ConfigError or PluginError."""
    return Source(archive, cmvn, augment)


def extractor(archive: Archive) -> Features:
    """The features that the archive holds, as it was made with. Raises PluginError or ConfigError."""
    cls, settings = plugins.choose("features", Choice(archive.extractor, archive.config, str(archive.path)))
    found: Features = cls(settings, archive.sample_rate)
    return found
