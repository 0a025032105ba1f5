"""What one sees of a training: a line per epoch, predictions beside the truth, ``metrics.jsonl``, ``curves.png`` and,
where it is installed, TensorBoard. ``-v`` says more of each epoch."""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstoolkit import stamp
from dstoolkit.data.batches import up_to
from dstoolkit.pipeline.recognition import subsampling
from dstoolkit.scoring.align import alignments
from dstoolkit.training.curves import Curves, best
from dstoolkit.training.outlets import OWN
from dstoolkit.training.tensorboard import Board

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from dstoolkit.models.ctc_model import CTCModel
    from dstoolkit.training.validation import Validation

    IntArray = np.ndarray[Any, np.dtype[np.int64]]

log = logging.getLogger("dstoolkit")

DRAWING = 0.05  # share of the time that may go into drawing; an epoch 20 times as long as that is always drawn
METRICS, SNAPSHOTS = "metrics.jsonl", "snapshots.jsonl"
FIGURES = [f"{of}_{what}" for of in ("dev", "sample") for what in ("loss", "wer", "cer")]
LASTING = ("epoch", "step", *FIGURES)  # of an epoch that was cut short
GAP = "-"  # stands where one text has a character and the other none


class Monitor:
    """Keeps the epochs' metrics of one run in ``folder``, and those of the validated snapshots beside.

    ``done`` of ``epochs`` (0: of no number), and ``step`` steps, were done before, if a run goes on. ``show``
    validation utterances are printed after each epoch, the same ones each time.
    """

    def __init__(self, folder: Path, done: int, epochs: int, show: int, step: int = 0) -> None:
        self.folder, self.epochs, self.show = folder, epochs, show
        self.history = read_metrics(folder / METRICS)[:done]
        self.snapshots = [each for each in read_metrics(folder / SNAPSHOTS) if each["step"] <= step]
        self.curves = Curves(folder / "curves.png", "/".join(folder.parts[-2:]))
        self.board = Board(folder / "tensorboard", done)
        self.cost, self.looked = 0.0, time.monotonic()
        self.undrawn = False

    def epoch(self, metrics: Mapping[str, Any], validation: Validation) -> None:
        """Print, record and draw one more epoch."""
        self.history.append({name: defined(value) for name, value in metrics.items()})
        write_metrics(self.folder / METRICS, self.history)
        if "steps_of_epoch" in metrics:  # once it is gone on with, this line will give way
            self._keep({name: each for name, each in metrics.items() if name in LASTING})
        click.echo(line(metrics, self.epochs) + ("  best" if best(self.history) == len(self.history) - 1 else ""))
        log.info(details(metrics))
        for utterance_id in sorted(validation.references)[: self.show]:
            click.echo(beside(validation.references[utterance_id], validation.hypotheses[utterance_id]))
        self.board.epoch(self.history[-1])
        self.undrawn = True
        last = 0 < self.epochs <= metrics["epoch"]
        if last or self.cost <= DRAWING * (time.monotonic() - self.looked):
            self.draw()

    def snapshot(self, metrics: Mapping[str, Any], better: bool) -> None:
        """Print and record the validation of a snapshot; whether it is the best so far."""
        self._keep(metrics)
        click.echo(snapshot_line(metrics) + ("  best" if better else ""))

    def _keep(self, metrics: Mapping[str, Any]) -> None:
        self.snapshots = [each for each in self.snapshots if each["step"] < metrics["step"]]  # it may be done again
        self.snapshots.append({name: defined(value) for name, value in metrics.items()})
        write_metrics(self.folder / SNAPSHOTS, self.snapshots)

    def draw(self) -> None:
        started = time.monotonic()
        self.curves.draw(self.history)
        self.undrawn, self.looked = False, time.monotonic()
        self.cost = self.looked - started

    def close(self) -> None:
        """Draw what was not drawn yet, and let go of the files."""
        if self.undrawn:
            self.draw()
        self.board.close()


