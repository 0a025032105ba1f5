"""Optimizers, learning-rate schedules and weight averaging: our own answers to the choosing hooks."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from dstoolkit import config, plugins
from dstoolkit.errors import ConfigError, Faults


def make_optimizer(settings: Mapping[str, Any], parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer | None:
    """``adamw`` (Loshchilov & Hutter 2019) or ``sgd`` with Nesterov momentum; None for another name.

    ``settings`` are ``name``, ``lr``, ``weight_decay`` and torch's own options. Raises ConfigError for unknown ones.
    """
    options = {key: value for key, value in settings.items() if key != "name"}
    if settings["name"] == "adamw":
        return checked(torch.optim.AdamW, parameters, {"betas": (0.9, 0.98), **options})
    if settings["name"] == "sgd":
        return checked(torch.optim.SGD, parameters, {"momentum": 0.9, "nesterov": True, **options})
    return None


def checked(
    kind: type[torch.optim.Optimizer], parameters: Iterable[nn.Parameter], options: dict[str, Any]
) -> torch.optim.Optimizer:
    known = list(inspect.signature(kind.__init__).parameters)[2:]  # after self and params
    Faults.check(
        ConfigError(f"train.optimizer.{key}", "no such option", config.nearest(key, known))
        for key in options
        if key not in known
    )
    try:
        return kind(parameters, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError("train.optimizer", str(error)) from error


def make_scheduler(
    settings: Mapping[str, Any], optimizer: torch.optim.Optimizer, total_steps: int
) -> torch.optim.lr_scheduler.LRScheduler | None:
    """``cosine``: linear warm-up, then half a cosine to 0; ``constant``: warm-up alone; None for another name.

    ``settings`` are ``name`` and ``warmup``, a share of ``total_steps``. Raises ConfigError for unknown ones.
    """
    if settings["name"] not in ("cosine", "constant"):
        return None
    Faults.check(
        ConfigError(f"train.scheduler.{key}", "no such option", config.nearest(key, ["warmup"]))
        for key in settings
        if key not in ("name", "warmup")
    )
    warmup = settings.get("warmup", 0.0)
    cosine = settings["name"] == "cosine"

    def factor(step: int) -> float:
        progress = min(1.0, (step + 1) / total_steps)
        if progress < warmup:
            return float(progress / warmup)
        return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) if cosine else 1.0

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def chosen(kind: str, settings: Mapping[str, Any], **arguments: Any) -> Any:
    """What the first plugin's ``dstoolkit_make_KIND`` makes of ``settings``. Raises ConfigError where none does."""
    made = plugins.load().ask(f"dstoolkit_make_{kind}", settings=settings, **arguments)
    if made is None:
        raise ConfigError(f"train.{kind}", f"no {kind} {settings['name']!r}", "", "see docs/configuration.md for ours")
    return made


Model = TypeVar("Model", bound=nn.Module)


class Average(Generic[Model]):
    """An exponential moving average of a model's weights (Polyak & Juditsky 1992), ``model`` being the averaged copy.

    The decay rises towards its final value over the first steps, so that the initial weights are soon forgotten.
    Buffers (running statistics of batch norm) are copied. A decay of 0 follows the model exactly.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.model = copy.deepcopy(model)
        self.model.eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        averages: list[torch.Tensor] = list(self.model.parameters())
        torch._foreach_lerp_(averages, list(model.parameters()), 1 - decay)
        for average, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            average.copy_(buffer)
