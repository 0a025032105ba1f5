"""What one YAML file says about an experiment, section by section. Every option has its default here or in the
``Config`` of the plugin that a section names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dstoolkit import config
from dstoolkit.config import Choice
from dstoolkit.features.augment import Augment
from dstoolkit.features.cmvn import Kind as CmvnKind
from dstoolkit.text.normalize import Normalization


@dataclass(frozen=True)
class TrainConfig:
    """Section ``train``.

    epochs: passes over the training data.
    batch_seconds: seconds of features in a batch, padding included; utterances of like length share a batch.
    lr: peak learning rate.
    weight_decay: decoupled weight decay (AdamW, Loshchilov & Hutter 2019).
    warmup: share of all steps during which the learning rate rises from 0.
    optimizer, scheduler: which ones, and options of their own.
    clip: the gradients' norm is clipped to this; 0 does not clip.
    ema: decay of the exponential moving average of the weights, which is what is validated and saved as best; 0: none.
    sortagrad: in the first epoch, shortest utterances first and no augmentation (Deep Speech 2, Amodei et al. 2016).
    decoder: how validation turns outputs into text, each epoch anew; ``greedy`` is quick.
    show: how many validation utterances to print each epoch, truth beside prediction.
    """

    epochs: int = 40
    batch_seconds: float = 32.0
    lr: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.15
    optimizer: Choice = field(default_factory=lambda: Choice("adamw"))
    scheduler: Choice = field(default_factory=lambda: Choice("cosine"))
    clip: float = 1.0
    ema: float = 0.99
    sortagrad: bool = True
    decoder: Choice = field(default_factory=lambda: Choice("greedy"))
    show: int = 3

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}; expected 1 or more")
        if self.batch_seconds <= 0 or self.lr <= 0:
            raise ValueError("batch_seconds and lr must be above 0")
        if not (0 <= self.warmup < 1 and 0 <= self.ema < 1):
            raise ValueError("warmup and ema must be 0 to below 1")


@dataclass(frozen=True)
class Experiment:
    """All sections. ``seed`` decides the initial weights, the data's order and the augmentation."""

    seed: int = 0
    text: Normalization = field(default_factory=Normalization)
    features: Choice = field(default_factory=lambda: Choice("spectrogram"))
    tokenizer: Choice = field(default_factory=lambda: Choice("characters"))
    cmvn: CmvnKind = "global"
    augment: Augment = field(default_factory=Augment)
    encoder: Choice = field(default_factory=lambda: Choice("deepspeech"))
    loss: Choice = field(default_factory=lambda: Choice("ctc"))
    decoder: Choice = field(default_factory=lambda: Choice("greedy"))
    train: TrainConfig = field(default_factory=TrainConfig)


def load(path: Path | str | None, overrides: Iterable[str] = ()) -> Experiment:
    """An experiment from a YAML file and ``--set`` overrides. Raises ConfigError or Faults."""
    return from_plain(config.load(path, overrides), str(path) if path is not None else "--set")


def from_plain(values: Any, where: str) -> Experiment:
    """An experiment from plain values, as ``config.plain`` gives them."""
    return config.build(Experiment, values, where)
