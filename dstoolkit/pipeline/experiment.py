"""What one YAML file says about an experiment, section by section. Every option has its default here or in the
``Config`` of the plugin that a section names."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dstoolkit import config
from dstoolkit.config import Choice
from dstoolkit.data.batches import Batches
from dstoolkit.features.augment import Augment
from dstoolkit.features.cmvn import Kind as CmvnKind
from dstoolkit.features.whitening import Whitening
from dstoolkit.text.normalize import Normalization


@dataclass(frozen=True)
class Snapshots:
    """Option ``train.snapshots``: when the weights are written to ``snapshot.pt``.

    epochs, steps, utterances, minutes: after so many since the last one, whichever comes first; 0: not for these.
    validation: at one within an epoch so many utterances of the validation data are heard, of all lengths, or ``all``;
        0: none.
    """

    epochs: int = 0
    steps: int = 0
    utterances: int = 0
    minutes: float = 0.0
    validation: int | Literal["all"] = 0

    def __post_init__(self) -> None:
        amounts = [("epochs", self.epochs), ("steps", self.steps), ("utterances", self.utterances)]
        for name, value in (*amounts, ("minutes", self.minutes), ("validation", self.sample)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} is {value:g}; expected 0 or more")
        if self.validation and not (self.minutes or any(value for _, value in amounts)):
            raise ValueError("validation is of snapshots; expected epochs, steps, utterances or minutes with it")

    @property
    def sample(self) -> int:
        """How many utterances are heard; 0: all, or none."""
        return 0 if self.validation == "all" else self.validation


@dataclass(frozen=True)
class TrainConfig:
    """Section ``train``.

    epochs: passes over the training data; 0: until another option, or you, end it.
    minutes, minutes_of: the training ends after so many minutes by the clock of ``all`` its time, of its steps with the
        waiting for data (``train``), of the steps alone (``batch``), or of its validations (``validate``), all runs
        together; 0: never.
    batch_seconds: seconds of features in the batch of one optimizer step, padding included, in all processes together;
        utterances of like length share a batch.
    batches: batches by count, their order, how many an epoch has.
    dev_batches: the same of validations: which batches of the validation data each hears; by default all of it.
    accumulate: the batch is computed in so many parts, one after another, whose gradients are added up.
    min_seconds, max_seconds: shorter and longer training utterances are left out; 0: no limit.
    lr: peak learning rate.
    weight_decay: decoupled weight decay (AdamW, Loshchilov & Hutter 2019).
    warmup: share of all steps during which the learning rate rises from 0.
    optimizer, scheduler: which ones, and options of their own.
    clip: the gradients' norm is clipped to this; 0 does not clip.
    clip_value: each value of the gradients is clipped to this, either way, before their norm is; 0 does not clip.
    loss_per: what a batch's summed losses are divided by for its gradient: its target tokens, or its utterances.
    length_scale: a batch's loss is multiplied by so much times the mean output frames of its utterances, so that long
        ones weigh more; 0: it is not.
    consistency: weight of the difference between what the network makes of two views of an utterance, differently
        augmented, each of which it hears in every step (CR-CTC, ``training/consistency.py``); 0: there is one view.
    ema: decay of the exponential moving average of the weights, which is what is validated and saved as best; 0: none.
    keep: ``best.pt`` holds the ``best`` weights by validation (WER, then loss), or the ``last``.
    average, average_of: at the end the weights of so many epochs, the best or the last, are averaged, and kept where
        they are better than the best; 0: none.
    patience: the training stops after so many epochs without a better validation; 0: never.
    precision: of the network's arithmetic, by torch's autocast; weights, logits and loss stay float32. ``auto``:
        bfloat16 where the device computes with it, else float32.
    compile: the network goes through ``torch.compile``.
    workers: processes that prepare batches; 0: a thread. The batches are the same whatever it is.
    checkpoint_minutes: how often ``last.pt`` is written within an epoch, beside once after each; 0: not within.
    snapshots: when the weights are written, and validated, between that.
    stop_after: so many steps in a row without a finite loss or gradient end the training.
    sortagrad: in the first epoch, shortest utterances first and no augmentation (Deep Speech 2, Amodei et al. 2016).
    decoder: how validation turns outputs into text, each epoch anew; ``greedy`` is quick.
    show: how many validation utterances to print each epoch, truth beside prediction.
    """

    epochs: int = 40
    minutes: float = 0.0
    minutes_of: Literal["all", "train", "batch", "validate"] = "all"
    batch_seconds: float = 32.0
    batches: Batches = field(default_factory=Batches)
    dev_batches: Batches = field(default_factory=Batches)
    accumulate: int = 1
    min_seconds: float = 0.0
    max_seconds: float = 0.0
    lr: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.15
    optimizer: Choice = field(default_factory=lambda: Choice("adamw"))
    scheduler: Choice = field(default_factory=lambda: Choice("cosine"))
    clip: float = 1.0
    clip_value: float = 0.0
    loss_per: Literal["token", "utterance"] = "token"
    length_scale: float = 0.0
    consistency: float = 0.0
    ema: float = 0.99
    keep: Literal["best", "last"] = "best"
    average: int = 0
    average_of: Literal["best", "last"] = "best"
    patience: int = 0
    precision: Literal["float32", "bfloat16", "float16", "auto"] = "float32"
    compile: bool = False
    workers: int = 0
    checkpoint_minutes: float = 10.0
    snapshots: Snapshots = field(default_factory=Snapshots)
    stop_after: int = 20
    sortagrad: bool = True
    decoder: Choice = field(default_factory=lambda: Choice("greedy"))
    show: int = 3

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("accumulate", 1), ("stop_after", 1), ("average", 0), ("patience", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; expected {least} or more")
        if self.batch_seconds <= 0 or self.lr <= 0:
            raise ValueError("batch_seconds and lr must be above 0")
        if not (0 <= self.warmup < 1 and 0 <= self.ema < 1):
            raise ValueError("warmup and ema must be 0 to below 1")
        counted = ("minutes", "min_seconds", "max_seconds", "workers", "checkpoint_minutes", "show", "length_scale")
        for name in (*counted, "clip", "clip_value", "consistency", "weight_decay"):
            if not getattr(self, name) >= 0:  # nor no number
                raise ValueError(f"{name} is {getattr(self, name):g}; expected 0 or more")
        if 0 < self.max_seconds < self.min_seconds:
            raise ValueError(f"max_seconds is {self.max_seconds:g}, below min_seconds, {self.min_seconds:g}")
        if self.sortagrad and self.batches.reverse:
            raise ValueError("batches.reverse is against sortagrad, shortest first; expected sortagrad false with it")
        if self.batches.sort_by != "length" and not (self.sortagrad or self.batches.sorts):
            raise ValueError("batches.sort_by is of sorted epochs; expected sortagrad, order sorted or sorted_epochs")
        if self.dev_batches.sort_by != "length" and not self.dev_batches.sorts:
            raise ValueError("dev_batches.sort_by is of sorted validations; expected order sorted or sorted_epochs")


@dataclass(frozen=True)
class Experiment:
    """All sections. ``seed`` decides the initial weights, the data's order and the augmentation."""

    seed: int = 0
    text: Normalization = field(default_factory=Normalization)
    features: Choice = field(default_factory=lambda: Choice("spectrogram"))
    tokenizer: Choice = field(default_factory=lambda: Choice("characters"))
    cmvn: CmvnKind | Whitening = "global"
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
