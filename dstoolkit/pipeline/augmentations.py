"""The augmentations of ``augment.plugins``: chosen by name, and called at their stages, each by itself.

What a plugin gives back is looked at, as a wrong shape would otherwise show up far away, in a batch or the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dstoolkit import plugins
from dstoolkit.config import Choice
from dstoolkit.data.archive import Archive
from dstoolkit.errors import ConfigError, DstoolkitError, PluginError
from dstoolkit.interfaces import Augmentation, Features

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

STAGES = ("audio", "frames", "normalised")


@dataclass(frozen=True)
class Placed:
    """An augmentation and its place in the configuration, which errors begin with."""

    where: str
    augmentation: Augmentation

    def __call__(self, values: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Raises PluginError, naming the plugin, where it fails or what it gives is no such array."""
        label = f"{self.where}: augmentation {self.augmentation.name!r}"
        try:
            found = self.augmentation(values, rng)
        except DstoolkitError:
            raise
        except Exception as error:  # whatever a stranger's class raises is its failure
            raise PluginError(label, f"failed: {plugins.reason(error)}") from error
        alike = isinstance(found, np.ndarray) and found.ndim == values.ndim and found.shape[1:] == values.shape[1:]
        if not (alike and len(found) and found.dtype == np.float32):
            given = f"{found.shape} {found.dtype}" if isinstance(found, np.ndarray) else type(found).__name__
            raise PluginError(label, f"gave {given} for {values.shape} float32", "expected an array alike")
        return found


class Augmentations:
    """Augmentations in the order in which they are called. Picklable if they are."""

    def __init__(self, placed: Sequence[Placed]) -> None:
        self.placed = list(placed)

    def at(self, stage: str) -> list[Placed]:
        """Those of one of ``STAGES``."""
        return [each for each in self.placed if each.augmentation.stage == stage]

    def apply(self, stage: str, values: FloatArray, rng: np.random.Generator) -> FloatArray:
        """``(num_samples,)`` or ``(frames, dim)``, one after another. Raises PluginError."""
        for each in self.at(stage):
            values = each(values, rng)
        return values


def extractor(archive: Archive) -> Features:
    """The features that the archive holds, as it was made with. Raises PluginError or ConfigError."""
    cls, settings = plugins.choose("features", Choice(archive.extractor, archive.config, str(archive.path)))
    found: Features = cls(settings, archive.sample_rate)
    return found


def choose(choices: Sequence[Choice], archive: Archive) -> Augmentations:
    """What the configuration names, for the archive's features. Raises PluginError or ConfigError."""
    features = extractor(archive)
    return Augmentations([_placed(each, features, archive) for each in choices])


def _placed(choice: Choice, features: Features, archive: Archive) -> Placed:
    cls, options = plugins.choose("augmentations", choice)
    label = f"augmentation {choice.name!r}"
    if cls.stage not in STAGES:
        raise PluginError(choice.where, f"{label} is of stage {cls.stage!r}", f"expected one of {', '.join(STAGES)}")
    if cls.of_features and archive.extractor not in cls.of_features:
        wanted = " or ".join(repr(each) for each in cls.of_features)
        raise ConfigError(choice.where, f"{label} is for features {wanted}", f"'{archive.path}' has others")
    return Placed(choice.where, cls(options, features, archive.sample_rate))


def inputs(choices: Sequence[Choice]) -> Mapping[str, Path]:
    """The files and folders that their options name, ``NAME.OPTION`` -> path. Raises PluginError or ConfigError."""
    found: dict[str, Path] = {}
    for choice in choices:
        cls, options = plugins.choose("augmentations", choice)
        found |= {f"{choice.name}.{option}": path for option, path in cls.inputs(options).items()}
    return found
