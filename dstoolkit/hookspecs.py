"""The hooks a plugin may implement (pluggy, project name and entry-point group ``dstoolkit``).

A plugin is a module (or any object) named by an entry point in the group ``dstoolkit``. It states
``DSTOOLKIT_API = 1`` and implements any of the hooks below, marked with ``hookimpl``:

    from dstoolkit.hookspecs import hookimpl

    DSTOOLKIT_API = 1

    @hookimpl
    def dstoolkit_register_encoders():
        from .encoder import MyEncoder  # import here: the module itself must load fast
        return [MyEncoder]

Hooks whose names begin with ``dstoolkit_register_`` are collected from all plugins. The two ``dstoolkit_make_`` hooks
and ``dstoolkit_train_file`` stop at the first plugin that does not return None; dstoolkit's own answer, if it has one,
comes last. The others only observe. A
hook that registers or observes and raises is that plugin's failure alone. Hooks are implemented, never wrapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import torch

    from dstoolkit.interfaces import Augmentation, Command, Corpus, Decoder, Encoder, Features, Loss, Run, Tokenizer

API = 1  # the number of this hook API; raised when a hook changes so that a plugin must change too

PROJECT = "dstoolkit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def dstoolkit_register_features() -> list[type[Features]]:  # type: ignore[empty-body]
    """Feature extractors. Called when features are first looked up by name. Since API 1."""


@hookspec
def dstoolkit_register_augmentations() -> list[type[Augmentation]]:  # type: ignore[empty-body]
    """Augmentations. Called when an augmentation is first looked up by name. Since API 1."""


@hookspec
def dstoolkit_register_encoders() -> list[type[Encoder]]:  # type: ignore[empty-body]
    """Encoders. Called when an encoder is first looked up by name. Since API 1."""


@hookspec
def dstoolkit_register_losses() -> list[type[Loss]]:  # type: ignore[empty-body]
    """Losses. Called when a loss is first looked up by name. Since API 1."""


@hookspec
def dstoolkit_register_decoders() -> list[type[Decoder]]:  # type: ignore[empty-body]
    """Decoders. Called when a decoder is first looked up by name. Since API 1."""


@hookspec
def dstoolkit_register_tokenizers() -> list[type[Tokenizer]]:  # type: ignore[empty-body]
    """Tokenizers. Called when a tokenizer is first looked up by name. Since API 1."""


@hookspec
def dstoolkit_register_corpora() -> list[type[Corpus]]:  # type: ignore[empty-body]
    """Corpora. Called when a corpus is first looked up by name. Since API 1."""


@hookspec
def dstoolkit_register_commands() -> list[type[Command]]:  # type: ignore[empty-body]
    """Commands below ``dstoolkit``. Called when the command line lists or looks up a command. Since API 1."""


@hookspec(firstresult=True)
def dstoolkit_make_optimizer(
    settings: Mapping[str, Any], parameters: Iterable[torch.nn.Parameter]
) -> torch.optim.Optimizer | None:
    """An optimizer for ``settings`` (``train.optimizer``: its ``name`` and options), or None to leave it to others.

    Called once when a training starts or goes on. Since API 1.
    """


@hookspec(firstresult=True)
def dstoolkit_make_scheduler(
    settings: Mapping[str, Any], optimizer: torch.optim.Optimizer, total_steps: int
) -> torch.optim.lr_scheduler.LRScheduler | None:
    """A learning-rate scheduler, stepped once per optimizer step, for ``settings`` (``train.scheduler``), or None.

    A ``ReduceLROnPlateau`` is stepped after each validation instead, with its loss. Checkpoints keep ``state_dict()``,
    which must be of plain values. ``total_steps`` is 0 for a training without a number of epochs (``train.epochs`` 0).
    Called once when a training starts or goes on. Since API 1.
    """


@hookspec(firstresult=True)
def dstoolkit_train_file(path: Path, overrides: Sequence[str], device: str, force: bool) -> Path | None:
    """Train from the experiment file ``path``, as the plugin reads it; None for a file of another form.

    Called by ``dstoolkit train FILE``. Ours answers to none. ``overrides`` are the command's ``--set``
    (``train.lr=1e-3``), ``device`` its ``--device`` as it was given, ``force`` begins anew. Returns the experiment's
    folder once it is trained. Raises DstoolkitError for what the user can mend. Since API 1.
    """


@hookspec
def dstoolkit_train_start(run: Run) -> None:
    """The beginning of a training. Called before its first step, or the first after going on. Since API 1.

    Under torchrun every process calls the observing hooks; only in the first one do ``metrics`` at the end hold any.
    """


@hookspec
def dstoolkit_step_end(run: Run, losses: Mapping[str, float]) -> None:
    """The end of an optimizer step, which ``run.step`` counts; be quick.

    ``losses`` are the batch's, in nats per target token: ``batch_loss``, and of an encoder with outlets
    ``batch_loss_NAME`` for each. Called after each step, before what the epoch's end brings. Since API 1.
    """


@hookspec
def dstoolkit_epoch_end(run: Run, metrics: Mapping[str, Any]) -> None:
    """The end of an epoch; ``metrics`` is the line just added to ``metrics.jsonl``.

    An epoch that the time ends (``train.minutes``) has its line and this call too, with its steps so far in
    ``metrics["steps_of_epoch"]``; ``run.epoch`` does not count it, and it may be gone on with.

    Called after each epoch's validation. Since API 1.
    """


@hookspec
def dstoolkit_snapshot(run: Run, metrics: Mapping[str, Any]) -> None:
    """A snapshot of the weights (``train.snapshots``), which ``run.save`` would write elsewhere too.

    ``metrics`` is the line just added to ``snapshots.jsonl``, and ``run.predictions`` are of that validation; there is
    none, and ``metrics`` is empty, at the end of an epoch and where snapshots are not validated. Called after each
    snapshot, when its file is written. Since API 1.
    """


@hookspec
def dstoolkit_train_end(run: Run, metrics: Mapping[str, Any]) -> None:
    """The end of a training; ``metrics`` are the last epoch's.

    Called after the last epoch, when the checkpoints are written. Since API 1.
    """
