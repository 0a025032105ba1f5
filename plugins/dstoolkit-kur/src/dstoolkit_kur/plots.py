"""The drawings of the hook ``plot``: a point an epoch, from ``metrics.jsonl``. Losses are in nats per character."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstoolkit import stamp

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = {"train_loss": "training", "dev_loss": "validation"}
DOTS = 120  # per inch
FORMATS = ("png", "pdf", "svg")  # by the path's ending; png for any other


def draw(kind: str, history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """``kind`` as the option is called: ``loss_per_batch``, ``loss_per_time``, ``throughput_per_time``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4))
    axes = figure.add_subplot()
    {"loss_per_batch": by_batch, "loss_per_time": by_time, "throughput_per_time": throughput}[kind](axes, history)
    ending = path.suffix.lower().lstrip(".")
    path.parent.mkdir(parents=True, exist_ok=True)
    with stamp.building(path, folder=False) as partial:
        figure.savefig(partial, dpi=DOTS, format=ending if ending in FORMATS else "png", bbox_inches="tight")


def by_batch(axes: Axes, history: Sequence[Mapping[str, Any]]) -> None:
    losses(axes, [each["step"] for each in history], history)
    axes.set_xlabel("batches")


def by_time(axes: Axes, history: Sequence[Mapping[str, Any]]) -> None:
    losses(axes, seconds(history), history)
    axes.set_xlabel("seconds")


def losses(axes: Axes, at: Sequence[float], history: Sequence[Mapping[str, Any]]) -> None:
    for key, label in LABELS.items():
        axes.plot(at, [float("nan") if each[key] is None else each[key] for each in history], "o-", label=label)
    axes.set_ylabel("loss per character")
    axes.legend()


def throughput(axes: Axes, history: Sequence[Mapping[str, Any]]) -> None:
    axes.plot(seconds(history), batches_per_second(history), "o-")
    axes.set_xlabel("seconds")
    axes.set_ylabel("batches per second")


def seconds(history: Sequence[Mapping[str, Any]]) -> list[float]:
    """Of training and validation, from the beginning to each epoch's end."""
    return list(itertools.accumulate(each["seconds"] for each in history))


def batches_per_second(history: Sequence[Mapping[str, Any]]) -> list[float]:
    before = [0, *(each["step"] for each in history)]
    return [
        (each["step"] - start) / max(each["seconds"], 1e-9) for each, start in zip(history, before[:-1], strict=True)
    ]
