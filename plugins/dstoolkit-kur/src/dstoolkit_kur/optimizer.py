"""``train.optimizer``: Kur's optimizers and their defaults, as options of dstoolkit's section ``train``.

The formulas are Keras's of 2017: Nesterov's momentum only counts where there is a momentum, and ``decay`` makes the
learning rate ``learning_rate / (1 + decay * step)``.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from dstoolkit import config
from dstoolkit.errors import Faults
from dstoolkit_kur.node import Node

EPSILON = 1e-8  # Keras's


@dataclass(frozen=True)
class Clip:
    """norm: the gradients' norm is scaled down to this.
    abs: each value of the gradients is clipped to this, either way.
    """

    norm: float | None = None
    abs: float | None = None

    def __post_init__(self) -> None:
        for name in ("norm", "abs"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value:g}; expected above 0")


@dataclass(frozen=True)
class Optimizer(ABC):
    """What all have. learning_rate: of the first step. decay: of the learning rate, by step. clip: of gradients."""

    learning_rate: float = 1e-3
    decay: float = 0.0
    clip: Clip | None = None

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.decay < 0:
            raise ValueError("learning_rate must be above 0, decay 0 or more")

    @abstractmethod
    def torch(self) -> dict[str, Any]:
        """dstoolkit's optimizer and its options."""

    def options(self) -> dict[str, Any]:
        """Of dstoolkit's section ``train``."""
        clip = self.clip or Clip()
        return {
            "lr": self.learning_rate,
            "optimizer": self.torch(),
            "scheduler": {"name": "inverse", "decay": self.decay} if self.decay else {"name": "constant"},
            "clip": clip.norm or 0.0,
            "clip_value": clip.abs or 0.0,
        }


@dataclass(frozen=True)
class Adam(Optimizer):
    def torch(self) -> dict[str, Any]:
        return {"name": "adam", "betas": [0.9, 0.999], "eps": EPSILON}


@dataclass(frozen=True)
class SGD(Optimizer):
    """momentum: 0 to below 1. nesterov: Nesterov's form of it."""

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum:g}; expected 0 to below 1")

    def torch(self) -> dict[str, Any]:
        return {"name": "sgd", "momentum": self.momentum, "nesterov": self.nesterov and self.momentum > 0}


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """rho: decay of the mean of squared gradients. epsilon: added to its root."""

    rho: float = 0.9
    epsilon: float = EPSILON

    def torch(self) -> dict[str, Any]:
        return {"name": "rmsprop", "alpha": self.rho, "eps": self.epsilon}


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """rho: decay of the means of squares. epsilon: added within their roots."""

    learning_rate: float = 1.0
    rho: float = 0.95
    epsilon: float = EPSILON

    def torch(self) -> dict[str, Any]:
        return {"name": "adadelta", "rho": self.rho, "eps": self.epsilon}


KINDS: dict[str, type[Optimizer]] = {"adam": Adam, "sgd": SGD, "rmsprop": RMSProp, "adadelta": Adadelta}


def read(section: Node | None) -> Optimizer:
    """``optimizer: adam`` or ``{name: adam, ...}``. Raises ConfigError, Faults, with file and line."""
    if section is None or section.content is None:
        return Adam()
    name = section if isinstance(section.content, str) else section.get("name")
    word = "adam" if name is None or name.content is None else str(name.content)
    if word not in KINDS:
        raise name.fault(repr(word), config.nearest(word, KINDS))
    if not isinstance(section.content, (str, dict)):
        raise section.fault(repr(section.value), "expected an optimizer's name, or {name: sgd, learning_rate: 0.01}")
    options = [each.name for each in dataclasses.fields(KINDS[word])]
    unknown = [key for key in section if key not in ("name", *options)] if isinstance(section.content, dict) else []
    Faults.check(section.get(key).fault("no such option", config.nearest(key, ("name", *options))) for key in unknown)
    rest = Node({key: each for key, each in section.items() if key != "name"}, section.mark, section.path)
    return rest.build(KINDS[word])
