"""``curves.png``: how a training went, epoch by epoch.

Above, training and validation loss in nats per target token, on a logarithmic scale; in the middle, WER and CER of the
validation in percent; below, the learning rate. A dotted line marks the best epoch so far. One figure is kept and
redrawn, because to make it takes several times as long.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dstoolkit import stamp

SIZE, DPI = (8.0, 7.2), 100  # inches, points per inch
TRAIN, DEV, CER, LR, BEST = "#1f5fa8", "#c8501e", "#7a9a2e", "#555555", "#888888"
DRAWN = {  # metric -> part of the picture, name, colour
    "train_loss": (0, "training", TRAIN),
    "dev_loss": (0, "validation", DEV),
    "dev_wer": (1, "WER", DEV),
    "dev_cer": (1, "CER", CER),
    "lr": (2, "learning rate", LR),
}
MARKED = 60  # more epochs than this are lines without a dot each


def best(history: Sequence[Mapping[str, Any]]) -> int:
    """The place of the best epoch: lowest WER, then lowest loss of the validation; the last of several."""
    return min(range(len(history)), key=lambda at: (value(history[at], "dev_wer"), value(history[at], "dev_loss"), -at))


def value(metrics: Mapping[str, Any], name: str) -> float:
    """A metric for comparing; infinite where it is absent or is no number."""
    found = metrics.get(name)
    return math.inf if found is None or math.isnan(found) else float(found)


class Curves:
    """Draws into ``path``; ``title`` stands above."""

    def __init__(self, path: Path, title: str) -> None:
        self.path, self.title = path, title
        self.figure: Any = None

    def draw(self, history: Sequence[Mapping[str, Any]]) -> None:
        """The picture of ``history``, one mapping of metrics per epoch; at least one. Whole or not at all."""
        if self.figure is None:
            self._make()
        epochs = [each["epoch"] for each in history]
        for name, line in self.lines.items():
            values = [each.get(name) for each in history]
            line.set_data(epochs, [math.nan if each is None else each for each in values])
            line.set_marker("." if len(epochs) <= MARKED else "")
            line.set_label(f"{DRAWN[name][1]}  {_short(values[-1])}")
        self._mark(history)
        self._scale(history)
        drawn = io.BytesIO()
        self.figure.savefig(drawn, format="png", metadata={"Software": "dstoolkit"})
        stamp.write_bytes(self.path, drawn.getvalue())

    def _make(self) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

        self.figure = Figure(figsize=SIZE, dpi=DPI)
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.subplots(3, 1, sharex=True, height_ratios=(4, 4, 1.6))
        self.figure.subplots_adjust(left=0.115, right=0.97, top=0.93, bottom=0.075, hspace=0.09)
        self.figure.suptitle(self.title, x=0.115, y=0.985, ha="left", fontsize=11, parse_math=False)
        self.lines = {
            name: self.axes[place].plot([], [], color=colour, linewidth=1.6)[0]
            for name, (place, _, colour) in DRAWN.items()
        }
        self.marks = [axis.axvline(0, color=BEST, linestyle=":", linewidth=1.2, zorder=0) for axis in self.axes]
        for axis, label in zip(self.axes, ("loss (nats per token)", "error rate (%)", "learning rate"), strict=True):
            axis.set_ylabel(label)
            axis.yaxis.set_label_coords(-0.095, 0.5)
            axis.grid(alpha=0.25, linewidth=0.6)
            axis.spines[["top", "right"]].set_visible(False)
        self.axes[0].set_yscale("log", nonpositive="mask")
        self.axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        self.axes[0].yaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:g}"))
        self.axes[0].yaxis.set_minor_formatter(NullFormatter())
        self.axes[2].yaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 5, 10)))
        self.axes[2].yaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:g}"))
        self.axes[2].set_xlabel("epoch")
        self.axes[2].xaxis.set_major_locator(MaxNLocator(integer=True))

    def _mark(self, history: Sequence[Mapping[str, Any]]) -> None:
        """The best epoch, in every part and in words."""
        found = history[best(history)]
        for each in self.marks:
            each.set_xdata([found["epoch"]] * 2)
        wer, cer = (_short(found.get(name)) for name in ("dev_wer", "dev_cer"))
        self.marks[1].set_label(f"best: epoch {found['epoch']}, WER {wer} %, CER {cer} %")

    def _scale(self, history: Sequence[Mapping[str, Any]]) -> None:
        first, last = history[0]["epoch"], history[-1]["epoch"]
        margin = max(0.3, 0.02 * (last - first))
        self.axes[0].set_xlim(first - margin, last + margin)
        losses = [each for each in _finite(history, "train_loss", "dev_loss") if each > 0] or [1.0]
        self.axes[0].set_ylim(min(losses) / 1.2, 1.2 * max(losses))
        self.axes[1].set_ylim(0, min(105.0, 1.05 * max([*_finite(history, "dev_wer", "dev_cer"), 1.0])))
        self.axes[2].set_ylim(0, 1.1 * max(_finite(history, "lr"), default=0.0) or 1.0)
        for axis in self.axes[:2]:
            axis.legend(loc="upper right", framealpha=0.7, edgecolor="none", fontsize=9)


def _finite(history: Sequence[Mapping[str, Any]], *names: str) -> list[float]:
    values = [value(each, name) for each in history for name in names]
    return [each for each in values if math.isfinite(each)]


def _short(number: float | None) -> str:
    return "undefined" if number is None else f"{number:.3g}"
