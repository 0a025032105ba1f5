"""Optimizers: our own answers to the choosing hook, and how the plugins are asked.

Weight decay falls on all parameters alike, on biases and the scales of normalisations too.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from dstoolkit import config, plugins
from dstoolkit.errors import ConfigError, DstoolkitError, Faults
from dstoolkit.pipeline.experiment import TrainConfig
from dstoolkit.training.schedules import SCHEDULES

KINDS: dict[str, type[torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
}
FUSED = ("adamw", "adam", "sgd")  # torch has a fused kernel for these
OURS = {"optimizer": list(KINDS), "scheduler": list(SCHEDULES)}
BETAS = (0.9, 0.98)  # Vaswani et al. 2017: a shorter memory of squared gradients than torch's 0.999
MOMENTUM = 0.9  # Kur's


def make_optimizer(settings: Mapping[str, Any], parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer | None:
    """``adamw`` (Loshchilov & Hutter 2019), ``adam`` (Kingma & Ba 2015), ``sgd`` (Nesterov's), ``rmsprop``
    (Tieleman & Hinton 2012), ``adadelta`` (Zeiler 2012); None for another name.

    ``settings`` are ``name``, ``lr``, ``weight_decay`` and torch's own options. ``adamw`` decays weights by themselves
    (decoupled), the others through the gradient. Raises ConfigError or Faults for unknown options.
    """
    if settings["name"] not in KINDS:
        return None
    options = {key: value for key, value in settings.items() if key != "name"}
    parameters = list(parameters)
    return checked(KINDS[settings["name"]], parameters, {**defaults(settings["name"], parameters, options), **options})


def defaults(name: str, parameters: Sequence[nn.Parameter], options: Mapping[str, Any]) -> dict[str, Any]:
    """What we choose where ``options`` do not say."""
    if name not in FUSED:
        return {}
    fused = {"fused": True} if fusible(parameters, options) else {}
    if name != "sgd":
        return {"betas": BETAS, **fused}
    nesterov = bool(options.get("momentum", MOMENTUM)) and not options.get("dampening")  # what Nesterov's needs
    return {"momentum": MOMENTUM, "nesterov": nesterov, **fused}


def fusible(parameters: Sequence[nn.Parameter], options: Mapping[str, Any]) -> bool:
    """Whether one fused kernel takes the whole step: where torch has one, unless ``options`` choose for themselves.

    On one CPU core, at 3.2 million parameters, a step of AdamW took 2.4 ms fused, 15 ms with ``foreach`` and 16 ms in a
    loop; of Nesterov's SGD 1.7, 3.0 and 3.3 ms (torch 2.13).
    """
    ours = all(each.dtype == torch.float32 and each.device.type in ("cpu", "cuda") for each in parameters)
    return ours and not options.keys() & {"fused", "foreach", "differentiable"}


def checked(
    kind: type[torch.optim.Optimizer], parameters: Iterable[nn.Parameter], options: dict[str, Any]
) -> torch.optim.Optimizer:
    known = dict(list(inspect.signature(kind.__init__).parameters.items())[2:])  # after self and params
    faults: list[DstoolkitError] = []
    for key, value in options.items():
        where = f"train.optimizer.{key}"
        if key not in known:
            faults.append(ConfigError(where, "no such option", config.nearest(key, known)))
        elif "bool" in str(known[key].annotation) and not isinstance(value, (bool, type(None))):
            faults.append(ConfigError(where, repr(value), f"expected {config.describe(bool)}"))
    Faults.check(faults)
    try:
        return kind(parameters, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError("train.optimizer", str(error)) from error


def settings_of(options: TrainConfig) -> dict[str, Any]:
    """What the section ``train`` says of the optimizer: its name and options."""
    return {"lr": options.lr, "weight_decay": options.weight_decay, **config.plain(options.optimizer)}


def chosen(kind: str, settings: Mapping[str, Any], **arguments: Any) -> Any:
    """What the first plugin's ``dstoolkit_make_KIND`` makes of ``settings``. Raises ConfigError where none does."""
    made = plugins.load().ask(f"dstoolkit_make_{kind}", settings=settings, **arguments)
    if made is None:
        found = f"no {kind} {settings['name']!r}"
        nearest = config.nearest(str(settings["name"]), OURS[kind])
        raise ConfigError(f"train.{kind}", found, nearest, "see docs/configuration.md for ours")
    return made
