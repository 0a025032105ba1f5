"""What a feature archive holds, in numbers and as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dstoolkit import stamp
from dstoolkit.data.archive import Archive
from dstoolkit.data.datadir import read_text
from dstoolkit.pipeline.extraction import ARCHIVE

SHOWN = 12  # dimensions in the table of means, evenly chosen
SIZE = (10, 4)  # inches
DPI = 100


def locate(path: Path) -> Path:
    """The archive of a data directory, or the archive itself."""
    return path / ARCHIVE if path.is_dir() else path


def summarise(path: Path) -> dict[str, Any]:
    """Counts, durations in seconds, and moments per dimension. Reads and verifies every frame.

    Raises ArchiveError or Faults where anything was altered.
    """
    with Archive(path) as archive:
        archive.verify()
        return {
            "path": str(path),
            "extractor": archive.extractor,
            "config": dict(archive.config),
            "dtype": archive.dtype,
            "sample_rate": archive.sample_rate,
            "frame_shift": archive.frame_shift,
            "dim": archive.dim,
            "utterances": len(archive),
            "speakers": len(set(archive.speakers)),
            "frames": int(archive.lengths.sum()),
            "seconds": float(archive.durations.sum()),
            "shortest": float(archive.durations.min()),
            "longest": float(archive.durations.max()),
            "shards": len(archive.shards),
            "mean": archive.mean.tolist(),
            "variance": archive.variance.tolist(),
        }


def lines(summary: Mapping[str, Any]) -> str:
    """A summary for people."""
    options = ", ".join(f"{key}={value}" for key, value in summary["config"].items())
    rate = f"{summary['sample_rate']} Hz" if summary["sample_rate"] else "no audio"
    rows = [
        f"{summary['path']}: {summary['utterances']} utterances of {summary['speakers']} speakers, "
        f"{summary['seconds'] / 3600:.3f} h; every digest agrees",
        f"  features    {summary['extractor']} ({options})",
        f"  frames      {summary['frames']} of {summary['dim']} {summary['dtype']}, "
        f"one each {1000 * summary['frame_shift']:g} ms, from {rate}, in {summary['shards']} file(s)",
        f"  utterances  {summary['shortest']:.2f} to {summary['longest']:.2f} s, "
        f"mean {summary['seconds'] / summary['utterances']:.2f} s",
        "  dimension        mean   deviation",
    ]
    for at in np.unique(np.linspace(0, summary["dim"] - 1, min(SHOWN, summary["dim"]), dtype=int)):
        rows.append(f"  {at:9d} {summary['mean'][at]:11.4f} {np.sqrt(summary['variance'][at]):11.4f}")
    return "\n".join(rows)


def draw(path: Path, utterance: str | None, out: Path) -> str:
    """Draw one utterance (None: the first) as PNG, whole or not at all; returns its id.

    Raises ArchiveError for an unknown utterance, DataError for a faulty ``text`` beside the archive.
    """
    with Archive(path) as archive:
        index = 0 if utterance is None else archive.index(utterance)
        frames, name = archive.frames(index), archive.utterance_ids[index]
        label = f"{archive.extractor} dimension"
        seconds = len(frames) * archive.frame_shift
    texts = path.with_name("text")
    text = read_text(texts).get(name, "") if texts.is_file() else ""
    stamp.write_bytes(out, _picture(frames, seconds, label, name, text))
    return name


def _picture(frames: Any, seconds: float, label: str, name: str, text: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    extent = (0.0, seconds, -0.5, frames.shape[1] - 0.5)
    image = axes.imshow(frames.T, aspect="auto", origin="lower", extent=extent, interpolation="nearest")
    figure.colorbar(image, ax=axes)
    axes.set(xlabel="time (s)", ylabel=label)
    axes.set_title(f"{name}\n{text}" if text else name, wrap=True, parse_math=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": "dstoolkit"})
    return buffer.getvalue()
