"""``provider``: which utterances share a batch, and in which order, as options of dstoolkit's ``train.batches``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from dstoolkit_kur.node import Node

LENGTHS = {"duration": "length", "utterance_length": "length", "transcript_length": "text"}
Source = Literal["duration", "utterance_length", "transcript_length"]


@dataclass(frozen=True)
class Provider:
    """batch_size: utterances in a batch. num_batches: so many make an epoch. force_batch_size: no smaller one.

    randomize: the order is random, after shuffle_after epochs; sort_by: sorted by this before; sortagrad: sorted by
    this in the first epoch. reverse: sorted ones come longest first.
    """

    name: Literal["batch_provider"] = "batch_provider"
    batch_size: int = 32
    num_batches: int | None = None
    randomize: bool = True
    sortagrad: Source | None = None
    sort_by: Source | None = None
    shuffle_after: int | None = None
    reverse: bool = False
    force_batch_size: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_batches"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        if self.sortagrad and (self.sort_by or self.shuffle_after is not None):
            raise ValueError("sortagrad stands for sort_by with shuffle_after 1; expected one or the other")
        if self.shuffle_after and not self.sort_by:
            raise ValueError("shuffle_after without sort_by is not supported yet; expected both")
        if self.shuffle_after is not None and self.shuffle_after < 0:
            raise ValueError(f"shuffle_after is {self.shuffle_after}; expected 0 epochs or more")
        if self.reverse and not self.key:
            raise ValueError("reverse without sortagrad or sort_by is not supported yet; expected one of them")

    @property
    def key(self) -> str | None:
        """What is sorted by."""
        return self.sortagrad or self.sort_by

    @property
    def sorted_epochs(self) -> int:
        """Sorted epochs before the random ones."""
        return 1 if self.sortagrad else self.shuffle_after or 0

    def batches(self, bucket: float) -> dict[str, Any]:
        """The section ``train.batches``. ``bucket``: seconds to whose multiples batches are padded; 0: none."""
        always = self.key is not None and not self.randomize
        order = "sorted" if always else "shuffled" if self.randomize else "given"
        sorts = always or self.sorted_epochs > 0
        return {
            "size": self.batch_size,
            "most": self.num_batches or 0,
            "order": order,
            "reverse": self.reverse and sorts,
            "sorted_epochs": 0 if always else self.sorted_epochs,
            "sort_by": LENGTHS[self.key] if self.key and sorts else "length",
            "full": self.force_batch_size,
            "bucket": bucket,
        }


def read(section: Node) -> Provider:
    """Of ``train``. Raises ConfigError, Faults, with file and line."""
    node = section.get("provider")
    return Provider() if node is None or node.content is None else node.build(Provider)


def read_whole(section: Node) -> Provider:
    """Of a section whose data are heard as a whole, where batches change no result."""
    found = read(section)
    if found.num_batches is not None:
        node = section.get("provider", "num_batches")
        raise node.fault("a part of the data is not supported yet here", "", "choose one by the data's 'samples'")
    return found
