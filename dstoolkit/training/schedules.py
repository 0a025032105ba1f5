"""Learning-rate schedules: our own answers to the choosing hook, and the two moments at which any schedule is stepped.

A schedule is a dataclass of its options that makes a torch scheduler, whose state is of plain values: a checkpoint
holds no code. ``progress`` is the share of all steps that is done, the present one included; it stays at 1 where a
training takes more steps than were foreseen, and where it has no number of them (``total_steps`` 0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, SupportsFloat

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from dstoolkit import config
from dstoolkit.errors import ConfigError
from dstoolkit.pipeline.experiment import TrainConfig

WHERE = "train.scheduler"


@dataclass(frozen=True)
class Warmed:
    """The rate rises over the share ``warmup`` of all steps."""

    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is {self.warmup:g}; expected 0 to below 1")


@dataclass(frozen=True)
class Constant(Warmed):
    """``train.lr`` after a linear rise (Goyal et al. 2017)."""

    def share(self, progress: float) -> float:
        """The rate as a share of ``train.lr``."""
        return progress / self.warmup if progress < self.warmup else self.after(progress)

    def after(self, progress: float) -> float:
        """The same, once the warm-up is over."""
        return 1.0

    def fallen(self, progress: float) -> float:
        """How much of the time after the warm-up is over, 0 to 1."""
        return (progress - self.warmup) / (1 - self.warmup)

    def make(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        return LambdaLR(optimizer, lambda step: self.share(min(1.0, (step + 1) / total_steps) if total_steps else 1.0))


@dataclass(frozen=True)
class Cosine(Constant):
    """After the linear rise half a cosine down to ``final`` of ``train.lr`` (Loshchilov & Hutter 2017)."""

    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.final <= 1:
            raise ValueError(f"final is {self.final:g}; expected 0 to 1")

    def after(self, progress: float) -> float:
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * self.fallen(progress)))


@dataclass(frozen=True)
class Exponential(Constant):
    """After the linear rise an exponential fall to ``final`` of ``train.lr``, as Kaldi's (Povey et al. 2015)."""

    final: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.final <= 1:
            raise ValueError(f"final is {self.final:g}; expected above 0, to 1")

    def after(self, progress: float) -> float:
        return float(self.final ** self.fallen(progress))


@dataclass(frozen=True)
class Noam(Constant):
    """After the linear rise a fall with the inverse square root of the step (Vaswani et al. 2017).

    The paper's ``size**-0.5 * min(step**-0.5, step * warmup_steps**-1.5)``, scaled so that its peak is ``train.lr``.
    """

    warmup: float = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup == 0:
            raise ValueError("warmup is 0; noam falls from the end of its warm-up: expected above 0")

    def after(self, progress: float) -> float:
        return math.sqrt(self.warmup / progress)


@dataclass(frozen=True)
class OneCycle(Warmed):
    """From ``lr/div`` to ``train.lr`` within ``warmup``, then to ``lr/final_div``, both by cosine (Smith & Topin 2018).

    The momentum (Adam's first beta) meanwhile goes from ``max_momentum`` to ``base_momentum`` and back, unless
    ``cycle_momentum`` is false.
    """

    div: float = 25.0
    final_div: float = 1e4
    cycle_momentum: bool = True
    base_momentum: float = 0.85
    max_momentum: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.div < 1 or self.final_div < 1:
            raise ValueError("div and final_div must be 1 or more")
        if not 0 <= self.base_momentum <= self.max_momentum < 1:
            raise ValueError("expected 0 <= base_momentum <= max_momentum < 1")

    def make(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        return BoundedOneCycle(
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps,
            pct_start=self.warmup if self.warmup * total_steps > 1 else 0.0,  # torch divides by 0 where it is 1 step
            div_factor=self.div,
            final_div_factor=self.final_div / self.div,
            cycle_momentum=self.cycle_momentum,
            base_momentum=self.base_momentum,
            max_momentum=self.max_momentum,
        )


class BoundedOneCycle(OneCycleLR):
    """Stays at the end of its cycle, where torch's raises, when a training takes more steps than were foreseen."""

    def step(self, epoch: int | None = None) -> None:
        if self.last_epoch < self.total_steps - 1:
            super().step(epoch)


@dataclass(frozen=True)
class Plateau(Warmed):
    """After a linear rise ``train.lr``, times ``factor`` each time that more than ``patience`` validations in a row
    find no better loss, but never below ``final`` of ``train.lr`` (torch's ReduceLROnPlateau)."""

    factor: float = 0.5
    patience: int = 2
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.factor < 1 and 0 <= self.final <= 1):
            raise ValueError("factor must be above 0 and below 1, final 0 to 1")
        if self.patience < 0:
            raise ValueError(f"patience is {self.patience}; expected 0 or more")

    def make(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        least = [self.final * group["lr"] for group in optimizer.param_groups]
        options = {"factor": self.factor, "patience": self.patience, "min_lr": least, "eps": 0.0}
        return WarmedPlateau(optimizer, self.warmup * total_steps, options)


class WarmedPlateau(ReduceLROnPlateau):
    """A plateau scheduler whose rate first rises for ``rise`` optimizer steps, when validations do not count yet."""

    def __init__(self, optimizer: Optimizer, rise: float, options: Mapping[str, Any]) -> None:
        self.peaks = [group["lr"] for group in optimizer.param_groups]
        self.rise, self.steps = rise, 0
        super().__init__(optimizer, **options)
        self.warm()

    @property
    def rising(self) -> bool:
        return self.steps + 1 < self.rise

    def warm(self) -> None:
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * (self.steps + 1) / self.rise if self.rising else peak
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def after_step(self) -> None:
        """One more optimizer step is done."""
        if self.rising:
            self.steps += 1
            self.warm()

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """One more validation is done."""
        if not self.rising:
            super().step(metrics, epoch)


@dataclass(frozen=True)
class Inverse(Warmed):
    """``train.lr / (1 + decay * step)``, whatever the number of steps, as Keras's ``decay``; times the linear rise."""

    decay: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.decay < math.inf:
            raise ValueError(f"decay is {self.decay:g}; expected 0 or more")

    def make(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        rise = self.warmup * total_steps
        return LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / max(rise, 1.0)) / (1 + self.decay * step))


