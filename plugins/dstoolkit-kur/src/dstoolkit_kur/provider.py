"""``provider``: which utterances share a batch, and in which order, as options of dstoolkit's ``train.batches``.

``train`` has its epochs and ``validate`` its validations, one an epoch; ``test`` and ``evaluate`` go over their data
once and, as in Kur, never in random order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from dstoolkit_kur.node import Node

LENGTHS = {"duration": "length", "utterance_length": "length", "transcript_length": "text"}
ONCE = ("test", "evaluate")  # sections whose data are gone over once
Source = Literal["duration", "utterance_length", "transcript_length"]


@dataclass(frozen=True)
class Provider:
    """batch_size: utterances in a batch. num_batches: so many make an epoch. force_batch_size: no smaller one.

    randomize: the order is random, after shuffle_after epochs, which are sorted by sort_by, or else in the order of
    the data. sortagrad: sorted by this in the first epoch. reverse: orders that are not random are taken backwards.
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
        if self.shuffle_after is not None and self.shuffle_after < 0:
            raise ValueError(f"shuffle_after is {self.shuffle_after}; expected 0 epochs or more")

    @property
    def key(self) -> str | None:
        """What is sorted by."""
        return self.sortagrad or self.sort_by

    @property
    def first_epochs(self) -> int:
        """Epochs that are not random before those that are."""
        return 1 if self.sortagrad else self.shuffle_after or 0

    def batches(self, bucket: float = 0.0, once: bool = False) -> dict[str, Any]:
        """The section ``train.batches``. ``bucket``: seconds to whose multiples batches are padded; 0: none.
        ``once``: of a section that is gone over once."""
        random = self.randomize and not once
        first = self.first_epochs if random else 0
        ordered = first > 0 or not random
        by = LENGTHS[self.key] if self.key else "given"
        return {
            "size": self.batch_size,
            "most": self.num_batches or 0,
            "order": "shuffled" if random else "sorted" if self.key else "given",
            "reverse": self.reverse and ordered,
            "sorted_epochs": first,
            "sort_by": by if first or (self.key and not random) else "length",
            "full": self.force_batch_size,
            "bucket": bucket,
        }

    def idle(self, once: bool, said: Node) -> Iterator[tuple[str, str]]:
        """Options that are ``said`` and change nothing, and why."""
        if once and said.get("randomize") is not None and self.randomize:
            yield "randomize", "this section's data are never shuffled"
        if self.shuffle_after and (once or not self.randomize):
            yield "shuffle_after", "nothing is shuffled"
        if self.randomize and not once and not self.first_epochs:
            for key, value in (("sort_by", self.sort_by), ("reverse", self.reverse)):
                if value:
                    yield key, "the order is random; say 'shuffle_after', or 'randomize: no'"


def said(section: Node) -> Node | None:
    """What the section says of its provider, where it says anything."""
    node: Node | None = section.get("provider")
    return None if node is None or node.content is None else node


def read(section: Node) -> Provider:
    """Of any section. Raises ConfigError, Faults, with file and line."""
    node = said(section)
    return Provider() if node is None else node.build(Provider)


def check(section: Node, utterances: int) -> None:
    """Raises ConfigError where so many utterances make no whole batch, and others are left out."""
    found = read(section)
    if found.force_batch_size and utterances < found.batch_size:
        told = f"{utterances} utterances make no batch of {found.batch_size}"
        raise section.fault(told, "", "choose a smaller batch_size, or 'no'", at=("provider", "force_batch_size"))


def notes(section: Node, name: str) -> list[str]:
    """A line for each option of the section ``name`` that has no effect there."""
    node = said(section)
    if node is None:
        return []
    return [f"{node.where(key)}: no effect: {why}" for key, why in read(section).idle(name in ONCE, node)]
