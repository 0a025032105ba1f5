"""What one sees of a training: a line per epoch, predictions beside the truth, ``metrics.jsonl`` and ``curves.png``."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from dstoolkit import stamp
from dstoolkit.training.validation import Validation

CURVES_EVERY = 10.0  # s: drawing takes half a second, as long as an epoch of a small corpus


class Monitor:
    """Keeps the epochs' metrics of one run in its folder; ``epochs`` are those done before, when a run goes on."""

    def __init__(self, folder: Path, epochs: int, show: int) -> None:
        self.folder, self.show = folder, show
        self.drawn = -CURVES_EVERY
        self.history = read_metrics(folder / "metrics.jsonl")[:epochs]

    def epoch(self, metrics: Mapping[str, Any], validation: Validation, epochs: int) -> None:
        """Print, record and draw one more epoch."""
        self.history.append(dict(metrics))
        lines = "".join(json.dumps(each) + "\n" for each in self.history)
        stamp.write_text(self.folder / "metrics.jsonl", lines)
        columns = [
            f"epoch {metrics['epoch']:3d}/{epochs}",
            f"loss {metrics['train_loss']:.3f}",
            f"dev loss {metrics['dev_loss']:.3f}",
            f"WER {metrics['dev_wer']:5.1f} %",
            f"CER {metrics['dev_cer']:5.1f} %",
            f"{metrics['seconds']:.1f} s ({metrics['speed']:.0f}x real time)",
        ]
        click.echo("  ".join(columns))
        for utterance_id in sorted(validation.references)[: self.show]:
            click.echo(f"    true: {validation.references[utterance_id]}")
            click.echo(f"    pred: {validation.hypotheses[utterance_id]}")
        if metrics["epoch"] == epochs or time.monotonic() - self.drawn >= CURVES_EVERY:
            draw_curves(self.folder / "curves.png", self.history)
            self.drawn = time.monotonic()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a ``metrics.jsonl``; none where there is no such file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def draw_curves(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Losses in nats per token above, error rates in percent below, over epochs, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    epochs = [each["epoch"] for each in history]
    for axis, names in ((above, ("train_loss", "dev_loss")), (below, ("dev_wer", "dev_cer"))):
        for name in names:
            label = name.replace("_", " ").replace("wer", "WER").replace("cer", "CER")
            values = [each[name] for each in history]
            axis.plot(epochs, values, marker="." if len(epochs) < 60 else None, label=f"{label} ({values[-1]:.3g})")
        axis.grid(alpha=0.3)
        axis.legend()
        axis.set_ylim(bottom=0)
    above.set_ylabel("nats per token")
    below.set_ylabel("percent")
    below.set_xlabel("epoch")
    below.set_ylim(0, min(110.0, below.get_ylim()[1]))
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100, format="png")
    stamp.write_bytes(path, drawn.getvalue())