def defined(value: Any) -> Any:
    """JSON knows no NaN and no infinity: null stands for them."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a ``metrics.jsonl``; none where there is no such file."""
    if not path.exists():
        return []
    return [json.loads(each) for each in path.read_text(encoding="utf-8").splitlines() if each]


def write_metrics(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """One line of JSON each."""
    stamp.write_text(path, "".join(json.dumps(each) + "\n" for each in history))


def snapshot_line(metrics: Mapping[str, Any]) -> str:
    """One snapshot in one line."""
    columns = [
        f"epoch {metrics['epoch']:3d}, step {metrics['step']}",
        f"dev loss {metrics['dev_loss']:.3f}",
        f"WER {metrics['dev_wer']:5.1f} %",
        f"CER {metrics['dev_cer']:5.1f} %",
        f"{metrics['utterances']} utterances",
        f"{metrics['seconds']:.1f} s",
    ]
    return "  ".join(columns)


def line(metrics: Mapping[str, Any], epochs: int) -> str:
    """One epoch in one line."""
    columns = [
        f"epoch {metrics['epoch']:3d}" + (f"/{epochs}" if epochs else ""),
        f"loss {metrics['train_loss']:.3f}",
        f"dev loss {metrics['dev_loss']:.3f}",
        f"WER {metrics['dev_wer']:5.1f} %",
        f"CER {metrics['dev_cer']:5.1f} %",
        f"{metrics['seconds']:.1f} s",
        f"{metrics['frames_per_second']:.0f} frames/s ({metrics['speed']:.0f}x real time)",
        f"padding {100 * metrics['padding']:.0f} %",
        f"data wait {100 * metrics['data_wait']:.0f} %",
    ]
    return "  ".join(columns)


def details(metrics: Mapping[str, Any]) -> str:
    """What ``-v`` adds to it."""
    own = "".join(f", {name} {metrics[name]:.3f}" for name in metrics if name.startswith(OWN))
    return (
        f"epoch {metrics['epoch']}: step {metrics['step']}, learning rate {metrics['lr']:.3g}, "
        f"median gradient norm {metrics['grad_norm']:.3g}, {metrics['skipped']} steps skipped, "
        f"{metrics['memory_mb']:.0f} MB of memory{own}"
    )


def describe(model: CTCModel, batches: Sequence[IntArray], lengths: IntArray, multiple: int = 1) -> None:
    """``-v``: the model, and the batches of an epoch (indices of utterances, whose ``lengths`` are in frames, padded to
    a ``multiple``)."""
    for name, part in model.named_children():
        log.info("%s: %s, %d parameters", name, type(part).__name__, parameters(part))
    log.info("model: %d parameters, %d input frames per output", parameters(model), subsampling(model))
    frames = sum(int(lengths[each].sum()) for each in batches)
    padded = sum(int(up_to(lengths[each], multiple).max()) * len(each) for each in batches)
    utterances = sum(len(each) for each in batches)
    share = 100 * (1 - frames / max(padded, 1))
    log.info("batches: %d of %d utterances, %d frames and %.1f %% padding", len(batches), utterances, frames, share)


def parameters(part: nn.Module) -> int:
    """How many numbers are learnt in it."""
    return sum(each.numel() for each in part.parameters() if each.requires_grad)


def beside(truth: str, prediction: str) -> str:
    """The truth above the prediction, aligned character by character, folded at the terminal's width."""
    steps = alignments([truth], [prediction]).steps[0]
    above, below = gapped(truth, steps, "I"), gapped(prediction, steps, "D")
    width = max(shutil.get_terminal_size((1_000_000, 24)).columns - 11, 20)
    rows = []
    for start in range(0, max(len(above), 1), width):
        part = slice(start, start + width)
        rows += [f"    true: {above[part]}".rstrip(), f"    pred: {below[part]}".rstrip()]
    return "\n".join(rows)


def gapped(text: str, steps: str, gap: str) -> str:
    """``text`` with ``GAP`` where ``steps`` have ``gap``: an insertion for the truth, a deletion for a prediction."""
    characters = iter(text)
    return "".join(GAP if each == gap else next(characters) for each in steps)
