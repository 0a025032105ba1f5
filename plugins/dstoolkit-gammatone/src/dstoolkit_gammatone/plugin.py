"""The entry point: what this package adds to dstoolkit. Every dstoolkit command loads it, so numpy comes later."""

from __future__ import annotations

from dstoolkit.hookspecs import hookimpl
from dstoolkit.interfaces import Augmentation, Features

DSTOOLKIT_API = 1


@hookimpl
def dstoolkit_register_features() -> list[type[Features]]:
    from dstoolkit_gammatone.features import Gammatone

    return [Gammatone]


@hookimpl
def dstoolkit_register_augmentations() -> list[type[Augmentation]]:
    from dstoolkit_gammatone.augmentation import FilterAugment

    return [FilterAugment]