Schedule = Constant | Inverse | OneCycle | Plateau
SCHEDULES: dict[str, type[Schedule]] = {
    "cosine": Cosine,
    "constant": Constant,
    "exponential": Exponential,
    "inverse": Inverse,
    "noam": Noam,
    "onecycle": OneCycle,
    "plateau": Plateau,
}
ENDLESS = ("constant", "inverse", "plateau")  # without a warm-up these know no number of steps


def make_scheduler(settings: Mapping[str, Any], optimizer: Optimizer, total_steps: int) -> LRScheduler | None:
    """The scheduler that ``settings`` (its ``name`` and options) ask for; None for another's name.

    Raises ConfigError or Faults for unknown options and impossible values.
    """
    schedule = chosen(settings)
    if schedule is None:
        return None
    if not total_steps:
        check_endless(settings["name"], schedule.warmup)
    try:
        return schedule.make(optimizer, total_steps)
    except ValueError as error:  # an optimizer without a momentum to cycle
        raise ConfigError(WHERE, str(error)) from error


def settings_of(options: TrainConfig) -> dict[str, Any]:
    """What the section ``train`` says of the schedule: its name and options."""
    return {"warmup": options.warmup, **config.plain(options.scheduler)}


def chosen(settings: Mapping[str, Any]) -> Schedule | None:
    """Ours by such a name; None for another's. Raises ConfigError or Faults."""
    if settings["name"] not in SCHEDULES:
        return None
    options = {key: value for key, value in settings.items() if key != "name"}
    return config.build(SCHEDULES[settings["name"]], options, WHERE)


def check(options: TrainConfig) -> None:
    """Raises ConfigError or Faults where one of ours cannot be had for such a training. Another's is not looked at."""
    settings = settings_of(options)
    schedule = chosen(settings)
    if schedule is not None and not options.epochs:
        check_endless(settings["name"], schedule.warmup)


def check_endless(name: str, warmup: float) -> None:
    """Raises ConfigError for a schedule that a training without a number of epochs cannot have."""
    if name not in ENDLESS:
        found = f"0 needs a schedule that is not made for a number of steps, as {name!r} is"
        raise ConfigError("train.epochs", found, f"expected train.scheduler {', '.join(ENDLESS[:-1])} or {ENDLESS[-1]}")
    if warmup:
        found = f"0 needs a schedule without a warm-up; {warmup:g} is a share of a number of steps"
        raise ConfigError("train.epochs", found, "expected train.warmup 0")


def after_step(scheduler: LRScheduler) -> None:
    """To be called after each optimizer step."""
    if isinstance(scheduler, WarmedPlateau):
        scheduler.after_step()
    elif not isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step()


def after_epoch(scheduler: LRScheduler, dev_loss: float) -> None:
    """To be called after each validation: steps the schedulers, a plugin's too, that look at its loss."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(dev_loss)
